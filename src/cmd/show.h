/* SPDX-License-Identifier: ISC */
/*
 * cmd/show.h - sessions, and ends of streams, as they are printed
 */
#ifndef SOJOURN_CMD_SHOW_H
#define SOJOURN_CMD_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct client_event;
struct client_session;
struct common;                       /* cmd/command.h */

/* "2026-11-24 15:04" in local time; "-" for 0. */
const char *show_time(uint64_t unix_s, char *out, size_t capacity);
/* "3d", "4h", "5m", "6s". */
const char *show_age(uint64_t seconds, char *out, size_t capacity);
/* "1.2 MB". */
const char *show_bytes(uint64_t bytes, char *out, size_t capacity);
/* "starting", "live" or "away". */
const char *show_state(const struct client_session *session);
/* What `list` tells, an object on a line. */
void show_session_json(const struct client_session *session, FILE *file);
/* How a stream on stdin and stdout ended: to stderr, with --json or -v. */
void show_stream(const struct client_event *event,
    const struct common *common);

#endif
