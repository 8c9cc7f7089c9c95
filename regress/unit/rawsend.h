/* SPDX-License-Identifier: ISC */
/* Octets and descriptors on a socket, as a hostile peer sends them. */
#ifndef RAWSEND_H
#define RAWSEND_H

#include <sys/types.h>

#define RAW_FDS_MAX	64

/* All at once, or -1.  The descriptors stay the caller's. */
int	 raw_send(int, const void *, size_t, const int *, int);

#endif /* RAWSEND_H */
