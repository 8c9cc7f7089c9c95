/* SPDX-License-Identifier: ISC */
/*
 * Mail out.  deliver_run() takes what the schedule says is due, a bounded
 * number a turn so that mail coming in is not held up, and hands it to
 * wslocal or, for another domain, to one of the soap processes.  The answer
 * comes back as a change of the recipients (update.c).
 *
 * Where an address belongs is looked up again at each attempt: what a reload
 * brought counts for queued mail too.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "msg_local.h"
#include "wstime.h"
#include "wsqueue.h"

#define DELIVER_BATCH	64		/* of each class, a turn */
#define DELIVER_SLACK	60000		/* ms an answer may be late */
#define DELIVER_AGAIN	1000		/* ms after a peer process died */

struct flight {			/* one delivery under way */
	TAILQ_ENTRY(flight)	 entry;
	uint64_t		 id;
	uint64_t		 qid;
	int64_t			 started;
	enum sched_class	 class;
	struct chan		*chan;
	char			*msgid;
	char			*from;
	uint32_t		 n;
	struct rcpt		*rcpt;
	uint32_t		*rno;
	uint32_t		 attempts;
};

struct load {			/* an item with all that its delivery needs */
	struct queue		*q;
	struct sched_dest	*dest;
	uint32_t		 attempts;
	uint32_t		 nrno;		/* of the item, readable or not */
	uint32_t		*rno;
	int			 changing;	/* the open transaction removes some */
	struct qdb_msg		 msg;
	uint8_t			*body;
	uint32_t		 n;
	struct qdb_env		*env;
	uint8_t			*used;
};

static int	 load_item(struct load *, struct queue *,
		    const struct sched_item *);
static int	 load_envs(struct load *);
static void	 load_free(struct load *);
static void	 deliver_item(struct queue *, struct sched_item *);
static int	 deliver_class(struct queue *, enum sched_class, int64_t);
static void	 deliver_local(struct load *);
static void	 deliver_filter(struct load *, uint32_t);
static int	 deliver_local_one(struct load *, struct chan *, uint32_t);
static void	 deliver_redirect(struct load *, uint32_t);
static void	 deliver_relay(struct load *);
static int	 deliver_relay_part(struct load *, struct chan *,
		    const char *, uint32_t);
static const char *deliver_from_domain(struct load *, const struct qdb_env *);
static struct flight *flight_new(struct load *, enum sched_class,
		    struct chan *);
static int	 flight_add(struct flight *, const struct qdb_env *);
static void	 flight_free(struct queue *, struct flight *);
static void	 flight_drop(struct queue *, uint64_t);
static void	 flight_again(struct queue *, struct flight *, int64_t);
static const struct rcpt_status *done_status(const struct relay_done *,
		    const char *);
static enum change_what change_of(uint32_t);

/*
 * A result code as what becomes of the recipient.  A peer may say anything:
 * what is no clear yes or no is asked again.
 */
static enum change_what
change_of(uint32_t code)
{
	if (code == ST_OK)
		return CH_DONE;
	return code >= 500 && code <= 599 ? CH_FAIL : CH_RETRY;
}

static int
load_envs(struct load *l)
{
	struct queue	*q = l->q;
	uint32_t	 i;

	if ((l->env = calloc(l->nrno, sizeof(*l->env))) == NULL ||
	    (l->used = calloc(l->nrno, 1)) == NULL)
		return -1;
	for (i = 0; i < l->nrno; i++) {
		if (qdb_env_get(&q->db, NULL, l->msg.qid, l->rno[i],
		    &l->env[l->n]) == 0) {
			l->n++;
			continue;
		}
		if (errno != EILSEQ && errno != ENOENT)
			return -1;
		if (errno == ENOENT && l->changing) {
			/* It goes with the commit; or that fails. */
			queue_wait_again(q, l->msg.qid, &l->rno[i], 1,
			    wstime_now() + DELIVER_AGAIN, l->attempts);
			continue;
		}
		queue_quarantine_env(q, l->msg.qid, l->rno[i],
		    errno == ENOENT ? "record is missing" :
		    "record does not read");
	}
	return 0;
}

/*
 * 0, or -1: the item was dealt with here (quarantine, or it waits because of
 * a trouble of this machine).
 */
