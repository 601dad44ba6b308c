/* SPDX-License-Identifier: ISC */
/*
 * ring.h - a window of a byte stream, addressed by absolute offset
 *
 * Holds the bytes from base up to base + capacity; the capacity is a power of
 * two and grows on demand. Which of the bytes are valid is the owner's affair:
 * a sender fills from base on, a receiver may fill out of order.
 */
#ifndef SJ_CORE_RING_H
#define SJ_CORE_RING_H

#include "core/memory.h"

struct sj__ring {
	uint8_t *bytes;
	size_t capacity;                /* 0, or a power of two */
	uint64_t base;
	uint64_t origin;                /* the offset that lies at bytes[0] */
};

/* Makes room for all offsets below end; SJ_ERR_MEMORY leaves it as it was. */
int sj__ring_ensure(struct sj__ring *ring, struct sj__memory *memory,
    uint64_t end);
void sj__ring_free(struct sj__ring *ring, struct sj__memory *memory);
/* Drops everything below base. */
void sj__ring_advance(struct sj__ring *ring, uint64_t base);
/* Nothing is stored: the next byte goes to the beginning of the memory, so that a
 * reader that keeps up uses the same, still cached part of it again. */
void sj__ring_rewind(struct sj__ring *ring);
/* The longest run of memory at an offset, up to the wrap or the end of room. */
uint8_t *sj__ring_at(const struct sj__ring *ring, uint64_t offset,
    size_t *length);
void sj__ring_put(struct sj__ring *ring, uint64_t offset, const uint8_t *data,
    size_t length);
void sj__ring_get(const struct sj__ring *ring, uint64_t offset, uint8_t *out,
    size_t length);

#endif
