/* SPDX-License-Identifier: ISC */
/*
 * lib/wss_*.c: envelopes signed here and now, and what becomes of each when
 * it is changed.  Every hostile variant is made from an envelope that was
 * accepted, by replacing one piece of text with another.
 *
 * test_wss -w directory writes a message with its signature as
 * directory/pair.xml and directory/ca.pem, for ../xml/xmlsec1.t.
 */
#include "compat.h"

#include <err.h>
#include <stdio.h>

#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "tap.h"
#include "testcert.h"
#include "wsemail.h"
#include "wsmsg.h"
#include "wss.h"
#include "wstime.h"

#define NOW		1795424400000LL
#define SECRET		"0123456789abcdef0123456789abcdef"
#define U		" xmlns:wsu=\"" NS_WSU "\""
#define EXC		"<ds:Transform Algorithm=\"" NS_EXC_C14N "\"></ds:Transform>"
#define WRAP(x)		"<x:W xmlns:x=\"urn:x\">" x "</x:W>"

enum kind { MAC, CERT, THUMB, PASSWORD };

/* An envelope in pieces; each signed one is its own canonical form. */
struct envelope {
	enum kind	 kind;
	int		 soap12, skip_ts, skip_wsa, with_delivery;
	const char	*alg;		/* NULL: the one for the kind */
	char		*ts, *to, *delivery, *token, *body, *signature;
	char		*text;
};

static const struct xml_limits limits = {
	.bytes = 1 << 20, .depth = 64, .nodes = 10000, .attributes = 64,
	.namespaces = 256, .ids = 64
};
static const struct wss_rules rules = {
	.now = NOW, .future = 60, .lifetime = 300, .references_max = 8
};
static struct testcert	 ca, cert;

static char	*text_of(struct wbuf *);
static char	*cat(const char *, ...);
static char	*base64(const uint8_t *, size_t);
static char	*substitute(const char *, const char *, const char *);
static void	 make_pieces(struct envelope *, int64_t);
static void	 make_token(struct envelope *);
static char	*make_keyinfo(const struct envelope *);
static size_t	 make_value(const struct envelope *, const struct wbuf *,
		    uint8_t *);
static void	 make_signature(struct envelope *);
static void	 make_text(struct envelope *);
static void	 make(struct envelope *, enum kind);
static void	 unmake(struct envelope *);
static int	 sign_ecdsa(const void *, size_t, uint8_t *);
static void	 examine(const char *, const struct wss_rules *, const char *,
		    enum wss_fault, const char *);
static void	 test_controls(void);
static void	 test_passwords(void);
static void	 test_forms(void);
static void	 test_wrapping(void);
static void	 test_times(void);
static void	 test_uncovered(void);
static void	 test_der(void);
static void	 test_twice(void);
static void	 test_confusion(void);
static void	 test_must_understand(void);
static void	 test_replay(void);
static void	 test_detached(void);
static void	 write_pair(const char *);
static void	 make_pair(struct wbuf *, struct wbuf *);
static void	 detached(const char *, const char *, const char *,
		    const char *);

static char *
text_of(struct wbuf *w)
{
	size_t	 len;

	wbuf_raw(w, "", 1);
	if (w->error)
		errx(1, "out of memory");
	return (char *)wbuf_steal(w, &len);
}

/* The texts one behind the other, up to NULL. */
static char *
cat(const char *first, ...)
{
	struct wbuf	 w = { 0 };
	const char	*s;
	va_list		 ap;

	va_start(ap, first);
	for (s = first; s != NULL; s = va_arg(ap, const char *))
		wbuf_puts(&w, s);
	va_end(ap);
	return text_of(&w);
}

static char *
base64(const uint8_t *p, size_t len)
{
	struct wbuf	 w = { 0 };

	xml_put_base64(&w, p, len);
	return text_of(&w);
}

/* The first `from` becomes `to`; that it is there is part of the test. */
static char *
substitute(const char *text, const char *from, const char *to)
{
	struct wbuf	 w = { 0 };
	const char	*p;

	if ((p = strstr(text, from)) == NULL)
		errx(1, "not in the envelope: %s", from);
	wbuf_raw(&w, text, (size_t)(p - text));
	wbuf_puts(&w, to);
	wbuf_puts(&w, p + strlen(from));
	return text_of(&w);
}

static void
make_token(struct envelope *e)
{
	uint8_t	*der;
	char	*b64;
	size_t	 len;

	if (e->kind == THUMB)
		e->token = cat("", NULL);
	else if (e->kind == CERT) {
		der = pki_der(cert.x, &len);
		b64 = base64(der, len);
		e->token = cat("<wsse:BinarySecurityToken xmlns:wsse=\"" NS_WSSE
		    "\"" U " EncodingType=\"" URI_BASE64 "\" ValueType=\""
		    URI_X509V3 "\" wsu:Id=\"token\">", b64,
		    "</wsse:BinarySecurityToken>", NULL);
		free(b64);
		free(der);
	} else
		e->token = cat("<wsse:UsernameToken xmlns:wsse=\"" NS_WSSE
		    "\"" U " wsu:Id=\"token\"><wsse:Username>alice"
		    "</wsse:Username>", e->kind == PASSWORD ?
		    "<wsse:Password Type=\"" URI_PASSWORD_TEXT
		    "\">secret &lt;1&gt;</wsse:Password>" :
		    "<wsse11:Salt xmlns:wsse11=\"" NS_WSSE11
		    "\">AAECAwQFBgcICQoLDA0ODw==</wsse11:Salt>"
		    "<wsse11:Iteration xmlns:wsse11=\"" NS_WSSE11
		    "\">600000</wsse11:Iteration>",
		    "</wsse:UsernameToken>", NULL);
}

static void
make_pieces(struct envelope *e, int64_t created)
{
	const char	*s = e->soap12 ? NS_SOAP12 : NS_SOAP11;
	char		 a[WSTIME_LEN], b[WSTIME_LEN];

	wstime_format(created, a, sizeof(a));
	wstime_format(created + 300000, b, sizeof(b));
	e->ts = cat("<wsu:Timestamp" U " wsu:Id=\"ts\"><wsu:Created>", a,
	    "</wsu:Created><wsu:Expires>", b, "</wsu:Expires></wsu:Timestamp>",
	    NULL);
	e->to = cat("<wsa:To xmlns:wsa=\"" NS_WSA "\"" U " wsu:Id=\"to\">"
	    "https://capricorn.test/wsemail</wsa:To>", NULL);
	e->delivery = e->with_delivery ? cat("<wse2:Delivery xmlns:wse2=\""
	    NS_WSE2 "\"" U " wsu:Id=\"dl\"><wse2:To>b.test</wse2:To>"
	    "</wse2:Delivery>", NULL) : cat("", NULL);
	e->body = cat("<s:Body xmlns:s=\"", s, "\"" U " wsu:Id=\"body\">"
	    "<w:WSEmailRetrieve xmlns:w=\"" NS_WSE "\"><w:messageToGet>7"
	    "</w:messageToGet></w:WSEmailRetrieve></s:Body>", NULL);
	make_token(e);
}

