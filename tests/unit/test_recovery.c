/* SPDX-License-Identifier: ISC */
/* test_recovery.c - loss and probes by RFC 9002, and against a naive model */
#include "unit.h"

#include "core/recovery.c"

#define MS NS_PER_MS
#define PROBE_INITIAL_MS (2 * 333 + 25) /* RFC 9002 section 6.2.2, our delay */

static struct sj__memory memory;
static struct sj__recovery recovery;
static struct sj__path path;

/* What was said of each record, by its id. */
#define IDS_MAX 200000
static uint8_t delivered_count[IDS_MAX], lost_count[IDS_MAX];
static bool last_verdict[IDS_MAX];

static void
settled(void *user, const struct sj__sent_record *record, bool delivered)
{
	assert_ptr_equal(user, &recovery);
	assert_true(record->id < IDS_MAX);
	assert_int_equal(record->offset, 7 * record->id);
	if (delivered)
		delivered_count[record->id]++;
	else
		lost_count[record->id]++;
	last_verdict[record->id] = delivered;
}

static void
set_up_path(void)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };

	sj__path_init(&path, &key, 1200);
}

static int
set_up(void **state)
{
	(void)state;
	sj__memory_init(&memory, 64 << 20);
	set_up_path();
	sj__recovery_init(&recovery, &memory);
	memset(delivered_count, 0, sizeof delivered_count);
	memset(lost_count, 0, sizeof lost_count);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sj__recovery_fini(&recovery);
	return memory.used == 0 ? 0 : -1;
}

/* A packet of 1000 bytes with one record, whose id is the number. */
static uint64_t
send_at(uint64_t now_ms)
{
	uint64_t number;

	assert_int_equal(sj__recovery_prepare(&recovery, &number), 0);
	sj__recovery_append(&recovery, &(struct sj__sent_record){
	    .id = number, .offset = 7 * number });
	assert_int_equal(sj__recovery_commit(&recovery, &path, now_ms * MS,
	    1000, true, true), 0);
	return number;
}

static int
ack_delayed(uint64_t from, uint64_t to, uint64_t now_ms, uint64_t delay_ms)
{
	struct sj__ack ack = { .largest = to, .delay_ns = delay_ms * MS };

	SJ_TRY(sj__recovery_ack_begin(&recovery, &path, now_ms * MS, &ack));
	SJ_TRY(sj__recovery_ack_range(&recovery, &path, now_ms * MS, from, to,
	    settled, &recovery));
	return sj__recovery_ack_end(&recovery, &path, now_ms * MS, settled,
	    &recovery);
}

static int
ack(uint64_t from, uint64_t to, uint64_t now_ms)
{
	return ack_delayed(from, to, now_ms, 0);
}

static unsigned
time_out(uint64_t now_ms)
{
	return sj__recovery_on_timeout(&recovery, &path, now_ms * MS, settled,
	    &recovery);
}

static uint64_t
deadline_ms(void)
{
	uint64_t deadline_ns = sj__recovery_deadline_ns(&recovery, &path);

	return deadline_ns == NEVER_NS ? NEVER_NS : deadline_ns / MS;
}

/* --- RFC 9002 section 5 ------------------------------------------------- */

static void
rtt_samples(void **state)
{
	/* Computed by hand from section 5.3, in microseconds. */
	static const struct {
		uint64_t sample_ms, delay_ms, minimum, smoothed, variation;
	} table[] = {
		{ 100, 10, 100000, 100000, 50000 },     /* the first: as it is */
		{ 120, 10, 100000, 101250, 40000 },     /* 110 after the delay */
		{ 105, 10, 100000, 101718, 30937 },     /* delay would undercut */
		{ 80, 10, 80000, 99003, 28632 },        /* a new minimum */
		/* 60 ms of delay count as the 25 that were promised. */
		{ 140, 60, 80000, 101003, 25473 },
	};
	uint64_t now_ms = 1000, number;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		number = send_at(now_ms);
		now_ms += table[i].sample_ms;
		assert_int_equal(ack_delayed(number, number, now_ms,
		    table[i].delay_ms), 0);
		assert_int_equal(path.latest_ns, table[i].sample_ms * MS);
		assert_int_equal(path.minimum_ns / 1000, table[i].minimum);
		assert_int_equal(path.smoothed_ns / 1000, table[i].smoothed);
		assert_int_equal(path.variation_ns / 1000, table[i].variation);
	}
	assert_int_equal(sj__recovery_probe_timeout_ns(&recovery, &path),
	    path.smoothed_ns + 4 * path.variation_ns + 25 * MS);
}

