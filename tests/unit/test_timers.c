/* SPDX-License-Identifier: ISC */
/* test_timers.c - the heap of deadlines against a look at all of them */
#include "unit.h"

#include "core/timers.c"

#define TIMERS 300

static struct sj__memory memory;
static struct sj__timers timers;
static struct sj__timer all[TIMERS];

static void
compare(size_t count)
{
	struct sj__timer *first = sj__timers_first(&timers);
	uint64_t earliest_ns = NEVER_NS;
	size_t set = 0;

	for (size_t i = 0; i < count; i++) {
		earliest_ns = min_u64(earliest_ns, all[i].deadline_ns);
		set += all[i].deadline_ns != NEVER_NS;
		assert_int_equal(all[i].index != 0,
		    all[i].deadline_ns != NEVER_NS);
		if (all[i].index != 0)
			assert_ptr_equal(timers.heap[all[i].index - 1],
			    &all[i]);
	}
	assert_int_equal(timers.count, set);
	if (set == 0)
		assert_null(first);
	else
		assert_int_equal(first->deadline_ns, earliest_ns);
}

static void
against_all(void **state)
{
	size_t count = 0;

	(void)state;
	sj__memory_init(&memory, 1 << 20);
	for (unsigned step = 0; step < 60000; step++) {
		size_t i;

		if (count < TIMERS && draw(50) == 0) {
			all[count] = (struct sj__timer){ NEVER_NS, 0, false };
			assert_int_equal(sj__timers_reserve(&timers, &memory,
			    ++count), 0);
		}
		if (count == 0)
			continue;
		i = draw(count);
		sj__timers_set(&timers, &all[i], draw(6) == 0 ? NEVER_NS :
		    draw(3) == 0 ? draw(20) : draw(1000000));
		compare(count);
	}
	/* One after the other, in order. */
	for (uint64_t last_ns = 0; timers.count > 0;) {
		struct sj__timer *first = sj__timers_first(&timers);

		assert_true(first->deadline_ns >= last_ns);
		last_ns = first->deadline_ns;
		sj__timers_set(&timers, first, NEVER_NS);
		assert_int_equal(first->index, 0);
	}
	sj__timers_fini(&timers, &memory);
	assert_int_equal(memory.used, 0);
}

static void
no_memory(void **state)
{
	struct sj__timer timer = { NEVER_NS, 0, false };

	(void)state;
	sj__memory_init(&memory, 64 * sizeof(void *));
	assert_int_equal(sj__timers_reserve(&timers, &memory, 1), 0);
	assert_int_equal(sj__timers_reserve(&timers, &memory, 64), 0);
	sj__timers_set(&timers, &timer, 5);
	assert_int_equal(sj__timers_reserve(&timers, &memory, 65),
	    SJ_ERR_MEMORY);
	assert_ptr_equal(sj__timers_first(&timers), &timer);
	sj__timers_fini(&timers, &memory);
	assert_int_equal(memory.used, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_all),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
