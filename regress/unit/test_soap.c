/* SPDX-License-Identifier: ISC */
/*
 * The real wsmtpd-soap, with all its neighbours played here: frontend, keys
 * (with real keys), wsqueue, wslocal, relay.  It hosts capricorn.test and
 * scorpio.test, so what it sends as a hop is handed to it as a request.
 */
#include "compat.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <poll.h>
#include <stdio.h>

#include "kid.h"
#include "msg_http.h"
#include "msg_keys.h"
#include "msg_local.h"
#include "soapenv.h"
#include "tap.h"
#include "testcert.h"
#include "testdir.h"
#include "users.h"
#include "wsemail.h"
#include "wsmsg.h"
#include "wstime.h"

#define MS		20000
#define A		"capricorn.test"
#define B		"scorpio.test"
#define ALICE		"alice@" A
#define MSGID		"0123456789abcdef@" A
#define MESSAGE		"<theMessage xmlns=\"" NS_WSE "\"><Body>hi &lt;you&gt;" \
			"</Body><Subject>one</Subject><Recipients><string>" \
			"bob@" B "</string></Recipients>%s</theMessage>"

enum peer { FE, KEYS, QUEUE, LOCAL, RELAY, NPEERS };
enum login { NOBODY, PASSWORD, WRONG, MAC, CERT, THUMB };

static struct kid	 kid;
static struct imsgbuf	 ch[NPEERS];
static struct conf	*conf;
static struct testcert	 ca, user_ca, other_ca, cert_a, cert_b, tls_cert, alice,
			 mallory, evil, stranger;
static uint8_t		 mackey[32];
static const uint8_t	 salt[16] = "sixteen octets!";

/* How the neighbours behave, and what they were told last. */
static uint32_t		 queue_code = ST_OK, queue_replayed, local_code;
static int		 keys_silent;
static struct imsg	 last_submit, last_post, last_done, last_local;
static uint64_t		 reqid = 1000;

/* The request that is composed next. */
static struct {
	int		 soap12;
	enum login	 login;
	const struct testcert *cert;
	const char	*user, *type, *action, *to, *wsa_action, *messageid;
	const char	*host, *authority;
	const char	*kind, *from, *dto, *header;
	struct rcpt	 rcpt[4];
	size_t		 nrcpt;
	int		 instant;
	int64_t		 now;
} q;

/* The answer. */
static struct http_resp	 resp;
static struct imsg	 resp_msg;
static char		*body;

static void	 set_blob(struct conf_blob *, const char *);
static void	 add_domain(const char *, const struct testcert *);
static void	 add_user(const char *, int);
static void	 start(void);
static void	 raw_sign(EVP_PKEY *, const void *, size_t, uint8_t[64]);
static void	 hold(struct imsg *, struct imsg *);
static void	 play_keys(struct imsg *);
static void	 play_sign(struct imsg *);
static void	 play_queue(struct imsg *);
static void	 play_local(struct imsg *);
static int	 play(int);
static void	 request(void);
static void	 compose(const char *, const char *, const char *, struct wbuf *);
static void	 post(const void *, size_t);
static void	 call(const char *, const char *, const char *);
static void	 says(const char *, int, const char *);
static int	 answer_signed(void);
static void	 test_envelope(void);
static void	 test_send(void);
static void	 test_mailbox(void);
static void	 test_logins(void);
static void	 test_refusals(void);
static void	 test_mtom(void);
static void	 hop_job(const char *, const char *);
static void	 hop_answer(uint32_t, uint32_t, const char *);
static void	 test_hop(void);
static void	 test_hop_answers(void);
static void	 hop_in(const char *, size_t, const char *);
static void	 test_peer(void);
static void	 test_bounce(void);
static void	 test_down(void);

static void
set_blob(struct conf_blob *b, const char *text)
{
	free(b->data);
	b->data = (uint8_t *)strdup(text);
	b->len = strlen(text);
}

static void
add_domain(const char *name, const struct testcert *c)
{
	struct conf_domain	*d = calloc(1, sizeof(*d));

	d->name = strdup(name);
	d->quota = -1;
	set_blob(&d->cert, c->cert_pem);
	set_blob(&d->tls_cert, tls_cert.cert_pem);
	set_blob(&d->client_ca, user_ca.cert_pem);
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
}

static void
add_user(const char *name, int disabled)
{
	struct conf_user	*u = calloc(1, sizeof(*u));

	u->name = strdup(name);
	u->quota = -1;
	u->disabled = disabled;
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
}

static void
start(void)
{
	static const enum proc_id	 who[NPEERS] = { P_FRONTEND, P_KEYS,
					    P_QUEUE, P_LOCAL, P_RELAY };
	struct conf_trust		*t = calloc(1, sizeof(*t));
	int				 i;

	testcert_ca(&ca, "test CA");
	testcert_ca(&user_ca, "users' CA");
	testcert_ca(&other_ca, "another CA");
	testcert_issue(&cert_a, &ca, A);
	testcert_issue(&tls_cert, &ca, A ",DNS:ws." A ",IP:::1");
	testcert_issue(&cert_b, &ca, B);
	testcert_issue(&evil, &ca, "evil.test");
	testcert_issue(&stranger, &other_ca, A);
	testcert_issue(&alice, &user_ca, "x,email:" ALICE);
	testcert_issue(&mallory, &other_ca, "x,email:" ALICE);
	conf = conf_new();
	add_domain(A, &cert_a);
	add_domain(B, &cert_b);
	add_user(ALICE, 0);
	set_blob(&t->ca, ca.cert_pem);
	TAILQ_INSERT_TAIL(&conf->trusts, t, entry);
	users_derive("secret", salt, sizeof(salt), 1000, mackey);
	if (kid_start(&kid, kid_path("wsmtpd/wsmtpd-soap"), P_SOAP, NULL,
	    conf) == -1) {
		printf("Bail out! wsmtpd-soap does not start\n");
		exit(1);
	}
	for (i = 0; i < NPEERS; i++)
		kid_connect(&kid, &ch[i], who[i], 0);
	kid_go(&kid);
}

/*
 * --- the neighbours ---
 */

/* r|s of 32 octets each (XMLDSIG 1.1 section 6.4.3). */
static void
raw_sign(EVP_PKEY *key, const void *p, size_t len, uint8_t out[64])
{
	EVP_MD_CTX	*md = EVP_MD_CTX_new();
	ECDSA_SIG	*sig;
	uint8_t		 der[128];
	const uint8_t	*d = der;
	size_t		 n = sizeof(der);

	EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key);
	EVP_DigestSign(md, der, &n, p, len);
	EVP_MD_CTX_free(md);
	sig = d2i_ECDSA_SIG(NULL, &d, (long)n);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32);
	ECDSA_SIG_free(sig);
}

