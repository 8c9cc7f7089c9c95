/* SPDX-License-Identifier: ISC */
/*
 * wsattach asked as soap asks it: each sends one request and waits for its
 * answer.  The code of the answer, or -1: the process is gone.  What the
 * answer holds is the caller's to free, also with a code that is none of
 * success.
 */
#ifndef ATTACHKID_H
#define ATTACHKID_H

#include "imsg.h"
#include "msg_attach.h"

int	 ak_begin(struct imsgbuf *, const char *owner, const char *name,
	    uint64_t size, const uint8_t *digest, struct upload_result *);
int	 ak_piece(struct imsgbuf *, const char *owner,
	    const uint8_t id[ATTACH_ID], uint64_t offset, const void *,
	    size_t, struct upload_result *);
/* IMSG_ATTACH_UPLOAD_STATE, _ABORT, _FINISH; digest may be NULL */
int	 ak_upload(struct imsgbuf *, uint32_t type, const char *owner,
	    const uint8_t id[ATTACH_ID], const uint8_t *digest,
	    struct upload_result *);
int	 ak_name(struct imsgbuf *, const char *owner, const char *msgid,
	    uint8_t (*upload)[ATTACH_ID], uint32_t nuploads,
	    const char *const *rcpt, uint32_t nrcpt, struct attach_list *);
/* *data: the octets, when there are any to have; caller frees. */
int	 ak_fetch(struct imsgbuf *, const char *who,
	    const uint8_t id[ATTACH_ID], uint32_t version, uint64_t offset,
	    uint64_t length, struct fetch_result *, uint8_t **data);
int	 ak_list(struct imsgbuf *, const char *owner, const uint8_t *before,
	    uint32_t limit, struct attach_list *);
int	 ak_show(struct imsgbuf *, const char *owner,
	    const uint8_t id[ATTACH_ID], const char *after, uint64_t before,
	    uint32_t limit, struct show_result *);
/* IMSG_ATTACH_GRANT ...; addr and upload may be NULL.  *version may be, too. */
int	 ak_change(struct imsgbuf *, uint32_t type, const char *owner,
	    const uint8_t id[ATTACH_ID], const char *addr, int64_t when,
	    const uint8_t *upload, uint32_t *version);
/* The next answer to a request that was only sent. */
int	 ak_take(struct imsgbuf *, uint64_t reqid, struct imsg *);
/* Sends alone; its id. */
uint64_t ak_send(struct imsgbuf *, uint32_t type, struct wbuf *, int fd);
/* A sealed anonymous file with these octets. */
int	 ak_sealed(const void *, size_t);

#endif /* ATTACHKID_H */
