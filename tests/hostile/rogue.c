/* SPDX-License-Identifier: ISC */
/*
 * rogue.c - a peer with valid keys that breaks every rule
 *
 * A client does the handshake as it should; then its packets carry frames that
 * were drawn at random, whole or cut, with numbers near the edges. Whatever
 * comes, the server answers by closing the channel or by nothing: it neither
 * fails an assertion nor holds more memory than its limit, and the next honest
 * client gets in. The same is done to a client by a server.
 */
#include "sim/pair.h"

#define ROUNDS 400

static uint64_t packets;
static bool is_gentle;              /* more of what is allowed */

static unsigned gentle_parity;

/* --- Frames ------------------------------------------------------------ */

static uint64_t
edge(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 4, 63, 64, 255, 256,
	    4096, 16383, 16384, 65535, 65536, 262144, 1048576, 1u << 30,
	    VARINT_MAX - 1, VARINT_MAX };

	if (is_gentle || draw(NULL, 3) == 0)
		return draw(NULL, is_gentle ? 300 : 40);
	return edges[draw(NULL, sizeof edges / sizeof edges[0])];
}

static void
put_stream(struct writer *writer)
{
	struct stream_opening opening = { .parent = is_gentle ?
	    draw(NULL, 2) * (2 * draw(NULL, 8) + 2 + gentle_parity) :
	    draw(NULL, 12),
	    .borrow = edge(), .credit = edge(),
	    .urgency = (uint8_t)draw(NULL, 8),
	    .weight = (uint8_t)(1 + draw(NULL, 255)),
	    .best_effort = draw(NULL, 8) == 0,
	    .lender_is_root = draw(NULL, 2) == 0,
	    .service = { (const uint8_t *)"echo", draw(NULL, 5) } };
	struct stream_header header = { .stream = is_gentle ?
	    2 * draw(NULL, 30) + 2 + gentle_parity : draw(NULL, 40),
	    .offset = draw(NULL, 2) == 0 ? 0 : edge(),
	    .opening = is_gentle || draw(NULL, 3) != 0 ? &opening : NULL,
	    .fin = draw(NULL, is_gentle ? 15 : 4) == 0 };
	size_t length = (size_t)draw(NULL, 200), before;

	if (header.offset > VARINT_MAX - 1000)
		header.offset = VARINT_MAX - 1000;
	before = length;
	if (!sj__frame_stream(writer, &header, &length))
		return;
	(void)before;
	if (length > 0)
		memset(write_room(writer, length), 3, length);
}

static void
put_ack(struct writer *writer)
{
	uint64_t largest = draw(NULL, 3) == 0 ? edge() : draw(NULL, 30);

	write_varint(writer, FRAME_ACK);
	write_varint(writer, largest);
	write_varint(writer, edge());
	write_varint(writer, 0);
	write_varint(writer, draw(NULL, 4) == 0 ? largest : 0);
}

static void
put_frame(struct writer *writer)
{
	struct frame reset = { .type = FRAME_RESET };
	uint8_t bytes[8] = { 1, 2, 3 };

	switch (draw(NULL, is_gentle ? 8 : 12)) {
	case 0: case 1: case 2: case 3:
		put_stream(writer);
		break;
	case 4:
		sj__frame_credit(writer, is_gentle ? 0 : draw(NULL, 40),
		    edge());
		break;
	case 5:
		reset.u.reset.stream = is_gentle ?
		    2 * draw(NULL, 30) + 2 + gentle_parity : draw(NULL, 40);
		reset.u.reset.code = edge();
		reset.u.reset.final_size = is_gentle ? 600 : edge();
		reset.u.reset.parent = is_gentle ? 0 : draw(NULL, 12);
		reset.u.reset.borrow = edge();
		reset.u.reset.lender_is_root = draw(NULL, 2) == 0;
		sj__frame_reset(writer, &reset);
		break;
	case 6:
		sj__frame_stop(writer, is_gentle ?
		    2 * draw(NULL, 30) + 2 + gentle_parity : draw(NULL, 40),
		    edge());
		break;
	case 7:
		sj__frame_priority(writer, draw(NULL, 40), edge(),
		    (uint8_t)draw(NULL, 8), (uint8_t)(1 + draw(NULL, 255)));
		break;
	case 8:
		if (draw(NULL, 8) == 0)
			sj__frame_new_id(writer, edge(), bytes);
		else
			sj__frame_path(writer, draw(NULL, 2) == 0 ?
			    FRAME_PATH_CHALLENGE : FRAME_PATH_RESPONSE, bytes);
		break;
	case 9:
		if (draw(NULL, 4) == 0)
			sj__frame_retire_id(writer, draw(NULL, 6));
		break;
	case 10:
		if (draw(NULL, 4) == 0)
			put_ack(writer);
		break;
	default:
		if (draw(NULL, 30) == 0 && writer_left(writer) > 8)
			write_uint(writer, draw(NULL, UINT64_MAX), 8);
		break;
	}
}

