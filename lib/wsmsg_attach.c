/* SPDX-License-Identifier: ISC */
/*
 * XmlAttachments, the only part of theMessage that is XML of the author's
 * own making.  Called by wsmsg.c, and by who composes a message with an
 * attachment (bounces, wsmail).
 *
 * What an author hangs on is cut out of its surroundings by exclusive
 * canonicalization and set into theMessage, whose default namespace is
 * NS_WSE.  Two things could change its meaning on the way.  A name without
 * a prefix would fall into that namespace: so an empty default namespace is
 * put on the fragment, and the whole is canonicalized once more in its new
 * place.  And a prefix that is used in a value only (xsi:type) would lose
 * its declaration, as exclusive canonicalization keeps those of names: so
 * such an attachment is refused unless a name around it keeps the prefix.
 */
#include "compat.h"

#include "wsemail.h"
#include "wsmsg.h"
#include "wsmsg_int.h"

#define ATTACH_DEPTH	200
#define ATTACH_COUNT	1000000
#define ATTACH_ATTRIBUTES 4096	/* comparing them is quadratic */
#define ATTACH_OPEN	"<XmlAttachments>"
#define ATTACH_CLOSE	"</XmlAttachments>"
#define ATTACH_APEX	"<XmlAttachments xmlns=\"" NS_WSE "\">"

static int	 attach_node(struct wbuf *, xmlNodePtr, const char **);
static int	 attach_content(struct wbuf *, xmlNodePtr, const char **);
static int	 attach_fragment(struct wbuf *, const struct wbuf *);
static int	 attach_check_types(xmlNodePtr, const char **);
static int	 attach_type_kept(xmlNodePtr, xmlNodePtr, const char *);
static const char *attach_kept_ns(xmlNodePtr, xmlNodePtr, const char *);
static int	 attach_canonical(const struct wbuf *, struct wbuf *);
static int	 attach_replace(struct wbuf *, xmlNodePtr,
		    int (*)(xmlNodePtr, struct wbuf *, void *), void *,
		    const char **);

/*
 * Which namespace a prefix (NULL: none) has at n in the canonical form: that
 * of the nearest element around it, up to top, that is named with it; for no
 * prefix at last that of theMessage.
 */
static const char *
attach_kept_ns(xmlNodePtr n, xmlNodePtr top, const char *prefix)
{
	const char	*p;
	xmlAttrPtr	 a;

	for (;; n = n->parent) {
		p = n->ns != NULL ? (const char *)n->ns->prefix : NULL;
		if (p == NULL ? prefix == NULL :
		    prefix != NULL && strcmp(p, prefix) == 0)
			return n->ns != NULL ? (const char *)n->ns->href : "";
		for (a = n->properties; prefix != NULL && a != NULL;
		    a = a->next)
			if (a->ns != NULL && a->ns->prefix != NULL &&
			    strcmp((const char *)a->ns->prefix, prefix) == 0)
				return (const char *)a->ns->href;
		if (n == top)
			return prefix == NULL ? NS_WSE : NULL;
	}
}

/* Does the QName in an xsi:type mean the same before and after? */
static int
attach_type_kept(xmlNodePtr n, xmlNodePtr top, const char *qname)
{
	const char	*colon, *before, *after;
	char		*prefix = NULL;
	xmlNsPtr	 ns;
	int		 kept;

	if ((colon = strchr(qname, ':')) != NULL &&
	    (prefix = strndup(qname, (size_t)(colon - qname))) == NULL)
		return 0;
	ns = xmlSearchNs(n->doc, n, (const xmlChar *)prefix);
	before = ns != NULL && ns->href != NULL ? (const char *)ns->href : "";
	after = attach_kept_ns(n, top, prefix);
	kept = after != NULL && strcmp(before, after) == 0;
	free(prefix);
	return kept;
}

