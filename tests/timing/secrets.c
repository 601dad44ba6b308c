/* SPDX-License-Identifier: ISC */
/* secrets.c - what is secret, and where it stops being so */
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <valgrind/memcheck.h>

#include "secrets.h"

#define NOTES 4096
#define NOTE_MAX 20480

enum leak leak;
enum packet_suite suite_to_use = SUITE_AES_128_GCM;
const uint8_t *seed_to_hide;
unsigned hidden_phases, refused_packets, refused_messages, hidden_seeds;

void
hide(const void *bytes, size_t length)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, length);
}

void
publish(const void *bytes, size_t length)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(bytes, length);
}

size_t
secret_bytes(const void *bytes, size_t length)
{
	uint8_t bits[NOTE_MAX];
	size_t count = 0;

	assert(length <= sizeof bits);
	if (VALGRIND_GET_VBITS(bytes, bits, length) != 1)
		return 0;
	for (size_t i = 0; i < length; i++)
		count += bits[i] != 0;
	return count;
}

/* --- Plaintext across the wire ------------------------------------------ */

/* What was secret of a sealed text, found again by its tag. */
static struct note {
	uint8_t tag[16], *bits;
	size_t length;
} notes[NOTES];
static size_t next_note;

static uint8_t *
look_at(const void *plain, size_t length)
{
	uint8_t *bits = calloc(1, length + 1);

	assert(bits != NULL);
	if (length > 0)
		(void)VALGRIND_GET_VBITS(plain, bits, length);
	return bits;
}

static void
note_tag(const uint8_t tag[16], uint8_t *bits, size_t length)
{
	struct note *note = &notes[next_note++ % NOTES];

	free(note->bits);
	memcpy(note->tag, tag, 16);
	note->bits = bits;
	note->length = length;
}

static void
come_back(const uint8_t *tag, uint8_t *plain, size_t length)
{
	for (size_t i = 0; i < NOTES; i++)
		if (notes[i].bits != NULL && notes[i].length == length &&
		    memcmp(notes[i].tag, tag, 16) == 0) {
			if (length > 0)
				(void)VALGRIND_SET_VBITS(plain, notes[i].bits,
				    length);
			return;
		}
	printf("opened what nobody sealed\n");
	exit(1);
}

/* --- Keys ---------------------------------------------------------------- */

void __real_sj__endpoint_key_material(struct sj_endpoint *, uint8_t out[32]);
void __wrap_sj__endpoint_key_material(struct sj_endpoint *, uint8_t out[32]);
int __real_sj__x25519_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __wrap_sj__x25519_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __real_sj__ed25519_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __wrap_sj__ed25519_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __real_sj__ed25519_sign(struct sj__crypto *, const uint8_t *, struct span,
    uint8_t *);
int __wrap_sj__ed25519_sign(struct sj__crypto *, const uint8_t *, struct span,
    uint8_t *);
int __real_sj__kem_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __wrap_sj__kem_public(struct sj__crypto *, const uint8_t *, uint8_t *);
int __real_sj__kem_encapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *, uint8_t *);
int __wrap_sj__kem_encapsulate(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *, uint8_t *);
void __real_sj__aes128_block(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *);
void __wrap_sj__aes128_block(struct sj__crypto *, const uint8_t *,
    const uint8_t *, uint8_t *);

void
__wrap_sj__endpoint_key_material(struct sj_endpoint *endpoint, uint8_t out[32])
{
	__real_sj__endpoint_key_material(endpoint, out);
	hide(out, 32);
}

int
__wrap_sj__x25519_public(struct sj__crypto *crypto, const uint8_t *key,
    uint8_t *public_key)
{
	int error = __real_sj__x25519_public(crypto, key, public_key);

	publish(public_key, 32);
	return error;
}

int
__wrap_sj__ed25519_public(struct sj__crypto *crypto, const uint8_t *seed,
    uint8_t *public_key)
{
	int error = __real_sj__ed25519_public(crypto, seed, public_key);

	publish(public_key, 32);
	return error;
}

