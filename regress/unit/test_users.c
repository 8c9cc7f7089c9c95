/* SPDX-License-Identifier: ISC */
/* lib/users.c: the table on disk, the two verifiers, known answers. */
#include "compat.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tap.h"
#include "testdir.h"
#include "users.h"

static void	 write_file(const char *);
static int	 files_here(void);
static void	 test_lines(void);
static void	 test_many(void);
static void	 test_large(void);
static void	 test_round(void);
static void	 test_full_disk(void);
static void	 test_owner(void);
static void	 test_verifiers(void);
static void	 test_derive(void);
static void	 test_hostile(void);

#define TABLE	"users"
#define CONTROL	"line 1: expected text, got a control character"

static const struct {
	const char	*text;
	const char	*why;		/* NULL: reads */
} lines[] = {
	{ "alice@a.test:-:-:*:*\n", NULL },
	{ "alice@a.test:-:-:*:*", NULL },
	{ "", NULL },
	{ "# a comment\n\nalice@a.test:disabled:0:*:*\r\n", NULL },
	{ "alice:-:-:*:*\n", "line 1: expected an address first" },
	{ "alice@a.test:-:-:*\n",
	    "line 1: expected name:flags:quota:text:mac" },
	{ "alice@a.test:-:-:*:*:\n",
	    "line 1: expected name:flags:quota:text:mac" },
	{ "\n#\nalice@a.test\n", "line 3: expected name:flags:quota:text:mac" },
	{ "a@a.test:-:-:*:*\nA@A.test:-:-:*:*\n",
	    "line 2: a user named twice" },
	{ "#\na@a.test:-:-:*:*\nb@a.test:-:-:*:*\n\nc@a.test:-:-:*:*\n"
	    "b@a.test:-:-:*:*\nA@a.test:-:-:*:*\n",
	    "line 6: a user named twice" },
	{ "a@a.test:off:-:*:*\n", "line 1: expected - or disabled as flags" },
	{ "a@a.test:-:1G:*:*\n", "line 1: expected octets or - as quota" },
	{ "a@a.test:-:-1:*:*\n", "line 1: expected octets or - as quota" },
	{ "a@a.test:-::*:*\n", "line 1: expected octets or - as quota" },
	{ "a@a.test:-:9223372036854775807:*:*\n", NULL },
	{ "a@a.test:-:9223372036854775808:*:*\n",
	    "line 1: expected octets or - as quota" },
	{ "a@a.test:-:-:*:*\r\n\r\n#\r\nb@a.test:-:-:*:*\r\n", NULL },
	/* Line ends of an old Macintosh: nothing of it may get lost. */
	{ "a@a.test:-:-:*:*\rb@a.test:-:-:*:*\r", CONTROL },
	{ "# users\ra@a.test:-:-:*:*\r", CONTROL },
	{ "#\ttabs in a comment\n", NULL },
	{ "a@a.test:-:-:*:*\033\n", CONTROL },
	{ "a@a.test:-:-:*:*\r\r\n", CONTROL },
	{ "\xef\xbb\xbf" "a@a.test:-:-:*:*\n",
	    "line 1: expected an address first" },
	/* Written again, it would be a comment. */
	{ " #a@a.test:-:-:*:*\n", "line 1: expected an address first" },
	{ "::::\n", "line 1: expected an address first" },
	{ ":\n", "line 1: expected name:flags:quota:text:mac" },
};

static void
write_file(const char *text)
{
	FILE	*f = fopen(TABLE, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF) {
		perror(TABLE);
		exit(1);
	}
}

static int
files_here(void)
{
	DIR		*d = opendir(".");
	struct dirent	*e;
	int		 n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
test_lines(void)
{
	struct conf	*c = conf_new();
	char		 why[256];
	size_t		 i;
	int		 ret;

	ret = users_read(c, "nowhere", why, sizeof(why));
	ok(ret == -1 && errno == ENOENT, "no file: ENOENT");
	for (i = 0; i < nitems(lines); i++) {
		write_file(lines[i].text);
		why[0] = '\0';
		ret = users_read(c, TABLE, why, sizeof(why));
		is_int(ret, lines[i].why == NULL ? 0 : -1, lines[i].text[0] ==
		    '\0' ? "an empty table" : "a table");
		if (lines[i].why != NULL)
			is_str(why, lines[i].why, "says why");
	}
	conf_free(c);
}

/* As many as are read at each reload, while nothing else is done. */
static void
test_many(void)
{
	struct conf	*c = conf_new();
	struct timespec	 from, to;
	FILE		*f;
	char		 why[256];
	int		 i;

	if ((f = fopen(TABLE, "w")) == NULL)
		exit(1);
	for (i = 0; i < 100000; i++)
		fprintf(f, "user%d@a.test:-:-:*:*\n", i);
	if (fclose(f) == EOF ||
	    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from) == -1)
		exit(1);
	is_int(users_read(c, TABLE, why, sizeof(why)), 0, "100000 users");
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to) == -1)
		exit(1);
	ok(to.tv_sec - from.tv_sec < 5, "within seconds of work");
	conf_free(c);
}

