/* SPDX-License-Identifier: ISC */
/* wsctl's words and its three formats, byte for byte. */
#include "compat.h"

#include <stdio.h>

#include "tap.h"
#include "wsctl.h"

static char	*render(const struct output *, enum out_style,
		    struct wbuf *, const char *);
static void	 test_words(void);
static void	 test_bad_words(void);
static void	 test_text(void);
static void	 test_json(void);
static void	 test_metrics(void);
static void	 test_octets(void);

/* What cmd.c would start; not under test. */
int
wsctl_talk(const struct wsctl *w, const struct ctl_req *req,
    enum out_style style)
{
	(void)w;
	(void)req;
	(void)style;
	return 70;
}

/* Rows in, what is printed out.  Empties rows. */
static char *
render(const struct output *ops, enum out_style style, struct wbuf *rows,
    const char *text)
{
	struct out	 out = { ops, NULL, style, 0, NULL };
	struct rbuf	 r;
	struct ctl_row	 row;
	char		*buf = NULL;
	size_t		 len;

	if ((out.f = open_memstream(&buf, &len)) == NULL)
		abort();
	ops->head(&out);
	rbuf_init(&r, rows->data, rows->len);
	memset(&row, 0, sizeof(row));
	while (ctl_row_get(&r, &row) == 1) {
		ops->row(&out, &row);
		out.nrows++;
		ctl_row_free(&row);
		memset(&row, 0, sizeof(row));
	}
	ops->tail(&out, text);
	fclose(out.f);
	wbuf_free(rows);
	return buf;
}

static void
test_words(void)
{
	static const struct {
		const char	*line;
		enum ctl_cmd	 cmd;
		const char	*arg[2];
	} good[] = {
		{ "show queue", CTL_SHOW_QUEUE, { NULL } },
		{ "sh q", CTL_SHOW_QUEUE, { NULL } },
		{ "show queue all", CTL_SHOW_QUEUE, { "" } },
		{ "show queue all 50", CTL_SHOW_QUEUE, { "", "50" } },
		{ "show queue a.test", CTL_SHOW_QUEUE, { "a.test" } },
		{ "show queue a.test 5", CTL_SHOW_QUEUE, { "a.test", "5" } },
		{ "show message 00ff", CTL_SHOW_MESSAGE, { "00ff" } },
		{ "show stats", CTL_SHOW_STATS, { NULL } },
		{ "show st", CTL_SHOW_STATS, { NULL } },
		{ "show mailbox a@b", CTL_SHOW_MAILBOX, { "a@b" } },
		{ "sched all", CTL_SCHEDULE, { "all" } },
		{ "schedule a.test", CTL_SCHEDULE, { "a.test" } },
		{ "pause local", CTL_PAUSE, { "local" } },
		{ "pause lo", CTL_PAUSE, { "lo" } },
		{ "pause a.test", CTL_PAUSE, { "a.test" } },
		{ "resume relay", CTL_RESUME, { "relay" } },
		{ "remove 1", CTL_REMOVE, { "1" } },
		{ "trace", CTL_TRACE, { NULL } },
		{ "trace bob", CTL_TRACE, { "bob" } },
		{ "log v", CTL_LOG, { "verbose" } },
		{ "log brief", CTL_LOG, { "brief" } },
		{ "rel", CTL_RELOAD, { NULL } },
		{ "stop", CTL_STOP, { NULL } },
	};
	struct ctl_req	 req;
	enum out_style	 style;
	char		 line[64], why[1400], *argv[8], *p, *last;
	size_t		 i, k, want;
	int		 argc;

	for (i = 0; i < nitems(good); i++) {
		strlcpy(line, good[i].line, sizeof(line));
		argc = 0;
		for (p = strtok_r(line, " ", &last); p != NULL;
		    p = strtok_r(NULL, " ", &last))
			argv[argc++] = p;
		why[0] = '\0';
		ok(cmd_match(argc, argv, &req, &style, why, sizeof(why)) != -1,
		    good[i].line);
		if (why[0] != '\0') {
			printf("# %s\n", why);
			continue;
		}
		is_int((int)req.cmd, (int)good[i].cmd, "command");
		is_int((int)req.version, CTL_VERSION, "version");
		want = good[i].arg[0] == NULL ? 0 : good[i].arg[1] == NULL ?
		    1 : 2;
		is_int((int)req.nargs, (int)want, "arguments");
		for (k = 0; k < want && k < req.nargs; k++)
			is_str(req.arg[k], good[i].arg[k], "argument");
	}
}

