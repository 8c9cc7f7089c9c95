/* SPDX-License-Identifier: ISC */
/*
 * The commands that go to the daemon, as patterns: the words are the manual.
 * Called by wsctl.c.
 *
 * A token is a literal word, matched by any unique prefix; word=value, a
 * literal that also passes value as an argument; <name>, an argument; or
 * [<name>], one that may be left out.  Where an argument may stand, literals
 * must be given in full, so that "pause lo" names a domain.
 */
#include "compat.h"

#include <ctype.h>
#include <sysexits.h>

#include "wsctl.h"

struct cmd {
	const char	*pattern;
	enum ctl_cmd	 cmd;
	enum out_style	 style;
	const char	*what;
};

static const struct cmd cmds[] = {
	{ "show queue", CTL_SHOW_QUEUE, OUT_TABLE,
	    "what waits for delivery" },
	{ "show queue all= [<count>]", CTL_SHOW_QUEUE, OUT_TABLE,
	    "the same, at most count of it" },
	{ "show queue <sender|domain> [<count>]", CTL_SHOW_QUEUE, OUT_TABLE,
	    "of that sender, or to that domain" },
	{ "show message <id>", CTL_SHOW_MESSAGE, OUT_RECORD,
	    "one message: last failure and next try per recipient" },
	{ "show stats", CTL_SHOW_STATS, OUT_TABLE,
	    "what the processes counted" },
	{ "show limits", CTL_SHOW_LIMITS, OUT_TABLE,
	    "limits in force and their defaults" },
	{ "show sandbox", CTL_SHOW_SANDBOX, OUT_TABLE,
	    "what each process is confined by" },
	{ "show processes", CTL_SHOW_PROCESSES, OUT_TABLE,
	    "pids, age, restarts" },
	{ "show plugins", CTL_SHOW_PLUGINS, OUT_TABLE,
	    "plug-ins: state, order, calls, last failure" },
	{ "show mailbox <user>", CTL_SHOW_MAILBOX, OUT_RECORD,
	    "messages, size and quota of a user" },
	{ "schedule all=all", CTL_SCHEDULE, OUT_TABLE,
	    "try everything now" },
	{ "schedule <id|domain>", CTL_SCHEDULE, OUT_TABLE,
	    "try a message, a recipient or a domain now" },
	{ "pause local=local", CTL_PAUSE, OUT_TABLE,
	    "no deliveries to mailboxes" },
	{ "pause relay=relay", CTL_PAUSE, OUT_TABLE,
	    "no deliveries to other domains" },
	{ "pause <domain>", CTL_PAUSE, OUT_TABLE,
	    "no deliveries to this domain" },
	{ "resume local=local", CTL_RESUME, OUT_TABLE, "" },
	{ "resume relay=relay", CTL_RESUME, OUT_TABLE, "" },
	{ "resume <domain>", CTL_RESUME, OUT_TABLE, "" },
	{ "remove <id>", CTL_REMOVE, OUT_TABLE,
	    "a message, or one recipient of it, without a bounce" },
	{ "trace [<word>]", CTL_TRACE, OUT_EVENTS,
	    "events as they happen, those that hold the word" },
	{ "log verbose=verbose", CTL_LOG, OUT_TABLE, "log more" },
	{ "log brief=brief", CTL_LOG, OUT_TABLE, "log less" },
	{ "reload", CTL_RELOAD, OUT_TABLE, "read the configuration again" },
	{ "stop", CTL_STOP, OUT_TABLE, "end the daemon" },
	{ "plugin show", CTL_SHOW_PLUGINS, OUT_TABLE, "as show plugins" },
	{ "plugin load <name>", CTL_PLUGIN_LOAD, OUT_TABLE,
	    "start a plug-in of the configuration" },
	{ "plugin unload <name>", CTL_PLUGIN_UNLOAD, OUT_TABLE,
	    "end its process; mail goes on without it" },
	{ "plugin enable <name>", CTL_PLUGIN_ENABLE, OUT_TABLE,
	    "put it in the way of mail" },
	{ "plugin disable <name>", CTL_PLUGIN_DISABLE, OUT_TABLE,
	    "take it out of the way" },
	{ "plugin priority <name> <number>", CTL_PLUGIN_PRIORITY, OUT_TABLE,
	    "its place in the order, the lowest first" },
};

