/* SPDX-License-Identifier: ISC */
/*
 * wsqueue/qdb.c, wslocal/mdb.c: a record with a value that nobody writes does
 * not read (EILSEQ), so that no other code has to reckon with it.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "mdb.h"
#include "qdb.h"
#include "tap.h"
#include "testdir.h"

static void	 msg_value(struct wbuf *, const struct qdb_msg *);
static int	 msg_reads(const struct qdb_msg *);
static void	 test_msg(void);
static int	 env_reads(struct qdb *, const struct qdb_env *);
static void	 test_env(struct qdb *);
static int	 hdr_reads(struct mdb *, const struct mdb_hdr *);
static void	 test_hdr(struct mdb *);
static int	 user_reads(struct mdb *, const struct mdb_user *);
static void	 test_user(struct mdb *);
static int	 chg_reads(uint8_t kind, uint32_t id);
static void	 test_chg(void);

static struct store_txn	*txn;		/* of the store that is looked at */
static char	 addr[] = "a@a.test", text[] = "x";

static void
msg_value(struct wbuf *w, const struct qdb_msg *m)
{
	wbuf_init(w);
	wbuf_u8(w, 1);
	wbuf_u64(w, m->qid);
	wbuf_u32(w, m->flags);
	wbuf_u32(w, m->origin);
	wbuf_i64(w, m->arrival);
	wbuf_str(w, m->principal);
	wbuf_str(w, m->peer);
	mail_facts_put(w, &m->facts);
	wbuf_u32(w, m->body_len);
	wbuf_u32(w, m->sig_len);
	wbuf_u32(w, m->blob);
	wbuf_raw(w, m->digest, sizeof(m->digest));
}

static int
msg_reads(const struct qdb_msg *m)
{
	struct store_val	 v;
	struct qdb_msg		 got;
	struct wbuf		 w;
	int			 ret;

	msg_value(&w, m);
	v.p = w.data;
	v.len = w.len;
	if ((ret = qdb_msg_read(&v, &got)) == 0)
		qdb_msg_free(&got);
	else
		is_int(errno, EILSEQ, "EILSEQ");
	wbuf_free(&w);
	return ret == 0;
}

static void
test_msg(void)
{
	struct qdb_msg	 good, m;

	memset(&good, 0, sizeof(good));
	good.origin = SUBMIT_USER;
	good.principal = good.facts.sender = addr;
	good.peer = good.facts.msgid = good.facts.subject = text;
	ok(msg_reads(&good), "facts of a message");
	m = good;
	m.arrival = INT64_MAX;
	ok(!msg_reads(&m), "not of a time to which none can be added");
	m = good;
	m.facts.timestamp = INT64_MIN;
	ok(!msg_reads(&m), "nor sent at one");
	m = good;
	m.origin = SUBMIT_BOUNCE + 1;
	ok(!msg_reads(&m), "nor of an unknown origin");
	m = good;
	m.blob = 2;
	ok(!msg_reads(&m), "nor half in a file");
}

static int
env_reads(struct qdb *db, const struct qdb_env *e)
{
	struct qdb_env	 got;
	int		 ret;

	if (qdb_env_put(db, txn, e) == -1)
		exit(1);
	if ((ret = qdb_env_get(db, txn, e->qid, e->rno, &got)) == 0)
		qdb_env_free(&got);
	else
		is_int(errno, EILSEQ, "EILSEQ");
	return ret == 0;
}

static void
test_env(struct qdb *db)
{
	struct qdb_env	 good, e;

	memset(&good, 0, sizeof(good));
	good.qid = 1;
	good.state = QE_WAITING;
	good.addr = addr;
	good.orig = good.reason = good.host = text;
	ok(env_reads(db, &good), "a recipient");
	e = good;
	e.next = INT64_MIN;
	ok(!env_reads(db, &e), "not due at a time that is none");
	e = good;
	e.last = INT64_MAX;
	ok(!env_reads(db, &e), "nor tried at one");
}

