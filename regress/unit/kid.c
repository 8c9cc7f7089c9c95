/* SPDX-License-Identifier: ISC */
/* See kid.h. */
#include "compat.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "kid.h"
#include "msg_proc.h"

#define KID_LOG		"kid.log"
#define KID_READY_MS	120000		/* recovery of a large store included */

static int64_t	 kid_now(void);
static __dead void kid_exec(const char *, int);

static int64_t
kid_now(void)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const char *
kid_path(const char *name)
{
	static char	 path[4096];
	char		 self[2048];
	const char	*top = getenv("WS_TOP");
	ssize_t		 n;

	if (top != NULL) {
		snprintf(path, sizeof(path), "%s/%s", top, name);
		return path;
	}
	if ((n = readlink("/proc/self/exe", self, sizeof(self) - 1)) == -1)
		strlcpy(self, "./x", sizeof(self));
	else
		self[n] = '\0';
	snprintf(path, sizeof(path), "%s/../../%s", dirname(self), name);
	return path;
}

static __dead void
kid_exec(const char *path, int fd)
{
	int	log;

	log = open(KID_LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (log == -1 || dup2(log, 2) == -1)
		_exit(126);
	if (fd == 3)
		(void)fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, 3) == -1)
		_exit(126);
	closefrom(4);
	/* A sanitizer's search for leaks needs what the sandbox forbids. */
	(void)setenv("LSAN_OPTIONS", "detect_leaks=0", 0);
	execl(path, path, (char *)NULL);
	_exit(127);
}

int
kid_start(struct kid *k, const char *path, enum proc_id role, const char *dir,
    struct conf *conf)
{
	struct rlimit	 lim = { 0, 0 };
	struct proc_setup	 su;
	struct imsg		 m;
	struct wbuf		 w;
	char			 cwd[4096];
	int			 sv[2];

	signal(SIGPIPE, SIG_IGN);
	if (dir == NULL)
		dir = getcwd(cwd, sizeof(cwd));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	k->role = role;
	if ((k->pid = fork()) == -1)
		return -1;
	if (k->pid == 0) {
		lim.rlim_cur = lim.rlim_max = k->nofile;
		if (k->nofile != 0 && setrlimit(RLIMIT_NOFILE, &lim) == -1)
			_exit(1);
		kid_exec(path, sv[1]);
	}
	close(sv[1]);
	imsgbuf_init(&k->parent, sv[0]);
	memset(&su, 0, sizeof(su));
	su.role = role;
	su.user = (char *)(uintptr_t)"";
	su.dir = (char *)(uintptr_t)dir;
	su.foreground = 1;
	wbuf_init(&w);
	proc_setup_put(&w, &su);
	if (kid_send(&k->parent, IMSG_PROC_SETUP, 0, &w) == -1)
		return -1;
	conf_encode(conf, role, 0, &w);
	if (kid_send(&k->parent, IMSG_PROC_CONF, 0, &w) == -1)
		return -1;
	if (kid_recv(&k->parent, &m, KID_READY_MS) != 1)
		return -1;
	if (m.hdr.type != IMSG_PARENT_READY) {
		imsg_free(&m);
		errno = EPROTO;
		return -1;
	}
	imsg_free(&m);
	return 0;
}

int
kid_connect(struct kid *k, struct imsgbuf *ib, enum proc_id as,
    uint32_t instance)
{
	struct wbuf	w;
	int		sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	imsgbuf_init(ib, sv[0]);
	wbuf_init(&w);
	proc_peer_put(&w, as, instance);
	if (imsg_compose(&k->parent, IMSG_PROC_PEER, 0, sv[1], w.data,
	    w.len) == -1 || imsgbuf_flush(&k->parent) == -1) {
		wbuf_free(&w);
		return -1;
	}
	wbuf_free(&w);
	return 0;
}

int
kid_go(struct kid *k)
{
	return kid_send(&k->parent, IMSG_PROC_GO, 0, NULL);
}

int
kid_send(struct imsgbuf *ib, uint32_t type, uint64_t id, struct wbuf *w)
{
	int	ret;

	ret = imsg_compose(ib, type, id, -1, w == NULL ? NULL : w->data,
	    w == NULL ? 0 : w->len);
	if (w != NULL)
		wbuf_free(w);
	if (ret == -1)
		return -1;
	return imsgbuf_flush(ib);
}

int
kid_recv(struct imsgbuf *ib, struct imsg *m, int ms)
{
	struct pollfd	pfd;
	int64_t		end = kid_now() + ms, left;
	int		n;

	for (;;) {
		if ((n = imsg_get(ib, m)) != 0)
			return n;
		if ((left = end - kid_now()) < 0)
			left = 0;
		pfd.fd = ib->fd;
		pfd.events = POLLIN;
		if ((n = poll(&pfd, 1, (int)left)) == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n;
		if ((n = imsgbuf_read(ib)) == 0)
			return -1;
		if (n == -1 && errno != EAGAIN)
			return -1;
	}
}

int64_t
kid_stat(struct kid *k, const char *name)
{
	struct imsg	 m;
	struct rbuf	 r;
	uint64_t	 value;
	int64_t		 found = -1;
	char		*is, kind;

	if (kid_send(&k->parent, IMSG_PROC_STATS, 77, NULL) == -1)
		return -1;
	for (;;) {
		if (kid_recv(&k->parent, &m, 30000) != 1)
			return -1;
		if (m.hdr.type == IMSG_PARENT_STATS)
			break;
		imsg_free(&m);
	}
	rbuf_init(&r, m.data, m.hdr.len);
	while (proc_stat_get(&r, &is, &kind, &value) == 1) {
		if (strcmp(is, name) == 0)
			found = (int64_t)value;
		free(is);
	}
	imsg_free(&m);
	return found;
}

int
kid_reload(struct kid *k, struct conf *conf)
{
	struct wbuf	w;

	wbuf_init(&w);
	conf_encode(conf, k->role, 0, &w);
	if (kid_send(&k->parent, IMSG_PROC_CONF, 0, &w) == -1)
		return -1;
	/* One channel, in order: when this is answered, that was taken. */
	(void)kid_stat(k, "");
	return 0;
}

int
kid_stop(struct kid *k)
{
	int	status = -1;

	(void)kid_send(&k->parent, IMSG_PROC_SHUTDOWN, 0, NULL);
	if (waitpid(k->pid, &status, 0) == -1)
		status = -1;
	imsgbuf_clear(&k->parent);
	return status;
}

void
kid_kill(struct kid *k)
{
	int	status;

	kill(k->pid, SIGKILL);
	(void)waitpid(k->pid, &status, 0);
	imsgbuf_clear(&k->parent);
}

int
kid_logged(const char *text)
{
	char	 line[4096];
	FILE	*f;
	int	 found = 0;

	if ((f = fopen(KID_LOG, "r")) == NULL)
		return 0;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, text) != NULL;
	fclose(f);
	return found;
}
