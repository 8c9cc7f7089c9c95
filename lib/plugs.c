/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "plugs.h"
#include "textout.h"
#include "wstime.h"

#define PLUG_WINDOW	16	/* calls at one plug-in, from one caller */
#define PLUG_HELD	4096	/* of those that it may hold; beside the others */
#define PLUG_WAITING	1000	/* calls that wait for one */

struct plugin {
	TAILQ_ENTRY(plugin) entry;
	struct plug_row	 row;
	unsigned int	 inflight, held, waiting;
	int		 seen;		/* in the table that is being read */
};

enum chain_state {
	CHAIN_IDLE,		/* at its owner's */
	CHAIN_WAITING,		/* encoded, not sent */
	CHAIN_SENT,
	CHAIN_ORPHAN		/* sent to a process that is gone: see the table */
};

struct chain {
	TAILQ_ENTRY(chain) entry;
	struct plugs	*ps;
	chain_cb	 cb;
	void		*arg;
	uint32_t	 interface;
	char		*who;
	enum chain_state state;
	int		 begun;		/* there was one before: */
	uint32_t	 priority, id;	/* who is asked, or was last */
	int		 single;	/* nobody else is asked */
	int		 held;		/* it is in its plug-in's count of these */
	uint64_t	 call;		/* id of the message, in calls */
	struct chan	*chan;		/* CHAIN_SENT */
	struct wbuf	 w;		/* the call, until an answer is sure */
	int64_t		 deadline;	/* ms */
};

static struct plugin *plugin_by_id(const struct plugs *, uint32_t);
static void	 plugin_place(struct plugs *, struct plugin *);
static void	 plugin_free(struct plugs *, struct plugin *);
static int	 plugin_serves(const struct plugin *, uint32_t, const char *);
static struct plugin *chain_next(const struct chain *);
static void	 chain_begin(struct chain *, struct plugin *, uint32_t timeout,
		    const struct plug_call *);
static int	 chain_send(struct chain *, struct plugin *);
static void	 chain_uncount(struct chain *, struct plugin *);
static void	 chain_leave(struct chain *);
static void	 chain_done(struct chain *, const struct plug_verdict *,
		    const struct plug_row *);
static void	 chain_skip(struct chain *);
static void	 chain_defer(struct chain *, const char *why);
static void	 chain_settle(struct chain *);
static void	 verdict_clean(struct plug_verdict *);
static int	 verdict_fits(const struct chain *,
		    const struct plug_verdict *);
static void	 plugs_complain(struct plugs *, const struct plug_row *,
		    const char *);
static void	 plugs_push(struct plugs *);
static void	 plugs_tick(evutil_socket_t, short, void *);

/* --- who there is -------------------------------------------------------- */

int
plugs_init(struct plugs *ps, struct proc *p)
{
	struct timeval	 tv = { 0, 250 * 1000 };

	memset(ps, 0, sizeof(*ps));
	ps->p = p;
	TAILQ_INIT(&ps->list);
	TAILQ_INIT(&ps->chains);
	idtree_init(&ps->calls);
	ps->last = proc_newid();
	ps->timer = event_new(p->base, -1, EV_PERSIST, plugs_tick, ps);
	return ps->timer == NULL || event_add(ps->timer, &tv) == -1 ? -1 : 0;
}

void
plugs_free(struct plugs *ps)
{
	struct plugin	*pl;
	struct chain	*c;

	while ((c = TAILQ_FIRST(&ps->chains)) != NULL)
		chain_free(c);
	while ((pl = TAILQ_FIRST(&ps->list)) != NULL)
		plugin_free(ps, pl);
	if (ps->timer != NULL)
		event_free(ps->timer);
}

static struct plugin *
plugin_by_id(const struct plugs *ps, uint32_t id)
{
	struct plugin	*pl;

	TAILQ_FOREACH(pl, &ps->list, entry)
		if (pl->row.id == id)
			return pl;
	return NULL;
}

