/* SPDX-License-Identifier: ISC */
/*
 * The grammar of wsmtpd.conf(5), its lexer, and the judgement of single
 * values.  conf_parse() is called by the parent at start and on reload, and
 * by wsctl(8) for the paths; what needs a look at other files is check.c's.
 *
 * A word is a keyword only where it is not quoted.  Numbers are words, too:
 * the statement that wants one converts it, so that it can say what it
 * expected.  `parse.want` is what the grammar stands before; the reductions
 * of empty rules that set it need no look at the next token.
 */
%{
#include "compat.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "addr.h"
#include "conf.h"
#include "log.h"
#include "wsmtpd.h"

#ifndef PATH_SPOOL
#define PATH_SPOOL	"/var/spool/wsemail"
#endif
#ifndef PATH_CONTROL
#define PATH_CONTROL	"/var/run/wsmtpd.sock"
#endif
#ifndef PATH_CONTROL_RO
#define PATH_CONTROL_RO	"/var/run/wsmtpd-ro.sock"
#endif

#define FILE_SIZE_MAX	(4 << 20)
#define INCLUDE_MAX	8		/* files in files */
#define WORD_MAX	1024
#define SOAP_MAX	64		/* processes */
#define WORDS_MAX	64		/* in a line of a plug-in's block */

struct pooled {			/* a token's text, freed when all is read */
	SLIST_ENTRY(pooled) entry;
	char		 text[];
};

struct source {			/* a file that is being read */
	char		*path;
	char		*text, *p;
	dev_t		 dev;		/* which it is, whatever its name */
	ino_t		 ino;
	int		 line;
	int		 last;		/* the token before */
	struct source	*outer;
};

struct macro {
	char		*name, *value;
	int		 line;		/* 0: from the command line */
	TAILQ_ENTRY(macro) entry;
};

/* One statement may be given once, where it is not a list. */
enum once {
	ONCE_SPOOL, ONCE_USERS, ONCE_CONTROL, ONCE_RESOLVER, ONCE_SOAP,
	ONCE_MIN, ONCE_MAX, ONCE_JITTER, ONCE_TTL, ONCE_WARN, ONCE_SANDBOX,
	ONCE_TLS, ONCE_CLIENT, ONCE_CERT, ONCE_QUOTA
};

/* The one parse that runs; yyparse() takes no argument in every yacc. */
static struct {
	struct conf		*conf;
	struct source		*src;
	TAILQ_HEAD(, macro)	 macros;
	SLIST_HEAD(, pooled)	 pool;
	int			 errors;
	const char		*want;
	char			 got[WORD_MAX + 8];	/* the last token */
	int			 got_line;
	unsigned int		 once;		/* 1 << enum once */
	unsigned int		 limits_set[(LIM_MAX + 31) / 32];
	struct conf_domain	*domain;	/* whose block is open */
	struct conf_alias	*alias;		/* whose list is open */
	struct conf_plugin	*plugin;	/* whose block is open */
	char			*words[WORDS_MAX];	/* of its line */
	size_t			 nwords;
} parse = { .macros = TAILQ_HEAD_INITIALIZER(parse.macros) };

static int	 yylex(void);
static int	 yyparse(void);
static void	 yyerror(const char *);

static void	 parse_error(const char *, ...) __printflike(1, 2);
static void	 parse_expected(const char *, const char *got);
static int	 parse_once(enum once, const char *);
static int	 parse_number(const char *, int64_t, int64_t, int64_t *);
static int	 parse_scaled(const char *, const char *units,
		    const int64_t *factors, int64_t *);
static uint32_t	 parse_seconds(const char *, int64_t min);
static uint16_t	 parse_port(const char *);
static int	 parse_numeric(const char *, int *family);
static const char *parse_path(const char *);
static void	 parse_set_path(struct conf_blob *, const char *);
static int	 parse_overlap(const char *, const char *);
static void	 parse_listen(const char *, uint16_t);
static struct conf_domain *parse_domain_begin(const char *);
static void	 parse_domain_end(void);
static void	 parse_trust(const char *, const char *);
static void	 parse_alias_begin(const char *);
static void	 parse_alias_to(const char *);
static void	 parse_plugin_begin(const char *);
static void	 parse_plugin_word(const char *);
static void	 parse_plugin_words(void);
static void	 parse_plugin_end(void);
static void	 parse_plugin_users(const char *, const char *);
static void	 parse_tokens(const char *, const char *);
static void	 parse_route(const char *, const char *, uint16_t);
static void	 parse_resolver(const char *, uint16_t);
static void	 parse_user(const char *, const char *);
static void	 parse_limit(const char *, const char *);
static void	 parse_jitter(const char *);
static void	 parse_soap(const char *);
static void	 parse_macro(const char *, const char *, int line);
static const char *parse_macro_value(const char *);

static int	 source_push(const char *);
static void	 source_pop(void);
static int	 source_read(struct source *, int fd);
static int	 source_is_open(const struct source *);
static int	 lex_token(struct source *);
static int	 lex_quoted(struct source *);
static int	 lex_word(struct source *);
static int	 lex_macro(struct source *);
static int	 lex_keyword(const char *);
static int	 lex_string(const char *, int quoted);
static void	 parse_whole(const char *);
static char	*parse_strdup(const char *);
static const char *parse_pool(const char *);

#define WANT_STATEMENT	"a statement"
#define WANT_END	"the end of the line"
#define WANT_FILE	"a file name"
#define WANT_PORT	"a port from 1 to 65535"
#define WANT_TIME	"a time, as 30s, 15m, 4h or 5d"
#define WANT_USE	"extensions or attachments"
#define WANT_SIZE	"a number of octets, as 500K, 35M or 2G"
%}

%union {
	const char	*string;	/* in parse.pool */
	uint16_t	 port;
}

