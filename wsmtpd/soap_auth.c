/* SPDX-License-Identifier: ISC */
/*
 * Who asks.  One function a kind of token; each ends in
 * request_authenticated() with r->principal and r->domain set, or in a
 * fault.  The order of the checks is that of the papers: time (wss_examine),
 * certificate validity, nonce (recorded later, with the effect), signature,
 * trust.
 */
#include "compat.h"

#include <strings.h>

#include "log.h"
#include "soap.h"

#define AUTH_TIMEOUT	60	/* s, slow hashes wait in a queue */
#define TOKEN_LIFE_MAX	(86400 * 1000LL)	/* ms, as token-lifetime's most */
#define AUTH_TEXT_MAX	(32 * 1024)	/* of SignedInfo, for keys */

static void	 auth_none(struct request *);
static void	 auth_password(struct request *);
static void	 auth_mac(struct request *);
static void	 auth_x509(struct request *);
static void	 auth_thumbprint(struct request *);
static int	 auth_username(struct request *);
static int	 auth_result(void *, struct imsg *, const char *);
static int	 auth_times_ok(X509 *, int64_t);
static int	 auth_is_hop(const struct request *);
static void	 auth_cert_peer(struct request *);
static void	 auth_cert_user(struct request *);
static int	 auth_cert_domain(struct request *, struct hosted *,
		    const char **);
static void	 auth_saml(struct request *);
static const char *auth_saml_wrong(struct request *);
static int	 auth_saml_names(const struct request *);
static int	 auth_to_ok(const struct request *);

static const struct {
	enum wss_token	 token;
	void		(*run)(struct request *);
} auth_kinds[] = {
	{ WSS_NONE,		auth_none },
	{ WSS_PASSWORD,		auth_password },
	{ WSS_MAC,		auth_mac },
	{ WSS_X509,		auth_x509 },
	{ WSS_THUMBPRINT,	auth_thumbprint },
	{ WSS_SAML,		auth_saml },
};

void
auth_start(struct request *r)
{
	size_t	 i;

	for (i = 0; i < nitems(auth_kinds); i++)
		if (auth_kinds[i].token == r->w.token) {
			auth_kinds[i].run(r);
			return;
		}
	fatalx("soap: token kind %d", (int)r->w.token);
}

static void
auth_none(struct request *r)
{
	request_fault_wss(r, WSS_F_INVALID_SECURITY, "no login");
}

int
auth_user_address(struct request *r, const char *name, char *buf, size_t size)
{
	char	 whole[ADDR_MAX + 1];

	if (strchr(name, '@') == NULL) {
		if (r->domain[0] == '\0' ||
		    strlcpy(whole, name, sizeof(whole)) >= sizeof(whole) ||
		    strlcat(whole, "@", sizeof(whole)) >= sizeof(whole) ||
		    strlcat(whole, r->domain, sizeof(whole)) >= sizeof(whole))
			return -1;
		name = whole;
	}
	return addr_normalize(name, buf, size);
}

/* The address into principal, its domain into domain.  -1: answered. */
static int
auth_username(struct request *r)
{
	char	 addr[ADDR_MAX + 1];

	if (auth_user_address(r, r->w.username, addr, sizeof(addr)) == -1 ||
	    certs_hosted(r->s, addr_domain(addr)) == NULL) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "not a user of a domain here");
		return -1;
	}
	strlcpy(r->principal, addr, sizeof(r->principal));
	strlcpy(r->domain, addr_domain(addr), sizeof(r->domain));
	if (r->w.has_signature && !auth_to_ok(r)) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "wsa:To is not this server");
		return -1;
	}
	return 0;
}

static void
auth_password(struct request *r)
{
	struct keys_password	 q;
	struct wbuf		 w = { 0 };

	if (auth_username(r) == -1)
		return;
	q.user = r->principal;
	q.password = r->w.password;
	q.peer = r->http.peer;
	keys_password_put(&w, &q);
	freezero(r->w.password, strlen(r->w.password));
	r->w.password = NULL;
	if (soap_ask(r->s, P_KEYS, IMSG_KEYS_PASSWORD_CHECK, &w,
	    IMSG_SOAP_AUTH_RESULT, AUTH_TIMEOUT, auth_result, r) == -1)
		request_fault_later(r, "logins cannot be checked now");
}

static void
auth_mac(struct request *r)
{
	struct keys_mac	 q;
	struct wbuf	 w = { 0 };

	if (auth_username(r) == -1)
		return;
	if (r->w.signedinfo.len > AUTH_TEXT_MAX) {
		request_fault_wss(r, WSS_F_INVALID_SECURITY,
		    "SignedInfo is too large");
		return;
	}
	q.user = r->principal;
	q.peer = r->http.peer;
	q.salt = r->w.salt;
	q.salt_len = r->w.salt_len;
	q.iterations = r->w.iterations;
	q.text = r->w.signedinfo.data;
	q.text_len = r->w.signedinfo.len;
	q.mac = r->w.sigvalue;
	q.mac_len = r->w.sigvalue_len;
	keys_mac_put(&w, &q);
	if (soap_ask(r->s, P_KEYS, IMSG_KEYS_MAC_CHECK, &w,
	    IMSG_SOAP_AUTH_RESULT, AUTH_TIMEOUT, auth_result, r) == -1)
		request_fault_later(r, "logins cannot be checked now");
}

