/* SPDX-License-Identifier: ISC */
/*
 * What the owner of an attachment changes.  To everybody else it does not
 * exist.  One that is withdrawn, or has expired and was swept, has no contents
 * any more; its record stays for a while, to be seen.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

typedef int	(*changer)(struct op *, struct store_txn *,
		    struct adb_attach *, const struct attach_change *);

static void	 change_refuse(struct wbuf *, uint32_t, const char *);
static int	 change_grant(struct op *, struct store_txn *,
		    struct adb_attach *, const struct attach_change *);
static int	 change_revoke(struct op *, struct store_txn *,
		    struct adb_attach *, const struct attach_change *);
static int	 change_expire(struct op *, struct store_txn *,
		    struct adb_attach *, const struct attach_change *);
static int	 change_withdraw(struct op *, struct store_txn *,
		    struct adb_attach *, const struct attach_change *);
static int	 change_run(struct op *, struct store_txn *, const char *,
		    const struct attach_change *, changer);

static void
change_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct change_result	res = { .code = code };

	res.text = (char *)(uintptr_t)text;
	change_result_put(w, &res);
}

int
change_is_live(const struct adb_attach *at, int64_t now)
{
	return at->withdrawn == 0 && at->freed == 0 &&
	    (at->expiry == 0 || at->expiry > now);
}

int
change_find(struct op *op, struct store_txn *txn, const char *owner,
    const uint8_t id[ATTACH_ID], struct adb_attach *at)
{
	struct adb	*db = &op->a->db;

	if (adb_attach_get(db, txn, id, at) == -1) {
		if (errno == EILSEQ) {
			op->a->st.quarantined++;
			if (adb_quarantine(db, txn, db->attach, "attach", id,
			    ATTACH_ID, "the record does not read") == -1)
				return -1;
		} else if (errno != ENOENT)
			return -1;
	} else if (strcmp(at->owner, owner) == 0)
		return 1;
	else
		adb_attach_free(at);
	op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
	return 0;
}

int
change_free(struct op *op, struct store_txn *txn, struct adb_attach *at)
{
	struct adb_version	v;
	struct adb		*db = &op->a->db;
	uint8_t			key[ADB_VERSION_KEY];
	uint32_t		i;
	int64_t			octets = 0;
	int			gone;

	for (i = 1; i <= at->newest; i++) {
		if (adb_version_get(db, txn, at->id, i, &v) == -1) {
			/* Of which content it was nobody knows: that stays. */
			if (errno != ENOENT && errno != EILSEQ)
				return -1;
			continue;
		}
		if (adb_content_drop(db, txn, v.digest, &gone) == -1)
			return -1;
		if (gone)
			op_gone(op, v.digest);
		octets += (int64_t)v.size;
		adb_version_key(key, at->id, i);
		if (store_del(db->version, txn, key, sizeof(key)) == -1)
			return -1;
	}
	at->freed = wstime_now();
	return adb_usage_add(db, txn, at->owner, -octets, 0, 0);
}

/* Each: 0 when done or refused, -1.  The record is written by change_run(). */

static int
change_grant(struct op *op, struct store_txn *txn, struct adb_attach *at,
    const struct attach_change *q)
{
	const int64_t	*limit = op->a->p->conf->limit;
	struct adb_rcpt	 p;
	char		 addr[ADDR_MAX + 1];

	if (!op_address(op, q->addr, addr))
		return 0;
	if (!change_is_live(at, wstime_now())) {
		op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
		return 0;
	}
	snprintf(op->log.reason, sizeof(op->log.reason), "granted to %.120s",
	    addr);
	if (adb_rcpt_get(&op->a->db, txn, at->id, addr, &p) == 0)
		return 0;
	if (errno != ENOENT && errno != EILSEQ)
		return -1;
	if ((int64_t)at->nrcpt >=
	    limit[LIM_RECIPIENTS] + limit[LIM_ALIAS_MEMBERS]) {
		op_limit(op, ST_TOOBIG, "too many recipients",
		    LIM_RECIPIENTS);
		return 0;
	}
	if (errno == ENOENT)
		at->nrcpt++;
	memset(&p, 0, sizeof(p));
	p.added = wstime_now();
	return adb_rcpt_put(&op->a->db, txn, at->id, addr, &p);
}

