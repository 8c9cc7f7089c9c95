/* SPDX-License-Identifier: ISC */
/*
 * Results for prove(1).  Each returns whether it held; main() ends with
 * `return done_testing();`.
 */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	 tap_count, tap_failed;

/* Flushed, as a test that forks must not print a line twice. */
static inline int
ok(int held, const char *name)
{
	printf("%sok %d - %s\n", held ? "" : "not ", ++tap_count, name);
	if (!held)
		tap_failed++;
	fflush(stdout);
	return held;
}

static inline int
is_int(long long got, long long want, const char *name)
{
	if (ok(got == want, name))
		return 1;
	printf("#  got: %lld\n# want: %lld\n", got, want);
	fflush(stdout);
	return 0;
}

static inline int
is_str(const char *got, const char *want, const char *name)
{
	int	 same = got == NULL || want == NULL ? got == want :
		    strcmp(got, want) == 0;

	if (ok(same, name))
		return 1;
	printf("#  got: %s\n# want: %s\n", got == NULL ? "(null)" : got,
	    want == NULL ? "(null)" : want);
	fflush(stdout);
	return 0;
}

/* Instead of any test, where something is missing. */
static inline void
skip_all(const char *reason)
{
	printf("1..0 # SKIP %s\n", reason);
	exit(0);
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif /* TAP_H */
