/* SPDX-License-Identifier: ISC */
/*
 * fuzz_packet.c - short packets: what opens is what was sealed
 *
 * Two ends with real keys. The input is a program: seal, change, mask, open,
 * begin a new phase, drop the old keys, let things come late or twice, or open
 * any bytes. A packet that was changed never opens; one that was not opens
 * with its number and its payload as long as its phase is kept.
 */
#include "fuzz.h"
#include "core/packet.h"

#define KEPT 8
#define PACKET_SIZE 256
#define STEPS_MAX 60

struct sealed {
	uint8_t bytes[PACKET_SIZE];
	uint8_t payload[PACKET_SIZE];
	size_t length, payload_length;
	uint64_t number;
	bool is_changed;
};

static struct sj__memory memory;
static struct sj__crypto *crypto;
static struct sj__protection from, to;
static struct sealed packets[KEPT];
static uint64_t next_number, expected;
static bool has_phases;                 /* more than the first */

static void
seal(struct program *program)
{
	struct sealed *packet = &packets[take_below(program, KEPT)];
	uint8_t *at = packet->bytes;
	size_t length = 12 + take_below(program, 100);

	memset(packet, 0, sizeof *packet);
	next_number += 1 + take_below(program, 3);
	for (size_t i = 0; i < length; i++)
		packet->payload[i] = (uint8_t)(next_number + i);
	memcpy(at + SHORT_HEADER_SIZE, packet->payload, length);
	if (sj__packet_seal(&from, next_number, at, length) < 0)
		return;
	packet->number = next_number;
	packet->payload_length = length;
	packet->length = length + SHORT_OVERHEAD;
	sj__packet_mask(&from, at, packet->length, 1);
}

static void
change(struct program *program)
{
	struct sealed *packet = &packets[take_below(program, KEPT)];
	uint8_t at = take_byte(program), bits = take_byte(program);

	if (packet->length == 0)
		return;
	/* The first bit tells long from short: it is not looked at here. */
	if (at % packet->length == 0)
		bits &= FLAGS_MASKED;
	packet->bytes[at % packet->length] ^= bits;
	packet->is_changed ^= bits != 0;
	/* Twice may be a change back, or two changes: taken for neither. */
	if (!packet->is_changed)
		packet->length = 0;
}

static void
open_packet(uint8_t *bytes, size_t length, const struct sealed *sealed)
{
	struct span payload;
	uint64_t number;
	bool updated = false;
	int error;

	sj__packet_unmask(&to, bytes, length, 1);
	error = sj__packet_open(&to, expected, bytes, length, &number,
	    &payload, &updated);
	if (error < 0) {
		MUST(!updated);
		MUST(sealed == NULL || sealed->is_changed || has_phases);
		return;
	}
	MUST(sealed != NULL && !sealed->is_changed);
	MUST(number == sealed->number);
	MUST(payload.length == sealed->payload_length);
	MUST(memcmp(payload.data, sealed->payload, payload.length) == 0);
	expected = max_u64(expected, number + 1);
	sj__protection_on_acked(&from, number);
}

static void
deliver(struct program *program)
{
	const struct sealed *packet = &packets[take_below(program, KEPT)];
	uint8_t copy[PACKET_SIZE];

	if (packet->length < PACKET_MIN)
		return;
	memcpy(copy, packet->bytes, packet->length);
	open_packet(copy, packet->length, packet);
}

static void
deliver_any(struct program *program)
{
	struct span span = take_span(program, PACKET_SIZE);
	uint8_t copy[PACKET_SIZE] = { 0 };

	if (span.length < PACKET_MIN)
		return;
	memcpy(copy, span.data, span.length);
	open_packet(copy, span.length, NULL);
}

static void
step(struct program *program)
{
	switch (take_byte(program) % 8) {
	case 0: case 1:
		seal(program);
		break;
	case 2: case 3:
		deliver(program);
		break;
	case 4:
		change(program);
		break;
	case 5:
		deliver_any(program);
		break;
	case 6:
		if (!from.phase_confirmed)
			break;
		MUST(sj__protection_update(&from, next_number + 1) == 0);
		has_phases = true;
		break;
	default:
		MUST(sj__protection_drop_previous(&to) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secrets[2][32] = { { 1 }, { 2 } };
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);
	enum packet_suite suite = 1 + first % 3;

	if (crypto == NULL) {
		sj__memory_init(&memory, 1 << 24);
		MUST(sj__crypto_open(&crypto, &memory, NULL) == 0);
	}
	memset(packets, 0, sizeof packets);
	next_number = first & 64 ? (UINT64_C(1) << 24) - 4 : 0;
	expected = next_number;
	has_phases = false;
	MUST(sj__protection_init(&from, crypto, &memory, suite, secrets[0],
	    secrets[1]) == 0);
	MUST(sj__protection_init(&to, crypto, &memory, suite, secrets[1],
	    secrets[0]) == 0);
	for (int i = 0; i < STEPS_MAX && !program_is_over(&program); i++)
		step(&program);
	sj__protection_fini(&from);
	sj__protection_fini(&to);
	return 0;
}
