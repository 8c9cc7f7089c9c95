/* SPDX-License-Identifier: ISC */
/*
 * Sockets for plug-ins, which can make none: `grant listen on` and `grant
 * connect`.  They are opened here, to or on an address of the configuration
 * and no other, and passed.  A plug-in of which this process knows nothing
 * but its block asks; how often is bounded.
 */
#include "compat.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>

#include "log.h"
#include "msg_plug.h"
#include "msg_proc.h"
#include "wsmtpd.h"

static int	 net_connect(const char *addr, const char *port);

void
plug_net_listen(struct child *ch, const struct conf_plugin *cp)
{
	const struct conf_pair	*l;
	struct wbuf		 w = { 0 };
	char			 name[128];
	int			 fd;

	TAILQ_FOREACH(l, &cp->listens, entry) {
		snprintf(name, sizeof(name), "%s port %s", l->name, l->value);
		/* Without it the plug-in says what it makes of that. */
		if ((fd = listen_tcp(l->name, l->value, name)) == -1)
			continue;
		proc_listen_put(&w, "plug-in", name);
		if (ch->chan == NULL || chan_send(ch->chan, IMSG_PROC_LISTEN,
		    0, fd, w.data, w.len) == -1)
			log_warn("%s: %s", ch->name, name);
		wbuf_free(&w);
	}
}

/* Under way when it returns: who gets it sees how it ends.  -1 and errno. */
static int
net_connect(const char *addr, const char *port)
{
	struct addrinfo	 hints, *ai;
	int		 fd, saved, one = 1;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	if (getaddrinfo(addr, port, &hints, &ai) != 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd != -1 && (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one)) == -1 || (connect(fd, ai->ai_addr, ai->ai_addrlen) ==
	    -1 && errno != EINPROGRESS))) {
		saved = errno;
		close(fd);
		fd = -1;
		errno = saved;
	}
	saved = errno;
	freeaddrinfo(ai);
	errno = saved;
	return fd;
}

int
plug_net_connect(struct child *ch, const struct conf_plugin *cp,
    struct imsg *imsg, int may)
{
	const struct conf_pair	*c = NULL;
	struct rbuf		 r;
	struct wbuf		 w = { 0 };
	char			*addr, *port;
	int			 fd = -1, ret;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (plug_connect_get(&r, &addr, &port) == -1)
		return -1;
	errno = EPERM;
	if (cp != NULL)
		TAILQ_FOREACH(c, &cp->connects, entry)
			if (strcmp(c->name, addr) == 0 &&
			    strcmp(c->value, port) == 0)
				break;
	/* One that does not read its channel collects no sockets there. */
	if (!may || ch->chan->ibuf.out_bytes > 0)
		errno = EAGAIN;
	else if (c == NULL)
		log_warnx("%s: may not connect to %s port %s", ch->name, addr,
		    port);
	else
		fd = net_connect(addr, port);
	free(addr);
	free(port);
	if (fd != -1)
		ret = chan_send(ch->chan, IMSG_PLUG_CONNECTED, imsg->hdr.id,
		    fd, NULL, 0);
	else {
		wbuf_u32(&w, (uint32_t)errno);
		ret = chan_sendw(ch->chan, IMSG_PLUG_NOT_CONNECTED,
		    imsg->hdr.id, &w);
		wbuf_free(&w);
	}
	return ret;
}
