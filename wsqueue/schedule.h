/* SPDX-License-Identifier: ISC */
/*
 * The schedule: what waits, until when, for whom, and what is under way.
 * All in memory and rebuilt from the store at start; pure, the time is an
 * argument.  Nothing here knows the store or a channel.
 *
 * A message (sched_msg) has recipients; those that go the same way at the
 * same time are one item (sched_item): a local recipient alone, all
 * recipients of one remote domain together.  Items wait at their destination
 * (sched_dest), ordered by time; destinations that have something due take
 * turns, so that one with a million items does not hold up another.
 *
 * Taking turns does not help against peers that take a connection and never
 * answer: together they would have all that may be under way.  So an item
 * goes by a lane, according to what its destination has shown, while no more
 * than a share of the whole is taken:
 *
 * KNOWN  the only one of a destination that takes mail	all
 * MORE   further ones of it				7/8, by all lanes
 * NEW    the only one of a destination not known yet	3/4, by NEW and REST
 * REST   further ones of it, and all of one that fails	1/2, by NEW and REST
 *
 * and NEW and REST as MORE.
 * The limits on number and on octets are shared out alike.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <sys/queue.h>
#include <sys/tree.h>

enum sched_class { SCHED_LOCAL, SCHED_RELAY, SCHED_NCLASS };

enum sched_lane {
	SL_LOCAL,
	SL_KNOWN, SL_MORE, SL_NEW, SL_REST,	/* of SCHED_RELAY */
	SL_MAX
};
#define SCHED_RELAY_LANES	(SL_MAX - SL_KNOWN)

#define SCHED_KNOWN_MAX	4096	/* destinations without mail that are kept */

struct sched_use {
	size_t		 n;
	uint64_t	 octets;
};

enum sched_state {
	SI_WAITING,		/* in its destination's tree */
	SI_INFLIGHT,		/* handed out by sched_next() */
	SI_PARKED		/* likewise, and not counted against any limit */
};

struct sched_dest;
struct sched_msg;

struct sched_item {
	RB_ENTRY(sched_item)	 entry;
	LIST_ENTRY(sched_item)	 mentry;
	struct sched_msg	*msg;
	struct sched_dest	*dest;
	int64_t			 next;
	uint32_t		 attempts;
	enum sched_state	 state;
	enum sched_lane		 lane;		/* while under way */
	uint32_t		 nrno;
	uint32_t		 rno0;		/* the one, when nrno is 1 */
	uint32_t		*rno;		/* points to rno0, or allocated */
};

struct sched_msg {
	RB_ENTRY(sched_msg)	 entry;
	LIST_HEAD(, sched_item)	 items;
	uint64_t		 qid;
	int64_t			 arrival;
	uint64_t		 size;
	uint32_t		 flags;		/* QM_* */
	uint32_t		 nlive;		/* recipients on disk */
	int32_t			 pend;		/* what the open transaction makes of that */
	uint32_t		 nfailed;	/* recipients that wait for their bounce */
	uint32_t		*failed;
	int			 blob;		/* its body is in a file */
	int			 keep;		/* a recipient is in quarantine: so will it be */
	void			*bounce;	/* bounce.c: the job under way */
};

RB_HEAD(sched_items, sched_item);
RB_HEAD(sched_msgs, sched_msg);
RB_HEAD(sched_dests, sched_dest);
RB_HEAD(sched_when, sched_dest);

struct sched_dest {
	RB_ENTRY(sched_dest)	 entry;
	RB_ENTRY(sched_dest)	 wentry;
	TAILQ_ENTRY(sched_dest)	 dentry;
	struct sched_items	 waiting;
	size_t			 nwaiting;
	size_t			 inflight, nparked;
	struct sched_use	 use[SL_MAX];	/* by what is under way */
	int64_t			 first;		/* key while in `when` */
	enum sched_class	 class;
	enum sched_lane		 lane;		/* while in `due` */
	enum { SH_NEW, SH_TAKES, SH_FAILS } health;	/* since it last said */
	int			 paused;
	enum { SD_OFF, SD_WHEN, SD_DUE, SD_IDLE, SD_KNOWN } where;
	char			*domain;
};

