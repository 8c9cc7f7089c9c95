/* SPDX-License-Identifier: ISC */
/*
 * What soap has to do with plug-ins beside soap_send.c: what they are told of
 * a request, and mail that they send.  Whether one may send as somebody is
 * judged here, as the plug-in's own process is the one that must not be
 * trusted with it.
 */
#include "compat.h"

#include <openssl/evp.h>

#include <stdio.h>

#include "log.h"
#include "soap.h"
#include "wsplugin.h"
#include "wstime.h"

#define MAIL_TIMEOUT	90	/* s */
#define MAIL_INFLIGHT	64	/* of one plug-in */
#define MAIL_TOKEN	16	/* octets of a MessageId made from a key */

struct plugmail {
	struct soap	*s;
	struct chan	*chan;		/* NULL: the plug-in is gone */
	uint64_t	 id;
	char		 name[PLUG_TEXT_MAX];
	struct plug_mail mail;
	struct outgoing	 o;
	uint32_t	 nrcpt;
	struct rcpt	*rcpt;
	TAILQ_ENTRY(plugmail) entry;
};

static int	 mail_too_many(const struct soap *, const struct chan *);
static int	 mail_may(struct soap *, const struct plug_row *,
		    const char *from);
static const char *mail_read(struct plugmail *);
static const char *mail_recipients(struct plugmail *);
static char	*mail_msgid(const struct plugmail *, const char *domain);
static void	 mail_signed(void *, int, const char *);
static int	 mail_submitted(void *, struct imsg *, const char *);
static void	 mail_done(struct plugmail *, uint32_t, const char *);

void
plug_env(const struct request *r, struct plug_call *call, char *id, size_t len)
{
	memset(call, 0, sizeof(*call));
	switch (r->w.token) {
	case WSS_PASSWORD:
		call->auth = WSP_AUTH_PASSWORD;
		break;
	case WSS_MAC:
		call->auth = WSP_AUTH_MAC;
		break;
	case WSS_X509:
	case WSS_THUMBPRINT:
		call->auth = WSP_AUTH_X509;
		break;
	default:
		call->auth = WSP_AUTH_NONE;
		break;
	}
	if (r->is_peer)
		call->auth = WSP_AUTH_PEER;
	if (r->is_guest)
		call->auth = WSP_AUTH_TOKEN;
	call->local = !r->is_peer && !r->is_guest;
	snprintf(id, len, "%016llx", (unsigned long long)r->id);
	call->request = id;
	call->principal = (char *)(uintptr_t)r->principal;
	call->peer = r->http.peer;
}

/* --- mail ---------------------------------------------------------------- */

static int
mail_may(struct soap *s, const struct plug_row *row, const char *from)
{
	const struct conf_user	*u;
	uint32_t		 i;

	for (i = 0; i < row->nsender; i++)
		if (strcmp(row->sender[i], from) == 0)
			return 1;
	if (!row->send_users || !plug_row_covers(row, from))
		return 0;
	u = conf_user(s->p->conf, from);
	return u != NULL && !u->disabled;
}

