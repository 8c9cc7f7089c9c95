/* SPDX-License-Identifier: ISC */
/*
 * The users table (wsmtpd-users(5)).  What reads is written to something that
 * reads to the same, and a verifier can be taken apart or is refused.
 */
#include "compat.h"

#include "file.h"
#include "fuzz.h"
#include "users.h"

static struct conf *read_table(const char *);
static int	 is_same(const char *, const char *);
static void	 same_users(const struct conf *, const struct conf *);
static void	 fuzz_verifiers(const struct conf *);

/* What is wrong must be said, too. */
static struct conf *
read_table(const char *path)
{
	struct conf	*c = conf_new();
	char		 why[256] = "";

	FUZZ_ASSERT(c != NULL);
	if (users_read(c, path, why, sizeof(why)) == 0)
		return c;
	FUZZ_ASSERT(why[0] != '\0');
	conf_free(c);
	return NULL;
}

static int
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
same_users(const struct conf *a, const struct conf *b)
{
	const struct conf_user	*u = TAILQ_FIRST(&a->users);
	const struct conf_user	*v = TAILQ_FIRST(&b->users);

	for (; u != NULL && v != NULL; u = TAILQ_NEXT(u, entry),
	    v = TAILQ_NEXT(v, entry))
		FUZZ_ASSERT(is_same(u->name, v->name) &&
		    is_same(u->text, v->text) && is_same(u->mac, v->mac) &&
		    u->quota == v->quota && u->disabled == v->disabled);
	FUZZ_ASSERT(u == NULL && v == NULL);
}

static void
fuzz_verifiers(const struct conf *c)
{
	const struct conf_user	*u;
	uint8_t			 salt[USERS_SALT_LEN], key[USERS_KEY_LEN];
	uint32_t		 n;

	TAILQ_FOREACH(u, &c->users, entry) {
		if (u->text != NULL)
			(void)users_is_text_verifier(u->text);
		if (u->mac != NULL && users_parse_mac(u->mac, &n, salt,
		    key) == 0)
			FUZZ_ASSERT(n >= 1000);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*path = file_with(data, size);
	struct conf	*c, *again;

	if ((c = read_table(path)) == NULL)
		return 0;
	fuzz_verifiers(c);
	FUZZ_ASSERT(users_write(c, path) == 0);
	FUZZ_ASSERT((again = read_table(path)) != NULL);
	same_users(c, again);
	conf_free(again);
	conf_free(c);
	return 0;
}
