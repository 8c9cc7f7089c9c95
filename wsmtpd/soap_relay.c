/* SPDX-License-Identifier: ISC */
/*
 * One hop: wsqueue hands over a stored message and its recipients at one
 * domain; here the envelope is composed around the stored octets, signed by
 * our domain, and posted by relay.  What the peer answered goes back to
 * wsqueue.  All that is signed says what it is (Kind), from whom, to whom.
 *
 *	job -> composed -> signed -> posted -> judged -> answered to wsqueue
 *	          ^                              |
 *	          `---- once, whole certificate -'
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define HOP_SLACK	30	/* s, beyond relay's own time-out */

struct hop {
	TAILQ_ENTRY(hop) entry;
	struct soap	*s;
	struct chan	*queue;		/* NULL: gone, so is the job */
	uint64_t	 id;		/* the queue's */
	uint8_t		*data;		/* of the message, job points into it */
	size_t		 data_len;
	struct relay_job job;
	struct soapenv	 env;
	char		 uuid[sizeof("urn:uuid:") + 36];
	int		 whole;		/* the certificate, not its thumbprint */
	int		 again;		/* it was asked for */
};

static void	 hop_free(struct hop *);
static void	 hop_compose(struct hop *);
static void	 hop_content(const struct hop *, struct wbuf *);
static int	 hop_signed(void *, struct imsg *, const char *);
static void	 hop_post(struct hop *, const struct wbuf *);
static int	 hop_posted(void *, struct imsg *, const char *);
static void	 hop_judge(struct hop *, const struct relay_result *);
static void	 hop_done(struct hop *, const struct verdict *, const char *);
static void	 hop_fail(struct hop *, uint32_t, const char *, const char *);

int
hop_new(struct soap *s, struct chan *c, struct imsg *imsg)
{
	struct hop	*hp;
	struct rbuf	 rb;

	if ((hp = calloc(1, sizeof(*hp))) == NULL)
		fatal("soap");
	hp->s = s;
	hp->queue = c;
	hp->id = imsg->hdr.id;
	hp->data = imsg->data;
	hp->data_len = imsg->hdr.len;
	imsg->data = NULL;
	imsg->hdr.len = 0;
	TAILQ_INSERT_TAIL(&s->hops, hp, entry);
	rbuf_init(&rb, hp->data, hp->data_len);
	if (relay_job_get(&rb, &hp->job) == -1) {
		hop_free(hp);
		return -1;
	}
	hop_compose(hp);
	return 0;
}

static void
hop_free(struct hop *hp)
{
	struct soap	*s = hp->s;

	TAILQ_REMOVE(&s->hops, hp, entry);
	soapenv_free(&hp->env);
	relay_job_free(&hp->job);
	free(hp->data);
	free(hp);
	soap_idle(s);
}

void
hop_queue_down(struct soap *s, struct chan *c)
{
	struct hop	*hp;

	TAILQ_FOREACH(hp, &s->hops, entry)
		if (hp->queue == c)
			hp->queue = NULL;
}

/* The stored octets, unchanged, and their signature beside them. */
static void
hop_content(const struct hop *hp, struct wbuf *w)
{
	wbuf_raw(w, hp->job.body, hp->job.body_len);
	wbuf_puts(w, "<w:theSig>");
	wbuf_raw(w, hp->job.sig, hp->job.sig_len);
	wbuf_puts(w, "</w:theSig>");
}

static void
hop_compose(struct hop *hp)
{
	const struct wbuf	*text = NULL;
	struct relay_job	*j = &hp->job;
	struct soapenv		*e = &hp->env;
	struct wbuf		 content = { 0 };
	struct hosted		*h = certs_hosted(hp->s, j->from_domain);
	uint8_t			 r[16];
	char			 to[sizeof(WSA_TO_PREFIX) + ADDR_DOMAIN_MAX];

	if (h == NULL || h->cert == NULL) {
		hop_fail(hp, ST_TEMPFAIL, "our domain cannot sign", NULL);
		return;
	}
	/* RFC 9562 section 5.4. */
	arc4random_buf(r, sizeof(r));
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	snprintf(hp->uuid, sizeof(hp->uuid), "urn:uuid:%02x%02x%02x%02x-"
	    "%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
	    r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11],
	    r[12], r[13], r[14], r[15]);
	snprintf(to, sizeof(to), WSA_TO_PREFIX "%s", j->domain);
	soapenv_init(e, 0);
	soapenv_wsa(e, "To", to);
	soapenv_wsa(e, "Action", NS_WSE "/WSEmailSend");
	soapenv_wsa(e, "MessageID", hp->uuid);
	soapenv_delivery(e, KIND_RELAY, j->from_domain, j->domain, j->rcpt,
	    j->nrcpt, (j->flags & FLAG_INSTANT) != 0);
	soapenv_timestamp(e, wstime_now(),
	    (unsigned int)soap_limit(hp->s, LIM_REQUEST_LIFETIME));
	hp->whole = hp->again || !certs_acquainted(hp->s, j->from_domain,
	    j->domain);
	if (hp->whole)
		soapenv_token_cert(e, h->cert, h->chain);
	else
		soapenv_token_thumbprint(e, h->cert);
	hop_content(hp, &content);
	soapenv_body(e, NS_WSE, "WSEmailSend", &content);
	wbuf_free(&content);
	text = soapenv_signedinfo(e, certs_sigalg(h->cert));
	if (text == NULL || soap_ask_sign(hp->s, j->from_domain, text,
	    hop_signed, hp) == -1)
		hop_fail(hp, ST_TEMPFAIL, "the hop cannot be signed now",
		    NULL);
}

