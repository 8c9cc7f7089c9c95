/* SPDX-License-Identifier: ISC */
/*
 * A request as soap reads it: media type up to the first line feed, then the
 * body: MIME and MTOM, XML, WS-Security up to the signature's value, which is
 * verified where there is a certificate.  An assertion may stand alone.
 */
#include "compat.h"

#include "fuzz.h"
#include "saml.h"
#include "soap.h"
#include "wsemail.h"
#include "wss.h"
#include "xml.h"

static void
fuzz_assertion(xmlNodePtr n)
{
	struct saml	 s;
	const char	*why = NULL;

	if (!xml_is(n, NS_SAML2, "Assertion"))
		return;
	if (saml_read(&s, n, &why) == 0)
		FUZZ_ASSERT(s.holder != NULL && s.signer != NULL);
	else
		FUZZ_ASSERT(why != NULL);
	saml_free(&s);
}

static void
fuzz_envelope(xmlDocPtr doc)
{
	const struct wss_rules	 rules = { 1795400000000, 60, 300, 16, 1, NULL };
	struct wss		 w;

	fuzz_assertion(xmlDocGetRootElement(doc));
	memset(&w, 0, sizeof(w));
	if (wss_examine(&w, doc, &rules) == 0) {
		if (w.token == WSS_X509 || w.token == WSS_SAML)
			(void)wss_verify_cert(&w);
	} else
		FUZZ_ASSERT(w.why != NULL);
	(void)wss_not_understood(&w);
	wss_free(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct xml_limits	 lim = { 1 << 20, 64, 20000, 64, 256, 256 };
	static int		 is_ready;
	struct mime		 m;
	const char		*why = NULL;
	const uint8_t		*p;
	xmlDocPtr		 doc;
	char			 type[512];

	if (!is_ready)
		FUZZ_ASSERT(xml_init() == 0);
	is_ready = 1;
	if ((p = memchr(data, '\n', size)) == NULL ||
	    (size_t)(p - data) >= sizeof(type))
		return 0;
	memcpy(type, data, (size_t)(p - data));
	type[p - data] = '\0';
	size -= (size_t)(p + 1 - data);
	memset(&m, 0, sizeof(m));
	if (mime_read(&m, type, p + 1, size, &why) == -1)
		FUZZ_ASSERT(why != NULL);
	else if ((doc = xml_parse(m.root, m.root_len, &lim, &why)) == NULL)
		FUZZ_ASSERT(why != NULL);
	else {
		if (mime_resolve(&m, doc, &why) == 0)
			fuzz_envelope(doc);
		xmlFreeDoc(doc);
	}
	mime_free(&m);
	return 0;
}