static char *
make_keyinfo(const struct envelope *e)
{
	uint8_t	 sha1[20];
	char	*b64, *s;

	if (e->kind != THUMB)
		return cat("<wsse:SecurityTokenReference xmlns:wsse=\"" NS_WSSE
		    "\"><wsse:Reference URI=\"#token\" ValueType=\"",
		    e->kind == CERT ? URI_X509V3 : URI_USERNAME_TOKEN, "\">"
		    "</wsse:Reference></wsse:SecurityTokenReference>", NULL);
	pki_thumbprint(cert.x, sha1);
	b64 = base64(sha1, sizeof(sha1));
	s = cat("<wsse:SecurityTokenReference xmlns:wsse=\"" NS_WSSE "\">"
	    "<wsse:KeyIdentifier ValueType=\"" URI_THUMBPRINT "\">", b64,
	    "</wsse:KeyIdentifier></wsse:SecurityTokenReference>", NULL);
	free(b64);
	return s;
}

static int
sign_ecdsa(const void *p, size_t len, uint8_t *raw)
{
	const unsigned char	*q;
	uint8_t			 der[128];
	size_t			 derlen = sizeof(der);
	EVP_MD_CTX		*md = EVP_MD_CTX_new();
	ECDSA_SIG		*sig;

	if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, cert.key) != 1 ||
	    EVP_DigestSign(md, der, &derlen, p, len) != 1)
		errx(1, "signing");
	q = der;
	if ((sig = d2i_ECDSA_SIG(NULL, &q, (long)derlen)) == NULL)
		errx(1, "signing");
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
	return 64;
}

static size_t
make_value(const struct envelope *e, const struct wbuf *si, uint8_t *value)
{
	unsigned int	 n;

	if (e->kind != MAC)
		return (size_t)sign_ecdsa(si->data, si->len, value);
	HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, si->data, si->len,
	    value, &n);
	return n;
}

static void
make_signature(struct envelope *e)
{
	const char	*alg = e->alg, *part[] = { e->body, e->ts, e->to,
			    e->token, e->delivery };
	static const char *ids[] = { "body", "ts", "to", "token", "dl" };
	struct wss_ref	 refs[5] = { { .id = NULL } };
	struct wbuf	 si = { 0 }, sig = { 0 };
	uint8_t		 value[64];
	size_t		 i, n = 0;
	char		*keyinfo;

	if (alg == NULL)
		alg = e->kind == MAC ? URI_HMAC_SHA256 : URI_ECDSA_SHA256;
	for (i = 0; i < nitems(part); i++) {
		if (*part[i] == '\0' || (i == 1 && e->skip_ts) ||
		    (i == 2 && e->skip_wsa))
			continue;
		refs[n].id = ids[i];
		if (wss_digest(part[i], strlen(part[i]), refs[n].digest) == -1)
			errx(1, "not canonical: %s", part[i]);
		n++;
	}
	wss_signedinfo(&si, alg, refs, n);
	n = make_value(e, &si, value);
	keyinfo = make_keyinfo(e);
	wss_signature(&sig, &si, value, n, keyinfo);
	free(keyinfo);
	e->signature = text_of(&sig);
	wbuf_free(&si);
}

static void
make_text(struct envelope *e)
{
	free(e->text);
	e->text = cat("<s:Envelope xmlns:s=\"", e->soap12 ? NS_SOAP12 :
	    NS_SOAP11, "\"><s:Header>", e->to, e->delivery,
	    "<wsse:Security xmlns:wsse=\"" NS_WSSE "\" s:mustUnderstand=\"1\">",
	    e->ts, e->token, e->signature, "</wsse:Security></s:Header>",
	    e->body, "</s:Envelope>", NULL);
}

/* e may already say how it differs from the usual. */
static void
make(struct envelope *e, enum kind kind)
{
	e->kind = kind;
	make_pieces(e, NOW);
	if (kind == PASSWORD)
		e->signature = cat("", NULL);
	else
		make_signature(e);
	make_text(e);
}

static void
unmake(struct envelope *e)
{
	free(e->ts);
	free(e->to);
	free(e->delivery);
	free(e->token);
	free(e->body);
	free(e->signature);
	free(e->text);
	memset(e, 0, sizeof(*e));
}

/* Refused with that fault and reason; fault OK and no reason: accepted. */
static void
examine(const char *text, const struct wss_rules *r, const char *name,
    enum wss_fault fault, const char *why)
{
	struct wss	 w;
	xmlDocPtr	 doc;
	const char	*got = NULL;
	int		 rv;

	if ((doc = xml_parse(text, strlen(text), &limits, &got)) == NULL) {
		is_str(got, why, name);
		return;
	}
	rv = wss_examine(&w, doc, r);
	if (rv == 0 && w.token == WSS_X509)
		rv = wss_verify_cert(&w);
	if (why == NULL)
		ok(rv == 0, name);
	else if (ok(rv == -1 && w.why != NULL && strcmp(w.why, why) == 0 &&
	    w.fault == fault, name) == 0)
		printf("# got %d %d %s\n", rv, (int)w.fault,
		    w.why != NULL ? w.why : "accepted");
	wss_free(&w);
	xmlFreeDoc(doc);
}

static void
test_controls(void)
{
	struct envelope	 e = { 0 };
	struct wss	 w;
	xmlDocPtr	 doc;
	const char	*why;
	uint8_t		 mac[32];
	unsigned int	 n;

	make(&e, MAC);
	doc = xml_parse(e.text, strlen(e.text), &limits, &why);
	is_int(wss_examine(&w, doc, &rules), 0, "MAC");
	is_int(w.token, WSS_MAC, "its token");
	is_str(w.username, "alice", "its name");
	is_int(w.iterations, 600000, "its iterations");
	is_int((long long)w.salt_len, 16, "its salt");
	HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, w.signedinfo.data,
	    w.signedinfo.len, mac, &n);
	ok(w.sigvalue_len == 32 && memcmp(mac, w.sigvalue, 32) == 0,
	    "the canonical SignedInfo is what was MACed");
	is_str(w.wsa_to, "https://capricorn.test/wsemail", "wsa:To");
	ok(xml_is(w.operation, NS_WSE, "WSEmailRetrieve"), "the operation");
	is_int(w.created, NOW, "created");
	is_int(wss_verify_cert(&w), -1, "no certificate to verify under");
	wss_free(&w);
	xmlFreeDoc(doc);
	unmake(&e);

	make(&e, CERT);
	examine(e.text, &rules, "certificate", WSS_F_OK, NULL);
	unmake(&e);
	e.soap12 = 1;
	e.with_delivery = 1;
	make(&e, CERT);
	examine(e.text, &rules, "certificate, SOAP 1.2, Delivery", WSS_F_OK,
	    NULL);
	unmake(&e);

	make(&e, THUMB);
	doc = xml_parse(e.text, strlen(e.text), &limits, &why);
	is_int(wss_examine(&w, doc, &rules), 0, "thumbprint");
	is_int(w.token, WSS_THUMBPRINT, "its token");
	w.cert = ca.x;
	X509_up_ref(ca.x);
	is_int(wss_verify_cert(&w), -1, "under another certificate");
	is_int(w.fault, WSS_F_FAILED_CHECK, "is a failed check");
	X509_free(w.cert);
	w.cert = cert.x;
	X509_up_ref(cert.x);
	is_int(wss_verify_cert(&w), 0, "under its own");
	wss_free(&w);
	xmlFreeDoc(doc);
	unmake(&e);
}

