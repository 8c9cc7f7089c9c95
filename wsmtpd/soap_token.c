/* SPDX-License-Identifier: ISC */
/*
 * The token service: a user of ours asks for a token towards one other
 * domain, WS-Trust 1.4 RequestSecurityToken with RequestType Issue, and gets
 * an assertion that binds the address, a key that the request brings and the
 * audience, signed as that domain's messages are.  The answer is bound to its
 * request as all answers are.
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define TOKEN_TEXT_MAX	1024

struct issuing {
	struct request	*r;
	struct saml	 s;
	char		*context;	/* to be said again, or NULL */
	struct wbuf	 text;		/* the assertion, unsealed */
	size_t		 at;
	struct wbuf	 signedinfo;
};

static void	 issuing_free(void *);
static xmlNodePtr token_child(xmlNodePtr, const char *);
static int	 token_count(xmlNodePtr, const char *);
static const char *token_counts(xmlNodePtr);
static int	 token_is(xmlNodePtr, const char *, const char *);
static const char *token_audience(struct issuing *, xmlNodePtr);
static const char *token_key(struct issuing *, xmlNodePtr);
static const char *token_life(struct issuing *, xmlNodePtr);
static const char *token_read(struct issuing *);
static void	 token_issue(struct request *);
static int	 token_signed(void *, struct imsg *, const char *);
static int	 token_answer(struct issuing *, const struct wbuf *,
		    struct wbuf *);

static void
issuing_free(void *arg)
{
	struct issuing	*x = arg;

	saml_free(&x->s);
	free(x->context);
	wbuf_free(&x->text);
	wbuf_free(&x->signedinfo);
	free(x);
}

/* By its local name: WS-Policy has had several namespaces. */
static xmlNodePtr
token_child(xmlNodePtr n, const char *name)
{
	for (n = xml_first(n); n != NULL; n = xml_next(n))
		if (strcmp((const char *)n->name, name) == 0)
			return n;
	return NULL;
}

/* So many children of that local name. */
static int
token_count(xmlNodePtr n, const char *name)
{
	int	 count = 0;

	for (n = xml_first(n); n != NULL; n = xml_next(n))
		count += strcmp((const char *)n->name, name) == 0;
	return count;
}

/*
 * NULL, or what is there too often, not at all, or not for us: what asks for
 * another kind of token than the one that is given is not passed over.
 */
static const char *
token_counts(xmlNodePtr rst)
{
	static const struct {
		const char	*name;
		int		 min, max;
		const char	*why;
	} parts[] = {
		{ "RequestType", 1, 1, "not one RequestType" },
		{ "AppliesTo", 1, 1, "not one AppliesTo" },
		{ "KeyType", 1, 1, "not one KeyType" },
		{ "UseKey", 1, 1, "not one UseKey" },
		{ "TokenType", 0, 1, "more than one TokenType" },
		{ "Lifetime", 0, 1, "more than one Lifetime" },
		{ "OnBehalfOf", 0, 0, "OnBehalfOf: a token is for who asks" },
		{ "ActAs", 0, 0, "ActAs: a token is for who asks" },
		{ "DelegateTo", 0, 0, "DelegateTo: a token is for who asks" },
		{ "Claims", 0, 0, "Claims: a token has none" },
	};
	size_t	 i;
	int	 n;

	for (i = 0; i < nitems(parts); i++) {
		n = token_count(rst, parts[i].name);
		if (n < parts[i].min || n > parts[i].max)
			return parts[i].why;
	}
	return NULL;
}

/* A child of the request: absent, or this. */
static int
token_is(xmlNodePtr rst, const char *name, const char *want)
{
	xmlNodePtr	 n = xml_child(rst, NS_WST, name);
	char		*text = n == NULL ? NULL : xml_text(n, TOKEN_TEXT_MAX);
	int		 is;

	is = n == NULL || (text != NULL && strcmp(text, want) == 0);
	free(text);
	return is;
}