static void
hold(struct imsg *keep, struct imsg *m)
{
	imsg_free(keep);
	*keep = *m;
	m->data = NULL;
	m->fd = -1;
}

static void
play_sign(struct imsg *m)
{
	struct keys_sign	 k;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	uint8_t			 sig[64];

	rbuf_init(&r, m->data, m->hdr.len);
	keys_sign_get(&r, &k);
	raw_sign(strcmp(k.domain, A) == 0 ? cert_a.key : cert_b.key, k.text,
	    k.text_len, sig);
	keys_sign_free(&k);
	sign_result_put(&w, sig, sizeof(sig));
	kid_send(&ch[KEYS], IMSG_SOAP_SIGN_RESULT, m->hdr.id, &w);
}

static void
play_keys(struct imsg *m)
{
	struct keys_password	 p;
	struct keys_params	 kp;
	struct keys_mac		 k;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	uint8_t			 mac[32];
	uint32_t		 code = AUTH_FAILED;

	rbuf_init(&r, m->data, m->hdr.len);
	if (keys_silent)
		return;
	if (m->hdr.type == IMSG_KEYS_SIGN) {
		play_sign(m);
	} else if (m->hdr.type == IMSG_KEYS_PARAMS_GET) {
		kp.iterations = 1000;
		memcpy(kp.salt, salt, sizeof(kp.salt));
		keys_params_put(&w, &kp);
		kid_send(&ch[KEYS], IMSG_SOAP_PARAMS_RESULT, m->hdr.id, &w);
	} else if (m->hdr.type == IMSG_KEYS_PASSWORD_CHECK) {
		keys_password_get(&r, &p);
		if (strcmp(p.user, ALICE) == 0 &&
		    strcmp(p.password, "secret") == 0)
			code = AUTH_OK;
		keys_password_free(&p);
		auth_result_put(&w, code);
		kid_send(&ch[KEYS], IMSG_SOAP_AUTH_RESULT, m->hdr.id, &w);
	} else {
		keys_mac_get(&r, &k);
		HMAC(EVP_sha256(), mackey, 32, k.text, k.text_len, mac, NULL);
		if (k.mac_len == 32 && memcmp(mac, k.mac, 32) == 0 &&
		    strcmp(k.user, ALICE) == 0)
			code = AUTH_OK;
		keys_mac_free(&k);
		auth_result_put(&w, code);
		kid_send(&ch[KEYS], IMSG_SOAP_AUTH_RESULT, m->hdr.id, &w);
	}
}

static void
play_queue(struct imsg *m)
{
	struct submit_result	 res = { 0 };
	struct wbuf		 w = { 0 };

	if (m->hdr.type == IMSG_QUEUE_RELAY_RESULT) {
		hold(&last_done, m);
		return;
	}
	if (m->hdr.type == IMSG_QUEUE_NONCE_CHECK) {
		wbuf_u32(&w, queue_replayed);
		kid_send(&ch[QUEUE], IMSG_SOAP_NONCE_RESULT, m->hdr.id, &w);
		return;
	}
	res.code = queue_code;
	res.replayed = queue_replayed;
	res.text = (char *)(uintptr_t)"queue text";
	submit_result_put(&w, &res);
	kid_send(&ch[QUEUE], IMSG_SOAP_SUBMIT_RESULT, m->hdr.id, &w);
	hold(&last_submit, m);
}

static void
play_local(struct imsg *m)
{
	struct mail_header	 h = { .id = 7, .size = 9 };
	struct list_result	 l = { .change = 5, .nhdr = 1, .hdr = &h };
	struct retrieve_result	 t = { .id = 7 };
	struct delete_result	 d = { .change = 6, .ndeleted = 1 };
	struct wbuf		 w = { 0 };
	char			 m0[] = "<theMessage xmlns=\"" NS_WSE
				    "\" Id=\"m-x\"></theMessage>";
	uint32_t		 type, missing = 9;

	h.sender = h.subject = h.msgid = (char *)(uintptr_t)"a<b";
	t.body = (uint8_t *)m0;
	t.body_len = strlen(m0);
	t.sig = (const uint8_t *)"<ds:Signature xmlns:ds=\"" NS_DS "\"/>";
	t.sig_len = strlen((const char *)t.sig);
	d.nmissing = 1;
	d.missing = &missing;
	l.code = t.code = d.code = local_code;
	switch (m->hdr.type) {
	case IMSG_LOCAL_LIST:
		list_result_put(&w, &l);
		type = IMSG_SOAP_LIST_RESULT;
		break;
	case IMSG_LOCAL_RETRIEVE:
		retrieve_result_put(&w, &t);
		type = IMSG_SOAP_RETRIEVE_RESULT;
		break;
	case IMSG_LOCAL_DELETE:
		delete_result_put(&w, &d);
		type = IMSG_SOAP_DELETE_RESULT;
		break;
	default:
		wait_result_put(&w, local_code, 8);
		type = IMSG_SOAP_WAIT_RESULT;
		break;
	}
	kid_send(&ch[LOCAL], type, m->hdr.id, &w);
	hold(&last_local, m);
}

/*
 * Serves all until something comes on the channel `until` (QUEUE: a result of
 * a hop or a submission, RELAY: a post, FE: an answer).  0, or -1: nothing.
 */
static int
play(int until)
{
	struct pollfd	 pfd[NPEERS];
	struct imsg	 m;
	int		 i, n;

	for (;;) {
		for (i = 0; i < NPEERS; i++) {
			pfd[i].fd = ch[i].fd;
			pfd[i].events = POLLIN;
		}
		if (poll(pfd, NPEERS, MS) <= 0)
			return -1;
		for (i = 0; i < NPEERS; i++) {
			if (pfd[i].revents == 0)
				continue;
			if ((n = kid_recv(&ch[i], &m, 0)) == -1)
				return -1;
			if (n == 0)
				continue;
			if (i == KEYS)
				play_keys(&m);
			else if (i == QUEUE)
				play_queue(&m);
			else if (i == LOCAL)
				play_local(&m);
			else if (i == RELAY)
				hold(&last_post, &m);
			else
				hold(&resp_msg, &m);
			imsg_free(&m);
			if (i == until)
				return 0;
		}
	}
}

/*
 * --- requests ---
 */

static void
request(void)
{
	memset(&q, 0, sizeof(q));
	q.login = PASSWORD;
	q.user = ALICE;
	q.now = wstime_now();
}

