/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "log.h"
#include "msg_proc.h"
#include "proc.h"
#include "sandbox.h"

struct who {				/* to become */
	int	 somebody;		/* 0: stay who we are */
	uid_t	 uid;
	gid_t	 gid;
};

static void	 proc_started_by_hand(void);
static int	 proc_await(struct imsgbuf *, uint32_t, struct imsg *);
static int	 proc_who(const struct proc_setup *, struct who *);
static int	 proc_become(const struct who *);
static int	 proc_confine(struct proc *, const struct proc_setup *,
		    struct sandbox *);
static int	 proc_load(struct proc *, const struct proc_setup *,
		    struct imsgbuf *, struct sandbox *);
static __dead void proc_program(const struct conf_plugin *,
		    struct imsgbuf *, const struct sandbox *);
static void	 proc_program_env(const struct conf_plugin *);
static void	 proc_ready_all(struct wbuf *, const struct sandbox *);
static void	 proc_files(struct proc *);
static int	 proc_parent_msg(struct chan *, struct imsg *, void *);
static void	 proc_parent_down(struct chan *, void *);
static int	 proc_peer_msg(struct chan *, struct imsg *, void *);
static void	 proc_peer_down(struct chan *, void *);
static void	 proc_peer_drain(struct chan *, void *);
static int	 proc_on_peer(struct proc *, struct imsg *);
static int	 proc_on_listen(struct proc *, struct imsg *);
static int	 proc_on_conf(struct proc *, struct imsg *);
static int	 proc_on_log(struct proc *, struct imsg *);
static void	 proc_on_stats(struct proc *, struct imsg *);
static void	 proc_shutdown(struct proc *);
static void	 proc_trace(const char *, void *);
static void	 proc_ready(struct proc *, const struct sandbox *);

/* Every program of libexec but for wsmtpd's child is of no use by hand. */
static void
proc_started_by_hand(void)
{
	struct stat	 st;

	if (fstat(PROC_PARENT_FD, &st) == 0 && S_ISSOCK(st.st_mode))
		return;
	fprintf(stderr, "%s: this program is started by wsmtpd(8)\n",
	    getprogname());
	exit(EX_USAGE);
}

/* Blocks for the next message, which must be of that type. */
static int
proc_await(struct imsgbuf *ib, uint32_t type, struct imsg *m)
{
	struct pollfd	 pfd = { .fd = ib->fd, .events = POLLIN };
	int		 r;

	while ((r = imsg_get(ib, m)) == 0) {
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			return -1;
		if ((r = imsgbuf_read(ib)) == 0 ||
		    (r == -1 && errno != EAGAIN && errno != EINTR))
			return -1;
	}
	if (r == 1 && m->hdr.type == type)
		return 0;
	if (r == 1)
		imsg_free(m);
	return -1;
}

/* A name of the system's, or the number of one that has no name there. */
static int
proc_who(const struct proc_setup *s, struct who *w)
{
	struct passwd	*pw;
	const char	*errstr;

	memset(w, 0, sizeof(*w));
	if (*s->user == '\0')
		return 0;
	w->somebody = 1;
	if ((pw = getpwnam(s->user)) != NULL) {
		w->uid = pw->pw_uid;
		w->gid = pw->pw_gid;
		return 0;
	}
	w->uid = (uid_t)strtonum(s->user, 1, UINT32_MAX - 1, &errstr);
	w->gid = (gid_t)w->uid;
	if (errstr == NULL)
		return 0;
	log_warnx("user %s: no such user", s->user);
	return -1;
}

static int
proc_become(const struct who *w)
{
	if (setgroups(1, &w->gid) == 0 &&
	    setresgid(w->gid, w->gid, w->gid) == 0 &&
	    setresuid(w->uid, w->uid, w->uid) == 0)
		return 0;
	log_warn("becoming user %u", (unsigned int)w->uid);
	return -1;
}

/*
 * chroot and user.  Without root there are none, and *sb says so.  0, or -1:
 * logged.
 */
