/* SPDX-License-Identifier: ISC */
/*
 * exec: a program judges messages, wsplugin-exec(8).  The message is on its
 * standard input, in a file without a name, so that nobody waits for a
 * program that does not read; what it prints is the reason; its exit status
 * is the verdict.
 */
#define _GNU_SOURCE		/* memfd_create(2), pipe2(2) */

#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "wsplugin.h"

#define EXIT_TAKEN	99
#define EXIT_HOLD	100
#define ARGS_MAX	32
#define ENV_MAX		8
#define OUTPUT_MAX	500
#define FD_MAX		256

struct job {
	TAILQ_ENTRY(job) entry;
	struct wsp_call	*call;
	pid_t		 pid;		/* 0: waits for its turn */
	int		 out;		/* what it prints, -1: it has ended */
	time_t		 deadline;
	int		 late;
	char		 text[OUTPUT_MAX + 1];
	size_t		 len;
};

struct exec {
	char		*argv[ARGS_MAX + 2];
	int		 argc;
	long		 timeout, cpu, most, running;
	rlim_t		 memory;
	int		 sending;
	int		 ended[2];	/* a child has ended */
	TAILQ_HEAD(, job) jobs;
};

static int	 init(struct wsp *);
static int	 set(struct wsp *, struct exec *, const char *, const char *);
static int	 number(const char *, long, long, long *);
static void	 on_sending(struct wsp *, struct wsp_call *);
static void	 on_delivery(struct wsp *, struct wsp_call *);
static void	 judge(struct wsp *, struct wsp_call *);
static void	 start_some(struct wsp *);
static int	 start(struct wsp *, struct job *);
static void	 child(struct wsp *, struct job *, int, int);
static int	 message_file(struct wsp_call *);
static void	 printed(struct wsp *, int, void *);
static void	 on_end(struct wsp *, int, void *);
static void	 finish(struct wsp *, struct job *, int);
static void	 tick(struct wsp *);
static void	 fini(struct wsp *);
static void	 child_ended(int);

/* For the signal's handler: there is one plug-in in a process. */
static int	 ended_fd = -1;

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.init = init,
	.sending = on_sending,
	.delivery = on_delivery,
	.tick = tick,
	.fini = fini,
};

static int
number(const char *s, long min, long max, long *out)
{
	char	*end;

	errno = 0;
	*out = strtol(s, &end, 10);
	return errno != 0 || end == s || *end != '\0' || *out < min ||
	    *out > max ? -1 : 0;
}

static int
set(struct wsp *w, struct exec *x, const char *name, const char *v)
{
	long	 n;

	if (strcmp(name, "program") == 0 && v[0] == '/')
		x->argv[0] = (char *)(uintptr_t)v;
	else if (strcmp(name, "argument") == 0 && x->argc < ARGS_MAX)
		x->argv[++x->argc] = (char *)(uintptr_t)v;
	else if (strcmp(name, "when") == 0 && (strcmp(v, "sending") == 0 ||
	    strcmp(v, "delivery") == 0))
		x->sending = strcmp(v, "sending") == 0;
	else if (strcmp(name, "timeout") == 0 && number(v, 1, 300, &n) == 0)
		x->timeout = n;
	else if (strcmp(name, "cpu") == 0 && number(v, 1, 300, &n) == 0)
		x->cpu = n;
	else if (strcmp(name, "at-a-time") == 0 && number(v, 1, 32, &n) == 0)
		x->most = n;
	else if (strcmp(name, "memory") == 0 && number(v, 1, 65536, &n) == 0)
		x->memory = (rlim_t)n << 20;
	else {
		wsp_log(w, "option %s %s: expected program /PATH, argument, "
		    "when sending or delivery, timeout or cpu 1 to 300 (s), "
		    "memory 1 to 65536 (MB), or at-a-time 1 to 32", name, v);
		return -1;
	}
	return 0;
}

static void
child_ended(int sig)
{
	int	 saved = errno;

	(void)sig;
	if (write(ended_fd, "", 1) == -1)
		errno = saved;	/* full: there is word of one already */
	errno = saved;
}

