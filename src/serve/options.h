/* SPDX-License-Identifier: ISC */
/*
 * serve/options.h - how a server is to be run: command line and file
 */
#ifndef SOJOURN_SERVE_OPTIONS_H
#define SOJOURN_SERVE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "serve/permit.h"

#define SERVE_SERVICES_MAX 64
#define SERVE_WORDS_MAX 16
#define SERVE_APPLICATION "sojourn"
#define SERVE_SERVICE_FILES "files"
#define SERVE_SERVICE_SESSIONS "sojourn-sessions"

struct serve_service {
	char name[256];
	char *words[SERVE_WORDS_MAX + 1]; /* NULL-terminated; [0] is a path */
};

struct serve_options {
	char account[128];           /* the only one who may log in */
	char home[4096];
	char listen[128];
	char names[4096];            /* a,b,c: what clients may call it; "": anything */
	char host_key[4096];
	char authorized_keys[4096];
	char store[4096];
	uint32_t idle_limit_s;       /* 0: the library's */
	uint32_t lifetime_s;
	int once, json, quiet, verbose;
	struct serve_service services[SERVE_SERVICES_MAX];
	size_t service_count;
	struct permit permit;        /* what "connect" may */
	char program[4096];          /* this program, to start "files" */
};

/* Account, home and the default paths. 0, or negative with error filled. */
int serve_options_init(struct serve_options *options, char *error,
    size_t capacity);
/* value: "NAME=exec:PROGRAM [WORD...]". where names file and line, or is
 * "--service". */
int serve_options_service(struct serve_options *options, const char *value,
    char *error, size_t capacity);
/* "7531", "host:7531", "[::]:7531" -> options->listen. */
int serve_options_listen(struct serve_options *options, const char *value,
    char *error, size_t capacity);
/* One more name that clients may use for this server. */
int serve_options_name(struct serve_options *options, const char *value,
    char *error, size_t capacity);
/* Reads a file of "Keyword value" lines; errors name file:line. */
int serve_options_file(struct serve_options *options, const char *path,
    char *error, size_t capacity);
/* Makes the directory that holds the state, mode 0700, and refuses one that
 * others can write to. */
int serve_options_prepare(struct serve_options *options, char *error,
    size_t capacity);
/* NULL: no such service. */
const struct serve_service *serve_options_find(
    const struct serve_options *options, const char *name);

#endif
