/* SPDX-License-Identifier: ISC */
/*
 * lib/chan.c: what a compromised peer sends closes the channel once, and the
 * owner may close it from anywhere.  We are soap; the peer is the queue, keys
 * or the parent.
 */
#include "compat.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "chan.h"
#include "log.h"
#include "rawsend.h"
#include "tap.h"

struct world {
	struct event_base *base;
	struct chan	*ch, *other;
	struct imsgbuf	 peer;		/* the other end of ch */
	int		 open;		/* descriptors before */
	int		 msgs, downs, drains;
	uint32_t	 type, len;	/* of the last message */
	int		 fd;		/* claimed from it */
	int		 claim;
	int		 ret;		/* what the handler returns */
	int		 free_in_msg, free_in_down, free_in_drain;
	int		 free_other;
	int		 send_in_down;	/* what chan_send() returned there */
	int		 errno_in_down;
};

static int	 count_fds(void);
static int	 on_msg(struct chan *, struct imsg *, void *);
static void	 on_down(struct chan *, void *);
static void	 on_drain(struct chan *, void *);
static void	 begin(struct world *, enum proc_id);
static void	 end(struct world *);
static void	 run(struct world *);
static void	 from_peer(struct world *, uint32_t, int, const void *, size_t);
static void	 broke(enum proc_id, uint32_t, int, size_t, const char *);
static void	 test_talk(void);
static void	 test_descriptor(void);
static void	 test_refused(void);
static void	 test_unread(void);
static void	 test_stream(void);
static void	 test_send_refused(void);
static void	 test_sendw(void);
static void	 test_bound(void);
static void	 test_drain(void);
static void	 test_free_in_msg(void);
static void	 test_free_in_down(void);
static void	 test_free_in_drain(void);
static void	 test_free_other(void);
static void	 test_gone(void);
static void	 test_deaf(void);
static void	 starve(void);
static void	 test_starved(void);
static void	 test_no_files(void);
static void	 test_new(void);

static int
count_fds(void)
{
	int	 fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static int
on_msg(struct chan *ch, struct imsg *m, void *arg)
{
	struct world	*w = arg;

	w->msgs++;
	w->type = m->hdr.type;
	w->len = m->hdr.len;
	if (w->claim)
		w->fd = imsg_claim_fd(m);
	if (w->free_in_msg) {
		chan_free(ch);
		w->ch = NULL;
	}
	if (w->free_other) {
		w->free_other = 0;
		chan_free(w->other);
		w->other = NULL;
	}
	return w->ret;
}

static void
on_down(struct chan *ch, void *arg)
{
	struct world	*w = arg;

	w->downs++;
	w->send_in_down = chan_send(ch, IMSG_PARENT_READY, 0, dup(1), NULL, 0);
	w->errno_in_down = errno;
	if (w->free_in_down)
		chan_free(ch);
	w->ch = NULL;
}

static void
on_drain(struct chan *ch, void *arg)
{
	struct world	*w = arg;

	w->drains++;
	if (w->free_in_drain) {
		chan_free(ch);
		w->ch = NULL;
	}
}

static void
begin(struct world *w, enum proc_id peer)
{
	int	 sv[2];

	memset(w, 0, sizeof(*w));
	w->fd = -1;
	w->open = count_fds();
	if ((w->base = event_base_new()) == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1 ||
	    (w->ch = chan_new(w->base, sv[0], P_SOAP, peer, 0, on_msg,
	    on_down, w)) == NULL) {
		perror("channel");
		exit(1);
	}
	w->ch->drain = on_drain;
	imsgbuf_init(&w->peer, sv[1]);
}

static void
end(struct world *w)
{
	chan_free(w->ch);
	chan_free(w->other);
	imsgbuf_clear(&w->peer);
	event_base_free(w->base);
	is_int(count_fds(), w->open, "no descriptor is left");
}

/* All that can happen now. */
static void
run(struct world *w)
{
	int	 i;

	for (i = 0; i < 4; i++)
		(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static void
from_peer(struct world *w, uint32_t type, int fd, const void *p, size_t len)
{
	if (imsg_compose(&w->peer, type, 1, fd, p, len) == -1 ||
	    imsgbuf_write(&w->peer) == -1)
		ok(0, "the peer sends");
}

static void
test_talk(void)
{
	struct world	 w;
	struct imsg	 m;
	uint8_t		*big;

	if ((big = calloc(1, 100000)) == NULL)
		exit(1);
	begin(&w, P_QUEUE);
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, big, 4);
	from_peer(&w, IMSG_SOAP_RELAY_JOB, -1, big, 100000);
	run(&w);
	is_int(w.msgs, 2, "a small and a large message");
	ok(w.type == IMSG_SOAP_RELAY_JOB && w.len == 100000, "in order");
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 8, -1, big, 40), 0,
	    "send a small one");
	is_int(chan_send(w.ch, IMSG_QUEUE_SUBMIT, 9, -1, big, 100000), 0,
	    "and a large one");
	run(&w);
	is_int(imsgbuf_read(&w.peer), 1, "the peer reads");
	ok(imsg_get(&w.peer, &m) == 1 && m.hdr.type == IMSG_QUEUE_NONCE_CHECK &&
	    m.hdr.id == 8 && m.hdr.len == 40, "the small one");
	imsg_free(&m);
	(void)imsgbuf_read(&w.peer);
	ok(imsg_get(&w.peer, &m) == 1 && m.hdr.type == IMSG_QUEUE_SUBMIT &&
	    m.hdr.id == 9 && m.hdr.len == 100000, "the large one");
	imsg_free(&m);
	imsgbuf_clear(&w.peer);
	run(&w);
	is_int(w.downs, 1, "the peer goes, which is told once");
	is_int(w.send_in_down, -1, "nothing can be sent then");
	is_int(w.errno_in_down, EPIPE, "as it is closed");
	end(&w);
	free(big);
}

