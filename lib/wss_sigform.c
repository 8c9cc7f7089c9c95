/* SPDX-License-Identifier: ISC */
/*
 * The form of a ds:Signature (XML Signature 1.1 section 4), judged on the
 * tree before anything is computed.  What is not on the short list of
 * allowed forms is refused: one canonicalization (exclusive, without
 * comments), one digest, three signature methods, references to an element
 * of the same document by its Id and with no other transform.  So nothing
 * that a signature could ask for is ever executed except that.  Called by
 * wss_examine.c and wss_detached.c.
 */
#include "compat.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "wss_int.h"

#define SIG_URI_MAX	512
#define SIG_PREFIXES_LEN 4096
#define SIG_ECDSA_LEN	64	/* of P-256: r and s */
#define SIG_ECDSA_DER_MAX 72	/* two integers of 33 octets, and three heads */
#define SIG_VALUE_MAX	4096	/* base64 text; RSA of 8192 bits is 1368 */

struct sigform {
	struct wss_signature *s;
	int		 flags;		/* WSS_SIG_* */
	enum wss_fault	*fault;
	const char	**why;
};

static int	 sig_refuse(struct sigform *, enum wss_fault, const char *);
static int	 sig_algorithm(xmlNodePtr, const char *);
static int	 sig_signedinfo(struct sigform *, xmlNodePtr, unsigned int);
static int	 sig_method(struct sigform *, xmlNodePtr);
static int	 sig_value(struct sigform *, xmlNodePtr);
static int	 sig_from_der(struct wss_signature *);
static int	 sig_reference(struct sigform *, xmlNodePtr);
static int	 sig_reference_uri(struct sigform *, xmlNodePtr,
		    struct wss_reference *);
static int	 sig_transforms(struct sigform *, xmlNodePtr,
		    struct wss_reference *);
static int	 sig_digest(struct sigform *, xmlNodePtr, xmlNodePtr,
		    struct wss_reference *);
static int	 sig_c14n(struct sigform *, xmlNodePtr, char ***, char **);
static int	 sig_prefixes(const char *, char ***, char **);
static int	 sig_ecdsa_der(const uint8_t *, uint8_t **);

static int
sig_refuse(struct sigform *f, enum wss_fault fault, const char *why)
{
	*f->fault = fault;
	*f->why = why;
	return -1;
}

char *
wss_token_text(xmlNodePtr n, size_t max)
{
	static const char	 space[] = " \t\r\n";
	char			*text;
	size_t			 skip, len;

	if ((text = xml_text(n, max)) == NULL)
		return NULL;
	skip = strspn(text, space);
	len = strlen(text + skip);
	while (len > 0 && strchr(space, text[skip + len - 1]) != NULL)
		len--;
	memmove(text, text + skip, len);
	text[len] = '\0';
	return text;
}

static int
sig_algorithm(xmlNodePtr n, const char *uri)
{
	char	*value;
	int	 same;

	if ((value = xml_attr(n, NULL, "Algorithm")) == NULL)
		return 0;
	same = strcmp(value, uri) == 0;
	free(value);
	return same;
}

/* A list of prefixes separated by white space. */
static int
sig_prefixes(const char *list, char ***prefixes, char **text)
{
	static const char	 space[] = " \t\r\n";
	char			*p, *word;
	size_t			 n = 0;

	if (strlen(list) > SIG_PREFIXES_LEN || (*text = strdup(list)) == NULL)
		return -1;
	*prefixes = calloc(WSS_PREFIXES_MAX + 1, sizeof(char *));
	if (*prefixes == NULL)
		return -1;
	p = *text;
	while ((word = strsep(&p, space)) != NULL) {
		if (*word == '\0')
			continue;
		if (n == WSS_PREFIXES_MAX)
			return -1;
		(*prefixes)[n++] = word;
	}
	return 0;
}

/*
 * A CanonicalizationMethod or Transform: exclusive C14N, and nothing inside
 * but the InclusiveNamespaces that its specification gives it (gSOAP and
 * WSS4J send them).
 */
