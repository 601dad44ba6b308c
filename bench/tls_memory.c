/* SPDX-License-Identifier: ISC */
/*
 * bench/tls_memory.c - the peer of memory.c: what an idle TLS connection holds
 *
 * tls_memory CONNECTIONS SETTLE_MS: buffers are released when they are empty
 * (SSL_MODE_RELEASE_BUFFERS). The kernel's sockets are not counted. Afterwards
 * a hundred of them have to answer.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "tls_common.h"

#define ANSWERS ((size_t)100)

static void
client_run(const struct tls *tls, size_t count, size_t asked,
    const struct ends *ends)
{
	static struct content content;
	SSL **all = calloc(count, sizeof(SSL *));
	double before = (double)resident_bytes();
	uint8_t answer[BLOCK];
	FILE *out;

	for (size_t i = 0; i < count; i++)
		all[i] = tls_connect(tls, NULL);
	tell(ends->out, count);
	hear(ends->in);
	out = client_results(ends);
	fprintf(out, "\"client_connection\":%.1f",
	    ((double)resident_bytes() - before) / (double)count);
	content_init(&content);
	for (size_t i = 0; i < asked; i++) {
		SSL *ssl = all[i * count / asked];

		tls_write(ssl, content_block(&content, i), BLOCK);
		if (!tls_read(ssl, answer, BLOCK) ||
		    memcmp(answer, content_block(&content, i), BLOCK) != 0)
			die("a wrong answer");
	}
	exit(0);
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	size_t asked = count < ANSWERS ? count : ANSWERS;
	double before, after;
	struct ends ends;
	uint8_t bytes[BLOCK];
	struct tls tls;
	SSL **all;

	if (argc != 3 || count < 1)
		die("usage: tls_memory CONNECTIONS SETTLE_MS");
	tls_open(&tls, NULL);
	SSL_CTX_set_mode(tls.server, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_mode(tls.client, SSL_MODE_RELEASE_BUFFERS);
	if (split(&ends))
		client_run(&tls, count, asked, &ends);
	all = calloc(count, sizeof(SSL *));
	before = (double)resident_bytes();
	for (size_t i = 0; i < count; i++)
		all[i] = tls_accept(&tls);
	if (hear(ends.in) != count)
		die("the two ends count differently");
	usleep((useconds_t)atoi(argv[2]) * 1000);
	after = (double)resident_bytes();
	tell(ends.out, count);
	for (size_t i = 0; i < asked; i++) {
		if (!tls_read(all[i * count / asked], bytes, BLOCK))
			die("no request");
		tls_write(all[i * count / asked], bytes, BLOCK);
	}
	join(&ends, "\"connections\":%zu,\"server_connection\":%.1f,"
	    "\"settle_ms\":%s,%s", count, (after - before) / (double)count,
	    argv[2], tls_describe());
	return 0;
}