static int
auth_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct rbuf	 rb;
	uint32_t	 code;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (auth_result_get(&rb, &code) == -1) {
		request_fault_later(r, "logins cannot be checked now");
		return -1;
	}
	switch (code) {
	case AUTH_OK:
		request_authenticated(r);
		break;
	case AUTH_FAILED:
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    r->w.token == WSS_MAC ? "wrong user or password MAC" :
		    "wrong user or password");
		break;
	case AUTH_SLOWED:
		request_fault_later(r,
		    "too many failed logins, try again later "
		    "(limit auth-failures)");
		break;
	default:
		request_fault_later(r, "logins cannot be checked now");
		break;
	}
	return 0;
}

static void
auth_thumbprint(struct request *r)
{
	if (certs_known(r->s, &r->w) == -1) {
		request_fault_wss(r, WSS_F_TOKEN_UNAVAILABLE,
		    "unknown thumbprint");
		return;
	}
	auth_x509(r);
}

static int
auth_times_ok(X509 *cert, int64_t now)
{
	time_t	 t = (time_t)(now / 1000);

	return X509_cmp_time(X509_get0_notBefore(cert), &t) < 0 &&
	    X509_cmp_time(X509_get0_notAfter(cert), &t) > 0;
}

static void
auth_x509(struct request *r)
{
	if (!auth_times_ok(r->w.cert, r->rules.now)) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "certificate is not valid now");
		return;
	}
	if (wss_verify_cert(&r->w) == -1) {
		request_fault_wss(r, r->w.fault, r->w.why);
		return;
	}
	if (auth_is_hop(r))
		auth_cert_peer(r);
	else
		auth_cert_user(r);
}

/* WSEmailSend with a message that is signed already, and the hop's header. */
static int
auth_is_hop(const struct request *r)
{
	xmlNodePtr	 kind;
	char		*text;
	int		 hop;

	if (r->op->run != send_run || !send_has_sig(r->w.operation) ||
	    (kind = xml_child(r->w.delivery, NS_WSE2, "Kind")) == NULL ||
	    (text = xml_text(kind, 64)) == NULL)
		return 0;
	hop = strcmp(text, KIND_RELAY) == 0;
	free(text);
	return hop;
}

/*
 * A peer's server.  Which domain it is, it says in Delivery/From, which is
 * signed; the certificate must name that domain.  What lies between the
 * certificate and an anchor may come with theMessage's own signature.
 */
static void
auth_cert_peer(struct request *r)
{
	const char	*why;
	xmlNodePtr	 n;
	char		*from;
	int		 ok;

	if (r->w.sig_was_der) {
		request_fault_wss(r, WSS_F_INVALID_SECURITY,
		    "a hop's signature value in DER");
		return;
	}
	n = xml_child(r->w.delivery, NS_WSE2, "From");
	from = n != NULL ? xml_text(n, ADDR_MAX) : NULL;
	ok = from != NULL && addr_domain_normalize(from, r->principal,
	    sizeof(r->principal)) == 0;
	free(from);
	if (!ok) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "Delivery does not say from which domain");
		return;
	}
	if (pki_check(r->s->trust, r->w.cert, r->w.chain, PKI_DOMAIN,
	    r->rules.now / 1000, &why) != PKI_OK) {
		request_fault_wss(r, WSS_F_FAILED_AUTH, why);
		return;
	}
	if (!pki_names_domain(r->w.cert, r->principal)) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "certificate does not name the domain in From");
		return;
	}
	certs_learn(r->s, &r->w);
	r->is_peer = 1;
	request_authenticated(r);
}

/* The address of the domain that the certificate names, if it may log in. */
static int
auth_cert_domain(struct request *r, struct hosted *h, const char **why)
{
	struct conf_user	*u;
	char			 addr[ADDR_MAX + 1];

	if (pki_user_address(r->w.cert, h->name, addr, sizeof(addr)) == -1)
		return 0;
	if (!pki_store_any(h->clients)) {
		*why = "the domain has no CA for users";
		return 0;
	}
	if (pki_check(h->clients, r->w.cert, r->w.chain, PKI_USER,
	    r->rules.now / 1000, why) != PKI_OK)
		return 0;
	if ((u = conf_user(r->s->p->conf, addr)) == NULL || u->disabled) {
		*why = "certificate of a user who is unknown or disabled";
		return 0;
	}
	strlcpy(r->principal, addr, sizeof(r->principal));
	strlcpy(r->domain, h->name, sizeof(r->domain));
	return 1;
}

