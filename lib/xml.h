/* SPDX-License-Identifier: ISC */
/*
 * Parsing hostile XML (libxml2), and writing XML as text.  DOCTYPE, entities
 * other than the five, XInclude, processing instructions, encodings other
 * than UTF-8, and anything over the limits are refused.
 */
#ifndef XML_H
#define XML_H

#include <libxml/tree.h>

#include "wire.h"

struct xml_limits {
	size_t		 bytes;
	unsigned int	 depth, nodes, attributes, namespaces, ids;
};

/* Once a process, before the sandbox.  0 or -1. */
int		 xml_init(void);
/*
 * Parses a whole document.  NULL: refused, *why a constant sentence.
 * Ids (wsu:Id, xml:id, and the unqualified Id, ID, id) are collected and
 * must be unique over all of them, NCNames; they are registered so that
 * xml_byid() and xmlsec find them, each with exactly one element.
 */
xmlDocPtr	 xml_parse(const void *, size_t, const struct xml_limits *,
		    const char **why);
xmlNodePtr	 xml_byid(xmlDocPtr, const char *id);
/* Element children only. */
xmlNodePtr	 xml_child(xmlNodePtr, const char *ns, const char *name);	/* first, or NULL */
/* first with that name; *count = how many there are. */
xmlNodePtr	 xml_child_count(xmlNodePtr, const char *ns, const char *name, int *count);
xmlNodePtr	 xml_first(xmlNodePtr);
xmlNodePtr	 xml_next(xmlNodePtr);
int		 xml_is(xmlNodePtr, const char *ns, const char *name);
/*
 * Text content of an element without element children (comments are refused,
 * not skipped); caller frees.  NULL: not such an element, or over max octets.
 */
char		*xml_text(xmlNodePtr, size_t max);
/* Attribute value, caller frees; ns NULL: unqualified. */
char		*xml_attr(xmlNodePtr, const char *ns, const char *name);

/* Exclusive C14N (no comments) of one subtree into out.  0 or -1. */
int		 xml_c14n(xmlNodePtr, struct wbuf *out);
/* The same with a NULL-terminated InclusiveNamespaces PrefixList, or NULL. */
int		 xml_c14n_prefixes(xmlNodePtr, char **, struct wbuf *out);

/* Writers that escape as canonical XML does: text and attribute values. */
void		 xml_put_text(struct wbuf *, const char *);
void		 xml_put_attr(struct wbuf *, const char *);
/* <name>text</name>; NULL text: nothing at all. */
void		 xml_put_elem(struct wbuf *, const char *name, const char *text);
void		 xml_put_base64(struct wbuf *, const uint8_t *, size_t);
/* Decodes base64Binary (white space allowed); caller frees.  NULL: malformed. */
uint8_t		*xml_base64(const char *, size_t *len);
/* 1 when the text holds only characters XML 1.0 allows, in valid UTF-8. */
int		 xml_valid_text(const char *, size_t);

#endif /* XML_H */
