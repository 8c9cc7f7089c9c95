/* SPDX-License-Identifier: ISC */
/*
 * Reading the Security header of an envelope: form, time, digests, in that
 * order.  Judges everything that can be judged without a secret.  Called by
 * soap for requests and peers' answers, and by wsmail for answers.
 *
 * Against signature wrapping: each thing that this system uses is found by
 * its place (child of Envelope, of Header, of Security), never by its Id,
 * and is counted as signed only when a reference led to the very same node.
 * An element with the right Id in another place is covered by the signature
 * and means nothing; a signed element that is not one of the known places
 * is refused.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "wss_int.h"
#include "wstime.h"

#define WSS_TEXT_MAX	2048	/* user names, URIs, times */
#define WSS_PASSWORD_MAX 1024
#define WSS_CERT_MAX	65536	/* base64 text */
#define WSS_SALT_MIN	8
#define WSS_SALT_MAX	64
#define WSS_NONCE_MAX	128
#define WSS_ITERATIONS_MAX 100000000

/* Both roles by which SOAP 1.2 part 1 section 2.2 addresses us, and 1.1's. */
#define ROLE12_NEXT	NS_SOAP12 "/role/next"
#define ROLE12_ULTIMATE	NS_SOAP12 "/role/ultimateReceiver"
#define ACTOR11_NEXT	"http://schemas.xmlsoap.org/soap/actor/next"

/* One examination under way. */
struct examine {
	struct wss	*w;
	const struct wss_rules *rules;
	xmlDocPtr	 doc;
	xmlNodePtr	 security, timestamp, usertoken, bst, assertion;
	xmlNodePtr	 signature;
	struct wss_signature sig;
	xmlNodePtr	 covered[WSS_REFERENCES_MAX];
	char		*nonce;
};

static int	 wss_fail(struct wss *, enum wss_fault, const char *);
static const char *wss_soap_ns(const struct wss *);
static int	 wss_examine_all(struct examine *);
static int	 wss_envelope(struct examine *);
static int	 wss_headers(struct examine *);
static int	 wss_header_text(struct examine *, xmlNodePtr);
static int	 wss_security_children(struct examine *);
static int	 wss_security_child(struct examine *, xmlNodePtr);
static int	 wss_for_us(const struct wss *, xmlNodePtr);
static int	 wss_must(const struct wss *, xmlNodePtr);
static int	 wss_timestamp(struct examine *);
static int	 wss_check_created(struct examine *, int64_t);
static int	 wss_time_child(xmlNodePtr, const char *, int64_t *);
static int	 wss_usertoken(struct examine *);
static int	 wss_usertoken_password(struct examine *, xmlNodePtr);
static int	 wss_usertoken_mac(struct examine *, xmlNodePtr, xmlNodePtr);
static int	 wss_usertoken_fresh(struct examine *);
static int	 wss_bst(struct examine *);
static int	 wss_assertion(struct examine *);
static int	 wss_keyinfo_assertion(struct examine *, xmlNodePtr);
static int	 wss_attr_is(xmlNodePtr, const char *, const char *);
static uint8_t	*wss_octets(xmlNodePtr, size_t, size_t *);
static int	 wss_signed(struct examine *);
static int	 wss_keyinfo(struct examine *);
static int	 wss_keyinfo_reference(struct examine *, xmlNodePtr);
static int	 wss_keyinfo_thumbprint(struct examine *, xmlNodePtr);
static int	 wss_algorithm_fits(struct examine *);
static int	 wss_find_covered(struct examine *);
static int	 wss_known_place(const struct examine *, xmlNodePtr);
static int	 wss_is_covered(const struct examine *, xmlNodePtr);
static int	 wss_required(struct examine *);
static int	 wss_digests(struct examine *);

static const struct {
	const char	*name;
	size_t		 offset;	/* of the string in struct wss; 0: not read */
} wsa_headers[] = {
	{ "Action",	offsetof(struct wss, wsa_action) },
	{ "To",		offsetof(struct wss, wsa_to) },
	{ "MessageID",	offsetof(struct wss, wsa_messageid) },
	{ "From",	offsetof(struct wss, wsa_from) },
	{ "RelatesTo",	offsetof(struct wss, wsa_relatesto) },
	{ "ReplyTo",	0 },
	{ "FaultTo",	0 },
};

