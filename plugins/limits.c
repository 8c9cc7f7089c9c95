/* SPDX-License-Identifier: ISC */
/* limits: what users may send, wsplugin-limits(8). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wsplugin.h"

struct limits {
	size_t	 size, rcpts;	/* 0: any */
	int	 relay;		/* to domains that are not `local` */
};

static int	 init(struct wsp *);
static void	 fini(struct wsp *);
static void	 sending(struct wsp *, struct wsp_call *);
static int	 number(struct wsp *, const char *, const char *, size_t *);
static int	 has(struct wsp *, const char *, const char *);
static const char *refused_type(struct wsp *, struct wsp_call *);
static const char *refused_domain(struct wsp *, const struct wsp_message *);

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.init = init,
	.sending = sending,
	.fini = fini,
};

/* Octets or a count, with K, M or G.  0, or -1: said. */
static int
number(struct wsp *w, const char *name, const char *s, size_t *out)
{
	char			*end;
	unsigned long long	 n = strtoull(s, &end, 10), f = 1;

	switch (*end) {
	case 'G':
		f <<= 10;
		/* FALLTHROUGH */
	case 'M':
		f <<= 10;
		/* FALLTHROUGH */
	case 'K':
		f <<= 10;
		end++;
		break;
	default:
		break;
	}
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || n == 0 ||
	    n > SIZE_MAX / f) {
		wsp_log(w, "option %s: expected a number, got \"%s\"", name, s);
		return -1;
	}
	*out = (size_t)(n * f);
	return 0;
}

static int
init(struct wsp *w)
{
	struct limits	*l;
	const char	*name, *v;
	size_t		 i;
	int		 bad = 0;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -1;
	l->relay = 1;
	wsp_set(w, l);
	for (i = 0; (name = wsp_option_at(w, i, &v)) != NULL; i++) {
		if (strcmp(name, "max-size") == 0)
			bad |= number(w, name, v, &l->size);
		else if (strcmp(name, "max-recipients") == 0)
			bad |= number(w, name, v, &l->rcpts);
		else if (strcmp(name, "relay") == 0 &&
		    (strcmp(v, "yes") == 0 || strcmp(v, "no") == 0))
			l->relay = strcmp(v, "yes") == 0;
		else if (strcmp(name, "refuse-attachment") != 0 &&
		    strcmp(name, "local") != 0 && strcmp(name, "allow") != 0) {
			wsp_log(w, "option %s %s: expected max-size, "
			    "max-recipients, refuse-attachment, relay yes or "
			    "no, local or allow", name, v);
			bad = -1;
		}
	}
	if (!l->relay && wsp_option(w, "local") == NULL) {
		wsp_log(w, "option relay no: expected an option local with a "
		    "domain that is not relayed to");
		bad = -1;
	}
	return bad == 0 ? 0 : -1;
}

static void
fini(struct wsp *w)
{
	free(wsp_get(w));
}

/* Is there an option of that name and value. */
static int
has(struct wsp *w, const char *name, const char *value)
{
	const char	*n, *v;
	size_t		 i;

	for (i = 0; (n = wsp_option_at(w, i, &v)) != NULL; i++)
		if (strcmp(n, name) == 0 && strcasecmp(v, value) == 0)
			return 1;
	return 0;
}

static const char *
refused_type(struct wsp *w, struct wsp_call *c)
{
	const char	*type;
	size_t		 i;

	for (i = 0; (type = wsp_attachment(c, i, NULL)) != NULL; i++)
		if (has(w, "refuse-attachment", type))
			return type;
	return NULL;
}

static const char *
refused_domain(struct wsp *w, const struct wsp_message *m)
{
	const char	*at;
	size_t		 i;

	for (i = 0; i < m->nrcpt; i++)
		if ((at = strrchr(m->rcpt[i], '@')) == NULL ||
		    !has(w, "local", at + 1))
			return m->rcpt[i];
	return NULL;
}

static void
sending(struct wsp *w, struct wsp_call *c)
{
	const struct limits	*l = wsp_get(w);
	const struct wsp_message *m = wsp_message(c);
	const char		*what;
	char			 text[400];

	if (has(w, "allow", wsp_env(c)->principal)) {
		wsp_continue(c);
		return;
	}
	if (l->size != 0 && m->size > l->size) {
		snprintf(text, sizeof(text), "the message has %zu octets, at "
		    "most %zu are allowed (max-size)", m->size, l->size);
		wsp_refuse(c, 552, text);
	} else if (l->rcpts != 0 && m->nrcpt > l->rcpts) {
		snprintf(text, sizeof(text), "%zu recipients, at most %zu are "
		    "allowed (max-recipients)", m->nrcpt, l->rcpts);
		wsp_refuse(c, 553, text);
	} else if (!l->relay && (what = refused_domain(w, m)) != NULL) {
		snprintf(text, sizeof(text), "you may not send to %.200s "
		    "(relay)", what);
		wsp_refuse(c, 553, text);
	} else if (wsp_option(w, "refuse-attachment") != NULL &&
	    wsp_body(c) == NULL)
		/* Not shown, or it does not parse: what is in it is unknown. */
		wsp_refuse(c, 552, "the message is too large to be looked at");
	else if ((what = refused_type(w, c)) != NULL) {
		snprintf(text, sizeof(text), "an attachment %.200s is not "
		    "allowed (refuse-attachment)", what);
		wsp_refuse(c, 553, text);
	} else
		wsp_continue(c);
}
