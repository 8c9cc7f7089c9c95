/* SPDX-License-Identifier: ISC */
/*
 * A request between its handling and its commit.  Every handler of wsattach
 * ends in op_commit(), op_answer_now() or op_write_failed(); nothing is
 * answered, logged or unlinked before the commit.
 */
#include "compat.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "wsattach.h"

static void	 op_free(struct op *);
static void	 op_send(struct op *);
static void	 op_log(struct op *);
static void	 op_unlink(struct op *);
static void	 op_committed(void *, int);

struct op *
op_new(struct attach *a, struct chan *c, uint64_t reqid, uint32_t type,
    uint32_t refuse_type, void (*refuse)(struct wbuf *, uint32_t,
    const char *))
{
	struct op	*op;

	if ((op = calloc(1, sizeof(*op))) == NULL)
		fatal("attach");
	op->a = a;
	op->chan = c;
	op->reqid = reqid;
	op->type = type;
	op->refuse_type = refuse_type;
	op->refuse = refuse;
	op->fd = -1;
	wbuf_init(&op->reply);
	TAILQ_INSERT_TAIL(&a->ops, op, entry);
	return op;
}

static void
op_free(struct op *op)
{
	TAILQ_REMOVE(&op->a->ops, op, entry);
	op_hold(op, -1, 0);
	wbuf_free(&op->reply);
	free(op->gone);
	free(op->part);
	free(op->log.user);
	free(op->log.msgid);
	free(op->log.to);
	free(op);
}

void
op_hold(struct op *op, int fd, uint64_t octets)
{
	if (op->fd != -1)
		close(op->fd);
	op->a->holding -= op->octets;
	op->fd = fd;
	op->octets = octets;
	op->a->holding += octets;
}

void
op_refuse(struct op *op, uint32_t code, const char *text)
{
	wbuf_free(&op->reply);
	op_hold(op, -1, 0);
	op->count = code == ST_TEMPFAIL ? &op->a->st.tempfailed : NULL;
	op->type = op->refuse_type;
	if (op->refuse != NULL)
		op->refuse(&op->reply, code, text);
	if (op->log.ev != NULL) {
		op->log.result = code == ST_TEMPFAIL ? "tempfail" : "refused";
		strlcpy(op->log.reason, text, sizeof(op->log.reason));
	}
}

void
op_limit(struct op *op, uint32_t code, const char *what, enum limit l)
{
	char	text[160];

	snprintf(text, sizeof(text), "%s (limit %s)", what,
	    limit_rows[l].keyword);
	op_refuse(op, code, text);
	op->a->st.overquota++;
	proc_struck(op->a->p, (int)l);
}

void
op_event(struct op *op, const char *ev, const char *user)
{
	op->log.ev = ev;
	op->log.result = "ok";
	free(op->log.user);
	if ((op->log.user = strdup(user)) == NULL)
		fatal("attach");
}

void
op_about(struct op *op, const uint8_t id[ATTACH_ID])
{
	char	hex[ATTACH_HEX];

	free(op->log.to);
	if ((op->log.to = strdup(attach_id_str(id, hex))) == NULL)
		fatal("attach");
}

void
op_gone(struct op *op, const uint8_t digest[ATTACH_DIGEST])
{
	void	*p;

	p = reallocarray(op->gone, op->ngone + 1, sizeof(*op->gone));
	if (p == NULL)
		fatal("attach");
	op->gone = p;
	memcpy(op->gone[op->ngone++], digest, ATTACH_DIGEST);
}

void
op_part(struct op *op, const uint8_t id[ATTACH_ID])
{
	void	*p;

	p = reallocarray(op->part, op->npart + 1, sizeof(*op->part));
	if (p == NULL)
		fatal("attach");
	op->part = p;
	memcpy(op->part[op->npart++], id, ATTACH_ID);
}

