/* SPDX-License-Identifier: ISC */
/*
 * The real wsattach, with this test as its parent and soap: uploads that are
 * cut off, contents stored once, who may fetch what, versions, quotas, what
 * is damaged, what is over.
 */
#include "compat.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "../system/fault.h"
#include "attachkid.h"
#include "kid.h"
#include "log.h"
#include "tap.h"
#include "testdir.h"
#include "wstime.h"

#define ALICE	"alice@a.test"
#define BOB	"bob@a.test"
#define FAR	"carol@far.test"
#define OTHER	"mallory@far.test"
#define PIECE	65536		/* limit attachment-piece here */
#define WAIT_MS	60000

static struct kid	 kid;
static struct imsgbuf	 soap;
static struct conf	*conf;
static struct fault	*fault;
static uint8_t		 big[300000], small[100];
static unsigned int	 nmsg;

static void	 conf_add(const char *);
static void	 start(void);
static void	 restart(void);
static void	 digest(const void *, size_t, uint8_t[ATTACH_DIGEST]);
static int	 begin(const char *, uint64_t, const uint8_t *,
		    uint8_t[ATTACH_ID]);
static int	 piece(const char *, const uint8_t[ATTACH_ID], uint64_t,
		    const void *, size_t, uint64_t *);
static int	 state(const char *, const uint8_t[ATTACH_ID], uint64_t *,
		    uint32_t *);
static int	 finish(const char *, const uint8_t[ATTACH_ID], const void *,
		    size_t);
static int	 upload(const char *, const void *, size_t,
		    uint8_t[ATTACH_ID]);
static int	 attach(const char *, const uint8_t[ATTACH_ID],
		    const char *const *, uint32_t, uint8_t[ATTACH_ID]);
static int	 fetch(const char *, const uint8_t[ATTACH_ID], uint32_t,
		    const void *, size_t);
static int	 change(uint32_t, const char *, const uint8_t[ATTACH_ID],
		    const char *);
static int	 count_files(const char *);
static void	 content_path(const void *, size_t, char *, size_t);
static void	 part_path(const uint8_t[ATTACH_ID], char *, size_t);
static int	 wait_stat(const char *, int64_t);
static void	 new_file(uint8_t *, size_t);
static void	 test_upload(void);
static void	 test_resume(void);
static void	 test_digest(void);
static void	 test_once(void);
static void	 test_name(void);
static void	 test_fetch(void);
static void	 test_refused(void);
static void	 test_owner(void);
static void	 test_versions(void);
static void	 test_show(void);
static void	 test_list(void);
static void	 test_quota(void);
static void	 test_damage(void);
static void	 test_scrub(void);
static void	 test_over(void);
static void	 test_orphans(void);
static void	 test_many(void);

static const char *const	 both[] = { BOB, FAR };

static void
conf_add(const char *name)
{
	struct conf_user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->name = strdup(name)) == NULL)
		fatal("conf");
	u->quota = -1;
	TAILQ_INSERT_TAIL(&conf->users, u, entry);
}

static void
start(void)
{
	setenv("LD_PRELOAD", kid_path("regress/system/fault.so"), 1);
	if (kid_start(&kid, kid_path("wsattach/wsattach"), P_ATTACH, NULL,
	    conf) == -1 || kid_connect(&kid, &soap, P_SOAP, 0) == -1 ||
	    kid_go(&kid) == -1)
		fatal("wsattach does not start (kid.log)");
	unsetenv("LD_PRELOAD");
}

/* As if the power of the process had gone. */
static void
restart(void)
{
	kid_kill(&kid);
	imsgbuf_clear(&soap);
	start();
}

static void
digest(const void *p, size_t len, uint8_t d[ATTACH_DIGEST])
{
	if (EVP_Digest(p, len, d, NULL, EVP_sha256(), NULL) != 1)
		fatalx("digest");
}

/* Octets that nobody has seen yet. */
static void
new_file(uint8_t *p, size_t len)
{
	arc4random_buf(p, len);
}

static int
begin(const char *owner, uint64_t size, const uint8_t *d,
    uint8_t id[ATTACH_ID])
{
	struct upload_result	res;
	int			code;

	code = ak_begin(&soap, owner, "a file.bin", size, d, &res);
	memcpy(id, res.id, ATTACH_ID);
	upload_result_free(&res);
	return code;
}

static int
piece(const char *owner, const uint8_t id[ATTACH_ID], uint64_t off,
    const void *p, size_t len, uint64_t *next)
{
	struct upload_result	res;
	int			code;

	code = ak_piece(&soap, owner, id, off, p, len, &res);
	if (next != NULL)
		*next = res.offset;
	upload_result_free(&res);
	return code;
}

static int
state(const char *owner, const uint8_t id[ATTACH_ID], uint64_t *off,
    uint32_t *complete)
{
	struct upload_result	res;
	int			code;

	code = ak_upload(&soap, IMSG_ATTACH_UPLOAD_STATE, owner, id, NULL,
	    &res);
	if (off != NULL)
		*off = res.offset;
	if (complete != NULL)
		*complete = res.complete;
	upload_result_free(&res);
	return code;
}

static int
finish(const char *owner, const uint8_t id[ATTACH_ID], const void *p,
    size_t len)
{
	struct upload_result	res;
	uint8_t			d[ATTACH_DIGEST];
	int			code;

	digest(p, len, d);
	code = ak_upload(&soap, IMSG_ATTACH_UPLOAD_FINISH, owner, id, d,
	    &res);
	upload_result_free(&res);
	return code;
}

/* From the beginning to the end. */
static int
upload(const char *owner, const void *p, size_t len, uint8_t id[ATTACH_ID])
{
	const uint8_t	*data = p;
	uint64_t	 off = 0;
	size_t		 n;
	int		 code;

	if ((code = begin(owner, len, NULL, id)) != ST_OK)
		return code;
	while (off < len) {
		n = len - off < PIECE ? (size_t)(len - off) : PIECE;
		if ((code = piece(owner, id, off, data + off, n,
		    &off)) != ST_OK)
			return code;
	}
	return finish(owner, id, p, len);
}

