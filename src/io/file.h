/* SPDX-License-Identifier: ISC */
/* file.h - small files, read and written whole */
#ifndef SJ_IO_FILE_H
#define SJ_IO_FILE_H

#include <stddef.h>
#include <sys/stat.h>

/* The whole file with a NUL behind it, to be freed; NULL with errno. A file
 * over max bytes is EFBIG; anything but a regular file EINVAL. info may be
 * NULL. */
char *file_read(const char *path, size_t max, size_t *length,
    struct stat *info);
/* A new file with mode 0600, complete or not at all (a link to a temporary
 * name, synced): -1 with errno, EEXIST if it is there already. */
int file_create(const char *path, const char *bytes, size_t length);

#endif
