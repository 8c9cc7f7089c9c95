/* SPDX-License-Identifier: ISC */
/* When to try again.  Pure: time and randomness are arguments. */
#ifndef BACKOFF_H
#define BACKOFF_H

/*
 * Delay in seconds before attempt n+1 (n failed attempts so far, n >= 1):
 * base * 2^(n-1), capped at max, then spread by up to +-jitter percent using
 * rnd (uniform 32 bits).  Never below 1.
 */
unsigned int backoff_delay(unsigned int n, unsigned int base,
	    unsigned int max, unsigned int jitter, uint32_t rnd);

#endif /* BACKOFF_H */
