/* SPDX-License-Identifier: ISC */
/*
 * bench/ours.h - a server and a client of ours, as they are in use
 *
 * Through sojourn.h alone. The directory has `key`, an Ed25519 key file, and
 * `authorized_keys`; host key and session store are made there. Datagrams of
 * DATAGRAM_SIZE bytes over loopback, the key of the server pinned, logins
 * allowed by the file and stored by SQLite.
 *
 * What is measured on the server lies between two marks: streams that the
 * client opens on a login of its own when nothing else is under way.
 */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include <sojourn.h>

#include "common.h"

#define KEY_TEXT_SIZE 64
#define MARKS_MAX 8
#define QUIET_MS 100

struct client {
	struct sj_endpoint *endpoint;
	struct sj_session *session;  /* that of client_begin() */
	char target[64], server_key[KEY_TEXT_SIZE];
	const char *key_file;
};

struct mark {
	struct usage usage;          /* when it came */
	uint64_t count;
	uint64_t memory, resident;   /* when it had been quiet for QUIET_MS after it */
};

struct server {
	struct sj_endpoint *endpoint;
	/* Takes all events but those of marks. */
	void (*on_event)(struct server *server, const struct sj_event *event);
	void *data;
	uint64_t count;              /* what on_event counts */
	struct mark marks[MARKS_MAX];
	unsigned mark_count;
	bool lets_go;                /* sessions may end before the client's last */
};

/* Tells port and key to the client. */
void server_open(struct server *server, const char *directory, int out);
/* Until the client's last mark, "finish", and its logout. */
void server_run(struct server *server);
void server_close(struct server *server);
/* Members of the result: versions, cipher, sizes. */
const char *server_describe(const struct server *server);

/* Hears port and key from the server. */
void client_open(struct client *client, const char *directory, int in);
/* client_open(), and a login whose end is awaited. */
void client_begin(struct client *client, const char *directory, int in);
/* In the place of its endpoint a new one. */
void client_reopen(struct client *client);
/* Logs out, and waits until the server knows. */
void client_leave(struct client *client);
/* Begins one more login; SJ_EV_STARTED follows. */
struct sj_session *client_log_in(struct client *client, void *data);
/* The next event, within ten seconds; dies of those that end a session or
 * reset a stream. */
void client_next(struct client *client, struct sj_event *event);
struct sj_stream *client_stream(struct sj_session *session,
    const char *service, void *data);
/* The server notes where it is, then nothing happens for a while. */
void client_mark(struct client *client, int quiet_ms);
/* "finish", logout and close. */
void client_end(struct client *client);
/* What the library holds. */
uint64_t endpoint_memory(const struct sj_endpoint *endpoint);

/* Sends back what came, and the end after the end; the answer to a request.
 * Returns whether the stream is done and closed. */
bool echo(struct sj_stream *stream);

#endif
