/* SPDX-License-Identifier: ISC */
/*
 * WSEmailSend by a peer's server: the receiving server's checks, each by the
 * name that the protocol's analysis gives it (wsemail(7)).  When this runs,
 * the hop's signature holds and its certificate names Delivery/From, which
 * is r->principal.  theMessage is handed on as the octets that were signed.
 */
#include "compat.h"

#include <strings.h>

#include "log.h"
#include "ondemand.h"
#include "soap.h"

#define PEER_TIMEOUT	90	/* s */
#define PEER_RESULT	"WSEmailSendResult"

struct arrival {
	struct request	*r;
	struct wsmsg	 msg;
	char		 sender[ADDR_MAX + 1];	/* normalized */
	struct wbuf	 m, sig;
	struct rcpt	*rcpt;
	uint32_t	 nrcpt;
};

static void	 arrival_free(void *);
static void	 peer_refuse(struct arrival *, uint32_t, const char *);
static int	 peer_dest(struct arrival *);
static int	 peer_read(struct arrival *);
static int	 peer_attachments(struct arrival *, xmlNodePtr);
static int	 peer_recipients(struct arrival *);
static int	 peer_recipient(struct arrival *, xmlNodePtr);
static int	 peer_domain(struct arrival *);
static char	**peer_named(const struct arrival *, size_t *);
static void	 peer_named_free(char **, size_t);
static int	 peer_named_cmp(const void *, const void *);
static int	 peer_forwarded(const struct arrival *, char **, size_t);
static int	 peer_sig(struct arrival *);
static int	 peer_sig_signer(struct arrival *, X509 *, STACK_OF(X509) *,
		    const char **);
static void	 peer_submit(struct arrival *);

static void
arrival_free(void *arg)
{
	struct arrival	*a = arg;
	uint32_t	 i;

	wsmsg_free(&a->msg);
	wbuf_free(&a->m);
	wbuf_free(&a->sig);
	for (i = 0; i < a->nrcpt; i++) {
		free(a->rcpt[i].addr);
		free(a->rcpt[i].orig);
	}
	free(a->rcpt);
	free(a);
}

static void
peer_refuse(struct arrival *a, uint32_t code, const char *text)
{
	struct log_ev	 ev = { .ev = "receive", .result = "refused" };

	ev.id = a->r->id;
	ev.msgid = a->msg.msgid;
	ev.peer = a->r->principal;
	ev.from = a->msg.sender;
	ev.reason = text;
	log_event(&ev);
	proc_struck(a->r->s->p, limit_named(text));
	request_answer_status(a->r, PEER_RESULT, code, text, NULL, NULL, 0,
	    NULL);
}

void
peer_run(struct request *r)
{
	struct arrival	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	a->r = r;
	r->state = a;
	r->state_free = arrival_free;
	if (peer_dest(a) == -1 || peer_read(a) == -1 ||
	    peer_recipients(a) == -1 || peer_domain(a) == -1 ||
	    peer_sig(a) == -1)
		return;
	peer_submit(a);
}

/*
 * Check DEST: the signed text names us as its receiver, and says what it is.
 * Kind was looked at already (auth_is_hop); without wsa:To and wsa:Action a
 * hop is not one.
 */
static int
peer_dest(struct arrival *a)
{
	struct request	*r = a->r;
	xmlNodePtr	 n;
	char		*to;
	int		 ok;

	n = xml_child(r->w.delivery, NS_WSE2, "To");
	to = n != NULL ? xml_text(n, ADDR_MAX) : NULL;
	ok = to != NULL && addr_domain_normalize(to, r->domain,
	    sizeof(r->domain)) == 0 && certs_hosted(r->s, r->domain) != NULL;
	free(to);
	if (ok)
		ok = r->w.wsa_to != NULL && strncmp(r->w.wsa_to, WSA_TO_PREFIX,
		    sizeof(WSA_TO_PREFIX) - 1) == 0 &&
		    strcasecmp(r->w.wsa_to + sizeof(WSA_TO_PREFIX) - 1,
		    r->domain) == 0;
	/* That it is the right one was checked when there was one. */
	if (ok && r->w.wsa_action != NULL)
		return 0;
	r->domain[0] = '\0';
	request_fault_wss(r, WSS_F_FAILED_AUTH, ok ? "a hop without "
	    "wsa:Action" : "a hop to another server (DEST)");
	return -1;
}

