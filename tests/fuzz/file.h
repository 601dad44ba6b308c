/* SPDX-License-Identifier: ISC */
/*
 * file.h - a file that is the input, for readers of whole files
 *
 * Include it before the .c that is to be searched: it takes the place of
 * file_read(), so that no run touches a disk.
 */
#ifndef FUZZ_FILE_H
#define FUZZ_FILE_H

#include <errno.h>
#include <sys/stat.h>

#include "fuzz.h"

#define file_read fuzz_file_read
#include "io/file.h"

static struct span file;
static mode_t file_mode = 0600;

char *
file_read(const char *path, size_t max, size_t *length, struct stat *info)
{
	char *bytes;

	(void)path;
	if (file.length > max) {
		errno = EFBIG;
		return NULL;
	}
	if (info != NULL) {
		memset(info, 0, sizeof *info);
		info->st_mode = S_IFREG | file_mode;
	}
	bytes = malloc(file.length + 1);
	MUST(bytes != NULL);
	if (file.length > 0)
		memcpy(bytes, file.data, file.length);
	bytes[file.length] = '\0';
	*length = file.length;
	return bytes;
}

#endif
