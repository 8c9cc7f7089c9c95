/* SPDX-License-Identifier: ISC */
/*
 * im: instant messages to users' programs, wsplugin-im(8).  A program
 * registers a location and takes what comes for it by requests that are held
 * until there is something; that it has it, it says with its next one.  A
 * message whose delivery nobody has acknowledged goes where its flags say, so
 * the queue holds it until then and nothing of it need be kept here.
 *
 * Who may reach whom is state, "c" user NUL other -> letters: a allowed,
 * b blocked, p has asked, f wants to know when the other is there.  Locations
 * and presence end with the process: programs register again.
 */
#define _GNU_SOURCE		/* open_memstream(3), arc4random(3) */

#include <sys/queue.h>

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "wsplugin.h"

#define FLAG_INSTANT	0x1	/* MessageFlags */
#define FLAG_DROP	0x2	/* DeleteIfNotDeliverable */
#define NS		"urn:wsemail:2:im"
#define NS_MAIL		"http://securitylab.cis.upenn.edu/WSEmail"
#define KEY_MAX		512
#define TEXT_MAX	200	/* octets of a presence's text */
#define ADDRESS_MAX	320
#define HOLD_MAX	240	/* s that Take waits at most */
#define HOLD_DEFAULT	50
#define ID_LEN		32
#define POSTS_MAX	1000	/* of a location */
#define ASKING_MAX	100	/* who wait for a user's answer */

enum strangers { ST_ASK, ST_ALLOW, ST_MAILBOX, ST_REFUSE };
enum access { MAY, MUST_ASK, TO_MAILBOX, MAY_NOT };

/* What programs are told, once for all of them. */
struct item {
	unsigned int	 refs;
	char		*xml;
	size_t		 len;
	int		 message;
	struct delivery	*d;		/* NULL: nobody waits for it */
};

/* A message that no program has acknowledged yet. */
struct delivery {
	TAILQ_ENTRY(delivery) entry;
	struct wsp_call	*c;
	struct item	*item;
	unsigned int	 nloc;		/* that may still */
	time_t		 until;
};

struct post {
	TAILQ_ENTRY(post) entry;
	struct item	*item;
	unsigned long long number;
};

struct location {
	TAILQ_ENTRY(location) entry;
	struct user	*u;
	char		 id[ID_LEN + 1];
	TAILQ_HEAD(, post) posts;
	unsigned long long last;	/* number given out */
	size_t		 n, octets;
	time_t		 until;
	struct wsp_call	*held;		/* a Take */
	time_t		 held_until;
	char		*host, *port;	/* where it is told to come, or NULL */
	time_t		 woken;		/* when it was */
	int		 wake;		/* it is to be, at the next tick */
};

struct user {			/* with a location at least */
	TAILQ_ENTRY(user) entry;
	char		*addr;
	TAILQ_HEAD(, location) locations;
	unsigned int	 nloc;
	const char	*state;
	char		 text[TEXT_MAX + 1];
};

struct im {
	struct wsp	*w;
	TAILQ_HEAD(, user) users;
	void		*byname;	/* tsearch(3) of them */
	TAILQ_HEAD(, delivery) deliveries;
	enum strangers	 strangers;
	long		 expiry, locations, backlog, ack, contacts;
	int		 told;		/* that it is shown no messages */
};

static int	 init(struct wsp *);
static void	 stop(struct wsp *);
static void	 fini(struct wsp *);
static void	 delivery(struct wsp *, struct wsp_call *);
static void	 extension(struct wsp *, struct wsp_call *);
static void	 tick(struct wsp *);
static int	 option_number(struct im *, const char *, const char *);
static int	 option_strangers(struct im *, const char *);
static time_t	 now(void);
static struct user *user_find(struct im *, const char *);
static struct user *user_new(struct im *, const char *);
static void	 user_free(struct im *, struct user *);
static void	 item_release(struct item *);
static struct item *item_new(char *, size_t);
static void	 item_push(struct im *, struct user *, struct item *);
static void	 post_drop(struct im *, struct location *, struct post *, int);
static void	 location_end(struct im *, struct location *);
static void	 location_free(struct location *);
static void	 location_answer(struct location *);
static int	 location_wake(struct im *, struct location *);
static void	 woken(struct wsp *, int, int, void *);
static void	 delivery_end(struct im *, struct delivery *, int);
static void	 undeliverable(struct wsp_call *, const char *);
static int	 contact_key(char *, const char *, const char *);
static int	 contact_get(struct im *, const char *, const char *, char *);
static int	 contact_put(struct im *, const char *, const char *, const char *);
static int	 contact_change(struct im *, const char *, const char *,
		    const char *, const char *);
static int	 contact_room(struct im *, const char *, char, long);
static int	 listed(struct im *, const char *, const char *);
static enum access access_of(struct im *, const char *, const char *);
static int	 ask(struct im *, const char *, const char *);
static void	 tell_address(struct im *, struct user *, const char *,
		    const char *);
