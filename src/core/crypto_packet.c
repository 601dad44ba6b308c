/* SPDX-License-Identifier: ISC */
/*
 * crypto_packet.c - packet AEADs by libcrypto, header masks
 *
 * A context is an EVP_CIPHER_CTX that keeps its expanded key: only the nonce
 * is set for each packet.
 */
#include "core/crypto_internal.h"

struct context {
	EVP_CIPHER_CTX *seal, *open;
};

static int
aead_init(const struct sj_aead *aead, void *storage, const uint8_t *key)
{
	const struct packet_aead *own = aead->provider_data;
	struct context *context = storage;
	int good;

	context->seal = EVP_CIPHER_CTX_new();
	context->open = EVP_CIPHER_CTX_new();
	good = context->seal != NULL && context->open != NULL &&
	    EVP_EncryptInit_ex2(context->seal, own->cipher, key, NULL, NULL) &&
	    EVP_DecryptInit_ex2(context->open, own->cipher, key, NULL, NULL);
	if (good)
		return 0;
	EVP_CIPHER_CTX_free(context->seal);
	EVP_CIPHER_CTX_free(context->open);
	return SJ_ERR_MEMORY;
}

static void
aead_fini(const struct sj_aead *aead, void *storage)
{
	struct context *context = storage;

	(void)aead;
	EVP_CIPHER_CTX_free(context->seal);
	EVP_CIPHER_CTX_free(context->open);
}

static int
aead_seal(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    uint8_t tag[16])
{
	EVP_CIPHER_CTX *context = ((struct context *)storage)->seal;
	int done, good;

	(void)aead;
	good = EVP_EncryptInit_ex2(context, NULL, NULL, nonce, NULL);
	good = good && EVP_EncryptUpdate(context, NULL, &done, aad,
	    (int)aad_length);
	if (good && length > 0)
		good = EVP_EncryptUpdate(context, bytes, &done, bytes,
		    (int)length);
	good = good && EVP_EncryptFinal_ex(context, tag, &done);
	good = good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16,
	    tag);
	return good ? 0 : SJ_ERR_MEMORY;
}

static int
aead_open(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    const uint8_t tag[16])
{
	EVP_CIPHER_CTX *context = ((struct context *)storage)->open;
	uint8_t expected[16];
	int done, good;

	(void)aead;
	memcpy(expected, tag, sizeof expected);
	good = EVP_DecryptInit_ex2(context, NULL, NULL, nonce, NULL);
	good = good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16,
	    expected);
	good = good && EVP_DecryptUpdate(context, NULL, &done, aad,
	    (int)aad_length);
	if (good && length > 0)
		good = EVP_DecryptUpdate(context, bytes, &done, bytes,
		    (int)length);
	return good && EVP_DecryptFinal_ex(context, expected, &done) > 0 ? 0 :
	    SJ_ERR_PROTOCOL;
}

int
sj__packet_aeads_fetch(struct sj__crypto *crypto)
{
	static const struct { const char *name; size_t key_size; }
	    rows[PACKET_AEADS] = {
		{ "AES-128-GCM", 16 },
		{ "AES-256-GCM", 32 },
		{ "ChaCha20-Poly1305", 32 },
	};

	for (int i = 0; i < PACKET_AEADS; i++) {
		struct packet_aead *own = &crypto->packet_aeads[i];

		own->cipher = EVP_CIPHER_fetch(NULL, rows[i].name, NULL);
		if (own->cipher == NULL)
			return SJ_ERR_STATE;
		own->table = (struct sj_aead){
			.name = rows[i].name,
			.provider = OpenSSL_version(OPENSSL_VERSION_STRING),
			.key_size = rows[i].key_size,
			.context_size = sizeof(struct context),
			.init = aead_init,
			.fini = aead_fini,
			.seal = aead_seal,
			.open = aead_open,
			.provider_data = own,
		};
	}
	return 0;
}

