/* SPDX-License-Identifier: ISC */
/*
 * Notices to a sender: what could not be delivered, or is late.  wsqueue asks
 * for one (IMSG_SOAP_BOUNCE_JOB); it is composed as an ordinary message from
 * postmaster, signed, and submitted under the job's id.  Without one, an
 * empty submission says that it could not be composed.  Like mail with an empty
 * return path it asks every server on its way for no notice about itself:
 * two postmasters whose mail goes astray must not answer each other for ever.
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define NOTICE_TIMEOUT	90	/* s */

struct notice {
	TAILQ_ENTRY(notice) entry;
	struct soap	*s;
	struct chan	*queue;		/* NULL: gone, so is the job */
	uint64_t	 id;
	struct bounce_job job;
	struct outgoing	 o;
	char		 sender[ADDR_MAX + 1];
};

static void	 notice_free(struct notice *);
static int	 notice_write(struct notice *);
static void	 notice_text(const struct notice *, struct wbuf *);
static void	 notice_status(const struct notice *, struct wbuf *);
static void	 notice_clean(struct wbuf *);
static char	*notice_string(struct wbuf *);
static void	 notice_signed(void *, int, const char *);
static void	 notice_submit(struct notice *, int);
static int	 notice_submitted(void *, struct imsg *, const char *);

int
notice_new(struct soap *s, struct chan *c, struct imsg *imsg)
{
	struct notice	*n;
	struct rbuf	 rb;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		fatal("soap");
	n->s = s;
	n->queue = c;
	n->id = imsg->hdr.id;
	TAILQ_INSERT_TAIL(&s->notices, n, entry);
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (bounce_job_get(&rb, &n->job) == -1) {
		notice_free(n);
		return -1;
	}
	n->o.s = s;
	n->o.done = notice_signed;
	n->o.arg = n;
	if (notice_write(n) == -1)
		notice_signed(n, -1, "out of memory");
	else
		outgoing_sign(&n->o);
	return 0;
}

static void
notice_free(struct notice *n)
{
	struct soap	*s = n->s;

	TAILQ_REMOVE(&s->notices, n, entry);
	outgoing_clear(&n->o);
	bounce_job_free(&n->job);
	free(n);
	soap_idle(s);
}

void
notice_queue_down(struct soap *s, struct chan *c)
{
	struct notice	*n;

	TAILQ_FOREACH(n, &s->notices, entry)
		if (n->queue == c)
			n->queue = NULL;
}

/* For people. */
static void
notice_text(const struct notice *n, struct wbuf *w)
{
	const struct bounce_job	*j = &n->job;
	char			 when[WSTIME_LEN];
	uint32_t		 i;

	wbuf_printf(w, "This is the mail system of %s.\n\n", j->domain);
	if (j->kind == BOUNCE_DELAYED)
		wbuf_puts(w, "Your message below has not been delivered yet "
		    "to the following\nrecipients.  You need not send it "
		    "again: this system keeps trying.\n\n");
	else
		wbuf_puts(w, "Your message below could not be delivered to "
		    "the following recipients.\nThis system does not try "
		    "again.\n\n");
	for (i = 0; i < j->nrcpt; i++)
		wbuf_printf(w, "    %s\n        %u %s\n", j->rcpt[i].addr,
		    j->rcpt[i].code, j->rcpt[i].text);
	wbuf_printf(w, "\n    Subject:    %s\n    Sent:       %s\n"
	    "    MessageId:  %s\n", j->orig.subject,
	    wstime_format(j->orig.timestamp, when, sizeof(when)),
	    j->orig.msgid);
	if (j->kind != BOUNCE_DELAYED)
		return;
	if (j->next != 0)
		wbuf_printf(w, "    Next try:   %s\n",
		    wstime_format(j->next, when, sizeof(when)));
	if (j->until != 0)
		wbuf_printf(w, "    Given up:   %s\n",
		    wstime_format(j->until, when, sizeof(when)));
}

/* For programs: the attachment. */
static void
notice_status(const struct notice *n, struct wbuf *w)
{
	const struct bounce_job	*j = &n->job;
	char			 number[16];
	uint32_t		 i;

	wbuf_puts(w, "<DeliveryStatus xmlns=\"" NS_WSE2 "\">");
	xml_put_elem(w, "Kind",
	    j->kind == BOUNCE_DELAYED ? "delayed" : "failed");
	xml_put_elem(w, "OriginalMessageId", j->orig.msgid);
	for (i = 0; i < j->nrcpt; i++) {
		wbuf_puts(w, "<Recipient>");
		xml_put_elem(w, "Address", j->rcpt[i].addr);
		snprintf(number, sizeof(number), "%u", j->rcpt[i].code);
		xml_put_elem(w, "ResponseCode", number);
		xml_put_elem(w, "Message", j->rcpt[i].text);
		wbuf_puts(w, "</Recipient>");
	}
	wbuf_puts(w, "</DeliveryStatus>");
}

