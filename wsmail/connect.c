/* SPDX-License-Identifier: ISC */
/*
 * From an account to a TLS connection with its server: the host from
 * ~/.wsmailrc or by SRV (c-ares), every address in turn, and a certificate
 * that must name the mail domain, whatever host DNS led to.
 */
#include "compat.h"

#include <sys/select.h>
#include <sys/time.h>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sysexits.h>
#include <tls.h>

#include "addr.h"
#include "srv.h"
#include "wsmail.h"

#define CONNECT_TIMEOUT	15		/* s for one address */
#define IO_TIMEOUT	60		/* s without progress */
#define ANSWER_MAX	(64U << 20)

struct conn {
	const struct account	*acc;
	struct tls_config	*cfg;
	struct tls		*tls;
	int			 fd;
	int			 used;		/* an exchange was made on it */
	char			 authority[300];
	time_t		 timeout;	/* s, of the socket */
};

struct lookup {
	int		 done, status;
	struct srv	*srv;
	size_t		 n;
	struct ares_addrinfo *ai;
};

static int	 conn_dns(const struct account *, ares_channel *);
static void	 conn_dns_run(ares_channel, struct lookup *);
static void	 conn_srv_cb(void *, int, int, unsigned char *, int);
static void	 conn_addr_cb(void *, int, int, struct ares_addrinfo *);
static uint32_t	 conn_random(void *, uint32_t);
static int	 conn_targets(const struct account *, ares_channel,
		    struct srv **, size_t *);
static int	 conn_socket(const struct ares_addrinfo_node *);
static int	 conn_host(struct conn *, ares_channel, const char *, uint16_t);
static int	 conn_connect(struct conn *);
static int	 conn_handshake(struct conn *);
static int	 conn_tls_config(struct conn *);
static int	 conn_write(struct conn *, const void *, size_t);
static int	 conn_read(struct conn *, struct http_msg *);
static void	 conn_settimeout(struct conn *, unsigned int);
static void	 conn_shut(struct conn *);

