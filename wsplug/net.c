/* SPDX-License-Identifier: ISC */
/* grant listen on, grant connect: sockets that the parent opened. */
#include "compat.h"

#include <sys/socket.h>

#include <errno.h>

#include "log.h"
#include "wsplug.h"

#define CONNECT_TIMEOUT	30	/* s */

struct connecting {
	TAILQ_ENTRY(connecting) entry;
	struct wsp	*w;
	uint64_t	 id;
	int		 fd;		/* -1: the parent has not answered */
	struct event	*ev;
	void		(*done)(struct wsp *, int, int, void *);
	void		*arg;
};

static void	 connecting_end(struct connecting *, int, int);
static void	 connecting_ready(evutil_socket_t, short, void *);
static struct connecting *connecting_find(struct wsp *, uint64_t);

void
net_listener(struct wsp *w, const char *name, int fd)
{
	struct listening	*l;

	if (fd == -1)
		return;
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->name = strdup(name)) == NULL)
		fatal("listener");
	l->fd = fd;
	TAILQ_INSERT_TAIL(&w->listeners, l, entry);
}

int
wsp_listener(struct wsp *w, size_t n, const char **name)
{
	struct listening	*l;

	TAILQ_FOREACH(l, &w->listeners, entry)
		if (n-- == 0) {
			*name = l->name;
			return l->fd;
		}
	errno = ENOENT;
	return -1;
}

int
wsp_connect(struct wsp *w, const char *addr, const char *port,
    void (*done)(struct wsp *, int, int, void *), void *arg)
{
	const struct conf_pair	*p;
	struct connecting	*c;
	struct wbuf		 b = { 0 };

	TAILQ_FOREACH(p, &w->cp->connects, entry)
		if (strcmp(p->name, addr) == 0 && strcmp(p->value, port) == 0)
			break;
	if (p == NULL) {
		errno = EPERM;
		return -1;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return -1;
	c->w = w;
	c->id = ++w->last_connect;
	c->fd = -1;
	c->done = done;
	c->arg = arg;
	TAILQ_INSERT_TAIL(&w->connecting, c, entry);
	plug_connect_put(&b, addr, port);
	if (w->p->parent != NULL && chan_sendw(w->p->parent,
	    IMSG_PARENT_PLUG_CONNECT, c->id, &b) == 0)
		return 0;
	wbuf_free(&b);
	TAILQ_REMOVE(&w->connecting, c, entry);
	free(c);
	errno = EAGAIN;
	return -1;
}

static struct connecting *
connecting_find(struct wsp *w, uint64_t id)
{
	struct connecting	*c;

	TAILQ_FOREACH(c, &w->connecting, entry)
		if (c->id == id && c->fd == -1)
			return c;
	return NULL;
}

/* fd: the plug-in's from here on, or -1 and why. */
static void
connecting_end(struct connecting *c, int fd, int error)
{
	TAILQ_REMOVE(&c->w->connecting, c, entry);
	if (c->ev != NULL)
		event_free(c->ev);
	c->done(c->w, fd, error, c->arg);
	free(c);
}

static void
connecting_ready(evutil_socket_t fd, short what, void *arg)
{
	struct connecting	*c = arg;
	socklen_t		 len = sizeof(int);
	int			 error = ETIMEDOUT;

	if (what & EV_WRITE && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error,
	    &len) == -1)
		error = errno;
	if (error != 0)
		close(fd);
	connecting_end(c, error == 0 ? fd : -1, error);
}

int
net_connected(struct wsp *w, struct imsg *imsg)
{
	struct connecting	*c = connecting_find(w, imsg->hdr.id);
	const struct timeval	 tv = { CONNECT_TIMEOUT, 0 };

	if (c == NULL)
		return -1;
	c->fd = imsg_claim_fd(imsg);
	if ((c->ev = event_new(w->p->base, c->fd, EV_WRITE, connecting_ready,
	    c)) == NULL || event_add(c->ev, &tv) == -1) {
		close(c->fd);
		connecting_end(c, -1, ENOMEM);
	}
	return 0;
}

int
net_not_connected(struct wsp *w, struct imsg *imsg)
{
	struct connecting	*c = connecting_find(w, imsg->hdr.id);
	struct rbuf		 r;
	uint32_t		 error;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	error = rbuf_u32(&r);
	if (c == NULL || rbuf_end(&r) == -1)
		return -1;
	connecting_end(c, -1, error == 0 ? EIO : (int)error);
	return 0;
}
