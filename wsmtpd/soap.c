/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-soap, the process: dispatch of messages, and what was asked of
 * keys, wsqueue, wslocal, wsattach and relay and is not answered yet.  Started by
 * wsmtpd(8), once or several times.
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "log.h"
#include "soap.h"
#include "wstime.h"

#define SOAP_FINISH	10	/* s for what is in work at shutdown */
#define SOAP_KEYS_TIMEOUT 60	/* s */

struct ask {
	struct soap	*s;
	struct idtree	*tree;
	uint64_t	 id;
	struct chan	*chan;
	uint32_t	 answer;
	struct event	*timeout;
	ask_cb		 cb;
	void		*arg;
};

static int	 soap_preinit(struct proc *);
static int	 soap_init(struct proc *);
static void	 soap_start(struct proc *);
static int	 soap_msg(struct proc *, struct chan *, struct imsg *);
static int	 soap_parent_msg(struct proc *, struct chan *, struct imsg *);
static void	 soap_peer_up(struct proc *, struct chan *);
static void	 soap_peer_down(struct proc *, struct chan *);
static void	 soap_reload(struct proc *, struct conf *);
static void	 soap_stats(struct proc *, struct wbuf *);
static void	 soap_shutdown(struct proc *);
static void	 soap_give_up(evutil_socket_t, short, void *);
static int	 soap_warm_up(void);
static struct idtree *soap_tree(struct soap *, enum proc_id);
static int	 ask_answered(struct soap *, struct chan *, struct imsg *);
static void	 ask_late(evutil_socket_t, short, void *);
static int	 ask_new(struct soap *, struct chan *, uint32_t, uint64_t, int,
		    struct wbuf *, uint32_t, int64_t, ask_cb, void *);
static void	 ask_free(struct ask *);
static void	 ask_collect(uint64_t, void *, void *);
static void	 ask_peer_down(struct soap *, struct chan *);

static const struct proc_ops soap_ops = {
	.me = P_SOAP,
	.preinit = soap_preinit,
	.init = soap_init,
	.start = soap_start,
	.msg = soap_msg,
	.peer_up = soap_peer_up,
	.peer_down = soap_peer_down,
	.parent_msg = soap_parent_msg,
	.reload = soap_reload,
	.stats = soap_stats,
	.shutdown = soap_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &soap_ops);
}

/* Signs and verifies once, so that libcrypto has read what it reads. */
static int
soap_warm_up(void)
{
	EVP_PKEY	*key;
	EVP_MD_CTX	*md;
	uint8_t		 sig[256];
	size_t		 len = sizeof(sig);
	int		 ok;

	key = EVP_EC_gen("P-256");
	md = EVP_MD_CTX_new();
	ok = key != NULL && md != NULL &&
	    EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(md, sig, &len, (const uint8_t *)"x", 1) == 1 &&
	    EVP_MD_CTX_reset(md) == 1 &&
	    EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(md, sig, len, (const uint8_t *)"x", 1) == 1;
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return ok ? 0 : -1;
}

static int
soap_preinit(struct proc *p)
{
	(void)p;
	if (xml_init() == -1 || soap_warm_up() == -1) {
		log_warnx("soap: the XML or crypto library does not work");
		return -1;
	}
	return 0;
}

static int
soap_init(struct proc *p)
{
	struct soap	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		log_warn("soap");
		return -1;
	}
	s->p = p;
	p->ctx = s;
	s->lastid = proc_newid();
	idtree_init(&s->wait_keys);
	idtree_init(&s->wait_queue);
	idtree_init(&s->wait_local);
	idtree_init(&s->wait_relay);
	idtree_init(&s->wait_attach);
	TAILQ_INIT(&s->requests);
	TAILQ_INIT(&s->hops);
	TAILQ_INIT(&s->notices);
	TAILQ_INIT(&s->plugmails);
	TAILQ_INIT(&s->hosted);
	TAILQ_INIT(&s->known);
	TAILQ_INIT(&s->acquainted);
	s->give_up = evtimer_new(p->base, soap_give_up, s);
	if (s->give_up == NULL || plugs_init(&s->plugs, p) == -1) {
		log_warnx("soap: no event");
		return -1;
	}
	return certs_load(s);
}

