/* SPDX-License-Identifier: ISC */
/* lib/textout.c: text from elsewhere for a terminal and for JSON. */
#include "compat.h"

#include <stdio.h>

#include "tap.h"
#include "textout.h"

static void	 test_utf8(void);
static void	 test_texts(void);
static void	 test_all_code_points(void);
static size_t	 encode(uint32_t, char *);

static const struct {
	const char	*text, *safe, *json;
	size_t		 columns;
} texts[] = {
	{ "", "", "\"\"", 0 },
	{ "plain \"text\" \\", "plain \"text\" \\",
	    "\"plain \\\"text\\\" \\\\\"", 14 },
	{ "a\nb\r\tc\033[2J\177", "a\\u{a}b\\u{d}\\u{9}c\\u{1b}[2J\\u{7f}",
	    "\"a\\u000ab\\u000d\\u0009c\\u001b[2J\\u007f\"", 33 },
	{ "\xc2\x9b" "31m", "\\u{9b}31m", "\"\\u009b31m\"", 9 },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", 3 },
	{ "\xe2\x80\xae" "txt.exe", "\\u{202e}txt.exe",
	    "\"\\u202etxt.exe\"", 15 },
	{ "\xe2\x81\xa6|\xe2\x80\x8f", "\\u{2066}|\\u{200f}",
	    "\"\\u2066|\\u200f\"", 17 },
	/* Malformed, by octet. */
	{ "\x9b" "2J", "\\x9b2J", "\"\\ufffd2J\"", 6 },
	{ "a\xc3", "a\\xc3", "\"a\\ufffd\"", 5 },
	{ "\xe2\x82", "\\xe2\\x82", "\"\\ufffd\\ufffd\"", 8 },
	{ "\xf0\x9f\x98", "\\xf0\\x9f\\x98", "\"\\ufffd\\ufffd\\ufffd\"", 12 },
	{ "\xc0\x80", "\\xc0\\x80", "\"\\ufffd\\ufffd\"", 8 },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\ufffd\\ufffd\\ufffd\"", 12 },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", 16 },
	{ "\xff\xfe", "\\xff\\xfe", "\"\\ufffd\\ufffd\"", 8 },
};

static void
test_texts(void)
{
	struct wbuf	 w;
	size_t		 i, n;

	for (i = 0; i < nitems(texts); i++) {
		wbuf_init(&w);
		n = textout_safe(&w, texts[i].text, 0);
		wbuf_u8(&w, 0);
		is_str((char *)w.data, texts[i].safe, "for a terminal");
		is_int((long long)n, (long long)texts[i].columns,
		    "its characters");
		wbuf_free(&w);
		textout_json(&w, texts[i].text);
		wbuf_u8(&w, 0);
		is_str((char *)w.data, texts[i].json, "for JSON");
		wbuf_free(&w);
	}
	wbuf_init(&w);
	textout_safe(&w, "a\n\tb\r", 1);
	wbuf_u8(&w, 0);
	is_str((char *)w.data, "a\n\tb\\u{d}", "with lines");
	wbuf_free(&w);
}

static void
test_utf8(void)
{
	uint32_t	 cp = 1;

	ok(textout_utf8("", &cp) == 1 && cp == 0, "the end is an octet");
	ok(textout_utf8("\xf4\x8f\xbf\xbf", &cp) == 4 && cp == 0x10ffff,
	    "the last code point");
	is_int((long long)textout_utf8("\xf8\x88\x80\x80\x80", &cp), 0,
	    "no sequence of five");
}

static size_t
encode(uint32_t cp, char *s)
{
	static const uint8_t	 head[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t			 n = cp < 0x80 ? 1 : cp < 0x800 ? 2 :
				    cp < 0x10000 ? 3 : 4, i;

	for (i = n; i > 1; i--, cp >>= 6)
		s[i - 1] = (char)(0x80 | (cp & 0x3f));
	s[0] = (char)(n == 1 ? cp : head[n] | cp);
	s[n] = '\0';
	return n;
}

/* Each alone: read back, and no control character comes through. */
static void
test_all_code_points(void)
{
	struct wbuf	 w;
	char		 s[5];
	uint32_t	 cp, got;
	size_t		 n, i;
	int		 wrong = 0, raw = 0, surrogate;

	for (cp = 1; cp <= 0x10ffff; cp++) {
		n = encode(cp, s);
		surrogate = cp >= 0xd800 && cp <= 0xdfff;
		if (textout_utf8(s, &got) != (surrogate ? 0 : n) ||
		    (!surrogate && got != cp))
			wrong++;
		wbuf_init(&w);
		textout_safe(&w, s, 0);
		for (i = 0; i < w.len; i++)
			raw += w.data[i] < 0x20 || w.data[i] == 0x7f ||
			    (cp < 0xa0 && w.data[i] >= 0x80);
		wbuf_free(&w);
	}
	is_int(wrong, 0, "every code point is read");
	is_int(raw, 0, "no control character comes through");
}

int
main(void)
{
	test_utf8();
	test_texts();
	test_all_code_points();
	return done_testing();
}
