/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_walk.h - the source of a copy: one entry after the other
 *
 * Symbolic links in the source are followed, as scp -r does; a directory that
 * contains itself that way is reported, not walked for ever. Devices, sockets
 * and pipes are reported and skipped. A directory comes before what is in it.
 */
#ifndef SOJOURN_TOOL_COPY_WALK_H
#define SOJOURN_TOOL_COPY_WALK_H

#include <stddef.h>
#include <stdint.h>

struct copy_walk;

struct copy_entry {
	const char *path;            /* as it is to be named: relative */
	const char *file;            /* where it lies here */
	const char *text;            /* why it cannot be had */
	int is_directory;
	uint32_t mode;
	uint32_t time_ns;
	int64_t time_s;
	uint64_t size;
};

/* Walks path and, if recursive, what is in it. Its own name is the last part
 * of path; for "", ".", ".." and "/" there is none, and a directory's contents
 * have names of their own only. NULL: no memory. */
struct copy_walk *copy_walk_open(const char *path, int recursive);
/* 1: *entry is filled, valid until the next call; 0: no more; negative enum
 * sj_err: something cannot be copied, path and text say what; go on. */
int copy_walk_next(struct copy_walk *walk, struct copy_entry *entry);
void copy_walk_close(struct copy_walk *walk);
/* The last part of a path, without slashes, into out; "" as above. */
void copy_walk_name(const char *path, char *out, size_t capacity);

#endif
