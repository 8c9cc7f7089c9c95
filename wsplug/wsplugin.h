/* SPDX-License-Identifier: ISC */
/*
 * The interface between wsmtpd(8) and a plug-in: see wsplugin(3).
 *
 * A plug-in is a shared object that defines `const struct wsp_plugin
 * wsp_plugin`.  It runs alone in a process of its own, in one thread; the
 * functions below may be called from that thread only, from init() on.
 * Strings are UTF-8 and end with NUL; what a function hands out belongs to
 * the host and lives as long as the call (or, without one, the plug-in)
 * unless it says otherwise.  Functions that return int return 0, or -1 and
 * errno; EPERM: it was not granted in wsmtpd.conf(5).
 */
#ifndef WSPLUGIN_H
#define WSPLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WSP_ABI		1

struct wsp;			/* the host of this plug-in */
struct wsp_call;		/* a request, until its verdict */

struct wsp_plugin {
	uint32_t	  abi;		/* WSP_ABI */
	uint32_t	  size;		/* sizeof(struct wsp_plugin) */
	const char	 *version;	/* of the plug-in, for wsctl(8) */
	/* Identifiers it answers to, ended by NULL; or NULL. */
	const char *const *extensions;
	/* s that extension() may keep a request open: at most 300 */
	uint32_t	  hold;

	/* In the sandbox, before the first call.  -1: it does not start. */
	int		(*init)(struct wsp *);
	/*
	 * ISendingProcessor: a user of ours sends a message.
	 * IDeliveryProcessor: a message is about to enter one mailbox.
	 * IExtensionProcessor: ExecuteExtensionHandler with one of extensions.
	 * Each must give every call one verdict, at once or later.  NULL: the
	 * plug-in has not got that interface.
	 */
	void		(*sending)(struct wsp *, struct wsp_call *);
	void		(*delivery)(struct wsp *, struct wsp_call *);
	void		(*extension)(struct wsp *, struct wsp_call *);
	/* Each so many seconds, as wsp_timer() said; may be NULL. */
	void		(*tick)(struct wsp *);
	/*
	 * An orderly end begins: requests that are kept open should get their
	 * verdicts now.  May be NULL.
	 */
	void		(*stop)(struct wsp *);
	/* Its last words; may be NULL. */
	void		(*fini)(struct wsp *);
};
extern const struct wsp_plugin wsp_plugin;

/* --- what is asked -------------------------------------------------------- */

enum wsp_auth {			/* how the principal was authenticated */
	WSP_AUTH_NONE,		/* a delivery: long ago, see the message */
	WSP_AUTH_PASSWORD,
	WSP_AUTH_MAC,
	WSP_AUTH_X509,
	WSP_AUTH_TOKEN,		/* vouched for by another domain */
	WSP_AUTH_PEER		/* a domain's server */
};

struct wsp_env {
	const char	*request;	/* id, as it stands in the log */
	const char	*principal;	/* address, or a domain */
	enum wsp_auth	 auth;
	int		 local;		/* a user of ours; delivery: sent here */
	const char	*peer;		/* network address, or "" */
	unsigned int	 attempt;	/* delivery: how often it was tried before */
};

struct wsp_message {
	const char	*msgid;		/* MessageId: the same on every try */
	const char	*sender;
	const char	*subject;
	int64_t		 timestamp;	/* ms since 1970 */
	uint32_t	 flags;		/* MessageFlags of wsemail(7) */
	size_t		 size;		/* octets of theMessage */
	size_t		 nrcpt;
	const char *const *rcpt;	/* delivery: the one mailbox */
	/* theMessage; NULL without `grant bodies` or when it is too large. */
	const char	*xml;
	size_t		 xml_len;
	/* delivery: its ds:Signature, by the sender's domain; as xml. */
	const char	*sig;
	size_t		 sig_len;
};

const struct wsp_env *wsp_env(const struct wsp_call *);
/* NULL for an extension request. */
const struct wsp_message *wsp_message(const struct wsp_call *);
/* The identifier, and the XML of its arguments; NULL for a message. */
const char	*wsp_extension(const struct wsp_call *, const char **args,
		    size_t *len);
/* For the plug-in's own use until the verdict. */
void		 wsp_call_set(struct wsp_call *, void *);
void		*wsp_call_get(const struct wsp_call *);

/*
 * A view of the XML, parsed by the host: NULL without it.  body: the text of
 * Body.  recipient: of the Recipients that all can see, from 0, NULL at the
 * end.  attachment: the root element's local name of the attachment, from 0,
 * and its length in octets; NULL at the end.
 */
