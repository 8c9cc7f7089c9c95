/* SPDX-License-Identifier: ISC */
/*
 * Logging in the manner of the OpenBSD daemons, plus log_event(), the one
 * way to log what happens to mail: fixed field order, one line an event
 * (wsemail-log(5)).
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

/*
 * log_init: to standard error when `foreground`, else to syslog(3), facility
 * mail.  `procname` must stay valid.  Called once at start by each process.
 */
void	 log_init(const char *procname, int foreground, int verbose);
void	 log_setverbose(int);
int	 log_getverbose(void);

/*
 * Each is one line: what is not printable ASCII is written as \\ooo.  With
 * NULL, those that say errno say nothing else.
 */
void	 log_warn(const char *, ...) __printflike(1, 2);	/* with errno */
void	 log_warnx(const char *, ...) __printflike(1, 2);
void	 log_info(const char *, ...) __printflike(1, 2);
void	 log_debug(const char *, ...) __printflike(1, 2);
__dead void fatal(const char *, ...) __printflike(1, 2);	/* with errno */
__dead void fatalx(const char *, ...) __printflike(1, 2);

/*
 * One event.  Fields that are NULL or empty are left out; the order is fixed:
 * ev= id= msgid= peer= user= from= to= result= reason=
 * `id` is the request id (0: none).  Values are quoted when they
 * hold more than plain characters, with \\ooo for what does not print, and cut
 * when they are very long, then with "..." at the end; secrets and bodies must
 * never be passed.
 */
struct log_ev {
	const char	*ev;		/* accept, deliver, relay, bounce, ... */
	uint64_t	 id;
	const char	*msgid;
	const char	*peer;		/* address or domain */
	const char	*user;		/* authenticated principal */
	const char	*from;
	const char	*to;
	const char	*result;	/* ok, tempfail, permfail, refused, ... */
	const char	*reason;
};
void	 log_event(const struct log_ev *);

/*
 * A tap on log_event() lines (wsctl trace): called with each finished line
 * after it is logged; NULL removes it.
 */
void	 log_settap(void (*)(const char *line, void *), void *);

#endif /* LOG_H */
