/* SPDX-License-Identifier: ISC */
/* rules_streams.c - rules of PROTOCOL.md: packets, frames and the streams in them */
#include "rules.h"

/* --- Packets ----------------------------------------------------------- */

/* [SJ-ID-2] Nobody else can read an id: the same numbers, other keys. */
static void
server_ids(void)
{
	uint8_t ids[2][CHANNEL_IDS][ID_SIZE];
	struct pair *pair;

	for (unsigned i = 0; i < 2; i++) {
		pair = calloc(1, sizeof *pair);
		pair_seed(1 + i);
		pair_open(pair);
		pair->world.server->id_nonce = 5;
		pair_log_in(pair);
		for (unsigned j = 0; j < CHANNEL_IDS; j++)
			memcpy(ids[i][j], pair_channel(pair->world.server)->
			    own_ids[j].bytes, ID_SIZE);
		pair_end(pair);
	}
	for (unsigned j = 0; j < CHANNEL_IDS; j++)
		expect(memcmp(ids[0][j] + 1, ids[1][j] + 1, ID_SIZE - 1) != 0,
		    "an id is what was numbered");
}

/* To an id that the server has. */
static void
hand_garbage(struct pair *pair, size_t length)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	uint8_t bytes[100] = { 0 };

	path.remote.ip[15] = 1;
	path.remote.port = pair->port;
	memcpy(bytes + 1, pair_channel(pair->client->endpoint)->
	    current.peer_id.bytes, ID_SIZE);
	sj_core_receive(pair->world.server, pair->world.now, &path,
	    SJ_ECN_NONE, bytes, length, length);
}

/* [SJ-PK-1] */
static void
runts(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);

	for (size_t length = 1; length < PACKET_MIN; length++)
		hand_garbage(pair, length);
	expect(server->protection.failed_opens == 0, "a runt is looked into");
	expect(pair->world.server->counters[COUNT_DROPPED_SHORT] ==
	    PACKET_MIN - 1, "a runt is not counted");
	hand_garbage(pair, PACKET_MIN);
	expect(server->protection.failed_opens == 1, "the least is no runt");
	pair_end(pair);
}

/* [SJ-KEY-7] */
static void
failed_opens(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);

	server->protection.failed_opens = (UINT64_C(1) << 36) - 2;
	hand_garbage(pair, PACKET_MIN);
	expect(server->state == CHANNEL_OPEN, "a key ends too soon");
	hand_garbage(pair, PACKET_MIN);
	expect(server->state == CHANNEL_CLOSED,
	    "forgeries may be tried without end");
	pair_end(pair);
}

/* [SJ-FR-6] Nobody acknowledges acknowledgements. */
static void
silence(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	uint64_t up, down;

	pair_exchange(pair, 500);
	up = client->packets_out;
	down = server->packets_out;
	pair_exchange(pair, 20000);
	expect(client->packets_out == up && server->packets_out == down,
	    "two who have nothing to say go on talking");
	pair_end(pair);
}

static uint64_t repeated;

static bool
repeat(struct pair *pair, int side, const struct sj_batch *batch)
{
	static uint8_t copy[65536];
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side == 0)
		return true;
	path.remote.ip[15] = 1;
	path.remote.port = pair->port;
	memcpy(copy, batch->bytes, batch->length);
	sj_core_receive(pair->world.server, pair->world.now, &path,
	    SJ_ECN_NONE, copy, batch->length, batch->segment_size);
	repeated++;
	return true;
}

/* [SJ-PK-5] */
static void
replay(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj__channel *client = pair_channel(pair->client->endpoint);

	pair->on_batch = repeat;
	for (unsigned i = 0; i < 50; i++)
		pair_play(pair, write_ping);
	expect(repeated >= 50 &&
	    pair->world.server->counters[COUNT_DROPPED_DUPLICATE] == repeated,
	    "a copy is not dropped");
	expect(server->packets_in == client->packets_out,
	    "a packet counts twice");
	pair_end(pair);
}

