/* SPDX-License-Identifier: ISC */
/*
 * host_key.h - the server's static X25519 key in a file
 *
 * One line: "sojourn-x25519-private-key-v1 BASE64". Mode 0600: a key that
 * others can read is refused.
 */
#ifndef SJ_IO_HOST_KEY_H
#define SJ_IO_HOST_KEY_H

#include <sojourn_core.h>

/* Made, if it is missing, from the io's random source. 0, or SJ_ERR_FILE and
 * why in error. */
int host_key_load(const char *path, const struct sj_io *io,
    uint8_t key_private[32], char *error, size_t capacity);

#endif
