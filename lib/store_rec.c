/* SPDX-License-Identifier: ISC */
/* What all stores have in common.  Called by wsqueue, wslocal, wsattach. */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "store_rec.h"
#include "wstime.h"

struct store *
store_open_tables(const char *what, size_t cache, uint32_t format,
    const struct store_named *tables, size_t n)
{
	struct store	*s;
	size_t		 i;

	if ((s = store_open(".", cache, format)) == NULL) {
		if (errno == EPROTONOSUPPORT)
			log_warnx("%s: the store on disk has another format "
			    "than %u", what, format);
		else
			log_warn("%s: store", what);
		return NULL;
	}
	for (i = 0; i < n; i++)
		if ((*tables[i].table = store_table(s, tables[i].name)) ==
		    NULL) {
			log_warn("%s: store: %s", what, store_errstr(s));
			store_close(s);
			return NULL;
		}
	return s;
}

int
store_record(struct rbuf *r, const struct store_val *v)
{
	rbuf_init(r, v->p, v->len);
	if (rbuf_u8(r) == STORE_RECORD)
		return 0;
	errno = EILSEQ;
	return -1;
}

int
store_record_end(struct rbuf *r)
{
	if (rbuf_end(r) == 0)
		return 0;
	if (errno != ENOMEM)
		errno = EILSEQ;
	return -1;
}

int
store_put_wbuf(struct store_table *t, struct store_txn *txn, const void *key,
    size_t klen, struct wbuf *w)
{
	int	ret = -1, saved;

	if (w->error)
		errno = ENOMEM;
	else
		ret = store_put(t, txn, key, klen, w->data, w->len);
	saved = errno;
	wbuf_free(w);
	errno = saved;
	return ret;
}

int
store_quarantine(struct store_table *quarantine, struct store_txn *txn,
    struct store_table *t, const char *table, const void *key, size_t klen,
    const char *reason)
{
	struct store_val	v;
	struct wbuf		k = { 0 }, w = { 0 };
	int			ret;

	wbuf_u8(&w, STORE_RECORD);
	wbuf_i64(&w, wstime_now());
	wbuf_str(&w, reason);
	if (store_get(t, txn, key, klen, &v) == 0 || errno == EILSEQ)
		wbuf_bytes(&w, v.p, v.len);
	else
		wbuf_bytes(&w, "", 0);
	wbuf_str(&k, table);
	wbuf_raw(&k, key, klen);
	if (k.error)
		w.error = ENOMEM;
	ret = store_put_wbuf(quarantine, txn, k.data, k.len, &w);
	wbuf_free(&k);
	if (ret == -1)
		return -1;
	if (store_del(t, txn, key, klen) == -1 && errno != ENOENT)
		return -1;
	return 0;
}
