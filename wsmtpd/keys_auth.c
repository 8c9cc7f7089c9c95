/* SPDX-License-Identifier: ISC */
/*
 * Users' verifiers: passwords as text, MACs under the derived key, and the
 * salt that a client must know for these.  An unknown user, a disabled one
 * and a wrong password take the same way, the same time and end in the same
 * answer.
 *
 * A password found right is remembered for some minutes as a tag under a key
 * that only this process knows, so that a session costs one slow hash.  Two
 * requests with the same password wait for the same hash.
 */
#include "compat.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "log.h"
#include "msg_keys.h"
#include "wstime.h"

#define AUTH_GOOD_MAX	8192	/* passwords remembered */
#define AUTH_GOOD_MS	600000	/* so long */
#define AUTH_MAC_LEN	32

struct auth_waiter {			/* a request that waits for the hash */
	TAILQ_ENTRY(auth_waiter) entry;
	struct chan		*chan;	/* NULL: gone */
	uint64_t		 reqid;
	char			*peer;
};

struct auth_job {			/* one hash */
	TAILQ_ENTRY(auth_job)	 entry;
	struct keys		*k;
	TAILQ_HEAD(, auth_waiter) waiters;
	uint8_t			 tag[KEYS_TAG_LEN];
	char			*user;
	char			*peer;	/* of the first: its attempt */
	int			 allowed;	/* the user may log in at all */
	uint32_t		 generation;
};

struct auth_good {
	RB_ENTRY(auth_good)	 entry;
	TAILQ_ENTRY(auth_good)	 list;
	uint8_t			 tag[KEYS_TAG_LEN];
	int64_t			 until;
};

static int	 auth_good_cmp(struct auth_good *, struct auth_good *);
static int	 auth_is_good(struct keys *, const uint8_t[KEYS_TAG_LEN]);
static void	 auth_good_add(struct keys *, const uint8_t[KEYS_TAG_LEN]);
static void	 auth_good_drop(struct keys *, struct auth_good *);
static void	 auth_answer(struct keys *, struct chan *, uint64_t, uint32_t);
static void	 auth_log(const char *, const char *, uint64_t, const char *,
		    const char *);
static void	 auth_end(struct keys *, const char *, const char *, uint64_t,
		    int, const char *);
static int	 auth_wait(struct auth_job *, struct chan *, uint64_t,
		    const char *);
static struct auth_job *auth_job_find(struct keys *,
		    const uint8_t[KEYS_TAG_LEN], const char *);
static struct auth_job *auth_job_make(struct keys *,
		    const struct keys_password *,
		    const uint8_t[KEYS_TAG_LEN]);
static void	 auth_job_free(struct auth_job *);
static void	 auth_work_done(struct work *);
static int	 auth_mac_right(struct keys *, const struct keys_mac *);
static void	 auth_params_of(struct keys *, const char *,
		    struct keys_params *);

RB_PROTOTYPE(auth_tree, auth_good, entry, auth_good_cmp)
RB_GENERATE(auth_tree, auth_good, entry, auth_good_cmp)

static int
auth_good_cmp(struct auth_good *a, struct auth_good *b)
{
	return memcmp(a->tag, b->tag, sizeof(a->tag));
}

int
auth_tag(const uint8_t key[32], const char *label, const char *a,
    const char *b, uint8_t tag[KEYS_TAG_LEN])
{
	struct wbuf	w;
	unsigned int	len;
	int		ok;

	wbuf_init(&w);
	wbuf_str(&w, label);
	wbuf_str(&w, a);
	wbuf_str(&w, b);
	ok = !w.error && HMAC(EVP_sha256(), key, 32, w.data, w.len, tag,
	    &len) != NULL;
	wbuf_free(&w);
	if (ok)
		return 0;
	errno = ENOMEM;
	return -1;
}

int
auth_init(struct keys *k)
{
	char	password[33];
	uint8_t	rnd[16];
	size_t	i;

	TAILQ_INIT(&k->jobs);
	TAILQ_INIT(&k->good_list);
	RB_INIT(&k->good);
	arc4random_buf(k->secret, sizeof(k->secret));
	/* Nobody's password, with the cost of everybody's. */
	arc4random_buf(rnd, sizeof(rnd));
	for (i = 0; i < sizeof(rnd); i++)
		snprintf(password + 2 * i, 3, "%02x", rnd[i]);
	if (users_set_password(&k->dummy, password) == -1) {
		log_warn("keys: verifier");
		return -1;
	}
	explicit_bzero(password, sizeof(password));
	explicit_bzero(rnd, sizeof(rnd));
	if ((k->guess = guess_new(k->secret)) == NULL) {
		log_warn("keys");
		return -1;
	}
	k->worker = worker_new(k->p->base, auth_work_done);
	return k->worker == NULL ? -1 : 0;
}

