/* SPDX-License-Identifier: ISC */
/*
 * Group commit (group.h).
 *
 * The commit is an event with a time-out of zero.  libevent first collects
 * the descriptors that are ready and then the timers that are due, so the
 * commit runs behind the handlers of the turn that follows the first write:
 * it gathers what lay in the sockets while that write was made.
 */
#include "compat.h"

#include <sys/queue.h>

#include <errno.h>

#include "group.h"
#include "log.h"

struct group_item {
	TAILQ_ENTRY(group_item)	 entry;
	group_cb		 cb;
	void			*arg;
};
TAILQ_HEAD(group_items, group_item);

struct group {
	struct store		*store;
	struct store_txn	*txn;		/* NULL: none is open */
	struct event		*ev;
	struct group_items	 items;
	int			 sync;
	int			 error;		/* a write failed */
	uint64_t		 commits;
	uint64_t		 done;		/* items served by them */
};

static void	 group_event(evutil_socket_t, short, void *);
static int	 group_end(struct group *);
static void	 group_commit(struct group *);

struct group *
group_new(struct event_base *base, struct store *s)
{
	struct group	*g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return NULL;
	g->store = s;
	TAILQ_INIT(&g->items);
	if ((g->ev = evtimer_new(base, group_event, g)) == NULL) {
		free(g);
		errno = ENOMEM;
		return NULL;
	}
	return g;
}

void
group_free(struct group *g)
{
	if (g == NULL)
		return;
	group_flush(g);
	event_free(g->ev);
	free(g);
}

struct store_txn *
group_txn(struct group *g)
{
	struct timeval	now = { 0, 0 };

	if (g->txn != NULL)
		return g->txn;
	if ((g->txn = store_begin(g->store)) == NULL) {
		if (errno == EFAULT)
			fatalx("store: %s: ending, for recovery",
			    store_errstr(g->store));
		return NULL;
	}
	g->sync = 0;
	g->error = 0;
	if (evtimer_add(g->ev, &now) == -1)
		fatalx("group: cannot set the timer of the commit");
	return g->txn;
}

int
group_add(struct group *g, int sync, group_cb cb, void *arg)
{
	struct group_item	*it;

	if (g->txn == NULL)
		fatalx("group: an answer without a transaction");
	if ((it = malloc(sizeof(*it))) == NULL)
		return -1;
	it->cb = cb;
	it->arg = arg;
	TAILQ_INSERT_TAIL(&g->items, it, entry);
	if (sync)
		g->sync = 1;
	return 0;
}

void
group_fail(struct group *g, int error)
{
	if (g->txn != NULL && g->error == 0)
		g->error = error == 0 ? EIO : error;
}

/* Ends the transaction.  0, or an errno value. */
static int
group_end(struct group *g)
{
	struct store_txn	*txn = g->txn;
	int			 error = g->error;

	g->txn = NULL;
	if (error != 0)
		store_abort(txn);
	else if (store_commit(txn, g->sync) == -1)
		error = errno == 0 ? EIO : errno;
	if (error == 0) {
		g->commits++;
		return 0;
	}
	log_warnx("store: transaction given up: %s (%s)", strerror(error),
	    store_errstr(g->store));
	/* Nothing can be written or read any more: the parent starts anew. */
	if (error == EFAULT)
		fatalx("store: lost: ending, for recovery");
	return error;
}

static void
group_commit(struct group *g)
{
	struct group_items	 items;
	struct group_item	*it;
	int			 error;

	if (g->txn == NULL)
		return;
	(void)evtimer_del(g->ev);
	error = group_end(g);
	/* The list is taken away first: a callback may begin the next one. */
	TAILQ_INIT(&items);
	TAILQ_CONCAT(&items, &g->items, entry);
	while ((it = TAILQ_FIRST(&items)) != NULL) {
		TAILQ_REMOVE(&items, it, entry);
		g->done += error == 0;
		errno = error;
		it->cb(it->arg, error == 0 ? 0 : -1);
		free(it);
	}
}

static void
group_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	group_commit(arg);
}

void
group_flush(struct group *g)
{
	while (g->txn != NULL)
		group_commit(g);
}

int
group_is_idle(const struct group *g)
{
	return g->txn == NULL;
}

void
group_counts(const struct group *g, uint64_t *commits, uint64_t *items)
{
	*commits = g->commits;
	*items = g->done;
}
