/* SPDX-License-Identifier: ISC */
/*
 * Finished uploads become attachments of a message, or new versions of one.
 * Which became what is remembered: who lost the answer asks again.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

#define NAME_VERSIONS	1000		/* of one attachment */

struct naming {
	struct op		*op;
	struct store_txn	*txn;
	const struct name_req	*req;
	const char		*owner;
	int64_t			 now;
	char			(*rcpt)[ADDR_MAX + 1];	/* sorted, each once */
	uint32_t		 nrcpt;
	struct adb_attach	*at;		/* of each upload */
	struct attach_info	*info;
};

static void	 name_refuse(struct wbuf *, uint32_t, const char *);
static int	 name_cmp(const void *, const void *);
static int	 name_rcpts(struct naming *);
static int	 name_judge(struct naming *);
static int	 name_run(struct naming *);
static int	 name_look(struct naming *, const uint8_t[ATTACH_ID]);
static int	 name_one(struct naming *, const uint8_t[ATTACH_ID],
		    struct adb_attach *);
static int	 name_add(struct naming *, const uint8_t[ADB_NAMED_KEY],
		    const uint8_t[ATTACH_ID], struct adb_attach *);
static int	 name_fill(struct adb_attach *, const struct adb_upload *,
		    const char *, int64_t);
static int	 name_version(struct op *, struct store_txn *,
		    const struct adb_upload *, const uint8_t[ATTACH_ID],
		    uint32_t, int64_t);

static void
name_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct attach_list	l = { .code = code };

	l.text = (char *)(uintptr_t)text;
	attach_list_put(w, &l);
}

