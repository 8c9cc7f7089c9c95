/* SPDX-License-Identifier: ISC */
/*
 * One connection of the front end: octets in, requests one at a time to a
 * soap process, answers out in order.  Called by frontend.c (new connections,
 * answers) and by tlsconn.
 *
 * phase    waits for                       ended by
 * HEAD     handshake, head                 http-header-timeout from its start
 * BODY     the body                        http-body-timeout from its start
 * WORK     soap's answer                   deadline: 504
 * WRITE    the client to take the answer   http-write-timeout without progress
 * IDLE     the next request                http-idle-timeout
 * CLOSING  the last answer to be taken     http-write-timeout, then tlsconn
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "frontend.h"
#include "log.h"
#include "msg_http.h"
#include "rate.h"
#include "wstime.h"

#define FE_PIPELINE_MAX	65536		/* octets of later requests, then pause */

static void	 fe_conn_ready(struct tlsconn *, void *);
static void	 fe_conn_data(struct tlsconn *, const uint8_t *, size_t, void *);
static void	 fe_conn_drained(struct tlsconn *, void *);
static void	 fe_conn_closed(struct tlsconn *, const char *, void *);
static void	 fe_conn_late(evutil_socket_t, short, void *);
static void	 fe_conn_begin(struct fe_conn *);
static void	 fe_conn_input(struct fe_conn *, const uint8_t *, size_t);
static int	 fe_conn_feed(struct fe_conn *, const uint8_t *, size_t,
		    size_t *);
static int	 fe_conn_judge(struct fe_conn *);
static const char *fe_conn_why(const struct fe_conn *);
static int	 fe_conn_take(struct fe_conn *, struct rate *, int64_t,
		    enum limit);
static int	 fe_conn_slow(struct fe_conn *, const char *, int);
static void	 fe_conn_hold(struct fe_conn *);
static void	 fe_conn_dispatch(struct fe_conn *);
static int	 fe_conn_send(struct fe_conn *, struct chan *);
static unsigned int fe_conn_limit(const struct fe_conn *, enum limit);

static const struct tlsconn_cb fe_conn_cb = {
	.ready = fe_conn_ready,
	.data = fe_conn_data,
	.drained = fe_conn_drained,
	.closed = fe_conn_closed,
};

static unsigned int
fe_conn_limit(const struct fe_conn *c, enum limit l)
{
	int64_t	 v = c->fe->p->conf->limit[l];

	return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (unsigned int)v;
}

int
fe_conn_new(struct frontend *fe, int fd, const char *peer,
    struct fe_addr *addr)
{
	struct fe_conn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		goto err;
	}
	c->fe = fe;
	c->addr = addr;
	strlcpy(c->peer, peer, sizeof(c->peer));
	if ((c->deadline = evtimer_new(fe->p->base, fe_conn_late, c)) == NULL) {
		close(fd);
		goto err;
	}
	if ((c->tc = tlsconn_server(fe->p->base, fe->tls->ctx, fd,
	    &fe_conn_cb, c)) == NULL)
		goto err;
	c->tls = fe->tls;
	c->tls->refs++;
	TAILQ_INSERT_TAIL(&fe->conns, c, entry);
	fe->nconns++;
	tlsconn_write_timeout(c->tc, fe_conn_limit(c, LIM_HTTP_WRITE_TIMEOUT));
	tlsconn_timeout(c->tc, fe_conn_limit(c, LIM_HTTP_HEADER_TIMEOUT));
	fe_conn_begin(c);
	return 0;
err:
	log_warn("%s: new connection", peer);
	if (c != NULL && c->deadline != NULL)
		event_free(c->deadline);
	free(c);
	return -1;
}

void
fe_conn_free(struct fe_conn *c)
{
	struct frontend	*fe = c->fe;

	/* A late answer finds nobody. */
	if (c->soap != NULL)
		idtree_pop(&fe->wait_soap, c->id);
	fe->body_held -= c->body_held;
	c->addr->body_held -= c->body_held;
	TAILQ_REMOVE(&fe->conns, c, entry);
	fe->nconns--;
	event_free(c->deadline);
	tlsconn_free(c->tc);
	http_msg_free(&c->msg);
	wbuf_free(&c->in);
	fe_release(fe, c);
	free(c);
}

