/* SPDX-License-Identifier: ISC */
/* See attachkid.h. */
#include "compat.h"

#include <err.h>
#include <stdio.h>

#include "attachkid.h"
#include "kid.h"

#define LONG_MS	60000		/* an answer that must come */

static int	 ak_ask(struct imsgbuf *, uint32_t, struct wbuf *, int,
		    struct imsg *);
static int	 ak_result(struct imsgbuf *, uint32_t, struct wbuf *, int,
		    struct upload_result *);
static int	 ak_listed(struct imsgbuf *, uint32_t, struct wbuf *,
		    struct attach_list *);

static char *
str(const char *s)
{
	return (char *)(uintptr_t)s;
}

uint64_t
ak_send(struct imsgbuf *ib, uint32_t type, struct wbuf *w, int fd)
{
	static uint64_t	 last;

	/* One that is dead is found when it is listened to. */
	if (imsg_compose(ib, type, ++last, fd, w->data, w->len) == 0)
		(void)imsgbuf_flush(ib);
	wbuf_free(w);
	return last;
}

int
ak_take(struct imsgbuf *ib, uint64_t reqid, struct imsg *m)
{
	int	n;

	for (;;) {
		if ((n = kid_recv(ib, m, LONG_MS)) == 0)
			errx(1, "no answer");
		if (n == -1)
			return -1;
		if (m->hdr.id == reqid)
			return 0;
		imsg_free(m);
	}
}

static int
ak_ask(struct imsgbuf *ib, uint32_t type, struct wbuf *w, int fd,
    struct imsg *m)
{
	return ak_take(ib, ak_send(ib, type, w, fd), m);
}

int
ak_sealed(const void *p, size_t len)
{
	int	fd;

	if ((fd = compat_anonfd()) == -1 ||
	    write(fd, p, len) != (ssize_t)len || compat_seal(fd) == -1)
		err(1, "anonymous file");
	return fd;
}

static int
ak_result(struct imsgbuf *ib, uint32_t type, struct wbuf *w, int fd,
    struct upload_result *res)
{
	struct imsg	m;
	struct rbuf	r;

	memset(res, 0, sizeof(*res));
	if (ak_ask(ib, type, w, fd, &m) == -1)
		return -1;
	rbuf_init(&r, m.data, m.hdr.len);
	if (m.hdr.type != IMSG_SOAP_UPLOAD_RESULT ||
	    upload_result_get(&r, res) == -1)
		errx(1, "the answer to an upload");
	imsg_free(&m);
	return (int)res->code;
}

int
ak_begin(struct imsgbuf *ib, const char *owner, const char *name,
    uint64_t size, const uint8_t *digest, struct upload_result *res)
{
	struct upload_begin	q = { .size = size };
	struct wbuf		w;

	q.owner = str(owner);
	q.name = str(name);
	q.type = str("application/octet-stream");
	q.description = str("for a test");
	q.has_digest = digest != NULL;
	if (digest != NULL)
		memcpy(q.digest, digest, sizeof(q.digest));
	wbuf_init(&w);
	upload_begin_put(&w, &q);
	return ak_result(ib, IMSG_ATTACH_UPLOAD_BEGIN, &w, -1, res);
}

int
ak_piece(struct imsgbuf *ib, const char *owner, const uint8_t id[ATTACH_ID],
    uint64_t offset, const void *p, size_t len, struct upload_result *res)
{
	struct upload_req	q = { .offset = offset };
	struct wbuf		w;

	q.owner = str(owner);
	memcpy(q.id, id, ATTACH_ID);
	wbuf_init(&w);
	upload_req_put(&w, &q);
	return ak_result(ib, IMSG_ATTACH_UPLOAD_PIECE, &w, ak_sealed(p, len),
	    res);
}

int
ak_upload(struct imsgbuf *ib, uint32_t type, const char *owner,
    const uint8_t id[ATTACH_ID], const uint8_t *digest,
    struct upload_result *res)
{
	struct upload_req	q = { .offset = 0 };
	struct wbuf		w;

	q.owner = str(owner);
	memcpy(q.id, id, ATTACH_ID);
	if (digest != NULL)
		memcpy(q.digest, digest, sizeof(q.digest));
	wbuf_init(&w);
	upload_req_put(&w, &q);
	return ak_result(ib, type, &w, -1, res);
}

static int
ak_listed(struct imsgbuf *ib, uint32_t type, struct wbuf *w,
    struct attach_list *l)
{
	struct imsg	m;
	struct rbuf	r;

