/* SPDX-License-Identifier: ISC */
/*
 * Media types, and the package in which a client with MTOM switched on sends
 * an envelope (XOP 1.0, RFC 2387, RFC 2046 section 5.1).  Called by soap and
 * wsmail.
 *
 * xop:Include is replaced by the part's content in base64 before anything
 * is judged: a signature is over the reconstituted infoset (XOP 1.0 section
 * 5).  A part is used once at most, so nothing grows by more than 4/3.  Data
 * of an operation only this reads, by mime_data(), and so it is not written
 * out (xml_part.h).
 */
#include "compat.h"

#include <ctype.h>
#include <strings.h>

#include "mime.h"
#include "wsemail.h"

#define MIME_BOUNDARY	70		/* RFC 2046 section 5.1.1 */
#define MIME_VALUE	1024
#define MIME_HEAD	4096		/* octets of a part's header */

struct head {				/* of a part */
	char		 type[MIME_VALUE];
	char		 cid[MIME_VALUE];
	char		 coding[64];
};

static int	 mime_is(const char *, const char *);
static int	 mime_param(const char *, const char *, char *, size_t);
static int	 mime_version(struct mime *, const char *, const char **);
static int	 mime_package(struct mime *, const char *, const uint8_t *,
		    size_t, const char **);
static int	 mime_part(struct mime *, const uint8_t *, size_t,
		    const char *, const char **);
static int	 mime_head(struct head *, const uint8_t *, size_t);
static void	 mime_field(struct head *, const char *, size_t);
static const uint8_t *mime_delimiter(const uint8_t *, size_t, const char *);
static int	 mime_is_data(xmlNodePtr);
static int	 mime_put(struct mime *, const struct mime_part *, int,
		    struct wbuf *);
static int	 mime_include(struct mime *, xmlNodePtr, const char **);
static xmlNodePtr mime_next(xmlNodePtr, xmlNodePtr);

static int
mime_is(const char *type, const char *want)
{
	size_t	 n = strcspn(type, "; \t");

	return n == strlen(want) && strncasecmp(type, want, n) == 0;
}

/* RFC 9110 section 5.6.6.  0 and the value, or -1: absent or malformed. */
static int
mime_param(const char *type, const char *name, char *buf, size_t size)
{
	const char	*p = strchr(type, ';'), *key;
	size_t		 keylen, len;
	int		 quoted;

	while (p != NULL && *p == ';') {
		key = p += 1 + strspn(p + 1, " \t\r\n");
		keylen = strcspn(p, "=; \t");
		p += keylen;
		if (*p++ != '=')
			return -1;
		if ((quoted = *p == '"'))
			p++;
		for (len = 0; *p != '\0'; p++) {
			if (quoted ? *p == '"' : strchr("; \t", *p) != NULL)
				break;
			if (quoted && *p == '\\' && *++p == '\0')
				return -1;
			if (len + 1 >= size)
				return -1;
			buf[len++] = *p;
		}
		buf[len] = '\0';
		if (quoted && *p++ != '"')
			return -1;
		if (keylen == strlen(name) &&
		    strncasecmp(key, name, keylen) == 0)
			return 0;
		p += strspn(p, " \t\r\n");
	}
	return -1;
}

/* text/xml is SOAP 1.1, application/soap+xml 1.2, both in UTF-8. */
static int
mime_version(struct mime *m, const char *type, const char **why)
{
	char	 value[MIME_VALUE];

	if (mime_is(type, "application/soap+xml"))
		m->soap12 = 1;
	else if (!mime_is(type, "text/xml")) {
		*why = "media type is not one of SOAP's";
		return -1;
	}
	if (mime_param(type, "charset", value, sizeof(value)) == 0 &&
	    strcasecmp(value, "utf-8") != 0 &&
	    strcasecmp(value, "us-ascii") != 0) {
		*why = "charset is not UTF-8";
		return -1;
	}
	if (m->soap12 && m->action == NULL &&
	    mime_param(type, "action", value, sizeof(value)) == 0 &&
	    (m->action = strdup(value)) == NULL) {
		*why = "out of memory";
		return -1;
	}
	return 0;
}

int
mime_read(struct mime *m, const char *type, const uint8_t *body, size_t len,
    const char **why)
{
	memset(m, 0, sizeof(*m));
	if (mime_is(type, "multipart/related"))
		return mime_package(m, type, body, len, why);
	m->root = body;
	m->root_len = len;
	return mime_version(m, type, why);
}

void
mime_free(struct mime *m)
{
	size_t	 i;

	for (i = 0; i < m->nparts; i++)
		free(m->part[i].cid);
	free(m->action);
	memset(m, 0, sizeof(*m));
}

/* "CRLF--boundary"; the first may stand at the very beginning. */
static const uint8_t *
mime_delimiter(const uint8_t *p, size_t len, const char *delimiter)
{
	return memmem(p, len, delimiter, strlen(delimiter));
}

