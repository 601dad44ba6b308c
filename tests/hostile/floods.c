/* SPDX-License-Identifier: ISC */
/*
 * floods.c - a client with valid keys that wants more than its share
 *
 * It is let to say what it likes, and acknowledges, opens, resets or sends
 * without measure. What the server keeps for it stays within named limits.
 */
#include "hostile.h"

#define KEPT_FOR_ONE (8u << 20)         /* bytes of the server, for any of these */
#define KEPT_UNREAD (32u << 20)         /* of 100 streams that nobody reads */
#define HOLES_KEPT 8192                 /* in one stream, at most */

static size_t
used(const struct pair *pair)
{
	return pair->world.server->memory.used;
}

static uint64_t
closed_for_breach(const struct pair *pair)
{
	return pair->world.server->counters[COUNT_CLOSED_PROTOCOL];
}

/* --- Acknowledgements -------------------------------------------------- */

static uint64_t ack_from, ack_to;

static void
write_ack(struct writer *writer)
{
	write_varint(writer, FRAME_ACK);
	write_varint(writer, ack_to);
	write_varint(writer, 0);
	write_varint(writer, 0);
	write_varint(writer, ack_to - ack_from);
}

/* The answers of the server get lost: the client knows of nothing it has. */
static bool
lose_down(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	return side != 0;
}

static void
optimistic(uint64_t beyond, bool skips)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_stream *stream;
	uint8_t bytes[20000] = { 0 };

	pair->on_batch = lose_down;
	if (skips)
		server->skip_in = 2;
	ack_from = sj__recovery_next_number(&server->recovery);
	expect(sj_stream_open(server->user_data, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	pair_exchange(pair, 2);
	ack_to = sj__recovery_next_number(&server->recovery) - 1 + beyond;
	expect(ack_to > ack_from + 3, "the server sent nothing");
	hostile_play(pair, write_ack);
	expect(closed_for_breach(pair) == (beyond > 0 || skips ? 1 : 0),
	    "what is acknowledged, and was it sent?");
	hostile_end(pair);
}

/* [SJ-PK-6]: of numbers that were not reached yet, and of one that was left
 * out. */
static void
optimistic_acks(void)
{
	optimistic(0, false);
	optimistic(1, false);
	optimistic(1000000, false);
	optimistic(0, true);
}

/* --- Streams ----------------------------------------------------------- */

static uint64_t next_stream;

static bool
write_opening(struct writer *writer, bool fin)
{
	struct stream_opening opening = { .credit = 65536, .weight = 1,
	    .service = { (const uint8_t *)"x", 1 } };
	struct stream_header header = { .stream = next_stream,
	    .opening = &opening, .fin = fin };
	size_t length = 0;

	return sj__frame_stream(writer, &header, &length);
}

static void
write_resets(struct writer *writer)
{
	struct frame reset = { .type = FRAME_RESET };

	for (struct writer before = *writer;; before = *writer) {
		if (!write_opening(writer, false))
			break;
		reset.u.reset.stream = next_stream;
		sj__frame_reset(writer, &reset);
		if (writer->failed) {
			*writer = before;
			break;
		}
		next_stream += 2;
	}
}

static void
write_openings(struct writer *writer)
{
	while (write_opening(writer, true))
		next_stream += 2;
}

/* Streams as fast as packets go: all that are taken were paid for with credit,
 * which comes back when the server is done with them. */
static void
many_streams(void (*write)(struct writer *))
{
	struct pair *pair = hostile_start();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj_session *session =
	    pair_channel(pair->world.server)->user_data;
	size_t before = used(pair), most = 0;

	next_stream = 2;
	for (unsigned i = 0; i < 4000 && client->state == CHANNEL_OPEN &&
	    !pair->ended; i++) {
		hostile_play(pair, write);
		if (pair->ended || closed_for_breach(pair) > 0)
			break;
		most = most > session->tree.count ? most :
		    session->tree.count;
		expect(session->tree.count <= CREDIT_ROOT / STREAM_COST,
		    "more streams than were paid for");
		expect(used(pair) < before + KEPT_FOR_ONE,
		    "memory grows with every stream");
	}
	expect(next_stream > 8000, "too few streams to prove anything");
	printf("  %llu streams, %zu at once\n",
	    (unsigned long long)next_stream / 2, most);
	hostile_end(pair);
}

static void
rapid_reset(void)
{
	many_streams(write_resets);
}

static void
stream_flood(void)
{
	many_streams(write_openings);
}

/* --- Bytes ------------------------------------------------------------- */

/* The server's application writes on streams that the client reads nothing of,
 * nor gives credit for. */
static void
slow_reader(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	static const uint8_t bytes[65536];
	struct sj_stream *streams[100];
	uint64_t written = 0;
	size_t before = used(pair);

	hostile_play(pair, NULL);
	for (unsigned i = 0; i < 100; i++)
		expect(sj_stream_open(server->user_data, &streams[i], NULL) ==
		    0, "no stream");
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 100; i++) {
			ptrdiff_t n = sj_stream_write(streams[i], bytes,
			    sizeof bytes);

			written += n > 0 ? (uint64_t)n : 0;
		}
		pair_exchange(pair, 2);
	}
	printf("  %llu bytes written, %zu kept\n", (unsigned long long)written,
	    used(pair) - before);
	expect(written > 0, "nothing was written");
	expect(written <= KEPT_UNREAD && used(pair) - before <= KEPT_UNREAD,
	    "what nobody reads is kept without measure");
	hostile_end(pair);
}