static int
attach_check_types(xmlNodePtr top, const char **why)
{
	xmlNodePtr	 n = top, next;
	char		*type;
	int		 kept;

	while (n != NULL) {
		if ((type = xml_attr(n, NS_XSI, "type")) != NULL) {
			kept = attach_type_kept(n, top,
			    type + strspn(type, " \t\r\n"));
			free(type);
			if (!kept) {
				*why = "xsi:type in an attachment uses a "
				    "prefix that no name around it uses";
				return -1;
			}
		}
		next = xml_first(n);
		while (next == NULL && n != top)
			if ((next = xml_next(n)) == NULL)
				n = n->parent;
		n = next;
	}
	return 0;
}

/*
 * Adds a canonical fragment with an empty default namespace on it, unless it
 * declares one itself: right behind the name of its first tag.
 */
static int
attach_fragment(struct wbuf *out, const struct wbuf *fragment)
{
	static const char	 decl[] = " xmlns=\"";
	const char		*p = (const char *)fragment->data;
	size_t			 name;

	name = strcspn(p, " >");
	wbuf_raw(out, p, name);
	if (strncmp(p + name, decl, sizeof(decl) - 1) != 0)
		wbuf_puts(out, " xmlns=\"\"");
	wbuf_raw(out, p + name, fragment->len - name);
	return out->error ? -1 : 0;
}

static int
attach_content(struct wbuf *out, xmlNodePtr content, const char **why)
{
	struct wbuf	 w = { 0 };
	int		 rv = -1;

	if (attach_check_types(content, why) == -1)
		return -1;
	*why = "an attachment has no canonical form";
	if (xml_c14n(content, &w) == 0) {
		wbuf_raw(&w, "", 1);	/* for str*() */
		if (!w.error) {
			w.len--;
			rv = attach_fragment(out, &w);
		}
	}
	wbuf_free(&w);
	return rv;
}

static int
attach_node(struct wbuf *out, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 c, content = NULL;

	*why = "malformed XmlAttachments";
	if (!xml_is(n, NS_WSE, "XmlNode"))
		return -1;
	for (c = n->children; c != NULL; c = c->next) {
		if (c->type == XML_ELEMENT_NODE && content == NULL)
			content = c;
		else if (c->type != XML_COMMENT_NODE && !xmlIsBlankNode(c)) {
			*why = "an attachment is not one element";
			return -1;
		}
	}
	wbuf_puts(out, "<XmlNode>");
	if (content != NULL && attach_content(out, content, why) == -1)
		return -1;
	wbuf_puts(out, "</XmlNode>");
	return 0;
}

/* Canonical in the new place: apex form, less the declaration around it. */
static int
attach_canonical(const struct wbuf *raw, struct wbuf *out)
{
	const struct xml_limits	 lim = { raw->len, ATTACH_DEPTH, ATTACH_COUNT,
				    ATTACH_ATTRIBUTES, ATTACH_COUNT,
				    ATTACH_COUNT };
	struct wbuf		 w = { 0 };
	xmlDocPtr		 doc;
	const char		*why;
	const size_t		 apex = sizeof(ATTACH_APEX) - 1;
	int			 rv = -1;

	if ((doc = xml_parse(raw->data, raw->len, &lim, &why)) == NULL)
		return -1;
	if (xml_c14n(xmlDocGetRootElement(doc), &w) == 0 && w.len >= apex &&
	    memcmp(w.data, ATTACH_APEX, apex) == 0) {
		wbuf_puts(out, ATTACH_OPEN);
		wbuf_raw(out, w.data + apex, w.len - apex);
		rv = out->error ? -1 : 0;
	}
	wbuf_free(&w);
	xmlFreeDoc(doc);
	return rv;
}

int
wsmsg_read_attachments(struct wsmsg *m, xmlNodePtr n, const char **why)
{
	struct wbuf	 raw = { 0 };
	xmlNodePtr	 c;
	int		 rv = -1;

	if (xml_first(n) == NULL)
		return 0;
	wbuf_puts(&raw, ATTACH_APEX);
	for (c = xml_first(n); c != NULL; c = xml_next(c))
		if (attach_node(&raw, c, why) == -1)
			goto out;
	wbuf_puts(&raw, ATTACH_CLOSE);
	*why = "an attachment has no canonical form";
	if (!raw.error)
		rv = attach_canonical(&raw, &m->attachments);
 out:
	wbuf_free(&raw);
	return rv;
}

