/* SPDX-License-Identifier: ISC */
/* test_received.c - replay window and what is acknowledged, against a set */
#include "unit.h"

#include "core/received.c"
#include "core/wire.h"

#define MS NS_PER_MS

static struct sj__memory memory;
static struct sj__recovery recovery;

static int
set_up(void **state)
{
	(void)state;
	sj__memory_init(&memory, 1 << 20);
	sj__recovery_init(&recovery, &memory);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sj__recovery_fini(&recovery);
	return memory.used == 0 ? 0 : -1;
}

static void
take(uint64_t number, uint64_t now_ms)
{
	assert_false(sj__recovery_is_duplicate(&recovery, number));
	assert_int_equal(sj__recovery_on_received(&recovery, number,
	    now_ms * MS, true, SJ_ECN_NONE), 0);
	assert_true(sj__recovery_is_duplicate(&recovery, number));
}

/* --- Replay window ------------------------------------------------------ */

/* After WireGuard's selftest of its counter: the edges of a window, here one
 * of RECEIVED_RANGES_MAX intervals instead of so many bits. */
static void
window_edges(void **state)
{
	static const struct { uint64_t number; bool is_new; } table[] = {
		{ 0, true }, { 1, true }, { 1, false }, { 9, true },
		{ 8, true }, { 7, true }, { 7, false }, { 2, true },
		{ 9, false }, { 0, false },
		{ UINT64_C(1) << 24, true }, { (UINT64_C(1) << 24) - 1, true },
		{ 3, true }, { 6, true }, { 4, true }, { 5, true },
		{ 5, false }, { (UINT64_C(1) << 62) - 2, true },
		{ (UINT64_C(1) << 62) - 2, false }, { 10, true },
		{ (UINT64_C(1) << 24) + 1, true }, { 11, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(sj__recovery_is_duplicate(&recovery,
		    table[i].number), !table[i].is_new);
		if (table[i].is_new)
			take(table[i].number, i);
	}
	assert_int_equal(sj__recovery_expected_number(&recovery),
	    (UINT64_C(1) << 62) - 1);
	assert_int_equal(recovery.received.count, 3);
}

/* Every other number is missing: the set is full, the lowest go, and what was
 * below them counts as seen. */
static void
window_slides(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3 * RECEIVED_RANGES_MAX; i++) {
		take(2 * i, i);
		assert_true(recovery.received.count <= RECEIVED_RANGES_MAX);
		assert_int_equal(sj__recovery_expected_number(&recovery),
		    2 * i + 1);
	}
	assert_int_equal(recovery.received.count, RECEIVED_RANGES_MAX);
	/* The last 256 holes are open still, those before are shut. */
	for (uint64_t i = 0; i < 3 * RECEIVED_RANGES_MAX; i++) {
		assert_true(sj__recovery_is_duplicate(&recovery, 2 * i));
		assert_int_equal(sj__recovery_is_duplicate(&recovery,
		    2 * i + 1), i < 2 * RECEIVED_RANGES_MAX - 1);
	}
	/* Filling one from below does not open what is shut. */
	take(4 * RECEIVED_RANGES_MAX + 1, 2000);
	for (uint64_t i = 0; i < 4 * RECEIVED_RANGES_MAX; i++)
		assert_true(sj__recovery_is_duplicate(&recovery, i));
}

static void
forget(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 50; i++)
		take(100 * i, i);
	/* Late packets are still let in 1024 below what the peer knows of. */
	sj__recovery_forget_received(&recovery, 1023);
	assert_int_equal(recovery.received.count, 50);
	sj__recovery_forget_received(&recovery, 3000);
	assert_int_equal(recovery.floor, 3001 - 1024);
	assert_int_equal(recovery.received.ranges[0].from, 2000);
	assert_true(sj__recovery_is_duplicate(&recovery, 1976));
	assert_false(sj__recovery_is_duplicate(&recovery, 1977));
	/* The top stays, whatever the peer says; a floor never falls. */
	sj__recovery_forget_received(&recovery, 1 << 30);
	assert_int_equal(sj__recovery_expected_number(&recovery), 4901);
	assert_int_equal(recovery.floor, 4900 - 1024);
	sj__recovery_forget_received(&recovery, 2000);
	assert_int_equal(recovery.floor, 4900 - 1024);
}

