/* SPDX-License-Identifier: ISC */
/* wslocal's business: delivery from wsqueue, reading for soap. */
#ifndef MSG_LOCAL_H
#define MSG_LOCAL_H

#include "msg_queue.h"

/* IMSG_LOCAL_DELIVER; answered by IMSG_QUEUE_DELIVER_RESULT {u32 code, string text}. */
struct deliver {
	char		*user;		/* local mailbox */
	struct mail_facts facts;
	const uint8_t	*body;
	size_t		 body_len;
	const uint8_t	*sig;
	size_t		 sig_len;
};
void	 deliver_put(struct wbuf *, const struct deliver *);
int	 deliver_get(struct rbuf *, struct deliver *);
void	 deliver_free(struct deliver *);
void	 deliver_result_put(struct wbuf *, uint32_t code, const char *text);
int	 deliver_result_get(struct rbuf *, uint32_t *code, char **text);

/*
 * IMSG_LOCAL_LIST.  Without since_change: the newest `limit` messages that
 * were received at or after `since` and have an id below `before` (0: any),
 * newest first.  With since_change (>= 0): what changed after it, oldest
 * change first.
 */
struct list_req {
	char		*user;
	struct replay	 replay;
	int64_t		 since;		/* ms */
	int64_t		 since_change;	/* -1: not asked */
	uint32_t	 before;
	uint32_t	 limit;
};
void	 list_req_put(struct wbuf *, const struct list_req *);
int	 list_req_get(struct rbuf *, struct list_req *);
void	 list_req_free(struct list_req *);

struct mail_header {
	uint32_t	 id;		/* per user, only grows, never 0 */
	uint32_t	 flags;
	int64_t		 timestamp;
	int64_t		 received;
	uint32_t	 size;		/* octets of theMessage */
	char		*sender;
	char		*subject;
	char		*msgid;
};
void	 mail_header_put(struct wbuf *, const struct mail_header *);
int	 mail_header_get(struct rbuf *, struct mail_header *);
void	 mail_header_free(struct mail_header *);

/* IMSG_SOAP_LIST_RESULT; code as below. */
#define LOCAL_OK	0
#define LOCAL_NOENT	1	/* no such message (or mailbox) */
#define LOCAL_REPLAY	2
#define LOCAL_ERROR	3	/* temporary */
#define LOCAL_RESYNC	4	/* since_change is too old: list anew */
#define LOCAL_BUSY	5	/* too many requests of this user, for now */
struct list_result {
	uint32_t	 code;
	int64_t		 change;	/* use as the next since_change */
	uint32_t	 more;
	uint32_t	 nhdr;
	struct mail_header *hdr;
	uint32_t	 ndeleted;	/* with since_change */
	uint32_t	*deleted;
};
void	 list_result_put(struct wbuf *, const struct list_result *);
int	 list_result_get(struct rbuf *, struct list_result *);
void	 list_result_free(struct list_result *);

struct retrieve_req {		/* IMSG_LOCAL_RETRIEVE */
	char		*user;
	struct replay	 replay;
	uint32_t	 id;
};
void	 retrieve_req_put(struct wbuf *, const struct retrieve_req *);
int	 retrieve_req_get(struct rbuf *, struct retrieve_req *);
void	 retrieve_req_free(struct retrieve_req *);

struct retrieve_result {	/* IMSG_SOAP_RETRIEVE_RESULT */
	uint32_t	 code;
	uint32_t	 id;
	const uint8_t	*body;
	size_t		 body_len;
	const uint8_t	*sig;
	size_t		 sig_len;
};
void	 retrieve_result_put(struct wbuf *, const struct retrieve_result *);
int	 retrieve_result_get(struct rbuf *, struct retrieve_result *);

struct delete_req {		/* IMSG_LOCAL_DELETE */
	char		*user;
	struct replay	 replay;
	uint32_t	 nids;
	uint32_t	*id;
};
void	 delete_req_put(struct wbuf *, const struct delete_req *);
int	 delete_req_get(struct rbuf *, struct delete_req *);
void	 delete_req_free(struct delete_req *);

struct delete_result {		/* IMSG_SOAP_DELETE_RESULT */
	uint32_t	 code;
	int64_t		 change;
	uint32_t	 ndeleted;
	uint32_t	 nmissing;	/* ids that were not there */
	uint32_t	*missing;
};
void	 delete_result_put(struct wbuf *, const struct delete_result *);
int	 delete_result_get(struct rbuf *, struct delete_result *);
void	 delete_result_free(struct delete_result *);

struct wait_req {		/* IMSG_LOCAL_WAIT: held until change > since_change */
	char		*user;
	struct replay	 replay;
	int64_t		 since_change;
	uint32_t	 timeout;	/* s */
};
void	 wait_req_put(struct wbuf *, const struct wait_req *);
int	 wait_req_get(struct rbuf *, struct wait_req *);
void	 wait_req_free(struct wait_req *);
/* IMSG_SOAP_WAIT_RESULT: u32 code, i64 change. */
void	 wait_result_put(struct wbuf *, uint32_t code, int64_t change);
int	 wait_result_get(struct rbuf *, uint32_t *code, int64_t *change);

#endif /* MSG_LOCAL_H */
