/* SPDX-License-Identifier: ISC */
/*
 * resolve.h - names to addresses without blocking
 *
 * getaddrinfo() runs in a thread of its own, which writes what it found into a
 * pipe; it touches nothing else of ours.
 */
#ifndef SJ_IO_RESOLVE_H
#define SJ_IO_RESOLVE_H

#include <sojourn_core.h>

#define RESOLVE_ADDRESSES 8

struct resolved {
	int error;                      /* of getaddrinfo() */
	int count;
	struct sj_address addresses[RESOLVE_ADDRESSES];
};

/* A descriptor from which one struct resolved can be read; -1 with errno. */
int resolve_start(const char *host, uint16_t port);

#endif
