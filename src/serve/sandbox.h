/* SPDX-License-Identifier: ISC */
/*
 * serve/sandbox.h - what the net process gives up for good
 *
 * After this the process can neither open a file nor make a socket that
 * reaches anything (only pairs of Unix sockets), run a program, trace, signal
 * or see another process.
 */
#ifndef SOJOURN_SERVE_SANDBOX_H
#define SOJOURN_SERVE_SANDBOX_H

#include <stddef.h>

/* no_new_privs, Landlock where the kernel has it, then the seccomp list.
 * 0, or SJ_ERR_STATE with the cause in error; *landlock: its version, 0: the
 * kernel has none. */
int sandbox_enter(int *landlock, char *error, size_t capacity);

#endif
