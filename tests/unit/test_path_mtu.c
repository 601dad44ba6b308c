/* SPDX-License-Identifier: ISC */
/* test_path_mtu.c - the largest datagram that a path carries */
#include "unit.h"

#include "core/path_mtu.c"

#define MS NS_PER_MS

static struct sj__path path;
static uint64_t now_ns;

static int
set_up(void **state)
{
	struct sj_path key = { .transport = SJ_TRANSPORT_UDP };

	(void)state;
	now_ns = NS_PER_S;
	sj__path_init(&path, &key, DATAGRAM_BASE);
	sj__path_mtu_init(&path, 65507);
	return 0;
}

/* Probes until none goes; the way lets so much pass, the system so much go out.
 * How many were lost on the way. */
static unsigned
search(uint32_t passes, uint32_t goes, uint32_t most)
{
	unsigned lost = 0;
	uint32_t size;

	for (unsigned i = 0; i < 200; i++) {
		sj__path_mtu_filled(&path);
		size = sj__path_mtu_next(&path, now_ns, most);
		if (size == 0)
			return lost;
		assert_true(size > path.mtu && size <= most);
		sj__path_mtu_probing(&path, now_ns, size);
		/* One at a time. */
		sj__path_mtu_filled(&path);
		assert_int_equal(sj__path_mtu_next(&path, now_ns, most), 0);
		if (size > goes) {
			sj__path_mtu_refused(&path, now_ns, goes + 1);
			/* What was never sent is found lost later on. */
			sj__path_mtu_probed(&path, now_ns, size, false);
			continue;
		}
		lost += size > passes;
		sj__path_mtu_probed(&path, now_ns, size, size <= passes);
	}
	fail_msg("no end");
	return 0;
}

static void
finds(void **state)
{
	static const uint32_t passes[] = { 1200, 1215, 1232, 1372, 1400, 1452,
	    1472, 4052, 8952, 8972, 30000, 65488, 65507 };

	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		set_up(state);
		(void)search(passes[i], 65507, 65507);
		assert_true(path.mtu <= passes[i]);
		assert_true(path.mtu + MTU_EXACT >= passes[i]);
	}
	/* What an interface says costs no probe that is lost. */
	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		set_up(state);
		assert_int_equal(search(65507, passes[i], 65507), 0);
		assert_true(path.mtu <= passes[i]);
		assert_true(path.mtu + MTU_EXACT >= passes[i]);
	}
}

/* [SJ-PA-10] Not above what the peer takes, nor what the endpoint allows. */
static void
keeps_limits(void **state)
{
	(void)state;
	(void)search(65507, 65507, 3000);
	assert_int_equal(path.mtu, 3000);
	sj__path_init(&path, &(struct sj_path){ .transport = 1 }, 1200);
	sj__path_mtu_init(&path, 1400);
	(void)search(65507, 65507, 65507);
	assert_int_equal(path.mtu, 1400);
	/* The limit of an endpoint is at least what every path carries. */
	sj__path_init(&path, &(struct sj_path){ .transport = 1 }, 1200);
	sj__path_mtu_init(&path, 100);
	(void)search(65507, 65507, 65507);
	assert_int_equal(path.mtu, 1200);
}

/* Nothing is tried out where no packet is full. */
static void
waits_for_full(void **state)
{
	uint32_t size;

	(void)state;
	assert_int_equal(sj__path_mtu_next(&path, now_ns, 65507), 0);
	sj__path_mtu_filled(&path);
	size = sj__path_mtu_next(&path, now_ns, 65507);
	assert_int_equal(size, 65507);
	sj__path_mtu_probing(&path, now_ns, size);
	sj__path_mtu_probed(&path, now_ns, size, false);
	assert_int_equal(sj__path_mtu_next(&path, now_ns, 65507), 0);
}

/* Two lost probes of a size may be chance, three are not. */
static void
three_tries(void **state)
{
	uint32_t size;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		sj__path_mtu_filled(&path);
		size = sj__path_mtu_next(&path, now_ns, 65507);
		assert_true((size == 65507) == (i < 3));
		sj__path_mtu_probing(&path, now_ns, size);
		sj__path_mtu_probed(&path, now_ns, size, false);
	}
	assert_int_equal(path.mtu, DATAGRAM_BASE);
}

