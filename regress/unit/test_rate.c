/* SPDX-License-Identifier: ISC */
/* Rates: the burst, the growth back, the bounded table. */
#include "compat.h"

#include "rate.h"
#include "tap.h"

#define MINUTE	RATE_MINUTE

static void	 test_burst(void);
static void	 test_long(void);
static void	 test_many(void);
static void	 test_table(void);

static void
test_burst(void)
{
	struct rate	*r = rate_new(10);
	int64_t		 wait;
	int		 i, taken = 0;

	for (i = 0; i < 60; i++)
		taken += rate_take(r, "a", 1, 60, MINUTE, 1000) == 0;
	is_int(taken, 60, "a whole share at once");
	wait = rate_take(r, "a", 1, 60, MINUTE, 1000);
	ok(wait > 0 && wait <= 1001, "then the next is told when");
	ok(rate_take(r, "b", 1, 60, MINUTE, 1000) == 0, "another key has its own");
	ok(rate_take(r, "a", 1, 60, MINUTE, 1000 + wait) == 0, "and then it is");
	ok(rate_take(r, "a", 1, 60, MINUTE, 1000 + wait) > 0, "but only it");
	ok(rate_take(r, "a", 60, 60, MINUTE, 10 * MINUTE) == 0,
	    "after a pause all is back");
	ok(rate_take(r, "a", 1, 0, MINUTE, 10 * MINUTE) == 0, "0 is no limit");
	ok(rate_take(r, "c", 1000, 60, MINUTE, 0) == 0,
	    "more than the limit counts as the limit");
	wait = rate_take(r, "c", 1000, 60, MINUTE, 0);
	ok(wait >= MINUTE && wait <= MINUTE + 1, "and waits as long");
	rate_free(r);
}

/* Over an hour of asking each 10 ms: the share, and no more. */
static void
test_long(void)
{
	struct rate	*r = rate_new(10);
	int64_t		 now, taken = 0;

	for (now = 0; now < 60 * MINUTE; now += 10)
		taken += rate_take(r, "a", 1, 7, MINUTE, now) == 0;
	is_int(taken, 7 * 60 + 6, "7 a minute, and 6 of the first burst");
	rate_free(r);
}

static void
test_many(void)
{
	struct rate	*r = rate_new(10);
	int64_t		 big = (int64_t)1 << 40, day = 86400000;

	ok(rate_take(r, "a", big, big, day, day * 20000) == 0,
	    "octets of a day, all at once");
	ok(rate_take(r, "a", big / 2, big, day, day * 20000) > day / 2 - 2,
	    "half of them in half a day");
	ok(rate_take(r, "a", big / 2, big, day, day * 20000 + day / 2 + 1) == 0,
	    "not later");
	rate_free(r);
}

static void
test_table(void)
{
	struct rate	*r = rate_new(100);
	char		 key[16];
	int		 i;

	rate_take(r, "first", 60, 60, MINUTE, 0);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		rate_take(r, key, 60, 60, MINUTE, 0);
		if (i % 50 == 0)
			rate_take(r, "first", 1, 60, MINUTE, 0);
	}
	is_int((long long)rate_count(r), 100, "the table is bounded");
	ok(rate_take(r, "first", 1, 60, MINUTE, 0) > 0,
	    "who asks is not forgotten");
	rate_take(r, "late", 1, 60, MINUTE, 2 * MINUTE);
	is_int((long long)rate_count(r), 1, "who has all back is");
	rate_free(r);
}

int
main(void)
{
	test_burst();
	test_long();
	test_many();
	test_table();
	return done_testing();
}
