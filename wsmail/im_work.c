/* SPDX-License-Identifier: ISC */
/*
 * The two children of wsmail im.  Each has a connection of its own and is
 * otherwise a simple program: ask, tell the terminal's process, ask again.
 */
#include "compat.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "im.h"
#include "mailfile.h"
#include "msg_queue.h"
#include "wsemail.h"

#define TAKE_WAIT	"Wait=50"	/* s */
#define AGAIN_MAX	30		/* s between attempts */

static void	 work_tell(struct imsgbuf *, uint32_t, uint64_t, struct wbuf *);
static int	 work_next(struct imsgbuf *, struct imsg *, int);
static char	*work_text(xmlNodePtr, const char *);
static int	 take_message(struct session *, struct imsgbuf *, xmlNodePtr);
static int	 take_event(struct session *, struct imsgbuf *, xmlNodePtr);
static int	 take(struct session *, struct imsgbuf *, char *,
		    unsigned long long *);
static void	 send_one(struct session *, struct imsgbuf *, struct imsg *);
static void	 ask_one(struct session *, struct imsgbuf *, struct imsg *);
static void	 ask_contacts(struct imsgbuf *, xmlNodePtr);

void
im_message_put(struct wbuf *w, const struct im_message *m)
{
	uint32_t	 i;

	wbuf_str(w, m->from);
	wbuf_u32(w, m->nrcpt);
	for (i = 0; i < m->nrcpt; i++)
		wbuf_str(w, m->rcpt[i]);
	wbuf_i64(w, m->when);
	wbuf_u32(w, m->flags);
	wbuf_str(w, m->msgid);
	wbuf_str(w, m->text);
	wbuf_str(w, m->bad);
}

