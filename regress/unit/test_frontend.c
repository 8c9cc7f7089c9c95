/* SPDX-License-Identifier: ISC */
/*
 * The real wsmtpd-frontend: the test plays its parent and soap on one side,
 * clients good and bad on the other.
 */
#include "compat.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <poll.h>
#include <stdio.h>

#include "kid.h"
#include "msg_http.h"
#include "msg_proc.h"
#include "tap.h"
#include "testcert.h"
#include "testdir.h"
#include "testnet.h"

#define MS		(TESTNET_PATIENCE * 1000)
#define TYPE		"Content-Type: text/xml; charset=utf-8\r\n"
#define HUNDRED		"0123456789012345678901234567890123456789" \
			"012345678901234567890123456789" \
			"012345678901234567890123456789"
#define POST		"POST /wsemail HTTP/1.1\r\nHost: a.test\r\n" TYPE

static struct testcert	 ca, cert_a, cert_b;
static struct kid	 kid;
static struct imsgbuf	 soap;
static struct conf	*conf;
static uint16_t		 port;

static void	 add_domain(const char *, const struct testcert *);
static void	 set_blob(struct conf_blob *, const char *);
static void	 start(void);
static void	 stop(void);
static int	 listen_on(uint16_t *);
static void	 dial(struct testtls *, const char *);
static uint64_t	 take(struct http_req *, struct imsg *);
static void	 answer(uint64_t, uint32_t, const char *, size_t);
static int	 hear(struct testtls *, struct http_msg *, int, const char *);
static void	 converse(struct testtls *, const char *, const char *);
static void	 test_good(void);
static void	 test_large(void);
static void	 test_pipeline(void);
static void	 test_continue(void);
static void	 test_get(void);
static void	 test_wsdl(void);
static void	 test_routes(void);
static void	 test_hostile(void);
static void	 test_sni(void);
static void	 test_plain(void);
static void	 test_soap_gone(void);
static void	 test_client_gone(void);
static void	 test_bad_answer(void);
static void	 test_limits(void);
static void	 test_rates(void);
static void	 pass_on(struct testtls *);
static void	 test_bodies(void);
static void	 test_slow(void);
static void	 test_trickle(void);
static void	 test_slow_reader(void);
static void	 test_descriptors(void);
static void	 test_reload(void);
static void	 test_shutdown(void);

static void
set_blob(struct conf_blob *b, const char *text)
{
	free(b->data);
	b->data = (uint8_t *)strdup(text);
	b->len = strlen(text);
}

static void
add_domain(const char *name, const struct testcert *cert)
{
	struct conf_domain	*d = calloc(1, sizeof(*d));

	d->name = strdup(name);
	d->quota = -1;
	d->tls_cert.path = strdup("cert");
	d->tls_key.path = strdup("key");
	set_blob(&d->tls_cert, cert->cert_pem);
	set_blob(&d->tls_key, cert->key_pem);
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
}

static int
listen_on(uint16_t *p)
{
	struct wbuf	 w = { 0 };
	char		 name[32];
	int		 fd = testnet_listen("127.0.0.1", p);

	snprintf(name, sizeof(name), "127.0.0.1:%u", *p);
	proc_listen_put(&w, "https", name);
	if (imsg_compose(&kid.parent, IMSG_PROC_LISTEN, 0, fd, w.data,
	    w.len) == -1 || imsgbuf_flush(&kid.parent) == -1)
		return -1;
	wbuf_free(&w);
	return 0;
}

static void
start(void)
{
	if (kid_start(&kid, kid_path("wsmtpd/wsmtpd-frontend"), P_FRONTEND,
	    NULL, conf) == -1 ||
	    kid_connect(&kid, &soap, P_SOAP, 0) == -1 ||
	    listen_on(&port) == -1 || kid_go(&kid) == -1) {
		perror("wsmtpd-frontend");
		exit(1);
	}
}

static void
stop(void)
{
	int	 status = kid_stop(&kid);

	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ends in order");
	imsgbuf_clear(&soap);
}

/* --- helpers ---------------------------------------------------------------- */

static void
dial(struct testtls *t, const char *name)
{
	if (testtls_open(t, port, name, ca.cert_pem) == -1) {
		fprintf(stderr, "no connection to the frontend\n");
		exit(1);
	}
}

/* What soap gets next; 0: nothing. */
static uint64_t
take(struct http_req *req, struct imsg *imsg)
{
	struct rbuf	 r;

	memset(req, 0, sizeof(*req));
	if (!is_int(kid_recv(&soap, imsg, MS), 1, "soap gets a message"))
		return 0;
	is_int(imsg->hdr.type, IMSG_SOAP_HTTP_REQUEST, "a request");
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	is_int(http_req_get(&r, req), 0, "well formed");
	return imsg->hdr.id;
}

