/* SPDX-License-Identifier: ISC */
/*
 * wsqueue: what the parts of the program share.  One struct queue a process;
 * every part gets it as its first argument.
 *
 *	wsqueue.c	process and dispatch
 *	load.c		the store into memory, at start
 *	submit.c	mail in: judged, written, answered after the commit
 *	deliver.c	mail out: to wslocal, and through soap to a peer
 *	filter.c	before the mailbox: the plug-ins
 *	update.c	changes of recipients on disk, then in memory
 *	bounce.c	what could not be delivered, what is late
 *	admin.c		wsctl's commands
 *	schedule.c resolve.c qdb.c		see their headers
 */
#ifndef WSQUEUE_H
#define WSQUEUE_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "conf.h"
#include "group.h"
#include "idtree.h"
#include "plugs.h"
#include "proc.h"
#include "qdb.h"
#include "resolve.h"
#include "schedule.h"

struct bounce;
struct filter;
struct flight;
struct loader;
struct submission;
struct admin;

struct queue_stats {
	uint64_t	 accepted;	/* messages */
	uint64_t	 refused;	/* submissions, for good */
	uint64_t	 tempfailed;	/* submissions, to be tried again */
	uint64_t	 dup;
	uint64_t	 replayed;
	uint64_t	 delivered;	/* recipients, local */
	uint64_t	 relayed;	/* recipients */
	uint64_t	 retried;
	uint64_t	 failed;
	uint64_t	 bounced;
	uint64_t	 dropped;
	uint64_t	 expired;
	uint64_t	 removed;
	uint64_t	 swept;
	uint64_t	 quarantined;
};

struct queue {
	struct proc		*p;
	struct qdb		 db;
	struct group		*group;
	struct dir		*dir;
	struct rate		*rate;		/* by user and by peer domain */
	struct sched		 sched;
	uint64_t		 last_qid;
	uint64_t		 last_flight;
	struct idtree		 flights;
	TAILQ_HEAD(, flight)	 flight_list;	/* oldest first */
	struct plugs		 plugs;
	TAILQ_HEAD(, filter)	 filters;	/* deliveries at plug-ins */
	size_t			 nfilters, filter_bytes;
	TAILQ_HEAD(, submission) submissions;	/* written, not committed */
	size_t			 pend_msgs;	/* of these, messages and octets */
	uint64_t		 pend_bytes;
	RB_HEAD(bounce_tree, bounce) bounces;	/* by time */
	size_t			 nbounces;	/* of these, at soap */
	TAILQ_HEAD(, admin)	 admins;
	struct loader		*loader;	/* NULL: all is in memory */
	struct event		*run;		/* deliveries, bounces */
	struct event		*tick;		/* each second */
	int64_t			 space;		/* free octets, as of the last tick */
	int64_t			 tick_wall;	/* ms, at the last tick, by the clock */
	int64_t			 tick_mono;	/* and by one that nobody sets */
	struct queue_sweep {		/* a table's round */
		uint8_t		 key[32];	/* where it goes on */
		size_t		 len;
	} sweep_replay, sweep_dedup;
	struct queue_stats	 st;
};

/* wsqueue.c */
void	 queue_kick(struct queue *);	/* something may be due */
uint64_t queue_newid(struct queue *);	/* ids of messages only grow */
/* A failed write: poisons the transaction; all that share it fail. */
void	 queue_write_failed(struct queue *, const char *what);
void	 queue_set_class(struct queue *);	/* hosted or not, anew */
void	 queue_limits(struct queue *);

/* load.c */
int	 load_start(struct queue *);	/* 0, or -1: logged */
void	 load_stop(struct queue *);

/* submit.c */
int	 submit_handle(struct queue *, struct chan *, struct imsg *);
int	 submit_nonce(struct queue *, struct chan *, struct imsg *);
void	 submit_peer_down(struct queue *, struct chan *);

#define QUEUE_SOON	5000	/* ms until what failed here is tried again */

/* One recipient on its way into memory. */
struct placing {
	const char	*addr;
	uint32_t	 rno;
	int64_t		 next;
	uint32_t	 attempts;
};
/* Makes items of a message's waiting recipients.  0 or -1: ENOMEM. */
int	 queue_place(struct queue *, struct sched_msg *,
	    const struct placing *, uint32_t);

/* deliver.c */
void	 deliver_run(struct queue *);
int	 deliver_local_result(struct queue *, struct chan *, struct imsg *);
int	 deliver_relay_result(struct queue *, struct chan *, struct imsg *);
void	 deliver_peer_down(struct queue *, struct chan *);
void	 deliver_tick(struct queue *, int64_t now);
void	 deliver_clock_set(struct queue *, int64_t step);
void	 deliver_clear(struct queue *);

