/* SPDX-License-Identifier: ISC */
/* lib/wire.c: what is written reads back; what is short, long or lies fails. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "tap.h"
#include "wire.h"

static void	 test_round(void);
static void	 test_layout(void);
static void	 test_grow(void);
static void	 test_steal(void);
static void	 test_write_errors(void);
static void	 test_short(void);
static void	 test_lengths(void);
static void	 test_str(void);
static void	 test_count(void);
static void	 test_sticky(void);

static void
test_round(void)
{
	static const char raw[3] = { 'a', '\0', 'b' };
	const uint8_t	*p;
	struct wbuf	 b = { 0 };
	struct rbuf	 r;
	char		*s, out[3];
	size_t		 n;

	wbuf_u8(&b, UINT8_MAX);
	wbuf_u16(&b, UINT16_MAX);
	wbuf_u32(&b, UINT32_MAX);
	wbuf_u64(&b, UINT64_MAX - 1);
	wbuf_i64(&b, INT64_MIN);
	wbuf_i64(&b, -1);
	wbuf_str(&b, "text");
	wbuf_str(&b, NULL);
	wbuf_bytes(&b, raw, sizeof(raw));
	wbuf_bytes(&b, NULL, 0);
	wbuf_raw(&b, raw, sizeof(raw));
	is_int(b.error, 0, "all written");
	rbuf_init(&r, b.data, b.len);
	is_int(rbuf_u8(&r), UINT8_MAX, "u8");
	is_int(rbuf_u16(&r), UINT16_MAX, "u16");
	is_int(rbuf_u32(&r), UINT32_MAX, "u32");
	ok(rbuf_u64(&r) == UINT64_MAX - 1, "u64");
	ok(rbuf_i64(&r) == INT64_MIN, "the smallest i64");
	is_int(rbuf_i64(&r), -1, "a negative i64");
	is_str(s = rbuf_str(&r, 4), "text", "a string of just the length");
	free(s);
	is_str(s = rbuf_str(&r, 0), "", "no string is an empty one");
	free(s);
	p = rbuf_bytes(&r, &n);
	ok(p != NULL && n == 3 && memcmp(p, raw, 3) == 0, "octets");
	ok(rbuf_bytes(&r, &n) != NULL && n == 0, "no octets are not an error");
	is_int(rbuf_end(&r), -1, "something is left");
	is_int(errno, EBADMSG, "which is an error");
	r.error = 0;
	rbuf_raw(&r, out, sizeof(out));
	ok(memcmp(out, raw, 3) == 0, "raw octets");
	is_int(rbuf_end(&r), 0, "the end");
	wbuf_free(&b);
	ok(b.data == NULL && b.len == 0 && b.cap == 0, "empty again");
	wbuf_free(&b);
}

/* Records on disk have this form: it must not change unseen. */
static void
test_layout(void)
{
	static const uint8_t want[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
		0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
		0x00, 0x00, 0x00, 0x02, 'h', 'i',
		'p', 'n', '7',
	};
	struct wbuf	 b = { 0 };

	wbuf_u8(&b, 0x01);
	wbuf_u16(&b, 0x0203);
	wbuf_u32(&b, 0x04050607);
	wbuf_u64(&b, 0x08090a0b0c0d0e0fULL);
	wbuf_i64(&b, -2);
	wbuf_str(&b, "hi");
	wbuf_puts(&b, "p");
	wbuf_printf(&b, "n%d", 7);
	ok(b.len == sizeof(want) && memcmp(b.data, want, b.len) == 0,
	    "big endian, fixed width, lengths of 32 bits");
	wbuf_free(&b);
}

static void
test_grow(void)
{
	struct wbuf	 b = { 0 };
	size_t		 i;
	int		 same = 1;
	char		 big[600];

	for (i = 0; i < 100000; i++)
		wbuf_u8(&b, (uint8_t)i);
	for (i = 0; i < b.len; i++)
		same &= b.data[i] == (uint8_t)i;
	ok(b.len == 100000 && same, "octet by octet");
	ok(b.cap >= b.len, "in its room");
	wbuf_free(&b);
	memset(big, 'x', sizeof(big));
	wbuf_raw(&b, big, sizeof(big));
	is_int((int)b.len, 600, "more than the first room at once");
	wbuf_free(&b);
	/* vsnprintf(3) wants room for its NUL, which is not part of it */
	wbuf_printf(&b, "%256s", "");
	is_int((int)b.len, 256, "a text that just fills it");
	ok(b.cap > b.len, "and the NUL behind it");
	wbuf_free(&b);
}