#define TOKEN_MAX	64

/* How well a word fits a token; the best kind at a place wins. */
enum fit { FIT_NONE, FIT_ARG, FIT_PREFIX, FIT_EXACT };

static const char *cmd_token(const char *, int, char *, size_t);
static int	 cmd_is_arg(const char *);
static enum fit	 cmd_fit(const char *token, const char *word);
static enum fit	 cmd_narrow(unsigned char *live, int at, const char *word);
static int	 cmd_is_complete(const char *, int);
static int	 cmd_fill(struct ctl_req *, const struct cmd *, int, char **);
static void	 cmd_possible(const unsigned char *live, int at, char *,
		    size_t);

/* Copies the n-th token; NULL when there are not as many. */
static const char *
cmd_token(const char *p, int n, char *buf, size_t len)
{
	size_t	 k;

	for (;;) {
		p += strspn(p, " ");
		if (*p == '\0')
			return NULL;
		k = strcspn(p, " ");
		if (n-- == 0)
			break;
		p += k;
	}
	if (k >= len)
		k = len - 1;
	memcpy(buf, p, k);
	buf[k] = '\0';
	return buf;
}

static int
cmd_is_arg(const char *token)
{
	return token[0] == '<' || token[0] == '[';
}

static enum fit
cmd_fit(const char *token, const char *word)
{
	size_t	 n = strcspn(token, "="), k = strlen(word);

	if (cmd_is_arg(token))
		return FIT_ARG;
	if (k == 0 || k > n || strncmp(token, word, k) != 0)
		return FIT_NONE;
	return k == n ? FIT_EXACT : FIT_PREFIX;
}

/* Drops the patterns that the word at this place rules out. */
static enum fit
cmd_narrow(unsigned char *live, int at, const char *word)
{
	char		 buf[TOKEN_MAX];
	const char	*t;
	enum fit	 fits[nitems(cmds)], best = FIT_NONE;
	int		 has_arg = 0;
	size_t		 i;

	for (i = 0; i < nitems(cmds); i++) {
		fits[i] = FIT_NONE;
		if (!live[i] ||
		    (t = cmd_token(cmds[i].pattern, at, buf, sizeof(buf))) ==
		    NULL)
			continue;
		fits[i] = cmd_fit(t, word);
		if (fits[i] == FIT_ARG)
			has_arg = 1;
	}
	for (i = 0; i < nitems(cmds); i++) {
		if (has_arg && fits[i] == FIT_PREFIX)
			fits[i] = FIT_NONE;
		if (fits[i] > best)
			best = fits[i];
	}
	if (best == FIT_NONE)
		return best;
	for (i = 0; i < nitems(cmds); i++)
		live[i] = live[i] && fits[i] == best;
	return best;
}

/* 1 when nothing but optional arguments follow the first n tokens. */
static int
cmd_is_complete(const char *pattern, int n)
{
	char		 buf[TOKEN_MAX];
	const char	*t;

	for (; (t = cmd_token(pattern, n, buf, sizeof(buf))) != NULL; n++)
		if (t[0] != '[')
			return 0;
	return 1;
}

static int
cmd_fill(struct ctl_req *req, const struct cmd *c, int argc, char **argv)
{
	const char	*p;
	char		 buf[TOKEN_MAX];
	int		 i;

	memset(req, 0, sizeof(*req));
	req->version = CTL_VERSION;
	req->cmd = c->cmd;
	for (i = 0; i < argc; i++) {
		if (cmd_token(c->pattern, i, buf, sizeof(buf)) == NULL ||
		    req->nargs == CTL_ARGS_MAX)
			return -1;
		if (cmd_is_arg(buf))
			req->arg[req->nargs++] = argv[i];
		else if ((p = strchr(buf, '=')) != NULL)
			/* "all=" passes nothing, "local=local" the word. */
			req->arg[req->nargs++] = p[1] == '\0' ? argv[i] +
			    strlen(argv[i]) : (char *)strstr(c->pattern, p) + 1;
	}
	return 0;
}

