/* SPDX-License-Identifier: ISC */
/*
 * Requests that are held until the mailbox changes.  They live in memory
 * only: after a restart the client asks again.  A mailbox has a bounded
 * number; one more ends the oldest as if its time were over, because a client
 * that went away is not told apart from one that is patient.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wslocal.h"

struct waiter {
	TAILQ_ENTRY(waiter)	 entry;
	struct local		*l;
	struct wait_user	*wu;
	struct chan		*chan;
	uint64_t		 reqid;
	int64_t			 since;
	struct event		*ev;
};

static int	 wait_cmp(struct wait_user *, struct wait_user *);
static void	 wait_fail(struct wbuf *);
static void	 wait_done(struct op *);
static void	 wait_hold(struct op *, int64_t);
static struct wait_user *wait_user_make(struct local *, const char *);
static void	 wait_free(struct waiter *);
static void	 wait_answer(struct waiter *, uint32_t, int64_t);
static void	 wait_timeout(evutil_socket_t, short, void *);

RB_PROTOTYPE(wait_tree, wait_user, entry, wait_cmp)
RB_GENERATE(wait_tree, wait_user, entry, wait_cmp)

static int
wait_cmp(struct wait_user *a, struct wait_user *b)
{
	return strcmp(a->name, b->name);
}

static void
wait_fail(struct wbuf *w)
{
	wait_result_put(w, LOCAL_ERROR, 0);
}

int
wait_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct wait_req	 req;
	struct mdb_user	 u;
	struct rbuf	 r;
	struct op	*op;
	uint32_t	 code;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (wait_req_get(&r, &req) == -1)
		return -1;
	l->st.waits++;
	op = op_new(l, c, imsg->hdr.id, IMSG_SOAP_WAIT_RESULT, req.user,
	    wait_fail);
	op->since = req.since_change;
	op->timeout = req.timeout;
	if (op_begin(l, req.user, &req.replay, &u, &code) == NULL) {
		wait_result_put(&op->reply, code, 0);
		op_answer_now(op);
	} else {
		op->done = wait_done;
		op_commit(op, 0);
	}
	wait_req_free(&req);
	return 0;
}

/* The replay key is committed: answer, or hold. */
static void
wait_done(struct op *op)
{
	struct local	*l = op->l;
	struct mdb_user	 u;
	uint32_t	 code = LOCAL_OK;
	int64_t		 change = 0;

	/* Read anew: this turn may have changed it. */
	if (mdb_user_get(&l->db, NULL, op->user, &u) == 0)
		change = (int64_t)u.change;
	else if (errno != ENOENT)
		code = LOCAL_ERROR;
	if (op->since > change)
		code = LOCAL_RESYNC;
	if (code == LOCAL_OK && change <= op->since && op->timeout > 0) {
		op->held = 1;
		if (op->chan != NULL)
			wait_hold(op, change);
		return;
	}
	wait_result_put(&op->reply, code, change);
}

static struct wait_user *
wait_user_make(struct local *l, const char *name)
{
	struct wait_user	*wu, find;

	find.name = (char *)(uintptr_t)name;	/* only compared */
	if ((wu = RB_FIND(wait_tree, &l->waits, &find)) != NULL)
		return wu;
	if ((wu = calloc(1, sizeof(*wu))) == NULL ||
	    (wu->name = strdup(name)) == NULL)
		fatal("local");
	TAILQ_INIT(&wu->waiters);
	RB_INSERT(wait_tree, &l->waits, wu);
	return wu;
}

