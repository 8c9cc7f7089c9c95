/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-control: the administrator's door.  Listens on the control sockets
 * that the parent opened, checks who asks and what they may, hands a request
 * to the process that answers it and its rows back.  Holds no secret and
 * understands no answer.
 */
#include "compat.h"

#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ctl.h"
#include "control.h"
#include "idtree.h"
#include "log.h"
#include "proc.h"

struct control;

struct control_listener {
	struct control	*ctl;
	char		*path;
	int		 readonly;
	struct event	*ev;
	struct event	*retry;		/* after running out of descriptors */
	TAILQ_ENTRY(control_listener) entry;
};

struct control_client {
	struct control	*ctl;
	struct chan	*chan;
	int		 readonly;
	uid_t		 uid;
	uint64_t	 id;		/* of the request in work, 0: none */
	enum proc_id	 to;		/* who works on it */
	TAILQ_ENTRY(control_client) entry;
};

struct control {
	struct proc	*p;
	TAILQ_HEAD(, control_listener) listeners;
	TAILQ_HEAD(, control_client) clients;
	struct idtree	 wait_answer;	/* request id -> client */
	uint64_t	 open[2];	/* by control_client's readonly */
	uint64_t	 accepted, requests, refused;
};

static int	 control_init(struct proc *);
static void	 control_listen(struct proc *, const char *, const char *, int);
static void	 control_unlisten(struct control *, struct control_listener *);
static void	 control_accept(evutil_socket_t, short, void *);
static void	 control_resume(evutil_socket_t, short, void *);
static int	 control_admit(struct control_listener *, int);
static void	 control_turn_away(int, const char *);
static int	 control_client_msg(struct chan *, struct imsg *, void *);
static int	 control_client_request(struct control_client *,
		    struct imsg *);
static int	 control_forward(struct control_client *,
		    const struct ctl_req *, struct imsg *);
static void	 control_log(const struct control_client *, uint64_t,
		    const char *, const struct ctl_req *);
static void	 control_client_drop(struct control_client *);
static void	 control_client_down(struct chan *, void *);
static void	 control_client_end(struct control_client *, uint32_t,
		    const char *);
static void	 control_client_error(struct control_client *, uint32_t,
		    const char *);
static struct chan *control_target(struct control *, enum proc_id);
static int	 control_answer(struct proc *, struct chan *, struct imsg *);
static void	 control_peer_down(struct proc *, struct chan *);
static void	 control_reload(struct proc *, struct conf *);
static void	 control_stats(struct proc *, struct wbuf *);
static void	 control_shutdown(struct proc *);

static const struct proc_ops control_ops = {
	.me = P_CONTROL,
	.init = control_init,
	.listen = control_listen,
	.msg = control_answer,
	.parent_msg = control_answer,
	.peer_down = control_peer_down,
	.reload = control_reload,
	.stats = control_stats,
	.shutdown = control_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &control_ops);
}

static int
control_init(struct proc *p)
{
	struct control	*ctl;

	if ((ctl = calloc(1, sizeof(*ctl))) == NULL) {
		log_warn("control");
		return -1;
	}
	ctl->p = p;
	TAILQ_INIT(&ctl->listeners);
	TAILQ_INIT(&ctl->clients);
	idtree_init(&ctl->wait_answer);
	p->ctx = ctl;
	return 0;
}

/* --- listeners ----------------------------------------------------------- */

static void
control_listen(struct proc *p, const char *kind, const char *name, int fd)
{
	struct control		*ctl = p->ctx;
	struct control_listener	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->path = strdup(name)) == NULL)
		fatal("control socket");
	l->ctl = ctl;
	/* Whatever is not the full socket by name is taken for the lesser. */
	l->readonly = strcmp(kind, "control") != 0;
	if (evutil_make_socket_nonblocking(fd) == -1)
		fatal("%s", name);
	l->ev = event_new(p->base, fd, EV_READ | EV_PERSIST, control_accept, l);
	l->retry = evtimer_new(p->base, control_resume, l);
	if (l->ev == NULL || l->retry == NULL || event_add(l->ev, NULL) == -1)
		fatalx("%s: no event", name);
	TAILQ_INSERT_TAIL(&ctl->listeners, l, entry);
	log_debug("listening on %s%s", name,
	    l->readonly ? " (read-only)" : "");
}

