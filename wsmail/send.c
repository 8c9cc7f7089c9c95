/* SPDX-License-Identifier: ISC */
/* wsmail send: a new message, or a reply, its body on standard input. */
#include "compat.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "addr.h"
#include "mailfile.h"
#include "msg_queue.h"
#include "wsemail.h"
#include "wsmail.h"

#define RCPT_MAX	1000
#define FILES_MAX	100	/* as wsattach(8) has for a message */

struct draft {
	struct wsmsg	 m;
	char		*bcc[RCPT_MAX];
	size_t		 nbcc;
	const char	*reply;
	struct file {
		const char	*path, *type, *description;
		char		 upload[ONDEMAND_ID];
	}		 file[FILES_MAX];
	size_t		 nfile;
};

static char	*draft_copy(const char *);
static int	 draft_options(struct draft *, const char *, int, char **);
static int	 draft_add(char **, size_t *, const char *);
static int	 draft_reply(struct session *, struct draft *);
static int	 draft_body(struct draft *);
static int	 draft_files(struct session *, struct draft *);
static int	 send_result(struct answer *);
static void	 send_refused(xmlNodePtr);
static void	 draft_free(struct draft *);

static char *
draft_copy(const char *s)
{
	char	*copy;

	if ((copy = strdup(s)) == NULL)
		err(EX_OSERR, NULL);
	return copy;
}

static int
draft_add(char **list, size_t *n, const char *s)
{
	char	 addr[ADDR_MAX + 1];

	if (addr_normalize(s, addr, sizeof(addr)) == -1) {
		fprintf(stderr, "wsmail: %s: expected an address such as "
		    "bob@scorpio.test\n", s);
		return EX_USAGE;
	}
	if (*n == RCPT_MAX) {
		fprintf(stderr, "wsmail: more than %d recipients\n", RCPT_MAX);
		return EX_USAGE;
	}
	list[(*n)++] = draft_copy(addr);
	return 0;
}

static int
draft_options(struct draft *d, const char *domain, int argc, char **argv)
{
	int	 ch, code;

	while ((ch = getopt(argc, argv, "A:DIN:b:i:r:s:t:")) != -1) {
		switch (ch) {
		case 'A':
			if (d->nfile == FILES_MAX) {
				fprintf(stderr, "wsmail: more than %d files\n",
				    FILES_MAX);
				return EX_USAGE;
			}
			d->file[d->nfile++].path = optarg;
			break;
		case 'N':
		case 't':
			if (d->nfile == 0)
				usage();
			*(ch == 'N' ? &d->file[d->nfile - 1].description :
			    &d->file[d->nfile - 1].type) = optarg;
			break;
		case 'D':
			d->m.flags |= FLAG_DELETE_UNDELIVERABLE;
			break;
		case 'I':
			d->m.flags |= FLAG_INSTANT;
			break;
		case 'b':
			if ((code = draft_add(d->bcc, &d->nbcc, optarg)) != 0)
				return code;
			break;
		case 'i':
			if (!wsmsg_msgid_ok(optarg, domain)) {
				fprintf(stderr, "wsmail: -i %s: expected 16 "
				    "to 64 letters, digits and hyphens, and "
				    "@%s\n", optarg, domain);
				return EX_USAGE;
			}
			free(d->m.msgid);
			d->m.msgid = draft_copy(optarg);
			break;
		case 'r':
			d->reply = optarg;
			break;
		case 's':
			free(d->m.subject);
			d->m.subject = draft_copy(optarg);
			break;
		default:
			usage();
		}
	}
	for (; optind < argc; optind++)
		if ((code = draft_add(d->m.rcpt, &d->m.nrcpt,
		    argv[optind])) != 0)
			return code;
	if (d->m.nrcpt + d->nbcc == 0 && d->reply == NULL)
		usage();
	return 0;
}

