/* SPDX-License-Identifier: ISC */
/*
 * Rows for people: a table per kind of row with columns as wide as the first
 * rows need, or one "name: value" line a field.  Nothing but the first
 * WIDTH_ROWS rows is held back, so a long answer streams.
 */
#include "compat.h"

#include <err.h>
#include <inttypes.h>
#include <sysexits.h>

#include "textout.h"
#include "wsctl.h"
#include "wstime.h"

#define WIDTH_ROWS	128	/* looked at before the columns are fixed */
#define COLUMN_MAX	48	/* a wider value just shifts its line */

struct cell {
	char		*text;
	size_t		 chars;
};

struct text {
	struct ctl_row	*held;
	size_t		 nheld;
	char		*kind;		/* of the table in progress, or NULL */
	size_t		*width;
	size_t		 ncols;
};

static void	 out_text_head(struct out *);
static void	 out_text_row(struct out *, struct ctl_row *);
static void	 out_text_tail(struct out *, const char *);
static void	 out_text_record(struct out *, const struct ctl_row *);
static void	 out_text_event(struct out *, const struct ctl_row *);
static void	 out_text_flush(struct out *, struct text *);
static void	 out_text_table(struct out *, struct text *,
		    const struct ctl_row *);
static void	 out_text_widths(struct text *);
static void	 out_text_heading(struct out *, struct text *,
		    const struct ctl_row *);
static struct cell out_text_cell(const struct ctl_field *);
static int	 out_text_is_number(const struct ctl_field *);

const struct output out_text = {
	"text", out_text_head, out_text_row, out_text_tail
};

char *
out_text_octets(int64_t n, char *buf, size_t len)
{
	static const char	 unit[] = "KMGTP";
	int64_t			 div = 1;
	int			 i = -1;

	while (n >= 1024 * div && i < (int)sizeof(unit) - 2) {
		div *= 1024;
		i++;
	}
	if (i == -1)
		snprintf(buf, len, "%" PRId64, n);
	else if (n % div == 0)
		snprintf(buf, len, "%" PRId64 "%c", n / div, unit[i]);
	else
		snprintf(buf, len, "%.1f%c", (double)n / (double)div, unit[i]);
	return buf;
}

void
out_text_value(struct wbuf *w, const struct ctl_field *f)
{
	char	 buf[64];

	switch (f->type) {
	case 's':
		textout_safe(w, f->str == NULL || f->str[0] == '\0' ? "-" :
		    f->str, 0);
		break;
	case 't':
		if (f->num == 0) {
			wbuf_puts(w, "-");
			break;
		}
		wstime_format(f->num, buf, sizeof(buf));
		/* To the second: "....123Z" is noise for people. */
		if (strlen(buf) == WSTIME_LEN - 1)
			strlcpy(buf + strlen("2026-11-23T07:09:00"), "Z",
			    sizeof(buf) - strlen("2026-11-23T07:09:00"));
		wbuf_puts(w, buf);
		break;
	case 'b':
		wbuf_puts(w, out_text_octets(f->num, buf, sizeof(buf)));
		break;
	default:
		wbuf_printf(w, "%" PRId64, f->num);
	}
}

static struct cell
out_text_cell(const struct ctl_field *f)
{
	struct wbuf	 w = { 0 };
	struct cell	 c;
	uint32_t	 cp;
	size_t		 i, n, len;

	out_text_value(&w, f);
	wbuf_u8(&w, '\0');
	if (w.error)
		errx(EX_OSERR, "out of memory");
	c.text = (char *)wbuf_steal(&w, &len);
	for (c.chars = i = 0; c.text[i] != '\0'; i += n, c.chars++)
		if ((n = textout_utf8(c.text + i, &cp)) == 0)
			n = 1;
	return c;
}

static int
out_text_is_number(const struct ctl_field *f)
{
	return strchr("ibcg", f->type) != NULL;
}

static void
out_text_head(struct out *o)
{
	if ((o->state = calloc(1, sizeof(struct text))) == NULL)
		err(EX_OSERR, NULL);
}

static void
out_text_row(struct out *o, struct ctl_row *r)
{
	struct text	*t = o->state;
	struct ctl_row	*held;

	if (o->style == OUT_RECORD) {
		out_text_record(o, r);
		return;
	}
	if (o->style == OUT_EVENTS) {
		out_text_event(o, r);
		return;
	}
	if (t->kind != NULL && strcmp(t->kind, r->kind) == 0 &&
	    t->ncols == r->nfields) {
		out_text_table(o, t, r);
		return;
	}
	if (t->nheld > 0 && (strcmp(t->held[0].kind, r->kind) != 0 ||
	    t->held[0].nfields != r->nfields))
		out_text_flush(o, t);
	if ((held = reallocarray(t->held, t->nheld + 1, sizeof(*held))) == NULL)
		err(EX_OSERR, NULL);
	t->held = held;
	t->held[t->nheld++] = *r;
	memset(r, 0, sizeof(*r));
	if (t->nheld == WIDTH_ROWS)
		out_text_flush(o, t);
}

