/* SPDX-License-Identifier: ISC */
/* xs:dateTime (XML Schema Part 2, 3.2.7) in UTC with milliseconds. */
#ifndef WSTIME_H
#define WSTIME_H

#define WSTIME_LEN	sizeof("2026-11-23T07:09:00.000Z")	/* with NUL */

int64_t	 wstime_now(void);			/* ms since the epoch */
int64_t	 wstime_mono(void);	/* ms of a clock that nobody sets */
char	*wstime_format(int64_t ms, char *buf, size_t);	/* returns buf */
/*
 * Parses; any zone offset is taken into account, none at all is taken as
 * UTC, fractions beyond ms are dropped.  0, or -1 and EINVAL.  The years
 * 0001 to 9999 are accepted, in UTC too, so that what was read can be written.
 */
int	 wstime_parse(const char *, int64_t *ms);

/* Can it be written, with a year that wstime_parse() takes? */
int	 wstime_ok(int64_t ms);

#endif /* WSTIME_H */
