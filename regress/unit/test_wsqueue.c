/* SPDX-License-Identifier: ISC */
/*
 * The real wsqueue, with this test as its parent, soap, wslocal and control:
 * what is accepted is delivered, bounced or still there, also after SIGKILL
 * at any moment; nothing twice that was answered.
 */
#include "compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "ctl.h"
#include "kid.h"
#include "log.h"
#include "msg_local.h"
#include "msg_queue.h"
#include "qdb.h"
#include "tap.h"
#include "testdir.h"
#include "wsemail.h"
#include "wstime.h"

#define ALICE	"alice@capricorn.test"
#define BOB	"bob@capricorn.test"
#define CAROL	"carol@capricorn.test"
#define LONG_MS	60000		/* what must come */
#define QUIET_MS 150		/* what must not come */

struct held {			/* a message that was not the one waited for */
	TAILQ_ENTRY(held)	 entry;
	struct imsg		 m;
};

struct end {			/* one of our channels to wsqueue */
	struct imsgbuf		 ib;
	enum proc_id		 as;
	int			 up;
	TAILQ_HEAD(, held)	 held;
};

struct mail {			/* a submission, in the words of a test */
	uint32_t	 origin;
	const char	*who;
	const char	*msgid;
	const char	*from;
	const char	*to[8];
	uint8_t		 intent;
	uint8_t		 nonce;		/* 0: none */
	uint32_t	 flags;
	const void	*body;
	size_t		 len;
};

static struct kid	 kid;
static struct end	 soap, local, control;
static struct conf	*conf;
static uint64_t		 lastid;
static uint8_t		 big[50000];

static void	 add_user(const char *);
static void	 remove_user(const char *);
static void	 add_domain(const char *);
static void	 add_alias(const char *, const char *, const char *);
static void	 up(struct end *, enum proc_id);
static void	 down(struct end *);
static void	 start(void);
static void	 restart(void);
static void	 hold(struct end *, const struct imsg *);
static int	 take(struct end *, uint32_t, uint64_t, int, struct imsg *);
static void	 must(struct end *, uint32_t, uint64_t, struct imsg *);
static int	 quiet(struct end *, uint32_t);
static void	 put_mail(struct end *, uint64_t, const struct mail *);
static void	 get_result(struct end *, uint64_t, struct submit_result *);
static uint32_t	 submit(const struct mail *);
static uint64_t	 get_deliver(char *, size_t, char *, size_t, struct imsg *);
static int	 answer_delivered(uint64_t, uint32_t, const char *);
static void	 put_delivered(uint64_t, uint32_t, const char *);
static int	 delivered(const char *, uint32_t, const char *);
static uint32_t	 nonce(uint8_t, int64_t);
static uint64_t	 get_job(struct relay_job *, struct imsg *);
static void	 put_relayed(uint64_t, uint32_t, const char *, const char *,
		    uint32_t, const char *);
static uint64_t	 get_bounce(struct bounce_job *, struct imsg *);
static uint32_t	 put_bounce(uint64_t, const char *, const char *);
static int	 empties(void);
static uint32_t	 command(enum ctl_cmd, const char *, const char *);
static uint64_t	 rows(const char *, char *, size_t);
static int	 count_files(const char *);
static int	 damage_files(void);
static double	 since(const struct timespec *);
static void	 test_fan_out(void);
static void	 test_refusals(void);
static void	 test_repeats(void);
static void	 test_replay(void);
static void	 test_killed(void);
static void	 drain(struct end *, int, uint8_t *, uint64_t, uint8_t *,
		    uint32_t);
static void	 test_shot(void);
static void	 test_far_loop(void);
static void	 test_poison(void);
static void	 test_forgetting(void);
static void	 test_retry(void);
static void	 test_bounce(void);
static void	 test_double_bounce(void);
static void	 test_ttl(void);
static void	 test_control(void);
static void	 test_removal_race(void);
static void	 test_reload(void);
static void	 test_quarantine(void);
static int	 damage_table(const char *, const char *);
static int	 put_key(const char *, const void *, size_t);
static void	 test_bad_key(void);
static void	 test_bad_record(void);
static void	 test_bad_peer(void);
static void	 test_many(void);

static void
add_user(const char *name)
{
	struct conf_user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->name = strdup(name)) == NULL)
		fatal("conf");
	u->quota = -1;
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
}

static void
remove_user(const char *name)
{
	struct conf_user	*u;

	TAILQ_FOREACH(u, &conf->users, entry)
		if (strcmp(u->name, name) == 0)
			break;
	if (u == NULL)
		fatalx("no user %s", name);
	TAILQ_REMOVE(&conf->users, u, entry);
	free(u->name);
	free(u);
}

static void
add_domain(const char *name)
{
	struct conf_domain	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->name = strdup(name)) == NULL)
		fatal("conf");
	d->quota = -1;
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
}

static void
add_alias(const char *name, const char *to1, const char *to2)
{
	struct conf_alias	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->name = strdup(name)) == NULL ||
	    (a->to = calloc(2, sizeof(*a->to))) == NULL)
		fatal("conf");
	a->to[a->nto++] = strdup(to1);
	if (to2 != NULL)
		a->to[a->nto++] = strdup(to2);
	TAILQ_INSERT_TAIL(&conf->aliases, a, entry);
}

static void
up(struct end *e, enum proc_id as)
{
	e->as = as;
	TAILQ_INIT(&e->held);
	if (kid_connect(&kid, &e->ib, as, 0) == -1)
		fatal("connect");
	e->up = 1;
}

static void
down(struct end *e)
{
	struct held	*h;

	if (!e->up)
		return;
	while ((h = TAILQ_FIRST(&e->held)) != NULL) {
		TAILQ_REMOVE(&e->held, h, entry);
		imsg_free(&h->m);
		free(h);
	}
	imsgbuf_clear(&e->ib);
	e->up = 0;
}

static void
start(void)
{
	if (kid_start(&kid, kid_path("wsqueue/wsqueue"), P_QUEUE, NULL,
	    conf) == -1)
		fatal("wsqueue does not start (kid.log)");
	up(&soap, P_SOAP);
	up(&local, P_LOCAL);
	up(&control, P_CONTROL);
	if (kid_go(&kid) == -1)
		fatal("go");
}

/* As if the process had been shot: it was. */
static void
restart(void)
{
	kid_kill(&kid);
	down(&soap);
	down(&local);
	down(&control);
	start();
}

static void
hold(struct end *e, const struct imsg *m)
{
	struct held	*h;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		fatal("held");
	h->m = *m;
	TAILQ_INSERT_TAIL(&e->held, h, entry);
}

/*
 * The next message of a type, and of an id if that is not 0; others are kept
 * for later.  1, or 0: none came in time.
 */
static int
take(struct end *e, uint32_t type, uint64_t id, int ms, struct imsg *m)
{
	struct held	*h;
	int		 n;

	TAILQ_FOREACH(h, &e->held, entry)
		if (h->m.hdr.type == type && (id == 0 || h->m.hdr.id == id)) {
			*m = h->m;
			TAILQ_REMOVE(&e->held, h, entry);
			free(h);
			return 1;
		}
	for (;;) {
		if ((n = kid_recv(&e->ib, m, ms)) == -1)
			fatalx("wsqueue has closed the channel");
		if (n == 0)
			return 0;
		if (m->hdr.type == type && (id == 0 || m->hdr.id == id))
			return 1;
		hold(e, m);
	}
}

static void
must(struct end *e, uint32_t type, uint64_t id, struct imsg *m)
{
	if (!take(e, type, id, LONG_MS, m))
		fatalx("no %s %llu", proto_name(type),
		    (unsigned long long)id);
}

/* Nothing of this type comes. */
static int
quiet(struct end *e, uint32_t type)
{
	struct imsg	m;

	if (!take(e, type, 0, QUIET_MS, &m))
		return 1;
	imsg_free(&m);
	return 0;
}