/* After ten minutes all is tried again, and not sooner. */
static void
tries_again(void **state)
{
	(void)state;
	(void)search(1300, 65507, 65507);
	now_ns += MTU_RAISE_NS - 1;
	assert_int_equal(search(65507, 65507, 65507), 0);
	assert_true(path.mtu <= 1300);
	now_ns += 1;
	assert_int_equal(search(65507, 65507, 65507), 0);
	assert_int_equal(path.mtu, 65507);
}

/* RFC 9002 section 7.2 for the first window; two packets at least. */
static void
window(void **state)
{
	(void)state;
	assert_int_equal(path.window, 12000);
	set_mtu(&path, 1452);
	assert_int_equal(path.window, 14520);
	set_mtu(&path, 9000);
	assert_int_equal(path.window, 18000);
	set_mtu(&path, 65507);
	assert_int_equal(path.window, 131014);
	set_up(state);
	path.window = path.threshold = 5000;
	set_mtu(&path, 1452);
	assert_int_equal(path.window, 5000);
	set_mtu(&path, 9000);
	assert_int_equal(path.window, 18000);
}

/* [SJ-PA-11] Three lost, none of them followed by one that passed, and small
 * ones do pass. */
static void
black_hole(void **state)
{
	(void)search(9000, 65507, 65507);
	assert_true(path.mtu > 8900);
	for (unsigned i = 0; i < 2; i++)
		sj__path_mtu_lost(&path, 8000, now_ns + i);
	sj__path_mtu_passed(&path, 1200, now_ns + 10);
	assert_true(path.mtu > 8900);
	sj__path_mtu_lost(&path, 8000, now_ns + 3);
	assert_int_equal(path.mtu, DATAGRAM_BASE);
	/* What was in use is tried first. */
	assert_true(sj__path_mtu_next(&path, now_ns, 65507) > 8900);
	assert_true(sj__path_mtu_next(&path, now_ns, 65507) <= 9000);
	(void)search(1400, 65507, 65507);
	assert_true(path.mtu <= 1400 && path.mtu > 1384);

	/* Losses alone are none, if nothing smaller came through. */
	set_up(state);
	(void)search(9000, 65507, 65507);
	for (unsigned i = 0; i < 50; i++)
		sj__path_mtu_lost(&path, 8000, now_ns + i);
	assert_true(path.mtu > 8900);
	/* Nor if one sent after them did. */
	sj__path_mtu_passed(&path, 8000, now_ns + 60);
	sj__path_mtu_passed(&path, 1200, now_ns + 70);
	sj__path_mtu_lost(&path, 8000, now_ns + 55);
	sj__path_mtu_lost(&path, 8000, now_ns + 80);
	sj__path_mtu_lost(&path, 8000, now_ns + 81);
	assert_true(path.mtu > 8900);
	/* Small ones that are lost say nothing of size. */
	for (unsigned i = 0; i < 50; i++)
		sj__path_mtu_lost(&path, 1200, now_ns + 90 + i);
	sj__path_mtu_passed(&path, 1200, now_ns + 200);
	assert_true(path.mtu > 8900);
}

/* The interface takes less than before: known at once. */
static void
refused_in_use(void **state)
{
	(void)state;
	(void)search(9000, 65507, 65507);
	sj__path_mtu_refused(&path, now_ns, 1473);
	assert_int_equal(path.mtu, DATAGRAM_BASE);
	(void)search(9000, 1472, 65507);
	assert_int_equal(path.mtu, 1472);
	/* Below the base there is nothing to fall to. */
	sj__path_mtu_refused(&path, now_ns, 1000);
	assert_int_equal(path.mtu, 1472);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds, set_up),
		cmocka_unit_test_setup(keeps_limits, set_up),
		cmocka_unit_test_setup(waits_for_full, set_up),
		cmocka_unit_test_setup(three_tries, set_up),
		cmocka_unit_test_setup(tries_again, set_up),
		cmocka_unit_test_setup(window, set_up),
		cmocka_unit_test_setup(black_hole, set_up),
		cmocka_unit_test_setup(refused_in_use, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
