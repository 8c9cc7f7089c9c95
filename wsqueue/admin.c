/* SPDX-License-Identifier: ISC */
/*
 * wsctl's commands (ctl.h).  Lists are read from the tables as the asker
 * takes them, a few kilobytes a message and a bounded number of messages
 * ahead, from a key that is kept between; so a queue of any length costs no
 * memory here and holds nothing up.  A change is on disk before it is in
 * memory, and in the log.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "ctl.h"
#include "log.h"
#include "wstime.h"
#include "wsqueue.h"

#define ADMIN_PAYLOAD	7000	/* octets of rows in one message */
#define ADMIN_LOOK	1000	/* records looked at for it */
#define ADMIN_TURNS	CTL_ROWS_AHEAD	/* messages made in a turn */

enum admin_phase { AP_QUEUE, AP_QUARANTINE, AP_END };

struct admin {
	TAILQ_ENTRY(admin)	 entry;
	struct queue		*q;
	struct chan		*chan;		/* NULL: gone */
	uint64_t		 id;
	struct ctl_req		 req;
	enum admin_phase	 phase;
	int			 waiting;	/* for a commit */
	unsigned int		 credit;
	uint64_t		 left;		/* rows that may still be told */
	uint8_t			 key[256];	/* where to go on */
	size_t			 klen;
	struct qdb_msg		 msg;		/* of the rows being told */
	int			 has_msg;
	char			*name;		/* pause, resume */
};

static const char *admin_arg(const struct admin *, uint32_t);
static const char *admin_filter(const struct admin *);
static void	 admin_free(struct admin *);
static void	 admin_end(struct admin *, int, const char *);
static void	 admin_run(struct admin *);
static void	 admin_pump(struct admin *);
static int	 admin_fill(struct admin *, struct wbuf *);
static int	 admin_fill_queue(struct admin *, struct wbuf *);
static int	 admin_fill_quarantine(struct admin *, struct wbuf *);
static int	 admin_load_msg(struct admin *, uint64_t);
static int	 admin_matches(struct admin *, const struct qdb_env *);
static const char *admin_state(struct queue *, const struct qdb_env *);
static void	 admin_row(struct admin *, struct wbuf *,
		    const struct qdb_env *);
static int	 admin_id(const char *, uint64_t *, uint32_t *, int *);
static int	 admin_find(struct queue *, const char *, uint64_t *,
		    uint32_t *, int *);
static int	 admin_find_msgid(struct queue *, const char *, uint64_t *);
static void	 admin_show_message(struct admin *);
static int	 admin_show_facts(struct admin *, struct wbuf *, uint64_t);
static int	 admin_show_rcpts(struct admin *, struct wbuf *, uint64_t);
static void	 admin_schedule(struct admin *);
static void	 admin_schedule_msg(struct queue *, struct sched_msg *,
		    const char *, int64_t, uint64_t *);
static void	 admin_pause(struct admin *, int);
static void	 admin_pause_apply(struct queue *, const char *, int);
static void	 admin_paused(void *, int);
static void	 admin_resumed(void *, int);
static void	 admin_remove(struct admin *);
static void	 admin_removed(void *, int);

static const char *
admin_arg(const struct admin *a, uint32_t n)
{
	return n < a->req.nargs && a->req.arg[n] != NULL ? a->req.arg[n] : "";
}

/* Of show queue: "" is all. */
static const char *
admin_filter(const struct admin *a)
{
	const char	*f = admin_arg(a, 0);

	return strcmp(f, "all") == 0 ? "" : f;
}

static void
admin_free(struct admin *a)
{
	TAILQ_REMOVE(&a->q->admins, a, entry);
	ctl_req_free(&a->req);
	if (a->has_msg)
		qdb_msg_free(&a->msg);
	free(a->name);
	free(a);
}

static void
admin_end(struct admin *a, int error, const char *text)
{
	struct wbuf	w;

	if (a->chan != NULL) {
		wbuf_init(&w);
		ctl_end_put(&w, (uint32_t)error, text);
		(void)chan_sendw(a->chan, IMSG_CTL_END, a->id, &w);
		wbuf_free(&w);
	}
	admin_free(a);
}

int
admin_request(struct queue *q, struct chan *c, struct imsg *imsg)
{
	struct admin	*a;
	struct rbuf	 r;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("queue");
	a->q = q;
	a->chan = c;
	a->id = imsg->hdr.id;
	a->credit = CTL_ROWS_AHEAD;
	TAILQ_INSERT_TAIL(&q->admins, a, entry);
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (ctl_req_get(&r, &a->req) == -1) {
		admin_free(a);
		return -1;
	}
	admin_run(a);
	return 0;
}

