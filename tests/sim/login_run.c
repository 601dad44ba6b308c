/* SPDX-License-Identifier: ISC */
/*
 * login_run.c - a whole login, always the same one, as a transcript
 *
 * sojourn-login-run NX|NK writes what record.h describes to stdout, and one
 * line more: X label context bytes, an exported secret. What a second
 * implementer needs of it is in tests/vectors/sojourn, made and compared by
 * tests/interop/login_vectors.py.
 */
#include "pair.h"
#include "record.h"

#define LABEL "test"
#define CONTEXT "a context"

static void
log_in(struct pair *pair, bool is_known)
{
	struct sj_core_login login = { .server_name = "server.example",
	    .application = "sojourn", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	if (is_known)
		login.server_key = pair->world.host_key.public_key;
	if (sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) < 0)
		fail(NULL, "no login");
	pair_exchange(pair, 20);
	if (!pair->started)
		fail(NULL, "the login failed");
}

/* A stream there and back. */
static void
say(struct pair *pair, const char *words)
{
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_stream *stream;

	options.service = "echo";
	if (sj_stream_open(pair->session, &stream, &options) < 0 ||
	    sj_stream_write(stream, words, strlen(words)) < 0 ||
	    sj_stream_finish(stream) < 0)
		fail(NULL, "no stream");
	pair_exchange(pair, 200);
}

static void
export_secret(struct pair *pair)
{
	uint8_t out[32];

	if (sj_session_export(pair->session, LABEL, CONTEXT, strlen(CONTEXT),
	    out, sizeof out) < 0)
		fail(NULL, "nothing is exported");
	printf("X %s ", LABEL);
	for (size_t i = 0; i < strlen(CONTEXT); i++)
		printf("%02x", CONTEXT[i]);
	putchar(' ');
	for (size_t i = 0; i < sizeof out; i++)
		printf("%02x", out[i]);
	putchar('\n');
}

int
main(int argc, char **argv)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct sj__channel *client;

	if (argc != 2)
		return 2;
	pair_seed(7531);
	pair_open(pair);
	record_start(&pair->world, stdout);
	log_in(pair, strcmp(argv[1], "NK") == 0);
	export_secret(pair);
	say(pair, "Hello");
	client = pair_channel(pair->client->endpoint);
	client->protection.soft_limit = 1;
	say(pair, "in another phase");
	client->protection.soft_limit = PHASE_PACKETS_SOFT;
	if (sj_logout(pair->session) < 0)
		fail(NULL, "no logout");
	pair_exchange(pair, 200);
	if (!pair->ended)
		fail(NULL, "the logout failed");
	record_stop();
	pair_close(pair);
	free(pair);
	return 0;
}
