/* SPDX-License-Identifier: ISC */
/*
 * Lists of headers: the newest, backwards page by page; or what changed
 * since a change the client knows.  Neither reads a body, and both cost as
 * much as the page is long, however large the mailbox is.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wslocal.h"

#define LIST_BAD_MAX	100	/* records put aside in one request */

struct list_job {
	struct local		*l;
	struct store_txn	*txn;
	const struct list_req	*req;
	struct mdb_user		 u;
	struct list_result	 res;
	uint32_t		 limit;
	uint32_t		 bad[LIST_BAD_MAX];	/* ids that do not read */
	size_t			 nbad;
};

static void	 list_fail(struct wbuf *);
static int	 list_run(struct list_job *);
static int	 list_newest(struct list_job *);
static int	 list_add(struct list_job *, struct mdb_hdr *);
static int	 list_changes(struct list_job *);
static int	 list_walk_changes(struct list_job *, struct store_cursor *,
		    uint32_t *, uint32_t *, uint32_t *, uint32_t *);
static int	 list_new(struct list_job *, const uint32_t *, uint32_t);
static int	 list_cmp(const void *, const void *);
static int	 list_quarantine(struct list_job *);

static void
list_fail(struct wbuf *w)
{
	struct list_result	res = { .code = LOCAL_ERROR };

	list_result_put(w, &res);
}

int
list_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct list_req	 req;
	struct list_job	 j;
	struct rbuf	 r;
	struct op	*op;
	int		 ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (list_req_get(&r, &req) == -1)
		return -1;
	l->st.lists++;
	op = op_new(l, c, imsg->hdr.id, IMSG_SOAP_LIST_RESULT, req.user,
	    list_fail);
	memset(&j, 0, sizeof(j));
	j.l = l;
	j.req = &req;
	j.txn = op_begin(l, req.user, &req.replay, &j.u, &j.res.code);
	if (j.txn == NULL) {
		list_result_put(&op->reply, &j.res);
		op_answer_now(op);
	} else {
		if ((ret = list_run(&j)) == 0 && j.nbad > 0)
			ret = list_quarantine(&j);
		list_result_put(&op->reply, &j.res);
		if (j.nbad > 0) {
			op->changed = 1;
			op->change = (int64_t)j.u.change;
		}
		if (ret == -1)
			op_write_failed(op);
		else
			op_commit(op, j.nbad > 0);
	}
	list_result_free(&j.res);
	list_req_free(&req);
	return 0;
}

static int
list_run(struct list_job *j)
{
	int64_t	page = j->l->p->conf->limit[LIM_LIST_PAGE];

	j->limit = j->req->limit;
	if (j->limit == 0 || (int64_t)j->limit > page)
		j->limit = (uint32_t)page;
	j->res.code = LOCAL_OK;
	j->res.change = (int64_t)j->u.change;
	if (j->req->since_change >= 0)
		return list_changes(j);
	if (j->u.uid == 0)
		return 0;
	return list_newest(j);
}

/* Takes the strings of h into the result. */
static int
list_add(struct list_job *j, struct mdb_hdr *h)
{
	struct mail_header	*p;

	if (j->res.nhdr % 64 == 0) {
		p = reallocarray(j->res.hdr, j->res.nhdr + 64, sizeof(*p));
		if (p == NULL)
			return -1;
		j->res.hdr = p;
	}
	j->res.hdr[j->res.nhdr++] = h->h;
	return 0;
}

static int
list_newest(struct list_job *j)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct mdb_hdr		 h;
	uint8_t			 key[MDB_HDR_KEY];
	uint32_t		 id;
	int			 ret;

	if ((c = store_cursor(j->l->db.hdr, j->txn)) == NULL)
		return -1;
	mdb_hdr_key(key, j->u.uid,
	    j->req->before == 0 ? UINT32_MAX : j->req->before - 1);
	ret = store_seek_le(c, key, sizeof(key), &k, &v);
	for (; ret == 0; ret = store_prev(c, &k, &v)) {
		if (!mdb_hdr_key_read(&k, j->u.uid, &id))
			break;
		if (mdb_hdr_read(&v, &h) == -1) {
			if (errno != EILSEQ) {
				ret = -1;
				goto out;
			}
			if (j->nbad == LIST_BAD_MAX)
				break;
			j->bad[j->nbad++] = id;
			continue;
		}
		if (h.h.received < j->req->since) {
			mdb_hdr_free(&h);
			break;
		}
		if (j->res.nhdr == j->limit) {
			mdb_hdr_free(&h);
			j->res.more = 1;
			break;
		}
		if (list_add(j, &h) == -1) {
			mdb_hdr_free(&h);
			ret = -1;
			goto out;
		}
	}
	if (ret == -1 && errno == ENOENT)
		ret = 0;
 out:
	store_cursor_close(c);
	return ret;
}

