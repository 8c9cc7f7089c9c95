/* SPDX-License-Identifier: ISC */
/*
 * `wsctl user`: the users table, which wsctl alone writes and wsmtpd reads.
 * Works with and without a daemon; a running one is told.  Called by
 * wsctl.c.
 */
#include "compat.h"

#include <sys/file.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <sysexits.h>

#include "addr.h"
#include "users.h"
#include "wsctl.h"

#define PASSWORD_MAX	1024

/* One command's arguments and the table it works on. */
struct user_cmd {
	const struct wsctl *w;
	char		*path;		/* of the table */
	struct conf	*conf;		/* the daemon's, or NULL with -u */
	struct conf	*table;		/* holds the users */
	int		 lock;
	const char	*options;	/* the command's, for getopt(3) */
	const char	*password;	/* -p's argument, or NULL: the terminal */
	int64_t		 quota;		/* -q; -1: default, -2: not given */
	char		 name[ADDR_MAX + 1];
};

static int	 user_add(struct user_cmd *);
static int	 user_passwd(struct user_cmd *);
static int	 user_remove(struct user_cmd *);
static int	 user_disable(struct user_cmd *);
static int	 user_enable(struct user_cmd *);
static int	 user_quota(struct user_cmd *);
static int	 user_list(struct user_cmd *);
static int	 user_options(struct user_cmd *, int, char **, int);
static int	 user_open(struct user_cmd *, int);
static int	 user_run(struct user_cmd *, int (*)(struct user_cmd *), int);
static void	 user_close(struct user_cmd *);
static int	 user_set_password(struct user_cmd *, struct conf_user *);
static int	 user_read_password(struct user_cmd *, char *, size_t);
static int	 user_set_disabled(struct user_cmd *, int);
static int	 user_parse_octets(const char *, int64_t *);
static struct conf_user *user_find(struct user_cmd *);
static void	 user_free(struct conf_user *);
static void	 user_usage(void);

static const struct {
	const char	*word;
	int		(*fn)(struct user_cmd *);
	const char	*options;
	int		 writes;	/* and takes an address */
} user_cmds[] = {
	{ "add",	user_add,	"+p:q:",	1 },
	{ "passwd",	user_passwd,	"+p:",		1 },
	{ "remove",	user_remove,	"+",		1 },
	{ "disable",	user_disable,	"+",		1 },
	{ "enable",	user_enable,	"+",		1 },
	{ "quota",	user_quota,	"+q:",		1 },
	{ "list",	user_list,	"+",		0 },
};

static void
user_usage(void)
{
	fprintf(stderr,
	    "usage: wsctl [-f file | -u users] user add [-p -] [-q size] address\n"
	    "       wsctl [-f file | -u users] user passwd [-p -] address\n"
	    "       wsctl [-f file | -u users] user quota -q size|default address\n"
	    "       wsctl [-f file | -u users] user remove|disable|enable address\n"
	    "       wsctl [-f file | -u users] [-o json] user list\n");
}

int
user_main(const struct wsctl *w, int argc, char **argv)
{
	struct user_cmd	 u = { .w = w, .lock = -1, .quota = -2 };
	size_t		 i, hit = nitems(user_cmds), n = 0;

	for (i = 0; argc > 1 && i < nitems(user_cmds); i++)
		if (strncmp(user_cmds[i].word, argv[1], strlen(argv[1])) == 0) {
			hit = i;
			n++;
		}
	if (n != 1) {
		if (argc > 1)
			warnx("unknown word \"%s\"", argv[1]);
		user_usage();
		return EX_USAGE;
	}
	u.options = user_cmds[hit].options;
	if (user_options(&u, argc - 1, argv + 1, user_cmds[hit].writes) == -1)
		return EX_USAGE;
	return user_run(&u, user_cmds[hit].fn, user_cmds[hit].writes);
}

/* argv[0] is the word.  0, or -1 after a message. */
static int
user_options(struct user_cmd *u, int argc, char **argv, int has_address)
{
	int	 ch;

	while ((ch = getopt(argc, argv, u->options)) != -1) {
		switch (ch) {
		case 'p':
			/* Arguments are seen by everyone on the machine. */
			if (strcmp(optarg, "-") != 0) {
				warnx("-p takes only -, for standard input");
				return -1;
			}
			u->password = optarg;
			break;
		case 'q':
			if (strcmp(optarg, "default") == 0)
				u->quota = -1;
			else if (user_parse_octets(optarg, &u->quota) == -1) {
				warnx("-q %s: expected octets, as 500M or 2G, "
				    "or default", optarg);
				return -1;
			}
			break;
		default:
			user_usage();
			return -1;
		}
	}
	if (argc - optind != has_address) {
		user_usage();
		return -1;
	}
	if (has_address && addr_normalize(argv[optind], u->name,
	    sizeof(u->name)) == -1) {
		warnx("%s: expected user@domain", argv[optind]);
		return -1;
	}
	if (has_address && !users_is_name(u->name)) {
		warnx("%s: a user's name cannot begin with #", u->name);
		return -1;
	}
	return 0;
}