static int
sig_c14n(struct sigform *f, xmlNodePtr n, char ***prefixes, char **text)
{
	xmlNodePtr	 c;
	char		*list;
	int		 rv;

	if (!sig_algorithm(n, NS_EXC_C14N))
		return sig_refuse(f, WSS_F_UNSUPPORTED_ALGORITHM,
		    "canonicalization or transform is not exclusive C14N");
	if ((c = xml_first(n)) == NULL)
		return 0;
	if (!xml_is(c, NS_EXC_C14N, "InclusiveNamespaces") ||
	    xml_first(c) != NULL || xml_next(c) != NULL)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "unexpected element in a canonicalization method");
	if ((list = xml_attr(c, NULL, "PrefixList")) == NULL)
		return 0;
	rv = sig_prefixes(list, prefixes, text);
	free(list);
	if (rv == -1)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "PrefixList is too long");
	return 0;
}

static int
sig_method(struct sigform *f, xmlNodePtr n)
{
	if (!xml_is(n, NS_DS, "SignatureMethod"))
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "SignedInfo without its SignatureMethod");
	/* An HMACOutputLength would go here; truncation is refused. */
	if (xml_first(n) != NULL)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "signature method with a parameter");
	if (sig_algorithm(n, URI_HMAC_SHA256))
		f->s->alg = WSS_HMAC_SHA256;
	else if (sig_algorithm(n, URI_RSA_SHA256))
		f->s->alg = WSS_RSA_SHA256;
	else if (sig_algorithm(n, URI_ECDSA_SHA256))
		f->s->alg = WSS_ECDSA_SHA256;
	else
		return sig_refuse(f, WSS_F_UNSUPPORTED_ALGORITHM,
		    "signature method is not allowed");
	return 0;
}

/* "#name"; an empty URI or one of another document is refused. */
static int
sig_reference_uri(struct sigform *f, xmlNodePtr n, struct wss_reference *r)
{
	char	*uri;
	size_t	 i;

	uri = xml_attr(n, NULL, "URI");
	if (uri == NULL || uri[0] != '#' || uri[1] == '\0' ||
	    strlen(uri) > SIG_URI_MAX || strchr(uri, '(') != NULL) {
		free(uri);
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "reference is not to an Id of this document");
	}
	r->id = strdup(uri + 1);
	free(uri);
	if (r->id == NULL)
		return sig_refuse(f, WSS_F_FAILED_CHECK, "out of memory");
	for (i = 0; i < f->s->nref; i++)
		if (strcmp(f->s->ref[i].id, r->id) == 0)
			return sig_refuse(f, WSS_F_INVALID_SECURITY,
			    "one element is referenced twice");
	return 0;
}

static int
sig_transforms(struct sigform *f, xmlNodePtr n, struct wss_reference *r)
{
	xmlNodePtr	 t;

	t = xml_first(n);
	if (!xml_is(n, NS_DS, "Transforms") || !xml_is(t, NS_DS, "Transform"))
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "reference without its transform");
	if (f->flags & WSS_SIG_ENVELOPED) {
		if (!sig_algorithm(t, URI_ENVELOPED) || xml_first(t) != NULL ||
		    !xml_is(xml_next(t), NS_DS, "Transform"))
			return sig_refuse(f, WSS_F_UNSUPPORTED_ALGORITHM,
			    "not the transforms of an enveloped signature");
		t = xml_next(t);
	}
	if (xml_next(t) != NULL)
		return sig_refuse(f, WSS_F_UNSUPPORTED_ALGORITHM,
		    "more than one transform");
	return sig_c14n(f, t, &r->prefixes, &r->prefixes_text);
}

static int
sig_digest(struct sigform *f, xmlNodePtr method, xmlNodePtr value,
    struct wss_reference *r)
{
	uint8_t	*octets = NULL;
	char	*text;
	size_t	 len = 0;

	if (!xml_is(method, NS_DS, "DigestMethod") || xml_first(method) != NULL ||
	    !xml_is(value, NS_DS, "DigestValue") || xml_next(value) != NULL)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "malformed reference");
	if (!sig_algorithm(method, URI_SHA256))
		return sig_refuse(f, WSS_F_UNSUPPORTED_ALGORITHM,
		    "digest method is not SHA-256");
	if ((text = xml_text(value, 128)) != NULL)
		octets = xml_base64(text, &len);
	free(text);
	if (octets == NULL || len != sizeof(r->digest)) {
		free(octets);
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "malformed digest value");
	}
	memcpy(r->digest, octets, sizeof(r->digest));
	free(octets);
	return 0;
}

