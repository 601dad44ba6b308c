/* SPDX-License-Identifier: ISC */
/* test_wire.c - varints, numbers, frames and long packets there and back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/wire.h"

/* RFC 9000 appendix A.1 */
static void
varints(void **unused)
{
	static const struct { uint8_t bytes[8]; size_t length; uint64_t value; }
	    rows[] = {
		{ { 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c }, 8,
		    151288809941952652 },
		{ { 0x9d, 0x7f, 0x3e, 0x7d }, 4, 494878333 },
		{ { 0x7b, 0xbd }, 2, 15293 },
		{ { 0x25 }, 1, 37 },
		{ { 0x40, 0x25 }, 2, 37 },
	};
	uint8_t out[8];

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct reader reader = reader_of(rows[i].bytes, rows[i].length);
		struct writer writer = writer_of(out, sizeof out);

		assert_int_equal(read_varint(&reader), rows[i].value);
		assert_false(reader.failed);
		assert_ptr_equal(reader.at, reader.end);
		write_varint_in(&writer, rows[i].value, rows[i].length);
		assert_memory_equal(out, rows[i].bytes, rows[i].length);
		for (size_t cut = 0; cut < rows[i].length; cut++) {
			reader = reader_of(rows[i].bytes, cut);
			assert_int_equal(read_varint(&reader), 0);
			assert_true(reader.failed);
		}
	}
}

/* Every number near every edge comes back from its low 24 bits. */
static void
numbers(void **unused)
{
	const uint64_t edges[] = { 0, 1, 1 << 23, 1 << 24, 1 << 25,
	    UINT64_C(1) << 40, (UINT64_C(1) << 61) + 12345 };

	(void)unused;
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
		for (int64_t off = -1000; off <= 1000; off += 7) {
			uint64_t expected = edges[i] + 2000000;
			uint64_t number = (uint64_t)((int64_t)expected + off *
			    8000);

			if ((int64_t)expected + off * 8000 < 0)
				continue;
			assert_int_equal(number_expand(number & 0xffffff,
			    expected), number);
		}
}

static void
stream_frames(void **unused)
{
	struct stream_opening opening = { .parent = 4, .borrow = 1000,
	    .credit = 262144, .urgency = 5, .weight = 200,
	    .lender_is_root = true, .service = { (const uint8_t *)"echo", 4 } };
	uint8_t bytes[1400];
	struct frame frame;

	(void)unused;
	for (unsigned bits = 0; bits < 16; bits++) {
		struct stream_header header = { .stream = 8,
		    .offset = bits & 1 ? 70000 : 0,
		    .opening = bits & 2 ? &opening : NULL,
		    .fin = (bits & 4) != 0, .to_end = (bits & 8) != 0 };
		struct writer writer = writer_of(bytes, sizeof bytes);
		struct reader reader;
		size_t length = 100;

		assert_true(sj__frame_stream(&writer, &header, &length));
		assert_int_equal(length, 100);
		memset(write_room(&writer, length), 0xab, length);
		reader = reader_of(bytes, (size_t)(writer.at - bytes));
		assert_true(sj__frame_decode(&reader, &frame));
		assert_int_equal(frame.u.stream.stream, 8);
		assert_int_equal(frame.u.stream.offset, header.offset);
		assert_int_equal(frame.u.stream.fin, header.fin);
		assert_int_equal(frame.u.stream.data.length, 100);
		assert_int_equal(frame.u.stream.is_opening, (bits & 2) != 0);
		if (bits & 2) {
			assert_int_equal(frame.u.stream.opening.borrow, 1000);
			assert_int_equal(frame.u.stream.opening.credit, 262144);
			assert_int_equal(frame.u.stream.opening.urgency, 5);
			assert_true(frame.u.stream.opening.lender_is_root);
			assert_memory_equal(
			    frame.u.stream.opening.service.data, "echo", 4);
		}
	}
}

/* In every room: what is written fits, and what was cut has no end. */
static void
stream_fits(void **unused)
{
	uint8_t bytes[200];

	(void)unused;
	for (size_t room = 0; room < 120; room++) {
		struct stream_header header = { .stream = 300, .offset = 5,
		    .fin = true, .to_end = room % 2 == 0 };
		struct writer writer = writer_of(bytes, room);
		size_t length = 70;
		struct reader reader;
		struct frame frame;

		if (!sj__frame_stream(&writer, &header, &length)) {
			assert_ptr_equal(writer.at, bytes);
			continue;
		}
		assert_true(length > 0 && length <= 70);
		assert_non_null(write_room(&writer, length));
		reader = reader_of(bytes, (size_t)(writer.at - bytes));
		assert_true(sj__frame_decode(&reader, &frame));
		assert_int_equal(frame.u.stream.data.length, length);
		assert_int_equal(frame.u.stream.fin, length == 70);
	}
}