static void
put_mail(struct end *e, uint64_t id, const struct mail *m)
{
	struct submit	s;
	struct rcpt	r[8];
	struct wbuf	w;

	memset(&s, 0, sizeof(s));
	s.origin = m->origin;
	s.principal = (char *)(uintptr_t)m->who;
	s.peer = (char *)(uintptr_t)"192.0.2.1";
	if (m->nonce != 0) {
		memset(s.replay.key, m->nonce, sizeof(s.replay.key));
		s.replay.until = wstime_now() + 300000;
	}
	s.facts.msgid = (char *)(uintptr_t)m->msgid;
	s.facts.sender = (char *)(uintptr_t)m->from;
	s.facts.subject = (char *)(uintptr_t)"Test";
	s.facts.timestamp = 1234567890123;
	s.facts.flags = m->flags;
	memset(s.facts.intent, m->intent, sizeof(s.facts.intent));
	for (s.nrcpt = 0; s.nrcpt < nitems(m->to) &&
	    m->to[s.nrcpt] != NULL; s.nrcpt++) {
		r[s.nrcpt].addr = (char *)(uintptr_t)m->to[s.nrcpt];
		r[s.nrcpt].orig = (char *)(uintptr_t)"";
	}
	s.rcpt = r;
	s.body = m->body != NULL ? m->body : (const uint8_t *)"<m/>";
	s.body_len = m->body != NULL ? m->len : 4;
	s.sig = (const uint8_t *)"<sig/>";
	s.sig_len = 6;
	wbuf_init(&w);
	submit_put(&w, &s);
	if (kid_send(&e->ib, IMSG_QUEUE_SUBMIT, id, &w) == -1)
		fatal("send");
}

static void
get_result(struct end *e, uint64_t id, struct submit_result *res)
{
	struct imsg	m;
	struct rbuf	r;

	must(e, IMSG_SOAP_SUBMIT_RESULT, id, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (submit_result_get(&r, res) == -1)
		fatal("result");
	imsg_free(&m);
}

static uint32_t
submit(const struct mail *m)
{
	struct submit_result	res;
	uint32_t		code;

	put_mail(&soap, ++lastid, m);
	get_result(&soap, lastid, &res);
	code = res.replayed ? 1 : res.code;
	submit_result_free(&res);
	return code;
}

/* The next delivery to wslocal: its id. */
static uint64_t
get_deliver(char *user, size_t usize, char *msgid, size_t msize,
    struct imsg *m)
{
	struct deliver	d;
	struct rbuf	r;

	must(&local, IMSG_LOCAL_DELIVER, 0, m);
	rbuf_init(&r, m->data, m->hdr.len);
	if (deliver_get(&r, &d) == -1)
		fatal("deliver");
	strlcpy(user, d.user, usize);
	strlcpy(msgid, d.facts.msgid, msize);
	deliver_free(&d);
	return m->hdr.id;
}

static int
answer_delivered(uint64_t id, uint32_t code, const char *text)
{
	struct wbuf	w;

	wbuf_init(&w);
	deliver_result_put(&w, code, text);
	return kid_send(&local.ib, IMSG_QUEUE_DELIVER_RESULT, id, &w);
}

static void
put_delivered(uint64_t id, uint32_t code, const char *text)
{
	if (answer_delivered(id, code, text) == -1)
		fatal("send");
}

/* The next delivery is for this user; it is answered.  1 or 0. */
static int
delivered(const char *user, uint32_t code, const char *text)
{
	struct imsg	m;
	char		is[128], msgid[128];
	uint64_t	id;

	id = get_deliver(is, sizeof(is), msgid, sizeof(msgid), &m);
	imsg_free(&m);
	put_delivered(id, code, text);
	return strcmp(user, is) == 0;
}

static uint64_t
get_job(struct relay_job *job, struct imsg *m)
{
	struct rbuf	r;

	must(&soap, IMSG_SOAP_RELAY_JOB, 0, m);
	rbuf_init(&r, m->data, m->hdr.len);
	if (relay_job_get(&r, job) == -1)
		fatal("job");
	return m->hdr.id;
}

/* One recipient may fare otherwise than the rest. */
static void
put_relayed(uint64_t id, uint32_t code, const char *text, const char *but,
    uint32_t butcode, const char *buttext)
{
	struct relay_done	d;
	struct rcpt_status	rs;
	struct wbuf		w;

	memset(&d, 0, sizeof(d));
	d.code = code;
	d.text = (char *)(uintptr_t)text;
	d.host = (char *)(uintptr_t)"mx.far.test[192.0.2.9]:443";
	if (but != NULL) {
		d.nrcpt = 1;
		d.rcpt = &rs;
		rs.addr = (char *)(uintptr_t)but;
		rs.code = butcode;
		rs.text = (char *)(uintptr_t)buttext;
	}
	wbuf_init(&w);
	relay_done_put(&w, &d);
	if (kid_send(&soap.ib, IMSG_QUEUE_RELAY_RESULT, id, &w) == -1)
		fatal("send");
}

static uint64_t
get_bounce(struct bounce_job *job, struct imsg *m)
{
	struct rbuf	r;

	must(&soap, IMSG_SOAP_BOUNCE_JOB, 0, m);
	rbuf_init(&r, m->data, m->hdr.len);
	if (bounce_job_get(&r, job) == -1)
		fatal("bounce");
	return m->hdr.id;
}

static uint32_t
put_bounce(uint64_t job, const char *msgid, const char *to)
{
	struct submit_result	res;
	struct mail		m;
	uint32_t		code;

	memset(&m, 0, sizeof(m));
	m.origin = SUBMIT_BOUNCE;
	m.who = m.from = "postmaster@capricorn.test";
	m.msgid = msgid;
	m.to[0] = to;
	put_mail(&soap, job, &m);
	get_result(&soap, job, &res);
	code = res.code;
	submit_result_free(&res);
	return code;
}

/* The queue gets empty, sooner or later. */
static int
empties(void)
{
	struct timespec	ts = { 0, 2000000 };
	int		i;

	for (i = 0; i < 5000; i++) {
		if (kid_stat(&kid, "messages") == 0)
			return kid_stat(&kid, "recipients") == 0 &&
			    kid_stat(&kid, "bytes") == 0;
		/* Nothing tells us; it is another process that works. */
		nanosleep(&ts, NULL);
	}
	return 0;
}

/* A command of wsctl; its error number. */
static uint32_t
command(enum ctl_cmd cmd, const char *arg0, const char *arg1)
{
	struct ctl_req	req;
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;
	uint32_t	error;
	char		*text;

	memset(&req, 0, sizeof(req));
	req.version = CTL_VERSION;
	req.cmd = cmd;
	req.nargs = arg1 != NULL ? 2 : arg0 != NULL ? 1 : 0;
	req.arg[0] = (char *)(uintptr_t)arg0;
	req.arg[1] = (char *)(uintptr_t)arg1;
	wbuf_init(&w);
	ctl_req_put(&w, &req);
	if (kid_send(&control.ib, IMSG_CTL_REQUEST, ++lastid, &w) == -1)
		fatal("send");
	if (cmd == CTL_SHOW_QUEUE || cmd == CTL_SHOW_MESSAGE)
		return 0;
	must(&control, IMSG_CTL_END, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (ctl_end_get(&r, &error, &text) == -1)
		fatal("end");
	free(text);
	imsg_free(&m);
	return error;
}

/*
 * Reads the rows of the last request to its end; how many.  The named string
 * field of the last one is copied to buf.
 */
static uint64_t
rows(const char *field, char *buf, size_t size)
{
	struct ctl_row	row;
	struct imsg	m;
	struct rbuf	r;
	uint64_t	n = 0;
	size_t		i;
	unsigned int	msgs = 0;

	if (size > 0)
		buf[0] = '\0';
	for (;;) {
		if (kid_recv(&control.ib, &m, LONG_MS) != 1)
			fatalx("no rows");
		if (m.hdr.type == IMSG_CTL_END) {
			imsg_free(&m);
			return n;
		}
		rbuf_init(&r, m.data, m.hdr.len);
		while (ctl_row_get(&r, &row) == 1) {
			n++;
			for (i = 0; i < row.nfields; i++)
				if (field != NULL && strcmp(field,
				    row.field[i].name) == 0)
					strlcpy(buf, row.field[i].str, size);
			ctl_row_free(&row);
		}
		imsg_free(&m);
		if (++msgs % CTL_ROWS_AHEAD == 0)
			kid_send(&control.ib, IMSG_CTL_MORE, lastid, NULL);
	}
}

static int
count_files(const char *dir)
{
	struct dirent	*de;
	char		 path[512];
	DIR		*d;
	int		 n = 0;

	if ((d = opendir(dir)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		if (de->d_type != DT_DIR) {
			n++;
			continue;
		}
		snprintf(path, sizeof(path), "%s/%.200s", dir, de->d_name);
		n += count_files(path);
	}
	closedir(d);
	return n;
}

/* Changes one octet in every body file. */
static int
damage_files(void)
{
	struct dirent	*de;
	char		 path[512];
	DIR		*d;
	int		 i, fd, n = 0;

	for (i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "body/%02x", (unsigned int)i);
		if ((d = opendir(path)) == NULL)
			continue;
		while ((de = readdir(d)) != NULL) {
			if (de->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "body/%02x/%.200s",
			    (unsigned int)i, de->d_name);
			if ((fd = open(path, O_WRONLY)) == -1)
				continue;
			if (pwrite(fd, "X", 1, 1000) == 1)
				n++;
			close(fd);
		}
		closedir(d);
	}
	return n;
}

/* Local, remote and by alias, from one body. */
static void
test_fan_out(void)
{
	struct mail		ml = { SUBMIT_USER, ALICE,
	    "one@capricorn.test", ALICE, { BOB, "eve@far.test",
	    "list@capricorn.test", "mallory@far.test", BOB }, 1, 0, 0, NULL,
	    0 };
	struct relay_job	job;
	struct imsg		m;
	uint64_t		id[2];
	int			i, far = 0, other = 0;

	is_int(submit(&ml), ST_OK, "accepted");
	ok(delivered(BOB, ST_OK, "") && delivered(CAROL, ST_OK, ""),
	    "delivered to the user and to the alias's");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "and to each once");
	for (i = 0; i < 2; i++) {
		id[i] = get_job(&job, &m);
		if (strcmp(job.domain, "far.test") == 0 && job.nrcpt == 2 &&
		    strcmp(job.rcpt[0].orig, "") == 0)
			far = 1;
		if (strcmp(job.domain, "other.test") == 0 &&
		    job.nrcpt == 1 && strcmp(job.rcpt[0].orig,
		    "list@capricorn.test") == 0)
			other = 1;
		ok(strcmp(job.from_domain, "capricorn.test") == 0 &&
		    job.body_len == 4 && memcmp(job.body, "<m/>", 4) == 0 &&
		    job.sig_len == 6 && memcmp(job.sig, "<sig/>", 6) == 0,
		    "a job with the body and its signature");
		relay_job_free(&job);
		imsg_free(&m);
	}
	ok(far, "one job for both recipients of a domain");
	ok(other, "one for where the alias leads, which it names");
	put_relayed(id[0], ST_OK, "", NULL, 0, NULL);
	put_relayed(id[1], ST_OK, "", NULL, 0, NULL);
	ok(empties(), "the queue is empty");
	is_int(kid_stat(&kid, "relayed"), 3, "three relayed");
	is_int(kid_stat(&kid, "delivered"), 2, "two delivered");
}

static void
test_refusals(void)
{
	struct submit_result	res;
	struct mail		ml = { SUBMIT_USER, ALICE,
	    "two@capricorn.test", ALICE, { BOB, "nobody@capricorn.test",
	    "gone@capricorn.test" }, 1, 0, 0, NULL, 0 };

	put_mail(&soap, ++lastid, &ml);
	get_result(&soap, lastid, &res);
	is_int(res.code, ST_NOUSER, "an unknown user here refuses all");
	is_int(res.nrcpt, 2, "all unknown ones are named");
	submit_result_free(&res);
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "nothing is delivered");
	ml.to[1] = ml.to[2] = NULL;
	is_int(submit(&ml), ST_OK, "the id was not used up");
	ok(delivered(BOB, ST_OK, ""), "delivered");
	ml.to[0] = "postmaster@capricorn.test";
	ml.msgid = "three@capricorn.test";
	is_int(submit(&ml), ST_NOUSER, "postmaster is nobody by magic");
	ml.to[0] = NULL;
	is_int(submit(&ml), ST_BAD, "no recipients");
	ok(empties(), "empty");
}