static void
compose(const char *ns, const char *op, const char *content, struct wbuf *out)
{
	struct soapenv		 e;
	struct wbuf		 w = { 0 };
	const struct wbuf	*text = NULL;
	const struct testcert	*c = q.cert != NULL ? q.cert : &alice;
	uint8_t			 sig[64];
	size_t			 len = 64;

	soapenv_init(&e, q.soap12);
	if (q.to != NULL)
		soapenv_wsa(&e, "To", q.to);
	if (q.wsa_action != NULL)
		soapenv_wsa(&e, "Action", q.wsa_action);
	if (q.messageid != NULL)
		soapenv_wsa(&e, "MessageID", q.messageid);
	if (q.nrcpt > 0)
		soapenv_delivery(&e, q.kind, q.from, q.dto, q.rcpt, q.nrcpt,
		    q.instant);
	if (q.header != NULL)
		wbuf_puts(&e.header, q.header);
	if (q.login != NOBODY)
		soapenv_timestamp(&e, q.now, 300);
	if (q.login == PASSWORD || q.login == WRONG)
		soapenv_token_password(&e, q.user,
		    q.login == WRONG ? "no" : "secret");
	if (q.login == MAC)
		soapenv_token_mac(&e, q.user, salt, sizeof(salt), 1000);
	if (q.login == CERT)
		soapenv_token_cert(&e, c->x, NULL);
	if (q.login == THUMB)
		soapenv_token_thumbprint(&e, c->x);
	wbuf_puts(&w, content);
	soapenv_body(&e, ns, op, &w);
	if (q.login >= MAC)
		text = soapenv_signedinfo(&e, q.login == MAC ?
		    URI_HMAC_SHA256 : URI_ECDSA_SHA256);
	if (text != NULL && q.login == MAC) {
		HMAC(EVP_sha256(), mackey, 32, text->data, text->len, sig,
		    NULL);
		len = 32;
	} else if (text != NULL)
		raw_sign(c->key, text->data, text->len, sig);
	if (soapenv_finish(&e, text != NULL ? sig : NULL, len, out) == -1)
		printf("# soapenv_finish failed\n");
	wbuf_u8(out, 0);
	out->len--;
	soapenv_free(&e);
	wbuf_free(&w);
}

static void
post(const void *envelope, size_t len)
{
	struct http_req	 r = { 0 };
	struct wbuf	 w = { 0 };
	struct rbuf	 rb;

	r.peer = (char *)(uintptr_t)"192.0.2.1";
	r.host = (char *)(uintptr_t)(q.host != NULL ? q.host : A);
	r.authority = (char *)(uintptr_t)(q.authority != NULL ? q.authority :
	    "ws." A ":8443");
	r.content_type = (char *)(uintptr_t)(q.type != NULL ? q.type :
	    q.soap12 ? "application/soap+xml; charset=utf-8" :
	    "text/xml; charset=utf-8");
	r.soapaction = (char *)(uintptr_t)(q.action != NULL ? q.action : "");
	r.body = envelope;
	r.body_len = len;
	http_req_put(&w, &r);
	http_resp_free(&resp);
	free(body);
	body = NULL;
	memset(&resp, 0, sizeof(resp));
	kid_send(&ch[FE], IMSG_SOAP_HTTP_REQUEST, ++reqid, &w);
	if (play(FE) == -1 || resp_msg.hdr.id != reqid) {
		printf("# no answer\n");
		body = strdup("");
		return;
	}
	rbuf_init(&rb, resp_msg.data, resp_msg.hdr.len);
	http_resp_get(&rb, &resp);
	body = strndup((const char *)resp.body, resp.body_len);
}

static void
call(const char *ns, const char *op, const char *content)
{
	struct wbuf	 w = { 0 };

	compose(ns, op, content, &w);
	post(w.data, w.len);
	wbuf_free(&w);
}

static void
says(const char *name, int status, const char *what)
{
	if (!ok((int)resp.status == status && strstr(body, what) != NULL,
	    name))
		printf("# want %d %s\n# got %u %s\n", status, what,
		    resp.status, body);
}

/* Is the answer signed by capricorn.test, over what it says? */
static int
answer_signed(void)
{
	const struct xml_limits	 lim = { 1 << 20, 50, 5000, 50, 500, 100 };
	struct wss_rules	 rules = { wstime_now(), 60, 600, 20, 0, NULL };
	struct wss		 w;
	xmlDocPtr		 doc;
	const char		*why;
	int			 good;

	if ((doc = xml_parse(body, strlen(body), &lim, &why)) == NULL) {
		printf("# %s\n", why);
		return 0;
	}
	good = wss_examine(&w, doc, &rules) == 0 && w.token == WSS_X509 &&
	    wss_verify_cert(&w) == 0 && X509_cmp(w.cert, cert_a.x) == 0;
	if (!good)
		printf("# %s\n", w.why != NULL ? w.why : "not signed");
	wss_free(&w);
	xmlFreeDoc(doc);
	return good;
}

/*
 * --- tests ---
 */

/* Composed pieces are their own canonical form. */
static void
test_envelope(void)
{
	struct soapenv	 e;
	struct rcpt	 rc = { (char *)(uintptr_t)"b@x", (char *)(uintptr_t)"l&@y" };
	uint8_t		 digest[32];

	soapenv_init(&e, 0);
	soapenv_wsa(&e, "To", "a<&>\"'\r\n");
	ok(wss_digest(e.header.data, e.header.len, digest) == 0 &&
	    memcmp(digest, e.ref[0].digest, 32) == 0, "wsa is canonical");
	wbuf_free(&e.header);
	soapenv_delivery(&e, KIND_RELAY, A, B, &rc, 1, 0);
	ok(wss_digest(e.header.data, e.header.len, digest) == 0 &&
	    memcmp(digest, e.ref[1].digest, 32) == 0, "Delivery is canonical");
	soapenv_timestamp(&e, wstime_now(), 300);
	ok(wss_digest(e.security.data, e.security.len, digest) == 0 &&
	    memcmp(digest, e.ref[2].digest, 32) == 0,
	    "Timestamp is canonical");
	wbuf_free(&e.security);
	soapenv_token_mac(&e, "a&b", salt, sizeof(salt), 10);
	ok(wss_digest(e.security.data, e.security.len, digest) == 0,
	    "UsernameToken is canonical");
	wbuf_free(&e.security);
	soapenv_token_cert(&e, cert_a.x, NULL);
	ok(wss_digest(e.security.data, e.security.len, digest) == 0,
	    "BinarySecurityToken is canonical");
	soapenv_free(&e);
}

