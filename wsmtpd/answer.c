/* SPDX-License-Identifier: ISC */
/*
 * What wsctl asks of the parent: counters of all processes, limits, sandbox,
 * processes, trace, verbosity, reload, users, stop.  Requests come through
 * control, which has judged who may ask; answers go back there.
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "ctl.h"
#include "log.h"
#include "msg_proc.h"
#include "proc.h"
#include "wsmtpd.h"

#define ROWS_FULL	7000	/* octets of rows that make a message */
#define STATS_TIME	3	/* s for all to answer */
#define RELOAD_TIME	15
#define EVENT_MAX	8192	/* octets of one line */

static int	 answer_dispatch(struct parent *, uint64_t,
		    const struct ctl_req *);
static struct chan *answer_control(struct parent *);
static void	 answer_rows(struct parent *, uint64_t, struct wbuf *, int);
static void	 answer_limits(struct ask *);
static void	 answer_limit_add(struct ask *, const char *, uint64_t);
static void	 answer_ask_rows(struct ask *);
static void	 answer_sandbox(struct parent *, uint64_t);
static void	 answer_sandbox_row(struct wbuf *, const struct child *, pid_t,
		    uid_t, const struct sandbox *, const char *);
static void	 answer_processes(struct parent *, uint64_t);
static const char *answer_state(const struct child *);
static void	 answer_lives(struct parent *, struct wbuf *);
static void	 answer_stat_row(struct wbuf *, const char *, uint32_t,
		    const char *, char, uint64_t);
static void	 answer_ask(struct parent *, uint64_t, enum ask_what, int);
static int	 answer_ask_got(struct ask *, const struct child *);
static void	 answer_ask_done(struct ask *);
static void	 answer_ask_timeout(evutil_socket_t, short, void *);
static void	 answer_ask_free(struct ask *);
static void	 answer_trace(struct parent *, uint64_t, const char *);
static void	 answer_trace_line(struct parent *, struct tracer *,
		    const char *process, const char *line);
static void	 answer_trace_more(struct parent *, uint64_t);
static void	 answer_trace_end(struct parent *, struct tracer *);
static void	 answer_log(struct parent *, uint64_t, const char *);
static void	 answer_plugin(struct parent *, uint64_t,
		    const struct ctl_req *);
static void	 answer_reload(struct parent *, uint64_t, int users_only);

/* --- requests ------------------------------------------------------------ */

int
answer_request(struct parent *pp, struct imsg *imsg)
{
	struct ctl_req	 req;
	struct rbuf	 r;
	struct tracer	*t;
	int		 ret;

	switch (imsg->hdr.type) {
	case IMSG_CTL_MORE:
		answer_trace_more(pp, imsg->hdr.id);
		return 0;
	case IMSG_CTL_CANCEL:
		TAILQ_FOREACH(t, &pp->tracers, entry)
			if (t->ctl_id == imsg->hdr.id) {
				answer_trace_end(pp, t);
				break;
			}
		return 0;
	default:
		break;
	}
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (ctl_req_get(&r, &req) == -1) {
		log_warn("control: malformed request");
		return -1;
	}
	ret = answer_dispatch(pp, imsg->hdr.id, &req);
	ctl_req_free(&req);
	return ret;
}

static int
answer_dispatch(struct parent *pp, uint64_t id, const struct ctl_req *req)
{
	switch (req->cmd) {
	case CTL_SHOW_STATS:
		answer_ask(pp, id, ASK_STATS, STATS_TIME);
		return 0;
	case CTL_SHOW_LIMITS:
		answer_ask(pp, id, ASK_LIMITS, STATS_TIME);
		return 0;
	case CTL_SHOW_SANDBOX:
		answer_sandbox(pp, id);
		return 0;
	case CTL_SHOW_PROCESSES:
		answer_processes(pp, id);
		return 0;
	case CTL_SHOW_PLUGINS:
		answer_ask(pp, id, ASK_PLUGINS, STATS_TIME);
		return 0;
	case CTL_PLUGIN_LOAD:
	case CTL_PLUGIN_UNLOAD:
	case CTL_PLUGIN_ENABLE:
	case CTL_PLUGIN_DISABLE:
	case CTL_PLUGIN_PRIORITY:
		answer_plugin(pp, id, req);
		return 0;
	case CTL_TRACE:
		answer_trace(pp, id, req->nargs > 0 ? req->arg[0] : "");
		return 0;
	case CTL_LOG:
		answer_log(pp, id, req->nargs > 0 ? req->arg[0] : "");
		return 0;
	case CTL_RELOAD:
		answer_reload(pp, id, 0);
		return 0;
	case CTL_USERS:
		answer_reload(pp, id, 1);
		return 0;
	case CTL_STOP:
		pp->stop_id = id;
		spawn_stop(pp, 0);
		return 0;
	default:
		log_warnx("control: request %u is not for the parent",
		    req->cmd);
		return -1;
	}
}

