/* SPDX-License-Identifier: ISC */
/*
 * RFC 2782, "Usage rules": arrange all records of the lowest priority with
 * those of weight 0 first, sum the weights, choose a number from 0 to the
 * sum inclusive, take the first record whose running sum reaches it, and so
 * on with the rest.
 */
#include "compat.h"

#include <stdlib.h>
#include <string.h>

#include "srv.h"

static int	 srv_cmp(const void *, const void *);
static void	 srv_select(struct srv *, size_t,
		    uint32_t (*)(void *, uint32_t), void *);

static int
srv_cmp(const void *va, const void *vb)
{
	const struct srv *a = va, *b = vb;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	/* weight 0 first, so that it has a small chance of being selected */
	if ((a->weight == 0) != (b->weight == 0))
		return a->weight == 0 ? -1 : 1;
	return 0;
}

/* Orders n records of one priority. */
static void
srv_select(struct srv *s, size_t n, uint32_t (*rnd)(void *, uint32_t),
    void *arg)
{
	struct srv	 chosen;
	uint32_t	 sum, run, pick;
	size_t		 i;

	for (; n > 1; s++, n--) {
		for (sum = 0, i = 0; i < n; i++)
			sum += s[i].weight;
		pick = rnd(arg, sum + 1);
		for (run = 0, i = 0; i < n - 1; i++) {
			run += s[i].weight;
			if (run >= pick)
				break;
		}
		chosen = s[i];
		memmove(s + 1, s, i * sizeof(*s));
		s[0] = chosen;
	}
}

void
srv_order(struct srv *s, size_t n, uint32_t (*rnd)(void *, uint32_t),
    void *arg)
{
	size_t	 first, last;

	qsort(s, n, sizeof(*s), srv_cmp);
	for (first = 0; first < n; first = last) {
		for (last = first + 1; last < n &&
		    s[last].priority == s[first].priority; last++)
			;
		srv_select(s + first, last - first, rnd, arg);
	}
}

int
srv_none(const struct srv *s, size_t n)
{
	return n == 1 && s[0].target[0] == '\0';
}
