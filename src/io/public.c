/* SPDX-License-Identifier: ISC */
/* public.c - calls of sojourn_core.h for programs that hold keys themselves */
#include <stdio.h>
#include <string.h>

#include "core/crypto.h"
#include "io/authorized_keys.h"
#include "io/host_key.h"
#include "io/key_file.h"

int
sj_authorized_keys_check(const char *path, const void *key_blob, size_t length,
    char *why, size_t capacity)
{
	return authorized_keys_check(path, key_blob, length, why, capacity);
}

ptrdiff_t
sj_key_file_blob(const char *path, void *blob, size_t capacity, char *error,
    size_t error_capacity)
{
	struct key_file key;
	ptrdiff_t result = key_file_read(path, NULL, &key, error,
	    error_capacity);

	if (result == 0 && key.blob_length == 0) {
		snprintf(error, error_capacity, "%s: it has a passphrase, and "
		    "no public half beside it", path);
		result = SJ_ERR_NO_CREDENTIAL;
	} else if (result == 0 && key.blob_length > capacity) {
		result = SJ_ERR_TOO_BIG;
	} else if (result == 0) {
		memcpy(blob, key.blob, key.blob_length);
		result = (ptrdiff_t)key.blob_length;
	}
	key_file_clear(&key);
	return result;
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
