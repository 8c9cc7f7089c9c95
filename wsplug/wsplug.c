/* SPDX-License-Identifier: ISC */
/*
 * wsplug, the process.  Started by wsmtpd(8), once for each plug-in.
 *
 *	load (own user, no network, no programs) -> chroot -> state -> sandbox
 *	-> READY, GO -> init() -> ABOUT: calls come
 */
#include "compat.h"

#include <sys/resource.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "sandbox.h"
#include "wsplug.h"
#include "xml.h"

#define HOLD_MAX	300	/* s */
#define FINISH		5	/* s for open calls at the end */
#define EXT_LEN_MAX	512

static int	 host_load(struct proc *, int);
static int	 host_judge(const struct wsp *, const char *object);
static int	 host_init(struct proc *);
static void	 host_start(struct proc *);
static int	 host_msg(struct proc *, struct chan *, struct imsg *);
static int	 host_parent_msg(struct proc *, struct chan *, struct imsg *);
static void	 host_listen(struct proc *, const char *, const char *, int);
static void	 host_peer_down(struct proc *, struct chan *);
static void	 host_stats(struct proc *, struct wbuf *);
static void	 host_shutdown(struct proc *);
static void	 host_end(evutil_socket_t, short, void *);
static void	 host_about(struct wsp *);

static const struct proc_ops host_ops = {
	.me = P_PLUG,
	.load = host_load,
	.init = host_init,
	.start = host_start,
	.msg = host_msg,
	.parent_msg = host_parent_msg,
	.listen = host_listen,
	.peer_down = host_peer_down,
	.stats = host_stats,
	.shutdown = host_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &host_ops);
}

/* What the object says of itself must be sound before it is believed. */
static int
host_judge(const struct wsp *w, const char *object)
{
	const struct wsp_plugin	*pl = w->pl;
	const char		*const *e;
	size_t			 i;

	if (pl->abi != WSP_ABI || pl->size != sizeof(*pl)) {
		log_warnx("%s: made for version %u of wsplugin.h (%u octets), "
		    "this is version %d (%zu)", object, pl->abi, pl->size,
		    WSP_ABI, sizeof(*pl));
		return -1;
	}
	if ((pl->sending == NULL && pl->delivery == NULL &&
	    pl->extension == NULL) ||
	    (pl->extension == NULL) != (pl->extensions == NULL)) {
		log_warnx("%s: no interface, or an extension without "
		    "identifiers", object);
		return -1;
	}
	if (pl->hold > HOLD_MAX) {
		log_warnx("%s: holds requests for more than %d s", object,
		    HOLD_MAX);
		return -1;
	}
	for (e = pl->extensions; e != NULL && *e != NULL; e++) {
		for (i = 0; (*e)[i] > ' ' && (*e)[i] < 0x7f; i++)
			;
		if (i == 0 || i > EXT_LEN_MAX || (*e)[i] != '\0') {
			log_warnx("%s: an extension identifier must be up to "
			    "%d printable ASCII characters", object,
			    EXT_LEN_MAX);
			return -1;
		}
	}
	return 0;
}

/* By descriptor: the object's directory may not be open to our user. */
static int
host_load(struct proc *p, int object)
{
	struct conf_plugin	*cp = TAILQ_FIRST(&p->conf->plugins);
	struct rlimit		 rl;
	struct wsp		*w;
	void			*dl;
	char			 path[64];

	if ((w = calloc(1, sizeof(*w))) == NULL) {
		log_warn("plug-in");
		return -1;
	}
	p->ctx = w;
	w->p = p;
	w->cp = cp;
	TAILQ_INIT(&w->calls);
	TAILQ_INIT(&w->watches);
	TAILQ_INIT(&w->mails);
	TAILQ_INIT(&w->listeners);
	TAILQ_INIT(&w->connecting);
	if (xml_init() == -1) {
		log_warnx("%s: the XML library does not work", cp->name);
		return -1;
	}
	rl.rlim_cur = rl.rlim_max = (rlim_t)cp->memory;
#ifdef SB_ASAN
	rl.rlim_cur = rl.rlim_max = RLIM_INFINITY;
#endif
	if (setrlimit(RLIMIT_DATA, &rl) == -1)
		log_warn("RLIMIT_DATA");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	if ((dl = dlopen(path, RTLD_NOW | RTLD_LOCAL)) == NULL &&
	    (dl = dlopen(cp->object, RTLD_NOW | RTLD_LOCAL)) == NULL) {
		log_warnx("%s: %s", cp->object, dlerror());
		return -1;
	}
	if ((w->pl = dlsym(dl, "wsp_plugin")) == NULL) {
		log_warnx("%s: no wsp_plugin in it", cp->object);
		return -1;
	}
	return host_judge(w, cp->object);
}

