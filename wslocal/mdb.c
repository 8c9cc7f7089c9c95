/* SPDX-License-Identifier: ISC */
/*
 * Records of the mailboxes and their codecs.  Called by the rest of wslocal;
 * knows the store, nothing of requests.
 */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>

#include "blob.h"
#include "log.h"
#include "mdb.h"
#include "proc.h"
#include "wstime.h"

#define MDB_STR_MAX	65536
#define MDB_TRIM	64	/* changes trimmed at a time */

static const uint8_t	mdb_uid_key[1] = { 0 };	/* no name begins so */
static const uint8_t	mdb_low_key[1] = { 0 };	/* nor has a key this length */

struct mdb_body {			/* a record of table body */
	uint32_t	 refs;
	uint32_t	 body_len;
	uint32_t	 sig_len;
	uint64_t	 blob;		/* 0: the octets are in the record */
	uint8_t		 digest[32];	/* of the file */
	const uint8_t	*data;
};

static void	 mdb_be32(uint8_t *, uint32_t);
static int	 mdb_load_low(struct mdb *);
static int	 mdb_body_digest(const uint8_t *, size_t, const uint8_t *, size_t,
		    uint8_t[MDB_BODY_KEY]);
static int	 mdb_body_read(const struct store_val *, struct mdb_body *);
static void	 mdb_body_encode(struct wbuf *, const struct mdb_body *);
static int	 mdb_body_add(struct mdb *, struct store_txn *,
		    struct mdb_body *, const uint8_t *, const uint8_t *,
		    const uint8_t[MDB_BODY_KEY]);
static int	 mdb_blob_name(struct mdb *, struct store_txn *, uint64_t,
		    const uint8_t[MDB_BODY_KEY]);
static int	 mdb_seen_key(uint8_t[MDB_SEEN_KEY], const char *, uint32_t);

static void
mdb_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

int
mdb_open(struct mdb *db)
{
	const struct store_named	 tables[] = {
		{ &db->user, "user" }, { &db->hdr, "hdr" },
		{ &db->chg, "chg" }, { &db->body, "body" },
		{ &db->blob, "blob" }, { &db->seen, "seen" },
		{ &db->dom, "dom" }, { &db->replay, "replay" },
		{ &db->quarantine, "quarantine" },
	};

	memset(db, 0, sizeof(*db));
	if ((db->store = store_open_tables("mailboxes", MDB_CACHE, MDB_FORMAT,
	    tables, nitems(tables))) == NULL)
		return -1;
	if (mdb_load_low(db) == 0)
		return 0;
	log_warn("mailboxes: store: %s", store_errstr(db->store));
	mdb_close(db);
	return -1;
}

void
mdb_close(struct mdb *db)
{
	store_close(db->store);
	memset(db, 0, sizeof(*db));
}

/* user */

int
mdb_user_get(struct mdb *db, struct store_txn *txn, const char *name,
    struct mdb_user *u)
{
	struct store_val	v;
	struct rbuf		r;

	if (store_get(db->user, txn, name, strlen(name), &v) == -1 ||
	    store_record(&r, &v) == -1)
		return -1;
	u->uid = rbuf_u32(&r);
	u->last_id = rbuf_u32(&r);
	u->change = rbuf_u64(&r);
	u->floor = rbuf_u64(&r);
	u->messages = rbuf_u32(&r);
	u->octets = rbuf_u64(&r);
	u->received = rbuf_i64(&r);
	if (store_record_end(&r) == -1)
		return -1;
	if (u->uid != 0 && u->floor <= u->change && u->change <= INT64_MAX &&
	    wstime_ok(u->received))
		return 0;
	errno = EILSEQ;
	return -1;
}

int
mdb_user_put(struct mdb *db, struct store_txn *txn, const char *name,
    const struct mdb_user *u)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u32(&w, u->uid);
	wbuf_u32(&w, u->last_id);
	wbuf_u64(&w, u->change);
	wbuf_u64(&w, u->floor);
	wbuf_u32(&w, u->messages);
	wbuf_u64(&w, u->octets);
	wbuf_i64(&w, u->received);
	return store_put_wbuf(db->user, txn, name, strlen(name), &w);
}

