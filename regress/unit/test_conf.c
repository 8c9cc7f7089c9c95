/* SPDX-License-Identifier: ISC */
/*
 * lib/conf_wire.c: what each role is told of the configuration, above all
 * what it is not; and views cut short or changed.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "conf.h"
#include "tap.h"

static void	 blob(struct conf_blob *, const char *);
static struct conf *sample(void);
static struct conf *view(struct conf *, enum proc_id, struct wbuf *);
static int	 has(const struct wbuf *, const char *);
static void	 test_secrets(struct conf *);
static void	 test_content(struct conf *);
static void	 test_round(struct conf *);
static void	 test_cut(struct conf *);
static int	 is_whole(const struct conf *);
static void	 test_changed(struct conf *);

static const enum proc_id roles[] = { P_CONTROL, P_FRONTEND, P_SOAP, P_KEYS,
    P_RELAY, P_QUEUE, P_LOCAL, P_ATTACH };

#define R(p)	(1U << (p))
/* Which roles' views hold this text, and no others'. */
static const struct {
	const char	*text;
	uint32_t	 roles;
} secrets[] = {
	{ "SIGNING-KEY",	R(P_KEYS) },
	{ "TLS-KEY",		R(P_FRONTEND) },
	{ "TEXT-VERIFIER",	R(P_KEYS) },
	{ "MAC-VERIFIER",	R(P_KEYS) },
	{ "SECRETSECRETSECRETSECRETSECRET12", R(P_KEYS) },
	{ "SIGNING-CERT",	R(P_KEYS) | R(P_SOAP) },
	{ "TLS-CERT",		R(P_FRONTEND) | R(P_SOAP) },
	{ "CLIENT-CA",		R(P_SOAP) },
	{ "TRUST-CA",		R(P_SOAP) | R(P_RELAY) },
	{ "alice@a.test",	R(P_SOAP) | R(P_KEYS) | R(P_QUEUE) |
				    R(P_LOCAL) | R(P_ATTACH) },
};

static void
blob(struct conf_blob *b, const char *text)
{
	b->path = strdup("/path/of/a/file");
	b->data = (uint8_t *)strdup(text);
	b->len = strlen(text);
}

static struct conf *
sample(void)
{
	struct conf		*c = conf_new();
	struct conf_domain	*d = calloc(1, sizeof(*d));
	struct conf_trust	*t = calloc(1, sizeof(*t));
	struct conf_alias	*a = calloc(1, sizeof(*a));
	struct conf_route	*r = calloc(1, sizeof(*r));
	struct conf_user	*u = calloc(1, sizeof(*u));
	struct conf_listen	*l = calloc(1, sizeof(*l));

	l->addr = strdup("::1");
	l->port = 443;
	TAILQ_INSERT_TAIL(&c->listens, l, entry);
	c->control_path = strdup("/c.sock");
	d->name = strdup("a.test");
	d->quota = 4711;
	blob(&d->cert, "SIGNING-CERT");
	blob(&d->key, "SIGNING-KEY");
	blob(&d->tls_cert, "TLS-CERT");
	blob(&d->tls_key, "TLS-KEY");
	blob(&d->client_ca, "CLIENT-CA");
	TAILQ_INSERT_TAIL(&c->domains, d, entry);
	blob(&t->ca, "TRUST-CA");
	TAILQ_INSERT_TAIL(&c->trusts, t, entry);
	a->name = strdup("list@a.test");
	a->to = calloc(2, sizeof(*a->to));
	a->to[a->nto++] = strdup("bob@b.test");
	a->to[a->nto++] = strdup("carol@b.test");
	TAILQ_INSERT_TAIL(&c->aliases, a, entry);
	r->domain = strdup("*");
	r->host = strdup("hub.test");
	r->port = 4443;
	TAILQ_INSERT_TAIL(&c->routes, r, entry);
	u->name = strdup("alice@a.test");
	u->text = strdup("TEXT-VERIFIER");
	u->mac = strdup("MAC-VERIFIER");
	u->quota = 99;
	u->disabled = 1;
	TAILQ_INSERT_TAIL(&c->users, u, entry);
	memcpy(c->secret, "SECRETSECRETSECRETSECRETSECRET12",
	    sizeof(c->secret));
	c->resolver = strdup("127.0.0.1:53");
	c->limit[LIM_HOPS] = 3;
	c->ttl = 1234;
	c->retry_min = 7;
	return c;
}

