/* SPDX-License-Identifier: ISC */
/*
 * fuzz_endpoint.c - a network that does what it likes, and strangers
 *
 * The input is a program. An honest client logs in and uses its login; whoever
 * is on the way holds datagrams back, changes, cuts, joins, repeats and
 * reflects them, lets them come from elsewhere, and sends some of its own: any
 * bytes, or long packets that are well formed. The ends keep the promises of
 * machine.h, and no byte of a stream is ever another than was written.
 */
#include "machine.h"

#define STEPS_MAX 64
#define SLOTS 8
#define SLOT_SIZE 9000

/* A datagram, or a train of them, that was seen on its way. */
struct slot {
	int to;                         /* side */
	unsigned from;                  /* as the server saw or would see it */
	uint32_t heard;                 /* what the client knew when it sent it */
	size_t length, segment;
	uint8_t bytes[SLOT_SIZE];
};
static struct slot slots[SLOTS];
static unsigned slot_next;
static bool holds[2];                   /* what that side sends is only kept */

static bool
keep(struct machine *at, int side, const struct sj_batch *batch)
{
	struct slot *slot = &slots[slot_next++ % SLOTS];

	slot->to = 1 - side;
	slot->from = side == 1 ? at->place : batch->path.remote.ip[15] - 1u;
	slot->heard = side == 1 ? at->heard : 0;
	slot->length = min_size(batch->length, SLOT_SIZE);
	slot->segment = batch->segment_size;
	memcpy(slot->bytes, batch->bytes, slot->length);
	return !holds[side];
}

/* --- Whoever is on the way -------------------------------------------------- */

static void
deliver(struct program *program)
{
	struct slot *slot = &slots[take_below(program, SLOTS)];
	uint8_t how = take_byte(program);
	int side = how & 16 ? 1 - slot->to : slot->to;  /* reflected */
	/* What the server sent to an address tells of that one. */
	unsigned from = how & 8 && side == 0 ? how & 7 : slot->from;

	if (slot->length == 0)
		return;
	/* What was reflected is no news of the client's. */
	machine_deliver(side, from, side == 0 && slot->to == 0 ? slot->heard :
	    0, slot->bytes, slot->length, how & 32 ? slot->length :
	    slot->segment);
}

static void
change(struct program *program)
{
	struct slot *slot = &slots[take_below(program, SLOTS)];
	uint8_t how = take_byte(program);
	size_t at = (size_t)take_number(program, 2), length;

	if (slot->length == 0)
		return;
	switch (how % 4) {
	case 0:
		slot->bytes[at % slot->length] ^= 1 + (how >> 2);
		break;
	case 1:
		slot->length = 1 + at % slot->length;
		break;
	case 2:                         /* another's bytes behind it */
		length = min_size(slots[how >> 5].length,
		    SLOT_SIZE - slot->length);
		memcpy(slot->bytes + slot->length, slots[how >> 5].bytes,
		    length);
		slot->length += length;
		break;
	default:
		slot->segment = 1 + at % slot->length;
	}
}

static void
send_bytes(struct program *program)
{
	uint8_t how = take_byte(program);
	struct span span = take_span(program, take_byte(program));

	if (span.length > 0)
		machine_deliver(how >> 7, how & 7, 0, span.data, span.length,
		    span.length);
}

static void
put_digest(struct long_packet *packet)
{
	uint8_t hash[32];

	sj__sha256(machine.world.crypto, packet->body.data, packet->body.length,
	    hash);
	memcpy(packet->digest, hash, DIGEST_SIZE);
}

/* A long packet as somebody would make it who knows the format, and may have
 * seen another: ids, cookie and body can come from a slot. */
