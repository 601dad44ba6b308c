/* SPDX-License-Identifier: ISC */
/*
 * fuzz_stream.c - the two halves of a stream
 *
 * Receiving: pieces, ends and resets of any kind against a flag for each byte.
 * Both: what one half sends reaches the other in any order, twice or not at
 * all, and is read as it was written, to the end.
 */
#include "fuzz.h"
#include "core/stream.h"

#define BYTES 1024
#define STEPS_MAX 100
#define FLYING 16

static struct sj__memory memory;
static struct sj__receive receive;
static uint64_t base;                   /* offset of the first byte */

static uint8_t
byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 13 + (offset >> 8));
}

/* Reads up to so many bytes, and each must be the right one. */
static size_t
read_some(size_t most)
{
	const uint8_t *bytes;
	uint64_t at = receive.ring.base;
	bool at_end;
	size_t length = min_size(most, sj__receive_peek(&receive, &bytes,
	    &at_end));

	for (size_t i = 0; i < length; i++)
		MUST(bytes[i] == byte_at(at + i));
	if (length > 0)
		sj__receive_consume(&receive, length);
	return length;
}

static struct span
piece_of(uint64_t offset, size_t length)
{
	static uint8_t bytes[BYTES];

	MUST(length <= sizeof bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = byte_at(offset + i);
	return (struct span){ bytes, length };
}

/* --- Receiving, whatever comes ------------------------------------------------ */

static bool got[BYTES];

static uint64_t
model_in_order(void)
{
	uint64_t at = 0;

	while (at < BYTES && got[at])
		at++;
	return at;
}

static void
take_piece(struct program *program)
{
	uint8_t how = take_byte(program);
	size_t at = take_below(program, BYTES), length = take_byte(program);
	size_t to = at + length;
	uint64_t before = receive.in_order, highest = receive.highest;
	bool had_final = receive.has_final, is_over = receive.reset ||
	    receive.stop_wanted;
	bool fin = how % 8 == 0;
	int result = sj__receive_data(&receive, &memory, base + at,
	    piece_of(base + at, length), fin);

	if (base + to + receive.charged > receive.granted ||
	    (had_final && base + to > receive.final_size) ||
	    (had_final && fin && base + to != receive.final_size) ||
	    (fin && base + to < highest)) {
		MUST(result == SJ_ERR_PROTOCOL);
		return;
	}
	MUST(result == 0 || result == 1);
	MUST(receive.reset || receive.highest == max_u64(highest, base + to));
	if (is_over)
		return;
	for (size_t i = at; i < to; i++)
		got[i] = true;
	MUST(receive.in_order == base + model_in_order());
	MUST(result == (receive.in_order > before || (fin && !had_final &&
	    receive.in_order == receive.final_size)));
}

static void
take_reset(struct program *program)
{
	uint64_t final = base + take_below(program, 2 * BYTES);
	bool had_final = receive.has_final;
	uint64_t had = receive.final_size;
	int result = sj__receive_reset(&receive, &memory, 7, final);

	if (result == SJ_ERR_PROTOCOL)
		return;
	MUST(receive.has_final && receive.final_size == final);
	MUST(!had_final || had == final);
	MUST(result == 0 || sj__receive_is_done(&receive));
}

static void
receiving(struct program *program)
{
	uint8_t how = take_byte(program);

	base = how & 1 ? VARINT_MAX - 2 * BYTES : 0;
	memset(&receive, 0, sizeof receive);
	memset(got, 0, sizeof got);
	receive.ring.base = receive.ring.origin = base;
	receive.in_order = receive.highest = base;
	receive.granted = base + BYTES - (how >> 1);
	for (int i = 0; i < STEPS_MAX && !program_is_over(program); i++) {
		uint8_t choice = take_byte(program);

		if (choice % 8 < 5)
			take_piece(program);
		else if (choice % 8 < 7)
			read_some(choice);
		else if (choice < 32)
			take_reset(program);
		else if (choice < 40)
			receive.stop_wanted = true;
		MUST(receive.ring.base <= receive.in_order);
		MUST(receive.in_order <= receive.highest);
	}
	sj__receive_drop(&receive, &memory);
}

/* --- Both halves --------------------------------------------------------------- */

static struct sj__send sending;
static struct { struct sj__piece piece; bool is_used; } flying[FLYING];

static void
write_some(struct program *program)
{
	size_t length = take_below(program, BYTES);
	ptrdiff_t taken;

	taken = sj__send_write(&sending, &memory, piece_of(sending.end,
	    length).data, length, BYTES);
	MUST(taken <= (ptrdiff_t)length);
}

static void
send_piece(struct program *program)
{
	unsigned slot = take_byte(program) % FLYING;
	size_t most = 1 + take_byte(program);
	struct sj__piece piece;

	if (flying[slot].is_used || !sj__send_next(&sending, most, &piece))
		return;
	MUST(piece.length <= most);
	MUST(piece.offset + piece.length <= sending.end);
	sj__send_sent(&sending, &piece);
	flying[slot].piece = piece;
	flying[slot].is_used = true;
}

/* It arrives; and the word of that comes back, or gets lost. */
static void
arrive(struct program *program)
{
	unsigned slot = take_byte(program) % FLYING;
	uint8_t how = take_byte(program);
	const struct sj__piece *piece = &flying[slot].piece;
	uint8_t bytes[256];

	if (!flying[slot].is_used)
		return;
	/* Bytes that were acknowledged are not kept: not needed either. */
	if (how & 1 && piece->offset >= sending.ring.base) {
		if (piece->length > 0)
			sj__ring_get(&sending.ring, piece->offset, bytes,
			    piece->length);
		MUST(sj__receive_data(&receive, &memory, piece->offset,
		    (struct span){ bytes, piece->length }, piece->fin) >= 0);
	} else {
		how &= 0xfe;
	}
	if (how & 2)
		return;                 /* once more, later */
	if (how & 1)
		MUST(sj__send_delivered(&sending, &memory, piece->offset,
		    piece->length, piece->fin) == 0);
	else
		MUST(sj__send_lost(&sending, &memory, piece->offset,
		    piece->length, piece->fin) == 0);
	flying[slot].is_used = false;
}

/* From here on nothing gets lost: it comes to its end. */
static void
finish(void)
{
	struct sj__piece piece;
	unsigned rounds = 0;

	for (unsigned i = 0; i < FLYING; i++)
		if (flying[i].is_used)
			MUST(sj__send_lost(&sending, &memory,
			    flying[i].piece.offset, flying[i].piece.length,
			    flying[i].piece.fin) == 0);
	sending.finished = true;
	while (!sj__send_is_done(&sending)) {
		uint8_t bytes[256];

		MUST(rounds++ < 1000 && sj__send_next(&sending, 200, &piece));
		sj__send_sent(&sending, &piece);
		if (piece.length > 0)
			sj__ring_get(&sending.ring, piece.offset, bytes,
			    piece.length);
		MUST(sj__receive_data(&receive, &memory, piece.offset,
		    (struct span){ bytes, piece.length }, piece.fin) >= 0);
		MUST(sj__send_delivered(&sending, &memory, piece.offset,
		    piece.length, piece.fin) == 0);
		while (read_some(BYTES) > 0)
			;
	}
	while (read_some(BYTES) > 0)
		;
	MUST(sj__receive_is_done(&receive));
	MUST(receive.ring.base == sending.end);
}

static void
both(struct program *program)
{
	base = 0;
	memset(&receive, 0, sizeof receive);
	memset(&sending, 0, sizeof sending);
	memset(flying, 0, sizeof flying);
	receive.granted = sending.credit = UINT64_C(1) << 40;
	for (int i = 0; i < STEPS_MAX && !program_is_over(program); i++) {
		uint8_t choice = take_byte(program);

		if (choice == 255)
			sending.finished = true;
		else if (choice % 8 == 0)
			write_some(program);
		else if (choice % 8 < 4)
			send_piece(program);
		else if (choice % 8 < 7)
			arrive(program);
		else
			read_some(choice);
	}
	finish();
	sj__send_drop(&sending, &memory);
	sj__receive_drop(&receive, &memory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);

	sj__memory_init(&memory, 1 << 20);
	if (take_byte(&program) & 1)
		both(&program);
	else
		receiving(&program);
	MUST(memory.used == 0);
	return 0;
}
