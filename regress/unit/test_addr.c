/* SPDX-License-Identifier: ISC */
/* lib/addr.c: what is an address or a domain, and its one written form. */
#include "compat.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "tap.h"

#define S63	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D252	S63 "." S63 "." S63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." \
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void	 test_good(void);
static void	 test_bad(void);
static void	 test_octets(void);
static void	 test_size(void);

static const struct {
	const char	*text;
	const char	*want;		/* NULL: refused */
} addrs[] = {
	{ "a@b", "a@b" },
	{ "Alice@Example.ORG", "alice@example.org" },
	{ " \t\r\nalice@a.test \t\r\n", "alice@a.test" },
	{ "a.b.c@a.test", "a.b.c@a.test" },
	{ "!#$%&'*+-/=?^_`{|}~@a.test", "!#$%&'*+-/=?^_`{|}~@a.test" },
	{ "a@1.2.3.4", "a@1.2.3.4" },
	{ "a@x--y.z", "a@x--y.z" },
	{ S63 "A@a.test", S63 "a@a.test" },
	{ S63 "A@" D252 "A", S63 "a@" D252 "a" },
	{ S63 "aA@a.test", NULL },
	{ "a@" D252 "aa", NULL },
	{ "a@" S63 "a.test", NULL },
	{ "", NULL }, { " ", NULL }, { "@", NULL }, { "a", NULL },
	{ "a@", NULL }, { "@a.test", NULL }, { "a@ ", NULL },
	{ " @a.test", NULL },
	{ "a@b@c", NULL }, { "a@@b", NULL },
	{ "a b@a.test", NULL }, { "a @a.test", NULL },
	{ "a@ a.test", NULL }, { "a@\ta.test", NULL },
	{ "a@\r\n a.test", NULL }, { "a@a. test", NULL },
	{ ".a@a.test", NULL }, { "a.@a.test", NULL }, { "a..b@a.test", NULL },
	{ ".@a.test", NULL }, { "\"a\"@a.test", NULL }, { "a\\b@a.test", NULL },
	{ "a(b)@a.test", NULL }, { "<a@a.test>", NULL }, { "a,b@a.test", NULL },
	{ "a:b@a.test", NULL }, { "a;b@a.test", NULL }, { "[a]@a.test", NULL },
	{ "a\nb@a.test", NULL }, { "a\x7f@a.test", NULL },
	{ "\xc3\xa4@a.test", NULL }, { "a@\xc3\xa4.test", NULL },
	{ "a@.test", NULL }, { "a@a.", NULL }, { "a@a..test", NULL },
	{ "a@-a.test", NULL }, { "a@a-.test", NULL }, { "a@a.test-", NULL },
	{ "a@a.-test", NULL }, { "a@a_b.test", NULL }, { "a@*.test", NULL },
	{ "a@[127.0.0.1]", NULL }, { "a@a.test:25", NULL },
	{ "a@a.test\nb", NULL }, { "a@a/b", NULL },
};

static void
test_good(void)
{
	char	 buf[ADDR_MAX + 1], dom[ADDR_DOMAIN_MAX + 1];
	size_t	 i;

	for (i = 0; i < nitems(addrs); i++) {
		if (addrs[i].want == NULL)
			continue;
		is_int(addr_normalize(addrs[i].text, buf, sizeof(buf)), 0,
		    "an address");
		is_str(buf, addrs[i].want, addrs[i].want);
		is_str(addr_domain(buf), strchr(addrs[i].want, '@') + 1,
		    "its domain");
		is_int(addr_domain_normalize(addr_domain(buf), dom,
		    sizeof(dom)), 0, "is a domain");
		is_int(addr_normalize(buf, buf, sizeof(buf)), 0,
		    "in place, too");
		is_str(buf, addrs[i].want, "and once is enough");
	}
	ok(addr_domain("nobody") == NULL, "no domain without an @");
}

static void
test_bad(void)
{
	char	 buf[ADDR_MAX + 1], name[32];
	size_t	 i;

	for (i = 0; i < nitems(addrs); i++) {
		if (addrs[i].want != NULL)
			continue;
		errno = 0;
		snprintf(name, sizeof(name), "row %zu is none", i);
		ok(addr_normalize(addrs[i].text, buf, sizeof(buf)) ==
		    -1 && errno == EINVAL, name);
	}
}

/* Every octet in the middle of either part. */
static void
test_octets(void)
{
	char	 text[] = "a?a@a.test", buf[ADDR_MAX + 1];
	int	 c, wrong = 0, want;

	for (c = 1; c < 256; c++) {
		text[1] = (char)c;
		want = c < 0x80 && (isalnum(c) ||
		    strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
		if ((addr_normalize(text, buf, sizeof(buf)) == 0) != want)
			wrong++;
	}
	is_int(wrong, 0, "the octets of a local part");
	memcpy(text, "a@a?a", 6);
	for (c = 1; c < 256; c++) {
		text[3] = (char)c;
		want = c < 0x80 && (isalnum(c) || c == '.' || c == '-');
		if ((addr_normalize(text, buf, sizeof(buf)) == 0) != want)
			wrong++;
	}
	is_int(wrong, 0, "the octets of a domain");
}

/* A buffer that is too small is not written beyond. */
static void
test_size(void)
{
	const char	*text = "Alice@Example.org";
	char		*buf;
	size_t		 n;
	int		 wrong = 0;

	for (n = 0; n <= strlen(text) + 2; n++) {
		if ((buf = malloc(n + 1)) == NULL)
			exit(1);
		buf[n] = '#';
		if ((addr_normalize(text, buf, n) == 0) != (n > strlen(text)))
			wrong++;
		wrong += buf[n] != '#';
		if ((addr_domain_normalize(text + 6, buf, n) == 0) !=
		    (n > strlen(text + 6)))
			wrong++;
		wrong += buf[n] != '#';
		free(buf);
	}
	is_int(wrong, 0, "room for all, or nothing");
}

int
main(void)
{
	test_good();
	test_bad();
	test_octets();
	test_size();
	return done_testing();
}
