/* SPDX-License-Identifier: ISC */
/* wsmail(1): what its files share. */
#ifndef WSMAIL_H
#define WSMAIL_H

#include <sys/queue.h>

#include <stdio.h>

#include "addr.h"
#include "http.h"
#include "mime.h"
#include "ondemand.h"
#include "pki.h"
#include "saml.h"
#include "wire.h"
#include "wsmsg.h"
#include "xml.h"

enum auth { AUTH_MAC, AUTH_PASSWORD, AUTH_CERTIFICATE, AUTH_TOKEN };

struct account {
	char		*address;	/* normalized */
	char		*host;		/* NULL: by SRV */
	char		*port;
	char		*ca;		/* PEM file; NULL: the system's */
	char		*trust;		/* anchors for message signatures; NULL: ca */
	char		*password_command;
	char		*certificate, *key;	/* PEM files */
	char		*resolver;	/* "address" or "address:port"; NULL: the system's */
	enum auth	 auth;
	int		 auth_set;
	TAILQ_ENTRY(account) entry;
};
TAILQ_HEAD(accounts, account);

/* rc.c: 0, or a sysexits(3) code after an error was printed. */
/* "host", "host:port" or "[address]:port" into a->host and port: 0 or -1. */
int		 rc_server(struct account *, const char *);
int		 rc_read(const char *path, struct accounts *);
void		 rc_free(struct accounts *);
struct account	*rc_find(struct accounts *, const char *address);
char		*rc_path(void);		/* $WSMAILRC or ~/.wsmailrc; caller frees */

/*
 * connect.c: one TLS connection to the account's server, made by the first
 * conn_post() and kept for several.
 */
struct conn;
/* NULL and *code (sysexits) after an error was printed. */
struct conn	*conn_open(const struct account *, int *code);
void		 conn_close(struct conn *);
/*
 * Posts one envelope and reads the answer, waiting at most `timeout` seconds
 * for it.  0, a sysexits code after an error was printed, or CONN_CLOSED: a
 * kept connection was closed meanwhile, and the next post makes another.  As
 * the server may have had the request, that takes a fresh one.
 */
#define CONN_CLOSED	(-1)
int		 conn_post(struct conn *, const char *content_type,
		    const char *action, const struct wbuf *, struct http_msg *,
		    unsigned int timeout);

/* token.c */
struct token {
	struct saml	 saml;
	char		*xml;		/* the assertion, canonical */
	EVP_PKEY	*key;
};
/*
 * Our server vouches for us towards this domain, for a key made for it.  0,
 * or a code after an error was printed.
 */
struct session;
int		 token_obtain(struct session *, const char *domain,
		    struct token *);
/* From a file of `wsmail token`.  0, or a code after an error was printed. */
int		 token_load(const char *path, struct token *);
void		 token_free(struct token *);

/* call.c */
struct session {
	const struct account *acc;
	struct conn	*conn;
	char		*password;	/* read once; wiped */
	int		 have_mac;
	uint8_t		 salt[16];
	uint32_t	 iterations;
	uint8_t		 mackey[32];
	X509		*cert;
	STACK_OF(X509)	*chain;		/* of cert */
	EVP_PKEY	*key;
	const struct token *token;	/* AUTH_TOKEN */
	int64_t		 fault;		/* ResponseCode of the last call's, or 0 */
};
struct op {
	const char	*ns, *name, *action;
	const char	*answer;	/* element in the answer's Body */
};
extern const struct op op_token;	/* WS-Trust's Issue */
struct answer {
	struct http_msg	 http;
	xmlDocPtr	 doc;
	xmlNodePtr	 op;		/* <operation>Response */
	struct mime	 mime;		/* for mime_data() */
	char		 reqid[40];
};
int		 session_open(struct session *, const struct account *);
void		 session_close(struct session *);
/*
 * One operation: content is the inner XML of its element, canonical, with
 * the prefix w for the operation's namespace ns; delivery holds the
 * addresses of a Delivery header (none: no header).  timeout: s.
 * 0 and the answer, or a sysexits code after an error was printed.
 */
int		 call(struct session *, const char *ns, const char *op,
		    const struct wbuf *content, const char *const *delivery,
		    size_t ndelivery, unsigned int timeout, struct answer *);
int		 call_as(struct session *, const struct op *,
		    const struct wbuf *content, unsigned int timeout,
		    struct answer *);
/*
 * An operation of NS_WSE2 as an MTOM package: so comes the answer's Data.
 * data, if there is any, is the last child, Data.
 */
int		 call_octets(struct session *, const char *op,
		    const struct wbuf *content, const void *data, size_t len,
		    unsigned int timeout, struct answer *);
void		 answer_free(struct answer *);
/* Text of a child element of the answer, "" when absent; caller frees. */
char		*answer_text(xmlNodePtr, const char *name);
int64_t		 answer_int(xmlNodePtr, const char *name, int64_t def);

/*
 * At another domain's server, which is found as the own one is, or at where:
 * with the token w->t, which it takes.  0, or a code after an error.
 */
