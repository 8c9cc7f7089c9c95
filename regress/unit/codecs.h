/* SPDX-License-Identifier: ISC */
/*
 * The messages of lib/msg_*.h as test_codecs.c has them: fields in the order
 * in which they are written, and how long strings may be.
 */
#ifndef CODECS_H
#define CODECS_H

#include <stddef.h>

#include "addr.h"
#include "msg_attach.h"
#include "msg_http.h"
#include "msg_keys.h"
#include "msg_local.h"
#include "msg_plug.h"
#include "msg_proc.h"
#include "msg_queue.h"

enum kind { END, U32, I64, STR, BYTES, RAW, SUB, LIST };

struct field {
	enum kind		 kind;
	size_t			 off;
	size_t			 count;	/* BYTES, LIST: where their number is */
	size_t			 size;	/* RAW: octets; LIST: an element's */
	uint32_t		 min;	/* U32 */
	uint32_t		 max;	/* U32: value; STR: octets, 0: not tried */
	const struct field	*sub;	/* SUB, LIST: of what */
};

#define F_U32(s, f)	{ .kind = U32, .off = offsetof(struct s, f),	\
			    .max = UINT32_MAX }
#define F_RANGE(s, f, a, b) { .kind = U32, .off = offsetof(struct s, f), \
			    .min = (a), .max = (b) }
#define F_I64(s, f)	{ .kind = I64, .off = offsetof(struct s, f) }
#define F_STR(s, f, m)	{ .kind = STR, .off = offsetof(struct s, f), .max = (m) }
#define F_BYTES(s, f)	{ .kind = BYTES, .off = offsetof(struct s, f),	\
			    .count = offsetof(struct s, f##_len) }
#define F_RAW(s, f)	{ .kind = RAW, .off = offsetof(struct s, f),	\
			    .size = sizeof(((struct s *)0)->f) }
#define F_SUB(s, f, d)	{ .kind = SUB, .off = offsetof(struct s, f), .sub = (d) }
#define F_LIST(s, f, n, d) { .kind = LIST, .off = offsetof(struct s, f), \
			    .count = offsetof(struct s, n),		\
			    .size = sizeof(*((struct s *)0)->f), .sub = (d) }
#define F_END		{ .kind = END }

#define HTTP_FIELD	8192
#define TEXT		65536
#define SUBJECT		(1U << 20)
#define MSGID		512
#define PROC_STR	4096
#define PLUG_STR	1024

/* Lists of strings and of numbers. */
static const struct field d_strs[] = {
	{ .kind = STR, .off = 0, .max = PLUG_STR }, F_END
};
static const struct field d_u32s[] = {
	{ .kind = U32, .off = 0, .max = UINT32_MAX }, F_END
};

/* --- msg_queue.h ---------------------------------------------------------- */

static const struct field d_replay[] = {
	F_RAW(replay, key), F_I64(replay, until), F_END
};
static const struct field d_mail_facts[] = {
	F_STR(mail_facts, msgid, MSGID), F_STR(mail_facts, sender, ADDR_MAX),
	F_STR(mail_facts, subject, SUBJECT), F_I64(mail_facts, timestamp),
	F_U32(mail_facts, flags), F_RAW(mail_facts, intent), F_END
};
static const struct field d_rcpt[] = {
	F_STR(rcpt, addr, ADDR_MAX), F_STR(rcpt, orig, ADDR_MAX), F_END
};
static const struct field d_rcpt_status[] = {
	F_STR(rcpt_status, addr, ADDR_MAX), F_U32(rcpt_status, code),
	F_STR(rcpt_status, text, TEXT), F_END
};
static const struct field d_submit[] = {
	F_U32(submit, origin), F_STR(submit, principal, ADDR_MAX),
	F_STR(submit, peer, 1024), F_SUB(submit, replay, d_replay),
	F_SUB(submit, facts, d_mail_facts), F_LIST(submit, rcpt, nrcpt, d_rcpt),
	F_STR(submit, hold, 1024), F_BYTES(submit, body), F_BYTES(submit, sig),
	F_END
};
static const struct field d_submit_result[] = {
	F_U32(submit_result, code), F_U32(submit_result, replayed),
	F_U32(submit_result, known),
	F_STR(submit_result, text, TEXT),
	F_LIST(submit_result, rcpt, nrcpt, d_rcpt_status), F_END
};
static const struct field d_relay_job[] = {
	F_STR(relay_job, from_domain, ADDR_MAX),
	F_STR(relay_job, domain, ADDR_MAX), F_STR(relay_job, msgid, MSGID),
	F_LIST(relay_job, rcpt, nrcpt, d_rcpt), F_U32(relay_job, flags),
	F_BYTES(relay_job, body), F_BYTES(relay_job, sig), F_END
};
static const struct field d_relay_done[] = {
	F_U32(relay_done, code), F_STR(relay_done, text, TEXT),
	F_STR(relay_done, host, 1024),
	F_LIST(relay_done, rcpt, nrcpt, d_rcpt_status), F_END
};
static const struct field d_bounce_job[] = {
	F_U32(bounce_job, kind), F_STR(bounce_job, domain, ADDR_MAX),
	F_STR(bounce_job, to, ADDR_MAX), F_SUB(bounce_job, orig, d_mail_facts),
	F_I64(bounce_job, next), F_I64(bounce_job, until),
	F_LIST(bounce_job, rcpt, nrcpt, d_rcpt_status), F_END
};