/* A message with that one upload. */
static int
attach(const char *owner, const uint8_t up[ATTACH_ID],
    const char *const *rcpt, uint32_t nrcpt, uint8_t id[ATTACH_ID])
{
	struct attach_list	l;
	uint8_t			ids[1][ATTACH_ID];
	char			msgid[64];
	int			code;

	memcpy(ids[0], up, ATTACH_ID);
	snprintf(msgid, sizeof(msgid), "m%u@a.test", ++nmsg);
	code = ak_name(&soap, owner, msgid, ids, 1, rcpt, nrcpt, &l);
	if (code == ST_OK)
		memcpy(id, l.info[0].id, ATTACH_ID);
	attach_list_free(&l);
	return code;
}

/* Whole, in pieces; the octets must be these.  99: they are not. */
static int
fetch(const char *who, const uint8_t id[ATTACH_ID], uint32_t version,
    const void *want, size_t len)
{
	struct fetch_result	res;
	uint8_t			d[ATTACH_DIGEST], *p;
	uint64_t		off = 0;
	int			code;

	digest(want, len, d);
	do {
		code = ak_fetch(&soap, who, id, version, off, 0, &res, &p);
		if (code == ST_OK && (res.size != len || res.offset != off ||
		    memcmp(res.digest, d, sizeof(d)) != 0 ||
		    res.length > PIECE || res.length > len - off ||
		    (res.length == 0 && off < len) ||
		    memcmp(p, (const uint8_t *)want + off, res.length) != 0))
			code = 99;
		off += res.length;
		fetch_result_free(&res);
		free(p);
	} while (code == ST_OK && off < len);
	return code;
}

static int
change(uint32_t type, const char *owner, const uint8_t id[ATTACH_ID],
    const char *addr)
{
	return ak_change(&soap, type, owner, id, addr, 0, NULL, NULL);
}

static int
count_files(const char *dir)
{
	struct dirent	*de;
	char		 path[512];
	DIR		*d;
	int		 n = 0;

	if ((d = opendir(dir)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%.200s", dir, de->d_name);
		n += de->d_type == DT_DIR ? count_files(path) : 1;
	}
	closedir(d);
	return n;
}

static void
content_path(const void *p, size_t len, char *path, size_t size)
{
	uint8_t	d[ATTACH_DIGEST];
	size_t	i, n;

	digest(p, len, d);
	n = (size_t)snprintf(path, size, "content/%02x/", d[0]);
	for (i = 0; i < sizeof(d); i++)
		n += (size_t)snprintf(path + n, size - n, "%02x", d[i]);
}

static void
part_path(const uint8_t id[ATTACH_ID], char *path, size_t size)
{
	char	hex[ATTACH_HEX];

	snprintf(path, size, "part/%02x/%s", id[0], attach_id_str(id, hex));
}

/* Until a counter has at least that value. */
static int
wait_stat(const char *name, int64_t value)
{
	int64_t	end = wstime_mono() + WAIT_MS;

	while (kid_stat(&kid, name) < value) {
		if (wstime_mono() > end)
			return 0;
		(void)poll(NULL, 0, 20);
	}
	return 1;
}

static void
test_upload(void)
{
	uint8_t		 id[ATTACH_ID], at[ATTACH_ID];
	uint64_t	 off;
	uint32_t	 complete;

	is_int(upload(ALICE, big, sizeof(big), id), ST_OK, "an upload");
	is_int(state(ALICE, id, &off, &complete), ST_OK, "its state");
	ok(off == sizeof(big) && complete, "is complete");
	is_int(finish(ALICE, id, big, sizeof(big)), ST_OK,
	    "to finish it again changes nothing");
	is_int(finish(ALICE, id, small, sizeof(small)), ST_BAD,
	    "with another digest it is refused");
	is_int(count_files("content"), 1, "one content");
	is_int(count_files("part"), 0, "and nothing of the way");
	is_int(piece(ALICE, id, off, small, 1, &off), ST_RESYNC,
	    "no piece for a complete one");
	is_int(state(BOB, id, NULL, NULL), ST_NOUSER,
	    "for another user there is none");
	is_int(attach(BOB, id, both, 2, at), ST_NOUSER, "nor to be named");
	is_int(attach(ALICE, id, both, 2, at), ST_OK, "named by a message");
	is_int(state(ALICE, id, NULL, NULL), ST_NOUSER,
	    "then it is no upload any more");
	is_int(fetch(FAR, at, 0, big, sizeof(big)), ST_OK, "and is fetched");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, at, ""), ST_OK,
	    "withdrawn");
	is_int(count_files("content"), 0, "the file is gone");

	is_int(begin(OTHER, 5, NULL, id), ST_DENIED, "a stranger has no uploads");
	is_int(upload(ALICE, "", 0, id), ST_OK, "a file of no octets");
	is_int(attach(ALICE, id, both, 2, at), ST_OK, "can be named");
	is_int(fetch(FAR, at, 0, "", 0), ST_OK, "and fetched");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, at, ""), ST_OK, "and go");
	is_int(begin(ALICE, 5, NULL, id), ST_OK, "one that is given up");
	is_int(piece(ALICE, id, 0, "12", 2, &off), ST_OK, "after a piece");
	is_int(finish(ALICE, id, "12", 2), ST_RESYNC, "it is not complete");
	is_int(piece(ALICE, id, 2, "3456", 4, &off), ST_BAD,
	    "nor can it get more than was said");
	{
		struct upload_result	res;

		is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, ALICE, id,
		    NULL, &res), ST_OK, "given up");
		upload_result_free(&res);
	}
	is_int(count_files("part"), 0, "nothing of it stays");
	is_int(state(ALICE, id, NULL, NULL), ST_NOUSER, "nobody knows it");
}

