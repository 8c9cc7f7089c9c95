/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "msg_keys.h"

#define PASSWORD_MAX	1024

static void	 free_secret(char **);

static void
free_secret(char **s)
{
	if (*s != NULL)
		freezero(*s, strlen(*s));
	*s = NULL;
}

void
keys_password_put(struct wbuf *b, const struct keys_password *p)
{
	wbuf_str(b, p->user);
	wbuf_str(b, p->password);
	wbuf_str(b, p->peer);
}

int
keys_password_get(struct rbuf *r, struct keys_password *p)
{
	memset(p, 0, sizeof(*p));
	p->user = rbuf_str(r, ADDR_MAX);
	p->password = rbuf_str(r, PASSWORD_MAX);
	p->peer = rbuf_str(r, ADDR_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	keys_password_free(p);
	return -1;
}

void
keys_password_free(struct keys_password *p)
{
	free(p->user);
	free_secret(&p->password);
	free(p->peer);
	memset(p, 0, sizeof(*p));
}

void
keys_mac_put(struct wbuf *b, const struct keys_mac *m)
{
	wbuf_str(b, m->user);
	wbuf_str(b, m->peer);
	wbuf_bytes(b, m->salt, m->salt_len);
	wbuf_u32(b, m->iterations);
	wbuf_bytes(b, m->text, m->text_len);
	wbuf_bytes(b, m->mac, m->mac_len);
}

int
keys_mac_get(struct rbuf *r, struct keys_mac *m)
{
	memset(m, 0, sizeof(*m));
	m->user = rbuf_str(r, ADDR_MAX);
	m->peer = rbuf_str(r, ADDR_MAX);
	m->salt = rbuf_bytes(r, &m->salt_len);
	m->iterations = rbuf_u32(r);
	m->text = rbuf_bytes(r, &m->text_len);
	m->mac = rbuf_bytes(r, &m->mac_len);
	if (rbuf_end(r) == 0)
		return 0;
	keys_mac_free(m);
	return -1;
}

void
keys_mac_free(struct keys_mac *m)
{
	free(m->user);
	free(m->peer);
	memset(m, 0, sizeof(*m));
}

void
auth_result_put(struct wbuf *b, uint32_t result)
{
	wbuf_u32(b, result);
}

int
auth_result_get(struct rbuf *r, uint32_t *result)
{
	*result = rbuf_u32(r);
	if (rbuf_end(r) == -1)
		return -1;
	if (*result <= AUTH_ERROR)
		return 0;
	errno = EBADMSG;
	return -1;
}

void
keys_params_put(struct wbuf *b, const struct keys_params *p)
{
	wbuf_u32(b, p->iterations);
	wbuf_raw(b, p->salt, sizeof(p->salt));
}

int
keys_params_get(struct rbuf *r, struct keys_params *p)
{
	p->iterations = rbuf_u32(r);
	rbuf_raw(r, p->salt, sizeof(p->salt));
	return rbuf_end(r);
}

void
keys_sign_put(struct wbuf *b, const struct keys_sign *s)
{
	wbuf_str(b, s->domain);
	wbuf_bytes(b, s->text, s->text_len);
}

int
keys_sign_get(struct rbuf *r, struct keys_sign *s)
{
	memset(s, 0, sizeof(*s));
	s->domain = rbuf_str(r, ADDR_DOMAIN_MAX);
	s->text = rbuf_bytes(r, &s->text_len);
	if (rbuf_end(r) == 0)
		return 0;
	keys_sign_free(s);
	return -1;
}

void
keys_sign_free(struct keys_sign *s)
{
	free(s->domain);
	memset(s, 0, sizeof(*s));
}

void
sign_result_put(struct wbuf *b, const uint8_t *value, size_t len)
{
	wbuf_bytes(b, value, len);
}

const uint8_t *
sign_result_get(struct rbuf *r, size_t *len)
{
	const uint8_t	*p = rbuf_bytes(r, len);

	return rbuf_end(r) == 0 ? p : NULL;
}
