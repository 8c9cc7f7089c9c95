/* SPDX-License-Identifier: ISC */
/*
 * One operation from the user's side: composed, authenticated, posted; the
 * answer parsed, its signature checked where the request was signed, a fault
 * turned into words and a sysexits(3) code.
 */
#include "compat.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <readpassphrase.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sysexits.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "addr.h"
#include "mailfile.h"
#include "msg_queue.h"
#include "soapenv.h"
#include "users.h"
#include "wsemail.h"
#include "wsmail.h"
#include "wstime.h"

/* One operation on its way. */
struct call {
	const struct op		*op;
	const struct wbuf	*content;
	const char *const	*to;		/* of a Delivery header */
	size_t			 nto;
	int			 open;		/* without a login */
	int			 package;	/* by MTOM, and Data the last child: */
	const void		*data;		/* NULL: none */
	size_t			 len;
	unsigned int		 timeout;	/* s */
};

#define REQUEST_LIFE	60		/* s */
#define ITERATIONS_MAX	100000000

extern char	**environ;

static int	 session_spawn(const char *, int, pid_t *);
static char	*session_command(const char *);
static int	 session_password(struct session *);
static int	 session_mackey(struct session *);
static int	 session_cert(struct session *);
static int	 call_named(struct session *, const char *, const char *,
		    const struct call *, struct answer *);
static int	 call_sign(const struct session *, const struct wbuf *,
		    uint8_t **, size_t *);
static int	 call_compose(struct session *, const struct call *,
		    struct wbuf *, char *, char[static SOAPENV_TYPE]);
static void	 call_delivery(struct soapenv *, const struct call *);
static void	 call_body(struct soapenv *, const struct call *);
static int	 call_token(struct session *, struct soapenv *);
static int	 call_exchange(struct session *, const struct call *,
		    struct answer *);
static xmlDocPtr answer_parse(struct answer *, const char **);
static int	 answer_read(struct session *, const char *, int,
		    const char *, struct answer *);
static int	 answer_signature(struct session *, struct wss *, const char *);
static int	 answer_fault(struct session *, struct answer *, xmlNodePtr);

static const struct op	 op_params = { NS_WSE2, "GetAuthParameters",
			    NS_WSE2 "/GetAuthParameters",
			    "GetAuthParametersResponse" };
const struct op		 op_token = { NS_WST, "RequestSecurityToken",
			    NS_WST "/RST/Issue",
			    "RequestSecurityTokenResponseCollection" };

int
session_open(struct session *s, const struct account *acc)
{
	int	 code = 0;

	memset(s, 0, sizeof(*s));
	s->acc = acc;
	if (acc->auth == AUTH_CERTIFICATE && (code = session_cert(s)) != 0)
		return code;
	s->conn = conn_open(acc, &code);
	return code;
}

void
session_close(struct session *s)
{
	conn_close(s->conn);
	if (s->password != NULL)
		freezero(s->password, strlen(s->password));
	X509_free(s->cert);
	sk_X509_pop_free(s->chain, X509_free);
	EVP_PKEY_free(s->key);
	explicit_bzero(s, sizeof(*s));
}

/*
 * Its standard input is ours only at a terminal: elsewhere it may be the text
 * that is sent.  SIGPIPE, which we ignore, is as the command expects it.
 */
