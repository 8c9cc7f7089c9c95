/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd(8), the parent: reads the configuration, opens what must be opened
 * with its rights, starts the processes that do the work (spawn.c) and
 * watches over them.  It sees no data from the network and no XML.
 */
#include "compat.h"

#include <sys/un.h>

#include <errno.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "log.h"
#include "textout.h"
#include "wsmtpd.h"
#include "wstime.h"

#ifndef PATH_CONF
#define PATH_CONF	"/etc/wsmtpd.conf"
#endif
#ifndef PATH_LIBEXEC
#define PATH_LIBEXEC	"/usr/local/libexec/wsemail"
#endif

struct options {
	const char	*conf_path;
	const char	*libexec;
	int		 foreground, check, verbose, ready_fd;
};

static __dead void parent_usage(void);
static void	 parent_options(int, char **, struct options *);
static int	 parent_check(struct conf *, const struct options *);
static struct conf *parent_read(const char *path, int flags);
static char	*parent_absolute(const char *);
static int	 parent_detach(void);
static void	 parent_serve(struct parent *);
static int	 parent_start(struct parent *);
static int	 parent_signals(struct parent *);
static void	 parent_signal(evutil_socket_t, short, void *);
static void	 parent_confine(struct parent *);
static void	 parent_say_rights(const struct conf *);
static void	 parent_keep(struct conf *fresh, struct conf *old);
static void	 parent_leave_terminal(struct parent *);
static void	 parent_notify(const char *);
static void	 parent_free(struct parent *);

static __dead void
parent_usage(void)
{
	fprintf(stderr, "usage: wsmtpd [-dnv] [-D name=value] [-f file] "
	    "[-L libexecdir] [-R fd]\n");
	exit(EX_USAGE);
}

static void
parent_options(int argc, char **argv, struct options *o)
{
	const char	*why;
	int		 ch;

	memset(o, 0, sizeof(*o));
	o->conf_path = PATH_CONF;
	o->libexec = PATH_LIBEXEC;
	o->ready_fd = -1;
	while ((ch = getopt(argc, argv, "D:df:L:nR:v")) != -1) {
		switch (ch) {
		case 'D':
			if (parse_set_macro(optarg) == -1)
				errx(EX_USAGE, "-D %s: expected name=value",
				    optarg);
			break;
		case 'd':
			o->foreground = 1;
			break;
		case 'f':
			o->conf_path = optarg;
			break;
		case 'L':
			o->libexec = optarg;
			break;
		case 'n':
			o->check = 1;
			break;
		case 'R':
			o->ready_fd = (int)strtonum(optarg, 0, INT_MAX, &why);
			if (why != NULL)
				errx(EX_USAGE, "-R %s: %s", optarg, why);
			break;
		case 'v':
			o->verbose = 1;
			break;
		default:
			parent_usage();
		}
	}
	if (argc != optind)
		parent_usage();
}

int
main(int argc, char **argv)
{
	struct options	 o;
	struct parent	 p;

	if (textout_init() == -1)
		return EX_OSERR;
	parent_options(argc, argv, &o);
	/* Until the start is done, what goes wrong is said where it was asked. */
	log_init("wsmtpd", 1, o.verbose);
	memset(&p, 0, sizeof(p));
	TAILQ_INIT(&p.listeners);
	TAILQ_INIT(&p.children);
	TAILQ_INIT(&p.plugs);
	TAILQ_INIT(&p.asks);
	TAILQ_INIT(&p.tracers);
	p.foreground = o.foreground;
	p.verbose = o.verbose;
	p.ready_fd = o.ready_fd;
	p.detach_fd = p.lock_fd = p.vault.fd = -1;
	/* A relative name would change its meaning with the directory. */
	if ((p.conf_path = parent_absolute(o.conf_path)) == NULL ||
	    (p.libexec = parent_absolute(o.libexec)) == NULL)
		fatal("%s", o.conf_path);
	if (o.ready_fd != -1 &&
	    fcntl(o.ready_fd, F_SETFD, FD_CLOEXEC) == -1)
		fatal("-R %d", o.ready_fd);
	if ((p.conf = parent_read(p.conf_path, CHECK_PORTS |
	    (o.check ? CHECK_DATES : 0))) == NULL)
		p.exit_code = EX_CONFIG;
	else if (o.check)
		p.exit_code = parent_check(p.conf, &o);
	else
		parent_serve(&p);
	parent_free(&p);
	return p.exit_code;
}

/* From a good configuration to the end. */
static void
parent_serve(struct parent *pp)
{
	if (!pp->foreground)
		pp->detach_fd = parent_detach();
	if (parent_start(pp) == 0)
		event_base_dispatch(pp->base);
	else
		pp->exit_code = 1;
	parent_notify("STOPPING=1");
	if (pp->exit_code == 0)
		log_info("stopped");
}