static void
answer(uint64_t id, uint32_t status, const char *body, size_t len)
{
	struct http_resp	 resp = { 0 };
	struct wbuf		 w = { 0 };
	char			 type[] = "text/xml; charset=utf-8";

	resp.status = status;
	resp.content_type = type;
	resp.body = (const uint8_t *)body;
	resp.body_len = len;
	http_resp_put(&w, &resp);
	if (kid_send(&soap, IMSG_FRONTEND_HTTP_RESPONSE, id, &w) == -1)
		perror("answer");
}

/* The client's next answer has this status. */
static int
hear(struct testtls *t, struct http_msg *m, int status, const char *what)
{
	if (!is_int(testtls_message(t, m, 1, 0), 1, what))
		return 0;
	return is_int(m->status, status, what);
}

/* One whole exchange: the request, soap's answer, at the client. */
static void
converse(struct testtls *t, const char *request, const char *body)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct imsg	 imsg;
	uint64_t	 id;
	char		 want[17];

	is_int(testtls_puts(t, request), 0, "client writes");
	if ((id = take(&req, &imsg)) == 0)
		return;
	is_str(req.peer, "127.0.0.1", "peer");
	is_str(req.authority, "a.test", "authority");
	is_str(req.content_type, "text/xml; charset=utf-8", "content type");
	ok(req.body_len == strlen(body) &&
	    memcmp(req.body, body, req.body_len) == 0, "body");
	http_req_free(&req);
	imsg_free(&imsg);
	answer(id, 200, "<ok/>", 5);
	if (hear(t, &m, 200, "client gets it")) {
		snprintf(want, sizeof(want), "%016" PRIx64, id);
		is_str(http_field(&m, "x-request-id"), want, "request id");
		ok(m.body.len == 5 && memcmp(m.body.data, "<ok/>", 5) == 0,
		    "answer's body");
		ok(http_field(&m, "date") != NULL, "Date");
		is_str(http_field(&m, "strict-transport-security"),
		    "max-age=31536000", "Strict-Transport-Security");
		ok(http_field(&m, "server") == NULL, "no Server");
		is_int(m.keepalive, 1, "kept alive");
	}
	http_msg_free(&m);
}

/* --- what must work ------------------------------------------------------------ */

static void
test_good(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t;
	struct imsg	 imsg;
	uint64_t	 id;

	dial(&t, "a.test");
	is_str(tls_conn_version(t.tls), "TLSv1.3", "TLS 1.3");
	is_str(tls_conn_alpn_selected(t.tls) != NULL ?
	    tls_conn_alpn_selected(t.tls) : "none", "none",
	    "no ALPN for who does not ask");
	converse(&t, POST "Content-Length: 5\r\n\r\nhello", "hello");
	converse(&t, POST "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello");
	converse(&t, "\r\n" POST "Content-Length: 2\r\n\r\nhi", "hi");

	testtls_puts(&t, "POST https://b.test:99/wsemail HTTP/1.1\r\n"
	    "Host: a.test\r\nSOAPAction: \"urn:x\"\r\n"
	    "Content-Type: multipart/related; boundary=\"a;b\"; "
	    "TYPE=\"application/xop+xml\"; start-info=\"text/xml\"\r\n"
	    "Connection: close\r\n\r\n");
	id = take(&req, &imsg);
	is_str(req.host, "a.test", "name asked for by TLS");
	is_str(req.authority, "b.test:99", "the target's authority counts");
	is_str(req.soapaction, "\"urn:x\"", "SOAPAction as sent");
	http_req_free(&req);
	imsg_free(&imsg);
	answer(id, 500, "<fault/>", 8);
	hear(&t, &m, 500, "status as soap says");
	is_int(m.keepalive, 0, "closes as was asked");
	http_msg_free(&m);
	ok(testtls_closes(&t), "and does it");
	testtls_close(&t);
}

static void
test_large(void)
{
	static const size_t	 len = 3 << 20;
	struct http_req		 req;
	struct http_msg		 m;
	struct testtls		 t;
	struct imsg		 imsg;
	uint64_t		 id;
	char			*body = malloc(len), head[200];

	memset(body, 'x', len);
	body[len - 1] = 'y';
	dial(&t, "a.test");
	snprintf(head, sizeof(head), POST "Content-Length: %zu\r\n\r\n", len);
	testtls_puts(&t, head);
	is_int(testtls_write(&t, body, len), 0, "large body is taken");
	id = take(&req, &imsg);
	ok(req.body_len == len && memcmp(req.body, body, len) == 0,
	    "and comes as it was");
	http_req_free(&req);
	imsg_free(&imsg);
	answer(id, 200, body, len);
	hear(&t, &m, 200, "large answer");
	ok(m.body.len == len && memcmp(m.body.data, body, len) == 0,
	    "comes as it was");
	http_msg_free(&m);
	testtls_close(&t);
	free(body);
}