/* Cut off anywhere, also with what the machine lost. */
static void
test_resume(void)
{
	uint8_t		 id[ATTACH_ID], at[ATTACH_ID];
	uint64_t	 off = 0;
	char		 path[128];

	new_file(big, sizeof(big));
	is_int(begin(ALICE, sizeof(big), NULL, id), ST_OK, "an upload");
	is_int(piece(ALICE, id, 0, big, PIECE, &off), ST_OK, "a piece");
	is_int(piece(ALICE, id, 0, big, PIECE, &off), ST_RESYNC,
	    "the same again is not taken twice");
	is_int((long long)off, PIECE, "the answer says where it goes on");
	is_int(piece(ALICE, id, 2 * PIECE, big, 100, &off), ST_RESYNC,
	    "nor one beyond");
	is_int((long long)off, PIECE, "which says the same");
	is_int(piece(ALICE, id, off, big, PIECE + 1, NULL), ST_TOOBIG,
	    "nor one that is too large");
	is_int(piece(BOB, id, off, big, 1, NULL), ST_NOUSER,
	    "nor one of somebody else");
	restart();
	is_int(state(ALICE, id, &off, NULL), ST_OK, "after a crash it is there");
	is_int((long long)off, PIECE, "with what was acknowledged");
	is_int(piece(ALICE, id, off, big + off, PIECE, &off), ST_OK,
	    "it goes on");
	kid_kill(&kid);
	imsgbuf_clear(&soap);
	part_path(id, path, sizeof(path));
	ok(truncate(path, PIECE + 1000) == 0, "the machine loses octets");
	start();
	is_int(piece(ALICE, id, 2 * PIECE, big + 2 * PIECE, 10, &off),
	    ST_RESYNC, "that is found");
	is_int((long long)off, PIECE + 1000, "it goes on where the file ends");
	while (off < sizeof(big) && piece(ALICE, id, off, big + off,
	    sizeof(big) - off < PIECE ? sizeof(big) - (size_t)off : PIECE,
	    &off) == ST_OK)
		;
	restart();
	is_int(finish(ALICE, id, big, sizeof(big)), ST_OK,
	    "finished after a crash: read again");
	restart();
	is_int(attach(ALICE, id, both, 2, at), ST_OK,
	    "a finished one outlives a crash");
	is_int(fetch(BOB, at, 0, big, sizeof(big)), ST_OK, "the right octets");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, at, ""), ST_OK, "withdrawn");

	is_int(begin(ALICE, 1000, NULL, id), ST_OK, "another");
	is_int(piece(ALICE, id, 0, big, 1000, &off), ST_OK, "all of it");
	kid_kill(&kid);
	imsgbuf_clear(&soap);
	part_path(id, path, sizeof(path));
	ok(unlink(path) == 0, "the machine loses the file");
	start();
	is_int(finish(ALICE, id, big, 1000), ST_RESYNC, "it is not finished");
	is_int(state(ALICE, id, &off, NULL), ST_OK, "nor lost");
	is_int((long long)off, 0, "but begins anew");
	is_int(piece(ALICE, id, 0, big, 1000, &off), ST_OK, "and goes on");
	is_int(finish(ALICE, id, big, 1000), ST_OK, "to its end");
	is_int(attach(ALICE, id, both, 2, at), ST_OK, "named");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, at, ""), ST_OK, "withdrawn");
}

static void
test_digest(void)
{
	uint8_t		 id[ATTACH_ID], at[ATTACH_ID], d[ATTACH_DIGEST];
	uint64_t	 off;
	char		 path[128];
	int		 fd;

	new_file(small, sizeof(small));
	is_int(begin(ALICE, sizeof(small), NULL, id), ST_OK, "an upload");
	is_int(piece(ALICE, id, 0, small, sizeof(small), &off), ST_OK, "whole");
	is_int(finish(ALICE, id, big, 10), ST_BAD, "another digest is claimed");
	is_int(state(ALICE, id, &off, NULL), ST_OK, "it is there");
	is_int((long long)off, 0, "to be sent again");
	is_int(piece(ALICE, id, 0, small, sizeof(small), &off), ST_OK,
	    "it is");
	is_int(finish(ALICE, id, small, sizeof(small)), ST_OK, "and is right");
	is_int(attach(ALICE, id, both, 2, at), ST_OK, "named");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, at, ""), ST_OK, "withdrawn");

	digest(big, 20, d);
	is_int(begin(ALICE, 10, d, id), ST_OK, "one with its digest");
	is_int(piece(ALICE, id, 0, big, 10, &off), ST_OK, "whole");
	is_int(finish(ALICE, id, big, 10), ST_BAD,
	    "which is not the one at the end");
	/* What is hashed is what is on disk when it was read again. */
	restart();
	part_path(id, path, sizeof(path));
	fd = open(path, O_WRONLY);
	ok(fd != -1 && pwrite(fd, "XYZ", 3, 1) == 3, "the disk changes octets");
	close(fd);
	is_int(finish(ALICE, id, big, 20), ST_BAD, "that is found");
	is_int(piece(ALICE, id, 0, big, 10, &off), ST_OK, "begun anew");
	{
		struct upload_result	res;

		is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, ALICE, id,
		    NULL, &res), ST_OK, "given up");
		upload_result_free(&res);
	}
	is_int(count_files("content") + count_files("part"), 0,
	    "no file is left");
}

static void
test_once(void)
{
	struct upload_result	res;
	uint8_t			one[ATTACH_ID], two[ATTACH_ID], d[ATTACH_DIGEST];
	uint8_t			a1[ATTACH_ID], a2[ATTACH_ID];

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, sizeof(big), one), ST_OK, "a file");
	is_int(upload(BOB, big, sizeof(big), two), ST_OK, "the same by another");
	is_int(count_files("content"), 1, "is stored once");
	ok(kid_stat(&kid, "attach_uploads_deduplicated") > 0, "and counted");
	is_int(attach(ALICE, one, both, 2, a1), ST_OK, "named");
	is_int(attach(BOB, two, both + 1, 1, a2), ST_OK, "both");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, a1, ""), ST_OK,
	    "one is withdrawn");
	is_int(fetch(FAR, a1, 0, big, sizeof(big)), ST_NOUSER, "it is gone");
	is_int(fetch(FAR, a2, 0, big, sizeof(big)), ST_OK, "the other is not");
	is_int(change(IMSG_ATTACH_WITHDRAW, BOB, a2, ""), ST_OK, "now that");
	is_int(count_files("content"), 0, "and with it the file");

	/* Who knows a digest does not have the octets. */
	is_int(upload(ALICE, big, sizeof(big), one), ST_OK, "a secret of Alice");
	digest(big, sizeof(big), d);
	is_int(begin(BOB, sizeof(big), d, two), ST_OK, "Bob knows its digest");
	is_int(finish(BOB, two, big, sizeof(big)), ST_RESYNC,
	    "he gets nothing for that");
	is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, BOB, two, NULL,
	    &res), ST_OK, "given up");
	upload_result_free(&res);
	is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, ALICE, one, NULL,
	    &res), ST_OK, "a finished one given up");
	upload_result_free(&res);
	is_int(count_files("content"), 0, "takes its content along");
}

