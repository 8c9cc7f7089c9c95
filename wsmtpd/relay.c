/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-relay: the process.  soap hands it a composed hop message and the
 * domain it is for; it answers with what the domain's server said, or why
 * none could be reached.  It knows no secret and no XML.
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "relay.h"

#define RELAY_FINISH	10	/* s for what is in work at shutdown */

static int	 relay_preinit(struct proc *);
static int	 relay_init(struct proc *);
static void	 relay_start(struct proc *);
static int	 relay_msg(struct proc *, struct chan *, struct imsg *);
static void	 relay_peer_down(struct proc *, struct chan *);
static void	 relay_reload(struct proc *, struct conf *);
static void	 relay_stats(struct proc *, struct wbuf *);
static void	 relay_shutdown(struct proc *);
static void	 relay_give_up(evutil_socket_t, short, void *);

static int	 relay_post(struct relay *, struct chan *, struct imsg *);
static int	 relay_post_ok(const struct relay_post *);
static int	 relay_line_ok(const char *);
static struct relay_job *relay_job_new(struct relay *, struct chan *,
		    uint64_t, struct relay_post *);
static void	 relay_job_late(evutil_socket_t, short, void *);
static void	 relay_job_free(struct relay_job *);
static int	 relay_result(struct chan *, uint64_t,
		    const struct relay_result *);
static void	 relay_turn_away(struct chan *, uint64_t, const char *);

static const struct proc_ops relay_ops = {
	.me = P_RELAY,
	.preinit = relay_preinit,
	.init = relay_init,
	.start = relay_start,
	.msg = relay_msg,
	.peer_down = relay_peer_down,
	.reload = relay_reload,
	.stats = relay_stats,
	.shutdown = relay_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &relay_ops);
}

/* What needs files: resolv.conf, OpenSSL's configuration. */
static int
relay_preinit(struct proc *p)
{
	struct relay	*r;

	if (tls_init() == -1) {
		log_warnx("libtls cannot be initialised");
		return -1;
	}
	if ((r = calloc(1, sizeof(*r))) == NULL) {
		log_warn("relay");
		return -1;
	}
	r->p = p;
	TAILQ_INIT(&r->jobs);
	TAILQ_INIT(&r->idle);
	RB_INIT(&r->domains);
	if ((r->dns = relay_dns_new(p->conf->resolver)) == NULL) {
		free(r);
		return -1;
	}
	p->ctx = r;
	return 0;
}

static int
relay_init(struct proc *p)
{
	struct relay	*r = p->ctx;

	if ((r->tls = relay_tls_new(p->conf)) == NULL)
		return -1;
	if ((r->give_up = evtimer_new(p->base, relay_give_up, r)) == NULL) {
		log_warnx("relay: no event");
		return -1;
	}
	relay_dns_start(r->dns, p->base);
	return 0;
}

static void
relay_start(struct proc *p)
{
	log_debug("resolver %s", p->conf->resolver != NULL ?
	    p->conf->resolver : "of the system");
}

/* Connections made under the old trust or routes serve out their one job. */
static void
relay_reload(struct proc *p, struct conf *old)
{
	struct relay		*r = p->ctx;
	struct relay_tls	*tls;
	const char		*now = p->conf->resolver, *was = old->resolver;

	if ((tls = relay_tls_new(p->conf)) == NULL)
		log_warnx("new trust anchors are not used, the old ones stay");
	else {
		relay_tls_free(r->tls);
		r->tls = tls;
	}
	r->generation++;
	relay_pool_close_idle(r);
	if (strcmp(now != NULL ? now : "", was != NULL ? was : "") != 0)
		relay_dns_reset(r->dns, now);
}

static void
relay_stats(struct proc *p, struct wbuf *w)
{
	struct relay	*r = p->ctx;

	stats_add(w, "posts", 'c', r->stats.posts);
	stats_add(w, "posts_in_work", 'g', r->njobs);
	stats_add(w, "answers", 'c', r->stats.answers);
	stats_add(w, "failures_temporary", 'c', r->stats.temp);
	stats_add(w, "failures_permanent", 'c', r->stats.perm);
	stats_add(w, "connections_open", 'g', r->nconns);
	stats_add(w, "connections_idle", 'g', r->nidle);
	stats_add(w, "connections_tried", 'c', r->stats.connects);
	stats_add(w, "connections_failed", 'c', r->stats.failures);
	stats_add(w, "connections_reused", 'c', r->stats.reused);
	stats_add(w, "posts_retried", 'c', r->stats.retried);
	stats_add(w, "bytes_in", 'c', r->stats.bytes_in);
	stats_add(w, "bytes_out", 'c', r->stats.bytes_out);
	relay_dns_stats(r->dns, w);
}

