/* SPDX-License-Identifier: ISC */
/* memory.c - the core's only door to the heap, under a limit */
#include "core/memory.h"

#include <stdlib.h>

void
sj__memory_init(struct sj__memory *memory, size_t limit)
{
	memory->limit = limit;
	memory->used = 0;
}

void *
sj__memory_allocate(struct sj__memory *memory, size_t size)
{
	void *block;

	if (size > memory->limit - memory->used)
		return NULL;
	block = malloc(size > 0 ? size : 1);
	if (block != NULL)
		memory->used += size;
	return block;
}

void *
sj__memory_grow(struct sj__memory *memory, void *old, size_t old_size,
    size_t new_size)
{
	void *block = sj__memory_allocate(memory, new_size);

	if (block == NULL || old == NULL)
		return block;
	memcpy(block, old, min_size(old_size, new_size));
	sj__memory_free(memory, old, old_size);
	return block;
}

void
sj__memory_free(struct sj__memory *memory, void *block, size_t size)
{
	if (block == NULL)
		return;
	assert(size <= memory->used);
	memory->used -= size;
	free(block);
}
