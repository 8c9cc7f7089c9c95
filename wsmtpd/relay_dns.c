/* SPDX-License-Identifier: ISC */
/*
 * Names for the relay: c-ares in the event loop, and a bounded cache that
 * keeps answers for their time to live.  No answer is trusted for more than
 * where to connect to: the certificate says who is there.
 *
 * A query ends in its own event, never from within the call that began it
 * and never inside c-ares, so that a callback may do what it likes.
 */
#include "compat.h"

#include <sys/queue.h>
#include <sys/time.h>
#include <sys/tree.h>

#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <time.h>

#include "log.h"
#include "relay.h"

#define DNS_CLASS_IN	1
#define DNS_TYPE_SRV	33
#define DNS_TIMEOUT	3000	/* ms for the first try, doubled for each other */
#define DNS_TRIES	3
#define DNS_SRV_MAX	64	/* records of one set that are looked at */
#define DNS_ADDR_MAX	16	/* addresses of one host */
#define DNS_TTL_MAX	3600	/* s */
#define DNS_CACHE_MAX	4096	/* answers */

struct dns_entry {
	RB_ENTRY(dns_entry)	 entry;
	TAILQ_ENTRY(dns_entry)	 age;
	char			*name;
	int			 is_srv;
	time_t			 expires;
	struct srv		*srv;
	size_t			 nsrv;
	struct relay_addr	*addr;
	size_t			 naddr;
};

/* A socket of c-ares that it wants to be watched. */
struct dns_watch {
	TAILQ_ENTRY(dns_watch)	 entry;
	struct relay_dns	*dns;
	struct event		*ev;
	int			 fd;
};

struct relay_query {
	struct relay_dns	*dns;
	relay_dns_cb		 cb;		/* NULL: cancelled */
	void			*arg;
	int			 is_pending;	/* c-ares will call back */
	struct event		*done;
	struct dns_entry	*e;		/* what is asked; the answer */
	uint32_t		 ttl;
	int			 result;
	char			 why[128];
};

struct relay_dns {
	ares_channel		 channel;
	struct event_base	*base;
	struct event		*timer;
	struct ares_addr_port_node *system;	/* what resolv.conf named */
	TAILQ_HEAD(, dns_watch)	 watches;
	RB_HEAD(dns_cache, dns_entry) cache;
	TAILQ_HEAD(, dns_entry)	 ages;		/* oldest first */
	size_t			 ncache;
	uint64_t		 queries, hits, failures;
};

static int	 dns_entry_cmp(struct dns_entry *, struct dns_entry *);
static void	 dns_entry_free(struct dns_entry *);
static struct dns_entry *dns_find(struct relay_dns *, const char *, int);
static void	 dns_remember(struct relay_dns *, struct dns_entry *, uint32_t);
static void	 dns_drop(struct relay_dns *, struct dns_entry *);
static void	 dns_socket(void *, ares_socket_t, int, int);
static void	 dns_readable(evutil_socket_t, short, void *);
static void	 dns_tick(evutil_socket_t, short, void *);
static void	 dns_set_timer(struct relay_dns *);
static struct relay_query *dns_begin(struct relay_dns *, const char *, int,
		    relay_dns_cb, void *);
static int	 dns_from_cache(struct relay_query *);
static void	 dns_ask_srv(struct relay_query *);
static void	 dns_ask_addr(struct relay_query *);
static void	 dns_srv_done(void *, int, int, unsigned char *, int);
static void	 dns_addr_done(void *, int, int, struct ares_addrinfo *);
static void	 dns_failed(struct relay_query *, int);
static void	 dns_finish(struct relay_query *);
static void	 dns_report(evutil_socket_t, short, void *);
static void	 dns_query_free(struct relay_query *);
static const uint8_t *dns_rr(const uint8_t *, size_t, const uint8_t *,
		    struct srv *, int *, uint32_t *);
static int	 dns_name(const uint8_t *, size_t, const uint8_t *, char *,
		    size_t, long *);

RB_PROTOTYPE(dns_cache, dns_entry, entry, dns_entry_cmp)
RB_GENERATE(dns_cache, dns_entry, entry, dns_entry_cmp)

static int
dns_entry_cmp(struct dns_entry *a, struct dns_entry *b)
{
	if (a->is_srv != b->is_srv)
		return a->is_srv ? 1 : -1;
	return strcmp(a->name, b->name);
}