%token	ALIAS CA CERTIFICATE CLIENT CONTROL CRL DOMAIN FOR INCLUDE JITTER KEY
%token	LIMIT LISTEN MAX MIN ON PLUGIN PORT PROCESSES QUEUE QUOTA READONLY REQUIRED
%token	RESOLVER RETRY ROUTE SANDBOX SOAP SOCKET SPOOL TLS TO TOKENS TRUST TTL
%token	USER USERS WARN
%token	<string> STRING
%type	<string> crl readonly role file time
%type	<port> port optport

%%

conf	: /* empty */		{ parse.want = WANT_STATEMENT; }
	| conf '\n'		{ parse.want = WANT_STATEMENT; }
	| conf statement '\n'	{ parse.want = WANT_STATEMENT; }
	| conf include		{ parse.want = WANT_STATEMENT; }
	| conf error '\n'	{
		parse.domain = NULL;
		parse.alias = NULL;
		parse_plugin_end();
		parse.want = WANT_STATEMENT;
		yyerrok;
	}
	;

statement
	: macro
	| listen
	| domain
	| trust
	| alias
	| route
	| resolver
	| queue
	| limit
	| plugin
	| one
	;

/* The next token is read from the file only after this reduction. */
include	: INCLUDE file want_end '\n' {
		if (source_push($2) == -1)
			parse.errors++;
	}
	;

macro	: STRING want_equal '=' want_value STRING want_end {
		parse_macro($1, $5, parse.got_line);
	}
	;

listen	: LISTEN want_on ON want_address STRING port want_end {
		parse_listen($5, $6);
	}
	;

trust	: TRUST want_trust CA file crl want_end {
		parse_trust($4, $5);
	}
	| TRUST want_trust TOKENS want_tdomain STRING want_for FOR want_use STRING want_end {
		parse_tokens($5, $9);
	}
	;

crl	: want_crl		{ $$ = NULL; }
	| want_crl CRL file	{ $$ = $3; }
	;

file	: want_file STRING	{ $$ = parse_path($2); }
	;

port	: want_kport PORT want_port STRING {
		$$ = parse_port($4);
	}
	;

optport	: want_optport		{ $$ = 0; }
	| want_optport PORT want_port STRING {
		$$ = parse_port($4);
	}
	;

/* --- a hosted domain ----------------------------------------------------- */

domain	: DOMAIN want_domain STRING want_brace '{' {
		parse.domain = parse_domain_begin($3);
	} dlines dlast '}' {
		parse_domain_end();
		parse.want = WANT_END;
	}
	;

dlines	: want_dline
	| dlines '\n' want_dline
	| dlines dline '\n' want_dline
	| dlines error '\n' want_dline	{ yyerrok; }
	;

dlast	: /* empty */
	| dline
	| error
	;

dline	: CERTIFICATE file want_key KEY file {
		if (parse_once(ONCE_CERT, "certificate") == 0) {
			parse_set_path(&parse.domain->cert, $2);
			parse_set_path(&parse.domain->key, $5);
		}
		parse.want = WANT_END " or }";
	}
	| TLS want_cert CERTIFICATE file want_key KEY file {
		if (parse_once(ONCE_TLS, "tls certificate") == 0) {
			parse_set_path(&parse.domain->tls_cert, $4);
			parse_set_path(&parse.domain->tls_key, $7);
		}
		parse.want = WANT_END " or }";
	}
	| CLIENT want_ca CA file crl {
		if (parse_once(ONCE_CLIENT, "client ca") == 0) {
			parse_set_path(&parse.domain->client_ca, $4);
			parse_set_path(&parse.domain->client_crl, $5);
		}
	}
	| QUOTA want_size STRING {
		if (parse_once(ONCE_QUOTA, "quota") == 0 &&
		    parse_size($3, &parse.domain->quota) == -1)
			parse_expected(WANT_SIZE, $3);
		parse.want = WANT_END " or }";
	}
	;

/* --- where mail goes ----------------------------------------------------- */

alias	: ALIAS want_mail STRING want_to TO {
		parse_alias_begin($3);
		parse.want = "an address, or { for a list of them";
	} members {
		parse.alias = NULL;
		parse.want = WANT_END;
	}
	;

members	: STRING			{ parse_alias_to($1); }
	| '{' want_mails nls mlist '}'
	;

mlist	: STRING nls			{
		parse_alias_to($1);
		parse.want = "an address or }";
	}
	| mlist STRING nls		{
		parse_alias_to($2);
		parse.want = "an address or }";
	}
	| mlist ',' want_mails nls STRING nls {
		parse_alias_to($5);
		parse.want = "a comma or }";
	}
	;

nls	: /* empty */
	| nls '\n'
	;

route	: ROUTE want_rdomain STRING want_to TO want_host STRING port want_end {
		parse_route($3, $7, $8);
	}
	;

resolver
	: RESOLVER want_resolver STRING optport {
		parse_resolver($3, $4);
		parse.want = WANT_END;
	}
	;

/* --- plug-ins ------------------------------------------------------------ */

/* In the block all is a word: see lex_keyword() and parse_plugin.c. */
plugin	: PLUGIN want_plugin STRING want_brace '{' {
		parse_plugin_begin($3);
	} plines '}' {
		parse_plugin_words();
		parse_plugin_end();
		parse.want = WANT_END;
	}
	| PLUGIN want_plugin USERS want_number STRING want_to TO want_number STRING want_end {
		parse_plugin_users($5, $9);
	}
	;

plines	: want_pline
	| plines STRING			{ parse_plugin_word($2); }
	| plines '\n' want_pline	{ parse_plugin_words(); }
	| plines error '\n' want_pline	{
		parse.nwords = 0;
		yyerrok;
	}
	;

/* --- the queue and the limits -------------------------------------------- */

