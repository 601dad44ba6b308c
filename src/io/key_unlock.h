/* SPDX-License-Identifier: ISC */
/*
 * key_unlock.h - opening a key file with its passphrase, without blocking
 *
 * The derivation is slow on purpose: a thread does it.
 */
#ifndef SJ_IO_KEY_UNLOCK_H
#define SJ_IO_KEY_UNLOCK_H

#include "io/key_file.h"

#define PASSPHRASE_MAX 1024

struct key_unlock;

/* NULL with errno. The passphrase is copied, and wiped when it was used. *fd
 * becomes readable when it is done; it belongs to the object. */
struct key_unlock *key_unlock_start(const char *path, const char *passphrase,
    int *fd);
/* As key_file_read(); frees the object. Once the descriptor is readable. */
int key_unlock_take(struct key_unlock *unlock, struct key_file *key,
    char *error, size_t capacity);
/* Nobody wants it any more; NULL is fine. */
void key_unlock_cancel(struct key_unlock *unlock);

#endif
