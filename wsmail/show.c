/* SPDX-License-Identifier: ISC */
/* wsmail show, verify and save: one message and its signature. */
#include "compat.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "mailfile.h"
#include "wsemail.h"
#include "wsmail.h"
#include "wstime.h"

static void	 show_verdict(const struct package *, FILE *);
static void	 show_text(const struct package *, const struct attached *);
static void	 show_json(const struct package *, const struct attached *);
static void	 package_put(const struct package *, struct wbuf *);
static int	 one_number(int, char **);

int
package_read(const struct account *acc, xmlNodePtr n, struct package *p)
{
	const char	*why = "no theMessage";
	xmlNodePtr	 m, sig;

	memset(p, 0, sizeof(*p));
	p->id = answer_int(n, "MessageID", 0);
	m = xml_child(n, NS_WSE, "theMessage");
	sig = xml_child(n, NS_WSE, "sig");
	sig = sig != NULL ? xml_child(sig, NS_DS, "Signature") : NULL;
	if (m == NULL || wsmsg_read(&p->msg, m, &why) == -1) {
		fprintf(stderr, "wsmail: the message does not read: %s\n", why);
		return EX_DATAERR;
	}
	if (xml_c14n(m, &p->m) == -1 ||
	    (sig != NULL && xml_c14n(sig, &p->sig) == -1)) {
		package_free(p);
		return EX_OSERR;
	}
	if (sig == NULL)
		p->verdict.why = "the message carries no signature";
	else
		verify_message(acc, p->msg.sender != NULL ? p->msg.sender : "",
		    p->m.data, p->m.len, p->sig.data, p->sig.len,
		    &p->verdict);
	return 0;
}

void
package_free(struct package *p)
{
	wsmsg_free(&p->msg);
	wbuf_free(&p->m);
	wbuf_free(&p->sig);
	verdict_free(&p->verdict);
}

int
package_fetch(struct session *s, const char *id, struct package *p)
{
	const char	*errstr;
	struct answer	 a;
	struct wbuf	 w;
	xmlNodePtr	 n;
	int		 code;

	wbuf_init(&w);
	wbuf_printf(&w, "<w:messageToGet>%lld</w:messageToGet>",
	    strtonum(id, 1, INT32_MAX, &errstr));
	if (errstr != NULL) {
		wbuf_free(&w);
		fprintf(stderr, "wsmail: message %s: the number is %s\n", id,
		    errstr);
		return EX_USAGE;
	}
	code = call(s, NS_WSE, "WSEmailRetrieve", &w, NULL, 0, 120, &a);
	wbuf_free(&w);
	if (code != 0)
		return code;
	if ((n = xml_child(a.op, NS_WSE, "WSEmailRetrieveResult")) == NULL) {
		fprintf(stderr, "wsmail: the answer has no message\n");
		code = EX_PROTOCOL;
	} else
		code = package_read(s->acc, n, p);
	answer_free(&a);
	return code;
}

static void
show_verdict(const struct package *p, FILE *f)
{
	const struct verdict	*v = &p->verdict;

	if (verdict_good(v)) {
		fputs("Signature: good, by ", f);
		out_text(f, v->signer, 0);
		fputs(", trusted, names the sender's domain\n", f);
		return;
	}
	fputs("*** SIGNATURE NOT GOOD: ", f);
	fputs(v->why != NULL ? v->why : "unknown", f);
	fputs(" ***\n*** Do not rely on who this claims to be from. ***\n", f);
	fprintf(f, "Signature: %s; certificate: %s, %s\n",
	    v->signed_ok ? "matches the text" : "does not match the text",
	    v->trusted ? "trusted" : "not trusted",
	    v->names_domain ? "names the sender's domain" :
	    "does not name the sender's domain");
	if (v->signer != NULL) {
		fputs("Signer: ", f);
		out_text(f, v->signer, 0);
		putc('\n', f);
	}
}

static void
show_text(const struct package *p, const struct attached *at)
{
	char	 when[WSTIME_LEN];
	size_t	 i;

	if (!verdict_good(&p->verdict))
		show_verdict(p, stdout);
	fputs("From: ", stdout);
	out_text(stdout, p->msg.sender != NULL ? p->msg.sender : "", 0);
	fputs("\nTo: ", stdout);
	for (i = 0; i < p->msg.nrcpt; i++) {
		fputs(i > 0 ? ", " : "", stdout);
		out_text(stdout, p->msg.rcpt[i], 0);
	}
	printf("\nDate: %s\nSubject: ", wstime_format(p->msg.timestamp, when,
	    sizeof(when)));
	out_text(stdout, p->msg.subject != NULL ? p->msg.subject : "", 0);
	fputs("\nMessage-Id: ", stdout);
	out_text(stdout, p->msg.msgid != NULL ? p->msg.msgid : "", 0);
	if (p->msg.inreplyto != NULL) {
		fputs("\nIn-Reply-To: ", stdout);
		out_text(stdout, p->msg.inreplyto, 0);
	}
	putchar('\n');
	if (verdict_good(&p->verdict))
		show_verdict(p, stdout);
	if (at->n > 0)
		attached_show(p, at);
	else if (p->msg.attachments.len > 0)
		printf("Attachments: %zu octets of XML (wsmail save)\n",
		    p->msg.attachments.len);
	putchar('\n');
	out_text(stdout, p->msg.body != NULL ? p->msg.body : "", 1);
	if (p->msg.body != NULL && *p->msg.body != '\0' &&
	    p->msg.body[strlen(p->msg.body) - 1] != '\n')
		putchar('\n');
}

