/* SPDX-License-Identifier: ISC */
/* range.c - a set of intervals of 62-bit numbers */
#include "core/range.h"

#define RANGES_MIN 8

void
sj__range_set_fini(struct sj__range_set *set, struct sj__memory *memory)
{
	sj__memory_free(memory, set->ranges,
	    set->capacity * sizeof *set->ranges);
	memset(set, 0, sizeof *set);
}

/* How many intervals end below number: the first that reaches it comes next. */
static size_t
first_reaching(const struct sj__range_set *set, uint64_t number)
{
	size_t low = 0, high = set->count, middle;

	if (set->count > 0 && set->ranges[set->count - 1].to < number)
		return set->count;
	while (low < high) {
		middle = (low + high) / 2;
		if (set->ranges[middle].to < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Room for one more interval at a place. */
static int
make_room(struct sj__range_set *set, struct sj__memory *memory, size_t at,
    size_t limit)
{
	size_t capacity = set->capacity == 0 ? RANGES_MIN : 2 * set->capacity;
	struct sj__range *ranges;

	if (set->count >= limit)
		return SJ_ERR_LIMIT;
	if (set->count == set->capacity) {
		ranges = sj__memory_grow(memory, set->ranges,
		    set->capacity * sizeof *ranges, capacity * sizeof *ranges);
		if (ranges == NULL)
			return SJ_ERR_MEMORY;
		set->ranges = ranges;
		set->capacity = capacity;
	}
	memmove(set->ranges + at + 1, set->ranges + at,
	    (set->count - at) * sizeof *set->ranges);
	set->count++;
	return 0;
}

static void
take_out(struct sj__range_set *set, size_t from, size_t to)
{
	memmove(set->ranges + from, set->ranges + to,
	    (set->count - to) * sizeof *set->ranges);
	set->count -= to - from;
}

int
sj__range_add(struct sj__range_set *set, struct sj__memory *memory,
    uint64_t from, uint64_t to, size_t limit)
{
	struct sj__range *range;
	size_t at, end;

	assert(from <= to);
	if (from == to)
		return 0;
	/* What mostly comes: the next one. */
	if (set->count > 0 && set->ranges[set->count - 1].to == from) {
		set->ranges[set->count - 1].to = to;
		return 1;
	}
	at = end = first_reaching(set, from);
	if (at == set->count || set->ranges[at].from > to) {
		SJ_TRY(make_room(set, memory, at, limit));
		set->ranges[at] = (struct sj__range){ from, to };
		return 1;
	}
	range = &set->ranges[at];
	if (range->from <= from && to <= range->to)
		return 0;
	while (end < set->count && set->ranges[end].from <= to)
		end++;
	range->from = min_u64(range->from, from);
	range->to = max_u64(set->ranges[end - 1].to, to);
	take_out(set, at + 1, end);
	return 1;
}

int
sj__range_remove(struct sj__range_set *set, struct sj__memory *memory,
    uint64_t from, uint64_t to, size_t limit)
{
	size_t at = first_reaching(set, from), end;

	if (from >= to || set->count == 0)
		return 0;
	if (at < set->count && set->ranges[at].to == from)
		at++;
	if (at < set->count && set->ranges[at].from < from) {
		if (set->ranges[at].to > to) {
			SJ_TRY(make_room(set, memory, at, limit));
			set->ranges[at].to = from;
			set->ranges[at + 1].from = to;
			return 0;
		}
		set->ranges[at].to = from;
		at++;
	}
	for (end = at; end < set->count && set->ranges[end].to <= to; end++)
		;
	if (end < set->count && set->ranges[end].from < to)
		set->ranges[end].from = to;
	take_out(set, at, end);
	return 0;
}

void
sj__range_remove_below(struct sj__range_set *set, uint64_t below)
{
	size_t end = 0;

	while (end < set->count && set->ranges[end].to <= below)
		end++;
	if (end < set->count && set->ranges[end].from < below)
		set->ranges[end].from = below;
	if (end > 0)
		take_out(set, 0, end);
}

bool
sj__range_contains(const struct sj__range_set *set, uint64_t number)
{
	size_t at = first_reaching(set, number + 1);

	return at < set->count && set->ranges[at].from <= number;
}
