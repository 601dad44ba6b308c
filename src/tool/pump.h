/* SPDX-License-Identifier: ISC */
/*
 * tool/pump.h - a stream and descriptors, joined
 *
 *     source --read(2)--> reserve/commit      peek/consume --write(2)--> sink
 *
 * Bytes go from the descriptor into the stream's own buffer and back out of
 * it, with no other copy. The end of the source finishes the stream; the
 * peer's end closes the sink. It is done when the peer has all of ours and we
 * have all of the peer's, or when something broke: then both directions end.
 */
#ifndef SOJOURN_TOOL_PUMP_H
#define SOJOURN_TOOL_PUMP_H

#include <stddef.h>
#include <stdint.h>

#include <sojourn.h>

struct loop;
struct pump;

struct pump_result {
	int error;                   /* 0: both ends came in order */
	uint64_t code;               /* of the peer's reset */
	uint64_t bytes_in;           /* of the stream, written to the sink */
	uint64_t bytes_out;          /* the prefix is not counted */
	const char *text;
};

struct pump_options {
	int source;                  /* taken over; -1: nothing but the prefix */
	int sink;                    /* taken over; -1: what comes is dropped; may be the source, if a socket */
	const void *prefix;          /* sent first; copied */
	size_t prefix_length;
	int finish;                  /* the end of the source ends our direction */
	/* Once. The pump still has to be closed. */
	void (*done)(void *data, const struct pump_result *result);
	void *data;
};

/* Takes over the stream and the descriptors, also if it fails: NULL, no memory
 * or no descriptor left. Sets no stream data: hand it the stream's events. */
struct pump *pump_open(struct loop *loop, struct sj_stream *stream,
    const struct pump_options *options);
void pump_on_event(struct pump *pump, const struct sj_event *event);
/* From outside: the session is over, or who asked for it is gone. Resets the
 * stream with the code; done is called. */
void pump_fail(struct pump *pump, int error, uint64_t code,
    const char *text);
/* What was not done is reset. NULL is fine. */
void pump_close(struct pump *pump);
struct sj_stream *pump_stream(const struct pump *pump);

#endif