/* No sample but from the largest, newly acknowledged, on this path. */
static void
rtt_only_from_news(void **state)
{
	uint64_t number;

	(void)state;
	number = send_at(1000);
	send_at(1000);
	assert_int_equal(ack(number + 1, number + 1, 1050), 0);
	assert_int_equal(path.latest_ns, 50 * MS);
	assert_int_equal(ack(number, number + 1, 1400), 0);     /* again */
	assert_int_equal(path.latest_ns, 50 * MS);
	number = send_at(2000);
	sj__recovery_leave_path(&recovery, &path);
	assert_int_equal(path.in_flight, 0);
	sj__recovery_enter_path(&recovery);
	assert_int_equal(ack(number, number, 2900), 0);
	assert_int_equal(path.latest_ns, 50 * MS);
	assert_int_equal(delivered_count[number], 1);
	/* One that does not ask for an acknowledgement says nothing. */
	assert_int_equal(sj__recovery_prepare(&recovery, &number), 0);
	assert_int_equal(sj__recovery_commit(&recovery, &path, 3000 * MS, 40,
	    false, false), 0);
	assert_int_equal(sj__recovery_deadline_ns(&recovery, &path), NEVER_NS);
	assert_int_equal(ack(number, number, 3900), 0);
	assert_int_equal(path.latest_ns, 50 * MS);
}

/* --- Section 6.1 -------------------------------------------------------- */

/* [SJ-PA-9] */
static void
packet_threshold(void **state)
{
	uint64_t first, window = path.window;

	(void)state;
	first = send_at(1000);
	for (unsigned i = 1; i < 5; i++)
		send_at(1000);
	/* Two later ones are not enough, three are. */
	assert_int_equal(ack(first + 2, first + 2, 1010), 0);
	assert_int_equal(lost_count[first], 0);
	assert_int_equal(sj__recovery_lost(&recovery), 0);
	assert_true(path.window >= window);
	assert_int_equal(ack(first + 3, first + 3, 1010), 0);
	assert_int_equal(lost_count[first], 1);
	/* which is a sign of congestion */
	assert_true(path.window < window);
	assert_int_equal(lost_count[first + 1], 0);
	assert_int_equal(sj__recovery_lost(&recovery), 1);
	assert_int_equal(ack(first + 4, first + 4, 1010), 0);
	assert_int_equal(lost_count[first + 1], 1);
	assert_int_equal(path.in_flight, 0);
}

static void
time_threshold(void **state)
{
	uint64_t first;

	(void)state;
	first = send_at(1000);
	send_at(1001);
	/* 9/8 of the larger of latest and smoothed. */
	assert_int_equal(ack(first + 1, first + 1, 1071), 0);
	assert_int_equal(path.latest_ns, 70 * MS);
	assert_int_equal(sj__recovery_deadline_ns(&recovery, &path),
	    1000 * MS + 70 * MS * 9 / 8);
	assert_int_equal(time_out(1078), 0);
	assert_int_equal(lost_count[first], 0);
	assert_int_equal(time_out(1079), 0);
	assert_int_equal(lost_count[first], 1);
	assert_int_equal(deadline_ms(), NEVER_NS);
	assert_int_equal(sj__recovery_probes(&recovery), 0);
	/* A lost one that comes after all is no news to anybody. */
	assert_int_equal(ack(first, first + 1, 1200), 0);
	assert_int_equal(delivered_count[first], 0);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(path.latest_ns, 70 * MS);
}

