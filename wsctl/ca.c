/* SPDX-License-Identifier: ISC */
/*
 * `wsctl ca`: a small certificate authority for islands and tests (and for
 * domains that trust each other by exchanging its certificate).  Needs no
 * daemon.  Called by wsctl.c; described in wsctl-ca(8).
 */
#include "compat.h"

#include <sys/stat.h>

#include <arpa/inet.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include <openssl/err.h>

#include "addr.h"
#include "ca.h"
#include "wsctl.h"

#ifndef PATH_CA
#define PATH_CA		"/etc/wsemail-ca"
#endif
#define CA_CERT		"ca.crt"
#define CA_KEY		"ca.key"
#define CA_CRL		"crl.pem"
#define CA_NAME		"WSEmail"
#define CA_DAYS_ROOT	3650
#define CA_DAYS		825
#define CA_DAYS_MAX	36500
#define CA_ALTS_MAX	32

struct ca_cmd {
	const char	*dir, *out, *name;
	int		 days;		/* 0: not given */
	int		 rsa;
	char		*alts[CA_ALTS_MAX];
	size_t		 nalts;
	const char	*words[2];	/* what is not an option */
	int		 nwords;
};

static int	 ca_init(struct ca_cmd *);
static int	 ca_issue(struct ca_cmd *);
static int	 ca_revoke(struct ca_cmd *);
static int	 ca_list(struct ca_cmd *);
static int	 ca_options(struct ca_cmd *, const char *, int, int, char **);
static int	 ca_option(struct ca_cmd *, int);
static int	 ca_usage(void);
static enum ca_kind ca_parse_kind(const char *);
static void	 ca_normalize(enum ca_kind, const char *, char *, size_t);
static char	*ca_alt(const char *);
static void	 ca_mkdir(const char *);
static void	 ca_save(const char *, const char *, char *, size_t, int, int);
static char	*ca_base(enum ca_kind, const char *, const char *);
static void	 ca_absent(const char *, const char *);
static void	 ca_write_crl(const char *, X509 *, EVP_PKEY *,
		    struct ca_index *);
static void	 ca_request(struct ca_cmd *, struct ca_request *, char *,
		    size_t);
static void	 ca_record(const char *, X509 *, const struct ca_request *);
static struct ca_entry *ca_find(struct ca_index *, const char *);
static void	 ca_print(FILE *, const struct ca_entry *);
static void	 ca_load(const char *, X509 **, EVP_PKEY **);
__dead static void ca_fail(const char *);

static const struct {
	const char	*word, *options;
	int		 nwords;
	int		(*fn)(struct ca_cmd *);
} ca_cmds[] = {
	{ "init",	"+D:d:n:",	0,	ca_init },
	{ "issue",	"+D:a:d:o:t:",	2,	ca_issue },
	{ "revoke",	"+d:",		1,	ca_revoke },
	{ "list",	"+d:",		0,	ca_list },
};

static int
ca_usage(void)
{
	fprintf(stderr,
	    "usage: wsctl ca init [-D days] [-d directory] [-n name]\n"
	    "       wsctl ca issue [-D days] [-d directory] [-o directory] "
	    "[-t ec | rsa]\n"
	    "             [-a name] domain | tls | user name\n"
	    "       wsctl ca revoke [-d directory] serial | name\n"
	    "       wsctl ca list [-d directory]\n");
	return EX_USAGE;
}

int
ca_main(int argc, char **argv)
{
	struct ca_cmd	 c = { .dir = PATH_CA, .name = CA_NAME };
	size_t		 i;
	int		 code;

	if (argc < 2)
		return ca_usage();
	for (i = 0; i < nitems(ca_cmds); i++)
		if (strcmp(argv[1], ca_cmds[i].word) == 0)
			break;
	if (i == nitems(ca_cmds) || ca_options(&c, ca_cmds[i].options,
	    ca_cmds[i].nwords, argc - 1, argv + 1) == -1)
		return ca_usage();
	code = ca_cmds[i].fn(&c);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(EX_IOERR, "standard output");
	return code;
}

