/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd-soap: parses hostile XML and holds no secret.  soap.c owns the
 * process and what is asked of other processes; soap_request.c one HTTP
 * request from its body to its answer; soap_auth.c who asks; soap_send.c and
 * soap_peer.c mail coming in, soap_outgoing.c what is signed by us;
 * soap_plug.c plug-ins; soap_upload.c, soap_name.c, soap_fetch.c and
 * soap_attach.c attachments on their way in, into a message, out, and in their
 * owner's hands; soap_mailbox.c, soap_params.c, soap_ext.c the other
 * operations; soap_reply.c and soap_fault.c what is answered;
 * soap_relay.c mail going out to a peer; soap_bounce.c notices;
 * soap_certs.c the certificates.
 */
#ifndef SOAP_H
#define SOAP_H

#include <sys/queue.h>

#include "addr.h"
#include "idtree.h"
#include "mime.h"
#include "msg_attach.h"
#include "msg_http.h"
#include "msg_keys.h"
#include "msg_local.h"
#include "msg_queue.h"
#include "plugs.h"
#include "proc.h"
#include "soapenv.h"
#include "wsemail.h"
#include "wsmsg.h"
#include "wss.h"

struct soap;
struct request;
struct plugmail;

/* A hosted domain as this process knows it. */
struct hosted {
	TAILQ_ENTRY(hosted) entry;
	char		*name;
	X509		*cert;		/* NULL: cannot sign */
	STACK_OF(X509)	*chain;
	X509		*tls;		/* what the front end shows, or NULL */
	struct pki_store *clients;	/* anchors of users' certificates */
};

/* A certificate that a validated request carried, by its thumbprint. */
struct known_cert {
	TAILQ_ENTRY(known_cert) entry;
	uint8_t		 sha1[20];
	X509		*cert;
	STACK_OF(X509)	*chain;		/* or NULL */
};

/* What a peer's server has of our certificate. */
struct acquainted {
	TAILQ_ENTRY(acquainted) entry;
	char		*from, *to;	/* our domain, the peer's */
	unsigned int	 wait;		/* whole tokens to send before the next try */
	unsigned int	 misses;
};

/*
 * Something asked of another process.  cb is called once: with the answer,
 * or with NULL and why when there will be none (the process died, the time
 * is over: temporary).  Returns 0, or -1: the answer does not parse.
 */
typedef int	(*ask_cb)(void *, struct imsg *, const char *why);

struct soap_stats {
	uint64_t	 requests, faults, auth_ok, auth_refused, replayed;
	uint64_t	 sent, peer_in, relayed, relay_failed, bounces;
	uint64_t	 thumbprint_hits, thumbprint_misses, plug_mail;
};

struct soap {
	struct proc	*p;
	uint64_t	 lastid;
	struct idtree	 wait_keys, wait_queue, wait_local, wait_relay,
			 wait_attach;
	TAILQ_HEAD(, request) requests;
	TAILQ_HEAD(, hop) hops;
	TAILQ_HEAD(, notice) notices;
	struct plugs	 plugs;
	TAILQ_HEAD(, plugmail) plugmails;
	TAILQ_HEAD(, hosted) hosted;
	struct pki_store *trust;	/* anchors of other domains */
	TAILQ_HEAD(known_certs, known_cert) known;
	size_t		 nknown;
	TAILQ_HEAD(, acquainted) acquainted;
	size_t		 nacquainted;
	struct event	*give_up;	/* at shutdown */
	struct soap_stats st;
};

struct operation {
	const char	*ns;
	const char	*name;
	const char	*action;
	int		 anybody;	/* needs no login */
	const char	*token;		/* use of another domain's tokens: TOKEN_*,
					 * or NULL: they are of none */
	void		(*run)(struct request *);
	const char	*answer;	/* NULL: nameResponse, */
	const char	*answer_action;	/* actionResponse */
};

/* A request; freed by the answer (request_answer, request_fault). */
struct request {
	TAILQ_ENTRY(request) entry;
	struct soap	*s;
	struct chan	*frontend;	/* NULL: gone, the answer goes nowhere */
	uint64_t	 id;
	struct http_req	 http;
	int		 soap12;	/* by media type until the envelope is read */
	char		*action;	/* SOAPAction or action=, or NULL */
	xmlDocPtr	 doc;
	struct wss	 w;
	struct wss_rules rules;
	const struct operation *op;
	char		 principal[ADDR_MAX + 1];	/* who was authenticated */
	char		 domain[ADDR_DOMAIN_MAX + 1];	/* of ours, that serves */
	int		 authenticated;
	int		 is_peer;	/* principal is a domain */
	struct mime	 mime;		/* a package: so goes what has a part */
	uint8_t		*octets;	/* of the request, as long as mime needs them */
	size_t		 noctets;
	int		 is_guest;	/* a user whom another domain vouches for */
	struct replay	 replay;
	void		(*once)(struct request *);	/* request_once() */
	struct soapenv	 env;		/* the answer, while it is signed */
	uint32_t	 status;	/* its HTTP status */
	void		*state;		/* of the operation */
	void		(*state_free)(void *);
};

