/* SPDX-License-Identifier: ISC */
/*
 * lib/msg_*.c: each message is described here once more, field by field.
 * From that it is filled with least, with distinct and with largest values,
 * what is written is compared with what the description says, and what is
 * read with what was written.  What is cut, or lies about a length, is
 * refused, and leaves nothing behind (SAN=1 tells).
 */
#include "compat.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>

#include "codecs.h"
#include "tap.h"

enum how { LEAST, SMALL, MOST };

struct fill {
	enum how	 how;
	uint32_t	 n;		/* makes values distinct */
	int		 beyond;	/* which limit is passed, -1: none */
	int		 limit;		/* limits so far */
	int		 bare;		/* LEAST: which list is not empty */
	int		 list;		/* lists so far */
};

/* Where lengths and counts stand in what was written. */
struct marks {
	size_t		 at[256];
	size_t		 n;
};

struct codec {
	const char		*name;
	size_t			 size;
	const struct field	*fields;
	void			(*put)(struct wbuf *, const void *);
	int			(*get)(struct rbuf *, void *);
	void			(*free)(void *);
};

static char	*text(struct fill *, uint32_t);
static void	 fill(struct fill *, const struct field *, uint8_t *);
static void	 fill_list(struct fill *, const struct field *, uint8_t *);
static void	 empty(const struct field *, uint8_t *);
static void	 encode(struct wbuf *, struct marks *, const struct field *,
		    const uint8_t *);
static int	 same(const struct field *, const uint8_t *, const uint8_t *);
static int	 try_get(const struct codec *, const uint8_t *, size_t, void *,
		    uint8_t **);
static int	 refused(const struct codec *, const uint8_t *, size_t);
static int	 refused_or_same(const struct codec *, const uint8_t *, size_t);
static void	 put32(uint8_t *, uint32_t);
static void	 test_round(const struct codec *, enum how, const char *);
static void	 test_bare(const struct codec *);
static void	 test_cut(const struct codec *, const uint8_t *, size_t);
static void	 test_lengths(const struct codec *, const uint8_t *, size_t,
		    const struct marks *);
static void	 test_octets(const struct codec *, const uint8_t *, size_t);
static void	 test_limits(const struct codec *);
static void	 test_codec(const struct codec *);
static void	 test_verdict_code(void);
static void	 test_stat(void);
static void	 test_all_described(void);

/* --- by the description --------------------------------------------------- */

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static char *
text(struct fill *w, uint32_t max)
{
	size_t	 n = 1 + w->n++ % 5;
	char	*s;

	if (max != 0 && w->limit++ == w->beyond)
		n = (size_t)max + 1;
	else if (w->how == LEAST)
		return NULL;
	else if (w->how == MOST && max != 0)
		n = max;
	s = must(malloc(n + 1));
	memset(s, 'a' + (int)(w->n % 26), n);
	s[n] = '\0';
	return s;
}

static void
fill_list(struct fill *w, const struct field *f, uint8_t *v)
{
	uint32_t	 i, n = w->how == LEAST ? 0 : w->how == SMALL ? 2 : 3;
	uint8_t		*list = NULL;

	if (++w->list == w->bare)
		n = 50;
	if (n > 0)
		list = must(calloc(n, f->size));
	for (i = 0; i < n; i++)
		fill(w, f->sub, list + i * f->size);
	memcpy(v + f->off, &list, sizeof(list));
	memcpy(v + f->count, &n, sizeof(n));
}