/* The delay of a loss is never below the granularity. */
static void
granularity(void **state)
{
	uint64_t first = send_at(1000);

	(void)state;
	send_at(1000);
	path.has_rtt = true;
	path.smoothed_ns = path.latest_ns = path.minimum_ns = 10000;
	assert_int_equal(sj__recovery_ack_begin(&recovery, &path,
	    1000 * MS + 10000, &(struct sj__ack){ .largest = first + 1 }), 0);
	assert_int_equal(sj__recovery_ack_range(&recovery, &path,
	    1000 * MS + 10000, first + 1, first + 1, settled, &recovery), 0);
	assert_int_equal(sj__recovery_ack_end(&recovery, &path,
	    1000 * MS + 10000, settled, &recovery), 0);
	assert_int_equal(lost_count[first], 0);
	assert_int_equal(sj__recovery_deadline_ns(&recovery, &path), 1001 * MS);
}

/* --- Section 6.2 -------------------------------------------------------- */

static uint64_t
probe_at(uint64_t now_ms)
{
	uint64_t number;

	assert_int_equal(sj__recovery_prepare(&recovery, &number), 0);
	assert_int_equal(sj__recovery_commit(&recovery, &path, now_ms * MS, 50,
	    true, false), 0);
	return number;
}

static void
probe_backoff(void **state)
{
	uint64_t now_ms = 1000, timeout_ms = PROBE_INITIAL_MS, number;

	(void)state;
	assert_int_equal(deadline_ms(), NEVER_NS);
	number = send_at(now_ms);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t interval_ms = timeout_ms << i < 8000 ?
		    timeout_ms << i : 8000;

		assert_int_equal(deadline_ms(), now_ms + interval_ms);
		now_ms += interval_ms;
		assert_int_equal(time_out(now_ms), i == 0 ? 1 : 2);
		assert_int_equal(sj__recovery_probes(&recovery), i + 1);
		/* With the third the flight is given up: no window is held. */
		assert_int_equal(path.in_flight, i < 2 ? 1000 : 0);
		assert_int_equal(path.window, i < 2 ? 12000 : 2400);
		number = probe_at(now_ms);
	}
	assert_int_equal(ack(number, number, now_ms + 30), 0);
	assert_int_equal(sj__recovery_probes(&recovery), 0);
	assert_int_equal(path.latest_ns, 30 * MS);
	send_at(now_ms + 40);
	/* 30 smoothed, 15 varying, 25 of delay. */
	assert_int_equal(deadline_ms(), now_ms + 40 + 30 + 60 + 25);
}

/* A timeout longer than the largest interval is not cut. */
static void
probe_slow_path(void **state)
{
	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = 20000 * MS;
	send_at(1000);
	assert_int_equal(deadline_ms(), 1000 + 20000 + 1 + 25);
	time_out(21026);
	probe_at(21026);
	assert_int_equal(deadline_ms(), 21026 + 20026);
}

/* The probe says what was in the oldest again; the verdict on the packet is
 * still to come, and counts once. */
static void
probe_before_verdict(void **state)
{
	uint64_t first = send_at(1000), probe;

	(void)state;
	send_at(1001);
	assert_int_equal(time_out(1001 + PROBE_INITIAL_MS), 1);
	assert_int_equal(lost_count[first], 1);
	assert_int_equal(lost_count[first + 1], 0);
	assert_int_equal(sj__recovery_lost(&recovery), 0);
	assert_int_equal(path.in_flight, 2000);
	probe = probe_at(1001 + PROBE_INITIAL_MS);
	assert_int_equal(ack(first, probe, 2500), 0);
	assert_int_equal(delivered_count[first], 1);
	assert_int_equal(delivered_count[first + 1], 1);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(deadline_ms(), NEVER_NS);
}

/* After everything was given up the window grows slowly: the threshold is not
 * that of a path without any loss. */
static void
flight_given_up(void **state)
{
	uint64_t now_ms = 1000;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		send_at(now_ms);
	for (unsigned i = 0; i < 3; i++) {
		now_ms = deadline_ms();
		time_out(now_ms);
	}
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(path.window, 2400);
	assert_int_equal(path.threshold, 8400);
	assert_int_equal(sj__recovery_lost(&recovery), 10);
	assert_int_equal(deadline_ms(), NEVER_NS);
	for (unsigned i = 0; i < 10; i++)
		assert_true(lost_count[i] >= 1);
}

