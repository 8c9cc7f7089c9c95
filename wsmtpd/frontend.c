/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-frontend: the process.  Accepts on the sockets that the parent
 * opened, within the limits on connections; keeps the TLS contexts; passes
 * soap's answers to the connection that waits for each.
 */
#include "compat.h"

#include <sys/time.h>

#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "frontend.h"
#include "log.h"
#include "msg_http.h"
#include "rate.h"

#define FE_FDS_SPARE	16	/* for the answers of soap */
#define FE_ACCEPT_TURNS	32	/* connections before others get their turn */
#define FE_RATES	16384	/* addresses whose rates are known */
#define FE_FINISH	10	/* s for what is in work at shutdown */
#define FE_REFUSE_LINES	20	/* ev=refuse in a second */
#define FE_TICKET_LIFE	7200	/* s a TLS session may be resumed */

static int	 frontend_preinit(struct proc *);
static int	 frontend_init(struct proc *);
static void	 frontend_start(struct proc *);
static void	 frontend_listen(struct proc *, const char *, const char *, int);
static int	 frontend_msg(struct proc *, struct chan *, struct imsg *);
static void	 frontend_peer_down(struct proc *, struct chan *);
static void	 frontend_reload(struct proc *, struct conf *);
static void	 frontend_stats(struct proc *, struct wbuf *);
static void	 frontend_shutdown(struct proc *);
static void	 fe_give_up(evutil_socket_t, short, void *);

static int	 fe_response(struct frontend *, struct chan *, struct imsg *);
static int	 fe_response_ok(const struct http_resp *);

static struct fe_tls *fe_tls_new(const struct conf *);
static int	 fe_tls_config(struct tls_config *, const struct conf *);
static void	 fe_tls_unref(struct fe_tls *);

static void	 fe_unlisten(struct frontend *, struct fe_listener *);
static int	 fe_is_named(const struct conf *, const char *);
static void	 fe_accept(evutil_socket_t, short, void *);
static int	 fe_accept_failed(struct frontend *);
static void	 fe_accept_pause(struct frontend *);
static void	 fe_accept_resume(evutil_socket_t, short, void *);
static void	 fe_admit(struct frontend *, int, const struct sockaddr *);
static struct fe_addr *fe_addr_count(struct frontend *,
		    const struct sockaddr *, char *, size_t);
static void	 fe_addr_uncount(struct frontend *, struct fe_addr *);

RB_GENERATE(fe_addrs, fe_addr, entry, fe_addr_cmp)

static const struct proc_ops frontend_ops = {
	.me = P_FRONTEND,
	.preinit = frontend_preinit,
	.init = frontend_init,
	.start = frontend_start,
	.listen = frontend_listen,
	.msg = frontend_msg,
	.peer_down = frontend_peer_down,
	.reload = frontend_reload,
	.stats = frontend_stats,
	.shutdown = frontend_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &frontend_ops);
}

int
fe_addr_cmp(struct fe_addr *a, struct fe_addr *b)
{
	return memcmp(a->key, b->key, sizeof(a->key));
}

/* libtls reads OpenSSL's own configuration: before the chroot. */
static int
frontend_preinit(struct proc *p)
{
	(void)p;
	if (tls_init() == -1) {
		log_warnx("libtls cannot be initialised");
		return -1;
	}
	return 0;
}

static int
frontend_init(struct proc *p)
{
	struct frontend	*fe;

	if ((fe = calloc(1, sizeof(*fe))) == NULL) {
		log_warn("frontend");
		return -1;
	}
	fe->p = p;
	TAILQ_INIT(&fe->listeners);
	TAILQ_INIT(&fe->conns);
	RB_INIT(&fe->addrs);
	idtree_init(&fe->wait_soap);
	fe->resume = evtimer_new(p->base, fe_accept_resume, fe);
	fe->give_up = evtimer_new(p->base, fe_give_up, fe);
	fe->tls = fe_tls_new(p->conf);
	p->ctx = fe;
	fe->requests = rate_new(FE_RATES);
	fe->octets = rate_new(FE_RATES);
	if (fe->requests == NULL || fe->octets == NULL)
		return -1;
	if (fe->resume == NULL || fe->give_up == NULL || fe->tls == NULL)
		return -1;
	return 0;
}

