/* SPDX-License-Identifier: ISC */
/*
 * wsmail im: the process that has the terminal.  It waits for keys, for its
 * two children, and for what they say on standard error, and never for the
 * network.
 */
#include "compat.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "addr.h"
#include "im.h"
#include "textout.h"
#include "wsemail.h"
#include "wstime.h"

#define IM_PAST		10		/* lines of history at a beginning */
#define IM_SEEN		256		/* MessageIds remembered */
#define IM_LEAVE	3000		/* ms to say good-bye */
#define IM_UNSENT	100		/* messages that wait for their answer */

struct talk {				/* a conversation */
	TAILQ_ENTRY(talk) entry;
	char		*name;		/* addresses, sorted, commas between */
	char		**addr;
	uint32_t	 naddr;
	unsigned int	 unread;
};

struct worker {
	pid_t		 pid;
	struct imsgbuf	 b;
};

struct im {
	const char	*me;
	struct line	*line;
	int		 tty;
	struct wbuf	 in;		/* without a terminal: a line as yet */
	TAILQ_HEAD(, talk) talks;
	struct talk	*now;		/* or NULL */
	struct worker	 taker, sender;
	int		 err[2];	/* standard error of the children */
	int		 drop;		/* -D */
	char		*location;	/* that the taker has */
	int		 quit;
	int		 code;
	uint64_t	 last;		/* question to the sender */
	unsigned int	 unsent;
	char		*seen[IM_SEEN];
	unsigned int	 nseen;
};

/* What the terminal's signals leave for the loop. */
static volatile sig_atomic_t im_signal, im_resized;

static void	 im_caught(int);
static void	 im_signals(sigset_t *);
static int	 im_start(struct im *, struct session *, char *);
static int	 im_step(struct im *, int, const sigset_t *);
static void	 im_stop(struct worker *);
static void	 im_end(struct im *, const sigset_t *);
static void	 im_piped(struct im *, const unsigned char *, size_t);
static void	 im_keys(struct im *);
static void	 im_line(struct im *, const char *);
static void	 im_say(struct im *, const char *, ...) __printflike(2, 3);
static void	 im_suspend(struct im *);
static struct talk *talk_find(struct im *, char *const *, uint32_t,
		    const char *);
static struct talk *talk_words(struct im *, char *);
static void	 talk_enter(struct im *, struct talk *);
static void	 talk_free(struct im *, struct talk *);
static void	 im_send(struct im *, const char *);
static void	 im_ask(struct im *, const char *, const char *, const char *);
static void	 im_command(struct im *, char *);
static void	 show_message(struct im *, const struct im_message *);
static void	 show_past(const char *, const char *, const char *);
static int	 from_child(struct im *, struct worker *);
static void	 from_err(struct im *);

static void
im_caught(int sig)
{
	if (sig == SIGWINCH)
		im_resized = 1;
	else if (sig != SIGCHLD)
		im_signal = sig;
}

