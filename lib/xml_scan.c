/* SPDX-License-Identifier: ISC */
/*
 * A lexical pass over a document before libxml2 gets it.  Called by
 * xml_parse() only.
 *
 * Without a DTD the lexical structure of XML is regular: every '<' opens
 * exactly one of a tag, a comment, a CDATA section, a processing
 * instruction or a declaration, and UTF-8 keeps all of these octets from
 * being part of anything else.  So depth, elements, attributes and namespace
 * declarations can be counted in one linear pass without building anything,
 * and a document that is over a limit costs nothing but that pass.  That is
 * why this is not done in SAX hooks: libxml2 calls those after it has
 * collected all attributes of a tag and compared each with each other one,
 * which is quadratic.  What this pass lets through libxml2 still judges; it
 * never makes acceptable what libxml2 refuses.
 */
#include "compat.h"

#include <strings.h>

#include "xml_scan.h"

struct scan {
	const uint8_t		*p, *end;
	const struct xml_limits	*lim;
	unsigned int		 depth, nodes, namespaces;
	const char		*why;
};

static int	 scan_declaration(struct scan *);
static int	 scan_encoding(const uint8_t *, const uint8_t *);
static int	 scan_markup(struct scan *);
static int	 scan_bang(struct scan *);
static int	 scan_end_tag(struct scan *);
static int	 scan_start_tag(struct scan *);
static int	 scan_attribute(struct scan *, unsigned int *);
static int	 scan_until(struct scan *, const char *);
static int	 scan_starts(const struct scan *, const char *);
static int	 scan_refuse(struct scan *, const char *);
static int	 is_space(int);

static int
is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int
scan_refuse(struct scan *s, const char *why)
{
	s->why = why;
	return -1;
}