static void
admin_run(struct admin *a)
{
	switch (a->req.cmd) {
	case CTL_SHOW_QUEUE:
		a->left = UINT64_MAX;
		if (admin_arg(a, 1)[0] != '\0') {
			const char	*err;

			a->left = (uint64_t)strtonum(admin_arg(a, 1), 1,
			    INT64_MAX, &err);
			if (err != NULL) {
				admin_end(a, EINVAL, "the limit is no number");
				return;
			}
		}
		admin_pump(a);
		break;
	case CTL_SHOW_MESSAGE:
		admin_show_message(a);
		break;
	case CTL_SCHEDULE:
		admin_schedule(a);
		break;
	case CTL_PAUSE:
		admin_pause(a, 1);
		break;
	case CTL_RESUME:
		admin_pause(a, 0);
		break;
	case CTL_REMOVE:
		admin_remove(a);
		break;
	default:
		admin_end(a, EINVAL, "wsqueue does not know this command");
		break;
	}
}

void
admin_more(struct queue *q, struct chan *c, uint64_t id)
{
	struct admin	*a;

	TAILQ_FOREACH(a, &q->admins, entry)
		if (a->chan == c && a->id == id)
			break;
	if (a == NULL || a->waiting)
		return;
	a->credit = CTL_ROWS_AHEAD;
	admin_pump(a);
}

void
admin_cancel(struct queue *q, struct chan *c, uint64_t id)
{
	struct admin	*a;

	TAILQ_FOREACH(a, &q->admins, entry)
		if (a->chan == c && a->id == id)
			break;
	if (a == NULL)
		return;
	if (a->waiting)
		a->chan = NULL;
	else
		admin_free(a);
}

void
admin_peer_down(struct queue *q, struct chan *c)
{
	struct admin	*a;

	/* They end in admin_drain(), or with their commit. */
	TAILQ_FOREACH(a, &q->admins, entry)
		if (a->chan == c)
			a->chan = NULL;
	queue_kick(q);
}

/* Lists go on: the channel to control has room again, or it is our turn. */
void
admin_drain(struct queue *q)
{
	struct admin	*a, *next;

	for (a = TAILQ_FIRST(&q->admins); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->waiting)
			continue;
		if (a->chan == NULL)
			admin_free(a);
		else if (a->credit > 0)
			admin_pump(a);
	}
}

/* Rows, as many as the asker lets us send ahead. */
static void
admin_pump(struct admin *a)
{
	struct wbuf	w;
	unsigned int	turns = 0;
	int		ret;

	while (a->chan != NULL && a->credit > 0 && !chan_is_full(a->chan)) {
		/* A filter that nothing matches must not hold up the loop. */
		if (++turns > ADMIN_TURNS) {
			queue_kick(a->q);
			break;
		}
		wbuf_init(&w);
		ret = admin_fill(a, &w);
		if (w.len > 0 && a->chan != NULL) {
			a->credit--;
			(void)chan_sendw(a->chan, IMSG_CTL_ROW, a->id, &w);
		}
		wbuf_free(&w);
		if (ret == -1) {
			admin_end(a, errno, store_errstr(a->q->db.store));
			return;
		}
		if (a->phase == AP_END || a->left == 0) {
			admin_end(a, 0, "");
			return;
		}
	}
}

static int
admin_fill(struct admin *a, struct wbuf *w)
{
	if (a->phase == AP_QUEUE && admin_fill_queue(a, w) == -1)
		return -1;
	if (a->phase == AP_QUARANTINE && admin_fill_quarantine(a, w) == -1)
		return -1;
	return 0;
}

static int
admin_load_msg(struct admin *a, uint64_t qid)
{
	if (a->has_msg && a->msg.qid == qid)
		return 0;
	if (a->has_msg)
		qdb_msg_free(&a->msg);
	a->has_msg = 0;
	if (qdb_msg_get(&a->q->db, NULL, qid, &a->msg) == -1)
		return -1;
	a->has_msg = 1;
	return 0;
}

/* The filter: a sender, a recipient, or the domain of either. */
static int
admin_matches(struct admin *a, const struct qdb_env *e)
{
	const char	*f = admin_filter(a), *d;

	if (f[0] == '\0')
		return 1;
	if (strcasecmp(f, e->addr) == 0 ||
	    strcasecmp(f, a->msg.facts.sender) == 0)
		return 1;
	if ((d = addr_domain(e->addr)) != NULL && strcasecmp(f, d) == 0)
		return 1;
	d = addr_domain(a->msg.facts.sender);
	return d != NULL && strcasecmp(f, d) == 0;
}

