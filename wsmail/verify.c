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
	if (path == NULL) {
		*why = "no trust anchors: trust or ca is not set";
		return NULL;
	}
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

void
verify_message(const struct account *acc, const char *sender, const void *m,
    size_t mlen, const void *sig, size_t siglen, struct verdict *v)
{
	struct pki_store	*store = NULL;
	STACK_OF(X509)		*chain = NULL;
	X509			*cert = NULL;
	const char		*why = NULL, *domain;
	char			 addr[ADDR_MAX + 1];

	memset(v, 0, sizeof(*v));
	if (wss_verify_detached(m, mlen, sig, siglen, &cert, &chain, &why) ==
	    -1) {
		v->why = why;
		return;
	}
	v->signed_ok = 1;
	v->signer = pki_subject(cert);
	if ((store = verify_anchors(acc, &why)) == NULL ||
	    pki_check(store, cert, chain, PKI_DOMAIN, time(NULL), &why) !=
	    PKI_OK)
		v->why = why;
	else
		v->trusted = 1;
	if (addr_normalize(sender, addr, sizeof(addr)) == -1)
		v->why = "the sender is not an address";
	else if ((domain = addr_domain(addr)) == NULL ||
	    !pki_names_domain(cert, domain))
		v->why = "the signer's certificate does not name the "
		    "sender's domain";
	else
		v->names_domain = 1;
	pki_store_free(store);
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
