/* SPDX-License-Identifier: ISC */
/*
 * Text from elsewhere, made fit for a terminal or for JSON.  wsctl's and
 * wsmail's output goes through here.
 */
#ifndef TEXTOUT_H
#define TEXTOUT_H

#include "wire.h"

/*
 * What was closed of standard input, output and error is opened the wrong way
 * round, so that its use fails; else the next socket would take its place.
 * First in main().  0, or -1 and errno.
 */
int	 textout_init(void);
/*
 * Appends text for a terminal: control characters (C0, C1, the bidirectional
 * overrides) as \u{hex}, malformed UTF-8 as \xhh.  With lines, newlines and
 * tabs are kept.  Returns the number of characters appended, for columns.
 */
size_t	 textout_safe(struct wbuf *, const char *, int lines);
/*
 * Appends a JSON string with its quotes (RFC 8259 section 7); those control
 * characters are escaped here, too, as \uhhhh.
 */
void	 textout_json(struct wbuf *, const char *);
/* Length of the UTF-8 sequence at s and its code point, or 0: malformed. */
size_t	 textout_utf8(const char *s, uint32_t *);
/* A control character, or one that makes a text look like another: 1 or 0. */
int	 textout_is_hidden(uint32_t);

#endif /* TEXTOUT_H */