static void
plugin_place(struct plugs *ps, struct plugin *pl)
{
	struct plugin	*at;

	TAILQ_FOREACH(at, &ps->list, entry)
		if (at->row.priority > pl->row.priority ||
		    (at->row.priority == pl->row.priority &&
		    at->row.id > pl->row.id))
			break;
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, pl, entry);
	else
		TAILQ_INSERT_TAIL(&ps->list, pl, entry);
}

static void
plugin_free(struct plugs *ps, struct plugin *pl)
{
	struct plug_table	 t = { .n = 1 };

	TAILQ_REMOVE(&ps->list, pl, entry);
	if ((t.row = calloc(1, sizeof(*t.row))) != NULL) {
		*t.row = pl->row;
		plug_table_free(&t);
	}
	free(pl);
}

int
plugs_table(struct plugs *ps, struct imsg *imsg)
{
	struct plug_table	 t;
	struct plug_row		 swap;
	struct plugin		*pl;
	struct chain		*c, *cnext;
	struct rbuf		 r;
	uint32_t		 i;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (plug_table_get(&r, &t) == -1)
		return -1;
	TAILQ_FOREACH(pl, &ps->list, entry)
		pl->seen = 0;
	for (i = 0; i < t.n; i++) {
		if ((pl = plugin_by_id(ps, t.row[i].id)) != NULL)
			TAILQ_REMOVE(&ps->list, pl, entry);
		else if ((pl = calloc(1, sizeof(*pl))) == NULL)
			fatal("plug-ins");
		swap = pl->row;
		pl->row = t.row[i];
		t.row[i] = swap;
		pl->seen = 1;
		plugin_place(ps, pl);
	}
	plug_table_free(&t);
	/* What one that is gone has in its hands it finishes first. */
	TAILQ_FOREACH(pl, &ps->list, entry)
		if (!pl->seen)
			pl->row.state = PLUG_DISABLED;
	TAILQ_FOREACH_SAFE(c, &ps->chains, entry, cnext)
		if (c->state != CHAIN_IDLE)
			chain_settle(c);
	plugs_push(ps);
	return 0;
}

static int
plugin_serves(const struct plugin *pl, uint32_t interface, const char *who)
{
	if (pl->row.state == PLUG_DISABLED ||
	    (pl->row.state == PLUG_TRIPPED && !pl->row.required))
		return 0;
	/* Until it has said what it is, it may be this. */
	if (pl->row.about.interfaces != 0 &&
	    !(pl->row.about.interfaces & interface))
		return 0;
	return plug_row_covers(&pl->row, who);
}

int
plugs_any(const struct plugs *ps, uint32_t interface, const char *who)
{
	const struct plugin	*pl;

	TAILQ_FOREACH(pl, &ps->list, entry)
		if (plugin_serves(pl, interface, who))
			return 1;
	return 0;
}

const struct plug_row *
plugs_mapped(const struct plugs *ps, const char *addr)
{
	const struct plugin	*pl;
	uint32_t		 i;

	TAILQ_FOREACH(pl, &ps->list, entry)
		for (i = 0; pl->seen && i < pl->row.naddress; i++)
			if (strcmp(pl->row.address[i], addr) == 0)
				return &pl->row;
	return NULL;
}

const struct plug_row *
plugs_extension(const struct plugs *ps, const char *ext)
{
	const struct plugin	*pl;
	uint32_t		 i;

	TAILQ_FOREACH(pl, &ps->list, entry)
		if (pl->row.state != PLUG_DISABLED)
			for (i = 0; i < pl->row.about.next; i++)
				if (strcmp(pl->row.about.ext[i], ext) == 0)
					return &pl->row;
	return NULL;
}

const struct plug_row *
plugs_by_id(const struct plugs *ps, uint32_t id)
{
	const struct plugin	*pl = plugin_by_id(ps, id);

	return pl == NULL ? NULL : &pl->row;
}

void
plugs_stats(struct plugs *ps, struct wbuf *w)
{
	stats_add(w, "plugin_calls", 'c', ps->ncalls);
	stats_add(w, "plugin_verdicts", 'c', ps->nverdicts);
	stats_add(w, "plugin_late", 'c', ps->nlate);
	stats_add(w, "plugin_nonsense", 'c', ps->nnonsense);
}