static void	 presence_tell(struct im *, struct user *, const char *,
		    const char *, const char *);
static void	 presence_spread(struct im *, struct user *, const char *);
static void	 presence_all(struct im *, struct user *);
static char	*message_xml(const struct wsp_message *, size_t *);
static void	 on_register(struct im *, struct wsp_call *, const char *);
static void	 on_take(struct im *, struct wsp_call *, const char *);
static void	 on_unregister(struct im *, struct wsp_call *, const char *);
static void	 on_contacts(struct im *, struct wsp_call *, const char *);
static void	 on_allow(struct im *, struct wsp_call *, const char *);
static void	 on_block(struct im *, struct wsp_call *, const char *);
static void	 on_ask(struct im *, struct wsp_call *, const char *);
static void	 on_forget(struct im *, struct wsp_call *, const char *);
static void	 on_presence(struct im *, struct wsp_call *, const char *);

/* The second is the prototype's, of 2004. */
static const char *const identifiers[] = { NS, "InstantMessaging", NULL };

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.extensions = identifiers,
	.hold = HOLD_MAX,
	.init = init,
	.delivery = delivery,
	.extension = extension,
	.tick = tick,
	.stop = stop,
	.fini = fini,
};

static time_t
now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* --- options -------------------------------------------------------------- */

/* 1: it was one of these, 0: not; -1: said why. */
static int
option_number(struct im *im, const char *name, const char *value)
{
	const struct {
		const char	*name;
		long		*v, min, max;
	} numbers[] = {
		{ "expiry", &im->expiry, 10, 3600 },
		{ "locations", &im->locations, 1, 64 },
		{ "backlog", &im->backlog, 65536, 64L << 20 },
		{ "ack", &im->ack, 1, 60 },
		{ "contacts", &im->contacts, 1, 10000 },
	};
	char		*end;
	size_t		 i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(numbers[i].name, name) != 0)
			continue;
		errno = 0;
		*numbers[i].v = strtol(value, &end, 10);
		if (errno == 0 && end != value && *end == '\0' &&
		    *numbers[i].v >= numbers[i].min &&
		    *numbers[i].v <= numbers[i].max)
			return 1;
		wsp_log(im->w, "option %s: expected %ld to %ld, got \"%s\"",
		    name, numbers[i].min, numbers[i].max, value);
		return -1;
	}
	return 0;
}

static int
option_strangers(struct im *im, const char *value)
{
	static const char *const	 names[] = { "ask", "allow", "mailbox",
					    "refuse" };
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], value) == 0) {
			im->strangers = (enum strangers)i;
			return 0;
		}
	wsp_log(im->w, "option strangers: expected ask, allow, mailbox or "
	    "refuse, got \"%s\"", value);
	return -1;
}

static int
init(struct wsp *w)
{
	struct im	*im;
	const char	*name, *value;
	const void	*v;
	size_t		 i, n;
	int		 ret = 1;

	if (wsp_state_get(w, "c", 1, &v, &n) == -1 && errno != ENOENT) {
		wsp_log(w, "state: %s (grant state)", strerror(errno));
		return -1;
	}
	if ((im = calloc(1, sizeof(*im))) == NULL)
		return -1;
	im->w = w;
	TAILQ_INIT(&im->users);
	TAILQ_INIT(&im->deliveries);
	im->expiry = 120;
	im->locations = 8;
	im->backlog = 4L << 20;
	im->ack = 5;
	im->contacts = 500;
	wsp_set(w, im);
	for (i = 0; ret == 1 &&
	    (name = wsp_option_at(w, i, &value)) != NULL; i++) {
		if (strcmp(name, "allow") == 0 || strcmp(name, "block") == 0)
			continue;
		if (strcmp(name, "strangers") == 0)
			ret = option_strangers(im, value) == 0 ? 1 : -1;
		else if ((ret = option_number(im, name, value)) == 0)
			wsp_log(w, "option %s: expected strangers, allow, "
			    "block, expiry, locations, backlog, ack or "
			    "contacts", name);
	}
	return ret == 1 ? wsp_timer(w, 1) : -1;
}

/* Nothing is kept: programs register anew, messages take their other way. */
static void
stop(struct wsp *w)
{
	struct im	*im = wsp_get(w);
	struct delivery	*d;
	struct location	*l;
	struct user	*u;

	TAILQ_FOREACH(u, &im->users, entry)
		TAILQ_FOREACH(l, &u->locations, entry)
			if (l->held != NULL)
				location_answer(l);
	while ((d = TAILQ_FIRST(&im->deliveries)) != NULL)
		delivery_end(im, d, 0);
}

static void
fini(struct wsp *w)
{
	struct im	*im = wsp_get(w);
	struct user	*u;

	/* Each goes with its user's last location. */
	while ((u = TAILQ_FIRST(&im->users)) != NULL)
		location_end(im, TAILQ_FIRST(&u->locations));
	free(im);
}

/* --- users and their locations -------------------------------------------- */

