/* SPDX-License-Identifier: ISC */
/*
 * serve/spawn.h - starting a service's process
 */
#ifndef SOJOURN_SERVE_SPAWN_H
#define SOJOURN_SERVE_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_ENVIRONMENT_MAX 32

struct spawn {
	char *const *words;          /* [0] is the path; NULL-terminated */
	const char *directory;       /* NULL: as it is */
	const char *environment[SPAWN_ENVIRONMENT_MAX]; /* "NAME=", value, ... NULL */
	int stream;                  /* becomes its stdin and stdout */
	int extra;                   /* becomes descriptor 3; -1: none */
	int errors;                  /* becomes its stderr */
};

/* A process of its own group, with nothing else open, the default signals and
 * only the environment given. Its id, or a negative enum sj_err. */
pid_t spawn_start(const struct spawn *spawn);

#endif
