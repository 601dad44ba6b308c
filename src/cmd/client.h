/* SPDX-License-Identifier: ISC */
/*
 * cmd/client.h - a command's connection to the agent
 *
 * Descriptors given to client_open() go to the agent, which reads and writes
 * them itself: no byte crosses a second pipe. Streams are named by numbers
 * that count up from 1; 0 is none. They are reset when the command ends.
 */
#ifndef SOJOURN_CMD_CLIENT_H
#define SOJOURN_CMD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <sojourn.h>

struct client;
struct common;                       /* cmd/command.h */

#define CLIENT_TEXT_MAX 1024

struct client_login {
	const char *target;          /* [user@]host[:port][/application], or an id of `list` */
	const char *key_file;        /* NULL: as configured, else as in sojourn.h */
	const char *server_key;      /* a pin; may be NULL */
	int accept_new;              /* take an unknown server key without asking */
	int existing_only;           /* no new login: SJ_ERR_ENDED if there is none */
	uint32_t timeout_ms;         /* 0: the library's */
};

/* Of a session, as the agent has it. Texts are never NULL. */
struct client_session {
	uint64_t session;            /* the agent's number */
	int started, away, reused, resumed;
	int unverified;              /* as in struct sj_event */
	int hybrid;                  /* as in struct sj_identity */
	uint64_t since_unix_s, expires_unix_s, since_used_s;
	struct sj_session_stats stats;
	char id[17];                 /* hexadecimal; "" before it started */
	char target[512];            /* user@host:port/application */
	char user[128];
	char from[128];              /* peer address */
	char application[128];
	char mechanism[64];
	char credential[160];
	char server_key[96];
	char last_error[CLIENT_TEXT_MAX];
};

struct client_stream {
	uint64_t session;
	uint64_t parent;             /* a stream of this client, or 0 */
	const char *service;
	const void *prefix;          /* sent first; at most 8 KiB */
	size_t prefix_length;
	int finish;                  /* end our direction after prefix and source */
	int source;                  /* read to its end; -1: none */
	int sink;                    /* -1: what comes is dropped. A socket may be both: the same number twice */
	uint8_t urgency;             /* as sj_stream_options */
	uint8_t weight;
};

struct client_event {
	uint64_t stream;             /* this one is over; 0: the session that is watched */
	int error;                   /* 0: both directions came to their end */
	uint64_t code;               /* of the peer's reset */
	uint64_t bytes_in, bytes_out;
	char text[CLIENT_TEXT_MAX];
};

/* All return 0 or a negative enum sj_err; client_error() has the cause. */

/* Starts the agent if none is there; a private one with --no-agent, which
 * logs out and ends with this command. */
int client_connect(struct client **client, const struct common *common);
/* Only an agent that is there: SJ_ERR_ENDED if none is. */
int client_connect_existing(struct client **client,
    const struct common *common);
/* Leaves; a private agent is waited for. NULL is fine. */
void client_close(struct client *client);
/* The living session for this target, or a new login; asks on the terminal
 * what has to be asked. Names are looked up in the configuration files, which
 * also have a say where login has none. info may be NULL. */
int client_login(struct client *client, const struct client_login *login,
    uint64_t *session, struct client_session *info);
/* Hands the descriptors over (copies of them: the caller closes its own) and
 * returns at once. */
int client_open(struct client *client, const struct client_stream *stream,
    uint64_t *number);
/* The end of the session is an event, too; of one session. */
int client_watch(struct client *client, uint64_t session);
/* Resets a stream; its event follows. */
int client_reset(struct client *client, uint64_t stream, uint64_t code);
/* The next stream that is over. 1: *event is filled, 0: none within
 * timeout_ms (-1: no limit), SJ_ERR_ENDED: the agent is gone. */
int client_next(struct client *client, struct client_event *event,
    int timeout_ms);
/* Readable when client_next() may have something; ask it until it has not. */
int client_fd(const struct client *client);
/* Calls each() for all sessions of the agent. */
int client_list(struct client *client,
    void (*each)(void *data, const struct client_session *session),
    void *data);
/* The login ends everywhere. */
int client_logout(struct client *client, uint64_t session);
/* Ends the agent; its logins live on at the servers until they expire. */
int client_stop_agent(struct client *client);
const char *client_error(const struct client *client);

#endif