/*
 * A delivery that plug-ins had nothing against goes to the mailbox.  It is
 * read anew: in the meantime it may have gone, or the user.
 */
void	 deliver_judged(struct queue *, uint64_t qid, uint32_t rno,
	    uint32_t attempts);

/* filter.c */
struct qdb_msg;
struct qdb_env;
/* Is there a plug-in in the way to this address. */
int	 filter_wants(struct queue *, const char *addr);
/* 1: may begin; 0: there are too many. */
int	 filter_room(const struct queue *);
/* Begins to ask them.  0, or -1: ENOMEM. */
int	 filter_start(struct queue *, const struct qdb_msg *,
	    const struct qdb_env *, const uint8_t *body);
void	 filter_clear(struct queue *);

/* update.c */
enum change_what {
	CH_DONE,		/* delivered or relayed: goes */
	CH_RETRY,		/* tried in vain, waits */
	CH_FAIL,		/* for good: waits for its bounce */
	CH_DROP,		/* goes without a bounce */
	CH_REPORTED,		/* its bounce is committed: goes */
	CH_WARNED,		/* its delay was reported */
	CH_QUARANTINE		/* its record does not read */
};

struct change {
	enum change_what what;
	uint32_t	 rno;
	uint32_t	 code;		/* ST_* */
	int64_t		 next;
	int		 counted;	/* a record went */
	int		 expired;
	char		*addr;		/* from the record, for the log */
	char		*text;
	char		*host;
	uint32_t	 attempts;
	int		 warn;		/* the delay is to be reported */
};

struct update {
	struct queue	*q;
	uint64_t	 qid;
	const char	*ev;		/* event name for CH_DONE, CH_DROP */
	char		*msgid;
	char		*from;
	uint32_t	 n, cap;
	struct change	*ch;
	uint32_t	 nadd;		/* recipients that come */
	uint32_t	 nadded;	/* of these, written */
	struct rcpt	*add;
	uint32_t	 add_rno;	/* number of the first */
	int		 msgdel;
	int64_t		 next;		/* CH_RETRY: the time of all */
	int		 hold;		/* CH_RETRY: until the time to live ends */
	uint32_t	 attempts;
	void		(*done)(void *, int);	/* optional, 0 or -1 */
	void		*arg;
};

struct update *update_new(struct queue *, uint64_t qid, const char *ev,
	    const char *msgid, const char *from);
/* 0 or -1: ENOMEM; text and host are copied. */
int	 update_change(struct update *, enum change_what, uint32_t rno,
	    uint32_t code, const char *text, const char *host);
/* Another recipient in place of one that goes. */
int	 update_recipient(struct update *, const struct rcpt *);
/*
 * Writes all changes into the open transaction.  After its commit memory
 * follows and the update is freed; when it fails what was under way waits
 * a little and is tried again.
 */
void	 update_write(struct update *);
void	 update_free(struct update *);
/* Recipients under way wait again, together, until next. */
void	 queue_wait_again(struct queue *, uint64_t qid, const uint32_t *rno,
	    uint32_t n, int64_t next, uint32_t attempts);
/* Puts a message, or one recipient, into quarantine. */
void	 queue_quarantine_msg(struct queue *, uint64_t qid, const char *why);
void	 queue_quarantine_env(struct queue *, uint64_t qid, uint32_t rno,
	    const char *why);

/* bounce.c */
void	 bounce_failed(struct queue *, struct sched_msg *);
void	 bounce_delayed(struct queue *, struct sched_msg *,
	    const uint32_t *rno, uint32_t n);
int64_t	 bounce_run(struct queue *, int64_t now);	/* next wake, or -1 */
struct bounce *bounce_find(struct queue *, const struct chan *,
	    uint64_t job);
/* The composed bounce is being written: its part of the transaction. */
void	 bounce_write(struct queue *, struct bounce *);
void	 bounce_retry(struct queue *, struct bounce *, const char *why);
void	 bounce_peer_down(struct queue *, struct chan *);
void	 bounce_forget(struct queue *, struct sched_msg *);
void	 bounce_clock_set(struct queue *, int64_t step);
void	 bounce_clear(struct queue *);

/* admin.c */
int	 admin_request(struct queue *, struct chan *, struct imsg *);
void	 admin_more(struct queue *, struct chan *, uint64_t id);
void	 admin_cancel(struct queue *, struct chan *, uint64_t id);
void	 admin_peer_down(struct queue *, struct chan *);
void	 admin_drain(struct queue *);
int	 admin_load_paused(struct queue *);

#endif /* WSQUEUE_H */