static int
load_item(struct load *l, struct queue *q, const struct sched_item *it)
{
	uint64_t	qid = it->msg->qid;

	memset(l, 0, sizeof(*l));
	l->q = q;
	l->dest = it->dest;
	l->attempts = it->attempts;
	l->nrno = it->nrno;
	l->changing = it->msg->pend != 0;
	/* A copy: the item may end before we do. */
	if ((l->rno = calloc(it->nrno, sizeof(*l->rno))) == NULL)
		fatal("queue");
	memcpy(l->rno, it->rno, it->nrno * sizeof(*l->rno));
	if (qdb_msg_get(&q->db, NULL, qid, &l->msg) == -1) {
		if (errno == ENOENT && l->changing) {
			queue_wait_again(q, qid, l->rno, l->nrno,
			    wstime_now() + DELIVER_AGAIN, l->attempts);
			load_free(l);
			return -1;
		}
		if (errno == EILSEQ || errno == ENOENT) {
			queue_quarantine_msg(q, qid, "facts do not read");
			load_free(l);
			return -1;
		}
		goto trouble;
	}
	if ((l->body = qdb_body_get(&q->db, NULL, &l->msg)) == NULL) {
		if (errno == EILSEQ) {
			queue_quarantine_msg(q, qid, "body does not read");
			load_free(l);
			return -1;
		}
		goto trouble;
	}
	if (load_envs(l) == 0)
		return 0;
 trouble:
	log_warn("queue: message %016llx: %s", (unsigned long long)qid,
	    store_errstr(q->db.store));
	if (errno == EFAULT)
		fatalx("queue: the store is lost, restarting to recover it");
	queue_wait_again(q, qid, l->rno, l->nrno, wstime_now() + QUEUE_SOON,
	    l->attempts);
	load_free(l);
	return -1;
}

static void
load_free(struct load *l)
{
	uint32_t	i;

	for (i = 0; i < l->n; i++)
		qdb_env_free(&l->env[i]);
	free(l->env);
	free(l->rno);
	free(l->used);
	free(l->body);
	qdb_msg_free(&l->msg);
}

static struct flight *
flight_new(struct load *l, enum sched_class class, struct chan *c)
{
	struct flight	*f;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	f->qid = l->msg.qid;
	f->class = class;
	f->chan = c;
	f->started = wstime_now();
	f->id = ++l->q->last_flight;
	f->attempts = l->attempts;
	if ((f->msgid = strdup(l->msg.facts.msgid)) == NULL ||
	    (f->from = strdup(l->msg.facts.sender)) == NULL ||
	    idtree_set(&l->q->flights, f->id, f) == -1) {
		free(f->msgid);
		free(f->from);
		free(f);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&l->q->flight_list, f, entry);
	return f;
}

static int
flight_add(struct flight *f, const struct qdb_env *e)
{
	struct rcpt	*r;
	uint32_t	*rno;

	if ((r = reallocarray(f->rcpt, f->n + 1, sizeof(*r))) == NULL)
		return -1;
	f->rcpt = r;
	if ((rno = reallocarray(f->rno, f->n + 1, sizeof(*rno))) == NULL)
		return -1;
	f->rno = rno;
	if ((r[f->n].addr = strdup(e->addr)) == NULL)
		return -1;
	if ((r[f->n].orig = strdup(e->orig)) == NULL) {
		free(r[f->n].addr);
		return -1;
	}
	rno[f->n++] = e->rno;
	return 0;
}

static void
flight_free(struct queue *q, struct flight *f)
{
	uint32_t	i;

	(void)idtree_pop(&q->flights, f->id);
	TAILQ_REMOVE(&q->flight_list, f, entry);
	if (f->chan != NULL && f->chan->outstanding > 0)
		f->chan->outstanding--;
	for (i = 0; i < f->n; i++) {
		free(f->rcpt[i].addr);
		free(f->rcpt[i].orig);
	}
	free(f->rcpt);
	free(f->rno);
	free(f->msgid);
	free(f->from);
	free(f);
}

/* After a send that failed: the channel's end may have taken it already. */
static void
flight_drop(struct queue *q, uint64_t id)
{
	struct flight	*f;

	if ((f = idtree_get(&q->flights, id)) != NULL)
		flight_free(q, f);
}

/* No answer will come, and no attempt is counted: it waits and goes again. */
static void
flight_again(struct queue *q, struct flight *f, int64_t next)
{
	queue_wait_again(q, f->qid, f->rno, f->n, next, f->attempts);
	flight_free(q, f);
}

void
deliver_run(struct queue *q)
{
	int64_t	now = wstime_now();
	int	more;

	more = deliver_class(q, SCHED_LOCAL, now);
	more |= deliver_class(q, SCHED_RELAY, now);
	if (more)
		queue_kick(q);
}

