/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_list.c - sojourn list
 *
 * Without --server it is the agent that is asked, and none is started for
 * that: no agent, no logins.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/sessions.h"
#include "cmd/show.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

#define SESSIONS_MAX 256

struct listing {
	const struct common *common;
	const struct client_session *at; /* the one whose server is asked */
	size_t count;
	int printed;
	int failed;
	struct client_session sessions[SESSIONS_MAX];
};

static void
collect(void *data, const struct client_session *session)
{
	struct listing *listing = data;

	if (listing->count < SESSIONS_MAX)
		listing->sessions[listing->count++] = *session;
}

static void
print_header(struct listing *listing)
{
	if (!listing->printed++ && !listing->common->quiet)
		printf("%-16s  %-28s  %-16s  %-16s  %5s  %-16s  %-8s  %s\n",
		    "ID", "TARGET", "AT", "SINCE", "USED", "EXPIRES",
		    "STATE", "STREAMS");
}

static void
print_session(struct listing *listing, const struct client_session *session)
{
	char since[40], expires[40], used[24], from[160], target[600];

	if (listing->common->json) {
		show_session_json(session, stdout);
		return;
	}
	print_header(listing);
	printf("%-16s  %-28s  %-16s  %-16s  %5s  %-16s  %-8s  %u\n",
	    session->id,
	    printable(session->target, target, sizeof(target)),
	    printable(session->from, from, sizeof(from)),
	    show_time(session->since_unix_s, since, sizeof(since)),
	    show_age(session->since_used_s, used, sizeof(used)),
	    show_time(session->expires_unix_s, expires, sizeof(expires)),
	    show_state(session), session->stats.streams);
}

/* --- at the server ----------------------------------------------------- */

static void
print_line(void *data, const char *line)
{
	struct listing *listing = data;
	char id[40], user[140], from[160], text[400];
	char printable_user[560], printable_from[640];
	char since_text[40], expires_text[40];
	uint64_t since = 0, expires = 0, listed;

	if (json_find_text(line, "error", id, sizeof(id))) {
		if (!json_find_text(line, "text", text, sizeof(text)))
			text[0] = '\0';
		complain("session", NULL, "%s: %s: %s", listing->at->target,
		    id, text);
		listing->failed = 1;
		return;
	}
	if (json_find_number(line, "listed", &listed))
		return;
	if (!json_find_text(line, "id", id, sizeof(id)))
		return;
	if (!json_find_text(line, "user", user, sizeof(user)))
		user[0] = '\0';
	if (!json_find_text(line, "from", from, sizeof(from)))
		from[0] = '\0';
	json_find_number(line, "since", &since);
	json_find_number(line, "expires", &expires);
	if (listing->common->json) {
		struct json json;

		json_begin(&json, stdout);
		json_text(&json, "id", id);
		json_text(&json, "server", listing->at->target);
		json_text(&json, "user", user);
		json_text(&json, "from", from);
		json_number(&json, "since", since);
		json_number(&json, "expires", expires);
		json_bool(&json, "this", strcmp(id, listing->at->id) == 0);
		json_end(&json);
		return;
	}
	if (!listing->printed++ && !listing->common->quiet)
		printf("%-16s  %-16s  %-24s  %-16s  %s\n", "ID", "USER",
		    "FROM", "SINCE", "EXPIRES");
	printf("%-16s  %-16s  %-24s  %-16s  %s%s\n",
	    printable(id, text, sizeof(text)),
	    printable(user, printable_user, sizeof(printable_user)),
	    printable(from, printable_from, sizeof(printable_from)),
	    show_time(since, since_text, sizeof(since_text)),
	    show_time(expires, expires_text, sizeof(expires_text)),
	    strcmp(id, listing->at->id) == 0 ? "  this one" : "");
}

static int
list_server(struct client *client, struct listing *listing)
{
	size_t i;

	for (i = 0; i < listing->count; i++) {
		int error;

		listing->at = &listing->sessions[i];
		error = sessions_ask(client, listing->at->session, "list\n",
		    print_line, listing);
		if (error != 0) {
			complain_error(error, NULL);
			listing->failed = 1;
		}
	}
	return listing->failed ? EXIT_SOJOURN : 0;
}

/* --- the verb ---------------------------------------------------------- */

static int
run(struct client *client, struct listing *listing, const char *target,
    int server)
{
	size_t i;
	int error;

	if (target != NULL) {
		struct client_login login = { .target = target,
			.existing_only = !server };
		uint64_t number;

		error = client_login(client, &login, &number,
		    &listing->sessions[0]);
		listing->count = 1;
	} else {
		error = client_list(client, collect, listing);
	}
	if (error != 0)
		return complain_error(error, client_error(client));
	if (server)
		return list_server(client, listing);
	for (i = 0; i < listing->count; i++)
		print_session(listing, &listing->sessions[i]);
	return 0;
}

int
cmd_list(const struct command *command, int argc, char **argv)
{
	struct common common;
	int server = 0, error, code;
	const struct command_option options[] = {
		{ .name = "server", .flag = &server }, { .name = NULL } };
	int left = command_options(command, &common, options, argc, argv);
	const char *target = left > 0 ? argv[1] : NULL;
	struct listing *listing;
	struct client *client;

	if (left > 1)
		return command_misuse(command, "at most one TARGET");
	if (common.no_agent && !(server && target != NULL))
		return command_misuse(command,
		    "--no-agent needs --server and a TARGET");
	if (server && target != NULL)
		error = client_connect(&client, &common);
	else
		error = client_connect_existing(&client, &common);
	if (error == SJ_ERR_ENDED && target == NULL) {
		client_close(client);
		return 0;
	}
	if (error != 0) {
		code = complain_error(error, client == NULL ? NULL :
		    client_error(client));
		client_close(client);
		return code;
	}
	listing = calloc(1, sizeof(*listing));
	if (listing == NULL)
		die("program", NULL, "out of memory");
	listing->common = &common;
	code = run(client, listing, target, server);
	free(listing);
	client_close(client);
	return code;
}
