/* SPDX-License-Identifier: ISC */
/* See control.h.  Apart from control.c so that a test can link it. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "control.h"

int
control_judge(const struct ctl_req *req, int readonly, char *why, size_t len)
{
	if (req->version != CTL_VERSION) {
		snprintf(why, len, "this wsctl speaks version %u, "
		    "the daemon %d", req->version, CTL_VERSION);
		return EPROTONOSUPPORT;
	}
	if (req->cmd >= CTL_CMD_MAX) {
		snprintf(why, len, "unknown command %u", req->cmd);
		return EINVAL;
	}
	if (readonly && !ctl_cmds[req->cmd].readonly) {
		snprintf(why, len, "%s is not for the read-only socket",
		    ctl_cmds[req->cmd].name);
		return EACCES;
	}
	return 0;
}
