/* SPDX-License-Identifier: ISC */
/*
 * Answers of the front end: composed here whoever made the body.  Every one
 * carries the request id that is in the log.
 */
#include "compat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "frontend.h"
#include "log.h"

#define FE_JOIN_MAX	16384	/* a small body goes in one write with its head */

static void	 fe_answer_head(struct fe_conn *, const struct fe_answer *,
		    int, struct wbuf *);
static void	 fe_answer_log(struct fe_conn *, int);

static void
fe_answer_head(struct fe_conn *c, const struct fe_answer *a, int is_last,
    struct wbuf *w)
{
	static const char *const day[] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
	};
	static const char *const month[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec"
	};
	time_t		 now = time(NULL);
	struct tm	 tm;

	wbuf_printf(w, "HTTP/1.1 %d %s\r\n", a->status, http_reason(a->status));
	/* RFC 9110 5.6.7, whatever the locale */
	if (gmtime_r(&now, &tm) != NULL)
		wbuf_printf(w, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n",
		    day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon],
		    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	wbuf_printf(w, "X-Request-Id: %016" PRIx64 "\r\n", c->id);
	wbuf_puts(w, "Strict-Transport-Security: max-age=31536000\r\n");
	if (a->status == 405)
		wbuf_puts(w, "Allow: GET, HEAD, POST\r\n");
	if (a->retry_after != 0)
		wbuf_printf(w, "Retry-After: %" PRIu32 "\r\n", a->retry_after);
	if (a->type != NULL && a->type[0] != '\0')
		wbuf_printf(w, "Content-Type: %s\r\n", a->type);
	if (c->route == FE_SOAP)
		wbuf_puts(w, "Cache-Control: no-store\r\n");
	wbuf_printf(w, "Content-Length: %zu\r\n", a->len);
	if (is_last)
		wbuf_puts(w, "Connection: close\r\n");
	else if (c->msg.minor == 0)
		wbuf_puts(w, "Connection: keep-alive\r\n");
	wbuf_puts(w, "\r\n");
}

static void
fe_answer_log(struct fe_conn *c, int status)
{
	char		 line[300], result[8];
	struct log_ev	 ev = { .ev = "request", .id = c->id, .peer = c->peer };

	if (log_getverbose() == 0)
		return;
	snprintf(line, sizeof(line), "%s %s",
	    c->msg.method != NULL ? c->msg.method : "-",
	    c->msg.target != NULL ? c->msg.target : "-");
	snprintf(result, sizeof(result), "%d", status);
	ev.result = result;
	ev.reason = line;
	log_event(&ev);
}

void
fe_answer(struct fe_conn *c, const struct fe_answer *a, int is_last)
{
	struct wbuf	 w = { 0 };
	int		 is_head, ret;

	if (!c->msg.keepalive || c->fe->is_stopping)
		is_last = 1;
	is_head = c->msg.method != NULL && strcmp(c->msg.method, "HEAD") == 0;
	fe_answer_head(c, a, is_last, &w);
	if (!is_head && a->len <= FE_JOIN_MAX)
		wbuf_raw(&w, a->body, a->len);
	ret = w.error ? -1 : tlsconn_write(c->tc, w.data, w.len);
	c->fe->stats.bytes_out += w.len;
	wbuf_free(&w);
	if (ret == 0 && !is_head && a->len > FE_JOIN_MAX) {
		ret = tlsconn_write(c->tc, a->body, a->len);
		c->fe->stats.bytes_out += a->len;
	}
	if (ret == -1) {
		/* What is cut short must not look whole. */
		log_warnx("id=%016" PRIx64 " answer: out of memory", c->id);
		is_last = 1;
	}
	c->fe->stats.answers[a->status / 100 % 6]++;
	fe_answer_log(c, a->status);
	if (is_last)
		c->phase = FE_CLOSING;
	fe_conn_answered(c);
}

void
fe_answer_error(struct fe_conn *c, int status, const char *why, int is_last)
{
	struct fe_answer	 a = { .status = status };
	char			 text[256];

	snprintf(text, sizeof(text), "%d %s: %s\n", status,
	    http_reason(status), why);
	a.type = "text/plain; charset=utf-8";
	a.body = text;
	a.len = strlen(text);
	/* Nothing is known about how long it will last. */
	if (status == 503)
		a.retry_after = 5;
	fe_answer(c, &a, is_last);
}

/* The addresses in it become what the client called us by. */
void
fe_answer_wsdl(struct fe_conn *c)
{
	static const char	 place[] = "https://localhost/wsemail";
	struct fe_answer	 a = { .status = 200 };
	const char		*p = wsdl_text, *end = wsdl_text + wsdl_len, *hit;
	struct wbuf		 w = { 0 };

	while (c->authority[0] != '\0' && (hit = memmem(p, (size_t)(end - p),
	    place, sizeof(place) - 1)) != NULL) {
		wbuf_raw(&w, p, (size_t)(hit - p));
		wbuf_printf(&w, "https://%s/wsemail", c->authority);
		p = hit + sizeof(place) - 1;
	}
	wbuf_raw(&w, p, (size_t)(end - p));
	a.type = "text/xml; charset=utf-8";
	a.body = w.data;
	a.len = w.len;
	if (w.error)
		fe_answer_error(c, 503, "out of memory", 1);
	else
		fe_answer(c, &a, 0);
	wbuf_free(&w);
}

void
fe_answer_about(struct fe_conn *c)
{
	static const char	 text[] =
	    "This is a WSEmail server: signed mail as a web service.\n"
	    "Its description is at /wsemail?wsdl; requests are POSTed here.\n";
	struct fe_answer	 a = { .status = 200 };

	a.type = "text/plain; charset=utf-8";
	a.body = text;
	a.len = sizeof(text) - 1;
	fe_answer(c, &a, 0);
}
