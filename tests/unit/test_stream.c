/* SPDX-License-Identifier: ISC */
/* test_stream.c - both halves of a stream against an array of bytes */
#include "unit.h"

#include "core/stream.c"

static struct sj__memory memory;

static int
set_up(void **state)
{
	(void)state;
	draw_state = 1234567;
	sj__memory_init(&memory, 64 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return memory.used == 0 ? 0 : -1;
}

static struct span
span(const void *data, size_t length)
{
	return (struct span){ data, length };
}

/* --- Receiving ---------------------------------------------------------- */

/* The byte at an offset of the stream. */
static uint8_t
byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 131 + (offset >> 8) * 17);
}

/* Reads all that is there, comparing; the new edge. */
static uint64_t
read_some(struct sj__receive *receive, uint64_t at, bool *at_end)
{
	const uint8_t *bytes;
	size_t length = sj__receive_peek(receive, &bytes, at_end);

	if (length > 0 && draw(3) == 0)
		length = 1 + draw(length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], byte_at(at + i));
	sj__receive_consume(receive, length);
	return at + length;
}

/* Random pieces, twice and out of order: what is readable is always exactly
 * the unbroken beginning, and 1 is returned if and only if it grew or the end
 * came within reach. */
static void
receive_once(uint64_t total, uint64_t spread)
{
	struct sj__receive receive = { .granted = total };
	bool *seen = calloc(total + 1, sizeof *seen), at_end = false;
	uint8_t *piece = malloc(4096);
	uint64_t edge = 0, consumed = 0, top = 0;
	bool fin_seen = false;

	assert_true(seen != NULL && piece != NULL);
	while (!sj__receive_is_done(&receive)) {
		uint64_t from = edge + draw(spread) - min_u64(edge, draw(300));
		uint64_t length, before = edge;
		bool fin, ended = fin_seen;
		int news;

		from = min_u64(from, total);
		length = draw(min_u64(total - from, 1500) + 1);
		fin = from + length == total && draw(2) == 0;
		for (uint64_t i = 0; i < length; i++) {
			piece[i] = byte_at(from + i);
			seen[from + i] = true;
		}
		fin_seen |= fin;
		top = length > 0 ? max_u64(top, from + length) : top;
		news = sj__receive_data(&receive, &memory, from, span(piece,
		    length), fin);
		while (seen[edge])
			edge++;
		assert_int_equal(news, edge > before || (edge == total &&
		    fin_seen && !ended));
		assert_int_equal(receive.in_order, edge);
		assert_int_equal(sj__receive_readable(&receive),
		    edge - consumed);
		if (draw(4) == 0)
			consumed = read_some(&receive, consumed, &at_end);
		assert_int_equal(receive.ranges.count > 0, top > edge);
	}
	assert_int_equal(consumed, total);
	assert_int_equal(sj__receive_peek(&receive, &(const uint8_t *){ NULL },
	    &at_end), 0);
	assert_true(at_end);
	sj__receive_drop(&receive, &memory);
	assert_int_equal(memory.used, 0);
	free(seen);
	free(piece);
}

static void
receive_pieces(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 150; i++)
		receive_once(i < 3 ? i : draw(30000), 1 + draw(5000));
}

/* [SJ-ST-5] */
static void
final_size(void **state)
{
	static const struct {
		uint64_t offset;
		size_t length;
		bool fin;
		int result;
	} table[] = {
		{ 10, 10, false, 0 },           /* up to 20 */
		{ 0, 19, true, SJ_ERR_PROTOCOL },       /* an end below that */
		{ 0, 0, true, SJ_ERR_PROTOCOL },
		{ 20, 5, true, 0 },             /* 25 is the end */
		{ 20, 5, true, 0 },             /* again: the same */
		{ 25, 0, true, 0 },
		{ 25, 0, false, 0 },
		{ 25, 1, false, SJ_ERR_PROTOCOL },      /* a byte after it */
		{ 20, 6, true, SJ_ERR_PROTOCOL },       /* another end */
		{ 20, 4, true, SJ_ERR_PROTOCOL },
		{ 0, 10, false, 1 },
	};
	uint8_t zeros[32] = { 0 };
	struct sj__receive receive = { .granted = 100 }, before;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		before = receive;
		assert_int_equal(sj__receive_data(&receive, &memory,
		    table[i].offset, span(zeros, table[i].length),
		    table[i].fin), table[i].result);
		if (table[i].result < 0)
			assert_memory_equal(&receive, &before, sizeof before);
	}
	assert_int_equal(receive.in_order, 25);
	/* All is here: a reset changes nothing, unless it moves the end. */
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 26),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 25), 0);
	assert_int_equal(sj__receive_readable(&receive), 25);
	sj__receive_drop(&receive, &memory);
}

