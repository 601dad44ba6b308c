/* SPDX-License-Identifier: ISC */
/*
 * serve/service_files.c - files to and from streams
 *
 * One thread, one poll(2), and blocking disk I/O: this process does nothing
 * else, and while it waits for the disk the streams' own windows hold the
 * peer back. Children are taken only while few are open, entries are listed
 * only while the peer reads them, so memory stays bounded by what was asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/request.h"
#include "serve/service_files.h"
#include "tool/copy_receive.h"
#include "tool/copy_walk.h"
#include "tool/copy_wire.h"

#define CHILDREN_MAX 128
#define OUT_LISTING (128 * 1024)  /* no more entries while so much waits */
#define OUT_HIGH (1024 * 1024)    /* no more of anything: the verdicts on all
                                   * children fit above OUT_LISTING, so a peer
                                   * that reads no entries while its files
                                   * come is not waited for in vain */
#define BLOCK (256 * 1024)
#define COMMIT_FILES 512
#define COMMIT_BYTES (UINT64_C(512) << 20)
#define IDLE_MS 20
#define WRITE_BEHIND (UINT64_C(32) << 20)
#define ENTRIES_MAX 10000000
#define SOURCES_MAX 4096          /* no more words while so many wait to be listed */

enum child_state { CHILD_FREE = 0, CHILD_HEAD, CHILD_RECEIVE, CHILD_SEND };

struct child {
	enum child_state state;
	int socket, file_fd;
	struct copy_file *file;      /* RECEIVE */
	uint64_t id, size, moved, flushed;
	size_t head_length;
	uint8_t *head;               /* HEAD: COPY_RECORD_MAX bytes */
};

struct listed {
	char *file;
	uint64_t size;
	int64_t time_s;
	uint32_t time_ns;
};

struct source {
	struct source *next;
	uint64_t id;
	int recursive;
	char path[];
};

struct files {
	int mode;                    /* 0, COPY_PUT, COPY_GET */
	int done, listed, over;
	int deserted;                /* nobody listens any more */
	struct child children[CHILDREN_MAX];
	size_t active;
	struct copy_receive *receive;
	uint64_t failed;
	struct source *sources, **sources_end;
	size_t source_count;
	struct copy_walk *walk;
	uint64_t walk_source;
	struct listed *entries;
	size_t entry_count, entry_capacity;
	size_t in_length, out_start, out_length, out_capacity;
	uint8_t *out;
	uint8_t in[2 * COPY_RECORD_MAX];
	uint8_t block[BLOCK];
};

static volatile sig_atomic_t told_to_end;

static void
on_signal(int number)
{
	(void)number;
	told_to_end = 1;
}

static _Noreturn void
no_memory(void)
{
	fprintf(stderr, "out of memory, or more than %d files\n", ENTRIES_MAX);
	_exit(1);
}

/* --- control stream ---------------------------------------------------- */

static void
say(struct files *files, const struct copy_record *record)
{
	uint8_t *grown;
	ptrdiff_t length;

	if (files->out_start > 0) {
		memmove(files->out, files->out + files->out_start,
		    files->out_length);
		files->out_start = 0;
	}
	if (files->out_capacity - files->out_length < COPY_RECORD_MAX) {
		grown = realloc(files->out, files->out_capacity * 2 +
		    2 * COPY_RECORD_MAX);
		if (grown == NULL)
			no_memory();
		files->out = grown;
		files->out_capacity = files->out_capacity * 2 +
		    2 * COPY_RECORD_MAX;
	}
	length = copy_record_encode(record, files->out + files->out_length);
	if (length > 0)
		files->out_length += (size_t)length;
}

static void
say_status(struct files *files, uint64_t id, uint64_t size, const char *path,
    const char *text)
{
	struct copy_record record = { .type = COPY_STATUS, .id = id,
		.size = size, .failed = text != NULL, .text = text,
		.path = path };

	if (text != NULL)
		files->failed++;
	say(files, &record);
}

static void
say_end(struct files *files, const char *text)
{
	struct copy_record record = { .type = COPY_END, .text = text,
		.failed = text != NULL || files->failed > 0 };

	say(files, &record);
	files->over = 1;
}

