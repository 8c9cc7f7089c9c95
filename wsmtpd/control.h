/* SPDX-License-Identifier: ISC */
/* Who may ask what on the control sockets. */
#ifndef CONTROL_H
#define CONTROL_H

#include "ctl.h"

/*
 * Judges a decoded request.  0: forward it; EPROTONOSUPPORT: another
 * wsctl's; EINVAL: no such command; EACCES: not on the read-only socket.
 * why (with its size) gets a sentence for the user when not 0.
 */
int	 control_judge(const struct ctl_req *, int readonly, char *why, size_t);

#endif /* CONTROL_H */