/* --- msg_http.h ----------------------------------------------------------- */

static const struct field d_http_req[] = {
	F_STR(http_req, peer, HTTP_FIELD), F_STR(http_req, host, HTTP_FIELD),
	F_STR(http_req, authority, HTTP_FIELD),
	F_STR(http_req, content_type, HTTP_FIELD),
	F_STR(http_req, soapaction, HTTP_FIELD), F_BYTES(http_req, body), F_END
};
static const struct field d_http_resp[] = {
	F_U32(http_resp, status), F_U32(http_resp, retry_after),
	F_STR(http_resp, content_type, HTTP_FIELD), F_BYTES(http_resp, body),
	F_END
};
static const struct field d_relay_post[] = {
	F_STR(relay_post, domain, HTTP_FIELD),
	F_STR(relay_post, content_type, HTTP_FIELD),
	F_STR(relay_post, soapaction, HTTP_FIELD), F_BYTES(relay_post, body),
	F_END
};
static const struct field d_relay_result[] = {
	F_U32(relay_result, result), F_U32(relay_result, status),
	F_STR(relay_result, reason, HTTP_FIELD),
	F_STR(relay_result, host, HTTP_FIELD),
	F_STR(relay_result, content_type, HTTP_FIELD),
	F_BYTES(relay_result, body), F_END
};

/* --- msg_keys.h ----------------------------------------------------------- */

static const struct field d_keys_password[] = {
	F_STR(keys_password, user, ADDR_MAX),
	F_STR(keys_password, password, 1024),
	F_STR(keys_password, peer, ADDR_MAX), F_END
};
static const struct field d_keys_mac[] = {
	F_STR(keys_mac, user, ADDR_MAX), F_STR(keys_mac, peer, ADDR_MAX),
	F_BYTES(keys_mac, salt), F_U32(keys_mac, iterations),
	F_BYTES(keys_mac, text), F_BYTES(keys_mac, mac), F_END
};
static const struct field d_keys_params[] = {
	F_U32(keys_params, iterations), F_RAW(keys_params, salt), F_END
};
static const struct field d_keys_sign[] = {
	F_STR(keys_sign, domain, ADDR_DOMAIN_MAX), F_BYTES(keys_sign, text),
	F_END
};
struct auth_result {
	uint32_t	 result;
};
static const struct field d_auth_result[] = {
	F_RANGE(auth_result, result, AUTH_OK, AUTH_ERROR), F_END
};
struct sign_result {
	const uint8_t	*value;
	size_t		 value_len;
};
static const struct field d_sign_result[] = {
	F_BYTES(sign_result, value), F_END
};

/* --- msg_local.h ---------------------------------------------------------- */

