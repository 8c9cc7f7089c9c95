/* SPDX-License-Identifier: ISC */
/*
 * What files on their way share: progress on a terminal, tries again after
 * a connection broke, names that are no paths.
 */
#include "compat.h"

#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "textout.h"
#include "wsmail.h"
#include "wstime.h"

#define TRANSFER_TRIES	8		/* in a row, waiting 1, 2, 4 ... s */
#define TRANSFER_WAIT	30		/* s, at most */
#define PROGRESS_MS	200

void
progress_start(struct progress *p, const char *what, uint64_t size,
    uint64_t from)
{
	p->what = what;
	p->size = size;
	p->from = from;
	p->begun = p->shown = wstime_now();
	p->on = isatty(STDERR_FILENO);
}

void
progress_show(struct progress *p, uint64_t octets)
{
	int64_t	 now = wstime_now(), ms = now - p->begun;

	if (!p->on || (now - p->shown < PROGRESS_MS && octets < p->size))
		return;
	p->shown = now;
	fputc('\r', stderr);
	out_text(stderr, p->what, 0);
	fprintf(stderr, ": %llu of %llu octets, %d%%, %.1f MB/s ",
	    (unsigned long long)octets, (unsigned long long)p->size,
	    p->size == 0 ? 100 : (int)(octets * 100 / p->size),
	    ms <= 0 ? 0.0 : (double)(octets - p->from) / 1000.0 / (double)ms);
}

void
progress_end(struct progress *p)
{
	if (p->on)
		fputc('\n', stderr);
	p->on = 0;
}

int
transfer_again(const struct session *s, int code, unsigned int *tries)
{
	struct timespec	 ts = { 1 << (*tries < 5 ? *tries : 5), 0 };

	/* What the server refused it will refuse the next time, too. */
	if (code != EX_TEMPFAIL && (code != EX_UNAVAILABLE || s->fault != 0))
		return 0;
	if (++*tries > TRANSFER_TRIES)
		return 0;
	if (ts.tv_sec > TRANSFER_WAIT)
		ts.tv_sec = TRANSFER_WAIT;
	fprintf(stderr, "wsmail: goes on in %d s\n", (int)ts.tv_sec);
	(void)nanosleep(&ts, NULL);
	return 1;
}

void
transfer_name(char *out, size_t size, const char *name)
{
	const char	*p;
	uint32_t	 cp;
	size_t		 n = 0, k;

	/* What another system takes for a path is none here, either. */
	for (p = name; *p != '\0'; p++)
		if (*p == '/' || *p == '\\')
			name = p + 1;
	for (p = name; *p != '\0' && n + 4 < size; p += k) {
		if ((k = textout_utf8(p, &cp)) == 0 || textout_is_hidden(cp) ||
		    (n == 0 && (*p == '.' || *p == '-'))) {
			out[n++] = '_';
			k = k == 0 ? 1 : k;
			continue;
		}
		memcpy(out + n, p, k);
		n += k;
	}
	out[n] = '\0';
	if (n == 0)
		strlcpy(out, "attachment", size);
}