static const char *
admin_state(struct queue *q, const struct qdb_env *e)
{
	struct sched_msg	*m;
	struct sched_item	*it;

	if (e->state == QE_FAILED)
		return "bouncing";
	if ((m = sched_msg_find(&q->sched, e->qid)) == NULL)
		return "loading";
	if ((it = sched_item_find(m, e->rno)) == NULL)
		return "leaving";
	if (it->state != SI_WAITING)
		return "inflight";
	if (it->dest->paused || q->sched.paused[it->dest->class])
		return "paused";
	return "waiting";
}

static void
admin_row(struct admin *a, struct wbuf *w, const struct qdb_env *e)
{
	char	id[40];

	snprintf(id, sizeof(id), "%016llx.%u", (unsigned long long)e->qid,
	    e->rno);
	ctl_row_begin(w, "queue");
	ctl_row_str(w, "id", id);
	ctl_row_int(w, "arrival", 't', a->msg.arrival);
	ctl_row_int(w, "size", 'b', (int64_t)a->msg.body_len);
	ctl_row_str(w, "from", a->msg.facts.sender);
	ctl_row_str(w, "to", e->addr);
	ctl_row_str(w, "state", admin_state(a->q, e));
	ctl_row_int(w, "attempts", 'i', e->attempts);
	ctl_row_int(w, "next", 't', e->next);
	ctl_row_str(w, "reason", e->reason);
	ctl_row_end(w);
}