static const struct field d_deliver[] = {
	F_STR(deliver, user, ADDR_MAX), F_SUB(deliver, facts, d_mail_facts),
	F_BYTES(deliver, body), F_BYTES(deliver, sig), F_END
};
struct deliver_result {
	uint32_t	 code;
	char		*text;
};
static const struct field d_deliver_result[] = {
	F_U32(deliver_result, code), F_STR(deliver_result, text, TEXT), F_END
};
static const struct field d_list_req[] = {
	F_STR(list_req, user, ADDR_MAX), F_SUB(list_req, replay, d_replay),
	F_I64(list_req, since), F_I64(list_req, since_change),
	F_U32(list_req, before), F_U32(list_req, limit), F_END
};
static const struct field d_mail_header[] = {
	F_U32(mail_header, id), F_U32(mail_header, flags),
	F_I64(mail_header, timestamp), F_I64(mail_header, received),
	F_U32(mail_header, size), F_STR(mail_header, sender, ADDR_MAX),
	F_STR(mail_header, subject, SUBJECT), F_STR(mail_header, msgid, MSGID),
	F_END
};
static const struct field d_list_result[] = {
	F_U32(list_result, code), F_I64(list_result, change),
	F_U32(list_result, more), F_LIST(list_result, hdr, nhdr, d_mail_header),
	F_LIST(list_result, deleted, ndeleted, d_u32s), F_END
};
static const struct field d_retrieve_req[] = {
	F_STR(retrieve_req, user, ADDR_MAX),
	F_SUB(retrieve_req, replay, d_replay), F_U32(retrieve_req, id), F_END
};
static const struct field d_retrieve_result[] = {
	F_U32(retrieve_result, code), F_U32(retrieve_result, id),
	F_BYTES(retrieve_result, body), F_BYTES(retrieve_result, sig), F_END
};
static const struct field d_delete_req[] = {
	F_STR(delete_req, user, ADDR_MAX), F_SUB(delete_req, replay, d_replay),
	F_LIST(delete_req, id, nids, d_u32s), F_END
};
static const struct field d_delete_result[] = {
	F_U32(delete_result, code), F_I64(delete_result, change),
	F_U32(delete_result, ndeleted),
	F_LIST(delete_result, missing, nmissing, d_u32s), F_END
};
static const struct field d_wait_req[] = {
	F_STR(wait_req, user, ADDR_MAX), F_SUB(wait_req, replay, d_replay),
	F_I64(wait_req, since_change), F_U32(wait_req, timeout), F_END
};
struct wait_result {
	uint32_t	 code;
	int64_t		 change;
};
static const struct field d_wait_result[] = {
	F_U32(wait_result, code), F_I64(wait_result, change), F_END
};

/* --- msg_proc.h ----------------------------------------------------------- */

static const struct field d_proc_setup[] = {
	F_U32(proc_setup, role), F_U32(proc_setup, instance),
	F_STR(proc_setup, user, PROC_STR), F_STR(proc_setup, dir, PROC_STR),
	F_U32(proc_setup, foreground), F_U32(proc_setup, verbose),
	F_U32(proc_setup, trace), F_U32(proc_setup, sandbox_required), F_END
};
static const struct field d_proc_ready[] = {
	F_U32(proc_ready, pid), F_U32(proc_ready, uid), F_U32(proc_ready, mask),
	F_U32(proc_ready, missing), F_U32(proc_ready, abi),
	F_STR(proc_ready, text, PROC_STR), F_END
};
struct two {
	uint32_t	 a, b;
};
static const struct field d_two[] = { F_U32(two, a), F_U32(two, b), F_END };
struct words {
	char		*a, *b;
};
static const struct field d_proc_listen[] = {
	F_STR(words, a, PROC_STR), F_STR(words, b, PROC_STR), F_END
};

/* --- msg_attach.h --------------------------------------------------------- */

