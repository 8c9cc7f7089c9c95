/* SPDX-License-Identifier: ISC */
/*
 * The token by which a domain vouches for one of its users towards one other
 * domain: a SAML 2.0 assertion (saml-core-2.0-os) with one subject, confirmed
 * by holder of key (saml-holder-of-key; sstc-saml-holder-of-key-browser is
 * another profile), one audience and an enveloped signature.  What has any
 * other form is refused, so that there is nothing in it that was not judged.
 */
#ifndef SAML_H
#define SAML_H

#include "pki.h"
#include "xml.h"

#define SAML_TOKEN_MAX	65536	/* octets of an assertion */

struct saml {
	char		*id;		/* its ID: of a fresh one 128 random bits */
	char		*issuer;	/* a domain, normalized */
	char		*subject;	/* an address, normalized */
	char		*audience;	/* a domain, normalized */
	char		*login;		/* URI: how the subject logged in */
	int64_t		 issued;	/* ms, as are these: */
	int64_t		 from, until;	/* NotBefore, NotOnOrAfter */
	X509		*holder;	/* a certificate with the subject's key; by whom
					 * it is signed is of no meaning */
	int		 bare_key;	/* it carries a ds:KeyValue, and is no more */
	/* Of one that was read: who signed it, for the caller to judge. */
	X509		*signer;
	STACK_OF(X509)	*chain;
};
void		 saml_free(struct saml *);

/*
 * Without its signature, in exclusive canonical form; *at is where that goes,
 * and signedinfo what is to be signed with sigalg.  0, or -1 and errno.
 */
int		 saml_compose(const struct saml *, const char *sigalg,
		    struct wbuf *out, size_t *at, struct wbuf *signedinfo);
/* With it: cert and chain are the signer's.  0, or -1. */
int		 saml_seal(const struct wbuf *unsealed, size_t at,
		    const struct wbuf *signedinfo, const uint8_t *value,
		    size_t, X509 *cert, STACK_OF(X509) *chain, struct wbuf *out);

/*
 * The holder from a ds:KeyInfo with one X509Certificate or one KeyValue, RSA
 * or EC, as strong as pki.h asks; 0, or -1.  And what stands in one: 0 or -1.
 */
int		 saml_holder_read(struct saml *, xmlNodePtr keyinfo);
int		 saml_holder_put(struct wbuf *, const struct saml *);

/*
 * Of an Assertion in a tree.  0: its form is right and it is signed by
 * s->signer, whoever that is; -1: *why.  Neither the time nor the trust in
 * the signer has been looked at.
 */
int		 saml_read(struct saml *s, xmlNodePtr, const char **why);

#endif /* SAML_H */
