/* SPDX-License-Identifier: ISC */
/*
 * filter: users' own rules for their mail, wsplugin-filter(8).
 *
 *	rule   = action [ "if" test { "and" test } ]
 *	action = "keep" | "discard" | "reject" TEXT
 *	test   = field [ "not" ] ( "is" | "contains" | "matches" ) TEXT
 *	       | "size" ( "over" | "under" ) NUMBER
 *	field  = "sender" | "subject" | "body" | "attachment"
 *
 * A rule is a line; the first that holds decides, and without one the message
 * is kept.  Rules are read when they are set, so that mistakes are told then,
 * and again for each message: they are kept as they were written.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* strcasestr(3), FNM_CASEFOLD */
#endif

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsplugin.h"

#define RULES_MAX	20000	/* octets of one user's */
#define WORD_MAX	500
#define KEY_MAX		512
#define WORK_MAX	(1U << 30)	/* octets compared for one message */
#define WORK_CONTAINS	8		/* for each octet that is looked through */
#define WORK_NODE	64		/* to go to the next attachment */

enum action { KEEP, DISCARD, REJECT };

struct rules {			/* what is being read */
	const char	*p;
	int		 line;
	char		 word[WORD_MAX + 1];
	int		 quoted;
	size_t		 work;		/* done so far, by WORK_* */
	const char	*why;		/* what is wrong with it, or NULL */
};

static int	 init(struct wsp *);
static void	 delivery(struct wsp *, struct wsp_call *);
static void	 extension(struct wsp *, struct wsp_call *);
static int	 word(struct rules *);
static int	 fail(struct rules *, const char *);
static int	 rule(struct rules *, struct wsp_call *, enum action *, char *);
static int	 test(struct rules *, struct wsp_call *, int *);
static int	 test_size(struct rules *, struct wsp_call *, int *);
static int	 test_text(struct rules *, struct wsp_call *, char, int *);
static int	 spend(struct rules *, size_t, size_t);
static int	 compare(struct rules *, char, const char *);
static int	 holds(struct rules *, struct wsp_call *, char, char);
static enum action run(struct rules *, struct wsp_call *, char *);
static void	 set(struct wsp *, struct wsp_call *, const char *);
static void	 show(struct wsp *, struct wsp_call *, const char *);

static const char *const identifiers[] = { "urn:wsemail:2:filter", NULL };

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.extensions = identifiers,
	.init = init,
	.delivery = delivery,
	.extension = extension,
};

static int
init(struct wsp *w)
{
	const char	*name, *value;

	if ((name = wsp_option_at(w, 0, &value)) == NULL)
		return 0;
	wsp_log(w, "option %s: there are none", name);
	return -1;
}

/* --- the language --------------------------------------------------------- */

static int
fail(struct rules *r, const char *why)
{
	if (r->why == NULL)
		r->why = why;
	return -1;
}

/* The next word or text of the line; 0: its end; -1: it is none. */
static int
word(struct rules *r)
{
	size_t	 n = 0;

	while (*r->p == ' ' || *r->p == '\t' || *r->p == '\r')
		r->p++;
	r->quoted = *r->p == '"';
	if (*r->p == '\0' || *r->p == '\n' || *r->p == '#')
		return 0;
	if (r->quoted)
		r->p++;
	for (; *r->p != '\0' && *r->p != '\n'; r->p++) {
		if (r->quoted ? *r->p == '"' : *r->p == ' ' || *r->p == '\t' ||
		    *r->p == '\r')
			break;
		if (r->quoted && *r->p == '\\' &&
		    (r->p[1] == '"' || r->p[1] == '\\'))
			r->p++;
		if (n == WORD_MAX)
			return fail(r, "a text of at most 500 octets");
		r->word[n++] = *r->p;
	}
	r->word[n] = '\0';
	if (r->quoted && *r->p != '"')
		return fail(r, "\" at the end of a text");
	if (r->quoted)
		r->p++;
	return 1;
}

/*
 * One user's rules must not take so long that the plug-in is ended, for all:
 * -1 when they have had their share.
 */
static int
spend(struct rules *r, size_t n, size_t each)
{
	if (n > (WORK_MAX - r->work) / each)
		return fail(r, "less to compare with so long a message");
	r->work += n * each;
	return 0;
}

