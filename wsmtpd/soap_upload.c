/* SPDX-License-Identifier: ISC */
/*
 * A file on its way in: UploadBegin, Piece, State, Finish, Abort.  What is
 * asked goes to wsattach under the authenticated address; a piece's octets
 * go there in a descriptor.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "ondemand.h"
#include "soap.h"

/*
 * Composes what wsattach is asked; a piece comes with *fd.  NULL, or what is
 * wrong with the request; w->error: what is wrong here.
 */
typedef const char *(*upload_read)(struct request *, struct wbuf *, int *fd);

static const char *upload_begin(struct request *, struct wbuf *, int *);
static const char *upload_piece(struct request *, struct wbuf *, int *);
static const char *upload_state(struct request *, struct wbuf *, int *);
static const char *upload_finish(struct request *, struct wbuf *, int *);
static const char *upload_begin_texts(struct request *,
		    struct upload_begin *);
static const char *upload_id(struct request *, struct upload_req *);
static int	 upload_digest(xmlNodePtr, uint8_t[ATTACH_DIGEST]);
static void	 upload_ask(struct request *);
static int	 upload_result(void *, struct imsg *, const char *);
static void	 upload_answer(struct request *, const struct upload_result *);

static const struct upload_row {
	const char	*name;
	uint32_t	 type;
	upload_read	 read;
} upload_rows[] = {
	{ "UploadBegin",  IMSG_ATTACH_UPLOAD_BEGIN,  upload_begin },
	{ "UploadPiece",  IMSG_ATTACH_UPLOAD_PIECE,  upload_piece },
	{ "UploadState",  IMSG_ATTACH_UPLOAD_STATE,  upload_state },
	{ "UploadFinish", IMSG_ATTACH_UPLOAD_FINISH, upload_finish },
	{ "UploadAbort",  IMSG_ATTACH_UPLOAD_ABORT,  upload_state },
};

void
upload_run(struct request *r)
{
	if (r->is_peer)
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "a domain has no attachments");
	else
		request_once(r, upload_ask);
}

static void
upload_ask(struct request *r)
{
	const struct upload_row	*row = upload_rows;
	struct wbuf		 w = { 0 };
	const char		*why;
	int			 fd = -1;

	while (strcmp(row->name, r->op->name) != 0)
		row++;
	if ((why = row->read(r, &w, &fd)) != NULL) {
		wbuf_free(&w);
		request_fault(r, F_CLIENT, ST_BAD, why);
		return;
	}
	request_drop_tree(r);
	if (w.error) {
		wbuf_free(&w);
		request_fault_later(r, "no room for the request");
	} else if (soap_ask_fd(r->s, P_ATTACH, row->type, fd, &w,
	    IMSG_SOAP_UPLOAD_RESULT, ATTACH_TIMEOUT, upload_result, r) == -1)
		request_fault_later(r, NO_ATTACH);
}

/* Of the only child of that name, "" for one that is not there. */
static const char *
upload_begin_texts(struct request *r, struct upload_begin *q)
{
	const struct {
		const char	*name;
		char		**text;
		size_t		 max;	/* that wsattach takes */
	} texts[] = {
		{ "Name",	 &q->name, ATTACH_NAME_MAX },
		{ "Type",	 &q->type, ATTACH_TYPE_MAX },
		{ "Description", &q->description, ATTACH_DESC_MAX },
	};
	xmlNodePtr	 n;
	size_t		 i;
	int		 count;

	for (i = 0; i < nitems(texts); i++) {
		n = xml_child_count(r->w.operation, NS_WSE2, texts[i].name,
		    &count);
		*texts[i].text = count == 0 ? strdup("") :
		    count == 1 ? xml_text(n, texts[i].max) : NULL;
		if (*texts[i].text == NULL)
			return "Name, Type or Description is malformed or "
			    "too long";
	}
	return NULL;
}

static int
upload_digest(xmlNodePtr op, uint8_t digest[ATTACH_DIGEST])
{
	xmlNodePtr	 n;
	char		*text;
	int		 count, rv;

	if ((n = xml_child_count(op, NS_WSE2, "Digest", &count)) == NULL)
		return 0;
	if (count != 1 || (text = xml_text(n, 256)) == NULL)
		return -1;
	rv = ondemand_digest(text, digest) == 0 ? 1 : -1;
	free(text);
	return rv;
}

