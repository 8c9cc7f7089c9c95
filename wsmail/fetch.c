/* SPDX-License-Identifier: ISC */
/*
 * wsmail fetch: attachments of a message, from the server of its sender, to
 * which our own server vouches for us.  What comes is written to a part
 * file, gone on with after anything that interrupts it, and gets its name
 * when it is what the sender signed: never over what is there.
 */
#include "compat.h"

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "wsemail.h"
#include "wsmail.h"
#include "wstime.h"

#define FETCH_TIMEOUT	150		/* s */
#define FETCH_BUF	(256U << 10)
#define FETCH_MAX	(64U << 20)	/* octets in an answer */
#define FETCH_RENEW	(15 * 1000)	/* ms before a token ends */
#define FETCH_NAME	200		/* octets of a file's name */

struct fetch {
	struct session	*home;
	const char	*where;		/* -H, or NULL */
	const char	*out;		/* -o, or NULL */
	int64_t		 want;		/* -v; 0: the newest */
	const struct package *p;
	const struct ondemand *o;
	struct away	 away;
	int		 is_away;
	char		*path, *part;	/* where it goes, and until then */
	int		 fd;
	uint64_t	 offset, size;
	uint32_t	 version, newest;
	uint8_t		 digest[32];
	EVP_MD_CTX	*md;
	struct answer	 a;
	const uint8_t	*data;		/* of the last answer, in it or: */
	uint8_t		*decoded;
	size_t		 len;
};

static int	 fetch_options(struct fetch *, int, char **);
static int	 fetch_number(const struct attached *, const char *, size_t *);
static int	 fetch_one(struct fetch *);
static int	 fetch_session(struct fetch *, struct session **);
static int	 fetch_ask(struct fetch *, int64_t length);
static int	 fetch_judge(struct fetch *);
static int	 fetch_octets(struct fetch *);
static void	 fetch_answer_free(struct fetch *);
static int	 fetch_newest(struct fetch *);
static int	 fetch_paths(struct fetch *);
static int	 fetch_part(struct fetch *);
static int	 fetch_hash(struct fetch *);
static int	 fetch_write(struct fetch *);
static int	 fetch_all(struct fetch *);
static int	 fetch_end(struct fetch *);
static int	 fetch_place(struct fetch *);