static void
reset(void **state)
{
	uint8_t zeros[32] = { 0 };
	struct sj__receive receive = { .granted = 100 };
	bool at_end;

	(void)state;
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 30),
	    false), 1);
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 29),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 101),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 40), 1);
	assert_int_equal(memory.used, 0);
	assert_int_equal(sj__receive_readable(&receive), 0);
	assert_int_equal(sj__receive_peek(&receive, &(const uint8_t *){ NULL },
	    &at_end), 0);
	assert_false(at_end);
	assert_true(sj__receive_is_done(&receive));
	assert_int_equal(receive.reset_code, 7);
	/* Again, and late data: within the final size it is no news. */
	assert_int_equal(sj__receive_reset(&receive, &memory, 9, 40), 0);
	assert_int_equal(receive.reset_code, 7);
	assert_int_equal(sj__receive_reset(&receive, &memory, 7, 41),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_data(&receive, &memory, 30, span(zeros,
	    10), false), 0);
	assert_int_equal(sj__receive_data(&receive, &memory, 30, span(zeros,
	    11), false), SJ_ERR_PROTOCOL);
	assert_int_equal(memory.used, 0);
}

/* [SJ-ST-3] Bytes and what children were charged, together. */
static void
grant(void **state)
{
	uint8_t zeros[64] = { 0 };
	struct sj__receive receive = { .granted = 50, .charged = 20 };

	(void)state;
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 31),
	    false), SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_data(&receive, &memory, 31, span(zeros, 0),
	    true), SJ_ERR_PROTOCOL);
	assert_int_equal(memory.used, 0);
	assert_int_equal(sj__receive_reset(&receive, &memory, 1, 31),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__receive_data(&receive, &memory, 20, span(zeros,
	    10), true), 0);
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 20),
	    false), 1);
	sj__receive_drop(&receive, &memory);
}

/* [SJ-ST-9] */
static void
holes(void **state)
{
	struct sj__receive receive = { .granted = 1 << 20 };
	uint64_t offset = 1;
	uint8_t byte = 0;
	int result;

	(void)state;
	for (;; offset += 2) {
		result = sj__receive_data(&receive, &memory, offset,
		    span(&byte, 1), false);
		if (result < 0)
			break;
		assert_int_equal(result, 0);
	}
	assert_int_equal(result, SJ_ERR_LIMIT);
	assert_int_equal(offset, 2 * 4096 + 1);
	assert_int_equal(receive.highest, offset - 1);
	assert_int_equal(receive.ranges.count, RECEIVE_HOLES_MAX);
	/* One that closes a hole is welcome. */
	assert_int_equal(sj__receive_data(&receive, &memory, 2, span(&byte, 1),
	    false), 0);
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(&byte, 1),
	    false), 1);
	assert_int_equal(receive.in_order, 4);
	sj__receive_drop(&receive, &memory);
}

/* Who wants no more gets no more, but the end still counts. */
static void
stop_wanted(void **state)
{
	uint8_t zeros[64] = { 0 };
	struct sj__receive receive = { .granted = 100, .stop_wanted = true };
	bool at_end;

	(void)state;
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 60),
	    false), 0);
	assert_int_equal(memory.used, 0);
	assert_int_equal(sj__receive_readable(&receive), 0);
	assert_false(sj__receive_is_done(&receive));
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 59),
	    true), SJ_ERR_PROTOCOL);
	sj__receive_data(&receive, &memory, 60, span(zeros, 4), true);
	assert_true(sj__receive_is_done(&receive));
	assert_int_equal(sj__receive_peek(&receive, &(const uint8_t *){ NULL },
	    &at_end), 0);
	assert_false(at_end);
}

static void
receive_no_memory(void **state)
{
	uint8_t zeros[64] = { 0 };
	struct sj__receive receive = { .granted = 100 }, before = receive;

	(void)state;
	memory.limit = 100;
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 64),
	    true), SJ_ERR_MEMORY);
	assert_memory_equal(&receive, &before, sizeof before);
	memory.limit = 1 << 20;
	assert_int_equal(sj__receive_data(&receive, &memory, 0, span(zeros, 64),
	    true), 1);
	sj__receive_drop(&receive, &memory);
}

/* --- Sending ------------------------------------------------------------ */

/* What is on its way. */
#define FLIGHT_MAX 64
static struct sj__piece flight[FLIGHT_MAX];
static size_t flying;
static bool probing;                    /* pieces may be called lost early */

