/* SPDX-License-Identifier: ISC */
/* Between wsmsg.c and wsmsg_attach.c. */
#ifndef WSMSG_INT_H
#define WSMSG_INT_H

#include "wsmsg.h"

/* Fills m->attachments from an XmlAttachments element.  0 or -1 with *why. */
int	 wsmsg_read_attachments(struct wsmsg *, xmlNodePtr, const char **why);

#endif /* WSMSG_INT_H */
