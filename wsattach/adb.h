/* SPDX-License-Identifier: ISC */
/*
 * The attachments' tables and records (wsemail-store(5)).  Every record
 * begins with its version; one that does not read is EILSEQ, and the caller
 * puts it into quarantine.  Functions return 0, or -1 and errno, if nothing
 * else is said; ENOENT is "no such record".
 */
#ifndef ADB_H
#define ADB_H

#include "msg_attach.h"
#include "store_rec.h"

#define ADB_FORMAT	1		/* of the environment */
#define ADB_CACHE	(32U << 20)
#define ADB_KEY_MAX	512		/* of all tables */
#define ADB_NAMED_KEY	(ATTACH_DIGEST + ATTACH_ID)
#define ADB_VERSION_KEY	(ATTACH_ID + 4)
#define ADB_FETCH_KEY	(ATTACH_ID + 8)

struct adb {
	struct store		*store;
	struct store_table	*content;	/* digest -> file */
	struct store_table	*upload;	/* id -> what is under way */
	struct store_table	*attach;	/* id -> attachment */
	struct store_table	*own;		/* owner, created, id */
	struct store_table	*version;	/* id, number -> content */
	struct store_table	*rcpt;		/* id, address -> recipient */
	struct store_table	*fetch;		/* id, seq -> log of fetches */
	struct store_table	*named;		/* message, upload -> attachment */
	struct store_table	*usage;		/* owner or domain -> octets */
	struct store_table	*quarantine;	/* table, key -> reason, record */
};

struct adb_content {			/* a file, stored once */
	uint64_t	 size;
	uint32_t	 refs;		/* versions and finished uploads */
	int64_t		 verified;	/* ms: its octets were read and right */
	uint8_t		 bad;		/* they were not: nobody gets them */
};

#define UP_RECEIVING	1
#define UP_PLACING	2	/* checked; its file is on its way to its name */
#define UP_COMPLETE	3	/* has a reference on its content */
struct adb_upload {
	uint8_t		 id[ATTACH_ID];
	char		*owner;
	char		*name, *type, *description;
	uint64_t	 size;
	uint64_t	 octets;	/* received */
	uint8_t		 state;
	uint8_t		 has_digest;	/* declared, or found when finished */
	uint8_t		 digest[ATTACH_DIGEST];
	int64_t		 created, active;	/* ms */
};

struct adb_attach {
	uint8_t		 id[ATTACH_ID];
	char		*owner;
	char		*name, *type, *description;
	char		*msgid;
	int64_t		 created;
	int64_t		 expiry;	/* 0: none */
	int64_t		 withdrawn;	/* 0: no */
	int64_t		 freed;		/* its contents are gone since; 0: no */
	uint32_t	 newest;	/* version */
	uint32_t	 nrcpt;
	uint64_t	 fetches;
	uint64_t	 logged;	/* number of the last in the log */
};

struct adb_version {
	uint8_t		 digest[ATTACH_DIGEST];
	uint64_t	 size;
	int64_t		 time;
};

struct adb_rcpt {
	int64_t		 added;
	uint64_t	 fetches;
	int64_t		 last;		/* 0: never */
	uint32_t	 version;	/* that was fetched last */
};

struct adb_usage {
	uint64_t	 octets;	/* of all versions, each counted */
	uint64_t	 uploading;	/* declared by uploads */
	uint32_t	 uploads;
};

/* adb.c */
int	 adb_open(struct adb *);	/* in the current directory; logs */
void	 adb_close(struct adb *);
/* Moves one record of a table to quarantine, and logs. */
int	 adb_quarantine(struct adb *, struct store_txn *,
	    struct store_table *, const char *table, const void *key, size_t,
	    const char *reason);

int	 adb_content_read(const struct store_val *, struct adb_content *);
int	 adb_content_get(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_DIGEST], struct adb_content *);
int	 adb_content_put(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_DIGEST], const struct adb_content *);
/* One reference less.  *gone: it was the last, the file may go. */
int	 adb_content_drop(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_DIGEST], int *gone);

