/* SPDX-License-Identifier: ISC */
/*
 * Reading certificates and the names in them (RFC 5280 4.2.1.6, RFC 4985).
 * Whether one is to be believed is in pki_check.c.  Called by soap, keys'
 * checks at start, wsmail and wsctl.
 */
#include "compat.h"

/* The 1.1.1 interface, which LibreSSL has too. */
#define OPENSSL_API_COMPAT	0x10101000L
#include <strings.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "addr.h"
#include "pki.h"

#define PKI_RSA_MIN	2048
#define PKI_RSA_MAX	8192	/* larger ones only cost time */
#define PKI_SRV_OID	"1.3.6.1.5.5.7.8.7"	/* id-on-dnsSRV, RFC 4985 2 */
#define PKI_SRV_PREFIX	"_wsemail."

static int	 pki_no_password(char *, int, int, void *);
static int	 path_put(X509 *, unsigned char **, int *);
static int	 pki_ia5(const ASN1_STRING *, char *, size_t);
static int	 pki_name_domain(const GENERAL_NAME *, char *, size_t);
static int	 pki_srv_name(const OTHERNAME *, char *, size_t);
static int	 pki_below(const char *, const GENERAL_NAME *);
static int	 pki_permitted(const char *, const NAME_CONSTRAINTS *);

/* A PEM text that wants a passphrase is not one of ours. */
static int
pki_no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

X509 *
pki_cert_der(const void *der, size_t len)
{
	const unsigned char	*p = der;
	X509			*cert;

	if (len > INT32_MAX || (cert = d2i_X509(NULL, &p, (long)len)) == NULL) {
		ERR_clear_error();
		return NULL;
	}
	if (p != (const unsigned char *)der + len) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

X509 *
pki_cert_pem(const void *pem, size_t len, STACK_OF(X509) **rest)
{
	X509	*cert = NULL, *next;
	BIO	*bio;

	*rest = NULL;
	if (len > INT32_MAX || (bio = BIO_new_mem_buf(pem, (int)len)) == NULL)
		return NULL;
	cert = PEM_read_bio_X509(bio, NULL, pki_no_password, NULL);
	while (cert != NULL && (next = PEM_read_bio_X509(bio, NULL,
	    pki_no_password, NULL)) != NULL) {
		if (*rest == NULL)
			*rest = sk_X509_new_null();
		if (*rest == NULL || sk_X509_push(*rest, next) == 0) {
			X509_free(next);
			X509_free(cert);
			cert = NULL;
		}
	}
	if (cert == NULL) {
		sk_X509_pop_free(*rest, X509_free);
		*rest = NULL;
	}
	BIO_free(bio);
	ERR_clear_error();
	return cert;
}

int
pki_key_ok(X509 *cert)
{
	const EC_GROUP	*group;
	EVP_PKEY	*key;
	int		 bits;

	if ((key = X509_get0_pubkey(cert)) == NULL) {
		ERR_clear_error();
		return 0;
	}
	switch (EVP_PKEY_base_id(key)) {
	case EVP_PKEY_RSA:
		bits = EVP_PKEY_bits(key);
		return bits >= PKI_RSA_MIN && bits <= PKI_RSA_MAX;
	case EVP_PKEY_EC:
		if (EVP_PKEY_get0_EC_KEY(key) == NULL)
			return 0;
		group = EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key));
		return group != NULL &&
		    EC_GROUP_get_curve_name(group) == NID_X9_62_prime256v1;
	}
	return 0;
}