static void
wait_hold(struct op *op, int64_t change)
{
	struct local		*l = op->l;
	struct conf		*conf = l->p->conf;
	struct wait_user	*wu = wait_user_make(l, op->user);
	struct timeval		 tv = { 0, 0 };
	struct waiter		*w;

	if ((w = calloc(1, sizeof(*w))) == NULL ||
	    (w->ev = evtimer_new(l->p->base, wait_timeout, w)) == NULL)
		fatal("local");
	w->l = l;
	w->wu = wu;
	w->chan = op->chan;
	w->reqid = op->reqid;
	w->since = op->since;
	TAILQ_INSERT_TAIL(&wu->waiters, w, entry);
	wu->n++;
	l->nwaits++;
	tv.tv_sec = (time_t)op->timeout;
	if ((int64_t)op->timeout > conf->limit[LIM_WAIT_TIMEOUT])
		tv.tv_sec = (time_t)conf->limit[LIM_WAIT_TIMEOUT];
	if (evtimer_add(w->ev, &tv) == -1)
		fatal("local");
	if ((int64_t)wu->n <= conf->limit[LIM_WAITS_PER_USER])
		return;
	proc_struck(l->p, LIM_WAITS_PER_USER);
	wait_answer(TAILQ_FIRST(&wu->waiters), LOCAL_OK, change);
}

static void
wait_free(struct waiter *w)
{
	struct wait_user	*wu = w->wu;
	struct local		*l = w->l;

	TAILQ_REMOVE(&wu->waiters, w, entry);
	event_free(w->ev);
	free(w);
	l->nwaits--;
	if (--wu->n > 0)
		return;
	RB_REMOVE(wait_tree, &l->waits, wu);
	free(wu->name);
	free(wu);
}

/*
 * Answers and frees.  Freed first: a channel that breaks while it is written
 * to takes all its waiters with it, so callers begin their walk anew.
 */
static void
wait_answer(struct waiter *w, uint32_t code, int64_t change)
{
	struct chan	*c = w->chan;
	uint64_t	 reqid = w->reqid;
	struct wbuf	 b;

	wait_free(w);
	wbuf_init(&b);
	wait_result_put(&b, code, change);
	if (chan_sendw(c, IMSG_SOAP_WAIT_RESULT, reqid, &b) == -1)
		log_debug("local: answer not sent: %s", strerror(errno));
	wbuf_free(&b);
}

static void
wait_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct waiter	*w = arg;

	(void)fd;
	(void)what;
	/* Had it changed, the commit would have answered. */
	wait_answer(w, LOCAL_OK, w->since);
}

void
wait_notify(struct local *l, const char *user, int64_t change)
{
	struct wait_user	*wu, find;
	struct waiter		*w;

	find.name = (char *)(uintptr_t)user;	/* only compared */
	while ((wu = RB_FIND(wait_tree, &l->waits, &find)) != NULL) {
		TAILQ_FOREACH(w, &wu->waiters, entry)
			if (change > w->since)
				break;
		if (w == NULL)
			return;
		wait_answer(w, LOCAL_OK, change);
	}
}

void
wait_peer_down(struct local *l, struct chan *c)
{
	struct wait_user	*wu, *wu_next;
	struct waiter		*w, *next;

	for (wu = RB_MIN(wait_tree, &l->waits); wu != NULL; wu = wu_next) {
		wu_next = RB_NEXT(wait_tree, &l->waits, wu);
		for (w = TAILQ_FIRST(&wu->waiters); w != NULL; w = next) {
			/* Read first: the last one takes wu with it. */
			next = TAILQ_NEXT(w, entry);
			if (w->chan == c)
				wait_free(w);
		}
	}
}

void
wait_reload(struct local *l)
{
	struct wait_user	*wu, *next;

	for (wu = RB_MIN(wait_tree, &l->waits); wu != NULL; wu = next) {
		if (useridx_find(&l->users, wu->name) != NULL) {
			next = RB_NEXT(wait_tree, &l->waits, wu);
			continue;
		}
		wait_answer(TAILQ_FIRST(&wu->waiters), LOCAL_NOENT, 0);
		next = RB_MIN(wait_tree, &l->waits);
	}
}

void
wait_clear(struct local *l)
{
	struct wait_user	*wu;

	while ((wu = RB_MIN(wait_tree, &l->waits)) != NULL)
		wait_answer(TAILQ_FIRST(&wu->waiters), LOCAL_ERROR, 0);
}
