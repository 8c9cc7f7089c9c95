/* SPDX-License-Identifier: ISC */
/*
 * What is done each second: free space is looked at, the log of the store is
 * checkpointed when it has grown, and records whose time is over are removed
 * from seen and replay.
 *
 * These two are walked round in key order, a slice a second.  A slice grows
 * with what was added since the last one, so a round takes a bounded part of
 * the time in which the table fills, however fast that is.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wslocal.h"
#include "wstime.h"

#define SWEEP_SLICE	1000	/* records a second and table, at least */
#define SWEEP_FACTOR	4	/* and so many for each that was added */
#define SWEEP_KEYS	2000	/* removed in one slice at most */

struct sweep_found {
	uint8_t	key[64];
	size_t	len;
};

static void	 sweep_table(struct local *, struct sweep *,
		    struct store_table *, int);
static size_t	 sweep_find(struct sweep *, struct store_table *,
		    struct sweep_found *, int64_t *);
static int	 sweep_delete(struct local *, struct store_table *,
		    const struct sweep_found *, size_t, int64_t, int);

void
sweep_tick(struct local *l)
{
	l->space = store_free_space(l->db.store);
	sweep_table(l, &l->seen, l->db.seen, 0);
	sweep_table(l, &l->replay, l->db.replay, 1);
	if (store_maintain(l->db.store, 0) == -1) {
		if (errno == EFAULT)
			fatalx("local: the store is lost (%s), a new start "
			    "recovers it", store_errstr(l->db.store));
		log_warn("local: checkpoint: %s", store_errstr(l->db.store));
	}
}

/* Walks one slice.  The number of keys found; *last: the latest time. */
static size_t
sweep_find(struct sweep *s, struct store_table *t,
    struct sweep_found *found, int64_t *last)
{
	struct store_cursor	*c;
	struct store_val	 k, v;
	uint64_t		 looked = 0, slice;
	int64_t			 until, now = wstime_now();
	size_t			 n = 0;
	int			 ret;

	*last = 0;
	slice = SWEEP_SLICE + s->added * SWEEP_FACTOR;
	s->added = 0;
	if ((c = store_cursor(t, NULL)) == NULL) {
		log_warn("local: sweep");
		return 0;
	}
	ret = store_seek_ge(c, s->key, s->len, &k, &v);
	for (; ret == 0 && looked < slice && n < SWEEP_KEYS;
	    ret = store_next(c, &k, &v), looked++) {
		if (mdb_is_low_key(&k) || k.len > sizeof(found->key))
			continue;
		/* What does not read stays: it still says "was here". */
		if (mdb_until_read(&v, &until) == -1 || until >= now)
			continue;
		memcpy(found[n].key, k.p, k.len);
		found[n++].len = k.len;
		if (until > *last)
			*last = until;
	}
	s->len = 0;
	if (ret == 0 && k.len <= sizeof(s->key)) {
		memcpy(s->key, k.p, k.len);
		s->len = k.len;
	} else if (ret == -1 && errno != ENOENT)
		log_warn("local: sweep");
	store_cursor_close(c);
	return n;
}

static int
sweep_delete(struct local *l, struct store_table *t,
    const struct sweep_found *found, size_t n, int64_t last, int is_replay)
{
	struct store_txn	*txn;
	size_t			 i;

	if ((txn = group_txn(l->group)) == NULL)
		return -1;
	if (is_replay && mdb_low_put(&l->db, txn, last) == -1) {
		group_fail(l->group, errno);
		return -1;
	}
	for (i = 0; i < n; i++)
		if (store_del(t, txn, found[i].key, found[i].len) == -1 &&
		    errno != ENOENT) {
			group_fail(l->group, errno);
			return -1;
		}
	l->st.swept += n;
	return 0;
}

static void
sweep_table(struct local *l, struct sweep *s, struct store_table *t,
    int is_replay)
{
	struct sweep_found	*found;
	int64_t			 last;
	size_t			 n;

	if ((found = calloc(SWEEP_KEYS, sizeof(*found))) == NULL)
		fatal("local");
	n = sweep_find(s, t, found, &last);
	if (n > 0 && sweep_delete(l, t, found, n, last, is_replay) == -1)
		log_warn("local: sweep: %s", store_errstr(l->db.store));
	free(found);
}
