/* SPDX-License-Identifier: ISC */
/* A call to the plug-in, from its coming to its one verdict. */
#include "compat.h"

#include <errno.h>
#include <time.h>

#include "log.h"
#include "wsplug.h"
#include "xml.h"

/* The one of this process: a verdict names a call alone. */
static struct wsp *host;

static int64_t	 call_now(void);
static int	 call_fill(struct wsp_call *);
static struct wsp_call *call_known(struct wsp_call *);
static void	 call_end(struct wsp_call *, struct plug_verdict *);
static void	 call_text(struct wsp_call *, enum verdict_what, uint32_t,
		    const char *);
static void	 call_body(struct wsp_call *, enum verdict_what, const char *,
		    size_t);

static int64_t
call_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* What the plug-in sees of it. */
static int
call_fill(struct wsp_call *c)
{
	struct plug_call	*q = &c->c;
	uint32_t		 i;

	c->env.request = q->request;
	c->env.principal = q->principal;
	c->env.auth = (enum wsp_auth)q->auth;
	c->env.local = q->local != 0;
	c->env.peer = q->peer;
	c->env.attempt = q->attempt;
	if ((c->rcpt = calloc(q->nrcpt + 1, sizeof(*c->rcpt))) == NULL)
		return -1;
	for (i = 0; i < q->nrcpt; i++)
		c->rcpt[i] = q->rcpt[i].addr;
	c->msg.msgid = q->facts.msgid;
	c->msg.sender = q->facts.sender;
	c->msg.subject = q->facts.subject;
	c->msg.timestamp = q->facts.timestamp;
	c->msg.flags = q->facts.flags;
	c->msg.size = q->size;
	c->msg.nrcpt = q->nrcpt;
	c->msg.rcpt = c->rcpt;
	if (q->body_len > 0) {
		c->msg.xml = (const char *)q->body;
		c->msg.xml_len = q->body_len;
	}
	if (q->sig_len > 0) {
		c->msg.sig = (const char *)q->sig;
		c->msg.sig_len = q->sig_len;
	}
	return 0;
}

int
call_new(struct wsp *w, struct chan *chan, struct imsg *imsg)
{
	struct wsp_call	*c;
	struct rbuf	 r;

	host = w;
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->raw = malloc(imsg->hdr.len)) == NULL)
		fatal("call");
	memcpy(c->raw, imsg->data, imsg->hdr.len);
	c->w = w;
	c->chan = chan;
	c->id = imsg->hdr.id;
	c->began = call_now();
	TAILQ_INSERT_TAIL(&w->calls, c, entry);
	w->nopen++;
	rbuf_init(&r, c->raw, imsg->hdr.len);
	if (plug_call_get(&r, &c->c) == -1) {
		call_free(c);
		return -1;
	}
	if (call_fill(c) == -1)
		fatal("call");
	w->ncalls++;
	if (c->c.interface == PLUG_SENDING && w->pl->sending != NULL)
		w->pl->sending(w, c);
	else if (c->c.interface == PLUG_DELIVERY && w->pl->delivery != NULL)
		w->pl->delivery(w, c);
	else if (c->c.interface == PLUG_EXTENSION && w->pl->extension != NULL)
		w->pl->extension(w, c);
	else if (c->c.interface == PLUG_EXTENSION)
		wsp_refuse(c, ST_BAD, "not an extension");
	else
		wsp_continue(c);
	return 0;
}

void
call_free(struct wsp_call *c)
{
	struct wsp	*w = c->w;

	TAILQ_REMOVE(&w->calls, c, entry);
	w->nopen--;
	view_free(c);
	plug_call_free(&c->c);
	free(c->rcpt);
	free(c->raw);
	free(c);
	host_idle(w);
}

void
call_peer_down(struct wsp *w, struct chan *chan)
{
	struct wsp_call	*c;

	/* The plug-in holds them still: their verdicts go nowhere. */
	TAILQ_FOREACH(c, &w->calls, entry)
		if (c->chan == chan)
			c->chan = NULL;
}

/* --- what wsplugin.h declares -------------------------------------------- */

