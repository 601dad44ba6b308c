/* SPDX-License-Identifier: ISC */
/*
 * cmd/copy_get.c - from there to here
 *
 *     ENTRY --> queue --> begun: a file without a name, its stream is open
 *         --over, and STATUS--> complete --commit--> durable, under its name
 *
 * A server gives what it likes: an entry is taken only if it is what was asked
 * for, by its name and by its kind, and copy_receive keeps all of them inside
 * the target.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/copy.h"
#include "tool/copy_receive.h"
#include "tool/copy_walk.h"

#define QUEUE_MAX 8192               /* entries that wait for a stream */
#define ENTRIES_MAX (1 << 20)        /* of these, while verdicts are awaited: far
                                   * more than fit between a file and its own */
#define COMMIT_FILES 512
#define COMMIT_BYTES (UINT64_C(512) << 20)
#define WRITE_BEHIND (32 << 20)      /* bytes that the disk may be behind */
#define COMMIT_MS 1000               /* on a slow path few come together */

struct entry {
	struct entry *next;
	struct copy_record record;
	char path[];
};

struct file {
	uint64_t id, stream, size, flushed;
	struct copy_file *file;      /* NULL: the slot is free */
	int fd;                      /* the file's own */
	int over, told;              /* its stream; its STATUS */
	const char *where;           /* cause: "local" or "stream" */
	char cause[CLIENT_TEXT_MAX]; /* why not; "": it is well so far */
};

struct source {
	const char *path;
	char name[COPY_PATH_MAX + 1]; /* what its entries begin with; "": any */
};

struct get {
	struct copy *copy;
	struct copy_link link;
	struct copy_receive *receive;
	struct source *sources;
	size_t source_count;
	struct entry *queue, **queue_end;
	size_t queued;
	struct file files[COPY_OPEN_MAX];
	size_t open_count, moving_count; /* of these, streams not over */
	int listed;
	uint64_t committed_ns;       /* or nothing waited then */
};

/* --- entries ----------------------------------------------------------- */

/* Was this asked for? Else a server could put a file of its choice beside the
 * one that was. */
static int
is_wanted(const struct get *get, const struct copy_record *record)
{
	const struct source *source;
	char first[256];
	size_t length = strcspn(record->path, "/");

	if (record->source >= get->source_count || length >= sizeof(first) ||
	    !copy_path_ok(record->path))
		return 0;
	source = &get->sources[record->source];
	if (!get->copy->recursive && (record->path[length] != '\0' ||
	    (record->flags & COPY_DIRECTORY)))
		return 0;
	if (source->name[0] == '\0')
		return get->copy->recursive;
	memcpy(first, record->path, length);
	first[length] = '\0';
	return strcmp(source->name, first) == 0 ||
	    fnmatch(source->name, first, FNM_PERIOD) == 0;
}

static int
on_entry(struct get *get, const struct copy_record *record)
{
	struct entry *entry;

	if (!is_wanted(get, record)) {
		copy_file_failed(get->copy, "stream", record->path,
		    "the server gives what was not asked for");
		return 0;
	}
	if (get->queued == ENTRIES_MAX)
		return copy_fail(get->copy, SJ_ERR_PROTOCOL, "the server does "
		    "not speak copy: entries without end, and no verdict");
	entry = malloc(sizeof(*entry) + strlen(record->path) + 1);
	if (entry == NULL)
		return copy_fail(get->copy, SJ_ERR_MEMORY, "%s",
		    sj_strerror(SJ_ERR_MEMORY));
	entry->record = *record;
	strcpy(entry->path, record->path);
	entry->record.path = entry->path;
	entry->record.text = NULL;
	entry->next = NULL;
	*get->queue_end = entry;
	get->queue_end = &entry->next;
	get->queued++;
	if (!(record->flags & COPY_DIRECTORY)) {
		get->copy->progress.files_total++;
		get->copy->progress.bytes_total += record->size;
	}
	return 0;
}

static struct entry *
take_entry(struct get *get)
{
	struct entry *entry = get->queue;

	get->queue = entry->next;
	if (get->queue == NULL)
		get->queue_end = &get->queue;
	get->queued--;
	return entry;
}

