/* SPDX-License-Identifier: ISC */
/* lib/blob.c: writing, checking, what a crash leaves, collecting. */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "blob.h"
#include "log.h"
#include "tap.h"
#include "testdir.h"

static int	 keep_odd(uint64_t, void *);
static int	 scribble(const char *, const char *);
static void	 test_read(void);
static void	 test_collect(void);

static int
keep_odd(uint64_t id, void *arg)
{
	(*(int *)arg)++;
	return (id & 1) == 1;
}

static int
scribble(const char *path, const char *text)
{
	int	fd;

	if ((fd = open(path, O_WRONLY | O_CREAT, 0600)) == -1 ||
	    write(fd, text, strlen(text)) == -1)
		return -1;
	return close(fd);
}

static void
test_read(void)
{
	struct stat	 st;
	static uint8_t	 data[100000];
	uint8_t		 digest[32], other[32], *p;
	size_t		 i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	is_int(blob_write(0x1234567890abcdefULL, data, sizeof(data), digest),
	    0, "write");
	is_int(stat("body/ef/1234567890abcdef", &st), 0, "its name");
	is_int(st.st_mode & 0777, 0600, "its mode");
	is_int(stat("tmp/1234567890abcdef", &st), -1, "nothing in tmp");
	p = blob_read(0x1234567890abcdefULL, sizeof(data), digest);
	ok(p != NULL && memcmp(p, data, sizeof(data)) == 0, "read");
	free(p);
	p = blob_read(0x1234567890abcdefULL, sizeof(data) - 1, digest);
	ok(p == NULL && errno == EILSEQ, "another length: EILSEQ");
	memcpy(other, digest, sizeof(other));
	other[31] ^= 1;
	p = blob_read(0x1234567890abcdefULL, sizeof(data), other);
	ok(p == NULL && errno == EILSEQ, "another digest: EILSEQ");
	is_int(scribble("body/ef/1234567890abcdef", "X"), 0, "one octet");
	p = blob_read(0x1234567890abcdefULL, sizeof(data), digest);
	ok(p == NULL && errno == EILSEQ, "changed on disk: EILSEQ");
	p = blob_read(99, 1, digest);
	ok(p == NULL && errno == EILSEQ, "no file: EILSEQ");
	is_int(blob_write(7, "", 0, digest), 0, "an empty one");
	p = blob_read(7, 0, digest);
	ok(p != NULL, "reads");
	free(p);
	is_int(blob_unlink(7), 0, "unlink");
	is_int(blob_unlink(7), -1, "once");
}

static void
test_collect(void)
{
	struct stat	st;
	uint8_t		digest[32];
	uint64_t	i;
	int		seen = 0;

	is_int(blob_unlink(0x1234567890abcdefULL), 0, "the last is removed");
	for (i = 0; i < 10; i++)
		blob_write(0x1000 + i, "body", 4, digest);
	scribble("tmp/0000000000000001", "half");
	scribble("body/00/README", "what is this");
	scribble("body/01/0000000000000000", "in the wrong directory");
	is_int(blob_collect(keep_odd, &seen), 6,
	    "five bodies and one of tmp removed");
	is_int(seen, 10, "all ten were asked about");
	is_int(stat("body/01/0000000000001001", &st), 0, "kept");
	is_int(stat("body/02/0000000000001002", &st), -1, "removed");
	is_int(stat("tmp/0000000000000001", &st), -1, "tmp is empty");
	is_int(stat("quarantine/README", &st), 0, "a stranger is set aside");
	is_int(stat("quarantine/0000000000000000", &st), 0,
	    "a wrong place too");
}

int
main(void)
{
	char	dir[] = "/tmp/test_blob.XXXXXX";

	log_init("test_blob", 1, 0);
	testdir_enter(dir);
	is_int(blob_init("."), 0, "init");
	is_int(blob_init("."), 0, "init again");
	test_read();
	test_collect();
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
