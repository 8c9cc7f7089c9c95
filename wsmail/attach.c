/* SPDX-License-Identifier: ISC */
/* wsmail attach: the own attachments, who has them, and what their owner may. */
#include "compat.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "wsemail.h"
#include "wsmail.h"
#include "wstime.h"

#define ATTACH_TIMEOUT	150	/* s */

struct showing {		/* pages of one attachment */
	int		 first;		/* page */
	int		 recipients, fetches;	/* there are more of these */
	char		*after;		/* last recipient, or NULL */
	int64_t		 before;	/* last fetch, or 0 */
};

static int	 attach_list(struct session *, int, char **);
static int	 attach_show(struct session *, int, char **);
static int	 attach_recipients(struct session *, int, char **);
static int	 attach_expire(struct session *, int, char **);
static int	 attach_withdraw(struct session *, int, char **);
static int	 attach_update(struct session *, int, char **);
static int	 attach_id(const char *);
static int	 attach_change(struct session *, const char *op,
		    const char *id, const char *element, const char *text,
		    int64_t *version);
static void	 attach_line(xmlNodePtr);
static void	 attach_field(const char *, xmlNodePtr, const char *);
static void	 attach_json(xmlNodePtr);
static int	 attach_page(struct session *, char **before, int *more);
static void	 attach_version(xmlNodePtr);
static void	 attach_recipient(xmlNodePtr, struct showing *);
static void	 attach_fetch(xmlNodePtr, struct showing *);
static void	 attach_page_show(xmlNodePtr, struct showing *);
static int	 attach_rows(struct session *, const char *id);

static const struct {
	const char	*name;
	int		 min, max;	/* arguments behind it */
	int		(*fn)(struct session *, int, char **);
} attach_cmds[] = {
	{ "expire",	2, 2, attach_expire },
	{ "grant",	2, 1000, attach_recipients },
	{ "list",	0, 0, attach_list },
	{ "revoke",	2, 1000, attach_recipients },
	{ "show",	1, 1, attach_show },
	{ "update",	2, 2, attach_update },
	{ "withdraw",	1, 1, attach_withdraw },
};

int
cmd_attach(struct session *s, int argc, char **argv)
{
	size_t	 i;

	while (getopt(argc, argv, "+") != -1)
		usage();
	argc -= optind;
	argv += optind;
	for (i = 0; argc > 0 && i < nitems(attach_cmds); i++)
		if (strcmp(attach_cmds[i].name, argv[0]) == 0 &&
		    argc - 1 >= attach_cmds[i].min &&
		    argc - 1 <= attach_cmds[i].max) {
			if (argc > 1 && attach_id(argv[1]) != 0)
				return EX_USAGE;
			return attach_cmds[i].fn(s, argc, argv);
		}
	usage();
}

static int
attach_id(const char *id)
{
	if (ondemand_id_ok(id))
		return 0;
	fprintf(stderr, "wsmail: %s: expected an identifier of 32 hexadecimal "
	    "digits (wsmail attach list)\n", id);
	return EX_USAGE;
}

/* --- lists ----------------------------------------------------------------- */

/* Each child, in the order of the answer; one that has children is an object. */
static void
attach_json(xmlNodePtr n)
{
	const char	*sep = "";
	char		*text;

	putchar('{');
	for (n = xml_first(n); n != NULL; n = xml_next(n)) {
		fputs(sep, stdout);
		sep = ",";
		out_json_string(stdout, (const char *)n->name);
		putchar(':');
		if ((text = xml_text(n, 65536)) != NULL)
			out_json_string(stdout, text);
		else
			attach_json(n);
		free(text);
	}
	putchar('}');
}

static void
attach_field(const char *before, xmlNodePtr n, const char *name)
{
	char	*text = answer_text(n, name);

	if (*text != '\0') {
		fputs(before, stdout);
		out_text(stdout, text, 0);
	}
	free(text);
}

