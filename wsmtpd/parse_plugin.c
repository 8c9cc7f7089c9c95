/* SPDX-License-Identifier: ISC */
/*
 * The lines of a plug-in's block: each is a word and its values, so that the
 * names of options need no quotes.  Called by parse.y.
 */
#include "compat.h"

#include <sys/socket.h>

#include <netdb.h>
#include <stdio.h>

#include "addr.h"
#include "wsmtpd.h"

#define NAME_MAX_LEN	32
#define PRIORITY_MAX	999
#define TIMEOUT_MAX	300
#define STATE_MIN	4096
#define MEMORY_MIN	(16LL << 20)
#define WANT_LINE	"object, program, priority, for, address, grant, option, " \
			"timeout, memory, message-size, required, disabled " \
			"or }"

struct line {
	struct conf_plugin *p;
	char		*const *word;
	size_t		 n;
	char		*why;
	size_t		 size;
};

static int	 bad(const struct line *, const char *want, size_t);
static int	 list_line(const struct line *, char ***, size_t *, int domains);
static int	 on_object(const struct line *);
static int	 on_priority(const struct line *);
static int	 on_for(const struct line *);
static int	 on_address(const struct line *);
static int	 on_exec(const struct line *);
static int	 on_port(const struct line *, size_t, struct conf_pairs *);
static int	 on_grant(const struct line *);
static int	 on_option(const struct line *);
static int	 on_timeout(const struct line *);
static int	 on_memory(const struct line *);
static int	 on_size(const struct line *);
static int	 on_required(const struct line *);
static int	 on_disabled(const struct line *);

/* Of the words of one line, the nth is not what it should be. */
static int
bad(const struct line *l, const char *want, size_t i)
{
	if (i < l->n)
		snprintf(l->why, l->size, "expected %s, got \"%s\"", want,
		    l->word[i]);
	else
		snprintf(l->why, l->size, "expected %s, got the end of the "
		    "line", want);
	return -1;
}

static int
list_line(const struct line *l, char ***v, size_t *n, int domains)
{
	char	 norm[ADDR_MAX + 1];
	size_t	 i;

	if (l->n < 2)
		return bad(l, domains ? "an address or a domain" :
		    "an address", 1);
	for (i = 1; i < l->n; i++) {
		if (addr_normalize(l->word[i], norm, sizeof(norm)) == -1 &&
		    (!domains || addr_domain_normalize(l->word[i], norm,
		    sizeof(norm)) == -1))
			return bad(l, domains ? "an address or a domain" :
			    "an address", i);
		if (conf_list_add(v, n, norm) == -1)
			return bad(l, "more memory", i);
	}
	return 0;
}

static int
on_object(const struct line *l)
{
	if (l->n < 2 || l->word[1][0] != '/')
		return bad(l, "a path from the root", 1);
	if (l->p->object != NULL)
		return bad(l, "one object or program", 1);
	l->p->program = strcmp(l->word[0], "program") == 0;
	if ((l->p->object = strdup(l->word[1])) == NULL)
		return bad(l, "more memory", 1);
	return l->n == 2 ? 0 : bad(l, "the end of the line", 2);
}

static int
on_priority(const struct line *l)
{
	const char	*errstr = "";

	if (l->n > 1)
		l->p->priority = (uint32_t)strtonum(l->word[1], 0,
		    PRIORITY_MAX, &errstr);
	return errstr == NULL ? 0 : bad(l, "a priority from 0 to 999", 1);
}

static int
on_for(const struct line *l)
{
	return list_line(l, &l->p->scope, &l->p->nscope, 1);
}

static int
on_address(const struct line *l)
{
	return list_line(l, &l->p->address, &l->p->naddress, 0);
}

/* grant exec [PATH ...] */
static int
on_exec(const struct line *l)
{
	size_t	 i;

	l->p->exec = 1;
	for (i = 2; i < l->n; i++) {
		if (l->word[i][0] != '/')
			return bad(l, "a path from the root", i);
		if (conf_list_add(&l->p->place, &l->p->nplace, l->word[i]) ==
		    -1)
			return bad(l, "more memory", i);
	}
	return 0;
}