static char *
parent_absolute(const char *path)
{
	char	*cwd, *abs;

	if (path[0] == '/')
		return strdup(path);
	if ((cwd = getcwd(NULL, 0)) == NULL)
		return NULL;
	if (asprintf(&abs, "%s/%s", cwd, path) == -1)
		abs = NULL;
	free(cwd);
	return abs;
}

/* A configuration with its files, found good; or NULL, all logged. */
static struct conf *
parent_read(const char *path, int flags)
{
	struct conf	*c;
	int		 bad;

	if ((c = conf_parse(path)) == NULL)
		return NULL;
	if (load_files(c) == -1) {
		log_warnx("%s: files that it names cannot be used", path);
		conf_free(c);
		return NULL;
	}
	if ((bad = check_conf(c, flags)) != 0) {
		log_warnx("%s: %d error%s", path, bad, bad == 1 ? "" : "s");
		conf_free(c);
		return NULL;
	}
	return c;
}

/* -n: the configuration was good; -nv prints it. */
static int
parent_check(struct conf *c, const struct options *o)
{
	if (o->verbose)
		conf_print(c);
	else
		fprintf(stderr, "configuration OK\n");
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/*
 * Into the background.  Who started us waits until the service stands, so
 * that its exit status tells.  Returns the descriptor to tell it by.
 */
static int
parent_detach(void)
{
	char	 c;
	int	 p[2];

	if (pipe2(p, O_CLOEXEC) == -1)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		break;
	default:
		close(p[1]);
		_exit(read(p[0], &c, 1) == 1 ? 0 : 1);
	}
	close(p[0]);
	if (setsid() == -1 || chdir("/") == -1)
		fatal("detach");
	return p[1];
}

/* --- start --------------------------------------------------------------- */

static int
parent_start(struct parent *pp)
{
	pp->started = wstime_now();
	umask(022);
	parent_say_rights(pp->conf);
	if ((pp->base = event_base_new()) == NULL) {
		log_warnx("no event base");
		return -1;
	}
	if (parent_signals(pp) == -1 ||
	    (pp->lock_fd = load_spool(pp->conf)) == -1 ||
	    listen_open(&pp->listeners, pp->conf, NULL) == -1)
		return -1;
	vault_fill(&pp->vault, pp->conf);
	parent_confine(pp);
	if (spawn_start(pp) == -1) {
		/* Those that were started are ended in order. */
		spawn_stop(pp, 1);
	}
	return 0;
}

static void
parent_say_rights(const struct conf *c)
{
	struct passwd	*pw = getpwuid(geteuid());

	if (geteuid() == 0)
		return;
	if (c->sandbox_required)
		fatalx("sandbox required, and without root no process can have "
		    "a chroot and a user of its own");
	log_warnx("not started by root: all processes run as %s, without "
	    "chroot and without users of their own; no_new_privs, Landlock "
	    "and seccomp still apply", pw == NULL ? "one user" : pw->pw_name);
}

/* The parent's own share: it still has to fork, exec and change users. */
static void
parent_confine(struct parent *pp)
{
	char	 buf[128];

	sandbox_begin(P_PARENT, NULL, &pp->sb);
	sandbox_close(P_PARENT, &pp->sb);
	if (pp->sb.missing == 0)
		return;
	sandbox_str(pp->sb.missing, buf, sizeof(buf));
	if (pp->conf->sandbox_required)
		fatalx("sandbox required, and this system lacks %s", buf);
	log_warnx("parent: this system lacks %s", buf);
}

static int
parent_signals(struct parent *pp)
{
	static const int	 sigs[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	size_t			 i;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		log_warn("signal");
		return -1;
	}
	for (i = 0; i < nitems(sigs); i++) {
		pp->sigev[i] = evsignal_new(pp->base, sigs[i], parent_signal,
		    pp);
		if (pp->sigev[i] == NULL || event_add(pp->sigev[i], NULL) ==
		    -1) {
			log_warnx("no signal event");
			return -1;
		}
	}
	return 0;
}

static void
parent_signal(evutil_socket_t sig, short what, void *arg)
{
	struct parent	*pp = arg;
	char		 why[512];

	(void)what;
	switch (sig) {
	case SIGCHLD:
		spawn_reap(pp);
		break;
	case SIGHUP:
		log_info("SIGHUP: reading the configuration again");
		if (!pp->stopping && parent_reload(pp, why, sizeof(why)) == -1)
			log_warnx("%s", why);
		break;
	default:
		log_info("stopping (signal %d)", (int)sig);
		spawn_stop(pp, 0);
		break;
	}
}

void
parent_is_ready(struct parent *pp)
{
	static const char	 text[] = "ready\n";

	log_info("ready");
	if (pp->ready_fd != -1) {
		if (write(pp->ready_fd, text, sizeof(text) - 1) !=
		    (ssize_t)sizeof(text) - 1)
			log_warn("-R %d", pp->ready_fd);
		close(pp->ready_fd);
		pp->ready_fd = -1;
	}
	parent_notify("READY=1");
	if (pp->detach_fd != -1)
		parent_leave_terminal(pp);
}

