/* SPDX-License-Identifier: ISC */
/* test_path.c - window and pace of a path; round-trip times are tested with
 * recovery, growth with cc_cubic */
#include "unit.h"

#include "core/path.c"

#define MTU 1200
#define MS NS_PER_MS

static struct sj__path path;

static int
set_up(void **state)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };

	(void)state;
	sj__path_init(&path, &key, MTU);
	return 0;
}

static void
starts(void **state)
{
	(void)state;
	assert_int_equal(sj__path_window_bytes(&path), 10 * MTU);
	assert_int_equal(sj__path_rtt_ns(&path), 333 * MS);
	assert_int_equal(sj__path_probe_timeout_ns(&path), 666 * MS);
	assert_int_equal(sj__path_can_send(&path, 0), 10 * MTU);
	assert_int_equal(sj__path_next_send_ns(&path, 5), 5);
	assert_int_equal(sj__path_ecn(&path), SJ_ECN_ECT0);
	path.ecn = ECN_FAILED;
	assert_int_equal(sj__path_ecn(&path), SJ_ECN_NONE);
}

static void
window_is_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(sj__path_can_send(&path, 0), (10 - i) * MTU);
		sj__path_on_sent(&path, 0, MTU);
	}
	assert_int_equal(sj__path_can_send(&path, NS_PER_S), 0);
	assert_int_equal(sj__path_next_send_ns(&path, NS_PER_S), NEVER_NS);
	/* Less than a packet is no room. */
	sj__path_on_gone(&path, MTU - 1);
	assert_int_equal(sj__path_next_send_ns(&path, NS_PER_S), NEVER_NS);
	sj__path_on_gone(&path, 1);
	assert_int_equal(sj__path_next_send_ns(&path, NS_PER_S), NS_PER_S);
	sj__path_on_gone(&path, 9 * MTU);
	assert_int_equal(path.in_flight, 0);
	assert_int_equal(path.sent_total, 10 * MTU);
}

static void
rate(void **state)
{
	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = 50 * MS;
	path.window = 100 * MTU;
	/* RFC 9002 section 6.2.1: never without the granularity. */
	assert_int_equal(sj__path_probe_timeout_ns(&path), 51 * MS);
	/* Twice the window a round trip in slow start, then 1.25 times. */
	assert_int_equal(sj__path_rate_bytes_s(&path), 100 * MTU * 20 * 2);
	path.threshold = path.window;
	assert_int_equal(sj__path_rate_bytes_s(&path), 100 * MTU * 20 * 5 / 4);
}

/* A sender that sends whenever it may, for so long: no stretch of it is over
 * the rate by more than a burst, and the whole is not under it. */
#define SENDS_MAX 400000
static struct { uint64_t ns, total; } sends[SENDS_MAX];

static void
pace(uint64_t window, uint64_t rtt_ns, uint64_t run_ns)
{
	uint64_t now_ns = 1000 * MS, start_ns = now_ns, burst, next_ns;
	double bytes_s;
	size_t count = 0;

	set_up(NULL);
	path.has_rtt = true;
	path.smoothed_ns = rtt_ns;
	path.window = path.threshold = window;
	bytes_s = (double)sj__path_rate_bytes_s(&path);
	burst = burst_bytes(&path);
	assert_true(burst >= 2 * MTU && burst <= 65536);
	path.tokens = 0;
	path.tokens_ns = now_ns;
	while (now_ns < start_ns + run_ns && count < SENDS_MAX) {
		while (sj__path_can_send(&path, now_ns) > 0) {
			sj__path_on_sent(&path, now_ns, MTU);
			sj__path_on_gone(&path, MTU);   /* arrives at once */
			assert_true(count < SENDS_MAX);
			sends[count].ns = now_ns;
			sends[count++].total = path.sent_total;
		}
		next_ns = sj__path_next_send_ns(&path, now_ns);
		assert_true(next_ns != NEVER_NS);
		assert_true(next_ns > now_ns);          /* or it would spin */
		now_ns = next_ns + draw(100000);
	}
	assert_true(count > 50);
	for (size_t i = 0; i < count; i += 1 + draw(50)) {
		size_t j = i + draw(count - i);
		double seconds = (double)(sends[j].ns - sends[i].ns) / 1e9;
		double sent = (double)(sends[j].total - sends[i].total);

		/* A packet over on both ends, as it goes when any is left. */
		assert_true(sent <= bytes_s * seconds * 1.001 +
		    (double)burst + 2 * MTU);
	}
	assert_true((double)path.sent_total >= 0.9 * bytes_s *
	    (double)(now_ns - start_ns) / 1e9 - (double)burst);
}

static void
pacing(void **state)
{
	(void)state;
	pace(10 * MTU, 100 * MS, 20 * NS_PER_S);
	pace(2 * MTU, 500 * MS, 60 * NS_PER_S);
	pace(100 * MTU, 20 * MS, 5 * NS_PER_S);
	pace(1000 * MTU, 30 * MS, 2 * NS_PER_S);
	pace(2 * MTU, 20 * NS_PER_S, 3000 * NS_PER_S);
	pace(2 * MTU, 100 * NS_PER_S, 20000 * NS_PER_S);
}