static void
test_name(void)
{
	struct attach_list	l, again;
	const char		*dup[] = { "Bob@A.test", FAR, BOB };
	const char		*bad[] = { "no address" };
	uint8_t			ids[3][ATTACH_ID];

	new_file(small, sizeof(small));
	is_int(upload(ALICE, small, 10, ids[0]), ST_OK, "one");
	is_int(upload(ALICE, small, 20, ids[1]), ST_OK, "two");
	is_int(begin(ALICE, 30, NULL, ids[2]), ST_OK, "half of a third");
	is_int(ak_name(&soap, ALICE, "n1@a.test", ids, 3, both, 2, &l),
	    ST_NOUSER, "not with one that is not finished");
	attach_list_free(&l);
	is_int(ak_name(&soap, ALICE, "n1@a.test", ids, 2, bad, 1, &l), ST_BAD,
	    "nor for nobody");
	attach_list_free(&l);
	is_int(ak_name(&soap, ALICE, "n1@a.test", ids, 2, bad, 0, &l), ST_BAD,
	    "nor for none");
	attach_list_free(&l);
	is_int(ak_name(&soap, ALICE, "n1 @a.test", ids, 2, both, 2, &l),
	    ST_BAD, "nor with a MessageId that is none");
	attach_list_free(&l);
	is_int(state(ALICE, ids[0], NULL, NULL), ST_OK, "nothing was named");
	is_int(ak_name(&soap, ALICE, "n1@a.test", ids, 2, dup, 3, &l), ST_OK,
	    "two are named together");
	is_int(l.n, 2, "both");
	ok(l.n == 2 && memcmp(l.info[0].id, l.info[1].id, ATTACH_ID) != 0 &&
	    memcmp(l.info[0].id, ids[0], ATTACH_ID) != 0, "with new ids");
	is_int((long long)l.info[0].size, 10, "in their order");
	is_int((long long)l.info[1].size, 20, "the second, too");
	is_str(l.info[0].name, "a file.bin", "the name");
	is_str(l.info[0].msgid, "n1@a.test", "the message");
	is_int(l.info[0].nrcpt, 2, "recipients are counted once");
	restart();
	is_int(ak_name(&soap, ALICE, "n1@a.test", ids, 2, both, 2, &again),
	    ST_OK, "the same again");
	ok(again.n == 2 && memcmp(again.info[0].id, l.info[0].id,
	    ATTACH_ID) == 0 && memcmp(again.info[1].id, l.info[1].id,
	    ATTACH_ID) == 0, "gives the same");
	attach_list_free(&again);
	is_int(ak_name(&soap, ALICE, "n2@a.test", ids, 2, both, 2, &again),
	    ST_NOUSER, "another message does not get them");
	attach_list_free(&again);
	is_int(ak_name(&soap, BOB, "n1@a.test", ids, 2, both, 2, &again),
	    ST_NOUSER, "nor another user");
	attach_list_free(&again);
	is_int(fetch(BOB, l.info[0].id, 0, small, 10), ST_OK, "fetched");
	is_int(fetch(FAR, l.info[1].id, 0, small, 20), ST_OK, "both");
	attach_list_free(&l);
}

static void
test_fetch(void)
{
	struct fetch_result	res;
	uint8_t			up[ATTACH_ID], id[ATTACH_ID], *p;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, sizeof(big), up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(ak_fetch(&soap, FAR, id, 0, 1000, 50, &res, &p), ST_OK,
	    "a range");
	ok(res.offset == 1000 && res.length == 50 && res.size == sizeof(big) &&
	    memcmp(p, big + 1000, 50) == 0, "of these octets");
	ok(res.version == 1 && res.newest == 1, "of the only version");
	fetch_result_free(&res);
	free(p);
	is_int(ak_fetch(&soap, FAR, id, 1, sizeof(big) - 10, 50, &res, &p),
	    ST_OK, "a range at the end");
	is_int((long long)res.length, 10, "is shorter");
	fetch_result_free(&res);
	free(p);
	is_int(ak_fetch(&soap, FAR, id, 0, 0, sizeof(big), &res, &p), ST_OK,
	    "more than a piece");
	is_int((long long)res.length, PIECE, "is a piece");
	fetch_result_free(&res);
	free(p);
	is_int(ak_fetch(&soap, FAR, id, 0, sizeof(big), 1, &res, &p), ST_OK,
	    "at the end");
	is_int((long long)res.length, 0, "is nothing");
	fetch_result_free(&res);
	free(p);
	is_int(ak_fetch(&soap, FAR, id, 0, sizeof(big) + 1, 1, &res, &p),
	    ST_BAD, "beyond is an error");
	fetch_result_free(&res);
	is_int(fetch("CAROL@Far.Test", id, 0, big, sizeof(big)), ST_OK,
	    "an address in other letters");
	is_int(fetch(ALICE, id, 0, big, sizeof(big)), ST_OK, "the owner may");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK, "withdrawn");
}

