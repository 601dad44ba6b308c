/* SPDX-License-Identifier: ISC */
/*
 * cmd/copy.h - shared by the files of `sojourn copy`
 *
 *   cmd_copy.c    words, groups of sources, results
 *   copy_link.c   the control stream, and waiting for it and the agent
 *   copy_put.c    from here to there
 *   copy_get.c    from there to here
 *
 * tool/copy_wire.h says what is spoken. The bytes of files do not pass here:
 * the agent reads and writes the files' descriptors.
 */
#ifndef SOJOURN_CMD_COPY_H
#define SOJOURN_CMD_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "cmd/client.h"
#include "cmd/progress.h"
#include "tool/copy_wire.h"

#define COPY_OPEN_MAX 96             /* files on their way at a time; the service takes 128 */
#define COPY_ERROR_MAX (CLIENT_TEXT_MAX + 64)

struct common;
struct copy_receive;

/* The whole run of the command. */
struct copy {
	const struct common *common;
	struct client *client;
	int recursive;
	struct progress progress;
	const char *where;           /* of the next failure that copy_receive reports */
	uint64_t files, failed, bytes; /* files that are durable, and their bytes */
	char error[COPY_ERROR_MAX];  /* why all of it broke off */
};

/* The conversation with one server. */
struct copy_link {
	struct copy *copy;
	uint64_t session;
	uint64_t control;            /* the stream's number; 0: over */
	int fd;                      /* our end of it */
	int ended;                   /* the service says no more */
	size_t in_length;
	size_t out_start, out_length, out_capacity;
	uint8_t *out;
	uint8_t in[4 * COPY_RECORD_MAX];
	void *data;
	/* 0, or negative with copy->error filled: breaks off. */
	int (*on_record)(void *data, const struct copy_record *record);
	int (*on_over)(void *data, const struct client_event *event);
	uint64_t (*moving)(void *data); /* bytes of files on their way */
};

/* Results of files; path may be shown as it is. where: "local" or "stream". */
void copy_file_done(struct copy *copy, const char *path, uint64_t size);
void copy_file_failed(struct copy *copy, const char *where, const char *path,
    const char *text);
/* Fills copy->error, returns error. */
__attribute__((format(printf, 3, 4)))
int copy_fail(struct copy *copy, int error, const char *format, ...);

/* All: 0, or negative with copy->error filled. */
int copy_link_open(struct copy_link *link, struct copy *copy,
    uint64_t session);
void copy_link_close(struct copy_link *link);
int copy_link_say(struct copy_link *link, const struct copy_record *record);
/* Bytes that the service has not taken yet. */
size_t copy_link_unsaid(const struct copy_link *link);
/* Opens the stream of one file, which begins with the record. */
int copy_link_file(struct copy_link *link, const struct copy_record *record,
    int source, int sink, uint64_t *stream);
/* One round: says, hears (records only if hear), calls back. timeout_ms -1: no
 * limit. */
int copy_link_wait(struct copy_link *link, int hear, int timeout_ms);
/* We have no more to say: until the control stream is over. */
int copy_link_finish(struct copy_link *link);

int copy_put(struct copy *copy, uint64_t session, const char *const *sources,
    size_t count, const char *target);
/* receive is shared by all servers that files come from; its data is copy. */
int copy_get(struct copy *copy, uint64_t session, const char *const *sources,
    size_t count, struct copy_receive *receive);

#endif
