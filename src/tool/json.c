/* SPDX-License-Identifier: ISC */
/*
 * tool/json.c - see json.h
 */
#include <inttypes.h>
#include <string.h>

#include "tool/json.h"

/* --- out --------------------------------------------------------------- */

/* Length of the UTF-8 sequence at bytes (ends with NUL); 0: there is none. */
static int
decode(const unsigned char *bytes, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int length, i;

	if (bytes[0] < 0x80) {
		*code = bytes[0];
		return 1;
	}
	if (bytes[0] >= 0xf8 || bytes[0] < 0xc0)
		return 0;
	length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	*code = bytes[0] & (0xffu >> (length + 1));
	for (i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3fu);
	}
	if (*code < least[length] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return length;
}

static void
put_text(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	fputc('"', file);
	while (*at != 0) {
		uint32_t code;
		int length = decode(at, &code);

		if (length == 0) {
			code = 0xfffd;
			length = 1;
		}
		at += length;
		if (code == '"' || code == '\\')
			fprintf(file, "\\%c", (char)code);
		else if (code >= 0x20 && code < 0x7f)
			fputc((int)code, file);
		else if (code < 0x10000)
			fprintf(file, "\\u%04" PRIx32, code);
		else
			fprintf(file, "\\u%04" PRIx32 "\\u%04" PRIx32,
			    0xd800 + ((code - 0x10000) >> 10),
			    0xdc00 + ((code - 0x10000) & 0x3ff));
	}
	fputc('"', file);
}

static void
put_name(struct json *json, const char *name)
{
	if (json->count++ > 0)
		fputc(',', json->file);
	put_text(json->file, name);
	fputc(':', json->file);
}

void
json_begin(struct json *json, FILE *file)
{
	json->file = file;
	json->count = 0;
	fputc('{', file);
}

void
json_text(struct json *json, const char *name, const char *text)
{
	put_name(json, name);
	if (text == NULL)
		fputs("null", json->file);
	else
		put_text(json->file, text);
}

void
json_number(struct json *json, const char *name, uint64_t number)
{
	put_name(json, name);
	fprintf(json->file, "%" PRIu64, number);
}

void
json_seconds(struct json *json, const char *name, uint64_t ns)
{
	put_name(json, name);
	fprintf(json->file, "%" PRIu64 ".%06u", ns / 1000000000,
	    (unsigned)(ns % 1000000000 / 1000));
}

void
json_bool(struct json *json, const char *name, int is_true)
{
	put_name(json, name);
	fputs(is_true ? "true" : "false", json->file);
}

void
json_end(struct json *json)
{
	fputs("}\n", json->file);
}

/* --- in ---------------------------------------------------------------- */

static const char *
skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
		at++;
	return at;
}

static int
hex4(const char *at, uint32_t *code)
{
	int i;

	*code = 0;
	for (i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		char c = at[i];
		const char *digit;

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		digit = c == '\0' ? NULL : strchr(digits, c);
		if (digit == NULL)
			return 0;
		*code = *code << 4 | (uint32_t)(digit - digits);
	}
	return 1;
}

static size_t
encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* One escape at *at (behind the backslash): its bytes, or 0. NUL is none. */
static size_t
unescape(const char **at, char *out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t code, low;

	if (**at != 'u') {
		found = **at == '\0' ? NULL : strchr(names, **at);
		if (found == NULL)
			return 0;
		*out = values[found - names];
		(*at)++;
		return 1;
	}
	if (!hex4(*at + 1, &code) || code == 0)
		return 0;
	*at += 5;
	if (code >= 0xd800 && code < 0xdc00 && (*at)[0] == '\\' &&
	    (*at)[1] == 'u' && hex4(*at + 2, &low) && low >= 0xdc00 &&
	    low < 0xe000) {
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		*at += 6;
	}
	return code >= 0xd800 && code < 0xe000 ? 0 : encode(code, out);
}

/* A text at at (on its quote). Behind it, or NULL; out may be NULL. fits is
 * cleared if it did not. */
static const char *
take_text(const char *at, char *out, size_t capacity, int *fits)
{
	size_t used = 0;

	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		char bytes[4];
		size_t length = 1;

		if (*at == '\0' || (unsigned char)*at < 0x20)
			return NULL;
		bytes[0] = *at++;
		if (bytes[0] == '\\' && (length = unescape(&at, bytes)) == 0)
			return NULL;
		if (out != NULL && used + length < capacity)
			memcpy(out + used, bytes, length);
		else
			*fits = 0;
		used += length;
	}
	if (out != NULL && used < capacity)
		out[used] = '\0';
	return at + 1;
}

/* The value of a name, or NULL. The whole line up to it is checked. */
static const char *
find(const char *line, const char *name)
{
	const char *at = skip_space(line);

	if (*at != '{')
		return NULL;
	at = skip_space(at + 1);
	while (*at == '"') {
		char here[64];
		int fits = 1;

		at = take_text(at, here, sizeof(here), &fits);
		if (at == NULL || *(at = skip_space(at)) != ':')
			return NULL;
		at = skip_space(at + 1);
		if (fits && strcmp(here, name) == 0)
			return at;
		if (*at == '"')
			at = take_text(at, NULL, 0, &fits);
		else if (*at == '{' || *at == '[')
			return NULL;
		else
			at += strcspn(at, ",} \t\r\n");
		if (at == NULL || *(at = skip_space(at)) != ',')
			return NULL;
		at = skip_space(at + 1);
	}
	return NULL;
}

int
json_find_text(const char *line, const char *name, char *out, size_t capacity)
{
	const char *value = find(line, name);
	int fits = 1;

	return value != NULL && *value == '"' &&
	    take_text(value, out, capacity, &fits) != NULL && fits;
}

int
json_find_number(const char *line, const char *name, uint64_t *number)
{
	const char *value = find(line, name);

	if (value == NULL || *value < '0' || *value > '9')
		return 0;
	*number = 0;
	for (; *value >= '0' && *value <= '9'; value++) {
		uint64_t digit = (uint64_t)(*value - '0');

		if (*number > (UINT64_MAX - digit) / 10)
			return 0;
		*number = *number * 10 + digit;
	}
	return *value == ',' || *value == '}' || *value == ' ';
}
