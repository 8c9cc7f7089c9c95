/* SPDX-License-Identifier: ISC */
/* saml.h: what is written reads the same, and nothing else is read. */
#include "compat.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <stdio.h>

#include "saml.h"
#include "tap.h"
#include "testcert.h"
#include "wsemail.h"
#include "wss.h"
#include "wstime.h"

static struct testcert	 ca, home, other, holder;
static struct saml	 s0;
static char		*good;		/* an assertion, as text */

static void
bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static void
sign(const struct testcert *by, const struct wbuf *text, uint8_t raw[64])
{
	EVP_MD_CTX		*ctx = EVP_MD_CTX_new();
	const unsigned char	*p;
	const BIGNUM		*r, *v;
	ECDSA_SIG		*sig;
	uint8_t			 der[128];
	size_t			 n = sizeof(der);

	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, by->key) != 1 ||
	    EVP_DigestSign(ctx, der, &n, text->data, text->len) != 1)
		bail("signing");
	EVP_MD_CTX_free(ctx);
	p = der;
	sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	ECDSA_SIG_get0(sig, &r, &v);
	BN_bn2binpad(r, raw, 32);
	BN_bn2binpad(v, raw + 32, 32);
	ECDSA_SIG_free(sig);
}

/* Signed by one, with the certificate of one; the caller frees. */
static char *
make(const struct saml *s, const struct testcert *by,
    const struct testcert *cert)
{
	struct wbuf	 w = { 0 }, si = { 0 }, out = { 0 };
	uint8_t		 raw[64];
	size_t		 at;

	if (saml_compose(s, URI_ECDSA_SHA256, &w, &at, &si) == -1)
		bail("composing");
	sign(by, &si, raw);
	if (saml_seal(&w, at, &si, raw, sizeof(raw), cert->x, NULL, &out) == -1)
		bail("sealing");
	wbuf_u8(&out, 0);
	wbuf_free(&w);
	wbuf_free(&si);
	return (char *)out.data;
}

static int
read_text(const char *text, struct saml *s, const char **why)
{
	const struct xml_limits	 lim = { SAML_TOKEN_MAX, 64, 1000, 64, 64, 16 };
	xmlDocPtr		 doc;
	int			 ret = -1;

	memset(s, 0, sizeof(*s));
	if ((doc = xml_parse(text, strlen(text), &lim, why)) != NULL)
		ret = saml_read(s, xmlDocGetRootElement(doc), why);
	xmlFreeDoc(doc);
	return ret;
}

/* The good one with one piece replaced; all copies of it if `all`. */
static char *
swap(const char *from, const char *to)
{
	const char	*at = strstr(good, from);
	char		*out = NULL;

	if (at == NULL)
		bail(from);
	if (asprintf(&out, "%.*s%s%s", (int)(at - good), good, to,
	    at + strlen(from)) == -1)
		bail("memory");
	return out;
}

static void
refused(const char *text, const char *want, const char *name)
{
	struct saml	 s;
	const char	*why = "";
	int		 ret = read_text(text, &s, &why);

	if (!ok(ret == -1 && strstr(why, want) != NULL, name))
		printf("#  got: %s\n# want: %s\n", ret == 0 ? "it was read" :
		    why, want);
	saml_free(&s);
}

static void
changed(const char *from, const char *to, const char *want, const char *name)
{
	char	*text = swap(from, to);

	refused(text, want, name);
	free(text);
}

static void
test_good(void)
{
	struct saml	 s;
	const char	*why = "";
	char		*spaced;

	ok(read_text(good, &s, &why) == 0, "reads");
	ok(strcmp(s.id, s0.id) == 0 && strcmp(s.issuer, s0.issuer) == 0 &&
	    strcmp(s.subject, s0.subject) == 0 &&
	    strcmp(s.audience, s0.audience) == 0 &&
	    strcmp(s.login, s0.login) == 0, "as it was written");
	ok(s.issued == s0.issued && s.from == s0.from && s.until == s0.until,
	    "its times, too");
	ok(X509_cmp(s.holder, holder.x) == 0, "and its holder");
	ok(X509_cmp(s.signer, home.x) == 0, "signed by its domain");
	saml_free(&s);
	/* Names are compared as such. */
	s0.subject[0] = 'A';
	spaced = make(&s0, &home, &home);
	s0.subject[0] = 'a';
	ok(read_text(spaced, &s, &why) == 0 &&
	    strcmp(s.subject, s0.subject) == 0, "an address is normalized");
	saml_free(&s);
	free(spaced);
}

static void
test_altered(void)
{
	static const char *const	 values[][2] = {
		{ ">alice@", ">mallory@" },
		{ "domain:b.test", "domain:c.test" },
		{ "domain:a.test<", "domain:evil.test<" },
		{ "ID=\"_0123", "ID=\"_1123" },
		{ "ac:classes:X509", "ac:classes:Password" },
	};
	char				*text;
	size_t				 i;

	for (i = 0; i < nitems(values); i++)
		changed(values[i][0], values[i][1], i == 3 ?
		    "alone" : "digest", values[i][1]);
	changed("NotOnOrAfter=\"2", "NotOnOrAfter=\"3", "digest", "a later end");
	changed("<ds:SignatureValue>", "<ds:SignatureValue>AAAA",
	    "signature", "another value");
	text = make(&s0, &other, &home);
	refused(text, "signature is wrong", "by one in another's name");
	free(text);
}

