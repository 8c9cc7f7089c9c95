/* SPDX-License-Identifier: ISC */
/*
 * The parent, wsmtpd(8): what its files offer each other.  Nothing here is
 * seen by another process.
 */
#ifndef WSMTPD_H
#define WSMTPD_H

#include <event2/event.h>

#include "chan.h"
#include "conf.h"
#include "ctl.h"
#include "sandbox.h"

/* --- parse.y (beside conf_parse() of conf.h) ---------------------------- */

/* -D name=value: a macro that the file cannot override.  0 or -1. */
int	 parse_set_macro(const char *);
/* "35M", "15m" and the like in octets and seconds.  0 or -1. */
int	 parse_size(const char *, int64_t *);
int	 parse_time(const char *, int64_t *);

/* --- parse_plugin.c ------------------------------------------------------- */

/* One line of a plug-in's block, at least a word.  0, or -1 and why. */
int	 parse_plugin_line(struct conf_plugin *, char *const *word, size_t n,
	    char *why, size_t);
/* 1: may be a plug-in's name, and with it a directory's. */
int	 parse_plugin_name(const char *);

/* --- check.c: wsmtpd -n ------------------------------------------------- */

#define CHECK_PORTS	0x1	/* try to bind the listeners: not while running */
#define CHECK_DATES	0x2	/* an expired certificate is an error, too */

/*
 * Judges a configuration whose files load_files() has read: users of the
 * roles, directories, keys against certificates, expiry, CAs, ports.  Each
 * complaint is logged (log_warnx) as one line.  Returns the number of errors
 * that forbid a start; mere warnings are not counted.
 */
int	 check_conf(const struct conf *, int flags);
/* check_plugin.c: its part for plug-ins. */
int	 check_plugins(const struct conf *);

/* --- load.c: files named by the configuration --------------------------- */

/* Reads certificates, keys, CAs and the users table.  0, or -1: logged. */
int	 load_files(struct conf *);
/* The users table alone (wsctl user ...).  0, or -1: logged, c is unchanged. */
int	 load_users(struct conf *);
/*
 * Makes the spool, its parts and their owners, and the secret, and takes the
 * spool's lock.  The lock's descriptor, or -1: logged.
 */
int	 load_spool(struct conf *);
/* The user a role runs as when wsmtpd is started by root. */
const char *load_role_user(const struct conf *, enum proc_id, char *, size_t);

/* --- vault.c: secrets while nobody needs them ----------------------------- */

struct vault {
	int	 fd;		/* -1: none, they are in the conf */
	size_t	 len;
};

/*
 * Moves the secrets of the configuration (keys, verifiers, conf.secret) into
 * the vault, which forgets what it had.  If that cannot be they stay in
 * memory, which is logged.
 */
void	 vault_fill(struct vault *, struct conf *);
/*
 * Puts them back into the configuration that they are of, until vault_shut().
 * 0, or -1: logged, the configuration has none.
 */
int	 vault_open(const struct vault *, struct conf *);
void	 vault_shut(const struct vault *, struct conf *);
void	 vault_free(struct vault *);

/* --- the state ----------------------------------------------------------- */

enum child_state {
	CHILD_DOWN,		/* not there; the timer will start it */
	CHILD_STARTING,		/* setting up, before READY */
	CHILD_READY,		/* waits for the others, first start only */
	CHILD_RUNNING,		/* has its channels, was told to go */
	CHILD_STOPPING		/* was told to finish */
};

struct parent;
struct plug;
struct child {			/* one process, over all its lives */
	struct parent	*pp;
	enum proc_id	 role;
	uint32_t	 instance;
	char		 name[48];	/* "soap 1", "plugin vacation" */
	struct plug	*plug;		/* P_PLUG: its slot */
	enum child_state state;
	pid_t		 pid;		/* 0: none */
	struct chan	*chan;		/* NULL: none */
	struct event	*timer;		/* next start */
	int64_t		 since;		/* ms, of this life or death */
	unsigned int	 fails;		/* short lives in a row */
	uint64_t	 restarts;
	struct sandbox	 sb;		/* as READY said, like what follows */
	uid_t		 uid;
	char		*sb_text;
	TAILQ_ENTRY(child) entry;
};