/* --- Numbers ------------------------------------------------------------ */

/* [SJ-PK-6] */
static void
never_sent(void **state)
{
	uint64_t first = send_at(1000), last;

	(void)state;
	sj__recovery_skip_number(&recovery);
	last = send_at(1000);
	assert_int_equal(last, first + 2);
	assert_int_equal(ack(last + 1, last + 1, 1010), SJ_ERR_PROTOCOL);
	assert_int_equal(delivered_count[last], 0);
	assert_int_equal(ack(first, first, 1010), 0);
	assert_int_equal(ack(last, last, 1010), 0);
	/* Settled around it, it is still known. */
	assert_int_equal(ack(first, last, 1020), SJ_ERR_PROTOCOL);
	assert_int_equal(ack(first + 1, first + 1, 1020), SJ_ERR_PROTOCOL);
}

static void
skipped_goes(void **state)
{
	uint64_t number = 0;

	(void)state;
	sj__recovery_skip_number(&recovery);
	for (unsigned i = 0; i < 100; i++) {
		number = send_at(1000 + i);
		assert_int_equal(ack(number, number, 1010 + i), 0);
	}
	/* Old ones are forgotten, so that nothing stays for ever. */
	assert_int_equal(recovery.base, recovery.next);
	assert_int_equal(recovery.record_base, recovery.record_next);
	assert_int_equal(recovery.packet_capacity, 128);
}

static void
cancelled(void **state)
{
	uint64_t one, two;

	(void)state;
	assert_int_equal(sj__recovery_prepare(&recovery, &one), 0);
	sj__recovery_cancel(&recovery);
	assert_int_equal(sj__recovery_prepare(&recovery, &two), 0);
	assert_int_equal(one, two);
	for (unsigned i = 0; !sj__recovery_is_full(&recovery); i++) {
		assert_true(i < 512);
		sj__recovery_append(&recovery, &(struct sj__sent_record){
		    .id = i, .offset = 7 * i });
	}
	assert_int_equal(sj__recovery_commit(&recovery, &path, MS, 1200, true,
	    true), 0);
	assert_int_equal(ack(two, two, 2), 0);
	for (unsigned i = 0; i < 496; i++)
		assert_int_equal(delivered_count[i], 1);
	assert_int_equal(delivered_count[496], 0);
}

static void
no_room(void **state)
{
	uint64_t number;
	size_t used;

	(void)state;
	for (size_t limit = 0; limit < 40000; limit += 999) {
		memory.limit = limit;
		used = memory.used;
		if (sj__recovery_prepare(&recovery, &number) == SJ_ERR_MEMORY) {
			sj__recovery_skip_number(&recovery);
			assert_int_equal(sj__recovery_next_number(&recovery),
			    0);
			continue;
		}
		assert_int_equal(number, 0);
		assert_true(memory.used > used);
		sj__recovery_cancel(&recovery);
		break;
	}
	assert_true(memory.used > 0);
	recovery.packets[0].state = SENT_IN_FLIGHT;
	recovery.packets[0].is_eliciting = true;
	recovery.next = recovery.base + IN_FLIGHT_PACKETS_MAX;
	assert_int_equal(sj__recovery_prepare(&recovery, &number),
	    SJ_ERR_LIMIT);
}

/* --- Congestion --------------------------------------------------------- */

static int
ack_ce(uint64_t number, uint64_t now_ms, uint64_t ect0, uint64_t ce)
{
	struct sj__ack marks = { .largest = number, .has_ecn = true,
	    .ect0 = ect0, .ce = ce };

	SJ_TRY(sj__recovery_ack_begin(&recovery, &path, now_ms * MS, &marks));
	SJ_TRY(sj__recovery_ack_range(&recovery, &path, now_ms * MS, number,
	    number, settled, &recovery));
	return sj__recovery_ack_end(&recovery, &path, now_ms * MS, settled,
	    &recovery);
}

