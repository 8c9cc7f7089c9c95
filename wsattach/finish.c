/* SPDX-License-Identifier: ISC */
/*
 * An upload becomes a content (the steps are those of file.c).  Nobody is
 * given a content for knowing its digest: each upload is received whole,
 * whatever there is already.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

/* References of a content whose record was lost: more than there can be. */
#define FINISH_PINNED	(1U << 30)

static int	 finish_begin(struct op *, struct store_txn *, const char *,
		    const struct upload_req *, uint64_t *);
static int	 finish_judge(struct op *, struct store_txn *,
		    struct adb_upload *, const uint8_t *);
static int	 finish_restart(struct op *, struct store_txn *,
		    struct adb_upload *, uint32_t, const char *);
static int	 finish_is_stored(struct attach *, struct store_txn *,
		    const struct adb_upload *);
static int	 finish_take(struct attach *, struct store_txn *,
		    struct adb_upload *);
static void	 finish_done(struct op *, int);
static void	 finish_place(void *, int);

/* 1: waits for its digest, 0: the reply says what, -1: the store failed. */
static int
finish_begin(struct op *op, struct store_txn *txn, const char *owner,
    const struct upload_req *q, uint64_t *size)
{
	struct adb_upload	u;
	uint64_t		is;
	int			fd, ret;

	if ((ret = upload_find(op, txn, owner, q->id, &u)) != 1)
		return ret;
	ret = 0;
	if (u.state == UP_COMPLETE) {
		if (memcmp(u.digest, q->digest, ATTACH_DIGEST) == 0)
			upload_reply(op, &u, ST_OK, "");
		else
			upload_reply(op, &u, ST_BAD,
			    "it is complete, with another digest");
	} else if (u.octets != u.size)
		upload_reply(op, &u, ST_RESYNC, "it is not complete");
	else if (u.has_digest &&
	    memcmp(u.digest, q->digest, ATTACH_DIGEST) != 0)
		upload_reply(op, &u, ST_BAD,
		    "another digest was declared at the beginning");
	/* Of nothing no piece has come, and so there may be no file. */
	else if ((fd = file_part_open(u.id, &is)) == -1) {
		log_warn("attach: part of an upload");
		op_refuse(op, ST_TEMPFAIL, "it cannot be read now");
	} else {
		close(fd);
		*size = u.size;
		memcpy(op->upload, u.id, ATTACH_ID);
		memcpy(op->digest, q->digest, ATTACH_DIGEST);
		ret = 1;
	}
	adb_upload_free(&u);
	return ret;
}

