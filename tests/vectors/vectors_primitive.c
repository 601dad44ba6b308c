/* SPDX-License-Identifier: ISC */
/*
 * vectors_primitive.c - AEAD, signatures, Diffie-Hellman, hashes, derivation
 *
 * An AEAD vector goes through every table there is: libcrypto's, that of
 * intel-ipsec-mb, and the one-message form that handshakes use.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"

/* --- AEAD -------------------------------------------------------------- */

struct message {
	struct span key, nonce, aad, plain, sealed, tag;
	bool is_valid;
};

static const char *
run_table(struct run *run, const struct sj_aead *aead,
    const struct message *message)
{
	size_t length = message->plain.length, room = aead->context_size;
	void *context = aligned_alloc(64, (room + 63) / 64 * 64);
	uint8_t *bytes = run_allocate(run, length), tag[16];
	const char *answer = NULL;
	int opened;

	if (context == NULL || aead->init(aead, context,
	    message->key.data) < 0) {
		free(context);
		return why(run, "%s: no context", aead->provider);
	}
	memcpy(bytes, message->sealed.data, length);
	opened = aead->open(aead, context, message->nonce.data,
	    message->aad.data, message->aad.length, bytes, length,
	    message->tag.data);
	if ((opened == 0) != message->is_valid)
		answer = why(run, "%s: open says %d", aead->provider, opened);
	else if (opened == 0 && memcmp(bytes, message->plain.data, length) != 0)
		answer = why(run, "%s: wrong plaintext", aead->provider);
	memcpy(bytes, message->plain.data, length);
	if (answer == NULL && aead->seal(aead, context, message->nonce.data,
	    message->aad.data, message->aad.length, bytes, length, tag) < 0)
		answer = why(run, "%s: seal fails", aead->provider);
	if (answer == NULL && (memcmp(bytes, message->sealed.data, length) == 0
	    && memcmp(tag, message->tag.data, 16) == 0) != message->is_valid)
		answer = why(run, "%s: seal differs", aead->provider);
	aead->fini(aead, context);
	free(context);
	return answer;
}

/* As handshakes seal, with keys of 32 bytes only. */
static const char *
run_handshake(struct run *run, enum sj__cipher cipher,
    const struct message *message)
{
	size_t length = message->plain.length;
	uint8_t *whole = run_allocate(run, length + 16);
	uint8_t *out = run_allocate(run, length + 16);
	struct span sealed = { whole, length + 16 };
	int opened;

	memcpy(whole, message->sealed.data, length);
	memcpy(whole + length, message->tag.data, 16);
	opened = sj__aead_open(run->crypto, cipher, message->key.data,
	    message->nonce.data, message->aad, sealed, out);
	if ((opened == 0) != message->is_valid)
		return "handshake AEAD: open";
	if (opened == 0 && memcmp(out, message->plain.data, length) != 0)
		return "handshake AEAD: wrong plaintext";
	if (sj__aead_seal(run->crypto, cipher, message->key.data,
	    message->nonce.data, message->aad, message->plain, out) < 0 ||
	    (memcmp(out, whole, length + 16) == 0) != message->is_valid)
		return "handshake AEAD: seal";
	return NULL;
}

static const char *
run_everywhere(struct run *run, const char *name,
    const struct message *message)
{
	const struct sj_aead *plain = sj__crypto_plain_aead(run->crypto, name);
	const struct sj_aead *const *faster = run->faster;
	const char *answer = run_table(run, plain, message);

	for (; answer == NULL && faster != NULL && *faster != NULL; faster++)
		if (strcmp((*faster)->name, name) == 0)
			answer = run_table(run, *faster, message);
	if (answer == NULL && plain->key_size == 32)
		answer = run_handshake(run, strcmp(name, "AES-256-GCM") == 0 ?
		    CIPHER_AES_256_GCM : CIPHER_CHACHA20_POLY1305, message);
	return answer;
}

