/* SPDX-License-Identifier: ISC */
/*
 * What becomes of recipients: written into the open transaction, and into
 * memory only after its commit.  deliver.c, bounce.c and admin.c say what is
 * to change.
 *
 *	U1 the result is known		nothing is written yet: done again
 *	U2 written, not committed	the same; wslocal and peers know repeats
 *	U3 committed			memory follows; the last recipient
 *					took the message with it
 *	U4 body file unlinked		a crash between U3 and U4 leaves a file
 *					that no record names: removed at start
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "backoff.h"
#include "blob.h"
#include "log.h"
#include "wstime.h"
#include "wsqueue.h"

static int	 update_write_one(struct update *, struct store_txn *,
		    struct sched_msg *, struct change *);
static int	 update_delete(struct update *, struct store_txn *,
		    struct sched_msg *, struct change *);
static int	 update_retry(struct update *, struct store_txn *,
		    struct sched_msg *, struct change *, struct qdb_env *);
static int	 update_fail(struct update *, struct store_txn *,
		    struct sched_msg *, struct change *, struct qdb_env *);
static int	 update_write_adds(struct update *, struct store_txn *,
		    struct sched_msg *);
static int	 update_write_all(struct update *, struct store_txn *,
		    struct sched_msg *);
static void	 update_committed(void *, int);
static void	 update_apply(struct update *, struct sched_msg *);
static void	 update_apply_adds(struct update *, struct sched_msg *);
static void	 update_apply_waits(struct update *, struct sched_msg *);
static void	 update_undo(struct update *, struct sched_msg *);
static void	 update_log(struct update *, const struct change *);
static uint32_t	 update_collect(const struct update *, uint32_t *,
		    int (*)(const struct change *));
static int	 update_is_retry(const struct change *);
static int	 update_is_late(const struct change *);
static int	 update_is_any(const struct change *);
static void	 update_msg_gone(struct queue *, struct sched_msg *);

struct update *
update_new(struct queue *q, uint64_t qid, const char *ev, const char *msgid,
    const char *from)
{
	struct update	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		return NULL;
	u->q = q;
	u->qid = qid;
	u->ev = ev;
	if ((u->msgid = strdup(msgid == NULL ? "" : msgid)) == NULL ||
	    (u->from = strdup(from == NULL ? "" : from)) == NULL) {
		update_free(u);
		return NULL;
	}
	return u;
}

void
update_free(struct update *u)
{
	uint32_t	i;

	if (u == NULL)
		return;
	for (i = 0; i < u->n; i++) {
		free(u->ch[i].addr);
		free(u->ch[i].text);
		free(u->ch[i].host);
	}
	for (i = 0; i < u->nadd; i++) {
		free(u->add[i].addr);
		free(u->add[i].orig);
	}
	free(u->ch);
	free(u->add);
	free(u->msgid);
	free(u->from);
	free(u);
}

int
update_change(struct update *u, enum change_what what, uint32_t rno,
    uint32_t code, const char *text, const char *host)
{
	struct change	*c;
	uint32_t	 cap;

	if (u->n == u->cap) {
		cap = u->cap == 0 ? 4 : u->cap * 2;
		if ((c = reallocarray(u->ch, cap, sizeof(*c))) == NULL)
			return -1;
		u->ch = c;
		u->cap = cap;
	}
	c = &u->ch[u->n];
	memset(c, 0, sizeof(*c));
	c->what = what;
	c->rno = rno;
	c->code = code;
	if ((c->text = strdup(text == NULL ? "" : text)) == NULL)
		return -1;
	if ((c->host = strdup(host == NULL ? "" : host)) == NULL) {
		free(c->text);
		return -1;
	}
	u->n++;
	return 0;
}

int
update_recipient(struct update *u, const struct rcpt *r)
{
	struct rcpt	*p;

	p = reallocarray(u->add, u->nadd + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	u->add = p;
	p += u->nadd;
	if ((p->addr = strdup(r->addr)) == NULL)
		return -1;
	if ((p->orig = strdup(r->orig)) == NULL) {
		free(p->addr);
		return -1;
	}
	u->nadd++;
	return 0;
}

static int
update_delete(struct update *u, struct store_txn *txn, struct sched_msg *m,
    struct change *c)
{
	if (qdb_env_del(&u->q->db, txn, u->qid, c->rno) == -1)
		return errno == ENOENT ? 0 : -1;
	c->counted = 1;
	m->pend--;
	return 0;
}

/* For good: a bounce is due, unless there is nobody who wants one. */
static int
update_fail(struct update *u, struct store_txn *txn, struct sched_msg *m,
    struct change *c, struct qdb_env *e)
{
	c->what = CH_FAIL;
	if (m->flags & (QM_BOUNCE | QM_SILENT)) {
		c->what = CH_DROP;
		return update_delete(u, txn, m, c);
	}
	e->state = QE_FAILED;
	e->code = c->code;
	free(e->reason);
	if ((e->reason = strdup(c->text)) == NULL)
		return -1;
	if (c->host[0] != '\0') {
		free(e->host);
		if ((e->host = strdup(c->host)) == NULL)
			return -1;
	}
	return qdb_env_put(&u->q->db, txn, e);
}

