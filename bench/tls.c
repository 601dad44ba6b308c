/* SPDX-License-Identifier: ISC */
/*
 * bench/tls.c - the peer of bulk.c: TLS 1.3 over TCP by OpenSSL
 *
 * tls SECONDS CONTROLLER: one connection over loopback, writes of 16 KiB.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "tls_common.h"

static struct content content;

static void
send_all(const struct tls *tls, const char *controller, double seconds,
    int out)
{
	SSL *ssl = tls_connect(tls, controller);
	uint64_t end_ns = clock_ns() + (uint64_t)(seconds * 1e9);

	while (clock_ns() < end_ns) {
		size_t length;
		const uint8_t *bytes = content_next(&content, &length);

		tls_write(ssl, bytes, length);
		content_advance(&content, length);
	}
	SSL_shutdown(ssl);
	tell(out, content.offset);
	/* Until the receiver has read its end: no reset may overtake it. */
	shutdown(SSL_get_fd(ssl), SHUT_WR);
	SSL_read(ssl, &end_ns, sizeof end_ns);
	exit(0);
}

int
main(int argc, char **argv)
{
	static uint8_t buffer[WRITE_SIZE];
	struct measure measure = { 0 };
	struct ends ends;
	struct tls tls;
	uint64_t sent;
	char more[512];
	SSL *ssl;
	int n;

	if (argc != 3)
		die("usage: tls SECONDS CONTROLLER");
	tls_open(&tls, argv[2]);
	content_init(&content);
	if (split(&ends))
		send_all(&tls, argv[2], atof(argv[1]), ends.out);
	ssl = tls_accept(&tls);
	while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0) {
		if (!content_check(&content, buffer, (size_t)n))
			die("wrong content near byte %llu",
			    (unsigned long long)content.offset);
		measure_add(&measure, (uint64_t)n);
	}
	if (SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN)
		die("TLS: cannot read");
	snprintf(more, sizeof more, ",%s,\"controller\":\"%s\","
	    "\"write_size\":%zu", tls_describe(), argv[2], WRITE_SIZE);
	sent = hear(ends.in);
	if (sent != content.offset)
		die("%llu bytes sent, %llu received", (unsigned long long)sent,
		    (unsigned long long)content.offset);
	close(SSL_get_fd(ssl));
	report(&measure, &ends, sent, more);
	return 0;
}
