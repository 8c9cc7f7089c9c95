/* SPDX-License-Identifier: ISC */
/* Between ca.c, ca_index.c and ca_x509.c: the small certificate authority. */
#ifndef CA_H
#define CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#define CA_CN_MAX	64	/* ub-common-name, RFC 5280 appendix A.1 */
#define CA_SERIAL_LEN	16			/* octets */
#define CA_SERIAL_HEX	(2 * CA_SERIAL_LEN)

enum ca_kind { CA_DOMAIN, CA_TLS, CA_USER };

/* One certificate that was issued. */
struct ca_entry {
	char		 serial[CA_SERIAL_HEX + 1];
	enum ca_kind	 kind;
	int64_t		 expires, revoked;	/* s; revoked 0: it is not */
	char		*name;
};

struct ca_index {
	int64_t		 crlnumber;		/* of the last list written */
	size_t		 n;
	struct ca_entry	*entries;
};

/* ca_index.c: the index and the files.  All exit with a message on failure. */
const char	*ca_kind_name(enum ca_kind);
/* The lock on the directory; released when the descriptor is closed. */
int		 ca_lock(const char *dir);
void		 ca_index_read(const char *dir, struct ca_index *);
void		 ca_index_write(const char *dir, const struct ca_index *);
struct ca_entry	*ca_index_add(struct ca_index *);
void		 ca_index_free(struct ca_index *);
/* "dir/name"; caller frees. */
char		*ca_path(const char *dir, const char *name);
/* Durably and whole or not at all; `fresh`: must not be there yet. */
void		 ca_write(const char *path, const char *data, size_t, int mode,
		    int fresh);

/* ca_x509.c: keys, certificates, the revocation list.  NULL: libcrypto failed. */
struct ca_request {
	enum ca_kind	 kind;
	const char	*name;		/* normalized */
	char		**alts;		/* further names or addresses, for CA_TLS */
	size_t		 nalts;
	int		 days;
	int		 rsa;
};
EVP_PKEY	*ca_key_new(int rsa);
X509		*ca_cert_root(EVP_PKEY *, const char *name, int days);
X509		*ca_cert_issue(X509 *ca, EVP_PKEY *cakey, EVP_PKEY *key,
		    const struct ca_request *);
X509_CRL	*ca_crl(X509 *ca, EVP_PKEY *cakey, const struct ca_index *);
void		 ca_cert_serial(X509 *, char hex[CA_SERIAL_HEX + 1]);
int64_t		 ca_cert_expires(X509 *);
/* As PEM text; caller frees. */
char		*ca_pem_cert(X509 *, size_t *);
char		*ca_pem_key(EVP_PKEY *, size_t *);
char		*ca_pem_crl(X509_CRL *, size_t *);
X509		*ca_load_cert(const char *path);
EVP_PKEY	*ca_load_key(const char *path);

#endif /* CA_H */