static void
test_steal(void)
{
	struct wbuf	 b = { 0 };
	uint8_t		*p;
	size_t		 n;

	wbuf_puts(&b, "mine");
	p = wbuf_steal(&b, &n);
	ok(p != NULL && n == 4 && memcmp(p, "mine", 4) == 0, "steal");
	ok(b.data == NULL && b.len == 0, "leaves nothing");
	free(p);
	wbuf_puts(&b, "next");
	is_int((int)b.len, 4, "can be filled again");
	wbuf_free(&b);
	ok(wbuf_steal(&b, &n) == NULL && n == 0, "nothing to steal");
}

static void
test_write_errors(void)
{
	struct wbuf	 b = { 0 };

	wbuf_puts(&b, "x");
	/* never read: refused by its length alone */
	wbuf_raw(&b, "", SIZE_MAX);
	is_int(b.error, ENOMEM, "a length that overflows");
	is_int((int)b.len, 1, "is not written");
	wbuf_puts(&b, "y");
	is_int((int)b.len, 1, "nor what follows it");
	wbuf_printf(&b, "%d", 1);
	is_int((int)b.len, 1, "however it is written");
	wbuf_free(&b);
	is_int(b.error, 0, "until it is freed");
#if SIZE_MAX > UINT32_MAX
	wbuf_bytes(&b, "", (size_t)UINT32_MAX + 1);
	is_int(b.error, EMSGSIZE, "a length of more than 32 bits");
	is_int((int)b.len, 0, "is not written");
	wbuf_free(&b);
#endif
}

/* Every integer from every number of octets that is too small for it. */
static void
test_short(void)
{
	static const uint8_t ff[8] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	struct rbuf	 r;
	uint8_t		 out[4];
	size_t		 n;

	rbuf_init(&r, NULL, 0);
	is_int(rbuf_end(&r), 0, "nothing, and nothing wanted");
	is_int(rbuf_u8(&r), 0, "u8 of nothing");
	is_int(r.error, EBADMSG, "refused");
	rbuf_init(&r, ff, 1);
	is_int(rbuf_u16(&r), 0, "u16 of one octet");
	is_int(r.error, EBADMSG, "refused");
	for (n = 0; n < 4; n++) {
		rbuf_init(&r, ff, n);
		ok(rbuf_u32(&r) == 0 && r.error == EBADMSG, "short u32");
		rbuf_init(&r, ff, n);
		memset(out, 1, sizeof(out));
		rbuf_raw(&r, out, sizeof(out));
		ok(r.error == EBADMSG && out[0] == 0 && out[3] == 0,
		    "short raw octets are zero");
	}
	for (n = 0; n < 8; n++) {
		rbuf_init(&r, ff, n);
		ok(rbuf_u64(&r) == 0 && r.error == EBADMSG, "short u64");
		rbuf_init(&r, ff, n);
		ok(rbuf_i64(&r) == 0 && r.error == EBADMSG, "short i64");
	}
}

static void
test_lengths(void)
{
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 'a', 'b' };
	static const uint8_t over[] = { 0, 0, 0, 3, 'a', 'b' };
	static const uint8_t fits[] = { 0, 0, 0, 2, 'a', 'b' };
	struct rbuf	 r;
	size_t		 n;

	rbuf_init(&r, huge, sizeof(huge));
	n = 99;
	ok(rbuf_bytes(&r, &n) == NULL, "4 GiB of 2 octets");
	ok(n == 0 && r.error == EBADMSG, "refused");
	rbuf_init(&r, huge, sizeof(huge));
	ok(rbuf_str(&r, SIZE_MAX) == NULL, "as a string");
	is_int(r.error, EBADMSG, "refused");
	rbuf_init(&r, over, sizeof(over));
	ok(rbuf_bytes(&r, &n) == NULL && n == 0, "one octet too many");
	is_int(r.error, EBADMSG, "refused");
	rbuf_init(&r, fits, sizeof(fits));
	ok(rbuf_bytes(&r, &n) != NULL && n == 2, "to the last octet");
	is_int(rbuf_end(&r), 0, "and no further");
	rbuf_init(&r, fits, 3);
	n = 99;
	ok(rbuf_bytes(&r, &n) == NULL && n == 0, "half a length");
	is_int(r.error, EBADMSG, "refused");
}

