/* SPDX-License-Identifier: ISC */
/*
 * Trust anchors, and whether a chain to one of them holds (RFC 5280 section
 * 6, by libcrypto, plus what this system asks of a certificate).  Called by
 * soap for every certificate that authenticates, and by wsmail verify.
 */
#include "compat.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "pki.h"

#define PKI_CACHE_SIZE	256	/* results kept, the place is the digest's */
#define PKI_CACHE_TIME	300	/* s */
#define PKI_CHAIN_MAX	8
/*
 * libcrypto's level of 112 bits: no SHA-1 and no RSA below 2048 in any
 * signature of the chain.
 */
#define PKI_AUTH_LEVEL	2

struct pki_cached {
	uint8_t		 key[32];
	int64_t		 from, until;	/* s; until 0: empty */
};

struct pki_store {
	X509_STORE	*anchors;
	size_t		 nanchors;
	STACK_OF(X509_CRL) *crls;
	struct pki_cached cache[PKI_CACHE_SIZE];
};

static int	 pki_no_password(char *, int, int, void *);
static int	 pki_read_end(size_t, const char *, const char **);
static int	 pki_check_time(X509 *, int64_t, const char **);
static int	 pki_check_use(X509 *, int, const char **);
static int	 pki_check_chain(struct pki_store *, X509 *, STACK_OF(X509) *,
		    int64_t, const char **);
static const char *pki_verified_chain(X509_STORE_CTX *);
static int	 pki_verify_cb(int, X509_STORE_CTX *);
static int	 pki_has_crl(const struct pki_store *, X509 *);
static const char *pki_reason(int);
static int	 pki_cache_key(X509 *, STACK_OF(X509) *, int, uint8_t *);
static struct pki_cached *pki_cache_slot(struct pki_store *, const uint8_t *);
static void	 pki_cache_add(struct pki_store *, const uint8_t *, X509 *,
		    int64_t);

struct pki_store *
pki_store_new(void)
{
	struct pki_store	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->anchors = X509_STORE_new();
	s->crls = sk_X509_CRL_new_null();
	if (s->anchors == NULL || s->crls == NULL) {
		pki_store_free(s);
		return NULL;
	}
	return s;
}

void
pki_store_free(struct pki_store *s)
{
	if (s == NULL)
		return;
	X509_STORE_free(s->anchors);
	sk_X509_CRL_pop_free(s->crls, X509_CRL_free);
	free(s);
}

int
pki_store_any(const struct pki_store *s)
{
	return s != NULL && s->nanchors > 0;
}

static int
pki_no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

/* Did the reading of PEM end because there was no more of it? */
static int
pki_read_end(size_t n, const char *none, const char **why)
{
	unsigned long	 e = ERR_peek_last_error();
	int		 end;

	end = ERR_GET_LIB(e) == ERR_LIB_PEM &&
	    ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	if (n == 0)
		*why = none;
	else if (!end)
		*why = "a malformed PEM block";
	return n > 0 && end ? 0 : -1;
}

int
pki_store_add(struct pki_store *s, const void *pem, size_t len,
    const char **why)
{
	X509	*cert;
	BIO	*bio;
	size_t	 n;
	int	 ok = 1;

	if (len > INT32_MAX || (bio = BIO_new_mem_buf(pem, (int)len)) == NULL) {
		*why = "too large";
		return -1;
	}
	memset(s->cache, 0, sizeof(s->cache));
	for (n = 0; ok && (cert = PEM_read_bio_X509(bio, NULL,
	    pki_no_password, NULL)) != NULL; n++) {
		ok = X509_STORE_add_cert(s->anchors, cert) == 1;
		X509_free(cert);
	}
	s->nanchors += n;
	BIO_free(bio);
	if (!ok) {
		ERR_clear_error();
		*why = "out of memory";
		return -1;
	}
	return pki_read_end(n, "no certificate in PEM", why);
}