static struct conf *
view(struct conf *c, enum proc_id role, struct wbuf *w)
{
	struct rbuf	 r;

	wbuf_init(w);
	conf_encode(c, role, 0, w);
	rbuf_init(&r, w->data, w->len);
	return conf_decode(&r);
}

static int
has(const struct wbuf *w, const char *text)
{
	return memmem(w->data, w->len, text, strlen(text)) != NULL;
}

static void
test_secrets(struct conf *c)
{
	struct conf	*v;
	struct wbuf	 w;
	char		 name[128];
	size_t		 i, k;

	for (i = 0; i < nitems(roles); i++) {
		v = view(c, roles[i], &w);
		ok(v != NULL, proc_name(roles[i]));
		for (k = 0; k < nitems(secrets); k++) {
			snprintf(name, sizeof(name), "%s and %s",
			    proc_name(roles[i]), secrets[k].text);
			is_int(has(&w, secrets[k].text),
			    (secrets[k].roles & R(roles[i])) != 0, name);
		}
		ok(!has(&w, "/path/of/a/file"), "no paths of files");
		wbuf_free(&w);
		conf_free(v);
	}
}

static void
test_content(struct conf *c)
{
	struct conf_alias	*a;
	struct conf_domain	*d;
	struct conf_route	*r;
	struct conf_user	*u;
	struct conf		*v;
	struct wbuf		 w;

	v = view(c, P_QUEUE, &w);
	wbuf_free(&w);
	is_int(v->limit[LIM_HOPS], 3, "limits");
	is_int(v->limit[LIM_TOMBSTONES], limit_rows[LIM_TOMBSTONES].def,
	    "default limits");
	ok(v->ttl == 1234 && v->retry_min == 7, "times");
	d = conf_domain(v, "a.test");
	ok(d != NULL && d->quota == 4711 && d->key.data == NULL, "the domain");
	a = conf_alias(v, "list@a.test");
	ok(a != NULL && a->nto == 2 && strcmp(a->to[1], "carol@b.test") == 0,
	    "the alias");
	u = conf_user(v, "alice@a.test");
	ok(u != NULL && u->quota == 99 && u->disabled && u->text == NULL &&
	    u->mac == NULL, "the user");
	conf_free(v);

	v = view(c, P_RELAY, &w);
	wbuf_free(&w);
	r = TAILQ_FIRST(&v->routes);
	ok(r != NULL && strcmp(r->host, "hub.test") == 0 && r->port == 4443,
	    "the route");
	is_str(v->resolver, "127.0.0.1:53", "the resolver");
	conf_free(v);

	v = view(c, P_KEYS, &w);
	wbuf_free(&w);
	d = conf_domain(v, "a.test");
	ok(d != NULL && d->key.len == strlen("SIGNING-KEY") &&
	    d->key.data[d->key.len] == '\0', "the key, with a NUL after it");
	is_str(conf_user(v, "alice@a.test")->mac, "MAC-VERIFIER",
	    "the verifier");
	ok(memcmp(v->secret, c->secret, sizeof(v->secret)) == 0, "the secret");
	conf_free(v);
}

/* What was read is written as it came. */
static void
test_round(struct conf *c)
{
	struct conf	*v;
	struct wbuf	 w, again;
	size_t		 i;

	for (i = 0; i < nitems(roles); i++) {
		v = view(c, roles[i], &w);
		wbuf_init(&again);
		conf_encode(v, roles[i], 0, &again);
		ok(w.error == 0 && again.error == 0 && w.len == again.len &&
		    memcmp(w.data, again.data, w.len) == 0, "and back");
		wbuf_free(&w);
		wbuf_free(&again);
		conf_free(v);
	}
}

