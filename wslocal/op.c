/* SPDX-License-Identifier: ISC */
/*
 * A request between its handling and its commit.  Every handler of wslocal
 * ends in op_commit(), op_answer_now() or op_write_failed(); nothing is
 * answered, logged, unlinked or told to those who wait before the commit.
 *
 *	L1 nothing is written		a crash: no answer; asked again
 *	L2 large body in its file	a crash: no record names the file, it
 *	   (blob.c, B1 to B4)		is removed at start
 *	L3 records in the transaction	a crash: recovery undoes all of them
 *	L4 the transaction is synced	done: the mail is in the mailbox, or
 *					out of it
 *	L5 files that nobody names any	a crash: they are removed at start
 *	   more are unlinked
 *	L6 the answer is sent		a crash between L4 and L6: a delivery
 *					is repeated by wsqueue and recognised
 */
#include "compat.h"

#include <errno.h>

#include "blob.h"
#include "log.h"
#include "rate.h"
#include "wstime.h"
#include "wslocal.h"

static void	 op_free(struct op *);
static void	 op_send(struct op *);
static void	 op_log(struct op *, const char *, const char *);
static void	 op_committed(void *, int);

struct op *
op_new(struct local *l, struct chan *c, uint64_t reqid, uint32_t type,
    const char *user, void (*fail)(struct wbuf *))
{
	struct op	*op;

	if ((op = calloc(1, sizeof(*op))) == NULL ||
	    (op->user = strdup(user)) == NULL)
		fatal("local");
	op->l = l;
	op->chan = c;
	op->reqid = reqid;
	op->type = type;
	op->fail = fail;
	wbuf_init(&op->reply);
	TAILQ_INSERT_TAIL(&l->ops, op, entry);
	return op;
}

static void
op_free(struct op *op)
{
	TAILQ_REMOVE(&op->l->ops, op, entry);
	wbuf_free(&op->reply);
	free(op->user);
	free(op->gone);
	free(op->log.msgid);
	free(op->log.from);
	free(op);
}

void
op_gone(struct op *op, uint64_t blob)
{
	uint64_t	*p;

	if (blob == 0)
		return;
	p = reallocarray(op->gone, op->ngone + 1, sizeof(*p));
	if (p == NULL)
		fatal("local");
	p[op->ngone++] = blob;
	op->gone = p;
}

static void
op_send(struct op *op)
{
	if (op->chan == NULL)
		return;
	/* A channel that is gone calls peer_down; there is nobody to tell. */
	if (chan_sendw(op->chan, op->type, op->reqid, &op->reply) == -1)
		log_debug("local: answer not sent: %s", strerror(errno));
}

static void
op_log(struct op *op, const char *result, const char *reason)
{
	struct log_ev	ev = { 0 };

	if (op->log.ev == NULL)
		return;
	ev.ev = op->log.ev;
	ev.id = op->reqid;
	ev.msgid = op->log.msgid;
	ev.from = op->log.from;
	/* A delivery has a recipient; all else is done by the mailbox's user. */
	if (op->type == IMSG_QUEUE_DELIVER_RESULT)
		ev.to = op->user;
	else
		ev.user = op->user;
	ev.result = result;
	ev.reason = reason;
	log_event(&ev);
}

void
op_answer_now(struct op *op)
{
	op_log(op, op->log.result, op->log.reason);
	op_send(op);
	op_free(op);
}

/* The group's callback. */
static void
op_committed(void *arg, int ret)
{
	struct op	*op = arg;
	size_t		 i;

	if (ret == -1) {
		op_log(op, "tempfail", strerror(errno));
		if (op->made != 0 && blob_unlink(op->made) == -1 &&
		    errno != ENOENT)
			log_warn("body %016llx", (unsigned long long)op->made);
		op->l->st.tempfailed++;
		wbuf_free(&op->reply);
		op->fail(&op->reply);
		op_send(op);
		op_free(op);
		return;
	}
	for (i = 0; i < op->ngone; i++)
		if (blob_unlink(op->gone[i]) == -1 && errno != ENOENT)
			log_warn("body %016llx",
			    (unsigned long long)op->gone[i]);
	op_log(op, op->log.result, op->log.reason);
	if (op->done != NULL)
		op->done(op);
	if (!op->held)
		op_send(op);
	if (op->changed)
		wait_notify(op->l, op->user, op->change);
	op_free(op);
}

void
op_commit(struct op *op, int sync)
{
	if (group_add(op->l->group, sync, op_committed, op) == -1)
		fatal("local");
}

void
op_write_failed(struct op *op)
{
	int	error = errno;

	log_warnx("local: %s: %s (%s)", op->user, strerror(error),
	    store_errstr(op->l->db.store));
	group_fail(op->l->group, error);
	op_commit(op, 1);
}

void
op_peer_down(struct local *l, struct chan *c)
{
	struct op	*op;

	TAILQ_FOREACH(op, &l->ops, entry)
		if (op->chan == c)
			op->chan = NULL;
}

struct store_txn *
op_begin(struct local *l, const char *user, const struct replay *rp,
    struct mdb_user *u, uint32_t *code)
{
	struct store_txn	*txn;
	int			 seen;

	memset(u, 0, sizeof(*u));
	if (useridx_find(&l->users, user) == NULL) {
		*code = LOCAL_NOENT;
		return NULL;
	}
	/* soap says, logs and counts which limit it was. */
	*code = LOCAL_BUSY;
	if (rate_take(l->rate, user, 1,
	    l->p->conf->limit[LIM_REQUESTS_PER_USER], RATE_MINUTE,
	    wstime_mono()) > 0)
		return NULL;
	*code = LOCAL_ERROR;
	if ((txn = group_txn(l->group)) == NULL) {
		log_warn("local: transaction");
		return NULL;
	}
	if (mdb_user_get(&l->db, txn, user, u) == -1 && errno != ENOENT) {
		/* Not moved away: with it the ids would start anew. */
		log_warnx("local: %s: record of the mailbox: %s", user,
		    strerror(errno));
		return NULL;
	}
	if ((seen = mdb_replay(&l->db, txn, rp)) == 1) {
		l->st.replayed++;
		*code = LOCAL_REPLAY;
		return NULL;
	}
	if (seen == -1) {
		log_warn("local: replay: %s", store_errstr(l->db.store));
		group_fail(l->group, errno);
		return NULL;
	}
	if (rp->until != 0)
		l->replay.added++;
	return txn;
}