static void
op_send(struct op *op)
{
	int	fd;

	if (op->chan == NULL)
		return;
	/* A channel that is gone calls peer_down; there is nobody to tell. */
	if (op->reply.error)
		errno = op->reply.error;
	else {
		fd = op->fd;
		op->fd = -1;	/* chan_send() takes it in any case */
		if (chan_send(op->chan, op->type, op->reqid, fd,
		    op->reply.data, op->reply.len) == 0)
			return;
	}
	log_debug("attach: answer not sent: %s", strerror(errno));
}

static void
op_log(struct op *op)
{
	struct log_ev	ev = { 0 };

	if (op->log.ev == NULL)
		return;
	ev.ev = op->log.ev;
	ev.id = op->reqid;
	ev.msgid = op->log.msgid;
	ev.user = op->log.user;
	ev.to = op->log.to;
	ev.result = op->log.result;
	ev.reason = op->log.reason;
	log_event(&ev);
}

void
op_answer_now(struct op *op)
{
	if (op->count != NULL)
		++*op->count;
	op_log(op);
	op_send(op);
	op_free(op);
}

/*
 * A content may have come back since its last reference went, and its file
 * with it: only what no record names now is removed.
 */
static void
op_unlink(struct op *op)
{
	struct adb	*db = &op->a->db;
	char		 hex[FILE_HEX];
	size_t		 i;

	for (i = 0; i < op->ngone; i++) {
		if (store_get(db->content, NULL, op->gone[i], ATTACH_DIGEST,
		    NULL) == 0 || errno != ENOENT)
			continue;
		if (file_content_unlink(op->gone[i]) == -1 && errno != ENOENT)
			log_warn("content %s",
			    file_digest_str(op->gone[i], hex));
	}
	for (i = 0; i < op->npart; i++)
		if (file_part_unlink(op->part[i]) == -1 && errno != ENOENT)
			log_warn("part %s", attach_id_str(op->part[i], hex));
}

/* The group's callback. */
static void
op_committed(void *arg, int ret)
{
	struct op	*op = arg;

	if (ret == -1)
		op_refuse(op, ST_TEMPFAIL, "the store failed, try again");
	else
		op_unlink(op);
	op->a->st.fetched += op->octets;
	if (op->done != NULL)
		op->done(op, ret == 0);
	op_answer_now(op);
}

void
op_commit(struct op *op, int sync)
{
	if (group_add(op->a->group, sync, op_committed, op) == -1)
		fatal("attach");
}

void
op_write_failed(struct op *op)
{
	int	error = errno;

	log_warnx("attach: %s (%s)", strerror(error),
	    store_errstr(op->a->db.store));
	group_fail(op->a->group, error);
	op_commit(op, 1);
}

void
op_end(struct op *op, int ret, int sync)
{
	if (ret == -1)
		op_write_failed(op);
	else
		op_commit(op, sync);
}

void
op_peer_down(struct attach *a, struct chan *c)
{
	struct op	*op;

	TAILQ_FOREACH(op, &a->ops, entry)
		if (op->chan == c)
			op->chan = NULL;
}

struct store_txn *
op_txn(struct op *op)
{
	struct store_txn	*txn;

	if ((txn = group_txn(op->a->group)) == NULL) {
		log_warn("attach: transaction");
		op_refuse(op, ST_TEMPFAIL, "the store failed, try again");
	}
	return txn;
}

int
op_address(struct op *op, const char *given, char addr[ADDR_MAX + 1])
{
	if (addr_normalize(given, addr, ADDR_MAX + 1) == 0)
		return 1;
	op_refuse(op, ST_BAD, "not an address");
	return 0;
}

int
op_owner(struct op *op, const char *given, char addr[ADDR_MAX + 1])
{
	if (!op_address(op, given, addr))
		return 0;
	if (useridx_find(&op->a->users, addr) != NULL)
		return 1;
	op_refuse(op, ST_DENIED, "not a user of this server");
	return 0;
}
