/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include <errno.h>

#include "ctl.h"

#define CTL_STR_MAX	65536

const struct ctl_cmd_row ctl_cmds[CTL_CMD_MAX] = {
	{ CTL_SHOW_QUEUE,	"show-queue",	P_QUEUE,	1 },
	{ CTL_SHOW_MESSAGE,	"show-message",	P_QUEUE,	1 },
	{ CTL_SHOW_STATS,	"show-stats",	P_PARENT,	1 },
	{ CTL_SHOW_LIMITS,	"show-limits",	P_PARENT,	1 },
	{ CTL_SHOW_SANDBOX,	"show-sandbox",	P_PARENT,	1 },
	{ CTL_SHOW_PROCESSES,	"show-processes", P_PARENT,	1 },
	{ CTL_SHOW_PLUGINS,	"show-plugins",	P_PARENT,	1 },
	{ CTL_SHOW_MAILBOX,	"show-mailbox",	P_LOCAL,	1 },
	{ CTL_SCHEDULE,		"schedule",	P_QUEUE,	0 },
	{ CTL_PAUSE,		"pause",	P_QUEUE,	0 },
	{ CTL_RESUME,		"resume",	P_QUEUE,	0 },
	{ CTL_REMOVE,		"remove",	P_QUEUE,	0 },
	{ CTL_TRACE,		"trace",	P_PARENT,	0 },
	{ CTL_LOG,		"log",		P_PARENT,	0 },
	{ CTL_RELOAD,		"reload",	P_PARENT,	0 },
	{ CTL_USERS,		"users",	P_PARENT,	0 },
	{ CTL_STOP,		"stop",		P_PARENT,	0 },
	{ CTL_PLUGIN_LOAD,	"plugin-load",	P_PARENT,	0 },
	{ CTL_PLUGIN_UNLOAD,	"plugin-unload", P_PARENT,	0 },
	{ CTL_PLUGIN_ENABLE,	"plugin-enable", P_PARENT,	0 },
	{ CTL_PLUGIN_DISABLE,	"plugin-disable", P_PARENT,	0 },
	{ CTL_PLUGIN_PRIORITY,	"plugin-priority", P_PARENT,	0 },
};

void
ctl_req_put(struct wbuf *b, const struct ctl_req *q)
{
	uint32_t	 i;

	wbuf_u32(b, q->version);
	wbuf_u32(b, q->cmd);
	wbuf_u32(b, q->nargs);
	for (i = 0; i < q->nargs; i++)
		wbuf_str(b, q->arg[i]);
}

int
ctl_req_get(struct rbuf *r, struct ctl_req *q)
{
	uint32_t	 i;

	memset(q, 0, sizeof(*q));
	q->version = rbuf_u32(r);
	q->cmd = rbuf_u32(r);
	q->nargs = rbuf_count(r, 4);
	if (q->nargs > CTL_ARGS_MAX) {
		q->nargs = 0;
		r->error = EBADMSG;
	}
	for (i = 0; i < q->nargs; i++)
		q->arg[i] = rbuf_str(r, 1024);
	if (rbuf_end(r) == 0 && q->cmd < CTL_CMD_MAX)
		return 0;
	ctl_req_free(q);
	return -1;
}

void
ctl_req_free(struct ctl_req *q)
{
	uint32_t	 i;

	for (i = 0; i < q->nargs; i++)
		free(q->arg[i]);
	q->nargs = 0;
}

/* A row: 'R' kind, fields 'F' name type value, 'E'. */
void
ctl_row_begin(struct wbuf *b, const char *kind)
{
	wbuf_u8(b, 'R');
	wbuf_str(b, kind);
}

void
ctl_row_str(struct wbuf *b, const char *name, const char *value)
{
	wbuf_u8(b, 'F');
	wbuf_str(b, name);
	wbuf_u8(b, 's');
	wbuf_str(b, value);
}

void
ctl_row_int(struct wbuf *b, const char *name, char type, int64_t value)
{
	wbuf_u8(b, 'F');
	wbuf_str(b, name);
	wbuf_u8(b, (uint8_t)type);
	wbuf_i64(b, value);
}

void
ctl_row_end(struct wbuf *b)
{
	wbuf_u8(b, 'E');
}

static int
ctl_field_get(struct rbuf *r, struct ctl_row *row)
{
	struct ctl_field	*f;

	if ((f = recallocarray(row->field, row->nfields, row->nfields + 1,
	    sizeof(*f))) == NULL)
		return -1;
	row->field = f;
	f = &row->field[row->nfields++];
	f->name = rbuf_str(r, 128);
	f->type = (char)rbuf_u8(r);
	if (f->type == 's')
		f->str = rbuf_str(r, CTL_STR_MAX);
	else
		f->num = rbuf_i64(r);
	return r->error == 0 && f->type != '\0' &&
	    strchr("sitbcg", f->type) != NULL ? 0 : -1;
}

int
ctl_row_get(struct rbuf *r, struct ctl_row *row)
{
	uint8_t	 tag;

	memset(row, 0, sizeof(*row));
	if (r->error == 0 && r->len == 0)
		return 0;
	if (rbuf_u8(r) != 'R' || (row->kind = rbuf_str(r, 128)) == NULL)
		goto bad;
	while ((tag = rbuf_u8(r)) == 'F')
		if (ctl_field_get(r, row) == -1)
			goto bad;
	if (tag == 'E' && r->error == 0)
		return 1;
bad:
	ctl_row_free(row);
	return -1;
}

void
ctl_row_free(struct ctl_row *row)
{
	size_t	 i;

	for (i = 0; i < row->nfields; i++) {
		free(row->field[i].name);
		free(row->field[i].str);
	}
	free(row->field);
	free(row->kind);
	memset(row, 0, sizeof(*row));
}

void
ctl_end_put(struct wbuf *b, uint32_t error, const char *text)
{
	wbuf_u32(b, error);
	wbuf_str(b, text);
}

int
ctl_end_get(struct rbuf *r, uint32_t *error, char **text)
{
	*error = rbuf_u32(r);
	*text = rbuf_str(r, CTL_STR_MAX);
	if (rbuf_end(r) == 0)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}
