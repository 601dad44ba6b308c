/* SPDX-License-Identifier: ISC */
/*
 * cmd/doctor.h - shared by the files of `sojourn doctor`
 *
 *   cmd_doctor.c    the steps in their order, and what is printed
 *   doctor_net.c    name, route, udp, mtu and ping, by sockets of its own
 *   doctor_login.c  clock, key and user, by a login
 */
#ifndef SOJOURN_CMD_DOCTOR_H
#define SOJOURN_CMD_DOCTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/host_config.h"

enum doctor_step {
	STEP_NAME, STEP_ROUTE, STEP_UDP, STEP_TCP, STEP_MTU, STEP_CLOCK,
	STEP_KEY, STEP_USER,
	STEPS
};

enum doctor_state { DOCTOR_NOT_DONE, DOCTOR_OK, DOCTOR_FAILED };

struct doctor_result {
	enum doctor_state state;
	int error;                   /* enum sj_err, for the class */
	char text[1024];
	char next[400];              /* what to do; "" */
};

#define DOCTOR_ADDRESSES 8
#define DOCTOR_PINGS 5

/* One address of the server. */
struct doctor_address {
	struct sockaddr_storage address;
	socklen_t length;
	char text[80];               /* "192.0.2.1", "2001:db8::1" */
	int fd;                      /* connected; -1: no route */
	int error;                   /* errno of its route, or of its answer */
	int answered;
};

struct doctor {
	const struct common *common;
	const struct login_words *words;
	struct host_config config;
	struct client_session session; /* a login that the agent has */
	int has_session;
	struct doctor_address addresses[DOCTOR_ADDRESSES];
	size_t count;
	struct doctor_address *at;   /* the first that answers */
	uint32_t timeout_ms;
	struct doctor_result results[STEPS];
	unsigned pings;              /* that were answered */
	uint64_t rtt_min_ns, rtt_sum_ns, rtt_max_ns;
};

/* What a step comes to. error: 0, or what failed; next NULL: that of error. */
__attribute__((format(printf, 5, 6)))
void doctor_set(struct doctor *doctor, enum doctor_step step, int error,
    const char *next, const char *format, ...);
/* A step that was not done, and why. */
__attribute__((format(printf, 3, 4)))
void doctor_skip(struct doctor *doctor, enum doctor_step step,
    const char *format, ...);

void doctor_name(struct doctor *doctor);
void doctor_route(struct doctor *doctor);
void doctor_udp(struct doctor *doctor);
void doctor_mtu(struct doctor *doctor);
void doctor_ping(struct doctor *doctor);
void doctor_close(struct doctor *doctor);

/* Clock, key and user at once. */
void doctor_login(struct doctor *doctor);

#endif