static void
out_text_tail(struct out *o, const char *text)
{
	struct text	*t = o->state;
	struct wbuf	 w = { 0 };

	out_text_flush(o, t);
	if (text != NULL && text[0] != '\0') {
		textout_safe(&w, text, 0);
		wbuf_puts(&w, "\n");
		fwrite(w.data, 1, w.len, o->f);
		wbuf_free(&w);
	}
	free(t->kind);
	free(t->width);
	free(t->held);
	free(t);
	o->state = NULL;
}

/* One field a line, rows apart by an empty one. */
static void
out_text_record(struct out *o, const struct ctl_row *r)
{
	struct cell	 c;
	size_t		 i, widest = 0;

	for (i = 0; i < r->nfields; i++)
		if (strlen(r->field[i].name) > widest)
			widest = strlen(r->field[i].name);
	if (o->nrows > 0)
		fputc('\n', o->f);
	for (i = 0; i < r->nfields; i++) {
		c = out_text_cell(&r->field[i]);
		fprintf(o->f, "%s:%*s %s\n", r->field[i].name,
		    (int)(widest - strlen(r->field[i].name)), "", c.text);
		free(c.text);
	}
}

static void
out_text_event(struct out *o, const struct ctl_row *r)
{
	struct cell	 c;
	size_t		 i;

	for (i = 0; i < r->nfields; i++) {
		c = out_text_cell(&r->field[i]);
		fprintf(o->f, "%s%s", i == 0 ? "" : " ", c.text);
		free(c.text);
	}
	fputc('\n', o->f);
	fflush(o->f);
}

/* Fixes the columns by the rows held back and prints those. */
static void
out_text_flush(struct out *o, struct text *t)
{
	size_t	 i;

	if (t->nheld == 0)
		return;
	out_text_widths(t);
	if (t->kind != NULL)
		fputc('\n', o->f);
	free(t->kind);
	if ((t->kind = strdup(t->held[0].kind)) == NULL)
		err(EX_OSERR, NULL);
	out_text_heading(o, t, &t->held[0]);
	for (i = 0; i < t->nheld; i++) {
		out_text_table(o, t, &t->held[i]);
		ctl_row_free(&t->held[i]);
	}
	t->nheld = 0;
}

static void
out_text_widths(struct text *t)
{
	struct cell	 c;
	size_t		 i, k, *w;

	t->ncols = t->held[0].nfields;
	if ((w = recallocarray(t->width, 0, t->ncols + 1, sizeof(*w))) == NULL)
		err(EX_OSERR, NULL);
	t->width = w;
	for (k = 0; k < t->ncols; k++)
		w[k] = strlen(t->held[0].field[k].name);
	for (i = 0; i < t->nheld; i++)
		for (k = 0; k < t->ncols; k++) {
			c = out_text_cell(&t->held[i].field[k]);
			if (c.chars > w[k])
				w[k] = c.chars > COLUMN_MAX ? COLUMN_MAX :
				    c.chars;
			free(c.text);
		}
}

static void
out_text_heading(struct out *o, struct text *t, const struct ctl_row *r)
{
	size_t	 k;
	int	 n;

	for (k = 0; k < t->ncols; k++) {
		n = (int)t->width[k];
		if (out_text_is_number(&r->field[k]))
			fprintf(o->f, "%*s", n, r->field[k].name);
		else
			fprintf(o->f, "%-*s", k + 1 < t->ncols ? n : 0,
			    r->field[k].name);
		fputs(k + 1 < t->ncols ? "  " : "\n", o->f);
	}
}

static void
out_text_table(struct out *o, struct text *t, const struct ctl_row *r)
{
	struct cell	 c;
	size_t		 k;
	int		 pad;

	for (k = 0; k < t->ncols; k++) {
		c = out_text_cell(&r->field[k]);
		pad = c.chars < t->width[k] ? (int)(t->width[k] - c.chars) : 0;
		if (out_text_is_number(&r->field[k]))
			fprintf(o->f, "%*s%s", pad, "", c.text);
		else
			fprintf(o->f, "%s%*s", c.text,
			    k + 1 < t->ncols ? pad : 0, "");
		fputs(k + 1 < t->ncols ? "  " : "\n", o->f);
		free(c.text);
	}
}