static void
flush(struct files *files)
{
	while (files->out_length > 0) {
		ssize_t n = send(0, files->out + files->out_start,
		    files->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			files->deserted = 1;
			return;
		}
		files->out_start += (size_t)n;
		files->out_length -= (size_t)n;
	}
}

static void
on_received(void *data, uint64_t id, uint64_t size, const char *path,
    const char *text)
{
	say_status(data, id, size, path, text);
}

static void
begin_put(struct files *files, const struct copy_record *record)
{
	struct copy_receive_options options = {
		.target = record->path,
		.must_be_directory = (record->flags & COPY_DIRECTORY) != 0,
		.contents = (record->flags & COPY_CONTENTS) != 0,
		.data = files,
		.done = on_received,
	};
	char error[COPY_TEXT_MAX];

	files->mode = COPY_PUT;
	if (strcmp(options.target, "~") == 0)
		options.target = ".";
	else if (strncmp(options.target, "~/", 2) == 0)
		options.target += 2;
	if (copy_receive_open(&files->receive, &options, error,
	    sizeof(error)) != 0)
		say_end(files, error);
}

static void
add_source(struct files *files, uint64_t id, int recursive, const char *path)
{
	struct source *source = malloc(sizeof(*source) + strlen(path) + 1);

	if (source == NULL)
		no_memory();
	source->next = NULL;
	source->id = id;
	source->recursive = recursive;
	strcpy(source->path, path);
	*files->sources_end = source;
	files->sources_end = &source->next;
	files->source_count++;
}

static void
begin_get(struct files *files, const struct copy_record *record)
{
	int recursive = (record->flags & COPY_RECURSIVE) != 0;
	const char *path = record->path;
	struct stat status;
	glob_t found;
	size_t i;

	files->mode = COPY_GET;
	if (strcmp(path, "~") == 0)
		path = ".";
	else if (strncmp(path, "~/", 2) == 0)
		path += 2;
	if (lstat(path, &status) != 0 && strpbrk(path, "*?[") != NULL &&
	    glob(path, GLOB_NOSORT, NULL, &found) == 0) {
		for (i = 0; i < found.gl_pathc; i++)
			add_source(files, record->id, recursive,
			    found.gl_pathv[i]);
		globfree(&found);
		return;
	}
	add_source(files, record->id, recursive, path);
}

static int
on_record(struct files *files, const struct copy_record *record)
{
	char error[COPY_TEXT_MAX];

	if (files->over)
		return 0;
	switch (record->type) {
	case COPY_PUT:
		if (files->mode != 0)
			return SJ_ERR_PROTOCOL;
		begin_put(files, record);
		return 0;
	case COPY_GET:
		if (files->mode == COPY_PUT || files->done)
			return SJ_ERR_PROTOCOL;
		begin_get(files, record);
		return 0;
	case COPY_ENTRY:
		if (files->mode != COPY_PUT || files->done ||
		    !(record->flags & COPY_DIRECTORY))
			return SJ_ERR_PROTOCOL;
		if (copy_receive_directory(files->receive, record, error,
		    sizeof(error)) != 0)
			say_status(files, record->id, 0, record->path, error);
		return 0;
	case COPY_DONE:
		if (files->mode == 0 || files->done)
			return SJ_ERR_PROTOCOL;
		files->done = 1;
		return 0;
	default:
		return SJ_ERR_PROTOCOL;
	}
}

