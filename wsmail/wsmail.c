/* SPDX-License-Identifier: ISC */
/* wsmail(1): options, the account, and the command's function. */
#include "compat.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "addr.h"
#include "textout.h"
#include "wsmail.h"

static const struct command {
	const char	*name;
	int		(*fn)(struct session *, int, char **);
	const char	*args;
} commands[] = {
	{ "attach",	cmd_attach,	"list | show id | grant id address ... | revoke id address ... | expire id time|never | withdraw id | update id file" },
	{ "delete",	cmd_delete,	"id ..." },
	{ "extension",	cmd_extension,	"identifier [method [name=text ...]]" },
	{ "fetch",	cmd_fetch,	"[-H host:port] [-o file|directory] [-v version|newest] id [number|name ...]" },
	{ "im",		cmd_im,		"[-D] [address ...]" },
	{ "list",	cmd_list,	"[-b before] [-c change] [-n count] [-s since]" },
	{ "save",	cmd_save,	"id file" },
	{ "send",	cmd_send,	"[-DI] [-A file [-N description] [-t type]] [-b bcc] [-i message-id] [-r id] [-s subject] [recipient ...]" },
	{ "show",	cmd_show,	"id" },
	{ "token",	cmd_token,	"domain file" },
	{ "verify",	cmd_verify,	"id | -f file" },
	{ "wait",	cmd_wait,	"[-e] [-c change] [-t seconds]" },
};

static const struct command *command_find(const char *);
static int	 run(const struct account *, const struct command *, int,
		    char **);
static int	 run_token(const struct account *, const char *, const char *,
		    const struct command *, int, char **);
static int	 with_account(const char *, const char *, const char *,
		    const char *, const struct command *, int, char **);

void
usage(void)
{
	size_t	 i;

	fprintf(stderr, "usage: wsmail [-a address] [-f file] [-o text|json] "
	    "[-T token [-H host:port]] command [argument ...]\n");
	for (i = 0; i < nitems(commands); i++)
		fprintf(stderr, "       wsmail %s %s\n", commands[i].name,
		    commands[i].args);
	fprintf(stderr, "       wsmail setup [-c ca] [-p password-command] "
	    "[-C certificate -K key] [-r resolver] [-s host[:port]] [-w file] "
	    "address\n");
	exit(EX_USAGE);
}

/* By name or an unambiguous beginning of it; NULL. */
static const struct command *
command_find(const char *word)
{
	const struct command	*found = NULL;
	size_t			 i, len = strlen(word);

	for (i = 0; i < nitems(commands); i++) {
		if (strcmp(commands[i].name, word) == 0)
			return &commands[i];
		if (strncmp(commands[i].name, word, len) == 0) {
			if (found != NULL) {
				fprintf(stderr, "wsmail: %s: ambiguous\n",
				    word);
				return NULL;
			}
			found = &commands[i];
		}
	}
	if (found == NULL)
		fprintf(stderr, "wsmail: %s: no such command\n", word);
	return found;
}

static int
run(const struct account *acc, const struct command *c, int argc, char **argv)
{
	struct session	 s;
	int		 code;

	/* A saved message needs no server. */
	if (c->fn == cmd_verify && argc == 3 && strcmp(argv[1], "-f") == 0)
		return verify_file(acc, argv[2]);
	if ((code = session_open(&s, acc)) == 0)
		code = c->fn(&s, argc, argv);
	session_close(&s);
	return code;
}

/*
 * At the server of the domain that the token is for, which is found as the
 * own one is, or at where.
 */
static int
run_token(const struct account *acc, const char *path, const char *where,
    const struct command *c, int argc, char **argv)
{
	struct away	 w = { .name = "" };
	int		 code;

	if ((code = token_load(path, &w.t)) == 0 &&
	    (code = away_open(&w, acc, where)) == 0) {
		code = c->fn(&w.s, argc, argv);
		away_close(&w);
	}
	return code;
}

static int
with_account(const char *rc, const char *address, const char *token,
    const char *where, const struct command *c, int argc, char **argv)
{
	struct accounts		 accounts = TAILQ_HEAD_INITIALIZER(accounts);
	const struct account	*acc;
	int			 code;

	if ((code = rc_read(rc, &accounts)) == 0) {
		if ((acc = rc_find(&accounts, address)) == NULL) {
			fprintf(stderr, "wsmail: %s: no account %s\n", rc,
			    address != NULL ? address : "in it");
			code = EX_CONFIG;
		} else
			code = token != NULL ? run_token(acc, token, where, c,
			    argc, argv) : run(acc, c, argc, argv);
	}
	rc_free(&accounts);
	return code;
}

int
main(int argc, char **argv)
{
	const struct command	*c;
	const char		*address = NULL, *token = NULL, *where = NULL;
	char			*rc;
	int			 ch, code;

	compat_keep_memory();
	if (textout_init() == -1)
		return EX_OSERR;
	if ((rc = rc_path()) == NULL)
		err(EX_OSERR, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	while ((ch = getopt(argc, argv, "+H:T:a:f:o:")) != -1) {
		switch (ch) {
		case 'H':
			where = optarg;
			break;
		case 'T':
			token = optarg;
			break;
		case 'a':
			address = optarg;
			break;
		case 'f':
			free(rc);
			if ((rc = strdup(optarg)) == NULL)
				err(EX_OSERR, NULL);
			break;
		case 'o':
			if (strcmp(optarg, "json") == 0)
				out_json = 1;
			else if (strcmp(optarg, "text") != 0)
				usage();
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	optind = 1;
	if (argc == 0)
		usage();
	if (xml_init() == -1) {
		fprintf(stderr, "wsmail: the XML libraries do not start\n");
		return EX_SOFTWARE;
	}
	if (strcmp(argv[0], "setup") == 0)
		code = setup_main(rc, argc, argv);
	else if ((c = command_find(argv[0])) == NULL)
		code = EX_USAGE;
	else
		code = with_account(rc, address, token, where, c, argc, argv);
	free(rc);
	/* Of a failure halfway only ferror(3) knows, and not why. */
	errno = 0;
	if ((fflush(stdout) == EOF || ferror(stdout)) && code == 0) {
		if (errno == 0)
			errno = EIO;
		out_failed();
	}
	return code;
}
