/* SPDX-License-Identifier: ISC */
/*
 * Put into the processes of a service (LD_PRELOAD) it lets one of them fail
 * at a call that the test names: the process dies there, or the call fails
 * once.  The test and all processes share the file that WS_FAULT names; it is
 * mapped before a sandbox closes.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODE_COUNT, MODE_KILL, MODE_ENOSPC, MODE_EIO };

/* As crash.t writes and reads it with pack("a16 q4"). */
struct fault {
	char	 who[16];	/* a process by its name */
	int64_t	 mode;
	int64_t	 at;		/* the call it happens at, 0: none */
	int64_t	 seen;		/* calls so far */
	int64_t	 struck;	/* it happened */
};

static volatile struct fault	*shared;
static char			 me[16];

__attribute__((constructor)) static void
fault_start(void)
{
	const char	*path = getenv("WS_FAULT");
	void		*p;
	int		 fd;

	strncpy(me, program_invocation_short_name, sizeof(me) - 1);
	if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	close(fd);
	if (p != MAP_FAILED)
		shared = p;
}

/* A call that changes what others see.  1: it is to fail with errno. */
static int
fault_here(int may_fail)
{
	int64_t	 mode;

	if (shared == NULL || shared->at == 0 ||
	    strncmp((const char *)shared->who, me, sizeof(me)) != 0)
		return 0;
	if (++shared->seen != shared->at)
		return 0;
	mode = shared->mode;
	if (mode == MODE_KILL) {
		shared->struck = 1;
		raise(SIGKILL);
		__builtin_trap();
	}
	if (mode == MODE_COUNT || !may_fail) {
		shared->at++;		/* the next that may */
		return 0;
	}
	shared->struck = 1;
	errno = mode == MODE_ENOSPC ? ENOSPC : EIO;
	return 1;
}

static int
fault_is_file(int fd)
{
	struct stat	 st;
	int		 saved = errno, ret;

	ret = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	errno = saved;
	return ret;
}

#define REAL(type, name, ...) \
	static type (*real)(__VA_ARGS__); \
	if (real == NULL) \
		*(void **)&real = dlsym(RTLD_NEXT, name)

int
fsync(int fd)
{
	REAL(int, "fsync", int);
	return fault_here(1) ? -1 : real(fd);
}

int
fdatasync(int fd)
{
	REAL(int, "fdatasync", int);
	return fault_here(1) ? -1 : real(fd);
}

int
ftruncate(int fd, off_t len)
{
	REAL(int, "ftruncate", int, off_t);
	return fault_here(1) ? -1 : real(fd, len);
}

int
rename(const char *from, const char *to)
{
	REAL(int, "rename", const char *, const char *);
	return fault_here(1) ? -1 : real(from, to);
}

int
unlink(const char *path)
{
	REAL(int, "unlink", const char *);
	return fault_here(1) ? -1 : real(path);
}

ssize_t
write(int fd, const void *p, size_t len)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	return fault_is_file(fd) && fault_here(1) ? -1 : real(fd, p, len);
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t off)
{
	REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
	return fault_here(1) ? -1 : real(fd, p, len, off);
}

ssize_t
pwrite64(int fd, const void *p, size_t len, off64_t off)
{
	REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
	return fault_here(1) ? -1 : real(fd, p, len, off);
}

/* What was committed and is not told yet. */
ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
	return fault_here(0) ? -1 : real(fd, msg, flags);
}
