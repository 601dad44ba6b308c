/* SPDX-License-Identifier: ISC */
/*
 * crypto.c - hashes, key derivation, handshake AEAD
 *
 * crypto_packet.c has the packet AEADs and header masks, crypto_key.c the
 * public keys. The three are the only files that include OpenSSL's headers.
 */
#include "core/crypto_internal.h"

static const char *const hash_names[HASHES] = {
	[HASH_SHA256] = "SHA256",
	[HASH_SHA512] = "SHA512",
	[HASH_BLAKE2S] = "BLAKE2S-256",
	[HASH_BLAKE2B] = "BLAKE2B-512",
};

void
sj__wipe(void *bytes, size_t length)
{
	OPENSSL_cleanse(bytes, length);
}

bool
sj__equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

/* --- Open and close ---------------------------------------------------- */

static int
fetch_all(struct sj__crypto *crypto)
{
	crypto->ciphers[CIPHER_AES_256_GCM] = EVP_CIPHER_fetch(NULL,
	    "AES-256-GCM", NULL);
	crypto->ciphers[CIPHER_CHACHA20_POLY1305] = EVP_CIPHER_fetch(NULL,
	    "ChaCha20-Poly1305", NULL);
	crypto->aes_128_ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	crypto->aes_256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	crypto->chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	crypto->digest_context = EVP_MD_CTX_new();
	crypto->cipher_context = EVP_CIPHER_CTX_new();
	crypto->x25519_import = EVP_PKEY_CTX_new_from_name(NULL, "X25519",
	    NULL);
	for (int i = 0; i < HASHES; i++) {
		crypto->digests[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
		if (crypto->digests[i] == NULL)
			return SJ_ERR_STATE;
	}
	if (crypto->ciphers[0] == NULL || crypto->ciphers[1] == NULL ||
	    crypto->aes_128_ecb == NULL || crypto->aes_256_ecb == NULL ||
	    crypto->chacha20 == NULL || crypto->x25519_import == NULL ||
	    EVP_PKEY_fromdata_init(crypto->x25519_import) <= 0)
		return SJ_ERR_STATE;
	if (crypto->digest_context == NULL || crypto->cipher_context == NULL)
		return SJ_ERR_MEMORY;
	crypto->has_kem = sj__kem_fetch();
	return sj__packet_aeads_fetch(crypto);
}

int
sj__crypto_open(struct sj__crypto **out, struct sj__memory *memory,
    const struct sj_aead *const *faster)
{
	struct sj__crypto *crypto = sj__memory_allocate(memory, sizeof *crypto);
	int error;

	*out = NULL;
	if (crypto == NULL)
		return SJ_ERR_MEMORY;
	memset(crypto, 0, sizeof *crypto);
	crypto->faster = faster;
	error = fetch_all(crypto);
	if (error < 0) {
		sj__crypto_close(crypto, memory);
		return error;
	}
	*out = crypto;
	return 0;
}

void
sj__crypto_close(struct sj__crypto *crypto, struct sj__memory *memory)
{
	for (int i = 0; i < HASHES; i++)
		EVP_MD_free(crypto->digests[i]);
	for (int i = 0; i < CIPHERS; i++)
		EVP_CIPHER_free(crypto->ciphers[i]);
	EVP_CIPHER_free(crypto->aes_128_ecb);
	EVP_CIPHER_free(crypto->aes_256_ecb);
	EVP_CIPHER_free(crypto->chacha20);
	sj__packet_aeads_free(crypto);
	EVP_MD_CTX_free(crypto->digest_context);
	EVP_CIPHER_CTX_free(crypto->cipher_context);
	EVP_PKEY_CTX_free(crypto->x25519_import);
	sj__memory_free(memory, crypto, sizeof *crypto);
}

/* --- Hashes ------------------------------------------------------------ */

size_t
sj__hash_size(enum sj__hash hash)
{
	return hash == HASH_SHA256 || hash == HASH_BLAKE2S ? 32 : 64;
}

static size_t
block_size(enum sj__hash hash)
{
	return hash == HASH_SHA256 || hash == HASH_BLAKE2S ? 64 : 128;
}

int
sj__hash_parts(struct sj__crypto *crypto, enum sj__hash hash,
    const struct span *parts, size_t count, uint8_t *out)
{
	EVP_MD_CTX *context = crypto->digest_context;
	int good = EVP_DigestInit_ex2(context, crypto->digests[hash], NULL);

	for (size_t i = 0; i < count && good; i++)
		if (parts[i].length > 0)
			good = EVP_DigestUpdate(context, parts[i].data,
			    parts[i].length);
	good = good && EVP_DigestFinal_ex(context, out, NULL);
	return good ? 0 : SJ_ERR_MEMORY;
}

/* HMAC by its definition (RFC 2104): the same for every hash, and without the
 * thousand nanoseconds of setting up an EVP_MAC. */
int
sj__hmac_parts(struct sj__crypto *crypto, enum sj__hash hash, struct span key,
    const struct span *parts, size_t count, uint8_t *out)
{
	size_t block = block_size(hash), size = sj__hash_size(hash);
	uint8_t pad[128], inner[HASH_SIZE_MAX], short_key[HASH_SIZE_MAX];
	struct span all[8];
	int error = 0;

	assert(count < 8);
	if (key.length > block) {
		error = sj__hash_parts(crypto, hash, &key, 1, short_key);
		key = (struct span){ short_key, size };
	}
	memset(pad, 0x36, block);
	for (size_t i = 0; i < key.length; i++)
		pad[i] ^= key.data[i];
	all[0] = (struct span){ pad, block };
	for (size_t i = 0; i < count; i++)
		all[i + 1] = parts[i];
	if (error == 0)
		error = sj__hash_parts(crypto, hash, all, count + 1, inner);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	all[1] = (struct span){ inner, size };
	if (error == 0)
		error = sj__hash_parts(crypto, hash, all, 2, out);
	sj__wipe(pad, sizeof pad);
	sj__wipe(inner, sizeof inner);
	sj__wipe(short_key, sizeof short_key);
	return error;
}

void
sj__sha256_parts(struct sj__crypto *crypto, const struct span *parts,
    size_t count, uint8_t out[32])
{
	int error = sj__hash_parts(crypto, HASH_SHA256, parts, count, out);

	assert(error == 0);
	(void)error;
}

void
sj__sha256(struct sj__crypto *crypto, const void *data, size_t length,
    uint8_t out[32])
{
	struct span part = { data, length };

	sj__sha256_parts(crypto, &part, 1, out);
}

void
sj__sha512(struct sj__crypto *crypto, const void *data, size_t length,
    uint8_t out[64])
{
	struct span part = { data, length };
	int error = sj__hash_parts(crypto, HASH_SHA512, &part, 1, out);

	assert(error == 0);
	(void)error;
}

int
sj__hkdf(struct sj__crypto *crypto, enum sj__hash hash,
    const uint8_t *chaining_key, struct span input, uint8_t *out1,
    uint8_t *out2, uint8_t *out3)
{
	size_t size = sj__hash_size(hash);
	struct span key = { chaining_key, size }, parts[2];
	uint8_t temporary[HASH_SIZE_MAX], last[HASH_SIZE_MAX];
	uint8_t *outs[3] = { out1, out2, out3 }, counter = 0;
	int error;

	error = sj__hmac_parts(crypto, hash, key, &input, 1, temporary);
	key.data = temporary;
	for (int i = 0; i < 3 && outs[i] != NULL && error == 0; i++) {
		counter++;
		parts[0] = (struct span){ last, i == 0 ? 0 : size };
		parts[1] = (struct span){ &counter, 1 };
		error = sj__hmac_parts(crypto, hash, key, parts, 2, last);
		memcpy(outs[i], last, size);
	}
	sj__wipe(temporary, sizeof temporary);
	sj__wipe(last, sizeof last);
	return error;
}

int
sj__hkdf_extract(struct sj__crypto *crypto, enum sj__hash hash,
    struct span salt, struct span input, uint8_t *out)
{
	static const uint8_t zeros[HASH_SIZE_MAX];

	if (salt.length == 0)
		salt = (struct span){ zeros, sj__hash_size(hash) };
	return sj__hmac_parts(crypto, hash, salt, &input, 1, out);
}

int
sj__hkdf_expand(struct sj__crypto *crypto, enum sj__hash hash, struct span key,
    struct span info, uint8_t *out, size_t length)
{
	size_t size = sj__hash_size(hash), part;
	uint8_t block[HASH_SIZE_MAX], counter = 0;
	struct span parts[3];
	int error = 0;

	if (length > 255 * size)
		return SJ_ERR_ARGUMENT;
	while (length > 0 && error == 0) {
		parts[0] = (struct span){ block, counter == 0 ? 0 : size };
		parts[1] = info;
		counter++;
		parts[2] = (struct span){ &counter, 1 };
		error = sj__hmac_parts(crypto, hash, key, parts, 3, block);
		part = min_size(length, size);
		memcpy(out, block, part);
		out += part;
		length -= part;
	}
	sj__wipe(block, sizeof block);
	return error;
}

int
sj__expand_label(struct sj__crypto *crypto, const uint8_t secret[32],
    const char *label, struct span context, uint8_t *out, size_t length)
{
	static const char prefix[] = "sojourn ";
	size_t label_length = strlen(label), at = 0;
	uint8_t info[520];
	struct span key = { secret, 32 }, span = { info, 0 };

	if (label_length > 240 || context.length > 240)
		return SJ_ERR_ARGUMENT;
	info[at++] = (uint8_t)(length >> 8);
	info[at++] = (uint8_t)length;
	info[at++] = (uint8_t)(sizeof prefix - 1 + label_length);
	memcpy(info + at, prefix, sizeof prefix - 1);
	at += sizeof prefix - 1;
	memcpy(info + at, label, label_length);
	at += label_length;
	info[at++] = (uint8_t)context.length;
	if (context.length > 0)
		memcpy(info + at, context.data, context.length);
	span.length = at + context.length;
	return sj__hkdf_expand(crypto, HASH_SHA256, key, span, out, length);
}

/* --- Handshake AEAD ---------------------------------------------------- */

int
sj__aead_seal(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t key[32], const uint8_t nonce[12], struct span aad,
    struct span plain, uint8_t *out)
{
	EVP_CIPHER_CTX *context = crypto->cipher_context;
	int done, good;

	good = EVP_EncryptInit_ex2(context, crypto->ciphers[cipher], key, nonce,
	    NULL);
	if (good && aad.length > 0)
		good = EVP_EncryptUpdate(context, NULL, &done, aad.data,
		    (int)aad.length);
	if (good && plain.length > 0)
		good = EVP_EncryptUpdate(context, out, &done, plain.data,
		    (int)plain.length);
	good = good && EVP_EncryptFinal_ex(context, out + plain.length, &done);
	good = good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16,
	    out + plain.length);
	EVP_CIPHER_CTX_reset(context);
	return good ? 0 : SJ_ERR_MEMORY;
}

int
sj__aead_open(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t key[32], const uint8_t nonce[12], struct span aad,
    struct span sealed, uint8_t *out)
{
	EVP_CIPHER_CTX *context = crypto->cipher_context;
	size_t length = sealed.length - 16;
	uint8_t tag[16];
	int done, good;

	if (sealed.length < 16)
		return SJ_ERR_PROTOCOL;
	memcpy(tag, sealed.data + length, 16);
	good = EVP_DecryptInit_ex2(context, crypto->ciphers[cipher], key, nonce,
	    NULL);
	good = good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16,
	    tag);
	if (good && aad.length > 0)
		good = EVP_DecryptUpdate(context, NULL, &done, aad.data,
		    (int)aad.length);
	if (good && length > 0)
		good = EVP_DecryptUpdate(context, out, &done, sealed.data,
		    (int)length);
	good = good && EVP_DecryptFinal_ex(context, tag, &done);
	EVP_CIPHER_CTX_reset(context);
	if (!good && length > 0)
		sj__wipe(out, length);
	return good ? 0 : SJ_ERR_PROTOCOL;
}