static void
test_form(void)
{
	changed("Version=\"2.0\"", "Version=\"1.1\"", "not an assertion",
	    "another version");
	changed("</saml2:Issuer>", "</saml2:Issuer><x/>", "not signed",
	    "an element before the signature");
	changed("<saml2:Subject>", "<saml2:Advice/><saml2:Subject>",
	    "the subject", "one behind it");
	changed(":nameid-format:emailAddress", ":nameid-format:unspecified",
	    "one address", "a name of another kind");
	changed(":cm:holder-of-key", ":cm:bearer", "confirmed",
	    "whoever bears it");
	changed("</saml2:SubjectConfirmation>", "</saml2:SubjectConfirmation>"
	    "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:"
	    "cm:bearer\"></saml2:SubjectConfirmation>", "confirmed",
	    "or by bearing it");
	changed("</saml2:NameID>", "</saml2:NameID><saml2:NameID>x@a.test"
	    "</saml2:NameID>", "confirmed", "two names");
	changed("</saml2:Audience>", "</saml2:Audience><saml2:Audience>"
	    "urn:wsemail:2:domain:c.test</saml2:Audience>", "conditions",
	    "two audiences");
	changed("</saml2:AudienceRestriction>", "</saml2:AudienceRestriction>"
	    "<saml2:OneTimeUse/>", "conditions", "another condition");
	changed("urn:wsemail:2:domain:b.test", "https://b.test/",
	    "conditions", "an audience that is no domain");
	changed("urn:wsemail:2:domain:a.test", "a.test", "issuer",
	    "an issuer that is no domain");
	changed(" NotBefore=\"", " NotBefore=\"x", "conditions",
	    "a beginning that is no time");
	changed(" NotBefore=\"", " NotBefor=\"", "not known",
	    "another attribute");
	changed("<saml2:SubjectConfirmationData ",
	    "<saml2:SubjectConfirmationData NotOnOrAfter=\"2000-01-01T00:00:00Z"
	    "\" ", "not known", "an end of the confirmation");
	changed("</saml2:AuthnStatement>", "</saml2:AuthnStatement>"
	    "<saml2:AttributeStatement/>", "statement", "another statement");
	changed("<ds:Transform Algorithm=\"" URI_ENVELOPED
	    "\"></ds:Transform>", "", "transforms", "another transform");
	changed("Reference URI=\"#_0", "Reference URI=\"#_1", "alone",
	    "a reference elsewhere");
	changed("Reference URI=\"#_0123456789abcdef0123456789abcdef\"",
	    "Reference URI=\"\"", "Id of this document", "an empty reference");
	changed("<ds:Signature ", "<ds:Signatur ", "", "no signature");
	refused("<saml2:Assertion xmlns:saml2=\"" NS_SAML2 "\"/>",
	    "not an assertion", "nothing in it");
	refused("<Assertion/>", "not an assertion", "something else");
}

/* Cut at each element's end: never read, never a crash. */
static void
test_cut(void)
{
	struct saml	 s;
	const char	*why, *p = good;
	char		*cut = strdup(good), *q;
	int		 bad = 0, n = 0;

	while ((p = strchr(p + 1, '<')) != NULL) {
		/* One element's name is another's. */
		strlcpy(cut, good, strlen(good) + 1);
		q = cut + (p - good);
		if (q[1] == '/')
			continue;
		q[1 + strspn(q + 1, "saml2:d")] ^= 1;
		bad += read_text(cut, &s, &why) == 0;
		saml_free(&s);
		n++;
	}
	ok(bad == 0 && n > 20, "any element under another name");
	free(cut);
}

int
main(void)
{
	xml_init();
	testcert_ca(&ca, "saml");
	testcert_issue(&home, &ca, "a.test");
	testcert_issue(&other, &ca, "evil.test");
	testcert_issue(&holder, &ca, "anything.test");
	s0.id = strdup("_0123456789abcdef0123456789abcdef");
	s0.issuer = strdup("a.test");
	s0.subject = strdup("alice@a.test");
	s0.audience = strdup("b.test");
	s0.login = strdup(URI_SAML_AC "X509");
	s0.issued = s0.from = wstime_now();
	s0.until = s0.from + 600000;
	X509_up_ref(holder.x);
	s0.holder = holder.x;
	good = make(&s0, &home, &home);
	test_good();
	test_altered();
	test_form();
	test_cut();
	free(good);
	saml_free(&s0);
	testcert_free(&holder);
	testcert_free(&other);
	testcert_free(&home);
	testcert_free(&ca);
	return done_testing();
}
