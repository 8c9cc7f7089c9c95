/* SPDX-License-Identifier: ISC */
/*
 * A channel to another process: an imsgbuf in the event loop, with the
 * checks of proto.h on every message in both directions and a bounded output
 * queue.
 */
#ifndef CHAN_H
#define CHAN_H

#include <event2/event.h>

#include "imsg.h"
#include "proto.h"
#include "wire.h"

#define CHAN_HIWAT	(8U << 20)	/* chan_is_full() from here */
#define CHAN_MAX	(512U << 20)	/* beyond, the peer is taken for dead */

struct chan;
/*
 * Handles one message.  The handler may claim imsg->fd; all else is freed
 * after it returns.  -1 means the peer broke the protocol: the channel is
 * closed and `down` called.
 */
typedef int	(*chan_msg_cb)(struct chan *, struct imsg *, void *);
typedef void	(*chan_down_cb)(struct chan *, void *);
typedef void	(*chan_drain_cb)(struct chan *, void *);

struct chan {
	struct imsgbuf	 ibuf;
	struct event	*rd, *wr;
	struct event	*retry;		/* where the socket cannot say when */
	enum proc_id	 me, peer;
	uint32_t	 instance;	/* of the peer, 0 but for soap */
	int		 closed;
	int		 busy;		/* in dispatch: free later */
	int		 starved;	/* waits for what the system is short of */
	chan_msg_cb	 msg;
	chan_down_cb	 down;		/* called once, before the channel is freed */
	chan_drain_cb	 drain;		/* optional: fell below the mark again */
	void		*arg;
	int		 was_full;
	uint64_t	 outstanding;	/* for the owner's use: requests in flight */
	TAILQ_ENTRY(chan) entry;	/* for the owner's use */
};

/* Takes fd.  NULL and errno on failure (fd closed). */
struct chan	*chan_new(struct event_base *, int fd, enum proc_id me,
		    enum proc_id peer, uint32_t instance, chan_msg_cb,
		    chan_down_cb, void *arg);
/* Closes without calling `down`; safe inside a handler. */
void		 chan_free(struct chan *);
/*
 * Sends one message; the payload is copied.  A payload over IMSG_INLINE_MAX
 * travels in an anonymous file without the caller's doing.  fd, or -1, is
 * consumed.  0, or -1 with errno: EPIPE (closed), EMSGSIZE/EPERM (not
 * allowed by proto.h: our bug, logged), ENOBUFS (over CHAN_MAX: closed).
 */
int		 chan_send(struct chan *, uint32_t type, uint64_t id, int fd,
		    const void *, size_t);
/* The same from a wbuf, which is emptied; a wbuf with error is ENOMEM. */
int		 chan_sendw(struct chan *, uint32_t type, uint64_t id,
		    struct wbuf *);
/* Over the mark: take no more work that ends here. */
int		 chan_is_full(const struct chan *);

#endif /* CHAN_H */
