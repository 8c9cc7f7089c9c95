/* SPDX-License-Identifier: ISC */
/* wsqueue/schedule.c: order, turns, limits, pauses, and its accounts. */
#include "compat.h"

#include <stdio.h>

#include "schedule.h"
#include "tap.h"

static struct sched_item *add(struct sched *, uint64_t, const char *,
		    enum sched_class, int64_t);
static uint64_t	 next(struct sched *, enum sched_class, int64_t,
		    struct sched_item **);
static void	 test_order(void);
static void	 test_turns(void);
static void	 test_limits(void);
static void	 test_pause(void);
static void	 test_parts(void);
static void	 test_class(void);
static void	 test_silent(void);
static void	 test_health(void);
static void	 test_known(void);
static void	 test_octets(void);
static void	 test_random(void);

static struct sched_item *
add(struct sched *s, uint64_t qid, const char *domain, enum sched_class class,
    int64_t when)
{
	struct sched_msg	*m;
	uint32_t		 rno = 0;

	m = sched_msg_add(s, qid, 0, 100, 0);
	return sched_item_add(s, m, sched_dest_get(s, domain, class), &rno, 1,
	    when, 0);
}

static uint64_t
next(struct sched *s, enum sched_class class, int64_t now,
    struct sched_item **itp)
{
	struct sched_item	*it = sched_next(s, class, now);

	if (itp != NULL)
		*itp = it;
	return it == NULL ? 0 : it->msg->qid;
}

static void
test_order(void)
{
	struct sched		 s;
	struct sched_item	*it;

	sched_init(&s);
	is_int(sched_wake(&s, SCHED_RELAY), -1, "nothing to wait for");
	add(&s, 1, "a", SCHED_RELAY, 300);
	add(&s, 2, "a", SCHED_RELAY, 100);
	add(&s, 3, "a", SCHED_RELAY, 200);
	is_int(sched_wake(&s, SCHED_RELAY), 100, "the earliest wakes");
	is_int(sched_wake(&s, SCHED_LOCAL), -1, "the other class does not");
	is_int((int64_t)next(&s, SCHED_RELAY, 99, NULL), 0, "not before");
	is_int((int64_t)next(&s, SCHED_RELAY, 250, &it), 2, "by time");
	is_int((int64_t)next(&s, SCHED_RELAY, 250, NULL), 3, "then");
	is_int((int64_t)next(&s, SCHED_RELAY, 250, NULL), 0, "no more yet");
	is_int(sched_wake(&s, SCHED_RELAY), 300, "the last");
	sched_item_wait(&s, it, 260, 1);
	is_int(sched_wake(&s, SCHED_RELAY), 260, "one waits again");
	is_int((int64_t)next(&s, SCHED_RELAY, 400, &it), 2, "its turn");
	is_int(it->attempts, 1, "with its attempts");
	is_int((int64_t)next(&s, SCHED_RELAY, 400, NULL), 1, "last");
	is_int((int64_t)s.inflight[SCHED_RELAY], 3, "under way");
	ok(sched_msg_add(&s, 1, 0, 1, 0) == NULL, "an id once");
	sched_msg_remove(&s, sched_msg_find(&s, 2));
	is_int((int64_t)s.inflight[SCHED_RELAY], 2, "removed under way");
	is_int((int64_t)s.nmsgs, 2, "two left");
	sched_clear(&s);
	ok(s.nmsgs == 0 && s.nenvs == 0 && s.bytes == 0, "empty");
}

/* A destination with much does not hold up another. */
static void
test_turns(void)
{
	struct sched	s;
	uint64_t	i;
	int		at = 0;

	sched_init(&s);
	for (i = 1; i <= 1000; i++)
		add(&s, i, "big", SCHED_RELAY, 0);
	add(&s, 2000, "small", SCHED_RELAY, 10);
	for (i = 1; i <= 5; i++)
		if (next(&s, SCHED_RELAY, 10, NULL) == 2000)
			at = (int)i;
	ok(at > 0 && at <= 2, "the small one has its turn");
	sched_clear(&s);
}