void
auth_clear(struct keys *k)
{
	struct auth_job	*j;

	worker_free(k->worker);
	k->worker = NULL;
	while ((j = TAILQ_FIRST(&k->jobs)) != NULL)
		auth_job_free(j);
	auth_reload(k);
	guess_free(k->guess);
	k->guess = NULL;
	if (k->dummy.text != NULL)
		freezero(k->dummy.text, strlen(k->dummy.text));
	if (k->dummy.mac != NULL)
		freezero(k->dummy.mac, strlen(k->dummy.mac));
	explicit_bzero(k->secret, sizeof(k->secret));
}

void
auth_reload(struct keys *k)
{
	struct auth_good	*g;

	k->generation++;
	while ((g = TAILQ_FIRST(&k->good_list)) != NULL)
		auth_good_drop(k, g);
}

static void
auth_good_drop(struct keys *k, struct auth_good *g)
{
	RB_REMOVE(auth_tree, &k->good, g);
	TAILQ_REMOVE(&k->good_list, g, list);
	k->ngood--;
	freezero(g, sizeof(*g));
}

static int
auth_is_good(struct keys *k, const uint8_t tag[KEYS_TAG_LEN])
{
	struct auth_good	find, *g;
	int64_t			now = wstime_mono();

	while ((g = TAILQ_FIRST(&k->good_list)) != NULL && g->until <= now)
		auth_good_drop(k, g);
	memcpy(find.tag, tag, sizeof(find.tag));
	return RB_FIND(auth_tree, &k->good, &find) != NULL;
}

static void
auth_good_add(struct keys *k, const uint8_t tag[KEYS_TAG_LEN])
{
	struct auth_good	*g;

	if (auth_is_good(k, tag))
		return;
	if (k->ngood >= AUTH_GOOD_MAX)
		auth_good_drop(k, TAILQ_FIRST(&k->good_list));
	if ((g = calloc(1, sizeof(*g))) == NULL)
		return;		/* the next request costs a hash, no more */
	memcpy(g->tag, tag, sizeof(g->tag));
	g->until = wstime_mono() + AUTH_GOOD_MS;
	RB_INSERT(auth_tree, &k->good, g);
	TAILQ_INSERT_TAIL(&k->good_list, g, list);
	k->ngood++;
}

static void
auth_answer(struct keys *k, struct chan *c, uint64_t reqid, uint32_t result)
{
	struct wbuf	w;

	switch (result) {
	case AUTH_OK:
		k->st.auth_ok++;
		break;
	case AUTH_FAILED:
		k->st.auth_failed++;
		break;
	case AUTH_SLOWED:
		k->st.auth_slowed++;
		proc_struck(k->p, LIM_AUTH_FAILURES);
		break;
	default:
		k->st.auth_error++;
		break;
	}
	if (c == NULL)
		return;
	wbuf_init(&w);
	auth_result_put(&w, result);
	if (chan_sendw(c, IMSG_SOAP_AUTH_RESULT, reqid, &w) == -1)
		log_debug("keys: answer not sent: %s", strerror(errno));
	wbuf_free(&w);
}

static void
auth_log(const char *user, const char *peer, uint64_t reqid,
    const char *result, const char *reason)
{
	struct log_ev	ev = { .ev = "auth" };

	ev.id = reqid;
	ev.peer = peer;
	ev.user = user;
	ev.result = result;
	ev.reason = reason;
	log_event(&ev);
}

/* Counts and logs how an attempt ended. */
static void
auth_end(struct keys *k, const char *user, const char *peer, uint64_t reqid,
    int right, const char *how)
{
	char	reason[64];
	int	slowed;

	slowed = guess_end(k->guess, user, peer, right,
	    k->p->conf->limit[LIM_AUTH_FAILURES], wstime_mono());
	if (right == 1)
		return;
	snprintf(reason, sizeof(reason), "%s%s", how,
	    slowed ? ", slowed from now on" : "");
	auth_log(user, peer, reqid, "refused", reason);
}

/* Password as text */

static struct auth_job *
auth_job_find(struct keys *k, const uint8_t tag[KEYS_TAG_LEN],
    const char *peer)
{
	struct auth_job	*j;

	/* Of another address it is another attempt, and counts. */
	TAILQ_FOREACH(j, &k->jobs, entry)
		if (j->generation == k->generation &&
		    memcmp(j->tag, tag, sizeof(j->tag)) == 0 &&
		    strcmp(j->peer, peer) == 0)
			return j;
	return NULL;
}

static int
auth_wait(struct auth_job *j, struct chan *c, uint64_t reqid,
    const char *peer)
{
	struct auth_waiter	*aw;

	if ((aw = calloc(1, sizeof(*aw))) == NULL)
		return -1;
	if ((aw->peer = strdup(peer)) == NULL) {
		free(aw);
		return -1;
	}
	aw->chan = c;
	aw->reqid = reqid;
	TAILQ_INSERT_TAIL(&j->waiters, aw, entry);
	return 0;
}

