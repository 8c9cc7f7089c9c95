/* SPDX-License-Identifier: ISC */
/*
 * The schedule (schedule.h).  Each destination is in one of three places: in
 * `when` (keyed by its earliest item) while that lies ahead, in `due` (a
 * queue: they take turns) once it has come, nowhere while it has nothing to
 * wait for, is paused, or has all it may have under way.  One that has nothing
 * at all is in `idle` until sched_reap() frees it, or in `known`, a bounded
 * number, if it takes mail.
 */
#include "compat.h"

#include <errno.h>

#include "schedule.h"

static int	 sched_item_cmp(struct sched_item *, struct sched_item *);
static int	 sched_msg_cmp(struct sched_msg *, struct sched_msg *);
static int	 sched_dest_cmp(struct sched_dest *, struct sched_dest *);
static int	 sched_when_cmp(struct sched_dest *, struct sched_dest *);
static enum sched_lane sched_dest_lane(const struct sched_dest *);
static int	 sched_has_room(const struct sched *, const struct sched_use *,
		    uint64_t, unsigned int);
static int	 sched_lane_open(struct sched *, enum sched_lane);
static struct sched_item *sched_lane_next(struct sched *, enum sched_lane,
		    int64_t);
static void	 sched_use_add(struct sched_use *, const struct sched_use *);
static void	 sched_use_sub(struct sched_use *, const struct sched_use *);
static void	 sched_dest_rest(struct sched *, struct sched_dest *);
static int	 sched_dest_has_room(struct sched *, struct sched_dest *);
static void	 sched_dest_unlink(struct sched *, struct sched_dest *);
static void	 sched_dest_place(struct sched *, struct sched_dest *);
static void	 sched_ripen(struct sched *, enum sched_class, int64_t);
static void	 sched_item_leave(struct sched *, struct sched_item *);

RB_PROTOTYPE(sched_items, sched_item, entry, sched_item_cmp)
RB_PROTOTYPE(sched_msgs, sched_msg, entry, sched_msg_cmp)
RB_PROTOTYPE(sched_dests, sched_dest, entry, sched_dest_cmp)
RB_PROTOTYPE(sched_when, sched_dest, wentry, sched_when_cmp)
RB_GENERATE(sched_items, sched_item, entry, sched_item_cmp)
RB_GENERATE(sched_msgs, sched_msg, entry, sched_msg_cmp)
RB_GENERATE(sched_dests, sched_dest, entry, sched_dest_cmp)
RB_GENERATE(sched_when, sched_dest, wentry, sched_when_cmp)

/* By time, then first come first served. */
static int
sched_item_cmp(struct sched_item *a, struct sched_item *b)
{
	if (a->next != b->next)
		return a->next < b->next ? -1 : 1;
	if (a->msg->qid != b->msg->qid)
		return a->msg->qid < b->msg->qid ? -1 : 1;
	if (a->rno[0] != b->rno[0])
		return a->rno[0] < b->rno[0] ? -1 : 1;
	return 0;
}

static int
sched_msg_cmp(struct sched_msg *a, struct sched_msg *b)
{
	if (a->qid != b->qid)
		return a->qid < b->qid ? -1 : 1;
	return 0;
}

static int
sched_dest_cmp(struct sched_dest *a, struct sched_dest *b)
{
	return strcmp(a->domain, b->domain);
}

static int
sched_when_cmp(struct sched_dest *a, struct sched_dest *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return strcmp(a->domain, b->domain);
}

void
sched_init(struct sched *s)
{
	int	i;

	memset(s, 0, sizeof(*s));
	RB_INIT(&s->msgs);
	RB_INIT(&s->dests);
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->known);
	for (i = 0; i < SCHED_NCLASS; i++)
		RB_INIT(&s->when[i]);
	for (i = 0; i < SL_MAX; i++)
		TAILQ_INIT(&s->due[i]);
}

void
sched_clear(struct sched *s)
{
	struct sched_msg	*m, *mnext;
	struct sched_dest	*d, *dnext;

	for (m = RB_MIN(sched_msgs, &s->msgs); m != NULL; m = mnext) {
		mnext = RB_NEXT(sched_msgs, &s->msgs, m);
		sched_msg_remove(s, m);
	}
	for (d = RB_MIN(sched_dests, &s->dests); d != NULL; d = dnext) {
		dnext = RB_NEXT(sched_dests, &s->dests, d);
		sched_dest_unlink(s, d);
		RB_REMOVE(sched_dests, &s->dests, d);
		free(d->domain);
		free(d);
	}
}

