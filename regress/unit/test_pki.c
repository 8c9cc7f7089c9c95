/* SPDX-License-Identifier: ISC */
/* lib/pki*.c: which certificates are believed, and for whom. */
#include "compat.h"

#define OPENSSL_API_COMPAT	0x10101000L

#include <err.h>
#include <stdio.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "addr.h"
#include "pki.h"
#include "tap.h"

#define DAY	86400

/* How a certificate is to be; NULL and 0: the usual. */
struct spec {
	const char	*san, *usage, *eku, *basic, *constraints;
	int		 rsa_bits, curve, sha1;
	long		 from, until;		/* s from now */
};

struct pair {
	X509		*x;
	EVP_PKEY	*key;
};

static EVP_PKEY	*make_key(const struct spec *);
static void	 add(X509 *, X509 *, int, const char *);
static struct pair make(const struct spec *, const struct pair *);
static void	 unmake(struct pair *);
static char	*pem_of(X509 *);
static char	*crl_of(const struct pair *, const X509 *, long);
static struct pki_store *store_of(const struct pair *);
static void	 test_uses(void);
static void	 test_times(void);
static void	 test_chains(void);
static void	 test_constraints(void);
static void	 test_crl(void);
static void	 test_names(void);
static void	 test_reading(void);
static void	 test_path(void);

static const struct spec authority = {
	.basic = "critical,CA:TRUE", .usage = "critical,keyCertSign,cRLSign",
	.until = 30 * DAY
};
static struct pair	 root;
static int64_t		 now;