static void
test_passwords(void)
{
	static const struct {
		const char	*name, *from, *to;
		enum wss_fault	 fault;
		const char	*why;
	} t[] = {
		{ "password", "secret", "secret", WSS_F_OK, NULL },
		{ "password without a Type", " Type=\"" URI_PASSWORD_TEXT "\"",
		    "", WSS_F_OK, NULL },
		{ "password digest", "#PasswordText", "#PasswordDigest",
		    WSS_F_UNSUPPORTED_TOKEN,
		    "password type is not PasswordText" },
		{ "no user name", "<wsse:Username>alice</wsse:Username>", "",
		    WSS_F_INVALID_TOKEN, "malformed UsernameToken" },
		{ "two user names", "<wsse:Username>alice</wsse:Username>",
		    "<wsse:Username>alice</wsse:Username>"
		    "<wsse:Username>bob</wsse:Username>",
		    WSS_F_INVALID_TOKEN, "malformed UsernameToken" },
		{ "comment in the user name", "alice", "alice<!-- -->bob",
		    WSS_F_INVALID_TOKEN, "malformed Username" },
		{ "two passwords", "</wsse:Password>", "</wsse:Password>"
		    "<wsse:Password>x</wsse:Password>", WSS_F_INVALID_TOKEN,
		    "malformed UsernameToken" },
		{ "password and salt", "</wsse:Password>", "</wsse:Password>"
		    "<n:Salt xmlns:n=\"" NS_WSSE11 "\">AAECAwQFBgc=</n:Salt>"
		    "<n:Iteration xmlns:n=\"" NS_WSSE11 "\">1</n:Iteration>",
		    WSS_F_INVALID_TOKEN, "malformed UsernameToken" },
		{ "neither password nor salt", "wsse:Username>alice</wsse:Username>"
		    "<wsse:Password Type=\"" URI_PASSWORD_TEXT
		    "\">secret &lt;1&gt;</wsse:Password>",
		    "wsse:Username>alice</wsse:Username>",
		    WSS_F_INVALID_TOKEN, "UsernameToken proves nothing" },
		{ "bad nonce", "</wsse:Password>", "</wsse:Password>"
		    "<wsse:Nonce>!</wsse:Nonce>", WSS_F_INVALID_TOKEN,
		    "malformed Nonce" },
		{ "old Created of the token", "</wsse:Password>",
		    "</wsse:Password><wsu:Created>2026-01-01T00:00:00Z"
		    "</wsu:Created>", WSS_F_EXPIRED, "created too long ago" },
	};
	struct envelope	 e = { 0 };
	struct wss	 w;
	xmlDocPtr	 doc;
	const char	*why;
	char		*s;
	size_t		 i;

	make(&e, PASSWORD);
	doc = xml_parse(e.text, strlen(e.text), &limits, &why);
	is_int(wss_examine(&w, doc, &rules), 0, "password token");
	is_str(w.password, "secret <1>", "the password");
	is_int(w.has_signature, 0, "no signature");
	wss_free(&w);
	xmlFreeDoc(doc);
	for (i = 0; i < nitems(t); i++) {
		s = substitute(e.text, t[i].from, t[i].to);
		examine(s, &rules, t[i].name, t[i].fault, t[i].why);
		free(s);
	}
	unmake(&e);
}

#define INVALID	WSS_F_INVALID_SECURITY
#define NOALG	WSS_F_UNSUPPORTED_ALGORITHM
#define NOTOKEN	WSS_F_UNSUPPORTED_TOKEN
#define ALG(x)	"Transform Algorithm=\"" x "\""

