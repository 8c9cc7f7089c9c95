/* SPDX-License-Identifier: ISC */
/*
 * Mail in.  wsqueue may send the same delivery again after a crash or a lost
 * answer; (MessageId, mailbox) tells, also when the message was deleted
 * meanwhile.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "wslocal.h"
#include "wstime.h"

static void	 deliver_fail(struct wbuf *);
static void	 deliver_set(struct op *, uint32_t, const char *, const char *);
static int	 deliver_over(struct local *, struct store_txn *,
		    const struct deliver *, const struct mdb_user *, uint64_t,
		    const char **);
static int	 deliver_judge(struct op *, struct store_txn *,
		    const struct deliver *, struct mdb_user *);
static int	 deliver_write(struct op *, struct store_txn *,
		    const struct deliver *, struct mdb_user *);
static void	 deliver_done(struct op *);

static void
deliver_fail(struct wbuf *w)
{
	deliver_result_put(w, ST_TEMPFAIL,
	    "the mailbox cannot be written to now");
}

static void
deliver_set(struct op *op, uint32_t code, const char *result,
    const char *text)
{
	wbuf_free(&op->reply);
	deliver_result_put(&op->reply, code, text);
	op->log.result = result;
	strlcpy(op->log.reason, text, sizeof(op->log.reason));
	proc_struck(op->l->p, limit_named(text));
}

int
deliver_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct store_txn	*txn;
	struct mdb_user		 u;
	struct deliver		 d;
	struct rbuf		 r;
	struct op		*op;
	int			 ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (deliver_get(&r, &d) == -1)
		return -1;
	op = op_new(l, c, imsg->hdr.id, IMSG_QUEUE_DELIVER_RESULT, d.user,
	    deliver_fail);
	op->log.ev = "mailbox";
	if ((op->log.msgid = strdup(d.facts.msgid)) == NULL ||
	    (op->log.from = strdup(d.facts.sender)) == NULL)
		fatal("local");
	if (useridx_find(&l->users, d.user) == NULL) {
		l->st.nouser++;
		deliver_set(op, ST_NOUSER, "permfail", "no such user here");
		op_answer_now(op);
	} else if (l->space >= 0 && l->space - LOCAL_RESERVE <
	    (int64_t)(d.body_len + d.sig_len)) {
		l->st.tempfailed++;
		deliver_set(op, ST_TEMPFAIL, "tempfail", "no space on disk");
		op_answer_now(op);
	} else if ((txn = group_txn(l->group)) == NULL) {
		l->st.tempfailed++;
		deliver_set(op, ST_TEMPFAIL, "tempfail",
		    "the mailbox cannot be written to now");
		op_answer_now(op);
	} else {
		if ((ret = deliver_judge(op, txn, &d, &u)) == 1)
			ret = deliver_write(op, txn, &d, &u);
		if (ret == -1)
			op_write_failed(op);
		else
			op_commit(op, op->changed);
	}
	deliver_free(&d);
	return 0;
}

/* Is there no room?  1 and *why, 0, or -1 and errno. */
static int
deliver_over(struct local *l, struct store_txn *txn, const struct deliver *d,
    const struct mdb_user *u, uint64_t octets, const char **why)
{
	const struct conf_domain	*cd;
	const struct conf_user		*cu = useridx_find(&l->users, d->user);
	const char			*dom = addr_domain(d->user);
	uint64_t			 used;
	int64_t				 quota;

	quota = l->p->conf->limit[LIM_QUOTA_USER];
	if (cu != NULL && cu->quota >= 0)
		quota = cu->quota;
	if (quota > 0 && u->octets + octets > (uint64_t)quota) {
		*why = "the mailbox is full (limit quota-user)";
		return 1;
	}
	quota = l->p->conf->limit[LIM_QUOTA_DOMAIN];
	cd = conf_domain(l->p->conf, dom);
	if (cd != NULL && cd->quota >= 0)
		quota = cd->quota;
	if (quota <= 0)
		return 0;
	if (mdb_dom_get(&l->db, txn, dom, &used) == -1)
		return -1;
	if (used + octets > (uint64_t)quota) {
		*why = "the domain's mailboxes are full (limit quota-domain)";
		return 1;
	}
	return 0;
}

