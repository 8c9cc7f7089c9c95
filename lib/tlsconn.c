/* SPDX-License-Identifier: ISC */
/*
 * One TLS connection in the event loop, for frontend and relay.  Plain
 * libtls on a non-blocking socket: a bufferevent would bring an evbuffer on
 * either side and its own idea of OpenSSL.
 *
 * Callbacks come from the event loop only, never from within a call of the
 * owner's; closed() comes once.  The owner may free the connection in any of
 * them.
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>

#include "log.h"
#include "tlsconn.h"

#define TLSCONN_READ		16384	/* one TLS record */
#define TLSCONN_READ_TURNS	4	/* records before others get their turn */
#define TLSCONN_LINGER		2	/* s the peer gets to close after us */
#define TLSCONN_LINGER_MAX	(256 << 10)
#define TLSCONN_COMPACT		(256 << 10)

enum tlsconn_state {
	TC_HANDSHAKE, TC_OPEN, TC_FLUSH, TC_NOTIFY, TC_LINGER, TC_OVER
};

struct tlsconn {
	struct event_base	*base;
	struct tls		*tls;
	int			 fd;
	enum tlsconn_state	 state;
	struct event		*rd, *wr;	/* the socket */
	struct event		*again;		/* go on in the next round */
	struct event		*timer, *wtimer;
	struct wbuf		 out;
	size_t			 out_off;
	unsigned int		 write_timeout;
	int			 read_wants, write_wants;	/* TLS_WANT_* or 0 */
	int			 paused;
	int			 tell_drained;
	int			 busy;		/* in a callback: free later */
	int			 dead;
	const char		*failed;	/* to be told by closed() */
	char			 why[160];
	size_t			 lingered;
	struct tlsconn_cb	 cb;
	void			*arg;
};

static struct tlsconn *tlsconn_new(struct event_base *, int,
		    const struct tlsconn_cb *, void *);
static void	 tlsconn_destroy(struct tlsconn *);
static void	 tlsconn_event(evutil_socket_t, short, void *);
static void	 tlsconn_timed_out(evutil_socket_t, short, void *);
static void	 tlsconn_run(struct tlsconn *);
static void	 tlsconn_step(struct tlsconn *);
static void	 tlsconn_wait(struct tlsconn *);
static void	 tlsconn_fail(struct tlsconn *, const char *);
static void	 tlsconn_fail_tls(struct tlsconn *);
static int	 tlsconn_handshake(struct tlsconn *);
static int	 tlsconn_flush(struct tlsconn *);
static int	 tlsconn_read(struct tlsconn *);
static int	 tlsconn_notify(struct tlsconn *);
static int	 tlsconn_linger(struct tlsconn *);
static void	 tlsconn_arm(struct event *, unsigned int);

static struct tlsconn *
tlsconn_new(struct event_base *base, int fd, const struct tlsconn_cb *cb,
    void *arg)
{
	struct tlsconn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->base = base;
	c->fd = fd;
	c->cb = *cb;
	c->arg = arg;
	c->rd = event_new(base, fd, EV_READ, tlsconn_event, c);
	c->wr = event_new(base, fd, EV_WRITE, tlsconn_event, c);
	c->again = event_new(base, -1, 0, tlsconn_event, c);
	c->timer = evtimer_new(base, tlsconn_timed_out, c);
	c->wtimer = evtimer_new(base, tlsconn_timed_out, c);
	if (c->rd == NULL || c->wr == NULL || c->again == NULL ||
	    c->timer == NULL || c->wtimer == NULL) {
		c->fd = -1;		/* the caller's still */
		tlsconn_destroy(c);
		errno = ENOMEM;
		return NULL;
	}
	return c;
}

static void
tlsconn_destroy(struct tlsconn *c)
{
	struct event	*ev[] = { c->rd, c->wr, c->again, c->timer, c->wtimer };
	size_t		 i;

	for (i = 0; i < nitems(ev); i++)
		if (ev[i] != NULL)
			event_free(ev[i]);
	tls_free(c->tls);
	if (c->fd != -1)
		close(c->fd);
	wbuf_free(&c->out);
	free(c);
}

