/* SPDX-License-Identifier: ISC */
/* test_cc_cubic.c - the window against the formulas of RFC 9438 and 9406 */
#include "unit.h"

#include "core/cc_cubic.c"

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

/* Bytes sent at one time and acknowledged at another, the window in use. */
static void
ack(uint64_t bytes, uint64_t sent_ns, uint64_t now_ns, uint64_t rtt_ns)
{
	struct sj__acked acked = { .bytes = bytes, .sent_ns = sent_ns,
	    .sent_total = path.sent_total, .rtt_ns = rtt_ns,
	    .is_limited = true };

	path.controller->on_acked(&path, now_ns, &acked);
}

/* As after a loss at a window of so many packets. */
static void
cut_from(uint64_t packets, uint64_t now_ns)
{
	path.window = packets * MTU;
	path.controller->on_congestion(&path, now_ns, now_ns);
}

/* A third root, by Newton. */
static double
third_root(double value)
{
	double root = value > 1 ? value : 1;

	for (int i = 0; i < 200; i++)
		root -= (root * root * root - value) / (3 * root * root);
	return root;
}

/* --- RFC 9438 ----------------------------------------------------------- */

/* Section 4.2, in segments and seconds. */
static double
w_cubic(double maximum, double t)
{
	double k = third_root(maximum * 0.3 / 0.4);

	return 0.4 * (t - k) * (t - k) * (t - k) + maximum;
}

static bool
is_near(double value, double wanted, double part)
{
	double difference = value > wanted ? value - wanted : wanted - value;

	return difference <= wanted * part;
}

/* [SJ-PA-9] */
static void
curve_by_formula(void **state)
{
	static const uint64_t maxima[] = { 10, 100, 1000, 20000, 1000000 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		double maximum = (double)maxima[i];

		set_up(NULL);
		cut_from(maxima[i], 1);
		assert_int_equal(path.window, maxima[i] * MTU * 70 / 100);
		start_epoch(&path, 1);
		assert_true(is_near((double)path.cubic.k_ms / 1000,
		    third_root(maximum * 0.3 / 0.4), 0.001));
		for (uint64_t ms = 0; ms < 100000; ms += 130) {
			double wanted = w_cubic(maximum, (double)ms / 1000);
			double value = (double)curve(&path, ms * MS) / MTU;

			assert_true(is_near(value, wanted, 0.005) ||
			    is_near(value + 1, wanted + 1, 0.02));
		}
		/* At the very end of time nothing overflows. */
		assert_true(curve(&path, UINT64_MAX / 2) >=
		    maxima[i] * MTU);
	}
}

/* The whole window acknowledged each round trip: it follows the curve. */
static void
window_follows(void **state)
{
	const uint64_t rtt_ns = 100 * MS, start_ns = 1000 * MS;
	uint64_t now_ns = start_ns;
	double wanted, value;

	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = rtt_ns;
	cut_from(1000, start_ns);
	ack(MTU, start_ns + 1, start_ns + 1, rtt_ns);
	while (now_ns < start_ns + 20 * NS_PER_S) {
		uint64_t packets = path.window / MTU;

		for (uint64_t i = 0; i < packets; i++) {
			now_ns += rtt_ns / packets;
			ack(MTU, now_ns - rtt_ns + 2 * rtt_ns, now_ns, rtt_ns);
		}
		wanted = w_cubic(1000, (double)(now_ns - start_ns) / 1e9);
		value = (double)path.window / MTU;
		assert_true(is_near(value, wanted, 0.04));
	}
	assert_true(path.window > 1000 * MTU);
}

/* Section 4.4: the target is the curve a round trip from now. */
static void
looks_ahead(void **state)
{
	double wanted = w_cubic(1000, 0.1);

	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = 100 * MS;
	cut_from(1000, NS_PER_S);
	ack(path.window, NS_PER_S + 1, NS_PER_S + 1, 100 * MS);
	assert_true(is_near((double)path.window / MTU, wanted, 0.002));
}

/* Section 4.3: on a short path it is no slower than Reno: 9/17 of a packet a
 * round trip, and a whole one from the old window on. */
