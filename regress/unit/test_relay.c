/* SPDX-License-Identifier: ISC */
/*
 * The real wsmtpd-relay against small TLS servers of this test and a real
 * DNS server, dnsmasq(8); the test plays the parent and soap.
 */
#include "compat.h"

#include <sys/wait.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <pthread.h>
#include <stdio.h>

#include "kid.h"
#include "msg_http.h"
#include "tap.h"
#include "testcert.h"
#include "testdir.h"
#include "testnet.h"

#define MS	(TESTNET_PATIENCE * 1000)

/* How a server behaves, and which certificate it has. */
enum mode {
	S_GOOD, S_SECOND, S_STALE, S_RUDE, S_GARBAGE, S_LARGE, S_LARGE_CHUNKED,
	S_SILENT, S_TO_EOF, S_CUT, S_INTERIM, S_UNTRUSTED, S_REVOKED, S_MAX
};
static const char *const mode_name[S_MAX] = {
	"good", "second", "stale", "rude", "garbage", "large", "chunked",
	"silent", "toeof", "cut", "interim", "untrusted", "revoked"
};

static struct server {
	pid_t		 pid;
	uint16_t	 port;
} server[S_MAX];

static struct testcert	 ca, other_ca, cert, untrusted, revoked;
static struct kid	 kid;
static struct imsgbuf	 soap;
static struct conf	*conf;
static pid_t		 dns_pid;
static uint16_t		 dns_port, closed_port, tarpit_port;

static __dead void serve(enum mode, int, const struct testcert *);
static __dead void serve_one(enum mode, struct tls *, int, int);
static int	 serve_answer(enum mode, struct testtls *, int, int,
		    const struct http_msg *);
static void	 server_start(enum mode, const struct testcert *);
static void	 dns_start(void);
static void	 end_all(void);
static int	 dns_answers(void);
static void	 set_blob(struct conf_blob *, const char *);
static void	 add_trust(const char *, const char *);
static void	 add_route(const char *, const char *, uint16_t);
static void	 start(void);
static void	 post(uint64_t, const char *, const char *);
static int	 result(uint64_t, struct relay_result *, struct imsg *);
static void	 expect(const char *, int, const char *, const char *);
static void	 expect_ok(const char *, const char *);
static void	 test_routes(void);
static void	 test_refusals(void);
static void	 test_answers(void);
static void	 test_pool(void);
static void	 test_limit(void);
static void	 test_slow(void);
static void	*dns_say(void *);
static void	 test_rcodes(void);
static void	 test_tarpit(void);
static void	 test_cache(void);
static void	 test_reload(void);
static void	 test_bad_post(void);
static void	 test_shutdown(void);

/* --- servers -------------------------------------------------------------------- */

