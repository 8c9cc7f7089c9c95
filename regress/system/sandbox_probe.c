/* SPDX-License-Identifier: ISC */
/*
 * A shared object that sandbox.t puts into processes with LD_PRELOAD: into
 * those of a service, whose sandbox is closed when the signal comes, and into
 * others without a sandbox, for control.  On SIGUSR1 the main thread, on
 * SIGUSR2 a thread that the program made, tries what sandbox_attempts.c lists
 * and writes a line for each: tag, name, "ok" or the error.
 *
 * WS_PROBE names a directory.  "in" there is read with each signal: lines of a
 * word and its value, as in struct probe.  Results are added to "out".  All
 * that is opened by name is opened by the constructor, before there is a
 * sandbox.
 *
 * WS_PROBE_WITHOUT takes a layer away to see what the others hold: "seccomp"
 * (the filter is not loaded), "landlock" (the rules are not applied), or
 * "landlock-abi": a kernel that has none.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox_probe.h"

struct probe	 probe;

static int	 is_without(const char *);
static int	 fd_keep(int, int);
static void	 word_copy(char *, size_t, const char *);
static void	 on_signal(int);
static void	*thread_begin(void *);

static int
is_without(const char *what)
{
	const char	*s = getenv("WS_PROBE_WITHOUT");

	return s != NULL && strcmp(s, what) == 0;
}

/* Out of the way of the program's own numbers. */
static int
fd_keep(int fd, int at)
{
	int	 kept;

	if (fd == -1)
		return -1;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, at);
	close(fd);
	return kept;
}

static __attribute__((constructor)) void
probe_init(void)
{
	struct sigaction	 sa;
	sigset_t		 set;
	const char		*dir = getenv("WS_PROBE");
	char			 path[4096];

	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/in", dir);
	probe.in = fd_keep(open(path, O_RDONLY), 200);
	snprintf(path, sizeof(path), "%s/out", dir);
	probe.out = fd_keep(open(path, O_WRONLY | O_APPEND), 200);
	if (probe.in == -1 || probe.out == -1)
		return;
	probe.root = fd_keep(open("/", O_RDONLY | O_DIRECTORY), 200);
	probe.program = fd_keep(open("/bin/true", O_RDONLY), 200);
	probe.client = fd_keep(socket(AF_INET, SOCK_STREAM, 0), 200);
	probe.server = fd_keep(socket(AF_INET, SOCK_STREAM, 0), 200);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	/* Left to a thread that takes it. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
word_copy(char *to, size_t size, const char *from)
{
	size_t	 n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void
on_signal(int sig)
{
	char	 text[8192], word[64], value[4096];
	char	*line, *save = NULL;
	long	 n;
	int	 saved = errno;

	(void)sig;
	if ((n = pread(probe.in, text, sizeof(text) - 1, 0)) <= 0)
		return;
	text[n] = '\0';
	probe.only[0] = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%63s %4095s", word, value) != 2)
			continue;
		if (strcmp(word, "tag") == 0)
			word_copy(probe.tag, sizeof(probe.tag), value);
		else if (strcmp(word, "only") == 0)
			word_copy(probe.only, sizeof(probe.only), value);
		else if (strcmp(word, "play") == 0)
			word_copy(probe.play, sizeof(probe.play), value);
		else if (strcmp(word, "spool") == 0)
			word_copy(probe.spool, sizeof(probe.spool), value);
		else if (strcmp(word, "victim") == 0)
			probe.victim = (pid_t)atol(value);
		else if (strcmp(word, "address") == 0)
			probe.address = strtoul(value, NULL, 0);
		else if (strcmp(word, "other") == 0)
			probe.other = (pid_t)atol(value);
		else if (strcmp(word, "parent") == 0)
			probe.parent = (pid_t)atol(value);
		else if (strcmp(word, "port") == 0)
			probe.port = atoi(value);
	}
	attempt_all();
	errno = saved;
}

/* --- what is taken away --------------------------------------------------- */

int
seccomp_load(void *ctx)
{
	int	 (*real)(void *) = (int (*)(void *))dlsym(RTLD_NEXT,
		    "seccomp_load");

	return is_without("seccomp") ? 0 : real(ctx);
}

long
syscall(long nr, ...)
{
	long	 (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT,
		    "syscall");
	long	 a[6];
	va_list	 ap;
	int	 i;

	va_start(ap, nr);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_landlock_create_ruleset && is_without("landlock-abi")) {
		errno = ENOSYS;
		return -1;
	}
	if (nr == SYS_landlock_restrict_self && is_without("landlock"))
		return 0;
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- threads of the program ------------------------------------------------ */

struct begin {
	void	*(*fn)(void *);
	void	*arg;
};

static void *
thread_begin(void *arg)
{
	struct begin	 b = *(struct begin *)arg;
	sigset_t	 set;

	free(arg);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return b.fn(b.arg);
}

int
pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *),
    void *arg)
{
	int		 (*real)(pthread_t *, const pthread_attr_t *,
			    void *(*)(void *), void *);
	struct begin	*b;
	int		 error;

	real = (int (*)(pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
	if ((b = malloc(sizeof(*b))) == NULL)
		return ENOMEM;
	b->fn = fn;
	b->arg = arg;
	if ((error = real(t, attr, thread_begin, b)) != 0)
		free(b);
	return error;
}