int
__wrap_sj__ed25519_sign(struct sj__crypto *crypto, const uint8_t *seed,
    struct span message, uint8_t *signature)
{
	int error;

	hide(seed, 32);
	error = __real_sj__ed25519_sign(crypto, seed, message, signature);
	publish(signature, 64);
	return error;
}

int
__wrap_sj__kem_public(struct sj__crypto *crypto, const uint8_t *seed,
    uint8_t *public_key)
{
	int error = __real_sj__kem_public(crypto, seed, public_key);

	publish(public_key, KEM_PUBLIC_SIZE);
	return error;
}

int
__wrap_sj__kem_encapsulate(struct sj__crypto *crypto, const uint8_t *public_key,
    const uint8_t *random, uint8_t *ciphertext, uint8_t *secret)
{
	int error = __real_sj__kem_encapsulate(crypto, public_key, random,
	    ciphertext, secret);

	publish(ciphertext, KEM_CIPHERTEXT_SIZE);
	return error;
}

/* A pass of the cipher of connection ids: what follows of it is arithmetic,
 * and then the id, which everybody sees. */
void
__wrap_sj__aes128_block(struct sj__crypto *crypto, const uint8_t *key,
    const uint8_t *in, uint8_t *out)
{
	__real_sj__aes128_block(crypto, key, in, out);
	publish(out, 16);
}

/* --- Comparisons --------------------------------------------------------- */

bool __real_sj__equal(const void *, const void *, size_t);
bool __wrap_sj__equal(const void *, const void *, size_t);

bool
__wrap_sj__equal(const void *a, const void *b, size_t length)
{
	bool is_equal = leak == LEAK_EQUAL ? memcmp(a, b, length) == 0 :
	    __real_sj__equal(a, b, length);

	publish(&is_equal, sizeof is_equal);
	return is_equal;
}

/* --- Handshake AEAD ------------------------------------------------------ */

int __real_sj__aead_seal(struct sj__crypto *, enum sj__cipher, const uint8_t *,
    const uint8_t *, struct span, struct span, uint8_t *);
int __wrap_sj__aead_seal(struct sj__crypto *, enum sj__cipher, const uint8_t *,
    const uint8_t *, struct span, struct span, uint8_t *);
int __real_sj__aead_open(struct sj__crypto *, enum sj__cipher, const uint8_t *,
    const uint8_t *, struct span, struct span, uint8_t *);
int __wrap_sj__aead_open(struct sj__crypto *, enum sj__cipher, const uint8_t *,
    const uint8_t *, struct span, struct span, uint8_t *);

int
__wrap_sj__aead_seal(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t *key, const uint8_t *nonce, struct span aad,
    struct span plain, uint8_t *out)
{
	uint8_t *bits = look_at(plain.data, plain.length);
	int error = __real_sj__aead_seal(crypto, cipher, key, nonce, aad, plain,
	    out);

	publish(out, plain.length + 16);
	note_tag(out + plain.length, bits, plain.length);
	return error;
}

int
__wrap_sj__aead_open(struct sj__crypto *crypto, enum sj__cipher cipher,
    const uint8_t *key, const uint8_t *nonce, struct span aad,
    struct span sealed, uint8_t *out)
{
	int error = __real_sj__aead_open(crypto, cipher, key, nonce, aad,
	    sealed, out);

	publish(&error, sizeof error);
	if (error == 0)
		come_back(sealed.data + sealed.length - 16, out,
		    sealed.length - 16);
	else
		refused_messages++;
	return error;
}

/* --- Packet AEAD --------------------------------------------------------- */

static int
packet_init(const struct sj_aead *aead, void *storage, const uint8_t *key)
{
	const struct sj_aead *inner = aead->provider_data;

	return inner->init(inner, storage, key);
}

static void
packet_fini(const struct sj_aead *aead, void *storage)
{
	const struct sj_aead *inner = aead->provider_data;

	inner->fini(inner, storage);
}

static int
packet_seal(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;
	uint8_t *bits = look_at(bytes, length);
	int error = inner->seal(inner, storage, nonce, aad, aad_length, bytes,
	    length, tag);

	publish(bytes, length);
	publish(tag, 16);
	note_tag(tag, bits, length);
	return error;
}

