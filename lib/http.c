/* SPDX-License-Identifier: ISC */
/*
 * HTTP/1.1 framing for the front end's requests and the relay's answers
 * (RFC 9112, RFC 9110 for the fields).  The state only ever looks at one line
 * or at a count of octets, so that it does not matter how the octets come.
 *
 * What two implementations may read differently is refused, with these
 * exceptions, each of which leaves but one reading:
 *  - one empty line before a request line (RFC 9112 2.2: ought to be ignored;
 *    some clients end a body with a stray CRLF);
 *  - white space around a field's value (5), which is not part of it;
 *  - white space before the semicolon of a chunk extension (7.1.1, "bad"
 *    white space that a recipient must parse), and the extensions
 *    themselves, which are skipped but bounded;
 *  - obs-text (0x80 to 0xff) in a value (RFC 9110 5.5), kept as it is;
 *  - a higher minor version (RFC 9110 2.5), read as HTTP/1.1.
 */
#include "compat.h"

#include <stdio.h>
#include <strings.h>

#include "http.h"

#define HTTP_CHUNK_LINE_MAX	1024	/* size and extensions of one chunk */
#define HTTP_METHOD_MAX		32
#define HTTP_INTERIM_MAX	8

static int	 http_fail(struct http_msg *, int, const char *);
static int	 http_is_token(const char *, size_t);
static int	 http_in_head(enum http_state);
static int	 http_feed_line(struct http_msg *, const uint8_t *, size_t,
		    size_t *);
static int	 http_take_line(struct http_msg *, const uint8_t *, size_t);
static int	 http_line_done(struct http_msg *);
static int	 http_start_line(struct http_msg *, char *);
static int	 http_request_line(struct http_msg *, char *);
static int	 http_status_line(struct http_msg *, char *);
static int	 http_version(struct http_msg *, const char *, size_t);
static int	 http_field_line(struct http_msg *, char *, size_t);
static int	 http_trailer_line(struct http_msg *, char *, size_t);
static int	 http_add_field(struct http_msg *, const char *, size_t,
		    const char *, size_t);
static int	 http_head_end(struct http_msg *);
static int	 http_head_host(struct http_msg *);
static int	 http_head_connection(struct http_msg *);
static int	 http_head_expect(struct http_msg *);
static int	 http_head_framing(struct http_msg *);
static int	 http_head_length(struct http_msg *, const char *);
static void	 http_again(struct http_msg *);
static size_t	 http_count(const struct http_msg *, const char *);
static int	 http_chunk_size(struct http_msg *, const char *);
static void	 http_body_room(struct http_msg *, size_t);
static int	 http_feed_body(struct http_msg *, const uint8_t *, size_t,
		    size_t *);

void
http_msg_init(struct http_msg *m, int is_response,
    const struct http_limits *limits)
{
	memset(m, 0, sizeof(*m));
	m->is_response = is_response;
	m->limits = *limits;
	m->state = HTTP_HEAD;
}

void
http_msg_free(struct http_msg *m)
{
	http_again(m);
	wbuf_free(&m->body);
	wbuf_free(&m->line);
	memset(m, 0, sizeof(*m));
	m->state = HTTP_ERROR;
}

/* Forgets the head: of a message that is over, or of an interim response. */
static void
http_again(struct http_msg *m)
{
	size_t	 i;

	for (i = 0; i < m->nfields; i++) {
		free(m->field[i].name);
		free(m->field[i].value);
	}
	free(m->field);
	free(m->method);
	free(m->target);
	m->field = NULL;
	m->nfields = 0;
	m->method = m->target = NULL;
	m->status = 0;
}

static int
http_fail(struct http_msg *m, int error, const char *why)
{
	m->state = HTTP_ERROR;
	m->error = error;
	m->why = why;
	m->keepalive = 0;
	return -1;
}

/* RFC 9110 5.6.2 */
static int
http_is_token(const char *s, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] != '\0' && strchr("!#$%&'*+-.^_`|~", s[i]) != NULL)))
			return 0;
	return n > 0;
}

static int
http_in_head(enum http_state s)
{
	return s == HTTP_HEAD || s == HTTP_TRAILER || s == HTTP_CHUNK_SIZE ||
	    s == HTTP_CHUNK_END;
}

