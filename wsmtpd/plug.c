/* SPDX-License-Identifier: ISC */
/*
 * Plug-ins as the parent sees them: a slot for each in the configuration,
 * whose process spawn.c starts and ends.  The slot says whether it is wanted,
 * in which order it comes, and whether it has failed too often; those who
 * call plug-ins are told all of it in one table (IMSG_PROC_PLUGS).
 *
 * A failure is the end of the process that nobody asked for, or a caller's
 * complaint, which ends it.  PLUG_FAILS of them in a row, each within
 * PLUG_WINDOW of the one before, and it is out of service for PLUG_REST;
 * then it is tried again, and one failure is enough.
 */
#include "compat.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>

#include "ctl.h"
#include "log.h"
#include "msg_plug.h"
#include "wsmtpd.h"
#include "wstime.h"

#define PLUG_FAILS	3
#define PLUG_WINDOW	(60 * 1000)	/* ms, and twice its timeout */
#define PLUG_REST	300		/* s */
#define PLUG_AGAIN	1		/* s from a failure to the next start */
#define PLUG_CONNECTS	20		/* that it may ask for in a second */

struct plug {			/* a slot */
	struct parent	*pp;
	struct child	*ch;
	uint32_t	 id;
	char		*name;
	struct conf_plugin *cp;		/* NULL: not in the configuration any more */
	struct wbuf	 as;		/* its block, to see whether it changed */
	struct stat	 st;		/* of the object it was started from */
	uid_t		 uid;
	int		 exec;		/* the process that runs may make others */
	struct plug_about about;	/* of the process that runs */
	int		 up;		/* it has said about */
	int		 wanted;	/* loaded */
	int		 restart;	/* ends to start anew */
	int		 disabled;	/* these two: the block's, or wsctl's */
	uint32_t	 priority;
	int		 failed;	/* since the last about */
	int		 tripped;
	unsigned int	 fails;		/* in a row */
	int64_t		 last_fail;	/* ms */
	uint64_t	 failures;
	char		 error[PLUG_TEXT_MAX];
	struct plug_counts counts;
	int64_t		 second;	/* of the connects that it asked for */
	unsigned int	 nconnect;
	TAILQ_ENTRY(plug) entry;
};

static struct plug *plug_find(struct parent *, const char *);
static struct plug *plug_new(struct parent *, const char *);
static void	 plug_free(struct plug *);
static int	 plug_take(struct plug *, struct conf_plugin *);
static void	 plug_start(struct plug *);
static void	 plug_end(struct plug *);
static void	 plug_settle(struct plug *);
static void	 plug_note_failure(struct plug *);
static enum plug_state plug_state(const struct plug *);
static void	 plug_row(const struct plug *, struct plug_row *);
static void	 plug_send(struct parent *, struct child *, struct wbuf *);
static int	 plug_uid_taken(struct parent *, const char *spool, uid_t);
static int	 plug_uid(struct plug *, const char *dir, uid_t *);
static const char *plug_state_name(const struct plug *);

/* --- slots --------------------------------------------------------------- */

static struct plug *
plug_find(struct parent *pp, const char *name)
{
	struct plug	*pl;

	TAILQ_FOREACH(pl, &pp->plugs, entry)
		if (strcmp(pl->name, name) == 0)
			return pl;
	return NULL;
}

static struct plug *
plug_new(struct parent *pp, const char *name)
{
	struct plug	*pl;

	if ((pl = calloc(1, sizeof(*pl))) == NULL ||
	    (pl->name = strdup(name)) == NULL) {
		free(pl);
		return NULL;
	}
	pl->pp = pp;
	pl->id = ++pp->last_plug;
	if ((pl->ch = spawn_add_plug(pp, pl, pl->id, name)) == NULL) {
		free(pl->name);
		free(pl);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&pp->plugs, pl, entry);
	return pl;
}

static void
plug_free(struct plug *pl)
{
	TAILQ_REMOVE(&pl->pp->plugs, pl, entry);
	if (pl->ch != NULL)
		spawn_remove(pl->ch);
	plug_about_free(&pl->about);
	wbuf_free(&pl->as);
	free(pl->name);
	free(pl);
}

void
plug_free_all(struct parent *pp)
{
	struct plug	*pl;

	while ((pl = TAILQ_FIRST(&pp->plugs)) != NULL)
		plug_free(pl);
}

