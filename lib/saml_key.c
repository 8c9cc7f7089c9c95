/* SPDX-License-Identifier: ISC */
/*
 * The key of a token's holder, in ds:KeyInfo: as a request for a token has it,
 * and as the assertion hands it on (XML Signature 1.1, sections 4.5.2 and
 * 4.5.4).  A bare key is carried by a certificate that says nothing, as a
 * certificate of a holder says nothing but its key, either.
 */
#include "compat.h"

/* The 1.1.1 interface, which LibreSSL has too. */
#define OPENSSL_API_COMPAT	0x10101000L
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "saml.h"
#include "wss.h"
#include "wsemail.h"

#define KEY_TEXT_MAX	2048	/* base64: RSA of 8192 bits is 1368 */
#define KEY_CERT_MAX	16384	/* base64 */
#define KEY_POINT	65	/* of P-256, uncompressed: 4, x, y */
#define KEY_EXPONENT_MAX 8	/* octets; longer ones only cost time */

static uint8_t	*key_octets(xmlNodePtr, size_t, size_t *);
static void	 key_put_number(struct wbuf *, const char *, const BIGNUM *);
static void	 key_put_value(struct wbuf *, EVP_PKEY *);
static EVP_PKEY	*key_read_rsa(xmlNodePtr);
static EVP_PKEY	*key_read_ec(xmlNodePtr);
static int	 key_ec_set(EVP_PKEY *, const uint8_t *, size_t);
static X509	*key_read_cert(xmlNodePtr);
static X509	*key_read_value(xmlNodePtr);

static uint8_t *
key_octets(xmlNodePtr n, size_t max, size_t *len)
{
	uint8_t	*octets;
	char	*text;

	if ((text = xml_text(n, max)) == NULL)
		return NULL;
	octets = xml_base64(text, len);
	free(text);
	return octets;
}

/* --- writing ------------------------------------------------------------- */

/* A CryptoBinary: big endian, without leading zeros. */
static void
key_put_number(struct wbuf *w, const char *name, const BIGNUM *v)
{
	uint8_t	 buf[1024];
	int	 n = BN_num_bytes(v);

	if (n > (int)sizeof(buf)) {
		w->error = 1;
		return;
	}
	(void)BN_bn2bin(v, buf);
	wbuf_printf(w, "<ds:%s>", name);
	xml_put_base64(w, buf, (size_t)n);
	wbuf_printf(w, "</ds:%s>", name);
}

static void
key_put_value(struct wbuf *w, EVP_PKEY *key)
{
	const EC_KEY	*ec;
	const BIGNUM	*n, *e;
	uint8_t		 point[KEY_POINT];

	wbuf_puts(w, "<ds:KeyValue>");
	if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA) {
		RSA_get0_key(EVP_PKEY_get0_RSA(key), &n, &e, NULL);
		wbuf_puts(w, "<ds:RSAKeyValue>");
		key_put_number(w, "Modulus", n);
		key_put_number(w, "Exponent", e);
		wbuf_puts(w, "</ds:RSAKeyValue>");
	} else if ((ec = EVP_PKEY_get0_EC_KEY(key)) != NULL &&
	    EC_POINT_point2oct(EC_KEY_get0_group(ec),
	    EC_KEY_get0_public_key(ec), POINT_CONVERSION_UNCOMPRESSED, point,
	    sizeof(point), NULL) == sizeof(point)) {
		wbuf_puts(w, "<dsig11:ECKeyValue xmlns:dsig11=\"" NS_DSIG11
		    "\"><dsig11:NamedCurve URI=\"" URI_P256
		    "\"></dsig11:NamedCurve><dsig11:PublicKey>");
		xml_put_base64(w, point, sizeof(point));
		wbuf_puts(w, "</dsig11:PublicKey></dsig11:ECKeyValue>");
	} else
		w->error = 1;
	wbuf_puts(w, "</ds:KeyValue>");
}

/* --- reading ------------------------------------------------------------- */

