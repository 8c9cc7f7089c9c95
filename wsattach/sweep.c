/* SPDX-License-Identifier: ISC */
/*
 * What is done each second: free space is looked at, the log of the store is
 * checkpointed when it has grown, and what is over goes: uploads that nobody
 * goes on with, the contents of expired attachments, the records of those
 * that ended long ago.  The tables are walked round in key order, a slice a
 * second; what is found is written in a transaction of its own.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

#define SWEEP_SLICE	1000	/* records a second and table */
#define SWEEP_FOUND	50	/* of these, handled at a time */
#define SWEEP_ROWS	1000	/* of one attachment, removed at a time */

struct sweep_found {
	uint8_t	key[ADB_NAMED_KEY];	/* the longest of these tables */
	size_t	len;
};

typedef int	(*sweep_is)(struct attach *, const struct store_val *,
		    const struct store_val *, int64_t);
typedef int	(*sweep_do)(struct op *, struct store_txn *,
		    const struct sweep_found *, int64_t);

static void	 sweep_table(struct attach *, struct sweep *,
		    struct store_table *, sweep_is, sweep_do);
static size_t	 sweep_find(struct attach *, struct sweep *,
		    struct store_table *, sweep_is, struct sweep_found *);
static void	 sweep_one(struct attach *, const struct sweep_found *,
		    sweep_do);
static int	 upload_is_over(struct attach *, const struct store_val *,
		    const struct store_val *, int64_t);
static int	 upload_over(struct op *, struct store_txn *,
		    const struct sweep_found *, int64_t);
static int	 attach_is_over(struct attach *, const struct store_val *,
		    const struct store_val *, int64_t);
static int	 attach_over(struct op *, struct store_txn *,
		    const struct sweep_found *, int64_t);
static int	 attach_forget(struct op *, struct store_txn *,
		    struct adb_attach *);
static int	 named_is_over(struct attach *, const struct store_val *,
		    const struct store_val *, int64_t);
static int	 named_over(struct op *, struct store_txn *,
		    const struct sweep_found *, int64_t);

void
sweep_tick(struct attach *a)
{
	a->space = store_free_space(a->db.store);
	sweep_table(a, &a->sw_upload, a->db.upload, upload_is_over,
	    upload_over);
	sweep_table(a, &a->sw_attach, a->db.attach, attach_is_over,
	    attach_over);
	sweep_table(a, &a->sw_named, a->db.named, named_is_over, named_over);
	if (store_maintain(a->db.store, 0) == -1) {
		if (errno == EFAULT)
			fatalx("attach: the store is lost (%s), a new start "
			    "recovers it", store_errstr(a->db.store));
		log_warn("attach: checkpoint: %s", store_errstr(a->db.store));
	}
}

/* Walks one slice.  The number of keys found. */
static size_t
sweep_find(struct attach *a, struct sweep *s, struct store_table *t,
    sweep_is is_over, struct sweep_found *found)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	int64_t			 now = wstime_now();
	size_t			 n = 0;
	int			 looked = 0, ret;

	if ((c = store_cursor(t, NULL)) == NULL) {
		log_warn("attach: sweep");
		return 0;
	}
	ret = store_seek_ge(c, s->key, s->len, &k, &v);
	for (; ret == 0 && looked < SWEEP_SLICE && n < SWEEP_FOUND;
	    ret = store_next(c, &k, &v), looked++) {
		if (k.len > sizeof(found->key) || !is_over(a, &k, &v, now))
			continue;
		memcpy(found[n].key, k.p, k.len);
		found[n++].len = k.len;
	}
	s->len = 0;
	if (ret == 0 && k.len <= sizeof(s->key)) {
		memcpy(s->key, k.p, k.len);
		s->len = k.len;
	} else if (ret == -1 && errno != ENOENT)
		log_warn("attach: sweep");
	store_cursor_close(c);
	return n;
}

static void
sweep_one(struct attach *a, const struct sweep_found *f, sweep_do over)
{
	struct store_txn	*txn;
	struct op		*op;

	op = op_new(a, NULL, 0, 0, 0, NULL);
	if ((txn = op_txn(op)) == NULL)
		op_answer_now(op);
	else
		op_end(op, over(op, txn, f, wstime_now()), 0);
}