/* One piece of the Security header is another. */
static void
test_forms(void)
{
	static const char no_exc[] =
	    "canonicalization or transform is not exclusive C14N";
	static const char no_id[] =
	    "reference is not to an Id of this document";
	static const struct {
		enum kind	 kind;
		const char	*name, *from, *to;
		enum wss_fault	 fault;
		const char	*why;
	} t[] = {
		{ CERT, "white space in Security", "</ds:SignedInfo>",
		    "</ds:SignedInfo>\n  ", WSS_F_OK, NULL },
		{ CERT, "SHA-1 digest", URI_SHA256, NS_DS "sha1", NOALG,
		    "digest method is not SHA-256" },
		{ CERT, "SHA-512 digest", URI_SHA256,
		    "http://www.w3.org/2001/04/xmlenc#sha512", NOALG,
		    "digest method is not SHA-256" },
		{ CERT, "signature with SHA-1", URI_ECDSA_SHA256,
		    NS_DS "rsa-sha1", NOALG, "signature method is not allowed" },
		{ MAC, "MAC with SHA-1", URI_HMAC_SHA256, NS_DS "hmac-sha1",
		    NOALG, "signature method is not allowed" },
		{ MAC, "MAC with MD5", URI_HMAC_SHA256,
		    "http://www.w3.org/2001/04/xmldsig-more#hmac-md5", NOALG,
		    "signature method is not allowed" },
		{ CERT, "inclusive C14N", NS_EXC_C14N,
		    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", NOALG,
		    no_exc },
		{ CERT, "exclusive C14N with comments", NS_EXC_C14N,
		    NS_EXC_C14N "WithComments", NOALG, no_exc },
		{ CERT, "inclusive C14N as transform", ALG(NS_EXC_C14N),
		    ALG("http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
		    NOALG, no_exc },
		{ CERT, "XSLT", ALG(NS_EXC_C14N),
		    ALG("http://www.w3.org/TR/1999/REC-xslt-19991116"), NOALG,
		    no_exc },
		{ CERT, "XPath", ALG(NS_EXC_C14N),
		    ALG("http://www.w3.org/TR/1999/REC-xpath-19991116"), NOALG,
		    no_exc },
		{ CERT, "XPath filter", ALG(NS_EXC_C14N),
		    ALG("http://www.w3.org/2002/06/xmldsig-filter2"), NOALG,
		    no_exc },
		{ CERT, "base64 transform", ALG(NS_EXC_C14N),
		    ALG(NS_DS "base64"), NOALG, no_exc },
		{ CERT, "enveloped signature", ALG(NS_EXC_C14N),
		    ALG(NS_DS "enveloped-signature"), NOALG, no_exc },
		{ CERT, "STR transform", ALG(NS_EXC_C14N),
		    ALG("http://docs.oasis-open.org/wss/2004/01/oasis-200401-"
		    "wss-soap-message-security-1.0#STR-Transform"), NOALG,
		    no_exc },
		{ CERT, "two transforms", EXC, EXC EXC, NOALG,
		    "more than one transform" },
		{ CERT, "no transform", EXC, "", INVALID,
		    "reference without its transform" },
		{ CERT, "XPath inside of the transform",
		    NS_EXC_C14N "\"></ds:Transform>", NS_EXC_C14N
		    "\"><ds:XPath>1</ds:XPath></ds:Transform>", INVALID,
		    "unexpected element in a canonicalization method" },
		{ MAC, "HMACOutputLength", URI_HMAC_SHA256
		    "\"></ds:SignatureMethod>", URI_HMAC_SHA256
		    "\"><ds:HMACOutputLength>0</ds:HMACOutputLength>"
		    "</ds:SignatureMethod>", INVALID,
		    "signature method with a parameter" },
		{ CERT, "empty URI", "URI=\"#body\"", "URI=\"\"", INVALID,
		    no_id },
		{ CERT, "no URI", "URI=\"#body\"", "", INVALID, no_id },
		{ CERT, "URI \"#\"", "URI=\"#body\"", "URI=\"#\"", INVALID,
		    no_id },
		{ CERT, "external URI", "URI=\"#body\"",
		    "URI=\"http://127.0.0.1:1/x#body\"", INVALID, no_id },
		{ CERT, "file URI", "URI=\"#body\"",
		    "URI=\"file:///etc/passwd\"", INVALID, no_id },
		{ CERT, "attachment URI", "URI=\"#body\"",
		    "URI=\"cid:x@y\"", INVALID, no_id },
		{ CERT, "XPointer to the root", "URI=\"#body\"",
		    "URI=\"#xpointer(/)\"", INVALID, no_id },
		{ CERT, "XPointer by id", "URI=\"#body\"",
		    "URI=\"#xpointer(id('body'))\"", INVALID, no_id },
		{ CERT, "reference to nothing", "URI=\"#body\"",
		    "URI=\"#nobody\"", INVALID,
		    "reference to an Id that is not there" },
		{ CERT, "one element twice", "URI=\"#ts\"", "URI=\"#body\"",
		    INVALID, "one element is referenced twice" },
		{ CERT, "more prefixes than anybody has", ALG(NS_EXC_C14N) ">",
		    ALG(NS_EXC_C14N) "><e:InclusiveNamespaces xmlns:e=\""
		    NS_EXC_C14N "\" PrefixList=\"a b c d e f g h i j k l m n o "
		    "p q r s t u v w x y z A B C D E F G\"/>", INVALID,
		    "PrefixList is too long" },
		{ CERT, "digest of another length", "<ds:DigestValue>",
		    "<ds:DigestValue>AAAA", INVALID, "malformed digest value" },
		{ CERT, "comment in a digest", "<ds:DigestValue>",
		    "<ds:DigestValue><!-- -->", INVALID,
		    "malformed digest value" },
		{ CERT, "Object", "</ds:KeyInfo>",
		    "</ds:KeyInfo><ds:Object></ds:Object>", INVALID,
		    "malformed signature" },
		{ CERT, "Manifest in SignedInfo", "</ds:SignedInfo>",
		    "<ds:Manifest></ds:Manifest></ds:SignedInfo>", INVALID,
		    "unexpected element in SignedInfo" },
		{ CERT, "signature value cut", "<ds:SignatureValue>",
		    "<ds:SignatureValue>AAAA", INVALID,
		    "malformed signature value" },
		{ CERT, "no KeyInfo", "ds:KeyInfo>", "ds:KeyInfo />"
		    "<ds:KeyInfo>", INVALID, "malformed signature" },
		{ CERT, "KeyName", "<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>k"
		    "</ds:KeyName>", NOTOKEN,
		    "KeyInfo is not a SecurityTokenReference" },
		{ CERT, "KeyValue", "<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyValue>"
		    "</ds:KeyValue>", NOTOKEN,
		    "KeyInfo is not a SecurityTokenReference" },
		{ CERT, "X509Data", "<ds:KeyInfo>", "<ds:KeyInfo><ds:X509Data>"
		    "</ds:X509Data>", NOTOKEN,
		    "KeyInfo is not a SecurityTokenReference" },
		{ CERT, "two references of KeyInfo",
		    "</wsse:SecurityTokenReference>",
		    "</wsse:SecurityTokenReference>"
		    "<wsse:SecurityTokenReference/>", INVALID,
		    "malformed KeyInfo" },
		{ CERT, "KeyInfo refers to the Body", "URI=\"#token\" Value",
		    "URI=\"#body\" Value", INVALID,
		    "KeyInfo does not refer to the token" },
		{ CERT, "KeyInfo refers abroad", "URI=\"#token\" Value",
		    "URI=\"http://x/#token\" Value", INVALID,
		    "KeyInfo does not refer to the token" },
		{ CERT, "KeyInfo with another ValueType",
		    "URI=\"#token\" ValueType=\"" URI_X509V3,
		    "URI=\"#token\" ValueType=\"" URI_USERNAME_TOKEN, NOTOKEN,
		    "reference with another ValueType than its token" },
		{ CERT, "Embedded", "<wsse:Reference URI=\"#token\" ValueType=\""
		    URI_X509V3 "\"></wsse:Reference>",
		    "<wsse:Embedded></wsse:Embedded>", NOTOKEN,
		    "unknown form of key reference" },
		{ THUMB, "KeyIdentifier of the subject key", "#ThumbprintSHA1",
		    "#X509SubjectKeyIdentifier", NOTOKEN,
		    "KeyIdentifier is not a thumbprint" },
		{ CERT, "PKCS #7", "BinarySecurityToken xmlns:wsse=\"" NS_WSSE
		    "\"" U " EncodingType=\"" URI_BASE64 "\" ValueType=\""
		    URI_X509V3, "BinarySecurityToken xmlns:wsse=\"" NS_WSSE
		    "\"" U " EncodingType=\"" URI_BASE64
		    "\" ValueType=\"urn:pkcs7", NOTOKEN,
		    "BinarySecurityToken is not an X.509 certificate" },
		{ CERT, "garbage for a certificate", "wsu:Id=\"token\">MII",
		    "wsu:Id=\"token\">AAA", WSS_F_INVALID_TOKEN,
		    "malformed certificate" },
		{ CERT, "encrypted data", "</wsse:Security>",
		    "<e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/"
		    "xmlenc#\"/></wsse:Security>", NOTOKEN,
		    "unknown token in Security" },
		{ CERT, "an assertion", "</wsse:Security>",
		    "<a:Assertion xmlns:a=\"urn:oasis:names:tc:SAML:2.0:"
		    "assertion\"/></wsse:Security>", INVALID,
		    "more than one token" },
		{ CERT, "one of SAML 1.1", "</wsse:Security>",
		    "<a:Assertion xmlns:a=\"urn:oasis:names:tc:SAML:1.0:"
		    "assertion\"/></wsse:Security>", NOTOKEN,
		    "unknown token in Security" },
		{ CERT, "a user name beside", "<ds:Signature ",
		    "<wsse:UsernameToken><wsse:Username>root</wsse:Username>"
		    "</wsse:UsernameToken><ds:Signature ", INVALID,
		    "more than one token" },
		{ MAC, "a password beside the MAC", "<wsse11:Salt ",
		    "<wsse:Password>x</wsse:Password><wsse11:Salt ",
		    WSS_F_INVALID_TOKEN, "malformed UsernameToken" },
		{ MAC, "no salt", "<wsse11:Salt xmlns:wsse11=\"" NS_WSSE11
		    "\">AAECAwQFBgcICQoLDA0ODw==</wsse11:Salt>", "",
		    WSS_F_INVALID_TOKEN, "malformed UsernameToken" },
		{ MAC, "short salt", ">AAECAwQFBgcICQoLDA0ODw==<", ">AAEC<",
		    WSS_F_INVALID_TOKEN, "malformed Salt" },
		{ MAC, "no iterations", ">600000<", ">0<",
		    WSS_F_INVALID_TOKEN, "malformed Iteration" },
		{ MAC, "another user", "alice", "mallory",
		    WSS_F_FAILED_CHECK, "digest of a signed element is wrong" },
		{ CERT, "another body", "messageToGet>7", "messageToGet>8",
		    WSS_F_FAILED_CHECK, "digest of a signed element is wrong" },
		{ CERT, "another wsa:To", "https://capricorn", "https://scorpio",
		    WSS_F_FAILED_CHECK, "digest of a signed element is wrong" },
		{ CERT, "for another actor", "s:mustUnderstand=\"1\"",
		    "s:mustUnderstand=\"1\" s:actor=\"urn:other\"", INVALID,
		    "Security header for another actor" },
	};
	struct envelope	 e = { 0 };
	char		*s;
	size_t		 i;

	for (i = 0; i < nitems(t); i++) {
		make(&e, t[i].kind);
		s = substitute(e.text, t[i].from, t[i].to);
		examine(s, &rules, t[i].name, t[i].fault, t[i].why);
		free(s);
		unmake(&e);
	}
}

/*
 * Signature wrapping: the signed piece is somewhere else, another one in its
 * place.  %-letters stand for pieces: B the signed Body, E an evil one
 * without an Id, F the same with Id="evil", T and U the signed Timestamp and
 * another fresh one, K token, S signature, A the signed wsa:To, Z an evil
 * one, N the whole envelope as it was.
 */
static char	*wrap(const struct envelope *, const char *);

#define HEAD	"<s:Envelope xmlns:s=\"" NS_SOAP11 "\"><s:Header>%A"
#define SEC(x)	"<wsse:Security xmlns:wsse=\"" NS_WSSE "\">" x "</wsse:Security>"
#define BODY(x)	"</s:Header>" x "</s:Envelope>"

static const struct {
	const char	*name, *pattern;
	enum wss_fault	 fault;
	const char	*why;
} wraps[] = {
	{ "control of the patterns", HEAD SEC("%T%K%S") BODY("%B"), WSS_F_OK,
	    NULL },
	{ "Body in a header block", HEAD WRAP("%B") SEC("%T%K%S") BODY("%E"),
	    INVALID, "signed element is in the wrong place" },
	{ "Body in a header block, the evil one with an Id",
	    HEAD WRAP("%B") SEC("%T%K%S") BODY("%F"), INVALID,
	    "signed element is in the wrong place" },
	{ "Body as a header block", HEAD "%B" SEC("%T%K%S") BODY("%E"),
	    INVALID, "Body is not signed" },
	{ "Body in Security", HEAD SEC("%T%K%S%B") BODY("%E"), NOTOKEN,
	    "unknown token in Security" },
	{ "Body in an Object", HEAD SEC("%T%K%O") BODY("%E"), INVALID,
	    "malformed signature" },
	{ "Body in the KeyInfo", HEAD SEC("%T%K%I") BODY("%E"), INVALID,
	    "malformed KeyInfo" },
	{ "Body in the evil one", HEAD SEC("%T%K%S") BODY("<s:Body>" WRAP("%B")
	    "</s:Body>"), INVALID, "signed element is in the wrong place" },
	{ "Body behind the evil one", HEAD SEC("%T%K%S") BODY("%E%B"),
	    WSS_F_OK, "envelope is not one Header and one Body" },
	{ "Body before the evil one", HEAD SEC("%T%K%S") BODY("%B%E"),
	    WSS_F_OK, "envelope is not one Header and one Body" },
	{ "Body beside in a wrapper", HEAD SEC("%T%K%S") BODY("%E" WRAP("%B")),
	    WSS_F_OK, "envelope is not one Header and one Body" },
	{ "wrapper before the Body", HEAD SEC("%T%K%S")
	    BODY(WRAP("%B") "%E"), WSS_F_OK,
	    "envelope is not one Header and one Body" },
	{ "two Headers", HEAD WRAP("%B") "</s:Header><s:Header>"
	    SEC("%T%K%S") BODY("%E"), WSS_F_OK,
	    "envelope is not one Header and one Body" },
	{ "Body twice with one Id", HEAD WRAP("%B") SEC("%T%K%S") BODY("%B"),
	    WSS_F_OK, "Id is not unique" },
	{ "the same Id in another spelling", HEAD WRAP("%B") SEC("%T%K%S")
	    BODY("<s:Body Id=\"body\"><evil/></s:Body>"), WSS_F_OK,
	    "Id is not unique" },
	{ "the same Id as xml:id", HEAD WRAP("%B") SEC("%T%K%S")
	    BODY("<s:Body xml:id=\"body\"><evil/></s:Body>"), WSS_F_OK,
	    "Id is not unique" },
	{ "envelope in the evil one's Header", "<s:Envelope xmlns:s=\""
	    NS_SOAP11 "\"><s:Header>" WRAP("%N") BODY("%E"), WSS_F_OK, "none" },
	{ "envelope in a header, its Security moved", HEAD WRAP(
	    "<s:Envelope>%B</s:Envelope>") SEC("%T%K%S") BODY("%E"), INVALID,
	    "signed element is in the wrong place" },
	{ "envelope in the Body", "<s:Envelope xmlns:s=\"" NS_SOAP11 "\">"
	    "<s:Body>%N</s:Body></s:Envelope>", WSS_F_OK, "none" },
	{ "Body of the other SOAP", HEAD SEC("%T%K%S") BODY(
	    "<t:Body xmlns:t=\"" NS_SOAP12 "\"><evil/></t:Body>" "%B"),
	    WSS_F_OK, "envelope is not one Header and one Body" },
	{ "Timestamp in a wrapper", HEAD WRAP("%T") SEC("%U%K%S") BODY("%B"),
	    INVALID, "signed element is in the wrong place" },
	{ "Timestamp as a header block", HEAD "%T" SEC("%U%K%S") BODY("%B"),
	    INVALID, "Timestamp is not signed" },
	{ "two Timestamps", HEAD SEC("%T%U%K%S") BODY("%B"), INVALID,
	    "repeated element in Security" },
	{ "no Timestamp", HEAD SEC("%K%S") BODY("%B"), INVALID,
	    "no Timestamp" },
	{ "wsa:To in a wrapper", "<s:Envelope xmlns:s=\"" NS_SOAP11 "\">"
	    "<s:Header>%Z" WRAP("%A") SEC("%T%K%S") BODY("%B"), INVALID,
	    "signed element is in the wrong place" },
	{ "two wsa:To", HEAD "%Z" SEC("%T%K%S") BODY("%B"), WSS_F_OK,
	    "repeated addressing header" },
	{ "another addressing header", HEAD "<wsa:ReplyTo xmlns:wsa=\"" NS_WSA
	    "\"/>" SEC("%T%K%S") BODY("%B"), INVALID,
	    "an addressing header is not signed" },
	{ "Delivery added", HEAD "<d:Delivery xmlns:d=\"" NS_WSE2 "\"/>"
	    SEC("%T%K%S") BODY("%B"), INVALID, "Delivery is not signed" },
	{ "two Deliveries", HEAD "<d:Delivery xmlns:d=\"" NS_WSE2 "\"/>"
	    "<d:Delivery xmlns:d=\"" NS_WSE2 "\"/>" SEC("%T%K%S")
	    BODY("%B"), WSS_F_OK, "two Delivery headers" },
	{ "token in a wrapper", HEAD WRAP("%K") SEC("%T%S") BODY("%B"),
	    INVALID, "KeyInfo does not refer to the token" },
	{ "two Security headers", HEAD SEC("") SEC("%T%K%S") BODY("%B"),
	    INVALID, "two Security headers" },
	{ "two Security headers, one for another", HEAD SEC("%T%K%S")
	    "<wsse:Security xmlns:wsse=\"" NS_WSSE "\" s:actor=\"urn:x\"/>"
	    BODY("%B"), INVALID, "two Security headers" },
	{ "two signatures", HEAD SEC("%T%K%S%S") BODY("%B"), INVALID,
	    "repeated element in Security" },
	{ "Security in a wrapper", HEAD WRAP(SEC("%T%K%S")) BODY("%B"),
	    WSS_F_OK, "none" },
	{ "Id on the Envelope", "<s:Envelope xmlns:s=\"" NS_SOAP11
	    "\" Id=\"body\"><s:Header>%A" SEC("%T%K%S") BODY("%E"), INVALID,
	    "signed element is in the wrong place" },
	{ "Id on the Header", "<s:Envelope xmlns:s=\"" NS_SOAP11
	    "\"><s:Header Id=\"body\">%A" SEC("%T%K%S") BODY("%E"), INVALID,
	    "signed element is in the wrong place" },
	{ "Id on Security", HEAD "<wsse:Security xmlns:wsse=\"" NS_WSSE
	    "\" Id=\"body\">%T%K%S</wsse:Security>" BODY("%E"), INVALID,
	    "signed element is in the wrong place" },
	{ "Id on the operation", HEAD SEC("%T%K%S") BODY(
	    "<s:Body><evil Id=\"body\"/></s:Body>"), INVALID,
	    "signed element is in the wrong place" },
	{ "Body of two operations", HEAD SEC("%T%K%S") BODY(
	    "<s:Body><evil/><evil/></s:Body>"), WSS_F_OK,
	    "Body is not one element" },
};

static char *
wrap(const struct envelope *e, const char *pattern)
{
	static const char evil[] = "<w:WSEmailDelete xmlns:w=\"" NS_WSE "\"/>";
	struct wbuf	 w = { 0 };
	char		*s, *in;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern != '%') {
			wbuf_raw(&w, pattern, 1);
			continue;
		}
		s = in = NULL;
		switch (*++pattern) {
		case 'A':
			wbuf_puts(&w, e->to);
			break;
		case 'B':
			wbuf_puts(&w, e->body);
			break;
		case 'E':
			s = cat("<s:Body>", evil, "</s:Body>", NULL);
			break;
		case 'F':
			s = cat("<s:Body Id=\"evil\">", evil, "</s:Body>",
			    NULL);
			break;
		case 'I':
			in = cat("</wsse:SecurityTokenReference>", e->body,
			    NULL);
			s = substitute(e->signature,
			    "</wsse:SecurityTokenReference>", in);
			break;
		case 'K':
			wbuf_puts(&w, e->token);
			break;
		case 'N':
			wbuf_puts(&w, e->text);
			break;
		case 'O':
			in = cat("<ds:Object>", e->body,
			    "</ds:Object></ds:Signature>", NULL);
			s = substitute(e->signature, "</ds:Signature>", in);
			break;
		case 'S':
			wbuf_puts(&w, e->signature);
			break;
		case 'T':
			wbuf_puts(&w, e->ts);
			break;
		case 'U':
			s = substitute(e->ts, "wsu:Id=\"ts\"", "Id=\"new\"");
			break;
		case 'Z':
			wbuf_puts(&w, "<wsa:To xmlns:wsa=\"" NS_WSA
			    "\">https://evil.test/</wsa:To>");
			break;
		}
		if (s != NULL)
			wbuf_puts(&w, s);
		free(s);
		free(in);
	}
	return text_of(&w);
}