/* Whatever it is: the same answer, octet by octet. */
static void
test_refused(void)
{
	struct fetch_req	q;
	struct rbuf		r;
	struct imsg		m[6];
	struct wbuf		w;
	uint8_t			up[ATTACH_ID], live[ATTACH_ID], gone[ATTACH_ID];
	uint8_t			old[ATTACH_ID], none[ATTACH_ID];
	size_t			i;

	new_file(small, sizeof(small));
	is_int(upload(ALICE, small, 30, up), ST_OK, "one");
	is_int(attach(ALICE, up, both, 2, live), ST_OK, "that is there");
	is_int(upload(ALICE, small, 31, up), ST_OK, "one");
	is_int(attach(ALICE, up, both, 2, gone), ST_OK, "that was");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, gone, ""), ST_OK,
	    "and is withdrawn");
	is_int(upload(ALICE, small, 32, up), ST_OK, "one");
	is_int(attach(ALICE, up, both, 2, old), ST_OK, "that expires");
	is_int(ak_change(&soap, IMSG_ATTACH_EXPIRE, ALICE, old, "",
	    wstime_now() - 1000, NULL, NULL), ST_OK, "and has");
	arc4random_buf(none, sizeof(none));
	for (i = 0; i < nitems(m); i++) {
		memset(&q, 0, sizeof(q));
		q.principal = (char *)(uintptr_t)(i == 1 ? OTHER :
		    i == 5 ? BOB : FAR);
		memcpy(q.id, i == 0 ? none : i == 1 || i == 4 ? live :
		    i == 2 ? gone : i == 3 ? old : live, ATTACH_ID);
		q.version = i == 4 ? 2 : 0;
		if (i == 5) {
			is_int(change(IMSG_ATTACH_REVOKE, ALICE, live, BOB),
			    ST_OK, "revoked");
		}
		wbuf_init(&w);
		fetch_req_put(&w, &q);
		if (ak_take(&soap, ak_send(&soap, IMSG_ATTACH_FETCH, &w, -1),
		    &m[i]) == -1)
			fatalx("no answer");
	}
	ok(m[0].hdr.type == IMSG_SOAP_FETCH_REFUSED, "none: refused");
	rbuf_init(&r, m[0].data, m[0].hdr.len);
	is_int(rbuf_u32(&r), ST_NOUSER, "no such attachment");
	for (i = 1; i < nitems(m); i++)
		ok(m[i].hdr.type == m[0].hdr.type &&
		    m[i].hdr.len == m[0].hdr.len &&
		    memcmp(m[i].data, m[0].data, m[0].hdr.len) == 0,
		    i == 1 ? "a stranger: the same" :
		    i == 2 ? "withdrawn: the same" :
		    i == 3 ? "expired: the same" :
		    i == 4 ? "no such version: the same" :
		    "revoked: the same");
	for (i = 0; i < nitems(m); i++)
		imsg_free(&m[i]);
	is_int(fetch(FAR, live, 0, small, 30), ST_OK,
	    "who is listed gets it still");
	is_int(change(IMSG_ATTACH_GRANT, ALICE, live, OTHER), ST_OK, "granted");
	is_int(fetch(OTHER, live, 0, small, 30), ST_OK, "to another");
	is_int(change(IMSG_ATTACH_GRANT, ALICE, live, OTHER), ST_OK,
	    "twice is once");
	is_int(change(IMSG_ATTACH_REVOKE, ALICE, live, BOB), ST_NOUSER,
	    "nobody is revoked twice");
	is_int(change(IMSG_ATTACH_GRANT, ALICE, gone, OTHER), ST_NOUSER,
	    "nothing is granted of what is gone");
	is_int(ak_change(&soap, IMSG_ATTACH_EXPIRE, ALICE, gone, "", 0, NULL,
	    NULL), ST_NOUSER, "which does not come back");
	is_int(ak_change(&soap, IMSG_ATTACH_EXPIRE, ALICE, live, "",
	    wstime_now() + 86400000, NULL, NULL), ST_OK, "one with a term");
	is_int(fetch(FAR, live, 0, small, 30), ST_OK, "is there until then");
	is_int(ak_change(&soap, IMSG_ATTACH_EXPIRE, ALICE, live, "", -5, NULL,
	    NULL), ST_BAD, "a time that is none");
}

/* What only the owner may: others are told what strangers are. */
static void
test_owner(void)
{
	static const uint32_t	 types[] = { IMSG_ATTACH_GRANT,
				    IMSG_ATTACH_REVOKE, IMSG_ATTACH_EXPIRE,
				    IMSG_ATTACH_WITHDRAW, IMSG_ATTACH_UPDATE };
	struct show_result	 s;
	uint8_t			 up[ATTACH_ID], id[ATTACH_ID], mine[ATTACH_ID];
	size_t			 i;

	new_file(small, sizeof(small));
	is_int(upload(ALICE, small, 40, up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "of Alice");
	is_int(upload(BOB, small, 41, mine), ST_OK, "one of Bob");
	for (i = 0; i < nitems(types); i++) {
		is_int(ak_change(&soap, types[i], BOB, id, FAR, 0, mine,
		    NULL), ST_NOUSER, proto_name(types[i]));
		is_int(ak_change(&soap, types[i], FAR, id, FAR, 0, mine,
		    NULL), ST_DENIED, "nor one from afar");
	}
	is_int(ak_show(&soap, BOB, id, "", 0, 0, &s), ST_NOUSER, "nor seen");
	ok(!s.found, "at all");
	show_result_free(&s);
	is_int(ak_change(&soap, IMSG_ATTACH_UPDATE, ALICE, id, "", 0, mine,
	    NULL), ST_NOUSER, "nor can the owner use another's upload");
	is_int(fetch(FAR, id, 0, small, 40), ST_OK, "all is as it was");
	is_int(attach(BOB, mine, both, 1, id), ST_OK, "as is Bob's");
}

static void
test_versions(void)
{
	struct fetch_result	res;
	uint8_t			up[ATTACH_ID], id[ATTACH_ID], *p;
	uint32_t		version;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, 500, up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(upload(ALICE, big + 1, 600, up), ST_OK, "its new version");
	is_int(ak_change(&soap, IMSG_ATTACH_UPDATE, ALICE, id, "", 0, up,
	    &version), ST_OK, "is put up");
	is_int(version, 2, "the second");
	is_int(ak_change(&soap, IMSG_ATTACH_UPDATE, ALICE, id, "", 0, up,
	    &version), ST_OK, "asked again");
	is_int(version, 2, "the same");
	is_int(fetch(FAR, id, 0, big + 1, 600), ST_OK, "the newest");
	is_int(fetch(FAR, id, 2, big + 1, 600), ST_OK, "by its number");
	is_int(fetch(FAR, id, 1, big, 500), ST_OK, "and the one before");
	is_int(ak_fetch(&soap, FAR, id, 1, 0, 1, &res, &p), ST_OK, "of which");
	ok(res.version == 1 && res.newest == 2, "the answer says that");
	fetch_result_free(&res);
	free(p);
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK, "withdrawn");
	is_int(fetch(FAR, id, 1, big, 500), ST_NOUSER, "with all versions");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK,
	    "again: nothing changes");
}

