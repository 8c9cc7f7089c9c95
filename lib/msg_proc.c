/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include "msg_proc.h"

#define STR_MAX	4096

void
proc_setup_put(struct wbuf *b, const struct proc_setup *s)
{
	wbuf_u32(b, s->role);
	wbuf_u32(b, s->instance);
	wbuf_str(b, s->user);
	wbuf_str(b, s->dir);
	wbuf_u32(b, s->foreground);
	wbuf_u32(b, s->verbose);
	wbuf_u32(b, s->trace);
	wbuf_u32(b, s->sandbox_required);
}

int
proc_setup_get(struct rbuf *r, struct proc_setup *s)
{
	memset(s, 0, sizeof(*s));
	s->role = rbuf_u32(r);
	s->instance = rbuf_u32(r);
	s->user = rbuf_str(r, STR_MAX);
	s->dir = rbuf_str(r, STR_MAX);
	s->foreground = rbuf_u32(r);
	s->verbose = rbuf_u32(r);
	s->trace = rbuf_u32(r);
	s->sandbox_required = rbuf_u32(r);
	if (rbuf_end(r) == 0)
		return 0;
	proc_setup_free(s);
	return -1;
}

void
proc_setup_free(struct proc_setup *s)
{
	free(s->user);
	free(s->dir);
	s->user = s->dir = NULL;
}

void
proc_peer_put(struct wbuf *b, uint32_t role, uint32_t instance)
{
	wbuf_u32(b, role);
	wbuf_u32(b, instance);
}

int
proc_peer_get(struct rbuf *r, uint32_t *role, uint32_t *instance)
{
	*role = rbuf_u32(r);
	*instance = rbuf_u32(r);
	return rbuf_end(r);
}

void
proc_listen_put(struct wbuf *b, const char *kind, const char *name)
{
	wbuf_str(b, kind);
	wbuf_str(b, name);
}

int
proc_listen_get(struct rbuf *r, char **kind, char **name)
{
	*kind = rbuf_str(r, STR_MAX);
	*name = rbuf_str(r, STR_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	free(*kind);
	free(*name);
	*kind = *name = NULL;
	return -1;
}

void
proc_log_put(struct wbuf *b, uint32_t verbose, uint32_t trace)
{
	wbuf_u32(b, verbose);
	wbuf_u32(b, trace);
}

int
proc_log_get(struct rbuf *r, uint32_t *verbose, uint32_t *trace)
{
	*verbose = rbuf_u32(r);
	*trace = rbuf_u32(r);
	return rbuf_end(r);
}

void
proc_ready_put(struct wbuf *b, const struct proc_ready *p)
{
	wbuf_u32(b, p->pid);
	wbuf_u32(b, p->uid);
	wbuf_u32(b, p->mask);
	wbuf_u32(b, p->missing);
	wbuf_u32(b, p->abi);
	wbuf_str(b, p->text);
}

int
proc_ready_get(struct rbuf *r, struct proc_ready *p)
{
	p->pid = rbuf_u32(r);
	p->uid = rbuf_u32(r);
	p->mask = rbuf_u32(r);
	p->missing = rbuf_u32(r);
	p->abi = rbuf_u32(r);
	p->text = rbuf_str(r, STR_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	proc_ready_free(p);
	return -1;
}

void
proc_ready_free(struct proc_ready *p)
{
	free(p->text);
	p->text = NULL;
}

int
proc_stat_get(struct rbuf *r, char **name, char *kind, uint64_t *value)
{
	if (r->error == 0 && r->len == 0)
		return 0;
	*name = rbuf_str(r, 128);
	*kind = (char)rbuf_u8(r);
	*value = rbuf_u64(r);
	if (r->error == 0 && (*kind == 'c' || *kind == 'g'))
		return 1;
	free(*name);
	*name = NULL;
	return -1;
}