/* Connections that came before soap was there wait in the backlog. */
static void
frontend_start(struct proc *p)
{
	fe_accept_resume(-1, 0, p->ctx);
}

static void
frontend_reload(struct proc *p, struct conf *old)
{
	struct frontend		*fe = p->ctx;
	struct fe_listener	*l, *next;
	struct fe_tls		*tls;

	(void)old;
	if ((tls = fe_tls_new(p->conf)) == NULL)
		log_warnx("new keys are not used, the old ones stay");
	else {
		fe_tls_unref(fe->tls);
		fe->tls = tls;
	}
	TAILQ_FOREACH_SAFE(l, &fe->listeners, entry, next)
		if (!fe_is_named(p->conf, l->name))
			fe_unlisten(fe, l);
}

static void
frontend_stats(struct proc *p, struct wbuf *w)
{
	static const char *const by_class[] = {
		NULL, NULL, "answers_2xx", "answers_3xx", "answers_4xx",
		"answers_5xx"
	};
	struct frontend	*fe = p->ctx;
	size_t		 i;

	stats_add(w, "connections_open", 'g', fe->nconns);
	stats_limit(w, LIM_CONNECTIONS, fe->nconns);
	stats_limit(w, LIM_BODIES, fe->body_held);
	stats_add(w, "connections", 'c', fe->stats.connections);
	stats_add(w, "handshake_failures", 'c', fe->stats.handshake_failures);
	stats_add(w, "accept_failures", 'c', fe->stats.accept_failures);
	stats_add(w, "timeouts", 'c', fe->stats.timeouts);
	stats_add(w, "requests", 'c', fe->stats.requests);
	stats_add(w, "requests_in_work", 'g', fe->wait_soap.count);
	for (i = 2; i < nitems(by_class); i++)
		stats_add(w, by_class[i], 'c', fe->stats.answers[i]);
	stats_add(w, "bytes_in", 'c', fe->stats.bytes_in);
	stats_add(w, "bytes_out", 'c', fe->stats.bytes_out);
}

/* Accepts no more; what is in work is finished if it can be soon. */
static void
frontend_shutdown(struct proc *p)
{
	struct frontend		*fe = p->ctx;
	struct timeval		 tv = { FE_FINISH, 0 };
	struct fe_listener	*l;
	struct fe_conn		*c, *next;

	fe->is_stopping = 1;
	while ((l = TAILQ_FIRST(&fe->listeners)) != NULL)
		fe_unlisten(fe, l);
	evtimer_del(fe->resume);
	TAILQ_FOREACH_SAFE(c, &fe->conns, entry, next)
		fe_conn_wind_up(c);
	if (fe->nconns == 0)
		proc_exit(p, 0);
	evtimer_add(fe->give_up, &tv);
}

static void
fe_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct frontend	*fe = arg;

	(void)fd;
	(void)what;
	log_info("%u connections are cut", fe->nconns);
	proc_exit(fe->p, 0);
}

void
fe_release(struct frontend *fe, struct fe_conn *c)
{
	struct timeval	 now = { 0, 0 };

	fe_tls_unref(c->tls);
	fe_addr_uncount(fe, c->addr);
	if (fe->is_stopping && fe->nconns == 0)
		evtimer_add(fe->give_up, &now);
}

void
fe_refuse(struct frontend *fe, uint64_t id, const char *peer, const char *why)
{
	struct log_ev	 ev = { .ev = "refuse", .id = id, .peer = peer };
	time_t		 now = time(NULL);

	if (now != fe->refuse_sec) {
		if (fe->refuse_count > FE_REFUSE_LINES)
			log_warnx("%u refusals in a second, %u not logged",
			    fe->refuse_count,
			    fe->refuse_count - FE_REFUSE_LINES);
		fe->refuse_sec = now;
		fe->refuse_count = 0;
	}
	proc_struck(fe->p, limit_named(why));
	if (++fe->refuse_count > FE_REFUSE_LINES)
		return;
	ev.result = "refused";
	ev.reason = why;
	log_event(&ev);
}

