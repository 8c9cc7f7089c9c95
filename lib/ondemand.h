/* SPDX-License-Identifier: ISC */
/*
 * On-demand attachments as they stand in theMessage's XmlAttachments
 * (wsemail(7)): what a user writes for a file that is on the server already
 * (AttachmentUpload), and what the server puts in its place before it signs
 * (OnDemandAttachment): where the file is, and what it is.
 */
#ifndef ONDEMAND_H
#define ONDEMAND_H

#include "xml.h"

#define ONDEMAND_ID	33	/* 32 lower hexadecimal digits, and NUL */

struct ondemand {
	char		*location;	/* the domain that has it, normalized */
	char		 id[ONDEMAND_ID];
	char		*name, *type, *description;
	uint64_t	 size;
	uint8_t		 digest[32];	/* SHA-256 of its first version */
};

/* From an OnDemandAttachment.  0, or -1 with *why (constant). */
int	 ondemand_read(struct ondemand *, xmlNodePtr, const char **why);
void	 ondemand_free(struct ondemand *);
/* A fragment that declares what it uses, for wsmsg.h. */
void	 ondemand_put(struct wbuf *, const struct ondemand *);
/* An identifier is of the form that all have: 1 or 0. */
int	 ondemand_id_ok(const char *);
/* SHA-256 in base64, as it stands in an element.  0 or -1. */
int	 ondemand_digest(const char *, uint8_t digest[32]);

#endif /* ONDEMAND_H */