static void
control_unlisten(struct control *ctl, struct control_listener *l)
{
	int	 fd = event_get_fd(l->ev);

	TAILQ_REMOVE(&ctl->listeners, l, entry);
	event_free(l->ev);
	event_free(l->retry);
	close(fd);
	free(l->path);
	free(l);
}

static void
control_accept(evutil_socket_t lfd, short what, void *arg)
{
	struct control_listener	*l = arg;
	struct timeval		 pause = { 1, 0 };
	int			 fd;

	(void)what;
	fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			/* The listener stays readable: do not spin on it. */
			log_warn("%s: accept", l->path);
			event_del(l->ev);
			evtimer_add(l->retry, &pause);
		} else if (errno != EAGAIN && errno != EWOULDBLOCK &&
		    errno != EINTR && errno != ECONNABORTED)
			log_warn("%s: accept", l->path);
		return;
	}
	if (control_admit(l, fd) == -1)
		l->ctl->refused++;
}

static void
control_resume(evutil_socket_t fd, short what, void *arg)
{
	struct control_listener	*l = arg;

	(void)fd;
	(void)what;
	event_add(l->ev, NULL);
}

/* Makes fd a client.  -1: it was turned away (and closed). */
static int
control_admit(struct control_listener *l, int fd)
{
	struct control		*ctl = l->ctl;
	struct control_client	*c;
	gid_t			 gid;
	uid_t			 uid;

	if (getpeereid(fd, &uid, &gid) == -1) {
		log_warn("%s: getpeereid", l->path);
		close(fd);
		return -1;
	}
	/* Counted apart: who may only look must not lock out who steers. */
	if ((int64_t)ctl->open[l->readonly] >=
	    ctl->p->conf->limit[LIM_CONTROL_CONNECTIONS]) {
		log_warnx("%s: uid %u turned away (limit control-connections)",
		    l->path, (unsigned int)uid);
		proc_struck(ctl->p, LIM_CONTROL_CONNECTIONS);
		control_turn_away(fd, "too many control connections");
		return -1;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		log_warn("%s", l->path);
		close(fd);
		return -1;
	}
	c->ctl = ctl;
	c->readonly = l->readonly;
	c->uid = uid;
	if ((c->chan = chan_new(ctl->p->base, fd, P_CONTROL, P_CTL, 0,
	    control_client_msg, control_client_down, c)) == NULL) {
		log_warn("%s", l->path);
		free(c);
		return -1;
	}
	TAILQ_INSERT_TAIL(&ctl->clients, c, entry);
	ctl->open[c->readonly]++;
	ctl->accepted++;
	return 0;
}

/* One attempt to say why, without waiting for who does not read. */
static void
control_turn_away(int fd, const char *why)
{
	struct imsgbuf	 ibuf;
	struct wbuf	 w = { 0 };

	imsgbuf_init(&ibuf, fd);
	ctl_end_put(&w, EBUSY, why);
	if (!w.error && imsg_compose(&ibuf, IMSG_CTL_END, 0, -1, w.data,
	    w.len) == 0 && imsgbuf_write(&ibuf) == -1)
		log_debug("turned away without a word");
	wbuf_free(&w);
	imsgbuf_clear(&ibuf);
}

/* --- clients ------------------------------------------------------------- */

static int
control_client_msg(struct chan *chan, struct imsg *imsg, void *arg)
{
	struct control_client	*c = arg;
	struct chan		*to;

	(void)chan;
	switch (imsg->hdr.type) {
	case IMSG_CTL_REQUEST:
		return control_client_request(c, imsg);
	case IMSG_CTL_MORE:
	case IMSG_CTL_CANCEL:
		/* The end may have crossed with it on the way. */
		if (c->id == 0 || (to = control_target(c->ctl, c->to)) == NULL)
			return 0;
		if (chan_send(to, imsg->hdr.type, c->id, -1, NULL, 0) == -1)
			log_warn("%s", proc_name(c->to));
		return 0;
	default:
		log_warnx("uid %u: unexpected %s", (unsigned int)c->uid,
		    proto_name(imsg->hdr.type));
		return -1;
	}
}