/* --- a chain ------------------------------------------------------------- */

struct chain *
chain_new(struct plugs *ps, uint32_t interface, const char *who, chain_cb cb,
    void *arg)
{
	struct chain	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	if ((c->who = strdup(who)) == NULL) {
		free(c);
		return NULL;
	}
	c->ps = ps;
	c->interface = interface;
	c->cb = cb;
	c->arg = arg;
	TAILQ_INSERT_TAIL(&ps->chains, c, entry);
	return c;
}

void
chain_free(struct chain *c)
{
	chain_leave(c);
	TAILQ_REMOVE(&c->ps->chains, c, entry);
	free(c->who);
	free(c);
}

/* Whatever it waited for, it does no more. */
static void
chain_leave(struct chain *c)
{
	struct plugin	*pl = plugin_by_id(c->ps, c->id);

	if (c->state == CHAIN_SENT) {
		(void)idtree_pop(&c->ps->calls, c->call);
		if (pl != NULL)
			chain_uncount(c, pl);
	} else if (c->state == CHAIN_WAITING && pl != NULL)
		pl->waiting--;
	c->state = CHAIN_IDLE;
	c->chan = NULL;
	wbuf_free(&c->w);
}

static struct plugin *
chain_next(const struct chain *c)
{
	struct plugin	*pl;

	TAILQ_FOREACH(pl, &c->ps->list, entry) {
		if (c->begun && (pl->row.priority < c->priority ||
		    (pl->row.priority == c->priority && pl->row.id <= c->id)))
			continue;
		if (plugin_serves(pl, c->interface, c->who))
			return pl;
	}
	return NULL;
}

void
chain_step(struct chain *c, const struct plug_call *call)
{
	struct plugin	*pl = chain_next(c);

	if (pl == NULL) {
		chain_done(c, NULL, NULL);
		return;
	}
	chain_begin(c, pl, pl->row.timeout, call);
}

void
chain_ask(struct chain *c, uint32_t id, uint32_t timeout,
    const struct plug_call *call)
{
	struct plugin	*pl = plugin_by_id(c->ps, id);

	c->single = 1;
	if (pl == NULL)
		chain_done(c, NULL, NULL);
	else
		chain_begin(c, pl, timeout, call);
}

static void
chain_begin(struct chain *c, struct plugin *pl, uint32_t timeout,
    const struct plug_call *call)
{
	struct plug_call	 shown = *call;

	c->begun = 1;
	c->priority = pl->row.priority;
	c->id = pl->row.id;
	c->deadline = wstime_mono() + (int64_t)timeout * 1000;
	shown.interface = c->interface;
	if (c->interface != PLUG_EXTENSION && (!pl->row.bodies ||
	    (int64_t)call->size > pl->row.size_max)) {
		shown.body = NULL;
		shown.body_len = 0;
		shown.sig = NULL;
		shown.sig_len = 0;
	}
	plug_call_put(&c->w, &shown);
	c->state = CHAIN_WAITING;
	pl->waiting++;
	if (c->w.error)
		chain_defer(c, "out of memory");
	else if (pl->row.state == PLUG_TRIPPED)
		chain_defer(c, "is out of service");
	else if (pl->waiting > PLUG_WAITING)
		chain_defer(c, "has too much to do");
	else
		(void)chain_send(c, pl);
}