static void
test_repeats(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "rep@capricorn.test",
	    ALICE, { BOB }, 1, 0, 0, NULL, 0 };
	struct mail	pe = { SUBMIT_PEER, "scorpio.test",
	    "p1@scorpio.test", "dan@scorpio.test", { BOB, "x@far.test" }, 1,
	    0, 0, "<peer/>", 7 };
	struct submit_result	res;

	is_int(submit(&ml), ST_OK, "accepted");
	is_int(submit(&ml), ST_OK, "the same again: 200 again");
	ok(delivered(BOB, ST_OK, ""), "delivered");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "once");
	ml.intent = 2;
	is_int(submit(&ml), ST_BAD, "another message under its id");
	ml.who = CAROL;
	is_int(submit(&ml), ST_OK, "another user's id is another id");
	ok(delivered(BOB, ST_OK, ""), "delivered");

	put_mail(&soap, ++lastid, &pe);
	get_result(&soap, lastid, &res);
	ok(res.code == ST_OK && res.nrcpt == 1 &&
	    res.rcpt[0].code == ST_NOUSER,
	    "a peer's recipients are judged one by one; we are no relay");
	submit_result_free(&res);
	ok(delivered(BOB, ST_OK, ""), "the good one is delivered");
	pe.to[1] = CAROL;
	is_int(submit(&pe), ST_OK, "again, with one more");
	ok(delivered(CAROL, ST_OK, ""), "that one is delivered");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "and no other");
	pe.body = "<other/>";
	pe.len = 8;
	is_int(submit(&pe), ST_BAD, "another body under the id");
	restart();
	pe.body = "<peer/>";
	pe.len = 7;
	is_int(submit(&pe), ST_OK, "known after SIGKILL");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "nothing is delivered twice");
	ok(empties(), "empty");
}

/* Asks for a nonce; the answer's code. */
static uint32_t
nonce(uint8_t key, int64_t until)
{
	struct replay	rp;
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;
	uint32_t	code;

	memset(rp.key, key, sizeof(rp.key));
	rp.until = until;
	wbuf_init(&w);
	replay_put(&w, &rp);
	kid_send(&soap.ib, IMSG_QUEUE_NONCE_CHECK, ++lastid, &w);
	must(&soap, IMSG_SOAP_NONCE_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	code = rbuf_u32(&r);
	imsg_free(&m);
	return code;
}

static void
test_replay(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "n1@capricorn.test",
	    ALICE, { BOB }, 1, 77, 0, NULL, 0 };
	struct timespec	ts = { 0, 2000000 };
	int64_t		soon;
	int		i;
	static const uint32_t want[] = { 0, 1, 1 };

	is_int(submit(&ml), ST_OK, "accepted with a nonce");
	ok(delivered(BOB, ST_OK, ""), "delivered");
	ml.msgid = "n2@capricorn.test";
	is_int(submit(&ml), 1, "the nonce again: replayed");
	restart();
	is_int(submit(&ml), 1, "also after SIGKILL");
	ml.nonce = 78;
	ml.to[0] = "nobody@capricorn.test";
	is_int(submit(&ml), ST_NOUSER, "refused for good");
	is_int(submit(&ml), 1, "its nonce is used up");
	for (i = 0; i < 3; i++) {
		if (i == 2)
			restart();
		is_int(nonce(99, wstime_now() + 100000), want[i],
		    "nonce check");
	}
	/* What is swept is not forgotten silently: the mark stays. */
	soon = wstime_now() + 50;
	is_int(nonce(100, soon), 0, "one that ends soon");
	for (i = 0; i < 5000 && kid_stat(&kid, "forgotten") < 1; i++)
		nanosleep(&ts, NULL);
	is_int(kid_stat(&kid, "forgotten"), 1, "is swept");
	is_int(nonce(101, soon - 10), 1, "none from before is new any more");
	restart();
	is_int(nonce(102, soon - 10), 1, "nor after SIGKILL");
	is_int(nonce(103, wstime_now() + 10000), 0, "one of now is");
	ok(empties(), "empty");
}