static int
control_client_request(struct control_client *c, struct imsg *imsg)
{
	struct ctl_req	 req;
	struct rbuf	 r;
	char		 why[128];
	int		 ret = 0;

	if (c->id != 0) {
		log_warnx("uid %u: a request within a request",
		    (unsigned int)c->uid);
		return -1;
	}
	c->ctl->requests++;
	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (ctl_req_get(&r, &req) == -1) {
		log_warn("uid %u: malformed request", (unsigned int)c->uid);
		return -1;
	}
	switch (control_judge(&req, c->readonly, why, sizeof(why))) {
	case 0:
		ret = control_forward(c, &req, imsg);
		break;
	case EACCES:
		c->ctl->refused++;
		control_log(c, 0, "refused", &req);
		control_client_error(c, EACCES, why);
		break;
	case EPROTONOSUPPORT:
		control_client_error(c, EPROTONOSUPPORT, why);
		break;
	default:
		control_client_error(c, EINVAL, why);
		break;
	}
	ctl_req_free(&req);
	return ret;
}

static int
control_forward(struct control_client *c, const struct ctl_req *req,
    struct imsg *imsg)
{
	const struct ctl_cmd_row *row = &ctl_cmds[req->cmd];
	struct control		*ctl = c->ctl;
	struct chan		*to;
	uint64_t		 id = proc_newid();
	char			 why[64];

	snprintf(why, sizeof(why), "%s is not there at the moment",
	    proc_name(row->to));
	if ((to = control_target(ctl, row->to)) == NULL) {
		control_client_error(c, EAGAIN, why);
		return 0;
	}
	if (!row->readonly)
		control_log(c, id, "accepted", req);
	if (idtree_set(&ctl->wait_answer, id, c) == -1) {
		control_client_error(c, errno, "out of memory");
		return 0;
	}
	c->id = id;
	c->to = row->to;
	/* On failure the channel is on its way down: peer_down() answers. */
	if (chan_send(to, IMSG_CTL_REQUEST, id, -1, imsg->data,
	    imsg->hdr.len) == -1 && c->id == id)
		control_client_end(c, EAGAIN, why);
	return 0;
}

/* Who asked for what: of all that changes something, and of what was refused. */
static void
control_log(const struct control_client *c, uint64_t id, const char *result,
    const struct ctl_req *req)
{
	struct log_ev	 ev;
	char		 user[32], what[512];

	snprintf(user, sizeof(user), "uid:%u", (unsigned int)c->uid);
	snprintf(what, sizeof(what), "%s%s%s", ctl_cmds[req->cmd].name,
	    req->nargs > 0 ? " " : "", req->nargs > 0 ? req->arg[0] : "");
	memset(&ev, 0, sizeof(ev));
	ev.ev = "control";
	ev.id = id;
	ev.user = user;
	ev.result = result;
	ev.reason = what;
	log_event(&ev);
}

/* Ends the request in work with an error. */
static void
control_client_end(struct control_client *c, uint32_t error, const char *text)
{
	idtree_pop(&c->ctl->wait_answer, c->id);
	c->id = 0;
	control_client_error(c, error, text);
}

static void
control_client_error(struct control_client *c, uint32_t error,
    const char *text)
{
	struct wbuf	 w = { 0 };

	ctl_end_put(&w, error, text);
	if (chan_sendw(c->chan, IMSG_CTL_END, 0, &w) == -1)
		log_warn("uid %u", (unsigned int)c->uid);
	wbuf_free(&w);
}

static void
control_client_drop(struct control_client *c)
{
	struct control	*ctl = c->ctl;

	TAILQ_REMOVE(&ctl->clients, c, entry);
	ctl->open[c->readonly]--;
	free(c);
}

