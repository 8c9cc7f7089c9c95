/* SPDX-License-Identifier: ISC */
/* What the wss_*.c files share and nobody else needs. */
#ifndef WSS_INT_H
#define WSS_INT_H

#include "wss.h"
#include "wsemail.h"

#define WSS_PREFIXES_MAX	32	/* in one PrefixList; each is looked up at each node */
#define WSS_REFERENCES_MAX	64	/* whatever the rules say */

enum wss_alg { WSS_HMAC_SHA256, WSS_RSA_SHA256, WSS_ECDSA_SHA256 };

struct wss_reference {
	char		*id;		/* without '#' */
	char		**prefixes;	/* NULL-terminated, or NULL */
	char		*prefixes_text;	/* what they point into */
	uint8_t		 digest[32];
};

/* A ds:Signature, its form checked against the allow list. */
struct wss_signature {
	enum wss_alg	 alg;
	xmlNodePtr	 signedinfo, keyinfo;	/* keyinfo NULL: none */
	char		**prefixes;	/* of the CanonicalizationMethod */
	char		*prefixes_text;
	uint8_t		*value;
	size_t		 value_len;
	int		 was_der;
	size_t		 nref;
	struct wss_reference ref[WSS_REFERENCES_MAX];
};

/*
 * 0, or -1 with fault and reason; s is freed by the caller in any case.
 */
#define WSS_SIG_DER	0x1	/* an ECDSA value may be DER, and is made r|s */
#define WSS_SIG_ENVELOPED 0x2	/* the one reference is to what it stands in */
int	 wss_signature_parse(struct wss_signature *, xmlNodePtr,
	    unsigned int references_max, int flags, enum wss_fault *, const char **why);
void	 wss_signature_free(struct wss_signature *);
/* Digest of a node's exclusive canonical form is the reference's: 0 or -1. */
int	 wss_reference_check(const struct wss_reference *, xmlNodePtr,
	    const struct xml_parts *);
/* A public key's signature over octets.  0 or -1. */
int	 wss_verify_octets(X509 *, enum wss_alg, const void *, size_t,
	    const uint8_t *sig, size_t siglen);
/* Text without the white space around it (anyURI and the like collapse it); caller frees. */
char	*wss_token_text(xmlNodePtr, size_t max);

#endif /* WSS_INT_H */