/* What was answered 200 is there after SIGKILL, whatever was under way. */
static void
test_killed(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, NULL, ALICE,
	    { BOB, "eve@far.test" }, 1, 0, 0, NULL, 0 };
	struct relay_job	job;
	struct imsg	m;
	char		msgid[64];
	int		seen[30], i, k, n, all = 1;

	down(&local);
	down(&soap);
	up(&soap, P_SOAP);
	for (i = 0; i < 30; i++) {
		snprintf(msgid, sizeof(msgid), "k%d@capricorn.test", i);
		ml.msgid = msgid;
		if (i == 5) {
			ml.body = big;
			ml.len = sizeof(big);
		}
		if (submit(&ml) != ST_OK)
			all = 0;
		if (i % 10 == 9)
			restart();
	}
	ok(all, "30 accepted, with two kills between");
	is_int(count_files("body"), 25, "large bodies are files");
	memset(seen, 0, sizeof(seen));
	n = 0;
	for (i = 0; i < 60; i++) {
		char	user[128], id[128];
		uint64_t f;

		/* In the middle: what is under way is lost, and comes again. */
		if (i == 13) {
			restart();
			continue;
		}
		if (!take(&local, IMSG_LOCAL_DELIVER, 0, n == 30 ? QUIET_MS :
		    LONG_MS, &m))
			break;
		hold(&local, &m);
		f = get_deliver(user, sizeof(user), id, sizeof(id), &m);
		imsg_free(&m);
		if (sscanf(id, "k%d@", &k) == 1 && k >= 0 && k < 30) {
			if (seen[k]++ == 0)
				n++;
		}
		put_delivered(f, ST_OK, "");
	}
	is_int(n, 30, "all are delivered");
	for (i = 0, n = 0; i < 30; i++) {
		put_relayed(get_job(&job, &m), ST_OK, "", NULL, 0, NULL);
		if (sscanf(job.msgid, "k%d@", &k) == 1 && k >= 0 && k < 30 &&
		    seen[k] < 1000) {
			seen[k] += 1000;
			n++;
			if (k == 7 && (job.body_len != sizeof(big) ||
			    memcmp(job.body, big, sizeof(big)) != 0))
				n = 0;
		}
		relay_job_free(&job);
		imsg_free(&m);
	}
	is_int(n, 30, "all are relayed, bodies whole");
	ok(empties(), "empty");
	is_int(count_files("body"), 0, "no body file is left");
}

/* What lies in a channel now; answers are counted, deliveries answered. */
static void
drain(struct end *e, int ms, uint8_t *accepted, uint64_t first,
    uint8_t *seen, uint32_t max)
{
	struct submit_result	res;
	struct deliver		d;
	struct imsg		m;
	struct rbuf		r;
	uint32_t		k;

	while (kid_recv(&e->ib, &m, ms) == 1) {
		rbuf_init(&r, m.data, m.hdr.len);
		if (m.hdr.type == IMSG_SOAP_SUBMIT_RESULT &&
		    submit_result_get(&r, &res) == 0) {
			if (res.code == ST_OK && m.hdr.id >= first &&
			    m.hdr.id - first < max)
				accepted[m.hdr.id - first] = 1;
			submit_result_free(&res);
		} else if (m.hdr.type == IMSG_LOCAL_DELIVER &&
		    deliver_get(&r, &d) == 0) {
			if (sscanf(d.facts.msgid, "shot%u@", &k) == 1 &&
			    k < max && seen[k] < 255)
				seen[k]++;
			deliver_free(&d);
			/* It may be dead by now. */
			(void)answer_delivered(m.hdr.id, ST_OK, "");
		}
		imsg_free(&m);
	}
}

/*
 * Shot at any moment while mail comes in and goes out: what was answered 200
 * is delivered in the end.
 */
static void
test_shot(void)
{
	static uint8_t	accepted[1200], seen[1200];
	struct mail	ml = { SUBMIT_USER, ALICE, NULL, ALICE, { BOB }, 1,
	    0, 0, NULL, 0 };
	uint64_t	first = lastid + 1;
	uint32_t	i, n = 0, lost = 0, known = 0, round;
	char		msgid[64];

	for (round = 0; round < 12; round++) {
		for (i = 0; i < 100; i++, n++) {
			snprintf(msgid, sizeof(msgid), "shot%u@capricorn.test",
			    n);
			ml.msgid = msgid;
			ml.body = n % 29 == 0 ? big : NULL;
			ml.len = n % 29 == 0 ? sizeof(big) : 0;
			put_mail(&soap, ++lastid, &ml);
			if (i % 20 != 19)
				continue;
			drain(&soap, (int)(round * 5) % 17, accepted, first,
			    seen, nitems(seen));
			drain(&local, (int)round % 3, accepted, first, seen,
			    nitems(seen));
		}
		kill(kid.pid, SIGKILL);
		/* What it had said before counts. */
		drain(&soap, 1000, accepted, first, seen, nitems(seen));
		drain(&local, 1000, accepted, first, seen, nitems(seen));
		restart();
	}
	for (i = 0; i < 100 && kid_stat(&kid, "messages") != 0; i++)
		drain(&local, 100, accepted, first, seen, nitems(seen));
	for (i = 0; i < n; i++) {
		known += accepted[i];
		lost += accepted[i] && seen[i] == 0;
	}
	printf("# %u submitted, %u accepted, 12 times shot\n", n, known);
	ok(known > 100, "some were accepted");
	is_int(lost, 0, "none of these is lost");
	ok(empties(), "empty");
	is_int(count_files("body"), 0, "no body file is left");
}

static void
test_retry(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "r@capricorn.test", ALICE,
	    { BOB, "eve@far.test", "mallory@far.test" }, 1, 0, 0, NULL, 0 };
	struct relay_job	job;
	struct imsg	m;
	char		buf[64];

	is_int(submit(&ml), ST_OK, "accepted");
	ok(delivered(BOB, ST_TEMPFAIL, "disk full"), "fails for now");
	put_relayed(get_job(&job, &m), ST_OK, "", "mallory@far.test",
	    ST_TEMPFAIL, "greylisted");
	relay_job_free(&job);
	imsg_free(&m);
	ok(delivered(BOB, ST_OK, ""), "comes again, and is delivered");
	put_relayed(get_job(&job, &m), 202, "perhaps", NULL, 0, NULL);
	ok(job.nrcpt == 1 && strcmp(job.rcpt[0].addr,
	    "mallory@far.test") == 0, "only the one that failed comes again");
	relay_job_free(&job);
	imsg_free(&m);
	put_relayed(get_job(&job, &m), ST_OK, "", NULL, 0, NULL);
	ok(job.nrcpt == 1, "and so does one with an answer that says nothing");
	relay_job_free(&job);
	imsg_free(&m);
	ok(empties(), "empty");

	/* A peer process that dies is no attempt. */
	ml.msgid = "r2@capricorn.test";
	ml.to[1] = NULL;
	is_int(submit(&ml), ST_OK, "accepted");
	must(&local, IMSG_LOCAL_DELIVER, 0, &m);
	imsg_free(&m);
	down(&local);
	up(&local, P_LOCAL);
	must(&local, IMSG_LOCAL_DELIVER, 0, &m);
	ok(1, "wslocal died: it comes again");
	put_delivered(m.hdr.id, ST_TEMPFAIL, "no");
	imsg_free(&m);
	must(&local, IMSG_LOCAL_DELIVER, 0, &m);
	command(CTL_SHOW_QUEUE, NULL, NULL);
	is_int((int64_t)rows("reason", buf, sizeof(buf)), 1, "one row");
	is_str(buf, "no", "with the reason of the last failure");
	put_delivered(m.hdr.id, ST_OK, "");
	imsg_free(&m);
	ok(empties(), "empty");
}

