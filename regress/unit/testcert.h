/* SPDX-License-Identifier: ISC */
/* Throwaway certificates for tests: EC P-256, valid from an hour ago for a day. */
#ifndef TESTCERT_H
#define TESTCERT_H

#include <openssl/x509.h>

struct testcert {
	X509		*x;
	EVP_PKEY	*key;
	char		*cert_pem, *key_pem;
};

/* Exits the test when it cannot be made. */
void	 testcert_ca(struct testcert *, const char *name);
/* More names: "a.test,DNS:b.test". */
void	 testcert_issue(struct testcert *, const struct testcert *ca,
	    const char *dns_name);
/* A CRL of ca that revokes x (may be NULL); malloc'ed PEM. */
char	*testcert_crl(const struct testcert *ca, const X509 *x);
void	 testcert_free(struct testcert *);

#endif /* TESTCERT_H */
