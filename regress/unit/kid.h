/* SPDX-License-Identifier: ISC */
/*
 * Plays the parent and the peers of a real program over socketpairs, as
 * wsmtpd/spawn.c does: for the tests of single processes.
 *
 *	kid_start, kid_connect for each peer, kid_go, then kid_send and kid_recv;
 *	kid_stop (orderly) or kid_kill.
 */
#ifndef KID_H
#define KID_H

#include <sys/resource.h>

#include <sys/types.h>

#include "conf.h"
#include "imsg.h"
#include "proto.h"
#include "wire.h"

struct kid {
	pid_t		 pid;
	struct imsgbuf	 parent;
	enum proc_id	 role;
	rlim_t		 nofile;	/* its RLIMIT_NOFILE, 0: ours */
};

/*
 * The path of a program in the tree: $WS_TOP/name, or relative to where the
 * test itself lies.
 */
const char	*kid_path(const char *name);
/*
 * Starts the program in dir (NULL: where we are) with its view of the
 * configuration; its log goes to the file kid.log here.  Returns 0 when it
 * is ready, -1 when it ended before that.
 */
int	 kid_start(struct kid *, const char *path, enum proc_id,
	    const char *dir, struct conf *);
int	 kid_connect(struct kid *, struct imsgbuf *, enum proc_id as,
	    uint32_t instance);
int	 kid_go(struct kid *);
/* Sends a new configuration, and returns when it was taken. */
int	 kid_reload(struct kid *, struct conf *);
/* Sends and empties the buffer (NULL: no payload). */
int	 kid_send(struct imsgbuf *, uint32_t type, uint64_t id, struct wbuf *);
/* The next message: 1, or 0 after ms without one, or -1: the channel closed. */
int	 kid_recv(struct imsgbuf *, struct imsg *, int ms);
/* Value of a counter, or -1. */
int64_t	 kid_stat(struct kid *, const char *name);
/* Orderly; the exit status as of waitpid(2). */
int	 kid_stop(struct kid *);
void	 kid_kill(struct kid *);
/* Does the log hold this text? */
int	 kid_logged(const char *text);

#endif /* KID_H */
