/* SPDX-License-Identifier: ISC */
/*
 * serve/permit.h - which places the service "connect" may be asked for
 *
 * Words and meaning are sshd's. PermitOpen is for TCP; places are compared as
 * they are written, no name is looked up. All zero permits everything.
 */
#ifndef SOJOURN_SERVE_PERMIT_H
#define SOJOURN_SERVE_PERMIT_H

#include <stddef.h>

#include "tool/forward.h"

#define PERMIT_PLACES_MAX 128

struct permit_place {
	char host[FORWARD_HOST_MAX]; /* "*": any */
	unsigned port;               /* 0: any */
};

struct permit {
	int no_tcp, no_paths;
	int only_listed;             /* PermitOpen was given, and not as "any" */
	size_t count;
	struct permit_place places[PERMIT_PLACES_MAX];
};

/* Values of the keywords; 0, or SJ_ERR_ARGUMENT with *why set. */
int permit_switch(int *forbidden, const char *value, const char **why);
int permit_open(struct permit *permit, const char *value, const char **why);
/* 1: it may. */
int permit_allows(const struct permit *permit,
    const struct forward_place *place);

#endif
