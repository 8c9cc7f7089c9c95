/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd.conf(5), its grammar and its printing.  What parses is printed to
 * something that parses and is printed to the same.  Standard output is a
 * file here; what the parser says is not looked at (fuzz.sh closes it).
 */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "conf.h"
#include "file.h"
#include "fuzz.h"

static int	 output(void);
static char	*print(const struct conf *, size_t *);

/* A descriptor of standard output's file, which has no name any more. */
static int
output(void)
{
	static int	 fd = -1;
	char		 path[1024];
	const char	*dir = getenv("TMPDIR");

	if (fd != -1)
		return fd;
	snprintf(path, sizeof(path), "%s/print.XXXXXXXXXX", dir != NULL ? dir :
	    "/tmp");
	FUZZ_ASSERT((fd = mkstemp(path)) != -1 && unlink(path) == 0 &&
	    fflush(stdout) == 0 && dup2(fd, STDOUT_FILENO) != -1);
	return fd;
}

static char *
print(const struct conf *c, size_t *len)
{
	struct stat	 st;
	char		*text;
	int		 fd = output();

	FUZZ_ASSERT(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	conf_print(c);
	FUZZ_ASSERT(fflush(stdout) == 0 && fstat(fd, &st) == 0);
	*len = (size_t)st.st_size;
	FUZZ_ASSERT((text = malloc(*len + 1)) != NULL &&
	    pread(fd, text, *len, 0) == (ssize_t)*len);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf	*c;
	char		*first, *second;
	size_t		 n, m;

	if ((c = conf_parse(file_with(data, size))) == NULL)
		return 0;
	first = print(c, &n);
	conf_free(c);
	FUZZ_ASSERT((c = conf_parse(file_with(first, n))) != NULL);
	second = print(c, &m);
	conf_free(c);
	FUZZ_ASSERT(n == m && memcmp(first, second, n) == 0);
	free(first);
	free(second);
	return 0;
}
