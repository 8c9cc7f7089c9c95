/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "chan.h"
#include "log.h"

static void	 chan_read(evutil_socket_t, short, void *);
static void	 chan_write(evutil_socket_t, short, void *);
static void	 chan_dispatch(struct chan *);
static void	 chan_down(struct chan *);
static void	 chan_release(struct chan *);
static void	 chan_drained(struct chan *);

struct chan *
chan_new(struct event_base *base, int fd, enum proc_id me, enum proc_id peer,
    uint32_t instance, chan_msg_cb msg, chan_down_cb down, void *arg)
{
	struct chan	*ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL) {
		close(fd);
		return NULL;
	}
	imsgbuf_init(&ch->ibuf, fd);
	ch->me = me;
	ch->peer = peer;
	ch->instance = instance;
	ch->msg = msg;
	ch->down = down;
	ch->arg = arg;
	ch->rd = event_new(base, fd, EV_READ | EV_PERSIST, chan_read, ch);
	ch->wr = event_new(base, fd, EV_WRITE, chan_write, ch);
	if (ch->rd == NULL || ch->wr == NULL ||
	    event_add(ch->rd, NULL) == -1) {
		chan_release(ch);
		errno = ENOMEM;
		return NULL;
	}
	return ch;
}

static void
chan_release(struct chan *ch)
{
	if (ch->rd != NULL)
		event_free(ch->rd);
	if (ch->wr != NULL)
		event_free(ch->wr);
	imsgbuf_clear(&ch->ibuf);
	free(ch);
}

void
chan_free(struct chan *ch)
{
	if (ch == NULL)
		return;
	if (ch->busy) {
		ch->closed = 2;		/* released when dispatch returns */
		event_del(ch->rd);
		event_del(ch->wr);
		return;
	}
	chan_release(ch);
}

/* The peer is gone or broke the rules: tells the owner once, and frees. */
static void
chan_down(struct chan *ch)
{
	if (ch->closed)
		return;
	ch->closed = 1;
	event_del(ch->rd);
	event_del(ch->wr);
	ch->busy++;
	if (ch->down != NULL)
		ch->down(ch, ch->arg);
	ch->busy--;
	if (ch->busy == 0)
		chan_release(ch);
}

static void
chan_dispatch(struct chan *ch)
{
	struct imsg	 m;
	const char	*why;
	int		 r;

	while (!ch->closed && (r = imsg_get(&ch->ibuf, &m)) != 0) {
		if (r == -1) {
			log_warn("channel to %s", proc_name(ch->peer));
			chan_down(ch);
			return;
		}
		if (!proto_allowed(ch->peer, ch->me, m.hdr.type, m.hdr.len,
		    m.fd != -1, &why)) {
			log_warnx("%s sent %s (%u octets): %s; channel closed",
			    proc_name(ch->peer), proto_name(m.hdr.type),
			    m.hdr.len, why);
			r = -1;
		} else if ((r = ch->msg(ch, &m, ch->arg)) == -1)
			log_warnx("%s sent a %s that does not read; channel "
			    "closed", proc_name(ch->peer),
			    proto_name(m.hdr.type));
		imsg_free(&m);
		if (r == -1)
			chan_down(ch);
	}
}

static void
chan_read(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*ch = arg;
	int		 r, saved;

	(void)fd;
	(void)what;
	r = imsgbuf_read(&ch->ibuf);
	saved = errno;
	if (r == -1 && (saved == EAGAIN || saved == EINTR))
		return;
	ch->busy++;
	if (r == 1)
		chan_dispatch(ch);
	else {
		if (r == -1 && saved != ECONNRESET)
			log_warnx("channel to %s: %s", proc_name(ch->peer),
			    strerror(saved));
		chan_down(ch);
	}
	if (--ch->busy == 0 && ch->closed)
		chan_release(ch);
}

static void
chan_drained(struct chan *ch)
{
	if (ch->was_full && ch->ibuf.out_bytes < CHAN_HIWAT / 2) {
		ch->was_full = 0;
		if (ch->drain != NULL)
			ch->drain(ch, ch->arg);
	}
}

static void
chan_write(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*ch = arg;

	(void)fd;
	(void)what;
	ch->busy++;
	if (imsgbuf_write(&ch->ibuf) == -1) {
		if (errno == EAGAIN)
			event_add(ch->wr, NULL);
		/* else the read side sees the end, after what is still there */
	}
	if (!ch->closed)
		chan_drained(ch);
	if (--ch->busy == 0 && ch->closed)
		chan_release(ch);
}

int
chan_send(struct chan *ch, uint32_t type, uint64_t id, int fd,
    const void *data, size_t len)
{
	const char	*why;

	if (ch->closed) {
		errno = EPIPE;
		goto fail;
	}
	if (!proto_allowed(ch->me, ch->peer, type, len, fd != -1, &why)) {
		log_warnx("%s to %s (%zu octets): %s", proto_name(type),
		    proc_name(ch->peer), len, why);
		errno = EPERM;
		goto fail;
	}
	if (ch->ibuf.out_bytes + len > CHAN_MAX) {
		log_warnx("channel to %s: %zu octets wait; taken for dead",
		    proc_name(ch->peer), ch->ibuf.out_bytes);
		/* seen by the read side: `down` is never called from here */
		(void)shutdown(ch->ibuf.fd, SHUT_RDWR);
		errno = ENOBUFS;
		goto fail;
	}
	if (imsg_compose(&ch->ibuf, type, id, fd, data, len) == -1)
		return -1;
	if (chan_is_full(ch))
		ch->was_full = 1;
	return event_add(ch->wr, NULL);
fail:
	if (fd != -1)
		close(fd);
	return -1;
}

int
chan_sendw(struct chan *ch, uint32_t type, uint64_t id, struct wbuf *b)
{
	int	 r;

	if (b->error != 0) {
		errno = b->error;
		r = -1;
	} else
		r = chan_send(ch, type, id, -1, b->data, b->len);
	wbuf_free(b);
	return r;
}

int
chan_is_full(const struct chan *ch)
{
	return ch->ibuf.out_bytes >= CHAN_HIWAT;
}

void
chan_pause(struct chan *ch)
{
	if (!ch->closed)
		event_del(ch->rd);
}

void
chan_resume(struct chan *ch)
{
	if (!ch->closed)
		event_add(ch->rd, NULL);
}
