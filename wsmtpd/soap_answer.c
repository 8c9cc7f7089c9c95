/* SPDX-License-Identifier: ISC */
/*
 * What a peer's server answered to a hop.  Temporary unless proven
 * permanent: only a WSEmailStatus, or a fault that says that the request
 * itself is wrong, ends the tries before their time.
 */
#include "compat.h"

#include <stdio.h>

#include "soap.h"
#include "wstime.h"

#define ANSWER_TEXT	1024

static void	 verdict_set(struct verdict *, uint32_t, const char *);
static void	 verdict_http(struct verdict *, const struct relay_result *);
static void	 verdict_envelope(struct soap *, struct verdict *,
		    struct wss *, const struct relay_result *, const char *,
		    const char *);
static int	 verdict_signer(struct soap *, struct verdict *, struct wss *,
		    const char *);
static void	 verdict_fault(struct verdict *, const struct wss *,
		    const struct relay_result *);
static uint32_t	 verdict_fault_code(const struct wss *, xmlNodePtr);
static int	 verdict_fault_name(const struct wss *, char *, size_t);
static char	*verdict_fault_text(const struct wss *);
static void	 verdict_status(struct verdict *, xmlNodePtr);
static void	 verdict_rcpt(struct verdict *, xmlNodePtr);
static uint32_t	 verdict_code(xmlNodePtr);
static char	*verdict_text(xmlNodePtr, const char *);

static void
verdict_set(struct verdict *v, uint32_t code, const char *text)
{
	free(v->text);
	v->code = code;
	v->text = strdup(text);
}

void
verdict_free(struct verdict *v)
{
	uint32_t	 i;

	for (i = 0; i < v->nrcpt; i++) {
		free(v->rcpt[i].addr);
		free(v->rcpt[i].text);
	}
	free(v->rcpt);
	free(v->text);
	memset(v, 0, sizeof(*v));
}

/* An answer without a SOAP body: of what HTTP says only "too large" is final. */
static void
verdict_http(struct verdict *v, const struct relay_result *res)
{
	char	 text[64];

	snprintf(text, sizeof(text), "HTTP status %u", res->status);
	verdict_set(v, res->status == 413 ? ST_TOOBIG : ST_TEMPFAIL, text);
}

void
verdict_read(struct soap *s, const struct relay_result *res,
    const char *domain, const char *messageid, struct verdict *v)
{
	struct xml_limits	 lim;
	struct wss_rules	 rules;
	struct wss		 w;
	struct mime		 m;
	xmlDocPtr		 doc = NULL;
	const char		*why;

	memset(v, 0, sizeof(*v));
	memset(&m, 0, sizeof(m));
	verdict_http(v, res);
	soap_xml_limits(s, LIM_RELAY_ANSWER_SIZE, &lim);
	if (res->body_len > 0 && mime_read(&m, res->content_type, res->body,
	    res->body_len, &why) == 0)
		doc = xml_parse(m.root, m.root_len, &lim, &why);
	mime_free(&m);
	if (doc == NULL)
		return;
	soap_rules(s, &rules);
	if (wss_examine(&w, doc, &rules) == -1)
		verdict_set(v, ST_TEMPFAIL, w.why);
	else
		verdict_envelope(s, v, &w, res, domain, messageid);
	wss_free(&w);
	xmlFreeDoc(doc);
}

/* A signed answer must be the domain's; TLS stands for one that is not. */
static int
verdict_signer(struct soap *s, struct verdict *v, struct wss *w,
    const char *domain)
{
	const char	*why;

	if (!w->has_signature)
		return 0;
	if (w->token == WSS_THUMBPRINT)
		(void)certs_known(s, w);
	if (w->cert == NULL || wss_verify_cert(w) == -1)
		why = "the answer's signature is wrong";
	else if (pki_check(s->trust, w->cert, w->chain, PKI_DOMAIN,
	    wstime_now() / 1000, &why) != PKI_OK)
		;
	else if (!pki_names_domain(w->cert, domain))
		why = "the answer is signed by another domain";
	else {
		certs_learn(s, w);
		return 0;
	}
	verdict_set(v, ST_TEMPFAIL, why);
	return -1;
}

static void
verdict_envelope(struct soap *s, struct verdict *v, struct wss *w,
    const struct relay_result *res, const char *domain, const char *messageid)
{
	xmlNodePtr	 st;

	if (verdict_signer(s, v, w, domain) == -1)
		return;
	if (w->wsa_relatesto != NULL &&
	    strcmp(w->wsa_relatesto, messageid) != 0) {
		verdict_set(v, ST_TEMPFAIL, "an answer to another request");
		return;
	}
	if (xml_is(w->operation, w->soap12 ? NS_SOAP12 : NS_SOAP11, "Fault")) {
		verdict_fault(v, w, res);
		return;
	}
	st = xml_is(w->operation, NS_WSE, "WSEmailSendResponse") ?
	    xml_child(w->operation, NS_WSE, "WSEmailSendResult") : NULL;
	if (res->status != 200 || st == NULL)
		verdict_set(v, ST_TEMPFAIL, "not an answer to WSEmailSend");
	else
		verdict_status(v, st);
}

