/* SPDX-License-Identifier: ISC */
/*
 * bench/streams.c - opening and closing
 *
 * streams COUNT DIRECTORY IN_FLIGHT: one login; each stream is opened, carries
 * its number in eight bytes and the end, is answered with the end, and closed
 * at both ends. The server takes each number once. Afterwards, when it has
 * been quiet, both ends have to hold what they held before: what is left is
 * part of the result, and a byte for each stream is an error.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define WARM_UP 4096                 /* streams: tables have their size then */
#define SETTLE_MS 1000
#define TABLES 65536                 /* may have grown: with packets under way */

/* Bytes that are left; dies if streams left them. */
static long long
left(uint64_t before, uint64_t after, uint64_t count)
{
	long long bytes = (long long)(after - before);

	if (bytes >= (long long)(TABLES + count))
		die("%lld bytes more than before are held after %llu streams",
		    bytes, (unsigned long long)count);
	return bytes;
}

/* --- Client ------------------------------------------------------------ */

static void
begin(struct client *client, uint64_t number)
{
	struct sj_stream *stream = client_stream(client->session, "count",
	    client);

	if (sj_stream_write(stream, &number, sizeof number) !=
	    (ptrdiff_t)sizeof number || sj_stream_finish(stream) < 0)
		die("a stream is not taken");
}

static void
open_all(struct client *client, uint64_t first, uint64_t count,
    uint64_t in_flight)
{
	uint64_t begun = 0, done = 0;
	struct sj_event event;
	const void *bytes;

	for (; begun < count && begun < in_flight; begun++)
		begin(client, first + begun);
	while (done < count) {
		client_next(client, &event);
		if (event.type != SJ_EV_READABLE || event.stream_data != client)
			continue;
		if (sj_stream_peek(event.stream, &bytes) != 0)
			die("bytes that nobody sent");
		sj_stream_close(event.stream);
		done++;
		if (begun < count)
			begin(client, first + begun++);
	}
}

static void
client_run(const char *directory, uint64_t count, uint64_t in_flight,
    const struct ends *ends)
{
	struct client client = { 0 };
	struct usage from, to;
	uint64_t before;
	long long bytes;
	FILE *out;

	client_begin(&client, directory, ends->in);
	open_all(&client, 0, WARM_UP, in_flight);
	client_mark(&client, SETTLE_MS);
	before = endpoint_memory(client.endpoint);
	from = usage_now();
	open_all(&client, WARM_UP, count, in_flight);
	to = usage_now();
	client_mark(&client, SETTLE_MS);
	bytes = left(before, endpoint_memory(client.endpoint), count);
	client_end(&client);
	out = client_results(ends);
	fprintf(out, "\"per_s\":%.1f,\"client_us\":%.3f,\"client_left\":%lld",
	    (double)count * 1e9 / (double)(to.ns - from.ns),
	    (to.cpu_s - from.cpu_s) * 1e6 / (double)count,
	    bytes);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

struct seen {
	uint64_t count;
	bool *numbers;
};

static void
on_event(struct server *server, const struct sj_event *event)
{
	struct seen *seen = server->data;
	uint64_t number;
	const void *bytes;
	ptrdiff_t n;

	if (event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE)
		return;
	n = sj_stream_peek(event->stream, &bytes);
	if (n == sizeof number) {
		memcpy(&number, bytes, sizeof number);
		if (number >= seen->count || seen->numbers[number])
			die("a number that nobody sent, or twice");
		seen->numbers[number] = true;
		server->count++;
		sj_stream_consume(event->stream, sizeof number);
		n = sj_stream_peek(event->stream, &bytes);
	}
	/* Not all of the number: the end is an event of its own. */
	if (n == SJ_AGAIN || (n > 0 && (size_t)n < sizeof number))
		return;
	if (n != 0)
		die("not a number and the end");
	sj_stream_finish(event->stream);
	sj_stream_close(event->stream);
}

int
main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t in_flight = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	struct seen seen = { .count = WARM_UP + count };
	struct server server = { .on_event = on_event, .data = &seen };
	const struct mark *from = &server.marks[0], *to = &server.marks[1];
	const char *description;
	struct ends ends;

	if (argc != 4 || count < 1 || in_flight < 1 || in_flight > 2000)
		die("usage: streams COUNT DIRECTORY IN_FLIGHT");
	if (split(&ends))
		client_run(argv[2], count, in_flight, &ends);
	seen.numbers = calloc(seen.count, sizeof *seen.numbers);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	if (server.count != seen.count || to->count - from->count != count)
		die("%llu streams of %llu came", (unsigned long long)
		    server.count, (unsigned long long)seen.count);
	if (from->memory == 0 || to->memory == 0)
		die("the server was never quiet");
	description = server_describe(&server);
	server_close(&server);
	join(&ends, "\"streams\":%llu,\"server_us\":%.3f,\"server_left\":%lld,"
	    "\"in_flight\":%llu,\"write_size\":%zu,%s",
	    (unsigned long long)count,
	    (to->usage.cpu_s - from->usage.cpu_s) * 1e6 / (double)count,
	    left(from->memory, to->memory, count),
	    (unsigned long long)in_flight, sizeof(uint64_t), description);
	return 0;
}
