/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "addr.h"
#include "msg_attach.h"

#define TEXT_MAX	1024

static void	 attach_ids_get(struct rbuf *, struct name_req *);
static void	 attach_rcpts_get(struct rbuf *, struct name_req *);
static void	 show_rest_put(struct wbuf *, const struct show_result *);
static void	 show_rest_get(struct rbuf *, struct show_result *);
static void	*attach_array(struct rbuf *, uint32_t *, size_t, size_t);

char *
attach_id_str(const uint8_t id[ATTACH_ID], char buf[ATTACH_HEX])
{
	size_t	 i;

	for (i = 0; i < ATTACH_ID; i++)
		snprintf(buf + 2 * i, 3, "%02x", id[i]);
	return buf;
}

/* Exactly so many lower-case hexadecimal digits. */
int
attach_id_parse(const char *s, uint8_t id[ATTACH_ID])
{
	static const char	 hex[] = "0123456789abcdef";
	const char		*h;
	size_t			 i;

	if (strlen(s) != ATTACH_HEX - 1) {
		errno = EINVAL;
		return -1;
	}
	memset(id, 0, ATTACH_ID);
	for (i = 0; i < ATTACH_HEX - 1; i++) {
		if ((h = strchr(hex, s[i])) == NULL) {
			errno = EINVAL;
			return -1;
		}
		id[i / 2] = (uint8_t)(id[i / 2] << 4 | (h - hex));
	}
	return 0;
}

/* A count and room for so many, each at least `each` octets in the buffer. */
static void *
attach_array(struct rbuf *r, uint32_t *n, size_t each, size_t size)
{
	void	*p;

	if ((*n = rbuf_count(r, each)) == 0)
		return NULL;
	if ((p = calloc(*n, size)) == NULL) {
		r->error = ENOMEM;
		*n = 0;
	}
	return p;
}

void
upload_begin_put(struct wbuf *b, const struct upload_begin *q)
{
	wbuf_str(b, q->owner);
	wbuf_str(b, q->name);
	wbuf_str(b, q->type);
	wbuf_str(b, q->description);
	wbuf_u64(b, q->size);
	wbuf_u32(b, q->has_digest);
	wbuf_raw(b, q->digest, sizeof(q->digest));
}

int
upload_begin_get(struct rbuf *r, struct upload_begin *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	q->name = rbuf_str(r, ATTACH_NAME_MAX);
	q->type = rbuf_str(r, ATTACH_TYPE_MAX);
	q->description = rbuf_str(r, ATTACH_DESC_MAX);
	q->size = rbuf_u64(r);
	q->has_digest = rbuf_u32(r);
	rbuf_raw(r, q->digest, sizeof(q->digest));
	if (rbuf_end(r) == 0)
		return 0;
	upload_begin_free(q);
	return -1;
}

void
upload_begin_free(struct upload_begin *q)
{
	free(q->owner);
	free(q->name);
	free(q->type);
	free(q->description);
	memset(q, 0, sizeof(*q));
}

void
upload_req_put(struct wbuf *b, const struct upload_req *q)
{
	wbuf_str(b, q->owner);
	wbuf_raw(b, q->id, sizeof(q->id));
	wbuf_u64(b, q->offset);
	wbuf_raw(b, q->digest, sizeof(q->digest));
}

int
upload_req_get(struct rbuf *r, struct upload_req *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	rbuf_raw(r, q->id, sizeof(q->id));
	q->offset = rbuf_u64(r);
	rbuf_raw(r, q->digest, sizeof(q->digest));
	if (rbuf_end(r) == 0)
		return 0;
	upload_req_free(q);
	return -1;
}

void
upload_req_free(struct upload_req *q)
{
	free(q->owner);
	memset(q, 0, sizeof(*q));
}

void
upload_result_put(struct wbuf *b, const struct upload_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_str(b, p->text);
	wbuf_raw(b, p->id, sizeof(p->id));
	wbuf_u64(b, p->offset);
	wbuf_u64(b, p->size);
	wbuf_u32(b, p->complete);
}

int
upload_result_get(struct rbuf *r, struct upload_result *p)
{
	memset(p, 0, sizeof(*p));
	p->code = rbuf_u32(r);
	p->text = rbuf_str(r, TEXT_MAX);
	rbuf_raw(r, p->id, sizeof(p->id));
	p->offset = rbuf_u64(r);
	p->size = rbuf_u64(r);
	p->complete = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	upload_result_free(p);
	return -1;
}

void
upload_result_free(struct upload_result *p)
{
	free(p->text);
	memset(p, 0, sizeof(*p));
}

