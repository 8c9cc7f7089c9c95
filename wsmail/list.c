/* SPDX-License-Identifier: ISC */
/* wsmail list, delete and wait: what needs no message body. */
#include "compat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "msg_queue.h"
#include "wsemail.h"
#include "wsmail.h"
#include "wstime.h"

struct list_opts {
	long long	 limit, before, change;
	const char	*since;
};

static int64_t	 arg_number(const char *, const char *, long long, long long);
static int	 list_options(int, char **, struct list_opts *);
static void	 list_row(xmlNodePtr, int);
static void	 list_json_row(xmlNodePtr, int);
static void	 list_deleted(xmlNodePtr);
static int	 mailbox_change(struct session *, int64_t *, int64_t *);
static int	 wait_once(struct session *, int64_t, unsigned int, int64_t *);

static int64_t
arg_number(const char *s, const char *what, long long min, long long max)
{
	const char	*errstr;
	long long	 n;

	n = strtonum(s, min, max, &errstr);
	if (errstr != NULL) {
		fprintf(stderr, "wsmail: %s: %s is %s\n", what, s, errstr);
		exit(EX_USAGE);
	}
	return n;
}

static int
list_options(int argc, char **argv, struct list_opts *o)
{
	int64_t	 ms;
	int	 ch;

	o->limit = 50;
	o->before = 0;
	o->change = -1;
	o->since = NULL;
	while ((ch = getopt(argc, argv, "b:c:n:s:")) != -1) {
		switch (ch) {
		case 'b':
			o->before = arg_number(optarg, "-b", 1, INT32_MAX);
			break;
		case 'c':
			o->change = arg_number(optarg, "-c", 0, INT64_MAX);
			break;
		case 'n':
			o->limit = arg_number(optarg, "-n", 1, 100000);
			break;
		case 's':
			if (wstime_parse(optarg, &ms) == -1) {
				fprintf(stderr, "wsmail: -s: expected a time "
				    "such as 2026-11-23T07:00:00Z\n");
				return -1;
			}
			o->since = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	return 0;
}

static void
list_row(xmlNodePtr h, int first)
{
	char	*sender, *subject, *when;
	size_t	 n;

	if (first)
		printf("%6s  %-16s  %-28s  %s\n", "ID", "DATE", "FROM",
		    "SUBJECT");
	sender = answer_text(h, "Sender");
	subject = answer_text(h, "Subject");
	when = answer_text(h, "Timestamp");
	if (strlen(when) > 16) {
		when[10] = ' ';
		when[16] = '\0';
	}
	printf("%6" PRId64 "  ", answer_int(h, "MessageID", 0));
	n = out_text(stdout, when, 0);
	printf("%*s  ", (int)(n < 16 ? 16 - n : 0), "");
	n = out_text(stdout, sender, 0);
	printf("%*s  ", (int)(n < 28 ? 28 - n : 0), "");
	(void)out_text(stdout, subject, 0);
	putchar('\n');
	free(sender);
	free(subject);
	free(when);
}

static void
list_json_row(xmlNodePtr h, int first)
{
	static const char *const text[][2] = {
		{ "sender", "Sender" }, { "subject", "Subject" },
		{ "timestamp", "Timestamp" }, { "received", "Received" },
		{ "messageid", "MessageId" },
	};
	size_t	 i;
	char	*s;

	printf("%s{\"id\":%" PRId64 ",\"flags\":%" PRId64 ",\"size\":%" PRId64,
	    first ? "" : ",", answer_int(h, "MessageID", 0),
	    answer_int(h, "Flags", 0), answer_int(h, "Size", 0));
	for (i = 0; i < nitems(text); i++) {
		s = answer_text(h, text[i][1]);
		printf(",\"%s\":", text[i][0]);
		out_json_string(stdout, s);
		free(s);
	}
	putchar('}');
}

static void
list_deleted(xmlNodePtr op)
{
	xmlNodePtr	 n, d;
	int		 first = 1;

	if ((d = xml_child(op, NS_WSE, "Deleted")) == NULL)
		return;
	for (n = xml_first(d); n != NULL; n = xml_next(n)) {
		printf("%s%" PRId64, !first ? out_json ? "," : " " :
		    out_json ? "" : "deleted: ", answer_int(n, NULL, 0));
		first = 0;
	}
	if (!out_json && !first)
		putchar('\n');
}

int
cmd_list(struct session *s, int argc, char **argv)
{
	struct list_opts	 o;
	struct answer		 a;
	struct wbuf		 w;
	xmlNodePtr		 h;
	int			 code, n = 0;

	if (list_options(argc, argv, &o) == -1)
		return EX_USAGE;
	wbuf_init(&w);
	if (o.since != NULL)
		xml_put_elem(&w, "w:messagesSince", o.since);
	if (o.change >= 0)
		wbuf_printf(&w, "<w:sinceChange>%lld</w:sinceChange>",
		    o.change);
	if (o.before > 0)
		wbuf_printf(&w, "<w:before>%lld</w:before>", o.before);
	wbuf_printf(&w, "<w:limit>%lld</w:limit>", o.limit);
	code = call(s, NS_WSE, "WSEmailFetchHeaders", &w, NULL, 0, 60, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	if (out_json)
		printf("{\"messages\":[");
	if ((h = xml_child(a.op, NS_WSE, "WSEmailFetchHeadersResult")) != NULL)
		for (h = xml_first(h); h != NULL; h = xml_next(h))
			(out_json ? list_json_row : list_row)(h, n++ == 0);
	if (out_json)
		printf("],\"deleted\":[");
	list_deleted(a.op);
	if (out_json) {
		char	*more = answer_text(a.op, "More");

		printf("],\"change\":%" PRId64 ",\"more\":%s}\n",
		    answer_int(a.op, "Change", 0),
		    strcmp(more, "true") == 0 || strcmp(more, "1") == 0 ?
		    "true" : "false");
		free(more);
	} else if (n == 0)
		printf("no messages\n");
	answer_free(&a);
	return 0;
}

int
cmd_delete(struct session *s, int argc, char **argv)
{
	struct answer	 a;
	struct wbuf	 w;
	xmlNodePtr	 st, m;
	char		*text;
	int64_t		 rc;
	int		 code, i, missing;

	if (argc < 2)
		usage();
	wbuf_init(&w);
	wbuf_puts(&w, "<w:messagesToDelete>");
	for (i = 1; i < argc; i++)
		wbuf_printf(&w, "<w:int>%lld</w:int>",
		    (long long)arg_number(argv[i], "delete", 1, INT32_MAX));
	wbuf_puts(&w, "</w:messagesToDelete>");
	code = call(s, NS_WSE, "WSEmailDelete", &w, NULL, 0, 60, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	if ((st = xml_child(a.op, NS_WSE, "WSEmailDeleteResult")) == NULL) {
		answer_free(&a);
		fprintf(stderr, "wsmail: the answer has no status\n");
		return EX_PROTOCOL;
	}
	rc = answer_int(st, "ResponseCode", 0);
	missing = (m = xml_child(st, NS_WSE, "Missing")) != NULL &&
	    xml_first(m) != NULL;
	text = answer_text(st, "Message");
	if (out_json) {
		printf("{\"code\":%" PRId64 ",\"message\":", rc);
		out_json_string(stdout, text);
		printf(",\"missing\":[");
		for (m = missing ? xml_first(m) : NULL, i = 0; m != NULL;
		    m = xml_next(m), i++)
			printf("%s%" PRId64, i > 0 ? "," : "",
			    answer_int(m, NULL, 0));
		printf("]}\n");
	} else {
		(void)out_text(stdout, text, 0);
		putchar('\n');
		for (m = missing ? xml_first(m) : NULL; m != NULL;
		    m = xml_next(m))
			fprintf(stderr, "wsmail: %" PRId64 ": no such "
			    "message\n", answer_int(m, NULL, 0));
	}
	free(text);
	answer_free(&a);
	return missing || rc == ST_NOUSER ? EX_UNAVAILABLE :
	    rc != ST_OK ? EX_TEMPFAIL : 0;
}

/*
 * The mailbox's change counter now, and in *count how many messages are
 * there (0 or 1: one is enough to know).
 */
static int
mailbox_change(struct session *s, int64_t *change, int64_t *count)
{
	struct answer	 a;
	struct wbuf	 w;
	xmlNodePtr	 l;
	int		 code;

	wbuf_init(&w);
	wbuf_puts(&w, "<w:limit>1</w:limit>");
	code = call(s, NS_WSE, "WSEmailFetchHeaders", &w, NULL, 0, 60, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	*change = answer_int(a.op, "Change", 0);
	l = xml_child(a.op, NS_WSE, "WSEmailFetchHeadersResult");
	*count = l != NULL && xml_first(l) != NULL;
	answer_free(&a);
	return 0;
}

static int
wait_once(struct session *s, int64_t since, unsigned int seconds,
    int64_t *change)
{
	struct answer	 a;
	struct wbuf	 w;
	int		 code;

	wbuf_init(&w);
	wbuf_printf(&w, "<w:sinceChange>%" PRId64 "</w:sinceChange>"
	    "<w:timeout>%u</w:timeout>", since, seconds);
	code = call(s, NS_WSE2, "WaitForChange", &w, NULL, 0, seconds + 30,
	    &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	*change = answer_int(a.op, "Change", since);
	answer_free(&a);
	return 0;
}

/*
 * wait [-e] [-c change] [-t seconds]: returns when the mailbox changed after
 * `change` (default: now); with -e, at once when mail is there already.
 * EX_TEMPFAIL when the time passed.
 */
int
cmd_wait(struct session *s, int argc, char **argv)
{
	int64_t		 change = -1, now, count = 0, left = 0;
	time_t		 end;
	unsigned int	 step;
	int		 any = 0, ch, code;

	while ((ch = getopt(argc, argv, "c:et:")) != -1) {
		switch (ch) {
		case 'c':
			change = arg_number(optarg, "-c", 0, INT64_MAX);
			break;
		case 'e':
			any = 1;
			break;
		case 't':
			left = arg_number(optarg, "-t", 1, 86400 * 365);
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	end = left > 0 ? time(NULL) + (time_t)left : 0;
	if ((code = mailbox_change(s, &now, &count)) != 0)
		return code;
	if (change == -1)
		change = now;
	while (now <= change && !(any && count > 0)) {
		left = end != 0 ? (int64_t)(end - time(NULL)) : 240;
		if (left <= 0) {
			if (!out_json)
				fprintf(stderr, "wsmail: no new mail\n");
			return EX_TEMPFAIL;
		}
		step = left > 240 ? 240 : (unsigned int)left;
		if ((code = wait_once(s, change, step, &now)) != 0)
			return code;
	}
	if (out_json)
		printf("{\"change\":%" PRId64 "}\n", now);
	else
		printf("%s (change %" PRId64 ")\n", any && count > 0 ?
		    "mail is there" : "the mailbox changed", now);
	return 0;
}
