/* SPDX-License-Identifier: ISC */
/*
 * Files of the attachments, below the store's directory:
 *	content/xx/<digest>	a content, by the first two digits of its SHA-256;
 *				there only when it is whole and was checked
 *	content/xx/<digest>.bad	one that was found damaged
 *	part/xx/<id>		what was received of an upload
 * Functions return 0, or -1 and errno, if nothing else is said.
 */
#ifndef FILE_H
#define FILE_H

#include "msg_attach.h"

#define FILE_HEX	(2 * ATTACH_DIGEST + 1)
#define FILE_FANOUT	256

int	 file_init(void);	/* makes the directories */

/* Descriptors, the caller's. */
int	 file_part_open(const uint8_t id[ATTACH_ID], uint64_t *size);	/* makes it */
int	 file_part_read(const uint8_t id[ATTACH_ID]);
int	 file_part_unlink(const uint8_t id[ATTACH_ID]);
/* Its data is on disk. */
int	 file_part_sync(const uint8_t id[ATTACH_ID]);
/* The part becomes the content of that digest, durable on return 0. */
int	 file_place(const uint8_t id[ATTACH_ID],
	    const uint8_t digest[ATTACH_DIGEST]);
/* The second half of this: the name is durable. */
int	 file_placed(const uint8_t digest[ATTACH_DIGEST]);

int	 file_content_open(const uint8_t digest[ATTACH_DIGEST],
	    uint64_t *size);
/* 1: it is there with this size, 0: it is not, -1: who knows. */
int	 file_content_is(const uint8_t digest[ATTACH_DIGEST], uint64_t size);
int	 file_content_unlink(const uint8_t digest[ATTACH_DIGEST]);
/* Out of the way, for the administrator: *.bad. */
int	 file_content_bad(const uint8_t digest[ATTACH_DIGEST]);
char	*file_digest_str(const uint8_t digest[ATTACH_DIGEST], char[FILE_HEX]);

/*
 * Whole reads and writes: the number of octets, less only at the end of the
 * file, or -1.
 */
ssize_t	 file_read(int fd, void *, size_t, uint64_t offset);
ssize_t	 file_write(int fd, const void *, size_t, uint64_t offset);

/*
 * Walks one directory of `part` (content 0) or `content` (1): calls fn for
 * each file that nobody has touched for `age` seconds; with its key (digest
 * or id), bad 1 for *.bad; fn says 1 to have it removed.  Names that are none
 * of ours are logged and left alone.  The number removed, or -1.
 */
typedef int	(*file_fn)(void *, int content, const uint8_t *key, int bad);
int	 file_walk(int content, unsigned int fan, int64_t age, file_fn, void *);

#endif /* FILE_H */