/* Blocked but while poll waits, so that none is missed. */
static void
im_signals(sigset_t *old)
{
	static const int	 signals[] = { SIGINT, SIGTERM, SIGHUP,
				    SIGWINCH };
	struct sigaction	 sa;
	sigset_t		 set;
	size_t			 i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = im_caught;
	sigemptyset(&sa.sa_mask);
	sigemptyset(&set);
	for (i = 0; i < nitems(signals); i++) {
		(void)sigaction(signals[i], &sa, NULL);
		sigaddset(&set, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &set, old);
}

/* A line of ours about what goes on, above the one that is typed. */
static void
im_say(struct im *im, const char *fmt, ...)
{
	va_list	 ap;
	char	 text[2048];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (im->line != NULL)
		line_hide(im->line);
	if (out_json) {
		printf("{\"notice\":");
		out_json_string(stdout, text);
		puts("}");
	} else {
		fputs("-- ", stdout);
		out_text(stdout, text, 0);
		putchar('\n');
	}
	fflush(stdout);
	if (im->line != NULL)
		line_show(im->line);
}

/* --- conversations -------------------------------------------------------- */

static int
talk_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The one with these and with also, without ourselves; made if there is none. */
static struct talk *
talk_find(struct im *im, char *const *addr, uint32_t n, const char *also)
{
	struct wbuf	 w = { 0 };
	struct talk	*t, *old;
	char		 norm[ADDR_MAX + 1];
	const char	*a;
	uint32_t	 i, k;

	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->addr = calloc((size_t)n + 1, sizeof(*t->addr))) == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i <= n; i++) {
		a = i == n ? also : addr[i];
		if (a == NULL || addr_normalize(a, norm, sizeof(norm)) == -1 ||
		    strcmp(norm, im->me) == 0 || t->naddr == IM_RCPT_MAX)
			continue;
		for (k = 0; k < t->naddr && strcmp(t->addr[k], norm) != 0; k++)
			;
		if (k == t->naddr &&
		    (t->addr[t->naddr++] = strdup(norm)) == NULL)
			err(EX_OSERR, NULL);
	}
	if (t->naddr == 0 && (t->addr[t->naddr++] = strdup(im->me)) == NULL)
		err(EX_OSERR, NULL);
	qsort(t->addr, t->naddr, sizeof(*t->addr), talk_cmp);
	for (i = 0; i < t->naddr; i++) {
		wbuf_puts(&w, i > 0 ? "," : "");
		wbuf_puts(&w, t->addr[i]);
	}
	wbuf_u8(&w, 0);
	if (w.error != 0)
		errx(EX_OSERR, "out of memory");
	t->name = (char *)w.data;
	TAILQ_FOREACH(old, &im->talks, entry)
		if (strcmp(old->name, t->name) == 0)
			break;
	TAILQ_INSERT_TAIL(&im->talks, t, entry);
	if (old != NULL) {
		talk_free(im, t);
		t = old;
	}
	return t;
}

static void
talk_free(struct im *im, struct talk *t)
{
	TAILQ_REMOVE(&im->talks, t, entry);
	if (im->now == t)
		im->now = NULL;
	while (t->naddr > 0)
		free(t->addr[--t->naddr]);
	free(t->addr);
	free(t->name);
	free(t);
}

/* Addresses with blanks or commas between; NULL after it said what is wrong. */
static struct talk *
talk_words(struct im *im, char *words)
{
	char		*addr[IM_RCPT_MAX], norm[ADDR_MAX + 1], *p;
	uint32_t	 n = 0;

	while ((p = strsep(&words, " ,\t")) != NULL) {
		if (*p == '\0')
			continue;
		if (addr_normalize(p, norm, sizeof(norm)) == -1) {
			im_say(im, "%s: expected an address such as "
			    "bob@scorpio.test", p);
			return NULL;
		}
		if (n == IM_RCPT_MAX) {
			im_say(im, "more than %d addresses", IM_RCPT_MAX);
			return NULL;
		}
		addr[n++] = p;
	}
	if (n == 0) {
		im_say(im, "expected an address");
		return NULL;
	}
	return talk_find(im, addr, n, NULL);
}

static void
show_past(const char *when, const char *from, const char *text)
{
	printf("%.10s %.5s %s> %s\n", when, when + 11, from, text);
}

static void
talk_enter(struct im *im, struct talk *t)
{
	char	prompt[ADDR_MAX + 32];

	if (im->now != t && im->tty) {
		line_hide(im->line);
		im_log_last(im->me, t->name, t->unread > IM_PAST ? t->unread :
		    IM_PAST, show_past);
		fflush(stdout);
		line_show(im->line);
	}
	im->now = t;
	t->unread = 0;
	if (t->naddr == 1)
		snprintf(prompt, sizeof(prompt), "%s> ", t->addr[0]);
	else
		snprintf(prompt, sizeof(prompt), "%s and %u more> ",
		    t->addr[0], t->naddr - 1);
	line_prompt(im->line, prompt);
}

