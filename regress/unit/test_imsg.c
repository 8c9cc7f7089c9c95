/* SPDX-License-Identifier: ISC */
/*
 * lib/imsg.c, and the peer at the other end of it: one that keeps to the
 * rules, and one that sends whatever a system call can carry.
 */
#include "compat.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "imsg.h"
#include "rawsend.h"
#include "tap.h"

#define FDS_MAX	40

/* imsgbufs that talk to each other; or, for the hostile, b and a socket. */
struct pair {
	struct imsgbuf	 a, b;
	int		 open;		/* descriptors before there was any */
};

static int	 count_fds(void);
static void	 pair_open(struct pair *);
static void	 pair_close(struct pair *, const char *);
static int	 raw_header(struct pair *, uint32_t, uint32_t, const int *, int);
static int	 raw_recv(int, void *, size_t);
static int	 take(struct imsgbuf *, struct imsg *);
static void	 fill(uint8_t *, size_t);
static int	 file_of(size_t, int);
static void	 refused(struct pair *, const char *);
static void	 round_trip(size_t, const char *);
static void	 test_round(void);
static void	 test_fd(void);
static void	 test_order(void);
static void	 test_partial(void);
static void	 test_full(void);
static void	 test_sealed(void);
static void	 test_peek(void);
static void	 test_bounds(void);
static void	 test_header(void);
static void	 test_missing(void);
static void	 test_stray(void);
static void	 test_spill(void);
static void	 test_seals(void);
static void	 test_compose(void);
static void	 test_end(void);
static void	 test_clear(void);
static void	 test_no_files(void);

static int
count_fds(void)
{
	int	 fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
pair_open(struct pair *p)
{
	int	 sv[2];

	p->open = count_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1) {
		perror("socketpair");
		exit(1);
	}
	imsgbuf_init(&p->a, sv[0]);
	imsgbuf_init(&p->b, sv[1]);
}

/* What is passed, taken or refused: nothing stays open. */
static void
pair_close(struct pair *p, const char *name)
{
	imsgbuf_clear(&p->a);
	imsgbuf_clear(&p->b);
	if (count_fds() != p->open)
		printf("# %s: %d descriptors, %d before\n", name, count_fds(),
		    p->open);
	is_int(count_fds(), p->open, "no descriptor is left");
}

static int
raw_header(struct pair *p, uint32_t flags, uint32_t len, const int *fds,
    int nfds)
{
	struct imsg_hdr	 hdr;

	memset(&hdr, 0, sizeof(hdr));
	hdr.type = 1;
	hdr.flags = flags;
	hdr.len = len;
	return raw_send(p->a.fd, &hdr, sizeof(hdr), fds, nfds);
}

/* The octets go to buf, the descriptor (or -1) is returned. */
static int
raw_recv(int fd, void *buf, size_t len)
{
	union {
		struct cmsghdr	 hdr;
		uint8_t		 buf[CMSG_SPACE(sizeof(int))];
	}		 ctl;
	struct msghdr	 msg;
	struct iovec	 iov;
	struct cmsghdr	*c;
	int		 got = -1;

	memset(&msg, 0, sizeof(msg));
	iov.iov_base = buf;
	iov.iov_len = len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &ctl;
	msg.msg_controllen = sizeof(ctl);
	if (recvmsg(fd, &msg, 0) == (ssize_t)len &&
	    (c = CMSG_FIRSTHDR(&msg)) != NULL)
		memcpy(&got, CMSG_DATA(c), sizeof(got));
	return got;
}

/* As every user does: reads only what imsg_get() has no more of. */
static int
take(struct imsgbuf *ib, struct imsg *m)
{
	int	 r;

	while ((r = imsg_get(ib, m)) == 0)
		if ((r = imsgbuf_read(ib)) != 1)
			return r == 0 ? 0 : -1;
	return r;
}

static void
fill(uint8_t *p, size_t len)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* An anonymous file of that size. */
static int
file_of(size_t len, int seal)
{
	int	 fd;

	if ((fd = compat_anonfd()) == -1 || ftruncate(fd, (off_t)len) == -1 ||
	    (seal && compat_seal(fd) == -1)) {
		perror("anonymous file");
		exit(1);
	}
	return fd;
}