static struct chan *
answer_control(struct parent *pp)
{
	struct child	*ch = spawn_find(pp, P_CONTROL, 0);

	return ch == NULL ? NULL : ch->chan;
}

void
answer_end(struct parent *pp, uint64_t ctl_id, uint32_t error,
    const char *text)
{
	struct chan	*chan = answer_control(pp);
	struct wbuf	 w = { 0 };

	ctl_end_put(&w, error, text);
	if (chan != NULL && chan_sendw(chan, IMSG_CTL_END, ctl_id, &w) == -1)
		log_warn("control");
	wbuf_free(&w);
}

/* Sends the rows gathered when they fill a message, or when all is to go. */
static void
answer_rows(struct parent *pp, uint64_t ctl_id, struct wbuf *w, int all)
{
	struct chan	*chan;

	if (w->len == 0 || (!all && w->len < ROWS_FULL))
		return;
	if ((chan = answer_control(pp)) != NULL &&
	    chan_sendw(chan, IMSG_CTL_ROW, ctl_id, w) == -1)
		log_warn("control");
	wbuf_free(w);
}

/* --- show ---------------------------------------------------------------- */

/* Some are counted by several: soap. */
static void
answer_limit_add(struct ask *a, const char *name, uint64_t value)
{
	int	 is_now, l;

	if ((l = limit_stat_find(name, &is_now)) == -1)
		return;
	if (!is_now)
		a->struck[l] += (int64_t)value;
	else
		a->now[l] = (a->now[l] == -1 ? 0 : a->now[l]) +
		    (int64_t)value;
}

static void
answer_limits(struct ask *a)
{
	const struct limit_row	*l;
	struct parent		*pp = a->pp;
	char			 type;
	size_t			 i;

	for (i = 0; i < LIM_MAX; i++) {
		l = &limit_rows[i];
		type = l->unit == LU_BYTES ? 'b' : 'i';
		ctl_row_begin(&a->w, "limit");
		ctl_row_str(&a->w, "limit", l->keyword);
		ctl_row_int(&a->w, "value", type, pp->conf->limit[i]);
		ctl_row_int(&a->w, "default", type, l->def);
		if (a->now[i] == -1)
			ctl_row_str(&a->w, "now", "");
		else
			ctl_row_int(&a->w, "now", type, a->now[i]);
		ctl_row_int(&a->w, "struck", 'c', a->struck[i]);
		ctl_row_str(&a->w, "unit", l->unit == LU_BYTES ? "octets" :
		    l->unit == LU_SECONDS ? "seconds" : "");
		ctl_row_str(&a->w, "what", l->what);
		ctl_row_end(&a->w);
		answer_rows(pp, a->ctl_id, &a->w, 0);
	}
	answer_rows(pp, a->ctl_id, &a->w, 1);
}

/* The parent's row, when there is no child. */
static void
answer_sandbox_row(struct wbuf *w, const struct child *ch, pid_t pid,
    uid_t uid, const struct sandbox *sb, const char *note)
{
	struct passwd	*pw = getpwuid(uid);
	char		 buf[128], *dir = NULL;

	if (ch != NULL && (sb->applied & SB_CHROOT) &&
	    (dir = spawn_dir(ch)) == NULL)
		log_warn("control");
	ctl_row_begin(w, "sandbox");
	ctl_row_str(w, "process", proc_name(ch == NULL ? P_PARENT : ch->role));
	ctl_row_int(w, "instance", 'i', ch == NULL ? 0 : ch->instance);
	ctl_row_int(w, "pid", 'i', pid);
	ctl_row_int(w, "uid", 'i', uid);
	ctl_row_str(w, "user", pw == NULL ? "" : pw->pw_name);
	ctl_row_str(w, "chroot", dir == NULL ? "" : dir);
	ctl_row_str(w, "applied", sandbox_str(sb->applied, buf, sizeof(buf)));
	ctl_row_int(w, "landlock", 'i', sb->abi);
	ctl_row_str(w, "missing", sandbox_str(sb->missing, buf, sizeof(buf)));
	ctl_row_str(w, "note", note == NULL ? "" : note);
	ctl_row_end(w);
	free(dir);
}

