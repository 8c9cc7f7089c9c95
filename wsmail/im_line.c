/* SPDX-License-Identifier: ISC */
/*
 * One line of input in a terminal, edited in place.  A line longer than the
 * terminal is wide shows the part around the cursor, so it has one row, and
 * to draw it again carriage return and blanks are enough.
 */
#define _XOPEN_SOURCE 700	/* wcwidth(3) */
#include "compat.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <wchar.h>

#include "im.h"
#include "textout.h"

#define LINE_MAX_LEN	8192
#define LINE_PAST	50
#define KEY(c)		((c) & 0x1f)

struct line {
	int		 in, out;
	int		 raw;
	struct termios	 saved;
	char		*prompt;
	char		 text[LINE_MAX_LEN + 1], entered[LINE_MAX_LEN + 1];
	size_t		 len, pos;	/* octets; pos between characters */
	size_t		 drawn;		/* columns on the screen */
	int		 shown;
	size_t		 half, whole;	/* octets of a character in the coming */
	unsigned int	 escape;	/* 0, or where in ESC [ ... */
	char		*past[LINE_PAST];	/* the newest first */
	unsigned int	 npast, at;	/* 0: the line that is new */
};

static unsigned int line_columns(const struct line *);
static size_t	 line_prev(const struct line *, size_t);
static size_t	 line_next(const struct line *, size_t);
static unsigned int line_width(const char *, size_t);
static void	 line_draw(struct line *);
static void	 line_put(struct line *, const char *, size_t);
static void	 line_cut(struct line *, size_t, size_t);
static int	 line_insert(struct line *, unsigned char);
static void	 line_recall(struct line *, unsigned int);
static void	 line_remember(struct line *);
static void	 line_escape(struct line *, unsigned char);

struct line *
line_new(int in, int out)
{
	struct line	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->in = in;
	l->out = out;
	if ((l->prompt = strdup("")) == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

void
line_free(struct line *l)
{
	unsigned int	 i;

	if (l == NULL)
		return;
	(void)line_raw(l, 0);
	for (i = 0; i < l->npast; i++)
		free(l->past[i]);
	free(l->prompt);
	free(l);
}

int
line_raw(struct line *l, int on)
{
	struct termios	 t;

	if (on == l->raw)
		return 0;
	if (!on) {
		line_hide(l);
		l->raw = 0;
		return tcsetattr(l->in, TCSADRAIN, &l->saved);
	}
	if (tcgetattr(l->in, &l->saved) == -1)
		return -1;
	t = l->saved;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(l->in, TCSADRAIN, &t) == -1)
		return -1;
	l->raw = 1;
	return 0;
}

void
line_prompt(struct line *l, const char *prompt)
{
	struct wbuf	 w = { 0 };
	int		 shown = l->shown;

	line_hide(l);
	(void)textout_safe(&w, prompt, 0);
	wbuf_u8(&w, 0);
	if (w.error == 0) {
		free(l->prompt);
		l->prompt = (char *)w.data;
	}
	if (shown)
		line_show(l);
}

/* --- drawing -------------------------------------------------------------- */

static unsigned int
line_columns(const struct line *l)
{
	struct winsize	 ws;

	if (ioctl(l->out, TIOCGWINSZ, &ws) == -1 || ws.ws_col < 20)
		return 80;
	return ws.ws_col;
}

static size_t
line_prev(const struct line *l, size_t pos)
{
	while (pos > 0 && ((unsigned char)l->text[--pos] & 0xc0) == 0x80)
		;
	return pos;
}

static size_t
line_next(const struct line *l, size_t pos)
{
	if (pos < l->len)
		pos++;
	while (pos < l->len && ((unsigned char)l->text[pos] & 0xc0) == 0x80)
		pos++;
	return pos;
}

static unsigned int
line_width(const char *s, size_t len)
{
	unsigned int	 columns = 0;
	uint32_t	 cp;
	size_t		 i, n;
	int		 w;

	for (i = 0; i < len; i += n) {
		if ((n = textout_utf8(s + i, &cp)) == 0) {
			n = 1;
			continue;	/* half a character: more comes */
		}
		w = wcwidth((wchar_t)cp);
		columns += w < 0 ? 1 : (unsigned int)w;
	}
	return columns;
}

static void
line_put(struct line *l, const char *s, size_t len)
{
	ssize_t	 n;

	while (len > 0) {
		if ((n = write(l->out, s, len)) == -1) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return;		/* the terminal is gone: input ends */
		}
		s += n;
		len -= (size_t)n;
	}
}

