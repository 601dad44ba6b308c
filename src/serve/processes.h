/* SPDX-License-Identifier: ISC */
/*
 * serve/processes.h - the service processes the monitor has started
 */
#ifndef SOJOURN_SERVE_PROCESSES_H
#define SOJOURN_SERVE_PROCESSES_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESSES_MAX 256
#define PROCESSES_PER_SESSION 64

struct process {
	pid_t pid;                   /* 0: the slot is free */
	uint64_t number;             /* net's name for it */
	uint64_t session;
	uint64_t kill_at_ms;         /* 0: never */
	int errors;                  /* read end of its stderr; -1: closed */
	size_t line_length;
	char service[64];
	char line[256];
};

struct processes {
	struct process slots[PROCESSES_MAX];
};

void processes_init(struct processes *processes);
/* 0 if one more may be started for the session, else SJ_ERR_LIMIT. */
int processes_room(const struct processes *processes, uint64_t session);
/* Takes over errors. */
void processes_add(struct processes *processes, pid_t pid, uint64_t number,
    uint64_t session, const char *service, int errors);
/* Asks a process to end (SIGHUP), and kills it five seconds later. number 0:
 * all of the session; session 0: all. */
void processes_end(struct processes *processes, uint64_t session,
    uint64_t number);
/* Kills what was asked to end and did not. Milliseconds until the next such
 * moment, -1: none. */
int processes_tick(struct processes *processes);
/* A child has ended. 1 if it was one of these. */
int processes_reaped(struct processes *processes, pid_t pid, int status);
/* Fills polls for the stderr pipes; returns how many. */
size_t processes_polls(const struct processes *processes,
    struct pollfd *polls, size_t capacity);
/* One of the pipes is readable: its lines go to the log. */
void processes_read(struct processes *processes, int errors);
uint64_t processes_now_ms(void);

#endif