int
name_info(struct attach *a, struct store_txn *txn,
    const struct adb_attach *at, struct attach_info *i)
{
	struct adb_version	v;

	memset(i, 0, sizeof(*i));
	memcpy(i->id, at->id, ATTACH_ID);
	i->name = at->name;
	i->type = at->type;
	i->description = at->description;
	i->msgid = at->msgid;
	i->created = at->created;
	i->expiry = at->expiry;
	i->withdrawn = at->withdrawn;
	i->version = at->newest;
	i->nrcpt = at->nrcpt;
	i->fetches = at->fetches;
	/* One that is over has no versions any more. */
	if (adb_version_get(&a->db, txn, at->id, at->newest, &v) == 0) {
		i->size = v.size;
		memcpy(i->digest, v.digest, ATTACH_DIGEST);
		return 0;
	}
	return errno == ENOENT || errno == EILSEQ ? 0 : -1;
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* 1, or 0: refused. */
static int
name_rcpts(struct naming *n)
{
	const int64_t	*limit = n->op->a->p->conf->limit;
	uint32_t	 i, k;

	if (n->req->nrcpt == 0) {
		op_refuse(n->op, ST_BAD, "no recipients");
		return 0;
	}
	if ((int64_t)n->req->nrcpt >
	    limit[LIM_RECIPIENTS] + limit[LIM_ALIAS_MEMBERS]) {
		op_limit(n->op, ST_TOOBIG, "too many recipients",
		    LIM_RECIPIENTS);
		return 0;
	}
	if ((n->rcpt = calloc(n->req->nrcpt, sizeof(*n->rcpt))) == NULL)
		fatal("attach");
	for (i = 0; i < n->req->nrcpt; i++)
		if (!op_address(n->op, n->req->rcpt[i], n->rcpt[i]))
			return 0;
	qsort(n->rcpt, n->req->nrcpt, sizeof(*n->rcpt), name_cmp);
	for (i = k = 1; i < n->req->nrcpt; i++)
		if (strcmp(n->rcpt[i], n->rcpt[k - 1]) != 0)
			memmove(n->rcpt[k++], n->rcpt[i], sizeof(*n->rcpt));
	n->nrcpt = k;
	return 1;
}

static int
name_judge(struct naming *n)
{
	const unsigned char	*p;

	if (n->req->nuploads == 0 || n->req->nuploads > ATTACH_PER_MESSAGE) {
		op_refuse(n->op, ST_BAD, n->req->nuploads == 0 ?
		    "no uploads" : "too many attachments");
		return 0;
	}
	for (p = (const unsigned char *)n->req->msgid; *p > 0x20 && *p < 0x7f;)
		p++;
	if (*n->req->msgid == '\0' || *p != '\0') {
		op_refuse(n->op, ST_BAD, "not a MessageId");
		return 0;
	}
	return name_rcpts(n);
}

/*
 * Could it be named, or was it?  1, 0: no, and the op is refused; -1.
 * Asked of all before the first is written, as others share the transaction.
 */
static int
name_look(struct naming *n, const uint8_t id[ATTACH_ID])
{
	struct adb		*db = &n->op->a->db;
	struct adb_attach	 at;
	struct adb_upload	 u;
	uint32_t		 version;
	uint8_t			 key[ADB_NAMED_KEY], is[ATTACH_ID];
	int			 ret;

	if (adb_named_key(key, n->owner, n->req->msgid, id) == -1)
		return -1;
	if (adb_named_get(db, n->txn, key, is, &version) == 0) {
		if (adb_attach_get(db, n->txn, is, &at) == 0) {
			/* Its message was refused, perhaps: nobody had it. */
			if (!(ret = change_is_live(&at, n->now)))
				op_refuse(n->op, ST_NOUSER, ATTACH_NOSUCH);
			adb_attach_free(&at);
			return ret;
		}
		if (errno != ENOENT && errno != EILSEQ)
			return -1;
		op_refuse(n->op, ST_NOUSER, ATTACH_NOSUCH);
		return 0;
	}
	if (errno != ENOENT && errno != EILSEQ)
		return -1;
	if ((ret = upload_find(n->op, n->txn, n->owner, id, &u)) != 1)
		return ret;
	if (u.state != UP_COMPLETE) {
		op_refuse(n->op, ST_NOUSER, "no such finished upload");
		ret = 0;
	}
	adb_upload_free(&u);
	return ret;
}

static int
name_fill(struct adb_attach *at, const struct adb_upload *u,
    const char *msgid, int64_t now)
{
	memset(at, 0, sizeof(*at));
	arc4random_buf(at->id, sizeof(at->id));
	at->owner = strdup(u->owner);
	at->name = strdup(u->name);
	at->type = strdup(u->type);
	at->description = strdup(u->description);
	at->msgid = strdup(msgid);
	at->created = now;
	at->newest = 1;
	if (at->owner != NULL && at->name != NULL && at->type != NULL &&
	    at->description != NULL && at->msgid != NULL)
		return 0;
	adb_attach_free(at);
	errno = ENOMEM;
	return -1;
}

/* The upload's reference on its content becomes the version's. */
static int
name_version(struct op *op, struct store_txn *txn,
    const struct adb_upload *u, const uint8_t id[ATTACH_ID], uint32_t number,
    int64_t now)
{
	struct adb_version	v;
	struct adb		*db = &op->a->db;

	memset(&v, 0, sizeof(v));
	memcpy(v.digest, u->digest, ATTACH_DIGEST);
	v.size = u->size;
	v.time = now;
	if (adb_version_put(db, txn, id, number, &v) == -1 ||
	    adb_upload_del(db, txn, u->id) == -1)
		return -1;
	return adb_usage_add(db, txn, u->owner, (int64_t)u->size,
	    -(int64_t)u->size, -1);
}

static int
name_add(struct naming *n, const uint8_t key[ADB_NAMED_KEY],
    const uint8_t upload[ATTACH_ID], struct adb_attach *at)
{
	struct adb_upload	u;
	struct adb_rcpt		p;
	struct adb		*db = &n->op->a->db;
	uint32_t		 i;
	int			 ret;

	if (adb_upload_get(db, n->txn, upload, &u) == -1)
		return -1;
	ret = name_fill(at, &u, n->req->msgid, n->now);
	if (ret == 0) {
		at->nrcpt = n->nrcpt;
		if (adb_attach_add(db, n->txn, at) == -1 ||
		    name_version(n->op, n->txn, &u, at->id, 1, n->now) == -1 ||
		    adb_named_put(db, n->txn, key, at->id, 1,
		    n->now + ATTACH_KEEP_MS) == -1)
			ret = -1;
	}
	adb_upload_free(&u);
	memset(&p, 0, sizeof(p));
	p.added = n->now;
	for (i = 0; ret == 0 && i < n->nrcpt; i++)
		ret = adb_rcpt_put(db, n->txn, at->id, n->rcpt[i], &p);
	return ret;
}

/* The attachment that this upload is, or becomes. */
static int
name_one(struct naming *n, const uint8_t upload[ATTACH_ID],
    struct adb_attach *at)
{
	struct adb	*db = &n->op->a->db;
	uint32_t	 version;
	uint8_t		 key[ADB_NAMED_KEY], is[ATTACH_ID];

	if (adb_named_key(key, n->owner, n->req->msgid, upload) == -1)
		return -1;
	if (adb_named_get(db, n->txn, key, is, &version) == 0)
		return adb_attach_get(db, n->txn, is, at);
	if (errno != ENOENT && errno != EILSEQ)
		return -1;
	n->op->count = &n->op->a->st.named;
	return name_add(n, key, upload, at);
}

static int
name_run(struct naming *n)
{
	struct attach_list	 l = { .code = ST_OK };
	struct op		*op = n->op;
	uint32_t		 i;
	int			 ret;

	for (i = 0; i < n->req->nuploads; i++)
		if ((ret = name_look(n, n->req->upload[i])) != 1)
			return ret;
	n->at = calloc(n->req->nuploads, sizeof(*n->at));
	n->info = calloc(n->req->nuploads, sizeof(*n->info));
	if (n->at == NULL || n->info == NULL)
		fatal("attach");
	for (i = 0; i < n->req->nuploads; i++)
		if (name_one(n, n->req->upload[i], &n->at[i]) == -1 ||
		    name_info(op->a, n->txn, &n->at[i], &n->info[i]) == -1)
			return -1;
	op_event(op, "attach", n->owner);
	if ((op->log.msgid = strdup(n->req->msgid)) == NULL)
		fatal("attach");
	snprintf(op->log.reason, sizeof(op->log.reason),
	    "%u attachments for %u recipients", n->req->nuploads, n->nrcpt);
	l.n = n->req->nuploads;
	l.info = n->info;
	attach_list_put(&op->reply, &l);
	return 0;
}

int
name_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct name_req	 req;
	struct naming	 n;
	struct rbuf	 r;
	struct op	*op;
	char		 owner[ADDR_MAX + 1];
	uint32_t	 i;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (name_req_get(&r, &req) == -1)
		return -1;
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_NAME_RESULT,
	    IMSG_SOAP_NAME_RESULT, name_refuse);
	memset(&n, 0, sizeof(n));
	n.op = op;
	n.req = &req;
	n.owner = owner;
	n.now = wstime_now();
	if (!op_owner(op, req.owner, owner) || !name_judge(&n) ||
	    (n.txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else
		op_end(op, name_run(&n), 1);
	for (i = 0; n.at != NULL && i < req.nuploads; i++)
		adb_attach_free(&n.at[i]);
	free(n.at);
	free(n.info);
	free(n.rcpt);
	name_req_free(&req);
	return 0;
}

/*
 * A new version; the attachment keeps its name.  0 with the reply's version
 * in the record, or the op refused; -1.
 */
int
name_update(struct op *op, struct store_txn *txn, const char *owner,
    const struct attach_change *q)
{
	struct change_result	res = { .code = ST_OK };
	struct adb_attach	at;
	struct adb_upload	u;
	struct adb		*db = &op->a->db;
	int64_t			now = wstime_now();
	uint8_t			key[ADB_NAMED_KEY], is[ATTACH_ID];
	char			what[ATTACH_HEX];
	int			ret;

	if (adb_named_key(key, owner, attach_id_str(q->id, what),
	    q->upload) == -1)
		return -1;
	if ((ret = change_find(op, txn, owner, q->id, &at)) != 1)
		return ret;
	ret = 0;
	if (adb_named_get(db, txn, key, is, &res.version) == 0) {
		change_result_put(&op->reply, &res);
		goto out;
	}
	if (errno != ENOENT && errno != EILSEQ) {
		ret = -1;
		goto out;
	}
	if (!change_is_live(&at, now)) {
		op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
		goto out;
	}
	if (at.newest >= NAME_VERSIONS) {
		op_refuse(op, ST_TOOBIG, "too many versions");
		goto out;
	}
	if ((ret = upload_find(op, txn, owner, q->upload, &u)) != 1)
		goto out;
	ret = 0;
	if (u.state != UP_COMPLETE)
		op_refuse(op, ST_NOUSER, "no such finished upload");
	else {
		res.version = ++at.newest;
		ret = name_version(op, txn, &u, at.id, at.newest, now);
		if (ret == 0)
			ret = adb_attach_put(db, txn, &at);
		if (ret == 0)
			ret = adb_named_put(db, txn, key, at.id, at.newest,
			    now + ATTACH_KEEP_MS);
		snprintf(op->log.reason, sizeof(op->log.reason),
		    "version %u", at.newest);
		op->count = &op->a->st.updated;
		change_result_put(&op->reply, &res);
	}
	adb_upload_free(&u);
 out:
	adb_attach_free(&at);
	return ret;
}