static const char *
token_audience(struct issuing *x, xmlNodePtr rst)
{
	static const char	 want[] = "AppliesTo is not the address of one "
				    "domain";
	char			 norm[ADDR_DOMAIN_MAX + 1], *text;
	xmlNodePtr		 n = token_child(rst, "AppliesTo");
	int			 ok;

	n = n == NULL ? NULL : xml_child(n, NS_WSA, "EndpointReference");
	n = n == NULL ? NULL : xml_child(n, NS_WSA, "Address");
	if (n == NULL || (text = xml_text(n, TOKEN_TEXT_MAX)) == NULL)
		return want;
	ok = strncmp(text, WSA_TO_PREFIX, sizeof(WSA_TO_PREFIX) - 1) == 0 &&
	    addr_domain_normalize(text + sizeof(WSA_TO_PREFIX) - 1, norm,
	    sizeof(norm)) == 0;
	free(text);
	if (!ok)
		return want;
	if (certs_hosted(x->r->s, norm) != NULL)
		return "AppliesTo is a domain of this server, where no token "
		    "is needed";
	return (x->s.audience = strdup(norm)) == NULL ? "out of memory" : NULL;
}

/* UseKey: a key, or a certificate with it, whoever has signed that. */
static const char *
token_key(struct issuing *x, xmlNodePtr rst)
{
	xmlNodePtr	 n = xml_child(rst, NS_WST, "UseKey");

	n = n == NULL ? NULL : xml_child(n, NS_DS, "KeyInfo");
	return n != NULL && saml_holder_read(&x->s, n) == 0 ? NULL :
	    "UseKey has no certificate or key of P-256, or RSA of 2048 bits "
	    "and up";
}