static void
auth_job_free(struct auth_job *j)
{
	struct auth_waiter	*aw;

	TAILQ_REMOVE(&j->k->jobs, j, entry);
	while ((aw = TAILQ_FIRST(&j->waiters)) != NULL) {
		TAILQ_REMOVE(&j->waiters, aw, entry);
		free(aw->peer);
		free(aw);
	}
	free(j->user);
	free(j->peer);
	freezero(j, sizeof(*j));
}

/* NULL: nothing is under way, errno says why. */
static struct auth_job *
auth_job_make(struct keys *k, const struct keys_password *req,
    const uint8_t tag[KEYS_TAG_LEN])
{
	const struct conf_user	*cu;
	struct auth_job		*j;
	const char		*verifier;
	int			 saved;

	if ((j = calloc(1, sizeof(*j))) == NULL)
		return NULL;
	j->k = k;
	j->generation = k->generation;
	memcpy(j->tag, tag, sizeof(j->tag));
	TAILQ_INIT(&j->waiters);
	TAILQ_INSERT_TAIL(&k->jobs, j, entry);
	cu = useridx_find(&k->users, req->user);
	verifier = k->dummy.text;
	if (cu != NULL && cu->text != NULL) {
		verifier = cu->text;
		j->allowed = !cu->disabled;
	}
	if ((j->user = strdup(req->user)) == NULL ||
	    (j->peer = strdup(req->peer)) == NULL ||
	    worker_add(k->worker, verifier, req->password, j) == -1) {
		saved = errno;
		auth_job_free(j);
		errno = saved;
		return NULL;
	}
	return j;
}

/* In the event loop, when the thread has hashed. */
static void
auth_work_done(struct work *w)
{
	struct auth_job		*j = w->arg;
	struct auth_waiter	*aw, *next;
	struct keys		*k = j->k;
	uint32_t		 result = AUTH_FAILED;
	uint64_t		 reqid = 0;

	if (w->result == -1)
		log_warnx("keys: %s: the verifier cannot be read", j->user);
	if (w->result == -1 && j->allowed)
		result = AUTH_ERROR;
	else if (w->result == 1 && j->allowed)
		result = AUTH_OK;
	if ((aw = TAILQ_FIRST(&j->waiters)) != NULL)
		reqid = aw->reqid;
	auth_end(k, j->user, j->peer, reqid, result == AUTH_OK ? 1 :
	    result == AUTH_ERROR ? -1 : 0, result == AUTH_ERROR ?
	    "verifier does not read" : "password");
	if (result == AUTH_OK) {
		auth_log(j->user, j->peer, reqid, "ok", "password");
		/* What a reload changed meanwhile is not remembered. */
		if (j->generation == k->generation)
			auth_good_add(k, j->tag);
	}
	for (aw = TAILQ_FIRST(&j->waiters); aw != NULL; aw = next) {
		next = TAILQ_NEXT(aw, entry);
		auth_answer(k, aw->chan, aw->reqid, result);
	}
	auth_job_free(j);
	work_free(w);
}

int
auth_password(struct keys *k, struct chan *c, struct imsg *imsg)
{
	struct keys_password	 req;
	struct auth_job		*j;
	struct rbuf		 r;
	uint8_t			 tag[KEYS_TAG_LEN];
	int64_t			 limit = k->p->conf->limit[LIM_AUTH_FAILURES];
	uint64_t		 id = imsg->hdr.id;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (keys_password_get(&r, &req) == -1)
		return -1;
	if (auth_tag(k->secret, "password", req.user, req.password,
	    tag) == -1) {
		auth_answer(k, c, id, AUTH_ERROR);
	} else if ((j = auth_job_find(k, tag, req.peer)) != NULL) {
		if (auth_wait(j, c, id, req.peer) == -1)
			auth_answer(k, c, id, AUTH_ERROR);
	} else if (!guess_begin(k->guess, req.user, req.peer, limit,
	    wstime_mono())) {
		/* Before the tags are looked at, or they would be an oracle. */
		auth_answer(k, c, id, AUTH_SLOWED);
	} else if (auth_is_good(k, tag)) {
		k->st.auth_cached++;
		auth_end(k, req.user, req.peer, id, 1, "");
		auth_answer(k, c, id, AUTH_OK);
	} else if ((j = auth_job_make(k, &req, tag)) == NULL) {
		log_warn("keys: password of %s not checked", req.user);
		(void)guess_end(k->guess, req.user, req.peer, -1, limit,
		    wstime_mono());
		auth_answer(k, c, id, AUTH_ERROR);
	} else if (auth_wait(j, c, id, req.peer) == -1)
		auth_answer(k, c, id, AUTH_ERROR);
	explicit_bzero(tag, sizeof(tag));
	keys_password_free(&req);
	return 0;
}

