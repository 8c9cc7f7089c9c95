/* SPDX-License-Identifier: ISC */
/*
 * Group commit: whatever is written to a store during one turn of the event
 * loop is one transaction and one sync, and only after that is anybody told.
 * wsqueue and wslocal each have one group over their environment.
 *
 * The use, in a handler: group_txn(), writes with it, group_add() for the
 * answer.  A write that fails half-way is group_fail(): nothing of this turn
 * is kept, and all that were added, before and after, hear of it.
 */
#ifndef GROUP_H
#define GROUP_H

#include <event2/event.h>

#include "store.h"

struct group;

/* Called once, after the commit: 0, or -1 with errno and nothing is kept. */
typedef void	(*group_cb)(void *, int);

/* NULL and errno.  The store stays the caller's. */
struct group	*group_new(struct event_base *, struct store *);
/* Commits what is open, with its callbacks. */
void		 group_free(struct group *);
/*
 * The open transaction; begins one when there is none.  It is committed at
 * the end of the turn even when nothing is added.  NULL and errno on failure:
 * nothing was added, nobody will be called.
 */
struct store_txn *group_txn(struct group *);
/*
 * Calls cb when the open transaction is committed, or has failed.  sync 0:
 * the caller's writes need not survive a crash of the machine, only one of
 * the process; the transaction is synced when one of its callers wants that.
 * Never called from within group_add().  Callbacks run in the order of the
 * calls and may begin the next transaction.  0, or -1 and ENOMEM.
 */
int		 group_add(struct group *, int sync, group_cb, void *);
/* A write into the open transaction failed: it will be aborted. */
void		 group_fail(struct group *, int error);
/* Commits now, and what the callbacks write in their turn.  Not from one. */
void		 group_flush(struct group *);
int		 group_is_idle(const struct group *);	/* nothing is open */
/* Commits so far, and the group_add() calls they served. */
void		 group_counts(const struct group *, uint64_t *commits,
		    uint64_t *items);

#endif /* GROUP_H */
