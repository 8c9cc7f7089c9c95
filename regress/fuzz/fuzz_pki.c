/* SPDX-License-Identifier: ISC */
/* Certificates, paths of them and revocation lists, as strangers send them. */
#include "compat.h"

#include "fuzz.h"
#include "pki.h"

static void
fuzz_cert(X509 *cert)
{
	uint8_t	 sha1[20];
	char	 buf[512];

	(void)pki_key_ok(cert);
	(void)pki_names_domain(cert, "capricorn.test");
	(void)pki_names_host(cert, "capricorn.test");
	(void)pki_user_address(cert, "capricorn.test", buf, sizeof(buf));
	(void)pki_first_domain(cert, buf, sizeof(buf));
	(void)pki_thumbprint(cert, sha1);
	free(pki_subject(cert));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STACK_OF(X509)	*chain = NULL;
	X509		*cert;

	if (size == 0)
		return 0;
	cert = data[0] % 3 == 0 ? pki_cert_der(data + 1, size - 1) :
	    data[0] % 3 == 1 ? pki_path_read(data + 1, size - 1, &chain) :
	    pki_cert_pem(data + 1, size - 1, &chain);
	if (cert != NULL)
		fuzz_cert(cert);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	return 0;
}