static int
list_cmp(const void *va, const void *vb)
{
	const uint32_t	*a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/*
 * Reads up to j->limit changes; new and gone get the ids in the order of the
 * changes.
 */
static int
list_walk_changes(struct list_job *j, struct store_cursor *c, uint32_t *new,
    uint32_t *nnew, uint32_t *gone, uint32_t *ngone)
{
	struct store_val	k, v;
	uint8_t			key[MDB_CHG_KEY];
	uint64_t		change;
	uint32_t		id, n = 0;
	int			kind, ret;

	mdb_chg_key(key, j->u.uid, (uint64_t)j->req->since_change + 1);
	ret = store_seek_ge(c, key, sizeof(key), &k, &v);
	for (; ret == 0; ret = store_next(c, &k, &v)) {
		if (!mdb_chg_key_read(&k, j->u.uid, &change))
			break;
		if (n++ == j->limit) {
			j->res.more = 1;
			break;
		}
		j->res.change = (int64_t)change;
		if (mdb_chg_read(&v, &kind, &id) == -1) {
			if (errno != EILSEQ)
				return -1;
			/* What changed cannot be told: list anew. */
			log_warnx("local: %s: change %lld does not read",
			    j->req->user, (long long)change);
			j->res.code = LOCAL_RESYNC;
			break;
		}
		if (kind == MDB_NEW)
			new[(*nnew)++] = id;
		else
			gone[(*ngone)++] = id;
	}
	return ret == -1 && errno != ENOENT ? -1 : 0;
}

/* Headers of the ids that are still there. */
static int
list_new(struct list_job *j, const uint32_t *new, uint32_t nnew)
{
	struct mdb_hdr	h;
	uint32_t	i;

	for (i = 0; i < nnew; i++) {
		if (mdb_hdr_get(&j->l->db, j->txn, j->u.uid, new[i],
		    &h) == 0) {
			if (list_add(j, &h) == -1) {
				mdb_hdr_free(&h);
				return -1;
			}
		} else if (errno == EILSEQ) {
			if (j->nbad < LIST_BAD_MAX)
				j->bad[j->nbad++] = new[i];
		} else if (errno != ENOENT)	/* deleted by a later change */
			return -1;
	}
	return 0;
}

/*
 * A message that came and went within the range is told as deleted only; the
 * client that never saw it takes no notice.
 */
static int
list_changes(struct list_job *j)
{
	struct store_cursor	*c = NULL;
	uint32_t		*new, *gone, nnew = 0, ngone = 0;
	int			 ret = -1;
	uint64_t		 since = (uint64_t)j->req->since_change;

	if (since < j->u.floor || since > j->u.change) {
		j->res.code = LOCAL_RESYNC;
		return 0;
	}
	if (since == j->u.change)
		return 0;
	new = calloc(j->limit, sizeof(*new));
	gone = calloc(j->limit, sizeof(*gone));
	if (new == NULL || gone == NULL ||
	    (c = store_cursor(j->l->db.chg, j->txn)) == NULL ||
	    list_walk_changes(j, c, new, &nnew, gone, &ngone) == -1)
		goto out;
	ret = 0;
	if (j->res.code != LOCAL_OK || (ret = list_new(j, new, nnew)) == -1)
		goto out;
	qsort(gone, ngone, sizeof(*gone), list_cmp);
	j->res.deleted = gone;
	j->res.ndeleted = ngone;
	gone = NULL;
 out:
	store_cursor_close(c);
	free(new);
	free(gone);
	return ret;
}

static int
list_quarantine(struct list_job *j)
{
	size_t	i;

	for (i = 0; i < j->nbad; i++)
		if (delete_quarantine(j->l, j->txn, j->req->user, &j->u,
		    j->bad[i], 0, "the header does not read") == -1)
			return -1;
	if (j->req->since_change < 0)
		j->res.change = (int64_t)j->u.change;
	return mdb_user_put(&j->l->db, j->txn, j->req->user, &j->u);
}
