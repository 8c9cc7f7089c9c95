/* SPDX-License-Identifier: ISC */
/*
 * soap <-> wsattach: attachments that stay on their sender's server.  Each
 * request carries the principal that soap authenticated, each answer a code
 * (ST_* of msg_queue.h) and a sentence:
 *	ST_OK		done; what changed is on stable storage
 *	ST_NOUSER	no such upload or attachment, or not for this principal:
 *			never told apart
 *	ST_RESYNC	an upload goes on at another offset, which it gives
 *	ST_TOOBIG	size or quota; ST_BAD: the request makes no sense
 *	ST_DENIED	not a user of ours; ST_TEMPFAIL: later
 */
#ifndef MSG_ATTACH_H
#define MSG_ATTACH_H

#include "msg_queue.h"

#define ATTACH_ID	16		/* octets, random */
#define ATTACH_HEX	(2 * ATTACH_ID + 1)	/* in text, with NUL */
#define ATTACH_DIGEST	32		/* SHA-256 */
#define ATTACH_NAME_MAX	255
#define ATTACH_TYPE_MAX	255
#define ATTACH_DESC_MAX	4096
#define ATTACH_MSGID_MAX 512
#define ATTACH_PER_MESSAGE 100	/* uploads that one message names */

char	*attach_id_str(const uint8_t[ATTACH_ID], char[ATTACH_HEX]);
int	 attach_id_parse(const char *, uint8_t[ATTACH_ID]);	/* 0 or -1 */

/* IMSG_ATTACH_UPLOAD_BEGIN */
struct upload_begin {
	char		*owner;
	char		*name, *type, *description;
	uint64_t	 size;
	uint32_t	 has_digest;	/* the client knows it already */
	uint8_t		 digest[ATTACH_DIGEST];
};
void	 upload_begin_put(struct wbuf *, const struct upload_begin *);
int	 upload_begin_get(struct rbuf *, struct upload_begin *);
void	 upload_begin_free(struct upload_begin *);

/*
 * IMSG_ATTACH_UPLOAD_PIECE + fd (a sealed anonymous file with the octets),
 * _STATE, _ABORT, _FINISH.
 */
struct upload_req {
	char		*owner;
	uint8_t		 id[ATTACH_ID];
	uint64_t	 offset;		/* piece */
	uint8_t		 digest[ATTACH_DIGEST];	/* finish */
};
void	 upload_req_put(struct wbuf *, const struct upload_req *);
int	 upload_req_get(struct rbuf *, struct upload_req *);
void	 upload_req_free(struct upload_req *);

/* IMSG_SOAP_UPLOAD_RESULT */
struct upload_result {
	uint32_t	 code;
	char		*text;
	uint8_t		 id[ATTACH_ID];
	uint64_t	 offset;	/* where it goes on */
	uint64_t	 size;
	uint32_t	 complete;	/* finished; a message may have it */
};
void	 upload_result_put(struct wbuf *, const struct upload_result *);
int	 upload_result_get(struct rbuf *, struct upload_result *);
void	 upload_result_free(struct upload_result *);

/* What is known of an attachment. */
struct attach_info {
	uint8_t		 id[ATTACH_ID];
	char		*name, *type, *description;
	char		*msgid;
	int64_t		 created;
	int64_t		 expiry;	/* ms, 0: none */
	int64_t		 withdrawn;	/* ms, 0: it is not */
	uint32_t	 version;	/* the newest, and of it: */
	uint64_t	 size;
	uint8_t		 digest[ATTACH_DIGEST];
	uint32_t	 nrcpt;
	uint64_t	 fetches;
};
void	 attach_info_put(struct wbuf *, const struct attach_info *);
int	 attach_info_get(struct rbuf *, struct attach_info *);
void	 attach_info_free(struct attach_info *);

/*
 * IMSG_ATTACH_NAME: this message is to have these uploads as attachments, for
 * these recipients (all of them, those of a blind copy too).  The same
 * MessageId and upload give the same attachment again.
 */
struct name_req {
	char		*owner;
	char		*msgid;
	uint32_t	 nuploads;
	uint8_t		(*upload)[ATTACH_ID];
	uint32_t	 nrcpt;
	char		**rcpt;
};
void	 name_req_put(struct wbuf *, const struct name_req *);
int	 name_req_get(struct rbuf *, struct name_req *);
void	 name_req_free(struct name_req *);

/* IMSG_SOAP_NAME_RESULT, and IMSG_SOAP_ATTACH_LIST_RESULT: all or none. */
struct attach_list {
	uint32_t	 code;
	char		*text;
	uint32_t	 more;
	uint32_t	 n;
	struct attach_info *info;	/* in the order of the uploads */
};
void	 attach_list_put(struct wbuf *, const struct attach_list *);
int	 attach_list_get(struct rbuf *, struct attach_list *);
void	 attach_list_free(struct attach_list *);

