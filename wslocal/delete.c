/* SPDX-License-Identifier: ISC */
/*
 * Mail out.  Header and change are written together; the body goes with the
 * last mailbox that has it, and its file after the commit.  (MessageId,
 * mailbox) stays known, so that a late repeat does not bring a message back.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "wslocal.h"

static void	 delete_fail(struct wbuf *);
static void	 delete_done(struct op *);
static int	 delete_write(struct op *, struct store_txn *,
		    const struct delete_req *, struct mdb_user *,
		    struct delete_result *);
static int	 delete_one(struct op *, struct store_txn *,
		    struct mdb_user *, uint32_t);
static int	 delete_note(struct local *, struct store_txn *, const char *,
		    struct mdb_user *, uint32_t, uint32_t);

static void
delete_fail(struct wbuf *w)
{
	struct delete_result	res = { .code = LOCAL_ERROR };

	delete_result_put(w, &res);
}

int
delete_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct delete_result	 res = { 0 };
	struct delete_req	 req;
	struct store_txn	*txn;
	struct mdb_user		 u;
	struct rbuf		 r;
	struct op		*op;
	int			 ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (delete_req_get(&r, &req) == -1)
		return -1;
	op = op_new(l, c, imsg->hdr.id, IMSG_SOAP_DELETE_RESULT, req.user,
	    delete_fail);
	txn = op_begin(l, req.user, &req.replay, &u, &res.code);
	if (txn == NULL) {
		delete_result_put(&op->reply, &res);
		op_answer_now(op);
	} else {
		ret = delete_write(op, txn, &req, &u, &res);
		delete_result_put(&op->reply, &res);
		if (ret == -1)
			op_write_failed(op);
		else
			op_commit(op, 1);
	}
	delete_result_free(&res);
	delete_req_free(&req);
	return 0;
}

/* What a message that leaves the mailbox changes.  u is the caller's to write. */
static int
delete_note(struct local *l, struct store_txn *txn, const char *user,
    struct mdb_user *u, uint32_t id, uint32_t octets)
{
	if (u->messages > 0)
		u->messages--;
	u->octets -= octets < u->octets ? octets : u->octets;
	if (mdb_dom_add(&l->db, txn, addr_domain(user),
	    -(int64_t)octets) == -1)
		return -1;
	return mdb_chg_add(&l->db, txn, u, MDB_DELETED, id,
	    l->p->conf->limit[LIM_TOMBSTONES]);
}

int
delete_quarantine(struct local *l, struct store_txn *txn, const char *user,
    struct mdb_user *u, uint32_t id, uint32_t octets, const char *why)
{
	uint8_t	key[MDB_HDR_KEY];

	l->st.quarantined++;
	mdb_hdr_key(key, u->uid, id);
	if (mdb_quarantine(&l->db, txn, l->db.hdr, "hdr", key, sizeof(key),
	    why) == -1)
		return -1;
	return delete_note(l, txn, user, u, id, octets);
}

/* 1: deleted, 0: was not there, -1 and errno. */
static int
delete_one(struct op *op, struct store_txn *txn, struct mdb_user *u,
    uint32_t id)
{
	struct local	*l = op->l;
	struct mdb_hdr	 h;
	uint64_t	 blob;
	uint32_t	 octets;

	if (u->uid == 0)
		return 0;
	if (mdb_hdr_get(&l->db, txn, u->uid, id, &h) == -1) {
		if (errno == ENOENT)
			return 0;
		if (errno != EILSEQ)
			return -1;
		return delete_quarantine(l, txn, op->user, u, id, 0,
		    "the header does not read") == -1 ? -1 : 1;
	}
	octets = h.octets;
	if (mdb_hdr_del(&l->db, txn, u->uid, id) == -1 ||
	    mdb_body_drop(&l->db, txn, h.body, &blob) == -1) {
		mdb_hdr_free(&h);
		return -1;
	}
	mdb_hdr_free(&h);
	op_gone(op, blob);
	if (delete_note(l, txn, op->user, u, id, octets) == -1)
		return -1;
	return 1;
}

static int
delete_write(struct op *op, struct store_txn *txn,
    const struct delete_req *req, struct mdb_user *u,
    struct delete_result *res)
{
	uint32_t	i;
	int		ret;

	if (req->nids > 0 &&
	    (res->missing = calloc(req->nids, sizeof(*res->missing))) == NULL)
		return -1;
	for (i = 0; i < req->nids; i++) {
		if ((ret = delete_one(op, txn, u, req->id[i])) == -1)
			return -1;
		if (ret == 1)
			res->ndeleted++;
		else
			res->missing[res->nmissing++] = req->id[i];
	}
	res->code = LOCAL_OK;
	res->change = (int64_t)u->change;
	op->change = res->change;
	op->log.ev = "delete";
	op->log.result = "ok";
	snprintf(op->log.reason, sizeof(op->log.reason),
	    "%u deleted, %u not there", res->ndeleted, res->nmissing);
	if (res->ndeleted == 0)
		return 0;
	op->changed = 1;
	op->count = res->ndeleted;
	op->done = delete_done;
	return mdb_user_put(&op->l->db, txn, op->user, u);
}

static void
delete_done(struct op *op)
{
	op->l->st.deleted += op->count;
}
