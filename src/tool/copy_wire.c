/* SPDX-License-Identifier: ISC */
/*
 * tool/copy_wire.c - records to bytes and back
 *
 *     length of the rest (4)  type (1)  flags (1)  failed (1)  mode (4)
 *     time_ns (4)  time_s (8)  id (8)  size (8)  source (8)
 *     path length (2)  text length (2)  path  NUL  text  NUL
 *
 * Numbers in network byte order. The NULs are there so that a receiver can use
 * the strings where they lie.
 */
#include <string.h>

#include <sojourn.h>

#include "tool/copy_wire.h"
#include "tool/printable.h"

#define FIXED 51

static uint8_t *
put(uint8_t *out, uint64_t value, unsigned size)
{
	unsigned i;

	for (i = 0; i < size; i++)
		out[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	return out + size;
}

static uint64_t
get(const uint8_t **bytes, unsigned size)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < size; i++)
		value = value << 8 | (*bytes)[i];
	*bytes += size;
	return value;
}

ptrdiff_t
copy_record_encode(const struct copy_record *record, uint8_t *out)
{
	const char *path = record->path != NULL ? record->path : "";
	const char *text = record->text != NULL ? record->text : "";
	size_t path_length = strlen(path), text_length = strlen(text);
	uint8_t *at = out;

	if (text_length > COPY_TEXT_MAX)
		text_length = COPY_TEXT_MAX;
	if (path_length > COPY_PATH_MAX)
		return SJ_ERR_TOO_BIG;
	at = put(at, FIXED - 4 + path_length + text_length + 2, 4);
	at = put(at, record->type, 1);
	at = put(at, record->flags, 1);
	at = put(at, record->failed, 1);
	at = put(at, record->mode, 4);
	at = put(at, record->time_ns, 4);
	at = put(at, (uint64_t)record->time_s, 8);
	at = put(at, record->id, 8);
	at = put(at, record->size, 8);
	at = put(at, record->source, 8);
	at = put(at, path_length, 2);
	at = put(at, text_length, 2);
	memcpy(at, path, path_length);
	at += path_length;
	*at++ = 0;
	memcpy(at, text, text_length);
	at += text_length;
	*at++ = 0;
	return at - out;
}

ptrdiff_t
copy_record_decode(struct copy_record *record, const uint8_t *bytes,
    size_t length)
{
	const uint8_t *at = bytes;
	size_t rest, path_length, text_length;

	if (length < 4)
		return 0;
	rest = (size_t)get(&at, 4);
	if (rest < FIXED - 4 + 2 || rest > COPY_RECORD_MAX - 4)
		return SJ_ERR_PROTOCOL;
	if (length - 4 < rest)
		return 0;
	record->type = (uint8_t)get(&at, 1);
	record->flags = (uint8_t)get(&at, 1);
	record->failed = (uint8_t)get(&at, 1);
	record->mode = (uint32_t)get(&at, 4);
	record->time_ns = (uint32_t)get(&at, 4);
	record->time_s = (int64_t)get(&at, 8);
	record->id = get(&at, 8);
	record->size = get(&at, 8);
	record->source = get(&at, 8);
	path_length = (size_t)get(&at, 2);
	text_length = (size_t)get(&at, 2);
	if (path_length > COPY_PATH_MAX || text_length > COPY_TEXT_MAX ||
	    rest != FIXED - 4 + path_length + text_length + 2 ||
	    memchr(at, 0, path_length) != NULL || at[path_length] != 0 ||
	    memchr(at + path_length + 1, 0, text_length) != NULL ||
	    at[path_length + 1 + text_length] != 0 ||
	    record->time_ns >= 1000000000)
		return SJ_ERR_PROTOCOL;
	record->path = (const char *)at;
	record->text = (const char *)at + path_length + 1;
	return (ptrdiff_t)(rest + 4);
}

int
copy_path_ok(const char *path)
{
	if (*path == '\0' || strlen(path) > COPY_PATH_MAX)
		return 0;
	for (;;) {
		size_t length = strcspn(path, "/");

		if (length == 0 || length > 255 ||
		    (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return 0;
		if (path[length] == '\0')
			return 1;
		path += length + 1;
	}
}

const char *
copy_printable(const char *name, char *out, size_t capacity)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = (const unsigned char *)name;
	size_t used = 0;

	while (*at != '\0' && used + 5 < capacity) {
		/* so that what is escaped can be told from what was so */
		size_t length = *at != '\\' ? printable_sequence(at) : 0;

		if (length > 0) {
			memcpy(out + used, at, length);
			used += length;
			at += length;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = digits[*at >> 4];
		out[used++] = digits[*at & 15];
		at++;
	}
	out[used] = '\0';
	return out;
}
