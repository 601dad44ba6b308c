/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent_internal.h - shared by the files of the agent
 *
 *   agent.c           life, connections, requests
 *   agent_sessions.c  sessions and streams, and what the endpoint reports
 */
#ifndef SOJOURN_CMD_AGENT_INTERNAL_H
#define SOJOURN_CMD_AGENT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <sojourn.h>

#include "tool/loop.h"
#include "tool/message.h"
#include "tool/target.h"

struct agent;

/* A message that waits for room in a command's socket. */
struct outgoing {
	struct outgoing *next;
	size_t length;
	uint8_t bytes[];
};

/* A command. */
struct connection {
	struct connection *next;
	struct agent *agent;
	struct loop_watch watch;
	struct outgoing *out, **out_end;
	size_t out_count;
	int greeted;
	int broken;                  /* to be closed as soon as nobody uses it */
};

/* Somebody who waits for a session to start, has asked for its end, or wants to
 * know of it. */
enum wait { WAIT_START, WAIT_LOGOUT, WAIT_WATCH };

struct waiter {
	struct waiter *next;
	struct connection *connection;
	uint64_t number;
	enum wait wait;
};

struct stream {
	struct stream *next;         /* of the session */
	struct session *session;
	struct connection *connection;
	uint64_t number;             /* the command's */
	struct pump *pump;
};

struct session {
	struct session *next;
	struct agent *agent;
	struct sj_session *handle;
	uint64_t number;
	int started, away, resumed, unverified;
	struct connection *asked;    /* whoever is to answer a prompt; or NULL */
	uint64_t question_code;      /* enum sj_prompt, of what is asked */
	char question[1024];
	int leaving;                 /* logged out here: nobody finds it any more */
	struct loop_timer patience;  /* how long a logout is waited for */
	struct waiter *waiters;
	struct stream *streams;
	char target[TARGET_MAX];
	char last_error[512];
};

struct agent {
	struct loop *loop;
	struct sj_endpoint *endpoint;
	struct connection *connections;
	struct session *sessions;
	uint64_t last_session;
	struct loop_watch listen, signals;
	struct loop_timer idle, patience;
	struct loop_timer crowded;   /* until it listens again */
	int is_private, stays, over;
	struct message in, out;
};

/* agent.c */
/* Sends agent->out; waits for nothing. */
void agent_send(struct connection *connection);
void agent_fail(struct connection *connection, uint64_t number, int error,
    const char *text);
/* A session or a command has gone: is there a reason to stay? */
void agent_check_idle(struct agent *agent);

/* agent_sessions.c: requests, in agent->in, and events */
void session_login(struct connection *connection, uint64_t number);
void session_answer(struct connection *connection);
void session_list(struct connection *connection, uint64_t number);
void session_watch(struct connection *connection, uint64_t number);
void session_logout(struct connection *connection, uint64_t number);
void session_logout_all(struct agent *agent);
/* Lets go of them; the logins live on. */
void sessions_close(struct agent *agent);
void stream_open(struct connection *connection);
void stream_reset(struct connection *connection);
void session_on_event(void *agent, const struct sj_event *event);
/* The command is gone. */
void session_forget(struct connection *connection);

#endif
