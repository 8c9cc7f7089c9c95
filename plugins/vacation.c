/* SPDX-License-Identifier: ISC */
/*
 * vacation: answers mail of users who are away, wsplugin-vacation(8).  Users
 * switch it on and off themselves, by an extension request.  Who is answered,
 * and who is not, is RFC 3834's; trouble with an answer never stops the mail.
 *
 * State: "u" user -> what they said; "s" user NUL sender -> when that sender
 * was answered last.
 */
#define _GNU_SOURCE		/* asprintf(3), strptime(3) */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "wsplugin.h"

#define DAY		86400
#define DAYS_MAX	365
#define SUBJECT_MAX	200
#define BODY_MAX	10000
#define FLAG_QUIET	0x2	/* MessageFlags: DeleteUndeliverable, */
#define FLAG_BULK	0x4	/* and bulk mail */
#define KEY_MAX		512

struct vacation {
	int64_t		 period;	/* s */
};

static int	 init(struct wsp *);
static void	 fini(struct wsp *);
static void	 delivery(struct wsp *, struct wsp_call *);
static void	 extension(struct wsp *, struct wsp_call *);
static void	 tick(struct wsp *);
static int	 is_automatic(const struct wsp_message *);
static int	 is_addressed(struct wsp_call *, const char *);
static int	 is_due(struct wsp *, const char *, const char *, char *, size_t *);
static void	 reply(struct wsp *, struct wsp_call *, char *);
static void	 replied(struct wsp *, int, const char *, void *);
static int	 parse_day(const char *, int64_t *);
static void	 turn_on(struct wsp *, struct wsp_call *, const char *);
static void	 status(struct wsp *, struct wsp_call *, const char *);
static char	*field(char **);

static const char *const identifiers[] = { "urn:wsemail:2:vacation", NULL };

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.extensions = identifiers,
	.init = init,
	.delivery = delivery,
	.extension = extension,
	.tick = tick,
	.fini = fini,
};

static int
init(struct wsp *w)
{
	struct vacation	*v;
	const char	*name, *value;
	char		*end;
	long		 days = 7;
	size_t		 i;

	for (i = 0; (name = wsp_option_at(w, i, &value)) != NULL; i++) {
		if (strcmp(name, "days") != 0) {
			wsp_log(w, "option %s: expected days", name);
			return -1;
		}
		days = strtol(value, &end, 10);
		if (*end != '\0' || days < 1 || days > DAYS_MAX) {
			wsp_log(w, "option days: expected 1 to %d, got \"%s\"",
			    DAYS_MAX, value);
			return -1;
		}
	}
	if ((v = calloc(1, sizeof(*v))) == NULL)
		return -1;
	v->period = days * DAY;
	wsp_set(w, v);
	return wsp_timer(w, 3600);
}

static void
fini(struct wsp *w)
{
	free(wsp_get(w));
}

/* --- who is answered ------------------------------------------------------ */

/* RFC 3834 section 2: no answer to what programs sent. */
static int
is_automatic(const struct wsp_message *m)
{
	static const char *const	 locals[] = { "postmaster@",
					    "mailer-daemon@", "owner-",
					    "no-reply@", "noreply@" };
	const char			*at = strchr(m->sender, '@');
	size_t				 i;

	if ((m->flags & (FLAG_QUIET | FLAG_BULK)) != 0 || at == NULL)
		return 1;
	for (i = 0; i < sizeof(locals) / sizeof(locals[0]); i++)
		if (strncasecmp(m->sender, locals[i], strlen(locals[i])) == 0)
			return 1;
	return (size_t)(at - m->sender) >= 8 &&
	    strncasecmp(at - 8, "-request", 8) == 0;
}

/* Named where all can see it: not by a list, nor blind. */
static int
is_addressed(struct wsp_call *c, const char *user)
{
	const char	*r;
	size_t		 i;

	for (i = 0; (r = wsp_recipient(c, i)) != NULL; i++)
		if (strcasecmp(r, user) == 0)
			return 1;
	return 0;
}

/* Not answered within the period; the key says so afterwards. */
static int
is_due(struct wsp *w, const char *user, const char *sender, char *key,
    size_t *klen)
{
	struct vacation	*v = wsp_get(w);
	const void	*val;
	size_t		 n;
	int64_t		 then;

	n = (size_t)snprintf(key, KEY_MAX, "s%s", user) + 1;
	if (n + strlen(sender) > KEY_MAX)
		return 0;
	memcpy(key + n, sender, strlen(sender));
	*klen = n + strlen(sender);
	if (wsp_state_get(w, key, *klen, &val, &n) == -1)
		return errno == ENOENT;
	then = strtoll(val, NULL, 10);
	return then > time(NULL) || time(NULL) - then >= v->period;
}

