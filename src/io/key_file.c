/* SPDX-License-Identifier: ISC */
/*
 * key_file.c - keys in files, as ssh keeps them (PROTOCOL.key of OpenSSH)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "io/base64.h"
#include "io/file.h"
#include "io/key_cipher.h"
#include "io/key_file.h"
#include "io/private_key.h"

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define PRIVATE "PRIVATE KEY-----"
#define MAGIC "openssh-key-v1"
#define TYPE "ssh-ed25519"
#define FILE_MAX 65536

static struct span
get_string(struct reader *reader)
{
	return read_span(reader, read_uint(reader, 4));
}

static void
put_string(struct writer *writer, const void *bytes, size_t length)
{
	write_uint(writer, length, 4);
	write_bytes(writer, bytes, length);
}

static bool
is_text(struct span span, const char *text)
{
	return span.length == strlen(text) &&
	    memcmp(span.data, text, span.length) == 0;
}

void
key_blob_of(const uint8_t public_key[32], uint8_t blob[ED25519_BLOB_SIZE])
{
	struct writer writer = writer_of(blob, ED25519_BLOB_SIZE);

	put_string(&writer, TYPE, strlen(TYPE));
	put_string(&writer, public_key, 32);
	assert(!writer.failed && writer.at == writer.end);
}

/* The section that may be encrypted: two equal check words, then the key. */
static bool
read_section(struct span section, struct key_file *key)
{
	struct reader reader = reader_of(section.data, section.length);
	uint64_t first = read_uint(&reader, 4), second = read_uint(&reader, 4);

	if (reader.failed || first != second)
		return false;
	key->private_key = private_key_read((struct span){ reader.at,
	    reader_left(&reader) });
	return key->private_key != NULL;
}

static bool
is_type(struct span blob, const char *prefix)
{
	return blob.length > 4 + strlen(prefix) &&
	    memcmp(blob.data + 4, prefix, strlen(prefix)) == 0;
}

static bool
take_blob(struct key_file *key, struct span blob)
{
	if (sj__ssh_key_type(blob) == NULL)
		return false;
	memcpy(key->blob, blob.data, blob.length);
	key->blob_length = blob.length;
	return true;
}

/* The blob that the private key makes; where one is there it must be that. */
static bool
match_blob(struct key_file *key)
{
	uint8_t blob[SSH_KEY_BLOB_MAX];
	ptrdiff_t length = private_key_blob(key->private_key, blob,
	    sizeof blob);

	if (length < 0)
		return false;
	if (key->blob_length != 0)
		return key->blob_length == (size_t)length &&
		    memcmp(key->blob, blob, (size_t)length) == 0;
	return take_blob(key, (struct span){ blob, (size_t)length });
}

/* The section of a file with a passphrase. Without it, or if it is the wrong
 * one, the public half is all there is. */
static bool
read_sealed(const struct key_cipher *how, const char *passphrase,
    struct key_file *key)
{
	uint8_t *section = NULL;
	bool good = true;

	key->is_encrypted = true;
	key->is_foreign = !key_cipher_is_known(how);
	if (passphrase == NULL || key->is_foreign ||
	    (section = malloc(how->sealed.length + 1)) == NULL)
		return true;
	if (key_cipher_open(how, passphrase, section) &&
	    read_section((struct span){ section, how->sealed.length }, key)) {
		key->is_encrypted = false;
		good = match_blob(key);
	}
	sj__wipe(section, how->sealed.length);
	free(section);
	return good;
}

static bool
read_container(struct span bytes, const char *passphrase, struct key_file *key)
{
	struct reader reader = reader_of(bytes.data, bytes.length);
	const uint8_t *magic = read_bytes(&reader, sizeof MAGIC);
	struct key_cipher how = { .cipher = get_string(&reader) };
	struct span blob;
	uint64_t count;

	how.kdf = get_string(&reader);
	how.options = get_string(&reader);
	count = read_uint(&reader, 4);
	blob = get_string(&reader);
	how.sealed = get_string(&reader);
	how.tag = (struct span){ reader.at, reader_left(&reader) };
	if (reader.failed || memcmp(magic, MAGIC, sizeof MAGIC) != 0 ||
	    count != 1 || !take_blob(key, blob))
		return false;
	if (is_type(blob, "sk-"))
		return true;            /* the device has the rest */
	return is_text(how.cipher, "none") ? read_section(how.sealed, key) &&
	    match_blob(key) : read_sealed(&how, passphrase, key);
}

/* Takes the line breaks out of the armour and decodes it. */
static bool
read_armour(char *text, const char *passphrase, struct key_file *key)
{
	char *from = strstr(text, BEGIN), *to, *out;
	uint8_t *bytes;
	ssize_t length;
	bool good = false;

	if (from == NULL || (to = strstr(from, END)) == NULL)
		return false;
	from += strlen(BEGIN);
	out = from;
	for (char *at = from; at < to; at++)
		if (*at != '\n' && *at != '\r' && *at != ' ')
			*out++ = *at;
	bytes = malloc(FILE_MAX);
	if (bytes == NULL)
		return false;
	length = base64_decode(from, (size_t)(out - from), bytes, FILE_MAX);
	if (length > 0)
		good = read_container((struct span){ bytes, (size_t)length },
		    passphrase, key);
	sj__wipe(bytes, FILE_MAX);
	free(bytes);
	return good;
}

