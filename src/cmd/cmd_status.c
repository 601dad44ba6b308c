/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_status.c - sojourn status
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/show.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

#define UNVERIFIED ", the server's key was trusted on first use"

static const char *
key_exchange(const struct client_session *session)
{
	return session->hybrid ? "x25519+mlkem768" : "x25519";
}

static void
print_json(const struct client_session *session)
{
	const struct sj_session_stats *stats = &session->stats;
	struct json json;

	json_begin(&json, stdout);
	json_text(&json, "id", session->id);
	json_text(&json, "target", session->target);
	json_text(&json, "state", show_state(session));
	json_text(&json, "transport", stats->over_tcp ? "tcp" : "udp");
	json_text(&json, "key_exchange", key_exchange(session));
	json_bool(&json, "unverified", session->unverified);
	json_number(&json, "rtt_us", stats->rtt_ns / 1000);
	json_number(&json, "rate_bytes_s", stats->rate_bytes_s);
	json_number(&json, "cwnd_bytes", stats->cwnd_bytes);
	json_number(&json, "mtu", stats->mtu);
	json_number(&json, "lost_packets", stats->lost);
	json_number(&json, "bytes_in", stats->bytes_in);
	json_number(&json, "bytes_out", stats->bytes_out);
	json_number(&json, "streams", stats->streams);
	json_number(&json, "moves", stats->moves);
	json_number(&json, "idle_ms", stats->idle_ns / 1000000);
	json_text(&json, "last_error", session->last_error);
	json_end(&json);
}

static void
print_words(const struct client_session *session)
{
	const struct sj_session_stats *stats = &session->stats;
	char rate[24], window[24], in[24], out[24], target[600];
	char error[CLIENT_TEXT_MAX];

	printf("%s  %s\n", session->id[0] != '\0' ? session->id : "-",
	    printable(session->target, target, sizeof(target)));
	printf("  state       %s, over %s\n", show_state(session),
	    stats->over_tcp ? "tcp" : "udp");
	printf("  keys        %s%s\n", key_exchange(session),
	    session->unverified ? UNVERIFIED : "");
	printf("  rtt         %.1f ms\n", (double)stats->rtt_ns / 1e6);
	printf("  rate        %s/s\n",
	    show_bytes(stats->rate_bytes_s, rate, sizeof(rate)));
	printf("  cwnd        %s\n",
	    show_bytes(stats->cwnd_bytes, window, sizeof(window)));
	printf("  mtu         %u\n", stats->mtu);
	printf("  lost        %" PRIu64 " packets\n", stats->lost);
	printf("  bytes       %s in, %s out\n",
	    show_bytes(stats->bytes_in, in, sizeof(in)),
	    show_bytes(stats->bytes_out, out, sizeof(out)));
	printf("  streams     %u\n", stats->streams);
	printf("  moves       %u\n", stats->moves);
	printf("  last error  %s\n", session->last_error[0] != '\0' ?
	    printable(session->last_error, error, sizeof(error)) :
	    "none");
}

static void
print(void *data, const struct client_session *session)
{
	const struct common *common = data;

	if (common->json)
		print_json(session);
	else
		print_words(session);
}

int
cmd_status(const struct command *command, int argc, char **argv)
{
	struct common common;
	int left = command_options(command, &common, NULL, argc, argv);
	struct client_login login = { .target = argv[1], .existing_only = 1 };
	struct client_session session;
	struct client *client;
	uint64_t number;
	int error, code = 0;

	if (left > 1)
		return command_misuse(command, "at most one TARGET");
	if (common.no_agent)
		return command_misuse(command,
		    "without the agent there is nothing to tell");
	error = client_connect_existing(&client, &common);
	if (error == SJ_ERR_ENDED && left == 0) {
		client_close(client);
		return 0;
	}
	if (error == 0 && left == 0)
		error = client_list(client, print, &common);
	else if (error == 0) {
		error = client_login(client, &login, &number, &session);
		if (error == 0)
			print(&common, &session);
	}
	if (error != 0)
		code = complain_error(error, client == NULL ? NULL :
		    client_error(client));
	client_close(client);
	return code;
}