static bool rogue_sends;

static void
rogue_fill(void *user, struct sj_time now, struct writer *writer)
{
	struct writer start;

	(void)user;
	(void)now;
	for (uint64_t count = 1 + draw(NULL, 6); count > 0; count--) {
		start = *writer;
		put_frame(writer);
		if (writer->failed) {
			*writer = start;
			break;
		}
	}
	rogue_sends = false;
}

static bool
rogue_has_data(const void *user)
{
	(void)user;
	return rogue_sends;
}

static int
rogue_on_frame(void *user, struct sj_time now, const struct frame *frame)
{
	(void)user;
	(void)now;
	(void)frame;
	return 0;
}

static void
rogue_on_settled(void *user, const struct sj__sent_record *record,
    bool delivered)
{
	(void)user;
	(void)record;
	(void)delivered;
}

static void
rogue_on_closed(void *user, struct sj_time now, int error, const char *text)
{
	(void)user;
	(void)now;
	(void)error;
	(void)text;
}

static bool
rogue_expects(const void *user)
{
	(void)user;
	return true;
}

static void
rogue_on_moved(void *user, struct sj_time now)
{
	(void)user;
	(void)now;
}

static void
rogue_on_away(void *user, struct sj_time now, bool is_away)
{
	(void)user;
	(void)now;
	(void)is_away;
}

static const struct sj__channel_user rogue = {
	.expects = rogue_expects,
	.on_moved = rogue_on_moved,
	.on_away = rogue_on_away,
	.on_closed = rogue_on_closed,
	.on_frame = rogue_on_frame,
	.fill = rogue_fill,
	.has_data = rogue_has_data,
	.on_settled = rogue_on_settled,
};

/* side 0: the server turns rogue; 1: the client. */
static void
attack(int side)
{
	struct pair *pair = calloc(1, sizeof *pair);
	const struct sj__channel_user *honest;
	struct sj_endpoint *bad, *good;
	struct sj_endpoint_stats stats = { .size = sizeof stats };
	struct sj__channel *channel;
	void *user_data;

	pair_open(pair);
	pair_log_in(pair);
	bad = side == 0 ? pair->world.server : pair->client->endpoint;
	good = side == 0 ? pair->client->endpoint : pair->world.server;
	channel = pair_channel(bad);
	honest = channel->user;
	user_data = channel->user_data;
	channel->user = &rogue;
	is_gentle = draw(NULL, 4) != 0;
	gentle_parity = side == 0 ? 1 : 0;
	for (int i = 0; i < 60 && channel->state == CHANNEL_OPEN &&
	    !pair->ended; i++) {
		rogue_sends = true;
		sj__channel_wake(channel);
		channel->user = &rogue;
		pair_exchange(pair, 1);
		packets++;
	}
	sj_endpoint_stats(good, &stats);
	if (stats.memory > MEMORY_MAX)
		fail(NULL, "memory beyond its limit");
	if (list_first(&bad->channels, struct sj__channel, all) == channel) {
		channel->user = honest;
		channel->user_data = user_data;
	}
	/* Whoever comes next is served as if nothing had happened. */
	if (side == 1) {
		sj__endpoint_destroy(pair->client->endpoint);
		pair->client->endpoint = NULL;
		struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

		options.mechs = pair->client->mechs;
		if (sj__endpoint_create(&pair->client->endpoint, &options,
		    &pair->client->io, NULL) < 0)
			fail(NULL, "no client");
		pair_log_in(pair);
	}
	pair_close(pair);
	free(pair);
}

int
main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : ROUNDS;

	for (uint64_t seed = first; seed < first + rounds; seed++) {
		pair_seed(seed);
		attack((int)(seed % 2));
	}
	printf("%llu rogues, %llu packets\n", (unsigned long long)rounds,
	    (unsigned long long)packets);
	if (packets < rounds + rounds / 2)
		fail(NULL, "rogues are cut off before they can try anything");
	return 0;
}
