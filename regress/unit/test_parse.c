/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd/parse.y with what nobody would write: a configuration with all
 * statements in it, cut, repeated and changed at random (the same random
 * each time).  It is taken or refused; under SAN=1 nothing else happens.
 */
#include "compat.h"

#include <fcntl.h>
#include <stdio.h>

#include "conf.h"
#include "log.h"
#include "tap.h"
#include "testdir.h"

#define ROUNDS		20000
#define FILE_MAX	8192

static uint32_t	 next(void);
static size_t	 mutate(char *, size_t);
static struct conf *parse(const char *, size_t);
static int	 is_whole(const struct conf *);

static const char good[] =
    "# all of them\n"
    "pki = \"/ca.pem\"\n"
    "listen on 127.0.0.1 port 443; listen on ::1 port 443\n"
    "domain a.test {\n"
    "	certificate \"/a.crt\" \\\n	key \"/a.key\"\n"
    "	tls certificate \"/t.crt\" key \"/t.key\"\n"
    "	client ca $pki crl \"/crl.pem\"\n"
    "	quota 20G\n"
    "}\n"
    "domain \"b.test\" { certificate \"/b.crt\" key \"/b.key\"; quota 0 }\n"
    "trust ca $pki crl \"/crl.pem\"\n"
    "users \"/users\"\n"
    "alias \"a@a.test\" to \"b@b.test\"\n"
    "alias \"c@a.test\" to {\n	\"d@a.test\", e@b.test\n	\"f@c.test\"\n}\n"
    "route b.test to 127.0.0.1 port 4443\n"
    "route \"*\" to hub.test port 1\n"
    "resolver ::1 port 53\n"
    "queue retry min 10s max 10m jitter 5%\n"
    "queue ttl 2d\nqueue warn 1h\n"
    "limit message-size 10M\nlimit hops 3\nlimit wait-timeout 1m\n"
    "spool \"/spool\"\ncontrol socket \"/c\" read-only \"/ro\"\n"
    "user soap \"nobody\"\nuser queue \"nobody\"\n"
    "soap processes 3\nsandbox required\n";

static const char *const tokens[] = {
	"{", "}", "\"", "\\", "\n", ";", ",", "=", "$", "$pki", "#", "\\\n",
	"domain", "certificate", "alias", "to", "include", "port",
	"client ca", "quota", "99999999999999999999", "-1", "%", "*", "\"\"",
	"\033", "\xff", "a@a.test", "{ }", "include \"conf\"",
};

static uint32_t
next(void)
{
	static uint32_t	 seed = 1;

	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* One change; the new length. */
static size_t
mutate(char *s, size_t n)
{
	const char	*t = tokens[next() % nitems(tokens)];
	size_t		 at = next() % (n + 1), k = strlen(t), len;

	switch (next() % 5) {
	case 0:				/* a word between */
		if (n + k <= FILE_MAX) {
			memmove(s + at + k, s + at, n - at);
			memcpy(s + at, t, k);
			n += k;
		}
		break;
	case 1:				/* a piece less */
		len = next() % 40;
		if (at + len <= n) {
			memmove(s + at, s + at + len, n - at - len);
			n -= len;
		}
		break;
	case 2:				/* a piece twice */
		len = next() % 200;
		if (at + len <= n && n + len <= FILE_MAX) {
			memmove(s + at + len, s + at, n - at);
			n += len;
		}
		break;
	case 3:				/* another octet */
		if (at < n)
			s[at] = (char)(next() % 255 + 1);
		break;
	default:			/* the end is missing */
		if (next() % 8 == 0)
			n = at;
		break;
	}
	return n;
}

static struct conf *
parse(const char *s, size_t n)
{
	int	 fd = open("conf", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, s, n) != (ssize_t)n || close(fd) == -1)
		exit(1);
	return conf_parse("conf");
}

static int
is_whole(const struct conf *c)
{
	const struct conf_domain	*d;
	const struct conf_alias		*a;

	TAILQ_FOREACH(d, &c->domains, entry)
		if (d->name == NULL || d->cert.path == NULL ||
		    d->key.path == NULL || d->tls_cert.path == NULL ||
		    d->tls_key.path == NULL)
			return 0;
	TAILQ_FOREACH(a, &c->aliases, entry)
		if (a->name == NULL || a->nto == 0)
			return 0;
	return c->spool != NULL && c->control_path != NULL &&
	    !TAILQ_EMPTY(&c->domains) && !TAILQ_EMPTY(&c->listens) &&
	    c->retry_min <= c->retry_max && c->retry_min > 0 && c->ttl > 0;
}

int
main(void)
{
	static char	 s[FILE_MAX];
	char		 dir[] = "/tmp/test_parse.XXXXXX";
	struct conf	*c;
	size_t		 n;
	int		 fd, i, k, taken = 0, refused = 0, broken = 0;

	testdir_enter(dir);
	log_init("test", 1, 0);
	if ((fd = open("/dev/null", O_WRONLY)) == -1 ||
	    dup2(fd, STDERR_FILENO) == -1)
		return 1;
	n = sizeof(good) - 1;
	c = parse(good, n);
	ok(c != NULL && is_whole(c), "the good one is taken");
	conf_free(c);
	for (i = 0; i < ROUNDS; i++) {
		n = sizeof(good) - 1;
		memcpy(s, good, n);
		for (k = (int)(next() % 4); k >= 0; k--)
			n = mutate(s, n);
		if ((c = parse(s, n)) == NULL)
			refused++;
		else {
			taken++;
			broken += !is_whole(c);
		}
		conf_free(c);
	}
	ok(taken > ROUNDS / 100 && refused > ROUNDS / 2, "most are refused");
	is_int(broken, 0, "what is taken is whole");
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		return 1;
	return done_testing();
}
