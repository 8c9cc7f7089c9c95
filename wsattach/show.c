/* SPDX-License-Identifier: ISC */
/* What an owner sees: the list of attachments, and all about one. */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsattach.h"

#define SHOW_VERSIONS	1000	/* as many as one may have: name.c */

struct listing {
	struct op		*op;
	struct store_txn	*txn;
	struct adb_attach	*at;
	struct attach_info	*info;
	uint32_t		 n, limit, more;
};

static void	 list_refuse(struct wbuf *, uint32_t, const char *);
static int	 list_from(struct listing *, const char *,
		    const struct attach_list_req *, uint8_t[ADB_KEY_MAX],
		    size_t *);
static int	 list_walk(struct listing *, const char *, const uint8_t *,
		    size_t);
static int	 list_add(struct listing *, const uint8_t[ATTACH_ID]);
static void	 show_refuse(struct wbuf *, uint32_t, const char *);
static uint32_t	 show_page(struct attach *, uint32_t);
static int	 show_versions(struct op *, struct store_txn *,
		    const struct adb_attach *, struct show_result *);
static int	 show_rcpts(struct op *, struct store_txn *,
		    const struct show_req *, uint32_t, struct show_result *);
static int	 show_fetches(struct op *, struct store_txn *,
		    const struct show_req *, uint32_t, struct show_result *);
static int	 show_run(struct op *, struct store_txn *, const char *,
		    const struct show_req *);

static uint32_t
show_page(struct attach *a, uint32_t asked)
{
	int64_t	page = a->p->conf->limit[LIM_LIST_PAGE];

	return asked == 0 || (int64_t)asked > page ? (uint32_t)page : asked;
}

/* list */

static void
list_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct attach_list	l = { .code = code };

	l.text = (char *)(uintptr_t)text;
	attach_list_put(w, &l);
}

/* The key before which it begins.  1, 0: refused, or -1. */
static int
list_from(struct listing *l, const char *owner,
    const struct attach_list_req *q, uint8_t key[ADB_KEY_MAX], size_t *len)
{
	static const uint8_t	 none[ATTACH_ID];
	struct adb_attach	 at;
	uint8_t			 last[ATTACH_ID];
	int			 ret;

	if (memcmp(q->before, none, ATTACH_ID) == 0) {
		memset(last, 0xff, sizeof(last));
		*len = adb_own_key(key, owner, INT64_MAX, last);
		return 1;
	}
	if ((ret = change_find(l->op, l->txn, owner, q->before, &at)) != 1)
		return ret;
	*len = adb_own_key(key, owner, at.created, at.id);
	adb_attach_free(&at);
	return 1;
}

/* One that does not read is passed over: who asks for it finds that out. */
static int
list_add(struct listing *l, const uint8_t id[ATTACH_ID])
{
	struct attach	*a = l->op->a;

	if (adb_attach_get(&a->db, l->txn, id, &l->at[l->n]) == -1)
		return errno == ENOENT || errno == EILSEQ ? 0 : -1;
	if (name_info(a, l->txn, &l->at[l->n], &l->info[l->n]) == -1) {
		adb_attach_free(&l->at[l->n]);
		return -1;
	}
	l->n++;
	return 0;
}

