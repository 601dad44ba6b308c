/* SPDX-License-Identifier: ISC */
/*
 * bench/bulk.c - ours, through sojourn.h alone
 *
 * bulk SECONDS DIRECTORY: in the directory are `key`, an Ed25519 key file, and
 * `authorized_keys`; host key and session store are made there. A server and
 * a client process, a real login, the SQLite store, one stream, datagrams of
 * 1,452 bytes over loopback: everything as it is in use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn.h>
#include <sojourn_sqlite.h>

#include "common.h"

#define APPLICATION "bench"
#define KEY_TEXT_SIZE 64

static const char *
in_directory(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		die("out of memory");
	return path;
}

/* --- The sender: a client ---------------------------------------------- */

/* Writes until nothing more is taken now. */
static void
write_some(struct sj_stream *stream, struct content *content, uint64_t end_ns)
{
	while (clock_ns() < end_ns) {
		size_t length;
		const uint8_t *bytes = content_next(content, &length);
		ptrdiff_t n = sj_stream_write(stream, bytes, length);

		if (n == SJ_AGAIN)
			return;
		if (n < 0)
			die("write: %s", sj_strerror((int)n));
		content_advance(content, (size_t)n);
		if ((size_t)n < length)
			return;
	}
}

static struct sj_session *
log_in(struct sj_endpoint *endpoint, const char *directory, int port,
    const char *server_key)
{
	struct sj_login_options options = SJ_LOGIN_OPTIONS;
	struct sj_session *session;
	struct sj_event event;
	char target[64];
	int err;

	options.key_file = in_directory(directory, "key");
	options.server_key = server_key;
	snprintf(target, sizeof target, "bench@127.0.0.1:%d", port);
	err = sj_login(endpoint, target, &options, &session);
	if (err < 0)
		die("login: %s", sj_endpoint_error(endpoint));
	for (;;) {
		err = sj_poll(endpoint, &event, 20000);
		if (err <= 0)
			die("login: %s", err == 0 ? "no answer" :
			    sj_strerror(err));
		if (event.type == SJ_EV_STARTED)
			return session;
		if (event.type == SJ_EV_ENDED)
			die("login: %s", event.text);
	}
}

static void
send_all(const char *directory, double seconds, int in, int out)
{
	static struct content content;
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_stream_options to = SJ_STREAM_OPTIONS;
	struct sj_endpoint *endpoint;
	struct sj_session *session;
	struct sj_stream *stream;
	struct sj_event event;
	char server_key[KEY_TEXT_SIZE];
	uint64_t end_ns;
	bool is_finished = false;
	int port, err;

	content_init(&content);
	port = (int)hear(in);
	if (read(in, server_key, sizeof server_key) != sizeof server_key)
		die("the server has gone");
	options.application = APPLICATION;
	options.datagram_max = DATAGRAM_SIZE;
	err = sj_endpoint_open(&endpoint, &options);
	if (err < 0)
		die("client: %s", sj_strerror(err));
	session = log_in(endpoint, directory, port, server_key);
	to.service = "bulk";
	err = sj_stream_open(session, &stream, &to);
	if (err < 0)
		die("stream: %s", sj_strerror(err));
	end_ns = clock_ns() + (uint64_t)(seconds * 1e9);
	write_some(stream, &content, end_ns);
	for (;;) {
		if (!is_finished && clock_ns() >= end_ns) {
			is_finished = true;
			sj_stream_finish(stream);
			tell(out, content.offset);
		}
		err = sj_poll(endpoint, &event, 10000);
		if (err <= 0)
			die("sender: %s", err == 0 ? "nothing for 10 s" :
			    sj_strerror(err));
		if (event.type == SJ_EV_WRITABLE)
			write_some(stream, &content, end_ns);
		else if (event.type == SJ_EV_DELIVERED)
			break;
		else if (event.type == SJ_EV_ENDED ||
		    event.type == SJ_EV_RESET)
			die("sender: %s", event.text == NULL ? "reset" :
			    event.text);
	}
	sj_logout(session);
	while (sj_poll(endpoint, &event, 2000) > 0 &&
	    event.type != SJ_EV_ENDED)
		;
	sj_endpoint_close(endpoint);
	exit(0);
}

/* --- The receiver: the server ------------------------------------------ */

/* Whether the end is read. */
static bool
read_some(struct sj_stream *stream, struct content *content,
    struct measure *measure)
{
	const void *bytes;
	ptrdiff_t n;

