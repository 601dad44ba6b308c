/* SPDX-License-Identifier: ISC */
/* ring.c - a window of a byte stream, addressed by absolute offset */
#include "core/ring.h"

#define RING_MIN 2048

void
sj__ring_free(struct sj__ring *ring, struct sj__memory *memory)
{
	if (ring->bytes != NULL)
		sj__memory_free(memory, ring->bytes, ring->capacity);
	ring->bytes = NULL;
	ring->capacity = 0;
}

uint8_t *
sj__ring_at(const struct sj__ring *ring, uint64_t offset, size_t *length)
{
	size_t at;

	assert(offset >= ring->base && offset <= ring->base + ring->capacity);
	if (offset == ring->base + ring->capacity) {
		*length = 0;
		return ring->bytes;
	}
	at = (size_t)((offset - ring->origin) & (ring->capacity - 1));
	*length = min_size(ring->capacity - at,
	    (size_t)(ring->base + ring->capacity - offset));
	return ring->bytes + at;
}

void
sj__ring_put(struct sj__ring *ring, uint64_t offset, const uint8_t *data,
    size_t length)
{
	size_t run;
	uint8_t *at;

	while (length > 0) {
		at = sj__ring_at(ring, offset, &run);
		run = min_size(run, length);
		assert(run > 0);
		memcpy(at, data, run);
		offset += run;
		data += run;
		length -= run;
	}
}

void
sj__ring_get(const struct sj__ring *ring, uint64_t offset, uint8_t *out,
    size_t length)
{
	size_t run;
	const uint8_t *at;

	while (length > 0) {
		at = sj__ring_at(ring, offset, &run);
		run = min_size(run, length);
		assert(run > 0);
		memcpy(out, at, run);
		offset += run;
		out += run;
		length -= run;
	}
}

int
sj__ring_ensure(struct sj__ring *ring, struct sj__memory *memory, uint64_t end)
{
	struct sj__ring larger = { NULL, RING_MIN, ring->base, ring->base };
	uint64_t needed = end - ring->base;
	uint64_t offset = ring->base;
	size_t left = ring->capacity, run;
	uint8_t *from;

	assert(end >= ring->base);
	if (needed <= ring->capacity)
		return 0;
	while (larger.capacity < needed)
		larger.capacity *= 2;
	larger.bytes = sj__memory_allocate(memory, larger.capacity);
	if (larger.bytes == NULL)
		return SJ_ERR_MEMORY;
	while (left > 0) {
		from = sj__ring_at(ring, offset, &run);
		sj__ring_put(&larger, offset, from, run);
		offset += run;
		left -= run;
	}
	sj__ring_free(ring, memory);
	*ring = larger;
	return 0;
}

void
sj__ring_rewind(struct sj__ring *ring)
{
	ring->origin = ring->base;
}

void
sj__ring_advance(struct sj__ring *ring, uint64_t base)
{
	assert(base >= ring->base);
	ring->base = base;
}