static int
list_walk(struct listing *l, const char *owner, const uint8_t *key,
    size_t len)
{
	struct store_cursor	*c;
	struct store_val	 k;
	uint8_t			 id[ATTACH_ID];
	int			 ret;

	if ((c = store_cursor(l->op->a->db.own, l->txn)) == NULL)
		return -1;
	ret = store_seek_le(c, key, len, &k, NULL);
	if (ret == 0 && k.len == len && memcmp(k.p, key, len) == 0)
		ret = store_prev(c, &k, NULL);
	for (; ret == 0; ret = store_prev(c, &k, NULL)) {
		if (!adb_own_key_read(&k, owner, id))
			break;
		if (l->n == l->limit) {
			l->more = 1;
			break;
		}
		if (list_add(l, id) == -1) {
			store_cursor_close(c);
			return -1;
		}
	}
	store_cursor_close(c);
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

int
list_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct attach_list_req	 req;
	struct attach_list	 res = { .code = ST_OK };
	struct listing		 l;
	struct rbuf		 r;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];
	uint8_t			 key[ADB_KEY_MAX];
	size_t			 len;
	int			 ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (attach_list_req_get(&r, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_ATTACH_LIST_RESULT,
	    IMSG_SOAP_ATTACH_LIST_RESULT, list_refuse);
	memset(&l, 0, sizeof(l));
	l.op = op;
	l.limit = show_page(a, req.limit);
	l.at = calloc(l.limit, sizeof(*l.at));
	l.info = calloc(l.limit, sizeof(*l.info));
	if (l.at == NULL || l.info == NULL)
		fatal("attach");
	if (!op_owner(op, req.owner, owner) || (l.txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else {
		ret = list_from(&l, owner, &req, key, &len);
		if (ret == 1 && (ret = list_walk(&l, owner, key, len)) == 0) {
			res.n = l.n;
			res.info = l.info;
			res.more = l.more;
			attach_list_put(&op->reply, &res);
		}
		op_end(op, ret, 0);
	}
	while (l.n > 0)
		adb_attach_free(&l.at[--l.n]);
	free(l.at);
	free(l.info);
	attach_list_req_free(&req);
	return 0;
}

/* show */

static void
show_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct show_result	res = { .code = code };

	res.text = (char *)(uintptr_t)text;
	show_result_put(w, &res);
}

static int
show_versions(struct op *op, struct store_txn *txn,
    const struct adb_attach *at, struct show_result *res)
{
	struct attach_version	*out;
	struct adb_version	 v;
	uint32_t		 i;

	if ((res->version = calloc(at->newest < SHOW_VERSIONS ? at->newest :
	    SHOW_VERSIONS, sizeof(*res->version))) == NULL)
		fatal("attach");
	for (i = 1; i <= at->newest && res->nversions < SHOW_VERSIONS; i++) {
		if (adb_version_get(&op->a->db, txn, at->id, i, &v) == -1) {
			if (errno != ENOENT && errno != EILSEQ)
				return -1;
			continue;
		}
		out = &res->version[res->nversions++];
		out->number = i;
		out->size = v.size;
		out->time = v.time;
		memcpy(out->digest, v.digest, ATTACH_DIGEST);
	}
	return 0;
}

static int
show_rcpts(struct op *op, struct store_txn *txn, const struct show_req *q,
    uint32_t limit, struct show_result *res)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct attach_rcpt	*out;
	struct adb_rcpt		 p;
	uint8_t			 key[ADB_KEY_MAX];
	size_t			 len = adb_rcpt_key(key, q->id, q->after);
	int			 ret;

	if ((res->rcpt = calloc(limit, sizeof(*res->rcpt))) == NULL)
		fatal("attach");
	if ((c = store_cursor(op->a->db.rcpt, txn)) == NULL)
		return -1;
	ret = store_seek_ge(c, key, len, &k, &v);
	for (; ret == 0; ret = store_next(c, &k, &v)) {
		if (k.len <= ATTACH_ID || k.len > ATTACH_ID + ADDR_MAX ||
		    memcmp(k.p, q->id, ATTACH_ID) != 0)
			break;
		if (k.len == len && memcmp(k.p, key, len) == 0)
			continue;
		if (res->nrcpt == limit) {
			res->more_rcpt = 1;
			break;
		}
		/* Listed all the same: who cannot be counted is there. */
		if (adb_rcpt_read(&v, &p) == -1)
			memset(&p, 0, sizeof(p));
		out = &res->rcpt[res->nrcpt];
		out->addr = strndup((const char *)k.p + ATTACH_ID,
		    k.len - ATTACH_ID);
		if (out->addr == NULL)
			fatal("attach");
		if (addr_domain(out->addr) != NULL &&
		    (out->domain = strdup(addr_domain(out->addr))) == NULL)
			fatal("attach");
		out->added = p.added;
		out->fetches = p.fetches;
		out->last = p.last;
		res->nrcpt++;
	}
	store_cursor_close(c);
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

/* Newest first; one that does not read is passed over. */
static int
show_fetches(struct op *op, struct store_txn *txn, const struct show_req *q,
    uint32_t limit, struct show_result *res)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct attach_fetch	*out;
	struct rbuf		 r;
	uint8_t			 key[ADB_FETCH_KEY];
	int			 ret;

	if ((res->fetch = calloc(limit, sizeof(*res->fetch))) == NULL)
		fatal("attach");
	if ((c = store_cursor(op->a->db.fetch, txn)) == NULL)
		return -1;
	adb_fetch_key(key, q->id, q->before == 0 ? UINT64_MAX : q->before - 1);
	ret = store_seek_le(c, key, sizeof(key), &k, &v);
	for (; ret == 0; ret = store_prev(c, &k, &v)) {
		if (k.len != ADB_FETCH_KEY ||
		    memcmp(k.p, q->id, ATTACH_ID) != 0)
			break;
		if (res->nfetches == limit) {
			res->more_fetches = 1;
			break;
		}
		out = &res->fetch[res->nfetches];
		if (adb_fetch_read(&v, &out->addr, &out->version,
		    &out->time) == -1)
			continue;
		rbuf_init(&r, (const uint8_t *)k.p + ATTACH_ID, 8);
		out->seq = rbuf_u64(&r);
		res->nfetches++;
	}
	store_cursor_close(c);
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

static int
show_run(struct op *op, struct store_txn *txn, const char *owner,
    const struct show_req *q)
{
	struct show_result	res = { .code = ST_OK };
	struct adb_attach	at;
	uint32_t		limit = show_page(op->a, q->limit);
	int			ret;

	if ((ret = change_find(op, txn, owner, q->id, &at)) != 1)
		return ret;
	ret = -1;
	if (name_info(op->a, txn, &at, &res.info) == 0 &&
	    show_versions(op, txn, &at, &res) == 0 &&
	    show_rcpts(op, txn, q, limit, &res) == 0 &&
	    show_fetches(op, txn, q, limit, &res) == 0) {
		res.found = 1;
		show_result_put(&op->reply, &res);
		ret = 0;
	}
	/* Its strings are the record's. */
	memset(&res.info, 0, sizeof(res.info));
	show_result_free(&res);
	adb_attach_free(&at);
	return ret;
}

int
show_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct show_req		 req;
	struct store_txn	*txn;
	struct rbuf		 r;
	struct op		*op;
	char			 owner[ADDR_MAX + 1];

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (show_req_get(&r, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_ATTACH_SHOW_RESULT,
	    IMSG_SOAP_ATTACH_SHOW_RESULT, show_refuse);
	if (!op_owner(op, req.owner, owner) || (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else
		op_end(op, show_run(op, txn, owner, &req), 0);
	show_req_free(&req);
	return 0;
}