static void
test_bounce(void)
{
	struct mail		ml = { SUBMIT_USER, ALICE,
	    "b@capricorn.test", ALICE, { BOB, "eve@far.test",
	    "mallory@far.test" }, 1, 0, 0, NULL, 0 };
	struct mail		none = { SUBMIT_BOUNCE,
	    "postmaster@capricorn.test", "bb9@capricorn.test",
	    "postmaster@capricorn.test", { NULL }, 0, 0, 0, "", 0 };
	struct submit_result	res;
	struct bounce_job	job;
	struct relay_job	rj;
	struct imsg		m;
	uint64_t		id;

	is_int(submit(&ml), ST_OK, "accepted");
	ok(delivered(BOB, ST_TOOBIG, "mailbox full"), "fails for good");
	put_relayed(get_job(&rj, &m), ST_OK, "", "eve@far.test", ST_NOUSER,
	    "no such user");
	relay_job_free(&rj);
	imsg_free(&m);
	(void)get_bounce(&job, &m);
	ok(job.kind == BOUNCE_FAILED && strcmp(job.to, ALICE) == 0 &&
	    strcmp(job.domain, "capricorn.test") == 0 &&
	    strcmp(job.orig.msgid, ml.msgid) == 0, "a bounce is asked for");
	is_int(job.nrcpt, 2, "one for both that failed");
	ok(job.nrcpt == 2 && ((strcmp(job.rcpt[0].addr, BOB) == 0 &&
	    job.rcpt[0].code == ST_TOOBIG &&
	    strcmp(job.rcpt[0].text, "mailbox full") == 0) ||
	    (strcmp(job.rcpt[1].addr, BOB) == 0 &&
	    job.rcpt[1].code == ST_TOOBIG)), "with code and reason");
	bounce_job_free(&job);
	imsg_free(&m);
	/* soap dies with it, then we do. */
	down(&soap);
	up(&soap, P_SOAP);
	(void)get_bounce(&job, &m);
	ok(1, "soap died: it is asked for again");
	bounce_job_free(&job);
	imsg_free(&m);
	restart();
	id = get_bounce(&job, &m);
	is_int(job.nrcpt, 2, "asked for again after SIGKILL");
	bounce_job_free(&job);
	imsg_free(&m);
	put_mail(&soap, id, &none);
	get_result(&soap, id, &res);
	is_int(res.code, ST_BAD, "soap has none");
	submit_result_free(&res);
	ok(kid_logged("soap could not compose it"), "which is understood");
	restart();
	id = get_bounce(&job, &m);
	bounce_job_free(&job);
	imsg_free(&m);
	is_int(put_bounce(id + 1000, "bb0@capricorn.test", ALICE), ST_BAD,
	    "a bounce nobody asked for is not taken");
	is_int(put_bounce(id, "bb1@capricorn.test", ALICE), ST_OK,
	    "the bounce is taken");
	ok(delivered(ALICE, ST_OK, ""), "and delivered to the sender");
	ok(empties(), "the failed recipients are gone with it");
	is_int(put_bounce(id, "bb1@capricorn.test", ALICE), ST_BAD,
	    "it is not taken twice");
}

static void
test_double_bounce(void)
{
	struct mail		ml = { SUBMIT_PEER, "scorpio.test",
	    "d@scorpio.test", "dan@scorpio.test", { BOB }, 1, 0, 0, "<d/>",
	    4 };
	struct bounce_job	job;
	struct relay_job	rj;
	struct imsg		m;
	uint64_t		id;

	is_int(submit(&ml), ST_OK, "accepted from a peer");
	ok(delivered(BOB, ST_TOOBIG, "mailbox full"), "fails for good");
	id = get_bounce(&job, &m);
	is_str(job.to, "dan@scorpio.test", "the bounce is for the peer's");
	is_str(job.domain, "capricorn.test", "from the domain it came to");
	bounce_job_free(&job);
	imsg_free(&m);
	is_int(put_bounce(id, "db@capricorn.test", "dan@scorpio.test"),
	    ST_OK, "taken");
	put_relayed(get_job(&rj, &m), ST_NOUSER, "no such user", NULL, 0,
	    NULL);
	is_str(rj.from_domain, "capricorn.test", "it goes by relay");
	relay_job_free(&rj);
	imsg_free(&m);
	ok(empties(), "its failure is the end of it");
	ok(quiet(&soap, IMSG_SOAP_BOUNCE_JOB), "no bounce of a bounce");
	is_int(kid_stat(&kid, "dropped"), 1, "counted");

	ml.origin = SUBMIT_USER;
	ml.who = ml.from = ALICE;
	ml.msgid = "silent@capricorn.test";
	ml.flags = FLAG_DELETE_UNDELIVERABLE;
	is_int(submit(&ml), ST_OK, "accepted, delete if undeliverable");
	ok(delivered(BOB, ST_TOOBIG, "mailbox full"), "fails for good");
	ok(empties(), "deleted");
	ok(quiet(&soap, IMSG_SOAP_BOUNCE_JOB), "and nothing is said");
}

static void
test_ttl(void)
{
	struct mail		ml = { SUBMIT_USER, ALICE,
	    "t@capricorn.test", ALICE, { "eve@far.test" }, 1, 0, 0, NULL,
	    0 };
	struct bounce_job	job;
	struct imsg		m;
	int			warned = 0, expired = 0, tries = 0;
	uint64_t		id;

	conf->ttl = 4;
	conf->warn = 1;
	kid_reload(&kid, conf);
	is_int(submit(&ml), ST_OK, "accepted");
	while (!expired && tries < 20) {
		if (take(&soap, IMSG_SOAP_BOUNCE_JOB, 0, 10, &m)) {
			struct rbuf	r;

			rbuf_init(&r, m.data, m.hdr.len);
			if (bounce_job_get(&r, &job) == -1)
				fatal("bounce");
			id = m.hdr.id;
			imsg_free(&m);
			if (job.kind == BOUNCE_DELAYED) {
				warned++;
				ok(job.until > job.next && job.next > 0 &&
				    job.rcpt[0].code == ST_TEMPFAIL,
				    "a delay, with times and reason");
			} else {
				expired++;
				is_int(job.rcpt[0].code, ST_EXPIRED,
				    "given up");
				ok(strstr(job.rcpt[0].text, "not today") !=
				    NULL, "with the last reason");
			}
			bounce_job_free(&job);
			is_int(put_bounce(id, warned + expired == 1 ?
			    "t1@capricorn.test" : "t2@capricorn.test", ALICE),
			    ST_OK, "taken");
			ok(delivered(ALICE, ST_OK, ""), "delivered");
			continue;
		}
		if (!take(&soap, IMSG_SOAP_RELAY_JOB, 0, 500, &m))
			continue;
		tries++;
		put_relayed(m.hdr.id, ST_TEMPFAIL, "not today", NULL, 0,
		    NULL);
		imsg_free(&m);
	}
	is_int(warned, 1, "warned once");
	is_int(expired, 1, "expired");
	ok(tries >= 2, "after several tries");
	ok(empties(), "empty");
	conf->ttl = 4 * 86400;
	conf->warn = 4 * 3600;
	kid_reload(&kid, conf);
}

