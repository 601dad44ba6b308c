/* SPDX-License-Identifier: ISC */
/* file.c - small files, read and written whole */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *
read_all(int fd, size_t max, size_t *length, struct stat *info)
{
	size_t used = 0;
	ssize_t got = 1;
	char *bytes;

	if (fstat(fd, info) < 0)
		return NULL;
	if (!S_ISREG(info->st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	if ((size_t)info->st_size > max) {
		errno = EFBIG;
		return NULL;
	}
	bytes = malloc((size_t)info->st_size + 2);
	while (bytes != NULL && got > 0 && used <= (size_t)info->st_size) {
		got = read(fd, bytes + used, (size_t)info->st_size + 1 - used);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		used += got > 0 ? (size_t)got : 0;
	}
	if (bytes != NULL && got < 0) {
		free(bytes);
		return NULL;
	}
	if (bytes != NULL)
		bytes[used] = '\0';
	*length = used;
	return bytes;
}

char *
file_read(const char *path, size_t max, size_t *length, struct stat *info)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), error;
	struct stat own;
	char *bytes;

	if (fd < 0)
		return NULL;
	bytes = read_all(fd, max, length, info != NULL ? info : &own);
	error = errno;
	close(fd);
	errno = error;
	return bytes;
}

static int
write_all(int fd, const char *bytes, size_t length)
{
	ssize_t written;

	while (length > 0) {
		written = write(fd, bytes, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		length -= (size_t)written;
	}
	return fsync(fd);
}

int
file_create(const char *path, const char *bytes, size_t length)
{
	char temporary[4096];
	int fd, result = -1, error;

	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >=
	    (int)sizeof temporary) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (write_all(fd, bytes, length) == 0)
		result = link(temporary, path);
	error = errno;
	close(fd);
	unlink(temporary);
	errno = error;
	return result;
}
