/* SPDX-License-Identifier: ISC */
/*
 * bench/memory.c - what an idle login holds, and an open stream
 *
 * memory SESSIONS DIRECTORY SETTLE_MS: so many logins at once, nothing said on
 * them; then STREAMS_EACH open streams on some of them, a byte each way. What
 * each end holds is looked at before, between and after, when it has been
 * quiet: bytes of the process (Pss, so that the server's SQLite counts too)
 * and bytes that the library accounts for. Then a hundred of the logins have
 * to answer on a new stream.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define IN_FLIGHT 64
#define STREAMS_EACH ((size_t)200)
#define STREAM_SESSIONS ((size_t)50)
#define ANSWERS ((size_t)100)
#define HELLO "h"
#define MARK_COUNT 3                 /* none, sessions, streams */

struct held {
	uint64_t resident, memory;
};

static struct held
held_by(const struct sj_endpoint *endpoint)
{
	struct held held = { resident_bytes(), endpoint_memory(endpoint) };

	return held;
}

/* --- Client ------------------------------------------------------------ */

static void
log_in_all(struct client *client, struct sj_session **sessions, size_t count)
{
	struct sj_event event;
	size_t begun = 0, done = 0;

	for (; begun < count && begun < IN_FLIGHT; begun++)
		sessions[begun] = client_log_in(client, NULL);
	while (done < count) {
		client_next(client, &event);
		if (event.type != SJ_EV_STARTED)
			continue;
		done++;
		if (begun < count)
			sessions[begun++] = client_log_in(client, NULL);
	}
}

static void
open_all(struct client *client, struct sj_session **sessions, size_t count)
{
	struct sj_event event;
	size_t answered = 0;

	for (size_t i = 0; i < count; i++) {
		struct sj_stream *stream = client_stream(
		    sessions[i / STREAMS_EACH], "hold", client);

		if (sj_stream_write(stream, HELLO, 1) != 1)
			die("a stream is not taken");
	}
	/* The server says one byte on each when it has read ours. */
	while (answered < count) {
		const void *bytes;

		client_next(client, &event);
		if (event.type != SJ_EV_READABLE)
			continue;
		if (sj_stream_peek(event.stream, &bytes) != 1 ||
		    memcmp(bytes, HELLO, 1) != 0)
			die("not the one byte");
		sj_stream_consume(event.stream, 1);
		answered++;
	}
}

/* Spread over all of them. */
static void
ask_some(struct client *client, struct content *content,
    struct sj_session **sessions, size_t count)
{
	size_t asked = count < ANSWERS ? count : ANSWERS, answered = 0;
	struct sj_event event;
	const void *bytes;
	ptrdiff_t n;

	for (size_t i = 0; i < asked; i++) {
		struct sj_stream *stream = client_stream(
		    sessions[i * count / asked], "echo",
		    (void *)(uintptr_t)(i + 1));

		if (sj_stream_write(stream, content_block(content, i), BLOCK) !=
		    (ptrdiff_t)BLOCK)
			die("a request is not taken");
		sj_stream_finish(stream);
	}
	while (answered < asked) {
		uintptr_t number;

		client_next(client, &event);
		number = (uintptr_t)event.stream_data;
		if (event.type != SJ_EV_READABLE)
			continue;
		n = sj_stream_peek(event.stream, &bytes);
		if (n != (ptrdiff_t)BLOCK || memcmp(bytes, content_block(
		    content, number - 1), BLOCK) != 0)
			die("a wrong answer");
		sj_stream_close(event.stream);
		answered++;
	}
}

static void
client_run(const char *directory, size_t count, int settle_ms,
    const struct ends *ends)
{
	static struct content content;
	size_t streams = STREAMS_EACH * (count < STREAM_SESSIONS ? count :
	    STREAM_SESSIONS);
	struct sj_session **sessions = calloc(count, sizeof(void *));
	struct held held[MARK_COUNT];
	struct client client = { 0 };
	FILE *out;

	content_init(&content);
	client_begin(&client, directory, ends->in);
	client_mark(&client, settle_ms);
	held[0] = held_by(client.endpoint);
	log_in_all(&client, sessions, count);
	client_mark(&client, settle_ms);
	held[1] = held_by(client.endpoint);
	open_all(&client, sessions, streams);
	client_mark(&client, settle_ms);
	held[2] = held_by(client.endpoint);
	ask_some(&client, &content, sessions, count);
	client_end(&client);
	tell(ends->out, streams);
	out = client_results(ends);
	fprintf(out, "\"client_session\":%.1f,\"client_session_accounted\":%.1f,"
	    "\"client_stream\":%.1f,\"client_stream_accounted\":%.1f",
	    ((double)held[1].resident - (double)held[0].resident) /
	    (double)count, ((double)held[1].memory - (double)held[0].memory) /
	    (double)count, ((double)held[2].resident -
	    (double)held[1].resident) / (double)streams,
	    ((double)held[2].memory - (double)held[1].memory) /
	    (double)streams);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

/* One byte on a stream that stays open, and the same back. */
static void
hold(struct server *server, struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t n = sj_stream_peek(stream, &bytes);

	if (n == SJ_AGAIN)
		return;
	if (n != 1 || memcmp(bytes, HELLO, 1) != 0)
		die("not the one byte");
	if (sj_stream_write(stream, bytes, 1) != 1)
		die("a byte is not taken");
	sj_stream_consume(stream, 1);
	server->count++;
}

static void
on_event(struct server *server, const struct sj_event *event)
{
	struct sj_stream_info info = { .size = sizeof info };

	if (event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE)
		return;
	sj_stream_info(event->stream, &info);
	if (strcmp(info.service, "hold") == 0)
		hold(server, event->stream);
	else
		echo(event->stream);
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event };
	const struct mark *mark = server.marks;
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	const char *description;
	struct ends ends;
	double streams;

	if (argc != 4 || count < 1)
		die("usage: memory SESSIONS DIRECTORY SETTLE_MS");
	if (split(&ends))
		client_run(argv[2], count, atoi(argv[3]), &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	for (int i = 0; i < MARK_COUNT; i++)
		if (mark[i].memory == 0)
			die("the server was never quiet");
	description = server_describe(&server);
	server_close(&server);
	streams = (double)hear(ends.in);
	if (mark[2].count - mark[1].count != (uint64_t)streams)
		die("the two ends count differently");
	join(&ends, "\"sessions\":%zu,\"streams\":%.0f,\"server_session\":%.1f,"
	    "\"server_session_accounted\":%.1f,\"server_stream\":%.1f,"
	    "\"server_stream_accounted\":%.1f,\"settle_ms\":%s,%s", count,
	    streams, ((double)mark[1].resident - (double)mark[0].resident) /
	    (double)count, ((double)mark[1].memory - (double)mark[0].memory) /
	    (double)count, ((double)mark[2].resident -
	    (double)mark[1].resident) / streams, ((double)mark[2].memory -
	    (double)mark[1].memory) / streams, argv[3], description);
	return 0;
}