static void
no_memory(void **state)
{
	(void)state;
	memory.limit = 8;
	assert_int_equal(sj__recovery_on_received(&recovery, 5, MS, true,
	    SJ_ECN_NONE), SJ_ERR_MEMORY);
	assert_false(sj__recovery_is_duplicate(&recovery, 5));
	assert_false(sj__recovery_has_ack(&recovery));
	assert_false(sj__recovery_ack_is_due(&recovery, 10 * NS_PER_S));
}

/* --- When --------------------------------------------------------------- */

/* RFC 9000 section 13.2.1. */
static void
when_due(void **state)
{
	struct sj__ack_to_send ack;
	struct sj__range ranges[4];

	(void)state;
	assert_false(sj__recovery_has_ack(&recovery));
	assert_int_equal(sj__recovery_ack_deadline_ns(&recovery), NEVER_NS);
	take(0, 1000);
	assert_true(sj__recovery_has_ack(&recovery));
	assert_false(sj__recovery_ack_is_due(&recovery, 1000 * MS));
	assert_int_equal(sj__recovery_ack_deadline_ns(&recovery), 1025 * MS);
	assert_false(sj__recovery_ack_is_due(&recovery, 1025 * MS - 1));
	assert_true(sj__recovery_ack_is_due(&recovery, 1025 * MS));
	assert_int_equal(sj__recovery_ack_to_send(&recovery, 1017 * MS, ranges,
	    4, &ack), 1);
	assert_int_equal(ack.delay_ns, 17 * MS);
	assert_false(ack.has_ecn);
	/* A second one: at once, and not by the clock any more. */
	take(1, 1010);
	assert_true(sj__recovery_ack_is_due(&recovery, 1010 * MS));
	assert_int_equal(sj__recovery_ack_deadline_ns(&recovery), NEVER_NS);
	sj__recovery_ack_sent(&recovery);
	assert_false(sj__recovery_has_ack(&recovery));
	assert_false(sj__recovery_ack_is_due(&recovery, 10 * NS_PER_S));
	/* Out of order: at once; the delay is that of the largest. */
	take(3, 1100);
	assert_true(sj__recovery_ack_is_due(&recovery, 1100 * MS));
	sj__recovery_ack_sent(&recovery);
	take(2, 1120);
	assert_true(sj__recovery_ack_is_due(&recovery, 1120 * MS));
	sj__recovery_ack_to_send(&recovery, 1130 * MS, ranges, 4, &ack);
	assert_int_equal(ack.delay_ns, 30 * MS);
	sj__recovery_ack_sent(&recovery);
	/* What asks for none makes none due, but is told with the next. */
	for (uint64_t i = 4; i < 20; i++)
		assert_int_equal(sj__recovery_on_received(&recovery, i,
		    1200 * MS, false, SJ_ECN_NONE), 0);
	assert_true(sj__recovery_has_ack(&recovery));
	assert_false(sj__recovery_ack_is_due(&recovery, 10 * NS_PER_S));
	assert_int_equal(sj__recovery_ack_deadline_ns(&recovery), NEVER_NS);
}

static void
marks(void **state)
{
	static const enum sj_ecn marks[] = { SJ_ECN_ECT0, SJ_ECN_ECT0,
	    SJ_ECN_ECT1, SJ_ECN_NONE, SJ_ECN_CE };
	struct sj__ack_to_send ack;
	struct sj__range range;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		sj__recovery_ack_sent(&recovery);
		assert_int_equal(sj__recovery_on_received(&recovery, i, MS,
		    true, marks[i]), 0);
		assert_int_equal(sj__recovery_ack_is_due(&recovery, MS),
		    marks[i] == SJ_ECN_CE);
	}
	assert_int_equal(sj__recovery_ack_to_send(&recovery, MS, &range, 1,
	    &ack), 1);
	assert_true(ack.has_ecn);
	assert_int_equal(ack.ect0, 2);
	assert_int_equal(ack.ect1, 1);
	assert_int_equal(ack.ce, 1);
}