static void
test_str(void)
{
	static const uint8_t abc[] = { 0, 0, 0, 3, 'a', 'b', 'c' };
	static const uint8_t nul[] = { 0, 0, 0, 3, 'a', 0, 'c' };
	static const uint8_t end[] = { 0, 0, 0, 3, 'a', 'b', 0 };
	struct rbuf	 r;

	rbuf_init(&r, abc, sizeof(abc));
	ok(rbuf_str(&r, 2) == NULL && r.error == EBADMSG, "longer than max");
	rbuf_init(&r, nul, sizeof(nul));
	ok(rbuf_str(&r, 10) == NULL && r.error == EBADMSG, "a NUL inside");
	rbuf_init(&r, end, sizeof(end));
	ok(rbuf_str(&r, 10) == NULL && r.error == EBADMSG, "a NUL at its end");
	is_int(rbuf_end(&r), -1, "is remembered");
}

static void
test_count(void)
{
	static const uint8_t two[] = { 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t many[] = { 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 };
	struct rbuf	 r;

	rbuf_init(&r, two, sizeof(two));
	is_int(rbuf_count(&r, 4), 2, "two of four octets");
	rbuf_init(&r, two, sizeof(two));
	is_int(rbuf_count(&r, 5), 0, "two of five");
	is_int(r.error, EBADMSG, "do not fit");
	/* 4 * 0xffffffff is 0xfffffffc in 32 bits, 8 * 0x20000001 is 8 */
	rbuf_init(&r, many, sizeof(many));
	is_int(rbuf_count(&r, 4), 0, "a product that overflows");
	is_int(r.error, EBADMSG, "does not fit");
	rbuf_init(&r, many, sizeof(many));
	is_int(rbuf_count(&r, SIZE_MAX), 0, "an element of any size");
	is_int(r.error, EBADMSG, "does not fit");
	rbuf_init(&r, many, 3);
	is_int(rbuf_count(&r, 1), 0, "half a count");
	is_int(r.error, EBADMSG, "refused");
}

/* The first error stays, and nothing is read behind it. */
static void
test_sticky(void)
{
	static const uint8_t in[] = { 0, 0, 0, 9, 'a', 'b', 'c', 'd', 'e' };
	struct rbuf	 r;
	uint8_t		 out[2] = { 1, 1 };
	size_t		 n = 99;

	rbuf_init(&r, in, sizeof(in));
	ok(rbuf_str(&r, 100) == NULL, "a string that is too short");
	is_int(rbuf_u8(&r), 0, "u8 after it");
	is_int(rbuf_u16(&r), 0, "u16");
	is_int(rbuf_u32(&r), 0, "u32");
	ok(rbuf_u64(&r) == 0, "u64");
	is_int(rbuf_count(&r, 1), 0, "count");
	ok(rbuf_bytes(&r, &n) == NULL && n == 0, "octets");
	rbuf_raw(&r, out, sizeof(out));
	ok(out[0] == 0 && out[1] == 0, "raw");
	r.error = ENOMEM;
	ok(rbuf_str(&r, 1) == NULL && r.error == ENOMEM,
	    "an error is not replaced by a later one");
	errno = 0;
	is_int(rbuf_end(&r), -1, "the end tells");
	is_int(errno, ENOMEM, "which it was");
}

int
main(void)
{
	test_round();
	test_layout();
	test_grow();
	test_steal();
	test_write_errors();
	test_short();
	test_lengths();
	test_str();
	test_count();
	test_sticky();
	return done_testing();
}