/* Ready for the head of a request. */
static void
fe_conn_begin(struct fe_conn *c)
{
	struct http_limits	 lim;

	lim.head_max = (size_t)c->fe->p->conf->limit[LIM_HTTP_HEADER_SIZE];
	lim.fields_max = fe_conn_limit(c, LIM_HTTP_HEADERS);
	lim.body_max = (size_t)c->fe->p->conf->limit[LIM_MESSAGE_SIZE];
	http_msg_init(&c->msg, 0, &lim);
	c->is_judged = 0;
	c->route = FE_REFUSED;
	c->authority[0] = '\0';
	c->id = proc_newid();
}

static void
fe_conn_ready(struct tlsconn *tc, void *arg)
{
	struct fe_conn	*c = arg;

	(void)tc;
	c->is_ready = 1;
}

static void
fe_conn_closed(struct tlsconn *tc, const char *why, void *arg)
{
	struct fe_conn	*c = arg;

	(void)tc;
	if (why != NULL && strcmp(why, "timed out") == 0) {
		c->fe->stats.timeouts++;
		if (c->phase != FE_IDLE)
			fe_refuse(c->fe, c->id, c->peer, !c->is_ready ?
			    "handshake timed out (limit http-header-timeout)" :
			    c->phase == FE_HEAD ?
			    "head timed out (limit http-header-timeout)" :
			    c->phase == FE_BODY ?
			    "body timed out (limit http-body-timeout)" :
			    "answer not taken (limit http-write-timeout)");
	}
	if (!c->is_ready)
		c->fe->stats.handshake_failures++;
	log_debug("%s: closed%s%s", c->peer, why != NULL ? ": " : "",
	    why != NULL ? why : "");
	fe_conn_free(c);
}

/* --- input ----------------------------------------------------------------- */

static void
fe_conn_data(struct tlsconn *tc, const uint8_t *data, size_t len, void *arg)
{
	struct fe_conn	*c = arg;

	(void)tc;
	c->fe->stats.bytes_in += len;
	fe_conn_input(c, data, len);
}

/*
 * Feeds the request that is being read; when one is in work or being
 * answered, the octets wait.  The connection may be gone afterwards.
 */
static void
fe_conn_input(struct fe_conn *c, const uint8_t *data, size_t len)
{
	size_t	 used;

	if (c->phase == FE_CLOSING || len == 0)
		return;
	if (c->phase == FE_IDLE) {
		c->phase = FE_HEAD;
		tlsconn_timeout(c->tc,
		    fe_conn_limit(c, LIM_HTTP_HEADER_TIMEOUT));
	}
	if (c->phase == FE_HEAD || c->phase == FE_BODY) {
		if (fe_conn_feed(c, data, len, &used) == -1)
			return;
		data += used;
		len -= used;
	}
	if (len == 0)
		return;
	wbuf_raw(&c->in, data, len);
	if (c->in.error) {
		log_warnx("%s: out of memory", c->peer);
		fe_conn_free(c);
	} else if (c->in.len > FE_PIPELINE_MAX)
		tlsconn_pause(c->tc);
}

