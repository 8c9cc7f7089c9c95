/* SPDX-License-Identifier: ISC */
/* The order in which the targets of an SRV record set are tried (RFC 2782). */
#ifndef SRV_H
#define SRV_H

struct srv {
	uint16_t	 priority;
	uint16_t	 weight;
	uint16_t	 port;
	char		 target[256];	/* no trailing dot; "" for the root: no service */
};

/*
 * Sorts in place: lowest priority first, and within one priority by the
 * weighted random selection of RFC 2782.  rnd(arg, n) gives a uniform number
 * in 0..n-1 (n >= 1).  Pure but for rnd.
 */
void	 srv_order(struct srv *, size_t n, uint32_t (*rnd)(void *, uint32_t),
	    void *arg);
/* 1: the one record with the root as its target: "decidedly not available". */
int	 srv_none(const struct srv *, size_t n);

#endif /* SRV_H */
