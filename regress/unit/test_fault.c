/* SPDX-License-Identifier: ISC */
/*
 * The real wsqueue, wslocal and wsattach die at each call by which they change what is
 * on disk or say that they did, and meet a full and a broken disk at each of
 * them, while one message lives its life (fault.so).  Afterwards the ledger
 * is right: what was answered with 200 is delivered, relayed or bounced once,
 * and nothing is left over.  See COMMIT POINTS in wsemail-store(5).
 */
#include "compat.h"

#include <sys/mman.h>

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "../system/fault.h"
#include "attachkid.h"
#include "ctl.h"
#include "kid.h"
#include "log.h"
#include "msg_local.h"
#include "tap.h"
#include "testdir.h"
#include "testnet.h"
#include "wstime.h"

#define ALICE	"alice@a.test"
#define BOB	"bob@a.test"
#define FAR	"x@far.test"
#define LOST	"y@lost.test"
#define LIFE_MS	60000
#define ALWAYS	UINT32_MAX

struct end {
	struct imsgbuf	 ib;
	enum proc_id	 as;
	int		 up;
};

static struct kid	 kid;
static struct end	 ends[3];
static size_t		 nends;
static struct conf	*conf;
static struct fault	*fault;
static const char	*program;
static enum proc_id	 role;
static uint64_t		 lastid;
static uint32_t		 deaths;
static int		 stays;		/* a fault outlives the process that met it */
static uint8_t		 big[20000];

static struct {			/* what the world has seen of a message */
	char		 msgid[64];
	uint64_t	 submitted;	/* id of the request; 0: none is out */
	int		 acked;
	int		 bob, far;
	char		 bounce[64];	/* of the one that was delivered */
	int		 nbounces;	/* different ones */
	int		 errors;	/* answers that may not be */
	int		 jobs;		/* for FAR */
	int		 later;		/* of these are told to come again */
} life;

static void	 begin(void);
static void	 again(void);
static void	 disarm(void);
static int	 count_files(const char *);
static int	 left_over(void);
static void	 random_replay(struct replay *);
static void	 queue_submit(struct end *);
static void	 queue_bounce(struct end *, const struct imsg *);
static void	 queue_deliver(struct end *, const struct imsg *);
static void	 queue_relay(struct end *, const struct imsg *);
static void	 queue_result(const struct imsg *);
static void	 queue_schedule(struct end *);
static int	 queue_turn(void);
static int	 queue_done(void);
static int	 queue_life(void);
static int	 queue_jobs(int, int64_t);
static void	 queue_clock(void);
static int	 local_ask(struct end *, uint32_t, struct wbuf *,
		    struct imsg *);
static int	 local_deliver(void);
static int	 local_list(uint32_t *);
static int	 local_delete(uint32_t);
static int	 local_life(void);
static int	 attach_again(int);
static int	 attach_upload(const uint8_t *, size_t, uint8_t[ATTACH_ID]);
static int	 attach_name(const uint8_t[ATTACH_ID], uint8_t[ATTACH_ID]);
static int	 attach_fetch(const uint8_t[ATTACH_ID], const uint8_t *, size_t);
static int	 attach_change(uint32_t, const uint8_t[ATTACH_ID], const char *);
static int	 attach_left(void);
static int	 attach_life(void);
static void	 run(const char *, const char *, enum proc_id, int (*)(void));
static void	 each(const char *, int (*)(void), uint32_t, uint32_t,
		    uint32_t);

/* --- the daemon -------------------------------------------------------------- */

static void
begin(void)
{
	size_t	i;

	setenv("LD_PRELOAD", kid_path("regress/system/fault.so"), 1);
	if (kid_start(&kid, kid_path(program), role, NULL, conf) == -1) {
		/* As its parent does it: again, until there is room. */
		if (fault->nth == 0)
			fatal("%s does not start (kid.log)", program);
		kid_kill(&kid);
		disarm();
		deaths++;
		if (kid_start(&kid, kid_path(program), role, NULL,
		    conf) == -1)
			fatal("%s does not start again (kid.log)", program);
	}
	unsetenv("LD_PRELOAD");
	for (i = 0; i < nends; i++) {
		if (kid_connect(&kid, &ends[i].ib, ends[i].as, 0) == -1)
			fatal("connect");
		ends[i].up = 1;
	}
	if (kid_go(&kid) == -1)
		fatal("go");
}