static void
ranges_bounded(void **state)
{
	struct sj__range ranges[ACK_RANGES_MAX + 1];
	struct sj__ack_to_send ack;
	size_t count;

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		take(3 * i, i);
	memset(ranges, 0xff, sizeof ranges);
	count = sj__recovery_ack_to_send(&recovery, NS_PER_S, ranges,
	    ACK_RANGES_MAX, &ack);
	assert_int_equal(count, ACK_RANGES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ranges[i].from, 3 * (199 - i));
		assert_int_equal(ranges[i].to, 3 * (199 - i) + 1);
	}
	assert_int_equal(ranges[count].from, UINT64_MAX);
}

/* --- Against a set ------------------------------------------------------ */

#define SPACE 4096
#define HISTORIES 20000
#define STEPS 50                        /* in all 10^6 packets */

/* One history: numbers near the top as a network reorders them, or anywhere,
 * or in steps that leave holes. A packet is let in at most once; one that is
 * refused was let in before, or lies below the floor. */
static void
history(unsigned shape, bool *seen)
{
	uint64_t top = 0, number, floor;
	bool is_duplicate;

	for (unsigned i = 0; i < STEPS; i++) {
		number = shape == 0 ? draw(64) :
		    shape == 1 ? top + draw(4) - min_u64(top, draw(6)) :
		    shape == 2 ? 2 * draw(SPACE / 2) : draw(SPACE);
		floor = recovery.floor;
		is_duplicate = sj__recovery_is_duplicate(&recovery, number);
		assert_int_equal(is_duplicate, seen[number] || number < floor);
		if (is_duplicate)
			continue;
		take(number, i);
		seen[number] = true;
		top = max_u64(top, number);
		assert_true(recovery.floor >= floor);
		assert_true(recovery.received.count <= RECEIVED_RANGES_MAX);
		assert_int_equal(sj__recovery_expected_number(&recovery),
		    max_u64(top + 1, recovery.floor));
		if (draw(50) == 0)
			sj__recovery_forget_received(&recovery, draw(top + 1));
	}
}

/* What is acknowledged was received, and from the top nothing is left out. */
static void
compare_ack(const bool *seen)
{
	struct sj__range ranges[ACK_RANGES_MAX];
	struct sj__ack_to_send ack;
	uint64_t above = SPACE;
	size_t count = sj__recovery_ack_to_send(&recovery, NS_PER_S, ranges,
	    ACK_RANGES_MAX, &ack);

	for (size_t i = 0; i < count; i++) {
		for (uint64_t j = ranges[i].to; j < above; j++)
			assert_false(seen[j]);
		for (uint64_t j = ranges[i].from; j < ranges[i].to; j++)
			assert_true(seen[j]);
		above = ranges[i].from;
	}
}

static void
against_set(void **state)
{
	static bool seen[SPACE];

	(void)state;
	for (unsigned i = 0; i < HISTORIES; i++) {
		sj__recovery_init(&recovery, &memory);
		memset(seen, 0, sizeof seen);
		history(i % 4, seen);
		compare_ack(seen);
		sj__recovery_fini(&recovery);
		assert_int_equal(memory.used, 0);
	}
}

/* One long history that fills the set again and again. */
static void
long_history(void **state)
{
	static bool seen[1 << 20];
	uint64_t top = 0, number;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		number = top + draw(6) - min_u64(top, draw(1200));
		if (number % 3 == 0)
			continue;       /* holes that stay */
		assert_int_equal(sj__recovery_is_duplicate(&recovery, number),
		    seen[number] || number < recovery.floor);
		if (sj__recovery_is_duplicate(&recovery, number))
			continue;
		take(number, i);
		seen[number] = true;
		if (number < recovery.floor)
			continue;
		top = max_u64(top, number);
		assert_true(recovery.received.count <= RECEIVED_RANGES_MAX);
	}
	assert_true(recovery.floor > 0);
}

