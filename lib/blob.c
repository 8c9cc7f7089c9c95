/* SPDX-License-Identifier: ISC */
/*
 * Body files of wsqueue and wslocal (blob.h).  The names are relative: both
 * daemons live in their environment's directory.
 *
 * What a crash leaves, by the last step that was done:
 *	B1 tmp/<id> is written		removed at start
 *	B2 it is synced			removed at start
 *	B3 it has its name in body/	removed at start: no record names it
 *	B4 the directory is synced	the same
 *	B5 the record is committed	kept; it is whole, because of B2 and B4
 */
#include "compat.h"

#include <sys/stat.h>

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "blob.h"
#include "log.h"

#define BLOB_FANOUT	256

static int	 blob_mkdir(const char *, const char *);
static int	 blob_path(char *, size_t, const char *, uint64_t);
static int	 blob_sync_dir(const char *);
static int	 blob_write_all(int, const uint8_t *, size_t);
static int	 blob_digest(const void *, size_t, uint8_t[32]);
static int	 blob_id(const char *, uint64_t *);
static int	 blob_collect_dir(const char *, unsigned int,
		    int (*)(uint64_t, void *), void *);
static int	 blob_quarantine(const char *, const char *);
static int	 blob_empty_tmp(void);

static int
blob_mkdir(const char *dir, const char *name)
{
	char	path[PATH_MAX];
	int	n;

	n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return -1;
	return 0;
}

int
blob_init(const char *dir)
{
	char		name[16];
	unsigned int	i;

	if (blob_mkdir(dir, "tmp") == -1 || blob_mkdir(dir, "body") == -1 ||
	    blob_mkdir(dir, "quarantine") == -1)
		return -1;
	for (i = 0; i < BLOB_FANOUT; i++) {
		snprintf(name, sizeof(name), "body/%02x", i);
		if (blob_mkdir(dir, name) == -1)
			return -1;
	}
	if (blob_sync_dir("body") == -1)
		return -1;
	return blob_sync_dir(dir);
}