struct listener {		/* a socket that a child accepts on */
	enum proc_id	 role;
	const char	*kind;		/* as proc.h has it */
	char		*name;		/* "127.0.0.1:443", or a path */
	int		 fd;
	TAILQ_ENTRY(listener) entry;
};
TAILQ_HEAD(listeners, listener);

enum ask_what {
	ASK_NOTHING,		/* but that all before was taken */
	ASK_STATS,		/* pass the counters on */
	ASK_LIMITS,		/* those of limits, added up */
	ASK_PLUGINS		/* those that show plugins has */
};

/* A question to all children that is not answered by all yet. */
struct ask {
	uint64_t	 id;		/* of our IMSG_PROC_STATS */
	uint64_t	 ctl_id;	/* control's, 0: nobody waits */
	enum ask_what	 what;
	int64_t		 struck[LIM_MAX];	/* ASK_LIMITS: over all */
	int64_t		 now[LIM_MAX];		/* -1: nobody counts it */
	struct child	**waiting;	/* who has not answered: NULL when it has */
	size_t		 nwaiting, pending;
	struct wbuf	 w;		/* rows not yet sent */
	struct event	*timer;
	struct parent	*pp;
	TAILQ_ENTRY(ask) entry;
};

struct tracer {			/* a wsctl trace */
	uint64_t	 ctl_id;
	char		*filter;	/* "" all */
	unsigned int	 allowance;	/* row messages it will take */
	uint64_t	 lost;
	TAILQ_ENTRY(tracer) entry;
};

struct parent {
	struct event_base *base;
	struct conf	*conf;		/* its secrets are in the vault */
	struct vault	 vault;
	char		*conf_path;	/* absolute, as is libexec */
	char		*libexec;
	int		 foreground, verbose;
	int		 ready_fd;	/* -R, or -1 */
	int		 detach_fd;	/* who started us waits on it, or -1 */
	int		 lock_fd;
	int		 running;	/* the first start is behind us */
	int		 stopping;
	int		 exit_code;
	uint64_t	 stop_id;	/* control's request to stop, or 0 */
	int64_t		 started;	/* ms */
	unsigned int	 phase;		/* of stopping */
	int64_t		 phase_end, stop_end;	/* ms */
	struct event	*sigev[4];
	struct event	*stop_timer;
	struct listeners listeners;
	TAILQ_HEAD(children, child) children;
	TAILQ_HEAD(, plug) plugs;
	uint32_t	 last_plug;	/* instance of their processes */
	TAILQ_HEAD(, ask) asks;
	TAILQ_HEAD(, tracer) tracers;
	struct sandbox	 sb;
};

/* --- spawn.c: children --------------------------------------------------- */

/* Makes the slots of all processes and starts them.  0, or -1: logged. */
int	 spawn_start(struct parent *);
/* The directory that a child is confined to; the caller frees. */
char	*spawn_dir(const struct child *);
/* Reaps what has died (SIGCHLD). */
void	 spawn_reap(struct parent *);
/* Sends to every child that is there (CHILD_RUNNING). */
void	 spawn_tell_all(struct parent *, uint32_t type, uint64_t id,
	    const struct wbuf *);
/* Each child's view of p->conf. */
void	 spawn_send_conf(struct parent *);
/* Hands one listener to its process, if that is there. */
void	 spawn_send_listener(struct parent *, const struct listener *);
/* IMSG_PROC_LOG to all, from p's verbosity and whether somebody traces. */
void	 spawn_send_log(struct parent *);
/* Orderly end; a second call changes nothing.  Ends the event loop. */
void	 spawn_stop(struct parent *, int exit_code);
void	 spawn_free(struct parent *);
struct child *spawn_find(struct parent *, enum proc_id, uint32_t);

/* A plug-in's child, not started yet.  NULL: logged. */
struct child *spawn_add_plug(struct parent *, struct plug *, uint32_t instance,
	    const char *name);
