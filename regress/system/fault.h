/* SPDX-License-Identifier: ISC */
/*
 * What a test and fault.so in a daemon share: a file that both map.  The
 * daemon gets it by the environment, LD_PRELOAD=fault.so and WS_FAULT=file,
 * and maps it before its sandbox closes; so it is armed while it runs.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

enum fault_kind {
	FK_WRITE, FK_SYNC, FK_RENAME, FK_UNLINK, FK_SEND, FK_MAX
};

/* Beside an errno value that the call returns instead: */
#define FAULT_DIE_BEFORE	10001	/* SIGKILL, the call is not made */
#define FAULT_DIE_AFTER		10002	/* SIGKILL, the call was made */

struct fault {
	volatile uint32_t	kinds;	/* bits 1 << FK_*: those that count */
	volatile uint32_t	count;	/* calls since the test set it to 0 */
	volatile uint32_t	nth;	/* acts from this call on, 0: never */
	volatile uint32_t	calls;	/* so many times */
	volatile uint32_t	act;	/* errno, or FAULT_DIE_* */
	volatile uint32_t	hits;
	volatile uint32_t	kind;	/* FK_* of the last hit */
	char			who[16];/* program it is about, "": any */
	volatile int32_t	clock;	/* s that the time of day is ahead */
};

#endif /* FAULT_H */
