/* SPDX-License-Identifier: ISC */
/*
 * Users' rules (wsplugin-filter(8)).  The input is the rules, a NUL, and the
 * message: sender, subject, body and attachments' names, each with a NUL.
 * They are set, shown and run as the plug-in does it, with a host that has
 * one user.  Rules that were taken hold no mistake when mail comes; those
 * that were refused change nothing.
 */
#define _GNU_SOURCE		/* as filter.c wants it */
#include "compat.h"

#include <stdarg.h>

#include "fuzz.h"
#include "../../plugins/filter.c"

#define ATTACHMENTS	8

enum verdict { NONE, CONTINUE, TAKEN, REFUSED, DEFERRED, RESULT };

struct wsp {
	char		*rules;		/* of the one user, or NULL */
	size_t		 len;
	int		 said;		/* lines in the log */
};

struct wsp_call {
	struct wsp_env		 env;
	struct wsp_message	 message;
	const char		*method, *arg, *body;
	const char		*attachment[ATTACHMENTS];
	enum verdict		 verdict;
	char			*result;
};

static const char *const mailbox[] = { "bob@a.test" };

static void	 give(struct wsp_call *, enum verdict);
static enum verdict ask(struct wsp *, const char *, const char *, char **);
static void	 is_shown(struct wsp *, const char *);
static int	 fuzz_set(struct wsp *, const char *);
static enum verdict deliver(struct wsp *, const struct wsp_call *,
		    const char *);
static void	 message(struct wsp_call *, const char *, const char *);
static char	*after(const char *, const char *);

/* --- the host -------------------------------------------------------------- */

const struct wsp_env *
wsp_env(const struct wsp_call *c)
{
	return &c->env;
}

const struct wsp_message *
wsp_message(const struct wsp_call *c)
{
	return &c->message;
}

const char *
wsp_method(struct wsp_call *c)
{
	return c->method;
}

const char *
wsp_arg(struct wsp_call *c, const char *name)
{
	FUZZ_ASSERT(strcmp(name, "Rules") == 0);
	return c->arg;
}

const char *
wsp_body(struct wsp_call *c)
{
	return c->body;
}

const char *
wsp_attachment(struct wsp_call *c, size_t n, size_t *len)
{
	FUZZ_ASSERT(len == NULL && n <= ATTACHMENTS);
	return n == ATTACHMENTS ? NULL : c->attachment[n];
}

const char *
wsp_option_at(const struct wsp *w, size_t n, const char **value)
{
	(void)w, (void)n, (void)value;
	return NULL;
}

void
wsp_log(struct wsp *w, const char *fmt, ...)
{
	(void)fmt;
	w->said++;
}

/* One verdict, and none that the interface does not have. */
static void
give(struct wsp_call *c, enum verdict verdict)
{
	FUZZ_ASSERT(c->verdict == NONE);
	c->verdict = verdict;
}

void
wsp_continue(struct wsp_call *c)
{
	give(c, CONTINUE);
}

void
wsp_taken(struct wsp_call *c, const char *text)
{
	FUZZ_ASSERT(strlen(text) < 512);
	give(c, TAKEN);
}

void
wsp_refuse(struct wsp_call *c, int code, const char *text)
{
	FUZZ_ASSERT(code >= 500 && code <= 599 && text[0] != '\0' &&
	    strlen(text) < 512);
	give(c, REFUSED);
}

void
wsp_defer(struct wsp_call *c, const char *text)
{
	FUZZ_ASSERT(strlen(text) < 512);
	give(c, DEFERRED);
}

void
wsp_result(struct wsp_call *c, const char *xml, size_t len)
{
	give(c, RESULT);
	FUZZ_ASSERT((c->result = strndup(xml, len)) != NULL &&
	    strlen(c->result) == len);
}

/* Without a NUL at its end, so that a look beyond it shows. */
int
wsp_state_get(struct wsp *w, const void *key, size_t klen, const void **val,
    size_t *vlen)
{
	FUZZ_ASSERT(klen == strlen(mailbox[0]) &&
	    memcmp(key, mailbox[0], klen) == 0);
	if (w->rules == NULL) {
		errno = ENOENT;
		return -1;
	}
	*val = w->rules;
	*vlen = w->len;
	return 0;
}

int
wsp_state_put(struct wsp *w, const void *key, size_t klen, const void *val,
    size_t vlen)
{
	FUZZ_ASSERT(klen == strlen(mailbox[0]) &&
	    memcmp(key, mailbox[0], klen) == 0 && vlen > 0 &&
	    vlen <= RULES_MAX);
	free(w->rules);
	FUZZ_ASSERT((w->rules = malloc(vlen)) != NULL);
	memcpy(w->rules, val, vlen);
	w->len = vlen;
	return 0;
}

int
wsp_state_del(struct wsp *w, const void *key, size_t klen)
{
	FUZZ_ASSERT(klen == strlen(mailbox[0]) &&
	    memcmp(key, mailbox[0], klen) == 0);
	free(w->rules);
	w->rules = NULL;
	return 0;
}

/* --- what is tried --------------------------------------------------------- */