static void
test_descriptor(void)
{
	static const uint8_t eight[8];
	struct world	 w;

	begin(&w, P_PARENT);
	w.claim = 1;
	from_peer(&w, IMSG_PROC_PEER, open("/dev/null", O_RDONLY), eight, 8);
	run(&w);
	ok(w.msgs == 1 && w.fd != -1, "the handler claims a descriptor");
	close(w.fd);
	w.claim = 0;
	from_peer(&w, IMSG_PROC_PEER, open("/dev/null", O_RDONLY), eight, 8);
	run(&w);
	is_int(w.msgs, 2, "or does not");
	is_int(w.downs, 0, "all is well");
	end(&w);
}

/* That message comes first, a good one behind it: neither is handled. */
static void
broke(enum proc_id peer, uint32_t type, int fd, size_t len, const char *name)
{
	struct world	 w;
	uint8_t		*p;

	begin(&w, peer);
	if (fd != -1)
		fd = open("/dev/null", O_RDONLY);
	if ((p = calloc(1, len + 1)) == NULL)
		exit(1);
	from_peer(&w, type, fd, p, len);
	from_peer(&w, IMSG_PROC_GO, -1, NULL, 0);
	run(&w);
	is_int(w.msgs, 0, name);
	is_int(w.downs, 1, "closes the channel, once");
	ok(w.ch == NULL, "and it is gone");
	free(p);
	end(&w);
}

static void
test_refused(void)
{
	broke(P_PARENT, IMSG_NONE, -1, 0, "type 0");
	broke(P_PARENT, IMSG_MAX, -1, 0, "the type after the last");
	broke(P_PARENT, UINT32_MAX, -1, 0, "no type at all");
	broke(P_QUEUE, IMSG_PROC_GO, -1, 0, "one that only the parent sends");
	broke(P_PARENT, IMSG_PROC_LISTEN, 0, 8, "one for another");
	broke(P_QUEUE, IMSG_QUEUE_NONCE_CHECK, -1, 40, "our own, back");
	broke(P_QUEUE, IMSG_SOAP_NONCE_RESULT, -1, 3, "too short");
	broke(P_QUEUE, IMSG_SOAP_NONCE_RESULT, -1, 0, "empty");
	broke(P_QUEUE, IMSG_SOAP_NONCE_RESULT, -1, 5, "too long");
	broke(P_KEYS, IMSG_SOAP_SIGN_RESULT, -1, 9000, "too long, in a file");
	broke(P_QUEUE, IMSG_SOAP_NONCE_RESULT, 0, 4,
	    "a descriptor it must not have");
	broke(P_PARENT, IMSG_PROC_PEER, -1, 8, "no descriptor");
}