__dead static void
ca_fail(const char *what)
{
	const char	*reason = ERR_reason_error_string(ERR_get_error());

	errx(EX_SOFTWARE, "%s: %s", what,
	    reason != NULL ? reason : "out of memory");
}

static int
ca_option(struct ca_cmd *c, int ch)
{
	const char	*errstr;

	switch (ch) {
	case 'D':
		c->days = (int)strtonum(optarg, 1, CA_DAYS_MAX, &errstr);
		if (errstr != NULL)
			errx(EX_USAGE, "-D %s: %s", optarg, errstr);
		break;
	case 'a':
		if (c->nalts == CA_ALTS_MAX)
			errx(EX_USAGE, "-a: at most %d names", CA_ALTS_MAX);
		c->alts[c->nalts++] = optarg;
		break;
	case 'd':
		c->dir = optarg;
		break;
	case 'n':
		/* An issuer has a name (RFC 5280, 4.1.2.4). */
		if (*optarg == '\0' || strlen(optarg) > CA_CN_MAX)
			errx(EX_USAGE, "-n: expected 1 to %d octets",
			    CA_CN_MAX);
		c->name = optarg;
		break;
	case 'o':
		c->out = optarg;
		break;
	case 't':
		c->rsa = strcmp(optarg, "rsa") == 0;
		if (!c->rsa && strcmp(optarg, "ec") != 0)
			errx(EX_USAGE, "-t %s: expected ec or rsa", optarg);
		break;
	default:
		return -1;
	}
	return 0;
}

/* Options may stand before, between and behind the words. */
static int
ca_options(struct ca_cmd *c, const char *options, int nwords, int argc,
    char **argv)
{
	int	 ch;

	optind = 1;
	while (optind < argc) {
		if ((ch = getopt(argc, argv, options)) != -1) {
			if (ca_option(c, ch) == -1)
				return -1;
		} else if (optind < argc) {
			if (c->nwords == nwords)
				return -1;
			c->words[c->nwords++] = argv[optind++];
		}
	}
	if (c->out == NULL)
		c->out = c->dir;
	return c->nwords == nwords ? 0 : -1;
}

static void
ca_mkdir(const char *dir)
{
	struct stat	 sb;

	if (mkdir(dir, 0755) == -1 && (errno != EEXIST ||
	    stat(dir, &sb) == -1 || !S_ISDIR(sb.st_mode)))
		err(EX_CANTCREAT, "%s", dir);
}

/* Writes dir/name and frees (and wipes) the text. */
static void
ca_save(const char *dir, const char *name, char *text, size_t len, int mode,
    int fresh)
{
	char	*path;

	if (text == NULL)
		ca_fail(name);
	path = ca_path(dir, name);
	ca_write(path, text, len, mode, fresh);
	freezero(text, len);
	free(path);
}

static void
ca_absent(const char *dir, const char *name)
{
	struct stat	 sb;
	char		*path = ca_path(dir, name);

	if (lstat(path, &sb) == 0)
		errx(EX_CANTCREAT, "%s is there already", path);
	free(path);
}

static void
ca_load(const char *dir, X509 **cert, EVP_PKEY **key)
{
	char	*path;

	path = ca_path(dir, CA_CERT);
	*cert = ca_load_cert(path);
	free(path);
	path = ca_path(dir, CA_KEY);
	*key = ca_load_key(path);
	if (X509_check_private_key(*cert, *key) != 1)
		errx(EX_DATAERR, "%s is not the key of " CA_CERT, path);
	free(path);
}

/* The next list.  Its number is in the index before it is in the world. */
static void
ca_write_crl(const char *dir, X509 *cert, EVP_PKEY *key, struct ca_index *x)
{
	X509_CRL	*crl;
	char		*text;
	size_t		 len = 0;

	x->crlnumber++;
	ca_index_write(dir, x);
	if ((crl = ca_crl(cert, key, x)) == NULL)
		ca_fail("revocation list");
	text = ca_pem_crl(crl, &len);
	ca_save(dir, CA_CRL, text, len, 0644, 0);
	X509_CRL_free(crl);
}

