/* SPDX-License-Identifier: ISC */
/*
 * Every limit of the system: one row has its keyword, default, bounds and
 * unit; the grammar, `wsmtpd -nv`, `wsctl show limits` and the test of the
 * manual read this table.
 */
#ifndef LIMITS_H
#define LIMITS_H

enum limit {
	LIM_MESSAGE_SIZE,	/* octets of one HTTP request body */
	LIM_RECIPIENTS,		/* per message */
	LIM_XML_DEPTH,
	LIM_XML_NODES,		/* elements + attributes in one document */
	LIM_XML_ATTRIBUTES,	/* per element */
	LIM_XML_NAMESPACES,	/* declarations in one document */
	LIM_XML_REFERENCES,	/* ds:Reference in one signature */
	LIM_XML_IDS,
	LIM_BODIES,		/* octets of unfinished bodies in all */
	LIM_BODIES_PER_ADDRESS,
	LIM_HTTP_HEADER_SIZE,	/* octets of request line and header fields */
	LIM_HTTP_HEADERS,	/* fields */
	LIM_HTTP_HEADER_TIMEOUT,/* s */
	LIM_HTTP_BODY_TIMEOUT,	/* s for the whole body */
	LIM_HTTP_WRITE_TIMEOUT,	/* s without progress */
	LIM_HTTP_IDLE_TIMEOUT,	/* s between requests */
	LIM_REQUEST_TIMEOUT,	/* s until the answer */
	LIM_CONNECTIONS,
	LIM_CONNECTIONS_PER_ADDRESS,
	LIM_REQUESTS_PER_ADDRESS,	/* a minute */
	LIM_BYTES_PER_ADDRESS,	/* octets a minute */
	LIM_REQUESTS_PER_CONNECTION,
	LIM_SKEW_FUTURE,	/* s a Created may lie ahead (F) */
	LIM_TOKEN_LIFETIME,	/* s that a token of ours is good for */
	LIM_REQUEST_LIFETIME,	/* s a request stays acceptable (W) */
	LIM_REQUESTS_PER_USER,	/* to the mailbox, a minute */
	LIM_RECIPIENTS_PER_USER,/* an hour */
	LIM_MESSAGES_PER_PEER,	/* a minute */
	LIM_AUTH_FAILURES,	/* per account and address in a minute, then slowed */
	LIM_LIST_PAGE,		/* headers in one answer, at most */
	LIM_WAIT_TIMEOUT,	/* s a WSEmailWait is held, at most */
	LIM_WAITS_PER_USER,
	LIM_QUEUE_MESSAGES,
	LIM_QUEUE_SIZE,		/* octets */
	LIM_HOPS,		/* alias expansions in a row */
	LIM_ALIAS_MEMBERS,
	LIM_RELAY_PER_DOMAIN,	/* deliveries in flight to one domain */
	LIM_RELAY_CONNECTIONS,	/* to one domain */
	LIM_RELAY_TOTAL,	/* deliveries in flight in all */
	LIM_RELAY_SIZE,		/* octets of these */
	LIM_RELAY_TIMEOUT,	/* s for one delivery attempt */
	LIM_RELAY_IDLE_TIMEOUT,	/* s an unused connection is kept */
	LIM_RELAY_ANSWER_SIZE,	/* octets of a peer's answer */
	LIM_LOCAL_INFLIGHT,	/* deliveries at wslocal */
	LIM_QUOTA_USER,		/* octets, 0: none; a user's own overrides */
	LIM_QUOTA_DOMAIN,	/* octets, 0: none; a domain's own overrides */
	LIM_TOMBSTONES,		/* deletions remembered per user for change lists */
	LIM_ATTACHMENT_SIZE,	/* octets of one version */
	LIM_ATTACHMENT_PIECE,	/* octets of one piece, up or down */
	LIM_ATTACHMENT_QUOTA_USER,	/* octets, 0: none */
	LIM_ATTACHMENT_QUOTA_DOMAIN,	/* octets, 0: none */
	LIM_UPLOAD_EXPIRY,	/* s without a piece, or unnamed */
	LIM_UPLOADS_PER_USER,
	LIM_SCRUB_INTERVAL,	/* s between two readings of a content */
	LIM_CONTROL_CONNECTIONS,
	LIM_MAX
};

enum limit_unit { LU_COUNT, LU_BYTES, LU_SECONDS };

struct limit_row {
	enum limit	 id;
	const char	*keyword;	/* "message-size" */
	enum limit_unit	 unit;
	int64_t		 def, min, max;
	const char	*what;		/* one line for wsctl show limits */
};
#define LIMIT_NAME_MAX	64		/* of a counter, with NUL */
extern const struct limit_row limit_rows[LIM_MAX];

const struct limit_row *limit_find(const char *keyword);
/*
 * A refusal's reason tells which limit struck by "(limit keyword)" in it.
 * That limit, or -1.
 */
int	 limit_named(const char *reason);
/*
 * The names of a limit's counters: limit_<keyword>_struck, how often it did,
 * and limit_<keyword>_now, how much of it is used; with _ for -.
 */
void	 limit_stat_name(enum limit, int now, char *, size_t);
/* The limit that a counter is of and which of the two, or -1. */
int	 limit_stat_find(const char *name, int *now);

#endif /* LIMITS_H */
