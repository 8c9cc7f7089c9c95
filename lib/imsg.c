/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>

#include "imsg.h"

/* Room for a message that is not whole yet, and a good deal behind it. */
#define IMSG_IN_SIZE	(sizeof(struct imsg_hdr) + IMSG_INLINE_MAX + 65536)

struct imsg_out {
	TAILQ_ENTRY(imsg_out)	 entry;
	uint8_t			*data;		/* header and inline payload */
	size_t			 len, off;
	size_t			 spilled;	/* octets in fd, for the count */
	int			 fd;		/* sent with the first octet */
};

static int	 imsg_spill(const void *, size_t);
static int	 imsg_unspill(struct imsg *, int);
static int	 imsg_none(const struct imsgbuf *, int);
static int	 imsgbuf_claim(struct imsgbuf *);
static void	 imsg_out_free(struct imsgbuf *, struct imsg_out *);
static ssize_t	 imsg_send_one(struct imsgbuf *, struct imsg_out *);
static void	 imsgbuf_store_fds(struct imsgbuf *, struct msghdr *);

void
imsgbuf_init(struct imsgbuf *ib, int fd)
{
	int	 fl;

	memset(ib, 0, sizeof(*ib));
	ib->fd = fd;
	TAILQ_INIT(&ib->out);
	if ((fl = fcntl(fd, F_GETFL)) != -1)
		(void)fcntl(fd, F_SETFL, fl | O_NONBLOCK);
}

static void
imsg_out_free(struct imsgbuf *ib, struct imsg_out *o)
{
	TAILQ_REMOVE(&ib->out, o, entry);
	ib->out_bytes -= o->len + o->spilled;
	if (o->fd != -1)
		close(o->fd);
	freezero(o->data, o->len);
	free(o);
}

void
imsgbuf_clear(struct imsgbuf *ib)
{
	struct imsg_out	*o;

	while ((o = TAILQ_FIRST(&ib->out)) != NULL)
		imsg_out_free(ib, o);
	freezero(ib->in, ib->in == NULL ? 0 : IMSG_IN_SIZE);
	ib->in = NULL;
	ib->in_len = 0;
	while (ib->in_nfds > 0)
		close(ib->in_fds[--ib->in_nfds]);
	if (ib->fd != -1)
		close(ib->fd);
	ib->fd = -1;
}

/* Those beyond the table are closed; imsg_none() sees that it is full. */
static void
imsgbuf_store_fds(struct imsgbuf *ib, struct msghdr *msg)
{
	struct cmsghdr	*c;
	size_t		 i, n;
	int		 fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(fd));
			if (ib->in_nfds < (int)nitems(ib->in_fds))
				ib->in_fds[ib->in_nfds++] = fd;
			else
				close(fd);
		}
	}
}

