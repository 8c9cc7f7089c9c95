/* SPDX-License-Identifier: ISC */
/* Output of text that came from the network: to terminals, and as JSON. */
#include "compat.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

#include "textout.h"
#include "wsmail.h"

int	 out_json;

static void	 out_put(FILE *, struct wbuf *);

/*
 * Who reads a part and goes, as head(1), is no error: it ends as any program
 * does for which SIGPIPE is not ignored.
 */
void
out_failed(void)
{
	if (errno == EPIPE && signal(SIGPIPE, SIG_DFL) != SIG_ERR)
		(void)raise(SIGPIPE);
	err(EX_IOERR, "writing");
}

static void
out_put(FILE *f, struct wbuf *w)
{
	if (w->error != 0)
		errx(EX_OSERR, "out of memory");
	/* Of nothing there is no data, which fwrite(3) may not get. */
	if (w->len > 0 && fwrite(w->data, 1, w->len, f) != w->len &&
	    f == stdout)
		out_failed();
	wbuf_free(w);
}

size_t
out_text(FILE *f, const char *text, int lines)
{
	struct wbuf	 w = { 0 };
	size_t		 columns;

	columns = textout_safe(&w, text, lines);
	out_put(f, &w);
	return columns;
}

void
out_json_string(FILE *f, const char *text)
{
	struct wbuf	 w = { 0 };

	textout_json(&w, text);
	out_put(f, &w);
}