#define A_TEXT	1024
static const struct field d_upload_begin[] = {
	F_STR(upload_begin, owner, ADDR_MAX),
	F_STR(upload_begin, name, ATTACH_NAME_MAX),
	F_STR(upload_begin, type, ATTACH_TYPE_MAX),
	F_STR(upload_begin, description, ATTACH_DESC_MAX),
	F_I64(upload_begin, size), F_U32(upload_begin, has_digest),
	F_RAW(upload_begin, digest), F_END
};
static const struct field d_upload_req[] = {
	F_STR(upload_req, owner, ADDR_MAX), F_RAW(upload_req, id),
	F_I64(upload_req, offset), F_RAW(upload_req, digest), F_END
};
static const struct field d_upload_result[] = {
	F_U32(upload_result, code), F_STR(upload_result, text, A_TEXT),
	F_RAW(upload_result, id), F_I64(upload_result, offset),
	F_I64(upload_result, size), F_U32(upload_result, complete), F_END
};
static const struct field d_attach_info[] = {
	F_RAW(attach_info, id), F_STR(attach_info, name, ATTACH_NAME_MAX),
	F_STR(attach_info, type, ATTACH_TYPE_MAX),
	F_STR(attach_info, description, ATTACH_DESC_MAX),
	F_STR(attach_info, msgid, ATTACH_MSGID_MAX),
	F_I64(attach_info, created), F_I64(attach_info, expiry),
	F_I64(attach_info, withdrawn), F_U32(attach_info, version),
	F_I64(attach_info, size), F_RAW(attach_info, digest),
	F_U32(attach_info, nrcpt), F_I64(attach_info, fetches), F_END
};
static const struct field d_attach_id[] = {
	{ .kind = RAW, .off = 0, .size = ATTACH_ID }, F_END
};
static const struct field d_attach_addr[] = {
	{ .kind = STR, .off = 0, .max = ADDR_MAX }, F_END
};
static const struct field d_name_req[] = {
	F_STR(name_req, owner, ADDR_MAX),
	F_STR(name_req, msgid, ATTACH_MSGID_MAX),
	F_LIST(name_req, upload, nuploads, d_attach_id),
	F_LIST(name_req, rcpt, nrcpt, d_attach_addr), F_END
};
static const struct field d_attach_list[] = {
	F_U32(attach_list, code), F_STR(attach_list, text, A_TEXT),
	F_U32(attach_list, more), F_LIST(attach_list, info, n, d_attach_info),
	F_END
};
static const struct field d_fetch_req[] = {
	F_STR(fetch_req, principal, ADDR_MAX), F_RAW(fetch_req, id),
	F_U32(fetch_req, version), F_I64(fetch_req, offset),
	F_I64(fetch_req, length), F_END
};
static const struct field d_fetch_result[] = {
	F_U32(fetch_result, code), F_STR(fetch_result, text, A_TEXT),
	F_U32(fetch_result, version), F_U32(fetch_result, newest),
	F_I64(fetch_result, size), F_I64(fetch_result, offset),
	F_I64(fetch_result, length), F_RAW(fetch_result, digest), F_END
};
static const struct field d_attach_list_req[] = {
	F_STR(attach_list_req, owner, ADDR_MAX),
	F_RAW(attach_list_req, before), F_U32(attach_list_req, limit), F_END
};
static const struct field d_show_req[] = {
	F_STR(show_req, owner, ADDR_MAX), F_RAW(show_req, id),
	F_STR(show_req, after, ADDR_MAX), F_I64(show_req, before),
	F_U32(show_req, limit), F_END
};
static const struct field d_attach_version[] = {
	F_U32(attach_version, number), F_I64(attach_version, size),
	F_I64(attach_version, time), F_RAW(attach_version, digest), F_END
};
static const struct field d_attach_rcpt[] = {
	F_STR(attach_rcpt, addr, ADDR_MAX), F_STR(attach_rcpt, domain, ADDR_MAX),
	F_I64(attach_rcpt, added), F_I64(attach_rcpt, fetches),
	F_I64(attach_rcpt, last), F_END
};
static const struct field d_attach_fetch[] = {
	F_I64(attach_fetch, seq), F_STR(attach_fetch, addr, ADDR_MAX),
	F_U32(attach_fetch, version), F_I64(attach_fetch, time), F_END
};
static const struct field d_show_result[] = {
	F_U32(show_result, code), F_STR(show_result, text, A_TEXT),
	F_U32(show_result, found),
	F_SUB(show_result, info, d_attach_info),
	F_LIST(show_result, version, nversions, d_attach_version),
	F_LIST(show_result, rcpt, nrcpt, d_attach_rcpt),
	F_U32(show_result, more_rcpt),
	F_LIST(show_result, fetch, nfetches, d_attach_fetch),
	F_U32(show_result, more_fetches), F_END
};
static const struct field d_attach_change[] = {
	F_STR(attach_change, owner, ADDR_MAX), F_RAW(attach_change, id),
	F_STR(attach_change, addr, ADDR_MAX), F_I64(attach_change, when),
	F_RAW(attach_change, upload), F_END
};
static const struct field d_change_result[] = {
	F_U32(change_result, code), F_STR(change_result, text, A_TEXT),
	F_U32(change_result, version), F_END
};

