/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include "conf.h"

static void	 blob_free(struct conf_blob *);
static void	 domain_free(struct conf_domain *);
static void	 alias_free(struct conf_alias *);
static void	 user_free(struct conf_user *);

struct conf *
conf_new(void)
{
	struct conf	*c;
	size_t		 i;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	TAILQ_INIT(&c->listens);
	TAILQ_INIT(&c->domains);
	TAILQ_INIT(&c->trusts);
	TAILQ_INIT(&c->aliases);
	TAILQ_INIT(&c->routes);
	TAILQ_INIT(&c->tokens);
	TAILQ_INIT(&c->users);
	TAILQ_INIT(&c->plugins);
	/* Between what adduser(8) gives and the containers' ids. */
	c->plug_uid_min = 70000;
	c->plug_uid_max = 70099;
	for (i = 0; i < LIM_MAX; i++)
		c->limit[i] = limit_rows[i].def;
	c->retry_min = 60;
	c->retry_max = 4 * 3600;
	c->retry_jitter = 10;
	c->ttl = 4 * 86400;
	c->warn = 4 * 3600;
	return c;
}

void
conf_blob_wipe(struct conf_blob *b)
{
	freezero(b->data, b->data == NULL ? 0 : b->len);
	b->data = NULL;
	b->len = 0;
}

void
conf_user_wipe(struct conf_user *u)
{
	if (u->text != NULL)
		freezero(u->text, strlen(u->text));
	if (u->mac != NULL)
		freezero(u->mac, strlen(u->mac));
	u->text = u->mac = NULL;
}

static void
blob_free(struct conf_blob *b)
{
	free(b->path);
	conf_blob_wipe(b);
}

static void
domain_free(struct conf_domain *d)
{
	free(d->name);
	blob_free(&d->cert);
	blob_free(&d->key);
	blob_free(&d->tls_cert);
	blob_free(&d->tls_key);
	blob_free(&d->client_ca);
	blob_free(&d->client_crl);
	free(d);
}

static void
alias_free(struct conf_alias *a)
{
	size_t	 i;

	for (i = 0; i < a->nto; i++)
		free(a->to[i]);
	free(a->to);
	free(a->name);
	free(a);
}

static void
user_free(struct conf_user *u)
{
	free(u->name);
	conf_user_wipe(u);
	free(u);
}

void
conf_free(struct conf *c)
{
	struct conf_listen	*l;
	struct conf_domain	*d;
	struct conf_trust	*t;
	struct conf_alias	*a;
	struct conf_route	*r;
	struct conf_user	*u;
	struct conf_plugin	*p;
	size_t			 i;

	if (c == NULL)
		return;
	while ((l = TAILQ_FIRST(&c->listens)) != NULL) {
		TAILQ_REMOVE(&c->listens, l, entry);
		free(l->addr);
		free(l);
	}
	while ((d = TAILQ_FIRST(&c->domains)) != NULL) {
		TAILQ_REMOVE(&c->domains, d, entry);
		domain_free(d);
	}
	while ((t = TAILQ_FIRST(&c->trusts)) != NULL) {
		TAILQ_REMOVE(&c->trusts, t, entry);
		blob_free(&t->ca);
		blob_free(&t->crl);
		free(t);
	}
	while ((a = TAILQ_FIRST(&c->aliases)) != NULL) {
		TAILQ_REMOVE(&c->aliases, a, entry);
		alias_free(a);
	}
	conf_pairs_free(&c->tokens);
	while ((r = TAILQ_FIRST(&c->routes)) != NULL) {
		TAILQ_REMOVE(&c->routes, r, entry);
		free(r->domain);
		free(r->host);
		free(r);
	}
	while ((u = TAILQ_FIRST(&c->users)) != NULL) {
		TAILQ_REMOVE(&c->users, u, entry);
		user_free(u);
	}
	while ((p = TAILQ_FIRST(&c->plugins)) != NULL) {
		TAILQ_REMOVE(&c->plugins, p, entry);
		conf_plugin_free(p);
	}
	for (i = 0; i < P_MAX; i++)
		free(c->procuser[i]);
	free(c->path);
	free(c->spool);
	free(c->users_path);
	free(c->control_path);
	free(c->control_ro_path);
	free(c->resolver);
	freezero(c, sizeof(*c));
}

struct conf_domain *
conf_domain(const struct conf *c, const char *name)
{
	struct conf_domain	*d;

	TAILQ_FOREACH(d, &c->domains, entry)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

struct conf_alias *
conf_alias(const struct conf *c, const char *name)
{
	struct conf_alias	*a;

	TAILQ_FOREACH(a, &c->aliases, entry)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

struct conf_user *
conf_user(const struct conf *c, const char *name)
{
	struct conf_user	*u;

	TAILQ_FOREACH(u, &c->users, entry)
		if (strcmp(u->name, name) == 0)
			return u;
	return NULL;
}

/* Who may have an attachment its recipients say: any domain's unless told. */
int
conf_honours(const struct conf *c, const char *domain, const char *use)
{
	const struct conf_pair	*t;
	int			 told = 0;

	TAILQ_FOREACH(t, &c->tokens, entry) {
		if (strcmp(t->value, use) != 0)
			continue;
		told = 1;
		if (strcmp(t->name, TOKEN_ANY) == 0 ||
		    (strcmp(t->name, domain) == 0 &&
		    strcmp(domain, TOKEN_NONE) != 0))
			return 1;
	}
	return !told && strcmp(use, TOKEN_ATTACHMENTS) == 0;
}