/* 1: there may be more that could go at once. */
static int
deliver_class(struct queue *q, enum sched_class class, int64_t now)
{
	struct sched_item	*it;
	struct chan		*c;
	int			 i;

	for (i = 0; i < DELIVER_BATCH; i++) {
		c = proc_peer(q->p, class == SCHED_LOCAL ? P_LOCAL : P_SOAP);
		if (c == NULL || chan_is_full(c) || q->p->stopping)
			return 0;
		if ((it = sched_next(&q->sched, class, now)) == NULL)
			return 0;
		deliver_item(q, it);
	}
	return 1;
}

static void
deliver_item(struct queue *q, struct sched_item *it)
{
	struct load	l;

	if (load_item(&l, q, it) == -1)
		return;
	if (l.n > 0) {
		if (l.dest->class == SCHED_LOCAL)
			deliver_local(&l);
		else
			deliver_relay(&l);
	}
	load_free(&l);
}

static void
deliver_local(struct load *l)
{
	struct queue	*q = l->q;
	struct chan	*c = proc_peer(q->p, P_LOCAL);
	struct update	*u;
	uint32_t	 i;

	for (i = 0; i < l->n; i++) {
		if (filter_wants(q, l->env[i].addr)) {
			deliver_filter(l, i);
			continue;
		}
		if (dir_is_user(q->dir, l->env[i].addr)) {
			if (c == NULL || deliver_local_one(l, c, i) == -1)
				queue_wait_again(q, l->msg.qid,
				    &l->env[i].rno, 1,
				    wstime_now() + DELIVER_AGAIN,
				    l->env[i].attempts);
			continue;
		}
		if (dir_is_alias(q->dir, l->env[i].addr)) {
			deliver_redirect(l, i);
			continue;
		}
		u = update_new(q, l->msg.qid, "deliver", l->msg.facts.msgid,
		    l->msg.facts.sender);
		if (u == NULL || update_change(u, CH_FAIL, l->env[i].rno,
		    ST_NOUSER, "no such user here", NULL) == -1)
			fatal("queue");
		update_write(u);
	}
}

/*
 * To the plug-ins.  What is there counts against no limit of deliveries, so
 * that a slow one holds up nobody else's.
 */
static void
deliver_filter(struct load *l, uint32_t i)
{
	const struct qdb_env	*e = &l->env[i];
	struct sched_msg	*m;
	struct sched_item	*it;

	if (!filter_room(l->q)) {
		queue_wait_again(l->q, l->msg.qid, &e->rno, 1,
		    wstime_now() + DELIVER_AGAIN, e->attempts);
		return;
	}
	if ((m = sched_msg_find(&l->q->sched, l->msg.qid)) == NULL ||
	    (it = sched_item_find(m, e->rno)) == NULL)
		return;		/* removed by what came before it */
	if (sched_item_park(&l->q->sched, it, e->rno) == -1 ||
	    filter_start(l->q, &l->msg, e, l->body) == -1)
		fatal("queue");
}

void
deliver_judged(struct queue *q, uint64_t qid, uint32_t rno, uint32_t attempts)
{
	struct chan		*c = proc_peer(q->p, P_LOCAL);
	struct sched_msg	*m = sched_msg_find(&q->sched, qid);
	struct sched_item	 it = { .attempts = attempts, .nrno = 1 };
	struct load		 l;

	if (m == NULL)
		return;		/* removed meanwhile */
	it.msg = m;
	it.rno = &rno;
	if (load_item(&l, q, &it) == -1)
		return;
	if (l.n == 1 && (c == NULL || deliver_local_one(&l, c, 0) == -1))
		queue_wait_again(q, qid, &rno, 1, wstime_now() +
		    DELIVER_AGAIN, attempts);
	load_free(&l);
}

static int
deliver_local_one(struct load *l, struct chan *c, uint32_t i)
{
	struct deliver	 d;
	struct flight	*f;
	struct wbuf	 w;
	uint64_t	 id;

	memset(&d, 0, sizeof(d));
	d.user = l->env[i].addr;
	d.facts = l->msg.facts;
	d.body = l->body;
	d.body_len = l->msg.body_len;
	d.sig = l->body + l->msg.body_len;
	d.sig_len = l->msg.sig_len;
	if ((f = flight_new(l, SCHED_LOCAL, c)) == NULL)
		return -1;
	c->outstanding++;
	id = f->id;
	wbuf_init(&w);
	deliver_put(&w, &d);
	if (flight_add(f, &l->env[i]) == -1 ||
	    chan_sendw(c, IMSG_LOCAL_DELIVER, id, &w) == -1) {
		wbuf_free(&w);
		flight_drop(l->q, id);
		return -1;
	}
	return 0;
}

