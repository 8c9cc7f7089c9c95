/* SPDX-License-Identifier: ISC */
/*
 * Media types, and the package in which an envelope comes with its parts
 * (XOP 1.0, RFC 2387): what a client sends that has MTOM switched on, and
 * what it is sent.
 */
#ifndef MIME_H
#define MIME_H

#include "xml.h"
#include "xml_part.h"

struct mime_part {
	char		*cid;
	const uint8_t	*data;
	size_t		 len;
	int		 used;
};
struct mime {
	int		 soap12;
	char		*action;	/* action parameter, or NULL */
	int		 is_package;
	const uint8_t	*root;		/* the envelope */
	size_t		 root_len;
	struct mime_part part[32];	/* all others */
	size_t		 nparts;
	struct xml_parts beside;	/* after mime_resolve(): not in the tree */
};
/* 0, or -1 with *why; points into body. */
int	 mime_read(struct mime *, const char *content_type, const uint8_t *body,
	    size_t, const char **why);
void	 mime_free(struct mime *);
/*
 * Puts the parts where xop:Include stands; but Data of an operation, which may
 * be large, stays beside the tree.  0 or -1 with *why.
 */
int	 mime_resolve(struct mime *, xmlDocPtr, const char **why);
/*
 * The octets of a base64Binary element, wherever they stand: in body, or in
 * *decoded, which the caller frees.  NULL: it is none, or over max octets.
 */
const uint8_t	*mime_data(const struct mime *, xmlNodePtr, size_t max,
		    size_t *len, uint8_t **decoded);

#endif /* MIME_H */
