/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_forward.c - sojourn forward: connections through a login
 *
 * This process only listens. Each connection goes to the agent as it was
 * accepted, with the place it is for; a stream of the service "connect"
 * carries it from there on (tool/forward.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/listen.h"
#include "cmd/show.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

#define CONNECTIONS_MAX 1000         /* at a time; more wait. A login has 1024 at the server */
#define ACCEPT_AT_ONCE 64
#define PAUSE_MS 100                 /* when this machine has no descriptor left */

const char forward_usage[] =
    "TARGET -L [BIND:]PORT:HOST:PORT... | -W HOST:PORT " LOGIN_WORDS_USAGE;
const char forward_help[] =
    "  -L [BIND:]PORT:HOST:PORT\n"
    "                    listens here and connects there, at the server; only\n"
    "                    for this machine unless BIND is an address, or * for\n"
    "                    all; port 0: any that is free, it is printed. In place\n"
    "                    of [BIND:]PORT or HOST:PORT the path of a Unix socket.\n"
    "                    As often as wanted\n"
    "  -W HOST:PORT      joins stdin and stdout with that place, or with the\n"
    "                    path of a Unix socket there\n"
    LOGIN_WORDS_HELP
    "Stays until it is interrupted or the login ends.\n"
    "  --json            the listeners, an object each; with -W the result, to\n"
    "                    stderr\n";

struct connection {
	struct connection *next;
	uint64_t stream;
	const struct listener *listener;
};

struct run {
	const struct common *common;
	struct client *client;
	uint64_t session;
	struct forward forwards[COMMAND_VALUES_MAX];
	struct listeners listeners;
	struct connection *connections;
	size_t connection_count, connections_max;
	int paused, told_full;
};

/* --- what is said ------------------------------------------------------ */

static void
tell_listener(const struct listener *listener, const struct common *common)
{
	char at[FORWARD_TEXT_MAX], to[FORWARD_TEXT_MAX];
	struct json json;

	forward_show(&listener->at, at, sizeof(at));
	forward_show(&listener->forward->to, to, sizeof(to));
	if (!common->json) {
		char clean[2][4 * FORWARD_TEXT_MAX];

		printf("%s -> %s\n", printable(at, clean[0], sizeof(clean[0])),
		    printable(to, clean[1], sizeof(clean[1])));
		return;
	}
	json_begin(&json, stdout);
	json_text(&json, "event", "listening");
	if (listener->at.is_path) {
		json_text(&json, "path", listener->at.path);
	} else {
		json_text(&json, "address", listener->at.host);
		json_number(&json, "port", listener->at.port);
	}
	json_text(&json, "to", to);
	json_end(&json);
}

/* Ends of connections as they come in every day are for -v only: a reset, and
 * whoever went away here. */
static void
tell_over(const struct run *run, const struct listener *listener,
    const struct client_event *event)
{
	const char *cause = event->error == SJ_ERR_RESET ?
	    forward_cause(event->code) : NULL;
	char at[FORWARD_TEXT_MAX], to[FORWARD_TEXT_MAX];

	forward_show(&listener->at, at, sizeof(at));
	forward_show(&listener->forward->to, to, sizeof(to));
	if (cause == NULL)
		cause = event->error == SJ_ERR_SERVICE ?
		    "the server does not forward" :
		    event->text[0] != '\0' ? event->text :
		    sj_strerror(event->error);
	if (event->error != 0 && event->error != SJ_ERR_FILE &&
	    (event->error != SJ_ERR_RESET || event->code != SJ_RESET_CLOSED))
		complain("stream", NULL, "%s -> %s: %s", at, to, cause);
	else if (run->common->verbose)
		fprintf(stderr, "%s -> %s: %s, %" PRIu64 " bytes sent, %"
		    PRIu64 " received\n", at, to, event->error == 0 ?
		    "closed" : cause, event->bytes_out, event->bytes_in);
}

/* --- connections ------------------------------------------------------- */

static int
connection_open(struct run *run, const struct listener *listener, int fd)
{
	uint8_t head[FORWARD_HEAD_MAX];
	struct client_stream stream = { .session = run->session,
		.service = FORWARD_SERVICE, .finish = 1, .source = fd,
		.sink = fd, .prefix = head };
	struct connection *connection = malloc(sizeof(*connection));
	int error;

	if (connection == NULL) {
		close(fd);
		return 0; /* this one only */
	}
	stream.prefix_length = forward_head(&listener->forward->to, head);
	error = client_open(run->client, &stream, &connection->stream);
	close(fd);
	if (error != 0) {
		free(connection);
		return error;
	}
	connection->listener = listener;
	connection->next = run->connections;
	run->connections = connection;
	if (++run->connection_count == run->connections_max &&
	    !run->told_full && !run->common->quiet) {
		fprintf(stderr, "%zu connections: more wait until one ends\n",
		    run->connections_max);
		run->told_full = 1;
	}
	return 0;
}

static int
accept_some(struct run *run, const struct listener *listener)
{
	int i, error = 0;

	for (i = 0; i < ACCEPT_AT_ONCE && error == 0 &&
	    run->connection_count < run->connections_max; i++) {
		int fd = listen_accept(listener);

		if (fd < 0) {
			run->paused = errno != EAGAIN && errno != EINTR &&
			    errno != ECONNABORTED;
			break;
		}
		error = connection_open(run, listener, fd);
	}
	return error;
}

/* The next thing from the agent: 1, 0: nothing, negative: it is over. */
static int
hear(struct run *run, int *error)
{
	struct connection **link = &run->connections, *connection;
	struct client_event event;
	int result = client_next(run->client, &event, 0);

	if (result < 0)
		*error = complain_error(result, client_error(run->client));
	if (result > 0 && event.stream == 0) {
		result = event.error;
		*error = complain_error(event.error, event.text);
	}
	if (result <= 0)
		return result;
	while (*link != NULL && (*link)->stream != event.stream)
		link = &(*link)->next;
	connection = *link;
	if (connection != NULL) {
		tell_over(run, connection->listener, &event);
		*link = connection->next;
		free(connection);
		run->connection_count--;
	}
	return 1;
}

/* The exit code. */
static int
loop(struct run *run)
{
	struct pollfd polls[1 + LISTENERS_MAX];
	size_t i;

	for (;;) {
		int wanted = !run->paused &&
		    run->connection_count < run->connections_max;
		const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
		int error = 0, result;
		sigset_t none;

		polls[0] = (struct pollfd){ client_fd(run->client), POLLIN,
			0 };
		for (i = 0; i < run->listeners.count; i++)
			polls[1 + i] = (struct pollfd){ wanted ?
				run->listeners.list[i].fd : -1, POLLIN, 0 };
		sigemptyset(&none);
		result = ppoll(polls, 1 + i, run->paused ? &pause : NULL,
		    &none);
		run->paused = 0;
		if (interrupt_came())
			return 0;
		if (result < 0)
			continue;
		while ((result = hear(run, &error)) > 0)
			;
		if (result < 0)
			return error;
		for (i = 0; i < run->listeners.count && error == 0; i++)
			if (polls[1 + i].revents != 0)
				error = accept_some(run,
				    &run->listeners.list[i]);
		if (error != 0)
			return complain_error(error,
			    client_error(run->client));
	}
}

/* --- the command ------------------------------------------------------- */

/* As many as the agent, which holds two descriptors of each, can have. */
static size_t
connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_max / 2 - 32 > CONNECTIONS_MAX)
		return CONNECTIONS_MAX;
	return (size_t)limit.rlim_max / 2 - 32;
}