static void
write_ping(struct writer *writer)
{
	write_varint(writer, FRAME_PING);
}

static uint64_t gap_offset, gap_step;

static void
write_gaps(struct writer *writer)
{
	struct stream_opening opening = { .credit = 65536, .weight = 1,
	    .borrow = BORROW_MAX, .lender_is_root = true,
	    .service = { (const uint8_t *)"x", 1 } };
	struct stream_header header = { .stream = 2, .opening = &opening };

	for (;;) {
		size_t length = 1;

		header.offset = gap_offset;
		if (writer_left(writer) < 40 ||
		    !sj__frame_stream(writer, &header, &length))
			break;
		memset(write_room(writer, length), 3, length);
		gap_offset += gap_step;
	}
}

static void
write_far(struct writer *writer)
{
	gap_offset = VARINT_MAX - 1000;
	write_gaps(writer);
}

/* Bytes with holes between them, and far beyond all credit; numbers of packets
 * with holes between them. */
static void
huge_gaps(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj__channel *server = pair_channel(pair->world.server);
	size_t before = used(pair), most = 0;

	for (unsigned i = 0; i < 3000; i++) {
		client->skip_in = 0;
		hostile_play(pair, write_ping);
		if (most < server->recovery.received.count)
			most = server->recovery.received.count;
	}
	printf("  %zu intervals of numbers, %zu bytes kept\n", most,
	    used(pair) - before);
	expect(most > 200 && most <= RECEIVED_RANGES_MAX + 1 &&
	    client->state == CHANNEL_OPEN, "numbers with gaps");
	expect(used(pair) < before + 64 * 1024, "numbers take memory");
	hostile_end(pair);

	pair = hostile_start();
	before = used(pair);
	gap_offset = 1;
	gap_step = 2;
	for (unsigned i = 0; i < 2000 && pair_channel(pair->world.server) !=
	    NULL; i++) {
		hostile_play(pair, write_gaps);
		expect(used(pair) < before + KEPT_FOR_ONE, "holes take memory");
	}
	printf("  %llu bytes with gaps\n", (unsigned long long)gap_offset / 2);
	expect(pair_channel(pair->world.server) == NULL &&
	    gap_offset / 2 > 1000 && gap_offset / 2 < HOLES_KEPT,
	    "holes without end are taken");
	hostile_end(pair);

	pair = hostile_start();
	hostile_play(pair, write_far);
	expect(closed_for_breach(pair) == 1, "bytes beyond all credit");
	hostile_end(pair);
}

static const struct hostile_case cases[] = {
	{ "optimistic_acks", optimistic_acks },
	{ "rapid_reset", rapid_reset },
	{ "stream_flood", stream_flood },
	{ "slow_reader", slow_reader },
	{ "huge_gaps", huge_gaps },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