static int
peer_read(struct arrival *a)
{
	xmlNodePtr	 m, sig;
	const char	*why = NULL;
	int		 nm, nsig;

	m = xml_child_count(a->r->w.operation, NS_WSE, "theMessage", &nm);
	sig = xml_child_count(a->r->w.operation, NS_WSE, "theSig", &nsig);
	sig = xml_first(sig);
	if (nm != 1 || nsig != 1 || sig == NULL || xml_next(sig) != NULL) {
		peer_refuse(a, ST_BAD, "not one message and one signature");
		return -1;
	}
	if (wsmsg_read(&a->msg, m, &why) == -1) {
		peer_refuse(a, ST_BAD, why);
		return -1;
	}
	if (request_is_instant(a->r) &&
	    (a->msg.flags & FLAG_INSTANT) == 0) {
		peer_refuse(a, ST_BAD, "Delivery says instant, the message "
		    "does not");
		return -1;
	}
	if (a->msg.sender == NULL || addr_normalize(a->msg.sender, a->sender,
	    sizeof(a->sender)) == -1) {
		peer_refuse(a, ST_BAD, "no Sender");
		return -1;
	}
	if (a->msg.msgid == NULL || !wsmsg_msgid_ok(a->msg.msgid,
	    addr_domain(a->sender))) {
		peer_refuse(a, ST_BAD,
		    "MessageId is not one of the sender's domain");
		return -1;
	}
	if (peer_attachments(a, m) == -1)
		return -1;
	if (xml_c14n(m, &a->m) == -1 || xml_c14n(sig, &a->sig) == -1) {
		request_fault_later(a->r, "out of memory");
		return -1;
	}
	return 0;
}

/*
 * Check REFOWNER: what is said to be fetched is with the domain of the
 * sender, who signs this; else one's mail shows another's file as his own.
 */
static int
peer_attachments(struct arrival *a, xmlNodePtr m)
{
	struct ondemand	 o;
	const char	*why = NULL;
	xmlNodePtr	 n;

	n = xml_first(xml_child(m, NS_WSE, "XmlAttachments"));
	for (; n != NULL && why == NULL; n = xml_next(n)) {
		if (!xml_is(xml_first(n), NS_WSE2, "OnDemandAttachment"))
			continue;
		if (ondemand_read(&o, xml_first(n), &why) == -1)
			break;
		if (strcmp(o.location, addr_domain(a->sender)) != 0)
			why = "an OnDemandAttachment is not with the "
			    "sender's domain (REFOWNER)";
		else
			why = NULL;
		ondemand_free(&o);
	}
	if (why == NULL)
		return 0;
	peer_refuse(a, ST_BAD, why);
	return -1;
}

/* One Delivery/Recipient of ours, and for whom it stands.  -1: answered. */
static int
peer_recipient(struct arrival *a, xmlNodePtr n)
{
	char		 addr[ADDR_MAX + 1], orig[ADDR_MAX + 1] = "";
	char		*text, *attr;
	struct rcpt	*rc = &a->rcpt[a->nrcpt];
	int		 ok;

	text = xml_text(n, 2 * ADDR_MAX);
	attr = xml_attr(n, NULL, "for");
	ok = text != NULL && addr_normalize(text, addr, sizeof(addr)) == 0 &&
	    (attr == NULL || *attr == '\0' ||
	    addr_normalize(attr, orig, sizeof(orig)) == 0);
	free(text);
	free(attr);
	if (!ok || strcmp(addr_domain(addr), a->r->domain) != 0) {
		peer_refuse(a, ST_BAD,
		    "a recipient is not of the domain in To");
		return -1;
	}
	rc->addr = strdup(addr);
	rc->orig = strdup(orig);
	a->nrcpt++;
	if (rc->addr == NULL || rc->orig == NULL) {
		request_fault_later(a->r, "out of memory");
		return -1;
	}
	return 0;
}

static int
peer_recipients(struct arrival *a)
{
	xmlNodePtr	 n;
	int		 count;

	(void)xml_child_count(a->r->w.delivery, NS_WSE2, "Recipient", &count);
	if (count == 0 || count > soap_limit(a->r->s, LIM_RECIPIENTS)) {
		peer_refuse(a, ST_BAD, count == 0 ? "no recipients" :
		    "too many recipients (limit recipients)");
		return -1;
	}
	if ((a->rcpt = calloc((size_t)count, sizeof(*a->rcpt))) == NULL) {
		request_fault_later(a->r, "out of memory");
		return -1;
	}
	for (n = xml_first(a->r->w.delivery); n != NULL; n = xml_next(n))
		if (xml_is(n, NS_WSE2, "Recipient") &&
		    peer_recipient(a, n) == -1)
			return -1;
	return 0;
}

static int
peer_named_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
peer_named_free(char **named, size_t n)
{
	while (named != NULL && n > 0)
		free(named[--n]);
	free(named);
}