/* 1: sent, 0: it has to wait. */
static int
chain_send(struct chain *c, struct plugin *pl)
{
	struct chan	*ch;

	/*
	 * Requests that may be held for long must not keep out those that are
	 * answered at once.
	 */
	c->held = c->single && pl->row.about.hold > 0;
	if (pl->row.state != PLUG_UP || (c->held ? pl->held >= PLUG_HELD :
	    pl->inflight >= PLUG_WINDOW) ||
	    (ch = proc_peer_instance(c->ps->p, P_PLUG, c->id)) == NULL ||
	    chan_is_full(ch))
		return 0;
	c->call = ++c->ps->last;
	if (idtree_set(&c->ps->calls, c->call, c) == -1)
		return 0;
	/* Kept: when the process ends orderly, its successor is asked. */
	if (chan_send(ch, IMSG_PLUG_CALL, c->call, -1, c->w.data, c->w.len) ==
	    -1) {
		(void)idtree_pop(&c->ps->calls, c->call);
		return 0;
	}
	c->ps->ncalls++;
	c->state = CHAIN_SENT;
	c->chan = ch;
	pl->waiting--;
	if (c->held)
		pl->held++;
	else
		pl->inflight++;
	return 1;
}

/* It was sent and is no more. */
static void
chain_uncount(struct chain *c, struct plugin *pl)
{
	if (c->held)
		pl->held--;
	else
		pl->inflight--;
}

/* The owner has it again; it may be freed when this returns. */
static void
chain_done(struct chain *c, const struct plug_verdict *v,
    const struct plug_row *row)
{
	chain_leave(c);
	c->cb(c, v, row, c->arg);
}

static void
chain_skip(struct chain *c)
{
	struct plug_verdict	 v = { .what = VERDICT_CONTINUE };
	struct plug_row		 nobody = { .id = 0 };

	nobody.name = (char *)(uintptr_t)"";
	v.text = (char *)(uintptr_t)"";
	if (c->single)
		chain_done(c, NULL, NULL);
	else
		chain_done(c, &v, &nobody);
}

static void
chain_defer(struct chain *c, const char *why)
{
	struct plugin		*pl = plugin_by_id(c->ps, c->id);
	struct plug_row		 nobody = { .id = 0 };
	struct plug_verdict	 v = { .what = VERDICT_DEFER };
	char			 text[PLUG_TEXT_MAX];

	nobody.name = (char *)(uintptr_t)"";
	snprintf(text, sizeof(text), "plug-in %s %s",
	    pl != NULL ? pl->row.name : "", why);
	v.text = text;
	chain_done(c, &v, pl != NULL ? &pl->row : &nobody);
}

/* After the table changed, or its plug-in's process went. */
static void
chain_settle(struct chain *c)
{
	struct plugin	*pl = plugin_by_id(c->ps, c->id);

	if (c->state == CHAIN_SENT)
		return;
	if (pl == NULL || pl->row.state == PLUG_DISABLED)
		chain_skip(c);
	else if (c->state == CHAIN_ORPHAN) {
		if (pl->row.state != PLUG_DOWN) {
			chain_defer(c, "failed");
			return;
		}
		c->state = CHAIN_WAITING;
		pl->waiting++;
	} else if (c->state == CHAIN_WAITING &&
	    pl->row.state == PLUG_TRIPPED) {
		if (pl->row.required || c->single)
			chain_defer(c, "is out of service");
		else
			chain_skip(c);
	}
}

void
plugs_peer_up(struct plugs *ps, struct chan *ch)
{
	(void)ch;
	plugs_push(ps);
}

/* Why it went the next table will tell: the parent knows. */
void
plugs_peer_down(struct plugs *ps, struct chan *ch)
{
	struct chain	*c, *next;
	struct plugin	*pl;

	TAILQ_FOREACH_SAFE(c, &ps->chains, entry, next) {
		if (c->state != CHAIN_SENT || c->chan != ch)
			continue;
		(void)idtree_pop(&ps->calls, c->call);
		if ((pl = plugin_by_id(ps, c->id)) != NULL)
			chain_uncount(c, pl);
		c->state = CHAIN_ORPHAN;
		c->chan = NULL;
		if (pl == NULL || pl->row.state == PLUG_DISABLED)
			chain_settle(c);
	}
	/*
	 * One that is up and has no channel broke the protocol, or has died:
	 * the parent knows which.
	 */
	pl = plugin_by_id(ps, ch->instance);
	if (pl != NULL && pl->row.state == PLUG_UP && !ps->p->stopping)
		plugs_complain(ps, &pl->row, "closed its channel");
	plugs_push(ps);
}

