/* SPDX-License-Identifier: ISC */
/*
 * grant send: mail goes to a soap process, which judges anew whether it may
 * be sent, signs it and hands it to the queue.
 */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "log.h"
#include "wsplug.h"

struct mail {
	TAILQ_ENTRY(mail) entry;
	struct chan	*chan;
	uint64_t	 id;
	void		(*done)(struct wsp *, int, const char *, void *);
	void		*arg;
};

static void	 mail_end(struct wsp *, struct mail *, uint32_t, const char *);

int
mail_is_granted(const struct wsp *w)
{
	return w->cp->send_users || w->cp->nsender > 0;
}

int
wsp_send(struct wsp *w, const struct wsp_mail *in,
    void (*done)(struct wsp *, int, const char *, void *), void *arg)
{
	struct chan		*chan = proc_peer(w->p, P_SOAP);
	struct plug_mail	 m;
	struct wbuf		 b = { 0 };
	struct mail		*mail;
	char			 from[ADDR_MAX + 1];

	if (!mail_is_granted(w)) {
		errno = EPERM;
		return -1;
	}
	if (in->from == NULL || in->rcpt == NULL ||
	    addr_normalize(in->from, from, sizeof(from)) == -1) {
		errno = EINVAL;
		return -1;
	}
	if (chan == NULL || chan_is_full(chan)) {
		errno = EAGAIN;
		return -1;
	}
	if ((mail = calloc(1, sizeof(*mail))) == NULL)
		return -1;
	mail->chan = chan;
	mail->id = ++w->last_mail;
	mail->done = done;
	mail->arg = arg;
	memset(&m, 0, sizeof(m));
	m.from = from;
	m.key = (char *)(uintptr_t)in->key;
	m.subject = (char *)(uintptr_t)in->subject;
	m.body = (char *)(uintptr_t)in->body;
	m.inreplyto = (char *)(uintptr_t)in->inreplyto;
	m.flags = in->flags;
	m.rcpt = (char **)(uintptr_t)in->rcpt;
	while (in->rcpt[m.nrcpt] != NULL)
		m.nrcpt++;
	m.xml = (const uint8_t *)in->xml;
	m.xml_len = in->xml == NULL ? 0 : strlen(in->xml);
	plug_mail_put(&b, &m);
	if (chan_sendw(chan, IMSG_SOAP_PLUG_MAIL, mail->id, &b) == -1) {
		wbuf_free(&b);
		free(mail);
		return -1;
	}
	TAILQ_INSERT_TAIL(&w->mails, mail, entry);
	return 0;
}

static void
mail_end(struct wsp *w, struct mail *m, uint32_t code, const char *text)
{
	TAILQ_REMOVE(&w->mails, m, entry);
	if (code == ST_OK)
		w->nmail++;
	if (m->done != NULL)
		m->done(w, (int)code, text, m->arg);
	free(m);
	host_idle(w);
}

int
mail_result(struct wsp *w, struct chan *chan, struct imsg *imsg)
{
	struct plug_mail_result	 res;
	struct mail		*m;
	struct rbuf		 r;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (plug_mail_result_get(&r, &res) == -1)
		return -1;
	TAILQ_FOREACH(m, &w->mails, entry)
		if (m->id == imsg->hdr.id && m->chan == chan) {
			mail_end(w, m, res.code, res.text);
			break;
		}
	plug_mail_result_free(&res);
	return 0;
}

/* With a key it can be sent again without harm. */
void
mail_peer_down(struct wsp *w, struct chan *chan)
{
	struct mail	*m, *next;

	TAILQ_FOREACH_SAFE(m, &w->mails, entry, next)
		if (m->chan == chan)
			mail_end(w, m, ST_TEMPFAIL, "the process is gone");
}