/* After the login: whoever interrupts that leaves no path behind. */
static int
run_listeners(struct run *run, size_t count)
{
	struct listen_error error;
	size_t i;

	interrupt_catch();
	for (i = 0; i < count; i++)
		if (listen_open(&run->listeners, &run->forwards[i],
		    &error) != 0)
			return complain("local", error.next, "forward: %s",
			    error.cause);
	for (i = 0; i < run->listeners.count; i++)
		tell_listener(&run->listeners.list[i], run->common);
	if (fflush(stdout) != 0)
		return EXIT_SOJOURN; /* main() says why */
	return loop(run);
}

static int
run_join(const struct run *run, const struct forward_place *place)
{
	uint8_t head[FORWARD_HEAD_MAX];
	struct client_stream stream = { .session = run->session,
		.service = FORWARD_SERVICE, .finish = 1, .source = 0,
		.sink = 1, .prefix = head };
	struct client_event event;
	char shown[FORWARD_TEXT_MAX];
	uint64_t number;
	int error;

	stream.prefix_length = forward_head(place, head);
	error = client_open(run->client, &stream, &number);
	while (error == 0)
		error = client_next(run->client, &event, -1);
	if (error < 0)
		return complain_error(error, client_error(run->client));
	show_stream(&event, run->common);
	if (event.error == 0)
		return 0;
	forward_show(place, shown, sizeof(shown));
	if (event.error == SJ_ERR_RESET && forward_cause(event.code) != NULL)
		return complain("stream", forward_next(event.code), "%s: %s",
		    shown, forward_cause(event.code));
	return complain(error_class_name(event.error),
	    error_next(event.error), "%s: %s", shown,
	    event.error == SJ_ERR_SERVICE ? "the server does not forward" :
	    event.text[0] != '\0' ? event.text : sj_strerror(event.error));
}