static void
test_bad_words(void)
{
	static const struct {
		const char	*line, *hint;
	} bad[] = {
		{ "show", "possibilities are: queue message stats limits "
		    "sandbox processes plugins mailbox <user>" },
		{ "bogus", "possibilities are: show schedule pause resume "
		    "remove trace log reload stop plugin user ca" },
		{ "re", "ambiguous" },
		{ "show s", "ambiguous" },
		{ "show stats now", "nothing may follow" },
		{ "log loud", "possibilities are: verbose brief" },
		{ "schedule", "possibilities are: all <id|domain>" },
		{ "pause", "possibilities are: local relay <domain>" },
		{ "stop it", "nothing may follow" },
		{ "show queue a b c", "nothing may follow" },
	};
	struct ctl_req	 req;
	enum out_style	 style;
	char		 line[64], why[1400], *argv[8], *p, *last;
	size_t		 i;
	int		 argc;

	for (i = 0; i < nitems(bad); i++) {
		strlcpy(line, bad[i].line, sizeof(line));
		argc = 0;
		for (p = strtok_r(line, " ", &last); p != NULL;
		    p = strtok_r(NULL, " ", &last))
			argv[argc++] = p;
		ok(cmd_match(argc, argv, &req, &style, why, sizeof(why)) == -1,
		    bad[i].line);
		/* The first hint names the words only. */
		if (!ok(strstr(why, i == 0 ? "possibilities are: queue message "
		    "stats limits sandbox processes plugins mailbox" : bad[i].hint) !=
		    NULL, "says what could stand there"))
			printf("# %s\n", why);
	}
}

static void
test_text(void)
{
	struct wbuf	 w = { 0 };
	char		*s;

	ctl_row_begin(&w, "envelope");
	ctl_row_str(&w, "id", "00ff");
	ctl_row_int(&w, "size", 'b', 1536);
	ctl_row_int(&w, "next", 't', 0);
	ctl_row_str(&w, "reason", "a\033[31mb\n\302\233c\377");
	ctl_row_end(&w);
	ctl_row_begin(&w, "envelope");
	ctl_row_str(&w, "id", "1");
	ctl_row_int(&w, "size", 'b', 12);
	ctl_row_int(&w, "next", 't', 1795417200123);
	ctl_row_str(&w, "reason", "");
	ctl_row_end(&w);
	s = render(&out_text, OUT_TABLE, &w, "2 shown");
	is_str(s,
	    "id    size  next                  reason\n"
	    "00ff  1.5K  -                     a\\u{1b}[31mb\\u{a}\\u{9b}c\\xff\n"
	    "1       12  2026-11-23T07:00:00Z  -\n"
	    "2 shown\n", "a table: columns, and nothing for the terminal");
	free(s);

	ctl_row_begin(&w, "a");
	ctl_row_str(&w, "x", "1");
	ctl_row_end(&w);
	ctl_row_begin(&w, "b");
	ctl_row_int(&w, "y", 'i', -7);
	ctl_row_end(&w);
	s = render(&out_text, OUT_TABLE, &w, NULL);
	is_str(s, "x\n1\n\n y\n-7\n", "another kind is another table");
	free(s);

	ctl_row_begin(&w, "message");
	ctl_row_str(&w, "id", "1");
	ctl_row_int(&w, "attempts", 'i', 3);
	ctl_row_end(&w);
	ctl_row_begin(&w, "recipient");
	ctl_row_str(&w, "to", "b@c");
	ctl_row_end(&w);
	s = render(&out_text, OUT_RECORD, &w, NULL);
	is_str(s, "id:       1\nattempts: 3\n\nto: b@c\n", "records");
	free(s);

	ctl_row_begin(&w, "event");
	ctl_row_str(&w, "process", "queue");
	ctl_row_str(&w, "line", "ev=accept");
	ctl_row_end(&w);
	s = render(&out_text, OUT_EVENTS, &w, NULL);
	is_str(s, "queue ev=accept\n", "an event");
	free(s);
	s = render(&out_text, OUT_TABLE, &w, "");
	is_str(s, "", "nothing is nothing");
	free(s);
}

