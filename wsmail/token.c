/* SPDX-License-Identifier: ISC */
/*
 * wsmail token, and requests with one: our server vouches for us towards
 * another domain's.  A token is kept in a file, with the key that it names,
 * which was made for it.
 */
#include "compat.h"

#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "addr.h"
#include "mailfile.h"
#include "saml.h"
#include "wsemail.h"
#include "wsmail.h"
#include "wss.h"
#include "wstime.h"

#define TOKEN_TIMEOUT	60	/* s */
#define TOKEN_DAY	86400	/* s that the key's certificate says */

static X509	*token_cert(EVP_PKEY *, const char *name);
static int	 token_request(struct wbuf *, const char *domain, X509 *);
static xmlNodePtr token_found(xmlNodePtr);
static int	 token_judge(const struct account *, xmlNodePtr,
		    const char *domain, X509 *, struct saml *);
static int	 token_keep(const char *path, const struct token *);
static int	 token_parse(const char *path, const char *xml, struct saml *);

/* Of no meaning but for the key in it: signed by itself. */
static X509 *
token_cert(EVP_PKEY *key, const char *name)
{
	X509_NAME	*subject = X509_NAME_new();
	X509		*x = X509_new();

	if (x == NULL || subject == NULL || X509_set_version(x, 2) != 1 ||
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x),
	    (uint64_t)arc4random() << 16 | 1) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(x), -300) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x), TOKEN_DAY) == NULL ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	    (const unsigned char *)(strlen(name) > 64 ? "token" : name), -1,
	    -1, 0) != 1 || X509_set_subject_name(x, subject) != 1 ||
	    X509_set_issuer_name(x, subject) != 1 ||
	    X509_set_pubkey(x, key) != 1 || X509_sign(x, key, EVP_sha256()) ==
	    0) {
		X509_free(x);
		x = NULL;
	}
	X509_NAME_free(subject);
	return x;
}

static int
token_request(struct wbuf *w, const char *domain, X509 *cert)
{
	char	 uri[ADDR_DOMAIN_MAX + 64];

	xml_put_elem(w, "w:TokenType", URI_SAML_TOKEN);
	xml_put_elem(w, "w:RequestType", URI_WST_ISSUE);
	snprintf(uri, sizeof(uri), WSA_TO_PREFIX "%s", domain);
	wbuf_puts(w, "<wsp:AppliesTo xmlns:wsp=\"" NS_WSP "\">"
	    "<wsa:EndpointReference xmlns:wsa=\"" NS_WSA "\">");
	xml_put_elem(w, "wsa:Address", uri);
	wbuf_puts(w, "</wsa:EndpointReference></wsp:AppliesTo>");
	xml_put_elem(w, "w:KeyType", URI_WST_PUBLICKEY);
	wbuf_puts(w, "<w:UseKey><ds:KeyInfo xmlns:ds=\"" NS_DS "\">");
	if (wss_x509data(w, cert, NULL) == -1)
		return -1;
	wbuf_puts(w, "</ds:KeyInfo></w:UseKey>");
	return w->error ? -1 : 0;
}

static xmlNodePtr
token_found(xmlNodePtr n)
{
	n = n == NULL ? NULL : xml_child(n, NS_WST,
	    "RequestSecurityTokenResponse");
	n = n == NULL ? NULL : xml_child(n, NS_WST, "RequestedSecurityToken");
	return n == NULL ? NULL : xml_child(n, NS_SAML2, "Assertion");
}

/* TOKKEY and the rest: what was asked for, by our domain.  0, or a code. */
static int
token_judge(const struct account *acc, xmlNodePtr n, const char *domain,
    X509 *cert, struct saml *s)
{
	const char	*why = "no token in the answer";
	int		 trusted;

	if (n != NULL && saml_read(s, n, &why) == 0) {
		if (strcmp(s->subject, acc->address) != 0 ||
		    strcmp(s->issuer, addr_domain(acc->address)) != 0 ||
		    strcmp(s->audience, domain) != 0 ||
		    X509_cmp(s->holder, cert) != 0)
			why = "the token is not the one that was asked for";
		else if (verify_domain_cert(acc, s->signer, s->chain,
		    s->issuer, &trusted, &why))
			return 0;
	}
	fprintf(stderr, "wsmail: %s\n", why);
	return EX_PROTOCOL;
}

int
token_obtain(struct session *s, const char *domain, struct token *t)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	X509		*cert;
	xmlNodePtr	 n;
	int		 code;

	memset(t, 0, sizeof(*t));
	t->key = EVP_EC_gen("P-256");
	cert = t->key == NULL ? NULL : token_cert(t->key, s->acc->address);
	if (cert == NULL || token_request(&w, domain, cert) == -1) {
		fprintf(stderr, "wsmail: a key cannot be made\n");
		code = EX_SOFTWARE;
	} else if ((code = call_as(s, &op_token, &w, TOKEN_TIMEOUT, &a)) ==
	    0) {
		n = token_found(a.op);
		w.len = 0;
		if ((code = token_judge(s->acc, n, domain, cert, &t->saml)) ==
		    0) {
			if (xml_c14n(n, &w) == -1 || (t->xml = strndup(
			    (char *)w.data, w.len)) == NULL)
				code = EX_OSERR;
		}
		answer_free(&a);
	}
	wbuf_free(&w);
	X509_free(cert);
	if (code != 0)
		token_free(t);
	return code;
}