static void
dns_entry_free(struct dns_entry *e)
{
	if (e == NULL)
		return;
	free(e->name);
	free(e->srv);
	free(e->addr);
	free(e);
}

struct relay_dns *
relay_dns_new(const char *resolver)
{
	struct ares_options	 opt;
	struct relay_dns	*dns;
	int			 status;

	if ((dns = calloc(1, sizeof(*dns))) == NULL) {
		log_warn("dns");
		return NULL;
	}
	TAILQ_INIT(&dns->watches);
	TAILQ_INIT(&dns->ages);
	RB_INIT(&dns->cache);
	memset(&opt, 0, sizeof(opt));
	/* Names are complete, and there is no hosts file in a chroot. */
	opt.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
	opt.timeout = DNS_TIMEOUT;
	opt.tries = DNS_TRIES;
	opt.lookups = (char *)(uintptr_t)"b";
	opt.sock_state_cb = dns_socket;
	opt.sock_state_cb_data = dns;
	if ((status = ares_library_init(ARES_LIB_INIT_ALL)) != ARES_SUCCESS ||
	    (status = ares_init_options(&dns->channel, &opt, ARES_OPT_FLAGS |
	    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
	    ARES_OPT_SOCK_STATE_CB)) != ARES_SUCCESS) {
		log_warnx("dns: %s", ares_strerror(status));
		free(dns);
		return NULL;
	}
	if ((status = ares_get_servers_ports(dns->channel,
	    &dns->system)) != ARES_SUCCESS ||
	    (resolver != NULL && (status = ares_set_servers_ports_csv(
	    dns->channel, resolver)) != ARES_SUCCESS)) {
		log_warnx("resolver %s: %s", resolver != NULL ? resolver :
		    "of the system", ares_strerror(status));
		relay_dns_free(dns);
		return NULL;
	}
	return dns;
}

void
relay_dns_start(struct relay_dns *dns, struct event_base *base)
{
	dns->base = base;
	if ((dns->timer = evtimer_new(base, dns_tick, dns)) == NULL)
		fatalx("dns: no event");
}

void
relay_dns_free(struct relay_dns *dns)
{
	struct dns_entry	*e;

	if (dns == NULL)
		return;
	ares_destroy(dns->channel);
	if (dns->system != NULL)
		ares_free_data(dns->system);
	while ((e = TAILQ_FIRST(&dns->ages)) != NULL)
		dns_drop(dns, e);
	if (dns->timer != NULL)
		event_free(dns->timer);
	free(dns);
}

void
relay_dns_reset(struct relay_dns *dns, const char *resolver)
{
	struct dns_entry	*e;
	int			 status;

	/* c-ares takes no other servers while anything is asked. */
	ares_cancel(dns->channel);
	status = resolver != NULL ?
	    ares_set_servers_ports_csv(dns->channel, resolver) :
	    ares_set_servers_ports(dns->channel, dns->system);
	if (status != ARES_SUCCESS)
		log_warnx("resolver %s: %s", resolver != NULL ? resolver :
		    "of the system", ares_strerror(status));
	while ((e = TAILQ_FIRST(&dns->ages)) != NULL)
		dns_drop(dns, e);
}

void
relay_dns_stats(const struct relay_dns *dns, struct wbuf *w)
{
	stats_add(w, "dns_queries", 'c', dns->queries);
	stats_add(w, "dns_cache_hits", 'c', dns->hits);
	stats_add(w, "dns_failures", 'c', dns->failures);
	stats_add(w, "dns_cached", 'g', dns->ncache);
}

/* --- cache -------------------------------------------------------------------- */

static struct dns_entry *
dns_find(struct relay_dns *dns, const char *name, int is_srv)
{
	struct dns_entry	 key, *e;

	key.name = (char *)(uintptr_t)name;
	key.is_srv = is_srv;
	if ((e = RB_FIND(dns_cache, &dns->cache, &key)) == NULL)
		return NULL;
	if (e->expires > time(NULL))
		return e;
	dns_drop(dns, e);
	return NULL;
}

static void
dns_drop(struct relay_dns *dns, struct dns_entry *e)
{
	RB_REMOVE(dns_cache, &dns->cache, e);
	TAILQ_REMOVE(&dns->ages, e, age);
	dns->ncache--;
	dns_entry_free(e);
}