/* NULs, long fields, and no file at all. */
static void
test_large(void)
{
	static const char	 nul[] = "a@a.test:-:-:*:*\0:more\n";
	struct conf		*c = conf_new();
	FILE			*f;
	char			 why[256];
	int			 i;

	if ((f = fopen(TABLE, "w")) == NULL ||
	    fwrite(nul, sizeof(nul) - 1, 1, f) != 1 || fclose(f) == EOF)
		exit(1);
	is_int(users_read(c, TABLE, why, sizeof(why)), -1, "a NUL octet");
	is_str(why, CONTROL, "says so");
	/* A longer one would be refused by the process that gets it. */
	for (i = 0; i < 2; i++) {
		if ((f = fopen(TABLE, "w")) == NULL)
			exit(1);
		fprintf(f, "a@a.test:-:-:%s%0*d%s\n", i == 0 ? "" : "*:",
		    1 << 20, 0, i == 0 ? ":*" : "");
		fclose(f);
		is_int(users_read(c, TABLE, why, sizeof(why)), -1,
		    "a verifier of a megabyte");
		is_str(why, "line 1: a verifier that is too long",
		    "says so");
	}
	is_int(users_read(c, ".", why, sizeof(why)), -1, "a directory");
	is_int(errno, EISDIR, "EISDIR");
	conf_free(c);
}

static void
test_round(void)
{
	struct conf		*c = conf_new(), *d = conf_new();
	struct conf_user	*u;
	struct stat		 st;
	char			 why[256];

	write_file("alice@a.test:-:-:*:*\nbob@a.test:disabled:12345:*:*\n");
	is_int(users_read(c, TABLE, why, sizeof(why)), 0, "reads");
	is_int(users_set_password(conf_user(c, "alice@a.test"), "pass word"),
	    0, "sets a password");
	is_int(users_write(c, TABLE), 0, "writes");
	is_int(stat(TABLE, &st), 0, "there");
	is_int(st.st_mode & 0777, 0600, "mode 0600");
	is_int(users_read(d, TABLE, why, sizeof(why)), 0, "reads again");
	u = conf_user(d, "alice@a.test");
	ok(u != NULL && !u->disabled && u->quota == -1, "alice");
	is_str(u->text, conf_user(c, "alice@a.test")->text, "her verifier");
	is_str(u->mac, conf_user(c, "alice@a.test")->mac, "her key");
	u = conf_user(d, "bob@a.test");
	ok(u != NULL && u->disabled && u->quota == 12345, "bob");
	ok(u->text == NULL && u->mac == NULL, "he has no verifiers");
	ok(conf_user(d, "carol@a.test") == NULL, "nobody else");
	is_int(users_write(c, "no/such/dir"), -1, "no directory: an error");
	is_int(errno, ENOENT, "ENOENT");
	free(u->name);
	u->name = strdup("#bob@a.test");
	is_int(users_write(d, TABLE), -1, "a user that would be a comment");
	is_int(errno, EINVAL, "EINVAL");
	is_int(files_here(), 1, "nothing is left beside the table");
	conf_free(c);
	conf_free(d);
}

/*
 * Wherever writing ends for want of room, the old table stays, and nothing
 * beside it.
 */