/* It is dead, or to be. */
static void
again(void)
{
	size_t	i;

	if (!stays)
		disarm();
	kid_kill(&kid);
	for (i = 0; i < nends; i++)
		if (ends[i].up) {
			imsgbuf_clear(&ends[i].ib);
			ends[i].up = 0;
		}
	begin();
}

static void
disarm(void)
{
	fault->nth = 0;
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
		snprintf(path, sizeof(path), "%s/%.200s", dir, de->d_name);
		n += de->d_type == DT_DIR ? count_files(path) : 1;
	}
	closedir(d);
	return n;
}

/* Files that a new start does not remove either. */
static int
left_over(void)
{
	if (count_files("body") + count_files("tmp") == 0)
		return 0;
	again();
	return count_files("body") + count_files("tmp") != 0;
}

static void
random_replay(struct replay *rp)
{
	arc4random_buf(rp->key, sizeof(rp->key));
	rp->until = wstime_now() + 300000;
}

/* --- wsqueue: we are soap, wslocal and control ------------------------------- */

static void
queue_submit(struct end *e)
{
	static const char	*to[] = { BOB, FAR, LOST };
	struct submit		 s;
	struct rcpt		 r[3];
	struct wbuf		 w;
	size_t			 i;

	memset(&s, 0, sizeof(s));
	s.origin = SUBMIT_USER;
	s.principal = s.facts.sender = (char *)(uintptr_t)ALICE;
	s.peer = (char *)(uintptr_t)"192.0.2.1";
	random_replay(&s.replay);
	s.facts.msgid = life.msgid;
	s.facts.subject = (char *)(uintptr_t)"Test";
	for (i = 0; i < nitems(to); i++) {
		r[i].addr = (char *)(uintptr_t)to[i];
		r[i].orig = (char *)(uintptr_t)"";
	}
	s.nrcpt = nitems(to);
	s.rcpt = r;
	s.body = big;
	s.body_len = sizeof(big);
	s.sig = (const uint8_t *)"<sig/>";
	s.sig_len = 6;
	wbuf_init(&w);
	submit_put(&w, &s);
	life.submitted = ++lastid;
	(void)kid_send(&e->ib, IMSG_QUEUE_SUBMIT, life.submitted, &w);
}

/* Each one that is composed has a MessageId of its own. */
static void
queue_bounce(struct end *e, const struct imsg *m)
{
	struct bounce_job	job;
	struct submit		s;
	struct rcpt		to;
	struct rbuf		r;
	struct wbuf		w;
	char			msgid[64];

	rbuf_init(&r, m->data, m->hdr.len);
	if (bounce_job_get(&r, &job) == -1)
		fatal("bounce");
	life.errors += job.nrcpt != 1 || strcmp(job.rcpt[0].addr, LOST) != 0;
	memset(&s, 0, sizeof(s));
	s.origin = SUBMIT_BOUNCE;
	s.principal = s.facts.sender = (char *)(uintptr_t)"postmaster@a.test";
	s.peer = s.facts.subject = (char *)(uintptr_t)"";
	snprintf(msgid, sizeof(msgid), "bounce-%llu@a.test",
	    (unsigned long long)++lastid);
	s.facts.msgid = msgid;
	to.addr = job.to;
	to.orig = (char *)(uintptr_t)"";
	s.nrcpt = 1;
	s.rcpt = &to;
	s.body = big;
	s.body_len = sizeof(big);
	s.sig = (const uint8_t *)"<sig/>";
	s.sig_len = 6;
	wbuf_init(&w);
	submit_put(&w, &s);
	(void)kid_send(&e->ib, IMSG_QUEUE_SUBMIT, m->hdr.id, &w);
	bounce_job_free(&job);
}

static void
queue_deliver(struct end *e, const struct imsg *m)
{
	struct deliver	d;
	struct rbuf	r;
	struct wbuf	w;

	rbuf_init(&r, m->data, m->hdr.len);
	if (deliver_get(&r, &d) == -1)
		fatal("deliver");
	if (strcmp(d.user, BOB) == 0 &&
	    strcmp(d.facts.msgid, life.msgid) == 0)
		life.bob = 1;
	else if (strcmp(d.user, ALICE) == 0) {
		/* The same again is a repeat, which wslocal knows. */
		if (strcmp(d.facts.msgid, life.bounce) != 0)
			life.nbounces++;
		strlcpy(life.bounce, d.facts.msgid, sizeof(life.bounce));
	} else
		life.errors++;
	deliver_free(&d);
	wbuf_init(&w);
	deliver_result_put(&w, ST_OK, "");
	(void)kid_send(&e->ib, IMSG_QUEUE_DELIVER_RESULT, m->hdr.id, &w);
}

