/* SPDX-License-Identifier: ISC */
/*
 * theMessage (WSEmailMessage): reading a parsed one, and composing the
 * canonical one that SS signs.  Composing writes exclusive canonical XML
 * directly: default namespace NS_WSE on theMessage, its Id, children in the
 * schema's order.
 */
#ifndef WSMSG_H
#define WSMSG_H

#include "xml.h"

struct wsmsg {
	char		*body, *subject;
	char		**rcpt;		/* as given; normalized by the caller */
	size_t		 nrcpt;
	char		*sender;
	int64_t		 timestamp;	/* ms; 0: absent */
	struct wbuf	 attachments;	/* <XmlAttachments> as it stands in theMessage
					 * (canonical, default namespace NS_WSE in
					 * force), or empty; wsmsg_put_attachment() */
	uint32_t	 flags;
	char		*msgid;		/* or NULL */
	char		*inreplyto;	/* or NULL */
	char		*id;		/* the Id attribute, or NULL */
};

/* From a parsed theMessage element.  0, or -1 with *why (constant). */
int		 wsmsg_read(struct wsmsg *, xmlNodePtr, const char **why);
void		 wsmsg_free(struct wsmsg *);
/*
 * Adds <XmlNode> with one element to m->attachments: a well-formed fragment
 * that declares what it uses.  0, or -1 with *why.
 */
int		 wsmsg_put_attachment(struct wsmsg *, const void *, size_t,
		    const char **why);
/*
 * Each attachment is shown to replace(): 0: it stays, 1: the fragment is put
 * in its place (as wsmsg_put_attachment() takes it), -1: no.  0, or -1 with
 * *why, and the message is as it was.
 */
int		 wsmsg_replace_attachments(struct wsmsg *,
		    int (*replace)(xmlNodePtr, struct wbuf *fragment, void *),
		    void *, const char **why);
/* Canonical theMessage; the Id is "m-" and the msgid's token.  0 or -1. */
int		 wsmsg_compose(const struct wsmsg *, struct wbuf *out);
/* SHA-256 of what the author wrote: body, subject, recipients, attachments, flags, inreplyto. */
void		 wsmsg_intent(const struct wsmsg *, uint8_t digest[32]);
/* 1: <token>@<domain>, token 16 to 64 of [A-Za-z0-9-], starting with a letter or digit; domain this one (NULL: any). */
int		 wsmsg_msgid_ok(const char *msgid, const char *domain);
/* A fresh one: 32 hex digits @ domain; caller frees. */
char		*wsmsg_msgid_new(const char *domain);

#endif /* WSMSG_H */
