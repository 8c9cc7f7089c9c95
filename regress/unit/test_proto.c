/* SPDX-License-Identifier: ISC */
/*
 * lib/proto.c: who may say what to whom.  The edges are written out on
 * purpose: one that is added must be thought about here.  Each message of the
 * table is tried from every process to every other, in the sizes about its
 * bounds, with a descriptor and without.
 */
#include "compat.h"

#include <stdio.h>

#include "proto.h"
#include "tap.h"

static void	 test_edges(void);
static void	 test_rows(void);
static void	 test_sizes(const struct proto_msg *, enum proc_id,
		    enum proc_id);
static int	 allowed(const struct proto_msg *, enum proc_id, enum proc_id,
		    size_t, int);

static const struct {
	enum proc_id	 a, b;
} edges[] = {
	{ P_CONTROL, P_QUEUE }, { P_CONTROL, P_LOCAL },
	{ P_FRONTEND, P_SOAP }, { P_SOAP, P_KEYS }, { P_SOAP, P_QUEUE },
	{ P_SOAP, P_LOCAL }, { P_SOAP, P_RELAY }, { P_SOAP, P_PLUG },
	{ P_SOAP, P_ATTACH },
	{ P_QUEUE, P_LOCAL }, { P_QUEUE, P_PLUG },
};

static void
test_edges(void)
{
	size_t	 i, k, found = 0;

	is_int((long long)proto_nedges, (long long)nitems(edges),
	    "as many edges as were thought about");
	for (i = 0; i < nitems(edges); i++)
		for (k = 0; k < proto_nedges; k++)
			found += proto_edges[k].a == edges[i].a &&
			    proto_edges[k].b == edges[i].b;
	is_int((long long)found, (long long)nitems(edges), "and these");
}

static int
allowed(const struct proto_msg *m, enum proc_id from, enum proc_id to,
    size_t len, int fd)
{
	const char	*why = NULL;
	int		 yes = proto_allowed(from, to, m->type, len, fd, &why);

	/* A refusal says why. */
	return yes || why != NULL ? yes : -1;
}

static void
test_sizes(const struct proto_msg *m, enum proc_id from, enum proc_id to)
{
	char	 name[128];
	int	 fd = (m->flags & PROTO_FD) != 0;

	snprintf(name, sizeof(name), "%s from %s to %s", m->name,
	    proc_name(from), proc_name(to));
	ok(allowed(m, from, to, m->min, fd) == 1 &&
	    allowed(m, from, to, m->max, fd) == 1, name);
	ok((m->min == 0 || allowed(m, from, to, m->min - 1, fd) == 0) &&
	    allowed(m, from, to, (size_t)m->max + 1, fd) == 0,
	    "neither shorter nor longer");
	ok(allowed(m, from, to, m->min, !fd) == 0,
	    fd ? "not without its descriptor" : "not with a descriptor");
}

static void
test_rows(void)
{
	const struct proto_msg	*m;
	enum proc_id		 from, to;
	const char		*why;
	uint32_t		 t;
	int			 wrong = 0;

	for (t = IMSG_NONE + 1; t < IMSG_MAX; t++) {
		m = &proto_msgs[t];
		ok(m->type == (enum imsg_type)t && m->from != 0 && m->to != 0 &&
		    m->min <= m->max, proto_name(t));
		for (from = 0; from < P_MAX; from++)
			for (to = 0; to < P_MAX; to++) {
				if (m->from & 1U << from && m->to & 1U << to)
					test_sizes(m, from, to);
				else if (allowed(m, from, to, m->min,
				    (m->flags & PROTO_FD) != 0) != 0)
					wrong++;
			}
	}
	is_int(wrong, 0, "nobody else says any of it to anybody");
	ok(!proto_allowed(P_PARENT, P_SOAP, IMSG_NONE, 0, 0, &why) &&
	    !proto_allowed(P_PARENT, P_SOAP, IMSG_MAX, 0, 0, &why) &&
	    !proto_allowed(P_PARENT, P_SOAP, UINT32_MAX, 0, 0, &why),
	    "no type that there is not");
	ok(strcmp(proto_name(IMSG_MAX), "?") == 0 &&
	    strcmp(proc_name(P_MAX), "?") == 0, "nor a name for one");
}

int
main(void)
{
	test_edges();
	test_rows();
	return done_testing();
}
