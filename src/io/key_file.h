/* SPDX-License-Identifier: ISC */
/*
 * key_file.h - Ed25519 keys as ssh keeps them
 */
#ifndef SJ_IO_KEY_FILE_H
#define SJ_IO_KEY_FILE_H

#include <sojourn.h>

#define KEY_BLOB_SIZE 51                /* "ssh-ed25519" and 32 bytes, as strings */

struct key_file {
	uint8_t blob[KEY_BLOB_SIZE];
	uint8_t seed[32];
	int has_seed;                   /* else: public half, or a passphrase */
	int is_encrypted;
};

/* Reads a private key (openssh-key-v1) or a line of a public key. 0, or
 * SJ_ERR_FILE / SJ_ERR_NO_CREDENTIAL and why in error. Wipe it after use. */
int key_file_read(const char *path, struct key_file *key, char *error,
    size_t capacity);
/* Text of a new private key file from a seed; its length, with NUL. */
ptrdiff_t key_file_format(const uint8_t seed[32], const uint8_t public_key[32],
    const char *comment, char *out, size_t capacity);
void key_blob_of(const uint8_t public_key[32], uint8_t blob[KEY_BLOB_SIZE]);

#endif
