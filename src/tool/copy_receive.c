/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_receive.c - see copy_receive.h
 *
 * A commit has two waits for the disk, however many files wait: one for their
 * bytes, then all are renamed, one for the names. A few files are synced one
 * by one, many by syncfs(2). Files on another file system than the target's
 * (a mount point below it) are always synced one by one.
 *
 * Open directories are kept by name, as most files come from the same few.
 *
 * Until its bytes are all there a file has no name at all (O_TMPFILE), where
 * the file system can do that: a process that is killed leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/copy_receive.h"
#include "tool/copy_walk.h"

#define BUCKETS 256
#define DIRECTORIES_KEPT 64
#define DIRECTORIES_MAX 256      /* open at once */
#define SINGLY_MAX 4             /* files and directories synced one by one */

struct directory {
	struct directory *next;
	int fd;
	unsigned files;              /* that are in use and lie in it */
	int foreign;                 /* on another file system than the target */
	int touched;                 /* by this commit */
	char path[];
};

struct copy_file {
	struct copy_file *next;
	struct directory *directory;
	const char *name;            /* within path */
	uint64_t id, size;
	int64_t time_s;
	uint32_t time_ns, mode;
	int fd;                      /* -1: closed */
	int named;                   /* temporary is in the directory */
	char temporary[40];
	char path[];
};

struct later {
	struct later *next;
	int64_t time_s;
	uint32_t time_ns, mode;
	char path[];
};

struct copy_receive {
	struct copy_receive_options options;
	int root;
	dev_t device;
	int made_directories;        /* since the last commit */
	char top[256];               /* takes the place of the first part; "" */
	char first[256];             /* that first part, once it is known */
	struct directory *buckets[BUCKETS];
	size_t directory_count;
	struct copy_file *waiting;
	size_t waiting_count;
	uint64_t waiting_bytes;
	struct later *later;         /* directories, the last one first */
	size_t later_count;
};

static int
fail(char *error, size_t capacity, const char *path, const char *cause)
{
	char name[512];

	if (path == NULL)
		snprintf(error, capacity, "%s", cause);
	else
		snprintf(error, capacity, "%s: %s",
		    copy_printable(path, name, sizeof(name)), cause);
	return SJ_ERR_FILE;
}

/* --- target ------------------------------------------------------------ */

static int
open_parent(struct copy_receive *receive, const char *target, char *error,
    size_t capacity)
{
	char parent[COPY_PATH_MAX + 1];
	size_t length = strlen(target);

	if (length == 0 || length > COPY_PATH_MAX || target[length - 1] == '/')
		return fail(error, capacity, target, "not a directory");
	copy_walk_name(target, receive->top, sizeof(receive->top));
	if (receive->top[0] == '\0')
		return fail(error, capacity, target, strerror(ENOENT));
	strcpy(parent, target);
	parent[length - strlen(receive->top)] = '\0';
	receive->root = open(parent[0] != '\0' ? parent : ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (receive->root < 0)
		return fail(error, capacity, parent, strerror(errno));
	return 0;
}

static int
open_target(struct copy_receive *receive, char *error, size_t capacity)
{
	const struct copy_receive_options *options = &receive->options;
	const char *target = options->target[0] != '\0' ? options->target
	    : ".";

	receive->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (receive->root < 0 && errno == ENOENT && options->contents &&
	    !options->must_be_directory && mkdir(target, 0777) == 0)
		receive->root = open(target,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (receive->root >= 0)
		return 0;
	if (options->must_be_directory || options->contents ||
	    (errno != ENOENT && errno != ENOTDIR))
		return fail(error, capacity, target, strerror(errno));
	return open_parent(receive, target, error, capacity);
}

int
copy_receive_open(struct copy_receive **out,
    const struct copy_receive_options *options, char *error, size_t capacity)
{
	struct copy_receive *receive = calloc(1, sizeof(*receive));
	struct stat status;
	int result;

	*out = NULL;
	if (receive == NULL)
		return fail(error, capacity, options->target,
		    strerror(ENOMEM));
	receive->options = *options;
	result = open_target(receive, error, capacity);
	receive->options.target = NULL; /* the caller's */
	if (result == 0 && fstat(receive->root, &status) != 0)
		result = fail(error, capacity, "target", strerror(errno));
	if (result != 0) {
		if (receive->root >= 0)
			close(receive->root);
		free(receive);
		return result;
	}
	receive->device = status.st_dev;
	*out = receive;
	return 0;
}

/* --- directories ------------------------------------------------------- */

static struct directory **
bucket_of(struct copy_receive *receive, const char *path, size_t length)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)path[i]) * 16777619u;
	return &receive->buckets[hash % BUCKETS];
}

