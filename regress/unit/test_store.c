/* SPDX-License-Identifier: ISC */
/*
 * lib/store_bdb.c: order, transactions, what a killed process leaves,
 * versions, and damage that must be an error and not a crash.
 */
#include "compat.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "store.h"
#include "tap.h"
#include "testdir.h"

#define CACHE	(1U << 20)

static void	 put(struct store *, const char *, const char *, const char *,
		    int);
static int	 get(struct store *, const char *, const char *, char *,
		    size_t);
static void	 test_basic(void);
static void	 test_cursor(void);
static void	 test_txn(void);
static void	 test_version(void);
static void	 test_lock(void);
static void	 test_killed(void);
static void	 killed_child(int);
static void	 test_damage(void);
static int	 damage(const char *, off_t, size_t);
static int	 damaged_child(void);
static void	 test_record(void);
static void	 test_maintain(void);

static void
put(struct store *s, const char *table, const char *k, const char *v, int sync)
{
	struct store_txn	*txn = store_begin(s);

	if (txn == NULL || store_put(store_table(s, table), txn, k, strlen(k),
	    v, strlen(v)) == -1 || store_commit(txn, sync) == -1)
		perror("put");
}

static int
get(struct store *s, const char *table, const char *k, char *buf, size_t size)
{
	struct store_val	v;

	if (store_get(store_table(s, table), NULL, k, strlen(k), &v) == -1)
		return -1;
	if (v.len >= size)
		return -1;
	memcpy(buf, v.p, v.len);
	buf[v.len] = '\0';
	return 0;
}

static void
test_basic(void)
{
	struct store		*s;
	struct store_txn	*txn;
	struct store_table	*t;
	char			 buf[64];

	s = store_open("basic", CACHE, 1);
	ok(s != NULL, "open makes the environment");
	t = store_table(s, "a");
	ok(t != NULL && store_table(s, "a") == t, "a table has one handle");
	put(s, "a", "k", "v", 1);
	is_int(get(s, "a", "k", buf, sizeof(buf)), 0, "get");
	is_str(buf, "v", "value");
	is_int(get(s, "a", "none", buf, sizeof(buf)), -1, "no such key");
	is_int(errno, ENOENT, "ENOENT");
	txn = store_begin(s);
	is_int(store_add(t, txn, "k", 1, "w", 1), -1, "add of a known key");
	is_int(errno, EEXIST, "EEXIST");
	is_int(store_add(t, txn, "n", 1, "new", 3), 0, "add");
	is_int(store_del(t, txn, "zzz", 3), -1, "delete of no key");
	is_int(errno, ENOENT, "ENOENT");
	is_int(store_put(t, NULL, "x", 1, "", 0), -1,
	    "no write without a transaction");
	is_int(errno, EINVAL, "EINVAL");
	is_int(store_commit(txn, 0), 0, "commit without sync");
	is_int(get(s, "a", "n", buf, sizeof(buf)), 0, "committed");
	ok(store_free_space(s) > 0, "free space");
	store_close(s);
	s = store_open("basic", CACHE, 1);
	ok(s != NULL, "open again");
	is_int(get(s, "a", "n", buf, sizeof(buf)), 0, "still there");
	is_str(buf, "new", "value");
	store_close(s);
}

