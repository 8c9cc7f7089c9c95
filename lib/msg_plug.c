/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "msg_plug.h"

#define STR_MAX		1024
#define SUBJECT_MAX	(1U << 20)
#define BODY_MAX	(1U << 28)

static void	 strs_put(struct wbuf *, char *const *, uint32_t);
static char	**strs_get(struct rbuf *, uint32_t *);
static void	 strs_free(char **, uint32_t);
static void	 about_put(struct wbuf *, const struct plug_about *);
static void	 about_get(struct rbuf *, struct plug_about *);
static void	 row_put(struct wbuf *, const struct plug_row *);
static void	 row_get(struct rbuf *, struct plug_row *);

static void
strs_put(struct wbuf *b, char *const *v, uint32_t n)
{
	uint32_t	 i;

	wbuf_u32(b, n);
	for (i = 0; i < n; i++)
		wbuf_str(b, v[i]);
}

static char **
strs_get(struct rbuf *r, uint32_t *n)
{
	char		**v;
	uint32_t	 i;

	if ((*n = rbuf_count(r, 4)) == 0)
		return NULL;
	if ((v = calloc(*n, sizeof(*v))) == NULL) {
		r->error = ENOMEM;
		*n = 0;
		return NULL;
	}
	for (i = 0; i < *n; i++)
		v[i] = rbuf_str(r, STR_MAX);
	return v;
}