/* --- msg_plug.h ----------------------------------------------------------- */

static const struct field d_plug_about[] = {
	F_RANGE(plug_about, interfaces, 0, PLUG_SENDING | PLUG_DELIVERY |
	    PLUG_EXTENSION), F_STR(plug_about, version, PLUG_TEXT_MAX),
	F_U32(plug_about, hold), F_LIST(plug_about, ext, next, d_strs), F_END
};
static const struct field d_plug_row[] = {
	F_U32(plug_row, id), F_STR(plug_row, name, PLUG_TEXT_MAX),
	F_RANGE(plug_row, state, 0, PLUG_STATES - 1), F_U32(plug_row, priority),
	F_U32(plug_row, required), F_U32(plug_row, bodies),
	F_U32(plug_row, send_users), F_U32(plug_row, timeout),
	F_I64(plug_row, size_max), F_SUB(plug_row, about, d_plug_about),
	F_LIST(plug_row, scope, nscope, d_strs),
	F_LIST(plug_row, sender, nsender, d_strs),
	F_LIST(plug_row, address, naddress, d_strs), F_END
};
static const struct field d_plug_table[] = {
	F_LIST(plug_table, row, n, d_plug_row), F_END
};
static const struct field d_plug_call[] = {
	F_U32(plug_call, interface), F_U32(plug_call, auth),
	F_U32(plug_call, local), F_U32(plug_call, attempt),
	F_STR(plug_call, request, PLUG_STR),
	F_STR(plug_call, principal, PLUG_STR), F_STR(plug_call, peer, PLUG_STR),
	F_STR(plug_call, extension, PLUG_STR),
	F_SUB(plug_call, facts, d_mail_facts), F_U32(plug_call, size),
	F_LIST(plug_call, rcpt, nrcpt, d_rcpt), F_BYTES(plug_call, body),
	F_BYTES(plug_call, sig), F_END
};
static const struct field d_plug_verdict[] = {
	F_RANGE(plug_verdict, what, VERDICT_CONTINUE, VERDICT_MAX - 1),
	F_U32(plug_verdict, code), F_STR(plug_verdict, text, PLUG_TEXT_MAX),
	F_BYTES(plug_verdict, body), F_END
};
/* Its body may have 256 MB, which is too much to try. */
static const struct field d_plug_mail[] = {
	F_STR(plug_mail, from, ADDR_MAX), F_STR(plug_mail, key, PLUG_TEXT_MAX),
	F_STR(plug_mail, subject, SUBJECT), F_STR(plug_mail, body, 0),
	F_STR(plug_mail, inreplyto, PLUG_TEXT_MAX), F_U32(plug_mail, flags),
	F_LIST(plug_mail, rcpt, nrcpt, d_strs), F_BYTES(plug_mail, xml), F_END
};
static const struct field d_plug_mail_result[] = {
	F_U32(plug_mail_result, code), F_STR(plug_mail_result, text, PLUG_STR),
	F_STR(plug_mail_result, msgid, PLUG_STR), F_END
};
static const struct field d_plug_connect[] = {
	F_STR(words, a, PLUG_TEXT_MAX), F_STR(words, b, PLUG_TEXT_MAX), F_END
};
struct plug_fault {
	uint32_t	 id;
	char		*text;
};
static const struct field d_plug_fault[] = {
	F_U32(plug_fault, id), F_STR(plug_fault, text, PLUG_TEXT_MAX), F_END
};

#endif /* CODECS_H */