struct sched_msg *
sched_msg_add(struct sched *s, uint64_t qid, int64_t arrival, uint64_t size,
    uint32_t flags)
{
	struct sched_msg	*m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	m->qid = qid;
	m->arrival = arrival;
	m->size = size;
	m->flags = flags;
	LIST_INIT(&m->items);
	if (RB_INSERT(sched_msgs, &s->msgs, m) != NULL) {
		free(m);
		errno = EEXIST;
		return NULL;
	}
	s->nmsgs++;
	s->bytes += size;
	return m;
}

struct sched_msg *
sched_msg_find(struct sched *s, uint64_t qid)
{
	struct sched_msg	key;

	key.qid = qid;
	return RB_FIND(sched_msgs, &s->msgs, &key);
}

struct sched_msg *
sched_msg_next(struct sched *s, uint64_t after)
{
	struct sched_msg	key;

	if (after == UINT64_MAX)
		return NULL;
	key.qid = after + 1;
	return RB_NFIND(sched_msgs, &s->msgs, &key);
}

void
sched_msg_remove(struct sched *s, struct sched_msg *m)
{
	struct sched_item	*it, *next;

	for (it = LIST_FIRST(&m->items); it != NULL; it = next) {
		next = LIST_NEXT(it, mentry);
		sched_item_remove(s, it);
	}
	RB_REMOVE(sched_msgs, &s->msgs, m);
	s->nmsgs--;
	s->bytes -= m->size;
	free(m->failed);
	free(m);
}

struct sched_dest *
sched_dest_find(struct sched *s, const char *domain)
{
	struct sched_dest	key;

	key.domain = (char *)(uintptr_t)domain;
	return RB_FIND(sched_dests, &s->dests, &key);
}

struct sched_dest *
sched_dest_get(struct sched *s, const char *domain, enum sched_class class)
{
	struct sched_dest	*d;

	if ((d = sched_dest_find(s, domain)) != NULL)
		return d;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	if ((d->domain = strdup(domain)) == NULL) {
		free(d);
		return NULL;
	}
	d->class = class;
	RB_INIT(&d->waiting);
	RB_INSERT(sched_dests, &s->dests, d);
	return d;
}

/* The first after d, or of all when d is NULL. */
struct sched_dest *
sched_dest_next(struct sched *s, struct sched_dest *d)
{
	if (d == NULL)
		return RB_MIN(sched_dests, &s->dests);
	return RB_NEXT(sched_dests, &s->dests, d);
}

void
sched_dest_limit(struct sched *s, size_t limit)
{
	struct sched_dest	*d;

	s->dest_limit = limit;
	RB_FOREACH(d, sched_dests, &s->dests)
		sched_dest_place(s, d);
}

static int
sched_dest_has_room(struct sched *s, struct sched_dest *d)
{
	return d->class != SCHED_RELAY || s->dest_limit == 0 ||
	    d->inflight < s->dest_limit;
}

static void
sched_dest_unlink(struct sched *s, struct sched_dest *d)
{
	if (d->where == SD_WHEN)
		RB_REMOVE(sched_when, &s->when[d->class], d);
	else if (d->where == SD_DUE)
		TAILQ_REMOVE(&s->due[d->lane], d, dentry);
	else if (d->where == SD_IDLE)
		TAILQ_REMOVE(&s->idle, d, dentry);
	else if (d->where == SD_KNOWN) {
		TAILQ_REMOVE(&s->known, d, dentry);
		s->nknown--;
	}
	d->where = SD_OFF;
}

void
sched_reap(struct sched *s)
{
	struct sched_dest	*d;

	while ((d = TAILQ_FIRST(&s->idle)) != NULL) {
		sched_dest_unlink(s, d);
		RB_REMOVE(sched_dests, &s->dests, d);
		free(d->domain);
		free(d);
	}
}

void
sched_shift(struct sched *s, int64_t step)
{
	struct sched_dest	*d;
	struct sched_item	*it;

	/* All keys by the same: the order in each tree stays. */
	RB_FOREACH(d, sched_dests, &s->dests) {
		RB_FOREACH(it, sched_items, &d->waiting)
			it->next += step;
		if (d->where == SD_WHEN)
			d->first += step;
	}
}

