/* SPDX-License-Identifier: ISC */
/*
 * The certificates that soap works with: our domains', the anchors of users'
 * and of peers', those learned from requests (for thumbprints), and which
 * peers know ours.  Read from the configuration at start and at reload.
 *
 * A thumbprint is a key to look up by, never a reason to trust: what is
 * found is checked like a certificate that came whole.
 */
#include "compat.h"

#include <strings.h>

#include "log.h"
#include "soap.h"

#define CERTS_KNOWN_MAX	1024
#define CERTS_ACQUAINTED_MAX 4096
#define CERTS_MISSES_MAX 8	/* at most 2^8 whole tokens between two tries */

static struct pki_store *certs_store(struct pki_store *,
		    const struct conf_blob *, const struct conf_blob *,
		    const char *);
static struct hosted *certs_domain(const struct conf_domain *);
static void	 certs_hosted_free(struct hosted *);
static void	 certs_unlearn(struct known_cert *);
static void	 certs_keep(struct known_cert *, const struct wss *,
		    STACK_OF(X509) *);
static struct acquainted *certs_find(struct soap *, const char *,
		    const char *);

/* Adds to a store (made when NULL).  A part that does not read is left out,
 * loudly; a CRL that does not read leaves out its CA too. */
static struct pki_store *
certs_store(struct pki_store *st, const struct conf_blob *ca,
    const struct conf_blob *crl, const char *what)
{
	const char	*why;

	if (st == NULL && (st = pki_store_new()) == NULL)
		fatal("soap");
	if (ca->data == NULL)
		return st;
	if (crl->data != NULL &&
	    pki_store_add_crl(st, crl->data, crl->len, &why) == -1) {
		log_warnx("soap: revocation list for %s: %s; nobody is "
		    "trusted by it", what, why);
		return st;
	}
	if (pki_store_add(st, ca->data, ca->len, &why) == -1)
		log_warnx("soap: trust anchors for %s: %s", what, why);
	return st;
}

static void
certs_hosted_free(struct hosted *h)
{
	if (h == NULL)
		return;
	free(h->name);
	X509_free(h->cert);
	sk_X509_pop_free(h->chain, X509_free);
	X509_free(h->tls);
	pki_store_free(h->clients);
	free(h);
}

static struct hosted *
certs_domain(const struct conf_domain *d)
{
	STACK_OF(X509)	*rest = NULL;
	struct hosted	*h;

	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->name = strdup(d->name)) == NULL)
		fatal("soap");
	if (d->cert.data != NULL)
		h->cert = pki_cert_pem(d->cert.data, d->cert.len, &h->chain);
	if (h->cert == NULL)
		log_warnx("soap: %s: its certificate does not read",
		    d->name);
	if (d->tls_cert.data != NULL)
		h->tls = pki_cert_pem(d->tls_cert.data, d->tls_cert.len, &rest);
	sk_X509_pop_free(rest, X509_free);
	h->clients = certs_store(NULL, &d->client_ca, &d->client_crl, d->name);
	return h;
}

int
certs_load(struct soap *s)
{
	const struct conf_domain	*d;
	const struct conf_trust		*t;
	struct hosted			*h;

	certs_free(s);
	TAILQ_FOREACH(d, &s->p->conf->domains, entry) {
		h = certs_domain(d);
		TAILQ_INSERT_TAIL(&s->hosted, h, entry);
	}
	if ((s->trust = pki_store_new()) == NULL)
		return -1;
	TAILQ_FOREACH(t, &s->p->conf->trusts, entry)
		s->trust = certs_store(s->trust, &t->ca, &t->crl, "peers");
	return 0;
}

void
certs_free(struct soap *s)
{
	struct known_cert	*k;
	struct acquainted	*a;
	struct hosted		*h;

	while ((h = TAILQ_FIRST(&s->hosted)) != NULL) {
		TAILQ_REMOVE(&s->hosted, h, entry);
		certs_hosted_free(h);
	}
	while ((k = TAILQ_FIRST(&s->known)) != NULL) {
		TAILQ_REMOVE(&s->known, k, entry);
		certs_unlearn(k);
		free(k);
	}
	while ((a = TAILQ_FIRST(&s->acquainted)) != NULL) {
		TAILQ_REMOVE(&s->acquainted, a, entry);
		free(a->from);
		free(a->to);
		free(a);
	}
	s->nknown = s->nacquainted = 0;
	pki_store_free(s->trust);
	s->trust = NULL;
}

struct hosted *
certs_hosted(const struct soap *s, const char *domain)
{
	struct hosted	*h;

	TAILQ_FOREACH(h, &s->hosted, entry)
		if (strcmp(h->name, domain) == 0)
			return h;
	return NULL;
}

