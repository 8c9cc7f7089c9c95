/* SPDX-License-Identifier: ISC */
/*
 * The real wsmtpd-keys, with this test as its parent and as soap: signatures,
 * MACs, passwords, made-up salts, and guesses that are slowed.
 */
#include "compat.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <errno.h>
#include <stdio.h>

#include "kid.h"
#include "log.h"
#include "msg_keys.h"
#include "tap.h"
#include "testcert.h"
#include "testdir.h"
#include "users.h"

#define ALICE	"alice@capricorn.test"
#define BOB	"bob@capricorn.test"		/* disabled */
#define CAROL	"carol@capricorn.test"		/* no password as text */
#define NOBODY	"nobody@capricorn.test"
#define HERE	"192.0.2.1"
#define THERE	"192.0.2.2"
#define TEXT	"<ds:SignedInfo>...</ds:SignedInfo>"
#define LONG_MS	60000

static struct kid	 kid;
static struct imsgbuf	 soap;
static struct conf	*conf;
static struct testcert	 ca, ec, other;
static EVP_PKEY		*rsa;
static uint64_t		 lastid;

static void	 blob_set(struct conf_blob *, const char *);
static char	*pem_key(EVP_PKEY *);
static char	*pem_self(EVP_PKEY *, const char *);
static struct conf_domain *conf_add_domain(const char *, const char *,
		    const char *);
static struct conf_user *conf_add_user(const char *, const char *);
static int	 start(void);
static void	 stop(void);
static void	 take(uint32_t, uint64_t, struct imsg *);
static size_t	 sign(const char *, uint8_t *, size_t);
static int	 verify_ec(const uint8_t *, size_t, EVP_PKEY *);
static int	 verify_rsa(const uint8_t *, size_t, EVP_PKEY *);
static void	 params(const char *, struct keys_params *);
static int	 auth_result(uint64_t);
static uint64_t	 password_begin(const char *, const char *, const char *);
static int	 password(const char *, const char *, const char *);
static int	 mac(const char *, const char *, const char *,
		    const struct keys_params *, size_t, size_t);
static void	 test_sign(void);
static void	 test_params(void);
static void	 test_mac(void);
static void	 test_password(void);
static void	 test_slowed(void);
static void	 test_reload(void);
static void	 test_restart(void);
static void	 test_bad_keys(void);

static void
blob_set(struct conf_blob *b, const char *text)
{
	free(b->data);
	if ((b->data = (uint8_t *)strdup(text)) == NULL)
		fatal("conf");
	b->len = strlen(text);
}

static char *
pem_key(EVP_PKEY *pkey)
{
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*p, *text;
	long	 n;

	if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL,
	    0, NULL, NULL) != 1)
		fatalx("PEM");
	n = BIO_get_mem_data(bio, &p);
	if ((text = strndup(p, (size_t)n)) == NULL)
		fatal("PEM");
	BIO_free(bio);
	return text;
}

/* A certificate of the key by itself. */
static char *
pem_self(EVP_PKEY *pkey, const char *cn)
{
	X509	*x = X509_new();
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*p, *text;
	long	 n;

	if (x == NULL || bio == NULL || X509_set_version(x, 2) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(x), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x), 86400) == NULL ||
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
	    X509_set_pubkey(x, pkey) != 1 ||
	    X509_sign(x, pkey, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509(bio, x) != 1)
		fatalx("certificate");
	n = BIO_get_mem_data(bio, &p);
	if ((text = strndup(p, (size_t)n)) == NULL)
		fatal("certificate");
	BIO_free(bio);
	X509_free(x);
	return text;
}

static struct conf_domain *
conf_add_domain(const char *name, const char *cert, const char *key)
{
	struct conf_domain	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->name = strdup(name)) == NULL)
		fatal("conf");
	d->quota = -1;
	blob_set(&d->cert, cert);
	blob_set(&d->key, key);
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
	return d;
}

static struct conf_user *
conf_add_user(const char *name, const char *pw)
{
	struct conf_user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->name = strdup(name)) == NULL ||
	    users_set_password(u, pw) == -1)
		fatal("conf");
	u->quota = -1;
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
	return u;
}

static int
start(void)
{
	if (kid_start(&kid, kid_path("wsmtpd/wsmtpd-keys"), P_KEYS, NULL,
	    conf) == -1)
		return -1;
	if (kid_connect(&kid, &soap, P_SOAP, 0) == -1 || kid_go(&kid) == -1)
		fatal("keys");
	return 0;
}

