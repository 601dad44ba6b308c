/* SPDX-License-Identifier: ISC */
/*
 * copyist.c - one end of a copy that says what a script lets it
 *
 *   copyist serve HOST_KEY AUTHORIZED_KEYS SCRIPT   prints "PORT KEY"
 *   copyist go TARGET KEY_FILE SERVER_KEY SCRIPT    exit 0: it came to its end
 *
 * As a server the script begins with the first record of each copy; as a client
 * with the login. What the other end says is printed. Lines of a script (PATH and
 * TEXT with \xNN for any byte; an empty one is written -):
 *
 *   put PATH FLAGS | get PATH FLAGS | done | listed | end FAILED TEXT
 *   entry PATH FLAGS SIZE ID SOURCE       status ID FAILED TEXT
 *   raw HEX          bytes of the control stream
 *   content N        a file that is fetched has N bytes; -1: nothing comes
 *   file PATH SIZE N a child stream that says SIZE and has N bytes
 *   fetch ID         a child stream that asks for a file
 *   heard N          waits until so many records came
 *   children N       waits until so many children are over
 *   repeat N LINE    so often, IDs counting up, %% in PATH is the number
 *   mute             nothing of the control stream is read any more
 *   print WORDS      on stdout
 *   finish           the control stream ends here
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sojourn.h>

#include "tool/copy_wire.h"

#define OUT_MAX (1 << 20)               /* then the script waits */

struct out {
	struct sj_stream *stream;
	uint8_t *bytes;
	size_t length, capacity, at;
	uint64_t filler;                /* bytes after these */
	int finish, is_child, is_file, is_over;
	uint8_t in[2 * COPY_RECORD_MAX];
	size_t in_length;
};

static char **script;
static size_t script_lines, script_at;
static uint64_t repeated;
static struct out control;
static struct sj_session *session;
static uint64_t heard, children, content;
static int is_client, is_mute;

/* --- Saying ------------------------------------------------------------ */

static void
append(struct out *out, const void *bytes, size_t length)
{
	if (out->at == out->length)
		out->at = out->length = 0;
	if (out->capacity - out->length < length) {
		out->capacity = 2 * out->capacity + length;
		out->bytes = realloc(out->bytes, out->capacity);
		if (out->bytes == NULL)
			abort();
	}
	memcpy(out->bytes + out->length, bytes, length);
	out->length += length;
}

static void
flush(struct out *out)
{
	static const uint8_t block[65536];
	ptrdiff_t n = 1;

	while (n > 0 && !out->is_over && out->at < out->length) {
		n = sj_stream_write(out->stream, out->bytes + out->at,
		    out->length - out->at);
		out->at += n > 0 ? (size_t)n : 0;
	}
	while (n > 0 && !out->is_over && out->filler > 0) {
		n = sj_stream_write(out->stream, block, out->filler <
		    sizeof(block) ? (size_t)out->filler : sizeof(block));
		out->filler -= n > 0 ? (uint64_t)n : 0;
	}
	if (out->finish == 1 && !out->is_over && out->at == out->length &&
	    out->filler == 0) {
		out->finish = 2;
		sj_stream_finish(out->stream);
	}
}

static void
say(struct out *out, struct copy_record *record)
{
	uint8_t bytes[COPY_RECORD_MAX];
	ptrdiff_t length = copy_record_encode(record, bytes);

	if (length < 0)
		abort();
	append(out, bytes, (size_t)length);
}

static struct out *
child_open(void)
{
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct out *child = calloc(1, sizeof(*child));

	options.service = COPY_SERVICE;
	options.parent = control.stream;
	options.data = child;
	if (child == NULL || sj_stream_open(session, &child->stream,
	    &options) != 0)
		abort();
	child->is_child = 1;
	return child;
}

/* --- The script -------------------------------------------------------- */

/* The next word, its escapes read in place. */
static char *
word(char **line)
{
	char *from = *line, *at = from, *to = from, number[24];

	while (*at != '\0' && *at != ' ')
		if (at[0] == '\\' && at[1] == 'x') {
			char hex[3] = { at[2], at[3], '\0' };

			*to++ = (char)strtoul(hex, NULL, 16);
			at += 4;
		} else if (at[0] == '%' && at[1] == '%') {
			to += snprintf(number, sizeof(number), "%02" PRIu64,
			    repeated % 100) == 2 ? 2 : 0;
			memcpy(to - 2, number, 2);
			at += 2;
		} else {
			*to++ = *at++;
		}
	*line = *at == ' ' ? at + 1 : at;
	*to = '\0';
	return strcmp(from, "-") == 0 ? from + 1 : from;
}