int
pki_store_add_crl(struct pki_store *s, const void *pem, size_t len,
    const char **why)
{
	X509_CRL	*crl;
	BIO		*bio;
	size_t		 n;
	int		 ok = 1;

	if (len > INT32_MAX || (bio = BIO_new_mem_buf(pem, (int)len)) == NULL) {
		*why = "too large";
		return -1;
	}
	memset(s->cache, 0, sizeof(s->cache));
	for (n = 0; ok && (crl = PEM_read_bio_X509_CRL(bio, NULL,
	    pki_no_password, NULL)) != NULL; n++) {
		ok = X509_STORE_add_crl(s->anchors, crl) == 1 &&
		    sk_X509_CRL_push(s->crls, crl) > 0;
		if (!ok)
			X509_CRL_free(crl);
	}
	BIO_free(bio);
	if (!ok) {
		ERR_clear_error();
		*why = "out of memory";
		return -1;
	}
	return pki_read_end(n, "no CRL in PEM", why);
}

static int
pki_check_time(X509 *cert, int64_t now, const char **why)
{
	time_t	 t = (time_t)now;

	/* 0 is an error of X509_cmp_time(), taken as the bad case. */
	if (X509_cmp_time(X509_get0_notBefore(cert), &t) >= 0) {
		*why = "certificate is not yet valid";
		return -1;
	}
	if (X509_cmp_time(X509_get0_notAfter(cert), &t) <= 0) {
		*why = "certificate has expired";
		return -1;
	}
	return 0;
}

/* What the certificate itself says it is for. */
static int
pki_check_use(X509 *cert, int purpose, const char **why)
{
	uint32_t	 flags, usage, eku, want;

	/* Also makes libcrypto read the extensions. */
	X509_check_purpose(cert, -1, 0);
	flags = X509_get_extension_flags(cert);
	usage = X509_get_key_usage(cert);
	eku = X509_get_extended_key_usage(cert);
	want = purpose == PKI_DOMAIN ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
	want |= XKU_SMIME | XKU_ANYEKU;
	if (flags & EXFLAG_INVALID)
		*why = "malformed extensions";
	else if (flags & EXFLAG_CA)
		*why = "a certificate of an authority, not of its subject";
	else if ((flags & EXFLAG_KUSAGE) && !(usage & KU_DIGITAL_SIGNATURE))
		*why = "key usage excludes signing";
	else if ((flags & EXFLAG_XKUSAGE) && !(eku & want))
		*why = "extended key usage excludes this use";
	else if (!pki_key_ok(cert))
		*why = "key is neither P-256 nor RSA of 2048 bits and up";
	else
		return 0;
	return -1;
}

static int
pki_has_crl(const struct pki_store *s, X509 *cert)
{
	int	 i;

	for (i = 0; i < sk_X509_CRL_num(s->crls); i++)
		if (X509_NAME_cmp(X509_get_issuer_name(cert),
		    X509_CRL_get_issuer(sk_X509_CRL_value(s->crls, i))) == 0)
			return 1;
	return 0;
}

/* No list is no fault where none was loaded for that issuer. */
static int
pki_verify_cb(int ok, X509_STORE_CTX *ctx)
{
	const struct pki_store	*s = X509_STORE_CTX_get_app_data(ctx);

	if (ok || X509_STORE_CTX_get_error(ctx) !=
	    X509_V_ERR_UNABLE_TO_GET_CRL)
		return ok;
	if (pki_has_crl(s, X509_STORE_CTX_get_current_cert(ctx)))
		return 0;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static const char *
pki_reason(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
		return "certificate is revoked";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
		return "the issuer's revocation list is not usable";
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "a certificate of the chain is not valid at this time";
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		return "an issuer in the chain may not issue that name";
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "a signature in the chain is wrong";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return "a key or digest in the chain is too weak";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "no chain to a trust anchor";
	}
	return "the chain is not valid";
}

/*
 * libcrypto still takes a version 1 or keyCertSign-only issuer for an
 * authority in some cases; here every issuer says that it is one.  The
 * anchor itself is trusted as it stands (RFC 5280 6.1.1 d), but it may
 * issue only when it is an authority.  NULL: all is well.
 */
static const char *
pki_verified_chain(X509_STORE_CTX *ctx)
{
	STACK_OF(X509)	*chain = X509_STORE_CTX_get0_chain(ctx);
	int		 i;

	for (i = 1; i < sk_X509_num(chain); i++) {
		if (X509_check_ca(sk_X509_value(chain, i)) != 1)
			return "an issuer in the chain is no authority";
		if (pki_srv_constrained(sk_X509_value(chain, 0),
		    sk_X509_value(chain, i)) == -1)
			return "an issuer in the chain may not issue that name";
	}
	return NULL;
}