/* From word i: ADDRESS port NUMBER, which a name must not stand for. */
static int
on_port(const struct line *l, size_t i, struct conf_pairs *list)
{
	struct addrinfo	 hints, *ai;
	const char	*errstr = NULL;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST;
	if (i >= l->n || getaddrinfo(l->word[i], NULL, &hints, &ai) != 0)
		return bad(l, "an IP address", i);
	freeaddrinfo(ai);
	if (i + 1 >= l->n || strcmp(l->word[i + 1], "port") != 0)
		return bad(l, "port", i + 1);
	if (i + 2 < l->n)
		(void)strtonum(l->word[i + 2], 1, 65535, &errstr);
	if (i + 2 >= l->n || errstr != NULL)
		return bad(l, "a port from 1 to 65535", i + 2);
	if (l->n > i + 3)
		return bad(l, "the end of the line", i + 3);
	return conf_pair_add(list, l->word[i], l->word[i + 2]) == 0 ? 0 :
	    bad(l, "more memory", i);
}

static int
on_grant(const struct line *l)
{
	struct conf_plugin	*p = l->p;
	struct line		 rest = *l;
	const char		*what = l->n > 1 ? l->word[1] : "";

	if (strcmp(what, "bodies") == 0 && l->n == 2)
		p->bodies = 1;
	else if (strcmp(what, "exec") == 0)
		return on_exec(l);
	else if (strcmp(what, "listen") == 0)
		return l->n > 2 && strcmp(l->word[2], "on") == 0 ?
		    on_port(l, 3, &p->listens) : bad(l, "on", 2);
	else if (strcmp(what, "connect") == 0)
		return on_port(l, 2, &p->connects);
	else if (strcmp(what, "state") == 0) {
		if (l->n != 3 || parse_size(l->word[2], &p->state) == -1 ||
		    p->state < STATE_MIN)
			return bad(l, "a number of octets from 4K, as 500K, "
			    "35M or 2G", 2);
	} else if (strcmp(what, "send") == 0) {
		if (l->n == 3 && strcmp(l->word[2], "users") == 0)
			p->send_users = 1;
		else {
			rest.word++;
			rest.n--;
			return list_line(&rest, &p->sender, &p->nsender, 0);
		}
	} else
		return bad(l, "bodies, state, send, exec, listen or "
		    "connect", 1);
	return 0;
}

static int
on_option(const struct line *l)
{
	if (l->n != 3)
		return bad(l, "an option's name and its value", l->n < 3 ?
		    l->n : 3);
	/* The same name again adds a value: wsp_option_at() has them all. */
	return conf_pair_add(&l->p->options, l->word[1], l->word[2]) == 0 ?
	    0 : bad(l, "more memory", 1);
}

static int
on_timeout(const struct line *l)
{
	int64_t	 v;

	if (l->n != 2 || parse_time(l->word[1], &v) == -1 || v < 1 ||
	    v > TIMEOUT_MAX)
		return bad(l, "a time from 1s to 5m", 1);
	l->p->timeout = (uint32_t)v;
	return 0;
}

static int
on_memory(const struct line *l)
{
	if (l->n != 2 || parse_size(l->word[1], &l->p->memory) == -1 ||
	    l->p->memory < MEMORY_MIN)
		return bad(l, "a number of octets from 16M", 1);
	return 0;
}

static int
on_size(const struct line *l)
{
	if (l->n != 2 || parse_size(l->word[1], &l->p->size_max) == -1)
		return bad(l, "a number of octets, as 500K, 35M or 2G", 1);
	return 0;
}

static int
on_required(const struct line *l)
{
	l->p->required = 1;
	return l->n == 1 ? 0 : bad(l, "the end of the line", 1);
}

static int
on_disabled(const struct line *l)
{
	l->p->disabled = 1;
	return l->n == 1 ? 0 : bad(l, "the end of the line", 1);
}

int
parse_plugin_line(struct conf_plugin *p, char *const *word, size_t n,
    char *why, size_t size)
{
	static const struct {
		const char	*name;
		int		(*on)(const struct line *);
	} lines[] = {
		{ "object",	on_object },	{ "program",	on_object },
		{ "priority",	on_priority },
		{ "for",	on_for },	{ "address",	on_address },
		{ "grant",	on_grant },	{ "option",	on_option },
		{ "timeout",	on_timeout },	{ "memory",	on_memory },
		{ "message-size", on_size },	{ "required",	on_required },
		{ "disabled",	on_disabled },
	};
	struct line	 l = { p, word, n, why, size };
	size_t		 i;

	for (i = 0; i < nitems(lines); i++)
		if (strcmp(lines[i].name, word[0]) == 0)
			return lines[i].on(&l);
	return bad(&l, WANT_LINE, 0);
}

int
parse_plugin_name(const char *s)
{
	size_t	 n = strlen(s);

	return n > 0 && n <= NAME_MAX_LEN && s[0] != '-' &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}
