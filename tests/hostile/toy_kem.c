/* SPDX-License-Identifier: ISC */
/*
 * toy_kem.c - in the place of ML-KEM-768 where libcrypto lacks it
 *
 * No secret is safe with it. It is there so that the rules of the hybrid
 * handshake, what is offered, refused, believed and remembered, are tested on
 * every machine. By the linker, in the place of the calls of crypto.h.
 */
#include <string.h>

#include "core/crypto.h"

#define TOY_SIZE 32

bool __real_sj__kem_is_there(const struct sj__crypto *);
bool __wrap_sj__kem_is_there(const struct sj__crypto *);
int __real_sj__kem_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __wrap_sj__kem_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __real_sj__kem_encapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *, uint8_t *);
int __wrap_sj__kem_encapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *, uint8_t *);
int __real_sj__kem_decapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *);
int __wrap_sj__kem_decapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *);

bool
__wrap_sj__kem_is_there(const struct sj__crypto *crypto)
{
	(void)crypto;
	return true;
}

int
__wrap_sj__kem_public(struct sj__crypto *crypto, const uint8_t *seed,
    uint8_t *public_key)
{
	if (__real_sj__kem_is_there(crypto))
		return __real_sj__kem_public(crypto, seed, public_key);
	memset(public_key, 0x70, KEM_PUBLIC_SIZE);
	sj__sha256(crypto, seed, KEM_SEED_SIZE, public_key);
	return 0;
}

static void
make_secret(struct sj__crypto *crypto, const uint8_t *public_key,
    const uint8_t *ciphertext, uint8_t *secret)
{
	uint8_t both[2 * TOY_SIZE];

	memcpy(both, public_key, TOY_SIZE);
	memcpy(both + TOY_SIZE, ciphertext, TOY_SIZE);
	sj__sha256(crypto, both, sizeof both, secret);
}

int
__wrap_sj__kem_encapsulate(struct sj__crypto *crypto,
    const uint8_t *public_key, const uint8_t *random, uint8_t *ciphertext,
    uint8_t *secret)
{
	if (__real_sj__kem_is_there(crypto))
		return __real_sj__kem_encapsulate(crypto, public_key, random,
		    ciphertext, secret);
	memset(ciphertext, 0x63, KEM_CIPHERTEXT_SIZE);
	memcpy(ciphertext, random, TOY_SIZE);
	make_secret(crypto, public_key, ciphertext, secret);
	return 0;
}

int
__wrap_sj__kem_decapsulate(struct sj__crypto *crypto, const uint8_t *seed,
    const uint8_t *ciphertext, uint8_t *secret)
{
	uint8_t public_key[KEM_PUBLIC_SIZE];

	if (__real_sj__kem_is_there(crypto))
		return __real_sj__kem_decapsulate(crypto, seed, ciphertext,
		    secret);
	__wrap_sj__kem_public(crypto, seed, public_key);
	make_secret(crypto, public_key, ciphertext, secret);
	return 0;
}