static void
test_show(void)
{
	struct show_result	s;
	const char		*many[] = { "d@x.test", "a@x.test", "c@x.test",
				    "b@x.test" };
	uint8_t			up[ATTACH_ID], id[ATTACH_ID];
	int			i;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, sizeof(big), up), ST_OK, "a file");
	is_int(attach(ALICE, up, many, 4, id), ST_OK, "for four");
	for (i = 0; i < 3; i++)
		(void)fetch("a@x.test", id, 0, big, sizeof(big));
	(void)fetch("b@x.test", id, 1, big, sizeof(big));
	(void)fetch(ALICE, id, 0, big, sizeof(big));
	restart();
	is_int(ak_show(&soap, ALICE, id, "", 0, 0, &s), ST_OK, "shown");
	ok(s.found && s.nversions == 1 && s.version[0].number == 1 &&
	    s.version[0].size == sizeof(big), "its version");
	is_int((long long)s.info.fetches, 4, "fetches, however many pieces");
	is_int(s.nrcpt, 4, "its recipients");
	ok(s.nrcpt == 4 && strcmp(s.rcpt[0].addr, "a@x.test") == 0 &&
	    s.rcpt[0].fetches == 3 && s.rcpt[0].last > 0 &&
	    strcmp(s.rcpt[0].domain, "x.test") == 0, "who fetched how often");
	ok(s.nrcpt == 4 && strcmp(s.rcpt[3].addr, "d@x.test") == 0 &&
	    s.rcpt[3].fetches == 0 && s.rcpt[3].last == 0, "who did not");
	ok(s.nfetches == 4 && strcmp(s.fetch[0].addr, "b@x.test") == 0 &&
	    s.fetch[0].version == 1 && s.fetch[0].time >= s.fetch[3].time &&
	    strcmp(s.fetch[3].addr, "a@x.test") == 0, "the log, newest first");
	show_result_free(&s);
	is_int(ak_show(&soap, ALICE, id, "", 0, 2, &s), ST_OK, "a page");
	ok(s.nrcpt == 2 && s.more_rcpt && s.nfetches == 2 && s.more_fetches,
	    "of both");
	show_result_free(&s);
	is_int(ak_show(&soap, ALICE, id, "b@x.test", 3, 2, &s), ST_OK,
	    "the next");
	ok(s.nrcpt == 2 && !s.more_rcpt && s.nfetches == 2 && !s.more_fetches &&
	    strcmp(s.rcpt[0].addr, "c@x.test") == 0 && s.fetch[0].seq == 2,
	    "goes on behind it");
	show_result_free(&s);
	fault->clock = 3600;
	is_int(fetch("c@x.test", id, 0, big, sizeof(big)), ST_OK, "later");
	is_int(ak_show(&soap, ALICE, id, "c@x.test", 0, 1, &s), ST_OK, "seen");
	is_int((long long)s.fetch[0].seq, 5, "as the fifth");
	show_result_free(&s);
	/* Who begins in the middle has fetched, too. */
	{
		struct fetch_result	res;
		uint8_t			*p;

		is_int(ak_fetch(&soap, "d@x.test", id, 0, 5, 10, &res, &p),
		    ST_OK, "from the middle");
		fetch_result_free(&res);
		free(p);
	}
	is_int(ak_show(&soap, ALICE, id, "c@x.test", 0, 1, &s), ST_OK, "seen");
	ok(s.fetch[0].seq == 6 && strcmp(s.fetch[0].addr, "d@x.test") == 0,
	    "who begins in the middle as well");
	show_result_free(&s);
	fault->clock = 0;
}

static void
test_list(void)
{
	struct attach_list	l;
	uint8_t			up[ATTACH_ID], id[3][ATTACH_ID];
	int			i;

	new_file(small, sizeof(small));
	for (i = 0; i < 3; i++) {
		if (upload(BOB, small, 50 + (size_t)i, up) != ST_OK ||
		    attach(BOB, up, both, 2, id[i]) != ST_OK)
			fatalx("upload");
		(void)poll(NULL, 0, 2);		/* another time of creation */
	}
	is_int(ak_list(&soap, BOB, NULL, 2, &l), ST_OK, "a list");
	ok(l.n == 2 && l.more && memcmp(l.info[0].id, id[2], ATTACH_ID) == 0 &&
	    memcmp(l.info[1].id, id[1], ATTACH_ID) == 0 &&
	    l.info[0].size == 52, "the newest first");
	attach_list_free(&l);
	is_int(ak_list(&soap, BOB, id[1], 2, &l), ST_OK, "and on");
	ok(l.n >= 1 && memcmp(l.info[0].id, id[0], ATTACH_ID) == 0,
	    "to the one before");
	attach_list_free(&l);
	is_int(ak_list(&soap, ALICE, id[1], 2, &l), ST_NOUSER,
	    "nobody else's from there");
	attach_list_free(&l);
	is_int(ak_list(&soap, ALICE, NULL, 0, &l), ST_OK, "one's own");
	ok(l.n > 0, "has some");
	for (i = 0; i < (int)l.n; i++)
		if (memcmp(l.info[i].id, id[0], ATTACH_ID) == 0)
			break;
	is_int(i, l.n, "and none of others");
	attach_list_free(&l);
}

static void
test_quota(void)
{
	struct attach_list	l;
	struct upload_result	res;
	uint8_t			id[4][ATTACH_ID], at[ATTACH_ID];
	int64_t			used = 0;
	uint32_t		i;

	if (ak_list(&soap, BOB, NULL, 0, &l) != ST_OK)
		fatalx("list");
	for (i = 0; i < l.n; i++)
		used += l.info[i].withdrawn ? 0 : (int64_t)l.info[i].size;
	attach_list_free(&l);
	conf->limit[LIM_ATTACHMENT_SIZE] = 2000;
	conf->limit[LIM_ATTACHMENT_QUOTA_USER] = used + 3000;
	conf->limit[LIM_UPLOADS_PER_USER] = 3;
	kid_reload(&kid, conf);
	is_int(begin(BOB, 2001, NULL, id[0]), ST_TOOBIG, "too large a file");
	is_int(begin(BOB, 2000, NULL, id[0]), ST_OK, "one that is not");
	is_int(begin(BOB, 1001, NULL, id[1]), ST_TOOBIG,
	    "what is declared counts");
	is_int(begin(BOB, 1000, NULL, id[1]), ST_OK, "what fits is taken");
	is_int(begin(BOB, 0, NULL, id[2]), ST_OK, "or takes no room");
	is_int(begin(BOB, 0, NULL, id[3]), ST_TOOBIG, "not one more");
	for (i = 1; i < 3; i++) {
		is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, BOB, id[i],
		    NULL, &res), ST_OK, "given up");
		upload_result_free(&res);
	}
	is_int(piece(BOB, id[0], 0, big, 2000, NULL), ST_OK, "octets");
	is_int(finish(BOB, id[0], big, 2000), ST_OK, "finished");
	is_int(begin(BOB, 1001, NULL, id[1]), ST_TOOBIG, "finished counts");
	is_int(attach(BOB, id[0], both, 2, at), ST_OK, "attached");
	is_int(begin(BOB, 1001, NULL, id[1]), ST_TOOBIG, "attached counts");
	is_int(change(IMSG_ATTACH_WITHDRAW, BOB, at, ""), ST_OK, "withdrawn");
	is_int(begin(BOB, 2000, NULL, id[1]), ST_OK, "does not");
	conf->limit[LIM_ATTACHMENT_QUOTA_USER] = 0;
	conf->limit[LIM_ATTACHMENT_QUOTA_DOMAIN] = 1;
	kid_reload(&kid, conf);
	is_int(begin(ALICE, 1, NULL, id[2]), ST_TOOBIG, "a domain's quota");
	conf->limit[LIM_ATTACHMENT_QUOTA_DOMAIN] = 0;
	conf->limit[LIM_ATTACHMENT_SIZE] = 1 << 30;
	conf->limit[LIM_UPLOADS_PER_USER] = 100;
	kid_reload(&kid, conf);
	is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_ABORT, BOB, id[1], NULL,
	    &res), ST_OK, "given up");
	upload_result_free(&res);
	ok(kid_stat(&kid, "limit_uploads_per_user_struck") == 1,
	    "the limit that struck is counted");
}