static EVP_PKEY *
make_key(const struct spec *s)
{
	EVP_PKEY_CTX	*ctx;
	EVP_PKEY	*key = NULL;

	ctx = EVP_PKEY_CTX_new_id(s->rsa_bits ? EVP_PKEY_RSA : EVP_PKEY_EC,
	    NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1)
		errx(1, "key");
	if (s->rsa_bits)
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, s->rsa_bits);
	else
		EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
		    s->curve ? s->curve : NID_X9_62_prime256v1);
	if (EVP_PKEY_keygen(ctx, &key) != 1)
		errx(1, "key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
add(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION	*ext;
	X509V3_CTX	 ctx;

	if (value == NULL)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (ext == NULL || X509_add_ext(x, ext, -1) != 1)
		errx(1, "%s", value);
	X509_EXTENSION_free(ext);
}

/* Issued by ca, or by itself. */
static struct pair
make(const struct spec *s, const struct pair *ca)
{
	static long	 serial = 1000;
	struct pair	 p;
	X509_NAME	*name;
	char		 cn[32];

	p.key = make_key(s);
	p.x = X509_new();
	X509_set_version(p.x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(p.x), s->from ? s->from : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(p.x), s->until ? s->until : DAY);
	X509_set_pubkey(p.x, p.key);
	name = X509_get_subject_name(p.x);
	snprintf(cn, sizeof(cn), "test %ld", serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(p.x, ca != NULL ?
	    X509_get_subject_name(ca->x) : name);
	add(p.x, ca != NULL ? ca->x : p.x, NID_basic_constraints, s->basic);
	add(p.x, p.x, NID_key_usage, s->usage);
	add(p.x, p.x, NID_ext_key_usage, s->eku);
	add(p.x, p.x, NID_subject_alt_name, s->san);
	add(p.x, p.x, NID_name_constraints, s->constraints);
	if (X509_sign(p.x, ca != NULL ? ca->key : p.key,
	    s->sha1 ? EVP_sha1() : EVP_sha256()) <= 0)
		errx(1, "sign");
	return p;
}

static void
unmake(struct pair *p)
{
	X509_free(p->x);
	EVP_PKEY_free(p->key);
}

static char *
pem_of(X509 *x)
{
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*p, *text;
	long	 n;

	PEM_write_bio_X509(bio, x);
	n = BIO_get_mem_data(bio, &p);
	if ((text = strndup(p, (size_t)n)) == NULL)
		err(1, NULL);
	BIO_free(bio);
	return text;
}

/* `until`: s from now at which the list ends. */
static char *
crl_of(const struct pair *ca, const X509 *revoked, long until)
{
	X509_CRL	*crl = X509_CRL_new();
	X509_REVOKED	*rev;
	ASN1_TIME	*from = X509_gmtime_adj(NULL, -2 * DAY);
	ASN1_TIME	*to = X509_gmtime_adj(NULL, until);
	BIO		*bio = BIO_new(BIO_s_mem());
	char		*p, *text;
	long		 n;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, to);
	if (revoked != NULL) {
		rev = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(rev,
		    (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(rev, from);
		X509_CRL_add0_revoked(crl, rev);
	}
	if (X509_CRL_sign(crl, ca->key, EVP_sha256()) <= 0)
		errx(1, "CRL");
	PEM_write_bio_X509_CRL(bio, crl);
	n = BIO_get_mem_data(bio, &p);
	if ((text = strndup(p, (size_t)n)) == NULL)
		err(1, NULL);
	BIO_free(bio);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_CRL_free(crl);
	return text;
}

static struct pki_store *
store_of(const struct pair *anchor)
{
	struct pki_store	*s = pki_store_new();
	const char		*why;
	char			*pem = pem_of(anchor->x);

	if (s == NULL || pki_store_add(s, pem, strlen(pem), &why) == -1)
		errx(1, "store");
	free(pem);
	return s;
}

static void
test_uses(void)
{
	static const char ca_why[] =
	    "a certificate of an authority, not of its subject";
	static const char eku_why[] =
	    "extended key usage excludes this use";
	static const char key_why[] =
	    "key is neither P-256 nor RSA of 2048 bits and up";
	static const struct {
		const char	*name;
		int		 purpose;
		struct spec	 spec;
		const char	*why;
	} t[] = {
		{ "plain", PKI_DOMAIN, { .san = "DNS:a.test" }, NULL },
		{ "RSA 2048", PKI_DOMAIN, { .rsa_bits = 2048 }, NULL },
		{ "RSA 1024", PKI_DOMAIN, { .rsa_bits = 1024 }, key_why },
		{ "P-384", PKI_DOMAIN, { .curve = NID_secp384r1 }, key_why },
		{ "an authority's", PKI_DOMAIN,
		    { .basic = "critical,CA:TRUE" }, ca_why },
		{ "usage of signing", PKI_DOMAIN,
		    { .usage = "critical,digitalSignature" }, NULL },
		{ "usage of encryption", PKI_DOMAIN,
		    { .usage = "critical,keyEncipherment" },
		    "key usage excludes signing" },
		{ "for TLS servers", PKI_DOMAIN, { .eku = "serverAuth" }, NULL },
		{ "for mail", PKI_DOMAIN, { .eku = "emailProtection" }, NULL },
		{ "for anything", PKI_DOMAIN,
		    { .eku = "anyExtendedKeyUsage" }, NULL },
		{ "for code", PKI_DOMAIN, { .eku = "codeSigning" }, eku_why },
		{ "for TLS clients, of a domain", PKI_DOMAIN,
		    { .eku = "clientAuth" }, eku_why },
		{ "for TLS clients, of a user", PKI_USER,
		    { .eku = "clientAuth" }, NULL },
		{ "for TLS servers, of a user", PKI_USER,
		    { .eku = "serverAuth" }, eku_why },
	};
	struct pki_store	*s = store_of(&root);
	struct pair		 p;
	const char		*why;
	size_t			 i;
	int			 rv;

	for (i = 0; i < nitems(t); i++) {
		p = make(&t[i].spec, &root);
		rv = pki_check(s, p.x, NULL, t[i].purpose, now, &why);
		if (t[i].why == NULL)
			is_int(rv, PKI_OK, t[i].name);
		else
			is_str(rv == PKI_UNTRUSTED ? why : "accepted",
			    t[i].why, t[i].name);
		unmake(&p);
	}
	pki_store_free(s);
}

/* An authority for some names, as an anchor and below one. */
static void
test_constraints(void)
{
#define SRV(x)	"otherName:1.3.6.1.5.5.7.8.7;IA5STRING:" x
	static const char	 not_its[] =
	    "an issuer in the chain may not issue that name";
	static const struct {
		const char	*name, *constraints, *san;
		int		 good;
	} t[] = {
		{ "a name of its own", "permitted;DNS:a.test", "DNS:a.test", 1 },
		{ "one below", "permitted;DNS:a.test", "DNS:x.a.test", 1 },
		{ "another", "permitted;DNS:a.test", "DNS:b.test", 0 },
		{ "an SRVName of its own", "permitted;DNS:a.test",
		    SRV("_wsemail.a.test"), 1 },
		{ "an SRVName below", "permitted;DNS:a.test",
		    SRV("_wsemail.x.A.test"), 1 },
		{ "an SRVName of another", "permitted;DNS:a.test",
		    SRV("_wsemail.b.test"), 0 },
		{ "one that only ends alike", "permitted;DNS:a.test",
		    SRV("_wsemail.ba.test"), 0 },
		{ "an SRVName beside a right name", "permitted;DNS:a.test",
		    "DNS:a.test," SRV("_wsemail.b.test"), 0 },
		{ "an SRVName that is excluded", "excluded;DNS:b.test",
		    SRV("_wsemail.x.b.test"), 0 },
		{ "one that is not", "excluded;DNS:b.test",
		    SRV("_wsemail.a.test"), 1 },
		{ "constraints on addresses", "permitted;email:a.test",
		    SRV("_wsemail.b.test"), 1 },
	};
	struct spec		 ca = authority, leaf = { 0 };
	STACK_OF(X509)		*chain;
	struct pki_store	*s;
	struct pair		 sub, anchor, p;
	const char		*why;
	char			 name[80];
	size_t			 i;
	int			 k;

	for (i = 0; i < 2 * nitems(t); i++) {
		k = (int)(i / 2);
		ca.constraints = t[k].constraints;
		anchor = make(i % 2 ? &authority : &ca, NULL);
		sub = make(i % 2 ? &ca : &authority, &anchor);
		leaf.san = t[k].san;
		p = make(&leaf, &sub);
		s = store_of(&anchor);
		chain = sk_X509_new_null();
		sk_X509_push(chain, sub.x);
		snprintf(name, sizeof(name), "constraints of the %s: %s",
		    i % 2 ? "intermediate" : "anchor", t[k].name);
		is_str(pki_check(s, p.x, chain, PKI_DOMAIN, now, &why) == PKI_OK ?
		    "good" : why, t[k].good ? "good" : not_its, name);
		sk_X509_free(chain);
		pki_store_free(s);
		unmake(&p);
		unmake(&sub);
		unmake(&anchor);
	}
}

static void
test_times(void)
{
	struct pki_store	*s = store_of(&root);
	struct spec		 spec = { .san = "DNS:a.test" };
	struct pair		 p = make(&spec, &root);
	const char		*why;

	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now - 2 * DAY, &why),
	    PKI_TIME, "not yet valid");
	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now + 2 * DAY, &why),
	    PKI_TIME, "expired");
	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now, &why), PKI_OK,
	    "valid");
	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now + 10, &why), PKI_OK,
	    "from the cache");
	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now + 2 * DAY, &why),
	    PKI_TIME, "expired, whatever the cache says");
	is_int(pki_check(s, p.x, NULL, PKI_USER, now, &why), PKI_OK,
	    "another purpose is another question");
	is_int(pki_check(NULL, p.x, NULL, PKI_DOMAIN, now, &why),
	    PKI_UNTRUSTED, "no store");
	unmake(&p);
	pki_store_free(s);
}