static void
test_pipeline(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t;
	struct imsg	 imsg;
	uint64_t	 id[2];
	int		 i;

	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\none"
	    "GET /wsemail HTTP/1.1\r\nHost: a.test\r\n\r\n"
	    POST "Content-Length: 3\r\n\r\ntwo"
	    "GET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n");
	for (i = 0; i < 2; i++) {
		id[i] = take(&req, &imsg);
		ok(req.body_len == 3 && memcmp(req.body, i == 0 ? "one" :
		    "two", 3) == 0, "pipelined requests in order");
		http_req_free(&req);
		imsg_free(&imsg);
		is_int(kid_recv(&soap, &imsg, 100), 0, "one at a time");
		answer(id[i], 200, i == 0 ? "1" : "2", 1);
		hear(&t, &m, 200, "answer");
		ok(m.body.len == 1 && m.body.data[0] == '1' + i, "in order");
		http_msg_free(&m);
		hear(&t, &m, i == 0 ? 200 : 404, "the GET after it");
		http_msg_free(&m);
	}
	ok(id[0] != id[1], "each its own id");
	testtls_close(&t);
}

static void
test_continue(void)
{
	struct testtls	 t;
	char		 buf[64];
	ssize_t		 n;

	dial(&t, "a.test");
	testtls_puts(&t, POST "Expect: 100-continue\r\n"
	    "Content-Length: 5\r\n\r\n");
	n = tls_read(t.tls, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	is_str(buf, "HTTP/1.1 100 Continue\r\n\r\n", "asked to go on");
	converse(&t, "hello", "hello");
	/* Refused before it is sent. */
	testtls_puts(&t, "POST /wrong HTTP/1.1\r\nHost: a.test\r\n" TYPE
	    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	n = tls_read(t.tls, buf, sizeof(buf) - 1);
	buf[n > 12 ? 12 : 0] = '\0';
	is_str(buf, "HTTP/1.1 404", "or told why not to");
	testtls_close(&t);
}

/* --- GET --------------------------------------------------------------------- */

static void
test_get(void)
{
	struct http_msg	 m;
	struct testtls	 t;
	int64_t		 len;

	dial(&t, "a.test");
	testtls_puts(&t, "GET /wsemail HTTP/1.1\r\nHost: a.test\r\n\r\n");
	hear(&t, &m, 200, "says what it is");
	len = m.length;
	ok(m.body.data != NULL && memmem(m.body.data, m.body.len, "WSEmail",
	    7) != NULL, "in words");
	http_msg_free(&m);
	testtls_puts(&t, "HEAD /wsemail HTTP/1.1\r\nHost: a.test\r\n\r\n");
	is_int(testtls_message(&t, &m, 1, 1), 1, "HEAD");
	is_int(m.status, 200, "HEAD");
	is_str(http_field(&m, "content-type"), "text/plain; charset=utf-8",
	    "has its type");
	ok(http_field(&m, "content-length") != NULL &&
	    strtoll(http_field(&m, "content-length"), NULL, 10) == len,
	    "and length");
	http_msg_free(&m);
	testtls_puts(&t, "GET /wsemail HTTP/1.0\r\nConnection: keep-alive\r\n"
	    "\r\n");
	hear(&t, &m, 200, "HTTP/1.0");
	is_str(http_field(&m, "connection"), "keep-alive", "kept on request");
	http_msg_free(&m);
	testtls_puts(&t, "GET /wsemail HTTP/1.0\r\n\r\n");
	hear(&t, &m, 200, "HTTP/1.0 without it");
	http_msg_free(&m);
	ok(testtls_closes(&t), "closes");
	testtls_close(&t);
}

static void
test_wsdl(void)
{
	static const char *const query[] = { "wsdl", "WSDL", "singleWsdl" };
	static const char	 want[] = "https://[::1]:8443/wsemail";
	char			 req[128];
	struct http_msg		 m;
	struct testtls		 t;
	size_t			 i;

	dial(&t, "a.test");
	for (i = 0; i < nitems(query); i++) {
		snprintf(req, sizeof(req), "GET /wsemail?%s HTTP/1.1\r\n"
		    "Host: [::1]:8443\r\n\r\n", query[i]);
		testtls_puts(&t, req);
		hear(&t, &m, 200, query[i]);
		is_str(http_field(&m, "content-type"),
		    "text/xml; charset=utf-8", "content type");
		ok(memmem(m.body.data, m.body.len, "definitions", 11) != NULL,
		    "a WSDL");
		ok(memmem(m.body.data, m.body.len, want,
		    sizeof(want) - 1) != NULL, "with the name it was asked by");
		ok(memmem(m.body.data, m.body.len, "https://localhost/", 18) ==
		    NULL, "everywhere");
		http_msg_free(&m);
	}
	testtls_puts(&t, "GET /wsemail?wsdl HTTP/1.1\r\n"
	    "Host: a\"/><evil\r\n\r\n");
	hear(&t, &m, 400, "markup in Host is refused");
	ok(memmem(m.body.data, m.body.len, "evil", 4) == NULL,
	    "and not reflected");
	http_msg_free(&m);
	testtls_close(&t);
}

static void
test_routes(void)
{
	static const struct {
		const char	*req;
		int		 status;
	} route[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /wsemail/ HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /wsemailx HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /WSEMAIL HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /wsemail?xsd HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /wsemail?wsdl&x HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET //wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET /x/../wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 404 },
		{ "GET http://a/wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET https://u@a/wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET https:///wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "PUT /wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "DELETE /wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "post /wsemail HTTP/1.1\r\nHost: a\r\n" TYPE "\r\n", 405 },
		{ "POST /wsemail?x HTTP/1.1\r\nHost: a\r\n" TYPE "\r\n", 404 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\n"
		    "Content-Type: text/plain\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\n"
		    "Content-Type: text/xmlx\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\n"
		    "Content-Type: multipart/related\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\nContent-Type: "
		    "multipart/related; type=\"text/xml\"\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\nContent-Type: "
		    "multipart/related; x=\"; type=application/xop+xml\""
		    "\r\n\r\n", 415 },
		{ "POST /wsemail HTTP/1.1\r\nHost: a\r\n" TYPE
		    "Content-Encoding: gzip\r\n\r\n", 415 },
	};
	struct http_msg	 m;
	struct testtls	 t;
	char		 name[64];
	size_t		 i;

	/* Complete requests with a wrong aim do not cost the connection. */
	dial(&t, "a.test");
	for (i = 0; i < nitems(route); i++) {
		testtls_puts(&t, route[i].req);
		snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(route[i].req, "\r"), route[i].req);
		if (!hear(&t, &m, route[i].status, name))
			break;
		if (route[i].status == 405)
			is_str(http_field(&m, "allow"), "GET, HEAD, POST",
			    "Allow");
		ok(http_field(&m, "x-request-id") != NULL, "request id");
		http_msg_free(&m);
	}
	testtls_close(&t);
	/* With a body outstanding it does. */
	dial(&t, "a.test");
	testtls_puts(&t, "POST /x HTTP/1.1\r\nHost: a\r\n" TYPE
	    "Content-Length: 1000\r\n\r\n");
	hear(&t, &m, 404, "refused before the body");
	is_int(m.keepalive, 0, "closes");
	http_msg_free(&m);
	ok(testtls_closes(&t), "really");
	testtls_close(&t);
}

/* --- abuse ---------------------------------------------------------------------- */

static void
test_hostile(void)
{
	static const struct {
		const char	*name, *req;
		size_t		 len;
		int		 status;
	} bad[] = {
#define B(name, req, status)	{ name, req, sizeof(req) - 1, status }
		B("length and coding", POST "Content-Length: 5\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /", 400),
		B("two lengths", POST "Content-Length: 0\r\n"
		    "Content-Length: 44\r\n\r\nGET /x HTTP/1.1\r\n", 400),
		B("space before colon", POST "Content-Length : 5\r\n\r\n", 400),
		B("obs-fold", POST "X: a\r\n Content-Length: 5\r\n\r\n", 400),
		B("bare LF", "POST /wsemail HTTP/1.1\nHost: a\n\n", 400),
		B("NUL", POST "X: \0\r\n\r\n", 400),
		B("coding gzip", POST "Transfer-Encoding: gzip\r\n\r\n", 501),
		B("chunk size", POST "Transfer-Encoding: chunked\r\n\r\n"
		    "ffffffffffffffff1\r\n", 400),
		B("chunk too large", POST "Transfer-Encoding: chunked\r\n\r\n"
		    "fffffff\r\n", 413),
		B("body too large", POST "Content-Length: 99999999999\r\n\r\n",
		    413),
		B("no Host", "GET /wsemail HTTP/1.1\r\n\r\n", 400),
		B("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		    400),
		B("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
		B("expectation", POST "Expect: magic\r\n\r\n", 417),
		B("garbage", "\x01\x02\x03\r\n", 400),
	};
	struct http_msg	 m;
	struct testtls	 t;
	struct imsg	 imsg;
	char		*big;
	size_t		 i;

	for (i = 0; i < nitems(bad); i++) {
		dial(&t, "a.test");
		testtls_write(&t, bad[i].req, bad[i].len);
		hear(&t, &m, bad[i].status, bad[i].name);
		is_int(m.keepalive, 0, bad[i].name);
		http_msg_free(&m);
		ok(testtls_closes(&t), bad[i].name);
		testtls_close(&t);
	}
	big = malloc(40000);
	memset(big, 'a', 40000);
	memcpy(big, "GET /", 5);
	dial(&t, "a.test");
	testtls_write(&t, big, 40000);
	hear(&t, &m, 414, "an endless target");
	http_msg_free(&m);
	testtls_close(&t);
	free(big);
	is_int(kid_recv(&soap, &imsg, 0), 0, "soap hears of none of it");
}

static void
test_sni(void)
{
	struct testtls	 t;

	dial(&t, "b.test");
	ok(tls_peer_cert_contains_name(t.tls, "b.test"),
	    "each domain its certificate");
	testtls_close(&t);
	is_int(testtls_open(&t, port, "c.test", ca.cert_pem), -1,
	    "no certificate for others");
}

static void
test_plain(void)
{
	static const char	 req[] =
	    "GET /wsemail HTTP/1.1\r\nHost: a.test\r\n\r\n";
	struct testtls		 t;
	char			 buf[512];
	ssize_t			 n;
	int			 fd = testnet_connect(port);

	ok(write(fd, req, sizeof(req) - 1) > 0, "plain HTTP");
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0)
		ok(memmem(buf, (size_t)n, "HTTP/", 5) == NULL,
		    "gets no HTTP answer");
	ok(n == 0 || errno == ECONNRESET, "is closed");
	close(fd);
	ok(kid_stat(&kid, "handshake_failures") >= 1, "and counted");
	dial(&t, "a.test");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&t);
}

/* --- soap's misfortunes ------------------------------------------------------------ */

static void
test_soap_gone(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t;
	struct imsg	 imsg;

	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\none");
	take(&req, &imsg);
	http_req_free(&req);
	imsg_free(&imsg);
	imsgbuf_clear(&soap);
	hear(&t, &m, 503, "soap dies with a request in work");
	ok(http_field(&m, "retry-after") != NULL, "Retry-After");
	is_int(m.keepalive, 1, "the connection stays");
	http_msg_free(&m);
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\ntwo");
	hear(&t, &m, 503, "no soap at all");
	ok(http_field(&m, "retry-after") != NULL, "Retry-After");
	http_msg_free(&m);
	kid_connect(&kid, &soap, P_SOAP, 0);
	(void)kid_stat(&kid, "requests");
	converse(&t, POST "Content-Length: 5\r\n\r\nthree", "three");
	testtls_close(&t);
}

static void
test_client_gone(void)
{
	struct http_req	 req;
	struct testtls	 t;
	struct imsg	 imsg;
	uint64_t	 id;

	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\none");
	id = take(&req, &imsg);
	http_req_free(&req);
	imsg_free(&imsg);
	testtls_close(&t);
	while (kid_stat(&kid, "requests_in_work") != 0)
		;
	answer(id, 200, "late", 4);
	dial(&t, "a.test");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&t);
}

static void
test_bad_answer(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t;
	struct imsg	 imsg;

	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\none");
	answer(take(&req, &imsg), 99, "", 0);
	http_req_free(&req);
	imsg_free(&imsg);
	hear(&t, &m, 503, "an impossible status from soap");
	http_msg_free(&m);
	is_int(kid_recv(&soap, &imsg, MS), -1, "costs soap its channel");
	imsgbuf_clear(&soap);
	kid_connect(&kid, &soap, P_SOAP, 0);
	(void)kid_stat(&kid, "requests");
	testtls_close(&t);
}

/* --- limits -------------------------------------------------------------------------- */

static void
test_limits(void)
{
	struct testtls	*t = calloc(5, sizeof(*t));
	struct http_msg	 m;
	int		 i;

	conf->limit[LIM_CONNECTIONS_PER_ADDRESS] = 4;
	conf->limit[LIM_REQUESTS_PER_CONNECTION] = 2;
	kid_reload(&kid, conf);
	while (kid_stat(&kid, "connections_open") != 0)
		;
	for (i = 0; i < 4; i++)
		dial(&t[i], "a.test");
	is_int(testtls_open(&t[4], port, "a.test", ca.cert_pem), -1,
	    "one too many of an address");
	is_int(kid_stat(&kid,
	    "limit_connections_per_address_struck"), 1, "counted");
	testtls_close(&t[0]);
	while (kid_stat(&kid, "connections_open") != 3)
		;
	dial(&t[0], "a.test");
	ok(1, "room again once one is gone");
	for (i = 0; i < 2; i++) {
		testtls_puts(&t[0],
		    "GET /wsemail HTTP/1.1\r\nHost: a\r\n\r\n");
		hear(&t[0], &m, 200, "requests of a connection");
		is_int(m.keepalive, i == 0, "the last one says so");
		http_msg_free(&m);
	}
	ok(testtls_closes(&t[0]), "and closes");
	for (i = 0; i < 4; i++)
		testtls_close(&t[i]);
	conf->limit[LIM_CONNECTIONS] = 1;
	conf->limit[LIM_REQUESTS_PER_CONNECTION] = 0;
	kid_reload(&kid, conf);
	while (kid_stat(&kid, "connections_open") != 0)
		;
	dial(&t[0], "a.test");
	is_int(testtls_open(&t[1], port, "a.test", ca.cert_pem), -1,
	    "one too many in all");
	is_int(kid_stat(&kid, "limit_connections_struck"), 1, "counted");
	testtls_close(&t[0]);
	conf->limit[LIM_CONNECTIONS_PER_ADDRESS] = 64;
	conf->limit[LIM_CONNECTIONS] = 64;
	kid_reload(&kid, conf);
	free(t);
}

/* What an address may have in a minute: begun anew, as it has had some. */
static void
test_rates(void)
{
	static const char	 get[] = "GET /wsemail HTTP/1.1\r\n"
	    "Host: a\r\n\r\n";
	struct testtls		 t;
	struct http_msg		 m;
	char			 head[128];
	int			 i;

	stop();
	conf->limit[LIM_REQUESTS_PER_ADDRESS] = 3;
	start();
	dial(&t, "a.test");
	for (i = 0; i < 4; i++) {
		testtls_puts(&t, get);
		hear(&t, &m, i < 3 ? 200 : 503, "requests of an address");
		http_msg_free(&m);
	}
	is_int(kid_stat(&kid, "limit_requests_per_address_struck"), 1,
	    "counted");
	testtls_close(&t);
	stop();
	conf->limit[LIM_REQUESTS_PER_ADDRESS] = 0;
	conf->limit[LIM_BYTES_PER_ADDRESS] = 4096;
	start();
	dial(&t, "a.test");
	snprintf(head, sizeof(head), POST "Content-Length: 5000\r\n\r\n");
	testtls_puts(&t, head);
	for (i = 0; i < 5000; i += 100)
		testtls_puts(&t, HUNDRED);
	hear(&t, &m, 503, "octets of an address");
	http_msg_free(&m);
	ok(testtls_closes(&t), "and closes");
	is_int(kid_stat(&kid, "limit_bytes_per_address_struck"), 1, "counted");
	testtls_close(&t);
	stop();
	conf->limit[LIM_BYTES_PER_ADDRESS] = 0;
	conf->limit[LIM_BODIES] = 1000;
	start();
	dial(&t, "a.test");
	testtls_puts(&t, head);
	for (i = 0; i < 1100; i += 100)
		testtls_puts(&t, HUNDRED);
	hear(&t, &m, 503, "octets of all unfinished bodies");
	http_msg_free(&m);
	testtls_close(&t);
	is_int(kid_stat(&kid, "limit_bodies_struck"), 1, "counted");
	stop();
	conf->limit[LIM_BODIES] = limit_rows[LIM_BODIES].def;
	start();
}

/* One address's slow uploads take no more than its share of `bodies`. */
static void
test_bodies(void)
{
	struct testtls		 t[4];
	struct http_msg		 m;
	char			 head[128];
	int			 i, k, fd;

	conf->limit[LIM_BODIES] = 2500;
	conf->limit[LIM_BODIES_PER_ADDRESS] = 1500;
	kid_reload(&kid, conf);
	snprintf(head, sizeof(head), POST "Content-Length: 1100\r\n\r\n");
	for (i = 0; i < 2; i++) {
		dial(&t[i], "a.test");
		testtls_puts(&t[i], head);
		for (k = 0; k < 1000; k += 100)
			testtls_puts(&t[i], HUNDRED);
		if (i > 0)
			continue;
		while (kid_stat(&kid, "limit_bodies_now") != 1000)
			;
	}
	hear(&t[1], &m, 503, "octets of one address's unfinished bodies");
	http_msg_free(&m);
	ok(testtls_closes(&t[1]), "and closes");
	is_int(kid_stat(&kid, "limit_bodies_per_address_struck"), 1,
	    "counted");
	is_int(kid_stat(&kid, "limit_bodies_struck"), -1, "not the other");
	while (kid_stat(&kid, "limit_bodies_now") != 1000)
		;
	ok(1, "what was refused is not held");
	if ((fd = testnet_connect_from("127.0.0.2", port)) != -1) {
		is_int(testtls_start(&t[2], fd, "a.test", ca.cert_pem), 0,
		    "another address");
		testtls_puts(&t[2], head);
		for (k = 0; k < 1100; k += 100)
			testtls_puts(&t[2], HUNDRED);
		pass_on(&t[2]);
	}
	testtls_puts(&t[0], HUNDRED);
	pass_on(&t[0]);
	is_int(kid_stat(&kid, "limit_bodies_now"), 0, "all is given back");
	dial(&t[3], "a.test");
	testtls_puts(&t[3], head);
	for (k = 0; k < 1100; k += 100)
		testtls_puts(&t[3], HUNDRED);
	pass_on(&t[3]);
	for (i = 0; i < 4; i++)
		if (i != 2 || fd != -1)
			testtls_close(&t[i]);
	conf->limit[LIM_BODIES] = limit_rows[LIM_BODIES].def;
	conf->limit[LIM_BODIES_PER_ADDRESS] =
	    limit_rows[LIM_BODIES_PER_ADDRESS].def;
	kid_reload(&kid, conf);
}

/* A whole request comes to soap and is answered. */
static void
pass_on(struct testtls *t)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct imsg	 imsg;
	uint64_t	 id;

	if ((id = take(&req, &imsg)) == 0)
		return;
	is_int((int64_t)req.body_len, 1100, "the whole body");
	http_req_free(&req);
	imsg_free(&imsg);
	answer(id, 200, "x", 1);
	hear(t, &m, 200, "answered");
	http_msg_free(&m);
}

