/* SPDX-License-Identifier: ISC */
/*
 * cmd/options.c - the options of a verb, and its help
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "tool/die.h"

/* Whoever has no TARGET has nothing to look up in a configuration. */
static int
takes_targets(const struct command *command)
{
	return strstr(command->usage, "TARGET") != NULL ||
	    strstr(command->usage, "DST") != NULL;
}

static void
print_help(const struct command *command)
{
	printf("usage: sojourn %s%s%s\n\n%s\n", command->name,
	    command->usage[0] != '\0' ? " " : "", command->usage,
	    command->summary);
	if (command->help[0] != '\0')
		printf("\n%s", command->help);
	printf("\nand for every verb:\n"
	    "  --json        data as JSON, an object a line\n"
	    "  -q            no words but errors\n"
	    "  -v            more words\n"
	    "  --no-agent    without the agent: a login ends with the command\n"
	    "%s"
	    "  --help        this\n", takes_targets(command) ?
	    "  --config FILE the only configuration file; none: none at all\n" :
	    "");
}

int
command_misuse(const struct command *command, const char *cause)
{
	char next[80];

	snprintf(next, sizeof(next), "sojourn %s --help", command->name);
	return complain("usage", next, "%s: %s", command->name, cause);
}

static _Noreturn void
misuse(const struct command *command, const char *word, const char *cause)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", word, cause);
	exit(command_misuse(command, text));
}

static const struct command_option *
find_long(const struct command_option *options, const char *name,
    size_t length)
{
	for (; options->name != NULL; options++)
		if (options->name[0] != '\0' &&
		    strlen(options->name) == length &&
		    strncmp(options->name, name, length) == 0)
			return options;
	return NULL;
}

static const struct command_option *
find_letter(const struct command_option *options, char letter)
{
	for (; options->name != NULL; options++)
		if (options->letter == letter)
			return options;
	return NULL;
}

struct parser {
	const struct command *command;
	const struct command_option *own, *shared;
	int argc, at;
	char **argv;
};

static void
take(struct parser *parser, const struct command_option *option,
    const char *word, const char *value)
{
	if (!option->takes_value) {
		++*option->flag;
		return;
	}
	if (value == NULL && parser->at + 1 < parser->argc)
		value = parser->argv[++parser->at];
	if (value == NULL)
		misuse(parser->command, word, "needs a value");
	if (option->values == NULL)
		*option->value = value;
	else if (option->values->count < COMMAND_VALUES_MAX)
		option->values->list[option->values->count++] = value;
	else
		misuse(parser->command, word, "is given too often");
}

static void
take_long(struct parser *parser, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t length = equals != NULL ? (size_t)(equals - word) - 2 :
	    strlen(word) - 2;
	const struct command_option *option = find_long(parser->own, word + 2,
	    length);

	if (option == NULL)
		option = find_long(parser->shared, word + 2, length);
	if (option == NULL)
		misuse(parser->command, word, "is not an option");
	if (equals != NULL && !option->takes_value)
		misuse(parser->command, word, "takes no value");
	take(parser, option, word, equals != NULL ? equals + 1 : NULL);
}

static void
take_letters(struct parser *parser, const char *word)
{
	const char *at;

	for (at = word + 1; *at != '\0'; at++) {
		char name[3] = { '-', *at, '\0' };
		const struct command_option *option =
		    find_letter(parser->own, *at);

		if (option == NULL)
			option = find_letter(parser->shared, *at);
		if (option == NULL)
			misuse(parser->command, name, "is not an option");
		take(parser, option, name,
		    option->takes_value && at[1] != '\0' ? at + 1 : NULL);
		if (option->takes_value)
			return;
	}
}

int
command_options(const struct command *command, struct common *common,
    const struct command_option *options, int argc, char **argv)
{
	int help = 0, left = 0, only_arguments = 0;
	const struct command_option shared[] = {
		{ .name = "help", .flag = &help },
		{ .name = "json", .flag = &common->json },
		{ .name = "quiet", .letter = 'q', .flag = &common->quiet },
		{ .name = "verbose", .letter = 'v', .flag = &common->verbose },
		{ .name = "no-agent", .flag = &common->no_agent },
		{ .name = takes_targets(command) ? "config" : NULL,
		    .takes_value = 1, .value = &common->config },
		{ .name = NULL }
	};
	static const struct command_option none[] = { { .name = NULL } };
	struct parser parser = { .command = command, .shared = shared,
		.own = options != NULL ? options : none, .argc = argc,
		.argv = argv };

	memset(common, 0, sizeof(*common));
	for (parser.at = 1; parser.at < argc; parser.at++) {
		char *word = argv[parser.at];

		if (only_arguments || word[0] != '-' || word[1] == '\0')
			argv[++left] = word;
		else if (strcmp(word, "--") == 0)
			only_arguments = 1;
		else if (word[1] == '-')
			take_long(&parser, word);
		else
			take_letters(&parser, word);
		if (help) {
			print_help(command);
			exit(fflush(stdout) == 0 ? 0 : EXIT_SOJOURN);
		}
	}
	return left;
}

int
login_words_fill(const struct command *command,
    const struct login_words *words, const char *target,
    struct client_login *login)
{
	memset(login, 0, sizeof(*login));
	login->target = target;
	login->key_file = words->key_file;
	login->server_key = words->server_key;
	if (words->ssh_option != NULL) {
		if (strcmp(words->ssh_option,
		    "StrictHostKeyChecking=accept-new") != 0)
			return command_misuse(command,
			    "-o knows StrictHostKeyChecking=accept-new only");
		login->accept_new = 1;
	}
	if (words->timeout != NULL) {
		char *end;
		unsigned long seconds = strtoul(words->timeout, &end, 10);

		if (*end != '\0' || words->timeout[0] == '-' ||
		    seconds == 0 || seconds > 86400)
			return command_misuse(command,
			    "--timeout needs seconds, 1 to 86400");
		login->timeout_ms = (uint32_t)(seconds * 1000);
	}
	return 0;
}
