/* SPDX-License-Identifier: ISC */
/* frontend <-> soap and soap <-> relay: HTTP bodies on their way. */
#ifndef MSG_HTTP_H
#define MSG_HTTP_H

#include "wire.h"

/* IMSG_SOAP_HTTP_REQUEST; the header id is the request id that is logged. */
struct http_req {
	char		*peer;		/* numeric address of the client */
	char		*host;		/* the name TLS asked for (SNI), or "" */
	char		*authority;	/* the Host field */
	char		*content_type;
	char		*soapaction;	/* as sent, "" when absent */
	const uint8_t	*body;		/* into the message when decoded */
	size_t		 body_len;
};
void	 http_req_put(struct wbuf *, const struct http_req *);
int	 http_req_get(struct rbuf *, struct http_req *);
void	 http_req_free(struct http_req *);

/* IMSG_FRONTEND_HTTP_RESPONSE */
struct http_resp {
	uint32_t	 status;	/* 200, 400, 500, ... */
	uint32_t	 retry_after;	/* s, 0: no such field */
	char		*content_type;
	const uint8_t	*body;
	size_t		 body_len;
};
void	 http_resp_put(struct wbuf *, const struct http_resp *);
int	 http_resp_get(struct rbuf *, struct http_resp *);
void	 http_resp_free(struct http_resp *);

/* IMSG_RELAY_POST: to the server of `domain`, whose certificate must name it. */
struct relay_post {
	char		*domain;
	char		*content_type;
	char		*soapaction;
	const uint8_t	*body;
	size_t		 body_len;
};
void	 relay_post_put(struct wbuf *, const struct relay_post *);
int	 relay_post_get(struct rbuf *, struct relay_post *);
void	 relay_post_free(struct relay_post *);

/* IMSG_SOAP_RELAY_RESULT */
#define RELAY_OK	0	/* an HTTP answer came: status and body */
#define RELAY_TEMP	1	/* DNS, connect, TLS, time-out: try later */
#define RELAY_PERM	2	/* the domain does not exist or takes no such mail (SRV target ".") */
struct relay_result {
	uint32_t	 result;
	uint32_t	 status;
	char		*reason;	/* for the log and the bounce */
	char		*host;		/* "name[addr]:port" tried last */
	char		*content_type;
	const uint8_t	*body;
	size_t		 body_len;
};
void	 relay_result_put(struct wbuf *, const struct relay_result *);
int	 relay_result_get(struct rbuf *, struct relay_result *);
void	 relay_result_free(struct relay_result *);

#endif /* MSG_HTTP_H */
