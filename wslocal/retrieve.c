/* SPDX-License-Identifier: ISC */
/* One message as it was stored: the octets that were signed, unchanged. */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wslocal.h"

static void	 retrieve_fail(struct wbuf *);
static int	 retrieve_read(struct op *, struct store_txn *,
		    const struct retrieve_req *, struct mdb_user *);
static int	 retrieve_damaged(struct op *, struct store_txn *,
		    const struct retrieve_req *, struct mdb_user *, uint32_t,
		    const char *);
static void	 retrieve_done(struct op *);

static void
retrieve_fail(struct wbuf *w)
{
	struct retrieve_result	res = { .code = LOCAL_ERROR };

	retrieve_result_put(w, &res);
}

int
retrieve_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct retrieve_result	 res = { 0 };
	struct retrieve_req	 req;
	struct store_txn	*txn;
	struct mdb_user		 u;
	struct rbuf		 r;
	struct op		*op;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (retrieve_req_get(&r, &req) == -1)
		return -1;
	op = op_new(l, c, imsg->hdr.id, IMSG_SOAP_RETRIEVE_RESULT, req.user,
	    retrieve_fail);
	txn = op_begin(l, req.user, &req.replay, &u, &res.code);
	if (txn == NULL) {
		res.id = req.id;
		retrieve_result_put(&op->reply, &res);
		op_answer_now(op);
	} else if (retrieve_read(op, txn, &req, &u) == -1)
		op_write_failed(op);
	else
		op_commit(op, op->changed);
	retrieve_req_free(&req);
	return 0;
}

/* Fills the answer.  0, or -1: the store failed. */
static int
retrieve_read(struct op *op, struct store_txn *txn,
    const struct retrieve_req *req, struct mdb_user *u)
{
	struct retrieve_result	 res = { 0 };
	struct mdb_hdr		 h;
	uint8_t			*p = NULL;
	uint32_t		 octets;

	res.id = req->id;
	res.code = LOCAL_NOENT;
	if (u->uid == 0 ||
	    mdb_hdr_get(&op->l->db, txn, u->uid, req->id, &h) == -1) {
		if (u->uid != 0 && errno == EILSEQ)
			return retrieve_damaged(op, txn, req, u, 0,
			    "the header does not read");
		if (u->uid != 0 && errno != ENOENT)
			return -1;
		retrieve_result_put(&op->reply, &res);
		return 0;
	}
	octets = h.octets;
	p = mdb_body_load(&op->l->db, txn, h.body, &res.body_len,
	    &res.sig_len);
	mdb_hdr_free(&h);
	if (p == NULL) {
		if (errno == EILSEQ)
			return retrieve_damaged(op, txn, req, u, octets,
			    "the body is missing or damaged");
		log_warn("local: %s: body of message %u", req->user, req->id);
		res.code = LOCAL_ERROR;
		res.body_len = res.sig_len = 0;
		retrieve_result_put(&op->reply, &res);
		return 0;
	}
	res.code = LOCAL_OK;
	res.body = p;
	res.sig = p + res.body_len;
	retrieve_result_put(&op->reply, &res);
	free(p);
	op->done = retrieve_done;
	return 0;
}

/* The message goes to quarantine; this once the user is told of an error. */
static int
retrieve_damaged(struct op *op, struct store_txn *txn,
    const struct retrieve_req *req, struct mdb_user *u, uint32_t octets,
    const char *why)
{
	struct retrieve_result	res = { .code = LOCAL_ERROR };

	res.id = req->id;
	retrieve_result_put(&op->reply, &res);
	if (delete_quarantine(op->l, txn, req->user, u, req->id, octets,
	    why) == -1)
		return -1;
	op->changed = 1;
	op->change = (int64_t)u->change;
	return mdb_user_put(&op->l->db, txn, req->user, u);
}

static void
retrieve_done(struct op *op)
{
	op->l->st.retrieved++;
}