/* --- what is said --------------------------------------------------------- */

static void
show_json(const struct im_message *m)
{
	char		 when[WSTIME_LEN];
	uint32_t	 i;

	printf("{\"from\":");
	out_json_string(stdout, m->from);
	printf(",\"to\":[");
	for (i = 0; i < m->nrcpt; i++) {
		fputs(i > 0 ? "," : "", stdout);
		out_json_string(stdout, m->rcpt[i]);
	}
	printf("],\"timestamp\":\"%s\",\"messageid\":",
	    wstime_format(m->when, when, sizeof(when)));
	out_json_string(stdout, m->msgid);
	printf(",\"good\":%s,\"text\":", *m->bad == '\0' ? "true" : "false");
	out_json_string(stdout, m->text);
	puts("}");
}

static void
show_message(struct im *im, const struct im_message *m)
{
	struct talk	*t = talk_find(im, m->rcpt, m->nrcpt, m->from);
	struct tm	 tm;
	time_t		 when = (time_t)(m->when / 1000);
	char		 clock[16] = "";
	int		 theirs = strcmp(m->from, im->me) != 0;

	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(clock, sizeof(clock), "%H:%M", &tm);
	/* First, as what was said before is shown then. */
	if (theirs && im->now == NULL)
		talk_enter(im, t);
	im_log(im->me, t->name, m);
	line_hide(im->line);
	if (out_json)
		show_json(m);
	else {
		if (*m->bad != '\0') {
			printf("*** SIGNATURE NOT GOOD: ");
			out_text(stdout, m->bad, 0);
			puts(" *** this may be from anybody:");
		}
		printf("%s ", clock);
		out_text(stdout, m->from, 0);
		if (t != im->now && t->naddr > 1)
			printf(" [%s]", t->name);
		printf("> ");
		out_text(stdout, m->text, 1);
		putchar('\n');
	}
	fflush(stdout);
	line_show(im->line);
	if (theirs && t != im->now)
		t->unread++;
}

/* Given again, after a connection was lost, or by another way. */
static int
im_again(struct im *im, const char *msgid)
{
	char		**slot;
	unsigned int	 i;

	for (i = 0; i < IM_SEEN; i++)
		if (im->seen[i] != NULL && strcmp(im->seen[i], msgid) == 0)
			return 1;
	slot = &im->seen[im->nseen++ % IM_SEEN];
	free(*slot);
	if ((*slot = strdup(msgid)) == NULL)
		err(EX_OSERR, NULL);
	return 0;
}

static void
im_tell(struct im *im, struct worker *k, uint32_t type, uint64_t id,
    struct wbuf *w)
{
	if (w->error != 0 || imsg_compose(&k->b, type, id, -1, w->data,
	    w->len) == -1)
		err(EX_OSERR, "sending to a child");
	wbuf_free(w);
	(void)im;
}

static void
im_send(struct im *im, const char *text)
{
	struct im_message	 m = { 0 };
	struct wbuf		 w = { 0 };

	if (im->now == NULL) {
		im_say(im, "to whom? /to address");
		return;
	}
	if (!xml_valid_text(text, strlen(text))) {
		im_say(im, "not sent: the text is not UTF-8");
		im->code = EX_DATAERR;
		return;
	}
	m.from = (char *)(uintptr_t)im->me;
	m.nrcpt = im->now->naddr;
	m.rcpt = im->now->addr;
	m.when = wstime_now();
	m.flags = FLAG_INSTANT | (im->drop ? FLAG_DELETE_UNDELIVERABLE : 0);
	m.text = (char *)(uintptr_t)text;
	m.bad = (char *)(uintptr_t)"";
	if ((m.msgid = wsmsg_msgid_new(addr_domain(im->me))) == NULL)
		err(EX_OSERR, NULL);
	(void)im_again(im, m.msgid);
	im_message_put(&w, &m);
	im_tell(im, &im->sender, IM_SEND, ++im->last, &w);
	im->unsent++;
	if (out_json || im->line == NULL)
		im_log(im->me, im->now->name, &m);
	else
		show_message(im, &m);
	free(m.msgid);
}