static int
init(struct wsp *w)
{
	struct sigaction sa;
	struct exec	*x;
	const char	*name, *v;
	size_t		 i;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return -1;
	wsp_set(w, x);
	TAILQ_INIT(&x->jobs);
	x->timeout = 5;
	x->cpu = 5;
	x->most = 4;
	x->memory = (rlim_t)256 << 20;
	for (i = 0; (name = wsp_option_at(w, i, &v)) != NULL; i++)
		if (set(w, x, name, v) == -1)
			return -1;
	if (x->argv[0] == NULL) {
		wsp_log(w, "no option program");
		return -1;
	}
	if (access(x->argv[0], X_OK) == -1) {
		wsp_log(w, "%s: %s", x->argv[0], strerror(errno));
		return -1;
	}
	if (pipe2(x->ended, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	ended_fd = x->ended[1];
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = child_ended;
	sa.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	if (sigaction(SIGCHLD, &sa, NULL) == -1)
		return -1;
	return wsp_watch(w, x->ended[0], on_end, NULL);
}

static void
fini(struct wsp *w)
{
	struct exec	*x = wsp_get(w);
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (j->pid > 0)
			(void)kill(-j->pid, SIGKILL);
}

static void
on_sending(struct wsp *w, struct wsp_call *c)
{
	if (((struct exec *)wsp_get(w))->sending)
		judge(w, c);
	else
		wsp_continue(c);
}

static void
on_delivery(struct wsp *w, struct wsp_call *c)
{
	if (((struct exec *)wsp_get(w))->sending)
		wsp_continue(c);
	else
		judge(w, c);
}

static void
judge(struct wsp *w, struct wsp_call *c)
{
	struct exec	*x = wsp_get(w);
	struct job	*j;

	if ((j = calloc(1, sizeof(*j))) == NULL) {
		wsp_defer(c, "out of memory");
		return;
	}
	j->call = c;
	j->out = -1;
	TAILQ_INSERT_TAIL(&x->jobs, j, entry);
	start_some(w);
}

/* In their order, so many at a time. */
static void
start_some(struct wsp *w)
{
	struct exec	*x = wsp_get(w);
	struct job	*j, *next;

	for (j = TAILQ_FIRST(&x->jobs); j != NULL && x->running < x->most;
	    j = next) {
		next = TAILQ_NEXT(j, entry);
		if (j->pid == 0 && start(w, j) == -1) {
			wsp_log(w, "%s: %s", x->argv[0], strerror(errno));
			wsp_defer(j->call, "the program cannot be started");
			TAILQ_REMOVE(&x->jobs, j, entry);
			free(j);
		}
	}
}

static int
message_file(struct wsp_call *c)
{
	const struct wsp_message *m = wsp_message(c);
	size_t			 off = 0;
	ssize_t			 n;
	int			 fd;

	if ((fd = memfd_create("message", MFD_CLOEXEC)) == -1)
		return -1;
	while (m->xml != NULL && off < m->xml_len) {
		if ((n = write(fd, m->xml + off, m->xml_len - off)) == -1) {
			close(fd);
			return -1;
		}
		off += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
start(struct wsp *w, struct job *j)
{
	struct exec	*x = wsp_get(w);
	int		 in, out[2];

	if ((in = message_file(j->call)) == -1)
		return -1;
	if (pipe2(out, O_CLOEXEC) == -1) {
		close(in);
		return -1;
	}
	j->pid = fork();
	if (j->pid == 0)
		child(w, j, in, out[1]);
	close(in);
	close(out[1]);
	if (j->pid == -1 || fcntl(out[0], F_SETFL, O_NONBLOCK) == -1 ||
	    wsp_watch(w, out[0], printed, j) == -1) {
		close(out[0]);
		if (j->pid > 0)
			(void)kill(-j->pid, SIGKILL);
		j->pid = 0;
		return -1;
	}
	j->out = out[0];
	j->deadline = time(NULL) + x->timeout;
	x->running++;
	return wsp_timer(w, 1);
}

/* What is not set here the program has not got. */
static void
child(struct wsp *w, struct job *j, int in, int out)
{
	static const char *const names[] = { "SENDER", "RECIPIENT", "MSGID",
		"SUBJECT", "REQUEST" };
	const struct wsp_message *m = wsp_message(j->call);
	const char		*values[] = { m->sender, m->nrcpt > 0 ?
				    m->rcpt[0] : "", m->msgid, m->subject,
				    wsp_env(j->call)->request };
	struct exec		*x = wsp_get(w);
	struct rlimit		 rl;
	char			*env[ENV_MAX + 2] = { NULL };
	char			 path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	size_t			 i;
	int			 fd;

	(void)setpgid(0, 0);
	env[0] = path;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (asprintf(&env[i + 1], "WSEMAIL_%s=%s", names[i],
		    values[i]) == -1)
			_exit(EX_TEMPFAIL);
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(out, STDERR_FILENO) == -1)
		_exit(EX_TEMPFAIL);
	for (fd = STDERR_FILENO + 1; fd < FD_MAX; fd++)
		(void)close(fd);
	rl.rlim_cur = rl.rlim_max = (rlim_t)x->cpu;
	if (setrlimit(RLIMIT_CPU, &rl) == -1)
		_exit(EX_TEMPFAIL);
	rl.rlim_cur = rl.rlim_max = x->memory;
	if (setrlimit(RLIMIT_DATA, &rl) == -1 && errno != EPERM)
		_exit(EX_TEMPFAIL);
	execve(x->argv[0], x->argv, env);
	_exit(EX_TEMPFAIL);
}

/* The first line of what it prints is the reason; the rest is read, too. */
static void
printed(struct wsp *w, int fd, void *arg)
{
	struct job	*j = arg;
	char		 buf[4096];
	ssize_t		 n;
	size_t		 room;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		room = OUTPUT_MAX - j->len;
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(j->text + j->len, buf, room);
		j->len += room;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	(void)wsp_watch(w, fd, NULL, NULL);
	close(fd);
	j->out = -1;
}

static void
on_end(struct wsp *w, int fd, void *arg)
{
	struct exec	*x = wsp_get(w);
	struct job	*j;
	char		 buf[64];
	pid_t		 pid;
	int		 status;

	(void)arg;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		TAILQ_FOREACH(j, &x->jobs, entry)
			if (j->pid == pid) {
				finish(w, j, status);
				break;
			}
	start_some(w);
}

static void
finish(struct wsp *w, struct job *j, int status)
{
	struct exec	*x = wsp_get(w);
	int		 code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	/* What it started may go on, and hold the pipe open. */
	(void)kill(-j->pid, SIGKILL);
	if (j->out != -1)
		printed(w, j->out, j);
	if (j->out != -1) {
		(void)wsp_watch(w, j->out, NULL, NULL);
		close(j->out);
	}
	j->text[j->len] = '\0';
	j->text[strcspn(j->text, "\r\n")] = '\0';
	switch (code) {
	case EX_OK:
		wsp_continue(j->call);
		break;
	case EX_NOPERM:
	case EX_UNAVAILABLE:
		wsp_refuse(j->call, 0, j->text);
		break;
	case EX_TEMPFAIL:
		wsp_defer(j->call, j->text);
		break;
	case EXIT_TAKEN:
		wsp_taken(j->call, j->text);
		break;
	case EXIT_HOLD:
		wsp_hold(j->call, j->text);
		break;
	default:
		if (code == -1)
			wsp_log(w, "%s: %s, signal %d", x->argv[0], j->late ?
			    "too late" : "ended", WTERMSIG(status));
		else
			wsp_log(w, "%s: exit status %d: %s", x->argv[0], code,
			    j->text);
		wsp_defer(j->call, j->late ? "the program was late" :
		    "the program failed");
		break;
	}
	x->running--;
	TAILQ_REMOVE(&x->jobs, j, entry);
	free(j);
}

static void
tick(struct wsp *w)
{
	struct exec	*x = wsp_get(w);
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (j->pid > 0 && time(NULL) >= j->deadline) {
			j->late = 1;
			(void)kill(-j->pid, SIGKILL);
		}
	if (x->running == 0)
		(void)wsp_timer(w, 0);
}
