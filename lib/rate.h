/* SPDX-License-Identifier: ISC */
/*
 * How much a key (an address, a user, a domain) may have in a period: the
 * Generic Cell Rate Algorithm (ITU-T I.371, annex A), which keeps one time
 * for each key.  A whole period's share may come at once; it grows back
 * evenly.  The table is bounded, the key unused for the longest is forgotten
 * first.
 */
#ifndef RATE_H
#define RATE_H

#define RATE_MINUTE	60000	/* ms */
#define RATE_HOUR	3600000

struct rate;

struct rate	*rate_new(size_t max);		/* keys; NULL: ENOMEM */
void		 rate_free(struct rate *);
/*
 * Takes n of the `limit` that key has in `period` ms; `now` is ms of a clock
 * that does not step.  0: taken, or the limit is 0 (none).  Else nothing was
 * taken, and it is the ms after which it can be.  More than the limit at once
 * counts as the limit.  When memory is out it is taken for granted.
 */
int64_t		 rate_take(struct rate *, const char *key, int64_t n,
		    int64_t limit, int64_t period, int64_t now);
size_t		 rate_count(const struct rate *);

#endif /* RATE_H */