static void
test_control(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "c1@capricorn.test",
	    ALICE, { BOB, CAROL }, 1, 0, 0, NULL, 0 };
	struct relay_job rj;
	struct imsg	m;
	char		buf[64], id[64];

	is_int(command(CTL_PAUSE, "local", NULL), 0, "pause local");
	is_int(command(CTL_PAUSE, "no domain!", NULL), EINVAL, "pause what?");
	is_int(submit(&ml), ST_OK, "accepted");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "and held");
	restart();
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "held after SIGKILL too");
	command(CTL_SHOW_QUEUE, NULL, NULL);
	is_int((int64_t)rows("state", buf, sizeof(buf)), 2, "two rows");
	is_str(buf, "paused", "their state");
	command(CTL_SHOW_QUEUE, CAROL, NULL);
	is_int((int64_t)rows("id", id, sizeof(id)), 1, "one of carol's");
	command(CTL_SHOW_QUEUE, "capricorn.test", "1");
	is_int((int64_t)rows(NULL, NULL, 0), 1, "no more than asked for");
	command(CTL_SHOW_QUEUE, "nowhere.test", NULL);
	is_int((int64_t)rows(NULL, NULL, 0), 0, "none elsewhere");
	is_int(command(CTL_REMOVE, id, NULL), 0, "remove one recipient");
	id[16] = '\0';
	command(CTL_SHOW_MESSAGE, id, NULL);
	is_int((int64_t)rows("to", buf, sizeof(buf)), 2, "facts and the other");
	is_str(buf, BOB, "bob");
	command(CTL_SHOW_MESSAGE, "c1@capricorn.test", NULL);
	is_int((int64_t)rows(NULL, NULL, 0), 2, "found by MessageId too");
	is_int(command(CTL_REMOVE, "ffffffffffffffff", NULL), ENOENT,
	    "no such message");
	is_int(command(CTL_REMOVE, id, NULL), 0, "remove the message");
	ok(empties(), "empty");
	ml.msgid = "c2@capricorn.test";
	is_int(submit(&ml), ST_OK, "another");
	is_int(command(CTL_RESUME, "local", NULL), 0, "resume");
	ok(delivered(BOB, ST_OK, "") | delivered(CAROL, ST_OK, ""),
	    "delivered");
	ok(empties(), "empty");

	is_int(command(CTL_PAUSE, "far.test", NULL), 0, "pause a domain");
	ml.msgid = "c3@capricorn.test";
	ml.to[0] = "eve@far.test";
	ml.to[1] = "eve@near.test";
	is_int(submit(&ml), ST_OK, "accepted");
	put_relayed(get_job(&rj, &m), ST_TEMPFAIL, "later", NULL, 0, NULL);
	is_str(rj.domain, "near.test", "the other domain goes");
	relay_job_free(&rj);
	imsg_free(&m);
	ok(quiet(&soap, IMSG_SOAP_RELAY_JOB), "this one does not");
	is_int(command(CTL_RESUME, "far.test", NULL), 0, "resume");
	put_relayed(get_job(&rj, &m), ST_OK, "", NULL, 0, NULL);
	relay_job_free(&rj);
	imsg_free(&m);
	is_int(command(CTL_SCHEDULE, "near.test", NULL), 0, "schedule");
	put_relayed(get_job(&rj, &m), ST_OK, "", NULL, 0, NULL);
	relay_job_free(&rj);
	imsg_free(&m);
	ok(empties(), "empty");
}

static void
test_reload(void)
{
	struct mail		ml = { SUBMIT_USER, ALICE,
	    "l1@capricorn.test", ALICE, { "new@capricorn.test" }, 1, 0, 0,
	    NULL, 0 };
	struct bounce_job	job;
	struct imsg		m;
	uint64_t		id;

	is_int(submit(&ml), ST_NOUSER, "not yet a user");
	add_user("new@capricorn.test");
	kid_reload(&kid, conf);
	is_int(command(CTL_PAUSE, "local", NULL), 0, "pause");
	is_int(submit(&ml), ST_OK, "a user by reload");
	conf->limit[LIM_QUEUE_MESSAGES] = 1;
	kid_reload(&kid, conf);
	ml.msgid = "l2@capricorn.test";
	is_int(submit(&ml), ST_TEMPFAIL, "queue-messages is full");
	conf->limit[LIM_QUEUE_MESSAGES] = 1000000;
	conf->limit[LIM_QUEUE_SIZE] = 12;
	kid_reload(&kid, conf);
	is_int(submit(&ml), ST_TEMPFAIL, "queue-size is full");
	conf->limit[LIM_QUEUE_SIZE] = limit_rows[LIM_QUEUE_SIZE].def;
	conf->limit[LIM_RECIPIENTS_PER_USER] = 1;
	/* The queued mail's user becomes an alias, then is nobody. */
	remove_user("new@capricorn.test");
	add_alias("new@capricorn.test", CAROL, NULL);
	kid_reload(&kid, conf);
	is_int(submit(&ml), ST_OK, "room again");
	ml.msgid = "l2a@capricorn.test";
	is_int(submit(&ml), ST_TEMPFAIL, "recipients-per-user are used up");
	is_int(kid_stat(&kid, "limit_recipients_per_user_struck"), 1,
	    "counted");
	conf->limit[LIM_RECIPIENTS_PER_USER] = 0;
	kid_reload(&kid, conf);
	is_int(command(CTL_RESUME, "local", NULL), 0, "resume");
	ok(delivered(CAROL, ST_OK, ""), "redirected as the reload says");
	ok(delivered(CAROL, ST_OK, ""), "and resolved as it says");
	ok(empties(), "empty");
	is_int(command(CTL_PAUSE, "local", NULL), 0, "pause");
	ml.msgid = "l3@capricorn.test";
	ml.to[0] = "leaver@capricorn.test";
	add_user("leaver@capricorn.test");
	kid_reload(&kid, conf);
	is_int(submit(&ml), ST_OK, "for one who leaves");
	remove_user("leaver@capricorn.test");
	kid_reload(&kid, conf);
	is_int(command(CTL_RESUME, "local", NULL), 0, "resume");
	id = get_bounce(&job, &m);
	is_int(job.rcpt[0].code, ST_NOUSER, "gone: it bounces");
	bounce_job_free(&job);
	imsg_free(&m);
	is_int(put_bounce(id, "l4@capricorn.test", ALICE), ST_OK, "taken");
	ok(delivered(ALICE, ST_OK, ""), "delivered");
	ok(empties(), "empty");
}

static void
test_quarantine(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "q1@capricorn.test",
	    ALICE, { BOB }, 1, 0, 0, big, sizeof(big) };
	char		buf[64];

	is_int(command(CTL_PAUSE, "local", NULL), 0, "pause");
	is_int(submit(&ml), ST_OK, "a large message");
	is_int(damage_files(), 1, "its file is damaged");
	ml.msgid = "q2@capricorn.test";
	ml.body = NULL;
	is_int(submit(&ml), ST_OK, "another message");
	is_int(command(CTL_RESUME, "local", NULL), 0, "resume");
	ok(delivered(BOB, ST_OK, ""), "the other is delivered");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "the damaged one is not");
	ok(empties(), "it has left the queue");
	command(CTL_SHOW_QUEUE, NULL, NULL);
	is_int((int64_t)rows("state", buf, sizeof(buf)), 2,
	    "message and recipient are shown");
	is_str(buf, "quarantined", "as quarantined");
	ok(kid_logged("ev=quarantine"), "and logged");
	restart();
	is_int(count_files("body"), 1, "its file is kept");
	ok(empties(), "and it stays out of the queue");
}

/* Changes a text in a table's file: as a bad disk would. */
static int
damage_table(const char *file, const char *text)
{
	static char	data[16 << 20];
	char		*at;
	ssize_t		 n;
	int		 fd, ret = -1;

	if ((fd = open(file, O_RDWR)) == -1)
		return -1;
	n = read(fd, data, sizeof(data));
	if (n > 0 && (at = memmem(data, (size_t)n, text,
	    strlen(text))) != NULL && pwrite(fd, "#", 1, at - data) == 1)
		ret = 0;
	close(fd);
	return ret;
}

