/* SPDX-License-Identifier: ISC */
/*
 * lib/log.c: whatever is in a value, it stays one line that does nothing to
 * a terminal, and whose fields are those that were given.
 */
#include "compat.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "log.h"
#include "tap.h"
#include "testdir.h"

#define FILE_NAME	"log"

static void	 begin(void);
static void	 end(char *, size_t);
static int	 is_line(const char *);
static void	 test_event(void);
static void	 test_fields(void);
static void	 test_text(void);
static void	 test_fatal(void);
static void	 test_long(void);
static void	 tap(const char *, void *);

static int	 saved_fd;

static const char nasty[] = "a\r\nb[1]: ev=\"x\" \x1b[2J\t\x7f\x9b\xc2\x85\\";

/* Standard error goes to a file from here on. */
static void
begin(void)
{
	int	 fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fflush(stdout);
	saved_fd = dup(STDERR_FILENO);
	if (fd == -1 || saved_fd == -1 || dup2(fd, STDERR_FILENO) == -1)
		exit(1);
	close(fd);
}

static void
end(char *buf, size_t size)
{
	ssize_t	 n;
	int	 fd;

	if (dup2(saved_fd, STDERR_FILENO) == -1 ||
	    (fd = open(FILE_NAME, O_RDONLY)) == -1 ||
	    (n = read(fd, buf, size - 1)) == -1)
		exit(1);
	close(saved_fd);
	close(fd);
	buf[n] = '\0';
}