static int
user_cmp(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->addr,
	    ((const struct user *)b)->addr);
}

static struct user *
user_find(struct im *im, const char *addr)
{
	struct user	 key = { .addr = (char *)(uintptr_t)addr };
	void		*node = tfind(&key, &im->byname, user_cmp);

	return node == NULL ? NULL : *(struct user **)node;
}

static struct user *
user_new(struct im *im, const char *addr)
{
	struct user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		return NULL;
	TAILQ_INIT(&u->locations);
	u->state = "available";
	if ((u->addr = strdup(addr)) == NULL ||
	    tsearch(u, &im->byname, user_cmp) == NULL) {
		free(u->addr);
		free(u);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&im->users, u, entry);
	return u;
}

static void
user_free(struct im *im, struct user *u)
{
	(void)tdelete(u, &im->byname, user_cmp);
	TAILQ_REMOVE(&im->users, u, entry);
	free(u->addr);
	free(u);
}

static void
item_release(struct item *it)
{
	if (it == NULL || --it->refs > 0)
		return;
	free(it->xml);
	free(it);
}

/* Takes xml, which malloc(3) gave. */
static struct item *
item_new(char *xml, size_t len)
{
	struct item	*it;

	if (xml == NULL || (it = calloc(1, sizeof(*it))) == NULL) {
		free(xml);
		return NULL;
	}
	it->refs = 1;
	it->xml = xml;
	it->len = len;
	return it;
}

/* Taken: acknowledged by the program; else it got away without. */
static void
post_drop(struct im *im, struct location *l, struct post *e, int taken)
{
	struct delivery	*d = e->item->d;

	TAILQ_REMOVE(&l->posts, e, entry);
	l->n--;
	l->octets -= e->item->len;
	if (d != NULL && (taken || --d->nloc == 0))
		delivery_end(im, d, taken);
	item_release(e->item);
	free(e);
}

static void
location_end(struct im *im, struct location *l)
{
	struct user	*u = l->u;
	struct post	*e;

	TAILQ_REMOVE(&u->locations, l, entry);
	u->nloc--;
	if (l->held != NULL)
		wsp_refuse(l->held, 550, "this location has ended");
	while ((e = TAILQ_FIRST(&l->posts)) != NULL)
		post_drop(im, l, e, 0);
	location_free(l);
	if (u->nloc > 0)
		return;
	presence_spread(im, u, "offline");
	user_free(im, u);
}

/*
 * To each of the user's programs.  One that does not take them is let go, but
 * by the next tick: its end is told to others, and we may be doing that.
 */
static void
item_push(struct im *im, struct user *u, struct item *it)
{
	struct location	*l;
	struct post	*e;

	TAILQ_FOREACH(l, &u->locations, entry) {
		if (l->until == 0)
			continue;
		if (l->n >= POSTS_MAX ||
		    l->octets + it->len > (size_t)im->backlog ||
		    (e = calloc(1, sizeof(*e))) == NULL) {
			wsp_log(im->w, "%s: a location takes nothing and is "
			    "ended", u->addr);
			l->until = 0;
			continue;
		}
		e->item = it;
		it->refs++;
		if (it->d != NULL)
			it->d->nloc++;
		e->number = ++l->last;
		TAILQ_INSERT_TAIL(&l->posts, e, entry);
		l->n++;
		l->octets += it->len;
		if (l->held != NULL)
			location_answer(l);
		else if (l->host != NULL)
			(void)location_wake(im, l);
	}
}

static void
location_free(struct location *l)
{
	free(l->host);
	free(l->port);
	free(l);
}

/*
 * A program that listens need not wait here: it is told its location's name,
 * and nothing else, where it said, if that is granted.  -1 and errno.
 */
static int
location_wake(struct im *im, struct location *l)
{
	char	*id;

	/* Once a second; what comes in between must not wait for the next. */
	l->wake = l->woken == now();
	if (l->wake)
		return 0;
	if ((id = strdup(l->id)) == NULL)
		return -1;
	if (wsp_connect(im->w, l->host, l->port, woken, id) == -1) {
		free(id);
		return -1;
	}
	l->woken = now();
	return 0;
}

/* What is not heard is not repeated: the next event tries again. */
static void
woken(struct wsp *w, int fd, int error, void *id)
{
	(void)w;
	(void)error;
	if (fd != -1) {
		(void)!write(fd, id, strlen(id));
		(void)!write(fd, "\n", 1);
		close(fd);
	}
	free(id);
}

/* What is there, to the request that waits for it. */
static void
location_answer(struct location *l)
{
	struct wsp_call	*c = l->held;
	struct post	*e;
	char		*xml = NULL;
	size_t		 len;
	FILE		*f;

	l->held = NULL;
	if ((f = open_memstream(&xml, &len)) == NULL) {
		wsp_defer(c, "out of memory");
		return;
	}
	fprintf(f, "<Events xmlns=\"" NS "\"><Location>%s</Location>", l->id);
	/*
	 * One message at a time: their Ids are their senders' choice, and two
	 * of the same would spoil the answer.
	 */
	TAILQ_FOREACH(e, &l->posts, entry) {
		fprintf(f, "<Event Number=\"%llu\">%s</Event>", e->number,
		    e->item->xml);
		if (e->item->message)
			break;
	}
	fputs("</Events>", f);
	if (fclose(f) == EOF)
		wsp_defer(c, "out of memory");
	else
		wsp_result(c, xml, len);
	free(xml);
}

