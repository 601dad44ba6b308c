/* SPDX-License-Identifier: ISC */
/*
 * fuzz_session.c - a peer with valid keys, after its login
 *
 * The input is a program: each step sends frames under the real keys, as bytes
 * or put together from fields, or lets the honest applications do something,
 * or time pass. The first byte says which side is the rogue one.
 */
#include "machine.h"

#define STEPS_MAX 48

static uint8_t packet[1200];

static void
put_stream(struct program *program, struct writer *writer)
{
	uint8_t bits = take_byte(program);
	struct stream_opening opening = { .parent = take_edge(program),
	    .borrow = take_edge(program), .credit = take_edge(program),
	    .urgency = bits >> 5, .weight = take_byte(program),
	    .best_effort = bits & 1, .lender_is_root = bits & 2,
	    .service = { (const uint8_t *)"echo", bits >> 2 & 3 } };
	struct stream_header header = { .stream = take_edge(program),
	    .offset = bits & 16 ? take_edge(program) : 0,
	    .opening = bits & 8 ? &opening : NULL, .fin = bits & 4 };
	size_t length = take_below(program, 512);

	header.offset = min_u64(header.offset, VARINT_MAX - 1000);
	if (opening.weight == 0)
		opening.weight = 1;
	if (sj__frame_stream(writer, &header, &length) && length > 0)
		memset(write_room(writer, length), 3, length);
}

static void
put_ack(struct program *program, struct writer *writer)
{
	bool has_ecn = take_byte(program) & 1;
	size_t ranges = take_below(program, 4);

	write_varint(writer, has_ecn ? FRAME_ACK_ECN : FRAME_ACK);
	write_varint(writer, take_edge(program));
	write_varint(writer, take_edge(program));
	write_varint(writer, ranges);
	for (size_t i = 0; i < 2 * ranges + 1 + (has_ecn ? 3 : 0); i++)
		write_varint(writer, take_edge(program));
}

static void
put_frame(struct program *program, struct writer *writer)
{
	struct frame reset = { .type = FRAME_RESET };
	uint8_t choice = take_byte(program), bytes[8] = { 1, choice };

	switch (choice % 14) {
	case 0: case 1: case 2:
		put_stream(program, writer);
		break;
	case 3:
		sj__frame_credit(writer, take_edge(program),
		    take_edge(program));
		break;
	case 4:
		reset.u.reset.stream = take_edge(program);
		reset.u.reset.code = take_byte(program);
		reset.u.reset.final_size = take_edge(program);
		reset.u.reset.parent = take_edge(program);
		reset.u.reset.borrow = take_edge(program);
		reset.u.reset.lender_is_root = choice & 64;
		sj__frame_reset(writer, &reset);
		break;
	case 5:
		sj__frame_stop(writer, take_edge(program), choice);
		break;
	case 6:
		sj__frame_priority(writer, take_edge(program),
		    take_edge(program), choice >> 5, 1 + choice / 2);
		break;
	case 7:
		sj__frame_new_id(writer, take_edge(program), bytes);
		break;
	case 8:
		sj__frame_retire_id(writer, take_edge(program));
		break;
	case 9:
		sj__frame_path(writer, choice & 64 ? FRAME_PATH_CHALLENGE :
		    FRAME_PATH_RESPONSE, bytes);
		break;
	case 10: case 11:
		put_ack(program, writer);
		break;
	case 12:
		sj__frame_parameters(writer, take_span(program, choice));
		break;
	default:
		sj__frame_close(writer, take_edge(program),
		    take_span(program, choice));
	}
}

static void
send_frames(struct program *program, int rogue)
{
	struct writer writer = writer_of(packet, sizeof packet);
	struct writer before;

	for (size_t count = 1 + take_below(program, 8); count > 0; count--) {
		before = writer;
		put_frame(program, &writer);
		if (writer.failed) {
			writer = before;
			break;
		}
	}
	machine_inject(rogue, (struct span){ packet,
	    (size_t)(writer.at - packet) });
}

/* The honest side uses its login. */
static void
use(struct program *program, int rogue)
{
	static const uint8_t bytes[20000] = { 1 };
	struct sj_session *session = rogue == 0 ? machine.session :
	    machine.served;
	struct sj_stream_options options = { .size = sizeof options };
	struct sj_stream *stream;
	uint8_t choice = take_byte(program);
	size_t length = take_below(program, sizeof bytes);

	if (session == NULL)
		return;
	if (choice == 255) {
		(void)sj_logout(session);
		return;
	}
	options.service = "echo";
	options.best_effort = choice & 1;
	if (sj_stream_open(session, &stream, &options) < 0)
		return;
	(void)sj_stream_write(stream, bytes, length);
	if (choice & 2)
		(void)sj_stream_finish(stream);
	if (choice & 4)
		(void)sj_stream_reset(stream, choice);
	if (choice & 8)
		(void)sj_stream_stop(stream, choice);
	if (choice & 16)
		sj_stream_close(stream);
}

static void
step(struct program *program, int rogue)
{
	switch (take_byte(program) % 8) {
	case 0: case 1: case 2:
		send_frames(program, rogue);
		break;
	case 3:
		machine_inject(rogue, take_span(program,
		    1 + take_below(program, 200)));
		break;
	case 4: case 5:
		use(program, rogue);
		break;
	case 6:
		machine_exchange(1 + (unsigned)take_below(program, 4));
		break;
	default:
		machine_pass(NS_PER_MS << take_below(program, 18));
		machine_exchange(1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	const struct machine_options options = { .has_cookies = false };
	uint8_t first = take_byte(&program);
	int rogue = first & 1;

	machine_open(&options);
	MUST(machine_log_in(NULL));
	machine_exchange(12);
	MUST(machine.started && machine.served != NULL);
	for (int i = 0; i < STEPS_MAX && !program_is_over(&program); i++)
		step(&program, rogue);
	machine_exchange(2);
	if (rogue == 1 && (first & 0xf0) == 0xf0)
		machine_must_serve();
	machine_close();
	return 0;
}
