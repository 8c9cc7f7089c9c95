/* SPDX-License-Identifier: ISC */
/*
 * One HTTP request: media type, XML, envelope, headers, operation, login,
 * and the run of the operation.  Each step either goes on to the next or
 * ends the request with a fault; only the login and the operations wait.
 *
 *	read -> understood -> dispatched -> [authenticated] -> run -> answered
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "log.h"
#include "soap.h"

#define ONCE_TIMEOUT	60	/* s, for the queue */

static int	 request_read(struct request *);
static void	 request_drop_octets(struct request *);
static int	 request_examine(struct request *);
static int	 request_dispatch(struct request *);
static int	 request_action_ok(const char *, const char *);
static void	 request_serving_domain(struct request *);
static int	 request_unknown_version(xmlDocPtr);
static int	 request_fresh(void *, struct imsg *, const char *);

#define OP(ns, name, anybody, token, run) \
	{ ns, name, ns "/" name, anybody, token, run, NULL, NULL }
static const struct operation operations[] = {
	OP(NS_WSE, "WSEmailSend", 0, NULL, send_run),
	OP(NS_WSE, "WSEmailFetchHeaders", 0, NULL, list_run),
	OP(NS_WSE, "WSEmailRetrieve", 0, NULL, retrieve_run),
	OP(NS_WSE, "WSEmailDelete", 0, NULL, delete_run),
	OP(NS_WSE, "ExecuteExtensionHandler", 0, TOKEN_EXTENSIONS, ext_run),
	OP(NS_WSE2, "GetAuthParameters", 1, NULL, params_run),
	OP(NS_WSE2, "WaitForChange", 0, NULL, wait_run),
	OP(NS_WSE2, "UploadBegin", 0, NULL, upload_run),
	OP(NS_WSE2, "UploadPiece", 0, NULL, upload_run),
	OP(NS_WSE2, "UploadState", 0, NULL, upload_run),
	OP(NS_WSE2, "UploadFinish", 0, NULL, upload_run),
	OP(NS_WSE2, "UploadAbort", 0, NULL, upload_run),
	OP(NS_WSE2, "AttachmentFetch", 0, TOKEN_ATTACHMENTS, fetch_run),
	OP(NS_WSE2, "AttachmentList", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentShow", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentGrant", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentRevoke", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentExpire", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentWithdraw", 0, NULL, attachment_run),
	OP(NS_WSE2, "AttachmentUpdate", 0, NULL, attachment_run),
	{ NS_WST, "RequestSecurityToken", NS_WST "/RST/Issue", 0, NULL,
	    token_run, "RequestSecurityTokenResponseCollection",
	    NS_WST "/RSTRC/IssueFinal" },
};

int
request_new(struct soap *s, struct chan *c, struct imsg *imsg)
{
	struct request	*r;
	struct rbuf	 rb;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		fatal("soap");
	r->s = s;
	r->frontend = c;
	r->id = imsg->hdr.id;
	TAILQ_INSERT_TAIL(&s->requests, r, entry);
	s->st.requests++;
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (http_req_get(&rb, &r->http) == -1) {
		request_free(r);
		return -1;
	}
	/* What stands beside the tree is in the message's buffer. */
	r->octets = imsg->data;
	r->noctets = imsg->hdr.len;
	imsg->data = NULL;
	if (request_read(r) == -1 || request_examine(r) == -1 ||
	    request_dispatch(r) == -1)
		return 0;
	if (r->mime.beside.n == 0)
		request_drop_octets(r);
	if (r->op->anybody)
		r->op->run(r);
	else
		auth_start(r);
	return 0;
}

/* That it was a package is still to be known. */
static void
request_drop_octets(struct request *r)
{
	int	 package = r->mime.is_package;

	mime_free(&r->mime);
	r->mime.is_package = package;
	freezero(r->octets, r->noctets);
	r->octets = NULL;
	r->noctets = 0;
}

void
request_free(struct request *r)
{
	struct soap	*s = r->s;

	TAILQ_REMOVE(&s->requests, r, entry);
	if (r->state_free != NULL)
		r->state_free(r->state);
	soapenv_free(&r->env);
	wss_free(&r->w);
	xmlFreeDoc(r->doc);
	request_drop_octets(r);
	http_req_free(&r->http);
	free(r->action);
	free(r);
	soap_idle(s);
}

/* A WaitForChange is held for minutes, and needs no tree for that. */
void
request_drop_tree(struct request *r)
{
	xmlFreeDoc(r->doc);
	r->doc = NULL;
	request_drop_octets(r);
	r->w.header = r->w.body = r->w.operation = r->w.delivery = NULL;
}

/* The root is an Envelope, but of neither SOAP. */
static int
request_unknown_version(xmlDocPtr doc)
{
	xmlNodePtr	 root = xmlDocGetRootElement(doc);

	return strcmp((const char *)root->name, "Envelope") == 0 &&
	    !xml_is(root, NS_SOAP11, "Envelope") &&
	    !xml_is(root, NS_SOAP12, "Envelope");
}

/* From the octets to a tree.  0, or -1: answered. */
static int
request_read(struct request *r)
{
	struct mime		*m = &r->mime;
	struct xml_limits	 lim;
	const char		*why;
	int			 rv;

	rv = mime_read(m, r->http.content_type, r->http.body,
	    r->http.body_len, &why);
	r->soap12 = m->soap12;
	if (rv == 0 && m->soap12 && m->action != NULL)
		r->action = strdup(m->action);
	else if (rv == 0 && !m->soap12 && r->http.soapaction[0] != '\0')
		r->action = strdup(r->http.soapaction);
	r->http.body = NULL;		/* the message buffer's */
	if (rv == -1) {
		request_fault(r, F_CLIENT, ST_BAD, why);
		return -1;
	}
	soap_xml_limits(r->s, LIM_MESSAGE_SIZE, &lim);
	if ((r->doc = xml_parse(m->root, m->root_len, &lim, &why)) == NULL ||
	    mime_resolve(m, r->doc, &why) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, why);
		return -1;
	}
	if (request_unknown_version(r->doc)) {
		request_fault(r, F_VERSION, ST_BAD,
		    "the envelope is neither of SOAP 1.1 nor of SOAP 1.2");
		return -1;
	}
	return 0;
}

