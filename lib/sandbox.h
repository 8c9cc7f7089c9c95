/* SPDX-License-Identifier: ISC */
/*
 * What a role may still do once it is started.  Linux: no_new_privs, no
 * dumps, rlimits, Landlock, seccomp; OpenBSD: unveil and pledge.  Which
 * layers a role gets stands in one table in sandbox.c.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "proto.h"

#define SB_NOPRIVS	0x01	/* no_new_privs, dumps off, rlimits */
#define SB_CHROOT	0x02	/* set by proc.c, which did it */
#define SB_UID		0x04	/* likewise: own user */
#define SB_FS		0x08	/* Landlock or unveil */
#define SB_SYSCALL	0x10	/* seccomp or pledge */
#define SB_NET		0x20	/* Landlock TCP rules, where the kernel has them */

/*
 * Applies the role's layers to this process.  Returns the mask applied,
 * and in *missing the layers the role should have but this system lacks.
 * dir is the role's own directory (already the current one), or NULL.
 */
int	 sandbox_enter(enum proc_id, const char *dir, int *missing);
/* "no_new_privs chroot uid landlock seccomp", in buf; returns buf. */
char	*sandbox_str(int mask, char *buf, size_t);

#endif /* SANDBOX_H */
