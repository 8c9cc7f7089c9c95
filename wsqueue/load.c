/* SPDX-License-Identifier: ISC */
/*
 * The store into memory, at start: a slice a turn of the loop, so that a
 * spool of any size holds up neither the start nor mail that comes in
 * meanwhile (it gets higher ids, beyond the end of this walk).  What does
 * not read goes into quarantine; the walk goes on.
 */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "blob.h"
#include "log.h"
#include "wstime.h"
#include "wsqueue.h"

#define LOAD_SLICE	1000		/* messages a turn */

struct loader {
	struct queue	*q;
	struct event	*ev;
	uint64_t	 next;		/* first id not looked at */
	uint64_t	 last;		/* highest id at start */
	int64_t		 started;
	uint64_t	 nmsgs;
	uint64_t	 nenvs;
};

struct loading {		/* one message */
	struct queue		*q;
	uint64_t		 qid;
	int64_t			 now;
	int64_t			 latest;	/* anything may wait until then */
	struct sched_msg	*m;
	struct placing		*pl;
	uint32_t		 npl, cap;
	uint32_t		*bad;
	uint32_t		 nbad;
};

static int	 load_keep(uint64_t, void *);
static int	 load_last(struct queue *, uint64_t *);
static void	 load_turn(evutil_socket_t, short, void *);
static int	 load_next_qid(struct queue *, uint64_t, uint64_t *, int *);
static int	 load_first_of(struct store_table *, int, const void *, size_t,
		    uint64_t *);
static int	 load_one(struct loader *, uint64_t, int);
static int	 load_envs(struct loading *);
static int	 load_env(struct loading *, uint32_t, const struct store_val *);
static void	 load_place(struct loading *);
static void	 load_orphan(struct queue *, uint64_t);
static void	 load_done(struct loader *);

/* Does a record, or one in quarantine, name this body file? */
static int
load_keep(uint64_t id, void *arg)
{
	struct queue	*q = arg;
	struct wbuf	 w;
	uint8_t		 key[QDB_MSG_KEY];
	int		 keep;

	qdb_msg_key(key, id);
	if (store_get(q->db.msg, NULL, key, sizeof(key), NULL) == 0)
		return 1;
	if (errno != ENOENT)
		return 1;
	wbuf_init(&w);
	wbuf_str(&w, "msg");
	wbuf_raw(&w, key, sizeof(key));
	keep = w.error || store_get(q->db.quarantine, NULL, w.data, w.len,
	    NULL) == 0 || errno != ENOENT;
	wbuf_free(&w);
	return keep;
}

/* The highest id in use, 0: none. */
static int
load_last(struct queue *q, uint64_t *last)
{
	struct store_cursor	*c;
	struct store_val	 k;
	struct store_table	*t[2];
	uint64_t		 qid;
	uint32_t		 rno;
	uint8_t			 key[QDB_ENV_KEY];
	int			 i, ret;

	*last = 0;
	t[0] = q->db.msg;
	t[1] = q->db.env;
	memset(key, 0xff, sizeof(key));
	for (i = 0; i < 2; i++) {
		if ((c = store_cursor(t[i], NULL)) == NULL)
			return -1;
		for (ret = store_seek_le(c, key, sizeof(key), &k, NULL);
		    ret == 0; ret = store_prev(c, &k, NULL))
			if (qdb_key_read(&k, &qid, i == 0 ? NULL : &rno) == 0)
				break;
		if (ret == 0 && qid > *last)
			*last = qid;
		else if (ret == -1 && errno != ENOENT) {
			store_cursor_close(c);
			return -1;
		}
		store_cursor_close(c);
	}
	return 0;
}

int
load_start(struct queue *q)
{
	struct loader	*l;
	struct timeval	 tv = { 0, 0 };
	int		 n;

	if (blob_init(".") == -1) {
		log_warn("queue: directories for bodies");
		return -1;
	}
	if ((n = blob_collect(load_keep, q)) == -1) {
		log_warn("queue: body files");
		return -1;
	}
	if (n > 0)
		log_info("queue: removed %d body files that no record names",
		    n);
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    load_last(q, &l->last) == -1 ||
	    (l->ev = event_new(q->p->base, -1, 0, load_turn, l)) == NULL) {
		log_warn("queue: %s", store_errstr(q->db.store));
		free(l);
		return -1;
	}
	l->q = q;
	l->started = wstime_now();
	q->last_qid = l->last;
	q->loader = l;
	event_add(l->ev, &tv);
	return 0;
}

