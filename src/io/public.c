/* SPDX-License-Identifier: ISC */
/* public.c - calls of sojourn_core.h for programs that hold keys themselves */
#include "core/crypto.h"
#include "io/authorized_keys.h"
#include "io/host_key.h"

int
sj_authorized_keys_check(const char *path, const void *key_blob, size_t length,
    char *why, size_t capacity)
{
	return authorized_keys_check(path, key_blob, length, why, capacity);
}

static int
with_crypto(const uint8_t private_key[32], const uint8_t *peer_key,
    uint8_t out[32])
{
	struct sj__memory memory;
	struct sj__crypto *crypto;
	int error;

	sj__memory_init(&memory, (size_t)1 << 20);
	error = sj__crypto_open(&crypto, &memory, NULL);
	if (error < 0)
		return error;
	error = peer_key != NULL ?
	    sj__x25519(crypto, private_key, peer_key, out) :
	    sj__x25519_public(crypto, private_key, out);
	sj__crypto_close(crypto, &memory);
	return error;
}

int
sj_host_key_load(const char *path, uint8_t private_key[32],
    uint8_t public_key[32], char *error, size_t capacity)
{
	int result = host_key_load(path, &sj_io_none, private_key, error,
	    capacity);

	return result < 0 ? result : with_crypto(private_key, NULL, public_key);
}

int
sj_host_key_dh(const uint8_t private_key[32], const uint8_t peer_key[32],
    uint8_t shared[32])
{
	return with_crypto(private_key, peer_key, shared);
}
