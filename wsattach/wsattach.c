/* SPDX-License-Identifier: ISC */
/*
 * wsattach: holds the attachments of messages, which stay here with their
 * sender's server.  Started by wsmtpd(8).  This file is the process: start
 * and end, counters, and the dispatch of messages, which only decodes and
 * calls.
 */
#include "compat.h"

#include <errno.h>

#include "log.h"
#include "wsattach.h"

static int	 attach_preinit(struct proc *);
static int	 attach_init(struct proc *);
static void	 attach_start(struct proc *);
static int	 attach_msg(struct proc *, struct chan *, struct imsg *);
static void	 attach_peer_down(struct proc *, struct chan *);
static void	 attach_reload(struct proc *, struct conf *);
static void	 attach_stats(struct proc *, struct wbuf *);
static void	 attach_shutdown(struct proc *);
static void	 attach_tick(evutil_socket_t, short, void *);

static const struct proc_ops attach_ops = {
	.me = P_ATTACH,
	.preinit = attach_preinit,
	.init = attach_init,
	.start = attach_start,
	.msg = attach_msg,
	.peer_down = attach_peer_down,
	.reload = attach_reload,
	.stats = attach_stats,
	.shutdown = attach_shutdown,
};

int
main(int argc, char **argv)
{
	return proc_main(argc, argv, &attach_ops);
}

/* The digest's implementation is found while the file system can be seen. */
static int
attach_preinit(struct proc *p)
{
	uint8_t	digest[EVP_MAX_MD_SIZE];

	(void)p;
	if (EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) != 1) {
		log_warnx("attach: no SHA-256");
		return -1;
	}
	return 0;
}

static int
attach_init(struct proc *p)
{
	struct attach	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->buf = malloc(ATTACH_BUF)) == NULL) {
		log_warn("attach");
		free(a);
		return -1;
	}
	a->p = p;
	p->ctx = a;
	TAILQ_INIT(&a->ops);
	TAILQ_INIT(&a->hashes);
	TAILQ_INIT(&a->fetches);
	if (useridx_build(&a->users, p->conf) == -1) {
		log_warn("attach");
		return -1;
	}
	if (adb_open(&a->db) == -1)
		return -1;
	if (file_init() == -1 || finish_settle_all(a) == -1) {
		log_warn("attach: files");
		return -1;
	}
	/* Messages may come before start(). */
	a->space = store_free_space(a->db.store);
	if ((a->group = group_new(p->base, a->db.store)) == NULL ||
	    (a->tick = event_new(p->base, -1, EV_PERSIST, attach_tick,
	    a)) == NULL ||
	    (a->hash_ev = evtimer_new(p->base, hash_turn, a)) == NULL ||
	    (a->fetch_ev = evtimer_new(p->base, fetch_turn, a)) == NULL ||
	    scrub_init(a) == -1) {
		log_warn("attach");
		return -1;
	}
	return 0;
}

static void
attach_start(struct proc *p)
{
	struct attach	*a = p->ctx;
	struct timeval	 tv = { 1, 0 };

	if (event_add(a->tick, &tv) == -1)
		fatalx("attach: cannot set the timer");
	scrub_start(a);
}

static int
attach_msg(struct proc *p, struct chan *c, struct imsg *imsg)
{
	struct attach	*a = p->ctx;

	switch (imsg->hdr.type) {
	case IMSG_ATTACH_UPLOAD_BEGIN:
		return upload_begin_handle(a, c, imsg);
	case IMSG_ATTACH_UPLOAD_PIECE:
		return upload_piece_handle(a, c, imsg);
	case IMSG_ATTACH_UPLOAD_STATE:
		return upload_state_handle(a, c, imsg);
	case IMSG_ATTACH_UPLOAD_ABORT:
		return upload_abort_handle(a, c, imsg);
	case IMSG_ATTACH_UPLOAD_FINISH:
		return finish_handle(a, c, imsg);
	case IMSG_ATTACH_NAME:
		return name_handle(a, c, imsg);
	case IMSG_ATTACH_FETCH:
		return fetch_handle(a, c, imsg);
	case IMSG_ATTACH_LIST:
		return list_handle(a, c, imsg);
	case IMSG_ATTACH_SHOW:
		return show_handle(a, c, imsg);
	case IMSG_ATTACH_GRANT:
	case IMSG_ATTACH_REVOKE:
	case IMSG_ATTACH_EXPIRE:
	case IMSG_ATTACH_WITHDRAW:
	case IMSG_ATTACH_UPDATE:
		return change_handle(a, c, imsg);
	default:
		log_warnx("attach: unexpected %s from %s",
		    proto_name(imsg->hdr.type), proc_name(c->peer));
		return -1;
	}
}