static int
sig_reference(struct sigform *f, xmlNodePtr n)
{
	struct wss_reference	*r = &f->s->ref[f->s->nref];
	xmlNodePtr		 transforms, method;
	int			 rv;

	if (!xml_is(n, NS_DS, "Reference"))
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "unexpected element in SignedInfo");
	transforms = xml_first(n);
	method = xml_next(transforms);
	rv = sig_reference_uri(f, n, r);
	f->s->nref++;		/* from here on it is freed with s */
	if (rv == -1 || sig_transforms(f, transforms, r) == -1)
		return -1;
	return sig_digest(f, method, xml_next(method), r);
}

static int
sig_signedinfo(struct sigform *f, xmlNodePtr si, unsigned int max)
{
	xmlNodePtr	 n;

	f->s->signedinfo = si;
	n = xml_first(si);
	if (!xml_is(n, NS_DS, "CanonicalizationMethod"))
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "SignedInfo without its CanonicalizationMethod");
	if (sig_c14n(f, n, &f->s->prefixes, &f->s->prefixes_text) == -1)
		return -1;
	n = xml_next(n);
	if (sig_method(f, n) == -1)
		return -1;
	for (n = xml_next(n); n != NULL; n = xml_next(n)) {
		if (f->s->nref >= max || f->s->nref >= WSS_REFERENCES_MAX)
			return sig_refuse(f, WSS_F_INVALID_SECURITY,
			    "too many references (limit xml-references)");
		if (sig_reference(f, n) == -1)
			return -1;
	}
	if (f->s->nref == 0)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "signature covers nothing");
	return 0;
}

/*
 * gSOAP 2.8 sends an ECDSA value as OpenSSL makes it, which no standard of
 * XML signatures has.  Of its encodings the one of DER alone is taken, and
 * made what it should have been.
 */
static int
sig_from_der(struct wss_signature *s)
{
	const unsigned char	*p = s->value;
	const BIGNUM		*r, *v;
	ECDSA_SIG		*sig;
	uint8_t			*der = NULL, raw[SIG_ECDSA_LEN];
	int			 len, ok = 0;

	if (s->value_len > SIG_ECDSA_DER_MAX ||
	    (sig = d2i_ECDSA_SIG(NULL, &p, (long)s->value_len)) == NULL) {
		ERR_clear_error();
		return -1;
	}
	ECDSA_SIG_get0(sig, &r, &v);
	len = i2d_ECDSA_SIG(sig, &der);
	if (len > 0 && (size_t)len == s->value_len &&
	    memcmp(der, s->value, s->value_len) == 0 &&
	    !BN_is_negative(r) && !BN_is_negative(v) &&
	    BN_bn2binpad(r, raw, SIG_ECDSA_LEN / 2) == SIG_ECDSA_LEN / 2 &&
	    BN_bn2binpad(v, raw + SIG_ECDSA_LEN / 2, SIG_ECDSA_LEN / 2) ==
	    SIG_ECDSA_LEN / 2 &&
	    (p = realloc(s->value, sizeof(raw))) != NULL) {
		s->value = (uint8_t *)(uintptr_t)p;
		memcpy(s->value, raw, sizeof(raw));
		s->value_len = sizeof(raw);
		s->was_der = ok = 1;
	}
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	ERR_clear_error();
	return ok ? 0 : -1;
}

/* The lengths: a MAC is whole, an ECDSA P-256 value is r and s. */
static int
sig_value(struct sigform *f, xmlNodePtr n)
{
	struct wss_signature	*s = f->s;
	char			*text;
	int			 ok = 0;

	if ((text = xml_text(n, SIG_VALUE_MAX)) != NULL)
		s->value = xml_base64(text, &s->value_len);
	free(text);
	if (s->value != NULL)
		switch (s->alg) {
		case WSS_HMAC_SHA256:
			ok = s->value_len == 32;
			break;
		case WSS_ECDSA_SHA256:
			ok = s->value_len == SIG_ECDSA_LEN ||
			    ((f->flags & WSS_SIG_DER) &&
			    sig_from_der(s) == 0);
			break;
		case WSS_RSA_SHA256:
			ok = s->value_len >= 256 && s->value_len <= 1024;
			break;
		}
	if (!ok)
		return sig_refuse(f, WSS_F_INVALID_SECURITY,
		    "malformed signature value");
	return 0;
}