static void
friendly_region(void **state)
{
	const uint64_t rtt_ns = 10 * MS;
	uint64_t now_ns = NS_PER_S, rounds_slow = 0, rounds_fast = 0;
	double before;

	(void)state;
	path.has_rtt = true;
	path.smoothed_ns = rtt_ns;
	cut_from(40, now_ns);
	for (unsigned round = 0; round < 40; round++) {
		uint64_t packets = path.window / MTU;

		before = (double)path.window / MTU;
		for (uint64_t i = 0; i < packets; i++) {
			now_ns += rtt_ns / packets;
			ack(MTU, now_ns, now_ns, rtt_ns);
		}
		if (before < 39) {
			assert_true((double)path.window / MTU - before > 0.4);
			assert_true((double)path.window / MTU - before < 0.7);
			rounds_slow++;
		} else if (before > 40) {
			assert_true((double)path.window / MTU - before > 0.8);
			assert_true((double)path.window / MTU - before < 1.3);
			rounds_fast++;
		}
	}
	assert_true(rounds_slow > 15 && rounds_fast > 10);
}

/* Section 4.7: who lost before it had back what it had makes room. */
static void
fast_convergence(void **state)
{
	(void)state;
	cut_from(1000, 1 * MS);
	assert_int_equal(path.cubic.maximum, 1000 * MTU);
	assert_int_equal(path.threshold, 700 * MTU);
	cut_from(800, 2 * MS);
	assert_int_equal(path.cubic.maximum, 680 * MTU);
	assert_int_equal(path.window, 560 * MTU);
	cut_from(900, 3 * MS);
	assert_int_equal(path.cubic.maximum, 900 * MTU);
}

/* One cut for all that was sent before it, and no growth by it. */
static void
once_a_round(void **state)
{
	uint64_t window;

	(void)state;
	path.window = 100 * MTU;
	path.controller->on_congestion(&path, 50 * MS, 10 * MS);
	window = path.window;
	assert_int_equal(window, 70 * MTU);
	path.controller->on_congestion(&path, 60 * MS, 20 * MS);
	path.controller->on_congestion(&path, 60 * MS, 50 * MS);
	assert_int_equal(path.window, window);
	ack(20 * MTU, 50 * MS, 70 * MS, 20 * MS);
	assert_int_equal(path.window, window);
	path.controller->on_congestion(&path, 70 * MS, 51 * MS);
	assert_int_equal(path.window, 49 * MTU);
}

static void
smallest(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < 40; i++) {
		path.controller->on_congestion(&path, i * MS, i * MS);
		assert_true(path.window >= 2 * MTU);
	}
	assert_int_equal(path.window, 2 * MTU);
	/* RFC 9002 section 7.6.2. */
	path.window = 100 * MTU;
	path.controller->on_persistent(&path);
	assert_int_equal(path.window, 2 * MTU);
	/* It grows again, even from packets sent before. */
	ack(MTU, 1, 50 * MS, 10 * MS);
	assert_true(path.window > 2 * MTU);
}

/* Section 5.8 and RFC 9002 section 7.8: who does not use it does not earn
 * more. */
static void
application_limited(void **state)
{
	struct sj__acked acked = { .bytes = 10 * MTU, .sent_ns = NS_PER_S,
	    .rtt_ns = 20 * MS };
	uint64_t window = path.window;

	(void)state;
	path.controller->on_acked(&path, NS_PER_S, &acked);
	assert_int_equal(path.window, window);
	path.has_rtt = true;
	path.smoothed_ns = 20 * MS;
	cut_from(100, 2 * NS_PER_S);
	ack(MTU, 2 * NS_PER_S + 1, 2 * NS_PER_S + 1, 20 * MS);
	window = path.window;
	for (uint64_t i = 3; i < 60; i++) {
		acked.sent_ns = i * NS_PER_S;
		path.controller->on_acked(&path, i * NS_PER_S, &acked);
	}
	assert_int_equal(path.window, window);
	/* The minute is not made up for afterwards. */
	ack(window, 61 * NS_PER_S, 61 * NS_PER_S, 20 * MS);
	assert_true(path.window <= window + MTU);
}