const char *
wss_fault_code(enum wss_fault fault)
{
	switch (fault) {
	case WSS_F_OK:
		break;
	case WSS_F_UNSUPPORTED_TOKEN:
		return "UnsupportedSecurityToken";
	case WSS_F_UNSUPPORTED_ALGORITHM:
		return "UnsupportedAlgorithm";
	case WSS_F_INVALID_SECURITY:
		return "InvalidSecurity";
	case WSS_F_INVALID_TOKEN:
		return "InvalidSecurityToken";
	case WSS_F_FAILED_AUTH:
		return "FailedAuthentication";
	case WSS_F_FAILED_CHECK:
		return "FailedCheck";
	case WSS_F_TOKEN_UNAVAILABLE:
		return "SecurityTokenUnavailable";
	case WSS_F_EXPIRED:
		return "MessageExpired";
	}
	return "InvalidSecurity";
}

static int
wss_fail(struct wss *w, enum wss_fault fault, const char *why)
{
	w->fault = fault;
	w->why = why;
	return -1;
}

static const char *
wss_soap_ns(const struct wss *w)
{
	return w->soap12 ? NS_SOAP12 : NS_SOAP11;
}

static int
wss_attr_is(xmlNodePtr n, const char *name, const char *want)
{
	char	*value;
	int	 same;

	if ((value = xml_attr(n, NULL, name)) == NULL)
		return 1;	/* all of them have a default, which is ours */
	same = strcmp(value, want) == 0;
	free(value);
	return same;
}

/* Decoded base64 text of an element; NULL: malformed or over max. */
static uint8_t *
wss_octets(xmlNodePtr n, size_t max, size_t *len)
{
	uint8_t	*octets;
	char	*text;

	if ((text = xml_text(n, max)) == NULL)
		return NULL;
	octets = xml_base64(text, len);
	free(text);
	return octets;
}

/* Is a header block addressed to us, or to nobody in particular? */
static int
wss_for_us(const struct wss *w, xmlNodePtr n)
{
	char	*role;
	int	 ours;

	role = xml_attr(n, wss_soap_ns(w), w->soap12 ? "role" : "actor");
	if (role == NULL)
		return 1;
	if (w->soap12)
		ours = *role == '\0' || strcmp(role, ROLE12_NEXT) == 0 ||
		    strcmp(role, ROLE12_ULTIMATE) == 0;
	else
		ours = *role == '\0' || strcmp(role, ACTOR11_NEXT) == 0;
	free(role);
	return ours;
}

static int
wss_must(const struct wss *w, xmlNodePtr n)
{
	char	*value;
	int	 must;

	value = xml_attr(n, wss_soap_ns(w), "mustUnderstand");
	if (value == NULL)
		return 0;
	must = strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
	free(value);
	return must;
}

xmlNodePtr
wss_not_understood(const struct wss *w)
{
	xmlNodePtr	 n;
	size_t		 i;

	for (n = xml_first(w->header); n != NULL; n = xml_next(n)) {
		if (!wss_must(w, n) || !wss_for_us(w, n) ||
		    xml_is(n, NS_WSSE, "Security") ||
		    xml_is(n, NS_WSE2, "Delivery"))
			continue;
		for (i = 0; i < nitems(wsa_headers); i++)
			if (xml_is(n, NS_WSA, wsa_headers[i].name))
				break;
		if (i == nitems(wsa_headers))
			return n;
	}
	return NULL;
}

/* Envelope with an optional Header and one Body, and nothing else. */
static int
wss_envelope(struct examine *e)
{
	struct wss	*w = e->w;
	const char	*ns;
	xmlNodePtr	 root, n;

	root = xmlDocGetRootElement(e->doc);
	if (xml_is(root, NS_SOAP12, "Envelope"))
		w->soap12 = 1;
	else if (!xml_is(root, NS_SOAP11, "Envelope"))
		return wss_fail(w, WSS_F_OK, "not a SOAP envelope");
	ns = wss_soap_ns(w);
	n = xml_first(root);
	if (xml_is(n, ns, "Header")) {
		w->header = n;
		n = xml_next(n);
	}
	if (!xml_is(n, ns, "Body") || xml_next(n) != NULL)
		return wss_fail(w, WSS_F_OK,
		    "envelope is not one Header and one Body");
	w->body = n;
	w->operation = xml_first(n);
	if (w->operation == NULL || xml_next(w->operation) != NULL)
		return wss_fail(w, WSS_F_OK, "Body is not one element");
	return 0;
}