/* A block of the configuration for a slot.  1: it is another one than before. */
static int
plug_take(struct plug *pl, struct conf_plugin *cp)
{
	struct wbuf	 as = { 0 };
	struct stat	 st;
	int		 changed;

	cp->id = pl->id;
	pl->cp = cp;
	conf_plugin_put(&as, cp);
	if (stat(cp->object, &st) == -1)
		memset(&st, 0, sizeof(st));
	changed = as.error || as.len != pl->as.len ||
	    memcmp(as.data, pl->as.data, as.len) != 0 ||
	    st.st_ino != pl->st.st_ino || st.st_dev != pl->st.st_dev ||
	    st.st_mtim.tv_sec != pl->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != pl->st.st_mtim.tv_nsec;
	wbuf_free(&pl->as);
	pl->as = as;
	pl->st = st;
	if (changed) {
		pl->disabled = cp->disabled;
		pl->priority = cp->priority;
	}
	return changed;
}

void
plug_configure(struct parent *pp)
{
	struct conf_plugin	*cp;
	struct plug		*pl, *next;

	TAILQ_FOREACH(pl, &pp->plugs, entry)
		pl->cp = NULL;
	TAILQ_FOREACH(cp, &pp->conf->plugins, entry) {
		if ((pl = plug_find(pp, cp->name)) != NULL) {
			if (!plug_take(pl, cp))
				continue;
			log_info("plug-in %s: changed", pl->name);
			pl->wanted = 1;
			if (pl->ch->pid != 0) {
				pl->restart = 1;
				plug_end(pl);
			} else
				plug_start(pl);
		} else if ((pl = plug_new(pp, cp->name)) != NULL) {
			(void)plug_take(pl, cp);
			pl->wanted = 1;
			plug_start(pl);
		} else
			log_warn("plug-in %s", cp->name);
	}
	TAILQ_FOREACH_SAFE(pl, &pp->plugs, entry, next)
		if (pl->cp == NULL) {
			pl->wanted = 0;
			plug_end(pl);
			plug_settle(pl);
		}
	plug_tell(pp, NULL);
}

/* One that has ended and is not in the configuration is forgotten. */
static void
plug_settle(struct plug *pl)
{
	if (pl->cp == NULL && pl->ch->pid == 0)
		plug_free(pl);
}

static void
plug_start(struct plug *pl)
{
	if (pl->pp->stopping || pl->ch->pid != 0 || pl->cp == NULL)
		return;
	pl->fails = 0;
	pl->failed = pl->tripped = 0;
	spawn_now(pl->ch);
}

static void
plug_end(struct plug *pl)
{
	pl->up = 0;
	/* First those who call it: nothing is sent to one that ends. */
	plug_tell(pl->pp, NULL);
	spawn_end(pl->ch);
}

/* --- failures ------------------------------------------------------------ */

static void
plug_note_failure(struct plug *pl)
{
	int64_t	 now = wstime_now(), window = PLUG_WINDOW;

	if (pl->cp != NULL)
		window += 2000LL * pl->cp->timeout;
	pl->failures++;
	pl->failed = 1;
	pl->fails = now - pl->last_fail < window ? pl->fails + 1 : 1;
	pl->last_fail = now;
	if (pl->fails >= PLUG_FAILS && !pl->tripped) {
		pl->tripped = 1;
		log_warnx("plug-in %s: %u failures in a row, out of service "
		    "for %d s (%s)", pl->name, pl->fails, PLUG_REST,
		    pl->error);
	}
}

/*
 * Programs that it left behind: all that runs as its user is its own, and
 * they could go on with what was granted to it.  Waited for, as the next
 * process of the plug-in has that user, too.
 */
void
plug_sweep(const struct child *ch)
{
	const struct plug	*pl = ch->plug;
	pid_t			 pid;
	int			 status;

	if (!pl->exec || geteuid() != 0)
		return;
	switch (pid = fork()) {
	case -1:
		log_warn("plug-in %s: fork", pl->name);
		return;
	case 0:
		if (setgroups(0, NULL) == -1 ||
		    setresgid((gid_t)pl->uid, (gid_t)pl->uid,
		    (gid_t)pl->uid) == -1 ||
		    setresuid(pl->uid, pl->uid, pl->uid) == -1)
			_exit(1);
		_exit(kill(-1, SIGKILL) == -1 && errno != ESRCH);
	default:
		break;
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR) {
			log_warn("plug-in %s: waitpid", pl->name);
			return;
		}
	if (status != 0)
		log_warnx("plug-in %s: what it left behind may still run",
		    pl->name);
}

