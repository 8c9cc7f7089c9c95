/* SPDX-License-Identifier: ISC */
/*
 * The callers' side of plug-ins (soap and wsqueue): who there is, as the
 * parent says, and calls to one after the other in the order of priority.
 * A plug-in that is on its way is waited for; one that ends with a call in
 * its hands costs that call a temporary failure and nobody else anything.
 */
#ifndef PLUGS_H
#define PLUGS_H

#include "idtree.h"
#include "msg_plug.h"
#include "proc.h"

struct plugin;
struct chain;

struct plugs {
	struct proc	*p;
	struct event	*timer;
	struct idtree	 calls;		/* sent, by id */
	uint64_t	 last;
	TAILQ_HEAD(, plugin) list;	/* by priority, then id */
	TAILQ_HEAD(, chain) chains;
	uint64_t	 ncalls, nverdicts, nlate, nnonsense;
};

/* 0 or -1: ENOMEM. */
int	 plugs_init(struct plugs *, struct proc *);
/* Ends all chains without a word: their owners are going, too. */
void	 plugs_free(struct plugs *);
/* IMSG_PROC_PLUGS.  0, or -1: malformed. */
int	 plugs_table(struct plugs *, struct imsg *);
/* IMSG_CALLER_VERDICT.  Likewise. */
int	 plugs_verdict(struct plugs *, struct chan *, struct imsg *);
/* A channel to a plug-in came or went. */
void	 plugs_peer_up(struct plugs *, struct chan *);
void	 plugs_peer_down(struct plugs *, struct chan *);
void	 plugs_stats(struct plugs *, struct wbuf *);

/* Has anybody this interface for this address? */
int	 plugs_any(const struct plugs *, uint32_t interface, const char *who);
/* The plug-in that an address is mapped to, or NULL. */
const struct plug_row *plugs_mapped(const struct plugs *, const char *addr);
/* By identifier of an extension, in service or not; or NULL. */
const struct plug_row *plugs_extension(const struct plugs *, const char *ext);
/* By the instance of its process, or NULL. */
const struct plug_row *plugs_by_id(const struct plugs *, uint32_t id);

/*
 * A message's (or an extension request's) way from one plug-in to the next.
 * cb is called once for each chain_step(): with the verdict and the row of
 * who gave it (valid during the call), or with NULL: there is nobody left.
 * It steps on, or frees the chain, perhaps later.
 */
typedef void	(*chain_cb)(struct chain *, const struct plug_verdict *,
		    const struct plug_row *, void *);
struct chain	*chain_new(struct plugs *, uint32_t interface,
		    const char *who, chain_cb, void *);	/* NULL: ENOMEM */
/* Asks the next one.  What the call holds is copied, as much as may be shown. */
void		 chain_step(struct chain *, const struct plug_call *);
/* Asks that one alone, for an extension. */
void		 chain_ask(struct chain *, uint32_t id, uint32_t timeout,
		    const struct plug_call *);
void		 chain_free(struct chain *);

#endif /* PLUGS_H */