static void
test_limits(void)
{
	struct sched		 s;
	struct sched_item	*it, *it2;
	uint64_t		 i;

	sched_init(&s);
	sched_dest_limit(&s, 2);
	s.limit[SCHED_RELAY] = 3;
	for (i = 1; i <= 5; i++)
		add(&s, i, "a", SCHED_RELAY, 0);
	for (i = 11; i <= 15; i++)
		add(&s, i, "b", SCHED_RELAY, 0);
	sched_dest_health(&s, sched_dest_find(&s, "a"), 1);
	sched_dest_health(&s, sched_dest_find(&s, "b"), 1);
	for (i = 21; i <= 25; i++)
		add(&s, i, "here", SCHED_LOCAL, 0);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, &it), 1, "one of a");
	is_int((int64_t)next(&s, SCHED_RELAY, 1, &it2), 2, "a again");
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 11, "one of b");
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "three in all");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "full: nothing wakes");
	is_int((int64_t)next(&s, SCHED_LOCAL, 1, NULL), 21, "not local mail");
	s.limit[SCHED_RELAY] = 10;
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 12, "b has room");
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "two each");
	sched_item_remove(&s, it);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 3, "room again");
	sched_dest_limit(&s, 3);
	ok(next(&s, SCHED_RELAY, 1, NULL) != 0 &&
	    next(&s, SCHED_RELAY, 1, NULL) != 0, "a larger limit, at once");
	sched_item_wait(&s, it2, 0, 1);
	ok(next(&s, SCHED_RELAY, 1, NULL) != 0, "back to waiting makes room");
	sched_clear(&s);
}

static void
test_pause(void)
{
	struct sched		 s;
	struct sched_dest	*d;

	sched_init(&s);
	add(&s, 1, "a", SCHED_RELAY, 0);
	add(&s, 2, "b", SCHED_RELAY, 0);
	d = sched_dest_find(&s, "a");
	sched_dest_pause(&s, d, 1);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 2, "b goes");
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "a is paused");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "and wakes nobody");
	sched_dest_pause(&s, d, 0);
	s.paused[SCHED_RELAY] = 1;
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "all relay paused");
	s.paused[SCHED_RELAY] = 0;
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 1, "resumed");
	sched_clear(&s);
}

/* An item loses recipients, waiting and under way. */
static void
test_parts(void)
{
	static const uint32_t	 rno[] = { 0, 1, 2, 3 };
	struct sched		 s;
	struct sched_msg	*m;
	struct sched_item	*it;

	sched_init(&s);
	m = sched_msg_add(&s, 1, 0, 10, 0);
	it = sched_item_add(&s, m, sched_dest_get(&s, "a", SCHED_RELAY), rno,
	    nitems(rno), 0, 0);
	is_int((int64_t)s.nenvs, 4, "four");
	is_int(sched_item_drop(&s, it, 0), 0, "the first goes, waiting");
	is_int(sched_item_drop(&s, it, 9), 0, "one that is not there");
	ok(sched_item_find(m, 0) == NULL && sched_item_find(m, 3) == it,
	    "found by number");
	ok(sched_next(&s, SCHED_RELAY, 1) == it, "under way");
	is_int(sched_item_drop(&s, it, 2), 0, "another goes");
	is_int(it->nrno, 2, "two left");
	sched_item_wait(&s, it, 5, 1);
	is_int(sched_item_drop(&s, it, 1), 0, "one more");
	is_int(sched_item_drop(&s, it, 3), 1, "the last takes it along");
	ok(s.nenvs == 0 && s.inflight[SCHED_RELAY] == 0, "nothing is left");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "nothing to wait for");
	is_int(sched_failed_add(m, 7), 0, "failed");
	is_int(sched_failed_add(m, 7), 0, "once");
	is_int(m->nfailed, 1, "one");
	is_int(sched_failed_drop(m, 7), 1, "dropped");
	is_int(sched_failed_drop(m, 7), 0, "once");
	sched_clear(&s);
}

