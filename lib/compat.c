/* SPDX-License-Identifier: ISC */
/* What one of the two platforms lacks. */
#include "compat.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define KEEP_MMAP	(32 << 20)	/* the most that mallopt(3) takes */
#define KEEP_TRIM	(64 << 20)

#ifndef __OpenBSD__
int
timingsafe_bcmp(const void *b1, const void *b2, size_t n)
{
	const volatile uint8_t	*p1 = b1, *p2 = b2;
	uint8_t			 diff = 0;

	for (; n > 0; n--)
		diff |= *p1++ ^ *p2++;
	return diff != 0;
}
#endif

void
compat_keep_memory(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, KEEP_MMAP);
	(void)mallopt(M_TRIM_THRESHOLD, KEEP_TRIM);
#endif
}

int
compat_anonfd(void)
{
#ifdef __OpenBSD__
	char	 path[] = "/tmp/ws.XXXXXXXXXX";
	int	 fd;

	if ((fd = shm_mkstemp(path)) == -1)
		return -1;
	if (shm_unlink(path) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		close(fd);
		return -1;
	}
	return fd;
#else
	return memfd_create("imsg", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#endif
}

#ifdef __OpenBSD__
int
compat_seal(int fd)
{
	(void)fd;
	return 0;
}

int
compat_is_sealed(int fd)
{
	struct stat	 st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
}
#else
#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int
compat_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL);
}

int
compat_is_sealed(int fd)
{
	int	 seals;

	return (seals = fcntl(fd, F_GET_SEALS)) != -1 &&
	    (seals & SEALS) == SEALS;
}
#endif