/* What a peer wrote may not be text for XML. */
static void
notice_clean(struct wbuf *w)
{
	size_t	 i;

	if (w->error || xml_valid_text((const char *)w->data, w->len))
		return;
	for (i = 0; i < w->len; i++)
		if ((w->data[i] < ' ' && w->data[i] != '\n') ||
		    w->data[i] > '~')
			w->data[i] = '?';
}

/* The buffer as a string. */
static char *
notice_string(struct wbuf *w)
{
	size_t	 len;

	notice_clean(w);
	wbuf_u8(w, 0);
	return w->error ? NULL : (char *)wbuf_steal(w, &len);
}

/* 0, or -1: out of memory. */
static int
notice_write(struct notice *n)
{
	struct wsmsg	*m = &n->o.msg;
	struct wbuf	 text = { 0 }, status = { 0 }, subject = { 0 };
	const char	*why;
	int		 rv = -1;

	snprintf(n->sender, sizeof(n->sender), "postmaster@%s",
	    n->job.domain);
	strlcpy(n->o.domain, n->job.domain, sizeof(n->o.domain));
	notice_text(n, &text);
	notice_status(n, &status);
	notice_clean(&status);
	wbuf_printf(&subject, "%s: %s", n->job.kind == BOUNCE_DELAYED ?
	    "Delayed" : "Undelivered", n->job.orig.subject);
	m->body = notice_string(&text);
	m->subject = notice_string(&subject);
	m->sender = strdup(n->sender);
	m->msgid = wsmsg_msgid_new(n->job.domain);
	m->inreplyto = strdup(n->job.orig.msgid);
	m->timestamp = wstime_now();
	m->flags = FLAG_DELETE_UNDELIVERABLE;
	if ((m->rcpt = calloc(1, sizeof(*m->rcpt))) != NULL &&
	    (m->rcpt[0] = strdup(n->job.to)) != NULL)
		m->nrcpt = 1;
	if (m->body != NULL && m->subject != NULL && m->sender != NULL &&
	    m->msgid != NULL && m->inreplyto != NULL && m->nrcpt == 1 &&
	    !status.error) {
		/* Without the attachment it is a notice still. */
		if (wsmsg_put_attachment(m, status.data, status.len,
		    &why) == -1)
			log_warnx("soap: bounce: %s", why);
		wsmsg_intent(m, n->o.intent);
		rv = 0;
	}
	wbuf_free(&text);
	wbuf_free(&subject);
	wbuf_free(&status);
	return rv;
}

static void
notice_signed(void *arg, int result, const char *why)
{
	struct notice	*n = arg;

	if (n->queue == NULL) {
		notice_free(n);
		return;
	}
	if (result == -1)
		log_warnx("soap: bounce about %s: %s", n->job.orig.msgid, why);
	notice_submit(n, result == 0);
}

static void
notice_submit(struct notice *n, int composed)
{
	struct submit	 q = { .origin = SUBMIT_BOUNCE };
	struct rcpt	 rc = { n->job.to, (char *)(uintptr_t)"" };
	struct wbuf	 w = { 0 };
	char		 subject[1024];

	q.principal = n->sender;
	q.peer = (char *)(uintptr_t)"";
	outgoing_facts(&n->o, &q.facts, subject);
	if (composed) {
		q.nrcpt = 1;
		q.rcpt = &rc;
		q.body = n->o.m.data;
		q.body_len = n->o.m.len;
		q.sig = n->o.sig.data;
		q.sig_len = n->o.sig.len;
	} else if (q.facts.msgid == NULL)
		q.facts.msgid = n->job.orig.msgid;
	submit_put(&w, &q);
	if (soap_ask_chan(n->s, n->queue, IMSG_QUEUE_SUBMIT, n->id, &w,
	    IMSG_SOAP_SUBMIT_RESULT, NOTICE_TIMEOUT, notice_submitted,
	    n) == -1)
		notice_free(n);
}

static int
notice_submitted(void *arg, struct imsg *imsg, const char *why)
{
	struct notice		*n = arg;
	struct submit_result	 res;
	struct rbuf		 rb;
	int			 rv = 0;

	(void)why;
	if (imsg != NULL) {
		rbuf_init(&rb, imsg->data, imsg->hdr.len);
		if ((rv = submit_result_get(&rb, &res)) == 0) {
			if (res.code == ST_OK)
				n->s->st.bounces++;
			submit_result_free(&res);
		}
	}
	notice_free(n);
	return rv;
}