/*
 * From the tree to an examined envelope.  A header that must be understood
 * comes first, then the version, then security.
 */
static int
request_examine(struct request *r)
{
	xmlNodePtr	 unknown;
	int		 rv;

	soap_rules(r->s, &r->rules);
	r->rules.ecdsa_der = 1;		/* a user's; not a hop's */
	r->rules.parts = &r->mime.beside;
	rv = wss_examine(&r->w, r->doc, &r->rules);
	if (r->w.soap12 != r->soap12 && r->w.body != NULL) {
		request_fault(r, F_VERSION, ST_BAD,
		    "the media type is of another SOAP version than the "
		    "envelope");
		return -1;
	}
	if ((unknown = wss_not_understood(&r->w)) != NULL) {
		request_fault_header(r, unknown);
		return -1;
	}
	if (rv == 0)
		return 0;
	if (r->w.fault == WSS_F_OK)
		request_fault(r, F_CLIENT, ST_BAD, r->w.why);
	else
		request_fault_wss(r, r->w.fault, r->w.why);
	return -1;
}

/* Absent and empty say nothing; else it must be the operation's. */
static int
request_action_ok(const char *got, const char *want)
{
	size_t	 n;

	if (got == NULL)
		return 1;
	n = strlen(got);
	if (n >= 2 && got[0] == '"' && got[n - 1] == '"') {
		got++;
		n -= 2;
	}
	return n == 0 || (n == strlen(want) && memcmp(got, want, n) == 0);
}

static int
request_dispatch(struct request *r)
{
	size_t	 i;

	for (i = 0; i < nitems(operations); i++)
		if (xml_is(r->w.operation, operations[i].ns,
		    operations[i].name))
			break;
	if (i == nitems(operations)) {
		request_fault(r, F_CLIENT, ST_BAD, "no such operation");
		return -1;
	}
	r->op = &operations[i];
	if (!request_action_ok(r->action, r->op->action)) {
		request_fault(r, F_CLIENT, ST_BAD,
		    "SOAPAction is of another operation");
		return -1;
	}
	if (r->w.wsa_action != NULL &&
	    strcmp(r->w.wsa_action, r->op->action) != 0) {
		request_fault(r, F_CLIENT, ST_BAD,
		    "wsa:Action is of another operation");
		return -1;
	}
	request_serving_domain(r);
	return 0;
}

