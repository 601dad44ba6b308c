/* SPDX-License-Identifier: ISC */
/*
 * cmd/key_text.h - keys as files hold them
 */
#ifndef SOJOURN_CMD_KEY_TEXT_H
#define SOJOURN_CMD_KEY_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define KEY_FINGERPRINT_MAX 64
#define KEY_TEXT_MAX 1024

/* "SHA256:..." */
void key_fingerprint(const void *bytes, size_t length,
    char out[KEY_FINGERPRINT_MAX]);
/* The public half of a key in OpenSSH's format: a line of a .pub file, or a
 * private key, also one with a passphrase. 0, or negative: it is none. */
int key_text_public(const char *text, char *type, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX]);
/* Likewise of an ssh key blob. */
int key_blob_text(const uint8_t *blob, size_t length, char *type,
    size_t capacity, char fingerprint[KEY_FINGERPRINT_MAX]);
/* A line of the client's known_hosts. 0, or negative: it holds no key. */
int key_text_known_host(const char *line, char *host, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX]);
/* A new ssh-ed25519 key without a passphrase, as the two files hold it. */
int key_text_new(char secret[KEY_TEXT_MAX], char public_text[KEY_TEXT_MAX]);

#endif