static void
test_cursor(void)
{
	static const char	*keys[] = { "b", "d", "da", "f" };
	static const struct {
		const char	*key;
		const char	*ge, *le;
	} tab[] = {
		{ "a", "b", NULL },
		{ "b", "b", "b" },
		{ "c", "d", "b" },
		{ "d", "d", "d" },
		{ "db", "f", "da" },
		{ "f", "f", "f" },
		{ "g", NULL, "f" },
		{ "", "b", NULL },
	};
	struct store		*s = store_open("cursor", CACHE, 1);
	struct store_table	*t = store_table(s, "c");
	struct store_txn	*txn;
	struct store_cursor	*c;
	struct store_val	 k, v;
	char			 name[80];
	uint8_t			 be[4];
	uint32_t		 i;
	size_t			 n = 0;
	int			 ret, sorted = 1;

	for (i = 0; i < nitems(keys); i++)
		put(s, "c", keys[i], keys[i], 0);
	c = store_cursor(t, NULL);
	for (i = 0; i < nitems(tab); i++) {
		ret = store_seek_ge(c, tab[i].key, strlen(tab[i].key), &k, &v);
		snprintf(name, sizeof(name), "ge \"%s\"", tab[i].key);
		ok(tab[i].ge == NULL ? ret == -1 && errno == ENOENT :
		    ret == 0 && k.len == strlen(tab[i].ge) &&
		    memcmp(k.p, tab[i].ge, k.len) == 0, name);
		ret = store_seek_le(c, tab[i].key, strlen(tab[i].key), &k, &v);
		snprintf(name, sizeof(name), "le \"%s\"", tab[i].key);
		ok(tab[i].le == NULL ? ret == -1 && errno == ENOENT :
		    ret == 0 && k.len == strlen(tab[i].le) &&
		    memcmp(k.p, tab[i].le, k.len) == 0, name);
	}
	store_cursor_close(c);
	txn = store_begin(s);
	t = store_table(s, "n");
	for (i = 0; i < 5000; i++) {
		uint32_t	x = i * 2654435761U;

		be[0] = (uint8_t)(x >> 24);
		be[1] = (uint8_t)(x >> 16);
		be[2] = (uint8_t)(x >> 8);
		be[3] = (uint8_t)x;
		store_put(t, txn, be, 4, be, 4);
	}
	store_commit(txn, 0);
	c = store_cursor(t, NULL);
	memset(be, 0, sizeof(be));
	for (ret = store_seek_ge(c, be, 4, &k, NULL); ret == 0;
	    ret = store_next(c, &k, NULL), n++) {
		if (n > 0 && memcmp(be, k.p, 4) >= 0)
			sorted = 0;
		memcpy(be, k.p, 4);
	}
	is_int((int64_t)n, 5000, "all are there");
	ok(sorted, "in the order of their octets");
	is_int(store_prev(c, &k, NULL), 0, "back from the end");
	store_cursor_close(c);
	store_close(s);
}

static void
test_txn(void)
{
	struct store		*s = store_open("txn", CACHE, 1);
	struct store_table	*a = store_table(s, "a");
	struct store_table	*b = store_table(s, "b");
	struct store_txn	*txn;
	struct store_val	 v;
	char			 buf[16];
	static char		 big[100000];

	put(s, "a", "old", "1", 1);
	txn = store_begin(s);
	store_put(a, txn, "new", 3, "2", 1);
	store_put(b, txn, "new", 3, "2", 1);
	store_del(a, txn, "old", 3);
	is_int(store_get(a, txn, "new", 3, &v), 0,
	    "the transaction sees its writes");
	store_abort(txn);
	is_int(get(s, "a", "new", buf, sizeof(buf)), -1, "undone");
	is_int(get(s, "b", "new", buf, sizeof(buf)), -1,
	    "undone in the other table");
	is_int(get(s, "a", "old", buf, sizeof(buf)), 0, "not deleted");
	memset(big, 'x', sizeof(big));
	txn = store_begin(s);
	is_int(store_put(a, txn, "big", 3, big, sizeof(big)), 0,
	    "a value of many pages");
	is_int(store_commit(txn, 1), 0, "commit");
	is_int(store_get(a, NULL, "big", 3, &v), 0, "get it");
	ok(v.len == sizeof(big) && memcmp(v.p, big, v.len) == 0, "whole");
	store_close(s);
}

static void
test_version(void)
{
	struct store	*s;

	s = store_open("version", CACHE, 7);
	put(s, "a", "k", "v", 1);
	store_close(s);
	s = store_open("version", CACHE, 8);
	ok(s == NULL, "another version is refused");
	is_int(errno, EPROTONOSUPPORT, "EPROTONOSUPPORT");
	s = store_open("version", CACHE, 7);
	ok(s != NULL, "its own is not");
	store_close(s);
	unlink("version/meta.db");
	s = store_open("version", CACHE, 7);
	ok(s == NULL, "tables without a version are refused");
}

static void
test_lock(void)
{
	struct store	*s;
	pid_t		 pid;
	int		 status = -1;

	s = store_open("lock", CACHE, 1);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		s = store_open("lock", CACHE, 1);
		_exit(s == NULL && errno == EBUSY ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "a second process is refused: EBUSY");
	store_close(s);
}

