/* SPDX-License-Identifier: ISC */
/*
 * Composing SOAP envelopes (soapenv.h).  Called by soap and wsmail.
 *
 * Each signed piece declares the prefixes it uses itself, in the order of
 * Canonical XML 1.0 section 2.3, and nothing around it declares any but s:
 * so the piece's octets are its exclusive canonical form wherever it stands.
 * The Body is the exception, as what it holds comes from elsewhere and may
 * declare once more what the Body has; it is canonicalised to be digested.
 *
 * Ids are unique in a document, and what is sent holds Ids of strangers: ours
 * have a tag that nobody can know when he writes a message, or a message
 * could never be in an envelope of ours.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/sha.h>

#include "soapenv.h"
#include "wsemail.h"
#include "wstime.h"

#define SOAPENV_NONCE	20

#define XMLNS_WSU	" xmlns:wsu=\"" NS_WSU "\""
#define XMLNS_WSSE	" xmlns:wsse=\"" NS_WSSE "\""
#define XMLNS_WSSE11	" xmlns:wsse11=\"" NS_WSSE11 "\""

static const char *const soapenv_wsa_ids[][2] = {
	{ "To",		"wsaTo" },
	{ "Action",	"wsaAction" },
	{ "MessageID",	"wsaMessageID" },
	{ "RelatesTo",	"wsaRelatesTo" },
};

static void	 soapenv_fail(struct soapenv *, int);
static void	 soapenv_add_part(struct soapenv *, const char *,
		    const struct wbuf *, size_t);
static const char *soapenv_ns(const struct soapenv *);
static int	 soapenv_digest_body(struct soapenv *);
static void	 soapenv_put_body(struct soapenv *, int, struct wbuf *);
static void	 soapenv_put(struct soapenv *, const uint8_t *, size_t, int,
		    struct wbuf *);
static int	 soapenv_end(struct soapenv *, const struct wbuf *);
static void	 soapenv_put_security(struct soapenv *, const uint8_t *,
		    size_t, struct wbuf *);
static void	 soapenv_put_id(const struct soapenv *, struct wbuf *,
		    const char *);
static void	 soapenv_key_reference(struct soapenv *, const char *,
		    const char *);

void
soapenv_init(struct soapenv *e, int soap12)
{
	memset(e, 0, sizeof(*e));
	e->soap12 = soap12;
	snprintf(e->tag, sizeof(e->tag), "%08x%08x", arc4random(),
	    arc4random());
}

void
soapenv_free(struct soapenv *e)
{
	wbuf_free(&e->header);
	wbuf_free(&e->security);
	wbuf_free(&e->body);
	wbuf_free(&e->keyinfo);
	wbuf_free(&e->signedinfo);
	memset(e, 0, sizeof(*e));
}

static void
soapenv_fail(struct soapenv *e, int error)
{
	if (e->error == 0)
		e->error = error;
}

static const char *
soapenv_ns(const struct soapenv *e)
{
	return e->soap12 ? NS_SOAP12 : NS_SOAP11;
}

/* What was written to w from `from` on is an element with this Id. */
static void
soapenv_add_part(struct soapenv *e, const char *id, const struct wbuf *w,
    size_t from)
{
	if (w->error) {
		soapenv_fail(e, w->error);
		return;
	}
	if (e->nref == SOAPENV_REFS) {
		soapenv_fail(e, E2BIG);
		return;
	}
	snprintf(e->id[e->nref], SOAPENV_ID, "%s-%s", id, e->tag);
	e->ref[e->nref].id = e->id[e->nref];
	SHA256(w->data + from, w->len - from, e->ref[e->nref++].digest);
}

static void
soapenv_put_id(const struct soapenv *e, struct wbuf *w, const char *id)
{
	wbuf_puts(w, " wsu:Id=\"");
	wbuf_puts(w, id);
	wbuf_puts(w, "-");
	wbuf_puts(w, e->tag);
	wbuf_puts(w, "\"");
}

