/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_walk.c - depth first, with a stack of open directories
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/copy_walk.h"
#include "tool/copy_wire.h"

#define DEPTH_MAX 128

struct level {
	DIR *directory;
	dev_t device;
	ino_t inode;
	size_t file_length, path_length; /* of the names up to here */
};

struct copy_walk {
	int recursive, begun;
	size_t depth;
	struct level levels[DEPTH_MAX];
	char file[COPY_PATH_MAX + 300];
	char path[COPY_PATH_MAX + 300];
	char text[160];
};

void
copy_walk_name(const char *path, char *out, size_t capacity)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	if (end - start >= capacity ||
	    (end - start == 1 && path[start] == '.') ||
	    (end - start == 2 && strncmp(path + start, "..", 2) == 0))
		end = start;
	memcpy(out, path + start, end - start);
	out[end - start] = '\0';
}

struct copy_walk *
copy_walk_open(const char *path, int recursive)
{
	struct copy_walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return NULL;
	walk->recursive = recursive;
	/* a path that is too long stays empty: the first stat() finds none */
	if (strlen(path) <= COPY_PATH_MAX) {
		strcpy(walk->file, *path == '\0' ? "." : path);
		copy_walk_name(path, walk->path, sizeof(walk->path));
	}
	return walk;
}

static int
fail(struct copy_walk *walk, struct copy_entry *entry, const char *text)
{
	snprintf(walk->text, sizeof(walk->text), "%s", text);
	entry->path = walk->path;
	entry->file = walk->file;
	entry->text = walk->text;
	return SJ_ERR_FILE;
}

static int
enter(struct copy_walk *walk, struct copy_entry *entry,
    const struct stat *status)
{
	struct level *level;
	size_t i;

	for (i = 0; i < walk->depth; i++)
		if (walk->levels[i].device == status->st_dev &&
		    walk->levels[i].inode == status->st_ino)
			return fail(walk, entry,
			    "a link leads back to a directory above");
	if (walk->depth == DEPTH_MAX)
		return fail(walk, entry, "directories too deep");
	level = &walk->levels[walk->depth];
	level->directory = opendir(walk->file);
	if (level->directory == NULL)
		return fail(walk, entry, strerror(errno));
	level->device = status->st_dev;
	level->inode = status->st_ino;
	level->file_length = strlen(walk->file);
	level->path_length = strlen(walk->path);
	walk->depth++;
	return 0;
}

/* What lies at walk->file, named walk->path. 1, or negative; 0: nothing to
 * tell (the nameless top of a tree). */
static int
visit(struct copy_walk *walk, struct copy_entry *entry)
{
	struct stat status;
	int result;

	memset(entry, 0, sizeof(*entry));
	if (stat(walk->file, &status) != 0)
		return fail(walk, entry, strerror(errno));
	if (S_ISDIR(status.st_mode)) {
		if (!walk->recursive)
			return fail(walk, entry,
			    "a directory; -r copies directories");
		result = enter(walk, entry, &status);
		if (result != 0)
			return result;
		entry->is_directory = 1;
	} else if (!S_ISREG(status.st_mode)) {
		return fail(walk, entry, "not a regular file; skipped");
	}
	entry->path = walk->path;
	entry->file = walk->file;
	entry->mode = status.st_mode & 0777;
	entry->time_s = status.st_mtim.tv_sec;
	entry->time_ns = (uint32_t)status.st_mtim.tv_nsec;
	entry->size = entry->is_directory ? 0 : (uint64_t)status.st_size;
	return walk->path[0] != '\0';
}

int
copy_walk_next(struct copy_walk *walk, struct copy_entry *entry)
{
	int result;

	if (!walk->begun) {
		walk->begun = 1;
		result = visit(walk, entry);
		if (result != 0)
			return result;
	}
	while (walk->depth > 0) {
		struct level *level = &walk->levels[walk->depth - 1];
		struct dirent *found = readdir(level->directory);
		size_t length;

		walk->file[level->file_length] = '\0';
		walk->path[level->path_length] = '\0';
		if (found == NULL) {
			closedir(level->directory);
			walk->depth--;
			continue;
		}
		if (strcmp(found->d_name, ".") == 0 ||
		    strcmp(found->d_name, "..") == 0)
			continue;
		length = strlen(found->d_name);
		if (level->file_length + length + 1 > COPY_PATH_MAX ||
		    level->path_length + length + 1 > COPY_PATH_MAX) {
			memset(entry, 0, sizeof(*entry));
			return fail(walk, entry, "a name in it is too long");
		}
		if (level->file_length > 0 &&
		    walk->file[level->file_length - 1] != '/')
			strcat(walk->file, "/");
		strcat(walk->file, found->d_name);
		if (level->path_length > 0)
			strcat(walk->path, "/");
		strcat(walk->path, found->d_name);
		result = visit(walk, entry);
		if (result != 0)
			return result;
	}
	return 0;
}

void
copy_walk_close(struct copy_walk *walk)
{
	if (walk == NULL)
		return;
	while (walk->depth > 0)
		closedir(walk->levels[--walk->depth].directory);
	free(walk);
}