static int
admin_fill_queue(struct admin *a, struct wbuf *w)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct qdb_env		 e;
	size_t			 seen = 0;
	int			 ret;

	if ((c = store_cursor(a->q->db.env, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, a->key, a->klen, &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		if (w->len >= ADMIN_PAYLOAD || a->left == 0 ||
		    ++seen > ADMIN_LOOK)
			break;
		/* Records that do not read are the loader's and deliver's. */
		if (k.len != QDB_ENV_KEY || qdb_env_read(&v, &e) == -1)
			continue;
		if (admin_load_msg(a, e.qid) == 0 && admin_matches(a, &e)) {
			admin_row(a, w, &e);
			a->left--;
		}
		qdb_env_free(&e);
	}
	if (ret == 0) {
		a->klen = k.len < sizeof(a->key) ? k.len : sizeof(a->key);
		memcpy(a->key, k.p, a->klen);
	} else if (errno == ENOENT) {
		a->phase = AP_QUARANTINE;
		a->klen = 0;
		ret = 0;
	}
	store_cursor_close(c);
	return ret;
}

static int
admin_fill_quarantine(struct admin *a, struct wbuf *w)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct rbuf		 kr, vr;
	char			*table, *reason, id[160];
	int64_t			 when;
	uint64_t		 qid;
	int			 ret;

	if ((c = store_cursor(a->q->db.quarantine, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, a->key, a->klen, &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		if (w->len >= ADMIN_PAYLOAD || a->left == 0 ||
		    admin_filter(a)[0] != '\0')
			break;
		rbuf_init(&kr, k.p, k.len);
		rbuf_init(&vr, v.p, v.len);
		table = rbuf_str(&kr, 32);
		qid = rbuf_u64(&kr);
		(void)rbuf_u8(&vr);
		when = rbuf_i64(&vr);
		reason = rbuf_str(&vr, 65536);
		if (table != NULL && reason != NULL) {
			if (strcmp(table, "env") == 0)
				snprintf(id, sizeof(id), "%016llx.%u",
				    (unsigned long long)qid, rbuf_u32(&kr));
			else
				snprintf(id, sizeof(id), "%016llx",
				    (unsigned long long)qid);
			ctl_row_begin(w, "queue");
			ctl_row_str(w, "id", id);
			ctl_row_int(w, "arrival", 't', when);
			ctl_row_int(w, "size", 'b', (int64_t)v.len);
			ctl_row_str(w, "from", "");
			ctl_row_str(w, "to", "");
			ctl_row_str(w, "state", "quarantined");
			ctl_row_int(w, "attempts", 'i', 0);
			ctl_row_int(w, "next", 't', 0);
			ctl_row_str(w, "reason", reason);
			ctl_row_end(w);
			a->left--;
		}
		free(table);
		free(reason);
	}
	if (ret == 0 && admin_filter(a)[0] == '\0') {
		a->klen = k.len < sizeof(a->key) ? k.len : sizeof(a->key);
		memcpy(a->key, k.p, a->klen);
	} else if (ret == 0 || errno == ENOENT) {
		a->phase = AP_END;
		ret = 0;
	}
	store_cursor_close(c);
	return ret;
}

/* "0123456789abcdef" or, one recipient of it, "0123456789abcdef.7". */
static int
admin_id(const char *s, uint64_t *qid, uint32_t *rno, int *has_rno)
{
	const char	*hex = "0123456789abcdef", *p, *h, *err;
	uint64_t	 v = 0;

	for (p = s; *p != '\0' && *p != '.'; p++) {
		if (p - s == 16 || (h = strchr(hex, *p | 0x20)) == NULL ||
		    *h == '\0')
			return -1;
		v = v << 4 | (uint64_t)(h - hex);
	}
	if (p == s)
		return -1;
	*qid = v;
	*has_rno = *p == '.';
	if (*has_rno) {
		*rno = (uint32_t)strtonum(p + 1, 0, UINT32_MAX, &err);
		if (err != NULL)
			return -1;
	}
	return 0;
}

static int
admin_find_msgid(struct queue *q, const char *msgid, uint64_t *qid)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct qdb_msg		 m;
	int			 ret, found = 0;

	if ((c = store_cursor(q->db.msg, NULL)) == NULL)
		return 0;
	for (ret = store_seek_ge(c, "", 0, &k, &v); ret == 0 && !found;
	    ret = store_next(c, &k, &v)) {
		if (qdb_msg_read(&v, &m) == -1)
			continue;
		if (strcmp(m.facts.msgid, msgid) == 0) {
			*qid = m.qid;
			found = 1;
		}
		qdb_msg_free(&m);
	}
	store_cursor_close(c);
	return found;
}

/* By id, by id of a recipient, or by MessageId.  1 found. */
static int
admin_find(struct queue *q, const char *s, uint64_t *qid, uint32_t *rno,
    int *has_rno)
{
	uint8_t	key[QDB_MSG_KEY];

	*has_rno = 0;
	if (strchr(s, '@') != NULL)
		return admin_find_msgid(q, s, qid);
	if (admin_id(s, qid, rno, has_rno) == -1)
		return 0;
	qdb_msg_key(key, *qid);
	return store_get(q->db.msg, NULL, key, sizeof(key), NULL) == 0;
}

static int
admin_show_facts(struct admin *a, struct wbuf *w, uint64_t qid)
{
	static const char	*origins[] = { "?", "user", "peer", "bounce" };
	char			 id[20];

	if (admin_load_msg(a, qid) == -1)
		return -1;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)qid);
	ctl_row_begin(w, "message");
	ctl_row_str(w, "id", id);
	ctl_row_str(w, "msgid", a->msg.facts.msgid);
	ctl_row_str(w, "from", a->msg.facts.sender);
	ctl_row_str(w, "subject", a->msg.facts.subject);
	ctl_row_str(w, "origin", a->msg.origin < nitems(origins) ?
	    origins[a->msg.origin] : "?");
	ctl_row_str(w, "principal", a->msg.principal);
	ctl_row_str(w, "peer", a->msg.peer);
	ctl_row_int(w, "arrival", 't', a->msg.arrival);
	ctl_row_int(w, "expires", 't', a->msg.arrival +
	    (int64_t)a->q->p->conf->ttl * 1000);
	ctl_row_int(w, "size", 'b', (int64_t)a->msg.body_len);
	ctl_row_int(w, "flags", 'i', (int64_t)a->msg.facts.flags);
	ctl_row_end(w);
	return 0;
}

