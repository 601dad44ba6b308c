/* SPDX-License-Identifier: ISC */
/* base64.h - RFC 4648 section 4 */
#ifndef SJ_IO_BASE64_H
#define SJ_IO_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The bytes' count, -1 if it is not base64 or too long. */
ssize_t base64_decode(const char *text, size_t length, uint8_t *out,
    size_t capacity);
/* With NUL; the text's length, -1 if it does not fit. */
ssize_t base64_encode(const uint8_t *bytes, size_t length, char *out,
    size_t capacity);

#endif
