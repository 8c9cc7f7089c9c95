/* SPDX-License-Identifier: ISC */
/* See testnet.h. */
#include "compat.h"

#include <sys/time.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "testnet.h"

static int	 testnet_bind(int, const char *, uint16_t, uint16_t *);
static ssize_t	 testtls_read(struct testtls *);

int64_t
testnet_clock(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
testnet_bind(int type, const char *addr, uint16_t port, uint16_t *got)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	int			 fd;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	inet_pton(AF_INET, addr, &sin.sin_addr);
	if ((fd = socket(AF_INET, type | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1) {
		close(fd);
		return -1;
	}
	*got = ntohs(sin.sin_port);
	return fd;
}

int
testnet_listen(const char *addr, uint16_t *port)
{
	int	 fd = testnet_bind(SOCK_STREAM, addr, 0, port);

	if (fd == -1 || listen(fd, 256) == -1) {
		perror(addr);
		exit(1);
	}
	return fd;
}

uint16_t
testnet_free_port(void)
{
	uint16_t	 port, same;
	int		 tcp, udp;

	do {
		if ((tcp = testnet_bind(SOCK_STREAM, "127.0.0.1", 0,
		    &port)) == -1) {
			perror("port");
			exit(1);
		}
		udp = testnet_bind(SOCK_DGRAM, "127.0.0.1", port, &same);
		close(tcp);
	} while (udp == -1);
	close(udp);
	return port;
}

int
testnet_connect(uint16_t port)
{
	return testnet_connect_from(NULL, port);
}

int
testnet_connect_from(const char *addr, uint16_t port)
{
	struct sockaddr_in	 sin, from;
	struct timeval		 tv = { TESTNET_PATIENCE, 0 };
	int			 fd;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	memset(&from, 0, sizeof(from));
	from.sin_family = AF_INET;
	if ((addr != NULL && (inet_pton(AF_INET, addr, &from.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == -1)) ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
testtls_open(struct testtls *t, uint16_t port, const char *servername,
    const char *ca_pem)
{
	return testtls_start(t, testnet_connect(port), servername, ca_pem);
}

int
testtls_start(struct testtls *t, int fd, const char *servername,
    const char *ca_pem)
{
	struct tls_config	*config = tls_config_new();

	memset(t, 0, sizeof(*t));
	if ((t->fd = fd) == -1) {
		tls_config_free(config);
		return -1;
	}
	if ((t->tls = tls_client()) == NULL || config == NULL ||
	    tls_config_set_ca_mem(config, (const uint8_t *)ca_pem,
	    strlen(ca_pem)) == -1 ||
	    tls_configure(t->tls, config) == -1 ||
	    tls_connect_socket(t->tls, t->fd, servername) == -1 ||
	    tls_handshake(t->tls) != 0) {
		tls_config_free(config);
		testtls_close(t);
		return -1;
	}
	tls_config_free(config);
	return 0;
}

int
testtls_write(struct testtls *t, const void *data, size_t len)
{
	const uint8_t	*p = data;
	ssize_t		 n;

	while (len > 0) {
		if ((n = tls_write(t->tls, p, len)) <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
testtls_puts(struct testtls *t, const char *s)
{
	return testtls_write(t, s, strlen(s));
}

/* More octets into the buffer; 0: closed, -1: error, time-out or full. */
static ssize_t
testtls_read(struct testtls *t)
{
	ssize_t	 n;

	if (t->len == sizeof(t->buf))
		return -1;
	n = tls_read(t->tls, t->buf + t->len, sizeof(t->buf) - t->len);
	if (n > 0)
		t->len += (size_t)n;
	return n < 0 ? -1 : n;
}

int
testtls_message(struct testtls *t, struct http_msg *m, int is_response,
    int head_request)
{
	static const struct http_limits	 lim = { 65536, 100, 256 << 20 };
	size_t				 used, any = 0;
	int				 ret;

	http_msg_init(m, is_response, &lim);
	m->head_request = head_request;
	for (;;) {
		ret = http_feed(m, t->buf, t->len, &used);
		any += used;
		memmove(t->buf, t->buf + used, t->len - used);
		t->len -= used;
		if (ret != 0)
			return ret;
		switch (testtls_read(t)) {
		case 0:
			if (any == 0)
				return 0;
			return http_eof(m) == 0 ? 1 : -1;
		case -1:
			return -1;
		default:
			break;
		}
	}
}

int
testtls_closes(struct testtls *t)
{
	int64_t	 end = testnet_clock() + TESTNET_PATIENCE * 1000;
	ssize_t	 n;

	for (;;) {
		t->len = 0;
		n = tls_read(t->tls, t->buf, sizeof(t->buf));
		if (n == 0)
			return 1;
		/* A reset is an end as well; a time-out is not. */
		if (n == TLS_WANT_POLLIN || testnet_clock() > end)
			return 0;
		if (n < 0)
			return 1;
	}
}

void
testtls_close(struct testtls *t)
{
	if (t->tls != NULL) {
		tls_close(t->tls);
		tls_free(t->tls);
	}
	if (t->fd != -1)
		close(t->fd);
	t->tls = NULL;
	t->fd = -1;
}
