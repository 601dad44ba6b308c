/* SPDX-License-Identifier: ISC */
/*
 * tool/printable.h - what a peer has a say in, as it may be shown
 */
#ifndef SOJOURN_TOOL_PRINTABLE_H
#define SOJOURN_TOOL_PRINTABLE_H

#include <stddef.h>

/* Length of the UTF-8 sequence at at that neither drives a terminal nor cheats
 * the eye (controls, marks of the direction of writing), else 0. */
size_t printable_sequence(const unsigned char *at);
/* All other bytes become \xNN; what does not fit is cut. Returns out. */
const char *printable(const char *text, char *out, size_t capacity);

#endif