/* [SJ-PK-6] */
static void
skipped_numbers(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	uint64_t first, at[2] = { 0 }, numbers;

	for (unsigned i = 0; i < 2; i++) {
		numbers = client->recovery.next;
		first = client->packets_out;
		while (client->recovery.next - numbers ==
		    client->packets_out - first) {
			expect(client->packets_out - first < 5000,
			    "no number is skipped");
			pair_play(pair, write_ping);
		}
		at[i] = client->packets_out - first;
	}
	expect(at[0] != at[1], "numbers are skipped regularly");
	pair_end(pair);
}

static void
write_half(struct writer *writer)
{
	put_bytes(writer, 2, 0, &small, "", 0);
	write_varint(writer, FRAME_CREDIT);     /* and nothing behind it */
}

/* [SJ-FR-1] */
static void
decoded_whole(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_session *session = server_session(pair);
	uint64_t ids = session->tree.peer_ids.count;

	pair_play(pair, write_half);
	expect(is_cut_off(pair), "half a frame is no error");
	expect(session->tree.peer_ids.count == ids,
	    "a packet acted before all of it was decoded");
	pair_end(pair);
}

static void
write_unknown_frame(struct writer *writer)
{
	write_varint(writer, 0x35);
}

static void
write_grease_frame(struct writer *writer)
{
	write_varint(writer, 31 * 40 + 27);
	write_sized(writer, "whatever", 8);
	write_varint(writer, FRAME_PING);
}

/* [SJ-FR-2] [SJ-FR-3] */
static void
unknown_frame(void)
{
	struct pair *pair = pair_logged_in();

	pair_play(pair, write_grease_frame);
	expect(!is_cut_off(pair), "grease is not ignored");
	pair_end(pair);
	expect_cut_off(write_unknown_frame, "an unknown frame is ignored");
}

/* --- Streams ----------------------------------------------------------- */

static uint64_t next_id;

static void
write_large_opening(struct writer *writer)
{
	struct stream_opening opening = small;

	opening.borrow = BORROW_MAX;
	put_bytes(writer, next_id += 2, 0, &opening, "", 0);
}

/* [SJ-ST-3] [SJ-ST-4] Openings that nobody paid for. */
static void
credit(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_stream *root = server_session(pair)->tree.root;
	uint64_t granted;

	next_id = 0;
	/* The borrowed bytes come back with the first grant: 256 stay. */
	for (unsigned i = 0; i < 10000 && !is_cut_off(pair); i++) {
		granted = root->receive.granted;
		expect(root->receive.charged <= granted,
		    "more was lent than granted");
		pair_play(pair, write_large_opening);
	}
	expect(is_cut_off(pair), "streams open without end");
	pair_end(pair);
}

static void
write_borrow(struct writer *writer)
{
	struct stream_opening opening = small;

	opening.borrow = BORROW_MAX + 1;
	put_bytes(writer, 2, 0, &opening, "", 0);
}

static void
write_unopened(struct writer *writer)
{
	put_bytes(writer, 2, 0, NULL, "word", 4);
}

static void
write_reset_root(struct writer *writer)
{
	struct frame reset = { .type = FRAME_RESET };

	sj__frame_reset(writer, &reset);
}

static void
write_stop_root(struct writer *writer)
{
	sj__frame_stop(writer, 0, 1);
}

static void
write_credit_unopened(struct writer *writer)
{
	sj__frame_credit(writer, 2, 1);
}

/* [SJ-ST-4] [SJ-ST-2] [SJ-ST-11] [SJ-ST-15] */
static void
openings(void)
{
	expect_cut_off(write_borrow, "a stream borrows more than 64 KiB");
	expect_cut_off(write_unopened, "bytes of a stream never opened");
	expect_cut_off(write_reset_root, "stream 0 may be reset");
	expect_cut_off(write_stop_root, "stream 0 may be stopped");
	expect_cut_off(write_credit_unopened,
	    "credit for a stream never opened");
}

/* [SJ-ST-10] A chain of streams, reset at its top by the one who opened it,
 * and by the other. */