/* RFC 9002 section 7.1: one cut for all that was sent before it. */
static void
ce_once_a_round(void **state)
{
	uint64_t first = send_at(1000), window, later;

	(void)state;
	for (unsigned i = 1; i < 3; i++)
		send_at(1000);
	assert_int_equal(ack_ce(first, 1050, 0, 1), 0);
	window = path.window;
	assert_true(window <= 13000 * 70 / 100 && window >= 12000 * 70 / 100);
	assert_int_equal(ack_ce(first + 1, 1051, 0, 2), 0);
	assert_int_equal(ack_ce(first + 2, 1052, 0, 3), 0);
	assert_int_equal(path.window, window);
	later = send_at(1060);
	send_at(1061);
	assert_int_equal(ack_ce(later, 1110, 1, 3), 0); /* no new mark */
	assert_true(path.window >= window);
	assert_int_equal(ack_ce(later + 1, 1111, 1, 4), 0);
	assert_true(path.window < window);
	assert_int_equal(path.ecn, ECN_CAPABLE);
}

/* [SJ-PA-7] Marks that do not come back are not set any more. */
static void
ecn_bleached(void **state)
{
	uint64_t number = send_at(1000);

	(void)state;
	assert_int_equal(sj__path_ecn(&path), SJ_ECN_ECT0);
	assert_int_equal(ack(number, number, 1010), 0);
	assert_int_equal(path.ecn, ECN_FAILED);
	assert_int_equal(sj__path_ecn(&path), SJ_ECN_NONE);
	number = send_at(1020);
	assert_int_equal(ack_ce(number, 1030, 0, 0), 0);
	assert_int_equal(path.ecn, ECN_FAILED);
	/* Some come back, then no more. */
	path.ecn = ECN_TESTING;
	number = send_at(1040);
	assert_int_equal(ack_ce(number, 1050, 2, 0), 0);
	assert_int_equal(path.ecn, ECN_CAPABLE);
	number = send_at(1060);
	assert_int_equal(ack_ce(number, 1070, 2, 0), 0);
	assert_int_equal(path.ecn, ECN_FAILED);
}

/* A path that loses the mark says nothing about the next one. */
static void
ecn_of_each_path(void **state)
{
	uint64_t number = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		number = send_at(1000);
	assert_int_equal(ack(0, number, 1010), 0);
	assert_int_equal(path.ecn, ECN_FAILED);
	number = send_at(1011);
	sj__recovery_leave_path(&recovery, &path);
	set_up_path();
	sj__recovery_enter_path(&recovery);
	number = send_at(1020);
	assert_int_equal(ack_ce(number, 1030, 1, 0), 0);
	assert_int_equal(path.ecn, ECN_CAPABLE);
	/* It is judged all the same. */
	number = send_at(1040);
	assert_int_equal(ack_ce(number, 1050, 1, 0), 0);
	assert_int_equal(path.ecn, ECN_FAILED);
}

/* What does not count takes no window and costs none. */
static void
not_counted(void **state)
{
	uint64_t first = probe_at(1000);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		probe_at(1000);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(ack(first + 4, first + 4, 1010), 0);
	assert_int_equal(sj__recovery_lost(&recovery), 2);
	assert_int_equal(path.window, 12000);
}

static void
move_between_paths(void **state)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };
	struct sj__path other;
	uint64_t number = send_at(1000);

	(void)state;
	send_at(1000);
	sj__path_init(&other, &key, 1200);
	sj__recovery_move_path(&recovery, &path, &other);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(other.in_flight, 2000);
	path = other;
	assert_int_equal(ack(number, number + 1, 1010), 0);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(path.latest_ns, 10 * MS);
}

/* A peer may move as often as it likes while it holds an acknowledgement back. */
static void
many_moves(void **state)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };
	uint64_t number = send_at(1000);

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		sj__recovery_leave_path(&recovery, &path);
		assert_int_equal(path.in_flight, 0);
		sj__path_init(&path, &key, 1200);
		sj__recovery_enter_path(&recovery);
	}
	assert_int_equal(ack(number, number, 1010), 0);
	assert_int_equal(path.in_flight, 0);
	assert_false(path.has_rtt);
}

