/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <stdio.h>

#include "limits.h"

#define K	((int64_t)1024)
#define M	(K * K)
#define G	(K * M)

const struct limit_row limit_rows[LIM_MAX] = {
	{ LIM_MESSAGE_SIZE, "message-size", LU_BYTES, 35 * M, 4 * K, 128 * M,
	    "octets of one request" },
	{ LIM_RECIPIENTS, "recipients", LU_COUNT, 1000, 1, 100000,
	    "recipients of one message" },
	{ LIM_XML_DEPTH, "xml-depth", LU_COUNT, 64, 16, 250,
	    "nesting of elements" },
	{ LIM_XML_NODES, "xml-nodes", LU_COUNT, 200000, 1000, 10000000,
	    "elements and attributes in one document" },
	{ LIM_XML_ATTRIBUTES, "xml-attributes", LU_COUNT, 64, 8, 10000,
	    "attributes of one element" },
	{ LIM_XML_NAMESPACES, "xml-namespaces", LU_COUNT, 256, 16, 100000,
	    "namespace declarations in one document" },
	{ LIM_XML_REFERENCES, "xml-references", LU_COUNT, 16, 2, 1000,
	    "references in one signature" },
	{ LIM_XML_IDS, "xml-ids", LU_COUNT, 256, 8, 100000,
	    "ids in one document" },
	{ LIM_BODIES, "bodies", LU_BYTES, G, M, 1024 * G,
	    "octets of all requests that are being received" },
	{ LIM_BODIES_PER_ADDRESS, "bodies-per-address", LU_BYTES, 256 * M, M,
	    1024 * G, "octets of these from one address" },
	{ LIM_HTTP_HEADER_SIZE, "http-header-size", LU_BYTES, 16 * K, K, M,
	    "octets of request line and header fields" },
	{ LIM_HTTP_HEADERS, "http-headers", LU_COUNT, 64, 8, 1000,
	    "header fields of one request" },
	{ LIM_HTTP_HEADER_TIMEOUT, "http-header-timeout", LU_SECONDS, 15, 1,
	    3600, "for the handshake, and for the head of a request" },
	{ LIM_HTTP_BODY_TIMEOUT, "http-body-timeout", LU_SECONDS, 300, 1,
	    86400, "for the body of a request" },
	{ LIM_HTTP_WRITE_TIMEOUT, "http-write-timeout", LU_SECONDS, 60, 1,
	    3600, "without progress while an answer is read" },
	{ LIM_HTTP_IDLE_TIMEOUT, "http-idle-timeout", LU_SECONDS, 300, 1,
	    86400, "between requests of one connection" },
	{ LIM_REQUEST_TIMEOUT, "request-timeout", LU_SECONDS, 120, 1, 3600,
	    "until a request is answered" },
	{ LIM_CONNECTIONS, "connections", LU_COUNT, 4096, 1, 1000000,
	    "client connections" },
	{ LIM_CONNECTIONS_PER_ADDRESS, "connections-per-address", LU_COUNT,
	    256, 1, 1000000, "client connections of one address" },
	{ LIM_REQUESTS_PER_ADDRESS, "requests-per-address", LU_COUNT, 60000,
	    0, INT32_MAX, "requests of one address in a minute, 0: any number" },
	{ LIM_BYTES_PER_ADDRESS, "bytes-per-address", LU_BYTES, 6 * G, 0,
	    1024 * G, "octets from one address in a minute, 0: any number" },
	{ LIM_REQUESTS_PER_CONNECTION, "requests-per-connection", LU_COUNT, 0,
	    0, INT32_MAX, "requests on one connection, 0: any number" },
	{ LIM_SKEW_FUTURE, "skew-future", LU_SECONDS, 60, 0, 3600,
	    "a request's Created may lie ahead" },
	{ LIM_TOKEN_LIFETIME, "token-lifetime", LU_SECONDS, 600, 60, 86400,
	    "a token for another domain is good" },
	{ LIM_REQUEST_LIFETIME, "request-lifetime", LU_SECONDS, 300, 10, 3600,
	    "a request stays acceptable after its Created" },
	{ LIM_REQUESTS_PER_USER, "requests-per-user", LU_COUNT, 6000, 0,
	    INT32_MAX, "mailbox requests of one user in a minute, 0: any "
	    "number" },
	{ LIM_RECIPIENTS_PER_USER, "recipients-per-user", LU_COUNT, 10000, 0,
	    INT32_MAX, "recipients of one user's mail in an hour, 0: any "
	    "number" },
	{ LIM_MESSAGES_PER_PEER, "messages-per-peer", LU_COUNT, 60000, 0,
	    INT32_MAX, "messages of one domain in a minute, 0: any number" },
	{ LIM_AUTH_FAILURES, "auth-failures", LU_COUNT, 10, 1, 10000,
	    "wrong logins a minute before an address is slowed" },
	{ LIM_LIST_PAGE, "list-page", LU_COUNT, 1000, 1, 10000,
	    "headers in one answer" },
	{ LIM_WAIT_TIMEOUT, "wait-timeout", LU_SECONDS, 300, 1, 3600,
	    "a WaitForChange is held" },
	{ LIM_WAITS_PER_USER, "waits-per-user", LU_COUNT, 16, 1, 10000,
	    "WaitForChange requests held for one user" },
	{ LIM_QUEUE_MESSAGES, "queue-messages", LU_COUNT, 1000000, 1,
	    INT32_MAX, "messages in the queue" },
	{ LIM_QUEUE_SIZE, "queue-size", LU_BYTES, 20 * G, M, 1024 * 1024 * G,
	    "octets in the queue" },
	{ LIM_HOPS, "hops", LU_COUNT, 8, 1, 100,
	    "aliases that name aliases, in a row" },
	{ LIM_ALIAS_MEMBERS, "alias-members", LU_COUNT, 1000, 1, 100000,
	    "recipients that aliases add to one message" },
	{ LIM_RELAY_PER_DOMAIN, "relay-per-domain", LU_COUNT, 20, 1, 10000,
	    "messages on their way to one domain" },
	{ LIM_RELAY_CONNECTIONS, "relay-connections", LU_COUNT, 5, 1, 1000,
	    "connections to one domain" },
	{ LIM_RELAY_TOTAL, "relay-total", LU_COUNT, 1000, 1, 100000,
	    "messages on their way to all domains" },
	{ LIM_RELAY_SIZE, "relay-size", LU_BYTES, G, 128 * M, 1024 * G,
	    "octets on their way to all domains" },
	{ LIM_RELAY_TIMEOUT, "relay-timeout", LU_SECONDS, 300, 1, 3600,
	    "for one attempt to hand a message to a peer" },
	{ LIM_RELAY_IDLE_TIMEOUT, "relay-idle-timeout", LU_SECONDS, 60, 1,
	    3600, "an unused connection to a peer is kept" },
	{ LIM_RELAY_ANSWER_SIZE, "relay-answer-size", LU_BYTES, M, 4 * K,
	    128 * M, "octets of a peer's answer" },
	{ LIM_LOCAL_INFLIGHT, "local-inflight", LU_COUNT, 200, 1, 100000,
	    "deliveries on their way to mailboxes" },
	{ LIM_QUOTA_USER, "quota-user", LU_BYTES, G, 0, 1024 * 1024 * G,
	    "octets in one mailbox, 0: any number" },
	{ LIM_QUOTA_DOMAIN, "quota-domain", LU_BYTES, 0, 0, 1024 * 1024 * G,
	    "octets in a domain's mailboxes, 0: any number" },
	{ LIM_TOMBSTONES, "tombstones", LU_COUNT, 10000, 10, 10000000,
	    "changes remembered for one mailbox" },
	{ LIM_ATTACHMENT_SIZE, "attachment-size", LU_BYTES, 4 * G, K,
	    1024 * G, "octets of one attachment" },
	{ LIM_ATTACHMENT_PIECE, "attachment-piece", LU_BYTES, 4 * M, M,
	    32 * M, "octets of an attachment in one request" },
	{ LIM_ATTACHMENT_QUOTA_USER, "attachment-quota-user", LU_BYTES, 10 * G,
	    0, 1024 * 1024 * G, "octets of one user's attachments, 0: any "
	    "number" },
	{ LIM_ATTACHMENT_QUOTA_DOMAIN, "attachment-quota-domain", LU_BYTES, 0,
	    0, 1024 * 1024 * G, "octets of the attachments of a domain's "
	    "users, 0: any number" },
	{ LIM_UPLOAD_EXPIRY, "upload-expiry", LU_SECONDS, 7 * 86400, 1,
	    366 * 86400, "an upload is kept that nobody goes on with" },
	{ LIM_UPLOADS_PER_USER, "uploads-per-user", LU_COUNT, 100, 1, 10000,
	    "uploads of one user that no message has yet" },
	{ LIM_SCRUB_INTERVAL, "scrub-interval", LU_SECONDS, 7 * 86400, 1,
	    366 * 86400, "until an attachment is read again to check it" },
	{ LIM_CONTROL_CONNECTIONS, "control-connections", LU_COUNT, 32, 1,
	    10000, "connections of wsctl" },
};