static int
begin_file(struct get *get, const struct copy_record *record)
{
	struct copy_record fetch = { .type = COPY_FETCH, .id = record->id };
	struct file *file = get->files;
	char error[COPY_TEXT_MAX];
	int result;

	while (file->file != NULL)
		file++;
	if (copy_receive_begin(get->receive, record, &file->file, &file->fd,
	    error, sizeof(error)) != 0) {
		file->file = NULL;
		copy_file_failed(get->copy, "local", record->path, error);
		return 0;
	}
	file->id = record->id;
	file->size = record->size;
	file->flushed = 0;
	file->over = file->told = 0;
	file->cause[0] = '\0';
	get->open_count++;
	result = copy_link_file(&get->link, &fetch, -1, file->fd,
	    &file->stream);
	if (result == 0)
		get->moving_count++;
	return result;
}

static int
begin_entry(struct get *get)
{
	struct entry *entry = take_entry(get);
	char error[COPY_TEXT_MAX];
	int result = 0;

	if (!(entry->record.flags & COPY_DIRECTORY))
		result = begin_file(get, &entry->record);
	else if (copy_receive_directory(get->receive, &entry->record, error,
	    sizeof(error)) != 0)
		copy_file_failed(get->copy, "local", entry->path, error);
	free(entry);
	return result;
}

/* --- files ------------------------------------------------------------- */

static void
settle(struct get *get, struct file *file)
{
	if (!file->over || !file->told)
		return;
	if (file->cause[0] != '\0') {
		get->copy->where = file->where;
		copy_receive_abort(get->receive, file->file, file->cause);
		get->copy->where = "local";
	} else {
		copy_receive_complete(get->receive, file->file);
	}
	file->file = NULL;
	get->open_count--;
}

static void
set_cause(struct file *file, const char *where, const char *text)
{
	if (file->cause[0] != '\0')
		return;
	file->where = where;
	snprintf(file->cause, sizeof(file->cause), "%s", text);
}

static int
on_over(void *data, const struct client_event *event)
{
	struct get *get = data;
	size_t i;

	for (i = 0; i < COPY_OPEN_MAX; i++) {
		struct file *file = &get->files[i];

		if (file->file == NULL || file->over ||
		    file->stream != event->stream)
			continue;
		file->over = 1;
		get->moving_count--;
		if (event->error != 0) {
			/* what went wrong here went wrong first: the server's
			 * verdict is that nobody read on */
			if (event->error == SJ_ERR_FILE)
				file->cause[0] = '\0';
			set_cause(file, event->error == SJ_ERR_FILE
			    ? "local" : "stream", event->text[0] != '\0'
			    ? event->text : sj_strerror(event->error));
			file->told = 1; /* nothing could be added to that */
		}
		settle(get, file);
		break;
	}
	return 0;
}

static void
on_status(struct get *get, const struct copy_record *record)
{
	size_t i;

	if (record->id == UINT64_MAX) {
		copy_file_failed(get->copy, "stream", record->path,
		    record->text);
		return;
	}
	for (i = 0; i < COPY_OPEN_MAX; i++) {
		struct file *file = &get->files[i];

		if (file->file == NULL || file->told ||
		    file->id != record->id)
			continue;
		file->told = 1;
		if (record->failed)
			set_cause(file, "stream", record->text[0] != '\0'
			    ? record->text : "it could not be read");
		settle(get, file);
		break;
	}
}

static int
on_record(void *data, const struct copy_record *record)
{
	struct get *get = data;

	if (record->type == COPY_ENTRY && !get->listed)
		return on_entry(get, record);
	if (record->type == COPY_STATUS) {
		on_status(get, record);
		return 0;
	}
	if (record->type != COPY_LISTED || get->listed)
		return copy_fail(get->copy, SJ_ERR_PROTOCOL,
		    "the server does not speak copy");
	get->listed = 1;
	get->copy->progress.total_known = 1;
	return 0;
}

/* Starts writing early, so that the commit has less to wait for, and ends what
 * has grown past the size that was announced. */
static uint64_t
look_at_files(struct get *get)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < COPY_OPEN_MAX; i++) {
		struct file *file = &get->files[i];
		off_t at = file->file != NULL && !file->over
		    ? lseek(file->fd, 0, SEEK_CUR) : 0;

		if (at <= 0)
			continue;
		bytes += (uint64_t)at;
		if ((uint64_t)at - file->flushed >= WRITE_BEHIND) {
			sync_file_range(file->fd, (off_t)file->flushed,
			    at - (off_t)file->flushed, SYNC_FILE_RANGE_WRITE);
			file->flushed = (uint64_t)at;
		}
		if ((uint64_t)at > file->size && file->cause[0] == '\0') {
			set_cause(file, "stream", "more came than was announced");
			client_reset(get->copy->client, file->stream,
			    SJ_RESET_CLOSED);
		}
	}
	return bytes;
}

