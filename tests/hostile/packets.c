/* SPDX-License-Identifier: ISC */
/*
 * packets.c - what becomes of packets under keys when somebody meddles
 *
 * One conversation, in which every kind of frame goes some way: before each
 * datagram the meddler has its turn. None of what it makes is taken, and the
 * conversation goes on to its end as if it were not there.
 */
#include "hostile.h"

#define LONGER_MAX 40
#define RECORDED_MAX 4096

static struct {
	void (*meddle)(struct pair *pair, int side, const uint8_t *bytes,
	    size_t length);
	uint64_t turns, copies;
	uint64_t kinds[2];              /* bit per frame type that a side sent */
} talk;

static struct recorded {
	int side;
	size_t length;
	uint8_t *bytes;
} recorded[RECORDED_MAX];
static size_t recorded_count;

/* --- Both ends --------------------------------------------------------- */

static struct sj_endpoint *
end_of(struct pair *pair, int side)
{
	return side == 0 ? pair->world.server : pair->client->endpoint;
}

static struct sj__channel *
channel_of(struct pair *pair, int side)
{
	struct sj_endpoint *endpoint = end_of(pair, side);
	struct sj__channel *channel = pair_channel(endpoint);

	return channel != NULL ? channel :
	    list_first(&endpoint->half_open_channels, struct sj__channel, all);
}

/* Packets that an end has taken. */
static uint64_t
taken(struct pair *pair, int side)
{
	const struct sj__channel *channel = channel_of(pair, side);

	return channel == NULL ? 0 : channel->packets_in;
}

static uint64_t
dropped(struct pair *pair, int side)
{
	const struct sj_endpoint *endpoint = end_of(pair, side);
	uint64_t sum = 0;

	for (int i = COUNT_DROPPED_SHORT; i <= COUNT_DROPPED_MEMORY; i++)
		sum += endpoint->counters[i];
	return sum;
}

/* A datagram that the receiver must not take, and says so in its counters. */
static void
must_drop(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	uint64_t before = taken(pair, 1 - side);
	uint64_t drops = dropped(pair, 1 - side);

	hostile_inject(pair, side, bytes, length);
	talk.copies++;
	expect(taken(pair, 1 - side) == before, "it was taken");
	expect(dropped(pair, 1 - side) > drops, "nobody counted it");
}

/* --- The conversation -------------------------------------------------- */

static bool
on_batch(struct pair *pair, int side, const struct sj_batch *batch)
{
	for (size_t at = 0; at < batch->length && talk.meddle != NULL;
	    at += batch->segment_size) {
		talk.turns++;
		talk.meddle(pair, side, batch->bytes + at,
		    min_size(batch->segment_size, batch->length - at));
	}
	return true;
}

static struct sj_stream *
open_stream(struct sj_session *session)
{
	static const uint8_t bytes[3000];
	struct sj_stream *stream = NULL;

	expect(sj_stream_open(session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	return stream;
}

/* Both ends of every kind: what is said to be over is closed by the pair. */
static void
use_streams(struct pair *pair)
{
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_session *sessions[2] = { server->user_data, pair->session };
	struct sj_stream *streams[3];

	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < 3; i++)
			streams[i] = open_stream(sessions[side]);
		pair_exchange(pair, 6);
		(void)sj_stream_set_priority(streams[0], 1, 9);
		(void)sj_stream_stop(streams[1], 5);
		(void)sj_stream_reset(streams[2], 6);
		sj_stream_close(streams[2]);
		pair_exchange(pair, 6);
		/* that which was stopped was reset, and closed by the pair */
		sj_stream_close(streams[0]);
		pair_exchange(pair, 6);
	}
}

static void
converse(struct pair *pair)
{
	pair_log_in(pair);
	use_streams(pair);
	/* The client is elsewhere: ids, challenge, response. */
	pair->port++;
	use_streams(pair);
	pair->world.now.boot_ns += 40 * NS_PER_S;
	pair_exchange(pair, 40);
	expect(pair->session != NULL && !pair->ended, "the login is lost");
	expect(sj_logout(pair->session) == 0, "no logout");
	pair_exchange(pair, 40);
	expect(pair->ended, "a logout does not end");
}

