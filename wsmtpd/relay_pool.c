/* SPDX-License-Identifier: ISC */
/*
 * A domain's connections and the jobs that wait for them.  Each domain has
 * its own, so that a slow peer holds up only itself.  Jobs are posted in the
 * order they came.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "relay.h"

#define RELAY_IDLE_MAX	512	/* kept connections in all */

RB_GENERATE(relay_domains, relay_domain, entry, relay_domain_cmp)

static struct relay_domain *relay_pool_domain(struct relay *, const char *);
static void	 relay_pool_connect(struct relay_domain *);
static void	 relay_pool_fail_waiting(struct relay_domain *, int,
		    const char *, const char *);

int
relay_domain_cmp(struct relay_domain *a, struct relay_domain *b)
{
	return strcmp(a->name, b->name);
}

static struct relay_domain *
relay_pool_domain(struct relay *r, const char *name)
{
	struct relay_domain	*d, key;

	key.name = (char *)(uintptr_t)name;
	if ((d = RB_FIND(relay_domains, &r->domains, &key)) != NULL)
		return d;
	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->name = strdup(name)) == NULL) {
		free(d);
		return NULL;
	}
	d->relay = r;
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->conns);
	RB_INSERT(relay_domains, &r->domains, d);
	return d;
}

void
relay_pool_gc(struct relay_domain *d)
{
	if (d->nwaiting > 0 || d->nconns > 0)
		return;
	RB_REMOVE(relay_domains, &d->relay->domains, d);
	free(d->name);
	free(d);
}

int
relay_pool_add(struct relay *r, struct relay_job *job)
{
	struct relay_domain	*d;

	if ((d = relay_pool_domain(r, job->post.domain)) == NULL)
		return -1;
	job->domain = d;
	TAILQ_INSERT_TAIL(&d->waiting, job, entry);
	d->nwaiting++;
	relay_pool_run(d);
	relay_pool_gc(d);
	return 0;
}

void
relay_pool_remove(struct relay_job *job)
{
	TAILQ_REMOVE(&job->domain->waiting, job, entry);
	job->domain->nwaiting--;
}

/*
 * The most recently used first (the last in the list): it is the least
 * likely to be closed by now.
 */
void
relay_pool_run(struct relay_domain *d)
{
	struct relay_domain	*other;
	struct relay_conn	*c, *best;
	struct relay_job	*job;

	while ((job = TAILQ_FIRST(&d->waiting)) != NULL) {
		best = NULL;
		TAILQ_FOREACH(c, &d->conns, entry)
			if (c->state == RC_IDLE)
				best = c;
		if (best == NULL)
			break;
		relay_pool_remove(job);
		TAILQ_REMOVE(&d->relay->idle, best, idle);
		d->relay->nidle--;
		relay_conn_post(best, job);
	}
	relay_pool_connect(d);
	while (d->relay->nidle > RELAY_IDLE_MAX) {
		c = TAILQ_FIRST(&d->relay->idle);
		other = c->domain;
		relay_conn_free(c);
		if (other != d)
			relay_pool_gc(other);
	}
}

/* As many attempts as jobs wait, within the limit. */
static void
relay_pool_connect(struct relay_domain *d)
{
	int64_t	 max = d->relay->p->conf->limit[LIM_RELAY_CONNECTIONS];

	if (max < 1)
		max = 1;
	while (d->nconnecting < d->nwaiting && d->nconns < max &&
	    !d->relay->is_stopping) {
		if (relay_conn_new(d) == NULL) {
			log_warn("domain %s", d->name);
			if (d->nconns == 0)
				relay_pool_fail_waiting(d, RELAY_TEMP,
				    "out of memory", NULL);
			return;
		}
	}
}

static void
relay_pool_fail_waiting(struct relay_domain *d, int result,
    const char *reason, const char *host)
{
	struct relay_job	*job;

	while ((job = TAILQ_FIRST(&d->waiting)) != NULL) {
		relay_pool_remove(job);
		relay_job_done(job, result, reason, host, NULL);
	}
}

/*
 * Whoever waits could only try the same again; the queue knows better when.
 * While other connections stand or are being made they are left to these.
 */
void
relay_pool_failed(struct relay_conn *c, int result, const char *reason,
    const char *host)
{
	struct relay_domain	*d = c->domain;
	char			 why[sizeof(c->why)], at[sizeof(c->host)];

	strlcpy(why, reason, sizeof(why));
	strlcpy(at, host, sizeof(at));
	d->relay->stats.failures++;
	relay_conn_free(c);
	if (d->nconns == 0 || result == RELAY_PERM)
		relay_pool_fail_waiting(d, result, why, at);
	relay_pool_gc(d);
}

void
relay_pool_retry(struct relay_job *job)
{
	struct relay_domain	*d = job->domain;
	struct relay_conn	*c, *next;

	job->is_retried = 1;
	job->conn = NULL;
	d->relay->stats.retried++;
	/* Its siblings are as old: the peer may have been restarted. */
	TAILQ_FOREACH_SAFE(c, &d->conns, entry, next)
		if (c->state == RC_IDLE)
			relay_conn_free(c);
	TAILQ_INSERT_HEAD(&d->waiting, job, entry);
	d->nwaiting++;
	relay_pool_run(d);
}

void
relay_pool_close_idle(struct relay *r)
{
	struct relay_domain	*d;
	struct relay_conn	*c;

	while ((c = TAILQ_FIRST(&r->idle)) != NULL) {
		d = c->domain;
		relay_conn_free(c);
		relay_pool_gc(d);
	}
}
