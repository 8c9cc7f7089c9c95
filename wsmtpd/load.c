/* SPDX-License-Identifier: ISC */
/*
 * The files that the configuration names, read and made by the parent with
 * its rights, so that no child needs them.  Called at start, by -n and on
 * reload.
 */
#include "compat.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>

#include "log.h"
#include "users.h"
#include "wsmtpd.h"

#define LOAD_FILE_MAX	(16U << 20)	/* a CA bundle is a tenth of it */

static int	 load_blob(struct conf_blob *, int secret);
static int	 load_read(const char *, int, struct conf_blob *, int secret);
static int	 load_domain(struct conf_domain *);
static int	 load_dir(const char *, mode_t, const char *user);
static int	 load_part(const struct conf *, const char *, mode_t,
		    const char *);
static int	 load_lock(const char *);
static int	 load_secret(struct conf *);
static int	 load_secret_new(struct conf *, const char *path);

int
load_files(struct conf *c)
{
	struct conf_domain	*d;
	struct conf_trust	*t;
	int			 ret = 0;

	TAILQ_FOREACH(d, &c->domains, entry)
		if (load_domain(d) == -1)
			ret = -1;
	TAILQ_FOREACH(t, &c->trusts, entry) {
		if (load_blob(&t->ca, 0) == -1)
			ret = -1;
		if (load_blob(&t->crl, 0) == -1)
			ret = -1;
	}
	if (load_users(c) == -1)
		ret = -1;
	return ret;
}

static int
load_domain(struct conf_domain *d)
{
	struct conf_blob	*all[] = { &d->cert, &d->key, &d->tls_cert,
				    &d->tls_key, &d->client_ca, &d->client_crl };
	size_t			 i;
	int			 ret = 0;

	for (i = 0; i < nitems(all); i++)
		if (load_blob(all[i], all[i] == &d->key ||
		    all[i] == &d->tls_key) == -1)
			ret = -1;
	return ret;
}

/* A blob without a path is one that is not configured. */
static int
load_blob(struct conf_blob *b, int secret)
{
	int	 fd, ret;

	if (b->path == NULL)
		return 0;
	if ((fd = open(b->path, O_RDONLY | O_CLOEXEC)) == -1) {
		log_warn("%s", b->path);
		return -1;
	}
	ret = load_read(b->path, fd, b, secret);
	close(fd);
	return ret;
}

