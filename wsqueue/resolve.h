/* SPDX-License-Identifier: ISC */
/*
 * From the address that was written to the addresses that are delivered to:
 * hosted domains, users, aliases.  An index over the configuration, built
 * anew at each reload; pure otherwise.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "conf.h"
#include "msg_queue.h"

struct dir;

struct dir	*dir_new(const struct conf *);	/* points into conf; NULL: ENOMEM */
void		 dir_free(struct dir *);
int		 dir_is_hosted(const struct dir *, const char *domain);
int		 dir_is_user(const struct dir *, const char *addr);
/* Handled by a plug-in. */
int		 dir_is_mapped(const struct dir *, const char *addr);
int		 dir_is_alias(const struct dir *, const char *addr);

struct resolved {
	struct rcpt	*rcpt;		/* owned; addr is final */
	uint32_t	 nrcpt;
	uint32_t	 cap;
	uint32_t	 code;		/* why there is none: ST_NOUSER, ST_LOOP */
	const char	*text;
};

/*
 * Adds what `addr` leads to; addresses already there are not added twice.
 * orig is what it was reached by before ("" : nothing).  An address of
 * another domain leads to itself.  1: at least one recipient stands for it
 * now; 0: none, code and text say why; -1 and errno: ENOMEM.
 */
int	 resolve_add(struct resolved *, const struct dir *,
	    const struct conf *, const char *addr, const char *orig);
/* The answer to "is it there already". */
int	 resolve_has(const struct resolved *, const char *addr);
void	 resolve_free(struct resolved *);

#endif /* RESOLVE_H */