/* What is not allowed is not read first: its file is where it was. */
static void
test_unread(void)
{
	struct world	 w;
	struct imsg_hdr	 hdr;
	int		 fd;

	begin(&w, P_KEYS);
	memset(&hdr, 0, sizeof(hdr));
	hdr.type = IMSG_SOAP_SIGN_RESULT;
	hdr.flags = IMSGF_SPILL;
	hdr.len = IMSG_TOTAL_MAX;
	if ((fd = compat_anonfd()) == -1 ||
	    ftruncate(fd, IMSG_TOTAL_MAX) == -1 || compat_seal(fd) == -1)
		exit(1);
	is_int(raw_send(w.peer.fd, &hdr, sizeof(hdr), &fd, 1), 0,
	    "256 MB where 4 kB are the most");
	run(&w);
	ok(w.msgs == 0 && w.downs == 1, "close the channel");
	is_int(lseek(fd, 0, SEEK_CUR), 0, "and are not looked at");
	close(fd);
	end(&w);
}

/* A stream that breaks after a good message. */
static void
test_stream(void)
{
	static const uint8_t four[4];
	struct world	 w;
	struct imsg_hdr	 hdr;

	begin(&w, P_QUEUE);
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, four, 4);
	memset(&hdr, 0xff, sizeof(hdr));
	is_int(raw_send(w.peer.fd, &hdr, sizeof(hdr), NULL, 0), 0, "garbage");
	run(&w);
	ok(w.msgs == 1 && w.downs == 1, "ends it, after what was good");
	end(&w);

	begin(&w, P_QUEUE);
	w.ret = -1;
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, four, 4);
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, four, 4);
	run(&w);
	ok(w.msgs == 1 && w.downs == 1, "a handler that refuses ends it");
	end(&w);

	begin(&w, P_QUEUE);
	is_int(raw_send(w.peer.fd, "x", 1, NULL, 0), 0, "a part of a header");
	imsgbuf_clear(&w.peer);
	run(&w);
	ok(w.msgs == 0 && w.downs == 1, "is no message");
	end(&w);
}

/* Our own bugs: told, and the descriptor closed, but the channel stays. */
static void
test_send_refused(void)
{
	static const uint8_t data[64];
	struct world	 w;

	begin(&w, P_QUEUE);
	is_int(chan_send(w.ch, IMSG_SOAP_NONCE_RESULT, 1, -1, data, 4), -1,
	    "a message that is not ours");
	is_int(errno, EPERM, "refused");
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, -1, data, 41), -1,
	    "one too long");
	is_int(errno, EPERM, "refused");
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1,
	    open("/dev/null", O_RDONLY), data, 40), -1,
	    "one with a descriptor");
	is_int(errno, EPERM, "refused");
	is_int(chan_send(w.ch, IMSG_QUEUE_SUBMIT, 1, -1, data, SIZE_MAX), -1,
	    "more than there is");
	is_int(errno, EPERM, "refused");
	run(&w);
	is_int(w.downs, 0, "the channel stays");
	end(&w);
}

static void
test_sendw(void)
{
	struct world	 w;
	struct wbuf	 b = { 0 };

	begin(&w, P_QUEUE);
	wbuf_printf(&b, "%040d", 0);
	is_int(chan_sendw(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, &b), 0, "a wbuf");
	ok(b.data == NULL && b.len == 0, "is emptied");
	wbuf_printf(&b, "%040d", 0);
	b.error = ENOMEM;
	is_int(chan_sendw(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, &b), -1,
	    "one that failed");
	is_int(errno, ENOMEM, "is not sent");
	ok(b.data == NULL && b.error == 0, "but emptied");
	end(&w);
}

static void
test_bound(void)
{
	static const uint8_t data[64];
	struct world	 w;

	begin(&w, P_QUEUE);
	/* as if that much waited */
	w.ch->ibuf.out_bytes += CHAN_MAX - 64;
	is_int(chan_send(w.ch, IMSG_QUEUE_SUBMIT, 1, -1, data, 64), 0,
	    "up to the bound");
	ok(chan_is_full(w.ch), "it is full");
	is_int(chan_send(w.ch, IMSG_QUEUE_SUBMIT, 2, -1, data, 64), -1,
	    "beyond it");
	is_int(errno, ENOBUFS, "the peer is taken for dead");
	is_int(w.downs, 0, "which is not told from there");
	run(&w);
	is_int(w.downs, 1, "but by the loop");
	end(&w);
}

