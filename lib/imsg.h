/* SPDX-License-Identifier: ISC */
/*
 * Framed messages over a socketpair, in the manner of imsg_init(3): a fixed
 * header, a payload, at most one descriptor.  No policy here: proto.h knows
 * who may send what, chan.h drives this from the event loop.
 */
#ifndef IMSG_H
#define IMSG_H

#include <sys/queue.h>

#define IMSG_INLINE_MAX	8192		/* a larger payload goes in an fd */
#define IMSG_TOTAL_MAX	(256U << 20)	/* whatever the way */

struct imsg_hdr {			/* host order: one machine */
	uint32_t	 type;
	uint32_t	 flags;		/* IMSGF_* */
	uint64_t	 id;		/* request id */
	uint32_t	 len;		/* of the payload, inline or in the fd */
	uint32_t	 pad;
};
#define IMSGF_FD	0x1		/* a descriptor is passed for its own sake */
#define IMSGF_SPILL	0x2		/* the payload is in the descriptor */

struct imsg {
	struct imsg_hdr	 hdr;
	uint8_t		*data;		/* hdr.len octets, owned */
	int		 fd;		/* -1, or the receiver's to close */
};

struct imsg_out;
struct imsgbuf {
	int			 fd;
	TAILQ_HEAD(, imsg_out)	 out;
	size_t			 out_bytes;	/* queued, spilled bytes included */
	uint8_t			*in;		/* of a fixed size, once there is any */
	size_t			 in_len;
	int			 in_fds[16];	/* received, not yet claimed */
	int			 in_nfds;
};

void	 imsgbuf_init(struct imsgbuf *, int fd);	/* owns fd; sets O_NONBLOCK */
void	 imsgbuf_clear(struct imsgbuf *);		/* closes fd */
/*
 * Reads what is there.  1: something was read, 0: peer closed, -1: error
 * (EAGAIN: nothing yet; EMFILE: no number for a descriptor it might bring,
 * it stays in the socket).  Descriptors arrive close-on-exec.
 */
int	 imsgbuf_read(struct imsgbuf *);
/*
 * Writes what it can.  0, or -1 (EAGAIN: the rest later; ENOBUFS, ENOMEM,
 * ETOOMANYREFS: also later, but the socket does not say when).
 */
int	 imsgbuf_write(struct imsgbuf *);
int	 imsgbuf_flush(struct imsgbuf *);		/* blocks until all is out */
/* The next header, before its payload costs anything.  As imsg_get(). */
int	 imsg_peek(const struct imsgbuf *, struct imsg_hdr *);
/*
 * Takes the next whole message.  1: *imsg filled, 0: none yet, -1: the
 * stream is broken (EBADMSG) or memory is out.  A spilled payload is read
 * into memory here, its descriptor closed; one that is not a sealed anonymous
 * file of just that size is EBADMSG, as is a descriptor nobody announced.
 */
int	 imsg_get(struct imsgbuf *, struct imsg *);
void	 imsg_free(struct imsg *);			/* wipes; closes an unclaimed fd */
int	 imsg_claim_fd(struct imsg *);			/* the caller's from now on, or -1 */
/*
 * Queues one message; fd (or -1) is closed once sent, also on error.
 * 0, or -1 and errno.
 */
int	 imsg_compose(struct imsgbuf *, uint32_t type, uint64_t id, int fd,
	    const void *, size_t);

#endif /* IMSG_H */