static int
host_init(struct proc *p)
{
	struct wsp	*w = p->ctx;

	if ((w->give_up = evtimer_new(p->base, host_end, w)) == NULL) {
		log_warnx("no event");
		return -1;
	}
	return w->cp->state > 0 ? state_open(w) : 0;
}

static void
host_start(struct proc *p)
{
	struct wsp	*w = p->ctx;

	if (w->pl->init != NULL && w->pl->init(w) == -1) {
		log_warnx("%s: init failed", w->cp->name);
		proc_exit(p, 1);
	}
	w->initialized = 1;
	host_about(w);
}

static void
host_about(struct wsp *w)
{
	const struct wsp_plugin	*pl = w->pl;
	struct plug_about	 a;
	struct wbuf		 b = { 0 };

	memset(&a, 0, sizeof(a));
	a.interfaces = (uint32_t)((pl->sending != NULL ? PLUG_SENDING : 0) |
	    (pl->delivery != NULL ? PLUG_DELIVERY : 0) |
	    (pl->extension != NULL ? PLUG_EXTENSION : 0));
	a.version = (char *)(uintptr_t)(pl->version != NULL ? pl->version : "");
	a.hold = pl->hold;
	a.ext = (char **)(uintptr_t)pl->extensions;
	while (pl->extensions != NULL && pl->extensions[a.next] != NULL)
		a.next++;
	plug_about_put(&b, &a);
	if (w->p->parent == NULL ||
	    chan_sendw(w->p->parent, IMSG_PARENT_PLUG_ABOUT, 0, &b) == -1)
		fatal("about");
}

static int
host_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct wsp	*w = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_PLUG_CALL:
		return call_new(w, c, imsg);
	case IMSG_PLUG_MAIL_RESULT:
		return mail_result(w, c, imsg);
	default:
		log_warnx("unexpected %s from %s", proto_name(imsg->hdr.type),
		    proc_name(c->peer));
		return -1;
	}
}

static int
host_parent_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	(void)c;
	switch (imsg->hdr.type) {
	case IMSG_PLUG_CONNECTED:
		return net_connected(p->ctx, imsg);
	case IMSG_PLUG_NOT_CONNECTED:
		return net_not_connected(p->ctx, imsg);
	default:
		return -1;
	}
}

static void
host_listen(struct proc *p, const char *kind, const char *name, int fd)
{
	(void)kind;
	net_listener(p->ctx, name, fd);
}

static void
host_peer_down(struct proc *p, struct chan *c)
{
	call_peer_down(p->ctx, c);
	mail_peer_down(p->ctx, c);
}

static void
host_stats(struct proc *p, struct wbuf *b)
{
	static const char *const names[VERDICT_MAX] = {
		NULL, "continued", "replaced", "taken", "refused", "held",
		"deferred", "results"
	};
	struct wsp	*w = p->ctx;
	size_t		 i;

	stats_add(b, "calls", 'c', w->ncalls);
	stats_add(b, "open_calls", 'g', w->nopen);
	stats_add(b, "busy_microseconds", 'c', w->busy);
	for (i = 1; i < VERDICT_MAX; i++)
		stats_add(b, names[i], 'c', w->nverdict[i]);
	stats_add(b, "mail", 'c', w->nmail);
	stats_add(b, "state_octets", 'g', w->used);
}

static void
host_shutdown(struct proc *p)
{
	struct wsp	*w = p->ctx;
	struct timeval	 tv = { FINISH, 0 };

	(void)evtimer_add(w->give_up, &tv);
	if (w->initialized && w->pl->stop != NULL)
		w->pl->stop(w);
	host_idle(w);
}

void
host_idle(struct wsp *w)
{
	struct timeval	 now = { 0, 0 };

	/* From the event loop, as the caller is not done with its objects. */
	if (w->p->stopping && TAILQ_EMPTY(&w->calls) &&
	    TAILQ_EMPTY(&w->mails))
		(void)evtimer_add(w->give_up, &now);
}

static void
host_end(evutil_socket_t fd, short what, void *arg)
{
	struct wsp	*w = arg;

	(void)fd;
	(void)what;
	if (w->initialized && w->pl->fini != NULL)
		w->pl->fini(w);
	state_close(w);
	proc_exit(w->p, 0);
}
