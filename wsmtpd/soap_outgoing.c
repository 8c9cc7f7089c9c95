/* SPDX-License-Identifier: ISC */
/*
 * A message of ours on its way out, whoever wrote it: composed, signed by its
 * domain, and verified as its receiver will.
 */
#include "compat.h"

#include "log.h"
#include "soap.h"

static int	 outgoing_signed(void *, struct imsg *, const char *);
static int	 outgoing_finish(struct outgoing *, const uint8_t *, size_t,
		    const char **);
static int	 outgoing_verify(struct outgoing *, X509 *, const char **);

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
	struct wss_ref	 ref = { .id = NULL };
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
