/* SPDX-License-Identifier: ISC */
/*
 * One connection to a domain's server.  Called by relay_pool.c, driven by
 * relay_dns.c, the socket and tlsconn.
 *
 * ROUTE  the static route, or SRV             -> ADDR
 * ADDR   addresses of the target in turn      -> TCP, or next target
 * TCP    connect(2) to the address in turn    -> TLS, or next address
 * TLS    handshake, certificate, CRL          -> IDLE, or next address
 * IDLE   kept; a job comes (-> BUSY) or relay-idle-timeout ends it
 * BUSY   request written, answer read         -> IDLE, or closed
 */
#include "compat.h"

#include <sys/time.h>

#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>

#include "log.h"
#include "relay.h"

#define RELAY_CONNECT	30	/* s for one address, TCP and TLS together */

static void	 relay_conn_step(evutil_socket_t, short, void *);
static void	 relay_conn_fail(struct relay_conn *, int);
static const struct conf_route *relay_conn_static(const struct relay_conn *);
static void	 relay_conn_route(struct relay_conn *);
static void	 relay_conn_srv(const struct relay_dns_answer *, void *);
static uint32_t	 relay_conn_random(void *, uint32_t);
static void	 relay_conn_resolve(struct relay_conn *);
static int	 relay_conn_literal(struct relay_conn *, const char *);
static void	 relay_conn_addrs(const struct relay_dns_answer *, void *);
static void	 relay_conn_next(struct relay_conn *);
static void	 relay_conn_open(struct relay_conn *);
static void	 relay_conn_name(struct relay_conn *, const struct srv *,
		    const struct relay_addr *);
static unsigned int relay_conn_patience(const struct relay_conn *);
static void	 relay_conn_tcp(evutil_socket_t, short, void *);
static void	 relay_conn_tls(struct relay_conn *);
static void	 relay_conn_ready(struct tlsconn *, void *);
static void	 relay_conn_data(struct tlsconn *, const uint8_t *, size_t,
		    void *);
static void	 relay_conn_closed(struct tlsconn *, const char *, void *);
static void	 relay_conn_idle(struct relay_conn *);
static void	 relay_conn_answered(struct relay_conn *, int);
static void	 relay_conn_broken(struct relay_conn *, const char *);

static const struct tlsconn_cb relay_conn_cb = {
	.ready = relay_conn_ready,
	.data = relay_conn_data,
	.closed = relay_conn_closed,
};

int
relay_conn_is_connecting(const struct relay_conn *c)
{
	return c->state < RC_IDLE;
}

struct relay_conn *
relay_conn_new(struct relay_domain *d)
{
	struct relay_conn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->domain = d;
	c->fd = -1;
	c->generation = d->relay->generation;
	strlcpy(c->why, "no address to try", sizeof(c->why));
	if ((c->step = event_new(d->relay->p->base, -1, 0, relay_conn_step,
	    c)) == NULL) {
		free(c);
		errno = ENOMEM;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&d->conns, c, entry);
	d->nconns++;
	d->nconnecting++;
	d->relay->nconns++;
	event_active(c->step, EV_TIMEOUT, 0);
	return c;
}

void
relay_conn_free(struct relay_conn *c)
{
	struct relay_domain	*d = c->domain;

	if (c->state == RC_IDLE) {
		TAILQ_REMOVE(&d->relay->idle, c, idle);
		d->relay->nidle--;
	}
	if (relay_conn_is_connecting(c))
		d->nconnecting--;
	TAILQ_REMOVE(&d->conns, c, entry);
	d->nconns--;
	d->relay->nconns--;
	relay_dns_cancel(c->query);
	if (c->tcp != NULL)
		event_free(c->tcp);
	if (c->fd != -1)
		close(c->fd);
	tlsconn_free(c->tc);
	event_free(c->step);
	http_msg_free(&c->msg);
	free(c->target);
	free(c->addr);
	free(c);
}

static void
relay_conn_fail(struct relay_conn *c, int result)
{
	struct relay	*r = c->domain->relay;
	size_t		 i;

	for (i = 0; i < c->ntarget; i++)
		relay_dns_forget(r->dns, c->target[i].target);
	relay_dns_forget(r->dns, c->domain->name);
	log_debug("domain %s: %s: %s", c->domain->name, c->host, c->why);
	relay_pool_failed(c, result, c->why, c->host);
}