/* Each phase ends by its own limit; the others are far away. */
static void
test_slow(void)
{
	static const struct {
		const char	*what, *say;
		enum limit	 limit;
	} slow[] = {
		{ "slow head", "POST /wsem", LIM_HTTP_HEADER_TIMEOUT },
		{ "no head at all", "", LIM_HTTP_HEADER_TIMEOUT },
		{ "slow body", POST "Content-Length: 99\r\n\r\nabc",
		    LIM_HTTP_BODY_TIMEOUT },
		{ "slow chunk", POST "Transfer-Encoding: chunked\r\n\r\n9\r\n",
		    LIM_HTTP_BODY_TIMEOUT },
		{ "idle", "GET /wsemail HTTP/1.1\r\nHost: a\r\n\r\n",
		    LIM_HTTP_IDLE_TIMEOUT },
	};
	struct testtls	 t;
	int64_t		 was, begun;
	size_t		 i;
	int		 fd;
	char		 c;

	for (i = 0; i < nitems(slow); i++) {
		was = conf->limit[slow[i].limit];
		conf->limit[slow[i].limit] = 1;
		kid_reload(&kid, conf);
		begun = testnet_clock();
		dial(&t, "a.test");
		testtls_puts(&t, slow[i].say);
		ok(testtls_closes(&t), slow[i].what);
		ok(testnet_clock() - begun < 10000 &&
		    testnet_clock() - begun > 800, "in its time");
		testtls_close(&t);
		conf->limit[slow[i].limit] = was;
		kid_reload(&kid, conf);
	}
	conf->limit[LIM_HTTP_HEADER_TIMEOUT] = 1;
	kid_reload(&kid, conf);
	fd = testnet_connect(port);
	is_int((int)read(fd, &c, 1), 0, "no handshake at all");
	close(fd);
	conf->limit[LIM_HTTP_HEADER_TIMEOUT] = 60;
	kid_reload(&kid, conf);
	is_int(kid_stat(&kid, "timeouts"), (int)nitems(slow) + 1, "counted");
}