static void
test_send(void)
{
	static const char *const name[] = { "", "password", "", "MAC", "X.509" };
	STACK_OF(X509)	*chain;
	X509		*x;
	struct submit	 s;
	struct rbuf	 r;
	const char	*why;
	char		 text[1024], m[1024];
	int		 v, l;

	snprintf(m, sizeof(m), MESSAGE, "");
	for (v = 0; v < 2; v++)
		for (l = PASSWORD; l <= CERT; l++) {
			if (l == WRONG)
				continue;
			request();
			q.soap12 = v;
			q.login = (enum login)l;
			q.messageid = "urn:uuid:1";
			call(NS_WSE, "WSEmailSend", m);
			snprintf(text, sizeof(text), "send, SOAP 1.%d, %s",
			    v + 1, name[l]);
			says(text, 200, "<w:ResponseCode>200</w:ResponseCode>");
			ok(strstr(body, ">urn:uuid:1</wsa:RelatesTo>") !=
			    NULL, "relates to the request");
			ok(l == PASSWORD ? strstr(body, "ds:Signature") ==
			    NULL : answer_signed(),
			    "answer signed when the request was");
		}
	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	ok(submit_get(&r, &s) == 0 && s.origin == SUBMIT_USER &&
	    strcmp(s.facts.sender, ALICE) == 0 && s.nrcpt == 1 &&
	    strcmp(s.principal, ALICE) == 0 && s.replay.until > 0,
	    "what the queue is told");
	ok(wss_verify_detached(s.body, s.body_len, s.sig, s.sig_len, &x,
	    &chain, &why) == 0 && X509_cmp(x, cert_a.x) == 0,
	    "the message is signed by the domain");
	X509_free(x);
	sk_X509_pop_free(chain, X509_free);
	submit_free(&s);

	request();
	snprintf(m, sizeof(m), MESSAGE, "<MessageId>" MSGID "</MessageId>");
	call(NS_WSE, "WSEmailSend", m);
	says("the client's MessageId", 200, "<w:MessageId>" MSGID "<");
	snprintf(m, sizeof(m), MESSAGE, "<MessageId>x@" A "</MessageId>");
	call(NS_WSE, "WSEmailSend", m);
	says("a malformed MessageId", 200, ">500<");
	snprintf(m, sizeof(m), MESSAGE,
	    "<MessageId>0123456789abcdef@" B "</MessageId>");
	call(NS_WSE, "WSEmailSend", m);
	says("a MessageId of another domain", 200, ">500<");
	snprintf(m, sizeof(m), MESSAGE, "<Sender>eve@" A "</Sender>");
	call(NS_WSE, "WSEmailSend", m);
	says("RETADDR: another Sender", 200, ">553<");
	snprintf(m, sizeof(m), MESSAGE, "<Sender>Alice@Capricorn.test</Sender>");
	call(NS_WSE, "WSEmailSend", m);
	says("the own Sender in other letters", 200, ">200<");
	call(NS_WSE, "WSEmailSend", "");
	says("no message", 200, ">500<");
	call(NS_WSE, "WSEmailSend",
	    "<theMessage xmlns=\"" NS_WSE "\"></theMessage>");
	says("no recipients", 200, ">500<");
	snprintf(m, sizeof(m), MESSAGE, "<Bogus/>");
	call(NS_WSE, "WSEmailSend", m);
	says("an unknown element", 200, ">500<");

	snprintf(m, sizeof(m), MESSAGE, "");
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" B;
	q.rcpt[1].addr = (char *)(uintptr_t)"carol@" B;
	q.rcpt[0].orig = q.rcpt[1].orig = (char *)(uintptr_t)"";
	q.nrcpt = 2;
	call(NS_WSE, "WSEmailSend", m);
	says("Bcc by Delivery", 200, ">200<");
	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	submit_get(&r, &s);
	ok(s.nrcpt == 2 && memmem(s.body, s.body_len, "carol", 5) == NULL,
	    "the blind recipient is not in the message");
	submit_free(&s);
	q.rcpt[0] = q.rcpt[1];
	q.nrcpt = 1;
	call(NS_WSE, "WSEmailSend", m);
	says("Delivery without a recipient of the message", 200, ">500<");
	q.kind = KIND_RELAY;
	call(NS_WSE, "WSEmailSend", m);
	says("a user's Delivery as a hop", 500, "another kind");
	q.kind = NULL;
	q.nrcpt = 1;
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" A;
	q.instant = 1;
	call(NS_WSE, "WSEmailSend", "<theMessage xmlns=\"" NS_WSE "\">"
	    "<Recipients><string>bob@" A "</string></Recipients>"
	    "</theMessage>");
	says("Instant in Delivery", 200, ">200<");
	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	submit_get(&r, &s);
	ok(s.facts.flags == FLAG_INSTANT && memmem(s.body, s.body_len,
	    "<MessageFlags>1<", 16) != NULL, "is the flag of the message");
	submit_free(&s);

	request();
	queue_code = ST_NOUSER;
	call(NS_WSE, "WSEmailSend", m);
	says("refused by the queue", 200, ">550<");
	queue_code = ST_TEMPFAIL;
	call(NS_WSE, "WSEmailSend", m);
	says("the queue is full", 503, ">451<");
	ok(resp.retry_after > 0, "Retry-After");
	queue_code = ST_OK;
	queue_replayed = 1;
	q.login = CERT;
	call(NS_WSE, "WSEmailSend", m);
	says("replayed", 500, "message seen before");
	queue_replayed = 0;
}

static void
test_mailbox(void)
{
	struct list_req	 l;
	struct rbuf	 r;

	request();
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("FetchHeaders", 200, "<w:MessageID>7</w:MessageID>");
	ok(strstr(body, "<w:Sender>a&lt;b</w:Sender>") != NULL, "escaped");
	rbuf_init(&r, last_local.data, last_local.hdr.len);
	list_req_get(&r, &l);
	ok(strcmp(l.user, ALICE) == 0 && l.since_change == -1 &&
	    l.limit == 100 && l.since == 0, "defaults");
	list_req_free(&l);
	call(NS_WSE, "WSEmailFetchHeaders", "<w:messagesSince>"
	    "2026-01-01T00:00:00Z</w:messagesSince><w:sinceChange>4"
	    "</w:sinceChange><w:before>9</w:before><w:limit>3</w:limit>");
	rbuf_init(&r, last_local.data, last_local.hdr.len);
	list_req_get(&r, &l);
	ok(l.since_change == 4 && l.before == 9 && l.limit == 3 &&
	    l.since > 0, "arguments");
	list_req_free(&l);
	call(NS_WSE, "WSEmailFetchHeaders", "<w:limit>x</w:limit>");
	says("a malformed argument", 500, "s:Client");
	call(NS_WSE, "WSEmailRetrieve", "<w:messageToGet>7</w:messageToGet>");
	says("Retrieve", 200, "<theMessage xmlns=\"" NS_WSE
	    "\" Id=\"m-x\"></theMessage><w:sig><ds:Signature");
	q.login = CERT;
	call(NS_WSE, "WSEmailRetrieve", "<w:messageToGet>7</w:messageToGet>");
	ok(answer_signed(), "Retrieve, signed");
	call(NS_WSE, "WSEmailDelete", "<w:messagesToDelete><w:int>7</w:int>"
	    "<w:int>9</w:int></w:messagesToDelete>");
	says("Delete", 200, "<w:Missing><w:int>9</w:int></w:Missing>");
	call(NS_WSE2, "WaitForChange", "<w:sinceChange>5</w:sinceChange>");
	says("WaitForChange", 200, "<w:Change>8</w:Change>");
	local_code = LOCAL_NOENT;
	call(NS_WSE, "WSEmailRetrieve", "<w:messageToGet>8</w:messageToGet>");
	says("no such message", 500, "<x:ResponseCode>550</x:ResponseCode>");
	q.soap12 = 1;
	call(NS_WSE, "WSEmailRetrieve", "<w:messageToGet>8</w:messageToGet>");
	says("no such message, SOAP 1.2", 400, "<s:Value>s:Sender</s:Value>");
	q.soap12 = 0;
	local_code = LOCAL_REPLAY;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("replayed", 500, "wsse:InvalidSecurity");
	local_code = LOCAL_RESYNC;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("resync", 500, ">556<");
	local_code = LOCAL_ERROR;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("trouble", 503, ">451<");
	local_code = LOCAL_OK;
	call(NS_WSE, "ExecuteExtensionHandler", "<w:ext>urn:x</w:ext>");
	says("no extension", 500, "no plug-in");
	ok(answer_signed(), "a fault that is not about security is signed");
	request();
	q.login = NOBODY;
	call(NS_WSE2, "GetAuthParameters", "<w:user>alice</w:user>");
	says("GetAuthParameters", 200, "<w:Iterations>1000</w:Iterations>");
}