/* Takes e. */
static void
dns_remember(struct relay_dns *dns, struct dns_entry *e, uint32_t ttl)
{
	struct dns_entry	*old;

	if (ttl == 0) {
		dns_entry_free(e);
		return;
	}
	if ((old = dns_find(dns, e->name, e->is_srv)) != NULL)
		dns_drop(dns, old);
	if (dns->ncache >= DNS_CACHE_MAX)
		dns_drop(dns, TAILQ_FIRST(&dns->ages));
	e->expires = time(NULL) + (ttl > DNS_TTL_MAX ? DNS_TTL_MAX : ttl);
	RB_INSERT(dns_cache, &dns->cache, e);
	TAILQ_INSERT_TAIL(&dns->ages, e, age);
	dns->ncache++;
}

void
relay_dns_forget(struct relay_dns *dns, const char *name)
{
	struct dns_entry	*e;
	int			 is_srv;

	for (is_srv = 0; is_srv <= 1; is_srv++)
		if ((e = dns_find(dns, name, is_srv)) != NULL)
			dns_drop(dns, e);
}

/* --- c-ares in the event loop ------------------------------------------------- */

static void
dns_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct relay_dns	*dns = arg;
	struct dns_watch	*w;

	TAILQ_FOREACH(w, &dns->watches, entry)
		if (w->fd == fd)
			break;
	if (w != NULL) {
		event_free(w->ev);
		w->ev = NULL;
	}
	if (!readable && !writable) {
		if (w != NULL) {
			TAILQ_REMOVE(&dns->watches, w, entry);
			free(w);
		}
		return;
	}
	if (w == NULL) {
		if ((w = calloc(1, sizeof(*w))) == NULL) {
			log_warn("dns");	/* the query will time out */
			return;
		}
		w->dns = dns;
		w->fd = fd;
		TAILQ_INSERT_TAIL(&dns->watches, w, entry);
	}
	w->ev = event_new(dns->base, fd, EV_PERSIST | (readable ? EV_READ : 0) |
	    (writable ? EV_WRITE : 0), dns_readable, dns);
	if (w->ev == NULL) {
		log_warn("dns");
		TAILQ_REMOVE(&dns->watches, w, entry);
		free(w);
	} else
		event_add(w->ev, NULL);
}

