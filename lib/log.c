/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "log.h"

#define TEXT_MAX	4096	/* octets of a line, without its head */
/* Of a value: all eight and the reason are within TEXT_MAX. */
#define VALUE_MAX	384
#define REASON_MAX	896
#define CUT		"..."

static const char	*log_procname = "?";
static int		 log_foreground = 1, log_verbosity;
static void		(*log_tap)(const char *, void *);
static void		*log_taparg;

static void	 log_line(int, const char *);
static void	 log_vwarn(const char *, va_list, int);
static void	 log_escape(char *, size_t, const char *, int quoted);
static void	 log_field(char **, size_t *, const char *, const char *,
		    size_t max);

void
log_init(const char *procname, int foreground, int verbose)
{
	log_procname = procname;
	log_foreground = foreground;
	log_verbosity = verbose;
	if (!foreground)	/* NDELAY: the socket is out of reach later */
		openlog(procname, LOG_PID | LOG_NDELAY, LOG_MAIL);
	tzset();
}

void
log_setverbose(int v)
{
	log_verbosity = v;
}

int
log_getverbose(void)
{
	return log_verbosity;
}

void
log_settap(void (*tap)(const char *, void *), void *arg)
{
	log_tap = tap;
	log_taparg = arg;
}

/*
 * One write per line, so that lines of several processes do not mix.  What
 * was in the text, a name of a file or what a peer said, makes no other line.
 */
static void
log_line(int priority, const char *text)
{
	char	 safe[TEXT_MAX], line[TEXT_MAX + 128];
	int	 n, saved = errno;

	log_escape(safe, sizeof(safe), text, 0);
	if (log_foreground) {
		n = snprintf(line, sizeof(line), "%s[%ld]: %s\n",
		    log_procname, (long)getpid(), safe);
		if (n >= (int)sizeof(line)) {
			n = (int)sizeof(line) - 1;
			line[n - 1] = '\n';
		}
		if (write(STDERR_FILENO, line, (size_t)n) == -1) {
			/* nowhere left to say so */
		}
	} else
		syslog(priority, "%s", safe);
	errno = saved;
}

static void
log_vwarn(const char *fmt, va_list ap, int with_errno)
{
	char	 buf[TEXT_MAX] = "";
	int	 saved = errno;
	size_t	 n = 0;

	if (fmt != NULL) {
		vsnprintf(buf, sizeof(buf), fmt, ap);
		n = strlen(buf);
	}
	if (with_errno)
		snprintf(buf + n, sizeof(buf) - n, "%s%s", fmt == NULL ? "" :
		    ": ", strerror(saved));
	log_line(LOG_ERR, buf);
	errno = saved;
}

void
log_warn(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_vwarn(fmt, ap, 1);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_vwarn(fmt, ap, 0);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	char	 buf[TEXT_MAX];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	log_line(LOG_INFO, buf);
}

void
log_debug(const char *fmt, ...)
{
	char	 buf[TEXT_MAX];
	va_list	 ap;

	if (log_verbosity == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	log_line(LOG_DEBUG, buf);
}

void
fatal(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_vwarn(fmt, ap, 1);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_vwarn(fmt, ap, 0);
	va_end(ap);
	exit(1);
}

/*
 * Anything but printable ASCII, and within quotes the quote and the backslash,
 * becomes \ooo; what does not fit is cut, with CUT at its end.  Not vis(3):
 * libbsd and OpenBSD differ in strnvis()'s arguments.
 */
static void
log_escape(char *dst, size_t size, const char *s, int quoted)
{
	size_t	 n = 0;

	for (; *s != '\0' && n + sizeof("\\ooo" CUT) <= size; s++) {
		if (*s < 0x20 || *s >= 0x7f ||
		    (quoted && (*s == '"' || *s == '\\')))
			n += (size_t)snprintf(dst + n, size - n, "\\%03o",
			    (unsigned char)*s);
		else
			dst[n++] = *s;
	}
	strlcpy(dst + n, *s != '\0' ? CUT : "", size - n);
}

/*
 * Appends " name=value", quoted when it is not plain, and cut so that no
 * value leaves the next ones without room.
 */
static void
log_field(char **p, size_t *left, const char *name, const char *value,
    size_t max)
{
	char	 enc[REASON_MAX];
	int	 n, plain;

	if (value == NULL || *value == '\0')
		return;
	plain = value[strspn(value, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;@/_+-*[]()#%&!~^|<>")] ==
	    '\0';
	log_escape(enc, max, value, 1);
	n = snprintf(*p, *left, plain ? " %s=%s" : " %s=\"%s\"", name, enc);
	if (n < 0 || (size_t)n >= *left)
		n = (int)*left - 1;
	*p += n;
	*left -= (size_t)n;
}

void
log_event(const struct log_ev *e)
{
	char	 line[TEXT_MAX], id[17] = "", *p = line;
	size_t	 left = sizeof(line);

	if (e->id != 0)
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)e->id);
	line[0] = ' ';
	line[1] = '\0';
	log_field(&p, &left, "ev", e->ev, VALUE_MAX);
	log_field(&p, &left, "id", id, VALUE_MAX);
	log_field(&p, &left, "msgid", e->msgid, VALUE_MAX);
	log_field(&p, &left, "peer", e->peer, VALUE_MAX);
	log_field(&p, &left, "user", e->user, VALUE_MAX);
	log_field(&p, &left, "from", e->from, VALUE_MAX);
	log_field(&p, &left, "to", e->to, VALUE_MAX);
	log_field(&p, &left, "result", e->result, VALUE_MAX);
	log_field(&p, &left, "reason", e->reason, REASON_MAX);
	log_line(LOG_INFO, line + 1);
	if (log_tap != NULL)
		log_tap(line + 1, log_taparg);
}
