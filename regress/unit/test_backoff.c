/* SPDX-License-Identifier: ISC */
/* lib/backoff.c: doubling, its cap, and the spread at both ends. */
#include "compat.h"

#include <stdio.h>

#include "backoff.h"
#include "tap.h"

/* rnd's middle leaves the delay as it is. */
#define MIDDLE	0x80000000U

static const struct {
	unsigned int	 n, base, max, jitter;
	uint32_t	 rnd;
	unsigned int	 want;
} cases[] = {
	{ 1, 60, 14400, 0, 0, 60 },
	{ 1, 60, 14400, 0, UINT32_MAX, 60 },
	{ 2, 60, 14400, 0, 0, 120 },
	{ 3, 60, 14400, 0, 0, 240 },
	{ 8, 60, 14400, 0, 0, 7680 },
	{ 9, 60, 14400, 0, 0, 14400 },
	{ 10, 60, 14400, 0, 0, 14400 },
	{ 1000000, 60, 14400, 0, 0, 14400 },
	{ UINT32_MAX, 1, UINT32_MAX, 0, 0, UINT32_MAX },
	{ 0, 60, 14400, 0, 0, 60 },		/* none failed yet */
	{ 1, 60, 14400, 10, 0, 54 },
	{ 1, 60, 14400, 10, MIDDLE, 60 },
	{ 1, 60, 14400, 10, UINT32_MAX, 66 },
	{ 9, 60, 14400, 10, UINT32_MAX, 15840 },	/* cap, then spread */
	{ 9, 60, 14400, 50, 0, 7200 },
	{ 1, 60, 14400, 100, 0, 1 },		/* never 0 */
	{ 1, 60, 14400, 100, UINT32_MAX, 120 },
	{ 1, 60, 14400, 1000, UINT32_MAX, 120 },
	{ 1, 0, 14400, 0, 0, 1 },
	{ 1, 0, 0, 0, 0, 1 },
	{ 5, 100, 10, 0, 0, 10 },		/* base beyond max */
	/* The longest that wsmtpd.conf(5) allows. */
	{ 40, 1, 366 * 86400, 50, UINT32_MAX, 549 * 86400 },
};

int
main(void)
{
	char		 name[80];
	size_t		 i;
	unsigned int	 d, last = 0, rising = 1;

	for (i = 0; i < nitems(cases); i++) {
		snprintf(name, sizeof(name), "%u failed, %u..%u, +-%u%%, %08x",
		    cases[i].n, cases[i].base, cases[i].max, cases[i].jitter,
		    cases[i].rnd);
		is_int(backoff_delay(cases[i].n, cases[i].base, cases[i].max,
		    cases[i].jitter, cases[i].rnd), cases[i].want, name);
	}
	for (i = 0; i <= 64; i++) {
		d = backoff_delay(1, 600, 600, 10,
		    i == 64 ? UINT32_MAX : (uint32_t)i << 26);
		rising &= d >= last && d >= 540 && d <= 660;
		last = d;
	}
	ok(rising, "the spread is even and within its bounds");
	return done_testing();
}