int
wsmsg_put_attachment(struct wsmsg *m, const void *p, size_t len,
    const char **why)
{
	const struct xml_limits	 lim = { len, ATTACH_DEPTH, ATTACH_COUNT,
				    ATTACH_ATTRIBUTES, ATTACH_COUNT,
				    ATTACH_COUNT };
	const size_t		 open = sizeof(ATTACH_OPEN) - 1;
	const size_t		 close = sizeof(ATTACH_CLOSE) - 1;
	struct wbuf		 raw = { 0 }, all = { 0 };
	xmlDocPtr		 doc;
	int			 rv = -1;

	if ((doc = xml_parse(p, len, &lim, why)) == NULL)
		return -1;
	wbuf_puts(&raw, ATTACH_APEX);
	if (m->attachments.len >= open + close)
		wbuf_raw(&raw, m->attachments.data + open,
		    m->attachments.len - open - close);
	wbuf_puts(&raw, "<XmlNode>");
	if (attach_content(&raw, xmlDocGetRootElement(doc), why) == 0) {
		wbuf_puts(&raw, "</XmlNode>" ATTACH_CLOSE);
		*why = "an attachment has no canonical form";
		if (!raw.error && attach_canonical(&raw, &all) == 0) {
			wbuf_free(&m->attachments);
			m->attachments = all;
			rv = 0;
		}
	}
	if (rv == -1)
		wbuf_free(&all);
	wbuf_free(&raw);
	xmlFreeDoc(doc);
	return rv;
}

/* One XmlNode, as it is or with what replace() has for it. */
static int
attach_replace(struct wbuf *raw, xmlNodePtr n,
    int (*replace)(xmlNodePtr, struct wbuf *, void *), void *arg,
    const char **why)
{
	struct wbuf	 w = { 0 };
	int		 rv = 0;

	*why = "an attachment cannot be replaced";
	if (xml_first(n) != NULL)
		rv = replace(xml_first(n), &w, arg);
	if (rv == 0)
		rv = attach_node(raw, n, why);
	else if (rv == 1) {
		wbuf_u8(&w, 0);		/* for str*() */
		w.len--;
		wbuf_puts(raw, "<XmlNode>");
		rv = w.error ? -1 : attach_fragment(raw, &w);
		wbuf_puts(raw, "</XmlNode>");
	}
	wbuf_free(&w);
	return rv;
}

int
wsmsg_replace_attachments(struct wsmsg *m,
    int (*replace)(xmlNodePtr, struct wbuf *, void *), void *arg,
    const char **why)
{
	const struct xml_limits	 lim = { m->attachments.len + sizeof(ATTACH_APEX),
				    ATTACH_DEPTH, ATTACH_COUNT,
				    ATTACH_ATTRIBUTES, ATTACH_COUNT,
				    ATTACH_COUNT };
	const size_t		 open = sizeof(ATTACH_OPEN) - 1;
	struct wbuf		 raw = { 0 }, all = { 0 };
	xmlDocPtr		 doc;
	xmlNodePtr		 n;
	int			 rv = -1;

	if (m->attachments.len < open)
		return 0;
	wbuf_puts(&raw, ATTACH_APEX);
	wbuf_raw(&raw, m->attachments.data + open, m->attachments.len - open);
	if ((doc = xml_parse(raw.data, raw.len, &lim, why)) == NULL)
		goto out;
	raw.len = 0;
	wbuf_puts(&raw, ATTACH_APEX);
	for (n = xml_first(xmlDocGetRootElement(doc)); n != NULL;
	    n = xml_next(n))
		if (attach_replace(&raw, n, replace, arg, why) == -1)
			goto out;
	wbuf_puts(&raw, ATTACH_CLOSE);
	*why = "an attachment has no canonical form";
	if (!raw.error && attach_canonical(&raw, &all) == 0) {
		wbuf_free(&m->attachments);
		m->attachments = all;
		memset(&all, 0, sizeof(all));
		rv = 0;
	}
 out:
	wbuf_free(&all);
	wbuf_free(&raw);
	xmlFreeDoc(doc);
	return rv;
}
