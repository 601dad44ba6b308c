/* SPDX-License-Identifier: ISC */
/*
 * range.h - a set of intervals of 62-bit numbers
 *
 * Half-open, sorted, apart from each other. For received packet numbers,
 * reassembly, stream ids ever opened, acknowledged and lost bytes. Sets are
 * short as a rule: an array, searched from its end, where news arrive.
 */
#ifndef SJ_CORE_RANGE_H
#define SJ_CORE_RANGE_H

#include "core/memory.h"

struct sj__range { uint64_t from, to; };

/* A zeroed one is empty. */
struct sj__range_set {
	struct sj__range *ranges;
	size_t count, capacity;
};

void sj__range_set_fini(struct sj__range_set *set, struct sj__memory *memory);
/* Adds [from, to). 1: something of it was new, 0: nothing; SJ_ERR_LIMIT: it
 * would be more than limit intervals, SJ_ERR_MEMORY: both change nothing. */
int sj__range_add(struct sj__range_set *set, struct sj__memory *memory,
    uint64_t from, uint64_t to, size_t limit);
/* Takes [from, to) out; errors as above. */
int sj__range_remove(struct sj__range_set *set, struct sj__memory *memory,
    uint64_t from, uint64_t to, size_t limit);
/* Takes out everything below. */
void sj__range_remove_below(struct sj__range_set *set, uint64_t below);
bool sj__range_contains(const struct sj__range_set *set, uint64_t number);

#endif