/* 1: goes on, 0: the peer has ended, negative: it does not speak copy. */
static int
read_control(struct files *files)
{
	size_t used = 0;
	ssize_t n;

	n = recv(0, files->in + files->in_length,
	    sizeof(files->in) - files->in_length, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return 0;
	files->in_length += (size_t)n;
	for (;;) {
		struct copy_record record;
		ptrdiff_t length = copy_record_decode(&record,
		    files->in + used, files->in_length - used);

		if (length < 0)
			return (int)length;
		if (length == 0)
			break;
		used += (size_t)length;
		if (on_record(files, &record) != 0)
			return SJ_ERR_PROTOCOL;
	}
	memmove(files->in, files->in + used, files->in_length - used);
	files->in_length -= used;
	return 1;
}

/* --- listing ----------------------------------------------------------- */

static void
add_entry(struct files *files, const struct copy_entry *entry)
{
	struct copy_record record = { .type = COPY_ENTRY,
		.flags = entry->is_directory ? COPY_DIRECTORY : 0,
		.mode = entry->mode, .time_s = entry->time_s,
		.time_ns = entry->time_ns, .size = entry->size,
		.id = files->entry_count, .source = files->walk_source,
		.path = entry->path };
	struct listed *listed;

	if (files->entry_count == files->entry_capacity) {
		size_t capacity = files->entry_capacity * 2 + 256;
		struct listed *grown = realloc(files->entries,
		    capacity * sizeof(*grown));

		if (grown == NULL || capacity > ENTRIES_MAX)
			no_memory();
		files->entries = grown;
		files->entry_capacity = capacity;
	}
	listed = &files->entries[files->entry_count++];
	listed->file = entry->is_directory ? NULL : strdup(entry->file);
	if (listed->file == NULL && !entry->is_directory)
		no_memory();
	listed->size = entry->size;
	listed->time_s = entry->time_s;
	listed->time_ns = entry->time_ns;
	say(files, &record);
}

/* One step of the listing. 1: there is more. */
static int
list_one(struct files *files)
{
	struct copy_record end = { .type = COPY_LISTED };
	struct copy_entry entry;
	int result;

	if (files->walk == NULL && files->sources != NULL) {
		struct source *source = files->sources;

		files->sources = source->next;
		files->source_count--;
		if (files->sources == NULL)
			files->sources_end = &files->sources;
		files->walk = copy_walk_open(source->path, source->recursive);
		files->walk_source = source->id;
		free(source);
		if (files->walk == NULL)
			no_memory();
	}
	if (files->walk == NULL) {
		if (!files->done || files->listed)
			return 0;
		files->listed = 1;
		end.size = files->entry_count;
		say(files, &end);
		return 0;
	}
	result = copy_walk_next(files->walk, &entry);
	if (result == 1) {
		add_entry(files, &entry);
	} else if (result == 0) {
		copy_walk_close(files->walk);
		files->walk = NULL;
	} else {
		say_status(files, UINT64_MAX, 0, entry.file, entry.text);
	}
	return 1;
}

/* --- children ---------------------------------------------------------- */

static void
child_close(struct files *files, struct child *child)
{
	close(child->socket);
	if (child->state == CHILD_SEND && child->file_fd >= 0)
		close(child->file_fd);
	free(child->head);
	memset(child, 0, sizeof(*child));
	files->active--;
}

static void
take_children(struct files *files)
{
	while (files->active < CHILDREN_MAX) {
		int descriptors[2];
		size_t count;
		uint64_t number;
		struct child *child = files->children;
		ptrdiff_t n = request_receive(3, &number, sizeof(number),
		    descriptors, &count);

		if (n <= 0 || count == 0)
			return;
		if (count > 1)
			close(descriptors[1]);
		while (child->state != CHILD_FREE)
			child++;
		child->state = CHILD_HEAD;
		child->socket = descriptors[0];
		child->head = malloc(COPY_RECORD_MAX);
		if (child->head == NULL)
			no_memory();
		fcntl(child->socket, F_SETFL, O_NONBLOCK);
		files->active++;
	}
}

/* Writes what belongs to the file. 0, or -1: it is given up. */
static int
child_write(struct files *files, struct child *child, const uint8_t *bytes,
    size_t length)
{
	while (length > 0) {
		ssize_t n = write(child->file_fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || child->moved + (uint64_t)n > child->size) {
			copy_receive_abort(files->receive, child->file, n < 0
			    ? strerror(errno)
			    : "changed while it was copied: it grew");
			child_close(files, child);
			return -1;
		}
		bytes += n;
		length -= (size_t)n;
		child->moved += (uint64_t)n;
	}
	/* start writing early, so that the commit has less to wait for */
	if (child->moved - child->flushed >= WRITE_BEHIND) {
		sync_file_range(child->file_fd, (off_t)child->flushed,
		    (off_t)(child->moved - child->flushed),
		    SYNC_FILE_RANGE_WRITE);
		child->flushed = child->moved;
	}
	return 0;
}

static void
child_begin_receive(struct files *files, struct child *child,
    const struct copy_record *record, const uint8_t *rest, size_t length)
{
	char error[COPY_TEXT_MAX];

	if (copy_receive_begin(files->receive, record, &child->file,
	    &child->file_fd, error, sizeof(error)) != 0) {
		say_status(files, record->id, 0, record->path, error);
		child_close(files, child);
		return;
	}
	child->id = record->id;
	child->size = record->size;
	child->state = CHILD_RECEIVE;
	if (length > 0)
		child_write(files, child, rest, length);
}

static void
child_begin_send(struct files *files, struct child *child, uint64_t id)
{
	struct listed *entry = id < files->entry_count ? &files->entries[id]
	    : NULL;
	struct stat status;

	if (entry == NULL || entry->file == NULL) {
		say_status(files, id, 0, "", "not on the list");
		child_close(files, child);
		return;
	}
	child->file_fd = open(entry->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY);
	if (child->file_fd < 0) {
		say_status(files, id, 0, entry->file, strerror(errno));
		child_close(files, child);
		return;
	}
	child->state = CHILD_SEND;
	if (fstat(child->file_fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		say_status(files, id, 0, entry->file,
		    "not a regular file any more");
		child_close(files, child);
		return;
	}
	child->id = id;
	child->size = entry->size;
}

static void
child_head(struct files *files, struct child *child)
{
	struct copy_record record;
	ssize_t n = recv(child->socket, child->head + child->head_length,
	    COPY_RECORD_MAX - child->head_length, 0);
	ptrdiff_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		child_close(files, child); /* the peer changed its mind */
		return;
	}
	child->head_length += (size_t)n;
	used = copy_record_decode(&record, child->head, child->head_length);
	if (used == 0)
		return;
	if (used > 0 && record.type == COPY_FILE && files->mode == COPY_PUT)
		child_begin_receive(files, child, &record, child->head + used,
		    child->head_length - (size_t)used);
	else if (used > 0 && record.type == COPY_FETCH &&
	    files->mode == COPY_GET)
		child_begin_send(files, child, record.id);
	else
		child_close(files, child);
}

static void
child_receive(struct files *files, struct child *child)
{
	int rounds;

	for (rounds = 0; rounds < 8; rounds++) {
		ssize_t n = recv(child->socket, files->block, BLOCK, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			copy_receive_complete(files->receive, child->file);
			child_close(files, child);
			return;
		}
		if (child_write(files, child, files->block, (size_t)n) != 0)
			return;
	}
}

/* All is sent, or no more can be: the verdict. */
static void
child_sent(struct files *files, struct child *child, const char *text)
{
	struct listed *entry = &files->entries[child->id];
	struct stat status;

	if (text == NULL && (child->moved != child->size ||
	    fstat(child->file_fd, &status) != 0 ||
	    (uint64_t)status.st_size != child->size ||
	    status.st_mtim.tv_sec != entry->time_s ||
	    (uint32_t)status.st_mtim.tv_nsec != entry->time_ns))
		text = "changed while it was copied";
	say_status(files, child->id, child->moved, entry->file, text);
	free(entry->file);
	entry->file = NULL;
	child_close(files, child);
}

static void
child_send(struct files *files, struct child *child)
{
	int rounds;

	for (rounds = 0; rounds < 8; rounds++) {
		uint64_t rest = child->size - child->moved;
		ssize_t n;

		if (rest == 0) {
			child_sent(files, child, NULL);
			return;
		}
		n = sendfile(child->socket, child->file_fd, NULL,
		    rest > BLOCK ? BLOCK : (size_t)rest);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			child_sent(files, child, n == 0 ? NULL
			    : strerror(errno));
			return;
		}
		child->moved += (uint64_t)n;
	}
}

