/* SPDX-License-Identifier: ISC */
/*
 * What is on disk is looked at in the background, a bit a turn of the loop:
 *	scrub	each content is read against its digest, every so often
 *	orphans	at start and each day: files that no record names go when
 *		they are an hour old, records without a file are marked
 * What is damaged is put aside (*.bad), logged, and answered with 451; a new
 * upload of the same octets heals it.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"
#include "wstime.h"

#define SCRUB_SLICES	4		/* buffers in a turn */
#define SCRUB_PAUSE	20		/* ms between two turns: 50 MB/s */
#define SCRUB_LOOK	1000		/* records looked at in a turn */
#define SCRUB_IDLE	60000		/* ms until it looks again, at most */
#define ORPHAN_AGE	3600		/* s */
#define ORPHAN_PAUSE	1		/* ms between two directories */
#define ORPHAN_ROWS	500		/* records in a turn */
#define ORPHAN_AGAIN	(86400 * 1000)	/* ms */

static void	 scrub_set(struct event *, int64_t);
static void	 scrub_turn(evutil_socket_t, short, void *);
static int	 scrub_next(struct attach *, int64_t);
static int	 scrub_open(struct attach *);
static void	 scrub_slice(struct attach *);
static void	 scrub_end(struct attach *, const char *);
static void	 scrub_close(struct scrub *);
static void	 orphan_turn(evutil_socket_t, short, void *);
static int	 orphan_is(void *, int, const uint8_t *, int);
static int	 orphan_rows(struct attach *);
static void	 orphan_missing(struct attach *, const uint8_t *, uint64_t);

int
scrub_init(struct attach *a)
{
	a->scrub.fd = -1;
	a->scrub.ev = evtimer_new(a->p->base, scrub_turn, a);
	a->orphan.ev = evtimer_new(a->p->base, orphan_turn, a);
	a->scrub.ctx = EVP_MD_CTX_new();
	return a->scrub.ev == NULL || a->orphan.ev == NULL ||
	    a->scrub.ctx == NULL ? -1 : 0;
}

void
scrub_start(struct attach *a)
{
	scrub_set(a->orphan.ev, 0);
	scrub_set(a->scrub.ev, SCRUB_PAUSE);
}

void
scrub_free(struct attach *a)
{
	scrub_close(&a->scrub);
	if (a->scrub.ev != NULL)
		event_free(a->scrub.ev);
	if (a->orphan.ev != NULL)
		event_free(a->orphan.ev);
	EVP_MD_CTX_free(a->scrub.ctx);
}

static void
scrub_set(struct event *ev, int64_t ms)
{
	struct timeval	tv;

	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (evtimer_add(ev, &tv) == -1)
		fatalx("attach: cannot set a timer");
}

