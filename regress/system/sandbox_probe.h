/* SPDX-License-Identifier: ISC */
/* What sandbox_probe.c tells sandbox_attempts.c. */
#ifndef SANDBOX_PROBE_H
#define SANDBOX_PROBE_H

#include <sys/types.h>

struct probe {
	/* opened before the sandbox closed */
	int		 in, out;
	int		 root;		/* "/" of the system, whatever the chroot */
	int		 program;	/* one that could be executed */
	int		 client, server;	/* TCP sockets */
	/* as "in" says */
	char		 tag[64], only[64];
	char		 play[2048], spool[2048];	/* relative to root */
	pid_t		 victim, other, parent;
	unsigned long	 address;	/* in the victim, of a readable octet */
	int		 port;		/* somebody listens there */
};
extern struct probe	 probe;

void	 attempt_all(void);

#endif /* SANDBOX_PROBE_H */
