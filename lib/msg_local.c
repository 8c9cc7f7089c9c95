/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "msg_local.h"

#define TEXT_MAX	65536
#define SUBJECT_MAX	(1U << 20)
#define MSGID_MAX	512

static void	 u32s_put(struct wbuf *, const uint32_t *, uint32_t);
static uint32_t	*u32s_get(struct rbuf *, uint32_t *);

static void
u32s_put(struct wbuf *b, const uint32_t *v, uint32_t n)
{
	uint32_t	 i;

	wbuf_u32(b, n);
	for (i = 0; i < n; i++)
		wbuf_u32(b, v[i]);
}

static uint32_t *
u32s_get(struct rbuf *r, uint32_t *n)
{
	uint32_t	*v, i;

	if ((*n = rbuf_count(r, 4)) == 0)
		return NULL;
	if ((v = calloc(*n, sizeof(*v))) == NULL) {
		r->error = ENOMEM;
		*n = 0;
		return NULL;
	}
	for (i = 0; i < *n; i++)
		v[i] = rbuf_u32(r);
	return v;
}

void
deliver_put(struct wbuf *b, const struct deliver *d)
{
	wbuf_str(b, d->user);
	mail_facts_put(b, &d->facts);
	wbuf_bytes(b, d->body, d->body_len);
	wbuf_bytes(b, d->sig, d->sig_len);
}

int
deliver_get(struct rbuf *r, struct deliver *d)
{
	memset(d, 0, sizeof(*d));
	d->user = rbuf_str(r, ADDR_MAX);
	if (mail_facts_get(r, &d->facts) == 0) {
		d->body = rbuf_bytes(r, &d->body_len);
		d->sig = rbuf_bytes(r, &d->sig_len);
	}
	if (rbuf_end(r) == 0)
		return 0;
	deliver_free(d);
	return -1;
}

void
deliver_free(struct deliver *d)
{
	free(d->user);
	mail_facts_free(&d->facts);
	memset(d, 0, sizeof(*d));
}

void
deliver_result_put(struct wbuf *b, uint32_t code, const char *text)
{
	wbuf_u32(b, code);
	wbuf_str(b, text);
}

