/* SPDX-License-Identifier: ISC */
/*
 * ExecuteExtensionHandler: a request to a plug-in by its identifier.  It is
 * remembered against replay first, whoever answers; what the plug-in answers
 * is parsed as a stranger's XML and written anew.
 */
#include "compat.h"

#include "log.h"
#include "soap.h"

#define EXT_RESULT	"w:ExecuteExtensionHandlerResult"

struct extending {
	struct request	*r;
	struct chain	*chain;
	char		*ext;
	struct wbuf	 args;
};

static void	 extending_free(void *);
static int	 ext_args(struct extending *);
static void	 ext_ask(struct request *);
static void	 ext_verdict(struct chain *, const struct plug_verdict *,
		    const struct plug_row *, void *);
static void	 ext_answer(struct extending *, const struct plug_verdict *,
		    const struct plug_row *);
static void	 ext_unknown(struct request *);

static void
extending_free(void *arg)
{
	struct extending	*x = arg;

	if (x->chain != NULL)
		chain_free(x->chain);
	wbuf_free(&x->args);
	free(x->ext);
	free(x);
}

static void
ext_unknown(struct request *r)
{
	request_fault(r, F_CLIENT, ST_NOUSER,
	    "no plug-in for this extension identifier");
}

/* args has one element at most; it stands alone afterwards.  0 or -1. */
static int
ext_args(struct extending *x)
{
	xmlNodePtr	 args, n;

	args = xml_child(x->r->w.operation, NS_WSE, "args");
	if ((n = xml_first(args)) == NULL)
		return 0;
	if (xml_next(n) != NULL) {
		request_fault(x->r, F_CLIENT, ST_BAD,
		    "args has more than one element");
		return -1;
	}
	if (xml_c14n(n, &x->args) == 0)
		return 0;
	request_fault_later(x->r, "out of memory");
	return -1;
}

void
ext_run(struct request *r)
{
	struct extending	*x;
	xmlNodePtr		 n;

	if ((x = calloc(1, sizeof(*x))) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	x->r = r;
	r->state = x;
	r->state_free = extending_free;
	n = xml_child(r->w.operation, NS_WSE, "ext");
	x->ext = n != NULL ? xml_text(n, 1024) : NULL;
	if (x->ext == NULL) {
		request_fault(r, F_CLIENT, ST_BAD, "no extension identifier");
		return;
	}
	if (ext_args(x) == -1)
		return;
	request_once(r, ext_ask);
}

static void
ext_ask(struct request *r)
{
	struct extending	*x = r->state;
	const struct plug_row	*row;
	struct plug_call	 call;
	char			 id[32];

	row = plugs_extension(&r->s->plugs, x->ext);
	if (row == NULL || !plug_row_covers(row, r->principal)) {
		ext_unknown(r);
		return;
	}
	if ((x->chain = chain_new(&r->s->plugs, PLUG_EXTENSION, r->principal,
	    ext_verdict, x)) == NULL) {
		request_fault_later(r, "out of memory");
		return;
	}
	plug_env(r, &call, id, sizeof(id));
	call.extension = x->ext;
	call.body = x->args.data;
	call.body_len = x->args.len;
	/* It may be held for minutes, and needs no tree for that. */
	request_drop_tree(r);
	chain_ask(x->chain, row->id, row->timeout + row->about.hold, &call);
}

static void
ext_verdict(struct chain *c, const struct plug_verdict *v,
    const struct plug_row *row, void *arg)
{
	struct extending	*x = arg;
	struct log_ev		 ev = { .ev = "extension" };

	(void)c;
	ev.id = x->r->id;
	ev.user = x->r->principal;
	ev.to = row == NULL ? "" : row->name;
	ev.result = v == NULL || v->what == VERDICT_DEFER ? "tempfail" :
	    v->what == VERDICT_REFUSE ? "refused" : "ok";
	ev.reason = v == NULL ? "the plug-in is gone" : v->text;
	log_event(&ev);
	if (v == NULL || row == NULL)
		request_fault_later(x->r, "the plug-in is gone");
	else if (v->what == VERDICT_REFUSE)
		request_fault(x->r, F_CLIENT, v->code, v->text);
	else if (v->what == VERDICT_DEFER)
		request_fault_later(x->r, v->text);
	else
		ext_answer(x, v, row);
}

static void
ext_answer(struct extending *x, const struct plug_verdict *v,
    const struct plug_row *row)
{
	struct request		*r = x->r;
	struct xml_limits	 lim;
	struct wbuf		 w = { 0 };
	xmlDocPtr		 doc;
	const char		*why;

	if (v->body_len == 0) {
		request_answer(r, &w);
		return;
	}
	soap_xml_limits(r->s, LIM_MESSAGE_SIZE, &lim);
	if ((doc = xml_parse(v->body, v->body_len, &lim, &why)) == NULL) {
		log_warnx("plug-in %s: its answer is no XML: %s", row->name,
		    why);
		request_fault_later(r, "the plug-in's answer is no XML");
		return;
	}
	wbuf_puts(&w, "<" EXT_RESULT ">");
	if (xml_c14n(xmlDocGetRootElement(doc), &w) == -1)
		w.error = 1;
	wbuf_puts(&w, "</" EXT_RESULT ">");
	xmlFreeDoc(doc);
	if (w.error)
		request_fault_later(r, "out of memory");
	else
		request_answer(r, &w);
	wbuf_free(&w);
}