static int
change_revoke(struct op *op, struct store_txn *txn, struct adb_attach *at,
    const struct attach_change *q)
{
	char	addr[ADDR_MAX + 1];

	if (!op_address(op, q->addr, addr))
		return 0;
	snprintf(op->log.reason, sizeof(op->log.reason), "revoked from %.120s",
	    addr);
	if (adb_rcpt_del(&op->a->db, txn, at->id, addr) == -1) {
		if (errno != ENOENT)
			return -1;
		op_refuse(op, ST_NOUSER, "no such recipient");
		return 0;
	}
	if (at->nrcpt > 0)
		at->nrcpt--;
	return 0;
}

static int
change_expire(struct op *op, struct store_txn *txn, struct adb_attach *at,
    const struct attach_change *q)
{
	char	when[WSTIME_LEN];

	(void)txn;
	if (q->when < 0 || !wstime_ok(q->when)) {
		op_refuse(op, ST_BAD, "not a time");
		return 0;
	}
	/* Its contents are gone, or about to be. */
	if (!change_is_live(at, wstime_now())) {
		op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
		return 0;
	}
	at->expiry = q->when;
	snprintf(op->log.reason, sizeof(op->log.reason), "expires %s",
	    q->when == 0 ? "never" : wstime_format(q->when, when,
	    sizeof(when)));
	return 0;
}

static int
change_withdraw(struct op *op, struct store_txn *txn, struct adb_attach *at,
    const struct attach_change *q)
{
	(void)q;
	strlcpy(op->log.reason, "withdrawn", sizeof(op->log.reason));
	if (at->withdrawn != 0)
		return 0;
	at->withdrawn = wstime_now();
	op->count = &op->a->st.withdrawn;
	return at->freed != 0 ? 0 : change_free(op, txn, at);
}

static int
change_run(struct op *op, struct store_txn *txn, const char *owner,
    const struct attach_change *q, changer fn)
{
	struct change_result	res = { .code = ST_OK };
	struct adb_attach	at;
	int			ret;

	if (fn == NULL)
		return name_update(op, txn, owner, q);
	if ((ret = change_find(op, txn, owner, q->id, &at)) != 1)
		return ret;
	res.version = at.newest;
	change_result_put(&op->reply, &res);
	if ((ret = fn(op, txn, &at, q)) == 0)
		ret = adb_attach_put(&op->a->db, txn, &at);
	adb_attach_free(&at);
	return ret;
}

int
change_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct attach_change	 req;
	struct store_txn	*txn;
	struct rbuf		 r;
	struct op		*op;
	changer			 fn = NULL;	/* an update */
	char			 owner[ADDR_MAX + 1];

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (attach_change_get(&r, &req) == -1)
		return -1;
	switch (imsg->hdr.type) {
	case IMSG_ATTACH_GRANT:
		fn = change_grant;
		break;
	case IMSG_ATTACH_REVOKE:
		fn = change_revoke;
		break;
	case IMSG_ATTACH_EXPIRE:
		fn = change_expire;
		break;
	case IMSG_ATTACH_WITHDRAW:
		fn = change_withdraw;
		break;
	default:
		break;
	}
	op = op_new(a, c, imsg->hdr.id, IMSG_SOAP_ATTACH_CHANGE_RESULT,
	    IMSG_SOAP_ATTACH_CHANGE_RESULT, change_refuse);
	if (!op_owner(op, req.owner, owner) || (txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else {
		op_event(op, "share", owner);
		op_about(op, req.id);
		op_end(op, change_run(op, txn, owner, &req, fn), 1);
	}
	attach_change_free(&req);
	return 0;
}
