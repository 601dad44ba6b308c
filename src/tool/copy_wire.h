/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_wire.h - what copy and the service "files" say to each other
 *
 * A run of copy opens one control stream to "files"; every file is a child
 * stream of it. Both carry records of one layout; on a child stream the first
 * record is followed by the bytes of the file, or answered by them.
 *
 * Up (PUT): the client says PUT target, then ENTRY for every directory, and
 * DONE with the number of files. Each file is a child stream that begins with
 * FILE and ends after the bytes. The service says STATUS for each file once
 * it is durable under its final name (or why it is not), and last END.
 *
 * Down (GET): the client says GET for every source, then DONE. The service
 * says ENTRY for each directory and file, STATUS for what could not be
 * listed, and LISTED. For each file that it wants the client opens a child
 * stream with FETCH and the id of the entry; the bytes come back on it, and
 * STATUS on the control stream says whether they were all. Then the client
 * ends the control stream.
 *
 * Names of what is copied are relative, '/' between parts, never "." or "..";
 * the receiver checks that anew.
 */
#ifndef SOJOURN_TOOL_COPY_WIRE_H
#define SOJOURN_TOOL_COPY_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define COPY_SERVICE "files"
#define COPY_PATH_MAX 4000
#define COPY_TEXT_MAX 400
#define COPY_RECORD_MAX (56 + COPY_PATH_MAX + COPY_TEXT_MAX)

enum copy_type {
	COPY_PUT = 1,
	COPY_GET,
	COPY_ENTRY,
	COPY_FILE,
	COPY_FETCH,
	COPY_STATUS,
	COPY_LISTED,
	COPY_DONE,
	COPY_END
};

enum copy_flags {
	COPY_RECURSIVE = 1,
	COPY_DIRECTORY = 2,          /* ENTRY: a directory; PUT: the target must be one */
	COPY_CONTENTS = 4            /* PUT: what comes has no common name: the target is made if it is not there */
};

struct copy_record {
	uint8_t type;
	uint8_t flags;
	uint8_t failed;              /* STATUS, END */
	uint32_t mode;               /* permission bits */
	uint32_t time_ns;
	int64_t time_s;              /* of the last change */
	uint64_t id;                 /* of the file; GET: of the source */
	uint64_t size;               /* bytes; DONE, LISTED, END: how many files */
	uint64_t source;             /* ENTRY: the id of its GET */
	const char *path;            /* "" if none */
	const char *text;
};

/* Length, or SJ_ERR_TOO_BIG. out must hold COPY_RECORD_MAX. */
ptrdiff_t copy_record_encode(const struct copy_record *record, uint8_t *out);
/* Bytes used, 0: more are needed, SJ_ERR_PROTOCOL. path and text point into
 * bytes. */
ptrdiff_t copy_record_decode(struct copy_record *record, const uint8_t *bytes,
    size_t length);
/* 1 if path is relative and has no part that is empty, "." or "..". */
int copy_path_ok(const char *path);
/* A name as it may be printed: what could drive a terminal or cheat the eye
 * is written as \xNN. Cut at capacity; returns out. */
const char *copy_printable(const char *name, char *out, size_t capacity);

#endif
