/* SPDX-License-Identifier: ISC */
/* crypto_key.c - X25519, Ed25519, ML-KEM-768 by libcrypto */
#include "core/crypto_internal.h"

/* --- X25519 ------------------------------------------------------------ */

static int
raw_public(EVP_PKEY *key, uint8_t *out, size_t size)
{
	size_t length = size;

	return key != NULL && EVP_PKEY_get_raw_public_key(key, out, &length) &&
	    length == size ? 0 : SJ_ERR_MEMORY;
}

int
sj__x25519_public(struct sj__crypto *crypto, const uint8_t private_key[32],
    uint8_t public_key[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL,
	    private_key, 32);
	int error = raw_public(key, public_key, 32);

	(void)crypto;
	EVP_PKEY_free(key);
	return error;
}

/* A private key for one exchange. From the private half alone libcrypto would
 * first compute the public one, which takes longer than the exchange itself;
 * nobody looks at it there, so any 32 bytes stand in its place. */
static EVP_PKEY *
private_for_exchange(struct sj__crypto *crypto, const uint8_t private_key[32],
    const uint8_t any[32])
{
	OSSL_PARAM params[3];
	EVP_PKEY *key = NULL;

	params[0] = OSSL_PARAM_construct_octet_string("priv",
	    (void *)(uintptr_t)private_key, 32);
	params[1] = OSSL_PARAM_construct_octet_string("pub",
	    (void *)(uintptr_t)any, 32);
	params[2] = OSSL_PARAM_construct_end();
	if (EVP_PKEY_fromdata(crypto->x25519_import, &key, EVP_PKEY_KEYPAIR,
	    params) <= 0)
		return NULL;
	return key;
}

int
sj__x25519(struct sj__crypto *crypto, const uint8_t private_key[32],
    const uint8_t peer_key[32], uint8_t shared[32])
{
	EVP_PKEY *own = private_for_exchange(crypto, private_key, peer_key);
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL,
	    peer_key, 32);
	EVP_PKEY_CTX *context = own == NULL ? NULL :
	    EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t length = 32;
	int error = SJ_ERR_MEMORY;

	if (context != NULL && peer != NULL &&
	    EVP_PKEY_derive_init(context) > 0 &&
	    EVP_PKEY_derive_set_peer_ex(context, peer, 0) > 0)
		error = EVP_PKEY_derive(context, shared, &length) > 0 &&
		    length == 32 ? 0 : SJ_ERR_PROTOCOL;
	ERR_clear_error();
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	return error;
}

/* --- Ed25519 ----------------------------------------------------------- */

int
sj__ed25519_public(struct sj__crypto *crypto, const uint8_t seed[32],
    uint8_t public_key[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL,
	    seed, 32);
	int error = raw_public(key, public_key, 32);

	(void)crypto;
	EVP_PKEY_free(key);
	return error;
}

int
sj__ed25519_sign(struct sj__crypto *crypto, const uint8_t seed[32],
    struct span message, uint8_t signature[64])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL,
	    seed, 32);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = 64;
	int good;

	(void)crypto;
	good = key != NULL && context != NULL &&
	    EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, key, NULL) &&
	    EVP_DigestSign(context, signature, &length, message.data,
	    message.length);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 : SJ_ERR_MEMORY;
}

/* The y coordinates of the points of small order, little-endian, without the
 * sign bit; with the encodings of them that are not canonical, which the
 * check before refuses anyway. */
static const uint8_t small_order[][32] = {
	{ 0 },
	{ 1 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
	    0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
	    0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
	    0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
	    0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

/* y < p = 2^255 - 19; and x = 0 (y = 1 or -1) has no sign. */
static bool
is_canonical(const uint8_t point[32])
{
	bool below = (point[31] & 0x7f) != 0x7f || point[0] < 0xed;
	uint8_t bare[32];

	for (int i = 1; i < 31 && !below; i++)
		below = point[i] != 0xff;
	if (!below)
		return false;
	memcpy(bare, point, 32);
	bare[31] &= 0x7f;
	return !(point[31] & 0x80) || (memcmp(bare, small_order[1], 32) != 0 &&
	    memcmp(bare, small_order[2], 32) != 0);
}

static bool
has_small_order(const uint8_t point[32])
{
	uint8_t bare[32];

	memcpy(bare, point, 32);
	bare[31] &= 0x7f;
	for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++)
		if (memcmp(bare, small_order[i], 32) == 0)
			return true;
	return false;
}

int
sj__ed25519_verify(struct sj__crypto *crypto, const uint8_t public_key[32],
    struct span message, const uint8_t signature[64])
{
	EVP_PKEY *key;
	EVP_MD_CTX *context;
	int good;

	(void)crypto;
	if (!is_canonical(public_key) || !is_canonical(signature) ||
	    has_small_order(public_key))
		return SJ_ERR_PROTOCOL;
	key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key,
	    32);
	context = EVP_MD_CTX_new();
	good = key != NULL && context != NULL &&
	    EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, key,
	    NULL) && EVP_DigestVerify(context, signature, 64, message.data,
	    message.length) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 : SJ_ERR_PROTOCOL;
}