/* A reload: a domain that was remote is ours now. */
static void
test_class(void)
{
	struct sched		 s;
	struct sched_item	*it;

	sched_init(&s);
	add(&s, 1, "a", SCHED_RELAY, 0);
	add(&s, 2, "a", SCHED_RELAY, 0);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, &it), 1, "one under way");
	sched_dest_class(&s, sched_dest_find(&s, "a"), SCHED_LOCAL);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "no relay mail");
	is_int((int64_t)next(&s, SCHED_LOCAL, 1, NULL), 2, "local mail");
	ok(s.inflight[SCHED_LOCAL] == 2 && s.inflight[SCHED_RELAY] == 0,
	    "counted where it is");
	sched_item_remove(&s, it);
	is_int((int64_t)s.inflight[SCHED_LOCAL], 1, "and taken off there");
	sched_clear(&s);
}

/* Whoever mails to ever new domains does not fill our memory with them. */
static void
test_reap(void)
{
	struct sched		 s;
	struct sched_item	*it;

	sched_init(&s);
	add(&s, 1, "a", SCHED_RELAY, 0);
	add(&s, 2, "b", SCHED_RELAY, 0);
	sched_dest_pause(&s, sched_dest_get(&s, "c", SCHED_RELAY), 1);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, &it), 1, "under way");
	sched_reap(&s);
	ok(sched_dest_find(&s, "a") != NULL && sched_dest_find(&s, "b") !=
	    NULL && sched_dest_find(&s, "c") != NULL, "all are in use");
	sched_msg_remove(&s, it->msg);
	sched_reap(&s);
	ok(sched_dest_find(&s, "a") == NULL && sched_dest_find(&s, "b") !=
	    NULL, "one that has nothing is gone");
	sched_dest_pause(&s, sched_dest_find(&s, "c"), 0);
	add(&s, 3, "c", SCHED_RELAY, 5);
	sched_reap(&s);
	ok(sched_dest_find(&s, "c") != NULL, "one that has again is not");
	is_int((int64_t)next(&s, SCHED_RELAY, 9, NULL), 2, "next");
	is_int((int64_t)next(&s, SCHED_RELAY, 9, NULL), 3, "and next");
	sched_clear(&s);
}

/* The clock was set back by an hour. */
static void
test_shift(void)
{
	struct sched	 s;
	const int64_t	 hour = 3600000;

	sched_init(&s);
	add(&s, 1, "a", SCHED_RELAY, hour + 10);
	add(&s, 2, "a", SCHED_RELAY, hour + 20);
	add(&s, 3, "b", SCHED_LOCAL, hour + 15);
	is_int((int64_t)next(&s, SCHED_RELAY, 30, NULL), 0, "none is due");
	sched_shift(&s, -hour);
	is_int(sched_wake(&s, SCHED_RELAY), 10, "due as if it had not been");
	is_int((int64_t)next(&s, SCHED_RELAY, 10, NULL), 1, "the first");
	is_int((int64_t)next(&s, SCHED_RELAY, 10, NULL), 0, "not the second");
	is_int((int64_t)next(&s, SCHED_RELAY, 20, NULL), 2, "the second");
	is_int((int64_t)next(&s, SCHED_LOCAL, 15, NULL), 3, "the third");
	sched_clear(&s);
}