/* "possibilities are: ..." for the word at this place. */
static void
cmd_possible(const unsigned char *live, int at, char *out, size_t len)
{
	char		 buf[TOKEN_MAX], seen[1024] = " ", probe[TOKEN_MAX + 2];
	const char	*t;
	size_t		 i;

	for (i = 0; i < nitems(cmds); i++) {
		if (!live[i])
			continue;
		if ((t = cmd_token(cmds[i].pattern, at, buf, sizeof(buf))) ==
		    NULL)
			continue;
		buf[strcspn(buf, "=")] = '\0';
		snprintf(probe, sizeof(probe), " %s ", t);
		if (strstr(seen, probe) != NULL)
			continue;
		strlcat(seen, t, sizeof(seen));
		strlcat(seen, " ", sizeof(seen));
	}
	if (at == 0)
		strlcat(seen, "user ca ", sizeof(seen));
	seen[strlen(seen) - 1] = '\0';
	if (seen[0] != '\0')
		snprintf(out, len, "possibilities are:%s", seen);
	else
		strlcpy(out, "nothing may follow", len);
}

int
cmd_match(int argc, char **argv, struct ctl_req *req, enum out_style *style,
    char *errbuf, size_t len)
{
	unsigned char	 live[nitems(cmds)];
	char		 what[1100];
	size_t		 i, found = nitems(cmds);
	int		 at;

	memset(live, 1, sizeof(live));
	for (at = 0; at < argc; at++)
		if (cmd_narrow(live, at, argv[at]) == FIT_NONE) {
			cmd_possible(live, at, what, sizeof(what));
			snprintf(errbuf, len, "unknown word \"%s\"; %s",
			    argv[at], what);
			return -1;
		}
	/* Fewer tokens left open first: "show queue" is not its own longer form. */
	for (i = 0; i < nitems(cmds); i++)
		if (live[i] && cmd_is_complete(cmds[i].pattern, argc)) {
			found = i;
			break;
		}
	/* A word that is a prefix of two literals leaves both alive. */
	for (i = 0; found < nitems(cmds) && i < nitems(cmds); i++)
		if (i != found && live[i] && cmds[i].cmd != cmds[found].cmd)
			found = nitems(cmds);
	if (found == nitems(cmds)) {
		cmd_possible(live, argc, what, sizeof(what));
		if (strcmp(what, "nothing may follow") == 0)
			cmd_possible(live, argc - 1, what, sizeof(what));
		snprintf(errbuf, len, "incomplete or ambiguous command; %s",
		    what);
		return -1;
	}
	if (cmd_fill(req, &cmds[found], argc, argv) == -1) {
		snprintf(errbuf, len, "too many arguments");
		return -1;
	}
	*style = cmds[found].style;
	return (int)found;
}

int
cmd_run(const struct wsctl *w, int argc, char **argv)
{
	struct ctl_req	 req;
	enum out_style	 style;
	char		 why[1400];

	if (cmd_match(argc, argv, &req, &style, why, sizeof(why)) == -1) {
		fprintf(stderr, "wsctl: %s\n", why);
		return EX_USAGE;
	}
	if (w->output == &out_metrics && req.cmd != CTL_SHOW_STATS &&
	    req.cmd != CTL_SHOW_SANDBOX) {
		fprintf(stderr, "wsctl: -o metrics is for show stats and "
		    "show sandbox\n");
		return EX_USAGE;
	}
	return wsctl_talk(w, &req, style);
}

void
cmd_usage(FILE *f)
{
	char	 buf[TOKEN_MAX], line[160];
	size_t	 i;
	int	 n;

	fprintf(f, "usage: wsctl [-f file] [-o text|json|metrics] [-s socket] "
	    "[-u users] command ...\ncommands:\n");
	for (i = 0; i < nitems(cmds); i++) {
		line[0] = '\0';
		for (n = 0; cmd_token(cmds[i].pattern, n, buf, sizeof(buf)) !=
		    NULL; n++) {
			buf[strcspn(buf, "=")] = '\0';
			if (n > 0)
				strlcat(line, " ", sizeof(line));
			strlcat(line, buf, sizeof(line));
		}
		fprintf(f, "  %-38s %s\n", line, cmds[i].what);
	}
	fprintf(f, "  %-38s %s\n", "user add|passwd|remove|list ...",
	    "the users table");
	fprintf(f, "  %-38s %s\n", "ca init|issue|revoke|list ...",
	    "a certificate authority");
}