/* Nothing is for it: whether it takes mail is still worth something. */
static void
sched_dest_rest(struct sched *s, struct sched_dest *d)
{
	if (d->class == SCHED_RELAY && d->health == SH_TAKES) {
		TAILQ_INSERT_TAIL(&s->known, d, dentry);
		d->where = SD_KNOWN;
		if (++s->nknown <= SCHED_KNOWN_MAX)
			return;
		d = TAILQ_FIRST(&s->known);
		sched_dest_unlink(s, d);
	}
	TAILQ_INSERT_TAIL(&s->idle, d, dentry);
	d->where = SD_IDLE;
}

static enum sched_lane
sched_dest_lane(const struct sched_dest *d)
{
	if (d->class != SCHED_RELAY)
		return SL_LOCAL;
	switch (d->health) {
	case SH_TAKES:
		return d->inflight == 0 ? SL_KNOWN : SL_MORE;
	case SH_NEW:
		return d->inflight == 0 ? SL_NEW : SL_REST;
	default:
		return SL_REST;
	}
}

/*
 * Puts a destination where it belongs after anything about it changed.  One
 * that is due keeps its place in the queue, unless that is another now.
 */
static void
sched_dest_place(struct sched *s, struct sched_dest *d)
{
	struct sched_item	*first;

	first = RB_MIN(sched_items, &d->waiting);
	if (first == NULL || d->paused || !sched_dest_has_room(s, d)) {
		sched_dest_unlink(s, d);
		if (first == NULL && !d->paused && d->inflight == 0 &&
		    d->nparked == 0)
			sched_dest_rest(s, d);
		return;
	}
	if (d->where == SD_DUE && d->lane != sched_dest_lane(d)) {
		TAILQ_REMOVE(&s->due[d->lane], d, dentry);
		d->lane = sched_dest_lane(d);
		TAILQ_INSERT_TAIL(&s->due[d->lane], d, dentry);
	}
	if (d->where == SD_DUE || (d->where == SD_WHEN &&
	    d->first == first->next))
		return;
	sched_dest_unlink(s, d);
	d->first = first->next;
	RB_INSERT(sched_when, &s->when[d->class], d);
	d->where = SD_WHEN;
}

void
sched_dest_class(struct sched *s, struct sched_dest *d, enum sched_class class)
{
	int	i;

	if (d->class == class)
		return;
	sched_dest_unlink(s, d);
	s->inflight[d->class] -= d->inflight;
	d->class = class;
	s->inflight[d->class] += d->inflight;
	for (i = 0; i < SL_MAX; i++)
		if (class == SCHED_RELAY)
			sched_use_add(&s->use[i], &d->use[i]);
		else
			sched_use_sub(&s->use[i], &d->use[i]);
	sched_dest_place(s, d);
}

void
sched_dest_health(struct sched *s, struct sched_dest *d, int takes)
{
	d->health = takes ? SH_TAKES : SH_FAILS;
	sched_dest_place(s, d);
}

void
sched_dest_pause(struct sched *s, struct sched_dest *d, int paused)
{
	d->paused = paused;
	sched_dest_place(s, d);
}

struct sched_item *
sched_item_add(struct sched *s, struct sched_msg *m, struct sched_dest *d,
    const uint32_t *rno, uint32_t n, int64_t next, uint32_t attempts)
{
	struct sched_item	*it;

	if (n == 0) {
		errno = EINVAL;
		return NULL;
	}
	if ((it = calloc(1, sizeof(*it))) == NULL)
		return NULL;
	it->rno = &it->rno0;
	if (n > 1 && (it->rno = calloc(n, sizeof(*rno))) == NULL) {
		free(it);
		return NULL;
	}
	memcpy(it->rno, rno, n * sizeof(*rno));
	it->nrno = n;
	it->msg = m;
	it->dest = d;
	it->next = next;
	it->attempts = attempts;
	it->state = SI_WAITING;
	if (RB_INSERT(sched_items, &d->waiting, it) != NULL) {
		if (it->rno != &it->rno0)
			free(it->rno);
		free(it);
		errno = EEXIST;
		return NULL;
	}
	d->nwaiting++;
	s->nenvs += n;
	LIST_INSERT_HEAD(&m->items, it, mentry);
	sched_dest_place(s, d);
	return it;
}

struct sched_item *
sched_item_find(struct sched_msg *m, uint32_t rno)
{
	struct sched_item	*it;
	uint32_t		 i;

	LIST_FOREACH(it, &m->items, mentry)
		for (i = 0; i < it->nrno; i++)
			if (it->rno[i] == rno)
				return it;
	return NULL;
}

