/* SPDX-License-Identifier: ISC */
/* rules_paths.c - rules of PROTOCOL.md: where the two are, and whether */
#include "rules.h"

/* --- Paths ------------------------------------------------------------- */

/* One controller for all channels between two addresses. */
static void
shared_path(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *one, *two;

	pair_log_in(pair);
	one = pair_channel(pair->world.server);
	two = container_of(one->all.next, struct sj__channel, all);
	expect(one != two && one->current.path == two->current.path,
	    "two sessions on one path have two controllers");
	one = pair_channel(pair->client->endpoint);
	two = container_of(one->all.next, struct sj__channel, all);
	expect(one != two && one->current.path == two->current.path,
	    "two sessions on one path have two controllers, at the client");
	pair_end(pair);
}

#define ELSEWHERE 5000

static unsigned challenges;
static uint8_t challenged_id[ID_SIZE], held[2048];
static size_t held_length;

static void
hand_over(struct pair *pair, uint16_t port, const uint8_t *bytes,
    size_t length)
{
	static uint8_t copy[65536];
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	path.remote.ip[15] = 1;
	path.remote.port = port;
	memcpy(copy, bytes, length);
	sj_core_receive(pair->world.server, pair->world.now, &path,
	    SJ_ECN_NONE, copy, length, length);
}

/* Whoever is elsewhere sends the client's packets sooner, and answers nothing. */
static bool
overtake(struct pair *pair, int side, const struct sj_batch *batch)
{
	if (side == 1) {
		hand_over(pair, ELSEWHERE, batch->bytes, batch->length);
		return true;
	}
	if (batch->path.remote.port != ELSEWHERE)
		return true;
	challenges++;
	memcpy(challenged_id, batch->bytes + 1, ID_SIZE);
	return false;
}

static void
write_wrong_response(struct writer *writer)
{
	static const uint8_t wrong[8] = { 1, 2, 3 };

	sj__frame_path(writer, FRAME_PATH_RESPONSE, wrong);
}

static bool
hold(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	if (side == 0)
		return true;
	memcpy(held, batch->bytes, held_length = batch->length);
	return false;
}

/* [SJ-PA-1] [SJ-ID-1] Only who answers the challenge moves a channel, and only
 * a packet with the largest number so far makes one. */
static void
challenge(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);

	pair_exchange(pair, 100);
	pair->on_batch = hold;
	pair_play(pair, write_ping);
	pair->on_batch = NULL;
	pair_play(pair, write_ping);
	expect(held_length > 0, "nothing was held");
	hand_over(pair, ELSEWHERE, held, held_length);
	expect(server->probed.path == NULL, "an old packet asks for a move");
	pair->on_batch = overtake;
	pair_play(pair, write_ping);
	pair_exchange(pair, 50);
	expect(challenges > 0, "nobody is asked");
	expect(memcmp(challenged_id, server->current.peer_id.bytes, ID_SIZE) !=
	    0, "an id is used on two paths");
	pair_play(pair, write_wrong_response);
	pair_exchange(pair, 50);
	expect(server->current.path->key.remote.port == pair->port &&
	    server->moves == 0, "a channel moves without a response");
	pair_end(pair);
}

static size_t challenge_length, response_length;

static bool
measure(struct pair *pair, int side, const struct sj_batch *batch)
{
	if (side == 0 && batch->path.remote.port == pair->port &&
	    challenge_length == 0)
		challenge_length = batch->length;
	else if (side == 1 && challenge_length > 0 && response_length == 0)
		response_length = batch->length;
	return true;
}

/* [SJ-PA-3] A response is no larger than what asked for it. */
static void
response_size(void)
{
	struct pair *pair = pair_logged_in();

	pair_exchange(pair, 100);
	pair->port++;
	pair->on_batch = measure;
	pair_play(pair, write_ping);
	pair_exchange(pair, 50);
	expect(challenge_length > 0 && challenge_length < 100,
	    "more than a ping came back for a ping");
	expect(response_length > 0 && response_length <= challenge_length,
	    "a response is larger than the challenge");
	pair_end(pair);
}

static uint64_t bytes_up, bytes_down;

static bool
first_from_elsewhere(struct pair *pair, int side, const struct sj_batch *batch)
{
	if (side == 1 && !(batch->bytes[0] & FLAG_LONG)) {
		bytes_up += batch->length;
		hand_over(pair, ELSEWHERE, batch->bytes, batch->length);
		return false;
	}
	if (side == 0 && batch->path.remote.port == ELSEWHERE)
		bytes_down += batch->length;
	return side == 1 || batch->bytes[0] & FLAG_LONG;
}

