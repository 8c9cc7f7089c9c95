/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "addr.h"
#include "saml.h"
#include "wsemail.h"
#include "wss_int.h"
#include "wstime.h"

#define SAML_TEXT_MAX	1024

static void	 put_time(struct wbuf *, const char *, int64_t, const char *);
static void	 put_domain(struct wbuf *, const char *, const char *);
static xmlNodePtr only_child(xmlNodePtr, const char *ns, const char *name);
static char	*read_text(xmlNodePtr);
static char	*read_domain(xmlNodePtr);
static int	 read_time(xmlNodePtr, const char *, int64_t *);
static int	 attr_is(xmlNodePtr, const char *, const char *);
static int	 attrs_judged(xmlNodePtr);
static int	 read_subject(struct saml *, xmlNodePtr, const char **);
static int	 read_conditions(struct saml *, xmlNodePtr, const char **);
static int	 read_statement(struct saml *, xmlNodePtr, const char **);
static int	 read_form(struct saml *, xmlNodePtr, xmlNodePtr *,
		    const char **);
static int	 read_signature(struct saml *, xmlNodePtr, xmlNodePtr,
		    const char **);

void
saml_free(struct saml *s)
{
	free(s->id);
	free(s->issuer);
	free(s->subject);
	free(s->audience);
	free(s->login);
	X509_free(s->holder);
	X509_free(s->signer);
	sk_X509_pop_free(s->chain, X509_free);
	memset(s, 0, sizeof(*s));
}

/* --- writing -------------------------------------------------------------- */

static void
put_time(struct wbuf *w, const char *before, int64_t ms, const char *after)
{
	char	 buf[WSTIME_LEN];

	wbuf_puts(w, before);
	wbuf_puts(w, wstime_format(ms, buf, sizeof(buf)));
	wbuf_puts(w, after);
}

static void
put_domain(struct wbuf *w, const char *name, const char *domain)
{
	char	 uri[SAML_TEXT_MAX];

	snprintf(uri, sizeof(uri), WSA_TO_PREFIX "%s", domain);
	xml_put_elem(w, name, uri);
}

int
saml_compose(const struct saml *s, const char *sigalg, struct wbuf *w,
    size_t *at, struct wbuf *signedinfo)
{
	struct wss_ref	 ref = { .id = s->id, .enveloped = 1 };
	int64_t		 now = s->issued;

	wbuf_puts(w, "<saml2:Assertion xmlns:saml2=\"" NS_SAML2 "\" ID=\"");
	xml_put_attr(w, s->id);
	put_time(w, "\" IssueInstant=\"", now, "\" Version=\"2.0\">");
	put_domain(w, "saml2:Issuer", s->issuer);
	*at = w->len;
	wbuf_puts(w, "<saml2:Subject><saml2:NameID Format=\"" URI_SAML_EMAIL
	    "\">");
	xml_put_text(w, s->subject);
	wbuf_puts(w, "</saml2:NameID><saml2:SubjectConfirmation Method=\""
	    URI_SAML_HOLDER "\"><saml2:SubjectConfirmationData xmlns:xsi=\""
	    NS_XSI "\" xsi:type=\"saml2:KeyInfoConfirmationDataType\">"
	    "<ds:KeyInfo xmlns:ds=\"" NS_DS "\">");
	if (saml_holder_put(w, s) == -1)
		return -1;
	wbuf_puts(w, "</ds:KeyInfo></saml2:SubjectConfirmationData>"
	    "</saml2:SubjectConfirmation></saml2:Subject>");
	put_time(w, "<saml2:Conditions NotBefore=\"", s->from, "\"");
	put_time(w, " NotOnOrAfter=\"", s->until, "\">");
	wbuf_puts(w, "<saml2:AudienceRestriction>");
	put_domain(w, "saml2:Audience", s->audience);
	wbuf_puts(w, "</saml2:AudienceRestriction></saml2:Conditions>");
	put_time(w, "<saml2:AuthnStatement AuthnInstant=\"", now, "\">");
	wbuf_puts(w, "<saml2:AuthnContext>");
	xml_put_elem(w, "saml2:AuthnContextClassRef", s->login);
	wbuf_puts(w, "</saml2:AuthnContext></saml2:AuthnStatement>"
	    "</saml2:Assertion>");
	if (w->error) {
		errno = w->error;
		return -1;
	}
	if (wss_digest(w->data, w->len, ref.digest) == -1)
		return -1;
	wss_signedinfo(signedinfo, sigalg, &ref, 1);
	errno = signedinfo->error;
	return signedinfo->error ? -1 : 0;
}

