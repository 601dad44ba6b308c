/* SPDX-License-Identifier: ISC */
/*
 * bcrypt_pbkdf.h - from a passphrase to the key of an openssh-key-v1 file
 */
#ifndef SJ_IO_BCRYPT_PBKDF_H
#define SJ_IO_BCRYPT_PBKDF_H

#include <stddef.h>
#include <stdint.h>

#define BCRYPT_PBKDF_OUT_MAX 1024
#define BCRYPT_PBKDF_SALT_MAX 1024

/* 0, or negative: an argument is out of range, or there is no memory. Takes
 * about 2 ms a round for each 32 bytes of out. */
int bcrypt_pbkdf(const char *passphrase, size_t length, const uint8_t *salt,
    size_t salt_length, uint32_t rounds, uint8_t *out, size_t out_length);

#endif
