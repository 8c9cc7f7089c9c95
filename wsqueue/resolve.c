/* SPDX-License-Identifier: ISC */
/*
 * Address resolution (resolve.h).  submit.c asks when mail comes in, and
 * deliver.c again before each attempt, so that a reload counts for mail that
 * is queued already.
 *
 * The order: an alias before a user of the same name; inside its own
 * expansion the name then stands for the mailbox, so "bob" to { "bob",
 * "archive" } means what it looks like.  postmaster@ of a hosted domain is
 * nobody by magic: without an alias or user of that name it is refused like
 * any other name, and the log says what to add.
 */
#include "compat.h"

#include <sys/tree.h>

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "resolve.h"

struct dir_node {
	RB_ENTRY(dir_node)	 entry;
	const char		*name;
	const void		*obj;
};
RB_HEAD(dir_tree, dir_node);

struct dir {
	struct dir_tree	 domains;
	struct dir_tree	 users;
	struct dir_tree	 aliases;
	struct dir_tree	 mapped;
};

struct walk {			/* one expansion */
	struct resolved		*res;
	const struct dir	*dir;
	const struct conf	*conf;
	const char		*orig;
	const char		**path;		/* the aliases we are inside of */
	size_t			 depth;
	size_t			 maxdepth;
	size_t			 members;
	size_t			 maxmembers;
	size_t			 leads;		/* recipients reached */
	int			 over;		/* a limit was: none of it counts */
};

static int	 dir_cmp(struct dir_node *, struct dir_node *);
static int	 dir_insert(struct dir_tree *, const char *, const void *);
static const void *dir_find(const struct dir_tree *, const char *);
static void	 dir_clear(struct dir_tree *);
static int	 resolve_push(struct resolved *, const char *, const char *);
static int	 resolve_walk(struct walk *, const char *);
static int	 resolve_alias(struct walk *, const struct conf_alias *);
static void	 resolve_refuse(struct resolved *, uint32_t, const char *);

RB_PROTOTYPE(dir_tree, dir_node, entry, dir_cmp)
RB_GENERATE(dir_tree, dir_node, entry, dir_cmp)

static int
dir_cmp(struct dir_node *a, struct dir_node *b)
{
	return strcmp(a->name, b->name);
}

static int
dir_insert(struct dir_tree *t, const char *name, const void *obj)
{
	struct dir_node	*n;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		return -1;
	n->name = name;
	n->obj = obj;
	/* The parser refuses a name twice; the first would count. */
	if (RB_INSERT(dir_tree, t, n) != NULL)
		free(n);
	return 0;
}

static const void *
dir_find(const struct dir_tree *t, const char *name)
{
	struct dir_node	key, *n;

	key.name = name;
	n = RB_FIND(dir_tree, (struct dir_tree *)(uintptr_t)t, &key);
	return n == NULL ? NULL : n->obj;
}

static void
dir_clear(struct dir_tree *t)
{
	struct dir_node	*n, *next;

	for (n = RB_MIN(dir_tree, t); n != NULL; n = next) {
		next = RB_NEXT(dir_tree, t, n);
		RB_REMOVE(dir_tree, t, n);
		free(n);
	}
}

struct dir *
dir_new(const struct conf *c)
{
	const struct conf_domain	*cd;
	const struct conf_user		*cu;
	const struct conf_alias		*ca;
	const struct conf_plugin	*cp;
	struct dir			*d;
	size_t				 i;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	RB_INIT(&d->domains);
	RB_INIT(&d->users);
	RB_INIT(&d->aliases);
	RB_INIT(&d->mapped);
	TAILQ_FOREACH(cd, &c->domains, entry)
		if (dir_insert(&d->domains, cd->name, cd) == -1)
			goto fail;
	TAILQ_FOREACH(cu, &c->users, entry)
		if (dir_insert(&d->users, cu->name, cu) == -1)
			goto fail;
	TAILQ_FOREACH(ca, &c->aliases, entry)
		if (dir_insert(&d->aliases, ca->name, ca) == -1)
			goto fail;
	TAILQ_FOREACH(cp, &c->plugins, entry)
		for (i = 0; i < cp->naddress; i++)
			if (dir_insert(&d->mapped, cp->address[i], cp) == -1)
				goto fail;
	return d;
 fail:
	dir_free(d);
	errno = ENOMEM;
	return NULL;
}

void
dir_free(struct dir *d)
{
	if (d == NULL)
		return;
	dir_clear(&d->domains);
	dir_clear(&d->users);
	dir_clear(&d->aliases);
	dir_clear(&d->mapped);
	free(d);
}

int
dir_is_hosted(const struct dir *d, const char *domain)
{
	return domain != NULL && dir_find(&d->domains, domain) != NULL;
}

int
dir_is_user(const struct dir *d, const char *addr)
{
	return dir_find(&d->users, addr) != NULL;
}

int
dir_is_mapped(const struct dir *d, const char *addr)
{
	return dir_find(&d->mapped, addr) != NULL;
}

static int
dir_is_local(const struct dir *d, const char *addr)
{
	return dir_is_user(d, addr) || dir_is_mapped(d, addr);
}

int
dir_is_alias(const struct dir *d, const char *addr)
{
	return dir_find(&d->aliases, addr) != NULL;
}

