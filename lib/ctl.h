/* SPDX-License-Identifier: ISC */
/*
 * The control dialect.  A request is a command and its arguments; an answer
 * is any number of rows, each a kind and named fields, then one end.  wsctl
 * turns rows into text, JSON or OpenMetrics; whoever answers only fills them.
 */
#ifndef CTL_H
#define CTL_H

#include "proto.h"
#include "wire.h"

#define CTL_VERSION	1	/* an other wsctl is refused politely */
#define CTL_ARGS_MAX	8
#define CTL_ROWS_AHEAD	64	/* row messages sent before a MORE is waited for */

enum ctl_cmd {
	CTL_SHOW_QUEUE,		/* [filter: domain or sender, "" all] [limit] -> queue */
	CTL_SHOW_MESSAGE,	/* id -> queue */
	CTL_SHOW_STATS,		/* -> parent, which asks all */
	CTL_SHOW_LIMITS,	/* -> parent */
	CTL_SHOW_SANDBOX,	/* -> parent */
	CTL_SHOW_PROCESSES,	/* -> parent: pid, uptime, restarts */
	CTL_SHOW_PLUGINS,	/* -> parent, which asks all */
	CTL_SHOW_MAILBOX,	/* user -> local: messages, octets, quota, change */
	CTL_SCHEDULE,		/* id | "all" | domain -> queue: try now */
	CTL_PAUSE,		/* "local" | "relay" | domain -> queue */
	CTL_RESUME,
	CTL_REMOVE,		/* message id or evpid -> queue */
	CTL_TRACE,		/* filter ("" all): event rows until cancelled -> parent */
	CTL_LOG,		/* "verbose" | "brief" -> parent */
	CTL_RELOAD,		/* -> parent: ends when all have taken it */
	CTL_USERS,		/* the users table changed -> parent: read it again */
	CTL_STOP,		/* -> parent */
	CTL_PLUGIN_LOAD,	/* name -> parent, as all of these */
	CTL_PLUGIN_UNLOAD,
	CTL_PLUGIN_ENABLE,
	CTL_PLUGIN_DISABLE,
	CTL_PLUGIN_PRIORITY,	/* name, number */
	CTL_CMD_MAX
};

struct ctl_cmd_row {
	enum ctl_cmd	 cmd;
	const char	*name;		/* for the log */
	enum proc_id	 to;		/* P_PARENT, P_QUEUE, P_LOCAL */
	int		 readonly;	/* allowed on the read-only socket */
};
extern const struct ctl_cmd_row ctl_cmds[CTL_CMD_MAX];

struct ctl_req {
	uint32_t	 version;
	uint32_t	 cmd;
	uint32_t	 nargs;
	char		*arg[CTL_ARGS_MAX];
};
void	 ctl_req_put(struct wbuf *, const struct ctl_req *);
int	 ctl_req_get(struct rbuf *, struct ctl_req *);	/* 0 or -1; free after */
void	 ctl_req_free(struct ctl_req *);

/*
 * An IMSG_CTL_ROW carries one or more rows: begin, fields, end.  Field types:
 * s string, i integer, t time (ms since the epoch, 0: never), b octets count,
 * c counter, g gauge.
 */
void	 ctl_row_begin(struct wbuf *, const char *kind);
void	 ctl_row_str(struct wbuf *, const char *name, const char *);
void	 ctl_row_int(struct wbuf *, const char *name, char type, int64_t);
void	 ctl_row_end(struct wbuf *);

struct ctl_field {
	char		*name;
	char		 type;
	char		*str;		/* type s */
	int64_t		 num;		/* all others */
};
struct ctl_row {
	char		*kind;
	size_t		 nfields;
	struct ctl_field *field;
};
/* 1: a row, 0: no more in this payload, -1: malformed. */
int	 ctl_row_get(struct rbuf *, struct ctl_row *);
void	 ctl_row_free(struct ctl_row *);

/* IMSG_CTL_END: 0 done, else an errno value and a sentence for the user. */
void	 ctl_end_put(struct wbuf *, uint32_t error, const char *text);
int	 ctl_end_get(struct rbuf *, uint32_t *error, char **text);

#endif /* CTL_H */
