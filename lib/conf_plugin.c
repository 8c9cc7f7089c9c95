/* SPDX-License-Identifier: ISC */
/* One plug-in of the configuration, and its way to its process. */
#include "compat.h"

#include <errno.h>

#include "conf.h"

#define STR_MAX		65536

#define DEF_PRIORITY	500
#define DEF_MEMORY	(256LL << 20)
#define DEF_TIMEOUT	10

static void	 list_put(struct wbuf *, char *const *, size_t);
static void	 list_get(struct rbuf *, char ***, size_t *);
static void	 list_free(char **, size_t);

struct conf_plugin *
conf_plugin_new(const char *name)
{
	struct conf_plugin	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	TAILQ_INIT(&p->options);
	TAILQ_INIT(&p->listens);
	TAILQ_INIT(&p->connects);
	p->priority = DEF_PRIORITY;
	p->memory = DEF_MEMORY;
	p->timeout = DEF_TIMEOUT;
	p->size_max = INT64_MAX;
	if (name != NULL && (p->name = strdup(name)) == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void
conf_plugin_free(struct conf_plugin *p)
{
	if (p == NULL)
		return;
	list_free(p->scope, p->nscope);
	list_free(p->sender, p->nsender);
	list_free(p->address, p->naddress);
	list_free(p->place, p->nplace);
	conf_pairs_free(&p->options);
	conf_pairs_free(&p->listens);
	conf_pairs_free(&p->connects);
	free(p->name);
	free(p->object);
	free(p);
}

struct conf_plugin *
conf_plugin(const struct conf *c, const char *name)
{
	struct conf_plugin	*p;

	TAILQ_FOREACH(p, &c->plugins, entry)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const char *
conf_option(const struct conf_pairs *h, const char *name)
{
	const struct conf_pair	*o;

	TAILQ_FOREACH(o, h, entry)
		if (strcmp(o->name, name) == 0)
			return o->value;
	return NULL;
}

int
conf_list_add(char ***v, size_t *n, const char *s)
{
	char	**p;

	if ((p = reallocarray(*v, *n + 1, sizeof(*p))) == NULL)
		return -1;
	*v = p;
	if ((p[*n] = strdup(s)) == NULL)
		return -1;
	(*n)++;
	return 0;
}

int
conf_pair_add(struct conf_pairs *h, const char *name, const char *value)
{
	struct conf_pair	*o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return -1;
	TAILQ_INSERT_TAIL(h, o, entry);
	if ((o->name = strdup(name)) == NULL ||
	    (o->value = strdup(value)) == NULL)
		return -1;
	return 0;
}

static void
list_put(struct wbuf *b, char *const *v, size_t n)
{
	size_t	 i;

	wbuf_u32(b, (uint32_t)n);
	for (i = 0; i < n; i++)
		wbuf_str(b, v[i]);
}

static void
list_get(struct rbuf *r, char ***v, size_t *n)
{
	uint32_t	 k;
	char		*s;

	for (k = rbuf_count(r, 4); k > 0 && r->error == 0; k--) {
		s = rbuf_str(r, STR_MAX);
		if (s != NULL && conf_list_add(v, n, s) == -1)
			r->error = ENOMEM;
		free(s);
	}
}

static void
list_free(char **v, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void
conf_pairs_put(struct wbuf *b, const struct conf_pairs *h)
{
	const struct conf_pair	*o;
	uint32_t		 n = 0;

	TAILQ_FOREACH(o, h, entry)
		n++;
	wbuf_u32(b, n);
	TAILQ_FOREACH(o, h, entry) {
		wbuf_str(b, o->name);
		wbuf_str(b, o->value);
	}
}

void
conf_pairs_get(struct rbuf *r, struct conf_pairs *h)
{
	uint32_t	 k;
	char		*name, *value;

	for (k = rbuf_count(r, 8); k > 0 && r->error == 0; k--) {
		name = rbuf_str(r, STR_MAX);
		value = rbuf_str(r, STR_MAX);
		if (name != NULL && value != NULL &&
		    conf_pair_add(h, name, value) == -1)
			r->error = ENOMEM;
		free(name);
		free(value);
	}
}

void
conf_pairs_free(struct conf_pairs *h)
{
	struct conf_pair	*o;

	while ((o = TAILQ_FIRST(h)) != NULL) {
		TAILQ_REMOVE(h, o, entry);
		free(o->name);
		free(o->value);
		free(o);
	}
}

void
conf_plugin_put(struct wbuf *b, const struct conf_plugin *p)
{
	wbuf_str(b, p->name);
	wbuf_str(b, p->object);
	wbuf_u8(b, p->program != 0);
	wbuf_u32(b, p->priority);
	wbuf_u8(b, p->disabled != 0);
	wbuf_u8(b, p->required != 0);
	wbuf_u8(b, p->bodies != 0);
	wbuf_u8(b, p->send_users != 0);
	wbuf_u8(b, p->exec != 0);
	wbuf_i64(b, p->state);
	wbuf_i64(b, p->memory);
	wbuf_i64(b, p->size_max);
	wbuf_u32(b, p->timeout);
	list_put(b, p->scope, p->nscope);
	list_put(b, p->sender, p->nsender);
	list_put(b, p->address, p->naddress);
	list_put(b, p->place, p->nplace);
	conf_pairs_put(b, &p->options);
	conf_pairs_put(b, &p->listens);
	conf_pairs_put(b, &p->connects);
}

struct conf_plugin *
conf_plugin_get(struct rbuf *r)
{
	struct conf_plugin	*p;

	if ((p = conf_plugin_new(NULL)) == NULL) {
		r->error = ENOMEM;
		return NULL;
	}
	p->name = rbuf_str(r, STR_MAX);
	p->object = rbuf_str(r, STR_MAX);
	p->program = rbuf_u8(r);
	p->priority = rbuf_u32(r);
	p->disabled = rbuf_u8(r);
	p->required = rbuf_u8(r);
	p->bodies = rbuf_u8(r);
	p->send_users = rbuf_u8(r);
	p->exec = rbuf_u8(r);
	p->state = rbuf_i64(r);
	p->memory = rbuf_i64(r);
	p->size_max = rbuf_i64(r);
	p->timeout = rbuf_u32(r);
	list_get(r, &p->scope, &p->nscope);
	list_get(r, &p->sender, &p->nsender);
	list_get(r, &p->address, &p->naddress);
	list_get(r, &p->place, &p->nplace);
	conf_pairs_get(r, &p->options);
	conf_pairs_get(r, &p->listens);
	conf_pairs_get(r, &p->connects);
	if (r->error == 0)
		return p;
	conf_plugin_free(p);
	return NULL;
}
