/* SPDX-License-Identifier: ISC */
/*
 * rules.c - rules of PROTOCOL.md that take two endpoints to see, one by one
 *
 * What both ends of a channel, or one of them and somebody on the way, do and
 * must not do; an argument names one. Bugs that were found have their own
 * place, attacks.c.
 *
 *   rules_login.c    handshake and login
 *   rules_streams.c  packets, frames, streams
 *   rules_paths.c    addresses, ids, a peer that is gone
 */
#include "rules.h"

void
expect(bool is_so, const char *text)
{
	if (!is_so)
		fail(NULL, text);
}

/* --- Beginnings and ends ----------------------------------------------- */

struct pair *
pair_begin(void)
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair_seed(1);
	pair_open(pair);
	return pair;
}

struct pair *
pair_logged_in(void)
{
	struct pair *pair = pair_begin();

	pair_log_in(pair);
	return pair;
}

void
pair_end(struct pair *pair)
{
	pair_play_fair(pair);
	pair_close(pair);
	free(pair);
}

struct sj_session *
start_login(struct pair *pair)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_session *session;

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &session) == 0, "no login");
	return session;
}

static void
never_propose(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	(void)mech;
	(void)endpoint;
	(void)request;
	(void)facts;
}

/* A channel whose client says nothing of a login. */
struct pair *
pair_unproven(void)
{
	struct pair *pair = pair_begin();

	pair->client->mech.propose = never_propose;
	(void)start_login(pair);
	pair_exchange(pair, 4);
	expect(pair_channel(pair->world.server) != NULL, "no channel");
	return pair;
}

struct sj_session *
server_session(struct pair *pair)
{
	return pair_channel(pair->world.server)->user_data;
}

bool
is_cut_off(const struct pair *pair)
{
	return pair->world.server->counters[COUNT_CLOSED_PROTOCOL] == 1;
}

/* What a client with this script gets for it. */
void
expect_cut_off(void (*write)(struct writer *), const char *text)
{
	struct pair *pair = pair_logged_in();

	pair_play(pair, write);
	expect(is_cut_off(pair), text);
	pair_end(pair);
}

/* --- Frames ------------------------------------------------------------ */

void
put_bytes(struct writer *writer, uint64_t stream, uint64_t offset,
    const struct stream_opening *opening, const void *bytes, size_t length)
{
	struct stream_header header = { .stream = stream, .offset = offset,
	    .opening = opening };
	size_t taken = length;

	expect(sj__frame_stream(writer, &header, &taken) && taken == length,
	    "a frame does not fit");
	if (length > 0)
		memcpy(write_room(writer, length), bytes, length);
}

const struct stream_opening small = { .credit = 65536, .weight = 1,
    .lender_is_root = true, .service = { (const uint8_t *)"x", 1 } };

void
write_ping(struct writer *writer)
{
	write_varint(writer, FRAME_PING);
}

int
main(int argc, char **argv)
{
	const struct rule *const tables[] = { rules_login, rules_streams,
	    rules_paths };
	unsigned run = 0;

	for (size_t i = 0; i < 3; i++)
		for (const struct rule *rule = tables[i]; rule->name != NULL;
		    rule++) {
			if (argc > 1 && strcmp(argv[1], rule->name) != 0)
				continue;
			rule->run();
			printf("%s: held\n", rule->name);
			run++;
		}
	return run == 0;
}