static void
finish(struct pair *pair)
{
	talk.meddle = NULL;
	pair->world.now.boot_ns += 200 * NS_PER_S;
	pair_exchange(pair, 40);
	expect(pair->world.server->half_open == 0 &&
	    list_is_empty(&pair->world.server->channels) &&
	    list_is_empty(&pair->client->endpoint->channels),
	    "something is left of it");
	pair_close(pair);
	free(pair);
}

static void
run(void (*meddle)(struct pair *pair, int side, const uint8_t *bytes,
    size_t length))
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair_seed(3);
	pair_open(pair);
	memset(&talk, 0, sizeof talk);
	talk.meddle = meddle;
	pair->on_batch = on_batch;
	converse(pair);
	expect(talk.copies > 0, "nobody meddled");
	printf("  %llu datagrams, %llu copies\n",
	    (unsigned long long)talk.turns, (unsigned long long)talk.copies);
	finish(pair);
}

static bool
is_long(const uint8_t *bytes)
{
	return (bytes[0] & FLAG_LONG) != 0;
}

/* --- Bits -------------------------------------------------------------- */

/* What is in a packet: read with the receiver's keys, which that does not
 * change in a conversation of one phase. */
static uint64_t
kinds_of(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	static uint8_t copy[DATAGRAM_MAX];
	struct sj__channel *channel = channel_of(pair, 1 - side);
	struct reader reader;
	struct span payload;
	struct frame frame;
	uint64_t number, kinds = 0;
	bool updated;

	if (channel == NULL || channel->protection.aead == NULL)
		return 0;
	memcpy(copy, bytes, length);
	sj__packet_unmask(&channel->protection, copy, length, 1);
	if (sj__packet_open(&channel->protection,
	    sj__recovery_expected_number(&channel->recovery), copy, length,
	    &number, &payload, &updated) < 0)
		return 0;
	reader = reader_of(payload.data, payload.length);
	while (sj__frame_decode(&reader, &frame)) {
		if (frame_is_stream(frame.type) && frame.u.stream.stream == 0)
			kinds |= UINT64_C(1) << 63;     /* control records */
		else if (frame.type < 63)
			kinds |= UINT64_C(1) << frame.type;
	}
	return kinds;
}

static void
turn_bits(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	static uint8_t copy[DATAGRAM_MAX];
	uint64_t kinds;

	if (is_long(bytes))
		return;                 /* bits.c */
	kinds = kinds_of(pair, side, bytes, length);
	if ((kinds & ~talk.kinds[side]) == 0)
		return;
	talk.kinds[side] |= kinds;
	for (size_t bit = 0; bit < 8 * length; bit++) {
		memcpy(copy, bytes, length);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		must_drop(pair, side, copy, length);
	}
}

#define KIND(type) (UINT64_C(1) << (type))
#define KINDS_OF_BOTH (KIND(FRAME_ACK) | KIND(FRAME_NEW_ID) | \
	    KIND(FRAME_STREAM | STREAM_OPEN) | KIND(FRAME_CREDIT) | \
	    KIND(FRAME_PRIORITY) | KIND(FRAME_RESET) | \
	    KIND(FRAME_STOP) | KIND(63))

static void
flipped(void)
{
	run(turn_bits);
	expect((talk.kinds[0] & KINDS_OF_BOTH) == KINDS_OF_BOTH &&
	    (talk.kinds[1] & KINDS_OF_BOTH) == KINDS_OF_BOTH,
	    "not every kind of packet went both ways");
	expect((talk.kinds[0] & KIND(FRAME_PATH_CHALLENGE)) != 0 &&
	    (talk.kinds[1] & KIND(FRAME_PATH_RESPONSE)) != 0 &&
	    (talk.kinds[1] & KIND(FRAME_PARAMETERS)) != 0 &&
	    (talk.kinds[1] & KIND(FRAME_RETIRE_ID)) != 0 &&
	    ((talk.kinds[0] | talk.kinds[1]) & KIND(FRAME_CLOSE)) != 0,
	    "not every kind of packet was sent");
}

