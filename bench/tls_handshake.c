/* SPDX-License-Identifier: ISC */
/*
 * bench/tls_handshake.c - the peer of handshake.c: full TLS 1.3 handshakes
 *
 * tls_handshake SECONDS IN_FLIGHT: a new TCP connection each time, no
 * resumption. The server waits with epoll, takes a connection when its hello
 * is there, and drops it when the handshake is done: nothing costs it more
 * than it has to. The client goes on to the next when it sees that.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "tls_common.h"

#define WARM_UP_SHARE 0.2
#define IN_FLIGHT_MAX 1024
#define EVENTS 64

struct connection {
	SSL *ssl;
	uint64_t since_ns;
	bool is_done;                /* client: the handshake */
};

static void
watch(int epoll_fd, int fd, void *data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		die("cannot wait for a connection");
}

static void
drop(SSL *ssl)
{
	struct linger none = { 1, 0 };
	int fd = SSL_get_fd(ssl);

	/* No TIME_WAIT: ports would run out. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	SSL_free(ssl);
	close(fd);
}

/* --- Client ------------------------------------------------------------ */

struct caller {
	const struct tls *tls;
	int epoll_fd;
	struct latencies latencies;
	struct connection connections[IN_FLIGHT_MAX];
};

static void
go_on(struct caller *caller, struct connection *connection)
{
	int result;

	if (connection->is_done)
		return;
	result = SSL_connect(connection->ssl);
	if (result == 1) {
		connection->is_done = true;
		latencies_add(&caller->latencies, connection->since_ns);
	} else if (SSL_get_error(connection->ssl, result) !=
	    SSL_ERROR_WANT_READ) {
		die("the TLS handshake failed");
	}
}

static void
begin(struct caller *caller, struct connection *connection)
{
	int fd, on = 1;

	connection->since_ns = clock_ns();
	connection->is_done = false;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("no socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* Over loopback this does not wait. */
	tls_connect_tcp(caller->tls, fd);
	tls_set_nonblocking(fd);
	connection->ssl = tls_new(caller->tls->client, fd);
	go_on(caller, connection);
	watch(caller->epoll_fd, fd, connection);
}

static uint64_t
shake_all(struct caller *caller, size_t in_flight, uint64_t end_ns)
{
	struct epoll_event events[EVENTS];
	uint64_t begun = in_flight, ended = 0;

	caller->latencies.count = 0;
	for (size_t i = 0; i < in_flight; i++)
		begin(caller, &caller->connections[i]);
	while (ended < begun) {
		int count = epoll_wait(caller->epoll_fd, events, EVENTS, 10000);

		if (count <= 0)
			die("client: nothing for 10 s");
		for (int i = 0; i < count; i++) {
			struct connection *connection = events[i].data.ptr;
			bool was_done = connection->is_done;

			go_on(caller, connection);
			/* The next event is the server's end. */
			if (!was_done)
				continue;
			drop(connection->ssl);
			ended++;
			if (clock_ns() >= end_ns)
				continue;
			begin(caller, connection);
			begun++;
		}
	}
	return ended;
}

static void
client_run(const struct tls *tls, double seconds, size_t in_flight,
    const struct ends *ends)
{
	static struct caller caller;
	struct usage from, to;
	uint64_t count;
	FILE *out;

	caller.tls = tls;
	caller.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	shake_all(&caller, in_flight, clock_ns() +
	    (uint64_t)(seconds * WARM_UP_SHARE * 1e9));
	tell(ends->out, 0);
	hear(ends->in);
	from = usage_now();
	count = shake_all(&caller, in_flight, from.ns +
	    (uint64_t)(seconds * 1e9));
	to = usage_now();
	tell(ends->out, count);
	out = client_results(ends);
	fprintf(out, "\"handshakes\":%llu,\"wall_per_s\":%.1f,"
	    "\"client_us\":%.1f,", (unsigned long long)count, (double)count *
	    1e9 / (double)(to.ns - from.ns), (to.cpu_s - from.cpu_s) * 1e6 /
	    (double)count);
	latencies_print(&caller.latencies, out);
	exit(0);
}

/* --- Server ------------------------------------------------------------ */

/* Whether the handshake is done; the connection is gone then. */
static bool
serve(SSL *ssl)
{
	int result = SSL_accept(ssl);

	if (result == 1) {
		drop(ssl);
		return true;
	}
	if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
		die("the TLS handshake failed");
	return false;
}

static uint64_t
accept_all(const struct tls *tls, int epoll_fd)
{
	uint64_t done = 0;
	int fd, on = 1;

	while ((fd = accept4(tls->listener, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		SSL *ssl = tls_new(tls->server, fd);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (serve(ssl))
			done++;
		else
			watch(epoll_fd, fd, ssl);
	}
	if (errno != EAGAIN)
		die("cannot accept");
	return done;
}

/* Until the client says something; how many handshakes. */
static uint64_t
serve_all(const struct tls *tls, int epoll_fd, const struct ends *ends,
    uint64_t *said)
{
	struct epoll_event events[EVENTS];
	uint64_t done = 0;

	for (;;) {
		int count = epoll_wait(epoll_fd, events, EVENTS, 20000);

		if (count <= 0)
			die("server: nothing for 20 s");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == ends) {
				*said = hear(ends->in);
				return done;
			}
			if (events[i].data.ptr == tls)
				done += accept_all(tls, epoll_fd);
			else
				done += serve(events[i].data.ptr);
		}
	}
}

int
main(int argc, char **argv)
{
	size_t in_flight = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct usage from, to;
	struct ends ends;
	struct tls tls;
	uint64_t count, said;
	int epoll_fd, on = 1;
	double cpu_us;

	if (argc != 3 || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
		die("usage: tls_handshake SECONDS IN_FLIGHT");
	tls_open(&tls, NULL);
	setsockopt(tls.listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on,
	    sizeof on);
	tls_set_nonblocking(tls.listener);
	if (split(&ends))
		client_run(&tls, atof(argv[1]), in_flight, &ends);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll_fd, tls.listener, &tls);
	watch(epoll_fd, ends.in, &ends);
	serve_all(&tls, epoll_fd, &ends, &said);
	from = usage_now();
	tell(ends.out, 0);
	count = serve_all(&tls, epoll_fd, &ends, &said);
	to = usage_now();
	if (count == 0 || count != said)
		die("the two ends count differently");
	cpu_us = (to.cpu_s - from.cpu_s) * 1e6 / (double)count;
	join(&ends, "\"per_core_s\":%.1f,\"server_us\":%.1f,\"in_flight\":%zu,"
	    "%s", 1e6 / cpu_us, cpu_us, in_flight, tls_describe());
	return 0;
}
