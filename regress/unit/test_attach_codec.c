/* SPDX-License-Identifier: ISC */
/*
 * lib/msg_attach.c: what is put is got again, and nothing that is shorter or
 * longer by one octet, nor a string that is too long.
 */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "msg_attach.h"
#include "tap.h"

/* Reads a whole payload into a fresh object, and writes that again. */
typedef int	(*reader)(const uint8_t *, size_t, struct wbuf *);

#define READER(name, type, get, put, done)				\
static int								\
name(const uint8_t *p, size_t len, struct wbuf *again)			\
{									\
	struct type	 x;						\
	struct rbuf	 r;						\
									\
	rbuf_init(&r, p, len);						\
	if (get(&r, &x) == -1)						\
		return -1;						\
	put(again, &x);							\
	done(&x);							\
	return 0;							\
}

READER(r_begin, upload_begin, upload_begin_get, upload_begin_put,
    upload_begin_free)
READER(r_upload, upload_req, upload_req_get, upload_req_put, upload_req_free)
READER(r_result, upload_result, upload_result_get, upload_result_put,
    upload_result_free)
READER(r_name, name_req, name_req_get, name_req_put, name_req_free)
READER(r_list, attach_list, attach_list_get, attach_list_put,
    attach_list_free)
READER(r_fetch, fetch_req, fetch_req_get, fetch_req_put, fetch_req_free)
READER(r_data, fetch_result, fetch_result_get, fetch_result_put,
    fetch_result_free)
READER(r_listreq, attach_list_req, attach_list_req_get, attach_list_req_put,
    attach_list_req_free)
READER(r_showreq, show_req, show_req_get, show_req_put, show_req_free)
READER(r_show, show_result, show_result_get, show_result_put,
    show_result_free)
READER(r_change, attach_change, attach_change_get, attach_change_put,
    attach_change_free)
READER(r_changed, change_result, change_result_get, change_result_put,
    change_result_free)

static void	 judge(const char *, struct wbuf *, reader);
static void	 fill(uint8_t *, size_t, uint8_t);
static void	 test_id(void);
static void	 test_requests(void);
static void	 test_results(void);
static void	 test_bounds(void);

static char	 addr[] = "alice@a.test", bob[] = "bob@b.test",
		 domain[] = "b.test", text[] = "some text", name[] = "x.txt",
		 type[] = "text/plain", msgid[] = "m1@a.test";

static void
fill(uint8_t *p, size_t n, uint8_t from)
{
	while (n-- > 0)
		*p++ = from++;
}

/* Takes the payload. */
static void
judge(const char *what, struct wbuf *w, reader read)
{
	struct wbuf	 again, scratch;
	uint8_t		*copy;
	size_t		 n, bad = 0;

	wbuf_init(&again);
	ok(read(w->data, w->len, &again) == 0 && again.len == w->len &&
	    memcmp(again.data, w->data, w->len) == 0, what);
	for (n = 0; n < w->len; n++) {
		/* Of its own size, for a sanitizer to see what is beyond. */
		if ((copy = malloc(n == 0 ? 1 : n)) == NULL)
			exit(1);
		memcpy(copy, w->data, n);
		wbuf_init(&scratch);
		bad += read(copy, n, &scratch) == 0;
		wbuf_free(&scratch);
		free(copy);
	}
	wbuf_u8(w, 0);
	wbuf_init(&scratch);
	bad += read(w->data, w->len, &scratch) == 0;
	wbuf_free(&scratch);
	is_int((long long)bad, 0, "no part of it, and nothing behind it");
	wbuf_free(&again);
	wbuf_free(w);
}

static void
test_id(void)
{
	uint8_t	 id[ATTACH_ID], got[ATTACH_ID];
	char	 buf[ATTACH_HEX + 1];

	fill(id, sizeof(id), 0xf8);
	is_str(attach_id_str(id, buf), "f8f9fafbfcfdfeff0001020304050607",
	    "an id in text");
	ok(attach_id_parse(buf, got) == 0 && memcmp(id, got, sizeof(id)) == 0,
	    "and back");
	buf[0] = 'F';
	ok(attach_id_parse(buf, got) == -1 && errno == EINVAL,
	    "not in upper case");
	ok(attach_id_parse("f8", got) == -1, "not short");
	memset(buf, '0', ATTACH_HEX);
	buf[ATTACH_HEX] = '\0';
	ok(attach_id_parse(buf, got) == -1, "not long");
	buf[ATTACH_HEX - 1] = '\0';
	buf[3] = 'g';
	ok(attach_id_parse(buf, got) == -1, "digits only");
}

