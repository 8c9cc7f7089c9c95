/* SPDX-License-Identifier: ISC */
/*
 * AttachmentFetch: octets of an attachment for its owner, for a recipient
 * that is a user here, or for one whose domain vouches for him (the only one
 * of these operations that takes a token).  Whether it exists is learned only
 * by those whom it is for: wsattach has one refusal for all others.
 *
 * The octets come in a descriptor, are mapped, and go beside the envelope
 * when the request came as an MTOM package.
 */
#include "compat.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "soap.h"

struct fetching {
	void		*data;
	size_t		 len;
};

static void	 fetching_free(void *);
static void	 fetch_ask(struct request *);
static int	 fetch_args(struct request *, struct fetch_req *);
static int	 fetch_result(void *, struct imsg *, const char *);
static int	 fetch_map(struct request *, struct imsg *,
		    const struct fetch_result *);
static void	 fetch_number(struct wbuf *, const char *, uint64_t);
static void	 fetch_answer(struct request *, const struct fetch_result *);

static void
fetching_free(void *arg)
{
	struct fetching	*f = arg;

	if (f->data != NULL)
		munmap(f->data, f->len);
	free(f);
}

void
fetch_run(struct request *r)
{
	if (r->is_peer)
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "a domain has no attachments");
	else
		request_once(r, fetch_ask);
}

static int
fetch_args(struct request *r, struct fetch_req *q)
{
	int64_t	 version = 0, offset = 0, length = 0;

	memset(q, 0, sizeof(*q));
	if (attach_arg_id(r, "Attachment", q->id) == -1)
		return -1;
	if (request_int(r->w.operation, NS_WSE2, "Version", 0, UINT32_MAX,
	    &version) == -1 ||
	    request_int(r->w.operation, NS_WSE2, "Offset", 0, INT64_MAX,
	    &offset) == -1 ||
	    request_int(r->w.operation, NS_WSE2, "Length", 0, INT64_MAX,
	    &length) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return -1;
	}
	q->principal = r->principal;
	q->version = (uint32_t)version;
	q->offset = (uint64_t)offset;
	q->length = (uint64_t)length;
	return 0;
}

static void
fetch_ask(struct request *r)
{
	struct fetch_req	 q;
	struct wbuf		 w = { 0 };

	if ((r->state = calloc(1, sizeof(struct fetching))) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	r->state_free = fetching_free;
	if (fetch_args(r, &q) == -1)
		return;
	fetch_req_put(&w, &q);
	if (soap_ask_fd(r->s, P_ATTACH, IMSG_ATTACH_FETCH, -1, &w, 0,
	    ATTACH_TIMEOUT, fetch_result, r) == -1)
		request_fault_later(r, NO_ATTACH);
}

/* 0, or -1: answered. */
static int
fetch_map(struct request *r, struct imsg *imsg, const struct fetch_result *res)
{
	struct fetching	*f = r->state;
	int		 fd = imsg_claim_fd(imsg);
	void		*p = NULL;

	if (res->length > 0) {
		/* A file that shrank would kill who reads it. */
		if (!compat_is_sealed(fd) ||
		    lseek(fd, 0, SEEK_END) != (off_t)res->length)
			p = MAP_FAILED;
		else
			p = mmap(NULL, (size_t)res->length, PROT_READ,
			    MAP_PRIVATE, fd, 0);
	}
	close(fd);
	if (p == MAP_FAILED) {
		request_fault_later(r, NO_ATTACH);
		return -1;
	}
	f->data = p;
	f->len = (size_t)res->length;
	return 0;
}

static int
fetch_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct fetch_result	 res;
	struct rbuf		 rb;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if ((imsg->hdr.type != IMSG_SOAP_FETCH_DATA &&
	    imsg->hdr.type != IMSG_SOAP_FETCH_REFUSED) ||
	    fetch_result_get(&rb, &res) == -1)
		return attach_broken(r);
	if (imsg->hdr.type == IMSG_SOAP_FETCH_REFUSED) {
		/* What says that all is well brings octets. */
		if (res.code == ST_OK)
			res.code = ST_TEMPFAIL;
		(void)attach_code(r, res.code, res.text);
	} else if (fetch_map(r, imsg, &res) == 0)
		fetch_answer(r, &res);
	fetch_result_free(&res);
	return 0;
}

static void
fetch_number(struct wbuf *w, const char *name, uint64_t n)
{
	char	 text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	xml_put_elem(w, name, text);
}

/* The identifier stands in the request, so the answer says it again. */
static void
fetch_answer(struct request *r, const struct fetch_result *res)
{
	struct fetching	*f = r->state;
	struct wbuf	 w = { 0 };
	uint8_t		 id[ATTACH_ID];
	char		 hex[ATTACH_HEX];

	if (attach_arg_id(r, "Attachment", id) == -1)
		return;
	request_drop_tree(r);
	request_answer_open(r);
	xml_put_elem(&w, "w:Attachment", attach_id_str(id, hex));
	/* Check FULLNAME: whom this is for, so that he cannot hand it on. */
	xml_put_elem(&w, "w:Recipient", r->principal);
	fetch_number(&w, "w:Version", res->version);
	fetch_number(&w, "w:Newest", res->newest);
	fetch_number(&w, "w:Size", res->size);
	fetch_number(&w, "w:Offset", res->offset);
	wbuf_puts(&w, "<w:Digest>");
	xml_put_base64(&w, res->digest, sizeof(res->digest));
	wbuf_puts(&w, "</w:Digest><w:Data>");
	if (f->len > 0) {
		soapenv_part(&r->env, f->data, f->len);
		wbuf_puts(&w, r->env.mark);
	}
	wbuf_puts(&w, "</w:Data>");
	request_answer_close(r, &w);
	wbuf_free(&w);
}