void
attach_info_put(struct wbuf *b, const struct attach_info *i)
{
	wbuf_raw(b, i->id, sizeof(i->id));
	wbuf_str(b, i->name);
	wbuf_str(b, i->type);
	wbuf_str(b, i->description);
	wbuf_str(b, i->msgid);
	wbuf_i64(b, i->created);
	wbuf_i64(b, i->expiry);
	wbuf_i64(b, i->withdrawn);
	wbuf_u32(b, i->version);
	wbuf_u64(b, i->size);
	wbuf_raw(b, i->digest, sizeof(i->digest));
	wbuf_u32(b, i->nrcpt);
	wbuf_u64(b, i->fetches);
}

int
attach_info_get(struct rbuf *r, struct attach_info *i)
{
	memset(i, 0, sizeof(*i));
	rbuf_raw(r, i->id, sizeof(i->id));
	i->name = rbuf_str(r, ATTACH_NAME_MAX);
	i->type = rbuf_str(r, ATTACH_TYPE_MAX);
	i->description = rbuf_str(r, ATTACH_DESC_MAX);
	i->msgid = rbuf_str(r, ATTACH_MSGID_MAX);
	i->created = rbuf_i64(r);
	i->expiry = rbuf_i64(r);
	i->withdrawn = rbuf_i64(r);
	i->version = rbuf_u32(r);
	i->size = rbuf_u64(r);
	rbuf_raw(r, i->digest, sizeof(i->digest));
	i->nrcpt = rbuf_u32(r);
	i->fetches = rbuf_u64(r);
	if (r->error == 0)
		return 0;
	attach_info_free(i);
	errno = r->error;
	return -1;
}

void
attach_info_free(struct attach_info *i)
{
	free(i->name);
	free(i->type);
	free(i->description);
	free(i->msgid);
	memset(i, 0, sizeof(*i));
}

void
name_req_put(struct wbuf *b, const struct name_req *q)
{
	uint32_t	 i;

	wbuf_str(b, q->owner);
	wbuf_str(b, q->msgid);
	wbuf_u32(b, q->nuploads);
	for (i = 0; i < q->nuploads; i++)
		wbuf_raw(b, q->upload[i], ATTACH_ID);
	wbuf_u32(b, q->nrcpt);
	for (i = 0; i < q->nrcpt; i++)
		wbuf_str(b, q->rcpt[i]);
}

static void
attach_ids_get(struct rbuf *r, struct name_req *q)
{
	uint32_t	 i;

	q->upload = attach_array(r, &q->nuploads, ATTACH_ID,
	    sizeof(*q->upload));
	for (i = 0; i < q->nuploads; i++)
		rbuf_raw(r, q->upload[i], ATTACH_ID);
}

static void
attach_rcpts_get(struct rbuf *r, struct name_req *q)
{
	uint32_t	 i;

	q->rcpt = attach_array(r, &q->nrcpt, 4, sizeof(*q->rcpt));
	for (i = 0; i < q->nrcpt; i++)
		q->rcpt[i] = rbuf_str(r, ADDR_MAX);
}

int
name_req_get(struct rbuf *r, struct name_req *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	q->msgid = rbuf_str(r, ATTACH_MSGID_MAX);
	attach_ids_get(r, q);
	attach_rcpts_get(r, q);
	if (rbuf_end(r) == 0)
		return 0;
	name_req_free(q);
	return -1;
}

void
name_req_free(struct name_req *q)
{
	uint32_t	 i;

	for (i = 0; i < q->nrcpt; i++)
		free(q->rcpt[i]);
	free(q->rcpt);
	free(q->upload);
	free(q->owner);
	free(q->msgid);
	memset(q, 0, sizeof(*q));
}

void
attach_list_put(struct wbuf *b, const struct attach_list *l)
{
	uint32_t	 i;

	wbuf_u32(b, l->code);
	wbuf_str(b, l->text);
	wbuf_u32(b, l->more);
	wbuf_u32(b, l->n);
	for (i = 0; i < l->n; i++)
		attach_info_put(b, &l->info[i]);
}

int
attach_list_get(struct rbuf *r, struct attach_list *l)
{
	uint32_t	 i;

	memset(l, 0, sizeof(*l));
	l->code = rbuf_u32(r);
	l->text = rbuf_str(r, TEXT_MAX);
	l->more = rbuf_u32(r);
	l->info = attach_array(r, &l->n, 112, sizeof(*l->info));
	for (i = 0; i < l->n; i++)
		if (attach_info_get(r, &l->info[i]) == -1)
			break;
	if (rbuf_end(r) == 0)
		return 0;
	attach_list_free(l);
	return -1;
}

