/* SPDX-License-Identifier: ISC */
/*
 * The store: named ordered tables of octet keys and values in one
 * environment, transactions over all of them.  One process opens one
 * environment.  Nothing of the library below shows here; store_bdb.c is the
 * embedded back end (Berkeley DB, private environment, recovery at open).
 *
 * Keys sort as octet strings (memcmp).  Values and keys handed out by get and
 * cursor calls are valid until the next call with the same handle.
 * Functions return 0, or -1 and errno; ENOENT is "no such key" and ordinary.
 * EILSEQ: the record or page does not read (quarantine it; store_get() hands
 * out what is there all the same, a cursor hands out such a record with an
 * empty value, which no codec takes); EIO and ENOSPC as from the system;
 * after EFAULT the environment is lost (also when a commit or a checkpoint
 * could not be synced): exit, recover.
 */
#ifndef STORE_H
#define STORE_H

struct store;
struct store_table;
struct store_txn;
struct store_cursor;

struct store_val {
	const void	*p;
	size_t		 len;
};

/*
 * Opens (and creates, mode 0700) the environment in directory dir, running
 * recovery always.  The format version is checked first: an environment of
 * another version is refused with EPROTONOSUPPORT.
 * cache: octets.
 */
struct store	*store_open(const char *dir, size_t cache, uint32_t version);
void		 store_close(struct store *);		/* checkpoints */
struct store_table *store_table(struct store *, const char *name);

/* One transaction at a time is the rule in our processes (group commit). */
struct store_txn *store_begin(struct store *);
int		 store_commit(struct store_txn *, int sync);	/* sync 0: survives a crash of the process, not of the machine */
void		 store_abort(struct store_txn *);

/* txn may be NULL for reads. */
int		 store_get(struct store_table *, struct store_txn *,
		    const void *key, size_t klen, struct store_val *);
int		 store_put(struct store_table *, struct store_txn *,
		    const void *key, size_t klen, const void *val, size_t vlen);
int		 store_add(struct store_table *, struct store_txn *,	/* EEXIST */
		    const void *key, size_t klen, const void *val, size_t vlen);
int		 store_del(struct store_table *, struct store_txn *,
		    const void *key, size_t klen);

/* Cursors: seek to the first key >= (or the last key <=) the given one. */
struct store_cursor *store_cursor(struct store_table *, struct store_txn *);
int		 store_seek_ge(struct store_cursor *, const void *, size_t,
		    struct store_val *key, struct store_val *val);
int		 store_seek_le(struct store_cursor *, const void *, size_t,
		    struct store_val *key, struct store_val *val);
int		 store_next(struct store_cursor *, struct store_val *key,
		    struct store_val *val);
int		 store_prev(struct store_cursor *, struct store_val *key,
		    struct store_val *val);
void		 store_cursor_close(struct store_cursor *);

/* Call now and then (each some 16 MB of log): checkpoint, drop old logs. */
int		 store_maintain(struct store *, int force);
/* Octets free for the store's file system. */
int64_t		 store_free_space(struct store *);
const char	*store_errstr(struct store *);	/* what the back end said last */

#endif /* STORE_H */
