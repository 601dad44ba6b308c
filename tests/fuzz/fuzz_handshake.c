/* SPDX-License-Identifier: ISC */
/*
 * fuzz_handshake.c - hello and answer, changed on their way
 *
 * The input says how both sides are set up, then for each datagram of the
 * handshake what is done to it: bytes changed, the digest made anew so that
 * the change gets as far as Noise, fragments cut and repeated, another's bytes
 * in between. Both keys are real. Held true besides machine.h: a client that
 * takes an answer has the server's true key and the same hash as the server,
 * and what nobody touched leads to a login.
 */
#include "machine.h"

#define CHANGES_MAX 40

static struct program script;
static unsigned changes;
static bool is_touched;
static uint8_t seen[2][2048];
static size_t seen_length[2];

static size_t
body_at(const uint8_t *datagram)
{
	return long_type_of(datagram[0]) == LONG_HELLO ? HELLO_HEADER_SIZE :
	    long_type_of(datagram[0]) == LONG_ANSWER ? ANSWER_HEADER_SIZE :
	    LONG_HEADER_SIZE;
}

/* A hello of one datagram whose digest is that of its body. */
static void
mend(uint8_t *datagram, size_t length)
{
	uint8_t hash[32];

	if (length <= HELLO_HEADER_SIZE ||
	    long_type_of(datagram[0]) != LONG_HELLO)
		return;
	sj__sha256(machine.world.crypto, datagram + HELLO_HEADER_SIZE,
	    length - HELLO_HEADER_SIZE, hash);
	memcpy(datagram + LONG_HEADER_SIZE + 1 + COOKIE_SIZE, hash,
	    DIGEST_SIZE);
}

/* Other bytes at a place of the body, or anywhere. */
static void
overwrite(uint8_t *datagram, size_t length, bool in_body)
{
	size_t from = in_body ? min_size(body_at(datagram), length - 1) : 0;
	size_t at = from + take_number(&script, 2) % (length - from);
	struct span span = take_span(&script, 1 + take_below(&script, 40));

	if (span.length > 0)
		memcpy(datagram + at, span.data, min_size(span.length,
		    length - at));
}

/* One datagram of the handshake on its way; true: it may go on. */
static bool
change(int side, uint8_t *datagram, size_t *length)
{
	uint8_t how = take_byte(&script);
	size_t at;

	if (how == 0)
		return true;
	is_touched = true;
	if (how & 1)
		overwrite(datagram, *length, how & 2);
	if (how & 4) {
		at = (size_t)take_number(&script, 2) % *length;
		datagram[at] ^= 1 + (take_byte(&script) & 0x7f);
	}
	if (how & 8)
		*length = 1 + (size_t)take_number(&script, 2) % *length;
	if (how & 16 && seen_length[1 - side] > 0) {
		/* What the other side said, in its place. */
		*length = seen_length[1 - side];
		memcpy(datagram, seen[1 - side], *length);
	}
	if (how & 32)
		mend(datagram, *length);
	if (how & 64)
		machine_deliver(1 - side, machine.place, side == 1 ?
		    machine.heard : 0, datagram, *length, *length);
	return (how & 128) == 0;
}

static bool
on_batch(struct machine *at, int side, const struct sj_batch *batch)
{
	uint8_t datagram[2048];
	size_t length;

	if ((batch->bytes[0] & FLAG_LONG) == 0 || changes >= CHANGES_MAX ||
	    program_is_over(&script))
		return true;
	for (size_t from = 0; from < batch->length; from += length) {
		size_t whole = min_size(batch->segment_size,
		    batch->length - from);

		length = whole;
		MUST(length <= sizeof datagram);
		memcpy(datagram, batch->bytes + from, length);
		changes++;
		if (change(side, datagram, &length))
			machine_deliver(1 - side, at->place, side == 1 ?
			    at->heard : 0, datagram, length, length);
		seen_length[side] = whole;
		memcpy(seen[side], batch->bytes + from, whole);
		length = whole;
	}
	return false;
}

/* Two channels that are open belong together, or to nobody. */
static void
check(void)
{
	const struct sj__channel *client = machine_channel(1);
	const struct sj__channel *server = machine_channel(0);

	if (client == NULL || client->state != CHANNEL_OPEN)
		return;
	MUST(memcmp(client->server_key, machine.world.host_key.public_key,
	    32) == 0);
	if (server != NULL && server->state == CHANNEL_OPEN)
		MUST(memcmp(client->hash, server->hash, 32) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wrong_key[32] = { 9 };
	uint8_t first, second;
	struct machine_options options = { .has_cookies = false };

	script = program_of(data, size);
	first = take_byte(&script);
	second = take_byte(&script);
	options.has_cookies = first & 1;
	options.hello_least = second & 1 ? 1300 + 10u * second : 0;
	options.answer_filler = second & 2 ? 16u * second : 0;
	machine_open(&options);
	changes = 0;
	is_touched = false;
	seen_length[0] = seen_length[1] = 0;
	machine.on_batch = on_batch;
	machine.world.faults.answer_delay_ms = first & 2 ? 3 : 0;
	MUST(machine_log_in(first & 8 ? wrong_key : first & 4 ?
	    machine.world.host_key.public_key : NULL));
	for (int i = 0; i < 8 && !machine.started && !machine.ended; i++) {
		machine_exchange(6);
		check();
		if (!program_is_over(&script))
			machine_pass(NS_PER_MS * 200 << (first >> 6));
	}
	for (int i = 0; i < 12 && !is_touched && !machine.started &&
	    !machine.ended; i++) {
		machine_pass(NS_PER_MS * 500);
		machine_exchange(6);
	}
	check();
	if (!is_touched && !(first & 8))
		MUST(machine.started);
	machine_close();
	return 0;
}