static void
send_one(struct sj__send *send, bool *went, uint64_t *fresh)
{
	struct sj__piece piece;
	uint64_t credit = send->credit - send->charged;

	if (flying == FLIGHT_MAX || !sj__send_next(send, 1 + draw(1400),
	    &piece))
		return;
	assert_true(piece.length > 0 || piece.fin);
	assert_true(piece.offset + piece.length <= min_u64(send->end, credit));
	/* The caller may have less room than it thought. */
	if (piece.length > 1 && draw(5) == 0) {
		piece.length = 1 + draw(piece.length - 1);
		piece.fin = false;
	}
	assert_true(!piece.fin || piece.offset + piece.length == send->end);
	if (piece.is_new) {
		assert_int_equal(piece.offset, *fresh);
		*fresh += piece.length;
	}
	for (size_t i = 0; i < piece.length; i++) {
		size_t run;

		assert_int_equal(*sj__ring_at(&send->ring, piece.offset + i,
		    &run), byte_at(piece.offset + i));
		assert_int_equal(went[piece.offset + i], !piece.is_new);
		went[piece.offset + i] = true;
	}
	sj__send_sent(send, &piece);
	flight[flying++] = piece;
}

/* Unless a probe asked for it, nothing goes again that is still on its way. */
static void
assert_no_copies(const struct sj__send *send)
{
	for (size_t i = 0; i < flying && !probing; i++)
		for (size_t j = 0; j < send->lost.count; j++)
			assert_true(flight[i].length == 0 ||
			    flight[i].offset >= send->lost.ranges[j].to ||
			    flight[i].offset + flight[i].length <=
			    send->lost.ranges[j].from);
}

/* One of the pieces arrives, or is lost; bytes that arrived never go again. */
static void
settle_one(struct sj__send *send, bool *arrived, bool *fin_arrived)
{
	size_t which = draw(flying);
	struct sj__piece piece = flight[which];

	if (probing && draw(4) == 0) {
		assert_int_equal(sj__send_lost(send, &memory, piece.offset,
		    piece.length, piece.fin), 0);
		return;
	}
	flight[which] = flight[--flying];
	if (draw(3) == 0) {
		assert_int_equal(sj__send_lost(send, &memory, piece.offset,
		    piece.length, piece.fin), 0);
	} else {
		assert_int_equal(sj__send_delivered(send, &memory,
		    piece.offset, piece.length, piece.fin), 0);
		memset(arrived + piece.offset, true, piece.length);
		*fin_arrived |= piece.fin;
	}
	for (size_t i = 0; i < send->lost.count; i++)
		for (uint64_t j = send->lost.ranges[i].from;
		    j < send->lost.ranges[i].to; j++)
			assert_false(arrived[j]);
	assert_no_copies(send);
	assert_true(send->ring.base <= send->next);
	for (uint64_t i = 0; i < send->ring.base; i += 97)
		assert_true(arrived[i]);
}

/* By write, or in place. */
static void
write_some(struct sj__send *send, uint64_t total, uint64_t buffered_max)
{
	uint8_t bytes[3000] = { 0 }, *room;
	ptrdiff_t count;
	size_t length = draw(min_u64(total - send->end, sizeof bytes) + 1);
	uint64_t held = send->end - send->ring.base;

	if (draw(2) == 0) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = byte_at(send->end + i);
		count = sj__send_write(send, &memory, bytes, length,
		    buffered_max);
		assert_int_equal(count, length == 0 ? 0 :
		    held == buffered_max ? SJ_AGAIN :
		    (ptrdiff_t)min_u64(length, buffered_max - held));
		return;
	}
	count = sj__send_reserve(send, &memory, &room, buffered_max);
	if (held == buffered_max) {
		assert_int_equal(count, SJ_AGAIN);
		return;
	}
	assert_true(count > 0 && (uint64_t)count <= buffered_max - held);
	length = min_size(length, (size_t)count);
	for (size_t i = 0; i < length; i++)
		room[i] = byte_at(send->end + i);
	assert_int_equal(sj__send_commit(send, length), 0);
}

static void
send_once(uint64_t total, uint64_t buffered_max)
{
	struct sj__send send = { .credit = draw(2000), .charged = draw(500) };
	bool *went = calloc(total + 1, 1), *arrived = calloc(total + 1, 1);
	bool fin_arrived = false;
	uint64_t fresh = 0;

	assert_true(went != NULL && arrived != NULL);
	flying = 0;
	while (!sj__send_is_done(&send)) {
		unsigned what = (unsigned)draw(10);

		if (what < 2 && !send.finished) {
			write_some(&send, total, buffered_max);
			send.finished = send.end == total;
		} else if (what < 3) {
			send.credit += draw(3000);
		} else if (what < 7) {
			send_one(&send, went, &fresh);
		} else if (flying > 0) {
			settle_one(&send, arrived, &fin_arrived);
		}
		assert_int_equal(sj__send_credit_left(&send),
		    send.credit > send.next + send.charged ?
		    send.credit - send.next - send.charged : 0);
	}
	assert_true(fin_arrived);
	for (uint64_t i = 0; i < total; i++)
		assert_true(arrived[i]);
	assert_false(sj__send_is_ready(&send) && send.lost.count > 0);
	sj__send_drop(&send, &memory);
	assert_int_equal(memory.used, 0);
	free(went);
	free(arrived);
}