static void
dns_readable(evutil_socket_t fd, short what, void *arg)
{
	struct relay_dns	*dns = arg;

	ares_process_fd(dns->channel,
	    what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	dns_set_timer(dns);
}

static void
dns_tick(evutil_socket_t fd, short what, void *arg)
{
	struct relay_dns	*dns = arg;

	(void)fd;
	(void)what;
	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	dns_set_timer(dns);
}

static void
dns_set_timer(struct relay_dns *dns)
{
	struct timeval	 tv;

	if (ares_timeout(dns->channel, NULL, &tv) != NULL)
		evtimer_add(dns->timer, &tv);
	else
		evtimer_del(dns->timer);
}

/* --- queries -------------------------------------------------------------------- */

static struct relay_query *
dns_begin(struct relay_dns *dns, const char *name, int is_srv,
    relay_dns_cb cb, void *arg)
{
	struct relay_query	*q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->dns = dns;
	q->cb = cb;
	q->arg = arg;
	if ((q->done = event_new(dns->base, -1, 0, dns_report, q)) == NULL ||
	    (q->e = calloc(1, sizeof(*q->e))) == NULL ||
	    (q->e->name = strdup(name)) == NULL) {
		dns_query_free(q);
		return NULL;
	}
	q->e->is_srv = is_srv;
	return q;
}

static void
dns_query_free(struct relay_query *q)
{
	if (q->done != NULL)
		event_free(q->done);
	dns_entry_free(q->e);
	free(q);
}

struct relay_query *
relay_dns_srv(struct relay_dns *dns, const char *domain, relay_dns_cb cb,
    void *arg)
{
	struct relay_query	*q = dns_begin(dns, domain, 1, cb, arg);

	if (q != NULL && !dns_from_cache(q))
		dns_ask_srv(q);
	return q;
}

struct relay_query *
relay_dns_addr(struct relay_dns *dns, const char *host, relay_dns_cb cb,
    void *arg)
{
	struct relay_query	*q = dns_begin(dns, host, 0, cb, arg);

	if (q != NULL && !dns_from_cache(q))
		dns_ask_addr(q);
	return q;
}

void
relay_dns_cancel(struct relay_query *q)
{
	if (q == NULL)
		return;
	if (q->is_pending)
		q->cb = NULL;
	else
		dns_query_free(q);
}

/* Copies, as the entry may be dropped before the callback comes. */
static int
dns_from_cache(struct relay_query *q)
{
	struct dns_entry	*have;

	if ((have = dns_find(q->dns, q->e->name, q->e->is_srv)) == NULL)
		return 0;
	if (have->nsrv > 0 && (q->e->srv = calloc(have->nsrv,
	    sizeof(*q->e->srv))) == NULL)
		return 0;
	if (have->naddr > 0 && (q->e->addr = calloc(have->naddr,
	    sizeof(*q->e->addr))) == NULL)
		return 0;
	if (have->nsrv > 0)
		memcpy(q->e->srv, have->srv, have->nsrv * sizeof(*have->srv));
	if (have->naddr > 0)
		memcpy(q->e->addr, have->addr,
		    have->naddr * sizeof(*have->addr));
	q->e->nsrv = have->nsrv;
	q->e->naddr = have->naddr;
	q->dns->hits++;
	dns_finish(q);
	return 1;
}

static void
dns_ask_srv(struct relay_query *q)
{
	char	 name[300];

	if (snprintf(name, sizeof(name), "_wsemail._tcp.%s.", q->e->name) >=
	    (int)sizeof(name)) {
		dns_failed(q, ARES_EBADNAME);
		dns_finish(q);
		return;
	}
	q->dns->queries++;
	q->is_pending = 1;
	ares_query(q->dns->channel, name, DNS_CLASS_IN, DNS_TYPE_SRV,
	    dns_srv_done, q);
	dns_set_timer(q->dns);
}

static void
dns_ask_addr(struct relay_query *q)
{
	struct ares_addrinfo_hints	 hints;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	q->dns->queries++;
	q->is_pending = 1;
	ares_getaddrinfo(q->dns->channel, q->e->name, NULL, &hints,
	    dns_addr_done, q);
	dns_set_timer(q->dns);
}

static void
dns_failed(struct relay_query *q, int status)
{
	q->dns->failures++;
	q->result = RELAY_TEMP;
	snprintf(q->why, sizeof(q->why), "DNS: %s", ares_strerror(status));
	/* The domain does not exist, or it has no such record. */
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
		if (q->e->is_srv) {
			q->result = RELAY_PERM;
			strlcpy(q->why, "domain has no WSEmail service",
			    sizeof(q->why));
		} else
			strlcpy(q->why, "DNS: its server has no address",
			    sizeof(q->why));
	}
}

/* The result stands: tell it in a round of its own. */
static void
dns_finish(struct relay_query *q)
{
	q->is_pending = 0;
	event_active(q->done, EV_TIMEOUT, 0);
}

static void
dns_report(evutil_socket_t fd, short what, void *arg)
{
	struct relay_query	*q = arg;
	struct relay_dns_answer	 a;

	(void)fd;
	(void)what;
	memset(&a, 0, sizeof(a));
	a.result = q->result;
	a.why = q->why;
	a.srv = q->e->srv;
	a.nsrv = q->e->nsrv;
	a.addr = q->e->addr;
	a.naddr = q->e->naddr;
	if (q->cb != NULL)
		q->cb(&a, q->arg);
	if (q->result == RELAY_OK) {
		dns_remember(q->dns, q->e, q->ttl);
		q->e = NULL;
	}
	dns_query_free(q);
}

static void
dns_srv_done(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct relay_query	*q = arg;

	(void)timeouts;
	if (status != ARES_SUCCESS)
		dns_failed(q, status);
	else if ((q->e->srv = calloc(DNS_SRV_MAX, sizeof(struct srv))) == NULL)
		dns_failed(q, ARES_ENOMEM);
	else
		switch (relay_dns_parse(buf, (size_t)len, q->e->srv,
		    DNS_SRV_MAX, &q->e->nsrv, &q->ttl)) {
		case RELAY_OK:
			break;
		case RELAY_PERM:
			dns_failed(q, ARES_ENODATA);
			break;
		default:
			dns_failed(q, ARES_EBADRESP);
			break;
		}
	dns_finish(q);
}

