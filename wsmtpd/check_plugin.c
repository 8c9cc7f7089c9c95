/* SPDX-License-Identifier: ISC */
/* Judges the plug-ins of a configuration.  Called by check.c. */
#include "compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "addr.h"
#include "log.h"
#include "wsmtpd.h"

#define UIDS_LOOKED	1000	/* at most, for a name */

static int	 check_object(const struct conf_plugin *);
static int	 check_address(const struct conf *, const struct conf_plugin *,
		    const char *);
static int	 check_senders(const struct conf *, const struct conf_plugin *);
static int	 check_uids(const struct conf *);

/* Whoever can write to it is the plug-in, whatever was granted to it. */
static int
check_object(const struct conf_plugin *p)
{
	struct stat	 st;

	if (stat(p->object, &st) == -1) {
		log_warn("plugin %s: %s", p->name, p->object);
		return 1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_warnx("plugin %s: %s: expected a file", p->name,
		    p->object);
		return 1;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		log_warnx("plugin %s: %s: others than root may write to it",
		    p->name, p->object);
		return 1;
	}
	return 0;
}

static int
check_address(const struct conf *c, const struct conf_plugin *p,
    const char *addr)
{
	const struct conf_plugin	*o;
	const char			*why = NULL;
	size_t				 i;

	if (conf_domain(c, addr_domain(addr)) == NULL)
		why = "is in no domain that is served here";
	else if (conf_user(c, addr) != NULL)
		why = "is a user";
	else if (conf_alias(c, addr) != NULL)
		why = "is an alias";
	TAILQ_FOREACH(o, &c->plugins, entry)
		for (i = 0; o != p && i < o->naddress; i++)
			if (strcmp(o->address[i], addr) == 0)
				why = "is another plug-in's, too";
	for (i = 0; i < p->nscope; i++)
		if (strcmp(p->scope[i], addr) == 0 ||
		    strcmp(p->scope[i], addr_domain(addr)) == 0)
			break;
	if (why == NULL && p->nscope > 0 && i == p->nscope)
		why = "is not in its scope (for)";
	if (why != NULL)
		log_warnx("plugin %s: address %s %s", p->name, addr, why);
	return why != NULL;
}

static int
check_senders(const struct conf *c, const struct conf_plugin *p)
{
	size_t	 i;
	int	 bad = 0;

	for (i = 0; i < p->nsender; i++)
		if (conf_domain(c, addr_domain(p->sender[i])) == NULL) {
			log_warnx("plugin %s: grant send %s: no such domain "
			    "is served here", p->name, p->sender[i]);
			bad++;
		}
	return bad;
}

/* Numbers without a name, or a user of the system shares with a plug-in. */
static int
check_uids(const struct conf *c)
{
	const struct conf_plugin	*p;
	struct passwd			*pw;
	uid_t				 uid;
	uint32_t			 n = 0;

	TAILQ_FOREACH(p, &c->plugins, entry)
		n++;
	if (geteuid() != 0 || n == 0)
		return 0;
	if (n > c->plug_uid_max - c->plug_uid_min + 1) {
		log_warnx("plugin users %u to %u: fewer than the %u plug-ins",
		    c->plug_uid_min, c->plug_uid_max, n);
		return 1;
	}
	for (uid = c->plug_uid_min; uid <= c->plug_uid_max &&
	    uid - c->plug_uid_min < UIDS_LOOKED; uid++)
		if ((pw = getpwuid(uid)) != NULL)
			log_warnx("warning: plugin users %u to %u: %u is the "
			    "user %s", c->plug_uid_min, c->plug_uid_max,
			    (unsigned int)uid, pw->pw_name);
	return 0;
}

int
check_plugins(const struct conf *c)
{
	const struct conf_plugin	*p;
	size_t				 i;
	int				 bad = check_uids(c);

	TAILQ_FOREACH(p, &c->plugins, entry) {
		bad += check_object(p);
		bad += check_senders(c, p);
		for (i = 0; i < p->naddress; i++)
			bad += check_address(c, p, p->address[i]);
	}
	return bad;
}