void
line_hide(struct line *l)
{
	struct wbuf	 w = { 0 };
	size_t		 i;

	if (!l->shown)
		return;
	l->shown = 0;
	wbuf_u8(&w, '\r');
	for (i = 0; i < l->drawn; i++)
		wbuf_u8(&w, ' ');
	wbuf_u8(&w, '\r');
	if (w.error == 0)
		line_put(l, (const char *)w.data, w.len);
	wbuf_free(&w);
	l->drawn = 0;
}

void
line_show(struct line *l)
{
	l->shown = l->raw;
	if (l->raw)
		line_draw(l);
}

/* The prompt, and as much of the text as there is room around the cursor. */
static void
line_draw(struct line *l)
{
	struct wbuf	 w = { 0 };
	unsigned int	 room, columns = line_columns(l), p;
	size_t		 from, to, i, used;

	p = line_width(l->prompt, strlen(l->prompt));
	room = p + 10 < columns ? columns - 1 - p : columns - 1;
	for (from = l->pos; from > 0; from = i) {
		i = line_prev(l, from);
		if (line_width(l->text + i, l->pos - i) > room)
			break;
	}
	for (to = l->pos; to < l->len; to = i) {
		i = line_next(l, to);
		if (line_width(l->text + from, i - from) > room)
			break;
	}
	wbuf_u8(&w, '\r');
	if (room < columns - 1)
		wbuf_puts(&w, l->prompt);
	wbuf_raw(&w, l->text + from, to - from);
	used = (room < columns - 1 ? p : 0) +
	    line_width(l->text + from, to - from);
	for (i = used; i < l->drawn; i++)
		wbuf_u8(&w, ' ');
	wbuf_u8(&w, '\r');
	if (room < columns - 1)
		wbuf_puts(&w, l->prompt);
	wbuf_raw(&w, l->text + from, l->pos - from);
	l->drawn = used;
	if (w.error == 0)
		line_put(l, (const char *)w.data, w.len);
	wbuf_free(&w);
}

/* --- keys ----------------------------------------------------------------- */

static void
line_cut(struct line *l, size_t from, size_t to)
{
	memmove(l->text + from, l->text + to, l->len - to + 1);
	l->len -= to - from;
	l->pos = from;
}

/* 1: there is a new character, or one less; 0: it is not whole yet. */
static int
line_insert(struct line *l, unsigned char c)
{
	uint32_t	 cp;
	size_t		 i, n;

	if (l->half == 0 && ((c & 0xc0) == 0x80 || l->len >= LINE_MAX_LEN - 4))
		return 0;
	memmove(l->text + l->pos + 1, l->text + l->pos, l->len - l->pos + 1);
	l->text[l->pos++] = (char)c;
	l->len++;
	if (c < 0x80)
		return 1;
	i = ++l->half;
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	if (n > 0)
		l->whole = n;
	if (i < l->whole)
		return 0;
	/* The controls from U+0080 on are not for a terminal, either. */
	l->half = 0;
	if (textout_utf8(l->text + l->pos - i, &cp) != i ||
	    (cp >= 0x80 && cp < 0xa0))
		line_cut(l, l->pos - i, l->pos);
	return 1;
}

static void
line_recall(struct line *l, unsigned int at)
{
	if (at > l->npast)
		return;
	l->at = at;
	strlcpy(l->text, at == 0 ? "" : l->past[at - 1], sizeof(l->text));
	l->len = l->pos = strlen(l->text);
}

