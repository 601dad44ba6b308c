/* SPDX-License-Identifier: ISC */
/* bench/ours.c - see ours.h */
#include "ours.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sojourn_sqlite.h>

#define APPLICATION "bench"
#define MARK "mark"
#define FINISH "finish"
#define SILENCE_MAX_MS 200000

static const char *
in_directory(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		die("out of memory");
	return path;
}

uint64_t
endpoint_memory(const struct sj_endpoint *endpoint)
{
	struct sj_endpoint_stats stats = { .size = sizeof stats };

	if (sj_endpoint_stats(endpoint, &stats) < 0)
		die("no statistics");
	return stats.memory;
}

bool
echo(struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t n, taken;

	while ((n = sj_stream_peek(stream, &bytes)) > 0) {
		taken = sj_stream_write(stream, bytes, (size_t)n);
		if (taken == SJ_AGAIN)
			return false;
		if (taken < 0)
			die("echo: %s", sj_strerror((int)taken));
		sj_stream_consume(stream, (size_t)taken);
	}
	if (n == SJ_AGAIN)
		return false;
	if (n < 0)
		die("echo: %s", sj_strerror((int)n));
	sj_stream_finish(stream);
	sj_stream_close(stream);
	return true;
}

/* --- Server ------------------------------------------------------------ */

void
server_open(struct server *server, const char *directory, int out)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	char key[KEY_TEXT_SIZE] = "", error[512] = "", listen[64];
	int err;

	snprintf(listen, sizeof listen, "%s:0", server_address());
	options.application = APPLICATION;
	options.listen = listen;
	options.host_key_file = in_directory(directory, "host.key");
	options.authorized_keys = in_directory(directory, "authorized_keys");
	options.store = sj_store_sqlite(in_directory(directory, "logins.db"));
	options.datagram_max = DATAGRAM_SIZE;
	options.error = error;
	options.error_size = sizeof error;
	err = sj_endpoint_open(&server->endpoint, &options);
	if (err < 0)
		die("server: %s: %s", sj_strerror(err), error);
	tell(out, (uint64_t)sj_endpoint_port(server->endpoint));
	snprintf(key, sizeof key, "%s", sj_endpoint_key(server->endpoint));
	if (write(out, key, sizeof key) != sizeof key)
		die("the client has gone");
}

/* A mark is a stream that is opened and finished; so is the answer. */
static void
take_mark(struct server *server, struct sj_stream *stream)
{
	struct mark *mark = &server->marks[server->mark_count++];

	if (server->mark_count > MARKS_MAX)
		die("too many marks");
	memset(mark, 0, sizeof *mark);
	mark->usage = usage_now();
	mark->count = server->count;
	sj_stream_set_data(stream, mark);
}

static void
take_quiet(struct server *server)
{
	struct mark *mark = &server->marks[server->mark_count - 1];

	if (server->mark_count == 0 || mark->memory != 0)
		return;
	mark->memory = endpoint_memory(server->endpoint);
	mark->resident = resident_bytes();
}

static bool
is_mark(const struct server *server, struct sj_event *event)
{
	const void *marks = server->marks, *end = server->marks + MARKS_MAX;

	return event->stream_data >= marks && event->stream_data < end;
}

void
server_run(struct server *server)
{
	struct sj_event event;
	bool is_finishing = false;
	int silent_ms = 0, err;

	while ((err = sj_poll(server->endpoint, &event, QUIET_MS)) >= 0) {
		silent_ms = err == 0 ? silent_ms + QUIET_MS : 0;
		if (silent_ms > SILENCE_MAX_MS)
			die("server: nothing for a long time");
		if (err == 0)
			take_quiet(server);
		else if (event.type == SJ_EV_STREAM &&
		    (strcmp(event.service, MARK) == 0 ||
		    strcmp(event.service, FINISH) == 0)) {
			is_finishing = strcmp(event.service, FINISH) == 0;
			take_mark(server, event.stream);
			echo(event.stream);
		} else if (event.type == SJ_EV_READABLE &&
		    is_mark(server, &event))
			echo(event.stream);
		else if (event.type == SJ_EV_ENDED && is_finishing) {
			sj_session_close(event.session);
			return;
		} else if (event.type == SJ_EV_ENDED && server->lets_go)
			sj_session_close(event.session);
		else if (event.type == SJ_EV_ENDED ||
		    event.type == SJ_EV_RESET)
			die("server: %s", event.text == NULL ? "reset" :
			    event.text);
		else
			server->on_event(server, &event);
	}
	die("server: %s", sj_strerror(err));
}