static int
proc_confine(struct proc *p, const struct proc_setup *s, struct sandbox *sb)
{
	struct who	 who;

	if (proc_who(s, &who) == -1)
		return -1;
	if (p->ops->preinit != NULL && p->ops->preinit(p) == -1)
		return -1;
	if (who.somebody && *s->dir != '\0') {
		if (chroot(s->dir) == -1 || chdir("/") == -1) {
			log_warn("chroot %s", s->dir);
			return -1;
		}
		sb->applied |= SB_CHROOT;
	} else if (*s->dir != '\0' && chdir(s->dir) == -1) {
		log_warn("%s", s->dir);
		return -1;
	}
	if (who.somebody) {
		if (proc_become(&who) == -1)
			return -1;
		sb->applied |= SB_UID;
	}
	sb->missing |= (SB_CHROOT | SB_UID) & ~sb->applied;
	sandbox_begin(p->me, *s->dir != '\0' ? "." : NULL, sb);
	return 0;
}

/* What it could not know otherwise. */
static void
proc_program_env(const struct conf_plugin *cp)
{
	const struct conf_pair	*o;
	char			 name[32];
	int			 n = 0;

	environ = NULL;
	if (setenv("WSEMAIL_PLUGIN", cp->name, 1) == -1 ||
	    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1) == -1)
		fatal("environment");
	TAILQ_FOREACH(o, &cp->options, entry) {
		snprintf(name, sizeof(name), "WSEMAIL_OPTION_%d", n);
		if (setenv(name, o->name, 1) == -1)
			fatal("environment");
		snprintf(name, sizeof(name), "WSEMAIL_VALUE_%d", n++);
		if (setenv(name, o->value, 1) == -1)
			fatal("environment");
	}
}

/*
 * A plug-in that is a program takes our place, confined as its own programs
 * would be, with the channel to the parent: READY is said for it.
 */
static __dead void
proc_program(const struct conf_plugin *cp, struct imsgbuf *ib,
    const struct sandbox *sb)
{
	struct rlimit	 rl;
	struct wbuf	 b;
	char		*argv[2] = { cp->object, NULL };

	rl.rlim_cur = rl.rlim_max = (rlim_t)cp->memory;
	if (setrlimit(RLIMIT_DATA, &rl) == -1)
		log_warn("RLIMIT_DATA");
	proc_program_env(cp);
	wbuf_init(&b);
	proc_ready_all(&b, sb);
	if (b.error || imsg_compose(ib, IMSG_PARENT_READY, 0, -1, b.data,
	    b.len) == -1 || imsgbuf_flush(ib) == -1)
		fatal("ready");
	if (fcntl(ib->fd, F_SETFD, 0) == -1 || fcntl(ib->fd, F_SETFL, 0) == -1)
		fatal("channel");
	execv(cp->object, argv);
	fatal("%s", cp->object);
}

/*
 * The same for a plug-in, whose code must not see root even while it is
 * loaded, nor need what the chroot lacks.
 */
static int
proc_load(struct proc *p, const struct proc_setup *s, struct imsgbuf *ib,
    struct sandbox *sb)
{
	const struct conf_plugin *cp = TAILQ_FIRST(&p->conf->plugins);
	struct who		 who;
	int			 object, ret;

	if (cp == NULL || proc_who(s, &who) == -1)
		return -1;
	sb->sockets = !TAILQ_EMPTY(&cp->listens) ||
	    !TAILQ_EMPTY(&cp->connects);
	if ((object = open(cp->object, O_RDONLY | O_CLOEXEC)) == -1) {
		log_warn("%s", cp->object);
		return -1;
	}
	if (chdir(s->dir) == -1 || (who.somebody && !cp->exec &&
	    sandbox_jail_begin(s->dir, sb) == -1)) {
		log_warn("%s", s->dir);
		return -1;
	}
	if (who.somebody) {
		if (proc_become(&who) == -1)
			return -1;
		sb->applied |= SB_UID;
	}
	sandbox_load(".", object, cp->exec, cp->place, cp->nplace, sb);
	if (cp->program) {
		sb->missing |= SB_UID & ~sb->applied;
		if (sb->missing != 0 && s->sandbox_required)
			fatalx("sandbox required, and a layer is missing");
		proc_program(cp, ib, sb);
	}
	ret = p->ops->load(p, object);
	close(object);
	if (ret == -1)
		return -1;
	if (who.somebody && !cp->exec) {
		if (sandbox_jail_enter(sb) == -1) {
			log_warn("chroot %s", s->dir);
			return -1;
		}
		sb->applied |= SB_CHROOT;
	}
	/* Programs need what a chroot has not got: that is what exec grants. */
	sb->missing |= ((cp->exec ? 0 : SB_CHROOT) | SB_UID) & ~sb->applied;
	if (!cp->exec)
		sandbox_begin(p->me, cp->state > 0 ? "." : NULL, sb);
	return 0;
}

