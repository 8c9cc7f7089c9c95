/* SPDX-License-Identifier: ISC */
/*
 * What all stores have in common above store.h: tables opened together,
 * records that begin with their version, and the quarantine.
 */
#ifndef STORE_REC_H
#define STORE_REC_H

#include "store.h"
#include "wire.h"

#define STORE_RECORD	1	/* version of each record there is */

struct store_named {
	struct store_table	**table;
	const char		*name;
};
/*
 * The store in the current directory and n tables of it; `what` it holds is
 * for the log.  NULL after an error was logged.
 */
struct store	*store_open_tables(const char *what, size_t cache,
		    uint32_t format, const struct store_named *, size_t n);

/* Begins to read a record, and ends it; -1 and EILSEQ: it does not read. */
int		 store_record(struct rbuf *, const struct store_val *);
int		 store_record_end(struct rbuf *);
/* Writes and frees the buffer.  0, or -1 and errno. */
int		 store_put_wbuf(struct store_table *, struct store_txn *,
		    const void *key, size_t, struct wbuf *);
/*
 * Moves a record of a table, whose name it is told, to the table of those
 * that are set aside: with the time, the reason, and what can be read of it.
 */
int		 store_quarantine(struct store_table *quarantine,
		    struct store_txn *, struct store_table *, const char *table,
		    const void *key, size_t, const char *reason);

#endif /* STORE_REC_H */