int
plug_died(struct child *ch, int asked, const char *how)
{
	struct plug	*pl = ch->plug;
	int		 seconds = PLUG_AGAIN;

	pl->up = 0;
	if (!pl->wanted) {
		plug_tell(pl->pp, NULL);
		plug_settle(pl);
		return -1;
	}
	if (pl->restart || asked) {
		pl->restart = 0;
		plug_tell(pl->pp, NULL);
		return 0;
	}
	/* What a caller complained of, but not where it died by itself. */
	if (!pl->failed || strstr(how, "signal 9 ") == NULL)
		strlcpy(pl->error, how, sizeof(pl->error));
	plug_note_failure(pl);
	if (pl->tripped)
		seconds = PLUG_REST;
	plug_tell(pl->pp, NULL);
	return seconds;
}

/* Its timer starts it: what it rested for may be over. */
void
plug_again(struct child *ch)
{
	struct plug	*pl = ch->plug;

	if (!pl->tripped)
		return;
	log_info("plug-in %s: tried again", pl->name);
	pl->tripped = 0;
	pl->fails = PLUG_FAILS - 1;
	pl->last_fail = wstime_now();
}

int
plug_fault(struct parent *pp, struct child *from, struct imsg *imsg)
{
	struct plug	*pl;
	struct rbuf	 r;
	uint32_t	 id;
	char		*text;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (plug_fault_get(&r, &id, &text) == -1)
		return -1;
	TAILQ_FOREACH(pl, &pp->plugs, entry)
		if (pl->id == id)
			break;
	/* Of several callers that complain the first one has ended it. */
	if (pl != NULL && pl->up && pl->ch->pid != 0) {
		log_warnx("plug-in %s %s, says %s: killed", pl->name, text,
		    from->name);
		strlcpy(pl->error, text, sizeof(pl->error));
		pl->failed = 1;
		pl->up = 0;
		kill(pl->ch->pid, SIGKILL);
		plug_tell(pp, NULL);
	}
	free(text);
	return 0;
}

int
plug_about(struct child *ch, struct imsg *imsg)
{
	struct plug		*pl = ch->plug;
	struct plug_about	 about;
	struct rbuf		 r;

	if (pl == NULL)
		return -1;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (plug_about_get(&r, &about) == -1)
		return -1;
	plug_about_free(&pl->about);
	pl->about = about;
	pl->up = 1;
	pl->failed = 0;
	log_info("plug-in %s %s: in service", pl->name, about.version);
	plug_tell(pl->pp, NULL);
	return 0;
}

/* --- sockets ------------------------------------------------------------- */

void
plug_sockets(struct child *ch)
{
	if (ch->plug->cp != NULL)
		plug_net_listen(ch, ch->plug->cp);
}

int
plug_connect(struct child *ch, struct imsg *imsg)
{
	struct plug	*pl = ch->plug;
	int64_t		 second = wstime_mono() / 1000;

	if (pl == NULL)
		return -1;
	if (pl->second != second) {
		pl->second = second;
		pl->nconnect = 0;
	}
	return plug_net_connect(ch, pl->cp, imsg,
	    ++pl->nconnect <= PLUG_CONNECTS);
}

/* --- those who call ------------------------------------------------------ */

static enum plug_state
plug_state(const struct plug *pl)
{
	if (pl->disabled)
		return PLUG_DISABLED;
	if (pl->tripped)
		return PLUG_TRIPPED;
	if (pl->up)
		return PLUG_UP;
	return pl->failed ? PLUG_FAILED : PLUG_DOWN;
}

/* Borrows everything. */
static void
plug_row(const struct plug *pl, struct plug_row *row)
{
	const struct conf_plugin	*cp = pl->cp;

	memset(row, 0, sizeof(*row));
	row->id = pl->id;
	row->name = pl->name;
	row->state = plug_state(pl);
	row->priority = pl->priority;
	row->required = (uint32_t)cp->required;
	row->bodies = (uint32_t)cp->bodies;
	row->send_users = (uint32_t)cp->send_users;
	row->timeout = cp->timeout;
	row->size_max = cp->size_max;
	row->about = pl->about;
	row->nscope = (uint32_t)cp->nscope;
	row->scope = cp->scope;
	row->nsender = (uint32_t)cp->nsender;
	row->sender = cp->sender;
	row->naddress = (uint32_t)cp->naddress;
	row->address = cp->address;
}

