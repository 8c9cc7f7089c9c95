/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "msg_queue.h"

#define TEXT_MAX	65536
#define SUBJECT_MAX	(1U << 20)
#define MSGID_MAX	512
#define HOLD_MAX	1024
#define HOST_MAX	1024

static void	 rcpts_put(struct wbuf *, const struct rcpt *, uint32_t);
static struct rcpt *rcpts_get(struct rbuf *, uint32_t *);
static void	 rcpts_free(struct rcpt *, uint32_t);
static void	 statuses_put(struct wbuf *, const struct rcpt_status *,
		    uint32_t);
static struct rcpt_status *statuses_get(struct rbuf *, uint32_t *);
static void	 statuses_free(struct rcpt_status *, uint32_t);

static void
rcpts_put(struct wbuf *b, const struct rcpt *rc, uint32_t n)
{
	uint32_t	 i;

	wbuf_u32(b, n);
	for (i = 0; i < n; i++) {
		wbuf_str(b, rc[i].addr);
		wbuf_str(b, rc[i].orig);
	}
}

static void
rcpts_free(struct rcpt *rc, uint32_t n)
{
	uint32_t	 i;

	for (i = 0; rc != NULL && i < n; i++) {
		free(rc[i].addr);
		free(rc[i].orig);
	}
	free(rc);
}

/* NULL with *n 0 both for none and on error, which sticks in r. */
static struct rcpt *
rcpts_get(struct rbuf *r, uint32_t *n)
{
	struct rcpt	*rc;
	uint32_t	 i;

	if ((*n = rbuf_count(r, 8)) == 0)
		return NULL;
	if ((rc = calloc(*n, sizeof(*rc))) == NULL) {
		r->error = ENOMEM;
		*n = 0;
		return NULL;
	}
	for (i = 0; i < *n && r->error == 0; i++) {
		rc[i].addr = rbuf_str(r, ADDR_MAX);
		rc[i].orig = rbuf_str(r, ADDR_MAX);
	}
	return rc;
}

static void
statuses_put(struct wbuf *b, const struct rcpt_status *s, uint32_t n)
{
	uint32_t	 i;

	wbuf_u32(b, n);
	for (i = 0; i < n; i++) {
		wbuf_str(b, s[i].addr);
		wbuf_u32(b, s[i].code);
		wbuf_str(b, s[i].text);
	}
}

static void
statuses_free(struct rcpt_status *s, uint32_t n)
{
	uint32_t	 i;

	for (i = 0; s != NULL && i < n; i++) {
		free(s[i].addr);
		free(s[i].text);
	}
	free(s);
}

static struct rcpt_status *
statuses_get(struct rbuf *r, uint32_t *n)
{
	struct rcpt_status	*s;
	uint32_t		 i;

	if ((*n = rbuf_count(r, 12)) == 0)
		return NULL;
	if ((s = calloc(*n, sizeof(*s))) == NULL) {
		r->error = ENOMEM;
		*n = 0;
		return NULL;
	}
	for (i = 0; i < *n && r->error == 0; i++) {
		s[i].addr = rbuf_str(r, ADDR_MAX);
		s[i].code = rbuf_u32(r);
		s[i].text = rbuf_str(r, TEXT_MAX);
	}
	return s;
}

void
replay_put(struct wbuf *b, const struct replay *p)
{
	wbuf_raw(b, p->key, sizeof(p->key));
	wbuf_i64(b, p->until);
}

void
replay_get(struct rbuf *r, struct replay *p)
{
	rbuf_raw(r, p->key, sizeof(p->key));
	p->until = rbuf_i64(r);
}

void
mail_facts_put(struct wbuf *b, const struct mail_facts *f)
{
	wbuf_str(b, f->msgid);
	wbuf_str(b, f->sender);
	wbuf_str(b, f->subject);
	wbuf_i64(b, f->timestamp);
	wbuf_u32(b, f->flags);
	wbuf_raw(b, f->intent, sizeof(f->intent));
}

int
mail_facts_get(struct rbuf *r, struct mail_facts *f)
{
	memset(f, 0, sizeof(*f));
	f->msgid = rbuf_str(r, MSGID_MAX);
	f->sender = rbuf_str(r, ADDR_MAX);
	f->subject = rbuf_str(r, SUBJECT_MAX);
	f->timestamp = rbuf_i64(r);
	f->flags = rbuf_u32(r);
	rbuf_raw(r, f->intent, sizeof(f->intent));
	if (r->error == 0)
		return 0;
	mail_facts_free(f);
	errno = r->error;
	return -1;
}

void
mail_facts_free(struct mail_facts *f)
{
	free(f->msgid);
	free(f->sender);
	free(f->subject);
	memset(f, 0, sizeof(*f));
}

void
submit_put(struct wbuf *b, const struct submit *s)
{
	wbuf_u32(b, s->origin);
	wbuf_str(b, s->principal);
	wbuf_str(b, s->peer);
	replay_put(b, &s->replay);
	mail_facts_put(b, &s->facts);
	rcpts_put(b, s->rcpt, s->nrcpt);
	wbuf_str(b, s->hold);
	wbuf_bytes(b, s->body, s->body_len);
	wbuf_bytes(b, s->sig, s->sig_len);
}

