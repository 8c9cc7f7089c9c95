/* SPDX-License-Identifier: ISC */
/*
 * Octets beside a tree.  Where a text of the tree is a part's mark, the part's
 * base64 is meant (XOP 1.0, the reconstituted infoset): so that what is large
 * is neither written out nor canonicalised, only digested.  A mark has a tag
 * that nobody can know when he writes what is in the tree.
 */
#ifndef XML_PART_H
#define XML_PART_H

#include <stddef.h>
#include <stdint.h>

#define XML_PARTS	32
#define XML_TAG		22	/* "part-", 16 digits, and NUL */
#define XML_MARK	(XML_TAG + 2)	/* a hyphen and a letter more */

struct xml_parts {
	char		 tag[XML_TAG];
	size_t		 n;
	struct {
		const uint8_t	*data;	/* the caller's */
		size_t		 len;
	}		 part[XML_PARTS];
};

void		 xml_parts_init(struct xml_parts *);
/* One more, and its mark.  0, or -1: there are too many. */
int		 xml_parts_add(struct xml_parts *, const void *, size_t,
		    char mark[static XML_MARK]);
/* The part whose mark the text is, or NULL. */
const uint8_t	*xml_parts_find(const struct xml_parts *, const char *text,
		    size_t *len);
/*
 * SHA-256 of a canonical form with base64 for each mark; p may be NULL: there
 * are no parts.  0, or -1 and errno.
 */
int		 xml_parts_digest(const struct xml_parts *p, const void *text,
		    size_t, uint8_t digest[32]);

#endif /* XML_PART_H */
