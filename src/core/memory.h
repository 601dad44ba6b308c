/* SPDX-License-Identifier: ISC */
/*
 * memory.h - the core's only door to the heap, under a limit
 *
 * An endpoint has one limit for all it holds. NULL is an ordinary answer: the
 * caller refuses, grants no credit, or closes what asked. Whoever frees says
 * how much it was, so no header is kept for a block.
 */
#ifndef SJ_CORE_MEMORY_H
#define SJ_CORE_MEMORY_H

#include "core/base.h"

struct sj__memory {
	size_t limit;
	size_t used;
};

void sj__memory_init(struct sj__memory *memory, size_t limit);
/* NULL over the limit, or if there is none. Not zeroed. */
void *sj__memory_allocate(struct sj__memory *memory, size_t size);
/* Larger or smaller; NULL leaves the old block as it was. old may be NULL. */
void *sj__memory_grow(struct sj__memory *memory, void *old, size_t old_size,
    size_t new_size);
void sj__memory_free(struct sj__memory *memory, void *block, size_t size);

#endif