/* --- deliveries ----------------------------------------------------------- */

/* Nobody has it: the flags say where it goes. */
static void
undeliverable(struct wsp_call *c, const char *why)
{
	if (wsp_message(c)->flags & FLAG_DROP)
		wsp_taken(c, why);
	else
		wsp_continue(c);
}

static void
delivery_end(struct im *im, struct delivery *d, int taken)
{
	TAILQ_REMOVE(&im->deliveries, d, entry);
	d->item->d = NULL;
	if (taken)
		wsp_taken(d->c, "taken by the user's program");
	else
		undeliverable(d->c, "dropped: no program took it");
	item_release(d->item);
	free(d);
}

/* A package as WSEmailRetrieve has it. */
static char *
message_xml(const struct wsp_message *m, size_t *len)
{
	char	*xml = NULL;
	FILE	*f;

	if ((f = open_memstream(&xml, len)) == NULL)
		return NULL;
	fputs("<Message><w:WSEmailPackage xmlns:w=\"" NS_MAIL "\">", f);
	fwrite(m->xml, 1, m->xml_len, f);
	fputs("<w:sig>", f);
	fwrite(m->sig, 1, m->sig_len, f);
	fputs("</w:sig></w:WSEmailPackage></Message>", f);
	if (fclose(f) == 0)
		return xml;
	free(xml);
	return NULL;
}

static void
delivery_push(struct im *im, struct wsp_call *c, struct user *u)
{
	struct delivery	*d;
	size_t		 len = 0;
	char		*xml = message_xml(wsp_message(c), &len);

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->item = item_new(xml, len)) == NULL) {
		free(d);
		undeliverable(c, "dropped: out of memory");
		return;
	}
	d->c = c;
	d->item->d = d;
	d->item->message = 1;
	d->until = now() + im->ack;
	/* Counted itself while it is pushed: locations may end by that. */
	d->nloc = 1;
	TAILQ_INSERT_TAIL(&im->deliveries, d, entry);
	item_push(im, u, d->item);
	if (--d->nloc == 0)
		delivery_end(im, d, 0);
}

static void
delivery(struct wsp *w, struct wsp_call *c)
{
	const struct wsp_message *m = wsp_message(c);
	struct im		*im = wsp_get(w);
	const char		*to = m->rcpt[0];
	struct user		*u = user_find(im, to);
	enum access		 may;

	if ((m->flags & FLAG_INSTANT) == 0) {
		wsp_continue(c);
		return;
	}
	may = access_of(im, to, m->sender);
	if (may == MUST_ASK && ask(im, to, m->sender) == -1)
		may = TO_MAILBOX;
	if (may == MAY_NOT)
		wsp_refuse(c, 553, "instant messages from this sender are "
		    "not taken");
	else if (may != MAY)
		undeliverable(c, "dropped: the recipient was not asked yet");
	else if (u == NULL)
		undeliverable(c, "dropped: the recipient is not there");
	else if (m->size > (size_t)im->backlog / 2)
		undeliverable(c, "dropped: too large (option backlog)");
	else if (m->xml == NULL || m->sig == NULL) {
		if (!im->told++)
			wsp_log(w, "a message is not shown to it (grant "
			    "bodies, message-size)");
		undeliverable(c, "dropped: it cannot be read");
	} else
		delivery_push(im, c, u);
}

/* --- who may reach whom --------------------------------------------------- */

/* Octets of the key, or 0: too long. */
static int
contact_key(char *key, const char *user, const char *other)
{
	int	 n = snprintf(key, KEY_MAX, "c%s%c%s", user, '\0', other);

	return n < 0 || n >= KEY_MAX ? 0 : n;
}

/* flags: at least 8 octets.  0, or -1: the state cannot be read. */
static int
contact_get(struct im *im, const char *user, const char *other, char *flags)
{
	char		 key[KEY_MAX];
	const void	*v;
	size_t		 n;
	int		 len = contact_key(key, user, other);

	flags[0] = '\0';
	if (len == 0)
		return 0;
	if (wsp_state_get(im->w, key, (size_t)len, &v, &n) == -1)
		return errno == ENOENT ? 0 : -1;
	snprintf(flags, 8, "%.*s", (int)n, (const char *)v);
	return 0;
}

static int
contact_put(struct im *im, const char *user, const char *other,
    const char *flags)
{
	char	 key[KEY_MAX];
	int	 len = contact_key(key, user, other);

	if (len == 0) {
		errno = EINVAL;
		return -1;
	}
	if (*flags != '\0')
		return wsp_state_put(im->w, key, (size_t)len, flags,
		    strlen(flags));
	return wsp_state_del(im->w, key, (size_t)len) == 0 ||
	    errno == ENOENT ? 0 : -1;
}

