/* SPDX-License-Identifier: ISC */
/*
 * wsmail setup: makes an account's block, proves it by a login and a list,
 * and only then writes it to ~/.wsmailrc.
 */
#include "compat.h"

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

static int
setup_append(const char *path, const struct wbuf *w)
{
	int	 fd, r;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	r = write(fd, w->data, w->len) == (ssize_t)w->len && fsync(fd) == 0 ?
	    0 : -1;
	if (close(fd) == -1)
		r = -1;
	return r;
}

/* 1: the file has that account already; 0: not, or there is no file. */
static int
setup_known(const char *path, const char *address)
{
	struct accounts	 as = TAILQ_HEAD_INITIALIZER(as);
	int		 known;

	if (access(path, F_OK) == -1)
		return 0;
	known = rc_read(path, &as) != 0 || rc_find(&as, address) != NULL;
	rc_free(&as);
	return known;
}

int
setup_main(int argc, char **argv)
{
	const char	*opt[128] = { NULL };
	struct wbuf	 w;
	char		 addr[ADDR_MAX + 1];
	char		 temp[] = "/tmp/wsmail.XXXXXXXXXX";
	char		*path;
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
	path = opt['w'] != NULL ? strdup(opt['w']) : rc_path();
	if (path == NULL)
		return EX_OSERR;
	if (setup_known(path, addr)) {
		fprintf(stderr, "wsmail: %s: has %s already, or does not "
		    "read\n", path, addr);
		free(path);
		return EX_CONFIG;
	}
	wbuf_init(&w);
	wbuf_printf(&w, "account %s\n", addr);
	if (opt['s'] != NULL)
		wbuf_printf(&w, "server %s\n", opt['s']);
	if (opt['r'] != NULL)
		wbuf_printf(&w, "resolver %s\n", opt['r']);
	if (opt['c'] != NULL)
		wbuf_printf(&w, "ca %s\n", opt['c']);
	if (opt['C'] != NULL)
		wbuf_printf(&w, "auth certificate\ncertificate %s\nkey %s\n",
		    opt['C'], opt['K']);
	else
		wbuf_printf(&w, "auth mac\npassword-command %s\n", opt['p']);
	code = EX_CANTCREAT;
	if (w.error != 0 || setup_write_temp(&w, temp) == -1)
		fprintf(stderr, "wsmail: %s: %s\n", temp, strerror(errno));
	else {
		if ((code = setup_try(temp)) != 0)
			fprintf(stderr, "wsmail: not set up; nothing was "
			    "written\n");
		else if (setup_append(path, &w) == -1) {
			fprintf(stderr, "wsmail: %s: %s\n", path,
			    strerror(errno));
			code = EX_CANTCREAT;
		} else
			printf("%s works; written to %s\n", addr, path);
		(void)unlink(temp);
	}
	wbuf_free(&w);
	free(path);
	return code;
}
