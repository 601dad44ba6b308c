/* SPDX-License-Identifier: ISC */
/*
 * cmd/ask.h - asking the person at the terminal
 */
#ifndef SOJOURN_CMD_ASK_H
#define SOJOURN_CMD_ASK_H

#include <stddef.h>

/* On the terminal. 0: a line is in out; SJ_ERR_FILE: there is none. */
int ask_line(const char *question, char *out, size_t capacity);
/* Likewise, but nothing is shown of it; where there is no terminal, or if
 * SSH_ASKPASS_REQUIRE says so, by the program of SSH_ASKPASS, as ssh does. Wipe
 * it after use. */
int ask_secret(const char *question, char *out, size_t capacity);

#endif
