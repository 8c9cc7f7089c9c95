/* SPDX-License-Identifier: ISC */
/* soap <-> wsqueue: mail going in, mail going out to a peer, bounces. */
#ifndef MSG_QUEUE_H
#define MSG_QUEUE_H

#include "wire.h"

/* WSEmailStatus codes: the 2004 prototype's, and what it lacked (wsemail(7)). */
#define ST_OK		200
#define ST_TEMPFAIL	451	/* try again later */
#define ST_BAD		500	/* no message, no recipients, malformed */
#define ST_NOUSER	550	/* no such recipient here */
#define ST_DENIED	553	/* this sender may not */
#define ST_TOOBIG	552	/* size or quota */
#define ST_EXPIRED	554	/* gave up: ttl passed */
#define ST_LOOP		555	/* alias or relay loop */
#define ST_RESYNC	556	/* sinceChange is not known any more: list anew */
#define ST_UNAUTHENTIC	577	/* signature missing or of the wrong signer */

/* What is remembered against replay: who and which, until when. */
struct replay {
	uint8_t		 key[32];	/* SHA-256 over principal, 0, nonce (wss.h) */
	int64_t		 until;		/* ms; 0: nothing to remember */
};
void	 replay_put(struct wbuf *, const struct replay *);
void	 replay_get(struct rbuf *, struct replay *);

/* The facts of a message that list, queue and log need without XML. */
struct mail_facts {
	char		*msgid;		/* globally unique: <token>@<domain> */
	char		*sender;
	char		*subject;
	int64_t		 timestamp;	/* ms, set by SS */
	uint32_t	 flags;		/* MessageFlags */
	uint8_t		 intent[32];	/* digest of what the author wrote: tells a
					 * retry from another use of the id */
};
void	 mail_facts_put(struct wbuf *, const struct mail_facts *);
int	 mail_facts_get(struct rbuf *, struct mail_facts *);	/* 0 or -1 */
void	 mail_facts_free(struct mail_facts *);

struct rcpt {
	char		*addr;		/* normalized */
	char		*orig;		/* the alias it was reached by, or "" */
};

/* IMSG_QUEUE_SUBMIT */
#define SUBMIT_USER	1	/* by a user of ours: any unknown local recipient refuses all */
#define SUBMIT_PEER	2	/* by a peer: recipients are judged one by one */
#define SUBMIT_BOUNCE	3	/* the answer to IMSG_SOAP_BOUNCE_JOB, its id in the header */
struct submit {
	uint32_t	 origin;
	char		*principal;	/* user address, or the peer's domain */
	char		*peer;		/* client address, for the log */
	struct replay	 replay;
	struct mail_facts facts;
	uint32_t	 nrcpt;
	struct rcpt	*rcpt;
	char		*hold;		/* why it waits for the administrator, or "" */
	const uint8_t	*body;		/* canonical theMessage */
	size_t		 body_len;
	const uint8_t	*sig;		/* ds:Signature over it */
	size_t		 sig_len;
};
void	 submit_put(struct wbuf *, const struct submit *);
int	 submit_get(struct rbuf *, struct submit *);
void	 submit_free(struct submit *);

/* IMSG_SOAP_SUBMIT_RESULT */
struct rcpt_status {
	char		*addr;
	uint32_t	 code;
	char		*text;
};
struct submit_result {
	uint32_t	 code;		/* ST_*; ST_OK only after the commit is on disk */
	uint32_t	 replayed;	/* 1: the nonce was seen before; nothing was done */
	uint32_t	 known;		/* 1: a user's, accepted before */
	char		*text;
	uint32_t	 nrcpt;		/* recipients refused (peer: of several) */
	struct rcpt_status *rcpt;
};
void	 submit_result_put(struct wbuf *, const struct submit_result *);
int	 submit_result_get(struct rbuf *, struct submit_result *);
void	 submit_result_free(struct submit_result *);

/* IMSG_QUEUE_NONCE_CHECK: struct replay; IMSG_SOAP_NONCE_RESULT: u32, 0 new, 1 seen, 2 error. */

/*
 * IMSG_SOAP_RELAY_JOB: compose, sign as `from_domain`, post to `domain`.
 * Answered by IMSG_QUEUE_RELAY_RESULT with the same header id.
 */
struct relay_job {
	char		*from_domain;	/* hosted domain that signs the hop */
	char		*domain;
	char		*msgid;
	uint32_t	 nrcpt;
	struct rcpt	*rcpt;
	uint32_t	 flags;		/* MessageFlags */
	const uint8_t	*body;
	size_t		 body_len;
	const uint8_t	*sig;
	size_t		 sig_len;
};
void	 relay_job_put(struct wbuf *, const struct relay_job *);
int	 relay_job_get(struct rbuf *, struct relay_job *);
void	 relay_job_free(struct relay_job *);

struct relay_done {		/* IMSG_QUEUE_RELAY_RESULT */
	uint32_t	 code;		/* ST_OK, ST_TEMPFAIL, or permanent */
	char		*text;
	char		*host;		/* who said so */
	uint32_t	 nrcpt;		/* recipients that fared otherwise */
	struct rcpt_status *rcpt;
};
void	 relay_done_put(struct wbuf *, const struct relay_done *);
int	 relay_done_get(struct rbuf *, struct relay_done *);
void	 relay_done_free(struct relay_done *);

/* IMSG_SOAP_BOUNCE_JOB: tell `to` what became of a message. */
#define BOUNCE_FAILED	1
#define BOUNCE_DELAYED	2
struct bounce_job {
	uint32_t	 kind;
	char		*domain;	/* hosted: postmaster@ it is the sender */
	char		*to;
	struct mail_facts orig;
	int64_t		 next;		/* delayed: next try, ms */
	int64_t		 until;		/* delayed: given up at, ms */
	uint32_t	 nrcpt;
	struct rcpt_status *rcpt;
};
void	 bounce_job_put(struct wbuf *, const struct bounce_job *);
int	 bounce_job_get(struct rbuf *, struct bounce_job *);
void	 bounce_job_free(struct bounce_job *);

#endif /* MSG_QUEUE_H */
