/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent.h - the process that owns the endpoint and the sessions
 *
 * One for each user. The first command that needs it starts it; it ends when
 * its last session has ended and no command is connected. It holds a lock
 * beside its socket for as long as it lives, so that of two that start at once
 * one remains.
 */
#ifndef SOJOURN_CMD_AGENT_H
#define SOJOURN_CMD_AGENT_H

#include <stddef.h>

struct agent_options {
	int listen_fd;               /* -1: none */
	int command_fd;              /* -1; else of the one command: when it goes, all sessions are logged out */
	int directory_fd;            /* where the socket is, to remove it; -1 */
	int stays;                   /* also without sessions */
};

/* Until the end. The exit code. */
int agent_run(const struct agent_options *options);

/* Opens, or makes, the directory of the agent's socket, checks that it is
 * this user's alone, and fills path. A descriptor, or negative with error
 * filled. */
int agent_directory(char *path, size_t path_capacity, char *error,
    size_t capacity);
/* Connects. A descriptor; SJ_ERR_ENDED: there is no agent; else negative with
 * error filled. */
int agent_connect(char *error, size_t capacity);
/* Takes the lock and listens. 0; SJ_ERR_BUSY: there is another one; else
 * negative with error filled. */
int agent_listen(struct agent_options *options, int *lock_fd, char *error,
    size_t capacity);
/* Starts one in the background if there is none, and connects. */
int agent_connect_or_start(char *error, size_t capacity);
/* One for this process only. Its socket; *pid is to be waited for. */
int agent_start_private(int *pid, char *error, size_t capacity);

#endif