int
submit_get(struct rbuf *r, struct submit *s)
{
	memset(s, 0, sizeof(*s));
	s->origin = rbuf_u32(r);
	s->principal = rbuf_str(r, ADDR_MAX);
	s->peer = rbuf_str(r, HOST_MAX);
	replay_get(r, &s->replay);
	if (mail_facts_get(r, &s->facts) == 0) {
		s->rcpt = rcpts_get(r, &s->nrcpt);
		s->hold = rbuf_str(r, HOLD_MAX);
		s->body = rbuf_bytes(r, &s->body_len);
		s->sig = rbuf_bytes(r, &s->sig_len);
	}
	if (rbuf_end(r) == 0)
		return 0;
	submit_free(s);
	return -1;
}

void
submit_free(struct submit *s)
{
	free(s->principal);
	free(s->peer);
	mail_facts_free(&s->facts);
	rcpts_free(s->rcpt, s->nrcpt);
	free(s->hold);
	memset(s, 0, sizeof(*s));
}

void
submit_result_put(struct wbuf *b, const struct submit_result *s)
{
	wbuf_u32(b, s->code);
	wbuf_u32(b, s->replayed);
	wbuf_u32(b, s->known);
	wbuf_str(b, s->text);
	statuses_put(b, s->rcpt, s->nrcpt);
}

int
submit_result_get(struct rbuf *r, struct submit_result *s)
{
	memset(s, 0, sizeof(*s));
	s->code = rbuf_u32(r);
	s->replayed = rbuf_u32(r);
	s->known = rbuf_u32(r);
	s->text = rbuf_str(r, TEXT_MAX);
	s->rcpt = statuses_get(r, &s->nrcpt);
	if (rbuf_end(r) == 0)
		return 0;
	submit_result_free(s);
	return -1;
}

void
submit_result_free(struct submit_result *s)
{
	free(s->text);
	statuses_free(s->rcpt, s->nrcpt);
	memset(s, 0, sizeof(*s));
}

void
relay_job_put(struct wbuf *b, const struct relay_job *j)
{
	wbuf_str(b, j->from_domain);
	wbuf_str(b, j->domain);
	wbuf_str(b, j->msgid);
	rcpts_put(b, j->rcpt, j->nrcpt);
	wbuf_u32(b, j->flags);
	wbuf_bytes(b, j->body, j->body_len);
	wbuf_bytes(b, j->sig, j->sig_len);
}

int
relay_job_get(struct rbuf *r, struct relay_job *j)
{
	memset(j, 0, sizeof(*j));
	j->from_domain = rbuf_str(r, ADDR_MAX);
	j->domain = rbuf_str(r, ADDR_MAX);
	j->msgid = rbuf_str(r, MSGID_MAX);
	j->rcpt = rcpts_get(r, &j->nrcpt);
	j->flags = rbuf_u32(r);
	j->body = rbuf_bytes(r, &j->body_len);
	j->sig = rbuf_bytes(r, &j->sig_len);
	if (rbuf_end(r) == 0)
		return 0;
	relay_job_free(j);
	return -1;
}

void
relay_job_free(struct relay_job *j)
{
	free(j->from_domain);
	free(j->domain);
	free(j->msgid);
	rcpts_free(j->rcpt, j->nrcpt);
	memset(j, 0, sizeof(*j));
}

void
relay_done_put(struct wbuf *b, const struct relay_done *d)
{
	wbuf_u32(b, d->code);
	wbuf_str(b, d->text);
	wbuf_str(b, d->host);
	statuses_put(b, d->rcpt, d->nrcpt);
}

int
relay_done_get(struct rbuf *r, struct relay_done *d)
{
	memset(d, 0, sizeof(*d));
	d->code = rbuf_u32(r);
	d->text = rbuf_str(r, TEXT_MAX);
	d->host = rbuf_str(r, HOST_MAX);
	d->rcpt = statuses_get(r, &d->nrcpt);
	if (rbuf_end(r) == 0)
		return 0;
	relay_done_free(d);
	return -1;
}

void
relay_done_free(struct relay_done *d)
{
	free(d->text);
	free(d->host);
	statuses_free(d->rcpt, d->nrcpt);
	memset(d, 0, sizeof(*d));
}

void
bounce_job_put(struct wbuf *b, const struct bounce_job *j)
{
	wbuf_u32(b, j->kind);
	wbuf_str(b, j->domain);
	wbuf_str(b, j->to);
	mail_facts_put(b, &j->orig);
	wbuf_i64(b, j->next);
	wbuf_i64(b, j->until);
	statuses_put(b, j->rcpt, j->nrcpt);
}

int
bounce_job_get(struct rbuf *r, struct bounce_job *j)
{
	memset(j, 0, sizeof(*j));
	j->kind = rbuf_u32(r);
	j->domain = rbuf_str(r, ADDR_MAX);
	j->to = rbuf_str(r, ADDR_MAX);
	if (mail_facts_get(r, &j->orig) == 0) {
		j->next = rbuf_i64(r);
		j->until = rbuf_i64(r);
		j->rcpt = statuses_get(r, &j->nrcpt);
	}
	if (rbuf_end(r) == 0)
		return 0;
	bounce_job_free(j);
	return -1;
}

void
bounce_job_free(struct bounce_job *j)
{
	free(j->domain);
	free(j->to);
	mail_facts_free(&j->orig);
	statuses_free(j->rcpt, j->nrcpt);
	memset(j, 0, sizeof(*j));
}