int
http_feed(struct http_msg *m, const void *data, size_t len, size_t *used)
{
	const uint8_t	*p = data;
	size_t		 n;

	*used = 0;
	if (m->state == HTTP_ERROR)
		return -1;
	while (m->state != HTTP_DONE && *used < len) {
		n = 0;
		if (http_in_head(m->state)) {
			if (http_feed_line(m, p + *used, len - *used, &n) == -1)
				return -1;
		} else if (http_feed_body(m, p + *used, len - *used, &n) == -1)
			return -1;
		*used += n;
	}
	return m->state == HTTP_DONE;
}

int
http_eof(struct http_msg *m)
{
	if (m->state == HTTP_DONE)
		return 0;
	if (m->state == HTTP_BODY_EOF) {
		m->state = HTTP_DONE;
		return 0;
	}
	if (m->state != HTTP_ERROR)
		http_fail(m, 400, "cut short");
	return -1;
}

/* --- lines --------------------------------------------------------------- */

/*
 * Takes octets up to the end of the line, if it is there.  Every octet is
 * judged before it is kept, so that a hostile line fails at the same octet
 * however it is cut.
 */
static int
http_feed_line(struct http_msg *m, const uint8_t *p, size_t len, size_t *used)
{
	const uint8_t	*lf = memchr(p, '\n', len);
	size_t		 n = lf != NULL ? (size_t)(lf - p) + 1 : len;

	*used = n;
	if (http_take_line(m, p, n) == -1)
		return -1;
	if (lf == NULL)
		return 0;
	m->line.data[m->line.len - 2] = '\0';	/* the CR; there is one */
	if (http_line_done(m) == -1)
		return -1;
	m->line.len = 0;
	return 0;
}

static int
http_take_line(struct http_msg *m, const uint8_t *p, size_t n)
{
	const char	*why = NULL;
	size_t		 i, max = m->limits.head_max;
	int		 was_cr, error = 400;

	was_cr = m->line.len > 0 && m->line.data[m->line.len - 1] == '\r';
	for (i = 0; i < n && why == NULL; i++) {
		if (p[i] == '\n' && !was_cr)
			why = "line feed without carriage return";
		else if (p[i] != '\n' && was_cr)
			why = "carriage return without line feed";
		else if (p[i] == 0x7f || (p[i] < 0x20 && p[i] != '\t' &&
		    p[i] != '\r' && p[i] != '\n'))
			why = "control character";
		else if (m->state == HTTP_CHUNK_SIZE &&
		    m->line.len + i >= HTTP_CHUNK_LINE_MAX)
			why = "chunk extension too long";
		else if (m->state == HTTP_CHUNK_END && m->line.len + i >= 2)
			why = "chunk longer than its size";
		else if (m->state != HTTP_CHUNK_SIZE && m->head_len + i >= max) {
			why = "head too large";
			error = m->method == NULL && !m->is_response ? 414 : 431;
		}
		was_cr = p[i] == '\r';
	}
	if (why != NULL)
		return http_fail(m, error, why);
	m->head_len += n;
	wbuf_raw(&m->line, p, n);
	if (m->line.error)
		return http_fail(m, 503, "out of memory");
	return 0;
}

/* m->line is a string without its CRLF; line.len counts these two. */
static int
http_line_done(struct http_msg *m)
{
	char	*s = (char *)m->line.data;
	size_t	 n = m->line.len - 2;

	switch (m->state) {
	case HTTP_HEAD:
		if (m->method == NULL && m->status == 0)
			return http_start_line(m, s);
		if (n == 0)
			return http_head_end(m);
		return http_field_line(m, s, n);
	case HTTP_TRAILER:
		if (n == 0) {
			m->state = HTTP_DONE;
			return 0;
		}
		return http_trailer_line(m, s, n);
	case HTTP_CHUNK_SIZE:
		return http_chunk_size(m, s);
	case HTTP_CHUNK_END:
		if (n != 0)
			return http_fail(m, 400, "chunk longer than its size");
		m->head_len -= 2;
		m->state = HTTP_CHUNK_SIZE;
		return 0;
	default:
		return http_fail(m, 500, "line in a body");
	}
}

static int
http_start_line(struct http_msg *m, char *s)
{
	if (*s == '\0' && !m->is_response && m->interim++ == 0)
		return 0;
	return m->is_response ? http_status_line(m, s) :
	    http_request_line(m, s);
}

/*
 * RFC 9112 3: method SP request-target SP HTTP-version.  Section 3 lets a
 * recipient split at any white space; with one SP there is one reading.
 */
