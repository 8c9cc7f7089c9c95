/* SPDX-License-Identifier: ISC */
/* lib/wstime.c: xs:dateTime both ways, the calendar, and what is none. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "tap.h"
#include "wstime.h"

static void	 test_calendar(void);
static void	 test_good(void);
static void	 test_bad(void);

/* What `date -u -d @...` says of these, and what they are written as. */
static const struct {
	const char	*text;
	int64_t		 ms;
	const char	*again;		/* NULL: the same */
} good[] = {
	{ "1970-01-01T00:00:00.000Z", 0, NULL },
	{ "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z" },
	{ "1970-01-01T00:00:00", 0, "1970-01-01T00:00:00.000Z" },
	{ " \t\r\n1970-01-01T00:00:00Z\n", 0, "1970-01-01T00:00:00.000Z" },
	{ "1969-12-31T23:59:59.999Z", -1, NULL },
	{ "1969-12-31T23:59:59.000Z", -1000, NULL },
	{ "2000-02-29T12:34:56.789Z", 951827696789, NULL },
	{ "2024-02-29T00:00:00.000Z", 1709164800000, NULL },
	{ "2038-01-19T03:14:08.000Z", 2147483648000, NULL },
	{ "0001-01-01T00:00:00.000Z", -62135596800000, NULL },
	{ "9999-12-31T23:59:59.999Z", 253402300799999, NULL },
	{ "2026-11-23T24:00:00Z", 1795478400000, "2026-11-24T00:00:00.000Z" },
	{ "2026-12-31T24:00:00Z", 1798761600000, "2027-01-01T00:00:00.000Z" },
	{ "1970-01-01T01:00:00+01:00", 0, "1970-01-01T00:00:00.000Z" },
	{ "1969-12-31T18:30:00-05:30", 0, "1970-01-01T00:00:00.000Z" },
	{ "1970-01-01T14:00:00+14:00", 0, "1970-01-01T00:00:00.000Z" },
	{ "1969-12-31T10:00:00-14:00", 0, "1970-01-01T00:00:00.000Z" },
	{ "1970-01-01T00:00:00-00:00", 0, "1970-01-01T00:00:00.000Z" },
	{ "1970-01-01T00:00:00.5Z", 500, "1970-01-01T00:00:00.500Z" },
	{ "1970-01-01T00:00:00.05Z", 50, "1970-01-01T00:00:00.050Z" },
	{ "1970-01-01T00:00:00.0009999999999999999999999Z", 0,
	    "1970-01-01T00:00:00.000Z" },
	{ "1970-01-01T00:00:00.9999999999999999999999999+00:00", 999,
	    "1970-01-01T00:00:00.999Z" },
	{ "9999-12-31T23:59:59.999+14:00", 253402250399999,
	    "9999-12-31T09:59:59.999Z" },
};

static const char *const bad[] = {
	"", " ", "now", "2026", "2026-11-23", "2026-11-23Z",
	"2026-11-23 07:09:00Z", "2026-11-23t07:09:00Z", "2026-11-23T07:09Z",
	"2026-11-23T07:09:00z", "2026-11-23T07:09:00Z Z",
	"2026-11-23T07:09:00ZZ", "2026-11-23T07:09:00.Z",
	"2026-11-23T07:09:00.", "2026-11-23T07:09:00,5Z",
	"2026-11-23T07:09:00.5.5Z",
	"26-11-23T07:09:00Z", "02026-11-23T07:09:00Z", "12026-11-23T07:09:00Z",
	"-2026-11-23T07:09:00Z", "+2026-11-23T07:09:00Z",
	"2026-1-23T07:09:00Z", "2026-11-3T07:09:00Z", "2026-11-23T7:09:00Z",
	"2026-11-23T07:9:00Z", "2026-11-23T07:09:0Z",
	"0000-01-01T00:00:00Z", "2026-00-01T00:00:00Z",
	"2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z",
	"2026-01-32T00:00:00Z", "2026-04-31T00:00:00Z",
	"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
	"2100-02-29T00:00:00Z", "2000-02-30T00:00:00Z",
	"2026-11-23T25:00:00Z", "2026-11-23T24:00:01Z",
	"2026-11-23T24:01:00Z", "2026-11-23T24:00:00.001Z",
	"2026-11-23T07:60:00Z", "2026-11-23T07:09:60Z",
	/* XML Schema Part 2, 3.2.7.3: 14:00 is the last */
	"2026-11-23T07:09:00+14:01", "2026-11-23T07:09:00-14:59",
	"2026-11-23T07:09:00+15:00", "2026-11-23T07:09:00+99:99",
	"2026-11-23T07:09:00+01:60", "2026-11-23T07:09:00+1:00",
	"2026-11-23T07:09:00+0100", "2026-11-23T07:09:00+01",
	"2026-11-23T07:09:00+", "2026-11-23T07:09:00+-1:00",
	"2026-11-23T07:09:00+01:00Z",
	/* In UTC these lie in years that cannot be written. */
	"9999-12-31T24:00:00Z", "9999-12-31T23:59:59-00:01",
	"9999-12-31T10:00:00-14:00", "0001-01-01T00:00:00+00:01",
	"0001-01-01T13:59:59+14:00",
	"99999999999999999999-01-01T00:00:00Z",
	"2026-11-23T07:09:99999999999999999999Z",
};

/* Every day of all the years comes after the one before. */
static void
test_calendar(void)
{
	static const int mdays[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	char	 text[64], again[WSTIME_LEN];
	int64_t	 ms, want = -62135596800000;
	int	 y, m, d, leap, wrong = 0;

	for (y = 1; y <= 9999; y++) {
		leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
		for (m = 1; m <= 12; m++)
			for (d = 1; d <= mdays[m - 1] + (m == 2 && leap);
			    d++) {
				snprintf(text, sizeof(text),
				    "%04d-%02d-%02dT00:00:00.000Z", y, m, d);
				if (wstime_parse(text, &ms) == -1 ||
				    ms != want || strcmp(wstime_format(ms,
				    again, sizeof(again)), text) != 0)
					wrong++;
				want += 86400000;
			}
	}
	is_int(want, 253402300800000, "all days were seen");
	is_int(wrong, 0, "each follows the one before, and is written alike");
}

static void
test_good(void)
{
	const char	*want;
	char		 buf[WSTIME_LEN];
	int64_t		 ms;
	size_t		 i;

	for (i = 0; i < nitems(good); i++) {
		ms = INT64_MAX;
		want = good[i].again != NULL ? good[i].again : good[i].text;
		is_int(wstime_parse(good[i].text, &ms), 0, want);
		is_int(ms, good[i].ms, "its value");
		is_str(wstime_format(ms, buf, sizeof(buf)), want,
		    "as it is written");
	}
	ok(wstime_now() > good[7].ms, "now is later than 2024");
}

static void
test_bad(void)
{
	int64_t	 ms;
	size_t	 i;

	for (i = 0; i < nitems(bad); i++) {
		errno = 0;
		ok(wstime_parse(bad[i], &ms) == -1 && errno == EINVAL, bad[i]);
	}
}

int
main(void)
{
	test_calendar();
	test_good();
	test_bad();
	return done_testing();
}