/* The same key of the same plug-in is the same message: the queue knows it. */
static char *
mail_msgid(const struct plugmail *m, const char *domain)
{
	struct wbuf	 w = { 0 };
	uint8_t		 digest[EVP_MAX_MD_SIZE] = { 0 };
	char		*msgid = NULL, hex[2 * MAIL_TOKEN + 1];
	int		 ok;
	size_t		 i;

	if (m->mail.key[0] == '\0')
		return wsmsg_msgid_new(domain);
	wbuf_str(&w, m->name);
	wbuf_str(&w, m->mail.from);
	wbuf_str(&w, m->mail.key);
	ok = !w.error && EVP_Digest(w.data, w.len, digest, NULL, EVP_sha256(),
	    NULL) == 1;
	wbuf_free(&w);
	for (i = 0; i < MAIL_TOKEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return !ok || asprintf(&msgid, "%s@%s", hex, domain) == -1 ? NULL :
	    msgid;
}

static const char *
mail_recipients(struct plugmail *m)
{
	struct wsmsg	*msg = &m->o.msg;
	char		 addr[ADDR_MAX + 1];
	uint32_t	 i, k;

	if (m->mail.nrcpt == 0)
		return "no recipients";
	if ((int64_t)m->mail.nrcpt > soap_limit(m->s, LIM_RECIPIENTS))
		return "too many recipients (limit recipients)";
	if ((msg->rcpt = calloc(m->mail.nrcpt, sizeof(*msg->rcpt))) == NULL ||
	    (m->rcpt = calloc(m->mail.nrcpt, sizeof(*m->rcpt))) == NULL)
		return "out of memory";
	for (i = 0; i < m->mail.nrcpt; i++) {
		if (addr_normalize(m->mail.rcpt[i], addr, sizeof(addr)) == -1)
			return "a recipient is not an address";
		for (k = 0; k < m->nrcpt; k++)
			if (m->rcpt[k].addr != NULL &&
			    strcmp(m->rcpt[k].addr, addr) == 0)
				break;
		if (k < m->nrcpt)
			continue;
		if ((msg->rcpt[k] = strdup(addr)) == NULL)
			return "out of memory";
		m->rcpt[k].addr = msg->rcpt[k];
		m->rcpt[k].orig = (char *)(uintptr_t)"";
		msg->nrcpt = ++m->nrcpt;
	}
	return NULL;
}

/* NULL, or why it cannot be sent. */
static const char *
mail_read(struct plugmail *m)
{
	struct wsmsg	*msg = &m->o.msg;
	const char	*why;

	if (!xml_valid_text(m->mail.subject, strlen(m->mail.subject)) ||
	    !xml_valid_text(m->mail.body, strlen(m->mail.body)))
		return "text that XML cannot hold";
	if (m->mail.inreplyto[0] != '\0' &&
	    !wsmsg_msgid_ok(m->mail.inreplyto, NULL))
		return "InReplyTo is not a MessageId";
	if ((why = mail_recipients(m)) != NULL)
		return why;
	strlcpy(m->o.domain, addr_domain(m->mail.from), sizeof(m->o.domain));
	msg->subject = strdup(m->mail.subject);
	msg->body = strdup(m->mail.body);
	msg->sender = strdup(m->mail.from);
	msg->msgid = mail_msgid(m, m->o.domain);
	msg->flags = m->mail.flags;
	msg->timestamp = wstime_now();
	if (m->mail.inreplyto[0] != '\0' &&
	    (msg->inreplyto = strdup(m->mail.inreplyto)) == NULL)
		return "out of memory";
	if (msg->subject == NULL || msg->body == NULL ||
	    msg->sender == NULL || msg->msgid == NULL)
		return "out of memory";
	if (m->mail.xml_len > 0 && wsmsg_put_attachment(msg, m->mail.xml,
	    m->mail.xml_len, &why) == -1)
		return why;
	wsmsg_intent(msg, m->o.intent);
	return NULL;
}

static int
mail_too_many(const struct soap *s, const struct chan *c)
{
	const struct plugmail	*m;
	int			 n = 0;

	TAILQ_FOREACH(m, &s->plugmails, entry)
		n += m->chan == c;
	return n > MAIL_INFLIGHT;
}

int
plugmail_new(struct soap *s, struct chan *c, struct imsg *imsg)
{
	const struct plug_row	*row = plugs_by_id(&s->plugs, c->instance);
	struct plugmail		*m;
	struct rbuf		 rb;
	const char		*why;
	char			 from[ADDR_MAX + 1];

	if ((m = calloc(1, sizeof(*m))) == NULL) {
		log_warn("soap: mail of a plug-in");
		return 0;	/* it has a time limit of its own */
	}
	m->s = s;
	m->chan = c;
	m->id = imsg->hdr.id;
	TAILQ_INSERT_TAIL(&s->plugmails, m, entry);
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (plug_mail_get(&rb, &m->mail) == -1) {
		plugmail_free(m);
		return -1;
	}
	if (mail_too_many(s, c)) {
		mail_done(m, ST_TEMPFAIL, "too much mail at a time");
		return 0;
	}
	strlcpy(m->name, row == NULL ? "" : row->name, sizeof(m->name));
	if (row == NULL || addr_normalize(m->mail.from, from, sizeof(from)) ==
	    -1 || strcmp(from, m->mail.from) != 0 ||
	    !mail_may(s, row, from)) {
		log_warnx("plug-in %s may not send as %s", m->name,
		    m->mail.from);
		mail_done(m, ST_DENIED, "not granted");
		return 0;
	}
	if ((why = mail_read(m)) != NULL) {
		mail_done(m, ST_BAD, why);
		return 0;
	}
	m->o.s = s;
	m->o.done = mail_signed;
	m->o.arg = m;
	outgoing_sign(&m->o);
	return 0;
}

static void
mail_signed(void *arg, int result, const char *why)
{
	struct plugmail	*m = arg;
	struct submit	 q = { .origin = SUBMIT_USER };
	struct wbuf	 w = { 0 };
	char		 subject[1024], peer[64];

	if (result == -1) {
		mail_done(m, ST_TEMPFAIL, why);
		return;
	}
	if ((int64_t)(m->o.m.len + m->o.sig.len) > send_room(m->s)) {
		mail_done(m, ST_TOOBIG,
		    "the message is too large (limit message-size)");
		return;
	}
	snprintf(peer, sizeof(peer), "plugin-%.32s", m->name);
	q.principal = m->mail.from;
	q.peer = peer;
	q.hold = (char *)(uintptr_t)"";
	outgoing_facts(&m->o, &q.facts, subject);
	q.nrcpt = m->nrcpt;
	q.rcpt = m->rcpt;
	q.body = m->o.m.data;
	q.body_len = m->o.m.len;
	q.sig = m->o.sig.data;
	q.sig_len = m->o.sig.len;
	submit_put(&w, &q);
	if (soap_ask(m->s, P_QUEUE, IMSG_QUEUE_SUBMIT, &w,
	    IMSG_SOAP_SUBMIT_RESULT, MAIL_TIMEOUT, mail_submitted, m) == -1)
		mail_done(m, ST_TEMPFAIL, "the queue is not there or full");
}

static int
mail_submitted(void *arg, struct imsg *imsg, const char *why)
{
	struct plugmail		*m = arg;
	struct submit_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		mail_done(m, ST_TEMPFAIL, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (submit_result_get(&rb, &res) == -1) {
		mail_done(m, ST_TEMPFAIL, "the queue is not there");
		return -1;
	}
	if (res.code == ST_OK)
		m->s->st.plug_mail++;
	mail_done(m, res.code, res.text);
	submit_result_free(&res);
	return 0;
}

/* Answers the plug-in, if it is still there, and forgets the mail. */
static void
mail_done(struct plugmail *m, uint32_t code, const char *text)
{
	struct plug_mail_result	 res;
	struct wbuf		 w = { 0 };

	res.code = code;
	res.text = (char *)(uintptr_t)text;
	res.msgid = m->o.msg.msgid;
	plug_mail_result_put(&w, &res);
	if (m->chan == NULL || chan_sendw(m->chan, IMSG_PLUG_MAIL_RESULT,
	    m->id, &w) == -1)
		wbuf_free(&w);
	plugmail_free(m);
}

void
plugmail_free(struct plugmail *m)
{
	struct soap	*s = m->s;

	TAILQ_REMOVE(&s->plugmails, m, entry);
	outgoing_clear(&m->o);
	plug_mail_free(&m->mail);
	free(m->rcpt);
	free(m);
	soap_idle(s);
}

void
plugmail_peer_down(struct soap *s, struct chan *c)
{
	struct plugmail	*m;

	TAILQ_FOREACH(m, &s->plugmails, entry)
		if (m->chan == c)
			m->chan = NULL;
}