int
mdb_user_make(struct mdb *db, struct store_txn *txn, struct mdb_user *u)
{
	struct store_val	v;
	struct rbuf		r;
	struct wbuf		w;

	memset(u, 0, sizeof(*u));
	if (store_get(db->user, txn, mdb_uid_key, sizeof(mdb_uid_key),
	    &v) == 0) {
		if (store_record(&r, &v) == -1)
			return -1;
		u->uid = rbuf_u32(&r);
		if (store_record_end(&r) == -1)
			return -1;
	} else if (errno != ENOENT)
		return -1;
	if (++u->uid == 0) {
		errno = EOVERFLOW;
		return -1;
	}
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u32(&w, u->uid);
	return store_put_wbuf(db->user, txn, mdb_uid_key, sizeof(mdb_uid_key),
	    &w);
}

/* hdr */

void
mdb_hdr_key(uint8_t key[MDB_HDR_KEY], uint32_t uid, uint32_t id)
{
	mdb_be32(key, uid);
	key[4] = MDB_INBOX >> 8;
	key[5] = MDB_INBOX & 0xff;
	mdb_be32(key + 6, id);
}

int
mdb_hdr_key_read(const struct store_val *v, uint32_t uid, uint32_t *id)
{
	struct rbuf	r;
	uint32_t	is;
	uint16_t	folder;

	rbuf_init(&r, v->p, v->len);
	is = rbuf_u32(&r);
	folder = rbuf_u16(&r);
	*id = rbuf_u32(&r);
	return rbuf_end(&r) == 0 && is == uid && folder == MDB_INBOX;
}

int
mdb_hdr_read(const struct store_val *v, struct mdb_hdr *h)
{
	struct rbuf	r;

	memset(h, 0, sizeof(*h));
	if (store_record(&r, v) == -1)
		return -1;
	h->octets = rbuf_u32(&r);
	rbuf_raw(&r, h->body, sizeof(h->body));
	h->h.id = rbuf_u32(&r);
	h->h.flags = rbuf_u32(&r);
	h->h.timestamp = rbuf_i64(&r);
	h->h.received = rbuf_i64(&r);
	h->h.size = rbuf_u32(&r);
	h->h.sender = rbuf_str(&r, MDB_STR_MAX);
	h->h.subject = rbuf_str(&r, MDB_STR_MAX);
	h->h.msgid = rbuf_str(&r, MDB_STR_MAX);
	if (store_record_end(&r) == 0) {
		if (h->h.id != 0 && wstime_ok(h->h.timestamp) &&
		    wstime_ok(h->h.received))
			return 0;
		errno = EILSEQ;
	}
	mdb_hdr_free(h);
	return -1;
}

int
mdb_hdr_get(struct mdb *db, struct store_txn *txn, uint32_t uid, uint32_t id,
    struct mdb_hdr *h)
{
	struct store_val	v;
	uint8_t			key[MDB_HDR_KEY];

