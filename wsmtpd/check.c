/* SPDX-License-Identifier: ISC */
/*
 * Judges a configuration beyond its grammar: do keys belong to certificates
 * and certificates to domains, are there the users, directories and ports.
 * Called by the parent at start, by wsmtpd -n and on reload, after load.c
 * has read the files.  An error forbids the start; what only some mail
 * suffers from is a warning.
 */
#include "compat.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>

#include "addr.h"
#include "log.h"
#include "pki.h"
#include "users.h"
#include "wsmtpd.h"

#define CHECK_FDS	64	/* of the front end, other than connections */

#define CLOCK_MIN	1767225600	/* 2026-01-01: older is a lost clock */
#define CHECK_MANY	99		/* errors are not counted beyond */
#define EXPIRY_WARN	(14 * 86400)	/* s */

static void	 check_limits(const struct conf *);
static int	 check_roles(const struct conf *);
static int	 check_place(const char *path, const char *what);
static int	 check_socket(const char *path);
static int	 check_dirs(const struct conf *);
static EVP_PKEY	*check_key(const struct conf_blob *);
static int	 check_pair(const struct conf_blob *cert,
		    const struct conf_blob *key, const char *domain, int tls,
		    int flags);
static int	 check_names(X509 *, const char *path, const char *domain,
		    int tls);
static int	 check_dates(X509 *, const char *path, int flags);
static int	 check_anchors(const struct conf_blob *ca,
		    const struct conf_blob *crl);
static int	 check_domain(const struct conf *, const struct conf_domain *,
		    int flags);
static int	 check_all(const struct conf *, int flags);
static int	 check_users(const struct conf *);
static int	 check_is_live(const char *);
static int	 check_port(const struct conf_listen *, const char *addr);
static int	 check_ports(const struct conf *);
static int	 check_no_password(char *, int, int, void *);

/*
 * In a process of its own: libcrypto leaves what it decodes of a key in
 * memory that it has freed, and the parent lives long.
 */
int
check_conf(const struct conf *c, int flags)
{
	pid_t	 pid;
	int	 bad, status;

	fflush(NULL);
	switch (pid = fork()) {
	case -1:
		log_warn("fork");
		return 1;
	case 0:
		bad = check_all(c, flags);
		fflush(NULL);
		_exit(bad > CHECK_MANY ? CHECK_MANY : bad);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR) {
			log_warn("waitpid");
			return 1;
		}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_warnx("the check of the configuration died of signal %d",
	    WTERMSIG(status));
	return 1;
}

static int
check_all(const struct conf *c, int flags)
{
	struct conf_domain	*d;
	struct conf_trust	*t;
	int			 bad = 0;

	if (time(NULL) < CLOCK_MIN) {
		log_warnx("the clock of this machine is wrong: every "
		    "signature would be refused");
		bad++;
	}
	check_limits(c);
	bad += check_roles(c);
	bad += check_dirs(c);
	TAILQ_FOREACH(d, &c->domains, entry)
		bad += check_domain(c, d, flags);
	TAILQ_FOREACH(t, &c->trusts, entry)
		bad += check_anchors(&t->ca, &t->crl);
	if (TAILQ_EMPTY(&c->trusts))
		log_warnx("warning: no trust ca: no mail can be exchanged "
		    "with other servers");
	bad += check_users(c);
	bad += check_plugins(c);
	if (flags & CHECK_PORTS)
		bad += check_ports(c);
	return bad;
}

/* --- the system ---------------------------------------------------------- */

/*
 * What cannot be reached is said, no more: the daemon works with less, and on
 * some systems that is so with the defaults.  The front end takes all
 * descriptors that it may have.
 */
static void
check_limits(const struct conf *c)
{
	const int64_t	 body = c->limit[LIM_MESSAGE_SIZE];
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("RLIMIT_NOFILE");
	else if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max <
	    (rlim_t)c->limit[LIM_CONNECTIONS] + CHECK_FDS)
		log_warnx("warning: limit connections is %" PRId64 ", but a "
		    "process may have %llu descriptors (RLIMIT_NOFILE), which "
		    "is enough for %llu", c->limit[LIM_CONNECTIONS],
		    (unsigned long long)rl.rlim_max,
		    rl.rlim_max > CHECK_FDS ?
		    (unsigned long long)rl.rlim_max - CHECK_FDS : 0ULL);
	if (c->limit[LIM_BODIES] < body ||
	    c->limit[LIM_BODIES_PER_ADDRESS] < body)
		log_warnx("warning: limit %s is less than message-size: "
		    "larger requests are never taken",
		    c->limit[LIM_BODIES] < body ? "bodies" :
		    "bodies-per-address");
}