static void
queue_relay(struct end *e, const struct imsg *m)
{
	struct relay_done	d;
	struct relay_job	job;
	struct rbuf		r;
	struct wbuf		w;
	int			far;

	rbuf_init(&r, m->data, m->hdr.len);
	if (relay_job_get(&r, &job) == -1)
		fatal("job");
	far = strcmp(job.domain, "far.test") == 0;
	life.errors += strcmp(job.msgid, life.msgid) != 0 ||
	    job.body_len != sizeof(big) ||
	    memcmp(job.body, big, sizeof(big)) != 0;
	relay_job_free(&job);
	memset(&d, 0, sizeof(d));
	d.code = !far ? ST_NOUSER : ++life.jobs <= life.later ? ST_TEMPFAIL :
	    ST_OK;
	life.far |= far && d.code == ST_OK;
	d.text = d.host = (char *)(uintptr_t)"";
	wbuf_init(&w);
	relay_done_put(&w, &d);
	(void)kid_send(&e->ib, IMSG_QUEUE_RELAY_RESULT, m->hdr.id, &w);
}

static void
queue_result(const struct imsg *m)
{
	struct submit_result	res;
	struct rbuf		r;

	rbuf_init(&r, m->data, m->hdr.len);
	if (submit_result_get(&r, &res) == -1)
		fatal("result");
	if (m->hdr.id == life.submitted) {
		life.acked = res.code == ST_OK;
		life.errors += res.replayed || (res.code != ST_OK &&
		    res.code != ST_TEMPFAIL);
		life.submitted = 0;
	}
	/* There is room again once somebody was told that there is none. */
	if (res.code == ST_TEMPFAIL)
		disarm();
	submit_result_free(&res);
}

/* Nothing moves: what waits a few seconds need not do so for us. */
static void
queue_schedule(struct end *e)
{
	struct ctl_req	req;
	struct wbuf	w;

	memset(&req, 0, sizeof(req));
	req.version = CTL_VERSION;
	req.cmd = CTL_SCHEDULE;
	req.nargs = 1;
	req.arg[0] = (char *)(uintptr_t)"all";
	wbuf_init(&w);
	ctl_req_put(&w, &req);
	(void)kid_send(&e->ib, IMSG_CTL_REQUEST, ++lastid, &w);
}

/* One message of each end; 1 when there was none, -1 when it is dead. */
static int
queue_turn(void)
{
	struct pollfd	pfd[nitems(ends)];
	struct imsg	m;
	size_t		i;
	int		n, idle = 1;

	for (i = 0; i < nends; i++) {
		if ((n = kid_recv(&ends[i].ib, &m, 0)) == -1)
			return -1;
		if (n == 0)
			continue;
		idle = 0;
		switch (m.hdr.type) {
		case IMSG_SOAP_SUBMIT_RESULT:
			queue_result(&m);
			break;
		case IMSG_SOAP_BOUNCE_JOB:
			queue_bounce(&ends[i], &m);
			break;
		case IMSG_SOAP_RELAY_JOB:
			queue_relay(&ends[i], &m);
			break;
		case IMSG_LOCAL_DELIVER:
			queue_deliver(&ends[i], &m);
			break;
		default:
			break;
		}
		imsg_free(&m);
	}
	if (!idle)
		return 0;
	for (i = 0; i < nends; i++) {
		pfd[i].fd = ends[i].ib.fd;
		pfd[i].events = POLLIN;
	}
	/* Longer than wsqueue gathers failures for one bounce. */
	return poll(pfd, nends, 300) == 0;
}

static int
queue_done(void)
{
	return life.acked && life.bob && life.far && life.nbounces > 0 &&
	    kid_stat(&kid, "messages") == 0;
}

