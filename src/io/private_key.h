/* SPDX-License-Identifier: ISC */
/*
 * private_key.h - the private keys a client signs with
 *
 * Ed25519, ECDSA and RSA as libcrypto has them: read from ssh's or PEM's form,
 * asked for ssh's signatures. They draw randomness, so they are not the core's.
 */
#ifndef SJ_IO_PRIVATE_KEY_H
#define SJ_IO_PRIVATE_KEY_H

#include <stdbool.h>

#include "core/base.h"

struct evp_pkey_st;

/* From the fields of openssh-key-v1's private section, type first; NULL: it is
 * none, or its halves do not belong together. */
struct evp_pkey_st *private_key_read(struct span fields);
/* From PEM, PKCS #8 or the older forms. *is_encrypted: the passphrase is
 * missing (NULL) or may be wrong. */
struct evp_pkey_st *private_key_from_pem(const char *text, size_t length,
    const char *passphrase, bool *is_encrypted);
void private_key_free(struct evp_pkey_st *key);
/* Its ssh public key blob; the length, or -1: no kind of key for ssh. */
ptrdiff_t private_key_blob(const struct evp_pkey_st *key, uint8_t *out,
    size_t capacity);
/* ssh's signature blob, RSA's by rsa-sha2-512; the length, or -1. */
ptrdiff_t private_key_sign(struct evp_pkey_st *key, struct span message,
    uint8_t *out, size_t capacity);

#endif
