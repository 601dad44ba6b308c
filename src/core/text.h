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

#endif
