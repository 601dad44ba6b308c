/* SPDX-License-Identifier: ISC */
/*
 * authorized_keys.h - who may log in, in ssh's format
 *
 * A line with any option is refused until options are honoured: a restriction
 * that is not kept is worse than none.
 */
#ifndef SJ_IO_AUTHORIZED_KEYS_H
#define SJ_IO_AUTHORIZED_KEYS_H

#include <stddef.h>

/* 1: the key blob is in the file, 0: it is not, negative: SJ_ERR_FILE. why
 * names file and line where there is something to say. A file or directory
 * that others may write is refused, as sshd's StrictModes does. */
int authorized_keys_check(const char *path, const void *key_blob,
    size_t length, char *why, size_t capacity);

#endif
