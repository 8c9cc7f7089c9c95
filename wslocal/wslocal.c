/* SPDX-License-Identifier: ISC */
/*
 * wslocal: holds the mailboxes.  Started by wsmtpd(8).  This file is the
 * process: start and end, and the dispatch of messages, which only decodes
 * and calls.
 */
#include "compat.h"

#include <openssl/evp.h>

#include <errno.h>

#include "blob.h"
#include "log.h"
#include "rate.h"
#include "wslocal.h"

static int	 local_preinit(struct proc *);
static int	 local_init(struct proc *);
static void	 local_start(struct proc *);
static int	 local_msg(struct proc *, struct chan *, struct imsg *);
static void	 local_peer_down(struct proc *, struct chan *);
static void	 local_reload(struct proc *, struct conf *);
static void	 local_stats(struct proc *, struct wbuf *);
static void	 local_shutdown(struct proc *);
static void	 local_tick(evutil_socket_t, short, void *);

static const struct proc_ops local_ops = {
	.me = P_LOCAL,
	.preinit = local_preinit,
	.init = local_init,
	.start = local_start,
	.msg = local_msg,
	.peer_down = local_peer_down,
	.reload = local_reload,
	.stats = local_stats,
	.shutdown = local_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &local_ops);
}

/* The digest's implementation is found while the file system can be seen. */
static int
local_preinit(struct proc *p)
{
	uint8_t	digest[EVP_MAX_MD_SIZE];

	(void)p;
	if (EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) != 1) {
		log_warnx("local: no SHA-256");
		return -1;
	}
	return 0;
}

static int
local_init(struct proc *p)
{
	struct local	*l;
	int		 n;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		log_warn("local");
		return -1;
	}
	l->p = p;
	p->ctx = l;
	TAILQ_INIT(&l->ops);
	RB_INIT(&l->waits);
	if ((l->rate = rate_new(LOCAL_RATES)) == NULL ||
	    useridx_build(&l->users, p->conf) == -1) {
		log_warn("local");
		return -1;
	}
	if (mdb_open(&l->db) == -1)
		return -1;
	if (blob_init(".") == -1 ||
	    (n = blob_collect(mdb_blob_keep, &l->db)) == -1) {
		log_warn("local: body files");
		return -1;
	}
	/* Messages may come before start(). */
	l->space = store_free_space(l->db.store);
	if (n > 0)
		log_info("local: %d body files that no record names removed",
		    n);
	if ((l->group = group_new(p->base, l->db.store)) == NULL ||
	    (l->tick = event_new(p->base, -1, EV_PERSIST, local_tick,
	    l)) == NULL) {
		log_warn("local");
		return -1;
	}
	return 0;
}

static void
local_start(struct proc *p)
{
	struct local	*l = p->ctx;
	struct timeval	 tv = { 1, 0 };

	if (event_add(l->tick, &tv) == -1)
		fatalx("local: cannot set the timer");
}

static int
local_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct local	*l = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_LOCAL_DELIVER:
		return deliver_handle(l, c, imsg);
	case IMSG_LOCAL_LIST:
		return list_handle(l, c, imsg);
	case IMSG_LOCAL_RETRIEVE:
		return retrieve_handle(l, c, imsg);
	case IMSG_LOCAL_DELETE:
		return delete_handle(l, c, imsg);
	case IMSG_LOCAL_WAIT:
		return wait_handle(l, c, imsg);
	case IMSG_CTL_REQUEST:
		return ctl_handle(l, c, imsg);
	case IMSG_CTL_MORE:
	case IMSG_CTL_CANCEL:
		return 0;	/* our answers are one row: sent already */
	default:
		log_warnx("local: unexpected %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
}

static void
local_peer_down(struct proc *p, struct chan *c)
{
	op_peer_down(p->ctx, c);
	wait_peer_down(p->ctx, c);
}

static void
local_reload(struct proc *p, struct conf *old)
{
	struct local	*l = p->ctx;

	(void)old;	/* all else is looked up in p->conf when it is needed */
	if ((l->rate = rate_new(LOCAL_RATES)) == NULL ||
	    useridx_build(&l->users, p->conf) == -1)
		fatal("local");
	wait_reload(l);
}

static void
local_stats(struct proc *p, struct wbuf *w)
{
	ctl_stats(p->ctx, w);
}

/* What is written is committed and answered. */
static void
local_shutdown(struct proc *p)
{
	struct local	*l = p->ctx;

	if (l != NULL) {
		wait_clear(l);
		group_free(l->group);
		rate_free(l->rate);
		wait_clear(l);	/* those that the last commit held */
		if (l->tick != NULL)
			event_free(l->tick);
		mdb_close(&l->db);
		useridx_free(&l->users);
		free(l);
		p->ctx = NULL;
	}
	proc_exit(p, 0);
}

static void
local_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sweep_tick(arg);
}