static void
fill(struct fill *w, const struct field *f, uint8_t *v)
{
	uint8_t		*octets;
	char		*s;
	uint32_t	 u;
	int64_t		 i;
	size_t		 n;

	for (; f->kind != END; f++) {
		w->n++;
		switch (f->kind) {
		case U32:
			u = w->how == LEAST ? f->min : w->how == MOST ? f->max :
			    f->max == UINT32_MAX ? 0x01020300 + w->n % 255 + 1 :
			    f->max - 1;
			if (f->max != UINT32_MAX && w->limit++ == w->beyond)
				u = f->max + 1;
			if (f->min > 0 && w->limit++ == w->beyond)
				u = f->min - 1;
			memcpy(v + f->off, &u, sizeof(u));
			break;
		case I64:
			i = w->how == LEAST ? INT64_MIN : w->how == MOST ?
			    INT64_MAX : -0x0102030405060700 - w->n % 255;
			memcpy(v + f->off, &i, sizeof(i));
			break;
		case STR:
			s = text(w, f->max);
			memcpy(v + f->off, &s, sizeof(s));
			break;
		case BYTES:
			n = w->how == LEAST ? 0 : w->how == SMALL ? 3 : 70000;
			octets = n == 0 ? NULL : must(malloc(n));
			if (n > 0) {
				memset(octets, (int)(w->n % 255 + 1), n);
				octets[n / 2] = '\0';
			}
			memcpy(v + f->off, &octets, sizeof(octets));
			memcpy(v + f->count, &n, sizeof(n));
			break;
		case RAW:
			memset(v + f->off, w->how == LEAST ? 0 :
			    (int)(w->n % 255 + 1), f->size);
			break;
		case SUB:
			fill(w, f->sub, v + f->off);
			break;
		case LIST:
			fill_list(w, f, v);
			break;
		case END:
			break;
		}
	}
}

/* Frees what fill() made. */
static void
empty(const struct field *f, uint8_t *v)
{
	uint8_t		*p;
	uint32_t	 i, n;

	for (; f->kind != END; f++) {
		if (f->kind == SUB)
			empty(f->sub, v + f->off);
		if (f->kind != STR && f->kind != BYTES && f->kind != LIST)
			continue;
		memcpy(&p, v + f->off, sizeof(p));
		if (f->kind == LIST) {
			memcpy(&n, v + f->count, sizeof(n));
			for (i = 0; i < n; i++)
				empty(f->sub, p + i * f->size);
		}
		free(p);
	}
}

static void
mark(struct marks *m, size_t at)
{
	if (m->n == nitems(m->at))
		abort();
	m->at[m->n++] = at;
}

/* What put() must write. */
static void
encode(struct wbuf *b, struct marks *m, const struct field *f,
    const uint8_t *v)
{
	uint8_t		*p = NULL;
	uint32_t	 i, u;
	int64_t		 i64;
	size_t		 n;

	for (; f->kind != END; f++) {
		if (f->kind == STR || f->kind == BYTES || f->kind == LIST) {
			mark(m, b->len);
			memcpy(&p, v + f->off, sizeof(p));
		}
		switch (f->kind) {
		case U32:
			memcpy(&u, v + f->off, sizeof(u));
			wbuf_u32(b, u);
			break;
		case I64:
			memcpy(&i64, v + f->off, sizeof(i64));
			wbuf_i64(b, i64);
			break;
		case STR:
			wbuf_str(b, (const char *)p);
			break;
		case BYTES:
			memcpy(&n, v + f->count, sizeof(n));
			wbuf_bytes(b, p, n);
			break;
		case RAW:
			wbuf_raw(b, v + f->off, f->size);
			break;
		case SUB:
			encode(b, m, f->sub, v + f->off);
			break;
		case LIST:
			memcpy(&u, v + f->count, sizeof(u));
			wbuf_u32(b, u);
			for (i = 0; i < u; i++)
				encode(b, m, f->sub, p + i * f->size);
			break;
		case END:
			break;
		}
	}
}

/* No string that was written reads as an empty one. */
static int
same_str(const char *a, const char *b)
{
	return b != NULL && strcmp(a == NULL ? "" : a, b) == 0;
}