/* Arguments: name=text, or NULL. */
static void
im_ask(struct im *im, const char *method, const char *a, const char *b)
{
	struct wbuf	 w = { 0 };

	wbuf_str(&w, method);
	wbuf_u32(&w, (uint32_t)((a != NULL) + (b != NULL)));
	if (a != NULL)
		wbuf_str(&w, a);
	if (b != NULL)
		wbuf_str(&w, b);
	im_tell(im, &im->sender, IM_ASK, ++im->last, &w);
	im->unsent++;
}

/* --- commands ------------------------------------------------------------- */

static void
on_to(struct im *im, char *arg)
{
	struct talk	*t = talk_words(im, arg);

	if (t != NULL)
		talk_enter(im, t);
}

static void
on_list(struct im *im, char *arg)
{
	struct talk	*t;

	(void)arg;
	TAILQ_FOREACH(t, &im->talks, entry)
		im_say(im, "%s %s%s", t == im->now ? "*" : " ", t->name,
		    t->unread > 0 ? " (unread)" : "");
	if (TAILQ_EMPTY(&im->talks))
		im_say(im, "no conversations: /to address");
}

static void
on_next(struct im *im, char *arg)
{
	struct talk	*t;

	(void)arg;
	TAILQ_FOREACH(t, &im->talks, entry)
		if (t->unread > 0)
			break;
	if (t == NULL && im->now != NULL)
		t = TAILQ_NEXT(im->now, entry);
	if (t == NULL)
		t = TAILQ_FIRST(&im->talks);
	if (t != NULL)
		talk_enter(im, t);
}

static void
on_close(struct im *im, char *arg)
{
	(void)arg;
	if (im->now != NULL)
		talk_free(im, im->now);
	line_prompt(im->line, "> ");
	on_next(im, NULL);
}

static void
on_history(struct im *im, char *arg)
{
	const char	*errstr = NULL;
	unsigned int	 n = 50;

	if (*arg != '\0')
		n = (unsigned int)strtonum(arg, 1, 1000, &errstr);
	if (errstr != NULL || im->now == NULL) {
		im_say(im, "%s", im->now == NULL ? "no conversation" :
		    "/history: expected a number from 1 to 1000");
		return;
	}
	line_hide(im->line);
	im_log_last(im->me, im->now->name, n, show_past);
	fflush(stdout);
	line_show(im->line);
}

/* Allow, Block, Ask, Forget: of an address, or of who we talk to. */
static void
im_contact(struct im *im, const char *method, const char *arg)
{
	char	 norm[ADDR_MAX + 1], a[ADDR_MAX + 16];

	if (*arg == '\0' && im->now != NULL && im->now->naddr == 1)
		arg = im->now->addr[0];
	if (addr_normalize(arg, norm, sizeof(norm)) == -1) {
		im_say(im, "expected an address");
		return;
	}
	snprintf(a, sizeof(a), "Address=%s", norm);
	im_ask(im, method, a, NULL);
}

static void
im_presence(struct im *im, const char *state, const char *text)
{
	char	*t = NULL;

	if (asprintf(&t, "Text=%s", text) == -1)
		err(EX_OSERR, NULL);
	im_ask(im, "SetPresence", state, t);
	free(t);
}

static void
on_allow(struct im *im, char *arg)
{
	im_contact(im, "Allow", arg);
}

static void
on_block(struct im *im, char *arg)
{
	im_contact(im, "Block", arg);
}

