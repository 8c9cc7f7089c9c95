/* SPDX-License-Identifier: ISC */
/*
 * Octets in.  An upload is declared with its size, which its owner's quota
 * has to have room for; its pieces come in order and are appended to its
 * part.  A piece is answered when it is written and its record committed, not
 * synced: it survives the death of the process.  What the machine loses shows
 * when the file is shorter than the record says, or at last by the digest.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

#define UPLOAD_SYNC	(32U << 20)	/* octets that wait for the disk at most */

static int	 upload_is_text(const char *);
static int	 upload_judge(struct op *, const struct upload_begin *);
static int	 upload_has_room(struct op *, struct store_txn *, const char *,
		    uint64_t);
static int	 upload_begin(struct op *, struct store_txn *, const char *,
		    const struct upload_begin *);
static int	 upload_piece(struct op *, struct store_txn *, const char *,
		    const struct upload_req *, int, uint64_t);
static int	 upload_write(struct attach *, const struct adb_upload *, int,
		    uint64_t);
static int	 upload_copy(struct attach *, const struct adb_upload *, int,
		    int, uint64_t);
static int	 upload_short(struct op *, struct store_txn *,
		    struct adb_upload *);
static int	 upload_get(struct imsg *, struct upload_req *);
static void	 upload_piece_done(struct op *, int);

void
upload_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct upload_result	res = { .code = code };

	res.text = (char *)(uintptr_t)text;
	upload_result_put(w, &res);
}

void
upload_reply(struct op *op, const struct adb_upload *u, uint32_t code,
    const char *text)
{
	struct upload_result	res = { .code = code };

	res.text = (char *)(uintptr_t)text;
	memcpy(res.id, u->id, ATTACH_ID);
	res.offset = u->octets;
	res.size = u->size;
	res.complete = u->state == UP_COMPLETE;
	wbuf_free(&op->reply);
	upload_result_put(&op->reply, &res);
}

static int
upload_get(struct imsg *imsg, struct upload_req *req)
{
	struct rbuf	r;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	return upload_req_get(&r, req);
}

/* One line, of what can be shown. */
static int
upload_is_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return 0;
	return 1;
}

/* 1, or 0: refused. */
static int
upload_judge(struct op *op, const struct upload_begin *q)
{
	struct attach	*a = op->a;
	const char	*p;

	if (*q->name == '\0' || !upload_is_text(q->name) ||
	    !upload_is_text(q->type)) {
		op_refuse(op, ST_BAD, "not a name and type for a file");
		return 0;
	}
	for (p = q->description; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 && strchr("\t\n\r", *p) == NULL) {
			op_refuse(op, ST_BAD, "a description is text");
			return 0;
		}
	if (q->size > (uint64_t)a->p->conf->limit[LIM_ATTACHMENT_SIZE]) {
		op_limit(op, ST_TOOBIG, "too large", LIM_ATTACHMENT_SIZE);
		return 0;
	}
	if (a->space >= 0 &&
	    (uint64_t)a->space < (uint64_t)ATTACH_RESERVE + q->size) {
		op_refuse(op, ST_TEMPFAIL, "no room on the disk");
		return 0;
	}
	return 1;
}

/* Quotas count what is declared from the beginning.  1, 0: refused, or -1. */
static int
upload_has_room(struct op *op, struct store_txn *txn, const char *owner,
    uint64_t size)
{
	const int64_t		*limit = op->a->p->conf->limit;
	struct adb_usage	 u, d;
	uint64_t		 user, domain;

	if (adb_usage_get(&op->a->db, txn, owner, &u) == -1 ||
	    adb_usage_get(&op->a->db, txn, addr_domain(owner), &d) == -1)
		return -1;
	user = (uint64_t)limit[LIM_ATTACHMENT_QUOTA_USER];
	domain = (uint64_t)limit[LIM_ATTACHMENT_QUOTA_DOMAIN];
	if (u.uploads >= (uint64_t)limit[LIM_UPLOADS_PER_USER])
		op_limit(op, ST_TOOBIG, "too many uploads",
		    LIM_UPLOADS_PER_USER);
	else if (user != 0 && u.octets + u.uploading + size > user)
		op_limit(op, ST_TOOBIG, "over the quota of the user",
		    LIM_ATTACHMENT_QUOTA_USER);
	else if (domain != 0 && d.octets + d.uploading + size > domain)
		op_limit(op, ST_TOOBIG, "over the quota of the domain",
		    LIM_ATTACHMENT_QUOTA_DOMAIN);
	else
		return 1;
	return 0;
}

