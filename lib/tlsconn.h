/* SPDX-License-Identifier: ISC */
/*
 * One TLS connection in the event loop: libtls over a non-blocking socket,
 * an output buffer, an input callback.  Used by frontend and relay.
 */
#ifndef TLSCONN_H
#define TLSCONN_H

#include <event2/event.h>
#include <tls.h>

#include "wire.h"

struct tlsconn;
struct tlsconn_cb {
	/* Handshake done.  May be NULL. */
	void	(*ready)(struct tlsconn *, void *);
	/* Octets arrived; they are the callee's only during the call. */
	void	(*data)(struct tlsconn *, const uint8_t *, size_t, void *);
	/* All output is written.  May be NULL. */
	void	(*drained)(struct tlsconn *, void *);
	/*
	 * Over: NULL on a clean close_notify, else what went wrong ("timed
	 * out" for a time-out).  The owner then calls tlsconn_free().
	 */
	void	(*closed)(struct tlsconn *, const char *why, void *);
};

/* Takes fd and (client side) an unconnected-yet ctx made by tls_client(). */
struct tlsconn	*tlsconn_server(struct event_base *, struct tls *server_ctx,
		    int fd, const struct tlsconn_cb *, void *);
struct tlsconn	*tlsconn_client(struct event_base *, struct tls *client_ctx,
		    int fd, const char *servername, const struct tlsconn_cb *, void *);
int		 tlsconn_write(struct tlsconn *, const void *, size_t);	/* copied; -1: ENOMEM */
void		 tlsconn_pause(struct tlsconn *);	/* stop reading */
void		 tlsconn_resume(struct tlsconn *);
/* Deadline from now for the next progress the owner waits for; 0: none. */
void		 tlsconn_timeout(struct tlsconn *, unsigned int seconds);
/*
 * From now on closed() also when output waits and the peer takes none of it
 * for so long; 0: never.
 */
void		 tlsconn_write_timeout(struct tlsconn *, unsigned int seconds);
/*
 * Writes all, sends close_notify, waits a little for the peer to close (so
 * that an answer is not lost to a reset), then closed().  No more data().
 */
void		 tlsconn_finish(struct tlsconn *);
void		 tlsconn_free(struct tlsconn *);	/* safe inside a callback */
struct tls	*tlsconn_tls(struct tlsconn *);
size_t		 tlsconn_pending(const struct tlsconn *);	/* not yet written */

#endif /* TLSCONN_H */
