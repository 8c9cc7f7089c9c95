/* SPDX-License-Identifier: ISC */
/* The look at a document before libxml2 sees it; xml.c alone calls this. */
#ifndef XML_SCAN_H
#define XML_SCAN_H

#include "xml.h"

/*
 * 0: plain UTF-8 without DOCTYPE, processing instructions or foreign
 * encodings, and within the limits; *start is where the document begins
 * (after a byte order mark).  -1: *why is a constant sentence.
 */
int	 xml_scan(const uint8_t *, size_t, const struct xml_limits *,
	    size_t *start, const char **why);

#endif /* XML_SCAN_H */