/* Those that wait and need not; plug-ins that are gone and done with. */
static void
plugs_push(struct plugs *ps)
{
	struct chain	*c;
	struct plugin	*pl, *next;

	TAILQ_FOREACH(c, &ps->chains, entry)
		if (c->state == CHAIN_WAITING &&
		    (pl = plugin_by_id(ps, c->id)) != NULL)
			(void)chain_send(c, pl);
	TAILQ_FOREACH_SAFE(pl, &ps->list, entry, next)
		if (!pl->seen && pl->inflight == 0 && pl->held == 0 &&
		    pl->waiting == 0)
			plugin_free(ps, pl);
}

/* --- verdicts ------------------------------------------------------------ */

static int
verdict_fits(const struct chain *c, const struct plug_verdict *v)
{
	if (c->interface == PLUG_EXTENSION)
		return v->what == VERDICT_RESULT || v->what == VERDICT_REFUSE ||
		    v->what == VERDICT_DEFER;
	return v->what != VERDICT_RESULT && (v->what != VERDICT_REPLACE ||
	    c->interface == PLUG_SENDING);
}

/* Its text goes into XML and to people: one line of characters. */
static void
verdict_clean(struct plug_verdict *v)
{
	uint32_t	 cp;
	size_t		 n;
	char		*s;

	for (s = v->text; *s != '\0'; s += n) {
		if ((n = textout_utf8(s, &cp)) == 0 || cp < ' ' ||
		    (cp >= 0x7f && cp < 0xa0) || cp == 0xfffe || cp == 0xffff) {
			memset(s, '?', n == 0 ? 1 : n);
			n = n == 0 ? 1 : n;
		}
	}
}

/* The parent ends it, and judges whether it may come again. */
static void
plugs_complain(struct plugs *ps, const struct plug_row *row, const char *why)
{
	struct wbuf	 w = { 0 };

	log_warnx("plug-in %s %s", row->name, why);
	plug_fault_put(&w, row->id, why);
	if (ps->p->parent == NULL ||
	    chan_sendw(ps->p->parent, IMSG_PARENT_PLUG_FAULT, 0, &w) == -1)
		wbuf_free(&w);
}

int
plugs_verdict(struct plugs *ps, struct chan *ch, struct imsg *imsg)
{
	struct plug_verdict	 v;
	struct plugin		*pl;
	struct chain		*c;
	struct rbuf		 r;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	c = idtree_get(&ps->calls, imsg->hdr.id);
	if (plug_verdict_get(&r, &v) == -1)
		return -1;
	/* Late: it was given up. */
	if (c == NULL || c->chan != ch) {
		plug_verdict_free(&v);
		return 0;
	}
	pl = plugin_by_id(ps, c->id);
	if (pl == NULL || !verdict_fits(c, &v)) {
		ps->nnonsense++;
		if (pl != NULL)
			plugs_complain(ps, &pl->row,
			    "gave a verdict that there is not");
		chain_defer(c, "gave no verdict");
	} else {
		ps->nverdicts++;
		verdict_clean(&v);
		chain_done(c, &v, &pl->row);
	}
	plug_verdict_free(&v);
	plugs_push(ps);
	return 0;
}

static void
plugs_tick(evutil_socket_t fd, short what, void *arg)
{
	struct plugs	*ps = arg;
	struct chain	*c, *next;
	struct plugin	*pl;
	int64_t		 now = wstime_mono();

	(void)fd;
	(void)what;
	TAILQ_FOREACH_SAFE(c, &ps->chains, entry, next) {
		if (c->state == CHAIN_IDLE || now < c->deadline)
			continue;
		ps->nlate++;
		if (c->state == CHAIN_SENT &&
		    (pl = plugin_by_id(ps, c->id)) != NULL)
			plugs_complain(ps, &pl->row, "did not answer in time");
		chain_defer(c, "did not answer in time");
	}
	plugs_push(ps);
}
