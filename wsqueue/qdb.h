/* SPDX-License-Identifier: ISC */
/*
 * The queue's tables and records (wsemail-store(5)).  Every record begins
 * with its version; one that does not read is EILSEQ, and the caller puts it
 * into quarantine.
 */
#ifndef QDB_H
#define QDB_H

#include "msg_queue.h"
#include "store_rec.h"
#include "wire.h"

#define QDB_FORMAT	1		/* of the environment */
#define QDB_CACHE	(64U << 20)

struct qdb {
	struct store		*store;
	struct store_table	*msg;		/* qid -> facts */
	struct store_table	*body;		/* qid -> M, signature */
	struct store_table	*env;		/* qid, rno -> recipient */
	struct store_table	*dedup;		/* digest -> what was accepted */
	struct store_table	*replay;	/* key -> until */
	struct store_table	*pause;		/* name -> since */
	struct store_table	*quarantine;	/* table, key -> reason, record */
	int64_t			 low;		/* latest until swept from replay */
	uint64_t		 nreplay;	/* keys noted since the sweep looked */
	uint64_t		 ndedup;
};

#define QM_BOUNCE	0x1	/* composed by us about another message */
#define QM_SILENT	0x2	/* its sender wants no bounce (FLAG_DELETE_UNDELIVERABLE) */

struct qdb_msg {
	uint64_t		 qid;
	uint32_t		 flags;
	uint32_t		 origin;	/* SUBMIT_* */
	int64_t			 arrival;	/* ms */
	char			*principal;
	char			*peer;
	struct mail_facts	 facts;
	uint32_t		 body_len;
	uint32_t		 sig_len;
	uint32_t		 blob;		/* body and signature are in a file */
	uint8_t			 digest[32];	/* of that file */
};

#define QE_WAITING	1
#define QE_FAILED	2	/* for good; its bounce is not committed yet */

#define QEF_WARNED	0x1	/* the delay was reported */

struct qdb_env {
	uint64_t	 qid;
	uint32_t	 rno;
	uint32_t	 state;		/* QE_* */
	uint32_t	 flags;		/* QEF_* */
	uint32_t	 attempts;
	uint32_t	 code;		/* of the last failure, ST_* */
	int64_t		 next;		/* ms */
	int64_t		 last;		/* last attempt, 0: none yet */
	char		*addr;
	char		*orig;
	char		*reason;
	char		*host;
};

struct qdb_dedup {
	int64_t		 until;
	uint64_t	 qid;
	uint8_t		 digest[32];
};

int	 qdb_open(struct qdb *);		/* in the current directory */
void	 qdb_close(struct qdb *);

/* Keys. */
#define QDB_MSG_KEY	8
#define QDB_ENV_KEY	12
void	 qdb_msg_key(uint8_t[QDB_MSG_KEY], uint64_t);
void	 qdb_env_key(uint8_t[QDB_ENV_KEY], uint64_t, uint32_t);
int	 qdb_key_read(const struct store_val *, uint64_t *, uint32_t *);

/* Records as octets, for cursors.  0, or -1 and errno (EILSEQ). */
int	 qdb_msg_read(const struct store_val *, struct qdb_msg *);
void	 qdb_msg_free(struct qdb_msg *);
int	 qdb_env_read(const struct store_val *, struct qdb_env *);
void	 qdb_env_free(struct qdb_env *);

int	 qdb_msg_get(struct qdb *, struct store_txn *, uint64_t,
	    struct qdb_msg *);
/*
 * Writes the message with its body.  A body too large for a record is made
 * durable in a file first; *blob_made says so, for the clean-up of a
 * transaction that fails.
 */
int	 qdb_msg_put(struct qdb *, struct store_txn *, struct qdb_msg *,
	    const uint8_t *body, const uint8_t *sig, int *blob_made);
/* The file of a large body is the caller's to unlink, after the commit. */
int	 qdb_msg_del(struct qdb *, struct store_txn *, uint64_t);
/* Body and signature in one buffer, caller frees. */
uint8_t	*qdb_body_get(struct qdb *, struct store_txn *,
	    const struct qdb_msg *);

int	 qdb_env_get(struct qdb *, struct store_txn *, uint64_t, uint32_t,
	    struct qdb_env *);
int	 qdb_env_put(struct qdb *, struct store_txn *, const struct qdb_env *);
int	 qdb_env_del(struct qdb *, struct store_txn *, uint64_t, uint32_t);

/*
 * The keys of what was accepted: by a user (principal, MessageId), from a
 * peer (MessageId, recipient).
 */
int	 qdb_dedup_key(uint8_t[32], uint32_t origin, const char *who,
	    const char *msgid);
int	 qdb_dedup_get(struct qdb *, struct store_txn *, const uint8_t[32],
	    struct qdb_dedup *);
int	 qdb_dedup_put(struct qdb *, struct store_txn *, const uint8_t[32],
	    const struct qdb_dedup *);

/*
 * 1 seen before, or of a time for which that is forgotten (the clock was set
 * back after a sweep), 0 not, -1 and errno.
 */
int	 qdb_replay_seen(struct qdb *, struct store_txn *,
	    const struct replay *, int64_t now);
int	 qdb_replay_put(struct qdb *, struct store_txn *,
	    const struct replay *);

/* Raises the mark of what is forgotten, in the sweep's own transaction. */
int	 qdb_replay_low(struct qdb *, struct store_txn *, int64_t);

/* Reads `until` of a dedup or replay record, for the sweep. */
int	 qdb_until_read(const struct store_val *, int64_t *);

#endif /* QDB_H */