static void
auth_cert_user(struct request *r)
{
	const char	*why = "certificate names no user of ours";
	struct hosted	*h;

	/* The domain that the client came for before the others. */
	if ((h = certs_hosted(r->s, r->domain)) == NULL ||
	    !auth_cert_domain(r, h, &why)) {
		TAILQ_FOREACH(h, &r->s->hosted, entry)
			if (auth_cert_domain(r, h, &why))
				break;
		if (h == NULL) {
			request_fault_wss(r, WSS_F_FAILED_AUTH, why);
			return;
		}
	}
	if (!auth_to_ok(r)) {
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "wsa:To is not this server");
		return;
	}
	certs_learn(r->s, &r->w);
	request_authenticated(r);
}

/*
 * What the key signed says who asks: the token itself, or wsa:From.  Else a
 * domain could put its own token for the same key in place of this one.
 */
static int
auth_saml_names(const struct request *r)
{
	const char	*from = r->w.wsa_from;
	char		 addr[ADDR_MAX + 1];

	if (r->w.token_signed)
		return 1;
	if (from != NULL && strncasecmp(from, "mailto:", 7) == 0)
		from += 7;
	return from != NULL && addr_normalize(from, addr, sizeof(addr)) ==
	    0 && strcmp(addr, r->w.saml.subject) == 0;
}

/*
 * A user of another domain, for whom that vouches.  NULL, or why not: the
 * request is for us (DEST); so is the token, whose time it is; its issuer is
 * the domain of its subject (ISSUER, FULLNAME), and that of who signed it; and
 * such tokens are honoured for this.
 */
static const char *
auth_saml_wrong(struct request *r)
{
	const struct saml	*t = &r->w.saml;
	const char		*to = r->w.wsa_to, *why = NULL;
	int64_t			 skew = (int64_t)r->rules.future * 1000;

	if (to == NULL || strncmp(to, WSA_TO_PREFIX, sizeof(WSA_TO_PREFIX) -
	    1) != 0 || addr_domain_normalize(to + sizeof(WSA_TO_PREFIX) - 1,
	    r->domain, sizeof(r->domain)) == -1 ||
	    certs_hosted(r->s, r->domain) == NULL)
		return "wsa:To is not this server (DEST)";
	if (strcmp(t->audience, r->domain) != 0)
		return "the token is for another audience (DEST)";
	if (t->from > r->rules.now + skew || t->issued > r->rules.now + skew ||
	    t->until <= r->rules.now || t->until <= t->from)
		return "the token is not valid now";
	/* However long another domain may want it to be. */
	if (t->until - t->from > TOKEN_LIFE_MAX)
		return "the token is valid for more than a day";
	if (!auth_saml_names(r))
		return "the signature does not cover who asks (SUBJECT)";
	if (strcmp(addr_domain(t->subject), t->issuer) != 0)
		return "the token is of another domain than its subject "
		    "(ISSUER)";
	if (certs_hosted(r->s, t->issuer) != NULL)
		return "a token of a domain that is served here";
	if (pki_check(r->s->trust, t->signer, t->chain, PKI_DOMAIN,
	    r->rules.now / 1000, &why) != PKI_OK)
		return why;
	if (!pki_names_domain(t->signer, t->issuer))
		return "the token's certificate does not name its issuer "
		    "(ISSUER)";
	if (r->op->token == NULL || !conf_honours(r->s->p->conf, t->issuer,
	    r->op->token))
		return "tokens of this domain are not honoured for this "
		    "(trust tokens)";
	return NULL;
}

static void
auth_saml(struct request *r)
{
	const char	*why;

	if (wss_verify_cert(&r->w) == -1) {
		request_fault_wss(r, WSS_F_FAILED_CHECK,
		    "signature is not by the key that the token names");
		return;
	}
	if ((why = auth_saml_wrong(r)) != NULL) {
		r->domain[0] = '\0';
		request_fault_wss(r, WSS_F_FAILED_AUTH, why);
		return;
	}
	strlcpy(r->principal, r->w.saml.subject, sizeof(r->principal));
	r->is_guest = 1;
	request_authenticated(r);
}

/*
 * Check DEST for what a user signs: wsa:To, if there is one, is the
 * anonymous address or a URL of this server, so that another server cannot
 * pass the request on to us.  What that one says in Host or in TLS of where
 * it is going is no evidence.
 */
static int
auth_to_ok(const struct request *r)
{
	const char	*to = r->w.wsa_to;
	char		 host[ADDR_DOMAIN_MAX + 1];
	size_t		 len;

	if (to == NULL || strcmp(to, URI_WSA_ANONYMOUS) == 0)
		return 1;
	if (strncasecmp(to, "https://", 8) == 0)
		to += 8;
	else if (strncasecmp(to, "http://", 7) == 0)
		to += 7;
	else
		return 0;
	len = strcspn(to, "/?#");
	if (memchr(to, '@', len) != NULL)
		return 0;
	if (to[0] == '[')
		len = strcspn(++to, "]/?#");
	else
		len = strcspn(to, ":/?#");
	if (len == 0 || len >= sizeof(host))
		return 0;
	memcpy(host, to, len);
	host[len] = '\0';
	return certs_is_host(r->s, host);
}