/* tmp/<id>, or body/<last two digits>/<id>: ids grow, so these vary most. */
static int
blob_path(char *buf, size_t size, const char *top, uint64_t id)
{
	int	n;

	if (strcmp(top, "body") == 0)
		n = snprintf(buf, size, "body/%02x/%016llx",
		    (unsigned int)(id & 0xff), (unsigned long long)id);
	else
		n = snprintf(buf, size, "%s/%016llx", top,
		    (unsigned long long)id);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int
blob_sync_dir(const char *path)
{
	int	fd, saved;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	if (fsync(fd) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	close(fd);
	return 0;
}

static int
blob_write_all(int fd, const uint8_t *p, size_t len)
{
	ssize_t	n;

	while (len > 0) {
		if ((n = write(fd, p, len)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
blob_digest(const void *p, size_t len, uint8_t digest[32])
{
	if (EVP_Digest(p, len, digest, NULL, EVP_sha256(), NULL) != 1) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

int
blob_write(uint64_t id, const void *p, size_t len, uint8_t digest[32])
{
	char	tmp[64], name[64], dir[16];
	int	fd, saved;

	if (blob_digest(p, len, digest) == -1 ||
	    blob_path(tmp, sizeof(tmp), "tmp", id) == -1 ||
	    blob_path(name, sizeof(name), "body", id) == -1)
		return -1;
	snprintf(dir, sizeof(dir), "body/%02x", (unsigned int)(id & 0xff));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return -1;
	if (blob_write_all(fd, p, len) == -1 || fsync(fd) == -1)
		goto fail;
	if (close(fd) == -1) {
		fd = -1;
		goto fail;
	}
	fd = -1;
	if (rename(tmp, name) == -1)
		goto fail;
	if (blob_sync_dir(dir) == -1) {
		saved = errno;
		(void)unlink(name);
		errno = saved;
		return -1;
	}
	return 0;
 fail:
	saved = errno;
	if (fd != -1)
		close(fd);
	(void)unlink(tmp);
	errno = saved;
	return -1;
}

uint8_t *
blob_read(uint64_t id, size_t len, const uint8_t digest[32])
{
	struct stat	 st;
	uint8_t		 is[32], *buf = NULL;
	char		 name[64];
	size_t		 off = 0;
	ssize_t		 n;
	int		 fd, saved;

	if (blob_path(name, sizeof(name), "body", id) == -1)
		return NULL;
	if ((fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1) {
		if (errno == ENOENT || errno == ELOOP)
			errno = EILSEQ;	/* a record names it: it must be there */
		return NULL;
	}
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size != len) {
		errno = EILSEQ;
		goto fail;
	}
	if ((buf = malloc(len == 0 ? 1 : len)) == NULL)
		goto fail;
	while (off < len) {
		if ((n = read(fd, buf + off, len - off)) == -1) {
			if (errno == EINTR)
				continue;
			goto fail;
		}
		if (n == 0) {
			errno = EILSEQ;
			goto fail;
		}
		off += (size_t)n;
	}
	if (blob_digest(buf, len, is) == -1)
		goto fail;
	if (memcmp(is, digest, sizeof(is)) != 0) {
		errno = EILSEQ;
		goto fail;
	}
	close(fd);
	return buf;
 fail:
	saved = errno;
	close(fd);
	free(buf);
	errno = saved;
	return NULL;
}

int
blob_unlink(uint64_t id)
{
	char	name[64];

	if (blob_path(name, sizeof(name), "body", id) == -1)
		return -1;
	return unlink(name);
}

/* Exactly 16 lower-case hexadecimal digits. */
static int
blob_id(const char *s, uint64_t *id)
{
	const char	*hex = "0123456789abcdef", *h;
	uint64_t	 v = 0;
	int		 i;

	for (i = 0; i < 16; i++) {
		if (s[i] == '\0' || (h = strchr(hex, s[i])) == NULL)
			return -1;
		v = v << 4 | (uint64_t)(h - hex);
	}
	if (s[16] != '\0')
		return -1;
	*id = v;
	return 0;
}

static int
blob_quarantine(const char *dir, const char *name)
{
	char	from[PATH_MAX], to[PATH_MAX];
	int	n, m;

	n = snprintf(from, sizeof(from), "%s/%s", dir, name);
	m = snprintf(to, sizeof(to), "quarantine/%s", name);
	if (n < 0 || m < 0 || (size_t)n >= sizeof(from) ||
	    (size_t)m >= sizeof(to)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	log_warnx("%s: not a body file, moved to quarantine/", from);
	return rename(from, to);
}

static int
blob_empty_tmp(void)
{
	struct dirent	*de;
	DIR		*d;
	int		 removed = 0;

	if ((d = opendir("tmp")) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) == 0)
			removed++;
		else
			log_warn("tmp/%s", de->d_name);
	}
	closedir(d);
	return removed;
}

static int
blob_collect_dir(const char *path, unsigned int fan,
    int (*keep)(uint64_t, void *), void *arg)
{
	struct dirent	*de;
	uint64_t	 id;
	DIR		*d;
	int		 removed = 0;

	if ((d = opendir(path)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (blob_id(de->d_name, &id) == -1 || (id & 0xff) != fan) {
			if (blob_quarantine(path, de->d_name) == -1)
				log_warn("%s/%s", path, de->d_name);
			continue;
		}
		if (keep(id, arg))
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) == 0)
			removed++;
		else
			log_warn("%s/%s", path, de->d_name);
	}
	closedir(d);
	return removed;
}

int
blob_collect(int (*keep)(uint64_t, void *), void *arg)
{
	char		path[16];
	unsigned int	i;
	int		n, removed;

	if ((removed = blob_empty_tmp()) == -1)
		return -1;
	for (i = 0; i < BLOB_FANOUT; i++) {
		snprintf(path, sizeof(path), "body/%02x", i);
		if ((n = blob_collect_dir(path, i, keep, arg)) == -1)
			return -1;
		removed += n;
	}
	return removed;
}
