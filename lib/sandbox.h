/* SPDX-License-Identifier: ISC */
/*
 * What a role may still do once it is started.  Linux: no_new_privs, no
 * dumps, rlimits, Landlock, seccomp; OpenBSD: unveil and pledge.  Which
 * layers a role gets stands in one table in sandbox.c.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <sys/types.h>

#include "proto.h"

#define SB_NOPRIVS	0x01	/* no_new_privs */
#define SB_CHROOT	0x02	/* set by proc.c, which did it */
#define SB_UID		0x04	/* likewise: own user */
#define SB_FS		0x08	/* Landlock or unveil */
#define SB_SYSCALL	0x10	/* seccomp or pledge */
#define SB_NODUMP	0x20	/* no core dumps, no debugger */
#define SB_LIMITS	0x40	/* rlimits */

/* With the address sanitizer, which needs calls and memory of its own. */
#if defined(__SANITIZE_ADDRESS__)
#define SB_ASAN		1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SB_ASAN		1
#endif
#endif

struct sandbox {
	int	 applied;	/* SB_* */
	int	 missing;	/* what the role should have and lacks */
	int	 abi;		/* of Landlock, 0: none */
	int	 sockets;	/* it is given some: set before the rest */
	int	 bare;		/* no directory of its own: sandbox_begin() */
	pid_t	 jail_pid;	/* of sandbox_jail_begin() */
	int	 jail_fd;
};

/*
 * In two steps, each of which adds the layers that came about to applied and
 * the others to missing.  The first, when the user and the directory are what
 * they will be: no privileges, no dumps, and no files but the role's own.  A
 * thread that is made after it has this, too, which a later one could not
 * give it.  dir is the role's own directory (already the current one), or
 * NULL.  The second, when all threads are there: no system calls but the
 * role's.
 */
void	 sandbox_begin(enum proc_id, const char *dir, struct sandbox *);
void	 sandbox_close(enum proc_id, struct sandbox *);
/*
 * Before these two, for code of others: what it may do while it is loaded,
 * already as its own user.  It reads what belongs to the system, object (a
 * descriptor, or -1) and what lies in dir, and has no way to the network, to
 * other processes or, but with exec, to programs.  With exec nothing is
 * closed later: programs need what it has; they may lie in these places, too.
 */
void	 sandbox_load(const char *dir, int object, int exec,
	    char *const *place, size_t nplace, struct sandbox *);
/*
 * Makes it possible to go into dir later, without the right to: begin is
 * called with it, enter when the code is loaded.  0, or -1 and errno.
 */
int	 sandbox_jail_begin(const char *dir, struct sandbox *);
int	 sandbox_jail_enter(struct sandbox *);
/* "no-new-privs chroot uid landlock seccomp", in buf; returns buf. */
char	*sandbox_str(int mask, char *buf, size_t);

#endif /* SANDBOX_H */
