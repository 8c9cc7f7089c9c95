/* SPDX-License-Identifier: ISC */
/*
 * HTTP framing: requests (first octet even) and answers (odd), fed in pieces
 * whose size the second octet tells.
 */
#include "compat.h"

#include "fuzz.h"
#include "http.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct http_limits lim = { 4096, 16, 65536 };
	struct http_msg		 m;
	size_t			 used, step, n;
	int			 ret;

	if (size < 2)
		return 0;
	step = data[1] == 0 ? size : data[1];
	http_msg_init(&m, data[0] & 1, &lim);
	for (data += 2, size -= 2; size > 0; data += used, size -= used) {
		n = size < step ? size : step;
		ret = http_feed(&m, data, n, &used);
		FUZZ_ASSERT(used <= n);
		FUZZ_ASSERT(m.body.len <= lim.body_max);
		if (ret == -1) {
			FUZZ_ASSERT(m.error >= 400 && m.why != NULL);
			break;
		}
		if (ret == 1) {		/* the next, as the front end does */
			http_msg_free(&m);
			http_msg_init(&m, 0, &lim);
		} else
			FUZZ_ASSERT(used == n);
		if (used == 0)
			break;
	}
	if (size == 0)
		(void)http_eof(&m);
	http_msg_free(&m);
	return 0;
}