static int
serve_answer(enum mode mode, struct testtls *t, int conn, int req,
    const struct http_msg *m)
{
	const char	*action = http_field(m, "soapaction");
	const char	*host = http_field(m, "host");
	char		 body[512], head[256];
	size_t		 n;

	snprintf(body, sizeof(body), "%s conn=%d req=%d host=%s action=%s "
	    "body=%.*s", mode_name[mode], conn, req, host, action,
	    (int)m->body.len, m->body.len > 0 ? (char *)m->body.data : "");
	n = strlen(body);
	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: text/xml\r\n"
	    "Content-Length: %zu\r\n\r\n", mode == S_SECOND ?
	    "500 Internal Server Error" : "200 OK", n);
	switch (mode) {
	case S_STALE:
		if (req == 2)
			return -1;
		break;
	case S_RUDE:
		return -1;
	case S_GARBAGE:
		return testtls_puts(t, "SSH-2.0-OpenSSH_9.2\r\n");
	case S_LARGE:
		return testtls_puts(t, "HTTP/1.1 200 OK\r\n"
		    "Content-Length: 5000\r\n\r\n");
	case S_LARGE_CHUNKED:
		testtls_puts(t, "HTTP/1.1 200 OK\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
		for (n = 0; n < 5000; n += 10)
			if (testtls_puts(t, "a\r\n0123456789\r\n") == -1)
				return -1;
		return 0;
	case S_SILENT:
		for (;;)
			pause();
	case S_TO_EOF:
		testtls_puts(t, "HTTP/1.1 200 OK\r\n\r\n");
		testtls_puts(t, body);
		return -1;
	case S_CUT:
		testtls_puts(t, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
		testtls_puts(t, body);
		return -1;
	case S_INTERIM:
		testtls_puts(t, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n");
		break;
	default:
		break;
	}
	return testtls_puts(t, head) == -1 ? -1 : testtls_puts(t, body);
}

static __dead void
serve_one(enum mode mode, struct tls *ctx, int fd, int conn)
{
	static struct testtls	 t;
	struct http_msg		 m;
	int			 req = 0;

	t.fd = fd;
	if (tls_accept_socket(ctx, &t.tls, fd) == -1 ||
	    tls_handshake(t.tls) == -1)
		_exit(0);
	while (testtls_message(&t, &m, 0, 0) == 1) {
		if (serve_answer(mode, &t, conn, ++req, &m) == -1)
			break;
		http_msg_free(&m);
	}
	testtls_close(&t);
	_exit(0);
}

static __dead void
serve(enum mode mode, int lfd, const struct testcert *c)
{
	struct tls_config	*config = tls_config_new();
	struct tls		*ctx = tls_server();
	int			 fd, conn;

	signal(SIGCHLD, SIG_IGN);
	if (config == NULL || ctx == NULL || tls_config_set_keypair_mem(config,
	    (uint8_t *)c->cert_pem, strlen(c->cert_pem),
	    (uint8_t *)c->key_pem, strlen(c->key_pem)) == -1 ||
	    tls_configure(ctx, config) == -1)
		_exit(1);
	for (conn = 1; (fd = accept(lfd, NULL, NULL)) != -1; conn++) {
		if (fork() == 0) {
			close(lfd);
			serve_one(mode, ctx, fd, conn);
		}
		close(fd);
	}
	_exit(0);
}

/* Its own process group, so that all of it can be ended. */
static void
server_start(enum mode mode, const struct testcert *c)
{
	int	 fd = testnet_listen("127.0.0.1", &server[mode].port);

	fflush(NULL);
	if ((server[mode].pid = fork()) == 0) {
		setpgid(0, 0);
		serve(mode, fd, c);
	}
	setpgid(server[mode].pid, server[mode].pid);
	close(fd);
}

/* --- DNS ------------------------------------------------------------------------- */

/* Any answer to a question will do. */
static int
dns_answers(void)
{
	static const uint8_t	 query[] = {
		0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
		4, 'h', 'o', 's', 't', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1
	};
	struct sockaddr_in	 sin;
	struct pollfd		 pfd;
	uint8_t			 buf[512];
	int			 got = 0;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(dns_port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pfd.fd = socket(AF_INET, SOCK_DGRAM, 0);
	pfd.events = POLLIN;
	if (connect(pfd.fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	    send(pfd.fd, query, sizeof(query), 0) > 0 &&
	    poll(&pfd, 1, 100) == 1)
		got = recv(pfd.fd, buf, sizeof(buf), 0) > 0;
	close(pfd.fd);
	return got;
}

static void
dns_start(void)
{
	static char	 arg[128][160];
	char		*argv[nitems(arg) + 1];
	int64_t		 end = testnet_clock() + MS;
	int		 i, n = 0;

#define ARG(...)	snprintf(arg[n++], sizeof(arg[0]), __VA_ARGS__)
#define SRV(name, prio, target, port)					\
	ARG("--srv-host=_wsemail._tcp.%s.test,%s,%u,%d,0", name, target, port, prio)
	dns_port = testnet_free_port();
	ARG("dnsmasq");
	ARG("--keep-in-foreground");
	ARG("--conf-file=/dev/null");
	ARG("--pid-file=");
	ARG("--port=%u", dns_port);
	ARG("--listen-address=127.0.0.1");
	ARG("--bind-interfaces");
	ARG("--no-resolv");
	ARG("--no-hosts");
	ARG("--local=/test/");
	ARG("--local-ttl=60");
	if (getuid() == 0)
		ARG("--user=root");
	ARG("--host-record=host.test,127.0.0.1");
	ARG("--host-record=nosrv.test,127.0.0.1");
	for (i = 0; i < S_MAX; i++)
		SRV(mode_name[i], 10, "host.test", server[i].port);
	SRV("wrongname", 10, "host.test", server[S_GOOD].port);
	SRV("prio", 20, "host.test", server[S_GOOD].port);
	SRV("prio", 10, "host.test", server[S_SECOND].port);
	SRV("fallback", 20, "host.test", server[S_GOOD].port);
	SRV("fallback", 10, "host.test", closed_port);
	SRV("closed", 10, "host.test", closed_port);
	SRV("noaddr", 10, "missing.test", server[S_GOOD].port);
	SRV("noaddr2", 10, "missing.test", server[S_GOOD].port);
	SRV("noaddr2", 20, "host.test", server[S_GOOD].port);
	for (i = 0; i < 20; i++)
		SRV("tarpit", 10 + i, "host.test", tarpit_port);
	ARG("--srv-host=_wsemail._tcp.none.test");
	/* More than fits a datagram: asked again over TCP. */
	for (i = 0; i < 40; i++)
		SRV("big", i == 39 ? 10 : 20, "host.test",
		    i == 39 ? server[S_GOOD].port : closed_port);
	for (i = 0; i < n; i++)
		argv[i] = arg[i];
	argv[n] = NULL;
	fflush(NULL);
	if ((dns_pid = fork()) == 0) {
		execvp("dnsmasq", argv);
		execv("/usr/sbin/dnsmasq", argv);
		_exit(127);
	}
	while (!dns_answers())
		if (testnet_clock() > end ||
		    waitpid(dns_pid, NULL, WNOHANG) == dns_pid) {
			fprintf(stderr, "dnsmasq(8) does not run\n");
			exit(1);
		}
}

/* Also when a test gives up: they are in process groups of their own. */
static void
end_all(void)
{
	int	 i;

	for (i = 0; i < S_MAX; i++)
		if (server[i].pid > 0) {
			kill(-server[i].pid, SIGTERM);
			waitpid(server[i].pid, NULL, 0);
			server[i].pid = 0;
		}
	if (dns_pid > 0) {
		kill(dns_pid, SIGTERM);
		waitpid(dns_pid, NULL, 0);
		dns_pid = 0;
	}
}

/* --- helpers ---------------------------------------------------------------------- */

static void
set_blob(struct conf_blob *b, const char *text)
{
	b->path = strdup("blob");
	b->data = (uint8_t *)strdup(text);
	b->len = strlen(text);
}

static void
add_trust(const char *ca_pem, const char *crl_pem)
{
	struct conf_trust	*t = calloc(1, sizeof(*t));

	set_blob(&t->ca, ca_pem);
	if (crl_pem != NULL)
		set_blob(&t->crl, crl_pem);
	TAILQ_INSERT_TAIL(&conf->trusts, t, entry);
}

static void
add_route(const char *domain, const char *host, uint16_t port)
{
	struct conf_route	*r = calloc(1, sizeof(*r));

	r->domain = strdup(domain);
	r->host = strdup(host);
	r->port = port;
	TAILQ_INSERT_TAIL(&conf->routes, r, entry);
}

static void
start(void)
{
	if (kid_start(&kid, kid_path("wsmtpd/wsmtpd-relay"), P_RELAY, NULL,
	    conf) == -1 || kid_connect(&kid, &soap, P_SOAP, 0) == -1 ||
	    kid_go(&kid) == -1) {
		perror("wsmtpd-relay");
		exit(1);
	}
}

static void
post(uint64_t id, const char *domain, const char *body)
{
	struct relay_post	 p = { 0 };
	struct wbuf		 w = { 0 };

	p.domain = (char *)(uintptr_t)domain;
	p.content_type = (char *)(uintptr_t)"text/xml; charset=utf-8";
	p.soapaction = (char *)(uintptr_t)"urn:x";
	p.body = (const uint8_t *)body;
	p.body_len = strlen(body);
	relay_post_put(&w, &p);
	if (kid_send(&soap, IMSG_RELAY_POST, id, &w) == -1)
		perror("post");
}

/* The next result is this one's: 1. */
static int
result(uint64_t id, struct relay_result *res, struct imsg *imsg)
{
	struct rbuf	 r;

	memset(res, 0, sizeof(*res));
	if (!is_int(kid_recv(&soap, imsg, MS), 1, "a result"))
		return 0;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (!is_int(imsg->hdr.type, IMSG_SOAP_RELAY_RESULT, "its type") ||
	    !is_int((long long)imsg->hdr.id, (long long)id, "its id") ||
	    !is_int(relay_result_get(&r, res), 0, "well formed")) {
		imsg_free(imsg);
		return 0;
	}
	return 1;
}

/* Posts to the domain; `part` is in the reason, or in the body when it is RELAY_OK. */
static void
expect(const char *domain, int want, const char *part, const char *host)
{
	static uint64_t		 id = 100;
	struct relay_result	 res;
	struct imsg		 imsg;
	char			 name[200];

	post(++id, domain, "hello");
	if (!result(id, &res, &imsg))
		return;
	snprintf(name, sizeof(name), "%s: %s", domain, part);
	is_int(res.result, want, name);
	ok(want == RELAY_OK ? res.body_len > 0 && memmem(res.body,
	    res.body_len, part, strlen(part)) != NULL :
	    strstr(res.reason, part) != NULL, name);
	if (host != NULL)
		ok(strstr(res.host, host) != NULL, name);
	printf("# %s: %u %s %s %.*s\n", domain, res.status, res.reason,
	    res.host, (int)res.body_len, res.body_len > 0 ?
	    (const char *)res.body : "");
	relay_result_free(&res);
	imsg_free(&imsg);
}

static void
expect_ok(const char *domain, const char *part)
{
	expect(domain, RELAY_OK, part, NULL);
}

/* --- tests ------------------------------------------------------------------------- */

static void
test_routes(void)
{
	char	 host[64];

	snprintf(host, sizeof(host), "host.test[127.0.0.1]:%u",
	    server[S_GOOD].port);
	expect("good.test", RELAY_OK,
	    "host=good.test action=\"urn:x\" body=hello", host);
	/* The lower number first: its server answers, and that with 500. */
	expect_ok("prio.test", "second conn=1");
	snprintf(host, sizeof(host), "[127.0.0.1]:%u", server[S_GOOD].port);
	expect("fallback.test", RELAY_OK, "good ", host);
	expect_ok("big.test", "good ");
	expect_ok("noaddr2.test", "good ");
	expect_ok("static.test", "good ");
	/* ::1 is tried and refuses, then 127.0.0.1. */
	expect("local.test", RELAY_OK, "good ", "localhost[127.0.0.1]");
}

static void
test_refusals(void)
{
	int64_t	 perm = kid_stat(&kid, "failures_permanent");

	expect("none.test", RELAY_PERM, "no WSEmail service", NULL);
	expect("nosrv.test", RELAY_PERM, "no WSEmail service", NULL);
	expect("nx.test", RELAY_PERM, "no WSEmail service", NULL);
	is_int(kid_stat(&kid, "failures_permanent"), perm + 3, "counted");
	expect("refused.example", RELAY_TEMP, "DNS: ", NULL);
	expect("noaddr.test", RELAY_TEMP, "no address", "missing.test");
	expect("closed.test", RELAY_TEMP, "refused", "host.test[127.0.0.1]");
	expect("wrongname.test", RELAY_TEMP, "wrongname.test", "host.test");
	expect("untrusted.test", RELAY_TEMP, "certificate verif", "host.test");
	expect("revoked.test", RELAY_TEMP, "revoked", "host.test");
}

static void
test_answers(void)
{
	expect("rude.test", RELAY_TEMP, "before an answer", "host.test");
	expect("garbage.test", RELAY_TEMP, "bad answer", NULL);
	expect("large.test", RELAY_TEMP, "body too large", NULL);
	expect("chunked.test", RELAY_TEMP, "body too large", NULL);
	expect("cut.test", RELAY_TEMP, "in the answer", NULL);
	expect_ok("toeof.test", "toeof conn=1");
	expect_ok("interim.test", "interim conn=1");
	expect_ok("interim.test", "conn=1 req=2");
}

static void
test_pool(void)
{
	int64_t	 reused = kid_stat(&kid, "connections_reused");
	int64_t	 retried = kid_stat(&kid, "posts_retried");

	/* The first came in test_routes(). */
	expect_ok("prio.test", "conn=1 req=2");
	expect_ok("prio.test", "conn=1 req=3");
	is_int(kid_stat(&kid, "connections_reused"), reused + 2,
	    "kept connections are used again");
	expect_ok("stale.test", "conn=1 req=1");
	expect_ok("stale.test", "conn=2 req=1");
	is_int(kid_stat(&kid, "posts_retried"), retried + 1,
	    "a kept one that closes is retried once");
	conf->limit[LIM_RELAY_IDLE_TIMEOUT] = 1;
	kid_reload(&kid, conf);
	is_int(kid_stat(&kid, "connections_idle"), 0,
	    "a reload closes what is unused");
	expect_ok("prio.test", "conn=2 req=1");
	while (kid_stat(&kid, "connections_open") != 0)
		;
	ok(1, "an unused connection ends");
	expect_ok("prio.test", "conn=3 req=1");
	conf->limit[LIM_RELAY_IDLE_TIMEOUT] = 60;
	kid_reload(&kid, conf);
}

/* More posts than connections: all are answered, over so many and no more. */
static void
test_limit(void)
{
	struct relay_result	 res;
	struct imsg		 imsg;
	struct rbuf		 r;
	int64_t			 tried = kid_stat(&kid, "connections_tried");
	int			 i, good = 0;
	uint32_t		 seen = 0;

	conf->limit[LIM_RELAY_CONNECTIONS] = 2;
	kid_reload(&kid, conf);
	for (i = 0; i < 20; i++)
		post(1000 + (uint64_t)i, "good.test", "x");
	for (i = 0; i < 20; i++) {
		if (kid_recv(&soap, &imsg, MS) != 1)
			break;
		rbuf_init(&r, imsg.data, imsg.hdr.len);
		if (relay_result_get(&r, &res) == -1)
			break;
		good += res.result == RELAY_OK;
		seen |= 1U << (imsg.hdr.id - 1000);
		relay_result_free(&res);
		imsg_free(&imsg);
	}
	is_int(good, 20, "all answered");
	is_int(seen, (1 << 20) - 1, "each once");
	ok(kid_stat(&kid, "connections_tried") - tried <= 2,
	    "over two connections");
	conf->limit[LIM_RELAY_CONNECTIONS] = 5;
	kid_reload(&kid, conf);
}

static void
test_slow(void)
{
	struct relay_result	 res;
	struct imsg		 imsg;
	int64_t			 begun;

	conf->limit[LIM_RELAY_TIMEOUT] = 3;
	kid_reload(&kid, conf);
	begun = testnet_clock();
	post(7, "silent.test", "x");
	expect_ok("good.test", "good ");
	ok(testnet_clock() - begun < 2500, "a silent peer holds up only itself");
	if (result(7, &res, &imsg)) {
		is_int(res.result, RELAY_TEMP, "until it times out");
		ok(strstr(res.reason, "timed out") != NULL, "as it says");
		relay_result_free(&res);
		imsg_free(&imsg);
	}
	ok(testnet_clock() - begun >= 2900, "by the limit");
	conf->limit[LIM_RELAY_TIMEOUT] = 30;
	kid_reload(&kid, conf);
}

/* Many servers that say nothing: no connection is made for a job that is gone. */
static void
test_tarpit(void)
{
	struct relay_result	 res;
	struct imsg		 imsg;
	struct timespec		 ts = { 0, 10000000 };
	int64_t			 open, tried, end;

	conf->limit[LIM_RELAY_TIMEOUT] = 3;
	kid_reload(&kid, conf);
	open = kid_stat(&kid, "connections_open");
	post(8, "tarpit.test", "x");
	if (result(8, &res, &imsg)) {
		is_int(res.result, RELAY_TEMP, "it times out");
		relay_result_free(&res);
		imsg_free(&imsg);
	}
	tried = kid_stat(&kid, "connections_tried");
	end = testnet_clock() + 8000;
	while (kid_stat(&kid, "connections_open") > open &&
	    testnet_clock() < end)
		nanosleep(&ts, NULL);
	ok(kid_stat(&kid, "connections_open") <= open,
	    "the attempts end with it");
	ok(kid_stat(&kid, "connections_tried") - tried <= 1,
	    "and no other is begun");
	conf->limit[LIM_RELAY_TIMEOUT] = 30;
	kid_reload(&kid, conf);
}

static void
test_cache(void)
{
	int64_t	 queries;

	kid_reload(&kid, conf);
	expect_ok("good.test", "good ");
	queries = kid_stat(&kid, "dns_queries");
	kid_reload(&kid, conf);		/* closes the connection */
	expect_ok("good.test", "good ");
	is_int(kid_stat(&kid, "dns_queries"), queries,
	    "names are not asked for twice");
	expect("closed.test", RELAY_TEMP, "refused", NULL);
	queries = kid_stat(&kid, "dns_queries");
	expect("closed.test", RELAY_TEMP, "refused", NULL);
	ok(kid_stat(&kid, "dns_queries") > queries,
	    "but again when nobody answers there");
}

static void
test_reload(void)
{
	struct conf_route	*r;

	add_route("*", "127.0.0.1", server[S_GOOD].port);
	kid_reload(&kid, conf);
	expect_ok("good.test", "good ");
	expect("nx.test", RELAY_TEMP, "nx.test", "127.0.0.1[127.0.0.1]");
	expect_ok("silent.test", "good ");
	for (r = TAILQ_FIRST(&conf->routes); strcmp(r->domain, "*") != 0;
	    r = TAILQ_NEXT(r, entry))
		;
	TAILQ_REMOVE(&conf->routes, r, entry);
	free(r->domain);
	free(r->host);
	free(r);
	/* The resolver is gone: nobody is told that a domain has no service. */
	free(conf->resolver);
	conf->resolver = malloc(32);
	snprintf(conf->resolver, 32, "127.0.0.1:%u", closed_port);
	kid_reload(&kid, conf);
	expect("nx.test", RELAY_TEMP, "DNS: ", NULL);
	snprintf(conf->resolver, 32, "127.0.0.1:%u", dns_port);
	kid_reload(&kid, conf);
	expect_ok("good.test", "good ");
	/* The other CA becomes trusted. */
	add_trust(other_ca.cert_pem, NULL);
	kid_reload(&kid, conf);
	expect_ok("untrusted.test", "untrusted ");
}

struct dns_says {
	int	 fd;
	int	 rcode;		/* -1: no answer */
};

/* Answers each question without a record, until it is sent an empty one. */
static void *
dns_say(void *arg)
{
	struct dns_says		*says = arg;
	struct sockaddr_in	 sin;
	socklen_t		 len;
	uint8_t			 buf[512];
	ssize_t			 n;

	for (;;) {
		len = sizeof(sin);
		n = recvfrom(says->fd, buf, sizeof(buf), 0,
		    (struct sockaddr *)&sin, &len);
		if (n < 12)
			return NULL;
		if (says->rcode == -1)
			continue;
		buf[2] |= 0x80;
		buf[3] = (uint8_t)(0x80 | says->rcode);
		/* The additional record was EDNS: not in an answer like this. */
		for (n = 12; buf[n] != 0 && n < 300; n += buf[n] + 1)
			;
		buf[11] = 0;
		sendto(says->fd, buf, (size_t)n + 5, 0,
		    (struct sockaddr *)&sin, len);
	}
}

/* Only one who knows says that a domain has no service. */
static void
test_rcodes(void)
{
	static const struct {
		int		 rcode, result;
		const char	*part;
	} t[] = {
		{ 0, RELAY_PERM, "no WSEmail service" },
		{ 3, RELAY_PERM, "no WSEmail service" },
		{ 1, RELAY_TEMP, "DNS: " },		/* FORMERR */
		{ 2, RELAY_TEMP, "DNS: " },		/* SERVFAIL */
		{ 4, RELAY_TEMP, "DNS: " },		/* NOTIMP */
		{ 5, RELAY_TEMP, "DNS: " },		/* REFUSED */
		{ -1, RELAY_TEMP, "timed out" },	/* says nothing */
	};
	struct dns_says		 says;
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	pthread_t		 thread;
	char			 domain[32];
	size_t			 i;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	says.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(says.fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    getsockname(says.fd, (struct sockaddr *)&sin, &len) == -1) {
		ok(0, "a name server's socket");
		return;
	}
	snprintf(conf->resolver, 32, "127.0.0.1:%u", ntohs(sin.sin_port));
	kid_reload(&kid, conf);
	for (i = 0; i < nitems(t); i++) {
		says.rcode = t[i].rcode;
		if (pthread_create(&thread, NULL, dns_say, &says) != 0) {
			ok(0, "a name server");
			break;
		}
		snprintf(domain, sizeof(domain), "rcode%d.test", t[i].rcode);
		/* The resolver's patience is longer than the test's. */
		if (t[i].rcode == -1) {
			strlcpy(domain, "silence.test", sizeof(domain));
			conf->limit[LIM_RELAY_TIMEOUT] = 1;
			kid_reload(&kid, conf);
		}
		expect(domain, t[i].result, t[i].part, NULL);
		sendto(says.fd, "", 0, 0, (struct sockaddr *)&sin,
		    sizeof(sin));
		pthread_join(thread, NULL);
	}
	close(says.fd);
	conf->limit[LIM_RELAY_TIMEOUT] = 30;
	snprintf(conf->resolver, 32, "127.0.0.1:%u", dns_port);
	kid_reload(&kid, conf);
}

static void
test_bad_post(void)
{
	struct imsg	 imsg;

	post(1, "not a domain", "x");
	is_int(kid_recv(&soap, &imsg, MS), -1,
	    "an impossible domain costs soap its channel");
	imsgbuf_clear(&soap);
	kid_connect(&kid, &soap, P_SOAP, 0);
	expect_ok("good.test", "good ");
}

static void
test_shutdown(void)
{
	struct relay_result	 res;
	struct imsg		 imsg;
	int			 status;

	conf->limit[LIM_RELAY_TIMEOUT] = 2;
	kid_reload(&kid, conf);
	post(9, "silent.test", "x");
	(void)kid_stat(&kid, "posts");
	kid_send(&kid.parent, IMSG_PROC_SHUTDOWN, 0, NULL);
	if (result(9, &res, &imsg)) {
		is_int(res.result, RELAY_TEMP, "what is cut is temporary");
		relay_result_free(&res);
		imsg_free(&imsg);
	}
	ok(waitpid(kid.pid, &status, 0) == kid.pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0, "ends in order");
	imsgbuf_clear(&kid.parent);
	imsgbuf_clear(&soap);
}

int
main(void)
{
	static const char	 names[] = "good.test,DNS:prio.test,"
	    "DNS:fallback.test,DNS:big.test,DNS:noaddr2.test,DNS:static.test,"
	    "DNS:local.test,DNS:second.test,DNS:stale.test,DNS:rude.test,"
	    "DNS:garbage.test,DNS:large.test,DNS:chunked.test,"
	    "DNS:silent.test,DNS:toeof.test,DNS:cut.test,DNS:interim.test";
	char	 dir[] = "/tmp/ws_relay.XXXXXX", *crl;
	int	 i, tarpit;

	signal(SIGPIPE, SIG_IGN);
	testdir_enter(dir);
	testcert_ca(&ca, "Test CA");
	testcert_ca(&other_ca, "Other CA");
	testcert_issue(&cert, &ca, names);
	testcert_issue(&untrusted, &other_ca, "untrusted.test");
	testcert_issue(&revoked, &ca, "revoked.test");
	crl = testcert_crl(&ca, revoked.x);
	close(testnet_listen("127.0.0.1", &closed_port));
	/* Connects, as the kernel does it; nobody ever answers. */
	tarpit = testnet_listen("127.0.0.1", &tarpit_port);
	atexit(end_all);
	for (i = 0; i < S_MAX; i++)
		server_start((enum mode)i, i == S_UNTRUSTED ? &untrusted :
		    i == S_REVOKED ? &revoked : &cert);
	dns_start();
	conf = conf_new();
	conf->resolver = malloc(32);
	snprintf(conf->resolver, 32, "127.0.0.1:%u", dns_port);
	conf->limit[LIM_RELAY_ANSWER_SIZE] = 1000;
	conf->limit[LIM_RELAY_TIMEOUT] = 30;
	add_trust(ca.cert_pem, crl);
	add_route("static.test", "127.0.0.1", server[S_GOOD].port);
	add_route("local.test", "localhost", server[S_GOOD].port);
	start();

	test_routes();
	test_refusals();
	test_answers();
	test_pool();
	test_limit();
	test_slow();
	test_rcodes();
	test_tarpit();
	test_cache();
	test_bad_post();
	test_reload();
	test_shutdown();

	end_all();
	close(tarpit);
	conf_free(conf);
	free(crl);
	testcert_free(&ca);
	testcert_free(&other_ca);
	testcert_free(&cert);
	testcert_free(&untrusted);
	testcert_free(&revoked);
	ok(chdir("/") == 0 && testdir_remove(dir) == 0, "nothing is left");
	return done_testing();
}
