/* SPDX-License-Identifier: ISC */
/* test_crypto.c - tables against each other, strictness, negative controls */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/crypto.h"
#include "io/aead_ipsecmb.h"

static struct sj__memory memory;
static struct sj__crypto *crypto;

/* The same numbers in each run. */
static uint32_t
next_random(void)
{
	static uint64_t state = 7531;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

static void
fill(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)next_random();
}

static int
set_up(void **state)
{
	(void)state;
	sj__memory_init(&memory, 1 << 20);
	return sj__crypto_open(&crypto, &memory, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__crypto_close(crypto, &memory);
	return memory.used == 0 ? 0 : -1;
}

/* --- Packet AEADs ------------------------------------------------------ */

static void *
context_of(const struct sj_aead *aead, const uint8_t *key)
{
	void *context = aligned_alloc(64, (aead->context_size + 63) / 64 * 64);

	assert_non_null(context);
	assert_int_equal(aead->init(aead, context, key), 0);
	return context;
}

static void
free_context(const struct sj_aead *aead, void *context)
{
	aead->fini(aead, context);
	free(context);
}

/* What one seals the other opens, byte for byte the same; any changed byte of
 * text, tag, nonce or header is refused. */
static void
compare(const struct sj_aead *one, const struct sj_aead *two)
{
	uint8_t key[32], nonce[12], aad[40], plain[1500], a[1500], b[1500];
	uint8_t tag_a[16], tag_b[16];
	void *first, *second;

	fill(key, sizeof key);
	first = context_of(one, key);
	second = context_of(two, key);
	for (size_t round = 0; round < 200; round++) {
		size_t length = round < 70 ? round : next_random() % 1500;
		size_t header = next_random() % sizeof aad;

		fill(nonce, sizeof nonce);
		fill(aad, sizeof aad);
		fill(plain, length);
		memcpy(a, plain, length);
		memcpy(b, plain, length);
		assert_int_equal(one->seal(one, first, nonce, aad, header, a,
		    length, tag_a), 0);
		assert_int_equal(two->seal(two, second, nonce, aad, header, b,
		    length, tag_b), 0);
		assert_memory_equal(a, b, length);
		assert_memory_equal(tag_a, tag_b, 16);
		assert_int_equal(two->open(two, second, nonce, aad, header, a,
		    length, tag_a), 0);
		assert_memory_equal(a, plain, length);

		memcpy(a, b, length);
		tag_a[next_random() % 16] ^= 1;
		assert_true(two->open(two, second, nonce, aad, header, a,
		    length, tag_a) < 0);
		nonce[next_random() % 12] ^= 0x80;
		memcpy(a, b, length);
		assert_true(two->open(two, second, nonce, aad, header, a,
		    length, tag_b) < 0);
	}
	free_context(one, first);
	free_context(two, second);
}

static void
test_changed_bytes(void **state)
{
	static const char *const names[] = { "AES-128-GCM", "AES-256-GCM",
	    "ChaCha20-Poly1305" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct sj_aead *aead = sj__crypto_plain_aead(crypto,
		    names[i]);

		assert_non_null(aead);
		assert_string_equal(aead->name, names[i]);
		compare(aead, aead);
	}
}

static void
test_tables_agree(void **state)
{
	struct sj__ipsecmb *ipsecmb = sj__ipsecmb_open();
	const struct sj_aead *const *faster = sj__ipsecmb_aeads(ipsecmb);
	struct sj__crypto *both;

	(void)state;
	if (faster == NULL)
		skip();
	assert_int_equal(sj__crypto_open(&both, &memory, faster), 0);
	for (; *faster != NULL; faster++) {
		const struct sj_aead *plain = sj__crypto_plain_aead(both,
		    (*faster)->name);

		assert_ptr_equal(sj__crypto_aead(both, (*faster)->name),
		    *faster);
		assert_ptr_not_equal(plain, *faster);
		assert_int_equal(plain->key_size, (*faster)->key_size);
		compare(plain, *faster);
		compare(*faster, plain);
	}
	assert_ptr_equal(sj__crypto_aead(both, "ChaCha20-Poly1305"),
	    sj__crypto_plain_aead(both, "ChaCha20-Poly1305"));
	sj__crypto_close(both, &memory);
	sj__ipsecmb_close(ipsecmb);
}

static void
test_unknown_names(void **state)
{
	(void)state;
	assert_null(sj__crypto_aead(crypto, "AES-128-CBC"));
	assert_null(sj__crypto_aead(crypto, NULL));
	assert_null(sj__crypto_plain_aead(crypto, ""));
}

static void
test_handshake_aead(void **state)
{
	uint8_t key[32], nonce[12], out[64 + 16], back[64];
	struct span aad = { (const uint8_t *)"header", 6 };
	struct span plain, sealed = { out, sizeof out };
	uint8_t text[64];

	(void)state;
	fill(key, sizeof key);
	fill(nonce, sizeof nonce);
	fill(text, sizeof text);
	plain = (struct span){ text, sizeof text };
	for (int i = 0; i < CIPHERS; i++) {
		enum sj__cipher cipher = (enum sj__cipher)i;

		assert_int_equal(sj__aead_seal(crypto, cipher, key, nonce, aad,
		    plain, out), 0);
		assert_int_equal(sj__aead_open(crypto, cipher, key, nonce, aad,
		    sealed, back), 0);
		assert_memory_equal(back, text, sizeof text);
		for (size_t at = 0; at < sizeof out; at++) {
			out[at] ^= 0x10;
			assert_int_equal(sj__aead_open(crypto, cipher, key,
			    nonce, aad, sealed, back), SJ_ERR_PROTOCOL);
			out[at] ^= 0x10;
		}
		assert_int_equal(sj__aead_open(crypto, cipher, key, nonce, aad,
		    (struct span){ out, 15 }, back), SJ_ERR_PROTOCOL);
	}
}

/* A batch gives what one at a time gives. */
static void
test_header_masks(void **state)
{
	static const char *const names[] = { "AES-128-GCM", "AES-256-GCM",
	    "ChaCha20-Poly1305" };
	uint8_t key[32], samples[64][16], masks[64][16], one[1][16];

	(void)state;
	fill(key, sizeof key);
	for (int i = 0; i < 3; i++) {
		struct sj__header_key *header;

		fill(samples[0], sizeof samples);
		assert_int_equal(sj__header_key_open(crypto, &memory, names[i],
		    key, &header), 0);
		sj__header_mask_batch(header, samples, masks, 64);
		for (size_t j = 0; j < 64; j++) {
			sj__header_mask_batch(header, samples + j, one, 1);
			assert_memory_equal(one[0], masks[j], 16);
		}
		assert_memory_not_equal(masks[0], masks[1], 16);
		sj__header_key_close(header, &memory);
	}
	sj__header_key_close(NULL, &memory);
}

/* --- Hashes ------------------------------------------------------------ */

static void
test_parts(void **state)
{
	uint8_t text[300], whole[HASH_SIZE_MAX], out[HASH_SIZE_MAX];
	struct span key = { text, 0 };

	(void)state;
	fill(text, sizeof text);
	for (int i = 0; i < HASHES; i++) {
		enum sj__hash hash = (enum sj__hash)i;
		struct span all = { text, 300 };
		struct span parts[3] = { { text, 100 }, { NULL, 0 },
		    { text + 100, 200 } };

		assert_int_equal(sj__hash_parts(crypto, hash, &all, 1, whole),
		    0);
		assert_int_equal(sj__hash_parts(crypto, hash, parts, 3, out),
		    0);
		assert_memory_equal(out, whole, sj__hash_size(hash));
		for (key.length = 0; key.length < 300; key.length += 37) {
			assert_int_equal(sj__hmac_parts(crypto, hash, key, &all,
			    1, whole), 0);
			assert_int_equal(sj__hmac_parts(crypto, hash, key,
			    parts, 3, out), 0);
			assert_memory_equal(out, whole, sj__hash_size(hash));
		}
	}
}

/* Label, context and length each change every key; and one key by hand:
 * HMAC-SHA256(secret, 0x0020 0x0b "sojourn key" 0x00 0x01). */
static void
test_expand_label(void **state)
{
	static const uint8_t known[32] = {
	    0xf6, 0xad, 0xfa, 0xdf, 0x5c, 0x47, 0x56, 0x64,
	    0x73, 0xb2, 0x6e, 0x2c, 0x48, 0xd1, 0xad, 0xe9,
	    0x6b, 0xfb, 0xae, 0x4c, 0x2c, 0xc1, 0x5c, 0xb0,
	    0x43, 0xc3, 0xa6, 0x66, 0x95, 0x88, 0x56, 0xde,
	};
	uint8_t secret[32] = { 1 }, a[32], b[32], long_label[300];
	struct span none = { NULL, 0 }, some = { secret, 4 };

	(void)state;
	assert_int_equal(sj__expand_label(crypto, secret, "key", none, a, 32),
	    0);
	assert_memory_equal(a, known, 32);
	assert_int_equal(sj__expand_label(crypto, secret, "kez", none, b, 32),
	    0);
	assert_memory_not_equal(a, b, 32);
	assert_int_equal(sj__expand_label(crypto, secret, "key", some, b, 32),
	    0);
	assert_memory_not_equal(a, b, 32);
	assert_int_equal(sj__expand_label(crypto, secret, "key", none, b, 16),
	    0);
	assert_memory_not_equal(a, b, 16);
	memset(long_label, 'x', sizeof long_label - 1);
	long_label[sizeof long_label - 1] = '\0';
	assert_int_equal(sj__expand_label(crypto, secret,
	    (const char *)long_label, none, b, 16), SJ_ERR_ARGUMENT);
	assert_int_equal(sj__hkdf_expand(crypto, HASH_SHA256, some, none, a,
	    255 * 32 + 1), SJ_ERR_ARGUMENT);
}

static void
test_equal_and_wipe(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	fill(a, sizeof a);
	memcpy(b, a, sizeof b);
	assert_true(sj__equal(a, b, 32));
	for (size_t i = 0; i < 32; i++) {
		b[i] ^= 1;
		assert_false(sj__equal(a, b, 32));
		b[i] ^= 1;
	}
	sj__wipe(a, sizeof a);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(a[i], 0);
}

/* --- Keys -------------------------------------------------------------- */

static void
test_x25519(void **state)
{
	uint8_t a[32], b[32], public_a[32], public_b[32], one[32], two[32];
	uint8_t zero[32] = { 0 };

	(void)state;
	fill(a, 32);
	fill(b, 32);
	assert_int_equal(sj__x25519_public(crypto, a, public_a), 0);
	assert_int_equal(sj__x25519_public(crypto, b, public_b), 0);
	assert_int_equal(sj__x25519(crypto, a, public_b, one), 0);
	assert_int_equal(sj__x25519(crypto, b, public_a, two), 0);
	assert_memory_equal(one, two, 32);
	assert_int_equal(sj__x25519(crypto, a, zero, one), SJ_ERR_PROTOCOL);
	zero[0] = 1;
	assert_int_equal(sj__x25519(crypto, a, zero, one), SJ_ERR_PROTOCOL);
}

static void
test_ed25519(void **state)
{
	/* L, little-endian: S + L is the classic second signature. */
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63,
	    0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
	    [31] = 0x10 };
	uint8_t seed[32], key[32], signature[64], identity[32] = { 1 };
	struct span message = { seed, 20 };
	unsigned carry = 0;

	(void)state;
	fill(seed, 32);
	assert_int_equal(sj__ed25519_public(crypto, seed, key), 0);
	assert_int_equal(sj__ed25519_sign(crypto, seed, message, signature), 0);
	assert_int_equal(sj__ed25519_verify(crypto, key, message, signature),
	    0);
	for (size_t i = 0; i < 64; i++) {
		signature[i] ^= 4;
		assert_true(sj__ed25519_verify(crypto, key, message,
		    signature) < 0);
		signature[i] ^= 4;
	}
	message.length--;
	assert_true(sj__ed25519_verify(crypto, key, message, signature) < 0);
	message.length++;
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)signature[32 + i] + order[i];
		signature[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_true(sj__ed25519_verify(crypto, key, message, signature) < 0);
	/* R = A = the identity and S = 0 satisfy the equation for any text. */
	memset(signature, 0, 64);
	signature[0] = 1;
	assert_true(sj__ed25519_verify(crypto, identity, message,
	    signature) < 0);
}

