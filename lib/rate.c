/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <sys/queue.h>
#include <sys/tree.h>

#include "rate.h"

struct rate_key {
	RB_ENTRY(rate_key)	 entry;
	TAILQ_ENTRY(rate_key)	 lru;
	double			 full;	/* ms: all that it took is back */
	const char		*name;
};
RB_HEAD(rate_tree, rate_key);

struct rate {
	struct rate_tree	 tree;
	TAILQ_HEAD(, rate_key)	 lru;	/* longest unused first */
	size_t			 count, max;
};

static int	 rate_cmp(struct rate_key *, struct rate_key *);
static struct rate_key *rate_get(struct rate *, const char *, int64_t);
static void	 rate_drop(struct rate *, struct rate_key *);

RB_PROTOTYPE(rate_tree, rate_key, entry, rate_cmp)
RB_GENERATE(rate_tree, rate_key, entry, rate_cmp)

static int
rate_cmp(struct rate_key *a, struct rate_key *b)
{
	return strcmp(a->name, b->name);
}

struct rate *
rate_new(size_t max)
{
	struct rate	*r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	RB_INIT(&r->tree);
	TAILQ_INIT(&r->lru);
	r->max = max;
	return r;
}

void
rate_free(struct rate *r)
{
	struct rate_key	*k;

	if (r == NULL)
		return;
	while ((k = TAILQ_FIRST(&r->lru)) != NULL)
		rate_drop(r, k);
	free(r);
}

static void
rate_drop(struct rate *r, struct rate_key *k)
{
	TAILQ_REMOVE(&r->lru, k, lru);
	RB_REMOVE(rate_tree, &r->tree, k);
	r->count--;
	free(k);
}

static struct rate_key *
rate_get(struct rate *r, const char *name, int64_t now)
{
	struct rate_key	*k, find = { .name = name };
	size_t		 len = strlen(name) + 1;

	if ((k = RB_FIND(rate_tree, &r->tree, &find)) != NULL) {
		TAILQ_REMOVE(&r->lru, k, lru);
		TAILQ_INSERT_TAIL(&r->lru, k, lru);
		return k;
	}
	/* Those that have all back are not worth their memory. */
	while ((k = TAILQ_FIRST(&r->lru)) != NULL &&
	    (r->count >= r->max || k->full <= (double)now))
		rate_drop(r, k);
	if ((k = calloc(1, sizeof(*k) + len)) == NULL)
		return NULL;
	memcpy(k + 1, name, len);
	k->name = (const char *)(k + 1);
	RB_INSERT(rate_tree, &r->tree, k);
	TAILQ_INSERT_TAIL(&r->lru, k, lru);
	r->count++;
	return k;
}

int64_t
rate_take(struct rate *r, const char *key, int64_t n, int64_t limit,
    int64_t period, int64_t now)
{
	struct rate_key	*k;
	double		 cost, full;

	if (limit <= 0 || (k = rate_get(r, key, now)) == NULL)
		return 0;
	if (n > limit)
		n = limit;
	cost = (double)n * (double)period / (double)limit;
	full = (k->full > (double)now ? k->full : (double)now) + cost;
	/* Sums of fractions may miss by less than a millisecond. */
	if (full > (double)(now + period) + 0.5)
		return (int64_t)(full - (double)(now + period)) + 1;
	k->full = full;
	return 0;
}

size_t
rate_count(const struct rate *r)
{
	return r->count;
}
