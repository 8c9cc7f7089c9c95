/* SPDX-License-Identifier: ISC */
/*
 * wsmtpd -nv: a configuration as wsmtpd.conf(5) would have it written, every
 * limit included.  What is printed parses back to the same.
 */
#include "compat.h"

#include <inttypes.h>
#include <stdio.h>

#include "conf.h"

static void	 print_string(const char *);
static void	 print_file(const char *keyword, const struct conf_blob *);
static void	 print_scaled(int64_t, const char *units, const int64_t *);
static void	 print_size(int64_t);
static void	 print_time(int64_t);
static void	 print_domain(const struct conf_domain *);
static void	 print_alias(const struct conf_alias *);
static void	 print_resolver(const char *);
static void	 print_routing(const struct conf *);
static void	 print_list(const char *, char *const *, size_t);
static void	 print_pairs(const struct conf_plugin *);
static void	 print_plugin(const struct conf_plugin *);
static void	 print_plugins(const struct conf *);
static void	 print_places(const struct conf *);
static void	 print_queue(const struct conf *);
static void	 print_limits(const struct conf *);

static void
print_string(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

/* Nothing when there is none. */
static void
print_file(const char *keyword, const struct conf_blob *b)
{
	if (b->path == NULL)
		return;
	printf("%s%s ", keyword[0] == '\t' ? "" : " ", keyword);
	print_string(b->path);
}

/* In the largest unit that divides it. */
static void
print_scaled(int64_t v, const char *units, const int64_t *factors)
{
	size_t	 i = strlen(units);

	while (i > 0 && (v == 0 || v % factors[i - 1] != 0))
		i--;
	if (i == 0)
		printf("%" PRId64, v);
	else
		printf("%" PRId64 "%c", v / factors[i - 1], units[i - 1]);
}

static void
print_size(int64_t v)
{
	static const int64_t	 f[] = { 1LL << 10, 1LL << 20, 1LL << 30,
				    1LL << 40 };

	print_scaled(v, "KMGT", f);
}

static void
print_time(int64_t v)
{
	static const int64_t	 f[] = { 1, 60, 3600, 86400 };

	print_scaled(v, "smhd", f);
}

static void
print_domain(const struct conf_domain *d)
{
	printf("domain ");
	print_string(d->name);
	printf(" {\n");
	print_file("\tcertificate", &d->cert);
	print_file("key", &d->key);
	printf("\n\ttls");
	print_file("certificate", &d->tls_cert);
	print_file("key", &d->tls_key);
	if (d->client_ca.path != NULL) {
		printf("\n\tclient");
		print_file("ca", &d->client_ca);
		print_file("crl", &d->client_crl);
	}
	if (d->quota != -1) {
		printf("\n\tquota ");
		print_size(d->quota);
	}
	printf("\n}\n");
}

static void
print_alias(const struct conf_alias *a)
{
	size_t	 i;

	printf("alias ");
	print_string(a->name);
	printf(" to {");
	for (i = 0; i < a->nto; i++) {
		printf("%s", i == 0 ? " " : ", ");
		print_string(a->to[i]);
	}
	printf(" }\n");
}

/* Kept as "127.0.0.1:53" or "[::1]:53". */
static void
print_resolver(const char *r)
{
	const char	*colon = strrchr(r, ':');
	int		 v6 = r[0] == '[';

	printf("resolver %.*s port %s\n", (int)(colon - r) - 2 * v6, r + v6,
	    colon + 1);
}

static void
print_routing(const struct conf *c)
{
	const struct conf_trust	*t;
	const struct conf_alias	*a;
	const struct conf_route	*r;
	const struct conf_pair	*k;

	TAILQ_FOREACH(t, &c->trusts, entry) {
		printf("trust");
		print_file("ca", &t->ca);
		print_file("crl", &t->crl);
		putchar('\n');
	}
	TAILQ_FOREACH(k, &c->tokens, entry) {
		printf("trust tokens ");
		print_string(k->name);
		printf(" for %s\n", k->value);
	}
	TAILQ_FOREACH(a, &c->aliases, entry)
		print_alias(a);
	TAILQ_FOREACH(r, &c->routes, entry) {
		printf("route ");
		print_string(r->domain);
		printf(" to ");
		print_string(r->host);
		printf(" port %u\n", r->port);
	}
	if (c->resolver != NULL)
		print_resolver(c->resolver);
}

static void
print_list(const char *what, char *const *v, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++) {
		printf("\t%s ", what);
		print_string(v[i]);
		putchar('\n');
	}
}