struct tlsconn *
tlsconn_server(struct event_base *base, struct tls *server_ctx, int fd,
    const struct tlsconn_cb *cb, void *arg)
{
	struct tlsconn	*c;

	if ((c = tlsconn_new(base, fd, cb, arg)) == NULL) {
		close(fd);
		return NULL;
	}
	if (tls_accept_socket(server_ctx, &c->tls, fd) == -1) {
		log_warnx("tls accept: %s", tls_error(server_ctx));
		tlsconn_destroy(c);
		errno = ENOMEM;
		return NULL;
	}
	event_add(c->rd, NULL);
	return c;
}

struct tlsconn *
tlsconn_client(struct event_base *base, struct tls *client_ctx, int fd,
    const char *servername, const struct tlsconn_cb *cb, void *arg)
{
	struct tlsconn	*c;

	if ((c = tlsconn_new(base, fd, cb, arg)) == NULL) {
		tls_free(client_ctx);
		close(fd);
		return NULL;
	}
	c->tls = client_ctx;
	/* What fails here is told by closed(), as all that fails later. */
	if (tls_connect_socket(c->tls, fd, servername) == -1)
		tlsconn_fail_tls(c);
	event_active(c->again, EV_TIMEOUT, 0);
	return c;
}

void
tlsconn_free(struct tlsconn *c)
{
	if (c == NULL)
		return;
	c->dead = 1;
	if (!c->busy)
		tlsconn_destroy(c);
}

struct tls *
tlsconn_tls(struct tlsconn *c)
{
	return c->tls;
}

size_t
tlsconn_pending(const struct tlsconn *c)
{
	return c->out.len - c->out_off;
}

int
tlsconn_write(struct tlsconn *c, const void *data, size_t len)
{
	if (c->state > TC_OPEN || c->failed != NULL)
		return 0;		/* closed() is on its way */
	wbuf_raw(&c->out, data, len);
	if (c->out.error) {
		errno = ENOMEM;
		return -1;
	}
	c->tell_drained = 1;
	if (c->write_timeout != 0 && !evtimer_pending(c->wtimer, NULL))
		tlsconn_arm(c->wtimer, c->write_timeout);
	/* Inside a callback the loop around it goes on with this. */
	if (!c->busy) {
		if (c->state == TC_OPEN)
			tlsconn_flush(c);
		event_active(c->again, EV_TIMEOUT, 0);
	}
	return 0;
}

void
tlsconn_pause(struct tlsconn *c)
{
	c->paused = 1;
	event_del(c->rd);
}

void
tlsconn_resume(struct tlsconn *c)
{
	if (!c->paused)
		return;
	c->paused = 0;
	/* Octets may lie in libtls, of which the socket knows nothing. */
	event_active(c->again, EV_TIMEOUT, 0);
}

static void
tlsconn_arm(struct event *ev, unsigned int seconds)
{
	struct timeval	 tv = { (time_t)seconds, 0 };

	if (seconds == 0)
		evtimer_del(ev);
	else
		evtimer_add(ev, &tv);
}

void
tlsconn_timeout(struct tlsconn *c, unsigned int seconds)
{
	if (c->state <= TC_OPEN)
		tlsconn_arm(c->timer, seconds);
}

void
tlsconn_write_timeout(struct tlsconn *c, unsigned int seconds)
{
	c->write_timeout = seconds;
	tlsconn_arm(c->wtimer, tlsconn_pending(c) > 0 ? seconds : 0);
}

void
tlsconn_finish(struct tlsconn *c)
{
	if (c->state > TC_OPEN || c->failed != NULL)
		return;
	if (c->state == TC_HANDSHAKE)
		tlsconn_fail(c, "closed during the handshake");
	evtimer_del(c->timer);
	c->state = TC_FLUSH;
	event_active(c->again, EV_TIMEOUT, 0);
}

/* --- the event loop's side ------------------------------------------------ */

static void
tlsconn_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tlsconn_run(arg);
}

