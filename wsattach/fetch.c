/* SPDX-License-Identifier: ISC */
/*
 * Octets out, a piece at a time.  That an attachment does not exist, is
 * withdrawn or expired, or is not for who asks, is one and the same answer.
 * Requests wait in line while more octets are on their way out than
 * FETCH_AHEAD, so that this process holds a bounded number of them however
 * many ask.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

#define FETCH_AHEAD	(64U << 20)	/* octets */
#define FETCH_WAITING	10000		/* requests in line */
#define FETCH_RETRY_USEC 2000
#define FETCH_PAUSE_MS	(10 * 60 * 1000)	/* a longer one: another fetch */
#define FETCH_NOTE_MS	(60 * 1000)	/* "last" is at most so old */
#define FETCH_LOG_MAX	1000		/* of one recipient */

static void	 fetch_refuse(struct wbuf *, uint32_t, const char *);
static void	 fetch_free(struct attach *, struct fetch *);
static void	 fetch_wake(struct attach *, long);
static void	 fetch_one(struct attach *, const struct fetch *);
static int	 fetch_find(struct op *, struct store_txn *, const char *,
		    const struct fetch_req *, struct adb_attach *,
		    struct adb_rcpt *);
static int	 fetch_version(struct op *, struct store_txn *,
		    const struct adb_attach *, uint32_t,
		    struct adb_version *);
static int	 fetch_damaged(struct op *, struct store_txn *,
		    const struct adb_version *, const char *);
static int	 fetch_read(struct op *, struct store_txn *,
		    const struct adb_version *, uint64_t, uint64_t);
static int	 fetch_copy(struct attach *, int, int, uint64_t, uint64_t);
static int	 fetch_run(struct op *, struct store_txn *, const char *,
		    const struct fetch_req *, struct adb_attach *);
static int	 fetch_note(struct op *, struct store_txn *, const char *,
		    struct adb_attach *, struct adb_rcpt *, uint32_t, int);

static void
fetch_refuse(struct wbuf *w, uint32_t code, const char *text)
{
	struct fetch_result	res = { .code = code };

	res.text = (char *)(uintptr_t)text;
	fetch_result_put(w, &res);
}

static void
fetch_wake(struct attach *a, long usec)
{
	struct timeval	tv = { 0, usec };

	if (evtimer_add(a->fetch_ev, &tv) == -1)
		fatalx("attach: cannot set the timer of fetches");
}

static void
fetch_free(struct attach *a, struct fetch *f)
{
	TAILQ_REMOVE(&a->fetches, f, entry);
	a->nfetches--;
	fetch_req_free(&f->req);
	free(f);
}

int
fetch_handle(struct attach *a, struct chan *c, struct imsg *imsg)
{
	struct fetch	*f;
	struct rbuf	 r;
	struct op	*op;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		fatal("attach");
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (fetch_req_get(&r, &f->req) == -1) {
		free(f);
		return -1;
	}
	f->chan = c;
	f->reqid = imsg->hdr.id;
	TAILQ_INSERT_TAIL(&a->fetches, f, entry);
	if (++a->nfetches <= FETCH_WAITING) {
		if (a->nfetches == 1)
			fetch_wake(a, 0);
		return 0;
	}
	op = op_new(a, c, f->reqid, IMSG_SOAP_FETCH_REFUSED,
	    IMSG_SOAP_FETCH_REFUSED, fetch_refuse);
	op_refuse(op, ST_TEMPFAIL, "too many are fetching");
	op_answer_now(op);
	fetch_free(a, f);
	return 0;
}

void
fetch_peer_down(struct attach *a, struct chan *c)
{
	struct fetch	*f, *next;

	for (f = TAILQ_FIRST(&a->fetches); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->chan == c)
			fetch_free(a, f);
	}
}

/* Those whose channel has taken all that was said before, in order. */
void
fetch_turn(evutil_socket_t fd, short what, void *arg)
{
	struct attach	*a = arg;
	struct fetch	*f, *next;
	int		 did = 0;

	(void)fd;
	(void)what;
	for (f = TAILQ_FIRST(&a->fetches); f != NULL &&
	    a->holding < FETCH_AHEAD; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (!TAILQ_EMPTY(&f->chan->ibuf.out))
			continue;
		fetch_one(a, f);
		fetch_free(a, f);
		/* Others have a turn between two pieces. */
		did = 1;
		break;
	}
	if (!TAILQ_EMPTY(&a->fetches))
		fetch_wake(a, did ? 0 : FETCH_RETRY_USEC);
}