/* --- soap.c --- */
/* Empties the wbuf; timeout in s.  0, or -1: cb is not called. */
int	 soap_ask(struct soap *, enum proc_id, uint32_t type, struct wbuf *,
	    uint32_t answer, int64_t timeout, ask_cb, void *);
/*
 * The same with a descriptor, which is consumed; answer 0: one of several,
 * cb looks which.
 */
int	 soap_ask_fd(struct soap *, enum proc_id, uint32_t type, int fd,
	    struct wbuf *, uint32_t answer, int64_t timeout, ask_cb, void *);
/* The same to this channel with an id of the other side's choice. */
int	 soap_ask_chan(struct soap *, struct chan *, uint32_t type, uint64_t id,
	    struct wbuf *, uint32_t answer, int64_t timeout, ask_cb, void *);
/* Has keys sign as one of our domains; answer IMSG_SOAP_SIGN_RESULT. */
int	 soap_ask_sign(struct soap *, const char *domain, const struct wbuf *,
	    ask_cb, void *);
int64_t	 soap_limit(const struct soap *, enum limit);
void	 soap_idle(struct soap *);	/* something ended: perhaps the last */
void	 soap_rules(const struct soap *, struct wss_rules *);
void	 soap_xml_limits(const struct soap *, enum limit, struct xml_limits *);

/* --- soap_certs.c --- */
int	 certs_load(struct soap *);	/* 0 or -1 */
void	 certs_free(struct soap *);
struct hosted *certs_hosted(const struct soap *, const char *domain);
int		 certs_is_host(const struct soap *, const char *host);
/* Sets cert and chain from the thumbprint.  0, or -1: not known. */
int	 certs_known(struct soap *, struct wss *);
const char *certs_sigalg(X509 *);	/* the algorithm of its key */
void	 certs_learn(struct soap *, const struct wss *);
/* May a thumbprint do, and how it went. */
int	 certs_acquainted(struct soap *, const char *from, const char *to);
void	 certs_met(struct soap *, const char *from, const char *to);
void	 certs_forgotten(struct soap *, const char *from, const char *to);

/* --- soap_request.c --- */
int	 request_new(struct soap *, struct chan *, struct imsg *);
void	 request_authenticated(struct request *);
void	 request_free(struct request *);
/* Gives tree and octets back early: nothing more is read from them. */
void	 request_drop_tree(struct request *);
/*
 * Has the queue remember the request, if it can be known again, and goes on;
 * or answers that it was seen before.
 */
void	 request_once(struct request *, void (*go)(struct request *));
/* Text of an integer child: 1 found, 0 absent, -1 malformed or out of range. */
int	 request_int(xmlNodePtr, const char *ns, const char *name, int64_t min,
	    int64_t max, int64_t *);
/* Delivery says that the message is an instant one. */
int	 request_is_instant(const struct request *);

/* --- soap_auth.c --- */
void	 auth_start(struct request *);
/* "alice" or "alice@ours" to an address of a domain of ours: 0 or -1. */
int	 auth_user_address(struct request *, const char *, char *, size_t);

/* --- soap_reply.c --- */
/* Answers with <w:name>content</w:name>, signed when the request was. */
void	 request_answer(struct request *, const struct wbuf *content);
/* The two halves of it, for who puts a part (soapenv_part) into r->env. */
void	 request_answer_open(struct request *);
void	 request_answer_close(struct request *, const struct wbuf *content);
void	 request_answer_status(struct request *, const char *result,
	    uint32_t code, const char *text, const char *msgid,
	    const struct rcpt_status *, size_t, const struct wbuf *more);
/* An answer's envelope is begun, filled (r->env), finished. */
void	 request_compose(struct request *, const char *action);
void	 request_finish(struct request *, uint32_t status, int sign);
/* Hands octets to the frontend and frees the request. */
void	 request_respond(struct request *, uint32_t status, const struct wbuf *);

/* --- soap_fault.c --- */
enum fault { F_CLIENT, F_SERVER, F_MUST_UNDERSTAND, F_VERSION };
void	 request_fault(struct request *, enum fault, uint32_t code,
	    const char *text);