/* --- Against a model ---------------------------------------------------- */

enum fate { FLYING, ACKED, LOST, SKIPPED };

struct model_packet {
	uint64_t sent_ns, first_id;
	unsigned ids, bytes, early;     /* early: told lost by a probe */
	bool is_eliciting, is_counted;  /* counted: by the path of now */
	enum fate fate;
};

#define PACKETS_MAX 20000
static struct model_packet model[PACKETS_MAX];
static uint64_t model_next, model_id, model_largest, model_base;
static bool model_has_acked;

static void
model_send(uint64_t now_ns)
{
	struct model_packet *packet = &model[model_next];
	uint64_t number;

	*packet = (struct model_packet){ .sent_ns = now_ns,
	    .first_id = model_id, .ids = (unsigned)draw(5),
	    .bytes = 40 + (unsigned)draw(1160), .is_eliciting = draw(8) > 0 };
	packet->is_counted = packet->is_eliciting && draw(8) > 0;
	assert_int_equal(sj__recovery_prepare(&recovery, &number), 0);
	assert_int_equal(number, model_next++);
	for (unsigned i = 0; i < packet->ids; i++, model_id++)
		sj__recovery_append(&recovery, &(struct sj__sent_record){
		    .id = model_id, .offset = 7 * model_id });
	assert_int_equal(sj__recovery_commit(&recovery, &path, now_ns,
	    packet->bytes, packet->is_eliciting, packet->is_counted), 0);
}

/* Section 6.1, straight from its text, with the estimate of the path. */
static void
model_losses(uint64_t now_ns)
{
	uint64_t rtt_ns = max_u64(path.latest_ns, path.smoothed_ns);
	uint64_t delay_ns = max_u64(rtt_ns + rtt_ns / 8, MS);

	for (uint64_t i = model_base; i < model_next; i++)
		if (model[i].fate == FLYING && i < model_largest &&
		    (model_largest - i >= 3 ||
		    model[i].sent_ns + delay_ns <= now_ns))
			model[i].fate = LOST;
}

static void
model_ack(uint64_t now_ns)
{
	uint64_t top = model_next - 1 - draw(min_u64(model_next, 6)), to = top;
	struct sj__ack frame = { .delay_ns = draw(40 * MS) };
	unsigned ranges = 1 + (unsigned)draw(4);

	while (top > 0 && model[top].fate == SKIPPED)
		top--;
	if (model[top].fate == SKIPPED)
		return;
	frame.largest = to = top;
	assert_int_equal(sj__recovery_ack_begin(&recovery, &path, now_ns,
	    &frame), 0);
	while (ranges-- > 0) {
		uint64_t from = to, below = draw(6);

		while (below-- > 0 && from > 0 && model[from - 1].fate != SKIPPED)
			from--;
		assert_int_equal(sj__recovery_ack_range(&recovery, &path,
		    now_ns, from, to, settled, &recovery), 0);
		for (uint64_t i = from; i <= to; i++)
			if (model[i].fate == FLYING)
				model[i].fate = ACKED;
		below = 2 + draw(4);
		if (from < below || model[from - below].fate == SKIPPED)
			break;
		to = from - below;
	}
	assert_int_equal(sj__recovery_ack_end(&recovery, &path, now_ns, settled,
	    &recovery), 0);
	model_largest = model_has_acked ? max_u64(model_largest, top) : top;
	model_has_acked = true;
	model_losses(now_ns);
}

/* Everything in flight is lost after the third, or the oldest goes again. */
static void
model_time_out(uint64_t now_ns)
{
	bool by_loss = recovery.loss_ns != 0, asked = false;

	sj__recovery_on_timeout(&recovery, &path, now_ns, settled, &recovery);
	if (by_loss) {
		model_losses(now_ns);
		return;
	}
	for (uint64_t i = model_base; i < model_next; i++) {
		if (model[i].fate != FLYING)
			continue;
		if (recovery.probe_count >= 3) {
			model[i].fate = LOST;
		} else if (!asked && model[i].is_eliciting &&
		    model[i].ids > 0) {
			model[i].early++;
			asked = true;
		}
	}
}

