/* SPDX-License-Identifier: ISC */
/*
 * fault.so: the calls by which a daemon changes what is on disk, or tells
 * another that it did, counted; at the Nth the process dies, or the call
 * fails as on a full or a broken disk; and the time of day, to be set
 * (fault.h).
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

static struct fault	*fault;

static void	 fault_init(void) __attribute__((constructor));
static int	 fault_before(enum fault_kind, int *);
static void	 fault_after(int);

/* The real function behind ours. */
#define NEXT(name, type, ...)						\
	static type	(*next)(__VA_ARGS__);				\
									\
	if (next == NULL)						\
		*(void **)(&next) = dlsym(RTLD_NEXT, name)

#define FAULTY(kind, call) do {						\
	int	dies;							\
									\
	if (fault_before(kind, &dies) == -1)				\
		return -1;						\
	ret = call;							\
	fault_after(dies);						\
} while (0)

static void
fault_init(void)
{
	const char	*file = getenv("WS_FAULT");
	void		*p;
	int		 fd;

	if (file == NULL)
		return;
	if ((fd = open(file, O_RDWR | O_CLOEXEC)) == -1) {
		perror(file);
		_exit(120);
	}
	p = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	close(fd);
	if (p == MAP_FAILED) {
		perror(file);
		_exit(120);
	}
	fault = p;
}

/* -1: the call fails, errno is set.  *dies: it is to be the last one. */
static int
fault_before(enum fault_kind kind, int *dies)
{
	uint32_t	n;

	*dies = 0;
	if (fault == NULL || !(fault->kinds & 1U << kind))
		return 0;
	if (fault->who[0] != '\0' && strncmp(fault->who,
	    program_invocation_short_name, sizeof(fault->who)) != 0)
		return 0;
	n = ++fault->count;
	if (fault->nth == 0 || n < fault->nth ||
	    n - fault->nth >= fault->calls)
		return 0;
	fault->hits++;
	fault->kind = kind;
	switch (fault->act) {
	case FAULT_DIE_BEFORE:
		fault->nth = 0;
		raise(SIGKILL);
		break;
	case FAULT_DIE_AFTER:
		fault->nth = 0;
		*dies = 1;
		return 0;
	default:
		break;
	}
	errno = (int)fault->act;
	return -1;
}

static void
fault_after(int dies)
{
	if (dies)
		raise(SIGKILL);
}

ssize_t
write(int fd, const void *p, size_t len)
{
	ssize_t	ret;

	NEXT("write", ssize_t, int, const void *, size_t);
	if (fd <= 2)		/* the log */
		return next(fd, p, len);
	FAULTY(FK_WRITE, next(fd, p, len));
	return ret;
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t off)
{
	ssize_t	ret;

	NEXT("pwrite", ssize_t, int, const void *, size_t, off_t);
	FAULTY(FK_WRITE, next(fd, p, len, off));
	return ret;
}

#ifdef __GLIBC__
ssize_t
pwrite64(int fd, const void *p, size_t len, off64_t off)
{
	ssize_t	ret;

	NEXT("pwrite64", ssize_t, int, const void *, size_t, off64_t);
	FAULTY(FK_WRITE, next(fd, p, len, off));
	return ret;
}
#endif

int
fsync(int fd)
{
	int	ret;

	NEXT("fsync", int, int);
	FAULTY(FK_SYNC, next(fd));
	return ret;
}

int
fdatasync(int fd)
{
	int	ret;

	NEXT("fdatasync", int, int);
	FAULTY(FK_SYNC, next(fd));
	return ret;
}

int
rename(const char *from, const char *to)
{
	int	ret;

	NEXT("rename", int, const char *, const char *);
	FAULTY(FK_RENAME, next(from, to));
	return ret;
}

int
unlink(const char *path)
{
	int	ret;

	NEXT("unlink", int, const char *);
	FAULTY(FK_UNLINK, next(path));
	return ret;
}

int
unlinkat(int fd, const char *path, int flags)
{
	int	ret;

	NEXT("unlinkat", int, int, const char *, int);
	FAULTY(FK_UNLINK, next(fd, path, flags));
	return ret;
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t	ret;

	NEXT("sendmsg", ssize_t, int, const struct msghdr *, int);
	FAULTY(FK_SEND, next(fd, m, flags));
	return ret;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int	ret;

	NEXT("clock_gettime", int, clockid_t, struct timespec *);
	ret = next(id, ts);
	if (ret == 0 && id == CLOCK_REALTIME && fault != NULL)
		ts->tv_sec += fault->clock;
	return ret;
}