/* Where libcrypto has no ML-KEM, each call says so. */
static void
test_kem(void **state)
{
	static uint8_t public_key[KEM_PUBLIC_SIZE], text[KEM_CIPHERTEXT_SIZE];
	uint8_t seed[KEM_SEED_SIZE], random[32], one[32], two[32];

	(void)state;
	fill(seed, sizeof seed);
	fill(random, sizeof random);
	if (!sj__kem_is_there(crypto)) {
		assert_int_equal(sj__kem_public(crypto, seed, public_key),
		    SJ_ERR_STATE);
		assert_int_equal(sj__kem_encapsulate(crypto, public_key, random,
		    text, one), SJ_ERR_STATE);
		assert_int_equal(sj__kem_decapsulate(crypto, seed, text, two),
		    SJ_ERR_STATE);
		return;
	}
	assert_int_equal(sj__kem_public(crypto, seed, public_key), 0);
	assert_int_equal(sj__kem_encapsulate(crypto, public_key, random, text,
	    one), 0);
	assert_int_equal(sj__kem_decapsulate(crypto, seed, text, two), 0);
	assert_memory_equal(one, two, 32);
}

/* FIPS 197 appendix B. */
static void
test_aes_block(void **state)
{
	static const uint8_t key[16] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae,
	    0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
	static const uint8_t in[16] = { 0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a,
	    0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34 };
	static const uint8_t given[16] = { 0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc,
	    0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32 };
	uint8_t out[16];

	(void)state;
	sj__aes128_block(crypto, key, in, out);
	assert_memory_equal(out, given, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_tables_agree),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_handshake_aead),
		cmocka_unit_test(test_header_masks),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_expand_label),
		cmocka_unit_test(test_equal_and_wipe),
		cmocka_unit_test(test_x25519),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_kem),
		cmocka_unit_test(test_aes_block),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