static void
test_logins(void)
{
	request();
	q.login = NOBODY;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("no login", 500, "wsse:InvalidSecurity");
	q.login = WRONG;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wrong password", 500, "wsse:FailedAuthentication");
	q.login = PASSWORD;
	q.user = "alice";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("a name without domain", 200, "FetchHeadersResponse");
	q.user = "alice@elsewhere.test";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("a user of another domain", 500, "wsse:FailedAuthentication");
	request();
	q.login = MAC;
	q.user = "bob@" A;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("another user's MAC", 500, "wsse:FailedAuthentication");
	request();
	q.login = THUMB;
	q.cert = &mallory;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("unknown thumbprint", 500, "wsse:SecurityTokenUnavailable");
	q.cert = &alice;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("known thumbprint", 200, "FetchHeadersResponse");
	q.login = CERT;
	q.cert = &mallory;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("certificate of an unknown CA", 500, "wsse:FailedAuthentication");
	q.cert = &cert_a;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("a domain's certificate as a user's", 500,
	    "wsse:FailedAuthentication");
	q.cert = &alice;
	q.now = wstime_now() - 3600 * 1000;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("expired", 500, "wsse:MessageExpired");
	q.now = wstime_now();
	q.to = "https://ws." A ":8443/wsemail";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wsa:To is us", 200, "FetchHeadersResponse");
	q.to = URI_WSA_ANONYMOUS;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wsa:To is anonymous", 200, "FetchHeadersResponse");
	q.to = "https://[::1]:8443/wsemail";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wsa:To is an address in the TLS certificate", 200,
	    "FetchHeadersResponse");
	q.to = "https://evil.test/wsemail";
	q.host = q.authority = "evil.test";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("DEST: wsa:To, Host and SNI are another", 500,
	    "wsse:FailedAuthentication");
	q.host = q.authority = NULL;
	q.to = "https://evil.test/" A;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("DEST: wsa:To is another", 500, "wsse:FailedAuthentication");
	q.to = "https://" A "@evil.test/";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("DEST: user part in wsa:To", 500, "wsse:FailedAuthentication");
	ok(kid_logged("result=refused"), "refusals are in the log");
	q.to = NULL;
	TAILQ_FIRST(&conf->users)->disabled = 1;
	kid_reload(&kid, conf);
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("certificate of a disabled user, after a reload", 500,
	    "wsse:FailedAuthentication");
	TAILQ_FIRST(&conf->users)->disabled = 0;
	kid_reload(&kid, conf);
	q.now = wstime_now();
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("and enabled again", 200, "FetchHeadersResponse");
}

static void
test_refusals(void)
{
	struct wbuf	 w = { 0 };
	char		*p;

	request();
	q.header = "<h:x xmlns:h=\"urn:h\" s:mustUnderstand=\"1\"/>";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("mustUnderstand", 500, "s:MustUnderstand");
	q.soap12 = 1;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("mustUnderstand, SOAP 1.2", 500, "NotUnderstood");
	q.header = "<h:x xmlns:h=\"urn:h\" s:mustUnderstand=\"0\"/>";
	q.soap12 = 0;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("an unknown header that need not be understood", 200, "Response");
	request();
	call(NS_WSE, "WSEmailBogus", "");
	says("unknown operation", 500, "s:Client");
	call(NS_WSE2, "WSEmailFetchHeaders", "");
	says("operation of another namespace", 500, "s:Client");
	q.action = "\"" NS_WSE "/WSEmailDelete\"";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wrong SOAPAction", 500, "s:Client");
	q.action = "\"" NS_WSE "/WSEmailFetchHeaders\"";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("right SOAPAction", 200, "Response");
	q.action = NULL;
	q.wsa_action = NS_WSE "/WSEmailDelete";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wrong wsa:Action", 500, "s:Client");
	request();
	q.soap12 = 1;
	q.type = "application/soap+xml; charset=utf-8; action=\"" NS_WSE
	    "/WSEmailDelete\"";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wrong action parameter", 400, "s:Sender");
	q.type = "text/xml";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("SOAP 1.2 as text/xml", 500, "VersionMismatch");
	request();
	q.type = "text/xml; charset=iso-8859-1";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("another charset", 500, "s:Client");
	q.type = "text/html";
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("another media type", 500, "s:Client");
	request();
	post("<Envelope xmlns=\"urn:x\"/>", 25);
	says("another envelope", 500, "s:VersionMismatch");
	post("<a", 2);
	says("not XML", 500, "s:Client");
	post("", 0);
	says("nothing", 500, "s:Client");
	p = strdup("<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>");
	post(p, strlen(p));
	says("DOCTYPE", 500, "s:Client");
	free(p);
	q.login = CERT;
	compose(NS_WSE, "WSEmailRetrieve",
	    "<w:messageToGet>7</w:messageToGet>", &w);
	p = memmem(w.data, w.len, "Get>7<", 6);
	p[4] = '8';
	post(w.data, w.len);
	says("changed after signing", 500, "wsse:FailedCheck");
	wbuf_free(&w);
}

