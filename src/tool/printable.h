/* SPDX-License-Identifier: ISC */
/*
 * tool/printable.h - what a peer has a say in, as it may be shown
 */
#ifndef SOJOURN_TOOL_PRINTABLE_H
#define SOJOURN_TOOL_PRINTABLE_H

#include <stddef.h>

/* Control characters become \xNN; what does not fit is cut. Returns out. */
const char *printable(const char *text, char *out, size_t capacity);

#endif
