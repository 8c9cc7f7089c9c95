/* SPDX-License-Identifier: ISC */
/*
 * The certificates that `wsctl ca` makes (RFC 5280): an authority that
 * issues end certificates only, those for a mail domain, a TLS server and a
 * user, and the revocation list.  Called by ca.c.
 */
#include "compat.h"

/* The 1.1.1 interface, which LibreSSL has too. */
#define OPENSSL_API_COMPAT	0x10101000L

#include <arpa/inet.h>

#include <err.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "ca.h"

#define CA_RSA_BITS	2048
#define CA_BACKDATE	3600	/* s: clocks of others may be behind */
#define CA_DAY		86400
#define CA_SRV_OID	"1.3.6.1.5.5.7.8.7"	/* id-on-dnsSRV, RFC 4985 2 */

static int	 ca_add_ext(X509 *, X509 *, int, const char *);
static int	 ca_add_names(X509 *, const struct ca_request *);
static int	 ca_push_name(GENERAL_NAMES *, int, const char *);
static int	 ca_push_srv(GENERAL_NAMES *, const char *);
static int	 ca_push_ip(GENERAL_NAMES *, const char *);
static int	 ca_set_common(X509 *, const char *, int);
static int	 ca_set_serial(ASN1_INTEGER *);
static int	 ca_crl_entry(X509_CRL *, const struct ca_entry *);
static int	 ca_crl_extensions(X509_CRL *, X509 *, int64_t);
static char	*ca_bio_text(BIO *, int, size_t *);

EVP_PKEY *
ca_key_new(int rsa)
{
	EVP_PKEY_CTX	*ctx;
	EVP_PKEY	*key = NULL;
	int		 ok;

	ctx = EVP_PKEY_CTX_new_id(rsa ? EVP_PKEY_RSA : EVP_PKEY_EC, NULL);
	if (ctx == NULL)
		return NULL;
	ok = EVP_PKEY_keygen_init(ctx) == 1;
	if (ok && rsa)
		ok = EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, CA_RSA_BITS) == 1;
	else if (ok)
		ok = EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
		    NID_X9_62_prime256v1) == 1 &&
		    EVP_PKEY_CTX_set_ec_param_enc(ctx,
		    OPENSSL_EC_NAMED_CURVE) == 1;
	if (!ok || EVP_PKEY_keygen(ctx, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* An extension from OpenSSL's text notation. */
static int
ca_add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION	*ext;
	X509V3_CTX	 ctx;
	char		*copy;
	int		 ok;

	if ((copy = strdup(value)) == NULL)
		return 0;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, copy);
	free(copy);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static int
ca_push_name(GENERAL_NAMES *names, int type, const char *text)
{
	ASN1_IA5STRING	*s = ASN1_IA5STRING_new();
	GENERAL_NAME	*gn = GENERAL_NAME_new();

	if (s == NULL || gn == NULL || ASN1_STRING_set(s, text, -1) != 1) {
		ASN1_IA5STRING_free(s);
		GENERAL_NAME_free(gn);
		return 0;
	}
	GENERAL_NAME_set0_value(gn, type, s);
	if (sk_GENERAL_NAME_push(names, gn) == 0) {
		GENERAL_NAME_free(gn);
		return 0;
	}
	return 1;
}

/* SRVName "_wsemail.<domain>": this certificate speaks for its mail only. */
static int
ca_push_srv(GENERAL_NAMES *names, const char *domain)
{
	ASN1_OBJECT	*oid = OBJ_txt2obj(CA_SRV_OID, 1);
	ASN1_TYPE	*value = ASN1_TYPE_new();
	ASN1_IA5STRING	*s = ASN1_IA5STRING_new();
	GENERAL_NAME	*gn = GENERAL_NAME_new();
	char		*text = NULL;
	int		 ok;

	ok = oid != NULL && value != NULL && s != NULL && gn != NULL &&
	    asprintf(&text, "_wsemail.%s", domain) != -1 &&
	    ASN1_STRING_set(s, text, -1) == 1;
	free(text);
	if (!ok) {
		ASN1_OBJECT_free(oid);
		ASN1_TYPE_free(value);
		ASN1_IA5STRING_free(s);
		GENERAL_NAME_free(gn);
		return 0;
	}
	ASN1_TYPE_set(value, V_ASN1_IA5STRING, s);
	if (GENERAL_NAME_set0_othername(gn, oid, value) != 1 ||
	    sk_GENERAL_NAME_push(names, gn) == 0) {
		GENERAL_NAME_free(gn);
		return 0;
	}
	return 1;
}

/* -1: not an address. */
static int
ca_push_ip(GENERAL_NAMES *names, const char *text)
{
	ASN1_OCTET_STRING	*s;
	GENERAL_NAME		*gn;
	unsigned char		 addr[16];
	int			 len;

	if (inet_pton(AF_INET, text, addr) == 1)
		len = 4;
	else if (inet_pton(AF_INET6, text, addr) == 1)
		len = 16;
	else
		return -1;
	s = ASN1_OCTET_STRING_new();
	gn = GENERAL_NAME_new();
	if (s == NULL || gn == NULL ||
	    ASN1_OCTET_STRING_set(s, addr, len) != 1) {
		ASN1_OCTET_STRING_free(s);
		GENERAL_NAME_free(gn);
		return 0;
	}
	GENERAL_NAME_set0_value(gn, GEN_IPADD, s);
	if (sk_GENERAL_NAME_push(names, gn) == 0) {
		GENERAL_NAME_free(gn);
		return 0;
	}
	return 1;
}

static int
ca_add_names(X509 *cert, const struct ca_request *r)
{
	GENERAL_NAMES	*names;
	size_t		 i;
	int		 ok, critical, ip;

	if ((names = sk_GENERAL_NAME_new_null()) == NULL)
		return 0;
	ok = ca_push_name(names, r->kind == CA_USER ? GEN_EMAIL : GEN_DNS,
	    r->name);
	if (ok && r->kind == CA_DOMAIN)
		ok = ca_push_srv(names, r->name);
	for (i = 0; ok && i < r->nalts; i++) {
		ip = ca_push_ip(names, r->alts[i]);
		ok = ip != -1 ? ip :
		    ca_push_name(names, GEN_DNS, r->alts[i]);
	}
	/* RFC 5280 4.2.1.6: critical when there is no subject. */
	critical = X509_NAME_entry_count(X509_get_subject_name(cert)) == 0;
	ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names,
	    critical, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return ok;
}

/* 127 random bits: positive, and never the same twice. */
static int
ca_set_serial(ASN1_INTEGER *serial)
{
	uint8_t	 r[CA_SERIAL_LEN];
	BIGNUM	*bn;
	int	 ok;

	arc4random_buf(r, sizeof(r));
	r[0] = (r[0] & 0x7f) | 0x40;	/* always of the same length */
	if ((bn = BN_bin2bn(r, sizeof(r), NULL)) == NULL)
		return 0;
	ok = BN_to_ASN1_INTEGER(bn, serial) != NULL;
	BN_free(bn);
	return ok;
}

/* Version, serial, validity and the subject's name. */
static int
ca_set_common(X509 *cert, const char *cn, int days)
{
	time_t		 now = time(NULL);

	if (X509_set_version(cert, 2) != 1 ||
	    !ca_set_serial(X509_get_serialNumber(cert)) ||
	    ASN1_TIME_adj(X509_getm_notBefore(cert), now, 0, -CA_BACKDATE) ==
	    NULL || ASN1_TIME_adj(X509_getm_notAfter(cert), now, days, 0) ==
	    NULL)
		return 0;
	if (strlen(cn) > CA_CN_MAX)
		return 1;
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
	    NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
	    0) == 1;
}