static const char *
upload_begin(struct request *r, struct wbuf *w, int *fd)
{
	struct upload_begin	 q = { .owner = NULL };
	const char		*why;
	int64_t			 size = 0;
	int			 has;

	(void)fd;
	if ((why = upload_begin_texts(r, &q)) == NULL) {
		if (request_int(r->w.operation, NS_WSE2, "Size", 0, INT64_MAX,
		    &size) != 1)
			why = "Size is no number of octets";
		else if ((has = upload_digest(r->w.operation, q.digest)) == -1)
			why = "Digest is not that of SHA-256";
		else {
			q.has_digest = has == 1;
			q.size = (uint64_t)size;
			if ((q.owner = strdup(r->principal)) == NULL)
				w->error = ENOMEM;
			else
				upload_begin_put(w, &q);
		}
	}
	upload_begin_free(&q);
	return why;
}

static const char *
upload_id(struct request *r, struct upload_req *q)
{
	xmlNodePtr	 n;
	char		*text;
	int		 count, rv = -1;

	memset(q, 0, sizeof(*q));
	n = xml_child_count(r->w.operation, NS_WSE2, "Upload", &count);
	if (count == 1 && (text = xml_text(n, 256)) != NULL) {
		rv = attach_id_parse(text, q->id);
		free(text);
	}
	q->owner = r->principal;
	return rv == -1 ? "Upload is no identifier" : NULL;
}

static const char *
upload_state(struct request *r, struct wbuf *w, int *fd)
{
	struct upload_req	 q;
	const char		*why;

	(void)fd;
	if ((why = upload_id(r, &q)) == NULL)
		upload_req_put(w, &q);
	return why;
}

static const char *
upload_finish(struct request *r, struct wbuf *w, int *fd)
{
	struct upload_req	 q;
	const char		*why;

	(void)fd;
	if ((why = upload_id(r, &q)) != NULL)
		return why;
	if (upload_digest(r->w.operation, q.digest) != 1)
		return "Digest is not that of SHA-256";
	upload_req_put(w, &q);
	return NULL;
}

int
upload_file(const void *data, size_t len)
{
	const uint8_t	*p = data;
	size_t		 off = 0;
	ssize_t		 n;
	int		 fd, saved;

	if ((fd = compat_anonfd()) == -1)
		return -1;
	while (off < len) {
		if ((n = write(fd, p + off, len - off)) == -1) {
			if (errno != EINTR)
				goto fail;
		} else
			off += (size_t)n;
	}
	if (compat_seal(fd) == 0)
		return fd;
 fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static const char *
upload_piece(struct request *r, struct wbuf *w, int *fd)
{
	struct upload_req	 q;
	const uint8_t		*data = NULL;
	const char		*why;
	xmlNodePtr		 n;
	uint8_t			*decoded = NULL;
	int64_t			 offset = 0;
	size_t			 len = 0;
	int			 count;

	if ((why = upload_id(r, &q)) != NULL)
		return why;
	if (request_int(r->w.operation, NS_WSE2, "Offset", 0, INT64_MAX,
	    &offset) != 1)
		return "Offset is no number of octets";
	q.offset = (uint64_t)offset;
	n = xml_child_count(r->w.operation, NS_WSE2, "Data", &count);
	if (count == 1)
		data = mime_data(&r->mime, n,
		    (size_t)soap_limit(r->s, LIM_MESSAGE_SIZE), &len, &decoded);
	if (data == NULL)
		return "Data is not base64Binary";
	*fd = upload_file(data, len);
	free(decoded);
	upload_req_put(w, &q);
	if (*fd == -1)
		w->error = ENOMEM;
	return NULL;
}

static int
upload_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct upload_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (upload_result_get(&rb, &res) == -1)
		return attach_broken(r);
	/* Where it goes on is an answer like another. */
	if (res.code == ST_RESYNC || attach_code(r, res.code, res.text) == 0)
		upload_answer(r, &res);
	upload_result_free(&res);
	return 0;
}

static void
upload_answer(struct request *r, const struct upload_result *res)
{
	struct wbuf	 w = { 0 };
	char		 text[ATTACH_HEX];

	xml_put_elem(&w, "w:Upload", attach_id_str(res->id, text));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)res->offset);
	xml_put_elem(&w, "w:Offset", text);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)res->size);
	xml_put_elem(&w, "w:Size", text);
	xml_put_elem(&w, "w:Complete", res->complete ? "true" : "false");
	request_answer(r, &w);
	wbuf_free(&w);
}
