/* SPDX-License-Identifier: ISC */
/*
 * A role's view of the configuration.  What a role gets of the secrets and
 * files stands in view_of(); everything else is harmless and goes to all.
 */
#include "compat.h"

#include <errno.h>

#include "conf.h"

#define STR_MAX		65536

#define V_SIGNKEYS	0x01	/* signing keys */
#define V_CERTS		0x02	/* signing certificates */
#define V_TLS		0x04	/* TLS certificates and keys */
#define V_ANCHORS	0x08	/* trust anchors */
#define V_VERIFIERS	0x10	/* users' verifiers, conf.secret */
#define V_USERS		0x20	/* users' names and quotas */
#define V_ROUTES	0x40	/* routes, resolver */
#define V_CLIENTS	0x80	/* CAs of users' certificates, whose tokens */
#define V_NAMES		0x100	/* TLS certificates alone */
#define V_ALIASES	0x200

static unsigned int view_of(enum proc_id);
static void	 domains_put(struct wbuf *, const struct conf *, unsigned int);
static void	 domains_get(struct rbuf *, struct conf *);
static void	 users_put(struct wbuf *, const struct conf *, unsigned int);
static void	 users_get(struct rbuf *, struct conf *);
static void	 trusts_put(struct wbuf *, const struct conf *, unsigned int);
static void	 trusts_get(struct rbuf *, struct conf *);
static void	 aliases_put(struct wbuf *, const struct conf *, unsigned int);
static void	 aliases_get(struct rbuf *, struct conf *);
static void	 routes_put(struct wbuf *, const struct conf *, unsigned int);
static void	 routes_get(struct rbuf *, struct conf *);

static void	 listens_put(struct wbuf *, const struct conf *);
static void	 listens_get(struct rbuf *, struct conf *);
static void	 plugins_put(struct wbuf *, const struct conf *, enum proc_id,
		    uint32_t);
static void	 plugins_get(struct rbuf *, struct conf *);

static unsigned int
view_of(enum proc_id role)
{
	switch (role) {
	case P_KEYS:
		return V_SIGNKEYS | V_CERTS | V_USERS | V_VERIFIERS;
	case P_FRONTEND:
		return V_TLS;
	case P_SOAP:
		return V_CERTS | V_ANCHORS | V_CLIENTS | V_USERS |
		    V_NAMES | V_ALIASES;
	case P_RELAY:
		return V_ANCHORS | V_ROUTES;
	case P_QUEUE:
		return V_USERS | V_ROUTES | V_ALIASES;
	case P_LOCAL:
	case P_ATTACH:
		return V_USERS;
	default:
		return 0;
	}
}

void
conf_blob_put(struct wbuf *b, const struct conf_blob *blob, int with)
{
	wbuf_u8(b, with && blob->data != NULL);
	if (with && blob->data != NULL)
		wbuf_bytes(b, blob->data, blob->len);
}

void
conf_blob_get(struct rbuf *r, struct conf_blob *blob)
{
	const uint8_t	*p;
	size_t		 n;

	if (rbuf_u8(r) == 0 || (p = rbuf_bytes(r, &n)) == NULL)
		return;
	if ((blob->data = malloc(n + 1)) == NULL) {
		r->error = ENOMEM;
		return;
	}
	memcpy(blob->data, p, n);
	blob->data[n] = '\0';
	blob->len = n;
}

void
conf_str_put(struct wbuf *b, const char *s)
{
	wbuf_u8(b, s != NULL);
	if (s != NULL)
		wbuf_str(b, s);
}

char *
conf_str_get(struct rbuf *r)
{
	return rbuf_u8(r) == 0 ? NULL : rbuf_str(r, STR_MAX);
}

static void
domains_put(struct wbuf *b, const struct conf *c, unsigned int v)
{
	const struct conf_domain	*d;
	uint32_t			 n = 0;

	TAILQ_FOREACH(d, &c->domains, entry)
		n++;
	wbuf_u32(b, n);
	TAILQ_FOREACH(d, &c->domains, entry) {
		wbuf_str(b, d->name);
		wbuf_i64(b, d->quota);
		conf_blob_put(b, &d->cert, v & V_CERTS);
		conf_blob_put(b, &d->key, v & V_SIGNKEYS);
		conf_blob_put(b, &d->tls_cert, v & (V_TLS | V_NAMES));
		conf_blob_put(b, &d->tls_key, v & V_TLS);
		conf_blob_put(b, &d->client_ca, v & V_CLIENTS);
		conf_blob_put(b, &d->client_crl, v & V_CLIENTS);
	}
}