static void
line_remember(struct line *l)
{
	char	*copy;

	if (l->len == 0 || (l->npast > 0 && strcmp(l->past[0], l->text) ==
	    0) || (copy = strdup(l->text)) == NULL)
		return;
	if (l->npast == LINE_PAST)
		free(l->past[--l->npast]);
	memmove(l->past + 1, l->past, l->npast * sizeof(l->past[0]));
	l->past[0] = copy;
	l->npast++;
}

/* What terminals send for the arrows, Home, End and Delete. */
static void
line_escape(struct line *l, unsigned char c)
{
	unsigned int	 digit = l->escape;

	if (l->escape == 1 && (c == '[' || c == 'O')) {
		l->escape = 2;
		return;
	}
	if (l->escape >= 2 && c >= '0' && c <= '9') {
		l->escape = 100 + c;
		return;
	}
	l->escape = 0;
	if (digit == 1)
		return;
	switch (c) {
	case 'A':
		line_recall(l, l->at + 1);
		break;
	case 'B':
		if (l->at > 0)
			line_recall(l, l->at - 1);
		break;
	case 'C':
		l->pos = line_next(l, l->pos);
		break;
	case 'D':
		l->pos = line_prev(l, l->pos);
		break;
	case 'H':
		l->pos = 0;
		break;
	case 'F':
		l->pos = l->len;
		break;
	case '~':
		if (digit == 100 + '3' && l->pos < l->len)
			line_cut(l, l->pos, line_next(l, l->pos));
		break;
	default:
		break;
	}
}

/* From the cursor back over blanks and a word. */
static size_t
line_word(const struct line *l)
{
	size_t	 i = l->pos;

	while (i > 0 && l->text[i - 1] == ' ')
		i--;
	while (i > 0 && l->text[i - 1] != ' ')
		i--;
	return i;
}

enum line_key
line_key(struct line *l, unsigned char c, const char **text)
{
	enum line_key	 key = LINE_NONE;

	*text = NULL;
	/* A character that should have gone on and does not is none. */
	if (l->half > 0 && (c & 0xc0) != 0x80) {
		line_cut(l, l->pos - l->half, l->pos);
		l->half = 0;
	}
	if (l->escape != 0)
		line_escape(l, c);
	else if (c == 0x1b)
		l->escape = 1;
	else if (c == '\n' || c == '\r') {
		line_remember(l);
		memcpy(l->entered, l->text, sizeof(l->entered));
		*text = l->entered;
		line_recall(l, 0);
		key = LINE_ENTER;
	} else if (c >= ' ' && c != 0x7f) {
		if (!line_insert(l, c))
			return LINE_NONE;
	} else if (c == KEY('C') || (c == KEY('D') && l->len == 0))
		key = LINE_END;
	else if (c == KEY('Z'))
		key = LINE_STOP;
	else if (c == '\t')
		key = LINE_NEXT;
	else if (c == 0x7f || c == KEY('H'))
		line_cut(l, line_prev(l, l->pos), l->pos);
	else if (c == KEY('D') && l->pos < l->len)
		line_cut(l, l->pos, line_next(l, l->pos));
	else if (c == KEY('U'))
		line_cut(l, 0, l->pos);
	else if (c == KEY('K'))
		line_cut(l, l->pos, l->len);
	else if (c == KEY('W'))
		line_cut(l, line_word(l), l->pos);
	else if (c == KEY('A'))
		l->pos = 0;
	else if (c == KEY('E'))
		l->pos = l->len;
	else if (c == KEY('B'))
		l->pos = line_prev(l, l->pos);
	else if (c == KEY('F'))
		l->pos = line_next(l, l->pos);
	else if (c == KEY('P'))
		line_recall(l, l->at + 1);
	else if (c == KEY('N') && l->at > 0)
		line_recall(l, l->at - 1);
	if (key == LINE_NONE && l->shown)
		line_draw(l);
	return key;
}
