/* SPDX-License-Identifier: ISC */
/*
 * WSEmailSend by a user: the message is rebuilt with Sender, MessageId and
 * Timestamp as this server says, signed by the user's domain, and given to
 * wsqueue.  The signing half (outgoing_*) serves bounces too.
 *
 *	read -> judged -> composed -> signed -> verified -> submitted -> answered
 */
#include "compat.h"

#include <errno.h>
#include <strings.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define SEND_TIMEOUT	90	/* s */
#define SEND_RESULT	"WSEmailSendResult"
#define SEND_HEADERS	65536	/* octets, of a hop's envelope */

struct sending {
	struct request	*r;
	struct outgoing	 o;
	struct rcpt	*rcpt;		/* of the envelope */
	uint32_t	 nrcpt;
};

static void	 sending_free(void *);
static int	 send_read(struct sending *);
static int	 send_sender(struct sending *);
static int	 send_recipients(struct sending *);
static int	 send_delivery(struct sending *);
static int	 send_delivery_is(struct request *, const char *, const char *,
		    const char *);
static int	 send_add(struct sending *, const char *);
static int	 send_has(const struct sending *, const char *);
static int	 send_identity(struct sending *);
static void	 send_refuse(struct sending *, uint32_t, const char *);
static int64_t	 send_room(const struct soap *);
static void	 send_signed(void *, int, const char *);
static int	 outgoing_signed(void *, struct imsg *, const char *);
static int	 outgoing_finish(struct outgoing *, const uint8_t *, size_t,
		    const char **);
static int	 outgoing_verify(struct outgoing *, X509 *, const char **);

static void
sending_free(void *arg)
{
	struct sending	*sd = arg;
	uint32_t	 i;

	outgoing_clear(&sd->o);
	for (i = 0; i < sd->nrcpt; i++)
		free(sd->rcpt[i].addr);
	free(sd->rcpt);
	free(sd);
}

static void
send_refuse(struct sending *sd, uint32_t code, const char *text)
{
	struct log_ev	 ev = { .ev = "send", .result = "refused" };

	ev.id = sd->r->id;
	ev.user = sd->r->principal;
	ev.reason = text;
	log_event(&ev);
	proc_struck(sd->r->s->p, limit_named(text));
	request_answer_status(sd->r, SEND_RESULT, code, text, NULL, NULL, 0,
	    NULL);
}

int
send_has_sig(xmlNodePtr operation)
{
	return xml_first(xml_child(operation, NS_WSE, "theSig")) != NULL;
}

void
send_run(struct request *r)
{
	struct sending	*sd;

	if (r->is_peer) {
		peer_run(r);
		return;
	}
	/* A signed message, but not from a domain that proved to be one. */
	if (send_has_sig(r->w.operation)) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "theSig without a peer's authentication");
		return;
	}
	if ((sd = calloc(1, sizeof(*sd))) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	sd->r = r;
	r->state = sd;
	r->state_free = sending_free;
	if (send_read(sd) == -1 || send_sender(sd) == -1 ||
	    send_recipients(sd) == -1 || send_identity(sd) == -1)
		return;
	sd->o.s = r->s;
	sd->o.done = send_signed;
	sd->o.arg = sd;
	strlcpy(sd->o.domain, r->domain, sizeof(sd->o.domain));
	outgoing_sign(&sd->o);
}

static int
send_read(struct sending *sd)
{
	struct request	*r = sd->r;
	const char	*why;
	xmlNodePtr	 n;
	int		 count;

	n = xml_child_count(r->w.operation, NS_WSE, "theMessage", &count);
	if (count != 1) {
		send_refuse(sd, ST_BAD, "no message");
		return -1;
	}
	if (wsmsg_read(&sd->o.msg, n, &why) == -1) {
		send_refuse(sd, ST_BAD, why);
		return -1;
	}
	wsmsg_intent(&sd->o.msg, sd->o.intent);
	return 0;
}

