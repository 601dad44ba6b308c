/* SPDX-License-Identifier: ISC */
/* test_range.c - interval sets against a naive model: an array of flags */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/range.h"

#define SPACE 200

static uint64_t state = 1;

static uint64_t
draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void
compare(const struct sj__range_set *set, const bool *model)
{
	for (uint64_t i = 0; i < SPACE; i++)
		assert_int_equal(sj__range_contains(set, i), model[i]);
	for (size_t i = 0; i < set->count; i++) {
		assert_true(set->ranges[i].from < set->ranges[i].to);
		if (i > 0)
			assert_true(set->ranges[i - 1].to < set->ranges[i].from);
	}
}

static void
against_model(void **unused)
{
	struct sj__memory memory;
	struct sj__range_set set = { NULL, 0, 0 };
	bool model[SPACE] = { false };

	(void)unused;
	sj__memory_init(&memory, 1 << 20);
	for (int step = 0; step < 20000; step++) {
		uint64_t from = draw(SPACE), to = from + draw(SPACE - from + 1);
		unsigned what = (unsigned)draw(10);
		bool new = false;

		if (step % 500 == 0) {
			sj__range_remove_below(&set, SPACE);
			memset(model, 0, sizeof model);
		}
		if (what < 5) {
			to = from + draw(SPACE - from < 8 ? SPACE - from + 1 : 8);
			for (uint64_t i = from; i < to; i++) {
				new |= !model[i];
				model[i] = true;
			}
			assert_int_equal(sj__range_add(&set, &memory, from, to,
			    SPACE), new);
		} else if (what < 9) {
			to = from + draw(SPACE - from < 8 ? SPACE - from + 1 : 8);
			for (uint64_t i = from; i < to; i++)
				model[i] = false;
			assert_int_equal(sj__range_remove(&set, &memory, from,
			    to, SPACE), 0);
		} else {
			for (uint64_t i = 0; i < from / 8; i++)
				model[i] = false;
			sj__range_remove_below(&set, from / 8);
		}
		compare(&set, model);
	}
	sj__range_set_fini(&set, &memory);
	assert_int_equal(memory.used, 0);
}

static void
limit(void **unused)
{
	struct sj__memory memory;
	struct sj__range_set set = { NULL, 0, 0 };

	(void)unused;
	sj__memory_init(&memory, 1 << 20);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(sj__range_add(&set, &memory, 10 * i, 10 * i + 1,
		    5), 1);
	assert_int_equal(sj__range_add(&set, &memory, 100, 101, 5),
	    SJ_ERR_LIMIT);
	assert_int_equal(set.count, 5);
	assert_int_equal(sj__range_add(&set, &memory, 1, 10, 5), 1);
	assert_int_equal(set.count, 4);
	sj__range_set_fini(&set, &memory);
	/* No memory: nothing changes. */
	sj__memory_init(&memory, 8);
	assert_int_equal(sj__range_add(&set, &memory, 1, 2, 5), SJ_ERR_MEMORY);
	assert_int_equal(set.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