static void
strs_free(char **v, uint32_t n)
{
	uint32_t	 i;

	for (i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

/* --- the table ----------------------------------------------------------- */

static void
about_put(struct wbuf *b, const struct plug_about *a)
{
	wbuf_u32(b, a->interfaces);
	wbuf_str(b, a->version);
	wbuf_u32(b, a->hold);
	strs_put(b, a->ext, a->next);
}

static void
about_get(struct rbuf *r, struct plug_about *a)
{
	a->interfaces = rbuf_u32(r);
	a->version = rbuf_str(r, PLUG_TEXT_MAX);
	a->hold = rbuf_u32(r);
	a->ext = strs_get(r, &a->next);
	if (a->interfaces & ~(uint32_t)(PLUG_SENDING | PLUG_DELIVERY |
	    PLUG_EXTENSION))
		r->error = EBADMSG;
}

void
plug_about_put(struct wbuf *b, const struct plug_about *a)
{
	about_put(b, a);
}

int
plug_about_get(struct rbuf *r, struct plug_about *a)
{
	memset(a, 0, sizeof(*a));
	about_get(r, a);
	if (rbuf_end(r) == 0)
		return 0;
	plug_about_free(a);
	return -1;
}

void
plug_about_free(struct plug_about *a)
{
	free(a->version);
	strs_free(a->ext, a->next);
	memset(a, 0, sizeof(*a));
}

static void
row_put(struct wbuf *b, const struct plug_row *p)
{
	wbuf_u32(b, p->id);
	wbuf_str(b, p->name);
	wbuf_u32(b, p->state);
	wbuf_u32(b, p->priority);
	wbuf_u32(b, p->required);
	wbuf_u32(b, p->bodies);
	wbuf_u32(b, p->send_users);
	wbuf_u32(b, p->timeout);
	wbuf_i64(b, p->size_max);
	about_put(b, &p->about);
	strs_put(b, p->scope, p->nscope);
	strs_put(b, p->sender, p->nsender);
	strs_put(b, p->address, p->naddress);
}

static void
row_get(struct rbuf *r, struct plug_row *p)
{
	p->id = rbuf_u32(r);
	p->name = rbuf_str(r, PLUG_TEXT_MAX);
	p->state = rbuf_u32(r);
	p->priority = rbuf_u32(r);
	p->required = rbuf_u32(r);
	p->bodies = rbuf_u32(r);
	p->send_users = rbuf_u32(r);
	p->timeout = rbuf_u32(r);
	p->size_max = rbuf_i64(r);
	about_get(r, &p->about);
	p->scope = strs_get(r, &p->nscope);
	p->sender = strs_get(r, &p->nsender);
	p->address = strs_get(r, &p->naddress);
	if (p->state >= PLUG_STATES)
		r->error = EBADMSG;
}

void
plug_table_put(struct wbuf *b, const struct plug_table *t)
{
	uint32_t	 i;

	wbuf_u32(b, t->n);
	for (i = 0; i < t->n; i++)
		row_put(b, &t->row[i]);
}

int
plug_table_get(struct rbuf *r, struct plug_table *t)
{
	uint32_t	 i;

	memset(t, 0, sizeof(*t));
	t->n = rbuf_count(r, 68);
	if (t->n > 0 && (t->row = calloc(t->n, sizeof(*t->row))) == NULL) {
		t->n = 0;
		r->error = ENOMEM;
	}
	for (i = 0; i < t->n; i++)
		row_get(r, &t->row[i]);
	if (rbuf_end(r) == 0)
		return 0;
	plug_table_free(t);
	return -1;
}

void
plug_table_free(struct plug_table *t)
{
	struct plug_row	*p;
	uint32_t	 i;

	for (i = 0; i < t->n; i++) {
		p = &t->row[i];
		free(p->name);
		plug_about_free(&p->about);
		strs_free(p->scope, p->nscope);
		strs_free(p->sender, p->nsender);
		strs_free(p->address, p->naddress);
	}
	free(t->row);
	memset(t, 0, sizeof(*t));
}

int
plug_row_covers(const struct plug_row *p, const char *addr)
{
	const char	*domain = addr_domain(addr);
	uint32_t	 i;

	if (p->nscope == 0)
		return 1;
	for (i = 0; i < p->nscope; i++)
		if (strcmp(p->scope[i], addr) == 0 || (domain != NULL &&
		    strcmp(p->scope[i], domain) == 0))
			return 1;
	return 0;
}

/* --- calls --------------------------------------------------------------- */

void
plug_call_put(struct wbuf *b, const struct plug_call *c)
{
	uint32_t	 i;

	wbuf_u32(b, c->interface);
	wbuf_u32(b, c->auth);
	wbuf_u32(b, c->local);
	wbuf_u32(b, c->attempt);
	wbuf_str(b, c->request);
	wbuf_str(b, c->principal);
	wbuf_str(b, c->peer);
	wbuf_str(b, c->extension);
	mail_facts_put(b, &c->facts);
	wbuf_u32(b, c->size);
	wbuf_u32(b, c->nrcpt);
	for (i = 0; i < c->nrcpt; i++) {
		wbuf_str(b, c->rcpt[i].addr);
		wbuf_str(b, c->rcpt[i].orig);
	}
	wbuf_bytes(b, c->body, c->body_len);
	wbuf_bytes(b, c->sig, c->sig_len);
}

int
plug_call_get(struct rbuf *r, struct plug_call *c)
{
	uint32_t	 i;

	memset(c, 0, sizeof(*c));
	c->interface = rbuf_u32(r);
	c->auth = rbuf_u32(r);
	c->local = rbuf_u32(r);
	c->attempt = rbuf_u32(r);
	c->request = rbuf_str(r, STR_MAX);
	c->principal = rbuf_str(r, STR_MAX);
	c->peer = rbuf_str(r, STR_MAX);
	c->extension = rbuf_str(r, STR_MAX);
	if (mail_facts_get(r, &c->facts) == -1)
		memset(&c->facts, 0, sizeof(c->facts));
	c->size = rbuf_u32(r);
	c->nrcpt = rbuf_count(r, 8);
	if (c->nrcpt > 0 &&
	    (c->rcpt = calloc(c->nrcpt, sizeof(*c->rcpt))) == NULL) {
		c->nrcpt = 0;
		r->error = ENOMEM;
	}
	for (i = 0; i < c->nrcpt; i++) {
		c->rcpt[i].addr = rbuf_str(r, ADDR_MAX);
		c->rcpt[i].orig = rbuf_str(r, ADDR_MAX);
	}
	c->body = rbuf_bytes(r, &c->body_len);
	c->sig = rbuf_bytes(r, &c->sig_len);
	if (rbuf_end(r) == 0)
		return 0;
	plug_call_free(c);
	return -1;
}

void
plug_call_free(struct plug_call *c)
{
	uint32_t	 i;

	free(c->request);
	free(c->principal);
	free(c->peer);
	free(c->extension);
	mail_facts_free(&c->facts);
	for (i = 0; i < c->nrcpt; i++) {
		free(c->rcpt[i].addr);
		free(c->rcpt[i].orig);
	}
	free(c->rcpt);
	memset(c, 0, sizeof(*c));
}

void
plug_verdict_put(struct wbuf *b, const struct plug_verdict *v)
{
	wbuf_u32(b, v->what);
	wbuf_u32(b, v->code);
	wbuf_str(b, v->text);
	wbuf_bytes(b, v->body, v->body_len);
}

int
plug_verdict_get(struct rbuf *r, struct plug_verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->what = rbuf_u32(r);
	v->code = rbuf_u32(r);
	v->text = rbuf_str(r, PLUG_TEXT_MAX);
	v->body = rbuf_bytes(r, &v->body_len);
	if (v->what == 0 || v->what >= VERDICT_MAX ||
	    (v->what == VERDICT_REFUSE && (v->code < 500 || v->code > 599)))
		r->error = EBADMSG;
	if (rbuf_end(r) == 0)
		return 0;
	plug_verdict_free(v);
	return -1;
}

void
plug_verdict_free(struct plug_verdict *v)
{
	free(v->text);
	memset(v, 0, sizeof(*v));
}

/* --- mail ---------------------------------------------------------------- */

void
plug_mail_put(struct wbuf *b, const struct plug_mail *m)
{
	wbuf_str(b, m->from);
	wbuf_str(b, m->key);
	wbuf_str(b, m->subject);
	wbuf_str(b, m->body);
	wbuf_str(b, m->inreplyto);
	wbuf_u32(b, m->flags);
	strs_put(b, m->rcpt, m->nrcpt);
	wbuf_bytes(b, m->xml, m->xml_len);
}

int
plug_mail_get(struct rbuf *r, struct plug_mail *m)
{
	memset(m, 0, sizeof(*m));
	m->from = rbuf_str(r, ADDR_MAX);
	m->key = rbuf_str(r, PLUG_TEXT_MAX);
	m->subject = rbuf_str(r, SUBJECT_MAX);
	m->body = rbuf_str(r, BODY_MAX);
	m->inreplyto = rbuf_str(r, PLUG_TEXT_MAX);
	m->flags = rbuf_u32(r);
	m->rcpt = strs_get(r, &m->nrcpt);
	m->xml = rbuf_bytes(r, &m->xml_len);
	if (rbuf_end(r) == 0)
		return 0;
	plug_mail_free(m);
	return -1;
}

void
plug_mail_free(struct plug_mail *m)
{
	free(m->from);
	free(m->key);
	free(m->subject);
	free(m->body);
	free(m->inreplyto);
	strs_free(m->rcpt, m->nrcpt);
	memset(m, 0, sizeof(*m));
}

void
plug_mail_result_put(struct wbuf *b, const struct plug_mail_result *m)
{
	wbuf_u32(b, m->code);
	wbuf_str(b, m->text);
	wbuf_str(b, m->msgid);
}

int
plug_mail_result_get(struct rbuf *r, struct plug_mail_result *m)
{
	memset(m, 0, sizeof(*m));
	m->code = rbuf_u32(r);
	m->text = rbuf_str(r, STR_MAX);
	m->msgid = rbuf_str(r, STR_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	plug_mail_result_free(m);
	return -1;
}

void
plug_mail_result_free(struct plug_mail_result *m)
{
	free(m->text);
	free(m->msgid);
	memset(m, 0, sizeof(*m));
}

/* --- sockets ------------------------------------------------------------- */

void
plug_connect_put(struct wbuf *b, const char *addr, const char *port)
{
	wbuf_str(b, addr);
	wbuf_str(b, port);
}

int
plug_connect_get(struct rbuf *r, char **addr, char **port)
{
	*addr = rbuf_str(r, PLUG_TEXT_MAX);
	*port = rbuf_str(r, PLUG_TEXT_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	free(*addr);
	free(*port);
	*addr = *port = NULL;
	return -1;
}

/* --- failures ------------------------------------------------------------ */

void
plug_fault_put(struct wbuf *b, uint32_t id, const char *text)
{
	wbuf_u32(b, id);
	wbuf_str(b, text);
}

int
plug_fault_get(struct rbuf *r, uint32_t *id, char **text)
{
	*id = rbuf_u32(r);
	*text = rbuf_str(r, PLUG_TEXT_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}
