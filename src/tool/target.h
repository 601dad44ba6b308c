/* SPDX-License-Identifier: ISC */
/*
 * tool/target.h - [user@]host[:port][/application]
 */
#ifndef SOJOURN_TOOL_TARGET_H
#define SOJOURN_TOOL_TARGET_H

#include <stddef.h>

#define TARGET_MAX 512

struct target {
	char user[128];
	char host[256];              /* IPv6 without its brackets; lower case */
	char typed_host[256];        /* the same as it was written */
	char application[128];       /* "" if none is named */
	unsigned port;
	int names_user, names_port;  /* 0: the local user's name, the default port */
};

/* Fills in the user's name and the default port. 0, or negative with error
 * filled. */
int target_parse(struct target *target, const char *text, char *error,
    size_t capacity);
/* Puts another host, user or application in the place of what is there. 0, or
 * negative: it cannot be part of a target. */
int target_set_host(struct target *target, const char *host);
int target_set_user(struct target *target, const char *user);
int target_set_application(struct target *target, const char *application);
/* "7531"; 0: not a port. */
unsigned target_port(const char *text);
/* "user@host:port" and "/application" if there is one: the same text for the
 * same place. out holds TARGET_MAX bytes or more. */
void target_format(const struct target *target, char *out, size_t capacity);

#endif
