/* SPDX-License-Identifier: ISC */
/*
 * Attachments in their owner's hands: who has them, who fetched them, who
 * may, until when, and new versions.  What is asked goes to wsattach under
 * the authenticated address.
 */
#include "compat.h"

#include <stdio.h>

#include "soap.h"
#include "wstime.h"

struct attach_row;

static void	 attachment_ask(struct request *);
static const struct attach_row *attachment_row(const struct request *);
static int	 attach_list(struct request *, struct wbuf *);
static int	 attach_show(struct request *, struct wbuf *);
static int	 attach_change(struct request *, struct wbuf *);
static int	 attach_text(struct request *, const char *, char **);
static int	 attach_when(struct request *, int64_t *);
static int	 attachment_result(void *, struct imsg *, const char *);
static int	 list_result(struct request *, struct rbuf *);
static int	 show_result(struct request *, struct rbuf *);
static int	 change_result(struct request *, struct rbuf *);
static void	 put_number(struct wbuf *, const char *, uint64_t);
static void	 put_time(struct wbuf *, const char *, int64_t);
static void	 put_digest(struct wbuf *, const uint8_t *);
static void	 put_info(struct wbuf *, const struct attach_info *);
static void	 put_rest(struct wbuf *, const struct show_result *);

static const struct attach_row {
	const char	*name;
	uint32_t	 type, answer;
	int		(*read)(struct request *, struct wbuf *);
	int		(*result)(struct request *, struct rbuf *);
	int		 addr, when, upload;	/* a change's argument */
} attach_rows[] = {
	{ "AttachmentList", IMSG_ATTACH_LIST, IMSG_SOAP_ATTACH_LIST_RESULT,
	    attach_list, list_result, 0, 0, 0 },
	{ "AttachmentShow", IMSG_ATTACH_SHOW, IMSG_SOAP_ATTACH_SHOW_RESULT,
	    attach_show, show_result, 0, 0, 0 },
#define CHANGE(name, type, addr, when, upload)				\
	{ name, type, IMSG_SOAP_ATTACH_CHANGE_RESULT, attach_change,	\
	    change_result, addr, when, upload }
	CHANGE("AttachmentGrant", IMSG_ATTACH_GRANT, 1, 0, 0),
	CHANGE("AttachmentRevoke", IMSG_ATTACH_REVOKE, 1, 0, 0),
	CHANGE("AttachmentExpire", IMSG_ATTACH_EXPIRE, 0, 1, 0),
	CHANGE("AttachmentWithdraw", IMSG_ATTACH_WITHDRAW, 0, 0, 0),
	CHANGE("AttachmentUpdate", IMSG_ATTACH_UPDATE, 0, 0, 1),
};

/* --- what all that ask wsattach share -------------------------------------- */

int
attach_arg_id(struct request *r, const char *name, uint8_t id[ATTACH_ID])
{
	xmlNodePtr	 n;
	char		*text;
	int		 count, rv = -1;

	n = xml_child_count(r->w.operation, NS_WSE2, name, &count);
	if (count == 1 && (text = xml_text(n, 256)) != NULL) {
		rv = attach_id_parse(text, id);
		free(text);
	}
	if (rv == -1)
		request_fault(r, F_CLIENT, ST_BAD, "no identifier");
	return rv;
}

int
attach_code(struct request *r, uint32_t code, const char *text)
{
	if (code == ST_OK)
		return 0;
	if (code == ST_TEMPFAIL)
		request_fault_later(r, text);
	else
		request_fault(r, F_CLIENT, code, text);
	return -1;
}

int
attach_broken(struct request *r)
{
	request_fault_later(r, NO_ATTACH);
	return -1;
}

/* --- requests -------------------------------------------------------------- */

static const struct attach_row *
attachment_row(const struct request *r)
{
	const struct attach_row	*row = attach_rows;

	while (strcmp(row->name, r->op->name) != 0)
		row++;
	return row;
}

void
attachment_run(struct request *r)
{
	if (r->is_peer)
		request_fault_wss(r, WSS_F_FAILED_AUTH,
		    "a domain has no attachments");
	else
		request_once(r, attachment_ask);
}