/* A WS-Addressing header of which there can be one; From holds an Address. */
static int
wss_header_text(struct examine *e, xmlNodePtr n)
{
	char	**slot;
	size_t	 i;

	for (i = 0; i < nitems(wsa_headers); i++)
		if (xml_is(n, NS_WSA, wsa_headers[i].name))
			break;
	if (i == nitems(wsa_headers) || wsa_headers[i].offset == 0)
		return 0;
	slot = (char **)((char *)e->w + wsa_headers[i].offset);
	if (*slot != NULL)
		return wss_fail(e->w, WSS_F_OK, "repeated addressing header");
	if (xml_is(n, NS_WSA, "From") &&
	    (n = xml_child(n, NS_WSA, "Address")) == NULL)
		return wss_fail(e->w, WSS_F_OK, "malformed addressing header");
	if ((*slot = wss_token_text(n, WSS_TEXT_MAX)) == NULL)
		return wss_fail(e->w, WSS_F_OK, "malformed addressing header");
	return 0;
}

static int
wss_headers(struct examine *e)
{
	struct wss	*w = e->w;
	xmlNodePtr	 n;

	for (n = xml_first(w->header); n != NULL; n = xml_next(n)) {
		if (xml_is(n, NS_WSSE, "Security")) {
			if (e->security != NULL)
				return wss_fail(w, WSS_F_INVALID_SECURITY,
				    "two Security headers");
			if (!wss_for_us(w, n))
				return wss_fail(w, WSS_F_INVALID_SECURITY,
				    "Security header for another actor");
			e->security = n;
		} else if (xml_is(n, NS_WSE2, "Delivery")) {
			if (w->delivery != NULL)
				return wss_fail(w, WSS_F_OK,
				    "two Delivery headers");
			w->delivery = n;
		} else if (wss_header_text(e, n) == -1)
			return -1;
	}
	return 0;
}

static int
wss_security_child(struct examine *e, xmlNodePtr n)
{
	static const char	*others[] = { "SecurityTokenReference",
				    "Embedded" };
	xmlNodePtr		*slot;
	size_t			 i;

	if (xml_is(n, NS_WSU, "Timestamp"))
		slot = &e->timestamp;
	else if (xml_is(n, NS_WSSE, "UsernameToken"))
		slot = &e->usertoken;
	else if (xml_is(n, NS_WSSE, "BinarySecurityToken"))
		slot = &e->bst;
	else if (xml_is(n, NS_SAML2, "Assertion"))
		slot = &e->assertion;
	else if (xml_is(n, NS_DS, "Signature"))
		slot = &e->signature;
	else {
		for (i = 0; i < nitems(others); i++)
			if (xml_is(n, NS_WSSE, others[i]))
				return wss_fail(e->w, WSS_F_INVALID_SECURITY,
				    "unexpected element in Security");
		/* Encryption, derived keys: not of this system. */
		return wss_fail(e->w, WSS_F_UNSUPPORTED_TOKEN,
		    "unknown token in Security");
	}
	if (*slot != NULL)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "repeated element in Security");
	*slot = n;
	return 0;
}

static int
wss_security_children(struct examine *e)
{
	xmlNodePtr	 n;

	for (n = xml_first(e->security); n != NULL; n = xml_next(n))
		if (wss_security_child(e, n) == -1)
			return -1;
	if ((e->usertoken != NULL) + (e->bst != NULL) +
	    (e->assertion != NULL) > 1)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "more than one token");
	if (e->bst != NULL && e->signature == NULL)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "a certificate without a signature");
	if (e->assertion != NULL && e->signature == NULL)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "an assertion without a signature");
	return 0;
}