static void
test_chains(void)
{
	struct spec		 leaf = { .san = "DNS:a.test" }, weak, inter;
	struct pki_store	*s = store_of(&root);
	struct pair		 sub, p, other, self, fake, q;
	STACK_OF(X509)		*chain = sk_X509_new_null();
	const char		*why;

	inter = authority;
	sub = make(&inter, &root);
	p = make(&leaf, &sub);
	is_int(pki_check(s, p.x, NULL, PKI_DOMAIN, now, &why), PKI_UNTRUSTED,
	    "an intermediate is missing");
	is_str(why, "no chain to a trust anchor", "and that is said");
	sk_X509_push(chain, sub.x);
	is_int(pki_check(s, p.x, chain, PKI_DOMAIN, now, &why), PKI_OK,
	    "with it");

	other = make(&authority, NULL);
	q = make(&leaf, &other);
	is_int(pki_check(s, q.x, NULL, PKI_DOMAIN, now, &why), PKI_UNTRUSTED,
	    "another authority");
	sk_X509_push(chain, other.x);
	is_int(pki_check(s, q.x, chain, PKI_DOMAIN, now, &why), PKI_UNTRUSTED,
	    "whose certificate the peer brings along");
	unmake(&q);

	/* p is no authority, but has a key to sign with. */
	fake = make(&leaf, &p);
	sk_X509_push(chain, p.x);
	is_int(pki_check(s, fake.x, chain, PKI_DOMAIN, now, &why),
	    PKI_UNTRUSTED, "issued by who is no authority");
	self = make(&leaf, NULL);
	is_int(pki_check(s, self.x, NULL, PKI_DOMAIN, now, &why),
	    PKI_UNTRUSTED, "issued by itself");
	weak = leaf;
	weak.sha1 = 1;
	q = make(&weak, &root);
	is_int(pki_check(s, q.x, NULL, PKI_DOMAIN, now, &why), PKI_UNTRUSTED,
	    "signed with SHA-1");
	unmake(&q);
	sk_X509_free(chain);
	pki_store_free(s);
	s = store_of(&self);
	is_int(pki_check(s, self.x, NULL, PKI_DOMAIN, now, &why), PKI_OK,
	    "one that is an anchor itself");
	unmake(&sub);
	unmake(&p);
	unmake(&other);
	unmake(&self);
	unmake(&fake);
	pki_store_free(s);
}

