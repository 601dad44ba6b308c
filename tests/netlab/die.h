/* SPDX-License-Identifier: ISC */
/* die.h - the end of netlab, where it cannot do what it has to */
#ifndef NETLAB_DIE_H
#define NETLAB_DIE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_LIMIT 124
#define EXIT_OURS 125

#define die(format, ...)                                                       \
	do {                                                                   \
		fprintf(stderr, "netlab: " format "\n", ##__VA_ARGS__);        \
		exit(EXIT_OURS);                                               \
	} while (0)
#define die_errno(what) die("%s: %s", what, strerror(errno))

#endif