static void
answer_sandbox(struct parent *pp, uint64_t id)
{
	struct child	*ch;
	struct wbuf	 w = { 0 };

	answer_sandbox_row(&w, NULL, getpid(), geteuid(), &pp->sb,
	    geteuid() == 0 ? "keeps root" : "not started by root");
	TAILQ_FOREACH(ch, &pp->children, entry) {
		if (ch->state == CHILD_RUNNING)
			answer_sandbox_row(&w, ch, ch->pid, ch->uid, &ch->sb,
			    ch->sb_text);
		answer_rows(pp, id, &w, 0);
	}
	answer_rows(pp, id, &w, 1);
	answer_end(pp, id, 0, "");
}

static const char *
answer_state(const struct child *ch)
{
	switch (ch->state) {
	case CHILD_DOWN:
		return "waits";
	case CHILD_STARTING:
	case CHILD_READY:
		return "starts";
	case CHILD_RUNNING:
		return "runs";
	case CHILD_STOPPING:
		return "stops";
	}
	return "?";
}

static void
answer_processes(struct parent *pp, uint64_t id)
{
	struct child	*ch;
	struct passwd	*pw;
	struct wbuf	 w = { 0 };
	char		 user[64], self[64];

	pw = getpwuid(geteuid());
	snprintf(self, sizeof(self), "%s", pw != NULL ? pw->pw_name : "");
	ctl_row_begin(&w, "process");
	ctl_row_str(&w, "process", proc_name(P_PARENT));
	ctl_row_int(&w, "instance", 'i', 0);
	ctl_row_int(&w, "pid", 'i', getpid());
	ctl_row_str(&w, "user", self);
	ctl_row_str(&w, "state", "runs");
	ctl_row_int(&w, "since", 't', pp->started);
	ctl_row_int(&w, "restarts", 'c', 0);
	ctl_row_end(&w);
	TAILQ_FOREACH(ch, &pp->children, entry) {
		ctl_row_begin(&w, "process");
		ctl_row_str(&w, "process", proc_name(ch->role));
		ctl_row_int(&w, "instance", 'i', ch->instance);
		ctl_row_int(&w, "pid", 'i', ch->pid);
		ctl_row_str(&w, "user", geteuid() != 0 ? self :
		    load_role_user(pp->conf, ch->role, user, sizeof(user)));
		ctl_row_str(&w, "state", answer_state(ch));
		ctl_row_int(&w, "since", 't', ch->since);
		ctl_row_int(&w, "restarts", 'c', (int64_t)ch->restarts);
		ctl_row_end(&w);
		answer_rows(pp, id, &w, 0);
	}
	answer_rows(pp, id, &w, 1);
	answer_end(pp, id, 0, "");
}

/* --- asking the children ------------------------------------------------- */

/*
 * Asks all for their counters.  The answer is also proof that everything
 * sent before was taken, as a channel keeps its order: a reload ends so.
 */
static void
answer_ask(struct parent *pp, uint64_t ctl_id, enum ask_what what,
    int seconds)
{
	struct timeval	 tv = { seconds, 0 };
	struct child	*ch;
	struct ask	*a;
	size_t		 n = 0;

	TAILQ_FOREACH(ch, &pp->children, entry)
		n++;
	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->waiting = calloc(n + 1, sizeof(struct child *))) == NULL ||
	    (a->timer = evtimer_new(pp->base, answer_ask_timeout, a)) ==
	    NULL) {
		log_warn("control");
		answer_end(pp, ctl_id, ENOMEM, "");
		if (a != NULL)
			free(a->waiting);
		free(a);
		return;
	}
	a->pp = pp;
	a->id = proc_newid();
	a->ctl_id = ctl_id;
	a->what = what;
	memset(a->now, -1, sizeof(a->now));
	TAILQ_FOREACH(ch, &pp->children, entry)
		if (ch->state == CHILD_RUNNING && ch->chan != NULL) {
			a->waiting[a->nwaiting++] = ch;
			a->pending++;
		}
	TAILQ_INSERT_TAIL(&pp->asks, a, entry);
	evtimer_add(a->timer, &tv);
	spawn_tell_all(pp, IMSG_PROC_STATS, a->id, NULL);
	/* With nobody to wait for, the timer is the end of it at once. */
	if (a->pending == 0) {
		tv.tv_sec = 0;
		evtimer_add(a->timer, &tv);
	}
}