/* Only root changes users. */
static int
check_roles(const struct conf *c)
{
	static const enum proc_id	 roles[] = { P_CONTROL, P_FRONTEND,
					    P_SOAP, P_KEYS, P_RELAY, P_QUEUE,
					    P_LOCAL, P_ATTACH };
	const char			*user;
	struct passwd			*pw;
	char				 buf[64];
	size_t				 i;
	int				 bad = 0;

	if (geteuid() != 0)
		return 0;
	for (i = 0; i < nitems(roles); i++) {
		user = load_role_user(c, roles[i], buf, sizeof(buf));
		if ((pw = getpwnam(user)) == NULL) {
			log_warnx("no user \"%s\" on this system for %s "
			    "(make install makes them)", user,
			    proc_name(roles[i]));
			bad++;
		} else if (pw->pw_uid == 0) {
			log_warnx("user \"%s\" for %s is root", user,
			    proc_name(roles[i]));
			bad++;
		}
	}
	return bad;
}

/* The directory that path lies in must be there and be ours to write to. */
static int
check_place(const char *path, const char *what)
{
	struct stat	 st;
	char		*copy, *dir;
	int		 bad = 1;

	if ((copy = strdup(path)) == NULL)
		fatal(NULL);
	dir = dirname(copy);
	if (stat(dir, &st) == -1)
		log_warn("%s %s: %s", what, path, dir);
	else if (!S_ISDIR(st.st_mode))
		log_warnx("%s %s: %s is not a directory", what, path, dir);
	else if (access(dir, W_OK | X_OK) == -1)
		log_warn("%s %s: %s", what, path, dir);
	else
		bad = 0;
	free(copy);
	return bad;
}

static int
check_socket(const char *path)
{
	struct sockaddr_un	 sun;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		log_warnx("control socket %s: expected a name of at most %zu "
		    "octets", path, sizeof(sun.sun_path) - 1);
		return 1;
	}
	return check_place(path, "control socket");
}

static int
check_dirs(const struct conf *c)
{
	struct stat	 st;
	int		 bad = 0;

	if (stat(c->spool, &st) == -1) {
		if (errno != ENOENT) {
			log_warn("spool %s", c->spool);
			bad++;
		} else
			bad += check_place(c->spool, "spool");
	} else if (!S_ISDIR(st.st_mode)) {
		log_warnx("spool %s: not a directory", c->spool);
		bad++;
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		log_warnx("spool %s: others may write to it (mode %03o)",
		    c->spool, (unsigned int)(st.st_mode & 0777));
		bad++;
	} else if (access(c->spool, W_OK | X_OK) == -1) {
		log_warn("spool %s", c->spool);
		bad++;
	}
	bad += check_socket(c->control_path);
	if (c->control_ro_path != NULL)
		bad += check_socket(c->control_ro_path);
	return bad;
}

/* --- certificates -------------------------------------------------------- */

/* Nobody is there to type one. */
static int
check_no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static EVP_PKEY *
check_key(const struct conf_blob *b)
{
	EVP_PKEY	*key = NULL;
	BIO		*bio;

	if (b->data != NULL &&
	    (bio = BIO_new_mem_buf(b->data, (int)b->len)) != NULL) {
		key = PEM_read_bio_PrivateKey(bio, NULL, check_no_password,
		    NULL);
		BIO_free(bio);
	}
	ERR_clear_error();
	return key;
}

/* A certificate with its key: for signing, or for TLS. */
static int
check_pair(const struct conf_blob *cb, const struct conf_blob *kb,
    const char *domain, int tls, int flags)
{
	STACK_OF(X509)	*rest = NULL;
	EVP_PKEY	*key = NULL;
	X509		*cert = NULL;
	int		 bad = 1;

	if (cb->data == NULL ||
	    (cert = pki_cert_pem(cb->data, cb->len, &rest)) == NULL)
		log_warnx("%s: expected certificates in PEM", cb->path);
	else if ((key = check_key(kb)) == NULL)
		log_warnx("%s: expected a private key in PEM, without a "
		    "password", kb->path);
	else if (X509_check_private_key(cert, key) != 1)
		log_warnx("%s: is not the key of the certificate %s",
		    kb->path, cb->path);
	else if (!tls && !pki_key_ok(cert))
		log_warnx("%s: expected a key on curve P-256, or RSA with 2048 "
		    "bits or more", cb->path);
	else
		bad = check_names(cert, cb->path, domain, tls) +
		    check_dates(cert, cb->path, flags);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(rest, X509_free);
	ERR_clear_error();
	return bad;
}

static int
check_names(X509 *cert, const char *path, const char *domain, int tls)
{
	if (tls) {
		if (X509_check_host(cert, domain, 0, 0, NULL) != 1)
			log_warnx("warning: %s: does not name %s: other "
			    "servers will refuse this one", path, domain);
		return 0;
	}
	if (!pki_names_domain(cert, domain)) {
		log_warnx("%s: does not name the domain %s: nobody would "
		    "accept what it signs", path, domain);
		return 1;
	}
	return 0;
}

/*
 * A start is not refused for an old certificate, as users can still read
 * their mail; -n does say so.
 */
