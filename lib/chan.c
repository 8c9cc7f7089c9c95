/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "chan.h"
#include "log.h"

#define CHAN_RETRY_USEC	50000

static void	 chan_read(evutil_socket_t, short, void *);
static void	 chan_write(evutil_socket_t, short, void *);
static int	 chan_next(struct chan *, struct imsg *);
static void	 chan_dispatch(struct chan *);
static void	 chan_down(struct chan *);
static void	 chan_release(struct chan *);
static void	 chan_retry(evutil_socket_t, short, void *);
static int	 chan_starve(struct chan *, int);
static void	 chan_unsent(struct chan *, int);
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
	ch->retry = event_new(base, -1, 0, chan_retry, ch);
	if (ch->rd == NULL || ch->wr == NULL || ch->retry == NULL ||
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
	if (ch->retry != NULL)
		event_free(ch->retry);
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
		event_del(ch->retry);
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
	event_del(ch->retry);
	if (ch->down != NULL)
		ch->down(ch, ch->arg);
}

/*
 * The next message that may be, as imsg_get().  Judged by its header: what
 * the peer must not send is not read into memory first.
 */
static int
chan_next(struct chan *ch, struct imsg *m)
{
	struct imsg_hdr	 hdr;
	const char	*why;
	int		 r;

	r = imsg_peek(&ch->ibuf, &hdr);
	if (r == 1 && !proto_allowed(ch->peer, ch->me, hdr.type, hdr.len,
	    (hdr.flags & IMSGF_FD) != 0, &why)) {
		log_warnx("%s sent %s (%u octets): %s; channel closed",
		    proc_name(ch->peer), proto_name(hdr.type), hdr.len, why);
		return -1;
	}
	if (r == 1)
		r = imsg_get(&ch->ibuf, m);
	if (r == -1)
		log_warn("channel to %s", proc_name(ch->peer));
	return r;
}

static void
chan_dispatch(struct chan *ch)
{
	struct imsg	 m;
	int		 r;

	while (!ch->closed && (r = chan_next(ch, &m)) != 0) {
		if (r == 1) {
			if ((r = ch->msg(ch, &m, ch->arg)) == -1)
				log_warnx("%s sent a %s that does not read; "
				    "channel closed", proc_name(ch->peer),
				    proto_name(m.hdr.type));
			imsg_free(&m);
		}
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
	/* It would be readable all the time. */
	if (r == -1 && saved == EMFILE && chan_starve(ch, saved) == 0) {
		event_del(ch->rd);
		return;
	}
	if (r == 1)
		ch->starved = 0;
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

/* The system is short of something: only time helps. */
static int
chan_starve(struct chan *ch, int error)
{
	static const struct timeval	 soon = { 0, CHAN_RETRY_USEC };

	if (!ch->starved)
		log_warnx("channel to %s: %s; it waits", proc_name(ch->peer),
		    strerror(error));
	ch->starved = 1;
	return event_add(ch->retry, &soon);
}

static void
chan_retry(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*ch = arg;

	if (event_add(ch->rd, NULL) == -1)
		(void)chan_starve(ch, errno);
	chan_write(fd, what, arg);
}

/* What to do about what did not go out. */
static void
chan_unsent(struct chan *ch, int error)
{
	int	 r = -1;

	switch (error) {
	case EAGAIN:
		r = event_add(ch->wr, NULL);
		break;
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS:
		/* The socket has room, the system has not. */
		r = chan_starve(ch, error);
		break;
	case EPIPE:
	case ECONNRESET:
		/* The read side sees the end, after what is still there. */
		return;
	}
	if (r == 0)
		return;
	log_warnx("channel to %s: %s", proc_name(ch->peer), strerror(error));
	(void)shutdown(ch->ibuf.fd, SHUT_RDWR);
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
	int		 had = !TAILQ_EMPTY(&ch->ibuf.out);

	(void)fd;
	(void)what;
	ch->busy++;
	if (imsgbuf_write(&ch->ibuf) == -1)
		chan_unsent(ch, errno);
	else if (had)
		ch->starved = 0;
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