static int
fetch_options(struct fetch *f, int argc, char **argv)
{
	const char	*errstr;
	int		 ch;

	f->want = 1;
	while ((ch = getopt(argc, argv, "H:o:v:")) != -1) {
		switch (ch) {
		case 'H':
			f->where = optarg;
			break;
		case 'o':
			f->out = optarg;
			break;
		case 'v':
			if (strcmp(optarg, "newest") == 0) {
				f->want = 0;
				break;
			}
			f->want = strtonum(optarg, 1, UINT32_MAX, &errstr);
			if (errstr != NULL) {
				fprintf(stderr, "wsmail: -v %s: the version "
				    "is %s\n", optarg, errstr);
				return EX_USAGE;
			}
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 1)
		usage();
	return 0;
}

/* By its number in the message, or its name. */
static int
fetch_number(const struct attached *at, const char *word, size_t *i)
{
	const char	*errstr;

	for (*i = 0; *i < at->n; ++*i)
		if (strcmp(at->at[*i].name, word) == 0)
			return 0;
	*i = (size_t)strtonum(word, 1, (long long)at->n, &errstr) - 1;
	if (errstr == NULL)
		return 0;
	fprintf(stderr, "wsmail: %s: the message has no such attachment\n",
	    word);
	return EX_USAGE;
}

int
cmd_fetch(struct session *s, int argc, char **argv)
{
	struct fetch	 f = { .home = s, .fd = -1 };
	struct attached	 at = { .at = NULL };
	struct package	 p;
	size_t		 i;
	int		 code, n;

	if ((code = fetch_options(&f, argc, argv)) != 0)
		return code;
	n = optind;
	if ((code = package_fetch(s, argv[n], &p)) != 0)
		return code;
	f.p = &p;
	if (!verdict_good(&p.verdict)) {
		fprintf(stderr, "wsmail: message %s: its signature is not "
		    "good, so nothing is fetched\n", argv[n]);
		code = EX_DATAERR;
	} else if ((code = attached_read(&p.msg, &at)) == 0 && at.n == 0) {
		fprintf(stderr, "wsmail: message %s has no attachments to "
		    "fetch\n", argv[n]);
		code = EX_DATAERR;
	}
	if (code == 0 && n + 1 == argc)
		for (i = 0; code == 0 && i < at.n; i++) {
			f.o = &at.at[i];
			code = fetch_one(&f);
		}
	for (n++; code == 0 && n < argc; n++)
		if ((code = fetch_number(&at, argv[n], &i)) == 0) {
			f.o = &at.at[i];
			code = fetch_one(&f);
		}
	if (f.is_away)
		away_close(&f.away);
	attached_free(&at);
	package_free(&p);
	return code;
}

/* --- requests ------------------------------------------------------------------ */

/* Our own server, or that of its location with a token that is valid. */
static int
fetch_session(struct fetch *f, struct session **s)
{
	int	 code;

	*s = f->home;
	if (strcmp(f->o->location, addr_domain(f->home->acc->address)) == 0)
		return 0;
	if (f->is_away && f->away.t.saml.until - FETCH_RENEW <=
	    wstime_now()) {
		away_close(&f->away);
		f->is_away = 0;
	}
	if (!f->is_away) {
		memset(&f->away, 0, sizeof(f->away));
		*s = f->home;
		if ((code = token_obtain(f->home, f->o->location,
		    &f->away.t)) != 0 || (code = away_open(&f->away,
		    f->home->acc, f->where)) != 0)
			return code;
		f->is_away = 1;
	}
	*s = &f->away.s;
	return 0;
}

static void
fetch_answer_free(struct fetch *f)
{
	answer_free(&f->a);
	free(f->decoded);
	f->decoded = NULL;
	f->data = NULL;
	f->len = 0;
}

/* Octets from the offset on; tried again as long as that may help. */
static int
fetch_ask(struct fetch *f, int64_t length)
{
	struct wbuf	 w = { 0 };
	struct session	*s = f->home;
	unsigned int	 tries = 0;
	int		 code;

	do {
		w.len = 0;
		xml_put_elem(&w, "w:Attachment", f->o->id);
		wbuf_printf(&w, "<w:Version>%lld</w:Version><w:Offset>%llu"
		    "</w:Offset><w:Length>%lld</w:Length>",
		    (long long)f->want, (unsigned long long)f->offset,
		    (long long)length);
		if ((code = fetch_session(f, &s)) == 0 &&
		    (code = call_octets(s, "AttachmentFetch", &w, NULL, 0,
		    FETCH_TIMEOUT, &f->a)) == 0 &&
		    ((code = fetch_octets(f)) != 0 ||
		    (code = fetch_judge(f)) != 0))
			fetch_answer_free(f);
	} while (code != 0 && transfer_again(s, code, &tries));
	wbuf_free(&w);
	return code;
}

static int
fetch_octets(struct fetch *f)
{
	xmlNodePtr	 n = xml_child(f->a.op, NS_WSE2, "Data");

	if (n != NULL && (f->data = mime_data(&f->a.mime, n, FETCH_MAX,
	    &f->len, &f->decoded)) != NULL)
		return 0;
	fprintf(stderr, "wsmail: the answer has no data\n");
	return EX_PROTOCOL;
}

/*
 * Checks UBIND and FULLNAME: it is what was asked for, and for us, of the same
 * version and size as all before it, and of the first version what the
 * message says.
 */
static int
fetch_judge(struct fetch *f)
{
	char	*id = answer_text(f->a.op, "Attachment");
	char	*digest = answer_text(f->a.op, "Digest");
	char	*rcpt = answer_text(f->a.op, "Recipient");
	int64_t	 version = answer_int(f->a.op, "Version", -1);
	int64_t	 newest = answer_int(f->a.op, "Newest", -1);
	int64_t	 size = answer_int(f->a.op, "Size", -1);
	int64_t	 offset = answer_int(f->a.op, "Offset", -1);
	uint8_t	 d[32];
	int	 ok;

	ok = strcmp(id, f->o->id) == 0 &&
	    strcmp(rcpt, f->home->acc->address) == 0 && ondemand_digest(digest, d) == 0 &&
	    version >= 1 && version <= UINT32_MAX && newest >= version &&
	    newest <= UINT32_MAX && size >= 0 && offset >= 0 &&
	    (uint64_t)offset == f->offset &&
	    f->len <= (uint64_t)size - (uint64_t)offset &&
	    (f->want == 0 || f->want == version);
	if (ok && version == 1)
		ok = (uint64_t)size == f->o->size &&
		    memcmp(d, f->o->digest, sizeof(d)) == 0;
	if (ok && f->version != 0)
		ok = (uint32_t)version == f->version && (uint64_t)size ==
		    f->size && memcmp(d, f->digest, sizeof(d)) == 0;
	free(id);
	free(digest);
	free(rcpt);
	if (!ok) {
		fprintf(stderr, "wsmail: the answer is not of the attachment "
		    "that was asked for\n");
		return EX_PROTOCOL;
	}
	f->version = (uint32_t)version;
	f->newest = (uint32_t)newest;
	f->size = (uint64_t)size;
	memcpy(f->digest, d, sizeof(d));
	return 0;
}

/* Which it is, before there is a file for it. */
static int
fetch_newest(struct fetch *f)
{
	int	 code;

	if (f->want == 1) {
		f->version = 1;
		f->size = f->o->size;
		memcpy(f->digest, f->o->digest, sizeof(f->digest));
		return 0;
	}
	if ((code = fetch_ask(f, 1)) == 0)
		fetch_answer_free(f);
	return code;
}

/* --- the file ------------------------------------------------------------------- */

/* path: where it goes; part: beside it, named by what it is. */
static int
fetch_paths(struct fetch *f)
{
	struct stat	 st;
	const char	*dir = ".", *slash;
	char		 name[FETCH_NAME + 1];
	int		 r, is_dir;

	transfer_name(name, sizeof(name), f->o->name);
	is_dir = f->out != NULL && stat(f->out, &st) == 0 &&
	    S_ISDIR(st.st_mode);
	if (is_dir)
		dir = f->out;
	if (f->out != NULL && !is_dir)
		r = asprintf(&f->path, "%s", f->out);
	else
		r = asprintf(&f->path, "%s/%s", dir, name);
	if (r == -1)
		err(EX_OSERR, NULL);
	slash = strrchr(f->path, '/');
	if (asprintf(&f->part, "%.*s.wsmail-%s-%u.part", slash != NULL ?
	    (int)(slash + 1 - f->path) : 0, f->path, f->o->id, f->version) ==
	    -1)
		err(EX_OSERR, NULL);
	if (lstat(f->path, &st) == 0)
		errno = EEXIST;
	if (errno == ENOENT)
		return 0;
	fprintf(stderr, "wsmail: %s: %s\n", f->path, strerror(errno));
	return EX_CANTCREAT;
}

/* What an earlier try has brought is gone on with. */
static int
fetch_part(struct fetch *f)
{
	struct stat	 st;

	f->fd = open(f->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd == -1 || fstat(f->fd, &st) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", f->part, strerror(errno));
		return EX_CANTCREAT;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_nlink != 1) {
		fprintf(stderr, "wsmail: %s: not a file of one's own\n",
		    f->part);
		return EX_CANTCREAT;
	}
	f->offset = (uint64_t)st.st_size;
	if (f->offset > f->size)
		f->offset = 0;
	if (ftruncate(f->fd, (off_t)f->offset) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", f->part, strerror(errno));
		return EX_IOERR;
	}
	return fetch_hash(f);
}

/* Of what is there. */
static int
fetch_hash(struct fetch *f)
{
	uint8_t		*buf = malloc(FETCH_BUF);
	uint64_t	 off;
	ssize_t		 n = 0;
	int		 ok;

	f->md = EVP_MD_CTX_new();
	ok = buf != NULL && f->md != NULL &&
	    EVP_DigestInit_ex(f->md, EVP_sha256(), NULL) == 1;
	for (off = 0; ok && off < f->offset; off += (uint64_t)n)
		ok = (n = pread(f->fd, buf, FETCH_BUF, (off_t)off)) > 0 &&
		    EVP_DigestUpdate(f->md, buf, (size_t)n) == 1;
	free(buf);
	if (ok)
		return 0;
	fprintf(stderr, "wsmail: %s: cannot be read\n", f->part);
	return EX_IOERR;
}

static int
fetch_write(struct fetch *f)
{
	size_t	 off;
	ssize_t	 n;

	for (off = 0; off < f->len; off += (size_t)n)
		if ((n = pwrite(f->fd, f->data + off, f->len - off,
		    (off_t)(f->offset + off))) == -1) {
			fprintf(stderr, "wsmail: %s: %s\n", f->part,
			    strerror(errno));
			return EX_IOERR;
		}
	if (EVP_DigestUpdate(f->md, f->data, f->len) != 1)
		return EX_SOFTWARE;
	f->offset += f->len;
	return 0;
}

static int
fetch_all(struct fetch *f)
{
	struct progress	 p;
	int		 code = 0;

	progress_start(&p, f->path, f->size, f->offset);
	f->want = f->version;
	while (code == 0 && f->offset < f->size) {
		if ((code = fetch_ask(f, 0)) != 0)
			break;
		if (f->len == 0) {
			fprintf(stderr, "wsmail: the answer has no data\n");
			code = EX_PROTOCOL;
		} else
			code = fetch_write(f);
		fetch_answer_free(f);
		progress_show(&p, f->offset);
	}
	progress_end(&p);
	return code;
}

/* Under its name, unless that is another's meanwhile. */
static int
fetch_place(struct fetch *f)
{
	struct stat	 st;
	int		 r;

	if ((r = link(f->part, f->path)) == 0)
		(void)unlink(f->part);
	else if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) {
		/* A file system without links. */
		if (lstat(f->path, &st) == 0)
			errno = EEXIST;
		else
			r = rename(f->part, f->path);
	}
	if (r == 0)
		return 0;
	fprintf(stderr, "wsmail: %s: %s; it is all in %s\n", f->path,
	    strerror(errno), f->part);
	return EX_CANTCREAT;
}

