/* SPDX-License-Identifier: ISC */
/*
 * What was said, in ~/.wsmail-im/account/conversation: a line for each
 * message, when, who and the text, with tabs between and nothing in the text
 * that a terminal could take amiss.  A conversation's name is its members'
 * addresses, with "/" and "%" as %2F and %25.
 */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "im.h"
#include "textout.h"
#include "wstime.h"

#define LOG_NAME_MAX	200
#define LOG_TAIL	65536		/* octets read for the last lines */

static void	 log_name(struct wbuf *, const char *);
static char	*log_path(const char *, const char *, int make);

static void
log_name(struct wbuf *w, const char *s)
{
	size_t	 i;

	for (i = 0; i < LOG_NAME_MAX && s[i] != '\0'; i++) {
		if (s[i] == '/' || s[i] == '%')
			wbuf_printf(w, "%%%02X", (unsigned int)s[i]);
		else
			wbuf_u8(w, (uint8_t)s[i]);
	}
	/* Of a large circle the rest is a number. */
	if (s[i] != '\0') {
		uint32_t	 h = 2166136261U;

		for (i = 0; s[i] != '\0'; i++)
			h = (h ^ (uint8_t)s[i]) * 16777619U;
		wbuf_printf(w, "+%08x", h);
	}
}

/* The caller frees; NULL and errno. */
static char *
log_path(const char *account, const char *peers, int make)
{
	struct wbuf	 w = { 0 };
	const char	*home = getenv("HOME");

	if (home == NULL || *home == '\0') {
		errno = ENOENT;
		return NULL;
	}
	wbuf_printf(&w, "%s/.wsmail-im", home);
	wbuf_u8(&w, 0);
	if (w.error == 0 && make && mkdir((char *)w.data, 0700) == -1 &&
	    errno != EEXIST)
		goto fail;
	w.len--;
	wbuf_u8(&w, '/');
	log_name(&w, account);
	wbuf_u8(&w, 0);
	if (w.error == 0 && make && mkdir((char *)w.data, 0700) == -1 &&
	    errno != EEXIST)
		goto fail;
	w.len--;
	wbuf_u8(&w, '/');
	log_name(&w, peers);
	wbuf_u8(&w, 0);
	if (w.error == 0)
		return (char *)w.data;
	errno = ENOMEM;
fail:
	wbuf_free(&w);
	return NULL;
}

void
im_log(const char *account, const char *peers, const struct im_message *m)
{
	static int	 told;
	struct wbuf	 w = { 0 };
	char		 when[WSTIME_LEN], *path;
	int		 fd = -1;

	wbuf_printf(&w, "%s\t", wstime_format(m->when, when, sizeof(when)));
	(void)textout_safe(&w, m->from, 0);
	wbuf_u8(&w, '\t');
	(void)textout_safe(&w, m->text, 0);
	wbuf_u8(&w, '\n');
	if ((path = log_path(account, peers, 1)) != NULL)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	/* One write: two chats of a user do not mix their lines. */
	if (w.error != 0 || fd == -1 ||
	    write(fd, w.data, w.len) != (ssize_t)w.len) {
		if (!told++)
			fprintf(stderr, "wsmail: no history is kept: %s: "
			    "%s\n", path == NULL ? "$HOME" : path,
			    strerror(errno));
	}
	if (fd != -1)
		close(fd);
	free(path);
	wbuf_free(&w);
}

void
im_log_last(const char *account, const char *peers, unsigned int n,
    void (*show)(const char *, const char *, const char *))
{
	char	*path = log_path(account, peers, 0), *buf, *p, *end, *tab[2];
	ssize_t	 len = -1;
	off_t	 size;
	int	 fd;

	fd = path == NULL ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (fd == -1)
		return;
	size = lseek(fd, 0, SEEK_END);
	if (size > 0 && (buf = calloc(1, LOG_TAIL + 1)) != NULL) {
		len = pread(fd, buf, LOG_TAIL,
		    size > LOG_TAIL ? size - LOG_TAIL : 0);
		/* Back over n ends of lines; the last one ends the last. */
		p = buf + (len < 0 ? 0 : len);
		for (n++; p > buf && n > 0; p--)
			if (p[-1] == '\n' && --n == 0)
				break;
		if (p == buf && size > LOG_TAIL)
			p += strcspn(p, "\n") + 1;
		for (; *p != '\0' && (end = strchr(p, '\n')) != NULL;
		    p = end + 1) {
			*end = '\0';
			if ((tab[0] = strchr(p, '\t')) == NULL ||
			    (tab[1] = strchr(tab[0] + 1, '\t')) == NULL)
				continue;
			*tab[0] = *tab[1] = '\0';
			show(p, tab[0] + 1, tab[1] + 1);
		}
		free(buf);
	}
	close(fd);
}