/* What was sent breaks the stream, with all it brought closed. */
static void
refused(struct pair *p, const char *name)
{
	struct imsg	 m;
	int		 r;

	r = take(&p->b, &m);
	if (r == -1)
		is_int(errno, EBADMSG, name);
	else {
		is_int(r, -1, name);
		if (r == 1)
			imsg_free(&m);
	}
	pair_close(p, name);
}

/* --- who keeps to the rules ---------------------------------------------- */

static void
round_trip(size_t len, const char *name)
{
	struct pair	 p;
	struct imsg	 m;
	uint8_t		*data;

	pair_open(&p);
	if ((data = malloc(len + 1)) == NULL)
		exit(1);
	fill(data, len);
	is_int(imsg_compose(&p.a, 3, UINT64_MAX, -1, data, len), 0, name);
	ok(p.a.out_bytes >= len, "counted as waiting");
	is_int(imsgbuf_write(&p.a), 0, "written");
	is_int((int)p.a.out_bytes, 0, "nothing waits");
	is_int(take(&p.b, &m), 1, "received");
	ok(m.hdr.type == 3 && m.hdr.id == UINT64_MAX && m.hdr.len == len,
	    "the header");
	ok(len == 0 ? m.data == NULL : memcmp(m.data, data, len) == 0,
	    "the payload");
	is_int(m.fd, -1, "no descriptor");
	imsg_free(&m);
	ok(m.data == NULL, "freed");
	is_int(take(&p.b, &m), -1, "no more");
	is_int(errno, EAGAIN, "for now");
	free(data);
	pair_close(&p, name);
}

static void
test_round(void)
{
	round_trip(0, "nothing");
	round_trip(1, "one octet");
	round_trip(IMSG_INLINE_MAX, "as much as goes inline");
	round_trip(IMSG_INLINE_MAX + 1, "one octet more");
	round_trip(3 << 20, "a large one");
}

static void
test_fd(void)
{
	struct pair	 p;
	struct imsg	 m;
	char		 c = 0;
	int		 fd, pipefd[2];

	pair_open(&p);
	if (pipe(pipefd) == -1)
		exit(1);
	is_int(imsg_compose(&p.a, 1, 2, pipefd[0], "abc", 3), 0,
	    "a descriptor and a payload");
	is_int(imsgbuf_write(&p.a), 0, "written");
	is_int(fcntl(pipefd[0], F_GETFD), -1, "closed once sent");
	is_int(take(&p.b, &m), 1, "received");
	ok(m.fd != -1 && m.hdr.len == 3 && memcmp(m.data, "abc", 3) == 0,
	    "with its payload");
	is_int(fcntl(m.fd, F_GETFD), FD_CLOEXEC, "close-on-exec");
	fd = imsg_claim_fd(&m);
	is_int(imsg_claim_fd(&m), -1, "claimed once");
	imsg_free(&m);
	ok(write(pipefd[1], "x", 1) == 1 && read(fd, &c, 1) == 1 && c == 'x',
	    "it is the one that was sent");
	close(fd);
	is_int(imsg_compose(&p.a, 1, 3, pipefd[1], NULL, 0), 0,
	    "one without a payload");
	is_int(imsgbuf_write(&p.a), 0, "written");
	is_int(take(&p.b, &m), 1, "received");
	imsg_free(&m);
	is_int(m.fd, -1, "unclaimed, it is closed");
	pair_close(&p, "descriptors");
}

/* Each its own descriptor, whatever lies between them. */
static void
test_order(void)
{
	struct pair	 p;
	struct imsg	 m;
	uint8_t		*big;
	off_t		 size;
	uint32_t	 i;
	int		 good = 1;

	pair_open(&p);
	if ((big = calloc(1, 20000)) == NULL)
		exit(1);
	for (i = 0; i < 60; i++)
		if (imsg_compose(&p.a, i, i, i % 3 == 0 ? file_of(i, 0) : -1,
		    big, i % 3 == 1 ? 10000 + i : i) == -1)
			good = 0;
	ok(good, "sixty, of all kinds");
	is_int(imsgbuf_write(&p.a), 0, "written");
	for (i = 0; i < 60; i++) {
		if (take(&p.b, &m) != 1) {
			good = 0;
			break;
		}
		size = m.fd == -1 ? -1 : lseek(m.fd, 0, SEEK_END);
		good &= m.hdr.type == i && m.hdr.id == i;
		good &= size == (i % 3 == 0 ? (off_t)i : -1);
		good &= m.hdr.len == (i % 3 == 1 ? 10000 + i : i);
		imsg_free(&m);
	}
	ok(good, "arrive in order, each with its own");
	free(big);
	pair_close(&p, "order");
}