static int
admin_show_rcpts(struct admin *a, struct wbuf *w, uint64_t qid)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct qdb_env		 e;
	uint64_t		 is;
	uint32_t		 rno;
	uint8_t			 key[QDB_ENV_KEY];
	char			 id[40];
	int			 ret;

	if ((c = store_cursor(a->q->db.env, NULL)) == NULL)
		return -1;
	qdb_env_key(key, qid, 0);
	for (ret = store_seek_ge(c, key, sizeof(key), &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		if (qdb_key_read(&k, &is, &rno) == -1)
			continue;
		if (is != qid)
			break;
		if (qdb_env_read(&v, &e) == -1)
			continue;
		snprintf(id, sizeof(id), "%016llx.%u",
		    (unsigned long long)qid, rno);
		ctl_row_begin(w, "recipient");
		ctl_row_str(w, "id", id);
		ctl_row_str(w, "to", e.addr);
		ctl_row_str(w, "orig", e.orig);
		ctl_row_str(w, "state", admin_state(a->q, &e));
		ctl_row_int(w, "attempts", 'i', e.attempts);
		ctl_row_int(w, "last", 't', e.last);
		ctl_row_int(w, "next", 't', e.next);
		ctl_row_int(w, "code", 'i', e.code);
		ctl_row_str(w, "reason", e.reason);
		ctl_row_str(w, "host", e.host);
		ctl_row_end(w);
		qdb_env_free(&e);
		if (w->len >= ADMIN_PAYLOAD && a->chan != NULL)
			(void)chan_sendw(a->chan, IMSG_CTL_ROW, a->id, w);
	}
	store_cursor_close(c);
	return 0;
}

/* One message and its recipients: bounded by the limit, so sent at once. */
static void
admin_show_message(struct admin *a)
{
	struct wbuf	w;
	uint64_t	qid;
	uint32_t	rno;
	int		has_rno;

	if (!admin_find(a->q, admin_arg(a, 0), &qid, &rno, &has_rno)) {
		admin_end(a, ENOENT, "no such message in the queue");
		return;
	}
	wbuf_init(&w);
	if (admin_show_facts(a, &w, qid) == -1 ||
	    admin_show_rcpts(a, &w, qid) == -1) {
		wbuf_free(&w);
		admin_end(a, errno, "the message does not read");
		return;
	}
	if (w.len > 0 && a->chan != NULL)
		(void)chan_sendw(a->chan, IMSG_CTL_ROW, a->id, &w);
	wbuf_free(&w);
	admin_end(a, 0, "");
}

static void
admin_schedule_msg(struct queue *q, struct sched_msg *m, const char *domain,
    int64_t now, uint64_t *n)
{
	struct sched_item	*it, *next;

	for (it = LIST_FIRST(&m->items); it != NULL; it = next) {
		next = LIST_NEXT(it, mentry);
		if (it->state != SI_WAITING || (domain != NULL &&
		    strcasecmp(domain, it->dest->domain) != 0))
			continue;
		sched_item_wait(&q->sched, it, now, it->attempts);
		*n += it->nrno;
	}
}

static void
admin_schedule(struct admin *a)
{
	struct queue		*q = a->q;
	struct sched_msg	*m;
	const char		*what = admin_arg(a, 0), *domain = NULL;
	uint64_t		 n = 0, qid;
	uint32_t		 rno;
	int64_t			 now = wstime_now();
	int			 has_rno;
	char			 text[80];

	if (admin_find(q, what, &qid, &rno, &has_rno)) {
		if ((m = sched_msg_find(&q->sched, qid)) != NULL)
			admin_schedule_msg(q, m, NULL, now, &n);
	} else if (strcmp(what, "all") == 0 ||
	    sched_dest_find(&q->sched, what) != NULL) {
		if (strcmp(what, "all") != 0)
			domain = what;
		for (m = sched_msg_next(&q->sched, 0); m != NULL;
		    m = sched_msg_next(&q->sched, m->qid))
			admin_schedule_msg(q, m, domain, now, &n);
	} else {
		admin_end(a, ENOENT, "no such message or domain in the queue");
		return;
	}
	log_info("queue: schedule %s: %llu recipients", what,
	    (unsigned long long)n);
	queue_kick(q);
	snprintf(text, sizeof(text), "%llu recipients scheduled",
	    (unsigned long long)n);
	admin_end(a, 0, text);
}

/* At start: what was paused stays so. */
int
admin_load_paused(struct queue *q)
{
	struct store_cursor	*c;
	struct store_val	 k;
	char			 name[ADDR_DOMAIN_MAX + 1];
	int			 ret, error;

	if ((c = store_cursor(q->db.pause, NULL)) == NULL)
		return -1;
	for (ret = store_seek_ge(c, "", 0, &k, NULL); ret == 0;
	    ret = store_next(c, &k, NULL)) {
		if (k.len >= sizeof(name))
			continue;
		memcpy(name, k.p, k.len);
		name[k.len] = '\0';
		admin_pause_apply(q, name, 1);
		log_info("queue: %s is paused", name);
	}
	error = errno;
	store_cursor_close(c);
	errno = error;
	return error == ENOENT ? 0 : -1;
}