int
saml_seal(const struct wbuf *unsealed, size_t at,
    const struct wbuf *signedinfo, const uint8_t *value, size_t len,
    X509 *cert, STACK_OF(X509) *chain, struct wbuf *out)
{
	struct wbuf	 keyinfo = { 0 };
	int		 ret = -1;

	if (wss_x509data(&keyinfo, cert, chain) == 0) {
		wbuf_u8(&keyinfo, 0);	/* as a string */
		wbuf_raw(out, unsealed->data, at);
		if (!keyinfo.error)
			wss_signature(out, signedinfo, value, len,
			    (const char *)keyinfo.data);
		wbuf_raw(out, unsealed->data + at, unsealed->len - at);
		ret = keyinfo.error || out->error ? -1 : 0;
	}
	wbuf_free(&keyinfo);
	return ret;
}

/* --- reading -------------------------------------------------------------- */

/* The one element in n, if it is that. */
static xmlNodePtr
only_child(xmlNodePtr n, const char *ns, const char *name)
{
	xmlNodePtr	 c = xml_first(n);

	return c != NULL && xml_is(c, ns, name) && xml_next(c) == NULL ? c :
	    NULL;
}

static char *
read_text(xmlNodePtr n)
{
	return n == NULL ? NULL : wss_token_text(n, SAML_TEXT_MAX);
}

static char *
read_domain(xmlNodePtr n)
{
	char	 norm[ADDR_DOMAIN_MAX + 1], *s = read_text(n);
	int	 ok;

	ok = s != NULL && strncmp(s, WSA_TO_PREFIX, sizeof(WSA_TO_PREFIX) -
	    1) == 0 && addr_domain_normalize(s + sizeof(WSA_TO_PREFIX) - 1,
	    norm, sizeof(norm)) == 0;
	free(s);
	return ok ? strdup(norm) : NULL;
}

static int
read_time(xmlNodePtr n, const char *name, int64_t *ms)
{
	char	*s = xml_attr(n, NULL, name);
	int	 ret = s == NULL ? -1 : wstime_parse(s, ms);

	free(s);
	return ret;
}

static int
attr_is(xmlNodePtr n, const char *name, const char *want)
{
	char	*s = xml_attr(n, NULL, name);
	int	 same = s != NULL && strcmp(s, want) == 0;

	free(s);
	return same;
}

/*
 * Every attribute of the assertion, outside of its signature and keys, is one
 * that is looked at, or says nothing more: another could limit what it says,
 * as NotOnOrAfter does in several places.
 */
static int
attrs_judged(xmlNodePtr n)
{
	static const struct {
		const char	*element, *attr;
	} judged[] = {
		{ "Assertion", "ID" }, { "Assertion", "IssueInstant" },
		{ "Assertion", "Version" }, { "NameID", "Format" },
		{ "SubjectConfirmation", "Method" },
		{ "Conditions", "NotBefore" },
		{ "Conditions", "NotOnOrAfter" },
		{ "AuthnStatement", "AuthnInstant" },
	};
	xmlAttrPtr	 a;
	xmlNodePtr	 c;
	size_t		 i;

	if (n->ns != NULL && strcmp((const char *)n->ns->href, NS_DS) == 0)
		return 1;
	for (a = n->properties; a != NULL; a = a->next) {
		if (a->ns != NULL) {
			/* The type that holder-of-key's data has anyway. */
			if (strcmp((const char *)a->ns->href, NS_XSI) == 0 &&
			    strcmp((const char *)a->name, "type") == 0)
				continue;
			return 0;
		}
		for (i = 0; i < nitems(judged); i++)
			if (strcmp(judged[i].element, (const char *)n->name) ==
			    0 && strcmp(judged[i].attr,
			    (const char *)a->name) == 0)
				break;
		if (i == nitems(judged))
			return 0;
	}
	for (c = xml_first(n); c != NULL; c = xml_next(c))
		if (!attrs_judged(c))
			return 0;
	return 1;
}

