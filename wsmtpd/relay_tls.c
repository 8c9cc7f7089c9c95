/* SPDX-License-Identifier: ISC */
/*
 * Whom the relay trusts: the anchors of the configuration, TLS 1.2 at least,
 * and the certificate must name the mail domain that was asked for (libtls
 * compares the name given to tls_connect_socket()).
 *
 * CRLs are looked at here and not by libtls: with one CRL set it demands one
 * for every certificate of every chain, so that an anchor without a CRL would
 * be of no use beside one that has it.
 */
#include "compat.h"

#include <stdio.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "log.h"
#include "relay.h"

struct relay_tls {
	struct tls_config	*config;
	STACK_OF(X509_CRL)	*crls;
	int			 has_anchor;
};

static int	 relay_tls_anchors(struct relay_tls *, const struct conf *);
static int	 relay_tls_crls(struct relay_tls *, const struct conf_trust *,
		    int);
static int	 relay_tls_signed(X509_CRL *, const struct conf_trust *);
static const char *relay_tls_revoked(const struct relay_tls *, X509 *);

struct relay_tls *
relay_tls_new(const struct conf *conf)
{
	struct conf_trust	*t;
	struct relay_tls	*rt;
	int			 n = 0;

	if ((rt = calloc(1, sizeof(*rt))) == NULL) {
		log_warn("tls");
		return NULL;
	}
	if ((rt->config = tls_config_new()) == NULL ||
	    (rt->crls = sk_X509_CRL_new_null()) == NULL) {
		log_warn("tls");
		goto err;
	}
	if (tls_config_set_protocols(rt->config,
	    TLS_PROTOCOL_TLSv1_2 | TLS_PROTOCOL_TLSv1_3) == -1 ||
	    tls_config_set_alpn(rt->config, "http/1.1") == -1) {
		log_warnx("tls: %s", tls_config_error(rt->config));
		goto err;
	}
	if (relay_tls_anchors(rt, conf) == -1)
		goto err;
	TAILQ_FOREACH(t, &conf->trusts, entry)
		if (relay_tls_crls(rt, t, ++n) == -1)
			goto err;
	return rt;
err:
	relay_tls_free(rt);
	return NULL;
}

void
relay_tls_free(struct relay_tls *rt)
{
	if (rt == NULL)
		return;
	tls_config_free(rt->config);
	sk_X509_CRL_pop_free(rt->crls, X509_CRL_free);
	free(rt);
}

static int
relay_tls_anchors(struct relay_tls *rt, const struct conf *conf)
{
	struct conf_trust	*t;
	struct wbuf		 w = { 0 };
	int			 ret = 0;

	TAILQ_FOREACH(t, &conf->trusts, entry) {
		wbuf_raw(&w, t->ca.data, t->ca.len);
		wbuf_puts(&w, "\n");
		rt->has_anchor = 1;
	}
	if (w.error || (w.len > 0 &&
	    tls_config_set_ca_mem(rt->config, w.data, w.len) == -1)) {
		log_warnx("tls: trust anchors: %s", w.error ?
		    "out of memory" : tls_config_error(rt->config));
		ret = -1;
	}
	wbuf_free(&w);
	return ret;
}

/* nth: file names stay with the parent. */
static int
relay_tls_crls(struct relay_tls *rt, const struct conf_trust *t, int nth)
{
	X509_CRL	*crl;
	BIO		*bio;
	int		 n = 0;

	if (t->crl.len == 0)
		return 0;
	if ((bio = BIO_new_mem_buf(t->crl.data, (int)t->crl.len)) == NULL) {
		log_warnx("trust anchor %d: out of memory", nth);
		return -1;
	}
	while ((crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		if (!relay_tls_signed(crl, t)) {
			log_warnx("trust anchor %d: its CRL is not its own",
			    nth);
			X509_CRL_free(crl);
			break;
		}
		if (sk_X509_CRL_push(rt->crls, crl) == 0) {
			X509_CRL_free(crl);
			break;
		}
		n++;
	}
	BIO_free(bio);
	if (crl != NULL || n == 0) {
		if (n == 0)
			log_warnx("trust anchor %d: no usable CRL", nth);
		return -1;
	}
	return 0;
}

static int
relay_tls_signed(X509_CRL *crl, const struct conf_trust *t)
{
	X509	*x;
	BIO	*bio;
	int	 ok = 0;

	if ((bio = BIO_new_mem_buf(t->ca.data, (int)t->ca.len)) == NULL)
		return 0;
	while (!ok && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		ok = X509_NAME_cmp(X509_get_subject_name(x),
		    X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(x)) == 1;
		X509_free(x);
	}
	BIO_free(bio);
	return ok;
}

struct tls *
relay_tls_client(struct relay_tls *rt, const char **why)
{
	struct tls	*ctx;

	if (!rt->has_anchor) {
		*why = "no trust anchor is configured";
		return NULL;
	}
	*why = "out of memory";
	if ((ctx = tls_client()) == NULL)
		return NULL;
	if (tls_configure(ctx, rt->config) == -1) {
		log_warnx("tls: %s", tls_error(ctx));
		*why = "TLS cannot be set up";
		tls_free(ctx);
		return NULL;
	}
	return ctx;
}

const char *
relay_tls_check(const struct relay_tls *rt, struct tls *tls)
{
	const uint8_t	*pem;
	const char	*why = NULL;
	size_t		 len;
	X509		*x;
	BIO		*bio;

	if (sk_X509_CRL_num(rt->crls) == 0)
		return NULL;
	if ((pem = tls_peer_cert_chain_pem(tls, &len)) == NULL ||
	    (bio = BIO_new_mem_buf(pem, (int)len)) == NULL)
		return "no certificate to look up in the CRL";
	while (why == NULL &&
	    (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		why = relay_tls_revoked(rt, x);
		X509_free(x);
	}
	BIO_free(bio);
	return why;
}

static const char *
relay_tls_revoked(const struct relay_tls *rt, X509 *x)
{
	const ASN1_TIME	*next;
	X509_REVOKED	*rev;
	X509_CRL	*crl;
	int		 i;

	for (i = 0; i < sk_X509_CRL_num(rt->crls); i++) {
		crl = sk_X509_CRL_value(rt->crls, i);
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
		    X509_get_issuer_name(x)) != 0)
			continue;
		next = X509_CRL_get0_nextUpdate(crl);
		if (next != NULL && X509_cmp_current_time(next) < 0)
			return "the CRL for the certificate is out of date";
		/* It returns 2 for one that is no longer on hold. */
		if (X509_CRL_get0_by_cert(crl, &rev, x) == 1)
			return "the certificate is revoked";
	}
	return NULL;
}
