/* SPDX-License-Identifier: ISC */
/*
 * bench/requests.c - 1 KiB there and back, a new stream each
 *
 * requests SECONDS DIRECTORY IN_FLIGHT: one login; each request opens a
 * stream, writes BLOCK bytes that no other has and ends; the server sends back
 * what came; the client compares every byte and takes the next.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define WARM_UP_SHARE 0.2
#define IN_FLIGHT_MAX 1024

struct request {
	uint64_t number, since_ns;
	size_t received;
};

struct requests {
	struct client client;
	struct content content;
	struct latencies latencies;
	uint64_t begun;
};

/* --- Client ------------------------------------------------------------ */

static void
begin(struct requests *requests, struct request *request)
{
	struct sj_stream *stream;

	request->number = requests->begun++;
	request->received = 0;
	request->since_ns = clock_ns();
	stream = client_stream(requests->client.session, "echo", request);
	if (sj_stream_write(stream, content_block(&requests->content,
	    request->number), BLOCK) != (ptrdiff_t)BLOCK ||
	    sj_stream_finish(stream) < 0)
		die("a request is not taken");
}

/* Compares what came; whether the answer is whole, the stream then closed. */
static bool
take(struct requests *requests, const struct sj_event *event)
{
	struct request *request = event->stream_data;
	const uint8_t *wanted = content_block(&requests->content,
	    request->number);
	const void *bytes;
	ptrdiff_t n;

	while ((n = sj_stream_peek(event->stream, &bytes)) > 0) {
		if ((size_t)n > BLOCK - request->received ||
		    memcmp(wanted + request->received, bytes, (size_t)n) != 0)
			die("a wrong answer to request %llu",
			    (unsigned long long)request->number);
		request->received += (size_t)n;
		sj_stream_consume(event->stream, (size_t)n);
	}
	if (n == SJ_AGAIN)
		return false;
	if (n < 0 || request->received != BLOCK)
		die("request %llu: no whole answer",
		    (unsigned long long)request->number);
	latencies_add(&requests->latencies, request->since_ns);
	sj_stream_close(event->stream);
	return true;
}

/* Keeps so many under way until the time is over; how many there were. */
static uint64_t
request_all(struct requests *requests, size_t in_flight, uint64_t end_ns)
{
	static struct request slots[IN_FLIGHT_MAX];
	uint64_t before = requests->begun, done = 0;
	struct sj_event event;

	requests->latencies.count = 0;
	for (size_t i = 0; i < in_flight; i++)
		begin(requests, &slots[i]);
	while (done < requests->begun - before) {
		client_next(&requests->client, &event);
		if (event.type != SJ_EV_READABLE || event.stream_data == NULL ||
		    !take(requests, &event))
			continue;
		done++;
		if (clock_ns() < end_ns)
			begin(requests, event.stream_data);
	}
	return done;
}

static void
client_run(const char *directory, double seconds, size_t in_flight,
    const struct ends *ends)
{
	static struct requests requests;
	struct usage from, to;
	uint64_t count;
	FILE *out;

	content_init(&requests.content);
	client_begin(&requests.client, directory, ends->in);
	request_all(&requests, in_flight, clock_ns() +
	    (uint64_t)(seconds * WARM_UP_SHARE * 1e9));
	client_mark(&requests.client, 0);
	from = usage_now();
	count = request_all(&requests, in_flight, from.ns +
	    (uint64_t)(seconds * 1e9));
	to = usage_now();
	client_mark(&requests.client, 0);
	client_end(&requests.client);
	tell(ends->out, count);
	out = client_results(ends);
	fprintf(out, "\"per_s\":%.1f,\"client_us\":%.3f,", (double)count * 1e9 /
	    (double)(to.ns - from.ns), (to.cpu_s - from.cpu_s) * 1e6 /
	    (double)count);
	latencies_print(&requests.latencies, out);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

static void
on_event(struct server *server, const struct sj_event *event)
{
	if (event->type == SJ_EV_STREAM || event->type == SJ_EV_READABLE ||
	    event->type == SJ_EV_WRITABLE)
		server->count += echo(event->stream);
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event };
	const struct mark *from = &server.marks[0], *to = &server.marks[1];
	size_t in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	const char *description;
	struct ends ends;
	uint64_t count;

	if (argc != 4 || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
		die("usage: requests SECONDS DIRECTORY IN_FLIGHT");
	if (split(&ends))
		client_run(argv[2], atof(argv[1]), in_flight, &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	count = to->count - from->count;
	description = server_describe(&server);
	server_close(&server);
	if (count == 0 || count != hear(ends.in))
		die("the two ends count differently");
	join(&ends, "\"requests\":%llu,\"server_us\":%.3f,\"in_flight\":%zu,"
	    "\"write_size\":%zu,%s", (unsigned long long)count,
	    (to->usage.cpu_s - from->usage.cpu_s) * 1e6 / (double)count,
	    in_flight, BLOCK, description);
	return 0;
}