static void
soap_start(struct proc *p)
{
	(void)p;	/* all work comes in messages */
}

static int
soap_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct soap	*s = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_SOAP_HTTP_REQUEST:
		return request_new(s, c, imsg);
	case IMSG_SOAP_RELAY_JOB:
		return hop_new(s, c, imsg);
	case IMSG_SOAP_BOUNCE_JOB:
		return notice_new(s, c, imsg);
	case IMSG_CALLER_VERDICT:
		return plugs_verdict(&s->plugs, c, imsg);
	case IMSG_SOAP_PLUG_MAIL:
		return plugmail_new(s, c, imsg);
	default:
		return ask_answered(s, c, imsg);
	}
}

static int
soap_parent_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct soap	*s = p->ctx;

	(void)c;
	if (imsg->hdr.type != IMSG_PROC_PLUGS)
		return -1;
	return plugs_table(&s->plugs, imsg);
}

static void
soap_peer_up(struct proc *p, struct chan *c)
{
	struct soap	*s = p->ctx;

	if (c->peer == P_PLUG)
		plugs_peer_up(&s->plugs, c);
}

static void
soap_peer_down(struct proc *p, struct chan *c)
{
	struct soap	*s = p->ctx;
	struct request	*r;

	if (c->peer == P_FRONTEND)
		TAILQ_FOREACH(r, &s->requests, entry)
			if (r->frontend == c)
				r->frontend = NULL;
	if (c->peer == P_QUEUE) {
		hop_queue_down(s, c);
		notice_queue_down(s, c);
	}
	if (c->peer == P_PLUG) {
		plugs_peer_down(&s->plugs, c);
		plugmail_peer_down(s, c);
	}
	ask_peer_down(s, c);
}

/*
 * Requests under way go on under the new configuration; what they hold of
 * the old one is copied.
 */
static void
soap_reload(struct proc *p, struct conf *old)
{
	(void)old;
	if (certs_load(p->ctx) == -1)
		log_warnx("soap: the new certificates are not used");
}

static void
soap_stats(struct proc *p, struct wbuf *w)
{
	struct soap		*s = p->ctx;
	const struct soap_stats	*st = &s->st;

	stats_add(w, "requests", 'c', st->requests);
	stats_add(w, "faults", 'c', st->faults);
	stats_add(w, "auth_ok", 'c', st->auth_ok);
	stats_add(w, "auth_refused", 'c', st->auth_refused);
	stats_add(w, "replayed", 'c', st->replayed);
	stats_add(w, "messages_sent", 'c', st->sent);
	stats_add(w, "messages_from_peers", 'c', st->peer_in);
	stats_add(w, "hops_accepted", 'c', st->relayed);
	stats_add(w, "hops_failed", 'c', st->relay_failed);
	stats_add(w, "bounces", 'c', st->bounces);
	stats_add(w, "plugin_mail", 'c', st->plug_mail);
	plugs_stats(&s->plugs, w);
	stats_add(w, "thumbprint_hits", 'c', st->thumbprint_hits);
	stats_add(w, "thumbprint_misses", 'c', st->thumbprint_misses);
	stats_add(w, "certificates_known", 'g', s->nknown);
	stats_add(w, "wait_keys", 'g', s->wait_keys.count);
	stats_add(w, "wait_queue", 'g', s->wait_queue.count);
	stats_add(w, "wait_local", 'g', s->wait_local.count);
	stats_add(w, "wait_relay", 'g', s->wait_relay.count);
	stats_add(w, "wait_attach", 'g', s->wait_attach.count);
}

static void
soap_shutdown(struct proc *p)
{
	struct soap	*s = p->ctx;
	struct timeval	 tv = { .tv_sec = SOAP_FINISH };

	if (s == NULL)
		proc_exit(p, 0);
	(void)evtimer_add(s->give_up, &tv);
	soap_idle(s);
}

