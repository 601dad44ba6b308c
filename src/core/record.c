/* SPDX-License-Identifier: ISC */
/*
 * record.c - the record of a login as the store has it
 *
 * One byte of version, fixed fields, six strings with a 16-bit length each, the
 * opaque rest. A newer version may only add to the rest.
 */
#include "core/cursor.h"

#define RECORD_VERSION 1
#define STRINGS 6

ptrdiff_t
sj_login_record_encode(const struct sj_login_record *record, void *out,
    size_t capacity)
{
	struct writer writer = writer_of(out, capacity);
	const char *strings[STRINGS] = { record->user, record->application,
	    record->mechanism, record->credential, record->server_name,
	    record->peer_address };
	size_t length;

	write_uint(&writer, RECORD_VERSION, 1);
	write_bytes(&writer, record->id, sizeof record->id);
	write_uint(&writer, record->login_unix_s, 8);
	write_uint(&writer, record->used_unix_s, 8);
	write_uint(&writer, record->expires_unix_s, 8);
	write_uint(&writer, record->idle_limit_s, 4);
	write_uint(&writer, record->status, 1);
	for (size_t i = 0; i < STRINGS; i++) {
		length = strings[i] != NULL ? strlen(strings[i]) : 0;
		if (length > UINT16_MAX)
			return SJ_ERR_STORE;
		write_uint(&writer, length, 2);
		write_bytes(&writer, strings[i], length);
	}
	write_uint(&writer, record->rest_length, 4);
	write_bytes(&writer, record->rest, record->rest_length);
	return writer.failed ? SJ_ERR_STORE : writer.at - (uint8_t *)out;
}

int
sj_login_record_decode(struct sj_login_record *record, const void *value,
    size_t value_length, char *scratch)
{
	struct reader reader = reader_of(value, value_length);
	const char **strings[STRINGS] = { &record->user, &record->application,
	    &record->mechanism, &record->credential, &record->server_name,
	    &record->peer_address };
	const uint8_t *id;
	struct span text;

	memset(record, 0, sizeof *record);
	record->version = (uint8_t)read_uint(&reader, 1);
	if ((id = read_bytes(&reader, sizeof record->id)) != NULL)
		memcpy(record->id, id, sizeof record->id);
	record->login_unix_s = read_uint(&reader, 8);
	record->used_unix_s = read_uint(&reader, 8);
	record->expires_unix_s = read_uint(&reader, 8);
	record->idle_limit_s = (uint32_t)read_uint(&reader, 4);
	record->status = (uint8_t)read_uint(&reader, 1);
	for (size_t i = 0; i < STRINGS; i++) {
		text = read_span(&reader, read_uint(&reader, 2));
		if (reader.failed || memchr(text.data, 0, text.length) != NULL)
			return SJ_ERR_STORE;
		memcpy(scratch, text.data, text.length);
		scratch[text.length] = '\0';
		*strings[i] = scratch;
		scratch += text.length + 1;
	}
	text = read_span(&reader, read_uint(&reader, 4));
	record->rest = text.data;
	record->rest_length = text.length;
	return reader.failed || record->version != RECORD_VERSION ||
	    reader.at != reader.end ? SJ_ERR_STORE : 0;
}