static bool
read_pem(const char *text, size_t length, const char *passphrase,
    struct key_file *key)
{
	if (strstr(text, PRIVATE) == NULL || strstr(text, BEGIN) != NULL)
		return false;
	key->private_key = private_key_from_pem(text, length, passphrase,
	    &key->is_encrypted);
	if (key->private_key == NULL)
		return key->is_encrypted;
	key->is_encrypted = false;
	return match_blob(key);
}

static bool
read_public_line(const char *text, struct key_file *key)
{
	uint8_t blob[SSH_KEY_BLOB_MAX];
	size_t type = strcspn(text, " \t\r\n");
	const char *base64 = text + type + strspn(text + type, " \t"), *name;
	ssize_t length = base64_decode(base64, strcspn(base64, " \t\r\n"),
	    blob, sizeof blob);
	struct span span = { blob, length > 0 ? (size_t)length : 0 };

	if (!take_blob(key, span))
		return false;
	name = sj__ssh_key_type(span);
	return strlen(name) == type && memcmp(name, text, type) == 0;
}

/* A private key in PEM does not show its public half; the file beside it may. */
static void
look_beside(const char *path, struct key_file *key)
{
	struct key_file beside = { .blob_length = 0 };
	char name[4096];
	size_t length;
	char *text;

	if (snprintf(name, sizeof name, "%s.pub", path) >= (int)sizeof name ||
	    (text = file_read(name, FILE_MAX, &length, NULL)) == NULL)
		return;
	if (read_public_line(text, &beside)) {
		memcpy(key->blob, beside.blob, beside.blob_length);
		key->blob_length = beside.blob_length;
	}
	free(text);
}

void
key_file_clear(struct key_file *key)
{
	private_key_free(key->private_key);
	sj__wipe(key, sizeof *key);
}

int
key_file_read(const char *path, const char *passphrase, struct key_file *key,
    char *error, size_t capacity)
{
	struct stat info;
	size_t length;
	char *text = file_read(path, FILE_MAX, &length, &info);
	int result = 0;

	memset(key, 0, sizeof *key);
	if (text == NULL) {
		snprintf(error, capacity, "%s: %s", path, errno == EINVAL ?
		    "it is not a regular file" : strerror(errno));
		return SJ_ERR_FILE;
	}
	if (strstr(text, PRIVATE) != NULL && (info.st_mode & 077) != 0) {
		snprintf(error, capacity, "%s: others may read it (mode %03o); "
		    "chmod 600 it", path, info.st_mode & 0777);
		result = SJ_ERR_FILE;
	} else if (!read_pem(text, length, passphrase, key) &&
	    !read_armour(text, passphrase, key) &&
	    !read_public_line(text, key)) {
		key_file_clear(key);
		snprintf(error, capacity, "%s: no key that can be used: it has "
		    "to be Ed25519, ECDSA, or RSA of 2048 bits or more, in "
		    "OpenSSH's format or PEM", path);
		result = SJ_ERR_NO_CREDENTIAL;
	} else if (key->is_encrypted && key->blob_length == 0) {
		look_beside(path, key);
	}
	sj__wipe(text, length);
	free(text);
	return result;
}

ptrdiff_t
key_file_format(const uint8_t seed[32], const uint8_t public_key[32],
    const char *comment, char *out, size_t capacity)
{
	uint8_t bytes[1024], section[512], blob[ED25519_BLOB_SIZE], both[64];
	struct writer inner = writer_of(section, sizeof section);
	struct writer writer = writer_of(bytes, sizeof bytes);
	char text[1600];
	int length;

	key_blob_of(public_key, blob);
	memcpy(both, seed, 32);
	memcpy(both + 32, public_key, 32);
	/* The check words only have to be equal. */
	write_uint(&inner, 0x736a736a, 4);
	write_uint(&inner, 0x736a736a, 4);
	write_bytes(&inner, blob, sizeof blob);
	put_string(&inner, both, sizeof both);
	put_string(&inner, comment, strlen(comment));
	for (uint8_t pad = 1; !inner.failed && (inner.at - section) % 8 != 0;
	    pad++)
		write_uint(&inner, pad, 1);
	write_bytes(&writer, MAGIC, sizeof MAGIC);
	put_string(&writer, "none", 4);
	put_string(&writer, "none", 4);
	put_string(&writer, "", 0);
	write_uint(&writer, 1, 4);
	put_string(&writer, blob, sizeof blob);
	put_string(&writer, section, (size_t)(inner.at - section));
	if (inner.failed || writer.failed || base64_encode(bytes,
	    (size_t)(writer.at - bytes), text, sizeof text) < 0)
		length = -1;
	else
		length = snprintf(out, capacity, "%s\n%s\n%s\n", BEGIN, text,
		    END);
	sj__wipe(bytes, sizeof bytes);
	sj__wipe(section, sizeof section);
	sj__wipe(both, sizeof both);
	sj__wipe(text, sizeof text);
	return length < 0 || (size_t)length >= capacity ? SJ_ERR_TOO_BIG :
	    length;
}
