/* SPDX-License-Identifier: ISC */
/* test_ring.c - a window of a byte stream against an array of all of it */
#include "unit.h"

#include "core/ring.c"

#define TOTAL 200000

static void
against_array(void **state)
{
	static uint8_t all[TOTAL], out[20000];
	struct sj__memory memory;
	struct sj__ring ring = { NULL, 0, 0, 0 };
	uint64_t end = 0;

	(void)state;
	sj__memory_init(&memory, 1 << 20);
	while (ring.base < TOTAL - 10000) {
		uint64_t at = ring.base + draw(end - ring.base + 1), more;
		size_t run;

		switch (draw(4)) {
		case 0:                 /* behind the end */
			more = min_u64(draw(8000), TOTAL - end);
			if (end + more - ring.base > 100000)
				break;
			draw_bytes(all + end, more);
			assert_int_equal(sj__ring_ensure(&ring, &memory,
			    end + more), 0);
			sj__ring_put(&ring, end, all + end, more);
			end += more;
			break;
		case 1:                 /* over what is there */
			more = draw(min_u64(end - at, 3000) + 1);
			draw_bytes(all + at, more);
			sj__ring_put(&ring, at, all + at, more);
			break;
		case 2:
			more = draw(min_u64(end - at, sizeof out) + 1);
			sj__ring_get(&ring, at, out, more);
			assert_memory_equal(out, all + at, more);
			if (more == 0)
				break;
			assert_int_equal(*sj__ring_at(&ring, at, &run),
			    all[at]);
			assert_true(run > 0 && at + run <= ring.base +
			    ring.capacity);
			run = min_size(run, (size_t)(end - at));
			assert_memory_equal(sj__ring_at(&ring, at, &(size_t){
			    0 }), all + at, run);
			break;
		default:
			if (draw(3) == 0 && at - ring.base < 20000)
				sj__ring_advance(&ring, at);
		}
		assert_int_equal(memory.used, ring.capacity);
		assert_int_equal(ring.capacity & (ring.capacity - 1), 0);
	}
	sj__ring_free(&ring, &memory);
	sj__ring_free(&ring, &memory);
	assert_int_equal(memory.used, 0);
}

/* No memory leaves all as it was; what fits already needs none. */
static void
no_memory(void **state)
{
	static uint8_t bytes[2048], out[2048];
	struct sj__memory memory;
	struct sj__ring ring = { NULL, 0, 1000, 1000 };

	(void)state;
	sj__memory_init(&memory, 2048);
	draw_bytes(bytes, sizeof bytes);
	assert_int_equal(sj__ring_ensure(&ring, &memory, 1000), 0);
	assert_null(ring.bytes);
	assert_int_equal(sj__ring_ensure(&ring, &memory, 1001), 0);
	assert_int_equal(ring.capacity, 2048);
	sj__ring_put(&ring, 1000, bytes, sizeof bytes);
	assert_int_equal(sj__ring_ensure(&ring, &memory, 3048), 0);
	assert_int_equal(sj__ring_ensure(&ring, &memory, 3049), SJ_ERR_MEMORY);
	sj__ring_get(&ring, 1000, out, sizeof out);
	assert_memory_equal(out, bytes, sizeof out);
	/* Dropping the lowest makes room without any. */
	sj__ring_advance(&ring, 1001);
	assert_int_equal(sj__ring_ensure(&ring, &memory, 3049), 0);
	sj__ring_free(&ring, &memory);
	assert_int_equal(memory.used, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_array),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