static void
test_mtom(void)
{
	static const char	 type[] = "multipart/related; boundary=\"b\"; "
				    "type=\"application/xop+xml\"; "
				    "start=\"<r@x>\"; start-info=\"text/xml\"";
	struct wbuf	 e = { 0 }, w = { 0 };
	char		*p, *end;
	int		 again;

	request();
	compose(NS_WSE, "WSEmailFetchHeaders", "", &e);
	wbuf_puts(&w, "--b\r\nContent-Type: application/xop+xml;\r\n"
	    " charset=UTF-8; type=\"text/xml\"\r\nContent-Transfer-Encoding: "
	    "binary\r\nContent-ID: <r@x>\r\n\r\n");
	wbuf_raw(&w, e.data, e.len);
	wbuf_puts(&w, "\r\n--b--\r\n");
	q.type = type;
	post(w.data, w.len);
	says("MTOM without parts", 200, "Response");
	post(w.data, w.len - 9);
	says("MTOM cut short", 500, "s:Client");
	wbuf_free(&w);
	wbuf_free(&e);

	/* The certificate as an attachment, as some toolkits do it. */
	request();
	q.login = CERT;
	compose(NS_WSE, "WSEmailFetchHeaders", "", &e);
	p = strstr(strstr((char *)e.data, "BinarySecurityToken"), "\">") + 2;
	end = strstr(p, "</wsse:Bin");
	for (again = 0; again < 2; again++) {
		uint8_t	*der;
		char	*text = strndup(p, (size_t)(end - p));
		size_t	 len;

		der = xml_base64(text, &len);
		wbuf_puts(&w, "--b\r\nContent-Type: application/xop+xml; "
		    "type=\"text/xml\"\r\nContent-ID: <r@x>\r\n\r\n");
		wbuf_raw(&w, e.data, (size_t)(p - (char *)e.data));
		wbuf_puts(&w, "<xop:Include xmlns:xop=\"http://www.w3.org/"
		    "2004/08/xop/include\" href=\"cid:c%40x\"/>");
		wbuf_raw(&w, end, e.len - (size_t)(end - (char *)e.data));
		wbuf_printf(&w, "\r\n--b\r\nContent-Type: application/"
		    "octet-stream\r\nContent-ID: <%s>\r\n\r\n",
		    again ? "d@x" : "c@x");
		wbuf_raw(&w, der, len);
		wbuf_puts(&w, "\r\n--b--\r\n");
		free(der);
		free(text);
		q.type = type;
		post(w.data, w.len);
		if (again)
			says("xop:Include of nothing", 500, "s:Client");
		else
			says("xop:Include where the certificate was", 200,
			    "Response");
		wbuf_free(&w);
	}
	wbuf_free(&e);
}

/* Has soap compose a hop for the message submitted last. */
static void
hop_job(const char *rcpt, const char *orig)
{
	struct relay_job	 j = { 0 };
	struct submit		 s;
	struct rcpt		 rc = { (char *)(uintptr_t)rcpt,
				    (char *)(uintptr_t)orig };
	struct rbuf		 r;
	struct wbuf		 w = { 0 };

	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	submit_get(&r, &s);
	j.from_domain = (char *)(uintptr_t)A;
	j.domain = (char *)(uintptr_t)B;
	j.msgid = s.facts.msgid;
	j.nrcpt = 1;
	j.rcpt = &rc;
	j.body = s.body;
	j.body_len = s.body_len;
	j.sig = s.sig;
	j.sig_len = s.sig_len;
	relay_job_put(&w, &j);
	submit_free(&s);
	kid_send(&ch[QUEUE], IMSG_SOAP_RELAY_JOB, ++reqid, &w);
	if (play(RELAY) == -1)
		printf("# no post\n");
}

/* As the peer answered: relays what `body` and resp hold. */
static void
hop_answer(uint32_t result, uint32_t status, const char *text)
{
	struct relay_result	 res = { 0 };
	struct wbuf		 w = { 0 };

	res.result = result;
	res.status = status;
	res.reason = (char *)(uintptr_t)"reason";
	res.host = (char *)(uintptr_t)"mx[192.0.2.2]:1";
	res.content_type = (char *)(uintptr_t)"text/xml; charset=utf-8";
	res.body = (const uint8_t *)text;
	res.body_len = strlen(text);
	relay_result_put(&w, &res);
	kid_send(&ch[RELAY], IMSG_SOAP_RELAY_RESULT, last_post.hdr.id, &w);
}

static void
test_hop(void)
{
	struct relay_post	 p;
	struct relay_done	 d;
	struct submit		 s, before;
	struct imsg		 sent;
	struct rbuf		 r, r2;
	char			 m[1024];
	int			 i;

	request();
	snprintf(m, sizeof(m), MESSAGE, "<XmlAttachments><XmlNode>"
	    "<w:odd xmlns:w=\"" NS_WSE "\" xmlns:wsu=\"" NS_WSU "\" "
	    "wsu:q=\"1\"/></XmlNode></XmlAttachments>");
	call(NS_WSE, "WSEmailSend", m);
	says("a message with prefixes like ours", 200, ">200<");
	memset(&sent, 0, sizeof(sent));
	sent.fd = -1;
	for (i = 0; i < 2; i++) {
		hop_job("bob@" B, "");
		rbuf_init(&r, last_post.data, last_post.hdr.len);
		relay_post_get(&r, &p);
		ok(strcmp(p.domain, B) == 0, "posted to the domain");
		ok((memmem(p.body, p.body_len, "BinarySecurityToken", 19) ==
		    NULL) == i, i == 0 ? "first the whole certificate" :
		    "then its thumbprint");
		if (i == 0) {
			sent = last_submit;
			memset(&last_submit, 0, sizeof(last_submit));
			last_submit.fd = -1;
		}
		request();
		q.action = p.soapaction;
		post(p.body, p.body_len);
		says("taken by the peer", 200, ">200<");
		relay_post_free(&p);
		rbuf_init(&r, last_submit.data, last_submit.hdr.len);
		rbuf_init(&r2, sent.data, sent.hdr.len);
		submit_get(&r, &s);
		submit_get(&r2, &before);
		ok(s.origin == SUBMIT_PEER && strcmp(s.principal, A) == 0 &&
		    s.nrcpt == 1 && strcmp(s.rcpt[0].addr, "bob@" B) == 0,
		    "submitted as a peer's");
		ok(s.body_len == before.body_len && memcmp(s.body,
		    before.body, s.body_len) == 0 && s.sig_len ==
		    before.sig_len && memcmp(s.sig, before.sig,
		    s.sig_len) == 0, "octet by octet the same");
		submit_free(&s);
		submit_free(&before);
		hop_answer(RELAY_OK, resp.status, body);
		play(QUEUE);
		rbuf_init(&r, last_done.data, last_done.hdr.len);
		relay_done_get(&r, &d);
		is_int(d.code, ST_OK, "the queue is told");
		relay_done_free(&d);
	}
	imsg_free(&sent);
}