/* Of the letters less goes, more comes. */
static int
contact_change(struct im *im, const char *user, const char *other,
    const char *less, const char *more)
{
	static const char	 all[] = "abfp";
	char			 was[8], is[8], *p = is;
	size_t			 i;

	if (contact_get(im, user, other, was) == -1)
		return -1;
	for (i = 0; all[i] != '\0'; i++)
		if (strchr(more, all[i]) != NULL ||
		    (strchr(was, all[i]) != NULL &&
		    strchr(less, all[i]) == NULL))
			*p++ = all[i];
	*p = '\0';
	return strcmp(was, is) == 0 ? 0 : contact_put(im, user, other, is);
}

/* The user has fewer than max contacts with that letter; 0: any. */
static int
contact_room(struct im *im, const char *user, char letter, long max)
{
	char		 key[KEY_MAX];
	const void	*k, *v;
	size_t		 kl, vl, prefix;
	int		 len = contact_key(key, user, "");
	long		 n = 0;

	prefix = (size_t)len;
	while (len > 0 && wsp_state_next(im->w, key, (size_t)len, &k, &kl, &v,
	    &vl) == 0 && kl < KEY_MAX && kl > prefix &&
	    memcmp(k, key, prefix) == 0) {
		if (letter == 0 || memchr(v, letter, vl) != NULL)
			n++;
		/* From behind this one on. */
		memcpy(key, k, kl);
		key[kl] = '\0';
		len = (int)kl + 1;
	}
	return n < max;
}

/* The administrator's list has the address, its domain, or all. */
static int
listed(struct im *im, const char *list, const char *addr)
{
	const char	*name, *value, *domain = strchr(addr, '@');
	size_t		 i;

	for (i = 0; (name = wsp_option_at(im->w, i, &value)) != NULL; i++)
		if (strcmp(name, list) == 0 && (strcmp(value, "*") == 0 ||
		    strcasecmp(value, addr) == 0 || (domain != NULL &&
		    strcasecmp(value, domain + 1) == 0)))
			return 1;
	return 0;
}

static enum access
access_of(struct im *im, const char *user, const char *sender)
{
	char	 flags[8];

	if (listed(im, "block", sender) ||
	    contact_get(im, user, sender, flags) == -1)
		return MAY_NOT;
	if (strchr(flags, 'b') != NULL)
		return MAY_NOT;
	if (strchr(flags, 'a') != NULL || listed(im, "allow", sender) ||
	    im->strangers == ST_ALLOW)
		return MAY;
	return im->strangers == ST_ASK ? MUST_ASK :
	    im->strangers == ST_MAILBOX ? TO_MAILBOX : MAY_NOT;
}

/* That the other asks is kept for the user, and told if it is news. */
static int
ask(struct im *im, const char *user, const char *other)
{
	struct user	*u = user_find(im, user);
	char		 flags[8];

	if (contact_get(im, user, other, flags) == -1)
		return -1;
	if (strpbrk(flags, "abp") != NULL)
		return 0;
	if (!contact_room(im, user, 'p', ASKING_MAX) ||
	    contact_change(im, user, other, "", "p") == -1)
		return -1;
	if (u != NULL)
		tell_address(im, u, "Request", other);
	return 0;
}

/* --- presence ------------------------------------------------------------- */

/* <what><Address>...</Address></what> */
static void
tell_address(struct im *im, struct user *u, const char *what,
    const char *address)
{
	struct item	*it;
	char		*a = wsp_escape(address), *xml = NULL;
	int		 n;

	n = a == NULL ? -1 : asprintf(&xml, "<%s><Address>%s</Address></%s>",
	    what, a, what);
	free(a);
	if (n == -1 || (it = item_new(xml, (size_t)n)) == NULL) {
		wsp_log(im->w, "%s: out of memory", u->addr);
		return;
	}
	item_push(im, u, it);
	item_release(it);
}

static void
presence_tell(struct im *im, struct user *to, const char *whose,
    const char *state, const char *text)
{
	struct item	*it;
	char		*a = wsp_escape(whose), *t = wsp_escape(text);
	char		*xml = NULL;
	int		 n = -1;

	if (a != NULL && t != NULL)
		n = asprintf(&xml, "<Presence><Address>%s</Address><State>%s"
		    "</State><Text>%s</Text></Presence>", a, state, t);
	free(a);
	free(t);
	if (n == -1 || (it = item_new(xml, (size_t)n)) == NULL) {
		wsp_log(im->w, "%s: out of memory", to->addr);
		return;
	}
	item_push(im, to, it);
	item_release(it);
}

