/* SPDX-License-Identifier: ISC */
/*
 * wsmail im: a chat in a terminal.
 *
 *	im.c		the process that has the terminal: conversations, commands
 *	im_line.c	the line that is typed
 *	im_work.c	two children with a connection each: one takes what
 *			comes, one sends, so that neither the other nor typing waits
 *	im_log.c	what was said, in files
 *
 * Between them go imsgs; what a child says on standard error comes by a pipe.
 */
#ifndef WSMAIL_IM_H
#define WSMAIL_IM_H

#include "imsg.h"
#include "wsmail.h"

#define IM_NS		"urn:wsemail:2:im"
#define IM_TEXT_MAX	(1U << 20)	/* octets of one message */
#define IM_RCPT_MAX	100		/* of one conversation */

enum im_type {
	/* taker to terminal */
	IM_MESSAGE = 1,		/* struct im_message */
	IM_PRESENCE,		/* str address, state, text */
	IM_REQUEST,		/* str address */
	IM_BATCH,		/* that was all: to be answered by IM_SHOWN */
	IM_READY,		/* str location: messages come from now on */
	IM_AGAIN,		/* u32: seconds until it tries again */
	IM_OVER,		/* u32 exit status: it does not try again */
	/* terminal to taker */
	IM_SHOWN,
	/* terminal to sender; id is the terminal's, and of the answer */
	IM_SEND,		/* struct im_message */
	IM_ASK,			/* str method, u32 n, str name=text each */
	/* sender to terminal */
	IM_CONTACT,		/* str address, access, follows, state, text */
	IM_DONE			/* u32 exit status, str text: of IM_SEND, IM_ASK */
};

struct im_message {
	char		*from;
	uint32_t	 nrcpt;
	char		**rcpt;
	int64_t		 when;		/* ms since 1970 */
	uint32_t	 flags;		/* MessageFlags */
	char		*msgid;
	char		*text;
	char		*bad;		/* why the signature is not good, or "" */
};
void	 im_message_put(struct wbuf *, const struct im_message *);
/* 0, or -1: malformed. */
int	 im_message_get(struct rbuf *, struct im_message *);
void	 im_message_free(struct im_message *);

/*
 * The children: they end when the terminal's side of fd does.  location: what
 * Register gave.  The session is the child's own from here.
 */
__dead void im_taker(struct session *, int fd, const char *location);
__dead void im_sender(struct session *, int fd);
/* A location from the server.  0, or a sysexits code after an error. */
int	 im_register(struct session *, char **location);

/* --- im_line.c --- */
struct line;
/*
 * The typed line on this terminal: out may be one or not.  NULL: no memory.
 * Only carriage return and blanks are used to draw it, so any terminal does.
 */
struct line *line_new(int in, int out);
void	 line_free(struct line *);
int	 line_raw(struct line *, int on);	/* 0, or -1 and errno */
void	 line_prompt(struct line *, const char *);
/* Takes the line off the screen, so that something else can be written. */
void	 line_hide(struct line *);
void	 line_show(struct line *);
enum line_key { LINE_NONE, LINE_ENTER, LINE_END, LINE_STOP, LINE_NEXT };
/*
 * One octet from the terminal.  LINE_ENTER: *text is the line, until the next
 * call; LINE_END: ^D or ^C; LINE_STOP: ^Z; LINE_NEXT: Tab.
 */
enum line_key line_key(struct line *, unsigned char, const char **text);

/* --- im_log.c --- */
/* Appends to the conversation's file; an error is said once, on stderr. */
void	 im_log(const char *account, const char *peers,
	    const struct im_message *);
/* The last n lines, with show() each. */
void	 im_log_last(const char *account, const char *peers, unsigned int n,
	    void (*show)(const char *when, const char *from, const char *text));

#endif /* WSMAIL_IM_H */