/* 0 when all is right; else it says what is not. */
static int
queue_life(void)
{
	int64_t	end = testnet_clock() + LIFE_MS;
	int	n;

	memset(&life, 0, sizeof(life));
	snprintf(life.msgid, sizeof(life.msgid), "m%llu@a.test",
	    (unsigned long long)++lastid);
	do {
		if (testnet_clock() > end) {
			printf("# acked %d bob %d far %d bounces %d, %lld in "
			    "the queue\n", life.acked, life.bob, life.far,
			    life.nbounces,
			    (long long)kid_stat(&kid, "messages"));
			return -1;
		}
		if (!life.acked && life.submitted == 0)
			queue_submit(&ends[0]);
		if ((n = queue_turn()) == -1) {
			deaths++;
			life.submitted = 0;
			again();
		} else if (n == 1) {
			disarm();
			queue_schedule(&ends[2]);
		}
	} while (!queue_done());
	disarm();
	if (life.nbounces != 1 || life.errors != 0) {
		printf("# %d bounces, %d errors\n", life.nbounces,
		    life.errors);
		return -1;
	}
	if (left_over()) {
		printf("# a body's file is left\n");
		return -1;
	}
	/* It may have died of telling us so. */
	if (kid_stat(&kid, "messages") == -1) {
		deaths++;
		again();
	}
	while (kid_stat(&kid, "messages") != 0)
		if (testnet_clock() > end || queue_turn() != 0)
			return -1;
	return 0;
}

/* So many attempts at FAR, and their outcome is on disk, within ms. */
static int
queue_jobs(int n, int64_t ms)
{
	int64_t	end = testnet_clock() + ms;

	while (testnet_clock() < end) {
		if (queue_turn() == -1)
			fatalx("wsqueue has ended");
		if (life.jobs >= n && (life.jobs > life.later ||
		    kid_stat(&kid, "relay_inflight") == 0))
			return 1;
	}
	return 0;
}

/* The clock is set back and on by hours, under it and while it is down. */
static void
queue_clock(void)
{
	const int	hours = 3 * 3600;

	memset(&life, 0, sizeof(life));
	snprintf(life.msgid, sizeof(life.msgid), "clock@a.test");
	life.later = 3;
	again();		/* before its first tick is no other time */
	queue_submit(&ends[0]);
	ok(queue_jobs(1, LIFE_MS), "an attempt, in vain");
	fault->clock = -hours;
	ok(queue_jobs(2, 20000), "the clock set back holds nothing up");
	fault->clock = 0;
	ok(queue_jobs(3, 20000), "nor does it set on");
	fault->clock = -hours;
	again();
	ok(queue_jobs(4, 20000), "nor set back between end and start");
	fault->clock = 0;
	while (!queue_done())
		if (queue_turn() == -1)
			fatalx("wsqueue has ended");
	ok(life.nbounces == 1 && life.errors == 0, "all is done once");
}

/* --- wslocal: we are wsqueue and soap ---------------------------------------- */

/* One request and its answer: 0, or -1: it died. */
static int
local_ask(struct end *e, uint32_t type, struct wbuf *w, struct imsg *m)
{
	int	n;

	(void)kid_send(&e->ib, type, ++lastid, w);
	for (;;) {
		if ((n = kid_recv(&e->ib, m, LIFE_MS)) == 0)
			fatalx("no answer to %s", proto_name(type));
		if (n == -1)
			return -1;
		if (m->hdr.id == lastid)
			return 0;
		imsg_free(m);
	}
}

/* Until it is answered with 200, as wsqueue does it. */
static int
local_deliver(void)
{
	struct deliver	d;
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;
	uint32_t	code;
	char		*text;

	for (;;) {
		memset(&d, 0, sizeof(d));
		d.user = (char *)(uintptr_t)BOB;
		d.facts.msgid = life.msgid;
		d.facts.sender = (char *)(uintptr_t)ALICE;
		d.facts.subject = (char *)(uintptr_t)"Test";
		d.body = big;
		d.body_len = sizeof(big);
		d.sig = (const uint8_t *)"<sig/>";
		d.sig_len = 6;
		wbuf_init(&w);
		deliver_put(&w, &d);
		if (local_ask(&ends[0], IMSG_LOCAL_DELIVER, &w, &m) == -1) {
			deaths++;
			again();
			continue;
		}
		rbuf_init(&r, m.data, m.hdr.len);
		if (deliver_result_get(&r, &code, &text) == -1)
			fatal("result");
		free(text);
		imsg_free(&m);
		if (code == ST_OK)
			return 0;
		if (code != ST_TEMPFAIL)
			return -1;
		disarm();
	}
}

