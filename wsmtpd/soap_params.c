/* SPDX-License-Identifier: ISC */
/*
 * GetAuthParameters: what a client needs for the salted password MAC.
 * Anybody may ask about any address; keys makes up a stable answer for who
 * does not exist.
 */
#include "compat.h"

#include <stdio.h>

#include "soap.h"

#define PARAMS_TIMEOUT	30	/* s */

static int	 params_result(void *, struct imsg *, const char *);

void
params_run(struct request *r)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		 addr[ADDR_MAX + 1], *name;
	int		 ok;

	n = xml_child(r->w.operation, NS_WSE2, "user");
	name = n != NULL ? xml_text(n, 2 * ADDR_MAX) : NULL;
	ok = name != NULL &&
	    auth_user_address(r, name, addr, sizeof(addr)) == 0;
	free(name);
	if (!ok) {
		request_fault(r, F_CLIENT, ST_BAD, "user is not an address");
		return;
	}
	wbuf_str(&w, addr);
	if (soap_ask(r->s, P_KEYS, IMSG_KEYS_PARAMS_GET, &w,
	    IMSG_SOAP_PARAMS_RESULT, PARAMS_TIMEOUT, params_result, r) == -1)
		request_fault_later(r, "logins cannot be checked now");
}

static int
params_result(void *arg, struct imsg *imsg, const char *why)
{
	struct request		*r = arg;
	struct keys_params	 kp;
	struct rbuf		 rb;
	struct wbuf		 w = { 0 };
	char			 number[16];

	if (imsg == NULL) {
		request_fault_later(r, why);
		return 0;
	}
	rbuf_init(&rb, imsg->data, imsg->hdr.len);
	if (keys_params_get(&rb, &kp) == -1) {
		request_fault_later(r, "logins cannot be checked now");
		return -1;
	}
	wbuf_puts(&w, "<w:Salt>");
	xml_put_base64(&w, kp.salt, sizeof(kp.salt));
	wbuf_puts(&w, "</w:Salt>");
	snprintf(number, sizeof(number), "%u", kp.iterations);
	xml_put_elem(&w, "w:Iterations", number);
	xml_put_elem(&w, "w:Derivation", URI_PBKDF2_SHA256);
	request_answer(r, &w);
	wbuf_free(&w);
	return 0;
}