void
server_close(struct server *server)
{
	struct sj_event event;

	/* What was queued for the client still leaves. */
	sj_poll(server->endpoint, &event, 50);
	sj_endpoint_close(server->endpoint);
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

const char *
server_describe(const struct server *server)
{
	static char text[512];
	struct sj_endpoint_stats stats = { .size = sizeof stats };

	sj_endpoint_stats(server->endpoint, &stats);
	snprintf(text, sizeof text, "\"checked\":true,"
	    "\"cipher\":\"AES-128-GCM\",\"provider\":\"%s\","
	    "\"controller\":\"cubic\",\"datagram\":%d,\"packets_in\":%llu,"
	    "\"packets_out\":%llu,\"dropped\":%llu,\"version\":\"%s\"",
	    provider(), DATAGRAM_SIZE, (unsigned long long)stats.packets_in,
	    (unsigned long long)stats.packets_out,
	    (unsigned long long)stats.dropped, sj_version());
	return text;
}

/* --- Client ------------------------------------------------------------ */

void
client_open(struct client *client, const char *directory, int in)
{
	int port = (int)hear(in);

	if (read(in, client->server_key, KEY_TEXT_SIZE) != KEY_TEXT_SIZE)
		die("the server has gone");
	client->key_file = in_directory(directory, "key");
	snprintf(client->target, sizeof client->target, "bench@%s:%d",
	    server_address(), port);
	client_reopen(client);
}

void
client_reopen(struct client *client)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	int err;

	sj_endpoint_close(client->endpoint);
	options.application = APPLICATION;
	options.datagram_max = DATAGRAM_SIZE;
	err = sj_endpoint_open(&client->endpoint, &options);
	if (err < 0)
		die("client: %s", sj_strerror(err));
}

void
client_leave(struct client *client)
{
	struct sj_event event;

	sj_logout(client->session);
	while (sj_poll(client->endpoint, &event, 2000) > 0 &&
	    event.type != SJ_EV_ENDED)
		;
}

struct sj_session *
client_log_in(struct client *client, void *data)
{
	struct sj_login_options options = SJ_LOGIN_OPTIONS;
	struct sj_session *session;

	options.key_file = client->key_file;
	options.server_key = client->server_key;
	options.data = data;
	if (sj_login(client->endpoint, client->target, &options, &session) < 0)
		die("login: %s", sj_endpoint_error(client->endpoint));
	return session;
}

void
client_begin(struct client *client, const char *directory, int in)
{
	struct sj_event event;

	client_open(client, directory, in);
	client->session = client_log_in(client, NULL);
	do
		client_next(client, &event);
	while (event.type != SJ_EV_STARTED);
}

void
client_next(struct client *client, struct sj_event *event)
{
	int err = sj_poll(client->endpoint, event, 10000);

	if (err <= 0)
		die("client: %s", err == 0 ? "nothing for 10 s" :
		    sj_strerror(err));
	if (event->type == SJ_EV_ENDED)
		die("client: %s", event->text);
	if (event->type == SJ_EV_RESET)
		die("client: a stream was reset with code %llu",
		    (unsigned long long)event->code);
}

struct sj_stream *
client_stream(struct sj_session *session, const char *service, void *data)
{
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_stream *stream;
	int err;

	options.service = service;
	options.data = data;
	err = sj_stream_open(session, &stream, &options);
	if (err < 0)
		die("stream: %s", sj_strerror(err));
	return stream;
}

static void
say(struct client *client, const char *service)
{
	struct sj_stream *stream = client_stream(client->session, service,
	    NULL);
	struct sj_event event;
	const void *bytes;

	if (sj_stream_write(stream, "", 1) != 1)
		die("a mark cannot be written");
	sj_stream_finish(stream);
	for (;;) {
		client_next(client, &event);
		if (event.type != SJ_EV_READABLE || event.stream != stream)
			continue;
		while (sj_stream_peek(stream, &bytes) > 0)
			sj_stream_consume(stream, 1);
		if (sj_stream_peek(stream, &bytes) == 0)
			break;
	}
	sj_stream_close(stream);
}

void
client_mark(struct client *client, int quiet_ms)
{
	uint64_t end_ns = clock_ns() + (uint64_t)quiet_ms * 1000000;
	struct sj_event event;

	say(client, MARK);
	while (clock_ns() < end_ns)
		if (sj_poll(client->endpoint, &event, 20) > 0 &&
		    event.type == SJ_EV_ENDED)
			die("client: %s", event.text);
}

void
client_end(struct client *client)
{
	say(client, FINISH);
	client_leave(client);
	sj_endpoint_close(client->endpoint);
}
