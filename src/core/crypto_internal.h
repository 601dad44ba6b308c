/* SPDX-License-Identifier: ISC */
/* crypto_internal.h - what the four files behind crypto.h share */
#ifndef SJ_CORE_CRYPTO_INTERNAL_H
#define SJ_CORE_CRYPTO_INTERNAL_H

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/crypto.h"

#define PACKET_AEADS 3

/* A packet AEAD of libcrypto. */
struct packet_aead {
	struct sj_aead table;
	EVP_CIPHER *cipher;
};

struct sj__crypto {
	EVP_MD *digests[HASHES];
	EVP_CIPHER *ciphers[CIPHERS];
	EVP_CIPHER *aes_128_ecb, *aes_256_ecb, *chacha20;
	EVP_MD_CTX *digest_context;
	EVP_CIPHER_CTX *cipher_context;
	EVP_PKEY_CTX *x25519_import;
	struct packet_aead packet_aeads[PACKET_AEADS];
	const struct sj_aead *const *faster;
	bool has_kem;
};

int sj__packet_aeads_fetch(struct sj__crypto *crypto);
void sj__packet_aeads_free(struct sj__crypto *crypto);
bool sj__kem_fetch(void);

#endif
