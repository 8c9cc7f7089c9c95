/* SPDX-License-Identifier: ISC */
/*
 * Mail in.  A submission is judged, written into the open transaction, and
 * answered when that is on disk, together with all that shared it.
 *
 *	S1 nothing is written		a crash: the client has no answer and
 *					sends again
 *	S2 large body: tmp, fsync,	a crash: the file has no record and is
 *	   rename, fsync directory	removed at start
 *	S3 records in the transaction:	a crash: recovery undoes all of them
 *	   message, body, recipients,
 *	   MessageId, nonce
 *	S4 the transaction is synced	accepted: from here on the mail is ours
 *	S5 the answer is sent		a crash between S4 and S5: the client
 *					sends again, the MessageId is known,
 *					200 once more and nothing is queued
 */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "blob.h"
#include "log.h"
#include "rate.h"
#include "wsemail.h"
#include "wstime.h"
#include "wsqueue.h"

#define SUBMIT_RESERVE	(32LL << 20)	/* octets of disk left alone */
#define DEDUP_MIN	(5 * 86400LL)	/* s: what a peer's ttl may be */
#define DEDUP_MORE	86400LL		/* s beyond that */

struct submission {
	TAILQ_ENTRY(submission)	 entry;
	struct queue		*q;
	struct chan		*chan;		/* NULL: gone meanwhile */
	uint64_t		 reqid;
	int			 listed;
	int			 nonce_only;
	struct submit		 s;		/* body only while it is handled */
	struct submit_result	 res;
	struct resolved		 to;
	uint8_t			*known;		/* peer: recipient is a repeat */
	struct qdb_msg		 msg;		/* strings are s's */
	int			 effect;	/* a message was written */
	int			 blob_made;
};

static void	 submission_free(struct submission *);
static void	 submit_answer(struct submission *);
static void	 submit_later(struct submission *);
static void	 submit_committed(void *, int);
static void	 submit_set(struct submission *, uint32_t, const char *);
static int	 submit_refuse_rcpt(struct submission *, const char *,
		    uint32_t, const char *);
static void	 submit_tempfail(struct submission *, const char *);
static int	 submit_judge(struct submission *, struct store_txn *);
static int	 submit_known(struct queue *, struct store_txn *,
		    const uint8_t[32], const uint8_t[32]);
static int	 submit_judge_user(struct submission *, struct store_txn *);
static int	 submit_judge_peer(struct submission *, struct store_txn *);
static int	 submit_judge_peer_rcpt(struct submission *,
		    struct store_txn *, uint32_t, const uint8_t[32]);
static int	 submit_judge_bounce(struct submission *);
static int	 submit_has_room(struct submission *);
static int	 submit_has_rate(struct submission *);
static int	 submit_write(struct submission *, struct store_txn *);
static int	 submit_write_dedup(struct submission *, struct store_txn *);
static int64_t	 submit_first(const struct submission *);
static void	 submit_insert(struct submission *);
static void	 submit_log(struct submission *);
static int	 submit_is_sane(const struct submit *);

static void
submission_free(struct submission *sub)
{
	struct queue	*q = sub->q;

	if (sub->listed) {
		TAILQ_REMOVE(&q->submissions, sub, entry);
		if (sub->effect) {
			q->pend_msgs--;
			q->pend_bytes -= (uint64_t)sub->msg.body_len +
			    sub->msg.sig_len;
		}
	}
	submit_free(&sub->s);
	submit_result_free(&sub->res);
	resolve_free(&sub->to);
	free(sub->known);
	free(sub);
}

static void
submit_set(struct submission *sub, uint32_t code, const char *text)
{
	sub->res.code = code;
	free(sub->res.text);
	if ((sub->res.text = strdup(text)) == NULL)
		fatal("queue");
}

static void
submit_tempfail(struct submission *sub, const char *why)
{
	submit_set(sub, ST_TEMPFAIL, why);
}

