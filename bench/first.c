/* SPDX-License-Identifier: ISC */
/*
 * bench/first.c - from nothing to the first answer of a new login
 *
 * first COUNT DIRECTORY: each time an endpoint that has sent nothing yet logs in
 * to a server whose key it knows, and asks at once for BLOCK bytes on a stream.
 * BENCH_RTT_MS: of the path.
 */
#include <stdlib.h>
#include <string.h>

#include "ours.h"

/* --- Client ------------------------------------------------------------ */

static bool
take(struct sj_stream *stream, const uint8_t *wanted, size_t *received)
{
	const void *bytes;
	ptrdiff_t n;

	while ((n = sj_stream_peek(stream, &bytes)) > 0) {
		if ((size_t)n > BLOCK - *received ||
		    memcmp(wanted + *received, bytes, (size_t)n) != 0)
			die("a wrong answer");
		*received += (size_t)n;
		sj_stream_consume(stream, (size_t)n);
	}
	return n == 0 && *received == BLOCK;
}

static void
ask(struct client *client, struct content *content, uint64_t number,
    struct latencies *latencies)
{
	uint64_t since_ns = clock_ns();
	const uint8_t *wanted = content_block(content, number);
	struct sj_stream *stream;
	struct sj_event event;
	size_t received = 0;

	client_reopen(client);
	client->session = client_log_in(client, NULL);
	stream = client_stream(client->session, "block", NULL);
	if (sj_stream_write(stream, &number, sizeof number) !=
	    (ptrdiff_t)sizeof number || sj_stream_finish(stream) < 0)
		die("a request is not taken");
	do
		client_next(client, &event);
	while (event.stream != stream || event.type != SJ_EV_READABLE ||
	    !take(stream, wanted, &received));
	latencies_add(latencies, since_ns);
	sj_stream_close(stream);
}

static void
client_run(const char *directory, uint64_t count, const struct ends *ends)
{
	static struct client client;
	static struct content content;
	static struct latencies latencies;
	const char *rtt_ms = getenv("BENCH_RTT_MS");
	double p50_us;
	FILE *out;

	if (rtt_ms == NULL)
		die("BENCH_RTT_MS says what a round trip takes");
	content_init(&content);
	client_open(&client, directory, ends->in);
	for (uint64_t i = 0; i <= count; i++) {
		if (i == 1)             /* the first one read the files */
			latencies.count = 0;
		ask(&client, &content, i, &latencies);
		if (i < count)
			client_leave(&client);
	}
	client_end(&client);
	tell(ends->out, count + 1);
	out = client_results(ends);
	p50_us = latencies_percentile_us(&latencies, 50);
	fprintf(out, "\"rtts\":%.4f,\"p50_us\":%.1f,\"max_us\":%.1f",
	    p50_us / 1e3 / atof(rtt_ms), p50_us,
	    latencies_percentile_us(&latencies, 100));
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

static struct content content;

static void
on_event(struct server *server, const struct sj_event *event)
{
	const void *bytes;
	uint64_t number;

	if ((event->type != SJ_EV_STREAM && event->type != SJ_EV_READABLE) ||
	    sj_stream_peek(event->stream, &bytes) <
	    (ptrdiff_t)sizeof number)
		return;
	memcpy(&number, bytes, sizeof number);
	sj_stream_consume(event->stream, sizeof number);
	if (sj_stream_write(event->stream, content_block(&content, number),
	    BLOCK) != (ptrdiff_t)BLOCK)
		die("an answer is not taken");
	sj_stream_finish(event->stream);
	sj_stream_close(event->stream);
	server->count++;
}

int
main(int argc, char **argv)
{
	struct server server = { .on_event = on_event, .lets_go = true };
	const char *description;
	struct ends ends;

	if (argc != 3)
		die("usage: first COUNT DIRECTORY");
	content_init(&content);
	if (split(&ends))
		client_run(argv[2], strtoull(argv[1], NULL, 10), &ends);
	server_open(&server, argv[2], ends.out);
	server_run(&server);
	description = server_describe(&server);
	server_close(&server);
	if (server.count != hear(ends.in))
		die("the two ends count differently");
	join(&ends, "\"logins\":%llu,\"write_size\":%zu,%s",
	    (unsigned long long)server.count - 1, BLOCK, description);
	return 0;
}
