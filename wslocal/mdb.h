/* SPDX-License-Identifier: ISC */
/*
 * The mailboxes' tables and records (wsemail-store(5)).  Every record begins
 * with its version; one that does not read is EILSEQ, and the caller puts it
 * into quarantine.  Functions return 0, or -1 and errno, if nothing else is
 * said; ENOENT is "no such record".
 */
#ifndef MDB_H
#define MDB_H

#include "msg_local.h"
#include "store_rec.h"
#include "wire.h"

#define MDB_FORMAT	1		/* of the environment */
#define MDB_CACHE	(64U << 20)
#define MDB_INBOX	0		/* the only folder so far */

#define MDB_HDR_KEY	10
#define MDB_CHG_KEY	12
#define MDB_BODY_KEY	32
#define MDB_SEEN_KEY	36

struct mdb {
	struct store		*store;
	struct store_table	*user;		/* name -> mailbox */
	struct store_table	*hdr;		/* uid, folder, id -> header */
	struct store_table	*chg;		/* uid, change -> kind, id */
	struct store_table	*body;		/* digest -> M, signature */
	struct store_table	*blob;		/* file -> digest of its record */
	struct store_table	*seen;		/* digest of msgid, uid -> id */
	struct store_table	*dom;		/* domain -> octets */
	struct store_table	*replay;	/* key -> until */
	struct store_table	*quarantine;	/* table, key -> reason, record */
	int64_t			 low;		/* replay keys up to here were swept */
};

struct mdb_user {
	uint32_t	 uid;		/* never reused, never 0 */
	uint32_t	 last_id;	/* of a message; only grows */
	uint64_t	 change;	/* of the mailbox; only grows */
	uint64_t	 floor;		/* changes up to this one were trimmed */
	uint32_t	 messages;
	uint64_t	 octets;
	int64_t		 received;	/* of the last message, ms */
};

struct mdb_hdr {
	struct mail_header h;
	uint32_t	 octets;	/* message and signature: the quota's */
	uint8_t		 body[MDB_BODY_KEY];
};

int	 mdb_open(struct mdb *);	/* in the current directory; logs */
void	 mdb_close(struct mdb *);

int	 mdb_user_get(struct mdb *, struct store_txn *, const char *name,
	    struct mdb_user *);
int	 mdb_user_put(struct mdb *, struct store_txn *, const char *name,
	    const struct mdb_user *);
/* A new mailbox, with the next uid; written by the caller's user_put. */
int	 mdb_user_make(struct mdb *, struct store_txn *, struct mdb_user *);

void	 mdb_hdr_key(uint8_t[MDB_HDR_KEY], uint32_t uid, uint32_t id);
/* Is this key of that mailbox's inbox?  1 and *id, or 0. */
int	 mdb_hdr_key_read(const struct store_val *, uint32_t uid,
	    uint32_t *id);
int	 mdb_hdr_read(const struct store_val *, struct mdb_hdr *);
int	 mdb_hdr_get(struct mdb *, struct store_txn *, uint32_t uid,
	    uint32_t id, struct mdb_hdr *);
int	 mdb_hdr_put(struct mdb *, struct store_txn *, uint32_t uid,
	    const struct mdb_hdr *);
int	 mdb_hdr_del(struct mdb *, struct store_txn *, uint32_t uid,
	    uint32_t id);
void	 mdb_hdr_free(struct mdb_hdr *);

#define MDB_NEW		1
#define MDB_DELETED	2
void	 mdb_chg_key(uint8_t[MDB_CHG_KEY], uint32_t uid, uint64_t change);
int	 mdb_chg_key_read(const struct store_val *, uint32_t uid,
	    uint64_t *change);
int	 mdb_chg_read(const struct store_val *, int *kind, uint32_t *id);
/* Counts a change and notes it; at most `keep` stay, older ones are trimmed. */
int	 mdb_chg_add(struct mdb *, struct store_txn *, struct mdb_user *,
	    int kind, uint32_t id, int64_t keep);

/*
 * Stores body and signature once whoever else has them; key is written.
 * *blob: the file that was made for it, which the caller unlinks when the
 * transaction fails, or 0.
 */
int	 mdb_body_store(struct mdb *, struct store_txn *, const uint8_t *body,
	    size_t, const uint8_t *sig, size_t, uint8_t key[MDB_BODY_KEY],
	    uint64_t *blob);
/* Body and signature in one buffer, caller frees. */
uint8_t	*mdb_body_load(struct mdb *, struct store_txn *,
	    const uint8_t key[MDB_BODY_KEY], size_t *body, size_t *sig);
/* One mailbox less has it.  *blob: the file to unlink after the commit, or 0. */
int	 mdb_body_drop(struct mdb *, struct store_txn *,
	    const uint8_t key[MDB_BODY_KEY], uint64_t *blob);
/* For blob_collect(); arg is the struct mdb. */
int	 mdb_blob_keep(uint64_t, void *);

/* Was it delivered to this mailbox before (and perhaps deleted since)? */
int	 mdb_seen_get(struct mdb *, struct store_txn *, const char *msgid,
	    uint32_t uid, uint32_t *id);
int	 mdb_seen_put(struct mdb *, struct store_txn *, const char *msgid,
	    uint32_t uid, uint32_t id, int64_t until);

int	 mdb_dom_get(struct mdb *, struct store_txn *, const char *,
	    uint64_t *octets);
/* Adds delta; never below 0. */
int	 mdb_dom_add(struct mdb *, struct store_txn *, const char *,
	    int64_t delta);

/* 1: seen before (or so old that nobody can tell), 0: new, and noted now. */
int	 mdb_replay(struct mdb *, struct store_txn *, const struct replay *);
/* seen and replay: when the record may go. */
int	 mdb_until_read(const struct store_val *, int64_t *);
/* Before replay keys that ended at or before `until` are removed. */
int	 mdb_low_put(struct mdb *, struct store_txn *, int64_t until);
int	 mdb_is_low_key(const struct store_val *);

/* Moves one record of a table to quarantine, and logs. */
int	 mdb_quarantine(struct mdb *, struct store_txn *,
	    struct store_table *, const char *table, const void *key, size_t,
	    const char *reason);

#endif /* MDB_H */
