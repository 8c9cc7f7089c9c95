/* SPDX-License-Identifier: ISC */
/*
 * Counters as OpenMetrics text (version 1.0).  A family's samples must stand
 * together (its section "MetricFamily"), so the rows are kept, sorted by
 * name and printed at the end.  Takes rows of `show stats`: process,
 * instance, name and value, whose type tells counter from gauge; and of
 * `show sandbox`, of which each layer is a gauge, 1 applied or 0 missing.
 */
#include "compat.h"

#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#include "wsctl.h"

struct sample {
	char		*name;		/* wsemail_queue_accepted */
	char		 type;
	int64_t		 instance, value;
};

struct metrics {
	struct sample	*s;
	size_t		 n;
};

static void	 out_metrics_head(struct out *);
static void	 out_metrics_row(struct out *, struct ctl_row *);
static void	 out_metrics_tail(struct out *, const char *);
static void	 out_metrics_add(struct metrics *, const struct ctl_row *,
		    const char *name, char type, int64_t value);
static void	 out_metrics_layers(struct metrics *, const struct ctl_row *,
		    const char *field, int64_t value);
static int	 out_metrics_compare(const void *, const void *);
static char	*out_metrics_name(const char *process, const char *name);
static const struct ctl_field *out_metrics_field(const struct ctl_row *,
		    const char *);

const struct output out_metrics = {
	"metrics", out_metrics_head, out_metrics_row, out_metrics_tail
};

static void
out_metrics_head(struct out *o)
{
	if ((o->state = calloc(1, sizeof(struct metrics))) == NULL)
		err(EX_OSERR, NULL);
}

static const struct ctl_field *
out_metrics_field(const struct ctl_row *r, const char *name)
{
	size_t	 i;

	for (i = 0; i < r->nfields; i++)
		if (strcmp(r->field[i].name, name) == 0)
			return &r->field[i];
	return NULL;
}

/* Names are [a-zA-Z_][a-zA-Z0-9_]* by the ABNF of "metricname". */
static char *
out_metrics_name(const char *process, const char *name)
{
	char	*s, *p;

	if (asprintf(&s, "wsemail_%s_%s", process, name) == -1)
		err(EX_OSERR, NULL);
	for (p = s; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	return s;
}

static void
out_metrics_add(struct metrics *m, const struct ctl_row *r, const char *name,
    char type, int64_t value)
{
	const struct ctl_field	*process, *instance;
	struct sample		*s;

	process = out_metrics_field(r, "process");
	instance = out_metrics_field(r, "instance");
	if (process == NULL || process->type != 's' || instance == NULL)
		return;
	s = recallocarray(m->s, m->n, m->n + 1, sizeof(*s));
	if (s == NULL)
		err(EX_OSERR, NULL);
	m->s = s;
	s += m->n++;
	s->name = out_metrics_name(process->str, name);
	s->type = type;
	s->instance = instance->num;
	s->value = value;
}

/* The words of a field, "no-new-privs seccomp", as a gauge each. */
static void
out_metrics_layers(struct metrics *m, const struct ctl_row *r,
    const char *field, int64_t value)
{
	const struct ctl_field	*f = out_metrics_field(r, field);
	char			 name[64];
	const char		*p;
	size_t			 n;

	if (f == NULL || f->type != 's')
		return;
	for (p = f->str; *p != '\0'; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		snprintf(name, sizeof(name), "sandbox_%.*s", (int)n, p);
		out_metrics_add(m, r, name, 'g', value);
	}
}

static void
out_metrics_row(struct out *o, struct ctl_row *r)
{
	struct metrics		*m = o->state;
	const struct ctl_field	*name, *value;

	if (strcmp(r->kind, "sandbox") == 0) {
		out_metrics_layers(m, r, "applied", 1);
		out_metrics_layers(m, r, "missing", 0);
		if ((value = out_metrics_field(r, "landlock")) != NULL)
			out_metrics_add(m, r, "sandbox_landlock_abi", 'g',
			    value->num);
		return;
	}
	name = out_metrics_field(r, "name");
	value = out_metrics_field(r, "value");
	if (name != NULL && name->type == 's' && value != NULL)
		out_metrics_add(m, r, name->str, value->type, value->num);
}

static int
out_metrics_compare(const void *va, const void *vb)
{
	const struct sample	*a = va, *b = vb;
	int			 n;

	if ((n = strcmp(a->name, b->name)) != 0)
		return n;
	return a->instance < b->instance ? -1 : a->instance > b->instance;
}

static void
out_metrics_tail(struct out *o, const char *text)
{
	struct metrics	*m = o->state;
	struct sample	*s;
	size_t		 i;

	(void)text;		/* has no place in the format */
	if (m->n > 0)
		qsort(m->s, m->n, sizeof(*m->s), out_metrics_compare);
	for (i = 0; i < m->n; i++) {
		s = &m->s[i];
		if (i == 0 || strcmp(s->name, m->s[i - 1].name) != 0)
			fprintf(o->f, "# TYPE %s %s\n", s->name,
			    s->type == 'c' ? "counter" : "gauge");
		fprintf(o->f, "%s%s{instance=\"%" PRId64 "\"} %" PRId64 "\n",
		    s->name, s->type == 'c' ? "_total" : "", s->instance,
		    s->value);
	}
	fputs("# EOF\n", o->f);
	for (i = 0; i < m->n; i++)
		free(m->s[i].name);
	free(m->s);
	free(m);
	o->state = NULL;
}