/* --- Lengths ----------------------------------------------------------- */

static void
cut(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	for (size_t shorter = 1; shorter < length; shorter++) {
		if (side == 0 && is_long(bytes)) {
			/* Nothing says where a fragment of an answer ends. */
			hostile_inject(pair, side, bytes, shorter);
			talk.copies++;
		} else {
			must_drop(pair, side, bytes, shorter);
		}
	}
}

static void
truncated(void)
{
	run(cut);
}

static void
lengthen(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	static uint8_t longer[DATAGRAM_MAX];

	for (size_t i = length; i < sizeof longer; i++)
		longer[i] = (uint8_t)draw(NULL, 256);
	memcpy(longer, bytes, length);
	if (is_long(bytes)) {
		/* What follows a hello or an answer is nobody's: as good as
		 * without. */
		hostile_inject(pair, side, longer, sizeof longer);
		talk.copies++;
		return;
	}
	for (size_t more = 1; more <= LONGER_MAX; more++)
		must_drop(pair, side, longer, length + more);
	must_drop(pair, side, longer, sizeof longer);
}

static void
oversized(void)
{
	run(lengthen);
}

/* --- Again, and to others ---------------------------------------------- */

static void
repeat(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	hostile_inject(pair, side, bytes, length);
	if (is_long(bytes))
		hostile_inject(pair, side, bytes, length);
	else
		must_drop(pair, side, bytes, length);
	talk.copies++;
}

static void
duplicated(void)
{
	run(repeat);
}

static void
reflect(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	must_drop(pair, 1 - side, bytes, length);
}

static void
reflected(void)
{
	run(reflect);
}

static void
record(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	struct recorded *one = &recorded[recorded_count++];

	(void)pair;
	expect(recorded_count <= RECORDED_MAX, "too much was said");
	*one = (struct recorded){ side, length, malloc(length) };
	memcpy(one->bytes, bytes, length);
	talk.copies++;
}

/* Hellos are answered, and that is all that comes of it. */
static void
replay(struct pair *pair)
{
	uint64_t logins = pair->world.server->counters[COUNT_LOGIN_ACCEPTED];

	for (size_t i = 0; i < recorded_count; i++) {
		const struct recorded *one = &recorded[i];

		if (is_long(one->bytes))
			hostile_inject(pair, one->side, one->bytes,
			    one->length);
		else
			must_drop(pair, one->side, one->bytes, one->length);
		pair_exchange(pair, 1);
	}
	expect(pair->world.server->counters[COUNT_LOGIN_ACCEPTED] == logins,
	    "a login was replayed");
}

/* To the same ends after the next login, and to a server that was started again
 * and has the same key. */
static void
replayed(void)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	recorded_count = 0;
	pair_seed(3);
	pair_open(pair);
	memset(&talk, 0, sizeof talk);
	talk.meddle = record;
	pair->on_batch = on_batch;
	converse(pair);
	talk.meddle = NULL;
	pair_log_in(pair);
	replay(pair);
	expect(pair->session != NULL && !pair->ended,
	    "the login that lives is lost");
	use_streams(pair);
	sj__endpoint_destroy(pair->world.server);
	options.host_key = &pair->world.host_key;
	options.listen = "again";
	expect(sj__endpoint_create(&pair->world.server, &options,
	    &pair->world.server_io, NULL) == 0, "no server");
	replay(pair);
	expect(pair->world.server->half_open > 0, "no hello was taken");
	while (recorded_count > 0)
		free(recorded[--recorded_count].bytes);
	pair->world.now.boot_ns += 100 * NS_PER_S;
	pair_exchange(pair, 20);
	expect(pair->world.server->half_open == 0,
	    "something is left of what was replayed");
	pair_close(pair);
	free(pair);
}

static const struct hostile_case cases[] = {
	{ "flipped", flipped },
	{ "truncated", truncated },
	{ "oversized", oversized },
	{ "duplicated", duplicated },
	{ "reflected", reflected },
	{ "replayed", replayed },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