static void
plug_send(struct parent *pp, struct child *ch, struct wbuf *w)
{
	(void)pp;
	if ((ch->role != P_SOAP && ch->role != P_QUEUE) || ch->chan == NULL ||
	    ch->state == CHILD_STOPPING)
		return;
	if (chan_send(ch->chan, IMSG_PROC_PLUGS, 0, -1, w->data, w->len) == -1)
		log_warn("%s: plug-ins", ch->name);
}

void
plug_tell(struct parent *pp, struct child *only)
{
	struct plug_table	 t = { 0, NULL };
	struct plug		*pl;
	struct child		*ch;
	struct wbuf		 w = { 0 };
	size_t			 n = 0;

	TAILQ_FOREACH(pl, &pp->plugs, entry)
		n++;
	if ((t.row = calloc(n + 1, sizeof(*t.row))) == NULL) {
		log_warn("plug-ins");
		return;
	}
	TAILQ_FOREACH(pl, &pp->plugs, entry)
		if (pl->wanted && pl->cp != NULL)
			plug_row(pl, &t.row[t.n++]);
	plug_table_put(&w, &t);
	if (w.error)
		log_warnx("plug-ins: out of memory");
	else if (only != NULL)
		plug_send(pp, only, &w);
	else
		TAILQ_FOREACH(ch, &pp->children, entry)
			if (ch->state == CHILD_RUNNING)
				plug_send(pp, ch, &w);
	free(t.row);
	wbuf_free(&w);
}

/* --- where and as whom --------------------------------------------------- */

static int
plug_uid_taken(struct parent *pp, const char *top, uid_t uid)
{
	struct plug	*pl;
	struct dirent	*d;
	struct stat	 st;
	DIR		*dir;
	int		 taken = 0;

	TAILQ_FOREACH(pl, &pp->plugs, entry)
		if (pl->uid == uid)
			return 1;
	if ((dir = opendir(top)) == NULL)
		return 0;
	while (!taken && (d = readdir(dir)) != NULL)
		taken = fstatat(dirfd(dir), d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == uid;
	closedir(dir);
	return taken;
}

/* Who owns the directory keeps it; else the first that nobody has. */
static int
plug_uid(struct plug *pl, const char *dir, uid_t *uid)
{
	const struct conf	*c = pl->pp->conf;
	struct stat		 st;
	char			*top;

	if (lstat(dir, &st) == 0 && st.st_uid >= c->plug_uid_min &&
	    st.st_uid <= c->plug_uid_max) {
		*uid = st.st_uid;
		return 0;
	}
	if (asprintf(&top, "%s/plug", c->spool) == -1)
		return -1;
	for (*uid = c->plug_uid_min; *uid <= c->plug_uid_max; (*uid)++)
		if (!plug_uid_taken(pl->pp, top, *uid))
			break;
	free(top);
	if (*uid <= c->plug_uid_max)
		return 0;
	log_warnx("plug-in %s: all users from %u to %u are taken (plugin "
	    "users)", pl->name, c->plug_uid_min, c->plug_uid_max);
	return -1;
}

char *
plug_dir(const struct child *ch)
{
	char	*dir;

	return asprintf(&dir, "%s/plug/%s", ch->pp->conf->spool,
	    ch->plug->name) == -1 ? NULL : dir;
}

int
plug_prepare(struct child *ch, char *user, size_t len)
{
	struct plug	*pl = ch->plug;
	char		*dir, *top;
	uid_t		 uid = geteuid();
	int		 fd = -1, ret = -1;

	user[0] = '\0';
	if ((dir = plug_dir(ch)) == NULL)
		return -1;
	if (asprintf(&top, "%s/plug", pl->pp->conf->spool) == -1) {
		free(dir);
		return -1;
	}
	if ((mkdir(top, uid == 0 ? 0711 : 0700) == -1 && errno != EEXIST) ||
	    (uid == 0 && plug_uid(pl, dir, &uid) == -1))
		goto out;
	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		goto out;
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
	    == -1 || (geteuid() == 0 && fchown(fd, uid, (gid_t)uid) == -1) ||
	    fchmod(fd, 0700) == -1)
		goto out;
	pl->uid = uid;
	pl->exec = pl->cp != NULL && pl->cp->exec;
	if (geteuid() == 0)
		snprintf(user, len, "%u", (unsigned int)uid);
	ret = 0;
 out:
	if (ret == -1)
		log_warn("plug-in %s: %s", pl->name, dir);
	if (fd != -1)
		close(fd);
	free(top);
	free(dir);
	return ret;
}

