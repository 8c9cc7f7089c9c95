/* SPDX-License-Identifier: ISC */
/*
 * A user's own mailbox: FetchHeaders, Retrieve, Delete, WaitForChange.  What
 * is asked goes to wslocal under the authenticated address, never under one
 * from the request; stored messages are handed on octet by octet.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "soap.h"
#include "wstime.h"

#define LOCAL_TIMEOUT	90	/* s */
#define NO_LOCAL	"the mailboxes are not there"

static int	 mailbox_open(struct request *);
static int	 mailbox_code(struct request *, uint32_t);
static int	 mailbox_broken(struct request *);
static void	 mailbox_int(struct wbuf *, const char *, int64_t);
static void	 mailbox_ints(struct wbuf *, const char *, const uint32_t *,
		    uint32_t);
static int	 list_args(struct request *, struct list_req *);
static int	 list_since(struct request *, int64_t *);
static int	 list_result(void *, struct imsg *, const char *);
static void	 list_put(struct wbuf *, const struct mail_header *);
static int	 retrieve_result(void *, struct imsg *, const char *);
static int	 delete_args(struct request *, struct delete_req *);
static int	 delete_result(void *, struct imsg *, const char *);
static int	 wait_result(void *, struct imsg *, const char *);

/* Only users have mailboxes.  -1: answered. */
static int
mailbox_open(struct request *r)
{
	if (!r->is_peer)
		return 0;
	request_fault_wss(r, WSS_F_FAILED_AUTH, "a domain has no mailbox");
	return -1;
}

/* 0 when all is well; -1: answered. */
static int
mailbox_code(struct request *r, uint32_t code)
{
	switch (code) {
	case LOCAL_OK:
		return 0;
	case LOCAL_NOENT:
		request_fault(r, F_CLIENT, ST_NOUSER, "no such message");
		break;
	case LOCAL_REPLAY:
		request_fault_replay(r);
		break;
	case LOCAL_BUSY:
		request_fault_later(r, "too many requests in a minute "
		    "(limit requests-per-user)");
		break;
	case LOCAL_RESYNC:
		request_fault(r, F_CLIENT, ST_RESYNC,
		    "sinceChange is not known any more: list anew");
		break;
	default:
		request_fault_later(r, "the mailbox cannot be read now");
		break;
	}
	return -1;
}

static int
mailbox_broken(struct request *r)
{
	request_fault_later(r, NO_LOCAL);
	return -1;
}

static void
mailbox_int(struct wbuf *w, const char *name, int64_t value)
{
	char	 number[24];

	snprintf(number, sizeof(number), "%lld", (long long)value);
	xml_put_elem(w, name, number);
}

static void
mailbox_ints(struct wbuf *w, const char *name, const uint32_t *id, uint32_t n)
{
	uint32_t	 i;

	wbuf_printf(w, "<%s>", name);
	for (i = 0; i < n; i++)
		wbuf_printf(w, "<w:int>%u</w:int>", id[i]);
	wbuf_printf(w, "</%s>", name);
}

/*
 * --- WSEmailFetchHeaders ---
 */

/* messagesSince: 0 or -1.  Stock clients send the year 1 for "all". */
static int
list_since(struct request *r, int64_t *ms)
{
	xmlNodePtr	 n;
	char		*text;
	int		 count, rv;

	*ms = 0;
	n = xml_child_count(r->w.operation, NS_WSE, "messagesSince", &count);
	if (n == NULL)
		return 0;
	if (count != 1 || (text = xml_text(n, 64)) == NULL)
		return -1;
	rv = *text == '\0' ? 0 : wstime_parse(text, ms);
	free(text);
	if (*ms < 0)
		*ms = 0;
	return rv;
}

static int
list_args(struct request *r, struct list_req *q)
{
	xmlNodePtr	 op = r->w.operation;
	int64_t		 since = -1, before = 0, limit = 0, page;

	page = soap_limit(r->s, LIM_LIST_PAGE);
	if (list_since(r, &q->since) == -1 ||
	    request_int(op, NS_WSE, "sinceChange", -1, INT64_MAX,
	    &since) == -1 ||
	    request_int(op, NS_WSE, "before", 0, INT32_MAX, &before) == -1 ||
	    request_int(op, NS_WSE, "limit", 0, INT32_MAX, &limit) == -1)
		return -1;
	q->user = r->principal;
	q->replay = r->replay;
	q->since_change = since;
	q->before = (uint32_t)before;
	if (limit == 0)
		limit = 100;
	q->limit = (uint32_t)(limit < page ? limit : page);
	return 0;
}

