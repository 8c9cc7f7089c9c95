/* SPDX-License-Identifier: ISC */
/* Sockets and blocking TLS for tests of frontend and relay. */
#ifndef TESTNET_H
#define TESTNET_H

#include <tls.h>

#include "http.h"

#define TESTNET_PATIENCE	20	/* s for what must come */

/* A listening socket on an address of 127/8, and its port. */
int	 testnet_listen(const char *addr, uint16_t *port);
/* A port of 127.0.0.1 that was free a moment ago, TCP and UDP. */
uint16_t testnet_free_port(void);
/* Connected to 127.0.0.1, with a time limit on reading; -1. */
int	 testnet_connect(uint16_t port);
/* From this address of 127/8; -1 also where the system has only 127.0.0.1. */
int	 testnet_connect_from(const char *addr, uint16_t port);
int64_t	 testnet_clock(void);		/* ms, only goes forward */

/* One side of a TLS connection. */
struct testtls {
	struct tls	*tls;
	int		 fd;
	uint8_t		 buf[65536];	/* read, but not yet looked at */
	size_t		 len;
};
/* As a client that trusts ca_pem; -1: the handshake failed. */
int	 testtls_open(struct testtls *, uint16_t port, const char *servername,
	    const char *ca_pem);
/* The same on a connection that is there already; takes fd. */
int	 testtls_start(struct testtls *, int fd, const char *servername,
	    const char *ca_pem);
int	 testtls_write(struct testtls *, const void *, size_t);
int	 testtls_puts(struct testtls *, const char *);
/* Reads one message: 1, 0: the peer closed before any octet, -1. */
int	 testtls_message(struct testtls *, struct http_msg *, int is_response,
	    int head_request);
/* 1: the peer closes, whatever it says before. */
int	 testtls_closes(struct testtls *);
void	 testtls_close(struct testtls *);

#endif /* TESTNET_H */