/* B follows A, and A has allowed B. */
static int
may_see(struct im *im, const char *b, const char *a)
{
	char	 of_b[8], of_a[8];

	return contact_get(im, b, a, of_b) == 0 &&
	    strchr(of_b, 'f') != NULL &&
	    contact_get(im, a, b, of_a) == 0 && strchr(of_a, 'a') != NULL;
}

static const char *
shown_state(const struct user *u)
{
	return strcmp(u->state, "invisible") == 0 ? "offline" : u->state;
}

/* To all who are here and may see it. */
static void
presence_spread(struct im *im, struct user *u, const char *state)
{
	struct user	*to;

	TAILQ_FOREACH(to, &im->users, entry)
		if (to != u && may_see(im, to->addr, u->addr))
			presence_tell(im, to, u->addr, state,
			    strcmp(state, "offline") == 0 ? "" : u->text);
}

/* What a program that has just come is told of the others. */
static void
presence_all(struct im *im, struct user *u)
{
	struct user	*of;

	TAILQ_FOREACH(of, &im->users, entry)
		if (of != u && strcmp(shown_state(of), "offline") != 0 &&
		    may_see(im, u->addr, of->addr))
			presence_tell(im, u, of->addr, shown_state(of),
			    of->text);
}

/* --- what programs ask ---------------------------------------------------- */

static struct location *
location_find(struct im *im, struct wsp_call *c, const char *user)
{
	struct user	*u = user_find(im, user);
	const char	*id = wsp_arg(c, "Location");
	struct location	*l = NULL;

	if (u != NULL && id != NULL)
		TAILQ_FOREACH(l, &u->locations, entry)
			if (l->until != 0 && strcmp(l->id, id) == 0)
				break;
	if (l == NULL)
		wsp_refuse(c, 550, "no such location");
	return l;
}

/* Address and Port, or neither.  -1: refused. */
static int
register_where(struct im *im, struct wsp_call *c, struct location *l)
{
	const char	*s;

	if ((s = wsp_arg(c, "Address")) != NULL)
		l->host = strdup(s);
	if ((s = wsp_arg(c, "Port")) != NULL)
		l->port = strdup(s);
	if (l->host == NULL && l->port == NULL)
		return 0;
	if (l->host == NULL || l->port == NULL) {
		wsp_refuse(c, 500, "Address and Port belong together");
		return -1;
	}
	if (location_wake(im, l) == 0)
		return 0;
	if (errno == EPERM)
		wsp_refuse(c, 553, "this address and port are not granted");
	else
		wsp_defer(c, "that cannot be connected to now");
	return -1;
}

static void
on_register(struct im *im, struct wsp_call *c, const char *user)
{
	struct user	*u = user_find(im, user);
	struct location	*l;
	char		 xml[256];
	unsigned int	 i;
	int		 came = u == NULL;

	if (u != NULL && u->nloc >= (unsigned int)im->locations) {
		wsp_refuse(c, 553, "too many locations (option locations)");
		return;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		wsp_defer(c, "out of memory");
		return;
	}
	TAILQ_INIT(&l->posts);
	for (i = 0; i < ID_LEN; i += 8)
		snprintf(l->id + i, 9, "%08x", (unsigned int)arc4random());
	if (register_where(im, c, l) == -1) {
		location_free(l);
		return;
	}
	if (u == NULL && (u = user_new(im, user)) == NULL) {
		location_free(l);
		wsp_defer(c, "out of memory");
		return;
	}
	l->u = u;
	l->until = now() + im->expiry;
	TAILQ_INSERT_TAIL(&u->locations, l, entry);
	u->nloc++;
	i = (unsigned int)snprintf(xml, sizeof(xml), "<Registered xmlns=\"" NS
	    "\"><Location>%s</Location><Expires>%ld</Expires></Registered>",
	    l->id, im->expiry);
	wsp_result(c, xml, i);
	presence_all(im, u);
	if (came)
		presence_spread(im, u, shown_state(u));
}

/* A number of the request, 0 when it is absent; -1: refused. */
static int
number(struct wsp_call *c, const char *name, long long max, long long *v)
{
	const char	*s = wsp_arg(c, name);
	char		*end;

	if (s == NULL)
		return 0;
	errno = 0;
	*v = strtoll(s, &end, 10);
	if (errno == 0 && end != s && *end == '\0' && *v >= 0 && *v <= max)
		return 0;
	wsp_refuse(c, 500, "a number is malformed or out of range");
	return -1;
}

/* After: the last that the program has; it gets what is behind that. */
static void
on_take(struct im *im, struct wsp_call *c, const char *user)
{
	struct location	*l;
	struct post	*e;
	long long	 after = 0, wait = HOLD_DEFAULT;

	if (number(c, "After", INT64_MAX, &after) == -1 ||
	    number(c, "Wait", HOLD_MAX, &wait) == -1 ||
	    (l = location_find(im, c, user)) == NULL)
		return;
	while ((e = TAILQ_FIRST(&l->posts)) != NULL &&
	    e->number <= (unsigned long long)after)
		post_drop(im, l, e, 1);
	if (l->held != NULL)
		location_answer(l);	/* the program has given it up */
	l->until = now() + wait + im->expiry;
	l->held_until = now() + wait;
	l->held = c;
	if (e != NULL || wait == 0)
		location_answer(l);
}