void
soapenv_wsa(struct soapenv *e, const char *name, const char *value)
{
	const char	*id = "wsa";
	size_t		 from = e->header.len, i;

	for (i = 0; i < nitems(soapenv_wsa_ids); i++)
		if (strcmp(soapenv_wsa_ids[i][0], name) == 0)
			id = soapenv_wsa_ids[i][1];
	wbuf_printf(&e->header, "<wsa:%s xmlns:wsa=\"" NS_WSA "\"" XMLNS_WSU,
	    name);
	soapenv_put_id(e, &e->header, id);
	wbuf_puts(&e->header, ">");
	xml_put_text(&e->header, value);
	wbuf_printf(&e->header, "</wsa:%s>", name);
	soapenv_add_part(e, id, &e->header, from);
}

void
soapenv_delivery(struct soapenv *e, const char *kind, const char *from,
    const char *to, const struct rcpt *rcpt, size_t n, int instant)
{
	struct wbuf	*w = &e->header;
	size_t		 start = w->len, i;

	wbuf_puts(w, "<x:Delivery" XMLNS_WSU " xmlns:x=\"" NS_WSE2 "\"");
	soapenv_put_id(e, w, "Delivery");
	wbuf_puts(w, ">");
	xml_put_elem(w, "x:Kind", kind);
	xml_put_elem(w, "x:From", from);
	xml_put_elem(w, "x:To", to);
	for (i = 0; i < n; i++) {
		wbuf_puts(w, "<x:Recipient");
		if (rcpt[i].orig != NULL && rcpt[i].orig[0] != '\0') {
			wbuf_puts(w, " for=\"");
			xml_put_attr(w, rcpt[i].orig);
			wbuf_puts(w, "\"");
		}
		wbuf_puts(w, ">");
		xml_put_text(w, rcpt[i].addr);
		wbuf_puts(w, "</x:Recipient>");
	}
	if (instant)
		xml_put_elem(w, "x:Instant", "true");
	wbuf_puts(w, "</x:Delivery>");
	soapenv_add_part(e, "Delivery", w, start);
}

void
soapenv_timestamp(struct soapenv *e, int64_t now, unsigned int lifetime)
{
	struct wbuf	*w = &e->security;
	size_t		 from = w->len;
	char		 when[WSTIME_LEN];

	wbuf_puts(w, "<wsu:Timestamp" XMLNS_WSU);
	soapenv_put_id(e, w, "Time");
	wbuf_puts(w, ">");
	xml_put_elem(w, "wsu:Created", wstime_format(now, when, sizeof(when)));
	xml_put_elem(w, "wsu:Expires", wstime_format(now +
	    (int64_t)lifetime * 1000, when, sizeof(when)));
	wbuf_puts(w, "</wsu:Timestamp>");
	soapenv_add_part(e, "Time", w, from);
}

void
soapenv_token_password(struct soapenv *e, const char *user, const char *password)
{
	struct wbuf	*w = &e->security;
	size_t		 from = w->len;

	wbuf_puts(w, "<wsse:UsernameToken" XMLNS_WSSE XMLNS_WSU);
	soapenv_put_id(e, w, "User");
	wbuf_puts(w, ">");
	xml_put_elem(w, "wsse:Username", user);
	wbuf_puts(w, "<wsse:Password Type=\"" URI_PASSWORD_TEXT "\">");
	xml_put_text(w, password);
	wbuf_puts(w, "</wsse:Password></wsse:UsernameToken>");
	soapenv_add_part(e, "User", w, from);
}

/* ds:KeyInfo's inside: a reference to the token with that Id. */
static void
soapenv_key_reference(struct soapenv *e, const char *id, const char *type)
{
	wbuf_printf(&e->keyinfo, "<wsse:SecurityTokenReference" XMLNS_WSSE ">"
	    "<wsse:Reference URI=\"#%s-%s\" ValueType=\"%s\"></wsse:Reference>"
	    "</wsse:SecurityTokenReference>", id, e->tag, type);
	if (e->keyinfo.error)
		soapenv_fail(e, e->keyinfo.error);
}