/* An IA5String as a C string; one with a NUL or an octet above 126 is none. */
static int
pki_ia5(const ASN1_STRING *s, char *buf, size_t size)
{
	const unsigned char	*p = ASN1_STRING_get0_data(s);
	int			 i, len = ASN1_STRING_length(s);

	if (len <= 0 || (size_t)len >= size)
		return -1;
	for (i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return -1;
	memcpy(buf, p, (size_t)len);
	buf[len] = '\0';
	return 0;
}

/* SRVName: _wsemail.<domain>, an IA5String (RFC 4985 section 2). */
static int
pki_srv_name(const OTHERNAME *on, char *buf, size_t size)
{
	char	 oid[64], name[ADDR_MAX + sizeof(PKI_SRV_PREFIX)];

	if (OBJ_obj2txt(oid, sizeof(oid), on->type_id, 1) <= 0 ||
	    strcmp(oid, PKI_SRV_OID) != 0 || on->value == NULL ||
	    on->value->type != V_ASN1_IA5STRING ||
	    pki_ia5(on->value->value.ia5string, name, sizeof(name)) == -1)
		return -1;
	if (strncasecmp(name, PKI_SRV_PREFIX, sizeof(PKI_SRV_PREFIX) - 1) != 0)
		return -1;
	return addr_domain_normalize(name + sizeof(PKI_SRV_PREFIX) - 1, buf,
	    size);
}

/*
 * The mail domain that one alternative name stands for.  A wildcard is not a
 * domain name of LDH labels and so never one; an internationalised name
 * counts in its A-label form only.
 */
static int
pki_name_domain(const GENERAL_NAME *gn, char *buf, size_t size)
{
	char	 name[ADDR_DOMAIN_MAX + 1];

	switch (gn->type) {
	case GEN_DNS:
		if (pki_ia5(gn->d.dNSName, name, sizeof(name)) == -1)
			return -1;
		return addr_domain_normalize(name, buf, size);
	case GEN_OTHERNAME:
		return pki_srv_name(gn->d.otherName, buf, size);
	}
	return -1;
}

int
pki_names_domain(X509 *cert, const char *domain)
{
	GENERAL_NAMES	*names;
	char		 want[ADDR_MAX + 1], name[ADDR_MAX + 1];
	int		 i, rv = 0;

	if (addr_domain_normalize(domain, want, sizeof(want)) == -1)
		return 0;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && !rv; i++)
		rv = pki_name_domain(sk_GENERAL_NAME_value(names, i), name,
		    sizeof(name)) == 0 && strcmp(name, want) == 0;
	GENERAL_NAMES_free(names);
	return rv;
}

/* RFC 5280 4.2.1.10: the subtree's base, or with labels to the left of it. */
static int
pki_below(const char *domain, const GENERAL_NAME *gn)
{
	char	 base[ADDR_DOMAIN_MAX + 1];
	size_t	 n = strlen(domain), len;

	if (ASN1_STRING_length(gn->d.dNSName) == 0)
		return 1;
	if (pki_ia5(gn->d.dNSName, base, sizeof(base)) == -1 ||
	    (len = strlen(base)) > n || strcasecmp(domain + n - len, base) != 0)
		return 0;
	return len == n || base[0] == '.' || domain[n - len - 1] == '.';
}

static int
pki_permitted(const char *domain, const NAME_CONSTRAINTS *nc)
{
	const GENERAL_NAME	*gn;
	int			 i, any = 0, in = 0;

	for (i = 0; i < sk_GENERAL_SUBTREE_num(nc->excludedSubtrees); i++) {
		gn = sk_GENERAL_SUBTREE_value(nc->excludedSubtrees, i)->base;
		if (gn->type == GEN_DNS && pki_below(domain, gn))
			return 0;
	}
	for (i = 0; i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++) {
		gn = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base;
		if (gn->type != GEN_DNS)
			continue;
		any = 1;
		in |= pki_below(domain, gn);
	}
	return !any || in;
}

int
pki_srv_constrained(X509 *cert, X509 *issuer)
{
	NAME_CONSTRAINTS	*nc;
	GENERAL_NAMES		*names;
	const GENERAL_NAME	*gn;
	char			 name[ADDR_MAX + 1];
	int			 i, crit, rv = 0;

	nc = X509_get_ext_d2i(issuer, NID_name_constraints, &crit, NULL);
	if (nc == NULL)
		return crit == -1 ? 0 : -1;	/* none, or it does not read */
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && rv == 0; i++) {
		gn = sk_GENERAL_NAME_value(names, i);
		if (gn->type == GEN_OTHERNAME && pki_srv_name(gn->d.otherName,
		    name, sizeof(name)) == 0 && !pki_permitted(name, nc))
			rv = -1;
	}
	GENERAL_NAMES_free(names);
	NAME_CONSTRAINTS_free(nc);
	return rv;
}

int
pki_names_host(X509 *cert, const char *host)
{
	int	 rv;

	rv = X509_check_ip_asc(cert, host, 0) == 1 || X509_check_host(cert,
	    host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
	ERR_clear_error();
	return rv;
}

int
pki_first_domain(X509 *cert, char *buf, size_t size)
{
	GENERAL_NAMES	*names;
	int		 i, rv = -1;

	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && rv == -1; i++)
		rv = pki_name_domain(sk_GENERAL_NAME_value(names, i), buf,
		    size);
	GENERAL_NAMES_free(names);
	return rv;
}

