/* SPDX-License-Identifier: ISC */
/*
 * The payloads of messages between processes, a role's configuration and the
 * rows for wsctl; the first octet tells which.  A payload that was taken is
 * freed, so that a half-filled one shows.
 */
#include "compat.h"

#include "conf.h"
#include "ctl.h"
#include "fuzz.h"
#include "msg_http.h"
#include "msg_keys.h"
#include "msg_local.h"
#include "msg_plug.h"
#include "msg_proc.h"
#include "msg_queue.h"

#define MSG(name)							\
	static void							\
	fuzz_##name(struct rbuf *r)					\
	{								\
		struct name	 v;					\
									\
		memset(&v, 0, sizeof(v));				\
		if (name##_get(r, &v) == 0)				\
			name##_free(&v);				\
	}

MSG(http_req)
MSG(http_resp)
MSG(relay_post)
MSG(relay_result)
MSG(keys_password)
MSG(keys_mac)
MSG(keys_sign)
MSG(deliver)
MSG(list_req)
MSG(list_result)
MSG(retrieve_req)
MSG(delete_req)
MSG(delete_result)
MSG(wait_req)
MSG(submit)
MSG(submit_result)
MSG(relay_job)
MSG(relay_done)
MSG(bounce_job)
MSG(proc_setup)
MSG(proc_ready)
MSG(ctl_req)
MSG(plug_about)
MSG(plug_table)
MSG(plug_call)
MSG(plug_verdict)
MSG(plug_mail)
MSG(plug_mail_result)

static void
fuzz_conf(struct rbuf *r)
{
	struct conf	*c = conf_decode(r);

	if (c != NULL)
		conf_free(c);
}

static void
fuzz_rows(struct rbuf *r)
{
	struct ctl_row	 row;

	while (r->len > 0) {
		memset(&row, 0, sizeof(row));
		if (ctl_row_get(r, &row) != 1)
			break;
		ctl_row_free(&row);
	}
}

static void
fuzz_stats(struct rbuf *r)
{
	char		*name, kind;
	uint64_t	 value;

	while (proc_stat_get(r, &name, &kind, &value) == 1)
		free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void	(*const what[])(struct rbuf *) = {
		fuzz_http_req, fuzz_http_resp, fuzz_relay_post,
		fuzz_relay_result, fuzz_keys_password, fuzz_keys_mac,
		fuzz_keys_sign, fuzz_deliver, fuzz_list_req, fuzz_list_result,
		fuzz_retrieve_req, fuzz_delete_req, fuzz_delete_result,
		fuzz_wait_req, fuzz_submit, fuzz_submit_result, fuzz_relay_job,
		fuzz_relay_done, fuzz_bounce_job, fuzz_proc_setup,
		fuzz_proc_ready, fuzz_ctl_req, fuzz_conf, fuzz_rows,
		fuzz_stats, fuzz_plug_about, fuzz_plug_table, fuzz_plug_call,
		fuzz_plug_verdict, fuzz_plug_mail, fuzz_plug_mail_result,
	};
	struct rbuf	 r;

	if (size == 0)
		return 0;
	rbuf_init(&r, data + 1, size - 1);
	what[data[0] % nitems(what)](&r);
	return 0;
}