void
sj__packet_aeads_free(struct sj__crypto *crypto)
{
	for (int i = 0; i < PACKET_AEADS; i++)
		EVP_CIPHER_free(crypto->packet_aeads[i].cipher);
}

const struct sj_aead *
sj__crypto_plain_aead(const struct sj__crypto *crypto, const char *name)
{
	for (int i = 0; name != NULL && i < PACKET_AEADS; i++)
		if (strcmp(crypto->packet_aeads[i].table.name, name) == 0)
			return &crypto->packet_aeads[i].table;
	return NULL;
}

const struct sj_aead *
sj__crypto_aead(const struct sj__crypto *crypto, const char *name)
{
	const struct sj_aead *const *faster = crypto->faster;

	for (; name != NULL && faster != NULL && *faster != NULL; faster++)
		if (strcmp((*faster)->name, name) == 0)
			return *faster;
	return sj__crypto_plain_aead(crypto, name);
}

/* --- Header masks ------------------------------------------------------ */

struct sj__header_key {
	EVP_CIPHER_CTX *context;
	bool is_chacha;
};

int
sj__header_key_open(struct sj__crypto *crypto, struct sj__memory *memory,
    const char *aead_name, const uint8_t *key, struct sj__header_key **out)
{
	struct sj__header_key *header = sj__memory_allocate(memory,
	    sizeof *header);
	const EVP_CIPHER *cipher = strcmp(aead_name, "AES-128-GCM") == 0 ?
	    crypto->aes_128_ecb : strcmp(aead_name, "AES-256-GCM") == 0 ?
	    crypto->aes_256_ecb : crypto->chacha20;

	*out = NULL;
	if (header == NULL)
		return SJ_ERR_MEMORY;
	header->is_chacha = cipher == crypto->chacha20;
	header->context = EVP_CIPHER_CTX_new();
	if (header->context == NULL ||
	    !EVP_EncryptInit_ex2(header->context, cipher, key, NULL, NULL)) {
		sj__header_key_close(header, memory);
		return SJ_ERR_MEMORY;
	}
	EVP_CIPHER_CTX_set_padding(header->context, 0);
	*out = header;
	return 0;
}

void
sj__header_key_close(struct sj__header_key *key, struct sj__memory *memory)
{
	if (key == NULL)
		return;
	EVP_CIPHER_CTX_free(key->context);
	sj__memory_free(memory, key, sizeof *key);
}

/* RFC 9001 section 5.4.4: the sample is counter and nonce of ChaCha20. */
static int
chacha_mask(struct sj__header_key *key, const uint8_t sample[16],
    uint8_t mask[16])
{
	static const uint8_t zeros[16];
	int done;

	return EVP_EncryptInit_ex2(key->context, NULL, NULL, sample, NULL) &&
	    EVP_EncryptUpdate(key->context, mask, &done, zeros, 16);
}

void
sj__header_mask_batch(struct sj__header_key *key, uint8_t (*samples)[16],
    uint8_t (*masks)[16], size_t count)
{
	int done, good = 1;

	if (!key->is_chacha)
		good = EVP_EncryptUpdate(key->context, masks[0], &done,
		    samples[0], (int)(16 * count));
	else
		for (size_t i = 0; i < count && good; i++)
			good = chacha_mask(key, samples[i], masks[i]);
	/* A cipher with a key that fails would send headers in the clear. */
	assert(good);
	(void)good;
}

void
sj__aes128_block(struct sj__crypto *crypto, const uint8_t key[16],
    const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *context = crypto->cipher_context;
	int done, good;

	good = EVP_EncryptInit_ex2(context, crypto->aes_128_ecb, key, NULL,
	    NULL);
	EVP_CIPHER_CTX_set_padding(context, 0);
	good = good && EVP_EncryptUpdate(context, out, &done, in, 16);
	EVP_CIPHER_CTX_reset(context);
	assert(good);
	(void)good;
}