/* Many steps at random; what goes in comes out, the accounts are right. */
static void
test_random(void)
{
	struct sched		 s;
	struct sched_item	*it;
	char			 name[8];
	uint32_t		 seed = 12345;
	uint64_t		 qid = 0, done = 0;
	int64_t			 now = 0;
	int			 i, early = 0;

	sched_init(&s);
	sched_dest_limit(&s, 3);
	s.limit[SCHED_RELAY] = 10;
	for (i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		switch ((seed >> 16) % 4) {
		case 0:
			snprintf(name, sizeof(name), "d%u",
			    (seed >> 18) % 17);
			add(&s, ++qid, name, SCHED_RELAY,
			    now + (int64_t)((seed >> 20) % 50));
			break;
		case 1:
			now += 5;
			break;
		default:
			if ((it = sched_next(&s, SCHED_RELAY, now)) == NULL)
				break;
			if (it->next > now)
				early++;
			if ((seed >> 24) % 3 == 0)
				sched_item_wait(&s, it, now + 20,
				    it->attempts + 1);
			else {
				sched_msg_remove(&s, it->msg);
				done++;
			}
			break;
		}
	}
	is_int(early, 0, "none too early");
	ok(done > 1000, "many went");
	is_int((int64_t)(qid - done), (int64_t)s.nmsgs, "none is lost");
	now += 1000;
	while ((it = sched_next(&s, SCHED_RELAY, now)) != NULL)
		sched_msg_remove(&s, it->msg);
	ok(s.nmsgs == 0 && s.nenvs == 0 && s.bytes == 0 &&
	    s.inflight[SCHED_RELAY] == 0, "all come out in the end");
	sched_clear(&s);
}

/* Peers that never answer, and each with much mail, leave room for others. */
static void
test_silent(void)
{
	struct sched	 s;
	uint64_t	 i, got, qid = 0;
	char		 name[16];
	int		 n = 0, good = 0;

	sched_init(&s);
	sched_dest_limit(&s, 20);
	s.limit[SCHED_RELAY] = 1000;
	for (i = 0; i < 60 * 30; i++) {
		snprintf(name, sizeof(name), "silent%d", (int)(i % 60));
		add(&s, ++qid, name, SCHED_RELAY, 0);
	}
	while (next(&s, SCHED_RELAY, 1, NULL) != 0)
		n++;
	ok(n >= 60 && n <= 500, "silent peers have no more than a share");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "no more of these");
	add(&s, 9000, "good", SCHED_RELAY, 2);
	is_int(sched_wake(&s, SCHED_RELAY), 2, "another's wakes");
	while ((got = next(&s, SCHED_RELAY, 2, NULL)) != 0)
		good += got == 9000;
	is_int(good, 1, "and goes at once");
	sched_clear(&s);
}

/* Lanes one below the other: the more is known the less can hold it up. */
static void
test_health(void)
{
	struct sched		 s;
	struct sched_item	*it;
	uint64_t		 i, qid = 0;
	char			 name[16];
	int			 n;

	sched_init(&s);
	s.limit[SCHED_RELAY] = 80;
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "fails%d", (int)i);
		add(&s, ++qid, name, SCHED_RELAY, 0);
		sched_dest_health(&s, sched_dest_find(&s, name), 0);
	}
	for (n = 0; next(&s, SCHED_RELAY, 1, NULL) != 0; n++)
		;
	is_int(n, 40, "those that fail have a half");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "new%d", (int)i);
		add(&s, ++qid, name, SCHED_RELAY, 0);
	}
	for (n = 0; next(&s, SCHED_RELAY, 1, NULL) != 0; n++)
		;
	is_int(n, 20, "with new ones it is three quarters");
	for (i = 0; i < 100; i++)
		add(&s, ++qid, "busy", SCHED_RELAY, 0);
	sched_dest_health(&s, sched_dest_find(&s, "busy"), 1);
	for (n = 0; next(&s, SCHED_RELAY, 1, NULL) != 0; n++)
		;
	is_int(n, 10, "all but what is for known ones, seven eighths");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "known%d", (int)i);
		add(&s, ++qid, name, SCHED_RELAY, 0);
		sched_dest_health(&s, sched_dest_find(&s, name), 1);
	}
	for (n = 0; (it = sched_next(&s, SCHED_RELAY, 1)) != NULL; n++)
		ok(strncmp(it->dest->domain, "known", 5) == 0, "a known one");
	is_int(n, 10, "known ones have all");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "full");
	sched_clear(&s);
	is_int((int64_t)sched_octets(&s), 0, "nothing is under way");
}

