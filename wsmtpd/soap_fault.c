/* SPDX-License-Identifier: ISC */
/*
 * Faults.  SOAP 1.1 section 4.4, SOAP 1.2 part 1 section 5.4, WS-Security
 * 1.1 section 12.  What a fault says of security is only its code: the
 * reason is in the log, under the request id that the fault carries.
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "soap.h"


#define FAULT_ACTION	NS_WSA "/soap/fault"	/* WS-Addressing SOAP 6 */

struct fault_form {
	enum fault	 kind;
	const char	*wsse;		/* local name of the subcode, or NULL */
	uint32_t	 code;		/* ST_* */
	const char	*text;
	uint32_t	 status;	/* HTTP */
	xmlNodePtr	 header;	/* not understood, or NULL */
};

static int	 fault_is_signed(const struct request *,
		    const struct fault_form *);
static const char *fault_code(const struct request *, enum fault);
static void	 fault_send(struct request *, const struct fault_form *);
static void	 fault_put11(struct wbuf *, const struct request *,
		    const struct fault_form *);
static void	 fault_put12(struct wbuf *, const struct request *,
		    const struct fault_form *);
static void	 fault_put_detail(struct wbuf *, const struct request *,
		    const struct fault_form *);
static void	 fault_put_header(struct wbuf *, const struct request *,
		    const struct fault_form *);
static const char *fault_wss_text(enum wss_fault);

static const char *
fault_code(const struct request *r, enum fault kind)
{
	switch (kind) {
	case F_CLIENT:
		return r->soap12 ? "Sender" : "Client";
	case F_SERVER:
		return r->soap12 ? "Receiver" : "Server";
	case F_MUST_UNDERSTAND:
		return "MustUnderstand";
	case F_VERSION:
		return "VersionMismatch";
	}
	return "Server";
}

static void
fault_put_detail(struct wbuf *w, const struct request *r,
    const struct fault_form *f)
{
	char	 number[24];

	wbuf_puts(w, "<x:Fault xmlns:x=\"" NS_WSE2 "\">");
	snprintf(number, sizeof(number), "%u", f->code);
	xml_put_elem(w, "x:ResponseCode", number);
	xml_put_elem(w, "x:Message", f->text);
	snprintf(number, sizeof(number), "%016llx",
	    (unsigned long long)r->id);
	xml_put_elem(w, "x:RequestId", number);
	wbuf_puts(w, "</x:Fault>");
}

static void
fault_put11(struct wbuf *w, const struct request *r,
    const struct fault_form *f)
{
	if (f->wsse != NULL)
		wbuf_printf(w, "<s:Fault><faultcode xmlns:wsse=\"" NS_WSSE
		    "\">wsse:%s</faultcode>", f->wsse);
	else
		wbuf_printf(w, "<s:Fault><faultcode>s:%s</faultcode>",
		    fault_code(r, f->kind));
	xml_put_elem(w, "faultstring", f->text);
	/* Section 4.4: no detail for faults that are about header blocks. */
	if (f->kind != F_MUST_UNDERSTAND) {
		wbuf_puts(w, "<detail>");
		fault_put_detail(w, r, f);
		wbuf_puts(w, "</detail>");
	}
	wbuf_puts(w, "</s:Fault>");
}

static void
fault_put12(struct wbuf *w, const struct request *r,
    const struct fault_form *f)
{
	wbuf_printf(w, "<s:Fault><s:Code><s:Value>s:%s</s:Value>",
	    fault_code(r, f->kind));
	if (f->wsse != NULL)
		wbuf_printf(w, "<s:Subcode><s:Value xmlns:wsse=\"" NS_WSSE
		    "\">wsse:%s</s:Value></s:Subcode>", f->wsse);
	wbuf_puts(w, "</s:Code><s:Reason><s:Text xml:lang=\"en\">");
	xml_put_text(w, f->text);
	wbuf_puts(w, "</s:Text></s:Reason>");
	if (f->kind != F_MUST_UNDERSTAND) {
		wbuf_puts(w, "<s:Detail>");
		fault_put_detail(w, r, f);
		wbuf_puts(w, "</s:Detail>");
	}
	wbuf_puts(w, "</s:Fault>");
}

/* SOAP 1.2 part 1 sections 5.4.7 and 5.4.8. */
static void
fault_put_header(struct wbuf *w, const struct request *r,
    const struct fault_form *f)
{
	if (!r->soap12)
		return;
	if (f->kind == F_VERSION)
		wbuf_puts(w, "<s:Upgrade><s:SupportedEnvelope "
		    "qname=\"n1:Envelope\" xmlns:n1=\"" NS_SOAP12 "\"/>"
		    "<s:SupportedEnvelope qname=\"n2:Envelope\" xmlns:n2=\""
		    NS_SOAP11 "\"/></s:Upgrade>");
	if (f->header == NULL || f->header->ns == NULL)
		return;
	wbuf_puts(w, "<s:NotUnderstood qname=\"q:");
	xml_put_attr(w, (const char *)f->header->name);
	wbuf_puts(w, "\" xmlns:q=\"");
	xml_put_attr(w, (const char *)f->header->ns->href);
	wbuf_puts(w, "\"/>");
}