const char	*wsp_body(struct wsp_call *);
const char	*wsp_recipient(struct wsp_call *, size_t);
const char	*wsp_inreplyto(struct wsp_call *);
const char	*wsp_attachment(struct wsp_call *, size_t, size_t *len);
/* The local name of an extension argument's root element, or NULL. */
const char	*wsp_method(struct wsp_call *);
/* The text of an extension argument's child element of that name, or NULL. */
const char	*wsp_arg(struct wsp_call *, const char *name);
/* The text as the content of an element; free(3) it.  NULL: no memory. */
char		*wsp_escape(const char *);

/* --- verdicts: one for each call, which is gone afterwards ---------------- */

void		 wsp_continue(struct wsp_call *);
/* sending: theMessage, to be sent (and signed) instead. */
void		 wsp_replace(struct wsp_call *, const char *xml, size_t len);
/* The plug-in sees to the message itself: for all others it is delivered. */
void		 wsp_taken(struct wsp_call *, const char *text);
/* For good; code 500 to 599 of wsemail(7), 0: 553. */
void		 wsp_refuse(struct wsp_call *, int code, const char *text);
/* Accepted, but it waits in the queue for wsctl schedule or remove. */
void		 wsp_hold(struct wsp_call *, const char *text);
/* Temporarily not: the queue tries again, a client is told to. */
void		 wsp_defer(struct wsp_call *, const char *text);
/* extension: one element, or none. */
void		 wsp_result(struct wsp_call *, const char *xml, size_t len);

/* --- what the host does for it -------------------------------------------- */

const char	*wsp_name(const struct wsp *);
/* Of the plug-in's block: the value of that option, or NULL. */
const char	*wsp_option(const struct wsp *, const char *name);
/* The nth option's name, from 0, and its value; NULL at the end. */
const char	*wsp_option_at(const struct wsp *, size_t, const char **value);
/* One line in the log, under the plug-in's name. */
void		 wsp_log(struct wsp *, const char *fmt, ...)
		    __attribute__((__format__(__printf__, 2, 3)));
/* Calls tick() every so many seconds from now on; 0: no more. */
int		 wsp_timer(struct wsp *, unsigned int seconds);
/* Calls back when the descriptor can be read; NULL: no more. */
int		 wsp_watch(struct wsp *, int fd,
		    void (*)(struct wsp *, int fd, void *), void *);
/* The same when it can be written to. */
int		 wsp_watch_write(struct wsp *, int fd,
		    void (*)(struct wsp *, int fd, void *), void *);
/*
 * `grant listen on`: the nth socket, from 0, to accept(2) from, and in *name
 * its line's "address port number"; -1: no more.  `grant connect`: to that
 * address and port, as the line has them; done is called once, with a socket
 * that does not block and is the plug-in's to close, or with -1 and an errno.
 */
int		 wsp_listener(struct wsp *, size_t n, const char **name);
int		 wsp_connect(struct wsp *, const char *address,
		    const char *port, void (*done)(struct wsp *, int fd,
		    int error, void *), void *);
/* The plug-in's own pointer. */
void		 wsp_set(struct wsp *, void *);
void		*wsp_get(const struct wsp *);

/*
 * `grant state`: octet keys (up to 512) and values, ordered.  put and del are
 * on stable storage when they return.  A value that is handed out lives until
 * the next call of these.  ENOENT: no such key; EDQUOT: more than was granted.
 */
int		 wsp_state_get(struct wsp *, const void *key, size_t klen,
		    const void **val, size_t *vlen);
int		 wsp_state_put(struct wsp *, const void *key, size_t klen,
		    const void *val, size_t vlen);
int		 wsp_state_del(struct wsp *, const void *key, size_t klen);
/* The first key that is not before this one. */
int		 wsp_state_next(struct wsp *, const void *key, size_t klen,
		    const void **k, size_t *kl, const void **val, size_t *vlen);

/*
 * `grant send`: queues a message, signed as any.  key: the same key of the
 * same plug-in is the same message, however often it is sent; NULL: a new
 * one.  done is called once, with 200 when it is queued, or with a code and
 * text; it may be NULL.
 */
struct wsp_mail {
	const char	*from;
	const char *const *rcpt;	/* ended by NULL */
	const char	*subject, *body;
	const char	*inreplyto;	/* MessageId, or NULL */
	uint32_t	 flags;
	const char	*xml;		/* an attachment: one element, or NULL */
	const char	*key;
};
int		 wsp_send(struct wsp *, const struct wsp_mail *,
		    void (*done)(struct wsp *, int code, const char *text,
		    void *), void *);

#ifdef __cplusplus
}
#endif

#endif /* WSPLUGIN_H */