static void
test_hop_answers(void)
{
#define ENV(x)	"<s:Envelope xmlns:s=\"" NS_SOAP11 "\"><s:Body>" x \
		"</s:Body></s:Envelope>"
#define STATUS(x) ENV("<w:WSEmailSendResponse xmlns:w=\"" NS_WSE "\">" \
		"<w:WSEmailSendResult>" x "</w:WSEmailSendResult>" \
		"</w:WSEmailSendResponse>")
#define FAULT(c) ENV("<s:Fault><faultcode xmlns:o=\"" NS_WSSE "\">" c \
		"</faultcode><faultstring>why</faultstring></s:Fault>")
	static const struct {
		const char	*name;
		uint32_t	 result, status;
		const char	*text;
		uint32_t	 code;
	} t[] = {
		{ "no server", RELAY_TEMP, 0, "", ST_TEMPFAIL },
		{ "no service", RELAY_PERM, 0, "", ST_NOUSER },
		{ "200 without an answer", RELAY_OK, 200, "", ST_TEMPFAIL },
		{ "200 with a page", RELAY_OK, 200, "<p/>", ST_TEMPFAIL },
		{ "502", RELAY_OK, 502, "bad gateway", ST_TEMPFAIL },
		{ "413", RELAY_OK, 413, "too large", ST_TOOBIG },
		{ "550", RELAY_OK, 200, STATUS("<w:ResponseCode>550"
		    "</w:ResponseCode>"), ST_NOUSER },
		{ "577", RELAY_OK, 200, STATUS("<w:ResponseCode>577"
		    "</w:ResponseCode>"), ST_UNAUTHENTIC },
		{ "451", RELAY_OK, 200, STATUS("<w:ResponseCode>451"
		    "</w:ResponseCode>"), ST_TEMPFAIL },
		{ "an absurd code", RELAY_OK, 200, STATUS("<w:ResponseCode>"
		    "-200</w:ResponseCode>"), ST_TEMPFAIL },
		{ "fault Client", RELAY_OK, 500, FAULT("s:Client"), ST_BAD },
		{ "fault Client under 503", RELAY_OK, 503, FAULT("s:Client"),
		    ST_TEMPFAIL },
		{ "fault Server", RELAY_OK, 500, FAULT("s:Server"),
		    ST_TEMPFAIL },
		{ "fault of security", RELAY_OK, 500,
		    FAULT("o:FailedAuthentication"), ST_TEMPFAIL },
	};
	struct relay_done	 d;
	struct rbuf		 r;
	size_t			 i;

	for (i = 0; i < nitems(t); i++) {
		hop_job("bob@" B, "");
		hop_answer(t[i].result, t[i].status, t[i].text);
		play(QUEUE);
		rbuf_init(&r, last_done.data, last_done.hdr.len);
		relay_done_get(&r, &d);
		is_int(d.code, t[i].code, t[i].name);
		relay_done_free(&d);
	}
	hop_job("bob@" B, "");
	hop_answer(RELAY_OK, 500, FAULT("o:SecurityTokenUnavailable"));
	ok(play(RELAY) == 0 && memmem(last_post.data, last_post.hdr.len,
	    "BinarySecurityToken", 19) != NULL,
	    "an unknown thumbprint: again with the certificate");
	hop_answer(RELAY_OK, 200, STATUS("<w:ResponseCode>200"
	    "</w:ResponseCode><w:Recipient><w:Address>BOB@" B "</w:Address>"
	    "<w:ResponseCode>552</w:ResponseCode><w:Message>full</w:Message>"
	    "</w:Recipient>"));
	play(QUEUE);
	rbuf_init(&r, last_done.data, last_done.hdr.len);
	relay_done_get(&r, &d);
	ok(d.code == ST_OK && d.nrcpt == 1 && d.rcpt[0].code == ST_TOOBIG &&
	    strcmp(d.rcpt[0].addr, "bob@" B) == 0 &&
	    strcmp(d.host, "mx[192.0.2.2]:1") == 0, "a recipient's own code");
	relay_done_free(&d);
}

/* A hop by cert around the message submitted last. */
static void
hop_in(const char *name, size_t status, const char *want)
{
	struct submit	 s;
	struct rbuf	 r;
	struct wbuf	 w = { 0 };

	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	submit_get(&r, &s);
	wbuf_raw(&w, s.body, s.body_len);
	wbuf_puts(&w, "<w:theSig>");
	wbuf_raw(&w, s.sig, s.sig_len);
	wbuf_puts(&w, "</w:theSig>");
	wbuf_u8(&w, 0);
	submit_free(&s);
	call(NS_WSE, "WSEmailSend", (const char *)w.data);
	wbuf_free(&w);
	says(name, (int)status, want);
}

