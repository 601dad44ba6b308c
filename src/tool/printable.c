/* SPDX-License-Identifier: ISC */
/*
 * tool/printable.c - see printable.h
 */
#include <stdint.h>
#include <stdio.h>

#include "tool/printable.h"

size_t
printable_sequence(const unsigned char *at)
{
	size_t length, i;
	uint32_t point;

	if (at[0] >= 0x20 && at[0] < 0x7f)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	point = at[0] & (0x7fu >> length);
	for (i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fu);
	}
	if (point < 0xa0 || (length == 3 && point < 0x800) ||
	    (length == 4 && (point < 0x10000 || point > 0x10ffff)) ||
	    (point >= 0xd800 && point < 0xe000))
		return 0;
	/* marks and overrides of the direction of writing, line separators */
	if ((point >= 0x200b && point <= 0x200f) ||
	    (point >= 0x2028 && point <= 0x202e) ||
	    (point >= 0x2060 && point <= 0x206f) || point == 0x61c ||
	    point == 0xfeff)
		return 0;
	return length;
}

const char *
printable(const char *text, char *out, size_t capacity)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t used = 0;

	while (*in != 0 && used + 5 <= capacity) {
		size_t length = printable_sequence(in);

		if (length == 0) {
			used += (size_t)snprintf(out + used, 5, "\\x%02x",
			    *in++);
			continue;
		}
		while (length-- > 0)
			out[used++] = (char)*in++;
	}
	out[used] = '\0';
	return out;
}
