/* SPDX-License-Identifier: ISC */
/* See useridx.h; built by wslocal and keys at start and at a reload. */
#include "compat.h"

#include "useridx.h"

static int	 useridx_cmp(const void *, const void *);
static int	 useridx_cmp_name(const void *, const void *);

static int
useridx_cmp(const void *va, const void *vb)
{
	const struct conf_user	*const *a = va, *const *b = vb;

	return strcmp((*a)->name, (*b)->name);
}

static int
useridx_cmp_name(const void *name, const void *vb)
{
	const struct conf_user	*const *b = vb;

	return strcmp(name, (*b)->name);
}

int
useridx_build(struct useridx *x, const struct conf *c)
{
	const struct conf_user	**u, *cu;
	size_t			  n = 0;

	TAILQ_FOREACH(cu, &c->users, entry)
		n++;
	if ((u = calloc(n + 1, sizeof(*u))) == NULL)
		return -1;
	n = 0;
	TAILQ_FOREACH(cu, &c->users, entry)
		u[n++] = cu;
	qsort(u, n, sizeof(*u), useridx_cmp);
	free(x->u);
	x->u = u;
	x->n = n;
	return 0;
}

void
useridx_free(struct useridx *x)
{
	free(x->u);
	x->u = NULL;
	x->n = 0;
}

const struct conf_user *
useridx_find(const struct useridx *x, const char *name)
{
	const struct conf_user	**u;

	if (x->n == 0)
		return NULL;
	u = bsearch(name, x->u, x->n, sizeof(*x->u), useridx_cmp_name);
	return u == NULL ? NULL : *u;
}
