/* SPDX-License-Identifier: ISC */
/*
 * random.h - numbers from a seed (SplitMix64)
 *
 * For tests only: whoever sees a few of them knows the rest.
 */
#ifndef SJ_SIM_RANDOM_H
#define SJ_SIM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t
random_step(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z;
}

static inline uint64_t
random_next(uint64_t *state)
{
	uint64_t z = random_step(state);

	return z ^ z >> 31;
}

static inline void
random_fill(uint64_t *state, void *out, size_t length)
{
	uint8_t *at = out;

	for (; length > 0; length--)
		*at++ = (uint8_t)(random_step(state) >> 31);
}

#endif