static void
send_pieces(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		probing = i % 2 > 0;
		send_once(i < 3 ? i : draw(40000), 1 + draw(9000));
	}
}

static void
write_after_end(void **state)
{
	struct sj__send send = { .credit = 100 };
	struct sj__piece piece;
	uint8_t *room, byte = 0;

	(void)state;
	assert_int_equal(sj__send_commit(&send, 1), SJ_ERR_ARGUMENT);
	assert_int_equal(sj__send_commit(&send, 0), 0);
	assert_true(sj__send_reserve(&send, &memory, &room, 10) == 10);
	assert_int_equal(sj__send_commit(&send, 100000), SJ_ERR_ARGUMENT);
	assert_int_equal(sj__send_commit(&send, 3), 0);
	send.finished = true;
	assert_int_equal(sj__send_write(&send, &memory, &byte, 1, 10),
	    SJ_ERR_STATE);
	assert_int_equal(sj__send_reserve(&send, &memory, &room, 10),
	    SJ_ERR_STATE);
	assert_int_equal(sj__send_commit(&send, 0), SJ_ERR_STATE);
	/* Two bytes, then the third with the end, then the end alone again. */
	assert_true(sj__send_next(&send, 2, &piece));
	assert_int_equal(piece.length, 2);
	assert_false(piece.fin);
	sj__send_sent(&send, &piece);
	assert_true(sj__send_next(&send, 2, &piece));
	assert_int_equal(piece.length, 1);
	assert_true(piece.fin);
	sj__send_sent(&send, &piece);
	assert_false(sj__send_is_ready(&send));
	assert_int_equal(sj__send_delivered(&send, &memory, 0, 3, false), 0);
	assert_false(sj__send_is_done(&send));
	assert_int_equal(sj__send_lost(&send, &memory, 2, 1, true), 0);
	assert_true(sj__send_next(&send, 1000, &piece));
	assert_int_equal(piece.offset, 3);
	assert_int_equal(piece.length, 0);
	assert_true(piece.fin);
	sj__send_sent(&send, &piece);
	assert_int_equal(sj__send_delivered(&send, &memory, 3, 0, true), 0);
	assert_true(sj__send_is_done(&send));
	/* A late verdict on a copy changes nothing. */
	assert_int_equal(sj__send_lost(&send, &memory, 0, 3, true), 0);
	assert_false(sj__send_is_ready(&send));
	sj__send_drop(&send, &memory);
}

/* A reset or a stop: nothing goes out any more, nothing may be written. */
static void
over(void **state)
{
	struct sj__send send = { .credit = 100 };
	uint8_t bytes[20] = { 0 };

	(void)state;
	assert_int_equal(sj__send_write(&send, &memory, bytes, 20, 100), 20);
	send.stopped = true;
	assert_false(sj__send_is_ready(&send));
	assert_int_equal(sj__send_write(&send, &memory, bytes, 1, 100),
	    SJ_ERR_RESET);
	send.reset = true;
	assert_int_equal(sj__send_commit(&send, 0), SJ_ERR_RESET);
	assert_int_equal(sj__send_lost(&send, &memory, 0, 10, false), 0);
	assert_int_equal(send.lost.count, 0);
	assert_false(sj__send_is_done(&send));
	send.reset_acked = true;
	assert_true(sj__send_is_done(&send));
	sj__send_drop(&send, &memory);
}

/* Without memory nothing is taken, and nothing is broken. */
static void
send_no_memory(void **state)
{
	struct sj__send send = { .credit = 10000 };
	uint8_t bytes[4000] = { 0 }, *room;

	(void)state;
	memory.limit = 2048;
	assert_int_equal(sj__send_write(&send, &memory, bytes, 2000, 9000),
	    2000);
	assert_int_equal(sj__send_write(&send, &memory, bytes, 2000, 9000),
	    SJ_ERR_MEMORY);
	assert_int_equal(sj__send_reserve(&send, &memory, &room, 9000),
	    SJ_ERR_MEMORY);
	assert_int_equal(send.end, 2000);
	sj__send_drop(&send, &memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(receive_pieces, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(final_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(grant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stop_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(receive_no_memory, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(send_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(write_after_end, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(send_no_memory, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
