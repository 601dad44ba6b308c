/* SPDX-License-Identifier: ISC */
/*
 * run.h - what runs at the ends of the link
 *
 * A process of ours is the first of a process namespace and starts the two
 * commands. The kernel kills it when we are gone, and with it everything in
 * that namespace.
 */
#ifndef NETLAB_RUN_H
#define NETLAB_RUN_H

#include <sys/types.h>

#include "net.h"
#include "options.h"

/* SIGTERM to it ends both commands: first by SIGTERM, after a second they are
 * killed. It ends with the exit code of the command at the client. */
pid_t run_start(const struct options *options, const struct net *net);

#endif