static void
print_pairs(const struct conf_plugin *p)
{
	const struct conf_pair	*o;

	TAILQ_FOREACH(o, &p->options, entry) {
		printf("\toption ");
		print_string(o->name);
		putchar(' ');
		print_string(o->value);
		putchar('\n');
	}
}

static void
print_plugin(const struct conf_plugin *p)
{
	const struct conf_pair	*o;

	printf("plugin ");
	print_string(p->name);
	printf(" {\n\t%s ", p->program ? "program" : "object");
	print_string(p->object);
	printf("\n\tpriority %u\n\ttimeout ", p->priority);
	print_time(p->timeout);
	printf("\n\tmemory ");
	print_size(p->memory);
	putchar('\n');
	if (p->size_max != INT64_MAX) {
		printf("\tmessage-size ");
		print_size(p->size_max);
		putchar('\n');
	}
	print_list("for", p->scope, p->nscope);
	print_list("address", p->address, p->naddress);
	if (p->bodies)
		printf("\tgrant bodies\n");
	if (p->exec)
		printf("\tgrant exec\n");
	print_list("grant exec", p->place, p->nplace);
	if (p->send_users)
		printf("\tgrant send users\n");
	if (p->state > 0) {
		printf("\tgrant state ");
		print_size(p->state);
		putchar('\n');
	}
	print_list("grant send", p->sender, p->nsender);
	TAILQ_FOREACH(o, &p->listens, entry)
		printf("\tgrant listen on %s port %s\n", o->name, o->value);
	TAILQ_FOREACH(o, &p->connects, entry)
		printf("\tgrant connect %s port %s\n", o->name, o->value);
	print_pairs(p);
	printf("%s%s}\n", p->required ? "\trequired\n" : "",
	    p->disabled ? "\tdisabled\n" : "");
}

static void
print_plugins(const struct conf *c)
{
	const struct conf_plugin	*p;

	printf("plugin users %u to %u\n", c->plug_uid_min, c->plug_uid_max);
	TAILQ_FOREACH(p, &c->plugins, entry)
		print_plugin(p);
}

static void
print_places(const struct conf *c)
{
	size_t	 i;

	printf("spool ");
	print_string(c->spool);
	putchar('\n');
	if (c->users_path != NULL) {
		printf("users ");
		print_string(c->users_path);
		putchar('\n');
	}
	printf("control socket ");
	print_string(c->control_path);
	if (c->control_ro_path != NULL) {
		printf(" read-only ");
		print_string(c->control_ro_path);
	}
	putchar('\n');
	for (i = 0; i < P_MAX; i++) {
		if (c->procuser[i] == NULL)
			continue;
		printf("user %s ", proc_name((enum proc_id)i));
		print_string(c->procuser[i]);
		putchar('\n');
	}
	if (c->nsoap != 0)
		printf("soap processes %u\n", c->nsoap);
	if (c->sandbox_required)
		printf("sandbox required\n");
}

static void
print_queue(const struct conf *c)
{
	printf("queue retry min ");
	print_time(c->retry_min);
	printf(" max ");
	print_time(c->retry_max);
	printf(" jitter %u%%\nqueue ttl ", c->retry_jitter);
	print_time(c->ttl);
	printf("\nqueue warn ");
	print_time(c->warn);
	putchar('\n');
}

static void
print_limits(const struct conf *c)
{
	size_t	 i;

	for (i = 0; i < LIM_MAX; i++) {
		printf("limit %s ", limit_rows[i].keyword);
		switch (limit_rows[i].unit) {
		case LU_BYTES:
			print_size(c->limit[i]);
			break;
		case LU_SECONDS:
			print_time(c->limit[i]);
			break;
		case LU_COUNT:
			printf("%" PRId64, c->limit[i]);
			break;
		}
		putchar('\n');
	}
}

void
conf_print(const struct conf *c)
{
	const struct conf_listen	*l;
	const struct conf_domain	*d;

	TAILQ_FOREACH(l, &c->listens, entry)
		printf("listen on %s port %u\n", l->addr, l->port);
	TAILQ_FOREACH(d, &c->domains, entry)
		print_domain(d);
	print_routing(c);
	print_places(c);
	print_queue(c);
	print_plugins(c);
	print_limits(c);
}
