/* SPDX-License-Identifier: ISC */
/*
 * bench/tls_requests.c - the peer of requests.c: 1 KiB there and back on one
 * TLS connection, one at a time
 *
 * tls_requests SECONDS CONTROLLER
 */
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "tls_common.h"

#define WARM_UP_SHARE 0.2

static struct content content;

static uint64_t
request_all(SSL *ssl, uint64_t first, uint64_t end_ns,
    struct latencies *latencies)
{
	uint8_t answer[BLOCK];
	uint64_t number = first;

	do {
		uint64_t since_ns = clock_ns();
		const uint8_t *wanted = content_block(&content, number);

		tls_write(ssl, wanted, BLOCK);
		if (!tls_read(ssl, answer, BLOCK) ||
		    memcmp(answer, wanted, BLOCK) != 0)
			die("a wrong answer to request %llu",
			    (unsigned long long)number);
		latencies_add(latencies, since_ns);
		number++;
	} while (clock_ns() < end_ns);
	return number - first;
}

static void
client_run(const struct tls *tls, const char *controller, double seconds,
    const struct ends *ends)
{
	struct latencies latencies = { 0 };
	SSL *ssl = tls_connect(tls, controller);
	struct usage from, to;
	uint64_t before, count;
	FILE *out;

	content_init(&content);
	before = request_all(ssl, 0, clock_ns() +
	    (uint64_t)(seconds * WARM_UP_SHARE * 1e9), &latencies);
	latencies.count = 0;
	from = usage_now();
	count = request_all(ssl, before, from.ns + (uint64_t)(seconds * 1e9),
	    &latencies);
	to = usage_now();
	SSL_shutdown(ssl);
	tell(ends->out, before + count);
	out = client_results(ends);
	fprintf(out, "\"requests\":%llu,\"per_s\":%.1f,\"client_us\":%.3f,",
	    (unsigned long long)count, (double)count * 1e9 /
	    (double)(to.ns - from.ns), (to.cpu_s - from.cpu_s) * 1e6 /
	    (double)count);
	latencies_print(&latencies, out);
	exit(0);
}

int
main(int argc, char **argv)
{
	uint8_t bytes[BLOCK];
	struct usage from, to;
	struct ends ends;
	struct tls tls;
	uint64_t count = 0;
	SSL *ssl;

	if (argc != 3)
		die("usage: tls_requests SECONDS CONTROLLER");
	tls_open(&tls, argv[2]);
	if (split(&ends))
		client_run(&tls, argv[2], atof(argv[1]), &ends);
	ssl = tls_accept(&tls);
	from = usage_now();
	for (; tls_read(ssl, bytes, sizeof bytes); count++)
		tls_write(ssl, bytes, sizeof bytes);
	to = usage_now();
	if (count != hear(ends.in))
		die("the two ends count differently");
	join(&ends, "\"server_us\":%.3f,\"in_flight\":1,\"write_size\":%zu,"
	    "\"controller\":\"%s\",%s", (to.cpu_s - from.cpu_s) * 1e6 /
	    (double)count, BLOCK, argv[2], tls_describe());
	return 0;
}