const char *
check_aead(struct run *run, json_t *vector, const char *algorithm)
{
	struct message message = {
		.key = field(run, vector, "key"),
		.nonce = field(run, vector, "iv"),
		.aad = field(run, vector, "aad"),
		.plain = field(run, vector, "msg"),
		.sealed = field(run, vector, "ct"),
		.tag = field(run, vector, "tag"),
		.is_valid = is_valid(vector),
	};
	bool is_aes = algorithm != NULL && strcmp(algorithm, "AES-GCM") == 0;

	if (algorithm == NULL)
		return "no algorithm";
	if (strcmp(algorithm, "XCHACHA20-POLY1305") == 0)
		return SKIP_XCHACHA;
	if (!is_aes && strcmp(algorithm, "CHACHA20-POLY1305") != 0)
		return why(run, "an AEAD that is not ours: %s", algorithm);
	if (message.nonce.length != 12)
		return message.is_valid ? SKIP_NONCE : NULL;
	if (message.tag.length != 16 || message.sealed.data == NULL ||
	    message.sealed.length != message.plain.length)
		return message.is_valid ? "odd lengths" : NULL;
	if (is_aes && message.key.length == 16)
		return run_everywhere(run, "AES-128-GCM", &message);
	if (message.key.length != 32)
		return message.is_valid ? "skip: no AES-192" : NULL;
	return run_everywhere(run, is_aes ? "AES-256-GCM" :
	    "ChaCha20-Poly1305", &message);
}

/* --- Ed25519 ----------------------------------------------------------- */

const char *
check_eddsa(struct run *run, json_t *vector)
{
	json_t *key = json_object_get(vector, "publicKey");
	const uint8_t *public_key;
	struct span message = field(run, vector, "msg");
	struct span signature = field(run, vector, "sig");
	bool good;

	if (key == NULL)
		key = json_object_get(vector, "key");
	public_key = field_of(run, key, "pk", 32);
	good = public_key != NULL && signature.length == 64 &&
	    sj__ed25519_verify(run->crypto, public_key, message,
	    signature.data) == 0;
	return good == is_valid(vector) ? NULL : good ?
	    "a bad signature is taken" : "a good signature is refused";
}

/*
 * CCTV's file has no verdicts, only flags. Each of its signatures satisfies the
 * equation with the cofactor, 8SB = 8R + 8kA, unless k is off. Our rule
 * (sj__ed25519_verify): refuse what is not canonical in A or R; refuse A of low
 * order, whose signatures anybody can make; then the equation without the
 * cofactor as OpenSSL computes it, SB - kA encoded and compared with R. It
 * fails exactly if the difference is a point of low order that is not zero
 * (low_order_residue). So: valid unless one of these four flags is set.
 * low_order_R, and components of low order in A or R, do not matter by
 * themselves. reencoded_k (k over the canonical forms) only goes with points
 * that are not canonical.
 */
const char *
check_cctv_ed25519(struct run *run, json_t *vector)
{
	static const char *const refused[] = { "non_canonical_A",
	    "non_canonical_R", "low_order_A", "low_order_residue" };
	const uint8_t *key = field_of(run, vector, "key", 32);
	const uint8_t *signature = field_of(run, vector, "sig", 64);
	const char *text = text_of(vector, "msg");
	bool expected = true, good;
	struct span message;

	if (key == NULL || signature == NULL || text == NULL)
		return "odd lengths";
	for (int i = 0; i < 4; i++)
		expected &= !has_flag(vector, refused[i]);
	message = (struct span){ (const uint8_t *)text, strlen(text) };
	good = sj__ed25519_verify(run->crypto, key, message, signature) == 0;
	return good == expected ? NULL : good ? "taken against our rule" :
	    "refused against our rule";
}

const char *
check_rfc8032(struct run *run, json_t *vector)
{
	const uint8_t *seed = field_of(run, vector, "secretKey", 32);
	const uint8_t *key = field_of(run, vector, "publicKey", 32);
	const uint8_t *given = field_of(run, vector, "signature", 64);
	struct span message = field(run, vector, "message");
	uint8_t out[64];

	if (seed == NULL || key == NULL || given == NULL)
		return "odd lengths";
	if (sj__ed25519_public(run->crypto, seed, out) < 0 ||
	    memcmp(out, key, 32) != 0)
		return "the public key";
	if (sj__ed25519_sign(run->crypto, seed, message, out) < 0 ||
	    memcmp(out, given, 64) != 0)
		return "the signature";
	if (sj__ed25519_verify(run->crypto, key, message, given) < 0)
		return "it does not verify";
	out[63] ^= 1;
	if (sj__ed25519_verify(run->crypto, key, message, out) == 0)
		return "a changed one verifies";
	return NULL;
}

/* --- X25519 ------------------------------------------------------------ */