/* MAC under the derived key */

/* 1 right, 0 wrong, -1 the user's verifier cannot be read. */
static int
auth_mac_right(struct keys *k, const struct keys_mac *req)
{
	const struct conf_user	*cu = useridx_find(&k->users, req->user);
	const char		*verifier = k->dummy.mac;
	uint8_t			 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint8_t			 mac[EVP_MAX_MD_SIZE];
	uint32_t		 iterations;
	unsigned int		 len = 0;
	int			 right = 0;

	if (cu != NULL && cu->mac != NULL) {
		verifier = cu->mac;
		right = !cu->disabled;
	}
	if (users_parse_mac(verifier, &iterations, salt, key) == -1)
		return -1;
	if (HMAC(EVP_sha256(), key, sizeof(key), req->text, req->text_len,
	    mac, &len) == NULL) {
		explicit_bzero(key, sizeof(key));
		return -1;
	}
	explicit_bzero(key, sizeof(key));
	/* All is compared, whatever was wrong before. */
	right &= req->salt_len == sizeof(salt);
	if (req->salt_len == sizeof(salt))
		right &= timingsafe_bcmp(req->salt, salt, sizeof(salt)) == 0;
	right &= req->iterations == iterations;
	right &= req->mac_len == AUTH_MAC_LEN;
	if (req->mac_len == AUTH_MAC_LEN)
		right &= timingsafe_bcmp(req->mac, mac, AUTH_MAC_LEN) == 0;
	explicit_bzero(mac, sizeof(mac));
	return right;
}

int
auth_mac(struct keys *k, struct chan *c, struct imsg *imsg)
{
	struct keys_mac	 req;
	struct rbuf	 r;
	uint64_t	 id = imsg->hdr.id;
	int		 right;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (keys_mac_get(&r, &req) == -1)
		return -1;
	if (!guess_begin(k->guess, req.user, req.peer,
	    k->p->conf->limit[LIM_AUTH_FAILURES], wstime_mono()))
		auth_answer(k, c, id, AUTH_SLOWED);
	else {
		if ((right = auth_mac_right(k, &req)) == -1)
			log_warnx("keys: %s: the MAC cannot be checked",
			    req.user);
		auth_end(k, req.user, req.peer, id, right, "MAC");
		auth_answer(k, c, id, right == 1 ? AUTH_OK :
		    right == 0 ? AUTH_FAILED : AUTH_ERROR);
	}
	keys_mac_free(&req);
	return 0;
}

/* What a client must know to derive its key */

static void
auth_params_of(struct keys *k, const char *user, struct keys_params *kp)
{
	const struct conf_user	*cu = useridx_find(&k->users, user);
	uint8_t			 tag[KEYS_TAG_LEN], key[USERS_KEY_LEN];
	uint8_t			 salt[USERS_SALT_LEN];
	uint32_t		 iterations;
	int			 has = cu != NULL && cu->mac != NULL;

	/* Both are made for everybody: the same answer in the same time. */
	if (auth_tag(k->p->conf->secret, "salt", user, "", tag) == -1)
		fatal("keys");
	kp->iterations = USERS_MAC_ITERATIONS;
	memcpy(kp->salt, tag, sizeof(kp->salt));
	if (users_parse_mac(has ? cu->mac : k->dummy.mac, &iterations, salt,
	    key) == -1)
		log_warnx("keys: %s: the MAC verifier cannot be read", user);
	else if (has) {
		kp->iterations = iterations;
		memcpy(kp->salt, salt, sizeof(kp->salt));
	}
	explicit_bzero(key, sizeof(key));
	explicit_bzero(tag, sizeof(tag));
}

int
auth_params(struct keys *k, struct chan *c, struct imsg *imsg)
{
	struct keys_params	 kp;
	struct rbuf		 r;
	struct wbuf		 w;
	char			*user;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	user = rbuf_str(&r, 1024);
	if (rbuf_end(&r) == -1 || user == NULL) {
		free(user);
		return -1;
	}
	k->st.params++;
	auth_params_of(k, user, &kp);
	wbuf_init(&w);
	keys_params_put(&w, &kp);
	if (chan_sendw(c, IMSG_SOAP_PARAMS_RESULT, imsg->hdr.id, &w) == -1)
		log_debug("keys: answer not sent: %s", strerror(errno));
	wbuf_free(&w);
	free(user);
	return 0;
}

void
auth_peer_down(struct keys *k, struct chan *c)
{
	struct auth_waiter	*aw;
	struct auth_job		*j;

	TAILQ_FOREACH(j, &k->jobs, entry)
		TAILQ_FOREACH(aw, &j->waiters, entry)
			if (aw->chan == c)
				aw->chan = NULL;
}