int
im_message_get(struct rbuf *r, struct im_message *m)
{
	uint32_t	 i;

	memset(m, 0, sizeof(*m));
	m->from = rbuf_str(r, IM_TEXT_MAX);
	m->nrcpt = rbuf_count(r, 4);
	if ((m->rcpt = calloc(m->nrcpt + 1, sizeof(*m->rcpt))) == NULL) {
		m->nrcpt = 0;
		r->error = ENOMEM;
	}
	for (i = 0; i < m->nrcpt; i++)
		m->rcpt[i] = rbuf_str(r, IM_TEXT_MAX);
	m->when = rbuf_i64(r);
	m->flags = rbuf_u32(r);
	m->msgid = rbuf_str(r, IM_TEXT_MAX);
	m->text = rbuf_str(r, MAILFILE_MAX);
	m->bad = rbuf_str(r, IM_TEXT_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	im_message_free(m);
	return -1;
}

void
im_message_free(struct im_message *m)
{
	uint32_t	 i;

	free(m->from);
	for (i = 0; i < m->nrcpt; i++)
		free(m->rcpt[i]);
	free(m->rcpt);
	free(m->msgid);
	free(m->text);
	free(m->bad);
	memset(m, 0, sizeof(*m));
}

/* The terminal's process is gone, or cannot be told: there is no work left. */
static void
work_tell(struct imsgbuf *b, uint32_t type, uint64_t id, struct wbuf *w)
{
	if (w->error != 0 || imsg_compose(b, type, id, -1, w->data, w->len) ==
	    -1 || imsgbuf_flush(b) == -1)
		_exit(EX_OSERR);
	wbuf_free(w);
}

/* Waits ms (-1: any time) for a message.  1, or 0: none came. */
static int
work_next(struct imsgbuf *b, struct imsg *m, int ms)
{
	struct pollfd	 pfd = { .fd = b->fd, .events = POLLIN };
	int		 n;

	for (;;) {
		if ((n = imsg_get(b, m)) == 1)
			return 1;
		if (n == -1)
			_exit(EX_OSERR);
		if ((n = poll(&pfd, 1, ms)) == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			_exit(EX_OSERR);
		if (n > 0 && (n = imsgbuf_read(b)) <= 0 &&
		    !(n == -1 && errno == EAGAIN))
			_exit(0);
	}
}

/* Text of a child of the plug-in's namespace, "" when absent. */
static char *
work_text(xmlNodePtr n, const char *name)
{
	char	*s;

	n = xml_child(n, IM_NS, name);
	s = n != NULL ? xml_text(n, IM_TEXT_MAX) : strdup("");
	if (s == NULL && (s = strdup("")) == NULL)
		_exit(EX_OSERR);
	return s;
}

/* --- what comes ----------------------------------------------------------- */

int
im_register(struct session *s, char **location)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	int		 code;

	*location = NULL;
	if ((code = extension_put(&w, IM_NS, "Register", 0, NULL)) == 0 &&
	    (code = extension_call(s, IM_NS, &w, &a, &n)) == 0) {
		*location = work_text(n, "Location");
		if (**location == '\0') {
			fprintf(stderr, "wsmail: the server gave no location\n");
			free(*location);
			*location = NULL;
			code = EX_PROTOCOL;
		}
		answer_free(&a);
	}
	wbuf_free(&w);
	return code;
}

static int
take_message(struct session *s, struct imsgbuf *b, xmlNodePtr n)
{
	struct im_message	 m = { 0 };
	struct package		 p;
	struct wbuf		 w = { 0 };

	n = xml_child(n, NS_WSE, "WSEmailPackage");
	if (n == NULL || package_read(s->acc, n, &p) != 0)
		return -1;	/* it said why on standard error */
	m.from = p.msg.sender;
	m.nrcpt = (uint32_t)p.msg.nrcpt;
	m.rcpt = p.msg.rcpt;
	m.when = p.msg.timestamp;
	m.flags = p.msg.flags;
	m.msgid = p.msg.msgid;
	m.text = p.msg.body != NULL && *p.msg.body != '\0' ? p.msg.body :
	    p.msg.subject;
	if (!verdict_good(&p.verdict))
		m.bad = (char *)(uintptr_t)(p.verdict.why != NULL ?
		    p.verdict.why : "unknown");
	im_message_put(&w, &m);
	work_tell(b, IM_MESSAGE, 0, &w);
	package_free(&p);
	return 0;
}

static int
take_event(struct session *s, struct imsgbuf *b, xmlNodePtr n)
{
	static const char *const	 parts[] = { "Address", "State",
					    "Text" };
	struct wbuf			 w = { 0 };
	char				*text;
	size_t				 i, np = 0;

	if (xml_is(n, IM_NS, "Message"))
		return take_message(s, b, n);
	else if (xml_is(n, IM_NS, "Presence"))
		np = 3;
	else if (xml_is(n, IM_NS, "Request"))
		np = 1;
	for (i = 0; i < np; i++) {
		text = work_text(n, parts[i]);
		wbuf_str(&w, text);
		free(text);
	}
	if (np > 0)
		work_tell(b, np == 3 ? IM_PRESENCE : IM_REQUEST, 0, &w);
	return 0;
}

/*
 * One held request, what came told and shown.  What cannot be shown is not
 * acknowledged, and we leave the location: so the server gives it to another
 * program, or to the mailbox.
 */
static int
take(struct session *s, struct imsgbuf *b, char *location,
    unsigned long long *last)
{
	struct answer	 a;
	struct imsg	 m;
	struct wbuf	 w = { 0 }, none = { 0 };
	xmlNodePtr	 n;
	char		 loc[128], after[64], *number;
	char		*argv[3] = { loc, after, NULL };
	char		 wait[] = TAKE_WAIT;
	int		 code, any = 0;

	argv[2] = wait;
	snprintf(loc, sizeof(loc), "Location=%s", location);
	snprintf(after, sizeof(after), "After=%llu", *last);
	if ((code = extension_put(&w, IM_NS, "Take", 3, argv)) == 0)
		code = extension_call(s, IM_NS, &w, &a, &n);
	wbuf_free(&w);
	if (code != 0)
		return code;
	for (n = xml_first(n); n != NULL && code == 0; n = xml_next(n)) {
		if (!xml_is(n, IM_NS, "Event"))
			continue;
		if (take_event(s, b, xml_first(n)) == -1) {
			code = EX_UNAVAILABLE;
			break;
		}
		if ((number = xml_attr(n, NULL, "Number")) != NULL)
			*last = strtoull(number, NULL, 10);
		free(number);
		any = 1;
	}
	answer_free(&a);
	if (any) {
		work_tell(b, IM_BATCH, 0, &none);
		while (work_next(b, &m, -1) == 1 && m.hdr.type != IM_SHOWN)
			imsg_free(&m);
		imsg_free(&m);
	}
	return code;
}

void
im_taker(struct session *s, int fd, const char *first)
{
	unsigned long long	 last = 0;
	struct imsgbuf		 b;
	struct imsg		 m;
	struct wbuf		 w = { 0 };
	char			*location = strdup(first);
	unsigned int		 again = 0;
	int			 code = 0;

	imsgbuf_init(&b, fd);
	wbuf_str(&w, location);
	work_tell(&b, IM_READY, 0, &w);
	for (;;) {
		if (location == NULL) {
			last = 0;
			if ((code = im_register(s, &location)) == 0) {
				wbuf_str(&w, location);
				work_tell(&b, IM_READY, 0, &w);
			}
		}
		if (code == 0 && (code = take(s, &b, location, &last)) == 0) {
			again = 0;
			continue;
		}
		if (code == EX_NOPERM || code == EX_CONFIG)
			break;
		if (code == EX_UNAVAILABLE && location != NULL) {
			/* The server has forgotten us, or we leave it. */
			free(location);
			location = NULL;
			code = 0;
			if (again == 0) {
				again = 1;
				continue;
			}
		}
		again = again == 0 ? 1 : again * 2 > AGAIN_MAX ? AGAIN_MAX :
		    again * 2;
		wbuf_u32(&w, again);
		work_tell(&b, IM_AGAIN, 0, &w);
		if (work_next(&b, &m, (int)again * 1000) == 1)
			imsg_free(&m);
		code = 0;
	}
	wbuf_u32(&w, (uint32_t)code);
	work_tell(&b, IM_OVER, 0, &w);
	_exit(code);
}

/* --- what is sent --------------------------------------------------------- */

static void
send_one(struct session *s, struct imsgbuf *b, struct imsg *im)
{
	struct im_message	 m;
	struct wsmsg		 msg = { 0 };
	struct answer		 a;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	xmlNodePtr		 st;
	char			*text = NULL;
	int64_t			 rc;
	int			 code;

	rbuf_init(&r, im->data, im->hdr.len);
	if (im_message_get(&r, &m) == -1)
		_exit(EX_OSERR);
	msg.body = m.text;
	msg.rcpt = m.rcpt;
	msg.nrcpt = m.nrcpt;
	msg.sender = m.from;
	msg.flags = m.flags;
	msg.msgid = m.msgid;
	if ((code = message_post(s, &msg, NULL, 0, &a)) == 0) {
		st = xml_child(a.op, NS_WSE, "WSEmailSendResult");
		rc = answer_int(st, "ResponseCode", 0);
		code = rc == ST_OK ? 0 : EX_UNAVAILABLE;
		/* Where one recipient was refused, why stands with that one. */
		if (rc != ST_OK)
			text = answer_text(xml_child(st, NS_WSE, "Recipient")
			    != NULL ? xml_child(st, NS_WSE, "Recipient") : st,
			    "Message");
		answer_free(&a);
	}
	wbuf_u32(&w, (uint32_t)code);
	wbuf_str(&w, text);
	work_tell(b, IM_DONE, im->hdr.id, &w);
	free(text);
	im_message_free(&m);
}

static void
ask_contacts(struct imsgbuf *b, xmlNodePtr n)
{
	static const char *const	 parts[] = { "Address", "Access",
					    "Follows", "State", "Text" };
	struct wbuf			 w = { 0 };
	char				*text;
	size_t				 i;

	for (n = xml_first(n); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, IM_NS, "Contact"))
			continue;
		for (i = 0; i < nitems(parts); i++) {
			text = work_text(n, parts[i]);
			wbuf_str(&w, text);
			free(text);
		}
		work_tell(b, IM_CONTACT, 0, &w);
	}
}

