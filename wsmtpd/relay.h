/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-relay: posts hop messages to the servers of other domains.  relay.c
 * owns the process and the jobs, relay_pool.c a domain's connections and who
 * gets which, relay_conn.c one connection from the route to the answer,
 * relay_dns.c names, relay_tls.c whom we trust.  All state is in memory: what
 * is lost here, wsqueue tries again.
 */
#ifndef RELAY_H
#define RELAY_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <netinet/in.h>

#include "http.h"
#include "msg_http.h"
#include "proc.h"
#include "srv.h"
#include "tlsconn.h"

struct relay;
struct relay_domain;
struct relay_conn;

struct relay_addr {
	struct sockaddr_storage	 ss;	/* its port is the route's to set */
	socklen_t		 len;
};

/* --- relay_dns.c ---------------------------------------------------------- */

struct relay_dns;
struct relay_query;
struct relay_dns_answer {
	int			 result;	/* RELAY_OK, _TEMP, _PERM */
	const char		*why;		/* when not RELAY_OK */
	const struct srv	*srv;		/* in no order */
	size_t			 nsrv;
	const struct relay_addr	*addr;
	size_t			 naddr;
};
/* The answer is the callee's during the call only; the query is over. */
typedef void	(*relay_dns_cb)(const struct relay_dns_answer *, void *);

/*
 * Before the chroot: reads resolv.conf unless `resolver` ("ADDRESS:PORT") is
 * given.  NULL: logged.
 */
struct relay_dns *relay_dns_new(const char *resolver);
void	 relay_dns_start(struct relay_dns *, struct event_base *);
void	 relay_dns_free(struct relay_dns *);
/* Another resolver, or NULL for the system's; forgets all, running queries end as RELAY_TEMP. */
void	 relay_dns_reset(struct relay_dns *, const char *resolver);
/*
 * The SRV records of _wsemail._tcp.<domain>; the addresses of a host.  The
 * callback comes from the event loop, never from within these.  NULL: ENOMEM.
 */
struct relay_query *relay_dns_srv(struct relay_dns *, const char *domain,
	    relay_dns_cb, void *);
struct relay_query *relay_dns_addr(struct relay_dns *, const char *host,
	    relay_dns_cb, void *);
/* No callback comes any more. */
void	 relay_dns_cancel(struct relay_query *);
/* The domain's servers do not answer: ask again next time. */
void	 relay_dns_forget(struct relay_dns *, const char *name);
void	 relay_dns_stats(const struct relay_dns *, struct wbuf *);
/* The SRV records of a DNS message: RELAY_OK or _PERM (none), or _TEMP (malformed). */
int	 relay_dns_parse(const uint8_t *, size_t, struct srv *, size_t max,
	    size_t *n, uint32_t *ttl);

/* --- relay_tls.c ---------------------------------------------------------- */

struct relay_tls;
/* From the configured trust anchors and CRLs.  NULL: logged. */
struct relay_tls *relay_tls_new(const struct conf *);
void	 relay_tls_free(struct relay_tls *);
/* A context for one connection, or NULL with *why. */
struct tls *relay_tls_client(struct relay_tls *, const char **why);
/* After the handshake: NULL, or why a CRL forbids this peer. */
const char *relay_tls_check(const struct relay_tls *, struct tls *);

/* --- relay.c --------------------------------------------------------------- */

struct relay_job {
	struct relay		*relay;
	struct relay_domain	*domain;
	struct relay_conn	*conn;		/* that it is posted on, or NULL: it waits */
	uint64_t		 id;
	struct chan		*soap;		/* NULL: gone, nobody wants the result */
	struct relay_post	 post;
	uint8_t			*body;
	struct event		*deadline;
	int			 is_retried;
	TAILQ_ENTRY(relay_job)	 entry;		/* of domain->waiting */
	TAILQ_ENTRY(relay_job)	 all;
};

struct relay {
	struct proc		*p;
	struct relay_dns	*dns;
	struct relay_tls	*tls;
	uint32_t		 generation;	/* of the configuration */
	TAILQ_HEAD(, relay_job)	 jobs;
	size_t			 njobs;
	RB_HEAD(relay_domains, relay_domain) domains;
	TAILQ_HEAD(, relay_conn) idle;		/* longest unused first */
	unsigned int		 nidle, nconns;
	int			 is_stopping;
	struct event		*give_up;
	struct {
		uint64_t	 posts, answers, temp, perm;
		uint64_t	 connects, failures, reused, retried;
		uint64_t	 bytes_in, bytes_out;
	} stats;
};

/*
 * Sends the result and frees the job.  host and msg may be NULL; msg is the
 * answer when result is RELAY_OK.
 */
void	 relay_job_done(struct relay_job *, int result, const char *reason,
	    const char *host, const struct http_msg *);

/* --- relay_pool.c ----------------------------------------------------------- */

struct relay_domain {
	RB_ENTRY(relay_domain)	 entry;
	struct relay		*relay;
	char			*name;
	TAILQ_HEAD(, relay_job)	 waiting;
	unsigned int		 nwaiting;
	TAILQ_HEAD(, relay_conn) conns;
	unsigned int		 nconns, nconnecting;
};
int	 relay_domain_cmp(struct relay_domain *, struct relay_domain *);
RB_PROTOTYPE(relay_domains, relay_domain, entry, relay_domain_cmp);

/* 0, or -1: ENOMEM, the job is the caller's. */
int	 relay_pool_add(struct relay *, struct relay_job *);
void	 relay_pool_remove(struct relay_job *);	/* a waiting one */
/* A connection is ready, has answered, or has room: gives out work. */
void	 relay_pool_run(struct relay_domain *);
/* No connection could be made.  Frees conn. */
void	 relay_pool_failed(struct relay_conn *, int result,
	    const char *reason, const char *host);
/* A kept connection turned out dead before it answered: once more. */
void	 relay_pool_retry(struct relay_job *);
/* Closes all that are unused. */
void	 relay_pool_close_idle(struct relay *);
/* A domain with neither work nor connections is forgotten. */
void	 relay_pool_gc(struct relay_domain *);

/* --- relay_conn.c ------------------------------------------------------------ */

enum relay_conn_state {
	RC_ROUTE, RC_ADDR, RC_TCP, RC_TLS,	/* connecting */
	RC_IDLE, RC_BUSY
};

struct relay_conn {
	struct relay_domain	*domain;
	enum relay_conn_state	 state;
	uint32_t		 generation;
	int			 is_reused;	/* has answered before */
	struct srv		*target;	/* in the order to be tried */
	size_t			 ntarget, itarget;
	struct relay_addr	*addr;		/* of the target in turn */
	size_t			 naddr, iaddr;
	struct relay_query	*query;
	int			 fd;		/* while RC_TCP */
	struct event		*tcp;		/* connected, or timed out */
	struct event		*step;		/* go on in the next round */
	struct tlsconn		*tc;
	struct relay_job	*job;
	struct http_msg		 msg;
	char			 host[400];	/* "name[addr]:port" in use or tried last */
	char			 why[256];	/* that one failed */
	TAILQ_ENTRY(relay_conn)	 entry;
	TAILQ_ENTRY(relay_conn)	 idle;
};

/* Begins to connect.  NULL: ENOMEM. */
struct relay_conn *relay_conn_new(struct relay_domain *);
void	 relay_conn_free(struct relay_conn *);
/* Gives an idle one its job. */
void	 relay_conn_post(struct relay_conn *, struct relay_job *);
int	 relay_conn_is_connecting(const struct relay_conn *);

#endif /* RELAY_H */