static int
hop_signed(void *arg, struct imsg *imsg, const char *why)
{
	struct hop	*hp = arg;
	const uint8_t	*value;
	struct wbuf	 w = { 0 };
	struct rbuf	 rb;
	size_t		 len = 0;

	if (imsg == NULL) {
		hop_fail(hp, ST_TEMPFAIL, why, NULL);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	value = sign_result_get(&rb, &len);
	if (value == NULL || len == 0 ||
	    soapenv_finish(&hp->env, value, len, &w) == -1) {
		wbuf_free(&w);
		hop_fail(hp, ST_TEMPFAIL, "the hop cannot be signed now",
		    NULL);
		return value == NULL ? -1 : 0;
	}
	soapenv_free(&hp->env);
	hop_post(hp, &w);
	wbuf_free(&w);
	return 0;
}

static void
hop_post(struct hop *hp, const struct wbuf *envelope)
{
	struct relay_post	 q;
	struct wbuf		 w = { 0 };

	q.domain = hp->job.domain;
	q.content_type = (char *)(uintptr_t)"text/xml; charset=utf-8";
	q.soapaction = (char *)(uintptr_t)("\"" NS_WSE "/WSEmailSend\"");
	q.body = envelope->data;
	q.body_len = envelope->len;
	relay_post_put(&w, &q);
	if (soap_ask(hp->s, P_RELAY, IMSG_RELAY_POST, &w,
	    IMSG_SOAP_RELAY_RESULT, soap_limit(hp->s, LIM_RELAY_TIMEOUT) +
	    HOP_SLACK, hop_posted, hp) == -1)
		hop_fail(hp, ST_TEMPFAIL, "the relay is not there or full",
		    NULL);
}

static int
hop_posted(void *arg, struct imsg *imsg, const char *why)
{
	struct hop		*hp = arg;
	struct relay_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		hop_fail(hp, ST_TEMPFAIL, why, NULL);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (relay_result_get(&rb, &res) == -1) {
		hop_fail(hp, ST_TEMPFAIL, "the relay failed", NULL);
		return -1;
	}
	if (res.result == RELAY_OK)
		hop_judge(hp, &res);
	else
		hop_fail(hp, res.result == RELAY_PERM ? ST_NOUSER :
		    ST_TEMPFAIL, res.reason, res.host);
	relay_result_free(&res);
	return 0;
}

static void
hop_judge(struct hop *hp, const struct relay_result *res)
{
	struct relay_job	*j = &hp->job;
	struct verdict		 v;

	verdict_read(hp->s, res, j->domain, hp->uuid, &v);
	if (v.token_unavailable && !hp->whole) {
		certs_forgotten(hp->s, j->from_domain, j->domain);
		hp->again = 1;
		verdict_free(&v);
		hop_compose(hp);
		return;
	}
	/* Whatever it said of the mail: it has verified the signature. */
	if (hp->whole && v.code == ST_OK)
		certs_met(hp->s, j->from_domain, j->domain);
	hop_done(hp, &v, res->host);
	verdict_free(&v);
}

static void
hop_done(struct hop *hp, const struct verdict *v, const char *host)
{
	struct relay_done	 d;
	struct wbuf		 w = { 0 };

	if (v->code == ST_OK)
		hp->s->st.relayed++;
	else
		hp->s->st.relay_failed++;
	if (hp->queue != NULL) {
		d.code = v->code;
		d.text = v->text != NULL ? v->text : (char *)(uintptr_t)"";
		d.host = (char *)(uintptr_t)(host != NULL ? host : "");
		d.nrcpt = v->nrcpt;
		d.rcpt = v->rcpt;
		relay_done_put(&w, &d);
		if (chan_sendw(hp->queue, IMSG_QUEUE_RELAY_RESULT, hp->id,
		    &w) == -1)
			log_warn("soap: relay result to queue");
	}
	hop_free(hp);
}

static void
hop_fail(struct hop *hp, uint32_t code, const char *why, const char *host)
{
	struct verdict	 v = { .code = code };

	v.text = (char *)(uintptr_t)why;
	hop_done(hp, &v, host);
}
