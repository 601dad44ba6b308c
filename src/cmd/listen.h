/* SPDX-License-Identifier: ISC */
/*
 * cmd/listen.h - the sockets that a forwarding listens on
 */
#ifndef SOJOURN_CMD_LISTEN_H
#define SOJOURN_CMD_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

#include "tool/forward.h"

#define LISTENERS_MAX 256

struct listener {
	int fd;
	const struct forward *forward;
	struct forward_place at;     /* numeric, with the port that it got */
	dev_t device;                /* of a path: to remove no other's */
	ino_t inode;
};

struct listeners {
	size_t count;
	struct listener list[LISTENERS_MAX];
};

struct listen_error {
	char cause[FORWARD_TEXT_MAX + 256];
	const char *next;            /* what to do about it */
};

/* Opens all sockets of a forwarding: the loopback of both families if it names
 * no address. 0, or negative with error filled; some may be open then. */
int listen_open(struct listeners *listeners, const struct forward *forward,
    struct listen_error *error);
/* Closes all and removes their paths. */
void listen_close(struct listeners *listeners);
/* A connection, or -1 with errno. */
int listen_accept(const struct listener *listener);

#endif