static void
admin_pause_apply(struct queue *q, const char *name, int on)
{
	struct sched_dest	*d;

	if (strcmp(name, "local") == 0)
		q->sched.paused[SCHED_LOCAL] = on;
	else if (strcmp(name, "relay") == 0)
		q->sched.paused[SCHED_RELAY] = on;
	else {
		d = sched_dest_get(&q->sched, name,
		    dir_is_hosted(q->dir, name) ? SCHED_LOCAL : SCHED_RELAY);
		if (d == NULL)
			fatal("queue");
		sched_dest_pause(&q->sched, d, on);
	}
	queue_kick(q);
}

static void
admin_pause(struct admin *a, int on)
{
	struct queue		*q = a->q;
	struct store_txn	*txn;
	struct wbuf		 w;
	char			 name[ADDR_DOMAIN_MAX + 1];
	int			 ret = -1;

	if (strcmp(admin_arg(a, 0), "local") == 0 ||
	    strcmp(admin_arg(a, 0), "relay") == 0)
		strlcpy(name, admin_arg(a, 0), sizeof(name));
	else if (addr_domain_normalize(admin_arg(a, 0), name,
	    sizeof(name)) == -1) {
		admin_end(a, EINVAL, "expected local, relay or a domain");
		return;
	}
	if ((a->name = strdup(name)) == NULL)
		fatal("queue");
	if ((txn = group_txn(q->group)) == NULL) {
		admin_end(a, EIO, "the queue cannot be written to");
		return;
	}
	if (on) {
		wbuf_init(&w);
		wbuf_i64(&w, wstime_now());
		ret = w.error ? -1 : store_put(q->db.pause, txn, name,
		    strlen(name), w.data, w.len);
		wbuf_free(&w);
	} else {
		ret = store_del(q->db.pause, txn, name, strlen(name));
		if (ret == -1 && errno == ENOENT) {
			admin_end(a, ENOENT, "that is not paused");
			return;
		}
	}
	if (ret == -1)
		queue_write_failed(q, "pause");
	a->waiting = 1;
	if (group_add(q->group, 1, on ? admin_paused : admin_resumed, a) == -1)
		fatal("queue: group");
}

static void
admin_paused(void *arg, int ret)
{
	struct admin	*a = arg;

	if (ret == -1) {
		admin_end(a, EIO, "the queue cannot be written to");
		return;
	}
	log_info("queue: pause %s", a->name);
	admin_pause_apply(a->q, a->name, 1);
	admin_end(a, 0, "");
}

static void
admin_resumed(void *arg, int ret)
{
	struct admin	*a = arg;

	if (ret == -1) {
		admin_end(a, EIO, "the queue cannot be written to");
		return;
	}
	log_info("queue: resume %s", a->name);
	admin_pause_apply(a->q, a->name, 0);
	admin_end(a, 0, "");
}

static void
admin_remove(struct admin *a)
{
	struct queue		*q = a->q;
	struct sched_msg	*m;
	struct sched_item	*it;
	struct update		*u;
	uint64_t		 qid;
	uint32_t		 rno, i;
	int			 has_rno, bad = 0;

	if (!admin_find(q, admin_arg(a, 0), &qid, &rno, &has_rno) ||
	    admin_load_msg(a, qid) == -1) {
		admin_end(a, ENOENT, "no such message in the queue");
		return;
	}
	if ((m = sched_msg_find(&q->sched, qid)) == NULL) {
		admin_end(a, EAGAIN, "the queue is still being read");
		return;
	}
	u = update_new(q, qid, "remove", a->msg.facts.msgid,
	    a->msg.facts.sender);
	if (u == NULL)
		fatal("queue");
	if (has_rno)
		bad = update_change(u, CH_DROP, rno, ST_OK, "by wsctl", NULL);
	else {
		LIST_FOREACH(it, &m->items, mentry)
			for (i = 0; i < it->nrno; i++)
				bad |= update_change(u, CH_DROP, it->rno[i],
				    ST_OK, "by wsctl", NULL);
		for (i = 0; i < m->nfailed; i++)
			bad |= update_change(u, CH_DROP, m->failed[i], ST_OK,
			    "by wsctl", NULL);
	}
	if (bad)
		fatal("queue");
	a->waiting = 1;
	u->done = admin_removed;
	u->arg = a;
	update_write(u);
}

static void
admin_removed(void *arg, int ret)
{
	if (ret == -1)
		admin_end(arg, EIO, "the queue cannot be written to");
	else
		admin_end(arg, 0, "");
}