static int
open_one(struct copy_receive *receive, int parent, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent, name, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	/* nobody looks in before its own mode is set */
	if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
		return -1;
	receive->made_directories = 1;
	return openat(parent, name, flags);
}

/* The directory with the first length bytes of path as its name, made if
 * missing. NULL with errno set. */
static struct directory *
directory_get(struct copy_receive *receive, const char *path, size_t length)
{
	struct directory **bucket = bucket_of(receive, path, length);
	struct directory *directory;
	struct stat status;
	size_t start = length;
	int parent = receive->root;

	for (directory = *bucket; directory != NULL;
	    directory = directory->next)
		if (strlen(directory->path) == length &&
		    memcmp(directory->path, path, length) == 0)
			return directory;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (start > 0) {
		struct directory *above = directory_get(receive, path,
		    start - 1);

		if (above == NULL)
			return NULL;
		parent = above->fd;
	}
	directory = calloc(1, sizeof(*directory) + length + 1);
	if (directory == NULL)
		return NULL;
	memcpy(directory->path, path, length);
	directory->fd = length == 0
	    ? fcntl(receive->root, F_DUPFD_CLOEXEC, 3)
	    : open_one(receive, parent, directory->path + start);
	if (directory->fd < 0 || fstat(directory->fd, &status) != 0) {
		int cause = errno;

		if (directory->fd >= 0)
			close(directory->fd);
		free(directory);
		errno = cause;
		return NULL;
	}
	directory->foreign = status.st_dev != receive->device;
	directory->next = *bucket;
	*bucket = directory;
	receive->directory_count++;
	return directory;
}

static void
directories_forget(struct copy_receive *receive)
{
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		struct directory **link = &receive->buckets[i];

		while (*link != NULL) {
			struct directory *directory = *link;

			if (directory->files > 0) {
				link = &directory->next;
				continue;
			}
			*link = directory->next;
			close(directory->fd);
			free(directory);
			receive->directory_count--;
		}
	}
}

/* Files that wait hold their directories: those of a wide tree would be more
 * than this process may have open. */
static void
directories_make_room(struct copy_receive *receive)
{
	if (receive->directory_count < DIRECTORIES_MAX)
		return;
	copy_receive_commit(receive);
	directories_forget(receive);
}

static const char *
directory_cause(void)
{
	return errno == ELOOP || errno == ENOTDIR
	    ? "a link or a file stands in the place of a directory"
	    : strerror(errno);
}

/* The path below the root that an entry gets, into out. NULL, or why it gets
 * none. */
static const char *
map_path(struct copy_receive *receive, const char *path, char *out,
    size_t capacity)
{
	size_t first = strcspn(path, "/");

	if (!copy_path_ok(path))
		return "a name that is not allowed";
	if (receive->top[0] == '\0') {
		snprintf(out, capacity, "%s", path);
		return NULL;
	}
	if (receive->first[0] == '\0')
		snprintf(receive->first, sizeof(receive->first), "%.*s",
		    (int)first, path);
	if (strlen(receive->first) != first ||
	    memcmp(receive->first, path, first) != 0)
		return "more than one source, and the target is not a "
		    "directory";
	if ((size_t)snprintf(out, capacity, "%s%s", receive->top,
	    path + first) >= capacity)
		return strerror(ENAMETOOLONG);
	return NULL;
}

int
copy_receive_directory(struct copy_receive *receive,
    const struct copy_record *entry, char *error, size_t capacity)
{
	char path[COPY_PATH_MAX + 300];
	const char *cause = map_path(receive, entry->path, path, sizeof(path));
	struct later *later;

	if (cause != NULL)
		return fail(error, capacity, NULL, cause);
	directories_make_room(receive);
	if (directory_get(receive, path, strlen(path)) == NULL)
		return fail(error, capacity, NULL, directory_cause());
	later = malloc(sizeof(*later) + strlen(path) + 1);
	if (later == NULL)
		return fail(error, capacity, NULL, strerror(ENOMEM));
	later->time_s = entry->time_s;
	later->time_ns = entry->time_ns;
	later->mode = entry->mode & 0777;
	strcpy(later->path, path);
	later->next = receive->later;
	receive->later = later;
	receive->later_count++;
	if (receive->directory_count > 2 * DIRECTORIES_KEPT)
		directories_forget(receive);
	return 0;
}

/* --- files ------------------------------------------------------------- */

static void
file_free(struct copy_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->directory->files--;
	free(file);
}

/* What has the final name now may be replaced: a file or a link to one, but
 * no device, and nothing that is more than a name. NULL, or why not. */
