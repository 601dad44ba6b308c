/* SPDX-License-Identifier: ISC */
/*
 * tool/config.h - configuration files in ssh's grammar
 *
 * "Keyword value", in blocks that Host and Match begin, with Include; words,
 * quotes, comments and patterns are those of ssh_config(5), as OpenSSH 9.2
 * reads them. Bytes come in and calls go out: what keywords mean and where
 * files are is the caller's affair.
 */
#ifndef SOJOURN_TOOL_CONFIG_H
#define SOJOURN_TOOL_CONFIG_H

#include <stddef.h>

#define CONFIG_DEPTH_MAX 16          /* files that include each other */
#define CONFIG_ERROR (-1)
#define CONFIG_UNDECIDED 2           /* a criterion that is not looked at */

struct config_line {
	const char *file;
	unsigned number;
	const char *keyword;         /* as it was written */
	char **words;                /* without quotes and comments; NULL-terminated */
	size_t count;
	int active;                  /* does the block apply? */
	unsigned depth;              /* of the file */
};

/* What to do. Those that return int fail with CONFIG_ERROR and a cause in
 * error; config_read() puts file and line before it. */
struct config_rules {
	void *data;
	const char *host;            /* what Host is matched with; NULL: there is no Host here */
	/* 1 or 0; CONFIG_UNDECIDED: the block is left out, whatever else its
	 * Match says. value is NULL for "canonical" and "final". */
	int (*criterion)(void *data, const char *name, const char *value,
	    char *error, size_t capacity);
	/* A Match was left out because of that criterion. May be NULL. */
	void (*left_out)(void *data, const struct config_line *line,
	    const char *name);
	/* Any line but Host, Match and Include; also in blocks that do not
	 * apply, to be checked and no more. */
	int (*line)(void *data, const struct config_line *line, char *error,
	    size_t capacity);
	/* One word of an Include: calls config_read() for what it names, with
	 * line->depth + 1 and line->active. error is filled whole, with file
	 * and line, by config_error() or config_read(). */
	int (*include)(void *data, const struct config_line *line,
	    const char *word, char *error, size_t capacity);
};

struct config_source {
	const char *file;            /* its name, for errors */
	const char *bytes;
	size_t length;
	unsigned depth;              /* 0: included by none */
	int active;                  /* 1, or that of the line that includes it */
};

/* Reads a file from end to end. 0, or CONFIG_ERROR with error filled: the first
 * error, "FILE:LINE: cause". */
int config_read(const struct config_rules *rules,
    const struct config_source *source, char *error, size_t capacity);
/* Fills error with "FILE:LINE: cause"; returns CONFIG_ERROR. */
int config_error(const struct config_line *line, const char *cause,
    char *error, size_t capacity);

/* '*' and '?'; case counts. */
int config_match(const char *text, const char *pattern);
/* "a*,!b": 1 matched, -1 matched by a negated one, 0 not. With lower, patterns
 * in lower case: for names of hosts, text in lower case. */
int config_match_list(const char *text, const char *list, int lower);
/* The one word of a line, or NULL with error filled. */
const char *config_word(const struct config_line *line, char *error,
    size_t capacity);

/* Replaces each %x by what is in values for x: "h" "example.org" "u" "alice"
 * ... NULL. *unknown is the x that is not there, or 0; NULL if there is one,
 * if text ends in %, or without memory. To be freed. */
char *config_expand(const char *text, const char *const *values,
    char *unknown);

#endif