/* "none": accepted as an envelope that nobody has authenticated. */
static void
test_wrapping(void)
{
	struct envelope	 e = { 0 };
	struct wss	 w;
	xmlDocPtr	 doc;
	const char	*why;
	char		*s;
	size_t		 i;

	make(&e, CERT);
	for (i = 0; i < nitems(wraps); i++) {
		s = wrap(&e, wraps[i].pattern);
		if (wraps[i].why == NULL || strcmp(wraps[i].why, "none") != 0) {
			examine(s, &rules, wraps[i].name, wraps[i].fault,
			    wraps[i].why);
			free(s);
			continue;
		}
		doc = xml_parse(s, strlen(s), &limits, &why);
		ok(doc != NULL && wss_examine(&w, doc, &rules) == 0 &&
		    w.token == WSS_NONE && !w.has_signature, wraps[i].name);
		wss_free(&w);
		xmlFreeDoc(doc);
		free(s);
	}
	unmake(&e);
}

static void
test_times(void)
{
	static const struct {
		const char	*name;
		int64_t		 shift;		/* of the receiver's clock */
		const char	*why;
	} t[] = {
		{ "now",			0,	NULL },
		{ "ahead as far as allowed",	-60000,	NULL },
		{ "ahead by more",		-60001,	"created in the future" },
		{ "just not expired",		299999,	NULL },
		{ "expired",			300000,	"expired" },
	};
	static const struct {
		const char	*name, *from, *to, *why;
		int64_t		 shift;
	} bad[] = {
		{ "no Expires, as old as allowed", "<wsu:Expires>2026",
		    NULL, NULL, 300000 },
		{ "no Expires, older", "<wsu:Expires>2026", NULL,
		    "created too long ago", 300001 },
		{ "Expires far away does not help", "Expires>2026",
		    "Expires>2036", "created too long ago", 300001 },
		{ "no Created", "<wsu:Created>", "<wsu:Expires>",
		    "malformed Timestamp", 0 },
		{ "Created is no time", "Created>2026", "Created>x",
		    "malformed Timestamp", 0 },
		{ "Expires is no time", "Expires>2026", "Expires>x",
		    "malformed Timestamp", 0 },
	};
	struct envelope	 e = { 0 };
	struct wss_rules r = rules;
	char		*s, *p;
	size_t		 i;

	make(&e, CERT);
	for (i = 0; i < nitems(t); i++) {
		r.now = NOW + t[i].shift;
		examine(e.text, &r, t[i].name, WSS_F_EXPIRED, t[i].why);
	}
	unmake(&e);
	/* Time is judged before the digests, so these need no signature. */
	for (i = 0; i < nitems(bad); i++) {
		make(&e, PASSWORD);
		r.now = NOW + bad[i].shift;
		if (bad[i].to != NULL)
			s = substitute(e.text, bad[i].from, bad[i].to);
		else {
			s = cat(e.text, NULL);
			p = strstr(s, "<wsu:Expires>");
			memmove(p, strstr(s, "</wsu:Timestamp>"),
			    strlen(strstr(s, "</wsu:Timestamp>")) + 1);
		}
		if (strcmp(bad[i].name, "no Created") == 0) {
			free(s);
			s = substitute(e.text, "<wsu:Created>",
			    "<wsu:Other>");
			p = substitute(s, "</wsu:Created>", "</wsu:Other>");
			free(s);
			s = p;
		}
		examine(s, &r, bad[i].name, bad[i].why != NULL &&
		    strstr(bad[i].why, "malformed") != NULL ? INVALID :
		    WSS_F_EXPIRED, bad[i].why);
		free(s);
		unmake(&e);
	}
}

