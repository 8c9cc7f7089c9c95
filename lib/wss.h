/* SPDX-License-Identifier: ISC */
/*
 * WS-Security 1.1 on an envelope, both ways.  Examining is in two steps,
 * because the process that parses XML holds no secret: wss_examine() checks
 * the form, the time and every reference's digest and hands out the
 * canonical SignedInfo; whoever holds the key (or wss_verify_cert() with a
 * public one) judges the signature over it.
 *
 * What was signed is what is used: after success the caller reads only
 * wss->body, wss->delivery and the wsa_* strings, which are copied from the
 * nodes the references covered.
 */
#ifndef WSS_H
#define WSS_H

#include "msg_queue.h"
#include "pki.h"
#include "saml.h"
#include "xml.h"
#include "xml_part.h"

enum wss_token { WSS_NONE, WSS_PASSWORD, WSS_MAC, WSS_X509, WSS_THUMBPRINT,
	WSS_SAML };

enum wss_fault {		/* -> fault codes of WSS 1.1 section 12 */
	WSS_F_OK,	/* with -1: not about security, the envelope is malformed */
	WSS_F_UNSUPPORTED_TOKEN,	/* wsse:UnsupportedSecurityToken */
	WSS_F_UNSUPPORTED_ALGORITHM,	/* wsse:UnsupportedAlgorithm */
	WSS_F_INVALID_SECURITY,		/* wsse:InvalidSecurity */
	WSS_F_INVALID_TOKEN,		/* wsse:InvalidSecurityToken */
	WSS_F_FAILED_AUTH,		/* wsse:FailedAuthentication */
	WSS_F_FAILED_CHECK,		/* wsse:FailedCheck */
	WSS_F_TOKEN_UNAVAILABLE,	/* wsse:SecurityTokenUnavailable */
	WSS_F_EXPIRED			/* wsse:MessageExpired (WSS 1.1) */
};
const char	*wss_fault_code(enum wss_fault);	/* local name */

struct wss_rules {
	int64_t		 now;		/* ms */
	unsigned int	 future;	/* s, F */
	unsigned int	 lifetime;	/* s, W */
	unsigned int	 references_max;
	int		 ecdsa_der;	/* take an ECDSA value in DER, too */
	const struct xml_parts *parts;	/* of the document, or NULL */
};

struct wss {
	enum wss_token	 token;
	enum wss_fault	 fault;
	const char	*why;		/* for the log, constant */
	/* envelope */
	int		 soap12;
	xmlNodePtr	 header;	/* may be NULL */
	xmlNodePtr	 body;		/* soap:Body; signed when a signature authenticates */
	xmlNodePtr	 operation;	/* its only element child */
	xmlNodePtr	 delivery;	/* wse2:Delivery header, or NULL; likewise signed */
	char		*wsa_action, *wsa_to, *wsa_messageid, *wsa_from;	/* or NULL; likewise */
	char		*wsa_relatesto;	/* or NULL; likewise */
	/* token */
	char		*username;	/* PASSWORD, MAC: as given */
	char		*password;	/* PASSWORD; wiped by wss_free() */
	uint8_t		*salt;		/* MAC */
	size_t		 salt_len;
	uint32_t	 iterations;	/* MAC */
	X509		*cert;		/* X509; for THUMBPRINT set by the caller, a
					 * reference that wss_free() drops */
	STACK_OF(X509)	*chain;		/* of cert, or NULL; likewise */
	uint8_t		 thumbprint[20];
	struct saml	 saml;		/* SAML; cert is that of its holder */
	int		 token_signed;	/* the signature covers it */
	/* signature */
	int		 has_signature;
	struct wbuf	 signedinfo;	/* canonical */
	uint8_t		*sigvalue;
	size_t		 sigvalue_len;
	int		 sig_is_ecdsa;	/* else RSA, for X509 */
	int		 sig_was_der;	/* ECDSA: sigvalue is r|s all the same */
	/* time and replay */
	int64_t		 created, expires;	/* ms, 0: no Timestamp */
	char		*nonce;		/* UsernameToken Nonce (base64 text), or NULL;
					 * with a signature only if that covers it */
};

/*
 * Reads the envelope and its Security header.  0: form, time and digests are
 * right (token WSS_NONE: there is no Security header); -1: w->fault, w->why.
 * With a signature: Body and Timestamp must be covered, and every
 * WS-Addressing header and Delivery that is there; only same-document
 * references to one element by id, only exclusive C14N, SHA-256; algorithms
 * hmac-sha256, rsa-sha256, ecdsa-sha256; one Security header, one Timestamp,
 * one token, one signature.  The doc must outlive w.
 */
int		 wss_examine(struct wss *, xmlDocPtr, const struct wss_rules *);
void		 wss_free(struct wss *);
/*
 * The first header block for us, or for anyone, that says mustUnderstand and
 * that this system does not know; NULL: none.  May be asked as soon as
 * wss_examine() has returned, whatever that returned.
 */
xmlNodePtr	 wss_not_understood(const struct wss *);
/* The signature over w->signedinfo under w->cert's key.  0 or -1 (fault set). */
int		 wss_verify_cert(struct wss *);
/*
 * What to remember: key over principal and (nonce | wsa MessageID | digest
 * of SignedInfo); until = created + lifetime + future (formal.md 2.5: never
 * before t + W).  until 0 when nothing authenticates by freshness.
 */
void		 wss_replay(const struct wss *, const char *principal,
		    const struct wss_rules *, struct replay *);

/*
 * Signing.  The envelope is composed as text around pieces that are already
 * canonical; nothing is re-serialised afterwards.
 *
 * wss_signedinfo(): canonical ds:SignedInfo (exclusive C14N, as text) over
 * n references: id and SHA-256 of the element's exclusive canonical form.
 */
struct wss_ref {
	const char	*id;
	int		 enveloped;	/* the signature stands in it */
	uint8_t		 digest[32];
};
void		 wss_signedinfo(struct wbuf *, const char *sigalg,
		    const struct wss_ref *, size_t);
/* ds:Signature around it; keyinfo is the inner XML of ds:KeyInfo, may be NULL. */
void		 wss_signature(struct wbuf *, const struct wbuf *signedinfo,
		    const uint8_t *value, size_t, const char *keyinfo);
/* ds:X509Data with the certificate and its chain (may be NULL): the keyinfo of a detached signature.  0 or -1. */
int		 wss_x509data(struct wbuf *, X509 *, STACK_OF(X509) *);
/* SHA-256 of a fragment that is its own exclusive canonical form; checks that it is (parses, canonicalises, compares): -1 EILSEQ. */
int		 wss_digest(const void *, size_t, uint8_t digest[32]);

/*
 * A detached ds:Signature over theMessage (wsmsg.h): sig is the Signature
 * element alone.  Verifies that it has one reference, to M's Id, exclusive
 * C14N and SHA-256, and that it holds under the certificate in its
 * X509Data, which is handed out for the caller to judge: *cert, *chain (free both).
 * 0 or -1 with *why.
 */
int		 wss_verify_detached(const void *m, size_t, const void *sig, size_t,
		    X509 **cert, STACK_OF(X509) **chain, const char **why);
/*
 * The same of a signature that stood in m, from where it was taken, and names
 * m by its attribute ID: as SAML 2.0 core, section 5.4, has it.
 */
int		 wss_verify_enveloped(const void *m, size_t, const void *sig,
		    size_t, X509 **cert, STACK_OF(X509) **chain,
		    const char **why);

#endif /* WSS_H */