queue	: QUEUE want_queue RETRY want_retry retries
	| QUEUE want_queue TTL time want_end {
		if (parse_once(ONCE_TTL, "queue ttl") == 0)
			parse.conf->ttl = parse_seconds($4, 1);
	}
	| QUEUE want_queue WARN time want_end {
		if (parse_once(ONCE_WARN, "queue warn") == 0)
			parse.conf->warn = parse_seconds($4, 0);
	}
	;

retries	: retry
	| retries retry
	;

retry	: MIN time {
		if (parse_once(ONCE_MIN, "queue retry min") == 0)
			parse.conf->retry_min = parse_seconds($2, 1);
		parse.want = "max, jitter or " WANT_END;
	}
	| MAX time {
		if (parse_once(ONCE_MAX, "queue retry max") == 0)
			parse.conf->retry_max = parse_seconds($2, 1);
		parse.want = "min, jitter or " WANT_END;
	}
	| JITTER want_percent STRING {
		parse_jitter($3);
		parse.want = "min, max or " WANT_END;
	}
	;

time	: want_time STRING		{ $$ = $2; }
	;

limit	: LIMIT want_limit STRING want_lvalue STRING want_end {
		parse_limit($3, $5);
	}
	;

/* --- what is given once -------------------------------------------------- */

one	: SPOOL file want_end {
		if (parse_once(ONCE_SPOOL, "spool") == 0)
			parse.conf->spool = parse_strdup($2);
	}
	| USERS file want_end {
		if (parse_once(ONCE_USERS, "users") == 0)
			parse.conf->users_path = parse_strdup($2);
	}
	| CONTROL want_socket SOCKET file readonly {
		if (parse_once(ONCE_CONTROL, "control socket") == 0) {
			parse.conf->control_path = parse_strdup($4);
			if ($5 != NULL)
				parse.conf->control_ro_path =
				    parse_strdup($5);
		}
		parse.want = WANT_END;
	}
	| USER want_role role want_user STRING want_end {
		parse_user($3, $5);
	}
	| SOAP want_processes PROCESSES want_number STRING want_end {
		parse_soap($5);
	}
	| SANDBOX want_required REQUIRED want_end {
		if (parse_once(ONCE_SANDBOX, "sandbox") == 0)
			parse.conf->sandbox_required = 1;
	}
	;

/* Some of the names are keywords elsewhere. */
role	: STRING			{ $$ = $1; }
	| CONTROL			{ $$ = "control"; }
	| QUEUE				{ $$ = "queue"; }
	| SOAP				{ $$ = "soap"; }
	;

readonly
	: want_readonly			{ $$ = NULL; }
	| want_readonly READONLY file	{ $$ = $3; }
	;

/* --- what is expected next ----------------------------------------------- */

want_address: { parse.want = "a numeric address or *"; };
want_brace:   { parse.want = "{"; };
want_ca:      { parse.want = "ca"; };
want_cert:    { parse.want = "certificate"; };
want_crl:     { parse.want = "crl or " WANT_END; };
want_dline:   { parse.want = "certificate, tls, client, quota or }"; };
want_domain:  { parse.want = "a domain"; };
want_end:     { parse.want = WANT_END; };
want_equal:   { parse.want = "a keyword to begin with, or = after a macro"; };
want_file:    { parse.want = WANT_FILE; };
want_for:     { parse.want = "for"; };
want_host:    { parse.want = "a host"; };
want_key:     { parse.want = "key"; };
want_kport:   { parse.want = "port"; };
want_limit:   { parse.want = "the name of a limit"; };
want_lvalue:  { parse.want = "the limit's value"; };
want_mail:    { parse.want = "an address"; };
want_mails:   { parse.want = "an address"; };
want_number:  { parse.want = "a number"; };
want_on:      { parse.want = "on"; };
want_optport: { parse.want = "port or " WANT_END; };
want_percent: { parse.want = "a percentage from 0% to 50%"; };
want_pline:   { parse.want = "a word, " WANT_END " or }"; };
want_plugin:  { parse.want = "the name of a plug-in, or users"; };
want_port:    { parse.want = WANT_PORT; };
want_processes: { parse.want = "processes"; };
want_queue:   { parse.want = "retry, ttl or warn"; };
want_rdomain: { parse.want = "a domain or \"*\""; };
want_readonly: { parse.want = "read-only or " WANT_END; };
want_required: { parse.want = "required"; };
want_resolver: { parse.want = "a numeric address"; };
want_retry:   { parse.want = "min, max or jitter"; };
want_role:    { parse.want = "the name of a process"; };
want_size:    { parse.want = WANT_SIZE; };
want_socket:  { parse.want = "socket"; };
want_tdomain: { parse.want = "a domain, any or none"; };
want_time:    { parse.want = WANT_TIME; };
want_to:      { parse.want = "to"; };
want_trust:   { parse.want = "ca or tokens"; };
want_use:     { parse.want = WANT_USE; };
want_user:    { parse.want = "a user of the system"; };
want_value:   { parse.want = "the macro's value"; };

%%

/* --- errors -------------------------------------------------------------- */

/* At the line of the last token. */
static void
parse_error(const char *fmt, ...)
{
	char	 text[WORD_MAX * 2];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warnx("%s:%d: %s", parse.src->path, parse.got_line, text);
	parse.errors++;
}

static void
parse_expected(const char *want, const char *got)
{
	parse_error("expected %s, got \"%s\"", want, got);
}

/* yacc's own text is the same for every error. */
static void
yyerror(const char *msg)
{
	(void)msg;
	parse_error("expected %s, got %s", parse.want, parse.got);
}

static int
parse_once(enum once what, const char *name)
{
	if ((parse.once & (1U << what)) != 0) {
		parse_error("expected %s only once, got a second one", name);
		return -1;
	}
	parse.once |= 1U << what;
	return 0;
}

static char *
parse_strdup(const char *s)
{
	char	*copy;

	if ((copy = strdup(s)) == NULL)
		fatal(NULL);
	return copy;
}

