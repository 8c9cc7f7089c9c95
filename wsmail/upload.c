/* SPDX-License-Identifier: ISC */
/*
 * A file goes up in pieces.  Where it is going on after a connection broke
 * the server says; which upload it is stands in a file of ~/.wsmail-uploads,
 * named by what is sent, so that a later wsmail goes on, too.
 */
#include "compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mailfile.h"
#include "msg_queue.h"
#include "wsemail.h"
#include "wsmail.h"

#define UPLOAD_PIECE	(1U << 20)	/* each server takes that much */
#define UPLOAD_TIMEOUT	150		/* s */
#define UPLOAD_DIR	".wsmail-uploads"

struct upload {
	struct session	*s;
	const char	*path, *name, *type, *description;
	int		 fd;
	uint64_t	 size;
	uint8_t		 digest[32];
	char		 id[ONDEMAND_ID];
	uint64_t	 offset;
	int		 complete;
	char		*state;		/* file with the id, or NULL */
	uint8_t		*buf;
};

static const char *upload_type(const char *);
static int	 upload_open(struct upload *);
static int	 upload_digest(struct upload *);
static char	*upload_state_dir(void);
static int	 upload_state_path(struct upload *);
static int	 upload_state_read(struct upload *);
static void	 upload_state_write(const struct upload *);
static int	 upload_answer(struct upload *, struct answer *);
static void	 upload_put_digest(const struct upload *, struct wbuf *);
static int	 upload_ask(struct upload *, const char *);
static int	 upload_begin(struct upload *);
static int	 upload_piece(struct upload *);
static int	 upload_finish(struct upload *);
static int	 upload_run(struct upload *);