/* --- soap's answers --------------------------------------------------------- */

static int
frontend_msg(struct proc *p, struct chan *chan, struct imsg *imsg)
{
	switch (imsg->hdr.type) {
	case IMSG_FRONTEND_HTTP_RESPONSE:
		return fe_response(p->ctx, chan, imsg);
	default:
		log_warnx("unexpected %s from %s", proto_name(imsg->hdr.type),
		    proc_name(chan->peer));
		return -1;
	}
}

static int
fe_response(struct frontend *fe, struct chan *chan, struct imsg *imsg)
{
	struct http_resp	 resp;
	struct fe_answer	 a = { 0 };
	struct fe_conn		*c;
	struct rbuf		 r;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (http_resp_get(&r, &resp) == -1) {
		log_warn("soap: malformed %s", proto_name(imsg->hdr.type));
		return -1;
	}
	if (chan->outstanding == 0 || !fe_response_ok(&resp)) {
		log_warnx("soap: bad answer, status %" PRIu32, resp.status);
		http_resp_free(&resp);
		return -1;
	}
	chan->outstanding--;
	/* The client, or our patience, may have gone meanwhile. */
	if ((c = idtree_get(&fe->wait_soap, imsg->hdr.id)) != NULL &&
	    c->soap == chan) {
		idtree_pop(&fe->wait_soap, imsg->hdr.id);
		c->soap = NULL;
		a.status = (int)resp.status;
		a.retry_after = resp.retry_after;
		a.type = resp.content_type;
		a.body = resp.body;
		a.len = resp.body_len;
		fe_answer(c, &a, 0);
	}
	http_resp_free(&resp);
	return 0;
}

/* soap reads what strangers write: it must not be able to split an answer. */
static int
fe_response_ok(const struct http_resp *resp)
{
	const char	*s;

	for (s = resp->content_type; s != NULL && *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			return 0;
	return resp->status >= 200 && resp->status <= 599 &&
	    resp->status != 204 && resp->status != 304;
}

static void
frontend_peer_down(struct proc *p, struct chan *chan)
{
	struct frontend	*fe = p->ctx;
	struct fe_conn	*c, *next;

	TAILQ_FOREACH_SAFE(c, &fe->conns, entry, next) {
		if (c->soap != chan)
			continue;
		idtree_pop(&fe->wait_soap, c->id);
		c->soap = NULL;
		fe_answer_error(c, 503, "interrupted, try again", 0);
	}
}

/* --- TLS --------------------------------------------------------------------- */

/* NULL: logged. */
static struct fe_tls *
fe_tls_new(const struct conf *conf)
{
	struct tls_config	*config;
	struct fe_tls		*t;

	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (config = tls_config_new()) == NULL) {
		log_warn("tls");
		free(t);
		return NULL;
	}
	t->refs = 1;
	if (fe_tls_config(config, conf) == -1)
		goto err;
	if ((t->ctx = tls_server()) == NULL) {
		log_warn("tls");
		goto err;
	}
	if (tls_configure(t->ctx, config) == -1) {
		log_warnx("tls: %s", tls_error(t->ctx));
		goto err;
	}
	/* OpenSSL has them now; the configuration lives as long as the context. */
	tls_config_clear_keys(config);
	tls_config_free(config);
	return t;
err:
	tls_config_free(config);
	fe_tls_unref(t);
	return NULL;
}