/* Octet by octet: each comes in time, and all together do not. */
static void
test_trickle(void)
{
	static const struct {
		const char	*what, *say, *counter;
		enum limit	 limit;
	} t[] = {
		{ "head", "POST /wsemail HTTP/1.1\r\nX-Slow: ",
		    "limit_http_header_timeout_struck",
		    LIM_HTTP_HEADER_TIMEOUT },
		{ "body", POST "Content-Length: 9999\r\n\r\n",
		    "limit_http_body_timeout_struck", LIM_HTTP_BODY_TIMEOUT },
	};
	struct testtls	 c;
	struct pollfd	 pfd;
	int64_t		 was, begun, struck, end;
	size_t		 i;
	int		 n;

	for (i = 0; i < nitems(t); i++) {
		was = conf->limit[t[i].limit];
		conf->limit[t[i].limit] = 1;
		kid_reload(&kid, conf);
		struck = kid_stat(&kid, t[i].counter);
		begun = testnet_clock();
		end = begun + 10000;
		dial(&c, "a.test");
		testtls_puts(&c, t[i].say);
		pfd.fd = c.fd;
		pfd.events = 0;		/* its end only */
		for (n = 0; testtls_puts(&c, "a") != -1 &&
		    testnet_clock() < end; n++)
			(void)poll(&pfd, 1, 50);
		ok(testnet_clock() < end && testnet_clock() - begun > 800,
		    t[i].what);
		ok(n >= 3, "with octets until then");
		is_int(kid_stat(&kid, t[i].counter),
		    (struck == -1 ? 0 : struck) + 1, "counted");
		testtls_close(&c);
		conf->limit[t[i].limit] = was;
		kid_reload(&kid, conf);
	}
	is_int(kid_stat(&kid, "limit_bodies_now"), 0, "nothing is held");
}