static void
child_work(struct files *files, struct child *child)
{
	switch (child->state) {
	case CHILD_FREE:
		break;
	case CHILD_HEAD:
		child_head(files, child);
		break;
	case CHILD_RECEIVE:
		child_receive(files, child);
		break;
	case CHILD_SEND:
		child_send(files, child);
		break;
	}
}

/* --- loop -------------------------------------------------------------- */

/* Makes durable what waits, when it is time. idle: nothing came for a while. */
static void
commit(struct files *files, int idle)
{
	uint64_t bytes;
	size_t waiting = copy_receive_waiting(files->receive, &bytes);

	if (waiting >= COMMIT_FILES || bytes >= COMMIT_BYTES ||
	    (idle && waiting > 0))
		copy_receive_commit(files->receive);
}

static void
finish_put(struct files *files)
{
	char error[COPY_TEXT_MAX];
	size_t i;

	/* the peer has seen the end of every file it wants to keep */
	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *child = &files->children[i];

		if (child->state == CHILD_RECEIVE)
			copy_receive_abort(files->receive, child->file,
			    "broke off");
		if (child->state != CHILD_FREE)
			child_close(files, child);
	}
	say_end(files, copy_receive_finish(files->receive, error,
	    sizeof(error)) != 0 ? error : NULL);
	copy_receive_close(files->receive);
	files->receive = NULL;
}

