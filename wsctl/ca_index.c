/* SPDX-License-Identifier: ISC */
/*
 * The certificate authority's files: the index of what was issued, and
 * writing that a crash cannot leave half done.  Called by ca.c.
 *
 * The index is text: a first line with the number of the last revocation
 * list, then a line a certificate: serial, kind, end of validity, time of
 * revocation or 0, name.
 */
#include "compat.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>

#include "ca.h"

#define CA_INDEX	"index"
#define CA_LOCK		"lock"
#define CA_INDEX_HEAD	"wsctl-ca 1"

static const char *ca_kinds[] = {
	[CA_DOMAIN] = "domain", [CA_TLS] = "tls", [CA_USER] = "user"
};

static int	 ca_index_head(char *, struct ca_index *);
static int	 ca_index_line(char *, struct ca_entry *);
static int	 ca_number(const char *, int64_t *);
static void	 ca_sync_directory(const char *);

const char *
ca_kind_name(enum ca_kind kind)
{
	return ca_kinds[kind];
}

char *
ca_path(const char *dir, const char *name)
{
	char	*path;

	if (asprintf(&path, "%s/%s", dir, name) == -1)
		err(EX_OSERR, NULL);
	return path;
}

int
ca_lock(const char *dir)
{
	char	*path = ca_path(dir, CA_LOCK);
	int	 fd;

	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1 ||
	    flock(fd, LOCK_EX) == -1)
		err(errno == ENOENT ? EX_NOINPUT : errno == EACCES ?
		    EX_NOPERM : EX_CANTCREAT, "%s", path);
	free(path);
	return fd;
}

static int
ca_number(const char *s, int64_t *n)
{
	const char	*errstr;

	*n = strtonum(s, 0, INT64_MAX, &errstr);
	return errstr == NULL ? 0 : -1;
}

static int
ca_index_head(char *line, struct ca_index *x)
{
	const size_t	 len = sizeof(CA_INDEX_HEAD) - 1;

	if (strncmp(line, CA_INDEX_HEAD " ", len + 1) != 0)
		return -1;
	return ca_number(line + len + 1, &x->crlnumber);
}

static int
ca_index_line(char *line, struct ca_entry *e)
{
	char	*serial, *kind, *expires, *revoked;
	size_t	 i;

	serial = strsep(&line, " ");
	kind = strsep(&line, " ");
	expires = strsep(&line, " ");
	revoked = strsep(&line, " ");
	if (line == NULL || *line == '\0' ||
	    strlen(serial) != CA_SERIAL_HEX ||
	    strspn(serial, "0123456789abcdef") != CA_SERIAL_HEX ||
	    ca_number(expires, &e->expires) == -1 ||
	    ca_number(revoked, &e->revoked) == -1)
		return -1;
	for (i = 0; i < nitems(ca_kinds); i++)
		if (strcmp(kind, ca_kinds[i]) == 0)
			break;
	if (i == nitems(ca_kinds))
		return -1;
	e->kind = (enum ca_kind)i;
	strlcpy(e->serial, serial, sizeof(e->serial));
	if ((e->name = strdup(line)) == NULL)
		err(EX_OSERR, NULL);
	return 0;
}

struct ca_entry *
ca_index_add(struct ca_index *x)
{
	struct ca_entry	*e;

	e = reallocarray(x->entries, x->n + 1, sizeof(*e));
	if (e == NULL)
		err(EX_OSERR, NULL);
	x->entries = e;
	memset(&e[x->n], 0, sizeof(*e));
	return &e[x->n++];
}

void
ca_index_read(const char *dir, struct ca_index *x)
{
	char	*path = ca_path(dir, CA_INDEX), *line = NULL;
	size_t	 size = 0, lineno = 0;
	ssize_t	 len;
	FILE	*f;
	int	 rv;

	memset(x, 0, sizeof(*x));
	if ((f = fopen(path, "re")) == NULL)
		err(EX_NOINPUT, "%s", path);
	while ((len = getline(&line, &size, f)) != -1) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (++lineno == 1)
			rv = ca_index_head(line, x);
		else
			rv = ca_index_line(line, ca_index_add(x));
		if (rv == -1)
			errx(EX_DATAERR, "%s:%zu: not a line of the index",
			    path, lineno);
	}
	if (ferror(f))
		err(EX_IOERR, "%s", path);
	if (lineno == 0)
		errx(EX_DATAERR, "%s: empty", path);
	fclose(f);
	free(line);
	free(path);
}

void
ca_index_write(const char *dir, const struct ca_index *x)
{
	const struct ca_entry	*e;
	char			*path = ca_path(dir, CA_INDEX), *text = NULL;
	size_t			 len, i;
	FILE			*f;

	if ((f = open_memstream(&text, &len)) == NULL)
		err(EX_OSERR, NULL);
	fprintf(f, "%s %lld\n", CA_INDEX_HEAD, (long long)x->crlnumber);
	for (i = 0; i < x->n; i++) {
		e = &x->entries[i];
		fprintf(f, "%s %s %lld %lld %s\n", e->serial,
		    ca_kinds[e->kind], (long long)e->expires,
		    (long long)e->revoked, e->name);
	}
	if (fclose(f) == EOF)
		err(EX_OSERR, NULL);
	ca_write(path, text, len, 0644, 0);
	free(text);
	free(path);
}

void
ca_index_free(struct ca_index *x)
{
	size_t	 i;

	for (i = 0; i < x->n; i++)
		free(x->entries[i].name);
	free(x->entries);
	memset(x, 0, sizeof(*x));
}

static void
ca_sync_directory(const char *path)
{
	const char	*slash = strrchr(path, '/');
	char		*dir;
	int		 fd;

	if (slash == NULL)
		dir = strdup(".");
	else
		dir = strndup(path, (size_t)(slash - path) + 1);
	if (dir == NULL)
		err(EX_OSERR, NULL);
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    fsync(fd) == -1)
		err(EX_IOERR, "%s", dir);
	close(fd);
	free(dir);
}

void
ca_write(const char *path, const char *data, size_t len, int mode, int fresh)
{
	char	*tmp;
	ssize_t	 n;
	int	 fd, saved;

	if (asprintf(&tmp, "%s.XXXXXXXXXX", path) == -1)
		err(EX_OSERR, NULL);
	if ((fd = mkstemp(tmp)) == -1)
		err(EX_CANTCREAT, "%s", tmp);
	while (len > 0) {
		if ((n = write(fd, data, len)) == -1)
			goto fail;
		data += n;
		len -= (size_t)n;
	}
	if (fchmod(fd, (mode_t)mode) == -1 || fsync(fd) == -1)
		goto fail;
	/* link(2) refuses to replace, rename(2) does not. */
	if (fresh ? link(tmp, path) == -1 : rename(tmp, path) == -1)
		goto fail;
	if (fresh && unlink(tmp) == -1)
		warn("%s", tmp);
	close(fd);
	ca_sync_directory(path);
	free(tmp);
	return;
 fail:
	saved = errno;
	unlink(tmp);
	errno = saved;
	err(EX_CANTCREAT, "%s", path);
}