/* What waits goes back to the queue; what is posted may still be answered. */
static void
relay_shutdown(struct proc *p)
{
	struct relay		*r = p->ctx;
	struct timeval		 tv = { RELAY_FINISH, 0 };
	struct relay_job	*job, *next;

	r->is_stopping = 1;
	TAILQ_FOREACH_SAFE(job, &r->jobs, all, next)
		if (job->conn == NULL) {
			relay_pool_remove(job);
			relay_job_done(job, RELAY_TEMP, "shutting down", NULL,
			    NULL);
		}
	relay_pool_close_idle(r);
	evtimer_add(r->give_up, &tv);
	if (r->njobs == 0)
		relay_give_up(-1, 0, r);
}

static void
relay_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct relay	*r = arg;

	(void)fd;
	(void)what;
	if (r->njobs > 0)
		log_info("%zu posts are cut", r->njobs);
	proc_exit(r->p, 0);
}

/* --- jobs -------------------------------------------------------------------- */

static int
relay_msg(struct proc *p, struct chan *chan, struct imsg *imsg)
{
	switch (imsg->hdr.type) {
	case IMSG_RELAY_POST:
		return relay_post(p->ctx, chan, imsg);
	default:
		log_warnx("unexpected %s from %s", proto_name(imsg->hdr.type),
		    proc_name(chan->peer));
		return -1;
	}
}

static int
relay_post(struct relay *r, struct chan *chan, struct imsg *imsg)
{
	struct relay_post	 post;
	struct relay_job	*job;
	struct rbuf		 rb;
	uint64_t		 id = imsg->hdr.id;

	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (relay_post_get(&rb, &post) == -1) {
		log_warn("soap: malformed %s", proto_name(imsg->hdr.type));
		return -1;
	}
	if (!relay_post_ok(&post)) {
		log_warnx("soap: %s with a bad field",
		    proto_name(imsg->hdr.type));
		relay_post_free(&post);
		return -1;
	}
	r->stats.posts++;
	if (r->is_stopping) {
		relay_post_free(&post);
		relay_turn_away(chan, id, "shutting down");
		return 0;
	}
	if ((job = relay_job_new(r, chan, id, &post)) == NULL) {
		log_warn("id=%016" PRIx64 " relay", id);
		relay_turn_away(chan, id, "out of memory");
		return 0;
	}
	if (relay_pool_add(r, job) == -1)
		relay_job_done(job, RELAY_TEMP, "out of memory", NULL, NULL);
	return 0;
}

static void
relay_turn_away(struct chan *chan, uint64_t id, const char *why)
{
	struct relay_result	 res = { .result = RELAY_TEMP };

	res.reason = (char *)(uintptr_t)why;
	res.host = res.content_type = (char *)(uintptr_t)"";
	if (relay_result(chan, id, &res) == -1)
		log_warn("id=%016" PRIx64 " result to soap", id);
}

/* soap reads what strangers write: it must not be able to split a request. */
static int
relay_post_ok(const struct relay_post *post)
{
	char	 name[ADDR_DOMAIN_MAX + 1];

	return addr_domain_normalize(post->domain, name, sizeof(name)) == 0 &&
	    strcmp(name, post->domain) == 0 &&
	    post->content_type[0] != '\0' &&
	    relay_line_ok(post->content_type) &&
	    relay_line_ok(post->soapaction);
}

static int
relay_line_ok(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			return 0;
	return 1;
}

/* Takes post.  NULL: ENOMEM. */
static struct relay_job *
relay_job_new(struct relay *r, struct chan *chan, uint64_t id,
    struct relay_post *post)
{
	struct timeval		 tv = { 0, 0 };
	struct relay_job	*job;