/* Strings that belong to the parse: an error drops them wherever it strikes. */
static const char *
parse_pool(const char *s)
{
	struct pooled	*p;
	size_t		 n = strlen(s) + 1;

	if ((p = malloc(sizeof(*p) + n)) == NULL)
		fatal(NULL);
	memcpy(p->text, s, n);
	SLIST_INSERT_HEAD(&parse.pool, p, entry);
	return p->text;
}

/* --- values -------------------------------------------------------------- */

static int
parse_number(const char *s, int64_t min, int64_t max, int64_t *out)
{
	const char	*why;
	long long	 n;

	if (s[0] == '\0' || strspn(s, "0123456789") != strlen(s))
		return -1;
	n = strtonum(s, min, max, &why);
	if (why != NULL)
		return -1;
	*out = n;
	return 0;
}

/* Digits and at most one letter of units. */
static int
parse_scaled(const char *s, const char *units, const int64_t *factors,
    int64_t *out)
{
	char		 digits[32];
	const char	*unit;
	size_t		 n = strspn(s, "0123456789");
	int64_t		 f = 1, v;

	if (n == 0 || n >= sizeof(digits))
		return -1;
	if (s[n] != '\0') {
		if ((unit = strchr(units, s[n])) == NULL || s[n + 1] != '\0')
			return -1;
		f = factors[unit - units];
	}
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (parse_number(digits, 0, INT64_MAX / f, &v) == -1)
		return -1;
	*out = v * f;
	return 0;
}

int
parse_size(const char *s, int64_t *out)
{
	static const int64_t	 f[] = { 1LL << 10, 1LL << 20, 1LL << 30,
				    1LL << 40 };

	return parse_scaled(s, "KMGT", f, out);
}

int
parse_time(const char *s, int64_t *out)
{
	static const int64_t	 f[] = { 1, 60, 3600, 86400 };

	return parse_scaled(s, "smhd", f, out);
}

/* Of the queue: a year at most. */
static uint32_t
parse_seconds(const char *s, int64_t min)
{
	int64_t	 v;

	if (parse_time(s, &v) == -1)
		parse_expected(WANT_TIME, s);
	else if (v < min || v > 366 * 86400)
		parse_error("expected a time from %llds to 366d, got \"%s\"",
		    (long long)min, s);
	else
		return (uint32_t)v;
	return 1;
}

static uint16_t
parse_port(const char *s)
{
	int64_t	 v;

	if (parse_number(s, 1, 65535, &v) == -1) {
		parse_expected(WANT_PORT, s);
		return 0;
	}
	return (uint16_t)v;
}

static int
parse_numeric(const char *s, int *family)
{
	struct in6_addr	 buf;

	*family = strchr(s, ':') == NULL ? AF_INET : AF_INET6;
	return inet_pton(*family, s, &buf) == 1 ? 0 : -1;
}

/*
 * The daemon changes its directory and is told to reload much later: a name
 * that is relative would mean another file then.
 */
static const char *
parse_path(const char *s)
{
	if (s[0] != '/')
		parse_error("expected a path from the root, got \"%s\"", s);
	return s;
}

static void
parse_set_path(struct conf_blob *b, const char *path)
{
	free(b->path);
	b->path = path == NULL ? NULL : parse_strdup(path);
}

/* --- statements ---------------------------------------------------------- */

/* Would the second of two listeners on one port find it taken? */
static int
parse_overlap(const char *a, const char *b)
{
	const char	*any = strchr(a, ':') == NULL ? "0.0.0.0" : "::";

	if (strcmp(a, "*") == 0 || strcmp(b, "*") == 0)
		return 1;
	if ((strchr(a, ':') == NULL) != (strchr(b, ':') == NULL))
		return 0;
	return strcmp(a, any) == 0 || strcmp(b, any) == 0;
}

static void
parse_listen(const char *text, uint16_t port)
{
	struct conf_listen	*l;
	struct in6_addr		 bin;
	char			 addr[INET6_ADDRSTRLEN] = "*";
	int			 family;

	if (strcmp(text, "*") != 0) {
		if (parse_numeric(text, &family) == -1) {
			parse_expected("a numeric address or *", text);
			return;
		}
		/* One of several ways to write it. */
		if (inet_pton(family, text, &bin) != 1 ||
		    inet_ntop(family, &bin, addr, sizeof(addr)) == NULL)
			fatal("%s", text);
	}
	if (port == 0)			/* complained about */
		return;
	TAILQ_FOREACH(l, &parse.conf->listens, entry)
		if (l->port == port && strcmp(l->addr, addr) == 0) {
			parse_error("expected each listener once, got \"%s\" "
			    "port %u again", text, port);
			return;
		} else if (l->port == port && parse_overlap(l->addr, addr)) {
			parse_error("expected listeners apart, got \"%s\" port "
			    "%u beside \"%s\"", text, port, l->addr);
			return;
		}
	if ((l = calloc(1, sizeof(*l))) == NULL)
		fatal(NULL);
	l->addr = parse_strdup(addr);
	l->port = port;
	TAILQ_INSERT_TAIL(&parse.conf->listens, l, entry);
}

/* Always an object, so that its lines have somewhere to go. */
static struct conf_domain *
parse_domain_begin(const char *name)
{
	struct conf_domain	*d;
	char			 norm[ADDR_DOMAIN_MAX + 1];

	parse.once &= (1U << ONCE_TLS) - 1;	/* those of a block come last */
	if (addr_domain_normalize(name, norm, sizeof(norm)) == -1) {
		parse_expected("a domain", name);
		strlcpy(norm, "invalid", sizeof(norm));
	} else if (conf_domain(parse.conf, norm) != NULL)
		parse_error("expected each domain once, got \"%s\" again",
		    norm);
	if ((d = calloc(1, sizeof(*d))) == NULL)
		fatal(NULL);
	d->name = parse_strdup(norm);
	d->quota = -1;
	TAILQ_INSERT_TAIL(&parse.conf->domains, d, entry);
	return d;
}

