/* SPDX-License-Identifier: ISC */
/*
 * ExecuteExtensionHandler: a request to a plug-in by its identifier.  The
 * registry of plug-ins is empty, so the answer is the fault that wsemail(7)
 * names; the request is remembered against replay all the same.
 */
#include "compat.h"

#include "soap.h"

#define EXT_TIMEOUT	60	/* s */

static int	 ext_fresh(void *, struct imsg *, const char *);
static void	 ext_unknown(struct request *);

static void
ext_unknown(struct request *r)
{
	request_fault(r, F_CLIENT, ST_NOUSER,
	    "no plug-in for this extension identifier");
}

void
ext_run(struct request *r)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		*ext;

	n = xml_child(r->w.operation, NS_WSE, "ext");
	ext = n != NULL ? xml_text(n, 1024) : NULL;
	if (ext == NULL) {
		request_fault(r, F_CLIENT, ST_BAD, "no extension identifier");
		return;
	}
	free(ext);
	if (r->replay.until == 0) {
		ext_unknown(r);
		return;
	}
	replay_put(&w, &r->replay);
	if (soap_ask(r->s, P_QUEUE, IMSG_QUEUE_NONCE_CHECK, &w,
	    IMSG_SOAP_NONCE_RESULT, EXT_TIMEOUT, ext_fresh, r) == -1)
		request_fault_later(r, "the queue is not there");
}

static int
ext_fresh(void *arg, struct imsg *imsg, const char *why)
{
	struct request	*r = arg;
	struct rbuf	 rb;
	uint32_t	 code;

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	code = rbuf_u32(&rb);
	if (rbuf_end(&rb) == -1 || code > 1) {
		request_fault_later(r, "the queue cannot be written to");
		return code > 2 ? -1 : 0;
	}
	if (code == 1)
		request_fault_replay(r);
	else
		ext_unknown(r);
	return 0;
}
