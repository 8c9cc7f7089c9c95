/* SPDX-License-Identifier: ISC */
/*
 * The children: fork and exec, the channels between them (along
 * proto_edges[], nowhere else), restart with backoff, and the orderly end.
 * Called by wsmtpd.c.
 *
 * A child's states:
 *	DOWN -fork-> STARTING -READY-> READY -all are ready-> RUNNING
 *	                               (later: -> RUNNING at once)
 *	any -died-> DOWN, and a timer starts it again
 *	RUNNING -SHUTDOWN-> STOPPING -died-> DOWN, for good
 */
#include "compat.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "backoff.h"
#include "log.h"
#include "msg_proc.h"
#include "proc.h"
#include "wsmtpd.h"
#include "wstime.h"

#define LIFE_SHORT	(60 * 1000)	/* ms: a death before it counts as a failure */
#define RESTART_BASE	1		/* s */
#define RESTART_MAX	30		/* s */
#define RESTART_JITTER	20		/* percent */
#define HANG_TIME	5		/* s from a closed channel to SIGKILL */
#define STOP_PHASE	(3 * 1000)	/* ms for one of spawn_phases */
#define STOP_TOTAL	(10 * 1000)	/* ms, then SIGKILL */
#define STOP_PLUG	15		/* s, one of them, then SIGKILL */
#define STOP_LAST	(2 * 1000)	/* ms, then SIGKILL for control as well */

/* Which program each process is, and where it is confined. */
static const struct {
	const char	*program;
	const char	*dir;		/* below the spool */
	enum proc_id	 role;
	unsigned int	 phase;		/* of stopping: outermost first */
} spawn_roles[] = {
	{ "wsqueue",		"queue",	P_QUEUE,	2 },
	{ "wslocal",		"local",	P_LOCAL,	2 },
	{ "wsattach",		"attach",	P_ATTACH,	2 },
	{ "wsplug",		"plug",		P_PLUG,		2 },
	{ "wsmtpd-keys",	"empty",	P_KEYS,		1 },
	{ "wsmtpd-relay",	"empty",	P_RELAY,	1 },
	{ "wsmtpd-soap",	"empty",	P_SOAP,		1 },
	{ "wsmtpd-frontend",	"empty",	P_FRONTEND,	0 },
	{ "wsmtpd-control",	"empty",	P_CONTROL,	3 },
};
#define STOP_PHASES	4

static int	 spawn_add(struct parent *, enum proc_id, uint32_t);
static size_t	 spawn_role(enum proc_id);
static int	 spawn_child(struct child *);
static void	 spawn_child_free(struct child *);
static __dead void spawn_exec(struct child *, const char *path, int fd);
static char	*spawn_path(struct parent *, const char *program);
static int	 spawn_introduce(struct child *);
static void	 spawn_conf(struct child *);
static int	 spawn_msg(struct chan *, struct imsg *, void *);
static int	 spawn_ready(struct child *, struct imsg *);
static void	 spawn_chan_down(struct chan *, void *);
static void	 spawn_go_all(struct parent *);
static void	 spawn_run(struct child *);
static void	 spawn_join(struct child *, struct child *);
static void	 spawn_send_peer(struct child *, const struct child *, int);
static int	 spawn_is_edge(enum proc_id, enum proc_id);
static void	 spawn_died(struct child *, int status);
static void	 spawn_describe(int status, char *, size_t);
static void	 spawn_plug_died(struct child *, int asked, const char *);
static void	 spawn_again(evutil_socket_t, short, void *);
static void	 spawn_stop_tick(evutil_socket_t, short, void *);
static void	 spawn_stop_child(struct child *);
static void	 spawn_stop_phase(struct parent *);
static unsigned int spawn_left(struct parent *, unsigned int phase);

/* --- slots --------------------------------------------------------------- */

static size_t
spawn_role(enum proc_id role)
{
	size_t	 i;

	for (i = 0; i < nitems(spawn_roles); i++)
		if (spawn_roles[i].role == role)
			return i;
	fatalx("no program for %s", proc_name(role));
}

