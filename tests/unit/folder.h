/* SPDX-License-Identifier: ISC */
/* folder.h - a private folder for a test's files, gone afterwards */
#ifndef FOLDER_H
#define FOLDER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static char folder[32];

static inline int
make_folder(void **state)
{
	(void)state;
	umask(022);
	strcpy(folder, "/tmp/sojourn-test-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

/* The path of a file in it: valid until the fourth call after. */
static inline const char *
in_folder(const char *name)
{
	static char paths[4][320];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static inline void
empty_folder(void)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			remove(in_folder(entry->d_name));
	if (directory != NULL)
		closedir(directory);
}

static inline int
remove_folder(void **state)
{
	(void)state;
	empty_folder();
	return rmdir(folder);
}

static inline const char *
put_bytes(const char *name, mode_t mode, const void *bytes, size_t length)
{
	const char *path = in_folder(name);
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static inline const char *
put_file(const char *name, mode_t mode, const char *text)
{
	return put_bytes(name, mode, text, strlen(text));
}

/* Runs a shell command in the folder; its exit status. */
static inline int
shell(const char *command)
{
	char line[1024];
	int status;

	snprintf(line, sizeof line, "cd %s && { %s; } >out 2>&1 </dev/null",
	    folder, command);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