/* op: i(s), c(ontains), m(atches); -1: it would take too long. */
static int
compare(struct rules *r, char op, const char *have)
{
	const char	*want = r->word;

	if (op == 'i')
		return strcasecmp(have, want) == 0;
	if (spend(r, strlen(have), op == 'c' ? WORK_CONTAINS :
	    strlen(want) + 1) == -1)
		return -1;
	if (op == 'c')
		return strcasestr(have, want) != NULL;
	return fnmatch(want, have, FNM_CASEFOLD) == 0;
}

static int
holds(struct rules *r, struct wsp_call *c, char field, char op)
{
	const char	*s;
	size_t		 i;
	int		 n = 0;

	if (field == 'f')
		s = wsp_message(c)->sender;
	else if (field == 's')
		s = wsp_message(c)->subject;
	else if (field == 'b')
		s = wsp_body(c);
	else {
		for (i = 0; n == 0 && (s = wsp_attachment(c, i, NULL)) != NULL;
		    i++)
			if ((n = spend(r, 1, WORK_NODE)) == 0)
				n = compare(r, op, s);
		return n;
	}
	return s == NULL ? 0 : compare(r, op, s);
}

static int
test_size(struct rules *r, struct wsp_call *c, int *yes)
{
	unsigned int	 shift = 0;
	unsigned long	 n;
	char		*end;
	int		 over;

	if (word(r) != 1 || (strcmp(r->word, "over") != 0 &&
	    strcmp(r->word, "under") != 0))
		return fail(r, "over or under");
	over = r->word[0] == 'o';
	if (word(r) != 1 || r->word[0] < '0' || r->word[0] > '9')
		return fail(r, "a number of octets");
	errno = 0;
	n = strtoul(r->word, &end, 10);
	if (*end == 'K' || *end == 'M')
		shift = *end++ == 'K' ? 10 : 20;
	if (*end != '\0' || errno != 0 || n > SIZE_MAX >> shift)
		return fail(r, "a number of octets, as 500K or 2M");
	n <<= shift;
	if (c != NULL)
		*yes = over ? wsp_message(c)->size > n :
		    wsp_message(c)->size < n;
	return 0;
}

static int
test_text(struct rules *r, struct wsp_call *c, char field, int *yes)
{
	int	 n, not = 0;
	char	 op;

	if (word(r) == 1 && !r->quoted && strcmp(r->word, "not") == 0) {
		not = 1;
		(void)word(r);
	}
	if (strcmp(r->word, "is") != 0 && strcmp(r->word, "contains") != 0 &&
	    strcmp(r->word, "matches") != 0)
		return fail(r, "is, contains or matches");
	op = r->word[0];
	if (word(r) != 1)
		return fail(r, "a text");
	if (c == NULL)
		return 0;
	if ((n = holds(r, c, field, op)) == -1)
		return -1;
	*yes = n != not;
	return 0;
}

static int
test(struct rules *r, struct wsp_call *c, int *yes)
{
	static const struct {
		const char	*name;
		char		 field;
	} fields[] = {
		{ "sender", 'f' }, { "subject", 's' }, { "body", 'b' },
		{ "attachment", 'a' },
	};
	size_t	 i;

	if (word(r) != 1)
		return fail(r, "sender, subject, body, attachment or size");
	if (strcmp(r->word, "size") == 0)
		return test_size(r, c, yes);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(r->word, fields[i].name) == 0)
			return test_text(r, c, fields[i].field, yes);
	return fail(r, "sender, subject, body, attachment or size");
}

/* A line: 1 and it holds, 0 it does not or is empty, -1 it is none. */
static int
rule(struct rules *r, struct wsp_call *c, enum action *action, char *text)
{
	int	 n, yes, all = 1;

	text[0] = '\0';
	if ((n = word(r)) != 1)
		return n;
	if (strcmp(r->word, "keep") == 0)
		*action = KEEP;
	else if (strcmp(r->word, "discard") == 0)
		*action = DISCARD;
	else if (strcmp(r->word, "reject") == 0) {
		*action = REJECT;
		if (word(r) != 1 || !r->quoted || r->word[0] == '\0')
			return fail(r, "a text in quotes, for the sender");
		memcpy(text, r->word, sizeof(r->word));
	} else
		return fail(r, "keep, discard or reject");
	if ((n = word(r)) == 0)
		return c != NULL;
	if (n == -1 || strcmp(r->word, "if") != 0)
		return fail(r, "if or the end of the line");
	do {
		yes = 0;
		if (test(r, c, &yes) == -1)
			return -1;
		all &= yes;
		if ((n = word(r)) == 0)
			return c != NULL && all;
	} while (n == 1 && strcmp(r->word, "and") == 0);
	return fail(r, "and or the end of the line");
}

