/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "idtree.h"

static int	 idnode_cmp(struct idnode *, struct idnode *);

RB_PROTOTYPE(idtree_rb, idnode, entry, idnode_cmp)
RB_GENERATE(idtree_rb, idnode, entry, idnode_cmp)

static int
idnode_cmp(struct idnode *a, struct idnode *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

void
idtree_init(struct idtree *t)
{
	RB_INIT(&t->root);
	t->count = 0;
}

int
idtree_set(struct idtree *t, uint64_t id, void *obj)
{
	struct idnode	*n;

	if ((n = malloc(sizeof(*n))) == NULL)
		return -1;
	n->id = id;
	n->obj = obj;
	if (RB_INSERT(idtree_rb, &t->root, n) != NULL) {
		free(n);
		errno = EEXIST;
		return -1;
	}
	t->count++;
	return 0;
}

void *
idtree_get(const struct idtree *t, uint64_t id)
{
	struct idnode	 key = { .id = id }, *n;

	n = RB_FIND(idtree_rb, (struct idtree_rb *)&t->root, &key);
	return n == NULL ? NULL : n->obj;
}

void *
idtree_pop(struct idtree *t, uint64_t id)
{
	struct idnode	 key = { .id = id }, *n;
	void		*obj;

	if ((n = RB_FIND(idtree_rb, &t->root, &key)) == NULL)
		return NULL;
	RB_REMOVE(idtree_rb, &t->root, n);
	t->count--;
	obj = n->obj;
	free(n);
	return obj;
}

void *
idtree_poproot(struct idtree *t, uint64_t *id)
{
	struct idnode	*n;

	if ((n = RB_ROOT(&t->root)) == NULL)
		return NULL;
	if (id != NULL)
		*id = n->id;
	return idtree_pop(t, n->id);
}

void
idtree_walk(struct idtree *t, void (*fn)(uint64_t, void *, void *), void *arg)
{
	struct idnode	*n;

	RB_FOREACH(n, idtree_rb, &t->root)
		fn(n->id, n->obj, arg);
}
