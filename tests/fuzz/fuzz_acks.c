/* SPDX-License-Identifier: ISC */
/*
 * fuzz_acks.c - acknowledgements of any kind, and what to acknowledge
 *
 * Sent: packets with one record each; the peer acknowledges what it likes, in
 * any order, timers run. No record is delivered twice or lost after it was
 * delivered, numbers skipped or never sent are noticed, and in the end nothing
 * counts as in flight. Received: against a flag for each number, no number is
 * ever taken for new twice.
 */
#include "fuzz.h"
#include "core/recovery.h"

#define NUMBERS 2048
#define STEPS_MAX 80

static struct sj__memory memory;
static struct sj__recovery recovery;
static struct sj__path path;
static uint64_t now_ns;

/* --- Sent ------------------------------------------------------------------ */

enum { NONE, SENT, SKIPPED, DELIVERED };
static uint8_t states[NUMBERS];

static void
settled(void *user, const struct sj__sent_record *record, bool delivered)
{
	MUST(user == &recovery && record->id < NUMBERS);
	MUST(record->offset == 7 * record->id);
	MUST(states[record->id] == SENT);
	if (delivered)
		states[record->id] = DELIVERED;
}

static void
send_packets(struct program *program)
{
	uint8_t how = take_byte(program);
	struct sj__sent_record record = { .type = 1 };
	uint64_t number;

	for (unsigned i = 0; i <= how >> 3; i++) {
		number = sj__recovery_next_number(&recovery);
		if (number + 1 >= NUMBERS)
			return;
		if (how & 1 && i == 0) {
			sj__recovery_skip_number(&recovery);
			states[number] = SKIPPED;
			continue;
		}
		MUST(sj__recovery_prepare(&recovery, &number) == 0);
		record.id = number;
		record.offset = 7 * number;
		sj__recovery_append(&recovery, &record);
		states[number] = SENT;
		MUST(sj__recovery_commit(&recovery, &path, now_ns, 1000,
		    !(how & 2), !(how & 2) && !(how & 4)) == 0);
	}
}

/* Ranges from the top down, as a frame has them. */
static void
acknowledge(struct program *program)
{
	uint64_t next = sj__recovery_next_number(&recovery), to, from;
	struct sj__ack ack = { .has_ecn = false };
	uint8_t how = take_byte(program);
	int result;

	ack.largest = how & 1 ? take_edge(program) : next - 1 -
	    min_u64(take_byte(program), next - 1);
	ack.delay_ns = take_edge(program) * 1000;
	ack.has_ecn = how & 2;
	if (ack.has_ecn) {
		ack.ect0 = take_edge(program);
		ack.ce = take_edge(program);
	}
	result = sj__recovery_ack_begin(&recovery, &path, now_ns, &ack);
	MUST(result == (ack.largest >= next ? SJ_ERR_PROTOCOL : 0));
	to = ack.largest;
	for (unsigned i = 0; result == 0 && i <= how >> 5; i++) {
		from = to - min_u64(take_byte(program), to);
		result = sj__recovery_ack_range(&recovery, &path, now_ns, from,
		    to, settled, &recovery);
		if (from < 2)
			break;
		to = from - 2 - min_u64(take_byte(program), from - 2);
	}
	/* The channel ends with an error: nothing more is asked of it. */
	if (result < 0)
		return;
	MUST(sj__recovery_ack_end(&recovery, &path, now_ns, settled,
	    &recovery) == 0);
	MUST(ack.largest < recovery.base || states[ack.largest] == DELIVERED ||
	    states[ack.largest] == SENT);
}

static void
let_time_pass(struct program *program)
{
	uint64_t deadline = sj__recovery_deadline_ns(&recovery, &path);

	now_ns += NS_PER_MS << take_byte(program) % 16;
	if (deadline <= now_ns)
		MUST(sj__recovery_on_timeout(&recovery, &path, now_ns, settled,
		    &recovery) <= 2);
}

static void
sent(struct program *program)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };

	memset(states, 0, sizeof states);
	sj__path_init(&path, &key, 1200);
	for (int i = 0; i < STEPS_MAX && !program_is_over(program); i++) {
		uint8_t choice = take_byte(program);

		if (choice % 4 < 2)
			send_packets(program);
		else if (choice % 4 == 2 &&
		    sj__recovery_next_number(&recovery) > 0)
			acknowledge(program);
		else if (choice == 255)
			sj__recovery_leave_path(&recovery, &path);
		else
			let_time_pass(program);
		MUST(path.window >= 1200 && path.in_flight <= 2048 * 1000);
	}
	sj__recovery_leave_path(&recovery, &path);
	MUST(path.in_flight == 0);
}

/* --- Received ----------------------------------------------------------------- */

static bool seen[NUMBERS];

static void
take_number_in(struct program *program)
{
	uint8_t how = take_byte(program);
	uint64_t expected = sj__recovery_expected_number(&recovery), number;

	number = how & 1 ? take_number(program, 2) % NUMBERS :
	    expected + (how >> 4);
	if (how & 2)
		number = expected - min_u64(expected, how >> 2);
	if (number >= NUMBERS)
		return;
	if (sj__recovery_is_duplicate(&recovery, number)) {
		MUST(seen[number] || number < recovery.floor);
		return;
	}
	MUST(!seen[number]);
	seen[number] = true;
	MUST(sj__recovery_on_received(&recovery, number, now_ns, how & 4,
	    (enum sj_ecn)(how >> 6)) == 0);
	MUST(sj__recovery_is_duplicate(&recovery, number));
	MUST(sj__recovery_has_ack(&recovery));
}

static void
report(struct program *program)
{
	struct sj__range ranges[64];
	struct sj__ack_to_send ack;
	size_t count = sj__recovery_ack_to_send(&recovery, now_ns, ranges,
	    1 + take_byte(program) % 64, &ack);
	uint64_t below = NUMBERS;

	for (size_t i = 0; i < count; i++) {
		MUST(ranges[i].from < ranges[i].to && ranges[i].to < below + 1);
		for (uint64_t j = ranges[i].from; j < ranges[i].to; j++)
			MUST(seen[j]);
		below = ranges[i].from;
	}
	sj__recovery_ack_sent(&recovery);
	MUST(!sj__recovery_ack_is_due(&recovery, now_ns));
}

static void
received(struct program *program)
{
	memset(seen, 0, sizeof seen);
	/* More of it than of the other: a history has to be long. */
	for (int i = 0; i < 600 && !program_is_over(program); i++) {
		uint8_t choice = take_byte(program);

		if (choice % 16 == 0)
			report(program);
		else if (choice % 16 == 1)
			sj__recovery_forget_received(&recovery,
			    take_number(program, 2) % NUMBERS);
		else
			take_number_in(program);
		now_ns += NS_PER_MS;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = program_of(data, size);

	sj__memory_init(&memory, 1 << 24);
	sj__recovery_init(&recovery, &memory);
	now_ns = NS_PER_S;
	if (take_byte(&program) & 1)
		received(&program);
	else
		sent(&program);
	sj__recovery_fini(&recovery);
	MUST(memory.used == 0);
	return 0;
}
