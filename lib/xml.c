/* SPDX-License-Identifier: ISC */
/*
 * Parsing of hostile XML into a libxml2 tree, finding things in the tree,
 * and canonical octets out of it.  Writing is in xml_write.c, the limits in
 * xml_scan.c.  Called by wss_*.c, wsmsg.c, and the programs that speak SOAP.
 *
 * Comments are let through the parser (SOAP allows them between elements,
 * the canonical form used here drops them) but an element whose text they
 * split has no text: what is read is never another string than what was
 * signed.  Processing instructions are refused (SOAP 1.1 section 3).
 */
#include "compat.h"

#include <errno.h>

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/valid.h>
#include <libxml/xmlerror.h>

#include "xml.h"
#include "xml_scan.h"
#include "wsemail.h"

/* libxml2 refuses longer texts unless told that they are expected. */
#define XML_TEXT_USUAL	9000000
/* It takes an int. */
#define XML_BYTES_MAX	0x7fffffff

static void	 xml_ignore_error(void *, xmlErrorPtr);
static int	 xml_check_tree(xmlDocPtr, const struct xml_limits *,
		    const char **);
static int	 xml_check_ids(xmlDocPtr, xmlNodePtr, unsigned int *,
		    const struct xml_limits *, const char **);
static int	 xml_is_id(xmlAttrPtr);
static int	 xml_register_id(xmlDocPtr, xmlAttrPtr, const char **);
static xmlNodePtr xml_walk(xmlNodePtr, xmlNodePtr, unsigned int *);
static int	 xml_in_subtree(void *, xmlNodePtr, xmlNodePtr);
static struct xml_path *xml_isolate(xmlNodePtr, size_t *);
static void	 xml_rejoin(struct xml_path *, size_t);
static int	 xml_c14n_write(void *, const char *, int);

/* What an element was linked to, while its siblings are out of sight. */
struct xml_path {
	xmlNodePtr	 node, next, first;	/* first: of its parent */
};

/* Errors travel as return values; libxml2 must not print them. */
static void
xml_ignore_error(void *arg, xmlErrorPtr error)
{
	(void)arg;
	(void)error;
}

int
xml_init(void)
{
	static const char		 probe[] = "<a xml:id=\"i\"/>";
	static const struct xml_limits	 lim = { 64, 2, 4, 2, 2, 2 };
	struct wbuf			 w = { 0 };
	xmlDocPtr			 doc;
	const char			*why;
	int				 rv = -1;

	LIBXML_TEST_VERSION
	xmlInitParser();
	xmlSetStructuredErrorFunc(NULL, xml_ignore_error);
	/* Whatever is loaded at first use is loaded before the sandbox. */
	if ((doc = xml_parse(probe, sizeof(probe) - 1, &lim, &why)) != NULL) {
		rv = xml_c14n(xmlDocGetRootElement(doc), &w);
		xmlFreeDoc(doc);
	}
	wbuf_free(&w);
	return rv;
}

xmlDocPtr
xml_parse(const void *data, size_t len, const struct xml_limits *lim,
    const char **why)
{
	xmlParserCtxtPtr ctxt;
	xmlDocPtr	 doc;
	const char	*p = data;
	size_t		 start;
	int		 options, ok;

	if (len > XML_BYTES_MAX) {
		*why = "too large";
		return NULL;
	}
	if (xml_scan(data, len, lim, &start, why) == -1)
		return NULL;
	/* No NOENT, no DTD*, no XINCLUDE: nothing is ever expanded or loaded. */
	options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
	    XML_PARSE_NOCDATA | XML_PARSE_COMPACT;
	/* HUGE only lifts limits that the scan has just enforced. */
	if (len > XML_TEXT_USUAL || lim->depth > 200)
		options |= XML_PARSE_HUGE;
	if ((ctxt = xmlNewParserCtxt()) == NULL) {
		*why = "out of memory";
		return NULL;
	}
	doc = xmlCtxtReadMemory(ctxt, p + start, (int)(len - start), NULL,
	    "UTF-8", options);
	/* Namespace errors (an undeclared prefix) leave a tree behind. */
	ok = doc != NULL && ctxt->wellFormed && ctxt->nsWellFormed &&
	    doc->intSubset == NULL && doc->extSubset == NULL;
	*why = doc == NULL && ctxt->errNo == XML_ERR_NO_MEMORY ?
	    "out of memory" : "not well-formed";
	xmlFreeParserCtxt(ctxt);
	if (ok && xml_check_tree(doc, lim, why) == 0)
		return doc;
	xmlFreeDoc(doc);
	return NULL;
}