/* Of one that is not there any more. */
void	 spawn_remove(struct child *);
/* Starts one that is down; its timer is forgotten. */
void	 spawn_now(struct child *);
/* Has one finish; if it is down, it stays so. */
void	 spawn_end(struct child *);

/* --- plug.c: plug-ins ---------------------------------------------------- */

struct plug_counts {		/* as its process said last */
	uint64_t	 calls, open, busy;	/* busy: us, of all calls */
};

/* Makes what runs what pp->conf says: what did not change goes on. */
void	 plug_configure(struct parent *);
void	 plug_free_all(struct parent *);
/* The table for those who call them, or for one that has just come. */
void	 plug_tell(struct parent *, struct child *only);
/* Its directory, the caller frees; that and its user made ready: 0 or -1. */
char	*plug_dir(const struct child *);
int	 plug_prepare(struct child *, char *user, size_t);
/* Its process ended: so does what it may have started. */
void	 plug_sweep(const struct child *);
/* Because it was asked to or not: s until the next start, or -1: no more. */
int	 plug_died(struct child *, int asked, const char *how);
void	 plug_again(struct child *);	/* its timer starts it */
/* Before GO: the sockets that it listens on. */
void	 plug_sockets(struct child *);
/* IMSG_PARENT_PLUG_*.  0, or -1: it broke the protocol. */
int	 plug_connect(struct child *, struct imsg *);
int	 plug_about(struct child *, struct imsg *);
int	 plug_fault(struct parent *, struct child *from, struct imsg *);
/* A counter of its process; rows for wsctl; a command of it: 0 or errno. */
void	 plug_count(struct child *, const char *name, uint64_t);
void	 plug_show(struct parent *, struct wbuf *);
/* plug_net.c */
void	 plug_net_listen(struct child *, const struct conf_plugin *);
/* may: it has not asked too often.  0, or -1: the channel is to be ended. */
int	 plug_net_connect(struct child *, const struct conf_plugin *,
	    struct imsg *, int may);
int	 plug_command(struct parent *, uint32_t cmd, const char *name,
	    const char *arg, char *why, size_t);

/* --- listen.c: sockets --------------------------------------------------- */

/* Opens what the configuration names into the list.  0, or -1: logged. */
int	 listen_open(struct listeners *, const struct conf *,
	    const struct listeners *have);
/* Closes all; with unlink, the control sockets' names go, too. */
/* An IP address and a number; name is for the log.  Or -1 and errno. */
int	 listen_tcp(const char *addr, const char *port, const char *name);
void	 listen_close(struct listeners *, int unlink_names);
/*
 * After a reload: drops from `now` what conf does not name any more and adds
 * the new ones, each handed to its process.
 */
void	 listen_replace(struct parent *, struct listeners *fresh);

/* --- answer.c: wsctl's questions ----------------------------------------- */

/* IMSG_CTL_* from control.  0, or -1: it broke the protocol. */
int	 answer_request(struct parent *, struct imsg *);
/* IMSG_PARENT_STATS and IMSG_PARENT_EVENT.  Likewise. */
int	 answer_stats(struct parent *, struct child *, struct imsg *);
int	 answer_event(struct parent *, struct child *, struct imsg *);
/* A child that was asked is gone. */
void	 answer_child_down(struct parent *, struct child *);
/* Control is gone, and with it everyone who asked. */
void	 answer_drop_all(struct parent *);
void	 answer_end(struct parent *, uint64_t ctl_id, uint32_t error,
	    const char *);

/* --- wsmtpd.c ------------------------------------------------------------ */

/*
 * Reads the configuration anew.  0: every child was sent its view; -1: the
 * old one stays, why says what for a person.
 */
int	 parent_reload(struct parent *, char *why, size_t);
int	 parent_reload_users(struct parent *, char *why, size_t);
/* The first start is complete: says so to whoever waits. */
void	 parent_is_ready(struct parent *);

#endif /* WSMTPD_H */
