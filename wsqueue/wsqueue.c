/* SPDX-License-Identifier: ISC */
/*
 * wsqueue: holds mail between its being taken and its being delivered.
 * Started by wsmtpd(8).  This file is the process: start and end, the
 * dispatch of messages (which only decodes and calls), the two timers.
 */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>
#include <time.h>

#include "addr.h"
#include "log.h"
#include "rate.h"
#include "wstime.h"
#include "wsqueue.h"

#define SWEEP_SLICE	4000		/* records a second and table, at least */
#define SWEEP_FACTOR	4		/* and so many for each that was noted */
#define SWEEP_MAX	40000		/* and not more */
#define CLOCK_STEP	2000		/* ms: more than this was set by somebody */
#define QUEUE_RATES	16384	/* users and peers whose rates are known */
#define SHUTDOWN_WAIT	3		/* s for what is under way */

static int	 queue_preinit(struct proc *);
static int	 queue_init(struct proc *);
static void	 queue_start(struct proc *);
static int	 queue_msg(struct proc *, struct chan *, struct imsg *);
static int	 queue_ctl_msg(struct queue *, struct chan *, struct imsg *);
static int	 queue_parent_msg(struct proc *, struct chan *, struct imsg *);
static void	 queue_peer_up(struct proc *, struct chan *);
static void	 queue_peer_down(struct proc *, struct chan *);
static void	 queue_peer_drain(struct proc *, struct chan *);
static void	 queue_reload(struct proc *, struct conf *);
static void	 queue_stats(struct proc *, struct wbuf *);
static void	 queue_shutdown(struct proc *);
static void	 queue_last(evutil_socket_t, short, void *);
static __dead void queue_exit(struct queue *);
static void	 queue_run(evutil_socket_t, short, void *);
static void	 queue_tick(evutil_socket_t, short, void *);
static int64_t	 queue_wake(struct queue *, int64_t);
static void	 queue_clock(struct queue *, int64_t);
static void	 queue_sweep(struct queue *, struct queue_sweep *,
		    struct store_table *, uint64_t *);
static int	 queue_sweep_find(struct queue_sweep *, struct store_table *,
		    uint8_t (*)[32], size_t, size_t *, int64_t *);
static int	 queue_sweep_delete(struct queue *, struct store_table *,
		    uint8_t (*)[32], size_t, int64_t);

static const struct proc_ops queue_ops = {
	.me = P_QUEUE,
	.preinit = queue_preinit,
	.init = queue_init,
	.start = queue_start,
	.msg = queue_msg,
	.peer_up = queue_peer_up,
	.peer_down = queue_peer_down,
	.peer_drain = queue_peer_drain,
	.reload = queue_reload,
	.stats = queue_stats,
	.shutdown = queue_shutdown,
	.parent_msg = queue_parent_msg,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &queue_ops);
}

/* The digest's implementation is found while the file system can be seen. */
static int
queue_preinit(struct proc *p)
{
	uint8_t	digest[EVP_MAX_MD_SIZE];

	(void)p;
	if (EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) != 1) {
		log_warnx("queue: no SHA-256");
		return -1;
	}
	return 0;
}

static int
queue_init(struct proc *p)
{
	struct queue	*q;

	if ((q = calloc(1, sizeof(*q))) == NULL) {
		log_warn("queue");
		return -1;
	}
	q->p = p;
	p->ctx = q;
	TAILQ_INIT(&q->flight_list);
	TAILQ_INIT(&q->submissions);
	TAILQ_INIT(&q->admins);
	TAILQ_INIT(&q->filters);
	RB_INIT(&q->bounces);
	idtree_init(&q->flights);
	sched_init(&q->sched);
	q->space = -1;
	if (qdb_open(&q->db) == -1)
		return -1;
	if ((q->dir = dir_new(p->conf)) == NULL ||
	    (q->rate = rate_new(QUEUE_RATES)) == NULL ||
	    (q->group = group_new(p->base, q->db.store)) == NULL ||
	    (q->run = evtimer_new(p->base, queue_run, q)) == NULL ||
	    plugs_init(&q->plugs, p) == -1 ||
	    (q->tick = event_new(p->base, -1, EV_PERSIST, queue_tick,
	    q)) == NULL) {
		log_warn("queue");
		return -1;
	}
	queue_limits(q);
	queue_clock(q, wstime_now());
	if (admin_load_paused(q) == -1) {
		log_warn("queue: %s", store_errstr(q->db.store));
		return -1;
	}
	return load_start(q);
}

