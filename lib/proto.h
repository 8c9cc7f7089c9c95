/* SPDX-License-Identifier: ISC */
/*
 * Who there is and who may say what to whom.  Two tables, and nothing else
 * in the system widens them: proto_edges[] (a pair that is not there has no
 * channel) and proto_msgs[] (a message with no row, from the wrong sender or
 * of the wrong size closes the channel it came on).
 */
#ifndef PROTO_H
#define PROTO_H

enum proc_id {
	P_PARENT,		/* wsmtpd */
	P_CONTROL,
	P_FRONTEND,
	P_SOAP,			/* several instances */
	P_KEYS,
	P_RELAY,
	P_QUEUE,
	P_LOCAL,
	P_ATTACH,
	P_PLUG,			/* one instance a plug-in */
	P_CTL,			/* wsctl, on control's socket */
	P_MAX
};

const char	*proc_name(enum proc_id);	/* "control", "frontend", ... */

struct proto_edge {
	enum proc_id	 a, b;
};
extern const struct proto_edge proto_edges[];
extern const size_t proto_nedges;

/* IMSG_<RECEIVER>_<NOUN>_<VERB>; the family's codec stands beside it. */
enum imsg_type {
	IMSG_NONE,

	/* parent <-> any child: proc.h */
	IMSG_PROC_SETUP,	/* who to become, where to chroot */
	IMSG_PROC_CONF,		/* conf_encode() for that role */
	IMSG_PROC_PEER,		/* + fd: a channel; role, instance */
	IMSG_PROC_LISTEN,	/* + fd: a listening socket; kind, name */
	IMSG_PROC_GO,		/* all are ready: begin */
	IMSG_PROC_LOG,		/* verbosity, trace on or off */
	IMSG_PROC_STATS,	/* asks for counters */
	IMSG_PROC_SHUTDOWN,	/* finish what is begun, exit 0 */
	IMSG_PARENT_READY,	/* the sandbox stands: what was applied */
	IMSG_PARENT_STATS,	/* counters: name, kind, value */
	IMSG_PARENT_EVENT,	/* a log_event() line, for wsctl trace */
	IMSG_PROC_PLUGS,	/* the plug-ins, for those who call them: msg_plug.h */
	IMSG_PARENT_PLUG_ABOUT,	/* what a shared object said of itself */
	IMSG_PARENT_PLUG_FAULT,	/* a caller complains of one */

	/* wsctl <-> control <-> whoever answers: ctl.h */
	IMSG_CTL_REQUEST,
	IMSG_CTL_ROW,
	IMSG_CTL_END,
	IMSG_CTL_MORE,		/* flow control: the asker wants more rows */
	IMSG_CTL_CANCEL,	/* the asker is gone */

	/* frontend <-> soap: msg_http.h */
	IMSG_SOAP_HTTP_REQUEST,
	IMSG_FRONTEND_HTTP_RESPONSE,

	/* soap <-> keys: msg_keys.h */
	IMSG_KEYS_PASSWORD_CHECK,
	IMSG_KEYS_MAC_CHECK,
	IMSG_KEYS_PARAMS_GET,
	IMSG_KEYS_SIGN,
	IMSG_SOAP_AUTH_RESULT,
	IMSG_SOAP_PARAMS_RESULT,
	IMSG_SOAP_SIGN_RESULT,

	/* soap <-> wsqueue: msg_queue.h */
	IMSG_QUEUE_SUBMIT,
	IMSG_SOAP_SUBMIT_RESULT,
	IMSG_QUEUE_NONCE_CHECK,	/* replay of a request without an effect in the queue */
	IMSG_SOAP_NONCE_RESULT,
	IMSG_SOAP_RELAY_JOB,
	IMSG_QUEUE_RELAY_RESULT,
	IMSG_SOAP_BOUNCE_JOB,	/* answered by IMSG_QUEUE_SUBMIT, origin bounce */

	/* soap <-> relay: msg_http.h */
	IMSG_RELAY_POST,
	IMSG_SOAP_RELAY_RESULT,

	/* soap <-> wslocal: msg_local.h */
	IMSG_LOCAL_LIST,
	IMSG_LOCAL_RETRIEVE,
	IMSG_LOCAL_DELETE,
	IMSG_LOCAL_WAIT,
	IMSG_SOAP_LIST_RESULT,
	IMSG_SOAP_RETRIEVE_RESULT,
	IMSG_SOAP_DELETE_RESULT,
	IMSG_SOAP_WAIT_RESULT,

	/* wsqueue <-> wslocal: msg_local.h */
	IMSG_LOCAL_DELIVER,
	IMSG_QUEUE_DELIVER_RESULT,

	/* soap, wsqueue <-> wsplug: msg_plug.h */
	IMSG_PLUG_CALL,
	IMSG_CALLER_VERDICT,
	IMSG_SOAP_PLUG_MAIL,
	IMSG_PLUG_MAIL_RESULT,
	IMSG_PARENT_PLUG_CONNECT,
	IMSG_PLUG_CONNECTED,		/* + fd */
	IMSG_PLUG_NOT_CONNECTED,

	/* soap <-> wsattach: msg_attach.h; behind, as plug-ins know the numbers
	 * of the above (wsplug(8)) */
	IMSG_ATTACH_UPLOAD_BEGIN,
	IMSG_ATTACH_UPLOAD_PIECE,	/* + fd: the octets */
	IMSG_ATTACH_UPLOAD_STATE,
	IMSG_ATTACH_UPLOAD_ABORT,
	IMSG_ATTACH_UPLOAD_FINISH,
	IMSG_SOAP_UPLOAD_RESULT,	/* of all of these */
	IMSG_ATTACH_NAME,		/* a message is to have them */
	IMSG_SOAP_NAME_RESULT,
	IMSG_ATTACH_FETCH,
	IMSG_SOAP_FETCH_DATA,		/* + fd: the octets */
	IMSG_SOAP_FETCH_REFUSED,
	IMSG_ATTACH_LIST,
	IMSG_SOAP_ATTACH_LIST_RESULT,
	IMSG_ATTACH_SHOW,
	IMSG_SOAP_ATTACH_SHOW_RESULT,
	IMSG_ATTACH_GRANT,
	IMSG_ATTACH_REVOKE,
	IMSG_ATTACH_EXPIRE,
	IMSG_ATTACH_WITHDRAW,
	IMSG_ATTACH_UPDATE,
	IMSG_SOAP_ATTACH_CHANGE_RESULT,	/* of these five */

	IMSG_MAX
};

#define PROTO_FD	0x1		/* a descriptor must come with it */

struct proto_msg {
	enum imsg_type	 type;
	const char	*name;
	uint32_t	 from;		/* mask of 1 << proc_id */
	uint32_t	 to;
	uint32_t	 min, max;	/* payload octets */
	int		 flags;
};
extern const struct proto_msg proto_msgs[];	/* IMSG_MAX rows, by type */

const char	*proto_name(uint32_t type);	/* never NULL */
/* 1 when `from` may send this message to `to`; else 0, and *why says. */
int		 proto_allowed(enum proc_id from, enum proc_id to,
		    uint32_t type, size_t len, int has_fd, const char **why);

#endif /* PROTO_H */