static void
on_ask(struct im *im, char *arg)
{
	im_contact(im, "Ask", arg);
}

static void
on_forget(struct im *im, char *arg)
{
	im_contact(im, "Forget", arg);
}

static void
on_who(struct im *im, char *arg)
{
	(void)arg;
	im_ask(im, "Contacts", NULL, NULL);
}

static void
on_away(struct im *im, char *arg)
{
	im_presence(im, "State=away", arg);
}

static void
on_busy(struct im *im, char *arg)
{
	im_presence(im, "State=busy", arg);
}

static void
on_back(struct im *im, char *arg)
{
	im_presence(im, "State=available", arg);
}

static void
on_invisible(struct im *im, char *arg)
{
	im_presence(im, "State=invisible", arg);
}

static void
on_quit(struct im *im, char *arg)
{
	(void)arg;
	im->quit = 1;
}

static void	 on_help(struct im *, char *);

static const struct {
	const char	*name, *args, *what;
	void		(*on)(struct im *, char *);
} commands[] = {
	{ "to",		"address ...",	"talk to them",		on_to },
	{ "next",	"",		"the next conversation (Tab)", on_next },
	{ "list",	"",		"all conversations",	on_list },
	{ "close",	"",		"leave this one",	on_close },
	{ "history",	"[lines]",	"what was said",	on_history },
	{ "who",	"",		"contacts, and who is there", on_who },
	{ "ask",	"[address]",	"to see when they are there", on_ask },
	{ "allow",	"[address]",	"let them reach and see you", on_allow },
	{ "block",	"[address]",	"take nothing from them", on_block },
	{ "forget",	"[address]",	"no contact any more",	on_forget },
	{ "away",	"[text]",	"you are away",		on_away },
	{ "busy",	"[text]",	"you are busy",		on_busy },
	{ "back",	"[text]",	"you are available",	on_back },
	{ "invisible",	"",		"nobody sees you",	on_invisible },
	{ "help",	"",		"this list",		on_help },
	{ "quit",	"",		"the end (^D)",		on_quit },
};

static void
on_help(struct im *im, char *arg)
{
	size_t	 i;

	(void)arg;
	for (i = 0; i < nitems(commands); i++)
		im_say(im, "/%-9s %-11s  %s", commands[i].name,
		    commands[i].args, commands[i].what);
	im_say(im, "a line that begins with // is said with one /");
}

static void
im_command(struct im *im, char *s)
{
	char	*arg = s + strcspn(s, " ");
	size_t	 i;

	if (*arg != '\0')
		*arg++ = '\0';
	arg += strspn(arg, " ");
	for (i = 0; i < nitems(commands); i++)
		if (strcmp(commands[i].name, s) == 0) {
			commands[i].on(im, arg);
			return;
		}
	im_say(im, "/%s: no such command: /help", s);
}

static void
im_line(struct im *im, const char *text)
{
	char	*copy;

	if (text[0] == '\0')
		return;
	if (text[0] != '/' || text[1] == '/') {
		im_send(im, text[0] == '/' ? text + 1 : text);
		return;
	}
	if ((copy = strdup(text + 1)) == NULL)
		err(EX_OSERR, NULL);
	im_command(im, copy);
	free(copy);
}

/* --- what comes from where ------------------------------------------------ */

static void
im_suspend(struct im *im)
{
	(void)line_raw(im->line, 0);
	(void)kill(0, SIGSTOP);
	(void)line_raw(im->line, 1);
	line_show(im->line);
}

