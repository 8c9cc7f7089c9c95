/* SPDX-License-Identifier: ISC */
/* wsmail extension: a request to a plug-in of the server. */
#include "compat.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "wsemail.h"
#include "wsmail.h"

#define EXT_TIMEOUT	360	/* s: a plug-in may hold a request */
#define EXT_MAX		(32U << 20)

static int	 ext_stdin(struct wbuf *);
static int	 ext_is_name(const char *);
static void	 ext_print(xmlNodePtr);

/* An XML name without a colon, of ASCII. */
static int
ext_is_name(const char *s)
{
	static const char	 letters[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return *s != '\0' && strchr(letters, *s) != NULL &&
	    s[strspn(s, letters) + strspn(s + strspn(s, letters),
	    "0123456789.-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")]
	    == '\0';
}

int
extension_put(struct wbuf *w, const char *ns, const char *method, int argc,
    char *const *argv)
{
	char	*eq;
	int	 i;

	if (!ext_is_name(method)) {
		fprintf(stderr, "wsmail: %s: expected the name of a method\n",
		    method);
		return EX_USAGE;
	}
	wbuf_printf(w, "<%s", method);
	/* The prototype's identifiers are no URIs, as a namespace must be. */
	if (strchr(ns, ':') != NULL) {
		wbuf_puts(w, " xmlns=\"");
		xml_put_attr(w, ns);
		wbuf_u8(w, '"');
	}
	wbuf_u8(w, '>');
	for (i = 0; i < argc; i++) {
		if ((eq = strchr(argv[i], '=')) != NULL)
			*eq = '\0';
		if (eq == NULL || !ext_is_name(argv[i]) ||
		    !xml_valid_text(eq + 1, strlen(eq + 1))) {
			fprintf(stderr, "wsmail: %s: expected name=text\n",
			    argv[i]);
			return EX_USAGE;
		}
		xml_put_elem(w, argv[i], eq + 1);
	}
	wbuf_printf(w, "</%s>", method);
	return 0;
}

/* One element as it is, made canonical. */
static int
ext_stdin(struct wbuf *w)
{
	struct xml_limits	 lim = { EXT_MAX, 200, 1000000, 1000, 10000,
				    10000 };
	struct wbuf		 in = { 0 };
	xmlDocPtr		 doc;
	const char		*why;
	char			 buf[8192];
	size_t			 n;
	int			 code = 0;

	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0 &&
	    in.len <= EXT_MAX)
		wbuf_raw(&in, buf, n);
	if (ferror(stdin)) {
		fprintf(stderr, "wsmail: standard input cannot be read\n");
		code = EX_IOERR;
	} else if ((doc = xml_parse(in.data, in.len, &lim, &why)) == NULL) {
		fprintf(stderr, "wsmail: standard input: %s\n", why);
		code = EX_DATAERR;
	} else {
		if (xml_c14n(xmlDocGetRootElement(doc), w) == -1)
			w->error = 1;
		xmlFreeDoc(doc);
	}
	wbuf_free(&in);
	return code;
}

/* A line for each child, where all are text; else the XML. */
static void
ext_print(xmlNodePtr root)
{
	struct wbuf	 w = { 0 };
	xmlNodePtr	 n;
	char		*text;

	for (n = xml_first(root); n != NULL && xml_first(n) == NULL;
	    n = xml_next(n))
		;
	if (n == NULL && xml_first(root) != NULL && !out_json) {
		for (n = xml_first(root); n != NULL; n = xml_next(n)) {
			text = xml_text(n, EXT_MAX);
			out_text(stdout, (const char *)n->name, 0);
			printf(": ");
			out_text(stdout, text == NULL ? "" : text, 1);
			putchar('\n');
			free(text);
		}
		return;
	}
	if (xml_c14n(root, &w) == 0) {
		wbuf_u8(&w, 0);
		if (out_json) {
			printf("{\"xml\":");
			out_json_string(stdout, (const char *)w.data);
			printf("}\n");
		} else {
			out_text(stdout, (const char *)w.data, 1);
			putchar('\n');
		}
	}
	wbuf_free(&w);
}

int
extension_call(struct session *s, const char *ext, const struct wbuf *args,
    struct answer *a, xmlNodePtr *result)
{
	struct wbuf	 w = { 0 };
	int		 code;

	*result = NULL;
	xml_put_elem(&w, "w:ext", ext);
	wbuf_puts(&w, "<w:args>");
	wbuf_raw(&w, args->data, args->len);
	wbuf_puts(&w, "</w:args>");
	code = call(s, NS_WSE, "ExecuteExtensionHandler", &w, NULL, 0,
	    EXT_TIMEOUT, a);
	wbuf_free(&w);
	if (code == 0)
		*result = xml_first(xml_child(a->op, NS_WSE,
		    "ExecuteExtensionHandlerResult"));
	return code;
}

int
cmd_extension(struct session *s, int argc, char **argv)
{
	struct wbuf	 w = { 0 };
	struct answer	 a;
	xmlNodePtr	 n;
	int		 code;

	if (argc < 2 || argv[1][0] == '-')
		usage();
	code = argc == 2 ? ext_stdin(&w) : extension_put(&w, argv[1], argv[2],
	    argc - 3, argv + 3);
	if (code == 0 && (code = extension_call(s, argv[1], &w, &a, &n)) ==
	    0) {
		if (n != NULL)
			ext_print(n);
		answer_free(&a);
	}
	wbuf_free(&w);
	return code;
}