static int
spawn_add(struct parent *pp, enum proc_id role, uint32_t instance)
{
	struct child	*ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL) {
		log_warn("%s", proc_name(role));
		return -1;
	}
	ch->pp = pp;
	ch->role = role;
	ch->instance = instance;
	snprintf(ch->name, sizeof(ch->name), role == P_SOAP ? "%s %u" : "%s",
	    proc_name(role), instance);
	if ((ch->timer = evtimer_new(pp->base, spawn_again, ch)) == NULL) {
		log_warnx("%s: no event", ch->name);
		free(ch);
		return -1;
	}
	TAILQ_INSERT_TAIL(&pp->children, ch, entry);
	return 0;
}

int
spawn_start(struct parent *pp)
{
	struct child	*ch;
	uint32_t	 n, i, nsoap = pp->conf->nsoap;
	long		 cores;

	if (nsoap == 0) {
		cores = sysconf(_SC_NPROCESSORS_ONLN);
		nsoap = cores < 1 ? 1 : cores > 64 ? 64 : (uint32_t)cores;
	}
	for (i = 0; i < nitems(spawn_roles); i++)
		for (n = 0; spawn_roles[i].role != P_PLUG &&
		     n < (spawn_roles[i].role == P_SOAP ? nsoap : 1); n++)
			if (spawn_add(pp, spawn_roles[i].role, n) == -1)
				return -1;
	TAILQ_FOREACH(ch, &pp->children, entry)
		if (spawn_child(ch) == -1)
			return -1;
	plug_configure(pp);
	return 0;
}

struct child *
spawn_add_plug(struct parent *pp, struct plug *pl, uint32_t instance,
    const char *name)
{
	struct child	*ch;

	if (spawn_add(pp, P_PLUG, instance) == -1)
		return NULL;
	ch = TAILQ_LAST(&pp->children, children);
	ch->plug = pl;
	snprintf(ch->name, sizeof(ch->name), "plugin %s", name);
	return ch;
}

void
spawn_remove(struct child *ch)
{
	TAILQ_REMOVE(&ch->pp->children, ch, entry);
	answer_child_down(ch->pp, ch);
	spawn_child_free(ch);
}

static void
spawn_child_free(struct child *ch)
{
	if (ch->chan != NULL)
		chan_free(ch->chan);
	event_free(ch->timer);
	free(ch->sb_text);
	free(ch);
}

void
spawn_now(struct child *ch)
{
	struct timeval	 tv = { 0, 0 };

	evtimer_add(ch->timer, &tv);
}

void
spawn_end(struct child *ch)
{
	struct timeval	 tv = { STOP_PLUG, 0 };

	evtimer_del(ch->timer);
	if (ch->pid == 0 || ch->state == CHILD_STOPPING)
		return;
	spawn_stop_child(ch);
	evtimer_add(ch->timer, &tv);
}

struct child *
spawn_find(struct parent *pp, enum proc_id role, uint32_t instance)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->role == role && ch->instance == instance)
			return ch;
	return NULL;
}

void
spawn_free(struct parent *pp)
{
	struct child	*ch;

	plug_free_all(pp);

	while ((ch = TAILQ_FIRST(&pp->children)) != NULL) {
		TAILQ_REMOVE(&pp->children, ch, entry);
		spawn_child_free(ch);
	}
}

char *
spawn_dir(const struct child *ch)
{
	char	*dir;

	if (ch->role == P_PLUG)
		return plug_dir(ch);
	return asprintf(&dir, "%s/%s", ch->pp->conf->spool,
	    spawn_roles[spawn_role(ch->role)].dir) == -1 ? NULL : dir;
}

/* --- birth --------------------------------------------------------------- */

/*
 * The program beside its siblings, or in the build tree, where each has the
 * directory of its name.  The caller frees.
 */