/* Signed rightly, but not over everything. */
static void
test_uncovered(void)
{
	struct envelope	 e = { 0 };
	char		*s;

	e.skip_ts = 1;
	make(&e, CERT);
	examine(e.text, &rules, "Timestamp is not in the signature", INVALID,
	    "Timestamp is not signed");
	unmake(&e);
	e.skip_wsa = 1;
	make(&e, MAC);
	examine(e.text, &rules, "wsa:To is not in the signature", INVALID,
	    "an addressing header is not signed");
	unmake(&e);
	make(&e, CERT);
	s = substitute(e.text, e.signature, "");
	examine(s, &rules, "certificate without a signature", INVALID,
	    "a certificate without a signature");
	free(s);
	unmake(&e);
	make(&e, MAC);
	s = substitute(e.text, e.signature, "");
	examine(s, &rules, "salt without a signature", INVALID,
	    "neither a password nor a signature");
	free(s);
	free(e.token);
	e.kind = PASSWORD;
	make_token(&e);
	make_text(&e);
	examine(e.text, &rules, "password, and the MAC of another", INVALID,
	    "a password and a signature");
	unmake(&e);
}

/* r and s, as OpenSSL has them, where the rules allow it. */
static void
test_der(void)
{
	struct wss_rules	 lax = rules;
	struct envelope		 e = { 0 };
	ECDSA_SIG		*sig;
	uint8_t			*raw, *der = NULL;
	char			*old, *new, *s, *p;
	size_t			 len;
	int			 n;

	lax.ecdsa_der = 1;
	make(&e, CERT);
	p = strstr(e.text, "<ds:SignatureValue>") + strlen("<ds:SignatureValue>");
	old = strndup(p, strcspn(p, "<"));
	if ((raw = xml_base64(old, &len)) == NULL || len != 64 ||
	    (sig = ECDSA_SIG_new()) == NULL)
		errx(1, "no value");
	ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL),
	    BN_bin2bn(raw + 32, 32, NULL));
	if ((n = i2d_ECDSA_SIG(sig, &der)) <= 0)
		errx(1, "DER");
	new = base64(der, (size_t)n);
	s = substitute(e.text, old, new);
	examine(s, &lax, "an ECDSA value in DER", WSS_F_OK, NULL);
	examine(e.text, &lax, "one that is r and s", WSS_F_OK, NULL);
	examine(s, &rules, "in DER, and the rules do not say so", INVALID,
	    "malformed signature value");
	ECDSA_SIG_free(sig);
	OPENSSL_free(der);
	free(raw);
	free(old);
	free(new);
	free(s);
	unmake(&e);
}