static EVP_PKEY *
key_read_rsa(xmlNodePtr v)
{
	EVP_PKEY	*key = NULL;
	xmlNodePtr	 m, x;
	uint8_t		*modulus = NULL, *exponent = NULL;
	BIGNUM		*n = NULL, *e = NULL;
	size_t		 nlen = 0, elen = 0;
	RSA		*rsa = NULL;

	m = xml_first(v);
	x = xml_next(m);
	if (!xml_is(m, NS_DS, "Modulus") || !xml_is(x, NS_DS, "Exponent") ||
	    xml_next(x) != NULL)
		return NULL;
	modulus = key_octets(m, KEY_TEXT_MAX, &nlen);
	exponent = key_octets(x, KEY_TEXT_MAX, &elen);
	if (modulus != NULL && exponent != NULL && elen <= KEY_EXPONENT_MAX) {
		n = BN_bin2bn(modulus, (int)nlen, NULL);
		e = BN_bin2bn(exponent, (int)elen, NULL);
	}
	/* An exponent of 1 or an even one makes every value a signature. */
	if (n != NULL && e != NULL && BN_is_odd(n) && BN_is_odd(e) &&
	    !BN_is_one(e) && (rsa = RSA_new()) != NULL &&
	    RSA_set0_key(rsa, n, e, NULL) == 1) {
		n = e = NULL;
		if ((key = EVP_PKEY_new()) != NULL &&
		    EVP_PKEY_set1_RSA(key, rsa) != 1) {
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	RSA_free(rsa);
	BN_free(n);
	BN_free(e);
	free(modulus);
	free(exponent);
	return key;
}

/* The point is on the curve and not the one at infinity: EC_KEY_check_key. */
static int
key_ec_set(EVP_PKEY *key, const uint8_t *octets, size_t len)
{
	EC_POINT	*point;
	EC_KEY		*ec;
	int		 rv = -1;

	if ((ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)) == NULL)
		return -1;
	EC_KEY_set_asn1_flag(ec, OPENSSL_EC_NAMED_CURVE);
	point = EC_POINT_new(EC_KEY_get0_group(ec));
	if (point != NULL && EC_POINT_oct2point(EC_KEY_get0_group(ec), point,
	    octets, len, NULL) == 1 && EC_KEY_set_public_key(ec, point) == 1 &&
	    EC_KEY_check_key(ec) == 1 && EVP_PKEY_set1_EC_KEY(key, ec) == 1)
		rv = 0;
	EC_POINT_free(point);
	EC_KEY_free(ec);
	return rv;
}

static EVP_PKEY *
key_read_ec(xmlNodePtr v)
{
	EVP_PKEY	*key = NULL;
	xmlNodePtr	 curve, point;
	uint8_t		*octets;
	char		*uri;
	size_t		 len;
	int		 ok;

	curve = xml_first(v);
	point = xml_next(curve);
	if (!xml_is(curve, NS_DSIG11, "NamedCurve") ||
	    !xml_is(point, NS_DSIG11, "PublicKey") || xml_next(point) != NULL)
		return NULL;
	uri = xml_attr(curve, NULL, "URI");
	ok = uri != NULL && strcmp(uri, URI_P256) == 0;
	free(uri);
	if (!ok || (octets = key_octets(point, KEY_TEXT_MAX, &len)) == NULL)
		return NULL;
	if (len == KEY_POINT && octets[0] == POINT_CONVERSION_UNCOMPRESSED &&
	    (key = EVP_PKEY_new()) != NULL &&
	    key_ec_set(key, octets, len) == -1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	free(octets);
	return key;
}

static X509 *
key_read_cert(xmlNodePtr data)
{
	xmlNodePtr	 n = xml_first(data);
	uint8_t		*der;
	size_t		 len;
	X509		*cert;

	if (!xml_is(n, NS_DS, "X509Certificate") || xml_next(n) != NULL ||
	    (der = key_octets(n, KEY_CERT_MAX, &len)) == NULL)
		return NULL;
	cert = pki_cert_der(der, len);
	free(der);
	return cert;
}

/* In a certificate that has nothing else. */
static X509 *
key_read_value(xmlNodePtr value)
{
	xmlNodePtr	 v = xml_first(value);
	EVP_PKEY	*key = NULL;
	X509		*cert = NULL;

	if (xml_next(v) != NULL)
		return NULL;
	if (xml_is(v, NS_DS, "RSAKeyValue"))
		key = key_read_rsa(v);
	else if (xml_is(v, NS_DSIG11, "ECKeyValue"))
		key = key_read_ec(v);
	if (key != NULL && (cert = X509_new()) != NULL &&
	    X509_set_pubkey(cert, key) != 1) {
		X509_free(cert);
		cert = NULL;
	}
	EVP_PKEY_free(key);
	return cert;
}

int
saml_holder_read(struct saml *s, xmlNodePtr keyinfo)
{
	xmlNodePtr	 n = xml_first(keyinfo);

	if (!xml_is(keyinfo, NS_DS, "KeyInfo") || n == NULL ||
	    xml_next(n) != NULL)
		return -1;
	s->bare_key = xml_is(n, NS_DS, "KeyValue");
	if (s->bare_key)
		s->holder = key_read_value(n);
	else if (xml_is(n, NS_DS, "X509Data"))
		s->holder = key_read_cert(n);
	ERR_clear_error();
	return s->holder != NULL && pki_key_ok(s->holder) ? 0 : -1;
}

int
saml_holder_put(struct wbuf *w, const struct saml *s)
{
	if (!s->bare_key)
		return wss_x509data(w, s->holder, NULL);
	key_put_value(w, X509_get0_pubkey(s->holder));
	return w->error ? -1 : 0;
}