static void
show_json(const struct package *p, const struct attached *at)
{
	const struct {
		const char	*name, *value;
	} text[] = {
		{ "sender", p->msg.sender }, { "subject", p->msg.subject },
		{ "messageid", p->msg.msgid },
		{ "inreplyto", p->msg.inreplyto }, { "body", p->msg.body },
		{ "signer", p->verdict.signer }, { "why", p->verdict.why },
	};
	char	 when[WSTIME_LEN];
	size_t	 i;

	printf("{\"id\":%" PRId64 ",\"flags\":%u,\"timestamp\":\"%s\","
	    "\"signature\":{\"valid\":%s,\"trusted\":%s,\"names_domain\":%s,"
	    "\"good\":%s},\"recipients\":[", p->id, p->msg.flags,
	    wstime_format(p->msg.timestamp, when, sizeof(when)),
	    p->verdict.signed_ok ? "true" : "false",
	    p->verdict.trusted ? "true" : "false",
	    p->verdict.names_domain ? "true" : "false",
	    verdict_good(&p->verdict) ? "true" : "false");
	for (i = 0; i < p->msg.nrcpt; i++) {
		fputs(i > 0 ? "," : "", stdout);
		out_json_string(stdout, p->msg.rcpt[i]);
	}
	putchar(']');
	for (i = 0; i < nitems(text); i++) {
		if (text[i].value == NULL)
			continue;
		printf(",\"%s\":", text[i].name);
		out_json_string(stdout, text[i].value);
	}
	if (at != NULL && at->n > 0)
		attached_json(p, at);
	puts("}");
}

static int
one_number(int argc, char **argv)
{
	while (getopt(argc, argv, "") != -1)
		usage();
	if (argc - optind != 1)
		usage();
	return optind;
}

int
cmd_show(struct session *s, int argc, char **argv)
{
	struct attached	 at;
	struct package	 p;
	int		 code, i;

	i = one_number(argc, argv);
	if ((code = package_fetch(s, argv[i], &p)) != 0)
		return code;
	if ((code = attached_read(&p.msg, &at)) == 0) {
		(out_json ? show_json : show_text)(&p, &at);
		code = verdict_good(&p.verdict) ? 0 : EX_DATAERR;
	}
	attached_free(&at);
	package_free(&p);
	return code;
}

int
cmd_verify(struct session *s, int argc, char **argv)
{
	struct package	 p;
	int		 code, i;

	i = one_number(argc, argv);
	if ((code = package_fetch(s, argv[i], &p)) != 0)
		return code;
	if (out_json)
		show_json(&p, NULL);
	else
		show_verdict(&p, stdout);
	code = verdict_good(&p.verdict) ? 0 : EX_DATAERR;
	package_free(&p);
	return code;
}

/* A package as a document of its own: what save writes, verify -f reads. */
static void
package_put(const struct package *p, struct wbuf *w)
{
	wbuf_printf(w, "<w:WSEmailPackage xmlns:w=\"" NS_WSE "\">"
	    "<w:MessageID>%" PRId64 "</w:MessageID>", p->id);
	wbuf_raw(w, p->m.data, p->m.len);
	wbuf_puts(w, "<w:sig>");
	wbuf_raw(w, p->sig.data, p->sig.len);
	wbuf_puts(w, "</w:sig></w:WSEmailPackage>\n");
}

int
cmd_save(struct session *s, int argc, char **argv)
{
	struct package	 p;
	struct wbuf	 w;
	int		 code;

	while (getopt(argc, argv, "") != -1)
		usage();
	if (argc - optind != 2)
		usage();
	if ((code = package_fetch(s, argv[optind], &p)) != 0)
		return code;
	wbuf_init(&w);
	package_put(&p, &w);
	if (w.error != 0)
		code = EX_OSERR;
	else if (mailfile_write(argv[optind + 1], w.data, w.len) == -1) {
		fprintf(stderr, "wsmail: %s: %s\n", argv[optind + 1],
		    strerror(errno));
		code = EX_CANTCREAT;
	} else if (!verdict_good(&p.verdict)) {
		show_verdict(&p, stderr);
		code = EX_DATAERR;
	}
	wbuf_free(&w);
	package_free(&p);
	return code;
}

/* verify -f: a saved package, without a server. */
int
verify_file(const struct account *acc, const char *path)
{
	/* As much as an answer may have (call.c), of which it was a part. */
	static const struct xml_limits	 limits = {
		MAILFILE_MAX, 256, 1000000, 4096, 100000, 100000
	};
	const char	*why;
	struct package	 p;
	xmlDocPtr	 doc;
	uint8_t		*data;
	size_t		 len;
	int		 code;

	if ((data = mailfile_read(path, &len)) == NULL) {
		fprintf(stderr, "wsmail: %s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	doc = xml_parse(data, len, &limits, &why);
	free(data);
	if (doc == NULL) {
		fprintf(stderr, "wsmail: %s: %s\n", path, why);
		return EX_DATAERR;
	}
	code = package_read(acc, xmlDocGetRootElement(doc), &p);
	xmlFreeDoc(doc);
	if (code != 0)
		return code;
	if (out_json)
		show_json(&p, NULL);
	else
		show_verdict(&p, stdout);
	code = verdict_good(&p.verdict) ? 0 : EX_DATAERR;
	package_free(&p);
	return code;
}