static int
fe_tls_config(struct tls_config *config, const struct conf *conf)
{
	struct conf_domain	*d;
	int			 n = 0, ret;

	if (tls_config_set_protocols(config,
	    TLS_PROTOCOL_TLSv1_2 | TLS_PROTOCOL_TLSv1_3) == -1 ||
	    tls_config_set_alpn(config, "http/1.1") == -1 ||
	    tls_config_set_session_lifetime(config, FE_TICKET_LIFE) == -1) {
		log_warnx("tls: %s", tls_config_error(config));
		return -1;
	}
	/* The first is shown to who names no domain or an unknown one. */
	TAILQ_FOREACH(d, &conf->domains, entry) {
		if (d->tls_cert.len == 0 || d->tls_key.len == 0)
			continue;
		ret = n++ == 0 ?
		    tls_config_set_keypair_mem(config, d->tls_cert.data,
		    d->tls_cert.len, d->tls_key.data, d->tls_key.len) :
		    tls_config_add_keypair_mem(config, d->tls_cert.data,
		    d->tls_cert.len, d->tls_key.data, d->tls_key.len);
		if (ret == -1) {
			log_warnx("domain %s: tls: %s", d->name,
			    tls_config_error(config));
			return -1;
		}
	}
	if (n == 0) {
		log_warnx("no domain has a certificate for TLS");
		return -1;
	}
	return 0;
}

static void
fe_tls_unref(struct fe_tls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	tls_free(t->ctx);
	free(t);
}

/* --- listeners --------------------------------------------------------------- */

static void
frontend_listen(struct proc *p, const char *kind, const char *name, int fd)
{
	struct frontend		*fe = p->ctx;
	struct fe_listener	*l;

	if (strcmp(kind, "https") != 0 || fe->is_stopping) {
		log_debug("%s %s is not for us", kind, name);
		close(fd);
		return;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->name = strdup(name)) == NULL)
		fatal("%s", name);
	l->fe = fe;
	if (evutil_make_socket_nonblocking(fd) == -1)
		fatal("%s", name);
	if ((l->ev = event_new(p->base, fd, EV_READ | EV_PERSIST, fe_accept,
	    l)) == NULL)
		fatalx("%s: no event", name);
	TAILQ_INSERT_TAIL(&fe->listeners, l, entry);
	if (p->started)
		event_add(l->ev, NULL);
	log_debug("listening on %s", name);
}

static void
fe_unlisten(struct frontend *fe, struct fe_listener *l)
{
	int	 fd = event_get_fd(l->ev);

	TAILQ_REMOVE(&fe->listeners, l, entry);
	event_free(l->ev);
	close(fd);
	free(l->name);
	free(l);
}

/* The parent names a socket by its address and port; "*" stands for two. */
static int
fe_is_named(const struct conf *conf, const char *name)
{
	static const char *const any[] = { "0.0.0.0", "::" };
	struct conf_listen	*cl;
	char			 buf[128];
	const char		*addr;
	size_t			 i, n;

	TAILQ_FOREACH(cl, &conf->listens, entry) {
		n = strcmp(cl->addr, "*") == 0 ? nitems(any) : 1;
		for (i = 0; i < n; i++) {
			addr = n == 1 ? cl->addr : any[i];
			snprintf(buf, sizeof(buf), strchr(addr, ':') != NULL ?
			    "[%s]:%u" : "%s:%u", addr, cl->port);
			if (strcmp(buf, name) == 0)
				return 1;
		}
	}
	return 0;
}

static void
fe_accept(evutil_socket_t lfd, short what, void *arg)
{
	struct fe_listener	*l = arg;
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	int			 fd, turn;

	(void)what;
	for (turn = 0; turn < FE_ACCEPT_TURNS; turn++) {
		len = sizeof(ss);
		ss.ss_family = AF_UNSPEC;
		fd = accept4(lfd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (fe_accept_failed(l->fe) == -1)
				return;
			continue;
		}
		l->fe->stats.connections++;
		fe_admit(l->fe, fd, (struct sockaddr *)&ss);
	}
}