/* Octet by octet, the descriptor with the first. */
static void
test_partial(void)
{
	struct imsg_hdr	 hdr;
	struct pair	 p;
	struct imsg	 m;
	uint8_t		 all[sizeof(hdr) + 3];
	size_t		 i;
	int		 good = 1, fd;

	pair_open(&p);
	memset(&hdr, 0, sizeof(hdr));
	hdr.type = 1;
	hdr.flags = IMSGF_FD;
	hdr.len = 3;
	memcpy(all, &hdr, sizeof(hdr));
	memcpy(all + sizeof(hdr), "xyz", 3);
	fd = file_of(0, 0);
	for (i = 0; i < sizeof(all); i++) {
		if (imsg_get(&p.b, &m) != 0 ||
		    raw_send(p.a.fd, all + i, 1, &fd, i == 0) == -1 ||
		    imsgbuf_read(&p.b) != 1)
			good = 0;
	}
	close(fd);
	ok(good, "no message before its last octet");
	is_int(imsg_get(&p.b, &m), 1, "and one then");
	ok(m.fd != -1 && m.hdr.len == 3 && memcmp(m.data, "xyz", 3) == 0,
	    "whole");
	imsg_free(&m);
	pair_close(&p, "partial");
}

/* A peer that does not read: EAGAIN, and nothing lost or doubled. */
static void
test_full(void)
{
	struct pair	 p;
	struct imsg	 m;
	uint8_t		 data[8000];
	uint32_t	 sent, got = 0;
	int		 r = 0, good = 1;

	pair_open(&p);
	fill(data, sizeof(data));
	for (sent = 0; sent < 4000; sent++)
		if (imsg_compose(&p.a, sent, sent, -1, data,
		    sizeof(data)) == -1)
			good = 0;
	ok(good, "32 MB wait");
	is_int(imsgbuf_write(&p.a), -1, "the socket is full");
	is_int(errno, EAGAIN, "for now");
	while (good && got < sent) {
		if ((r = take(&p.b, &m)) == -1 && errno == EAGAIN) {
			if (imsgbuf_write(&p.a) == -1 && errno != EAGAIN)
				good = 0;
			continue;
		}
		if (r != 1)
			break;
		good &= m.hdr.type == got++ && m.hdr.len == sizeof(data) &&
		    memcmp(m.data, data, sizeof(data)) == 0;
		imsg_free(&m);
	}
	ok(good && got == sent, "all arrive, in order");
	is_int((int)p.a.out_bytes, 0, "nothing waits");
	pair_close(&p, "full");
}

/* What leaves us cannot be changed behind the reader's back. */
static void
test_sealed(void)
{
	struct imsg_hdr	 hdr;
	struct pair	 p;
	uint8_t		*data;
	int		 fd;

	pair_open(&p);
	if ((data = calloc(1, 10000)) == NULL)
		exit(1);
	is_int(imsg_compose(&p.a, 1, 1, -1, data, 10000), 0, "a large one");
	is_int(imsgbuf_write(&p.a), 0, "written");
	fd = raw_recv(p.b.fd, &hdr, sizeof(hdr));
	ok(fd != -1 && hdr.flags == IMSGF_SPILL && hdr.len == 10000,
	    "in a file");
	ok(compat_is_sealed(fd), "that is sealed");
#ifdef F_GET_SEALS
	is_int(ftruncate(fd, 1), -1, "it does not shrink");
	is_int(ftruncate(fd, 20000), -1, "nor grow");
	is_int(pwrite(fd, "x", 1, 0), -1, "nor change");
#endif
	close(fd);
	free(data);
	pair_close(&p, "sealed");
}

