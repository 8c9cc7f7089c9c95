/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-frontend: TCP, TLS and HTTP towards clients and peers; nothing of
 * what a body means.  frontend.c owns the process (listeners, limits, TLS
 * contexts, soap's answers), fe_conn.c one connection, fe_route.c what a
 * request line asks for, fe_answer.c what is written back.
 */
#ifndef FRONTEND_H
#define FRONTEND_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <netinet/in.h>

#include "http.h"
#include "idtree.h"
#include "proc.h"
#include "tlsconn.h"

struct frontend;

/*
 * A TLS context with all domains' keys.  Connections hold on to the one they
 * were accepted with, as libtls looks into it for SNI.
 */
struct fe_tls {
	struct tls	*ctx;
	unsigned int	 refs;
};

/* How many connections an address has; an IPv6 customer is his /64. */
struct fe_addr {
	RB_ENTRY(fe_addr) entry;
	uint8_t		 key[16];
	char		 name[INET6_ADDRSTRLEN];	/* the key as text */
	unsigned int	 count;
	size_t		 body_held;	/* of fe->body_held */
};
RB_HEAD(fe_addrs, fe_addr);

struct fe_listener {
	struct frontend	*fe;
	char		*name;
	struct event	*ev;
	TAILQ_ENTRY(fe_listener) entry;
};

enum fe_route {
	FE_SOAP,		/* POST: to a soap process */
	FE_WSDL,		/* GET ?wsdl */
	FE_ABOUT,		/* GET */
	FE_REFUSED		/* answered with an error already */
};

/*
 * The phases of a connection; the limit that ends each is in fe_conn.c.
 *
 *	HEAD -> [BODY ->] WORK -> WRITE -> IDLE -> HEAD ...
 *	any  -> WRITE -> CLOSING	refused, or the last answer
 */
enum fe_phase { FE_HEAD, FE_BODY, FE_WORK, FE_WRITE, FE_IDLE, FE_CLOSING };

struct fe_conn {
	struct frontend	*fe;
	struct fe_tls	*tls;
	struct fe_addr	*addr;
	struct tlsconn	*tc;
	char		 peer[INET6_ADDRSTRLEN];
	int		 is_ready;	/* handshake done */
	enum fe_phase	 phase;
	struct http_msg	 msg;
	size_t		 body_held;	/* of fe->body_held */
	int		 is_judged;	/* route is set for msg */
	enum fe_route	 route;
	char		 authority[272];/* that the request names, or "" */
	uint64_t	 id;		/* of the request in work */
	struct chan	*soap;		/* who works on it, or NULL */
	struct event	*deadline;
	unsigned int	 requests;
	struct wbuf	 in;		/* octets of later requests */
	TAILQ_ENTRY(fe_conn) entry;
};

struct fe_stats {
	uint64_t	 connections, handshake_failures, accept_failures;
	uint64_t	 timeouts, requests, answers[6];
	uint64_t	 bytes_in, bytes_out;
};

struct frontend {
	struct proc	*p;
	TAILQ_HEAD(, fe_listener) listeners;
	TAILQ_HEAD(, fe_conn) conns;
	unsigned int	 nconns;
	struct fe_addrs	 addrs;
	struct rate	*requests;	/* by address */
	struct rate	*octets;	/* by address */
	struct fe_tls	*tls;		/* NULL: no usable key, accept nothing */
	int		 is_stopping;
	struct event	*resume;	/* accepting, after a pause */
	struct event	*give_up;	/* at shutdown */
	struct idtree	 wait_soap;	/* request id -> connection */
	size_t		 body_held;	/* octets of unfinished bodies */
	time_t		 refuse_sec;	/* of the count below */
	unsigned int	 refuse_count;
	struct fe_stats	 stats;
};

int	 fe_addr_cmp(struct fe_addr *, struct fe_addr *);
RB_PROTOTYPE(fe_addrs, fe_addr, entry, fe_addr_cmp);

/* --- frontend.c --- */
/* A connection is gone: gives back what it counted for. */
void	 fe_release(struct frontend *, struct fe_conn *);
/* ev=refuse, but not more lines in a second than can be read. */
void	 fe_refuse(struct frontend *, uint64_t id, const char *peer,
	    const char *why);

/* --- fe_conn.c --- */
/* Takes fd and a count in addr.  -1: gone already. */
int	 fe_conn_new(struct frontend *, int fd, const char *peer,
	    struct fe_addr *);
void	 fe_conn_free(struct fe_conn *);
/* An answer was written: what follows it. */
void	 fe_conn_answered(struct fe_conn *);
/* Ends it if it is between requests, else after the answer. */
void	 fe_conn_wind_up(struct fe_conn *);

/* --- fe_route.c --- */
/* Judges a complete head: 0 with c->route, or the status to refuse it with. */
int	 fe_route(struct fe_conn *, const char **why);
/* 1 when a SOAP message may come under this media type. */
int	 fe_media_ok(const char *);

/* --- fe_answer.c --- */
struct fe_answer {
	int		 status;
	const char	*type;
	uint32_t	 retry_after;
	const void	*body;
	size_t		 len;
};
/*
 * Writes an answer to the request in work; is_last: and closes.  Ends with
 * fe_conn_answered().
 */
void	 fe_answer(struct fe_conn *, const struct fe_answer *, int is_last);
void	 fe_answer_error(struct fe_conn *, int status, const char *why,
	    int is_last);
void	 fe_answer_wsdl(struct fe_conn *);
void	 fe_answer_about(struct fe_conn *);

/* The text of etc/wsemail.wsdl, made into wsdl_data.c when building. */
extern const char wsdl_text[];
extern const size_t wsdl_len;

#endif /* FRONTEND_H */