static void
ask_one(struct session *s, struct imsgbuf *b, struct imsg *im)
{
	struct answer	 a;
	struct rbuf	 r;
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		*method, *argv[4] = { NULL };
	uint32_t	 i, argc;
	int		 code;

	rbuf_init(&r, im->data, im->hdr.len);
	method = rbuf_str(&r, 64);
	argc = rbuf_u32(&r);
	for (i = 0; i < argc && i < nitems(argv); i++)
		argv[i] = rbuf_str(&r, IM_TEXT_MAX);
	if (rbuf_end(&r) == -1)
		_exit(EX_OSERR);
	if ((code = extension_put(&w, IM_NS, method, (int)argc, argv)) == 0 &&
	    (code = extension_call(s, IM_NS, &w, &a, &n)) == 0) {
		ask_contacts(b, n);
		answer_free(&a);
	}
	wbuf_free(&w);
	wbuf_u32(&w, (uint32_t)code);
	wbuf_str(&w, "");
	work_tell(b, IM_DONE, im->hdr.id, &w);
	for (i = 0; i < nitems(argv); i++)
		free(argv[i]);
	free(method);
}

void
im_sender(struct session *s, int fd)
{
	struct imsgbuf	 b;
	struct imsg	 m;
	int		 code;

	/* A connection of its own: the other is the taker's. */
	if ((s->conn = conn_open(s->acc, &code)) == NULL)
		_exit(code);
	imsgbuf_init(&b, fd);
	while (work_next(&b, &m, -1) == 1) {
		if (m.hdr.type == IM_SEND)
			send_one(s, &b, &m);
		else
			ask_one(s, &b, &m);
		imsg_free(&m);
	}
	_exit(0);
}
