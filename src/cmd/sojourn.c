/* SPDX-License-Identifier: ISC */
/*
 * cmd/sojourn.c - the program: a table of verbs
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>

#include "cmd/command.h"
#include "tool/die.h"
#include "tool/json.h"

const struct command commands[] = {
	{ "login", cmd_login, "logs in",
	    "TARGET " LOGIN_WORDS_USAGE,
	    LOGIN_WORDS_HELP },
	{ "logout", cmd_logout, "ends a login, here and at the server",
	    "TARGET|ID|--all",
	    "  --all         all logins that the agent holds\n"
	    "  An ID that the agent does not hold is looked for at the servers\n"
	    "  that it is logged in to.\n" },
	{ "list", cmd_list, "lists logins",
	    "[TARGET] [--server]",
	    "  --server      ask the servers for all logins of yours they hold\n" },
	{ "open", cmd_open, "opens a service on stdin and stdout",
	    "TARGET SERVICE " LOGIN_WORDS_USAGE,
	    LOGIN_WORDS_HELP
	    "  --json        the result goes to stderr: stdout is the stream's\n" },
	{ "copy", cmd_copy, "copies files and trees, as scp does",
	    copy_usage, copy_help },
	{ "forward", cmd_forward, "connections to places at the server",
	    forward_usage, forward_help },
	{ "status", cmd_status, "shows how the connections of logins are",
	    "[TARGET|ID]", "" },
	{ "doctor", cmd_doctor, "looks for what stands between here and a login",
	    "TARGET " LOGIN_WORDS_USAGE, doctor_help },
	{ "key", cmd_key, "shows or makes keys",
	    "show [FILE] | known | new [FILE]",
	    "  show          the fingerprint of the server's key of this account,\n"
	    "                or of the key in FILE\n"
	    "  known         the keys of servers that are known here\n"
	    "  new           a new ssh-ed25519 key without a passphrase, in FILE or\n"
	    "                ~/.ssh/id_ed25519, and FILE.pub\n" },
	{ "agent", cmd_agent, "the process that holds the logins",
	    "[--stop | --run]",
	    "  without options: whether it runs\n"
	    "  --stop        ends it; its logins live on at the servers\n"
	    "  --run         runs it in the foreground, until --stop or a signal\n" },
	{ "serve", cmd_serve, "serves this account",
	    serve_usage, serve_help },
	{ "version", cmd_version, "the version", "", "" },
	{ "help", cmd_help, "tells about the verbs", "[VERB]", "" },
	{ .name = NULL }
};

/* No verb: ssh has it as an option, and programs ask ssh that way. */
static const struct command look_up = { "-G", cmd_look_up,
	"shows what the configuration makes of a name", "TARGET", "" };

static const struct command *
find(const char *name)
{
	const struct command *each;

	for (each = commands; each->name != NULL; each++)
		if (strcmp(each->name, name) == 0)
			return each;
	return NULL;
}

static int
finish_stdout(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain("local", NULL, "cannot write to stdout");
	return code;
}

int
cmd_help(const struct command *command, int argc, char **argv)
{
	static char help[] = "--help";
	const struct command *each;
	struct common common;
	int left = command_options(command, &common, NULL, argc, argv);

	if (left > 1)
		return command_misuse(command, "one verb at a time");
	if (left == 1) {
		char *words[] = { argv[1], help, NULL };

		each = find(argv[1]);
		if (each == NULL)
			return command_misuse(command, "there is no such verb");
		return each->run(each, 2, words);
	}
	printf("usage: sojourn VERB [options] [arguments]\n\n");
	for (each = commands; each->name != NULL; each++)
		printf("  %-8s %s\n", each->name, each->summary);
	printf("\nTARGET is [user@]host[:port][/application], where host may "
	    "be a name of the\nconfiguration files (`sojourn -G TARGET` shows "
	    "what it leads to), or an id of\n`sojourn list`. `sojourn help "
	    "VERB` tells more. Exit code: 0, or 255 and the\ncause on "
	    "stderr; copy and doctor also have 1.\n");
	return finish_stdout(0);
}

int
cmd_version(const struct command *command, int argc, char **argv)
{
	struct common common;

	if (command_options(command, &common, NULL, argc, argv) != 0)
		return command_misuse(command, "takes no arguments");
	if (common.json) {
		struct json json;

		json_begin(&json, stdout);
		json_text(&json, "version", sj_version());
		json_end(&json);
	} else {
		printf("sojourn %s\n", sj_version());
	}
	return finish_stdout(0);
}

/* Who was started without one of the three gets it: a socket or a file that is
 * opened later would be taken for it, and what is said would be written there.
 * stdin is at its end, writing to stdout fails as it did. */
static int
open_standard(void)
{
	int fd;

	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null",
		    fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return 0;
	return 1;
}

int
main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : "";

	if (!open_standard())
		return EXIT_SOJOURN;
	signal(SIGPIPE, SIG_IGN);
	/* ignored, as it may have been handed to us: no child could be waited
	 * for */
	signal(SIGCHLD, SIG_DFL);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	if (name[0] == '\0')
		return complain("usage", "sojourn help", "no verb is given");
	command = strcmp(name, look_up.name) == 0 ? &look_up : find(name);
	if (command == NULL)
		return complain("usage", "sojourn help",
		    "\"%s\" is not a verb", name);
	return finish_stdout(command->run(command, argc - 1, argv + 1));
}
