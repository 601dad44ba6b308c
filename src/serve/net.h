/* SPDX-License-Identifier: ISC */
/*
 * serve/net.h - the process that talks to the network, and to nothing else
 */
#ifndef SOJOURN_SERVE_NET_H
#define SOJOURN_SERVE_NET_H

struct serve_options;

/* The whole process, from fork to end: waits for the monitor's word, opens the
 * endpoint, gives up its rights, serves until the monitor lets go of it.
 * requests and store are its ends of the two socket pairs. The exit code. */
int net_run(const struct serve_options *options, int requests, int store);

#endif
