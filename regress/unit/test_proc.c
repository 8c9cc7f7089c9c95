/* SPDX-License-Identifier: ISC */
/*
 * lib/proc.c: a child whose parent dies finishes what it has begun, and says
 * so in its log.  The child is this program, started again.
 */
#include "compat.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "imsg.h"
#include "log.h"
#include "msg_proc.h"
#include "proc.h"
#include "tap.h"

static void	 child_finish(evutil_socket_t, short, void *);
static void	 child_shutdown(struct proc *);
static void	 child_start(struct proc *);
static int	 child(void);
static __dead void child_exec(const char *, int);
static void	 send_w(struct imsgbuf *, uint32_t, struct wbuf *);
static int	 await(struct imsgbuf *, uint32_t);
static void	 test_parent_dies(const char *);

/* Later than the end of the channel: 7, or 8 when proc still knows it. */
static void
child_finish(evutil_socket_t fd, short what, void *arg)
{
	struct proc	*p = arg;
	struct log_ev	 ev;

	(void)fd;
	(void)what;
	memset(&ev, 0, sizeof(ev));
	ev.ev = "stop";
	log_event(&ev);
	proc_exit(p, p->parent == NULL ? 7 : 8);
}

static void
child_shutdown(struct proc *p)
{
	static const struct timeval	 now = { 0, 0 };

	if (event_base_once(p->base, -1, EV_TIMEOUT, child_finish, p, &now) ==
	    -1)
		_exit(9);
}

static void
child_start(struct proc *p)
{
	struct wbuf	 w = { 0 };

	wbuf_str(&w, "begun");
	if (chan_sendw(p->parent, IMSG_PARENT_EVENT, 0, &w) == -1)
		_exit(9);
}

static int
child(void)
{
	static char			 name[] = "test_proc", *argv[] = { name, NULL };
	static const struct proc_ops	 ops = {
		.me = P_CONTROL,
		.start = child_start,
		.shutdown = child_shutdown,
	};

	return proc_main(1, argv, &ops);
}

static __dead void
child_exec(const char *self, int fd)
{
	if (fd == PROC_PARENT_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, PROC_PARENT_FD) == -1)
		_exit(9);
	closefrom(PROC_PARENT_FD + 1);
	/* A sanitizer's search for leaks needs what the sandbox forbids. */
	(void)setenv("LSAN_OPTIONS", "detect_leaks=0", 0);
	execl(self, self, "child", (char *)NULL);
	_exit(9);
}

static void
send_w(struct imsgbuf *ib, uint32_t type, struct wbuf *w)
{
	if (imsg_compose(ib, type, 0, -1, w->data, w->len) == -1 ||
	    imsgbuf_flush(ib) == -1)
		ok(0, "send to the child");
	wbuf_free(w);
}

/* 1 when the next message is of that type. */
static int
await(struct imsgbuf *ib, uint32_t type)
{
	struct pollfd	 pfd = { .fd = ib->fd, .events = POLLIN };
	struct imsg	 m;
	uint32_t	 is;
	int		 r;

	while ((r = imsg_get(ib, &m)) == 0)
		if (poll(&pfd, 1, 60000) != 1 || imsgbuf_read(ib) != 1)
			return 0;
	if (r == -1)
		return 0;
	is = m.hdr.type;
	imsg_free(&m);
	return is == type;
}

static void
test_parent_dies(const char *self)
{
	struct proc_setup	 su;
	struct imsgbuf		 ib;
	struct conf		*conf;
	struct wbuf		 w = { 0 };
	char			 none[] = "";
	pid_t			 pid;
	int			 sv[2], status = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1 ||
	    (conf = conf_new()) == NULL || (pid = fork()) == -1)
		exit(1);
	if (pid == 0)
		child_exec(self, sv[1]);
	close(sv[1]);
	imsgbuf_init(&ib, sv[0]);
	memset(&su, 0, sizeof(su));
	su.role = P_CONTROL;
	su.user = su.dir = none;
	su.foreground = su.trace = 1;
	proc_setup_put(&w, &su);
	send_w(&ib, IMSG_PROC_SETUP, &w);
	conf_encode(conf, P_CONTROL, 0, &w);
	send_w(&ib, IMSG_PROC_CONF, &w);
	ok(await(&ib, IMSG_PARENT_READY), "the child is ready");
	send_w(&ib, IMSG_PROC_GO, &w);
	ok(await(&ib, IMSG_PARENT_EVENT), "and begins");
	imsgbuf_clear(&ib);
	is_int(waitpid(pid, &status, 0), pid, "without a parent it ends");
	ok(WIFEXITED(status), "by itself");
	is_int(WEXITSTATUS(status), 7, "and does not talk to the parent");
	conf_free(conf);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		return child();
	signal(SIGPIPE, SIG_IGN);
	test_parent_dies(argv[0]);
	return done_testing();
}
