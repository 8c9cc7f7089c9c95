/* SPDX-License-Identifier: ISC */
/*
 * Plug-ins: what the parent tells those who call them, a call and its
 * verdict, and mail that a plug-in sends.  wsplug(8) documents the octets.
 */
#ifndef MSG_PLUG_H
#define MSG_PLUG_H

#include "msg_queue.h"

/* Interfaces, by their names in the papers; a composite has several. */
#define PLUG_SENDING	0x1	/* ISendingProcessor: at first receipt */
#define PLUG_DELIVERY	0x2	/* IDeliveryProcessor: before the mailbox */
#define PLUG_EXTENSION	0x4	/* IExtensionProcessor: by identifier */

#define PLUG_TEXT_MAX	512	/* octets of a reason */

/*
 * IMSG_PARENT_PLUG_ABOUT: after READY, what the shared object said of itself.
 */
struct plug_about {
	uint32_t	 interfaces;
	char		*version;
	uint32_t	 hold;		/* s an extension request may be held */
	uint32_t	 next;
	char		**ext;		/* extension identifiers */
};
void	 plug_about_put(struct wbuf *, const struct plug_about *);
int	 plug_about_get(struct rbuf *, struct plug_about *);
void	 plug_about_free(struct plug_about *);

/* One plug-in as those who call it see it. */
enum plug_state {
	PLUG_UP,		/* takes calls */
	PLUG_DOWN,		/* starts, or starts anew: wait for it */
	PLUG_FAILED,		/* ended by itself, and starts again */
	PLUG_TRIPPED,		/* failed too often: taken out for a while */
	PLUG_DISABLED,		/* by the administrator: as if not there */
	PLUG_STATES
};
struct plug_row {
	uint32_t	 id;		/* instance of its process */
	char		*name;
	uint32_t	 state;
	uint32_t	 priority;	/* the lower the earlier */
	uint32_t	 required;	/* without it, mail waits */
	uint32_t	 bodies;	/* it is shown more than the facts */
	uint32_t	 send_users;	/* it may send as any user in its scope */
	uint32_t	 timeout;	/* s for one call */
	int64_t		 size_max;	/* octets of a message it is shown */
	struct plug_about about;
	uint32_t	 nscope;	/* 0: all */
	char		**scope;	/* addresses and domains */
	uint32_t	 nsender;
	char		**sender;	/* addresses it may send as */
	uint32_t	 naddress;
	char		**address;	/* mapped to it */
};
/* IMSG_PROC_PLUGS: all there are, in no order. */
struct plug_table {
	uint32_t	 n;
	struct plug_row	*row;
};
void	 plug_table_put(struct wbuf *, const struct plug_table *);
int	 plug_table_get(struct rbuf *, struct plug_table *);
void	 plug_table_free(struct plug_table *);
/* Is the address, or its domain, in the plug-in's scope. */
int	 plug_row_covers(const struct plug_row *, const char *addr);

/* IMSG_PLUG_CALL; answered by IMSG_CALLER_VERDICT. */
struct plug_call {
	uint32_t	 interface;	/* one of PLUG_* */
	uint32_t	 auth;		/* enum wsp_auth of wsplugin.h */
	uint32_t	 local;		/* the principal is a user of ours */
	uint32_t	 attempt;	/* delivery: tries before this one */
	char		*request;	/* id, as the log has it */
	char		*principal;	/* user address, or the peer's domain */
	char		*peer;		/* network address, or "" */
	char		*extension;	/* identifier, or "" */
	struct mail_facts facts;	/* of a message; else empty */
	uint32_t	 size;		/* octets of theMessage */
	uint32_t	 nrcpt;
	struct rcpt	*rcpt;		/* delivery: the one */
	const uint8_t	*body;		/* theMessage, when it is shown; args */
	size_t		 body_len;
	const uint8_t	*sig;		/* delivery: its ds:Signature, as body */
	size_t		 sig_len;
};
void	 plug_call_put(struct wbuf *, const struct plug_call *);
int	 plug_call_get(struct rbuf *, struct plug_call *);
void	 plug_call_free(struct plug_call *);

/* IMSG_CALLER_VERDICT */
enum verdict_what {
	VERDICT_CONTINUE = 1,	/* to the next one */
	VERDICT_REPLACE,	/* sending: with this theMessage instead */
	VERDICT_TAKEN,		/* the plug-in sees to it: accepted, done */
	VERDICT_REFUSE,		/* for good: code and text */
	VERDICT_HOLD,		/* accepted; waits for the administrator */
	VERDICT_DEFER,		/* temporarily not */
	VERDICT_RESULT,		/* extension: the answer */
	VERDICT_MAX
};
struct plug_verdict {
	uint32_t	 what;
	uint32_t	 code;		/* refusal: ST_*, 500 to 599 */
	char		*text;
	const uint8_t	*body;		/* replacement or result */
	size_t		 body_len;
};
void	 plug_verdict_put(struct wbuf *, const struct plug_verdict *);
int	 plug_verdict_get(struct rbuf *, struct plug_verdict *);
void	 plug_verdict_free(struct plug_verdict *);

/* IMSG_SOAP_PLUG_MAIL; answered by IMSG_PLUG_MAIL_RESULT. */
struct plug_mail {
	char		*from;
	char		*key;		/* the same key is the same mail; "": new */
	char		*subject;
	char		*body;
	char		*inreplyto;	/* MessageId, or "" */
	uint32_t	 flags;
	uint32_t	 nrcpt;
	char		**rcpt;
	const uint8_t	*xml;		/* one XmlNode's element, or none */
	size_t		 xml_len;
};
void	 plug_mail_put(struct wbuf *, const struct plug_mail *);
int	 plug_mail_get(struct rbuf *, struct plug_mail *);
void	 plug_mail_free(struct plug_mail *);

struct plug_mail_result {
	uint32_t	 code;		/* ST_* */
	char		*text;
	char		*msgid;		/* or "" */
};
void	 plug_mail_result_put(struct wbuf *, const struct plug_mail_result *);
int	 plug_mail_result_get(struct rbuf *, struct plug_mail_result *);
void	 plug_mail_result_free(struct plug_mail_result *);

/*
 * IMSG_PARENT_PLUG_CONNECT: to an address of `grant connect`; answered by
 * IMSG_PLUG_CONNECTED, + fd, or IMSG_PLUG_NOT_CONNECTED, u32 errno.
 */
void	 plug_connect_put(struct wbuf *, const char *addr, const char *port);
int	 plug_connect_get(struct rbuf *, char **addr, char **port);

/* IMSG_PARENT_PLUG_FAULT, from a caller: it hung, or answered nonsense. */
void	 plug_fault_put(struct wbuf *, uint32_t id, const char *text);
int	 plug_fault_get(struct rbuf *, uint32_t *id, char **text);

#endif /* MSG_PLUG_H */