/* A client that does not take its answer, and a soap that gives none. */
static void
test_slow_reader(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t, late;
	struct imsg	 imsg;
	uint64_t	 id[2];
	size_t		 len = 24 << 20;
	char		*body = calloc(1, len);
	int64_t		 n = kid_stat(&kid, "timeouts");

	conf->limit[LIM_HTTP_WRITE_TIMEOUT] = 1;
	conf->limit[LIM_REQUEST_TIMEOUT] = 1;
	conf->limit[LIM_WAIT_TIMEOUT] = 0;
	kid_reload(&kid, conf);
	dial(&late, "a.test");
	testtls_puts(&late, POST "Content-Length: 3\r\n\r\none");
	id[0] = take(&req, &imsg);
	http_req_free(&req);
	imsg_free(&imsg);

	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\ntwo");
	id[1] = take(&req, &imsg);
	http_req_free(&req);
	imsg_free(&imsg);
	answer(id[1], 200, body, len);
	while (kid_stat(&kid, "connections_open") != 1)
		;
	is_int(kid_stat(&kid, "timeouts"), n + 1,
	    "who does not take an answer is dropped");
	testtls_close(&t);
	free(body);

	hear(&late, &m, 504, "soap does not answer");
	http_msg_free(&m);
	answer(id[0], 200, "late", 4);
	converse(&late, POST "Content-Length: 5\r\n\r\nagain", "again");
	testtls_close(&late);
	conf->limit[LIM_HTTP_WRITE_TIMEOUT] = 60;
	kid_reload(&kid, conf);
}