static void
sweep_table(struct attach *a, struct sweep *s, struct store_table *t,
    sweep_is is_over, sweep_do over)
{
	struct sweep_found	*found;
	size_t			 i, n;

	if ((found = calloc(SWEEP_FOUND, sizeof(*found))) == NULL)
		fatal("attach");
	n = sweep_find(a, s, t, is_over, found);
	for (i = 0; i < n; i++)
		sweep_one(a, &found[i], over);
	free(found);
}

/* upload */

static int
upload_is_over(struct attach *a, const struct store_val *k,
    const struct store_val *v, int64_t now)
{
	struct adb_upload	u;
	int			over;

	/* Of one that does not read nobody knows its time: it is asked for. */
	if (adb_upload_read(k, v, &u) == -1)
		return 0;
	over = now - u.active >=
	    a->p->conf->limit[LIM_UPLOAD_EXPIRY] * 1000 &&
	    !hash_is_busy(a, u.id);
	adb_upload_free(&u);
	return over;
}

static int
upload_over(struct op *op, struct store_txn *txn,
    const struct sweep_found *f, int64_t now)
{
	struct adb_upload	u;
	int			ret;

	(void)now;
	if (adb_upload_get(&op->a->db, txn, f->key, &u) == -1)
		return errno == ENOENT || errno == EILSEQ ? 0 : -1;
	/* On its way to its name: it is found there, or here, and then goes. */
	ret = u.state == UP_PLACING ? finish_settle(op->a, txn, &u) : 0;
	if (ret == 0) {
		op_event(op, "forget", u.owner);
		strlcpy(op->log.reason, "an upload that nobody went on with",
		    sizeof(op->log.reason));
		op->count = &op->a->st.expired;
		ret = upload_remove(op, txn, &u);
	}
	adb_upload_free(&u);
	return ret == -1 ? -1 : 0;
}

/* attach */

static int
attach_is_over(struct attach *a, const struct store_val *k,
    const struct store_val *v, int64_t now)
{
	struct adb_attach	at;
	int			over;

	(void)a;
	if (adb_attach_read(k, v, &at) == -1)
		return 0;
	over = at.freed != 0 ? now - at.freed >= ATTACH_KEEP_MS :
	    !change_is_live(&at, now);
	adb_attach_free(&at);
	return over;
}

/* The last of it goes when all that hangs on it is gone. */
static int
attach_forget(struct op *op, struct store_txn *txn, struct adb_attach *at)
{
	struct adb	*db = &op->a->db;
	int		 ret;

	if ((ret = adb_purge(db->fetch, txn, at->id, SWEEP_ROWS)) == 0 &&
	    (ret = adb_purge(db->rcpt, txn, at->id, SWEEP_ROWS)) == 0 &&
	    (ret = adb_purge(db->version, txn, at->id, SWEEP_ROWS)) == 0) {
		op->count = &op->a->st.forgotten;
		return adb_attach_del(db, txn, at);
	}
	op->log.ev = NULL;		/* more of it the next time */
	return ret == -1 ? -1 : 0;
}

static int
attach_over(struct op *op, struct store_txn *txn,
    const struct sweep_found *f, int64_t now)
{
	struct adb_attach	at;
	int			ret;

	if (adb_attach_get(&op->a->db, txn, f->key, &at) == -1)
		return errno == ENOENT || errno == EILSEQ ? 0 : -1;
	op_event(op, "forget", at.owner);
	op_about(op, at.id);
	if (at.freed != 0 && now - at.freed >= ATTACH_KEEP_MS) {
		strlcpy(op->log.reason, "the record of an attachment",
		    sizeof(op->log.reason));
		ret = attach_forget(op, txn, &at);
	} else {
		strlcpy(op->log.reason, "the contents of an attachment that "
		    "expired", sizeof(op->log.reason));
		if ((ret = change_free(op, txn, &at)) == 0)
			ret = adb_attach_put(&op->a->db, txn, &at);
	}
	adb_attach_free(&at);
	return ret;
}

/* named */

static int
named_is_over(struct attach *a, const struct store_val *k,
    const struct store_val *v, int64_t now)
{
	int64_t	until;

	(void)a;
	(void)k;
	return adb_named_until(v, &until) == 0 && until < now;
}

static int
named_over(struct op *op, struct store_txn *txn,
    const struct sweep_found *f, int64_t now)
{
	(void)now;
	if (store_del(op->a->db.named, txn, f->key, f->len) == -1 &&
	    errno != ENOENT)
		return -1;
	return 0;
}
