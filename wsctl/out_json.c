/* SPDX-License-Identifier: ISC */
/*
 * Rows as JSON (RFC 8259): an array with one object a line, or, for events,
 * the objects alone, one a line as they happen.  Times are strings, null for
 * never.
 */
#include "compat.h"

#include <err.h>
#include <inttypes.h>
#include <sysexits.h>

#include "textout.h"
#include "wsctl.h"
#include "wstime.h"

static void	 out_json_head(struct out *);
static void	 out_json_row(struct out *, struct ctl_row *);
static void	 out_json_tail(struct out *, const char *);
static void	 out_json_value(struct wbuf *, const struct ctl_field *);
static void	 out_json_write(struct out *, struct wbuf *);

const struct output out_json = {
	"json", out_json_head, out_json_row, out_json_tail
};

static void
out_json_head(struct out *o)
{
	if (o->style != OUT_EVENTS)
		fputs("[", o->f);
}

static void
out_json_value(struct wbuf *w, const struct ctl_field *f)
{
	char	 buf[WSTIME_LEN];

	if (f->type == 's')
		textout_json(w, f->str == NULL ? "" : f->str);
	else if (f->type == 't' && f->num == 0)
		wbuf_puts(w, "null");
	else if (f->type == 't')
		textout_json(w, wstime_format(f->num, buf, sizeof(buf)));
	else
		wbuf_printf(w, "%" PRId64, f->num);
}

static void
out_json_write(struct out *o, struct wbuf *w)
{
	if (w->error)
		errx(EX_OSERR, "out of memory");
	if (o->style != OUT_EVENTS)
		fputs(o->nrows > 0 ? ",\n" : "\n", o->f);
	fwrite(w->data, 1, w->len, o->f);
	if (o->style == OUT_EVENTS) {
		fputc('\n', o->f);
		fflush(o->f);
	}
	wbuf_free(w);
}

static void
out_json_row(struct out *o, struct ctl_row *r)
{
	struct wbuf	 w = { 0 };
	size_t		 i;

	wbuf_puts(&w, "{\"kind\":");
	textout_json(&w, r->kind);
	for (i = 0; i < r->nfields; i++) {
		wbuf_puts(&w, ",");
		textout_json(&w, r->field[i].name);
		wbuf_puts(&w, ":");
		out_json_value(&w, &r->field[i]);
	}
	wbuf_puts(&w, "}");
	out_json_write(o, &w);
}

static void
out_json_tail(struct out *o, const char *text)
{
	struct wbuf	 w = { 0 };

	if (text != NULL && text[0] != '\0') {
		wbuf_puts(&w, "{\"kind\":\"done\",\"text\":");
		textout_json(&w, text);
		wbuf_puts(&w, "}");
		out_json_write(o, &w);
		o->nrows++;
	}
	if (o->style != OUT_EVENTS)
		fputs(o->nrows > 0 ? "\n]\n" : "]\n", o->f);
}