static int
fetch_end(struct fetch *f)
{
	uint8_t	 digest[32];

	if (EVP_DigestFinal_ex(f->md, digest, NULL) != 1)
		return EX_SOFTWARE;
	if (memcmp(digest, f->digest, sizeof(digest)) != 0) {
		(void)unlink(f->part);
		fprintf(stderr, "wsmail: %s: what came is not what was "
		    "signed; it was removed\n", f->path);
		return EX_DATAERR;
	}
	if (fsync(f->fd) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", f->part, strerror(errno));
		return EX_IOERR;
	}
	return fetch_place(f);
}

static int
fetch_one(struct fetch *f)
{
	int64_t	 want = f->want;
	int	 code;

	if (!attached_is_own(f->p, f->o)) {
		fputs("wsmail: ", stderr);
		out_text(stderr, f->o->name, 0);
		fputs(": not at the sender's server (REFOWNER)\n", stderr);
		return EX_DATAERR;
	}
	f->offset = 0;
	f->version = f->newest = 0;
	if ((code = fetch_newest(f)) == 0 && (code = fetch_paths(f)) == 0 &&
	    (code = fetch_part(f)) == 0 && (code = fetch_all(f)) == 0 &&
	    (code = fetch_end(f)) == 0) {
		out_text(stdout, f->path, 0);
		printf(": %llu octets\n", (unsigned long long)f->size);
		if (f->newest > f->version)
			fprintf(stderr, "wsmail: %s: there is a version %u "
			    "(-v newest)\n", f->path, f->newest);
	}
	if (f->fd != -1) {
		close(f->fd);
		/* Of nothing there is nothing to go on with. */
		if (code != 0 && f->offset == 0)
			(void)unlink(f->part);
	}
	f->fd = -1;
	EVP_MD_CTX_free(f->md);
	f->md = NULL;
	free(f->path);
	free(f->part);
	f->path = f->part = NULL;
	f->want = want;
	return code;
}
