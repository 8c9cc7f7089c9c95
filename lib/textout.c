/* SPDX-License-Identifier: ISC */
/* See textout.h. */
#include "compat.h"

#include <errno.h>
#include <fcntl.h>

#include "textout.h"

int
textout_init(void)
{
	int	 fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFL) == -1 && (errno != EBADF ||
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY :
		    O_RDONLY) != fd))
			return -1;
	return 0;
}

size_t
textout_utf8(const char *text, uint32_t *cp)
{
	static const uint32_t	 least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char	*s = (const unsigned char *)text;
	size_t			 n, i;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	if ((s[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	*cp = s[0] & (0x7fU >> n);
	/* A NUL is no continuation octet, so this stays within the string. */
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3fU);
	}
	/* RFC 3629 section 3: no overlong forms, no surrogates. */
	if (*cp < least[n] || *cp > 0x10ffff ||
	    (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

/* Would act on a terminal, or make one text look like another. */
int
textout_is_hidden(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
	    cp == 0x200e || cp == 0x200f || cp == 0x061c ||
	    (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

size_t
textout_safe(struct wbuf *w, const char *s, int lines)
{
	uint32_t	 cp;
	size_t		 n, before, chars = 0;

	for (; *s != '\0'; s += n) {
		before = w->len;
		if ((n = textout_utf8(s, &cp)) == 0) {
			wbuf_printf(w, "\\x%02x", (unsigned char)*s);
			n = 1;
			chars += w->len - before;
		} else if (textout_is_hidden(cp) &&
		    !(lines && (cp == '\n' || cp == '\t'))) {
			wbuf_printf(w, "\\u{%x}", cp);
			chars += w->len - before;
		} else {
			wbuf_raw(w, s, n);
			chars++;
		}
	}
	return chars;
}

void
textout_json(struct wbuf *w, const char *s)
{
	uint32_t	 cp;
	size_t		 n;

	wbuf_puts(w, "\"");
	for (; *s != '\0'; s += n) {
		if ((n = textout_utf8(s, &cp)) == 0) {
			wbuf_puts(w, "\\ufffd");
			n = 1;
		} else if (cp == '"' || cp == '\\')
			wbuf_printf(w, "\\%c", (int)cp);
		else if (textout_is_hidden(cp))
			wbuf_printf(w, "\\u%04x", cp);
		else
			wbuf_raw(w, s, n);
	}
	wbuf_puts(w, "\"");
}
