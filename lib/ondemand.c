/* SPDX-License-Identifier: ISC */
/* On-demand attachments in a message.  Called by soap and wsmail. */
#include "compat.h"

#include <stdio.h>

#include "addr.h"
#include "ondemand.h"
#include "wsemail.h"

#define ONDEMAND_TEXT	4096	/* octets of any element */

static char	*ondemand_text(xmlNodePtr, const char *, int required);
static int	 ondemand_location(struct ondemand *, xmlNodePtr);
static int	 ondemand_size(struct ondemand *, xmlNodePtr);

int
ondemand_id_ok(const char *s)
{
	return strlen(s) == ONDEMAND_ID - 1 &&
	    strspn(s, "0123456789abcdef") == ONDEMAND_ID - 1;
}

int
ondemand_digest(const char *text, uint8_t digest[32])
{
	uint8_t	*p;
	size_t	 len = 0;
	int	 rv = -1;

	if ((p = xml_base64(text, &len)) != NULL && len == 32) {
		memcpy(digest, p, 32);
		rv = 0;
	}
	free(p);
	return rv;
}

/* Of the only child of that name; "" for one that is absent and may be. */
static char *
ondemand_text(xmlNodePtr n, const char *name, int required)
{
	xmlNodePtr	 c;
	int		 count;

	c = xml_child_count(n, NS_WSE2, name, &count);
	if (count == 0 && !required)
		return strdup("");
	return count == 1 ? xml_text(c, ONDEMAND_TEXT) : NULL;
}

static int
ondemand_location(struct ondemand *o, xmlNodePtr n)
{
	char	 norm[ADDR_DOMAIN_MAX + 1], *text;
	int	 rv = -1;

	if ((text = ondemand_text(n, "Location", 1)) != NULL &&
	    addr_domain_normalize(text, norm, sizeof(norm)) == 0 &&
	    (o->location = strdup(norm)) != NULL)
		rv = 0;
	free(text);
	return rv;
}

static int
ondemand_size(struct ondemand *o, xmlNodePtr n)
{
	const char	*errstr = "malformed";
	char		*text;

	if ((text = ondemand_text(n, "Size", 1)) != NULL)
		o->size = (uint64_t)strtonum(text, 0, INT64_MAX, &errstr);
	free(text);
	return errstr == NULL ? 0 : -1;
}

int
ondemand_read(struct ondemand *o, xmlNodePtr n, const char **why)
{
	char	*id = NULL, *digest = NULL;
	int	 rv = -1;

	memset(o, 0, sizeof(*o));
	*why = "malformed OnDemandAttachment";
	if ((id = ondemand_text(n, "Identifier", 1)) == NULL ||
	    !ondemand_id_ok(id) ||
	    (digest = ondemand_text(n, "Digest", 1)) == NULL ||
	    ondemand_digest(digest, o->digest) == -1 ||
	    ondemand_location(o, n) == -1 || ondemand_size(o, n) == -1 ||
	    (o->name = ondemand_text(n, "Name", 1)) == NULL ||
	    (o->type = ondemand_text(n, "Type", 0)) == NULL ||
	    (o->description = ondemand_text(n, "Description", 0)) == NULL)
		ondemand_free(o);
	else {
		strlcpy(o->id, id, sizeof(o->id));
		rv = 0;
	}
	free(id);
	free(digest);
	return rv;
}

void
ondemand_free(struct ondemand *o)
{
	free(o->location);
	free(o->name);
	free(o->type);
	free(o->description);
	memset(o, 0, sizeof(*o));
}

void
ondemand_put(struct wbuf *w, const struct ondemand *o)
{
	char	 size[24];

	snprintf(size, sizeof(size), "%llu", (unsigned long long)o->size);
	wbuf_puts(w, "<x:OnDemandAttachment xmlns:x=\"" NS_WSE2 "\">");
	xml_put_elem(w, "x:Location", o->location);
	xml_put_elem(w, "x:Identifier", o->id);
	xml_put_elem(w, "x:Name", o->name);
	xml_put_elem(w, "x:Type", o->type);
	xml_put_elem(w, "x:Description", o->description);
	xml_put_elem(w, "x:Size", size);
	wbuf_puts(w, "<x:Digest>");
	xml_put_base64(w, o->digest, sizeof(o->digest));
	wbuf_puts(w, "</x:Digest></x:OnDemandAttachment>");
}