/* Who was authenticated by a signature gets what is not about that signed. */
static int
fault_is_signed(const struct request *r, const struct fault_form *f)
{
	return r->w.has_signature && r->principal[0] != '\0' &&
	    r->authenticated && f->wsse == NULL && f->code != ST_TEMPFAIL;
}

/* What is about a login was logged as ev=auth. */
static void
fault_log(const struct request *r, const struct fault_form *f)
{
	struct log_ev	 ev = { .ev = "refuse" };

	proc_struck(r->s->p, limit_named(f->text));
	if (f->wsse != NULL)
		return;
	ev.id = r->id;
	ev.peer = r->http.peer;
	ev.user = r->principal;
	ev.result = f->code == ST_TEMPFAIL ? "tempfail" : "refused";
	ev.reason = f->text;
	log_event(&ev);
}

static void
fault_send(struct request *r, const struct fault_form *f)
{
	struct wbuf	*w = &r->env.body;

	r->s->st.faults++;
	fault_log(r, f);
	log_debug("request %016llx: fault %s%s%s %u: %s",
	    (unsigned long long)r->id, fault_code(r, f->kind),
	    f->wsse != NULL ? " " : "", f->wsse != NULL ? f->wsse : "",
	    f->code, f->text);
	request_compose(r, FAULT_ACTION);
	fault_put_header(&r->env.header, r, f);
	soapenv_body_open(&r->env);
	if (r->soap12)
		fault_put12(w, r, f);
	else
		fault_put11(w, r, f);
	wbuf_puts(w, "</s:Body>");
	if (w->error) {
		/* Nothing to say it with: an empty answer of that status. */
		request_respond(r, 503, w);
		return;
	}
	request_finish(r, f->status, fault_is_signed(r, f));
}

/* SOAP 1.1 section 6.2 has 500 for all; 1.2 part 2 table 20 tells apart. */
void
request_fault(struct request *r, enum fault kind, uint32_t code,
    const char *text)
{
	struct fault_form	 f = { .kind = kind, .code = code,
				    .text = text };

	f.status = code == ST_TEMPFAIL ? 503 :
	    r->soap12 && kind == F_CLIENT ? 400 : 500;
	fault_send(r, &f);
}

static const char *
fault_wss_text(enum wss_fault fault)
{
	switch (fault) {
	case WSS_F_UNSUPPORTED_TOKEN:
		return "An unsupported token was provided.";
	case WSS_F_UNSUPPORTED_ALGORITHM:
		return "An unsupported signature or encryption algorithm was "
		    "used.";
	case WSS_F_INVALID_TOKEN:
		return "An invalid security token was provided.";
	case WSS_F_FAILED_AUTH:
		return "The security token could not be authenticated or "
		    "authorized.";
	case WSS_F_FAILED_CHECK:
		return "The signature or decryption was invalid.";
	case WSS_F_TOKEN_UNAVAILABLE:
		return "Referenced security token could not be retrieved.";
	case WSS_F_EXPIRED:
		return "The message has expired.";
	case WSS_F_OK:
	case WSS_F_INVALID_SECURITY:
		break;
	}
	return "An error was discovered processing the Security header.";
}

/* The fault's text is the standard's; why is for the log alone. */
void
request_fault_wss(struct request *r, enum wss_fault fault, const char *why)
{
	struct fault_form	 f = { .kind = F_CLIENT, .code = ST_DENIED };
	struct log_ev		 ev = { .ev = "auth", .result = "refused" };

	r->s->st.auth_refused++;
	ev.id = r->id;
	ev.peer = r->http.peer;
	ev.user = r->principal[0] != '\0' ? r->principal : r->w.username;
	ev.reason = why;
	log_event(&ev);
	proc_struck(r->s->p, limit_named(why));
	f.wsse = wss_fault_code(fault);
	f.text = fault_wss_text(fault);
	f.status = r->soap12 ? 400 : 500;
	fault_send(r, &f);
}

void
request_fault_replay(struct request *r)
{
	struct fault_form	 f = { .kind = F_CLIENT, .code = ST_DENIED };
	struct log_ev		 ev = { .ev = "auth", .result = "replay" };

	r->s->st.replayed++;
	ev.id = r->id;
	ev.peer = r->http.peer;
	ev.user = r->principal;
	ev.reason = "message seen before";
	log_event(&ev);
	f.wsse = wss_fault_code(WSS_F_INVALID_SECURITY);
	f.text = "message seen before";
	f.status = r->soap12 ? 400 : 500;
	fault_send(r, &f);
}

void
request_fault_later(struct request *r, const char *why)
{
	request_fault(r, F_SERVER, ST_TEMPFAIL, why);
}

void
request_fault_header(struct request *r, xmlNodePtr header)
{
	struct fault_form	 f = { .kind = F_MUST_UNDERSTAND,
				    .code = ST_BAD, .status = 500,
				    .header = header };

	f.text = "a header that must be understood is not known here";
	fault_send(r, &f);
}