struct away {
	struct token	 t;
	struct account	 acc;
	struct session	 s;
	char		 name[ADDR_MAX + 1];
};
int		 away_open(struct away *w, const struct account *,
		    const char *where);
void		 away_close(struct away *);

/* verify.c: who signed a message, and what that is worth. */
/*
 * 1: the certificate chains to the account's anchors and names `domain` as a
 * mail domain; 0 and *why else.
 */
int		 verify_domain_cert(const struct account *, X509 *,
		    STACK_OF(X509) *, const char *domain, int *trusted,
		    const char **why);
struct verdict {
	int		 signed_ok;	/* the signature holds over the message */
	int		 trusted;	/* the signer's certificate chains to an anchor */
	int		 names_domain;	/* and names the sender's domain */
	char		*signer;	/* subject of the certificate, or NULL */
	const char	*why;		/* what is wrong, or NULL */
};
/* m and sig as they came.  Always fills *v; verdict_good() is all three. */
void		 verify_message(const struct account *, const char *sender,
		    const void *m, size_t, const void *sig, size_t, struct verdict *);
int		 verdict_good(const struct verdict *);
void		 verdict_free(struct verdict *);

/* show.c: a WSEmailPackage, taken apart and its signature judged. */
struct package {
	int64_t		 id;
	struct wsmsg	 msg;
	struct wbuf	 m, sig;	/* canonical theMessage, ds:Signature */
	struct verdict	 verdict;
};
/* 0, or a sysexits code after an error was printed. */
int		 package_read(const struct account *, xmlNodePtr,
		    struct package *);
/* The same of the message with that number, as a user gives it. */
int		 package_fetch(struct session *, const char *,
		    struct package *);
void		 package_free(struct package *);

/* send.c */
/*
 * Posts, and once more with the same MessageId when the answer was lost: the
 * server recognises it, so that the message goes once.  A code as of call().
 */
int		 message_post(struct session *, const struct wsmsg *,
		    char *const *bcc, size_t nbcc, struct answer *);

/* attached.c: what a message has on demand. */
struct attached {
	struct ondemand	*at;
	size_t		 n;
};
/* 0, or a code after an error was printed. */
int		 attached_read(const struct wsmsg *, struct attached *);
void		 attached_free(struct attached *);
/* Check REFOWNER: it is with the domain of the sender, who signed: 1 or 0. */
int		 attached_is_own(const struct package *,
		    const struct ondemand *);
void		 attached_show(const struct package *, const struct attached *);
void		 attached_json(const struct package *, const struct attached *);

/* upload.c */
/*
 * Has the file on the server, where an earlier try may have brought a part
 * of it, and gives its upload.  0, or a code after an error was printed.
 */
int		 upload_file(struct session *, const char *path,
		    const char *type, const char *description,
		    char id[ONDEMAND_ID]);
/* A message has it: nothing is to be gone on with. */
void		 upload_done(const char id[ONDEMAND_ID]);

/* transfer.c: what uploads and fetches share. */
struct progress {
	const char	*what;
	uint64_t	 size;
	int64_t		 begun, shown;	/* ms */
	uint64_t	 from;		/* octets that were there */
	int		 on;
};
void		 progress_start(struct progress *, const char *what,
		    uint64_t size, uint64_t from);
void		 progress_show(struct progress *, uint64_t octets);
void		 progress_end(struct progress *);
/*
 * After a call that failed: 1, when it may be tried again, after a while
 * that grows with *tries; 0: not, or not any more.
 */
int		 transfer_again(const struct session *, int code,
		    unsigned int *tries);
/* A file's name of what the network says is one: never a path; size octets. */
void		 transfer_name(char *, size_t, const char *);

/* extension.c */
/* <method xmlns=ns> with an element for each name=text, whose = is lost. */
int		 extension_put(struct wbuf *, const char *ns,
		    const char *method, int argc, char *const *argv);
/* A code as of call(); *result, in the answer, may be NULL. */
int		 extension_call(struct session *, const char *ext,
		    const struct wbuf *args, struct answer *,
		    xmlNodePtr *result);

/* out.c: nothing from the network reaches a terminal uncleaned. */
extern int	 out_json;
/* As textout_safe(): how many columns it took. */
size_t		 out_text(FILE *, const char *, int lines);
/* Standard output failed, errno says how: says so, and exits. */
__dead void	 out_failed(void);
void		 out_json_string(FILE *, const char *);

/* The commands; each returns a sysexits code. */
int		 cmd_send(struct session *, int, char **);
int		 cmd_attach(struct session *, int, char **);
int		 cmd_extension(struct session *, int, char **);
int		 cmd_fetch(struct session *, int, char **);
int		 cmd_im(struct session *, int, char **);
int		 cmd_list(struct session *, int, char **);
int		 cmd_show(struct session *, int, char **);
int		 cmd_save(struct session *, int, char **);
int		 cmd_token(struct session *, int, char **);
int		 cmd_verify(struct session *, int, char **);
int		 cmd_delete(struct session *, int, char **);
int		 cmd_wait(struct session *, int, char **);
int		 setup_main(const char *rc, int, char **);
int		 verify_file(const struct account *, const char *path);
__dead void	 usage(void);

#endif /* WSMAIL_H */