static void
tlsconn_timed_out(evutil_socket_t fd, short what, void *arg)
{
	struct tlsconn	*c = arg;

	(void)fd;
	(void)what;
	if (c->state == TC_LINGER)
		c->state = TC_OVER;
	else
		tlsconn_fail(c, "timed out");
	tlsconn_run(c);
}

static void
tlsconn_fail(struct tlsconn *c, const char *why)
{
	if (c->failed != NULL)
		return;
	strlcpy(c->why, why, sizeof(c->why));
	c->failed = c->why;
}

static void
tlsconn_fail_tls(struct tlsconn *c)
{
	const char	*e = tls_error(c->tls);

	tlsconn_fail(c, e != NULL ? e : "TLS error");
}

static void
tlsconn_run(struct tlsconn *c)
{
	const char	*why;

	c->busy = 1;
	tlsconn_step(c);
	if (!c->dead && (c->failed != NULL || c->state == TC_OVER)) {
		why = c->failed;
		c->state = TC_OVER;
		event_del(c->rd);
		event_del(c->wr);
		event_del(c->again);
		evtimer_del(c->timer);
		evtimer_del(c->wtimer);
		if (c->cb.closed != NULL)
			c->cb.closed(c, why, c->arg);
		/* An owner that does not free it will not hear of it again. */
		c->cb.closed = NULL;
	}
	c->busy = 0;
	if (c->dead)
		tlsconn_destroy(c);
	else if (c->state != TC_OVER)
		tlsconn_wait(c);
}

/* Does what can be done without waiting. */
static void
tlsconn_step(struct tlsconn *c)
{
	if (c->failed != NULL)
		return;
	if (c->state == TC_HANDSHAKE && tlsconn_handshake(c) != 1)
		return;
	if (c->state == TC_OPEN || c->state == TC_FLUSH) {
		if (tlsconn_flush(c) == -1 || c->dead)
			return;
		if (c->state == TC_OPEN && !c->paused) {
			if (tlsconn_read(c) == -1 || c->dead)
				return;
			/* Answers to what was read. */
			if (tlsconn_flush(c) == -1 || c->dead)
				return;
		}
	}
	if (c->state == TC_OPEN && tlsconn_pending(c) == 0 && c->tell_drained) {
		c->tell_drained = 0;
		if (c->cb.drained != NULL)
			c->cb.drained(c, c->arg);
		if (c->dead || tlsconn_flush(c) == -1)
			return;
		/* It wrote more, and that is out as well: others first. */
		if (c->tell_drained && tlsconn_pending(c) == 0)
			event_active(c->again, EV_TIMEOUT, 0);
	}
	if (c->state == TC_FLUSH && tlsconn_pending(c) == 0)
		c->state = TC_NOTIFY;
	if (c->state == TC_NOTIFY && tlsconn_notify(c) != 1)
		return;
	if (c->state == TC_LINGER && tlsconn_linger(c) == 1)
		c->state = TC_OVER;
}

/* Waits for what the last step lacked. */
static void
tlsconn_wait(struct tlsconn *c)
{
	int	 rd = 0, wr = 0;

	switch (c->state) {
	case TC_HANDSHAKE:
		wr = c->read_wants == TLS_WANT_POLLOUT;
		rd = !wr;
		break;
	case TC_OPEN:
	case TC_FLUSH:
		if (tlsconn_pending(c) > 0) {
			rd = c->write_wants == TLS_WANT_POLLIN;
			wr = !rd;
		}
		if (c->state == TC_OPEN && !c->paused) {
			if (c->read_wants == TLS_WANT_POLLOUT)
				wr = 1;
			else
				rd = 1;
		}
		break;
	case TC_NOTIFY:
		rd = c->write_wants == TLS_WANT_POLLIN;
		wr = !rd;
		break;
	case TC_LINGER:
		rd = 1;
		break;
	case TC_OVER:
		break;
	}
	if (rd)
		event_add(c->rd, NULL);
	else
		event_del(c->rd);
	if (wr)
		event_add(c->wr, NULL);
	else
		event_del(c->wr);
}