static int
upload_begin(struct op *op, struct store_txn *txn, const char *owner,
    const struct upload_begin *q)
{
	struct adb_upload	u;
	int			ret;

	if ((ret = upload_has_room(op, txn, owner, q->size)) != 1)
		return ret;
	memset(&u, 0, sizeof(u));
	arc4random_buf(u.id, sizeof(u.id));
	u.owner = (char *)(uintptr_t)owner;
	u.name = q->name;
	u.type = q->type;
	u.description = q->description;
	u.size = q->size;
	u.state = UP_RECEIVING;
	u.has_digest = q->has_digest != 0;
	if (u.has_digest)
		memcpy(u.digest, q->digest, sizeof(u.digest));
	u.created = u.active = wstime_now();
	if (adb_upload_put(&op->a->db, txn, &u) == -1 ||
	    adb_usage_add(&op->a->db, txn, owner, 0, (int64_t)u.size, 1) == -1)
		return -1;
	upload_reply(op, &u, ST_OK, "");
	op->count = &op->a->st.begun;
	return 0;
}

int
upload_begin_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct upload_begin	 req;
	struct store_txn	*txn;
	struct rbuf		 r;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (upload_begin_get(&r, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_UPLOAD_RESULT,
	    IMSG_SOAP_UPLOAD_RESULT, upload_refuse);
	if (!op_owner(op, req.owner, owner) || !upload_judge(op, &req) ||
	    (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else
		op_end(op, upload_begin(op, txn, owner, &req), 1);
	upload_begin_free(&req);
	return 0;
}

/*
 * The file has lost octets, or the record never heard that it is placed.  As
 * finish_settle().
 */
static int
upload_short(struct op *op, struct store_txn *txn, struct adb_upload *u)
{
	struct adb	*db = &op->a->db;
	uint64_t	 size;
	int		 fd;

	if (u->state == UP_PLACING)
		return finish_settle(op->a, txn, u);
	if (u->state != UP_RECEIVING || u->octets == 0)
		return 0;
	if ((fd = file_part_open(u->id, &size)) == -1) {
		log_warn("attach: part of an upload");
		return 1;
	}
	close(fd);
	if (size >= u->octets)
		return 0;
	log_warnx("attach: an upload of %s has lost octets, it goes on at "
	    "%llu", u->owner, (unsigned long long)size);
	u->octets = size;
	hash_drop(op->a, u->id);
	return adb_upload_put(db, txn, u);
}

int
upload_find(struct op *op, struct store_txn *txn, const char *owner,
    const uint8_t id[ATTACH_ID], struct adb_upload *u)
{
	struct adb	*db = &op->a->db;
	int		 ret;

	if (adb_upload_get(db, txn, id, u) == -1) {
		if (errno == EILSEQ) {
			op->a->st.quarantined++;
			if (adb_quarantine(db, txn, db->upload, "upload", id,
			    ATTACH_ID, "the record does not read") == -1)
				return -1;
		} else if (errno != ENOENT)
			return -1;
		op_refuse(op, ST_NOUSER, "no such upload");
		return 0;
	}
	if (strcmp(u->owner, owner) != 0) {
		op_refuse(op, ST_NOUSER, "no such upload");
		adb_upload_free(u);
		return 0;
	}
	if (hash_is_busy(op->a, id)) {
		op_refuse(op, ST_TEMPFAIL, "it is being finished");
		adb_upload_free(u);
		return 0;
	}
	if ((ret = upload_short(op, txn, u)) == 0)
		return 1;
	if (ret == 1)
		op_refuse(op, ST_TEMPFAIL, "it cannot be read now");
	adb_upload_free(u);
	return ret == -1 ? -1 : 0;
}

/* From the piece's descriptor to the part, and through the digest. */
static int
upload_copy(struct attach *a, const struct adb_upload *u, int from, int to,
    uint64_t len)
{
	uint64_t	off;
	size_t		want;
	ssize_t		n;

	for (off = 0; off < len; off += want) {
		want = len - off < ATTACH_BUF ? (size_t)(len - off) :
		    ATTACH_BUF;
		if ((n = file_read(from, a->buf, want, off)) == -1)
			return -1;
		if ((size_t)n != want) {
			errno = EBADMSG;
			return -1;
		}
		if (file_write(to, a->buf, want, u->octets + off) == -1)
			return -1;
		hash_feed(a, u->id, u->octets + off, a->buf, want);
	}
	return 0;
}

/*
 * 0; 1: what was written before is lost, too; -1: this piece is not kept.
 * The disk is waited for now and then, so that never much waits for it.
 */
static int
upload_write(struct attach *a, const struct adb_upload *u, int from,
    uint64_t len)
{
	struct hash	*h;
	uint64_t	 size;
	int		 fd, saved;

	if ((fd = file_part_open(u->id, &size)) == -1)
		return -1;
	if (upload_copy(a, u, from, fd, len) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	h = hash_have(a, u->id, u->octets + len);
	if (h->unsynced >= UPLOAD_SYNC) {
		if (fsync(fd) == -1) {
			log_warn("attach: part of an upload");
			close(fd);
			return 1;
		}
		h->unsynced = 0;
	}
	close(fd);
	return 0;
}

/* What was hashed is not what is recorded. */
static void
upload_piece_done(struct op *op, int ok)
{
	if (!ok)
		hash_drop(op->a, op->upload);
}

static int
upload_piece(struct op *op, struct store_txn *txn, const char *owner,
    const struct upload_req *q, int fd, uint64_t len)
{
	struct attach		*a = op->a;
	struct adb_upload	 u;
	int			 ret;

	if ((ret = upload_find(op, txn, owner, q->id, &u)) != 1)
		return ret;
	ret = 0;
	if (u.state != UP_RECEIVING || q->offset != u.octets) {
		upload_reply(op, &u, ST_RESYNC, u.state == UP_RECEIVING ?
		    "it goes on at another offset" : "it is complete");
		goto out;
	}
	if (len > u.size - u.octets) {
		upload_reply(op, &u, ST_BAD, "more than was declared");
		goto out;
	}
	op->done = upload_piece_done;
	memcpy(op->upload, u.id, ATTACH_ID);
	ret = upload_write(a, &u, fd, len);
	if (ret == -1) {
		log_warn("attach: piece of an upload");
		hash_drop(a, u.id);
		op_refuse(op, ST_TEMPFAIL, "the piece could not be kept");
		ret = 0;
		goto out;
	}
	if (ret == 1) {
		/* The digest is of what was sent, not of what there is. */
		hash_drop(a, u.id);
		u.octets = 0;
		upload_reply(op, &u, ST_RESYNC, "the disk lost octets");
		a->st.tempfailed++;
	} else {
		u.octets += len;
		upload_reply(op, &u, ST_OK, "");
		op->count = &a->st.pieces;
		a->st.received += len;
	}
	u.active = wstime_now();
	ret = adb_upload_put(&a->db, txn, &u);
 out:
	adb_upload_free(&u);
	return ret;
}

int
upload_piece_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct upload_req	 req;
	struct store_txn	*txn;
	struct op		*op;
	off_t			 len;
	char			 owner[ADDR_MAX + 1];
	int			 fd = imsg_claim_fd(imsg);

	if (!compat_is_sealed(fd) || (len = lseek(fd, 0, SEEK_END)) == -1 ||
	    upload_get(imsg, &req) == -1) {
		close(fd);
		return -1;
	}
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_UPLOAD_RESULT,
	    IMSG_SOAP_UPLOAD_RESULT, upload_refuse);
	if (!op_owner(op, req.owner, owner))
		op_answer_now(op);
	else if (len == 0 || len > a->p->conf->limit[LIM_ATTACHMENT_PIECE]) {
		if (len == 0)
			op_refuse(op, ST_BAD, "an empty piece");
		else
			op_limit(op, ST_TOOBIG, "too large a piece",
			    LIM_ATTACHMENT_PIECE);
		op_answer_now(op);
	} else if (a->space >= 0 && a->space < ATTACH_RESERVE) {
		op_refuse(op, ST_TEMPFAIL, "no room on the disk");
		op_answer_now(op);
	} else if ((txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else
		op_end(op, upload_piece(op, txn, owner, &req, fd,
		    (uint64_t)len), 0);
	close(fd);
	upload_req_free(&req);
	return 0;
}

int
upload_state_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct upload_req	 req;
	struct adb_upload	 u;
	struct store_txn	*txn;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];
	int			 ret;

	if (upload_get(imsg, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_UPLOAD_RESULT,
	    IMSG_SOAP_UPLOAD_RESULT, upload_refuse);
	if (!op_owner(op, req.owner, owner) || (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else {
		ret = upload_find(op, txn, owner, req.id, &u);
		if (ret == 1) {
			upload_reply(op, &u, ST_OK, "");
			adb_upload_free(&u);
		}
		/* What was found on disk may have been settled just now. */
		op_end(op, ret == -1 ? -1 : 0, 1);
	}
	upload_req_free(&req);
	return 0;
}

int
upload_remove(struct op *op, struct store_txn *txn,
    const struct adb_upload *u)
{
	struct adb	*db = &op->a->db;
	int		 gone;

	if (u->state == UP_COMPLETE) {
		if (adb_content_drop(db, txn, u->digest, &gone) == -1)
			return -1;
		if (gone)
			op_gone(op, u->digest);
	} else
		op_part(op, u->id);
	hash_drop(op->a, u->id);
	if (adb_upload_del(db, txn, u->id) == -1 ||
	    adb_usage_add(db, txn, u->owner, 0, -(int64_t)u->size, -1) == -1)
		return -1;
	return 0;
}

int
upload_abort_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct upload_req	 req;
	struct adb_upload	 u;
	struct store_txn	*txn;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];
	int			 ret;

	if (upload_get(imsg, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_UPLOAD_RESULT,
	    IMSG_SOAP_UPLOAD_RESULT, upload_refuse);
	if (!op_owner(op, req.owner, owner) || (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else {
		ret = upload_find(op, txn, owner, req.id, &u);
		if (ret == 1) {
			upload_reply(op, &u, ST_OK, "");
			op->count = &a->st.aborted;
			ret = upload_remove(op, txn, &u);
			adb_upload_free(&u);
		}
		op_end(op, ret, 1);
	}
	upload_req_free(&req);
	return 0;
}