static void
test_full_disk(void)
{
	struct conf		*c = conf_new(), *d = conf_new();
	struct conf_user	*u;
	struct rlimit		 rl, old;
	struct stat		 st;
	char			 why[256];
	rlim_t			 i, size;
	int			 wrong = 0;

	write_file("a@a.test:-:-:*:*\n");
	if (users_read(c, TABLE, why, sizeof(why)) == -1 ||
	    (u = TAILQ_FIRST(&c->users)) == NULL ||
	    asprintf(&u->text, "%05000d", 1) == -1 ||
	    users_write(c, TABLE) == -1 || stat(TABLE, &st) == -1 ||
	    getrlimit(RLIMIT_FSIZE, &old) == -1 ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		exit(1);
	size = (rlim_t)st.st_size;
	write_file("a@a.test:-:-:*:*\n");
	rl = old;
	for (i = 0; i < size; i += 100) {
		rl.rlim_cur = i;
		if (setrlimit(RLIMIT_FSIZE, &rl) == -1)
			exit(1);
		errno = 0;
		if (users_write(c, TABLE) != -1 || errno != EFBIG)
			wrong++;
	}
	if (setrlimit(RLIMIT_FSIZE, &old) == -1)
		exit(1);
	is_int(wrong, 0, "each end before the last is an error");
	is_int(users_read(d, TABLE, why, sizeof(why)), 0, "the old table");
	ok((u = TAILQ_FIRST(&d->users)) != NULL && u->text == NULL,
	    "is as it was");
	is_int(files_here(), 1, "nothing is left beside it");
	conf_free(c);
	conf_free(d);
}

/* Root writes for the user that runs the daemon. */
static void
test_owner(void)
{
	struct conf	*c = conf_new();
	struct stat	 st;

	if (geteuid() == 0) {
		write_file("a@a.test:-:-:*:*\n");
		if (chown(TABLE, 12345, 23456) == -1 ||
		    chmod(TABLE, 0644) == -1)
			exit(1);
		is_int(users_write(c, TABLE), 0, "writes another's table");
		is_int(stat(TABLE, &st), 0, "there");
		ok(st.st_uid == 12345 && st.st_gid == 23456, "it stays his");
		is_int(st.st_mode & 07777, 0600, "and nobody else's");
	}
	if (unlink(TABLE) == -1)
		exit(1);
	is_int(users_write(c, TABLE), 0, "a new one");
	is_int(stat(TABLE, &st), 0, "there");
	ok(st.st_uid == geteuid() && (st.st_mode & 07777) == 0600, "ours");
	conf_free(c);
}

static void
test_verifiers(void)
{
	struct conf_user	 u, v;
	uint8_t			 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint8_t			 again[USERS_KEY_LEN];
	uint32_t		 n = 0;

	memset(&u, 0, sizeof(u));
	memset(&v, 0, sizeof(v));
	is_int(users_set_password(&u, "correct horse"), 0, "a password");
	is_int(users_set_password(&v, "correct horse"), 0, "the same again");
	ok(strcmp(u.text, v.text) != 0, "other salt, other verifier");
	ok(strcmp(u.mac, v.mac) != 0, "other salt, other key");
	ok(strstr(u.text, "horse") == NULL && strstr(u.mac, "horse") == NULL,
	    "the password is in neither");
	ok(users_is_text_verifier(u.text), "a verifier");
	is_int(users_check_text(u.text, "correct horse"), 1, "right");
	is_int(users_check_text(u.text, "correct horsf"), 0, "wrong");
	is_int(users_check_text(u.text, "correct horse "), 0, "longer");
	is_int(users_check_text(u.text, ""), 0, "empty");
	is_int(users_check_text(v.text, "correct horse"), 1, "right for both");
	is_int(users_parse_mac(u.mac, &n, salt, key), 0, "a key is read");
	is_int(n, USERS_MAC_ITERATIONS, "its iterations");
	is_int(users_derive("correct horse", salt, sizeof(salt), n, again), 0,
	    "derived again");
	ok(memcmp(key, again, sizeof(key)) == 0, "the same key");
	free(u.text);
	free(u.mac);
	free(v.text);
	free(v.mac);
}

/* RFC 7914 section 11 gives PBKDF2-HMAC-SHA256 of "passwd", "salt", 1. */
static void
test_derive(void)
{
	static const uint8_t	 want[USERS_KEY_LEN] = {
		0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f,
		0xec, 0x16, 0x91, 0xc2, 0x25, 0x44, 0xb6, 0x05,
		0xf9, 0x41, 0x85, 0x21, 0x6d, 0xde, 0x04, 0x65,
		0xe6, 0x8b, 0x9d, 0x57, 0xc2, 0x0d, 0xac, 0xbc
	};
	uint8_t			 key[USERS_KEY_LEN];

	is_int(users_derive("passwd", (const uint8_t *)"salt", 4, 1, key), 0,
	    "derives");
	ok(memcmp(key, want, sizeof(want)) == 0, "the answer of RFC 7914");
}

static void
test_hostile(void)
{
	static const char *const text[] = {
		"", "*", "$scrypt$", "$scrypt$ln=15,r=8,p=1$",
		"$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==",
		"$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==$",
		"$scrypt$ln=15,r=8,p=1$AAAA$AAAA",
		"$scrypt$ln=31,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"$scrypt$ln=1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"$2b$10$abcdefghijklmnopqrstuv",
	};
	static const char *const mac[] = {
		"", "*", "pbkdf2-sha256$", "pbkdf2-sha256$600000$",
		"pbkdf2-sha256$1$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA==$AAAA",
		"pbkdf2-sha256$600000$AAAA$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$",
		"pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2-sha256$-1$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2-sha1$600000$AAAAAAAAAAAAAAAAAAAAAA==$"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	static const char	 good[] =
	    "pbkdf2-sha256$600000$AAAAAAAAAAAAAAAAAAAAAA==$"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	uint8_t			 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint32_t		 n;
	size_t			 i;

	for (i = 0; i < nitems(text); i++) {
		is_int(users_is_text_verifier(text[i]), 0,
		    "not a text verifier");
		is_int(users_check_text(text[i], "x"), -1, "nor checked");
	}
	for (i = 0; i < nitems(mac); i++)
		is_int(users_parse_mac(mac[i], &n, salt, key), -1,
		    "not a key");
	is_int(users_parse_mac(good, &n, salt, key), 0, "a key");
}

int
main(void)
{
	char	 dir[] = "/tmp/test_users.XXXXXX";

	testdir_enter(dir);
	test_lines();
	test_many();
	test_large();
	test_round();
	test_full_disk();
	test_owner();
	test_verifiers();
	test_derive();
	test_hostile();
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
