/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_agent.c - sojourn agent
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "tool/die.h"
#include "tool/json.h"

static void
count(void *data, const struct client_session *session)
{
	(void)session;
	++*(unsigned *)data;
}

static int
stop(const struct common *common)
{
	struct client *client;
	int error = client_connect_existing(&client, common), code = 0;

	if (error == 0 || error == SJ_ERR_VERSION)
		error = client_stop_agent(client);
	if (error != 0 && error != SJ_ERR_ENDED)
		code = complain_error(error, client_error(client));
	client_close(client);
	return code;
}

static int
run_here(const struct common *common)
{
	struct agent_options options = { .listen_fd = -1, .command_fd = -1,
		.directory_fd = -1, .stays = 1 };
	char error[512];
	int lock, result = agent_listen(&options, &lock, error, sizeof(error));

	if (result == SJ_ERR_BUSY)
		return complain("local", "sojourn agent --stop",
		    "an agent is running already");
	if (result != 0)
		return complain_error(result, error);
	if (!common->quiet)
		fprintf(stderr, "agent %ld runs\n", (long)getpid());
	result = agent_run(&options);
	close(lock);
	return result == 0 ? 0 : EXIT_SOJOURN;
}

static int
tell(const struct common *common)
{
	struct client *client;
	struct json json;
	unsigned sessions = 0;
	int error = client_connect_existing(&client, common);
	int runs = error == 0;

	if (runs)
		error = client_list(client, count, &sessions);
	if (error != 0 && error != SJ_ERR_ENDED) {
		int code = complain_error(error, client == NULL ? NULL :
		    client_error(client));

		client_close(client);
		return code;
	}
	if (common->json) {
		json_begin(&json, stdout);
		json_bool(&json, "running", runs);
		json_number(&json, "sessions", sessions);
		json_end(&json);
	} else if (runs) {
		printf("running, %u login%s\n", sessions,
		    sessions == 1 ? "" : "s");
	} else {
		printf("not running\n");
	}
	client_close(client);
	return 0;
}

int
cmd_agent(const struct command *command, int argc, char **argv)
{
	struct common common;
	int stops = 0, runs = 0;
	const struct command_option options[] = {
		{ .name = "stop", .flag = &stops },
		{ .name = "run", .flag = &runs }, { .name = NULL } };

	if (command_options(command, &common, options, argc, argv) != 0)
		return command_misuse(command, "takes no arguments");
	if (common.no_agent)
		return command_misuse(command, "--no-agent makes no sense");
	if (stops && runs)
		return command_misuse(command, "--stop or --run, not both");
	if (stops)
		return stop(&common);
	return runs ? run_here(&common) : tell(&common);
}
