/* SPDX-License-Identifier: ISC */
/*
 * HTTP/1.1 message framing (RFC 9112), strict, for both sides.  Pure: octets
 * in, events out; no sockets, no time.  What is ambiguous is refused:
 * Content-Length with Transfer-Encoding, repeated or odd Content-Length, any
 * transfer coding but chunked, obs-fold, white space before a colon, bare CR
 * or LF in a head, NUL, a missing or repeated Host.
 */
#ifndef HTTP_H
#define HTTP_H

#include "wire.h"

struct http_limits {
	size_t		 head_max;	/* request or status line and fields */
	unsigned int	 fields_max;
	size_t		 body_max;
};

struct http_field {
	char		*name;		/* lower case */
	char		*value;		/* outer white space removed */
};

enum http_state {
	HTTP_HEAD, HTTP_BODY_LENGTH, HTTP_CHUNK_SIZE, HTTP_CHUNK_DATA,
	HTTP_CHUNK_END, HTTP_TRAILER, HTTP_BODY_EOF, HTTP_DONE, HTTP_ERROR
};

struct http_msg {
	int		 is_response;
	enum http_state	 state;
	struct http_limits limits;
	char		*method, *target;	/* request */
	int		 minor;			/* HTTP/1.minor */
	int		 status;		/* response */
	struct http_field *field;
	size_t		 nfields;
	int		 keepalive;		/* the peer allows another message */
	int		 expect_continue;
	int		 head_request;		/* set by the caller: response without body */
	int		 head_done;
	int64_t		 length;		/* declared, -1: chunked or to EOF */
	struct wbuf	 body;
	int		 error;			/* status to answer: 400, 413, 414, 417, 431, 501, 505 */
	const char	*why;
	/* private */
	struct wbuf	 line;
	size_t		 head_len;	/* octets of the head so far, 0: nothing came */
	uint64_t	 chunk_left;
	unsigned int	 nfields_all;	/* those of the trailer too */
	unsigned int	 interim;	/* 1xx responses skipped, empty lines */
};

void	 http_msg_init(struct http_msg *, int is_response, const struct http_limits *);
void	 http_msg_free(struct http_msg *);	/* reusable after init */
/*
 * Feeds octets; *used tells how many belonged to this message (the rest is
 * the next one's: pipelining).  1: complete, 0: more is needed, -1: refused
 * (error and why are set; the connection cannot be used further).
 */
int	 http_feed(struct http_msg *, const void *, size_t, size_t *used);
/* The peer closed: 0 when that completes the message, -1 when it is cut short. */
int	 http_eof(struct http_msg *);
/* The first field of that (lower case) name, or NULL. */
const char *http_field(const struct http_msg *, const char *name);
const char *http_reason(int status);
/* 1 when it is a host, with or without a port, that may be put in an URL. */
int	 http_authority_ok(const char *);

#endif /* HTTP_H */
