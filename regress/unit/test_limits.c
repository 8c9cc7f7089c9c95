/* SPDX-License-Identifier: ISC */
/*
 * The table of limits: ordered, sane, and the same in wsmtpd.conf(5), row by
 * row.  With an argument it prints the rows that the page must have.
 */
#include "compat.h"

#include <inttypes.h>
#include <stdio.h>

#include "limits.h"
#include "tap.h"

static void	 value_str(const struct limit_row *, int64_t, char *, size_t);
static void	 row_str(const struct limit_row *, char *, size_t);
static int	 page_has(FILE *, const char *);
static int	 page_rows(FILE *);

static void
value_str(const struct limit_row *l, int64_t v, char *buf, size_t len)
{
	static const int64_t	 bytes[] = { 1LL << 40, 1 << 30, 1 << 20,
				    1 << 10 };
	static const int64_t	 times[] = { 86400, 3600, 60, 1 };
	const int64_t		*f = l->unit == LU_BYTES ? bytes : times;
	const char		*units = l->unit == LU_BYTES ? "TGMK" : "dhms";
	size_t			 i;

	for (i = 0; l->unit != LU_COUNT && v != 0 && i < 4; i++)
		if (v % f[i] == 0) {
			snprintf(buf, len, "%" PRId64 "%c", v / f[i], units[i]);
			return;
		}
	snprintf(buf, len, "%" PRId64, v);
}

static void
row_str(const struct limit_row *l, char *buf, size_t len)
{
	char	 def[32], min[32], max[32];

	value_str(l, l->def, def, sizeof(def));
	value_str(l, l->min, min, sizeof(min));
	value_str(l, l->max, max, sizeof(max));
	snprintf(buf, len, ".It Cm %s Ta %s Ta %s Ta %s Ta %s\n", l->keyword,
	    def, min, max, l->what);
}

static int
page_has(FILE *f, const char *row)
{
	char	 line[512];

	rewind(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strcmp(line, row) == 0)
			return 1;
	return 0;
}

static int
page_rows(FILE *f)
{
	char	 line[512];
	int	 n = 0;

	rewind(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strncmp(line, ".It Cm ", 7) == 0 &&
		    strstr(line, " Ta ") != NULL;
	return n;
}

int
main(int argc, char **argv)
{
	const struct limit_row	*l;
	const char		*top = getenv("WS_TOP");
	char			 row[512], path[1024];
	FILE			*f;
	size_t			 i;

	(void)argv;
	snprintf(path, sizeof(path), "%s/man/wsmtpd.conf.5",
	    top != NULL ? top : "../..");
	f = argc > 1 ? NULL : fopen(path, "r");
	if (argc == 1 && !ok(f != NULL, path))
		return done_testing();
	for (i = 0; i < LIM_MAX; i++) {
		l = &limit_rows[i];
		row_str(l, row, sizeof(row));
		if (f == NULL) {
			fputs(row, stdout);
			continue;
		}
		is_int(l->id, (long long)i, l->keyword);
		ok(l->min <= l->def && l->def <= l->max, "default in bounds");
		ok(limit_find(l->keyword) == l, "found by its name");
		if (!ok(page_has(f, row), "in wsmtpd.conf(5)"))
			printf("# want: %s", row);
	}
	if (f == NULL)
		return 0;
	is_int(page_rows(f), LIM_MAX, "no other limit in wsmtpd.conf(5)");
	ok(limit_find("no-such") == NULL, "an unknown one");
	fclose(f);
	return done_testing();
}
