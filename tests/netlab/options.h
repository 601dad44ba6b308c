/* SPDX-License-Identifier: ISC */
/* options.h - the command line of netlab; netlab_help is its manual */
#ifndef NETLAB_OPTIONS_H
#define NETLAB_OPTIONS_H

#include "link.h"

enum { UP, DOWN, DIRECTIONS };       /* client to server, and back */

struct options {
	struct link_config links[DIRECTIONS];
	double queue_bdp[DIRECTIONS];   /* the queue is so many of them; 0: as links say */
	size_t mtu;
	uint64_t seed;
	unsigned limit_s;
	unsigned wait_port;          /* 0: does not wait */
	const char *user;            /* NULL: as who runs it */
	const char *server;          /* NULL: none */
	const char *json;            /* NULL: none; "-": standard output */
	char *const *command;
};

extern const char netlab_help[];

/* Ends the process with 2 and says why where a word is wrong; with 0 after the
 * help. What it takes from memory stays. */
void options_read(struct options *options, int count, char *const *words);

#endif