/* --- route ------------------------------------------------------------------- */

/* The first turn: relay_conn_new() has returned by now. */
static void
relay_conn_step(evutil_socket_t fd, short what, void *arg)
{
	struct relay_conn	*c = arg;

	(void)fd;
	(void)what;
	switch (c->state) {
	case RC_ROUTE:
		relay_conn_route(c);
		break;
	case RC_ADDR:
		relay_conn_resolve(c);
		break;
	default:
		relay_conn_next(c);
		break;
	}
}

/* The domain's own route before "*". */
static const struct conf_route *
relay_conn_static(const struct relay_conn *c)
{
	const struct conf	*conf = c->domain->relay->p->conf;
	const struct conf_route	*r, *any = NULL;

	TAILQ_FOREACH(r, &conf->routes, entry) {
		if (strcasecmp(r->domain, c->domain->name) == 0)
			return r;
		if (strcmp(r->domain, "*") == 0 && any == NULL)
			any = r;
	}
	return any;
}

static void
relay_conn_route(struct relay_conn *c)
{
	const struct conf_route	*r = relay_conn_static(c);

	if (r == NULL) {
		if ((c->query = relay_dns_srv(c->domain->relay->dns,
		    c->domain->name, relay_conn_srv, c)) == NULL) {
			strlcpy(c->why, "out of memory", sizeof(c->why));
			relay_conn_fail(c, RELAY_TEMP);
		}
		return;
	}
	if ((c->target = calloc(1, sizeof(*c->target))) == NULL) {
		strlcpy(c->why, "out of memory", sizeof(c->why));
		relay_conn_fail(c, RELAY_TEMP);
		return;
	}
	c->target->port = r->port;
	strlcpy(c->target->target, r->host, sizeof(c->target->target));
	c->ntarget = 1;
	relay_conn_resolve(c);
}

static void
relay_conn_srv(const struct relay_dns_answer *a, void *arg)
{
	struct relay_conn	*c = arg;

	c->query = NULL;
	if (a->result != RELAY_OK) {
		strlcpy(c->why, a->why, sizeof(c->why));
		relay_conn_fail(c, a->result);
		return;
	}
	if (srv_none(a->srv, a->nsrv)) {
		strlcpy(c->why, "domain says that it has no WSEmail service",
		    sizeof(c->why));
		relay_conn_fail(c, RELAY_PERM);
		return;
	}
	if ((c->target = calloc(a->nsrv, sizeof(*c->target))) == NULL) {
		strlcpy(c->why, "out of memory", sizeof(c->why));
		relay_conn_fail(c, RELAY_TEMP);
		return;
	}
	memcpy(c->target, a->srv, a->nsrv * sizeof(*c->target));
	c->ntarget = a->nsrv;
	srv_order(c->target, c->ntarget, relay_conn_random, NULL);
	relay_conn_resolve(c);
}

static uint32_t
relay_conn_random(void *arg, uint32_t n)
{
	(void)arg;
	return arc4random_uniform(n);
}

/* --- addresses ---------------------------------------------------------------- */

/* The target in turn; when there is none left, the last failure stands. */
static void
relay_conn_resolve(struct relay_conn *c)
{
	const char	*host;

	c->state = RC_ADDR;
	free(c->addr);
	c->addr = NULL;
	c->naddr = c->iaddr = 0;
	if (c->itarget >= c->ntarget) {
		relay_conn_fail(c, RELAY_TEMP);
		return;
	}
	host = c->target[c->itarget].target;
	/* A root target among others means nothing (RFC 2782). */
	if (host[0] == '\0') {
		c->itarget++;
		event_active(c->step, EV_TIMEOUT, 0);
		return;
	}
	switch (relay_conn_literal(c, host)) {
	case 1:
		relay_conn_next(c);
		return;
	case 0:
		c->query = relay_dns_addr(c->domain->relay->dns, host,
		    relay_conn_addrs, c);
		break;
	}
	if (c->query == NULL) {
		strlcpy(c->why, "out of memory", sizeof(c->why));
		relay_conn_fail(c, RELAY_TEMP);
	}
}

