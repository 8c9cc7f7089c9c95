/* SPDX-License-Identifier: ISC */
/*
 * 64-bit id -> object.  A late answer to a request that is gone is normal:
 * get and pop return NULL, nothing here exits.
 */
#ifndef IDTREE_H
#define IDTREE_H

#include <sys/tree.h>

struct idnode {
	RB_ENTRY(idnode) entry;
	uint64_t	 id;
	void		*obj;
};
RB_HEAD(idtree_rb, idnode);
struct idtree {
	struct idtree_rb root;
	size_t		 count;
};

void	 idtree_init(struct idtree *);
int	 idtree_set(struct idtree *, uint64_t, void *);	/* -1: EEXIST, ENOMEM */
void	*idtree_get(const struct idtree *, uint64_t);
void	*idtree_pop(struct idtree *, uint64_t);
/* Any one object and its id removed, NULL when empty: for clearing. */
void	*idtree_poproot(struct idtree *, uint64_t *);
/* Calls fn for each in id order; fn must not change the tree. */
void	 idtree_walk(struct idtree *, void (*fn)(uint64_t, void *, void *), void *);

#endif /* IDTREE_H */
