/* SPDX-License-Identifier: ISC */
/*
 * wsmail setup: makes an account's block, proves it by a login and a list,
 * and only then writes it to ~/.wsmailrc.
 */
#include "compat.h"

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "addr.h"
#include "wsemail.h"
#include "wsmail.h"

static int	 setup_try(const char *);
static int	 setup_append(const char *, const struct wbuf *);
static int	 setup_write_temp(const struct wbuf *, char *);
static int	 setup_file(struct wbuf *, const char *, const char *);
static int	 setup_compose(struct wbuf *, const char *,
		    const char *const *);
static int	 setup_write(const char *, const char *, const struct wbuf *);
static int	 setup_known(const char *, const char *);

/* Logs in with the account of that file and lists one message. */
static int
setup_try(const char *path)
{
	struct accounts	 as = TAILQ_HEAD_INITIALIZER(as);
	struct session	 s;
	struct answer	 a;
	struct wbuf	 w;
	int		 code;

	if ((code = rc_read(path, &as)) == 0) {
		wbuf_init(&w);
		wbuf_puts(&w, "<w:limit>1</w:limit>");
		if ((code = session_open(&s, rc_find(&as, NULL))) == 0 &&
		    (code = call(&s, NS_WSE, "WSEmailFetchHeaders", &w, NULL,
		    0, 60, &a)) == 0)
			answer_free(&a);
		session_close(&s);
		wbuf_free(&w);
	}
	rc_free(&as);
	return code;
}

static int
setup_write_temp(const struct wbuf *w, char *path)
{
	int	 fd;

	if ((fd = mkstemp(path)) == -1)		/* mode 0600 */
		return -1;
	if (write(fd, w->data, w->len) != (ssize_t)w->len ||
	    close(fd) == -1) {
		(void)unlink(path);
		return -1;
	}
	return 0;
}

/*
 * Behind what is there, whose last line may lack its end; as a whole, or the
 * file is as it was.  Not written anew: it may be a link into elsewhere.
 */
static int
setup_append(const char *path, const struct wbuf *w)
{
	struct wbuf	 all = { 0 };
	struct stat	 st;
	char		 last = '\n';
	int		 fd, r = -1, saved;

	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && (st.st_size == 0 ||
	    pread(fd, &last, 1, st.st_size - 1) == 1)) {
		if (last != '\n')
			wbuf_puts(&all, "\n");
		wbuf_raw(&all, w->data, w->len);
		errno = all.error != 0 ? ENOMEM : ENOSPC;
		if (all.error == 0 && write(fd, all.data, all.len) ==
		    (ssize_t)all.len && fsync(fd) == 0)
			r = 0;
		else {
			saved = errno;
			if (ftruncate(fd, st.st_size) == -1)
				warn("%s: is left with half an account", path);
			errno = saved;
		}
	}
	saved = errno;
	if (close(fd) == -1 && r == 0)
		return -1;
	errno = saved;
	wbuf_free(&all);
	return r;
}

/*
 * "keyword /path": the file is not looked for where wsmail is run later.
 * 0, or -1 after a message.
 */
static int
setup_file(struct wbuf *w, const char *keyword, const char *path)
{
	char	*full;

	if (strncmp(path, "~/", 2) == 0) {
		wbuf_printf(w, "%s %s\n", keyword, path);
		return 0;
	}
	if ((full = realpath(path, NULL)) == NULL) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		return -1;
	}
	wbuf_printf(w, "%s %s\n", keyword, full);
	free(full);
	return 0;
}

/* The account's lines.  0, or a sysexits code after a message. */
static int
setup_compose(struct wbuf *w, const char *addr, const char *const *opt)
{
	wbuf_printf(w, "account %s\n", addr);
	if (opt['s'] != NULL)
		wbuf_printf(w, "server %s\n", opt['s']);
	if (opt['r'] != NULL)
		wbuf_printf(w, "resolver %s\n", opt['r']);
	if (opt['c'] != NULL && setup_file(w, "ca", opt['c']) == -1)
		return EX_NOINPUT;
	if (opt['C'] == NULL)
		wbuf_printf(w, "auth mac\npassword-command %s\n", opt['p']);
	else {
		wbuf_puts(w, "auth certificate\n");
		if (setup_file(w, "certificate", opt['C']) == -1 ||
		    setup_file(w, "key", opt['K']) == -1)
			return EX_NOINPUT;
	}
	if (w->error == 0)
		return 0;
	fprintf(stderr, "wsmail: out of memory\n");
	return EX_OSERR;
}

/* Tries what was composed, and on success adds it to the file. */
static int
setup_write(const char *path, const char *addr, const struct wbuf *w)
{
	char	 temp[] = "/tmp/wsmail.XXXXXXXXXX";
	int	 code;

	if (setup_write_temp(w, temp) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", temp, strerror(errno));
		return EX_CANTCREAT;
	}
	if ((code = setup_try(temp)) != 0)
		fprintf(stderr, "wsmail: not set up; nothing was written\n");
	else if (setup_append(path, w) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		code = EX_CANTCREAT;
	} else
		printf("%s works; written to %s\n", addr, path);
	(void)unlink(temp);
	return code;
}

/* 0 when that account can be added to the file, else a sysexits code. */
static int
setup_known(const char *path, const char *address)
{
	struct accounts	 as = TAILQ_HEAD_INITIALIZER(as);
	int		 code;

	if (access(path, F_OK) == -1 && errno == ENOENT)
		return 0;
	if ((code = rc_read(path, &as)) == 0 &&
	    rc_find(&as, address) != NULL) {
		fprintf(stderr, "wsmail: %s: has %s already\n", path,
		    address);
		code = EX_CONFIG;
	}
	rc_free(&as);
	return code;
}

int
setup_main(const char *rc, int argc, char **argv)
{
	const char	*opt[128] = { NULL }, *path;
	struct wbuf	 w = { 0 };
	char		 addr[ADDR_MAX + 1];
	int		 ch, code;

	while ((ch = getopt(argc, argv, "C:K:c:p:r:s:w:")) != -1) {
		if (ch == '?')
			usage();
		opt[ch] = optarg;
	}
	if (argc - optind != 1 ||
	    (opt['C'] == NULL) != (opt['K'] == NULL) ||
	    (opt['C'] == NULL) == (opt['p'] == NULL))
		usage();
	if (addr_normalize(argv[optind], addr, sizeof(addr)) == -1) {
		fprintf(stderr, "wsmail: %s: expected an address\n",
		    argv[optind]);
		return EX_USAGE;
	}
	path = opt['w'] != NULL ? opt['w'] : rc;
	if ((code = setup_known(path, addr)) != 0)
		return code;
	if ((code = setup_compose(&w, addr, opt)) == 0)
		code = setup_write(path, addr, &w);
	wbuf_free(&w);
	return code;
}