/* As long as is allowed, or for less if that is asked for. */
static const char *
token_life(struct issuing *x, xmlNodePtr rst)
{
	xmlNodePtr	 n = xml_child(rst, NS_WST, "Lifetime");
	int64_t		 until;
	char		*text;
	int		 ok;

	x->s.issued = x->s.from = x->r->rules.now;
	x->s.until = x->s.from + soap_limit(x->r->s, LIM_TOKEN_LIFETIME) *
	    1000;
	n = n == NULL ? NULL : xml_child(n, NS_WSU, "Expires");
	if (n == NULL)
		return NULL;
	text = xml_text(n, TOKEN_TEXT_MAX);
	ok = text != NULL && wstime_parse(text, &until) == 0 &&
	    until > x->s.from;
	free(text);
	if (!ok)
		return "Lifetime is malformed, or over";
	if (until < x->s.until)
		x->s.until = until;
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
token_read(struct issuing *x)
{
	xmlNodePtr	 rst = x->r->w.operation;
	const char	*why;
	uint8_t		 id[16];
	char		 hex[2 * sizeof(id) + 2] = "_";
	size_t		 i;

	if ((why = token_counts(rst)) != NULL)
		return why;
	if (!token_is(rst, "RequestType", URI_WST_ISSUE))
		return "RequestType is not Issue";
	if (!token_is(rst, "TokenType", URI_SAML_TOKEN))
		return "TokenType is not SAML 2.0";
	if (!token_is(rst, "KeyType", URI_WST_PUBLICKEY))
		return "KeyType is not PublicKey";
	if ((why = token_audience(x, rst)) != NULL ||
	    (why = token_key(x, rst)) != NULL ||
	    (why = token_life(x, rst)) != NULL)
		return why;
	arc4random_buf(id, sizeof(id));
	for (i = 0; i < sizeof(id); i++)
		snprintf(hex + 1 + 2 * i, 3, "%02x", id[i]);
	x->context = xml_attr(rst, NULL, "Context");
	if (x->context != NULL && strlen(x->context) > TOKEN_TEXT_MAX)
		return "Context is too long";
	x->s.id = strdup(hex);
	x->s.issuer = strdup(addr_domain(x->r->principal));
	x->s.subject = strdup(x->r->principal);
	x->s.login = strdup(x->r->w.token == WSS_X509 ||
	    x->r->w.token == WSS_THUMBPRINT ? URI_SAML_AC "X509" :
	    URI_SAML_AC "PasswordProtectedTransport");
	return x->s.id == NULL || x->s.issuer == NULL || x->s.subject ==
	    NULL || x->s.login == NULL ? "out of memory" : NULL;
}

void
token_run(struct request *r)
{
	struct issuing	*x;
	const char	*why;

	if ((x = calloc(1, sizeof(*x))) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	x->r = r;
	r->state = x;
	r->state_free = issuing_free;
	if ((why = token_read(x)) != NULL)
		request_fault(r, F_CLIENT, ST_BAD, why);
	else
		request_once(r, token_issue);
}

static void
token_issue(struct request *r)
{
	struct issuing	*x = r->state;
	struct hosted	*h = certs_hosted(r->s, x->s.issuer);

	if (h == NULL || h->cert == NULL)
		request_fault_later(r, "the domain cannot sign");
	else if (saml_compose(&x->s, certs_sigalg(h->cert), &x->text, &x->at,
	    &x->signedinfo) == -1)
		request_fault_later(r, "the token cannot be composed");
	else if (soap_ask_sign(r->s, x->s.issuer, &x->signedinfo,
	    token_signed, r) == -1)
		request_fault_later(r, "the token cannot be signed now");
}

static int
token_signed(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct issuing	*x = r->state;
	struct hosted	*h = certs_hosted(r->s, x->s.issuer);
	struct log_ev	 ev = { .ev = "token", .result = "ok" };
	struct wbuf	 token = { 0 }, w = { 0 };
	const uint8_t	*value;
	struct rbuf	 rb;
	size_t		 len = 0;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if ((value = sign_result_get(&rb, &len)) == NULL) {
		request_fault_later(r, "the token cannot be signed now");
		return -1;
	}
	/* A reload may have come between. */
	if (len == 0 || h == NULL || h->cert == NULL || saml_seal(&x->text,
	    x->at, &x->signedinfo, value, len, h->cert, h->chain, &token) ==
	    -1 || token_answer(x, &token, &w) == -1)
		request_fault_later(r, "the token cannot be signed now");
	else {
		ev.id = r->id;
		ev.peer = r->http.peer;
		ev.user = r->principal;
		ev.to = x->s.audience;
		log_event(&ev);
		request_answer(r, &w);
	}
	wbuf_free(&token);
	wbuf_free(&w);
	return 0;
}

/* Canonical where it will stand: w is WS-Trust's, and Body declares wsu. */
static int
token_answer(struct issuing *x, const struct wbuf *token, struct wbuf *w)
{
	char	 from[WSTIME_LEN], until[WSTIME_LEN], uri[TOKEN_TEXT_MAX];

	wbuf_puts(w, "<w:RequestSecurityTokenResponse");
	if (x->context != NULL) {
		wbuf_puts(w, " Context=\"");
		xml_put_attr(w, x->context);
		wbuf_u8(w, '"');
	}
	wbuf_u8(w, '>');
	xml_put_elem(w, "w:TokenType", URI_SAML_TOKEN);
	wbuf_puts(w, "<w:RequestedSecurityToken>");
	wbuf_raw(w, token->data, token->len);
	wbuf_puts(w, "</w:RequestedSecurityToken><w:RequestedAttachedReference>"
	    "<wsse:SecurityTokenReference xmlns:wsse=\"" NS_WSSE
	    "\" xmlns:wsse11=\"" NS_WSSE11 "\" wsse11:TokenType=\""
	    URI_SAML_TOKEN "\"><wsse:KeyIdentifier ValueType=\"" URI_SAML_ID
	    "\">");
	xml_put_text(w, x->s.id);
	wbuf_puts(w, "</wsse:KeyIdentifier></wsse:SecurityTokenReference>"
	    "</w:RequestedAttachedReference><wsp:AppliesTo xmlns:wsp=\"" NS_WSP
	    "\"><wsa:EndpointReference xmlns:wsa=\"" NS_WSA "\">");
	snprintf(uri, sizeof(uri), WSA_TO_PREFIX "%s", x->s.audience);
	xml_put_elem(w, "wsa:Address", uri);
	wbuf_puts(w, "</wsa:EndpointReference></wsp:AppliesTo><w:Lifetime>");
	xml_put_elem(w, "wsu:Created", wstime_format(x->s.from, from,
	    sizeof(from)));
	xml_put_elem(w, "wsu:Expires", wstime_format(x->s.until, until,
	    sizeof(until)));
	wbuf_puts(w, "</w:Lifetime></w:RequestSecurityTokenResponse>");
	return w->error ? -1 : 0;
}
