/* SPDX-License-Identifier: ISC */
/*
 * WSEmailSend by a user: the message is rebuilt with Sender, MessageId and
 * Timestamp as this server says, signed by the user's domain, and given to
 * wsqueue.  Between the two its attachments on demand, and the plug-ins that
 * are ISendingProcessors.
 *
 *	read -> judged -> attachments -> plug-ins -> composed and signed ->
 *	submitted -> answered
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>
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
	struct names	*names;		/* of attachments, or NULL */
	struct chain	*chain;		/* of plug-ins */
	char		 hold[2 * PLUG_TEXT_MAX];	/* why it is held, or "" */
};

static void	 sending_free(void *);
static void	 send_named(void *, uint32_t, const char *);
static void	 send_judge(struct sending *);
static void	 send_verdict(struct chain *, const struct plug_verdict *,
		    const struct plug_row *, void *);
static void	 send_taken(struct sending *, const struct plug_verdict *,
		    const struct plug_row *);
static void	 send_replace(struct sending *, const struct plug_verdict *,
		    const struct plug_row *);
static void	 send_blind(struct sending *, const struct wsmsg *);
static int	 send_read(struct sending *);
static int	 send_sender(struct sending *);
static int	 send_recipients(struct sending *);
static int	 send_visible(struct sending *);
static int	 send_delivery(struct sending *);
static int	 send_delivery_is(struct request *, const char *, const char *,
		    const char *);
static int	 send_add(struct sending *, const char *);
static int	 send_has(const struct sending *, const char *);
static int	 send_identity(struct sending *);
static void	 send_refuse(struct sending *, uint32_t, const char *);
static void	 send_signed(void *, int, const char *);

static void
sending_free(void *arg)
{
	struct sending	*sd = arg;
	uint32_t	 i;

	if (sd->chain != NULL)
		chain_free(sd->chain);
	names_free(sd->names);
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
	if (sd->names != NULL)
		names_take_back(sd->names);
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
	if (sd->names != NULL)
		names_start(sd->names, &sd->o.msg, sd->rcpt, sd->nrcpt,
		    send_named, sd);
	else
		send_named(sd, ST_OK, NULL);
}

/* Its attachments are in it, if it has any. */
static void
send_named(void *arg, uint32_t code, const char *why)
{
	struct sending	*sd = arg;
	struct request	*r = sd->r;

	if (code == ST_TEMPFAIL)
		request_fault_later(r, why);
	else if (code != ST_OK)
		send_refuse(sd, code, why);
	else if (!plugs_any(&r->s->plugs, PLUG_SENDING, r->principal))
		outgoing_sign(&sd->o);
	else if ((sd->chain = chain_new(&r->s->plugs, PLUG_SENDING,
	    r->principal, send_verdict, sd)) == NULL)
		request_fault_later(r, "out of memory");
	else
		send_judge(sd);
}

/* --- plug-ins ------------------------------------------------------------ */

/* The message as it stands goes to the next one. */
static void
send_judge(struct sending *sd)
{
	struct plug_call	 call;
	struct wbuf		 w = { 0 };
	char			 id[32], subject[1024];

	plug_env(sd->r, &call, id, sizeof(id));
	outgoing_facts(&sd->o, &call.facts, subject);
	if (wsmsg_compose(&sd->o.msg, &w) == -1) {
		wbuf_free(&w);
		request_fault_later(sd->r, "the message cannot be composed");
		return;
	}
	call.size = (uint32_t)w.len;
	call.nrcpt = sd->nrcpt;
	call.rcpt = sd->rcpt;
	call.body = w.data;
	call.body_len = w.len;
	chain_step(sd->chain, &call);
	wbuf_free(&w);
}

static void
send_verdict(struct chain *c, const struct plug_verdict *v,
    const struct plug_row *row, void *arg)
{
	struct sending	*sd = arg;

	(void)c;
	if (v == NULL) {
		outgoing_sign(&sd->o);
		return;
	}
	switch (v->what) {
	case VERDICT_CONTINUE:
		send_judge(sd);
		break;
	case VERDICT_REPLACE:
		send_replace(sd, v, row);
		break;
	case VERDICT_HOLD:
		snprintf(sd->hold, sizeof(sd->hold), "held by plug-in %s%s%s",
		    row->name, v->text[0] != '\0' ? ": " : "", v->text);
		outgoing_sign(&sd->o);
		break;
	case VERDICT_TAKEN:
		send_taken(sd, v, row);
		break;
	case VERDICT_REFUSE:
		send_refuse(sd, v->code, v->text);
		break;
	default:
		request_fault_later(sd->r, v->text);
		break;
	}
}

