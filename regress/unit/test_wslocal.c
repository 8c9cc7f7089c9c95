/* SPDX-License-Identifier: ISC */
/*
 * The real wslocal, with this test as its parent, wsqueue, soap and control:
 * deliveries, lists, changes, deletions, waits, what a crash leaves.
 */
#include "compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "ctl.h"
#include "kid.h"
#include "log.h"
#include "msg_local.h"
#include "tap.h"
#include "testdir.h"

#define ALICE	"alice@capricorn.test"
#define BOB	"bob@capricorn.test"
#define SMALL	"small@capricorn.test"
#define MANY	"many@capricorn.test"
#define LONG_MS	60000		/* an answer that must come */

static struct kid	 kid;
static struct imsgbuf	 queue, soap, control;
static struct conf	*conf;
static uint64_t		 lastid;
static int64_t		 ends = 300000;	/* ms from now a nonce is to be kept */
static uint8_t		 big[50000];

static void	 conf_add(const char *, int64_t);
static void	 start(void);
static void	 restart(void);
static void	 take(struct imsgbuf *, uint32_t, uint64_t, struct imsg *);
static void	 put_deliver(struct imsgbuf *, uint64_t, const char *,
		    const char *, const void *, size_t);
static uint32_t	 deliver(const char *, const char *, const void *, size_t);
static void	 list(struct list_result *, const char *, int64_t, uint32_t,
		    uint32_t, int64_t, const uint8_t *);
static uint32_t	 retrieve(const char *, uint32_t, const void *, size_t);
static uint32_t	 delete(struct delete_result *, const char *, uint32_t,
		    const uint32_t *, const uint8_t *);
static uint64_t	 wait_begin(struct imsgbuf *, const char *, int64_t,
		    uint32_t);
static uint32_t	 wait_end(struct imsgbuf *, uint64_t, int64_t *);
static int	 count_files(const char *);
static int	 damage_files(void);
static int64_t	 held(void);
static void	 test_deliver(void);
static void	 test_list(void);
static void	 test_changes(void);
static void	 test_delete(void);
static void	 test_files(void);
static void	 test_crash(void);
static void	 test_replay(void);
static void	 test_sweep(void);
static void	 test_wait(void);
static void	 test_wait_gone(void);
static void	 test_rate(void);
static void	 test_quota(void);
static void	 test_damage(void);
static void	 test_control(void);
static void	 test_reload(void);
static double	 time_list(int64_t);
static void	 fill(uint32_t, uint32_t);
static void	 test_many(void);

static void
conf_add(const char *name, int64_t quota)
{
	struct conf_user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->name = strdup(name)) == NULL)
		fatal("conf");
	u->quota = quota;
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
}

static void
start(void)
{
	if (kid_start(&kid, kid_path("wslocal/wslocal"), P_LOCAL, NULL,
	    conf) == -1 ||
	    kid_connect(&kid, &queue, P_QUEUE, 0) == -1 ||
	    kid_connect(&kid, &soap, P_SOAP, 0) == -1 ||
	    kid_connect(&kid, &control, P_CONTROL, 0) == -1 ||
	    kid_go(&kid) == -1)
		fatal("wslocal does not start (kid.log)");
}

/* As if the power of the process had gone. */
static void
restart(void)
{
	kid_kill(&kid);
	imsgbuf_clear(&queue);
	imsgbuf_clear(&soap);
	imsgbuf_clear(&control);
	start();
}

/* The answer to id, which must be the next message. */
static void
take(struct imsgbuf *ib, uint32_t type, uint64_t id, struct imsg *m)
{
	int	n;

	if ((n = kid_recv(ib, m, LONG_MS)) != 1)
		fatalx("no answer to %llu: %d", (unsigned long long)id, n);
	if (m->hdr.type != type || m->hdr.id != id)
		fatalx("answer %s %llu, want %s %llu",
		    proto_name(m->hdr.type), (unsigned long long)m->hdr.id,
		    proto_name(type), (unsigned long long)id);
}

static void
put_deliver(struct imsgbuf *ib, uint64_t id, const char *user,
    const char *msgid, const void *body, size_t len)
{
	static uint8_t	sender[] = "carol@scorpio.test", subject[] = "Test";
	struct deliver	d;
	struct wbuf	w;

	memset(&d, 0, sizeof(d));
	d.user = (char *)(uintptr_t)user;
	d.facts.msgid = (char *)(uintptr_t)msgid;
	d.facts.sender = (char *)sender;
	d.facts.subject = (char *)subject;
	d.facts.timestamp = 1234567890123;
	d.facts.flags = 5;
	d.body = body;
	d.body_len = len;
	d.sig = (const uint8_t *)"<sig/>";
	d.sig_len = 6;
	wbuf_init(&w);
	deliver_put(&w, &d);
	if (kid_send(ib, IMSG_LOCAL_DELIVER, id, &w) == -1)
		fatal("send");
}