static void
stop(void)
{
	is_int(kid_stop(&kid), 0, "an orderly end");
	imsgbuf_clear(&soap);
}

static void
take(uint32_t type, uint64_t id, struct imsg *m)
{
	int	n;

	if ((n = kid_recv(&soap, m, LONG_MS)) != 1)
		fatalx("no answer to %llu: %d", (unsigned long long)id, n);
	if (m->hdr.type != type || m->hdr.id != id)
		fatalx("answer %s %llu, want %s %llu",
		    proto_name(m->hdr.type), (unsigned long long)m->hdr.id,
		    proto_name(type), (unsigned long long)id);
}

static size_t
sign(const char *domain, uint8_t *value, size_t size)
{
	struct keys_sign	 req;
	struct imsg		 m;
	struct rbuf		 r;
	struct wbuf		 w;
	const uint8_t		*p;
	size_t			 len;

	memset(&req, 0, sizeof(req));
	req.domain = (char *)(uintptr_t)domain;
	req.text = (const uint8_t *)TEXT;
	req.text_len = strlen(TEXT);
	wbuf_init(&w);
	keys_sign_put(&w, &req);
	if (kid_send(&soap, IMSG_KEYS_SIGN, ++lastid, &w) == -1)
		fatal("send");
	take(IMSG_SOAP_SIGN_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if ((p = sign_result_get(&r, &len)) == NULL || len > size)
		fatalx("answer");
	memcpy(value, p, len);
	imsg_free(&m);
	return len;
}

static int
verify_rsa(const uint8_t *value, size_t len, EVP_PKEY *pkey)
{
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	int		 ret;

	ret = ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, value, len, (const uint8_t *)TEXT,
	    strlen(TEXT)) == 1;
	EVP_MD_CTX_free(ctx);
	return ret;
}

static int
verify_ec(const uint8_t *value, size_t len, EVP_PKEY *pkey)
{
	ECDSA_SIG	*sig = ECDSA_SIG_new();
	uint8_t		*der = NULL;
	int		 derlen, ret;

	if (len != 64 || sig == NULL || ECDSA_SIG_set0(sig,
	    BN_bin2bn(value, 32, NULL), BN_bin2bn(value + 32, 32, NULL)) != 1)
		return 0;
	derlen = i2d_ECDSA_SIG(sig, &der);
	ret = derlen > 0 && verify_rsa(der, (size_t)derlen, pkey);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return ret;
}

