/* SPDX-License-Identifier: ISC */
/*
 * HTTP framing: good and hostile messages, each fed whole and octet by
 * octet; both ways must end the same.
 */
#include "compat.h"

#include <stdio.h>

#include "http.h"
#include "tap.h"

#define H	"POST /wsemail HTTP/1.1\r\nHost: a.test\r\n"
#define S	"HTTP/1.1 200 OK\r\n"
#define MORE	0		/* neither complete nor refused */
#define DONE	1

/* A request, what it comes to (DONE, MORE or a status) and its body. */
struct fixture {
	const char	*name;
	const char	*in;
	size_t		 len;		/* 0: strlen */
	int		 want;
	const char	*body;
	size_t		 rest;		/* octets that are the next message's */
};
#define T(name, in, want, body)	{ name, in, 0, want, body, 0 }
#define TN(name, in, want)	{ name, in, sizeof(in) - 1, want, NULL, 0 }

static const struct fixture requests[] = {
	T("no body", H "\r\n", DONE, ""),
	T("length", H "Content-Length: 5\r\n\r\nhello", DONE, "hello"),
	T("length 0", H "Content-Length: 0\r\n\r\n", DONE, ""),
	T("leading zeros", H "Content-Length: 0005\r\n\r\nhello", DONE, "hello"),
	T("name in any case", H "CONTENT-LENGTH:5\r\n\r\nhello", DONE, "hello"),
	T("white space around a value", H "Content-Length: \t 5 \t\r\n\r\nhello",
	    DONE, "hello"),
	T("body not there yet", H "Content-Length: 5\r\n\r\nhell", MORE, NULL),
	T("head not there yet", H, MORE, NULL),
	T("chunked", H "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", DONE, "hello"),
	T("chunked in any case", H "Transfer-Encoding: ChUnKeD\r\n\r\n"
	    "A\r\n0123456789\r\n0\r\n\r\n", DONE, "0123456789"),
	T("chunk extensions", H "Transfer-Encoding: chunked\r\n\r\n"
	    "5;a=b;c=\"d\"\r\nhello\r\n0 ;x\r\n\r\n", DONE, "hello"),
	T("trailer", H "Transfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", DONE, "hello"),
	T("one empty line before", "\r\n" H "\r\n", DONE, ""),
	T("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", DONE, ""),
	T("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", DONE, ""),
	T("Host with port", "GET / HTTP/1.1\r\nHost: a.test:8443\r\n\r\n", DONE,
	    ""),
	T("Host is an IPv6 address",
	    "GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", DONE, ""),
	T("empty value", H "X:\r\n\r\n", DONE, ""),
	T("obs-text in a value", H "X: \xc3\xa9\r\n\r\n", DONE, ""),
	T("expectation", H "Expect: 100-Continue\r\nContent-Length: 0\r\n\r\n",
	    DONE, ""),
	T("expectation in HTTP/1.0 ignored",
	    "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", DONE, ""),

	T("length and transfer coding", H "Content-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	T("transfer coding and length", H "Transfer-Encoding: chunked\r\n"
	    "Content-Length: 5\r\n\r\n0\r\n\r\n", 400, NULL),
	T("two lengths", H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    400, NULL),
	T("two equal lengths", H "Content-Length: 5\r\n"
	    "Content-Length: 5\r\n\r\nhello", 400, NULL),
	T("length +5", H "Content-Length: +5\r\n\r\nhello", 400, NULL),
	T("length -5", H "Content-Length: -5\r\n\r\nhello", 400, NULL),
	T("length 5,5", H "Content-Length: 5,5\r\n\r\nhello", 400, NULL),
	T("length 5 5", H "Content-Length: 5 5\r\n\r\nhello", 400, NULL),
	T("length 0x5", H "Content-Length: 0x5\r\n\r\nhello", 400, NULL),
	T("length 5.0", H "Content-Length: 5.0\r\n\r\nhello", 400, NULL),
	T("length empty", H "Content-Length:\r\n\r\n", 400, NULL),
	T("length too large", H "Content-Length: 101\r\n\r\n", 413, NULL),
	T("length beyond 64 bits",
	    H "Content-Length: 18446744073709551621\r\n\r\nhello", 413, NULL),
	T("length of a hundred digits", H "Content-Length: "
	    "99999999999999999999999999999999999999999999999999"
	    "99999999999999999999999999999999999999999999999999\r\n\r\n",
	    413, NULL),
	T("coding gzip, chunked",
	    H "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, NULL),
	T("coding chunked, chunked",
	    H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, NULL),
	T("coding gzip", H "Transfer-Encoding: gzip\r\n\r\n", 501, NULL),
	T("coding identity", H "Transfer-Encoding: identity\r\n\r\n", 501, NULL),
	T("coding xchunked", H "Transfer-Encoding: xchunked\r\n\r\n", 501, NULL),
	T("coding chunked;q=1", H "Transfer-Encoding: chunked;q=1\r\n\r\n", 501,
	    NULL),
	T("coding quoted", H "Transfer-Encoding: \"chunked\"\r\n\r\n", 501,
	    NULL),
	T("coding empty", H "Transfer-Encoding:\r\n\r\n", 501, NULL),
	T("coding after a vertical tab",
	    H "Transfer-Encoding: \vchunked\r\n\r\n", 400, NULL),
	T("two transfer codings", H "Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	T("two transfer codings, one odd", H "Transfer-Encoding: chunked\r\n"
	    "Transfer-encoding: x\r\n\r\n0\r\n\r\n", 400, NULL),
	T("transfer coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),

	T("folded field", H "X: a\r\n b\r\n\r\n", 400, NULL),
	T("folded by a tab", H "X: a\r\n\tb\r\n\r\n", 400, NULL),
	T("first field folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, NULL),
	T("space before the colon", H "Content-Length : 5\r\n\r\nhello", 400,
	    NULL),
	T("tab before the colon", H "Transfer-Encoding\t: chunked\r\n\r\n", 400,
	    NULL),
	T("no colon", H "Content-Length 5\r\n\r\n", 400, NULL),
	T("no name", H ": x\r\n\r\n", 400, NULL),
	T("name of more than a token", H "X@Y: x\r\n\r\n", 400, NULL),
	T("name with a high octet", H "X\xff: x\r\n\r\n", 400, NULL),
	TN("NUL in a value", H "X: a\0b\r\n\r\n", 400),
	TN("NUL in a name", H "X\0: b\r\n\r\n", 400),
	TN("NUL in the request line", "GET /\0 HTTP/1.1\r\n", 400),
	T("delete in a value", H "X: a\x7f\r\n\r\n", 400, NULL),
	T("bare LF after a field", H "X: a\n\r\n", 400, NULL),
	T("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n",
	    400, NULL),
	T("bare LF ends the head", H "\n", 400, NULL),
	T("bare CR in a value", H "X: a\rb\r\n\r\n", 400, NULL),
	T("CR CR LF", H "X: a\r\r\n\r\n", 400, NULL),

	T("no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL),
	T("two Hosts", H "Host: b.test\r\n\r\n", 400, NULL),
	T("two equal Hosts", H "Host: a.test\r\n\r\n", 400, NULL),
	T("two Hosts in HTTP/1.0",
	    "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL),
	T("Host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL),
	T("Host with markup", "GET / HTTP/1.1\r\nHost: a<b>\r\n\r\n", 400, NULL),
	T("Host with a quote", "GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", 400,
	    NULL),
	T("Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, NULL),
	T("Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NULL),
	T("Host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, NULL),
	T("Host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400,
	    NULL),

	T("two empty lines before", "\r\n\r\n" H "\r\n", 400, NULL),
	T("two spaces", "GET  / HTTP/1.1\r\n", 400, NULL),
	T("tab for a space", "GET\t/ HTTP/1.1\r\n", 400, NULL),
	T("space at the end", "GET / HTTP/1.1 \r\n", 400, NULL),
	T("HTTP/0.9", "GET /\r\n", 400, NULL),
	T("HTTP/2.0", "GET / HTTP/2.0\r\n", 505, NULL),
	T("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL),
	T("http/1.1", "GET / http/1.1\r\n", 400, NULL),
	T("HTTP/1.10", "GET / HTTP/1.10\r\n", 400, NULL),
	T("HTTP/1,1", "GET / HTTP/1,1\r\n", 400, NULL),
	T("method not a token", "G(T / HTTP/1.1\r\n", 400, NULL),
	T("method too long", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ / HTTP/1.1"
	    "\r\n", 501, NULL),
	T("target with a high octet", "GET /\xc3\xa9 HTTP/1.1\r\n", 400, NULL),
	T("TLS on it", "\x16\x03\x01\x02", 400, NULL),
	T("expectation unknown", H "Expect: 200-ok\r\n\r\n", 417, NULL),
	T("expectation twice", H "Expect: 100-continue\r\n"
	    "Expect: 100-continue\r\n\r\n", 417, NULL),

#define C	H "Transfer-Encoding: chunked\r\n\r\n"
	T("chunk size garbage", C "xyz\r\n", 400, NULL),
	T("chunk size empty", C "\r\n", 400, NULL),
	T("chunk size 0x5", C "0x5\r\nhello\r\n", 400, NULL),
	T("chunk size +5", C "+5\r\nhello\r\n", 400, NULL),
	T("chunk size -1", C "-1\r\n", 400, NULL),
	T("chunk size with a space before", C " 5\r\nhello\r\n", 400, NULL),
	T("chunk size with a space after", C "5 \r\nhello\r\n", 400, NULL),
	T("chunk size of 17 digits", C "10000000000000005\r\nhello\r\n", 400,
	    NULL),
	T("chunk size of 16 digits", C "ffffffffffffffff\r\n", 413, NULL),
	T("chunks too large together", C
	    "40\r\n0123456789012345678901234567890123456789"
	    "012345678901234567890123\r\n40\r\n", 413, NULL),
	T("chunk longer than it says", C "4\r\nhello\r\n0\r\n\r\n", 400, NULL),
	T("chunk shorter than it says", C "6\r\nhello\r\n0\r\n\r\n", 400, NULL),
	T("chunk ends in a bare LF", C "5\r\nhello\n0\r\n\r\n", 400, NULL),
	T("chunk size ends in a bare LF", C "5\nhello\r\n0\r\n\r\n", 400, NULL),
	T("chunk extension with a bare CR", C "5;a\rb\r\nhello\r\n", 400, NULL),
	T("chunk extension with a bare LF", C "5;a\nb\r\nhello\r\n", 400, NULL),
	T("last chunk missing", C "5\r\nhello\r\n", MORE, NULL),
	T("end of the trailer missing", C "5\r\nhello\r\n0\r\n", MORE, NULL),
	T("trailer without a colon", C "0\r\nbad\r\n\r\n", 400, NULL),
	T("trailer with a length", C "0\r\nContent-Length: 5\r\n\r\n", 400,
	    NULL),
	T("trailer with a coding", C "0\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400, NULL),
	T("trailer with Host", C "0\r\nHost: b\r\n\r\n", 400, NULL),
	T("folded trailer", C "0\r\nX: a\r\n b\r\n\r\n", 400, NULL),
	{ "pipelining", H "Content-Length: 2\r\n\r\nhiGET / HTTP", 0, DONE,
	    "hi", 10 },
	{ "pipelining after chunks", C "1\r\na\r\n0\r\n\r\nGET", 0, DONE, "a",
	    3 },
};

static const struct fixture responses[] = {
	T("length", S "Content-Length: 2\r\n\r\nok", DONE, "ok"),
	T("chunked", S "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	    DONE, "ok"),
	T("no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", DONE, ""),
	T("no reason, no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	    DONE, ""),
	T("interim", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" S
	    "Content-Length: 2\r\n\r\nok", DONE, "ok"),
	T("204", "HTTP/1.1 204 No Content\r\n\r\n", DONE, ""),
	T("to the end", S "\r\nabc", MORE, NULL),
	T("101", "HTTP/1.1 101 Switching\r\n\r\n", 400, NULL),
	T("an endless interim", "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
	    "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
	    "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
	    "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
	    "HTTP/1.1 100 a\r\n\r\n", 400, NULL),
	T("length and coding", S "Content-Length: 2\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n", 400, NULL),
	T("status of two digits", "HTTP/1.1 20 OK\r\n", 400, NULL),
	T("status of four digits", "HTTP/1.1 2000 OK\r\n", 400, NULL),
	T("status 600", "HTTP/1.1 600 OK\r\n", 400, NULL),
	T("HTTP/2", "HTTP/2 200 OK\r\n", 400, NULL),
	T("SSH", "SSH-2.0-OpenSSH_9.2\r\n", 400, NULL),
	T("empty line before", "\r\n" S, 400, NULL),
	T("too large", S "Content-Length: 101\r\n\r\n", 413, NULL),
};

static const struct http_limits limits = { 512, 8, 100 };

static int	 feed(struct http_msg *, const struct fixture *, int, size_t,
		    size_t *);
static int	 feed_str(struct http_msg *, const char *);
static void	 check(const struct fixture *, int, size_t);
static void	 test_limits(void);
static void	 test_limit(const char *, size_t, int);
static void	 test_extensions(void);
static void	 test_eof(void);
static void	 test_fields(void);

/* DONE, MORE, or the status of the refusal. */
static int
feed(struct http_msg *m, const struct fixture *f, int is_response,
    size_t step, size_t *total)
{
	size_t	 len = f->len != 0 ? f->len : strlen(f->in), off, n, used;
	int	 ret = 0;

	http_msg_init(m, is_response, &limits);
	*total = 0;
	for (off = 0; off < len && ret == 0; off += n) {
		n = len - off < step ? len - off : step;
		ret = http_feed(m, f->in + off, n, &used);
		*total += used;
	}
	return ret == -1 ? m->error : ret;
}

static int
feed_str(struct http_msg *m, const char *s)
{
	size_t	 used;

	return http_feed(m, s, strlen(s), &used);
}

static void
check(const struct fixture *f, int is_response, size_t step)
{
	struct http_msg	 m;
	size_t		 len = f->len != 0 ? f->len : strlen(f->in), total;
	char		 name[128];
	int		 ret = feed(&m, f, is_response, step, &total);

	snprintf(name, sizeof(name), "%s: %s, by %zu",
	    is_response ? "response" : "request", f->name, step);
	if (!is_int(ret, f->want, name)) {
		printf("# %s\n", m.why != NULL ? m.why : "");
		goto out;
	}
	if (ret == DONE) {
		ok(m.body.len == strlen(f->body) &&
		    (m.body.len == 0 || memcmp(m.body.data, f->body,
		    m.body.len) == 0), name);
		/* By more than an octet the rest is seen and left. */
		if (step >= len)
			is_int((int)(len - total), (int)f->rest, name);
		ok(m.error == 0, name);
	} else if (ret != MORE)
		ok(m.why != NULL && !m.keepalive && m.state == HTTP_ERROR,
		    name);
	if (ret > DONE)
		is_int(feed_str(&m, H "\r\n"), -1, name);
out:
	http_msg_free(&m);
}

/* A head of exactly the limit passes, one more octet does not. */
static void
test_limit(const char *what, size_t pad, int want)
{
	struct fixture	 f = { what, NULL, 0, 0, "", 0 };
	char		 in[1024];
	size_t		 n;

	n = strlcpy(in, "GET /", sizeof(in));
	if (strcmp(what, "target") == 0) {
		memset(in + n, 'a', pad);
		n += pad;
		in[n] = '\0';
	}
	strlcat(in, " HTTP/1.1\r\nHost: a\r\nX: ", sizeof(in));
	n = strlen(in);
	if (strcmp(what, "field") == 0) {
		memset(in + n, 'a', pad - n - 4);
		in[pad - 4] = '\0';
	}
	strlcat(in, "\r\n\r\n", sizeof(in));
	f.in = in;
	f.want = want;
	check(&f, 0, 1);
	check(&f, 0, 7);
	check(&f, 0, sizeof(in));
}

static void
test_limits(void)
{
	struct fixture	 f = { "fields", NULL, 0, 0, "", 0 };
	char		 in[512] = H;
	int		 i;

	test_limit("field", limits.head_max, DONE);
	test_limit("field", limits.head_max + 1, 431);
	test_limit("target", limits.head_max + 1, 414);
	f.in = in;
	for (i = 1; i < (int)limits.fields_max; i++)
		strlcat(in, "X: y\r\n", sizeof(in));
	strlcat(in, "\r\n", sizeof(in));
	f.want = DONE;
	check(&f, 0, 1);
	check(&f, 0, sizeof(in));
	in[strlen(in) - 2] = '\0';
	strlcat(in, "X: y\r\n\r\n", sizeof(in));
	f.want = 431;
	check(&f, 0, 1);
	check(&f, 0, sizeof(in));
}

/* One octet a chunk with long extensions must not be a way to send for ever. */
static void
test_extensions(void)
{
	struct http_msg	 m;
	char		 chunk[200], ext[2000];
	int		 i, ret = 0;

	memset(ext, 'x', sizeof(ext) - 1);
	ext[sizeof(ext) - 1] = '\0';
	http_msg_init(&m, 0, &limits);
	is_int(feed_str(&m, C), 0, "chunks begin");
	snprintf(chunk, sizeof(chunk), "1;%.100s\r\na\r\n", ext);
	for (i = 0; i < 90 && ret == 0; i++)
		ret = feed_str(&m, chunk);
	is_int(ret, -1, "extensions of all chunks are bounded");
	is_int(m.error, 400, "with 400");
	ok(i < 10, "and early");
	http_msg_free(&m);

	http_msg_init(&m, 0, &limits);
	is_int(feed_str(&m, C "1;"), 0, "one chunk");
	is_int(feed_str(&m, ext), -1,
	    "the extension of one chunk is bounded before its end");
	http_msg_free(&m);

	http_msg_init(&m, 0, &limits);
	is_int(feed_str(&m, C), 0, "plain chunks begin");
	for (i = 0, ret = 0; i < 90 && ret == 0; i++)
		ret = feed_str(&m, "1\r\na\r\n");
	is_int(ret, 0, "many small chunks are no offence");
	is_int((int)m.body.len, 90, "all are there");
	http_msg_free(&m);
}

static void
test_eof(void)
{
	struct http_msg	 m;

	http_msg_init(&m, 1, &limits);
	is_int(feed_str(&m, S "\r\nabc"), 0, "body to the end");
	is_int(http_eof(&m), 0, "the end completes it");
	is_int((int)m.body.len, 3, "its length");
	is_int(m.keepalive, 0, "and the connection");
	http_msg_free(&m);

	http_msg_init(&m, 1, &limits);
	feed_str(&m, S "Content-Length: 9\r\n\r\nabc");
	is_int(http_eof(&m), -1, "cut short by length");
	http_msg_free(&m);

	http_msg_init(&m, 1, &limits);
	feed_str(&m, S "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	is_int(http_eof(&m), -1, "cut short in chunks");
	http_msg_free(&m);

	http_msg_init(&m, 1, &limits);
	is_int(http_eof(&m), -1, "nothing at all");
	http_msg_free(&m);

	http_msg_init(&m, 1, &limits);
	m.head_request = 1;
	is_int(feed_str(&m, S "Content-Length: 9999\r\n\r\n"), 1,
	    "answer to HEAD has no body");
	http_msg_free(&m);
}

static void
test_fields(void)
{
	static const struct {
		const char	*line, *field;
		int		 keep;
	} conn[] = {
		{ "GET / HTTP/1.1", "X: y", 1 },
		{ "GET / HTTP/1.1", "Connection: close", 0 },
		{ "GET / HTTP/1.1", "Connection: foo, CLOSE", 0 },
		{ "GET / HTTP/1.1", "Connection: closed", 1 },
		{ "GET / HTTP/1.0", "X: y", 0 },
		{ "GET / HTTP/1.0", "Connection: Keep-Alive", 1 },
		{ "GET / HTTP/1.0", "Connection: keep-alive, close", 0 },
	};
	struct http_msg	 m;
	char		 in[256];
	size_t		 i;

	for (i = 0; i < nitems(conn); i++) {
		snprintf(in, sizeof(in), "%s\r\nHost: a\r\n%s\r\n\r\n",
		    conn[i].line, conn[i].field);
		http_msg_init(&m, 0, &limits);
		is_int(feed_str(&m, in), 1, conn[i].field);
		is_int(m.keepalive, conn[i].keep, conn[i].field);
		http_msg_free(&m);
	}
	http_msg_init(&m, 0, &limits);
	feed_str(&m, H "SOAPAction: \"x\"\r\nExpect: 100-continue\r\n"
	    "Content-Length: 3\r\n\r\n");
	is_str(m.method, "POST", "method");
	is_str(m.target, "/wsemail", "target");
	is_str(http_field(&m, "soapaction"), "\"x\"", "field by name");
	ok(http_field(&m, "x-none") == NULL, "no such field");
	is_int(m.expect_continue, 1, "expectation");
	is_int(m.head_done, 1, "head is done before the body");
	is_int((int)m.length, 3, "declared length");
	http_msg_free(&m);
}

int
main(void)
{
	size_t	 i, step[] = { 1, 2, 3, 1024 }, s;

	for (s = 0; s < nitems(step); s++) {
		for (i = 0; i < nitems(requests); i++)
			check(&requests[i], 0, step[s]);
		for (i = 0; i < nitems(responses); i++)
			check(&responses[i], 1, step[s]);
	}
	test_limits();
	test_extensions();
	test_eof();
	test_fields();
	return done_testing();
}