static void
proc_files(struct proc *p)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("RLIMIT_NOFILE");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("RLIMIT_NOFILE");
	p->nofile = rl.rlim_max > INT_MAX ? INT_MAX : (int)rl.rlim_max;
}

uint64_t
proc_newid(void)
{
	uint64_t	 id;

	do
		arc4random_buf(&id, sizeof(id));
	while (id == 0);
	return id;
}

void
stats_add(struct wbuf *b, const char *name, char kind, uint64_t value)
{
	wbuf_str(b, name);
	wbuf_u8(b, (uint8_t)kind);
	wbuf_u64(b, value);
}

void
stats_limit(struct wbuf *b, enum limit l, uint64_t value)
{
	char	 name[LIMIT_NAME_MAX];

	limit_stat_name(l, 1, name, sizeof(name));
	stats_add(b, name, 'g', value);
}

void
proc_struck(struct proc *p, int limit)
{
	if (limit >= 0 && limit < LIM_MAX)
		p->struck[limit]++;
}

struct chan *
proc_peer(struct proc *p, enum proc_id id)
{
	struct chan	*ch, *best = NULL;

	TAILQ_FOREACH(ch, &p->peers, entry)
		if (ch->peer == id && !ch->closed && (best == NULL ||
		    ch->outstanding < best->outstanding))
			best = ch;
	return best;
}

struct chan *
proc_peer_instance(struct proc *p, enum proc_id id, uint32_t instance)
{
	struct chan	*ch;

	TAILQ_FOREACH(ch, &p->peers, entry)
		if (ch->peer == id && ch->instance == instance && !ch->closed)
			return ch;
	return NULL;
}

void
proc_exit(struct proc *p, int code)
{
	struct chan	*ch;

	/* What is said is said: answers that are queued still go out. */
	TAILQ_FOREACH(ch, &p->peers, entry)
		(void)imsgbuf_write(&ch->ibuf);
	if (p->parent != NULL && !p->parent->closed)
		(void)imsgbuf_write(&p->parent->ibuf);
	exit(code);
}

static void
proc_shutdown(struct proc *p)
{
	if (p->stopping)
		return;
	p->stopping = 1;
	if (p->ops->shutdown == NULL || !p->started)
		proc_exit(p, 0);
	p->ops->shutdown(p);
}

static int
proc_peer_msg(struct chan *ch, struct imsg *m, void *arg)
{
	struct proc	*p = arg;

	return p->ops->msg(p, ch, m);
}

static void
proc_peer_down(struct chan *ch, void *arg)
{
	struct proc	*p = arg;

	TAILQ_REMOVE(&p->peers, ch, entry);
	if (!p->stopping)
		log_debug("%s %u is gone", proc_name(ch->peer), ch->instance);
	if (p->ops->peer_down != NULL)
		p->ops->peer_down(p, ch);
}

static void
proc_peer_drain(struct chan *ch, void *arg)
{
	struct proc	*p = arg;

	if (p->ops->peer_drain != NULL)
		p->ops->peer_drain(p, ch);
}

