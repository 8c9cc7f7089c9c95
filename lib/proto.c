/* SPDX-License-Identifier: ISC */
#include "compat.h"

#include "imsg.h"
#include "proto.h"

static const char *const proc_names[P_MAX] = {
	"parent", "control", "frontend", "soap", "keys", "relay", "queue",
	"local", "attach", "plugin", "ctl"
};

/* The parent has a channel to each of its children by birth (fd 3). */
const struct proto_edge proto_edges[] = {
	{ P_CONTROL,	P_QUEUE },
	{ P_CONTROL,	P_LOCAL },
	{ P_FRONTEND,	P_SOAP },
	{ P_SOAP,	P_KEYS },
	{ P_SOAP,	P_QUEUE },
	{ P_SOAP,	P_LOCAL },
	{ P_SOAP,	P_RELAY },
	{ P_SOAP,	P_ATTACH },
	{ P_SOAP,	P_PLUG },
	{ P_QUEUE,	P_LOCAL },
	{ P_QUEUE,	P_PLUG },
};
const size_t proto_nedges = nitems(proto_edges);

#define B(p)	(1U << P_##p)
#define CHILDREN (B(CONTROL) | B(FRONTEND) | B(SOAP) | B(KEYS) | B(RELAY) | \
		    B(QUEUE) | B(LOCAL) | B(ATTACH) | B(PLUG))
#define ANSWERERS (B(PARENT) | B(QUEUE) | B(LOCAL))
#define CALLERS	(B(SOAP) | B(QUEUE))	/* of plug-ins */
#define SMALL	4096
#define MEDIUM	65536
#define BODY	IMSG_TOTAL_MAX