/* Commits one record after the other and tells each; dies in the middle. */
static void
killed_child(int fd)
{
	struct store		*s;
	struct store_txn	*txn;
	uint32_t		 i;
	char			 key[16];

	if ((s = store_open("killed", CACHE, 1)) == NULL)
		_exit(1);
	for (i = 0;; i++) {
		txn = store_begin(s);
		snprintf(key, sizeof(key), "%08u", i);
		if (txn == NULL || store_put(store_table(s, "a"), txn, key, 8,
		    key, 8) == -1 || store_put(store_table(s, "b"), txn, key,
		    8, key, 8) == -1 || store_commit(txn, i % 2) == -1)
			_exit(1);
		if (write(fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
		/* One that stays open: recovery must undo it. */
		txn = store_begin(s);
		store_put(store_table(s, "a"), txn, "open", 4, "x", 1);
		store_put(store_table(s, "b"), txn, "open", 4, "x", 1);
		if (i == 300) {
			(void)pause();
			_exit(1);
		}
		store_abort(txn);
	}
}

static void
test_killed(void)
{
	struct store		*s;
	struct store_cursor	*c;
	struct store_val	 k;
	uint32_t		 told = 0, n, round;
	pid_t			 pid;
	char			 buf[16], key[16];
	int			 fd[2], ret, status;

	for (round = 0; round < 3; round++) {
		uint32_t	stop = round == 2 ? 300 : 50 + 70 * round;

		if (pipe(fd) == -1)
			return;
		fflush(stdout);
		if ((pid = fork()) == 0) {
			close(fd[0]);
			killed_child(fd[1]);
		}
		close(fd[1]);
		while (read(fd[0], &told, sizeof(told)) == sizeof(told))
			if (told >= stop)
				break;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(fd[0]);
		is_int(told >= stop, 1, "the child wrote");
		s = store_open("killed", CACHE, 1);
		if (!ok(s != NULL, "recovery after SIGKILL"))
			continue;
		n = 0;
		c = store_cursor(store_table(s, "a"), NULL);
		for (ret = store_seek_ge(c, "0", 1, &k, NULL);
		    ret == 0 && k.len == 8; ret = store_next(c, &k, NULL))
			n++;
		store_cursor_close(c);
		ok(n > told, "what was committed is there");
		snprintf(key, sizeof(key), "%08u", n - 1);
		is_int(get(s, "b", key, buf, sizeof(buf)), 0,
		    "in both tables or in none");
		is_int(get(s, "a", "open", buf, sizeof(buf)), -1,
		    "what was not committed is not");
		store_close(s);
	}
}

/* Overwrites len octets at off with another pattern. */
static int
damage(const char *path, off_t off, size_t len)
{
	char	junk[64];
	int	fd;

	memset(junk, 0xa5, sizeof(junk));
	if ((fd = open(path, O_WRONLY)) == -1)
		return -1;
	while (len > 0) {
		size_t	n = len < sizeof(junk) ? len : sizeof(junk);

		if (pwrite(fd, junk, n, off) == -1) {
			close(fd);
			return -1;
		}
		off += (off_t)n;
		len -= n;
	}
	close(fd);
	return 0;
}

/* Reads all: 0 without error, 1 with one, by a signal if it crashed. */
static int
damaged_child(void)
{
	struct store		*s;
	struct store_table	*t;
	struct store_cursor	*c;
	struct store_val	 k, v;
	int			 ret, bad = 0;

	if ((s = store_open("damage", CACHE, 1)) == NULL ||
	    (t = store_table(s, "a")) == NULL ||
	    (c = store_cursor(t, NULL)) == NULL)
		return 1;
	for (ret = store_seek_ge(c, "", 0, &k, &v); ret == 0;
	    ret = store_next(c, &k, &v))
		if (v.len == 0)		/* a damaged one: the walk goes on */
			bad = 1;
	if (errno == ENOENT && bad)
		return 1;
	if (errno != ENOENT)
		return errno == EFAULT || errno == EILSEQ || errno == EIO ?
		    1 : 2;
	return 0;
}

static void
test_damage(void)
{
	static const struct {
		const char	*what;
		off_t		 off;
		size_t		 len;
		off_t		 cut;	/* or truncate to */
	} tab[] = {
		{ "one octet of a page", 3 * 16384 + 9000, 1, 0 },
		{ "the head of a page", 2 * 16384, 26, 0 },
		{ "a whole page", 4 * 16384, 16384, 0 },
		{ "the file's first page", 0, 512, 0 },
		{ "truncated inside a page", 0, 0, 5 * 16384 + 100 },
		{ "truncated to half", 0, 0, 6 * 16384 },
		{ "empty", 0, 0, -1 },
	};
	struct store		*s;
	struct store_txn	*txn;
	char			 key[16], val[1000], name[80];
	uint32_t		 i, k;
	pid_t			 pid;
	int			 status;

	memset(val, 'v', sizeof(val));
	for (i = 0; i < nitems(tab); i++) {
		if (testdir_remove("damage") == -1)
			return;
		s = store_open("damage", CACHE, 1);
		txn = store_begin(s);
		for (k = 0; k < 300; k++) {
			snprintf(key, sizeof(key), "%08u", k);
			store_put(store_table(s, "a"), txn, key, 8, val,
			    sizeof(val));
		}
		store_commit(txn, 1);
		store_close(s);
		if (tab[i].len > 0)
			damage("damage/a.db", tab[i].off, tab[i].len);
		else if (truncate("damage/a.db", tab[i].cut == -1 ? 0 :
		    tab[i].cut) == -1)
			perror("truncate");
		fflush(stdout);
		if ((pid = fork()) == 0)
			_exit(damaged_child());
		status = -1;
		waitpid(pid, &status, 0);
		snprintf(name, sizeof(name), "%s: an error, no crash",
		    tab[i].what);
		if (!ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, name))
			printf("# status %x\n", (unsigned int)status);
	}
}

/* One wrong octet is one record: EILSEQ, and the others read. */
static void
test_record(void)
{
	struct store		*s;
	struct store_table	*t;
	struct store_txn	*txn;
	struct store_cursor	*c;
	struct store_val	 k, v;
	char			 page[16384], *at;
	int			 fd, ret, n = 0, empty = 0;

	s = store_open("record", CACHE, 1);
	put(s, "a", "k1", "the first value", 1);
	put(s, "a", "k2", "the second value", 1);
	put(s, "a", "k3", "", 1);
	put(s, "a", "k4", "the fourth value", 1);
	store_close(s);
	if ((fd = open("record/a.db", O_RDWR)) == -1 ||
	    pread(fd, page, sizeof(page), 16384) != sizeof(page) ||
	    (at = memmem(page, sizeof(page), "second", 6)) == NULL ||
	    pwrite(fd, "S", 1, 16384 + (at - page)) != 1) {
		ok(0, "damage");
		return;
	}
	close(fd);
	s = store_open("record", CACHE, 1);
	t = store_table(s, "a");
	ret = store_get(t, NULL, "k2", 2, &v);
	ok(ret == -1 && errno == EILSEQ, "a changed record: EILSEQ");
	ok(v.len > 6 && memmem(v.p, v.len, "Second", 6) != NULL,
	    "with what is there");
	is_int(store_get(t, NULL, "k1", 2, &v), 0, "the others read");
	ok(store_get(t, NULL, "k3", 2, &v) == 0 && v.len == 0, "empty too");
	c = store_cursor(t, NULL);
	for (ret = store_seek_ge(c, "", 0, &k, &v); ret == 0;
	    ret = store_next(c, &k, &v)) {
		n++;
		empty += v.len == 0;
	}
	store_cursor_close(c);
	ok(n == 4 && empty == 2, "a walk goes over it");
	txn = store_begin(s);
	is_int(store_del(t, txn, "k2", 2), 0, "it can be deleted");
	is_int(store_commit(txn, 1), 0, "commit");
	ret = store_get(t, NULL, "k2", 2, &v);
	ok(ret == -1 && errno == ENOENT, "it is gone");
	store_close(s);
}

static void
test_maintain(void)
{
	struct store		*s = store_open("maintain", CACHE, 1);
	struct store_txn	*txn;
	struct stat		 st;
	static char		 val[3000];
	char			 key[16];
	uint32_t		 i, k;
	int			 bad = 0;

	for (i = 0; i < 100; i++) {
		txn = store_begin(s);
		for (k = 0; k < 100; k++) {
			snprintf(key, sizeof(key), "%u", k);
			/* Only what differs is logged. */
			memset(val, (int)(i + k), sizeof(val));
			bad |= store_put(store_table(s, "a"), txn, key,
			    strlen(key), val, sizeof(val));
		}
		bad |= store_commit(txn, 0);
		bad |= store_maintain(s, 0);
	}
	is_int(bad, 0, "30 MB of log with checkpoints");
	is_int(store_maintain(s, 1), 0, "a forced one");
	is_int(stat("maintain/log.0000000001", &st), -1,
	    "old log files have gone");
	store_close(s);
}

int
main(void)
{
	char	dir[] = "/tmp/test_store.XXXXXX";

	testdir_enter(dir);
	test_basic();
	test_cursor();
	test_txn();
	test_version();
	test_lock();
	test_killed();
	test_damage();
	test_record();
	test_maintain();
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