/* 1: take it; 0: the answer stands; -1: the store failed. */
static int
deliver_judge(struct op *op, struct store_txn *txn, const struct deliver *d,
    struct mdb_user *u)
{
	struct local	*l = op->l;
	const char	*why;
	uint32_t	 id;
	int		 over;

	if (mdb_user_get(&l->db, txn, d->user, u) == -1) {
		if (errno == EILSEQ) {
			/* Not moved away: the ids would start anew. */
			l->st.tempfailed++;
			deliver_set(op, ST_TEMPFAIL, "tempfail",
			    "the mailbox's record does not read");
			return 0;
		}
		if (errno != ENOENT)
			return -1;
		if (mdb_user_make(&l->db, txn, u) == -1)
			return -1;
	} else {
		/* A record that does not read is still one: it was here. */
		if (mdb_seen_get(&l->db, txn, d->facts.msgid, u->uid,
		    &id) == 0 || errno == EILSEQ) {
			l->st.duplicates++;
			deliver_set(op, ST_OK, "ok", "was here before");
			return 0;
		}
		if (errno != ENOENT)
			return -1;
	}
	over = deliver_over(l, txn, d, u, (uint64_t)d->body_len + d->sig_len,
	    &why);
	if (over == 1) {
		l->st.overquota++;
		deliver_set(op, ST_TOOBIG, "permfail", why);
		return 0;
	}
	if (over == 0 && u->last_id == UINT32_MAX) {
		deliver_set(op, ST_TOOBIG, "permfail",
		    "the mailbox has no more ids");
		return 0;
	}
	return over == -1 ? -1 : 1;
}

static int
deliver_write(struct op *op, struct store_txn *txn, const struct deliver *d,
    struct mdb_user *u)
{
	struct local	*l = op->l;
	struct mdb	*db = &l->db;
	struct mdb_hdr	 h;
	int64_t		 now = wstime_now();

	memset(&h, 0, sizeof(h));
	if (mdb_body_store(db, txn, d->body, d->body_len, d->sig, d->sig_len,
	    h.body, &op->made) == -1)
		return -1;
	/*
	 * Ids and times of receipt grow together, whatever the clock does,
	 * so that a list may end at the first message that is too old.
	 */
	if (now > u->received)
		u->received = now;
	h.octets = (uint32_t)(d->body_len + d->sig_len);
	h.h.id = ++u->last_id;
	h.h.flags = d->facts.flags;
	h.h.timestamp = d->facts.timestamp;
	h.h.received = u->received;
	h.h.size = (uint32_t)d->body_len;
	h.h.sender = d->facts.sender;	/* lent: not freed here */
	h.h.subject = d->facts.subject;
	h.h.msgid = d->facts.msgid;
	u->messages++;
	u->octets += h.octets;
	if (mdb_hdr_put(db, txn, u->uid, &h) == -1 ||
	    mdb_chg_add(db, txn, u, MDB_NEW, h.h.id,
	    l->p->conf->limit[LIM_TOMBSTONES]) == -1 ||
	    mdb_seen_put(db, txn, d->facts.msgid, u->uid, h.h.id,
	    now + LOCAL_SEEN_MS) == -1 ||
	    mdb_dom_add(db, txn, addr_domain(d->user), h.octets) == -1 ||
	    mdb_user_put(db, txn, d->user, u) == -1)
		return -1;
	l->seen.added++;
	op->changed = 1;
	op->change = (int64_t)u->change;
	op->done = deliver_done;
	deliver_set(op, ST_OK, "ok", "");
	return 0;
}

static void
deliver_done(struct op *op)
{
	op->l->st.delivered++;
}