/* Idle time gives one burst, not all that might have been sent. */
static void
idle(void **state)
{
	uint64_t sent = 0;

	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = 20 * MS;
	path.window = path.threshold = 1000 * MTU;
	sj__path_on_sent(&path, MS, MTU);
	while (sj__path_can_send(&path, 3600 * NS_PER_S) > 0) {
		sj__path_on_sent(&path, 3600 * NS_PER_S, MTU);
		sent += MTU;
	}
	assert_true(sent <= PACING_BURST_MAX + MTU);
	/* A clock that stands still, or steps back, gives none. */
	assert_int_equal(sj__path_can_send(&path, 3600 * NS_PER_S), 0);
	assert_int_equal(sj__path_can_send(&path, 3599 * NS_PER_S), 0);
}

static void
merges(void **state)
{
	struct sj__path from = path;

	(void)state;
	sj__path_merge_rtt(&path, &from);
	assert_false(path.has_rtt);
	sj__path_on_rtt(&from, 40 * MS, 0, 0);
	sj__path_merge_rtt(&path, &from);
	assert_true(path.has_rtt);
	assert_int_equal(path.smoothed_ns, 40 * MS);
	assert_int_equal(path.variation_ns, 20 * MS);
	assert_int_equal(path.minimum_ns, 40 * MS);
	sj__path_on_rtt(&from, 80 * MS, 0, 0);
	sj__path_merge_rtt(&path, &from);
	assert_int_equal(path.smoothed_ns, 40 * MS);
}

/* --- Evidence, RFC 7661 ------------------------------------------------- */

/* A round trip of 20 ms: so much goes and comes. */
static uint64_t
round_trip(uint64_t now_ns, uint64_t bytes, bool is_limited)
{
	struct sj__acked acked = { .bytes = bytes, .sent_ns = now_ns,
	    .rtt_ns = 20 * MS, .is_limited = is_limited };

	sj__path_on_sent(&path, now_ns, bytes);
	acked.sent_total = path.sent_total;
	sj__path_on_acked(&path, now_ns + 20 * MS, &acked);
	return now_ns + 20 * MS;
}

static void
used_path(uint64_t window)
{
	set_up(NULL);
	path.has_rtt = true;
	path.smoothed_ns = path.minimum_ns = 20 * MS;
	path.window = path.threshold = window;
}

/* [SJ-PA-12] */
static void
evidence_ages(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	used_path(100 * MTU);
	now_ns = round_trip(now_ns, 60 * MTU, true);
	assert_true(path.window >= 100 * MTU && path.window < 101 * MTU);
	path.window = 100 * MTU;
	/* Nothing for five minutes: all of it, and no slow start. */
	now_ns = round_trip(now_ns + EVIDENCE_FRESH_NS - MS, MTU, false);
	assert_int_equal(path.window, 100 * MTU);
	assert_true(path.window >= path.threshold);
	/* A little all the time is no use of it. */
	now_ns = round_trip(now_ns, MTU, false);
	assert_int_equal(path.window, 50 * MTU);
	assert_int_equal(path.threshold, 100 * MTU);
	now_ns = round_trip(now_ns + EVIDENCE_FRESH_NS, MTU, false);
	assert_int_equal(path.window, 25 * MTU);
	/* Never below the first window, nor up to it. */
	now_ns = round_trip(now_ns + 3600 * NS_PER_S, MTU, false);
	assert_int_equal(path.window, 10 * MTU);
	path.window = 4 * MTU;
	now_ns = round_trip(now_ns + 3600 * NS_PER_S, MTU, false);
	assert_int_equal(path.window, 4 * MTU);
}

/* Use of the window makes its evidence fresh. */
static void
evidence_is_renewed(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	used_path(100 * MTU);
	for (unsigned i = 0; i < 10; i++) {
		now_ns = round_trip(now_ns, 60 * MTU, true);
		now_ns += EVIDENCE_FRESH_NS / 2;
	}
	assert_true(path.window >= 100 * MTU);
}

/* [SJ-PA-12] An application that sends little makes no window grow, in slow start
 * and after it. */
static void
application_limits(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	used_path(100 * MTU);
	for (unsigned i = 0; i < 200; i++)
		now_ns = round_trip(now_ns, 40 * MTU, false);
	assert_int_equal(path.window, 100 * MTU);
	path.threshold = UINT64_MAX;
	for (unsigned i = 0; i < 200; i++)
		now_ns = round_trip(now_ns, 40 * MTU, false);
	assert_int_equal(path.window, 100 * MTU);
}

/* [SJ-PA-12] */
static void
loss_of_unused(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	used_path(100 * MTU);
	now_ns = round_trip(now_ns, 60 * MTU, true);
	path.window = 100 * MTU;
	/* In use until now: a loss is a loss of it. */
	sj__path_on_congestion(&path, now_ns, now_ns);
	assert_int_equal(path.window, 70 * MTU);
	for (unsigned i = 0; i < 200; i++)
		now_ns = round_trip(now_ns, 20 * MTU, false);
	assert_int_equal(path.window, 70 * MTU);
	sj__path_on_congestion(&path, now_ns, now_ns - MS);
	assert_int_equal(path.window, 14 * MTU);
	/* The same event: not once more. */
	sj__path_on_congestion(&path, now_ns + MS, now_ns - MS);
	assert_int_equal(path.window, 14 * MTU);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(starts, set_up),
		cmocka_unit_test_setup(window_is_full, set_up),
		cmocka_unit_test_setup(rate, set_up),
		cmocka_unit_test_setup(pacing, set_up),
		cmocka_unit_test_setup(idle, set_up),
		cmocka_unit_test_setup(merges, set_up),
		cmocka_unit_test_setup(evidence_ages, set_up),
		cmocka_unit_test_setup(evidence_is_renewed, set_up),
		cmocka_unit_test_setup(application_limits, set_up),
		cmocka_unit_test_setup(loss_of_unused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