/* By the name's end; nobody relies on it. */
static const char *
upload_type(const char *name)
{
	static const struct {
		const char	*end, *type;
	} types[] = {
		{ ".csv", "text/csv" }, { ".gif", "image/gif" },
		{ ".gz", "application/gzip" }, { ".html", "text/html" },
		{ ".jpeg", "image/jpeg" }, { ".jpg", "image/jpeg" },
		{ ".json", "application/json" }, { ".md", "text/markdown" },
		{ ".mp3", "audio/mpeg" }, { ".mp4", "video/mp4" },
		{ ".odt", "application/vnd.oasis.opendocument.text" },
		{ ".pdf", "application/pdf" }, { ".png", "image/png" },
		{ ".svg", "image/svg+xml" }, { ".txt", "text/plain" },
		{ ".xml", "application/xml" }, { ".zip", "application/zip" },
	};
	size_t	 i, n = strlen(name), k;

	for (i = 0; i < nitems(types); i++) {
		k = strlen(types[i].end);
		if (n > k && strcasecmp(name + n - k, types[i].end) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

static int
upload_open(struct upload *u)
{
	struct stat	 st;

	if ((u->fd = open(u->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) == -1 ||
	    fstat(u->fd, &st) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", u->path, strerror(errno));
		return EX_NOINPUT;
	}
	if (!S_ISREG(st.st_mode)) {
		fprintf(stderr, "wsmail: %s: not a regular file\n", u->path);
		return EX_NOINPUT;
	}
	u->size = (uint64_t)st.st_size;
	if (!xml_valid_text(u->name, strlen(u->name)) ||
	    !xml_valid_text(u->description, strlen(u->description)) ||
	    !xml_valid_text(u->type, strlen(u->type))) {
		fprintf(stderr, "wsmail: %s: its name, type or description "
		    "is not UTF-8\n", u->path);
		return EX_DATAERR;
	}
	return 0;
}

static int
upload_digest(struct upload *u)
{
	EVP_MD_CTX	*md = EVP_MD_CTX_new();
	uint64_t	 off;
	ssize_t		 n = 0;
	int		 ok;

	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	for (off = 0; ok && off < u->size; off += (uint64_t)n)
		ok = (n = pread(u->fd, u->buf, UPLOAD_PIECE, (off_t)off)) > 0 &&
		    EVP_DigestUpdate(md, u->buf, (size_t)n) == 1;
	ok = ok && off == u->size && EVP_DigestFinal_ex(md, u->digest,
	    NULL) == 1;
	EVP_MD_CTX_free(md);
	if (ok)
		return 0;
	fprintf(stderr, "wsmail: %s: %s\n", u->path, n == -1 ?
	    strerror(errno) : "it is changing");
	return EX_NOINPUT;
}

/* --- which upload it is ------------------------------------------------------ */

static char *
upload_state_dir(void)
{
	const char	*home = getenv("HOME");
	char		*dir;

	if (home == NULL || asprintf(&dir, "%s/" UPLOAD_DIR, home) == -1)
		return NULL;
	if (mkdir(dir, 0700) == -1 && errno != EEXIST) {
		free(dir);
		return NULL;
	}
	return dir;
}

/* Without a place to keep it an upload is not gone on with: no error. */
static int
upload_state_path(struct upload *u)
{
	const char	*parts[] = { u->s->acc->address, u->name, u->type,
			    u->description };
	EVP_MD_CTX	*md;
	uint8_t		 key[32];
	char		*dir, hex[2 * sizeof(key) + 1];
	size_t		 i;
	int		 ok;

	if ((dir = upload_state_dir()) == NULL)
		return 0;
	md = EVP_MD_CTX_new();
	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	for (i = 0; i < nitems(parts); i++)
		ok = ok && EVP_DigestUpdate(md, parts[i],
		    strlen(parts[i]) + 1) == 1;
	ok = ok && EVP_DigestUpdate(md, u->digest, sizeof(u->digest)) == 1 &&
	    EVP_DigestFinal_ex(md, key, NULL) == 1;
	EVP_MD_CTX_free(md);
	for (i = 0; i < sizeof(key); i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	if (!ok || asprintf(&u->state, "%s/%s", dir, hex) == -1)
		u->state = NULL;
	free(dir);
	return ok ? 0 : EX_SOFTWARE;
}

static int
upload_state_read(struct upload *u)
{
	char	 line[ONDEMAND_ID + 1];
	FILE	*f;
	int	 ok;

	if (u->state == NULL || (f = fopen(u->state, "re")) == NULL)
		return 0;
	ok = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	if (!ok)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	if (!ondemand_id_ok(line))
		return 0;
	strlcpy(u->id, line, sizeof(u->id));
	return 1;
}

static void
upload_state_write(const struct upload *u)
{
	char	 line[ONDEMAND_ID + 1];

	if (u->state == NULL)
		return;
	snprintf(line, sizeof(line), "%s\n", u->id);
	(void)unlink(u->state);
	if (mailfile_write(u->state, line, strlen(line)) == -1)
		fprintf(stderr, "wsmail: %s: %s\n", u->state,
		    strerror(errno));
}

void
upload_done(const char id[ONDEMAND_ID])
{
	struct upload	 u = { .fd = -1 };
	struct dirent	*e;
	char		*dir;
	DIR		*d;

	if ((dir = upload_state_dir()) == NULL)
		return;
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' ||
		    asprintf(&u.state, "%s/%s", dir, e->d_name) == -1)
			continue;
		if (upload_state_read(&u) && strcmp(u.id, id) == 0)
			(void)unlink(u.state);
		free(u.state);
	}
	if (d != NULL)
		closedir(d);
	free(dir);
}

/* --- requests ------------------------------------------------------------------ */

/* Takes the answer. */
static int
upload_answer(struct upload *u, struct answer *a)
{
	char	*id = answer_text(a->op, "Upload");
	char	*complete = answer_text(a->op, "Complete");
	int64_t	 offset = answer_int(a->op, "Offset", -1);
	int	 code = 0;

	if (!ondemand_id_ok(id) || offset < 0 || (uint64_t)offset > u->size ||
	    (u->id[0] != '\0' && strcmp(u->id, id) != 0)) {
		fprintf(stderr, "wsmail: the answer is not of this upload\n");
		code = EX_PROTOCOL;
	} else {
		strlcpy(u->id, id, sizeof(u->id));
		u->offset = (uint64_t)offset;
		u->complete = strcmp(complete, "true") == 0;
	}
	free(id);
	free(complete);
	answer_free(a);
	return code;
}

static void
upload_put_digest(const struct upload *u, struct wbuf *w)
{
	wbuf_puts(w, "<w:Digest>");
	xml_put_base64(w, u->digest, sizeof(u->digest));
	wbuf_puts(w, "</w:Digest>");
}

static int
upload_ask(struct upload *u, const char *op)
{
	struct wbuf	 w = { 0 };
	struct answer	 a;
	int		 code;

	xml_put_elem(&w, "w:Upload", u->id);
	if (strcmp(op, "UploadFinish") == 0)
		upload_put_digest(u, &w);
	code = call(u->s, NS_WSE2, op, &w, NULL, 0, UPLOAD_TIMEOUT, &a);
	wbuf_free(&w);
	return code != 0 ? code : upload_answer(u, &a);
}

static int
upload_begin(struct upload *u)
{
	struct wbuf	 w = { 0 };
	struct answer	 a;
	int		 code;

	u->id[0] = '\0';
	xml_put_elem(&w, "w:Name", u->name);
	xml_put_elem(&w, "w:Type", u->type);
	xml_put_elem(&w, "w:Description", u->description);
	wbuf_printf(&w, "<w:Size>%llu</w:Size>", (unsigned long long)u->size);
	upload_put_digest(u, &w);
	code = call(u->s, NS_WSE2, "UploadBegin", &w, NULL, 0, UPLOAD_TIMEOUT,
	    &a);
	wbuf_free(&w);
	if (code == 0 && (code = upload_answer(u, &a)) == 0)
		upload_state_write(u);
	return code;
}

static int
upload_piece(struct upload *u)
{
	struct wbuf	 w = { 0 };
	struct answer	 a;
	uint64_t	 left = u->size - u->offset;
	ssize_t		 n;
	int		 code;

	n = pread(u->fd, u->buf, left < UPLOAD_PIECE ? (size_t)left :
	    UPLOAD_PIECE, (off_t)u->offset);
	if (n <= 0) {
		fprintf(stderr, "wsmail: %s: %s\n", u->path, n == -1 ?
		    strerror(errno) : "it is changing");
		return EX_NOINPUT;
	}
	xml_put_elem(&w, "w:Upload", u->id);
	wbuf_printf(&w, "<w:Offset>%llu</w:Offset>",
	    (unsigned long long)u->offset);
	code = call_octets(u->s, "UploadPiece", &w, u->buf, (size_t)n,
	    UPLOAD_TIMEOUT, &a);
	wbuf_free(&w);
	return code != 0 ? code : upload_answer(u, &a);
}

/* A try that failed is gone on with where the server is. */
static int
upload_finish(struct upload *u)
{
	struct progress	 p;
	unsigned int	 tries = 0;
	uint64_t	 was;
	int		 code = 0;

	progress_start(&p, u->name, u->size, u->offset);
	while (code == 0 && !u->complete) {
		was = u->offset;
		code = u->offset < u->size ? upload_piece(u) :
		    upload_ask(u, "UploadFinish");
		if (code == 0 && (u->offset > was || u->complete))
			tries = 0;
		else if (code == 0)	/* it wants something again */
			code = ++tries < 100 ? 0 : EX_PROTOCOL;
		else
			while (code != 0 && transfer_again(u->s, code, &tries))
				code = upload_ask(u, "UploadState");
		progress_show(&p, u->offset);
	}
	progress_end(&p);
	return code;
}

static int
upload_run(struct upload *u)
{
	unsigned int	 tries = 0;
	int		 code;

	if ((code = upload_open(u)) != 0 || (code = upload_digest(u)) != 0 ||
	    (code = upload_state_path(u)) != 0)
		return code;
	if (upload_state_read(u)) {
		/* Over, or another server's: it says so, and it is anew. */
		do
			code = upload_ask(u, "UploadState");
		while (code != 0 && transfer_again(u->s, code, &tries));
		if (code == 0)
			return upload_finish(u);
		if (u->s->fault != ST_NOUSER)
			return code;
		fprintf(stderr, "wsmail: %s: sent from the beginning\n",
		    u->path);
	}
	do
		code = upload_begin(u);
	while (code != 0 && transfer_again(u->s, code, &tries));
	return code != 0 ? code : upload_finish(u);
}

int
upload_file(struct session *s, const char *path, const char *type,
    const char *description, char id[ONDEMAND_ID])
{
	struct upload	 u = { .s = s, .path = path, .fd = -1 };
	const char	*slash = strrchr(path, '/');
	int		 code;

	u.name = slash != NULL ? slash + 1 : path;
	u.type = type != NULL ? type : upload_type(u.name);
	u.description = description != NULL ? description : "";
	if ((u.buf = malloc(UPLOAD_PIECE)) == NULL)
		err(EX_OSERR, NULL);
	if ((code = upload_run(&u)) == 0)
		strlcpy(id, u.id, ONDEMAND_ID);
	if (u.fd != -1)
		close(u.fd);
	free(u.buf);
	free(u.state);
	return code;
}
