/* SPDX-License-Identifier: ISC */
/* timers.c - who is due next: a 4-ary heap of deadlines */
#include "core/timers.h"

int
sj__timers_reserve(struct sj__timers *timers, struct sj__memory *memory,
    size_t owners)
{
	size_t wanted = timers->capacity == 0 ? 64 : timers->capacity;
	struct sj__timer **heap;

	if (owners <= timers->capacity)
		return 0;
	while (wanted < owners)
		wanted *= 2;
	heap = sj__memory_allocate(memory, wanted * sizeof *heap);
	if (heap == NULL)
		return SJ_ERR_MEMORY;
	if (timers->heap != NULL) {
		memcpy(heap, timers->heap, timers->count * sizeof *heap);
		sj__memory_free(memory, timers->heap,
		    timers->capacity * sizeof *heap);
	}
	timers->heap = heap;
	timers->capacity = wanted;
	return 0;
}

void
sj__timers_fini(struct sj__timers *timers, struct sj__memory *memory)
{
	if (timers->heap != NULL)
		sj__memory_free(memory, timers->heap,
		    timers->capacity * sizeof *timers->heap);
	memset(timers, 0, sizeof *timers);
}

static void
put(struct sj__timers *timers, size_t at, struct sj__timer *timer)
{
	timers->heap[at] = timer;
	timer->index = at + 1;
}

static void
move_up(struct sj__timers *timers, size_t at, struct sj__timer *timer)
{
	while (at > 0) {
		size_t above = (at - 1) / 4;

		if (timers->heap[above]->deadline_ns <= timer->deadline_ns)
			break;
		put(timers, at, timers->heap[above]);
		at = above;
	}
	put(timers, at, timer);
}

static void
move_down(struct sj__timers *timers, size_t at, struct sj__timer *timer)
{
	for (;;) {
		size_t best = at, first = 4 * at + 1;
		uint64_t deadline_ns = timer->deadline_ns;

		for (size_t i = first; i < first + 4 && i < timers->count; i++)
			if (timers->heap[i]->deadline_ns < deadline_ns) {
				best = i;
				deadline_ns = timers->heap[i]->deadline_ns;
			}
		if (best == at)
			break;
		put(timers, at, timers->heap[best]);
		at = best;
	}
	put(timers, at, timer);
}

static void
take_out(struct sj__timers *timers, struct sj__timer *timer)
{
	size_t at = timer->index - 1;
	struct sj__timer *last = timers->heap[--timers->count];

	timer->index = 0;
	if (last == timer)
		return;
	if (at > 0 && timers->heap[(at - 1) / 4]->deadline_ns > last->deadline_ns)
		move_up(timers, at, last);
	else
		move_down(timers, at, last);
}

void
sj__timers_set(struct sj__timers *timers, struct sj__timer *timer,
    uint64_t deadline_ns)
{
	if (timer->index != 0 && timer->deadline_ns == deadline_ns)
		return;
	if (timer->index != 0)
		take_out(timers, timer);
	timer->deadline_ns = deadline_ns;
	if (deadline_ns == NEVER_NS)
		return;
	assert(timers->count < timers->capacity);
	move_up(timers, timers->count++, timer);
}

struct sj__timer *
sj__timers_first(const struct sj__timers *timers)
{
	return timers->count > 0 ? timers->heap[0] : NULL;
}
