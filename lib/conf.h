/* SPDX-License-Identifier: ISC */
/*
 * The configuration as every process sees it.  The parent parses it
 * (wsmtpd/parse.y); conf_encode() writes a role's view, in which what the
 * role has no use for is simply absent, and conf_decode() reads it in the
 * child.  Only keys gets private signing keys and verifiers, only frontend
 * gets TLS keys.
 */
#ifndef CONF_H
#define CONF_H

#include <sys/queue.h>

#include "limits.h"
#include "proto.h"
#include "wire.h"

struct conf_blob {			/* a file's name and, once read, its content */
	char		*path;
	uint8_t		*data;
	size_t		 len;
};

struct conf_listen {
	char		*addr;		/* numeric, or "*" */
	uint16_t	 port;
	TAILQ_ENTRY(conf_listen) entry;
};

struct conf_domain {
	char		*name;		/* normalized */
	struct conf_blob cert;		/* signing: PEM, leaf first */
	struct conf_blob key;		/* keys only */
	struct conf_blob tls_cert;	/* frontend; soap, for its names */
	struct conf_blob tls_key;	/* frontend only */
	struct conf_blob client_ca;	/* for users' certificates; may be empty */
	struct conf_blob client_crl;
	int64_t		 quota;		/* octets, -1: the limit's default */
	TAILQ_ENTRY(conf_domain) entry;
};

struct conf_trust {			/* anchors for other domains' certificates */
	struct conf_blob ca;
	struct conf_blob crl;
	TAILQ_ENTRY(conf_trust) entry;
};

struct conf_alias {
	char		*name;		/* user@hosted.domain */
	char		**to;		/* addresses, local or not */
	size_t		 nto;
	TAILQ_ENTRY(conf_alias) entry;
};

struct conf_route {
	char		*domain;	/* "*": all that no other route names */
	char		*host;		/* name or address */
	uint16_t	 port;
	TAILQ_ENTRY(conf_route) entry;
};

/* The users table; verifiers only for keys (users.h has the file's form). */
struct conf_user {
	char		*name;		/* user@domain, normalized */
	char		*text;		/* $scrypt$..., or NULL: keys only */
	char		*mac;		/* derivation, iterations, salt, key: keys only */
	int64_t		 quota;		/* octets, -1: default */
	int		 disabled;
	TAILQ_ENTRY(conf_user) entry;
};

/* A plug-in's block.  What is not granted in it the plug-in cannot do. */
struct conf_pair {
	char		*name, *value;
	TAILQ_ENTRY(conf_pair) entry;
};
TAILQ_HEAD(conf_pairs, conf_pair);
struct conf_plugin {
	uint32_t	 id;		/* instance of its process; not in the file */
	char		*name;
	char		*object;	/* path of the shared object, or program */
	int		 program;	/* it is one, in place of wsplug */
	uint32_t	 priority;
	int		 disabled;
	int		 required;
	int		 bodies;	/* grants, from here */
	int		 send_users;
	int		 exec;
	int64_t		 state;		/* octets of its own store; 0: none */
	int64_t		 memory;	/* budgets: octets */
	int64_t		 size_max;
	uint32_t	 timeout;	/* s for one call */
	char		**scope;	/* addresses, domains; none: all */
	size_t		 nscope;
	char		**sender;
	size_t		 nsender;
	char		**address;
	size_t		 naddress;
	struct conf_pairs listens;	/* address -> port: sockets that it gets */
	struct conf_pairs connects;	/* the same: where it may connect to */
	char		**place;	/* programs may lie here, too */
	size_t		 nplace;
	struct conf_pairs options;
	TAILQ_ENTRY(conf_plugin) entry;
};