/* How many are in the mailbox; the id of one. */
static int
local_list(uint32_t *id)
{
	struct list_result	res;
	struct list_req		q;
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;
	int			n;

	for (;;) {
		memset(&q, 0, sizeof(q));
		q.user = (char *)(uintptr_t)BOB;
		random_replay(&q.replay);
		q.since_change = -1;
		wbuf_init(&w);
		list_req_put(&w, &q);
		if (local_ask(&ends[1], IMSG_LOCAL_LIST, &w, &m) == -1) {
			deaths++;
			again();
			continue;
		}
		rbuf_init(&r, m.data, m.hdr.len);
		if (list_result_get(&r, &res) == -1)
			fatal("list");
		n = res.code == LOCAL_OK ? (int)res.nhdr : -1;
		if (n > 0)
			*id = res.hdr[0].id;
		list_result_free(&res);
		imsg_free(&m);
		if (n != -1)
			return n;
		disarm();
	}
}

static int
local_delete(uint32_t id)
{
	struct delete_result	res;
	struct delete_req	q;
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;
	uint32_t		code;

	for (;;) {
		memset(&q, 0, sizeof(q));
		q.user = (char *)(uintptr_t)BOB;
		random_replay(&q.replay);
		q.nids = 1;
		q.id = &id;
		wbuf_init(&w);
		delete_req_put(&w, &q);
		if (local_ask(&ends[1], IMSG_LOCAL_DELETE, &w, &m) == -1) {
			deaths++;
			again();
			continue;
		}
		rbuf_init(&r, m.data, m.hdr.len);
		if (delete_result_get(&r, &res) == -1)
			fatal("delete");
		code = res.code;
		delete_result_free(&res);
		imsg_free(&m);
		if (code == LOCAL_OK)
			return 0;
		if (code != LOCAL_ERROR)
			return -1;
		disarm();
	}
}

static int
local_life(void)
{
	uint32_t	id = 0;
	int		n[4], i;

	memset(&life, 0, sizeof(life));
	snprintf(life.msgid, sizeof(life.msgid), "m%llu@a.test",
	    (unsigned long long)++lastid);
	if (local_deliver() == -1)
		return -1;
	n[0] = local_list(&id);
	if (local_deliver() == -1)
		return -1;
	n[1] = local_list(&id);
	if (local_delete(id) == -1)
		return -1;
	n[2] = local_list(&id);
	if (local_deliver() == -1)
		return -1;
	n[3] = local_list(&id);
	disarm();
	for (i = 0; i < 4; i++)
		if (n[i] != (i < 2)) {
			printf("# %d %d %d %d in the mailbox\n", n[0], n[1],
			    n[2], n[3]);
			return -1;
		}
	if (left_over()) {
		printf("# a body's file is left\n");
		return -1;
	}
	return 0;
}

/* --- wsattach: we are soap ------------------------------------------------- */

/* -1: it died; a temporary failure: there is room again.  1: once more. */
static int
attach_again(int code)
{
	if (code == -1) {
		deaths++;
		again();
	} else if (code == ST_TEMPFAIL)
		disarm();
	return code == -1 || code == ST_TEMPFAIL;
}

/*
 * As a client does it that is cut off: asks where it stands, and goes on.
 * Only the answer to the beginning has the id: who loses it begins another.
 */
static int
attach_upload(const uint8_t *p, size_t len, uint8_t id[ATTACH_ID])
{
	struct upload_result	res;
	uint8_t			d[ATTACH_DIGEST];
	uint64_t		off;
	int			code, complete;

	if (EVP_Digest(p, len, d, NULL, EVP_sha256(), NULL) != 1)
		fatalx("digest");
	do {
		code = ak_begin(&ends[0].ib, ALICE, "file", len, NULL, &res);
		memcpy(id, res.id, ATTACH_ID);
		upload_result_free(&res);
	} while (attach_again(code));
	while (code == ST_OK || attach_again(code)) {
		code = ak_upload(&ends[0].ib, IMSG_ATTACH_UPLOAD_STATE, ALICE,
		    id, NULL, &res);
		off = res.offset;
		complete = res.complete != 0;
		upload_result_free(&res);
		if (code != ST_OK)
			continue;
		if (complete)
			return 0;
		if (off < len)
			code = ak_piece(&ends[0].ib, ALICE, id, off, p + off,
			    len - off < 8000 ? len - (size_t)off : 8000, &res);
		else
			code = ak_upload(&ends[0].ib,
			    IMSG_ATTACH_UPLOAD_FINISH, ALICE, id, d, &res);
		upload_result_free(&res);
		if (code == ST_RESYNC)		/* a disk that failed */
			code = ST_OK;
	}
	printf("# upload: %d\n", code);
	return -1;
}