void
soapenv_token_mac(struct soapenv *e, const char *user, const uint8_t *salt,
    size_t salt_len, uint32_t iterations)
{
	struct wbuf	*w = &e->security;
	uint8_t		 nonce[SOAPENV_NONCE];
	size_t		 from = w->len;
	char		 when[WSTIME_LEN];

	arc4random_buf(nonce, sizeof(nonce));
	wbuf_puts(w, "<wsse:UsernameToken" XMLNS_WSSE XMLNS_WSU);
	soapenv_put_id(e, w, "User");
	wbuf_puts(w, ">");
	xml_put_elem(w, "wsse:Username", user);
	wbuf_puts(w, "<wsse:Nonce EncodingType=\"" URI_BASE64 "\">");
	xml_put_base64(w, nonce, sizeof(nonce));
	wbuf_puts(w, "</wsse:Nonce>");
	xml_put_elem(w, "wsu:Created", wstime_format(wstime_now(), when,
	    sizeof(when)));
	wbuf_puts(w, "<wsse11:Salt" XMLNS_WSSE11 ">");
	xml_put_base64(w, salt, salt_len);
	wbuf_printf(w, "</wsse11:Salt><wsse11:Iteration" XMLNS_WSSE11
	    ">%u</wsse11:Iteration></wsse:UsernameToken>", iterations);
	soapenv_add_part(e, "User", w, from);
	soapenv_key_reference(e, "User", URI_USERNAME_TOKEN);
}

void
soapenv_token_cert(struct soapenv *e, X509 *cert, STACK_OF(X509) *chain)
{
	const char	*type = URI_X509V3;
	struct wbuf	*w = &e->security;
	size_t		 from = w->len, len;
	uint8_t		*der;

	if (sk_X509_num(chain) > 0) {
		type = URI_X509PATH;
		der = pki_path_der(cert, chain, &len);
	} else
		der = pki_der(cert, &len);
	if (der == NULL) {
		soapenv_fail(e, ENOMEM);
		return;
	}
	wbuf_printf(w, "<wsse:BinarySecurityToken" XMLNS_WSSE XMLNS_WSU
	    " EncodingType=\"" URI_BASE64 "\" ValueType=\"%s\"", type);
	soapenv_put_id(e, w, "Cert");
	wbuf_puts(w, ">");
	xml_put_base64(w, der, len);
	wbuf_puts(w, "</wsse:BinarySecurityToken>");
	free(der);
	soapenv_add_part(e, "Cert", w, from);
	soapenv_key_reference(e, "Cert", type);
}

void
soapenv_token_thumbprint(struct soapenv *e, X509 *cert)
{
	uint8_t	 sha1[20];

	if (pki_thumbprint(cert, sha1) == -1) {
		soapenv_fail(e, EINVAL);
		return;
	}
	wbuf_puts(&e->keyinfo, "<wsse:SecurityTokenReference" XMLNS_WSSE ">"
	    "<wsse:KeyIdentifier EncodingType=\"" URI_BASE64 "\" ValueType=\""
	    URI_THUMBPRINT "\">");
	xml_put_base64(&e->keyinfo, sha1, sizeof(sha1));
	wbuf_puts(&e->keyinfo,
	    "</wsse:KeyIdentifier></wsse:SecurityTokenReference>");
	if (e->keyinfo.error)
		soapenv_fail(e, e->keyinfo.error);
}