/* One element by two of its Ids: it would be canonicalised for each. */
static void
test_twice(void)
{
	struct envelope	 e = { 0 };
	char		*s, *p;

	make(&e, CERT);
	s = substitute(e.text, "wsu:Id=\"body\"", "wsu:Id=\"body\" "
	    "Id=\"corpus\"");
	p = substitute(s, "URI=\"#ts\"", "URI=\"#corpus\"");
	examine(p, &rules, "one element by two Ids", INVALID,
	    "one element is referenced twice");
	free(p);
	free(s);
	unmake(&e);
}

/* A MAC whose key is the certificate, which everybody knows. */
static void
test_confusion(void)
{
	struct envelope	 e = { 0 };
	char		*s;

	e.alg = URI_HMAC_SHA256;
	e.kind = CERT;
	make_pieces(&e, NOW);
	e.kind = MAC;
	make_signature(&e);
	e.text = NULL;
	make_text(&e);
	s = substitute(e.text, "URI=\"#token\" ValueType=\""
	    URI_USERNAME_TOKEN, "URI=\"#token\" ValueType=\"" URI_X509V3);
	examine(s, &rules, "HMAC with a certificate", INVALID,
	    "signature method does not fit the token");
	free(s);
	unmake(&e);
	e.alg = URI_RSA_SHA256;
	make(&e, CERT);
	examine(e.text, &rules, "RSA method, 64 octets", INVALID,
	    "malformed signature value");
	unmake(&e);
	e.alg = URI_ECDSA_SHA256;
	make(&e, MAC);
	examine(e.text, &rules, "ECDSA method with a password's token",
	    INVALID, "malformed signature value");
	unmake(&e);
}

static void
test_must_understand(void)
{
	static const struct {
		const char	*block;
		int		 found;
	} t[] = {
		{ "<x xmlns='urn:x'/>", 0 },
		{ "<x xmlns='urn:x' s:mustUnderstand='0'/>", 0 },
		{ "<x xmlns='urn:x' s:mustUnderstand='1'/>", 1 },
		{ "<x xmlns='urn:x' s:mustUnderstand='true'/>", 1 },
		{ "<x xmlns='urn:x' s:mustUnderstand='1' s:actor='urn:o'/>", 0 },
		{ "<x xmlns='urn:x' s:mustUnderstand='1' s:actor='"
		    "http://schemas.xmlsoap.org/soap/actor/next'/>", 1 },
		{ "<a:Action xmlns:a='" NS_WSA "' s:mustUnderstand='1'>u"
		    "</a:Action>", 0 },
		{ "<a:Other xmlns:a='" NS_WSA "' s:mustUnderstand='1'/>", 1 },
		{ "<d:Delivery xmlns:d='" NS_WSE2 "' s:mustUnderstand='1'/>",
		    0 },
	};
	struct wss	 w;
	xmlDocPtr	 doc;
	const char	*why;
	char		*s;
	size_t		 i;

	for (i = 0; i < nitems(t); i++) {
		s = cat("<s:Envelope xmlns:s='" NS_SOAP11 "'><s:Header>",
		    t[i].block, "</s:Header><s:Body><a/></s:Body>"
		    "</s:Envelope>", NULL);
		doc = xml_parse(s, strlen(s), &limits, &why);
		is_int(wss_examine(&w, doc, &rules), 0, t[i].block);
		is_int(wss_not_understood(&w) != NULL, t[i].found,
		    "must be understood");
		wss_free(&w);
		xmlFreeDoc(doc);
		free(s);
	}
}