static int
same(const struct field *f, const uint8_t *a, const uint8_t *b)
{
	uint8_t		*p = NULL, *q = NULL;
	uint32_t	 i, n, m;
	size_t		 len, got;

	for (; f->kind != END; f++) {
		if (f->kind == STR || f->kind == BYTES || f->kind == LIST) {
			memcpy(&p, a + f->off, sizeof(p));
			memcpy(&q, b + f->off, sizeof(q));
		}
		switch (f->kind) {
		case STR:
			if (!same_str((const char *)p, (const char *)q))
				return 0;
			break;
		case BYTES:
			memcpy(&len, a + f->count, sizeof(len));
			memcpy(&got, b + f->count, sizeof(got));
			if (len != got || (len > 0 && memcmp(p, q, len) != 0))
				return 0;
			break;
		case SUB:
			if (!same(f->sub, a + f->off, b + f->off))
				return 0;
			break;
		case LIST:
			memcpy(&n, a + f->count, sizeof(n));
			memcpy(&m, b + f->count, sizeof(m));
			if (n != m)
				return 0;
			for (i = 0; i < n; i++)
				if (!same(f->sub, p + i * f->size,
				    q + i * f->size))
					return 0;
			break;
		default:
			len = f->kind == U32 ? 4 : f->kind == I64 ? 8 : f->size;
			if (memcmp(a + f->off, b + f->off, len) != 0)
				return 0;
			break;
		}
	}
	return 1;
}

/* --- what is tried -------------------------------------------------------- */

/* Memory of just the length, so that a look beyond it shows. */
static int
try_get(const struct codec *c, const uint8_t *p, size_t n, void *v,
    uint8_t **copy)
{
	struct rbuf	 r;

	*copy = must(malloc(n == 0 ? 1 : n));
	if (n > 0)
		memcpy(*copy, p, n);
	rbuf_init(&r, *copy, n);
	memset(v, 0, c->size);
	errno = 0;
	return c->get(&r, v);
}

/*
 * With its errno.  The first time nothing is freed here, as get() must have
 * done so; then it is, as no pointer to what was freed may be left.
 */
static int
refused(const struct codec *c, const uint8_t *p, size_t n)
{
	uint8_t	*v = must(calloc(1, c->size)), *copy;
	int	 held;

	held = try_get(c, p, n, v, &copy) == -1 && errno == EBADMSG;
	free(copy);
	held &= try_get(c, p, n, v, &copy) == -1;
	c->free(v);
	free(v);
	free(copy);
	return held;
}

/* What is read must be just what the octets say. */
static int
refused_or_same(const struct codec *c, const uint8_t *p, size_t n)
{
	uint8_t		*v = must(calloc(1, c->size)), *copy;
	struct wbuf	 b = { 0 };
	int		 held = 1;

	if (try_get(c, p, n, v, &copy) == 0) {
		c->put(&b, v);
		held = b.error == 0 && b.len == n && memcmp(b.data, p, n) == 0;
		wbuf_free(&b);
		c->free(v);
	}
	free(v);
	free(copy);
	return held;
}

