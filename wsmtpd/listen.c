/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets: bound by the parent, which may, and handed to frontend
 * and control, which accept on them.  The parent keeps them open so that a
 * restart of its child refuses nobody.  Called by wsmtpd.c and spawn.c.
 */
#include "compat.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>

#include "log.h"
#include "wsmtpd.h"

#define LISTEN_BACKLOG	4096	/* the kernel cuts it to somaxconn */

static int	 listen_add(struct listeners *, enum proc_id, const char *,
		    const char *, int);
static int	 listen_has(const struct listeners *, const char *, const char *);
static int	 listen_inet(struct listeners *, const struct listeners *,
		    const struct conf_listen *);
static int	 listen_inet_one(const char *, const struct addrinfo *);
static int	 listen_unix(struct listeners *, const struct listeners *,
		    const char *, const char *, mode_t);
static int	 listen_unix_one(const char *, mode_t);
static int	 listen_is_live(const struct sockaddr_un *);
static int	 listen_is_named(const struct listener *, const struct conf *);
static void	 listen_name(const struct conf_listen *, const char *, char *,
		    size_t);
static void	 listen_free(struct listener *, int);

int
listen_open(struct listeners *ls, const struct conf *c,
    const struct listeners *have)
{
	struct conf_listen	*cl;
	struct conf_listen	 any[2];

	TAILQ_FOREACH(cl, &c->listens, entry) {
		if (strcmp(cl->addr, "*") != 0) {
			if (listen_inet(ls, have, cl) == -1)
				return -1;
			continue;
		}
		/* Both families; a host without IPv6 is served on IPv4. */
		any[0] = any[1] = *cl;
		any[0].addr = (char *)"0.0.0.0";
		any[1].addr = (char *)"::";
		if (listen_inet(ls, have, &any[0]) == -1 ||
		    (listen_inet(ls, have, &any[1]) == -1 &&
		    errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
			return -1;
	}
	if (listen_unix(ls, have, "control", c->control_path, 0660) == -1)
		return -1;
	if (c->control_ro_path != NULL &&
	    listen_unix(ls, have, "control-ro", c->control_ro_path, 0666) ==
	    -1)
		return -1;
	return 0;
}

/* Takes fd. */
static int
listen_add(struct listeners *ls, enum proc_id role, const char *kind,
    const char *name, int fd)
{
	struct listener	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->name = strdup(name)) == NULL) {
		log_warn("%s", name);
		free(l);
		close(fd);
		return -1;
	}
	l->role = role;
	l->kind = kind;
	l->fd = fd;
	TAILQ_INSERT_TAIL(ls, l, entry);
	return 0;
}

static int
listen_has(const struct listeners *ls, const char *kind, const char *name)
{
	struct listener	*l;

	if (ls != NULL)
		TAILQ_FOREACH(l, ls, entry)
			if (strcmp(l->kind, kind) == 0 &&
			    strcmp(l->name, name) == 0)
				return 1;
	return 0;
}

static void
listen_free(struct listener *l, int unlink_name)
{
	if (unlink_name && l->role == P_CONTROL && unlink(l->name) == -1 &&
	    errno != ENOENT)
		log_warn("%s", l->name);
	close(l->fd);
	free(l->name);
	free(l);
}

void
listen_close(struct listeners *ls, int unlink_names)
{
	struct listener	*l;

	while ((l = TAILQ_FIRST(ls)) != NULL) {
		TAILQ_REMOVE(ls, l, entry);
		listen_free(l, unlink_names);
	}
}

/* --- TCP ----------------------------------------------------------------- */

/* "127.0.0.1:443", "[::1]:443" */
static void
listen_name(const struct conf_listen *cl, const char *addr, char *buf,
    size_t len)
{
	snprintf(buf, len, strchr(addr, ':') != NULL ? "[%s]:%u" : "%s:%u",
	    addr, cl->port);
}

int
listen_tcp(const char *addr, const char *port, const char *name)
{
	struct addrinfo	 hints, *ai;
	int		 fd, error, saved;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	if ((error = getaddrinfo(addr, port, &hints, &ai)) != 0) {
		log_warnx("listen on %s: %s", name, gai_strerror(error));
		errno = EINVAL;
		return -1;
	}
	fd = listen_inet_one(name, ai);
	saved = errno;
	freeaddrinfo(ai);
	errno = saved;
	return fd;
}