static uint64_t
number(char **line)
{
	return (uint64_t)strtoll(word(line), NULL, 10);
}

static void
say_raw(const char *hex)
{
	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		char two[3] = { hex[0], hex[1], '\0' };
		uint8_t byte = (uint8_t)strtoul(two, NULL, 16);

		append(&control, &byte, 1);
	}
}

static void
say_child(struct copy_record *record, char *line)
{
	struct out *child = child_open();

	if (record->type == COPY_FILE) {
		record->path = word(&line);
		record->size = number(&line);
		child->filler = number(&line);
	} else {
		record->id = number(&line) + repeated;
	}
	record->mode = 0644;
	say(child, record);
	child->finish = 1;
	flush(child);
}

static const struct { const char *name; enum copy_type type; } types[] = {
	{ "put", COPY_PUT }, { "get", COPY_GET }, { "done", COPY_DONE },
	{ "listed", COPY_LISTED }, { "end", COPY_END },
	{ "entry", COPY_ENTRY }, { "status", COPY_STATUS },
	{ "file", COPY_FILE }, { "fetch", COPY_FETCH },
};

static void
say_record(const char *name, char *line)
{
	struct copy_record record = { .mode = 0644, .time_s = 1000000000 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(name, types[i].name) == 0)
			record.type = (uint8_t)types[i].type;
	if (record.type == COPY_FILE || record.type == COPY_FETCH) {
		say_child(&record, line);
		return;
	}
	if (record.type == COPY_PUT || record.type == COPY_GET ||
	    record.type == COPY_ENTRY) {
		record.path = word(&line);
		record.flags = (uint8_t)number(&line);
	}
	if (record.type == COPY_ENTRY) {
		record.mode = record.flags & COPY_DIRECTORY ? 06755 : 06644;
		record.size = number(&line);
		record.id = number(&line) + repeated;
		record.source = number(&line);
	}
	if (record.type == COPY_STATUS)
		record.id = number(&line) + repeated;
	if (record.type == COPY_STATUS || record.type == COPY_END) {
		record.failed = (uint8_t)number(&line);
		record.text = word(&line);
	}
	if (record.type == 0)
		abort();
	say(&control, &record);
}

/* One line; 0: it has to wait. */
static int
step(const char *text)
{
	char copy[8192], *line = copy, *name;

	snprintf(copy, sizeof(copy), "%s", text);
	name = word(&line);
	if (strcmp(name, "heard") == 0)
		return heard >= number(&line);
	if (strcmp(name, "children") == 0)
		return children >= number(&line);
	if (strcmp(name, "repeat") == 0) {
		uint64_t count = number(&line);

		while (repeated < count) {
			if (control.length - control.at > OUT_MAX)
				return 0;
			step(line);
			repeated++;
		}
		repeated = 0;
	} else if (strcmp(name, "content") == 0) {
		content = number(&line);
	} else if (strcmp(name, "raw") == 0) {
		say_raw(word(&line));
	} else if (strcmp(name, "finish") == 0) {
		control.finish = 1;
	} else if (strcmp(name, "mute") == 0) {
		is_mute = 1;
	} else if (strcmp(name, "print") == 0) {
		puts(line);
		fflush(stdout);
	} else {
		say_record(name, line);
	}
	return 1;
}

static void
go_on(void)
{
	while (control.stream != NULL && script_at < script_lines) {
		int done = step(script[script_at]);

		flush(&control);
		if (!done)
			return;
		script_at++;
	}
}

static void
script_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[8192];

	script = calloc(4096, sizeof(*script));
	while (file != NULL && script != NULL && script_lines < 4096 &&
	    fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		script[script_lines++] = strdup(line);
	}
	if (file == NULL || script_lines == 0)
		exit(2);
	fclose(file);
}

/* --- Hearing ----------------------------------------------------------- */

static void
hear_record(struct out *out, const struct copy_record *record)
{
	char path[4096], text[2048];

	if (!out->is_child) {
		heard++;
		printf("type %d id %" PRIu64 " failed %d path %s text %s\n",
		    record->type, record->id, record->failed,
		    copy_printable(record->path, path, sizeof(path)),
		    copy_printable(record->text, text, sizeof(text)));
		fflush(stdout);
	} else if (record->type == COPY_FILE) {
		out->is_file = 1;
	} else if (record->type == COPY_FETCH && content != UINT64_MAX) {
		out->filler = content;
		out->finish = 1;
		flush(out);
	}
}