static char *
spawn_path(struct parent *pp, const char *program)
{
	struct stat	 st;
	char		*path;

	if (asprintf(&path, "%s/%s", pp->libexec, program) == -1)
		return NULL;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return path;
	free(path);
	if (asprintf(&path, "%s/../%s/%s", pp->libexec, program, program) ==
	    -1)
		return NULL;
	return path;
}

/* Starts the process and sends it what it needs first.  0, or -1: logged. */
static int
spawn_child(struct child *ch)
{
	struct parent	*pp = ch->pp;
	char		*path;
	pid_t		 pid;
	int		 sp[2];

	if ((path = spawn_path(pp, spawn_roles[spawn_role(ch->role)].program))
	    == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sp) == -1) {
		log_warn("%s", ch->name);
		free(path);
		return -1;
	}
	switch (pid = fork()) {
	case -1:
		log_warn("%s: fork", ch->name);
		close(sp[0]);
		close(sp[1]);
		free(path);
		return -1;
	case 0:
		spawn_exec(ch, path, sp[1]);
	default:
		break;
	}
	free(path);
	close(sp[1]);
	ch->pid = pid;
	ch->state = CHILD_STARTING;
	ch->since = wstime_now();
	ch->chan = chan_new(pp->base, sp[0], P_PARENT, ch->role, ch->instance,
	    spawn_msg, spawn_chan_down, ch);
	if (ch->chan == NULL || spawn_introduce(ch) == -1) {
		/* spawn_reap() sees the end of it. */
		log_warn("%s", ch->name);
		kill(pid, SIGKILL);
		return 0;
	}
	log_debug("%s is pid %d", ch->name, (int)pid);
	return 0;
}

/*
 * In the child: its channel is fd 3, standard input and output are
 * /dev/null, standard error stays for messages in the foreground, all else
 * is closed.
 */