/* The addresses in the message's Recipients, in order.  NULL: out of memory. */
static char **
peer_named(const struct arrival *a, size_t *n)
{
	char	 addr[ADDR_MAX + 1], **named;
	size_t	 i;

	*n = 0;
	if ((named = calloc(a->msg.nrcpt + 1, sizeof(*named))) == NULL)
		return NULL;
	for (i = 0; i < a->msg.nrcpt; i++) {
		if (addr_normalize(a->msg.rcpt[i], addr, sizeof(addr)) == -1)
			continue;
		if ((named[*n] = strdup(addr)) == NULL) {
			peer_named_free(named, *n);
			return NULL;
		}
		(*n)++;
	}
	qsort(named, *n, sizeof(*named), peer_named_cmp);
	return named;
}

/* Each recipient stands for an address of the hop's that M names. */
static int
peer_forwarded(const struct arrival *a, char **named, size_t n)
{
	const char	*domain;
	uint32_t	 i;

	for (i = 0; i < a->nrcpt; i++) {
		domain = addr_domain(a->rcpt[i].orig);
		if (domain == NULL || strcmp(domain, a->r->principal) != 0 ||
		    bsearch(&a->rcpt[i].orig, named, n, sizeof(*named),
		    peer_named_cmp) == NULL)
			return 0;
	}
	return 1;
}

/*
 * Check DOMAIN: the sender is of the domain that signed the hop; or the hop
 * forwards what was addressed to it: each recipient stands for an address of
 * its own that the message names.  Both lists are as long as the peer likes.
 */
static int
peer_domain(struct arrival *a)
{
	char	**named;
	size_t	 n;
	int	 forwarded;

	if (strcmp(addr_domain(a->sender), a->r->principal) == 0)
		return 0;
	if ((named = peer_named(a, &n)) == NULL) {
		request_fault_later(a->r, "out of memory");
		return -1;
	}
	forwarded = peer_forwarded(a, named, n);
	peer_named_free(named, n);
	if (forwarded)
		return 0;
	peer_refuse(a, ST_UNAUTHENTIC,
	    "Sender is not of the domain that sends (DOMAIN)");
	return -1;
}

static int
peer_sig_signer(struct arrival *a, X509 *cert, STACK_OF(X509) *chain,
    const char **why)
{
	struct hosted	*h;

	/* A message of our own that a peer forwards back. */
	h = certs_hosted(a->r->s, addr_domain(a->sender));
	if (h != NULL && h->cert != NULL && X509_cmp(h->cert, cert) == 0)
		return 0;
	if (pki_check(a->r->s->trust, cert, chain, PKI_DOMAIN,
	    a->r->rules.now / 1000, why) != PKI_OK)
		return -1;
	if (!pki_names_domain(cert, addr_domain(a->sender))) {
		*why = "certificate does not name the sender's domain";
		return -1;
	}
	return 0;
}

/* theSig is over these octets and by the sender's domain, or 577. */
static int
peer_sig(struct arrival *a)
{
	STACK_OF(X509)	*chain;
	const char	*why;
	X509		*cert;
	int		 rv;

	rv = wss_verify_detached(a->m.data, a->m.len, a->sig.data,
	    a->sig.len, &cert, &chain, &why);
	if (rv == 0) {
		rv = peer_sig_signer(a, cert, chain, &why);
		X509_free(cert);
		sk_X509_pop_free(chain, X509_free);
	}
	if (rv == -1)
		peer_refuse(a, ST_UNAUTHENTIC, why);
	return rv;
}

static void
peer_submit(struct arrival *a)
{
	struct request	*r = a->r;
	struct submit	 q = { .origin = SUBMIT_PEER };
	struct wbuf	 w = { 0 };
	char		 subject[1024];

	subject_cut(subject, sizeof(subject), a->msg.subject);
	q.principal = r->principal;
	q.peer = r->http.peer;
	q.replay = r->replay;
	q.facts.msgid = a->msg.msgid;
	q.facts.sender = a->sender;
	q.facts.subject = subject;
	q.facts.timestamp = a->msg.timestamp;
	q.facts.flags = a->msg.flags;
	wsmsg_intent(&a->msg, q.facts.intent);
	q.nrcpt = a->nrcpt;
	q.rcpt = a->rcpt;
	q.body = a->m.data;
	q.body_len = a->m.len;
	q.sig = a->sig.data;
	q.sig_len = a->sig.len;
	submit_put(&w, &q);
	if (soap_ask(r->s, P_QUEUE, IMSG_QUEUE_SUBMIT, &w,
	    IMSG_SOAP_SUBMIT_RESULT, PEER_TIMEOUT, send_submitted, r) == -1)
		request_fault_later(r, "the queue is not there or full");
}