static void
on_unregister(struct im *im, struct wsp_call *c, const char *user)
{
	struct location	*l = location_find(im, c, user);

	if (l == NULL)
		return;
	location_end(im, l);
	wsp_result(c, NULL, 0);
}

static void
put_contact(struct im *im, FILE *f, const char *user, const char *other,
    const char *flags)
{
	struct user	*u = user_find(im, other);
	char		*a = wsp_escape(other), *t = NULL;
	int		 seen = u != NULL && may_see(im, user, other) &&
			    strcmp(shown_state(u), "offline") != 0;

	if (seen)
		t = wsp_escape(u->text);
	fprintf(f, "<Contact><Address>%s</Address><Access>%s</Access>"
	    "<Follows>%s</Follows><State>%s</State><Text>%s</Text></Contact>",
	    a == NULL ? "" : a, strchr(flags, 'b') != NULL ? "blocked" :
	    strchr(flags, 'a') != NULL ? "allowed" :
	    strchr(flags, 'p') != NULL ? "asks" : "none",
	    strchr(flags, 'f') != NULL ? "true" : "false",
	    seen ? shown_state(u) : "offline", t == NULL ? "" : t);
	free(a);
	free(t);
}

static void
on_contacts(struct im *im, struct wsp_call *c, const char *user)
{
	char		 key[KEY_MAX], other[KEY_MAX], flags[8], *xml = NULL;
	const void	*k, *v;
	size_t		 kl, vl, len, prefix;
	FILE		*f = open_memstream(&xml, &len);
	int		 n = contact_key(key, user, "");

	if (f == NULL) {
		wsp_defer(c, "out of memory");
		return;
	}
	prefix = (size_t)n;
	fputs("<Contacts xmlns=\"" NS "\">", f);
	while (n > 0 && wsp_state_next(im->w, key, (size_t)n, &k, &kl, &v,
	    &vl) == 0 && kl < KEY_MAX && kl > prefix &&
	    memcmp(k, key, prefix) == 0) {
		memcpy(key, k, kl);
		key[kl] = '\0';
		n = (int)kl + 1;
		/* The state's next call voids what this one handed out. */
		snprintf(flags, sizeof(flags), "%.*s", (int)vl,
		    (const char *)v);
		snprintf(other, sizeof(other), "%s", key + prefix);
		put_contact(im, f, user, other, flags);
	}
	fputs("</Contacts>", f);
	if (fclose(f) == EOF)
		wsp_defer(c, "out of memory");
	else
		wsp_result(c, xml, len);
	free(xml);
}