static int
user_parse_octets(const char *s, int64_t *out)
{
	static const char	 unit[] = "KMGT";
	char			 num[24];
	const char		*p, *why;
	long long		 n;
	size_t			 k = strspn(s, "0123456789");
	int			 shift = 0;

	if (k == 0 || k >= sizeof(num))
		return -1;
	memcpy(num, s, k);
	num[k] = '\0';
	if (s[k] != '\0') {
		if ((p = strchr(unit, s[k])) == NULL || s[k + 1] != '\0')
			return -1;
		shift = 10 * (int)(p - unit + 1);
	}
	n = strtonum(num, 0, INT64_MAX >> shift, &why);
	if (why != NULL)
		return -1;
	*out = n << shift;
	return 0;
}

/* Finds the table, takes the lock when it will be written, and reads it. */
static int
user_open(struct user_cmd *u, int writes)
{
	char	 why[256], *lock;
	int	 code, ret;

	if (u->w->users_path != NULL)
		u->path = strdup(u->w->users_path);
	else {
		u->conf = wsctl_conf(u->w->conf_path != NULL ?
		    u->w->conf_path : PATH_CONF, &code);
		if (u->conf == NULL)
			return code;
		if (u->conf->users_path == NULL) {
			warnx("the configuration names no users table");
			return EX_CONFIG;
		}
		u->path = strdup(u->conf->users_path);
	}
	if (u->path == NULL || (u->table = conf_new()) == NULL)
		err(EX_OSERR, NULL);
	if (writes) {
		if (asprintf(&lock, "%s.lock", u->path) == -1)
			err(EX_OSERR, NULL);
		u->lock = open(lock, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);
		if (u->lock == -1 || flock(u->lock, LOCK_EX) == -1) {
			ret = errno == EACCES ? EX_NOPERM : EX_CANTCREAT;
			warn("%s", lock);
			free(lock);
			return ret;
		}
		free(lock);
	}
	if (users_read(u->table, u->path, why, sizeof(why)) == -1 &&
	    (errno != ENOENT || !writes)) {
		ret = errno == EACCES ? EX_NOPERM :
		    errno == ENOENT ? EX_NOINPUT : EX_DATAERR;
		warnx("%s: %s", u->path, why);
		return ret;
	}
	return EX_OK;
}

static void
user_close(struct user_cmd *u)
{
	if (u->lock != -1)
		close(u->lock);
	if (u->conf != NULL)
		conf_free(u->conf);
	if (u->table != NULL)
		conf_free(u->table);
	free(u->path);
}

static int
user_run(struct user_cmd *u, int (*fn)(struct user_cmd *), int writes)
{
	int	 code;

	if ((code = user_open(u, writes)) == EX_OK &&
	    (code = fn(u)) == EX_OK && writes) {
		if (users_write(u->table, u->path) == -1) {
			code = errno == EACCES ? EX_NOPERM : EX_CANTCREAT;
			warn("%s", u->path);
		} else if (u->w->users_path == NULL || u->w->socket != NULL)
			code = wsctl_tell(u->w, CTL_USERS);
	}
	user_close(u);
	return code;
}

static struct conf_user *
user_find(struct user_cmd *u)
{
	struct conf_user	*cu;

	if ((cu = conf_user(u->table, u->name)) == NULL)
		warnx("%s: no such user in %s", u->name, u->path);
	return cu;
}

static void
user_free(struct conf_user *cu)
{
	if (cu->text != NULL)
		freezero(cu->text, strlen(cu->text));
	if (cu->mac != NULL)
		freezero(cu->mac, strlen(cu->mac));
	free(cu->name);
	free(cu);
}

static int
user_add(struct user_cmd *u)
{
	struct conf_user	*cu;
	int			 code;

	if (conf_user(u->table, u->name) != NULL) {
		warnx("%s: is in %s already", u->name, u->path);
		return EX_DATAERR;
	}
	if (u->conf != NULL && conf_domain(u->conf, addr_domain(u->name)) ==
	    NULL) {
		warnx("%s: the configuration has no domain \"%s\"", u->name,
		    addr_domain(u->name));
		return EX_DATAERR;
	}
	if ((cu = calloc(1, sizeof(*cu))) == NULL ||
	    (cu->name = strdup(u->name)) == NULL)
		err(EX_OSERR, NULL);
	cu->quota = u->quota == -2 ? -1 : u->quota;
	if ((code = user_set_password(u, cu)) != EX_OK) {
		user_free(cu);
		return code;
	}
	TAILQ_INSERT_TAIL(&u->table->users, cu, entry);
	return EX_OK;
}