static void
test_cut(struct conf *c)
{
	struct conf	*v;
	struct wbuf	 w;
	struct rbuf	 r;
	size_t		 i, k, taken = 0;

	for (i = 0; i < nitems(roles); i++) {
		wbuf_init(&w);
		conf_encode(c, roles[i], 0, &w);
		for (k = 0; k < w.len; k++) {
			rbuf_init(&r, w.data, k);
			if ((v = conf_decode(&r)) != NULL) {
				taken++;
				conf_free(v);
			}
		}
		wbuf_u8(&w, 0);
		rbuf_init(&r, w.data, w.len);
		errno = 0;
		v = conf_decode(&r);
		ok(v == NULL && errno == EBADMSG, "an octet too many");
		conf_free(v);
		wbuf_free(&w);
	}
	is_int((long long)taken, 0, "none that is cut short is taken");
}

/* The users of a configuration take these for granted. */
static int
is_whole(const struct conf *c)
{
	const struct conf_listen	*l;
	const struct conf_domain	*d;
	const struct conf_alias		*a;
	const struct conf_route		*r;
	const struct conf_user		*u;
	size_t				 i;
	int				 whole = 1;

	TAILQ_FOREACH(l, &c->listens, entry)
		whole &= l->addr != NULL;
	TAILQ_FOREACH(d, &c->domains, entry)
		whole &= d->name != NULL && (d->key.data == NULL ||
		    d->key.data[d->key.len] == '\0');
	TAILQ_FOREACH(a, &c->aliases, entry) {
		whole &= a->name != NULL && a->to != NULL;
		for (i = 0; i < a->nto; i++)
			whole &= a->to[i] != NULL;
	}
	TAILQ_FOREACH(r, &c->routes, entry)
		whole &= r->domain != NULL && r->host != NULL;
	TAILQ_FOREACH(u, &c->users, entry)
		whole &= u->name != NULL;
	return whole;
}

/* Each octet becomes others, and each four of them a count or a length. */
static void
test_changed(struct conf *c)
{
	static const uint8_t	 to[][4] = {
		{ 0, 0, 0, 0 }, { 0xff, 0xff, 0xff, 0xff },
		{ 0x7f, 0xff, 0xff, 0xff }, { 0x80, 0, 0, 0 },
		{ 0, 0, 0, 1 }, { 0, 1, 0, 0 }, { 0, 0, 0, 0x20 },
	};
	struct conf		*v;
	struct wbuf		 w;
	struct rbuf		 r;
	uint8_t			*copy;
	size_t			 i, k, m, refused = 0, broken = 0;

	for (i = 0; i < nitems(roles); i++) {
		wbuf_init(&w);
		conf_encode(c, roles[i], 0, &w);
		if ((copy = malloc(w.len)) == NULL)
			exit(1);
		for (k = 0; k + 4 <= w.len; k++)
			for (m = 0; m < nitems(to) + 3; m++) {
				memcpy(copy, w.data, w.len);
				if (m < nitems(to))
					memcpy(copy + k, to[m], 4);
				else
					copy[k] ^= (uint8_t)(1U <<
					    (m - nitems(to)) * 3);
				rbuf_init(&r, copy, w.len);
				errno = 0;
				if ((v = conf_decode(&r)) == NULL)
					refused += errno == EBADMSG;
				else
					broken += !is_whole(v);
				conf_free(v);
			}
		free(copy);
		wbuf_free(&w);
	}
	ok(refused > 1000, "lengths that are wrong are refused");
	is_int((long long)broken, 0, "what is taken is whole");
}

int
main(void)
{
	struct conf	*c = sample();

	test_secrets(c);
	test_content(c);
	test_round(c);
	test_cut(c);
	test_changed(c);
	conf_free(c);
	return done_testing();
}