/* --- Thinning out --------------------------------------------------------- */

/* Packets one after the other for a second; how many acknowledgements. */
static unsigned
acks_of_a_second(uint64_t *number, uint64_t *now_ns, uint64_t apart_ns)
{
	uint64_t end_ns = *now_ns + NS_PER_S;
	unsigned acks = 0;

	for (; *now_ns < end_ns; *now_ns += apart_ns) {
		assert_int_equal(sj__recovery_on_received(&recovery,
		    (*number)++, *now_ns, true, SJ_ECN_NONE), 0);
		if (!sj__recovery_ack_is_due(&recovery, *now_ns))
			continue;
		sj__recovery_ack_sent(&recovery);
		acks++;
	}
	return acks;
}

/* [SJ-PA-13] */
static void
thins_out(void **state)
{
	uint64_t number = 0, now_ns = NS_PER_S;
	unsigned acks;

	(void)state;
	/* No round trip known: every second one. */
	assert_int_equal(acks_of_a_second(&number, &now_ns, MS), 500);
	sj__recovery_set_rtt(&recovery, 20 * MS);
	/* Twenty in a round trip are few, two hundred are not. */
	assert_int_equal(acks_of_a_second(&number, &now_ns, MS), 500);
	(void)acks_of_a_second(&number, &now_ns, MS / 10);
	acks = acks_of_a_second(&number, &now_ns, MS / 10);
	assert_in_range(acks, 10000 / 13, 10000 / 11);
	/* At most 64 at a time. */
	(void)acks_of_a_second(&number, &now_ns, MS / 1000);
	acks = acks_of_a_second(&number, &now_ns, MS / 1000);
	assert_in_range(acks, 1000000 / 65, 1000000 / 63);
	/* The rate falls, and with it the wait. */
	(void)acks_of_a_second(&number, &now_ns, MS);
	assert_in_range(acks_of_a_second(&number, &now_ns, MS), 499, 501);
}

static bool
is_due_after(uint64_t number, uint64_t now_ns, enum sj_ecn ecn)
{
	bool is_due;

	assert_int_equal(sj__recovery_on_received(&recovery, number, now_ns,
	    true, ecn), 0);
	is_due = sj__recovery_ack_is_due(&recovery, now_ns);
	if (is_due)
		sj__recovery_ack_sent(&recovery);
	return is_due;
}

/* [SJ-PA-13] What is odd is said at once, and what follows soon. */
static void
hurries(void **state)
{
	uint64_t number = 0, now_ns = NS_PER_S;
	unsigned acks = 0;

	(void)state;
	sj__recovery_set_rtt(&recovery, 20 * MS);
	(void)acks_of_a_second(&number, &now_ns, MS / 100);
	(void)acks_of_a_second(&number, &now_ns, MS / 100);
	sj__recovery_ack_sent(&recovery);
	assert_false(is_due_after(number++, now_ns, SJ_ECN_NONE));
	/* The last ones of a train do not wait for more than comes. */
	assert_int_equal(sj__recovery_ack_deadline_ns(&recovery),
	    now_ns + 5 * MS);
	sj__recovery_set_rtt(&recovery, 20 * MS);
	number++;                       /* lost */
	assert_true(is_due_after(number++, now_ns, SJ_ECN_NONE));
	for (unsigned i = 0; i < 7; i++)
		acks += is_due_after(number++, now_ns, SJ_ECN_NONE);
	assert_int_equal(acks, 3);
	for (unsigned i = 0; i < 40; i++)
		acks += is_due_after(number++, now_ns, SJ_ECN_NONE);
	assert_int_equal(acks, 3);
	assert_true(is_due_after(number++, now_ns, SJ_ECN_CE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(window_edges, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(window_slides, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(when_due, set_up, tear_down),
		cmocka_unit_test_setup_teardown(marks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_bounded, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(against_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_history, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(thins_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hurries, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
