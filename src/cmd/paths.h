/* SPDX-License-Identifier: ISC */
/*
 * cmd/paths.h - where this user's state is
 */
#ifndef SOJOURN_CMD_PATHS_H
#define SOJOURN_CMD_PATHS_H

#include <stddef.h>

/* $XDG_STATE_HOME/sojourn/NAME, or ~/.local/state/sojourn/NAME; the directory
 * itself if name is NULL. 0, or negative: the path is too long. */
int state_path(const char *name, char *out, size_t capacity);

#endif
