/* SPDX-License-Identifier: ISC */
/*
 * What could not be delivered, and what is late.  wsqueue knows no XML: soap
 * composes and signs the notice and submits it; the notice and the end of
 * what it is about are one transaction (submit.c, update.c).
 *
 *	N1 a recipient failed, on disk	a new start asks for the bounce again
 *	N2 the job is at soap		the same; also when soap dies, or is
 *					silent for too long
 *	N3 soap's notice is committed	with it the failed recipients are gone
 *
 * A bounce that fails is logged and dropped: there is no bounce of a bounce.
 */
#include "compat.h"

#include <sys/tree.h>

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "wstime.h"
#include "wsqueue.h"

#define BOUNCE_GATHER	250		/* ms: recipients that fail together */
#define BOUNCE_ANSWER	120000		/* ms soap may take */
#define BOUNCE_LATER	30000		/* ms until it is asked again */
#define BOUNCE_AGAIN	1000		/* ms after a soap process died */
#define BOUNCE_JOBS	32		/* at soap at a time */

enum bounce_state { BS_WAIT, BS_SENT, BS_WRITING };

struct bounce {
	RB_ENTRY(bounce)	 entry;
	struct queue		*q;
	uint64_t		 id;		/* the job's */
	uint64_t		 qid;
	int64_t			 when;		/* due, or given up */
	enum bounce_state	 state;
	int			 orphan;	/* its message has gone */
	uint32_t		 kind;		/* BOUNCE_* */
	struct chan		*chan;
	char			*msgid;
	char			*from;
	uint32_t		 n;
	uint32_t		*rno;
};

static int	 bounce_cmp(struct bounce *, struct bounce *);
static struct bounce *bounce_new(struct queue *, struct sched_msg *,
		    uint32_t, const uint32_t *, uint32_t, int64_t);
static void	 bounce_free(struct bounce *);
static void	 bounce_put(struct bounce *, enum bounce_state, int64_t);
static void	 bounce_send(struct bounce *, struct chan *, int64_t);
static int	 bounce_fill(struct bounce *, struct bounce_job *,
		    struct qdb_msg *, struct sched_msg *);
static int	 bounce_fill_one(struct bounce *, struct bounce_job *,
		    uint32_t, const char **);
static const char *bounce_domain(struct queue *, const struct qdb_msg *,
		    const char *);
static void	 bounce_undeliverable(struct bounce *);
static void	 bounce_written(void *, int);

RB_PROTOTYPE(bounce_tree, bounce, entry, bounce_cmp)
RB_GENERATE(bounce_tree, bounce, entry, bounce_cmp)

