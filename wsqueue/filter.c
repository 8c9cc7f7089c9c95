/* SPDX-License-Identifier: ISC */
/*
 * Deliveries on their way through the plug-ins that are IDeliveryProcessors:
 * each recipient of this server by itself, in the order of priority.  Nothing
 * of it is on disk until a verdict ends it, so after a crash the first
 * plug-in is asked again; what they do must bear that (wsplugin(3)).
 *
 * An address that is mapped to a plug-in has no mailbox: its plug-in takes
 * the message, or the mail is refused.
 */
#include "compat.h"

#include <stdio.h>

#include "log.h"
#include "wsqueue.h"
#include "wstime.h"

#define FILTERS_MAX	256
#define FILTERS_BYTES	(64U << 20)	/* beyond, one at a time */

struct filter {
	TAILQ_ENTRY(filter) entry;
	struct queue	*q;
	struct chain	*chain;
	uint64_t	 qid;
	uint32_t	 rno;
	uint32_t	 attempts;
	char		*addr;
	char		*msgid, *from;
	struct wbuf	 call;		/* plug_call, for the next of them */
};

static void	 filter_free(struct filter *);
static void	 filter_ask(struct filter *);
static void	 filter_verdict(struct chain *, const struct plug_verdict *,
		    const struct plug_row *, void *);
static void	 filter_change(struct filter *, const struct plug_verdict *,
		    const struct plug_row *);
static void	 filter_end(struct filter *);

int
filter_wants(struct queue *q, const char *addr)
{
	return dir_is_mapped(q->dir, addr) ||
	    plugs_any(&q->plugs, PLUG_DELIVERY, addr);
}

int
filter_room(const struct queue *q)
{
	return q->nfilters < FILTERS_MAX &&
	    (q->nfilters == 0 || q->filter_bytes < FILTERS_BYTES);
}

int
filter_start(struct queue *q, const struct qdb_msg *m,
    const struct qdb_env *e, const uint8_t *body)
{
	struct plug_call	 call;
	struct rcpt		 rcpt = { e->addr, e->orig };
	struct filter		*f;
	char			 request[32];

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&q->filters, f, entry);
	q->nfilters++;
	f->q = q;
	f->qid = m->qid;
	f->rno = e->rno;
	f->attempts = e->attempts;
	if ((f->addr = strdup(e->addr)) == NULL ||
	    (f->msgid = strdup(m->facts.msgid)) == NULL ||
	    (f->from = strdup(m->facts.sender)) == NULL ||
	    (f->chain = chain_new(&q->plugs, PLUG_DELIVERY, f->addr,
	    filter_verdict, f)) == NULL) {
		filter_free(f);
		return -1;
	}
	snprintf(request, sizeof(request), "%016llx",
	    (unsigned long long)m->qid);
	memset(&call, 0, sizeof(call));
	call.interface = PLUG_DELIVERY;
	call.local = m->origin == SUBMIT_USER;
	call.attempt = e->attempts;
	call.request = request;
	call.principal = m->facts.sender;
	call.facts = m->facts;
	call.size = (uint32_t)m->body_len;
	call.nrcpt = 1;
	call.rcpt = &rcpt;
	call.body = body;
	call.body_len = m->body_len;
	call.sig = body + m->body_len;
	call.sig_len = m->sig_len;
	plug_call_put(&f->call, &call);
	if (f->call.error) {
		filter_free(f);
		return -1;
	}
	q->filter_bytes += f->call.len;
	filter_ask(f);
	return 0;
}

/* The next plug-in; the verdict, or that there is none left, comes back. */
static void
filter_ask(struct filter *f)
{
	struct plug_call	 call;
	struct rbuf		 r;

	rbuf_init(&r, f->call.data, f->call.len);
	if (plug_call_get(&r, &call) == -1)
		fatal("queue: a call to a plug-in");
	chain_step(f->chain, &call);
	plug_call_free(&call);
}

static void
filter_free(struct filter *f)
{
	TAILQ_REMOVE(&f->q->filters, f, entry);
	f->q->nfilters--;
	if (f->call.error == 0)
		f->q->filter_bytes -= f->call.len;
	if (f->chain != NULL)
		chain_free(f->chain);
	wbuf_free(&f->call);
	free(f->addr);
	free(f->msgid);
	free(f->from);
	free(f);
}

static void
filter_verdict(struct chain *c, const struct plug_verdict *v,
    const struct plug_row *row, void *arg)
{
	struct filter	*f = arg;

	(void)c;
	if (v == NULL)
		filter_end(f);
	else if (v->what == VERDICT_CONTINUE)
		filter_ask(f);
	else
		filter_change(f, v, row);
}

/* One of them has decided. */
static void
filter_change(struct filter *f, const struct plug_verdict *v,
    const struct plug_row *row)
{
	struct queue	*q = f->q;
	struct update	*u;
	char		*text = NULL;
	int		 ret;

	u = update_new(q, f->qid, v->what == VERDICT_TAKEN ? "taken" :
	    "deliver", f->msgid, f->from);
	if (u == NULL || asprintf(&text, "%s%s%s%s", v->what == VERDICT_HOLD ?
	    "held by plug-in " : "", v->what == VERDICT_HOLD ? row->name : "",
	    v->what == VERDICT_HOLD && v->text[0] != '\0' ? ": " : "",
	    v->text) == -1)
		fatal("queue");
	switch (v->what) {
	case VERDICT_TAKEN:
		ret = update_change(u, CH_DONE, f->rno, ST_OK, text, row->name);
		break;
	case VERDICT_REFUSE:
		ret = update_change(u, CH_FAIL, f->rno, v->code, text,
		    row->name);
		break;
	default:		/* hold, defer */
		u->hold = v->what == VERDICT_HOLD;
		ret = update_change(u, CH_RETRY, f->rno, ST_TEMPFAIL, text,
		    row->name);
		break;
	}
	if (ret == -1)
		fatal("queue");
	free(text);
	filter_free(f);
	update_write(u);
}

/* Nobody had anything against it. */
static void
filter_end(struct filter *f)
{
	struct queue		*q = f->q;
	const struct plug_row	*row = plugs_mapped(&q->plugs, f->addr);
	struct plug_verdict	 v = { .what = VERDICT_REFUSE };
	struct plug_row		 nobody = { .id = 0 };

	if (!dir_is_mapped(q->dir, f->addr)) {
		deliver_judged(q, f->qid, f->rno, f->attempts);
		filter_free(f);
		return;
	}
	nobody.name = (char *)(uintptr_t)"";
	v.code = ST_NOUSER;
	v.text = (char *)(uintptr_t)"the program for this address did not "
	    "take it";
	if (row == NULL || row->state != PLUG_UP) {
		v.what = VERDICT_DEFER;
		v.text = (char *)(uintptr_t)"the program for this address is "
		    "not in service";
	}
	filter_change(f, &v, row != NULL ? row : &nobody);
}

void
filter_clear(struct queue *q)
{
	struct filter	*f;

	while ((f = TAILQ_FIRST(&q->filters)) != NULL)
		filter_free(f);
}