/* place: of -W; NULL: the first count of run->forwards. */
static int
forward(struct run *run, const struct client_login *login,
    const struct forward_place *place, size_t count)
{
	int error = client_connect(&run->client, run->common);

	if (error == 0)
		error = client_login(run->client, login, &run->session, NULL);
	if (error == 0 && place == NULL)
		error = client_watch(run->client, run->session);
	if (error != 0)
		return complain_error(error, run->client == NULL ? NULL :
		    client_error(run->client));
	if (place != NULL)
		return run_join(run, place);
	run->connections_max = connections_max();
	return run_listeners(run, count);
}

int
cmd_forward(const struct command *command, int argc, char **argv)
{
	static struct run run;
	struct common common;
	struct login_words words = { NULL, NULL, NULL, NULL };
	struct command_values listens = { 0 };
	const char *join = NULL;
	const struct command_option options[] = {
		{ .name = "", .letter = 'L', .takes_value = 1,
		    .values = &listens },
		{ .name = "", .letter = 'W', .takes_value = 1,
		    .value = &join },
		LOGIN_WORDS(&words),
		{ .name = NULL } };
	struct client_login login;
	struct forward_place place;
	char error[1400];
	size_t i;
	int code;

	if (command_options(command, &common, options, argc, argv) != 1)
		return command_misuse(command, "needs one TARGET");
	if ((listens.count > 0) == (join != NULL))
		return command_misuse(command, "needs -L or -W, not both");
	for (i = 0; i < listens.count; i++)
		if (forward_parse(&run.forwards[i], listens.list[i], error,
		    sizeof(error)) != 0)
			return command_misuse(command, error);
	if (join != NULL && forward_parse_place(&place, join, error,
	    sizeof(error)) != 0)
		return command_misuse(command, error);
	if (login_words_fill(command, &words, argv[1], &login) != 0)
		return EXIT_SOJOURN;
	run.common = &common;
	code = forward(&run, &login, join != NULL ? &place : NULL,
	    listens.count);
	listen_close(&run.listeners);
	client_close(run.client);
	while (run.connections != NULL) {
		struct connection *connection = run.connections;

		run.connections = connection->next;
		free(connection);
	}
	interrupt_end();
	return code;
}
