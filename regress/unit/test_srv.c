/* SPDX-License-Identifier: ISC */
/* The order of SRV targets, and its distribution (RFC 2782). */
#include "compat.h"

#include <stdio.h>

#include "srv.h"
#include "tap.h"

#define ROUNDS	60000

static uint32_t	 zero(void *, uint32_t);
static uint32_t	 highest(void *, uint32_t);
static uint32_t	 xorshift(void *, uint32_t);
static void	 set(struct srv *, uint16_t, uint16_t, const char *);
static void	 test_priority(void);
static void	 test_share(uint16_t, uint16_t, uint16_t, double);
static void	 test_all_kept(void);
static void	 test_none(void);

static uint32_t
zero(void *arg, uint32_t n)
{
	(void)arg;
	(void)n;
	return 0;
}

static uint32_t
highest(void *arg, uint32_t n)
{
	(void)arg;
	return n - 1;
}

/* Repeatable, and uniform enough for small n. */
static uint32_t
xorshift(void *arg, uint32_t n)
{
	uint64_t	*x = arg;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)((*x >> 16) % n);
}

static void
set(struct srv *s, uint16_t priority, uint16_t weight, const char *target)
{
	memset(s, 0, sizeof(*s));
	s->priority = priority;
	s->weight = weight;
	s->port = (uint16_t)(1000 + priority);
	strlcpy(s->target, target, sizeof(s->target));
}

static void
test_priority(void)
{
	uint32_t	(*rnd[])(void *, uint32_t) = { zero, highest };
	struct srv	 s[4];
	size_t		 i;

	for (i = 0; i < nitems(rnd); i++) {
		set(&s[0], 20, 65535, "c");
		set(&s[1], 10, 0, "b");
		set(&s[2], 65535, 1, "d");
		set(&s[3], 0, 0, "a");
		srv_order(s, 4, rnd[i], NULL);
		is_str(s[0].target, "a", "lowest priority first");
		is_str(s[1].target, "b", "second");
		is_str(s[2].target, "c", "third, whatever its weight");
		is_str(s[3].target, "d", "last");
		is_int(s[2].port, 1020, "ports go with their targets");
	}
	srv_order(s, 0, zero, NULL);
	srv_order(s, 1, zero, NULL);
	is_str(s[0].target, "a", "one is in order");
	set(&s[0], 1, 5, "heavy");
	set(&s[1], 1, 0, "light");
	srv_order(s, 2, zero, NULL);
	is_str(s[0].target, "light", "a pick of 0 is for weight 0");
	set(&s[0], 1, 5, "heavy");
	set(&s[1], 1, 0, "light");
	srv_order(s, 2, highest, NULL);
	is_str(s[0].target, "heavy", "the highest pick is not");
}

/* How often the first of three weights comes first. */
static void
test_share(uint16_t a, uint16_t b, uint16_t c, double want)
{
	uint64_t	 seed = 88172645463325252ULL;
	struct srv	 s[3];
	char		 name[80];
	double		 share;
	int		 i, hits = 0;

	for (i = 0; i < ROUNDS; i++) {
		set(&s[0], 5, b, "b");
		set(&s[1], 5, a, "a");
		set(&s[2], 5, c, "c");
		srv_order(s, 3, xorshift, &seed);
		hits += strcmp(s[0].target, "a") == 0;
	}
	share = (double)hits / ROUNDS;
	snprintf(name, sizeof(name), "weights %d %d %d: %.3f is near %.3f",
	    a, b, c, share, want);
	ok(share > want - 0.01 && share < want + 0.01, name);
}

static void
test_all_kept(void)
{
	uint64_t	 seed = 42;
	struct srv	 s[26];
	char		 t[2] = "a", seen[27];
	size_t		 i, round;
	int		 good = 1;

	for (round = 0; round < 1000; round++) {
		for (i = 0; i < nitems(s); i++) {
			t[0] = (char)('a' + i);
			set(&s[i], (uint16_t)(i % 3), (uint16_t)(i * 7 % 5), t);
		}
		srv_order(s, nitems(s), xorshift, &seed);
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < nitems(s); i++) {
			seen[s[i].target[0] - 'a']++;
			good &= i == 0 || s[i - 1].priority <= s[i].priority;
		}
		for (i = 0; i < nitems(s); i++)
			good &= seen[i] == 1;
	}
	ok(good, "every target once, priorities in order");
}

static void
test_none(void)
{
	struct srv	 s[2];

	set(&s[0], 0, 0, "");
	set(&s[1], 0, 0, "");
	is_int(srv_none(s, 1), 1, "the root alone: no service");
	is_int(srv_none(s, 2), 0, "the root among others means nothing");
	is_int(srv_none(s, 0), 0, "nothing says nothing");
	set(&s[0], 0, 0, "a");
	is_int(srv_none(s, 1), 0, "a target");
}

int
main(void)
{
	test_priority();
	/* The pick is uniform over 0..sum, 0 being for a weight of 0. */
	test_share(60, 20, 20, 61.0 / 101);
	test_share(20, 60, 20, 20.0 / 101);
	test_share(1, 0, 0, 1.0 / 2);
	test_share(0, 1, 1, 1.0 / 3);
	test_share(0, 10, 10, 1.0 / 21);
	test_share(300, 100, 0, 300.0 / 401);
	test_all_kept();
	test_none();
	return done_testing();
}