static void
test_damage(void)
{
	uint8_t	up[ATTACH_ID], id[ATTACH_ID], other[ATTACH_ID];
	char	path[128], bad[160];

	new_file(big, sizeof(big));
	content_path(big, 70000, path, sizeof(path));
	is_int(upload(ALICE, big, 70000, up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	ok(truncate(path, 69999) == 0, "that loses an octet");
	is_int(fetch(FAR, id, 0, big, 70000), ST_TEMPFAIL, "is not handed out");
	snprintf(bad, sizeof(bad), "%s.bad", path);
	ok(access(bad, F_OK) == 0 && access(path, F_OK) == -1,
	    "it is put aside");
	ok(kid_logged("ev=damage"), "and logged");
	is_int(fetch(OTHER, id, 0, big, 70000), ST_NOUSER,
	    "a stranger learns nothing of it");
	is_int(fetch(FAR, id, 0, big, 70000), ST_TEMPFAIL, "it stays so");
	is_int(upload(BOB, big, 70000, up), ST_OK, "who has it uploads it");
	is_int(fetch(FAR, id, 0, big, 70000), ST_OK, "and it is healed");
	is_int(attach(BOB, up, both, 2, other), ST_OK, "attached");
	ok(unlink(path) == 0, "now the file is lost");
	is_int(fetch(FAR, id, 0, big, 70000), ST_TEMPFAIL,
	    "that is found as well");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK,
	    "it can be withdrawn");
	is_int(change(IMSG_ATTACH_WITHDRAW, BOB, other, ""), ST_OK,
	    "by both");
}

/* Octets that rot in place are found before anybody asks for them. */
static void
test_scrub(void)
{
	uint8_t	up[ATTACH_ID], id[ATTACH_ID], whole[ATTACH_ID];
	char	path[128];
	int64_t	was, damaged = kid_stat(&kid, "attach_damaged");
	int	fd;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, sizeof(big), up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(upload(ALICE, big, 1000, up), ST_OK, "another");
	is_int(attach(ALICE, up, both, 2, whole), ST_OK, "attached");
	content_path(big, sizeof(big), path, sizeof(path));
	fd = open(path, O_WRONLY);
	ok(fd != -1 && pwrite(fd, "rot", 3, 299000) == 3, "an octet rots");
	close(fd);
	is_int(kid_stat(&kid, "attach_damaged"), damaged, "nobody knows");
	conf->limit[LIM_SCRUB_INTERVAL] = 1;
	kid_reload(&kid, conf);
	restart();
	ok(wait_stat("attach_damaged", 1), "it is read, and found");
	is_int(fetch(FAR, id, 0, big, sizeof(big)), ST_TEMPFAIL,
	    "it is not handed out");
	is_int(fetch(FAR, whole, 0, big, 1000), ST_OK, "others are");
	was = kid_stat(&kid, "attach_scrubbed");
	ok(wait_stat("attach_scrubbed", was + 20), "and are read again");
	is_int(kid_stat(&kid, "attach_damaged"), 1, "and are right");
	conf->limit[LIM_SCRUB_INTERVAL] = 7 * 86400;
	kid_reload(&kid, conf);
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK, "withdrawn");
}

