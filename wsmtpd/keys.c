/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-keys: holds what must stay secret (the domains' signing keys and the
 * users' verifiers) and answers soap, which has none of it.  Started by
 * wsmtpd(8).  No XML, no network, no files.
 */
#include "compat.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>

#include "keys.h"
#include "log.h"

#define KEYS_SECURE_HEAP	(256U << 10)	/* locked memory for the keys */
#define KEYS_SECURE_MIN		16

static int	 keys_preinit(struct proc *);
static int	 keys_init(struct proc *);
static void	 keys_start(struct proc *);
static int	 keys_msg(struct proc *, struct chan *, struct imsg *);
static void	 keys_peer_down(struct proc *, struct chan *);
static void	 keys_reload(struct proc *, struct conf *);
static void	 keys_stats(struct proc *, struct wbuf *);
static void	 keys_shutdown(struct proc *);

static const struct proc_ops keys_ops = {
	.me = P_KEYS,
	.preinit = keys_preinit,
	.init = keys_init,
	.start = keys_start,
	.msg = keys_msg,
	.peer_down = keys_peer_down,
	.reload = keys_reload,
	.stats = keys_stats,
	.shutdown = keys_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &keys_ops);
}

/*
 * Private numbers live on OpenSSL's secure heap: locked, guarded, never in a
 * dump.  As root the lock succeeds whatever the limit is; without root it may
 * not, and the heap is used all the same.
 */
static int
keys_preinit(struct proc *p)
{
	uint8_t	digest[EVP_MAX_MD_SIZE];

	(void)p;
	switch (CRYPTO_secure_malloc_init(KEYS_SECURE_HEAP,
	    KEYS_SECURE_MIN)) {
	case 1:
		break;
	case 2:
		log_debug("keys: memory is not locked");
		break;
	default:
		log_debug("keys: no secure heap");
		break;
	}
	/* The configuration of libcrypto is read while it can be. */
	if (EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) != 1) {
		log_warnx("keys: no SHA-256");
		return -1;
	}
	return 0;
}

static int
keys_init(struct proc *p)
{
	struct keys	*k;

	if ((k = calloc(1, sizeof(*k))) == NULL) {
		log_warn("keys");
		return -1;
	}
	k->p = p;
	p->ctx = k;
	TAILQ_INIT(&k->pkeys);
	if (useridx_build(&k->users, p->conf) == -1) {
		log_warn("keys");
		return -1;
	}
	if (sign_load(k, p->conf) == -1)
		return -1;
	return auth_init(k);
}

static void
keys_start(struct proc *p)
{
	(void)p;	/* all work comes in messages */
}

static int
keys_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct keys	*k = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_KEYS_SIGN:
		return sign_handle(k, c, imsg);
	case IMSG_KEYS_PASSWORD_CHECK:
		return auth_password(k, c, imsg);
	case IMSG_KEYS_MAC_CHECK:
		return auth_mac(k, c, imsg);
	case IMSG_KEYS_PARAMS_GET:
		return auth_params(k, c, imsg);
	default:
		log_warnx("keys: unexpected %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
}

static void
keys_peer_down(struct proc *p, struct chan *c)
{
	auth_peer_down(p->ctx, c);
}

static void
keys_reload(struct proc *p, struct conf *old)
{
	struct keys	*k = p->ctx;

	(void)old;
	if (useridx_build(&k->users, p->conf) == -1)
		fatal("keys");
	if (sign_load(k, p->conf) == -1)
		log_warnx("keys: some domains cannot sign");
	auth_reload(k);
}

static void
keys_stats(struct proc *p, struct wbuf *w)
{
	struct keys		*k = p->ctx;
	const struct keys_stats	*st = &k->st;

	stats_add(w, "keys_signed", 'c', st->signed_ok);
	stats_add(w, "keys_sign_failed", 'c', st->sign_failed);
	stats_add(w, "keys_auth_ok", 'c', st->auth_ok);
	stats_add(w, "keys_auth_cached", 'c', st->auth_cached);
	stats_add(w, "keys_auth_failed", 'c', st->auth_failed);
	stats_add(w, "keys_auth_slowed", 'c', st->auth_slowed);
	stats_add(w, "keys_auth_error", 'c', st->auth_error);
	stats_add(w, "keys_params", 'c', st->params);
	stats_add(w, "keys_hashes_waiting", 'g', worker_waiting(k->worker));
	stats_add(w, "keys_guesses_tracked", 'g', guess_count(k->guess));
}

static void
keys_shutdown(struct proc *p)
{
	struct keys	*k = p->ctx;

	if (k != NULL) {
		if (k->worker != NULL)
			auth_clear(k);
		sign_clear(k);
		useridx_free(&k->users);
		freezero(k, sizeof(*k));
		p->ctx = NULL;
	}
	proc_exit(p, 0);
}