static void
soap_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct soap	*s = arg;

	(void)fd;
	(void)what;
	proc_exit(s->p, 0);
}

void
soap_idle(struct soap *s)
{
	struct timeval	 now = { 0 };

	/* From the event loop, as the caller is not done with its objects. */
	if (s->p->stopping && TAILQ_EMPTY(&s->requests) &&
	    TAILQ_EMPTY(&s->hops) && TAILQ_EMPTY(&s->notices) &&
	    TAILQ_EMPTY(&s->plugmails))
		(void)evtimer_add(s->give_up, &now);
}

int64_t
soap_limit(const struct soap *s, enum limit which)
{
	return s->p->conf->limit[which];
}

void
soap_rules(const struct soap *s, struct wss_rules *rules)
{
	rules->now = wstime_now();
	rules->future = (unsigned int)soap_limit(s, LIM_SKEW_FUTURE);
	rules->lifetime = (unsigned int)soap_limit(s, LIM_REQUEST_LIFETIME);
	rules->references_max =
	    (unsigned int)soap_limit(s, LIM_XML_REFERENCES);
	rules->ecdsa_der = 0;
	rules->parts = NULL;
}

void
soap_xml_limits(const struct soap *s, enum limit size, struct xml_limits *lim)
{
	lim->bytes = (size_t)soap_limit(s, size);
	lim->depth = (unsigned int)soap_limit(s, LIM_XML_DEPTH);
	lim->nodes = (unsigned int)soap_limit(s, LIM_XML_NODES);
	lim->attributes = (unsigned int)soap_limit(s, LIM_XML_ATTRIBUTES);
	lim->namespaces = (unsigned int)soap_limit(s, LIM_XML_NAMESPACES);
	lim->ids = (unsigned int)soap_limit(s, LIM_XML_IDS);
}

/*
 * --- what is asked of others ---
 */

static struct idtree *
soap_tree(struct soap *s, enum proc_id peer)
{
	switch (peer) {
	case P_KEYS:
		return &s->wait_keys;
	case P_QUEUE:
		return &s->wait_queue;
	case P_LOCAL:
		return &s->wait_local;
	case P_RELAY:
		return &s->wait_relay;
	case P_ATTACH:
		return &s->wait_attach;
	default:
		return NULL;
	}
}

static void
ask_free(struct ask *a)
{
	if (a->timeout != NULL)
		event_free(a->timeout);
	free(a);
}

/* Takes fd (or -1) and what is in the wbuf. */
static int
ask_new(struct soap *s, struct chan *c, uint32_t type, uint64_t id, int fd,
    struct wbuf *w, uint32_t answer, int64_t timeout, ask_cb cb, void *arg)
{
	struct timeval	 tv = { .tv_sec = (time_t)timeout };
	struct ask	*a;
	int		 rv;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		goto fail;
	a->s = s;
	a->tree = soap_tree(s, c->peer);
	a->id = id;
	a->chan = c;
	a->answer = answer;
	a->cb = cb;
	a->arg = arg;
	a->timeout = evtimer_new(s->p->base, ask_late, a);
	if (w->error || a->timeout == NULL ||
	    evtimer_add(a->timeout, &tv) == -1)
		goto fail;
	/* Only what is sent waits: a channel that breaks here fails the rest. */
	rv = chan_send(c, type, id, fd, w->data, w->len);
	fd = -1;
	if (rv == -1 || idtree_set(a->tree, id, a) == -1) {
		log_warn("soap: %s", proto_name(type));
		goto fail;
	}
	wbuf_free(w);
	c->outstanding++;
	return 0;
 fail:
	if (fd != -1)
		close(fd);
	wbuf_free(w);
	if (a != NULL)
		ask_free(a);
	return -1;
}

int
soap_ask_chan(struct soap *s, struct chan *c, uint32_t type, uint64_t id,
    struct wbuf *w, uint32_t answer, int64_t timeout, ask_cb cb, void *arg)
{
	return ask_new(s, c, type, id, -1, w, answer, timeout, cb, arg);
}

