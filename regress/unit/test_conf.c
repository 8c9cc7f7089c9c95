/* SPDX-License-Identifier: ISC */
/*
 * lib/conf_wire.c: what each role is told of the configuration, above all
 * what it is not; and views cut short.
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
static void	 test_cut(struct conf *);

static const enum proc_id roles[] = { P_CONTROL, P_FRONTEND, P_SOAP, P_KEYS,
    P_RELAY, P_QUEUE, P_LOCAL };

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
				    R(P_LOCAL) },
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
	conf_encode(c, role, w);
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

static void
test_cut(struct conf *c)
{
	struct conf	*v;
	struct wbuf	 w;
	struct rbuf	 r;
	size_t		 i, k, taken = 0;

	for (i = 0; i < nitems(roles); i++) {
		wbuf_init(&w);
		conf_encode(c, roles[i], &w);
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

int
main(void)
{
	struct conf	*c = sample();

	test_secrets(c);
	test_content(c);
	test_cut(c);
	conf_free(c);
	return done_testing();
}