/* -1: nothing of what is left is wanted, or the connection is gone. */
static int
fe_conn_feed(struct fe_conn *c, const uint8_t *data, size_t len, size_t *used)
{
	static const char	 go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	int			 ret = http_feed(&c->msg, data, len, used);

	if (ret == -1) {
		fe_refuse(c->fe, c->id, c->peer, fe_conn_why(c));
		fe_answer_error(c, c->msg.error, c->msg.why, 1);
		return -1;
	}
	fe_conn_hold(c);
	if ((int64_t)c->addr->body_held >
	    c->fe->p->conf->limit[LIM_BODIES_PER_ADDRESS])
		return fe_conn_slow(c, "too much at once from one address "
		    "(limit bodies-per-address)", 1);
	if ((int64_t)c->fe->body_held > c->fe->p->conf->limit[LIM_BODIES])
		return fe_conn_slow(c, "too much at once (limit bodies)", 1);
	if (!fe_conn_take(c, c->fe->octets, (int64_t)*used,
	    LIM_BYTES_PER_ADDRESS))
		return fe_conn_slow(c, "too much in a minute "
		    "(limit bytes-per-address)", 1);
	if (c->msg.head_done && !c->is_judged) {
		if (fe_conn_judge(c) == -1)
			return -1;
		if (c->phase != FE_HEAD)
			return 0;	/* refused, but kept */
		if (ret == 0) {
			c->phase = FE_BODY;
			tlsconn_timeout(c->tc,
			    fe_conn_limit(c, LIM_HTTP_BODY_TIMEOUT));
			/* RFC 9110 10.1.1: not once the body has begun. */
			if (c->msg.expect_continue && *used == len &&
			    c->msg.body.len == 0 && tlsconn_write(c->tc, go_on,
			    sizeof(go_on) - 1) == -1) {
				fe_conn_free(c);
				return -1;
			}
		}
	}
	if (ret == 1)
		fe_conn_dispatch(c);
	return 0;
}

/*
 * An error before the body has come ends the connection, as the rest would
 * have to be read.  -1: so it is.
 */
static int
fe_conn_judge(struct fe_conn *c)
{
	const char	*why;
	int		 status, is_last = c->msg.state != HTTP_DONE;

	c->is_judged = 1;
	c->requests++;
	c->fe->stats.requests++;
	if (fe_conn_limit(c, LIM_REQUESTS_PER_CONNECTION) != 0 &&
	    c->requests >= fe_conn_limit(c, LIM_REQUESTS_PER_CONNECTION))
		c->msg.keepalive = 0;
	if (!fe_conn_take(c, c->fe->requests, 1, LIM_REQUESTS_PER_ADDRESS))
		return fe_conn_slow(c, "too many requests in a minute "
		    "(limit requests-per-address)", is_last);
	if ((status = fe_route(c, &why)) == 0)
		return 0;
	if (!c->msg.keepalive)
		is_last = 1;
	fe_answer_error(c, status, why, is_last);
	return is_last ? -1 : 0;
}

/* What http.c refused, with the name of our limit where it was one. */
static const char *
fe_conn_why(const struct fe_conn *c)
{
	switch (c->msg.error) {
	case 413:
		return "body too large (limit message-size)";
	case 431:
		return c->msg.nfields_all > c->msg.limits.fields_max ?
		    "too many header fields (limit http-headers)" :
		    "head too large (limit http-header-size)";
	default:
		return c->msg.why;
	}
}

static int
fe_conn_take(struct fe_conn *c, struct rate *r, int64_t n, enum limit l)
{
	return rate_take(r, c->addr->name, n, c->fe->p->conf->limit[l],
	    RATE_MINUTE, wstime_mono()) == 0;
}

/* Not now.  -1 when the connection ends with it, as fe_conn_judge(). */
static int
fe_conn_slow(struct fe_conn *c, const char *why, int is_last)
{
	if (!c->msg.keepalive)
		is_last = 1;
	fe_refuse(c->fe, c->id, c->peer, why);
	fe_answer_error(c, 503, why, is_last);
	return is_last ? -1 : 0;
}

/* Counts the body towards what the address, and all connections, hold. */
static void
fe_conn_hold(struct fe_conn *c)
{
	c->fe->body_held += c->msg.body.len - c->body_held;
	c->addr->body_held += c->msg.body.len - c->body_held;
	c->body_held = c->msg.body.len;
}

/* --- work ------------------------------------------------------------------ */

