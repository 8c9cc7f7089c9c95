/* SPDX-License-Identifier: ISC */
/* Records of attachments: versions, recipients, who fetched what. */
#include "compat.h"

#include <errno.h>

#include "adb.h"
#include "addr.h"
#include "wstime.h"

int
adb_attach_read(const struct store_val *k, const struct store_val *v,
    struct adb_attach *a)
{
	struct rbuf	r;

	memset(a, 0, sizeof(*a));
	if (k->len != ATTACH_ID) {
		errno = EILSEQ;
		return -1;
	}
	memcpy(a->id, k->p, ATTACH_ID);
	if (store_record(&r, v) == -1)
		return -1;
	a->owner = rbuf_str(&r, ADDR_MAX);
	a->name = rbuf_str(&r, ATTACH_NAME_MAX);
	a->type = rbuf_str(&r, ATTACH_TYPE_MAX);
	a->description = rbuf_str(&r, ATTACH_DESC_MAX);
	a->msgid = rbuf_str(&r, ATTACH_MSGID_MAX);
	a->created = rbuf_i64(&r);
	a->expiry = rbuf_i64(&r);
	a->withdrawn = rbuf_i64(&r);
	a->freed = rbuf_i64(&r);
	a->newest = rbuf_u32(&r);
	a->nrcpt = rbuf_u32(&r);
	a->fetches = rbuf_u64(&r);
	a->logged = rbuf_u64(&r);
	if (store_record_end(&r) == 0) {
		if (a->newest > 0 && addr_domain(a->owner) != NULL &&
		    wstime_ok(a->created) && wstime_ok(a->expiry) &&
		    wstime_ok(a->withdrawn) && wstime_ok(a->freed))
			return 0;
		errno = EILSEQ;
	}
	adb_attach_free(a);
	return -1;
}

int
adb_attach_get(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], struct adb_attach *a)
{
	struct store_val	k, v;

	if (store_get(db->attach, txn, id, ATTACH_ID, &v) == -1)
		return -1;
	k.p = id;
	k.len = ATTACH_ID;
	return adb_attach_read(&k, &v, a);
}

int
adb_attach_put(struct adb *db, struct store_txn *txn,
    const struct adb_attach *a)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_str(&w, a->owner);
	wbuf_str(&w, a->name);
	wbuf_str(&w, a->type);
	wbuf_str(&w, a->description);
	wbuf_str(&w, a->msgid);
	wbuf_i64(&w, a->created);
	wbuf_i64(&w, a->expiry);
	wbuf_i64(&w, a->withdrawn);
	wbuf_i64(&w, a->freed);
	wbuf_u32(&w, a->newest);
	wbuf_u32(&w, a->nrcpt);
	wbuf_u64(&w, a->fetches);
	wbuf_u64(&w, a->logged);
	return store_put_wbuf(db->attach, txn, a->id, ATTACH_ID, &w);
}

void
adb_attach_free(struct adb_attach *a)
{
	int	saved = errno;

	free(a->owner);
	free(a->name);
	free(a->type);
	free(a->description);
	free(a->msgid);
	memset(a, 0, sizeof(*a));
	errno = saved;
}

int
adb_attach_add(struct adb *db, struct store_txn *txn,
    const struct adb_attach *a)
{
	struct wbuf	w;
	uint8_t		key[ADB_KEY_MAX];
	size_t		len;

	len = adb_own_key(key, a->owner, a->created, a->id);
	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	if (store_put_wbuf(db->own, txn, key, len, &w) == -1)
		return -1;
	return adb_attach_put(db, txn, a);
}

int
adb_attach_del(struct adb *db, struct store_txn *txn,
    const struct adb_attach *a)
{
	uint8_t	key[ADB_KEY_MAX];
	size_t	len;

	len = adb_own_key(key, a->owner, a->created, a->id);
	if (store_del(db->own, txn, key, len) == -1 && errno != ENOENT)
		return -1;
	return store_del(db->attach, txn, a->id, ATTACH_ID);
}

/* own: the address, a zero octet, when, id */

size_t
adb_own_key(uint8_t key[ADB_KEY_MAX], const char *owner, int64_t created,
    const uint8_t id[ATTACH_ID])
{
	size_t	n = strlcpy((char *)key, owner, ADDR_MAX + 1) + 1;

	if (n > ADDR_MAX + 1)
		n = ADDR_MAX + 1;	/* no such owner: addr_normalize() */
	adb_be64(key + n, (uint64_t)created);
	memcpy(key + n + 8, id, ATTACH_ID);
	return n + 8 + ATTACH_ID;
}

int
adb_own_key_read(const struct store_val *v, const char *owner,
    uint8_t id[ATTACH_ID])
{
	size_t	n = strlen(owner) + 1;

	if (v->len != n + 8 + ATTACH_ID || memcmp(v->p, owner, n) != 0)
		return 0;
	memcpy(id, (const uint8_t *)v->p + n + 8, ATTACH_ID);
	return 1;
}

/* version */

void
adb_version_key(uint8_t key[ADB_VERSION_KEY], const uint8_t id[ATTACH_ID],
    uint32_t number)
{
	memcpy(key, id, ATTACH_ID);
	adb_be32(key + ATTACH_ID, number);
}