/* A child with a dateTime.  1: absent. */
static int
wss_time_child(xmlNodePtr parent, const char *name, int64_t *ms)
{
	xmlNodePtr	 n;
	char		*text;
	int		 count, rv = -1;

	if ((n = xml_child_count(parent, NS_WSU, name, &count)) == NULL)
		return 1;
	if (count == 1 && (text = wss_token_text(n, 64)) != NULL) {
		rv = wstime_parse(text, ms);
		free(text);
	}
	return rv;
}

/* formal.md's F and W: not ahead by more than F, not older than W. */
static int
wss_check_created(struct examine *e, int64_t created)
{
	const struct wss_rules	*r = e->rules;

	if (created > r->now + (int64_t)r->future * 1000)
		return wss_fail(e->w, WSS_F_EXPIRED, "created in the future");
	if (r->now > created + (int64_t)r->lifetime * 1000)
		return wss_fail(e->w, WSS_F_EXPIRED, "created too long ago");
	return 0;
}

static int
wss_timestamp(struct examine *e)
{
	struct wss	*w = e->w;
	int64_t		 latest;
	int		 expires;

	if (e->timestamp == NULL) {
		if (e->signature == NULL)
			return 0;
		return wss_fail(w, WSS_F_INVALID_SECURITY, "no Timestamp");
	}
	if (wss_time_child(e->timestamp, "Created", &w->created) != 0 ||
	    (expires = wss_time_child(e->timestamp, "Expires",
	    &w->expires)) == -1)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "malformed Timestamp");
	latest = w->created + (int64_t)e->rules->lifetime * 1000;
	if (expires == 1 || w->expires > latest)
		w->expires = latest;
	else if (e->rules->now >= w->expires)
		return wss_fail(w, WSS_F_EXPIRED, "expired");
	return wss_check_created(e, w->created);
}

/* Nonce and Created of the token, both optional. */
static int
wss_usertoken_fresh(struct examine *e)
{
	xmlNodePtr	 n;
	uint8_t		*octets;
	int64_t		 created;
	size_t		 len;
	int		 count, rv;

	n = xml_child_count(e->usertoken, NS_WSSE, "Nonce", &count);
	if (n != NULL) {
		if (count != 1 || !wss_attr_is(n, "EncodingType", URI_BASE64) ||
		    (octets = wss_octets(n, WSS_NONCE_MAX, &len)) == NULL)
			return wss_fail(e->w, WSS_F_INVALID_TOKEN,
			    "malformed Nonce");
		free(octets);
		if ((e->nonce = wss_token_text(n, WSS_NONCE_MAX)) == NULL)
			return wss_fail(e->w, WSS_F_FAILED_CHECK,
			    "out of memory");
	}
	if ((rv = wss_time_child(e->usertoken, "Created", &created)) == -1)
		return wss_fail(e->w, WSS_F_INVALID_TOKEN,
		    "malformed Created of the token");
	if (rv == 1)
		return 0;
	if (wss_check_created(e, created) == -1)
		return -1;
	if (e->w->created == 0)
		e->w->created = created;
	return 0;
}

static int
wss_usertoken_password(struct examine *e, xmlNodePtr n)
{
	struct wss	*w = e->w;

	if (!wss_attr_is(n, "Type", URI_PASSWORD_TEXT))
		return wss_fail(w, WSS_F_UNSUPPORTED_TOKEN,
		    "password type is not PasswordText");
	if (e->signature != NULL)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "a password and a signature");
	if ((w->password = xml_text(n, WSS_PASSWORD_MAX)) == NULL)
		return wss_fail(w, WSS_F_INVALID_TOKEN, "malformed password");
	w->token = WSS_PASSWORD;
	return 0;
}

/* UsernameToken Profile 1.1.1 section 4: Salt and Iteration. */
static int
wss_usertoken_mac(struct examine *e, xmlNodePtr salt, xmlNodePtr iteration)
{
	struct wss	*w = e->w;
	const char	*errstr = "absent";
	char		*text;

	if (e->signature == NULL)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "neither a password nor a signature");
	w->salt = wss_octets(salt, 2 * WSS_SALT_MAX, &w->salt_len);
	if (w->salt == NULL || w->salt_len < WSS_SALT_MIN ||
	    w->salt_len > WSS_SALT_MAX)
		return wss_fail(w, WSS_F_INVALID_TOKEN, "malformed Salt");
	if ((text = wss_token_text(iteration, 32)) != NULL)
		w->iterations = (uint32_t)strtonum(text, 1,
		    WSS_ITERATIONS_MAX, &errstr);
	free(text);
	if (errstr != NULL)
		return wss_fail(w, WSS_F_INVALID_TOKEN, "malformed Iteration");
	w->token = WSS_MAC;
	return 0;
}

