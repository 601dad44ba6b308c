/* SPDX-License-Identifier: ISC */
/*
 * cmd/progress.h - one line on a terminal: how much, how fast, how long yet
 */
#ifndef SOJOURN_CMD_PROGRESS_H
#define SOJOURN_CMD_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#define PROGRESS_EVERY_MS 200

struct progress {
	int on;                      /* else all of it does nothing */
	int shown;                   /* a line stands there */
	uint64_t files_total, bytes_total;
	int total_known;             /* else more may come */
	uint64_t last_ms, last_bytes;
	double rate;                 /* bytes a second, smoothed; 0: not known */
};

/* On if stderr is a terminal and wanted. */
void progress_begin(struct progress *progress, int wanted);
/* Draws the line anew, at most every PROGRESS_EVERY_MS. */
void progress_show(struct progress *progress, uint64_t files, uint64_t bytes);
/* Takes the line away, so that something else can be said. */
void progress_clear(struct progress *progress);
/* "1.5 MB"; returns out. */
const char *progress_size(double bytes, char *out, size_t capacity);
uint64_t progress_now_ns(void);

#endif
