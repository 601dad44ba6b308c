/* SPDX-License-Identifier: ISC */
/*
 * cmd/key_text.c - see key_text.h
 *
 * OpenSSH's private format (PROTOCOL.key): "openssh-key-v1\0", the names of
 * cipher and kdf, the kdf's options, how many keys, the public blob, and then
 * the private part, with check numbers and padding 1, 2, 3...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <sojourn.h>

#include "cmd/key_text.h"

#define MAGIC "openssh-key-v1"
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define BLOB_MAX 16384

/* --- base64 ------------------------------------------------------------ */

/* Decodes up to the first byte that is neither base64 nor a line's end.
 * Length, or negative. */
static ptrdiff_t
decode(const char *text, uint8_t *out, size_t capacity)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	size_t count = 0, length = 0;

	for (; *text != '\0'; text++) {
		const char *digit;

		if (*text == '\n' || *text == '\r')
			continue;
		digit = strchr(digits, *text);
		if (digit == NULL)
			break;
		bits = bits << 6 | (uint32_t)(digit - digits);
		if (++count % 4 == 1)
			continue;
		if (length == capacity)
			return SJ_ERR_TOO_BIG;
		out[length++] = (uint8_t)(bits >> (6 - 2 * ((count - 1) % 4)));
	}
	return count % 4 == 1 ? SJ_ERR_ARGUMENT : (ptrdiff_t)length;
}

void
key_fingerprint(const void *bytes, size_t length,
    char out[KEY_FINGERPRINT_MAX])
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int at;

	snprintf(out, KEY_FINGERPRINT_MAX, "SHA256:");
	if (EVP_Digest(bytes, length, hash, &size, EVP_sha256(), NULL) != 1)
		return;
	at = EVP_EncodeBlock((unsigned char *)out + 7, hash, (int)size);
	while (at > 0 && out[7 + at - 1] == '=')
		at--;
	out[7 + at] = '\0';
}

/* --- reading ----------------------------------------------------------- */

/* A string of RFC 4251 at *at. NULL: there is none. */
static const uint8_t *
take_string(const uint8_t *bytes, size_t length, size_t *at, size_t *size)
{
	const uint8_t *here = bytes + *at;

	if (length - *at < 4)
		return NULL;
	*size = (size_t)here[0] << 24 | (size_t)here[1] << 16 |
	    (size_t)here[2] << 8 | here[3];
	if (length - *at - 4 < *size)
		return NULL;
	*at += 4 + *size;
	return here + 4;
}

int
key_blob_text(const uint8_t *blob, size_t length, char *type, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX])
{
	size_t at = 0, size, i;
	const uint8_t *name = take_string(blob, length, &at, &size);

	if (name == NULL || size == 0 || size >= capacity)
		return SJ_ERR_ARGUMENT;
	for (i = 0; i < size; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return SJ_ERR_ARGUMENT;
	memcpy(type, name, size);
	type[size] = '\0';
	key_fingerprint(blob, length, fingerprint);
	return 0;
}

static int
of_private(const uint8_t *bytes, size_t length, char *type, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX])
{
	size_t at = sizeof(MAGIC), size;
	const uint8_t *blob;
	int i;

	if (length < at + 4 || memcmp(bytes, MAGIC, at) != 0)
		return SJ_ERR_ARGUMENT;
	for (i = 0; i < 3; i++)
		if (take_string(bytes, length, &at, &size) == NULL)
			return SJ_ERR_ARGUMENT;
	if (length - at < 4)
		return SJ_ERR_ARGUMENT;
	at += 4;
	blob = take_string(bytes, length, &at, &size);
	return blob == NULL ? SJ_ERR_ARGUMENT :
	    key_blob_text(blob, size, type, capacity, fingerprint);
}

int
key_text_public(const char *text, char *type, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX])
{
	uint8_t *bytes = malloc(BLOB_MAX);
	const char *space;
	ptrdiff_t length;
	int result = SJ_ERR_ARGUMENT;

	if (bytes == NULL)
		return SJ_ERR_MEMORY;
	if (strncmp(text, BEGIN, sizeof(BEGIN) - 1) == 0) {
		length = decode(text + sizeof(BEGIN) - 1, bytes, BLOB_MAX);
		if (length > 0)
			result = of_private(bytes, (size_t)length, type,
			    capacity, fingerprint);
	} else if ((space = strchr(text, ' ')) != NULL) {
		length = decode(space + 1, bytes, BLOB_MAX);
		if (length > 0)
			result = key_blob_text(bytes, (size_t)length, type,
			    capacity, fingerprint);
		if (result == 0 && (strlen(type) != (size_t)(space - text) ||
		    strncmp(type, text, strlen(type)) != 0))
			result = SJ_ERR_ARGUMENT;
	}
	explicit_bzero(bytes, BLOB_MAX);
	free(bytes);
	return result;
}