static void
parse_domain_end(void)
{
	struct conf_domain	*d = parse.domain;

	if (d->cert.path == NULL)
		parse_error("expected a certificate and key in domain \"%s\", "
		    "got none", d->name);
	else if (d->tls_cert.path == NULL) {
		d->tls_cert.path = parse_strdup(d->cert.path);
		d->tls_key.path = parse_strdup(d->key.path);
	}
	parse.domain = NULL;
}

static void
parse_trust(const char *ca, const char *crl)
{
	struct conf_trust	*t;

	TAILQ_FOREACH(t, &parse.conf->trusts, entry)
		if (strcmp(t->ca.path, ca) == 0) {
			parse_error("expected each ca once, got \"%s\" again",
			    ca);
			return;
		}
	if ((t = calloc(1, sizeof(*t))) == NULL)
		fatal(NULL);
	parse_set_path(&t->ca, ca);
	parse_set_path(&t->crl, crl);
	TAILQ_INSERT_TAIL(&parse.conf->trusts, t, entry);
}

static void
parse_alias_begin(const char *name)
{
	struct conf_alias	*a;
	char			 norm[ADDR_MAX + 1];

	if (addr_normalize(name, norm, sizeof(norm)) == -1) {
		parse_expected("an address, user@domain", name);
		strlcpy(norm, "invalid@invalid", sizeof(norm));
	} else if (conf_alias(parse.conf, norm) != NULL)
		parse_error("expected each alias once, got \"%s\" again",
		    norm);
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal(NULL);
	a->name = parse_strdup(norm);
	TAILQ_INSERT_TAIL(&parse.conf->aliases, a, entry);
	parse.alias = a;
}

static void
parse_alias_to(const char *to)
{
	struct conf_alias	*a = parse.alias;
	char			 norm[ADDR_MAX + 1];
	size_t			 i;

	if (addr_normalize(to, norm, sizeof(norm)) == -1) {
		parse_expected("an address, user@domain", to);
		return;
	}
	if (strcmp(norm, a->name) == 0)
		parse_error("expected another address, got alias \"%s\" itself",
		    norm);
	for (i = 0; i < a->nto; i++)
		if (strcmp(a->to[i], norm) == 0) {
			parse_error("expected each member once, got \"%s\" "
			    "again", norm);
			return;
		}
	if ((a->to = reallocarray(a->to, a->nto + 1, sizeof(*a->to))) == NULL)
		fatal(NULL);
	a->to[a->nto++] = parse_strdup(norm);
}

static void
parse_plugin_begin(const char *name)
{
	struct conf_plugin	*p;

	if (!parse_plugin_name(name)) {
		parse_expected("a name of up to 32 of a-z, 0-9 and -", name);
		name = "invalid";
	} else if (conf_plugin(parse.conf, name) != NULL)
		parse_error("expected each plug-in once, got \"%s\" again",
		    name);
	if ((p = conf_plugin_new(name)) == NULL)
		fatal(NULL);
	TAILQ_INSERT_TAIL(&parse.conf->plugins, p, entry);
	parse.plugin = p;
	parse.nwords = 0;
}

static void
parse_plugin_word(const char *s)
{
	if (parse.nwords == nitems(parse.words))
		parse_error("expected at most %d words in a line", WORDS_MAX);
	else
		parse.words[parse.nwords++] = (char *)(uintptr_t)parse_pool(s);
}

/* The end of a line of the block. */
static void
parse_plugin_words(void)
{
	char	 why[WORD_MAX + 256];

	if (parse.nwords > 0 && parse_plugin_line(parse.plugin, parse.words,
	    parse.nwords, why, sizeof(why)) == -1)
		parse_error("%s", why);
	parse.nwords = 0;
}

static void
parse_plugin_end(void)
{
	if (parse.plugin != NULL && parse.plugin->object != NULL &&
	    parse.plugin->program && !parse.plugin->exec)
		parse_error("expected grant exec in plug-in \"%s\", which is "
		    "a program", parse.plugin->name);
	if (parse.plugin != NULL && parse.plugin->object == NULL)
		parse_error("expected an object in plug-in \"%s\", got none",
		    parse.plugin->name);
	parse.plugin = NULL;
}

static void
parse_plugin_users(const char *min, const char *max)
{
	int64_t	 lo, hi;

	if (parse_number(min, 1, UINT32_MAX - 1, &lo) == -1)
		parse_expected("a number of a user", min);
	else if (parse_number(max, lo, UINT32_MAX - 1, &hi) == -1)
		parse_expected("a number that is not less", max);
	else {
		parse.conf->plug_uid_min = (uint32_t)lo;
		parse.conf->plug_uid_max = (uint32_t)hi;
	}
}

/* Whose tokens are honoured, and for what. */
static void
parse_tokens(const char *domain, const char *use)
{
	char	 norm[ADDR_DOMAIN_MAX + 1] = TOKEN_ANY;

	if (strcmp(use, TOKEN_EXTENSIONS) != 0 &&
	    strcmp(use, TOKEN_ATTACHMENTS) != 0)
		parse_expected(WANT_USE, use);
	else if (strcmp(domain, TOKEN_ANY) != 0 &&
	    addr_domain_normalize(domain, norm, sizeof(norm)) == -1)
		parse_expected("a domain, any or none", domain);
	else if (conf_pair_add(&parse.conf->tokens, norm, use) == -1)
		fatal("memory");
}