/* Takes an item out of wherever its state has it. */
static void
sched_item_leave(struct sched *s, struct sched_item *it)
{
	struct sched_dest	*d = it->dest;
	struct sched_use	 one = { 1, it->msg->size };

	if (it->state == SI_WAITING) {
		RB_REMOVE(sched_items, &d->waiting, it);
		d->nwaiting--;
	} else if (it->state == SI_PARKED)
		d->nparked--;
	else {
		d->inflight--;
		s->inflight[d->class]--;
		sched_use_sub(&d->use[it->lane], &one);
		if (d->class == SCHED_RELAY)
			sched_use_sub(&s->use[it->lane], &one);
	}
}

int
sched_item_park(struct sched *s, struct sched_item *it, uint32_t rno)
{
	struct sched_dest	*d = it->dest;

	if (it->state == SI_PARKED)
		return 0;
	if (it->nrno > 1) {
		(void)sched_item_drop(s, it, rno);
		it = sched_item_add(s, it->msg, d, &rno, 1, it->next,
		    it->attempts);
		if (it == NULL)
			return -1;
	}
	sched_item_leave(s, it);
	it->state = SI_PARKED;
	d->nparked++;
	sched_dest_place(s, d);
	return 0;
}

int
sched_item_drop(struct sched *s, struct sched_item *it, uint32_t rno)
{
	uint32_t	i;

	for (i = 0; i < it->nrno; i++)
		if (it->rno[i] == rno)
			break;
	if (i == it->nrno)
		return 0;
	if (it->nrno == 1) {
		sched_item_remove(s, it);
		return 1;
	}
	/* The first number is part of the key. */
	if (it->state == SI_WAITING && i == 0)
		RB_REMOVE(sched_items, &it->dest->waiting, it);
	memmove(&it->rno[i], &it->rno[i + 1],
	    (it->nrno - i - 1) * sizeof(it->rno[0]));
	it->nrno--;
	s->nenvs--;
	if (it->state == SI_WAITING && i == 0)
		RB_INSERT(sched_items, &it->dest->waiting, it);
	return 0;
}

void
sched_item_remove(struct sched *s, struct sched_item *it)
{
	struct sched_dest	*d = it->dest;

	sched_item_leave(s, it);
	LIST_REMOVE(it, mentry);
	s->nenvs -= it->nrno;
	if (it->rno != &it->rno0)
		free(it->rno);
	free(it);
	sched_dest_place(s, d);
}

void
sched_item_wait(struct sched *s, struct sched_item *it, int64_t next,
    uint32_t attempts)
{
	sched_item_leave(s, it);
	it->next = next;
	it->attempts = attempts;
	it->state = SI_WAITING;
	RB_INSERT(sched_items, &it->dest->waiting, it);
	it->dest->nwaiting++;
	sched_dest_place(s, it->dest);
}

/* Destinations whose time has come join the queue, earliest first. */
static void
sched_ripen(struct sched *s, enum sched_class class, int64_t now)
{
	struct sched_dest	*d;

	while ((d = RB_MIN(sched_when, &s->when[class])) != NULL &&
	    d->first <= now) {
		RB_REMOVE(sched_when, &s->when[class], d);
		d->lane = sched_dest_lane(d);
		TAILQ_INSERT_TAIL(&s->due[d->lane], d, dentry);
		d->where = SD_DUE;
	}
}

static void
sched_use_add(struct sched_use *a, const struct sched_use *b)
{
	a->n += b->n;
	a->octets += b->octets;
}

static void
sched_use_sub(struct sched_use *a, const struct sched_use *b)
{
	a->n -= b->n;
	a->octets -= b->octets;
}

uint64_t
sched_octets(const struct sched *s)
{
	struct sched_use	 all = { 0, 0 };
	int			 i;

	for (i = SL_KNOWN; i < SL_MAX; i++)
		sched_use_add(&all, &s->use[i]);
	return all.octets;
}

/* Whether eighths of the limits have room for one more of this size. */
static int
sched_has_room(const struct sched *s, const struct sched_use *use,
    uint64_t size, unsigned int eighths)
{
	if (s->limit[SCHED_RELAY] != 0 &&
	    use->n * 8 >= s->limit[SCHED_RELAY] * eighths)
		return 0;
	/* One that is larger than all of it goes alone. */
	return s->octets_limit == 0 || use->n == 0 ||
	    use->octets + size <= s->octets_limit / 8 * eighths;
}

