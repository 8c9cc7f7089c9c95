/* SPDX-License-Identifier: ISC */
/* Octets beside a tree.  Called by mime.c, soapenv.c and wss_*.c. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "xml.h"
#include "xml_part.h"

#define PART_SLICE	(48U * 1024)	/* of 3 octets each */

static int	 parts_index(const struct xml_parts *, const char *);
static int	 parts_update(EVP_MD_CTX *, const uint8_t *, size_t);

void
xml_parts_init(struct xml_parts *p)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->tag, sizeof(p->tag), "part-%08x%08x", arc4random(),
	    arc4random());
}

int
xml_parts_add(struct xml_parts *p, const void *data, size_t len,
    char mark[static XML_MARK])
{
	if (p->n == XML_PARTS)
		return -1;
	p->part[p->n].data = data;
	p->part[p->n].len = len;
	snprintf(mark, XML_MARK, "%s-%c", p->tag, (int)('A' + p->n));
	p->n++;
	return 0;
}

/* What follows a tag; -1: it is no mark. */
static int
parts_index(const struct xml_parts *p, const char *s)
{
	int	 i = (unsigned char)s[1] - 'A';

	return s[0] == '-' && i >= 0 && (size_t)i < p->n ? i : -1;
}

const uint8_t *
xml_parts_find(const struct xml_parts *p, const char *text, size_t *len)
{
	const size_t	 tag = XML_TAG - 1;
	int		 i;

	if (p->n == 0 || strlen(text) != XML_MARK - 1 ||
	    strncmp(text, p->tag, tag) != 0 ||
	    (i = parts_index(p, text + tag)) == -1)
		return NULL;
	*len = p->part[i].len;
	return p->part[i].data;
}

static int
parts_update(EVP_MD_CTX *md, const uint8_t *data, size_t len)
{
	struct wbuf	 text = { 0 };
	size_t		 n;
	int		 ok = 1;

	for (; ok && len > 0; data += n, len -= n) {
		n = len < PART_SLICE ? len : PART_SLICE;
		text.len = 0;
		xml_put_base64(&text, data, n);
		ok = !text.error &&
		    EVP_DigestUpdate(md, text.data, text.len) == 1;
	}
	wbuf_free(&text);
	return ok;
}

int
xml_parts_digest(const struct xml_parts *p, const void *text, size_t len,
    uint8_t digest[32])
{
	const size_t	 tag = XML_TAG - 1, mark = XML_MARK - 1;
	const char	*s = text, *end = s + len, *at;
	EVP_MD_CTX	*md = EVP_MD_CTX_new();
	int		 i, ok;

	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	while (ok && p != NULL && p->n > 0 && (at = memmem(s,
	    (size_t)(end - s), p->tag, tag)) != NULL &&
	    (size_t)(end - at) >= mark) {
		i = parts_index(p, at + tag);
		ok = EVP_DigestUpdate(md, s, (size_t)(at - s)) == 1 &&
		    i != -1 && parts_update(md, p->part[i].data,
		    p->part[i].len);
		s = at + mark;
	}
	ok = ok && EVP_DigestUpdate(md, s, (size_t)(end - s)) == 1 &&
	    EVP_DigestFinal_ex(md, digest, NULL) == 1;
	EVP_MD_CTX_free(md);
	if (!ok)
		errno = ENOMEM;
	return ok ? 0 : -1;
}