static void
test_peek(void)
{
	struct imsg_hdr	 hdr;
	struct pair	 p;
	struct imsg	 m;

	pair_open(&p);
	is_int(imsg_peek(&p.b, &hdr), 0, "no header");
	is_int(raw_header(&p, 0, 3, NULL, 0), 0, "send one");
	is_int(imsgbuf_read(&p.b), 1, "read it");
	is_int(imsg_peek(&p.b, &hdr), 1, "a header");
	is_int(hdr.len, 3, "is that of the message");
	is_int(imsg_get(&p.b, &m), 0, "which is not there yet");
	is_int(raw_send(p.a.fd, "abc", 3, NULL, 0), 0, "send the rest");
	is_int(imsgbuf_read(&p.b), 1, "read it");
	is_int(imsg_peek(&p.b, &hdr), 1, "still there");
	is_int(imsg_get(&p.b, &m), 1, "until taken");
	imsg_free(&m);
	is_int(imsg_peek(&p.b, &hdr), 0, "then it is not");
	pair_close(&p, "peek");
}

/* Who reads without taking does not fill the memory. */
static void
test_bounds(void)
{
	struct pair	 p;
	struct imsg	 m;
	size_t		 most = 0;
	uint32_t	 got = 0;
	int		 i, good = 1;

	pair_open(&p);
	for (i = 0; i < 50000; i++)
		if (imsg_compose(&p.a, (uint32_t)i, 0, -1, "12345678", 8) ==
		    -1)
			good = 0;
	ok(good, "1.6 MB in small messages");
	for (i = 0; i < 100; i++) {
		(void)imsgbuf_write(&p.a);
		(void)imsgbuf_read(&p.b);
		if (p.b.in_len > most)
			most = p.b.in_len;
	}
	ok(most < 128 << 10, "the input buffer has an end");
	printf("# %zu octets\n", most);
	while (good && got < 50000) {
		(void)imsgbuf_write(&p.a);
		if (take(&p.b, &m) != 1)
			break;
		good &= m.hdr.type == got++;
		imsg_free(&m);
	}
	is_int(got, 50000, "all arrive all the same");
	pair_close(&p, "bounds");
}

/* --- who does not -------------------------------------------------------- */

static void
test_header(void)
{
	static const struct {
		uint32_t	 flags, len;
		const char	*name;
	} bad[] = {
		{ 0, IMSG_INLINE_MAX + 1, "inline, but too long for it" },
		{ 0, UINT32_MAX, "inline, 4 GiB" },
		{ 0, 0x80000000, "inline, negative were it signed" },
		{ IMSGF_FD, IMSG_INLINE_MAX + 1, "with a descriptor, too long" },
		{ IMSGF_SPILL, IMSG_TOTAL_MAX + 1, "too long for a file" },
		{ IMSGF_SPILL, UINT32_MAX, "4 GiB in a file" },
		{ IMSGF_FD | IMSGF_SPILL, 9000, "a descriptor for both" },
		{ 0x4, 0, "an unknown flag" },
		{ 0x80000000, 0, "the last flag" },
	};
	struct pair	 p;
	size_t		 i;
	int		 fd;

	for (i = 0; i < nitems(bad); i++) {
		pair_open(&p);
		fd = file_of(bad[i].len > IMSG_TOTAL_MAX ? 0 : bad[i].len, 1);
		is_int(raw_header(&p, bad[i].flags, bad[i].len, &fd, 1), 0,
		    "send");
		close(fd);
		refused(&p, bad[i].name);
		pair_open(&p);
		is_int(raw_header(&p, bad[i].flags, bad[i].len, NULL, 0), 0,
		    "send");
		refused(&p, bad[i].name);
	}
}

static void
test_missing(void)
{
	struct pair	 p;

	pair_open(&p);
	is_int(raw_header(&p, IMSGF_FD, 0, NULL, 0), 0, "send");
	refused(&p, "a descriptor that is not there");
	pair_open(&p);
	is_int(raw_header(&p, IMSGF_SPILL, 9000, NULL, 0), 0, "send");
	refused(&p, "a file that is not there");
}