static void
reset_tree(void)
{
	struct pair *pair;
	struct sj_stream *streams[4];
	struct sj_stream_options options;

	for (int side = 0; side < 2; side++) {
		pair = pair_logged_in();
		options = (struct sj_stream_options)SJ_STREAM_OPTIONS;
		for (int i = 0; i < 4; i++) {
			options.parent = i > 0 ? streams[i - 1] : NULL;
			expect(sj_stream_open(pair->session, &streams[i],
			    &options) == 0 && sj_stream_write(streams[i], "x",
			    1) == 1, "no stream");
		}
		pair_exchange(pair, 100);
		expect(server_session(pair)->tree.count == 4, "not four");
		expect(sj_stream_reset(side == 0 ? streams[0] : sj__tree_find(
		    &server_session(pair)->tree, streams[0]->id), 77) == 0,
		    "no reset");
		pair_exchange(pair, 100);
		expect(server_session(pair)->tree.count == 0,
		    "descendants of a reset stream live on");
		pair_end(pair);
	}
}

static uint64_t stopped_id, reset_code;

static void
write_stop(struct writer *writer)
{
	sj__frame_stop(writer, stopped_id, 66);
}

static void
note_reset(struct pair *pair, const struct frame *frame)
{
	(void)pair;
	if (frame->type == FRAME_RESET && frame->u.reset.stream == stopped_id)
		reset_code = frame->u.reset.code;
}

/* [SJ-ST-12] */
static void
stop(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_stream *stream;

	expect(sj_stream_open(server_session(pair), &stream, NULL) == 0 &&
	    sj_stream_write(stream, "word", 4) == 4, "no stream");
	pair_exchange(pair, 10);
	stopped_id = stream->id;
	pair->on_frame = note_reset;
	pair_play(pair, write_stop);
	pair_exchange(pair, 10);
	expect(reset_code == 66, "STOP is not answered by RESET");
	pair_end(pair);
}

/* [SJ-ST-6] What a stream took of stream 0 comes back: one after the other
 * there are any number of them. */
static void
credit_comes_back(void)
{
	struct pair *pair = pair_logged_in();
	struct sj_stream *stream;
	static uint8_t bytes[20000];
	uint64_t before;

	for (unsigned i = 0; i < 200; i++) {
		before = server_session(pair)->bytes_in;
		expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
		    sj_stream_write(stream, bytes, sizeof bytes) ==
		    sizeof bytes && sj_stream_finish(stream) == 0, "no stream");
		pair_exchange(pair, 40);
		expect(server_session(pair)->bytes_in >= before + sizeof bytes,
		    "there is no credit for a stream");
	}
	expect(server_session(pair)->tree.count == 0, "streams stay");
	pair_end(pair);
}

/* [SJ-ST-7] */
static void
window_grows(void)
{
	struct pair *pair = pair_logged_in();
	struct sj__path *path = pair_channel(pair->world.server)->current.path;
	struct sj_stream *stream, *far;
	static uint8_t bytes[65536];
	uint64_t window = 0;

	expect(sj_stream_open(pair->session, &stream, NULL) == 0, "no stream");
	for (unsigned i = 0; i < 300; i++) {
		while (sj_stream_write(stream, bytes, sizeof bytes) > 0)
			;
		/* There is no way between the two: as if it were long. */
		path->smoothed_ns = 20 * NS_PER_MS;
		pair_exchange(pair, 1);
		far = sj__tree_find(&server_session(pair)->tree, stream->id);
		window = max_u64(window, far != NULL ? far->receive.window : 0);
	}
	expect(window >= 2 * WINDOW_FIRST,
	    "a window that holds up its reader does not grow");
	pair_end(pair);
}

const struct rule rules_streams[] = {
	{ "server_ids", server_ids },
	{ "runts", runts },
	{ "failed_opens", failed_opens },
	{ "silence", silence },
	{ "replay", replay },
	{ "skipped_numbers", skipped_numbers },
	{ "decoded_whole", decoded_whole },
	{ "unknown_frame", unknown_frame },
	{ "credit", credit },
	{ "openings", openings },
	{ "reset_tree", reset_tree },
	{ "stop", stop },
	{ "credit_comes_back", credit_comes_back },
	{ "window_grows", window_grows },
	{ NULL, NULL }
};