/* A record under a key that is none, while nobody has the store open. */
static int
put_key(const char *table, const void *key, size_t len)
{
	struct store		*s;
	struct store_table	*t;
	struct store_txn	*txn;
	int			 ret = -1;

	if ((s = store_open(".", QDB_CACHE, QDB_FORMAT)) == NULL)
		return -1;
	if ((t = store_table(s, table)) != NULL &&
	    (txn = store_begin(s)) != NULL &&
	    store_put(t, txn, key, len, "x", 1) == 0)
		ret = store_commit(txn, 1);
	store_close(s);
	return ret;
}

/* Keys of another length, and the ids that are none, are passed over. */
static void
test_bad_key(void)
{
	static const uint8_t	 ff[QDB_ENV_KEY] = { 0xff, 0xff, 0xff, 0xff,
				    0xff, 0xff, 0xff, 0xff };
	static const char *const tables[] = { "msg", "env" };
	struct mail		 ml = { SUBMIT_USER, ALICE,
				    "bk@capricorn.test", ALICE, { BOB }, 1,
				    0, 0, NULL, 0 };
	size_t			 i;

	is_int(command(CTL_PAUSE, "local", NULL), 0, "pause");
	is_int(submit(&ml), ST_OK, "accepted");
	is_int(kid_stop(&kid), 0, "stopped");
	down(&soap);
	down(&local);
	down(&control);
	for (i = 0; i < nitems(tables); i++) {
		ok(put_key(tables[i], "", 1) == 0 &&
		    put_key(tables[i], "\0\0\0\0\0\0\0\0\0\0\0\0", 13) == 0 &&
		    put_key(tables[i], "x", 1) == 0, "keys of no id");
		is_int(put_key(tables[i], ff, i == 0 ? QDB_MSG_KEY :
		    QDB_ENV_KEY), 0, "and one after which there is none");
	}
	start();
	is_int(command(CTL_RESUME, "local", NULL), 0, "resume");
	ok(delivered(BOB, ST_OK, ""), "all else is read, and delivered");
	ok(empties(), "empty");
}

/* A record that does not read costs that record, at start and later. */
static void
test_bad_record(void)
{
	static const char *to[] = { "x0@far.test", "x1@far.test",
	    "x2@far.test", "x3@far.test" };
	struct mail	ml = { SUBMIT_USER, ALICE, NULL, ALICE, { NULL }, 1,
	    0, 0, NULL, 0 };
	struct relay_job rj;
	struct imsg	m;
	char		msgid[64];
	size_t		i;
	int64_t		before;

	is_int(command(CTL_PAUSE, "relay", NULL), 0, "pause");
	for (i = 0; i < nitems(to); i++) {
		snprintf(msgid, sizeof(msgid), "br%zu@capricorn.test", i);
		ml.msgid = msgid;
		ml.to[0] = to[i];
		is_int(submit(&ml), ST_OK, "accepted");
	}
	command(CTL_SHOW_QUEUE, NULL, NULL);
	before = (int64_t)rows(NULL, NULL, 0);
	is_int(kid_stop(&kid), 0, "stopped");
	down(&soap);
	down(&local);
	down(&control);
	is_int(damage_table("env.db", to[1]), 0, "a recipient is damaged");
	is_int(damage_table("msg.db", "br2@capricorn.test"), 0,
	    "a message is damaged");
	start();
	ok(quiet(&soap, IMSG_SOAP_RELAY_JOB), "still paused");
	is_int(command(CTL_RESUME, "relay", NULL), 0, "resume");
	for (i = 0; i < 2; i++) {
		put_relayed(get_job(&rj, &m), ST_OK, "", NULL, 0, NULL);
		ok(strcmp(rj.rcpt[0].addr, to[0]) == 0 ||
		    strcmp(rj.rcpt[0].addr, to[3]) == 0,
		    "a whole one is relayed");
		relay_job_free(&rj);
		imsg_free(&m);
	}
	ok(empties(), "empty");
	is_int(kid_stat(&kid, "quarantined"), 2, "two are set aside");

	ml.msgid = "br9@capricorn.test";
	ml.intent = 'Z';
	ml.to[0] = BOB;
	is_int(submit(&ml), ST_OK, "accepted");
	ok(delivered(BOB, ST_OK, ""), "delivered");
	is_int(kid_stop(&kid), 0, "stopped");
	down(&soap);
	down(&local);
	down(&control);
	is_int(damage_table("dedup.db", "ZZZZZZZZ"), 0,
	    "what tells a repeat is damaged");
	start();
	is_int(submit(&ml), ST_OK, "the same again");
	ok(quiet(&local, IMSG_LOCAL_DELIVER), "is a repeat still");
	command(CTL_SHOW_QUEUE, NULL, NULL);
	is_int((int64_t)rows(NULL, NULL, 0), before, "shown, with what "
	    "belongs to them");
}

/*
 * A recipient is removed in the turn in which it becomes due: neither it nor
 * the others of its message may be taken for damaged.
 */
static void
test_removal_race(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "race1@capricorn.test",
	    ALICE, { BOB, CAROL }, 1, 0, 0, big, sizeof(big) };
	struct ctl_req	req;
	struct wbuf	w;
	struct imsg	m;
	char		id[64];
	int64_t		bad = kid_stat(&kid, "quarantined");
	int		files = count_files("body");

	is_int(submit(&ml), ST_OK, "accepted");
	ok(delivered(BOB, ST_TEMPFAIL, "later"), "bob's waits");
	ok(delivered(CAROL, ST_TEMPFAIL, "later"), "carol's waits");
	command(CTL_SHOW_QUEUE, BOB, NULL);
	is_int((int64_t)rows("id", id, sizeof(id)), 1, "bob's is shown");
	/* Both commands are there when the daemon looks. */
	kill(kid.pid, SIGSTOP);
	memset(&req, 0, sizeof(req));
	req.version = CTL_VERSION;
	req.cmd = CTL_SCHEDULE;
	req.nargs = 1;
	req.arg[0] = (char *)(uintptr_t)"all";
	wbuf_init(&w);
	ctl_req_put(&w, &req);
	if (kid_send(&control.ib, IMSG_CTL_REQUEST, ++lastid, &w) == -1)
		fatal("send");
	req.cmd = CTL_REMOVE;
	req.arg[0] = id;
	ctl_req_put(&w, &req);
	if (kid_send(&control.ib, IMSG_CTL_REQUEST, ++lastid, &w) == -1)
		fatal("send");
	kill(kid.pid, SIGCONT);
	must(&control, IMSG_CTL_END, lastid, &m);
	imsg_free(&m);
	ok(delivered(CAROL, ST_OK, ""), "carol's is delivered");
	ok(empties(), "empty");
	is_int(kid_stat(&kid, "quarantined"), bad, "nothing is set aside");
	is_int(count_files("body"), files, "the body's file is gone");
}

/* What may have killed soap is held back for longer each time. */
static void
test_poison(void)
{
	struct mail	 ml = { SUBMIT_USER, ALICE, "po1@capricorn.test",
	    ALICE, { "x@poison.test" }, 1, 0, 0, NULL, 0 };
	struct relay_job job;
	struct imsg	 m;
	struct timespec	 ts;
	uint64_t	 id;
	int		 i;

	conf->retry_max = 60;
	kid_reload(&kid, conf);
	is_int(submit(&ml), ST_OK, "accepted");
	for (i = 0;; i++) {
		id = get_job(&job, &m);
		relay_job_free(&job);
		imsg_free(&m);
		if (i == 2)
			break;
		clock_gettime(CLOCK_MONOTONIC, &ts);
		down(&soap);
		up(&soap, P_SOAP);
	}
	ok(since(&ts) >= 1.8, "the second time it waits for twice as long");
	put_relayed(id, ST_OK, "", NULL, 0, NULL);
	ok(empties(), "empty");
	conf->retry_max = 1;
	kid_reload(&kid, conf);
}