static void
fetch_one(struct attach *a, const struct fetch *f)
{
	struct store_txn	*txn;
	struct adb_attach	 at;
	struct op		*op;
	char			 who[ADDR_MAX + 1];
	int			 ret;

	memset(&at, 0, sizeof(at));
	op = op_new(a, f->chan, f->reqid, IMSG_SOAP_FETCH_DATA,
	    IMSG_SOAP_FETCH_REFUSED, fetch_refuse);
	if (!op_address(op, f->req.principal, who) ||
	    (txn = op_txn(op)) == NULL) {
		op_answer_now(op);
		return;
	}
	op_event(op, "fetch", who);
	op_about(op, f->req.id);
	ret = fetch_run(op, txn, who, &f->req, &at);
	adb_attach_free(&at);
	if (op->fd == -1)
		a->st.refused++;
	else if (ret == 0)
		op->log.ev = NULL;	/* one of the pieces that follow */
	/* What is logged as fetched is so before anybody has it. */
	op_end(op, ret == -1 ? -1 : 0, ret == 1);
}

/*
 * The attachment, and the row of who asks (for the owner there is none).  1,
 * 0: refused, whatever it was, or -1.
 */
static int
fetch_find(struct op *op, struct store_txn *txn, const char *who,
    const struct fetch_req *q, struct adb_attach *at, struct adb_rcpt *p)
{
	struct adb	*db = &op->a->db;
	uint8_t		 key[ADB_KEY_MAX];
	size_t		 len;

	if (adb_attach_get(db, txn, q->id, at) == -1) {
		if (errno == EILSEQ) {
			op->a->st.quarantined++;
			if (adb_quarantine(db, txn, db->attach, "attach",
			    q->id, ATTACH_ID, "the record does not read") == -1)
				return -1;
		} else if (errno != ENOENT)
			return -1;
		goto refuse;
	}
	memset(p, 0, sizeof(*p));
	if (strcmp(at->owner, who) != 0 &&
	    adb_rcpt_get(db, txn, q->id, who, p) == -1) {
		if (errno == EILSEQ) {
			op->a->st.quarantined++;
			len = adb_rcpt_key(key, q->id, who);
			if (adb_quarantine(db, txn, db->rcpt, "rcpt", key,
			    len, "the record does not read") == -1)
				return -1;
		} else if (errno != ENOENT)
			return -1;
		goto refuse;
	}
	if (change_is_live(at, wstime_now()) && q->version <= at->newest)
		return 1;
 refuse:
	op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
	return 0;
}

/* 1, 0: refused, or -1. */
static int
fetch_version(struct op *op, struct store_txn *txn,
    const struct adb_attach *at, uint32_t number, struct adb_version *v)
{
	struct adb	*db = &op->a->db;
	uint8_t		 key[ADB_VERSION_KEY];

	if (adb_version_get(db, txn, at->id, number, v) == 0)
		return 1;
	if (errno == ENOENT) {
		op_refuse(op, ST_NOUSER, ATTACH_NOSUCH);
		return 0;
	}
	if (errno != EILSEQ)
		return -1;
	op->a->st.quarantined++;
	op_refuse(op, ST_TEMPFAIL, "the attachment is damaged");
	adb_version_key(key, at->id, number);
	return adb_quarantine(db, txn, db->version, "version", key,
	    sizeof(key), "the record does not read");
}

static int
fetch_damaged(struct op *op, struct store_txn *txn,
    const struct adb_version *v, const char *why)
{
	op_refuse(op, ST_TEMPFAIL, "the attachment is damaged");
	return why == NULL ? 0 : scrub_damaged(op->a, txn, v->digest, why);
}

/* 0, 1: the file is shorter, or -1. */
static int
fetch_copy(struct attach *a, int from, int to, uint64_t offset, uint64_t len)
{
	uint64_t	off;
	size_t		want;
	ssize_t		n;

	for (off = 0; off < len; off += want) {
		want = len - off < ATTACH_BUF ? (size_t)(len - off) :
		    ATTACH_BUF;
		if ((n = file_read(from, a->buf, want, offset + off)) == -1)
			return -1;
		if ((size_t)n != want)
			return 1;
		if (file_write(to, a->buf, want, off) == -1)
			return -1;
	}
	return 0;
}

