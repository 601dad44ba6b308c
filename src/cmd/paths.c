/* SPDX-License-Identifier: ISC */
/*
 * cmd/paths.c - see paths.h
 */
#include <stdio.h>
#include <stdlib.h>

#include <sojourn.h>

#include "cmd/paths.h"

int
state_path(const char *name, char *out, size_t capacity)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	const char *slash = name != NULL ? "/" : "";
	int length;

	if (name == NULL)
		name = "";
	if (state != NULL && state[0] == '/')
		length = snprintf(out, capacity, "%s/sojourn%s%s", state,
		    slash, name);
	else
		length = snprintf(out, capacity, "%s/.local/state/sojourn%s%s",
		    home != NULL ? home : "", slash, name);
	return length > 0 && (size_t)length < capacity ? 0 : SJ_ERR_FILE;
}