static void
parse_route(const char *domain, const char *host, uint16_t port)
{
	struct conf_route	*r;
	char			 dnorm[ADDR_DOMAIN_MAX + 1];
	char			 hnorm[ADDR_DOMAIN_MAX + 1];
	int			 family;

	if (strcmp(domain, "*") == 0)
		strlcpy(dnorm, domain, sizeof(dnorm));
	else if (addr_domain_normalize(domain, dnorm, sizeof(dnorm)) == -1) {
		parse_expected("a domain or \"*\"", domain);
		return;
	}
	if (parse_numeric(host, &family) == 0)
		strlcpy(hnorm, host, sizeof(hnorm));
	else if (addr_domain_normalize(host, hnorm, sizeof(hnorm)) == -1) {
		parse_expected("a host", host);
		return;
	}
	TAILQ_FOREACH(r, &parse.conf->routes, entry)
		if (strcmp(r->domain, dnorm) == 0) {
			parse_error("expected one route for a domain, got a "
			    "second for \"%s\"", dnorm);
			return;
		}
	if ((r = calloc(1, sizeof(*r))) == NULL)
		fatal(NULL);
	r->domain = parse_strdup(dnorm);
	r->host = parse_strdup(hnorm);
	r->port = port;
	TAILQ_INSERT_TAIL(&parse.conf->routes, r, entry);
}

static void
parse_resolver(const char *addr, uint16_t port)
{
	char	 buf[WORD_MAX + 16];
	int	 family;

	if (parse_numeric(addr, &family) == -1)
		parse_expected("a numeric address", addr);
	else if (parse_once(ONCE_RESOLVER, "resolver") == 0) {
		snprintf(buf, sizeof(buf), family == AF_INET6 ? "[%s]:%u" :
		    "%s:%u", addr, port == 0 ? 53 : port);
		parse.conf->resolver = parse_strdup(buf);
	}
}

/* Only the roles that are started: proto.h has more. */
static void
parse_user(const char *role, const char *user)
{
	static const enum proc_id	 roles[] = { P_CONTROL, P_FRONTEND,
					    P_SOAP, P_KEYS, P_RELAY, P_QUEUE,
					    P_LOCAL, P_ATTACH };
	size_t				 i;

	for (i = 0; i < nitems(roles); i++)
		if (strcmp(proc_name(roles[i]), role) == 0)
			break;
	if (i == nitems(roles))
		parse_expected("control, frontend, soap, keys, relay, queue, "
		    "local or attach", role);
	else if (parse.conf->procuser[roles[i]] != NULL)
		parse_error("expected one user for %s, got a second", role);
	else
		parse.conf->procuser[roles[i]] = parse_strdup(user);
}

static void
parse_limit(const char *keyword, const char *value)
{
	const struct limit_row	*l;
	int64_t			 v;
	int			 bad;

	if ((l = limit_find(keyword)) == NULL) {
		parse_expected("the name of a limit", keyword);
		return;
	}
	if (parse.limits_set[l->id / 32] & (1U << l->id % 32)) {
		parse_error("expected each limit once, got \"%s\" again",
		    keyword);
		return;
	}
	parse.limits_set[l->id / 32] |= 1U << l->id % 32;
	switch (l->unit) {
	case LU_BYTES:
		bad = parse_size(value, &v) == -1;
		break;
	case LU_SECONDS:
		bad = parse_time(value, &v) == -1;
		break;
	default:
		bad = parse_number(value, 0, INT64_MAX, &v) == -1;
		break;
	}
	if (bad)
		parse_expected(l->unit == LU_BYTES ? WANT_SIZE :
		    l->unit == LU_SECONDS ? WANT_TIME : "a number", value);
	else if (v < l->min || v > l->max)
		parse_error("expected %s from %lld to %lld%s, got \"%s\"",
		    keyword, (long long)l->min, (long long)l->max,
		    l->unit == LU_BYTES ? " octets" :
		    l->unit == LU_SECONDS ? " seconds" : "", value);
	else
		parse.conf->limit[l->id] = v;
}

static void
parse_jitter(const char *s)
{
	char	 digits[8];
	size_t	 n = strlen(s);
	int64_t	 v;

	if (parse_once(ONCE_JITTER, "queue retry jitter") == -1)
		return;
	if (n > 1 && n <= sizeof(digits) && s[n - 1] == '%') {
		memcpy(digits, s, n - 1);
		digits[n - 1] = '\0';
		if (parse_number(digits, 0, 50, &v) == 0) {
			parse.conf->retry_jitter = (uint32_t)v;
			return;
		}
	}
	parse_expected("a percentage from 0% to 50%", s);
}

static void
parse_soap(const char *s)
{
	int64_t	 v;

	if (parse_once(ONCE_SOAP, "soap processes") == 0) {
		if (parse_number(s, 1, SOAP_MAX, &v) == -1)
			parse_error("expected a number from 1 to %d, got "
			    "\"%s\"", SOAP_MAX, s);
		else
			parse.conf->nsoap = (uint32_t)v;
	}
}

/* --- macros -------------------------------------------------------------- */

/* One of the command line (line 0) stands, whatever the file says. */
static void
parse_macro(const char *name, const char *value, int line)
{
	struct macro	*m;

	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789_") != strlen(name) || isdigit((unsigned char)name[0]))
		parse_expected("a macro's name of letters, digits and _",
		    name);
	TAILQ_FOREACH(m, &parse.macros, entry)
		if (strcmp(m->name, name) == 0)
			break;
	if (m != NULL) {
		if (m->line != 0)
			parse_error("expected each macro once, got \"%s\" "
			    "again", name);
		return;
	}
	if ((m = calloc(1, sizeof(*m))) == NULL)
		fatal(NULL);
	m->name = parse_strdup(name);
	m->value = parse_strdup(value);
	m->line = line;
	TAILQ_INSERT_TAIL(&parse.macros, m, entry);
}

static const char *
parse_macro_value(const char *name)
{
	struct macro	*m;

	TAILQ_FOREACH(m, &parse.macros, entry)
		if (strcmp(m->name, name) == 0)
			return m->value;
	return NULL;
}