/* Back pressure: one call, when most of it is out. */
static void
test_drain(void)
{
	struct world	 w;
	struct imsg	 m;
	uint8_t		*big;
	int		 i, got = 0, early = 0;

	if ((big = calloc(1, 1 << 20)) == NULL)
		exit(1);
	begin(&w, P_QUEUE);
	for (i = 0; i < 8000 && !chan_is_full(w.ch); i++)
		if (chan_send(w.ch, IMSG_QUEUE_SUBMIT, 1, -1, big, 8000) ==
		    -1)
			ok(0, "send");
	ok(chan_is_full(w.ch), "full");
	run(&w);
	is_int(w.drains, 0, "the peer does not read");
	while (got < i) {
		run(&w);
		early |= w.drains > 0 && w.ch->ibuf.out_bytes >= CHAN_HIWAT / 2;
		if (imsgbuf_read(&w.peer) != 1)
			break;
		while (imsg_get(&w.peer, &m) == 1) {
			got++;
			imsg_free(&m);
		}
	}
	is_int(got, i, "the peer reads it all");
	is_int(w.drains, 1, "which is told once");
	ok(!early, "and not before half is out");
	end(&w);
	free(big);
}

static void
test_free_in_msg(void)
{
	static const uint8_t four[4];
	struct world	 w;
	int		 ret;

	for (ret = -1; ret <= 0; ret++) {
		begin(&w, P_QUEUE);
		w.free_in_msg = 1;
		w.ret = ret;
		is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, -1,
		    "0123456789012345678901234567890123456789", 40), 0,
		    "something to write");
		from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, four, 4);
		from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, four, 4);
		run(&w);
		is_int(w.msgs, 1, "nothing comes after it was closed");
		is_int(w.downs, 0, "its owner knows");
		end(&w);
	}
}

static void
test_free_in_down(void)
{
	struct world	 w;

	begin(&w, P_QUEUE);
	w.free_in_down = 1;
	imsgbuf_clear(&w.peer);
	run(&w);
	is_int(w.downs, 1, "closed from where its end is told");
	end(&w);

	begin(&w, P_QUEUE);
	w.free_in_down = 1;
	w.ret = -1;
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, "abcd", 4);
	run(&w);
	is_int(w.downs, 1, "the same, after a refusal");
	end(&w);
}

static void
test_free_in_drain(void)
{
	struct world	 w;

	begin(&w, P_QUEUE);
	w.free_in_drain = 1;
	w.ch->was_full = 1;
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, -1,
	    "0123456789012345678901234567890123456789", 40), 0, "send");
	run(&w);
	ok(w.drains == 1 && w.ch == NULL, "closed from where it drains");
	is_int(w.downs, 0, "its owner knows");
	end(&w);
}

/* One channel's handler closes another that has something to read, too. */
static void
test_free_other(void)
{
	struct world	 w;
	struct imsgbuf	 far;
	int		 sv[2];

	begin(&w, P_QUEUE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1 ||
	    (w.other = chan_new(w.base, sv[0], P_SOAP, P_QUEUE, 0, on_msg,
	    on_down, &w)) == NULL)
		exit(1);
	imsgbuf_init(&far, sv[1]);
	w.free_other = 1;
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, "abcd", 4);
	if (imsg_compose(&far, IMSG_SOAP_NONCE_RESULT, 1, -1, "abcd", 4) ==
	    -1 || imsgbuf_write(&far) == -1)
		ok(0, "send");
	run(&w);
	ok(w.other == NULL && w.downs == 0, "closed by another's handler");
	imsgbuf_clear(&far);
	end(&w);
}

/* What the peer said before it died is heard, though we cannot write to it. */
static void
test_gone(void)
{
	struct world	 w;

	begin(&w, P_QUEUE);
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, "abcd", 4);
	imsgbuf_clear(&w.peer);
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, -1,
	    "0123456789012345678901234567890123456789", 40), 0, "send");
	run(&w);
	ok(w.msgs == 1 && w.downs == 1, "its last words, then its end");
	end(&w);
}

/* One that speaks and never listens does not keep us busy. */
static void
test_deaf(void)
{
	struct world	 w;

	begin(&w, P_QUEUE);
	if (shutdown(w.peer.fd, SHUT_RD) == -1)
		exit(1);
	is_int(chan_send(w.ch, IMSG_QUEUE_NONCE_CHECK, 1, -1,
	    "0123456789012345678901234567890123456789", 40), 0, "send");
	run(&w);
	ok(!event_pending(w.ch->wr, EV_WRITE, NULL) &&
	    !event_pending(w.ch->retry, EV_TIMEOUT, NULL),
	    "no write is tried again and again");
	from_peer(&w, IMSG_SOAP_NONCE_RESULT, -1, "abcd", 4);
	run(&w);
	ok(w.msgs == 1 && w.downs == 0, "what it says is heard");
	end(&w);
}

