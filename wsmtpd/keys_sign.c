/* SPDX-License-Identifier: ISC */
/*
 * The domains' signing keys: taken from the configuration, checked, used.
 * Nothing here reads what it signs; soap composes the canonical SignedInfo.
 */
#include "compat.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>

#include "keys.h"
#include "log.h"
#include "msg_keys.h"

#define SIGN_RSA_MIN	2048
#define SIGN_EC_HALF	32	/* octets of r and of s, P-256 */

struct keys_pkey {
	TAILQ_ENTRY(keys_pkey)	 entry;
	char			*domain;
	EVP_PKEY		*pkey;
	int			 stale;		/* sign_load: not hosted any more */
};

static struct keys_pkey *sign_find(struct keys *, const char *);
static void	 sign_free(struct keys *, struct keys_pkey *);
static int	 sign_no_password(char *, int, int, void *);
static EVP_PKEY	*sign_read_key(const struct conf_blob *);
static const char *sign_check(EVP_PKEY *, const struct conf_blob *);
static int	 sign_load_domain(struct keys *, struct conf_domain *);
static int	 sign_raw(const uint8_t *, size_t, uint8_t *, size_t *);
static int	 sign_octets(EVP_PKEY *, const uint8_t *, size_t, uint8_t **,
		    size_t *);

static struct keys_pkey *
sign_find(struct keys *k, const char *domain)
{
	struct keys_pkey	*kp;

	TAILQ_FOREACH(kp, &k->pkeys, entry)
		if (strcmp(kp->domain, domain) == 0)
			return kp;
	return NULL;
}

static void
sign_free(struct keys *k, struct keys_pkey *kp)
{
	TAILQ_REMOVE(&k->pkeys, kp, entry);
	EVP_PKEY_free(kp->pkey);	/* wipes the private part */
	free(kp->domain);
	free(kp);
}

void
sign_clear(struct keys *k)
{
	struct keys_pkey	*kp;

	while ((kp = TAILQ_FIRST(&k->pkeys)) != NULL)
		sign_free(k, kp);
}

/* There is nobody to ask: a key with a password does not load. */
static int
sign_no_password(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

static EVP_PKEY *
sign_read_key(const struct conf_blob *b)
{
	EVP_PKEY	*pkey;
	BIO		*bio;

	if (b->data == NULL || b->len > INT32_MAX)
		return NULL;
	if ((bio = BIO_new_mem_buf(b->data, (int)b->len)) == NULL)
		return NULL;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, sign_no_password, NULL);
	BIO_free(bio);
	return pkey;
}

/* Why this key is not one to sign with, or NULL. */
static const char *
sign_check(EVP_PKEY *pkey, const struct conf_blob *cert)
{
	const char	*why = NULL;
	char		 group[32];
	size_t		 len;
	X509		*x;
	BIO		*bio;

	if (EVP_PKEY_is_a(pkey, "EC")) {
		if (EVP_PKEY_get_group_name(pkey, group, sizeof(group),
		    &len) != 1 || strcmp(group, SN_X9_62_prime256v1) != 0)
			return "the curve is not P-256";
	} else if (EVP_PKEY_is_a(pkey, "RSA")) {
		if (EVP_PKEY_get_bits(pkey) < SIGN_RSA_MIN)
			return "the RSA key has less than 2048 bits";
	} else
		return "neither an EC nor an RSA key";
	/* The parent has checked this too; here is the last place to. */
	if (cert->data == NULL || cert->len > INT32_MAX ||
	    (bio = BIO_new_mem_buf(cert->data, (int)cert->len)) == NULL)
		return "there is no certificate";
	x = PEM_read_bio_X509(bio, NULL, sign_no_password, NULL);
	if (x == NULL)
		why = "the certificate does not read";
	else if (X509_check_private_key(x, pkey) != 1)
		why = "it is not the key of the certificate";
	X509_free(x);
	BIO_free(bio);
	return why;
}

