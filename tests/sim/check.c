/* SPDX-License-Identifier: ISC */
/*
 * check.c - the oracle
 *
 * The packet AEAD is wrapped: every nonce a key ever sealed under is kept, and
 * none may come twice. The bytes of every stream are a function of who sends
 * them and where, so a byte that is missing, repeated, moved or another's
 * shows at once.
 */
#include "world.h"

#define NONCES (1u << 20)

struct nonce {
	uint64_t key, number;
};

static struct nonce nonces[NONCES];
static struct world *checked;
static uint64_t keys_made;

struct context {
	uint64_t key;
	_Alignas(64) uint8_t inner[192];
};

static int
check_init(const struct sj_aead *aead, void *storage, const uint8_t *key)
{
	const struct sj_aead *inner = aead->provider_data;
	struct context *context = storage;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < inner->key_size; i++)
		hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
	context->key = hash;
	keys_made++;
	return inner->init(inner, context->inner, key);
}

static void
check_fini(const struct sj_aead *aead, void *storage)
{
	const struct sj_aead *inner = aead->provider_data;
	struct context *context = storage;

	inner->fini(inner, context->inner);
}

/* Sealing twice under one key and nonce is the end of its secrecy. */
static void
note_nonce(uint64_t key, const uint8_t nonce[12])
{
	uint64_t number = 0;
	size_t slot;

	for (int i = 4; i < 12; i++)
		number = number << 8 | nonce[i];
	slot = (size_t)((key ^ number * UINT64_C(0x9e3779b97f4a7c15)) >> 20) %
	    NONCES;
	while (nonces[slot].key != 0) {
		if (nonces[slot].key == key && nonces[slot].number == number) {
			fail(checked, "a nonce was used twice");
			return;
		}
		slot = (slot + 1) % NONCES;
	}
	nonces[slot].key = key;
	nonces[slot].number = number;
}

static int
check_seal(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;
	struct context *context = storage;

	note_nonce(context->key, nonce);
	return inner->seal(inner, context->inner, nonce, aad, aad_length, bytes,
	    length, tag);
}

static int
check_open(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    const uint8_t tag[16])
{
	const struct sj_aead *inner = aead->provider_data;
	struct context *context = storage;

	return inner->open(inner, context->inner, nonce, aad, aad_length, bytes,
	    length, tag);
}

const struct sj_aead *const *
checking_aeads(struct world *world)
{
	static struct sj_aead table;
	static const struct sj_aead *tables[2] = { &table, NULL };
	const struct sj_aead *inner = sj__crypto_plain_aead(world->crypto,
	    "AES-128-GCM");

	checked = world;
	table = (struct sj_aead){
		.name = inner->name,
		.provider = "checking",
		.key_size = inner->key_size,
		.context_size = sizeof(struct context),
		.init = check_init,
		.fini = check_fini,
		.seal = check_seal,
		.open = check_open,
		.provider_data = (void *)(uintptr_t)inner,
	};
	assert(inner->context_size <= 192);
	return tables;
}

void
checking_reset(void)
{
	memset(nonces, 0, sizeof nonces);
}

uint8_t
expected_byte(const struct stream_actor *stream, uint64_t offset)
{
	uint64_t z = offset / 8 + stream->index * UINT64_C(0x10000001) +
	    stream->owner->index * UINT64_C(0x1000000000001) +
	    stream->owner->client->index * UINT64_C(0x77777777777);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint8_t)(z >> (8 * (offset % 8)));
}