X509 *
ca_cert_root(EVP_PKEY *key, const char *name, int days)
{
	X509	*cert;

	if ((cert = X509_new()) == NULL)
		return NULL;
	if (ca_set_common(cert, name, days) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
	    X509_set_pubkey(cert, key) == 1 &&
	    ca_add_ext(cert, cert, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") &&
	    ca_add_ext(cert, cert, NID_key_usage,
	    "critical,keyCertSign,cRLSign") &&
	    ca_add_ext(cert, cert, NID_subject_key_identifier, "hash") &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

X509 *
ca_cert_issue(X509 *ca, EVP_PKEY *cakey, EVP_PKEY *key,
    const struct ca_request *r)
{
	/* A domain's certificate may also be its TLS server's. */
	static const char *usage[] = {
		[CA_DOMAIN] = "serverAuth,emailProtection",
		[CA_TLS] = "serverAuth",
		[CA_USER] = "clientAuth,emailProtection",
	};
	X509	*cert;

	if ((cert = X509_new()) == NULL)
		return NULL;
	if (ca_set_common(cert, r->name, r->days) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	    X509_set_pubkey(cert, key) == 1 &&
	    ca_add_ext(cert, ca, NID_basic_constraints,
	    "critical,CA:FALSE") &&
	    ca_add_ext(cert, ca, NID_key_usage,
	    "critical,digitalSignature") &&
	    ca_add_ext(cert, ca, NID_ext_key_usage, usage[r->kind]) &&
	    ca_add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
	    ca_add_ext(cert, ca, NID_authority_key_identifier, "keyid") &&
	    ca_add_names(cert, r) && X509_sign(cert, cakey, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static int
ca_crl_entry(X509_CRL *crl, const struct ca_entry *e)
{
	X509_REVOKED	*rev = X509_REVOKED_new();
	ASN1_INTEGER	*serial = NULL;
	ASN1_TIME	*when = ASN1_TIME_set(NULL, (time_t)e->revoked);
	BIGNUM		*bn = NULL;
	int		 ok;

	ok = rev != NULL && when != NULL && BN_hex2bn(&bn, e->serial) > 0 &&
	    (serial = BN_to_ASN1_INTEGER(bn, NULL)) != NULL &&
	    X509_REVOKED_set_serialNumber(rev, serial) == 1 &&
	    X509_REVOKED_set_revocationDate(rev, when) == 1 &&
	    X509_CRL_add0_revoked(crl, rev) == 1;
	if (!ok)
		X509_REVOKED_free(rev);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	BN_free(bn);
	return ok;
}

/* RFC 5280 5.2.1 and 5.2.3: whose key, and which number. */
static int
ca_crl_extensions(X509_CRL *crl, X509 *ca, int64_t number)
{
	X509_EXTENSION	*ext;
	ASN1_INTEGER	*n = ASN1_INTEGER_new();
	X509V3_CTX	 ctx;
	int		 ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier,
	    (char[]){ "keyid:always" });
	ok = ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1 && n != NULL &&
	    ASN1_INTEGER_set_int64(n, number) == 1 &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(n);
	return ok;
}

/*
 * The list is good as long as the authority: it is a file beside it that is
 * replaced at each revocation, and nobody fetches it on a schedule.
 */
X509_CRL *
ca_crl(X509 *ca, EVP_PKEY *cakey, const struct ca_index *x)
{
	X509_CRL	*crl;
	ASN1_TIME	*now;
	size_t		 i;
	int		 ok;

	now = ASN1_TIME_adj(NULL, time(NULL), 0, -CA_BACKDATE);
	if ((crl = X509_CRL_new()) == NULL || now == NULL) {
		ASN1_TIME_free(now);
		X509_CRL_free(crl);
		return NULL;
	}
	ok = X509_CRL_set_version(crl, 1) == 1 &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
	    X509_CRL_set1_lastUpdate(crl, now) == 1 &&
	    X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca)) == 1;
	ASN1_TIME_free(now);
	for (i = 0; ok && i < x->n; i++)
		if (x->entries[i].revoked != 0)
			ok = ca_crl_entry(crl, &x->entries[i]);
	ok = ok && ca_crl_extensions(crl, ca, x->crlnumber) &&
	    X509_CRL_sort(crl) == 1 &&
	    X509_CRL_sign(crl, cakey, EVP_sha256()) > 0;
	if (!ok) {
		X509_CRL_free(crl);
		return NULL;
	}
	return crl;
}

void
ca_cert_serial(X509 *cert, char hex[CA_SERIAL_HEX + 1])
{
	const ASN1_INTEGER	*serial = X509_get0_serialNumber(cert);
	const unsigned char	*p = ASN1_STRING_get0_data(serial);
	int			 i;

	if (ASN1_STRING_length(serial) != CA_SERIAL_LEN)
		errx(EX_SOFTWARE, "serial number of another length");
	for (i = 0; i < CA_SERIAL_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
}

int64_t
ca_cert_expires(X509 *cert)
{
	struct tm	 tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		errx(EX_SOFTWARE, "certificate without an end");
	return timegm(&tm);
}

static char *
ca_bio_text(BIO *bio, int ok, size_t *len)
{
	char	*mem, *text = NULL;
	long	 n;

	if (ok && (n = BIO_get_mem_data(bio, &mem)) > 0 &&
	    (text = malloc((size_t)n)) != NULL) {
		memcpy(text, mem, (size_t)n);
		*len = (size_t)n;
	}
	BIO_free(bio);
	return text;
}

char *
ca_pem_cert(X509 *cert, size_t *len)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	return ca_bio_text(bio, bio != NULL &&
	    PEM_write_bio_X509(bio, cert) == 1, len);
}

char *
ca_pem_key(EVP_PKEY *key, size_t *len)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	return ca_bio_text(bio, bio != NULL && PEM_write_bio_PKCS8PrivateKey(
	    bio, key, NULL, NULL, 0, NULL, NULL) == 1, len);
}

char *
ca_pem_crl(X509_CRL *crl, size_t *len)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	return ca_bio_text(bio, bio != NULL &&
	    PEM_write_bio_X509_CRL(bio, crl) == 1, len);
}

X509 *
ca_load_cert(const char *path)
{
	X509	*cert;
	FILE	*f;

	if ((f = fopen(path, "re")) == NULL)
		err(EX_NOINPUT, "%s", path);
	if ((cert = PEM_read_X509(f, NULL, NULL, NULL)) == NULL)
		errx(EX_DATAERR, "%s: not a certificate in PEM", path);
	fclose(f);
	return cert;
}

EVP_PKEY *
ca_load_key(const char *path)
{
	EVP_PKEY	*key;
	FILE		*f;

	if ((f = fopen(path, "re")) == NULL)
		err(EX_NOINPUT, "%s", path);
	if ((key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) == NULL)
		errx(EX_DATAERR, "%s: not a private key in PEM", path);
	fclose(f);
	return key;
}