static void
refused(void **unused)
{
	/* Each begins well and breaks one rule. */
	static const struct { const char *what; uint8_t bytes[16]; size_t n; }
	    rows[] = {
		{ "unknown type [SJ-FR-2]", { 0x1e }, 1 },
		{ "extension [SJ-FR-5]", { 0x50, 0x00 }, 2 },
		{ "ack below zero [SJ-FR-4]", { 0x02, 5, 0, 0, 6 }, 5 },
		{ "ack range below zero [SJ-FR-4]",
		    { 0x02, 5, 0, 1, 1, 2, 2 }, 7 },
		{ "weight 0 [SJ-FR-7]", { 0x28, 2, 0, 0, 0, 0, 0, 0 }, 8 },
		{ "flags [SJ-FR-7]", { 0x28, 2, 0, 0, 0, 0x20, 1, 0 }, 8 },
		{ "offset [SJ-FR-8]", { 0x24, 2, 0xff, 0xff, 0xff, 0xff, 0xff,
		    0xff, 0xff, 0xff, 1 }, 11 },
		{ "length beyond the packet", { 0x22, 2, 9, 1 }, 4 },
		{ "priority 8", { 0x33, 2, 1, 8, 1 }, 5 },
	};
	struct frame frame;

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct reader reader = reader_of(rows[i].bytes, rows[i].n);

		while (sj__frame_decode(&reader, &frame))
			;
		if (!reader.failed)
			fail_msg("taken: %s", rows[i].what);
	}
}

/* [SJ-FR-3] Grease is passed over, padding too. */
static void
grease(void **unused)
{
	const uint8_t bytes[] = { 0x00, 0x00, 27, 3, 9, 9, 9, 0x40, 58, 0, 0x01,
	    0x00 };
	struct reader reader = reader_of(bytes, sizeof bytes);
	struct frame frame;

	(void)unused;
	assert_true(sj__frame_decode(&reader, &frame));
	assert_int_equal(frame.type, FRAME_PING);
	assert_false(sj__frame_decode(&reader, &frame));
	assert_false(reader.failed);
}

static void
long_packets(void **unused)
{
	uint8_t body[600], bytes[1200];
	struct long_packet packet = { .flags = FLAG_LONG | LONG_HELLO << 4 | 3,
	    .version = SJ__VERSION_1, .destination = "12345678",
	    .source = "abcdefgh", .attempt = 2, .total = sizeof body,
	    .body = { body, sizeof body } }, back;
	size_t length;

	(void)unused;
	memset(body, 7, sizeof body);
	length = sj__long_encode(&packet, bytes, sizeof bytes);
	assert_true(length > sizeof body);
	assert_true(sj__long_decode((struct span){ bytes, length }, &back));
	assert_int_equal(back.body.length, sizeof body);
	assert_memory_equal(back.source, "abcdefgh", 8);
	for (size_t cut = 0; cut < 30; cut++)
		if (sj__long_decode((struct span){ bytes, cut }, &back))
			assert_true(back.version != SJ__VERSION_1 || cut > 27);
	assert_int_equal(sj__long_encode(&packet, bytes, 100), 0);
}

/* [SJ-HS-17] [SJ-HS-14] Unknown types are skipped, the first of two counts, and
 * what is cut off anywhere is no list. */
static void
parameters(void **unused)
{
	static const uint8_t bytes[] = { 58, 3, 1, 2, 3, PARAMETER_CREDIT, 2,
	    0x40, 0x07, 0x7f, 0xff, 1, 0, PARAMETER_CREDIT, 1, 9,
	    PARAMETER_ID, 0 };
	struct span list = { bytes, sizeof bytes };
	bool failed = false;

	(void)unused;
	assert_int_equal(sj__parameter_number(list, PARAMETER_CREDIT, 5,
	    &failed), 7);
	assert_int_equal(sj__parameter_number(list, PARAMETER_TIME, 5, &failed),
	    5);
	assert_non_null(sj__parameter_find(list, PARAMETER_ID, &failed).data);
	assert_null(sj__parameter_find(list, PARAMETER_SUITE, &failed).data);
	assert_false(failed);
	for (size_t length = 0; length < sizeof bytes; length++) {
		bool is_whole = length == 0 || length == 5 || length == 9 ||
		    length == 13 || length == 16;

		failed = false;
		list.length = length;
		(void)sj__parameter_find(list, PARAMETER_TIME, &failed);
		assert_int_equal(failed, !is_whole);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints),
		cmocka_unit_test(numbers),
		cmocka_unit_test(stream_frames),
		cmocka_unit_test(stream_fits),
		cmocka_unit_test(refused),
		cmocka_unit_test(grease),
		cmocka_unit_test(parameters),
		cmocka_unit_test(long_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
