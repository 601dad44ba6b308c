/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_open.c - sojourn open: a stream on stdin and stdout
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/show.h"
#include "tool/die.h"

static int
run(struct client *client, const struct client_login *login,
    const char *service, const struct common *common)
{
	struct client_stream stream = { .service = service, .finish = 1,
		.source = 0, .sink = 1 };
	struct client_event event;
	uint64_t number;
	char cause[CLIENT_TEXT_MAX + 300];
	int error = client_login(client, login, &stream.session, NULL);

	if (error == 0)
		error = client_open(client, &stream, &number);
	while (error == 0) {
		error = client_next(client, &event, -1);
		if (error == 1)
			break;
	}
	if (error < 0)
		return complain_error(error, client_error(client));
	show_stream(&event, common);
	if (event.error == 0)
		return 0;
	if (event.error == SJ_ERR_RESET && event.code == SJ_RESET_LIMIT)
		return complain("stream", "end others first, or try later",
		    "service %s: refused, the server has as many as it allows",
		    service);
	if (event.error == SJ_ERR_RESET)
		snprintf(cause, sizeof(cause), "service %s: %s, code %" PRIu64,
		    service, sj_strerror(event.error), event.code);
	else
		snprintf(cause, sizeof(cause), "service %s: %s", service,
		    event.text[0] != '\0' ? event.text :
		    sj_strerror(event.error));
	return complain_error(event.error, cause);
}

int
cmd_open(const struct command *command, int argc, char **argv)
{
	struct common common;
	struct login_words words = { NULL, NULL, NULL, NULL };
	const struct command_option options[] = { LOGIN_WORDS(&words),
		{ .name = NULL } };
	struct client_login login;
	struct client *client;
	int error;

	if (command_options(command, &common, options, argc, argv) != 2)
		return command_misuse(command, "needs a TARGET and a SERVICE");
	if (login_words_fill(command, &words, argv[1], &login) != 0)
		return EXIT_SOJOURN;
	error = client_connect(&client, &common);
	if (error != 0)
		error = complain_error(error, client == NULL ? NULL :
		    client_error(client));
	else
		error = run(client, &login, argv[2], &common);
	client_close(client);
	return error;
}
