/* SPDX-License-Identifier: ISC */
/*
 * ~/.wsmailrc: lines of a keyword and a value.  `account` begins a block and
 * what follows belongs to it.  The file never holds a password, only the
 * command that prints one.
 */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "addr.h"
#include "wsmail.h"

static int	 rc_account(struct accounts *, const char *, struct account **);
static int	 rc_auth(struct account *, const char *);
static int	 rc_line(struct accounts *, struct account **, char *,
		    const char **);
static char	*rc_home(const char *);

/* Keywords whose value is kept as it is, but for a leading ~/. */
static const struct {
	const char	*word;
	size_t		 off;
} rc_words[] = {
	{ "ca",			offsetof(struct account, ca) },
	{ "trust",		offsetof(struct account, trust) },
	{ "password-command",	offsetof(struct account, password_command) },
	{ "certificate",	offsetof(struct account, certificate) },
	{ "key",		offsetof(struct account, key) },
	{ "resolver",		offsetof(struct account, resolver) },
};

char *
rc_path(void)
{
	const char	*p;

	if ((p = getenv("WSMAILRC")) != NULL)
		return strdup(p);
	return rc_home("~/.wsmailrc");
}

/* "~/x" with the home directory in its place; anything else copied. */
static char *
rc_home(const char *s)
{
	const char	*home;
	char		*out;

	if (strncmp(s, "~/", 2) != 0 || (home = getenv("HOME")) == NULL)
		return strdup(s);
	if (asprintf(&out, "%s/%s", home, s + 2) == -1)
		return NULL;
	return out;
}

static int
rc_account(struct accounts *as, const char *value, struct account **ap)
{
	struct account	*a;
	char		 addr[ADDR_MAX + 1];

	if (addr_normalize(value, addr, sizeof(addr)) == -1 ||
	    rc_find(as, addr) != NULL)
		return -1;
	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->address = strdup(addr)) == NULL) {
		free(a);
		return -1;
	}
	TAILQ_INSERT_TAIL(as, a, entry);
	*ap = a;
	return 0;
}

static int
rc_auth(struct account *a, const char *value)
{
	static const struct {
		const char	*word;
		enum auth	 auth;
	} kinds[] = {
		{ "mac", AUTH_MAC },
		{ "password", AUTH_PASSWORD },
		{ "certificate", AUTH_CERTIFICATE },
	};
	size_t		 i;

	for (i = 0; i < nitems(kinds); i++) {
		if (strcmp(value, kinds[i].word) == 0 && !a->auth_set) {
			a->auth = kinds[i].auth;
			a->auth_set = 1;
			return 0;
		}
	}
	return -1;
}

int
rc_server(struct account *a, const char *value)
{
	const char	*end, *port;

	if (a->host != NULL)
		return -1;
	if (*value == '[') {
		if ((end = strchr(++value, ']')) == NULL)
			return -1;
		port = end[1] == ':' ? end + 2 : "443";
	} else {
		end = value + strcspn(value, ":");
		port = *end == ':' ? end + 1 : "443";
	}
	if (end == value || *port == '\0')
		return -1;
	a->host = strndup(value, (size_t)(end - value));
	a->port = strdup(port);
	return a->host != NULL && a->port != NULL ? 0 : -1;
}

/* One line; 0, or -1 with what was expected. */
static int
rc_line(struct accounts *as, struct account **cur, char *line,
    const char **expected)
{
	char		*word, *value, **field;
	size_t		 i;

	word = line + strspn(line, " \t");
	word[strcspn(word, "\r\n")] = '\0';
	if (*word == '\0' || *word == '#')
		return 0;
	value = word + strcspn(word, " \t");
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	if (*value == '\0') {
		*expected = "a value after the keyword";
		return -1;
	}
	if (strcmp(word, "account") == 0) {
		*expected = "account with an address not given before";
		return rc_account(as, value, cur);
	}
	if (*cur == NULL) {
		*expected = "account first";
		return -1;
	}
	if (strcmp(word, "auth") == 0) {
		*expected = "auth mac, password or certificate, once";
		return rc_auth(*cur, value);
	}
	if (strcmp(word, "server") == 0) {
		*expected = "server host[:port], once";
		return rc_server(*cur, value);
	}
	for (i = 0; i < nitems(rc_words); i++) {
		if (strcmp(word, rc_words[i].word) != 0)
			continue;
		field = (char **)((char *)*cur + rc_words[i].off);
		*expected = "each keyword once in an account";
		if (*field != NULL)
			return -1;
		return (*field = rc_home(value)) != NULL ? 0 : -1;
	}
	*expected = "account, server, ca, trust, auth, password-command, "
	    "certificate, key or resolver";
	return -1;
}

int
rc_read(const char *path, struct accounts *as)
{
	struct account	*cur = NULL;
	struct stat	 st;
	const char	*expected = NULL;
	FILE		*f;
	char		*line = NULL;
	size_t		 cap = 0, lineno = 0;
	int		 code = 0;

	if ((f = fopen(path, "re")) == NULL) {
		fprintf(stderr, "wsmail: %s: %s%s\n", path, strerror(errno),
		    errno == ENOENT ? " (wsmail setup makes one)" : "");
		return EX_CONFIG;
	}
	/*
	 * It names a command that is run, and that may have a secret in it:
	 * nobody else may write to it, nor read it.
	 */
	if (fstat(fileno(f), &st) == -1 || (st.st_mode & 077) != 0 ||
	    (st.st_uid != geteuid() && st.st_uid != 0)) {
		fprintf(stderr, "wsmail: %s: must be its user's own, with "
		    "nothing permitted to group and others (chmod 600)\n",
		    path);
		fclose(f);
		return EX_CONFIG;
	}
	while (code == 0 && getline(&line, &cap, f) != -1) {
		lineno++;
		if (rc_line(as, &cur, line, &expected) == -1) {
			fprintf(stderr, "wsmail: %s:%zu: expected %s\n", path,
			    lineno, expected);
			code = EX_CONFIG;
		}
	}
	if (ferror(f)) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		code = EX_IOERR;
	}
	free(line);
	fclose(f);
	return code;
}

/* The account of that address, or the first when address is NULL. */
struct account *
rc_find(struct accounts *as, const char *address)
{
	struct account	*a;

	TAILQ_FOREACH(a, as, entry)
		if (address == NULL || strcasecmp(a->address, address) == 0)
			return a;
	return NULL;
}

void
rc_free(struct accounts *as)
{
	struct account	*a;

	while ((a = TAILQ_FIRST(as)) != NULL) {
		TAILQ_REMOVE(as, a, entry);
		free(a->address);
		free(a->host);
		free(a->port);
		free(a->ca);
		free(a->trust);
		free(a->password_command);
		free(a->certificate);
		free(a->key);
		free(a->resolver);
		free(a);
	}
}