static void
hear(struct out *out)
{
	const void *bytes;
	ptrdiff_t n, used;

	while ((n = sj_stream_peek(out->stream, &bytes)) > 0) {
		struct copy_record record;
		size_t room = sizeof(out->in) - out->in_length;

		if ((size_t)n > room)
			n = (ptrdiff_t)room;
		memcpy(out->in + out->in_length, bytes, (size_t)n);
		out->in_length += (size_t)n;
		sj_stream_consume(out->stream, (size_t)n);
		while ((used = copy_record_decode(&record, out->in,
		    out->in_length)) > 0) {
			hear_record(out, &record);
			out->in_length -= (size_t)used;
			memmove(out->in, out->in + used, out->in_length);
		}
		if (used < 0)
			out->in_length = 0;     /* bytes of a file */
	}
	if (n == 0 && !out->is_over) {
		children += out->is_child ? 1 : 0;
		if (!out->is_child && is_client)
			exit(0);
		if ((!out->is_child || out->is_file) && out->finish == 0)
			out->finish = 1;
		flush(out);
		out->is_over = out->finish == 2;
	}
}

static void
on_stream(const struct sj_event *event)
{
	struct out *out;

	if (control.stream != NULL) {
		out = calloc(1, sizeof(*out));
		if (out == NULL)
			abort();
		out->is_child = 1;
	} else {
		out = &control;
		script_at = 0;
		heard = children = 0;
	}
	out->stream = event->stream;
	sj_stream_set_data(event->stream, out);
}

static void
on_event(const struct sj_event *event)
{
	struct out *out = event->stream_data;

	if (event->type == SJ_EV_STREAM) {
		on_stream(event);
	} else if (event->type == SJ_EV_READABLE && out != NULL) {
		if (!is_mute || out->is_child)
			hear(out);
		if (is_client || heard > 0)
			go_on();
	} else if (event->type == SJ_EV_WRITABLE && out != NULL) {
		flush(out);
		if (is_client || heard > 0)
			go_on();
	} else if (event->type == SJ_EV_RESET && out != NULL) {
		children += out->is_child && !out->is_over ? 1 : 0;
		out->is_over = 1;
		if (is_client && !out->is_child)
			exit(3);
		go_on();
	} else if (event->type == SJ_EV_ENDED) {
		if (is_client) {
			fprintf(stderr, "%s\n", event->text);
			exit(4);
		}
		sj_session_close(event->session);
		free(control.bytes);
		memset(&control, 0, sizeof(control));
		is_mute = 0;
	}
}

static void
begin_client(struct sj_endpoint *endpoint, char **argv)
{
	struct sj_login_options login = SJ_LOGIN_OPTIONS;
	struct sj_stream_options options = SJ_STREAM_OPTIONS;

	is_client = 1;
	login.key_file = argv[3];
	login.server_key = argv[4];
	options.service = COPY_SERVICE;
	options.data = &control;
	if (sj_login(endpoint, argv[2], &login, &session) != 0 ||
	    sj_stream_open(session, &control.stream, &options) != 0) {
		fprintf(stderr, "%s\n", sj_endpoint_error(endpoint));
		exit(5);
	}
	go_on();
}

int
main(int argc, char **argv)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	int serves = argc == 5 && strcmp(argv[1], "serve") == 0;
	struct sj_endpoint *endpoint;
	struct sj_event event;
	char error[512] = "";

	if (!serves && (argc != 6 || strcmp(argv[1], "go") != 0))
		return 2;
	script_read(argv[argc - 1]);
	options.application = "sojourn";
	options.error = error;
	options.error_size = sizeof(error);
	if (serves) {
		options.listen = "127.0.0.1:0";
		options.host_key_file = argv[2];
		options.authorized_keys = argv[3];
	}
	if (sj_endpoint_open(&endpoint, &options) != 0) {
		fprintf(stderr, "copyist: %s\n", error);
		return 1;
	}
	if (serves) {
		printf("%d %s\n", sj_endpoint_port(endpoint),
		    sj_endpoint_key(endpoint));
		fflush(stdout);
	} else {
		begin_client(endpoint, argv);
	}
	while (sj_poll(endpoint, &event, -1) >= 0)
		on_event(&event);
	return 1;
}