/* name without the prefix IMSG_, from, to, smallest, largest, flags */
#define ROW(t, from, to, min, max, flags) \
	[IMSG_##t] = { IMSG_##t, #t, from, to, min, max, flags }

const struct proto_msg proto_msgs[IMSG_MAX] = {
	ROW(NONE, 0, 0, 0, 0, 0),

	ROW(PROC_SETUP, B(PARENT), CHILDREN, 16, MEDIUM, 0),
	ROW(PROC_CONF, B(PARENT), CHILDREN, 1, BODY, 0),
	ROW(PROC_PEER, B(PARENT), CHILDREN, 8, 8, PROTO_FD),
	ROW(PROC_LISTEN, B(PARENT), B(CONTROL) | B(FRONTEND) | B(PLUG), 8,
	    SMALL, PROTO_FD),
	ROW(PROC_GO, B(PARENT), CHILDREN, 0, 0, 0),
	ROW(PROC_LOG, B(PARENT), CHILDREN, 8, 8, 0),
	ROW(PROC_STATS, B(PARENT), CHILDREN, 0, 0, 0),
	ROW(PROC_SHUTDOWN, B(PARENT), CHILDREN, 0, 0, 0),
	ROW(PARENT_READY, CHILDREN, B(PARENT), 24, SMALL, 0),
	ROW(PARENT_STATS, CHILDREN, B(PARENT), 0, MEDIUM, 0),
	ROW(PARENT_EVENT, CHILDREN, B(PARENT), 4, MEDIUM, 0),
	ROW(PROC_PLUGS, B(PARENT), CALLERS, 4, BODY, 0),
	ROW(PARENT_PLUG_ABOUT, B(PLUG), B(PARENT), 16, MEDIUM, 0),
	ROW(PARENT_PLUG_FAULT, CALLERS, B(PARENT), 8, SMALL, 0),

	ROW(CTL_REQUEST, B(CTL) | B(CONTROL), B(CONTROL) | ANSWERERS, 12,
	    MEDIUM, 0),
	ROW(CTL_ROW, B(CONTROL) | ANSWERERS, B(CTL) | B(CONTROL), 0,
	    4 * MEDIUM, 0),
	ROW(CTL_END, B(CONTROL) | ANSWERERS, B(CTL) | B(CONTROL), 8, MEDIUM,
	    0),
	ROW(CTL_MORE, B(CTL) | B(CONTROL), B(CONTROL) | ANSWERERS, 0, 0, 0),
	ROW(CTL_CANCEL, B(CTL) | B(CONTROL), B(CONTROL) | ANSWERERS, 0, 0, 0),

	ROW(SOAP_HTTP_REQUEST, B(FRONTEND), B(SOAP), 24, BODY, 0),
	ROW(FRONTEND_HTTP_RESPONSE, B(SOAP), B(FRONTEND), 16, BODY, 0),

	ROW(KEYS_PASSWORD_CHECK, B(SOAP), B(KEYS), 12, SMALL, 0),
	ROW(KEYS_MAC_CHECK, B(SOAP), B(KEYS), 24, MEDIUM, 0),
	ROW(KEYS_PARAMS_GET, B(SOAP), B(KEYS), 4, SMALL, 0),
	ROW(KEYS_SIGN, B(SOAP), B(KEYS), 8, MEDIUM, 0),
	ROW(SOAP_AUTH_RESULT, B(KEYS), B(SOAP), 4, 4, 0),
	ROW(SOAP_PARAMS_RESULT, B(KEYS), B(SOAP), 20, 20, 0),
	ROW(SOAP_SIGN_RESULT, B(KEYS), B(SOAP), 4, SMALL, 0),

	ROW(QUEUE_SUBMIT, B(SOAP), B(QUEUE), 64, BODY, 0),
	ROW(SOAP_SUBMIT_RESULT, B(QUEUE), B(SOAP), 16, BODY, 0),
	ROW(QUEUE_NONCE_CHECK, B(SOAP), B(QUEUE), 40, 40, 0),
	ROW(SOAP_NONCE_RESULT, B(QUEUE), B(SOAP), 4, 4, 0),
	ROW(SOAP_RELAY_JOB, B(QUEUE), B(SOAP), 24, BODY, 0),
	ROW(QUEUE_RELAY_RESULT, B(SOAP), B(QUEUE), 16, BODY, 0),
	ROW(SOAP_BOUNCE_JOB, B(QUEUE), B(SOAP), 64, BODY, 0),

	ROW(RELAY_POST, B(SOAP), B(RELAY), 16, BODY, 0),
	ROW(SOAP_RELAY_RESULT, B(RELAY), B(SOAP), 24, BODY, 0),

	ROW(LOCAL_LIST, B(SOAP), B(LOCAL), 68, SMALL, 0),
	ROW(LOCAL_RETRIEVE, B(SOAP), B(LOCAL), 48, SMALL, 0),
	ROW(LOCAL_DELETE, B(SOAP), B(LOCAL), 48, BODY, 0),
	ROW(LOCAL_WAIT, B(SOAP), B(LOCAL), 56, SMALL, 0),
	ROW(SOAP_LIST_RESULT, B(LOCAL), B(SOAP), 24, BODY, 0),
	ROW(SOAP_RETRIEVE_RESULT, B(LOCAL), B(SOAP), 16, BODY, 0),
	ROW(SOAP_DELETE_RESULT, B(LOCAL), B(SOAP), 20, BODY, 0),
	ROW(SOAP_WAIT_RESULT, B(LOCAL), B(SOAP), 12, 12, 0),

	ROW(LOCAL_DELIVER, B(QUEUE), B(LOCAL), 64, BODY, 0),
	ROW(QUEUE_DELIVER_RESULT, B(LOCAL), B(QUEUE), 8, SMALL, 0),

	ROW(ATTACH_UPLOAD_BEGIN, B(SOAP), B(ATTACH), 60, MEDIUM, 0),
	ROW(ATTACH_UPLOAD_PIECE, B(SOAP), B(ATTACH), 60, SMALL, PROTO_FD),
	ROW(ATTACH_UPLOAD_STATE, B(SOAP), B(ATTACH), 60, SMALL, 0),
	ROW(ATTACH_UPLOAD_ABORT, B(SOAP), B(ATTACH), 60, SMALL, 0),
	ROW(ATTACH_UPLOAD_FINISH, B(SOAP), B(ATTACH), 60, SMALL, 0),
	ROW(SOAP_UPLOAD_RESULT, B(ATTACH), B(SOAP), 44, SMALL, 0),
	ROW(ATTACH_NAME, B(SOAP), B(ATTACH), 16, BODY, 0),
	ROW(SOAP_NAME_RESULT, B(ATTACH), B(SOAP), 16, BODY, 0),
	ROW(ATTACH_FETCH, B(SOAP), B(ATTACH), 40, SMALL, 0),
	ROW(SOAP_FETCH_DATA, B(ATTACH), B(SOAP), 72, SMALL, PROTO_FD),
	ROW(SOAP_FETCH_REFUSED, B(ATTACH), B(SOAP), 72, SMALL, 0),
	ROW(ATTACH_LIST, B(SOAP), B(ATTACH), 24, SMALL, 0),
	ROW(SOAP_ATTACH_LIST_RESULT, B(ATTACH), B(SOAP), 16, BODY, 0),
	ROW(ATTACH_SHOW, B(SOAP), B(ATTACH), 36, SMALL, 0),
	ROW(SOAP_ATTACH_SHOW_RESULT, B(ATTACH), B(SOAP), 12, BODY, 0),
	ROW(ATTACH_GRANT, B(SOAP), B(ATTACH), 48, SMALL, 0),
	ROW(ATTACH_REVOKE, B(SOAP), B(ATTACH), 48, SMALL, 0),
	ROW(ATTACH_EXPIRE, B(SOAP), B(ATTACH), 48, SMALL, 0),
	ROW(ATTACH_WITHDRAW, B(SOAP), B(ATTACH), 48, SMALL, 0),
	ROW(ATTACH_UPDATE, B(SOAP), B(ATTACH), 48, SMALL, 0),
	ROW(SOAP_ATTACH_CHANGE_RESULT, B(ATTACH), B(SOAP), 12, SMALL, 0),

	ROW(PLUG_CALL, CALLERS, B(PLUG), 64, BODY, 0),
	ROW(CALLER_VERDICT, B(PLUG), CALLERS, 16, BODY, 0),
	ROW(SOAP_PLUG_MAIL, B(PLUG), B(SOAP), 32, BODY, 0),
	ROW(PLUG_MAIL_RESULT, B(SOAP), B(PLUG), 12, SMALL, 0),
	ROW(PARENT_PLUG_CONNECT, B(PLUG), B(PARENT), 8, SMALL, 0),
	ROW(PLUG_CONNECTED, B(PARENT), B(PLUG), 0, 0, PROTO_FD),
	ROW(PLUG_NOT_CONNECTED, B(PARENT), B(PLUG), 4, 4, 0),
};

const char *
proc_name(enum proc_id id)
{
	return (unsigned int)id < P_MAX ? proc_names[id] : "?";
}

const char *
proto_name(uint32_t type)
{
	return type < IMSG_MAX ? proto_msgs[type].name : "?";
}

int
proto_allowed(enum proc_id from, enum proc_id to, uint32_t type, size_t len,
    int has_fd, const char **why)
{
	const struct proto_msg	*m;

	if (type == IMSG_NONE || type >= IMSG_MAX) {
		*why = "no such message";
		return 0;
	}
	m = &proto_msgs[type];
	if (!(m->from & 1U << from) || !(m->to & 1U << to)) {
		*why = "not from this sender to this receiver";
		return 0;
	}
	if (len < m->min || len > m->max) {
		*why = "wrong size";
		return 0;
	}
	if (!has_fd != !(m->flags & PROTO_FD)) {
		*why = has_fd ? "a descriptor it must not have" :
		    "no descriptor";
		return 0;
	}
	return 1;
}
