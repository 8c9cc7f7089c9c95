/* SPDX-License-Identifier: ISC */
/*
 * Records of the queue and their codecs.  Called by the rest of wsqueue;
 * knows the store, nothing of scheduling.
 */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>

#include "blob.h"
#include "log.h"
#include "qdb.h"
#include "wstime.h"

#define QDB_STR_MAX	65536
#define QDB_LOW_KEY	"\0"	/* in replay; all others have 32 octets */

static int	 qdb_low_get(struct qdb *);
static void	 qdb_be64(uint8_t *, uint64_t);
static void	 qdb_msg_encode(struct wbuf *, const struct qdb_msg *);
static int	 qdb_body_put(struct qdb *, struct store_txn *,
		    struct qdb_msg *, const uint8_t *, const uint8_t *, int *);

int
qdb_open(struct qdb *db)
{
	const struct store_named	 tables[] = {
		{ &db->msg, "msg" }, { &db->body, "body" },
		{ &db->env, "env" }, { &db->dedup, "dedup" },
		{ &db->replay, "replay" }, { &db->pause, "pause" },
		{ &db->quarantine, "quarantine" },
	};

	memset(db, 0, sizeof(*db));
	if ((db->store = store_open_tables("queue", QDB_CACHE, QDB_FORMAT,
	    tables, nitems(tables))) == NULL)
		return -1;
	if (qdb_low_get(db) == 0)
		return 0;
	log_warn("queue: store: %s", store_errstr(db->store));
	qdb_close(db);
	return -1;
}

static int
qdb_low_get(struct qdb *db)
{
	struct store_val	v;

	if (store_get(db->replay, NULL, QDB_LOW_KEY, 1, &v) == -1)
		return errno == ENOENT ? 0 : -1;
	return qdb_until_read(&v, &db->low);
}

void
qdb_close(struct qdb *db)
{
	store_close(db->store);
	memset(db, 0, sizeof(*db));
}

static void
qdb_be64(uint8_t *p, uint64_t v)
{
	int	i;

	for (i = 7; i >= 0; i--) {
		p[i] = (uint8_t)v;
		v >>= 8;
	}
}

void
qdb_msg_key(uint8_t key[QDB_MSG_KEY], uint64_t qid)
{
	qdb_be64(key, qid);
}

void
qdb_env_key(uint8_t key[QDB_ENV_KEY], uint64_t qid, uint32_t rno)
{
	qdb_be64(key, qid);
	key[8] = (uint8_t)(rno >> 24);
	key[9] = (uint8_t)(rno >> 16);
	key[10] = (uint8_t)(rno >> 8);
	key[11] = (uint8_t)rno;
}

