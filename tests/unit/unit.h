/* SPDX-License-Identifier: ISC */
/* unit.h - what the unit tests share: cmocka in its order, and one seeded
 * source of numbers, the same in each run */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint64_t draw_state = 88172645463325252u;

static inline uint64_t
draw(uint64_t below)
{
	draw_state ^= draw_state << 13;
	draw_state ^= draw_state >> 7;
	draw_state ^= draw_state << 17;
	return (draw_state >> 11) % below;
}

static inline void
draw_bytes(void *out, size_t length)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)draw(256);
}

#endif
