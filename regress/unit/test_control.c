/* SPDX-License-Identifier: ISC */
/* What control lets through: the version, the command, the allow list. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "control.h"
#include "tap.h"

/* Written out on purpose: a row added to ctl_cmds[] must be thought about here. */
static const struct {
	enum ctl_cmd	 cmd;
	enum proc_id	 to;
	int		 readonly;
} expect[] = {
	{ CTL_SHOW_QUEUE,	P_QUEUE,	1 },
	{ CTL_SHOW_MESSAGE,	P_QUEUE,	1 },
	{ CTL_SHOW_STATS,	P_PARENT,	1 },
	{ CTL_SHOW_LIMITS,	P_PARENT,	1 },
	{ CTL_SHOW_SANDBOX,	P_PARENT,	1 },
	{ CTL_SHOW_PROCESSES,	P_PARENT,	1 },
	{ CTL_SHOW_PLUGINS,	P_PARENT,	1 },
	{ CTL_SHOW_MAILBOX,	P_LOCAL,	1 },
	{ CTL_SCHEDULE,		P_QUEUE,	0 },
	{ CTL_PAUSE,		P_QUEUE,	0 },
	{ CTL_RESUME,		P_QUEUE,	0 },
	{ CTL_REMOVE,		P_QUEUE,	0 },
	{ CTL_TRACE,		P_PARENT,	0 },
	{ CTL_LOG,		P_PARENT,	0 },
	{ CTL_RELOAD,		P_PARENT,	0 },
	{ CTL_USERS,		P_PARENT,	0 },
	{ CTL_STOP,		P_PARENT,	0 },
	{ CTL_PLUGIN_LOAD,	P_PARENT,	0 },
	{ CTL_PLUGIN_UNLOAD,	P_PARENT,	0 },
	{ CTL_PLUGIN_ENABLE,	P_PARENT,	0 },
	{ CTL_PLUGIN_DISABLE,	P_PARENT,	0 },
	{ CTL_PLUGIN_PRIORITY,	P_PARENT,	0 },
};

static int	 judge(uint32_t, uint32_t, int);

static int
judge(uint32_t version, uint32_t cmd, int readonly)
{
	struct ctl_req	 req;
	char		 why[128] = "";
	int		 ret;

	memset(&req, 0, sizeof(req));
	req.version = version;
	req.cmd = cmd;
	ret = control_judge(&req, readonly, why, sizeof(why));
	/* Every refusal says why. */
	return ret != 0 && why[0] == '\0' ? -1 : ret;
}

int
main(void)
{
	size_t	 i;

	is_int((int)nitems(expect), CTL_CMD_MAX, "every command is listed");
	for (i = 0; i < nitems(expect); i++) {
		const struct ctl_cmd_row *row = &ctl_cmds[i];

		is_int((int)row->cmd, (int)i, "row stands at its command");
		is_int((int)row->to, (int)expect[i].to, row->name);
		is_int(judge(CTL_VERSION, (uint32_t)i, 0), 0, row->name);
		is_int(judge(CTL_VERSION, (uint32_t)i, 1),
		    expect[i].readonly ? 0 : EACCES, row->name);
	}
	is_int(judge(CTL_VERSION + 1, CTL_SHOW_STATS, 0), EPROTONOSUPPORT,
	    "another version");
	is_int(judge(0, CTL_SHOW_STATS, 1), EPROTONOSUPPORT, "version 0");
	is_int(judge(CTL_VERSION, CTL_CMD_MAX, 0), EINVAL, "no such command");
	is_int(judge(CTL_VERSION, UINT32_MAX, 0), EINVAL, "far out");
	return done_testing();
}
