/* SPDX-License-Identifier: ISC */
/*
 * archive: a copy of each message to an address, wsplugin-archive(8).  A
 * message of a user is copied when it is sent, one from elsewhere when it
 * comes into a mailbox; by its MessageId each is copied once.
 */
#define _GNU_SOURCE		/* asprintf(3) */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wsplugin.h"

#define FLAG_QUIET	0x2	/* MessageFlags: DeleteUndeliverable */
#define SUBJECT_MAX	200
#define KEY_MAX		400

struct archive {
	const char	*to, *from;
	int		 required;
};

static int	 init(struct wsp *);
static void	 fini(struct wsp *);
static void	 on_sending(struct wsp *, struct wsp_call *);
static void	 on_delivery(struct wsp *, struct wsp_call *);
static void	 copy(struct wsp *, struct wsp_call *, int);
static void	 copied(struct wsp *, int, const char *, void *);
static void	 failed(struct wsp *, struct wsp_call *, const char *);
static char	*list(struct wsp_call *, int);

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.init = init,
	.sending = on_sending,
	.delivery = on_delivery,
	.fini = fini,
};

static int
init(struct wsp *w)
{
	struct archive	*a;
	const char	*name, *v;
	size_t		 i;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return -1;
	wsp_set(w, a);
	for (i = 0; (name = wsp_option_at(w, i, &v)) != NULL; i++)
		if (strcmp(name, "to") == 0 && strchr(v, '@') != NULL)
			a->to = v;
		else if (strcmp(name, "from") == 0 && strchr(v, '@') != NULL)
			a->from = v;
		else if (strcmp(name, "required") == 0 &&
		    (strcmp(v, "yes") == 0 || strcmp(v, "no") == 0))
			a->required = strcmp(v, "yes") == 0;
		else {
			wsp_log(w, "option %s %s: expected to or from with an "
			    "address, or required yes or no", name, v);
			return -1;
		}
	if (a->to != NULL && a->from != NULL)
		return 0;
	wsp_log(w, "expected the options to and from");
	return -1;
}

static void
fini(struct wsp *w)
{
	free(wsp_get(w));
}

static void
on_sending(struct wsp *w, struct wsp_call *c)
{
	copy(w, c, 1);
}

static void
on_delivery(struct wsp *w, struct wsp_call *c)
{
	const struct archive	*a = wsp_get(w);
	const struct wsp_message *m = wsp_message(c);

	/* What was sent here was copied then; so was what comes here. */
	if (wsp_env(c)->local || strcasecmp(m->rcpt[0], a->to) == 0 ||
	    strcasecmp(m->sender, a->from) == 0)
		wsp_continue(c);
	else
		copy(w, c, 0);
}

/*
 * Of a message that is sent all recipients, those that nobody sees included;
 * else those that all can see.  It must be the same for each mailbox, as the
 * same key is the same message.
 */
static char *
list(struct wsp_call *c, int all)
{
	const struct wsp_message *m = wsp_message(c);
	const char		*r;
	char			*s = strdup(""), *more;
	size_t			 i;

	for (i = 0; s != NULL; i++, s = more) {
		r = !all ? wsp_recipient(c, i) : i < m->nrcpt ? m->rcpt[i] :
		    NULL;
		if (r == NULL)
			break;
		if (asprintf(&more, "%s    %s\n", s, r) == -1)
			more = NULL;
		free(s);
	}
	return s;
}

static void
copy(struct wsp *w, struct wsp_call *c, int sent)
{
	const struct archive	*a = wsp_get(w);
	const struct wsp_message *m = wsp_message(c);
	const char		*rcpt[2] = { a->to, NULL };
	struct wsp_mail		 mail;
	char			*body = NULL, *xml = NULL;
	char			*all = list(c, sent);
	char			 subject[SUBJECT_MAX + 16], key[KEY_MAX];

	memset(&mail, 0, sizeof(mail));
	snprintf(subject, sizeof(subject), "Archive: %.*s", SUBJECT_MAX,
	    m->subject);
	snprintf(key, sizeof(key), "%s", m->msgid);
	if (all == NULL || asprintf(&body, "MessageId:  %s\nSender:     %s\n"
	    "Recipients:\n%s", m->msgid, m->sender, all) == -1 ||
	    (m->xml != NULL && (xml = strndup(m->xml, m->xml_len)) == NULL)) {
		failed(w, c, "out of memory");
		free(all);
		return;
	}
	mail.from = a->from;
	mail.rcpt = rcpt;
	mail.subject = subject;
	mail.body = body;
	mail.xml = xml;
	mail.flags = FLAG_QUIET;
	mail.key = key;
	if (wsp_send(w, &mail, copied, c) == -1)
		failed(w, c, strerror(errno));
	free(all);
	free(body);
	free(xml);
}

static void
copied(struct wsp *w, int code, const char *text, void *arg)
{
	if (code == 200)
		wsp_continue(arg);
	else
		failed(w, arg, text);
}

static void
failed(struct wsp *w, struct wsp_call *c, const char *why)
{
	const struct archive	*a = wsp_get(w);

	wsp_log(w, "%s is not archived: %s", wsp_message(c)->msgid, why);
	if (a->required)
		wsp_defer(c, "the archive does not take it now");
	else
		wsp_continue(c);
}