/* c NULL: reads them only; r->why tells of a mistake, and r->line where. */
static enum action
run(struct rules *r, struct wsp_call *c, char *text)
{
	enum action	 action = KEEP;

	for (r->line = 1;; r->line++) {
		switch (rule(r, c, &action, text)) {
		case 1:
			return action;
		case -1:
			return KEEP;
		default:
			break;
		}
		r->p += strcspn(r->p, "\n");
		if (*r->p++ == '\0')
			return KEEP;
	}
}

/* --- mail ------------------------------------------------------------------ */

static void
delivery(struct wsp *w, struct wsp_call *c)
{
	const char	*user = wsp_message(c)->rcpt[0];
	struct rules	 r = { .line = 0 };
	enum action	 action;
	const void	*val;
	char		*copy, text[WORD_MAX + 1];
	size_t		 n;

	if (wsp_state_get(w, user, strlen(user), &val, &n) == -1 ||
	    (copy = strndup(val, n)) == NULL) {
		wsp_continue(c);
		return;
	}
	r.p = copy;
	action = run(&r, c, text);
	if (r.why != NULL)
		wsp_log(w, "%s: line %d: expected %s", user, r.line, r.why);
	free(copy);
	if (action == DISCARD)
		wsp_taken(c, "discarded by a rule");
	else if (action == REJECT)
		wsp_refuse(c, 553, text);
	else
		wsp_continue(c);
}

/* --- users ----------------------------------------------------------------- */

static void
set(struct wsp *w, struct wsp_call *c, const char *user)
{
	const char	*s = wsp_arg(c, "Rules");
	struct rules	 r = { .line = 0 };
	char		 why[200], text[WORD_MAX + 1];

	if (s == NULL || strlen(s) > RULES_MAX) {
		wsp_refuse(c, 500, "Rules is a text of up to 20000 octets");
		return;
	}
	r.p = s;
	(void)run(&r, NULL, text);
	if (r.why != NULL) {
		snprintf(why, sizeof(why), "line %d: expected %s", r.line,
		    r.why);
		wsp_refuse(c, 500, why);
		return;
	}
	if ((*s == '\0' ? wsp_state_del(w, user, strlen(user)) :
	    wsp_state_put(w, user, strlen(user), s, strlen(s))) == -1 &&
	    errno != ENOENT) {
		wsp_log(w, "%s: %s", user, strerror(errno));
		wsp_defer(c, "there is no room for them");
		return;
	}
	show(w, c, user);
}

static void
show(struct wsp *w, struct wsp_call *c, const char *user)
{
	static const char	 head[] = "<Filter xmlns=\"urn:wsemail:2:filter"
				    "\"><Rules>", tail[] = "</Rules></Filter>";
	const void		*val = "";
	const char		*s;
	char			*xml, *p;
	size_t			 n = 0;

	if (wsp_state_get(w, user, strlen(user), &val, &n) == -1)
		n = 0;
	if ((xml = malloc(sizeof(head) + sizeof(tail) + 5 * n)) == NULL) {
		wsp_defer(c, "out of memory");
		return;
	}
	p = stpcpy(xml, head);
	for (s = val; n > 0; s++, n--)
		p = *s == '&' ? stpcpy(p, "&amp;") : *s == '<' ?
		    stpcpy(p, "&lt;") : *s == '>' ? stpcpy(p, "&gt;") :
		    (*p = *s == '\r' ? ' ' : *s, p + 1);
	p = stpcpy(p, tail);
	wsp_result(c, xml, (size_t)(p - xml));
	free(xml);
}

static void
extension(struct wsp *w, struct wsp_call *c)
{
	const char	*user = wsp_env(c)->principal, *method;

	if (!wsp_env(c)->local || strlen(user) > KEY_MAX) {
		wsp_refuse(c, 553, "for users of this server");
		return;
	}
	method = wsp_method(c);
	if (method != NULL && strcmp(method, "Set") == 0)
		set(w, c, user);
	else if (method != NULL && strcmp(method, "Get") == 0)
		show(w, c, user);
	else
		wsp_refuse(c, 500, "expected Set or Get");
}
