/* SPDX-License-Identifier: ISC */
/* key_cipher.c - the ciphers of key files with a passphrase (openssh-key-v1) */
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "io/bcrypt_pbkdf.h"
#include "io/key_cipher.h"

/* ssh-keygen uses 16 unless told otherwise; each costs some milliseconds. */
#define ROUNDS_MAX 4096
#define TAG_SIZE 16

enum mode { MODE_PLAIN, MODE_GCM, MODE_CHACHA };

struct cipher {
	const char *name, *libcrypto;
	size_t key_size, iv_size, block_size;
	enum mode mode;
};
static const struct cipher ciphers[] = {
	{ "aes256-ctr", "AES-256-CTR", 32, 16, 16, MODE_PLAIN },
	{ "aes192-ctr", "AES-192-CTR", 24, 16, 16, MODE_PLAIN },
	{ "aes128-ctr", "AES-128-CTR", 16, 16, 16, MODE_PLAIN },
	{ "aes256-cbc", "AES-256-CBC", 32, 16, 16, MODE_PLAIN },
	{ "aes192-cbc", "AES-192-CBC", 24, 16, 16, MODE_PLAIN },
	{ "aes128-cbc", "AES-128-CBC", 16, 16, 16, MODE_PLAIN },
	{ "aes256-gcm@openssh.com", "AES-256-GCM", 32, 12, 16, MODE_GCM },
	{ "aes128-gcm@openssh.com", "AES-128-GCM", 16, 12, 16, MODE_GCM },
	{ "chacha20-poly1305@openssh.com", "ChaCha20", 64, 0, 8, MODE_CHACHA },
};

static bool
is_text(struct span span, const char *text)
{
	return span.length == strlen(text) &&
	    memcmp(span.data, text, span.length) == 0;
}

/* One pass of a cipher without padding; GCM: the tag is checked. */
static bool
decrypt(const char *name, const uint8_t *key, const uint8_t *iv,
    struct span in, const uint8_t *tag, uint8_t *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t rest[TAG_SIZE];
	int done;
	bool good;

	memcpy(rest, tag != NULL ? tag : (const uint8_t[TAG_SIZE]){ 0 },
	    TAG_SIZE);
	good = cipher != NULL && context != NULL &&
	    EVP_DecryptInit_ex2(context, cipher, key, iv, NULL) > 0 &&
	    EVP_CIPHER_CTX_set_padding(context, 0) > 0 &&
	    (tag == NULL || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG,
	    TAG_SIZE, rest) > 0) &&
	    EVP_DecryptUpdate(context, out, &done, in.data, (int)in.length) >
	    0 && EVP_DecryptFinal_ex(context, rest, &done) > 0;
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
	return good;
}

static bool
poly1305(const uint8_t key[32], struct span message, uint8_t tag[TAG_SIZE])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	size_t length;
	bool good = context != NULL &&
	    EVP_MAC_init(context, key, 32, NULL) > 0 &&
	    EVP_MAC_update(context, message.data, message.length) > 0 &&
	    EVP_MAC_final(context, tag, &length, TAG_SIZE) > 0 &&
	    length == TAG_SIZE;

	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	return good;
}

/* PROTOCOL.chacha20poly1305 of OpenSSH with sequence number 0 and no length:
 * block 0 of the stream makes the key of the tag, the text begins at block 1. */
static bool
open_chacha(const uint8_t *key, struct span sealed, const uint8_t *tag,
    uint8_t *out)
{
	static const uint8_t zeros[32], block_0[16], block_1[16] = { 1 };
	uint8_t mac_key[32], expected[TAG_SIZE];
	bool good = decrypt("ChaCha20", key, block_0,
	    (struct span){ zeros, sizeof zeros }, NULL, mac_key) &&
	    poly1305(mac_key, sealed, expected) &&
	    sj__equal(tag, expected, TAG_SIZE) &&
	    decrypt("ChaCha20", key, block_1, sealed, NULL, out);

	sj__wipe(mac_key, sizeof mac_key);
	return good;
}

static const struct cipher *
find_cipher(const struct key_cipher *how)
{
	const struct cipher *cipher = NULL;

	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
		if (is_text(how->cipher, ciphers[i].name))
			cipher = &ciphers[i];
	if (cipher == NULL || !is_text(how->kdf, "bcrypt") ||
	    how->sealed.length == 0 ||
	    how->sealed.length % cipher->block_size != 0 ||
	    how->tag.length != (cipher->mode == MODE_PLAIN ? 0 : TAG_SIZE))
		return NULL;
	return cipher;
}

/* The options of the derivation; false: they are not for us. */
static bool
read_options(const struct key_cipher *how, struct span *salt,
    uint32_t *rounds)
{
	struct reader reader = reader_of(how->options.data,
	    how->options.length);

	*salt = read_span(&reader, read_uint(&reader, 4));
	*rounds = (uint32_t)read_uint(&reader, 4);
	return !reader.failed && reader.at == reader.end &&
	    salt->length > 0 && *rounds > 0 && *rounds <= ROUNDS_MAX;
}

bool
key_cipher_is_known(const struct key_cipher *how)
{
	struct span salt;
	uint32_t rounds;

	return find_cipher(how) != NULL && read_options(how, &salt, &rounds);
}

bool
key_cipher_open(const struct key_cipher *how, const char *passphrase,
    uint8_t *out)
{
	const struct cipher *cipher = find_cipher(how);
	struct span salt;
	uint32_t rounds;
	uint8_t key[64 + 16];
	bool good;

	if (cipher == NULL || !read_options(how, &salt, &rounds) ||
	    bcrypt_pbkdf(passphrase, strlen(passphrase), salt.data,
	    salt.length, rounds, key, cipher->key_size + cipher->iv_size) < 0)
		return false;
	if (cipher->mode == MODE_CHACHA)
		good = open_chacha(key, how->sealed, how->tag.data, out);
	else
		good = decrypt(cipher->libcrypto, key, key + cipher->key_size,
		    how->sealed, cipher->mode == MODE_GCM ? how->tag.data :
		    NULL, out);
	sj__wipe(key, sizeof key);
	ERR_clear_error();
	return good;
}
