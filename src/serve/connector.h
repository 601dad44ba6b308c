/* SPDX-License-Identifier: ISC */
/*
 * serve/connector.h - the process that connects to places
 *
 * Names are resolved and connections made in a process of their own: it has no
 * key, and what a name service answers is read neither by the monitor nor by
 * net. Each order is a packet on its descriptor 3, and so is each result, with
 * the connection.
 */
#ifndef SOJOURN_SERVE_CONNECTOR_H
#define SOJOURN_SERVE_CONNECTOR_H

#include <stdint.h>

#include "tool/forward.h"

#define CONNECTOR_OPTION "--connect-process"
#define CONNECTOR_AT_ONCE 256        /* on their way; the rest waits its turn */
#define CONNECTOR_PER_LOGIN 64       /* of those */
#define CONNECTOR_WAITING_PER_LOGIN 1024 /* both; one more is refused */
#define CONNECTOR_WAITING_MAX 4096
#define CONNECTOR_ADDRESS_MS 10000   /* for each address of a name */
#define CONNECTOR_PATIENCE_MS 30000  /* for all, and the name */

struct connector_order {
	uint64_t number, session;
	char place[FORWARD_TEXT_MAX]; /* forward_format() */
};

struct connector_result {
	uint64_t number, session;
	uint64_t code;               /* 0: with a descriptor; else enum forward_code */
	char place[FORWARD_TEXT_MAX]; /* of the order */
	char text[64];               /* why not */
};

/* Until its descriptor 3 ends. The exit code. */
int connector_main(void);

#endif
