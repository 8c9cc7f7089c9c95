/* SPDX-License-Identifier: ISC */
/* Output of text that came from the network: to terminals, and as JSON. */
#include "compat.h"

#include <string.h>

#include "wsmail.h"

int	 out_json;

static size_t	 out_utf8(const unsigned char *, uint32_t *);

/*
 * Decodes one sequence (RFC 3629); its length, or 0 when malformed.
 */
static size_t
out_utf8(const unsigned char *s, uint32_t *cp)
{
	static const uint32_t	 least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t			 n, i;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	n = (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
	    (s[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0)
		return 0;
	*cp = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff ||
	    (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

/*
 * Control characters (C0, C1, and the bidirectional overrides that can make
 * one text look like another) are shown as \u{hex}.
 */
void
out_text(FILE *f, const char *text, int keep_newlines)
{
	const unsigned char	*s = (const unsigned char *)text;
	uint32_t		 cp;
	size_t			 n;

	for (; *s != '\0'; s += n) {
		if ((n = out_utf8(s, &cp)) == 0) {
			fprintf(f, "\\x%02x", *s);
			n = 1;
		} else if ((cp == '\n' || cp == '\t') && keep_newlines)
			putc((int)cp, f);
		else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
		    (cp >= 0x202a && cp <= 0x202e) ||
		    (cp >= 0x2066 && cp <= 0x2069) || cp == 0x2028 ||
		    cp == 0x2029)
			fprintf(f, "\\u{%x}", cp);
		else
			fwrite(s, 1, n, f);
	}
}

/* RFC 8259 section 7. */
void
out_json_string(FILE *f, const char *text)
{
	const unsigned char	*s = (const unsigned char *)text;
	uint32_t		 cp;
	size_t			 n;

	putc('"', f);
	for (; *s != '\0'; s += n) {
		if ((n = out_utf8(s, &cp)) == 0) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (cp == '"' || cp == '\\')
			fprintf(f, "\\%c", (int)cp);
		else if (cp < 0x20 || cp == 0x7f)
			fprintf(f, "\\u%04x", cp);
		else
			fwrite(s, 1, n, f);
	}
	putc('"', f);
}