/* identifier, size, fetches, name, and what is special */
static void
attach_line(xmlNodePtr n)
{
	attach_field("", n, "Identifier");
	printf(" %12" PRId64 " %5" PRId64 " of %" PRId64 "  ",
	    answer_int(n, "Size", 0), answer_int(n, "Fetches", 0),
	    answer_int(n, "Recipients", 0));
	attach_field("", n, "Name");
	if (answer_int(n, "Version", 1) > 1)
		attach_field(" version ", n, "Version");
	attach_field(" expires ", n, "Expires");
	attach_field(" withdrawn ", n, "Withdrawn");
	putchar('\n');
}

/* 0 and the last identifier, or a code. */
static int
attach_page(struct session *s, char **before, int *more)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		*text;
	int		 code;

	if (*before != NULL)
		xml_put_elem(&w, "w:Before", *before);
	code = call(s, NS_WSE2, "AttachmentList", &w, NULL, 0, ATTACH_TIMEOUT,
	    &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	text = answer_text(a.op, "More");
	*more = strcmp(text, "true") == 0;
	free(text);
	for (text = NULL, n = xml_first(a.op); n != NULL; n = xml_next(n)) {
		if (!xml_is(n, NS_WSE2, "Attachment"))
			continue;
		if (out_json) {
			attach_json(n);
			putchar('\n');
		} else
			attach_line(n);
		free(text);
		text = answer_text(n, "Identifier");
	}
	/* A page of nothing that says there is more has no end. */
	if (text == NULL)
		*more = 0;
	free(*before);
	*before = text;
	answer_free(&a);
	return 0;
}

static int
attach_list(struct session *s, int argc, char **argv)
{
	char	*before = NULL;
	int	 code, more = 0;

	(void)argc;
	(void)argv;
	do
		code = attach_page(s, &before, &more);
	while (code == 0 && more);
	free(before);
	return code;
}

static void
attach_version(xmlNodePtr n)
{
	attach_field("version ", n, "Number");
	attach_field(", ", n, "Size");
	attach_field(" octets, ", n, "Created");
	putchar('\n');
}

static void
attach_recipient(xmlNodePtr n, struct showing *sh)
{
	attach_field("for ", n, "Address");
	attach_field(", fetched ", n, "Fetches");
	attach_field(" times, last ", n, "Last");
	putchar('\n');
	free(sh->after);
	sh->after = answer_text(n, "Address");
}

static void
attach_fetch(xmlNodePtr n, struct showing *sh)
{
	attach_field("", n, "Time");
	attach_field(" ", n, "Address");
	attach_field(" version ", n, "Version");
	putchar('\n');
	sh->before = answer_int(n, "Number", 0);
}

/* What of a page was not shown before. */
static void
attach_page_show(xmlNodePtr op, struct showing *sh)
{
	xmlNodePtr	 n;
	char		*recipients, *fetches;

	for (n = xml_first(op); n != NULL; n = xml_next(n))
		if (xml_is(n, NS_WSE2, "Attachment") && sh->first)
			attach_line(n);
		else if (xml_is(n, NS_WSE2, "Version") && sh->first)
			attach_version(n);
		else if (xml_is(n, NS_WSE2, "Recipient") && sh->recipients)
			attach_recipient(n, sh);
		else if (xml_is(n, NS_WSE2, "Fetch") && sh->fetches)
			attach_fetch(n, sh);
	recipients = answer_text(op, "MoreRecipients");
	fetches = answer_text(op, "MoreFetches");
	sh->recipients = sh->recipients && strcmp(recipients, "true") == 0;
	sh->fetches = sh->fetches && strcmp(fetches, "true") == 0;
	sh->first = 0;
	free(recipients);
	free(fetches);
}