int
parse_set_macro(const char *arg)
{
	const char	*eq = strchr(arg, '=');
	struct macro	*m;

	if (eq == NULL || eq == arg || (m = calloc(1, sizeof(*m))) == NULL)
		return -1;
	if ((m->name = strndup(arg, (size_t)(eq - arg))) == NULL)
		fatal(NULL);
	m->value = parse_strdup(eq + 1);
	TAILQ_INSERT_TAIL(&parse.macros, m, entry);
	return 0;
}

/* --- files --------------------------------------------------------------- */

/* Makes it the source of the next token.  0, or -1: said. */
static int
source_push(const char *path)
{
	struct source	*s, *o;
	int		 depth = 0, fd;

	for (o = parse.src; o != NULL; o = o->outer)
		if (++depth > INCLUDE_MAX) {
			log_warnx("%s:%d: expected at most %d files that "
			    "include each other, got \"%s\"", parse.src->path,
			    parse.got_line, INCLUDE_MAX, path);
			return -1;
		}
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		if (parse.src != NULL)
			log_warn("%s:%d: %s", parse.src->path, parse.got_line,
			    path);
		else
			log_warn("%s", path);
		return -1;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal(NULL);
	s->path = parse_strdup(path);
	s->line = 1;
	s->last = '\n';
	if (source_read(s, fd) == -1 || source_is_open(s)) {
		close(fd);
		free(s->text);
		free(s->path);
		free(s);
		return -1;
	}
	close(fd);
	s->p = s->text;
	s->outer = parse.src;
	parse.src = s;
	return 0;
}