int
resolve_has(const struct resolved *res, const char *addr)
{
	uint32_t	i;

	for (i = 0; i < res->nrcpt; i++)
		if (strcmp(res->rcpt[i].addr, addr) == 0)
			return 1;
	return 0;
}

static int
resolve_push(struct resolved *res, const char *addr, const char *orig)
{
	struct rcpt	*p;
	uint32_t	 cap;

	if (resolve_has(res, addr))
		return 0;
	if (res->nrcpt == res->cap) {
		cap = res->cap == 0 ? 4 : res->cap * 2;
		if ((p = reallocarray(res->rcpt, cap, sizeof(*p))) == NULL)
			return -1;
		res->rcpt = p;
		res->cap = cap;
	}
	p = &res->rcpt[res->nrcpt];
	if ((p->addr = strdup(addr)) == NULL)
		return -1;
	if ((p->orig = strdup(orig)) == NULL) {
		free(p->addr);
		return -1;
	}
	res->nrcpt++;
	return 0;
}

static void
resolve_refuse(struct resolved *res, uint32_t code, const char *text)
{
	/* Of several reasons in one expansion the first is told. */
	if (res->code != ST_OK)
		return;
	res->code = code;
	res->text = text;
}

static int
resolve_alias(struct walk *w, const struct conf_alias *a)
{
	size_t	i;

	if (w->depth == w->maxdepth) {
		resolve_refuse(w->res, ST_LOOP, "too many aliases in a row (limit hops)");
		w->over = 1;
		return 0;
	}
	w->path[w->depth++] = a->name;
	for (i = 0; i < a->nto; i++) {
		if (++w->members > w->maxmembers) {
			resolve_refuse(w->res, ST_LOOP,
			    "alias has too many members (limit alias-members)");
			w->over = 1;
			break;
		}
		if (resolve_walk(w, a->to[i]) == -1)
			return -1;
	}
	w->depth--;
	return 0;
}

/* One address inside an expansion.  0, or -1: out of memory. */
static int
resolve_walk(struct walk *w, const char *addr)
{
	const struct conf_alias	*a;
	const char		*orig;
	size_t			 i;
	int			 inside = 0;

	for (i = 0; i < w->depth; i++)
		if (strcmp(w->path[i], addr) == 0)
			inside = 1;
	if (!inside && (a = dir_find(&w->dir->aliases, addr)) != NULL)
		return resolve_alias(w, a);
	if (dir_is_hosted(w->dir, addr_domain(addr)) &&
	    !dir_is_local(w->dir, addr)) {
		if (inside)
			resolve_refuse(w->res, ST_LOOP, "alias loop");
		else if (w->depth > 0) {
			log_warnx("alias %s leads to %s, which is neither "
			    "user nor alias", w->path[0], addr);
			resolve_refuse(w->res, ST_NOUSER,
			    "alias leads to nobody");
		} else
			resolve_refuse(w->res, ST_NOUSER, "no such user here");
		return 0;
	}
	/*
	 * A peer's alias led here, and ours leads back to it.  The peer would
	 * take it for a repeat: nobody would have the mail or hear of it.
	 */
	if (w->depth > 0 && !dir_is_local(w->dir, addr) &&
	    strcmp(addr, w->orig) == 0) {
		resolve_refuse(w->res, ST_LOOP,
		    "aliases of two servers name each other");
		return 0;
	}
	orig = w->depth > 0 ? w->path[0] : w->orig;
	if (resolve_push(w->res, addr, orig) == -1)
		return -1;
	w->leads++;
	return 0;
}

int
resolve_add(struct resolved *res, const struct dir *dir,
    const struct conf *conf, const char *addr, const char *orig)
{
	struct walk	w;
	uint32_t	before = res->nrcpt;
	int		ret;

	memset(&w, 0, sizeof(w));
	w.res = res;
	w.dir = dir;
	w.conf = conf;
	w.orig = orig == NULL ? "" : orig;
	w.maxdepth = (size_t)conf->limit[LIM_HOPS];
	w.maxmembers = (size_t)conf->limit[LIM_ALIAS_MEMBERS];
	res->code = ST_OK;
	res->text = "";
	w.path = calloc(w.maxdepth + 1, sizeof(*w.path));
	if (w.path == NULL)
		return -1;
	ret = resolve_walk(&w, addr);
	free(w.path);
	if (ret == -1) {
		errno = ENOMEM;
		return -1;
	}
	if (w.leads > 0 && !w.over)
		return 1;
	/* A part of a list, with nobody told, would be mail lost. */
	while (res->nrcpt > before) {
		res->nrcpt--;
		free(res->rcpt[res->nrcpt].addr);
		free(res->rcpt[res->nrcpt].orig);
	}
	resolve_refuse(res, ST_NOUSER, "alias leads to nobody");
	if (strncmp(addr, "postmaster@", 11) == 0)
		log_warnx("mail for %s is refused: no user or alias of that "
		    "name; add an alias to wsmtpd.conf", addr);
	return 0;
}

void
resolve_free(struct resolved *res)
{
	uint32_t	i;

	for (i = 0; i < res->nrcpt; i++) {
		free(res->rcpt[i].addr);
		free(res->rcpt[i].orig);
	}
	free(res->rcpt);
	memset(res, 0, sizeof(*res));
}