static void
attach_peer_down(struct proc *p, struct chan *c)
{
	op_peer_down(p->ctx, c);
	fetch_peer_down(p->ctx, c);
}

static void
attach_reload(struct proc *p, struct conf *old)
{
	struct attach	*a = p->ctx;

	(void)old;	/* all else is looked up in p->conf when it is needed */
	if (useridx_build(&a->users, p->conf) == -1)
		fatal("attach");
}

static void
attach_stats(struct proc *p, struct wbuf *w)
{
	struct attach			*a = p->ctx;
	const struct attach_stats	*st = &a->st;
	uint64_t			 commits, items;

	group_counts(a->group, &commits, &items);
	stats_add(w, "attach_uploads_begun", 'c', st->begun);
	stats_add(w, "attach_uploads_finished", 'c', st->finished);
	stats_add(w, "attach_uploads_deduplicated", 'c', st->deduplicated);
	stats_add(w, "attach_uploads_mismatched", 'c', st->mismatched);
	stats_add(w, "attach_uploads_aborted", 'c', st->aborted);
	stats_add(w, "attach_uploads_expired", 'c', st->expired);
	stats_add(w, "attach_pieces", 'c', st->pieces);
	stats_add(w, "attach_received_octets", 'c', st->received);
	stats_add(w, "attach_named", 'c', st->named);
	stats_add(w, "attach_updated", 'c', st->updated);
	stats_add(w, "attach_withdrawn", 'c', st->withdrawn);
	stats_add(w, "attach_forgotten", 'c', st->forgotten);
	stats_add(w, "attach_fetches", 'c', st->fetches);
	stats_add(w, "attach_fetched_octets", 'c', st->fetched);
	stats_add(w, "attach_refused", 'c', st->refused);
	stats_add(w, "attach_overquota", 'c', st->overquota);
	stats_add(w, "attach_tempfail", 'c', st->tempfailed);
	stats_add(w, "attach_scrubbed", 'c', st->scrubbed);
	stats_add(w, "attach_damaged", 'c', st->damaged);
	stats_add(w, "attach_orphans", 'c', st->orphans);
	stats_add(w, "attach_orphan_rounds", 'c', st->looked);
	stats_add(w, "attach_quarantined", 'c', st->quarantined);
	stats_add(w, "attach_commits", 'c', commits);
	stats_add(w, "attach_committed", 'c', items);
	stats_add(w, "attach_waiting", 'g', a->nfetches);
	stats_add(w, "attach_free_octets", 'g',
	    a->space < 0 ? 0 : (uint64_t)a->space);
}

/* What is written is committed and answered. */
static void
attach_shutdown(struct proc *p)
{
	struct attach	*a = p->ctx;

	if (a != NULL) {
		group_free(a->group);
		hash_clear(a);
		scrub_free(a);
		if (a->tick != NULL)
			event_free(a->tick);
		if (a->hash_ev != NULL)
			event_free(a->hash_ev);
		if (a->fetch_ev != NULL)
			event_free(a->fetch_ev);
		adb_close(&a->db);
		useridx_free(&a->users);
		free(a->buf);
		free(a);
		p->ctx = NULL;
	}
	proc_exit(p, 0);
}

static void
attach_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sweep_tick(arg);
}