static void
test_over(void)
{
	struct attach_list	l;
	uint8_t			up[ATTACH_ID], id[ATTACH_ID], half[ATTACH_ID];
	char			path[128];
	int64_t			was;

	new_file(big, sizeof(big));
	content_path(big, 4000, path, sizeof(path));
	is_int(upload(ALICE, big, 4000, up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(begin(ALICE, 4000, NULL, half), ST_OK, "an upload");
	is_int(piece(ALICE, half, 0, big, 10, NULL), ST_OK, "begun");
	is_int(upload(ALICE, big, 5000, up), ST_OK, "and one that no message gets");
	is_int(ak_change(&soap, IMSG_ATTACH_EXPIRE, ALICE, id, "",
	    wstime_now() + 3600 * 1000, NULL, NULL), ST_OK, "for an hour");
	was = kid_stat(&kid, "attach_uploads_expired");
	fault->clock = 8 * 86400;
	ok(wait_stat("attach_uploads_expired", was + 2), "time passes");
	is_int(state(ALICE, half, NULL, NULL), ST_NOUSER, "the upload is gone");
	is_int(state(ALICE, up, NULL, NULL), ST_NOUSER, "the other, too");
	is_int(count_files("part"), 0, "and their octets");
	is_int(fetch(FAR, id, 0, big, 4000), ST_NOUSER, "it has expired");
	for (was = 0; was < 500 && access(path, F_OK) == 0; was++)
		(void)poll(NULL, 0, 20);
	ok(access(path, F_OK) == -1, "the file is gone");
	content_path(big, 5000, path, sizeof(path));
	ok(access(path, F_OK) == -1, "and the other's");
	is_int(ak_list(&soap, ALICE, NULL, 1, &l), ST_OK, "its owner sees it");
	ok(l.n == 1 && memcmp(l.info[0].id, id, ATTACH_ID) == 0,
	    "for a while");
	attach_list_free(&l);
	fault->clock = 40 * 86400;
	was = kid_stat(&kid, "attach_forgotten");
	ok(wait_stat("attach_forgotten", was + 1), "then it is forgotten");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_NOUSER,
	    "by its owner as well");
	fault->clock = 0;
}

static void
test_orphans(void)
{
	uint8_t	up[ATTACH_ID], id[ATTACH_ID], half[ATTACH_ID];
	char	path[128], part[128];
	int	fd;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, 6000, up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(begin(ALICE, 4000, NULL, half), ST_OK, "an upload");
	is_int(piece(ALICE, half, 0, big, 10, NULL), ST_OK, "begun");
	content_path("nobody", 6, path, sizeof(path));
	arc4random_buf(up, sizeof(up));
	part_path(up, part, sizeof(part));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	close(open(part, O_WRONLY | O_CREAT, 0600));
	close(open("content/00/notes", O_WRONLY | O_CREAT, 0600));
	restart();
	ok(wait_stat("attach_orphan_rounds", 1), "files are looked at");
	ok(access(path, F_OK) == 0 && access(part, F_OK) == 0,
	    "new ones are left alone");
	fault->clock = 2 * 3600;
	restart();
	ok(wait_stat("attach_orphan_rounds", 1), "later, again");
	ok(access(path, F_OK) == -1 && access(part, F_OK) == -1,
	    "those that no record names are removed");
	/* Beside what those left that were killed before. */
	ok(kid_stat(&kid, "attach_orphans") >= 2, "and counted");
	ok(access("content/00/notes", F_OK) == 0,
	    "a file that is none of ours is not");
	is_int(fetch(FAR, id, 0, big, 6000), ST_OK, "those with one are there");
	is_int(piece(ALICE, half, 10, big + 10, 3990, NULL), ST_OK,
	    "as is the upload");
	is_int(finish(ALICE, half, big, 4000), ST_OK, "to its end");
	content_path(big, 6000, path, sizeof(path));
	ok(unlink(path) == 0, "a record without its file");
	restart();
	ok(wait_stat("attach_damaged", 1), "is found, too");
	fault->clock = 0;
}

/* Many at once, and one that is larger than what waits for the disk. */
static void
test_many(void)
{
	struct fetch_result	res;
	struct fetch_req	q;
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;
	EVP_MD_CTX		*ctx;
	uint8_t			up[ATTACH_ID], id[ATTACH_ID], d[EVP_MAX_MD_SIZE];
	uint64_t		first = 0, last = 0, off = 0, size = 40 << 20;
	int			i, good = 0, code = ST_OK;
	struct upload_result	ur;

	new_file(big, sizeof(big));
	is_int(upload(ALICE, big, sizeof(big), up), ST_OK, "a file");
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	for (i = 0; i < 400; i++) {
		memset(&q, 0, sizeof(q));
		q.principal = (char *)(uintptr_t)(i % 2 ? BOB : FAR);
		memcpy(q.id, id, ATTACH_ID);
		q.offset = (uint64_t)(i % 4) * PIECE;
		wbuf_init(&w);
		fetch_req_put(&w, &q);
		last = ak_send(&soap, IMSG_ATTACH_FETCH, &w, -1);
		if (i == 0)
			first = last;
	}
	for (i = 0; i < 400; i++) {
		if (ak_take(&soap, first + (uint64_t)i, &m) == -1)
			break;
		rbuf_init(&r, m.data, m.hdr.len);
		if (fetch_result_get(&r, &res) == 0) {
			good += res.code == ST_OK && res.length == PIECE;
			fetch_result_free(&res);
		}
		imsg_free(&m);
	}
	is_int(good, 400, "400 fetches at once are all answered, in order");

	if ((ctx = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		fatalx("digest");
	is_int(begin(ALICE, size, NULL, up), ST_OK, "a large file");
	while (off < size && code == ST_OK) {
		if (off == 20 << 20)
			restart();
		big[0] = (uint8_t)(off >> 16);
		big[1] = (uint8_t)(off >> 24);
		(void)EVP_DigestUpdate(ctx, big, PIECE);
		code = piece(ALICE, up, off, big, PIECE, &off);
	}
	is_int(code, ST_OK, "in pieces, with a crash in the middle");
	(void)EVP_DigestFinal_ex(ctx, d, NULL);
	EVP_MD_CTX_free(ctx);
	is_int(ak_upload(&soap, IMSG_ATTACH_UPLOAD_FINISH, ALICE, up, d, &ur),
	    ST_OK, "has the right digest");
	upload_result_free(&ur);
	is_int(attach(ALICE, up, both, 2, id), ST_OK, "attached");
	is_int(change(IMSG_ATTACH_WITHDRAW, ALICE, id, ""), ST_OK, "withdrawn");
}

int
main(void)
{
	struct conf_domain	*d;
	char			 dir[] = "/tmp/test_attach.XXXXXX", path[64];
	char			 options[512];
	int			 fd, bad;

	log_init("test_attach", 1, 0);
	testdir_enter(dir);
	snprintf(path, sizeof(path), "%s/fault", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd == -1 || ftruncate(fd, sizeof(*fault)) == -1 ||
	    (fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0)) == MAP_FAILED)
		fatal("%s", path);
	close(fd);
	setenv("WS_FAULT", path, 1);
	/* A sanitizer wants to be the first that is loaded. */
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0",
	    getenv("ASAN_OPTIONS") != NULL ? getenv("ASAN_OPTIONS") : "");
	setenv("ASAN_OPTIONS", options, 1);
	if (mkdir("attach", 0700) == -1 || chdir("attach") == -1)
		fatal("attach");
	if ((conf = conf_new()) == NULL ||
	    (d = calloc(1, sizeof(*d))) == NULL)
		fatal("conf");
	d->name = strdup("a.test");
	d->quota = -1;
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
	conf_add(ALICE);
	conf_add(BOB);
	conf->limit[LIM_ATTACHMENT_PIECE] = PIECE;
	new_file(big, sizeof(big));
	new_file(small, sizeof(small));
	start();
	test_upload();
	test_resume();
	test_digest();
	test_once();
	test_name();
	test_fetch();
	test_refused();
	test_owner();
	test_versions();
	test_show();
	test_list();
	test_quota();
	test_damage();
	test_scrub();
	test_over();
	test_orphans();
	test_many();
	is_int(kid_stop(&kid), 0, "an orderly end");
	imsgbuf_clear(&soap);
	ok(!kid_logged("ERROR: AddressSanitizer") &&
	    !kid_logged("runtime error"), "no complaint of a sanitizer");
	conf_free(conf);
	if ((bad = done_testing()) == 0 &&
	    (chdir("/") == -1 || testdir_remove(dir) == -1))
		perror(dir);
	if (bad)
		printf("# see %s\n", dir);
	return bad;
}
