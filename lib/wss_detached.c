/* SPDX-License-Identifier: ISC */
/*
 * Verifying the signature over theMessage, which is kept beside it as octets
 * of its own; and that of an assertion, which was taken out of it.  Called by
 * soap when mail comes in, by wsmail when it is read, and by saml.c.
 *
 * The two are parsed apart from each other, so a PrefixList, which would
 * bring in declarations from around, has no meaning here and is refused;
 * and M must be its own canonical form: the octets that were judged are the
 * octets that are stored and handed on.
 */
#include "compat.h"

#include "wss_int.h"

#define DETACHED_DEPTH	200
#define DETACHED_COUNT	1000000
#define DETACHED_ATTRIBUTES 4096	/* comparing them is quadratic */
#define DETACHED_CERTS	8
#define DETACHED_CERT_MAX 65536	/* base64 text */
#define DETACHED_SIG_MAX (1024 * 1024)

static int	 detached_reference(const struct wss_signature *, xmlDocPtr,
		    const void *, size_t, const char *, const char **);
static int	 detached_certs(const struct wss_signature *, X509 **,
		    STACK_OF(X509) **, const char **);
static X509	*detached_cert(xmlNodePtr);
static int	 detached_value(const struct wss_signature *, X509 *,
		    const char **);
static int	 detached_verify(xmlDocPtr, xmlDocPtr, const void *, size_t,
		    int, X509 **, STACK_OF(X509) **, const char **);
static int	 detached(const void *, size_t, const void *, size_t, int,
		    X509 **, STACK_OF(X509) **, const char **);

static X509 *
detached_cert(xmlNodePtr n)
{
	X509	*cert = NULL;
	uint8_t	*der = NULL;
	char	*text;
	size_t	 len;

	if ((text = xml_text(n, DETACHED_CERT_MAX)) != NULL)
		der = xml_base64(text, &len);
	if (der != NULL)
		cert = pki_cert_der(der, len);
	free(text);
	free(der);
	return cert;
}

/* The signer's certificate first, then those between it and an anchor. */
static int
detached_certs(const struct wss_signature *s, X509 **cert,
    STACK_OF(X509) **chain, const char **why)
{
	xmlNodePtr	 data, n;
	X509		*x;

	*why = "KeyInfo is not X.509 certificates";
	data = xml_first(s->keyinfo);
	if (!xml_is(data, NS_DS, "X509Data") || xml_next(data) != NULL)
		return -1;
	if ((*chain = sk_X509_new_null()) == NULL)
		return -1;
	for (n = xml_first(data); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, NS_DS, "X509Certificate") ||
		    sk_X509_num(*chain) >= DETACHED_CERTS ||
		    (x = detached_cert(n)) == NULL)
			return -1;
		if (*cert == NULL)
			*cert = x;
		else if (sk_X509_push(*chain, x) == 0) {
			X509_free(x);
			return -1;
		}
	}
	return *cert != NULL ? 0 : -1;
}

static int
detached_reference(const struct wss_signature *s, xmlDocPtr mdoc,
    const void *m, size_t len, const char *attr, const char **why)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 root;
	char		*id;
	int		 rv = -1;

	*why = "signature is not over this message alone";
	root = xmlDocGetRootElement(mdoc);
	id = xml_attr(root, NULL, attr);
	if (id == NULL || s->nref != 1 || strcmp(id, s->ref[0].id) != 0)
		goto out;
	*why = "PrefixList in a detached signature";
	if (s->prefixes != NULL || s->ref[0].prefixes != NULL)
		goto out;
	*why = "message is not in canonical form";
	if (xml_c14n(root, &w) == -1 || w.len != len ||
	    memcmp(w.data, m, len) != 0)
		goto out;
	*why = "digest of the message is wrong";
	rv = wss_reference_check(&s->ref[0], root, NULL);
 out:
	free(id);
	wbuf_free(&w);
	return rv;
}

static int
detached_value(const struct wss_signature *s, X509 *cert, const char **why)
{
	struct wbuf	 w = { 0 };
	int		 rv = -1;

	*why = "signature is wrong";
	if (xml_c14n(s->signedinfo, &w) == 0)
		rv = wss_verify_octets(cert, s->alg, w.data, w.len, s->value,
		    s->value_len);
	wbuf_free(&w);
	return rv;
}

static int
detached_verify(xmlDocPtr mdoc, xmlDocPtr sdoc, const void *m, size_t len,
    int flags, X509 **cert, STACK_OF(X509) **chain, const char **why)
{
	struct wss_signature	 s;
	enum wss_fault		 fault;
	int			 rv = -1;

	if (wss_signature_parse(&s, xmlDocGetRootElement(sdoc), 1, flags,
	    &fault, why) == 0 && detached_reference(&s, mdoc, m, len,
	    flags & WSS_SIG_ENVELOPED ? "ID" : "Id", why) == 0 &&
	    detached_certs(&s, cert, chain, why) == 0 &&
	    detached_value(&s, *cert, why) == 0)
		rv = 0;
	wss_signature_free(&s);
	return rv;
}

static int
detached(const void *m, size_t mlen, const void *sig, size_t siglen, int flags,
    X509 **cert, STACK_OF(X509) **chain, const char **why)
{
	const struct xml_limits	 mlim = { mlen, DETACHED_DEPTH, DETACHED_COUNT,
				    DETACHED_ATTRIBUTES, DETACHED_COUNT,
				    DETACHED_COUNT };
	const struct xml_limits	 slim = { DETACHED_SIG_MAX, 16, 256, 16, 64,
				    8 };
	xmlDocPtr		 mdoc, sdoc = NULL;
	int			 rv = -1;

	*cert = NULL;
	*chain = NULL;
	if ((mdoc = xml_parse(m, mlen, &mlim, why)) != NULL &&
	    (sdoc = xml_parse(sig, siglen, &slim, why)) != NULL)
		rv = detached_verify(mdoc, sdoc, m, mlen, flags, cert, chain,
		    why);
	xmlFreeDoc(sdoc);
	xmlFreeDoc(mdoc);
	if (rv == -1) {
		X509_free(*cert);
		sk_X509_pop_free(*chain, X509_free);
		*cert = NULL;
		*chain = NULL;
	} else
		*why = NULL;
	return rv;
}

int
wss_verify_detached(const void *m, size_t mlen, const void *sig,
    size_t siglen, X509 **cert, STACK_OF(X509) **chain, const char **why)
{
	return detached(m, mlen, sig, siglen, 0, cert, chain, why);
}

int
wss_verify_enveloped(const void *m, size_t mlen, const void *sig,
    size_t siglen, X509 **cert, STACK_OF(X509) **chain, const char **why)
{
	return detached(m, mlen, sig, siglen, WSS_SIG_ENVELOPED, cert, chain,
	    why);
}
