/* SPDX-License-Identifier: ISC */
/*
 * bench/tls_warm.c - the peer of warm.c: the same pieces, one after the other, on
 * one TLS connection
 *
 * tls_warm COUNT CONTROLLER
 */
#include <stdlib.h>
#include <time.h>

#include "tls_common.h"
#include "warm.h"

static void
write_piece(SSL *ssl, uint64_t bytes)
{
	static struct content content;
	uint64_t since_ns = clock_ns();

	tls_write(ssl, &since_ns, sizeof since_ns);
	content_init(&content);
	while (content.offset < bytes) {
		size_t length;
		const uint8_t *some = content_next(&content, &length);

		if (length > bytes - content.offset)
			length = (size_t)(bytes - content.offset);
		tls_write(ssl, some, length);
		content_advance(&content, length);
	}
}

static void
client_run(const struct tls *tls, const char *controller, uint64_t count,
    const struct ends *ends)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	SSL *ssl = tls_connect(tls, controller);
	uint8_t heard;
	FILE *out;

	write_piece(ssl, WARM_UP_BYTES);
	tls_read(ssl, &heard, 1);
	for (uint64_t i = 0; i < count; i++) {
		nanosleep(&pause, NULL);
		write_piece(ssl, PIECE);
		tls_read(ssl, &heard, 1);
	}
	SSL_shutdown(ssl);
	tell(ends->out, count);
	out = client_results(ends);
	fprintf(out, "\"pieces\":%llu", (unsigned long long)count);
	exit(0);
}

/* Reads one; false: the connection ended in its place. */
static bool
read_piece(SSL *ssl, struct piece *piece, uint64_t bytes)
{
	static uint8_t buffer[WRITE_SIZE];
	uint64_t left = bytes + sizeof piece->time;

	memset(piece, 0, sizeof *piece);
	content_init(&piece->content);
	while (left > 0) {
		int n = SSL_read(ssl, buffer, (int)(left < sizeof buffer ? left :
		    sizeof buffer));

		if (n <= 0 && left == bytes + sizeof piece->time &&
		    SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			return false;
		if (n <= 0)
			die("TLS: cannot read");
		piece_add(piece, buffer, (size_t)n);
		left -= (uint64_t)n;
	}
	return true;
}

int
main(int argc, char **argv)
{
	static struct latencies latencies;
	static struct piece piece;
	char description[512];
	struct ends ends;
	struct tls tls;
	uint64_t count = 0;
	SSL *ssl;

	if (argc != 3)
		die("usage: tls_warm COUNT CONTROLLER");
	tls_open(&tls, argv[2]);
	if (split(&ends))
		client_run(&tls, argv[2], strtoull(argv[1], NULL, 10), &ends);
	ssl = tls_accept(&tls);
	if (!read_piece(ssl, &piece, WARM_UP_BYTES))
		die("nothing came");
	tls_write(ssl, "", 1);
	for (; read_piece(ssl, &piece, PIECE); count++) {
		piece_end(&piece, &latencies);
		tls_write(ssl, "", 1);
	}
	if (count != hear(ends.in))
		die("the two ends count differently");
	snprintf(description, sizeof description, "\"controller\":\"%s\",%s",
	    argv[2], tls_describe());
	warm_join(&ends, &latencies, description);
	return 0;
}