void
attach_list_free(struct attach_list *l)
{
	uint32_t	 i;

	for (i = 0; i < l->n; i++)
		attach_info_free(&l->info[i]);
	free(l->info);
	free(l->text);
	memset(l, 0, sizeof(*l));
}

void
fetch_req_put(struct wbuf *b, const struct fetch_req *q)
{
	wbuf_str(b, q->principal);
	wbuf_raw(b, q->id, sizeof(q->id));
	wbuf_u32(b, q->version);
	wbuf_u64(b, q->offset);
	wbuf_u64(b, q->length);
}

int
fetch_req_get(struct rbuf *r, struct fetch_req *q)
{
	memset(q, 0, sizeof(*q));
	q->principal = rbuf_str(r, ADDR_MAX);
	rbuf_raw(r, q->id, sizeof(q->id));
	q->version = rbuf_u32(r);
	q->offset = rbuf_u64(r);
	q->length = rbuf_u64(r);
	if (rbuf_end(r) == 0)
		return 0;
	fetch_req_free(q);
	return -1;
}

void
fetch_req_free(struct fetch_req *q)
{
	free(q->principal);
	memset(q, 0, sizeof(*q));
}

void
fetch_result_put(struct wbuf *b, const struct fetch_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_str(b, p->text);
	wbuf_u32(b, p->version);
	wbuf_u32(b, p->newest);
	wbuf_u64(b, p->size);
	wbuf_u64(b, p->offset);
	wbuf_u64(b, p->length);
	wbuf_raw(b, p->digest, sizeof(p->digest));
}

int
fetch_result_get(struct rbuf *r, struct fetch_result *p)
{
	memset(p, 0, sizeof(*p));
	p->code = rbuf_u32(r);
	p->text = rbuf_str(r, TEXT_MAX);
	p->version = rbuf_u32(r);
	p->newest = rbuf_u32(r);
	p->size = rbuf_u64(r);
	p->offset = rbuf_u64(r);
	p->length = rbuf_u64(r);
	rbuf_raw(r, p->digest, sizeof(p->digest));
	if (rbuf_end(r) == 0)
		return 0;
	fetch_result_free(p);
	return -1;
}

void
fetch_result_free(struct fetch_result *p)
{
	free(p->text);
	memset(p, 0, sizeof(*p));
}

void
attach_list_req_put(struct wbuf *b, const struct attach_list_req *q)
{
	wbuf_str(b, q->owner);
	wbuf_raw(b, q->before, sizeof(q->before));
	wbuf_u32(b, q->limit);
}

int
attach_list_req_get(struct rbuf *r, struct attach_list_req *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	rbuf_raw(r, q->before, sizeof(q->before));
	q->limit = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	attach_list_req_free(q);
	return -1;
}

void
attach_list_req_free(struct attach_list_req *q)
{
	free(q->owner);
	memset(q, 0, sizeof(*q));
}

void
show_req_put(struct wbuf *b, const struct show_req *q)
{
	wbuf_str(b, q->owner);
	wbuf_raw(b, q->id, sizeof(q->id));
	wbuf_str(b, q->after);
	wbuf_u64(b, q->before);
	wbuf_u32(b, q->limit);
}

int
show_req_get(struct rbuf *r, struct show_req *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	rbuf_raw(r, q->id, sizeof(q->id));
	q->after = rbuf_str(r, ADDR_MAX);
	q->before = rbuf_u64(r);
	q->limit = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	show_req_free(q);
	return -1;
}

void
show_req_free(struct show_req *q)
{
	free(q->owner);
	free(q->after);
	memset(q, 0, sizeof(*q));
}

static void
show_rest_put(struct wbuf *b, const struct show_result *p)
{
	uint32_t	 i;

	attach_info_put(b, &p->info);
	wbuf_u32(b, p->nversions);
	for (i = 0; i < p->nversions; i++) {
		wbuf_u32(b, p->version[i].number);
		wbuf_u64(b, p->version[i].size);
		wbuf_i64(b, p->version[i].time);
		wbuf_raw(b, p->version[i].digest, ATTACH_DIGEST);
	}
	wbuf_u32(b, p->nrcpt);
	for (i = 0; i < p->nrcpt; i++) {
		wbuf_str(b, p->rcpt[i].addr);
		wbuf_str(b, p->rcpt[i].domain);
		wbuf_i64(b, p->rcpt[i].added);
		wbuf_u64(b, p->rcpt[i].fetches);
		wbuf_i64(b, p->rcpt[i].last);
	}
	wbuf_u32(b, p->more_rcpt);
	wbuf_u32(b, p->nfetches);
	for (i = 0; i < p->nfetches; i++) {
		wbuf_u64(b, p->fetch[i].seq);
		wbuf_str(b, p->fetch[i].addr);
		wbuf_u32(b, p->fetch[i].version);
		wbuf_i64(b, p->fetch[i].time);
	}
	wbuf_u32(b, p->more_fetches);
}

