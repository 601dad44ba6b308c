/* SPDX-License-Identifier: ISC */
/*
 * cmd/command.h - what the subcommands share
 */
#ifndef SOJOURN_CMD_COMMAND_H
#define SOJOURN_CMD_COMMAND_H

#include <stddef.h>

struct client_login;                 /* cmd/client.h */

/* Options that every verb takes. */
struct common {
	int json, quiet, verbose, no_agent;
	const char *config;          /* the file to read names in; NULL: the usual ones */
};

struct command {
	const char *name;
	/* argv[0] is the verb. The exit code. */
	int (*run)(const struct command *command, int argc, char **argv);
	const char *summary;         /* one line */
	const char *usage;           /* "TARGET [-i KEY]" */
	const char *help;            /* the options of its own, a line each */
};

extern const struct command commands[];

#define COMMAND_VALUES_MAX 64
struct command_values {
	size_t count;
	const char *list[COMMAND_VALUES_MAX];
};

/* One option of a verb. Long ones as "key", with "-i" as short = 'i'. */
struct command_option {
	const char *name;            /* NULL ends the list; "" : short only */
	char letter;                 /* 0: none */
	int takes_value;
	const char **value;          /* takes_value: the last one given */
	struct command_values *values; /* takes_value, instead: all of them */
	int *flag;                   /* else: counted */
};

/* Takes the options, those of every verb included, out of argv; handles
 * --help (exits 0) and errors (exits 255); "--" ends options. Options may
 * stand behind arguments, too. Returns how many arguments are left in argv,
 * from argv[1] on. */
int command_options(const struct command *command, struct common *common,
    const struct command_option *options, int argc, char **argv);
/* "usage" error naming the verb; returns 255. */
int command_misuse(const struct command *command, const char *cause);
/* The options of every verb that may have to log in. */
struct login_words {
	const char *key_file, *server_key, *ssh_option, *timeout;
};
#define LOGIN_WORDS(words) \
	{ .name = "key", .letter = 'i', .takes_value = 1, \
	    .value = &(words)->key_file }, \
	{ .name = "server-key", .takes_value = 1, \
	    .value = &(words)->server_key }, \
	{ .name = "", .letter = 'o', .takes_value = 1, \
	    .value = &(words)->ssh_option }, \
	{ .name = "timeout", .takes_value = 1, .value = &(words)->timeout }
#define LOGIN_WORDS_USAGE \
	"[-i KEY] [--server-key FP] [-o StrictHostKeyChecking=accept-new] " \
	"[--timeout S]"
#define LOGIN_WORDS_HELP \
	"  -i KEY            the private key to log in with, or the public\n" \
	"                    one of a key that ssh-agent holds\n" \
	"  --server-key FP   the key of the server: SHA256:... or base64\n" \
	"  -o StrictHostKeyChecking=accept-new\n" \
	"                    take the key of a server not known yet, unasked\n" \
	"  --timeout S       give up after S seconds without an answer\n"
/* Fills login from them. 0, or 255 after an error. */
int login_words_fill(const struct command *command,
    const struct login_words *words, const char *target,
    struct client_login *login);

/* Of the verbs that stand elsewhere: beside cmd_copy() and so on. */
extern const char copy_usage[], copy_help[];
extern const char forward_usage[], forward_help[];
extern const char doctor_help[];
extern const char serve_usage[], serve_help[];

int cmd_login(const struct command *, int argc, char **argv);
int cmd_logout(const struct command *, int argc, char **argv);
int cmd_list(const struct command *, int argc, char **argv);
int cmd_open(const struct command *, int argc, char **argv);
int cmd_copy(const struct command *, int argc, char **argv);
int cmd_forward(const struct command *, int argc, char **argv);
int cmd_status(const struct command *, int argc, char **argv);
int cmd_doctor(const struct command *, int argc, char **argv);
int cmd_key(const struct command *, int argc, char **argv);
int cmd_agent(const struct command *, int argc, char **argv);
int cmd_serve(const struct command *, int argc, char **argv);
int cmd_look_up(const struct command *, int argc, char **argv);
int cmd_version(const struct command *, int argc, char **argv);
int cmd_help(const struct command *, int argc, char **argv);

#endif