static int
session_spawn(const char *command, int out, pid_t *pid)
{
	const char	*argv[] = { "sh", "-c", command, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t	 pipes;
	int		 r;

	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	if ((r = posix_spawn_file_actions_init(&fa)) != 0)
		return r;
	if ((r = posix_spawnattr_init(&attr)) != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return r;
	}
	r = posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
	if (r == 0 && !isatty(STDIN_FILENO))
		r = posix_spawn_file_actions_addopen(&fa, STDIN_FILENO,
		    "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attr, &pipes);
	if (r == 0)
		r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawn(pid, "/bin/sh", &fa, &attr,
		    (char *const *)argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	return r;
}

/*
 * The first line that sh -c command prints; caller frees.  The others are
 * read as well, as the command may fail when nobody does.  NULL: printed.
 */
static char *
session_command(const char *command)
{
	char	 buf[1024], rest[1024], *line = NULL;
	size_t	 len = 0;
	ssize_t	 n;
	pid_t	 pid = -1;
	int	 fd[2], status, r;

	if (pipe2(fd, O_CLOEXEC) == -1)
		r = errno;
	else {
		if ((r = session_spawn(command, fd[1], &pid)) != 0)
			close(fd[0]);
		close(fd[1]);
	}
	if (r != 0) {
		fprintf(stderr, "wsmail: password-command: %s\n",
		    strerror(r));
		return NULL;
	}
	while (len < sizeof(buf) - 1 &&
	    (n = read(fd[0], buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	while (read(fd[0], rest, sizeof(rest)) > 0)
		;
	close(fd[0]);
	buf[len] = '\0';
	len = strcspn(buf, "\r\n");
	if (waitpid(pid, &status, 0) == -1 || status != 0)
		fprintf(stderr, "wsmail: password-command: failed\n");
	else if (len == 0)
		fprintf(stderr, "wsmail: password-command: no output\n");
	else if (len == sizeof(buf) - 1)
		fprintf(stderr, "wsmail: password-command: the line is too "
		    "long\n");
	else
		line = strndup(buf, len);
	explicit_bzero(buf, sizeof(buf));
	explicit_bzero(rest, sizeof(rest));
	return line;
}

static int
session_password(struct session *s)
{
	char	 buf[1024], prompt[ADDR_MAX + 32];

	if (s->password != NULL)
		return 0;
	if (s->acc->password_command != NULL) {
		s->password = session_command(s->acc->password_command);
		return s->password != NULL ? 0 : EX_CONFIG;
	}
	snprintf(prompt, sizeof(prompt), "Password of %s: ", s->acc->address);
	if (readpassphrase(prompt, buf, sizeof(buf), RPP_REQUIRE_TTY) ==
	    NULL) {
		fprintf(stderr, "wsmail: no terminal to ask for the password; "
		    "set password-command\n");
		return EX_CONFIG;
	}
	s->password = strdup(buf);
	explicit_bzero(buf, sizeof(buf));
	return s->password != NULL ? 0 : EX_OSERR;
}

/*
 * The key of the salted password MAC: asks for the user's salt and
 * iterations, which is all the server hands out before a login.
 */
static int
session_mackey(struct session *s)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	struct call	 c = { .op = &op_params, .content = &w, .open = 1,
			    .timeout = 60 };
	char		*salt64, *derivation;
	uint8_t		*salt;
	size_t		 saltlen;
	int64_t		 it;
	int		 code;

	if (s->have_mac)
		return 0;
	xml_put_elem(&w, "w:user", s->acc->address);
	code = call_exchange(s, &c, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	salt64 = answer_text(a.op, "Salt");
	derivation = answer_text(a.op, "Derivation");
	it = answer_int(a.op, "Iterations", 0);
	salt = xml_base64(salt64, &saltlen);
	code = EX_PROTOCOL;
	if (salt == NULL || saltlen != sizeof(s->salt) || it < 1000 ||
	    it > ITERATIONS_MAX || strcmp(derivation, URI_PBKDF2_SHA256) != 0)
		fprintf(stderr, "wsmail: the server's parameters for the "
		    "login cannot be used\n");
	else if ((code = session_password(s)) == 0) {
		memcpy(s->salt, salt, saltlen);
		s->iterations = (uint32_t)it;
		if (users_derive(s->password, salt, saltlen, s->iterations,
		    s->mackey) == -1)
			code = EX_SOFTWARE;
		else
			s->have_mac = 1;
	}
	free(salt);
	free(salt64);
	free(derivation);
	answer_free(&a);
	return code;
}

static int
session_cert(struct session *s)
{
	struct stat	 st;
	uint8_t		*pem;
	size_t		 len;
	BIO		*bio;

	if (s->acc->certificate == NULL || s->acc->key == NULL) {
		fprintf(stderr, "wsmail: auth certificate needs certificate "
		    "and key\n");
		return EX_CONFIG;
	}
	if ((pem = mailfile_read(s->acc->certificate, &len)) == NULL ||
	    (s->cert = pki_cert_pem(pem, len, &s->chain)) == NULL) {
		fprintf(stderr, "wsmail: %s: no certificate\n",
		    s->acc->certificate);
		free(pem);
		return EX_CONFIG;
	}
	free(pem);
	if (stat(s->acc->key, &st) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", s->acc->key,
		    strerror(errno));
		return EX_CONFIG;
	}
	/* As wsmtpd(8) says of its own. */
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		fprintf(stderr, "wsmail: %s: a private key that others may "
		    "read or change (mode %03o); chmod 600 it\n",
		    s->acc->key, (unsigned int)(st.st_mode & 0777));
		return EX_CONFIG;
	}
	if ((pem = mailfile_read(s->acc->key, &len)) != NULL &&
	    (bio = BIO_new_mem_buf(pem, (int)len)) != NULL) {
		s->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	if (pem != NULL)
		freezero(pem, len);
	if (s->key == NULL || X509_check_private_key(s->cert, s->key) != 1) {
		fprintf(stderr, "wsmail: %s: not the key of %s\n",
		    s->acc->key, s->acc->certificate);
		return EX_CONFIG;
	}
	return 0;
}

/* The signature value over the canonical SignedInfo; caller frees. */
static int
call_sign(const struct session *s, const struct wbuf *si, uint8_t **value,
    size_t *len)
{
	const BIGNUM	*r, *sv;
	const uint8_t	*p;
	ECDSA_SIG	*sig;
	EVP_MD_CTX	*ctx;
	uint8_t		 der[1024], *out;
	size_t		 n = sizeof(der);
	unsigned int	 maclen;

	if ((out = malloc(sizeof(der))) == NULL)
		return EX_OSERR;
	*value = out;
	if (s->acc->auth == AUTH_MAC) {
		HMAC(EVP_sha256(), s->mackey, sizeof(s->mackey), si->data,
		    si->len, out, &maclen);
		*len = maclen;
		return 0;
	}
	if ((ctx = EVP_MD_CTX_new()) == NULL || EVP_DigestSignInit(ctx, NULL,
	    EVP_sha256(), NULL, s->key) != 1 || EVP_DigestSign(ctx, der, &n,
	    si->data, si->len) != 1) {
		EVP_MD_CTX_free(ctx);
		return EX_SOFTWARE;
	}
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_base_id(s->key) != EVP_PKEY_EC) {
		memcpy(out, der, n);
		*len = n;
		return 0;
	}
	/* XMLDSIG 1.1, 6.4.3: r and s, 32 octets each */
	p = der;
	if ((sig = d2i_ECDSA_SIG(NULL, &p, (long)n)) == NULL)
		return EX_SOFTWARE;
	ECDSA_SIG_get0(sig, &r, &sv);
	n = BN_bn2binpad(r, out, 32) == 32 && BN_bn2binpad(sv, out + 32, 32) ==
	    32;
	ECDSA_SIG_free(sig);
	*len = 64;
	return n ? 0 : EX_SOFTWARE;
}

static void
call_delivery(struct soapenv *e, const struct call *c)
{
	struct rcpt	*rc;
	size_t		 i;

	if (c->nto == 0)
		return;
	if ((rc = calloc(c->nto, sizeof(*rc))) == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < c->nto; i++)
		rc[i].addr = (char *)(uintptr_t)c->to[i];
	soapenv_delivery(e, KIND_SUBMIT, NULL, NULL, rc, c->nto, 0);
	free(rc);
}

static void
call_body(struct soapenv *e, const struct call *c)
{
	struct wbuf	 w = { 0 };

	if (c->data == NULL) {
		soapenv_body(e, c->op->ns, c->op->name, c->content);
		return;
	}
	soapenv_part(e, c->data, c->len);
	wbuf_raw(&w, c->content->data, c->content->len);
	wbuf_printf(&w, "<w:Data>%s</w:Data>", e->mark);
	soapenv_body(e, c->op->ns, c->op->name, &w);
	wbuf_free(&w);
}

static int
call_token(struct session *s, struct soapenv *e)
{
	int	 code;

	soapenv_timestamp(e, wstime_now(), REQUEST_LIFE);
	switch (s->acc->auth) {
	case AUTH_PASSWORD:
		if ((code = session_password(s)) != 0)
			return code;
		soapenv_token_password(e, s->acc->address, s->password);
		break;
	case AUTH_MAC:
		soapenv_token_mac(e, s->acc->address, s->salt,
		    sizeof(s->salt), s->iterations);
		break;
	case AUTH_CERTIFICATE:
		soapenv_token_cert(e, s->cert, s->chain);
		break;
	case AUTH_TOKEN:
		soapenv_token_saml(e, s->token->xml, s->token->saml.id);
		break;
	}
	return 0;
}

static int
call_compose(struct session *s, const struct call *c, struct wbuf *out,
    char *msgid, char type[static SOAPENV_TYPE])
{
	const struct wbuf	*si;
	struct soapenv		 e;
	uint8_t			*value = NULL;
	char			 uuid[16], to_domain[ADDR_DOMAIN_MAX + 64];
	size_t			 i, len = 0;
	int			 code = 0;

	soapenv_init(&e, 0);
	arc4random_buf(uuid, sizeof(uuid));
	strlcpy(msgid, "urn:uuid:", 64);
	for (i = 0; i < 16; i++)
		snprintf(msgid + strlen(msgid), 4, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
		    (unsigned char)uuid[i]);
	if (s->acc->auth == AUTH_TOKEN) {
		snprintf(to_domain, sizeof(to_domain), WSA_TO_PREFIX "%s",
		    s->token->saml.audience);
		soapenv_wsa(&e, "To", to_domain);
	}
	soapenv_wsa(&e, "Action", c->op->action);
	soapenv_wsa(&e, "MessageID", msgid);
	call_delivery(&e, c);
	call_body(&e, c);
	if (!c->open && (code = call_token(s, &e)) == 0 &&
	    s->acc->auth != AUTH_PASSWORD) {
		si = soapenv_signedinfo(&e, s->acc->auth == AUTH_MAC ?
		    URI_HMAC_SHA256 : EVP_PKEY_base_id(s->key) ==
		    EVP_PKEY_EC ? URI_ECDSA_SHA256 : URI_RSA_SHA256);
		code = si == NULL ? EX_SOFTWARE : call_sign(s, si, &value,
		    &len);
	}
	strlcpy(type, "text/xml; charset=utf-8", SOAPENV_TYPE);
	if (code == 0 && (c->package ?
	    soapenv_package(&e, value, len, out, type) :
	    soapenv_finish(&e, value, len, out)) == -1)
		code = EX_SOFTWARE;
	if (code == EX_SOFTWARE)
		fprintf(stderr, "wsmail: the request cannot be composed\n");
	free(value);
	soapenv_free(&e);
	return code;
}

static int
call_exchange(struct session *s, const struct call *c, struct answer *a)
{
	struct wbuf	 out = { 0 };
	char		 msgid[64], type[SOAPENV_TYPE];
	int		 code;

	s->fault = 0;
	memset(a, 0, sizeof(*a));
	do {
		if ((code = call_compose(s, c, &out, msgid, type)) == 0)
			code = conn_post(s->conn, type, c->op->action, &out,
			    &a->http, c->timeout);
		wbuf_free(&out);
	} while (code == CONN_CLOSED);
	if (code == 0)
		code = answer_read(s, c->op->answer, c->open, msgid, a);
	return code;
}

/* As `c`, of which the operation is missing. */
static int
call_named(struct session *s, const char *ns, const char *op,
    const struct call *c, struct answer *a)
{
	char		 action[256], answer[128];
	struct op	 o = { ns, op, action, answer };
	struct call	 named = *c;
	int		 code;

	if (s->acc->auth == AUTH_MAC && (code = session_mackey(s)) != 0)
		return code;
	snprintf(action, sizeof(action), "%s/%s", ns, op);
	snprintf(answer, sizeof(answer), "%sResponse", op);
	named.op = &o;
	return call_exchange(s, &named, a);
}

int
call(struct session *s, const char *ns, const char *op,
    const struct wbuf *content, const char *const *to, size_t nto,
    unsigned int timeout, struct answer *a)
{
	struct call	 c = { .content = content, .to = to, .nto = nto,
			    .timeout = timeout };

	return call_named(s, ns, op, &c, a);
}

int
call_octets(struct session *s, const char *op, const struct wbuf *content,
    const void *data, size_t len, unsigned int timeout, struct answer *a)
{
	struct call	 c = { .content = content, .package = 1, .data = data,
			    .len = len, .timeout = timeout };

	return call_named(s, NS_WSE2, op, &c, a);
}

int
call_as(struct session *s, const struct op *op, const struct wbuf *content,
    unsigned int timeout, struct answer *a)
{
	struct call	 c = { .op = op, .content = content,
			    .timeout = timeout };
	int		 code;

	if (s->acc->auth == AUTH_MAC && (code = session_mackey(s)) != 0)
		return code;
	return call_exchange(s, &c, a);
}

/*
 * An answer to a signed request is signed by the user's own domain, and
 * says which request it answers.
 */
static int
answer_signature(struct session *s, struct wss *w, const char *msgid)
{
	const char	*why = NULL;
	int		 trusted;

	if (w->token != WSS_X509 || w->cert == NULL)
		why = "the answer is not signed";
	else if (wss_verify_cert(w) == -1)
		why = w->why;
	else if (!verify_domain_cert(s->acc, w->cert, w->chain,
	    addr_domain(s->acc->address), &trusted, &why))
		;	/* why says it */
	else if (w->wsa_relatesto == NULL ||
	    strcmp(w->wsa_relatesto, msgid) != 0)
		why = "the answer is to another request";
	if (why == NULL)
		return 0;
	fprintf(stderr, "wsmail: %s\n", why);
	return EX_PROTOCOL;
}

/* An envelope, or a package of one and its parts. */
static xmlDocPtr
answer_parse(struct answer *a, const char **why)
{
	/*
	 * What strangers write the server has judged, by limits of its own;
	 * and in the answer it stands deeper than in what the server got.
	 */
	static const struct xml_limits	 limits = {
		64U << 20, 256, 1000000, 4096, 100000, 100000
	};
	const char	*type = http_field(&a->http, "content-type");
	struct mime	*m = &a->mime;
	xmlDocPtr	 doc = NULL;

	if (mime_read(m, type != NULL ? type : "", a->http.body.data,
	    a->http.body.len, why) == 0 && (doc = xml_parse(m->root,
	    m->root_len, &limits, why)) != NULL &&
	    mime_resolve(m, doc, why) == -1) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	return doc;
}

/* Parses and judges; on success a->op is the answer's element. */
static int
answer_read(struct session *s, const char *want, int open, const char *msgid,
    struct answer *a)
{
	struct wss_rules	 rules = { wstime_now(), 300, 600, 16, 0,
				    &a->mime.beside };
	const char		*why = NULL, *id;
	struct wss		 w;
	int			 code = EX_PROTOCOL, examined;

	a->op = NULL;
	/* As the server makes them; anything else is not for a terminal. */
	if ((id = http_field(&a->http, "x-request-id")) != NULL &&
	    id[strspn(id, "0123456789abcdef")] == '\0')
		strlcpy(a->reqid, id, sizeof(a->reqid));
	else
		a->reqid[0] = '\0';
	if ((a->doc = answer_parse(a, &why)) == NULL) {
		fprintf(stderr, "wsmail: the server says %d %s (request %s)\n",
		    a->http.status, http_reason(a->http.status), a->reqid);
		code = a->http.status >= 500 || a->http.status == 429 ?
		    EX_TEMPFAIL : a->http.status == 413 ? EX_DATAERR :
		    EX_PROTOCOL;
		answer_free(a);
		return code;
	}
	examined = wss_examine(&w, a->doc, &rules);
	if (w.operation != NULL && (xml_is(w.operation, NS_SOAP11, "Fault") ||
	    xml_is(w.operation, NS_SOAP12, "Fault")))
		code = answer_fault(s, a, w.operation);
	else if (examined == -1 || w.operation == NULL ||
	    strcmp((const char *)w.operation->name, want) != 0)
		fprintf(stderr, "wsmail: the answer cannot be used: %s\n",
		    examined == -1 ? w.why : "not to this operation");
	else if (!open && s->acc->auth != AUTH_PASSWORD)
		code = answer_signature(s, &w, msgid);
	else
		code = 0;
	a->op = w.operation;
	wss_free(&w);
	if (code != 0)
		answer_free(a);
	return code;
}

/* A fault in words; its detail says which kind of exit it is. */
static int
answer_fault(struct session *s, struct answer *a, xmlNodePtr fault)
{
	xmlNodePtr	 n, d = NULL;
	char		*text = NULL;
	int64_t		 rc = 0;
	int		 auth = 0;

	for (n = xml_first(fault); n != NULL; n = xml_next(n))
		if (strcmp((const char *)n->name, "detail") == 0 ||
		    strcmp((const char *)n->name, "Detail") == 0)
			d = xml_child(n, NS_WSE2, "Fault");
	if (d != NULL) {
		rc = answer_int(d, "ResponseCode", 0);
		text = answer_text(d, "Message");
	}
	if ((n = xml_child(fault, NULL, "faultcode")) != NULL) {
		char	*code = xml_text(n, 256);

		auth = code != NULL && strstr(code, "FailedAuthentication") !=
		    NULL;
		free(code);
	}
	fputs("wsmail: ", stderr);
	out_text(stderr, text != NULL && *text != '\0' ? text :
	    auth ? "the login was refused" : "the request was refused", 0);
	fprintf(stderr, " (request %s)\n", a->reqid);
	free(text);
	s->fault = rc != 0 ? rc : ST_BAD;
	return auth ? EX_NOPERM : rc == ST_TEMPFAIL || a->http.status == 503 ?
	    EX_TEMPFAIL : rc == ST_NOUSER ? EX_UNAVAILABLE : EX_PROTOCOL;
}

void
answer_free(struct answer *a)
{
	if (a->doc != NULL)
		xmlFreeDoc(a->doc);
	a->doc = NULL;
	a->op = NULL;
	mime_free(&a->mime);
	http_msg_free(&a->http);
}

char *
answer_text(xmlNodePtr n, const char *name)
{
	xmlNodePtr	 c;
	char		*s = NULL;

	if ((c = xml_child(n, NS_WSE, name)) != NULL ||
	    (c = xml_child(n, NS_WSE2, name)) != NULL)
		s = xml_text(c, 64U << 20);
	if (s == NULL && (s = strdup("")) == NULL)
		err(EX_OSERR, NULL);
	return s;
}

int64_t
answer_int(xmlNodePtr n, const char *name, int64_t def)
{
	const char	*errstr;
	int64_t		 v;
	char		*s;

	s = name != NULL ? answer_text(n, name) : xml_text(n, 64);
	v = s == NULL ? def : strtonum(s, INT64_MIN, INT64_MAX, &errstr);
	if (s == NULL || errstr != NULL)
		v = def;
	free(s);
	return v;
}