static int
bounce_cmp(struct bounce *a, struct bounce *b)
{
	if (a->when != b->when)
		return a->when < b->when ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

static struct bounce *
bounce_new(struct queue *q, struct sched_msg *m, uint32_t kind,
    const uint32_t *rno, uint32_t n, int64_t due)
{
	struct bounce	*b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		fatal("queue");
	if (n > 0) {
		if ((b->rno = calloc(n, sizeof(*rno))) == NULL)
			fatal("queue");
		memcpy(b->rno, rno, n * sizeof(*rno));
	}
	b->n = n;
	b->q = q;
	b->id = ++q->last_flight;
	b->qid = m->qid;
	b->kind = kind;
	b->when = due;
	m->bounce = b;
	RB_INSERT(bounce_tree, &q->bounces, b);
	queue_kick(q);
	return b;
}

static void
bounce_free(struct bounce *b)
{
	if (b->state == BS_SENT)
		b->q->nbounces--;
	if (b->chan != NULL && b->chan->outstanding > 0)
		b->chan->outstanding--;
	RB_REMOVE(bounce_tree, &b->q->bounces, b);
	free(b->msgid);
	free(b->from);
	free(b->rno);
	free(b);
}

/* Into another state, until another time. */
static void
bounce_put(struct bounce *b, enum bounce_state state, int64_t when)
{
	if (b->state == BS_SENT && state != BS_SENT) {
		b->q->nbounces--;
		if (b->chan != NULL && b->chan->outstanding > 0)
			b->chan->outstanding--;
		b->chan = NULL;
	} else if (b->state != BS_SENT && state == BS_SENT) {
		b->q->nbounces++;
		b->chan->outstanding++;
	}
	RB_REMOVE(bounce_tree, &b->q->bounces, b);
	b->state = state;
	b->when = when;
	RB_INSERT(bounce_tree, &b->q->bounces, b);
}

void
bounce_failed(struct queue *q, struct sched_msg *m)
{
	/* One at a time: the end of that one looks for more. */
	if (m->bounce == NULL)
		(void)bounce_new(q, m, BOUNCE_FAILED, NULL, 0,
		    wstime_now() + BOUNCE_GATHER);
}

void
bounce_delayed(struct queue *q, struct sched_msg *m, const uint32_t *rno,
    uint32_t n)
{
	/* If a bounce is under way the next attempt brings us here again. */
	if (m->bounce == NULL)
		(void)bounce_new(q, m, BOUNCE_DELAYED, rno, n, wstime_now());
}

/* Sends what is due.  Returns when to come again, -1: not needed. */
int64_t
bounce_run(struct queue *q, int64_t now)
{
	struct bounce	*b;
	struct chan	*c;

	while ((b = RB_MIN(bounce_tree, &q->bounces)) != NULL &&
	    b->when <= now) {
		if (b->state == BS_SENT) {
			log_warnx("queue: no bounce from soap about message "
			    "%016llx", (unsigned long long)b->qid);
			bounce_put(b, BS_WAIT, now + BOUNCE_LATER);
			continue;
		}
		if (b->state == BS_WRITING) {
			bounce_put(b, BS_WRITING, now + BOUNCE_ANSWER);
			continue;
		}
		c = proc_peer(q->p, P_SOAP);
		if (c == NULL || chan_is_full(c) || q->p->stopping ||
		    q->nbounces >= BOUNCE_JOBS)
			return now + 1000;
		bounce_send(b, c, now);
	}
	return b == NULL ? -1 : b->when;
}

/* postmaster@ which of our domains: the sender's, or where it went. */
static const char *
bounce_domain(struct queue *q, const struct qdb_msg *m, const char *rcpt)
{
	struct conf_domain	*cd;
	const char		*d;

	d = addr_domain(m->facts.sender);
	if (d != NULL && dir_is_hosted(q->dir, d))
		return d;
	d = rcpt == NULL ? NULL : addr_domain(rcpt);
	if (d != NULL && dir_is_hosted(q->dir, d))
		return d;
	cd = TAILQ_FIRST(&q->p->conf->domains);
	return cd == NULL ? "" : cd->name;
}

/* One recipient into the job.  0, or -1: ENOENT it has gone, EILSEQ, other. */
static int
bounce_fill_one(struct bounce *b, struct bounce_job *job, uint32_t rno,
    const char **rcpt)
{
	struct rcpt_status	*rs = &job->rcpt[job->nrcpt];
	struct qdb_env		 e;

	if (qdb_env_get(&b->q->db, NULL, b->qid, rno, &e) == -1)
		return -1;
	if (e.state != (b->kind == BOUNCE_FAILED ? QE_FAILED : QE_WAITING)) {
		qdb_env_free(&e);
		errno = ENOENT;
		return -1;
	}
	if (job->next == 0 || e.next < job->next)
		job->next = e.next;
	rs->code = e.code;
	/* The name the sender used, and where it led if that is another. */
	if (e.orig[0] == '\0') {
		rs->addr = e.addr;
		e.addr = NULL;
	} else {
		rs->addr = e.orig;
		e.orig = NULL;
	}
	if (e.host[0] == '\0') {
		rs->text = e.reason;
		e.reason = NULL;
	} else if (asprintf(&rs->text, "%s (said by %s)", e.reason,
	    e.host) == -1)
		fatal("queue");
	qdb_env_free(&e);
	*rcpt = rs->addr;
	b->rno[job->nrcpt++] = rno;
	return 0;
}

/*
 * 0 filled; 1 nothing is left to say; -1 the disk does not let us now.
 * b->rno becomes the list of those that the job is about.
 */
static int
bounce_fill(struct bounce *b, struct bounce_job *job, struct qdb_msg *msg,
    struct sched_msg *m)
{
	const char	*rcpt = NULL;
	uint32_t	 i, *rno;

	if (b->kind == BOUNCE_FAILED) {
		free(b->rno);
		b->n = m->nfailed;
		if ((b->rno = calloc(b->n + 1, sizeof(*rno))) == NULL)
			fatal("queue");
		memcpy(b->rno, m->failed, b->n * sizeof(*rno));
	}
	if ((job->rcpt = calloc(b->n + 1, sizeof(*job->rcpt))) == NULL ||
	    (rno = calloc(b->n + 1, sizeof(*rno))) == NULL)
		fatal("queue");
	memcpy(rno, b->rno, b->n * sizeof(*rno));
	for (i = 0; i < b->n; i++) {
		if (bounce_fill_one(b, job, rno[i], &rcpt) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EILSEQ) {
			free(rno);
			return -1;
		}
		queue_quarantine_env(b->q, b->qid, rno[i],
		    "record does not read");
	}
	free(rno);
	b->n = job->nrcpt;
	if (b->n == 0)
		return 1;
	job->kind = b->kind;
	job->domain = (char *)(uintptr_t)bounce_domain(b->q, msg, rcpt);
	job->to = msg->facts.sender;
	job->orig = msg->facts;
	if (b->kind == BOUNCE_FAILED)
		job->next = 0;
	else
		job->until = m->arrival + (int64_t)b->q->p->conf->ttl * 1000;
	return 0;
}

static void
bounce_send(struct bounce *b, struct chan *c, int64_t now)
{
	struct queue		*q = b->q;
	struct sched_msg	*m = sched_msg_find(&q->sched, b->qid);
	struct bounce_job	 job;
	struct qdb_msg		 msg;
	struct wbuf		 w;
	uint64_t		 id = b->id;
	uint32_t		 i;
	int			 ret;

	if (m == NULL)
		fatalx("queue: bounce without message %016llx",
		    (unsigned long long)b->qid);
	/* Whatever happens below: it is looked at again. */
	bounce_put(b, BS_WAIT, now + BOUNCE_LATER);
	if (qdb_msg_get(&q->db, NULL, b->qid, &msg) == -1) {
		if (errno == ENOENT && m->pend != 0)
			return;	/* it goes with the open transaction */
		if (errno == EILSEQ || errno == ENOENT)
			queue_quarantine_msg(q, b->qid, "facts do not read");
		else
			log_warn("queue: bounce of %016llx",
			    (unsigned long long)b->qid);
		return;
	}
	free(b->msgid);
	free(b->from);
	if ((b->msgid = strdup(msg.facts.msgid)) == NULL ||
	    (b->from = strdup(msg.facts.sender)) == NULL)
		fatal("queue");
	memset(&job, 0, sizeof(job));
	ret = bounce_fill(b, &job, &msg, m);
	if (ret == 0 && addr_domain(msg.facts.sender) == NULL)
		bounce_undeliverable(b);
	else if (ret == 0) {
		wbuf_init(&w);
		bounce_job_put(&w, &job);
		b->chan = c;
		bounce_put(b, BS_SENT, now + BOUNCE_ANSWER);
		if (chan_sendw(c, IMSG_SOAP_BOUNCE_JOB, id, &w) == -1 &&
		    (b = m->bounce) != NULL && b->id == id)
			bounce_put(b, BS_WAIT, now + BOUNCE_LATER);
		wbuf_free(&w);
	} else if (ret == 1) {
		m->bounce = NULL;
		bounce_free(b);
	}
	for (i = 0; i < job.nrcpt; i++) {
		free(job.rcpt[i].addr);
		free(job.rcpt[i].text);
	}
	free(job.rcpt);
	qdb_msg_free(&msg);
}

/* There is no address to tell: the end of it, in the log. */
static void
bounce_undeliverable(struct bounce *b)
{
	struct update	*u;
	uint32_t	 i;

	u = update_new(b->q, b->qid, "bounce", b->msgid, b->from);
	if (u == NULL)
		fatal("queue");
	for (i = 0; i < b->n; i++)
		if (update_change(u, b->kind == BOUNCE_FAILED ? CH_DROP :
		    CH_WARNED, b->rno[i], ST_NOUSER, "no sender to bounce to",
		    NULL) == -1)
			fatal("queue");
	u->done = bounce_written;
	u->arg = b;
	bounce_put(b, BS_WRITING, b->when);
	update_write(u);
}

/* The job that soap, on this channel, answers; NULL: none such. */
struct bounce *
bounce_find(struct queue *q, const struct chan *c, uint64_t id)
{
	struct bounce	*b;

	/* Those at soap are the last in the tree, or nearly. */
	RB_FOREACH_REVERSE(b, bounce_tree, &q->bounces)
		if (b->id == id)
			return b->state == BS_SENT && b->chan == c ? b : NULL;
	return NULL;
}

void
bounce_write(struct queue *q, struct bounce *b)
{
	struct update	*u;
	uint32_t	 i;

	if ((u = update_new(q, b->qid, "bounce", b->msgid, b->from)) == NULL)
		fatal("queue");
	for (i = 0; i < b->n; i++)
		if (update_change(u, b->kind == BOUNCE_FAILED ? CH_REPORTED :
		    CH_WARNED, b->rno[i], ST_OK, NULL, NULL) == -1)
			fatal("queue");
	u->done = bounce_written;
	u->arg = b;
	bounce_put(b, BS_WRITING, wstime_now() + BOUNCE_ANSWER);
	update_write(u);
}

static void
bounce_written(void *arg, int ret)
{
	struct bounce		*b = arg;
	struct queue		*q = b->q;
	struct sched_msg	*m;

	if (b->orphan) {
		bounce_free(b);
		return;
	}
	if (ret == -1) {
		bounce_put(b, BS_WAIT, wstime_now() + QUEUE_SOON);
		return;
	}
	m = sched_msg_find(&q->sched, b->qid);
	bounce_free(b);
	if (m != NULL) {
		m->bounce = NULL;
		if (m->nfailed > 0)
			bounce_failed(q, m);
	}
}

void
bounce_retry(struct queue *q, struct bounce *b, const char *why)
{
	log_warnx("queue: bounce of message %016llx: %s",
	    (unsigned long long)b->qid, why);
	bounce_put(b, BS_WAIT, wstime_now() + BOUNCE_LATER);
	queue_kick(q);
}

void
bounce_peer_down(struct queue *q, struct chan *c)
{
	struct bounce	*b, *next;
	int64_t		 now = wstime_now();

	for (b = RB_MIN(bounce_tree, &q->bounces); b != NULL; b = next) {
		next = RB_NEXT(bounce_tree, &q->bounces, b);
		if (b->state == BS_SENT && b->chan == c) {
			b->chan = NULL;
			/* Moves forward in the tree at most once more. */
			bounce_put(b, BS_WAIT, now + BOUNCE_AGAIN);
		}
	}
}

/* The message goes: so does what was to be said about it. */
void
bounce_forget(struct queue *q, struct sched_msg *m)
{
	struct bounce	*b = m->bounce;

	(void)q;
	if (b == NULL)
		return;
	m->bounce = NULL;
	if (b->state == BS_WRITING)
		b->orphan = 1;
	else
		bounce_free(b);
}

void
bounce_clock_set(struct queue *q, int64_t step)
{
	struct bounce	*b;

	/* All by the same: their order stays. */
	RB_FOREACH(b, bounce_tree, &q->bounces)
		b->when += step;
}

void
bounce_clear(struct queue *q)
{
	struct bounce	*b, *next;

	for (b = RB_MIN(bounce_tree, &q->bounces); b != NULL; b = next) {
		next = RB_NEXT(bounce_tree, &q->bounces, b);
		b->chan = NULL;
		bounce_free(b);
	}
}
