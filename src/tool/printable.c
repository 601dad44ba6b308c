/* SPDX-License-Identifier: ISC */
/*
 * tool/printable.c - see printable.h
 */
#include <stdio.h>

#include "tool/printable.h"

const char *
printable(const char *text, char *out, size_t capacity)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t used = 0;

	for (; *in != 0 && used + 5 <= capacity; in++) {
		/* C1 controls, too: \xc2\x80 to \xc2\x9f */
		if (*in < 0x20 || *in == 0x7f ||
		    (*in == 0xc2 && in[1] >= 0x80 && in[1] < 0xa0))
			used += (size_t)snprintf(out + used, 5, "\\x%02x", *in);
		else
			out[used++] = (char)*in;
	}
	out[used] = '\0';
	return out;
}
