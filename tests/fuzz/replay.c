/* SPDX-License-Identifier: ISC */
/*
 * replay.c - the inputs that are kept, once more
 *
 * Its arguments are files and directories of them. Fails if there is no input
 * at all: a corpus that went missing is no success.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned inputs;

/* In memory of its very size, so that a sanitizer sees what goes beyond. */
static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat info;
	uint8_t *bytes;

	if (file == NULL || fstat(fileno(file), &info) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	bytes = malloc((size_t)info.st_size);
	if (info.st_size > 0 && (bytes == NULL || fread(bytes, 1,
	    (size_t)info.st_size, file) != (size_t)info.st_size)) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(file);
	if (getenv("FUZZ_VERBOSE") != NULL)
		fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(bytes, (size_t)info.st_size);
	free(bytes);
	inputs++;
}

static void
replay(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (directory == NULL) {
		if (errno == ENOTDIR)
			replay_file(path);
		else if (errno != ENOENT) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			exit(1);
		}
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		replay_file(name);
	}
	closedir(directory);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs\n", inputs);
	return inputs == 0;
}
