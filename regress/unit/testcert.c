/* SPDX-License-Identifier: ISC */
/* See testcert.h. */
#include "compat.h"

#include <stdio.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "testcert.h"

static void	 testcert_die(const char *);
static void	 testcert_make(struct testcert *, const struct testcert *,
		    const char *);
static void	 testcert_ext(X509 *, X509 *, int, const char *);
static char	*testcert_text(BIO *);

static void
testcert_die(const char *what)
{
	fprintf(stderr, "testcert: %s\n", what);
	exit(1);
}

static char *
testcert_text(BIO *bio)
{
	char	*p, *text;
	long	 n = BIO_get_mem_data(bio, &p);

	if ((text = strndup(p, (size_t)n)) == NULL)
		testcert_die("out of memory");
	BIO_free(bio);
	return text;
}

static void
testcert_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX	 ctx;
	X509_EXTENSION	*ext;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	if ((ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value)) == NULL ||
	    X509_add_ext(x, ext, -1) == 0)
		testcert_die(value);
	X509_EXTENSION_free(ext);
}

static void
testcert_make(struct testcert *t, const struct testcert *ca, const char *name)
{
	static long	 serial;
	char		 san[300], cn[64];
	X509_NAME	*subject;
	BIO		*bio;

	if ((t->key = EVP_EC_gen("P-256")) == NULL ||
	    (t->x = X509_new()) == NULL)
		testcert_die("key");
	X509_set_version(t->x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(t->x), ++serial + time(NULL));
	X509_gmtime_adj(X509_getm_notBefore(t->x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(t->x), 86400);
	X509_set_pubkey(t->x, t->key);
	snprintf(cn, sizeof(cn), "%.*s", (int)strcspn(name, ","), name);
	subject = X509_get_subject_name(t->x);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(t->x, X509_get_subject_name(ca->x));
	testcert_ext(t->x, ca->x, NID_subject_key_identifier, "hash");
	if (t == ca) {
		testcert_ext(t->x, ca->x, NID_basic_constraints,
		    "critical,CA:TRUE");
		testcert_ext(t->x, ca->x, NID_key_usage,
		    "critical,keyCertSign,cRLSign");
	} else {
		testcert_ext(t->x, ca->x, NID_basic_constraints,
		    "critical,CA:FALSE");
		testcert_ext(t->x, ca->x, NID_authority_key_identifier,
		    "keyid");
		snprintf(san, sizeof(san), "DNS:%s", name);
		testcert_ext(t->x, ca->x, NID_subject_alt_name, san);
	}
	if (X509_sign(t->x, ca->key, EVP_sha256()) == 0)
		testcert_die("sign");
	if ((bio = BIO_new(BIO_s_mem())) == NULL ||
	    PEM_write_bio_X509(bio, t->x) == 0)
		testcert_die("PEM");
	t->cert_pem = testcert_text(bio);
	if ((bio = BIO_new(BIO_s_mem())) == NULL ||
	    PEM_write_bio_PrivateKey(bio, t->key, NULL, NULL, 0, NULL,
	    NULL) == 0)
		testcert_die("PEM");
	t->key_pem = testcert_text(bio);
}

void
testcert_ca(struct testcert *t, const char *name)
{
	testcert_make(t, t, name);
}

void
testcert_issue(struct testcert *t, const struct testcert *ca,
    const char *dns_name)
{
	testcert_make(t, ca, dns_name);
}

char *
testcert_crl(const struct testcert *ca, const X509 *x)
{
	X509_REVOKED	*rev;
	X509_CRL	*crl;
	ASN1_TIME	*now = X509_gmtime_adj(NULL, -60);
	ASN1_TIME	*next = X509_gmtime_adj(NULL, 86400);
	BIO		*bio = NULL;

	if ((crl = X509_CRL_new()) == NULL || now == NULL || next == NULL)
		testcert_die("CRL");
	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, next);
	if (x != NULL) {
		if ((rev = X509_REVOKED_new()) == NULL)
			testcert_die("CRL");
		X509_REVOKED_set_serialNumber(rev,
		    (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(x));
		X509_REVOKED_set_revocationDate(rev, now);
		X509_CRL_add0_revoked(crl, rev);
	}
	if (X509_CRL_sign(crl, ca->key, EVP_sha256()) == 0 ||
	    (bio = BIO_new(BIO_s_mem())) == NULL ||
	    PEM_write_bio_X509_CRL(bio, crl) == 0)
		testcert_die("CRL");
	X509_CRL_free(crl);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	return testcert_text(bio);
}

void
testcert_free(struct testcert *t)
{
	X509_free(t->x);
	EVP_PKEY_free(t->key);
	free(t->cert_pem);
	free(t->key_pem);
	memset(t, 0, sizeof(*t));
}