static int
pki_check_chain(struct pki_store *s, X509 *cert, STACK_OF(X509) *untrusted,
    int64_t now, const char **why)
{
	X509_VERIFY_PARAM	*param;
	X509_STORE_CTX		*ctx;
	unsigned long		 flags = X509_V_FLAG_PARTIAL_CHAIN;
	const char		*bad;
	int			 rv = -1;

	if (sk_X509_num(untrusted) > PKI_CHAIN_MAX) {
		*why = "chain is too long";
		return -1;
	}
	*why = "out of memory";
	if ((ctx = X509_STORE_CTX_new()) == NULL)
		return -1;
	if (X509_STORE_CTX_init(ctx, s->anchors, cert, untrusted) != 1)
		goto out;
	if (sk_X509_CRL_num(s->crls) > 0)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_depth(param, PKI_CHAIN_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, PKI_AUTH_LEVEL);
	if (X509_VERIFY_PARAM_set_flags(param, flags) != 1 ||
	    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) != 1)
		goto out;
	X509_STORE_CTX_set_app_data(ctx, s);
	X509_STORE_CTX_set_verify_cb(ctx, pki_verify_cb);
	if (X509_verify_cert(ctx) != 1)
		*why = pki_reason(X509_STORE_CTX_get_error(ctx));
	else if ((bad = pki_verified_chain(ctx)) != NULL)
		*why = bad;
	else
		rv = 0;
 out:
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return rv;
}

/* Over the purpose and every certificate that was offered. */
static int
pki_cache_key(X509 *cert, STACK_OF(X509) *chain, int purpose, uint8_t *key)
{
	EVP_MD_CTX	*md;
	uint8_t		 digest[32], tag = (uint8_t)purpose;
	unsigned int	 len;
	int		 i, ok;

	if ((md = EVP_MD_CTX_new()) == NULL)
		return -1;
	ok = EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(md, &tag, 1) == 1;
	ok = ok && X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
	    EVP_DigestUpdate(md, digest, len) == 1;
	/* No chain at all has -1 certificates. */
	for (i = 0; ok && i < sk_X509_num(chain); i++)
		ok = X509_digest(sk_X509_value(chain, i), EVP_sha256(),
		    digest, &len) == 1 && EVP_DigestUpdate(md, digest, len) == 1;
	ok = ok && EVP_DigestFinal_ex(md, key, NULL) == 1;
	EVP_MD_CTX_free(md);
	return ok ? 0 : -1;
}

static struct pki_cached *
pki_cache_slot(struct pki_store *s, const uint8_t *key)
{
	return &s->cache[(key[0] << 8 | key[1]) % PKI_CACHE_SIZE];
}

/* Only a good result is kept, and never past the certificate's own end. */
static void
pki_cache_add(struct pki_store *s, const uint8_t *key, X509 *cert, int64_t now)
{
	struct pki_cached	*c = pki_cache_slot(s, key);
	time_t			 end = (time_t)now + PKI_CACHE_TIME;

	if (X509_cmp_time(X509_get0_notAfter(cert), &end) <= 0)
		return;
	memcpy(c->key, key, sizeof(c->key));
	c->from = now;
	c->until = now + PKI_CACHE_TIME;
}

int
pki_check(struct pki_store *s, X509 *cert, STACK_OF(X509) *chain, int purpose,
    int64_t now, const char **why)
{
	struct pki_cached	*c;
	uint8_t			 key[32];
	int			 keyed;

	*why = NULL;
	if (pki_check_time(cert, now, why) == -1)
		return PKI_TIME;
	if (!pki_store_any(s)) {
		*why = "no trust anchors";
		return PKI_UNTRUSTED;
	}
	keyed = pki_cache_key(cert, chain, purpose, key) == 0;
	if (keyed) {
		c = pki_cache_slot(s, key);
		if (now >= c->from && now < c->until &&
		    memcmp(c->key, key, sizeof(key)) == 0)
			return PKI_OK;
	}
	if (pki_check_use(cert, purpose, why) == -1 ||
	    pki_check_chain(s, cert, chain, now, why) == -1)
		return PKI_UNTRUSTED;
	if (keyed)
		pki_cache_add(s, key, cert, now);
	*why = NULL;
	return PKI_OK;
}
