/* SPDX-License-Identifier: ISC */
/*
 * Writing XML as text the way Canonical XML 1.0 writes it (section 2.3),
 * base64, and which characters XML allows.  No libxml2 in here.  Called by
 * whoever composes messages.
 */
#include "compat.h"

#include <openssl/evp.h>

#include "xml.h"

static void	 put_escaped(struct wbuf *, const char *, const char *,
		    const char *(*)(int));
static const char *escape_text(int);
static const char *escape_attr(int);
static const char *base64_groups(const char *, uint8_t *, size_t *);
static size_t	 utf8_char(const uint8_t *, size_t, uint32_t *);

static const char *
escape_text(int c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r':
		return "&#xD;";
	}
	return NULL;
}

static const char *
escape_attr(int c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '"':
		return "&quot;";
	case '\t':
		return "&#x9;";
	case '\n':
		return "&#xA;";
	case '\r':
		return "&#xD;";
	}
	return NULL;
}

static void
put_escaped(struct wbuf *w, const char *s, const char *set,
    const char *(*escape)(int))
{
	size_t	 n;

	while (*s != '\0') {
		n = strcspn(s, set);
		wbuf_raw(w, s, n);
		s += n;
		if (*s != '\0')
			wbuf_puts(w, escape((unsigned char)*s++));
	}
}

void
xml_put_text(struct wbuf *w, const char *s)
{
	put_escaped(w, s, "&<>\r", escape_text);
}

void
xml_put_attr(struct wbuf *w, const char *s)
{
	put_escaped(w, s, "&<\"\t\n\r", escape_attr);
}

void
xml_put_elem(struct wbuf *w, const char *name, const char *text)
{
	if (text == NULL)
		return;
	wbuf_puts(w, "<");
	wbuf_puts(w, name);
	wbuf_puts(w, ">");
	xml_put_text(w, text);
	wbuf_puts(w, "</");
	wbuf_puts(w, name);
	wbuf_puts(w, ">");
}

void
xml_put_base64(struct wbuf *w, const uint8_t *p, size_t len)
{
	uint8_t	 out[4096 + 1];		/* with a NUL */
	size_t	 n;

	for (; len > 0; p += n, len -= n) {
		n = len < sizeof(out) / 4 * 3 ? len : sizeof(out) / 4 * 3;
		wbuf_raw(w, out, (size_t)EVP_EncodeBlock(out, p, (int)n));
	}
}

/* Value of each digit and 1 more, 0: none. */
static const uint8_t base64_digit[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
	43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};

/* Groups of four digits and nothing else, as far as they go. */
static const char *
base64_groups(const char *s, uint8_t *out, size_t *n)
{
	const uint8_t	*p = (const uint8_t *)s;
	uint8_t		 a, b, c, d;
	uint32_t	 v;

	while ((a = base64_digit[p[0]]) != 0 && (b = base64_digit[p[1]]) != 0 &&
	    (c = base64_digit[p[2]]) != 0 && (d = base64_digit[p[3]]) != 0) {
		v = (uint32_t)(a - 1) << 18 | (uint32_t)(b - 1) << 12 |
		    (uint32_t)(c - 1) << 6 | (uint32_t)(d - 1);
		out[(*n)++] = (uint8_t)(v >> 16);
		out[(*n)++] = v >> 8 & 0xff;
		out[(*n)++] = v & 0xff;
		p += 4;
	}
	return (const char *)p;
}

/*
 * XML Schema Part 2, 3.2.16: padded to groups of four, and the bits that the
 * padding leaves over are 0, so that octets have one spelling.
 */
uint8_t *
xml_base64(const char *s, size_t *len)
{
	uint8_t		*out;
	uint32_t	 v = 0;
	size_t		 n = 0, digits = 0, pad = 0;
	int		 d;

	if ((out = malloc(strlen(s) / 4 * 3 + 4)) == NULL)
		return NULL;
	for (s = base64_groups(s, out, &n); *s != '\0'; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
			continue;
		d = *s == '=' ? 0 : base64_digit[(unsigned char)*s] - 1;
		if (d == -1 || (pad > 0 && *s != '=') || (pad += *s == '=') > 2)
			goto err;
		v = v << 6 | (uint32_t)d;
		if (++digits % 4 != 0)
			continue;
		if ((pad == 1 && (v & 0xff) != 0) ||
		    (pad == 2 && (v & 0xffff) != 0))
			goto err;
		out[n++] = v >> 16 & 0xff;
		out[n++] = v >> 8 & 0xff;
		out[n++] = v & 0xff;
	}
	if (digits % 4 != 0)
		goto err;
	*len = n - pad;
	return out;
 err:
	free(out);
	return NULL;
}

/* Octets of the character at p, 0 when there is no valid one (RFC 3629). */
static size_t
utf8_char(const uint8_t *p, size_t len, uint32_t *c)
{
	static const uint32_t	 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t			 n, i;

	if (p[0] < 0x80) {
		*c = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	*c = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return *c < least[n] ? 0 : n;
}

/* Char of XML 1.0 section 2.2. */
int
xml_valid_text(const char *s, size_t len)
{
	const uint8_t	*p = (const uint8_t *)s;
	uint32_t	 c;
	size_t		 n;

	for (; len > 0; p += n, len -= n) {
		if ((n = utf8_char(p, len, &c)) == 0)
			return 0;
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return 0;
		if ((c >= 0xd800 && c <= 0xdfff) || c == 0xfffe ||
		    c == 0xffff || c > 0x10ffff)
			return 0;
	}
	return 1;
}