/* SAML Token Profile 1.1.1, 3.4. */
void
soapenv_token_saml(struct soapenv *e, const char *xml, const char *id)
{
	wbuf_puts(&e->security, xml);
	/* It is signed like the rest, by the ID that it has. */
	if (e->nref == SOAPENV_REFS || strlcpy(e->id[e->nref], id,
	    sizeof(e->id[0])) >= sizeof(e->id[0])) {
		soapenv_fail(e, EINVAL);
		return;
	}
	e->ref[e->nref].id = e->id[e->nref];
	SHA256((const uint8_t *)xml, strlen(xml), e->ref[e->nref++].digest);
	wbuf_puts(&e->keyinfo, "<wsse:SecurityTokenReference" XMLNS_WSSE
	    " xmlns:wsse11=\"" NS_WSSE11 "\" wsse11:TokenType=\""
	    URI_SAML_TOKEN "\"><wsse:KeyIdentifier ValueType=\"" URI_SAML_ID
	    "\">");
	xml_put_text(&e->keyinfo, id);
	wbuf_puts(&e->keyinfo,
	    "</wsse:KeyIdentifier></wsse:SecurityTokenReference>");
	if (e->keyinfo.error)
		soapenv_fail(e, e->keyinfo.error);
}

void
soapenv_body_open(struct soapenv *e)
{
	wbuf_printf(&e->body, "<s:Body xmlns:s=\"%s\"" XMLNS_WSU,
	    soapenv_ns(e));
	soapenv_put_id(e, &e->body, "Body");
	wbuf_puts(&e->body, ">");
}

void
soapenv_body(struct soapenv *e, const char *ns, const char *op,
    const struct wbuf *content)
{
	struct wbuf	*w = &e->body;

	soapenv_body_open(e);
	wbuf_printf(w, "<w:%s xmlns:w=\"%s\">", op, ns);
	if (content != NULL) {
		wbuf_raw(w, content->data, content->len);
		if (content->error)
			soapenv_fail(e, content->error);
	}
	wbuf_printf(w, "</w:%s></s:Body>", op);
	if (w->error)
		soapenv_fail(e, w->error);
}

void
soapenv_part(struct soapenv *e, const void *p, size_t len)
{
	xml_parts_init(&e->parts);
	if (xml_parts_add(&e->parts, p, len, e->mark) == -1)
		soapenv_fail(e, E2BIG);
}

/* The bounds only stop what is not ours: callers compose what they checked. */
static int
soapenv_digest_body(struct soapenv *e)
{
	const struct xml_limits	 lim = { e->body.len, 256, 4000000, 4096,
				    1000000, 1000000 };
	struct wbuf		 w = { 0 };
	xmlDocPtr		 doc;
	const char		*why;
	int			 rv = -1;

	if ((doc = xml_parse(e->body.data, e->body.len, &lim, &why)) == NULL) {
		soapenv_fail(e, EILSEQ);
		return -1;
	}
	if (xml_c14n(xmlDocGetRootElement(doc), &w) == 0) {
		soapenv_add_part(e, "Body", &w, 0);
		rv = e->error ? -1 : 0;
		if (rv == 0 && e->parts.n > 0 && (rv = xml_parts_digest(
		    &e->parts, w.data, w.len, e->ref[e->nref - 1].digest)) ==
		    -1)
			soapenv_fail(e, errno);
	} else
		soapenv_fail(e, w.error ? w.error : EILSEQ);
	wbuf_free(&w);
	xmlFreeDoc(doc);
	return rv;
}

const struct wbuf *
soapenv_signedinfo(struct soapenv *e, const char *alg)
{
	if (e->error != 0 || soapenv_digest_body(e) == -1) {
		errno = e->error;
		return NULL;
	}
	wss_signedinfo(&e->signedinfo, alg, e->ref, e->nref);
	if (e->signedinfo.error) {
		soapenv_fail(e, e->signedinfo.error);
		errno = e->error;
		return NULL;
	}
	return &e->signedinfo;
}

/* The Security header with the signature, if there is a value. */
static void
soapenv_put_security(struct soapenv *e, const uint8_t *value, size_t len,
    struct wbuf *out)
{
	wbuf_puts(out, "<wsse:Security" XMLNS_WSSE " s:mustUnderstand=\"1\">");
	wbuf_raw(out, e->security.data, e->security.len);
	if (value != NULL) {
		wbuf_u8(&e->keyinfo, 0);	/* as a string */
		if (e->keyinfo.error)
			soapenv_fail(e, e->keyinfo.error);
		else
			wss_signature(out, &e->signedinfo, value, len,
			    (const char *)e->keyinfo.data);
	}
	wbuf_puts(out, "</wsse:Security>");
}