/* One line with its head, of printable ASCII alone. */
static int
is_line(const char *s)
{
	size_t	 n = strlen(s), i;

	if (n == 0 || s[n - 1] != '\n' || strncmp(s, "test[", 5) != 0)
		return 0;
	for (i = 0; i < n - 1; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return 0;
	return 1;
}

static void
tap(const char *line, void *arg)
{
	strlcpy(arg, line, 8192);
}

static void
test_event(void)
{
	struct log_ev	 e = { .ev = "relay", .id = 0xc6f142f4,
			    .from = "a@a.test", .to = "", .result = "ok",
			    .reason = "it's \"so\" = x\\y" };
	char		 out[8192], tapped[8192] = "", want[8192];
	char		*text;

	log_settap(tap, tapped);
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(is_line(out), "an event is one line");
	text = strchr(out, ' ');
	is_str(text, " ev=relay id=00000000c6f142f4 from=a@a.test result=ok "
	    "reason=\"it's \\042so\\042 = x\\134y\"\n",
	    "fields in order, none without a value, the rest quoted");
	snprintf(want, sizeof(want), " %s\n", tapped);
	is_str(text, want, "the tap gets the same");
	log_settap(NULL, NULL);
	tapped[0] = '\0';
	memset(&e, 0, sizeof(e));
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(is_line(out), "no field at all");
	is_str(tapped, "", "the tap is gone");
}

/* Each field in turn has what would forge a line or another field. */
static void
test_fields(void)
{
	struct log_ev	 e;
	const char	**field[] = { &e.ev, &e.msgid, &e.peer, &e.user,
			    &e.from, &e.to, &e.result, &e.reason };
	char		 out[8192];
	size_t		 i;

	for (i = 0; i < nitems(field); i++) {
		memset(&e, 0, sizeof(e));
		*field[i] = nasty;
		begin();
		log_event(&e);
		end(out, sizeof(out));
		ok(is_line(out), "a nasty value: one line");
		is_str(strchr(strchr(out, ' ') + 1, '"'),
		    "\"a\\015\\012b[1]: ev=\\042x\\042 \\033[2J\\011\\177"
		    "\\233\\302\\205\\134\"\n", "and as it should be");
	}
}

static void
test_text(void)
{
	char	 out[8192];

	begin();
	log_warnx("%s", nasty);
	end(out, sizeof(out));
	ok(is_line(out), "log_warnx: one line");
	is_str(strchr(out, ' '), " a\\015\\012b[1]: ev=\"x\" \\033[2J\\011"
	    "\\177\\233\\302\\205\\\n", "quotes are its own");
	begin();
	log_info("%s", nasty);
	end(out, sizeof(out));
	ok(is_line(out), "log_info: one line");
	begin();
	log_debug("%s", nasty);
	end(out, sizeof(out));
	is_str(out, "", "log_debug says nothing, unless verbose");
	log_setverbose(1);
	begin();
	log_debug("%s", nasty);
	end(out, sizeof(out));
	ok(is_line(out), "then one line");
	log_setverbose(0);
	begin();
	errno = ENOENT;
	log_warn("%s", nasty);
	is_int(errno, ENOENT, "log_warn keeps errno");
	end(out, sizeof(out));
	ok(is_line(out), "log_warn: one line");
	ok(strstr(out, ": No such file or directory\n") != NULL,
	    "and its errno");
}

/* Without memory there may be no text to say. */
static void
test_fatal(void)
{
	char	 out[8192], want[128];
	pid_t	 pid;
	int	 status;

	begin();
	if ((pid = fork()) == 0) {
		errno = ENOMEM;
		fatal(NULL);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		exit(1);
	end(out, sizeof(out));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "fatal exits 1");
	snprintf(want, sizeof(want), "test[%ld]: %s\n", (long)pid,
	    strerror(ENOMEM));
	is_str(out, want, "fatal(NULL) is errno alone");
}

/* What is too long is cut: the line and its other fields stay whole. */
static void
test_long(void)
{
	struct log_ev	 e;
	static const char *const names[] = { " ev=", " msgid=", " peer=",
			    " user=", " from=", " to=", " result=",
			    " reason=" };
	char		 out[65536], text[5000], plain[1000], *p, *q;
	size_t		 i, n;

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin();
	log_warnx("%s", text);
	end(out, sizeof(out));
	ok(is_line(out), "a long text: one line");
	ok(strcmp(out + strlen(out) - 8, "\\012...\n") == 0,
	    "a mark where it is cut, no half of an octet before");
	memset(&e, 0, sizeof(e));
	e.ev = e.msgid = e.peer = e.user = e.from = e.to = text;
	e.result = "permfail";
	e.reason = "why";
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(is_line(out), "long values: one line");
	p = strstr(out, " result=");
	is_str(p, " result=permfail reason=why\n", "the last fields are there");
	ok(p != NULL && strncmp(p - 8, "\\012...\"", 8) == 0,
	    "a value has the mark within its quotes");
	for (i = 0, n = 0; i < nitems(names); i++) {
		if ((q = strstr(out, names[i])) == NULL || q < out + n)
			break;
		n = (size_t)(q - out);
	}
	is_int((int64_t)i, (int64_t)nitems(names), "long fields in order");
	memset(plain, 'a', sizeof(plain) - 1);
	plain[sizeof(plain) - 1] = '\0';
	memset(&e, 0, sizeof(e));
	e.from = plain;
	e.result = "ok";
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(strstr(out, "aaaa... result=ok\n") != NULL, "also a plain one");
	plain[300] = '\0';
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(strstr(out, plain) != NULL && strstr(out, "...") == NULL,
	    "none where nothing is cut");
	e.from = text;
	e.result = e.reason = text;
	begin();
	log_event(&e);
	end(out, sizeof(out));
	ok(is_line(out) && strcmp(out + strlen(out) - 2, "\"\n") == 0,
	    "nothing but long ones: the last quote is there");
}

int
main(void)
{
	char	 dir[] = "/tmp/test_log.XXXXXX";

	testdir_enter(dir);
	log_init("test", 1, 0);
	test_event();
	test_fields();
	test_text();
	test_fatal();
	test_long();
	if (chdir("/") == -1 || testdir_remove(dir) == -1)
		perror(dir);
	return done_testing();
}