static int
mime_package(struct mime *m, const char *type, const uint8_t *body, size_t len,
    const char **why)
{
	char		 boundary[MIME_BOUNDARY + 1], start[MIME_VALUE] = "";
	char		 root[MIME_VALUE], delimiter[MIME_BOUNDARY + 5];
	const uint8_t	*p = body, *end = body + len, *next;
	size_t		 dlen;

	m->is_package = 1;
	*why = "malformed MTOM package";
	if (mime_param(type, "boundary", boundary, sizeof(boundary)) == -1 ||
	    boundary[0] == '\0' ||
	    mime_param(type, "type", root, sizeof(root)) == -1 ||
	    strcasecmp(root, "application/xop+xml") != 0)
		return -1;
	(void)mime_param(type, "start", start, sizeof(start));
	/* SOAP 1.2's action may stand on the outer type too. */
	if (mime_param(type, "action", root, sizeof(root)) == 0)
		m->action = strdup(root);
	strlcpy(delimiter, "\r\n--", sizeof(delimiter));
	strlcat(delimiter, boundary, sizeof(delimiter));
	dlen = strlen(delimiter);
	if (len >= dlen - 2 && memcmp(body, delimiter + 2, dlen - 2) == 0)
		p += dlen - 2;
	else if ((p = mime_delimiter(body, len, delimiter)) != NULL)
		p += dlen;
	else
		return -1;
	while (end - p < 2 || memcmp(p, "--", 2) != 0) {
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (end - p < 2 || memcmp(p, "\r\n", 2) != 0 ||
		    (next = mime_delimiter(p, (size_t)(end - p),
		    delimiter)) == NULL)
			return -1;
		p += 2;
		if (next < p || mime_part(m, p, (size_t)(next - p), start,
		    why) == -1)
			return -1;
		p = next + dlen;
	}
	return m->root != NULL ? 0 : -1;
}

/* One field: name and value, of those that matter here. */
static void
mime_field(struct head *h, const char *line, size_t len)
{
	static const struct {
		const char	*name;
		size_t		 offset, size;
	} fields[] = {
		{ "content-type:", offsetof(struct head, type), MIME_VALUE },
		{ "content-id:", offsetof(struct head, cid), MIME_VALUE },
		{ "content-transfer-encoding:", offsetof(struct head, coding),
		    sizeof(h->coding) },
	};
	size_t	 i, n, skip;
	char	*dst;

	for (i = 0; i < nitems(fields); i++) {
		n = strlen(fields[i].name);
		if (len < n || strncasecmp(line, fields[i].name, n) != 0)
			continue;
		for (skip = n; skip < len && (line[skip] == ' ' ||
		    line[skip] == '\t'); skip++)
			;
		if (len - skip >= fields[i].size)
			return;
		dst = (char *)h + fields[i].offset;
		memcpy(dst, line + skip, len - skip);
		dst[len - skip] = '\0';
	}
}

/* Fields with their folds undone. */
static int
mime_head(struct head *h, const uint8_t *p, size_t len)
{
	char	 line[MIME_HEAD];
	size_t	 i, n = 0;

	memset(h, 0, sizeof(*h));
	if (len > sizeof(line))
		return -1;
	for (i = 0; i < len; i++) {
		if (p[i] == '\0')
			return -1;
		if (i + 1 < len && p[i] == '\r' && p[i + 1] == '\n') {
			i++;
			if (i + 1 < len && (p[i + 1] == ' ' ||
			    p[i + 1] == '\t'))
				continue;
			mime_field(h, line, n);
			n = 0;
		} else
			line[n++] = (char)p[i];
	}
	mime_field(h, line, n);
	return 0;
}

/* The part named by start, or the first, is the envelope (RFC 2387 3.2). */
static int
mime_part(struct mime *m, const uint8_t *p, size_t len, const char *start,
    const char **why)
{
	struct mime_part	*part;
	const uint8_t		*blank;
	struct head		 h;
	char			 inner[MIME_VALUE];
	size_t			 skip = 4;

	if (len >= 2 && memcmp(p, "\r\n", 2) == 0) {
		blank = p;
		skip = 2;
	} else if ((blank = memmem(p, len, "\r\n\r\n", 4)) == NULL)
		return -1;
	if (mime_head(&h, p, (size_t)(blank - p)) == -1)
		return -1;
	len -= (size_t)(blank - p) + skip;
	p = blank + skip;
	if (h.coding[0] != '\0' && strcasecmp(h.coding, "binary") != 0 &&
	    strcasecmp(h.coding, "8bit") != 0 &&
	    strcasecmp(h.coding, "7bit") != 0) {
		*why = "transfer encoding of a part";
		return -1;
	}
	if (m->root == NULL && (start[0] == '\0' ||
	    strcmp(start, h.cid) == 0)) {
		if (!mime_is(h.type, "application/xop+xml") ||
		    mime_param(h.type, "type", inner, sizeof(inner)) == -1)
			return -1;
		m->root = p;
		m->root_len = len;
		return mime_version(m, inner, why);
	}
	if (m->nparts == nitems(m->part)) {
		*why = "too many parts";
		return -1;
	}
	part = &m->part[m->nparts];
	if ((part->cid = strdup(h.cid)) == NULL)
		return -1;
	m->nparts++;
	part->data = p;
	part->len = len;
	return 0;
}

