/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_receive.h - the target of a copy: durable files, or none
 *
 * A file is written without a name, or under a temporary one, in its own
 * directory and gets its final name only when all its bytes are on the disk.
 * That is done for many files at once, since waiting for the disk once per
 * file would make a tree of small files slow: files that are complete wait
 * for copy_receive_commit(), which the other calls may make, too.
 *
 * Nothing is ever written outside the target: names are checked, and every
 * directory below the target is opened one part at a time without following
 * links. Only files, and links to files or to nothing, are replaced. Of a mode
 * the permission bits are kept, not set-user-id and its like.
 */
#ifndef SOJOURN_TOOL_COPY_RECEIVE_H
#define SOJOURN_TOOL_COPY_RECEIVE_H

#include <stddef.h>
#include <stdint.h>

#include "tool/copy_wire.h"

struct copy_receive;
struct copy_file;

struct copy_receive_options {
	const char *target;
	int must_be_directory;       /* several sources */
	int contents;                /* of a directory without a name: made if missing */
	void *data;                  /* to done */
	/* A file has come to its end: text NULL: it is durable under its final
	 * name; else why it is not. */
	void (*done)(void *data, uint64_t id, uint64_t size, const char *path,
	    const char *text);
};

/* 0, or negative with error filled. */
int copy_receive_open(struct copy_receive **receive,
    const struct copy_receive_options *options, char *error, size_t capacity);
/* Drops what is not complete. NULL is fine. */
void copy_receive_close(struct copy_receive *receive);
/* A directory: made now, its mode and time set by copy_receive_finish(). 0, or
 * negative with error filled: the cause without the name. */
int copy_receive_directory(struct copy_receive *receive,
    const struct copy_record *entry, char *error, size_t capacity);
/* Begins a file. *fd is the descriptor to write its bytes to, the file's
 * own. 0, or negative with error filled: the cause without the name. */
int copy_receive_begin(struct copy_receive *receive,
    const struct copy_record *entry, struct copy_file **file, int *fd,
    char *error, size_t capacity);
/* All its bytes are written: checks the size, then waits for the next commit,
 * or calls done with the cause. The handle is gone. */
void copy_receive_complete(struct copy_receive *receive,
    struct copy_file *file);
/* Gives a file up: nothing of it stays. done is called with the text. */
void copy_receive_abort(struct copy_receive *receive, struct copy_file *file,
    const char *text);
/* Files and bytes that wait for a commit. */
size_t copy_receive_waiting(const struct copy_receive *receive,
    uint64_t *bytes);
/* Makes what waits durable under its names, and calls done for each. */
void copy_receive_commit(struct copy_receive *receive);
/* Commits, then gives the directories their modes and times, durably. 0, or
 * negative with error filled: the first cause. */
int copy_receive_finish(struct copy_receive *receive, char *error,
    size_t capacity);

#endif