/* [SJ-PA-4] The first packet that opens comes from elsewhere than the hello. */
static void
opens_elsewhere(void)
{
	struct pair *pair = pair_begin();
	struct sj__channel *server;

	pair->on_batch = first_from_elsewhere;
	(void)start_login(pair);
	pair_exchange(pair, 5);
	server = pair_channel(pair->world.server);
	expect(server != NULL && bytes_up > 0, "no channel opens");
	expect(server->current.path->key.remote.port == ELSEWHERE &&
	    !server->current.is_validated,
	    "a channel opens where nobody is, or trusts whom it has not asked");
	pair_exchange(pair, 3000);
	expect(bytes_down > 0 && bytes_down <= bytes_up,
	    "more to an unproven address than came from it");
	pair_end(pair);
}

static bool
always_sooner(struct pair *pair, int side, const struct sj_batch *batch)
{
	size_t at, one;

	if (side == 1) {
		for (at = 0; at < batch->length; at += one) {
			one = min_size(batch->segment_size, batch->length - at);
			hand_over(pair, ELSEWHERE, batch->bytes + at, one);
		}
		return true;
	}
	if (batch->path.remote.port != ELSEWHERE)
		return true;
	bytes_down += batch->length;
	return false;
}

/* What SECURITY.md says of who is always sooner [SJ-PA-4]: a login is kept out as
 * long as that lasts, and no longer; one that stands is not moved. */
static void
overtaken(void)
{
	struct pair *pair = pair_begin();
	struct sj_stream_info info = { .size = sizeof info };
	struct sj_stream *stream;
	struct sj__channel *server;

	bytes_down = 0;
	pair->on_batch = always_sooner;
	pair->session = start_login(pair);
	pair_exchange(pair, 2000);
	expect(pair->session->state == SESSION_PROVING && bytes_down > 0,
	    "who is always sooner does not keep a login out");
	pair->on_batch = NULL;
	pair_exchange(pair, 5000);
	expect(pair->session->state == SESSION_LIVE,
	    "no login once nobody is sooner");
	pair->on_batch = always_sooner;
	server = pair_channel(pair->world.server);
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, "x", 1) == 1, "no stream");
	pair_exchange(pair, 2000);
	expect(server->current.path->key.remote.port == pair->port,
	    "a login that stands is moved");
	expect(sj_stream_info(stream, &info) == 0 && info.acknowledged > 0,
	    "a login that stands is held up");
	pair_end(pair);
}

/* [SJ-ID-3] [SJ-PA-2] The client follows, and neither end goes on with an id
 * that was used at the old address. */
static void
move(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	uint8_t up[ID_SIZE], down[ID_SIZE];

	pair_exchange(pair, 100);
	memcpy(up, client->current.peer_id.bytes, ID_SIZE);
	memcpy(down, server->current.peer_id.bytes, ID_SIZE);
	pair->port++;
	client->ping_wanted = true;
	sj__channel_wake(client);
	pair_exchange(pair, 100);
	expect(server->moves == 1 &&
	    server->current.path->key.remote.port == pair->port,
	    "the server does not follow");
	expect(memcmp(up, client->current.peer_id.bytes, ID_SIZE) != 0,
	    "the client goes on with an id of the old address");
	expect(memcmp(down, server->current.peer_id.bytes, ID_SIZE) != 0,
	    "the server goes on with an id of the old address");
	pair_end(pair);
}

static bool
from_elsewhere(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side == 1)
		return true;
	path.remote.port = 9;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, batch->bytes, batch->length, batch->segment_size);
	return false;
}

/* [SJ-PA-5] A server does not move. */
static void
server_elsewhere(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj_stream *stream;
	uint64_t before;

	pair_exchange(pair, 100);
	before = client->packets_in;
	pair->on_batch = from_elsewhere;
	expect(sj_stream_open(server_session(pair), &stream, NULL) == 0 &&
	    sj_stream_write(stream, "x", 1) == 1, "no stream");
	pair_exchange(pair, 50);
	expect(pair->client->endpoint->counters[COUNT_DROPPED_PATH] > 0,
	    "nothing came from elsewhere");
	expect(client->packets_in == before && client->probed.path == NULL,
	    "a packet from another address than the server's is taken");
	pair_end(pair);
}

static void
write_many_ids(struct writer *writer)
{
	uint8_t id[ID_SIZE] = { 0 };

	for (uint64_t i = 10; i < 20; i++) {
		id[0] = (uint8_t)i;
		sj__frame_new_id(writer, i, id);
	}
}

static void
too_many_ids(void)
{
	expect_cut_off(write_many_ids, "ids are kept without end");
}

static unsigned said;

static bool
deaf(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	said += side == 1;
	return false;
}

/* [SJ-PA-6] With a stream open a client asks; without one it says nothing. */
static void
quiet(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_stream *stream;

	pair_exchange(pair, 500);
	pair->on_batch = deaf;
	said = 0;
	pair_exchange(pair, 20000);
	expect(said == 0, "a client that expects nothing speaks");
	pair->on_batch = NULL;
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, "x", 1) == 1, "no stream");
	pair_exchange(pair, 500);
	pair->on_batch = deaf;
	said = 0;
	pair_exchange(pair, 1500);
	expect(said > 0, "a client that expects something does not ask");
	pair_end(pair);
}