static int
wss_usertoken(struct examine *e)
{
	struct wss	*w = e->w;
	xmlNodePtr	 name, password, salt, iteration;
	int		 n[4];

	name = xml_child_count(e->usertoken, NS_WSSE, "Username", &n[0]);
	password = xml_child_count(e->usertoken, NS_WSSE, "Password", &n[1]);
	salt = xml_child_count(e->usertoken, NS_WSSE11, "Salt", &n[2]);
	iteration = xml_child_count(e->usertoken, NS_WSSE11, "Iteration",
	    &n[3]);
	if (n[0] != 1 || n[1] > 1 || n[2] > 1 || n[3] > 1 || n[2] != n[3] ||
	    n[1] + n[2] > 1)
		return wss_fail(w, WSS_F_INVALID_TOKEN,
		    "malformed UsernameToken");
	w->username = xml_text(name, WSS_TEXT_MAX);
	if (w->username == NULL || *w->username == '\0')
		return wss_fail(w, WSS_F_INVALID_TOKEN, "malformed Username");
	if (wss_usertoken_fresh(e) == -1)
		return -1;
	if (password != NULL)
		return wss_usertoken_password(e, password);
	if (salt != NULL)
		return wss_usertoken_mac(e, salt, iteration);
	return wss_fail(w, e->signature != NULL ? WSS_F_INVALID_SECURITY :
	    WSS_F_INVALID_TOKEN, "UsernameToken proves nothing");
}

static int
wss_bst(struct examine *e)
{
	struct wss	*w = e->w;
	uint8_t		*der;
	size_t		 len;
	int		 path;

	path = wss_attr_is(e->bst, "ValueType", URI_X509PATH);
	if (!wss_attr_is(e->bst, "EncodingType", URI_BASE64) ||
	    (!path && !wss_attr_is(e->bst, "ValueType", URI_X509V3)))
		return wss_fail(w, WSS_F_UNSUPPORTED_TOKEN,
		    "BinarySecurityToken is not an X.509 certificate");
	if ((der = wss_octets(e->bst, WSS_CERT_MAX, &len)) != NULL)
		w->cert = path ? pki_path_read(der, len, &w->chain) :
		    pki_cert_der(der, len);
	free(der);
	if (w->cert == NULL)
		return wss_fail(w, WSS_F_INVALID_TOKEN,
		    "malformed certificate");
	if (!pki_key_ok(w->cert))
		return wss_fail(w, WSS_F_INVALID_TOKEN,
		    "key is neither P-256 nor RSA of 2048 bits and up");
	w->token = WSS_X509;
	return 0;
}

/* Its own signature is over what it says; whose it may be is judged later. */
static int
wss_assertion(struct examine *e)
{
	struct wss	*w = e->w;
	const char	*why;

	if (saml_read(&w->saml, e->assertion, &why) == -1)
		return wss_fail(w, WSS_F_INVALID_TOKEN, why);
	X509_up_ref(w->saml.holder);
	w->cert = w->saml.holder;
	w->token = WSS_SAML;
	return 0;
}

/*
 * SAML Token Profile 1.1.1, 3.4: by the assertion's ID, which stands in a
 * KeyIdentifier or in the URI of a direct reference.
 */
static int
wss_keyinfo_assertion(struct examine *e, xmlNodePtr n)
{
	struct wss	*w = e->w;
	char		*id, *type;
	int		 same, by_uri = xml_is(n, NS_WSSE, "Reference");

	type = xml_attr(n->parent, NS_WSSE11, "TokenType");
	same = type == NULL || strcmp(type, URI_SAML_TOKEN) == 0;
	free(type);
	if (!by_uri)
		same = same && wss_attr_is(n, "ValueType", URI_SAML_ID);
	else if ((type = xml_attr(n, NULL, "ValueType")) != NULL) {
		same = same && strcmp(type, URI_SAML_TOKEN) == 0;
		free(type);
	}
	if (!same)
		return wss_fail(w, WSS_F_UNSUPPORTED_TOKEN,
		    "the reference is not to an assertion");
	id = by_uri ? xml_attr(n, NULL, "URI") :
	    wss_token_text(n, WSS_TEXT_MAX);
	same = id != NULL && (by_uri ? id[0] == '#' &&
	    strcmp(id + 1, w->saml.id) == 0 : strcmp(id, w->saml.id) == 0);
	free(id);
	if (!same)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "KeyInfo does not refer to the token");
	return 0;
}