/* Body, with the part in it: as a reference or in base64. */
static void
soapenv_put_body(struct soapenv *e, int include, struct wbuf *out)
{
	const uint8_t	*at, *end = e->body.data + e->body.len;

	if (e->parts.n == 0) {
		wbuf_raw(out, e->body.data, e->body.len);
		return;
	}
	if ((at = memmem(e->body.data, e->body.len, e->mark,
	    strlen(e->mark))) == NULL) {
		soapenv_fail(e, EINVAL);
		return;
	}
	wbuf_raw(out, e->body.data, (size_t)(at - e->body.data));
	if (include)
		wbuf_printf(out, "<xop:Include xmlns:xop=\"" NS_XOP "\" "
		    "href=\"cid:data-%s@wsemail\"/>", e->tag);
	else
		xml_put_base64(out, e->parts.part[0].data,
		    e->parts.part[0].len);
	at += strlen(e->mark);
	wbuf_raw(out, at, (size_t)(end - at));
}

static void
soapenv_put(struct soapenv *e, const uint8_t *value, size_t len, int include,
    struct wbuf *out)
{
	int	 security = e->security.len > 0 || value != NULL;

	wbuf_printf(out, "<s:Envelope xmlns:s=\"%s\">", soapenv_ns(e));
	if (security || e->header.len > 0)
		wbuf_puts(out, "<s:Header>");
	wbuf_raw(out, e->header.data, e->header.len);
	if (security)
		soapenv_put_security(e, value, len, out);
	if (security || e->header.len > 0)
		wbuf_puts(out, "</s:Header>");
	soapenv_put_body(e, include, out);
	wbuf_puts(out, "</s:Envelope>");
}

/* 0, or -1 and errno. */
static int
soapenv_end(struct soapenv *e, const struct wbuf *out)
{
	if (out->error)
		soapenv_fail(e, out->error);
	errno = e->error;
	return e->error != 0 ? -1 : 0;
}

int
soapenv_finish(struct soapenv *e, const uint8_t *value, size_t len,
    struct wbuf *out)
{
	soapenv_put(e, value, len, 0, out);
	return soapenv_end(e, out);
}

/* XOP 1.0 section 4, RFC 2387; the tag is in nothing that others wrote. */
int
soapenv_package(struct soapenv *e, const uint8_t *value, size_t len,
    struct wbuf *out, char type[static SOAPENV_TYPE])
{
	const char	*soap = e->soap12 ? "application/soap+xml" : "text/xml";

	snprintf(type, SOAPENV_TYPE, "multipart/related; boundary=\"part-%s\"; "
	    "type=\"application/xop+xml\"; start=\"<root-%s@wsemail>\"; "
	    "start-info=\"%s\"", e->tag, e->tag, soap);
	wbuf_printf(out, "--part-%s\r\nContent-Type: application/xop+xml; "
	    "charset=utf-8; type=\"%s\"\r\nContent-Transfer-Encoding: 8bit\r\n"
	    "Content-ID: <root-%s@wsemail>\r\n\r\n", e->tag, soap, e->tag);
	soapenv_put(e, value, len, 1, out);
	if (e->parts.n > 0) {
		wbuf_printf(out, "\r\n--part-%s\r\nContent-Type: "
		    "application/octet-stream\r\nContent-Transfer-Encoding: "
		    "binary\r\nContent-ID: <data-%s@wsemail>\r\n\r\n",
		    e->tag, e->tag);
		wbuf_raw(out, e->parts.part[0].data, e->parts.part[0].len);
	}
	wbuf_printf(out, "\r\n--part-%s--\r\n", e->tag);
	return soapenv_end(e, out);
}
