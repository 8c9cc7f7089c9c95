/* SPDX-License-Identifier: ISC */
/*
 * A child process from its first instruction to its event loop.  Each
 * program's main() is one call of proc_main() with its table of functions;
 * the parent's side is wsmtpd/spawn.c.
 *
 * Order: channel to the parent on fd 3; SETUP and CONF are read; preinit()
 * (still with the parent's rights: load libraries, nothing else); chroot and
 * change of user; sandbox: files; init() (open what lies in the own directory,
 * make threads); sandbox: system calls; READY; PEER and LISTEN messages; GO;
 * start().
 */
#ifndef PROC_H
#define PROC_H

#include <event2/event.h>

#include "chan.h"
#include "conf.h"

#define PROC_PARENT_FD	3

struct proc {				/* one per process, passed everywhere */
	enum proc_id		 me;
	uint32_t		 instance;
	struct event_base	*base;
	struct chan		*parent;	/* NULL once it is gone */
	struct conf		*conf;	/* this role's view; replaced on reload */
	TAILQ_HEAD(, chan)	 peers;
	const struct proc_ops	*ops;
	void			*ctx;	/* the program's own state */
	int			 started;
	int			 stopping;
	int			 nofile;	/* descriptors it may have */
	uint64_t		 struck[LIM_MAX];	/* how often each limit */
};

struct proc_ops {
	enum proc_id	 me;
	/* 0, or -1: logged by it, the process exits 1. */
	int		(*preinit)(struct proc *);
	int		(*init)(struct proc *);
	/*
	 * Code of others: loads it from the descriptor, or by its path (-1).
	 * As the user that it becomes, with no way to the network or to other
	 * programs, before chroot and init().  For a plug-in alone.
	 */
	int		(*load)(struct proc *, int object);	/* may be NULL */
	void		(*start)(struct proc *);
	/* Messages from peers (not the parent).  As chan_msg_cb. */
	int		(*msg)(struct proc *, struct chan *, struct imsg *);
	void		(*peer_up)(struct proc *, struct chan *);	/* may be NULL */
	void		(*peer_down)(struct proc *, struct chan *);	/* may be NULL */
	void		(*peer_drain)(struct proc *, struct chan *);	/* may be NULL */
	/* A listening socket: kind is "https", "control", "control-ro"; owns fd. */
	void		(*listen)(struct proc *, const char *kind,
			    const char *name, int fd);	/* may be NULL */
	/* After p->conf was replaced; old is freed when this returns. */
	void		(*reload)(struct proc *, struct conf *old);	/* may be NULL */
	/* Calls stats_add() for each counter. */
	void		(*stats)(struct proc *, struct wbuf *);		/* may be NULL */
	/* Finish; call proc_exit() when done.  NULL: exit at once. */
	void		(*shutdown)(struct proc *);
	/* Control requests and other messages from the parent that proc does
	 * not know (IMSG_CTL_*): NULL closes nothing, they are refused. */
	int		(*parent_msg)(struct proc *, struct chan *, struct imsg *);
};

int		 proc_main(int argc, char **argv, const struct proc_ops *);
/* The peer's channel, or NULL; for soap the one with least outstanding. */
struct chan	*proc_peer(struct proc *, enum proc_id);
struct chan	*proc_peer_instance(struct proc *, enum proc_id, uint32_t);
__dead void	 proc_exit(struct proc *, int code);

/* Counters, in the answer to IMSG_PROC_STATS: kind 'c' counter, 'g' gauge. */
void		 stats_add(struct wbuf *, const char *name, char kind, uint64_t);
/* How much of a limit is used now. */
void		 stats_limit(struct wbuf *, enum limit, uint64_t);
/* Something was refused: counts the limit that struck, if any (limit_named()). */
void		 proc_struck(struct proc *, int limit);

/* A fresh 64-bit id, never 0. */
uint64_t	 proc_newid(void);

#endif /* PROC_H */