static int
http_request_line(struct http_msg *m, char *s)
{
	char	*target, *version, *p;

	if ((target = strchr(s, ' ')) == NULL ||
	    (version = strchr(target + 1, ' ')) == NULL)
		return http_fail(m, 400, "malformed request line");
	*target++ = '\0';
	*version++ = '\0';
	if (!http_is_token(s, strlen(s)))
		return http_fail(m, 400, "malformed method");
	if (strlen(s) > HTTP_METHOD_MAX)
		return http_fail(m, 501, "unknown method");
	for (p = target; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f)	/* obs-text is negative or above */
			return http_fail(m, 400, "malformed request target");
	if (p == target)
		return http_fail(m, 400, "malformed request target");
	if (http_version(m, version, strlen(version)) == -1)
		return -1;
	if ((m->method = strdup(s)) == NULL ||
	    (m->target = strdup(target)) == NULL)
		return http_fail(m, 503, "out of memory");
	return 0;
}

/* RFC 9112 4: HTTP-version SP status-code SP [ reason-phrase ] */
static int
http_status_line(struct http_msg *m, char *s)
{
	char	*p;

	if ((p = strchr(s, ' ')) == NULL)
		return http_fail(m, 400, "malformed status line");
	if (http_version(m, s, (size_t)(p - s)) == -1)
		return -1;
	p++;
	if (p[0] < '1' || p[0] > '5' || p[1] < '0' || p[1] > '9' ||
	    p[2] < '0' || p[2] > '9' || (p[3] != ' ' && p[3] != '\0'))
		return http_fail(m, 400, "malformed status line");
	m->status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	return 0;
}

static int
http_version(struct http_msg *m, const char *s, size_t n)
{
	if (n != 8 || strncmp(s, "HTTP/", 5) != 0 || s[6] != '.' ||
	    s[5] < '0' || s[5] > '9' || s[7] < '0' || s[7] > '9')
		return http_fail(m, 400, "malformed HTTP version");
	if (s[5] != '1')
		return http_fail(m, 505, "HTTP version not supported");
	m->minor = s[7] - '0';
	return 0;
}

/* RFC 9112 5: field-name ":" OWS field-value OWS */
static int
http_field_line(struct http_msg *m, char *s, size_t n)
{
	char	*colon, *v, *end = s + n;

	if (++m->nfields_all > m->limits.fields_max)
		return http_fail(m, 431, "too many header fields");
	if (*s == ' ' || *s == '\t')
		return http_fail(m, 400, "folded header field");
	if ((colon = strchr(s, ':')) == NULL)
		return http_fail(m, 400, "header field without a colon");
	if (colon > s && (colon[-1] == ' ' || colon[-1] == '\t'))
		return http_fail(m, 400, "white space before a colon");
	if (!http_is_token(s, (size_t)(colon - s)))
		return http_fail(m, 400, "malformed field name");
	for (v = colon + 1; *v == ' ' || *v == '\t'; v++)
		;
	while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return http_add_field(m, s, (size_t)(colon - s), v, (size_t)(end - v));
}

static int
http_add_field(struct http_msg *m, const char *name, size_t nlen,
    const char *value, size_t vlen)
{
	struct http_field	*f;
	size_t			 i;

	if (m->nfields % 16 == 0) {
		if ((f = reallocarray(m->field, m->nfields + 16,
		    sizeof(*f))) == NULL)
			return http_fail(m, 503, "out of memory");
		m->field = f;
	}
	f = &m->field[m->nfields];
	f->name = strndup(name, nlen);
	f->value = strndup(value, vlen);
	if (f->name == NULL || f->value == NULL) {
		free(f->name);
		free(f->value);
		return http_fail(m, 503, "out of memory");
	}
	for (i = 0; i < nlen; i++)
		if (f->name[i] >= 'A' && f->name[i] <= 'Z')
			f->name[i] += 'a' - 'A';
	m->nfields++;
	return 0;
}

/*
 * Trailer fields mean nothing here and are dropped, but they must be well
 * formed, and those that would frame or route the message must not come so
 * late (RFC 9110 6.5.1).
 */
static int
http_trailer_line(struct http_msg *m, char *s, size_t n)
{
	static const char *const forbidden[] = {
		"content-length", "transfer-encoding", "host", "connection",
		"expect", "content-type", "content-encoding", "authorization",
		"te", "trailer"
	};
	struct http_field	*f;
	size_t			 i;
	int			 bad = 0;

	if (http_field_line(m, s, n) == -1)
		return -1;
	f = &m->field[--m->nfields];
	for (i = 0; i < nitems(forbidden); i++)
		if (strcmp(f->name, forbidden[i]) == 0)
			bad = 1;
	free(f->name);
	free(f->value);
	return bad ? http_fail(m, 400, "forbidden trailer field") : 0;
}