static int
proc_on_peer(struct proc *p, struct imsg *m)
{
	struct chan	*ch;
	struct rbuf	 r;
	uint32_t	 role, instance;

	rbuf_init(&r, m->data, m->hdr.len);
	if (proc_peer_get(&r, &role, &instance) == -1 || role >= P_MAX)
		return -1;
	ch = chan_new(p->base, imsg_claim_fd(m), p->me, role, instance,
	    proc_peer_msg, proc_peer_down, p);
	if (ch == NULL) {
		log_warn("channel to %s", proc_name(role));
		return 0;
	}
	ch->drain = proc_peer_drain;
	TAILQ_INSERT_TAIL(&p->peers, ch, entry);
	if (p->ops->peer_up != NULL)
		p->ops->peer_up(p, ch);
	return 0;
}

static int
proc_on_listen(struct proc *p, struct imsg *m)
{
	struct rbuf	 r;
	char		*kind, *name;

	rbuf_init(&r, m->data, m->hdr.len);
	if (proc_listen_get(&r, &kind, &name) == -1)
		return -1;
	if (p->ops->listen != NULL)
		p->ops->listen(p, kind, name, imsg_claim_fd(m));
	free(kind);
	free(name);
	return 0;
}

static int
proc_on_conf(struct proc *p, struct imsg *m)
{
	struct conf	*old = p->conf, *new;
	struct rbuf	 r;

	rbuf_init(&r, m->data, m->hdr.len);
	if ((new = conf_decode(&r)) == NULL) {
		log_warn("configuration");
		return -1;
	}
	p->conf = new;
	if (p->ops->reload != NULL)
		p->ops->reload(p, old);
	conf_free(old);
	return 0;
}

static void
proc_trace(const char *line, void *arg)
{
	struct proc	*p = arg;
	struct wbuf	 b;

	wbuf_init(&b);
	wbuf_str(&b, line);
	/* A trace that cannot be sent is not worth a log line of its own. */
	(void)chan_sendw(p->parent, IMSG_PARENT_EVENT, 0, &b);
}

static int
proc_on_log(struct proc *p, struct imsg *m)
{
	struct rbuf	 r;
	uint32_t	 verbose, trace;

	rbuf_init(&r, m->data, m->hdr.len);
	if (proc_log_get(&r, &verbose, &trace) == -1)
		return -1;
	log_setverbose((int)verbose);
	log_settap(trace ? proc_trace : NULL, p);
	return 0;
}

static void
proc_on_stats(struct proc *p, struct imsg *m)
{
	struct wbuf	 b;
	char		 name[LIMIT_NAME_MAX];
	size_t		 i;

	wbuf_init(&b);
	if (p->ops->stats != NULL)
		p->ops->stats(p, &b);
	for (i = 0; i < LIM_MAX; i++)
		if (p->struck[i] > 0) {
			limit_stat_name((enum limit)i, 0, name, sizeof(name));
			stats_add(&b, name, 'c', p->struck[i]);
		}
	if (chan_sendw(p->parent, IMSG_PARENT_STATS, m->hdr.id, &b) == -1)
		log_warn("counters");
}

static int
proc_parent_msg(struct chan *ch, struct imsg *m, void *arg)
{
	struct proc	*p = arg;

	switch (m->hdr.type) {
	case IMSG_PROC_PEER:
		return proc_on_peer(p, m);
	case IMSG_PROC_LISTEN:
		return proc_on_listen(p, m);
	case IMSG_PROC_CONF:
		return proc_on_conf(p, m);
	case IMSG_PROC_LOG:
		return proc_on_log(p, m);
	case IMSG_PROC_STATS:
		proc_on_stats(p, m);
		return 0;
	case IMSG_PROC_GO:
		if (!p->started) {
			p->started = 1;
			if (p->ops->start != NULL)
				p->ops->start(p);
		}
		return 0;
	case IMSG_PROC_SHUTDOWN:
		proc_shutdown(p);
		return 0;
	default:
		if (p->ops->parent_msg != NULL)
			return p->ops->parent_msg(p, ch, m);
		return -1;
	}
}

/* Without the parent nothing is restarted and nobody can ask: finish. */
static void
proc_parent_down(struct chan *ch, void *arg)
{
	struct proc	*p = arg;

	(void)ch;
	/* It is freed when this returns; to finish can take longer. */
	log_settap(NULL, NULL);
	p->parent = NULL;
	proc_shutdown(p);
}

