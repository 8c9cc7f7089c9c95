/* SPDX-License-Identifier: ISC */
/* wsqueue/resolve.c: users, aliases, loops, limits. */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "resolve.h"
#include "tap.h"

static void	 add_alias(struct conf *, const char *, const char *);
static void	 add_user(struct conf *, const char *);
static void	 check(const struct conf *, const struct dir *, const char *,
		    int, const char *);

static void
add_user(struct conf *c, const char *name)
{
	struct conf_user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->name = strdup(name)) == NULL)
		fatal("user");
	TAILQ_INSERT_TAIL(&c->users, u, entry);
}

/* The members are separated by blanks. */
static void
add_alias(struct conf *c, const char *name, const char *to)
{
	struct conf_alias	*a;
	char			*copy, *p, *word;

	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->name = strdup(name)) == NULL ||
	    (a->to = calloc(2000, sizeof(*a->to))) == NULL ||
	    (p = copy = strdup(to)) == NULL)
		fatal("alias");
	while ((word = strsep(&p, " ")) != NULL)
		if ((a->to[a->nto++] = strdup(word)) == NULL)
			fatal("alias");
	free(copy);
	TAILQ_INSERT_TAIL(&c->aliases, a, entry);
}

/* What an address leads to, as "addr addr(orig)", or the code. */
static void
check(const struct conf *c, const struct dir *d, const char *addr, int ret,
    const char *want)
{
	struct resolved	res;
	char		is[1024] = "", code[16];
	uint32_t	i;
	int		got;

	memset(&res, 0, sizeof(res));
	got = resolve_add(&res, d, c, addr, "");
	is_int(got, ret, addr);
	for (i = 0; i < res.nrcpt; i++) {
		if (i > 0)
			strlcat(is, " ", sizeof(is));
		strlcat(is, res.rcpt[i].addr, sizeof(is));
		if (res.rcpt[i].orig[0] != '\0') {
			strlcat(is, "(", sizeof(is));
			strlcat(is, res.rcpt[i].orig, sizeof(is));
			strlcat(is, ")", sizeof(is));
		}
	}
	if (got == 0) {
		snprintf(code, sizeof(code), "%u", res.code);
		strlcpy(is, code, sizeof(is));
	}
	is_str(is, want, addr);
	resolve_free(&res);
}

int
main(void)
{
	struct conf_domain	*cd;
	struct resolved		 res;
	struct conf		*c;
	struct dir		*d;
	char			 many[20000] = "", one[32];
	int			 i;

	log_init("test_resolve", 1, 0);
	if ((c = conf_new()) == NULL || (cd = calloc(1, sizeof(*cd))) == NULL)
		fatal("conf");
	cd->name = strdup("a.test");
	TAILQ_INSERT_TAIL(&c->domains, cd, entry);
	add_user(c, "bob@a.test");
	add_user(c, "eve@a.test");
	add_alias(c, "info@a.test", "bob@a.test");
	add_alias(c, "team@a.test", "info@a.test eve@a.test bob@a.test x@b.test");
	add_alias(c, "eve@a.test", "eve@a.test archive@b.test");
	add_alias(c, "l1@a.test", "l2@a.test");
	add_alias(c, "l2@a.test", "l1@a.test");
	add_alias(c, "l3@a.test", "l3@a.test bob@a.test");
	add_alias(c, "half@a.test", "nobody@a.test bob@a.test");
	add_alias(c, "none@a.test", "nobody@a.test");
	add_alias(c, "n0@a.test", "bob@a.test");
	for (i = 1; i < 12; i++) {
		char	name[32], to[32];

		snprintf(name, sizeof(name), "n%d@a.test", i);
		snprintf(to, sizeof(to), "n%d@a.test", i - 1);
		add_alias(c, name, to);
	}
	for (i = 0; i < 1000; i++) {
		snprintf(one, sizeof(one), "%su%d@b.test", i ? " " : "", i);
		strlcat(many, one, sizeof(many));
	}
	add_alias(c, "many@a.test", many);
	if ((d = dir_new(c)) == NULL)
		fatal("dir");

	check(c, d, "bob@a.test", 1, "bob@a.test");
	check(c, d, "x@b.test", 1, "x@b.test");
	check(c, d, "nobody@a.test", 0, "550");
	check(c, d, "postmaster@a.test", 0, "550");
	check(c, d, "info@a.test", 1, "bob@a.test(info@a.test)");
	/* An alias of the name of a user, in itself, is the mailbox. */
	check(c, d, "eve@a.test", 1,
	    "eve@a.test(eve@a.test) archive@b.test(eve@a.test)");
	/* Nested; twice the same is once; the first name is remembered. */
	check(c, d, "team@a.test", 1, "bob@a.test(team@a.test) "
	    "eve@a.test(team@a.test) archive@b.test(team@a.test) "
	    "x@b.test(team@a.test)");
	check(c, d, "l1@a.test", 0, "555");
	check(c, d, "l3@a.test", 1, "bob@a.test(l3@a.test)");
	check(c, d, "half@a.test", 1, "bob@a.test(half@a.test)");
	check(c, d, "none@a.test", 0, "550");
	check(c, d, "n7@a.test", 1, "bob@a.test(n7@a.test)");
	check(c, d, "n11@a.test", 0, "555");

	memset(&res, 0, sizeof(res));
	is_int(resolve_add(&res, d, c, "many@a.test", ""), 1, "many");
	is_int(res.nrcpt, 1000, "all of them");
	is_int(resolve_add(&res, d, c, "u5@b.test", ""), 1, "one again");
	is_int(res.nrcpt, 1000, "is there already");
	resolve_free(&res);
	c->limit[LIM_ALIAS_MEMBERS] = 10;
	is_int(resolve_add(&res, d, c, "bob@a.test", ""), 1, "one");
	is_int(resolve_add(&res, d, c, "many@a.test", ""), 0,
	    "more than alias-members");
	is_int(res.code, ST_LOOP, "is refused");
	is_int(res.nrcpt, 1, "as a whole");
	resolve_free(&res);
	dir_free(d);
	conf_free(c);
	return done_testing();
}