/* Local name of the fault's code, or of its subcode; whether it is wsse's. */
static int
verdict_fault_name(const struct wss *w, char *buf, size_t size)
{
	xmlNodePtr	 n = w->operation, sub;
	xmlNsPtr	 ns;
	char		*text, *colon;
	int		 wsse = 0;

	buf[0] = '\0';
	if (w->soap12) {
		n = xml_child(n, NS_SOAP12, "Code");
		sub = xml_child(n, NS_SOAP12, "Subcode");
		n = xml_child(sub != NULL ? sub : n, NS_SOAP12, "Value");
	} else
		/* Section 4.4: its children are in no namespace. */
		for (n = xml_first(n); n != NULL; n = xml_next(n))
			if (strcmp((const char *)n->name, "faultcode") == 0)
				break;
	if (n == NULL || (text = xml_text(n, 256)) == NULL)
		return 0;
	if ((colon = strchr(text, ':')) != NULL) {
		*colon++ = '\0';
		ns = xmlSearchNs(n->doc, n, (const xmlChar *)text);
		wsse = ns != NULL && ns->href != NULL &&
		    strcmp((const char *)ns->href, NS_WSSE) == 0;
	} else
		colon = text;
	strlcpy(buf, colon, size);
	free(text);
	return wsse;
}

static char *
verdict_fault_text(const struct wss *w)
{
	xmlNodePtr	 n;

	if (w->soap12)
		n = xml_child(xml_child(w->operation, NS_SOAP12, "Reason"),
		    NS_SOAP12, "Text");
	else
		for (n = xml_first(w->operation); n != NULL; n = xml_next(n))
			if (strcmp((const char *)n->name, "faultstring") == 0)
				break;
	return n != NULL ? xml_text(n, ANSWER_TEXT) : NULL;
}

/* ResponseCode in the detail, or 0. */
static uint32_t
verdict_fault_code(const struct wss *w, xmlNodePtr fault)
{
	xmlNodePtr	 n;

	if (w->soap12)
		n = xml_child(fault, NS_SOAP12, "Detail");
	else
		for (n = xml_first(fault); n != NULL; n = xml_next(n))
			if (strcmp((const char *)n->name, "detail") == 0)
				break;
	n = xml_child(n, NS_WSE2, "Fault");
	n = xml_child(n, NS_WSE2, "ResponseCode");
	return n != NULL ? verdict_code(n) : 0;
}

/*
 * A fault about security may be our administrator's error or theirs, and be
 * put right while the message waits.  Client (Sender) says that the request
 * is malformed: it will be the next time too.
 */
static void
verdict_fault(struct verdict *v, const struct wss *w,
    const struct relay_result *res)
{
	char		 name[64], *text;
	uint32_t	 code;
	int		 wsse;

	wsse = verdict_fault_name(w, name, sizeof(name));
	code = verdict_fault_code(w, w->operation);
	if (wsse && strcmp(name, "SecurityTokenUnavailable") == 0)
		v->token_unavailable = 1;
	if (wsse || res->status == 429 || res->status == 503 ||
	    code == ST_TEMPFAIL || (strcmp(name, "Client") != 0 &&
	    strcmp(name, "Sender") != 0))
		code = ST_TEMPFAIL;
	else
		code = ST_BAD;
	text = verdict_fault_text(w);
	verdict_set(v, code, text != NULL ? text : name);
	free(text);
}

/* A number of three digits, else temporary. */
static uint32_t
verdict_code(xmlNodePtr n)
{
	const char	*errstr = "malformed";
	char		*text;
	uint32_t	 code = 0;

	if ((text = xml_text(n, 32)) != NULL)
		code = (uint32_t)strtonum(text, 200, 999, &errstr);
	free(text);
	return errstr == NULL ? code : ST_TEMPFAIL;
}

static char *
verdict_text(xmlNodePtr parent, const char *name)
{
	xmlNodePtr	 n;
	char		*text = NULL;

	if ((n = xml_child(parent, NS_WSE, name)) != NULL)
		text = xml_text(n, ANSWER_TEXT);
	return text != NULL ? text : strdup("");
}

static void
verdict_rcpt(struct verdict *v, xmlNodePtr n)
{
	struct rcpt_status	*p;
	xmlNodePtr		 code;
	char			*addr, norm[ADDR_MAX + 1];

	addr = verdict_text(n, "Address");
	code = xml_child(n, NS_WSE, "ResponseCode");
	if (addr == NULL || code == NULL ||
	    addr_normalize(addr, norm, sizeof(norm)) == -1 ||
	    (p = reallocarray(v->rcpt, v->nrcpt + 1, sizeof(*p))) == NULL) {
		free(addr);
		return;
	}
	free(addr);
	v->rcpt = p;
	p += v->nrcpt;
	p->code = verdict_code(code);
	p->addr = strdup(norm);
	p->text = verdict_text(n, "Message");
	v->nrcpt++;
}

static void
verdict_status(struct verdict *v, xmlNodePtr st)
{
	xmlNodePtr	 n;
	char		*text;

	if ((n = xml_child(st, NS_WSE, "ResponseCode")) == NULL) {
		verdict_set(v, ST_TEMPFAIL, "a status without a code");
		return;
	}
	text = verdict_text(st, "Message");
	verdict_set(v, verdict_code(n), text != NULL ? text : "");
	free(text);
	for (n = xml_first(st); n != NULL; n = xml_next(n))
		if (xml_is(n, NS_WSE, "Recipient"))
			verdict_rcpt(v, n);
}