static int
read_subject(struct saml *s, xmlNodePtr n, const char **why)
{
	char		 norm[ADDR_MAX + 1], *text;
	xmlNodePtr	 name = xml_first(n), c = xml_next(name);
	int		 ok;

	*why = "the subject is not one address";
	if (!xml_is(n, NS_SAML2, "Subject") ||
	    !xml_is(name, NS_SAML2, "NameID") ||
	    !attr_is(name, "Format", URI_SAML_EMAIL))
		return -1;
	text = read_text(name);
	ok = text != NULL && addr_normalize(text, norm, sizeof(norm)) == 0;
	free(text);
	if (!ok || (s->subject = strdup(norm)) == NULL)
		return -1;
	*why = "the subject is not confirmed by one key that it holds";
	if (!xml_is(c, NS_SAML2, "SubjectConfirmation") ||
	    xml_next(c) != NULL || !attr_is(c, "Method", URI_SAML_HOLDER))
		return -1;
	c = only_child(c, NS_SAML2, "SubjectConfirmationData");
	c = only_child(c, NS_DS, "KeyInfo");
	return c == NULL ? -1 : saml_holder_read(s, c);
}

static int
read_conditions(struct saml *s, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 c;

	*why = "no conditions, or others than time and one audience";
	if (!xml_is(n, NS_SAML2, "Conditions") ||
	    read_time(n, "NotBefore", &s->from) == -1 ||
	    read_time(n, "NotOnOrAfter", &s->until) == -1)
		return -1;
	c = only_child(n, NS_SAML2, "AudienceRestriction");
	c = only_child(c, NS_SAML2, "Audience");
	return c != NULL && (s->audience = read_domain(c)) != NULL ? 0 : -1;
}

static int
read_statement(struct saml *s, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 c;

	*why = "not one statement of how the subject logged in";
	if (!xml_is(n, NS_SAML2, "AuthnStatement") || xml_next(n) != NULL)
		return -1;
	c = only_child(n, NS_SAML2, "AuthnContext");
	c = only_child(c, NS_SAML2, "AuthnContextClassRef");
	return c != NULL && (s->login = read_text(c)) != NULL ? 0 : -1;
}

static int
read_form(struct saml *s, xmlNodePtr n, xmlNodePtr *sig, const char **why)
{
	xmlNodePtr	 c;

	*why = "not an assertion of SAML 2.0";
	if (!xml_is(n, NS_SAML2, "Assertion") ||
	    !attr_is(n, "Version", "2.0") ||
	    (s->id = xml_attr(n, NULL, "ID")) == NULL || *s->id == '\0' ||
	    read_time(n, "IssueInstant", &s->issued) == -1)
		return -1;
	*why = "an attribute that is not known in an assertion";
	if (!attrs_judged(n))
		return -1;
	*why = "the issuer is not a domain";
	c = xml_first(n);
	if (!xml_is(c, NS_SAML2, "Issuer") ||
	    (s->issuer = read_domain(c)) == NULL)
		return -1;
	*why = "the assertion is not signed";
	*sig = c = xml_next(c);
	if (!xml_is(c, NS_DS, "Signature"))
		return -1;
	c = xml_next(c);
	if (read_subject(s, c, why) == -1 ||
	    read_conditions(s, c = xml_next(c), why) == -1)
		return -1;
	return read_statement(s, xml_next(c), why);
}

/* Over what is there without it, which was all that was read above. */
static int
read_signature(struct saml *s, xmlNodePtr n, xmlNodePtr sig, const char **why)
{
	struct wbuf	 m = { 0 }, v = { 0 };
	xmlNodePtr	 before = sig->prev;
	int		 ret = -1;

	*why = "out of memory";
	if (xml_c14n(sig, &v) == 0) {
		xmlUnlinkNode(sig);
		if (xml_c14n(n, &m) == 0)
			ret = wss_verify_enveloped(m.data, m.len, v.data,
			    v.len, &s->signer, &s->chain, why);
		xmlAddNextSibling(before, sig);
	}
	wbuf_free(&m);
	wbuf_free(&v);
	return ret;
}

int
saml_read(struct saml *s, xmlNodePtr n, const char **why)
{
	xmlNodePtr	 sig;

	memset(s, 0, sizeof(*s));
	if (read_form(s, n, &sig, why) == 0 &&
	    read_signature(s, n, sig, why) == 0)
		return 0;
	saml_free(s);
	return -1;
}