static int
update_retry(struct update *u, struct store_txn *txn, struct sched_msg *m,
    struct change *c, struct qdb_env *e)
{
	const struct conf	*conf = u->q->p->conf;
	int64_t			 now = wstime_now(), end;
	char			*text;

	e->attempts++;
	e->last = now;
	end = m->arrival + (int64_t)conf->ttl * 1000;
	if (now >= end) {
		c->expired = 1;
		c->code = ST_EXPIRED;
		if (asprintf(&text, "given up after %u attempts; the last: %s",
		    e->attempts, c->text) == -1)
			return -1;
		free(c->text);
		c->text = text;
		return update_fail(u, txn, m, c, e);
	}
	if (u->hold)
		u->next = end;
	else if (u->next == 0) {
		u->next = now + 1000 * (int64_t)backoff_delay(e->attempts,
		    conf->retry_min, conf->retry_max, conf->retry_jitter,
		    arc4random());
		if (u->next > end)
			u->next = end;
	}
	if (e->attempts > u->attempts)
		u->attempts = e->attempts;
	e->next = u->next;
	e->code = c->code;
	c->warn = conf->warn != 0 && !(e->flags & QEF_WARNED) &&
	    !(m->flags & (QM_BOUNCE | QM_SILENT)) &&
	    now >= m->arrival + (int64_t)conf->warn * 1000;
	free(e->reason);
	if ((e->reason = strdup(c->text)) == NULL)
		return -1;
	free(e->host);
	if ((e->host = strdup(c->host)) == NULL)
		return -1;
	return qdb_env_put(&u->q->db, txn, e);
}

static int
update_write_one(struct update *u, struct store_txn *txn,
    struct sched_msg *m, struct change *c)
{
	struct qdb_env	e;
	uint8_t		key[QDB_ENV_KEY];
	int		ret = 0;

	if (c->what == CH_QUARANTINE ||
	    qdb_env_get(&u->q->db, txn, u->qid, c->rno, &e) == -1) {
		if (c->what != CH_QUARANTINE && errno == ENOENT)
			return 0;	/* removed meanwhile */
		if (c->what != CH_QUARANTINE && errno != EILSEQ)
			return -1;
		c->what = CH_QUARANTINE;
		qdb_env_key(key, u->qid, c->rno);
		c->counted = 1;
		m->pend--;
		m->keep = 1;
		return store_quarantine(u->q->db.quarantine, txn,
		    u->q->db.env, "env", key, sizeof(key),
		    c->text[0] != '\0' ? c->text : "record does not read");
	}
	switch (c->what) {
	case CH_RETRY:
		ret = update_retry(u, txn, m, c, &e);
		break;
	case CH_FAIL:
		e.attempts++;
		e.last = wstime_now();
		ret = update_fail(u, txn, m, c, &e);
		break;
	case CH_WARNED:
		e.flags |= QEF_WARNED;
		ret = qdb_env_put(&u->q->db, txn, &e);
		break;
	case CH_DONE:
	case CH_DROP:
	case CH_REPORTED:
		ret = update_delete(u, txn, m, c);
		break;
	case CH_QUARANTINE:
		break;
	}
	c->addr = e.addr;
	e.addr = NULL;
	qdb_env_free(&e);
	return ret;
}