static int
attach_name(const uint8_t upload[ATTACH_ID], uint8_t id[ATTACH_ID])
{
	static const char *const	 to[] = { BOB, FAR };
	struct attach_list		 l;
	uint8_t				 ids[1][ATTACH_ID];
	int				 code;

	memcpy(ids[0], upload, ATTACH_ID);
	do {
		code = ak_name(&ends[0].ib, ALICE, life.msgid, ids, 1, to,
		    nitems(to), &l);
		if (code == ST_OK)
			memcpy(id, l.info[0].id, ATTACH_ID);
		attach_list_free(&l);
	} while (attach_again(code));
	return code;
}

/* The code; 99: these are not the octets. */
static int
attach_fetch(const uint8_t id[ATTACH_ID], const uint8_t *want, size_t len)
{
	struct fetch_result	 res;
	uint8_t			*p;
	int			 code;

	do {
		code = ak_fetch(&ends[0].ib, FAR, id, 0, 0, 0, &res, &p);
		if (code == ST_OK && (res.length != len ||
		    memcmp(p, want, len) != 0))
			code = 99;
		fetch_result_free(&res);
		free(p);
	} while (attach_again(code));
	return code;
}

static int
attach_change(uint32_t type, const uint8_t id[ATTACH_ID], const char *addr)
{
	int	code;

	do
		code = ak_change(&ends[0].ib, type, ALICE, id, addr, 0, NULL,
		    NULL);
	while (attach_again(code));
	return code;
}

/* Files that are a day old, for those who look, and are there still. */
static int
attach_left(void)
{
	int64_t	end = testnet_clock() + LIFE_MS;

	if (count_files("content") + count_files("part") == 0)
		return 0;
	fault->clock = 86400;
	again();
	while (kid_stat(&kid, "attach_orphan_rounds") < 1 &&
	    testnet_clock() < end)
		(void)poll(NULL, 0, 20);
	fault->clock = 0;
	return count_files("content") + count_files("part") != 0;
}

static int
attach_life(void)
{
	uint8_t	up[2][ATTACH_ID], id[2][ATTACH_ID];
	int	got[6], i;

	memset(&life, 0, sizeof(life));
	snprintf(life.msgid, sizeof(life.msgid), "m%llu@a.test",
	    (unsigned long long)++lastid);
	arc4random_buf(big, 16);	/* nobody has it yet */
	if (attach_upload(big, sizeof(big), up[0]) == -1)
		return -1;
	got[0] = attach_name(up[0], id[0]);
	got[1] = attach_fetch(id[0], big, sizeof(big));
	/* The same octets once more, and the same message. */
	if (attach_upload(big, sizeof(big), up[1]) == -1)
		return -1;
	got[2] = attach_name(up[1], id[1]);
	got[3] = attach_change(IMSG_ATTACH_WITHDRAW, id[0], "");
	got[4] = attach_fetch(id[1], big, sizeof(big));
	got[5] = attach_change(IMSG_ATTACH_WITHDRAW, id[1], "");
	disarm();
	for (i = 0; i < 6; i++)
		if (got[i] != ST_OK) {
			printf("# %d %d %d %d %d %d\n", got[0], got[1],
			    got[2], got[3], got[4], got[5]);
			return -1;
		}
	if (attach_fetch(id[0], big, sizeof(big)) != ST_NOUSER ||
	    attach_fetch(id[1], big, sizeof(big)) != ST_NOUSER) {
		printf("# what is withdrawn is there\n");
		return -1;
	}
	if (attach_left()) {
		printf("# a file is left\n");
		return -1;
	}
	return 0;
}

/* --- the loop ------------------------------------------------------------------ */

