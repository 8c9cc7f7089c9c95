/* SPDX-License-Identifier: ISC */
/*
 * The digests of uploads.  What comes in order is hashed as it comes.  After
 * a start, or when an upload was forgotten here for others, its part is read
 * again from the beginning, a slice a turn of the loop, while it goes on; who
 * finishes it waits for that.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsattach.h"

#define HASH_MAX	256		/* uploads that are remembered */
#define HASH_SLICES	4		/* buffers in a turn */

static struct hash *hash_get(struct attach *, const uint8_t[ATTACH_ID]);
static void	 hash_free(struct attach *, struct hash *);
static void	 hash_wake(struct attach *);
static int	 hash_slice(struct attach *, struct hash *);
static void	 hash_end(struct hash *);

struct hash *
hash_find(struct attach *a, const uint8_t id[ATTACH_ID])
{
	struct hash	*h;

	TAILQ_FOREACH(h, &a->hashes, entry)
		if (memcmp(h->id, id, ATTACH_ID) == 0)
			return h;
	return NULL;
}

/* Of a new one all that is in the part may still be unsynced. */
static struct hash *
hash_get(struct attach *a, const uint8_t id[ATTACH_ID])
{
	struct hash	*h, *old, *prev;

	if ((h = hash_find(a, id)) != NULL) {
		TAILQ_REMOVE(&a->hashes, h, entry);
		TAILQ_INSERT_HEAD(&a->hashes, h, entry);
		return h;
	}
	for (old = TAILQ_LAST(&a->hashes, hashes); old != NULL &&
	    a->nhashes >= HASH_MAX; old = prev) {
		prev = TAILQ_PREV(old, hashes, entry);
		if (old->finish == NULL)
			hash_free(a, old);
	}
	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->ctx = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
		fatal("attach: digest");
	memcpy(h->id, id, ATTACH_ID);
	TAILQ_INSERT_HEAD(&a->hashes, h, entry);
	a->nhashes++;
	return h;
}

static void
hash_free(struct attach *a, struct hash *h)
{
	TAILQ_REMOVE(&a->hashes, h, entry);
	a->nhashes--;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void
hash_drop(struct attach *a, const uint8_t id[ATTACH_ID])
{
	struct hash	*h = hash_find(a, id);

	if (h != NULL)
		hash_free(a, h);
}

void
hash_clear(struct attach *a)
{
	struct hash	*h;

	while ((h = TAILQ_FIRST(&a->hashes)) != NULL)
		hash_free(a, h);
}

int
hash_is_busy(struct attach *a, const uint8_t id[ATTACH_ID])
{
	struct hash	*h = hash_find(a, id);

	return h != NULL && h->finish != NULL;
}

static void
hash_wake(struct attach *a)
{
	struct timeval	now = { 0, 0 };

	if (evtimer_add(a->hash_ev, &now) == -1)
		fatalx("attach: cannot set the timer of digests");
}

void
hash_feed(struct attach *a, const uint8_t id[ATTACH_ID], uint64_t offset,
    const void *p, size_t len)
{
	struct hash	*h = hash_get(a, id);

	/* An earlier piece was hashed and then not kept. */
	if (h->pos > offset) {
		hash_free(a, h);
		h = hash_get(a, id);
	}
	h->unsynced += len;
	if (h->pos != offset)
		return;
	if (EVP_DigestUpdate(h->ctx, p, len) != 1)
		fatalx("attach: digest");
	h->pos += len;
}

struct hash *
hash_have(struct attach *a, const uint8_t id[ATTACH_ID], uint64_t octets)
{
	struct hash	*h = hash_get(a, id);

	if (h->pos > octets) {
		hash_free(a, h);
		h = hash_get(a, id);
	}
	h->have = octets;
	if (h->pos < h->have)
		hash_wake(a);
	return h;
}

void
hash_finish(struct attach *a, const uint8_t id[ATTACH_ID], uint64_t octets,
    struct op *op)
{
	struct hash	*h = hash_have(a, id, octets);

	h->finish = op;
	if (h->pos == h->have)
		hash_end(h);
}

static void
hash_end(struct hash *h)
{
	uint8_t	digest[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
		fatalx("attach: digest");
	finish_hashed(h->finish, digest);
}

/* Reads on.  0, or -1: the part does not have what it should. */
static int
hash_slice(struct attach *a, struct hash *h)
{
	ssize_t	n;
	size_t	want;
	int	fd, i;

	if ((fd = file_part_read(h->id)) == -1)
		return -1;
	for (i = 0; i < HASH_SLICES && h->pos < h->have; i++) {
		want = h->have - h->pos < ATTACH_BUF ?
		    (size_t)(h->have - h->pos) : ATTACH_BUF;
		if ((n = file_read(fd, a->buf, want, h->pos)) == -1 ||
		    (size_t)n != want) {
			close(fd);
			return -1;
		}
		if (EVP_DigestUpdate(h->ctx, a->buf, want) != 1)
			fatalx("attach: digest");
		h->pos += want;
	}
	close(fd);
	return 0;
}

/* The one that was here longest; then it goes to the front. */
void
hash_turn(evutil_socket_t fd, short what, void *arg)
{
	struct attach	*a = arg;
	struct hash	*h;
	struct op	*op;

	(void)fd;
	(void)what;
	TAILQ_FOREACH_REVERSE(h, &a->hashes, hashes, entry)
		if (h->pos < h->have)
			break;
	if (h == NULL)
		return;
	TAILQ_REMOVE(&a->hashes, h, entry);
	TAILQ_INSERT_HEAD(&a->hashes, h, entry);
	hash_wake(a);
	if (hash_slice(a, h) == -1) {
		log_warn("attach: part of an upload");
		op = h->finish;
		hash_free(a, h);
		if (op != NULL)
			finish_hashed(op, NULL);
	} else if (h->pos == h->have && h->finish != NULL)
		hash_end(h);
}