static int
load_read(const char *path, int fd, struct conf_blob *b, int secret)
{
	struct stat	 st;
	uint8_t		*data;
	ssize_t		 n;
	size_t		 len = 0;

	if (fstat(fd, &st) == -1) {
		log_warn("%s", path);
		return -1;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > LOAD_FILE_MAX) {
		log_warnx("%s: expected a regular file of at most %u octets",
		    path, LOAD_FILE_MAX);
		return -1;
	}
	if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		log_warnx("%s: a private key that others may read or change "
		    "(mode %03o); chmod 600 it", path,
		    (unsigned int)(st.st_mode & 0777));
		return -1;
	}
	if ((data = malloc((size_t)st.st_size + 1)) == NULL) {
		log_warn("%s", path);
		return -1;
	}
	while (len < (size_t)st.st_size) {
		n = read(fd, data + len, (size_t)st.st_size - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			log_warn("%s", path);
			freezero(data, (size_t)st.st_size + 1);
			return -1;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (b->data != NULL)
		freezero(b->data, b->len);
	b->data = data;
	b->len = len;
	return 0;
}

int
load_users(struct conf *c)
{
	TAILQ_HEAD(, conf_user)	 old = TAILQ_HEAD_INITIALIZER(old);
	struct conf		*fresh;
	char			 why[256];
	int			 ret = 0;

	if (c->users_path == NULL)
		return 0;
	if ((fresh = conf_new()) == NULL) {
		log_warn("%s", c->users_path);
		return -1;
	}
	if (users_read(fresh, c->users_path, why, sizeof(why)) == -1) {
		if (errno == ENOENT)
			log_warnx("%s: there is none yet: no users "
			    "(wsctl user add)", c->users_path);
		else {
			log_warnx("%s: %s", c->users_path, why);
			ret = -1;
		}
	}
	if (ret == 0) {
		/* An exchange: the old ones end with the scratch object. */
		TAILQ_CONCAT(&old, &c->users, entry);
		TAILQ_CONCAT(&c->users, &fresh->users, entry);
		TAILQ_CONCAT(&fresh->users, &old, entry);
	}
	conf_free(fresh);
	return ret;
}

const char *
load_role_user(const struct conf *c, enum proc_id role, char *buf, size_t len)
{
	if (c->procuser[role] != NULL)
		return c->procuser[role];
	snprintf(buf, len, "_ws%s", proc_name(role));
	return buf;
}

/* --- the spool ----------------------------------------------------------- */

int
load_spool(struct conf *c)
{
	char	 queue[64], local[64], attach[64];
	int	 fd;

	if (load_dir(c->spool, geteuid() == 0 ? 0711 : 0700, NULL) == -1 ||
	    (fd = load_lock(c->spool)) == -1)
		return -1;
	if (load_part(c, "queue", 0700,
	    load_role_user(c, P_QUEUE, queue, sizeof(queue))) == -1 ||
	    load_part(c, "local", 0700,
	    load_role_user(c, P_LOCAL, local, sizeof(local))) == -1 ||
	    load_part(c, "attach", 0700,
	    load_role_user(c, P_ATTACH, attach, sizeof(attach))) == -1 ||
	    load_part(c, "empty", 0755, NULL) == -1 ||
	    load_secret(c) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
load_part(const struct conf *c, const char *name, mode_t mode,
    const char *user)
{
	char	*path;
	int	 ret;

	if (asprintf(&path, "%s/%s", c->spool, name) == -1) {
		log_warn("%s", c->spool);
		return -1;
	}
	ret = load_dir(path, mode, user);
	free(path);
	return ret;
}

/*
 * A directory that is ours, or user's when we are root.  One that is there
 * with another owner or mode is put right: only root's hand could have made
 * it, and a spool that was restored from a backup often needs it.
 */
static int
load_dir(const char *path, mode_t mode, const char *user)
{
	struct passwd	*pw;
	uid_t		 uid = geteuid();
	gid_t		 gid = getegid();
	int		 fd, ret = 0;

	if (uid == 0 && user != NULL) {
		if ((pw = getpwnam(user)) == NULL) {
			log_warnx("%s: no user \"%s\" on this system to own it",
			    path, user);
			return -1;
		}
		uid = pw->pw_uid;
		gid = pw->pw_gid;
	}
	if (mkdir(path, mode) == -1 && errno != EEXIST) {
		log_warn("%s", path);
		return -1;
	}
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC)) == -1) {
		log_warn("%s", path);
		return -1;
	}
	if (geteuid() == 0 && fchown(fd, uid, gid) == -1)
		ret = -1;
	if (fchmod(fd, mode) == -1)
		ret = -1;
	if (ret == -1)
		log_warn("%s", path);
	close(fd);
	return ret;
}

/* Two daemons on one spool would each take it for theirs. */
static int
load_lock(const char *spool)
{
	char	*path;
	int	 fd;

	if (asprintf(&path, "%s/lock", spool) == -1) {
		log_warn("%s", spool);
		return -1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		log_warn("%s", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			log_warnx("%s: another wsmtpd is running on this spool",
			    path);
		else
			log_warn("%s", path);
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

/*
 * 32 octets from which the made-up salts of unknown users are derived
 * (wsemail(7)): they must stay the same over restarts, or the change tells
 * who exists.
 */
static int
load_secret(struct conf *c)
{
	struct conf_blob	 b = { NULL, NULL, 0 };
	char			*path;
	int			 ret = -1, fd;

	if (asprintf(&path, "%s/secret", c->spool) == -1) {
		log_warn("%s", c->spool);
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 && errno == ENOENT)
		ret = load_secret_new(c, path);
	else if (fd == -1)
		log_warn("%s", path);
	else if (load_read(path, fd, &b, 1) == 0) {
		if (b.len == sizeof(c->secret)) {
			memcpy(c->secret, b.data, sizeof(c->secret));
			ret = 0;
		} else
			log_warnx("%s: expected %zu octets, got %zu", path,
			    sizeof(c->secret), b.len);
		freezero(b.data, b.len);
	}
	if (fd != -1)
		close(fd);
	free(path);
	return ret;
}

/* Written aside, synced, renamed, and the directory synced. */
static int
load_secret_new(struct conf *c, const char *path)
{
	char	*tmp;
	int	 fd, dir = -1, ret = -1;

	if (asprintf(&tmp, "%s.tmp", path) == -1) {
		log_warn("%s", path);
		return -1;
	}
	arc4random_buf(c->secret, sizeof(c->secret));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1 || write(fd, c->secret, sizeof(c->secret)) !=
	    (ssize_t)sizeof(c->secret) || fsync(fd) == -1 ||
	    rename(tmp, path) == -1 ||
	    (dir = open(c->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    fsync(dir) == -1)
		log_warn("%s", path);
	else
		ret = 0;
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	free(tmp);
	return ret;
}