int
key_text_known_host(const char *line, char *host, size_t capacity,
    char fingerprint[KEY_FINGERPRINT_MAX])
{
	static const char type[] = "sojourn-x25519 ";
	const char *space = strchr(line, ' ');
	uint8_t key[33];

	if (line[0] == '#' || space == NULL || space == line ||
	    (size_t)(space - line) >= capacity ||
	    strncmp(space + 1, type, sizeof(type) - 1) != 0 ||
	    decode(space + sizeof(type), key, sizeof(key)) != 32)
		return SJ_ERR_ARGUMENT;
	memcpy(host, line, (size_t)(space - line));
	host[space - line] = '\0';
	key_fingerprint(key, 32, fingerprint);
	return 0;
}

/* --- making ------------------------------------------------------------ */

struct writer {
	size_t length;
	uint8_t bytes[512];
};

static void
put_number(struct writer *writer, uint32_t number)
{
	uint8_t *out = writer->bytes + writer->length;

	out[0] = (uint8_t)(number >> 24);
	out[1] = (uint8_t)(number >> 16);
	out[2] = (uint8_t)(number >> 8);
	out[3] = (uint8_t)number;
	writer->length += 4;
}

static void
put_string(struct writer *writer, const void *bytes, size_t length)
{
	put_number(writer, (uint32_t)length);
	memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += length;
}

static void
put_blob(struct writer *writer, const uint8_t public_key[32])
{
	put_string(writer, "ssh-ed25519", 11);
	put_string(writer, public_key, 32);
}

static void
private_part(struct writer *writer, const uint8_t pair[64],
    const uint8_t check[4])
{
	uint8_t pad = 0;

	memcpy(writer->bytes, check, 4);
	memcpy(writer->bytes + 4, check, 4);
	writer->length = 8;
	put_blob(writer, pair + 32);
	put_string(writer, pair, 64);
	put_string(writer, "", 0);
	while (writer->length % 8 != 0)
		writer->bytes[writer->length++] = ++pad;
}

static void
write_private(const struct writer *file, char out[KEY_TEXT_MAX])
{
	char text[KEY_TEXT_MAX];
	size_t at, length = (size_t)EVP_EncodeBlock((unsigned char *)text,
	    file->bytes, (int)file->length);
	char *end = out + sprintf(out, "%s\n", BEGIN);

	for (at = 0; at < length; at += 70)
		end += sprintf(end, "%.70s\n", text + at);
	sprintf(end, "%s\n", END);
	explicit_bzero(text, sizeof(text));
}

int
key_text_new(char secret[KEY_TEXT_MAX], char public_text[KEY_TEXT_MAX])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct writer file = { .length = 0 }, blob = { .length = 0 };
	struct writer part = { .length = 0 };
	size_t size = 32, public_size = 32;
	uint8_t pair[64], check[4];
	int result = SJ_ERR_ARGUMENT;

	if (key != NULL && RAND_bytes(check, 4) == 1 &&
	    EVP_PKEY_get_raw_private_key(key, pair, &size) == 1 &&
	    EVP_PKEY_get_raw_public_key(key, pair + 32, &public_size) == 1) {
		memcpy(file.bytes, MAGIC, sizeof(MAGIC));
		file.length = sizeof(MAGIC);
		put_string(&file, "none", 4);
		put_string(&file, "none", 4);
		put_string(&file, "", 0);
		put_number(&file, 1);
		put_blob(&blob, pair + 32);
		put_string(&file, blob.bytes, blob.length);
		private_part(&part, pair, check);
		put_string(&file, part.bytes, part.length);
		write_private(&file, secret);
		memcpy(public_text, "ssh-ed25519 ", 12);
		EVP_EncodeBlock((unsigned char *)public_text + 12, blob.bytes,
		    (int)blob.length);
		strcat(public_text, "\n");
		result = 0;
	}
	explicit_bzero(pair, sizeof(pair));
	explicit_bzero(&part, sizeof(part));
	explicit_bzero(&file, sizeof(file));
	EVP_PKEY_free(key);
	return result;
}
