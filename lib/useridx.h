/* SPDX-License-Identifier: ISC */
/*
 * Users by name: the list of the configuration, sorted once, so that a look
 * takes the same few steps for whoever is there and whoever is not.
 */
#ifndef USERIDX_H
#define USERIDX_H

#include "conf.h"

struct useridx {
	const struct conf_user	**u;
	size_t			  n;
};

/*
 * Over the users of c, which must live as long; what was there before is
 * freed.  Zero-initialised is empty and valid.  0, or -1 and ENOMEM.
 */
int	 useridx_build(struct useridx *, const struct conf *c);
void	 useridx_free(struct useridx *);
const struct conf_user *useridx_find(const struct useridx *, const char *);

#endif /* USERIDX_H */
