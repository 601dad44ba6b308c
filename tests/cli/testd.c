/* SPDX-License-Identifier: ISC */
/*
 * tests/cli/testd.c - a server for the tests of the command
 *
 * testd HOST_KEY AUTHORIZED_KEYS [FILES]: prints "PORT KEY", then serves the
 * application "sojourn" until it is killed. FILES is the service that it has
 * under the name "files". Services: echo; sink (takes all, then says how many
 * bytes); source (1 MiB of 'x'); over (says nothing and ends); break (resets with code
 * 77); sojourn-sessions, the word "list" of it, for the session that asks;
 * anything else is refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sojourn.h>

#include "tool/json.h"
#include "tool/sessions_protocol.h"

enum kind { ECHO = 1, SINK, SOURCE, LIST, OVER };

static const char *files = "";

struct work {
	enum kind kind;
	uint64_t bytes;
};

static void
finish(struct sj_stream *stream, struct work *work)
{
	sj_stream_finish(stream);
	sj_stream_set_data(stream, NULL);
	sj_stream_close(stream);
	free(work);
}

static void
echo(struct sj_stream *stream, struct work *work)
{
	const void *bytes;
	ptrdiff_t n, taken;

	while ((n = sj_stream_peek(stream, &bytes)) > 0 &&
	    (taken = sj_stream_write(stream, bytes, (size_t)n)) > 0)
		sj_stream_consume(stream, (size_t)taken);
	if (n == 0)
		finish(stream, work);
}

static void
say(struct sj_stream *stream, const char *text)
{
	if (sj_stream_write(stream, text, strlen(text)) < 0)
		abort();
}

static void
drain(struct sj_stream *stream, struct work *work)
{
	const void *bytes;
	ptrdiff_t n;
	char text[1024];

	while ((n = sj_stream_peek(stream, &bytes)) > 0) {
		work->bytes += (uint64_t)n;
		sj_stream_consume(stream, (size_t)n);
	}
	if (n != 0)
		return;
	if (work->kind == SINK) {
		snprintf(text, sizeof(text), "%" PRIu64 "\n", work->bytes);
		say(stream, text);
	} else if (work->kind == LIST) {
		const struct sj_identity *identity =
		    sj_session_identity(sj_stream_session(stream));
		FILE *file = fmemopen(text, sizeof(text), "w");
		char id[17];
		struct json json;
		int i;

		for (i = 0; i < 8; i++)
			snprintf(id + 2 * i, 3, "%02x", identity->id[i]);
		json_begin(&json, file);
		json_text(&json, "id", id);
		json_text(&json, "user", identity->user);
		json_text(&json, "from", "somewhere");
		json_number(&json, "since", 1700000000);
		json_number(&json, "expires", 1800000000);
		json_end(&json);
		fclose(file);
		say(stream, text);
		say(stream, "{\"listed\":1}\n");
	}
	finish(stream, work);
}

static void
pour(struct sj_stream *stream, struct work *work)
{
	static char block[65536];
	ptrdiff_t n = 1;

	memset(block, 'x', sizeof(block));
	while (work->bytes < 1048576 && n > 0) {
		size_t left = (size_t)(1048576 - work->bytes);

		n = sj_stream_write(stream, block,
		    left < sizeof(block) ? left : sizeof(block));
		if (n > 0)
			work->bytes += (uint64_t)n;
	}
	if (work->bytes == 1048576)
		finish(stream, work);
}

static void
step(struct sj_stream *stream, struct work *work)
{
	if (work == NULL)
		return;
	if (work->kind == ECHO)
		echo(stream, work);
	else if (work->kind == SOURCE)
		pour(stream, work);
	else
		drain(stream, work);
}

static void
start(const struct sj_event *event)
{
	static const char *const names[] = { "", "echo", "sink", "source",
		SESSIONS_SERVICE, "over" };
	const char *service = strcmp(event->service, "files") == 0 ? files :
	    event->service;
	struct work *work;
	size_t i;

	for (i = 1; i < 6; i++)
		if (strcmp(service, names[i]) == 0)
			break;
	if (i == 6) {
		sj_stream_reset(event->stream,
		    strcmp(event->service, "break") == 0 ? 77 :
		    SJ_RESET_SERVICE);
		sj_stream_close(event->stream);
		return;
	}
	work = calloc(1, sizeof(*work));
	if (work == NULL)
		abort();
	work->kind = (enum kind)i;
	sj_stream_set_data(event->stream, work);
	if (work->kind == OVER)
		sj_stream_finish(event->stream);
	step(event->stream, work);
}

int
main(int argc, char **argv)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	char error[512];
	struct sj_endpoint *endpoint;
	struct sj_event event;

	if (argc < 3)
		return 2;
	if (argc > 3)
		files = argv[3];
	options.application = "sojourn";
	options.listen = "127.0.0.1:0";
	options.host_key_file = argv[1];
	options.authorized_keys = argv[2];
	options.error = error;
	options.error_size = sizeof error;
	if (sj_endpoint_open(&endpoint, &options) != 0) {
		fprintf(stderr, "testd: %s\n", error);
		return 1;
	}
	printf("%d %s\n", sj_endpoint_port(endpoint),
	    sj_endpoint_key(endpoint));
	fflush(stdout);
	while (sj_poll(endpoint, &event, -1) >= 0) {
		if (event.type == SJ_EV_STREAM) {
			start(&event);
		} else if (event.type == SJ_EV_READABLE ||
		    event.type == SJ_EV_WRITABLE) {
			step(event.stream, event.stream_data);
		} else if (event.type == SJ_EV_RESET) {
			free(event.stream_data);
			sj_stream_set_data(event.stream, NULL);
			sj_stream_close(event.stream);
		} else if (event.type == SJ_EV_ENDED) {
			sj_session_close(event.session);
		}
	}
	return 1;
}
