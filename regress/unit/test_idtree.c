/* SPDX-License-Identifier: ISC */
/* lib/idtree.c against a table; lib/useridx.c against the list it sorts. */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "idtree.h"
#include "tap.h"
#include "useridx.h"

#define IDS	512

static void	 test_ends(void);
static void	 test_random(void);
static void	 walk(uint64_t, void *, void *);
static void	 user(struct conf *, const char *);
static void	 test_useridx(void);

static uint32_t	 seed = 1;

static uint32_t
next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void
test_ends(void)
{
	struct idtree	 t;
	uint64_t	 id = 7;
	int		 a, b;

	idtree_init(&t);
	ok(idtree_get(&t, 0) == NULL && idtree_pop(&t, 0) == NULL,
	    "an empty tree has nothing");
	ok(idtree_poproot(&t, &id) == NULL && id == 7, "nor a root");
	is_int(idtree_set(&t, 0, &a), 0, "id 0");
	is_int(idtree_set(&t, UINT64_MAX, &b), 0, "the last id");
	errno = 0;
	ok(idtree_set(&t, 0, &b) == -1 && errno == EEXIST, "0 is taken");
	ok(idtree_get(&t, 0) == &a, "and stays whose it was");
	ok(idtree_get(&t, UINT64_MAX) == &b, "the last is found");
	is_int((long long)t.count, 2, "two");
	ok(idtree_get(&t, 1) == NULL && idtree_pop(&t, 1) == NULL,
	    "a neighbour is not");
	ok(idtree_pop(&t, 0) == &a && idtree_pop(&t, 0) == NULL,
	    "popped once");
	ok(idtree_poproot(&t, NULL) == &b, "the rest");
	is_int((long long)t.count, 0, "none");
}

static void
walk(uint64_t id, void *obj, void *arg)
{
	uint64_t	*last = arg;

	if (id <= *last || *(uint64_t *)obj != id)
		*last = UINT64_MAX;
	else
		*last = id;
}

/* The low bit of what is 32 bits apart must not be lost in comparing. */
static void
test_random(void)
{
	static uint64_t	 id[IDS];
	struct idtree	 t;
	uint64_t	 last = 0, got;
	void		*obj;
	size_t		 there[IDS] = { 0 }, n = 0, i, k;
	int		 wrong = 0;

	idtree_init(&t);
	for (i = 0; i < IDS; i++)
		id[i] = (uint64_t)(i / 2 + 1) << 32 | (i & 1);
	for (k = 0; k < 20000; k++) {
		i = next() % IDS;
		if (next() % 2 == 0) {
			if ((idtree_set(&t, id[i], &id[i]) == 0) == there[i])
				wrong++;
			n += !there[i];
			there[i] = 1;
		} else {
			obj = idtree_pop(&t, id[i]);
			if ((obj == &id[i]) != (int)there[i])
				wrong++;
			n -= there[i];
			there[i] = 0;
		}
		wrong += t.count != n || (idtree_get(&t, id[i]) != NULL) !=
		    (int)there[i];
	}
	is_int(wrong, 0, "as the table has it");
	ok(n > 0, "some are there");
	idtree_walk(&t, walk, &last);
	ok(last != UINT64_MAX && last != 0, "walked in order");
	while ((obj = idtree_poproot(&t, &got)) != NULL) {
		wrong += *(uint64_t *)obj != got;
		n--;
	}
	ok(wrong == 0 && n == 0 && t.count == 0, "cleared");
}

static void
user(struct conf *c, const char *name)
{
	struct conf_user	*u = calloc(1, sizeof(*u));

	if (u == NULL || (u->name = strdup(name)) == NULL)
		exit(1);
	TAILQ_INSERT_TAIL(&c->users, u, entry);
}

static void
test_useridx(void)
{
	struct useridx		 x = { NULL, 0 };
	const struct conf_user	*u;
	struct conf		*c = conf_new();
	char			 name[32];
	int			 i, wrong = 0;

	ok(useridx_find(&x, "a@a.test") == NULL, "empty from the start");
	is_int(useridx_build(&x, c), 0, "over no users");
	ok(useridx_find(&x, "a@a.test") == NULL, "nobody");
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "u%d@a.test", i * 7919 % 1000);
		user(c, name);
	}
	is_int(useridx_build(&x, c), 0, "over a thousand");
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "u%d@a.test", i);
		u = useridx_find(&x, name);
		wrong += u == NULL || strcmp(u->name, name) != 0 ||
		    u != conf_user(c, name);
	}
	is_int(wrong, 0, "each is found");
	ok(useridx_find(&x, "u1000@a.test") == NULL &&
	    useridx_find(&x, "") == NULL && useridx_find(&x, "u1") == NULL &&
	    useridx_find(&x, "u1@a.tes") == NULL &&
	    useridx_find(&x, "z") == NULL, "nobody else is");
	useridx_free(&x);
	ok(useridx_find(&x, "u1@a.test") == NULL, "empty afterwards");
	conf_free(c);
}

int
main(void)
{
	test_ends();
	test_random();
	test_useridx();
	return done_testing();
}