/* Who connects cannot take the descriptors that the others are served by. */
static void
test_descriptors(void)
{
	struct testtls	 t;
	int		 fd[60];
	size_t		 i;

	stop();
	kid.nofile = 48;
	start();
	dial(&t, "a.test");
	for (i = 0; i < nitems(fd); i++)
		fd[i] = testnet_connect(port);
	while (kid_stat(&kid, "limit_connections_struck") < 1)
		;
	ok(kid_logged("too many connections for the descriptors"),
	    "says why");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	for (i = 0; i < nitems(fd); i++)
		close(fd[i]);
	testtls_close(&t);
	while (kid_stat(&kid, "connections_open") != 0)
		;
	dial(&t, "a.test");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&t);
	is_int(kid_stat(&kid, "accept_failures"), 0, "none are left over");
}

/* --- reload, shutdown -------------------------------------------------------------- */

static void
test_reload(void)
{
	struct conf_domain	*d = TAILQ_FIRST(&conf->domains);
	struct conf_listen	*l = TAILQ_FIRST(&conf->listens);
	struct testcert		 fresh;
	struct testtls		 old, t;
	char			*was, *now;
	uint16_t		 dropped = port;

	testcert_issue(&fresh, &ca, "a.test");
	dial(&old, "a.test");
	was = strdup(tls_peer_cert_hash(old.tls));
	set_blob(&d->tls_cert, fresh.cert_pem);
	set_blob(&d->tls_key, fresh.key_pem);
	kid_reload(&kid, conf);
	dial(&t, "a.test");
	now = strdup(tls_peer_cert_hash(t.tls));
	ok(strcmp(was, now) != 0, "a new key for new connections");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	converse(&old, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&t);
	set_blob(&d->tls_key, "nonsense");
	kid_reload(&kid, conf);
	dial(&t, "a.test");
	is_str(tls_peer_cert_hash(t.tls), now, "a bad one changes nothing");
	testtls_close(&t);
	set_blob(&d->tls_key, fresh.key_pem);

	/* The parent opens the new socket, we close the one that is dropped. */
	listen_on(&port);
	l->port = port;
	kid_reload(&kid, conf);
	is_int(testnet_connect(dropped), -1, "a dropped listener is closed");
	dial(&t, "a.test");
	converse(&t, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&t);
	converse(&old, POST "Content-Length: 2\r\n\r\nhi", "hi");
	testtls_close(&old);
	testcert_free(&fresh);
	free(was);
	free(now);
}