/* The start is done: from here on the system log is the place. */
static void
parent_leave_terminal(struct parent *pp)
{
	int	 null;

	if (write(pp->detach_fd, "", 1) != 1)
		log_warn("nobody waits for the start");
	close(pp->detach_fd);
	pp->detach_fd = -1;
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 || dup2(null, STDERR_FILENO) == -1)
		log_warn("/dev/null");
	if (null > STDERR_FILENO)
		close(null);
	log_init("wsmtpd", 0, pp->verbose);
}

/* sd_notify(3)'s protocol: one datagram to the socket in NOTIFY_SOCKET. */
static void
parent_notify(const char *state)
{
	struct sockaddr_un	 sun;
	const char		*path;
	socklen_t		 len;
	int			 fd;

	if ((path = getenv("NOTIFY_SOCKET")) == NULL ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		log_warnx("NOTIFY_SOCKET is too long");
		return;
	}
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    strlen(path));
	if (sun.sun_path[0] == '@')	/* the abstract namespace */
		sun.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (struct sockaddr *)&sun, len) == -1)
		log_warn("NOTIFY_SOCKET");
	if (fd != -1)
		close(fd);
}

static void
parent_free(struct parent *pp)
{
	size_t	 i;

	listen_close(&pp->listeners, 1);
	answer_drop_all(pp);
	spawn_free(pp);
	for (i = 0; i < nitems(pp->sigev); i++)
		if (pp->sigev[i] != NULL)
			event_free(pp->sigev[i]);
	if (pp->stop_timer != NULL)
		event_free(pp->stop_timer);
	if (pp->base != NULL)
		event_base_free(pp->base);
	if (pp->lock_fd != -1)
		close(pp->lock_fd);
	if (pp->conf != NULL)
		conf_free(pp->conf);
	vault_free(&pp->vault);
	free(pp->conf_path);
	free(pp->libexec);
}

/* --- reload -------------------------------------------------------------- */

/*
 * What cannot change while we run keeps its old value, so that a process
 * that is restarted finds what the others have.
 */
static void
parent_keep(struct conf *fresh, struct conf *old)
{
	char	*s;
	size_t	 i;
	int	 changed = 0;

	changed |= strcmp(fresh->spool, old->spool) != 0 ||
	    fresh->nsoap != old->nsoap ||
	    fresh->sandbox_required != old->sandbox_required;
	s = fresh->spool;
	fresh->spool = old->spool;
	old->spool = s;
	for (i = 0; i < P_MAX; i++) {
		changed |= (fresh->procuser[i] == NULL) !=
		    (old->procuser[i] == NULL) ||
		    (fresh->procuser[i] != NULL &&
		    strcmp(fresh->procuser[i], old->procuser[i]) != 0);
		s = fresh->procuser[i];
		fresh->procuser[i] = old->procuser[i];
		old->procuser[i] = s;
	}
	fresh->nsoap = old->nsoap;
	fresh->sandbox_required = old->sandbox_required;
	memcpy(fresh->secret, old->secret, sizeof(fresh->secret));
	if (changed)
		log_warnx("spool, user, soap processes and sandbox take "
		    "effect at the next start");
}

int
parent_reload(struct parent *pp, char *why, size_t len)
{
	struct listeners	 fresh = TAILQ_HEAD_INITIALIZER(fresh);
	struct conf		*c;

	if ((c = parent_read(pp->conf_path, 0)) == NULL) {
		snprintf(why, len, "%s has errors, the old configuration "
		    "stays in force: wsmtpd -n and the log name them",
		    pp->conf_path);
		return -1;
	}
	if (listen_open(&fresh, c, &pp->listeners) == -1) {
		snprintf(why, len, "a socket cannot be opened, the old "
		    "configuration stays in force: the log says which");
		listen_close(&fresh, 1);
		conf_free(c);
		return -1;
	}
	if (vault_open(&pp->vault, pp->conf) == -1) {
		snprintf(why, len, "out of memory, the old configuration "
		    "stays in force");
		listen_close(&fresh, 1);
		conf_free(c);
		return -1;
	}
	parent_keep(c, pp->conf);
	conf_free(pp->conf);
	pp->conf = c;
	vault_fill(&pp->vault, c);
	plug_configure(pp);
	spawn_send_conf(pp);
	listen_replace(pp, &fresh);
	log_info("%s: taken", pp->conf_path);
	return 0;
}

int
parent_reload_users(struct parent *pp, char *why, size_t len)
{
	int	 ret;

	if (vault_open(&pp->vault, pp->conf) == -1) {
		snprintf(why, len, "out of memory, the old users stay");
		return -1;
	}
	if ((ret = load_users(pp->conf)) == 0)
		vault_fill(&pp->vault, pp->conf);
	else
		vault_shut(&pp->vault, pp->conf);
	if (ret == -1) {
		snprintf(why, len, "%s cannot be used, the old users stay: "
		    "the log says why", pp->conf->users_path);
		return -1;
	}
	spawn_send_conf(pp);
	log_info("%s: taken", pp->conf->users_path);
	return 0;
}