/* Recipient, subject and InReplyTo from the message that is answered. */
static int
draft_reply(struct session *s, struct draft *d)
{
	const char	*errstr, *why = "no theMessage", *subject;
	struct answer	 a;
	struct wsmsg	 m;
	struct wbuf	 w;
	xmlNodePtr	 n;
	int		 code;

	wbuf_init(&w);
	wbuf_printf(&w, "<w:messageToGet>%lld</w:messageToGet>",
	    strtonum(d->reply, 1, INT32_MAX, &errstr));
	if (errstr != NULL) {
		wbuf_free(&w);
		fprintf(stderr, "wsmail: -r %s: the number is %s\n", d->reply,
		    errstr);
		return EX_USAGE;
	}
	code = call(s, NS_WSE, "WSEmailRetrieve", &w, NULL, 0, 120, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	if ((n = xml_child(a.op, NS_WSE, "WSEmailRetrieveResult")) == NULL ||
	    (n = xml_child(n, NS_WSE, "theMessage")) == NULL ||
	    wsmsg_read(&m, n, &why) == -1) {
		fprintf(stderr, "wsmail: message %s: %s\n", d->reply, why);
		answer_free(&a);
		return EX_PROTOCOL;
	}
	subject = m.subject != NULL ? m.subject : "";
	if (d->m.subject == NULL && asprintf(&d->m.subject, "%s%s",
	    strncasecmp(subject, "re:", 3) == 0 ? "" : "Re: ", subject) == -1)
		err(EX_OSERR, NULL);
	if (m.msgid != NULL)
		d->m.inreplyto = draft_copy(m.msgid);
	code = draft_add(d->m.rcpt, &d->m.nrcpt,
	    m.sender != NULL ? m.sender : "");
	wsmsg_free(&m);
	answer_free(&a);
	return code;
}

static int
draft_body(struct draft *d)
{
	uint8_t	*p;
	size_t	 len;

	if (isatty(STDIN_FILENO))
		fprintf(stderr, "wsmail: the text, ended by ^D:\n");
	if ((p = mailfile_read_stream(stdin, &len)) == NULL) {
		fprintf(stderr, "wsmail: reading standard input: %m\n");
		return EX_NOINPUT;
	}
	d->m.body = (char *)p;
	if (strlen(d->m.body) != len || !xml_valid_text(d->m.body, len)) {
		fprintf(stderr, "wsmail: the text on standard input is not "
		    "UTF-8 or holds control characters that XML cannot "
		    "carry\n");
		return EX_DATAERR;
	}
	if (d->m.subject != NULL &&
	    !xml_valid_text(d->m.subject, strlen(d->m.subject))) {
		fprintf(stderr, "wsmail: the subject is not UTF-8\n");
		return EX_DATAERR;
	}
	return 0;
}

/* Up, each, and named in the message. */
static int
draft_files(struct session *s, struct draft *d)
{
	struct wbuf	 w = { 0 };
	const char	*why;
	size_t		 i;
	int		 code = 0;

	for (i = 0; code == 0 && i < d->nfile; i++) {
		if ((code = upload_file(s, d->file[i].path, d->file[i].type,
		    d->file[i].description, d->file[i].upload)) != 0)
			break;
		w.len = 0;
		wbuf_printf(&w, "<x:AttachmentUpload xmlns:x=\"" NS_WSE2
		    "\">%s</x:AttachmentUpload>", d->file[i].upload);
		if (w.error || wsmsg_put_attachment(&d->m, w.data, w.len,
		    &why) == -1)
			code = EX_OSERR;
	}
	wbuf_free(&w);
	return code;
}

int
message_post(struct session *s, const struct wsmsg *m, char *const *bcc,
    size_t nbcc, struct answer *a)
{
	const char	**all;
	struct wbuf	 w;
	size_t		 i, n = 0;
	int		 code, try;

	if ((all = calloc(m->nrcpt + nbcc + 1, sizeof(*all))) == NULL)
		return EX_OSERR;
	if (nbcc > 0) {
		for (i = 0; i < m->nrcpt; i++)
			all[n++] = m->rcpt[i];
		for (i = 0; i < nbcc; i++)
			all[n++] = bcc[i];
	}
	wbuf_init(&w);
	if (wsmsg_compose(m, &w) == -1) {
		fprintf(stderr, "wsmail: the message cannot be composed\n");
		code = EX_OSERR;
	} else {
		for (code = EX_TEMPFAIL, try = 0;
		    code == EX_TEMPFAIL && try < 2; try++)
			code = call(s, NS_WSE, "WSEmailSend", &w,
			    (const char *const *)all, n, 150, a);
	}
	wbuf_free(&w);
	free(all);
	return code;
}

static void
send_refused(xmlNodePtr st)
{
	xmlNodePtr	 n;
	char		*addr, *text;

	for (n = xml_first(st); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, NS_WSE, "Recipient"))
			continue;
		addr = answer_text(n, "Address");
		text = answer_text(n, "Message");
		fputs("wsmail: ", stderr);
		out_text(stderr, addr, 0);
		fprintf(stderr, ": %" PRId64 " ",
		    answer_int(n, "ResponseCode", 0));
		out_text(stderr, text, 0);
		putc('\n', stderr);
		free(addr);
		free(text);
	}
}

