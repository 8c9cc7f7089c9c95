/* SPDX-License-Identifier: ISC */
/*
 * The answer to a query for SRV records, as a resolver or who poses as one
 * sends it: the relay's own reading of it, and the order of the targets.
 * Addresses are read by c-ares alone.
 */
#include "compat.h"

#include "fuzz.h"
#include "relay.h"
#include "srv.h"

#define RECORDS	8
#define TTL_MAX	3600		/* DNS_TTL_MAX, relay_dns.c */

static uint32_t	 pick(void *, uint32_t);
static void	 fuzz_order(struct srv *, size_t);

/* Now this one, now that one, but the same each time. */
static uint32_t
pick(void *arg, uint32_t n)
{
	uint32_t	*x = arg;

	FUZZ_ASSERT(n > 0);
	*x = *x * 1664525 + 1013904223;
	return (*x >> 8) % n;
}

/* All are there still, by priority; ports tell them apart. */
static void
fuzz_order(struct srv *srv, size_t n)
{
	uint32_t	 seed = 1;
	size_t		 i;
	int		 seen[RECORDS] = { 0 };

	for (i = 0; i < n; i++)
		srv[i].port = (uint16_t)i;
	srv_order(srv, n, pick, &seed);
	for (i = 0; i < n; i++) {
		FUZZ_ASSERT(srv[i].port < n && seen[srv[i].port]++ == 0);
		FUZZ_ASSERT(i == 0 || srv[i - 1].priority <= srv[i].priority);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct srv	 srv[RECORDS];
	uint32_t	 ttl;
	size_t		 n, i;
	int		 result;

	result = relay_dns_parse(data, size, srv, RECORDS, &n, &ttl);
	FUZZ_ASSERT(n <= RECORDS && ttl <= TTL_MAX);
	if (result != RELAY_OK)
		return 0;
	FUZZ_ASSERT(n > 0);
	for (i = 0; i < n; i++)
		FUZZ_ASSERT(memchr(srv[i].target, '\0',
		    sizeof(srv[i].target)) != NULL);
	(void)srv_none(srv, n);
	fuzz_order(srv, n);
	return 0;
}