	mdb_hdr_key(key, uid, id);
	if (store_get(db->hdr, txn, key, sizeof(key), &v) == -1 ||
	    mdb_hdr_read(&v, h) == -1)
		return -1;
	if (h->h.id != id) {
		mdb_hdr_free(h);
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

int
mdb_hdr_put(struct mdb *db, struct store_txn *txn, uint32_t uid,
    const struct mdb_hdr *h)
{
	struct wbuf	w;
	uint8_t		key[MDB_HDR_KEY];

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u32(&w, h->octets);
	wbuf_raw(&w, h->body, sizeof(h->body));
	wbuf_u32(&w, h->h.id);
	wbuf_u32(&w, h->h.flags);
	wbuf_i64(&w, h->h.timestamp);
	wbuf_i64(&w, h->h.received);
	wbuf_u32(&w, h->h.size);
	wbuf_str(&w, h->h.sender);
	wbuf_str(&w, h->h.subject);
	wbuf_str(&w, h->h.msgid);
	mdb_hdr_key(key, uid, h->h.id);
	return store_put_wbuf(db->hdr, txn, key, sizeof(key), &w);
}

int
mdb_hdr_del(struct mdb *db, struct store_txn *txn, uint32_t uid, uint32_t id)
{
	uint8_t	key[MDB_HDR_KEY];

	mdb_hdr_key(key, uid, id);
	return store_del(db->hdr, txn, key, sizeof(key));
}

void
mdb_hdr_free(struct mdb_hdr *h)
{
	int	saved = errno;

	mail_header_free(&h->h);
	memset(h, 0, sizeof(*h));
	errno = saved;
}

/* chg */

void
mdb_chg_key(uint8_t key[MDB_CHG_KEY], uint32_t uid, uint64_t change)
{
	mdb_be32(key, uid);
	mdb_be32(key + 4, (uint32_t)(change >> 32));
	mdb_be32(key + 8, (uint32_t)change);
}

int
mdb_chg_key_read(const struct store_val *v, uint32_t uid, uint64_t *change)
{
	struct rbuf	r;
	uint32_t	is;

	rbuf_init(&r, v->p, v->len);
	is = rbuf_u32(&r);
	*change = rbuf_u64(&r);
	return rbuf_end(&r) == 0 && is == uid;
}

int
mdb_chg_read(const struct store_val *v, int *kind, uint32_t *id)
{
	struct rbuf	r;

	if (store_record(&r, v) == -1)
		return -1;
	*kind = rbuf_u8(&r);
	*id = rbuf_u32(&r);
	if (store_record_end(&r) == -1)
		return -1;
	/* What is not new is told to be gone. */
	if ((*kind == MDB_NEW || *kind == MDB_DELETED) && *id != 0)
		return 0;
	errno = EILSEQ;
	return -1;
}

int
mdb_chg_add(struct mdb *db, struct store_txn *txn, struct mdb_user *u,
    int kind, uint32_t id, int64_t keep)
{
	struct wbuf	w;
	uint8_t		key[MDB_CHG_KEY];
	int		n;

	mdb_chg_key(key, u->uid, ++u->change);
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u8(&w, (uint8_t)kind);
	wbuf_u32(&w, id);
	if (store_put_wbuf(db->chg, txn, key, sizeof(key), &w) == -1)
		return -1;
	if (keep < 1)
		keep = 1;
	/* Only some at a time, for the limit may have been lowered by far. */
	for (n = 0; n < MDB_TRIM && u->change - u->floor > (uint64_t)keep;
	    n++) {
		mdb_chg_key(key, u->uid, ++u->floor);
		if (store_del(db->chg, txn, key, sizeof(key)) == -1 &&
		    errno != ENOENT)
			return -1;
	}
	return 0;
}

/* body, blob */

static int
mdb_body_digest(const uint8_t *body, size_t blen, const uint8_t *sig,
    size_t slen, uint8_t key[MDB_BODY_KEY])
{
	EVP_MD_CTX	*ctx;
	uint8_t		 len[4];
	int		 ok;

	mdb_be32(len, (uint32_t)blen);
	if ((ctx = EVP_MD_CTX_new()) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, len, sizeof(len)) == 1 &&
	    EVP_DigestUpdate(ctx, body, blen) == 1 &&
	    EVP_DigestUpdate(ctx, sig, slen) == 1 &&
	    EVP_DigestFinal_ex(ctx, key, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

static int
mdb_body_read(const struct store_val *v, struct mdb_body *b)
{
	struct rbuf	r;

	memset(b, 0, sizeof(*b));
	if (store_record(&r, v) == -1)
		return -1;
	b->refs = rbuf_u32(&r);
	b->body_len = rbuf_u32(&r);
	b->sig_len = rbuf_u32(&r);
	b->blob = rbuf_u64(&r);
	rbuf_raw(&r, b->digest, sizeof(b->digest));
	if (b->blob != 0)
		return store_record_end(&r);
	if (r.error || r.len != (size_t)b->body_len + b->sig_len) {
		errno = EILSEQ;
		return -1;
	}
	b->data = r.p;
	return 0;
}

static void
mdb_body_encode(struct wbuf *w, const struct mdb_body *b)
{
	wbuf_init(w);
	wbuf_u8(w, STORE_RECORD);
	wbuf_u32(w, b->refs);
	wbuf_u32(w, b->body_len);
	wbuf_u32(w, b->sig_len);
	wbuf_u64(w, b->blob);
	wbuf_raw(w, b->digest, sizeof(b->digest));
}

/* The record of a body that nobody has yet. */
static int
mdb_body_add(struct mdb *db, struct store_txn *txn, struct mdb_body *b,
    const uint8_t *body, const uint8_t *sig, const uint8_t key[MDB_BODY_KEY])
{
	struct wbuf	data, w;
	int		ret, saved;

	wbuf_init(&data);
	wbuf_raw(&data, body, b->body_len);
	wbuf_raw(&data, sig, b->sig_len);
	if (data.error) {
		errno = ENOMEM;
		goto fail;
	}
	if (data.len > BLOB_INLINE_MAX) {
		b->blob = proc_newid();
		if (blob_write(b->blob, data.data, data.len,
		    b->digest) == -1) {
			b->blob = 0;
			goto fail;
		}
		if (mdb_blob_name(db, txn, b->blob, key) == -1)
			goto fail;
	}
	mdb_body_encode(&w, b);
	if (b->blob == 0)
		wbuf_raw(&w, data.data, data.len);
	ret = store_put_wbuf(db->body, txn, key, MDB_BODY_KEY, &w);
	saved = errno;
	wbuf_free(&data);
	errno = saved;
	return ret;
 fail:
	saved = errno;
	wbuf_free(&data);
	errno = saved;
	return -1;
}

static int
mdb_blob_name(struct mdb *db, struct store_txn *txn, uint64_t blob,
    const uint8_t key[MDB_BODY_KEY])
{
	struct wbuf	w;
	uint8_t		id[8];

	mdb_be32(id, (uint32_t)(blob >> 32));
	mdb_be32(id + 4, (uint32_t)blob);
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_raw(&w, key, MDB_BODY_KEY);
	return store_put_wbuf(db->blob, txn, id, sizeof(id), &w);
}

int
mdb_body_store(struct mdb *db, struct store_txn *txn, const uint8_t *body,
    size_t blen, const uint8_t *sig, size_t slen, uint8_t key[MDB_BODY_KEY],
    uint64_t *blob)
{
	struct store_val	v;
	struct mdb_body		b;
	struct wbuf		w;
	int			ret;

	*blob = 0;
	if (blen > UINT32_MAX || slen > UINT32_MAX - blen) {
		errno = EFBIG;
		return -1;
	}
	if (mdb_body_digest(body, blen, sig, slen, key) == -1)
		return -1;
	if (store_get(db->body, txn, key, MDB_BODY_KEY, &v) == 0) {
		if (mdb_body_read(&v, &b) == 0 && b.refs < UINT32_MAX) {
			b.refs++;
			mdb_body_encode(&w, &b);
			if (b.blob == 0)
				wbuf_raw(&w, b.data,
				    (size_t)b.body_len + b.sig_len);
			return store_put_wbuf(db->body, txn, key, MDB_BODY_KEY,
			    &w);
		}
		/* Damaged: put aside, and written anew from what we have. */
		if (mdb_quarantine(db, txn, db->body, "body", key,
		    MDB_BODY_KEY, "the record does not read") == -1)
			return -1;
	} else if (errno != ENOENT)
		return -1;
	memset(&b, 0, sizeof(b));
	b.refs = 1;
	b.body_len = (uint32_t)blen;
	b.sig_len = (uint32_t)slen;
	ret = mdb_body_add(db, txn, &b, body, sig, key);
	*blob = b.blob;		/* also on failure: the file may be there */
	return ret;
}

uint8_t *
mdb_body_load(struct mdb *db, struct store_txn *txn,
    const uint8_t key[MDB_BODY_KEY], size_t *blen, size_t *slen)
{
	struct store_val	 v;
	struct mdb_body		 b;
	uint8_t			 is[MDB_BODY_KEY], *p;
	size_t			 len;

	if (store_get(db->body, txn, key, MDB_BODY_KEY, &v) == -1) {
		if (errno == ENOENT)
			errno = EILSEQ;	/* a header names it */
		return NULL;
	}
	if (mdb_body_read(&v, &b) == -1)
		return NULL;
	*blen = b.body_len;
	*slen = b.sig_len;
	len = (size_t)b.body_len + b.sig_len;
	if (b.blob != 0)
		return blob_read(b.blob, len, b.digest);
	if (mdb_body_digest(b.data, b.body_len, b.data + b.body_len,
	    b.sig_len, is) == -1)
		return NULL;
	if (memcmp(is, key, sizeof(is)) != 0) {
		errno = EILSEQ;
		return NULL;
	}
	if ((p = malloc(len == 0 ? 1 : len)) == NULL)
		return NULL;
	memcpy(p, b.data, len);
	return p;
}

int
mdb_body_drop(struct mdb *db, struct store_txn *txn,
    const uint8_t key[MDB_BODY_KEY], uint64_t *blob)
{
	struct store_val	v;
	struct mdb_body		b;
	struct wbuf		w;
	uint8_t			id[8];

	*blob = 0;
	if (store_get(db->body, txn, key, MDB_BODY_KEY, &v) == -1)
		return errno == ENOENT ? 0 : -1;
	if (mdb_body_read(&v, &b) == -1) {
		if (errno != EILSEQ)
			return -1;
		return mdb_quarantine(db, txn, db->body, "body", key,
		    MDB_BODY_KEY, "the record does not read");
	}
	if (b.refs > 1) {
		b.refs--;
		mdb_body_encode(&w, &b);
		if (b.blob == 0)
			wbuf_raw(&w, b.data, (size_t)b.body_len + b.sig_len);
		return store_put_wbuf(db->body, txn, key, MDB_BODY_KEY, &w);
	}
	if (store_del(db->body, txn, key, MDB_BODY_KEY) == -1)
		return -1;
	if (b.blob == 0)
		return 0;
	mdb_be32(id, (uint32_t)(b.blob >> 32));
	mdb_be32(id + 4, (uint32_t)b.blob);
	if (store_del(db->blob, txn, id, sizeof(id)) == -1 && errno != ENOENT)
		return -1;
	*blob = b.blob;
	return 0;
}

int
mdb_blob_keep(uint64_t blob, void *arg)
{
	struct mdb		*db = arg;
	uint8_t			 id[8];

	mdb_be32(id, (uint32_t)(blob >> 32));
	mdb_be32(id + 4, (uint32_t)blob);
	/* In doubt it is kept: only a certain "no such record" frees a file. */
	return store_get(db->blob, NULL, id, sizeof(id), NULL) == 0 ||
	    errno != ENOENT;
}

/* seen */

static int
mdb_seen_key(uint8_t key[MDB_SEEN_KEY], const char *msgid, uint32_t uid)
{
	if (EVP_Digest(msgid, strlen(msgid), key, NULL, EVP_sha256(),
	    NULL) != 1) {
		errno = ENOMEM;
		return -1;
	}
	mdb_be32(key + 32, uid);
	return 0;
}

int
mdb_seen_get(struct mdb *db, struct store_txn *txn, const char *msgid,
    uint32_t uid, uint32_t *id)
{
	struct store_val	v;
	struct rbuf		r;
	uint8_t			key[MDB_SEEN_KEY];

	if (mdb_seen_key(key, msgid, uid) == -1 ||
	    store_get(db->seen, txn, key, sizeof(key), &v) == -1 ||
	    store_record(&r, &v) == -1)
		return -1;
	(void)rbuf_i64(&r);
	*id = rbuf_u32(&r);
	return store_record_end(&r);
}

int
mdb_seen_put(struct mdb *db, struct store_txn *txn, const char *msgid,
    uint32_t uid, uint32_t id, int64_t until)
{
	struct wbuf	w;
	uint8_t		key[MDB_SEEN_KEY];

	if (mdb_seen_key(key, msgid, uid) == -1)
		return -1;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, until);
	wbuf_u32(&w, id);
	return store_put_wbuf(db->seen, txn, key, sizeof(key), &w);
}

/* dom */

int
mdb_dom_get(struct mdb *db, struct store_txn *txn, const char *name,
    uint64_t *octets)
{
	struct store_val	v;
	struct rbuf		r;

	*octets = 0;
	if (store_get(db->dom, txn, name, strlen(name), &v) == -1)
		return errno == ENOENT ? 0 : -1;
	if (store_record(&r, &v) == 0) {
		*octets = rbuf_u64(&r);
		if (store_record_end(&r) == 0)
			return 0;
	}
	if (errno != EILSEQ)
		return -1;
	/* The sum is lost, not the mail: it is counted from nothing again. */
	*octets = 0;
	return mdb_quarantine(db, txn, db->dom, "dom", name, strlen(name),
	    "the record does not read");
}

int
mdb_dom_add(struct mdb *db, struct store_txn *txn, const char *name,
    int64_t delta)
{
	struct wbuf	w;
	uint64_t	octets;

	if (mdb_dom_get(db, txn, name, &octets) == -1)
		return -1;
	if (delta < 0 && (uint64_t)-delta > octets)
		octets = 0;
	else
		octets += (uint64_t)delta;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u64(&w, octets);
	return store_put_wbuf(db->dom, txn, name, strlen(name), &w);
}

/* replay */

static int
mdb_load_low(struct mdb *db)
{
	struct store_val	v;

	if (store_get(db->replay, NULL, mdb_low_key, sizeof(mdb_low_key),
	    &v) == -1)
		return errno == ENOENT ? 0 : -1;
	return mdb_until_read(&v, &db->low);
}

int
mdb_replay(struct mdb *db, struct store_txn *txn, const struct replay *rp)
{
	struct wbuf	w;

	if (rp->until == 0)
		return 0;
	/*
	 * The clock was set back after a sweep: a key that ended this early
	 * may have been removed, so nobody can say that it is new.
	 */
	if (rp->until <= db->low)
		return 1;
	if (store_get(db->replay, txn, rp->key, sizeof(rp->key), NULL) == 0)
		return 1;
	if (errno != ENOENT)
		return -1;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, rp->until);
	return store_put_wbuf(db->replay, txn, rp->key, sizeof(rp->key), &w);
}

int
mdb_until_read(const struct store_val *v, int64_t *until)
{
	struct rbuf	r;

	if (store_record(&r, v) == -1)
		return -1;
	*until = rbuf_i64(&r);
	if (!r.error)
		return 0;
	errno = EILSEQ;
	return -1;
}

int
mdb_low_put(struct mdb *db, struct store_txn *txn, int64_t until)
{
	struct wbuf	w;

	if (until <= db->low)
		return 0;
	/* Also when the transaction fails: too careful is safe. */
	db->low = until;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, until);
	return store_put_wbuf(db->replay, txn, mdb_low_key, sizeof(mdb_low_key),
	    &w);
}

int
mdb_is_low_key(const struct store_val *v)
{
	return v->len == sizeof(mdb_low_key);
}

int
mdb_quarantine(struct mdb *db, struct store_txn *txn, struct store_table *t,
    const char *table, const void *key, size_t klen, const char *reason)
{
	struct log_ev	ev = { .ev = "quarantine", .result = "kept" };
	char		why[128];

	snprintf(why, sizeof(why), "table %s: %s", table, reason);
	ev.reason = why;
	log_event(&ev);
	return store_quarantine(db->quarantine, txn, t, table, key, klen,
	    reason);
}
