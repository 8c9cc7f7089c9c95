/* SPDX-License-Identifier: ISC */
/*
 * What a request line and its fields ask for: a pure look at the message,
 * called by fe_conn.c once the head is complete and before the body is read.
 */
#include "compat.h"

#include <stdio.h>
#include <strings.h>

#include "frontend.h"

static const char *fe_route_target(struct fe_conn *, const char *);
static int	 fe_route_post(const struct http_msg *, const char **);
static int	 fe_media_is(const char *, const char *);
static int	 fe_media_param(const char *, const char *, char *, size_t);

/*
 * RFC 9112 3.2: origin-form, or absolute-form, whose authority then counts
 * instead of Host (3.2.2).  Returns the path with its query, or NULL.
 */
static const char *
fe_route_target(struct fe_conn *c, const char *target)
{
	const char	*host = http_field(&c->msg, "host");
	const char	*path;
	size_t		 n;

	if (strlcpy(c->authority, host != NULL ? host : "",
	    sizeof(c->authority)) >= sizeof(c->authority))
		return NULL;
	if (target[0] == '/')
		return target;
	if (strncasecmp(target, "https://", 8) != 0)
		return NULL;
	target += 8;
	n = strcspn(target, "/?");
	path = target + n;
	if (n >= sizeof(c->authority) || *path != '/')
		return NULL;
	memcpy(c->authority, target, n);
	c->authority[n] = '\0';
	return http_authority_ok(c->authority) ? path : NULL;
}

int
fe_route(struct fe_conn *c, const char **why)
{
	static const char	 name[] = "/wsemail";
	const struct http_msg	*m = &c->msg;
	const char		*path, *query;

	c->route = FE_REFUSED;
	if ((path = fe_route_target(c, m->target)) == NULL) {
		*why = "malformed request target";
		return 400;
	}
	query = path + sizeof(name) - 1;
	if (strncmp(path, name, sizeof(name) - 1) != 0 ||
	    (*query != '\0' && *query != '?')) {
		*why = "there is nothing here but /wsemail";
		return 404;
	}
	if (*query == '?')
		query++;
	if (strcmp(m->method, "POST") == 0) {
		if (*query != '\0') {
			*why = "requests go to /wsemail without a query";
			return 404;
		}
		c->route = FE_SOAP;
		return fe_route_post(m, why);
	}
	if (strcmp(m->method, "GET") != 0 && strcmp(m->method, "HEAD") != 0) {
		*why = "method not allowed";
		return 405;
	}
	/* ?wsdl by custom; ?singleWsdl: ours is in one piece anyhow. */
	if (strcasecmp(query, "wsdl") == 0 ||
	    strcasecmp(query, "singlewsdl") == 0)
		c->route = FE_WSDL;
	else if (*query == '\0')
		c->route = FE_ABOUT;
	else {
		*why = "the only query known here is ?wsdl";
		return 404;
	}
	return 0;
}

static int
fe_route_post(const struct http_msg *m, const char **why)
{
	const char	*type = http_field(m, "content-type");
	const char	*coding = http_field(m, "content-encoding");

	if (type == NULL || !fe_media_ok(type)) {
		*why = "a SOAP message is text/xml, application/soap+xml, or "
		    "multipart/related with type application/xop+xml";
		return 415;
	}
	/* RFC 9110 8.4: no decompression bombs. */
	if (coding != NULL && strcasecmp(coding, "identity") != 0) {
		*why = "content codings are not supported";
		return 415;
	}
	return 0;
}

int
fe_media_ok(const char *type)
{
	char	 root[64];

	if (fe_media_is(type, "text/xml") ||
	    fe_media_is(type, "application/soap+xml"))
		return 1;
	return fe_media_is(type, "multipart/related") &&
	    fe_media_param(type, "type", root, sizeof(root)) == 0 &&
	    strcasecmp(root, "application/xop+xml") == 0;
}

static int
fe_media_is(const char *type, const char *want)
{
	size_t	 n = strlen(want);

	return strncasecmp(type, want, n) == 0 &&
	    (type[n] == '\0' || type[n] == ';' || type[n] == ' ' ||
	    type[n] == '\t');
}

/* RFC 9110 5.6.6: the value of a parameter, quoted or not; 0 or -1. */
static int
fe_media_param(const char *type, const char *name, char *buf, size_t size)
{
	const char	*p = strchr(type, ';');
	size_t		 n, len;
	int		 is_it, is_quoted;

	while (p != NULL && *p == ';') {
		p += 1 + strspn(p + 1, " \t");
		n = strcspn(p, "=; \t");
		is_it = n == strlen(name) && strncasecmp(p, name, n) == 0;
		p += n;
		if (*p != '=')
			return -1;
		is_quoted = *++p == '"';
		if (is_quoted)
			p++;
		for (len = 0; *p != '\0'; p++) {
			if (is_quoted ? *p == '"' : strchr("; \t", *p) != NULL)
				break;
			if (is_quoted && *p == '\\' && *++p == '\0')
				return -1;
			if (is_it && len + 1 >= size)
				return -1;
			if (is_it)
				buf[len++] = *p;
		}
		if (is_quoted && *p++ != '"')
			return -1;
		if (is_it) {
			buf[len] = '\0';
			return 0;
		}
		p += strspn(p, " \t");
	}
	return -1;
}