static void
params(const char *user, struct keys_params *kp)
{
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;

	wbuf_init(&w);
	wbuf_str(&w, user);
	if (kid_send(&soap, IMSG_KEYS_PARAMS_GET, ++lastid, &w) == -1)
		fatal("send");
	take(IMSG_SOAP_PARAMS_RESULT, lastid, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (keys_params_get(&r, kp) == -1)
		fatalx("answer");
	imsg_free(&m);
}

static int
auth_result(uint64_t id)
{
	struct imsg	m;
	struct rbuf	r;
	uint32_t	result;

	take(IMSG_SOAP_AUTH_RESULT, id, &m);
	rbuf_init(&r, m.data, m.hdr.len);
	if (auth_result_get(&r, &result) == -1)
		fatalx("answer");
	imsg_free(&m);
	return (int)result;
}

static uint64_t
password_begin(const char *user, const char *pw, const char *peer)
{
	struct keys_password	req;
	struct wbuf		w;

	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.password = (char *)(uintptr_t)pw;
	req.peer = (char *)(uintptr_t)peer;
	wbuf_init(&w);
	keys_password_put(&w, &req);
	if (kid_send(&soap, IMSG_KEYS_PASSWORD_CHECK, ++lastid, &w) == -1)
		fatal("send");
	return lastid;
}

static int
password(const char *user, const char *pw, const char *peer)
{
	return auth_result(password_begin(user, pw, peer));
}

/* With the key derived from pw; of the MAC and salt only some octets. */
static int
mac(const char *user, const char *pw, const char *peer,
    const struct keys_params *kp, size_t maclen, size_t saltlen)
{
	struct keys_mac	req;
	struct wbuf	w;
	uint8_t		key[USERS_KEY_LEN], value[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int	len;

	if (users_derive(pw, kp->salt, sizeof(kp->salt), kp->iterations,
	    key) == -1 || HMAC(EVP_sha256(), key, sizeof(key),
	    (const uint8_t *)TEXT, strlen(TEXT), value, &len) == NULL)
		fatalx("MAC");
	memset(&req, 0, sizeof(req));
	req.user = (char *)(uintptr_t)user;
	req.peer = (char *)(uintptr_t)peer;
	req.salt = kp->salt;
	req.salt_len = saltlen;
	req.iterations = kp->iterations;
	req.text = (const uint8_t *)TEXT;
	req.text_len = strlen(TEXT);
	req.mac = value;
	req.mac_len = maclen;
	wbuf_init(&w);
	keys_mac_put(&w, &req);
	if (kid_send(&soap, IMSG_KEYS_MAC_CHECK, ++lastid, &w) == -1)
		fatal("send");
	return auth_result(lastid);
}

static void
test_sign(void)
{
	uint8_t	a[1024], b[1024];
	size_t	len;

	len = sign("capricorn.test", a, sizeof(a));
	is_int(len, 64, "ECDSA: r and s");
	ok(verify_ec(a, len, ec.key), "verifies under the domain's key");
	ok(!verify_ec(a, len, other.key), "not under another");
	(void)sign("capricorn.test", b, sizeof(b));
	ok(memcmp(a, b, 64) != 0, "a fresh one each time");
	len = sign("scorpio.test", a, sizeof(a));
	is_int(len, 256, "RSA");
	ok(verify_rsa(a, len, rsa), "PKCS #1 v1.5 with SHA-256");
	is_int(sign("other.test", a, sizeof(a)), 0, "no key: empty");
	is_int(kid_stat(&kid, "keys_signed"), 3, "counted");
}

static void
test_params(void)
{
	struct keys_params	a, b;
	uint8_t			salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint32_t		iterations;

	params(ALICE, &a);
	is_int(users_parse_mac(conf_user(conf, ALICE)->mac, &iterations, salt,
	    key), 0, "alice's verifier");
	ok(memcmp(a.salt, salt, sizeof(salt)) == 0, "her salt is told");
	is_int(a.iterations, iterations, "and her iterations");
	params(NOBODY, &a);
	params(NOBODY, &b);
	ok(memcmp(a.salt, b.salt, sizeof(a.salt)) == 0,
	    "nobody's salt: always the same");
	is_int(a.iterations, USERS_MAC_ITERATIONS, "and what is usual");
	params("nobody2@capricorn.test", &b);
	ok(memcmp(a.salt, b.salt, sizeof(a.salt)) != 0, "each has his own");
}

static void
test_mac(void)
{
	struct keys_params	kp, bad;

	params(ALICE, &kp);
	is_int(mac(ALICE, "secret", HERE, &kp, 32, 16), AUTH_OK, "right");
	is_int(mac(ALICE, "wrong", HERE, &kp, 32, 16), AUTH_FAILED,
	    "another password");
	is_int(mac(ALICE, "secret", HERE, &kp, 31, 16), AUTH_FAILED,
	    "31 octets of the right MAC");
	is_int(mac(ALICE, "secret", HERE, &kp, 0, 16), AUTH_FAILED, "none");
	is_int(mac(ALICE, "secret", HERE, &kp, 64, 16), AUTH_FAILED,
	    "more than the MAC");
	is_int(mac(ALICE, "secret", HERE, &kp, 32, 15), AUTH_FAILED,
	    "a part of the salt");
	bad = kp;
	bad.salt[15] ^= 1;
	is_int(mac(ALICE, "secret", HERE, &bad, 32, 16), AUTH_FAILED,
	    "another salt");
	bad = kp;
	bad.iterations = 1;
	is_int(mac(ALICE, "secret", HERE, &bad, 32, 16), AUTH_FAILED,
	    "one iteration");
	params(BOB, &kp);
	is_int(mac(BOB, "secret", HERE, &kp, 32, 16), AUTH_FAILED,
	    "right, but disabled");
	params(NOBODY, &kp);
	is_int(mac(NOBODY, "secret", HERE, &kp, 32, 16), AUTH_FAILED,
	    "unknown");
}

static void
test_password(void)
{
	uint64_t	first, id;
	uint8_t		value[1024];
	int		i, n = 0;

	is_int(password(ALICE, "secret", HERE), AUTH_OK, "right");
	is_int(kid_stat(&kid, "keys_auth_cached"), 0, "by the slow hash");
	is_int(password(ALICE, "secret", HERE), AUTH_OK, "again");
	is_int(password(ALICE, "secret", THERE), AUTH_OK, "from elsewhere");
	is_int(kid_stat(&kid, "keys_auth_cached"), 2, "without it");
	is_int(password(ALICE, "wrong", HERE), AUTH_FAILED, "wrong");
	is_int(password(ALICE, "", HERE), AUTH_FAILED, "empty");
	is_int(password(NOBODY, "secret", HERE), AUTH_FAILED, "unknown");
	is_int(password(BOB, "secret", HERE), AUTH_FAILED, "disabled");
	is_int(password(CAROL, "secret", HERE), AUTH_FAILED,
	    "no verifier of text");
	/* A signature does not wait for hashes. */
	first = lastid + 1;
	for (i = 0; i < 5; i++)
		(void)password_begin(ALICE, i % 2 ? "wrong 1" : "wrong 2",
		    "192.0.2.77");
	is_int(sign("capricorn.test", value, sizeof(value)), 64,
	    "a signature comes before five hashes");
	for (i = 0; i < 5; i++) {
		struct imsg	m;

		if (kid_recv(&soap, &m, LONG_MS) != 1)
			fatalx("no answer");
		id = m.hdr.id;
		if (m.hdr.type == IMSG_SOAP_AUTH_RESULT && id >= first &&
		    id < first + 5)
			n++;
		imsg_free(&m);
	}
	is_int(n, 5, "and they are answered");
}

static void
test_slowed(void)
{
	char	user[64];
	int	i, n;

	for (n = 0; n < 50; n++)
		if (password(ALICE, "guess", "198.51.100.1") != AUTH_FAILED)
			break;
	is_int(n, conf->limit[LIM_AUTH_FAILURES],
	    "as many failures as the limit, then slowed");
	is_int(password(ALICE, "secret", "198.51.100.1"), AUTH_SLOWED,
	    "the right one too, from there");
	is_int(password(ALICE, "secret", HERE), AUTH_OK,
	    "but not from her own address");
	is_int(password(CAROL, "x", "198.51.100.1"), AUTH_FAILED,
	    "another user is still looked at");
	ok(kid_logged("slowed from now on"), "logged");
	for (n = 0; n < 50; n++) {
		char	peer[64];

		snprintf(peer, sizeof(peer), "2001:db8:0:1::%x", n + 1);
		if (password(ALICE, "guess", peer) != AUTH_FAILED)
			break;
	}
	is_int(n, conf->limit[LIM_AUTH_FAILURES], "an IPv6 /64 is one client");
	is_int(password(ALICE, "secret", "2001:db8:0:2::1"), AUTH_OK,
	    "the next /64 another");
	conf->limit[LIM_AUTH_FAILURES] = 2;
	is_int(kid_reload(&kid, conf), 0, "a limit of two");
	for (i = n = 0; i < 50; i++) {
		snprintf(user, sizeof(user), "u%d@capricorn.test", i);
		if (password(user, "guess", "198.51.100.9") != AUTH_FAILED)
			break;
		n++;
	}
	is_int(n, 20, "one address, many users: ten times the limit");
	conf->limit[LIM_AUTH_FAILURES] = 10;
	is_int(kid_reload(&kid, conf), 0, "the limit as before");
}

/* The configuration in the test keeps its keys: keys wipes only its own. */
static void
test_reload(void)
{
	struct conf_user	*u = conf_user(conf, ALICE);
	struct conf_domain	*d = conf_domain(conf, "capricorn.test");
	uint8_t			 value[1024];
	size_t			 len;

	is_int(users_set_password(u, "changed"), 0, "a new password");
	is_int(kid_reload(&kid, conf), 0, "reload");
	is_int(password(ALICE, "secret", HERE), AUTH_FAILED,
	    "the old one is forgotten");
	is_int(password(ALICE, "changed", HERE), AUTH_OK, "the new one");
	blob_set(&d->key, "no key");
	is_int(kid_reload(&kid, conf), 0, "a bad key");
	len = sign("capricorn.test", value, sizeof(value));
	ok(verify_ec(value, len, ec.key), "the one before is kept");
	blob_set(&d->cert, other.cert_pem);
	blob_set(&d->key, other.key_pem);
	is_int(kid_reload(&kid, conf), 0, "another key");
	len = sign("capricorn.test", value, sizeof(value));
	ok(verify_ec(value, len, other.key), "is used");
	TAILQ_REMOVE(&conf->domains, d, entry);
	is_int(kid_reload(&kid, conf), 0, "a domain less");
	is_int(sign("capricorn.test", value, sizeof(value)), 0,
	    "its key is gone");
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
}

static void
test_restart(void)
{
	struct keys_params	a, b;

	params(NOBODY, &a);
	stop();
	is_int(start(), 0, "a new process");
	params(NOBODY, &b);
	ok(memcmp(a.salt, b.salt, sizeof(a.salt)) == 0,
	    "nobody's salt is the same");
	is_int(password(ALICE, "changed", "198.51.100.1"), AUTH_OK,
	    "and passwords are asked anew");
	stop();
	conf->secret[0] ^= 1;
	is_int(start(), 0, "with another secret");
	params(NOBODY, &b);
	ok(memcmp(a.salt, b.salt, sizeof(a.salt)) != 0, "another salt");
	stop();
}

static void
test_bad_keys(void)
{
	struct conf_domain	*d = conf_domain(conf, "capricorn.test");
	EVP_PKEY		*weak[3];
	static const char	*name[3] = { "RSA with 1024 bits", "P-384",
				    "Ed25519" };
	char			*key, *cert;
	size_t			 i;

	blob_set(&d->key, ec.key_pem);
	is_int(start(), -1, "not the certificate's key: no start");
	imsgbuf_clear(&kid.parent);
	ok(kid_logged("it is not the key of the certificate"), "and why");
	weak[0] = EVP_RSA_gen(1024);
	weak[1] = EVP_EC_gen("P-384");
	weak[2] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (i = 0; i < nitems(weak); i++) {
		key = pem_key(weak[i]);
		cert = i == 2 ? strdup(ec.cert_pem) : pem_self(weak[i], "x");
		blob_set(&d->key, key);
		blob_set(&d->cert, cert);
		is_int(start(), -1, name[i]);
		imsgbuf_clear(&kid.parent);
		free(key);
		free(cert);
		EVP_PKEY_free(weak[i]);
	}
	ok(kid_logged("less than 2048 bits"), "told: size");
	ok(kid_logged("the curve is not P-256"), "told: curve");
	ok(kid_logged("neither an EC nor an RSA key"), "told: kind");
}

int
main(void)
{
	char	dir[] = "/tmp/test_keys.XXXXXX", *key, *cert;
	int	bad;

	log_init("test_keys", 1, 0);
	testdir_enter(dir);
	if ((conf = conf_new()) == NULL)
		fatal("conf");
	arc4random_buf(conf->secret, sizeof(conf->secret));
	testcert_ca(&ca, "Test");
	testcert_issue(&ec, &ca, "capricorn.test");
	testcert_issue(&other, &ca, "capricorn.test");
	rsa = EVP_RSA_gen(2048);
	key = pem_key(rsa);
	cert = pem_self(rsa, "scorpio.test");
	(void)conf_add_domain("capricorn.test", ec.cert_pem, ec.key_pem);
	(void)conf_add_domain("scorpio.test", cert, key);
	(void)conf_add_user(ALICE, "secret");
	conf_add_user(BOB, "secret")->disabled = 1;
	freezero(conf_add_user(CAROL, "secret")->text, 1);
	conf_user(conf, CAROL)->text = NULL;
	is_int(start(), 0, "keys starts");
	test_sign();
	test_params();
	test_mac();
	stop();			/* forgets the failures */
	is_int(start(), 0, "keys starts");
	test_password();
	stop();
	is_int(start(), 0, "keys starts");
	test_slowed();
	test_reload();
	test_restart();
	test_bad_keys();
	free(key);
	free(cert);
	EVP_PKEY_free(rsa);
	testcert_free(&ca);
	testcert_free(&ec);
	testcert_free(&other);
	conf_free(conf);
	/* After a failure kid.log there says what keys thought. */
	if ((bad = done_testing()) == 0 &&
	    (chdir("/") == -1 || testdir_remove(dir) == -1))
		perror(dir);
	return bad;
}