static void
test_crl(void)
{
	struct spec		 leaf = { .san = "DNS:a.test" };
	struct pki_store	*s = store_of(&root);
	struct pair		 bad = make(&leaf, &root);
	struct pair		 good = make(&leaf, &root);
	struct pair		 other = make(&authority, NULL);
	struct pair		 theirs = make(&leaf, &other);
	const char		*why = "";
	char			*pem;

	is_int(pki_check(s, bad.x, NULL, PKI_DOMAIN, now, &why), PKI_OK,
	    "before the list");
	pem = crl_of(&root, bad.x, DAY);
	is_int(pki_store_add_crl(s, pem, strlen(pem), &why), 0, "the list");
	free(pem);
	is_int(pki_check(s, bad.x, NULL, PKI_DOMAIN, now, &why),
	    PKI_UNTRUSTED, "revoked, and the cache knows");
	is_str(why, "certificate is revoked", "and that is said");
	is_int(pki_check(s, good.x, NULL, PKI_DOMAIN, now, &why), PKI_OK,
	    "another of that authority");
	pem = pem_of(other.x);
	is_int(pki_store_add(s, pem, strlen(pem), &why), 0, "a second anchor");
	free(pem);
	is_int(pki_check(s, theirs.x, NULL, PKI_DOMAIN, now, &why), PKI_OK,
	    "of an authority without a list");
	pki_store_free(s);

	s = store_of(&root);
	pem = crl_of(&root, NULL, -DAY);
	is_int(pki_store_add_crl(s, pem, strlen(pem), &why), 0, "an old list");
	free(pem);
	is_int(pki_check(s, good.x, NULL, PKI_DOMAIN, now, &why),
	    PKI_UNTRUSTED, "says nothing any more");
	pki_store_free(s);
	unmake(&bad);
	unmake(&good);
	unmake(&other);
	unmake(&theirs);
}