static void
test_shutdown(void)
{
	struct http_req	 req;
	struct http_msg	 m;
	struct testtls	 t, idle;
	struct imsg	 imsg;
	uint64_t	 id;
	int		 status;

	dial(&idle, "a.test");
	dial(&t, "a.test");
	testtls_puts(&t, POST "Content-Length: 3\r\n\r\none");
	id = take(&req, &imsg);
	http_req_free(&req);
	imsg_free(&imsg);
	kid_send(&kid.parent, IMSG_PROC_SHUTDOWN, 0, NULL);
	ok(testtls_closes(&idle), "an idle connection is closed");
	is_int(testnet_connect(port), -1, "no new ones are taken");
	answer(id, 200, "done", 4);
	hear(&t, &m, 200, "what is in work is finished");
	is_int(m.keepalive, 0, "as the last");
	http_msg_free(&m);
	ok(testtls_closes(&t), "closed");
	testtls_close(&t);
	testtls_close(&idle);
	ok(waitpid(kid.pid, &status, 0) == kid.pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0, "ends in order");
	imsgbuf_clear(&kid.parent);
	imsgbuf_clear(&soap);
}

int
main(void)
{
	char			 dir[] = "/tmp/ws_frontend.XXXXXX";
	struct conf_listen	*l;

	signal(SIGPIPE, SIG_IGN);
	testdir_enter(dir);
	testcert_ca(&ca, "Test CA");
	testcert_issue(&cert_a, &ca, "a.test");
	testcert_issue(&cert_b, &ca, "b.test");
	conf = conf_new();
	conf->limit[LIM_CONNECTIONS_PER_ADDRESS] = 64;
	add_domain("a.test", &cert_a);
	add_domain("b.test", &cert_b);
	l = calloc(1, sizeof(*l));
	l->addr = strdup("127.0.0.1");
	TAILQ_INSERT_TAIL(&conf->listens, l, entry);
	start();
	l->port = port;

	test_good();
	test_large();
	test_pipeline();
	test_continue();
	test_get();
	test_wsdl();
	test_routes();
	test_hostile();
	test_sni();
	test_plain();
	test_soap_gone();
	test_client_gone();
	test_bad_answer();
	test_limits();
	test_bodies();
	test_slow();
	test_trickle();
	test_slow_reader();
	test_reload();
	test_shutdown();
	start();
	test_rates();
	test_descriptors();
	stop();

	conf_free(conf);
	testcert_free(&ca);
	testcert_free(&cert_a);
	testcert_free(&cert_b);
	ok(chdir("/") == 0 && testdir_remove(dir) == 0, "nothing is left");
	return done_testing();
}