/* Lines of a file or program; one that is too long is not sent. */
static void
im_piped(struct im *im, const unsigned char *p, size_t n)
{
	for (; n > 0; p++, n--) {
		if (*p != '\n') {
			if (im->in.len <= IM_TEXT_MAX)
				wbuf_u8(&im->in, *p);
			continue;
		}
		wbuf_u8(&im->in, 0);
		if (im->in.error != 0)
			errx(EX_OSERR, "out of memory");
		if (im->in.len > IM_TEXT_MAX + 1) {
			im_say(im, "not sent: a line of more than %u octets",
			    IM_TEXT_MAX);
			im->code = EX_DATAERR;
		} else if (strlen((char *)im->in.data) + 1 != im->in.len) {
			im_say(im, "not sent: the text is not UTF-8");
			im->code = EX_DATAERR;
		} else
			im_line(im, (char *)im->in.data);
		im->in.len = 0;
	}
}

static void
im_keys(struct im *im)
{
	const char	*text;
	unsigned char	 buf[4096];
	ssize_t		 n, i;

	if ((n = read(STDIN_FILENO, buf, sizeof(buf))) == -1 &&
	    (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		im->quit = 1;
		return;
	}
	if (!im->tty) {
		im_piped(im, buf, (size_t)n);
		return;
	}
	for (i = 0; i < n && im->quit < 2; i++) {
		switch (line_key(im->line, buf[i], &text)) {
		case LINE_ENTER:
			line_hide(im->line);
			im_line(im, text);
			line_show(im->line);
			break;
		case LINE_END:
			if (im->quit++ == 0 && im->unsent > 0)
				im_say(im, "not all is sent yet; ^C again to "
				    "leave");
			break;
		case LINE_STOP:
			im_suspend(im);
			break;
		case LINE_NEXT:
			on_next(im, NULL);
			break;
		default:
			break;
		}
	}
}

static void
show_presence(struct im *im, struct rbuf *r)
{
	char	*a = rbuf_str(r, IM_TEXT_MAX), *s = rbuf_str(r, IM_TEXT_MAX);
	char	*t = rbuf_str(r, IM_TEXT_MAX);

	if (rbuf_end(r) == 0)
		im_say(im, "%s is %s%s%s", a, s, *t != '\0' ? ": " : "", t);
	free(a);
	free(s);
	free(t);
}

static void
show_contact(struct im *im, struct rbuf *r)
{
	char	*v[5];
	size_t	 i;

	for (i = 0; i < nitems(v); i++)
		v[i] = rbuf_str(r, IM_TEXT_MAX);
	if (rbuf_end(r) == 0)
		im_say(im, "%-30s %s%s%s%s", v[0],
		    strcmp(v[1], "asks") == 0 ? "asks you: /allow or /block" :
		    strcmp(v[1], "blocked") == 0 ? "blocked" : v[3],
		    strcmp(v[2], "true") == 0 ? "" : " (not asked)",
		    *v[4] != '\0' ? ": " : "", v[4]);
	for (i = 0; i < nitems(v); i++)
		free(v[i]);
}

static void
show_done(struct im *im, struct rbuf *r)
{
	uint32_t	 code = rbuf_u32(r);
	char		*text = rbuf_str(r, IM_TEXT_MAX);

	if (im->unsent > 0)
		im->unsent--;
	if (rbuf_end(r) == 0 && code != 0) {
		im->code = (int)code;
		im_say(im, "that was not done%s%s", *text != '\0' ? ": " : "",
		    text);
	}
	free(text);
}

static void
from_one(struct im *im, struct worker *k, struct imsg *m)
{
	struct im_message	 msg;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	char			*a;
	uint32_t		 n;

	rbuf_init(&r, m->data, m->hdr.len);
	switch (m->hdr.type) {
	case IM_MESSAGE:
		if (im_message_get(&r, &msg) == 0) {
			if (!im_again(im, msg.msgid))
				show_message(im, &msg);
			im_message_free(&msg);
		}
		break;
	case IM_PRESENCE:
		show_presence(im, &r);
		break;
	case IM_REQUEST:
		a = rbuf_str(&r, IM_TEXT_MAX);
		if (rbuf_end(&r) == 0)
			im_say(im, "%s wants to reach you: /allow %s or "
			    "/block %s", a, a, a);
		free(a);
		break;
	case IM_BATCH:
		im_tell(im, k, IM_SHOWN, 0, &w);
		break;
	case IM_READY:
		im_say(im, im->location != NULL ? "here again as %s" :
		    "here as %s; /help", im->me);
		free(im->location);
		im->location = rbuf_str(&r, IM_TEXT_MAX);
		break;
	case IM_AGAIN:
		n = rbuf_u32(&r);
		im_say(im, "not connected; again in %u s", n);
		break;
	case IM_OVER:
		im->code = (int)rbuf_u32(&r);
		im->quit = 2;
		break;
	case IM_CONTACT:
		show_contact(im, &r);
		break;
	case IM_DONE:
		show_done(im, &r);
		break;
	default:
		break;
	}
}

/* -1: the child is gone. */
static int
from_child(struct im *im, struct worker *k)
{
	struct imsg	 m;
	int		 n;

	n = imsgbuf_read(&k->b);
	while (imsg_get(&k->b, &m) == 1) {
		from_one(im, k, &m);
		imsg_free(&m);
	}
	return n == 0 || (n == -1 && errno != EAGAIN) ? -1 : 0;
}

/* Lines of the children; a long one comes in pieces. */
static void
from_err(struct im *im)
{
	char	 buf[2048], *p = buf, *line;
	ssize_t	 n;

	if ((n = read(im->err[0], buf, sizeof(buf) - 1)) <= 0)
		return;
	buf[n] = '\0';
	while ((line = strsep(&p, "\n")) != NULL)
		if (*line != '\0')
			im_say(im, "%s", strncmp(line, "wsmail: ", 8) == 0 ?
			    line + 8 : line);
}

/* --- beginning and end ---------------------------------------------------- */

/* One child.  location: it is the taker. */
static int
im_fork(struct im *im, struct worker *k, struct session *s, char *location)
{
	int	 sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	fflush(stdout);
	if ((k->pid = fork()) == -1)
		return -1;
	if (k->pid == 0) {
		(void)dup2(im->err[1], STDERR_FILENO);
		close(sv[0]);
		close(im->err[0]);
		if (location != NULL)
			im_taker(s, sv[1], location);
		im_sender(s, sv[1]);
	}
	close(sv[1]);
	imsgbuf_init(&k->b, sv[0]);
	return 0;
}

static int
im_start(struct im *im, struct session *s, char *location)
{
	if (pipe(im->err) == -1 ||
	    fcntl(im->err[0], F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(im->err[1], F_SETFD, FD_CLOEXEC) == -1 ||
	    im_fork(im, &im->taker, s, location) == -1 ||
	    im_fork(im, &im->sender, s, NULL) == -1) {
		fprintf(stderr, "wsmail: %s\n", strerror(errno));
		return EX_OSERR;
	}
	return 0;
}

/* Waits ms (-1: any time) for something, and does it.  -1: it is over. */
static int
im_step(struct im *im, int ms, const sigset_t *old)
{
	const struct timespec	 ts = { ms / 1000, ms % 1000 * 1000000L };
	struct pollfd		 pfd[4];
	struct worker		*k[2] = { &im->taker, &im->sender };
	int			 i, n;

	memset(pfd, 0, sizeof(pfd));
	for (i = 0; i < 2; i++) {
		pfd[i].fd = k[i]->pid > 0 ? k[i]->b.fd : -1;
		pfd[i].events = k[i]->pid > 0 && k[i]->b.out_bytes > 0 ?
		    POLLIN | POLLOUT : POLLIN;
	}
	pfd[2].fd = im->err[0];
	pfd[3].fd = (im->quit && !im->tty) || im->quit > 1 ||
	    im->unsent > IM_UNSENT ? -1 : STDIN_FILENO;
	pfd[2].events = pfd[3].events = POLLIN;
	if ((n = ppoll(pfd, 4, ms < 0 ? NULL : &ts, old)) == 0)
		return -1;
	if (n == -1 && errno != EINTR)
		err(EX_OSERR, "ppoll");
	if (im_signal != 0)
		return -1;
	if (im_resized) {
		im_resized = 0;
		line_hide(im->line);
		line_show(im->line);
	}
	if (n == -1)
		return 0;
	if (pfd[2].revents)
		from_err(im);
	for (i = 0; i < 2; i++) {
		if (pfd[i].revents & POLLOUT)
			(void)imsgbuf_write(&k[i]->b);	/* or reading tells */
		if (pfd[i].revents & ~POLLOUT && from_child(im, k[i]) == -1) {
			im->code = im->code ? im->code : EX_SOFTWARE;
			return -1;
		}
	}
	if (pfd[3].revents)
		im_keys(im);
	return 0;
}

static void
im_stop(struct worker *k)
{
	if (k->pid <= 0)
		return;
	(void)kill(k->pid, SIGKILL);
	(void)waitpid(k->pid, NULL, 0);
	imsgbuf_clear(&k->b);
	k->pid = 0;
}

/*
 * The taker is in the midst of a request that would last: it is not asked.
 * That we leave, the server should know: else it keeps messages for us for a
 * while.
 */
static void
im_end(struct im *im, const sigset_t *old)
{
	char	*a = NULL;
	int	 code = im->code;

	im_stop(&im->taker);
	if (im->location != NULL && im->sender.pid > 0 && im->unsent == 0 &&
	    asprintf(&a, "Location=%s", im->location) != -1) {
		im->quit = 2;
		im_signal = 0;
		im_ask(im, "Unregister", a, NULL);
		while (im->unsent > 0 && im_step(im, IM_LEAVE, old) == 0)
			;
	}
	free(a);
	im->code = code;
	im_stop(&im->sender);
}

int
cmd_im(struct session *s, int argc, char **argv)
{
	struct im	 im = { .me = s->acc->address };
	struct wbuf	 w = { 0 };
	sigset_t	 old;
	char		*location;
	int		 ch, i;
	unsigned int	 k;

	while ((ch = getopt(argc, argv, "D")) != -1) {
		if (ch != 'D')
			usage();
		im.drop = 1;
	}
	TAILQ_INIT(&im.talks);
	if (!out_json)
		(void)setlocale(LC_CTYPE, "");
	if ((im.line = line_new(STDIN_FILENO, STDOUT_FILENO)) == NULL)
		return EX_OSERR;
	for (i = optind; i < argc; i++) {
		wbuf_puts(&w, argv[i]);
		wbuf_u8(&w, ' ');
	}
	wbuf_u8(&w, 0);
	/* In this process: it may ask for the password, and tell of errors. */
	if (w.error != 0)
		im.code = EX_OSERR;
	else if ((im.code = im_register(s, &location)) == 0) {
		im_signals(&old);
		im.code = im_start(&im, s, location);
		free(location);
	}
	if (im.code == 0) {
		im.tty = !out_json && isatty(STDIN_FILENO) &&
		    isatty(STDOUT_FILENO) && line_raw(im.line, 1) == 0;
		line_prompt(im.line, "> ");
		line_show(im.line);
		if (argc > optind)
			on_to(&im, (char *)w.data);
		if (argc > optind && im.now == NULL)
			im.code = EX_USAGE;
		else
			while ((im.quit == 0 ||
			    (im.unsent > 0 && im.quit < 2)) &&
			    im_step(&im, -1, &old) == 0)
				;
		im_end(&im, &old);
	}
	line_free(im.line);
	while (!TAILQ_EMPTY(&im.talks))
		talk_free(&im, TAILQ_FIRST(&im.talks));
	for (k = 0; k < IM_SEEN; k++)
		free(im.seen[k]);
	wbuf_free(&w);
	free(im.location);
	wbuf_free(&im.in);
	return im.code;
}