static uint64_t
moving(void *data)
{
	return look_at_files(data);
}

/* --- all of it --------------------------------------------------------- */

static int
begin(struct get *get, const char *const *sources)
{
	struct copy_record record = { .type = COPY_GET,
		.flags = get->copy->recursive ? COPY_RECURSIVE : 0 };
	struct copy_record done = { .type = COPY_DONE };
	int error;
	size_t i;

	get->sources = calloc(get->source_count, sizeof(*get->sources));
	if (get->sources == NULL)
		return copy_fail(get->copy, SJ_ERR_MEMORY, "%s",
		    sj_strerror(SJ_ERR_MEMORY));
	get->copy->progress.total_known = 0;
	error = copy_link_open(&get->link, get->copy, get->link.session);
	for (i = 0; error == 0 && i < get->source_count; i++) {
		struct source *source = &get->sources[i];

		source->path = sources[i];
		/* the home directory is what is in it */
		if (strcmp(sources[i], "~") != 0)
			copy_walk_name(sources[i], source->name,
			    sizeof(source->name));
		if (strcmp(sources[i], "~/") == 0)
			source->name[0] = '\0';
		record.id = i;
		record.path = sources[i];
		error = copy_link_say(&get->link, &record);
	}
	return error == 0 ? copy_link_say(&get->link, &done) : error;
}

static void
commit(struct get *get)
{
	uint64_t now_ns = progress_now_ns(), bytes;
	size_t waiting = copy_receive_waiting(get->receive, &bytes);

	if (waiting == 0)
		get->committed_ns = now_ns;
	if (waiting < COMMIT_FILES && bytes < COMMIT_BYTES &&
	    now_ns - get->committed_ns < COMMIT_MS * UINT64_C(1000000))
		return;
	copy_receive_commit(get->receive);
	get->committed_ns = progress_now_ns();
}

static int
run(struct get *get)
{
	int error = 0;

	while (error == 0 && (!get->listed || get->queue != NULL ||
	    get->open_count > 0)) {
		int hear;

		while (error == 0 && get->queue != NULL &&
		    get->open_count < COPY_OPEN_MAX)
			error = begin_entry(get);
		commit(get);
		/* verdicts stand behind entries: if only verdicts are left to
		 * wait for, entries have to be heard, too */
		hear = get->queued < QUEUE_MAX || get->moving_count == 0;
		if (error == 0 && (!get->listed || get->queue != NULL ||
		    get->open_count > 0))
			error = copy_link_wait(&get->link, hear, -1);
		if (!get->copy->progress.on)
			look_at_files(get);
		if (error == 0 && get->link.ended && (!get->listed ||
		    get->open_count > 0))
			error = copy_fail(get->copy, SJ_ERR_STREAM_LOST,
			    "the server broke off");
	}
	copy_receive_commit(get->receive);
	return error;
}

static void
drop_all(struct get *get)
{
	size_t i;

	for (i = 0; i < COPY_OPEN_MAX; i++) {
		if (get->files[i].file == NULL)
			continue;
		/* one cause is told, not one for each of them */
		copy_receive_abort(get->receive, get->files[i].file, "");
	}
	while (get->queue != NULL)
		free(take_entry(get));
	free(get->sources);
}

int
copy_get(struct copy *copy, uint64_t session, const char *const *sources,
    size_t count, struct copy_receive *receive)
{
	struct get *get = calloc(1, sizeof(*get));
	int error;

	if (get == NULL)
		return copy_fail(copy, SJ_ERR_MEMORY, "%s",
		    sj_strerror(SJ_ERR_MEMORY));
	get->copy = copy;
	get->receive = receive;
	get->source_count = count;
	get->queue_end = &get->queue;
	get->link.session = session;
	get->link.data = get;
	get->link.on_record = on_record;
	get->link.on_over = on_over;
	get->link.moving = moving;
	error = begin(get, sources);
	if (error == 0)
		error = run(get);
	drop_all(get);
	if (error == 0)
		error = copy_link_finish(&get->link);
	copy_link_close(&get->link);
	free(get);
	return error;
}