static size_t
fill_polls(const struct files *files, struct pollfd *polls, size_t *map)
{
	size_t count = 2, i;
	int calm = files->out_length < OUT_HIGH;

	polls[0] = (struct pollfd){ 0, (short)
	    ((calm && files->source_count < SOURCES_MAX ? POLLIN : 0) |
	    (files->out_length > 0 ? POLLOUT : 0)), 0 };
	polls[1] = (struct pollfd){ files->mode != 0 && !files->over &&
	    files->active < CHILDREN_MAX ? 3 : -1, POLLIN, 0 };
	for (i = 0; i < CHILDREN_MAX; i++) {
		const struct child *child = &files->children[i];

		if (child->state == CHILD_FREE || !calm)
			continue;
		polls[count] = (struct pollfd){ child->socket,
			child->state == CHILD_SEND ? POLLOUT : POLLIN, 0 };
		map[count++] = i;
	}
	return count;
}

/* The signals that end it are let in only while it waits: what is in the
 * making is then cleared away. */
static int
wait_for(const struct files *files, struct pollfd *polls, size_t count)
{
	static const struct timespec idle = { 0, IDLE_MS * 1000000 };
	int waiting = files->receive != NULL &&
	    copy_receive_waiting(files->receive, NULL) > 0;
	sigset_t none;

	sigemptyset(&none);
	return ppoll(polls, (nfds_t)count, waiting ? &idle : NULL, &none);
}

static int
serve(struct files *files)
{
	struct pollfd polls[2 + CHILDREN_MAX];
	size_t map[2 + CHILDREN_MAX];

	while (!told_to_end) {
		int ready, result = 1;
		size_t count, i;

		while (files->mode == COPY_GET &&
		    files->out_length < OUT_LISTING && list_one(files))
			;
		flush(files);
		if (files->deserted)
			return 0;
		if (files->over && files->out_length == 0)
			shutdown(0, SHUT_WR);
		count = fill_polls(files, polls, map);
		ready = wait_for(files, polls, count);
		if (ready < 0 && errno != EINTR)
			return 1;
		if (ready <= 0) {
			if (ready == 0 && files->receive != NULL)
				commit(files, 1);
			continue;
		}
		for (i = 2; i < count; i++)
			if (polls[i].revents != 0)
				child_work(files, &files->children[map[i]]);
		if (polls[1].revents & POLLHUP && !(polls[1].revents & POLLIN))
			return 0; /* net is gone */
		if (polls[1].revents != 0)
			take_children(files);
		if (polls[0].revents & (POLLIN | POLLHUP | POLLERR))
			result = read_control(files);
		if (result <= 0)
			return result == 0 ? 0 : 1;
		if (files->receive != NULL)
			commit(files, 0);
		if (files->receive != NULL && files->done && !files->over)
			finish_put(files);
	}
	return 0;
}

static void
catch_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaddset(&set, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* write() says it, of that file alone */
}

int
service_files_main(void)
{
	struct files *files = calloc(1, sizeof(*files));
	struct rlimit limit;
	size_t i;
	int code;

	if (files == NULL)
		return 1;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	files->sources_end = &files->sources;
	catch_signals();
	code = serve(files);
	if (code != 0)
		fprintf(stderr, "the peer does not speak copy\n");
	for (i = 0; i < CHILDREN_MAX; i++)
		if (files->children[i].state == CHILD_RECEIVE)
			copy_receive_abort(files->receive,
			    files->children[i].file, "broke off");
	copy_receive_close(files->receive);
	_exit(code);
}
