/* SPDX-License-Identifier: ISC */
/*
 * Composing signatures.  Everything is written as text that is already in
 * exclusive canonical form (Exclusive XML Canonicalization 1.0), so that
 * the octets that are sent are the octets that were digested.  Called by
 * soap and wsmail; the signature value itself comes from who has the key.
 */
#include "compat.h"

#include <errno.h>

#include <openssl/sha.h>

#include "wss_int.h"

#define SIGNEDINFO_ALONE	"<ds:SignedInfo xmlns:ds=\"" NS_DS "\">"
#define SIGNEDINFO_INSIDE	"<ds:SignedInfo>"

/* What we compose ourselves is not short of anything. */
#define OWN_DEPTH		200
#define OWN_COUNT		1000000
#define OWN_ATTRIBUTES		4096

static void	 sign_algorithm(struct wbuf *, const char *, const char *);
static int	 sign_put_cert(struct wbuf *, X509 *);

/* <ds:name Algorithm="uri"></ds:name> */
static void
sign_algorithm(struct wbuf *w, const char *name, const char *uri)
{
	wbuf_puts(w, "<ds:");
	wbuf_puts(w, name);
	wbuf_puts(w, " Algorithm=\"");
	xml_put_attr(w, uri);
	wbuf_puts(w, "\"></ds:");
	wbuf_puts(w, name);
	wbuf_puts(w, ">");
}

void
wss_signedinfo(struct wbuf *w, const char *sigalg, const struct wss_ref *refs,
    size_t n)
{
	size_t	 i;

	wbuf_puts(w, SIGNEDINFO_ALONE);
	sign_algorithm(w, "CanonicalizationMethod", NS_EXC_C14N);
	sign_algorithm(w, "SignatureMethod", sigalg);
	for (i = 0; i < n; i++) {
		wbuf_puts(w, "<ds:Reference URI=\"#");
		xml_put_attr(w, refs[i].id);
		wbuf_puts(w, "\"><ds:Transforms>");
		if (refs[i].enveloped)
			sign_algorithm(w, "Transform", URI_ENVELOPED);
		sign_algorithm(w, "Transform", NS_EXC_C14N);
		wbuf_puts(w, "</ds:Transforms>");
		sign_algorithm(w, "DigestMethod", URI_SHA256);
		wbuf_puts(w, "<ds:DigestValue>");
		xml_put_base64(w, refs[i].digest, sizeof(refs[i].digest));
		wbuf_puts(w, "</ds:DigestValue></ds:Reference>");
	}
	wbuf_puts(w, "</ds:SignedInfo>");
}

/*
 * Inside of ds:Signature the declaration of SignedInfo is superfluous, and
 * leaving it would make the Signature differ from its own canonical form.
 */
void
wss_signature(struct wbuf *w, const struct wbuf *signedinfo,
    const uint8_t *value, size_t len, const char *keyinfo)
{
	const size_t	 alone = sizeof(SIGNEDINFO_ALONE) - 1;

	if (signedinfo->len < alone ||
	    memcmp(signedinfo->data, SIGNEDINFO_ALONE, alone) != 0) {
		w->error = EINVAL;	/* not by wss_signedinfo() */
		return;
	}
	wbuf_puts(w, "<ds:Signature xmlns:ds=\"" NS_DS "\">");
	wbuf_puts(w, SIGNEDINFO_INSIDE);
	wbuf_raw(w, signedinfo->data + alone, signedinfo->len - alone);
	wbuf_puts(w, "<ds:SignatureValue>");
	xml_put_base64(w, value, len);
	wbuf_puts(w, "</ds:SignatureValue>");
	if (keyinfo != NULL) {
		wbuf_puts(w, "<ds:KeyInfo>");
		wbuf_puts(w, keyinfo);
		wbuf_puts(w, "</ds:KeyInfo>");
	}
	wbuf_puts(w, "</ds:Signature>");
}

static int
sign_put_cert(struct wbuf *w, X509 *cert)
{
	uint8_t	*der;
	size_t	 len;

	if ((der = pki_der(cert, &len)) == NULL)
		return -1;
	wbuf_puts(w, "<ds:X509Certificate>");
	xml_put_base64(w, der, len);
	wbuf_puts(w, "</ds:X509Certificate>");
	free(der);
	return 0;
}

int
wss_x509data(struct wbuf *w, X509 *cert, STACK_OF(X509) *chain)
{
	int	 i;

	wbuf_puts(w, "<ds:X509Data>");
	if (sign_put_cert(w, cert) == -1)
		return -1;
	for (i = 0; i < sk_X509_num(chain); i++)
		if (sign_put_cert(w, sk_X509_value(chain, i)) == -1)
			return -1;
	wbuf_puts(w, "</ds:X509Data>");
	return w->error ? -1 : 0;
}

int
wss_digest(const void *p, size_t len, uint8_t digest[32])
{
	const struct xml_limits	 lim = { len, OWN_DEPTH, OWN_COUNT,
				    OWN_ATTRIBUTES, OWN_COUNT, OWN_COUNT };
	struct wbuf		 w = { 0 };
	xmlDocPtr		 doc;
	const char		*why;
	int			 rv = -1;

	if ((doc = xml_parse(p, len, &lim, &why)) == NULL) {
		errno = EILSEQ;
		return -1;
	}
	if (xml_c14n(xmlDocGetRootElement(doc), &w) == -1)
		errno = w.error ? w.error : EILSEQ;
	else if (w.len != len || memcmp(w.data, p, len) != 0)
		errno = EILSEQ;
	else if (SHA256(w.data, w.len, digest) == NULL)
		errno = ENOMEM;
	else
		rv = 0;
	wbuf_free(&w);
	xmlFreeDoc(doc);
	return rv;
}