int
soap_ask_fd(struct soap *s, enum proc_id to, uint32_t type, int fd,
    struct wbuf *w, uint32_t answer, int64_t timeout, ask_cb cb, void *arg)
{
	struct chan	*c = proc_peer(s->p, to);

	if (c == NULL || chan_is_full(c)) {
		if (fd != -1)
			close(fd);
		wbuf_free(w);
		return -1;
	}
	return ask_new(s, c, type, ++s->lastid, fd, w, answer, timeout, cb,
	    arg);
}

int
soap_ask(struct soap *s, enum proc_id to, uint32_t type, struct wbuf *w,
    uint32_t answer, int64_t timeout, ask_cb cb, void *arg)
{
	return soap_ask_fd(s, to, type, -1, w, answer, timeout, cb, arg);
}

int
soap_ask_sign(struct soap *s, const char *domain, const struct wbuf *text,
    ask_cb cb, void *arg)
{
	struct keys_sign	 q;
	struct wbuf		 w = { 0 };

	q.domain = (char *)(uintptr_t)domain;
	q.text = text->data;
	q.text_len = text->len;
	keys_sign_put(&w, &q);
	return soap_ask(s, P_KEYS, IMSG_KEYS_SIGN, &w, IMSG_SOAP_SIGN_RESULT,
	    SOAP_KEYS_TIMEOUT, cb, arg);
}

/* A late answer to what was given up is normal. */
static int
ask_answered(struct soap *s, struct chan *c, struct imsg *imsg)
{
	struct idtree	*tree = soap_tree(s, c->peer);
	struct ask	*a;
	int		 rv;

	if (tree == NULL) {
		log_warnx("soap: unexpected %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
	if ((a = idtree_get(tree, imsg->hdr.id)) == NULL || a->chan != c)
		return 0;
	if (a->answer != 0 && a->answer != imsg->hdr.type) {
		log_warnx("soap: %s from %s is not the answer",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
	(void)idtree_pop(tree, a->id);
	c->outstanding--;
	if ((rv = a->cb(a->arg, imsg, NULL)) == -1)
		log_warnx("soap: malformed %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
	ask_free(a);
	return rv;
}

static void
ask_late(evutil_socket_t fd, short what, void *arg)
{
	struct ask	*a = arg;

	(void)fd;
	(void)what;
	(void)idtree_pop(a->tree, a->id);
	a->chan->outstanding--;
	log_warnx("soap: no %s from %s in time", proto_name(a->answer),
	    proc_name(a->chan->peer));
	(void)a->cb(a->arg, NULL, "no answer in time");
	ask_free(a);
}

struct collect {
	struct chan	*c;
	TAILQ_HEAD(, lost) lost;
};

struct lost {
	uint64_t	 id;
	TAILQ_ENTRY(lost) entry;
};

static void
ask_collect(uint64_t id, void *obj, void *arg)
{
	struct collect	*col = arg;
	struct ask	*a = obj;
	struct lost	*l;

	if (a->chan != col->c)
		return;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		fatal("soap");
	l->id = id;
	TAILQ_INSERT_TAIL(&col->lost, l, entry);
}

/* All that this channel would have answered fails as temporary. */
static void
ask_peer_down(struct soap *s, struct chan *c)
{
	struct idtree	*tree = soap_tree(s, c->peer);
	struct collect	 col;
	struct lost	*l;
	struct ask	*a;

	if (tree == NULL)
		return;
	col.c = c;
	TAILQ_INIT(&col.lost);
	idtree_walk(tree, ask_collect, &col);
	while ((l = TAILQ_FIRST(&col.lost)) != NULL) {
		TAILQ_REMOVE(&col.lost, l, entry);
		if ((a = idtree_pop(tree, l->id)) != NULL) {
			(void)a->cb(a->arg, NULL, "a part of the server is "
			    "being restarted");
			ask_free(a);
		}
		free(l);
	}
}