/* New recipients get the numbers after the highest on disk. */
static int
update_write_adds(struct update *u, struct store_txn *txn,
    struct sched_msg *m)
{
	struct store_cursor	*c;
	struct store_val	 k;
	struct qdb_env		 e;
	uint64_t		 qid;
	uint32_t		 i, rno = 0;
	uint8_t			 key[QDB_ENV_KEY];
	int			 ret;

	qdb_env_key(key, u->qid, UINT32_MAX);
	if ((c = store_cursor(u->q->db.env, txn)) == NULL)
		return -1;
	for (ret = store_seek_le(c, key, sizeof(key), &k, NULL); ret == 0;
	    ret = store_prev(c, &k, NULL))
		if (qdb_key_read(&k, &qid, &rno) == 0)
			break;
	if (ret == 0 && qid == u->qid)
		rno++;
	else
		rno = 0;
	store_cursor_close(c);
	u->add_rno = rno;
	for (i = 0; i < u->nadd; i++) {
		memset(&e, 0, sizeof(e));
		e.qid = u->qid;
		e.rno = rno + i;
		e.state = QE_WAITING;
		e.addr = u->add[i].addr;
		e.orig = u->add[i].orig;
		e.next = wstime_now();
		if (qdb_env_put(&u->q->db, txn, &e) == -1)
			return -1;
		m->pend++;
		u->nadded++;
	}
	return 0;
}

static int
update_write_all(struct update *u, struct store_txn *txn, struct sched_msg *m)
{
	uint32_t	i;
	uint8_t		key[QDB_MSG_KEY];

	/* New ones first: a number is not used twice in one transaction. */
	if (u->nadd > 0 && update_write_adds(u, txn, m) == -1)
		return -1;
	for (i = 0; i < u->n; i++)
		if (update_write_one(u, txn, m, &u->ch[i]) == -1)
			return -1;
	if ((int64_t)m->nlive + m->pend != 0)
		return 0;
	u->msgdel = 1;
	if (!m->keep)
		return qdb_msg_del(&u->q->db, txn, u->qid);
	qdb_msg_key(key, u->qid);
	return store_quarantine(u->q->db.quarantine, txn, u->q->db.msg, "msg",
	    key, sizeof(key), "a recipient, or the body, does not read");
}

void
update_write(struct update *u)
{
	struct queue		*q = u->q;
	struct sched_msg	*m;
	struct store_txn	*txn;

	if ((m = sched_msg_find(&q->sched, u->qid)) == NULL) {
		if (u->done != NULL)
			u->done(u->arg, 0);
		update_free(u);
		return;
	}
	if ((txn = group_txn(q->group)) == NULL) {
		update_committed(u, -1);
		return;
	}
	if (update_write_all(u, txn, m) == -1)
		queue_write_failed(q, u->ev);
	if (group_add(q->group, 1, update_committed, u) == -1)
		fatal("queue: group");
}

/* The group has committed, or failed. */
static void
update_committed(void *arg, int ret)
{
	struct update		*u = arg;
	struct queue		*q = u->q;
	struct sched_msg	*m;
	void			(*done)(void *, int) = u->done;
	void			*done_arg = u->arg;

	if ((m = sched_msg_find(&q->sched, u->qid)) != NULL) {
		if (ret == 0)
			update_apply(u, m);
		else
			update_undo(u, m);
	}
	update_free(u);
	if (done != NULL)
		done(done_arg, ret);
	queue_kick(q);
}

