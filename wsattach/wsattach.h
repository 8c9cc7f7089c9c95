/* SPDX-License-Identifier: ISC */
/*
 * wsattach: what the parts of the program share.  One struct attach a
 * process; every part gets it as its first argument.
 *
 *	wsattach.c	process, dispatch, counters
 *	op.c		a request between its handling and the commit
 *	upload.c	octets in, piece by piece
 *	hash.c		their digest, as they come or afterwards
 *	finish.c	an upload becomes a content
 *	name.c		finished uploads become attachments, or new versions
 *	fetch.c		octets out
 *	show.c		lists for the owner
 *	change.c	what the owner changes
 *	sweep.c		what is done each second
 *	scrub.c		contents read again; files and records compared
 *	adb*.c, file.c	records, files
 */
#ifndef WSATTACH_H
#define WSATTACH_H

#include <sys/queue.h>

#include <openssl/evp.h>

#include "adb.h"
#include "addr.h"
#include "conf.h"
#include "file.h"
#include "group.h"
#include "proc.h"
#include "useridx.h"

#define ATTACH_RESERVE	(32LL << 20)	/* octets of disk left alone */
#define ATTACH_BUF	(256U << 10)	/* read and written at a time */
#define ATTACH_KEEP_MS	(30LL * 86400 * 1000)	/* what is over stays to be seen */
#define ATTACH_NOSUCH	"no such attachment"

struct attach;

/*
 * A request that is handled and waits for its commit.  What the handler
 * found stands in `reply`; when the commit fails, refuse() composes another
 * answer instead.
 */
struct op {
	TAILQ_ENTRY(op)	 entry;
	struct attach	*a;
	struct chan	*chan;		/* NULL: gone meanwhile, or none asked */
	uint64_t	 reqid;
	uint32_t	 type;		/* of the answer */
	int		 fd;		/* that goes with it, or -1 */
	struct wbuf	 reply;
	uint32_t	 refuse_type;
	void		(*refuse)(struct wbuf *, uint32_t code, const char *);
	void		(*done)(struct op *, int ok);	/* optional: after it */
	uint64_t	*count;		/* a counter, when it is committed */
	uint64_t	 octets;	/* fetch: in fd */
	uint8_t		 upload[ATTACH_ID];	/* it is about */
	uint8_t		 digest[ATTACH_DIGEST];	/* finish: the client's */
	uint8_t		(*gone)[ATTACH_DIGEST];	/* contents nobody has any more */
	size_t		 ngone;
	uint8_t		(*part)[ATTACH_ID];	/* parts likewise */
	size_t		 npart;
	struct {			/* the event, logged after the commit */
		const char	*ev;	/* NULL: none */
		char		*user, *msgid, *to;
		const char	*result;
		char		 reason[160];
	} log;
};

struct hash {				/* of an upload */
	TAILQ_ENTRY(hash) entry;
	uint8_t		 id[ATTACH_ID];
	EVP_MD_CTX	*ctx;
	uint64_t	 pos;		/* octets that are in ctx */
	uint64_t	 have;		/* octets that are in the part */
	uint64_t	 unsynced;	/* of these, at most */
	struct op	*finish;	/* waits until pos is the end */
};

struct fetch {				/* waits for its channel */
	TAILQ_ENTRY(fetch) entry;
	struct chan	*chan;
	uint64_t	 reqid;
	struct fetch_req req;
};

struct sweep {				/* one table's round */
	uint8_t		 key[ADB_KEY_MAX];	/* where to go on */
	size_t		 len;
};

struct scrub {
	struct event	*ev;
	uint8_t		 key[ATTACH_DIGEST];	/* the next to look at, at least */
	int		 fd;		/* of the one that is read, or -1 */
	uint8_t		 digest[ATTACH_DIGEST];
	uint64_t	 size, pos;
	EVP_MD_CTX	*ctx;
};

struct orphan {				/* files against records */
	struct event	*ev;
	unsigned int	 step;		/* directories, then rows */
	uint8_t		 key[ATTACH_DIGEST];
	int		 removed;
};

struct attach_stats {
	uint64_t	 begun, pieces, received, finished, deduplicated;
	uint64_t	 mismatched, aborted, expired;
	uint64_t	 named, updated, withdrawn, forgotten;
	uint64_t	 fetches, fetched, refused;	/* fetched: octets */
	uint64_t	 tempfailed, overquota;
	uint64_t	 scrubbed, damaged, quarantined;
	uint64_t	 orphans, looked;	/* looked: rounds for orphans */
};

struct attach {
	struct proc		*p;
	struct useridx		 users;		/* of p->conf */
	struct adb		 db;
	struct group		*group;
	TAILQ_HEAD(, op)	 ops;
	TAILQ_HEAD(hashes, hash) hashes;	/* the latest used first */
	size_t			 nhashes;
	struct event		*hash_ev;
	TAILQ_HEAD(, fetch)	 fetches;
	size_t			 nfetches;
	uint64_t		 holding;	/* octets in descriptors not sent */
	struct event		*fetch_ev;
	struct event		*tick;		/* each second */
	int64_t			 space;		/* free octets at the last tick */
	struct sweep		 sw_upload, sw_attach, sw_named;
	struct scrub		 scrub;
	struct orphan		 orphan;
	uint8_t			*buf;		/* ATTACH_BUF octets, for anybody's turn */
	struct attach_stats	 st;
};

/* op.c */
struct op	*op_new(struct attach *, struct chan *, uint64_t reqid,
		    uint32_t type, uint32_t refuse_type,
		    void (*refuse)(struct wbuf *, uint32_t, const char *));