static int
source_read(struct source *s, int fd)
{
	struct stat	 st;
	size_t		 len = 0, size;
	ssize_t		 n;

	if (fstat(fd, &st) == -1) {
		log_warn("%s", s->path);
		return -1;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX) {
		log_warnx("%s: expected a regular file of at most %d octets",
		    s->path, FILE_SIZE_MAX);
		return -1;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	size = (size_t)st.st_size;
	if ((s->text = malloc(size + 1)) == NULL)
		fatal(NULL);
	while (len < size && (n = read(fd, s->text + len, size - len)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			log_warn("%s", s->path);
			return -1;
		}
		len += (size_t)n;
	}
	s->text[len] = '\0';
	if (strlen(s->text) != len) {
		log_warnx("%s: expected text, got a NUL octet", s->path);
		return -1;
	}
	return 0;
}

/*
 * The limit of depth alone would not do: a file that names itself ten times
 * is read 10^8 times before all of it was said to be too deep.
 */
static int
source_is_open(const struct source *s)
{
	struct source	*o;

	for (o = parse.src; o != NULL; o = o->outer)
		if (o->dev == s->dev && o->ino == s->ino) {
			log_warnx("%s:%d: expected a file that does not "
			    "include itself, got \"%s\"", parse.src->path,
			    parse.got_line, s->path);
			return 1;
		}
	return 0;
}

static void
source_pop(void)
{
	struct source	*s = parse.src;

	parse.src = s->outer;
	free(s->path);
	free(s->text);
	free(s);
}

/* --- the lexer ----------------------------------------------------------- */

static int
lex_keyword(const char *s)
{
	static const struct {
		const char	*word;
		int		 token;
	} words[] = {
		{ "alias",	ALIAS },	{ "ca",		CA },
		{ "certificate", CERTIFICATE },	{ "client",	CLIENT },
		{ "control",	CONTROL },	{ "crl",	CRL },
		{ "domain",	DOMAIN },	{ "for",	FOR },
		{ "include",	INCLUDE },
		{ "jitter",	JITTER },	{ "key",	KEY },
		{ "limit",	LIMIT },	{ "listen",	LISTEN },
		{ "max",	MAX },		{ "min",	MIN },
		{ "on",		ON },		{ "plugin",	PLUGIN },
		{ "port",	PORT },
		{ "processes",	PROCESSES },	{ "queue",	QUEUE },
		{ "quota",	QUOTA },	{ "read-only",	READONLY },
		{ "required",	REQUIRED },	{ "resolver",	RESOLVER },
		{ "retry",	RETRY },	{ "route",	ROUTE },
		{ "sandbox",	SANDBOX },	{ "soap",	SOAP },
		{ "socket",	SOCKET },	{ "spool",	SPOOL },
		{ "tls",	TLS },		{ "to",		TO },
		{ "tokens",	TOKENS },
		{ "trust",	TRUST },	{ "ttl",	TTL },
		{ "user",	USER },		{ "users",	USERS },
		{ "warn",	WARN },
	};
	size_t	 i;

	if (parse.plugin != NULL)
		return STRING;
	for (i = 0; i < nitems(words); i++)
		if (strcmp(words[i].word, s) == 0)
			return words[i].token;
	return STRING;
}

/* A file that does not end in a newline is given one. */
static int
yylex(void)
{
	struct source	*s;
	int		 token;

	for (;;) {
		s = parse.src;
		token = lex_token(s);
		if (token == 0 && s->last != '\n')
			token = '\n';
		if (token != 0) {
			s->last = token;
			return token;
		}
		parse.got_line = s->line;
		if (s->outer == NULL) {
			strlcpy(parse.got, "the end of the file",
			    sizeof(parse.got));
			return 0;
		}
		source_pop();
	}
}

/* What is "got" when it is not what was wanted; 0 at the end of the file. */
static int
lex_token(struct source *s)
{
	while (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' ||
	    (*s->p == '\\' && s->p[1] == '\n')) {
		if (*s->p == '\\') {
			s->line++;
			s->p++;
		}
		s->p++;
	}
	if (*s->p == '#')
		s->p += strcspn(s->p, "\n");
	parse.got_line = s->line;
	switch (*s->p) {
	case '\0':
		strlcpy(parse.got, "the end of the file", sizeof(parse.got));
		return 0;
	case '\n':
		s->line++;
		s->p++;
		strlcpy(parse.got, WANT_END, sizeof(parse.got));
		return '\n';
	case ';':
		s->p++;
		strlcpy(parse.got, "\";\"", sizeof(parse.got));
		return '\n';
	case '{':
	case '}':
	case ',':
	case '=':
		snprintf(parse.got, sizeof(parse.got), "\"%c\"", *s->p);
		return *s->p++;
	case '"':
		return lex_quoted(s);
	case '$':
		return lex_macro(s);
	default:
		return lex_word(s);
	}
}

/* A STRING, or a keyword; remembered for messages. */
static int
lex_string(const char *text, int quoted)
{
	int	 token = quoted ? STRING : lex_keyword(text);

	snprintf(parse.got, sizeof(parse.got), "\"%s\"", text);
	if (token == STRING)
		yylval.string = parse_pool(text);
	return token;
}

/* Between quotes a backslash stands before " and \ alone. */
static int
lex_quoted(struct source *s)
{
	char	 buf[WORD_MAX];
	size_t	 n = 0;

	for (s->p++; *s->p != '"'; s->p++) {
		if (*s->p == '\0' || *s->p == '\n') {
			parse_error("expected \", got %s", *s->p == '\n' ?
			    WANT_END : "the end of the file");
			return lex_string("", 1);
		}
		if (*s->p == '\\' && (s->p[1] == '"' || s->p[1] == '\\'))
			s->p++;
		if (n == sizeof(buf) - 1) {
			parse_error("expected a string of less than %d octets",
			    WORD_MAX);
			n = 0;
		}
		buf[n++] = *s->p;
	}
	s->p++;
	buf[n] = '\0';
	return lex_string(buf, 1);
}

static int
lex_word(struct source *s)
{
	char	 buf[WORD_MAX];
	size_t	 n = strcspn(s->p, " \t\r\n;{},=\"#$\\");

	if (n == 0)		/* a lone backslash */
		n = 1;
	if (n >= sizeof(buf)) {
		parse_error("expected a word of less than %d octets", WORD_MAX);
		s->p += n;
		return lex_string("", 1);
	}
	memcpy(buf, s->p, n);
	buf[n] = '\0';
	s->p += n;
	return lex_string(buf, 0);
}

/* $name stands for one string, whatever is in it. */
static int
lex_macro(struct source *s)
{
	const char	*value;
	char		 name[WORD_MAX];
	size_t		 n = 0;

	s->p++;
	while ((isalnum((unsigned char)*s->p) || *s->p == '_') &&
	    n < sizeof(name) - 1)
		name[n++] = *s->p++;
	name[n] = '\0';
	if ((value = parse_macro_value(name)) == NULL) {
		parse_error("expected the name of a macro, got \"$%s\"", name);
		value = "";
	}
	return lex_string(value, 1);
}

/* --- the whole ----------------------------------------------------------- */

/* What can be said only when all is read. */
static void
parse_whole(const char *path)
{
	struct conf		*c = parse.conf;
	struct conf_alias	*a;

	if (TAILQ_EMPTY(&c->listens)) {
		log_warnx("%s: expected a listener (listen on ADDRESS port "
		    "NUMBER), got none", path);
		parse.errors++;
	}
	if (TAILQ_EMPTY(&c->domains)) {
		log_warnx("%s: expected a domain, got none", path);
		parse.errors++;
	}
	TAILQ_FOREACH(a, &c->aliases, entry)
		if (conf_domain(c, addr_domain(a->name)) == NULL) {
			log_warnx("%s: expected an alias in a domain that is "
			    "served here, got \"%s\"", path, a->name);
			parse.errors++;
		}
	if (c->retry_min > c->retry_max) {
		log_warnx("%s: expected queue retry min %u to be at most "
		    "max %u", path, c->retry_min, c->retry_max);
		parse.errors++;
	}
	if (c->warn >= c->ttl && c->warn != 0) {
		if (parse.once & (1U << ONCE_WARN)) {
			log_warnx("%s: expected queue warn %u to be less than "
			    "ttl %u", path, c->warn, c->ttl);
			parse.errors++;
		} else		/* the default, against a short ttl */
			c->warn = 0;
	}
	if (c->spool == NULL)
		c->spool = parse_strdup(PATH_SPOOL);
	if (c->control_path == NULL) {
		c->control_path = parse_strdup(PATH_CONTROL);
		c->control_ro_path = parse_strdup(PATH_CONTROL_RO);
	}
}

struct conf *
conf_parse(const char *path)
{
	struct macro	*m, *next;
	struct pooled	*s;

	parse.errors = 0;
	parse.once = 0;
	parse.domain = NULL;
	parse.alias = NULL;
	parse.plugin = NULL;
	parse.nwords = 0;
	parse.src = NULL;
	memset(parse.limits_set, 0, sizeof(parse.limits_set));
	if ((parse.conf = conf_new()) == NULL)
		fatal(NULL);
	parse.conf->path = parse_strdup(path);
	if (source_push(path) == -1)
		parse.errors++;
	else {
		if (yyparse() != 0)
			parse.errors++;
		while (parse.src != NULL)
			source_pop();
		if (parse.errors == 0)
			parse_whole(path);
	}
	while ((s = SLIST_FIRST(&parse.pool)) != NULL) {
		SLIST_REMOVE_HEAD(&parse.pool, entry);
		free(s);
	}
	/* The file's macros end with it; those of the command line stay. */
	TAILQ_FOREACH_SAFE(m, &parse.macros, entry, next)
		if (m->line != 0) {
			TAILQ_REMOVE(&parse.macros, m, entry);
			free(m->name);
			free(m->value);
			free(m);
		}
	if (parse.errors != 0) {
		conf_free(parse.conf);
		parse.conf = NULL;
	}
	return parse.conf;
}