/*
 * The next element after n, in document order, below root; depth follows.
 * Iterative: the stack must not depend on what a peer sends.
 */
static xmlNodePtr
xml_walk(xmlNodePtr n, xmlNodePtr root, unsigned int *depth)
{
	xmlNodePtr	 next;

	if ((next = xml_first(n)) != NULL) {
		(*depth)++;
		return next;
	}
	while (n != root) {
		if ((next = xml_next(n)) != NULL)
			return next;
		n = n->parent;
		(*depth)--;
	}
	return NULL;
}

/* What the parser built is once more held against the limits. */
static int
xml_check_tree(xmlDocPtr doc, const struct xml_limits *lim, const char **why)
{
	xmlNodePtr	 root, n, c;
	unsigned int	 depth = 1, ids = 0;

	*why = "not well-formed";
	if ((root = xmlDocGetRootElement(doc)) == NULL)
		return -1;
	for (n = root; n != NULL; n = xml_walk(n, root, &depth)) {
		if (depth > lim->depth) {
			*why = "nested too deep (limit xml-depth)";
			return -1;
		}
		for (c = n->children; c != NULL; c = c->next)
			if (c->type != XML_ELEMENT_NODE &&
			    c->type != XML_TEXT_NODE &&
			    c->type != XML_CDATA_SECTION_NODE &&
			    c->type != XML_COMMENT_NODE) {
				*why = "neither element, text nor comment";
				return -1;
			}
		if (xml_check_ids(doc, n, &ids, lim, why) == -1)
			return -1;
	}
	*why = NULL;
	return 0;
}

/*
 * The spellings of an Id that any of the signature toolkits goes by.  All
 * are one space of names, so that no two of them can disagree about which
 * element "#x" is.
 */
static int
xml_is_id(xmlAttrPtr a)
{
	const char	*name = (const char *)a->name;

	if (a->ns == NULL)
		return strcmp(name, "Id") == 0 || strcmp(name, "ID") == 0 ||
		    strcmp(name, "id") == 0;
	if (strcmp((const char *)a->ns->href, NS_WSU) == 0)
		return strcmp(name, "Id") == 0;
	return xmlStrEqual(a->ns->href, XML_XML_NAMESPACE) &&
	    strcmp(name, "id") == 0;
}

static int
xml_register_id(xmlDocPtr doc, xmlAttrPtr a, const char **why)
{
	xmlAttrPtr	 known;
	xmlChar		*value;
	int		 rv = -1;

	if ((value = xmlNodeListGetString(doc, a->children, 1)) == NULL ||
	    xmlValidateNCName(value, 0) != 0)
		*why = "Id is not a name";
	else if ((known = xmlGetID(doc, value)) != NULL)
		/* libxml2 registers xml:id by itself. */
		rv = known == a ? 0 : -1;
	else if (xmlAddID(NULL, doc, value, a) != NULL)
		rv = 0;
	if (rv == -1 && *why == NULL)
		*why = "Id is not unique";
	xmlFree(value);
	return rv;
}

static int
xml_check_ids(xmlDocPtr doc, xmlNodePtr n, unsigned int *ids,
    const struct xml_limits *lim, const char **why)
{
	xmlAttrPtr	 a;

	for (a = n->properties; a != NULL; a = a->next) {
		if (!xml_is_id(a))
			continue;
		*why = ++*ids > lim->ids ? "too many Ids (limit xml-ids)" :
		    NULL;
		if (*why != NULL || xml_register_id(doc, a, why) == -1)
			return -1;
	}
	return 0;
}

xmlNodePtr
xml_byid(xmlDocPtr doc, const char *id)
{
	xmlAttrPtr	 a;

	a = xmlGetID(doc, (const xmlChar *)id);
	if (a == NULL || a->type != XML_ATTRIBUTE_NODE)
		return NULL;
	return a->parent;
}

xmlNodePtr
xml_first(xmlNodePtr n)
{
	if (n == NULL)
		return NULL;
	for (n = n->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE)
			return n;
	return NULL;
}

xmlNodePtr
xml_next(xmlNodePtr n)
{
	if (n == NULL)
		return NULL;
	for (n = n->next; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE)
			return n;
	return NULL;
}

int
xml_is(xmlNodePtr n, const char *ns, const char *name)
{
	if (n == NULL || n->type != XML_ELEMENT_NODE ||
	    strcmp((const char *)n->name, name) != 0)
		return 0;
	if (ns == NULL || n->ns == NULL)
		return ns == NULL && n->ns == NULL;
	return strcmp((const char *)n->ns->href, ns) == 0;
}

