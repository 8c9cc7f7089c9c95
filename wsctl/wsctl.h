/* SPDX-License-Identifier: ISC */
/* wsctl(8): what its files offer each other. */
#ifndef WSCTL_H
#define WSCTL_H

#include <stdio.h>

#include "ctl.h"

/* Where things are unless an option says otherwise. */
#ifndef PATH_CONF
#define PATH_CONF	"/etc/wsmtpd.conf"
#endif
#ifndef PATH_CONTROL
#define PATH_CONTROL	"/var/run/wsmtpd.sock"
#endif
#ifndef PATH_CONTROL_RO
#define PATH_CONTROL_RO	"/var/run/wsmtpd-ro.sock"
#endif

/*
 * Output: head, rows, tail, into f.  An answer is a table (one line a row),
 * records (one line a field), or events (one text a row, at once).
 */
enum out_style { OUT_TABLE, OUT_RECORD, OUT_EVENTS };

struct output;
struct out {
	const struct output *ops;
	FILE		*f;
	enum out_style	 style;
	size_t		 nrows;		/* so far */
	void		*state;		/* the format's own */
};

struct output {
	const char	*name;		/* -o name */
	void		(*head)(struct out *);
	/* Takes the row over (empties it) or leaves it to the caller. */
	void		(*row)(struct out *, struct ctl_row *);
	/* text: a sentence that ended the answer, or NULL. */
	void		(*tail)(struct out *, const char *text);
};
extern const struct output out_text, out_json, out_metrics;

/* out_text.c: "35M", "-", "2026-11-23T07:09:00Z": one value for a human. */
void		 out_text_value(struct wbuf *, const struct ctl_field *);
/* Octets as 512, 35M, 1.2G; buf is returned. */
char		*out_text_octets(int64_t, char *buf, size_t);

/* What the options said. */
struct wsctl {
	const char	*conf_path;	/* -f, or NULL */
	const char	*users_path;	/* -u, or NULL */
	const char	*socket;	/* -s, or NULL */
	const struct output *output;
};

struct conf;
/* wsctl.c: a configuration, or NULL and an exit code after a message. */
struct conf	*wsctl_conf(const char *path, int *code);
/* wsctl.c: one exchange with the daemon.  Returns an exit code of sysexits(3). */
int		 wsctl_talk(const struct wsctl *, const struct ctl_req *,
		    enum out_style);
/* Tells a running daemon; none is no error. */
int		 wsctl_tell(const struct wsctl *, enum ctl_cmd);

/* cmd.c: the words of the command line.  Exit code. */
int		 cmd_run(const struct wsctl *, int argc, char **argv);
void		 cmd_usage(FILE *);
/*
 * Matches the words against the patterns.  Returns the row's index and fills
 * req, or -1 and a sentence in errbuf.  The strings of req are borrowed.
 */
int		 cmd_match(int argc, char **argv, struct ctl_req *,
		    enum out_style *, char *errbuf, size_t);

/* users.c: `wsctl user ...`; argv[0] is "user". */
int		 user_main(const struct wsctl *, int argc, char **argv);
/* ca.c: `wsctl ca ...`; argv[0] is "ca". */
int		 ca_main(int argc, char **argv);

#endif /* WSCTL_H */