void
list_run(struct request *r)
{
	struct list_req	 q = { 0 };
	struct wbuf	 w = { 0 };

	if (mailbox_open(r) == -1)
		return;
	if (list_args(r, &q) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return;
	}
	list_req_put(&w, &q);
	if (soap_ask(r->s, P_LOCAL, IMSG_LOCAL_LIST, &w,
	    IMSG_SOAP_LIST_RESULT, LOCAL_TIMEOUT, list_result, r) == -1)
		request_fault_later(r, NO_LOCAL);
}

static void
list_put(struct wbuf *w, const struct mail_header *h)
{
	char	 when[WSTIME_LEN];

	wbuf_puts(w, "<w:WSEmailHeader>");
	mailbox_int(w, "w:MessageID", h->id);
	mailbox_int(w, "w:Flags", h->flags);
	xml_put_elem(w, "w:Sender", h->sender);
	xml_put_elem(w, "w:Subject", h->subject);
	xml_put_elem(w, "w:Timestamp", wstime_format(h->timestamp, when,
	    sizeof(when)));
	xml_put_elem(w, "w:Received", wstime_format(h->received, when,
	    sizeof(when)));
	mailbox_int(w, "w:Size", h->size);
	xml_put_elem(w, "w:MessageId", h->msgid);
	wbuf_puts(w, "</w:WSEmailHeader>");
}

static int
list_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct list_result	 res;
	struct wbuf		 w = { 0 };
	struct rbuf		 rb;
	uint32_t		 i;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (list_result_get(&rb, &res) == -1)
		return mailbox_broken(r);
	if (mailbox_code(r, res.code) == -1) {
		list_result_free(&res);
		return 0;
	}
	wbuf_puts(&w, "<w:WSEmailFetchHeadersResult>");
	for (i = 0; i < res.nhdr; i++)
		list_put(&w, &res.hdr[i]);
	wbuf_puts(&w, "</w:WSEmailFetchHeadersResult>");
	mailbox_int(&w, "w:Change", res.change);
	xml_put_elem(&w, "w:More", res.more ? "true" : "false");
	if (res.ndeleted > 0)
		mailbox_ints(&w, "w:Deleted", res.deleted, res.ndeleted);
	list_result_free(&res);
	request_answer(r, &w);
	wbuf_free(&w);
	return 0;
}

/*
 * --- WSEmailRetrieve ---
 */

void
retrieve_run(struct request *r)
{
	struct retrieve_req	 q = { 0 };
	struct wbuf		 w = { 0 };
	int64_t			 id = 0;

	if (mailbox_open(r) == -1)
		return;
	if (request_int(r->w.operation, NS_WSE, "messageToGet", INT32_MIN,
	    INT32_MAX, &id) != 1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return;
	}
	q.user = r->principal;
	q.replay = r->replay;
	q.id = id > 0 ? (uint32_t)id : 0;	/* 0 is nobody's */
	retrieve_req_put(&w, &q);
	if (soap_ask(r->s, P_LOCAL, IMSG_LOCAL_RETRIEVE, &w,
	    IMSG_SOAP_RETRIEVE_RESULT, LOCAL_TIMEOUT, retrieve_result,
	    r) == -1)
		request_fault_later(r, NO_LOCAL);
}

static int
retrieve_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct retrieve_result	 res;
	struct wbuf		 w = { 0 };
	struct rbuf		 rb;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (retrieve_result_get(&rb, &res) == -1)
		return mailbox_broken(r);
	if (mailbox_code(r, res.code) == -1)
		return 0;
	wbuf_puts(&w, "<w:WSEmailRetrieveResult>");
	mailbox_int(&w, "w:MessageID", res.id);
	wbuf_raw(&w, res.body, res.body_len);
	wbuf_puts(&w, "<w:sig>");
	wbuf_raw(&w, res.sig, res.sig_len);
	wbuf_puts(&w, "</w:sig></w:WSEmailRetrieveResult>");
	request_answer(r, &w);
	wbuf_free(&w);
	return 0;
}