void	 request_fault_wss(struct request *, enum wss_fault, const char *why);
void	 request_fault_replay(struct request *);
/* Temporary: what the other processes could not do. */
void	 request_fault_later(struct request *, const char *why);
void	 request_fault_header(struct request *, xmlNodePtr);

/* --- the operations --- */
void	 send_run(struct request *);
void	 peer_run(struct request *);
void	 list_run(struct request *);
void	 retrieve_run(struct request *);
void	 delete_run(struct request *);
void	 wait_run(struct request *);
void	 params_run(struct request *);
void	 ext_run(struct request *);
void	 token_run(struct request *);
void	 upload_run(struct request *);
void	 attachment_run(struct request *);
void	 fetch_run(struct request *);

/* --- soap_attach.c --- */
/* A child that holds an identifier; -1: answered. */
int	 attach_arg_id(struct request *, const char *name, uint8_t id[ATTACH_ID]);
/* Something of wsattach's: 0 when all is well; -1: answered. */
int	 attach_code(struct request *, uint32_t code, const char *text);
int	 attach_broken(struct request *);	/* -1: answered */
#define ATTACH_TIMEOUT	120	/* s: a large file's digest may be waited for */
#define NO_ATTACH	"the attachments are not there"

/* --- soap_upload.c --- */
/* An anonymous file, sealed, with these octets; -1 and errno. */
int	 upload_file(const void *, size_t);

/* --- soap_name.c --- */
/* Attachments that a message brings or names, until it names them all. */
struct names;
/*
 * Of theMessage, before anything reads it: files in it are taken out.  NULL:
 * there are none, or *why is set and *code.
 */
struct names *names_collect(struct request *, xmlNodePtr message,
	    uint32_t *code, const char **why);
void	 names_free(struct names *);
/*
 * They become attachments for these recipients, and what the message says of
 * each is put in its place.  done is called, perhaps at once: code ST_OK, or
 * what is wrong.
 */
void	 names_start(struct names *, struct wsmsg *, const struct rcpt *,
	    uint32_t nrcpt, void (*done)(void *, uint32_t code,
	    const char *why), void *arg);
/* The message was refused: those that it made are taken back. */
void	 names_take_back(struct names *);
/* It was accepted before: files that came along are there already. */
void	 names_known(struct names *);

/* --- soap_outgoing.c --- */
/* A message of ours on its way: composed, signed, checked. */
struct outgoing {
	struct soap	*s;
	struct wsmsg	 msg;
	char		 domain[ADDR_DOMAIN_MAX + 1];	/* signs */
	struct wbuf	 m;		/* canonical theMessage */
	struct wbuf	 signedinfo;
	struct wbuf	 sig;
	uint8_t		 intent[32];
	/* 0 and the signature stands in sig, or -1 and why. */
	void		(*done)(void *, int, const char *why);
	void		*arg;
};
void	 outgoing_clear(struct outgoing *);
/* Calls done, perhaps at once; o must stay until then. */
void	 outgoing_sign(struct outgoing *);
void	 outgoing_facts(const struct outgoing *, struct mail_facts *,
	    char subject[static 1024]);
void	 subject_cut(char *dst, size_t, const char *);

/* --- soap_send.c --- */
/*
 * What a message and its signature may have: a hop is a request too, and its
 * headers need some of what a peer with the same limit takes.
 */
int64_t	 send_room(const struct soap *);
/* What wsqueue said, as the answer to the request. */
int	 send_submitted(void *, struct imsg *, const char *);
int	 send_has_sig(xmlNodePtr operation);	/* a theSig with content */

/* --- soap_plug.c --- */
/* Who asks, for a plug-in; the id is written to the buffer. */
void	 plug_env(const struct request *, struct plug_call *, char *id, size_t);
/* Mail of a plug-in.  0, or -1: malformed. */
int	 plugmail_new(struct soap *, struct chan *, struct imsg *);
void	 plugmail_free(struct plugmail *);
void	 plugmail_peer_down(struct soap *, struct chan *);

/* --- soap_relay.c --- */
int	 hop_new(struct soap *, struct chan *, struct imsg *);
void	 hop_queue_down(struct soap *, struct chan *);

/* --- soap_answer.c --- */
/* What a peer's server answered to a hop. */
struct verdict {
	uint32_t	 code;
	char		*text;
	uint32_t	 nrcpt;
	struct rcpt_status *rcpt;
	int		 token_unavailable;	/* send the whole certificate */
};
void	 verdict_read(struct soap *, const struct relay_result *,
	    const char *domain, const char *messageid, struct verdict *);
void	 verdict_free(struct verdict *);

/* --- soap_bounce.c --- */
int	 notice_new(struct soap *, struct chan *, struct imsg *);
void	 notice_queue_down(struct soap *, struct chan *);

#endif /* SOAP_H */
