/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-keys: what the parts of the program share.
 *
 *	keys.c		process and dispatch
 *	keys_sign.c	the domains' signing keys
 *	keys_auth.c	passwords, MACs, and what is told of salts
 *	keys_guess.c	who guesses, and how long he waits
 *	keys_worker.c	the thread of the slow hash
 */
#ifndef KEYS_H
#define KEYS_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "conf.h"
#include "proc.h"
#include "useridx.h"
#include "users.h"

struct keys_pkey;
struct guess;
struct worker;
struct auth_job;
struct auth_good;

#define KEYS_TAG_LEN	32

struct keys_stats {
	uint64_t	 signed_ok;
	uint64_t	 sign_failed;
	uint64_t	 auth_ok;
	uint64_t	 auth_failed;
	uint64_t	 auth_slowed;
	uint64_t	 auth_error;
	uint64_t	 auth_cached;	/* of auth_ok: without the slow hash */
	uint64_t	 params;
};

struct keys {
	struct proc		*p;
	struct useridx		 users;	/* of p->conf */
	TAILQ_HEAD(, keys_pkey)	 pkeys;
	uint8_t			 secret[KEYS_TAG_LEN];	/* of this process: tags */
	struct conf_user	 dummy;	/* whom unknown users are checked as */
	struct guess		*guess;
	struct worker		*worker;
	TAILQ_HEAD(, auth_job)	 jobs;		/* with the worker */
	RB_HEAD(auth_tree, auth_good) good;	/* passwords found right, by tag */
	TAILQ_HEAD(, auth_good)	 good_list;	/* oldest first */
	size_t			 ngood;
	uint32_t		 generation;	/* of the configuration */
	struct keys_stats	 st;
};

/* keys_sign.c */
/*
 * Takes the signing keys out of the configuration, wiping them there.  A
 * domain whose key does not load keeps the one it had.  0, or -1: one had
 * none; all is logged.
 */
int	 sign_load(struct keys *, struct conf *);
void	 sign_clear(struct keys *);
int	 sign_handle(struct keys *, struct chan *, struct imsg *);

/* keys_auth.c */
int	 auth_init(struct keys *);	/* 0, or -1: logged */
void	 auth_clear(struct keys *);
void	 auth_reload(struct keys *);	/* forgets what was found right */
int	 auth_password(struct keys *, struct chan *, struct imsg *);
int	 auth_mac(struct keys *, struct chan *, struct imsg *);
int	 auth_params(struct keys *, struct chan *, struct imsg *);
void	 auth_peer_down(struct keys *, struct chan *);
/* HMAC-SHA256 under `key` of a label and strings, each with its length. */
int	 auth_tag(const uint8_t key[32], const char *label, const char *,
	    const char *, uint8_t tag[KEYS_TAG_LEN]);

/* keys_guess.c */
struct guess *guess_new(const uint8_t secret[32]);
void	 guess_free(struct guess *);
/*
 * May this user be tried from this address now?  limit: failures a minute
 * (LIM_AUTH_FAILURES).  1: yes, and the attempt counts as under way until
 * guess_end(); 0: not now.
 */
int	 guess_begin(struct guess *, const char *user, const char *peer,
	    int64_t limit, int64_t now);
/*
 * How it ended: 1 right, 0 wrong, -1 not tried.  1: that was one too many, they
 * are slowed from now on; else 0.
 */
int	 guess_end(struct guess *, const char *user, const char *peer, int right,
	    int64_t limit, int64_t now);
size_t	 guess_count(const struct guess *);

/* keys_worker.c */
struct work {
	TAILQ_ENTRY(work) entry;
	char		*verifier;	/* owned */
	char		*password;	/* owned, wiped */
	int		 result;	/* of users_check_text() */
	void		*arg;
};
/*
 * Starts the thread; done is called in the event loop for each, and owns the
 * work then.  NULL: logged.
 */
struct worker *worker_new(struct event_base *, void (*done)(struct work *));
/* 0, or -1 and EAGAIN (too much waits), ENOMEM. */
int	 worker_add(struct worker *, const char *verifier,
	    const char *password, void *arg);
void	 work_free(struct work *);
/* Stops the thread; works not begun are freed, done is not called. */
void	 worker_free(struct worker *);
size_t	 worker_waiting(struct worker *);

#endif /* KEYS_H */
