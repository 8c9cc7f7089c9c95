/* SPDX-License-Identifier: ISC */
/*
 * A plug-in that does what the subject says, for the tests: a verdict, or
 * something that no plug-in should do.
 */
#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wsplugin.h"

static struct wsp_call	*later;
static char		 loaded[128];	/* what the constructor could do */

/* Which of these works: one word each. */
static void
attempts(char *buf, size_t size)
{
	struct sockaddr_in	 sin;
	static const char *const files[] = { "/etc/passwd", "../../queue",
		"../../local", "/", "..", "/proc/self/mem" };
	char			*argv[] = { "true", NULL };
	char			 one[64];
	pid_t			 pid;
	size_t			 i;
	int			 fd;

	buf[0] = '\0';
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if ((fd = open(files[i], O_RDONLY)) != -1) {
			close(fd);
			snprintf(one, sizeof(one), "open:%s ", files[i]);
			strcat(buf, one);
		}
	if ((fd = open("/tmp/plug-was-here", O_WRONLY | O_CREAT, 0644)) != -1)
		strcat(buf, "create ");
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(53);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((fd = socket(AF_INET, SOCK_DGRAM, 0)) != -1)
		strcat(buf, "socket ");
	if (connect(3, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		strcat(buf, "connect ");
	if ((pid = fork()) == 0)
		_exit(0);
	if (pid != -1)
		strcat(buf, "fork ");
	if (execv("/bin/true", argv) == 0)
		strcat(buf, "exec ");
	if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0)
		strcat(buf, "ptrace ");
	if (kill(getppid(), 0) == 0)
		strcat(buf, "kill ");
	if (getuid() == 0 || setuid(0) == 0)
		strcat(buf, "root ");
	(void)size;
}

__attribute__((constructor)) static void
constructor(void)
{
	attempts(loaded, sizeof(loaded));
}

static int
init(struct wsp *w)
{
	const char	*fail = wsp_option(w, "fail-init");

	if (wsp_option(w, "crash-init") != NULL)
		abort();
	return fail == NULL ? 0 : -1;
}

static void
count(struct wsp *w, struct wsp_call *c)
{
	const void	*v;
	size_t		 n;
	char		 buf[32];
	int		 was = 0;

	if (wsp_state_get(w, "count", 5, &v, &n) == 0)
		was = atoi(v);
	else if (errno != ENOENT) {
		wsp_refuse(c, 550, strerror(errno));
		return;
	}
	n = (size_t)snprintf(buf, sizeof(buf), "%d", was + 1);
	if (wsp_state_put(w, "count", 5, buf, n) == -1)
		wsp_refuse(c, 550, strerror(errno));
	else
		wsp_refuse(c, 550, buf);
}

static void
fill(struct wsp *w, struct wsp_call *c)
{
	static char	 big[2000];
	char		 key[16];
	int		 i;

	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "big%d", i);
		if (wsp_state_put(w, key, strlen(key), big, sizeof(big)) == -1)
			break;
	}
	wsp_refuse(c, 550, i == 1000 ? "endless" : strerror(errno));
}

static void
sent(struct wsp *w, int code, const char *text, void *arg)
{
	struct wsp_call	*c = arg;
	char		 buf[200];

	(void)w;
	snprintf(buf, sizeof(buf), "sent %d %s", code, text);
	if (code == 200)
		wsp_continue(c);
	else
		wsp_refuse(c, 550, buf);
}

/* send FROM TO */
static void
send_mail(struct wsp *w, struct wsp_call *c, const char *args)
{
	char		 from[200], to[200];
	const char	*rcpt[2] = { to, NULL };
	struct wsp_mail	 m;

	if (sscanf(args, "%199s %199s", from, to) != 2) {
		wsp_refuse(c, 550, "send FROM TO");
		return;
	}
	memset(&m, 0, sizeof(m));
	m.from = from;
	m.rcpt = rcpt;
	m.subject = "from a plug-in";
	m.body = "body";
	m.inreplyto = wsp_message(c)->msgid;
	m.key = wsp_message(c)->msgid;
	if (wsp_send(w, &m, sent, c) == -1)
		wsp_refuse(c, 550, strerror(errno));
}