static void
send_taken(struct sending *sd, const struct plug_verdict *v,
    const struct plug_row *row)
{
	struct log_ev	 ev = { .ev = "send", .result = "taken" };

	ev.id = sd->r->id;
	ev.user = sd->r->principal;
	ev.msgid = sd->o.msg.msgid;
	ev.to = row->name;
	ev.reason = v->text;
	log_event(&ev);
	request_answer_status(sd->r, SEND_RESULT, ST_OK, v->text,
	    sd->o.msg.msgid, NULL, 0, NULL);
}

/*
 * Another message, judged as the first one was: who sends it and its
 * MessageId stay, and so do the blind recipients.
 */
static void
send_replace(struct sending *sd, const struct plug_verdict *v,
    const struct plug_row *row)
{
	struct wsmsg		*m = &sd->o.msg, was = *m;
	struct xml_limits	 lim;
	xmlDocPtr		 doc;
	const char		*why;
	int			 ok = 0;

	soap_xml_limits(sd->r->s, LIM_MESSAGE_SIZE, &lim);
	memset(m, 0, sizeof(*m));
	if ((doc = xml_parse(v->body, v->body_len, &lim, &why)) != NULL) {
		ok = wsmsg_read(m, xmlDocGetRootElement(doc), &why) == 0;
		xmlFreeDoc(doc);
	}
	if (!ok) {
		wsmsg_free(m);
		*m = was;
		log_warnx("plug-in %s: its message is none: %s", row->name,
		    why);
		request_fault_later(sd->r, "a plug-in gave no message");
		return;
	}
	free(m->msgid);
	m->msgid = was.msgid;
	was.msgid = NULL;
	send_blind(sd, &was);
	wsmsg_free(&was);
	if (send_sender(sd) == -1 || send_visible(sd) == -1 ||
	    send_identity(sd) == -1)
		return;
	wsmsg_intent(m, sd->o.intent);
	send_judge(sd);
}

/* Of the envelope's recipients only those stay that the message did not name. */
static void
send_blind(struct sending *sd, const struct wsmsg *was)
{
	uint32_t	 i, n = 0;
	size_t		 k;

	for (i = 0; i < sd->nrcpt; i++) {
		for (k = 0; k < was->nrcpt; k++)
			if (strcmp(was->rcpt[k], sd->rcpt[i].addr) == 0)
				break;
		if (k == was->nrcpt)
			sd->rcpt[n++] = sd->rcpt[i];
		else
			free(sd->rcpt[i].addr);
	}
	sd->nrcpt = n;
}

static int
send_read(struct sending *sd)
{
	struct request	*r = sd->r;
	const char	*why;
	xmlNodePtr	 n;
	uint32_t	 code;
	int		 count;

	n = xml_child_count(r->w.operation, NS_WSE, "theMessage", &count);
	if (count != 1) {
		send_refuse(sd, ST_BAD, "no message");
		return -1;
	}
	sd->names = names_collect(r, n, &code, &why);
	if (why != NULL) {
		send_refuse(sd, code, why);
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
	if (request_is_instant(r))
		sd->o.msg.flags |= FLAG_INSTANT;
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
	uint32_t	 given;

	if (sd->r->w.delivery != NULL && send_delivery(sd) == -1)
		return -1;
	given = sd->nrcpt;
	if (send_visible(sd) == -1)
		return -1;
	if (given == 0 || sd->nrcpt == given)
		return 0;
	send_refuse(sd, ST_BAD, "Delivery leaves out a recipient of the "
	    "message");
	return -1;
}

/* Those of the message join those of the envelope. */
static int
send_visible(struct sending *sd)
{
	struct wsmsg	*m = &sd->o.msg;
	char		 addr[ADDR_MAX + 1], *copy;
	size_t		 i;

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

int64_t
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
	q.hold = sd->hold;
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
		if (!r->is_peer && sd->names != NULL && res.code != ST_OK)
			names_take_back(sd->names);
		else if (!r->is_peer && sd->names != NULL && res.known)
			names_known(sd->names);
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