static const char *
in_the_way(const struct directory *directory, const char *name)
{
	struct stat status;

	if (strlen(name) > NAME_MAX)
		return strerror(ENAMETOOLONG);
	if (fstatat(directory->fd, name, &status, 0) != 0 ||
	    S_ISREG(status.st_mode))
		return NULL;
	return S_ISDIR(status.st_mode)
	    ? "a directory stands in the place of a file"
	    : "what is there is not a file";
}

static int
open_temporary(struct copy_file *file)
{
	int flags = O_RDWR | O_CLOEXEC;

	/* not O_EXCL: that would keep it from getting a name */
	file->fd = openat(file->directory->fd, ".", flags | O_TMPFILE, 0600);
	if (file->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL &&
	    errno != ENOENT)
		return -1;
	file->fd = openat(file->directory->fd, file->temporary,
	    flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	file->named = file->fd >= 0;
	return file->named ? 0 : -1;
}

/* Its bytes are all there: from here on it is worth a name. */
static int
name_temporary(struct copy_file *file)
{
	char self[40];

	if (file->named)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	if (linkat(AT_FDCWD, self, file->directory->fd, file->temporary,
	    AT_SYMLINK_FOLLOW) != 0)
		return -1;
	file->named = 1;
	return 0;
}

int
copy_receive_begin(struct copy_receive *receive,
    const struct copy_record *entry, struct copy_file **out, int *fd,
    char *error, size_t capacity)
{
	char path[COPY_PATH_MAX + 300];
	const char *cause = map_path(receive, entry->path, path, sizeof(path));
	const char *slash;
	struct directory *directory;
	struct copy_file *file;
	uint64_t chance;

	if (cause != NULL)
		return fail(error, capacity, NULL, cause);
	directories_make_room(receive);
	slash = strrchr(path, '/');
	directory = directory_get(receive, path,
	    slash != NULL ? (size_t)(slash - path) : 0);
	if (directory == NULL)
		return fail(error, capacity, NULL, directory_cause());
	cause = in_the_way(directory, slash != NULL ? slash + 1 : path);
	if (cause != NULL)
		return fail(error, capacity, NULL, cause);
	file = calloc(1, sizeof(*file) + strlen(path) + 1);
	if (file == NULL || getrandom(&chance, sizeof(chance), 0) !=
	    (ssize_t)sizeof(chance)) {
		free(file);
		return fail(error, capacity, NULL, strerror(ENOMEM));
	}
	strcpy(file->path, path);
	slash = strrchr(file->path, '/');
	file->name = slash != NULL ? slash + 1 : file->path;
	snprintf(file->temporary, sizeof(file->temporary),
	    ".sojourn-%016llx.part", (unsigned long long)chance);
	file->directory = directory;
	if (open_temporary(file) != 0) {
		int number = errno;

		free(file);
		return fail(error, capacity, NULL, strerror(number));
	}
	directory->files++;
	file->id = entry->id;
	file->size = entry->size;
	file->time_s = entry->time_s;
	file->time_ns = entry->time_ns;
	file->mode = entry->mode & 0777;
	*fd = file->fd;
	*out = file;
	return 0;
}

static void
report(struct copy_receive *receive, const struct copy_file *file,
    const char *text)
{
	receive->options.done(receive->options.data, file->id, file->size,
	    file->path, text);
}

void
copy_receive_abort(struct copy_receive *receive, struct copy_file *file,
    const char *text)
{
	if (file->named)
		unlinkat(file->directory->fd, file->temporary, 0);
	report(receive, file, text);
	file_free(file);
}

void
copy_receive_complete(struct copy_receive *receive, struct copy_file *file)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = file->time_s, .tv_nsec = (long)file->time_ns } };
	struct stat status;
	char text[120];

	if (fstat(file->fd, &status) != 0) {
		copy_receive_abort(receive, file, strerror(errno));
		return;
	}
	if ((uint64_t)status.st_size != file->size) {
		snprintf(text, sizeof(text), "changed or broke off while it "
		    "was copied: %llu of %llu bytes",
		    (unsigned long long)status.st_size,
		    (unsigned long long)file->size);
		copy_receive_abort(receive, file, text);
		return;
	}
	if (fchmod(file->fd, file->mode) != 0 ||
	    futimens(file->fd, times) != 0 || name_temporary(file) != 0 ||
	    (file->directory->foreign && fsync(file->fd) != 0)) {
		copy_receive_abort(receive, file, strerror(errno));
		return;
	}
	if (receive->waiting_count >= SINGLY_MAX) {
		int fd = file->fd;

		file->fd = -1;
		if (close(fd) != 0) {
			copy_receive_abort(receive, file, strerror(errno));
			return;
		}
	}
	file->next = receive->waiting;
	receive->waiting = file;
	receive->waiting_count++;
	receive->waiting_bytes += file->size;
}

