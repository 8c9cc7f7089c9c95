/* SPDX-License-Identifier: ISC */
/*
 * Composing a SOAP envelope with its Security header, by soap and by
 * wsmail.  Every part that is signed is written as a fragment that declares
 * its own prefixes, in exclusive canonical form, so that its digest is that
 * of the very octets sent.  Prefixes: s SOAP, w the operation, x NS_WSE2,
 * wsa, wsse, wsu, ds.
 *
 * Order of calls: init, headers and body, timestamp, at most one token; then
 * either soapenv_finish() with no signature, or soapenv_signedinfo(), the
 * value by who has the key, soapenv_finish().  Errors stick and are told by
 * soapenv_finish().
 */
#ifndef SOAPENV_H
#define SOAPENV_H

#include "msg_queue.h"
#include "wss.h"
#include "xml_part.h"

#define SOAPENV_REFS	16
#define SOAPENV_TAG	17
#define SOAPENV_ID	40	/* a constant name, a hyphen, the tag */

struct soapenv {
	int		 soap12;
	struct wbuf	 header;	/* header blocks but Security */
	struct wbuf	 security;	/* Timestamp, token */
	struct wbuf	 keyinfo;
	struct wbuf	 body;
	struct wbuf	 signedinfo;
	char		 tag[SOAPENV_TAG];	/* of this envelope's Ids */
	char		 id[SOAPENV_REFS][SOAPENV_ID];
	struct wss_ref	 ref[SOAPENV_REFS];
	size_t		 nref;
	struct xml_parts parts;		/* soapenv_part() */
	char		 mark[XML_MARK];
	int		 error;
};

void	 soapenv_init(struct soapenv *, int soap12);
void	 soapenv_free(struct soapenv *);
/* A WS-Addressing header: name "To", "Action", "MessageID", "RelatesTo". */
void	 soapenv_wsa(struct soapenv *, const char *name, const char *value);
/*
 * The Delivery header; kind, from and to may be NULL.  rcpt[i].orig goes
 * into the `for` attribute when it is not empty.  instant: as FLAG_INSTANT.
 */
void	 soapenv_delivery(struct soapenv *, const char *kind, const char *from,
	    const char *to, const struct rcpt *, size_t, int instant);
/* <s:Body ...>, for who writes the rest of e->body himself. */
void	 soapenv_body_open(struct soapenv *);
/* Body with one element <w:op xmlns:w=ns>content</w:op>. */
void	 soapenv_body(struct soapenv *, const char *ns, const char *op,
	    const struct wbuf *content);
/*
 * These octets stand in base64 where Body has the text e->mark, once, in what
 * is signed and sent (XOP 1.0 section 5: a signature is over the infoset).
 * They must stay until the end.
 */
void	 soapenv_part(struct soapenv *, const void *, size_t);
void	 soapenv_timestamp(struct soapenv *, int64_t now, unsigned int life);
void	 soapenv_token_password(struct soapenv *, const char *user,
	    const char *password);
void	 soapenv_token_mac(struct soapenv *, const char *user,
	    const uint8_t *salt, size_t, uint32_t iterations);
void	 soapenv_token_cert(struct soapenv *, X509 *, STACK_OF(X509) *chain);
void	 soapenv_token_thumbprint(struct soapenv *, X509 *);
/* An assertion as it stands, in exclusive canonical form, and its ID. */
void	 soapenv_token_saml(struct soapenv *, const char *xml, const char *id);
/* The octets to sign with this algorithm; NULL on error. */
const struct wbuf *soapenv_signedinfo(struct soapenv *, const char *alg);
/* The whole envelope; value NULL: unsigned.  0, or -1 and errno. */
int	 soapenv_finish(struct soapenv *, const uint8_t *value, size_t,
	    struct wbuf *out);
/*
 * The same as an MTOM package, the part beside the envelope if there is one;
 * type is its media type.
 */
#define SOAPENV_TYPE	256
int	 soapenv_package(struct soapenv *, const uint8_t *value, size_t,
	    struct wbuf *out, char type[static SOAPENV_TYPE]);

#endif /* SOAPENV_H */
