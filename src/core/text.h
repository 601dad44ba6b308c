/* SPDX-License-Identifier: ISC */
/*
 * text.h - building a sentence in a buffer of fixed size
 *
 * What does not fit is cut off; the buffer always ends with a NUL.
 */
#ifndef SJ_CORE_TEXT_H
#define SJ_CORE_TEXT_H

#include "core/base.h"

struct text {
	char *at, *end;                 /* end: the last byte, for the NUL */
};

static inline struct text
text_of(char *buffer, size_t size)
{
	struct text text = { buffer, buffer + size - 1 };

	*buffer = '\0';
	return text;
}

static inline void
text_add(struct text *text, const char *words)
{
	while (text->at < text->end && *words != '\0')
		*text->at++ = *words++;
	*text->at = '\0';
}

static inline void
text_add_number(struct text *text, uint64_t number)
{
	char digits[21];
	size_t at = sizeof digits - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	text_add(text, digits + at);
}

/* Well-formed by table 3-7 of the Unicode standard: shortest forms only, no
 * surrogates, nothing above U+10FFFF. A NUL is a character like others. */
static inline bool
text_is_utf8(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0, more; i < length; i += more + 1) {
		uint8_t first = at[i], low = 0x80, high = 0xbf;

		more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
		if ((first >= 0x80 && first < 0xc2) || first > 0xf4 ||
		    more > length - i - 1)
			return false;
		if (first == 0xe0)
			low = 0xa0;
		else if (first == 0xed)
			high = 0x9f;
		else if (first == 0xf0)
			low = 0x90;
		else if (first == 0xf4)
			high = 0x8f;
		for (size_t k = 1; k <= more; k++) {
			if (at[i + k] < low || at[i + k] > high)
				return false;
			low = 0x80;
			high = 0xbf;
		}
	}
	return true;
}

#endif