/* --- wsctl --------------------------------------------------------------- */

static const char *
plug_state_name(const struct plug *pl)
{
	if (!pl->wanted)
		return pl->ch->pid != 0 ? "ending" : "unloaded";
	switch (plug_state(pl)) {
	case PLUG_UP:
		return "up";
	case PLUG_TRIPPED:
		return "out of service";
	case PLUG_DISABLED:
		return "disabled";
	case PLUG_FAILED:
		return "failed";
	default:
		return pl->restart ? "ending" : "starting";
	}
}

void
plug_count(struct child *ch, const char *name, uint64_t value)
{
	struct plug_counts	*n = &ch->plug->counts;

	if (strcmp(name, "calls") == 0)
		n->calls = value;
	else if (strcmp(name, "open_calls") == 0)
		n->open = value;
	else if (strcmp(name, "busy_microseconds") == 0)
		n->busy = value;
}

void
plug_show(struct parent *pp, struct wbuf *w)
{
	struct plug	*pl;
	char		 what[64];

	TAILQ_FOREACH(pl, &pp->plugs, entry) {
		snprintf(what, sizeof(what), "%s%s%s",
		    pl->about.interfaces & PLUG_SENDING ? "sending " : "",
		    pl->about.interfaces & PLUG_DELIVERY ? "delivery " : "",
		    pl->about.interfaces & PLUG_EXTENSION ? "extension " : "");
		if (what[0] != '\0')
			what[strlen(what) - 1] = '\0';
		ctl_row_begin(w, "plugins");
		ctl_row_str(w, "name", pl->name);
		ctl_row_str(w, "state", plug_state_name(pl));
		ctl_row_int(w, "priority", 'i', pl->priority);
		ctl_row_str(w, "interfaces", what);
		ctl_row_str(w, "version", pl->about.version == NULL ? "" :
		    pl->about.version);
		ctl_row_int(w, "pid", 'i', pl->ch->pid);
		ctl_row_int(w, "calls", 'c', (int64_t)pl->counts.calls);
		ctl_row_int(w, "open", 'g', (int64_t)pl->counts.open);
		ctl_row_int(w, "mean-us", 'g', pl->counts.calls == 0 ? 0 :
		    (int64_t)(pl->counts.busy / pl->counts.calls));
		ctl_row_int(w, "failures", 'c', (int64_t)pl->failures);
		ctl_row_str(w, "error", pl->error);
		ctl_row_end(w);
	}
}

int
plug_command(struct parent *pp, uint32_t cmd, const char *name,
    const char *arg, char *why, size_t len)
{
	struct plug	*pl = plug_find(pp, name);
	const char	*errstr = NULL;

	if (pl == NULL || pl->cp == NULL) {
		snprintf(why, len, "no plug-in \"%s\" in the configuration",
		    name);
		return ENOENT;
	}
	switch (cmd) {
	case CTL_PLUGIN_LOAD:
		if (pl->ch->pid != 0 && !pl->wanted)
			pl->restart = 1;	/* when it has ended */
		pl->wanted = 1;
		plug_start(pl);
		break;
	case CTL_PLUGIN_UNLOAD:
		pl->wanted = 0;
		plug_end(pl);
		break;
	case CTL_PLUGIN_ENABLE:
		pl->disabled = 0;
		if (pl->tripped)
			plug_start(pl);
		break;
	case CTL_PLUGIN_DISABLE:
		pl->disabled = 1;
		break;
	default:
		pl->priority = (uint32_t)strtonum(arg, 0, 999, &errstr);
		if (errstr != NULL) {
			pl->priority = pl->cp->priority;
			snprintf(why, len, "expected a priority from 0 to 999, "
			    "got \"%s\"", arg);
			return EINVAL;
		}
		break;
	}
	log_info("plug-in %s: %s by wsctl", name, ctl_cmds[cmd].name);
	plug_tell(pp, NULL);
	return 0;
}