static int
update_is_retry(const struct change *c)
{
	return c->what == CH_RETRY;
}

static int
update_is_late(const struct change *c)
{
	return c->what == CH_RETRY && c->warn;
}

static int
update_is_any(const struct change *c)
{
	(void)c;
	return 1;
}

static uint32_t
update_collect(const struct update *u, uint32_t *rno,
    int (*is)(const struct change *))
{
	uint32_t	i, n = 0;

	for (i = 0; i < u->n; i++)
		if (is(&u->ch[i]))
			rno[n++] = u->ch[i].rno;
	return n;
}

/* What was tried in vain waits again; what waits too long is reported. */
static void
update_apply_waits(struct update *u, struct sched_msg *m)
{
	uint32_t	*rno, n;

	if (u->n == 0)
		return;
	if ((rno = calloc(u->n, sizeof(*rno))) == NULL)
		fatal("queue");
	if ((n = update_collect(u, rno, update_is_retry)) > 0)
		queue_wait_again(u->q, u->qid, rno, n, u->next, u->attempts);
	if ((n = update_collect(u, rno, update_is_late)) > 0)
		bounce_delayed(u->q, m, rno, n);
	free(rno);
}

static void
update_apply_adds(struct update *u, struct sched_msg *m)
{
	struct placing	*pl;
	uint32_t	 i;

	if (u->nadd == 0)
		return;
	if ((pl = calloc(u->nadd, sizeof(*pl))) == NULL)
		fatal("queue");
	for (i = 0; i < u->nadd; i++) {
		pl[i].addr = u->add[i].addr;
		pl[i].rno = u->add_rno + i;
		pl[i].next = wstime_now();
	}
	if (queue_place(u->q, m, pl, u->nadd) == -1)
		fatal("queue");
	m->nlive += u->nadd;
	m->pend -= (int32_t)u->nadd;
	free(pl);
}

static void
update_apply(struct update *u, struct sched_msg *m)
{
	struct queue		*q = u->q;
	struct sched_item	*it;
	struct change		*c;
	uint32_t		 i;
	int			 failed = 0;

	update_apply_adds(u, m);
	for (i = 0; i < u->n; i++) {
		c = &u->ch[i];
		update_log(u, c);
		if (c->what == CH_RETRY || c->what == CH_WARNED)
			continue;
		if ((it = sched_item_find(m, c->rno)) != NULL)
			(void)sched_item_drop(&q->sched, it, c->rno);
		if (c->what == CH_FAIL) {
			if (sched_failed_add(m, c->rno) == -1)
				fatal("queue");
			failed = 1;
			continue;
		}
		(void)sched_failed_drop(m, c->rno);
		m->nlive -= (uint32_t)c->counted;
		m->pend += c->counted;
	}
	if (u->msgdel) {
		update_msg_gone(q, m);
		return;
	}
	update_apply_waits(u, m);
	if (failed)
		bounce_failed(q, m);
}

static void
update_msg_gone(struct queue *q, struct sched_msg *m)
{
	bounce_forget(q, m);
	if (m->blob && !m->keep && blob_unlink(m->qid) == -1 && errno != ENOENT)
		log_warn("queue: body %016llx", (unsigned long long)m->qid);
	sched_msg_remove(&q->sched, m);
}

/* Nothing was written: what was under way is tried again soon. */
static void
update_undo(struct update *u, struct sched_msg *m)
{
	struct sched_item	*it;
	uint32_t		*rno, i, n;

	for (i = 0; i < u->n; i++)
		m->pend += u->ch[i].counted;
	m->pend -= (int32_t)u->nadded;
	if (u->n == 0)
		return;
	if ((rno = calloc(u->n, sizeof(*rno))) == NULL)
		fatal("queue");
	n = update_collect(u, rno, update_is_any);
	if ((it = sched_item_find(m, rno[0])) != NULL)
		queue_wait_again(u->q, u->qid, rno, n,
		    wstime_now() + QUEUE_SOON, it->attempts);
	free(rno);
}

