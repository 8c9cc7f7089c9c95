/* SPDX-License-Identifier: ISC */
/*
 * The XML of a call for plug-ins that parse none: parsed when the first of
 * these is called, under the limits of requests.
 */
#include "compat.h"

#include "wsemail.h"
#include "wsplug.h"
#include "xml.h"

static xmlNodePtr view_root(struct wsp_call *);
static const struct wsmsg *view_msg(struct wsp_call *);
static xmlNodePtr view_attachment(struct wsp_call *, size_t);
static xmlNodePtr view_named(xmlNodePtr, const char *);

/* NULL: there is none to see, or it does not parse. */
static xmlNodePtr
view_root(struct wsp_call *c)
{
	const struct conf	*conf = c->w->p->conf;
	struct xml_limits	 lim;
	const char		*why;

	if (!c->viewed && c->c.body_len > 0) {
		lim.bytes = (size_t)conf->limit[LIM_MESSAGE_SIZE];
		lim.depth = (unsigned int)conf->limit[LIM_XML_DEPTH];
		lim.nodes = (unsigned int)conf->limit[LIM_XML_NODES];
		lim.attributes = (unsigned int)conf->limit[LIM_XML_ATTRIBUTES];
		lim.namespaces = (unsigned int)conf->limit[LIM_XML_NAMESPACES];
		lim.ids = (unsigned int)conf->limit[LIM_XML_IDS];
		/*
		 * A message was within them as its author wrote it; its
		 * canonical form is longer and declares anew, on each
		 * attachment at least.
		 */
		if (c->c.interface != PLUG_EXTENSION) {
			lim.bytes = c->c.body_len;
			lim.namespaces = lim.nodes;
		}
		c->doc = xml_parse(c->c.body, c->c.body_len, &lim, &why);
		if (c->doc != NULL && c->c.interface != PLUG_EXTENSION &&
		    wsmsg_read(&c->m, xmlDocGetRootElement(c->doc), &why) ==
		    -1) {
			xmlFreeDoc(c->doc);
			c->doc = NULL;
		}
	}
	c->viewed = 1;
	return c->doc == NULL ? NULL : xmlDocGetRootElement(c->doc);
}

static const struct wsmsg *
view_msg(struct wsp_call *c)
{
	return c->c.interface == PLUG_EXTENSION || view_root(c) == NULL ?
	    NULL : &c->m;
}

void
view_free(struct wsp_call *c)
{
	if (c->doc != NULL) {
		xmlFreeDoc(c->doc);
		wsmsg_free(&c->m);
	}
	wbuf_free(&c->text);
	free(c->arg);
}

const char *
wsp_body(struct wsp_call *c)
{
	const struct wsmsg	*m = view_msg(c);

	return m == NULL ? NULL : m->body == NULL ? "" : m->body;
}

const char *
wsp_recipient(struct wsp_call *c, size_t i)
{
	const struct wsmsg	*m = view_msg(c);

	return m == NULL || i >= m->nrcpt ? NULL : m->rcpt[i];
}

const char *
wsp_inreplyto(struct wsp_call *c)
{
	const struct wsmsg	*m = view_msg(c);

	return m == NULL ? NULL : m->inreplyto;
}

/*
 * The nth from 0 that has an element; one that is empty must not hide those
 * behind it.  They are asked for one after the other: goes on from the last.
 */
static xmlNodePtr
view_attachment(struct wsp_call *c, size_t nth)
{
	xmlNodePtr	 n = c->at;
	size_t		 i = c->at_nth;

	if (n == NULL || nth < i) {
		n = xml_first(xml_child(view_root(c), NS_WSE,
		    "XmlAttachments"));
		i = 0;
	}
	for (; n != NULL; n = xml_next(n))
		if (xml_first(n) != NULL && i++ == nth) {
			c->at = n;
			c->at_nth = nth;
			return xml_first(n);
		}
	return NULL;
}

const char *
wsp_attachment(struct wsp_call *c, size_t i, size_t *len)
{
	xmlNodePtr	 n;

	if (view_msg(c) == NULL || (n = view_attachment(c, i)) == NULL)
		return NULL;
	if (len != NULL) {
		wbuf_free(&c->text);
		if (xml_c14n(n, &c->text) == -1)
			return NULL;
		*len = c->text.len;
	}
	return (const char *)n->name;
}

/* The child of that local name, in whatever namespace. */
static xmlNodePtr
view_named(xmlNodePtr parent, const char *name)
{
	xmlNodePtr	 n;

	for (n = xml_first(parent); n != NULL; n = xml_next(n))
		if (strcmp((const char *)n->name, name) == 0)
			return n;
	return NULL;
}

/* The prototype's shape too: <Method><Arguments><name>text. */
const char *
wsp_arg(struct wsp_call *c, const char *name)
{
	xmlNodePtr	 root, n, inner;

	if (c->c.interface != PLUG_EXTENSION || (root = view_root(c)) == NULL)
		return NULL;
	if ((inner = view_named(root, "Arguments")) == NULL ||
	    (n = view_named(inner, name)) == NULL)
		n = view_named(root, name);
	free(c->arg);
	c->arg = n == NULL ? NULL : xml_text(n, c->c.body_len);
	return c->arg;
}

const char *
wsp_method(struct wsp_call *c)
{
	xmlNodePtr	 root;

	if (c->c.interface != PLUG_EXTENSION || (root = view_root(c)) == NULL)
		return NULL;
	return (const char *)root->name;
}

char *
wsp_escape(const char *text)
{
	struct wbuf	 w = { 0 };

	xml_put_text(&w, text);
	wbuf_u8(&w, 0);
	if (w.error == 0)
		return (char *)w.data;
	wbuf_free(&w);
	return NULL;
}