static void
test_requests(void)
{
	struct attach_list_req	 l = { .owner = addr, .limit = 7 };
	struct attach_change	 c = { .owner = addr, .addr = bob, .when = -3 };
	struct upload_begin	 b = { .owner = addr, .name = name,
	    .type = type, .description = text, .size = 1ULL << 40,
	    .has_digest = 1 };
	struct upload_req	 u = { .owner = addr, .offset = 1ULL << 33 };
	struct fetch_req	 f = { .principal = bob, .version = 3,
	    .offset = 1ULL << 33, .length = 4096 };
	struct show_req		 s = { .owner = addr, .after = bob,
	    .before = 9, .limit = 10 };
	struct name_req		 n = { .owner = addr, .msgid = msgid };
	struct wbuf		 w;
	uint8_t			 ids[2][ATTACH_ID];
	char			*rcpt[] = { bob, addr };

	fill(b.digest, sizeof(b.digest), 1);
	fill(u.id, sizeof(u.id), 2);
	fill(u.digest, sizeof(u.digest), 3);
	fill(f.id, sizeof(f.id), 4);
	fill(s.id, sizeof(s.id), 5);
	fill(c.id, sizeof(c.id), 6);
	fill(c.upload, sizeof(c.upload), 7);
	fill(l.before, sizeof(l.before), 8);
	fill(ids[0], sizeof(ids), 9);
	wbuf_init(&w);
	upload_begin_put(&w, &b);
	judge("begin", &w, r_begin);
	upload_req_put(&w, &u);
	judge("piece, state, abort, finish", &w, r_upload);
	n.nuploads = 2;
	n.upload = ids;
	n.nrcpt = 2;
	n.rcpt = rcpt;
	name_req_put(&w, &n);
	judge("name", &w, r_name);
	fetch_req_put(&w, &f);
	judge("fetch", &w, r_fetch);
	attach_list_req_put(&w, &l);
	judge("list", &w, r_listreq);
	show_req_put(&w, &s);
	judge("show", &w, r_showreq);
	attach_change_put(&w, &c);
	judge("a change", &w, r_change);
}

static void
test_results(void)
{
	struct attach_version	 v[2] = { { .number = 1, .size = 5 },
	    { .number = 2, .size = 6, .time = 7 } };
	struct attach_fetch	 f = { .seq = 4, .addr = bob, .version = 2,
	    .time = 8 };
	struct attach_rcpt	 r = { .addr = bob, .domain = domain,
	    .fetches = 2, .last = 8, .added = 1 };
	struct attach_info	 i = { .name = name, .type = type,
	    .description = text, .msgid = msgid, .created = 1, .expiry = 2,
	    .withdrawn = 3, .version = 2, .size = 6, .nrcpt = 1,
	    .fetches = 2 };
	struct attach_info	 two[2];
	struct upload_result	 u = { .code = ST_OK, .text = text,
	    .offset = 1ULL << 33, .size = 1ULL << 34, .complete = 1 };
	struct change_result	 c = { .code = ST_OK, .text = text,
	    .version = 2 };
	struct fetch_result	 d = { .code = ST_OK, .text = text,
	    .version = 1, .newest = 2, .size = 3, .offset = 4, .length = 5 };
	struct attach_list	 l = { .code = ST_OK, .text = text, .more = 1 };
	struct show_result	 s = { .code = ST_OK, .text = text };
	struct wbuf		 w;

	fill(i.id, sizeof(i.id), 1);
	fill(i.digest, sizeof(i.digest), 2);
	fill(d.digest, sizeof(d.digest), 3);
	wbuf_init(&w);
	upload_result_put(&w, &u);
	judge("result of an upload", &w, r_result);
	two[0] = two[1] = i;
	l.n = 2;
	l.info = two;
	attach_list_put(&w, &l);
	judge("attachments", &w, r_list);
	fetch_result_put(&w, &d);
	judge("what is fetched", &w, r_data);
	show_result_put(&w, &s);
	judge("nothing to show", &w, r_show);
	s.found = 1;
	s.info = i;
	s.nversions = 2;
	s.version = v;
	s.nrcpt = 1;
	s.rcpt = &r;
	s.nfetches = 1;
	s.fetch = &f;
	s.more_rcpt = s.more_fetches = 1;
	show_result_put(&w, &s);
	judge("all of one", &w, r_show);
	change_result_put(&w, &c);
	judge("result of a change", &w, r_changed);
}

static void
test_bounds(void)
{
	struct upload_begin	 b = { .owner = addr, .type = type,
	    .description = text };
	struct wbuf		 w, again;
	char			 longname[ATTACH_NAME_MAX + 2];

	memset(longname, 'x', sizeof(longname));
	longname[ATTACH_NAME_MAX] = '\0';
	b.name = longname;
	wbuf_init(&w);
	wbuf_init(&again);
	upload_begin_put(&w, &b);
	ok(r_begin(w.data, w.len, &again) == 0, "a long name");
	wbuf_free(&w);
	longname[ATTACH_NAME_MAX] = 'x';
	longname[ATTACH_NAME_MAX + 1] = '\0';
	upload_begin_put(&w, &b);
	ok(r_begin(w.data, w.len, &again) == -1, "one that is too long");
	wbuf_free(&w);
	/* More than what is left can hold is not tried. */
	wbuf_str(&w, addr);
	wbuf_str(&w, msgid);
	wbuf_u32(&w, UINT32_MAX);
	wbuf_u32(&w, 0);
	ok(r_name(w.data, w.len, &again) == -1 && errno == EBADMSG,
	    "a count that is a lie");
	wbuf_free(&w);
	wbuf_free(&again);
}

int
main(void)
{
	test_id();
	test_requests();
	test_results();
	test_bounds();
	return done_testing();
}
