/* SPDX-License-Identifier: ISC */
/*
 * The only file with platform #ifdefs.  On Debian libbsd-overlay gives
 * sys/queue.h, sys/tree.h, strlcpy, freezero, closefrom, arc4random_buf,
 * strtonum, setproctitle and readpassphrase; what it lacks is here.
 * Every .c file includes this header first.
 */
#ifndef COMPAT_H
#define COMPAT_H

#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* accept4, memfd_create, asprintf */
#endif
#endif

#include <sys/types.h>
#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef __dead
#define __dead		__attribute__((__noreturn__))
#endif
#ifndef nitems
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef __printflike
#define __printflike(f, a) __attribute__((__format__(__printf__, f, a)))
#endif

#ifndef __OpenBSD__
/* Constant-time comparison; returns 0 when equal, as timingsafe_bcmp(3). */
int	 timingsafe_bcmp(const void *, const void *, size_t);
#endif

/*
 * What is freed stays with the process, up to some tens of megabytes: else
 * one large message after the other has all its pages faulted in anew.
 */
void	 compat_keep_memory(void);
/*
 * An anonymous file in memory, close-on-exec: memfd_create(2) on Linux,
 * shm_mkstemp(3) on OpenBSD.  Returns the descriptor, or -1 and errno.
 */
int	 compat_anonfd(void);
/* Neither its octets nor its size change any more.  0, or -1 and errno. */
int	 compat_seal(int);
/*
 * Whether a descriptor that came from elsewhere is such a file, sealed: one
 * that can be read without waiting for anybody.  (OpenBSD has no seals: the
 * first does nothing, the second knows a file without a name.)
 */
int	 compat_is_sealed(int);

#endif /* COMPAT_H */