static void
test_names(void)
{
	static const struct {
		const char	*san, *domain;
		int		 names;
	} t[] = {
		{ "DNS:a.test", "a.test", 1 },
		{ "DNS:A.Test", "a.test", 1 },
		{ "DNS:a.test", "A.TEST", 1 },
		{ "DNS:*.a.test", "x.a.test", 0 },
		{ "DNS:*.test", "a.test", 0 },
		{ "DNS:x.a.test", "a.test", 0 },
		{ "DNS:a.test", "x.a.test", 0 },
		{ "DNS:a.test.evil", "a.test", 0 },
		{ "email:a@a.test", "a.test", 0 },
		{ "URI:https://a.test/", "a.test", 0 },
		{ "DNS:b.test,DNS:a.test", "a.test", 1 },
		{ "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_wsemail.a.test",
		    "a.test", 1 },
		{ "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_smtp.a.test",
		    "a.test", 0 },
		{ "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:a.test", "a.test", 0 },
		{ "otherName:1.3.6.1.5.5.7.8.7;UTF8:_wsemail.a.test", "a.test",
		    0 },
		{ "otherName:1.2.3.4;IA5STRING:_wsemail.a.test", "a.test", 0 },
		{ NULL, "a.test", 0 },
	};
	struct spec	 spec = { 0 };
	struct pair	 p;
	char		 buf[ADDR_MAX + 1];
	size_t		 i;

	for (i = 0; i < nitems(t); i++) {
		spec.san = t[i].san;
		p = make(&spec, &root);
		is_int(pki_names_domain(p.x, t[i].domain), t[i].names,
		    t[i].san != NULL ? t[i].san : "no alternative name");
		unmake(&p);
	}
	spec.san = "email:x@b.test,email:Alice@A.Test,DNS:c.test";
	p = make(&spec, &root);
	is_int(pki_user_address(p.x, "a.test", buf, sizeof(buf)), 0, "a user");
	is_str(buf, "alice@a.test", "normalized");
	is_int(pki_user_address(p.x, "c.test", buf, sizeof(buf)), -1,
	    "none of that domain");
	is_int(pki_first_domain(p.x, buf, sizeof(buf)), 0, "a domain");
	is_str(buf, "c.test", "the first of them");
	unmake(&p);
}

/* The name with a NUL inside that once fooled everybody. */
static void
test_reading(void)
{
	struct spec	 spec = { .san = "DNS:a.test" };
	struct pair	 p = make(&spec, &root);
	STACK_OF(X509)	*rest;
	GENERAL_NAMES	*names;
	X509		*x = NULL;
	const char	*why;
	struct pki_store *s = pki_store_new();
	char		*pem = pem_of(p.x), *two, *subject;
	uint8_t		*der, sha1[20];
	size_t		 len;

	der = pki_der(p.x, &len);
	ok(der != NULL && (x = pki_cert_der(der, len)) != NULL &&
	    X509_cmp(x, p.x) == 0, "DER there and back");
	X509_free(x);
	ok(pki_cert_der(der, len - 1) == NULL, "cut");
	der = realloc(der, len + 1);
	der[len] = 0;
	ok(pki_cert_der(der, len + 1) == NULL, "with something behind");
	free(der);
	if (asprintf(&two, "%s%s", pem, pem) == -1)
		err(1, NULL);
	x = pki_cert_pem(two, strlen(two), &rest);
	ok(x != NULL && sk_X509_num(rest) == 1, "two in PEM");
	X509_free(x);
	sk_X509_pop_free(rest, X509_free);
	free(two);
	ok(pki_cert_pem("hello", 5, &rest) == NULL && rest == NULL,
	    "none in PEM");
	is_int(pki_store_any(s), 0, "an empty store");
	is_int(pki_store_add(s, "hello", 5, &why), -1, "nothing to add");
	is_int(pki_store_add(s, pem, strlen(pem) - 30, &why), -1, "cut PEM");
	is_int(pki_store_add_crl(s, pem, strlen(pem), &why), -1,
	    "a certificate is no list");
	is_int(pki_store_add(s, pem, strlen(pem), &why), 0, "one to add");
	is_int(pki_store_any(s), 1, "it is there");
	pki_store_free(s);
	is_int(pki_thumbprint(p.x, sha1), 0, "thumbprint");
	subject = pki_subject(p.x);
	ok(subject != NULL && strncmp(subject, "CN=test ", 8) == 0, "subject");
	free(subject);

	names = X509_get_ext_d2i(p.x, NID_subject_alt_name, NULL, NULL);
	ASN1_STRING_set(sk_GENERAL_NAME_value(names, 0)->d.dNSName,
	    "a.test\0.evil", 12);
	X509_add1_ext_i2d(p.x, NID_subject_alt_name, names, 0,
	    X509V3_ADD_REPLACE);
	is_int(pki_names_domain(p.x, "a.test"), 0, "a NUL in the name");
	GENERAL_NAMES_free(names);
	free(pem);
	unmake(&p);
}

