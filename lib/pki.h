/* SPDX-License-Identifier: ISC */
/*
 * Certificates (RFC 5280): reading, chains, the names they carry.  Keys come
 * from a certificate that was validated here, never from KeyInfo at large.
 */
#ifndef PKI_H
#define PKI_H

#include <openssl/x509.h>

struct pki_store;		/* trust anchors with CRLs */

struct pki_store *pki_store_new(void);
void		 pki_store_free(struct pki_store *);
/* Adds all certificates (CRLs) of a PEM text.  -1 with *why. */
int		 pki_store_add(struct pki_store *, const void *pem, size_t,
		    const char **why);
int		 pki_store_add_crl(struct pki_store *, const void *pem, size_t,
		    const char **why);
/* 1 when it has any anchor. */
int		 pki_store_any(const struct pki_store *);

X509		*pki_cert_der(const void *, size_t);	/* exactly one; NULL */
/* First certificate of a PEM text; the others (intermediates) in *rest, may be NULL. */
X509		*pki_cert_pem(const void *, size_t, STACK_OF(X509) **rest);

/* Key rules: EC P-256 or RSA of 2048 bits and up; else 0. */
int		 pki_key_ok(X509 *);

#define PKI_DOMAIN	1	/* signs for a mail domain */
#define PKI_USER	2	/* logs a user in */
#define PKI_OK		0
#define PKI_TIME	1	/* not yet or no longer valid: asked before the signature */
#define PKI_UNTRUSTED	2	/* chain, purpose, key or revocation */
/*
 * Validity at `now` (s), then the chain.  A DOMAIN certificate: not a CA,
 * digitalSignature where a KeyUsage is given, and where an EKU is given one
 * of serverAuth, emailProtection or any.  *why is a constant sentence.
 * Results are cached by digest until notAfter or for some minutes.
 */
int		 pki_check(struct pki_store *, X509 *, STACK_OF(X509) *chain,
		    int purpose, int64_t now, const char **why);

/*
 * 1 when the certificate names exactly this mail domain: a dNSName equal to
 * it (no wildcard) or an SRVName _wsemail.<domain> (RFC 4985).
 */
int		 pki_names_domain(X509 *, const char *domain);
/*
 * An authority that is constrained to some DNS names may not give others
 * away as SRVNames, to which RFC 5280's constraints do not apply.  0, or -1:
 * it did.
 */
int		 pki_srv_constrained(X509 *, X509 *issuer);
/* Whether HTTPS would take the certificate for this host: a name or an IP address. */
int		 pki_names_host(X509 *, const char *host);
/* The first rfc822Name that is an address of `domain`, normalized, into buf; 0 or -1. */
int		 pki_user_address(X509 *, const char *domain, char *buf, size_t);
/* The first mail domain the certificate names, normalized; 0 or -1. */
int		 pki_first_domain(X509 *, char *buf, size_t);
char		*pki_subject(X509 *);			/* one line; caller frees */
int		 pki_thumbprint(X509 *, uint8_t sha1[20]);
uint8_t		*pki_der(X509 *, size_t *);		/* caller frees */

/*
 * A PkiPath (ITU-T X.509, 10.1): a SEQUENCE of certificates, the subject's
 * last and each before it that of its issuer.
 */
#define PKI_PATH_MAX	8
/* Of a certificate and its chain; caller frees.  NULL. */
uint8_t		*pki_path_der(X509 *, STACK_OF(X509) *chain, size_t *);
/* The subject's certificate, and the others in *chain.  NULL: malformed. */
X509		*pki_path_read(const void *, size_t, STACK_OF(X509) **chain);

#endif /* PKI_H */