static int
ca_init(struct ca_cmd *c)
{
	struct ca_index	 x = { 0 };
	EVP_PKEY	*key;
	X509		*cert;
	char		*text;
	size_t		 len = 0;
	int		 lock;

	ca_mkdir(c->dir);
	lock = ca_lock(c->dir);
	ca_absent(c->dir, CA_KEY);
	ca_absent(c->dir, CA_CERT);
	if ((key = ca_key_new(0)) == NULL)
		ca_fail("key");
	if ((cert = ca_cert_root(key, c->name,
	    c->days ? c->days : CA_DAYS_ROOT)) == NULL)
		ca_fail("certificate");
	ca_write_crl(c->dir, cert, key, &x);
	text = ca_pem_key(key, &len);
	ca_save(c->dir, CA_KEY, text, len, 0600, 1);
	text = ca_pem_cert(cert, &len);
	ca_save(c->dir, CA_CERT, text, len, 0644, 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	close(lock);
	return EX_OK;
}

static enum ca_kind
ca_parse_kind(const char *word)
{
	enum ca_kind	 kind;

	for (kind = CA_DOMAIN; kind <= CA_USER; kind++)
		if (strcmp(word, ca_kind_name(kind)) == 0)
			return kind;
	errx(EX_USAGE, "%s: expected domain, tls or user", word);
}

static void
ca_normalize(enum ca_kind kind, const char *name, char *buf, size_t size)
{
	if (kind == CA_USER) {
		if (addr_normalize(name, buf, size) == -1)
			errx(EX_DATAERR, "%s: not a mail address", name);
	} else if (addr_domain_normalize(name, buf, size) == -1)
		errx(EX_DATAERR, "%s: not a domain name", name);
}

/* A further name of a TLS server: a domain name or an IP address. */
static char *
ca_alt(const char *alt)
{
	char		 name[ADDR_MAX + 1], *copy;
	unsigned char	 addr[16];

	if (inet_pton(AF_INET, alt, addr) == 1 ||
	    inet_pton(AF_INET6, alt, addr) == 1)
		copy = strdup(alt);
	else if (addr_domain_normalize(alt, name, sizeof(name)) == 0)
		copy = strdup(name);
	else
		errx(EX_DATAERR, "-a %s: neither a domain name nor an "
		    "address", alt);
	if (copy == NULL)
		err(EX_OSERR, NULL);
	return copy;
}

/* "name.key"; a local part may hold a slash, a file name not. */
static char *
ca_base(enum ca_kind kind, const char *name, const char *suffix)
{
	char	*base, *p;

	if (asprintf(&base, "%s%s%s", name, kind == CA_TLS ? "-tls" : "",
	    suffix) == -1)
		err(EX_OSERR, NULL);
	for (p = base; (p = strchr(p, '/')) != NULL; )
		*p = '_';
	return base;
}

/* What the command line asks for, checked. */
static void
ca_request(struct ca_cmd *c, struct ca_request *r, char *name, size_t size)
{
	size_t	 i;

	memset(r, 0, sizeof(*r));
	r->kind = ca_parse_kind(c->words[0]);
	ca_normalize(r->kind, c->words[1], name, size);
	if (c->nalts > 0 && r->kind != CA_TLS)
		errx(EX_USAGE, "-a is for tls only");
	for (i = 0; i < c->nalts; i++)
		c->alts[i] = ca_alt(c->alts[i]);
	r->name = name;
	r->alts = c->alts;
	r->nalts = c->nalts;
	r->days = c->days ? c->days : CA_DAYS;
	r->rsa = c->rsa;
}

static void
ca_record(const char *dir, X509 *cert, const struct ca_request *r)
{
	struct ca_index	 x;
	struct ca_entry	*e;

	ca_index_read(dir, &x);
	e = ca_index_add(&x);
	ca_cert_serial(cert, e->serial);
	e->kind = r->kind;
	e->expires = ca_cert_expires(cert);
	if ((e->name = strdup(r->name)) == NULL)
		err(EX_OSERR, NULL);
	ca_index_write(dir, &x);
	ca_print(stdout, e);
	ca_index_free(&x);
}

static int
ca_issue(struct ca_cmd *c)
{
	struct ca_request r;
	EVP_PKEY	*cakey, *key;
	X509		*ca, *cert;
	char		 name[ADDR_MAX + 1], *crtfile, *keyfile, *text;
	size_t		 len = 0, i;
	int		 lock;

	ca_request(c, &r, name, sizeof(name));
	crtfile = ca_base(r.kind, name, ".crt");
	keyfile = ca_base(r.kind, name, ".key");
	lock = ca_lock(c->dir);
	ca_load(c->dir, &ca, &cakey);
	ca_mkdir(c->out);
	ca_absent(c->out, keyfile);
	ca_absent(c->out, crtfile);
	if ((key = ca_key_new(r.rsa)) == NULL)
		ca_fail("key");
	if ((cert = ca_cert_issue(ca, cakey, key, &r)) == NULL)
		ca_fail("certificate");
	/* First the index: nothing is out that could not be revoked. */
	ca_record(c->dir, cert, &r);
	text = ca_pem_key(key, &len);
	ca_save(c->out, keyfile, text, len, 0600, 1);
	text = ca_pem_cert(cert, &len);
	ca_save(c->out, crtfile, text, len, 0644, 1);
	for (i = 0; i < c->nalts; i++)
		free(c->alts[i]);
	free(crtfile);
	free(keyfile);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(cakey);
	close(lock);
	return EX_OK;
}

static void
ca_print(FILE *f, const struct ca_entry *e)
{
	struct tm	 tm;
	time_t		 t = (time_t)e->expires;
	const char	*state = "valid";
	char		 when[32];

	if (e->revoked != 0)
		state = "revoked";
	else if (e->expires <= (int64_t)time(NULL))
		state = "expired";
	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%d", &tm) == 0)
		strlcpy(when, "-", sizeof(when));
	fprintf(f, "%s %-7s %s %-6s %s\n", e->serial, state, when,
	    ca_kind_name(e->kind), e->name);
}

/* By serial, or by name when just one that is not revoked bears it. */
static struct ca_entry *
ca_find(struct ca_index *x, const char *word)
{
	struct ca_entry	*e, *found = NULL;
	size_t		 i, n = 0;

	for (i = 0; i < x->n; i++)
		if (strcasecmp(x->entries[i].serial, word) == 0)
			return &x->entries[i];
	for (i = 0; i < x->n; i++) {
		e = &x->entries[i];
		if (e->revoked == 0 && strcasecmp(e->name, word) == 0) {
			found = e;
			n++;
		}
	}
	if (n == 1)
		return found;
	if (n == 0)
		errx(EX_DATAERR, "%s: no such certificate", word);
	for (i = 0; i < x->n; i++)
		if (x->entries[i].revoked == 0 &&
		    strcasecmp(x->entries[i].name, word) == 0)
			ca_print(stderr, &x->entries[i]);
	errx(EX_DATAERR, "%s: %zu certificates; name one by its serial", word,
	    n);
}

static int
ca_revoke(struct ca_cmd *c)
{
	struct ca_index	 x;
	struct ca_entry	*e;
	EVP_PKEY	*key;
	X509		*cert;
	int		 lock;

	lock = ca_lock(c->dir);
	ca_load(c->dir, &cert, &key);
	ca_index_read(c->dir, &x);
	e = ca_find(&x, c->words[0]);
	/*
	 * Once more for one that is revoked: the list may not have been
	 * written then.  The index is, and before the list.
	 */
	if (e->revoked == 0)
		e->revoked = time(NULL);
	ca_write_crl(c->dir, cert, key, &x);
	ca_print(stdout, e);
	ca_index_free(&x);
	X509_free(cert);
	EVP_PKEY_free(key);
	close(lock);
	return EX_OK;
}

static int
ca_list(struct ca_cmd *c)
{
	struct ca_index	 x;
	size_t		 i;

	ca_index_read(c->dir, &x);
	for (i = 0; i < x.n; i++)
		ca_print(stdout, &x.entries[i]);
	ca_index_free(&x);
	return EX_OK;
}
