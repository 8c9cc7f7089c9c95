/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "wstime.h"

#define DAY	((int64_t)86400 * 1000)

static int64_t	 wstime_days(int64_t, int, int);
static int	 wstime_digits(const char **, int, int *);
static int	 wstime_zone(const char **, int *);

int64_t
wstime_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
wstime_mono(void)
{
	struct timespec	 ts;

	/* POSIX: it fails for a clock that is not there, and this one is. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

char *
wstime_format(int64_t ms, char *buf, size_t size)
{
	struct tm	 tm;
	time_t		 t;
	int		 frac;

	t = (time_t)(ms / 1000);
	frac = (int)(ms % 1000);
	if (frac < 0) {
		frac += 1000;
		t--;
	}
	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, frac);
	return buf;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t
wstime_days(int64_t y, int m, int d)
{
	int64_t	 era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int
wstime_digits(const char **s, int n, int *out)
{
	*out = 0;
	for (; n > 0; n--, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return -1;
		*out = *out * 10 + (**s - '0');
	}
	return 0;
}

/* "Z", "+hh:mm", "-hh:mm" or nothing; minutes east of UTC. */
static int
wstime_zone(const char **s, int *minutes)
{
	int	 h, m, sign;

	*minutes = 0;
	if (**s == 'Z') {
		(*s)++;
		return 0;
	}
	if (**s != '+' && **s != '-')
		return 0;
	sign = **s == '-' ? -1 : 1;
	(*s)++;
	if (wstime_digits(s, 2, &h) == -1 || *(*s)++ != ':' ||
	    wstime_digits(s, 2, &m) == -1 || m > 59 ||
	    h * 60 + m > 14 * 60)
		return -1;
	*minutes = sign * (h * 60 + m);
	return 0;
}

int
wstime_ok(int64_t ms)
{
	return ms >= wstime_days(1, 1, 1) * DAY &&
	    ms < wstime_days(10000, 1, 1) * DAY;
}

int
wstime_parse(const char *s, int64_t *ms)
{
	static const int mdays[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	int64_t		 t;
	int		 y, mo, d, h, mi, sec, frac = 0, scale, zone, leap;

	s += strspn(s, " \t\r\n");
	if (wstime_digits(&s, 4, &y) == -1 || *s++ != '-' ||
	    wstime_digits(&s, 2, &mo) == -1 || *s++ != '-' ||
	    wstime_digits(&s, 2, &d) == -1 || *s++ != 'T' ||
	    wstime_digits(&s, 2, &h) == -1 || *s++ != ':' ||
	    wstime_digits(&s, 2, &mi) == -1 || *s++ != ':' ||
	    wstime_digits(&s, 2, &sec) == -1)
		goto bad;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			goto bad;
		for (scale = 100; isdigit((unsigned char)*s); s++) {
			frac += (*s - '0') * scale;
			scale /= 10;
		}
	}
	if (wstime_zone(&s, &zone) == -1)
		goto bad;
	s += strspn(s, " \t\r\n");
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (*s != '\0' || y < 1 || mo < 1 || mo > 12 || d < 1 ||
	    d > mdays[mo - 1] + (mo == 2 && leap) || mi > 59 || sec > 59 ||
	    h > 24 || (h == 24 && (mi > 0 || sec > 0 || frac > 0)))
		goto bad;
	t = ((wstime_days(y, mo, d) * 24 + h) * 60 + mi - zone) * 60000 +
	    sec * 1000 + frac;
	/* Its year in UTC may be another one, which could not be written. */
	if (!wstime_ok(t))
		goto bad;
	*ms = t;
	return 0;
bad:
	errno = EINVAL;
	return -1;
}