static void
proc_ready_all(struct wbuf *b, const struct sandbox *sb)
{
	struct proc_ready	 rd;

	memset(&rd, 0, sizeof(rd));
	rd.pid = (uint32_t)getpid();
	rd.uid = (uint32_t)geteuid();
	rd.mask = (uint32_t)sb->applied;
	rd.missing = (uint32_t)sb->missing;
	rd.abi = (uint32_t)sb->abi;
	proc_ready_put(b, &rd);
}

static void
proc_ready(struct proc *p, const struct sandbox *sb)
{
	struct wbuf	 b;

	wbuf_init(&b);
	proc_ready_all(&b, sb);
	if (chan_sendw(p->parent, IMSG_PARENT_READY, 0, &b) == -1)
		fatal("ready");
}

int
proc_main(int argc, char **argv, const struct proc_ops *ops)
{
	static struct proc	 proc;		/* the one of this process */
	struct proc		*p = &proc;
	struct proc_setup	 setup;
	struct imsgbuf		 ib;
	struct imsg		 m;
	struct rbuf		 r;
	struct sandbox		 sb;
	char			 lack[128];

	(void)argc;
	(void)argv;
	compat_keep_memory();
	proc_started_by_hand();
	(void)fcntl(PROC_PARENT_FD, F_SETFD, FD_CLOEXEC);
	p->ops = ops;
	p->me = ops->me;
	TAILQ_INIT(&p->peers);
	log_init(proc_name(ops->me), 1, 0);

	imsgbuf_init(&ib, PROC_PARENT_FD);
	if (proc_await(&ib, IMSG_PROC_SETUP, &m) == -1)
		fatalx("no set-up from the parent");
	rbuf_init(&r, m.data, m.hdr.len);
	if (proc_setup_get(&r, &setup) == -1 || setup.role != ops->me)
		fatalx("the set-up from the parent is not for this program");
	imsg_free(&m);
	p->instance = setup.instance;
	log_init(proc_name(ops->me), (int)setup.foreground,
	    (int)setup.verbose);
	if (proc_await(&ib, IMSG_PROC_CONF, &m) == -1)
		fatalx("no configuration from the parent");
	rbuf_init(&r, m.data, m.hdr.len);
	if ((p->conf = conf_decode(&r)) == NULL)
		fatal("configuration");
	imsg_free(&m);

	if (signal(SIGINT, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		fatal("signal");
	proc_files(p);
	(void)umask(077);
	memset(&sb, 0, sizeof(sb));
	if ((ops->load != NULL ? proc_load(p, &setup, &ib, &sb) :
	    proc_confine(p, &setup, &sb)) == -1)
		return 1;
	setproctitle("%s", proc_name(ops->me));
	if ((p->base = event_base_new()) == NULL)
		fatal("event loop");
	if (ops->init != NULL && ops->init(p) == -1)
		return 1;

	if (ops->load == NULL || !TAILQ_FIRST(&p->conf->plugins)->exec)
		sandbox_close(ops->me, &sb);
	if (sb.missing != 0 && setup.sandbox_required)
		fatalx("sandbox required, and this system lacks %s",
		    sandbox_str(sb.missing, lack, sizeof(lack)));
	p->parent = chan_new(p->base, ib.fd, p->me, P_PARENT, 0,
	    proc_parent_msg, proc_parent_down, p);
	if (p->parent == NULL)
		fatal("channel to the parent");
	/* what proc_await() read beyond its messages */
	p->parent->ibuf.in = ib.in;
	p->parent->ibuf.in_len = ib.in_len;
	memcpy(p->parent->ibuf.in_fds, ib.in_fds, sizeof(ib.in_fds));
	p->parent->ibuf.in_nfds = ib.in_nfds;
	if (setup.trace)
		log_settap(proc_trace, p);
	proc_setup_free(&setup);
	proc_ready(p, &sb);

	if (event_base_dispatch(p->base) == -1)
		fatal("event loop");
	return 0;
}