static void
attachment_ask(struct request *r)
{
	const struct attach_row	*row = attachment_row(r);
	struct wbuf		 w = { 0 };

	if (row->read(r, &w) == -1)
		wbuf_free(&w);
	else if (soap_ask(r->s, P_ATTACH, row->type, &w, row->answer,
	    ATTACH_TIMEOUT, attachment_result, r) == -1)
		request_fault_later(r, NO_ATTACH);
}

/* An optional child's text, "" without one.  -1: answered. */
static int
attach_text(struct request *r, const char *name, char **text)
{
	xmlNodePtr	 n;
	int		 count;

	n = xml_child_count(r->w.operation, NS_WSE2, name, &count);
	*text = count == 0 ? strdup("") : count == 1 ? xml_text(n, ADDR_MAX) :
	    NULL;
	if (*text != NULL)
		return 0;
	request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
	return -1;
}

static int
attach_list(struct request *r, struct wbuf *w)
{
	struct attach_list_req	 q = { .owner = r->principal };
	int64_t			 limit = 0;

	if (request_int(r->w.operation, NS_WSE2, "Limit", 0, INT32_MAX,
	    &limit) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return -1;
	}
	if (xml_child(r->w.operation, NS_WSE2, "Before") != NULL &&
	    attach_arg_id(r, "Before", q.before) == -1)
		return -1;
	q.limit = (uint32_t)limit;
	attach_list_req_put(w, &q);
	return 0;
}

static int
attach_show(struct request *r, struct wbuf *w)
{
	struct show_req	 q = { .owner = r->principal };
	int64_t		 limit = 0, before = 0;

	if (request_int(r->w.operation, NS_WSE2, "Limit", 0, INT32_MAX,
	    &limit) == -1 || request_int(r->w.operation, NS_WSE2, "Before", 0,
	    INT64_MAX, &before) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return -1;
	}
	if (attach_arg_id(r, "Attachment", q.id) == -1 ||
	    attach_text(r, "After", &q.after) == -1)
		return -1;
	q.limit = (uint32_t)limit;
	q.before = (uint64_t)before;
	show_req_put(w, &q);
	free(q.after);
	return 0;
}

/* Absent or empty: never. */
static int
attach_when(struct request *r, int64_t *when)
{
	char	*text;
	int	 rv;

	if (attach_text(r, "When", &text) == -1)
		return -1;
	rv = *text == '\0' ? 0 : wstime_parse(text, when);
	if (rv == -1)
		request_fault(r, F_CLIENT, ST_BAD, "When is no time");
	free(text);
	return rv;
}

static int
attach_change(struct request *r, struct wbuf *w)
{
	const struct attach_row	*row = attachment_row(r);
	struct attach_change	 q = { .owner = r->principal };
	char			*addr = NULL;

	if (attach_arg_id(r, "Attachment", q.id) == -1 ||
	    (row->when && attach_when(r, &q.when) == -1) ||
	    (row->upload && attach_arg_id(r, "Upload", q.upload) == -1) ||
	    (row->addr && attach_text(r, "Address", &addr) == -1))
		return -1;
	q.addr = addr == NULL ? (char *)(uintptr_t)"" : addr;
	attach_change_put(w, &q);
	free(addr);
	return 0;
}

/* --- answers ---------------------------------------------------------------- */

static int
attachment_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct rbuf	 rb;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	return attachment_row(r)->result(r, &rb);
}

static void
put_number(struct wbuf *w, const char *name, uint64_t n)
{
	char	 text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	xml_put_elem(w, name, text);
}

/* 0 is no time. */
static void
put_time(struct wbuf *w, const char *name, int64_t ms)
{
	char	 when[WSTIME_LEN];

	if (ms != 0)
		xml_put_elem(w, name, wstime_format(ms, when, sizeof(when)));
}

static void
put_digest(struct wbuf *w, const uint8_t *digest)
{
	wbuf_puts(w, "<w:Digest>");
	xml_put_base64(w, digest, ATTACH_DIGEST);
	wbuf_puts(w, "</w:Digest>");
}

