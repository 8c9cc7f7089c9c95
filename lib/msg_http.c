/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include "msg_http.h"

#define FIELD_MAX	8192

void
http_req_put(struct wbuf *b, const struct http_req *q)
{
	wbuf_str(b, q->peer);
	wbuf_str(b, q->host);
	wbuf_str(b, q->authority);
	wbuf_str(b, q->content_type);
	wbuf_str(b, q->soapaction);
	wbuf_bytes(b, q->body, q->body_len);
}

int
http_req_get(struct rbuf *r, struct http_req *q)
{
	memset(q, 0, sizeof(*q));
	q->peer = rbuf_str(r, FIELD_MAX);
	q->host = rbuf_str(r, FIELD_MAX);
	q->authority = rbuf_str(r, FIELD_MAX);
	q->content_type = rbuf_str(r, FIELD_MAX);
	q->soapaction = rbuf_str(r, FIELD_MAX);
	q->body = rbuf_bytes(r, &q->body_len);
	if (rbuf_end(r) == 0)
		return 0;
	http_req_free(q);
	return -1;
}

void
http_req_free(struct http_req *q)
{
	free(q->peer);
	free(q->host);
	free(q->authority);
	free(q->content_type);
	free(q->soapaction);
	memset(q, 0, sizeof(*q));
}

void
http_resp_put(struct wbuf *b, const struct http_resp *p)
{
	wbuf_u32(b, p->status);
	wbuf_u32(b, p->retry_after);
	wbuf_str(b, p->content_type);
	wbuf_bytes(b, p->body, p->body_len);
}

int
http_resp_get(struct rbuf *r, struct http_resp *p)
{
	memset(p, 0, sizeof(*p));
	p->status = rbuf_u32(r);
	p->retry_after = rbuf_u32(r);
	p->content_type = rbuf_str(r, FIELD_MAX);
	p->body = rbuf_bytes(r, &p->body_len);
	if (rbuf_end(r) == 0)
		return 0;
	http_resp_free(p);
	return -1;
}

void
http_resp_free(struct http_resp *p)
{
	free(p->content_type);
	memset(p, 0, sizeof(*p));
}

void
relay_post_put(struct wbuf *b, const struct relay_post *p)
{
	wbuf_str(b, p->domain);
	wbuf_str(b, p->content_type);
	wbuf_str(b, p->soapaction);
	wbuf_bytes(b, p->body, p->body_len);
}

int
relay_post_get(struct rbuf *r, struct relay_post *p)
{
	memset(p, 0, sizeof(*p));
	p->domain = rbuf_str(r, FIELD_MAX);
	p->content_type = rbuf_str(r, FIELD_MAX);
	p->soapaction = rbuf_str(r, FIELD_MAX);
	p->body = rbuf_bytes(r, &p->body_len);
	if (rbuf_end(r) == 0)
		return 0;
	relay_post_free(p);
	return -1;
}

void
relay_post_free(struct relay_post *p)
{
	free(p->domain);
	free(p->content_type);
	free(p->soapaction);
	memset(p, 0, sizeof(*p));
}

void
relay_result_put(struct wbuf *b, const struct relay_result *p)
{
	wbuf_u32(b, p->result);
	wbuf_u32(b, p->status);
	wbuf_str(b, p->reason);
	wbuf_str(b, p->host);
	wbuf_str(b, p->content_type);
	wbuf_bytes(b, p->body, p->body_len);
}

int
relay_result_get(struct rbuf *r, struct relay_result *p)
{
	memset(p, 0, sizeof(*p));
	p->result = rbuf_u32(r);
	p->status = rbuf_u32(r);
	p->reason = rbuf_str(r, FIELD_MAX);
	p->host = rbuf_str(r, FIELD_MAX);
	p->content_type = rbuf_str(r, FIELD_MAX);
	p->body = rbuf_bytes(r, &p->body_len);
	if (rbuf_end(r) == 0)
		return 0;
	relay_result_free(p);
	return -1;
}

void
relay_result_free(struct relay_result *p)
{
	free(p->reason);
	free(p->host);
	free(p->content_type);
	memset(p, 0, sizeof(*p));
}