static __dead void
spawn_exec(struct child *ch, const char *path, int fd)
{
	sigset_t	 none;
	char		*argv[2];
	int		 null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd == PROC_PARENT_FD) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			fatal("%s: fcntl", ch->name);
	} else if (dup2(fd, PROC_PARENT_FD) == -1)
		fatal("%s: dup2", ch->name);
	if ((null = open("/dev/null", O_RDWR)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		fatal("/dev/null");
	if (!ch->pp->foreground && dup2(null, STDERR_FILENO) == -1)
		fatal("/dev/null");
	closefrom(PROC_PARENT_FD + 1);
	unsetenv("NOTIFY_SOCKET");
	argv[0] = strrchr(path, '/') + 1;
	argv[1] = NULL;
	execv(path, argv);
	fatal("%s", path);
}

/* SETUP and CONF. */
static int
spawn_introduce(struct child *ch)
{
	struct parent		*pp = ch->pp;
	struct proc_setup	 setup;
	struct wbuf		 w = { 0 };
	char			 user[64];
	int			 ret;

	memset(&setup, 0, sizeof(setup));
	setup.role = ch->role;
	setup.instance = ch->instance;
	setup.foreground = (uint32_t)pp->foreground;
	setup.verbose = (uint32_t)pp->verbose;
	setup.trace = !TAILQ_EMPTY(&pp->tracers);
	setup.sandbox_required = (uint32_t)pp->conf->sandbox_required;
	user[0] = '\0';
	setup.user = user;
	if (ch->role == P_PLUG) {
		if (plug_prepare(ch, user, sizeof(user)) == -1)
			return -1;
	} else if (geteuid() == 0)
		setup.user = (char *)(uintptr_t)load_role_user(pp->conf,
		    ch->role, user, sizeof(user));
	if ((setup.dir = spawn_dir(ch)) == NULL)
		return -1;
	proc_setup_put(&w, &setup);
	ret = chan_sendw(ch->chan, IMSG_PROC_SETUP, 0, &w);
	wbuf_free(&w);
	free(setup.dir);
	if (ret == 0)
		spawn_conf(ch);
	return ret;
}

static void
spawn_conf(struct child *ch)
{
	struct wbuf	 w = { 0 };

	if (vault_open(&ch->pp->vault, ch->pp->conf) == -1)
		return;
	conf_encode(ch->pp->conf, ch->role, ch->instance, &w);
	vault_shut(&ch->pp->vault, ch->pp->conf);
	if (chan_sendw(ch->chan, IMSG_PROC_CONF, 0, &w) == -1)
		log_warn("%s: configuration", ch->name);
	wbuf_free(&w);
}

/* --- messages ------------------------------------------------------------ */

static int
spawn_msg(struct chan *chan, struct imsg *imsg, void *arg)
{
	struct child	*ch = arg;

	(void)chan;
	switch (imsg->hdr.type) {
	case IMSG_PARENT_READY:
		return spawn_ready(ch, imsg);
	case IMSG_PARENT_STATS:
		return answer_stats(ch->pp, ch, imsg);
	case IMSG_PARENT_EVENT:
		return answer_event(ch->pp, ch, imsg);
	case IMSG_PARENT_PLUG_ABOUT:
		return plug_about(ch, imsg);
	case IMSG_PARENT_PLUG_CONNECT:
		return plug_connect(ch, imsg);
	case IMSG_PARENT_PLUG_FAULT:
		return plug_fault(ch->pp, ch, imsg);
	case IMSG_CTL_REQUEST:
	case IMSG_CTL_MORE:
	case IMSG_CTL_CANCEL:
		return answer_request(ch->pp, imsg);
	default:
		log_warnx("%s: unexpected %s", ch->name,
		    proto_name(imsg->hdr.type));
		return -1;
	}
}

static int
spawn_ready(struct child *ch, struct imsg *imsg)
{
	struct proc_ready	 ready;
	struct rbuf		 r;
	char			 text[128];
	int			 lack;

	if (ch->state != CHILD_STARTING) {
		log_warnx("%s: ready twice", ch->name);
		return -1;
	}
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (proc_ready_get(&r, &ready) == -1) {
		log_warn("%s: malformed ready", ch->name);
		return -1;
	}
	ch->sb.applied = (int)ready.mask;
	ch->sb.missing = (int)ready.missing;
	ch->sb.abi = (int)ready.abi;
	ch->uid = (uid_t)ready.uid;
	free(ch->sb_text);
	ch->sb_text = ready.text;
	ready.text = NULL;
	proc_ready_free(&ready);
	log_info("%s: pid %d, confined by %s", ch->name, (int)ch->pid,
	    sandbox_str(ch->sb.applied, text, sizeof(text)));
	/* What is not there for want of root was said once, for all. */
	if ((lack = ch->sb.missing & (geteuid() == 0 ? ~0 :
	    ~(SB_CHROOT | SB_UID))) != 0)
		log_warnx("%s: this system lacks %s", ch->name,
		    sandbox_str(lack, text, sizeof(text)));
	ch->state = CHILD_READY;
	if (ch->pp->stopping)
		return 0;
	if (ch->pp->running)
		spawn_run(ch);
	else
		spawn_go_all(ch->pp);
	return 0;
}

/*
 * The channel ended before the process was seen to.  A process without its
 * parent is of no use, so it is ended, too; spawn_reap() does the rest.
 */
static void
spawn_chan_down(struct chan *chan, void *arg)
{
	struct child	*ch = arg;
	struct timeval	 tv = { HANG_TIME, 0 };

	(void)chan;
	ch->chan = NULL;
	answer_child_down(ch->pp, ch);
	if (ch->role == P_CONTROL)
		answer_drop_all(ch->pp);
	if (ch->pid == 0 || ch->pp->stopping)
		return;
	if (kill(ch->pid, SIGTERM) == -1 && errno != ESRCH)
		log_warn("%s: kill", ch->name);
	evtimer_add(ch->timer, &tv);
}

void
spawn_tell_all(struct parent *pp, uint32_t type, uint64_t id,
    const struct wbuf *w)
{
	struct child	*ch, *next;

	TAILQ_FOREACH_SAFE(ch, &pp->children, entry, next)
		if (ch->state == CHILD_RUNNING && ch->chan != NULL &&
		    chan_send(ch->chan, type, id, -1, w == NULL ? NULL :
		    w->data, w == NULL ? 0 : w->len) == -1)
			log_warn("%s: %s", ch->name, proto_name(type));
}

void
spawn_send_conf(struct parent *pp)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &pp->children, entry)
		/* A plug-in of which something changed is started anew. */
		if (ch->chan != NULL && ch->state != CHILD_STOPPING &&
		    ch->role != P_PLUG)
			spawn_conf(ch);
}

