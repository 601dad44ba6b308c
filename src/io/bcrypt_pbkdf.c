/* SPDX-License-Identifier: ISC */
/*
 * bcrypt_pbkdf.c - from a passphrase to the key of an openssh-key-v1 file
 *
 * PBKDF2 with a slow function in the place of HMAC: bcrypt over SHA-512 of the
 * passphrase and of the salt. Defined by what OpenBSD's does; here from its
 * description. Two things are its own: the 32 bytes of a block are scattered
 * over the output, so that every part of it costs all blocks, and bcrypt's
 * cost is fixed at 2^6.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "io/bcrypt_pbkdf.h"
#include "io/blowfish_pi.h"

#define HASH_SIZE 64
#define BLOCK_SIZE 32
#define BLOCK_WORDS (BLOCK_SIZE / 4)
#define EXPANSIONS 64
#define SUBKEYS 18

/* --- Blowfish ------------------------------------------------------------- */

struct blowfish {
	uint32_t subkeys[SUBKEYS];
	uint32_t boxes[4][256];
};

static uint32_t
mix(const struct blowfish *state, uint32_t x)
{
	return ((state->boxes[0][x >> 24] + state->boxes[1][x >> 16 & 0xff]) ^
	    state->boxes[2][x >> 8 & 0xff]) + state->boxes[3][x & 0xff];
}

static void
encipher(const struct blowfish *state, uint32_t pair[2])
{
	uint32_t left = pair[0] ^ state->subkeys[0], right = pair[1];

	for (int i = 1; i <= 16; i += 2) {
		right ^= mix(state, left) ^ state->subkeys[i];
		left ^= mix(state, right) ^ state->subkeys[i + 1];
	}
	pair[0] = right ^ state->subkeys[17];
	pair[1] = left;
}

/* A text of HASH_SIZE bytes as an endless row of big-endian words. */
static uint32_t
next_word(const uint8_t text[HASH_SIZE], size_t *at)
{
	const uint8_t *bytes = text + *at;

	*at = (*at + 4) % HASH_SIZE;
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The key goes into the subkeys; then the state is replaced by what it
 * enciphers, one after the other, with the salt (NULL: none) mixed in. */
static void
expand(struct blowfish *state, const uint8_t *salt,
    const uint8_t key[HASH_SIZE])
{
	uint32_t pair[2] = { 0, 0 }, *words = state->boxes[0];
	size_t at = 0;

	for (int i = 0; i < SUBKEYS; i++)
		state->subkeys[i] ^= next_word(key, &at);
	at = 0;
	for (int i = 0; i < SUBKEYS + 4 * 256; i += 2) {
		if (salt != NULL) {
			pair[0] ^= next_word(salt, &at);
			pair[1] ^= next_word(salt, &at);
		}
		encipher(state, pair);
		memcpy(i < SUBKEYS ? &state->subkeys[i] : &words[i - SUBKEYS],
		    pair, sizeof pair);
	}
}

/* --- The slow function ------------------------------------------------------ */

static void
bcrypt_hash(struct blowfish *state, const uint8_t passphrase[HASH_SIZE],
    const uint8_t salt[HASH_SIZE], uint8_t out[BLOCK_SIZE])
{
	static const uint8_t text[HASH_SIZE] =
	    "OxychromaticBlowfishSwatDynamite";
	uint32_t words[BLOCK_WORDS];
	size_t at = 0;

	memcpy(state->subkeys, blowfish_pi, sizeof state->subkeys);
	memcpy(state->boxes, blowfish_pi + SUBKEYS, sizeof state->boxes);
	expand(state, salt, passphrase);
	for (int i = 0; i < EXPANSIONS; i++) {
		expand(state, NULL, salt);
		expand(state, NULL, passphrase);
	}
	for (int i = 0; i < BLOCK_WORDS; i++)
		words[i] = next_word(text, &at);
	for (int i = 0; i < EXPANSIONS; i++)
		for (int j = 0; j < BLOCK_WORDS; j += 2)
			encipher(state, words + j);
	for (int i = 0; i < BLOCK_WORDS; i++)
		for (int j = 0; j < 4; j++)
			out[4 * i + j] = (uint8_t)(words[i] >> (8 * j));
	OPENSSL_cleanse(words, sizeof words);
}

static int
sha512(const void *bytes, size_t length, uint8_t out[HASH_SIZE])
{
	return EVP_Digest(bytes, length, out, NULL, EVP_sha512(), NULL) == 1 ?
	    0 : -1;
}

struct work {
	struct blowfish state;
	uint8_t passphrase[HASH_SIZE], salt[HASH_SIZE];
	uint8_t last[BLOCK_SIZE], sum[BLOCK_SIZE];
	uint8_t counted[BCRYPT_PBKDF_SALT_MAX + 4];
};

/* Block number count, from 1, into work->sum. */
static int
block(struct work *work, size_t salt_length, uint32_t count, uint32_t rounds)
{
	for (int i = 0; i < 4; i++)
		work->counted[salt_length + (size_t)i] =
		    (uint8_t)(count >> (24 - 8 * i));
	if (sha512(work->counted, salt_length + 4, work->salt) < 0)
		return -1;
	bcrypt_hash(&work->state, work->passphrase, work->salt, work->last);
	memcpy(work->sum, work->last, BLOCK_SIZE);
	for (uint32_t round = 1; round < rounds; round++) {
		if (sha512(work->last, BLOCK_SIZE, work->salt) < 0)
			return -1;
		bcrypt_hash(&work->state, work->passphrase, work->salt,
		    work->last);
		for (int i = 0; i < BLOCK_SIZE; i++)
			work->sum[i] ^= work->last[i];
	}
	return 0;
}

int
bcrypt_pbkdf(const char *passphrase, size_t length, const uint8_t *salt,
    size_t salt_length, uint32_t rounds, uint8_t *out, size_t out_length)
{
	size_t blocks = (out_length + BLOCK_SIZE - 1) / BLOCK_SIZE;
	struct work *work;
	int result;

	if (length == 0 || salt_length == 0 || rounds == 0 ||
	    out_length == 0 || salt_length > BCRYPT_PBKDF_SALT_MAX ||
	    out_length > BCRYPT_PBKDF_OUT_MAX)
		return -1;
	work = malloc(sizeof *work);
	if (work == NULL)
		return -1;
	memcpy(work->counted, salt, salt_length);
	result = sha512(passphrase, length, work->passphrase);
	/* Byte i of block k stands at i * blocks + k. */
	for (size_t k = 0; k < blocks && result == 0; k++) {
		result = block(work, salt_length, (uint32_t)k + 1, rounds);
		for (size_t i = 0; i * blocks + k < out_length &&
		    i < BLOCK_SIZE; i++)
			out[i * blocks + k] = work->sum[i];
	}
	OPENSSL_cleanse(work, sizeof *work);
	free(work);
	return result;
}