int
imsgbuf_read(struct imsgbuf *ib)
{
	union {
		struct cmsghdr	 hdr;
		uint8_t		 buf[CMSG_SPACE(sizeof(int) * 16)];
	}		 ctl;
	struct msghdr	 msg;
	struct iovec	 iov;
	ssize_t		 n;
	int		 spare;

	if (ib->in == NULL && (ib->in = malloc(IMSG_IN_SIZE)) == NULL)
		return -1;
	/* Full: there is a message to take, or an error to see. */
	if (ib->in_len == IMSG_IN_SIZE)
		return 1;
	/* The kernel drops a descriptor that there is no number for. */
	if ((spare = fcntl(ib->fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return -1;
	close(spare);
	memset(&msg, 0, sizeof(msg));
	iov.iov_base = ib->in + ib->in_len;
	iov.iov_len = IMSG_IN_SIZE - ib->in_len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &ctl;
	msg.msg_controllen = sizeof(ctl);
	if ((n = recvmsg(ib->fd, &msg, MSG_CMSG_CLOEXEC)) == -1)
		return -1;
	imsgbuf_store_fds(ib, &msg);
	if (msg.msg_flags & MSG_CTRUNC) {
		errno = EBADMSG;
		return -1;
	}
	ib->in_len += (size_t)n;
	return n > 0;
}

static int
imsgbuf_claim(struct imsgbuf *ib)
{
	int	 fd;

	if (ib->in_nfds == 0)
		return -1;
	fd = ib->in_fds[0];
	memmove(ib->in_fds, ib->in_fds + 1,
	    (size_t)--ib->in_nfds * sizeof(ib->in_fds[0]));
	return fd;
}

/*
 * The payload out of its file.  What a peer passes can be anything: a file of
 * its own file system, say, on which the first read never returns.  Only what
 * compat_anonfd() makes is accepted, and sealed, so that it is what it is.  It
 * is copied all the same, as not every system has seals.
 */
static int
imsg_unspill(struct imsg *m, int fd)
{
	size_t	 off;
	ssize_t	 n;

	/* lseek, not fstat(2): the filter of soap and keys knows no stat */
	if (m->hdr.len == 0 || !compat_is_sealed(fd) ||
	    lseek(fd, 0, SEEK_END) != (off_t)m->hdr.len) {
		errno = EBADMSG;
		return -1;
	}
	if ((m->data = malloc(m->hdr.len)) == NULL)
		return -1;
	for (off = 0; off < m->hdr.len; off += (size_t)n) {
		n = pread(fd, m->data + off, m->hdr.len - off, (off_t)off);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n <= 0) {
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}

/*
 * No whole message is left.  A descriptor comes with the first octet of its
 * message, so `most` can wait: 1 when what is there so far may have one.  More
 * were passed with a message that did not say so.
 */
static int
imsg_none(const struct imsgbuf *ib, int most)
{
	if (ib->in_nfds <= most)
		return 0;
	errno = EBADMSG;
	return -1;
}

int
imsg_peek(const struct imsgbuf *ib, struct imsg_hdr *hdr)
{
	if (ib->in_len < sizeof(*hdr))
		return imsg_none(ib, ib->in_len > 0);
	memcpy(hdr, ib->in, sizeof(*hdr));
	if (hdr->len > IMSG_TOTAL_MAX ||
	    (!(hdr->flags & IMSGF_SPILL) && hdr->len > IMSG_INLINE_MAX) ||
	    (hdr->flags & ~(IMSGF_FD | IMSGF_SPILL)) != 0 ||
	    hdr->flags == (IMSGF_FD | IMSGF_SPILL)) {
		errno = EBADMSG;
		return -1;
	}
	return 1;
}

int
imsg_get(struct imsgbuf *ib, struct imsg *m)
{
	size_t	 inl, whole;
	int	 fd = -1, r, saved;

	memset(m, 0, sizeof(*m));
	m->fd = -1;
	if ((r = imsg_peek(ib, &m->hdr)) != 1)
		return r;
	inl = m->hdr.flags & IMSGF_SPILL ? 0 : m->hdr.len;
	whole = sizeof(m->hdr) + inl;
	if (ib->in_len < whole)
		return imsg_none(ib, m->hdr.flags != 0);
	if (inl > 0) {
		if ((m->data = malloc(inl)) == NULL)
			return -1;
		memcpy(m->data, ib->in + sizeof(m->hdr), inl);
	}
	if (m->hdr.flags != 0 && (fd = imsgbuf_claim(ib)) == -1) {
		errno = EBADMSG;
		goto err;
	}
	if (m->hdr.flags & IMSGF_FD)
		m->fd = fd;
	else if (fd != -1) {
		r = imsg_unspill(m, fd);
		saved = errno;
		close(fd);
		errno = saved;
		if (r == -1)
			goto err;
	}
	ib->in_len -= whole;
	memmove(ib->in, ib->in + whole, ib->in_len);
	explicit_bzero(ib->in + ib->in_len, whole);	/* may be a secret */
	return 1;
err:
	saved = errno;
	imsg_free(m);
	errno = saved;
	return -1;
}

void
imsg_free(struct imsg *m)
{
	freezero(m->data, m->data == NULL ? 0 : m->hdr.len);
	m->data = NULL;
	if (m->fd != -1)
		close(m->fd);
	m->fd = -1;
}

int
imsg_claim_fd(struct imsg *m)
{
	int	 fd = m->fd;

	m->fd = -1;
	return fd;
}

/* An anonymous file with these octets, or -1. */
static int
imsg_spill(const void *data, size_t len)
{
	const uint8_t	*p = data;
	ssize_t		 n;
	int		 fd, saved;

	if ((fd = compat_anonfd()) == -1)
		return -1;
	while (len > 0) {
		if ((n = write(fd, p, len)) == -1) {
			if (errno == EINTR)
				continue;
			goto err;
		}
		p += n;
		len -= (size_t)n;
	}
	if (compat_seal(fd) == -1)
		goto err;
	return fd;
err:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
imsg_compose(struct imsgbuf *ib, uint32_t type, uint64_t id, int fd,
    const void *data, size_t len)
{
	struct imsg_hdr	 hdr;
	struct imsg_out	*o = NULL;
	size_t		 inl = len;
	int		 saved;

	memset(&hdr, 0, sizeof(hdr));
	hdr.type = type;
	hdr.id = id;
	hdr.len = (uint32_t)len;
	errno = EMSGSIZE;
	if (len > IMSG_TOTAL_MAX || (fd != -1 && len > IMSG_INLINE_MAX))
		goto err;
	if (fd != -1)
		hdr.flags = IMSGF_FD;
	else if (len > IMSG_INLINE_MAX) {
		if ((fd = imsg_spill(data, len)) == -1)
			goto err;
		hdr.flags = IMSGF_SPILL;
		inl = 0;
	}
	if ((o = calloc(1, sizeof(*o))) == NULL ||
	    (o->data = malloc(sizeof(hdr) + inl)) == NULL)
		goto err;
	memcpy(o->data, &hdr, sizeof(hdr));
	if (inl > 0)
		memcpy(o->data + sizeof(hdr), data, inl);
	o->len = sizeof(hdr) + inl;
	o->spilled = len - inl;
	o->fd = fd;
	TAILQ_INSERT_TAIL(&ib->out, o, entry);
	ib->out_bytes += o->len + o->spilled;
	return 0;
err:
	saved = errno;
	if (fd != -1)
		close(fd);
	free(o);
	errno = saved;
	return -1;
}

static ssize_t
imsg_send_one(struct imsgbuf *ib, struct imsg_out *o)
{
	union {
		struct cmsghdr	 hdr;
		uint8_t		 buf[CMSG_SPACE(sizeof(int))];
	}		 ctl;
	struct msghdr	 msg;
	struct iovec	 iov;
	struct cmsghdr	*c;

	memset(&msg, 0, sizeof(msg));
	iov.iov_base = o->data + o->off;
	iov.iov_len = o->len - o->off;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (o->fd != -1) {
		memset(&ctl, 0, sizeof(ctl));
		msg.msg_control = &ctl;
		msg.msg_controllen = CMSG_LEN(sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_len = CMSG_LEN(sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), &o->fd, sizeof(int));
	}
	return sendmsg(ib->fd, &msg, MSG_NOSIGNAL);
}

int
imsgbuf_write(struct imsgbuf *ib)
{
	struct imsg_out	*o;
	ssize_t		 n;

	while ((o = TAILQ_FIRST(&ib->out)) != NULL) {
		if ((n = imsg_send_one(ib, o)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (o->fd != -1) {
			close(o->fd);
			o->fd = -1;
		}
		o->off += (size_t)n;
		if (o->off == o->len)
			imsg_out_free(ib, o);
	}
	return 0;
}

int
imsgbuf_flush(struct imsgbuf *ib)
{
	int	 fl, r;

	if ((fl = fcntl(ib->fd, F_GETFL)) == -1 ||
	    fcntl(ib->fd, F_SETFL, fl & ~O_NONBLOCK) == -1)
		return -1;
	r = imsgbuf_write(ib);
	(void)fcntl(ib->fd, F_SETFL, fl);
	return r;
}