/* Which of two contexts it is depends on the phase bit, which the mask hides:
 * libcrypto reads the one or the other. That is the one address that depends
 * on something secret; our own code does not follow the pointer. */
static int
packet_open(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    const uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;
	int error;

	hidden_phases += secret_bytes(&storage, sizeof storage) > 0;
	publish(&storage, sizeof storage);
	error = inner->open(inner, storage, nonce, aad, aad_length, bytes,
	    length, tag);
	publish(&error, sizeof error);
	if (error < 0) {
		refused_packets++;
		return error;
	}
	publish(aad, aad_length);
	come_back(tag, bytes, length);
	return 0;
}

const struct sj_aead *__real_sj__crypto_aead(const struct sj__crypto *,
    const char *);
const struct sj_aead *__wrap_sj__crypto_aead(const struct sj__crypto *,
    const char *);

const struct sj_aead *
__wrap_sj__crypto_aead(const struct sj__crypto *crypto, const char *name)
{
	static struct sj_aead tables[16];
	static size_t count;
	const struct sj_aead *inner = __real_sj__crypto_aead(crypto, name);

	for (size_t i = 0; i < count; i++)
		if (tables[i].provider_data == inner)
			return &tables[i];
	assert(count < 16);
	tables[count] = *inner;
	tables[count].init = packet_init;
	tables[count].fini = packet_fini;
	tables[count].seal = packet_seal;
	tables[count].open = packet_open;
	tables[count].provider_data = (void *)(uintptr_t)inner;
	return &tables[count++];
}

struct sj__protection;
int __real_sj__protection_init(struct sj__protection *, struct sj__crypto *,
    struct sj__memory *, enum packet_suite, const uint8_t *, const uint8_t *);
int __wrap_sj__protection_init(struct sj__protection *, struct sj__crypto *,
    struct sj__memory *, enum packet_suite, const uint8_t *, const uint8_t *);

int
__wrap_sj__protection_init(struct sj__protection *protection,
    struct sj__crypto *crypto, struct sj__memory *memory,
    enum packet_suite suite, const uint8_t *send, const uint8_t *receive)
{
	suite = suite_to_use;
	return __real_sj__protection_init(protection, crypto, memory, suite,
	    send, receive);
}

/* --- Key files ----------------------------------------------------------- */

ssize_t __real_base64_decode(const char *, size_t, uint8_t *, size_t);
ssize_t __wrap_base64_decode(const char *, size_t, uint8_t *, size_t);

/* The digits are secret while they are decoded, and of what they mean the seed
 * stays so. */
ssize_t
__wrap_base64_decode(const char *text, size_t length, uint8_t *out,
    size_t capacity)
{
	char *copy = malloc(length + 1);
	size_t digits = length;
	uint8_t *seed;
	ssize_t used;

	assert(copy != NULL);
	memcpy(copy, text, length);
	while (digits > 0 && copy[digits - 1] == '=')
		digits--;
	/* The last one stays: whether it is a = is looked at and no secret. */
	hide(copy, digits > 0 ? digits - 1 : 0);
	used = __real_base64_decode(copy, length, out, capacity);
	publish(&used, sizeof used);
	free(copy);
	if (used <= 0)
		return used;
	publish(out, (size_t)used);
	seed = memmem(out, (size_t)used, seed_to_hide, 32);
	if (seed != NULL) {
		hide(seed, 32);
		hidden_seeds++;
	}
	return used;
}

struct evp_pkey_st;
ptrdiff_t __real_private_key_blob(const struct evp_pkey_st *, uint8_t *, size_t);
ptrdiff_t __wrap_private_key_blob(const struct evp_pkey_st *, uint8_t *, size_t);

ptrdiff_t
__wrap_private_key_blob(const struct evp_pkey_st *key, uint8_t *out,
    size_t capacity)
{
	ptrdiff_t length = __real_private_key_blob(key, out, capacity);

	if (length > 0)
		publish(out, (size_t)length);
	return length;
}
