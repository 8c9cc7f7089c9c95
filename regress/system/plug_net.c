/* SPDX-License-Identifier: ISC */
/*
 * A plug-in with sockets: who connects to it gets his line back; the request
 * Connect returns the first line that the other end says, Try what else can
 * be done with such a socket.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wsplugin.h"

static void
on_line(struct wsp *w, int fd, void *arg)
{
	char	 buf[512], out[600];
	ssize_t	 n;
	int	 len;

	(void)arg;
	if ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		buf[strcspn(buf, "\r\n")] = '\0';
		len = snprintf(out, sizeof(out), "got %s\n", buf);
		if (write(fd, out, (size_t)len) == -1)
			wsp_log(w, "write: %s", strerror(errno));
	}
	wsp_watch(w, fd, NULL, NULL);
	close(fd);
}

static void
on_client(struct wsp *w, int fd, void *arg)
{
	int	 c;

	(void)arg;
	if ((c = accept(fd, NULL, NULL)) == -1)
		wsp_log(w, "accept: %s", strerror(errno));
	else
		wsp_watch(w, c, on_line, NULL);
}

static int
init(struct wsp *w)
{
	const char	*name;
	int		 fd, i;

	for (i = 0; (fd = wsp_listener(w, (size_t)i, &name)) != -1; i++) {
		wsp_log(w, "listens on %s", name);
		wsp_watch(w, fd, on_client, NULL);
	}
	if (i == 0)
		wsp_log(w, "listens on nothing");
	return 0;
}

static void
on_answer(struct wsp *w, int fd, void *arg)
{
	char	 buf[512], out[600];
	ssize_t	 n;

	n = read(fd, buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	snprintf(out, sizeof(out), "<r><said>%s</said></r>", buf);
	wsp_result(arg, out, strlen(out));
	wsp_watch(w, fd, NULL, NULL);
	close(fd);
}

static void
on_connected(struct wsp *w, int fd, int error, void *arg)
{
	if (fd == -1)
		wsp_refuse(arg, 553, strerror(error));
	else
		wsp_watch(w, fd, on_answer, arg);
}

/* With a socket of ours: each word is something that should not work. */
static void
on_tried(struct wsp *w, int fd, int error, void *arg)
{
	struct sockaddr_in	 sin;
	struct msghdr		 msg;
	char			 out[256] = "<r><did>";
	const char		*port = wsp_arg(arg, "Other");

	(void)w;
	(void)error;
	if (fd == -1) {
		wsp_refuse(arg, 553, "no socket");
		return;
	}
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_UNSPEC;
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		strcat(out, "disconnect ");
	sin.sin_family = AF_INET;
	sin.sin_port = htons((uint16_t)atoi(port == NULL ? "1" : port));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		strcat(out, "connect ");
	if (sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sin,
	    sizeof(sin)) != -1 || errno != EPERM)
		strcat(out, "fastopen ");
	memset(&msg, 0, sizeof(msg));
	msg.msg_name = &sin;
	msg.msg_namelen = sizeof(sin);
	if (sendmsg(fd, &msg, MSG_FASTOPEN) != -1 || errno != EPERM)
		strcat(out, "fastopen-msg ");
	if (socket(AF_INET, SOCK_STREAM, 0) != -1)
		strcat(out, "socket ");
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 ||
	    errno != EPERM)
		strcat(out, "bind ");
	if (listen(fd, 1) == 0 || errno != EPERM)
		strcat(out, "listen ");
	strcat(out, "</did></r>");
	close(fd);
	wsp_result(arg, out, strlen(out));
}

/* As the host would, to an address that is not granted. */
static void
bypass(struct wsp_call *c)
{
	struct {
		unsigned int		 type, flags;
		unsigned long long	 id;
		unsigned int		 len, pad;
		unsigned char		 data[18];
	} __attribute__((packed)) m = { 52, 0, 99, 18, 0,
	    "\0\0\0\011127.0.0.1\0\0\0\001" };

	m.data[17] = '1';
	if (write(3, &m, sizeof(m)) != (ssize_t)sizeof(m))
		wsp_refuse(c, 553, strerror(errno));
	else
		wsp_result(c, NULL, 0);
}

static void
extension(struct wsp *w, struct wsp_call *c)
{
	const char	*method = wsp_method(c), *arg = wsp_arg(c, "Port");
	char		 port[16];
	int		 ret;

	snprintf(port, sizeof(port), "%s", arg == NULL ? "" : arg);
	if (method != NULL && strcmp(method, "Bypass") == 0) {
		bypass(c);
		return;
	}
	ret = wsp_connect(w, "127.0.0.1", port, method != NULL &&
	    strcmp(method, "Try") == 0 ? on_tried : on_connected, c);
	if (ret == -1)
		wsp_refuse(c, 553, strerror(errno));
}

static const char *const ids[] = { "urn:test:net", NULL };
const struct wsp_plugin wsp_plugin = {
	.abi = WSP_ABI,
	.size = sizeof(struct wsp_plugin),
	.version = "1",
	.extensions = ids,
	.init = init,
	.extension = extension,
};
