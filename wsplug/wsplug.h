/* SPDX-License-Identifier: ISC */
/*
 * wsplug: the host of one plug-in, what its files offer each other.
 *
 *	wsplug.c	the process: loads the object, passes calls on
 *	call.c		a call from its coming to its verdict
 *	view.c		the XML of a call, for plug-ins that parse none
 *	state.c		grant state: keys and values on stable storage
 *	mail.c		grant send: mail through a soap process
 *	net.c		grants listen and connect: sockets from the parent
 *	service.c	options, log, timer, descriptors
 *
 * The plug-in is in this process and can do what the process can; what it may
 * do is decided by the sandbox and by those it talks to, not here.
 */
#ifndef WSPLUG_H
#define WSPLUG_H

#include <event2/event.h>

#include <libxml/tree.h>

#include "msg_plug.h"
#include "proc.h"
#include "store.h"
#include "wsmsg.h"
#include "wsplugin.h"

struct wsp_call {
	TAILQ_ENTRY(wsp_call) entry;
	struct wsp	*w;
	struct chan	*chan;		/* who asked; NULL: gone */
	uint64_t	 id;
	int64_t		 began;		/* us */
	uint8_t		*raw;		/* what c points into */
	struct plug_call c;
	struct wsp_env	 env;
	struct wsp_message msg;
	const char	**rcpt;
	void		*ctx;		/* the plug-in's */
	/* view.c */
	int		 viewed;
	xmlDocPtr	 doc;
	struct wsmsg	 m;
	xmlNodePtr	 at;		/* the last attachment, and which it is */
	size_t		 at_nth;
	struct wbuf	 text;		/* of the last wsp_attachment() */
	char		*arg;
};

struct watch {
	TAILQ_ENTRY(watch) entry;
	struct wsp	*w;
	struct event	*ev;
	int		 fd;
	short		 what;		/* EV_READ or EV_WRITE */
	void		(*cb)(struct wsp *, int, void *);
	void		*arg;
};

struct listening {
	TAILQ_ENTRY(listening) entry;
	char		*name;
	int		 fd;
};

struct wsp {
	struct proc	*p;
	struct conf_plugin *cp;
	const struct wsp_plugin *pl;
	void		*ctx;		/* the plug-in's */
	int		 initialized;
	TAILQ_HEAD(, wsp_call) calls;
	TAILQ_HEAD(, watch) watches;
	TAILQ_HEAD(, mail) mails;
	TAILQ_HEAD(, listening) listeners;
	TAILQ_HEAD(, connecting) connecting;
	uint64_t	 last_mail, last_connect;
	struct event	*timer;		/* of tick() */
	struct event	*give_up;	/* at the end */
	struct store	*store;		/* NULL: not granted */
	struct store_table *state, *meta;
	uint8_t		*found;		/* what state handed out last */
	uint64_t	 used;		/* octets of state */
	uint64_t	 ncalls, nopen, busy, nmail;
	uint64_t	 nverdict[VERDICT_MAX];
};

/* --- call.c --- */
/* 0, or -1: malformed. */
int	 call_new(struct wsp *, struct chan *, struct imsg *);
void	 call_free(struct wsp_call *);
void	 call_peer_down(struct wsp *, struct chan *);

/* --- view.c --- */
void	 view_free(struct wsp_call *);

/* --- state.c --- */
int	 state_open(struct wsp *);	/* 0, or -1: logged */
void	 state_close(struct wsp *);

/* --- mail.c --- */
int	 mail_result(struct wsp *, struct chan *, struct imsg *);
void	 mail_peer_down(struct wsp *, struct chan *);
int	 mail_is_granted(const struct wsp *);

/* --- net.c --- */
void	 net_listener(struct wsp *, const char *name, int fd);
int	 net_connected(struct wsp *, struct imsg *);
int	 net_not_connected(struct wsp *, struct imsg *);

/* --- wsplug.c --- */
void	 host_idle(struct wsp *);	/* something ended: perhaps the last */

#endif /* WSPLUG_H */
