/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_logout.c - sojourn logout
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/sessions.h"
#include "tool/die.h"
#include "tool/json.h"

struct living {
	size_t count, capacity;
	uint64_t *numbers;
};

static void
collect(void *data, const struct client_session *session)
{
	struct living *living = data;

	if (living->count == living->capacity) {
		size_t capacity = living->capacity * 2 + 8;
		uint64_t *more = realloc(living->numbers,
		    capacity * sizeof(*more));

		if (more == NULL)
			return;
		living->numbers = more;
		living->capacity = capacity;
	}
	living->numbers[living->count++] = session->session;
}

static int
is_id(const char *text)
{
	return strlen(text) == 16 &&
	    strspn(text, "0123456789abcdef") == 16;
}

static void
look_for_ended(void *data, const char *line)
{
	char id[40];

	if (json_find_text(line, "ended", id, sizeof(id)))
		*(int *)data = 1;
}

/* Asks every server that there is a login to. */
static int
logout_elsewhere(struct client *client, const char *id)
{
	struct living living = { 0, 0, NULL };
	char request[32];
	int ended = 0, error = client_list(client, collect, &living);
	size_t i;

	snprintf(request, sizeof(request), "end %s\n", id);
	for (i = 0; i < living.count && !ended && error == 0; i++)
		error = sessions_ask(client, living.numbers[i], request,
		    look_for_ended, &ended);
	free(living.numbers);
	/* it may have been our own, which ends the stream, too */
	if (ended)
		return 0;
	if (error != 0)
		return complain_error(error, NULL);
	return complain("session", "sojourn list --server",
	    "no server that you are logged in to holds a login %s", id);
}

static int
logout_all(struct client *client)
{
	struct living living = { 0, 0, NULL };
	int error = client_list(client, collect, &living);
	size_t i;

	for (i = 0; i < living.count && error == 0; i++) {
		error = client_logout(client, living.numbers[i]);
		if (error == SJ_ERR_ENDED)
			error = 0;
	}
	free(living.numbers);
	return error == 0 ? 0 : complain_error(error, client_error(client));
}

static int
complain_no_login(const char *target)
{
	return complain("session", "sojourn list", "there is no login to %s",
	    target);
}

static int
logout_one(struct client *client, const char *target)
{
	struct client_login login = { .target = target, .existing_only = 1 };
	uint64_t session;
	int error = client_login(client, &login, &session, NULL);

	if (error == SJ_ERR_ENDED && is_id(target))
		return logout_elsewhere(client, target);
	if (error == SJ_ERR_ENDED)
		return complain_no_login(target);
	if (error == 0)
		error = client_logout(client, session);
	return error == 0 ? 0 : complain_error(error, client_error(client));
}

int
cmd_logout(const struct command *command, int argc, char **argv)
{
	struct common common;
	int all = 0, error, code;
	const struct command_option options[] = {
		{ .name = "all", .flag = &all }, { .name = NULL } };
	int left = command_options(command, &common, options, argc, argv);
	struct client *client;

	if (left + (all != 0) != 1)
		return command_misuse(command, "needs a TARGET, an ID or --all");
	if (common.no_agent)
		return command_misuse(command,
		    "without the agent there is nothing to log out of");
	error = client_connect_existing(&client, &common);
	if (error == SJ_ERR_ENDED && all)
		code = 0;
	else if (error == SJ_ERR_ENDED)
		code = complain_no_login(argv[1]);
	else if (error != 0)
		code = complain_error(error, client == NULL ? NULL :
		    client_error(client));
	else
		code = all ? logout_all(client) : logout_one(client, argv[1]);
	if (code == 0 && !common.quiet && common.verbose)
		fprintf(stderr, "logged out\n");
	client_close(client);
	return code;
}