/* --- ML-KEM-768 -------------------------------------------------------- */

bool
sj__kem_fetch(void)
{
	EVP_KEM *kem = EVP_KEM_fetch(NULL, "ML-KEM-768", NULL);
	bool there = kem != NULL;

	EVP_KEM_free(kem);
	ERR_clear_error();
	return there;
}

bool
sj__kem_is_there(const struct sj__crypto *crypto)
{
	return crypto->has_kem;
}

/* A private key from its seed d || z (FIPS 203 algorithm 16). */
static EVP_PKEY *
kem_private(const uint8_t seed[KEM_SEED_SIZE])
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768",
	    NULL);
	OSSL_PARAM params[2];
	EVP_PKEY *key = NULL;

	params[0] = OSSL_PARAM_construct_octet_string("seed",
	    (void *)(uintptr_t)seed, KEM_SEED_SIZE);
	params[1] = OSSL_PARAM_construct_end();
	if (context == NULL || EVP_PKEY_keygen_init(context) <= 0 ||
	    EVP_PKEY_CTX_set_params(context, params) <= 0 ||
	    EVP_PKEY_generate(context, &key) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

int
sj__kem_public(struct sj__crypto *crypto, const uint8_t seed[KEM_SEED_SIZE],
    uint8_t public_key[KEM_PUBLIC_SIZE])
{
	EVP_PKEY *key;
	int error;

	if (!crypto->has_kem)
		return SJ_ERR_STATE;
	key = kem_private(seed);
	error = raw_public(key, public_key, KEM_PUBLIC_SIZE);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return error;
}

int
sj__kem_encapsulate(struct sj__crypto *crypto,
    const uint8_t public_key[KEM_PUBLIC_SIZE], const uint8_t random[32],
    uint8_t ciphertext[KEM_CIPHERTEXT_SIZE], uint8_t secret[KEM_SECRET_SIZE])
{
	size_t ciphertext_length = KEM_CIPHERTEXT_SIZE;
	size_t secret_length = KEM_SECRET_SIZE;
	EVP_PKEY_CTX *context = NULL;
	OSSL_PARAM params[2];
	EVP_PKEY *peer;
	int good;

	if (!crypto->has_kem)
		return SJ_ERR_STATE;
	params[0] = OSSL_PARAM_construct_octet_string("ikme",
	    (void *)(uintptr_t)random, 32);
	params[1] = OSSL_PARAM_construct_end();
	peer = EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL,
	    public_key, KEM_PUBLIC_SIZE);
	if (peer != NULL)
		context = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
	good = context != NULL &&
	    EVP_PKEY_encapsulate_init(context, params) > 0 &&
	    EVP_PKEY_encapsulate(context, ciphertext, &ciphertext_length,
	    secret, &secret_length) > 0;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(peer);
	ERR_clear_error();
	return good ? 0 : SJ_ERR_PROTOCOL;
}

int
sj__kem_decapsulate(struct sj__crypto *crypto,
    const uint8_t seed[KEM_SEED_SIZE],
    const uint8_t ciphertext[KEM_CIPHERTEXT_SIZE],
    uint8_t secret[KEM_SECRET_SIZE])
{
	size_t length = KEM_SECRET_SIZE;
	EVP_PKEY_CTX *context = NULL;
	EVP_PKEY *key;
	int good;

	if (!crypto->has_kem)
		return SJ_ERR_STATE;
	key = kem_private(seed);
	if (key != NULL)
		context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	good = context != NULL &&
	    EVP_PKEY_decapsulate_init(context, NULL) > 0 &&
	    EVP_PKEY_decapsulate(context, secret, &length, ciphertext,
	    KEM_CIPHERTEXT_SIZE) > 0;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 : SJ_ERR_PROTOCOL;
}