/* The answer becomes a refusal; also the event's, if there is one. */
void		 op_refuse(struct op *, uint32_t code, const char *);
/* The same where a limit is what struck: the sentence names it. */
void		 op_limit(struct op *, uint32_t code, const char *, enum limit);
/* A descriptor goes with the answer (-1: none), and so many octets in it. */
void		 op_hold(struct op *, int fd, uint64_t octets);
void		 op_event(struct op *, const char *ev, const char *user);
/* Which attachment the event is of: its to=. */
void		 op_about(struct op *, const uint8_t[ATTACH_ID]);
void		 op_gone(struct op *, const uint8_t[ATTACH_DIGEST]);
void		 op_part(struct op *, const uint8_t[ATTACH_ID]);
/* Answers and logs after the commit, synced or not.  Takes the op. */
void		 op_commit(struct op *, int sync);
/* Answers at once: nothing was written.  Takes the op. */
void		 op_answer_now(struct op *);
/* A write failed: the transaction is lost, errno says why.  Takes the op. */
void		 op_write_failed(struct op *);
/* ret of a handler's inner part: op_commit() or op_write_failed(). */
void		 op_end(struct op *, int ret, int sync);
void		 op_peer_down(struct attach *, struct chan *);
/* The open transaction; NULL: the op was refused, and is to be answered. */
struct store_txn *op_txn(struct op *);
/* An address as it stands in records; 0: the op was refused. */
int		 op_address(struct op *, const char *, char[ADDR_MAX + 1]);
/* The same, and it is a user of ours. */
int		 op_owner(struct op *, const char *, char[ADDR_MAX + 1]);

/* upload.c */
int	 upload_begin_handle(struct attach *, struct chan *, struct imsg *);
int	 upload_piece_handle(struct attach *, struct chan *, struct imsg *);
int	 upload_state_handle(struct attach *, struct chan *, struct imsg *);
int	 upload_abort_handle(struct attach *, struct chan *, struct imsg *);
void	 upload_refuse(struct wbuf *, uint32_t, const char *);
void	 upload_reply(struct op *, const struct adb_upload *, uint32_t code,
	    const char *);
/*
 * The upload of that owner, as it stands on disk.  1: found, 0: the op was
 * refused, -1: the store failed.
 */
int	 upload_find(struct op *, struct store_txn *, const char *owner,
	    const uint8_t[ATTACH_ID], struct adb_upload *);
/* Its record, its part or content go; the op unlinks. */
int	 upload_remove(struct op *, struct store_txn *,
	    const struct adb_upload *);

/* hash.c */
/* These octets were written at that offset. */
void	 hash_feed(struct attach *, const uint8_t id[ATTACH_ID],
	    uint64_t offset, const void *, size_t);
/* So many are in the part now; what is not hashed yet will be. */
struct hash *hash_have(struct attach *, const uint8_t id[ATTACH_ID],
	    uint64_t octets);
/* Calls finish_hashed() when all of them are. */
void	 hash_finish(struct attach *, const uint8_t id[ATTACH_ID],
	    uint64_t octets, struct op *);
struct hash *hash_find(struct attach *, const uint8_t id[ATTACH_ID]);
int	 hash_is_busy(struct attach *, const uint8_t id[ATTACH_ID]);
void	 hash_drop(struct attach *, const uint8_t id[ATTACH_ID]);
void	 hash_clear(struct attach *);
void	 hash_turn(evutil_socket_t, short, void *);

/* finish.c */
int	 finish_handle(struct attach *, struct chan *, struct imsg *);
/* The digest of all of it, or NULL: its octets could not be read. */
void	 finish_hashed(struct op *, const uint8_t *digest);
/*
 * An upload that was being placed: what became of it.  0; 1: the files cannot
 * be looked at now, nothing was written; -1.
 */
int	 finish_settle(struct attach *, struct store_txn *,
	    struct adb_upload *);
int	 finish_settle_all(struct attach *);	/* at start; logs */

/* name.c */
int	 name_handle(struct attach *, struct chan *, struct imsg *);
int	 name_update(struct op *, struct store_txn *, const char *owner,
	    const struct attach_change *);
/* The info of an attachment; its strings stay the record's. */
int	 name_info(struct attach *, struct store_txn *,
	    const struct adb_attach *, struct attach_info *);

/* fetch.c */
int	 fetch_handle(struct attach *, struct chan *, struct imsg *);
void	 fetch_turn(evutil_socket_t, short, void *);
void	 fetch_peer_down(struct attach *, struct chan *);

/* show.c */
int	 list_handle(struct attach *, struct chan *, struct imsg *);
int	 show_handle(struct attach *, struct chan *, struct imsg *);

/* change.c */
int	 change_handle(struct attach *, struct chan *, struct imsg *);
/* The attachment of that owner: 1: found, 0: op refused, -1. */
int	 change_find(struct op *, struct store_txn *, const char *owner,
	    const uint8_t id[ATTACH_ID], struct adb_attach *);
/* May it be fetched at that time, by whoever may at all? */
int	 change_is_live(const struct adb_attach *, int64_t now);
/* Its contents go; the caller writes the record. */
int	 change_free(struct op *, struct store_txn *, struct adb_attach *);

/* sweep.c */
void	 sweep_tick(struct attach *);

/* scrub.c */
int	 scrub_init(struct attach *);	/* 0 or -1 */
void	 scrub_start(struct attach *);
void	 scrub_free(struct attach *);
/* A content is not what it should be: nobody gets it any more.  0 or -1. */
int	 scrub_damaged(struct attach *, struct store_txn *,
	    const uint8_t digest[ATTACH_DIGEST], const char *why);

#endif /* WSATTACH_H */