/* 1: addresses that need no resolver, 0: a name, -1: ENOMEM. */
static int
relay_conn_literal(struct relay_conn *c, const char *host)
{
	static const char *const loopback[] = { "::1", "127.0.0.1" };
	struct addrinfo		 hints, *ai;
	size_t			 i, n = 1;
	int			 is_localhost;

	/* RFC 6761 6.3: it never is a question for the DNS. */
	is_localhost = strcasecmp(host, "localhost") == 0;
	if (is_localhost)
		n = nitems(loopback);
	if ((c->addr = calloc(n, sizeof(*c->addr))) == NULL)
		return -1;
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST;
	for (i = 0; i < n; i++) {
		if (getaddrinfo(is_localhost ? loopback[i] : host, NULL,
		    &hints, &ai) != 0)
			continue;
		memcpy(&c->addr[c->naddr].ss, ai->ai_addr, ai->ai_addrlen);
		c->addr[c->naddr++].len = ai->ai_addrlen;
		freeaddrinfo(ai);
	}
	return c->naddr > 0;
}

static void
relay_conn_addrs(const struct relay_dns_answer *a, void *arg)
{
	struct relay_conn	*c = arg;

	c->query = NULL;
	free(c->addr);
	c->addr = NULL;
	if (a->result == RELAY_OK)
		c->addr = calloc(a->naddr, sizeof(*c->addr));
	if (c->addr == NULL) {
		relay_conn_name(c, &c->target[c->itarget], NULL);
		strlcpy(c->why, a->result != RELAY_OK ? a->why :
		    "out of memory", sizeof(c->why));
		c->itarget++;
		relay_conn_resolve(c);
		return;
	}
	memcpy(c->addr, a->addr, a->naddr * sizeof(*c->addr));
	c->naddr = a->naddr;
	relay_conn_next(c);
}

/* The address in turn, or the next target, while there is anybody to do it for. */
static void
relay_conn_next(struct relay_conn *c)
{
	struct relay_domain	*d = c->domain;

	/* A long list of dead servers outlives the job; its sockets must not. */
	if (d->nwaiting == 0) {
		relay_conn_free(c);
		relay_pool_gc(d);
		return;
	}
	if (c->iaddr < c->naddr) {
		relay_conn_open(c);
		return;
	}
	c->itarget++;
	relay_conn_resolve(c);
}

static void
relay_conn_name(struct relay_conn *c, const struct srv *target,
    const struct relay_addr *a)
{
	char	 addr[INET6_ADDRSTRLEN] = "?";

	if (a != NULL && getnameinfo((const struct sockaddr *)&a->ss, a->len,
	    addr, sizeof(addr), NULL, 0, NI_NUMERICHOST) != 0)
		strlcpy(addr, "?", sizeof(addr));
	snprintf(c->host, sizeof(c->host), "%s[%s]:%u", target->target, addr,
	    target->port);
}

/* One address must leave time for others. */
static unsigned int
relay_conn_patience(const struct relay_conn *c)
{
	int64_t	 s = c->domain->relay->p->conf->limit[LIM_RELAY_TIMEOUT] / 3;

	return s < 1 ? 1 : s > RELAY_CONNECT ? RELAY_CONNECT : (unsigned int)s;
}

/* --- TCP and TLS --------------------------------------------------------------- */

static void
relay_conn_open(struct relay_conn *c)
{
	const struct srv	*target = &c->target[c->itarget];
	struct relay_addr	*a = &c->addr[c->iaddr++];
	struct sockaddr		*sa = (struct sockaddr *)&a->ss;
	struct timeval		 tv = { 0, 0 };
	int			 one = 1;

	c->state = RC_TCP;
	if (sa->sa_family == AF_INET)
		((struct sockaddr_in *)(void *)sa)->sin_port =
		    htons(target->port);
	else
		((struct sockaddr_in6 *)(void *)sa)->sin6_port =
		    htons(target->port);
	relay_conn_name(c, target, a);
	c->domain->relay->stats.connects++;
	c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		goto err;
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one)) == -1)
		log_debug("%s: TCP_NODELAY", c->host);
	if (connect(c->fd, sa, a->len) == -1 && errno != EINPROGRESS)
		goto err;
	tv.tv_sec = relay_conn_patience(c);
	if ((c->tcp = event_new(c->domain->relay->p->base, c->fd, EV_WRITE,
	    relay_conn_tcp, c)) == NULL || event_add(c->tcp, &tv) == -1)
		goto err;
	return;
