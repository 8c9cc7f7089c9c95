/* SPDX-License-Identifier: ISC */
/*
 * wslocal: what the parts of the program share.  One struct local a process;
 * every part gets it as its first argument.
 *
 *	wslocal.c	process and dispatch
 *	op.c		a request between its handling and the commit
 *	deliver.c	mail in, from wsqueue
 *	list.c		headers, and what changed
 *	retrieve.c	one message
 *	delete.c	mail out
 *	wait.c		requests held until something changes
 *	sweep.c		what is done now and then
 *	ctl.c		wsctl's question and the counters
 *	mdb.c		records
 */
#ifndef WSLOCAL_H
#define WSLOCAL_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "conf.h"
#include "group.h"
#include "mdb.h"
#include "proc.h"
#include "useridx.h"

#define LOCAL_RESERVE	(32LL << 20)	/* octets of disk left alone */
#define LOCAL_RATES	16384	/* users whose rates are known */
#define LOCAL_SEEN_MS	(30LL * 86400 * 1000)	/* a delivery is remembered */

struct op;
struct local;

/*
 * A request that is handled and waits for its commit.  What the handler
 * found stands in `reply`; when the commit fails `fail` composes another
 * answer instead.
 */
struct op {
	TAILQ_ENTRY(op)	 entry;
	struct local	*l;
	struct chan	*chan;		/* NULL: gone meanwhile */
	uint64_t	 reqid;
	uint32_t	 type;		/* of the answer */
	struct wbuf	 reply;
	int		 held;		/* wait: no answer now */
	void		(*fail)(struct wbuf *);
	void		(*done)(struct op *);	/* optional: it is committed */
	char		*user;
	int64_t		 change;	/* of the mailbox, after this */
	int		 changed;	/* tell those who wait */
	int64_t		 since;		/* wait */
	uint32_t	 timeout;	/* wait, s */
	uint32_t	 count;		/* delete: messages */
	uint64_t	 made;		/* file to unlink when it fails */
	uint64_t	*gone;		/* files to unlink when it is committed */
	size_t		 ngone;
	struct {			/* the event, logged after the commit */
		const char	*ev;	/* NULL: none */
		char		*msgid;
		char		*from;
		const char	*result;
		char		 reason[96];
	} log;
};

struct waiter;
struct wait_user {			/* those who wait for one mailbox */
	RB_ENTRY(wait_user)	 entry;
	TAILQ_HEAD(, waiter)	 waiters;	/* oldest first */
	uint32_t		 n;
	char			*name;
};
RB_HEAD(wait_tree, wait_user);

struct sweep {				/* one table's round */
	uint8_t		 key[64];	/* where to go on */
	size_t		 len;
	uint64_t	 added;		/* records since the last slice */
};

struct local_stats {
	uint64_t	 delivered;
	uint64_t	 duplicates;
	uint64_t	 overquota;
	uint64_t	 nouser;
	uint64_t	 tempfailed;
	uint64_t	 lists;
	uint64_t	 retrieved;
	uint64_t	 deleted;
	uint64_t	 waits;
	uint64_t	 replayed;
	uint64_t	 quarantined;
	uint64_t	 swept;
};

struct local {
	struct proc		*p;
	struct useridx		 users;		/* of p->conf */
	struct rate		*rate;		/* requests by user */
	struct mdb		 db;
	struct group		*group;
	TAILQ_HEAD(, op)	 ops;
	struct wait_tree	 waits;
	uint32_t		 nwaits;
	struct event		*tick;		/* each second */
	int64_t			 space;		/* free octets at the last tick */
	struct sweep		 seen;
	struct sweep		 replay;
	struct local_stats	 st;
};

/* op.c */
/* The caller fills reply and what else it needs, then op_commit()s. */
struct op	*op_new(struct local *, struct chan *, uint64_t reqid,
		    uint32_t type, const char *user, void (*fail)(struct wbuf *));
/* A file that this request frees. */
void		 op_gone(struct op *, uint64_t blob);
/* Answers and logs after the commit, synced or not.  Takes the op. */
void		 op_commit(struct op *, int sync);
/* Answers at once: nothing was written. */
void		 op_answer_now(struct op *);
/* A write failed: the transaction is lost, errno says why.  Takes the op. */
void		 op_write_failed(struct op *);
void		 op_peer_down(struct local *, struct chan *);
/*
 * For the requests of users: opens the transaction, judges mailbox and
 * replay.  The transaction, or NULL: *code is LOCAL_NOENT, LOCAL_REPLAY or
 * LOCAL_ERROR, and nothing is to be committed for it.
 * A mailbox that has no mail yet gives u->uid 0.
 */
struct store_txn *op_begin(struct local *, const char *user,
		    const struct replay *, struct mdb_user *u, uint32_t *code);

/* deliver.c */
int	 deliver_handle(struct local *, struct chan *, struct imsg *);
/* list.c */
int	 list_handle(struct local *, struct chan *, struct imsg *);
/* retrieve.c */
int	 retrieve_handle(struct local *, struct chan *, struct imsg *);
/* delete.c */
int	 delete_handle(struct local *, struct chan *, struct imsg *);
/*
 * Takes a message that cannot be read out of its mailbox: header to
 * quarantine, counted as a deletion.  u is changed, not written.
 */
int	 delete_quarantine(struct local *, struct store_txn *, const char *user,
	    struct mdb_user *u, uint32_t id, uint32_t octets, const char *why);
/* wait.c */
int	 wait_handle(struct local *, struct chan *, struct imsg *);
void	 wait_notify(struct local *, const char *user, int64_t change);
void	 wait_peer_down(struct local *, struct chan *);
void	 wait_reload(struct local *);	/* users that are gone */
void	 wait_clear(struct local *);	/* answers all */
/* sweep.c */
void	 sweep_tick(struct local *);
/* ctl.c */
int	 ctl_handle(struct local *, struct chan *, struct imsg *);
void	 ctl_stats(struct local *, struct wbuf *);

#endif /* WSLOCAL_H */