void
spawn_send_log(struct parent *pp)
{
	struct child	*ch;
	struct wbuf	 w = { 0 };

	proc_log_put(&w, (uint32_t)pp->verbose, !TAILQ_EMPTY(&pp->tracers));
	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->chan != NULL && ch->state != CHILD_STOPPING &&
		    chan_send(ch->chan, IMSG_PROC_LOG, 0, -1, w.data,
		    w.len) == -1)
			log_warn("%s", ch->name);
	wbuf_free(&w);
}

void
spawn_send_listener(struct parent *pp, const struct listener *l)
{
	struct child	*ch = spawn_find(pp, l->role, 0);
	struct wbuf	 w = { 0 };
	int		 fd;

	if (ch == NULL || ch->chan == NULL || ch->state != CHILD_RUNNING)
		return;		/* spawn_run() will */
	if ((fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		log_warn("%s", l->name);
		return;
	}
	proc_listen_put(&w, l->kind, l->name);
	if (chan_send(ch->chan, IMSG_PROC_LISTEN, 0, fd, w.data, w.len) == -1)
		log_warn("%s: %s", ch->name, l->name);
	wbuf_free(&w);
}

/* --- wiring -------------------------------------------------------------- */

static int
spawn_is_edge(enum proc_id a, enum proc_id b)
{
	size_t	 i;

	for (i = 0; i < proto_nedges; i++)
		if ((proto_edges[i].a == a && proto_edges[i].b == b) ||
		    (proto_edges[i].a == b && proto_edges[i].b == a))
			return 1;
	return 0;
}

static void
spawn_send_peer(struct child *to, const struct child *peer, int fd)
{
	struct wbuf	 w = { 0 };

	proc_peer_put(&w, peer->role, peer->instance);
	if (chan_send(to->chan, IMSG_PROC_PEER, 0, fd, w.data, w.len) == -1)
		log_warn("%s: channel to %s", to->name, peer->name);
	wbuf_free(&w);
}

/* A channel between two that may talk. */
static void
spawn_join(struct child *a, struct child *b)
{
	int	 sp[2];

	if (!spawn_is_edge(a->role, b->role) || a->chan == NULL ||
	    b->chan == NULL)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp) == -1) {
		/*
		 * Without it both would wait for ever: end the newcomer, so
		 * that its next start tries again.
		 */
		log_warn("channel between %s and %s", a->name, b->name);
		kill(a->pid, SIGTERM);
		return;
	}
	spawn_send_peer(a, b, sp[0]);
	spawn_send_peer(b, a, sp[1]);
}

/* Joins a ready child with those that run, and sets it going. */
static void
spawn_run(struct child *ch)
{
	struct parent	*pp = ch->pp;
	struct child	*other;
	struct listener	*l;

	TAILQ_FOREACH(other, &pp->children, entry)
		if (other->state == CHILD_RUNNING)
			spawn_join(ch, other);
	ch->state = CHILD_RUNNING;
	plug_tell(pp, ch);
	TAILQ_FOREACH(l, &pp->listeners, entry)
		if (l->role == ch->role)
			spawn_send_listener(pp, l);
	if (ch->role == P_PLUG)
		plug_sockets(ch);
	if (ch->chan == NULL ||
	    chan_send(ch->chan, IMSG_PROC_GO, 0, -1, NULL, 0) == -1)
		log_warn("%s: go", ch->name);
}