/* Key, certificate, assertion; never over what is there. */
static int
token_keep(const char *path, const struct token *t)
{
	struct wbuf	 w = { 0 };
	BIO		*bio = BIO_new(BIO_s_mem());
	char		*pem;
	long		 len;
	int		 code = EX_OSERR;

	if (bio != NULL && PEM_write_bio_PrivateKey(bio, t->key, NULL, NULL,
	    0, NULL, NULL) == 1 && PEM_write_bio_X509(bio, t->saml.holder) ==
	    1) {
		len = BIO_get_mem_data(bio, &pem);
		wbuf_raw(&w, pem, (size_t)len);
		explicit_bzero(pem, (size_t)len);
		wbuf_puts(&w, t->xml);
		wbuf_u8(&w, '\n');
		code = 0;
	}
	BIO_free(bio);
	if (code == 0 && (w.error || mailfile_write(path, w.data, w.len) ==
	    -1)) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		code = EX_CANTCREAT;
	}
	wbuf_free(&w);
	return code;
}

int
cmd_token(struct session *s, int argc, char **argv)
{
	struct token	 t;
	char		 domain[ADDR_DOMAIN_MAX + 1], until[WSTIME_LEN];
	int		 code;

	while (getopt(argc, argv, "") != -1)
		usage();
	if (argc - optind != 2)
		usage();
	if (addr_domain_normalize(argv[optind], domain, sizeof(domain)) ==
	    -1) {
		fprintf(stderr, "wsmail: %s: expected a domain\n",
		    argv[optind]);
		return EX_USAGE;
	}
	if ((code = token_obtain(s, domain, &t)) != 0)
		return code;
	if ((code = token_keep(argv[optind + 1], &t)) == 0)
		printf("for %s, until %s\n", domain,
		    wstime_format(t.saml.until, until, sizeof(until)));
	token_free(&t);
	return code;
}

/* --- requests with one ---------------------------------------------------- */

static int
token_parse(const char *path, const char *xml, struct saml *s)
{
	const struct xml_limits	 lim = { SAML_TOKEN_MAX, 64, 1000, 64, 64, 16 };
	const char		*why = "no assertion in it";
	xmlDocPtr		 doc = NULL;
	int			 ret = -1;

	if (xml != NULL && (doc = xml_parse(xml, strlen(xml), &lim, &why)) !=
	    NULL)
		ret = saml_read(s, xmlDocGetRootElement(doc), &why);
	xmlFreeDoc(doc);
	if (ret == -1)
		fprintf(stderr, "wsmail: %s: %s\n", path, why);
	return ret;
}

int
token_load(const char *path, struct token *t)
{
	struct stat	 st;
	uint8_t		*file;
	size_t		 len;
	char		*xml, *end;
	BIO		*bio;

	memset(t, 0, sizeof(*t));
	/* There is a key in it. */
	if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		fprintf(stderr, "wsmail: %s: others may read or change it "
		    "(mode %03o); chmod 600 it\n", path,
		    (unsigned int)(st.st_mode & 0777));
		return EX_CONFIG;
	}
	if ((file = mailfile_read(path, &len)) == NULL) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	if ((bio = BIO_new_mem_buf(file, (int)len)) != NULL) {
		t->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	if ((xml = strstr((char *)file, "<saml2:Assertion")) != NULL &&
	    (end = strrchr(xml, '>')) != NULL)
		end[1] = '\0';
	if (token_parse(path, xml, &t->saml) == 0) {
		t->xml = strdup(xml);
		if (t->key == NULL || t->xml == NULL ||
		    X509_check_private_key(t->saml.holder, t->key) != 1)
			fprintf(stderr, "wsmail: %s: the key is not that of "
			    "the token\n", path);
		else if (t->saml.until <= wstime_now())
			fprintf(stderr, "wsmail: %s: the token has expired: "
			    "wsmail token %s\n", path, t->saml.audience);
		else {
			freezero(file, len);
			return 0;
		}
	}
	freezero(file, len);
	token_free(t);
	return EX_DATAERR;
}

void
token_free(struct token *t)
{
	saml_free(&t->saml);
	free(t->xml);
	EVP_PKEY_free(t->key);
	memset(t, 0, sizeof(*t));
}

/* --- at another domain's server -------------------------------------------- */

int
away_open(struct away *w, const struct account *acc, const char *where)
{
	int	 code;

	w->acc = *acc;
	w->acc.auth = AUTH_TOKEN;
	w->acc.host = w->acc.port = NULL;
	/* What matters of it to a connection is the domain. */
	snprintf(w->name, sizeof(w->name), "postmaster@%s",
	    w->t.saml.audience);
	w->acc.address = w->name;
	if (where != NULL && rc_server(&w->acc, where) == -1) {
		fprintf(stderr, "wsmail: -H %s: expected host:port\n", where);
		code = EX_USAGE;
	} else if ((code = session_open(&w->s, &w->acc)) == 0) {
		w->s.token = &w->t;
		w->s.key = w->t.key;
		return 0;
	}
	away_close(w);
	return code;
}

void
away_close(struct away *w)
{
	w->s.key = NULL;
	session_close(&w->s);
	free(w->acc.host);
	free(w->acc.port);
	token_free(&w->t);
	memset(w, 0, sizeof(*w));
}
