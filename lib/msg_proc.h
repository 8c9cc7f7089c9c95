/* SPDX-License-Identifier: ISC */
/* The parent's talk with its children: how proc.h's order is carried out. */
#ifndef MSG_PROC_H
#define MSG_PROC_H

#include "wire.h"

/* IMSG_PROC_SETUP */
struct proc_setup {
	uint32_t	 role;		/* enum proc_id: must be the program's own */
	uint32_t	 instance;
	char		*user;		/* to become; "": stay who we are */
	char		*dir;		/* chroot to it when a user is given, else chdir */
	uint32_t	 foreground;	/* log to standard error */
	uint32_t	 verbose;
	uint32_t	 trace;
	uint32_t	 sandbox_required;
};
void	 proc_setup_put(struct wbuf *, const struct proc_setup *);
int	 proc_setup_get(struct rbuf *, struct proc_setup *);	/* 0 or -1 */
void	 proc_setup_free(struct proc_setup *);

/* IMSG_PROC_PEER, + fd */
void	 proc_peer_put(struct wbuf *, uint32_t role, uint32_t instance);
int	 proc_peer_get(struct rbuf *, uint32_t *role, uint32_t *instance);

/* IMSG_PROC_LISTEN, + fd */
void	 proc_listen_put(struct wbuf *, const char *kind, const char *name);
int	 proc_listen_get(struct rbuf *, char **kind, char **name);

/* IMSG_PROC_LOG */
void	 proc_log_put(struct wbuf *, uint32_t verbose, uint32_t trace);
int	 proc_log_get(struct rbuf *, uint32_t *verbose, uint32_t *trace);

/* IMSG_PARENT_READY */
struct proc_ready {
	uint32_t	 pid;
	uint32_t	 uid;
	uint32_t	 mask, missing;	/* SB_* of sandbox.h */
	uint32_t	 abi;		/* of Landlock, 0: none */
	char		*text;		/* for people: what else to know, or "" */
};
void	 proc_ready_put(struct wbuf *, const struct proc_ready *);
int	 proc_ready_get(struct rbuf *, struct proc_ready *);
void	 proc_ready_free(struct proc_ready *);

/*
 * IMSG_PROC_STATS is empty; IMSG_PARENT_STATS, with the same header id, is
 * any number of counters as stats_add() (proc.h) writes them.  1: one was
 * read, 0: no more, -1: malformed.
 */
int	 proc_stat_get(struct rbuf *, char **name, char *kind, uint64_t *value);

/* IMSG_PARENT_EVENT: a string, one line. */

#endif /* MSG_PROC_H */
