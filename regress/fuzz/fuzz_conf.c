/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd.conf(5), or with a first octet of 1 the users table.  What parses is
 * printed to something that parses, and that to the same again.
 */
#include "compat.h"

#include <sys/mman.h>

#include <stdio.h>

#include "conf.h"
#include "fuzz.h"
#include "log.h"
#include "users.h"

#define ROOM	(1 << 20)

/* Files without a name, and what conf_print() writes to. */
static int	 in = -1, out = -1;
static char	 path[64];

static void
put(int fd, const void *data, size_t len)
{
	FUZZ_ASSERT(ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) ==
	    (ssize_t)len);
}

static size_t
print(const struct conf *c, char *buf)
{
	ssize_t	 n;

	FUZZ_ASSERT(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0);
	conf_print(c);
	FUZZ_ASSERT(fflush(stdout) == 0);
	n = pread(out, buf, ROOM, 0);
	FUZZ_ASSERT(n >= 0 && n < ROOM);
	return (size_t)n;
}

static void
fuzz_grammar(void)
{
	static char	 first[ROOM], second[ROOM];
	struct conf	*c;
	size_t		 n;

	if ((c = conf_parse(path)) == NULL)
		return;
	n = print(c, first);
	conf_free(c);
	put(in, first, n);
	FUZZ_ASSERT((c = conf_parse(path)) != NULL);
	FUZZ_ASSERT(print(c, second) == n && memcmp(first, second, n) == 0);
	conf_free(c);
}

static void
fuzz_users(void)
{
	struct conf	*c = conf_new();
	char		 why[256];

	if (c == NULL)
		return;
	(void)users_read(c, path, why, sizeof(why));
	conf_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (in == -1) {
		log_init("fuzz", 0, 0);
		in = memfd_create("in", MFD_CLOEXEC);
		out = memfd_create("out", MFD_CLOEXEC);
		FUZZ_ASSERT(in != -1 && out != -1 &&
		    dup2(out, STDOUT_FILENO) != -1);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	}
	if (size == 0)
		return 0;
	put(in, data + 1, size - 1);
	if (data[0] == 1)
		fuzz_users();
	else
		fuzz_grammar();
	return 0;
}