/* The name has become an alias since the mail was taken. */
static void
deliver_redirect(struct load *l, uint32_t i)
{
	struct queue	*q = l->q;
	struct resolved	 to;
	struct update	*u;
	uint32_t	 k;
	int		 ret;

	memset(&to, 0, sizeof(to));
	ret = resolve_add(&to, q->dir, q->p->conf, l->env[i].addr,
	    l->env[i].orig);
	u = update_new(q, l->msg.qid, "redirect", l->msg.facts.msgid,
	    l->msg.facts.sender);
	if (ret == -1 || u == NULL)
		fatal("queue");
	if (ret == 0) {
		if (update_change(u, CH_FAIL, l->env[i].rno, to.code, to.text,
		    NULL) == -1)
			fatal("queue");
	} else {
		for (k = 0; k < to.nrcpt; k++)
			if (update_recipient(u, &to.rcpt[k]) == -1)
				fatal("queue");
		if (update_change(u, CH_DONE, l->env[i].rno, ST_OK,
		    "the name is an alias now", NULL) == -1)
			fatal("queue");
	}
	resolve_free(&to);
	update_write(u);
}

/*
 * Which of our domains answers for the hop: the sender's, or, for mail that
 * an alias sends on, the alias's.
 */
static const char *
deliver_from_domain(struct load *l, const struct qdb_env *e)
{
	struct conf_domain	*cd;
	const char		*d;

	d = addr_domain(l->msg.facts.sender);
	if (d != NULL && dir_is_hosted(l->q->dir, d))
		return d;
	d = addr_domain(e->orig);
	if (d != NULL && dir_is_hosted(l->q->dir, d))
		return d;
	cd = TAILQ_FIRST(&l->q->p->conf->domains);
	return cd == NULL ? "" : cd->name;
}

static void
deliver_relay(struct load *l)
{
	struct chan	*c;
	const char	*from;
	uint32_t	 i;

	for (i = 0; i < l->n; i++) {
		if (l->used[i])
			continue;
		from = deliver_from_domain(l, &l->env[i]);
		c = proc_peer(l->q->p, P_SOAP);
		if (c == NULL || deliver_relay_part(l, c, from, i) == -1) {
			l->used[i] = 1;
			queue_wait_again(l->q, l->msg.qid, &l->env[i].rno, 1,
			    wstime_now() + DELIVER_AGAIN, l->env[i].attempts);
		}
	}
}

/* All recipients of the item that are sent in the name of one domain. */
static int
deliver_relay_part(struct load *l, struct chan *c, const char *from,
    uint32_t first)
{
	struct relay_job	 job;
	struct flight		*f;
	struct wbuf		 w;
	uint64_t		 id;
	uint32_t		 i;

	if ((f = flight_new(l, SCHED_RELAY, c)) == NULL)
		return -1;
	c->outstanding++;
	for (i = first; i < l->n; i++) {
		if (l->used[i] ||
		    strcmp(deliver_from_domain(l, &l->env[i]), from) != 0)
			continue;
		if (flight_add(f, &l->env[i]) == -1) {
			flight_free(l->q, f);
			return -1;
		}
	}
	memset(&job, 0, sizeof(job));
	job.from_domain = (char *)(uintptr_t)from;
	job.domain = l->dest->domain;
	job.msgid = f->msgid;
	job.nrcpt = f->n;
	job.rcpt = f->rcpt;
	job.flags = l->msg.facts.flags;
	job.body = l->body;
	job.body_len = l->msg.body_len;
	job.sig = l->body + l->msg.body_len;
	job.sig_len = l->msg.sig_len;
	wbuf_init(&w);
	relay_job_put(&w, &job);
	id = f->id;
	if (chan_sendw(c, IMSG_SOAP_RELAY_JOB, id, &w) == -1) {
		wbuf_free(&w);
		flight_drop(l->q, id);
		return -1;
	}
	for (i = first; i < l->n; i++)
		if (strcmp(deliver_from_domain(l, &l->env[i]), from) == 0)
			l->used[i] = 1;
	return 0;
}

