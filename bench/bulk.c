/* SPDX-License-Identifier: ISC */
/*
 * bench/bulk.c - bytes a second over one stream, or over many at once
 *
 * bulk SECONDS DIRECTORY [STREAMS [SESSIONS]]: ours.h says what the directory is. Stream
 * number K of several begins at content offset K << 32: bytes that came on
 * another stream cannot pass.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define OFFSET_SHIFT 32
#define SESSIONS_MAX 64

/* Where each stream is; they share the table of the content. */
static struct content content;

/* --- The sender: a client ---------------------------------------------- */

struct sending {
	struct sj_stream *stream;
	uint64_t offset;
	bool is_finished;
};

/* Writes until nothing more is taken now. */
static void
write_some(struct sending *sending, uint64_t end_ns)
{
	content.offset = sending->offset;
	while (clock_ns() < end_ns) {
		size_t length;
		const uint8_t *bytes = content_next(&content, &length);
		ptrdiff_t n = sj_stream_write(sending->stream, bytes, length);

		if (n == SJ_AGAIN)
			break;
		if (n < 0)
			die("write: %s", sj_strerror((int)n));
		content_advance(&content, (size_t)n);
		if ((size_t)n < length)
			break;
	}
	sending->offset = content.offset;
}

static uint64_t
finish_all(struct sending *sending, size_t count)
{
	uint64_t sent = 0;

	for (size_t i = 0; i < count; i++) {
		sj_stream_finish(sending[i].stream);
		sent += sending[i].offset - ((uint64_t)i << OFFSET_SHIFT);
	}
	return sent;
}

/* So many logins, the first of which is there; their streams share the path. */
static void
log_in_more(struct client *client, struct sj_session **sessions, size_t count)
{
	struct sj_event event;

	sessions[0] = client->session;
	for (size_t i = 1; i < count; i++) {
		sessions[i] = client_log_in(client, NULL);
		do
			client_next(client, &event);
		while (event.type != SJ_EV_STARTED);
	}
}

static void
send_all(const char *directory, double seconds, size_t count,
    size_t session_count, const struct ends *ends)
{
	struct sj_session *sessions[SESSIONS_MAX];
	struct sending *sending = calloc(count, sizeof *sending), *of;
	struct client client = { 0 };
	struct sj_event event;
	char service[32];
	uint64_t end_ns;
	size_t delivered = 0;
	bool is_finished = false;

	client_begin(&client, directory, ends->in);
	log_in_more(&client, sessions, session_count);
	end_ns = clock_ns() + (uint64_t)(seconds * 1e9);
	for (size_t i = 0; i < count; i++) {
		snprintf(service, sizeof service, "bulk %zu", i);
		sending[i].stream = client_stream(sessions[i % session_count],
		    service, &sending[i]);
		sending[i].offset = (uint64_t)i << OFFSET_SHIFT;
		write_some(&sending[i], UINT64_MAX);
	}
	while (delivered < count) {
		if (!is_finished && clock_ns() >= end_ns) {
			is_finished = true;
			tell(ends->out, finish_all(sending, count));
		}
		client_next(&client, &event);
		of = event.stream_data;
		if (event.type == SJ_EV_WRITABLE)
			write_some(of, end_ns);
		else if (event.type == SJ_EV_DELIVERED)
			delivered++;
	}
	client_end(&client);
	exit(0);
}

/* --- The receiver: the server ------------------------------------------ */

struct receiving {
	struct sj_stream *stream;
	uint64_t offset;
};

struct sink {
	struct measure measure;
	struct receiving *streams;
	size_t count, ended;
	uint64_t bytes;
};

static struct receiving *
receiving_of(struct sink *sink, const struct sj_event *event)
{
	struct receiving *receiving = event->stream_data;
	unsigned long long number;

	if (receiving != NULL)
		return receiving;
	if (event->type != SJ_EV_STREAM ||
	    sscanf(event->service, "bulk %llu", &number) != 1 ||
	    number >= sink->count || sink->streams[number].stream != NULL)
		die("a stream that nobody opened");
	receiving = &sink->streams[number];
	receiving->stream = event->stream;
	receiving->offset = number << OFFSET_SHIFT;
	sj_stream_set_data(event->stream, receiving);
	return receiving;
}

static void
on_event(struct server *server, const struct sj_event *event)
{
	struct sink *sink = server->data;
	struct receiving *receiving;
	const void *bytes;
	ptrdiff_t n;

	if (event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE)
		return;
	receiving = receiving_of(sink, event);
	content.offset = receiving->offset;
	while ((n = sj_stream_peek(event->stream, &bytes)) > 0) {
		if (!content_check(&content, bytes, (size_t)n))
			die("wrong content near byte %llu",
			    (unsigned long long)content.offset);
		measure_add(&sink->measure, (uint64_t)n);
		sink->bytes += (uint64_t)n;
		sj_stream_consume(event->stream, (size_t)n);
	}
	receiving->offset = content.offset;
	if (n < 0 && n != SJ_AGAIN)
		die("read: %s", sj_strerror((int)n));
	if (n == 0) {
		sink->ended++;
		sj_stream_finish(event->stream);
		sj_stream_close(event->stream);
	}
}

int
main(int argc, char **argv)
{
	struct sink sink = { .count = argc > 3 ?
	    (size_t)strtoul(argv[3], NULL, 10) : 1 };
	struct server server = { .on_event = on_event, .data = &sink };
	size_t sessions = argc > 4 ? (size_t)strtoul(argv[4], NULL, 10) : 1;
	struct ends ends;
	uint64_t sent;
	char more[768];

	if (argc < 3 || argc > 5 || sink.count == 0 || sink.count > 100000 ||
	    sessions == 0 || sessions > SESSIONS_MAX)
		die("usage: bulk SECONDS DIRECTORY [STREAMS [SESSIONS]]");
	content_init(&content);
	if (split(&ends))
		send_all(argv[2], atof(argv[1]), sink.count, sessions, &ends);
	sink.streams = calloc(sink.count, sizeof *sink.streams);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	sent = hear(ends.in);
	if (sent != sink.bytes || sink.ended != sink.count)
		die("%llu bytes sent, %llu received; %zu streams, %zu ended",
		    (unsigned long long)sent, (unsigned long long)sink.bytes,
		    sink.count, sink.ended);
	snprintf(more, sizeof more, ",%s,\"streams\":%zu,\"sessions\":%zu,"
	    "\"write_size\":%zu", server_describe(&server), sink.count, sessions,
	    WRITE_SIZE);
	server_close(&server);
	report(&sink.measure, &ends, sent, more);
	return 0;
}