/* A certificate with its chain, and what is not one. */
static void
test_path(void)
{
	STACK_OF(X509)	*chain = sk_X509_new_null(), *out;
	const struct spec	 spec = { .san = "DNS:a.test", .until = DAY };
	struct pair	 leaf = make(&spec, &root);
	X509		*x;
	uint8_t		*der, *bad;
	size_t		 len, i, n;

	X509_up_ref(root.x);
	if (chain == NULL || sk_X509_push(chain, root.x) == 0)
		exit(1);
	der = pki_path_der(leaf.x, chain, &len);
	ok(der != NULL, "a path is written");
	x = pki_path_read(der, len, &out);
	ok(x != NULL && X509_cmp(x, leaf.x) == 0, "the subject's is last");
	ok(sk_X509_num(out) == 1 &&
	    X509_cmp(sk_X509_value(out, 0), root.x) == 0, "its issuer's first");
	X509_free(x);
	sk_X509_pop_free(out, X509_free);

	for (n = i = 0; i < len; i++) {
		bad = malloc(i + 1);	/* exact, for the sanitizers */
		memcpy(bad, der, i);
		n += pki_path_read(bad, i, &out) != NULL || out != NULL;
		free(bad);
	}
	ok(n == 0, "cut anywhere, it is none");
	bad = malloc(len + 1);
	memcpy(bad, der, len);
	bad[len] = 0;
	ok(pki_path_read(bad, len + 1, &out) == NULL, "nor with more behind");
	free(bad);
	free(der);
	der = pki_der(leaf.x, &len);
	ok(pki_path_read(der, len, &out) == NULL, "nor a certificate alone");
	ok(pki_path_read("\x30\x00", 2, &out) == NULL, "nor an empty one");
	ok(pki_path_read("\x30\x80\x00\x00", 4, &out) == NULL,
	    "nor one of indefinite length");
	free(der);

	for (i = 1; i < PKI_PATH_MAX; i++) {
		X509_up_ref(root.x);
		if (sk_X509_push(chain, root.x) == 0)
			exit(1);
	}
	der = pki_path_der(leaf.x, chain, &len);
	ok(der != NULL && pki_path_read(der, len, &out) == NULL,
	    "nor one that is too long");
	free(der);
	X509_free(sk_X509_pop(chain));
	der = pki_path_der(leaf.x, chain, &len);
	x = der == NULL ? NULL : pki_path_read(der, len, &out);
	ok(x != NULL, "the longest");
	X509_free(x);
	sk_X509_pop_free(out, X509_free);
	free(der);
	sk_X509_pop_free(chain, X509_free);
	unmake(&leaf);
}

int
main(void)
{
	now = time(NULL);
	root = make(&authority, NULL);
	test_uses();
	test_times();
	test_chains();
	test_constraints();
	test_crl();
	test_names();
	test_reading();
	test_path();
	unmake(&root);
	return done_testing();
}
