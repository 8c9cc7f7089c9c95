/* SPDX-License-Identifier: ISC */
/*
 * grant state: a Berkeley DB environment in the plug-in's own directory.  The
 * octets of all keys and values are counted in the same transaction as they
 * change, so that the quota holds over restarts.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsplug.h"

#define STATE_FORMAT	1
#define STATE_CACHE	(1U << 20)
#define STATE_KEY_MAX	512
#define STATE_USED	"used"

static int	 state_change(struct wsp *, const void *, size_t, const void *,
		    size_t);
static int	 state_find(struct wsp *, const void *, size_t,
		    struct store_val *);

int
state_open(struct wsp *w)
{
	struct store_val	 v;
	struct rbuf		 r;

	if ((w->store = store_open(".", STATE_CACHE, STATE_FORMAT)) == NULL ||
	    (w->state = store_table(w->store, "state")) == NULL ||
	    (w->meta = store_table(w->store, "meta")) == NULL) {
		log_warn("%s: state", w->cp->name);
		return -1;
	}
	if (store_get(w->meta, NULL, STATE_USED, sizeof(STATE_USED), &v) == 0) {
		rbuf_init(&r, v.p, v.len);
		w->used = rbuf_u64(&r);
		if (rbuf_end(&r) == 0)
			return 0;
		log_warnx("%s: what its state takes does not read",
		    w->cp->name);
		return -1;
	}
	if (errno == ENOENT)
		return 0;
	log_warn("%s: state", w->cp->name);
	return -1;
}

void
state_close(struct wsp *w)
{
	if (w->store != NULL)
		store_close(w->store);
	w->store = NULL;
	free(w->found);
	w->found = NULL;
}

static int
state_find(struct wsp *w, const void *key, size_t klen, struct store_val *v)
{
	if (w->store == NULL) {
		errno = EPERM;
		return -1;
	}
	if (klen == 0 || klen > STATE_KEY_MAX) {
		errno = EINVAL;
		return -1;
	}
	return store_get(w->state, NULL, key, klen, v);
}

/* val NULL: away with it. */
static int
state_change(struct wsp *w, const void *key, size_t klen, const void *val,
    size_t vlen)
{
	struct store_txn	*txn;
	struct store_val	 v;
	struct wbuf		 b = { 0 };
	uint64_t		 used = w->used;
	int			 saved, ret = -1;

	if (state_find(w, key, klen, &v) == 0)
		used -= used < klen + v.len ? used : klen + v.len;
	else if (errno != ENOENT || val == NULL)
		return -1;
	if (val != NULL)
		used += klen + vlen;
	if (val != NULL && used > (uint64_t)w->cp->state) {
		errno = EDQUOT;
		return -1;
	}
	wbuf_u64(&b, used);
	if (b.error || (txn = store_begin(w->store)) == NULL) {
		wbuf_free(&b);
		return -1;
	}
	if ((val == NULL ? store_del(w->state, txn, key, klen) :
	    store_put(w->state, txn, key, klen, val, vlen)) == 0 &&
	    store_put(w->meta, txn, STATE_USED, sizeof(STATE_USED), b.data,
	    b.len) == 0)
		ret = store_commit(txn, 1);
	else {
		saved = errno;
		store_abort(txn);
		errno = saved;
	}
	wbuf_free(&b);
	if (ret == 0)
		w->used = used;
	else if (errno == EFAULT)
		fatalx("%s: its state is lost, a new start recovers it",
		    w->cp->name);
	saved = errno;
	if (store_maintain(w->store, 0) == -1)
		log_warnx("%s: state: checkpoint: %s", w->cp->name,
		    store_errstr(w->store));
	errno = saved;
	return ret;
}

int
wsp_state_put(struct wsp *w, const void *key, size_t klen, const void *val,
    size_t vlen)
{
	return state_change(w, key, klen, val == NULL ? "" : val,
	    val == NULL ? 0 : vlen);
}

int
wsp_state_del(struct wsp *w, const void *key, size_t klen)
{
	return state_change(w, key, klen, NULL, 0);
}

int
wsp_state_get(struct wsp *w, const void *key, size_t klen, const void **val,
    size_t *vlen)
{
	struct store_val	 v;

	if (state_find(w, key, klen, &v) == -1)
		return -1;
	free(w->found);
	if ((w->found = malloc(v.len + 1)) == NULL)
		return -1;
	memcpy(w->found, v.p, v.len);
	w->found[v.len] = '\0';
	*val = w->found;
	*vlen = v.len;
	return 0;
}

int
wsp_state_next(struct wsp *w, const void *key, size_t klen, const void **k,
    size_t *kl, const void **val, size_t *vlen)
{
	struct store_cursor	*c;
	struct store_val	 kv, v;
	int			 saved, ret;

	if (w->store == NULL) {
		errno = EPERM;
		return -1;
	}
	if ((c = store_cursor(w->state, NULL)) == NULL)
		return -1;
	ret = store_seek_ge(c, key, klen, &kv, &v);
	free(w->found);
	w->found = NULL;
	if (ret == 0 && (w->found = malloc(kv.len + v.len + 2)) == NULL)
		ret = -1;
	if (ret == 0) {
		memcpy(w->found, kv.p, kv.len);
		w->found[kv.len] = '\0';
		memcpy(w->found + kv.len + 1, v.p, v.len);
		w->found[kv.len + 1 + v.len] = '\0';
		*k = w->found;
		*kl = kv.len;
		*val = w->found + kv.len + 1;
		*vlen = v.len;
	}
	saved = errno;
	store_cursor_close(c);
	errno = saved;
	return ret;
}
