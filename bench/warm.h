/* SPDX-License-Identifier: ISC */
/*
 * bench/warm.h - a piece: the time it was written at, then PIECE bytes of content
 */
#ifndef BENCH_WARM_H
#define BENCH_WARM_H

#include <stdlib.h>
#include <string.h>

#include "common.h"

#define PIECE ((uint64_t)65536)
#define WARM_UP_BYTES ((uint64_t)40000000)
#define PAUSE_MS 300

struct piece {
	struct content content;
	uint8_t time[8];
	size_t time_length;
};

static inline void
piece_add(struct piece *piece, const uint8_t *bytes, size_t length)
{
	size_t n = sizeof piece->time - piece->time_length;

	n = n < length ? n : length;
	memcpy(piece->time + piece->time_length, bytes, n);
	piece->time_length += n;
	if (!content_check(&piece->content, bytes + n, length - n))
		die("wrong content near byte %llu",
		    (unsigned long long)piece->content.offset);
}

static inline void
piece_end(struct piece *piece, struct latencies *latencies)
{
	uint64_t since_ns;

	memcpy(&since_ns, piece->time, sizeof since_ns);
	if (piece->content.offset != PIECE)
		die("a piece is not whole");
	latencies_add(latencies, since_ns);
}

/* What the path takes is in the environment: BENCH_DELAY_MS one way,
 * BENCH_MBIT. */
static inline void
warm_join(const struct ends *ends, struct latencies *latencies,
    const char *description)
{
	const char *delay = getenv("BENCH_DELAY_MS");
	const char *rate = getenv("BENCH_MBIT");
	double least_us, p50_us;

	if (delay == NULL || rate == NULL)
		die("BENCH_DELAY_MS and BENCH_MBIT say what the path takes");
	least_us = atof(delay) * 1e3 + (double)PIECE * 8 / atof(rate);
	p50_us = latencies_percentile_us(latencies, 50);
	join(ends, "\"ratio\":%.4f,\"p50_us\":%.1f,\"max_us\":%.1f,"
	    "\"least_us\":%.1f,\"write_size\":%llu,%s", p50_us / least_us,
	    p50_us, latencies_percentile_us(latencies, 100), least_us,
	    (unsigned long long)PIECE, description);
}

#endif