static void
test_json(void)
{
	struct wbuf	 w = { 0 };
	char		*s;

	ctl_row_begin(&w, "envelope");
	ctl_row_str(&w, "id", "q\"\\\n\377\303\244");
	ctl_row_int(&w, "size", 'b', 35 << 20);
	ctl_row_int(&w, "next", 't', 0);
	ctl_row_int(&w, "at", 't', 1795417200123);
	ctl_row_end(&w);
	ctl_row_begin(&w, "envelope");
	ctl_row_end(&w);
	s = render(&out_json, OUT_TABLE, &w, NULL);
	is_str(s, "[\n{\"kind\":\"envelope\",\"id\":\"q\\\"\\\\\\u000a\\ufffd"
	    "\303\244\",\"size\":36700160,\"next\":null,"
	    "\"at\":\"2026-11-23T07:00:00.123Z\"},\n"
	    "{\"kind\":\"envelope\"}\n]\n", "an array of objects");
	free(s);
	s = render(&out_json, OUT_TABLE, &w, NULL);
	is_str(s, "[]\n", "an empty array");
	free(s);
	s = render(&out_json, OUT_TABLE, &w, "done");
	is_str(s, "[\n{\"kind\":\"done\",\"text\":\"done\"}\n]\n", "a sentence");
	free(s);
	ctl_row_begin(&w, "event");
	ctl_row_str(&w, "line", "x\302\233\342\200\256");
	ctl_row_end(&w);
	s = render(&out_json, OUT_EVENTS, &w, NULL);
	is_str(s, "{\"kind\":\"event\",\"line\":\"x\\u009b\\u202e\"}\n",
	    "an object a line, nothing in it for the terminal");
	free(s);
}

static void
test_metrics(void)
{
	static const struct {
		const char	*process;
		int		 instance;
		const char	*name;
		char		 type;
		int64_t		 value;
	} in[] = {
		{ "soap", 1, "requests", 'c', 5 },
		{ "queue", 0, "depth", 'g', 2 },
		{ "soap", 0, "requests", 'c', 7 },
		{ "queue", 0, "per-commit", 'g', 1 },
	};
	struct wbuf	 w = { 0 };
	char		*s;
	size_t		 i;

	for (i = 0; i < nitems(in); i++) {
		ctl_row_begin(&w, "stats");
		ctl_row_str(&w, "process", in[i].process);
		ctl_row_int(&w, "instance", 'i', in[i].instance);
		ctl_row_str(&w, "name", in[i].name);
		ctl_row_int(&w, "value", in[i].type, in[i].value);
		ctl_row_end(&w);
	}
	s = render(&out_metrics, OUT_TABLE, &w, "ignored");
	is_str(s, "# TYPE wsemail_queue_depth gauge\n"
	    "wsemail_queue_depth{instance=\"0\"} 2\n"
	    "# TYPE wsemail_queue_per_commit gauge\n"
	    "wsemail_queue_per_commit{instance=\"0\"} 1\n"
	    "# TYPE wsemail_soap_requests counter\n"
	    "wsemail_soap_requests_total{instance=\"0\"} 7\n"
	    "wsemail_soap_requests_total{instance=\"1\"} 5\n"
	    "# EOF\n", "families stand together, in order");
	free(s);
	ctl_row_begin(&w, "sandbox");
	ctl_row_str(&w, "process", "keys");
	ctl_row_int(&w, "instance", 'i', 0);
	ctl_row_str(&w, "applied", "no-new-privs seccomp");
	ctl_row_int(&w, "landlock", 'i', 0);
	ctl_row_str(&w, "missing", "landlock");
	ctl_row_end(&w);
	s = render(&out_metrics, OUT_TABLE, &w, NULL);
	is_str(s, "# TYPE wsemail_keys_sandbox_landlock gauge\n"
	    "wsemail_keys_sandbox_landlock{instance=\"0\"} 0\n"
	    "# TYPE wsemail_keys_sandbox_landlock_abi gauge\n"
	    "wsemail_keys_sandbox_landlock_abi{instance=\"0\"} 0\n"
	    "# TYPE wsemail_keys_sandbox_no_new_privs gauge\n"
	    "wsemail_keys_sandbox_no_new_privs{instance=\"0\"} 1\n"
	    "# TYPE wsemail_keys_sandbox_seccomp gauge\n"
	    "wsemail_keys_sandbox_seccomp{instance=\"0\"} 1\n"
	    "# EOF\n", "layers, those that are missing as well");
	free(s);
	s = render(&out_metrics, OUT_TABLE, &w, NULL);
	is_str(s, "# EOF\n", "none");
	free(s);
}

static void
test_octets(void)
{
	static const struct {
		int64_t		 n;
		const char	*text;
	} t[] = {
		{ 0, "0" }, { 1023, "1023" }, { 1024, "1K" }, { 1536, "1.5K" },
		{ 35LL << 20, "35M" }, { 20LL << 30, "20G" },
		{ INT64_MAX, "8192.0P" },
	};
	char	 buf[32];
	size_t	 i;

	for (i = 0; i < nitems(t); i++)
		is_str(out_text_octets(t[i].n, buf, sizeof(buf)), t[i].text,
		    "octets");
}

int
main(void)
{
	test_words();
	test_bad_words();
	test_text();
	test_json();
	test_metrics();
	test_octets();
	return done_testing();
}