int
deliver_local_result(struct queue *q, struct chan *c, struct imsg *imsg)
{
	struct rbuf	 r;
	struct flight	*f;
	struct update	*u;
	uint32_t	 code;
	char		*text;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (deliver_result_get(&r, &code, &text) == -1)
		return -1;
	f = idtree_get(&q->flights, imsg->hdr.id);
	if (f == NULL || f->chan != c || f->class != SCHED_LOCAL) {
		free(text);	/* late: it was given up */
		return 0;
	}
	u = update_new(q, f->qid, "deliver", f->msgid, f->from);
	if (u == NULL || update_change(u, change_of(code), f->rno[0], code,
	    code == ST_OK ? NULL : text, NULL) == -1)
		fatal("queue");
	free(text);
	flight_free(q, f);
	update_write(u);
	return 0;
}

/* What the peer said about one recipient, if it said something of its own. */
static const struct rcpt_status *
done_status(const struct relay_done *d, const char *addr)
{
	uint32_t	i;

	for (i = 0; i < d->nrcpt; i++)
		if (strcmp(d->rcpt[i].addr, addr) == 0)
			return &d->rcpt[i];
	return NULL;
}

int
deliver_relay_result(struct queue *q, struct chan *c, struct imsg *imsg)
{
	const struct rcpt_status	*rs;
	struct relay_done		 d;
	struct rbuf			 r;
	struct flight			*f;
	struct update			*u;
	struct sched_dest		*dest;
	uint32_t			 i, code;
	int				 took = 0, failed = 0;
	const char			*text;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (relay_done_get(&r, &d) == -1)
		return -1;
	f = idtree_get(&q->flights, imsg->hdr.id);
	if (f == NULL || f->chan != c || f->class != SCHED_RELAY) {
		relay_done_free(&d);
		return 0;
	}
	if ((u = update_new(q, f->qid, "relay", f->msgid, f->from)) == NULL)
		fatal("queue");
	for (i = 0; i < f->n; i++) {
		rs = done_status(&d, f->rcpt[i].addr);
		code = rs != NULL ? rs->code : d.code;
		text = rs != NULL ? rs->text : d.text;
		took |= change_of(code) == CH_DONE;
		failed |= change_of(code) == CH_RETRY;
		if (update_change(u, change_of(code), f->rno[i], code,
		    code == ST_OK ? NULL : text, d.host) == -1)
			fatal("queue");
	}
	/* A refusal for good says nothing of how fast the next answer is. */
	if ((took || failed) && f->n > 0 && (dest = sched_dest_find(&q->sched,
	    addr_domain(f->rcpt[0].addr))) != NULL)
		sched_dest_health(&q->sched, dest, took);
	relay_done_free(&d);
	flight_free(q, f);
	update_write(u);
	return 0;
}

void
deliver_peer_down(struct queue *q, struct chan *c)
{
	struct flight	*f, *next;
	int64_t		 now = wstime_now(), wait;
	uint32_t	 i;

	/*
	 * Perhaps one of these was its death: what has been there at several
	 * is held back for longer and longer, so that the rest gets through.
	 */
	for (f = TAILQ_FIRST(&q->flight_list); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->chan != c)
			continue;
		wait = DELIVER_AGAIN;
		for (i = 0; i < f->attempts &&
		    wait < (int64_t)q->p->conf->retry_max * 1000; i++)
			wait *= 2;
		f->attempts++;
		flight_again(q, f, now + wait);
	}
}

void
deliver_clock_set(struct queue *q, int64_t step)
{
	struct flight	*f;

	TAILQ_FOREACH(f, &q->flight_list, entry)
		f->started += step;
}

/* An answer that never comes: soap or wslocal has lost the request. */
void
deliver_tick(struct queue *q, int64_t now)
{
	struct flight	*f, *next;
	int64_t		 limit;

	limit = q->p->conf->limit[LIM_RELAY_TIMEOUT] * 1000 + DELIVER_SLACK;
	for (f = TAILQ_FIRST(&q->flight_list); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->started + limit > now)
			break;
		log_warnx("queue: no answer from %s about message %016llx",
		    f->class == SCHED_LOCAL ? "wslocal" : "soap",
		    (unsigned long long)f->qid);
		flight_again(q, f, now);
	}
}

void
deliver_clear(struct queue *q)
{
	struct flight	*f;

	while ((f = TAILQ_FIRST(&q->flight_list)) != NULL) {
		f->chan = NULL;
		flight_free(q, f);
	}
}