/* Check RETADDR: who is named as the sender is who was authenticated. */
static int
send_sender(struct sending *sd)
{
	struct wsmsg	*m = &sd->o.msg;
	char		 addr[ADDR_MAX + 1];

	if (m->sender != NULL && *m->sender != '\0' &&
	    (addr_normalize(m->sender, addr, sizeof(addr)) == -1 ||
	    strcmp(addr, sd->r->principal) != 0)) {
		send_refuse(sd, ST_DENIED,
		    "Sender is not who was authenticated");
		return -1;
	}
	free(m->sender);
	if ((m->sender = strdup(sd->r->principal)) == NULL) {
		request_fault_later(sd->r, "out of memory");
		return -1;
	}
	return 0;
}

static int
send_has(const struct sending *sd, const char *addr)
{
	uint32_t	 i;

	for (i = 0; i < sd->nrcpt; i++)
		if (strcmp(sd->rcpt[i].addr, addr) == 0)
			return 1;
	return 0;
}

/* Once, whoever is named twice. */
static int
send_add(struct sending *sd, const char *addr)
{
	struct rcpt	*p;

	if (send_has(sd, addr))
		return 0;
	if ((int64_t)sd->nrcpt >= soap_limit(sd->r->s, LIM_RECIPIENTS)) {
		send_refuse(sd, ST_BAD, "too many recipients (limit recipients)");
		return -1;
	}
	p = reallocarray(sd->rcpt, sd->nrcpt + 1, sizeof(*p));
	if (p != NULL) {
		sd->rcpt = p;
		p[sd->nrcpt].orig = (char *)(uintptr_t)"";
		if ((p[sd->nrcpt].addr = strdup(addr)) != NULL) {
			sd->nrcpt++;
			return 0;
		}
	}
	request_fault_later(sd->r, "out of memory");
	return -1;
}

/* A child of Delivery: absent, or this.  -1: answered. */
static int
send_delivery_is(struct request *r, const char *name, const char *want,
    const char *why)
{
	xmlNodePtr	 n;
	char		*text;
	int		 same;

	if ((n = xml_child(r->w.delivery, NS_WSE2, name)) == NULL)
		return 0;
	text = xml_text(n, ADDR_MAX);
	same = text != NULL && (*text == '\0' || strcasecmp(text, want) == 0);
	free(text);
	if (same)
		return 0;
	request_fault(r, F_CLIENT, ST_BAD, why);
	return -1;
}

/* The envelope's recipients; those that the message lacks are blind. */
static int
send_delivery(struct sending *sd)
{
	struct request	*r = sd->r;
	char		 addr[ADDR_MAX + 1], *text;
	xmlNodePtr	 n;
	int		 ok;

	if (send_delivery_is(r, "Kind", KIND_SUBMIT,
	    "Delivery is of another kind") == -1 ||
	    send_delivery_is(r, "From", r->principal,
	    "Delivery is from somebody else") == -1 ||
	    send_delivery_is(r, "To", r->domain,
	    "Delivery is to another domain") == -1)
		return -1;
	for (n = xml_first(r->w.delivery); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, NS_WSE2, "Recipient"))
			continue;
		text = xml_text(n, 2 * ADDR_MAX);
		ok = text != NULL &&
		    addr_normalize(text, addr, sizeof(addr)) == 0;
		free(text);
		if (!ok) {
			send_refuse(sd, ST_BAD,
			    "a recipient is not an address");
			return -1;
		}
		if (send_add(sd, addr) == -1)
			return -1;
	}
	return 0;
}

static int
send_recipients(struct sending *sd)
{
	struct wsmsg	*m = &sd->o.msg;
	char		 addr[ADDR_MAX + 1], *copy;
	size_t		 i;
	int		 given;

	if (sd->r->w.delivery != NULL && send_delivery(sd) == -1)
		return -1;
	given = sd->nrcpt > 0;
	/* Named again and again, they would be looked for as often. */
	if ((int64_t)m->nrcpt > soap_limit(sd->r->s, LIM_RECIPIENTS)) {
		send_refuse(sd, ST_BAD, "too many recipients");
		return -1;
	}
	for (i = 0; i < m->nrcpt; i++) {
		if (addr_normalize(m->rcpt[i], addr, sizeof(addr)) == -1) {
			send_refuse(sd, ST_BAD,
			    "a recipient is not an address");
			return -1;
		}
		if ((copy = strdup(addr)) == NULL) {
			request_fault_later(sd->r, "out of memory");
			return -1;
		}
		free(m->rcpt[i]);
		m->rcpt[i] = copy;
		if (given && !send_has(sd, addr)) {
			send_refuse(sd, ST_BAD, "Delivery leaves out a "
			    "recipient of the message");
			return -1;
		}
		if (send_add(sd, addr) == -1)
			return -1;
	}
	if (sd->nrcpt > 0)
		return 0;
	send_refuse(sd, ST_BAD, "no recipients");
	return -1;
}

