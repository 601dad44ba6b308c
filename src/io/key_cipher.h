/* SPDX-License-Identifier: ISC */
/*
 * key_cipher.h - the ciphers of key files with a passphrase (openssh-key-v1)
 */
#ifndef SJ_IO_KEY_CIPHER_H
#define SJ_IO_KEY_CIPHER_H

#include "core/base.h"

/* How a file says it is encrypted; tag is what follows the sealed section. */
struct key_cipher {
	struct span cipher, kdf, options, sealed, tag;
};

/* False: no passphrase will ever do, here. */
bool key_cipher_is_known(const struct key_cipher *how);
/* Opens the section into out, of sealed.length. False: a cipher or derivation
 * that is not known, or the passphrase is wrong as far as the cipher tells; the
 * check words of the section tell the rest. */
bool key_cipher_open(const struct key_cipher *how, const char *passphrase,
    uint8_t *out);

#endif
