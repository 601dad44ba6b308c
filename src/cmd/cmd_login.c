/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_login.c - sojourn login
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/show.h"
#include "tool/die.h"

static void
say(const struct client_session *session, int is_trial)
{
	char until[60];

	if (is_trial)
		snprintf(until, sizeof(until), "as long as this command runs");
	else
		show_time(session->expires_unix_s, until, sizeof(until));
	fprintf(stderr, "%s %s, id %s, %s%s%s\n",
	    session->reused ? "already logged in to" : "logged in to",
	    session->target, session->id, is_trial ? "" : "until ", until,
	    session->unverified ? "; the server's key was trusted on first use"
	    : "");
}

int
cmd_login(const struct command *command, int argc, char **argv)
{
	struct common common;
	struct login_words words = { NULL, NULL, NULL, NULL };
	const struct command_option options[] = { LOGIN_WORDS(&words),
		{ .name = NULL } };
	struct client_login login;
	struct client_session session;
	struct client *client;
	uint64_t number;
	int error;

	if (command_options(command, &common, options, argc, argv) != 1)
		return command_misuse(command, "needs one TARGET");
	if (login_words_fill(command, &words, argv[1], &login) != 0)
		return EXIT_SOJOURN;
	error = client_connect(&client, &common);
	if (error == 0)
		error = client_login(client, &login, &number, &session);
	if (error != 0) {
		complain_error(error, client == NULL ? NULL :
		    client_error(client));
		client_close(client);
		return EXIT_SOJOURN;
	}
	if (common.json)
		show_session_json(&session, stdout);
	else if (!common.quiet)
		say(&session, common.no_agent);
	client_close(client);
	return 0;
}