/* Whether the lane's next item may go. */
static int
sched_lane_open(struct sched *s, enum sched_lane lane)
{
	struct sched_dest	*d = TAILQ_FIRST(&s->due[lane]);
	struct sched_use	 all, some;
	uint64_t		 size;

	if (d == NULL)
		return 0;
	if (lane == SL_LOCAL)
		return 1;
	size = RB_MIN(sched_items, &d->waiting)->msg->size;
	some = s->use[SL_NEW];
	sched_use_add(&some, &s->use[SL_REST]);
	all = some;
	sched_use_add(&all, &s->use[SL_KNOWN]);
	sched_use_add(&all, &s->use[SL_MORE]);
	if (!sched_has_room(s, &all, size, lane == SL_KNOWN ? 8 : 7))
		return 0;
	switch (lane) {
	case SL_NEW:
		return sched_has_room(s, &some, size, 6);
	case SL_REST:
		return sched_has_room(s, &some, size, 4);
	default:
		return 1;
	}
}

struct sched_item *
sched_next(struct sched *s, enum sched_class class, int64_t now)
{
	struct sched_item	*it;
	enum sched_lane		 lane;
	unsigned int		 i;

	if (s->paused[class] ||
	    (s->limit[class] != 0 && s->inflight[class] >= s->limit[class]))
		return NULL;
	sched_ripen(s, class, now);
	if (class == SCHED_LOCAL)
		return sched_lane_next(s, SL_LOCAL, now);
	/* None may starve another. */
	for (i = 0; i < SCHED_RELAY_LANES; i++) {
		lane = SL_KNOWN + (s->turn + i) % SCHED_RELAY_LANES;
		if ((it = sched_lane_next(s, lane, now)) != NULL) {
			s->turn = (s->turn + 1) % SCHED_RELAY_LANES;
			return it;
		}
	}
	return NULL;
}

static struct sched_item *
sched_lane_next(struct sched *s, enum sched_lane lane, int64_t now)
{
	struct sched_dest	*d;
	struct sched_item	*it;
	struct sched_use	 one;

	while (sched_lane_open(s, lane)) {
		d = TAILQ_FIRST(&s->due[lane]);
		it = RB_MIN(sched_items, &d->waiting);
		TAILQ_REMOVE(&s->due[lane], d, dentry);
		d->where = SD_OFF;
		if (it == NULL || it->next > now) {
			sched_dest_place(s, d);
			continue;
		}
		RB_REMOVE(sched_items, &d->waiting, it);
		d->nwaiting--;
		d->inflight++;
		s->inflight[d->class]++;
		it->lane = lane;
		one.n = 1;
		one.octets = it->msg->size;
		sched_use_add(&d->use[lane], &one);
		if (d->class == SCHED_RELAY)
			sched_use_add(&s->use[lane], &one);
		it->state = SI_INFLIGHT;
		/* To the end of the queue if it has more that is due. */
		sched_dest_place(s, d);
		if (d->where == SD_WHEN && d->first <= now) {
			RB_REMOVE(sched_when, &s->when[d->class], d);
			d->lane = sched_dest_lane(d);
			TAILQ_INSERT_TAIL(&s->due[d->lane], d, dentry);
			d->where = SD_DUE;
		}
		return it;
	}
	return NULL;
}

int64_t
sched_wake(struct sched *s, enum sched_class class)
{
	struct sched_dest	*d;
	int			 lane;

	if (s->paused[class] ||
	    (s->limit[class] != 0 && s->inflight[class] >= s->limit[class]))
		return -1;
	for (lane = SL_LOCAL; lane < SL_MAX; lane++)
		if ((lane == SL_LOCAL) == (class == SCHED_LOCAL) &&
		    sched_lane_open(s, (enum sched_lane)lane))
			return 0;
	d = RB_MIN(sched_when, &s->when[class]);
	return d == NULL ? -1 : d->first;
}

int
sched_failed_add(struct sched_msg *m, uint32_t rno)
{
	uint32_t	*p, i;

	for (i = 0; i < m->nfailed; i++)
		if (m->failed[i] == rno)
			return 0;
	p = reallocarray(m->failed, m->nfailed + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	p[m->nfailed++] = rno;
	m->failed = p;
	return 0;
}

int
sched_failed_drop(struct sched_msg *m, uint32_t rno)
{
	uint32_t	i;

	for (i = 0; i < m->nfailed; i++)
		if (m->failed[i] == rno) {
			m->failed[i] = m->failed[--m->nfailed];
			return 1;
		}
	return 0;
}