static void
send_long(struct program *program)
{
	static uint8_t out[2048], body[2048];
	const struct slot *slot = &slots[take_below(program, SLOTS)];
	struct long_packet packet, seen;
	uint8_t type = take_byte(program), how = take_byte(program);
	struct span span;
	size_t length;

	memset(&packet, 0, sizeof packet);
	if (sj__long_decode((struct span){ slot->bytes, slot->segment }, &seen))
		packet = seen;
	packet.flags = (uint8_t)(0x80 | type);
	if (how & 1)
		packet.version = how & 2 ? (uint32_t)take_number(program, 4) :
		    SJ__VERSION_1;
	if (how & 4) {
		span = take_span(program, 1200);
		memset(body, 0, sizeof body);
		if (span.length > 0)
			memcpy(body, span.data, span.length);
		packet.body = (struct span){ body, how & 8 ? HELLO_FRAGMENT :
		    span.length };
		packet.total = (uint16_t)packet.body.length;
		packet.offset = 0;
	}
	if (how & 16) {
		packet.total = (uint16_t)take_number(program, 2);
		packet.offset = (uint16_t)take_number(program, 2);
	}
	if (how & 32)
		packet.attempt = take_byte(program);
	if (packet.body.length > 0 && !(how & 64))
		put_digest(&packet);
	/* What the encoder takes for our own mistake is sent as bytes. */
	length = long_type_of(packet.flags) > LONG_REFUSAL || packet.total <
	    packet.offset + packet.body.length ? 0 :
	    sj__long_encode(&packet, out, sizeof out);
	if (length > 0)
		machine_deliver(how >> 7, type & 7, 0, out, length, length);
}

/* --- Those who use it -------------------------------------------------------- */

static void
use(struct program *program)
{
	static const uint8_t bytes[4000] = { 1 };
	uint8_t how = take_byte(program);
	struct sj_session *session = how & 1 ? machine.served :
	    machine.session;
	struct sj_stream *stream;

	if (session == NULL) {
		(void)machine_log_in(how & 2 ?
		    machine.world.host_key.public_key : NULL);
		return;
	}
	if (how == 255)
		(void)sj_logout(session);
	else if (how == 254)
		(void)sj_sessions_revoke(machine_side(0), "alice", NULL);
	else if (sj_stream_open(session, &stream, NULL) == 0) {
		(void)sj_stream_write(stream, bytes, 1 + (how & 63) * 60u);
		(void)sj_stream_finish(stream);
	}
}

static void
set(struct program *program)
{
	uint8_t how = take_byte(program);

	holds[0] = how & 1;
	holds[1] = how & 2;
	machine.world.server->cookie_from = how & 4 ? 0 : COOKIE_FROM;
	machine.refuses = how & 8;
	if (how & 16)
		machine.place = how >> 5;
	machine.world.faults.answer_delay_ms = how & 32 ? 20 : 0;
}

static void
step(struct program *program)
{
	switch (take_byte(program) % 12) {
	case 0: case 1:
		machine_exchange(1 + (unsigned)take_below(program, 8));
		break;
	case 2: case 3: case 4:
		deliver(program);
		break;
	case 5:
		change(program);
		break;
	case 6:
		send_bytes(program);
		break;
	case 7:
		send_long(program);
		break;
	case 8:
		use(program);
		break;
	case 9:
		set(program);
		break;
	case 10:
		machine_pass(NS_PER_MS << take_below(program, 18));
		machine_exchange(1);
		break;
	default:
		machine_speak(take_byte(program) & 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);
	const struct machine_options options = { .has_cookies = first & 1,
	    .hello_least = first & 2 ? 3000 : 0,
	    .answer_filler = first & 4 ? 2500 : 0 };

	machine_open(&options);
	for (unsigned i = 0; i < SLOTS; i++)
		slots[i].length = slots[i].segment = 0;
	slot_next = 0;
	holds[0] = holds[1] = false;
	machine.on_batch = keep;
	MUST(machine_log_in(first & 8 ? machine.world.host_key.public_key :
	    NULL));
	if (first & 16)
		machine_exchange(10);
	for (int i = 0; i < STEPS_MAX && !program_is_over(&program); i++)
		step(&program);
	holds[0] = holds[1] = false;
	machine_exchange(2);
	if ((first & 0xe0) == 0xe0)
		machine_must_serve();
	machine_close();
	return 0;
}