static void
scrub_close(struct scrub *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

int
scrub_damaged(struct attach *a, struct store_txn *txn,
    const uint8_t digest[ATTACH_DIGEST], const char *why)
{
	struct adb_content	c;
	struct log_ev		ev = { .ev = "damage", .result = "kept" };
	char			reason[160], hex[FILE_HEX];

	if (adb_content_get(&a->db, txn, digest, &c) == -1)
		return errno == ENOENT || errno == EILSEQ ? 0 : -1;
	if (c.bad)
		return 0;
	snprintf(reason, sizeof(reason), "content %s: %s",
	    file_digest_str(digest, hex), why);
	ev.reason = reason;
	log_event(&ev);
	a->st.damaged++;
	if (file_content_bad(digest) == -1 && errno != ENOENT)
		log_warn("attach: content %s", hex);
	c.bad = 1;
	return adb_content_put(&a->db, txn, digest, &c);
}

/* The next one that is due: 1, or 0: none; -1: not all were looked at. */
static int
scrub_next(struct attach *a, int64_t due)
{
	struct scrub		*s = &a->scrub;
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct adb_content	 is;
	int			 looked, ret, found = 0;

	if ((c = store_cursor(a->db.content, NULL)) == NULL)
		return 0;
	ret = store_seek_ge(c, s->key, sizeof(s->key), &k, &v);
	for (looked = 0; ret == 0 && looked < SCRUB_LOOK && !found;
	    looked++, ret = found ? 0 : store_next(c, &k, &v)) {
		if (k.len != ATTACH_DIGEST)
			continue;
		memcpy(s->key, k.p, ATTACH_DIGEST);
		if (adb_content_read(&v, &is) == -1 || is.bad ||
		    (is.verified > due && is.verified <= wstime_now()))
			continue;
		memcpy(s->digest, k.p, ATTACH_DIGEST);
		s->size = is.size;
		found = 1;
	}
	store_cursor_close(c);
	if (!found && ret == -1) {
		if (errno != ENOENT)
			log_warn("attach: scrub");
		memset(s->key, 0, sizeof(s->key));
		return 0;
	}
	return found ? 1 : -1;
}

/* 1: it is open; 0: it cannot be read now, or was found damaged. */
static int
scrub_open(struct attach *a)
{
	struct scrub	*s = &a->scrub;
	uint64_t	 size;

	if ((s->fd = file_content_open(s->digest, &size)) == -1) {
		if (errno == ENOENT)
			orphan_missing(a, s->digest, s->size);
		else
			log_warn("attach: scrub");
		return 0;
	}
	if (EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1)
		fatalx("attach: digest");
	s->pos = 0;
	if (size == s->size)
		return 1;
	scrub_end(a, "the file has another size");
	return 0;
}

/* The round goes on behind it.  why: it is damaged, NULL: it is not. */
static void
scrub_end(struct attach *a, const char *why)
{
	struct scrub		*s = &a->scrub;
	struct store_txn	*txn;
	struct adb_content	 c;
	struct op		*op;
	int			 ret = 0;

	scrub_close(s);
	op = op_new(a, NULL, 0, 0, 0, NULL);
	if ((txn = op_txn(op)) == NULL) {
		op_answer_now(op);
		return;
	}
	if (why != NULL)
		ret = scrub_damaged(a, txn, s->digest, why);
	else if (adb_content_get(&a->db, txn, s->digest, &c) == 0) {
		c.verified = wstime_now();
		ret = adb_content_put(&a->db, txn, s->digest, &c);
		op->count = &a->st.scrubbed;
	} else if (errno != ENOENT && errno != EILSEQ)
		ret = -1;
	op_end(op, ret, why != NULL);
}

static void
scrub_slice(struct attach *a)
{
	struct scrub	*s = &a->scrub;
	uint8_t		 is[EVP_MAX_MD_SIZE];
	size_t		 want;
	ssize_t		 n;
	int		 i;

	for (i = 0; i < SCRUB_SLICES && s->pos < s->size; i++) {
		want = s->size - s->pos < ATTACH_BUF ?
		    (size_t)(s->size - s->pos) : ATTACH_BUF;
		n = file_read(s->fd, a->buf, want, s->pos);
		if (n == -1 && errno != EIO) {
			log_warn("attach: scrub");
			scrub_close(s);
			return;
		}
		if ((size_t)n != want) {
			scrub_end(a, n == -1 ? "it cannot be read" :
			    "the file has another size");
			return;
		}
		if (EVP_DigestUpdate(s->ctx, a->buf, want) != 1)
			fatalx("attach: digest");
		s->pos += want;
	}
	if (s->pos < s->size)
		return;
	if (EVP_DigestFinal_ex(s->ctx, is, NULL) != 1)
		fatalx("attach: digest");
	scrub_end(a, memcmp(is, s->digest, ATTACH_DIGEST) == 0 ? NULL :
	    "its octets have another digest");
}

static void
scrub_turn(evutil_socket_t fd, short what, void *arg)
{
	struct attach	*a = arg;
	int64_t		 period, pause = SCRUB_PAUSE;
	size_t		 i;

	(void)fd;
	(void)what;
	period = a->p->conf->limit[LIM_SCRUB_INTERVAL] * 1000;
	if (a->scrub.fd != -1)
		scrub_slice(a);
	else
		switch (scrub_next(a, wstime_now() - period)) {
		case 1:
			if (scrub_open(a))
				break;
			/* FALLTHROUGH: past it, whatever is the matter */
		default:
			break;
		case 0:
			pause = period / 4 < SCRUB_IDLE ? period / 4 :
			    SCRUB_IDLE;
		}
	/* Behind the one that is read, or was looked at last. */
	if (a->scrub.fd == -1 && pause == SCRUB_PAUSE)
		for (i = ATTACH_DIGEST; i-- > 0 && ++a->scrub.key[i] == 0;)
			;
	scrub_set(a->scrub.ev, pause);
}

/* --- orphans --------------------------------------------------------------- */

/* In doubt it is kept: only a certain "no such record" frees a file. */
static int
orphan_is(void *arg, int content, const uint8_t *key, int bad)
{
	struct attach		*a = arg;
	struct adb_upload	 u;
	int			 done;

	(void)bad;		/* is kept as long as its record */
	if (content)
		return store_get(a->db.content, NULL, key, ATTACH_DIGEST,
		    NULL) == -1 && errno == ENOENT;
	if (adb_upload_get(&a->db, NULL, key, &u) == -1)
		return errno == ENOENT;
	done = u.state == UP_COMPLETE;
	adb_upload_free(&u);
	return done;
}

/* A record without its file; looked at again, as it may just have gone. */
static void
orphan_missing(struct attach *a, const uint8_t *digest, uint64_t size)
{
	struct store_txn	*txn;
	struct op		*op;

	op = op_new(a, NULL, 0, 0, 0, NULL);
	if ((txn = op_txn(op)) == NULL || file_content_is(digest, size) != 0)
		op_answer_now(op);
	else
		op_end(op, scrub_damaged(a, txn, digest, "no file"), 1);
}

/* A slice of the records: 1: there are more. */
static int
orphan_rows(struct attach *a)
{
	struct orphan		*o = &a->orphan;
	struct store_cursor	*c;
	struct store_val	 k, v;
	struct adb_content	 is;
	uint8_t			 digest[ATTACH_DIGEST];
	uint64_t		 size = 0;
	size_t			 i;
	int			 looked, ret, missing = 0;

	if ((c = store_cursor(a->db.content, NULL)) == NULL)
		return 0;
	ret = store_seek_ge(c, o->key, sizeof(o->key), &k, &v);
	for (looked = 0; ret == 0 && looked < ORPHAN_ROWS && !missing;
	    looked++, ret = missing ? 0 : store_next(c, &k, &v)) {
		if (k.len != ATTACH_DIGEST)
			continue;
		memcpy(o->key, k.p, ATTACH_DIGEST);
		if (adb_content_read(&v, &is) == -1 || is.bad ||
		    file_content_is(o->key, is.size) != 0)
			continue;
		memcpy(digest, o->key, ATTACH_DIGEST);
		size = is.size;
		missing = 1;
	}
	store_cursor_close(c);
	if (missing)
		orphan_missing(a, digest, size);
	for (i = ATTACH_DIGEST; i-- > 0 && ++o->key[i] == 0;)
		;
	return ret == 0;
}

static void
orphan_turn(evutil_socket_t fd, short what, void *arg)
{
	struct attach	*a = arg;
	struct orphan	*o = &a->orphan;
	int64_t		 pause = ORPHAN_PAUSE;
	int		 n = 0;

	(void)fd;
	(void)what;
	if (o->step == 0) {
		o->removed = 0;
		memset(o->key, 0, sizeof(o->key));
	}
	if (o->step < 2 * FILE_FANOUT) {
		n = file_walk(o->step >= FILE_FANOUT, o->step % FILE_FANOUT,
		    ORPHAN_AGE, orphan_is, a);
		if (n == -1)
			log_warn("attach: files");
		else
			o->removed += n;
		o->step++;
	} else if (!orphan_rows(a)) {
		if (o->removed > 0)
			log_info("attach: %d files that no record names "
			    "removed", o->removed);
		a->st.orphans += (uint64_t)o->removed;
		a->st.looked++;
		o->step = 0;
		pause = ORPHAN_AGAIN;
	}
	scrub_set(o->ev, pause);
}