/* That a peer takes mail is remembered while there is none, of some. */
static void
test_known(void)
{
	struct sched	 s;
	uint64_t	 i;
	char		 name[16];

	sched_init(&s);
	for (i = 1; i <= SCHED_KNOWN_MAX + 10; i++) {
		snprintf(name, sizeof(name), "d%d", (int)i);
		add(&s, i, name, SCHED_RELAY, 0);
		sched_dest_health(&s, sched_dest_find(&s, name), 1);
		sched_msg_remove(&s, sched_msg_find(&s, i));
		sched_reap(&s);
	}
	ok(sched_dest_find(&s, "d10") == NULL &&
	    sched_dest_find(&s, "d11") != NULL, "the last ones are known");
	is_int((int64_t)s.nknown, SCHED_KNOWN_MAX, "a bounded number");
	add(&s, 1, "d11", SCHED_RELAY, 0);
	is_int((int64_t)s.nknown, SCHED_KNOWN_MAX - 1, "one has mail");
	sched_dest_health(&s, sched_dest_find(&s, "d11"), 0);
	sched_msg_remove(&s, sched_msg_find(&s, 1));
	sched_reap(&s);
	ok(sched_dest_find(&s, "d11") == NULL, "one that fails is forgotten");
	sched_clear(&s);
}

/* The bound in octets; each message has 100. */
static void
test_octets(void)
{
	struct sched		 s;
	struct sched_item	*it, *big;
	uint32_t		 rno = 0;
	uint64_t		 i;
	int			 n;

	sched_init(&s);
	s.octets_limit = 1600;
	for (i = 1; i <= 100; i++)
		add(&s, i, "a", SCHED_RELAY, 0);
	for (n = 0; next(&s, SCHED_RELAY, 1, &it) != 0; n++)
		;
	is_int(n, 8, "half of it");
	is_int((int64_t)sched_octets(&s), n * 100, "octets under way");
	add(&s, 200, "b", SCHED_RELAY, 0);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, &it), 200, "another's goes");
	sched_dest_class(&s, it->dest, SCHED_LOCAL);
	is_int((int64_t)sched_octets(&s), n * 100, "local mail is not counted");
	sched_dest_class(&s, it->dest, SCHED_RELAY);
	is_int((int64_t)sched_octets(&s), n * 100 + 100, "again");
	sched_item_remove(&s, it);
	is_int((int64_t)sched_octets(&s), n * 100, "given back");
	big = sched_item_add(&s, sched_msg_add(&s, 300, 0, 5000, 0),
	    sched_dest_get(&s, "big", SCHED_RELAY), &rno, 1, 0, 0);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "too large now");
	is_int(sched_wake(&s, SCHED_RELAY), -1, "and wakes nobody");
	for (i = 1; i <= 100; i++)
		sched_msg_remove(&s, sched_msg_find(&s, i));
	ok(sched_next(&s, SCHED_RELAY, 1) == big, "alone it goes");
	add(&s, 400, "c", SCHED_RELAY, 0);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 0, "with no other");
	sched_item_remove(&s, big);
	is_int((int64_t)next(&s, SCHED_RELAY, 1, NULL), 400, "then others");
	sched_clear(&s);
}

int
main(void)
{
	test_order();
	test_turns();
	test_limits();
	test_pause();
	test_parts();
	test_class();
	test_reap();
	test_shift();
	test_silent();
	test_health();
	test_known();
	test_octets();
	test_random();
	return done_testing();
}