static void
queue_start(struct proc *p)
{
	struct queue	*q = p->ctx;
	struct timeval	 tv = { 1, 0 };

	q->space = store_free_space(q->db.store);
	event_add(q->tick, &tv);
	queue_kick(q);
}

static int
queue_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct queue	*q = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_QUEUE_SUBMIT:
		return submit_handle(q, c, imsg);
	case IMSG_QUEUE_NONCE_CHECK:
		return submit_nonce(q, c, imsg);
	case IMSG_QUEUE_RELAY_RESULT:
		return deliver_relay_result(q, c, imsg);
	case IMSG_QUEUE_DELIVER_RESULT:
		return deliver_local_result(q, c, imsg);
	case IMSG_CALLER_VERDICT:
		return plugs_verdict(&q->plugs, c, imsg);
	default:
		return queue_ctl_msg(q, c, imsg);
	}
}

static int
queue_parent_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct queue	*q = p->ctx;

	(void)c;
	if (imsg->hdr.type != IMSG_PROC_PLUGS)
		return -1;
	return plugs_table(&q->plugs, imsg);
}

static int
queue_ctl_msg(struct queue *q, struct chan *c, struct imsg *imsg)
{
	switch (imsg->hdr.type) {
	case IMSG_CTL_REQUEST:
		return admin_request(q, c, imsg);
	case IMSG_CTL_MORE:
		admin_more(q, c, imsg->hdr.id);
		return 0;
	case IMSG_CTL_CANCEL:
		admin_cancel(q, c, imsg->hdr.id);
		return 0;
	default:
		log_warnx("queue: unexpected %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
}

static void
queue_peer_up(struct proc *p, struct chan *c)
{
	struct queue	*q = p->ctx;

	if (c->peer == P_PLUG)
		plugs_peer_up(&q->plugs, c);
	queue_kick(q);
}

static void
queue_peer_down(struct proc *p, struct chan *c)
{
	struct queue	*q = p->ctx;

	if (c->peer == P_PLUG)
		plugs_peer_down(&q->plugs, c);
	submit_peer_down(q, c);
	deliver_peer_down(q, c);
	bounce_peer_down(q, c);
	admin_peer_down(q, c);
	queue_kick(q);
}

static void
queue_peer_drain(struct proc *p, struct chan *c)
{
	struct queue	*q = p->ctx;

	if (c->peer == P_CONTROL)
		admin_drain(q);
	queue_kick(q);
}

uint64_t
queue_newid(struct queue *q)
{
	uint64_t	now = (uint64_t)wstime_now() * 1000;

	/* Microseconds, so that an id is not used again after all went. */
	q->last_qid = now > q->last_qid ? now : q->last_qid + 1;
	return q->last_qid;
}

void
queue_write_failed(struct queue *q, const char *what)
{
	int	saved = errno;

	log_warn("queue: %s: %s", what, store_errstr(q->db.store));
	group_fail(q->group, saved);
}

void
queue_kick(struct queue *q)
{
	struct timeval	tv = { 0, 0 };

	if (q->run != NULL)
		evtimer_add(q->run, &tv);
}

/* When deliver_run() can do something, given who is there; -1: unknown. */
static int64_t
queue_wake(struct queue *q, int64_t bounce)
{
	struct chan	*c;
	int64_t		 wake = bounce, t;
	int		 i;

	for (i = 0; i < SCHED_NCLASS; i++) {
		c = proc_peer(q->p, i == SCHED_LOCAL ? P_LOCAL : P_SOAP);
		if (c == NULL || chan_is_full(c) || q->p->stopping)
			continue;	/* its coming wakes us */
		t = sched_wake(&q->sched, i);
		if (t != -1 && (wake == -1 || t < wake))
			wake = t;
	}
	return wake;
}

static void
queue_run(evutil_socket_t fd, short what, void *arg)
{
	struct queue	*q = arg;
	struct timeval	 tv;
	int64_t		 now, wake;

	(void)fd;
	(void)what;
	if (!q->p->started)
		return;
	admin_drain(q);
	if (q->p->stopping) {
		if (TAILQ_EMPTY(&q->flight_list) && group_is_idle(q->group))
			queue_exit(q);
		return;
	}
	wake = bounce_run(q, wstime_now());
	deliver_run(q);
	if (evtimer_pending(q->run, NULL))
		return;		/* somebody has kicked already */
	if ((wake = queue_wake(q, wake)) == -1)
		return;
	now = wstime_now();
	wake = wake > now ? wake - now : 0;
	/* The clock may be set: look at least once a minute. */
	if (wake > 60000)
		wake = 60000;
	tv.tv_sec = wake / 1000;
	tv.tv_usec = (wake % 1000) * 1000;
	evtimer_add(q->run, &tv);
}

static void
queue_tick(evutil_socket_t fd, short what, void *arg)
{
	struct queue	*q = arg;

	(void)fd;
	(void)what;
	q->space = store_free_space(q->db.store);
	queue_clock(q, wstime_now());
	sched_reap(&q->sched);
	deliver_tick(q, wstime_now());
	if (q->p->stopping)
		return;
	queue_sweep(q, &q->sweep_replay, q->db.replay, &q->db.nreplay);
	queue_sweep(q, &q->sweep_dedup, q->db.dedup, &q->db.ndedup);
	if (store_maintain(q->db.store, 0) == -1) {
		if (errno == EFAULT)
			fatalx("queue: the store is lost (%s), a new start "
			    "recovers it", store_errstr(q->db.store));
		log_warn("queue: checkpoint: %s", store_errstr(q->db.store));
	}
}

/*
 * The clock was set.  What is under way is as old as it was.  Back: what
 * waits would wait for as long again; on: it is due, at the worst early.
 */
static void
queue_clock(struct queue *q, int64_t now)
{
	struct timespec	ts;
	int64_t		mono, step;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	mono = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	step = (now - q->tick_wall) - (mono - q->tick_mono);
	/* The first time, at start, there is nothing to compare with. */
	if (q->tick_mono != 0 && (step > CLOCK_STEP || step < -CLOCK_STEP)) {
		log_info("queue: the clock was set by %lld s",
		    (long long)(step / 1000));
		deliver_clock_set(q, step);
		bounce_clock_set(q, step);
		if (step < 0)
			sched_shift(&q->sched, step);
		queue_kick(q);
	}
	q->tick_wall = now;
	q->tick_mono = mono;
}

/*
 * Finds keys of records whose time is over, from where the last turn was.
 * What does not read stays: it still says that its key was seen.
 */
static int
queue_sweep_find(struct queue_sweep *s, struct store_table *t,
    uint8_t (*keys)[32], size_t max, size_t *n, int64_t *latest)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	int64_t			 until, now = wstime_now();
	size_t			 seen = 0;
	int			 ret;

	*n = 0;
	*latest = 0;
	if ((c = store_cursor(t, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, s->key, s->len, &k, &v);
	    ret == 0 && seen < max; ret = store_next(c, &k, &v), seen++) {
		if (k.len != 32 || qdb_until_read(&v, &until) == -1 ||
		    until >= now)
			continue;
		if (until > *latest)
			*latest = until;
		memcpy(keys[(*n)++], k.p, 32);
	}
	s->len = 0;
	if (ret == 0 && k.len == 32) {
		memcpy(s->key, k.p, 32);
		s->len = 32;
	}
	store_cursor_close(c);
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

/* 0, or -1 when the transaction is lost. */
static int
queue_sweep_delete(struct queue *q, struct store_table *t,
    uint8_t (*keys)[32], size_t n, int64_t latest)
{
	struct store_txn	*txn;
	size_t			 i;

	if ((txn = group_txn(q->group)) == NULL)
		return -1;
	for (i = 0; i < n; i++)
		if (store_del(t, txn, keys[i], 32) == -1 && errno != ENOENT) {
			queue_write_failed(q, "sweep");
			return -1;
		}
	if (t == q->db.replay && qdb_replay_low(&q->db, txn, latest) == -1) {
		queue_write_failed(q, "sweep");
		return -1;
	}
	return 0;
}

/*
 * Nonces and MessageIds that need not be remembered any more.  A slice grows
 * with what was noted since the last one, so that a round takes a part of
 * the time in which the table fills, however fast that is.
 */
static void
queue_sweep(struct queue *q, struct queue_sweep *s, struct store_table *t,
    uint64_t *noted)
{
	uint8_t	(*keys)[32];
	int64_t	  latest;
	size_t	  n, max;

	max = *noted > SWEEP_MAX / SWEEP_FACTOR ? SWEEP_MAX :
	    SWEEP_SLICE + SWEEP_FACTOR * (size_t)*noted;
	*noted = 0;
	if ((keys = calloc(max, sizeof(*keys))) == NULL)
		fatal("queue");
	if (queue_sweep_find(s, t, keys, max, &n, &latest) == -1)
		log_warn("queue: sweep: %s", store_errstr(q->db.store));
	else if (n > 0 && queue_sweep_delete(q, t, keys, n, latest) == 0)
		q->st.swept += n;
	free(keys);
}

void
queue_set_class(struct queue *q)
{
	struct sched_dest	*d;

	for (d = sched_dest_next(&q->sched, NULL); d != NULL;
	    d = sched_dest_next(&q->sched, d))
		sched_dest_class(&q->sched, d, dir_is_hosted(q->dir,
		    d->domain) ? SCHED_LOCAL : SCHED_RELAY);
}

void
queue_limits(struct queue *q)
{
	const int64_t	*limit = q->p->conf->limit;

	q->sched.limit[SCHED_LOCAL] = (size_t)limit[LIM_LOCAL_INFLIGHT];
	q->sched.limit[SCHED_RELAY] = (size_t)limit[LIM_RELAY_TOTAL];
	q->sched.octets_limit = (uint64_t)limit[LIM_RELAY_SIZE];
	sched_dest_limit(&q->sched, (size_t)limit[LIM_RELAY_PER_DOMAIN]);
}

static void
queue_reload(struct proc *p, struct conf *old)
{
	struct queue	*q = p->ctx;
	struct dir	*dir;

	(void)old;
	if ((dir = dir_new(p->conf)) == NULL)
		fatal("queue");
	dir_free(q->dir);
	q->dir = dir;
	queue_limits(q);
	queue_set_class(q);
	queue_kick(q);
}

/* Items for recipients: a local one alone, a domain's together. */
int
queue_place(struct queue *q, struct sched_msg *m, const struct placing *pl,
    uint32_t n)
{
	struct sched_dest	*d;
	const char		*domain, *other;
	uint32_t		*rno, i, k, nrno, attempts;
	uint8_t			*placed;
	int64_t			 next;
	int			 local, ret = -1;

	rno = calloc(n + 1, sizeof(*rno));
	placed = calloc(n + 1, 1);
	if (rno == NULL || placed == NULL)
		goto out;
	for (i = 0; i < n; i++) {
		if (placed[i])
			continue;
		domain = addr_domain(pl[i].addr);
		local = dir_is_hosted(q->dir, domain);
		rno[0] = pl[i].rno;
		nrno = 1;
		next = pl[i].next;
		attempts = pl[i].attempts;
		for (k = i + 1; !local && k < n; k++) {
			other = addr_domain(pl[k].addr);
			if (placed[k] || strcmp(other, domain) != 0)
				continue;
			placed[k] = 1;
			rno[nrno++] = pl[k].rno;
			if (pl[k].next < next)
				next = pl[k].next;
			if (pl[k].attempts > attempts)
				attempts = pl[k].attempts;
		}
		d = sched_dest_get(&q->sched, domain,
		    local ? SCHED_LOCAL : SCHED_RELAY);
		if (d == NULL || sched_item_add(&q->sched, m, d, rno, nrno,
		    next, attempts) == NULL)
			goto out;
	}
	ret = 0;
 out:
	free(rno);
	free(placed);
	return ret;
}

static void
queue_stats(struct proc *p, struct wbuf *w)
{
	struct queue		*q = p->ctx;
	const struct queue_stats *st = &q->st;
	uint64_t		 commits, items;

	group_counts(q->group, &commits, &items);
	plugs_stats(&q->plugs, w);
	stats_add(w, "accepted", 'c', st->accepted);
	stats_add(w, "refused", 'c', st->refused);
	stats_add(w, "submit_tempfail", 'c', st->tempfailed);
	stats_add(w, "duplicates", 'c', st->dup);
	stats_add(w, "replayed", 'c', st->replayed);
	stats_add(w, "delivered", 'c', st->delivered);
	stats_add(w, "relayed", 'c', st->relayed);
	stats_add(w, "tempfail", 'c', st->retried);
	stats_add(w, "permfail", 'c', st->failed);
	stats_add(w, "bounced", 'c', st->bounced);
	stats_add(w, "dropped", 'c', st->dropped);
	stats_add(w, "expired", 'c', st->expired);
	stats_add(w, "removed", 'c', st->removed);
	stats_add(w, "quarantined", 'c', st->quarantined);
	stats_add(w, "forgotten", 'c', st->swept);
	stats_add(w, "commits", 'c', commits);
	stats_add(w, "committed", 'c', items);
	stats_limit(w, LIM_QUEUE_MESSAGES, q->sched.nmsgs);
	stats_limit(w, LIM_QUEUE_SIZE, q->sched.bytes);
	stats_limit(w, LIM_LOCAL_INFLIGHT,
	    q->sched.inflight[SCHED_LOCAL]);
	stats_limit(w, LIM_RELAY_TOTAL, q->sched.inflight[SCHED_RELAY]);
	stats_limit(w, LIM_RELAY_SIZE, sched_octets(&q->sched));
	stats_add(w, "messages", 'g', q->sched.nmsgs);
	stats_add(w, "recipients", 'g', q->sched.nenvs);
	stats_add(w, "bytes", 'g', q->sched.bytes);
	stats_add(w, "local_inflight", 'g',
	    q->sched.inflight[SCHED_LOCAL]);
	stats_add(w, "relay_inflight", 'g',
	    q->sched.inflight[SCHED_RELAY]);
}

/* What is under way may still be answered; what is written is committed. */
static void
queue_shutdown(struct proc *p)
{
	struct queue	*q = p->ctx;
	struct timeval	 tv = { SHUTDOWN_WAIT, 0 };

	group_flush(q->group);
	if (TAILQ_EMPTY(&q->flight_list))
		queue_exit(q);
	event_del(q->tick);
	event_free(q->tick);
	q->tick = evtimer_new(p->base, queue_last, q);
	if (q->tick == NULL)
		queue_exit(q);
	evtimer_add(q->tick, &tv);
}

static void
queue_last(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	queue_exit(arg);
}

static __dead void
queue_exit(struct queue *q)
{
	struct proc	*p = q->p;

	group_flush(q->group);
	load_stop(q);
	filter_clear(q);
	plugs_free(&q->plugs);
	deliver_clear(q);
	bounce_clear(q);
	sched_clear(&q->sched);
	group_free(q->group);
	rate_free(q->rate);
	event_free(q->run);
	event_free(q->tick);
	qdb_close(&q->db);
	dir_free(q->dir);
	free(q);
	p->ctx = NULL;
	proc_exit(p, 0);
}