int
finish_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct upload_req	 req;
	struct store_txn	*txn;
	struct rbuf		 r;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];
	uint64_t		 size;
	int			 ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (upload_req_get(&r, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_UPLOAD_RESULT,
	    IMSG_SOAP_UPLOAD_RESULT, upload_refuse);
	if (!op_owner(op, req.owner, owner) || (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else if ((ret = finish_begin(op, txn, owner, &req, &size)) != 1)
		op_end(op, ret, 1);
	else {
		op_event(op, "upload", owner);
		hash_finish(a, op->upload, size, op);
	}
	upload_req_free(&req);
	return 0;
}

/* It has ended, either way: what comes now finds it as the record says. */
static void
finish_done(struct op *op, int ok)
{
	(void)ok;
	hash_drop(op->a, op->upload);
}

/* What was received is worth nothing. */
static int
finish_restart(struct op *op, struct store_txn *txn, struct adb_upload *u,
    uint32_t code, const char *why)
{
	u->octets = 0;
	u->state = UP_RECEIVING;
	upload_reply(op, u, code, why);
	op->log.result = code == ST_BAD ? "refused" : "tempfail";
	strlcpy(op->log.reason, why, sizeof(op->log.reason));
	return adb_upload_put(&op->a->db, txn, u);
}

/* Is this content here already, as far as we know whole? */
static int
finish_is_stored(struct attach *a, struct store_txn *txn,
    const struct adb_upload *u)
{
	struct adb_content	c;

	return adb_content_get(&a->db, txn, u->digest, &c) == 0 && !c.bad &&
	    c.size == u->size && file_content_is(u->digest, u->size) == 1;
}

/* One reference more, of the upload, which is complete with it. */
static int
finish_take(struct attach *a, struct store_txn *txn, struct adb_upload *u)
{
	struct adb_content	c;
	int			lost;

	if (adb_content_get(&a->db, txn, u->digest, &c) == 0) {
		if (c.refs < FINISH_PINNED)
			c.refs++;
		if (c.bad)
			c.verified = wstime_now();
		c.bad = 0;
	} else {
		if (errno != ENOENT && errno != EILSEQ)
			return -1;
		lost = errno == EILSEQ;
		memset(&c, 0, sizeof(c));
		c.refs = 1;
		c.verified = wstime_now();
		if (lost) {
			a->st.quarantined++;
			if (adb_quarantine(&a->db, txn, a->db.content,
			    "content", u->digest, ATTACH_DIGEST,
			    "the record does not read") == -1)
				return -1;
			c.refs = FINISH_PINNED;
		}
	}
	c.size = u->size;
	if (adb_content_put(&a->db, txn, u->digest, &c) == -1)
		return -1;
	u->state = UP_COMPLETE;
	u->has_digest = 1;
	u->active = wstime_now();
	return adb_upload_put(&a->db, txn, u);
}

/* 1: to be placed once this is committed, 0: the reply stands, -1. */
static int
finish_judge(struct op *op, struct store_txn *txn, struct adb_upload *u,
    const uint8_t *digest)
{
	struct attach	*a = op->a;

	if (digest == NULL)
		return finish_restart(op, txn, u, ST_RESYNC,
		    "the disk lost octets");
	if (memcmp(digest, op->digest, ATTACH_DIGEST) != 0) {
		a->st.mismatched++;
		return finish_restart(op, txn, u, ST_BAD,
		    "the octets do not have this digest");
	}
	memcpy(u->digest, digest, ATTACH_DIGEST);
	if (finish_is_stored(a, txn, u)) {
		if (finish_take(a, txn, u) == -1)
			return -1;
		op_part(op, u->id);
		op->count = &a->st.deduplicated;
		upload_reply(op, u, ST_OK, "");
		return 0;
	}
	/* What an fsync did not write is not there, whatever the next says. */
	if (file_part_sync(u->id) == -1) {
		log_warn("attach: part of an upload");
		return finish_restart(op, txn, u, ST_RESYNC,
		    "the disk lost octets");
	}
	u->state = UP_PLACING;
	u->has_digest = 1;
	return adb_upload_put(&a->db, txn, u) == -1 ? -1 : 1;
}

void
finish_hashed(struct op *op, const uint8_t *digest)
{
	struct attach		*a = op->a;
	struct adb_upload	 u;
	struct store_txn	*txn;
	int			 ret;

	op->done = finish_done;
	if ((txn = op_txn(op)) == NULL) {
		hash_drop(a, op->upload);
		op_answer_now(op);
		return;
	}
	if (adb_upload_get(&a->db, txn, op->upload, &u) == -1) {
		op_write_failed(op);
		return;
	}
	ret = finish_judge(op, txn, &u, digest);
	adb_upload_free(&u);
	if (ret != 1)
		op_end(op, ret, 1);
	else if (group_add(a->group, 0, finish_place, op) == -1)
		fatal("attach");
}

/* The record says that it is being placed: so it is, and says so, too. */
static void
finish_place(void *arg, int failed)
{
	struct op		*op = arg;
	struct attach		*a = op->a;
	struct adb_upload	 u;
	struct store_txn	*txn;
	int			 ret = -1;

	if (failed == -1 || (txn = op_txn(op)) == NULL) {
		op_refuse(op, ST_TEMPFAIL, "the store failed, try again");
		hash_drop(a, op->upload);
		op_answer_now(op);
		return;
	}
	if (adb_upload_get(&a->db, txn, op->upload, &u) == 0) {
		if (file_place(u.id, u.digest) == -1) {
			log_warn("attach: content");
			op_refuse(op, ST_TEMPFAIL, "it could not be placed");
			ret = 0;
		} else if ((ret = finish_take(a, txn, &u)) == 0) {
			upload_reply(op, &u, ST_OK, "");
			op->count = &a->st.finished;
		}
		adb_upload_free(&u);
	}
	op_end(op, ret, 1);
}

int
finish_settle(struct attach *a, struct store_txn *txn, struct adb_upload *u)
{
	int	fd, is = -1;

	if ((fd = file_part_read(u->id)) != -1) {
		close(fd);
		u->state = UP_RECEIVING;
		return adb_upload_put(&a->db, txn, u);
	}
	if (errno != ENOENT ||
	    (is = file_content_is(u->digest, u->size)) == -1 ||
	    (is == 1 && file_placed(u->digest) == -1)) {
		log_warn("attach: an upload that was being finished");
		return 1;
	}
	if (is)
		return finish_take(a, txn, u);
	log_warnx("attach: an upload of %s has lost its octets", u->owner);
	u->octets = 0;
	u->state = UP_RECEIVING;
	return adb_upload_put(&a->db, txn, u);
}

/*
 * Before files are looked for that no record names.  One that cannot be
 * settled now is when it is asked for.
 */
int
finish_settle_all(struct attach *a)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct store_txn	*txn;
	struct adb_upload	 u;
	uint8_t			 (*id)[ATTACH_ID] = NULL;
	void			*p;
	size_t			 i, n = 0;
	int			 ret;

	if ((c = store_cursor(a->db.upload, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, "", 0, &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		if (adb_upload_read(&k, &v, &u) == -1)
			continue;
		if (u.state == UP_PLACING) {
			if ((p = reallocarray(id, n + 1, sizeof(*id))) == NULL)
				fatal("attach");
			id = p;
			memcpy(id[n++], u.id, ATTACH_ID);
		}
		adb_upload_free(&u);
	}
	store_cursor_close(c);
	if (n > 0 && (txn = store_begin(a->db.store)) != NULL) {
		for (i = 0, ret = 0; i < n && ret == 0; i++)
			if ((ret = adb_upload_get(&a->db, txn, id[i],
			    &u)) == 0) {
				ret = finish_settle(a, txn, &u) == -1 ? -1 : 0;
				adb_upload_free(&u);
			}
		if (ret == -1)
			store_abort(txn);
		else
			ret = store_commit(txn, 1);
		if (ret == -1)
			log_warn("attach: uploads that were being finished");
	}
	free(id);
	return 0;
}