static int
send_result(struct answer *a)
{
	xmlNodePtr	 st;
	char		*text, *msgid;
	int64_t		 rc;

	if ((st = xml_child(a->op, NS_WSE, "WSEmailSendResult")) == NULL) {
		fprintf(stderr, "wsmail: the answer has no status\n");
		return EX_PROTOCOL;
	}
	rc = answer_int(st, "ResponseCode", 0);
	text = answer_text(st, "Message");
	msgid = answer_text(st, "MessageId");
	send_refused(st);
	if (out_json) {
		printf("{\"code\":%" PRId64 ",\"message\":", rc);
		out_json_string(stdout, text);
		printf(",\"messageid\":");
		out_json_string(stdout, msgid);
		puts("}");
	} else {
		FILE	*f = rc == ST_OK ? stdout : stderr;

		out_text(f, text, 0);
		if (rc == ST_OK) {
			fputs(" (", f);
			out_text(f, msgid, 0);
			fputs(")\n", f);
		} else
			fprintf(f, " (%" PRId64 ")\n", rc);
	}
	free(text);
	free(msgid);
	return rc == ST_OK ? 0 : rc == ST_TEMPFAIL ? EX_TEMPFAIL :
	    rc == ST_NOUSER ? EX_NOUSER : rc == ST_DENIED ? EX_NOPERM :
	    EX_DATAERR;
}

static void
draft_free(struct draft *d)
{
	size_t	 i;

	for (i = 0; i < d->nbcc; i++)
		free(d->bcc[i]);
	wsmsg_free(&d->m);
}

int
cmd_send(struct session *s, int argc, char **argv)
{
	struct answer	 a;
	struct draft	*d;
	size_t		 i;
	int		 code;

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->m.rcpt = calloc(RCPT_MAX, sizeof(*d->m.rcpt))) == NULL) {
		free(d);
		return EX_OSERR;
	}
	code = draft_options(d, addr_domain(s->acc->address), argc, argv);
	if (code == 0 && d->reply != NULL)
		code = draft_reply(s, d);
	if (code == 0)
		code = draft_body(d);
	if (code == 0) {
		if (d->m.msgid == NULL)
			d->m.msgid =
			    wsmsg_msgid_new(addr_domain(s->acc->address));
		d->m.sender = draft_copy(s->acc->address);
		if (d->m.msgid == NULL)
			code = EX_OSERR;
	}
	if (code == 0)
		code = draft_files(s, d);
	if (code == 0 && (code = message_post(s, &d->m, d->bcc, d->nbcc,
	    &a)) == 0) {
		if ((code = send_result(&a)) == 0)
			for (i = 0; i < d->nfile; i++)
				upload_done(d->file[i].upload);
		answer_free(&a);
	}
	draft_free(d);
	free(d);
	return code;
}