/* [SJ-PA-8] */
static void
dead_peer(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_stream *stream;

	pair->on_batch = deaf;
	said = 0;
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, "x", 1) == 1, "no stream");
	for (unsigned i = 0; i < 3000 && !pair->ended; i++) {
		pair_exchange(pair, 1);
		pair->world.now.boot_ns += 100 * NS_PER_MS;
	}
	expect(said > 9, "given up too soon");
	expect(pair->session == NULL,
	    "a peer that is gone is waited for without end");
	pair_end(pair);
}

/* --- The size of datagrams --------------------------------------------- */

static size_t passes, largest[2];       /* bytes; seen from each side */

static bool
narrow(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	if (batch->segment_size > passes)
		return false;
	if (batch->segment_size > largest[side])
		largest[side] = batch->segment_size;
	return true;
}

static struct pair *
pair_of_sizes(uint32_t client_max, uint32_t server_max, size_t way)
{
	struct pair *pair = pair_begin();

	pair->client->endpoint->options.datagram_max = client_max;
	pair->world.server->options.datagram_max = server_max;
	pair->on_batch = narrow;
	passes = way;
	largest[0] = largest[1] = 0;
	pair_log_in(pair);
	return pair;
}

/* As much as there is room for, and back again. */
static void
keep_writing(struct pair *pair, struct sj_stream *stream, unsigned rounds)
{
	static uint8_t bytes[65536];

	for (unsigned i = 0; i < rounds; i++) {
		while (sj_stream_write(stream, bytes, sizeof bytes) > 0)
			;
		pair_exchange(pair, 1);
	}
}

static struct sj_stream *
open_stream(struct pair *pair)
{
	struct sj_stream *stream;

	expect(sj_stream_open(pair->session, &stream, NULL) == 0, "no stream");
	return stream;
}

/* [SJ-PA-10] */
static void
datagram_size(void)
{
	struct pair *pair = pair_of_sizes(65507, 65507, 5000);
	struct sj__channel *ends[2] = { pair_channel(pair->world.server),
	    pair_channel(pair->client->endpoint) };

	expect(largest[0] <= 1200 && largest[1] <= 1200,
	    "a datagram larger than what every path carries, untried");
	keep_writing(pair, open_stream(pair), 2000);
	for (int side = 0; side < 2; side++) {
		expect(ends[side]->current.path->mtu > 4900 &&
		    largest[side] > 4900, "larger datagrams are not used");
		expect(ends[side]->current.path->threshold == UINT64_MAX &&
		    ends[side]->recovery.lost_count == 0,
		    "a probe for the size was lost, and called congestion");
	}
	pair_end(pair);
}

/* [SJ-PA-10] */
static void
datagram_of_peer(void)
{
	struct pair *pair = pair_of_sizes(9000, 3000, 65507);

	keep_writing(pair, open_stream(pair), 500);
	expect(largest[0] == 3000, "not as large as the own limit");
	expect(largest[1] == 3000, "not as large as the peer takes, or larger");
	pair_end(pair);
}

/* [SJ-PA-11] */
static void
black_hole(void)
{
	struct pair *pair = pair_of_sizes(9000, 9000, 9000);
	struct sj__channel *channel = pair_channel(pair->client->endpoint);
	struct sj_stream *stream = open_stream(pair);
	uint64_t timeouts_ns;

	keep_writing(pair, stream, 500);
	expect(channel->current.path->mtu == 9000, "larger ones are not used");
	passes = 1300;
	timeouts_ns = 3 * sj__recovery_probe_timeout_ns(&channel->recovery,
	    channel->current.path);
	keep_writing(pair, stream, (unsigned)(timeouts_ns / NS_PER_MS));
	expect(channel->current.path->mtu <= 1300,
	    "still in a black hole after three probe timeouts");
	keep_writing(pair, stream, 3000);
	expect(channel->current.path->mtu > 1280 &&
	    channel->current.path->mtu <= 1300, "what passes is not found");
	passes = 9000;
	pair_end(pair);
}

const struct rule rules_paths[] = {
	{ "datagram_size", datagram_size },
	{ "datagram_of_peer", datagram_of_peer },
	{ "black_hole", black_hole },
	{ "shared_path", shared_path },
	{ "challenge", challenge },
	{ "response_size", response_size },
	{ "opens_elsewhere", opens_elsewhere },
	{ "overtaken", overtaken },
	{ "move", move },
	{ "server_elsewhere", server_elsewhere },
	{ "too_many_ids", too_many_ids },
	{ "quiet", quiet },
	{ "dead_peer", dead_peer },
	{ NULL, NULL }
};