static int
user_passwd(struct user_cmd *u)
{
	struct conf_user	*cu;

	if ((cu = user_find(u)) == NULL)
		return EX_NOUSER;
	return user_set_password(u, cu);
}

static int
user_remove(struct user_cmd *u)
{
	struct conf_user	*cu;

	if ((cu = user_find(u)) == NULL)
		return EX_NOUSER;
	TAILQ_REMOVE(&u->table->users, cu, entry);
	user_free(cu);
	return EX_OK;
}

static int
user_set_disabled(struct user_cmd *u, int disabled)
{
	struct conf_user	*cu;

	if ((cu = user_find(u)) == NULL)
		return EX_NOUSER;
	cu->disabled = disabled;
	return EX_OK;
}

static int
user_disable(struct user_cmd *u)
{
	return user_set_disabled(u, 1);
}

static int
user_enable(struct user_cmd *u)
{
	return user_set_disabled(u, 0);
}

static int
user_quota(struct user_cmd *u)
{
	struct conf_user	*cu;

	if (u->quota == -2) {
		user_usage();
		return EX_USAGE;
	}
	if ((cu = user_find(u)) == NULL)
		return EX_NOUSER;
	cu->quota = u->quota;
	return EX_OK;
}

static int
user_list(struct user_cmd *u)
{
	struct out		 out = { u->w->output, stdout, OUT_TABLE, 0,
				    NULL };
	struct conf_user	*cu;
	struct wbuf		 w = { 0 };
	struct rbuf		 r;
	struct ctl_row		 row;

	if (u->w->output == &out_metrics) {
		warnx("-o metrics is for show stats and show sandbox");
		return EX_USAGE;
	}
	TAILQ_FOREACH(cu, &u->table->users, entry) {
		ctl_row_begin(&w, "user");
		ctl_row_str(&w, "name", cu->name);
		ctl_row_str(&w, "state", cu->disabled ? "disabled" : "enabled");
		if (cu->quota == -1)
			ctl_row_str(&w, "quota", "default");
		else
			ctl_row_int(&w, "quota", 'b', cu->quota);
		ctl_row_end(&w);
	}
	if (w.error)
		errx(EX_OSERR, "out of memory");
	rbuf_init(&r, w.data, w.len);
	memset(&row, 0, sizeof(row));
	out.ops->head(&out);
	while (ctl_row_get(&r, &row) == 1) {
		out.ops->row(&out, &row);
		out.nrows++;
		ctl_row_free(&row);
		memset(&row, 0, sizeof(row));
	}
	out.ops->tail(&out, NULL);
	wbuf_free(&w);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		return EX_IOERR;
	}
	return EX_OK;
}

static int
user_set_password(struct user_cmd *u, struct conf_user *cu)
{
	char	 password[PASSWORD_MAX + 2];
	int	 code;

	if ((code = user_read_password(u, password, sizeof(password))) ==
	    EX_OK && users_set_password(cu, password) == -1) {
		warn("cannot make a verifier");
		code = EX_OSERR;
	}
	explicit_bzero(password, sizeof(password));
	return code;
}

/* From the terminal twice, or the first line of standard input. */
static int
user_read_password(struct user_cmd *u, char *buf, size_t len)
{
	char	 again[PASSWORD_MAX + 2];
	int	 code = EX_OK;

	if (u->password != NULL) {
		/* Unbuffered: no copy of it stays in stdio. */
		setvbuf(stdin, NULL, _IONBF, 0);
		if (fgets(buf, (int)len, stdin) == NULL) {
			warnx("no password on standard input");
			return EX_NOINPUT;
		}
		buf[strcspn(buf, "\r\n")] = '\0';
	} else {
		if (readpassphrase("Password: ", buf, len,
		    RPP_REQUIRE_TTY) == NULL || readpassphrase("Again: ",
		    again, sizeof(again), RPP_REQUIRE_TTY) == NULL) {
			warnx("no terminal to ask for the password; "
			    "-p - reads standard input");
			return EX_NOINPUT;
		}
		if (strcmp(buf, again) != 0) {
			warnx("the two differ");
			code = EX_DATAERR;
		}
		explicit_bzero(again, sizeof(again));
	}
	if (code == EX_OK && buf[0] == '\0') {
		warnx("the password is empty");
		code = EX_DATAERR;
	}
	if (code == EX_OK && strlen(buf) > PASSWORD_MAX) {
		warnx("the password is longer than %d octets", PASSWORD_MAX);
		code = EX_DATAERR;
	}
	return code;
}