/* --- the head is there ---------------------------------------------------- */

static int
http_head_end(struct http_msg *m)
{
	/*
	 * An interim response (RFC 9110 15.2) is skipped.  101 would change
	 * the protocol, which nobody here asks for.
	 */
	if (m->is_response && m->status < 200) {
		if (m->status == 101 || ++m->interim > HTTP_INTERIM_MAX)
			return http_fail(m, 400, "unexpected interim response");
		http_again(m);
		return 0;
	}
	if ((!m->is_response && http_head_host(m) == -1) ||
	    http_head_connection(m) == -1 || http_head_framing(m) == -1)
		return -1;
	if (!m->is_response && http_head_expect(m) == -1)
		return -1;
	m->head_done = 1;
	m->head_len = 0;
	return 0;
}

/* RFC 9112 3.2: exactly one; RFC 9110 4.2.2: https has a host in any case. */
static int
http_head_host(struct http_msg *m)
{
	const char	*host = http_field(m, "host");

	if (host == NULL)
		return m->minor == 0 ? 0 :
		    http_fail(m, 400, "missing Host");
	if (http_count(m, "host") != 1)
		return http_fail(m, 400, "repeated Host");
	if (!http_authority_ok(host))
		return http_fail(m, 400, "malformed Host");
	return 0;
}

/* RFC 9112 9.3, 9.6 */
static int
http_head_connection(struct http_msg *m)
{
	const char	*p;
	size_t		 i, n;
	int		 is_close = 0, is_keep = 0;

	for (i = 0; i < m->nfields; i++) {
		if (strcmp(m->field[i].name, "connection") != 0)
			continue;
		for (p = m->field[i].value; *p != '\0'; p += n) {
			p += strspn(p, ", \t");
			n = strcspn(p, ", \t");
			if (n == 5 && strncasecmp(p, "close", 5) == 0)
				is_close = 1;
			if (n == 10 && strncasecmp(p, "keep-alive", 10) == 0)
				is_keep = 1;
		}
	}
	m->keepalive = !is_close && (m->minor >= 1 || is_keep);
	return 0;
}

/* RFC 9110 10.1.1: ignored in HTTP/1.0; what we do not know is 417. */
static int
http_head_expect(struct http_msg *m)
{
	const char	*v = http_field(m, "expect");

	if (v == NULL || m->minor == 0)
		return 0;
	if (http_count(m, "expect") != 1 || strcasecmp(v, "100-continue") != 0)
		return http_fail(m, 417, "unknown expectation");
	m->expect_continue = 1;
	return 0;
}

/* RFC 9112 6.3, in its order. */
static int
http_head_framing(struct http_msg *m)
{
	const char	*te = http_field(m, "transfer-encoding");
	const char	*cl = http_field(m, "content-length");

	if (te != NULL && cl != NULL)
		return http_fail(m, 400,
		    "Content-Length with Transfer-Encoding");
	if (te != NULL && m->minor == 0)	/* 6.1 */
		return http_fail(m, 400, "Transfer-Encoding in HTTP/1.0");
	if (te != NULL && http_count(m, "transfer-encoding") != 1)
		return http_fail(m, 400, "repeated Transfer-Encoding");
	if (te != NULL && strcasecmp(te, "chunked") != 0)
		return http_fail(m, strchr(te, ',') != NULL ? 400 : 501,
		    "transfer coding other than chunked");
	if (cl != NULL && http_head_length(m, cl) == -1)
		return -1;

	if (m->is_response && (m->head_request || m->status == 204 ||
	    m->status == 304)) {
		m->length = 0;
		m->state = HTTP_DONE;
	} else if (te != NULL) {
		m->length = -1;
		m->state = HTTP_CHUNK_SIZE;
	} else if (cl != NULL || !m->is_response) {
		m->state = m->length > 0 ? HTTP_BODY_LENGTH : HTTP_DONE;
		m->chunk_left = (uint64_t)m->length;
	} else {
		m->length = -1;
		m->keepalive = 0;
		m->state = HTTP_BODY_EOF;
	}
	return 0;
}

/*
 * RFC 9110 8.6: 1*DIGIT.  A list of equal values may be accepted by that
 * section; it is refused here, as only a broken intermediary makes one.
 */