/* --- the answer ----------------------------------------------------------- */

static char *
field(char **p)
{
	char	*s = *p;

	if (s == NULL)
		return NULL;
	*p = strchr(s, '\n');
	if (*p != NULL)
		*(*p)++ = '\0';
	return s;
}

static void
replied(struct wsp *w, int code, const char *text, void *arg)
{
	struct wsp_call	*c = arg;

	if (code != 200)
		wsp_log(w, "an answer of %s to %s was not sent: %d %s",
		    wsp_message(c)->rcpt[0], wsp_message(c)->sender, code,
		    text);
	wsp_continue(c);
}

/* said: from, until, subject, body, a line each but for the last. */
static void
reply(struct wsp *w, struct wsp_call *c, char *said)
{
	const struct wsp_message *m = wsp_message(c);
	const char		*rcpt[2] = { m->sender, NULL }, *from, *until;
	struct wsp_mail		 mail;
	char			 key[KEY_MAX], now[32], subject[2 * SUBJECT_MAX];
	int64_t			 t = time(NULL);
	size_t			 klen;

	memset(&mail, 0, sizeof(mail));
	from = field(&said);
	until = field(&said);
	mail.subject = field(&said);
	mail.body = said;
	if (mail.body == NULL || t < strtoll(from, NULL, 10) ||
	    (strtoll(until, NULL, 10) != 0 && t >= strtoll(until, NULL, 10)) ||
	    !is_due(w, m->rcpt[0], m->sender, key, &klen)) {
		wsp_continue(c);
		return;
	}
	if (mail.subject[0] == '\0') {
		snprintf(subject, sizeof(subject), "Auto: %.*s", SUBJECT_MAX,
		    m->subject);
		mail.subject = subject;
	}
	snprintf(now, sizeof(now), "%lld", (long long)t);
	/* Remembered first: rather no answer than two. */
	if (wsp_state_put(w, key, klen, now, strlen(now)) == -1) {
		wsp_log(w, "%s: %s", m->rcpt[0], strerror(errno));
		wsp_continue(c);
		return;
	}
	mail.from = m->rcpt[0];
	mail.rcpt = rcpt;
	mail.inreplyto = m->msgid;
	mail.flags = FLAG_QUIET;
	mail.key = m->msgid;
	if (wsp_send(w, &mail, replied, c) == -1) {
		wsp_log(w, "%s: %s", m->rcpt[0], strerror(errno));
		wsp_continue(c);
	}
}

static void
delivery(struct wsp *w, struct wsp_call *c)
{
	const struct wsp_message *m = wsp_message(c);
	const void		*val;
	char			*said, key[KEY_MAX];
	size_t			 n;

	n = (size_t)snprintf(key, sizeof(key), "u%s", m->rcpt[0]);
	if (n >= sizeof(key) || is_automatic(m) ||
	    strcasecmp(m->sender, m->rcpt[0]) == 0 ||
	    wsp_state_get(w, key, n, &val, &n) == -1 ||
	    !is_addressed(c, m->rcpt[0]) ||
	    (said = strndup(val, n)) == NULL) {
		wsp_continue(c);
		return;
	}
	reply(w, c, said);
	free(said);
}

/* Those who were answered long ago are forgotten. */
static void
tick(struct wsp *w)
{
	struct vacation	*v = wsp_get(w);
	const void	*k, *val;
	char		 key[KEY_MAX + 1] = "s";
	size_t		 klen = 1, n;

	while (wsp_state_next(w, key, klen, &k, &klen, &val, &n) == 0) {
		if (klen == 0 || klen > KEY_MAX || *(const char *)k != 's')
			break;
		n = (size_t)(time(NULL) - strtoll(val, NULL, 10) >= v->period);
		memcpy(key, k, klen);
		if (n != 0 && wsp_state_del(w, key, klen) == -1)
			break;
		key[klen++] = '\0';	/* the next one is behind it */
	}
}

/* --- what users say ------------------------------------------------------- */

/* YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, in UTC. */
static int
parse_day(const char *s, int64_t *out)
{
	struct tm	 tm;
	char		*end;

	*out = 0;
	if (s == NULL || *s == '\0')
		return 0;
	memset(&tm, 0, sizeof(tm));
	if ((end = strptime(s, "%Y-%m-%d", &tm)) == NULL)
		return -1;
	if (*end == 'T' &&
	    (end = strptime(end, "T%H:%M:%SZ", &tm)) == NULL)
		return -1;
	if (*end != '\0')
		return -1;
	*out = timegm(&tm);
	return 0;
}

static void
turn_on(struct wsp *w, struct wsp_call *c, const char *user)
{
	const char	*s;
	char		 value[SUBJECT_MAX + BODY_MAX + 100], key[KEY_MAX];
	char		 subject[SUBJECT_MAX + 1] = "";
	int64_t		 from, until;
	size_t		 n;

	if (parse_day(wsp_arg(c, "From"), &from) == -1 ||
	    parse_day(wsp_arg(c, "Until"), &until) == -1) {
		wsp_refuse(c, 500, "From and Until are days, as 2026-12-24");
		return;
	}
	if ((s = wsp_arg(c, "Subject")) != NULL) {
		if (strlen(s) > SUBJECT_MAX || strpbrk(s, "\r\n") != NULL) {
			wsp_refuse(c, 500, "Subject is one line of up to 200 "
			    "octets");
			return;
		}
		snprintf(subject, sizeof(subject), "%s", s);
	}
	if ((s = wsp_arg(c, "Body")) == NULL || *s == '\0' ||
	    strlen(s) > BODY_MAX) {
		wsp_refuse(c, 500, "Body is a text of up to 10000 octets");
		return;
	}
	n = (size_t)snprintf(value, sizeof(value), "%lld\n%lld\n%s\n%s",
	    (long long)from, (long long)until, subject, s);
	snprintf(key, sizeof(key), "u%s", user);
	if (wsp_state_put(w, key, strlen(key), value, n) == -1) {
		wsp_log(w, "%s: %s", user, strerror(errno));
		wsp_defer(c, "there is no room for it");
		return;
	}
	status(w, c, user);
}

static void
status(struct wsp *w, struct wsp_call *c, const char *user)
{
	static const char	 off[] = "<Vacation xmlns=\""
				    "urn:wsemail:2:vacation\"><On>false</On>"
				    "</Vacation>";
	const void		*val;
	char			*said, *p, *from, *until, *subject = NULL;
	char			*body = NULL, *xml = NULL, key[KEY_MAX];
	size_t			 n;
	int			 len = -1;

	snprintf(key, sizeof(key), "u%s", user);
	if (wsp_state_get(w, key, strlen(key), &val, &n) == -1) {
		if (errno == ENOENT)
			wsp_result(c, off, sizeof(off) - 1);
		else
			wsp_defer(c, "its state cannot be read");
		return;
	}
	p = said = strndup(val, n);
	from = field(&p);
	until = field(&p);
	if (p != NULL) {
		subject = wsp_escape(field(&p));
		body = p == NULL ? NULL : wsp_escape(p);
	}
	if (subject != NULL && body != NULL)
		len = asprintf(&xml, "<Vacation xmlns=\"urn:wsemail:2:vacation"
		    "\"><On>true</On><From>%s</From><Until>%s</Until>"
		    "<Subject>%s</Subject><Body>%s</Body></Vacation>", from,
		    until, subject, body);
	if (len == -1)
		wsp_defer(c, "out of memory");
	else
		wsp_result(c, xml, (size_t)len);
	if (len != -1)
		free(xml);
	free(subject);
	free(body);
	free(said);
}

static void
extension(struct wsp *w, struct wsp_call *c)
{
	const struct wsp_env	*env = wsp_env(c);
	const char		*method = wsp_method(c);
	char			 user[KEY_MAX - 1], key[KEY_MAX];

	/* A server speaks for no user. */
	if (!env->local || strlen(env->principal) >= sizeof(user)) {
		wsp_refuse(c, 553, "for users of this server");
		return;
	}
	snprintf(user, sizeof(user), "%s", env->principal);
	if (method == NULL)
		method = "";
	if (strcmp(method, "On") == 0)
		turn_on(w, c, user);
	else if (strcmp(method, "Status") == 0)
		status(w, c, user);
	else if (strcmp(method, "Off") == 0) {
		snprintf(key, sizeof(key), "u%s", user);
		if (wsp_state_del(w, key, strlen(key)) == -1 &&
		    errno != ENOENT)
			wsp_defer(c, "its state cannot be written");
		else
			status(w, c, user);
	} else
		wsp_refuse(c, 500, "expected On, Off or Status");
}
