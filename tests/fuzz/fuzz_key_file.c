/* SPDX-License-Identifier: ISC */
/*
 * fuzz_key_file.c - private keys and public ones in files
 *
 * openssh-key-v1, PEM and lines of a public key; with the first byte above 127
 * the rest is a container without its armour, which is put on here, so that
 * changes get past the base64. What is slow on purpose is not waited for:
 * bcrypt is replaced, and PKCS #8 with a passphrase gets none.
 */
#include "file.h"

#include "io/bcrypt_pbkdf.h"
static int
one_round(const char *passphrase, size_t length, const uint8_t *salt,
    size_t salt_length, uint32_t rounds, uint8_t *out, size_t out_length)
{
	if (rounds == 0 || salt_length == 0 || out_length > 80)
		return bcrypt_pbkdf(passphrase, length, salt, salt_length, 0,
		    out, out_length);
	memset(out, (int)(length + salt[0]), out_length);
	return 0;
}
#define bcrypt_pbkdf one_round
#define is_text cipher_is_text
#include "io/key_cipher.c"
#undef is_text
#undef bcrypt_pbkdf
#include "io/key_file.c"

#define PKCS8 "BEGIN ENCRYPTED"

static void
wrap(struct span container, char *text, size_t capacity)
{
	ssize_t length;

	strcpy(text, BEGIN "\n");
	length = base64_encode(container.data, container.length, text +
	    strlen(text), capacity - 100);
	MUST(length >= 0);
	strcat(text, "\n" END "\n");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[16384];
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program), signature[SSH_SIGNATURE_MAX];
	struct span rest = take_span(&program, 8192);
	struct key_file key;
	const char *passphrase = NULL;
	char error[512];
	int result;

	file = rest;
	if (first >= 128) {
		wrap(rest, text, sizeof text);
		file = (struct span){ (const uint8_t *)text, strlen(text) };
	}
	if (first & 1 && memmem(file.data, file.length, PKCS8, strlen(PKCS8)) ==
	    NULL)
		passphrase = "secret";
	result = key_file_read("key", passphrase, &key, error, sizeof error);
	MUST(key.blob_length <= sizeof key.blob);
	if (result == 0)
		MUST(key.private_key != NULL || key.is_encrypted ||
		    key.blob_length > 0);
	if (key.private_key != NULL)
		MUST(private_key_sign(key.private_key, (struct span){
		    (const uint8_t *)"text", 4 }, signature,
		    sizeof signature) <= (ptrdiff_t)sizeof signature);
	key_file_clear(&key);
	return 0;
}
