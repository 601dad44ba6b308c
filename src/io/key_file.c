/* SPDX-License-Identifier: ISC */
/*
 * key_file.c - Ed25519 keys as ssh keeps them (PROTOCOL.key of OpenSSH)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "io/base64.h"
#include "io/file.h"
#include "io/key_file.h"

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
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
key_blob_of(const uint8_t public_key[32], uint8_t blob[KEY_BLOB_SIZE])
{
	struct writer writer = writer_of(blob, KEY_BLOB_SIZE);

	put_string(&writer, TYPE, strlen(TYPE));
	put_string(&writer, public_key, 32);
	assert(!writer.failed && writer.at == writer.end);
}

/* The section that may be encrypted: two equal check words, then the key. */
static bool
read_private(struct span section, struct key_file *key)
{
	struct reader reader = reader_of(section.data, section.length);
	uint64_t first = read_uint(&reader, 4), second = read_uint(&reader, 4);
	struct span type = get_string(&reader), public_key = get_string(&reader);
	struct span both = get_string(&reader);

	if (reader.failed || first != second || !is_text(type, TYPE) ||
	    public_key.length != 32 || both.length != 64 ||
	    memcmp(both.data + 32, public_key.data, 32) != 0)
		return false;
	key_blob_of(public_key.data, key->blob);
	memcpy(key->seed, both.data, 32);
	key->has_seed = 1;
	return true;
}

static bool
read_container(struct span bytes, struct key_file *key)
{
	struct reader reader = reader_of(bytes.data, bytes.length);
	const uint8_t *magic = read_bytes(&reader, sizeof MAGIC);
	struct span cipher = get_string(&reader), kdf = get_string(&reader);
	struct span options = get_string(&reader), blob, section;
	uint64_t count = read_uint(&reader, 4);

	(void)kdf;
	(void)options;
	blob = get_string(&reader);
	section = get_string(&reader);
	if (reader.failed || memcmp(magic, MAGIC, sizeof MAGIC) != 0 ||
	    count != 1 || blob.length != KEY_BLOB_SIZE ||
	    memcmp(blob.data + 4, TYPE, strlen(TYPE)) != 0)
		return false;
	memcpy(key->blob, blob.data, KEY_BLOB_SIZE);
	if (!is_text(cipher, "none")) {
		key->is_encrypted = 1;
		return true;
	}
	return read_private(section, key);
}

/* Takes the line breaks out of the armour and decodes it. */
static bool
read_armour(char *text, struct key_file *key)
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
		    key);
	sj__wipe(bytes, FILE_MAX);
	free(bytes);
	return good;
}

static bool
read_public_line(const char *text, struct key_file *key)
{
	size_t type = strlen(TYPE), length;

	if (strncmp(text, TYPE " ", type + 1) != 0)
		return false;
	text += type + 1;
	length = strcspn(text, " \t\r\n");
	return base64_decode(text, length, key->blob, KEY_BLOB_SIZE) ==
	    KEY_BLOB_SIZE;
}

int
key_file_read(const char *path, struct key_file *key, char *error,
    size_t capacity)
{
	struct stat info;
	size_t length;
	char *text = file_read(path, FILE_MAX, &length, &info);
	int result = 0;

	memset(key, 0, sizeof *key);
	if (text == NULL) {
		snprintf(error, capacity, "%s: %s", path, strerror(errno));
		return SJ_ERR_FILE;
	}
	if (strstr(text, BEGIN) != NULL && (info.st_mode & 077) != 0) {
		snprintf(error, capacity, "%s: others may read it (mode %03o); "
		    "chmod 600 it", path, info.st_mode & 0777);
		result = SJ_ERR_FILE;
	} else if (!read_armour(text, key) && !read_public_line(text, key)) {
		snprintf(error, capacity, "%s: not an Ed25519 key in OpenSSH's "
		    "format; make one with `ssh-keygen -t ed25519`", path);
		result = SJ_ERR_NO_CREDENTIAL;
	}
	sj__wipe(text, length);
	free(text);
	return result;
}

ptrdiff_t
key_file_format(const uint8_t seed[32], const uint8_t public_key[32],
    const char *comment, char *out, size_t capacity)
{
	uint8_t bytes[1024], section[512], blob[KEY_BLOB_SIZE], both[64];
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