int
deliver_result_get(struct rbuf *r, uint32_t *code, char **text)
{
	*code = rbuf_u32(r);
	*text = rbuf_str(r, TEXT_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}

void
list_req_put(struct wbuf *b, const struct list_req *q)
{
	wbuf_str(b, q->user);
	replay_put(b, &q->replay);
	wbuf_i64(b, q->since);
	wbuf_i64(b, q->since_change);
	wbuf_u32(b, q->before);
	wbuf_u32(b, q->limit);
}

int
list_req_get(struct rbuf *r, struct list_req *q)
{
	memset(q, 0, sizeof(*q));
	q->user = rbuf_str(r, ADDR_MAX);
	replay_get(r, &q->replay);
	q->since = rbuf_i64(r);
	q->since_change = rbuf_i64(r);
	q->before = rbuf_u32(r);
	q->limit = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	list_req_free(q);
	return -1;
}

void
list_req_free(struct list_req *q)
{
	free(q->user);
	q->user = NULL;
}

void
mail_header_put(struct wbuf *b, const struct mail_header *h)
{
	wbuf_u32(b, h->id);
	wbuf_u32(b, h->flags);
	wbuf_i64(b, h->timestamp);
	wbuf_i64(b, h->received);
	wbuf_u32(b, h->size);
	wbuf_str(b, h->sender);
	wbuf_str(b, h->subject);
	wbuf_str(b, h->msgid);
}

int
mail_header_get(struct rbuf *r, struct mail_header *h)
{
	memset(h, 0, sizeof(*h));
	h->id = rbuf_u32(r);
	h->flags = rbuf_u32(r);
	h->timestamp = rbuf_i64(r);
	h->received = rbuf_i64(r);
	h->size = rbuf_u32(r);
	h->sender = rbuf_str(r, ADDR_MAX);
	h->subject = rbuf_str(r, SUBJECT_MAX);
	h->msgid = rbuf_str(r, MSGID_MAX);
	if (r->error == 0)
		return 0;
	mail_header_free(h);
	errno = r->error;
	return -1;
}

void
mail_header_free(struct mail_header *h)
{
	free(h->sender);
	free(h->subject);
	free(h->msgid);
	memset(h, 0, sizeof(*h));
}

void
list_result_put(struct wbuf *b, const struct list_result *l)
{
	uint32_t	 i;

	wbuf_u32(b, l->code);
	wbuf_i64(b, l->change);
	wbuf_u32(b, l->more);
	wbuf_u32(b, l->nhdr);
	for (i = 0; i < l->nhdr; i++)
		mail_header_put(b, &l->hdr[i]);
	u32s_put(b, l->deleted, l->ndeleted);
}

int
list_result_get(struct rbuf *r, struct list_result *l)
{
	uint32_t	 i;

	memset(l, 0, sizeof(*l));
	l->code = rbuf_u32(r);
	l->change = rbuf_i64(r);
	l->more = rbuf_u32(r);
	l->nhdr = rbuf_count(r, 40);
	if (l->nhdr > 0 &&
	    (l->hdr = calloc(l->nhdr, sizeof(*l->hdr))) == NULL) {
		l->nhdr = 0;
		r->error = ENOMEM;
	}
	for (i = 0; i < l->nhdr; i++)
		if (mail_header_get(r, &l->hdr[i]) == -1)
			break;
	l->deleted = u32s_get(r, &l->ndeleted);
	if (rbuf_end(r) == 0)
		return 0;
	list_result_free(l);
	return -1;
}

void
list_result_free(struct list_result *l)
{
	uint32_t	 i;

	for (i = 0; i < l->nhdr; i++)
		mail_header_free(&l->hdr[i]);
	free(l->hdr);
	free(l->deleted);
	memset(l, 0, sizeof(*l));
}

void
retrieve_req_put(struct wbuf *b, const struct retrieve_req *q)
{
	wbuf_str(b, q->user);
	replay_put(b, &q->replay);
	wbuf_u32(b, q->id);
}

int
retrieve_req_get(struct rbuf *r, struct retrieve_req *q)
{
	memset(q, 0, sizeof(*q));
	q->user = rbuf_str(r, ADDR_MAX);
	replay_get(r, &q->replay);
	q->id = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	retrieve_req_free(q);
	return -1;
}

void
retrieve_req_free(struct retrieve_req *q)
{
	free(q->user);
	q->user = NULL;
}

void
retrieve_result_put(struct wbuf *b, const struct retrieve_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_u32(b, p->id);
	wbuf_bytes(b, p->body, p->body_len);
	wbuf_bytes(b, p->sig, p->sig_len);
}

int
retrieve_result_get(struct rbuf *r, struct retrieve_result *p)
{
	p->code = rbuf_u32(r);
	p->id = rbuf_u32(r);
	p->body = rbuf_bytes(r, &p->body_len);
	p->sig = rbuf_bytes(r, &p->sig_len);
	return rbuf_end(r);
}

void
delete_req_put(struct wbuf *b, const struct delete_req *q)
{
	wbuf_str(b, q->user);
	replay_put(b, &q->replay);
	u32s_put(b, q->id, q->nids);
}

int
delete_req_get(struct rbuf *r, struct delete_req *q)
{
	memset(q, 0, sizeof(*q));
	q->user = rbuf_str(r, ADDR_MAX);
	replay_get(r, &q->replay);
	q->id = u32s_get(r, &q->nids);
	if (rbuf_end(r) == 0)
		return 0;
	delete_req_free(q);
	return -1;
}

void
delete_req_free(struct delete_req *q)
{
	free(q->user);
	free(q->id);
	memset(q, 0, sizeof(*q));
}

void
delete_result_put(struct wbuf *b, const struct delete_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_i64(b, p->change);
	wbuf_u32(b, p->ndeleted);
	u32s_put(b, p->missing, p->nmissing);
}

int
delete_result_get(struct rbuf *r, struct delete_result *p)
{
	memset(p, 0, sizeof(*p));
	p->code = rbuf_u32(r);
	p->change = rbuf_i64(r);
	p->ndeleted = rbuf_u32(r);
	p->missing = u32s_get(r, &p->nmissing);
	if (rbuf_end(r) == 0)
		return 0;
	delete_result_free(p);
	return -1;
}

void
delete_result_free(struct delete_result *p)
{
	free(p->missing);
	memset(p, 0, sizeof(*p));
}

void
wait_req_put(struct wbuf *b, const struct wait_req *q)
{
	wbuf_str(b, q->user);
	replay_put(b, &q->replay);
	wbuf_i64(b, q->since_change);
	wbuf_u32(b, q->timeout);
}

int
wait_req_get(struct rbuf *r, struct wait_req *q)
{
	memset(q, 0, sizeof(*q));
	q->user = rbuf_str(r, ADDR_MAX);
	replay_get(r, &q->replay);
	q->since_change = rbuf_i64(r);
	q->timeout = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	wait_req_free(q);
	return -1;
}

void
wait_req_free(struct wait_req *q)
{
	free(q->user);
	q->user = NULL;
}

void
wait_result_put(struct wbuf *b, uint32_t code, int64_t change)
{
	wbuf_u32(b, code);
	wbuf_i64(b, change);
}

int
wait_result_get(struct rbuf *r, uint32_t *code, int64_t *change)
{
	*code = rbuf_u32(r);
	*change = rbuf_i64(r);
	return rbuf_end(r);
}