xmlNodePtr
xml_child_count(xmlNodePtr n, const char *ns, const char *name, int *count)
{
	xmlNodePtr	 c, found = NULL;

	*count = 0;
	for (c = xml_first(n); c != NULL; c = xml_next(c)) {
		if (!xml_is(c, ns, name))
			continue;
		if ((*count)++ == 0)
			found = c;
	}
	return found;
}

xmlNodePtr
xml_child(xmlNodePtr n, const char *ns, const char *name)
{
	int	 count;

	return xml_child_count(n, ns, name, &count);
}

char *
xml_text(xmlNodePtr n, size_t max)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 c;

	if (n == NULL || n->type != XML_ELEMENT_NODE)
		return NULL;
	for (c = n->children; c != NULL; c = c->next) {
		if (c->type != XML_TEXT_NODE &&
		    c->type != XML_CDATA_SECTION_NODE)
			goto err;
		if (c->content == NULL)
			continue;
		wbuf_puts(&w, (const char *)c->content);
		if (w.error || w.len > max)
			goto err;
	}
	wbuf_raw(&w, "", 1);
	if (w.error)
		goto err;
	return (char *)wbuf_steal(&w, &(size_t){ 0 });
 err:
	wbuf_free(&w);
	return NULL;
}

char *
xml_attr(xmlNodePtr n, const char *ns, const char *name)
{
	xmlChar	*value;
	char	*copy;

	if (ns == NULL)
		value = xmlGetNoNsProp(n, (const xmlChar *)name);
	else
		value = xmlGetNsProp(n, (const xmlChar *)name,
		    (const xmlChar *)ns);
	if (value == NULL)
		return NULL;
	copy = strdup((const char *)value);
	xmlFree(value);
	return copy;
}

/* For a namespace or an attribute, libxml2 tells whose it is in parent. */
static int
xml_in_subtree(void *arg, xmlNodePtr n, xmlNodePtr parent)
{
	xmlNodePtr	 root = arg;

	if (n == NULL)
		return 0;
	if (n->type == XML_NAMESPACE_DECL || n->type == XML_ATTRIBUTE_NODE)
		n = parent;
	for (; n != NULL; n = n->parent)
		if (n == root)
			return 1;
	return 0;
}

static int
xml_c14n_write(void *arg, const char *p, int len)
{
	struct wbuf	*w = arg;

	wbuf_raw(w, p, (size_t)len);
	return w->error ? -1 : len;
}

/*
 * libxml2 walks the whole document for the canonical form of any part of it,
 * and looks up every prefix of the list at each node.  So that a reference
 * costs what it covers, and not that times the size of all the rest, n and
 * what it is inside of are for a while the only children of their parents.
 * The namespaces in scope stay what they are.
 */
static struct xml_path *
xml_isolate(xmlNodePtr n, size_t *len)
{
	struct xml_path	*path;
	xmlNodePtr	 c;
	size_t		 i;

	for (*len = 0, c = n; c->parent != NULL; c = c->parent)
		(*len)++;
	if ((path = calloc(*len + 1, sizeof(*path))) == NULL)
		return NULL;
	for (i = 0, c = n; i < *len; i++, c = c->parent) {
		path[i].node = c;
		path[i].next = c->next;
		path[i].first = c->parent->children;
		c->next = NULL;
		c->parent->children = c;
	}
	return path;
}

static void
xml_rejoin(struct xml_path *path, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++) {
		path[i].node->next = path[i].next;
		path[i].node->parent->children = path[i].first;
	}
	free(path);
}

int
xml_c14n_prefixes(xmlNodePtr n, char **prefixes, struct wbuf *out)
{
	struct xml_path		*path;
	xmlOutputBufferPtr	 buf;
	size_t			 len;
	int			 rv;

	if ((path = xml_isolate(n, &len)) == NULL)
		return -1;
	buf = xmlOutputBufferCreateIO(xml_c14n_write, NULL, out, NULL);
	if (buf == NULL) {
		xml_rejoin(path, len);
		errno = ENOMEM;
		return -1;
	}
	rv = xmlC14NExecute(n->doc, xml_in_subtree, n,
	    XML_C14N_EXCLUSIVE_1_0, (xmlChar **)prefixes, 0, buf);
	xml_rejoin(path, len);
	if (xmlOutputBufferClose(buf) < 0 || rv < 0 || out->error) {
		errno = out->error ? out->error : EINVAL;
		return -1;
	}
	return 0;
}

int
xml_c14n(xmlNodePtr n, struct wbuf *out)
{
	return xml_c14n_prefixes(n, NULL, out);
}
