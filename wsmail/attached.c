/* SPDX-License-Identifier: ISC */
/* What a message has on demand: wsmail show, and what fetch goes for. */
#include "compat.h"

#include <err.h>
#include <stdio.h>
#include <sysexits.h>

#include "wsemail.h"
#include "wsmail.h"

#define ATTACHED_MAX	1000

struct reading {
	struct attached	*a;
	const char	*why;
};

static int	 attached_add(xmlNodePtr, struct wbuf *, void *);

/* Changes nothing of the message. */
static int
attached_add(xmlNodePtr n, struct wbuf *unused, void *arg)
{
	struct reading	*r = arg;
	struct ondemand	*p;

	(void)unused;
	if (!xml_is(n, NS_WSE2, "OnDemandAttachment"))
		return 0;
	if (r->a->n == ATTACHED_MAX)
		r->why = "too many attachments";
	else if ((p = reallocarray(r->a->at, r->a->n + 1, sizeof(*p))) ==
	    NULL)
		err(EX_OSERR, NULL);
	else {
		r->a->at = p;
		if (ondemand_read(&p[r->a->n], n, &r->why) == 0) {
			r->a->n++;
			return 0;
		}
	}
	return -1;
}

int
attached_read(const struct wsmsg *m, struct attached *a)
{
	struct reading	 r = { a, NULL };
	struct wsmsg	 copy = { .body = NULL };
	const char	*why;
	int		 rv;

	memset(a, 0, sizeof(*a));
	wbuf_raw(&copy.attachments, m->attachments.data, m->attachments.len);
	rv = wsmsg_replace_attachments(&copy, attached_add, &r, &why);
	wbuf_free(&copy.attachments);
	if (rv == 0)
		return 0;
	fprintf(stderr, "wsmail: %s\n", r.why != NULL ? r.why : why);
	attached_free(a);
	return EX_DATAERR;
}

void
attached_free(struct attached *a)
{
	size_t	 i;

	for (i = 0; i < a->n; i++)
		ondemand_free(&a->at[i]);
	free(a->at);
	memset(a, 0, sizeof(*a));
}

int
attached_is_own(const struct package *p, const struct ondemand *o)
{
	char	 addr[ADDR_MAX + 1];

	return p->msg.sender != NULL && addr_normalize(p->msg.sender, addr,
	    sizeof(addr)) == 0 && strcmp(addr_domain(addr), o->location) == 0;
}

void
attached_show(const struct package *p, const struct attached *a)
{
	const struct ondemand	*o;
	size_t			 i, k;

	for (i = 0; i < a->n; i++) {
		o = &a->at[i];
		printf("Attachment %zu: ", i + 1);
		out_text(stdout, o->name, 0);
		printf(", %llu octets", (unsigned long long)o->size);
		if (*o->type != '\0') {
			fputs(", ", stdout);
			out_text(stdout, o->type, 0);
		}
		if (*o->description != '\0') {
			fputs("\n    ", stdout);
			out_text(stdout, o->description, 0);
		}
		fputs("\n    SHA-256 ", stdout);
		for (k = 0; k < sizeof(o->digest); k++)
			printf("%02x", o->digest[k]);
		putchar('\n');
		if (!attached_is_own(p, o))
			puts("    *** not at the sender's server: not to be "
			    "fetched ***");
	}
}

void
attached_json(const struct package *p, const struct attached *a)
{
	const struct ondemand	*o;
	size_t			 i, k;

	fputs(",\"attachments\":[", stdout);
	for (i = 0; i < a->n; i++) {
		o = &a->at[i];
		printf("%s{\"number\":%zu,\"identifier\":\"%s\",\"size\":%llu,"
		    "\"sha256\":\"", i > 0 ? "," : "", i + 1, o->id,
		    (unsigned long long)o->size);
		for (k = 0; k < sizeof(o->digest); k++)
			printf("%02x", o->digest[k]);
		fputs("\",\"location\":", stdout);
		out_json_string(stdout, o->location);
		fputs(",\"name\":", stdout);
		out_json_string(stdout, o->name);
		fputs(",\"type\":", stdout);
		out_json_string(stdout, o->type);
		fputs(",\"description\":", stdout);
		out_json_string(stdout, o->description);
		printf(",\"usable\":%s}", attached_is_own(p, o) ? "true" :
		    "false");
	}
	putchar(']');
}