/* A resolver channel: the system's servers, or the account's own. */
static int
conn_dns(const struct account *acc, ares_channel *ch)
{
	struct ares_options	 opt;
	int			 r;

	memset(&opt, 0, sizeof(opt));
	opt.timeout = 3000;
	opt.tries = 2;
	r = ares_init_options(ch, &opt, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	if (r == ARES_SUCCESS && acc->resolver != NULL)
		r = ares_set_servers_ports_csv(*ch, acc->resolver);
	if (r == ARES_SUCCESS)
		return 0;
	fprintf(stderr, "wsmail: resolver: %s\n", ares_strerror(r));
	return -1;
}

static void
conn_dns_run(ares_channel ch, struct lookup *l)
{
	struct timeval	 tv, *tvp;
	fd_set		 rd, wr;
	int		 n;

	while (!l->done) {
		FD_ZERO(&rd);
		FD_ZERO(&wr);
		n = ares_fds(ch, &rd, &wr);
		if (n == 0)
			break;
		tvp = ares_timeout(ch, NULL, &tv);
		if (select(n, &rd, &wr, NULL, tvp) == -1) {
			if (errno == EINTR)
				continue;
			break;
		}
		ares_process(ch, &rd, &wr);
	}
	/* What is still asked for must not be answered to a lookup that is gone. */
	if (!l->done)
		ares_cancel(ch);
}

static void
conn_srv_cb(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct ares_srv_reply	*list = NULL, *r;
	struct lookup		*l = arg;

	(void)timeouts;
	l->done = 1;
	l->status = status;
	if (status != ARES_SUCCESS)
		return;
	if ((l->status = ares_parse_srv_reply(buf, len, &list)) !=
	    ARES_SUCCESS)
		return;
	for (r = list; r != NULL; r = r->next)
		l->n++;
	if ((l->srv = calloc(l->n, sizeof(*l->srv))) == NULL) {
		l->status = ARES_ENOMEM;
		l->n = 0;
	} else {
		for (l->n = 0, r = list; r != NULL; r = r->next) {
			l->srv[l->n].priority = r->priority;
			l->srv[l->n].weight = r->weight;
			l->srv[l->n].port = r->port;
			if (strlcpy(l->srv[l->n].target, r->host,
			    sizeof(l->srv[0].target)) <
			    sizeof(l->srv[0].target))
				l->n++;
		}
	}
	ares_free_data(list);
}

static void
conn_addr_cb(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct lookup	*l = arg;

	(void)timeouts;
	l->done = 1;
	l->status = status;
	l->ai = ai;
}

static uint32_t
conn_random(void *arg, uint32_t n)
{
	(void)arg;
	return arc4random_uniform(n);
}

/* The hosts to try, in order.  0, or a sysexits code. */
static int
conn_targets(const struct account *acc, ares_channel ch, struct srv **out,
    size_t *n)
{
	const char	*errstr;
	struct lookup	 l;
	char		 name[sizeof("_wsemail._tcp.") + ADDR_DOMAIN_MAX];

	memset(&l, 0, sizeof(l));
	if (acc->host != NULL) {
		if ((*out = calloc(1, sizeof(**out))) == NULL)
			return EX_OSERR;
		(*out)->port = (uint16_t)strtonum(acc->port, 1, 65535,
		    &errstr);
		if (errstr != NULL || strlcpy((*out)->target, acc->host,
		    sizeof((*out)->target)) >= sizeof((*out)->target)) {
			fprintf(stderr, "wsmail: server %s port %s: not "
			    "usable\n", acc->host, acc->port);
			return EX_CONFIG;
		}
		*n = 1;
		return 0;
	}
	snprintf(name, sizeof(name), "_wsemail._tcp.%s",
	    addr_domain(acc->address));
	ares_query(ch, name, 1 /* IN */, 33 /* SRV, RFC 2782 */, conn_srv_cb,
	    &l);
	conn_dns_run(ch, &l);
	if (l.status != ARES_SUCCESS || l.n == 0 || srv_none(l.srv, l.n)) {
		fprintf(stderr, "wsmail: no server for %s: SRV %s: %s\n",
		    addr_domain(acc->address), name,
		    l.status != ARES_SUCCESS ? ares_strerror(l.status) :
		    "the domain offers no WSEmail service");
		free(l.srv);
		return l.status == ARES_ETIMEOUT ||
		    l.status == ARES_ESERVFAIL ||
		    l.status == ARES_ECONNREFUSED ? EX_TEMPFAIL : EX_NOHOST;
	}
	srv_order(l.srv, l.n, conn_random, NULL);
	*out = l.srv;
	*n = l.n;
	return 0;
}

/* Connects within CONNECT_TIMEOUT; the socket is blocking again after it. */
static int
conn_socket(const struct ares_addrinfo_node *ai)
{
	struct pollfd	 pfd;
	socklen_t	 len = sizeof(int);
	int		 fd, err = 0, on = 1, fl;

	if ((fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	if ((fl = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		goto err;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == -1) {
		if (errno != EINPROGRESS)
			goto err;
		pfd.fd = fd;
		pfd.events = POLLOUT;
		if (poll(&pfd, 1, CONNECT_TIMEOUT * 1000) != 1) {
			errno = ETIMEDOUT;
			goto err;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
			goto err;
		if (err != 0) {
			errno = err;
			goto err;
		}
	}
	if (fcntl(fd, F_SETFL, fl) == -1)
		goto err;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
err:
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* All addresses of one target.  0, or -1 after each failure was printed. */
static int
conn_host(struct conn *c, ares_channel ch, const char *host, uint16_t port)
{
	struct ares_addrinfo_hints	 hints;
	struct ares_addrinfo_node	*n;
	struct lookup			 l;
	char				 service[8];

	memset(&l, 0, sizeof(l));
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = ARES_AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%u", port);
	ares_getaddrinfo(ch, host, service, &hints, conn_addr_cb, &l);
	conn_dns_run(ch, &l);
	if (l.status != ARES_SUCCESS || l.ai == NULL) {
		fprintf(stderr, "wsmail: %s: %s\n", host,
		    ares_strerror(l.status));
		return -1;
	}
	for (n = l.ai->nodes; n != NULL && c->fd == -1; n = n->ai_next) {
		if ((c->fd = conn_socket(n)) == -1)
			fprintf(stderr, "wsmail: %s port %u: %s\n", host, port,
			    strerror(errno));
		else if (conn_handshake(c) == -1)
			conn_shut(c);
	}
	ares_freeaddrinfo(l.ai);
	if (c->fd == -1)
		return -1;
	snprintf(c->authority, sizeof(c->authority),
	    strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
	return 0;
}

static int
conn_handshake(struct conn *c)
{
	conn_settimeout(c, IO_TIMEOUT);
	if ((c->tls = tls_client()) == NULL ||
	    tls_configure(c->tls, c->cfg) == -1 ||
	    tls_connect_socket(c->tls, c->fd, addr_domain(c->acc->address)) ==
	    -1 || tls_handshake(c->tls) != 0) {
		fprintf(stderr, "wsmail: TLS with the server of %s: %s\n",
		    addr_domain(c->acc->address), c->tls == NULL ?
		    "out of memory" : tls_error(c->tls) != NULL ?
		    tls_error(c->tls) : "timed out");
		return -1;
	}
	return 0;
}

static int
conn_tls_config(struct conn *c)
{
	if ((c->cfg = tls_config_new()) == NULL)
		return EX_OSERR;
	if (tls_config_set_protocols(c->cfg, TLS_PROTOCOL_TLSv1_2 |
	    TLS_PROTOCOL_TLSv1_3) == -1 || (c->acc->ca != NULL &&
	    tls_config_set_ca_file(c->cfg, c->acc->ca) == -1)) {
		fprintf(stderr, "wsmail: %s: %s\n",
		    c->acc->ca != NULL ? c->acc->ca : "TLS",
		    tls_config_error(c->cfg));
		return EX_CONFIG;
	}
	return 0;
}

/* 0, or a sysexits code after an error was printed. */
static int
conn_connect(struct conn *c)
{
	ares_channel	 ch;
	struct srv	*srv = NULL;
	size_t		 n = 0, i;
	int		 code;

	if (conn_dns(c->acc, &ch) == -1)
		return EX_OSERR;
	code = conn_targets(c->acc, ch, &srv, &n);
	for (i = 0; code == 0 && i < n && c->fd == -1; i++)
		(void)conn_host(c, ch, srv[i].target, srv[i].port);
	if (code == 0 && c->fd == -1)
		code = EX_UNAVAILABLE;	/* each reason was printed */
	free(srv);
	ares_destroy(ch);
	return code;
}

struct conn *
conn_open(const struct account *acc, int *code)
{
	struct conn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		fprintf(stderr, "wsmail: %s\n", strerror(errno));
		*code = EX_OSERR;
		return NULL;
	}
	c->acc = acc;
	c->fd = -1;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		fprintf(stderr, "wsmail: the resolver does not start\n");
		*code = EX_OSERR;
	} else
		*code = conn_tls_config(c);
	if (*code != 0) {
		conn_close(c);
		return NULL;
	}
	return c;
}

static void
conn_settimeout(struct conn *c, unsigned int seconds)
{
	struct timeval	 tv = { .tv_sec = (time_t)seconds };

	c->timeout = (time_t)seconds;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static time_t
conn_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/*
 * The socket blocks, so "want" means that its time-out passed, or that the
 * process was stopped and goes on: signal(7).
 */
static ssize_t
conn_tls_read(struct conn *c, void *buf, size_t size)
{
	time_t	 end = conn_now() + c->timeout;
	ssize_t	 n;

	do
		n = tls_read(c->tls, buf, size);
	while ((n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT) &&
	    conn_now() < end);
	return n;
}

static int
conn_write(struct conn *c, const void *data, size_t len)
{
	const uint8_t	*p = data;
	ssize_t		 n;

	while (len > 0) {
		if ((n = tls_write(c->tls, p, len)) <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 0 complete, 1 closed before the first octet, -1 failed (printed). */
static int
conn_read(struct conn *c, struct http_msg *m)
{
	uint8_t		 buf[16384];
	size_t		 used, got = 0;
	ssize_t		 n;
	int		 r;

	for (;;) {
		n = conn_tls_read(c, buf, sizeof(buf));
		if (n <= 0 && got == 0 && n != TLS_WANT_POLLIN)
			return 1;
		if (n == 0 && http_eof(m) == 0)
			return 0;
		if (n <= 0) {
			fprintf(stderr, "wsmail: reading the answer: %s\n",
			    n == 0 ? "closed too early" :
			    n == TLS_WANT_POLLIN ? "timed out" :
			    tls_error(c->tls));
			return -1;
		}
		got += (size_t)n;
		if ((r = http_feed(m, buf, (size_t)n, &used)) == -1) {
			fprintf(stderr, "wsmail: the server's answer: %s\n",
			    m->why);
			return -1;
		}
		if (r == 1)
			return 0;
	}
}

/* 0, a code after an error was printed, or CONN_CLOSED. */
int
conn_post(struct conn *c, const char *type, const char *action,
    const struct wbuf *body, struct http_msg *m, unsigned int timeout)
{
	const struct http_limits	 limits = { 65536, 100, ANSWER_MAX };
	struct wbuf			 head;
	int				 code, r, reused;

	if (c->fd == -1 && (code = conn_connect(c)) != 0)
		return code;
	reused = c->used;
	wbuf_init(&head);
	wbuf_printf(&head, "POST /wsemail HTTP/1.1\r\nHost: %s\r\n"
	    "Content-Type: %s\r\nSOAPAction: \"%s\"\r\n"
	    "Content-Length: %zu\r\nUser-Agent: wsmail\r\n\r\n",
	    c->authority, type, action, body->len);
	wbuf_raw(&head, body->data, body->len);
	if (head.error != 0) {
		wbuf_free(&head);
		return EX_OSERR;
	}
	http_msg_init(m, 1, &limits);
	conn_settimeout(c, timeout);
	/* Who does not want all of it may have said why. */
	(void)conn_write(c, head.data, head.len);
	r = conn_read(c, m);
	wbuf_free(&head);
	c->used = 1;
	if (r == 0) {
		if (!m->keepalive)
			conn_shut(c);
		return 0;
	}
	http_msg_free(m);
	conn_shut(c);
	if (r == 1 && reused)
		return CONN_CLOSED;
	if (r == 1)
		fprintf(stderr, "wsmail: the server closed the connection\n");
	return EX_TEMPFAIL;
}

static void
conn_shut(struct conn *c)
{
	if (c->tls != NULL && c->fd != -1)
		(void)tls_close(c->tls);
	tls_free(c->tls);
	c->tls = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->used = 0;
}

void
conn_close(struct conn *c)
{
	if (c == NULL)
		return;
	conn_shut(c);
	tls_config_free(c->cfg);
	free(c);
}