static int
listen_inet(struct listeners *ls, const struct listeners *have,
    const struct conf_listen *cl)
{
	char	 name[128], port[8];
	int	 fd;

	listen_name(cl, cl->addr, name, sizeof(name));
	if (listen_has(have, "https", name) || listen_has(ls, "https", name))
		return 0;
	snprintf(port, sizeof(port), "%u", cl->port);
	if ((fd = listen_tcp(cl->addr, port, name)) == -1)
		return -1;
	return listen_add(ls, P_FRONTEND, "https", name, fd);
}

static int
listen_inet_one(const char *name, const struct addrinfo *ai)
{
	int	 fd, saved, one = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd != -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (ai->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	saved = errno;
	log_warn("listen on %s", name);
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

/* --- control sockets ----------------------------------------------------- */

static int
listen_unix(struct listeners *ls, const struct listeners *have,
    const char *kind, const char *path, mode_t mode)
{
	int	 fd;

	if (listen_has(have, kind, path))
		return 0;
	if ((fd = listen_unix_one(path, mode)) == -1)
		return -1;
	return listen_add(ls, P_CONTROL, kind, path, fd);
}

/* 1: somebody answers there. */
static int
listen_is_live(const struct sockaddr_un *sun)
{
	int	 fd, live;

	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return 0;
	live = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0;
	close(fd);
	return live;
}

static int
listen_unix_one(const char *path, mode_t mode)
{
	struct sockaddr_un	 sun;
	struct stat		 st;
	mode_t			 mask;
	int			 fd, saved;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		log_warnx("%s: longer than the %zu octets of a socket's name",
		    path, sizeof(sun.sun_path) - 1);
		return -1;
	}
	if (listen_is_live(&sun)) {
		log_warnx("%s: another wsmtpd is running", path);
		return -1;
	}
	/* Nothing but a dead socket is removed. */
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			log_warnx("%s: is there and is no socket", path);
			return -1;
		}
		if (unlink(path) == -1) {
			log_warn("%s", path);
			return -1;
		}
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(~mode & 0777);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    chmod(path, mode) == -1 || listen(fd, LISTEN_BACKLOG) == -1) {
		saved = errno;
		log_warn("%s", path);
		if (fd != -1)
			close(fd);
		fd = -1;
		errno = saved;
	}
	umask(mask);
	return fd;
}

/* --- reload -------------------------------------------------------------- */

static int
listen_is_named(const struct listener *l, const struct conf *c)
{
	struct conf_listen	*cl;
	char			 name[128];

	if (l->role == P_CONTROL) {
		const char	*path = strcmp(l->kind, "control") == 0 ?
				    c->control_path : c->control_ro_path;

		return path != NULL && strcmp(path, l->name) == 0;
	}
	TAILQ_FOREACH(cl, &c->listens, entry) {
		listen_name(cl, strcmp(cl->addr, "*") == 0 ? "0.0.0.0" :
		    cl->addr, name, sizeof(name));
		if (strcmp(name, l->name) == 0)
			return 1;
		listen_name(cl, "::", name, sizeof(name));
		if (strcmp(cl->addr, "*") == 0 && strcmp(name, l->name) == 0)
			return 1;
	}
	return 0;
}

void
listen_replace(struct parent *pp, struct listeners *fresh)
{
	struct listener	*l, *next;

	TAILQ_FOREACH_SAFE(l, &pp->listeners, entry, next)
		if (!listen_is_named(l, pp->conf)) {
			log_info("no longer listening on %s", l->name);
			TAILQ_REMOVE(&pp->listeners, l, entry);
			listen_free(l, 1);
		}
	while ((l = TAILQ_FIRST(fresh)) != NULL) {
		TAILQ_REMOVE(fresh, l, entry);
		TAILQ_INSERT_TAIL(&pp->listeners, l, entry);
		log_info("listening on %s", l->name);
		spawn_send_listener(pp, l);
	}
}