static int
sign_load_domain(struct keys *k, struct conf_domain *d)
{
	struct keys_pkey	*kp = sign_find(k, d->name);
	EVP_PKEY		*pkey;
	const char		*why = "it does not read";

	pkey = sign_read_key(&d->key);
	/* One copy of the secret is enough. */
	if (d->key.data != NULL)
		freezero(d->key.data, d->key.len);
	d->key.data = NULL;
	d->key.len = 0;
	if (pkey == NULL || (why = sign_check(pkey, &d->cert)) != NULL) {
		log_warnx("keys: signing key of %s: %s%s", d->name, why,
		    kp != NULL ? "; the one before is kept" : "");
		ERR_clear_error();
		EVP_PKEY_free(pkey);
		if (kp == NULL)
			return -1;
		kp->stale = 0;
		return 0;
	}
	if (kp == NULL) {
		if ((kp = calloc(1, sizeof(*kp))) == NULL ||
		    (kp->domain = strdup(d->name)) == NULL)
			fatal("keys");
		TAILQ_INSERT_TAIL(&k->pkeys, kp, entry);
	}
	EVP_PKEY_free(kp->pkey);
	kp->pkey = pkey;
	kp->stale = 0;
	return 0;
}

int
sign_load(struct keys *k, struct conf *conf)
{
	struct keys_pkey	*kp, *next;
	struct conf_domain	*d;
	int			 ret = 0;

	TAILQ_FOREACH(kp, &k->pkeys, entry)
		kp->stale = 1;
	TAILQ_FOREACH(d, &conf->domains, entry)
		if (sign_load_domain(k, d) == -1)
			ret = -1;
	for (kp = TAILQ_FIRST(&k->pkeys); kp != NULL; kp = next) {
		next = TAILQ_NEXT(kp, entry);
		if (kp->stale)
			sign_free(k, kp);
	}
	return ret;
}

/* The DER form of an ECDSA signature as r|s (XMLDSIG 1.1 section 6.4.3). */
static int
sign_raw(const uint8_t *der, size_t len, uint8_t *raw, size_t *rawlen)
{
	ECDSA_SIG	*sig;
	int		 ok;

	if ((sig = d2i_ECDSA_SIG(NULL, &der, (long)len)) == NULL)
		return -1;
	ok = BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, SIGN_EC_HALF) ==
	    SIGN_EC_HALF &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + SIGN_EC_HALF,
	    SIGN_EC_HALF) == SIGN_EC_HALF;
	ECDSA_SIG_free(sig);
	*rawlen = 2 * SIGN_EC_HALF;
	return ok ? 0 : -1;
}

/* The caller frees *value. */
static int
sign_octets(EVP_PKEY *pkey, const uint8_t *text, size_t len, uint8_t **value,
    size_t *vlen)
{
	EVP_MD_CTX	*ctx;
	uint8_t		*sig = NULL, raw[2 * SIGN_EC_HALF];
	size_t		 slen = 0, rlen;
	int		 ret = -1;

	/* RSA: PKCS #1 v1.5 is what EVP does without further parameters. */
	if ((ctx = EVP_MD_CTX_new()) == NULL)
		return -1;
	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) != 1 ||
	    EVP_DigestSign(ctx, NULL, &slen, text, len) != 1 ||
	    (sig = malloc(slen < sizeof(raw) ? sizeof(raw) : slen)) == NULL ||
	    EVP_DigestSign(ctx, sig, &slen, text, len) != 1)
		goto out;
	if (EVP_PKEY_is_a(pkey, "EC")) {
		if (sign_raw(sig, slen, raw, &rlen) == -1)
			goto out;
		memcpy(sig, raw, rlen);
		slen = rlen;
	}
	*value = sig;
	*vlen = slen;
	sig = NULL;
	ret = 0;
 out:
	EVP_MD_CTX_free(ctx);
	free(sig);
	return ret;
}

int
sign_handle(struct keys *k, struct chan *c, struct imsg *imsg)
{
	struct keys_pkey	*kp;
	struct keys_sign	 req;
	struct rbuf		 r;
	struct wbuf		 w;
	uint8_t			*value = NULL;
	size_t			 len = 0;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (keys_sign_get(&r, &req) == -1)
		return -1;
	if ((kp = sign_find(k, req.domain)) == NULL)
		log_warnx("keys: asked to sign for %s, which has no key here",
		    req.domain);
	else if (sign_octets(kp->pkey, req.text, req.text_len, &value,
	    &len) == -1) {
		log_warnx("keys: signature for %s failed: %s", req.domain,
		    ERR_reason_error_string(ERR_peek_last_error()));
		ERR_clear_error();
	}
	if (value == NULL)
		k->st.sign_failed++;
	else
		k->st.signed_ok++;
	wbuf_init(&w);
	sign_result_put(&w, value, len);
	if (chan_sendw(c, IMSG_SOAP_SIGN_RESULT, imsg->hdr.id, &w) == -1)
		log_debug("keys: answer not sent: %s", strerror(errno));
	wbuf_free(&w);
	free(value);
	keys_sign_free(&req);
	return 0;
}