err:
	snprintf(c->why, sizeof(c->why), "connect: %s", strerror(errno));
	if (c->tcp != NULL)
		event_free(c->tcp);
	c->tcp = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	event_active(c->step, EV_TIMEOUT, 0);
}

static void
relay_conn_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct relay_conn	*c = arg;
	socklen_t		 len = sizeof(int);
	int			 error = 0;

	event_free(c->tcp);
	c->tcp = NULL;
	if (what & EV_TIMEOUT)
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0) {
		relay_conn_tls(c);
		return;
	}
	snprintf(c->why, sizeof(c->why), "connect: %s", strerror(error));
	close(c->fd);
	c->fd = -1;
	relay_conn_next(c);
}

static void
relay_conn_tls(struct relay_conn *c)
{
	struct relay	*r = c->domain->relay;
	struct tls	*ctx;
	const char	*why;
	int		 fd = c->fd;

	c->state = RC_TLS;
	if ((ctx = relay_tls_client(r->tls, &why)) == NULL) {
		strlcpy(c->why, why, sizeof(c->why));
		relay_conn_fail(c, RELAY_TEMP);
		return;
	}
	c->fd = -1;
	c->tc = tlsconn_client(r->p->base, ctx, fd, c->domain->name,
	    &relay_conn_cb, c);
	if (c->tc == NULL) {
		strlcpy(c->why, "out of memory", sizeof(c->why));
		relay_conn_fail(c, RELAY_TEMP);
		return;
	}
	tlsconn_timeout(c->tc, relay_conn_patience(c));
}

static void
relay_conn_ready(struct tlsconn *tc, void *arg)
{
	struct relay_conn	*c = arg;
	const char		*why;

	if ((why = relay_tls_check(c->domain->relay->tls,
	    tlsconn_tls(tc))) != NULL) {
		snprintf(c->why, sizeof(c->why), "TLS: %s", why);
		tlsconn_free(tc);
		c->tc = NULL;
		relay_conn_next(c);
		return;
	}
	c->domain->nconnecting--;
	free(c->addr);
	c->addr = NULL;
	c->naddr = 0;
	relay_conn_idle(c);
}

/* --- the exchange ----------------------------------------------------------------- */

/* The connection may be gone afterwards, or have its next job. */
static void
relay_conn_idle(struct relay_conn *c)
{
	struct relay_domain	*d = c->domain;
	struct relay		*r = d->relay;

	c->state = RC_IDLE;
	TAILQ_INSERT_TAIL(&r->idle, c, idle);
	r->nidle++;
	TAILQ_REMOVE(&d->conns, c, entry);
	TAILQ_INSERT_TAIL(&d->conns, c, entry);
	tlsconn_timeout(c->tc,
	    (unsigned int)r->p->conf->limit[LIM_RELAY_IDLE_TIMEOUT]);
	if (c->generation != r->generation || r->is_stopping)
		relay_conn_free(c);
	relay_pool_run(d);
	relay_pool_gc(d);
}

/* Called by the pool, which has taken it from the idle ones. */
void
relay_conn_post(struct relay_conn *c, struct relay_job *job)
{
	struct relay		*r = c->domain->relay;
	struct http_limits	 lim;
	struct wbuf		 w = { 0 };
	const char		*quote = job->post.soapaction[0] == '"' ? "" : "\"";

	c->state = RC_BUSY;
	c->job = job;
	job->conn = c;
	if (c->is_reused)
		r->stats.reused++;
	lim.head_max = (size_t)r->p->conf->limit[LIM_HTTP_HEADER_SIZE];
	lim.fields_max = (unsigned int)r->p->conf->limit[LIM_HTTP_HEADERS];
	lim.body_max = (size_t)r->p->conf->limit[LIM_RELAY_ANSWER_SIZE];
	http_msg_init(&c->msg, 1, &lim);
	tlsconn_timeout(c->tc, 0);	/* the job's own deadline holds */

	wbuf_printf(&w, "POST /wsemail HTTP/1.1\r\nHost: %s\r\n"
	    "Content-Type: %s\r\nSOAPAction: %s%s%s\r\n"
	    "Content-Length: %zu\r\n\r\n", c->domain->name,
	    job->post.content_type, quote, job->post.soapaction, quote,
	    job->post.body_len);
	wbuf_raw(&w, job->body, job->post.body_len);
	r->stats.bytes_out += w.len;
	if (w.error || tlsconn_write(c->tc, w.data, w.len) == -1) {
		/* Cut off, it must not look whole: nothing more is sent. */
		tlsconn_finish(c->tc);
		log_warnx("domain %s: out of memory", c->domain->name);
	}
	wbuf_free(&w);
}

