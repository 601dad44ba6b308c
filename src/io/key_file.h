/* SPDX-License-Identifier: ISC */
/*
 * key_file.h - keys in files, as ssh keeps them
 *
 * Private ones in OpenSSH's own format or PEM (PKCS #8 and what came before),
 * with a passphrase or without; public ones as a line. Ed25519, ECDSA over the
 * three curves of NIST, RSA; of keys in FIDO devices the file is only a handle,
 * which is read as the public half.
 */
#ifndef SJ_IO_KEY_FILE_H
#define SJ_IO_KEY_FILE_H

#include <sojourn.h>

#include "core/crypto.h"

struct evp_pkey_st;

struct key_file {
	uint8_t blob[SSH_KEY_BLOB_MAX];
	size_t blob_length;             /* 0: not known without the passphrase */
	struct evp_pkey_st *private_key; /* NULL: see is_encrypted */
	bool is_encrypted;              /* the passphrase was missing or wrong; else
	                                 * without a private key: a public half */
	bool is_foreign;                /* encrypted, in a way not known here */
};

/* passphrase may be NULL. 0, or SJ_ERR_FILE / SJ_ERR_NO_CREDENTIAL and why in
 * error. Clear it after use, whatever was returned. */
int key_file_read(const char *path, const char *passphrase,
    struct key_file *key, char *error, size_t capacity);
void key_file_clear(struct key_file *key);
/* Text of a new private key file from a seed; its length, with NUL. */
ptrdiff_t key_file_format(const uint8_t seed[32], const uint8_t public_key[32],
    const char *comment, char *out, size_t capacity);

#define ED25519_BLOB_SIZE 51            /* "ssh-ed25519" and 32 bytes, as strings */
void key_blob_of(const uint8_t public_key[32], uint8_t blob[ED25519_BLOB_SIZE]);

#endif