struct conf {
	char		*path;		/* of the file */
	char		*spool;		/* queue/, local/, empty/ lie below it */
	char		*users_path;
	char		*control_path;
	char		*control_ro_path;	/* NULL: none */
	char		*procuser[P_MAX];	/* NULL: default _ws<name> */
	uint32_t	 nsoap;		/* 0 in the file: number of cores */
	int		 sandbox_required;
	char		*resolver;	/* "127.0.0.1:5353", or NULL: the system's */
	uint32_t	 retry_min, retry_max, retry_jitter;	/* s, s, percent */
	uint32_t	 ttl, warn;	/* s; warn 0: no delay warning */
	int64_t		 limit[LIM_MAX];
	uint8_t		 secret[32];	/* keys: for made-up salts; made once, kept in the spool */
	TAILQ_HEAD(, conf_listen) listens;
	TAILQ_HEAD(, conf_domain) domains;
	TAILQ_HEAD(, conf_trust) trusts;
	TAILQ_HEAD(, conf_alias) aliases;
	TAILQ_HEAD(, conf_route) routes;
	TAILQ_HEAD(, conf_user)	users;
	TAILQ_HEAD(, conf_plugin) plugins;
	struct conf_pairs tokens;	/* domain, or "any" -> TOKEN_* */
	uint32_t	 plug_uid_min, plug_uid_max;	/* their users */
};

/* What another domain's tokens are honoured for. */
#define TOKEN_ANY		"any"
#define TOKEN_NONE		"none"
#define TOKEN_EXTENSIONS	"extensions"
#define TOKEN_ATTACHMENTS	"attachments"	/* any, unless one says whose */
int		 conf_honours(const struct conf *, const char *domain,
		    const char *use);

struct conf	*conf_new(void);	/* defaults; NULL: ENOMEM */
void		 conf_free(struct conf *);	/* wipes secrets */
/* Wipe and forget a file's contents; a user's verifiers. */
void		 conf_blob_wipe(struct conf_blob *);
void		 conf_user_wipe(struct conf_user *);
struct conf_domain *conf_domain(const struct conf *, const char *name);
struct conf_alias *conf_alias(const struct conf *, const char *name);
struct conf_user *conf_user(const struct conf *, const char *name);

/* wsmtpd/parse.y: NULL after errors were printed as file:line: text. */
struct conf	*conf_parse(const char *path);
/* wsmtpd/printconf.c: prints what parses back to the same. */
void		 conf_print(const struct conf *);

/* lib/conf_plugin.c */
struct conf_plugin *conf_plugin_new(const char *name);	/* defaults; NULL: ENOMEM */
void		 conf_plugin_free(struct conf_plugin *);
struct conf_plugin *conf_plugin(const struct conf *, const char *name);
const char	*conf_option(const struct conf_pairs *, const char *name);
void		 conf_pairs_put(struct wbuf *, const struct conf_pairs *);
void		 conf_pairs_get(struct rbuf *, struct conf_pairs *);
void		 conf_pairs_free(struct conf_pairs *);
/* 0 or -1: ENOMEM; the string is copied. */
int		 conf_list_add(char ***, size_t *, const char *);
int		 conf_pair_add(struct conf_pairs *, const char *name,
		    const char *value);
/* What its process is told of it; without the id, which is of this life. */
void		 conf_plugin_put(struct wbuf *, const struct conf_plugin *);
struct conf_plugin *conf_plugin_get(struct rbuf *);	/* NULL: r->error */

/* lib/conf_wire.c */
/* instance: whose plug-in it is, for P_PLUG. */
void		 conf_encode(const struct conf *, enum proc_id role,
		    uint32_t instance, struct wbuf *);
struct conf	*conf_decode(struct rbuf *);	/* NULL and errno */
/* A file's contents, with or without; a string that may be NULL. */
void		 conf_blob_put(struct wbuf *, const struct conf_blob *, int with);
void		 conf_blob_get(struct rbuf *, struct conf_blob *);
void		 conf_str_put(struct wbuf *, const char *);
char		*conf_str_get(struct rbuf *);

#endif /* CONF_H */