static void
domains_get(struct rbuf *r, struct conf *c)
{
	struct conf_domain	*d;
	uint32_t		 n;

	for (n = rbuf_count(r, 18); n > 0 && r->error == 0; n--) {
		if ((d = calloc(1, sizeof(*d))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->domains, d, entry);
		d->name = rbuf_str(r, STR_MAX);
		d->quota = rbuf_i64(r);
		conf_blob_get(r, &d->cert);
		conf_blob_get(r, &d->key);
		conf_blob_get(r, &d->tls_cert);
		conf_blob_get(r, &d->tls_key);
		conf_blob_get(r, &d->client_ca);
		conf_blob_get(r, &d->client_crl);
	}
}

static void
users_put(struct wbuf *b, const struct conf *c, unsigned int v)
{
	const struct conf_user	*u;
	uint32_t		 n = 0;

	if (v & V_USERS)
		TAILQ_FOREACH(u, &c->users, entry)
			n++;
	wbuf_u32(b, n);
	if (n == 0)
		return;
	TAILQ_FOREACH(u, &c->users, entry) {
		wbuf_str(b, u->name);
		wbuf_i64(b, u->quota);
		wbuf_u8(b, u->disabled != 0);
		conf_str_put(b, v & V_VERIFIERS ? u->text : NULL);
		conf_str_put(b, v & V_VERIFIERS ? u->mac : NULL);
	}
}

static void
users_get(struct rbuf *r, struct conf *c)
{
	struct conf_user	*u;
	uint32_t		 n;

	for (n = rbuf_count(r, 15); n > 0 && r->error == 0; n--) {
		if ((u = calloc(1, sizeof(*u))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->users, u, entry);
		u->name = rbuf_str(r, STR_MAX);
		u->quota = rbuf_i64(r);
		u->disabled = rbuf_u8(r);
		u->text = conf_str_get(r);
		u->mac = conf_str_get(r);
	}
}

static void
trusts_put(struct wbuf *b, const struct conf *c, unsigned int v)
{
	const struct conf_trust	*t;
	uint32_t		 n = 0;

	if (v & V_ANCHORS)
		TAILQ_FOREACH(t, &c->trusts, entry)
			n++;
	wbuf_u32(b, n);
	if (n == 0)
		return;
	TAILQ_FOREACH(t, &c->trusts, entry) {
		conf_blob_put(b, &t->ca, 1);
		conf_blob_put(b, &t->crl, 1);
	}
}

static void
trusts_get(struct rbuf *r, struct conf *c)
{
	struct conf_trust	*t;
	uint32_t		 n;

	for (n = rbuf_count(r, 2); n > 0 && r->error == 0; n--) {
		if ((t = calloc(1, sizeof(*t))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->trusts, t, entry);
		conf_blob_get(r, &t->ca);
		conf_blob_get(r, &t->crl);
	}
}

static void
aliases_put(struct wbuf *b, const struct conf *c, unsigned int v)
{
	const struct conf_alias	*a;
	uint32_t		 n = 0;
	size_t			 i;

	if (v & V_ALIASES)
		TAILQ_FOREACH(a, &c->aliases, entry)
			n++;
	wbuf_u32(b, n);
	if (n == 0)
		return;
	TAILQ_FOREACH(a, &c->aliases, entry) {
		wbuf_str(b, a->name);
		wbuf_u32(b, (uint32_t)a->nto);
		for (i = 0; i < a->nto; i++)
			wbuf_str(b, a->to[i]);
	}
}

static void
aliases_get(struct rbuf *r, struct conf *c)
{
	struct conf_alias	*a;
	uint32_t		 n, i;

	for (n = rbuf_count(r, 8); n > 0 && r->error == 0; n--) {
		if ((a = calloc(1, sizeof(*a))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->aliases, a, entry);
		a->name = rbuf_str(r, STR_MAX);
		a->nto = rbuf_count(r, 4);
		if ((a->to = calloc(a->nto + 1, sizeof(*a->to))) == NULL) {
			a->nto = 0;
			r->error = ENOMEM;
		}
		for (i = 0; i < a->nto; i++)
			a->to[i] = rbuf_str(r, STR_MAX);
	}
}

static void
routes_put(struct wbuf *b, const struct conf *c, unsigned int v)
{
	const struct conf_route	*rt;
	uint32_t		 n = 0;

	if (v & V_ROUTES)
		TAILQ_FOREACH(rt, &c->routes, entry)
			n++;
	wbuf_u32(b, n);
	if (n == 0)
		return;
	TAILQ_FOREACH(rt, &c->routes, entry) {
		wbuf_str(b, rt->domain);
		wbuf_str(b, rt->host);
		wbuf_u16(b, rt->port);
	}
}

static void
routes_get(struct rbuf *r, struct conf *c)
{
	struct conf_route	*rt;
	uint32_t		 n;

	for (n = rbuf_count(r, 10); n > 0 && r->error == 0; n--) {
		if ((rt = calloc(1, sizeof(*rt))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->routes, rt, entry);
		rt->domain = rbuf_str(r, STR_MAX);
		rt->host = rbuf_str(r, STR_MAX);
		rt->port = rbuf_u16(r);
	}
}

/* Frontend and control compare them with the sockets they have. */
static void
listens_put(struct wbuf *b, const struct conf *c)
{
	const struct conf_listen	*l;
	uint32_t			 n = 0;

	conf_str_put(b, c->control_path);
	conf_str_put(b, c->control_ro_path);
	TAILQ_FOREACH(l, &c->listens, entry)
		n++;
	wbuf_u32(b, n);
	TAILQ_FOREACH(l, &c->listens, entry) {
		wbuf_str(b, l->addr);
		wbuf_u16(b, l->port);
	}
}

static void
listens_get(struct rbuf *r, struct conf *c)
{
	struct conf_listen	*l;
	uint32_t		 n;

	free(c->control_path);
	free(c->control_ro_path);
	c->control_path = conf_str_get(r);
	c->control_ro_path = conf_str_get(r);
	for (n = rbuf_count(r, 6); n > 0 && r->error == 0; n--) {
		if ((l = calloc(1, sizeof(*l))) == NULL) {
			r->error = ENOMEM;
			return;
		}
		TAILQ_INSERT_TAIL(&c->listens, l, entry);
		l->addr = rbuf_str(r, STR_MAX);
		l->port = rbuf_u16(r);
	}
}

/*
 * A plug-in's process is told of itself alone.  wsqueue hears of the addresses
 * that lead to one, not of the options, which may hold secrets.
 */
static void
plugins_put(struct wbuf *b, const struct conf *c, enum proc_id role,
    uint32_t instance)
{
	const struct conf_plugin	*p;
	struct conf_plugin		 bare;
	uint32_t			 n = 0;

	TAILQ_FOREACH(p, &c->plugins, entry)
		n += role == P_QUEUE || (role == P_PLUG && p->id == instance);
	wbuf_u32(b, n);
	if (n == 0)
		return;
	TAILQ_FOREACH(p, &c->plugins, entry) {
		if (role == P_PLUG && p->id != instance)
			continue;
		bare = *p;
		if (role == P_QUEUE)
			TAILQ_INIT(&bare.options);
		conf_plugin_put(b, &bare);
	}
}

static void
plugins_get(struct rbuf *r, struct conf *c)
{
	struct conf_plugin	*p;
	uint32_t		 n;

	for (n = rbuf_count(r, 66); n > 0 && r->error == 0; n--)
		if ((p = conf_plugin_get(r)) != NULL)
			TAILQ_INSERT_TAIL(&c->plugins, p, entry);
}

void
conf_encode(const struct conf *c, enum proc_id role, uint32_t instance,
    struct wbuf *b)
{
	static const uint8_t	 none[sizeof(c->secret)];
	struct conf_pairs	 nobody = TAILQ_HEAD_INITIALIZER(nobody);
	unsigned int		 v = view_of(role);
	size_t			 i;

	wbuf_u32(b, c->nsoap);
	wbuf_u8(b, c->sandbox_required != 0);
	conf_str_put(b, v & V_ROUTES ? c->resolver : NULL);
	wbuf_u32(b, c->retry_min);
	wbuf_u32(b, c->retry_max);
	wbuf_u32(b, c->retry_jitter);
	wbuf_u32(b, c->ttl);
	wbuf_u32(b, c->warn);
	for (i = 0; i < LIM_MAX; i++)
		wbuf_i64(b, c->limit[i]);
	wbuf_raw(b, v & V_VERIFIERS ? c->secret : none, sizeof(none));
	domains_put(b, c, v);
	trusts_put(b, c, v);
	aliases_put(b, c, v);
	routes_put(b, c, v);
	users_put(b, c, v);
	listens_put(b, c);
	plugins_put(b, c, role, instance);
	conf_pairs_put(b, v & V_CLIENTS ? &c->tokens : &nobody);
}

struct conf *
conf_decode(struct rbuf *r)
{
	struct conf	*c;
	size_t		 i;

	if ((c = conf_new()) == NULL)
		return NULL;
	c->nsoap = rbuf_u32(r);
	c->sandbox_required = rbuf_u8(r);
	c->resolver = conf_str_get(r);
	c->retry_min = rbuf_u32(r);
	c->retry_max = rbuf_u32(r);
	c->retry_jitter = rbuf_u32(r);
	c->ttl = rbuf_u32(r);
	c->warn = rbuf_u32(r);
	for (i = 0; i < LIM_MAX; i++)
		c->limit[i] = rbuf_i64(r);
	rbuf_raw(r, c->secret, sizeof(c->secret));
	domains_get(r, c);
	trusts_get(r, c);
	aliases_get(r, c);
	routes_get(r, c);
	users_get(r, c);
	listens_get(r, c);
	plugins_get(r, c);
	conf_pairs_get(r, &c->tokens);
	if (rbuf_end(r) == 0)
		return c;
	conf_free(c);
	errno = r->error;
	return NULL;
}
