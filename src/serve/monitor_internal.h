/* SPDX-License-Identifier: ISC */
/*
 * serve/monitor_internal.h - shared by the files of the monitor
 *
 *   monitor.c          life, logins, services: requests by a table
 *   monitor_connect.c  connections to places: who may, and the connector
 */
#ifndef SOJOURN_SERVE_MONITOR_INTERNAL_H
#define SOJOURN_SERVE_MONITOR_INTERNAL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/options.h"
#include "serve/processes.h"
#include "serve/request.h"
#include "serve/store_relay.h"

enum state { STARTING = 1, SERVING = 2, ENDING = 4 };

struct login {
	uint64_t session;
	size_t connecting;           /* asked for, and not answered yet */
	char id[17];
	char user[REQUEST_NAME_MAX];
	char application[REQUEST_NAME_MAX];
	char mechanism[64];
	char peer[96];
};

struct monitor {
	const struct serve_options *options;
	enum state state;
	uint32_t done;               /* bits of requests that were served */
	pid_t net;
	int requests, signals;
	struct store_relay relay;
	uint8_t host_private[32];
	struct login *logins;
	size_t login_count, login_capacity;
	struct processes processes;
	int connector;               /* -1: none runs */
	size_t connecting;
	int net_status;              /* once net is gone */
	uint64_t end_at_ms;
};

/* monitor.c */
int answer_send(const struct monitor *monitor, struct answer *answer,
    const int *descriptors, size_t count);
/* NULL: not accepted, or gone. */
struct login *find_login(const struct monitor *monitor, uint64_t session);

/* The pairs that join a process with net and with the log: [0] is ours, [1]
 * the process's. */
struct joints {
	int stream[2], children[2], errors[2];
};

/* 0, or SJ_ERR_LIMIT. */
int joints_open(struct joints *joints, int with_children);
void joints_close(struct joints *joints, int side);

/* monitor_connect.c */
int on_connect(struct monitor *monitor, const union request *request);
struct pollfd connector_poll(const struct monitor *monitor);
/* Results to net. 0, or negative as of a request. */
int connector_work(struct monitor *monitor);

#endif