/* Descriptors that no header speaks of. */
static void
test_stray(void)
{
	struct pair	 p;
	int		 fds[FDS_MAX], i, n;

	for (i = 0; i < FDS_MAX; i++)
		if ((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1)
			exit(1);
	pair_open(&p);
	is_int(raw_header(&p, 0, 0, fds, 1), 0, "send");
	{
		struct imsg	 m;

		is_int(take(&p.b, &m), 1, "a message that wants none");
		imsg_free(&m);
	}
	refused(&p, "is followed by the end of the stream");

	pair_open(&p);
	is_int(raw_header(&p, 0, 5, fds, 1), 0, "send");
	refused(&p, "one that wants none, not whole yet");

	pair_open(&p);
	is_int(raw_header(&p, IMSGF_FD, 5, fds, 2), 0, "send");
	refused(&p, "two for one, not whole yet");

	pair_open(&p);
	is_int(raw_send(p.a.fd, "x", 1, fds, 2), 0, "send");
	refused(&p, "two with the first octet");

	pair_open(&p);
	is_int(raw_header(&p, IMSGF_FD, 0, fds, 2), 0, "send");
	{
		struct imsg	 m;

		is_int(take(&p.b, &m), 1, "one that wants one of two");
		imsg_free(&m);
	}
	refused(&p, "is followed by the end of the stream");

	for (n = 16; n <= FDS_MAX; n++) {
		pair_open(&p);
		if (raw_header(&p, 0, 5, fds, n) == -1)
			ok(0, "send");
		refused(&p, "many descriptors");
	}

	/* one by one, each with a part of a message that never ends */
	pair_open(&p);
	for (i = 0; i < 20; i++)
		if (raw_send(p.a.fd, "x", 1, fds, 1) == -1)
			ok(0, "send");
	refused(&p, "a descriptor with every octet");
	for (i = 0; i < FDS_MAX; i++)
		close(fds[i]);
}

/* A payload that is in anything but our kind of file, of its size. */
static void
test_spill(void)
{
	const size_t	 len = 10000;
	struct pair	 p;
	struct imsg	 m;
	int		 fd, sv[2];

	pair_open(&p);
	fd = file_of(len, 1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	is_int(take(&p.b, &m), 1, "a sealed file of the right size");
	is_int(m.fd, -1, "is closed");
	imsg_free(&m);
	pair_close(&p, "right size");

	pair_open(&p);
	fd = file_of(len - 1, 1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a shorter one");

	pair_open(&p);
	fd = file_of(len + 1, 1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a longer one");

	pair_open(&p);
	fd = file_of(0, 1);
	is_int(raw_header(&p, IMSGF_SPILL, IMSG_TOTAL_MAX, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "an empty one");

	/* it could lie in a file system of the peer's, that never answers */
	pair_open(&p);
	fd = open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || ftruncate(fd, (off_t)len) == -1)
		exit(1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a file that has a name");

	pair_open(&p);
	if (mkfifo("fifo", 0600) == -1 ||
	    (fd = open("fifo", O_RDWR | O_CLOEXEC)) == -1)
		exit(1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a fifo");

	pair_open(&p);
	if ((fd = open(".", O_RDONLY | O_CLOEXEC)) == -1)
		exit(1);
	is_int(raw_header(&p, IMSGF_SPILL, len, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a directory");

	/* whose size is 0 */
	pair_open(&p);
	if ((fd = open("/dev/zero", O_RDONLY | O_CLOEXEC)) == -1)
		exit(1);
	is_int(raw_header(&p, IMSGF_SPILL, 0, &fd, 1), 0, "send");
	close(fd);
	refused(&p, "a device");

	pair_open(&p);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
		exit(1);
	is_int(raw_header(&p, IMSGF_SPILL, len, sv, 1), 0, "send");
	close(sv[0]);
	close(sv[1]);
	refused(&p, "a socket");
}

/* All three seals, or the sender can still change it as it is read. */
static void
test_seals(void)
{
#ifdef F_ADD_SEALS
	static const struct {
		int		 seals;
		const char	*name;
	} part[] = {
		{ 0, "no seal" },
		{ F_SEAL_SEAL, "sealed against seals" },
		{ F_SEAL_SHRINK | F_SEAL_GROW, "of a fixed size" },
		{ F_SEAL_WRITE | F_SEAL_GROW, "that can shrink" },
		{ F_SEAL_WRITE | F_SEAL_SHRINK, "that can grow" },
	};
	struct pair	 p;
	size_t		 i;
	int		 fd;

	for (i = 0; i < nitems(part); i++) {
		pair_open(&p);
		fd = file_of(10000, 0);
		if (part[i].seals != 0)
			is_int(fcntl(fd, F_ADD_SEALS, part[i].seals), 0,
			    "seal");
		is_int(raw_header(&p, IMSGF_SPILL, 10000, &fd, 1), 0, "send");
		close(fd);
		refused(&p, part[i].name);
	}
#endif
}

/* Refused before anything is queued; the descriptor is gone all the same. */
static void
test_compose(void)
{
	struct rlimit	 rl, none;
	struct pair	 p;
	uint8_t		*big;

	pair_open(&p);
	if ((big = calloc(1, IMSG_INLINE_MAX + 1)) == NULL)
		exit(1);
	is_int(imsg_compose(&p.a, 1, 1, file_of(0, 0), big,
	    IMSG_INLINE_MAX + 1), -1, "a descriptor and a large payload");
	is_int(errno, EMSGSIZE, "too large");
	is_int(imsg_compose(&p.a, 1, 1, -1, big, (size_t)IMSG_TOTAL_MAX + 1),
	    -1, "more than all can be");
	is_int(errno, EMSGSIZE, "too large");
	is_int(imsg_compose(&p.a, 1, 1, file_of(0, 0), big, SIZE_MAX), -1,
	    "more than there is");
	is_int(errno, EMSGSIZE, "too large");
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	none = rl;
	none.rlim_cur = 3;
	if (setrlimit(RLIMIT_NOFILE, &none) == -1)
		exit(1);
	is_int(imsg_compose(&p.a, 1, 1, -1, big, IMSG_INLINE_MAX + 1), -1,
	    "no descriptor for its file");
	is_int(errno, EMFILE, "is said");
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	ok(TAILQ_EMPTY(&p.a.out) && p.a.out_bytes == 0, "nothing is queued");
	free(big);
	pair_close(&p, "compose");
}

static void
test_end(void)
{
	struct pair	 p;
	struct imsg	 m;

	pair_open(&p);
	is_int(imsg_compose(&p.a, 5, 5, -1, "last", 4), 0, "the last words");
	is_int(imsgbuf_flush(&p.a), 0, "flushed");
	ok(fcntl(p.a.fd, F_GETFL) & O_NONBLOCK, "and not blocking again");
	is_int(raw_send(p.a.fd, "x", 1, NULL, 0), 0, "and half a word");
	imsgbuf_clear(&p.a);
	is_int(take(&p.b, &m), 1, "are still heard");
	imsg_free(&m);
	is_int(take(&p.b, &m), 0, "then it is over");
	is_int(imsg_compose(&p.b, 1, 1, -1, "hello?", 6), 0, "to nobody");
	is_int(imsgbuf_write(&p.b), -1, "no one reads it");
	is_int(errno, EPIPE, "and no signal kills us");
	ok(p.b.out_bytes > 0, "it still waits");
	pair_close(&p, "end");
	imsgbuf_clear(&p.b);
	is_int(p.b.fd, -1, "cleared twice");
}

/* With descriptors both queued and received. */
static void
test_clear(void)
{
	struct pair	 p;
	int		 fd;

	pair_open(&p);
	is_int(imsg_compose(&p.b, 1, 1, file_of(0, 0), NULL, 0), 0, "queue");
	fd = file_of(0, 0);
	is_int(raw_header(&p, IMSGF_FD, 5, &fd, 1), 0, "send");
	close(fd);
	is_int(imsgbuf_read(&p.b), 1, "read");
	is_int(p.b.in_nfds, 1, "one waits for its message");
	pair_close(&p, "clear");
}

/* The kernel drops what we have no number for: it must wait. */
static void
test_no_files(void)
{
	struct rlimit	 rl, none;
	struct pair	 p;
	struct imsg	 m;
	int		 fd;

	pair_open(&p);
	fd = file_of(10000, 1);
	is_int(raw_header(&p, IMSGF_SPILL, 10000, &fd, 1), 0, "send");
	close(fd);
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	none = rl;
	none.rlim_cur = 3;
	if (setrlimit(RLIMIT_NOFILE, &none) == -1)
		exit(1);
	is_int(imsgbuf_read(&p.b), -1, "a descriptor too many");
	is_int(errno, EMFILE, "is not read");
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	is_int(take(&p.b, &m), 1, "until it can be");
	imsg_free(&m);
	pair_close(&p, "no files");
}

int
main(void)
{
	signal(SIGPIPE, SIG_DFL);
	test_round();
	test_fd();
	test_order();
	test_partial();
	test_full();
	test_sealed();
	test_peek();
	test_bounds();
	test_header();
	test_missing();
	test_stray();
	test_spill();
	test_seals();
	test_compose();
	test_end();
	test_clear();
	test_no_files();
	return done_testing();
}
