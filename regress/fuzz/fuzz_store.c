/* SPDX-License-Identifier: ISC */
/*
 * Records of the queue and of the mailboxes as they come from the store,
 * whose checksum was right all the same; the first octet tells which.
 */
#include "compat.h"

#include <errno.h>

#include "fuzz.h"
#include "mdb.h"
#include "qdb.h"

static void
fuzz_qdb_msg(const struct store_val *v)
{
	struct qdb_msg	 m;

	if (qdb_msg_read(v, &m) == 0) {
		FUZZ_ASSERT(m.principal != NULL && m.facts.msgid != NULL);
		qdb_msg_free(&m);
	} else
		FUZZ_ASSERT(errno == EILSEQ);
}

static void
fuzz_qdb_env(const struct store_val *v)
{
	struct qdb_env	 e;

	if (qdb_env_read(v, &e) == 0) {
		FUZZ_ASSERT(e.addr != NULL && e.orig != NULL);
		qdb_env_free(&e);
	} else
		FUZZ_ASSERT(errno == EILSEQ);
}

static void
fuzz_mdb_hdr(const struct store_val *v)
{
	struct mdb_hdr	 h;

	if (mdb_hdr_read(v, &h) == 0) {
		FUZZ_ASSERT(h.h.sender != NULL && h.h.subject != NULL);
		mdb_hdr_free(&h);
	} else
		FUZZ_ASSERT(errno == EILSEQ);
}

static void
fuzz_small(const struct store_val *v)
{
	uint64_t	 qid;
	int64_t		 until;
	uint32_t	 id;
	int		 kind;

	(void)qdb_key_read(v, &qid, &id);
	(void)qdb_until_read(v, &until);
	(void)mdb_hdr_key_read(v, 1, &id);
	(void)mdb_chg_read(v, &kind, &id);
	(void)mdb_until_read(v, &until);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void	(*const what[])(const struct store_val *) = {
		fuzz_qdb_msg, fuzz_qdb_env, fuzz_mdb_hdr, fuzz_small
	};
	struct store_val v;

	if (size == 0)
		return 0;
	v.p = data + 1;
	v.len = size - 1;
	what[data[0] % nitems(what)](&v);
	return 0;
}