/* A fault at each call of a life in turn. */
static void
each(const char *what, int (*one)(void), uint32_t kinds, uint32_t act,
    uint32_t calls)
{
	static const char *const names[] = { "write", "sync", "rename",
	    "unlink", "send" };
	uint32_t	nth, n, bad = 0, missed = 0, was = deaths;

	fault->kinds = kinds;
	fault->nth = 0;
	/* Twice: a new file of the log is some 4000 calls in one of them. */
	for (n = ALWAYS, nth = 0; nth < 2; nth++) {
		fault->count = 0;
		if (one() == -1)
			bad++;
		if (fault->count < n)
			n = fault->count;
	}
	for (nth = 1; nth <= n; nth++) {
		fault->act = act;
		fault->calls = calls;
		fault->count = fault->hits = 0;
		fault->nth = nth;
		if (one() == -1) {
			printf("# %s %s, at call %u (%s)\n", program, what,
			    nth, names[fault->kind]);
			bad++;
		}
		missed += fault->hits == 0;
	}
	printf("# %s %s: %u calls in one life, %u not met, it ended %u "
	    "times\n", program, what, n, missed, deaths - was);
	ok(n >= 10, "a life has its calls");
	/* How many messages share a commit varies, and so the last of them. */
	ok(missed <= n / 3, "most are met");
	is_int(bad, 0, what);
}

static void
run(const char *name, const char *dir, enum proc_id as, int (*one)(void))
{
	const uint32_t	all = (1U << FK_MAX) - 1;
	const uint32_t	disk = 1U << FK_WRITE | 1U << FK_SYNC |
	    1U << FK_RENAME;
	size_t		i;

	program = name;
	role = as;
	deaths = 0;
	if (mkdir(dir, 0700) == -1 || chdir(dir) == -1)
		fatal("%s", dir);
	begin();
	each("dies before", one, all, FAULT_DIE_BEFORE, 1);
	each("dies after", one, all, FAULT_DIE_AFTER, 1);
	each("meets a full disk", one, disk, ENOSPC, ALWAYS);
	each("meets one bad write", one, disk, EIO, 1);
	stays = 1;
	each("starts with a full disk", one, disk, ENOSPC, ALWAYS);
	stays = 0;
	if (role == P_QUEUE)
		queue_clock();
	is_int(kid_stop(&kid), 0, "an orderly end");
	for (i = 0; i < nends; i++) {
		imsgbuf_clear(&ends[i].ib);
		ends[i].up = 0;
	}
	ok(!kid_logged("ERROR: AddressSanitizer") &&
	    !kid_logged("runtime error"), "no complaint of a sanitizer");
	if (chdir("..") == -1)
		fatal("..");
}

int
main(void)
{
	struct conf_domain	*d;
	struct conf_user	*u;
	const char		*users[] = { ALICE, BOB };
	char			 dir[] = "/tmp/test_fault.XXXXXX", path[64];
	char			 options[512];
	size_t			 i;
	int			 fd, bad;

	log_init("test_fault", 1, 0);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 + (i >> 7));
	testdir_enter(dir);
	snprintf(path, sizeof(path), "%s/fault", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd == -1 || ftruncate(fd, sizeof(*fault)) == -1 ||
	    (fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0)) == MAP_FAILED)
		fatal("%s", path);
	close(fd);
	setenv("WS_FAULT", path, 1);
	/* A sanitizer wants to be the first that is loaded. */
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0",
	    getenv("ASAN_OPTIONS") != NULL ? getenv("ASAN_OPTIONS") : "");
	setenv("ASAN_OPTIONS", options, 1);
	if ((conf = conf_new()) == NULL ||
	    (d = calloc(1, sizeof(*d))) == NULL)
		fatal("conf");
	conf->retry_min = conf->retry_max = 1;
	conf->retry_jitter = 0;
	d->name = strdup("a.test");
	d->quota = -1;
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
	for (i = 0; i < nitems(users); i++) {
		if ((u = calloc(1, sizeof(*u))) == NULL)
			fatal("conf");
		u->name = strdup(users[i]);
		u->quota = -1;
		TAILQ_INSERT_TAIL(&conf->users, u, entry);
	}
	ends[0].as = P_SOAP;
	ends[1].as = P_LOCAL;
	ends[2].as = P_CONTROL;
	nends = 3;
	run("wsqueue/wsqueue", "queue", P_QUEUE, queue_life);
	ends[0].as = P_QUEUE;
	ends[1].as = P_SOAP;
	nends = 2;
	run("wslocal/wslocal", "local", P_LOCAL, local_life);
	ends[0].as = P_SOAP;
	nends = 1;
	conf->limit[LIM_UPLOADS_PER_USER] = 10000;
	run("wsattach/wsattach", "attach", P_ATTACH, attach_life);
	conf_free(conf);
	if ((bad = done_testing()) == 0 &&
	    (chdir("/") == -1 || testdir_remove(dir) == -1))
		perror(dir);
	if (bad)
		printf("# see %s\n", dir);
	return bad;
}