/* The client went away: whoever works for it may stop. */
static void
control_client_down(struct chan *chan, void *arg)
{
	struct control_client	*c = arg;
	struct chan		*to;

	(void)chan;
	if (c->id != 0) {
		idtree_pop(&c->ctl->wait_answer, c->id);
		if ((to = control_target(c->ctl, c->to)) != NULL &&
		    chan_send(to, IMSG_CTL_CANCEL, c->id, -1, NULL, 0) == -1)
			log_warn("%s", proc_name(c->to));
	}
	control_client_drop(c);
}

/* --- those who answer ---------------------------------------------------- */

static struct chan *
control_target(struct control *ctl, enum proc_id to)
{
	if (to == P_PARENT)
		return ctl->p->parent;
	return proc_peer(ctl->p, to);
}

/* From the parent or a peer: a row, or the end. */
static int
control_answer(struct proc *p, struct chan *chan, struct imsg *imsg)
{
	struct control		*ctl = p->ctx;
	struct control_client	*c;

	if (imsg->hdr.type != IMSG_CTL_ROW && imsg->hdr.type != IMSG_CTL_END) {
		log_warnx("unexpected %s from %s", proto_name(imsg->hdr.type),
		    proc_name(chan->peer));
		return -1;
	}
	/* The client may have gone while this was on its way. */
	if ((c = idtree_get(&ctl->wait_answer, imsg->hdr.id)) == NULL)
		return 0;
	if (c->to != chan->peer) {
		log_warnx("%s answers a request to %s", proc_name(chan->peer),
		    proc_name(c->to));
		return -1;
	}
	if (imsg->hdr.type == IMSG_CTL_END) {
		idtree_pop(&ctl->wait_answer, c->id);
		c->id = 0;
	}
	if (chan_send(c->chan, imsg->hdr.type, 0, -1, imsg->data,
	    imsg->hdr.len) == -1)
		log_debug("uid %u: gone", (unsigned int)c->uid);
	return 0;
}

static void
control_peer_down(struct proc *p, struct chan *chan)
{
	struct control		*ctl = p->ctx;
	struct control_client	*c, *next;
	char			 why[64];

	snprintf(why, sizeof(why), "%s ended before it answered",
	    proc_name(chan->peer));
	TAILQ_FOREACH_SAFE(c, &ctl->clients, entry, next)
		if (c->id != 0 && c->to == chan->peer)
			control_client_end(c, EAGAIN, why);
}

/* Sockets that the new configuration does not name are closed. */
static void
control_reload(struct proc *p, struct conf *old)
{
	struct control		*ctl = p->ctx;
	struct control_listener	*l, *next;
	const char		*path;

	(void)old;
	TAILQ_FOREACH_SAFE(l, &ctl->listeners, entry, next) {
		path = l->readonly ? p->conf->control_ro_path :
		    p->conf->control_path;
		if (path == NULL || strcmp(path, l->path) != 0)
			control_unlisten(ctl, l);
	}
}

static void
control_stats(struct proc *p, struct wbuf *w)
{
	struct control	*ctl = p->ctx;

	stats_add(w, "connections_open", 'g', ctl->open[0] + ctl->open[1]);
	stats_limit(w, LIM_CONTROL_CONNECTIONS,
	    ctl->open[0] > ctl->open[1] ? ctl->open[0] : ctl->open[1]);
	stats_add(w, "connections", 'c', ctl->accepted);
	stats_add(w, "requests", 'c', ctl->requests);
	stats_add(w, "refused", 'c', ctl->refused);
}

/* The parent ends control last: what is left to say is written now or never. */
static void
control_shutdown(struct proc *p)
{
	struct control		*ctl = p->ctx;
	struct control_client	*c;

	TAILQ_FOREACH(c, &ctl->clients, entry)
		if (imsgbuf_write(&c->chan->ibuf) == -1)
			log_debug("uid %u: end of answer lost",
			    (unsigned int)c->uid);
	proc_exit(p, 0);
}