/* All recipients and fetches, a page after the other. */
static int
attach_rows(struct session *s, const char *id)
{
	struct showing	 sh = { .first = 1, .recipients = 1, .fetches = 1 };
	struct answer	 a;
	struct wbuf	 w = { 0 };
	int		 code = 0;

	while (code == 0 && (sh.recipients || sh.fetches)) {
		xml_put_elem(&w, "w:Attachment", id);
		xml_put_elem(&w, "w:After", sh.after);
		if (sh.before > 0)
			wbuf_printf(&w, "<w:Before>%" PRId64 "</w:Before>",
			    sh.before);
		if ((code = call(s, NS_WSE2, "AttachmentShow", &w, NULL, 0,
		    ATTACH_TIMEOUT, &a)) == 0) {
			attach_page_show(a.op, &sh);
			answer_free(&a);
		}
		wbuf_free(&w);
	}
	free(sh.after);
	return code;
}

static int
attach_show(struct session *s, int argc, char **argv)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	int		 code;

	(void)argc;
	if (!out_json)
		return attach_rows(s, argv[1]);
	xml_put_elem(&w, "w:Attachment", argv[1]);
	code = call(s, NS_WSE2, "AttachmentShow", &w, NULL, 0, ATTACH_TIMEOUT,
	    &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	attach_json(a.op);
	putchar('\n');
	answer_free(&a);
	return 0;
}

/* --- changes ---------------------------------------------------------------- */

static int
attach_change(struct session *s, const char *op, const char *id,
    const char *element, const char *text, int64_t *version)
{
	struct answer	 a;
	struct wbuf	 w = { 0 };
	int		 code;

	xml_put_elem(&w, "w:Attachment", id);
	if (text != NULL)
		xml_put_elem(&w, element, text);
	code = call(s, NS_WSE2, op, &w, NULL, 0, ATTACH_TIMEOUT, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	if (version != NULL)
		*version = answer_int(a.op, "Version", 0);
	answer_free(&a);
	return 0;
}

static int
attach_recipients(struct session *s, int argc, char **argv)
{
	const char	*op = strcmp(argv[0], "grant") == 0 ?
			    "AttachmentGrant" : "AttachmentRevoke";
	char		 addr[ADDR_MAX + 1];
	int		 code, i;

	for (i = 2; i < argc; i++) {
		if (addr_normalize(argv[i], addr, sizeof(addr)) == -1) {
			fprintf(stderr, "wsmail: %s: expected an address\n",
			    argv[i]);
			return EX_USAGE;
		}
		if ((code = attach_change(s, op, argv[1], "w:Address", addr,
		    NULL)) != 0)
			return code;
	}
	return 0;
}

static int
attach_expire(struct session *s, int argc, char **argv)
{
	int64_t	 ms;

	(void)argc;
	if (strcmp(argv[2], "never") == 0)
		return attach_change(s, "AttachmentExpire", argv[1], NULL,
		    NULL, NULL);
	if (wstime_parse(argv[2], &ms) == -1) {
		fprintf(stderr, "wsmail: %s: expected never, or a time such "
		    "as 2027-01-31T12:00:00Z\n", argv[2]);
		return EX_USAGE;
	}
	return attach_change(s, "AttachmentExpire", argv[1], "w:When",
	    argv[2], NULL);
}

static int
attach_withdraw(struct session *s, int argc, char **argv)
{
	(void)argc;
	return attach_change(s, "AttachmentWithdraw", argv[1], NULL, NULL,
	    NULL);
}

static int
attach_update(struct session *s, int argc, char **argv)
{
	char	 upload[ONDEMAND_ID];
	int64_t	 version;
	int	 code;

	(void)argc;
	if ((code = upload_file(s, argv[2], NULL, NULL, upload)) != 0 ||
	    (code = attach_change(s, "AttachmentUpdate", argv[1], "w:Upload",
	    upload, &version)) != 0)
		return code;
	upload_done(upload);
	printf("version %" PRId64 "\n", version);
	return 0;
}
