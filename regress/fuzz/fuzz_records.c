/* SPDX-License-Identifier: ISC */
/*
 * Records of the queue and of the mailboxes; the first octet tells which.
 * Instead of the store (store.h, blob.h) there is one value, the input, to be
 * had from every table under every key, and what was written last.  A record
 * that reads is within what the rest reckons with, and is written the same.
 */
#include "compat.h"

#include <errno.h>

#include "blob.h"
#include "fuzz.h"
#include "mdb.h"
#include "qdb.h"
#include "store.h"
#include "wstime.h"

struct store_table {
	struct store_val input;
	struct wbuf	 written;
};

static struct store_table table;

/* --- the store ----------------------------------------------------------- */

struct store *
store_open(const char *dir, size_t cache, uint32_t version)
{
	(void)dir;
	(void)cache;
	(void)version;
	errno = ENOENT;
	return NULL;
}

void
store_close(struct store *s)
{
	(void)s;
}

struct store_table *
store_table(struct store *s, const char *name)
{
	(void)s;
	(void)name;
	return &table;
}

const char *
store_errstr(struct store *s)
{
	(void)s;
	return "";
}

int
store_get(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, struct store_val *v)
{
	(void)txn;
	(void)key;
	(void)klen;
	if (v != NULL)
		*v = t->input;
	return 0;
}

int
store_put(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, const void *val, size_t vlen)
{
	(void)txn;
	(void)key;
	(void)klen;
	wbuf_free(&t->written);
	wbuf_init(&t->written);
	wbuf_raw(&t->written, val, vlen);
	FUZZ_ASSERT(!t->written.error);
	return 0;
}

int
store_del(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen)
{
	(void)t;
	(void)txn;
	(void)key;
	(void)klen;
	return 0;
}

int
blob_write(uint64_t id, const void *p, size_t len, uint8_t digest[32])
{
	(void)id;
	(void)p;
	(void)len;
	memset(digest, 0, 32);
	return 0;
}

uint8_t *
blob_read(uint64_t id, size_t len, const uint8_t digest[32])
{
	(void)id;
	(void)len;
	(void)digest;
	errno = EILSEQ;
	return NULL;
}

/* --- the queue ------------------------------------------------------------- */

static void
same(void)
{
	FUZZ_ASSERT(table.written.len == table.input.len &&
	    memcmp(table.written.data, table.input.p, table.input.len) == 0);
}

static void
fuzz_msg(struct qdb *q, struct mdb *m)
{
	static const uint8_t	 body[BLOB_INLINE_MAX];
	struct qdb_msg		 msg;
	int			 made;

	(void)m;
	if (qdb_msg_read(&table.input, &msg) == -1) {
		FUZZ_ASSERT(errno == EILSEQ);
		return;
	}
	FUZZ_ASSERT(wstime_ok(msg.arrival) && wstime_ok(msg.facts.timestamp) &&
	    msg.blob <= 1 && msg.origin >= SUBMIT_USER &&
	    msg.origin <= SUBMIT_BOUNCE);
	free(qdb_body_get(q, NULL, &msg));
	if (!msg.blob && (size_t)msg.body_len + msg.sig_len <= sizeof(body)) {
		FUZZ_ASSERT(qdb_msg_put(q, NULL, &msg, body, body, &made) == 0);
		same();
	}
	qdb_msg_free(&msg);
}

static void
fuzz_env(struct qdb *q, struct mdb *m)
{
	struct qdb_env	 e;

	(void)m;
	if (qdb_env_read(&table.input, &e) == -1) {
		FUZZ_ASSERT(errno == EILSEQ);
		return;
	}
	FUZZ_ASSERT(wstime_ok(e.next) && wstime_ok(e.last));
	FUZZ_ASSERT(qdb_env_put(q, NULL, &e) == 0);
	same();
	qdb_env_free(&e);
}

static void
fuzz_dedup(struct qdb *q, struct mdb *m)
{
	struct qdb_dedup	 d;
	int64_t			 until;
	uint8_t			 key[32] = { 0 };

	(void)m;
	if (qdb_dedup_get(q, NULL, key, &d) == -1)
		return;
	FUZZ_ASSERT(qdb_until_read(&table.input, &until) == 0 &&
	    until == d.until && qdb_dedup_put(q, NULL, key, &d) == 0);
	same();
}

static void
fuzz_replay(struct qdb *q, struct mdb *m)
{
	struct replay	 rp = { .until = 1 };
	int64_t		 low, until;

	(void)m;
	(void)qdb_replay_seen(q, NULL, &rp, 0);
	FUZZ_ASSERT(mdb_until_read(&table.input, &low) ==
	    qdb_until_read(&table.input, &until));
}