static void
test_peer(void)
{
	char	 m[1024];

	request();
	snprintf(m, sizeof(m), MESSAGE, "");
	call(NS_WSE, "WSEmailSend", m);
	hop_in("theSig by a user", 500, "wsse:FailedAuthentication");
	request();
	q.login = CERT;
	q.cert = &cert_a;
	q.kind = KIND_RELAY;
	q.from = A;
	q.dto = B;
	q.to = WSA_TO_PREFIX B;
	q.wsa_action = NS_WSE "/WSEmailSend";
	q.messageid = "urn:uuid:2";
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" B;
	q.rcpt[0].orig = (char *)(uintptr_t)"";
	q.nrcpt = 1;
	hop_in("a good hop", 200, ">200<");
	q.instant = 1;
	hop_in("instant in Delivery, not in the message", 200, ">500<");
	q.instant = 0;
	q.dto = "elsewhere.test";
	hop_in("DEST: Delivery/To is not here", 500, "FailedAuthentication");
	q.dto = B;
	q.to = WSA_TO_PREFIX A;
	hop_in("DEST: wsa:To is another", 500, "FailedAuthentication");
	q.to = NULL;
	hop_in("DEST: no wsa:To", 500, "FailedAuthentication");
	q.to = WSA_TO_PREFIX B;
	q.wsa_action = NULL;
	hop_in("no wsa:Action", 500, "FailedAuthentication");
	q.wsa_action = NS_WSE "/WSEmailSend";
	q.cert = &stranger;
	hop_in("a certificate of an unknown CA", 500, "FailedAuthentication");
	q.cert = &evil;
	hop_in("a certificate of another domain", 500, "FailedAuthentication");
	q.from = "evil.test";
	hop_in("DOMAIN: another domain's mail", 200, ">577<");
	q.rcpt[0].orig = (char *)(uintptr_t)"list@evil.test";
	hop_in("DOMAIN: forwarded, but was not addressed", 200, ">577<");
	q.from = A;
	q.cert = &cert_a;
	q.rcpt[0].orig = (char *)(uintptr_t)"";
	q.kind = KIND_SUBMIT;
	hop_in("TAGS: another kind", 500, "FailedAuthentication");
	q.kind = KIND_RELAY;
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@elsewhere.test";
	hop_in("a recipient elsewhere", 200, ">500<");
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" B;
	q.login = MAC;
	hop_in("a hop by a password", 500, "FailedAuthentication");
	q.login = CERT;
	/* What was addressed to a list of theirs they may hand on. */
	request();
	call(NS_WSE, "WSEmailSend", "<theMessage xmlns=\"" NS_WSE "\">"
	    "<Recipients><string>list@evil.test</string></Recipients>"
	    "</theMessage>");
	q.login = CERT;
	q.cert = &evil;
	q.kind = KIND_RELAY;
	q.from = "evil.test";
	q.dto = B;
	q.to = WSA_TO_PREFIX B;
	q.wsa_action = NS_WSE "/WSEmailSend";
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" B;
	q.rcpt[0].orig = (char *)(uintptr_t)"List@evil.test";
	q.nrcpt = 1;
	hop_in("DOMAIN: forwarded by whom it was addressed to", 200, ">200<");
	q.rcpt[0].orig = (char *)(uintptr_t)"";
	hop_in("DOMAIN: the same without saying so", 200, ">577<");
	request();
	snprintf(m, sizeof(m), MESSAGE, "");
	call(NS_WSE, "WSEmailSend", m);
	q.login = CERT;
	q.cert = &cert_a;
	q.kind = KIND_RELAY;
	q.from = A;
	q.dto = B;
	q.to = WSA_TO_PREFIX B;
	q.wsa_action = NS_WSE "/WSEmailSend";
	q.rcpt[0].addr = (char *)(uintptr_t)"bob@" B;
	q.rcpt[0].orig = (char *)(uintptr_t)"";
	q.nrcpt = 1;
	/* The signature of another message. */
	((char *)memmem(last_submit.data, last_submit.hdr.len, "hi &lt;",
	    7))[0] = 'H';
	hop_in("theSig is not over theMessage", 200, ">577<");
}

static void
test_bounce(void)
{
	STACK_OF(X509)		*chain;
	X509			*x;
	struct bounce_job	 j = { .kind = BOUNCE_FAILED };
	struct rcpt_status	 rs = { (char *)(uintptr_t)"bob@" B, 550,
				    (char *)(uintptr_t)"no <such> user\001" };
	struct submit		 s;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	const char		*why;
	uint64_t		 id = ++reqid;

	j.domain = (char *)(uintptr_t)A;
	j.to = (char *)(uintptr_t)ALICE;
	j.orig.msgid = (char *)(uintptr_t)MSGID;
	j.orig.sender = (char *)(uintptr_t)ALICE;
	j.orig.subject = (char *)(uintptr_t)"one & two";
	j.nrcpt = 1;
	j.rcpt = &rs;
	bounce_job_put(&w, &j);
	kid_send(&ch[QUEUE], IMSG_SOAP_BOUNCE_JOB, id, &w);
	play(QUEUE);
	rbuf_init(&r, last_submit.data, last_submit.hdr.len);
	ok(submit_get(&r, &s) == 0 && last_submit.hdr.id == id &&
	    s.origin == SUBMIT_BOUNCE && s.nrcpt == 1 &&
	    strcmp(s.rcpt[0].addr, ALICE) == 0 &&
	    strcmp(s.facts.sender, "postmaster@" A) == 0, "a bounce");
	ok(wss_verify_detached(s.body, s.body_len, s.sig, s.sig_len, &x,
	    &chain, &why) == 0, "signed");
	X509_free(x);
	sk_X509_pop_free(chain, X509_free);
	ok(memmem(s.body, s.body_len, "<DeliveryStatus xmlns=\"" NS_WSE2
	    "\"><Kind>failed</Kind>", 24) != NULL && memmem(s.body,
	    s.body_len, "<InReplyTo>" MSGID, 27) != NULL,
	    "machine readable");
	ok(s.facts.flags == FLAG_DELETE_UNDELIVERABLE && memmem(s.body,
	    s.body_len, "<MessageFlags>2<", 16) != NULL,
	    "no other server is to bounce it");
	submit_free(&s);
}

/* A neighbour that dies fails what waits for it, and only that. */
static void
test_down(void)
{
	struct wbuf	 w = { 0 };
	struct http_req	 r = { 0 };
	struct imsg	 m;
	struct wbuf	 e = { 0 };

	request();
	keys_silent = 1;
	compose(NS_WSE, "WSEmailFetchHeaders", "", &e);
	r.peer = r.host = r.authority = r.soapaction = (char *)(uintptr_t)"";
	r.content_type = (char *)(uintptr_t)"text/xml";
	r.body = e.data;
	r.body_len = e.len;
	http_req_put(&w, &r);
	kid_send(&ch[FE], IMSG_SOAP_HTTP_REQUEST, ++reqid, &w);
	ok(kid_recv(&ch[KEYS], &m, MS) == 1, "asked");
	imsg_free(&m);
	imsgbuf_clear(&ch[KEYS]);
	ok(kid_recv(&ch[FE], &m, MS) == 1 && m.hdr.id == reqid &&
	    memmem(m.data, m.hdr.len, ">451<", 5) != NULL,
	    "keys died: temporary");
	imsg_free(&m);
	kid_connect(&kid, &ch[KEYS], P_KEYS, 0);
	kid_stat(&kid, "");	/* it has read of the new channel */
	keys_silent = 0;
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("keys is back", 200, "Response");
	imsgbuf_clear(&ch[LOCAL]);
	kid_stat(&kid, "");
	call(NS_WSE, "WSEmailFetchHeaders", "");
	says("wslocal is gone", 503, ">451<");
	wbuf_free(&e);
}

int
main(void)
{
	char	 dir[] = "/tmp/test_soap.XXXXXX";
	int	 i;

	testdir_enter(dir);
	xml_init();
	resp_msg.fd = last_submit.fd = last_post.fd = -1;
	last_done.fd = last_local.fd = -1;
	start();
	test_envelope();
	test_send();
	test_mailbox();
	test_logins();
	test_refusals();
	test_mtom();
	test_hop();
	test_hop_answers();
	test_peer();
	test_bounce();
	test_down();
	is_int(kid_stat(&kid, "wait_keys"), 0, "nothing is left waiting");
	is_int(kid_stop(&kid), 0, "ends in order");
	for (i = 0; i < NPEERS; i++)
		if (i != LOCAL)
			imsgbuf_clear(&ch[i]);
	ok(chdir("/") == 0, "leaves its directory");
	testdir_remove(dir);
	return done_testing();
}