static void
show_rest_get(struct rbuf *r, struct show_result *p)
{
	uint32_t	 i;

	if (attach_info_get(r, &p->info) == -1)
		return;
	p->version = attach_array(r, &p->nversions, 52, sizeof(*p->version));
	for (i = 0; i < p->nversions; i++) {
		p->version[i].number = rbuf_u32(r);
		p->version[i].size = rbuf_u64(r);
		p->version[i].time = rbuf_i64(r);
		rbuf_raw(r, p->version[i].digest, ATTACH_DIGEST);
	}
	p->rcpt = attach_array(r, &p->nrcpt, 32, sizeof(*p->rcpt));
	for (i = 0; i < p->nrcpt; i++) {
		p->rcpt[i].addr = rbuf_str(r, ADDR_MAX);
		p->rcpt[i].domain = rbuf_str(r, ADDR_MAX);
		p->rcpt[i].added = rbuf_i64(r);
		p->rcpt[i].fetches = rbuf_u64(r);
		p->rcpt[i].last = rbuf_i64(r);
	}
	p->more_rcpt = rbuf_u32(r);
	p->fetch = attach_array(r, &p->nfetches, 24, sizeof(*p->fetch));
	for (i = 0; i < p->nfetches; i++) {
		p->fetch[i].seq = rbuf_u64(r);
		p->fetch[i].addr = rbuf_str(r, ADDR_MAX);
		p->fetch[i].version = rbuf_u32(r);
		p->fetch[i].time = rbuf_i64(r);
	}
	p->more_fetches = rbuf_u32(r);
}

void
show_result_put(struct wbuf *b, const struct show_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_str(b, p->text);
	wbuf_u32(b, p->found);
	show_rest_put(b, p);
}

int
show_result_get(struct rbuf *r, struct show_result *p)
{
	memset(p, 0, sizeof(*p));
	p->code = rbuf_u32(r);
	p->text = rbuf_str(r, TEXT_MAX);
	p->found = rbuf_u32(r);
	show_rest_get(r, p);
	if (rbuf_end(r) == 0)
		return 0;
	show_result_free(p);
	return -1;
}

void
show_result_free(struct show_result *p)
{
	uint32_t	 i;

	attach_info_free(&p->info);
	for (i = 0; i < p->nrcpt; i++) {
		free(p->rcpt[i].addr);
		free(p->rcpt[i].domain);
	}
	for (i = 0; i < p->nfetches; i++)
		free(p->fetch[i].addr);
	free(p->version);
	free(p->rcpt);
	free(p->fetch);
	free(p->text);
	memset(p, 0, sizeof(*p));
}

void
attach_change_put(struct wbuf *b, const struct attach_change *q)
{
	wbuf_str(b, q->owner);
	wbuf_raw(b, q->id, sizeof(q->id));
	wbuf_str(b, q->addr);
	wbuf_i64(b, q->when);
	wbuf_raw(b, q->upload, sizeof(q->upload));
}

int
attach_change_get(struct rbuf *r, struct attach_change *q)
{
	memset(q, 0, sizeof(*q));
	q->owner = rbuf_str(r, ADDR_MAX);
	rbuf_raw(r, q->id, sizeof(q->id));
	q->addr = rbuf_str(r, ADDR_MAX);
	q->when = rbuf_i64(r);
	rbuf_raw(r, q->upload, sizeof(q->upload));
	if (rbuf_end(r) == 0)
		return 0;
	attach_change_free(q);
	return -1;
}

void
attach_change_free(struct attach_change *q)
{
	free(q->owner);
	free(q->addr);
	memset(q, 0, sizeof(*q));
}

void
change_result_put(struct wbuf *b, const struct change_result *p)
{
	wbuf_u32(b, p->code);
	wbuf_str(b, p->text);
	wbuf_u32(b, p->version);
}

int
change_result_get(struct rbuf *r, struct change_result *p)
{
	memset(p, 0, sizeof(*p));
	p->code = rbuf_u32(r);
	p->text = rbuf_str(r, TEXT_MAX);
	p->version = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	change_result_free(p);
	return -1;
}

void
change_result_free(struct change_result *p)
{
	free(p->text);
	memset(p, 0, sizeof(*p));
}