	if ((job = calloc(1, sizeof(*job))) == NULL) {
		relay_post_free(post);
		return NULL;
	}
	job->relay = r;
	job->id = id;
	job->soap = chan;
	job->post = *post;
	TAILQ_INSERT_TAIL(&r->jobs, job, all);
	r->njobs++;
	job->deadline = evtimer_new(r->p->base, relay_job_late, job);
	job->body = malloc(post->body_len + 1);
	if (job->deadline == NULL || job->body == NULL) {
		relay_job_free(job);
		errno = ENOMEM;
		return NULL;
	}
	/* The message that the codec points into goes when we return. */
	memcpy(job->body, post->body, post->body_len);
	job->post.body = job->body;
	tv.tv_sec = (time_t)r->p->conf->limit[LIM_RELAY_TIMEOUT];
	evtimer_add(job->deadline, &tv);
	return job;
}

static void
relay_job_free(struct relay_job *job)
{
	struct relay	*r = job->relay;
	struct timeval	 now = { 0, 0 };

	TAILQ_REMOVE(&r->jobs, job, all);
	r->njobs--;
	if (job->deadline != NULL)
		event_free(job->deadline);
	relay_post_free(&job->post);
	free(job->body);
	free(job);
	if (r->is_stopping && r->njobs == 0)
		evtimer_add(r->give_up, &now);
}

static void
relay_job_late(evutil_socket_t fd, short what, void *arg)
{
	struct relay_job	*job = arg;
	struct relay_domain	*d = job->domain;
	struct relay_conn	*c = job->conn;
	char			 host[sizeof(c->host)] = "";

	(void)fd;
	(void)what;
	if (c == NULL) {
		if (!TAILQ_EMPTY(&d->conns))
			strlcpy(host, TAILQ_FIRST(&d->conns)->host,
			    sizeof(host));
		relay_pool_remove(job);
		relay_job_done(job, RELAY_TEMP,
		    "timed out before a connection was free", host, NULL);
		relay_pool_gc(d);
		return;
	}
	strlcpy(host, c->host, sizeof(host));
	c->job = NULL;
	relay_conn_free(c);
	relay_job_done(job, RELAY_TEMP, "timed out waiting for the answer",
	    host, NULL);
	relay_pool_run(d);
	relay_pool_gc(d);
}

void
relay_job_done(struct relay_job *job, int result, const char *reason,
    const char *host, const struct http_msg *msg)
{
	struct relay		*r = job->relay;
	struct relay_result	 res = { 0 };
	const char		*type = NULL;

	if (result == RELAY_OK)
		r->stats.answers++;
	else if (result == RELAY_PERM)
		r->stats.perm++;
	else
		r->stats.temp++;
	if (job->soap != NULL) {
		if (msg != NULL)
			type = http_field(msg, "content-type");
		res.result = (uint32_t)result;
		/* The codec only reads these. */
		res.reason = (char *)(uintptr_t)reason;
		res.host = (char *)(uintptr_t)(host != NULL ? host : "");
		res.content_type = (char *)(uintptr_t)(type != NULL ? type :
		    "");
		if (msg != NULL) {
			res.status = (uint32_t)msg->status;
			res.body = msg->body.data;
			res.body_len = msg->body.len;
		}
		if (relay_result(job->soap, job->id, &res) == -1)
			log_warn("id=%016" PRIx64 " result to soap", job->id);
	}
	relay_job_free(job);
}

static int
relay_result(struct chan *chan, uint64_t id, const struct relay_result *res)
{
	struct wbuf	 w = { 0 };
	int		 ret;

	relay_result_put(&w, res);
	ret = chan_sendw(chan, IMSG_SOAP_RELAY_RESULT, id, &w);
	wbuf_free(&w);
	return ret;
}

/*
 * The soap process that asked is gone: what waits is not begun, what is
 * posted is left to end, as to cut it would only make its outcome unknown.
 */
static void
relay_peer_down(struct proc *p, struct chan *chan)
{
	struct relay		*r = p->ctx;
	struct relay_job	*job, *next;

	TAILQ_FOREACH_SAFE(job, &r->jobs, all, next) {
		if (job->soap != chan)
			continue;
		job->soap = NULL;
		if (job->conn == NULL) {
			relay_pool_remove(job);
			relay_job_done(job, RELAY_TEMP, "interrupted", NULL,
			    NULL);
		}
	}
}
