/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include "backoff.h"

unsigned int
backoff_delay(unsigned int n, unsigned int base, unsigned int max,
    unsigned int jitter, uint32_t rnd)
{
	uint64_t	 d = base < 1 ? 1 : base, spread;

	for (; n > 1 && d < max; n--)
		d *= 2;
	if (d > max)
		d = max;
	/* d * (1 - j) .. d * (1 + j) */
	spread = d * (jitter > 100 ? 100 : jitter) / 100;
	d = d - spread + (2 * spread + 1) * (uint64_t)rnd / ((uint64_t)1 << 32);
	return d < 1 ? 1 : (unsigned int)d;
}
