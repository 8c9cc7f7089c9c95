/* SPDX-License-Identifier: ISC */
/*
 * Who signed a message and what that is worth: the signature over
 * theMessage, the chain of its certificate, and whether that names the
 * domain of the sender the message claims (DOMAIN of the protocol model,
 * checked here once more by the recipient).
 */
#include "compat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <tls.h>

#include "addr.h"
#include "mailfile.h"
#include "wss.h"
#include "wsmail.h"

static struct pki_store *verify_anchors(const struct account *, const char **);

static struct pki_store *
verify_anchors(const struct account *acc, const char **why)
{
	struct pki_store	*store;
	const char		*path;
	uint8_t			*pem;
	size_t			 len;

	path = acc->trust != NULL ? acc->trust : acc->ca;
	if (path == NULL)
		path = tls_default_ca_cert_file();
	if ((pem = mailfile_read(path, &len)) == NULL) {
		*why = "the file of trust anchors cannot be read";
		return NULL;
	}
	if ((store = pki_store_new()) == NULL)
		*why = "out of memory";
	else if (pki_store_add(store, pem, len, why) == -1) {
		pki_store_free(store);
		store = NULL;
	}
	free(pem);
	return store;
}

int
verify_domain_cert(const struct account *acc, X509 *cert,
    STACK_OF(X509) *chain, const char *domain, int *trusted, const char **why)
{
	struct pki_store	*store;

	*trusted = (store = verify_anchors(acc, why)) != NULL &&
	    pki_check(store, cert, chain, PKI_DOMAIN, time(NULL), why) ==
	    PKI_OK;
	pki_store_free(store);
	if (domain != NULL && pki_names_domain(cert, domain))
		return *trusted;
	*why = "the signer's certificate does not name the sender's domain";
	return 0;
}

void
verify_message(const struct account *acc, const char *sender, const void *m,
    size_t mlen, const void *sig, size_t siglen, struct verdict *v)
{
	STACK_OF(X509)	*chain = NULL;
	X509		*cert = NULL;
	const char	*domain = NULL;
	char		 addr[ADDR_MAX + 1];

	memset(v, 0, sizeof(*v));
	if (wss_verify_detached(m, mlen, sig, siglen, &cert, &chain,
	    &v->why) == -1)
		return;
	v->signed_ok = 1;
	v->signer = pki_subject(cert);
	if (addr_normalize(sender, addr, sizeof(addr)) == 0)
		domain = addr_domain(addr);
	if (verify_domain_cert(acc, cert, chain, domain, &v->trusted,
	    &v->why))
		v->why = NULL;
	v->names_domain = domain != NULL && pki_names_domain(cert, domain);
	sk_X509_pop_free(chain, X509_free);
	X509_free(cert);
}

int
verdict_good(const struct verdict *v)
{
	return v->signed_ok && v->trusted && v->names_domain;
}

void
verdict_free(struct verdict *v)
{
	free(v->signer);
	v->signer = NULL;
}
