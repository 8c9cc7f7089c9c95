/* SPDX-License-Identifier: ISC */
/* Whole files, in and out. */
#ifndef MAILFILE_H
#define MAILFILE_H

#include <stdio.h>

#define MAILFILE_MAX	(64U << 20)

/* The content, NUL-terminated beyond *len; caller frees.  NULL and errno. */
uint8_t	*mailfile_read(const char *path, size_t *len);
uint8_t	*mailfile_read_stream(FILE *, size_t *len);
/* Never overwrites: EEXIST.  Mode 0600, synced.  0, or -1 and errno. */
int	 mailfile_write(const char *path, const void *, size_t);

#endif /* MAILFILE_H */