void
queue_wait_again(struct queue *q, uint64_t qid, const uint32_t *rno,
    uint32_t n, int64_t next, uint32_t attempts)
{
	struct sched_msg	*m;
	struct sched_item	*it;
	struct sched_dest	*d = NULL;
	uint32_t		*some, i, nsome = 0;

	if (n == 0 || (m = sched_msg_find(&q->sched, qid)) == NULL)
		return;
	it = sched_item_find(m, rno[0]);
	if (it != NULL && it->nrno == n && it->state != SI_WAITING) {
		sched_item_wait(&q->sched, it, next, attempts);
		return;
	}
	/* A part of an item: the rest was delivered, or is still under way. */
	if ((some = calloc(n, sizeof(*some))) == NULL)
		fatal("queue");
	for (i = 0; i < n; i++) {
		it = sched_item_find(m, rno[i]);
		if (it == NULL || it->state == SI_WAITING)
			continue;
		d = it->dest;
		(void)sched_item_drop(&q->sched, it, rno[i]);
		some[nsome++] = rno[i];
	}
	if (nsome > 0 && sched_item_add(&q->sched, m, d, some, nsome, next,
	    attempts) == NULL)
		fatal("queue");
	free(some);
}

static void
update_log(struct update *u, const struct change *c)
{
	struct queue_stats	*st = &u->q->st;
	struct log_ev		 ev;

	memset(&ev, 0, sizeof(ev));
	ev.id = u->qid;
	ev.msgid = u->msgid;
	ev.from = u->from;
	ev.to = c->addr;
	ev.peer = c->host;
	ev.reason = c->text;
	ev.ev = c->expired ? "expire" : u->ev;
	switch (c->what) {
	case CH_DONE:
		ev.result = "ok";
		if (strcmp(u->ev, "relay") == 0)
			st->relayed++;
		else if (strcmp(u->ev, "deliver") == 0)
			st->delivered++;
		break;
	case CH_RETRY:
		ev.result = "tempfail";
		st->retried++;
		break;
	case CH_FAIL:
		ev.result = "permfail";
		st->failed++;
		break;
	case CH_DROP:
		ev.result = "dropped";
		if (strcmp(u->ev, "remove") == 0)
			st->removed++;
		else
			st->dropped++;
		break;
	case CH_REPORTED:
		ev.ev = "bounce";
		ev.result = "ok";
		break;
	case CH_WARNED:
		ev.ev = "delay";
		ev.result = "ok";
		break;
	case CH_QUARANTINE:
		ev.ev = "quarantine";
		st->quarantined++;
		break;
	}
	if (c->expired)
		st->expired++;
	log_event(&ev);
}

void
queue_quarantine_env(struct queue *q, uint64_t qid, uint32_t rno,
    const char *why)
{
	struct update	*u;

	if ((u = update_new(q, qid, "quarantine", NULL, NULL)) == NULL ||
	    update_change(u, CH_QUARANTINE, rno, ST_BAD, why, NULL) == -1)
		fatal("queue");
	update_write(u);
}

/* Everything of a message whose facts or body do not read. */
void
queue_quarantine_msg(struct queue *q, uint64_t qid, const char *why)
{
	struct sched_msg	*m;
	struct sched_item	*it;
	struct update		*u;
	uint32_t		 i;

	if ((m = sched_msg_find(&q->sched, qid)) == NULL)
		return;
	m->keep = 1;
	if ((u = update_new(q, qid, "quarantine", NULL, NULL)) == NULL)
		fatal("queue");
	LIST_FOREACH(it, &m->items, mentry)
		for (i = 0; i < it->nrno; i++)
			if (update_change(u, CH_QUARANTINE, it->rno[i], ST_BAD,
			    why, NULL) == -1)
				fatal("queue");
	for (i = 0; i < m->nfailed; i++)
		if (update_change(u, CH_QUARANTINE, m->failed[i], ST_BAD, why,
		    NULL) == -1)
			fatal("queue");
	update_write(u);
}