void
load_stop(struct queue *q)
{
	if (q->loader == NULL)
		return;
	event_free(q->loader->ev);
	free(q->loader);
	q->loader = NULL;
}

/*
 * The first id at or after the key; 1 found, 0 none, -1.  A key that is none
 * is passed over: nothing could ask for its record.
 */
static int
load_first_of(struct store_table *t, int is_env, const void *key, size_t len,
    uint64_t *qid)
{
	struct store_cursor	*c;
	struct store_val	 k;
	uint32_t		 rno;
	int			 ret;

	if ((c = store_cursor(t, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, key, len, &k, NULL); ret == 0;
	    ret = store_next(c, &k, NULL)) {
		if (qdb_key_read(&k, qid, is_env ? &rno : NULL) == 0)
			break;
		log_warnx("queue: a key of table %s does not read",
		    is_env ? "env" : "msg");
	}
	store_cursor_close(c);
	if (ret == -1)
		return errno == ENOENT ? 0 : -1;
	return 1;
}

/* The next id in either table.  1, 0 at the end, -1. */
static int
load_next_qid(struct queue *q, uint64_t from, uint64_t *qid, int *has_msg)
{
	uint64_t	a = 0, b = 0;
	uint8_t		key[QDB_MSG_KEY];
	int		ra, rb;

	qdb_msg_key(key, from);
	ra = load_first_of(q->db.msg, 0, key, sizeof(key), &a);
	rb = load_first_of(q->db.env, 1, key, sizeof(key), &b);
	if (ra == -1 || rb == -1)
		return -1;
	if (ra == 0 && rb == 0)
		return 0;
	*qid = ra == 0 ? b : rb == 0 ? a : a < b ? a : b;
	*has_msg = ra == 1 && a == *qid;
	return 1;
}

static void
load_turn(evutil_socket_t fd, short what, void *arg)
{
	struct loader	*l = arg;
	struct queue	*q = l->q;
	struct timeval	 tv = { 0, 0 };
	uint64_t	 qid = 0;
	int		 i, ret, has_msg;

	(void)fd;
	(void)what;
	for (i = 0; i < LOAD_SLICE; i++) {
		if (l->next > l->last)
			break;
		ret = load_next_qid(q, l->next, &qid, &has_msg);
		if (ret == -1)
			fatalx("queue: reading the store: %s",
			    store_errstr(q->db.store));
		if (ret == 0 || qid > l->last) {
			l->next = l->last + 1;
			break;
		}
		if (load_one(l, qid, has_msg) == -1)
			fatal("queue: reading the store: %s",
			    store_errstr(q->db.store));
		l->next = qid + 1;
	}
	queue_kick(q);
	if (l->next > l->last) {
		load_done(l);
		return;
	}
	event_add(l->ev, &tv);
}

static void
load_done(struct loader *l)
{
	struct queue	*q = l->q;

	if (l->nmsgs > 0)
		log_info("queue: %llu messages, %llu recipients read in "
		    "%lld ms", (unsigned long long)l->nmsgs,
		    (unsigned long long)l->nenvs,
		    (long long)(wstime_now() - l->started));
	load_stop(q);
}

static int
load_one(struct loader *l, uint64_t qid, int has_msg)
{
	struct queue	*q = l->q;
	struct qdb_msg	 msg;
	struct loading	 ld;
	uint32_t	 i;
	int		 bad = !has_msg, ret = -1;

	memset(&ld, 0, sizeof(ld));
	memset(&msg, 0, sizeof(msg));
	ld.q = q;
	ld.qid = qid;
	ld.now = wstime_now();
	ld.latest = ld.now + (int64_t)q->p->conf->retry_max * 10 *
	    (100 + (int64_t)q->p->conf->retry_jitter);
	if (has_msg && qdb_msg_get(&q->db, NULL, qid, &msg) == -1) {
		if (errno != EILSEQ)
			return -1;
		bad = 1;
	}
	ld.m = sched_msg_add(&q->sched, qid, msg.arrival,
	    (uint64_t)msg.body_len + msg.sig_len, msg.flags);
	if (ld.m == NULL)
		goto out;
	ld.m->blob = (int)msg.blob;
	if (load_envs(&ld) == -1)
		goto out;
	l->nmsgs++;
	l->nenvs += ld.m->nlive;
	ret = 0;
	if (ld.m->nlive == 0 && !bad) {
		load_orphan(q, qid);
		goto out;
	}
	load_place(&ld);
	if (bad)
		queue_quarantine_msg(q, qid, has_msg ? "facts do not read" :
		    "recipients without a message");
	else
		for (i = 0; i < ld.nbad; i++)
			queue_quarantine_env(q, qid, ld.bad[i],
			    "record does not read");
 out:
	for (i = 0; i < ld.npl; i++)
		free((char *)(uintptr_t)ld.pl[i].addr);
	free(ld.pl);
	free(ld.bad);
	qdb_msg_free(&msg);
	return ret;
}

/* All recipients of one message.  Their records are read before any change. */
static int
load_envs(struct loading *ld)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	uint64_t		 qid;
	uint32_t		 rno;
	uint8_t			 key[QDB_ENV_KEY];
	int			 ret;

	if ((c = store_cursor(ld->q->db.env, NULL)) == NULL)
		return -1;
	qdb_env_key(key, ld->qid, 0);
	for (ret = store_seek_ge(c, key, sizeof(key), &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		if (qdb_key_read(&k, &qid, &rno) == -1)
			continue;
		if (qid != ld->qid)
			break;
		if (load_env(ld, rno, &v) == -1) {
			store_cursor_close(c);
			return -1;
		}
	}
	store_cursor_close(c);
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

static int
load_env(struct loading *ld, uint32_t rno, const struct store_val *v)
{
	struct placing	*pl;
	struct qdb_env	 e;
	uint32_t	*bad, cap;

	ld->m->nlive++;
	if (qdb_env_read(v, &e) == -1 || e.qid != ld->qid || e.rno != rno) {
		qdb_env_free(&e);
		bad = reallocarray(ld->bad, ld->nbad + 1, sizeof(*bad));
		if (bad == NULL)
			return -1;
		ld->bad = bad;
		bad[ld->nbad++] = rno;
		return sched_failed_add(ld->m, rno);
	}
	if (e.state == QE_FAILED) {
		qdb_env_free(&e);
		return sched_failed_add(ld->m, rno);
	}
	if (ld->npl == ld->cap) {
		cap = ld->cap == 0 ? 2 : ld->cap * 2;
		if ((pl = reallocarray(ld->pl, cap, sizeof(*pl))) == NULL) {
			qdb_env_free(&e);
			return -1;
		}
		ld->pl = pl;
		ld->cap = cap;
	}
	pl = &ld->pl[ld->npl++];
	pl->addr = e.addr;
	e.addr = NULL;
	pl->rno = rno;
	/* The clock was set back meanwhile: no wait is longer than this. */
	pl->next = e.next > ld->latest ? ld->now : e.next;
	pl->attempts = e.attempts;
	qdb_env_free(&e);
	return 0;
}

static void
load_place(struct loading *ld)
{
	if (queue_place(ld->q, ld->m, ld->pl, ld->npl) == -1)
		fatal("queue");
	if (ld->m->nfailed > ld->nbad)
		bounce_failed(ld->q, ld->m);
}

/* Facts without recipients: nothing is left to do for it. */
static void
load_orphan(struct queue *q, uint64_t qid)
{
	struct update	*u;

	log_warnx("queue: message %016llx has no recipients, removed",
	    (unsigned long long)qid);
	if ((u = update_new(q, qid, "remove", NULL, NULL)) == NULL)
		fatal("queue");
	update_write(u);
}
