/* SPDX-License-Identifier: ISC */
/*
 * Files of the attachments (file.h).  The names are relative: the daemon
 * lives in its directory.
 *
 * How an upload becomes a content; what a crash leaves, by the last step:
 *	A1 octets are in part/		kept; it goes on where the record says,
 *					or where the file ends, if that is less
 *	A2 digest checked, file synced	as A1; it is finished again
 *	A3 record: PLACING, the digest	as A1
 *	A4 renamed into content/	found at start: the upload is completed
 *	A5 the directory is synced	the same
 *	A6 records of content and	done
 *	   upload are synced
 * If the record of A3 was lost with the machine, the file of A4 is removed
 * as one that no record names, and the upload begins anew.
 */
#include "compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "file.h"
#include "log.h"
#include "wstime.h"

#define NAME_MAX_LEN	96		/* of all paths here */

static void	 file_hex(const uint8_t *, size_t, char *);
static int	 file_unhex(const char *, uint8_t *, size_t);
static void	 file_part_name(const uint8_t[ATTACH_ID], char[NAME_MAX_LEN]);
static void	 file_content_name(const uint8_t[ATTACH_DIGEST],
		    char[NAME_MAX_LEN]);
static int	 file_mkdir(const char *);
static int	 file_sync_path(const char *, int);
static int	 file_old(int, const char *, int64_t);

static void
file_hex(const uint8_t *p, size_t n, char *buf)
{
	static const char	 hex[] = "0123456789abcdef";

	for (; n > 0; n--, p++) {
		*buf++ = hex[*p >> 4];
		*buf++ = hex[*p & 15];
	}
	*buf = '\0';
}

/* The octets of 2n lower-case digits; the digits they take, or -1. */
static int
file_unhex(const char *s, uint8_t *p, size_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	const char		*h;
	size_t			 i;

	memset(p, 0, n);
	for (i = 0; i < 2 * n; i++) {
		if (s[i] == '\0' || (h = strchr(hex, s[i])) == NULL)
			return -1;
		p[i / 2] = (uint8_t)(p[i / 2] << 4 | (h - hex));
	}
	return (int)(2 * n);
}

char *
file_digest_str(const uint8_t digest[ATTACH_DIGEST], char buf[FILE_HEX])
{
	file_hex(digest, ATTACH_DIGEST, buf);
	return buf;
}

static void
file_part_name(const uint8_t id[ATTACH_ID], char path[NAME_MAX_LEN])
{
	char	hex[ATTACH_HEX];

	file_hex(id, ATTACH_ID, hex);
	snprintf(path, NAME_MAX_LEN, "part/%02x/%s", id[0], hex);
}

static void
file_content_name(const uint8_t digest[ATTACH_DIGEST],
    char path[NAME_MAX_LEN])
{
	char	hex[FILE_HEX];

	file_hex(digest, ATTACH_DIGEST, hex);
	snprintf(path, NAME_MAX_LEN, "content/%02x/%s", digest[0], hex);
}

static int
file_mkdir(const char *path)
{
	return mkdir(path, 0700) == -1 && errno != EEXIST ? -1 : 0;
}

static int
file_sync_path(const char *path, int flags)
{
	int	fd, saved;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags)) == -1)
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

int
file_init(void)
{
	static const char *const	 tops[] = { "part", "content" };
	char				 path[NAME_MAX_LEN];
	unsigned int			 i;
	size_t				 t;

	for (t = 0; t < nitems(tops); t++) {
		if (file_mkdir(tops[t]) == -1)
			return -1;
		for (i = 0; i < FILE_FANOUT; i++) {
			snprintf(path, sizeof(path), "%s/%02x", tops[t], i);
			if (file_mkdir(path) == -1)
				return -1;
		}
		if (file_sync_path(tops[t], O_DIRECTORY) == -1)
			return -1;
	}
	return file_sync_path(".", O_DIRECTORY);
}

