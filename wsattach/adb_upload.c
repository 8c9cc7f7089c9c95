/* SPDX-License-Identifier: ISC */
/* Records of uploads, and the memory of what became of each. */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>

#include "adb.h"
#include "addr.h"
#include "wstime.h"

int
adb_upload_read(const struct store_val *k, const struct store_val *v,
    struct adb_upload *u)
{
	struct rbuf	r;

	memset(u, 0, sizeof(*u));
	if (k->len != ATTACH_ID) {
		errno = EILSEQ;
		return -1;
	}
	memcpy(u->id, k->p, ATTACH_ID);
	if (store_record(&r, v) == -1)
		return -1;
	u->owner = rbuf_str(&r, ADDR_MAX);
	u->name = rbuf_str(&r, ATTACH_NAME_MAX);
	u->type = rbuf_str(&r, ATTACH_TYPE_MAX);
	u->description = rbuf_str(&r, ATTACH_DESC_MAX);
	u->size = rbuf_u64(&r);
	u->octets = rbuf_u64(&r);
	u->state = rbuf_u8(&r);
	u->has_digest = rbuf_u8(&r);
	rbuf_raw(&r, u->digest, sizeof(u->digest));
	u->created = rbuf_i64(&r);
	u->active = rbuf_i64(&r);
	if (store_record_end(&r) == 0) {
		if (u->size <= INT64_MAX && u->octets <= u->size &&
		    u->state >= UP_RECEIVING && u->state <= UP_COMPLETE &&
		    u->has_digest <= 1 &&
		    (u->state == UP_RECEIVING || u->has_digest) &&
		    addr_domain(u->owner) != NULL &&
		    wstime_ok(u->created) && wstime_ok(u->active))
			return 0;
		errno = EILSEQ;
	}
	adb_upload_free(u);
	return -1;
}

int
adb_upload_get(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID], struct adb_upload *u)
{
	struct store_val	k, v;

	if (store_get(db->upload, txn, id, ATTACH_ID, &v) == -1)
		return -1;
	k.p = id;
	k.len = ATTACH_ID;
	return adb_upload_read(&k, &v, u);
}

int
adb_upload_put(struct adb *db, struct store_txn *txn,
    const struct adb_upload *u)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_str(&w, u->owner);
	wbuf_str(&w, u->name);
	wbuf_str(&w, u->type);
	wbuf_str(&w, u->description);
	wbuf_u64(&w, u->size);
	wbuf_u64(&w, u->octets);
	wbuf_u8(&w, u->state);
	wbuf_u8(&w, u->has_digest);
	wbuf_raw(&w, u->digest, sizeof(u->digest));
	wbuf_i64(&w, u->created);
	wbuf_i64(&w, u->active);
	return store_put_wbuf(db->upload, txn, u->id, ATTACH_ID, &w);
}

int
adb_upload_del(struct adb *db, struct store_txn *txn,
    const uint8_t id[ATTACH_ID])
{
	return store_del(db->upload, txn, id, ATTACH_ID);
}

void
adb_upload_free(struct adb_upload *u)
{
	int	saved = errno;

	free(u->owner);
	free(u->name);
	free(u->type);
	free(u->description);
	memset(u, 0, sizeof(*u));
	errno = saved;
}

/* named */

int
adb_named_key(uint8_t key[ADB_NAMED_KEY], const char *owner, const char *what,
    const uint8_t upload[ATTACH_ID])
{
	struct wbuf	w;
	int		ok;

	wbuf_init(&w);
	wbuf_str(&w, owner);
	wbuf_str(&w, what);
	ok = !w.error && EVP_Digest(w.data, w.len, key, NULL, EVP_sha256(),
	    NULL) == 1;
	wbuf_free(&w);
	memcpy(key + ATTACH_DIGEST, upload, ATTACH_ID);
	if (ok)
		return 0;
	errno = ENOMEM;
	return -1;
}

int
adb_named_get(struct adb *db, struct store_txn *txn,
    const uint8_t key[ADB_NAMED_KEY], uint8_t id[ATTACH_ID],
    uint32_t *version)
{
	struct store_val	v;
	struct rbuf		r;

	if (store_get(db->named, txn, key, ADB_NAMED_KEY, &v) == -1 ||
	    store_record(&r, &v) == -1)
		return -1;
	(void)rbuf_i64(&r);
	rbuf_raw(&r, id, ATTACH_ID);
	*version = rbuf_u32(&r);
	return store_record_end(&r);
}

int
adb_named_put(struct adb *db, struct store_txn *txn,
    const uint8_t key[ADB_NAMED_KEY], const uint8_t id[ATTACH_ID],
    uint32_t version, int64_t until)
{
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, until);
	wbuf_raw(&w, id, ATTACH_ID);
	wbuf_u32(&w, version);
	return store_put_wbuf(db->named, txn, key, ADB_NAMED_KEY, &w);
}

int
adb_named_until(const struct store_val *v, int64_t *until)
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