/* 0: go on, -1: enough for now. */
static int
fe_accept_failed(struct frontend *fe)
{
	switch (errno) {
	case EINTR:
	case ECONNABORTED:
		return 0;
	case EAGAIN:
#if EAGAIN != EWOULDBLOCK
	case EWOULDBLOCK:
#endif
		return -1;
	default:
		log_warn("accept");
		fe->stats.accept_failures++;
		fe_accept_pause(fe);
		return -1;
	}
}

/* A listener stays readable: without a pause the loop would spin on it. */
static void
fe_accept_pause(struct frontend *fe)
{
	struct timeval		 tv = { 1, 0 };
	struct fe_listener	*l;

	TAILQ_FOREACH(l, &fe->listeners, entry)
		event_del(l->ev);
	evtimer_add(fe->resume, &tv);
}

static void
fe_accept_resume(evutil_socket_t fd, short what, void *arg)
{
	struct frontend		*fe = arg;
	struct fe_listener	*l;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(l, &fe->listeners, entry)
		event_add(l->ev, NULL);
}

static void
fe_admit(struct frontend *fe, int fd, const struct sockaddr *sa)
{
	struct fe_addr	*addr;
	char		 peer[INET6_ADDRSTRLEN];
	int64_t		*limit = fe->p->conf->limit;
	int		 one = 1;

	if ((addr = fe_addr_count(fe, sa, peer, sizeof(peer))) == NULL) {
		close(fd);
		return;
	}
	/* Descriptors are handed out from the lowest up. */
	if (fd >= fe->p->nofile - FE_FDS_SPARE)
		fe_refuse(fe, 0, peer, "too many connections for the "
		    "descriptors of the process (limit connections)");
	else if (fe->nconns >= limit[LIM_CONNECTIONS])
		fe_refuse(fe, 0, peer, "too many connections "
		    "(limit connections)");
	else if (addr->count > limit[LIM_CONNECTIONS_PER_ADDRESS])
		fe_refuse(fe, 0, peer, "too many connections "
		    "(limit connections-per-address)");
	else {
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one)) == -1)
			log_debug("%s: TCP_NODELAY", peer);
		if (fe_conn_new(fe, fd, peer, addr) == 0)
			return;
		fd = -1;
	}
	if (fd != -1)
		close(fd);
	fe_addr_uncount(fe, addr);
}

/* --- connections by address ------------------------------------------------- */

/*
 * The address's entry with one more in it, and its text.  Whoever has one
 * IPv6 address has the other 2^64 of its network as well.
 */
static struct fe_addr *
fe_addr_count(struct frontend *fe, const struct sockaddr *sa, char *text,
    size_t len)
{
	struct fe_addr	 key, *a;

	memset(&key, 0, sizeof(key));
	if (sa->sa_family == AF_INET) {
		const struct in_addr *in =
		    &((const struct sockaddr_in *)(const void *)sa)->sin_addr;

		key.key[10] = key.key[11] = 0xff;
		memcpy(key.key + 12, in, 4);
		inet_ntop(AF_INET, in, text, (socklen_t)len);
	} else if (sa->sa_family == AF_INET6) {
		const struct in6_addr *in6 =
		    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		memcpy(key.key, in6, IN6_IS_ADDR_V4MAPPED(in6) ? 16 : 8);
		inet_ntop(AF_INET6, in6, text, (socklen_t)len);
	} else {
		log_warnx("connection of address family %d", sa->sa_family);
		return NULL;
	}
	if ((a = RB_FIND(fe_addrs, &fe->addrs, &key)) == NULL) {
		if ((a = malloc(sizeof(*a))) == NULL) {
			log_warn("%s", text);
			return NULL;
		}
		*a = key;
		inet_ntop(AF_INET6, a->key, a->name, sizeof(a->name));
		RB_INSERT(fe_addrs, &fe->addrs, a);
	}
	a->count++;
	return a;
}

static void
fe_addr_uncount(struct frontend *fe, struct fe_addr *a)
{
	if (--a->count > 0)
		return;
	RB_REMOVE(fe_addrs, &fe->addrs, a);
	free(a);
}