static int
scan_starts(const struct scan *s, const char *word)
{
	size_t	 n = strlen(word);

	return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

/* Moves behind the next occurrence of word. */
static int
scan_until(struct scan *s, const char *word)
{
	const uint8_t	*q;
	size_t		 n = strlen(word);

	if ((q = memmem(s->p, s->end - s->p, word, n)) == NULL)
		return scan_refuse(s, "document ends inside markup");
	s->p = q + n;
	return 0;
}

/* 1 when the XML declaration names UTF-8 or no encoding. */
static int
scan_encoding(const uint8_t *p, const uint8_t *end)
{
	static const char	 word[] = "encoding";
	const uint8_t		*q;
	int			 quote;

	if ((q = memmem(p, end - p, word, sizeof(word) - 1)) == NULL)
		return 1;
	q += sizeof(word) - 1;
	while (q < end && is_space(*q))
		q++;
	if (q == end || *q++ != '=')
		return 0;
	while (q < end && is_space(*q))
		q++;
	if (q == end || (*q != '"' && *q != '\''))
		return 0;
	quote = *q++;
	return end - q > 5 && strncasecmp((const char *)q, "UTF-8", 5) == 0 &&
	    q[5] == quote;
}

/* The XML declaration at the very beginning, if there is one. */
static int
scan_declaration(struct scan *s)
{
	const uint8_t	*start;

	if (!scan_starts(s, "<?xml") || s->end - s->p < 6 || !is_space(s->p[5]))
		return 0;
	start = s->p;
	if (scan_until(s, "?>") == -1)
		return -1;
	if (!scan_encoding(start, s->p))
		return scan_refuse(s, "encoding other than UTF-8");
	return 0;
}

/* Behind "<!". */
static int
scan_bang(struct scan *s)
{
	if (scan_starts(s, "--")) {
		s->p += 2;
		return scan_until(s, "-->");
	}
	if (scan_starts(s, "[CDATA[")) {
		if (s->depth == 0)
			return scan_refuse(s, "text outside of the element");
		return scan_until(s, "]]>");
	}
	return scan_refuse(s, "document type declaration");
}

static int
scan_end_tag(struct scan *s)
{
	const uint8_t	*q;

	if (s->depth == 0)
		return scan_refuse(s, "end tag without its start");
	s->depth--;
	if ((q = memchr(s->p, '>', s->end - s->p)) == NULL)
		return scan_refuse(s, "document ends inside markup");
	s->p = q + 1;
	return 0;
}

/* At an attribute's name.  Leaves p behind its closing quote. */
static int
scan_attribute(struct scan *s, unsigned int *n)
{
	const uint8_t	*name = s->p, *q;

	while (s->p < s->end && *s->p != '=' && *s->p != '>' && *s->p != '<')
		s->p++;
	if (s->p == s->end || *s->p++ != '=')
		return scan_refuse(s, "malformed tag");
	while (s->p < s->end && is_space(*s->p))
		s->p++;
	if (s->p == s->end || (*s->p != '"' && *s->p != '\''))
		return scan_refuse(s, "malformed tag");
	q = memchr(s->p + 1, *s->p, s->end - s->p - 1);
	if (q == NULL || memchr(s->p, '<', q - s->p) != NULL)
		return scan_refuse(s, "malformed tag");
	s->p = q + 1;
	if (s->p - name > 5 && memcmp(name, "xmlns", 5) == 0 &&
	    (name[5] == ':' || name[5] == '=' || is_space(name[5]))) {
		if (++s->namespaces > s->lim->namespaces)
			return scan_refuse(s, "too many namespaces (limit xml-namespaces)");
	} else if (++s->nodes > s->lim->nodes)
		return scan_refuse(s, "too many nodes (limit xml-nodes)");
	if (++*n > s->lim->attributes)
		return scan_refuse(s, "too many attributes (limit xml-attributes)");
	return 0;
}

/* Behind "<" and at the element's name. */
static int
scan_start_tag(struct scan *s)
{
	unsigned int	 nattr = 0;

	if (++s->nodes > s->lim->nodes)
		return scan_refuse(s, "too many nodes (limit xml-nodes)");
	if (s->depth + 1 > s->lim->depth)
		return scan_refuse(s, "nested too deep (limit xml-depth)");
	while (s->p < s->end && !is_space(*s->p) && *s->p != '>' &&
	    *s->p != '/' && *s->p != '<')
		s->p++;
	for (;;) {
		while (s->p < s->end && is_space(*s->p))
			s->p++;
		if (s->p == s->end)
			return scan_refuse(s, "document ends inside markup");
		if (*s->p == '>') {
			s->p++;
			s->depth++;
			return 0;
		}
		if (scan_starts(s, "/>")) {
			s->p += 2;
			return 0;
		}
		if (scan_attribute(s, &nattr) == -1)
			return -1;
	}
}

static int
scan_markup(struct scan *s)
{
	if (s->p == s->end)
		return scan_refuse(s, "document ends inside markup");
	switch (*s->p) {
	case '!':
		s->p++;
		return scan_bang(s);
	case '?':
		/* SOAP 1.1 section 3: none in a message; the mail has none. */
		return scan_refuse(s, "processing instruction");
	case '/':
		s->p++;
		return scan_end_tag(s);
	default:
		return scan_start_tag(s);
	}
}

int
xml_scan(const uint8_t *p, size_t len, const struct xml_limits *lim,
    size_t *start, const char **why)
{
	struct scan	 s = { .p = p, .end = p + len, .lim = lim };
	const uint8_t	*q;

	*why = NULL;
	if (len > lim->bytes) {
		*why = "too large";
		return -1;
	}
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		s.p += 3;
	*start = s.p - p;
	/* Other Unicode forms, and EBCDIC, do not begin like this. */
	if (s.p == s.end || (*s.p != '<' && !is_space(*s.p)) ||
	    memchr(p, '\0', len) != NULL) {
		*why = "not XML in UTF-8";
		return -1;
	}
	if (scan_declaration(&s) == -1) {
		*why = s.why;
		return -1;
	}
	while ((q = memchr(s.p, '<', s.end - s.p)) != NULL) {
		s.p = q + 1;
		if (scan_markup(&s) == -1) {
			*why = s.why;
			return -1;
		}
	}
	if (s.depth != 0) {
		*why = "document ends inside an element";
		return -1;
	}
	return 0;
}