	while ((n = sj_stream_peek(stream, &bytes)) > 0) {
		if (!content_check(content, bytes, (size_t)n))
			die("wrong content near byte %llu",
			    (unsigned long long)content->offset);
		measure_add(measure, (uint64_t)n);
		sj_stream_consume(stream, (size_t)n);
	}
	if (n < 0 && n != SJ_AGAIN)
		die("read: %s", sj_strerror((int)n));
	return n == 0;
}

static struct sj_endpoint *
serve(const char *directory, int out)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	char key[KEY_TEXT_SIZE] = "", error[512] = "";
	struct sj_endpoint *endpoint;
	int err;

	options.application = APPLICATION;
	options.listen = "127.0.0.1:0";
	options.host_key_file = in_directory(directory, "host.key");
	options.authorized_keys = in_directory(directory, "authorized_keys");
	options.store = sj_store_sqlite(in_directory(directory, "logins.db"));
	options.datagram_max = DATAGRAM_SIZE;
	options.error = error;
	options.error_size = sizeof error;
	err = sj_endpoint_open(&endpoint, &options);
	if (err < 0)
		die("server: %s: %s", sj_strerror(err), error);
	tell(out, (uint64_t)sj_endpoint_port(endpoint));
	snprintf(key, sizeof key, "%s", sj_endpoint_key(endpoint));
	if (write(out, key, sizeof key) != sizeof key)
		die("the client has gone");
	return endpoint;
}

/* The end of the login, which the sender waits for. */
static void
until_ended(struct sj_endpoint *endpoint)
{
	struct sj_event event;
	int err;

	while ((err = sj_poll(endpoint, &event, 5000)) > 0)
		if (event.type == SJ_EV_ENDED) {
			sj_session_close(event.session);
			/* What was queued for the client still leaves. */
			sj_poll(endpoint, &event, 50);
			return;
		}
	die("the logout does not come");
}

static void
receive_all(struct sj_endpoint *endpoint, struct content *content,
    struct measure *measure)
{
	struct sj_event event;
	int err;

	while ((err = sj_poll(endpoint, &event, 20000)) > 0) {
		if (event.type == SJ_EV_READABLE ||
		    event.type == SJ_EV_STREAM) {
			if (read_some(event.stream, content, measure)) {
				sj_stream_finish(event.stream);
				sj_stream_close(event.stream);
				return;
			}
		} else if (event.type == SJ_EV_RESET ||
		    event.type == SJ_EV_ENDED) {
			die("receiver: %s", event.text == NULL ? "reset" :
			    event.text);
		}
	}
	die("receiver: %s", err == 0 ? "nothing for 20 s" : sj_strerror(err));
}

/* What sealed: the library says it nowhere, but it is mapped or it is not. */
static const char *
provider(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	const char *name = "libcrypto";
	char line[512];

	while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
		if (strstr(line, "libIPSec_MB") != NULL)
			name = "intel-ipsec-mb";
	if (maps != NULL)
		fclose(maps);
	return name;
}

int
main(int argc, char **argv)
{
	static struct content content;
	struct measure measure = { 0 };
	struct sj_endpoint *endpoint;
	struct sj_endpoint_stats stats = { .size = sizeof stats };
	int child, there[2], back[2];
	uint64_t sent;
	char more[512];

	if (argc != 3)
		die("usage: bulk SECONDS DIRECTORY");
	if (pipe(there) != 0 || pipe(back) != 0)
		die("no pipe");
	child = fork();
	if (child < 0)
		die("no second process");
	if (child == 0) {
		child_begin(0);
		close(there[1]);
		close(back[0]);
		send_all(argv[2], atof(argv[1]), there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	pin(1);
	content_init(&content);
	endpoint = serve(argv[2], there[1]);
	receive_all(endpoint, &content, &measure);
	sent = hear(back[0]);
	if (sent != content.offset)
		die("%llu bytes sent, %llu received", (unsigned long long)sent,
		    (unsigned long long)content.offset);
	until_ended(endpoint);
	sj_endpoint_stats(endpoint, &stats);
	snprintf(more, sizeof more, ",\"checked\":true,"
	    "\"cipher\":\"AES-128-GCM\",\"provider\":\"%s\","
	    "\"controller\":\"cubic\",\"write_size\":%zu,"
	    "\"datagram\":%d,\"packets_in\":%llu,"
	    "\"packets_out\":%llu,\"dropped\":%llu,\"version\":\"%s\"",
	    provider(), WRITE_SIZE, DATAGRAM_SIZE,
	    (unsigned long long)stats.packets_in,
	    (unsigned long long)stats.packets_out,
	    (unsigned long long)stats.dropped, sj_version());
	report(&measure, child, sent, more);
	sj_endpoint_close(endpoint);
	return 0;
}