static void
fe_conn_dispatch(struct fe_conn *c)
{
	struct timeval	 tv = { 0, 0 };
	struct chan	*soap;
	unsigned int	 wait;

	tlsconn_timeout(c->tc, 0);
	c->phase = FE_WORK;
	if (c->route == FE_WSDL) {
		fe_answer_wsdl(c);
		return;
	}
	if (c->route == FE_ABOUT) {
		fe_answer_about(c);
		return;
	}
	if ((soap = proc_peer(c->fe->p, P_SOAP)) == NULL ||
	    chan_is_full(soap)) {
		fe_answer_error(c, 503, "busy, try again", 0);
		return;
	}
	if (fe_conn_send(c, soap) == -1) {
		log_warn("id=%016" PRIx64 " soap", c->id);
		fe_answer_error(c, 503, "busy, try again", 0);
		return;
	}
	wbuf_free(&c->msg.body);
	fe_conn_hold(c);
	/* A request may be one that waits for mail, with some slack. */
	wait = fe_conn_limit(c, LIM_WAIT_TIMEOUT) + 10;
	tv.tv_sec = fe_conn_limit(c, LIM_REQUEST_TIMEOUT);
	if (tv.tv_sec < (time_t)wait)
		tv.tv_sec = (time_t)wait;
	evtimer_add(c->deadline, &tv);
}

static int
fe_conn_send(struct fe_conn *c, struct chan *soap)
{
	struct http_req	 req = { 0 };
	struct wbuf	 w = { 0 };
	const char	*v, *sni = tls_conn_servername(tlsconn_tls(c->tc));
	int		 ret = -1;

	/* The codec only reads these. */
	req.peer = c->peer;
	req.host = (char *)(uintptr_t)(sni != NULL ? sni : "");
	req.authority = c->authority;
	v = http_field(&c->msg, "content-type");
	req.content_type = (char *)(uintptr_t)v;
	v = http_field(&c->msg, "soapaction");
	req.soapaction = (char *)(uintptr_t)(v != NULL ? v : "");
	req.body = c->msg.body.data;
	req.body_len = c->msg.body.len;
	http_req_put(&w, &req);
	if (idtree_set(&c->fe->wait_soap, c->id, c) == -1)
		goto out;
	c->soap = soap;
	if (chan_sendw(soap, IMSG_SOAP_HTTP_REQUEST, c->id, &w) == -1) {
		idtree_pop(&c->fe->wait_soap, c->id);
		c->soap = NULL;
		goto out;
	}
	soap->outstanding++;
	ret = 0;
out:
	wbuf_free(&w);
	return ret;
}

/* soap did not answer in time; its answer, if it comes, finds nobody. */
static void
fe_conn_late(evutil_socket_t fd, short what, void *arg)
{
	struct fe_conn	*c = arg;

	(void)fd;
	(void)what;
	idtree_pop(&c->fe->wait_soap, c->id);
	c->soap = NULL;
	log_warnx("id=%016" PRIx64 " no answer from soap in time", c->id);
	c->fe->stats.timeouts++;
	fe_answer_error(c, 504, "no answer in time", 0);
}

/* --- output ---------------------------------------------------------------- */

void
fe_conn_answered(struct fe_conn *c)
{
	evtimer_del(c->deadline);
	tlsconn_timeout(c->tc, 0);
	wbuf_free(&c->msg.body);
	fe_conn_hold(c);
	if (c->phase == FE_CLOSING) {
		wbuf_free(&c->in);
		tlsconn_finish(c->tc);
	} else
		c->phase = FE_WRITE;
}

/* All is written: the next request may already be here. */
static void
fe_conn_drained(struct tlsconn *tc, void *arg)
{
	struct fe_conn	*c = arg;
	struct wbuf	 in;

	if (c->phase != FE_WRITE)	/* 100 Continue was written */
		return;
	http_msg_free(&c->msg);
	fe_conn_begin(c);
	c->phase = FE_IDLE;
	if (c->fe->is_stopping) {
		fe_conn_wind_up(c);
		return;
	}
	tlsconn_timeout(tc, fe_conn_limit(c, LIM_HTTP_IDLE_TIMEOUT));
	tlsconn_resume(tc);
	if (c->in.len == 0)
		return;
	in = c->in;
	wbuf_init(&c->in);
	fe_conn_input(c, in.data, in.len);
	wbuf_free(&in);
}

void
fe_conn_wind_up(struct fe_conn *c)
{
	if (c->phase == FE_IDLE ||
	    (c->phase == FE_HEAD && c->msg.head_len == 0)) {
		c->phase = FE_CLOSING;
		tlsconn_finish(c->tc);
	}
}