/*
 * --- WSEmailDelete ---
 */

static int
delete_args(struct request *r, struct delete_req *q)
{
	const char	*errstr;
	xmlNodePtr	 list, n;
	char		*text;
	size_t		 count = 0;

	list = xml_child(r->w.operation, NS_WSE, "messagesToDelete");
	for (n = xml_first(list); n != NULL; n = xml_next(n))
		count++;
	if (count == 0 || (q->id = calloc(count, sizeof(*q->id))) == NULL)
		return -1;
	for (n = xml_first(list); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, NS_WSE, "int") ||
		    (text = xml_text(n, 32)) == NULL)
			return -1;
		q->id[q->nids++] = (uint32_t)strtonum(text, 0, INT32_MAX,
		    &errstr);
		free(text);
		if (errstr != NULL)
			return -1;
	}
	return 0;
}

void
delete_run(struct request *r)
{
	struct delete_req	 q = { 0 };
	struct wbuf		 w = { 0 };

	if (mailbox_open(r) == -1)
		return;
	if (delete_args(r, &q) == -1) {
		free(q.id);
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return;
	}
	q.user = r->principal;
	q.replay = r->replay;
	delete_req_put(&w, &q);
	free(q.id);
	if (soap_ask(r->s, P_LOCAL, IMSG_LOCAL_DELETE, &w,
	    IMSG_SOAP_DELETE_RESULT, LOCAL_TIMEOUT, delete_result, r) == -1)
		request_fault_later(r, NO_LOCAL);
}

static int
delete_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct delete_result	 res;
	struct wbuf		 w = { 0 };
	struct rbuf		 rb;
	char			 text[64];

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (delete_result_get(&rb, &res) == -1)
		return mailbox_broken(r);
	if (mailbox_code(r, res.code) == -1) {
		delete_result_free(&res);
		return 0;
	}
	snprintf(text, sizeof(text), "%u deleted, %u not there.",
	    res.ndeleted, res.nmissing);
	mailbox_int(&w, "w:Change", res.change);
	if (res.nmissing > 0)
		mailbox_ints(&w, "w:Missing", res.missing, res.nmissing);
	request_answer_status(r, "WSEmailDeleteResult",
	    res.ndeleted > 0 ? ST_OK : ST_NOUSER, text, NULL, NULL, 0, &w);
	wbuf_free(&w);
	delete_result_free(&res);
	return 0;
}

/*
 * --- WaitForChange ---
 */

void
wait_run(struct request *r)
{
	struct wait_req	 q = { 0 };
	struct wbuf	 w = { 0 };
	int64_t		 since = 0, timeout, most;
	int		 given;

	if (mailbox_open(r) == -1)
		return;
	most = timeout = soap_limit(r->s, LIM_WAIT_TIMEOUT);
	given = request_int(r->w.operation, NS_WSE2, "sinceChange", -1,
	    INT64_MAX, &since);
	if (given != 1 || request_int(r->w.operation, NS_WSE2, "timeout", 0,
	    INT32_MAX, &timeout) == -1) {
		request_fault(r, F_CLIENT, ST_BAD, "malformed argument");
		return;
	}
	if (timeout > most)
		timeout = most;
	q.user = r->principal;
	q.replay = r->replay;
	q.since_change = since;
	q.timeout = (uint32_t)timeout;
	wait_req_put(&w, &q);
	request_drop_tree(r);
	if (soap_ask(r->s, P_LOCAL, IMSG_LOCAL_WAIT, &w, IMSG_SOAP_WAIT_RESULT,
	    timeout + LOCAL_TIMEOUT, wait_result, r) == -1)
		request_fault_later(r, NO_LOCAL);
}

static int
wait_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct wbuf	 w = { 0 };
	struct rbuf	 rb;
	uint32_t	 code;
	int64_t		 change;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (wait_result_get(&rb, &code, &change) == -1)
		return mailbox_broken(r);
	if (mailbox_code(r, code) == -1)
		return 0;
	mailbox_int(&w, "w:Change", change);
	request_answer(r, &w);
	wbuf_free(&w);
	return 0;
}