/* MessageId and Timestamp; an Id of the client's gives way to our own. */
static int
send_identity(struct sending *sd)
{
	struct wsmsg	*m = &sd->o.msg;

	if (m->msgid != NULL && *m->msgid == '\0') {
		free(m->msgid);
		m->msgid = NULL;
	}
	if (m->msgid != NULL && !wsmsg_msgid_ok(m->msgid, sd->r->domain)) {
		send_refuse(sd, ST_BAD, "MessageId is not one of this domain");
		return -1;
	}
	if (m->msgid == NULL &&
	    (m->msgid = wsmsg_msgid_new(sd->r->domain)) == NULL) {
		request_fault_later(sd->r, "out of memory");
		return -1;
	}
	free(m->id);
	m->id = NULL;
	m->timestamp = wstime_now();
	return 0;
}

/*
 * What a message and its signature may have: a hop is a request too, and its
 * headers need some of what a peer with the same limit takes.
 */
static int64_t
send_room(const struct soap *s)
{
	int64_t	 limit = soap_limit(s, LIM_MESSAGE_SIZE);

	return limit - (limit / 8 < SEND_HEADERS ? limit / 8 : SEND_HEADERS);
}

static void
send_signed(void *arg, int result, const char *why)
{
	struct sending		*sd = arg;
	struct request		*r = sd->r;
	struct outgoing		*o = &sd->o;
	struct submit		 q = { .origin = SUBMIT_USER };
	struct wbuf		 w = { 0 };
	char			 subject[1024];

	if (result == -1) {
		request_fault_later(r, why);
		return;
	}
	if ((int64_t)(o->m.len + o->sig.len) > send_room(r->s)) {
		send_refuse(sd, ST_TOOBIG, "the message is too large (limit message-size)");
		return;
	}
	q.principal = r->principal;
	q.peer = r->http.peer;
	q.replay = r->replay;
	outgoing_facts(o, &q.facts, subject);
	q.nrcpt = sd->nrcpt;
	q.rcpt = sd->rcpt;
	q.body = o->m.data;
	q.body_len = o->m.len;
	q.sig = o->sig.data;
	q.sig_len = o->sig.len;
	submit_put(&w, &q);
	if (soap_ask(r->s, P_QUEUE, IMSG_QUEUE_SUBMIT, &w,
	    IMSG_SOAP_SUBMIT_RESULT, SEND_TIMEOUT, send_submitted, r) == -1)
		request_fault_later(r, "the queue is not there or full");
}

/* Of a user's message or a peer's: what became of it. */
int
send_submitted(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct sending		*sd = r->state;
	struct submit_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (submit_result_get(&rb, &res) == -1) {
		request_fault_later(r, "the queue is not there");
		return -1;
	}
	if (res.replayed)
		request_fault_replay(r);
	else if (res.code == ST_TEMPFAIL)
		request_fault_later(r, res.text);
	else {
		if (res.code == ST_OK && r->is_peer)
			r->s->st.peer_in++;
		else if (res.code == ST_OK)
			r->s->st.sent++;
		request_answer_status(r, SEND_RESULT, res.code, res.text,
		    res.code == ST_OK && !r->is_peer ? sd->o.msg.msgid : NULL,
		    res.rcpt, res.nrcpt, NULL);
	}
	submit_result_free(&res);
	return 0;
}

/*
 * --- signing what leaves ---
 */

void
outgoing_clear(struct outgoing *o)
{
	wsmsg_free(&o->msg);
	wbuf_free(&o->m);
	wbuf_free(&o->signedinfo);
	wbuf_free(&o->sig);
}

