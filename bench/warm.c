/* SPDX-License-Identifier: ISC */
/*
 * bench/warm.c - how long a piece takes on a new stream of a path that is warm
 *
 * warm COUNT DIRECTORY: one login; WARM_UP_S of bytes, then COUNT times, each
 * after PAUSE_MS of silence, PIECE bytes on a stream of their own. A piece begins
 * with the time it was written at; the server compares it and takes the time of
 * its last byte: both ends are one machine and read one clock.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"
#include "warm.h"

/* --- Client ------------------------------------------------------------ */

struct writing {
	struct client client;
	struct content content;
	struct sj_stream *stream;
	uint64_t end;                /* offset at which the stream ends */
	uint64_t end_ns;             /* or time; 0: none */
};

static void
write_some(struct writing *writing)
{
	struct content *content = &writing->content;
	ptrdiff_t n = 0;

	while (content->offset < writing->end && n >= 0) {
		size_t length;
		const uint8_t *bytes = content_next(content, &length);

		if (length > writing->end - content->offset)
			length = (size_t)(writing->end - content->offset);
		n = sj_stream_write(writing->stream, bytes, length);
		content_advance(content, n > 0 ? (size_t)n : 0);
		if (n < 0 && n != SJ_AGAIN)
			die("write: %s", sj_strerror((int)n));
		if (n >= 0 && (size_t)n < length)
			break;
	}
}

/* One stream of so many bytes after the time it is written at; until the server
 * has all of it. */
static void
send_piece(struct writing *writing, const char *service, uint64_t bytes)
{
	uint64_t since_ns = clock_ns();
	struct sj_event event;

	writing->stream = client_stream(writing->client.session, service, NULL);
	content_init(&writing->content);
	writing->end = bytes;
	if (sj_stream_write(writing->stream, &since_ns, sizeof since_ns) !=
	    (ptrdiff_t)sizeof since_ns)
		die("the time is not taken");
	write_some(writing);
	do {
		if (writing->content.offset == writing->end)
			sj_stream_finish(writing->stream);
		client_next(&writing->client, &event);
		if (event.type == SJ_EV_WRITABLE)
			write_some(writing);
	} while (event.type != SJ_EV_DELIVERED);
	sj_stream_close(writing->stream);
}

static void
pause_for(struct writing *writing, uint64_t ms)
{
	uint64_t end_ns = clock_ns() + ms * 1000000;
	struct sj_event event;

	while (clock_ns() < end_ns)
		if (sj_poll(writing->client.endpoint, &event, 10) > 0 &&
		    event.type == SJ_EV_ENDED)
			die("client: %s", event.text);
}

static void
client_run(const char *directory, uint64_t count, const struct ends *ends)
{
	static struct writing writing;
	FILE *out;

	client_begin(&writing.client, directory, ends->in);
	send_piece(&writing, "warm-up", WARM_UP_BYTES);
	for (uint64_t i = 0; i < count; i++) {
		pause_for(&writing, PAUSE_MS);
		send_piece(&writing, "piece", PIECE);
	}
	client_end(&writing.client);
	tell(ends->out, count);
	out = client_results(ends);
	fprintf(out, "\"pieces\":%llu", (unsigned long long)count);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

struct arriving {
	struct piece piece;
	bool is_measured;
};

static struct latencies latencies;

static void
on_event(struct server *server, const struct sj_event *event)
{
	struct arriving *arriving = event->stream_data;
	const void *bytes;
	ptrdiff_t n;

	if (event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE)
		return;
	if (arriving == NULL) {
		arriving = calloc(1, sizeof *arriving);
		if (arriving == NULL)
			die("out of memory");
		content_init(&arriving->piece.content);
		arriving->is_measured = strcmp(event->service, "piece") == 0;
		sj_stream_set_data(event->stream, arriving);
	}
	while ((n = sj_stream_peek(event->stream, &bytes)) > 0) {
		piece_add(&arriving->piece, bytes, (size_t)n);
		sj_stream_consume(event->stream, (size_t)n);
	}
	if (n == SJ_AGAIN)
		return;
	if (n < 0)
		die("read: %s", sj_strerror((int)n));
	if (arriving->is_measured) {
		piece_end(&arriving->piece, &latencies);
		server->count++;
	}
	free(arriving);
	sj_stream_finish(event->stream);
	sj_stream_close(event->stream);
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event };
	const char *description;
	struct ends ends;

	if (argc != 3)
		die("usage: warm COUNT DIRECTORY");
	if (split(&ends))
		client_run(argv[2], strtoull(argv[1], NULL, 10), &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	description = server_describe(&server);
	server_close(&server);
	if (server.count != hear(ends.in))
		die("the two ends count differently");
	warm_join(&ends, &latencies, description);
	return 0;
}