const struct limit_row *
limit_find(const char *keyword)
{
	size_t	 i;

	for (i = 0; i < LIM_MAX; i++)
		if (strcmp(limit_rows[i].keyword, keyword) == 0)
			return &limit_rows[i];
	return NULL;
}

int
limit_named(const char *reason)
{
	const char	*p = strstr(reason, "(limit ");
	size_t		 i, n;

	if (p == NULL)
		return -1;
	p += strlen("(limit ");
	for (i = 0; i < LIM_MAX; i++) {
		n = strlen(limit_rows[i].keyword);
		if (strncmp(p, limit_rows[i].keyword, n) == 0 && p[n] == ')')
			return (int)i;
	}
	return -1;
}

void
limit_stat_name(enum limit l, int now, char *buf, size_t size)
{
	char	*p;

	snprintf(buf, size, "limit_%s_%s", limit_rows[l].keyword,
	    now ? "now" : "struck");
	for (p = buf; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
}

int
limit_stat_find(const char *name, int *now)
{
	char	 buf[LIMIT_NAME_MAX];
	size_t	 i;

	if (strncmp(name, "limit_", 6) != 0)
		return -1;
	for (i = 0; i < LIM_MAX; i++)
		for (*now = 0; *now < 2; (*now)++) {
			limit_stat_name((enum limit)i, *now, buf, sizeof(buf));
			if (strcmp(buf, name) == 0)
				return (int)i;
		}
	return -1;
}