/* No acknowledgement makes it more than half as large again. */
static void
bounded_growth(void **state)
{
	(void)state;
	cut_from(10, NS_PER_S);
	ack(MTU, NS_PER_S + 1, NS_PER_S + 1, MS);
	for (uint64_t i = 1; i < 200; i++) {
		uint64_t window = path.window;

		ack(window, (i * 100 + 2) * NS_PER_S,
		    (i * 100 + 2) * NS_PER_S, MS);
		assert_true(path.window <= window + window / 2 + MTU);
		assert_true(path.window >= window);
		if (window > UINT64_C(1) << 40)
			break;
	}
}

/* --- RFC 9406 ----------------------------------------------------------- */

/* A round of slow start with so many samples of one round-trip time. */
static void
slow_round(uint64_t rtt_ns, unsigned samples)
{
	for (unsigned i = 0; i < samples; i++) {
		if (i + 1 == samples)
			path.sent_total += 100 * MTU;
		ack(MTU, 1, 1, rtt_ns);
	}
}

static void
hystart_steady(void **state)
{
	uint64_t window = path.window;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		slow_round(100 * MS + (i % 3) * 4 * MS, 10);
	assert_int_equal(path.window, window + 20 * 10 * MTU);
	assert_int_equal(path.threshold, UINT64_MAX);
	assert_false(path.cubic.is_conservative);
}

static void
hystart_rise(void **state)
{
	static const struct { uint64_t before_ms, after_us; bool leaves; }
	    table[] = {
		/* The threshold is an eighth, at least 4 and at most 16 ms. */
		{ 100, 112400, false }, { 100, 112600, true },
		{ 10, 13900, false }, { 10, 14100, true },
		{ 400, 415900, false }, { 400, 416100, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		set_up(NULL);
		slow_round(table[i].before_ms * MS, 10);
		slow_round(table[i].before_ms * MS, 10);
		slow_round(table[i].after_us * 1000, 10);
		assert_int_equal(path.cubic.is_conservative, table[i].leaves);
	}
	/* Seven samples say nothing yet. */
	set_up(NULL);
	slow_round(100 * MS, 10);
	slow_round(200 * MS, 7);
	assert_false(path.cubic.is_conservative);
}

static void
hystart_leaves(void **state)
{
	uint64_t window;

	(void)state;
	slow_round(100 * MS, 10);
	slow_round(130 * MS, 10);
	assert_true(path.cubic.is_conservative);
	window = path.window;
	slow_round(130 * MS, 8);
	assert_int_equal(path.window, window + 8 * MTU / 4);
	for (unsigned i = 0; i < 2; i++)
		slow_round(130 * MS, 8);
	assert_int_equal(path.threshold, UINT64_MAX);
	slow_round(130 * MS, 8);
	assert_int_equal(path.threshold, path.window);
	/* Out of slow start: not by the bytes any more. */
	window = path.window;
	ack(MTU, 1, NS_PER_S, 130 * MS);
	assert_true(path.window < window + MTU / 4);
}

/* A rise that was noise: back to the full speed. */
static void
hystart_returns(void **state)
{
	uint64_t window;

	(void)state;
	slow_round(100 * MS, 10);
	slow_round(130 * MS, 10);
	assert_true(path.cubic.is_conservative);
	slow_round(101 * MS, 10);
	assert_false(path.cubic.is_conservative);
	window = path.window;
	ack(MTU, 1, 1, 100 * MS);
	assert_int_equal(path.window, window + MTU);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(curve_by_formula, set_up),
		cmocka_unit_test_setup(window_follows, set_up),
		cmocka_unit_test_setup(looks_ahead, set_up),
		cmocka_unit_test_setup(friendly_region, set_up),
		cmocka_unit_test_setup(fast_convergence, set_up),
		cmocka_unit_test_setup(once_a_round, set_up),
		cmocka_unit_test_setup(smallest, set_up),
		cmocka_unit_test_setup(application_limited, set_up),
		cmocka_unit_test_setup(bounded_growth, set_up),
		cmocka_unit_test_setup(hystart_steady, set_up),
		cmocka_unit_test_setup(hystart_rise, set_up),
		cmocka_unit_test_setup(hystart_leaves, set_up),
		cmocka_unit_test_setup(hystart_returns, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