/* The octets, in a descriptor of the op's.  1, 0: refused, or -1. */
static int
fetch_read(struct op *op, struct store_txn *txn, const struct adb_version *v,
    uint64_t offset, uint64_t len)
{
	struct adb_content	c;
	uint64_t		size;
	int			from, to, ret;

	if (adb_content_get(&op->a->db, txn, v->digest, &c) == -1) {
		if (errno != ENOENT && errno != EILSEQ)
			return -1;
		return fetch_damaged(op, txn, v, NULL);
	}
	if (c.bad)
		return fetch_damaged(op, txn, v, NULL);
	if ((from = file_content_open(v->digest, &size)) == -1) {
		if (errno == ENOENT)
			return fetch_damaged(op, txn, v, "no file");
		log_warn("attach: content");
		op_refuse(op, ST_TEMPFAIL, "it cannot be read now");
		return 0;
	}
	if (size != v->size) {
		close(from);
		return fetch_damaged(op, txn, v, "the file has another size");
	}
	ret = -1;
	if ((to = compat_anonfd()) != -1 &&
	    (ret = fetch_copy(op->a, from, to, offset, len)) == 0)
		ret = compat_seal(to);
	if (ret != 0)
		log_warn("attach: content");
	close(from);
	if (ret == 0) {
		op_hold(op, to, len);
		return 1;
	}
	if (to != -1)
		close(to);
	op_refuse(op, ST_TEMPFAIL, "it cannot be read now");
	return 0;
}

/* 1: it was noted as a fetch, 0: no need, -1. */
static int
fetch_note(struct op *op, struct store_txn *txn, const char *who,
    struct adb_attach *at, struct adb_rcpt *p, uint32_t version, int first)
{
	struct adb	*db = &op->a->db;
	int64_t		 now = wstime_now();

	if (strcmp(at->owner, who) == 0)
		return 0;
	if (!first && p->version == version && now >= p->last &&
	    now - p->last < FETCH_PAUSE_MS) {
		if (now - p->last < FETCH_NOTE_MS)
			return 0;
		p->last = now;
		return adb_rcpt_put(db, txn, at->id, who, p);
	}
	p->last = now;
	p->version = version;
	at->fetches++;
	if (p->fetches++ < FETCH_LOG_MAX && adb_fetch_put(db, txn, at->id,
	    ++at->logged, who, version, now) == -1)
		return -1;
	if (adb_rcpt_put(db, txn, at->id, who, p) == -1 ||
	    adb_attach_put(db, txn, at) == -1)
		return -1;
	op->count = &op->a->st.fetches;
	return 1;
}

/* As fetch_note(); 0 also when it was refused. */
static int
fetch_run(struct op *op, struct store_txn *txn, const char *who,
    const struct fetch_req *q, struct adb_attach *at)
{
	struct fetch_result	res = { .code = ST_OK };
	struct adb_version	v;
	struct adb_rcpt		p;
	uint64_t		most;
	int			ret;

	if ((ret = fetch_find(op, txn, who, q, at, &p)) != 1)
		return ret;
	res.newest = at->newest;
	res.version = q->version == 0 ? at->newest : q->version;
	if ((ret = fetch_version(op, txn, at, res.version, &v)) != 1)
		return ret;
	if (q->offset > v.size) {
		op_refuse(op, ST_BAD, "it ends before that offset");
		return 0;
	}
	most = (uint64_t)op->a->p->conf->limit[LIM_ATTACHMENT_PIECE];
	res.length = q->length == 0 || q->length > most ? most : q->length;
	if (res.length > v.size - q->offset)
		res.length = v.size - q->offset;
	if ((ret = fetch_read(op, txn, &v, q->offset, res.length)) != 1)
		return ret;
	res.size = v.size;
	res.offset = q->offset;
	memcpy(res.digest, v.digest, sizeof(res.digest));
	fetch_result_put(&op->reply, &res);
	snprintf(op->log.reason, sizeof(op->log.reason),
	    "version %u, from octet %llu", res.version,
	    (unsigned long long)res.offset);
	return fetch_note(op, txn, who, at, &p, res.version, q->offset == 0);
}
