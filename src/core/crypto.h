/* SPDX-License-Identifier: ISC */
/*
 * crypto.h - the only door to the crypto library
 *
 * libcrypto does the work; what it offers is fetched once per endpoint and
 * kept here. Nothing in this file draws random bytes: keys are made from bytes
 * that the caller got from the endpoint's hook. A faster packet AEAD comes in
 * as a table (struct sj_aead) and takes the place of the one of its name.
 */
#ifndef SJ_CORE_CRYPTO_H
#define SJ_CORE_CRYPTO_H

#include "core/memory.h"

#define HASH_SIZE_MAX 64
#define KEM_PUBLIC_SIZE 1184            /* ML-KEM-768 */
#define KEM_CIPHERTEXT_SIZE 1088
#define KEM_SEED_SIZE 64
#define KEM_SECRET_SIZE 32

struct sj__crypto;
struct sj__header_key;

enum sj__hash { HASH_SHA256, HASH_SHA512, HASH_BLAKE2S, HASH_BLAKE2B, HASHES };
enum sj__cipher { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305, CIPHERS };

/* SJ_ERR_STATE: libcrypto lacks something that everybody needs. faster may be
 * NULL; it must outlive the result. */
int sj__crypto_open(struct sj__crypto **crypto, struct sj__memory *memory,
    const struct sj_aead *const *faster);
void sj__crypto_close(struct sj__crypto *crypto, struct sj__memory *memory);

/* --- Memory ------------------------------------------------------------ */

void sj__wipe(void *bytes, size_t length);
/* In time that depends on the length only. */
bool sj__equal(const void *a, const void *b, size_t length);

/* --- Hashes ------------------------------------------------------------ */

size_t sj__hash_size(enum sj__hash hash);
int sj__hash_parts(struct sj__crypto *crypto, enum sj__hash hash,
    const struct span *parts, size_t count, uint8_t *out);
int sj__hmac_parts(struct sj__crypto *crypto, enum sj__hash hash,
    struct span key, const struct span *parts, size_t count, uint8_t *out);
void sj__sha256(struct sj__crypto *crypto, const void *data, size_t length,
    uint8_t out[32]);
void sj__sha256_parts(struct sj__crypto *crypto, const struct span *parts,
    size_t count, uint8_t out[32]);
void sj__sha512(struct sj__crypto *crypto, const void *data, size_t length,
    uint8_t out[64]);
/* Noise's HKDF (revision 34 section 4.3): 1 to 3 outputs of hash size. */
int sj__hkdf(struct sj__crypto *crypto, enum sj__hash hash,
    const uint8_t *chaining_key, struct span input, uint8_t *out1,
    uint8_t *out2, uint8_t *out3);
/* RFC 5869. */
int sj__hkdf_extract(struct sj__crypto *crypto, enum sj__hash hash,
    struct span salt, struct span input, uint8_t *out);
int sj__hkdf_expand(struct sj__crypto *crypto, enum sj__hash hash,
    struct span key, struct span info, uint8_t *out, size_t length);
/* HKDF-Expand-Label of RFC 8446 section 7.1 with the prefix "sojourn " and
 * SHA-256; label and context of at most 240 bytes. */
int sj__expand_label(struct sj__crypto *crypto, const uint8_t secret[32],
    const char *label, struct span context, uint8_t *out, size_t length);

/* --- AEAD -------------------------------------------------------------- */

/* The packet AEAD of a name: the faster one if there is. NULL: unknown. */
const struct sj_aead *sj__crypto_aead(const struct sj__crypto *crypto,
    const char *name);
/* libcrypto's own, whatever is faster. */
const struct sj_aead *sj__crypto_plain_aead(const struct sj__crypto *crypto,
    const char *name);
/* One message under a 32-byte key, for handshakes; out holds length + 16. */
int sj__aead_seal(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t key[32], const uint8_t nonce[12], struct span aad,
    struct span plain, uint8_t *out);
/* out holds sealed.length - 16; SJ_ERR_PROTOCOL: it does not open. */
int sj__aead_open(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t key[32], const uint8_t nonce[12], struct span aad,
    struct span sealed, uint8_t *out);

/* Header protection for the AEAD of a name, RFC 9001 section 5.4. */
int sj__header_key_open(struct sj__crypto *crypto, struct sj__memory *memory,
    const char *aead_name, const uint8_t *key, struct sj__header_key **out);
void sj__header_key_close(struct sj__header_key *key,
    struct sj__memory *memory);
void sj__header_mask_batch(struct sj__header_key *key,
    uint8_t (*samples)[16], uint8_t (*masks)[16], size_t count);
/* One block under AES-128. */
void sj__aes128_block(struct sj__crypto *crypto, const uint8_t key[16],
    const uint8_t in[16], uint8_t out[16]);

/* --- Public keys ------------------------------------------------------- */

int sj__x25519_public(struct sj__crypto *crypto, const uint8_t private_key[32],
    uint8_t public_key[32]);
/* SJ_ERR_PROTOCOL: the result is all zero (RFC 7748 section 6.1). */
int sj__x25519(struct sj__crypto *crypto, const uint8_t private_key[32],
    const uint8_t peer_key[32], uint8_t shared[32]);
int sj__ed25519_public(struct sj__crypto *crypto, const uint8_t seed[32],
    uint8_t public_key[32]);
int sj__ed25519_sign(struct sj__crypto *crypto, const uint8_t seed[32],
    struct span message, uint8_t signature[64]);
/* 0: valid. Refused besides: S not below L, R or A not canonical, A of low
 * order. The equation is the cofactorless one. */
int sj__ed25519_verify(struct sj__crypto *crypto, const uint8_t public_key[32],
    struct span message, const uint8_t signature[64]);

/* --- Keys and signatures of ssh (RFC 4253 section 6.6) ------------------ */

#define SSH_KEY_BLOB_MAX 2304           /* RSA of 16384 bits: 2075 */
#define SSH_SIGNATURE_MAX 2304

/* The key type's name, if the blob is a key of a type that is taken, in its
 * only form; else NULL. Whether its point is on the curve is seen when it is
 * used. */
const char *sj__ssh_key_type(struct span blob);
/* Bytes of the modulus of an RSA key; 0: it is not one. */
size_t sj__ssh_rsa_size(struct span blob);
/* 0: a valid signature blob, by the one algorithm that goes with the key. */
int sj__ssh_verify(struct sj__crypto *crypto, struct span key_blob,
    struct span message, struct span signature);

/* --- ML-KEM-768, where libcrypto has it -------------------------------- */

bool sj__kem_is_there(const struct sj__crypto *crypto);
int sj__kem_public(struct sj__crypto *crypto, const uint8_t seed[KEM_SEED_SIZE],
    uint8_t public_key[KEM_PUBLIC_SIZE]);
int sj__kem_encapsulate(struct sj__crypto *crypto,
    const uint8_t public_key[KEM_PUBLIC_SIZE], const uint8_t random[32],
    uint8_t ciphertext[KEM_CIPHERTEXT_SIZE], uint8_t secret[KEM_SECRET_SIZE]);
int sj__kem_decapsulate(struct sj__crypto *crypto,
    const uint8_t seed[KEM_SEED_SIZE],
    const uint8_t ciphertext[KEM_CIPHERTEXT_SIZE],
    uint8_t secret[KEM_SECRET_SIZE]);

#endif