static void
test_replay(void)
{
	struct wss	 w = { 0 };
	struct replay	 a, b;

	wss_replay(&w, "alice@a.test", &rules, &a);
	is_int(a.until, 0, "nothing fresh, nothing to remember");
	w.has_signature = 1;
	w.created = NOW - 1000;
	wbuf_puts(&w.signedinfo, "<SignedInfo/>");
	wss_replay(&w, "alice@a.test", &rules, &a);
	is_int(a.until, NOW - 1000 + 360000, "kept until t + W + F");
	wss_replay(&w, "alice@a.test", &rules, &b);
	ok(memcmp(a.key, b.key, 32) == 0, "the same again is the same");
	wss_replay(&w, "bob@a.test", &rules, &b);
	ok(memcmp(a.key, b.key, 32) != 0, "another's is another");
	w.wsa_messageid = strdup("x");
	wss_replay(&w, "alice@a.test", &rules, &a);
	ok(memcmp(a.key, b.key, 32) != 0, "a MessageID counts");
	w.nonce = strdup("x");
	wss_replay(&w, "alice@a.test", &rules, &b);
	ok(memcmp(a.key, b.key, 32) != 0, "a nonce is no MessageID");
	wss_free(&w);
}

static void
make_pair(struct wbuf *m, struct wbuf *sig)
{
	char		 rcpt[] = "bob@scorpio.test", *to[] = { rcpt };
	struct wsmsg	 msg = { .rcpt = to, .nrcpt = 1, .timestamp = NOW };
	struct wbuf	 si = { 0 }, ki = { 0 };
	struct wss_ref	 ref = { .id = "m-0123456789abcdef" };
	uint8_t		 value[64];
	size_t		 n;
	char		*keyinfo;

	msg.body = strdup("Bob,\r\n\t<the> \"papers\" ]]> are ready. \n");
	msg.subject = strdup(" \xf0\x9f\x93\xa7 & more ");
	msg.sender = strdup("alice@capricorn.test");
	msg.msgid = strdup("0123456789abcdef@capricorn.test");
	if (wsmsg_compose(&msg, m) == -1 ||
	    wss_digest(m->data, m->len, ref.digest) == -1)
		err(1, "compose");
	wss_signedinfo(&si, URI_ECDSA_SHA256, &ref, 1);
	n = (size_t)sign_ecdsa(si.data, si.len, value);
	if (wss_x509data(&ki, cert.x, NULL) == -1)
		errx(1, "X509Data");
	keyinfo = text_of(&ki);
	wss_signature(sig, &si, value, n, keyinfo);
	free(keyinfo);
	wbuf_free(&si);
	msg.rcpt = NULL;
	msg.nrcpt = 0;
	wsmsg_free(&msg);
}

static void
detached(const char *m, const char *sig, const char *name, const char *want)
{
	STACK_OF(X509)	*chain;
	X509		*x;
	const char	*why;
	int		 rv;

	rv = wss_verify_detached(m, strlen(m), sig, strlen(sig), &x, &chain,
	    &why);
	if (want == NULL)
		ok(rv == 0 && x != NULL && X509_cmp(x, cert.x) == 0, name);
	else
		is_str(rv == 0 ? "accepted" : why, want, name);
	X509_free(x);
	sk_X509_pop_free(chain, X509_free);
}

static void
test_detached(void)
{
	static const struct {
		const char	*name;
		int		 of_m;
		const char	*from, *to, *why;
	} t[] = {
		{ "another body", 1, "ready", "read",
		    "digest of the message is wrong" },
		{ "another sender", 1, "alice@", "mallory@",
		    "digest of the message is wrong" },
		{ "another Id", 1, "Id=\"m-0", "Id=\"m-1",
		    "signature is not over this message alone" },
		{ "not canonical", 1, "<Body>", "<Body >",
		    "message is not in canonical form" },
		{ "a comment", 1, "<Body>", "<!-- --><Body>",
		    "message is not in canonical form" },
		{ "another digest", 0, "<ds:DigestValue>",
		    "<ds:DigestValue> ", "signature is wrong" },
		{ "SHA-1", 0, URI_SHA256, NS_DS "sha1",
		    "digest method is not SHA-256" },
		{ "PrefixList", 0, "\"></ds:Transform>", "\"><e:Inclusive"
		    "Namespaces xmlns:e=\"" NS_EXC_C14N "\" PrefixList=\"x\"/>"
		    "</ds:Transform>", "PrefixList in a detached signature" },
		{ "HMAC", 0, URI_ECDSA_SHA256, URI_HMAC_SHA256,
		    "malformed signature value" },
		{ "no certificate", 0, "ds:X509Data>", "ds:X509Data/>"
		    "<ds:X509Data>", "KeyInfo is not X.509 certificates" },
		{ "Object", 0, "</ds:KeyInfo>",
		    "</ds:KeyInfo><ds:Object/>", "malformed signature" },
		{ "DOCTYPE", 1, "<theMessage", "<!DOCTYPE a><theMessage",
		    "document type declaration" },
	};
	struct wbuf	 wm = { 0 }, ws = { 0 };
	char		*m, *sig, *s;
	size_t		 i;
	uint8_t		 digest[32];

	make_pair(&wm, &ws);
	is_int(wss_digest(ws.data, ws.len, digest), 0,
	    "the Signature is its own canonical form");
	m = text_of(&wm);
	sig = text_of(&ws);
	detached(m, sig, "message and signature", NULL);
	for (i = 0; i < nitems(t); i++) {
		s = substitute(t[i].of_m ? m : sig, t[i].from, t[i].to);
		detached(t[i].of_m ? s : m, t[i].of_m ? sig : s, t[i].name,
		    t[i].why);
		free(s);
	}
	free(m);
	free(sig);
}

static void
write_pair(const char *dir)
{
	struct wbuf	 m = { 0 }, sig = { 0 };
	char		 path[1024];
	FILE		*f;

	make_pair(&m, &sig);
	snprintf(path, sizeof(path), "%s/pair.xml", dir);
	if ((f = fopen(path, "w")) == NULL)
		err(1, "%s", path);
	fprintf(f, "<pair>%.*s%.*s</pair>", (int)m.len, (char *)m.data,
	    (int)sig.len, (char *)sig.data);
	if (fclose(f) == EOF)
		err(1, "%s", path);
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	if ((f = fopen(path, "w")) == NULL)
		err(1, "%s", path);
	fputs(ca.cert_pem, f);
	if (fclose(f) == EOF)
		err(1, "%s", path);
	wbuf_free(&m);
	wbuf_free(&sig);
}

int
main(int argc, char **argv)
{
	if (xml_init() == -1)
		errx(1, "xml_init");
	testcert_ca(&ca, "Test CA");
	testcert_issue(&cert, &ca, "capricorn.test");
	if (argc == 3 && strcmp(argv[1], "-w") == 0) {
		write_pair(argv[2]);
		return 0;
	}
	test_controls();
	test_passwords();
	test_forms();
	test_wrapping();
	test_times();
	test_uncovered();
	test_der();
	test_twice();
	test_confusion();
	test_must_understand();
	test_replay();
	test_detached();
	testcert_free(&cert);
	testcert_free(&ca);
	return done_testing();
}
