/* SPDX-License-Identifier: ISC */
/*
 * Who guesses passwords, and how long he waits.  Failures are counted for
 * each pair of user and address, and for each address over all users.  More
 * than the limit in a minute, and the pair (or the address) is slowed: for
 * some seconds every attempt is refused unseen, the right one too, and twice
 * as long after each further failure.  A stranger's guesses never lock a user
 * out of another address.
 *
 * The table is bounded, the least recently used entry goes first.  An IPv6
 * client is counted by its /64: it has all of these addresses to itself (RFC
 * 6177 section 2).  Time is an argument.
 */
#include "compat.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <stdio.h>

#include "keys.h"

#define GUESS_MAX	16384		/* entries */
#define GUESS_WINDOW	60000		/* ms in which failures are counted */
#define GUESS_FIRST	5000		/* ms of the first refusal */
#define GUESS_LONGEST	900000		/* ms of the longest */
#define GUESS_FORGET	3600000		/* ms without a failure: starts anew */
#define GUESS_PEER	10		/* an address: so many times the limit */

struct guess_entry {
	RB_ENTRY(guess_entry)	 entry;
	TAILQ_ENTRY(guess_entry) lru;
	uint8_t			 tag[KEYS_TAG_LEN];
	uint32_t		 failures;	/* in the window */
	uint32_t		 under_way;
	uint32_t		 level;		/* times slowed in a row */
	int64_t			 window;	/* its begin */
	int64_t			 last;		/* failure */
	int64_t			 until;		/* slowed until */
};
RB_HEAD(guess_tree, guess_entry);

struct guess {
	struct guess_tree		 tree;
	TAILQ_HEAD(, guess_entry)	 lru;	/* least recently used first */
	size_t				 count;
	uint8_t				 secret[32];
};

static int	 guess_cmp(struct guess_entry *, struct guess_entry *);
static void	 guess_net(const char *, char *, size_t);
static struct guess_entry *guess_get(struct guess *, const char *,
		    const char *, int);
static void	 guess_evict(struct guess *);
static int	 guess_open(struct guess_entry *, int64_t, int64_t);
static int	 guess_failed(struct guess_entry *, int64_t, int64_t);

RB_PROTOTYPE(guess_tree, guess_entry, entry, guess_cmp)
RB_GENERATE(guess_tree, guess_entry, entry, guess_cmp)

static int
guess_cmp(struct guess_entry *a, struct guess_entry *b)
{
	return memcmp(a->tag, b->tag, sizeof(a->tag));
}

struct guess *
guess_new(const uint8_t secret[32])
{
	struct guess	*g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return NULL;
	RB_INIT(&g->tree);
	TAILQ_INIT(&g->lru);
	memcpy(g->secret, secret, sizeof(g->secret));
	return g;
}

void
guess_free(struct guess *g)
{
	struct guess_entry	*e;

	if (g == NULL)
		return;
	while ((e = TAILQ_FIRST(&g->lru)) != NULL) {
		TAILQ_REMOVE(&g->lru, e, lru);
		free(e);
	}
	freezero(g, sizeof(*g));
}

/* The network that counts as one client. */
static void
guess_net(const char *peer, char *buf, size_t size)
{
	struct in6_addr	a;

	strlcpy(buf, peer, size);
	if (inet_pton(AF_INET6, peer, &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a))
		return;
	memset(a.s6_addr + 8, 0, 8);
	if (inet_ntop(AF_INET6, &a, buf, (socklen_t)size) == NULL)
		strlcpy(buf, peer, size);
}

static void
guess_evict(struct guess *g)
{
	struct guess_entry	*e;

	TAILQ_FOREACH(e, &g->lru, lru)
		if (e->under_way == 0)
			break;
	if (e == NULL)
		return;
	TAILQ_REMOVE(&g->lru, e, lru);
	RB_REMOVE(guess_tree, &g->tree, e);
	g->count--;
	free(e);
}

/* user "" is the address over all users.  NULL: none, or ENOMEM. */
static struct guess_entry *
guess_get(struct guess *g, const char *user, const char *net, int make)
{
	struct guess_entry	*e, find;

	if (auth_tag(g->secret, "guess", user, net, find.tag) == -1)
		return NULL;
	if ((e = RB_FIND(guess_tree, &g->tree, &find)) != NULL) {
		TAILQ_REMOVE(&g->lru, e, lru);
		TAILQ_INSERT_TAIL(&g->lru, e, lru);
		return e;
	}
	if (!make)
		return NULL;
	if (g->count >= GUESS_MAX)
		guess_evict(g);
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return NULL;
	memcpy(e->tag, find.tag, sizeof(e->tag));
	RB_INSERT(guess_tree, &g->tree, e);
	TAILQ_INSERT_TAIL(&g->lru, e, lru);
	g->count++;
	return e;
}

/* May another attempt begin? */
static int
guess_open(struct guess_entry *e, int64_t limit, int64_t now)
{
	if (now - e->window >= GUESS_WINDOW) {
		e->window = now;
		e->failures = 0;
	}
	if (e->level > 0 && now - e->last >= GUESS_FORGET)
		e->level = 0;
	if (now < e->until)
		return 0;
	/* Once slowed, one at a time. */
	if (e->level > 0)
		return e->under_way == 0;
	return (int64_t)e->failures + e->under_way < limit;
}

/* 1: it is slowed from now on. */
static int
guess_failed(struct guess_entry *e, int64_t limit, int64_t now)
{
	int64_t	delay = GUESS_LONGEST;

	e->last = now;
	e->failures++;
	if (e->level == 0 && (int64_t)e->failures < limit)
		return 0;
	if (e->level < 16 && (GUESS_FIRST << e->level) < GUESS_LONGEST)
		delay = GUESS_FIRST << e->level;
	e->until = now + delay;
	e->level++;
	return 1;
}

int
guess_begin(struct guess *g, const char *user, const char *peer,
    int64_t limit, int64_t now)
{
	struct guess_entry	*e, *all;
	char			 net[INET6_ADDRSTRLEN + 16];

	guess_net(peer, net, sizeof(net));
	if ((all = guess_get(g, "", net, 1)) == NULL)
		return 0;
	all->under_way++;	/* not to be evicted for the next */
	e = guess_get(g, user, net, 1);
	all->under_way--;
	if (e == NULL || !guess_open(all, limit * GUESS_PEER, now) ||
	    !guess_open(e, limit, now))
		return 0;
	e->under_way++;
	all->under_way++;
	return 1;
}

int
guess_end(struct guess *g, const char *user, const char *peer, int right,
    int64_t limit, int64_t now)
{
	struct guess_entry	*e, *all;
	char			 net[INET6_ADDRSTRLEN + 16];
	int			 slowed = 0;

	guess_net(peer, net, sizeof(net));
	e = guess_get(g, user, net, 0);
	all = guess_get(g, "", net, 0);
	if (e == NULL || all == NULL)
		return 0;
	if (e->under_way > 0)
		e->under_way--;
	if (all->under_way > 0)
		all->under_way--;
	if (right == 1) {
		/* Only the pair's: an own account must not clear the rest. */
		e->failures = e->level = 0;
		e->until = 0;
	} else if (right == 0) {
		slowed = guess_failed(e, limit, now);
		slowed |= guess_failed(all, limit * GUESS_PEER, now);
	}
	return slowed;
}

size_t
guess_count(const struct guess *g)
{
	return g->count;
}