static void
put_info(struct wbuf *w, const struct attach_info *i)
{
	char	 hex[ATTACH_HEX];

	wbuf_puts(w, "<w:Attachment>");
	xml_put_elem(w, "w:Identifier", attach_id_str(i->id, hex));
	xml_put_elem(w, "w:Name", i->name);
	xml_put_elem(w, "w:Type", i->type);
	xml_put_elem(w, "w:Description", i->description);
	xml_put_elem(w, "w:MessageId", i->msgid);
	put_time(w, "w:Created", i->created);
	put_time(w, "w:Expires", i->expiry);
	put_time(w, "w:Withdrawn", i->withdrawn);
	put_number(w, "w:Version", i->version);
	put_number(w, "w:Size", i->size);
	put_digest(w, i->digest);
	put_number(w, "w:Recipients", i->nrcpt);
	put_number(w, "w:Fetches", i->fetches);
	wbuf_puts(w, "</w:Attachment>");
}

static int
list_result(struct request *r, struct rbuf *rb)
{
	struct attach_list	 res;
	struct wbuf		 w = { 0 };
	uint32_t		 i;

	if (attach_list_get(rb, &res) == -1)
		return attach_broken(r);
	if (attach_code(r, res.code, res.text) == 0) {
		for (i = 0; i < res.n; i++)
			put_info(&w, &res.info[i]);
		xml_put_elem(&w, "w:More", res.more ? "true" : "false");
		request_answer(r, &w);
		wbuf_free(&w);
	}
	attach_list_free(&res);
	return 0;
}

/* Versions, recipients, fetches. */
static void
put_rest(struct wbuf *w, const struct show_result *res)
{
	uint32_t	 i;

	for (i = 0; i < res->nversions; i++) {
		wbuf_puts(w, "<w:Version>");
		put_number(w, "w:Number", res->version[i].number);
		put_number(w, "w:Size", res->version[i].size);
		put_time(w, "w:Created", res->version[i].time);
		put_digest(w, res->version[i].digest);
		wbuf_puts(w, "</w:Version>");
	}
	for (i = 0; i < res->nrcpt; i++) {
		wbuf_puts(w, "<w:Recipient>");
		xml_put_elem(w, "w:Address", res->rcpt[i].addr);
		put_time(w, "w:Added", res->rcpt[i].added);
		put_number(w, "w:Fetches", res->rcpt[i].fetches);
		put_time(w, "w:Last", res->rcpt[i].last);
		wbuf_puts(w, "</w:Recipient>");
	}
	xml_put_elem(w, "w:MoreRecipients", res->more_rcpt ? "true" : "false");
	for (i = 0; i < res->nfetches; i++) {
		wbuf_puts(w, "<w:Fetch>");
		put_number(w, "w:Number", res->fetch[i].seq);
		xml_put_elem(w, "w:Address", res->fetch[i].addr);
		put_number(w, "w:Version", res->fetch[i].version);
		put_time(w, "w:Time", res->fetch[i].time);
		wbuf_puts(w, "</w:Fetch>");
	}
	xml_put_elem(w, "w:MoreFetches", res->more_fetches ? "true" : "false");
}

static int
show_result(struct request *r, struct rbuf *rb)
{
	struct show_result	 res;
	struct wbuf		 w = { 0 };

	if (show_result_get(rb, &res) == -1)
		return attach_broken(r);
	if (attach_code(r, res.code, res.text) == 0) {
		put_info(&w, &res.info);
		put_rest(&w, &res);
		request_answer(r, &w);
		wbuf_free(&w);
	}
	show_result_free(&res);
	return 0;
}

static int
change_result(struct request *r, struct rbuf *rb)
{
	struct change_result	 res;
	struct wbuf		 w = { 0 };

	if (change_result_get(rb, &res) == -1)
		return attach_broken(r);
	if (attach_code(r, res.code, res.text) == 0) {
		put_number(&w, "w:Version", res.version);
		request_answer(r, &w);
		wbuf_free(&w);
	}
	change_result_free(&res);
	return 0;
}
