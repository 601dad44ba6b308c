/* SPDX-License-Identifier: ISC */
/*
 * cmd/progress.c - see progress.h
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/progress.h"

#define SMOOTH 0.2                   /* weight of the newest rate */

uint64_t
progress_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const char *
progress_size(double bytes, char *out, size_t capacity)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB",
		"PB", "EB" };
	size_t unit = 0;

	while (bytes >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		unit++;
	}
	snprintf(out, capacity, unit == 0 || bytes >= 99.95 ? "%.0f %s"
	    : "%.1f %s", bytes, units[unit]);
	return out;
}

void
progress_begin(struct progress *progress, int wanted)
{
	memset(progress, 0, sizeof(*progress));
	progress->on = wanted && isatty(STDERR_FILENO);
	progress->last_ms = progress_now_ns() / 1000000;
}

static void
format_left(const struct progress *progress, uint64_t bytes, char *out,
    size_t capacity)
{
	uint64_t seconds;

	out[0] = '\0';
	if (!progress->total_known || progress->rate < 1 ||
	    bytes > progress->bytes_total)
		return;
	seconds = (uint64_t)((double)(progress->bytes_total - bytes) /
	    progress->rate + 0.5);
	if (seconds >= 3600)
		snprintf(out, capacity, "  %" PRIu64 ":%02u:%02u left",
		    seconds / 3600, (unsigned)(seconds / 60 % 60),
		    (unsigned)(seconds % 60));
	else
		snprintf(out, capacity, "  %u:%02u left",
		    (unsigned)(seconds / 60), (unsigned)(seconds % 60));
}

void
progress_show(struct progress *progress, uint64_t files, uint64_t bytes)
{
	uint64_t now_ms, passed_ms;
	char done[16], total[16], rate[16], left[40];
	double newest;

	if (!progress->on)
		return;
	now_ms = progress_now_ns() / 1000000;
	passed_ms = now_ms - progress->last_ms;
	if (passed_ms < PROGRESS_EVERY_MS)
		return;
	/* a file that failed takes its bytes back */
	newest = bytes > progress->last_bytes
	    ? (double)(bytes - progress->last_bytes) * 1000 / (double)passed_ms
	    : 0;
	progress->rate = progress->rate <= 0 ? newest
	    : progress->rate + SMOOTH * (newest - progress->rate);
	progress->last_ms = now_ms;
	progress->last_bytes = bytes;
	format_left(progress, bytes, left, sizeof(left));
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 "%s files  %s of %s%s  "
	    "%s/s%s\033[K", files, progress->files_total,
	    progress->total_known ? "" : "+",
	    progress_size((double)bytes, done, sizeof(done)),
	    progress_size((double)progress->bytes_total, total, sizeof(total)),
	    progress->total_known ? "" : "+",
	    progress_size(progress->rate, rate, sizeof(rate)), left);
	progress->shown = 1;
}

void
progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = 0;
}
