/* SPDX-License-Identifier: ISC */
/* base64.c - RFC 4648 section 4 */
#include "io/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* All ones if c is in the range. */
static uint32_t
is_in(uint32_t c, uint32_t low, uint32_t high)
{
	return (((c - low) | (high - c)) >> 31) - 1;
}

/* What a digit means; 64: it is none. Digits of private keys go through here,
 * so no branch and no table. */
static uint32_t
value_of(char digit)
{
	uint32_t c = (uint8_t)digit;
	uint32_t upper = is_in(c, 'A', 'Z'), lower = is_in(c, 'a', 'z');
	uint32_t decimal = is_in(c, '0', '9');
	uint32_t plus = is_in(c, '+', '+'), slash = is_in(c, '/', '/');

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
	    (decimal & (c - '0' + 52)) | (plus & 62) | (slash & 63) |
	    (~(upper | lower | decimal | plus | slash) & 64);
}

ssize_t
base64_decode(const char *text, size_t length, uint8_t *out, size_t capacity)
{
	uint32_t bits = 0, value, wrong = 0;
	unsigned count = 0;
	size_t used = 0;

	while (length > 0 && text[length - 1] == '=')
		length--;
	if (length % 4 == 1)
		return -1;
	for (size_t i = 0; i < length; i++) {
		value = value_of(text[i]);
		wrong |= value >> 6;
		bits = bits << 6 | (value & 63);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (used == capacity)
			return -1;
		out[used++] = (uint8_t)(bits >> count);
	}
	return (ssize_t)used | -(ssize_t)wrong;
}

ssize_t
base64_encode(const uint8_t *bytes, size_t length, char *out, size_t capacity)
{
	size_t used = 0;
	uint32_t bits;

	if (capacity < (length + 2) / 3 * 4 + 1)
		return -1;
	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;

		bits = (uint32_t)bytes[i] << 16;
		bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= left > 2 ? bytes[i + 2] : 0;
		out[used++] = digits[bits >> 18 & 63];
		out[used++] = digits[bits >> 12 & 63];
		out[used++] = left > 1 ? digits[bits >> 6 & 63] : '=';
		out[used++] = left > 2 ? digits[bits & 63] : '=';
	}
	out[used] = '\0';
	return (ssize_t)used;
}