/* A key of msg (rno NULL) or env.  Ids begin at 1; after the last is none. */
int
qdb_key_read(const struct store_val *v, uint64_t *qid, uint32_t *rno)
{
	struct rbuf	r;

	rbuf_init(&r, v->p, v->len);
	*qid = rbuf_u64(&r);
	if (rno != NULL)
		*rno = rbuf_u32(&r);
	if (rbuf_end(&r) == -1 || *qid == 0 || *qid == UINT64_MAX) {
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

static void
qdb_msg_encode(struct wbuf *w, const struct qdb_msg *m)
{
	wbuf_u8(w, STORE_RECORD);
	wbuf_u64(w, m->qid);
	wbuf_u32(w, m->flags);
	wbuf_u32(w, m->origin);
	wbuf_i64(w, m->arrival);
	wbuf_str(w, m->principal);
	wbuf_str(w, m->peer);
	mail_facts_put(w, &m->facts);
	wbuf_u32(w, m->body_len);
	wbuf_u32(w, m->sig_len);
	wbuf_u32(w, m->blob);
	wbuf_raw(w, m->digest, sizeof(m->digest));
}

int
qdb_msg_read(const struct store_val *v, struct qdb_msg *m)
{
	struct rbuf	r;

	memset(m, 0, sizeof(*m));
	rbuf_init(&r, v->p, v->len);
	if (rbuf_u8(&r) != STORE_RECORD) {
		errno = EILSEQ;
		return -1;
	}
	m->qid = rbuf_u64(&r);
	m->flags = rbuf_u32(&r);
	m->origin = rbuf_u32(&r);
	m->arrival = rbuf_i64(&r);
	m->principal = rbuf_str(&r, QDB_STR_MAX);
	m->peer = rbuf_str(&r, QDB_STR_MAX);
	if (mail_facts_get(&r, &m->facts) == -1)
		goto fail;
	m->body_len = rbuf_u32(&r);
	m->sig_len = rbuf_u32(&r);
	m->blob = rbuf_u32(&r);
	rbuf_raw(&r, m->digest, sizeof(m->digest));
	if (rbuf_end(&r) == 0 && wstime_ok(m->arrival) &&
	    wstime_ok(m->facts.timestamp) && m->blob <= 1 &&
	    m->origin >= SUBMIT_USER && m->origin <= SUBMIT_BOUNCE)
		return 0;
 fail:
	if (errno != ENOMEM)
		errno = EILSEQ;
	qdb_msg_free(m);
	return -1;
}

void
qdb_msg_free(struct qdb_msg *m)
{
	int	saved = errno;

	free(m->principal);
	free(m->peer);
	mail_facts_free(&m->facts);
	memset(m, 0, sizeof(*m));
	errno = saved;
}

int
qdb_msg_get(struct qdb *db, struct store_txn *txn, uint64_t qid,
    struct qdb_msg *m)
{
	struct store_val	v;
	uint8_t			key[QDB_MSG_KEY];

	qdb_msg_key(key, qid);
	if (store_get(db->msg, txn, key, sizeof(key), &v) == -1)
		return -1;
	if (qdb_msg_read(&v, m) == -1)
		return -1;
	if (m->qid != qid) {
		qdb_msg_free(m);
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

static int
qdb_body_put(struct qdb *db, struct store_txn *txn, struct qdb_msg *m,
    const uint8_t *body, const uint8_t *sig, int *blob_made)
{
	struct wbuf	w;
	uint8_t		key[QDB_MSG_KEY];
	int		ret, saved;

	wbuf_init(&w);
	wbuf_raw(&w, body, m->body_len);
	wbuf_raw(&w, sig, m->sig_len);
	if (w.error) {
		wbuf_free(&w);
		errno = ENOMEM;
		return -1;
	}
	m->blob = w.len > BLOB_INLINE_MAX;
	if (m->blob) {
		ret = blob_write(m->qid, w.data, w.len, m->digest);
		if (ret == 0)
			*blob_made = 1;
		saved = errno;
		wbuf_free(&w);
		errno = saved;
		return ret;
	}
	qdb_msg_key(key, m->qid);
	return store_put_wbuf(db->body, txn, key, sizeof(key), &w);
}

int
qdb_msg_put(struct qdb *db, struct store_txn *txn, struct qdb_msg *m,
    const uint8_t *body, const uint8_t *sig, int *blob_made)
{
	struct wbuf	w;
	uint8_t		key[QDB_MSG_KEY];

	*blob_made = 0;
	if (qdb_body_put(db, txn, m, body, sig, blob_made) == -1)
		return -1;
	qdb_msg_key(key, m->qid);
	wbuf_init(&w);
	qdb_msg_encode(&w, m);
	return store_put_wbuf(db->msg, txn, key, sizeof(key), &w);
}

int
qdb_msg_del(struct qdb *db, struct store_txn *txn, uint64_t qid)
{
	uint8_t	key[QDB_MSG_KEY];

	qdb_msg_key(key, qid);
	if (store_del(db->body, txn, key, sizeof(key)) == -1 &&
	    errno != ENOENT)
		return -1;
	if (store_del(db->msg, txn, key, sizeof(key)) == -1 && errno != ENOENT)
		return -1;
	return 0;
}

uint8_t *
qdb_body_get(struct qdb *db, struct store_txn *txn, const struct qdb_msg *m)
{
	struct store_val	 v;
	uint8_t			 key[QDB_MSG_KEY], *p;
	size_t			 len = (size_t)m->body_len + m->sig_len;

	if (m->blob)
		return blob_read(m->qid, len, m->digest);
	qdb_msg_key(key, m->qid);
	if (store_get(db->body, txn, key, sizeof(key), &v) == -1) {
		if (errno == ENOENT)
			errno = EILSEQ;
		return NULL;
	}
	if (v.len != len) {
		errno = EILSEQ;
		return NULL;
	}
	if ((p = malloc(len == 0 ? 1 : len)) == NULL)
		return NULL;
	memcpy(p, v.p, len);
	return p;
}

int
qdb_env_read(const struct store_val *v, struct qdb_env *e)
{
	struct rbuf	r;

	memset(e, 0, sizeof(*e));
	rbuf_init(&r, v->p, v->len);
	if (rbuf_u8(&r) != STORE_RECORD) {
		errno = EILSEQ;
		return -1;
	}
	e->qid = rbuf_u64(&r);
	e->rno = rbuf_u32(&r);
	e->state = rbuf_u8(&r);
	e->flags = rbuf_u32(&r);
	e->attempts = rbuf_u32(&r);
	e->code = rbuf_u32(&r);
	e->next = rbuf_i64(&r);
	e->last = rbuf_i64(&r);
	e->addr = rbuf_str(&r, QDB_STR_MAX);
	e->orig = rbuf_str(&r, QDB_STR_MAX);
	e->reason = rbuf_str(&r, QDB_STR_MAX);
	e->host = rbuf_str(&r, QDB_STR_MAX);
	if (rbuf_end(&r) == 0 && strchr(e->addr, '@') != NULL &&
	    (e->state == QE_WAITING || e->state == QE_FAILED) &&
	    wstime_ok(e->next) && wstime_ok(e->last))
		return 0;
	if (errno != ENOMEM)
		errno = EILSEQ;
	qdb_env_free(e);
	return -1;
}

void
qdb_env_free(struct qdb_env *e)
{
	int	saved = errno;

	free(e->addr);
	free(e->orig);
	free(e->reason);
	free(e->host);
	memset(e, 0, sizeof(*e));
	errno = saved;
}

int
qdb_env_get(struct qdb *db, struct store_txn *txn, uint64_t qid,
    uint32_t rno, struct qdb_env *e)
{
	struct store_val	v;
	uint8_t			key[QDB_ENV_KEY];

	qdb_env_key(key, qid, rno);
	if (store_get(db->env, txn, key, sizeof(key), &v) == -1)
		return -1;
	if (qdb_env_read(&v, e) == -1)
		return -1;
	if (e->qid != qid || e->rno != rno) {
		qdb_env_free(e);
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

int
qdb_env_put(struct qdb *db, struct store_txn *txn, const struct qdb_env *e)
{
	struct wbuf	w;
	uint8_t		key[QDB_ENV_KEY];

	qdb_env_key(key, e->qid, e->rno);
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u64(&w, e->qid);
	wbuf_u32(&w, e->rno);
	wbuf_u8(&w, (uint8_t)e->state);
	wbuf_u32(&w, e->flags);
	wbuf_u32(&w, e->attempts);
	wbuf_u32(&w, e->code);
	wbuf_i64(&w, e->next);
	wbuf_i64(&w, e->last);
	wbuf_str(&w, e->addr);
	wbuf_str(&w, e->orig);
	wbuf_str(&w, e->reason);
	wbuf_str(&w, e->host);
	return store_put_wbuf(db->env, txn, key, sizeof(key), &w);
}

int
qdb_env_del(struct qdb *db, struct store_txn *txn, uint64_t qid,
    uint32_t rno)
{
	uint8_t	key[QDB_ENV_KEY];

	qdb_env_key(key, qid, rno);
	return store_del(db->env, txn, key, sizeof(key));
}

int
qdb_dedup_key(uint8_t key[32], uint32_t origin, const char *who,
    const char *msgid)
{
	struct wbuf	w;
	int		ret = -1;

	wbuf_init(&w);
	wbuf_u8(&w, (uint8_t)origin);
	wbuf_str(&w, who);
	wbuf_str(&w, msgid);
	if (!w.error && EVP_Digest(w.data, w.len, key, NULL, EVP_sha256(),
	    NULL) == 1)
		ret = 0;
	wbuf_free(&w);
	if (ret == -1)
		errno = ENOMEM;
	return ret;
}

/* dedup and replay records: version, until, and for dedup qid, digest. */
int
qdb_until_read(const struct store_val *v, int64_t *until)
{
	struct rbuf	r;

	rbuf_init(&r, v->p, v->len);
	if (rbuf_u8(&r) != STORE_RECORD) {
		errno = EILSEQ;
		return -1;
	}
	*until = rbuf_i64(&r);
	if (r.error) {
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

int
qdb_dedup_get(struct qdb *db, struct store_txn *txn, const uint8_t key[32],
    struct qdb_dedup *d)
{
	struct store_val	v;
	struct rbuf		r;

	if (store_get(db->dedup, txn, key, 32, &v) == -1)
		return -1;
	rbuf_init(&r, v.p, v.len);
	if (rbuf_u8(&r) != STORE_RECORD) {
		errno = EILSEQ;
		return -1;
	}
	d->until = rbuf_i64(&r);
	d->qid = rbuf_u64(&r);
	rbuf_raw(&r, d->digest, sizeof(d->digest));
	if (rbuf_end(&r) == -1) {
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

int
qdb_dedup_put(struct qdb *db, struct store_txn *txn, const uint8_t key[32],
    const struct qdb_dedup *d)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, d->until);
	wbuf_u64(&w, d->qid);
	wbuf_raw(&w, d->digest, sizeof(d->digest));
	db->ndedup++;
	return store_put_wbuf(db->dedup, txn, key, 32, &w);
}

int
qdb_replay_seen(struct qdb *db, struct store_txn *txn,
    const struct replay *rp, int64_t now)
{
	struct store_val	v;
	int64_t			until;

	if (rp->until == 0)
		return 0;
	if (rp->until <= db->low)
		return 1;
	if (store_get(db->replay, txn, rp->key, sizeof(rp->key), &v) == -1)
		return errno == ENOENT ? 0 : -1;
	/* An unreadable entry is taken for one that stands: the safe side. */
	if (qdb_until_read(&v, &until) == -1)
		return 1;
	return until >= now;
}

int
qdb_replay_put(struct qdb *db, struct store_txn *txn, const struct replay *rp)
{
	struct wbuf	w;

	if (rp->until == 0)
		return 0;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, rp->until);
	db->nreplay++;
	return store_put_wbuf(db->replay, txn, rp->key, sizeof(rp->key), &w);
}

int
qdb_replay_low(struct qdb *db, struct store_txn *txn, int64_t until)
{
	struct wbuf	w;

	if (until <= db->low)
		return 0;
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, until);
	if (store_put_wbuf(db->replay, txn, QDB_LOW_KEY, 1, &w) == -1)
		return -1;
	/* If the commit fails it is only stricter than it need be. */
	db->low = until;
	return 0;
}