/* At a character's boundary; lists need no more of it. */
void
subject_cut(char *dst, size_t size, const char *subject)
{
	size_t	 n;

	if (subject == NULL)
		subject = "";
	if (strlcpy(dst, subject, size) < size)
		return;
	for (n = size - 1; n > 0 && (subject[n] & 0xc0) == 0x80; n--)
		;
	dst[n] = '\0';
}

void
outgoing_facts(const struct outgoing *o, struct mail_facts *f,
    char subject[static 1024])
{
	subject_cut(subject, 1024, o->msg.subject);
	f->msgid = o->msg.msgid;
	f->sender = o->msg.sender;
	f->subject = subject;
	f->timestamp = o->msg.timestamp;
	f->flags = o->msg.flags;
	memcpy(f->intent, o->intent, sizeof(f->intent));
}

void
outgoing_sign(struct outgoing *o)
{
	struct hosted	*h = certs_hosted(o->s, o->domain);
	struct wss_ref	 ref;
	char		 id[128];

	if (h == NULL || h->cert == NULL) {
		o->done(o->arg, -1, "the domain cannot sign");
		return;
	}
	strlcpy(id, "m-", sizeof(id));
	strlcat(id, o->msg.msgid, sizeof(id));
	id[strcspn(id, "@")] = '\0';
	ref.id = id;
	if (wsmsg_compose(&o->msg, &o->m) == -1 ||
	    wss_digest(o->m.data, o->m.len, ref.digest) == -1) {
		log_warn("soap: composing %s", o->msg.msgid);
		o->done(o->arg, -1, "the message cannot be composed");
		return;
	}
	wss_signedinfo(&o->signedinfo, certs_sigalg(h->cert), &ref, 1);
	if (o->signedinfo.error || soap_ask_sign(o->s, o->domain,
	    &o->signedinfo, outgoing_signed, o) == -1)
		o->done(o->arg, -1, "the message cannot be signed now");
}

static int
outgoing_signed(void *arg, struct imsg *imsg, const char *why)
{
	struct outgoing	*o = arg;
	const uint8_t	*value;
	struct rbuf	 rb;
	size_t		 len = 0;

	if (imsg == NULL) {
		o->done(o->arg, -1, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if ((value = sign_result_get(&rb, &len)) == NULL) {
		o->done(o->arg, -1, "the message cannot be signed now");
		return -1;
	}
	if (len == 0 || outgoing_finish(o, value, len, &why) == -1) {
		if (len == 0)
			why = "keys has no key";
		log_warnx("soap: %s: signature of %s: %s", o->domain,
		    o->msg.msgid, why);
		o->done(o->arg, -1, "the message cannot be signed now");
		return 0;
	}
	o->done(o->arg, 0, NULL);
	return 0;
}

static int
outgoing_finish(struct outgoing *o, const uint8_t *value, size_t len,
    const char **why)
{
	struct hosted	*h = certs_hosted(o->s, o->domain);
	struct wbuf	 keyinfo = { 0 };
	int		 rv = -1;

	/* A reload may have come between. */
	*why = "the domain is gone";
	if (h == NULL || h->cert == NULL)
		return -1;
	*why = "out of memory";
	if (wss_x509data(&keyinfo, h->cert, h->chain) == 0) {
		wbuf_u8(&keyinfo, 0);	/* as a string */
		if (!keyinfo.error) {
			wss_signature(&o->sig, &o->signedinfo, value, len,
			    (const char *)keyinfo.data);
			if (!o->sig.error)
				rv = outgoing_verify(o, h->cert, why);
		}
	}
	wbuf_free(&keyinfo);
	return rv;
}

/* Nothing leaves that its receiver would refuse. */
static int
outgoing_verify(struct outgoing *o, X509 *ours, const char **why)
{
	STACK_OF(X509)	*chain;
	X509		*cert;
	int		 same;

	if (wss_verify_detached(o->m.data, o->m.len, o->sig.data, o->sig.len,
	    &cert, &chain, why) == -1)
		return -1;
	same = X509_cmp(cert, ours) == 0;
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	*why = "another certificate";
	return same ? 0 : -1;
}