int
pki_user_address(X509 *cert, const char *domain, char *buf, size_t size)
{
	const GENERAL_NAME	*gn;
	GENERAL_NAMES		*names;
	const char		*d;
	char			 want[ADDR_MAX + 1], name[ADDR_MAX + 1];
	char			 addr[ADDR_MAX + 1];
	int			 i, rv = -1;

	if (addr_domain_normalize(domain, want, sizeof(want)) == -1)
		return -1;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && rv == -1; i++) {
		gn = sk_GENERAL_NAME_value(names, i);
		if (gn->type != GEN_EMAIL ||
		    pki_ia5(gn->d.rfc822Name, name, sizeof(name)) == -1 ||
		    addr_normalize(name, addr, sizeof(addr)) == -1 ||
		    (d = addr_domain(addr)) == NULL || strcmp(d, want) != 0)
			continue;
		if (strlcpy(buf, addr, size) < size)
			rv = 0;
	}
	GENERAL_NAMES_free(names);
	return rv;
}

char *
pki_subject(X509 *cert)
{
	char	*text = NULL, *mem;
	BIO	*bio;
	long	 len;

	if ((bio = BIO_new(BIO_s_mem())) == NULL)
		return NULL;
	/* RFC 2253 form: escapes control characters, so it is safe to log. */
	if (X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
	    XN_FLAG_RFC2253) >= 0 && (len = BIO_get_mem_data(bio, &mem)) >= 0)
		text = strndup(len > 0 ? mem : "", (size_t)len);
	BIO_free(bio);
	return text;
}

int
pki_thumbprint(X509 *cert, uint8_t sha1[20])
{
	unsigned int	 len = 0;

	if (X509_digest(cert, EVP_sha1(), sha1, &len) != 1 || len != 20)
		return -1;
	return 0;
}

uint8_t *
pki_der(X509 *cert, size_t *len)
{
	unsigned char	*der = NULL;
	uint8_t		*copy;
	int		 n;

	if ((n = i2d_X509(cert, &der)) <= 0)
		return NULL;
	if ((copy = malloc((size_t)n)) != NULL) {
		memcpy(copy, der, (size_t)n);
		*len = (size_t)n;
	}
	OPENSSL_free(der);
	return copy;
}

static int
path_put(X509 *cert, unsigned char **p, int *total)
{
	int	 n;

	if ((n = i2d_X509(cert, p)) <= 0 || n > INT32_MAX / 2 - *total)
		return -1;
	*total += n;
	return 0;
}

uint8_t *
pki_path_der(X509 *cert, STACK_OF(X509) *chain, size_t *len)
{
	unsigned char	*der, *p;
	int		 i, n = 0, total;

	for (i = 0; i < sk_X509_num(chain); i++)
		if (path_put(sk_X509_value(chain, i), NULL, &n) == -1)
			return NULL;
	if (path_put(cert, NULL, &n) == -1 || (total = ASN1_object_size(1, n,
	    V_ASN1_SEQUENCE)) == -1 || (der = malloc((size_t)total)) == NULL)
		return NULL;
	*len = (size_t)total;
	p = der;
	ASN1_put_object(&p, 1, n, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	for (n = 0, i = sk_X509_num(chain) - 1; i >= 0; i--)
		if (path_put(sk_X509_value(chain, i), &p, &n) == -1)
			break;
	if (i >= 0 || path_put(cert, &p, &n) == -1) {
		free(der);
		return NULL;
	}
	return der;
}

X509 *
pki_path_read(const void *der, size_t len, STACK_OF(X509) **chain)
{
	const unsigned char	*p = der, *end = p + len;
	X509			*cert = NULL;
	long			 n;
	int			 tag, class;

	*chain = NULL;
	/* Definite lengths only: 0x20 is "constructed", nothing else set. */
	if (len > INT32_MAX || ASN1_get_object(&p, &n, &tag, &class,
	    (long)len) != V_ASN1_CONSTRUCTED || tag != V_ASN1_SEQUENCE ||
	    class != V_ASN1_UNIVERSAL || n != end - p ||
	    (*chain = sk_X509_new_null()) == NULL)
		goto fail;
	while (p < end) {
		if (cert != NULL && (sk_X509_num(*chain) == PKI_PATH_MAX - 1 ||
		    sk_X509_push(*chain, cert) == 0))
			goto fail;
		if ((cert = d2i_X509(NULL, &p, (long)(end - p))) == NULL)
			goto fail;
	}
	if (cert != NULL)
		return cert;
 fail:
	X509_free(cert);
	sk_X509_pop_free(*chain, X509_free);
	*chain = NULL;
	ERR_clear_error();
	return NULL;
}