/* Twists and odd encodings give what RFC 7748 says; zero is refused. */
const char *
check_x25519(struct run *run, json_t *vector)
{
	static const uint8_t zeros[32];
	const uint8_t *peer = field_of(run, vector, "public", 32);
	const uint8_t *own = field_of(run, vector, "private", 32);
	const uint8_t *given = field_of(run, vector, "shared", 32);
	const char *result = text_of(vector, "result");
	uint8_t shared[32];
	int error;

	if (peer == NULL || own == NULL || given == NULL)
		return result != NULL && strcmp(result, "invalid") == 0 ?
		    NULL : "odd lengths";
	error = sj__x25519(run->crypto, own, peer, shared);
	if (memcmp(given, zeros, 32) == 0)
		return error < 0 ? NULL : "zero is taken";
	if (error < 0)
		return "it is refused";
	return memcmp(shared, given, 32) == 0 ? NULL : "the shared secret";
}

const char *
check_x25519_iterated(struct run *run, json_t *vector)
{
	uint8_t k[32] = { 9 }, u[32] = { 9 }, next[32];
	const char *name = json_object_iter_key(json_object_iter(vector));
	const uint8_t *given = field_of(run, vector, name, 32);
	unsigned long rounds = strtoul(name, NULL, 10);

	if (given == NULL || rounds == 0)
		return "no number of rounds, or no result";
	for (unsigned long i = 0; i < rounds; i++) {
		if (sj__x25519(run->crypto, k, u, next) < 0)
			return "it is refused";
		memcpy(u, k, 32);
		memcpy(k, next, 32);
	}
	return memcmp(k, given, 32) == 0 ? NULL : "the result";
}

/* --- Hashes and derivation --------------------------------------------- */

static bool
is_sha512(json_t *vector)
{
	const char *algorithm = text_of(vector, "algorithm");

	return algorithm != NULL && strstr(algorithm, "512") != NULL;
}

const char *
check_hkdf(struct run *run, json_t *vector)
{
	enum sj__hash hash = is_sha512(vector) ? HASH_SHA512 : HASH_SHA256;
	size_t size = (size_t)json_integer_value(json_object_get(vector,
	    "size"));
	struct span info = field(run, vector, "info"), given, key;
	uint8_t extracted[HASH_SIZE_MAX];
	uint8_t *out = run_allocate(run, size);
	int error;

	given = field(run, vector, "okm");
	error = sj__hkdf_extract(run->crypto, hash, field(run, vector, "salt"),
	    field(run, vector, "ikm"), extracted);
	key = (struct span){ extracted, sj__hash_size(hash) };
	if (error == 0)
		error = sj__hkdf_expand(run->crypto, hash, key, info, out,
		    size);
	if (!is_valid(vector))
		return error < 0 ? NULL : "it is not refused";
	return error == 0 && same(given, (struct span){ out, size }) ? NULL :
	    "the output";
}

const char *
check_mac(struct run *run, json_t *vector)
{
	enum sj__hash hash = is_sha512(vector) ? HASH_SHA512 : HASH_SHA256;
	struct span message = field(run, vector, "msg");
	struct span tag = field(run, vector, "tag");
	uint8_t out[HASH_SIZE_MAX];
	bool good;

	if (sj__hmac_parts(run->crypto, hash, field(run, vector, "key"),
	    &message, 1, out) < 0)
		return "it fails";
	good = tag.data != NULL && tag.length > 0 &&
	    tag.length <= sj__hash_size(hash) &&
	    sj__equal(out, tag.data, tag.length);
	return good == is_valid(vector) ? NULL : "the tag";
}

/* Keyed BLAKE2 is not used by the protocol: libcrypto alone is asked. */
static const char *
keyed_blake2(struct span key, struct span in, struct span given)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, given.length == 32 ? "BLAKE2SMAC" :
	    "BLAKE2BMAC", NULL);
	EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	uint8_t out[64];
	size_t length = 0;
	bool good = context != NULL && EVP_MAC_init(context, key.data,
	    key.length, NULL) && EVP_MAC_update(context, in.data, in.length) &&
	    EVP_MAC_final(context, out, &length, sizeof out);

	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	if (!good)
		return "it fails";
	return same(given, (struct span){ out, length }) ? NULL : "the MAC";
}

const char *
check_blake2(struct run *run, json_t *vector)
{
	struct span in = field(run, vector, "in");
	struct span key = field(run, vector, "key");
	struct span given = field(run, vector, "out");
	enum sj__hash hash = given.length == 32 ? HASH_BLAKE2S : HASH_BLAKE2B;
	uint8_t out[HASH_SIZE_MAX];

	if (given.length != 32 && given.length != 64)
		return "neither BLAKE2s-256 nor BLAKE2b-512";
	if (key.length > 0)
		return keyed_blake2(key, in, given);
	if (sj__hash_parts(run->crypto, hash, &in, 1, out) < 0)
		return "it fails";
	return memcmp(out, given.data, given.length) == 0 ? NULL : "the hash";
}