int	 adb_usage_get(struct adb *, struct store_txn *, const char *,
	    struct adb_usage *);
/* Of the owner and of its domain; never below 0. */
int	 adb_usage_add(struct adb *, struct store_txn *, const char *owner,
	    int64_t octets, int64_t uploading, int uploads);

/* adb_upload.c */
int	 adb_upload_read(const struct store_val *key, const struct store_val *,
	    struct adb_upload *);
int	 adb_upload_get(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], struct adb_upload *);
int	 adb_upload_put(struct adb *, struct store_txn *,
	    const struct adb_upload *);
int	 adb_upload_del(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID]);
void	 adb_upload_free(struct adb_upload *);
/* The same upload for the same message (or attachment) was taken before. */
int	 adb_named_key(uint8_t[ADB_NAMED_KEY], const char *owner,
	    const char *what, const uint8_t upload[ATTACH_ID]);
int	 adb_named_get(struct adb *, struct store_txn *,
	    const uint8_t[ADB_NAMED_KEY], uint8_t id[ATTACH_ID],
	    uint32_t *version);
int	 adb_named_put(struct adb *, struct store_txn *,
	    const uint8_t[ADB_NAMED_KEY], const uint8_t id[ATTACH_ID],
	    uint32_t version, int64_t until);
int	 adb_named_until(const struct store_val *, int64_t *);

/* adb_attach.c */
int	 adb_attach_read(const struct store_val *key, const struct store_val *,
	    struct adb_attach *);
int	 adb_attach_get(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], struct adb_attach *);
int	 adb_attach_put(struct adb *, struct store_txn *,
	    const struct adb_attach *);
void	 adb_attach_free(struct adb_attach *);
/* With its place in the owner's list. */
int	 adb_attach_add(struct adb *, struct store_txn *,
	    const struct adb_attach *);
int	 adb_attach_del(struct adb *, struct store_txn *,
	    const struct adb_attach *);
size_t	 adb_own_key(uint8_t[ADB_KEY_MAX], const char *owner, int64_t created,
	    const uint8_t id[ATTACH_ID]);
/* Is this key of that owner's list?  1 and id, or 0. */
int	 adb_own_key_read(const struct store_val *, const char *owner,
	    uint8_t id[ATTACH_ID]);

void	 adb_version_key(uint8_t[ADB_VERSION_KEY], const uint8_t[ATTACH_ID],
	    uint32_t number);
int	 adb_version_read(const struct store_val *, struct adb_version *);
int	 adb_version_get(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], uint32_t number, struct adb_version *);
int	 adb_version_put(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], uint32_t number,
	    const struct adb_version *);

size_t	 adb_rcpt_key(uint8_t[ADB_KEY_MAX], const uint8_t[ATTACH_ID],
	    const char *addr);
int	 adb_rcpt_read(const struct store_val *, struct adb_rcpt *);
int	 adb_rcpt_get(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], const char *addr, struct adb_rcpt *);
int	 adb_rcpt_put(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], const char *addr,
	    const struct adb_rcpt *);
int	 adb_rcpt_del(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], const char *addr);

void	 adb_fetch_key(uint8_t[ADB_FETCH_KEY], const uint8_t[ATTACH_ID],
	    uint64_t seq);
int	 adb_fetch_read(const struct store_val *, char **addr,
	    uint32_t *version, int64_t *time);
int	 adb_fetch_put(struct adb *, struct store_txn *,
	    const uint8_t[ATTACH_ID], uint64_t seq, const char *addr,
	    uint32_t version, int64_t time);
/*
 * Removes up to max records of a table whose keys begin with this id: 1:
 * there may be more, 0: none is left, -1.
 */
int	 adb_purge(struct store_table *, struct store_txn *,
	    const uint8_t[ATTACH_ID], size_t max);

/* For the codecs. */
void	 adb_be32(uint8_t *, uint32_t);
void	 adb_be64(uint8_t *, uint64_t);

#endif /* ADB_H */
