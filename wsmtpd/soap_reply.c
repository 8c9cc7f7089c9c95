/* SPDX-License-Identifier: ISC */
/*
 * Answers.  Whoever signed the request gets an answer that is signed by the
 * domain that serves him: Body, Timestamp, the certificate, and what relates
 * it to the request.  An answer to a password goes unsigned: TLS covers it.
 * So does a fault about security, or one that says "later".
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define REPLY_RETRY	30	/* s */

static void	 reply_name(const struct request *, char *, size_t, char *,
		    size_t);
static void	 reply_respond(struct request *, uint32_t, const char *,
		    const struct wbuf *);
static int	 reply_signed(void *, struct imsg *, const char *);
static void	 reply_send(struct request *, const uint8_t *, size_t);

static void
reply_respond(struct request *r, uint32_t status, const char *type,
    const struct wbuf *body)
{
	struct http_resp	 resp = { .status = status };
	struct wbuf		 w = { 0 };

	resp.retry_after = status == 503 ? REPLY_RETRY : 0;
	resp.content_type = (char *)(uintptr_t)type;
	resp.body = body->data;
	resp.body_len = body->len;
	if (body->error) {
		/* An HTTP answer without a body still says what it says. */
		resp.status = 503;
		resp.body_len = 0;
	}
	if (r->frontend != NULL) {
		http_resp_put(&w, &resp);
		if (chan_sendw(r->frontend, IMSG_FRONTEND_HTTP_RESPONSE, r->id,
		    &w) == -1)
			log_warn("soap: answer to frontend");
	}
	request_free(r);
}

void
request_respond(struct request *r, uint32_t status, const struct wbuf *body)
{
	reply_respond(r, status, r->soap12 ?
	    "application/soap+xml; charset=utf-8" : "text/xml; charset=utf-8",
	    body);
}

static void
reply_send(struct request *r, const uint8_t *value, size_t len)
{
	int		 package = r->mime.is_package && r->env.parts.n > 0;
	struct wbuf	 w = { 0 };
	char		 type[SOAPENV_TYPE];

	if ((package ? soapenv_package(&r->env, value, len, &w, type) :
	    soapenv_finish(&r->env, value, len, &w)) == -1)
		request_fault_later(r, "out of memory");
	else if (package)
		reply_respond(r, r->status, type, &w);
	else
		request_respond(r, r->status, &w);
	wbuf_free(&w);
}

static int
reply_signed(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	const uint8_t	*value;
	struct rbuf	 rb;
	size_t		 len = 0;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	value = sign_result_get(&rb, &len);
	if (value == NULL || len == 0) {
		request_fault_later(r, "the answer could not be signed");
		return value == NULL ? -1 : 0;
	}
	reply_send(r, value, len);
	return 0;
}

void
request_compose(struct request *r, const char *action)
{
	soapenv_free(&r->env);
	soapenv_init(&r->env, r->soap12);
	if (r->w.wsa_messageid != NULL) {
		soapenv_wsa(&r->env, "Action", action);
		soapenv_wsa(&r->env, "RelatesTo", r->w.wsa_messageid);
	}
}

void
request_finish(struct request *r, uint32_t status, int sign)
{
	const struct wbuf	*text;
	struct hosted		*h = certs_hosted(r->s, r->domain);
	struct soapenv		*e = &r->env;

	r->status = status;
	if (!sign) {
		reply_send(r, NULL, 0);
		return;
	}
	if (h == NULL || h->cert == NULL) {
		request_fault_later(r, "the answer could not be signed");
		return;
	}
	soapenv_timestamp(e, wstime_now(),
	    (unsigned int)soap_limit(r->s, LIM_REQUEST_LIFETIME));
	soapenv_token_cert(e, h->cert, h->chain);
	text = soapenv_signedinfo(e, certs_sigalg(h->cert));
	if (text == NULL || soap_ask_sign(r->s, r->domain, text, reply_signed,
	    r) == -1)
		request_fault_later(r, "the answer could not be signed");
}

static void
reply_name(const struct request *r, char *name, size_t nlen, char *action,
    size_t alen)
{
	if (r->op->answer != NULL) {
		strlcpy(name, r->op->answer, nlen);
		strlcpy(action, r->op->answer_action, alen);
	} else {
		snprintf(name, nlen, "%sResponse", r->op->name);
		snprintf(action, alen, "%sResponse", r->op->action);
	}
}

void
request_answer_open(struct request *r)
{
	char	 name[64], action[256];

	reply_name(r, name, sizeof(name), action, sizeof(action));
	request_compose(r, action);
}

void
request_answer_close(struct request *r, const struct wbuf *content)
{
	char	 name[64], action[256];

	reply_name(r, name, sizeof(name), action, sizeof(action));
	soapenv_body(&r->env, r->op->ns, name, content);
	request_finish(r, 200, r->w.has_signature && !r->op->anybody);
}

void
request_answer(struct request *r, const struct wbuf *content)
{
	request_answer_open(r);
	request_answer_close(r, content);
}

/* WSEmailStatus, in the element that the operation calls `result`. */
void
request_answer_status(struct request *r, const char *result, uint32_t code,
    const char *text, const char *msgid, const struct rcpt_status *rcpt,
    size_t n, const struct wbuf *more)
{
	struct wbuf	 w = { 0 };
	char		 number[16];
	size_t		 i;

	wbuf_printf(&w, "<w:%s>", result);
	snprintf(number, sizeof(number), "%u", code);
	xml_put_elem(&w, "w:ResponseCode", number);
	xml_put_elem(&w, "w:Message", text != NULL ? text : "");
	xml_put_elem(&w, "w:MessageId", msgid);
	for (i = 0; i < n; i++) {
		wbuf_puts(&w, "<w:Recipient>");
		xml_put_elem(&w, "w:Address", rcpt[i].addr);
		snprintf(number, sizeof(number), "%u", rcpt[i].code);
		xml_put_elem(&w, "w:ResponseCode", number);
		xml_put_elem(&w, "w:Message",
		    rcpt[i].text != NULL ? rcpt[i].text : "");
		wbuf_puts(&w, "</w:Recipient>");
	}
	if (more != NULL)
		wbuf_raw(&w, more->data, more->len);
	wbuf_printf(&w, "</w:%s>", result);
	request_answer(r, &w);
	wbuf_free(&w);
}