/* Address, in lower case; NULL: refused. */
static char *
address(struct wsp_call *c, const char *user)
{
	const char	*s = wsp_arg(c, "Address"), *at;
	char		*a, *p;

	at = s == NULL ? NULL : strchr(s, '@');
	if (at == NULL || at == s || at[1] == '\0' || strchr(at + 1, '@') !=
	    NULL || strlen(s) > ADDRESS_MAX || strpbrk(s, " \t\r\n") != NULL) {
		wsp_refuse(c, 500, "Address is not an address");
		return NULL;
	}
	if ((a = strdup(s)) == NULL) {
		wsp_defer(c, "out of memory");
		return NULL;
	}
	for (p = a; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (strcmp(a, user) != 0)
		return a;
	free(a);
	wsp_refuse(c, 500, "Address is the user's own");
	return NULL;
}

/* One letter for another on the user's list.  -1: refused. */
static int
change(struct im *im, struct wsp_call *c, const char *user, const char *other,
    const char *less, const char *more)
{
	char	 flags[8];

	if (contact_get(im, user, other, flags) == 0 && flags[0] == '\0' &&
	    *more != '\0' && !contact_room(im, user, 0, im->contacts)) {
		wsp_refuse(c, 553, "too many contacts (option contacts)");
		return -1;
	}
	if (contact_change(im, user, other, less, more) == 0)
		return 0;
	if (errno == EDQUOT)
		wsp_refuse(c, 552, "no room for contacts (grant state)");
	else if (errno == EINVAL)
		wsp_refuse(c, 500, "the address is too long");
	else
		wsp_defer(c, "the contacts cannot be written");
	return -1;
}

/* The other may follow us: what they see now is told to them. */
static void
on_allow(struct im *im, struct wsp_call *c, const char *user)
{
	struct user	*u, *to;
	char		*other = address(c, user);

	if (other == NULL)
		return;
	if (change(im, c, user, other, "bp", "a") == 0) {
		wsp_result(c, NULL, 0);
		u = user_find(im, user);
		to = user_find(im, other);
		if (u != NULL && to != NULL && may_see(im, other, user))
			presence_tell(im, to, user, shown_state(u), u->text);
	}
	free(other);
}

static void
on_block(struct im *im, struct wsp_call *c, const char *user)
{
	struct user	*to;
	char		*other = address(c, user);

	if (other == NULL)
		return;
	to = user_find(im, other);
	if (to != NULL && user_find(im, user) != NULL &&
	    may_see(im, other, user))
		presence_tell(im, to, user, "offline", "");
	if (change(im, c, user, other, "afp", "b") == 0)
		wsp_result(c, NULL, 0);
	free(other);
}

/* Who asks for another's presence lets them have theirs. */
static void
on_ask(struct im *im, struct wsp_call *c, const char *user)
{
	struct user	*u, *of;
	char		*other = address(c, user);

	if (other == NULL)
		return;
	if (change(im, c, user, other, "bp", "af") == 0) {
		if (access_of(im, other, user) == MUST_ASK)
			(void)ask(im, other, user);
		wsp_result(c, NULL, 0);
		u = user_find(im, user);
		of = user_find(im, other);
		if (u != NULL && of != NULL && may_see(im, user, other))
			presence_tell(im, u, other, shown_state(of), of->text);
	}
	free(other);
}

static void
on_forget(struct im *im, struct wsp_call *c, const char *user)
{
	char	*other = address(c, user);

	if (other == NULL)
		return;
	if (change(im, c, user, other, "abfp", "") == 0)
		wsp_result(c, NULL, 0);
	free(other);
}

static void
on_presence(struct im *im, struct wsp_call *c, const char *user)
{
	static const char *const	 states[] = { "available", "away",
					    "busy", "invisible" };
	struct user			*u = user_find(im, user);
	const char			*s;
	size_t				 i, n = 4;

	if (u == NULL) {
		wsp_refuse(c, 550, "no location is registered");
		return;
	}
	s = wsp_arg(c, "State");
	for (i = 0; s != NULL && i < n; i++)
		if (strcmp(states[i], s) == 0)
			break;
	if (s == NULL || i == n) {
		wsp_refuse(c, 500, "State: expected available, away, busy or "
		    "invisible");
		return;
	}
	s = wsp_arg(c, "Text");
	if (s != NULL && strlen(s) > TEXT_MAX) {
		wsp_refuse(c, 500, "Text is too long");
		return;
	}
	u->state = states[i];
	snprintf(u->text, sizeof(u->text), "%s", s == NULL ? "" : s);
	wsp_result(c, NULL, 0);
	presence_spread(im, u, shown_state(u));
}

static void
extension(struct wsp *w, struct wsp_call *c)
{
	static const struct {
		const char	*name;
		void		(*on)(struct im *, struct wsp_call *,
				    const char *);
	} methods[] = {
		{ "Register", on_register },	{ "Take", on_take },
		{ "Unregister", on_unregister }, { "Contacts", on_contacts },
		{ "Allow", on_allow },		{ "Block", on_block },
		{ "Ask", on_ask },		{ "Forget", on_forget },
		{ "SetPresence", on_presence },
	};
	const char	*method = wsp_method(c);
	char		 user[ADDRESS_MAX + 1];
	size_t		 i;

	/* What the call has ends with its verdict. */
	snprintf(user, sizeof(user), "%s", wsp_env(c)->principal);
	if (!wsp_env(c)->local) {
		wsp_refuse(c, 553, "for users of this server");
		return;
	}
	for (i = 0; method != NULL &&
	    i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, method) == 0) {
			methods[i].on(wsp_get(w), c, user);
			return;
		}
	wsp_refuse(c, 500, "expected Register, Take, Unregister, Contacts, "
	    "Allow, Block, Ask, Forget or SetPresence");
}

/* --- time ----------------------------------------------------------------- */

/* A program that had a message and said nothing is gone. */
static void
overdue(struct im *im, struct delivery *d)
{
	struct user	*u = user_find(im, wsp_message(d->c)->rcpt[0]);
	struct location	*l;
	struct post	*e;

	if (u == NULL)
		return;
	TAILQ_FOREACH(l, &u->locations, entry)
		TAILQ_FOREACH(e, &l->posts, entry)
			if (e->item->d == d)
				l->until = 0;
}

static void
tick(struct wsp *w)
{
	struct im	*im = wsp_get(w);
	struct delivery	*d;
	struct user	*u, *nextu;
	struct location	*l, *next;
	time_t		 t = now();

	TAILQ_FOREACH(d, &im->deliveries, entry)
		if (d->until <= t)
			overdue(im, d);
	for (u = TAILQ_FIRST(&im->users); u != NULL; u = nextu) {
		nextu = TAILQ_NEXT(u, entry);
		for (l = TAILQ_FIRST(&u->locations); l != NULL; l = next) {
			/* With the last one its user goes. */
			next = TAILQ_NEXT(l, entry);
			if (l->until <= t)
				location_end(im, l);
			else if (l->held != NULL && l->held_until <= t)
				location_answer(l);
			else if (l->wake)
				(void)location_wake(im, l);
		}
	}
}