static void
fuzz_keys(struct qdb *q, struct mdb *m)
{
	uint64_t	 qid, change;
	uint32_t	 rno, id;
	uint8_t		 msg[QDB_MSG_KEY], env[QDB_ENV_KEY];
	uint8_t		 hdr[MDB_HDR_KEY], chg[MDB_CHG_KEY];

	(void)q;
	(void)m;
	if (qdb_key_read(&table.input, &qid, NULL) == 0) {
		qdb_msg_key(msg, qid);
		FUZZ_ASSERT(memcmp(msg, table.input.p, sizeof(msg)) == 0);
	}
	if (qdb_key_read(&table.input, &qid, &rno) == 0) {
		qdb_env_key(env, qid, rno);
		FUZZ_ASSERT(memcmp(env, table.input.p, sizeof(env)) == 0);
	}
	if (mdb_hdr_key_read(&table.input, 1, &id)) {
		mdb_hdr_key(hdr, 1, id);
		FUZZ_ASSERT(memcmp(hdr, table.input.p, sizeof(hdr)) == 0);
	}
	if (mdb_chg_key_read(&table.input, 1, &change)) {
		mdb_chg_key(chg, 1, change);
		FUZZ_ASSERT(memcmp(chg, table.input.p, sizeof(chg)) == 0);
	}
}

/* --- the mailboxes --------------------------------------------------------- */

static void
fuzz_user(struct qdb *q, struct mdb *m)
{
	struct mdb_user	 u;

	(void)q;
	if (mdb_user_get(m, NULL, "", &u) == -1) {
		FUZZ_ASSERT(errno == EILSEQ);
		return;
	}
	FUZZ_ASSERT(u.uid != 0 && u.floor <= u.change &&
	    u.change <= INT64_MAX && wstime_ok(u.received));
	FUZZ_ASSERT(mdb_user_put(m, NULL, "", &u) == 0);
	same();
}

static void
fuzz_uid(struct qdb *q, struct mdb *m)
{
	struct mdb_user	 u;

	(void)q;
	if (mdb_user_make(m, NULL, &u) == 0)
		FUZZ_ASSERT(u.uid != 0);
}

static void
fuzz_hdr(struct qdb *q, struct mdb *m)
{
	struct mdb_hdr	 h;

	(void)q;
	if (mdb_hdr_read(&table.input, &h) == -1) {
		FUZZ_ASSERT(errno == EILSEQ);
		return;
	}
	FUZZ_ASSERT(h.h.id != 0 && wstime_ok(h.h.timestamp) &&
	    wstime_ok(h.h.received));
	FUZZ_ASSERT(mdb_hdr_put(m, NULL, 1, &h) == 0);
	same();
	mdb_hdr_free(&h);
}

static void
fuzz_chg(struct qdb *q, struct mdb *m)
{
	uint32_t	 id;
	int		 kind;

	(void)q;
	(void)m;
	if (mdb_chg_read(&table.input, &kind, &id) == 0)
		FUZZ_ASSERT((kind == MDB_NEW || kind == MDB_DELETED) &&
		    id != 0);
}

/* One more has it and one less: as before, unless it was the last. */
static void
fuzz_body(struct qdb *q, struct mdb *m)
{
	struct store_val	 was = table.input;
	uint8_t			 key[MDB_BODY_KEY] = { 0 }, *copy;
	uint64_t		 blob;
	size_t			 blen, slen, len;

	(void)q;
	free(mdb_body_load(m, NULL, key, &blen, &slen));
	FUZZ_ASSERT(mdb_body_store(m, NULL, (const uint8_t *)"b", 1,
	    (const uint8_t *)"s", 1, key, &blob) == 0);
	copy = wbuf_steal(&table.written, &len);
	table.input.p = copy;
	table.input.len = len;
	FUZZ_ASSERT(mdb_body_drop(m, NULL, key, &blob) == 0);
	if (table.written.len == was.len && len == was.len) {
		table.input = was;
		same();
	}
	table.input = was;
	free(copy);
}

static void
fuzz_sums(struct qdb *q, struct mdb *m)
{
	uint32_t	 id;
	uint64_t	 octets;

	(void)q;
	if (mdb_seen_get(m, NULL, "id", 1, &id) == -1)
		FUZZ_ASSERT(errno == EILSEQ);
	FUZZ_ASSERT(mdb_dom_get(m, NULL, "", &octets) == 0 &&
	    mdb_dom_add(m, NULL, "", -1) == 0 &&
	    mdb_dom_add(m, NULL, "", 1) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void	(*const what[])(struct qdb *, struct mdb *) = {
		fuzz_msg, fuzz_env, fuzz_dedup, fuzz_replay, fuzz_keys,
		fuzz_user, fuzz_uid, fuzz_hdr, fuzz_chg, fuzz_body, fuzz_sums,
	};
	struct qdb	 q;
	struct mdb	 m;

	if (size == 0)
		return 0;
	memset(&q, 0, sizeof(q));
	memset(&m, 0, sizeof(m));
	q.msg = q.body = q.env = q.dedup = q.replay = q.quarantine = &table;
	m.user = m.hdr = m.chg = m.body = m.blob = m.seen = m.dom = m.replay =
	    m.quarantine = &table;
	table.input.p = data + 1;
	table.input.len = size - 1;
	what[data[0] % nitems(what)](&q, &m);
	wbuf_free(&table.written);
	return 0;
}
