/* SPDX-License-Identifier: ISC */
/*
 * serve/monitor.h - the process that holds what net must not
 *
 * Host key, authorisation, session store, service processes. It has no socket
 * to the network and parses nothing that a peer wrote but the strings of a
 * login, after net has verified its signature.
 */
#ifndef SOJOURN_SERVE_MONITOR_H
#define SOJOURN_SERVE_MONITOR_H

#include <sys/types.h>

struct serve_options;

/* Serves net until it ends, or until a signal asks for the end. requests and
 * store are the monitor's ends; signals is a signalfd of TERM, INT, HUP and
 * CHLD, which are blocked. The exit code. */
int monitor_run(const struct serve_options *options, pid_t net, int requests,
    int store, int signals);

#endif
