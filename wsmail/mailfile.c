/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailfile.h"

uint8_t *
mailfile_read_stream(FILE *f, size_t *lenp)
{
	uint8_t		*buf = NULL, *p;
	size_t		 len = 0, cap = 0, n;
	int		 saved;

	do {
		if (len + 1 >= cap) {
			cap = cap == 0 ? 16384 : cap * 2;
			if (cap > MAILFILE_MAX * 2U ||
			    (p = realloc(buf, cap)) == NULL) {
				free(buf);
				errno = cap > MAILFILE_MAX * 2U ? EFBIG :
				    ENOMEM;
				return NULL;
			}
			buf = p;
		}
		n = fread(buf + len, 1, cap - len - 1, f);
		len += n;
	} while (n > 0);
	if (ferror(f)) {
		saved = errno;
		free(buf);
		errno = saved;
		return NULL;
	}
	buf[len] = '\0';
	*lenp = len;
	return buf;
}

uint8_t *
mailfile_read(const char *path, size_t *len)
{
	uint8_t	*p;
	FILE	*f;
	int	 saved;

	if ((f = fopen(path, "re")) == NULL)
		return NULL;
	p = mailfile_read_stream(f, len);
	saved = errno;
	fclose(f);
	errno = saved;
	return p;
}

int
mailfile_write(const char *path, const void *data, size_t len)
{
	const uint8_t	*p = data;
	ssize_t		 n;
	int		 fd, saved;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return -1;
	for (; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) == -1)
			goto err;
	if (fsync(fd) == -1)
		goto err;
	return close(fd);
err:
	saved = errno;
	close(fd);
	(void)unlink(path);
	errno = saved;
	return -1;
}