/* Strikes the child off.  1 when it was waited for. */
static int
answer_ask_got(struct ask *a, const struct child *ch)
{
	size_t	 i;

	for (i = 0; i < a->nwaiting; i++)
		if (a->waiting[i] == ch) {
			a->waiting[i] = NULL;
			a->pending--;
			return 1;
		}
	return 0;
}

static void
answer_stat_row(struct wbuf *w, const char *process, uint32_t instance,
    const char *name, char kind, uint64_t value)
{
	ctl_row_begin(w, "stats");
	ctl_row_str(w, "process", process);
	ctl_row_int(w, "instance", 'i', instance);
	ctl_row_str(w, "name", name);
	ctl_row_int(w, "value", kind == 'c' ? 'c' : 'g', (int64_t)value);
	ctl_row_end(w);
}

int
answer_stats(struct parent *pp, struct child *ch, struct imsg *imsg)
{
	struct ask	*a;
	struct rbuf	 r;
	char		*name, kind;
	uint64_t	 value;
	int		 n = 0;

	TAILQ_FOREACH(a, &pp->asks, entry)
		if (a->id == imsg->hdr.id)
			break;
	/* Too late, or the asker has gone. */
	if (a == NULL || !answer_ask_got(a, ch))
		return 0;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	while (a->what != ASK_NOTHING &&
	    (n = proc_stat_get(&r, &name, &kind, &value)) == 1) {
		if (a->what == ASK_STATS)
			answer_stat_row(&a->w, proc_name(ch->role),
			    ch->instance, name, kind, value);
		else if (a->what == ASK_LIMITS)
			answer_limit_add(a, name, value);
		else if (ch->plug != NULL)
			plug_count(ch, name, value);
		free(name);
		answer_rows(pp, a->ctl_id, &a->w, 0);
	}
	if (a->pending == 0)
		answer_ask_done(a);
	if (n == -1)
		log_warnx("%s: malformed counters", ch->name);
	return n;
}

void
answer_child_down(struct parent *pp, struct child *ch)
{
	struct ask	*a, *next;

	TAILQ_FOREACH_SAFE(a, &pp->asks, entry, next)
		if (answer_ask_got(a, ch) && a->pending == 0)
			answer_ask_done(a);
}

/* What the parent itself knows of its children. */
static void
answer_lives(struct parent *pp, struct wbuf *w)
{
	struct child	*ch;

	answer_stat_row(w, proc_name(P_PARENT), 0, "start_time_seconds", 'g',
	    (uint64_t)pp->started / 1000);
	TAILQ_FOREACH(ch, &pp->children, entry) {
		answer_stat_row(w, proc_name(ch->role), ch->instance, "up", 'g',
		    ch->state == CHILD_RUNNING);
		answer_stat_row(w, proc_name(ch->role), ch->instance,
		    "restarts", 'c', ch->restarts);
	}
}

/* The rows that are due when all have answered. */
static void
answer_ask_rows(struct ask *a)
{
	if (a->what == ASK_STATS) {
		answer_lives(a->pp, &a->w);
		answer_rows(a->pp, a->ctl_id, &a->w, 1);
	} else if (a->what == ASK_LIMITS)
		answer_limits(a);
	else if (a->what == ASK_PLUGINS) {
		plug_show(a->pp, &a->w);
		answer_rows(a->pp, a->ctl_id, &a->w, 1);
	}
}

static void
answer_ask_done(struct ask *a)
{
	answer_ask_rows(a);
	answer_end(a->pp, a->ctl_id, 0, "");
	answer_ask_free(a);
}

static void
answer_ask_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct ask	*a = arg;
	char		 why[512] = "no answer from";
	size_t		 i;

	(void)fd;
	(void)what;
	if (a->pending == 0) {
		answer_ask_done(a);
		return;
	}
	for (i = 0; i < a->nwaiting; i++)
		if (a->waiting[i] != NULL) {
			strlcat(why, " ", sizeof(why));
			strlcat(why, a->waiting[i]->name, sizeof(why));
		}
	log_warnx("control: %s", why);
	answer_ask_rows(a);
	answer_end(a->pp, a->ctl_id, ETIMEDOUT, why);
	answer_ask_free(a);
}

static void
answer_ask_free(struct ask *a)
{
	TAILQ_REMOVE(&a->pp->asks, a, entry);
	event_free(a->timer);
	wbuf_free(&a->w);
	free(a->waiting);
	free(a);
}