static void
put32(uint8_t *p, uint32_t v)
{
	int	 i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void
say(int held, const char *name, const char *what)
{
	char	 line[128];

	snprintf(line, sizeof(line), "%s: %s", name, what);
	ok(held, line);
}

static void
test_round(const struct codec *c, enum how how, const char *what)
{
	struct fill	 w = { .how = how, .beyond = -1 };
	struct marks	 m = { .n = 0 };
	struct wbuf	 b = { 0 }, want = { 0 };
	uint8_t		*v = must(calloc(1, c->size)), *copy = NULL;
	uint8_t		*got = must(calloc(1, c->size));

	fill(&w, c->fields, v);
	c->put(&b, v);
	encode(&want, &m, c->fields, v);
	say(b.error == 0 && b.len == want.len &&
	    memcmp(b.data, want.data, b.len) == 0 &&
	    try_get(c, b.data, b.len, got, &copy) == 0 &&
	    same(c->fields, v, got), c->name, what);
	c->free(got);
	free(copy);
	free(got);
	if (how == SMALL) {
		test_cut(c, b.data, b.len);
		test_lengths(c, b.data, b.len, &m);
		test_octets(c, b.data, b.len);
	}
	empty(c->fields, v);
	free(v);
	wbuf_free(&b);
	wbuf_free(&want);
}

/* Many elements that are as short as can be, in one list after the other. */
static void
test_bare(const struct codec *c)
{
	struct fill	 w;
	struct wbuf	 b;
	uint8_t		*v = must(calloc(1, c->size)), *copy;
	uint8_t		*got = must(calloc(1, c->size));
	int		 i, held = 1;

	for (i = 1;; i++) {
		memset(&w, 0, sizeof(w));
		w.how = LEAST;
		w.beyond = -1;
		w.bare = i;
		wbuf_init(&b);
		fill(&w, c->fields, v);
		c->put(&b, v);
		if (try_get(c, b.data, b.len, got, &copy) == -1 ||
		    !same(c->fields, v, got)) {
			printf("# list %d\n", i);
			held = 0;
		}
		c->free(got);
		free(copy);
		empty(c->fields, v);
		wbuf_free(&b);
		if (i >= w.list)
			break;
	}
	free(got);
	free(v);
	if (w.list > 0)
		say(held, c->name, "lists of the shortest");
}

static void
test_cut(const struct codec *c, const uint8_t *p, size_t n)
{
	uint8_t	*longer = must(malloc(n + 1));
	size_t	 i;
	int	 held = 1;

	for (i = 0; i < n; i++)
		if (!refused(c, p, i)) {
			printf("# %zu of %zu octets\n", i, n);
			held = 0;
		}
	say(held, c->name, "cut anywhere");
	memcpy(longer, p, n);
	longer[n] = '\0';
	say(refused(c, longer, n + 1), c->name, "an octet more");
	free(longer);
}

static void
test_lengths(const struct codec *c, const uint8_t *p, size_t n,
    const struct marks *m)
{
	uint8_t		*bad = must(malloc(n));
	uint32_t	 was, left, other[4];
	size_t		 i, j;
	int		 held = 1;

	for (i = 0; i < m->n; i++) {
		memcpy(bad, p, n);
		was = get32(p + m->at[i]);
		left = (uint32_t)(n - m->at[i] - 4);
		other[0] = left + 1;
		other[1] = 0x7fffffff;
		other[2] = 0x80000000;
		other[3] = UINT32_MAX;
		for (j = 0; j < nitems(other); j++) {
			put32(bad + m->at[i], other[j]);
			held &= refused(c, bad, n);
		}
		other[0] = was + 1;
		other[1] = was - 1;
		other[2] = 0;
		other[3] = left;
		for (j = 0; j < nitems(other); j++) {
			put32(bad + m->at[i], other[j]);
			held &= refused_or_same(c, bad, n);
		}
		if (!held) {
			printf("# the length at %zu\n", m->at[i]);
			break;
		}
	}
	if (m->n > 0)
		say(held, c->name, "lengths that lie");
	free(bad);
}

static void
test_octets(const struct codec *c, const uint8_t *p, size_t n)
{
	static const uint8_t	 change[] = { 0x01, 0x80, 0xff };
	uint8_t			*bad = must(malloc(n));
	size_t			 i, j;
	int			 held = 1;

	memcpy(bad, p, n);
	for (i = 0; i < n && held; i++) {
		for (j = 0; j < nitems(change); j++) {
			bad[i] = p[i] ^ change[j];
			held &= refused_or_same(c, bad, n);
		}
		bad[i] = '\0';
		held &= refused_or_same(c, bad, n);
		bad[i] = p[i];
		if (!held)
			printf("# the octet at %zu\n", i);
	}
	say(held, c->name, "another octet is another message, or none");
	free(bad);
}

/* Each string an octet too long, each value just outside of its range. */
static void
test_limits(const struct codec *c)
{
	struct fill	 w;
	struct wbuf	 b;
	uint8_t		*v = must(calloc(1, c->size));
	int		 i, held = 1;

	for (i = 0;; i++) {
		memset(&w, 0, sizeof(w));
		w.how = SMALL;
		w.beyond = i;
		wbuf_init(&b);
		fill(&w, c->fields, v);
		c->put(&b, v);
		empty(c->fields, v);
		if (i < w.limit && !refused(c, b.data, b.len)) {
			printf("# limit %d\n", i);
			held = 0;
		}
		wbuf_free(&b);
		if (i >= w.limit)
			break;
	}
	free(v);
	if (i > 0)
		say(held, c->name, "what is beyond a limit");
}

static void
test_codec(const struct codec *c)
{
	test_round(c, LEAST, "least values");
	test_bare(c);
	test_round(c, MOST, "largest values");
	test_round(c, SMALL, "distinct values");
	test_limits(c);
}

/* --- the messages --------------------------------------------------------- */

#define PUT_GET(t)							\
	static void							\
	put_##t(struct wbuf *b, const void *v)				\
	{								\
		t##_put(b, v);						\
	}								\
	static int							\
	get_##t(struct rbuf *r, void *v)				\
	{								\
		return t##_get(r, v);					\
	}
#define FREE(t)								\
	static void							\
	free_##t(void *v)						\
	{								\
		t##_free(v);						\
	}
/* Parts of others, which do not look for the end. */
#define PART(t)								\
	static void							\
	put_##t(struct wbuf *b, const void *v)				\
	{								\
		t##_put(b, v);						\
	}								\
	static int							\
	get_##t(struct rbuf *r, void *v)				\
	{								\
		if (t##_get(r, v) == -1)				\
			return -1;					\
		if (rbuf_end(r) == 0)					\
			return 0;					\
		t##_free(v);						\
		return -1;						\
	}								\
	FREE(t)
/* Those without a structure of their own. */
#define PAIR(t, s, f, g)						\
	static void							\
	put_##t(struct wbuf *b, const void *v)				\
	{								\
		const struct s	*p = v;					\
									\
		t##_put(b, p->f, p->g);					\
	}								\
	static int							\
	get_##t(struct rbuf *r, void *v)				\
	{								\
		struct s	*p = v;					\
									\
		return t##_get(r, &p->f, &p->g);			\
	}
#define FULL(t)		PUT_GET(t) FREE(t)

FULL(http_req)
FULL(http_resp)
FULL(relay_post)
FULL(relay_result)
FULL(keys_password)
FULL(keys_mac)
PUT_GET(keys_params)
FULL(keys_sign)
FULL(deliver)
PAIR(deliver_result, deliver_result, code, text)
FULL(list_req)
PART(mail_header)
FULL(list_result)
FULL(retrieve_req)
PUT_GET(retrieve_result)
FULL(delete_req)
FULL(delete_result)
FULL(wait_req)
PAIR(wait_result, wait_result, code, change)
FULL(proc_setup)
PAIR(proc_peer, two, a, b)
PAIR(proc_listen, words, a, b)
PAIR(proc_log, two, a, b)
FULL(proc_ready)
PART(mail_facts)
PART(attach_info)
FULL(upload_begin)
FULL(upload_req)
FULL(upload_result)
FULL(name_req)
FULL(attach_list)
FULL(fetch_req)
FULL(fetch_result)
FULL(attach_list_req)
FULL(show_req)
FULL(show_result)
FULL(attach_change)
FULL(change_result)
FULL(submit)
FULL(submit_result)
FULL(relay_job)
FULL(relay_done)
FULL(bounce_job)
FULL(plug_about)
FULL(plug_table)
FULL(plug_call)
FULL(plug_verdict)
FULL(plug_mail)
FULL(plug_mail_result)
PAIR(plug_connect, words, a, b)
PAIR(plug_fault, plug_fault, id, text)

static void
put_replay(struct wbuf *b, const void *v)
{
	replay_put(b, v);
}

static int
get_replay(struct rbuf *r, void *v)
{
	replay_get(r, v);
	return rbuf_end(r);
}

static void
put_auth_result(struct wbuf *b, const void *v)
{
	auth_result_put(b, ((const struct auth_result *)v)->result);
}

static int
get_auth_result(struct rbuf *r, void *v)
{
	return auth_result_get(r, &((struct auth_result *)v)->result);
}

static void
put_sign_result(struct wbuf *b, const void *v)
{
	const struct sign_result	*s = v;

	sign_result_put(b, s->value, s->value_len);
}

static int
get_sign_result(struct rbuf *r, void *v)
{
	struct sign_result	*s = v;

	s->value = sign_result_get(r, &s->value_len);
	return s->value == NULL ? -1 : 0;
}

/* What has nothing of its own, or what is freed member by member. */
static void
free_nothing(void *v)
{
	(void)v;
}

static void
free_words(void *v)
{
	struct words	*w = v;

	free(w->a);
	free(w->b);
}

static void
free_deliver_result(void *v)
{
	free(((struct deliver_result *)v)->text);
}

static void
free_plug_fault(void *v)
{
	free(((struct plug_fault *)v)->text);
}

#define CODEC(t, s, d, f) { #t, sizeof(struct s), d, put_##t, get_##t, f }
#define CODEC_FULL(t)	CODEC(t, t, d_##t, free_##t)
#define CODEC_FLAT(t)	CODEC(t, t, d_##t, free_nothing)

static const struct codec codecs[] = {
	CODEC_FULL(http_req), CODEC_FULL(http_resp), CODEC_FULL(relay_post),
	CODEC_FULL(relay_result), CODEC_FULL(keys_password),
	CODEC_FULL(keys_mac), CODEC_FLAT(auth_result), CODEC_FLAT(keys_params),
	CODEC_FULL(keys_sign), CODEC_FLAT(sign_result), CODEC_FULL(deliver),
	CODEC_FULL(deliver_result), CODEC_FULL(list_req),
	CODEC_FULL(mail_header), CODEC_FULL(list_result),
	CODEC_FULL(retrieve_req), CODEC_FLAT(retrieve_result),
	CODEC_FULL(delete_req), CODEC_FULL(delete_result),
	CODEC_FULL(wait_req), CODEC_FLAT(wait_result), CODEC_FULL(proc_setup),
	CODEC(proc_peer, two, d_two, free_nothing),
	CODEC(proc_listen, words, d_proc_listen, free_words),
	CODEC(proc_log, two, d_two, free_nothing), CODEC_FULL(proc_ready),
	CODEC_FLAT(replay), CODEC_FULL(mail_facts), CODEC_FULL(submit),
	CODEC_FULL(submit_result), CODEC_FULL(relay_job),
	CODEC_FULL(relay_done), CODEC_FULL(bounce_job),
	CODEC_FULL(attach_info),
	CODEC_FULL(upload_begin),
	CODEC_FULL(upload_req),
	CODEC_FULL(upload_result),
	CODEC_FULL(name_req),
	CODEC_FULL(attach_list),
	CODEC_FULL(fetch_req),
	CODEC_FULL(fetch_result),
	CODEC_FULL(attach_list_req),
	CODEC_FULL(show_req),
	CODEC_FULL(show_result),
	CODEC_FULL(attach_change),
	CODEC_FULL(change_result),
	CODEC_FULL(plug_about), CODEC_FULL(plug_table), CODEC_FULL(plug_call),
	CODEC_FULL(plug_verdict), CODEC_FULL(plug_mail),
	CODEC_FULL(plug_mail_result),
	CODEC(plug_connect, words, d_plug_connect, free_words),
	CODEC_FULL(plug_fault),
};

/* --- what the descriptions do not say ------------------------------------- */

static void
test_verdict_code(void)
{
	static const struct {
		uint32_t	 what, code;
		int		 good;
	} rows[] = {
		{ VERDICT_REFUSE, 499, 0 }, { VERDICT_REFUSE, 500, 1 },
		{ VERDICT_REFUSE, 599, 1 }, { VERDICT_REFUSE, 600, 0 },
		{ VERDICT_REFUSE, 0, 0 }, { VERDICT_DEFER, 0, 1 },
		{ VERDICT_CONTINUE, 600, 1 },
	};
	struct plug_verdict	 v = { 0 }, got;
	struct wbuf		 b;
	struct rbuf		 r;
	char			 name[64];
	size_t			 i;
	int			 n;

	for (i = 0; i < nitems(rows); i++) {
		v.what = rows[i].what;
		v.code = rows[i].code;
		wbuf_init(&b);
		plug_verdict_put(&b, &v);
		rbuf_init(&r, b.data, b.len);
		n = plug_verdict_get(&r, &got);
		snprintf(name, sizeof(name), "verdict %u with code %u", v.what,
		    v.code);
		is_int(n, rows[i].good ? 0 : -1, name);
		if (n == 0)
			plug_verdict_free(&got);
		wbuf_free(&b);
	}
}

/* Counters, of which there may be any number. */
static void
test_stat(void)
{
	struct wbuf	 b = { 0 };
	struct rbuf	 r;
	char		*name, kind, want[129];
	uint64_t	 v;
	size_t		 i, one;
	int		 held = 1;

	memset(want, 'n', 128);
	want[128] = '\0';
	wbuf_str(&b, want);
	wbuf_u8(&b, 'c');
	wbuf_u64(&b, UINT64_MAX);
	one = b.len;
	wbuf_str(&b, "");
	wbuf_u8(&b, 'g');
	wbuf_u64(&b, 0);
	rbuf_init(&r, b.data, b.len);
	is_int(proc_stat_get(&r, &name, &kind, &v), 1, "stat: a counter");
	ok(v == UINT64_MAX && kind == 'c', "stat: its value and kind");
	is_str(name, want, "stat: its name");
	free(name);
	is_int(proc_stat_get(&r, &name, &kind, &v), 1, "stat: a gauge");
	ok(v == 0 && kind == 'g' && name[0] == '\0', "stat: its value and name");
	free(name);
	is_int(proc_stat_get(&r, &name, &kind, &v), 0, "stat: the end");
	for (i = 1; i < one; i++) {
		rbuf_init(&r, b.data, i);
		held &= proc_stat_get(&r, &name, &kind, &v) == -1 &&
		    name == NULL;
	}
	ok(held, "stat: cut anywhere");
	b.data[4 + 128] = 'x';
	rbuf_init(&r, b.data, one);
	is_int(proc_stat_get(&r, &name, &kind, &v), -1, "stat: no such kind");
	wbuf_free(&b);
	wbuf_str(&b, "n");
	wbuf_u8(&b, 'c');
	wbuf_raw(&b, "\0\0\0", 3);
	rbuf_init(&r, b.data, b.len);
	is_int(proc_stat_get(&r, &name, &kind, &v), -1, "stat: a short value");
	wbuf_free(&b);
	memset(want, 'n', sizeof(want));
	wbuf_bytes(&b, want, sizeof(want));
	wbuf_u8(&b, 'c');
	wbuf_u64(&b, 1);
	rbuf_init(&r, b.data, b.len);
	is_int(proc_stat_get(&r, &name, &kind, &v), -1, "stat: a long name");
	wbuf_free(&b);
}

/* A message that is new must be described here, too. */
static void
test_all_described(void)
{
	const char	*top = getenv("WS_TOP");
	char		 pattern[4096], line[512], name[600], *p;
	glob_t		 g;
	FILE		*fp;
	size_t		 i, j;
	int		 n = 0;

	snprintf(pattern, sizeof(pattern), "%s/lib/msg_*.h",
	    top == NULL ? "../.." : top);
	if (!ok(glob(pattern, 0, NULL, &g) == 0, "the headers are there"))
		return;
	for (i = 0; i < g.gl_pathc; i++) {
		fp = must(fopen(g.gl_pathv[i], "r"));
		while (fgets(line, sizeof(line), fp) != NULL) {
			if ((p = strstr(line, "_put(struct wbuf")) == NULL)
				continue;
			*p = '\0';
			while (p > line && p[-1] != ' ' && p[-1] != '\t')
				p--;
			snprintf(name, sizeof(name), "%s: is described", p);
			for (j = 0; j < nitems(codecs); j++)
				if (strcmp(codecs[j].name, p) == 0)
					break;
			ok(j < nitems(codecs), name);
			n++;
		}
		fclose(fp);
	}
	globfree(&g);
	is_int((long long)nitems(codecs), n, "and nothing else is");
}

int
main(void)
{
	size_t	 i;

	for (i = 0; i < nitems(codecs); i++)
		test_codec(&codecs[i]);
	test_verdict_code();
	test_stat();
	test_all_described();
	return done_testing();
}