/* The key must be that of the one token in this Security header. */
static int
wss_keyinfo_reference(struct examine *e, xmlNodePtr n)
{
	xmlNodePtr	 token;
	char		*uri;
	char		*type;
	int		 same;

	token = e->bst != NULL ? e->bst : e->usertoken;
	uri = xml_attr(n, NULL, "URI");
	same = uri != NULL && uri[0] == '#' && token != NULL &&
	    xml_byid(e->doc, uri + 1) == token;
	free(uri);
	if (!same)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "KeyInfo does not refer to the token");
	type = e->bst != NULL ? xml_attr(e->bst, NULL, "ValueType") :
	    strdup(URI_USERNAME_TOKEN);
	same = type != NULL && wss_attr_is(n, "ValueType", type);
	free(type);
	if (!same)
		return wss_fail(e->w, WSS_F_UNSUPPORTED_TOKEN,
		    "reference with another ValueType than its token");
	return 0;
}

static int
wss_keyinfo_thumbprint(struct examine *e, xmlNodePtr n)
{
	struct wss	*w = e->w;
	uint8_t		*octets;
	char		*type;
	size_t		 len;
	int		 same;

	type = xml_attr(n, NULL, "ValueType");
	same = type != NULL && strcmp(type, URI_THUMBPRINT) == 0;
	free(type);
	if (!same || !wss_attr_is(n, "EncodingType", URI_BASE64))
		return wss_fail(w, WSS_F_UNSUPPORTED_TOKEN,
		    "KeyIdentifier is not a thumbprint");
	if (e->bst != NULL || e->usertoken != NULL)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "a token beside a thumbprint");
	octets = wss_octets(n, 128, &len);
	if (octets == NULL || len != sizeof(w->thumbprint)) {
		free(octets);
		return wss_fail(w, WSS_F_INVALID_TOKEN,
		    "malformed thumbprint");
	}
	memcpy(w->thumbprint, octets, sizeof(w->thumbprint));
	free(octets);
	w->token = WSS_THUMBPRINT;
	return 0;
}

static int
wss_keyinfo(struct examine *e)
{
	xmlNodePtr	 str, n;

	if (e->sig.keyinfo == NULL)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY, "no KeyInfo");
	str = xml_first(e->sig.keyinfo);
	n = xml_first(str);
	if (!xml_is(str, NS_WSSE, "SecurityTokenReference"))
		return wss_fail(e->w, WSS_F_UNSUPPORTED_TOKEN,
		    "KeyInfo is not a SecurityTokenReference");
	if (xml_next(str) != NULL || n == NULL || xml_next(n) != NULL)
		return wss_fail(e->w, WSS_F_INVALID_SECURITY,
		    "malformed KeyInfo");
	if (!xml_is(n, NS_WSSE, "Reference") &&
	    !xml_is(n, NS_WSSE, "KeyIdentifier"))
		return wss_fail(e->w, WSS_F_UNSUPPORTED_TOKEN,
		    "unknown form of key reference");
	if (e->assertion != NULL)
		return wss_keyinfo_assertion(e, n);
	return xml_is(n, NS_WSSE, "Reference") ?
	    wss_keyinfo_reference(e, n) : wss_keyinfo_thumbprint(e, n);
}