/* The element that follows in document order, within root. */
static xmlNodePtr
mime_next(xmlNodePtr n, xmlNodePtr root)
{
	xmlNodePtr	 next;

	if ((next = xml_first(n)) != NULL)
		return next;
	for (; n != NULL && n != root; n = n->parent)
		if ((next = xml_next(n)) != NULL)
			return next;
	return NULL;
}

/* Data of the element in Body. */
static int
mime_is_data(xmlNodePtr n)
{
	xmlNodePtr	 body;

	if (!xml_is(n, NS_WSE2, "Data") || n->parent == NULL ||
	    (!xml_is(n->parent, NS_WSE2, "UploadPiece") &&
	    !xml_is(n->parent, NS_WSE2, "AttachmentFetchResponse")))
		return 0;
	body = n->parent->parent;
	return (xml_is(body, NS_SOAP11, "Body") ||
	    xml_is(body, NS_SOAP12, "Body")) &&
	    body->parent == xmlDocGetRootElement(n->doc);
}

/* The text for a part: base64, or a mark. */
static int
mime_put(struct mime *m, const struct mime_part *part, int beside,
    struct wbuf *w)
{
	char	 mark[XML_MARK];

	if (!beside)
		xml_put_base64(w, part->data, part->len);
	else if (xml_parts_add(&m->beside, part->data, part->len, mark) == 0)
		wbuf_puts(w, mark);
	else
		return -1;
	return w->error ? -1 : 0;
}

/* Replaces one Include, the only child of its parent, by text. */
static int
mime_include(struct mime *m, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 parent = n->parent, c;
	struct wbuf	 w = { 0 };
	char		*href, *p;
	size_t		 i, len;

	*why = "malformed xop:Include";
	for (c = parent->children; c != NULL; c = c->next)
		if (c != n)
			return -1;
	href = xml_attr(n, NULL, "href");
	if (href == NULL || strncmp(href, "cid:", 4) != 0) {
		free(href);
		return -1;
	}
	/* RFC 2392: the URL is percent-encoded, the field in brackets. */
	for (p = href, i = 4, len = strlen(href); i < len; i++)
		if (href[i] == '%' && i + 2 < len &&
		    isxdigit((unsigned char)href[i + 1]) &&
		    isxdigit((unsigned char)href[i + 2])) {
			char hex[3] = { href[i + 1], href[i + 2], '\0' };

			*p++ = (char)strtol(hex, NULL, 16);
			i += 2;
		} else
			*p++ = href[i];
	*p = '\0';
	len = strlen(href);
	for (i = 0; i < m->nparts; i++)
		if (m->part[i].cid[0] == '<' &&
		    strncmp(m->part[i].cid + 1, href, len) == 0 &&
		    strcmp(m->part[i].cid + 1 + len, ">") == 0)
			break;
	free(href);
	*why = "xop:Include of a part that is not there or was used";
	if (i == m->nparts || m->part[i].used)
		return -1;
	m->part[i].used = 1;
	*why = "out of memory";
	if (mime_put(m, &m->part[i], mime_is_data(parent), &w) == -1 ||
	    (c = xmlNewTextLen(w.data, (int)w.len)) == NULL) {
		wbuf_free(&w);
		return -1;
	}
	wbuf_free(&w);
	xmlReplaceNode(n, c);
	xmlFreeNode(n);
	return 0;
}

int
mime_resolve(struct mime *m, xmlDocPtr doc, const char **why)
{
	xmlNodePtr	 root = xmlDocGetRootElement(doc), n, next;

	xml_parts_init(&m->beside);
	for (n = root; n != NULL; n = next) {
		next = mime_next(n, root);
		if (!xml_is(n, NS_XOP, "Include"))
			continue;
		*why = "malformed xop:Include";
		if (xml_first(n) != NULL || n == root ||
		    mime_include(m, n, why) == -1)
			return -1;
	}
	return 0;
}

const uint8_t *
mime_data(const struct mime *m, xmlNodePtr n, size_t max, size_t *len,
    uint8_t **decoded)
{
	const uint8_t	*data;
	char		*text;

	*decoded = NULL;
	if ((text = xml_text(n, max / 3 * 4 + 1024)) == NULL)
		return NULL;
	if ((data = xml_parts_find(&m->beside, text, len)) == NULL)
		data = *decoded = xml_base64(text, len);
	free(text);
	if (data != NULL && *len > max) {
		free(*decoded);
		*decoded = NULL;
		return NULL;
	}
	return data;
}