const struct wsp_env *
wsp_env(const struct wsp_call *c)
{
	return &c->env;
}

const struct wsp_message *
wsp_message(const struct wsp_call *c)
{
	return c->c.interface == PLUG_EXTENSION ? NULL : &c->msg;
}

const char *
wsp_extension(const struct wsp_call *c, const char **args, size_t *len)
{
	if (c->c.interface != PLUG_EXTENSION)
		return NULL;
	if (args != NULL)
		*args = (const char *)c->c.body;
	if (len != NULL)
		*len = c->c.body_len;
	return c->c.extension;
}

void
wsp_call_set(struct wsp_call *c, void *ctx)
{
	c->ctx = ctx;
}

void *
wsp_call_get(const struct wsp_call *c)
{
	return c->ctx;
}

/*
 * A second verdict would be of memory that is another's by now: a plug-in
 * that does that cannot be let go on.
 */
static struct wsp_call *
call_known(struct wsp_call *call)
{
	struct wsp_call	*c;

	TAILQ_FOREACH(c, &host->calls, entry)
		if (c == call)
			return c;
	log_warnx("%s: a verdict for a call that there is not",
	    host->cp->name);
	proc_exit(host->p, 1);
}

static void
call_end(struct wsp_call *c, struct plug_verdict *v)
{
	struct wbuf	 b = { 0 };

	c->w->nverdict[v->what]++;
	c->w->busy += (uint64_t)(call_now() - c->began);
	plug_verdict_put(&b, v);
	if (c->chan != NULL &&
	    chan_sendw(c->chan, IMSG_CALLER_VERDICT, c->id, &b) == -1)
		log_warn("verdict");
	wbuf_free(&b);
	call_free(c);
}

/* A reason is one line of limited length, whatever the plug-in says. */
static void
call_text(struct wsp_call *call, enum verdict_what what, uint32_t code,
    const char *text)
{
	struct wsp_call		*c = call_known(call);
	struct plug_verdict	 v = { .what = what, .code = code };
	char			 line[PLUG_TEXT_MAX];
	size_t			 i;

	if (strlcpy(line, text == NULL ? "" : text, sizeof(line)) >=
	    sizeof(line))
		for (i = sizeof(line) - 1; i > 0 && (line[i] & 0xc0) == 0x80;)
			line[--i] = '\0';
	for (i = 0; line[i] != '\0'; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	if (!xml_valid_text(line, strlen(line)))
		strlcpy(line, "(no text)", sizeof(line));
	v.text = line;
	call_end(c, &v);
}

static void
call_body(struct wsp_call *call, enum verdict_what what, const char *xml,
    size_t len)
{
	struct plug_verdict	 v = { .what = what };

	v.text = (char *)(uintptr_t)"";
	v.body = (const uint8_t *)xml;
	v.body_len = xml == NULL ? 0 : len;
	call_end(call_known(call), &v);
}

/* What does not fit the interface is the caller's to refuse. */

void
wsp_continue(struct wsp_call *c)
{
	call_text(c, VERDICT_CONTINUE, 0, "");
}

void
wsp_replace(struct wsp_call *c, const char *xml, size_t len)
{
	call_body(c, VERDICT_REPLACE, xml, len);
}

void
wsp_taken(struct wsp_call *c, const char *text)
{
	call_text(c, VERDICT_TAKEN, 0, text);
}

void
wsp_refuse(struct wsp_call *c, int code, const char *text)
{
	call_text(c, VERDICT_REFUSE, code < 500 || code > 599 ? ST_DENIED :
	    (uint32_t)code, text == NULL || *text == '\0' ? "refused" : text);
}

void
wsp_hold(struct wsp_call *c, const char *text)
{
	call_text(c, VERDICT_HOLD, 0, text);
}

void
wsp_defer(struct wsp_call *c, const char *text)
{
	call_text(c, VERDICT_DEFER, 0, text == NULL || *text == '\0' ?
	    "not now" : text);
}

void
wsp_result(struct wsp_call *c, const char *xml, size_t len)
{
	call_body(c, VERDICT_RESULT, xml, len);
}