static void
do_as_told(struct wsp *w, struct wsp_call *c)
{
	const struct wsp_message *m = wsp_message(c);
	const char		*s = m->subject, *only = wsp_option(w, "word");
	char			 buf[512];

	if (only != NULL) {
		if (strncmp(s, only, strlen(only)) != 0) {
			wsp_continue(c);
			return;
		}
		s += strlen(only);
	}
	if (strncmp(s, "refuse ", 7) == 0)
		wsp_refuse(c, atoi(s + 7), strlen(s) > 11 ? s + 11 : "");
	else if (strcmp(s, "taken") == 0)
		wsp_taken(c, "I have it");
	else if (strcmp(s, "hold") == 0 && wsp_env(c)->attempt == 0)
		wsp_hold(c, "for the test");
	else if (strcmp(s, "defer") == 0 && wsp_env(c)->attempt == 0)
		wsp_defer(c, "for the test");
	else if (strcmp(s, "later") == 0) {
		later = c;
		wsp_timer(w, 1);
	} else if (strcmp(s, "body") == 0)
		wsp_refuse(c, 550, wsp_body(c) == NULL ? "no body" :
		    wsp_body(c));
	else if (strcmp(s, "count") == 0)
		count(w, c);
	else if (strcmp(s, "fill") == 0)
		fill(w, c);
	else if (strncmp(s, "send ", 5) == 0)
		send_mail(w, c, s + 5);
	else if (strcmp(s, "try") == 0) {
		attempts(buf, sizeof(buf));
		strcat(buf, "| ");
		strcat(buf, loaded);
		wsp_refuse(c, 550, buf);
	} else if (strcmp(s, "crash") == 0)
		abort();
	else if (strcmp(s, "loop") == 0)
		for (;;)
			(void)getpid();
	else if (strcmp(s, "leak") == 0)
		for (;;)
			memset(malloc(1 << 20), 1, 1 << 20);
	else if (strcmp(s, "exit") == 0)
		_exit(0);
	else if (strcmp(s, "twice") == 0) {
		wsp_continue(c);
		wsp_continue(c);
	} else if (strcmp(s, "close") == 0) {
		int	 i;

		for (i = 0; i < 64; i++)
			close(i);
		wsp_continue(c);
	} else if (strcmp(s, "garbage") == 0) {
		int	 i;

		for (i = 3; i < 64; i++)
			if (write(i, "\377\377\377\377garbagegarbagegarbage",
			    25) == -1)
				continue;
		wsp_continue(c);
	} else if (strcmp(s, "result") == 0)
		wsp_result(c, "<x/>", 4);
	else if (strcmp(s, "silent") == 0)
		;
	else if (strcmp(s, "replace") == 0) {
		snprintf(buf, sizeof(buf), "<theMessage xmlns="
		    "\"http://securitylab.cis.upenn.edu/WSEmail\"><Body>"
		    "replaced</Body><Subject>was replace</Subject><Recipients>"
		    "<string>%s</string></Recipients></theMessage>",
		    m->rcpt[0]);
		wsp_replace(c, buf, strlen(buf));
	} else if (strcmp(s, "replace-bad") == 0)
		wsp_replace(c, "<!DOCTYPE x><theMessage/>", 25);
	else
		wsp_continue(c);
}

static void
tick(struct wsp *w)
{
	wsp_timer(w, 0);
	if (later != NULL)
		wsp_refuse(later, 550, "later");
	later = NULL;
}

static void
extension(struct wsp *w, struct wsp_call *c)
{
	const char	*args, *who = wsp_env(c)->principal;
	size_t		 len;
	char		 buf[300];

	(void)w;
	(void)wsp_extension(c, &args, &len);
	if (wsp_method(c) != NULL && strcmp(wsp_method(c), "Who") == 0) {
		snprintf(buf, sizeof(buf), "<Who xmlns=\"urn:t\">%s %d %d "
		    "%s</Who>", who, (int)wsp_env(c)->auth,
		    wsp_env(c)->local, wsp_arg(c, "word") == NULL ? "" :
		    wsp_arg(c, "word"));
		wsp_result(c, buf, strlen(buf));
	} else if (wsp_method(c) != NULL && strcmp(wsp_method(c), "Bad") == 0)
		wsp_result(c, "<open>", 6);
	else if (wsp_method(c) != NULL && strcmp(wsp_method(c), "No") == 0)
		wsp_refuse(c, 553, "you may not");
	else
		wsp_result(c, args, len);
}

static const char *const identifiers[] = { "urn:test:echo", NULL };

const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.extensions = identifiers,
	.init = init,
#ifdef ECHO_SENDING
	.sending = do_as_told,
#else
	.delivery = do_as_told,
#endif
	.extension = extension,
	.tick = tick,
};