size_t
copy_receive_waiting(const struct copy_receive *receive, uint64_t *bytes)
{
	if (bytes != NULL)
		*bytes = receive->waiting_bytes;
	return receive->waiting_count;
}

/* --- commit ------------------------------------------------------------ */

/* The bytes of all that waits. NULL, or why not. */
static const char *
sync_bytes(struct copy_receive *receive)
{
	struct copy_file *file;

	if (receive->waiting_count > SINGLY_MAX)
		return syncfs(receive->root) == 0 ? NULL : strerror(errno);
	for (file = receive->waiting; file != NULL; file = file->next)
		if (fsync(file->fd) != 0)
			return strerror(errno);
	return NULL;
}

/* The names of all directories that were touched. NULL, or why not. */
static const char *
sync_names(struct copy_receive *receive)
{
	int all = receive->made_directories ||
	    receive->waiting_count > SINGLY_MAX;
	const char *cause = NULL;
	size_t i;

	if (all && syncfs(receive->root) != 0)
		cause = strerror(errno);
	for (i = 0; i < BUCKETS; i++) {
		struct directory *directory;

		for (directory = receive->buckets[i]; directory != NULL;
		    directory = directory->next) {
			if (directory->touched &&
			    (!all || directory->foreign) &&
			    fsync(directory->fd) != 0)
				cause = strerror(errno);
			directory->touched = 0;
		}
	}
	receive->made_directories = 0;
	return cause;
}

void
copy_receive_commit(struct copy_receive *receive)
{
	struct copy_file *file, *next, *named = NULL;
	const char *cause;

	if (receive->waiting == NULL)
		return;
	cause = sync_bytes(receive);
	for (file = receive->waiting; file != NULL; file = next) {
		struct directory *directory = file->directory;

		next = file->next;
		if (cause != NULL) {
			copy_receive_abort(receive, file, cause);
			continue;
		}
		if (renameat(directory->fd, file->temporary, directory->fd,
		    file->name) != 0) {
			copy_receive_abort(receive, file, strerror(errno));
			continue;
		}
		directory->touched = 1;
		file->next = named;
		named = file;
	}
	cause = sync_names(receive);
	for (file = named; file != NULL; file = next) {
		next = file->next;
		report(receive, file, cause);
		file_free(file);
	}
	receive->waiting = NULL;
	receive->waiting_count = 0;
	receive->waiting_bytes = 0;
	if (receive->directory_count > DIRECTORIES_KEPT)
		directories_forget(receive);
}

static int
finish_directory(struct copy_receive *receive, const struct later *later,
    int singly)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = later->time_s, .tv_nsec = (long)later->time_ns } };
	struct directory *directory = directory_get(receive, later->path,
	    strlen(later->path));

	struct stat status;

	if (directory == NULL || fstat(directory->fd, &status) != 0 ||
	    /* setgid and sticky are the target's own */
	    fchmod(directory->fd, (status.st_mode & 07000) | later->mode) != 0 ||
	    futimens(directory->fd, times) != 0)
		return SJ_ERR_FILE;
	if ((singly || directory->foreign) && fsync(directory->fd) != 0)
		return SJ_ERR_FILE;
	return 0;
}

int
copy_receive_finish(struct copy_receive *receive, char *error, size_t capacity)
{
	int singly = receive->later_count <= SINGLY_MAX &&
	    !receive->made_directories, result = 0;
	int any = receive->later != NULL;

	copy_receive_commit(receive);
	/* the last one first: what is inside before what it is in */
	while (receive->later != NULL) {
		struct later *later = receive->later;

		receive->later = later->next;
		if (finish_directory(receive, later, singly) != 0 &&
		    result == 0)
			result = fail(error, capacity, later->path,
			    strerror(errno));
		free(later);
		if (receive->directory_count > 2 * DIRECTORIES_KEPT)
			directories_forget(receive);
	}
	receive->later_count = 0;
	if (any && !singly && syncfs(receive->root) != 0 && result == 0)
		result = fail(error, capacity, "target", strerror(errno));
	return result;
}

void
copy_receive_close(struct copy_receive *receive)
{
	if (receive == NULL)
		return;
	while (receive->waiting != NULL) {
		struct copy_file *file = receive->waiting;

		receive->waiting = file->next;
		copy_receive_abort(receive, file, "given up");
	}
	while (receive->later != NULL) {
		struct later *later = receive->later;

		receive->later = later->next;
		free(later);
	}
	directories_forget(receive);
	close(receive->root);
	free(receive);
}