static int
http_head_length(struct http_msg *m, const char *v)
{
	size_t	 n = strspn(v, "0123456789");

	if (http_count(m, "content-length") != 1)
		return http_fail(m, 400, "repeated Content-Length");
	if (n == 0 || v[n] != '\0')
		return http_fail(m, 400, "malformed Content-Length");
	m->length = 0;
	for (; *v != '\0'; v++) {
		if (m->length > INT64_MAX / 10 - 10)
			return http_fail(m, 413, "body too large");
		m->length = m->length * 10 + (*v - '0');
	}
	if (!m->head_request && (uint64_t)m->length > m->limits.body_max)
		return http_fail(m, 413, "body too large");
	return 0;
}

/* --- bodies --------------------------------------------------------------- */

/*
 * RFC 9112 7.1: hexadecimal size, extensions.  Sixteen digits hold all that
 * a size can be; the extensions of all chunks and the trailer together may
 * be as long as a head, the digits are not counted against it.
 */
static int
http_chunk_size(struct http_msg *m, const char *s)
{
	size_t		 digits = strspn(s, "0123456789abcdefABCDEF");
	const char	*ext = s + digits;

	if (digits == 0 || digits > 16)
		return http_fail(m, 400, "malformed chunk size");
	if (*ext != '\0' && ext[strspn(ext, " \t")] != ';')
		return http_fail(m, 400, "malformed chunk size");
	m->head_len -= digits + 2;
	if (m->head_len > m->limits.head_max)
		return http_fail(m, 400, "chunk extensions too long");
	m->chunk_left = strtoull(s, NULL, 16);
	if (m->chunk_left == 0) {
		m->state = HTTP_TRAILER;
		return 0;
	}
	if (m->chunk_left > m->limits.body_max ||
	    m->body.len + m->chunk_left > m->limits.body_max)
		return http_fail(m, 413, "body too large");
	m->state = HTTP_CHUNK_DATA;
	return 0;
}

/*
 * A large body is not copied as often as it doubles: there is room for eight
 * times what has come, as far as it is announced, and never for what somebody
 * only says that he will send.
 */
static void
http_body_room(struct http_msg *m, size_t n)
{
	uint64_t	 come = m->body.len + n, more;

	if (m->state != HTTP_BODY_LENGTH || come <= m->body.cap)
		return;
	more = m->chunk_left < 8 * come ? m->chunk_left : 8 * come;
	(void)wbuf_reserve(&m->body, (size_t)more);
}

static int
http_feed_body(struct http_msg *m, const uint8_t *p, size_t len, size_t *used)
{
	size_t	 n = len;

	if (m->state != HTTP_BODY_EOF && m->chunk_left < n)
		n = (size_t)m->chunk_left;
	if (n > m->limits.body_max - m->body.len)
		return http_fail(m, 413, "body too large");
	http_body_room(m, n);
	wbuf_raw(&m->body, p, n);
	if (m->body.error)
		return http_fail(m, 503, "out of memory");
	*used = n;
	if (m->state == HTTP_BODY_EOF)
		return 0;
	if ((m->chunk_left -= n) == 0)
		m->state = m->state == HTTP_CHUNK_DATA ? HTTP_CHUNK_END :
		    HTTP_DONE;
	return 0;
}

/* --- looking at a message -------------------------------------------------- */

const char *
http_field(const struct http_msg *m, const char *name)
{
	size_t	 i;

	for (i = 0; i < m->nfields; i++)
		if (strcmp(m->field[i].name, name) == 0)
			return m->field[i].value;
	return NULL;
}

static size_t
http_count(const struct http_msg *m, const char *name)
{
	size_t	 i, n = 0;

	for (i = 0; i < m->nfields; i++)
		if (strcmp(m->field[i].name, name) == 0)
			n++;
	return n;
}

/*
 * RFC 3986 3.2 without user information, and of the names in it only what
 * DNS and IPv6 need: it is put into the WSDL that we answer with.
 */
int
http_authority_ok(const char *s)
{
	const char	*p = s;
	size_t		 n;

	if (*p == '[') {
		n = strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (n < 2 || p[n + 1] != ']')
			return 0;
		p += n + 2;
	} else {
		n = strspn(p, "0123456789abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._");
		if (n == 0 || n > 255)
			return 0;
		p += n;
	}
	if (*p == ':') {
		n = strspn(p + 1, "0123456789");
		if (n == 0 || n > 5)
			return 0;
		p += n + 1;
	}
	return *p == '\0';
}

const char *
http_reason(int status)
{
	static const struct {
		int		 status;
		const char	*text;
	} reason[] = {
		{ 100, "Continue" },
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" }
	};
	size_t	 i;

	for (i = 0; i < nitems(reason); i++)
		if (reason[i].status == status)
			return reason[i].text;
	return status < 400 ? "OK" : "Error";
}