/* Two servers' aliases that name each other: the sender is told. */
static void
test_far_loop(void)
{
	struct submit_result	res;
	struct submit		s;
	struct rcpt		r;
	struct wbuf		w;

	add_alias("pong@capricorn.test", "ping@scorpio.test", NULL);
	kid_reload(&kid, conf);
	memset(&s, 0, sizeof(s));
	s.origin = SUBMIT_PEER;
	s.principal = (char *)(uintptr_t)"scorpio.test";
	s.peer = (char *)(uintptr_t)"192.0.2.1";
	s.facts.msgid = (char *)(uintptr_t)"pp@capricorn.test";
	s.facts.sender = (char *)(uintptr_t)ALICE;
	s.facts.subject = (char *)(uintptr_t)"Test";
	r.addr = (char *)(uintptr_t)"pong@capricorn.test";
	r.orig = (char *)(uintptr_t)"ping@scorpio.test";
	s.nrcpt = 1;
	s.rcpt = &r;
	s.body = (const uint8_t *)"<m/>";
	s.body_len = 4;
	s.sig = (const uint8_t *)"<sig/>";
	s.sig_len = 6;
	wbuf_init(&w);
	submit_put(&w, &s);
	if (kid_send(&soap.ib, IMSG_QUEUE_SUBMIT, ++lastid, &w) == -1)
		fatal("send");
	get_result(&soap, lastid, &res);
	is_int(res.code, ST_LOOP, "mail that would go back where it came from");
	submit_result_free(&res);
	ok(quiet(&soap, IMSG_SOAP_RELAY_JOB), "is not relayed");
	ok(empties(), "empty");
}

/* What need not be remembered goes as fast as it comes. */
static void
test_forgetting(void)
{
	static const uint32_t	n = 3000;
	struct timespec		ts = { 0, 2000000 };
	struct replay		rp;
	struct wbuf		w;
	struct imsg		m;
	int64_t			was = kid_stat(&kid, "forgotten"), is;
	uint32_t		i, got = 0;

	memset(&rp, 0, sizeof(rp));
	rp.until = wstime_now() + 5000;
	for (i = 1; i <= n; i++) {
		memcpy(rp.key, &i, sizeof(i));
		wbuf_init(&w);
		replay_put(&w, &rp);
		if (kid_send(&soap.ib, IMSG_QUEUE_NONCE_CHECK, ++lastid,
		    &w) == -1)
			fatal("send");
		for (; i % 100 == 0 && got < i; got++) {
			must(&soap, IMSG_SOAP_NONCE_RESULT, 0, &m);
			imsg_free(&m);
		}
	}
	ok(wstime_now() < rp.until, "noted before they end");
	while ((is = kid_stat(&kid, "forgotten")) == was)
		nanosleep(&ts, NULL);
	is_int(is - was, n, "all are forgotten in one turn");
}

/* Peer messages that do not read end the channel, not the daemon. */
static void
test_bad_peer(void)
{
	struct mail	ml = { SUBMIT_USER, ALICE, "bad1@capricorn.test",
	    ALICE, { BOB }, 1, 0, 0, NULL, 0 };
	struct wbuf	w;
	struct imsg	m;
	uint8_t		junk[100];

	memset(junk, 0xff, sizeof(junk));
	wbuf_init(&w);
	wbuf_raw(&w, junk, sizeof(junk));
	kid_send(&soap.ib, IMSG_QUEUE_SUBMIT, ++lastid, &w);
	is_int(kid_recv(&soap.ib, &m, LONG_MS), -1, "the channel is closed");
	down(&soap);
	up(&soap, P_SOAP);
	is_int(submit(&ml), ST_OK, "the daemon goes on");
	put_relayed(123456, ST_OK, "", NULL, 0, NULL);
	put_delivered(654321, ST_OK, "");
	ok(delivered(BOB, ST_OK, ""), "late answers are nothing");
	ok(empties(), "empty");
}

static double
since(const struct timespec *a)
{
	struct timespec	b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) +
	    (double)(b.tv_nsec - a->tv_nsec) / 1e9;
}

/* A long queue: it is told quickly, and is no burden at start. */
static void
test_many(void)
{
	struct mail		ml = { SUBMIT_USER, ALICE, NULL, ALICE,
	    { NULL }, 1, 0, 0, NULL, 0 };
	struct submit_result	res;
	struct timespec		ts;
	char			msgid[64], to[64], last[64];
	uint32_t		i, k, bad = 0;
	const uint32_t		n = 100000, ahead = 500;

	is_int(command(CTL_PAUSE, "relay", NULL), 0, "pause relay");
	clock_gettime(CLOCK_MONOTONIC, &ts);
	for (i = 0; i < n; i += ahead) {
		for (k = i; k < i + ahead; k++) {
			snprintf(msgid, sizeof(msgid), "m%u@capricorn.test",
			    k);
			snprintf(to, sizeof(to), "u@d%u.test", k % 1000);
			ml.msgid = msgid;
			ml.to[0] = to;
			put_mail(&soap, ++lastid, &ml);
		}
		for (k = i; k < i + ahead; k++) {
			get_result(&soap, lastid - (i + ahead - 1 - k), &res);
			bad += res.code != ST_OK;
			submit_result_free(&res);
		}
	}
	is_int(bad, 0, "100,000 accepted");
	printf("# %u messages taken in %.2f s, %lld commits\n", n,
	    since(&ts), (long long)kid_stat(&kid, "commits"));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	command(CTL_SHOW_QUEUE, NULL, NULL);
	is_int((int64_t)rows("state", last, sizeof(last)), n + 6,
	    "all are shown");
	printf("# shown in %.3f s\n", since(&ts));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	command(CTL_SHOW_QUEUE, "all", "50");
	is_int((int64_t)rows("state", last, sizeof(last)), 50, "fifty");
	printf("# fifty in %.4f s\n", since(&ts));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	restart();
	printf("# started again in %.3f s\n", since(&ts));
	ml.msgid = "after@capricorn.test";
	ml.to[0] = BOB;
	is_int(submit(&ml), ST_OK, "mail is taken at once");
	ok(delivered(BOB, ST_OK, ""), "and delivered");
	printf("# the first delivery after %.3f s\n", since(&ts));
}

int
main(void)
{
	char	dir[] = "/tmp/test_wsqueue.XXXXXX";
	size_t	i;
	int	bad;

	log_init("test_wsqueue", 1, 0);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 + (i >> 7));
	testdir_enter(dir);
	if ((conf = conf_new()) == NULL)
		fatal("conf");
	conf->retry_min = 1;
	conf->limit[LIM_RECIPIENTS_PER_USER] = 0;
	conf->retry_max = 1;
	conf->retry_jitter = 0;
	add_domain("capricorn.test");
	add_user(ALICE);
	add_user(BOB);
	add_user(CAROL);
	add_alias("list@capricorn.test", CAROL, "dave@other.test");
	start();
	test_fan_out();
	test_refusals();
	test_repeats();
	test_replay();
	test_killed();
	test_shot();
	test_retry();
	test_bounce();
	test_double_bounce();
	test_ttl();
	test_control();
	test_removal_race();
	test_far_loop();
	test_poison();
	test_forgetting();
	test_reload();
	test_quarantine();
	test_bad_record();
	test_bad_key();
	test_bad_peer();
	test_many();
	is_int(kid_stop(&kid), 0, "an orderly end");
	ok(!kid_logged("ERROR: AddressSanitizer") &&
	    !kid_logged("runtime error"), "no complaint of a sanitizer");
	down(&soap);
	down(&local);
	down(&control);
	conf_free(conf);
	if ((bad = done_testing()) == 0 &&
	    (chdir("/") == -1 || testdir_remove(dir) == -1))
		perror(dir);
	if (bad)
		printf("# see %s\n", dir);
	return bad;
}
