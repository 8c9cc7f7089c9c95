/* SPDX-License-Identifier: ISC */
/*
 * Records of the attachments: the store, contents, and what users use.
 * Called by the rest of wsattach; knows nothing of requests, nor of files.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "adb.h"
#include "addr.h"
#include "log.h"
#include "wstime.h"

static int	 adb_usage_put(struct adb *, struct store_txn *, const char *,
		    const struct adb_usage *);
static int	 adb_usage_one(struct adb *, struct store_txn *, const char *,
		    int64_t, int64_t, int);
static uint64_t	 adb_plus(uint64_t, int64_t);

void
adb_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void
adb_be64(uint8_t *p, uint64_t v)
{
	adb_be32(p, (uint32_t)(v >> 32));
	adb_be32(p + 4, (uint32_t)v);
}

int
adb_open(struct adb *db)
{
	const struct store_named	 tables[] = {
		{ &db->content, "content" }, { &db->upload, "upload" },
		{ &db->attach, "attach" }, { &db->own, "own" },
		{ &db->version, "version" }, { &db->rcpt, "rcpt" },
		{ &db->fetch, "fetch" }, { &db->named, "named" },
		{ &db->usage, "usage" }, { &db->quarantine, "quarantine" },
	};

	memset(db, 0, sizeof(*db));
	db->store = store_open_tables("attachments", ADB_CACHE, ADB_FORMAT,
	    tables, nitems(tables));
	return db->store == NULL ? -1 : 0;
}

void
adb_close(struct adb *db)
{
	store_close(db->store);
	memset(db, 0, sizeof(*db));
}

int
adb_quarantine(struct adb *db, struct store_txn *txn, struct store_table *t,
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

/* content */

int
adb_content_read(const struct store_val *v, struct adb_content *c)
{
	struct rbuf	r;

	memset(c, 0, sizeof(*c));
	if (store_record(&r, v) == -1)
		return -1;
	c->size = rbuf_u64(&r);
	c->refs = rbuf_u32(&r);
	c->verified = rbuf_i64(&r);
	c->bad = rbuf_u8(&r);
	if (store_record_end(&r) == -1)
		return -1;
	if (c->size <= INT64_MAX && c->refs > 0 && c->bad <= 1 &&
	    wstime_ok(c->verified))
		return 0;
	errno = EILSEQ;
	return -1;
}

int
adb_content_get(struct adb *db, struct store_txn *txn,
    const uint8_t digest[ATTACH_DIGEST], struct adb_content *c)
{
	struct store_val	v;

	if (store_get(db->content, txn, digest, ATTACH_DIGEST, &v) == -1)
		return -1;
	return adb_content_read(&v, c);
}

int
adb_content_put(struct adb *db, struct store_txn *txn,
    const uint8_t digest[ATTACH_DIGEST], const struct adb_content *c)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u64(&w, c->size);
	wbuf_u32(&w, c->refs);
	wbuf_i64(&w, c->verified);
	wbuf_u8(&w, c->bad);
	return store_put_wbuf(db->content, txn, digest, ATTACH_DIGEST, &w);
}

int
adb_content_drop(struct adb *db, struct store_txn *txn,
    const uint8_t digest[ATTACH_DIGEST], int *gone)
{
	struct adb_content	c;

	*gone = 0;
	if (adb_content_get(db, txn, digest, &c) == -1) {
		if (errno == ENOENT)
			return 0;
		if (errno != EILSEQ)
			return -1;
		/* Who else has it nobody knows any more: the file stays. */
		return adb_quarantine(db, txn, db->content, "content", digest,
		    ATTACH_DIGEST, "the record does not read");
	}
	if (--c.refs > 0)
		return adb_content_put(db, txn, digest, &c);
	*gone = 1;
	return store_del(db->content, txn, digest, ATTACH_DIGEST);
}

/* usage */

int
adb_usage_get(struct adb *db, struct store_txn *txn, const char *name,
    struct adb_usage *u)
{
	struct store_val	v;
	struct rbuf		r;

	memset(u, 0, sizeof(*u));
	if (store_get(db->usage, txn, name, strlen(name), &v) == 0 &&
	    store_record(&r, &v) == 0) {
		u->octets = rbuf_u64(&r);
		u->uploading = rbuf_u64(&r);
		u->uploads = rbuf_u32(&r);
		if (store_record_end(&r) == 0)
			return 0;
	}
	memset(u, 0, sizeof(*u));
	if (errno == ENOENT)
		return 0;
	if (errno != EILSEQ || txn == NULL)
		return -1;
	/* The sum is lost, no attachment: it is counted from nothing again. */
	return adb_quarantine(db, txn, db->usage, "usage", name, strlen(name),
	    "the record does not read");
}

static int
adb_usage_put(struct adb *db, struct store_txn *txn, const char *name,
    const struct adb_usage *u)
{
	struct wbuf	w;

	if (u->octets == 0 && u->uploading == 0 && u->uploads == 0) {
		if (store_del(db->usage, txn, name, strlen(name)) == -1 &&
		    errno != ENOENT)
			return -1;
		return 0;
	}
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_u64(&w, u->octets);
	wbuf_u64(&w, u->uploading);
	wbuf_u32(&w, u->uploads);
	return store_put_wbuf(db->usage, txn, name, strlen(name), &w);
}

/* A sum that was lost can be less than what is taken off. */
static uint64_t
adb_plus(uint64_t v, int64_t delta)
{
	if (delta < 0 && (uint64_t)-delta > v)
		return 0;
	return v + (uint64_t)delta;
}

static int
adb_usage_one(struct adb *db, struct store_txn *txn, const char *name,
    int64_t octets, int64_t uploading, int uploads)
{
	struct adb_usage	u;

	if (adb_usage_get(db, txn, name, &u) == -1)
		return -1;
	u.octets = adb_plus(u.octets, octets);
	u.uploading = adb_plus(u.uploading, uploading);
	u.uploads = (uint32_t)adb_plus(u.uploads, uploads);
	return adb_usage_put(db, txn, name, &u);
}

int
adb_usage_add(struct adb *db, struct store_txn *txn, const char *owner,
    int64_t octets, int64_t uploading, int uploads)
{
	const char	*domain = addr_domain(owner);

	if (adb_usage_one(db, txn, owner, octets, uploading, uploads) == -1)
		return -1;
	return domain == NULL ? 0 :
	    adb_usage_one(db, txn, domain, octets, uploading, uploads);
}