/*
 * More descriptors are under way than a user may have: sendmsg(2) fails though
 * the socket has room.  In a process of its own, as root may have any number.
 * Exits 0: all went out, 1: it did not, 2: there was no such limit.
 */
static void
starve(void)
{
	const int	 total = 120;
	struct rlimit	 rl = { 60, 60 };
	struct world	 w;
	struct imsg	 m;
	uint8_t		*big;
	int		 i, got = 0, turns = 0;

	if ((big = calloc(1, 9000)) == NULL)
		_exit(3);
	begin(&w, P_QUEUE);
	for (i = 0; i < total; i++)
		if (chan_send(w.ch, IMSG_QUEUE_SUBMIT, (uint64_t)i, -1, big,
		    9000) == -1)
			_exit(3);
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1 ||
	    (geteuid() == 0 && setuid(65534) == -1))
		_exit(3);
	run(&w);
	if (imsgbuf_write(&w.ch->ibuf) == 0 || errno != ETOOMANYREFS)
		_exit(2);
	/* busy waiting would take many thousand turns */
	while (got < total && turns++ < 200) {
		while (imsgbuf_read(&w.peer) == 1)
			while (imsg_get(&w.peer, &m) == 1) {
				got += m.hdr.len == 9000;
				imsg_free(&m);
			}
		if (w.ch == NULL || (!event_pending(w.ch->wr, EV_WRITE, NULL) &&
		    !event_pending(w.ch->retry, EV_TIMEOUT, NULL)))
			break;
		(void)event_base_loop(w.base, EVLOOP_ONCE);
	}
	_exit(got == total ? 0 : 1);
}

static void
test_starved(void)
{
	pid_t	 pid;
	int	 status = 0;

	if ((pid = fork()) == 0)
		starve();
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		exit(1);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		printf("# no limit on descriptors under way here\n");
		return;
	}
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "what does not go out now goes out later");
	printf("# status %x\n", (unsigned int)status);
}

/* Clients took all descriptors: what a peer sends in a file is not lost. */
static void
test_no_files(void)
{
	struct rlimit	 rl, none;
	struct world	 w;
	uint8_t		*big;

	if ((big = calloc(1, 9000)) == NULL)
		exit(1);
	begin(&w, P_QUEUE);
	from_peer(&w, IMSG_SOAP_RELAY_JOB, -1, big, 9000);
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	none = rl;
	none.rlim_cur = 3;
	if (setrlimit(RLIMIT_NOFILE, &none) == -1)
		exit(1);
	run(&w);
	ok(w.msgs == 0 && w.downs == 0, "no descriptor: it waits");
	ok(!event_pending(w.ch->rd, EV_READ, NULL), "not in a circle");
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		exit(1);
	is_int(event_base_loop(w.base, EVLOOP_ONCE), 0, "later");
	run(&w);
	ok(w.msgs == 1 && w.len == 9000, "it is read");
	ok(w.downs == 0 && event_pending(w.ch->rd, EV_READ, NULL),
	    "and so is what follows");
	end(&w);
	free(big);
}

/* What is no socket: refused, and closed. */
static void
test_new(void)
{
	struct event_base	*base;
	struct chan		*ch;
	int			 open0 = count_fds(), fd;

	if ((base = event_base_new()) == NULL ||
	    (fd = open("file", O_RDWR | O_CREAT, 0600)) == -1)
		exit(1);
	ch = chan_new(base, fd, P_SOAP, P_QUEUE, 0, on_msg, on_down, NULL);
	ok(ch == NULL, "a file is no channel");
	chan_free(ch);
	event_base_free(base);
	is_int(count_fds(), open0, "no descriptor is left");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_init("test_chan", 1, 0);
	test_talk();
	test_descriptor();
	test_refused();
	test_unread();
	test_stream();
	test_send_refused();
	test_sendw();
	test_bound();
	test_drain();
	test_free_in_msg();
	test_free_in_down();
	test_free_in_drain();
	test_free_other();
	test_gone();
	test_deaf();
	test_starved();
	test_no_files();
	test_new();
	return done_testing();
}