static int
hdr_reads(struct mdb *db, const struct mdb_hdr *h)
{
	struct mdb_hdr	 got;
	int		 ret;

	if (mdb_hdr_put(db, txn, 1, h) == -1)
		exit(1);
	if ((ret = mdb_hdr_get(db, txn, 1, h->h.id, &got)) == 0)
		mdb_hdr_free(&got);
	else
		is_int(errno, EILSEQ, "EILSEQ");
	return ret == 0;
}

static void
test_hdr(struct mdb *db)
{
	struct mdb_hdr	 good, h;

	memset(&good, 0, sizeof(good));
	good.h.id = 1;
	good.h.sender = addr;
	good.h.subject = good.h.msgid = text;
	ok(hdr_reads(db, &good), "a header");
	h = good;
	h.h.id = 0;
	ok(!hdr_reads(db, &h), "not of message 0");
	h = good;
	h.h.timestamp = INT64_MAX;
	ok(!hdr_reads(db, &h), "nor sent in a year that cannot be written");
	h = good;
	h.h.received = INT64_MIN;
	ok(!hdr_reads(db, &h), "nor received in one");
}

static int
user_reads(struct mdb *db, const struct mdb_user *u)
{
	struct mdb_user	 got;
	int		 ret;

	if (mdb_user_put(db, txn, addr, u) == -1)
		exit(1);
	if ((ret = mdb_user_get(db, txn, addr, &got)) == -1)
		is_int(errno, EILSEQ, "EILSEQ");
	return ret == 0;
}

static void
test_user(struct mdb *db)
{
	struct mdb_user	 good, u;

	memset(&good, 0, sizeof(good));
	good.uid = 1;
	good.change = 2;
	good.floor = 2;
	ok(user_reads(db, &good), "a mailbox");
	u = good;
	u.uid = 0;
	ok(!user_reads(db, &u), "not with the number of none");
	u = good;
	u.floor = 3;
	ok(!user_reads(db, &u), "nor trimmed beyond its last change");
	u = good;
	u.change = (uint64_t)INT64_MAX + 1;
	ok(!user_reads(db, &u), "nor with a change that cannot be told");
}

static int
chg_reads(uint8_t kind, uint32_t id)
{
	struct store_val	 v;
	uint8_t			 rec[6] = { 1, kind, 0, 0, 0, (uint8_t)id };
	int			 got;

	v.p = rec;
	v.len = sizeof(rec);
	return mdb_chg_read(&v, &got, &id) == 0;
}

/* A client is told of what is not new that it is gone. */
static void
test_chg(void)
{
	ok(chg_reads(MDB_NEW, 1) && chg_reads(MDB_DELETED, 1), "changes");
	ok(!chg_reads(0, 1) && errno == EILSEQ, "of no kind");
	ok(!chg_reads(MDB_DELETED + 1, 1) && errno == EILSEQ,
	    "of an unknown kind");
	ok(!chg_reads(MDB_NEW, 0) && errno == EILSEQ, "of message 0");
}

int
main(void)
{
	char		 dir[] = "/tmp/test_records.XXXXXX";
	struct qdb	 q;
	struct mdb	 m;

	testdir_enter(dir);
	log_init("test", 1, 0);
	if (mkdir("queue", 0700) == -1 || mkdir("local", 0700) == -1 ||
	    chdir("queue") == -1 || qdb_open(&q) == -1 ||
	    (txn = store_begin(q.store)) == NULL)
		exit(1);
	test_msg();
	test_env(&q);
	store_abort(txn);
	qdb_close(&q);
	if (chdir("../local") == -1 || mdb_open(&m) == -1 ||
	    (txn = store_begin(m.store)) == NULL)
		exit(1);
	test_hdr(&m);
	test_user(&m);
	test_chg();
	store_abort(txn);
	mdb_close(&m);
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