/* 1: done, 0: later, -1: failed. */
static int
tlsconn_handshake(struct tlsconn *c)
{
	int	 ret = tls_handshake(c->tls);

	c->read_wants = 0;
	if (ret == TLS_WANT_POLLIN || ret == TLS_WANT_POLLOUT) {
		c->read_wants = ret;
		return 0;
	}
	if (ret != 0) {
		tlsconn_fail_tls(c);
		return -1;
	}
	c->state = TC_OPEN;
	if (c->cb.ready != NULL)
		c->cb.ready(c, c->arg);
	return c->dead || c->failed != NULL ? -1 : 1;
}

/* 0, or -1: failed.  Nothing of the owner's is called. */
static int
tlsconn_flush(struct tlsconn *c)
{
	ssize_t	 n;

	c->write_wants = 0;
	while (tlsconn_pending(c) > 0) {
		n = tls_write(c->tls, c->out.data + c->out_off,
		    tlsconn_pending(c));
		if (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT) {
			c->write_wants = (int)n;
			break;
		}
		if (n <= 0) {
			tlsconn_fail_tls(c);
			return -1;
		}
		c->out_off += (size_t)n;
		if (c->write_timeout != 0)
			tlsconn_arm(c->wtimer, c->write_timeout);
	}
	if (tlsconn_pending(c) == 0) {
		if (c->out.cap > TLSCONN_COMPACT)
			wbuf_free(&c->out);
		c->out.len = c->out_off = 0;
		evtimer_del(c->wtimer);
	} else if (c->out_off > TLSCONN_COMPACT &&
	    c->out_off > c->out.len / 2) {
		memmove(c->out.data, c->out.data + c->out_off,
		    tlsconn_pending(c));
		c->out.len -= c->out_off;
		c->out_off = 0;
	}
	return 0;
}

/* 0, or -1: failed or over. */
static int
tlsconn_read(struct tlsconn *c)
{
	uint8_t	 buf[TLSCONN_READ];
	ssize_t	 n;
	int	 turn;

	c->read_wants = 0;
	for (turn = 0; turn < TLSCONN_READ_TURNS; turn++) {
		if (c->paused || c->state != TC_OPEN)
			return 0;
		n = tls_read(c->tls, buf, sizeof(buf));
		if (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT) {
			c->read_wants = (int)n;
			return 0;
		}
		if (n < 0) {
			tlsconn_fail_tls(c);
			return -1;
		}
		if (n == 0) {
			c->state = TC_OVER;
			return -1;
		}
		c->cb.data(c, buf, (size_t)n, c->arg);
		if (c->dead || c->failed != NULL)
			return -1;
	}
	event_active(c->again, EV_TIMEOUT, 0);
	return 0;
}

/* 1: sent (or it cannot be), 0: later. */
static int
tlsconn_notify(struct tlsconn *c)
{
	int	 ret = tls_close(c->tls);

	if (ret == TLS_WANT_POLLIN || ret == TLS_WANT_POLLOUT) {
		c->write_wants = ret;
		if (!evtimer_pending(c->timer, NULL))
			tlsconn_arm(c->timer, TLSCONN_LINGER);
		return 0;
	}
	/*
	 * RFC 9112 9.6: half-close, then read on for a moment, as closing
	 * with unread input would reset the connection and could take the
	 * answer with it.
	 */
	if (ret == -1 || shutdown(c->fd, SHUT_WR) == -1)
		c->state = TC_OVER;
	else {
		c->state = TC_LINGER;
		tlsconn_arm(c->timer, TLSCONN_LINGER);
	}
	return 1;
}

/* 1: enough. */
static int
tlsconn_linger(struct tlsconn *c)
{
	uint8_t	 buf[TLSCONN_READ];
	ssize_t	 n;

	while (c->lingered < TLSCONN_LINGER_MAX) {
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n == -1)
			return errno != EAGAIN && errno != EWOULDBLOCK &&
			    errno != EINTR;
		if (n == 0)
			return 1;
		c->lingered += (size_t)n;
	}
	return 1;
}