	memset(l, 0, sizeof(*l));
	if (ak_ask(ib, type, w, -1, &m) == -1)
		return -1;
	rbuf_init(&r, m.data, m.hdr.len);
	if (attach_list_get(&r, l) == -1)
		errx(1, "a list of attachments");
	imsg_free(&m);
	return (int)l->code;
}

int
ak_name(struct imsgbuf *ib, const char *owner, const char *msgid,
    uint8_t (*upload)[ATTACH_ID], uint32_t nuploads, const char *const *rcpt,
    uint32_t nrcpt, struct attach_list *l)
{
	struct name_req	q;
	struct wbuf	w;

	memset(&q, 0, sizeof(q));
	q.owner = str(owner);
	q.msgid = str(msgid);
	q.nuploads = nuploads;
	q.upload = upload;
	q.nrcpt = nrcpt;
	q.rcpt = (char **)(uintptr_t)rcpt;
	wbuf_init(&w);
	name_req_put(&w, &q);
	return ak_listed(ib, IMSG_ATTACH_NAME, &w, l);
}

int
ak_fetch(struct imsgbuf *ib, const char *who, const uint8_t id[ATTACH_ID],
    uint32_t version, uint64_t offset, uint64_t length,
    struct fetch_result *res, uint8_t **data)
{
	struct fetch_req	q = { .version = version, .offset = offset,
				    .length = length };
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;

	q.principal = str(who);
	memcpy(q.id, id, ATTACH_ID);
	wbuf_init(&w);
	fetch_req_put(&w, &q);
	memset(res, 0, sizeof(*res));
	*data = NULL;
	if (ak_ask(ib, IMSG_ATTACH_FETCH, &w, -1, &m) == -1)
		return -1;
	rbuf_init(&r, m.data, m.hdr.len);
	if (fetch_result_get(&r, res) == -1 ||
	    (m.hdr.type == IMSG_SOAP_FETCH_DATA) != (res->code == ST_OK))
		errx(1, "the answer to a fetch");
	if (res->code == ST_OK) {
		/* One octet more, which must not be there. */
		if (!compat_is_sealed(m.fd) ||
		    (*data = malloc(res->length + 1)) == NULL ||
		    pread(m.fd, *data, res->length + 1, 0) !=
		    (ssize_t)res->length)
			errx(1, "what was fetched is not what was said");
	}
	imsg_free(&m);
	return (int)res->code;
}

int
ak_list(struct imsgbuf *ib, const char *owner, const uint8_t *before,
    uint32_t limit, struct attach_list *l)
{
	struct attach_list_req	q = { .limit = limit };
	struct wbuf		w;

	q.owner = str(owner);
	if (before != NULL)
		memcpy(q.before, before, ATTACH_ID);
	wbuf_init(&w);
	attach_list_req_put(&w, &q);
	return ak_listed(ib, IMSG_ATTACH_LIST, &w, l);
}

int
ak_show(struct imsgbuf *ib, const char *owner, const uint8_t id[ATTACH_ID],
    const char *after, uint64_t before, uint32_t limit,
    struct show_result *res)
{
	struct show_req	q = { .before = before, .limit = limit };
	struct imsg	m;
	struct rbuf	r;
	struct wbuf	w;

	q.owner = str(owner);
	q.after = str(after);
	memcpy(q.id, id, ATTACH_ID);
	wbuf_init(&w);
	show_req_put(&w, &q);
	memset(res, 0, sizeof(*res));
	if (ak_ask(ib, IMSG_ATTACH_SHOW, &w, -1, &m) == -1)
		return -1;
	rbuf_init(&r, m.data, m.hdr.len);
	if (show_result_get(&r, res) == -1)
		errx(1, "what is shown of an attachment");
	imsg_free(&m);
	return (int)res->code;
}

int
ak_change(struct imsgbuf *ib, uint32_t type, const char *owner,
    const uint8_t id[ATTACH_ID], const char *addr, int64_t when,
    const uint8_t *upload, uint32_t *version)
{
	struct change_result	res;
	struct attach_change	q = { .when = when };
	struct imsg		m;
	struct rbuf		r;
	struct wbuf		w;
	int			code;

	q.owner = str(owner);
	q.addr = str(addr);
	memcpy(q.id, id, ATTACH_ID);
	if (upload != NULL)
		memcpy(q.upload, upload, ATTACH_ID);
	wbuf_init(&w);
	attach_change_put(&w, &q);
	if (ak_ask(ib, type, &w, -1, &m) == -1)
		return -1;
	rbuf_init(&r, m.data, m.hdr.len);
	if (change_result_get(&r, &res) == -1)
		errx(1, "the answer to a change");
	imsg_free(&m);
	code = (int)res.code;
	if (version != NULL)
		*version = res.version;
	change_result_free(&res);
	return code;
}