int
wss_signature_parse(struct wss_signature *s, xmlNodePtr n,
    unsigned int references_max, int flags, enum wss_fault *fault,
    const char **why)
{
	struct sigform	 f = { .s = s, .flags = flags, .fault = fault,
			    .why = why };
	xmlNodePtr	 si, value;

	memset(s, 0, sizeof(*s));
	si = xml_first(n);
	value = xml_next(si);
	s->keyinfo = xml_next(value);
	if (!xml_is(n, NS_DS, "Signature") || !xml_is(si, NS_DS, "SignedInfo") ||
	    !xml_is(value, NS_DS, "SignatureValue") ||
	    (s->keyinfo != NULL && (!xml_is(s->keyinfo, NS_DS, "KeyInfo") ||
	    xml_next(s->keyinfo) != NULL)))
		return sig_refuse(&f, WSS_F_INVALID_SECURITY,
		    "malformed signature");
	if (sig_signedinfo(&f, si, references_max) == -1)
		return -1;
	return sig_value(&f, value);
}

void
wss_signature_free(struct wss_signature *s)
{
	size_t	 i;

	for (i = 0; i < s->nref; i++) {
		free(s->ref[i].id);
		free(s->ref[i].prefixes);
		free(s->ref[i].prefixes_text);
	}
	free(s->prefixes);
	free(s->prefixes_text);
	free(s->value);
	memset(s, 0, sizeof(*s));
}

int
wss_reference_check(const struct wss_reference *r, xmlNodePtr n,
    const struct xml_parts *parts)
{
	struct wbuf	 w = { 0 };
	uint8_t		 digest[32];
	int		 rv = -1;

	if (xml_c14n_prefixes(n, r->prefixes, &w) == 0 &&
	    xml_parts_digest(parts, w.data, w.len, digest) == 0 &&
	    CRYPTO_memcmp(digest, r->digest, sizeof(digest)) == 0)
		rv = 0;
	wbuf_free(&w);
	return rv;
}

/* XML Signature 1.1, 6.4.3: r and s of 32 octets each, not DER. */
static int
sig_ecdsa_der(const uint8_t *raw, uint8_t **der)
{
	ECDSA_SIG	*sig;
	BIGNUM		*r, *s;
	int		 len = -1;

	*der = NULL;
	r = BN_bin2bn(raw, 32, NULL);
	s = BN_bin2bn(raw + 32, 32, NULL);
	if ((sig = ECDSA_SIG_new()) == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else
		len = i2d_ECDSA_SIG(sig, der);
	ECDSA_SIG_free(sig);
	return len;
}

int
wss_verify_octets(X509 *cert, enum wss_alg alg, const void *data, size_t len,
    const uint8_t *sig, size_t siglen)
{
	EVP_MD_CTX	*md = NULL;
	EVP_PKEY	*key;
	uint8_t		*der = NULL;
	int		 derlen, type, rv = -1;

	type = alg == WSS_ECDSA_SHA256 ? EVP_PKEY_EC : EVP_PKEY_RSA;
	if (alg == WSS_HMAC_SHA256 || !pki_key_ok(cert) ||
	    (key = X509_get0_pubkey(cert)) == NULL ||
	    EVP_PKEY_base_id(key) != type)
		return -1;
	if (alg == WSS_ECDSA_SHA256) {
		if (siglen != SIG_ECDSA_LEN || (derlen = sig_ecdsa_der(sig, &der)) <= 0)
			goto out;
		sig = der;
		siglen = (size_t)derlen;
	}
	if ((md = EVP_MD_CTX_new()) != NULL &&
	    EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(md, sig, siglen, data, len) == 1)
		rv = 0;
 out:
	EVP_MD_CTX_free(md);
	OPENSSL_free(der);
	ERR_clear_error();
	return rv;
}