void
answer_drop_all(struct parent *pp)
{
	struct tracer	*t, *tnext;
	struct ask	*a, *anext;

	TAILQ_FOREACH_SAFE(a, &pp->asks, entry, anext)
		answer_ask_free(a);
	TAILQ_FOREACH_SAFE(t, &pp->tracers, entry, tnext)
		answer_trace_end(pp, t);
}

static void
answer_plugin(struct parent *pp, uint64_t id, const struct ctl_req *req)
{
	char	 why[256] = "";
	int	 error;

	error = plug_command(pp, req->cmd, req->nargs > 0 ? req->arg[0] : "",
	    req->nargs > 1 ? req->arg[1] : "", why, sizeof(why));
	if (error != 0)
		answer_end(pp, id, (uint32_t)error, why);
	else	/* when all who call it have heard of it */
		answer_ask(pp, id, ASK_NOTHING, RELOAD_TIME);
}

/* --- trace and log ------------------------------------------------------- */

static void
answer_trace(struct parent *pp, uint64_t id, const char *filter)
{
	struct tracer	*t;
	int		 is_first = TAILQ_EMPTY(&pp->tracers);

	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->filter = strdup(filter)) == NULL) {
		log_warn("control");
		free(t);
		answer_end(pp, id, ENOMEM, "");
		return;
	}
	t->ctl_id = id;
	t->allowance = CTL_ROWS_AHEAD;
	TAILQ_INSERT_TAIL(&pp->tracers, t, entry);
	if (is_first)
		spawn_send_log(pp);
}

static void
answer_trace_end(struct parent *pp, struct tracer *t)
{
	TAILQ_REMOVE(&pp->tracers, t, entry);
	free(t->filter);
	free(t);
	if (TAILQ_EMPTY(&pp->tracers) && !pp->stopping)
		spawn_send_log(pp);
}

/* Who reads too slowly loses lines, and is told how many. */
static void
answer_trace_line(struct parent *pp, struct tracer *t, const char *process,
    const char *line)
{
	struct wbuf	 w = { 0 };

	if (t->allowance == 0) {
		t->lost++;
		return;
	}
	t->allowance--;
	ctl_row_begin(&w, "event");
	ctl_row_str(&w, "process", process);
	ctl_row_str(&w, "line", line);
	ctl_row_end(&w);
	answer_rows(pp, t->ctl_id, &w, 1);
}

static void
answer_trace_more(struct parent *pp, uint64_t id)
{
	struct tracer	*t;
	char		 line[64];

	TAILQ_FOREACH(t, &pp->tracers, entry)
		if (t->ctl_id == id)
			break;
	if (t == NULL)
		return;
	t->allowance += CTL_ROWS_AHEAD;
	if (t->lost > 0) {
		snprintf(line, sizeof(line), "ev=lost reason=\"%llu lines\"",
		    (unsigned long long)t->lost);
		t->lost = 0;
		answer_trace_line(pp, t, proc_name(P_PARENT), line);
	}
}

int
answer_event(struct parent *pp, struct child *ch, struct imsg *imsg)
{
	struct tracer	*t, *next;
	struct rbuf	 r;
	char		*line;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	line = rbuf_str(&r, EVENT_MAX);
	if (line == NULL || rbuf_end(&r) == -1) {
		log_warn("%s: malformed event", ch->name);
		free(line);
		return -1;
	}
	TAILQ_FOREACH_SAFE(t, &pp->tracers, entry, next)
		if (strstr(line, t->filter) != NULL)
			answer_trace_line(pp, t, ch->name, line);
	free(line);
	return 0;
}

static void
answer_log(struct parent *pp, uint64_t id, const char *word)
{
	if (strcmp(word, "verbose") != 0 && strcmp(word, "brief") != 0) {
		answer_end(pp, id, EINVAL, "expected verbose or brief");
		return;
	}
	pp->verbose = strcmp(word, "verbose") == 0;
	log_setverbose(pp->verbose);
	spawn_send_log(pp);
	answer_end(pp, id, 0, "");
}

/* --- reload -------------------------------------------------------------- */

static void
answer_reload(struct parent *pp, uint64_t id, int users_only)
{
	char	 why[512];
	int	 ret;

	if (pp->stopping) {
		answer_end(pp, id, EBUSY, "wsmtpd is stopping");
		return;
	}
	ret = users_only ? parent_reload_users(pp, why, sizeof(why)) :
	    parent_reload(pp, why, sizeof(why));
	if (ret == -1)
		answer_end(pp, id, ENOEXEC, why);
	else
		answer_ask(pp, id, ASK_NOTHING, RELOAD_TIME);
}