static void
relay_conn_data(struct tlsconn *tc, const uint8_t *data, size_t len, void *arg)
{
	struct relay_conn	*c = arg;
	char			 why[sizeof(c->why)];
	size_t			 used;

	c->domain->relay->stats.bytes_in += len;
	if (c->state != RC_BUSY) {
		relay_conn_broken(c, "unexpected data");
		return;
	}
	switch (http_feed(&c->msg, data, len, &used)) {
	case 0:
		return;
	case 1:
		/* More than was asked for, or early: not to be used again. */
		relay_conn_answered(c, used == len &&
		    tlsconn_pending(tc) == 0);
		return;
	default:
		snprintf(why, sizeof(why), "bad answer: %s", c->msg.why);
		relay_conn_broken(c, why);
	}
}

static void
relay_conn_closed(struct tlsconn *tc, const char *why, void *arg)
{
	struct relay_conn	*c = arg;

	(void)tc;
	if (relay_conn_is_connecting(c)) {
		snprintf(c->why, sizeof(c->why), "TLS: %s",
		    why != NULL ? why : "connection closed");
		tlsconn_free(c->tc);
		c->tc = NULL;
		relay_conn_next(c);
		return;
	}
	/* Only close_notify tells the end of an answer without a length. */
	if (c->state == RC_BUSY && why == NULL &&
	    c->msg.state == HTTP_BODY_EOF && http_eof(&c->msg) == 0)
		relay_conn_answered(c, 0);
	else
		relay_conn_broken(c, why != NULL ? why : "connection closed");
}

static void
relay_conn_answered(struct relay_conn *c, int may_keep)
{
	struct relay_domain	*d = c->domain;
	struct relay_job	*job = c->job;

	c->job = NULL;
	c->is_reused = 1;
	relay_job_done(job, RELAY_OK, "", c->host, &c->msg);
	may_keep = may_keep && c->msg.keepalive;
	http_msg_free(&c->msg);
	if (may_keep) {
		relay_conn_idle(c);
		return;
	}
	relay_conn_free(c);
	relay_pool_run(d);
	relay_pool_gc(d);
}

/* A connection that was made is of no more use. */
static void
relay_conn_broken(struct relay_conn *c, const char *why)
{
	struct relay_domain	*d = c->domain;
	struct relay_job	*job = c->job;
	char			 text[sizeof(c->why) + 32], host[sizeof(c->host)];
	int			 is_stale;

	/*
	 * A peer may close a kept connection at any time (RFC 9112 9.5);
	 * that it did so just now says nothing about the request, which the
	 * receiver would recognise if it had it twice.
	 */
	is_stale = c->is_reused && c->msg.head_len == 0 && !c->msg.head_done &&
	    c->msg.status == 0 && c->msg.state == HTTP_HEAD;
	snprintf(text, sizeof(text), "%s%s", c->msg.state == HTTP_ERROR ?
	    "" : c->msg.head_done ? "in the answer: " : "before an answer: ",
	    why);
	strlcpy(host, c->host, sizeof(host));
	c->job = NULL;
	relay_conn_free(c);
	if (job != NULL && is_stale && !job->is_retried)
		relay_pool_retry(job);
	else if (job != NULL) {
		relay_job_done(job, RELAY_TEMP, text, host, NULL);
		relay_pool_run(d);
	}
	relay_pool_gc(d);
}