/* The first start: nobody begins before all are there. */
static void
spawn_go_all(struct parent *pp)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->state != CHILD_READY && ch->role != P_PLUG)
			return;
	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->state == CHILD_READY)
			spawn_run(ch);
	pp->running = 1;
	parent_is_ready(pp);
}

/* --- death --------------------------------------------------------------- */

void
spawn_reap(struct parent *pp)
{
	struct child	*ch;
	pid_t		 pid;
	int		 status;

	while ((pid = waitpid(-1, &status, WNOHANG)) != 0) {
		if (pid == -1 && errno == EINTR)
			continue;
		if (pid == -1) {
			if (errno != ECHILD)
				log_warn("waitpid");
			break;
		}
		TAILQ_FOREACH(ch, &pp->children, entry)
			if (ch->pid == pid)
				break;
		if (ch != NULL)
			spawn_died(ch, status);
	}
}

static void
spawn_describe(int status, char *buf, size_t len)
{
	if (WIFSIGNALED(status))
		snprintf(buf, len, "was killed by signal %d (%s)%s",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(buf, len, "exited with status %d",
		    WEXITSTATUS(status));
}

static void
spawn_died(struct child *ch, int status)
{
	struct parent		*pp = ch->pp;
	enum child_state	 was = ch->state;
	struct timeval		 tv = { 0, 0 };
	int64_t			 now = wstime_now(), life = now - ch->since;
	char			 how[128];

	spawn_describe(status, how, sizeof(how));
	/* One that had not begun was told by SIGTERM. */
	if (was != CHILD_STOPPING || (status != 0 &&
	    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)))
		log_warnx("%s (pid %d) %s", ch->name, (int)ch->pid, how);
	ch->pid = 0;
	ch->state = CHILD_DOWN;
	ch->since = now;
	if (ch->role == P_PLUG)
		plug_sweep(ch);
	if (ch->chan != NULL) {
		chan_free(ch->chan);
		ch->chan = NULL;
		answer_child_down(pp, ch);
		if (ch->role == P_CONTROL)
			answer_drop_all(pp);
	}
	if (pp->stopping) {
		spawn_stop_phase(pp);
		return;
	}
	if (ch->role == P_PLUG) {
		spawn_plug_died(ch, was == CHILD_STOPPING, how);
		return;
	}
	if (!pp->running) {
		log_warnx("%s could not start: giving up", ch->name);
		spawn_stop(pp, 1);
		return;
	}
	ch->fails = life >= LIFE_SHORT ? 1 : ch->fails + 1;
	ch->restarts++;
	/* The first death after a long life is answered at once. */
	if (ch->fails > 1)
		tv.tv_sec = backoff_delay(ch->fails - 1, RESTART_BASE,
		    RESTART_MAX, RESTART_JITTER, arc4random());
	log_info("%s is started again in %lld s", ch->name,
	    (long long)tv.tv_sec);
	evtimer_add(ch->timer, &tv);
}

/* What comes of it its slot says; with -1 even the child may be gone. */
static void
spawn_plug_died(struct child *ch, int asked, const char *how)
{
	struct timeval	 tv = { 0, 0 };
	int		 seconds;

	evtimer_del(ch->timer);
	ch->restarts++;
	if ((seconds = plug_died(ch, asked, how)) == -1)
		return;
	tv.tv_sec = seconds;
	evtimer_add(ch->timer, &tv);
}

static void
spawn_again(evutil_socket_t fd, short what, void *arg)
{
	struct child	*ch = arg;
	struct timeval	 tv = { RESTART_MAX, 0 };

	(void)fd;
	(void)what;
	if (ch->pp->stopping)
		return;
	if (ch->pid != 0) {
		log_warnx("%s (pid %d) does not end: killed", ch->name,
		    (int)ch->pid);
		kill(ch->pid, SIGKILL);
		return;
	}
	if (ch->role == P_PLUG)
		plug_again(ch);
	if (spawn_child(ch) == -1)
		evtimer_add(ch->timer, &tv);
}