/* IMSG_ATTACH_FETCH */
struct fetch_req {
	char		*principal;	/* address, of whatever domain */
	uint8_t		 id[ATTACH_ID];
	uint32_t	 version;	/* 0: the newest */
	uint64_t	 offset;
	uint64_t	 length;	/* 0: as much as one piece has */
};
void	 fetch_req_put(struct wbuf *, const struct fetch_req *);
int	 fetch_req_get(struct rbuf *, struct fetch_req *);
void	 fetch_req_free(struct fetch_req *);

/*
 * IMSG_SOAP_FETCH_DATA + fd (a sealed anonymous file of `length` octets), and
 * without one IMSG_SOAP_FETCH_REFUSED.
 */
struct fetch_result {
	uint32_t	 code;
	char		*text;
	uint32_t	 version, newest;
	uint64_t	 size;		/* of the version */
	uint64_t	 offset, length;	/* of what is in the descriptor */
	uint8_t		 digest[ATTACH_DIGEST];	/* of the whole version */
};
void	 fetch_result_put(struct wbuf *, const struct fetch_result *);
int	 fetch_result_get(struct rbuf *, struct fetch_result *);
void	 fetch_result_free(struct fetch_result *);

/* IMSG_ATTACH_LIST: the owner's, newest first. */
struct attach_list_req {
	char		*owner;
	uint8_t		 before[ATTACH_ID];	/* the last that is known, or 0 */
	uint32_t	 limit;		/* 0: a page */
};
void	 attach_list_req_put(struct wbuf *, const struct attach_list_req *);
int	 attach_list_req_get(struct rbuf *, struct attach_list_req *);
void	 attach_list_req_free(struct attach_list_req *);

/* IMSG_ATTACH_SHOW */
struct show_req {
	char		*owner;
	uint8_t		 id[ATTACH_ID];
	char		*after;		/* recipients behind this one, or "" */
	uint64_t	 before;	/* fetches before this one, or 0: newest */
	uint32_t	 limit;		/* of each of both; 0: a page */
};
void	 show_req_put(struct wbuf *, const struct show_req *);
int	 show_req_get(struct rbuf *, struct show_req *);
void	 show_req_free(struct show_req *);

struct attach_version {
	uint32_t	 number;	/* from 1 */
	uint64_t	 size;
	int64_t		 time;
	uint8_t		 digest[ATTACH_DIGEST];
};
struct attach_rcpt {
	char		*addr;
	char		*domain;	/* its home */
	int64_t		 added;
	uint64_t	 fetches;
	int64_t		 last;		/* of these, 0: none */
};
struct attach_fetch {
	uint64_t	 seq;
	char		*addr;
	uint32_t	 version;
	int64_t		 time;
};
/* IMSG_SOAP_ATTACH_SHOW_RESULT */
struct show_result {
	uint32_t	 code;
	char		*text;
	uint32_t	 found;		/* 0: what follows says nothing */
	struct attach_info info;
	uint32_t	 nversions;	/* all that are kept */
	struct attach_version *version;
	uint32_t	 nrcpt;		/* by address */
	struct attach_rcpt *rcpt;
	uint32_t	 more_rcpt;
	uint32_t	 nfetches;	/* newest first */
	struct attach_fetch *fetch;
	uint32_t	 more_fetches;
};
void	 show_result_put(struct wbuf *, const struct show_result *);
int	 show_result_get(struct rbuf *, struct show_result *);
void	 show_result_free(struct show_result *);

/* IMSG_ATTACH_GRANT, _REVOKE, _EXPIRE, _WITHDRAW, _UPDATE */
struct attach_change {
	char		*owner;
	uint8_t		 id[ATTACH_ID];
	char		*addr;		/* grant, revoke */
	int64_t		 when;		/* expire: ms, 0: never */
	uint8_t		 upload[ATTACH_ID];	/* update */
};
void	 attach_change_put(struct wbuf *, const struct attach_change *);
int	 attach_change_get(struct rbuf *, struct attach_change *);
void	 attach_change_free(struct attach_change *);

/* IMSG_SOAP_ATTACH_CHANGE_RESULT: u32 code, string text, u32 version. */
struct change_result {
	uint32_t	 code;
	char		*text;
	uint32_t	 version;	/* the newest, after an update */
};
void	 change_result_put(struct wbuf *, const struct change_result *);
int	 change_result_get(struct rbuf *, struct change_result *);
void	 change_result_free(struct change_result *);

#endif /* MSG_ATTACH_H */