static uint32_t
deliver(const char *user, const char *msgid, const void *body, size_t len)
{
	struct imsg	m;
	struct rbuf	r;
	uint32_t	code;
	char		*text;

	put_deliver(&queue, ++lastid, user, msgid, body, len);
	take(&queue, IMSG_QUEUE_DELIVER_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (deliver_result_get(&r, &code, &text) == -1)
		fatal("answer");
	free(text);
	imsg_free(&m);
	return code;
}

static void
list(struct list_result *res, const char *user, int64_t since,
    uint32_t before, uint32_t limit, int64_t since_change, const uint8_t *key)
{
	struct list_req	req;
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;

	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.since = since;
	req.before = before;
	req.limit = limit;
	req.since_change = since_change;
	if (key != NULL) {
		memcpy(req.replay.key, key, 32);
		req.replay.until = (int64_t)time(NULL) * 1000 + ends;
	}
	wbuf_init(&w);
	list_req_put(&w, &req);
	if (kid_send(&soap, IMSG_LOCAL_LIST, ++lastid, &w) == -1)
		fatal("send");
	take(&soap, IMSG_SOAP_LIST_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (list_result_get(&r, res) == -1)
		fatal("answer");
	imsg_free(&m);
}

/* The code; with LOCAL_OK the body must be this one. */
static uint32_t
retrieve(const char *user, uint32_t id, const void *body, size_t len)
{
	struct retrieve_result	res;
	struct retrieve_req	req;
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;

	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.id = id;
	wbuf_init(&w);
	retrieve_req_put(&w, &req);
	if (kid_send(&soap, IMSG_LOCAL_RETRIEVE, ++lastid, &w) == -1)
		fatal("send");
	take(&soap, IMSG_SOAP_RETRIEVE_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (retrieve_result_get(&r, &res) == -1)
		fatal("answer");
	if (res.code == LOCAL_OK && (res.id != id || res.body_len != len ||
	    memcmp(res.body, body, len) != 0 || res.sig_len != 6 ||
	    memcmp(res.sig, "<sig/>", 6) != 0))
		res.code = 99;
	imsg_free(&m);
	return res.code;
}

static uint32_t
delete(struct delete_result *res, const char *user, uint32_t n,
    const uint32_t *ids, const uint8_t *key)
{
	struct delete_req	req;
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;

	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.nids = n;
	req.id = (uint32_t *)(uintptr_t)ids;
	if (key != NULL) {
		memcpy(req.replay.key, key, 32);
		req.replay.until = (int64_t)time(NULL) * 1000 + ends;
	}
	wbuf_init(&w);
	delete_req_put(&w, &req);
	if (kid_send(&soap, IMSG_LOCAL_DELETE, ++lastid, &w) == -1)
		fatal("send");
	take(&soap, IMSG_SOAP_DELETE_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (delete_result_get(&r, res) == -1)
		fatal("answer");
	imsg_free(&m);
	return res->code;
}

static uint64_t
wait_begin(struct imsgbuf *ib, const char *user, int64_t since,
    uint32_t timeout)
{
	struct wait_req	req;
	struct wbuf	w;

	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.since_change = since;
	req.timeout = timeout;
	wbuf_init(&w);
	wait_req_put(&w, &req);
	if (kid_send(ib, IMSG_LOCAL_WAIT, ++lastid, &w) == -1)
		fatal("send");
	return lastid;
}

static uint32_t
wait_end(struct imsgbuf *ib, uint64_t id, int64_t *change)
{
	struct imsg	m;
	struct rbuf	r;
	uint32_t	code;

	take(ib, IMSG_SOAP_WAIT_RESULT, id, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (wait_result_get(&r, &code, change) == -1)
		fatal("answer");
	imsg_free(&m);
	return code;
}

/*
 * How many are held, once all that was sent on soap's channel is handled: an
 * answer to a later request on it says so.
 */
static int64_t
held(void)
{
	struct list_result	res;

	list(&res, ALICE, 0, 0, 1, -1, NULL);
	list_result_free(&res);
	return kid_stat(&kid, "mailbox_waiting");
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
		snprintf(path, sizeof(path), "body/%02x", i);
		if ((d = opendir(path)) == NULL)
			return -1;
		while ((de = readdir(d)) != NULL) {
			if (de->d_name[0] == '.')
				continue;
			if ((fd = openat(dirfd(d), de->d_name, O_WRONLY)) != -1
			    && pwrite(fd, "#", 1, 100) == 1)
				n++;
			close(fd);
		}
		closedir(d);
	}
	return n;
}

static void
test_deliver(void)
{
	struct list_result	res;

	is_int(deliver(ALICE, "m1@scorpio.test", "<M>one</M>", 10), ST_OK,
	    "deliver");
	is_int(deliver(ALICE, "m1@scorpio.test", "<M>one</M>", 10), ST_OK,
	    "again: 200");
	is_int(deliver("nobody@capricorn.test", "m1@scorpio.test", "x", 1),
	    ST_NOUSER, "unknown user");
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	is_int(res.code, LOCAL_OK, "list");
	is_int(res.nhdr, 1, "one message, not two");
	is_int(res.more, 0, "no more");
	is_int(res.change, 1, "one change");
	if (res.nhdr == 1) {
		is_int(res.hdr[0].id, 1, "id");
		is_int(res.hdr[0].flags, 5, "flags");
		is_int(res.hdr[0].size, 10, "size: of the message alone");
		is_int(res.hdr[0].timestamp, 1234567890123, "timestamp");
		ok(res.hdr[0].received > 1600000000000, "received");
		is_str(res.hdr[0].sender, "carol@scorpio.test", "sender");
		is_str(res.hdr[0].subject, "Test", "subject");
		is_str(res.hdr[0].msgid, "m1@scorpio.test", "msgid");
	}
	list_result_free(&res);
	is_int(retrieve(ALICE, 1, "<M>one</M>", 10), LOCAL_OK,
	    "retrieve: octets as they came");
	is_int(retrieve(ALICE, 2, "", 0), LOCAL_NOENT, "no such message");
	is_int(retrieve(BOB, 1, "", 0), LOCAL_NOENT, "not of another user");
	is_int(retrieve("nobody@capricorn.test", 1, "", 0), LOCAL_NOENT,
	    "no such user");
	list(&res, BOB, 0, 0, 0, -1, NULL);
	is_int(res.code, LOCAL_OK, "no mail yet: an empty list");
	is_int(res.nhdr, 0, "of nothing");
	is_int(res.change, 0, "change 0");
	list_result_free(&res);
	is_int(kid_stat(&kid, "mailbox_duplicates"), 1, "counted: duplicate");
	is_int(kid_stat(&kid, "mailbox_delivered"), 1, "counted: delivered");
}

/* alice gets 2..7 */
static void
test_list(void)
{
	struct list_result	res;
	char			msgid[64];
	int64_t			received;
	int			i;

	for (i = 2; i <= 7; i++) {
		snprintf(msgid, sizeof(msgid), "m%d@scorpio.test", i);
		is_int(deliver(ALICE, msgid, msgid, strlen(msgid)), ST_OK,
		    msgid);
	}
	list(&res, ALICE, 0, 0, 3, -1, NULL);
	is_int(res.nhdr, 3, "a page of three");
	is_int(res.more, 1, "more");
	ok(res.nhdr == 3 && res.hdr[0].id == 7 && res.hdr[1].id == 6 &&
	    res.hdr[2].id == 5, "newest first");
	list_result_free(&res);
	list(&res, ALICE, 0, 5, 3, -1, NULL);
	ok(res.nhdr == 3 && res.hdr[0].id == 4 && res.hdr[2].id == 2,
	    "the page before 5");
	is_int(res.more, 1, "and more");
	received = res.nhdr > 0 ? res.hdr[0].received : 0;
	list_result_free(&res);
	list(&res, ALICE, 0, 2, 3, -1, NULL);
	ok(res.nhdr == 1 && res.hdr[0].id == 1 && !res.more, "the last page");
	list_result_free(&res);
	list(&res, ALICE, received + 3600000, 0, 0, -1, NULL);
	is_int(res.nhdr, 0, "since the future: none");
	list_result_free(&res);
	list(&res, ALICE, received, 0, 0, -1, NULL);
	ok(res.nhdr >= 4, "since message 4: it too");
	list_result_free(&res);
	list(&res, ALICE, 0, 1, 3, -1, NULL);
	is_int(res.nhdr, 0, "before the first: none");
	is_int(res.code, LOCAL_OK, "and no error");
	list_result_free(&res);
}

static void
test_changes(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint32_t		ids[] = { 6, 99, 3 };

	list(&res, ALICE, 0, 0, 0, 5, NULL);
	ok(res.nhdr == 2 && res.hdr[0].id == 6 && res.hdr[1].id == 7,
	    "since change 5: two, oldest first");
	is_int(res.change, 7, "change now");
	list_result_free(&res);
	is_int(delete(&del, ALICE, 3, ids, NULL), LOCAL_OK, "delete");
	is_int(del.ndeleted, 2, "two were there");
	ok(del.nmissing == 1 && del.missing[0] == 99, "99 was not");
	is_int(del.change, 9, "two changes");
	delete_result_free(&del);
	list(&res, ALICE, 0, 0, 0, 5, NULL);
	ok(res.nhdr == 1 && res.hdr[0].id == 7, "6 came and went: not new");
	ok(res.ndeleted == 2 && res.deleted[0] == 3 && res.deleted[1] == 6,
	    "3 and 6 are deleted");
	is_int(res.change, 9, "change now");
	list_result_free(&res);
	list(&res, ALICE, 0, 0, 2, 5, NULL);
	is_int(res.more, 1, "two changes at a time: more");
	is_int(res.change, 7, "go on from there");
	ok(res.nhdr == 1 && res.ndeleted == 0, "6 is not told as new");
	list_result_free(&res);
	list(&res, ALICE, 0, 0, 0, 9, NULL);
	ok(res.code == LOCAL_OK && res.nhdr == 0 && res.ndeleted == 0 &&
	    res.change == 9, "nothing since");
	list_result_free(&res);
	list(&res, ALICE, 0, 0, 0, 10, NULL);
	is_int(res.code, LOCAL_RESYNC, "a change that is not there yet");
	list_result_free(&res);
}

static void
test_delete(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint32_t		ids[] = { 1, 2, 4, 5, 7 };

	is_int(delete(&del, ALICE, 5, ids, NULL), LOCAL_OK, "delete all");
	is_int(del.ndeleted, 5, "five");
	delete_result_free(&del);
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, 0, "empty");
	list_result_free(&res);
	is_int(deliver(ALICE, "m7@scorpio.test", "x", 1), ST_OK,
	    "a deleted one again: 200");
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, 0, "and it does not come back");
	list_result_free(&res);
	restart();
	is_int(deliver(ALICE, "m8@scorpio.test", "x", 1), ST_OK,
	    "a new one, after a crash of an empty mailbox");
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	ok(res.nhdr == 1 && res.hdr[0].id == 8, "ids are not used again");
	list_result_free(&res);
}

static void
test_files(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint32_t		a, b;

	is_int(deliver(ALICE, "big@x.test", big, sizeof(big)), ST_OK, "big");
	is_int(deliver(BOB, "big@x.test", big, sizeof(big)), ST_OK,
	    "for another user");
	is_int(count_files("body"), 1, "one file for both");
	list(&res, ALICE, 0, 0, 1, -1, NULL);
	a = res.nhdr == 1 ? res.hdr[0].id : 0;
	list_result_free(&res);
	list(&res, BOB, 0, 0, 1, -1, NULL);
	b = res.nhdr == 1 ? res.hdr[0].id : 0;
	list_result_free(&res);
	is_int(retrieve(ALICE, a, big, sizeof(big)), LOCAL_OK, "retrieve");
	is_int(delete(&del, ALICE, 1, &a, NULL), LOCAL_OK, "one deletes");
	delete_result_free(&del);
	is_int(count_files("body"), 1, "the file stays");
	is_int(retrieve(BOB, b, big, sizeof(big)), LOCAL_OK,
	    "the other has it");
	is_int(delete(&del, BOB, 1, &b, NULL), LOCAL_OK, "the other deletes");
	delete_result_free(&del);
	is_int(count_files("body"), 0, "the file is gone");
}

static void
test_crash(void)
{
	struct list_result	res;
	uint64_t		first = lastid + 1;
	struct imsg		m;
	char			msgid[64];
	int			i, answered = 0;

	close(open("body/aa/00000000000000aa", O_WRONLY | O_CREAT, 0600));
	/* Fifty at once; killed after the first answer. */
	for (i = 0; i < 50; i++) {
		snprintf(msgid, sizeof(msgid), "c%d@scorpio.test", i);
		put_deliver(&queue, ++lastid, BOB, msgid, big,
		    i % 2 == 0 ? 20000 + (size_t)i : 100);
	}
	take(&queue, IMSG_QUEUE_DELIVER_RESULT, first, &m);
	imsg_free(&m);
	kid_kill(&kid);
	for (answered = 1; kid_recv(&queue, &m, 0) == 1; answered++)
		imsg_free(&m);
	imsgbuf_clear(&queue);
	imsgbuf_clear(&soap);
	imsgbuf_clear(&control);
	start();
	ok(access("body/aa/00000000000000aa", F_OK) == -1,
	    "a file that no record names is removed");
	list(&res, BOB, 0, 0, 0, -1, NULL);
	ok((int)res.nhdr >= answered, "what was answered is there");
	list_result_free(&res);
	for (i = 0; i < 50; i++) {
		snprintf(msgid, sizeof(msgid), "c%d@scorpio.test", i);
		if (deliver(BOB, msgid, big, i % 2 == 0 ? 20000 + (size_t)i :
		    100) != ST_OK)
			break;
	}
	is_int(i, 50, "all again: 200");
	list(&res, BOB, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, 50, "each once");
	list_result_free(&res);
	is_int(count_files("body"), 25, "each body once");
	is_int(count_files("tmp"), 0, "no rest");
}

static void
test_replay(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint8_t			key[32] = "a list", dkey[32] = "a deletion";
	uint32_t		id;

	list(&res, BOB, 0, 0, 1, -1, key);
	is_int(res.code, LOCAL_OK, "a request with a nonce");
	id = res.nhdr == 1 ? res.hdr[0].id : 0;
	list_result_free(&res);
	list(&res, BOB, 0, 0, 1, -1, key);
	is_int(res.code, LOCAL_REPLAY, "again: refused");
	is_int(res.nhdr, 0, "and nothing told");
	list_result_free(&res);
	is_int(delete(&del, BOB, 1, &id, dkey), LOCAL_OK, "a deletion");
	delete_result_free(&del);
	id--;
	is_int(delete(&del, BOB, 1, &id, dkey), LOCAL_REPLAY,
	    "another with its nonce: refused");
	delete_result_free(&del);
	is_int(retrieve(BOB, id, big, 20048), LOCAL_OK, "nothing was done");
	restart();
	list(&res, BOB, 0, 0, 1, -1, key);
	is_int(res.code, LOCAL_REPLAY, "after a crash: refused");
	list_result_free(&res);
	is_int(delete(&del, BOB, 1, &id, dkey), LOCAL_REPLAY, "this too");
	delete_result_free(&del);
	is_int(kid_stat(&kid, "mailbox_replayed"), 2, "counted");
}

/*
 * What may not come again is forgotten; and then whatever ended as early is
 * refused, because nobody can tell (the clock may have been set back).
 */
static void
test_sweep(void)
{
	struct list_result	res;
	struct imsg		m;
	uint8_t			key[32] = "old", fresh[32] = "old, but new";
	int64_t			before = kid_stat(&kid, "mailbox_forgotten");
	int			i;

	ends = -20000;
	list(&res, BOB, 0, 0, 1, -1, key);
	is_int(res.code, LOCAL_OK, "a nonce whose time is over");
	list_result_free(&res);
	/* Nothing comes on this channel: it is only the pause between looks. */
	for (i = 0; i < 300 && kid_stat(&kid, "mailbox_forgotten") == before;
	    i++)
		if (kid_recv(&queue, &m, 100) == 1)
			imsg_free(&m);
	is_int(kid_stat(&kid, "mailbox_forgotten"), before + 1, "forgotten");
	ends = -3600000;
	list(&res, BOB, 0, 0, 1, -1, fresh);
	is_int(res.code, LOCAL_REPLAY, "one that ended before: refused");
	list_result_free(&res);
	restart();
	list(&res, BOB, 0, 0, 1, -1, fresh);
	is_int(res.code, LOCAL_REPLAY, "after a crash too");
	list_result_free(&res);
	ends = 300000;
	list(&res, BOB, 0, 0, 1, -1, fresh);
	is_int(res.code, LOCAL_OK, "one that stands is taken");
	list_result_free(&res);
}

static void
test_wait(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint64_t		id;
	int64_t			change, now;
	uint32_t		del_id;

	list(&res, BOB, 0, 0, 1, -1, NULL);
	now = res.change;
	del_id = res.nhdr == 1 ? res.hdr[0].id : 0;
	list_result_free(&res);
	id = wait_begin(&soap, BOB, now - 1, 60);
	is_int(wait_end(&soap, id, &change), LOCAL_OK, "behind: at once");
	is_int(change, now, "the change now");
	id = wait_begin(&soap, BOB, now + 5, 60);
	is_int(wait_end(&soap, id, &change), LOCAL_RESYNC, "ahead: resync");
	id = wait_begin(&soap, BOB, now, 0);
	is_int(wait_end(&soap, id, &change), LOCAL_OK, "no time: at once");
	is_int(change, now, "nothing new");
	id = wait_begin(&soap, BOB, now, 60);
	/* Answered in order: were the wait not held, take() would see it. */
	list(&res, BOB, 0, 0, 1, -1, NULL);
	is_int(res.change, now, "it is held");
	list_result_free(&res);
	is_int(deliver(ALICE, "w0@scorpio.test", "x", 1), ST_OK,
	    "mail for another user");
	is_int(held(), 1, "still held");
	is_int(deliver(BOB, "w1@scorpio.test", "x", 1), ST_OK, "mail");
	is_int(wait_end(&soap, id, &change), LOCAL_OK, "answered");
	is_int(change, now + 1, "the new change");
	id = wait_begin(&soap, BOB, now + 1, 60);
	is_int(held(), 1, "held again");
	is_int(delete(&del, BOB, 1, &del_id, NULL), LOCAL_OK, "a deletion");
	delete_result_free(&del);
	is_int(wait_end(&soap, id, &change), LOCAL_OK, "ends it too");
	is_int(change, now + 2, "its change");
	id = wait_begin(&soap, BOB, now + 2, 1);
	is_int(wait_end(&soap, id, &change), LOCAL_OK, "time is over");
	is_int(change, now + 2, "nothing new");
	is_int(kid_stat(&kid, "mailbox_waiting"), 0, "none is left");
}

static void
test_wait_gone(void)
{
	struct imsgbuf	other;
	uint64_t	id[3];
	int64_t		change, now;
	struct list_result res;

	list(&res, BOB, 0, 0, 1, -1, NULL);
	now = res.change;
	list_result_free(&res);
	is_int(kid_connect(&kid, &other, P_SOAP, 1), 0, "a second soap");
	(void)wait_begin(&other, BOB, now, 60);
	id[0] = wait_begin(&other, BOB, now, 0);
	is_int(wait_end(&other, id[0], &change), LOCAL_OK, "it answers");
	is_int(kid_stat(&kid, "mailbox_waiting"), 1, "one waits");
	imsgbuf_clear(&other);
	/* Of a channel that closed and one that asks: the first was seen. */
	while (kid_stat(&kid, "mailbox_waiting") != 0)
		continue;
	ok(1, "gone with its soap");
	conf->limit[LIM_WAITS_PER_USER] = 2;
	is_int(kid_reload(&kid, conf), 0, "two waits a user");
	id[0] = wait_begin(&soap, BOB, now, 60);
	id[1] = wait_begin(&soap, BOB, now, 60);
	id[2] = wait_begin(&soap, BOB, now, 60);
	is_int(wait_end(&soap, id[0], &change), LOCAL_OK,
	    "the third ends the oldest");
	is_int(change, now, "with nothing new");
	is_int(deliver(BOB, "w2@scorpio.test", "x", 1), ST_OK, "mail");
	is_int(wait_end(&soap, id[1], &change), LOCAL_OK, "the second");
	is_int(wait_end(&soap, id[2], &change), LOCAL_OK, "the third");
	is_int(change, now + 1, "the new change");
}

/* What a user may ask for in a minute; the mail of a minute was little. */
static void
test_rate(void)
{
	struct list_result	res;
	int			i;

	conf->limit[LIM_REQUESTS_PER_USER] = 2;
	is_int(kid_reload(&kid, conf), 0, "two requests a minute");
	for (i = 0; i < 3; i++) {
		list(&res, SMALL, 0, 0, 10, -1, NULL);
		is_int(res.code, i < 2 ? LOCAL_OK : LOCAL_BUSY, "a request");
		list_result_free(&res);
	}
	conf->limit[LIM_REQUESTS_PER_USER] = 0;
	is_int(kid_reload(&kid, conf), 0, "any number");
}

static void
test_quota(void)
{
	struct delete_result	del;
	struct list_result	res;
	uint32_t		id;

	is_int(deliver(SMALL, "q1@scorpio.test", big, 2000), ST_OK,
	    "2000 of 3000 octets");
	is_int(deliver(SMALL, "q2@scorpio.test", big, 1000), ST_TOOBIG,
	    "1000 more, and the signature: 552");
	is_int(deliver(SMALL, "q1@scorpio.test", big, 2000), ST_OK,
	    "a repeat is not counted");
	list(&res, SMALL, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, 1, "one is there");
	id = res.nhdr == 1 ? res.hdr[0].id : 0;
	list_result_free(&res);
	is_int(delete(&del, SMALL, 1, &id, NULL), LOCAL_OK, "delete it");
	delete_result_free(&del);
	is_int(deliver(SMALL, "q2@scorpio.test", big, 1000), ST_OK,
	    "now there is room");
	conf->limit[LIM_QUOTA_DOMAIN] = 1;
	is_int(kid_reload(&kid, conf), 0, "a small quota of the domain");
	is_int(deliver(ALICE, "q3@scorpio.test", "x", 1), ST_TOOBIG,
	    "the domain is full");
	conf->limit[LIM_QUOTA_DOMAIN] = 0;
	is_int(kid_reload(&kid, conf), 0, "none");
	is_int(deliver(ALICE, "q3@scorpio.test", "x", 1), ST_OK,
	    "a refused one is taken later");
}

static void
test_damage(void)
{
	struct list_result	res;
	uint32_t		id, before;

	is_int(deliver(ALICE, "d1@scorpio.test", big, 30000), ST_OK, "one");
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	id = res.nhdr > 0 ? res.hdr[0].id : 0;
	before = res.nhdr;
	list_result_free(&res);
	ok(damage_files() > 0, "its file is changed on disk");
	is_int(retrieve(ALICE, id, big, 30000), LOCAL_ERROR,
	    "told of an error");
	is_int(retrieve(ALICE, id, big, 30000), LOCAL_NOENT,
	    "then it is gone from the mailbox");
	list(&res, ALICE, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, before - 1, "from the list too");
	list_result_free(&res);
	is_int(kid_stat(&kid, "mailbox_quarantined"), 1, "counted");
	ok(kid_logged("ev=quarantine"), "logged");
	is_int(deliver(ALICE, "d2@scorpio.test", "x", 1), ST_OK, "it goes on");
}

static void
test_control(void)
{
	static char	user[] = BOB, word[] = "x";
	struct ctl_req	req;
	struct ctl_row	row;
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;
	uint32_t	error;
	char		*text;
	size_t		i;

	memset(&req, 0, sizeof(req));
	req.version = CTL_VERSION;
	req.cmd = CTL_SHOW_MAILBOX;
	req.nargs = 1;
	req.arg[0] = user;
	wbuf_init(&w);
	ctl_req_put(&w, &req);
	is_int(kid_send(&control, IMSG_CTL_REQUEST, 5, &w), 0, "show mailbox");
	take(&control, IMSG_CTL_ROW, 5, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	is_int(ctl_row_get(&r, &row), 1, "a row");
	for (i = 0; i < row.nfields; i++) {
		if (strcmp(row.field[i].name, "user") == 0)
			is_str(row.field[i].str, BOB, "of bob");
		if (strcmp(row.field[i].name, "messages") == 0)
			is_int(row.field[i].num, 50, "messages");
	}
	ctl_row_free(&row);
	imsg_free(&m);
	take(&control, IMSG_CTL_END, 5, &m);
	imsg_free(&m);
	req.arg[0] = word;
	ctl_req_put(&w, &req);
	is_int(kid_send(&control, IMSG_CTL_REQUEST, 6, &w), 0, "of no address");
	take(&control, IMSG_CTL_END, 6, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	is_int(ctl_end_get(&r, &error, &text), 0, "an end");
	is_int(error, EINVAL, "says so");
	free(text);
	imsg_free(&m);
}

static void
test_reload(void)
{
	struct conf_user	*u = conf_user(conf, BOB);
	struct list_result	 res;
	uint64_t		 id;
	int64_t			 change;
	int			 i;

	list(&res, BOB, 0, 0, 1, -1, NULL);
	change = res.change;
	list_result_free(&res);
	id = wait_begin(&soap, BOB, change, 60);
	is_int(held(), 1, "bob waits");
	TAILQ_REMOVE(&conf->users, u, entry);
	is_int(kid_reload(&kid, conf), 0, "bob is removed");
	is_int(wait_end(&soap, id, &change), LOCAL_NOENT, "told");
	list(&res, BOB, 0, 0, 1, -1, NULL);
	is_int(res.code, LOCAL_NOENT, "not to be read");
	list_result_free(&res);
	is_int(deliver(BOB, "r1@scorpio.test", "x", 1), ST_NOUSER,
	    "nor delivered to");
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
	is_int(kid_reload(&kid, conf), 0, "bob is back");
	list(&res, BOB, 0, 0, 0, -1, NULL);
	is_int(res.nhdr, 50, "with his mail");
	list_result_free(&res);
	conf->limit[LIM_TOMBSTONES] = 5;
	is_int(kid_reload(&kid, conf), 0, "five changes are remembered");
	for (i = 0; i < 10; i++) {
		char	msgid[32];

		snprintf(msgid, sizeof(msgid), "t%d@scorpio.test", i);
		if (deliver(BOB, msgid, "x", 1) != ST_OK)
			break;
	}
	is_int(i, 10, "ten more");
	list(&res, BOB, 0, 0, 0, 0, NULL);
	is_int(res.code, LOCAL_RESYNC, "too old: resync");
	change = res.change;
	list_result_free(&res);
	list(&res, BOB, 0, 0, 0, change - 5, NULL);
	ok(res.code == LOCAL_OK && res.nhdr == 5, "five are told");
	list_result_free(&res);
}

/* The fastest of some, in ms: what others do on the machine is left out. */
static double
time_list(int64_t since_change)
{
	struct list_result	res;
	struct timespec		a, b;
	double			t, best = 1e9;
	int			i;

	for (i = 0; i < 20; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		list(&res, MANY, 0, 0, 50, since_change, NULL);
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (res.nhdr != 50)
			best = -1;
		list_result_free(&res);
		t = (double)(b.tv_sec - a.tv_sec) * 1e3 +
		    (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		if (t < best)
			best = t;
	}
	return best;
}

static void
fill(uint32_t from, uint32_t to)
{
	struct imsg	m;
	uint32_t	i, n = 0;
	char		msgid[64];

	for (i = from; i < to; i++) {
		snprintf(msgid, sizeof(msgid), "n%u@scorpio.test", i);
		put_deliver(&queue, ++lastid, MANY, msgid, msgid,
		    strlen(msgid));
		if (++n < 200 && i + 1 < to)
			continue;
		for (; n > 0; n--) {
			if (kid_recv(&queue, &m, LONG_MS) != 1)
				fatalx("no answer");
			imsg_free(&m);
		}
	}
}

static void
test_many(void)
{
	const char	*s = getenv("WS_MANY");
	uint32_t	 n = 100000;
	struct timespec	 a, b;
	double		 few, many;

	if (s != NULL)
		n = (uint32_t)strtonum(s, 1000, 10000000, NULL);
	fill(0, 100);
	few = time_list(-1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	fill(100, n);
	clock_gettime(CLOCK_MONOTONIC, &b);
	many = time_list(-1);
	printf("# %.0f deliveries a second\n", (n - 100) /
	    ((double)(b.tv_sec - a.tv_sec) +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e9));
	printf("# newest 50 of 100: %.3f ms, of %u: %.3f ms\n", few, n, many);
	ok(few > 0 && many > 0 && many < few * 10 + 1,
	    "a list costs the same, however many there are");
}

int
main(void)
{
	char	dir[] = "/tmp/test_wslocal.XXXXXX";
	size_t	i;
	int	bad;

	log_init("test_wslocal", 1, 0);
	testdir_enter(dir);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)('a' + i % 26);
	if ((conf = conf_new()) == NULL)
		fatal("conf");
	conf_add(ALICE, -1);
	conf_add(BOB, -1);
	conf_add(SMALL, 3000);
	conf_add(MANY, -1);
	start();
	test_deliver();
	test_list();
	test_changes();
	test_delete();
	test_files();
	test_crash();
	test_replay();
	test_sweep();
	test_wait();
	test_wait_gone();
	test_rate();
	test_quota();
	test_damage();
	test_control();
	test_reload();
	test_many();
	is_int(kid_stop(&kid), 0, "an orderly end");
	imsgbuf_clear(&queue);
	imsgbuf_clear(&soap);
	imsgbuf_clear(&control);
	start();
	is_int(kid_stop(&kid), 0, "once more");
	imsgbuf_clear(&queue);
	imsgbuf_clear(&soap);
	imsgbuf_clear(&control);
	conf_free(conf);
	/* After a failure kid.log there says what wslocal thought. */
	if ((bad = done_testing()) == 0 &&
	    (chdir("/") == -1 || testdir_remove(dir) == -1))
		perror(dir);
	return bad;
}
