/* SPDX-License-Identifier: ISC */
/*
 * wsctl(8): options, and the exchange with the daemon over control's socket.
 * What the words mean stands in cmd.c, how rows look in out_*.c.
 */
#include "compat.h"

#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>

#include "conf.h"
#include "imsg.h"
#include "log.h"
#include "textout.h"
#include "wsctl.h"

static int	 wsctl_connect(const struct wsctl *, enum ctl_cmd, char **,
		    int *);
static int	 wsctl_socket(const char *);
static int	 wsctl_paths(const struct wsctl *, char **rw, char **ro,
		    int *code);
static int	 wsctl_exchange(int, const struct ctl_req *, struct out *);
static int	 wsctl_send(struct imsgbuf *, const struct ctl_req *);
static int	 wsctl_next(struct imsgbuf *, struct imsg *);
static int	 wsctl_answer(struct imsgbuf *, struct out *);
static int	 wsctl_rows(struct out *, const struct imsg *);
static int	 wsctl_end(struct out *, const struct imsg *);
static int	 wsctl_exit_code(uint32_t);

static const struct output *outputs[] = { &out_text, &out_json, &out_metrics };

int
main(int argc, char **argv)
{
	struct wsctl	 w = { .output = &out_text };
	size_t		 i;
	int		 ch;

	log_init("wsctl", 1, 0);
	if (textout_init() == -1)
		err(EX_OSERR, "standard input and output");
	/* "+": options end at the first word; `user` and `ca` have their own. */
	while ((ch = getopt(argc, argv, "+f:o:s:u:")) != -1) {
		switch (ch) {
		case 'f':
			w.conf_path = optarg;
			break;
		case 'o':
			w.output = NULL;
			for (i = 0; i < nitems(outputs); i++)
				if (strcmp(outputs[i]->name, optarg) == 0)
					w.output = outputs[i];
			if (w.output == NULL)
				errx(EX_USAGE, "-o %s: expected text, json or "
				    "metrics", optarg);
			break;
		case 's':
			w.socket = optarg;
			break;
		case 'u':
			w.users_path = optarg;
			break;
		default:
			cmd_usage(stderr);
			return EX_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		cmd_usage(stderr);
		return EX_USAGE;
	}
	optind = 1;
	if (strcmp(argv[0], "user") == 0)
		return user_main(&w, argc, argv);
	if (strcmp(argv[0], "ca") == 0)
		return ca_main(argc, argv);
	return cmd_run(&w, argc, argv);
}

struct conf *
wsctl_conf(const char *path, int *code)
{
	struct conf	*c;

	*code = EX_CONFIG;
	if (access(path, R_OK) == -1 && errno == EACCES) {
		warn("%s", path);
		*code = EX_NOPERM;
		return NULL;
	}
	if ((c = conf_parse(path)) != NULL)
		*code = EX_OK;
	return c;
}

/* The two sockets' names: -s, or the configuration's, or the usual ones. */
static int
wsctl_paths(const struct wsctl *w, char **rw, char **ro, int *code)
{
	struct conf	*c;

	*rw = *ro = NULL;
	if (w->socket != NULL)
		*rw = strdup(w->socket);
	else if (w->conf_path != NULL) {
		if ((c = wsctl_conf(w->conf_path, code)) == NULL)
			return -1;
		*rw = strdup(c->control_path);
		if (c->control_ro_path != NULL &&
		    (*ro = strdup(c->control_ro_path)) == NULL)
			err(EX_OSERR, NULL);
		conf_free(c);
	} else {
		*rw = strdup(PATH_CONTROL);
		if ((*ro = strdup(PATH_CONTROL_RO)) == NULL)
			err(EX_OSERR, NULL);
	}
	if (*rw == NULL)
		err(EX_OSERR, NULL);
	return 0;
}

static int
wsctl_socket(const char *path)
{
	struct sockaddr_un	 sun;
	int			 fd, saved;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/*
 * Connects; who may not use the full socket gets the read-only one for what
 * only looks.  *path is what was tried last, for the caller to free.  -1 and
 * errno; errno 0: the configuration's errors were printed, see *code.
 */
static int
wsctl_connect(const struct wsctl *w, enum ctl_cmd cmd, char **path, int *code)
{
	char	*ro;
	int	 fd, saved;

	if (wsctl_paths(w, path, &ro, code) == -1) {
		errno = 0;
		return -1;
	}
	fd = wsctl_socket(*path);
	if (fd == -1 && (errno == EACCES || errno == EPERM) && ro != NULL &&
	    ctl_cmds[cmd].readonly) {
		free(*path);
		*path = ro;
		return wsctl_socket(*path);
	}
	saved = errno;
	free(ro);
	errno = saved;
	return fd;
}

/* One request and its answer over fd, which is closed. */
static int
wsctl_exchange(int fd, const struct ctl_req *req, struct out *out)
{
	struct imsgbuf	 ibuf;
	int		 code;

	imsgbuf_init(&ibuf, fd);
	/* Who is turned away finds the reason in place of an open ear. */
	if (wsctl_send(&ibuf, req) == -1 && errno != EPIPE) {
		warn("cannot send");
		code = EX_IOERR;
	} else {
		out->ops->head(out);
		code = wsctl_answer(&ibuf, out);
	}
	imsgbuf_clear(&ibuf);
	if (fflush(out->f) != 0 || ferror(out->f)) {
		warn("standard output");
		return EX_IOERR;
	}
	return code;
}

int
wsctl_talk(const struct wsctl *w, const struct ctl_req *req,
    enum out_style style)
{
	struct out	 out = { w->output, stdout, style, 0, NULL };
	char		*path = NULL;
	int		 fd, code = EX_OK;

	if ((fd = wsctl_connect(w, req->cmd, &path, &code)) == -1) {
		if (errno != 0) {
			code = errno == EACCES || errno == EPERM ?
			    EX_NOPERM : EX_UNAVAILABLE;
			warn("wsmtpd does not answer on %s", path);
		}
	} else
		code = wsctl_exchange(fd, req, &out);
	free(path);
	return code;
}

int
wsctl_tell(const struct wsctl *w, enum ctl_cmd cmd)
{
	struct ctl_req	 req = { CTL_VERSION, cmd, 0, { NULL } };
	struct out	 out = { &out_text, stdout, OUT_TABLE, 0, NULL };
	char		*path = NULL;
	int		 fd, code = EX_OK;

	if ((fd = wsctl_connect(w, cmd, &path, &code)) != -1)
		code = wsctl_exchange(fd, &req, &out);
	else if (errno != 0 && errno != ENOENT && errno != ECONNREFUSED) {
		code = EX_UNAVAILABLE;
		warn("cannot tell wsmtpd on %s", path);
	}
	free(path);
	return code;
}

static int
wsctl_send(struct imsgbuf *ibuf, const struct ctl_req *req)
{
	struct wbuf	 w = { 0 };
	int		 ret = -1;

	ctl_req_put(&w, req);
	if (w.error)
		errno = ENOMEM;
	else if (imsg_compose(ibuf, IMSG_CTL_REQUEST, 0, -1, w.data, w.len) ==
	    0)
		ret = imsgbuf_flush(ibuf);
	wbuf_free(&w);
	return ret;
}

/* Waits for one message.  1, 0: closed, -1: errno. */
static int
wsctl_next(struct imsgbuf *ibuf, struct imsg *imsg)
{
	struct pollfd	 pfd = { .fd = ibuf->fd, .events = POLLIN };
	int		 n;

	for (;;) {
		if ((n = imsg_get(ibuf, imsg)) != 0)
			return n;
		if (poll(&pfd, 1, -1) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if ((n = imsgbuf_read(ibuf)) == 0)
			return 0;
		if (n == -1 && errno == ECONNRESET)
			return 0;
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return -1;
	}
}

/* Reads rows until the end; grants more each time the allowance is used up. */
static int
wsctl_answer(struct imsgbuf *ibuf, struct out *out)
{
	struct imsg	 imsg;
	const char	*why;
	unsigned int	 got = 0;
	int		 n;

	while ((n = wsctl_next(ibuf, &imsg)) == 1) {
		if (!proto_allowed(P_CONTROL, P_CTL, imsg.hdr.type,
		    imsg.hdr.len, imsg.fd != -1, &why)) {
			warnx("unexpected %s: %s", proto_name(imsg.hdr.type),
			    why);
			imsg_free(&imsg);
			out->ops->tail(out, NULL);
			return EX_PROTOCOL;
		}
		if (imsg.hdr.type == IMSG_CTL_END) {
			n = wsctl_end(out, &imsg);
			imsg_free(&imsg);
			return n;
		}
		n = wsctl_rows(out, &imsg);
		imsg_free(&imsg);
		if (n == -1)
			break;
		if (++got % CTL_ROWS_AHEAD == 0 &&
		    (imsg_compose(ibuf, IMSG_CTL_MORE, 0, -1, NULL, 0) == -1 ||
		    imsgbuf_flush(ibuf) == -1)) {
			warn("cannot send");
			break;
		}
	}
	out->ops->tail(out, NULL);
	if (n == 0)
		warnx("wsmtpd closed the connection");
	else if (n == -1)
		warn("connection to wsmtpd");
	return EX_IOERR;
}

static int
wsctl_rows(struct out *out, const struct imsg *imsg)
{
	struct rbuf	 r;
	struct ctl_row	 row;
	int		 n;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	memset(&row, 0, sizeof(row));
	while ((n = ctl_row_get(&r, &row)) == 1) {
		out->ops->row(out, &row);
		out->nrows++;
		ctl_row_free(&row);
		memset(&row, 0, sizeof(row));
	}
	if (n == -1)
		errno = EBADMSG;
	return n;
}

static int
wsctl_end(struct out *out, const struct imsg *imsg)
{
	struct wbuf	 why = { 0 };
	struct rbuf	 r;
	uint32_t	 error;
	char		*text;

	rbuf_init(&r, imsg->data, imsg->hdr.len);
	if (ctl_end_get(&r, &error, &text) == -1) {
		out->ops->tail(out, NULL);
		warnx("malformed answer");
		return EX_PROTOCOL;
	}
	out->ops->tail(out, error == 0 ? text : NULL);
	if (error != 0) {
		textout_safe(&why, text[0] == '\0' ? strerror((int)error) :
		    text, 0);
		if (why.error)
			errx(EX_OSERR, "out of memory");
		warnx("%.*s", (int)why.len, (const char *)why.data);
		wbuf_free(&why);
	}
	free(text);
	return wsctl_exit_code(error);
}

static int
wsctl_exit_code(uint32_t error)
{
	switch (error) {
	case 0:
		return EX_OK;
	case EINVAL:
		return EX_USAGE;
	case ENOENT:
		return EX_DATAERR;
	case ESRCH:
		return EX_NOUSER;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EPROTONOSUPPORT:
		return EX_PROTOCOL;
	case ENOEXEC:		/* a configuration that was refused */
		return EX_CONFIG;
	case EAGAIN:
	case ETIMEDOUT:
	case EBUSY:
		return EX_TEMPFAIL;
	default:
		return EX_UNAVAILABLE;
	}
}