struct sched {
	struct sched_msgs	 msgs;
	struct sched_dests	 dests;
	struct sched_when	 when[SCHED_NCLASS];
	TAILQ_HEAD(, sched_dest) due[SL_MAX];
	TAILQ_HEAD(, sched_dest) idle;	/* to be forgotten by sched_reap() */
	TAILQ_HEAD(, sched_dest) known;	/* without mail, longest first */
	size_t			 nknown;
	struct sched_use	 use[SL_MAX];
	unsigned int		 turn;		/* of the lanes */
	size_t			 inflight[SCHED_NCLASS];
	size_t			 limit[SCHED_NCLASS];
	uint64_t		 octets_limit;	/* relay; 0: none */
	size_t			 dest_limit;	/* relay, per destination; 0: none */
	int			 paused[SCHED_NCLASS];
	size_t			 nmsgs;
	size_t			 nenvs;
	uint64_t		 bytes;
};

void	 sched_init(struct sched *);
void	 sched_clear(struct sched *);

struct sched_msg *sched_msg_add(struct sched *, uint64_t qid, int64_t arrival,
	    uint64_t size, uint32_t flags);	/* NULL: EEXIST, ENOMEM */
struct sched_msg *sched_msg_find(struct sched *, uint64_t qid);
struct sched_msg *sched_msg_next(struct sched *, uint64_t after);
/* Frees the message and all its items, also those under way. */
void	 sched_msg_remove(struct sched *, struct sched_msg *);

/* The destination, made if it is new.  NULL: ENOMEM. */
struct sched_dest *sched_dest_get(struct sched *, const char *domain,
	    enum sched_class);
struct sched_dest *sched_dest_find(struct sched *, const char *domain);
struct sched_dest *sched_dest_next(struct sched *, struct sched_dest *);
/* Frees destinations that nothing is for: a pointer to one is void after it. */
void	 sched_reap(struct sched *);
/* All that waits is due so much later (earlier, below 0): the clock was set. */
void	 sched_shift(struct sched *, int64_t);
void	 sched_dest_limit(struct sched *, size_t);
void	 sched_dest_class(struct sched *, struct sched_dest *,
	    enum sched_class);
/* It has taken a message, or could not be made to. */
void	 sched_dest_health(struct sched *, struct sched_dest *, int takes);
void	 sched_dest_pause(struct sched *, struct sched_dest *, int);

/* Recipients become one item that waits until next.  nlive is the caller's. */
struct sched_item *sched_item_add(struct sched *, struct sched_msg *,
	    struct sched_dest *, const uint32_t *rno, uint32_t n, int64_t next,
	    uint32_t attempts);
/* Which item holds this recipient; NULL: none. */
struct sched_item *sched_item_find(struct sched_msg *, uint32_t rno);
/* One recipient leaves its item; an empty item is freed.  1: freed. */
int	 sched_item_drop(struct sched *, struct sched_item *, uint32_t rno);
void	 sched_item_remove(struct sched *, struct sched_item *);
/* From under way, or waiting, to waiting until next. */
void	 sched_item_wait(struct sched *, struct sched_item *, int64_t next,
	    uint32_t attempts);

/* Octets of relay mail under way. */
uint64_t sched_octets(const struct sched *);
/*
 * One recipient of an item under way is so for a time that no limit is to
 * count.  0, or -1: ENOMEM.
 */
int	 sched_item_park(struct sched *, struct sched_item *, uint32_t rno);

/* The next due item of a class, now under way; NULL: none may go. */
struct sched_item *sched_next(struct sched *, enum sched_class, int64_t now);
/*
 * When sched_next() could have one: ms since the epoch, 0 for now, or -1 for
 * never (until something else changes).
 */
int64_t	 sched_wake(struct sched *, enum sched_class);

/* A recipient waits for its bounce.  0 or -1. */
int	 sched_failed_add(struct sched_msg *, uint32_t rno);
/* 1 when it was there. */
int	 sched_failed_drop(struct sched_msg *, uint32_t rno);

#endif /* SCHEDULE_H */