/*
 * Is it one of the hosts that this server proves to be: a domain here, or a
 * name or address in a certificate that the front end shows?
 */
int
certs_is_host(const struct soap *s, const char *host)
{
	struct hosted	*h;

	TAILQ_FOREACH(h, &s->hosted, entry)
		if (strcasecmp(h->name, host) == 0 || (h->tls != NULL &&
		    pki_names_host(h->tls, host)))
			return 1;
	return 0;
}

const char *
certs_sigalg(X509 *cert)
{
	EVP_PKEY	*key = X509_get0_pubkey(cert);

	return key != NULL && EVP_PKEY_base_id(key) == EVP_PKEY_EC ?
	    URI_ECDSA_SHA256 : URI_RSA_SHA256;
}

/* Most recently used first. */
int
certs_known(struct soap *s, struct wss *w)
{
	const uint8_t		*sha1 = w->thumbprint;
	struct known_cert	*k;

	TAILQ_FOREACH(k, &s->known, entry)
		if (memcmp(k->sha1, sha1, sizeof(k->sha1)) == 0)
			break;
	if (k == NULL) {
		s->st.thumbprint_misses++;
		return -1;
	}
	if (k->chain != NULL && (w->chain = X509_chain_up_ref(k->chain)) ==
	    NULL)
		return -1;
	TAILQ_REMOVE(&s->known, k, entry);
	TAILQ_INSERT_HEAD(&s->known, k, entry);
	s->st.thumbprint_hits++;
	X509_up_ref(k->cert);
	w->cert = k->cert;
	return 0;
}

static void
certs_unlearn(struct known_cert *k)
{
	X509_free(k->cert);
	sk_X509_pop_free(k->chain, X509_free);
}

static void
certs_keep(struct known_cert *k, const struct wss *w,
    STACK_OF(X509) *chain)
{
	X509_up_ref(w->cert);
	k->cert = w->cert;
	k->chain = chain;
}

/* Only from requests that passed every check. */
void
certs_learn(struct soap *s, const struct wss *w)
{
	STACK_OF(X509)		*chain = NULL;
	struct known_cert	*k;
	uint8_t			 sha1[20];

	if (pki_thumbprint(w->cert, sha1) == -1 || (w->chain != NULL &&
	    (chain = X509_chain_up_ref(w->chain)) == NULL))
		return;
	TAILQ_FOREACH(k, &s->known, entry)
		if (memcmp(k->sha1, sha1, sizeof(sha1)) == 0) {
			/* The newest: a collision of SHA-1 gains nothing. */
			certs_unlearn(k);
			certs_keep(k, w, chain);
			return;
		}
	if (s->nknown == CERTS_KNOWN_MAX) {
		k = TAILQ_LAST(&s->known, known_certs);
		TAILQ_REMOVE(&s->known, k, entry);
		certs_unlearn(k);
		s->nknown--;
	} else if ((k = calloc(1, sizeof(*k))) == NULL) {
		sk_X509_pop_free(chain, X509_free);
		return;
	}
	memcpy(k->sha1, sha1, sizeof(k->sha1));
	certs_keep(k, w, chain);
	TAILQ_INSERT_HEAD(&s->known, k, entry);
	s->nknown++;
}

static struct acquainted *
certs_find(struct soap *s, const char *from, const char *to)
{
	struct acquainted	*a;

	TAILQ_FOREACH(a, &s->acquainted, entry)
		if (strcmp(a->to, to) == 0 && strcmp(a->from, from) == 0)
			return a;
	return NULL;
}

int
certs_acquainted(struct soap *s, const char *from, const char *to)
{
	struct acquainted	*a = certs_find(s, from, to);

	if (a == NULL)
		return 0;
	if (a->wait > 0) {
		a->wait--;
		return 0;
	}
	return 1;
}

/* The peer took a message with our whole certificate. */
void
certs_met(struct soap *s, const char *from, const char *to)
{
	struct acquainted	*a;

	if (certs_find(s, from, to) != NULL ||
	    s->nacquainted == CERTS_ACQUAINTED_MAX ||
	    (a = calloc(1, sizeof(*a))) == NULL)
		return;
	a->from = strdup(from);
	a->to = strdup(to);
	if (a->from == NULL || a->to == NULL) {
		free(a->from);
		free(a->to);
		free(a);
		return;
	}
	TAILQ_INSERT_HEAD(&s->acquainted, a, entry);
	s->nacquainted++;
}

/* A peer of several processes, or restarted: each miss doubles the wait. */
void
certs_forgotten(struct soap *s, const char *from, const char *to)
{
	struct acquainted	*a = certs_find(s, from, to);

	if (a == NULL)
		return;
	if (a->misses < CERTS_MISSES_MAX)
		a->misses++;
	a->wait = 1U << a->misses;
}