/* A MAC under a password's key only, a public key's signature only by one. */
static int
wss_algorithm_fits(struct examine *e)
{
	struct wss	*w = e->w;
	int		 fits = 0, type;

	w->sig_is_ecdsa = e->sig.alg == WSS_ECDSA_SHA256;
	switch (w->token) {
	case WSS_MAC:
		fits = e->sig.alg == WSS_HMAC_SHA256;
		break;
	case WSS_X509:
	case WSS_SAML:
		type = EVP_PKEY_base_id(X509_get0_pubkey(w->cert));
		fits = (e->sig.alg == WSS_ECDSA_SHA256 &&
		    type == EVP_PKEY_EC) || (e->sig.alg == WSS_RSA_SHA256 &&
		    type == EVP_PKEY_RSA);
		break;
	case WSS_THUMBPRINT:
		/* The key's type is judged when the certificate is known. */
		fits = e->sig.alg != WSS_HMAC_SHA256;
		break;
	case WSS_NONE:
	case WSS_PASSWORD:
		break;
	}
	if (!fits)
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "signature method does not fit the token");
	return 0;
}

/*
 * The places whose content a signature may cover: the Body, a header block
 * other than Security, and in Security the Timestamp and the token.
 */
static int
wss_known_place(const struct examine *e, xmlNodePtr n)
{
	if (n == e->w->body || n == e->timestamp || n == e->usertoken ||
	    n == e->bst || n == e->assertion)
		return 1;
	return e->w->header != NULL && n->parent == e->w->header &&
	    n != e->security;
}

static int
wss_find_covered(struct examine *e)
{
	xmlNodePtr	 n;
	size_t		 i, k;

	/* Once each: an element with Ids of several spellings has one digest. */
	for (i = 0; i < e->sig.nref; i++) {
		n = xml_byid(e->doc, e->sig.ref[i].id);
		if (n == NULL)
			return wss_fail(e->w, WSS_F_INVALID_SECURITY,
			    "reference to an Id that is not there");
		if (!wss_known_place(e, n))
			return wss_fail(e->w, WSS_F_INVALID_SECURITY,
			    "signed element is in the wrong place");
		for (k = 0; k < i; k++)
			if (e->covered[k] == n)
				return wss_fail(e->w, WSS_F_INVALID_SECURITY,
				    "one element is referenced twice");
		e->covered[i] = n;
	}
	return 0;
}

static int
wss_is_covered(const struct examine *e, xmlNodePtr n)
{
	size_t	 i;

	for (i = 0; i < e->sig.nref; i++)
		if (e->covered[i] == n)
			return 1;
	return 0;
}

static int
wss_required(struct examine *e)
{
	struct wss	*w = e->w;
	xmlNodePtr	 n;

	if (!wss_is_covered(e, w->body))
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "Body is not signed");
	if (!wss_is_covered(e, e->timestamp))
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "Timestamp is not signed");
	for (n = xml_first(w->header); n != NULL; n = xml_next(n)) {
		if (n->ns == NULL || wss_is_covered(e, n))
			continue;
		if (strcmp((const char *)n->ns->href, NS_WSA) == 0)
			return wss_fail(w, WSS_F_INVALID_SECURITY,
			    "an addressing header is not signed");
		if (n == w->delivery)
			return wss_fail(w, WSS_F_INVALID_SECURITY,
			    "Delivery is not signed");
	}
	return 0;
}

static int
wss_digests(struct examine *e)
{
	size_t	 i;

	for (i = 0; i < e->sig.nref; i++)
		if (wss_reference_check(&e->sig.ref[i], e->covered[i],
		    e->rules->parts) == -1)
			return wss_fail(e->w, WSS_F_FAILED_CHECK,
			    "digest of a signed element is wrong");
	if (xml_c14n_prefixes(e->sig.signedinfo, e->sig.prefixes,
	    &e->w->signedinfo) == -1)
		return wss_fail(e->w, WSS_F_FAILED_CHECK,
		    "SignedInfo has no canonical form");
	return 0;
}

static int
wss_signed(struct examine *e)
{
	struct wss	*w = e->w;

	if (wss_keyinfo(e) == -1 || wss_algorithm_fits(e) == -1 ||
	    wss_find_covered(e) == -1 || wss_required(e) == -1 ||
	    wss_digests(e) == -1)
		return -1;
	w->has_signature = 1;
	w->token_signed = e->assertion != NULL &&
	    wss_is_covered(e, e->assertion);
	w->sigvalue = e->sig.value;
	w->sigvalue_len = e->sig.value_len;
	w->sig_was_der = e->sig.was_der;
	e->sig.value = NULL;
	return 0;
}