/* To another address, with nothing in flight there. */
static void
model_move(void)
{
	sj__recovery_leave_path(&recovery, &path);
	sj__recovery_enter_path(&recovery);
	for (uint64_t i = model_base; i < model_next; i++)
		model[i].is_counted = false;
}

static void
model_compare(void)
{
	uint64_t in_flight = 0, eliciting = 0;
	bool may_advance = true;

	for (uint64_t i = model_base; i < model_next; i++) {
		const struct model_packet *packet = &model[i];

		if (packet->fate == FLYING) {
			in_flight += packet->is_counted ? packet->bytes : 0;
			eliciting += packet->is_eliciting;
			may_advance = false;
		}
		for (unsigned j = 0; j < packet->ids; j++) {
			uint64_t id = packet->first_id + j;

			assert_int_equal(delivered_count[id],
			    packet->fate == ACKED);
			assert_int_equal(lost_count[id], packet->early +
			    (packet->fate == LOST));
			if (packet->fate == ACKED)
				assert_true(last_verdict[id]);
		}
		if (may_advance && i + 300 < model_next)
			model_base = i + 1;
	}
	assert_int_equal(path.in_flight, in_flight);
	assert_int_equal(recovery.eliciting_in_flight, eliciting);
	assert_true(sj__recovery_deadline_ns(&recovery, &path) == NEVER_NS ?
	    eliciting == 0 : true);
}

static void
against_model(void **state)
{
	uint64_t now_ns = NS_PER_S, deadline_ns;

	(void)state;
	model_next = model_id = model_largest = model_base = 0;
	model_has_acked = false;
	while (model_next < PACKETS_MAX - 10 && model_id < IDS_MAX - 50) {
		unsigned what = (unsigned)draw(100);

		now_ns += draw(what < 3 ? 2 * NS_PER_S : 4 * MS);
		deadline_ns = sj__recovery_deadline_ns(&recovery, &path);
		if (deadline_ns <= now_ns)
			model_time_out(now_ns);
		else if (what < 70 && path.in_flight < 300000)
			model_send(now_ns);
		else if (what == 70) {
			sj__recovery_skip_number(&recovery);
			model[model_next++] = (struct model_packet){
			    .first_id = model_id, .fate = SKIPPED };
		} else if (what == 71 && draw(8) == 0) {
			model_move();
		} else if (model_next > 0)
			model_ack(now_ns);
		model_compare();
	}
	/* Whatever is left is settled by silence. */
	while ((deadline_ns = sj__recovery_deadline_ns(&recovery, &path)) !=
	    NEVER_NS) {
		model_time_out(deadline_ns);
		model_compare();
	}
	assert_int_equal(path.in_flight, 0);
	assert_true(recovery.packet_capacity <= 2048);
}

/* RFC 9002 section 7.6: losses over more than three probe timeouts with nothing
 * in between that got through; one that did makes them two short ones. */
static void
persistent(void **state)
{
	uint64_t first, middle;

	(void)state;
	for (int heard = 0; heard < 2; heard++) {
		tear_down(state);
		set_up(state);
		set_up_path();
		first = send_at(0);
		assert_int_equal(ack(first, first, 50), 0);
		send_at(100);
		send_at(300);
		middle = send_at(500);
		send_at(700);
		send_at(900);
		if (heard)
			assert_int_equal(ack(middle, middle, 550), 0);
		first = send_at(1000);
		assert_int_equal(ack(first, first, 1050), 0);
		assert_int_equal(path.window == WINDOW_MIN_PACKETS * 1200,
		    !heard);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rtt_samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rtt_only_from_news, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(packet_threshold, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(time_threshold, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(granularity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(probe_backoff, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(probe_slow_path, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(probe_before_verdict, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(flight_given_up, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(never_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(skipped_goes, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(cancelled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ce_once_a_round, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(ecn_bleached, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(ecn_of_each_path, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(not_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(move_between_paths, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(many_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(against_model, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(persistent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
