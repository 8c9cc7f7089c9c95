/* SPDX-License-Identifier: ISC */
/* Options, log, timer and descriptors of the plug-in. */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"
#include "textout.h"
#include "wsplug.h"

static void	 service_tick(evutil_socket_t, short, void *);
static void	 service_watched(evutil_socket_t, short, void *);

const char *
wsp_name(const struct wsp *w)
{
	return w->cp->name;
}

const char *
wsp_option(const struct wsp *w, const char *name)
{
	return conf_option(&w->cp->options, name);
}

const char *
wsp_option_at(const struct wsp *w, size_t i, const char **value)
{
	const struct conf_pair	*o;

	TAILQ_FOREACH(o, &w->cp->options, entry)
		if (i-- == 0) {
			*value = o->value;
			return o->name;
		}
	return NULL;
}

void
wsp_log(struct wsp *w, const char *fmt, ...)
{
	struct wbuf	 b = { 0 };
	va_list		 ap;
	char		 line[1024];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	textout_safe(&b, line, 0);
	wbuf_u8(&b, 0);
	if (!b.error)
		log_info("%s: %s", w->cp->name, (const char *)b.data);
	wbuf_free(&b);
}

void
wsp_set(struct wsp *w, void *ctx)
{
	w->ctx = ctx;
}

void *
wsp_get(const struct wsp *w)
{
	return w->ctx;
}

static void
service_tick(evutil_socket_t fd, short what, void *arg)
{
	struct wsp	*w = arg;

	(void)fd;
	(void)what;
	if (w->pl->tick != NULL && !w->p->stopping)
		w->pl->tick(w);
}

int
wsp_timer(struct wsp *w, unsigned int seconds)
{
	struct timeval	 tv = { (time_t)seconds, 0 };

	if (w->timer == NULL && (w->timer = event_new(w->p->base, -1,
	    EV_PERSIST, service_tick, w)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (seconds == 0)
		return event_del(w->timer);
	return event_add(w->timer, &tv);
}

static void
service_watched(evutil_socket_t fd, short what, void *arg)
{
	struct watch	*h = arg;

	(void)fd;
	(void)what;
	h->cb(h->w, h->fd, h->arg);
}

static int
service_watch(struct wsp *w, int fd, short what,
    void (*cb)(struct wsp *, int, void *), void *arg)
{
	struct watch	*h;

	TAILQ_FOREACH(h, &w->watches, entry)
		if (h->fd == fd && h->what == what) {
			TAILQ_REMOVE(&w->watches, h, entry);
			event_free(h->ev);
			free(h);
			break;
		}
	if (cb == NULL)
		return 0;
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return -1;
	h->w = w;
	h->fd = fd;
	h->what = what;
	h->cb = cb;
	h->arg = arg;
	if ((h->ev = event_new(w->p->base, fd, what | EV_PERSIST,
	    service_watched, h)) == NULL || event_add(h->ev, NULL) == -1) {
		if (h->ev != NULL)
			event_free(h->ev);
		free(h);
		errno = ENOMEM;
		return -1;
	}
	TAILQ_INSERT_TAIL(&w->watches, h, entry);
	return 0;
}

int
wsp_watch(struct wsp *w, int fd, void (*cb)(struct wsp *, int, void *),
    void *arg)
{
	return service_watch(w, fd, EV_READ, cb, arg);
}

int
wsp_watch_write(struct wsp *w, int fd, void (*cb)(struct wsp *, int, void *),
    void *arg)
{
	return service_watch(w, fd, EV_WRITE, cb, arg);
}