/* A request by the user; *result, if there is one, is for free(). */
static enum verdict
ask(struct wsp *w, const char *method, const char *arg, char **result)
{
	struct wsp_call	 c = { .env = { .principal = mailbox[0], .local = 1 },
			    .method = method, .arg = arg };

	wsp_plugin.extension(w, &c);
	*result = c.result;
	return c.verdict;
}

/* Get answers with just these rules, as XML. */
static void
is_shown(struct wsp *w, const char *rules)
{
	static const struct {
		const char	*xml;
		char		 octet;
	} names[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' } };
	char	*xml, *p, *end, octet;
	size_t	 i;

	FUZZ_ASSERT(ask(w, "Get", NULL, &xml) == RESULT && xml != NULL);
	FUZZ_ASSERT((p = strstr(xml, "<Rules>")) != NULL &&
	    (end = strstr(xml, "</Rules></Filter>")) != NULL);
	for (p += strlen("<Rules>"); p < end; rules++) {
		octet = *p++;
		FUZZ_ASSERT(octet != '<' && octet != '>');
		for (i = 0; octet == '&' && i < 3; i++)
			if (strncmp(p - 1, names[i].xml,
			    strlen(names[i].xml)) == 0)
				break;
		if (octet == '&') {
			FUZZ_ASSERT(i < 3);
			octet = names[i].octet;
			p += strlen(names[i].xml) - 1;
		}
		FUZZ_ASSERT(octet == (*rules == '\r' ? ' ' : *rules));
	}
	FUZZ_ASSERT(*rules == '\0');
	free(xml);
}

/* 1: they were taken. */
static int
fuzz_set(struct wsp *w, const char *rules)
{
	char		*result;
	enum verdict	 v;

	FUZZ_ASSERT(ask(w, "Set", "discard", &result) == RESULT);
	free(result);
	v = ask(w, "Set", rules, &result);
	free(result);
	FUZZ_ASSERT(v == RESULT || v == REFUSED);
	FUZZ_ASSERT(w->said == 0);
	is_shown(w, v == RESULT ? rules : "discard");
	return v == RESULT;
}

/* With these rules in the state, however they came there. */
static enum verdict
deliver(struct wsp *w, const struct wsp_call *like, const char *rules)
{
	struct wsp_call	 c = *like;

	free(w->rules);
	w->len = strlen(rules);
	FUZZ_ASSERT((w->rules = malloc(w->len + 1)) != NULL);
	memcpy(w->rules, rules, w->len);
	w->said = 0;
	wsp_plugin.delivery(w, &c);
	FUZZ_ASSERT(c.verdict == CONTINUE || c.verdict == TAKEN ||
	    c.verdict == REFUSED);
	/* What is no rule is told to the log, and loses no mail. */
	FUZZ_ASSERT(w->said == 0 || (w->said == 1 && c.verdict == CONTINUE));
	return c.verdict;
}

/* The texts after the rules; the body is none when it is missing. */
static void
message(struct wsp_call *c, const char *p, const char *end)
{
	const char	*s[3 + ATTACHMENTS] = { NULL };
	size_t		 i;

	for (i = 0; i < sizeof(s) / sizeof(s[0]) && p < end; i++) {
		s[i] = p;
		p += strlen(p) + 1;
	}
	c->message.rcpt = mailbox;
	c->message.nrcpt = 1;
	c->message.sender = s[0] == NULL ? "" : s[0];
	c->message.subject = s[1] == NULL ? "" : s[1];
	c->body = s[2];
	c->message.size = 100 + (c->body == NULL ? 0 : strlen(c->body));
	memcpy(c->attachment, s + 3, sizeof(c->attachment));
}

/* That line, and then the rules. */
static char *
after(const char *line, const char *rules)
{
	char	*s;

	FUZZ_ASSERT(asprintf(&s, "%s%s", line, rules) != -1);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char	*line;
		enum verdict	 verdict;	/* NONE: as without it */
	} before[] = {
		{ "# keep\n\t\r\n", NONE },
		{ "discard if size under 100\n", NONE },
		{ "reject \"x\" if size over 99 and sender not contains \"\"\n",
		    NONE },
		{ "reject \"x\" if size over 99 and sender contains \"\"\n",
		    REFUSED },
		{ "discard if subject matches * # all\n", TAKEN },
		{ "keep\n", CONTINUE },
	};
	struct wsp	 w = { .rules = NULL };
	struct wsp_call	 c = { .method = NULL };
	enum verdict	 v, want;
	char		*input, *s;
	size_t		 i;
	int		 taken;

	FUZZ_ASSERT((input = malloc(size + 1)) != NULL);
	if (size > 0)
		memcpy(input, data, size);
	input[size] = '\0';
	message(&c, input + strlen(input) + 1, input + size);
	taken = fuzz_set(&w, input);
	/* Who compares so much may be cut short. */
	if ((strlen(input) + 100) * (size + WORK_NODE * ATTACHMENTS) > WORK_MAX)
		taken = 0;
	v = deliver(&w, &c, input);
	FUZZ_ASSERT(!taken || w.said == 0);
	for (i = 0; taken && i < sizeof(before) / sizeof(before[0]); i++) {
		s = after(before[i].line, input);
		want = before[i].verdict == NONE ? v : before[i].verdict;
		FUZZ_ASSERT(deliver(&w, &c, s) == want && w.said == 0);
		free(s);
	}
	free(w.rules);
	free(input);
	return 0;
}
