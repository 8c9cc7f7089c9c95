/* SPDX-License-Identifier: ISC */
/* wsctl's question about a mailbox, and the counters. */
#include "compat.h"

#include <errno.h>

#include "addr.h"
#include "ctl.h"
#include "log.h"
#include "wslocal.h"

static int	 ctl_show_mailbox(struct local *, const char *, struct wbuf *,
		    const char **);

int
ctl_handle(struct local *l, struct chan *c, struct imsg *imsg)
{
	struct ctl_req	 req;
	struct rbuf	 r;
	struct wbuf	 w;
	const char	*why = "not a command of wslocal";
	int		 error = EINVAL;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (ctl_req_get(&r, &req) == -1)
		return -1;
	wbuf_init(&w);
	if (req.cmd == CTL_SHOW_MAILBOX && req.nargs == 1)
		error = ctl_show_mailbox(l, req.arg[0], &w, &why);
	if (error == 0 && chan_sendw(c, IMSG_CTL_ROW, imsg->hdr.id, &w) == -1)
		log_debug("local: row not sent: %s", strerror(errno));
	wbuf_free(&w);
	ctl_end_put(&w, (uint32_t)error, why);
	if (chan_sendw(c, IMSG_CTL_END, imsg->hdr.id, &w) == -1)
		log_debug("local: end not sent: %s", strerror(errno));
	wbuf_free(&w);
	ctl_req_free(&req);
	return 0;
}

/* 0, or an errno value and *why. */
static int
ctl_show_mailbox(struct local *l, const char *arg, struct wbuf *w,
    const char **why)
{
	const struct conf_user	*cu;
	struct mdb_user		 u;
	char			 name[ADDR_MAX + 1];
	int64_t			 quota;
	int			 exists = 1;

	*why = "";
	if (addr_normalize(arg, name, sizeof(name)) == -1) {
		*why = "not an address";
		return EINVAL;
	}
	cu = useridx_find(&l->users, name);
	memset(&u, 0, sizeof(u));
	if (mdb_user_get(&l->db, NULL, name, &u) == -1) {
		if (errno != ENOENT) {
			*why = "the mailbox's record does not read";
			return errno;
		}
		exists = 0;
	}
	if (cu == NULL && !exists) {
		*why = "no such user";
		return ESRCH;
	}
	quota = cu != NULL && cu->quota >= 0 ? cu->quota :
	    l->p->conf->limit[LIM_QUOTA_USER];
	ctl_row_begin(w, "mailbox");
	ctl_row_str(w, "user", name);
	ctl_row_str(w, "state", cu == NULL ? "removed" :
	    cu->disabled ? "disabled" : exists ? "active" : "empty");
	ctl_row_int(w, "messages", 'i', u.messages);
	ctl_row_int(w, "octets", 'b', (int64_t)u.octets);
	ctl_row_int(w, "quota", 'b', quota);
	ctl_row_int(w, "last-id", 'i', u.last_id);
	ctl_row_int(w, "change", 'i', (int64_t)u.change);
	ctl_row_int(w, "last-received", 't', u.received);
	ctl_row_end(w);
	return 0;
}

void
ctl_stats(struct local *l, struct wbuf *w)
{
	const struct local_stats *st = &l->st;
	uint64_t		  commits, items;

	group_counts(l->group, &commits, &items);
	stats_add(w, "mailbox_delivered", 'c', st->delivered);
	stats_add(w, "mailbox_duplicates", 'c', st->duplicates);
	stats_add(w, "mailbox_overquota", 'c', st->overquota);
	stats_add(w, "mailbox_nouser", 'c', st->nouser);
	stats_add(w, "mailbox_tempfail", 'c', st->tempfailed);
	stats_add(w, "mailbox_lists", 'c', st->lists);
	stats_add(w, "mailbox_retrieved", 'c', st->retrieved);
	stats_add(w, "mailbox_deleted", 'c', st->deleted);
	stats_add(w, "mailbox_waits", 'c', st->waits);
	stats_add(w, "mailbox_replayed", 'c', st->replayed);
	stats_add(w, "mailbox_quarantined", 'c', st->quarantined);
	stats_add(w, "mailbox_forgotten", 'c', st->swept);
	stats_add(w, "mailbox_commits", 'c', commits);
	stats_add(w, "mailbox_committed", 'c', items);
	stats_add(w, "mailbox_waiting", 'g', l->nwaits);
}
