/* SPDX-License-Identifier: ISC */
/*
 * cmd/copy_put.c - from here to there
 *
 *     walk --> SENT: its stream is open --over--> SAID: all is on its way
 *          --STATUS--> durable there, or not: reported and forgotten
 *
 * STATUS may come before the stream is over (the file cannot be made there).
 * DONE is said when no stream is open; END comes after every STATUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/copy.h"
#include "tool/copy_walk.h"

#define UNSAID_MAX (64 * 1024)       /* then the walk waits */

struct file {
	uint64_t id, stream, size;
	int64_t time_s;
	uint32_t time_ns;
	int fd;                      /* -1: its stream is over */
	int told;                    /* its STATUS came */
	char path[];
};

struct put {
	struct copy *copy;
	struct copy_link link;
	const char *const *sources;
	size_t source_count, source_at;
	struct copy_walk *walk;
	struct file **files;         /* by id; NULL: settled */
	uint64_t file_count, file_capacity;
	struct file *open[COPY_OPEN_MAX];
	size_t open_count;
	int walked, said_done, ended;
};

/* --- files ------------------------------------------------------------- */

static void
forget(struct put *put, struct file *file)
{
	put->files[file->id] = NULL;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static int
remember(struct put *put, struct file *file)
{
	if (put->file_count == put->file_capacity) {
		uint64_t capacity = put->file_capacity * 2 + 256;
		struct file **grown = realloc(put->files,
		    capacity * sizeof(struct file *));

		if (grown == NULL)
			return SJ_ERR_MEMORY;
		put->files = grown;
		put->file_capacity = capacity;
	}
	file->id = put->file_count++;
	put->files[file->id] = file;
	return 0;
}

/* What is opened is looked at again: since the walk was there it may have
 * become something else. NULL: reported. */
static struct file *
open_file(struct put *put, const struct copy_entry *entry,
    struct stat *status)
{
	int fd = open(entry->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	struct file *file;

	if (fd < 0 || fstat(fd, status) != 0) {
		copy_file_failed(put->copy, "local", entry->file,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	file = S_ISREG(status->st_mode)
	    ? calloc(1, sizeof(*file) + strlen(entry->file) + 1) : NULL;
	if (file == NULL) {
		copy_file_failed(put->copy, "local", entry->file,
		    S_ISREG(status->st_mode) ? strerror(ENOMEM)
		    : "not a regular file any more");
		close(fd);
		return NULL;
	}
	file->fd = fd;
	file->size = (uint64_t)status->st_size;
	file->time_s = status->st_mtim.tv_sec;
	file->time_ns = (uint32_t)status->st_mtim.tv_nsec;
	strcpy(file->path, entry->file);
	return file;
}

static int
send_file(struct put *put, const struct copy_entry *entry)
{
	struct copy_record record = { .type = COPY_FILE, .path = entry->path };
	struct stat status;
	struct file *file = open_file(put, entry, &status);
	int error;

	if (file == NULL)
		return 0;
	if (remember(put, file) != 0) {
		close(file->fd);
		free(file);
		return copy_fail(put->copy, SJ_ERR_MEMORY, "%s",
		    sj_strerror(SJ_ERR_MEMORY));
	}
	record.id = file->id;
	record.size = file->size;
	record.mode = status.st_mode & 0777;
	record.time_s = file->time_s;
	record.time_ns = file->time_ns;
	error = copy_link_file(&put->link, &record, file->fd, -1,
	    &file->stream);
	if (error != 0)
		return error;
	put->open[put->open_count++] = file;
	return 0;
}

static int
send_directory(struct put *put, const struct copy_entry *entry)
{
	struct copy_record record = { .type = COPY_ENTRY,
		.flags = COPY_DIRECTORY, .mode = entry->mode,
		.time_s = entry->time_s, .time_ns = entry->time_ns,
		.id = UINT64_MAX, .path = entry->path };

	return copy_link_say(&put->link, &record);
}

/* The next of what is to be sent. */
static int
step(struct put *put)
{
	struct copy_entry entry;
	int result;

	if (put->walk == NULL) {
		if (put->source_at == put->source_count) {
			put->walked = 1;
			put->copy->progress.total_known = 1;
			return 0;
		}
		put->walk = copy_walk_open(put->sources[put->source_at++],
		    put->copy->recursive);
		if (put->walk == NULL)
			return copy_fail(put->copy, SJ_ERR_MEMORY, "%s",
			    sj_strerror(SJ_ERR_MEMORY));
	}
	result = copy_walk_next(put->walk, &entry);
	if (result == 0) {
		copy_walk_close(put->walk);
		put->walk = NULL;
		return 0;
	}
	if (result < 0) {
		copy_file_failed(put->copy, "local", entry.file, entry.text);
		return 0;
	}
	return entry.is_directory ? send_directory(put, &entry)
	    : send_file(put, &entry);
}

/* --- what comes back --------------------------------------------------- */

static int
on_over(void *data, const struct client_event *event)
{
	struct put *put = data;
	struct stat status;
	struct file *file;
	size_t i;

	for (i = 0; i < put->open_count; i++)
		if (put->open[i]->stream == event->stream)
			break;
	if (i == put->open_count)
		return 0;
	file = put->open[i];
	put->open[i] = put->open[--put->open_count];
	if (file->told) {
		forget(put, file);
		return 0;
	}
	if (event->error != 0) {
		file->told = 1;
		copy_file_failed(put->copy, event->error == SJ_ERR_FILE
		    ? "local" : "stream", file->path,
		    event->text[0] != '\0' ? event->text
		    : sj_strerror(event->error));
	} else if (fstat(file->fd, &status) == 0 &&
	    (status.st_mtim.tv_sec != file->time_s ||
	    (uint32_t)status.st_mtim.tv_nsec != file->time_ns)) {
		/* of another size it is refused there, too */
		file->told = 1;
		copy_file_failed(put->copy, "local", file->path,
		    "changed while it was copied");
	}
	close(file->fd);
	file->fd = -1;
	return 0;
}

static void
on_status(struct put *put, const struct copy_record *record)
{
	struct file *file;

	if (record->id >= put->file_count) {
		/* a directory */
		if (record->failed)
			copy_file_failed(put->copy, "stream", record->path,
			    record->text);
		return;
	}
	file = put->files[record->id];
	if (file == NULL)
		return;
	if (!file->told && record->failed)
		copy_file_failed(put->copy, "stream", file->path,
		    record->text);
	else if (!file->told)
		copy_file_done(put->copy, file->path, file->size);
	file->told = 1;
	if (file->fd < 0) {
		forget(put, file);
	} else if (record->failed) {
		/* the rest need not be sent; its end follows */
		client_reset(put->copy->client, file->stream,
		    SJ_RESET_CLOSED);
	}
}

static int
on_record(void *data, const struct copy_record *record)
{
	struct put *put = data;

	if (record->type == COPY_STATUS && !put->ended) {
		on_status(put, record);
		return 0;
	}
	/* after END all is settled: nobody is left whom a word could be about */
	if (record->type != COPY_END || put->ended)
		return copy_fail(put->copy, SJ_ERR_PROTOCOL,
		    "the server does not speak copy");
	put->ended = 1;
	if (record->failed && record->text[0] != '\0') {
		copy_file_failed(put->copy, "stream", "", record->text);
	}
	return 0;
}

static uint64_t
moving(void *data)
{
	const struct put *put = data;
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < put->open_count; i++) {
		/* the agent reads through the same open file */
		off_t at = lseek(put->open[i]->fd, 0, SEEK_CUR);

		if (at > 0)
			bytes += (uint64_t)at;
	}
	return bytes;
}

/* --- all of it --------------------------------------------------------- */

/* For the time that is left. What cannot be copied is reported later. */
static void
count_all(struct put *put)
{
	struct progress *progress = &put->copy->progress;
	struct copy_entry entry;
	size_t i;
	int result;

	for (i = 0; i < put->source_count; i++) {
		struct copy_walk *walk = copy_walk_open(put->sources[i],
		    put->copy->recursive);

		while (walk != NULL &&
		    (result = copy_walk_next(walk, &entry)) != 0) {
			if (result < 0 || entry.is_directory)
				continue;
			progress->files_total++;
			progress->bytes_total += entry.size;
		}
		copy_walk_close(walk);
	}
	progress->total_known = 1;
}

static int
begin(struct put *put, const char *target)
{
	struct copy_record record = { .type = COPY_PUT, .path = target };
	char name[COPY_PATH_MAX + 1];
	int error;

	if (put->source_count > 1)
		record.flags = COPY_DIRECTORY;
	copy_walk_name(put->sources[0], name, sizeof(name));
	if (put->source_count == 1 && name[0] == '\0')
		record.flags = COPY_CONTENTS;
	error = copy_link_open(&put->link, put->copy, put->link.session);
	if (error == 0)
		error = copy_link_say(&put->link, &record);
	if (put->copy->progress.on)
		count_all(put);
	return error;
}

static int
run(struct put *put)
{
	struct copy_record done = { .type = COPY_DONE };
	int error = 0;

	while (error == 0 && !put->ended) {
		while (error == 0 && !put->walked &&
		    put->open_count < COPY_OPEN_MAX &&
		    copy_link_unsaid(&put->link) < UNSAID_MAX)
			error = step(put);
		if (error == 0 && put->walked && !put->said_done &&
		    put->open_count == 0) {
			put->said_done = 1;
			done.size = put->file_count;
			error = copy_link_say(&put->link, &done);
		}
		if (error == 0)
			error = copy_link_wait(&put->link, 1, -1);
		if (error == 0 && put->link.ended && !put->ended)
			error = copy_fail(put->copy, SJ_ERR_STREAM_LOST,
			    "the server broke off");
	}
	return error;
}

/* Whatever nobody has said anything about. */
static void
settle(struct put *put, int error)
{
	uint64_t i;

	for (i = 0; i < put->file_count; i++) {
		struct file *file = put->files[i];

		if (file == NULL)
			continue;
		if (!file->told && error == 0 && put->copy->failed == 0)
			copy_file_failed(put->copy, "stream", file->path,
			    "the server said nothing about it");
		else if (!file->told)
			put->copy->failed++;
		forget(put, file);
	}
	free(put->files);
	put->files = NULL;
	put->file_count = 0;
}

int
copy_put(struct copy *copy, uint64_t session, const char *const *sources,
    size_t count, const char *target)
{
	struct put *put = calloc(1, sizeof(*put));
	int error;

	if (put == NULL)
		return copy_fail(copy, SJ_ERR_MEMORY, "%s",
		    sj_strerror(SJ_ERR_MEMORY));
	put->copy = copy;
	put->sources = sources;
	put->source_count = count;
	put->link.session = session;
	put->link.data = put;
	put->link.on_record = on_record;
	put->link.on_over = on_over;
	put->link.moving = moving;
	error = begin(put, target);
	if (error == 0)
		error = run(put);
	settle(put, error);
	put->open_count = 0;
	if (error == 0)
		error = copy_link_finish(&put->link);
	copy_walk_close(put->walk);
	copy_link_close(&put->link);
	free(put);
	return error;
}