static void
dns_addr_done(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct ares_addrinfo_node	*n;
	struct relay_query		*q = arg;
	struct relay_addr		*a;

	(void)timeouts;
	if (status != ARES_SUCCESS)
		dns_failed(q, status);
	else if ((q->e->addr = calloc(DNS_ADDR_MAX, sizeof(*a))) == NULL)
		dns_failed(q, ARES_ENOMEM);
	else {
		q->ttl = DNS_TTL_MAX;
		for (n = ai->nodes; n != NULL; n = n->ai_next) {
			if (q->e->naddr == DNS_ADDR_MAX ||
			    (n->ai_family != AF_INET &&
			    n->ai_family != AF_INET6))
				continue;
			a = &q->e->addr[q->e->naddr++];
			memcpy(&a->ss, n->ai_addr, n->ai_addrlen);
			a->len = n->ai_addrlen;
			if (n->ai_ttl >= 0 && (uint32_t)n->ai_ttl < q->ttl)
				q->ttl = (uint32_t)n->ai_ttl;
		}
		if (q->e->naddr == 0)
			dns_failed(q, ARES_ENODATA);
	}
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	dns_finish(q);
}

/* --- the answer section ----------------------------------------------------------- */

/*
 * RFC 1035 4.1, RFC 2782.  ares_parse_srv_reply() would lose the time to
 * live.  A CNAME on the way is followed by the resolver; its records are in
 * the answer too, and their time to live counts.
 */
int
relay_dns_parse(const uint8_t *msg, size_t len, struct srv *srv, size_t max,
    size_t *n, uint32_t *ttl)
{
	const uint8_t	*p = msg + 12;
	struct srv	 one;
	char		 name[256];
	unsigned int	 qd, an;
	uint32_t	 t;
	long		 used;
	int		 is_srv;

	*n = 0;
	*ttl = DNS_TTL_MAX;
	if (len < 12)
		return RELAY_TEMP;
	qd = (unsigned int)msg[4] << 8 | msg[5];
	an = (unsigned int)msg[6] << 8 | msg[7];
	for (; qd > 0; qd--) {
		if (dns_name(msg, len, p, name, sizeof(name), &used) == -1 ||
		    (size_t)(msg + len - p) < (size_t)used + 4)
			return RELAY_TEMP;
		p += used + 4;
	}
	for (; an > 0; an--) {
		if ((p = dns_rr(msg, len, p, &one, &is_srv, &t)) == NULL)
			return RELAY_TEMP;
		if (t < *ttl)
			*ttl = t;
		if (is_srv && *n < max)
			srv[(*n)++] = one;
	}
	return *n > 0 ? RELAY_OK : RELAY_PERM;
}

/* One resource record; the place after it, or NULL. */
static const uint8_t *
dns_rr(const uint8_t *msg, size_t len, const uint8_t *p, struct srv *srv,
    int *is_srv, uint32_t *ttl)
{
	const uint8_t	*end = msg + len;
	char		 name[256];
	size_t		 rdlen;
	long		 used;

	if (dns_name(msg, len, p, name, sizeof(name), &used) == -1 ||
	    (size_t)(end - p) < (size_t)used + 10)
		return NULL;
	p += used;
	*is_srv = p[0] == 0 && p[1] == DNS_TYPE_SRV &&
	    p[2] == 0 && p[3] == DNS_CLASS_IN;
	*ttl = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 |
	    (uint32_t)p[6] << 8 | p[7];
	if (*ttl > INT32_MAX)		/* RFC 2181 8 */
		*ttl = 0;
	rdlen = (size_t)p[8] << 8 | p[9];
	p += 10;
	if ((size_t)(end - p) < rdlen)
		return NULL;
	if (!*is_srv)
		return p + rdlen;
	if (rdlen < 7 || dns_name(msg, len, p + 6, srv->target,
	    sizeof(srv->target), &used) == -1 || (size_t)used + 6 != rdlen)
		return NULL;
	srv->priority = (uint16_t)(p[0] << 8 | p[1]);
	srv->weight = (uint16_t)(p[2] << 8 | p[3]);
	srv->port = (uint16_t)(p[4] << 8 | p[5]);
	return p + rdlen;
}

/* The name at p as text ("" for the root), and the octets it takes there. */
static int
dns_name(const uint8_t *msg, size_t len, const uint8_t *p, char *buf,
    size_t size, long *used)
{
	char	*text;
	int	 ret = -1;

	if (p >= msg + len || ares_expand_name(p, msg, (int)len, &text,
	    used) != ARES_SUCCESS)
		return -1;
	if (strlcpy(buf, text, size) < size)
		ret = 0;
	ares_free_string(text);
	return ret;
}