static int
wss_examine_all(struct examine *e)
{
	struct wss	*w = e->w;

	if (wss_envelope(e) == -1 || wss_headers(e) == -1)
		return -1;
	if (e->security == NULL)
		return 0;
	/* First the form, then the time, and only then the costly part. */
	if (wss_security_children(e) == -1)
		return -1;
	if (e->signature != NULL && wss_signature_parse(&e->sig, e->signature,
	    e->rules->references_max, e->rules->ecdsa_der ? WSS_SIG_DER : 0,
	    &w->fault, &w->why) == -1)
		return -1;
	if (wss_timestamp(e) == -1 ||
	    (e->usertoken != NULL && wss_usertoken(e) == -1) ||
	    (e->bst != NULL && wss_bst(e) == -1) ||
	    (e->assertion != NULL && wss_assertion(e) == -1) ||
	    (e->signature != NULL && wss_signed(e) == -1))
		return -1;
	/* A nonce that a signature leaves out could be exchanged for another. */
	if (e->signature == NULL || wss_is_covered(e, e->usertoken)) {
		w->nonce = e->nonce;
		e->nonce = NULL;
	}
	return 0;
}

int
wss_examine(struct wss *w, xmlDocPtr doc, const struct wss_rules *rules)
{
	struct examine	 e = { .w = w, .rules = rules, .doc = doc };
	int		 rv;

	memset(w, 0, sizeof(*w));
	rv = wss_examine_all(&e);
	wss_signature_free(&e.sig);
	free(e.nonce);
	return rv;
}

void
wss_free(struct wss *w)
{
	free(w->wsa_action);
	free(w->wsa_to);
	free(w->wsa_messageid);
	free(w->wsa_from);
	free(w->wsa_relatesto);
	free(w->username);
	if (w->password != NULL)
		freezero(w->password, strlen(w->password));
	free(w->salt);
	X509_free(w->cert);
	sk_X509_pop_free(w->chain, X509_free);
	saml_free(&w->saml);
	wbuf_free(&w->signedinfo);
	free(w->sigvalue);
	free(w->nonce);
	memset(w, 0, sizeof(*w));
}

int
wss_verify_cert(struct wss *w)
{
	enum wss_alg	 alg;

	alg = w->sig_is_ecdsa ? WSS_ECDSA_SHA256 : WSS_RSA_SHA256;
	if (!w->has_signature || w->cert == NULL ||
	    (w->token != WSS_X509 && w->token != WSS_THUMBPRINT &&
	    w->token != WSS_SAML))
		return wss_fail(w, WSS_F_INVALID_SECURITY,
		    "no signature by a certificate");
	if (wss_verify_octets(w->cert, alg, w->signedinfo.data,
	    w->signedinfo.len, w->sigvalue, w->sigvalue_len) == -1)
		return wss_fail(w, WSS_F_FAILED_CHECK, "signature is wrong");
	return 0;
}

/*
 * The parts are told apart by a tag, so that nobody's MessageID is another's
 * nonce.
 */
void
wss_replay(const struct wss *w, const char *principal,
    const struct wss_rules *rules, struct replay *r)
{
	struct wbuf	 key = { 0 };
	uint8_t		 digest[32];
	int64_t		 created;

	memset(r, 0, sizeof(*r));
	if (!w->has_signature && w->nonce == NULL)
		return;
	wbuf_str(&key, principal);
	if (w->nonce != NULL) {
		wbuf_u8(&key, 'n');
		wbuf_str(&key, w->nonce);
	} else if (w->wsa_messageid != NULL) {
		wbuf_u8(&key, 'm');
		wbuf_str(&key, w->wsa_messageid);
	} else {
		SHA256(w->signedinfo.data, w->signedinfo.len, digest);
		wbuf_u8(&key, 's');
		wbuf_raw(&key, digest, sizeof(digest));
	}
	if (key.error) {
		/* Out of memory: a key by which all such requests collide. */
		SHA256((const uint8_t *)principal, strlen(principal), r->key);
	} else
		SHA256(key.data, key.len, r->key);
	wbuf_free(&key);
	created = w->created != 0 ? w->created : rules->now;
	r->until = created +
	    ((int64_t)rules->lifetime + (int64_t)rules->future) * 1000;
}