static int
check_dates(X509 *cert, const char *path, int flags)
{
	time_t		 now = time(NULL), soon = now + EXPIRY_WARN;
	const char	*why = NULL;

	if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0)
		why = "is not valid yet";
	else if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0)
		why = "has expired";
	if (why != NULL) {
		log_warnx("%s%s: %s", flags & CHECK_DATES ? "" : "warning: ",
		    path, why);
		return flags & CHECK_DATES ? 1 : 0;
	}
	if (X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0)
		log_warnx("warning: %s: expires within %d days", path,
		    EXPIRY_WARN / 86400);
	return 0;
}

static int
check_anchors(const struct conf_blob *ca, const struct conf_blob *crl)
{
	struct pki_store	*store;
	const char		*why = "no certificate in it";
	int			 bad = 0;

	if (ca->path == NULL)
		return 0;
	if ((store = pki_store_new()) == NULL)
		fatal(NULL);
	if (pki_store_add(store, ca->data, ca->len, &why) == -1 ||
	    !pki_store_any(store)) {
		log_warnx("%s: %s", ca->path, why);
		bad++;
	} else if (crl->path != NULL &&
	    pki_store_add_crl(store, crl->data, crl->len, &why) == -1) {
		log_warnx("%s: %s", crl->path, why);
		bad++;
	}
	pki_store_free(store);
	return bad;
}

static int
check_domain(const struct conf *c, const struct conf_domain *d, int flags)
{
	char	 postmaster[ADDR_MAX + 1];
	int	 bad;

	bad = check_pair(&d->cert, &d->key, d->name, 0, flags);
	/* The same pair for both is not complained about twice. */
	if (bad == 0)
		bad += check_pair(&d->tls_cert, &d->tls_key, d->name, 1,
		    strcmp(d->cert.path, d->tls_cert.path) == 0 ? 0 : flags);
	bad += check_anchors(&d->client_ca, &d->client_crl);
	snprintf(postmaster, sizeof(postmaster), "postmaster@%s", d->name);
	if (conf_user(c, postmaster) == NULL &&
	    conf_alias(c, postmaster) == NULL)
		log_warnx("warning: nobody is %s: expected a user or an alias",
		    postmaster);
	return bad;
}

/* --- users --------------------------------------------------------------- */

static int
check_users(const struct conf *c)
{
	struct conf_user	*u;
	struct stat		 st;
	uint8_t			 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint32_t		 iterations;
	int			 bad = 0;

	if (c->users_path == NULL)
		log_warnx("warning: no users table: nobody can log in");
	else if (stat(c->users_path, &st) == 0 &&
	    (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		log_warnx("warning: %s: verifiers that others may read or "
		    "change (mode %03o); chmod 600 it", c->users_path,
		    (unsigned int)(st.st_mode & 0777));
	TAILQ_FOREACH(u, &c->users, entry) {
		if (conf_domain(c, addr_domain(u->name)) == NULL)
			log_warnx("warning: %s: user %s is in no domain that "
			    "is served here", c->users_path, u->name);
		if (conf_alias(c, u->name) != NULL)
			log_warnx("warning: %s is a user and an alias",
			    u->name);
		if ((u->text != NULL && !users_is_text_verifier(u->text)) ||
		    (u->mac != NULL && users_parse_mac(u->mac, &iterations,
		    salt, key) == -1)) {
			log_warnx("%s: %s: the verifier cannot be read",
			    c->users_path, u->name);
			bad++;
		}
		explicit_bzero(key, sizeof(key));
	}
	return bad;
}

/* --- ports --------------------------------------------------------------- */

/* Does a daemon answer on this control socket? */
static int
check_is_live(const char *path)
{
	struct sockaddr_un	 sun;
	int			 fd, live;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return 0;
	live = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	close(fd);
	return live;
}

static int
check_port(const struct conf_listen *l, const char *addr)
{
	struct addrinfo	 hints, *ai;
	char		 port[8];
	int		 fd, error, one = 1, bad = 0;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	snprintf(port, sizeof(port), "%u", l->port);
	if ((error = getaddrinfo(addr, port, &hints, &ai)) != 0) {
		log_warnx("listen on %s port %s: %s", addr, port,
		    gai_strerror(error));
		return 1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) == -1 || (ai->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) ==
	    -1) || bind(fd, ai->ai_addr, ai->ai_addrlen) == -1) {
		/* As listen.c: * is served on IPv4 alone then. */
		if (strcmp(l->addr, "*") != 0 || ai->ai_family != AF_INET6 ||
		    (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
			log_warn("listen on %s port %s", addr, port);
			bad++;
		}
	}
	if (fd != -1)
		close(fd);
	freeaddrinfo(ai);
	return bad;
}

/*
 * Ports that our own running daemon has taken are no error: -n is asked
 * before each reload.
 */
static int
check_ports(const struct conf *c)
{
	struct conf_listen	*l;
	int			 bad = 0;

	if (check_is_live(c->control_path))
		return 0;
	TAILQ_FOREACH(l, &c->listens, entry)
		if (strcmp(l->addr, "*") == 0)
			bad += check_port(l, "0.0.0.0") + check_port(l, "::");
		else
			bad += check_port(l, l->addr);
	return bad;
}
