/* SPDX-License-Identifier: ISC */
/*
 * Encoding of payloads: messages between processes and records on disk.
 * Integers are big endian and fixed width; strings and octets are a 32-bit
 * length and the bytes.  Both cursors keep a sticky error, so that a
 * sequence of calls needs one check at its end; until then what could not be
 * read is 0 or NULL.
 */
#ifndef WIRE_H
#define WIRE_H

/* A growing output buffer.  Zero-initialised is empty and valid. */
struct wbuf {
	uint8_t		*data;
	size_t		 len;
	size_t		 cap;
	int		 error;		/* ENOMEM once an allocation failed */
};

void	 wbuf_init(struct wbuf *);
void	 wbuf_free(struct wbuf *);	/* also wipes: may hold secrets */
/* Hands the bytes over (caller frees), leaves the buffer empty. */
uint8_t	*wbuf_steal(struct wbuf *, size_t *);
/* Room for n more octets, so that adding them needs no other.  0, or -1. */
int	 wbuf_reserve(struct wbuf *, size_t n);
void	 wbuf_raw(struct wbuf *, const void *, size_t);	/* no length */
void	 wbuf_u8(struct wbuf *, uint8_t);
void	 wbuf_u16(struct wbuf *, uint16_t);
void	 wbuf_u32(struct wbuf *, uint32_t);
void	 wbuf_u64(struct wbuf *, uint64_t);
void	 wbuf_i64(struct wbuf *, int64_t);
void	 wbuf_bytes(struct wbuf *, const void *, size_t);
void	 wbuf_str(struct wbuf *, const char *);	/* NULL is written as "" */
void	 wbuf_puts(struct wbuf *, const char *);	/* text, no length, no NUL */
void	 wbuf_printf(struct wbuf *, const char *, ...) __printflike(2, 3);

/* A bounded reader over memory it does not own. */
struct rbuf {
	const uint8_t	*p;
	size_t		 len;
	int		 error;		/* EBADMSG, or ENOMEM */
};

void	 rbuf_init(struct rbuf *, const void *, size_t);
uint8_t	 rbuf_u8(struct rbuf *);
uint16_t rbuf_u16(struct rbuf *);
uint32_t rbuf_u32(struct rbuf *);
uint64_t rbuf_u64(struct rbuf *);
int64_t	 rbuf_i64(struct rbuf *);
/* Points into the buffer; *len set.  NULL on error. */
const uint8_t *rbuf_bytes(struct rbuf *, size_t *len);
/* Copies exactly n raw octets. */
void	 rbuf_raw(struct rbuf *, void *, size_t n);
/* A NUL-terminated copy, caller frees; longer than max or with a NUL inside is EBADMSG.  NULL on error. */
char	*rbuf_str(struct rbuf *, size_t max);
/* A count of elements that each take at least `each` bytes: bounded by what is left. */
uint32_t rbuf_count(struct rbuf *, size_t each);
/* -1 and errno if anything failed or bytes are left over, else 0. */
int	 rbuf_end(struct rbuf *);

#endif /* WIRE_H */