/*
 * Which of our domains the client means: what TLS was asked for, or the
 * Host, or the only one there is.  The login may still tell another.
 */
static void
request_serving_domain(struct request *r)
{
	const char	*name[2] = { r->http.host, r->http.authority };
	char		 host[ADDR_DOMAIN_MAX + 1];
	struct hosted	*h;
	size_t		 i, n;

	for (i = 0; i < nitems(name); i++) {
		n = strcspn(name[i], ":");
		if (n == 0 || n >= sizeof(host))
			continue;
		memcpy(host, name[i], n);
		host[n] = '\0';
		if (addr_domain_normalize(host, r->domain,
		    sizeof(r->domain)) == 0 &&
		    certs_hosted(r->s, r->domain) != NULL)
			return;
		r->domain[0] = '\0';
	}
	if ((h = TAILQ_FIRST(&r->s->hosted)) != NULL &&
	    TAILQ_NEXT(h, entry) == NULL)
		strlcpy(r->domain, h->name, sizeof(r->domain));
}

void
request_authenticated(struct request *r)
{
	struct log_ev	 ev = { .ev = "auth", .result = "ok" };

	r->s->st.auth_ok++;
	r->authenticated = 1;
	if (log_getverbose() > 0) {
		ev.id = r->id;
		ev.peer = r->http.peer;
		ev.user = r->principal;
		log_event(&ev);
	}
	wss_replay(&r->w, r->principal, &r->rules, &r->replay);
	r->op->run(r);
}

static int
request_fresh(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct rbuf	 rb;
	uint32_t	 code;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	code = rbuf_u32(&rb);
	if (rbuf_end(&rb) == -1 || code > 1) {
		request_fault_later(r, "the queue cannot be written to");
		return code > 2 ? -1 : 0;
	}
	if (code == 1)
		request_fault_replay(r);
	else
		r->once(r);
	return 0;
}

void
request_once(struct request *r, void (*go)(struct request *))
{
	struct wbuf	 w = { 0 };

	if (r->replay.until == 0) {
		go(r);
		return;
	}
	r->once = go;
	replay_put(&w, &r->replay);
	if (soap_ask(r->s, P_QUEUE, IMSG_QUEUE_NONCE_CHECK, &w,
	    IMSG_SOAP_NONCE_RESULT, ONCE_TIMEOUT, request_fresh, r) == -1)
		request_fault_later(r, "the queue is not there");
}

int
request_int(xmlNodePtr n, const char *ns, const char *name, int64_t min,
    int64_t max, int64_t *value)
{
	const char	*errstr = "malformed";
	static const char blank[] = " \t\r\n";
	char		*text, *p, *end, *nil;
	int		 count;

	if ((n = xml_child_count(n, ns, name, &count)) == NULL)
		return 0;
	if (count != 1 || (text = xml_text(n, 64)) == NULL)
		return -1;
	p = text + strspn(text, blank);
	end = p + strcspn(p, blank);
	if (end[strspn(end, blank)] != '\0') {
		free(text);
		return -1;
	}
	*end = '\0';
	if (*p != '\0')
		*value = strtonum(p, min, max, &errstr);
	else if ((nil = xml_attr(n, NS_XSI, "nil")) != NULL) {
		free(nil);
		count = 0;	/* how some toolkits say "absent" */
	}
	free(text);
	if (count == 0)
		return 0;
	return errstr == NULL ? 1 : -1;
}

int
request_is_instant(const struct request *r)
{
	xmlNodePtr	 n = xml_child(r->w.delivery, NS_WSE2, "Instant");
	char		*text = n != NULL ? xml_text(n, 64) : NULL;
	int		 is;

	/* xs:boolean; what reads as neither is not taken for it. */
	is = text != NULL && (strcmp(text, "true") == 0 ||
	    strcmp(text, "1") == 0);
	free(text);
	return is;
}