int
file_part_open(const uint8_t id[ATTACH_ID], uint64_t *size)
{
	struct stat	 st;
	char		 path[NAME_MAX_LEN];
	int		 fd, saved;

	file_part_name(id, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int
file_part_read(const uint8_t id[ATTACH_ID])
{
	char	path[NAME_MAX_LEN];

	file_part_name(id, path);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int
file_part_unlink(const uint8_t id[ATTACH_ID])
{
	char	path[NAME_MAX_LEN];

	file_part_name(id, path);
	return unlink(path);
}

int
file_part_sync(const uint8_t id[ATTACH_ID])
{
	char	path[NAME_MAX_LEN];

	file_part_name(id, path);
	return file_sync_path(path, 0);
}

int
file_place(const uint8_t id[ATTACH_ID], const uint8_t digest[ATTACH_DIGEST])
{
	char	from[NAME_MAX_LEN], to[NAME_MAX_LEN];

	file_part_name(id, from);
	file_content_name(digest, to);
	if (rename(from, to) == -1)
		return -1;
	return file_placed(digest);
}

int
file_placed(const uint8_t digest[ATTACH_DIGEST])
{
	char	dir[NAME_MAX_LEN];

	snprintf(dir, sizeof(dir), "content/%02x", digest[0]);
	return file_sync_path(dir, O_DIRECTORY);
}

int
file_content_open(const uint8_t digest[ATTACH_DIGEST], uint64_t *size)
{
	struct stat	 st;
	char		 path[NAME_MAX_LEN];
	int		 fd, saved;

	file_content_name(digest, path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return -1;
	if (fstat(fd, &st) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int
file_content_is(const uint8_t digest[ATTACH_DIGEST], uint64_t size)
{
	struct stat	 st;
	char		 path[NAME_MAX_LEN];

	file_content_name(digest, path);
	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

int
file_content_unlink(const uint8_t digest[ATTACH_DIGEST])
{
	char	path[NAME_MAX_LEN];

	file_content_name(digest, path);
	return unlink(path);
}

int
file_content_bad(const uint8_t digest[ATTACH_DIGEST])
{
	char	from[NAME_MAX_LEN], to[NAME_MAX_LEN + 4];

	file_content_name(digest, from);
	snprintf(to, sizeof(to), "%s.bad", from);
	return rename(from, to);
}

ssize_t
file_read(int fd, void *buf, size_t len, uint64_t offset)
{
	uint8_t	*p = buf;
	size_t	 off = 0;
	ssize_t	 n;

	while (off < len) {
		n = pread(fd, p + off, len - off, (off_t)(offset + off));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		off += (size_t)n;
	}
	return (ssize_t)off;
}

ssize_t
file_write(int fd, const void *buf, size_t len, uint64_t offset)
{
	const uint8_t	*p = buf;
	size_t		 off = 0;
	ssize_t		 n;

	while (off < len) {
		n = pwrite(fd, p + off, len - off, (off_t)(offset + off));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		off += (size_t)n;
	}
	return (ssize_t)off;
}

/*
 * A file that was renamed a moment ago may have been written long before:
 * both times count.  One whose time lies ahead counts as old: the clock was
 * set back.
 */
static int
file_old(int dir, const char *name, int64_t age)
{
	struct stat	st;
	int64_t		now = wstime_now() / 1000, last;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	last = st.st_mtime > st.st_ctime ? st.st_mtime : st.st_ctime;
	return last > now + age || now - last >= age;
}

int
file_walk(int content, unsigned int fan, int64_t age, file_fn fn, void *arg)
{
	struct dirent	*de;
	uint8_t		 key[ATTACH_DIGEST];
	char		 path[NAME_MAX_LEN];
	size_t		 len = content ? ATTACH_DIGEST : ATTACH_ID;
	DIR		*d;
	int		 n, ours, bad, removed = 0;

	snprintf(path, sizeof(path), "%s/%02x", content ? "content" : "part",
	    fan);
	if ((d = opendir(path)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 ||
		    !file_old(dirfd(d), de->d_name, age))
			continue;
		n = file_unhex(de->d_name, key, len);
		bad = n != -1 && content &&
		    strcmp(de->d_name + n, ".bad") == 0;
		ours = n != -1 && key[0] == fan &&
		    (bad || de->d_name[n] == '\0');
		if (!ours) {
			log_warnx("%s/%s: not a file of ours, left alone",
			    path, de->d_name);
			continue;
		}
		if (!fn(arg, content, key, bad))
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) == 0)
			removed++;
		else
			log_warn("%s/%s", path, de->d_name);
	}
	closedir(d);
	return removed;
}
