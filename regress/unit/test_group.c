/* SPDX-License-Identifier: ISC */
/* lib/group.c: one transaction a turn, all answered after it or none. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "group.h"
#include "log.h"
#include "tap.h"
#include "testdir.h"

struct seen {
	struct group	*g;
	struct store_table *t;
	char		 order[64];	/* what was called, in order */
	int		 ret[8];
	int		 error;
	int		 again;		/* the callback begins another */
};

struct note {
	struct seen	*s;
	char		 c;
};

static void	 called(void *, int);
static int	 put(struct group *, struct store_table *, const char *);
static int	 has(struct store_table *, const char *);
static void	 test_turn(struct event_base *, struct seen *);
static void	 test_fail(struct event_base *, struct seen *);
static void	 test_again(struct event_base *, struct seen *);
static void	 test_flush(struct event_base *, struct seen *);
static void	 reset(struct seen *);

static void
reset(struct seen *s)
{
	s->order[0] = '\0';
	s->error = 0;
	s->again = 0;
}

static void
called(void *arg, int ret)
{
	struct note	*n = arg;
	size_t		 len = strlen(n->s->order);

	n->s->ret[len] = ret;
	n->s->order[len] = n->c;
	n->s->order[len + 1] = '\0';
	if (ret == -1)
		n->s->error = errno;
	if (n->s->again) {
		n->s->again = 0;
		is_int(put(n->s->g, n->s->t, "again"), 0,
		    "a callback writes");
		is_int(group_add(n->s->g, 1, called, n), 0, "and adds");
	}
}

static int
put(struct group *g, struct store_table *t, const char *key)
{
	struct store_txn	*txn;

	if ((txn = group_txn(g)) == NULL)
		return -1;
	return store_put(t, txn, key, strlen(key), "x", 1);
}

static int
has(struct store_table *t, const char *key)
{
	return store_get(t, NULL, key, strlen(key), NULL) == 0;
}

static void
test_turn(struct event_base *base, struct seen *s)
{
	struct note	 a = { s, 'a' }, b = { s, 'b' }, c = { s, 'c' };
	struct store_txn *txn;
	uint64_t	 commits, items;

	reset(s);
	ok(group_is_idle(s->g), "idle");
	is_int(put(s->g, s->t, "one"), 0, "write");
	ok(!group_is_idle(s->g), "not idle");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	txn = group_txn(s->g);
	is_int(put(s->g, s->t, "two"), 0, "write");
	ok(group_txn(s->g) == txn, "one transaction");
	is_int(group_add(s->g, 0, called, &b), 0, "add");
	is_int(group_add(s->g, 1, called, &c), 0, "add");
	is_str(s->order, "", "nobody is told before the commit");
	is_int(event_base_loop(base, EVLOOP_ONCE), 0, "the turn ends");
	is_str(s->order, "abc", "all are told, in order");
	ok(s->ret[0] == 0 && s->ret[1] == 0 && s->ret[2] == 0, "of success");
	ok(group_is_idle(s->g), "idle again");
	ok(has(s->t, "one") && has(s->t, "two"), "written");
	group_counts(s->g, &commits, &items);
	is_int(commits, 1, "one commit");
	is_int(items, 3, "for three");
}

static void
test_fail(struct event_base *base, struct seen *s)
{
	struct note	a = { s, 'a' }, b = { s, 'b' };

	reset(s);
	is_int(put(s->g, s->t, "three"), 0, "write");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	group_fail(s->g, ENOSPC);
	is_int(put(s->g, s->t, "four"), 0, "write after a failure");
	is_int(group_add(s->g, 1, called, &b), 0, "add");
	is_int(event_base_loop(base, EVLOOP_ONCE), 0, "the turn ends");
	is_str(s->order, "ab", "both are told");
	ok(s->ret[0] == -1 && s->ret[1] == -1, "of the failure");
	is_int(s->error, ENOSPC, "and why");
	ok(!has(s->t, "three") && !has(s->t, "four"), "nothing is kept");
	reset(s);
	is_int(put(s->g, s->t, "three"), 0, "the next one");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	is_int(event_base_loop(base, EVLOOP_ONCE), 0, "the turn ends");
	is_int(s->ret[0], 0, "succeeds");
	ok(has(s->t, "three"), "and is kept");
}

static void
test_again(struct event_base *base, struct seen *s)
{
	struct note	a = { s, 'a' }, b = { s, 'b' };

	reset(s);
	s->again = 1;
	is_int(put(s->g, s->t, "five"), 0, "write");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	is_int(group_add(s->g, 1, called, &b), 0, "add");
	is_int(event_base_loop(base, EVLOOP_ONCE), 0, "the turn ends");
	is_str(s->order, "ab", "the new one waits for its own commit");
	is_int(event_base_loop(base, EVLOOP_ONCE), 0, "the next turn ends");
	is_str(s->order, "aba", "there it is");
	ok(has(s->t, "again"), "and written");
}

static void
test_flush(struct event_base *base, struct seen *s)
{
	struct note	a = { s, 'a' };

	reset(s);
	s->again = 1;
	is_int(put(s->g, s->t, "six"), 0, "write");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	group_flush(s->g);
	is_str(s->order, "aa", "flush: also what the callback wrote");
	ok(group_is_idle(s->g), "idle");
	is_int(event_base_loop(base, EVLOOP_NONBLOCK), 1, "no timer is left");
	reset(s);
	is_int(put(s->g, s->t, "seven"), 0, "write");
	is_int(group_add(s->g, 1, called, &a), 0, "add");
	group_free(s->g);
	is_str(s->order, "a", "free: committed and told");
	ok(has(s->t, "seven"), "written");
}

int
main(void)
{
	char			 dir[] = "/tmp/test_group.XXXXXX";
	struct event_base	*base;
	struct store		*st;
	struct seen		 s;

	log_init("test_group", 1, 0);
	testdir_enter(dir);
	memset(&s, 0, sizeof(s));
	if ((base = event_base_new()) == NULL ||
	    (st = store_open(".", 1 << 20, 1)) == NULL ||
	    (s.t = store_table(st, "t")) == NULL ||
	    (s.g = group_new(base, st)) == NULL)
		fatal("set-up");
	test_turn(base, &s);
	test_fail(base, &s);
	test_again(base, &s);
	test_flush(base, &s);
	store_close(st);
	event_base_free(base);
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
