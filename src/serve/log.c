/* SPDX-License-Identifier: ISC */
/*
 * serve/log.c - see log.h
 *
 * A line is written by one write(2), so lines of the two processes do not mix.
 * The rate is bounded by a bucket: 200 lines at once, 50 a second after that.
 * Nothing here opens a file (gmtime_r needs none), so the sandboxed process
 * may log too.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/log.h"

#define LINES_BURST 200
#define LINES_PER_SECOND 50

static enum log_level level_max = LOG_NORMAL;
static double bucket = LINES_BURST;
static double bucket_at_s;
static unsigned long left_out;

void
log_set_level(enum log_level level)
{
	level_max = level;
}

const char *
log_escape(const char *text, char *out, size_t capacity)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	for (; *text != '\0' && used + 5 < capacity; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte >= 0x20 && byte < 0x7f && byte != '\\' &&
		    byte != '"') {
			out[used++] = (char)byte;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = digits[byte >> 4];
		out[used++] = digits[byte & 15];
	}
	out[used] = '\0';
	return out;
}

static int
bucket_take(void)
{
	struct timespec now;
	double now_s;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	bucket += (now_s - bucket_at_s) * LINES_PER_SECOND;
	bucket_at_s = now_s;
	if (bucket > LINES_BURST)
		bucket = LINES_BURST;
	if (bucket < 1)
		return 0;
	bucket -= 1;
	return 1;
}

static void
write_line(const char *text)
{
	char line[LOG_LINE_MAX + 64];
	struct timespec now;
	struct tm parts;
	size_t used, i;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", &parts);
	n = snprintf(line + used, sizeof(line) - used - 1, "%s", text);
	if (n < 0)
		return;
	used += (size_t)n < sizeof(line) - used - 1 ? (size_t)n
	    : sizeof(line) - used - 2;
	for (i = 0; i < used; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nobody left to tell */
}

void
log_event(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list arguments;

	if (level > level_max)
		return;
	if (!bucket_take()) {
		left_out++;
		return;
	}
	if (left_out > 0) {
		snprintf(text, sizeof(text), "log-limited lines=%lu",
		    left_out);
		left_out = 0;
		write_line(text);
	}
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	write_line(text);
}
