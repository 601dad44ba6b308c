/* SPDX-License-Identifier: ISC */
/*
 * bench/hol.c - small requests beside a stream that takes all it can get
 *
 * hol COUNT DIRECTORY IN_FLIGHT [bulk]: one login; each request opens a stream,
 * writes BLOCK bytes that no other has and ends; the server sends back what came.
 * With "bulk" a stream of the lowest urgency is written all the time, and the
 * server compares what comes on it.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define WARM_UP 100
#define IN_FLIGHT_MAX 1024
#define BULK "bulk"
#define LEAST_URGENT 7

struct request {
	uint64_t number, since_ns;
	size_t received;
};

struct work {
	struct client client;
	struct content content;      /* of the requests */
	struct content bulk_content;
	struct sj_stream *bulk;      /* NULL: none */
	struct latencies latencies;
	uint64_t begun, done, count;
};

/* --- Client ------------------------------------------------------------ */

static void
begin(struct work *work, struct request *request)
{
	struct sj_stream *stream;

	request->number = work->begun++;
	request->received = 0;
	request->since_ns = clock_ns();
	stream = client_stream(work->client.session, "echo", request);
	if (sj_stream_write(stream, content_block(&work->content,
	    request->number), BLOCK) != (ptrdiff_t)BLOCK ||
	    sj_stream_finish(stream) < 0)
		die("a request is not taken");
}

/* Whether the answer is whole, the stream then closed. */
static bool
take(struct work *work, const struct sj_event *event)
{
	struct request *request = event->stream_data;
	const uint8_t *wanted = content_block(&work->content, request->number);
	const void *bytes;
	ptrdiff_t n;

	while ((n = sj_stream_peek(event->stream, &bytes)) > 0) {
		if ((size_t)n > BLOCK - request->received || memcmp(wanted +
		    request->received, bytes, (size_t)n) != 0)
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
	if (request->number >= WARM_UP)
		latencies_add(&work->latencies, request->since_ns);
	sj_stream_close(event->stream);
	return true;
}

static void
write_bulk(struct work *work)
{
	struct content *content = &work->bulk_content;
	ptrdiff_t n;
	size_t length;

	do {
		const uint8_t *bytes = content_next(content, &length);

		n = sj_stream_write(work->bulk, bytes, length);
		if (n < 0 && n != SJ_AGAIN)
			die("bulk: %s", sj_strerror((int)n));
		content_advance(content, n > 0 ? (size_t)n : 0);
	} while (n == (ptrdiff_t)length);
}

static void
end_bulk(struct work *work)
{
	struct sj_event event;

	sj_stream_finish(work->bulk);
	do
		client_next(&work->client, &event);
	while (event.stream != work->bulk || event.type != SJ_EV_DELIVERED);
}

static void
run(struct work *work, size_t in_flight)
{
	static struct request slots[IN_FLIGHT_MAX];
	struct sj_event event;

	for (size_t i = 0; i < in_flight; i++)
		begin(work, &slots[i]);
	while (work->done < work->begun) {
		client_next(&work->client, &event);
		if (event.stream == work->bulk && event.stream != NULL) {
			if (event.type == SJ_EV_WRITABLE)
				write_bulk(work);
			continue;
		}
		if (event.type != SJ_EV_READABLE || event.stream_data == NULL ||
		    !take(work, &event))
			continue;
		work->done++;
		if (work->begun < work->count)
			begin(work, event.stream_data);
	}
}

static void
client_run(const char *directory, uint64_t count, size_t in_flight,
    bool with_bulk, const struct ends *ends)
{
	static struct work work;
	FILE *out;

	content_init(&work.content);
	content_init(&work.bulk_content);
	work.count = count + WARM_UP;
	client_begin(&work.client, directory, ends->in);
	if (with_bulk) {
		work.bulk = client_stream(work.client.session, BULK, NULL);
		sj_stream_set_priority(work.bulk, LEAST_URGENT,
		    SJ_WEIGHT_DEFAULT);
		write_bulk(&work);
	}
	run(&work, in_flight);
	if (with_bulk)
		end_bulk(&work);
	client_end(&work.client);
	tell(ends->out, work.done);
	tell(ends->out, work.bulk_content.offset);
	out = client_results(ends);
	latencies_print(&work.latencies, out);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

static struct content came;

static void
on_bulk(struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t n;

	while ((n = sj_stream_peek(stream, &bytes)) > 0) {
		if (!content_check(&came, bytes, (size_t)n))
			die("wrong content near byte %llu",
			    (unsigned long long)came.offset);
		sj_stream_consume(stream, (size_t)n);
	}
	if (n == 0) {
		sj_stream_finish(stream);
		sj_stream_close(stream);
	}
}

static void
on_event(struct server *server, const struct sj_event *event)
{
	if (event->type == SJ_EV_STREAM && strcmp(event->service, BULK) == 0)
		sj_stream_set_data(event->stream, &came);
	if (event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE &&
	    event->type != SJ_EV_WRITABLE)
		return;
	if (event->stream_data == &came || (event->type == SJ_EV_STREAM &&
	    strcmp(event->service, BULK) == 0))
		on_bulk(event->stream);
	else
		server->count += echo(event->stream);
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event };
	bool with_bulk = argc == 5 && strcmp(argv[4], BULK) == 0;
	size_t in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	const char *description;
	struct ends ends;

	if ((argc != 4 && !with_bulk) || in_flight < 1 ||
	    in_flight > IN_FLIGHT_MAX)
		die("usage: hol COUNT DIRECTORY IN_FLIGHT [bulk]");
	content_init(&came);
	if (split(&ends))
		client_run(argv[2], strtoull(argv[1], NULL, 10), in_flight,
		    with_bulk, &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	description = server_describe(&server);
	server_close(&server);
	if (server.count != hear(ends.in))
		die("the two ends count differently");
	if (came.offset != hear(ends.in))
		die("the two ends count bytes differently");
	join(&ends, "\"requests\":%llu,\"bulk_bytes\":%llu,\"in_flight\":%zu,"
	    "\"write_size\":%zu,%s", (unsigned long long)server.count,
	    (unsigned long long)came.offset, in_flight, BLOCK, description);
	return 0;
}
