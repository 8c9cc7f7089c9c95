/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "wire.h"

/* A larger one is mail: of it only what is there is wiped. */
#define WBUF_WIPE	(1U << 20)

static size_t	 wbuf_dirty(const struct wbuf *);
static int	 wbuf_grow(struct wbuf *, size_t);
static const uint8_t *rbuf_take(struct rbuf *, size_t);

void
wbuf_init(struct wbuf *b)
{
	memset(b, 0, sizeof(*b));
}

static size_t
wbuf_dirty(const struct wbuf *b)
{
	return b->cap <= WBUF_WIPE ? b->cap : b->len;
}

void
wbuf_free(struct wbuf *b)
{
	freezero(b->data, wbuf_dirty(b));
	wbuf_init(b);
}

uint8_t *
wbuf_steal(struct wbuf *b, size_t *len)
{
	uint8_t	*p = b->data;

	*len = b->len;
	wbuf_init(b);
	return p;
}

/* Room for n more octets.  0, or -1 with the sticky error set. */
static int
wbuf_grow(struct wbuf *b, size_t n)
{
	size_t	 cap;
	void	*p;

	if (b->error != 0)
		return -1;
	if (n <= b->cap - b->len)
		return 0;
	if (n > SIZE_MAX / 4 - b->len) {
		b->error = ENOMEM;
		return -1;
	}
	for (cap = b->cap == 0 ? 256 : b->cap; cap - b->len < n; cap *= 2)
		;
	if ((p = cap <= WBUF_WIPE ? calloc(1, cap) : malloc(cap)) == NULL) {
		b->error = ENOMEM;
		return -1;
	}
	if (b->len > 0)
		memcpy(p, b->data, b->len);
	freezero(b->data, wbuf_dirty(b));
	b->data = p;
	b->cap = cap;
	return 0;
}

int
wbuf_reserve(struct wbuf *b, size_t n)
{
	return wbuf_grow(b, n);
}

void
wbuf_raw(struct wbuf *b, const void *p, size_t n)
{
	if (n == 0 || wbuf_grow(b, n) == -1)
		return;
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void
wbuf_u8(struct wbuf *b, uint8_t v)
{
	wbuf_raw(b, &v, 1);
}

void
wbuf_u16(struct wbuf *b, uint16_t v)
{
	uint8_t	 o[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wbuf_raw(b, o, sizeof(o));
}

void
wbuf_u32(struct wbuf *b, uint32_t v)
{
	uint8_t	 o[4];
	int	 i;

	for (i = 0; i < 4; i++)
		o[i] = (uint8_t)(v >> (24 - 8 * i));
	wbuf_raw(b, o, sizeof(o));
}

void
wbuf_u64(struct wbuf *b, uint64_t v)
{
	uint8_t	 o[8];
	int	 i;

	for (i = 0; i < 8; i++)
		o[i] = (uint8_t)(v >> (56 - 8 * i));
	wbuf_raw(b, o, sizeof(o));
}

void
wbuf_i64(struct wbuf *b, int64_t v)
{
	wbuf_u64(b, (uint64_t)v);
}

void
wbuf_bytes(struct wbuf *b, const void *p, size_t n)
{
	if (n > UINT32_MAX) {
		b->error = EMSGSIZE;
		return;
	}
	wbuf_u32(b, (uint32_t)n);
	wbuf_raw(b, p, n);
}

void
wbuf_str(struct wbuf *b, const char *s)
{
	wbuf_bytes(b, s, s == NULL ? 0 : strlen(s));
}

void
wbuf_puts(struct wbuf *b, const char *s)
{
	wbuf_raw(b, s, strlen(s));
}

void
wbuf_printf(struct wbuf *b, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || wbuf_grow(b, (size_t)n + 1) == -1) {
		b->error = ENOMEM;
		return;
	}
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
rbuf_init(struct rbuf *r, const void *p, size_t n)
{
	r->p = p;
	r->len = n;
	r->error = 0;
}

static const uint8_t *
rbuf_take(struct rbuf *r, size_t n)
{
	const uint8_t	*p = r->p;

	if (r->error != 0 || n > r->len) {
		if (r->error == 0)
			r->error = EBADMSG;
		return NULL;
	}
	r->p += n;
	r->len -= n;
	return p;
}

uint8_t
rbuf_u8(struct rbuf *r)
{
	const uint8_t	*p = rbuf_take(r, 1);

	return p == NULL ? 0 : p[0];
}

uint16_t
rbuf_u16(struct rbuf *r)
{
	const uint8_t	*p = rbuf_take(r, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
rbuf_u32(struct rbuf *r)
{
	const uint8_t	*p = rbuf_take(r, 4);

	return p == NULL ? 0 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

uint64_t
rbuf_u64(struct rbuf *r)
{
	const uint8_t	*p = rbuf_take(r, 8);
	uint64_t	 v = 0;
	int		 i;

	for (i = 0; p != NULL && i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

int64_t
rbuf_i64(struct rbuf *r)
{
	return (int64_t)rbuf_u64(r);
}

const uint8_t *
rbuf_bytes(struct rbuf *r, size_t *len)
{
	const uint8_t	*p;
	size_t		 n;

	*len = 0;
	n = rbuf_u32(r);
	if ((p = rbuf_take(r, n)) != NULL)
		*len = n;
	return p;
}

void
rbuf_raw(struct rbuf *r, void *out, size_t n)
{
	const uint8_t	*p;

	if ((p = rbuf_take(r, n)) == NULL)
		memset(out, 0, n);
	else
		memcpy(out, p, n);
}

char *
rbuf_str(struct rbuf *r, size_t max)
{
	const uint8_t	*p;
	size_t		 n;
	char		*s;

	if ((p = rbuf_bytes(r, &n)) == NULL)
		return NULL;
	if (n > max || memchr(p, '\0', n) != NULL) {
		r->error = EBADMSG;
		return NULL;
	}
	if ((s = malloc(n + 1)) == NULL) {
		r->error = ENOMEM;
		return NULL;
	}
	memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

uint32_t
rbuf_count(struct rbuf *r, size_t each)
{
	uint32_t	 n = rbuf_u32(r);

	if (r->error == 0 && each > 0 && n > r->len / each)
		r->error = EBADMSG;
	return r->error != 0 ? 0 : n;
}

int
rbuf_end(struct rbuf *r)
{
	if (r->error == 0 && r->len > 0)
		r->error = EBADMSG;
	if (r->error == 0)
		return 0;
	errno = r->error;
	return -1;
}
