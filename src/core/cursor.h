/* SPDX-License-Identifier: ISC */
/*
 * cursor.h - reading and writing bytes with a sticky error
 *
 * Decode or encode everything, then look at `failed` once. A failed reader
 * yields zeros and empty spans; a failed writer writes nothing more. Integers
 * are big-endian; varints are those of RFC 9000 section 16.
 */
#ifndef SJ_CORE_CURSOR_H
#define SJ_CORE_CURSOR_H

#include "core/base.h"

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

struct writer {
	uint8_t *at, *end;
	bool failed;
};

static inline struct reader
reader_of(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	/* NULL for nothing is fine; NULL + 0 is not. */
	struct reader reader = { bytes, length > 0 ? bytes + length : bytes,
	    false };

	return reader;
}

static inline struct writer
writer_of(void *data, size_t capacity)
{
	struct writer writer = { data, (uint8_t *)data + capacity, false };

	return writer;
}

static inline size_t
reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline size_t
writer_left(const struct writer *writer)
{
	return (size_t)(writer->end - writer->at);
}

/* The next length bytes, borrowed; NULL and failed if there are fewer. */
static inline const uint8_t *
read_bytes(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader->at;

	if (reader->failed || reader_left(reader) < length) {
		reader->failed = true;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

static inline struct span
read_span(struct reader *reader, uint64_t length)
{
	struct span span = { NULL, 0 };

	if (length > reader_left(reader))
		reader->failed = true;
	else if ((span.data = read_bytes(reader, (size_t)length)) != NULL)
		span.length = (size_t)length;
	return span;
}

/* Big-endian; with a count that the compiler knows, one load or store. */
static inline uint64_t
load_uint(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

static inline void
store_uint(uint8_t *bytes, uint64_t value, size_t count)
{
	for (size_t i = count; i > 0; i--, value >>= 8)
		bytes[i - 1] = (uint8_t)value;
}

/* count bytes, big-endian; at most 8. */
static inline uint64_t
read_uint(struct reader *reader, size_t count)
{
	const uint8_t *bytes = read_bytes(reader, count);

	return bytes != NULL ? load_uint(bytes, count) : 0;
}

/* [SJ-FR-9] Any of the four lengths. */
static inline uint64_t
read_varint(struct reader *reader)
{
	const uint8_t *bytes;

	if (reader->failed || reader->at == reader->end) {
		reader->failed = true;
		return 0;
	}
	bytes = read_bytes(reader, (size_t)1 << (*reader->at >> 6));
	if (bytes == NULL)
		return 0;
	switch (*bytes >> 6) {
	case 0:
		return *bytes;
	case 1:
		return load_uint(bytes, 2) & 0x3fff;
	case 2:
		return load_uint(bytes, 4) & 0x3fffffff;
	default:
		return load_uint(bytes, 8) & VARINT_MAX;
	}
}

/* A span with a varint before it. */
static inline struct span
read_sized(struct reader *reader)
{
	return read_span(reader, read_varint(reader));
}

static inline size_t
varint_size(uint64_t value)
{
	return value < 64 ? 1 : value < 16384 ? 2 : value < 1073741824 ? 4 : 8;
}

static inline uint8_t *
write_room(struct writer *writer, size_t length)
{
	uint8_t *bytes = writer->at;

	if (writer->failed || writer_left(writer) < length) {
		writer->failed = true;
		return NULL;
	}
	writer->at += length;
	return bytes;
}

static inline void
write_uint(struct writer *writer, uint64_t value, size_t count)
{
	uint8_t *bytes = write_room(writer, count);

	if (bytes != NULL)
		store_uint(bytes, value, count);
}

/* In size bytes: 1, 2, 4 or 8, enough for the value. */
static inline void
write_varint_in(struct writer *writer, uint64_t value, size_t size)
{
	uint8_t *bytes = write_room(writer, size);

	if (bytes == NULL)
		return;
	assert(value <= VARINT_MAX && varint_size(value) <= size);
	switch (size) {
	case 1:
		*bytes = (uint8_t)value;
		break;
	case 2:
		store_uint(bytes, value | UINT64_C(1) << 14, 2);
		break;
	case 4:
		store_uint(bytes, value | UINT64_C(2) << 30, 4);
		break;
	default:
		store_uint(bytes, value | UINT64_C(3) << 62, 8);
	}
}

static inline void
write_varint(struct writer *writer, uint64_t value)
{
	write_varint_in(writer, value, varint_size(value));
}

static inline void
write_bytes(struct writer *writer, const void *data, size_t length)
{
	uint8_t *bytes = write_room(writer, length);

	if (bytes != NULL && length > 0)
		memcpy(bytes, data, length);
}

static inline void
write_sized(struct writer *writer, const void *data, size_t length)
{
	write_varint(writer, length);
	write_bytes(writer, data, length);
}

#endif
