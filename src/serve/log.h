/* SPDX-License-Identifier: ISC */
/*
 * serve/log.h - the server's log: one line per event, on stderr
 *
 * A line is "TIME EVENT key=value ...". What peers wrote is escaped, so that
 * a name can neither start a line nor drive a terminal; lines are bounded in
 * length and in rate, and what was left out is counted in the log itself.
 */
#ifndef SOJOURN_SERVE_LOG_H
#define SOJOURN_SERVE_LOG_H

#include <stddef.h>

#define LOG_LINE_MAX 1024

enum log_level { LOG_QUIET = 0, LOG_NORMAL, LOG_VERBOSE };

/* Lines of a higher level than this are not written. */
void log_set_level(enum log_level level);
/* The arguments are escaped after formatting: one event is one line. */
void log_event(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* text with control characters, quotes and bytes over 0x7e as \xNN, cut at
 * capacity; returns out. */
const char *log_escape(const char *text, char *out, size_t capacity);

#endif