static int
submit_refuse_rcpt(struct submission *sub, const char *addr, uint32_t code,
    const char *text)
{
	struct rcpt_status	*p;

	p = reallocarray(sub->res.rcpt, sub->res.nrcpt + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	sub->res.rcpt = p;
	p += sub->res.nrcpt;
	p->code = code;
	if ((p->addr = strdup(addr)) == NULL)
		return -1;
	if ((p->text = strdup(text)) == NULL) {
		free(p->addr);
		return -1;
	}
	sub->res.nrcpt++;
	return 0;
}

/* What soap must have seen to before. */
static int
submit_is_sane(const struct submit *s)
{
	uint32_t	i;

	if (s->origin != SUBMIT_USER && s->origin != SUBMIT_PEER &&
	    s->origin != SUBMIT_BOUNCE)
		return 0;
	if (s->facts.msgid[0] == '\0' || s->principal == NULL)
		return 0;
	for (i = 0; i < s->nrcpt; i++)
		if (addr_domain(s->rcpt[i].addr) == NULL)
			return 0;
	return 1;
}

int
submit_handle(struct queue *q, struct chan *c, struct imsg *imsg)
{
	struct submission	*sub;
	struct store_txn	*txn;
	struct rbuf		 r;
	int			 ret;

	if ((sub = calloc(1, sizeof(*sub))) == NULL)
		fatal("queue");
	sub->q = q;
	sub->chan = c;
	sub->reqid = imsg->hdr.id;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (submit_get(&r, &sub->s) == -1 || !submit_is_sane(&sub->s)) {
		submission_free(sub);
		return -1;
	}
	if ((txn = group_txn(q->group)) == NULL) {
		submit_tempfail(sub, "the queue cannot be written to");
		submit_answer(sub);
		return 0;
	}
	if ((ret = submit_judge(sub, txn)) == 1)
		ret = submit_write(sub, txn);
	if (ret == -1) {
		queue_write_failed(q, "submit");
		submit_tempfail(sub, "the queue cannot be written to");
	}
	/* The body is the message buffer's and ends with it. */
	sub->s.body = sub->s.sig = NULL;
	submit_later(sub);
	return 0;
}

/* The answer waits for the transaction, also one that says no. */
static void
submit_later(struct submission *sub)
{
	struct queue	*q = sub->q;

	TAILQ_INSERT_TAIL(&q->submissions, sub, entry);
	sub->listed = 1;
	if (sub->effect) {
		q->pend_msgs++;
		q->pend_bytes += (uint64_t)sub->msg.body_len +
		    sub->msg.sig_len;
	}
	if (group_add(q->group, 1, submit_committed, sub) == -1)
		fatal("queue: group");
}

/*
 * 1: take it, the result stands prepared; 0: the result says why not; -1 and
 * errno: the store failed.  The nonce is remembered with every answer that
 * is final: a refusal is not to be tried again with the same signature when
 * it might succeed.
 */
static int
submit_judge(struct submission *sub, struct store_txn *txn)
{
	struct queue	*q = sub->q;
	struct submit	*s = &sub->s;
	int		 ret;

	ret = qdb_replay_seen(&q->db, txn, &s->replay, wstime_now());
	if (ret == -1)
		return -1;
	if (ret == 1) {
		sub->res.replayed = 1;
		submit_set(sub, ST_DENIED, "this request was seen before");
		return 0;
	}
	/* An empty one says something, too. */
	if (s->origin == SUBMIT_BOUNCE)
		return submit_judge_bounce(sub);
	if (s->body_len == 0 || s->nrcpt == 0) {
		submit_set(sub, ST_BAD, s->body_len == 0 ? "no message" :
		    "no recipients");
		ret = 0;
	} else if (s->origin == SUBMIT_USER)
		ret = submit_judge_user(sub, txn);
	else
		ret = submit_judge_peer(sub, txn);
	if (ret == 1 && !submit_has_room(sub))
		ret = 0;
	if (ret != -1 && sub->res.code != ST_TEMPFAIL &&
	    qdb_replay_put(&q->db, txn, &s->replay) == -1)
		return -1;
	return ret;
}

/*
 * Was this accepted before?  0: no; 1: yes; 2: it was another message; -1:
 * the store failed.
 */
static int
submit_known(struct queue *q, struct store_txn *txn, const uint8_t key[32],
    const uint8_t digest[32])
{
	struct qdb_dedup	d;

	if (qdb_dedup_get(&q->db, txn, key, &d) == -1)
		/* A record that does not read is still one: it was here. */
		return errno == ENOENT ? 0 : errno == EILSEQ ? 1 : -1;
	if (d.until < wstime_now())
		return 0;
	return memcmp(d.digest, digest, sizeof(d.digest)) == 0 ? 1 : 2;
}

static int
submit_judge_user(struct submission *sub, struct store_txn *txn)
{
	struct queue		*q = sub->q;
	struct submit		*s = &sub->s;
	uint8_t			 key[32];
	uint32_t		 i;
	int			 ret;

	if (qdb_dedup_key(key, SUBMIT_USER, s->principal,
	    s->facts.msgid) == -1)
		return -1;
	if ((ret = submit_known(q, txn, key, s->facts.intent)) == -1)
		return -1;
	if (ret != 0) {
		if (ret == 2) {
			submit_set(sub, ST_BAD,
			    "this MessageId was used for another message");
			return 0;
		}
		q->st.dup++;
		sub->res.known = 1;
		submit_set(sub, ST_OK, "Message queued for delivery.");
		return 0;
	}
	for (i = 0; i < s->nrcpt; i++) {
		ret = resolve_add(&sub->to, q->dir, q->p->conf,
		    s->rcpt[i].addr, s->rcpt[i].orig);
		if (ret == -1 || (ret == 0 && submit_refuse_rcpt(sub,
		    s->rcpt[i].addr, sub->to.code, sub->to.text) == -1))
			return -1;
	}
	if (sub->res.nrcpt > 0) {
		submit_set(sub, sub->res.rcpt[0].code, sub->res.rcpt[0].text);
		return 0;
	}
	submit_set(sub, ST_OK, "Message queued for delivery.");
	return 1;
}

/* One recipient of a peer's message.  0, or -1: the store failed. */
static int
submit_judge_peer_rcpt(struct submission *sub, struct store_txn *txn,
    uint32_t i, const uint8_t digest[32])
{
	struct queue		*q = sub->q;
	struct rcpt		*rc = &sub->s.rcpt[i];
	uint8_t			 key[32];
	int			 ret;

	if (!dir_is_hosted(q->dir, addr_domain(rc->addr)))
		return submit_refuse_rcpt(sub, rc->addr, ST_NOUSER,
		    "not a domain of this server");
	if (qdb_dedup_key(key, SUBMIT_PEER, rc->addr,
	    sub->s.facts.msgid) == -1)
		return -1;
	if ((ret = submit_known(q, txn, key, digest)) == -1)
		return -1;
	if (ret != 0) {
		sub->known[i] = 1;
		if (ret == 1)
			return 0;
		return submit_refuse_rcpt(sub, rc->addr, ST_BAD,
		    "this MessageId was used for another message");
	}
	ret = resolve_add(&sub->to, q->dir, q->p->conf, rc->addr, rc->orig);
	if (ret == 0)
		return submit_refuse_rcpt(sub, rc->addr, sub->to.code,
		    sub->to.text);
	return ret == -1 ? -1 : 0;
}

static int
submit_judge_peer(struct submission *sub, struct store_txn *txn)
{
	struct submit	*s = &sub->s;
	uint8_t		 digest[32];
	uint32_t	 i;

	if (EVP_Digest(s->body, s->body_len, digest, NULL, EVP_sha256(),
	    NULL) != 1 || (sub->known = calloc(s->nrcpt, 1)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	/* What a peer repeats is told by what it signed. */
	memcpy(s->facts.intent, digest, sizeof(digest));
	for (i = 0; i < s->nrcpt; i++)
		if (submit_judge_peer_rcpt(sub, txn, i, digest) == -1)
			return -1;
	if (sub->res.nrcpt == s->nrcpt) {
		submit_set(sub, sub->res.rcpt[0].code, sub->res.rcpt[0].text);
		return 0;
	}
	submit_set(sub, ST_OK, "Message accepted.");
	if (sub->to.nrcpt == 0) {
		sub->q->st.dup++;
		return 0;
	}
	return 1;
}

/* soap has composed a bounce; its header id is the job's. */
static int
submit_judge_bounce(struct submission *sub)
{
	struct queue	*q = sub->q;
	struct submit	*s = &sub->s;
	struct bounce	*b;
	uint32_t	 i;

	if ((b = bounce_find(q, sub->chan, sub->reqid)) == NULL) {
		submit_set(sub, ST_BAD, "no such bounce is asked for");
		return 0;
	}
	if (s->nrcpt == 0 || s->body_len == 0) {
		bounce_retry(q, b, "soap could not compose it");
		submit_set(sub, ST_BAD, "no bounce");
		return 0;
	}
	for (i = 0; i < s->nrcpt; i++)
		if (resolve_add(&sub->to, q->dir, q->p->conf,
		    s->rcpt[i].addr, "") == -1)
			return -1;
	bounce_write(q, b);
	submit_set(sub, ST_OK, "Message queued for delivery.");
	if (sub->to.nrcpt > 0)
		return 1;
	/* Its reader is gone: a bounce of a bounce there is not. */
	log_warnx("queue: nobody to bounce to: %s", s->rcpt[0].addr);
	q->st.dropped++;
	return 0;
}

/* Limits, before anything is written. */
static int
submit_has_room(struct submission *sub)
{
	struct queue	*q = sub->q;
	const int64_t	*limit = q->p->conf->limit;
	uint64_t	 size;
	const char	*why = NULL;

	size = (uint64_t)sub->s.body_len + sub->s.sig_len;
	if ((int64_t)(q->sched.nmsgs + q->pend_msgs) >=
	    limit[LIM_QUEUE_MESSAGES])
		why = "the queue is full (limit queue-messages)";
	else if ((int64_t)(q->sched.bytes + q->pend_bytes + size) >
	    limit[LIM_QUEUE_SIZE])
		why = "the queue is full (limit queue-size)";
	else if (q->space >= 0 && q->space <
	    SUBMIT_RESERVE + 2 * (int64_t)(q->pend_bytes + size))
		why = "the disk is full";
	if (why == NULL)
		return submit_has_rate(sub);
	log_warnx("queue: %s", why);
	submit_tempfail(sub, why);
	return 0;
}

/* What the server itself sends is bounded by what made it send. */
static int
submit_has_rate(struct submission *sub)
{
	struct queue	*q = sub->q;
	struct submit	*s = &sub->s;
	const int64_t	*limit = q->p->conf->limit;
	int64_t		 wait = 0;
	char		 text[160];

	if (s->origin == SUBMIT_USER)
		wait = rate_take(q->rate, s->principal, s->nrcpt,
		    limit[LIM_RECIPIENTS_PER_USER], RATE_HOUR, wstime_mono());
	else if (s->origin == SUBMIT_PEER)
		wait = rate_take(q->rate, s->principal, 1,
		    limit[LIM_MESSAGES_PER_PEER], RATE_MINUTE, wstime_mono());
	if (wait == 0)
		return 1;
	snprintf(text, sizeof(text), "%s, try again in %lld s",
	    s->origin == SUBMIT_USER ?
	    "too many recipients in an hour (limit recipients-per-user)" :
	    "too many messages in a minute (limit messages-per-peer)",
	    (long long)(wait + 999) / 1000);
	submit_tempfail(sub, text);
	return 0;
}

static int
submit_write_dedup(struct submission *sub, struct store_txn *txn)
{
	struct queue		*q = sub->q;
	struct submit		*s = &sub->s;
	struct qdb_dedup	 d;
	uint8_t			 key[32];
	uint32_t		 i, k;
	int64_t			 keep = q->p->conf->ttl;

	if (s->origin == SUBMIT_BOUNCE)
		return 0;
	if (keep < DEDUP_MIN)
		keep = DEDUP_MIN;
	d.until = sub->msg.arrival + (keep + DEDUP_MORE) * 1000;
	d.qid = sub->msg.qid;
	memcpy(d.digest, s->facts.intent, sizeof(d.digest));
	if (s->origin == SUBMIT_USER)
		return qdb_dedup_key(key, SUBMIT_USER, s->principal,
		    s->facts.msgid) == -1 ? -1 :
		    qdb_dedup_put(&q->db, txn, key, &d);
	for (i = 0; i < s->nrcpt; i++) {
		for (k = 0; k < sub->res.nrcpt; k++)
			if (strcmp(sub->res.rcpt[k].addr,
			    s->rcpt[i].addr) == 0)
				break;
		if (sub->known[i] || k < sub->res.nrcpt)
			continue;
		if (qdb_dedup_key(key, SUBMIT_PEER, s->rcpt[i].addr,
		    s->facts.msgid) == -1 ||
		    qdb_dedup_put(&q->db, txn, key, &d) == -1)
			return -1;
	}
	return 0;
}

static int
submit_write(struct submission *sub, struct store_txn *txn)
{
	struct queue	*q = sub->q;
	struct submit	*s = &sub->s;
	struct qdb_msg	*m = &sub->msg;
	struct qdb_env	 e;
	uint32_t	 i;

	m->qid = queue_newid(q);
	m->arrival = wstime_now();
	m->origin = s->origin;
	m->flags = s->origin == SUBMIT_BOUNCE ? QM_BOUNCE : 0;
	if (s->facts.flags & FLAG_DELETE_UNDELIVERABLE)
		m->flags |= QM_SILENT;
	m->principal = s->principal;
	m->peer = s->peer;
	m->facts = s->facts;
	m->body_len = (uint32_t)s->body_len;
	m->sig_len = (uint32_t)s->sig_len;
	if (qdb_msg_put(&q->db, txn, m, s->body, s->sig,
	    &sub->blob_made) == -1)
		return -1;
	for (i = 0; i < sub->to.nrcpt; i++) {
		memset(&e, 0, sizeof(e));
		e.qid = m->qid;
		e.rno = i;
		e.state = QE_WAITING;
		e.next = submit_first(sub);
		e.reason = sub->s.hold;
		e.addr = sub->to.rcpt[i].addr;
		e.orig = sub->to.rcpt[i].orig;
		if (qdb_env_put(&q->db, txn, &e) == -1)
			return -1;
	}
	if (submit_write_dedup(sub, txn) == -1)
		return -1;
	sub->effect = 1;
	return 0;
}

/* When it is tried: at once; what is held waits until its time is over. */
static int64_t
submit_first(const struct submission *sub)
{
	return sub->msg.arrival + (sub->s.hold[0] == '\0' ? 0 :
	    (int64_t)sub->q->p->conf->ttl * 1000);
}

/* The group has committed, or failed. */
static void
submit_committed(void *arg, int ret)
{
	struct submission	*sub = arg;
	struct queue		*q = sub->q;

	if (ret == -1) {
		if (sub->blob_made)
			(void)blob_unlink(sub->msg.qid);
		sub->res.replayed = 0;
		sub->res.known = 0;
		submit_tempfail(sub, "the queue cannot be written to");
	} else if (sub->effect) {
		submit_insert(sub);
		queue_kick(q);
	}
	submit_answer(sub);
}

static void
submit_insert(struct submission *sub)
{
	struct queue		*q = sub->q;
	struct sched_msg	*m;
	struct placing		*pl;
	uint32_t		 i;

	m = sched_msg_add(&q->sched, sub->msg.qid, sub->msg.arrival,
	    (uint64_t)sub->msg.body_len + sub->msg.sig_len, sub->msg.flags);
	pl = calloc(sub->to.nrcpt, sizeof(*pl));
	/* It is on disk: a new start finds it when memory has run out. */
	if (m == NULL || pl == NULL)
		fatal("queue");
	m->blob = (int)sub->msg.blob;
	m->nlive = sub->to.nrcpt;
	for (i = 0; i < sub->to.nrcpt; i++) {
		pl[i].addr = sub->to.rcpt[i].addr;
		pl[i].rno = i;
		pl[i].next = submit_first(sub);
	}
	if (queue_place(q, m, pl, sub->to.nrcpt) == -1)
		fatal("queue");
	free(pl);
}

static void
submit_log(struct submission *sub)
{
	struct queue_stats	*st = &sub->q->st;
	struct submit		*s = &sub->s;
	struct log_ev		 ev;
	char			 to[ADDR_MAX + 32];

	memset(&ev, 0, sizeof(ev));
	ev.ev = s->origin == SUBMIT_BOUNCE ? "bounce" : "accept";
	ev.id = sub->effect ? sub->msg.qid : sub->reqid;
	ev.msgid = s->facts.msgid;
	ev.peer = s->peer;
	ev.user = s->principal;
	ev.from = s->facts.sender;
	if (s->nrcpt > 0) {
		if (s->nrcpt == 1)
			strlcpy(to, s->rcpt[0].addr, sizeof(to));
		else
			snprintf(to, sizeof(to), "%s,+%u", s->rcpt[0].addr,
			    s->nrcpt - 1);
		ev.to = to;
	}
	if (sub->res.replayed) {
		st->replayed++;
		ev.result = "replay";
	} else if (sub->res.code == ST_OK) {
		ev.result = sub->effect ? "ok" : "dup";
		if (s->origin == SUBMIT_BOUNCE)
			st->bounced++;
		else if (sub->effect)
			st->accepted++;
	} else if (sub->res.code == ST_TEMPFAIL) {
		st->tempfailed++;
		ev.result = "tempfail";
	} else {
		st->refused++;
		ev.result = "refused";
	}
	if (sub->res.code != ST_OK) {
		ev.reason = sub->res.text;
		proc_struck(sub->q->p, limit_named(sub->res.text));
	}
	log_event(&ev);
}

/* Sends the result, if somebody still waits for it, and ends. */
static void
submit_answer(struct submission *sub)
{
	struct wbuf	w;
	uint32_t	code;

	wbuf_init(&w);
	if (sub->nonce_only) {
		code = sub->res.code == ST_OK ? 0 : sub->res.replayed ? 1 : 2;
		if (sub->res.replayed)
			sub->q->st.replayed++;
		wbuf_u32(&w, code);
		if (sub->chan != NULL)
			(void)chan_sendw(sub->chan, IMSG_SOAP_NONCE_RESULT,
			    sub->reqid, &w);
	} else {
		submit_log(sub);
		submit_result_put(&w, &sub->res);
		if (sub->chan != NULL)
			(void)chan_sendw(sub->chan, IMSG_SOAP_SUBMIT_RESULT,
			    sub->reqid, &w);
	}
	wbuf_free(&w);
	submission_free(sub);
}

/* A request without an effect here, whose nonce is to be remembered. */
int
submit_nonce(struct queue *q, struct chan *c, struct imsg *imsg)
{
	struct submission	*sub;
	struct store_txn	*txn;
	struct rbuf		 r;
	int			 seen;

	if ((sub = calloc(1, sizeof(*sub))) == NULL)
		fatal("queue");
	sub->q = q;
	sub->chan = c;
	sub->reqid = imsg->hdr.id;
	sub->nonce_only = 1;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	replay_get(&r, &sub->s.replay);
	if (rbuf_end(&r) == -1) {
		submission_free(sub);
		return -1;
	}
	submit_set(sub, ST_OK, "");
	if ((txn = group_txn(q->group)) == NULL) {
		submit_tempfail(sub, "");
		submit_answer(sub);
		return 0;
	}
	seen = qdb_replay_seen(&q->db, txn, &sub->s.replay, wstime_now());
	if (seen == 1) {
		sub->res.replayed = 1;
		submit_set(sub, ST_DENIED, "");
	} else if (seen == -1 ||
	    qdb_replay_put(&q->db, txn, &sub->s.replay) == -1)
		queue_write_failed(q, "nonce");
	submit_later(sub);
	return 0;
}

void
submit_peer_down(struct queue *q, struct chan *c)
{
	struct submission	*sub;

	TAILQ_FOREACH(sub, &q->submissions, entry)
		if (sub->chan == c)
			sub->chan = NULL;
}