/* --- the end ------------------------------------------------------------- */

static unsigned int
spawn_left(struct parent *pp, unsigned int phase)
{
	struct child	*ch;
	unsigned int	 n = 0;

	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->pid != 0 &&
		    spawn_roles[spawn_role(ch->role)].phase <= phase)
			n++;
	return n;
}

/*
 * From outside in: frontend takes no new work and finishes what it has while
 * the others still serve it; then those without a store; then the stores;
 * control last, so that it can say that all is over.
 */
void
spawn_stop(struct parent *pp, int exit_code)
{
	struct timeval	 tv = { 0, 100 * 1000 };
	struct child	*ch;

	if (pp->stopping)
		return;
	pp->stopping = 1;
	pp->exit_code = exit_code;
	pp->phase = 0;
	pp->phase_end = 0;
	pp->stop_end = wstime_now() + STOP_TOTAL;
	TAILQ_FOREACH(ch, &pp->children, entry)
		evtimer_del(ch->timer);
	if ((pp->stop_timer = event_new(pp->base, -1, EV_PERSIST,
	    spawn_stop_tick, pp)) == NULL || event_add(pp->stop_timer, &tv) ==
	    -1)
		fatalx("no event");
	spawn_stop_phase(pp);
}

static void
spawn_stop_tick(evutil_socket_t fd, short what, void *arg)
{
	struct parent	*pp = arg;
	struct child	*ch;
	unsigned int	 left;

	(void)fd;
	(void)what;
	if (wstime_now() >= pp->stop_end) {
		/* Control is spared until it has told that the rest is gone. */
		left = spawn_left(pp, STOP_PHASES - 2);
		TAILQ_FOREACH(ch, &pp->children, entry)
			if (ch->pid != 0 &&
			    (left == 0 || ch->role != P_CONTROL)) {
				log_warnx("%s (pid %d) does not end: killed",
				    ch->name, (int)ch->pid);
				kill(ch->pid, SIGKILL);
			}
		pp->stop_end += STOP_LAST;
	}
	spawn_stop_phase(pp);
}

/* Told to finish; one that has not begun has nothing to finish. */
static void
spawn_stop_child(struct child *ch)
{
	enum child_state	 was = ch->state;

	ch->state = CHILD_STOPPING;
	if (was == CHILD_RUNNING && ch->chan != NULL && chan_send(ch->chan,
	    IMSG_PROC_SHUTDOWN, 0, -1, NULL, 0) == 0)
		return;
	if (ch->chan != NULL) {
		chan_free(ch->chan);
		ch->chan = NULL;
	}
	kill(ch->pid, SIGTERM);
}

/* Goes on to the next phase when this one is empty or has had its time. */
static void
spawn_stop_phase(struct parent *pp)
{
	struct child	*ch;

	for (;;) {
		if (spawn_left(pp, STOP_PHASES) == 0) {
			event_base_loopbreak(pp->base);
			return;
		}
		if (pp->phase_end != 0 && spawn_left(pp, pp->phase - 1) != 0 &&
		    (wstime_now() < pp->phase_end || pp->phase ==
		    STOP_PHASES - 1))
			return;
		if (pp->phase == STOP_PHASES)
			return;
		if (pp->phase == STOP_PHASES - 1 && pp->stop_id != 0)
			answer_end(pp, pp->stop_id, 0, "wsmtpd has stopped");
		TAILQ_FOREACH(ch, &pp->children, entry) {
			if (ch->pid != 0 &&
			    spawn_roles[spawn_role(ch->role)].phase ==
			    pp->phase)
				spawn_stop_child(ch);
		}
		pp->phase++;
		pp->phase_end = wstime_now() + STOP_PHASE;
	}
}