int
adb_version_read(const struct store_val *val, struct adb_version *v)
{
	struct rbuf	r;

	memset(v, 0, sizeof(*v));
	if (store_record(&r, val) == -1)
		return -1;
	rbuf_raw(&r, v->digest, sizeof(v->digest));
	v->size = rbuf_u64(&r);
	v->time = rbuf_i64(&r);
	if (store_record_end(&r) == -1)
		return -1;
	if (v->size <= INT64_MAX && wstime_ok(v->time))
		return 0;
	errno = EILSEQ;
	return -1;
}

int
adb_version_get(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], uint32_t number, struct adb_version *v)
{
	struct store_val	val;
	uint8_t			key[ADB_VERSION_KEY];

	adb_version_key(key, id, number);
	if (store_get(db->version, txn, key, sizeof(key), &val) == -1)
		return -1;
	return adb_version_read(&val, v);
}

int
adb_version_put(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], uint32_t number, const struct adb_version *v)
{
	struct wbuf	w;
	uint8_t		key[ADB_VERSION_KEY];

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_raw(&w, v->digest, sizeof(v->digest));
	wbuf_u64(&w, v->size);
	wbuf_i64(&w, v->time);
	adb_version_key(key, id, number);
	return store_put_wbuf(db->version, txn, key, sizeof(key), &w);
}

/* rcpt */

size_t
adb_rcpt_key(uint8_t key[ADB_KEY_MAX], const uint8_t id[ATTACH_ID],
    const char *addr)
{
	size_t	n = strlen(addr);

	if (n > ADDR_MAX)
		n = ADDR_MAX;
	memcpy(key, id, ATTACH_ID);
	memcpy(key + ATTACH_ID, addr, n);
	return ATTACH_ID + n;
}

int
adb_rcpt_read(const struct store_val *v, struct adb_rcpt *p)
{
	struct rbuf	r;

	memset(p, 0, sizeof(*p));
	if (store_record(&r, v) == -1)
		return -1;
	p->added = rbuf_i64(&r);
	p->fetches = rbuf_u64(&r);
	p->last = rbuf_i64(&r);
	p->version = rbuf_u32(&r);
	if (store_record_end(&r) == -1)
		return -1;
	if (wstime_ok(p->added) && wstime_ok(p->last))
		return 0;
	errno = EILSEQ;
	return -1;
}

int
adb_rcpt_get(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], const char *addr, struct adb_rcpt *p)
{
	struct store_val	v;
	uint8_t			key[ADB_KEY_MAX];
	size_t			len = adb_rcpt_key(key, id, addr);

	if (store_get(db->rcpt, txn, key, len, &v) == -1)
		return -1;
	return adb_rcpt_read(&v, p);
}

int
adb_rcpt_put(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], const char *addr, const struct adb_rcpt *p)
{
	struct wbuf	w;
	uint8_t		key[ADB_KEY_MAX];
	size_t		len = adb_rcpt_key(key, id, addr);

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, p->added);
	wbuf_u64(&w, p->fetches);
	wbuf_i64(&w, p->last);
	wbuf_u32(&w, p->version);
	return store_put_wbuf(db->rcpt, txn, key, len, &w);
}

int
adb_rcpt_del(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], const char *addr)
{
	uint8_t	key[ADB_KEY_MAX];
	size_t	len = adb_rcpt_key(key, id, addr);

	return store_del(db->rcpt, txn, key, len);
}

/* fetch */

void
adb_fetch_key(uint8_t key[ADB_FETCH_KEY], const uint8_t id[ATTACH_ID],
    uint64_t seq)
{
	memcpy(key, id, ATTACH_ID);
	adb_be64(key + ATTACH_ID, seq);
}

int
adb_fetch_read(const struct store_val *v, char **addr, uint32_t *version,
    int64_t *when)
{
	struct rbuf	r;

	if (store_record(&r, v) == -1)
		return -1;
	*addr = rbuf_str(&r, ADDR_MAX);
	*version = rbuf_u32(&r);
	*when = rbuf_i64(&r);
	if (store_record_end(&r) == 0)
		return 0;
	free(*addr);
	*addr = NULL;
	return -1;
}

int
adb_fetch_put(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], uint64_t seq, const char *addr,
    uint32_t version, int64_t when)
{
	struct wbuf	w;
	uint8_t		key[ADB_FETCH_KEY];

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_str(&w, addr);
	wbuf_u32(&w, version);
	wbuf_i64(&w, when);
	adb_fetch_key(key, id, seq);
	return store_put_wbuf(db->fetch, txn, key, sizeof(key), &w);
}

int
adb_purge(struct store_table *t, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], size_t max)
{
	struct store_cursor	*c;
	struct store_val	 k;
	uint8_t			 key[ADB_KEY_MAX];
	size_t			 n, len;
	int			 ret;

	for (n = 0; n < max; n++) {
		/* A cursor does not stay where its record is deleted. */
		if ((c = store_cursor(t, txn)) == NULL)
			return -1;
		ret = store_seek_ge(c, id, ATTACH_ID, &k, NULL);
		if (ret == 0 && k.len >= ATTACH_ID && k.len <= sizeof(key) &&
		    memcmp(k.p, id, ATTACH_ID) == 0) {
			len = k.len;
			memcpy(key, k.p, len);
		} else
			len = 0;
		store_cursor_close(c);
		if (ret == -1 && errno != ENOENT)
			return -1;
		if (len == 0)
			return 0;
		if (store_del(t, txn, key, len) == -1)
			return -1;
	}
	return 1;
}
