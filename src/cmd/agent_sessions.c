/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent_sessions.c - the sessions and streams that the agent holds
 *
 * A session is named by its target in normal form; a second login to the same
 * place gets the one that lives. A stream is named by its command and that
 * command's number, and goes when the command goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/agent_internal.h"
#include "cmd/agent_protocol.h"
#include "cmd/paths.h"
#include "tool/pump.h"

/* A command waits no longer than this, and some round trips, for the server's
 * word on a logout. The agent goes on telling the server for as long as the
 * library does. */
#define LOGOUT_PATIENCE_MS 3000
#define LOGOUT_ROUND_TRIPS 8
#define NO_DESCRIPTOR "the agent has no descriptor left"

/* --- looking up -------------------------------------------------------- */

static struct session *
find_session(const struct agent *agent, uint64_t number)
{
	struct session *session = agent->sessions;

	while (session != NULL && session->number != number)
		session = session->next;
	return session;
}

static struct session *
find_target(const struct agent *agent, const char *target)
{
	struct session *session = agent->sessions;

	while (session != NULL && (session->leaving ||
	    strcmp(session->target, target) != 0))
		session = session->next;
	return session;
}

static struct stream *
find_stream(const struct connection *connection, uint64_t number)
{
	struct session *session;
	struct stream *stream;

	for (session = connection->agent->sessions; session != NULL;
	    session = session->next)
		for (stream = session->streams; stream != NULL;
		    stream = stream->next)
			if (stream->connection == connection &&
			    stream->number == number)
				return stream;
	return NULL;
}

static void
hex(const uint8_t id[8], char out[17])
{
	int i;

	for (i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
}

/* --- telling ----------------------------------------------------------- */

static void
put_identity(struct message *out, const struct sj_identity *identity)
{
	char id[17];

	hex(identity->id, id);
	message_put_text(out, FIELD_ID, id);
	message_put_text(out, FIELD_USER, identity->user);
	message_put_text(out, FIELD_FROM, identity->peer_address);
	message_put_text(out, FIELD_APPLICATION, identity->application);
	message_put_text(out, FIELD_MECHANISM, identity->mechanism);
	message_put_text(out, FIELD_CREDENTIAL, identity->credential);
	message_put_text(out, FIELD_SERVER_KEY, identity->server_key);
	message_put_number(out, FIELD_HYBRID, (uint64_t)identity->hybrid);
	message_put_number(out, FIELD_SINCE, identity->login_unix_s);
	message_put_number(out, FIELD_EXPIRES, identity->expires_unix_s);
}

static void
send_session(struct connection *connection, uint64_t number,
    const struct session *session, int reused)
{
	struct message *out = &connection->agent->out;
	struct sj_session_stats stats = { .size = sizeof(stats) };
	const struct sj_identity *identity =
	    sj_session_identity(session->handle);

	message_begin(out, AGENT_SESSION);
	message_put_number(out, FIELD_NUMBER, number);
	message_put_number(out, FIELD_SESSION, session->number);
	message_put_text(out, FIELD_TARGET, session->target);
	message_put_number(out, FIELD_STARTED, (uint64_t)session->started);
	message_put_number(out, FIELD_AWAY, (uint64_t)session->away);
	message_put_number(out, FIELD_RESUMED, (uint64_t)session->resumed);
	message_put_number(out, FIELD_REUSED, (uint64_t)reused);
	message_put_number(out, FIELD_UNVERIFIED,
	    (uint64_t)session->unverified);
	message_put_text(out, FIELD_TEXT, session->last_error);
	if (session->started && identity != NULL)
		put_identity(out, identity);
	if (sj_session_stats(session->handle, &stats) == 0) {
		message_put_number(out, FIELD_USED,
		    stats.idle_ns / 1000000000);
		message_put(out, FIELD_STATS, &stats, sizeof(stats));
	}
	agent_send(connection);
}

/* --- streams ----------------------------------------------------------- */

static void
stream_free(struct stream *stream)
{
	struct stream **link = &stream->session->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	pump_close(stream->pump);
	free(stream);
}

static void
send_over(struct connection *connection, uint64_t number,
    const struct pump_result *result)
{
	struct message *out = &connection->agent->out;

	message_begin(out, AGENT_OVER);
	message_put_number(out, FIELD_STREAM, number);
	message_put_number(out, FIELD_ERROR, (uint64_t)-result->error);
	message_put_number(out, FIELD_CODE, result->code);
	message_put_number(out, FIELD_BYTES_IN, result->bytes_in);
	message_put_number(out, FIELD_BYTES_OUT, result->bytes_out);
	message_put_text(out, FIELD_TEXT, result->text);
	agent_send(connection);
}

static void
refuse_stream(struct connection *connection, uint64_t number, int error,
    const char *text)
{
	struct pump_result result = { .error = error,
		.text = text != NULL ? text : sj_strerror(error) };

	send_over(connection, number, &result);
}

static void
on_pump_done(void *data, const struct pump_result *result)
{
	struct stream *stream = data;

	if (stream->connection != NULL)
		send_over(stream->connection, stream->number, result);
	stream_free(stream);
}

/* The descriptor that a field names, taken out of the message; -1: none. */
static int
take_fd(struct message *message, uint8_t field)
{
	uint64_t index = message_number(message, field, UINT64_MAX);
	int fd;

	if (index >= message->fd_count)
		return -1;
	fd = message->fds[index];
	message->fds[index] = -1;
	return fd;
}

/* *text: why, if the error's own sentence does not tell. */
static int
open_pump(struct stream *stream, struct message *in, const char **text)
{
	struct connection *connection = stream->connection;
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct pump_options pump = { .done = on_pump_done, .data = stream };
	uint64_t parent = message_number(in, FIELD_PARENT, 0);
	struct sj_stream *handle;
	int error;

	if (in->overflow) {
		*text = NO_DESCRIPTOR;
		return SJ_ERR_LIMIT;
	}
	options.service = message_text(in, FIELD_SERVICE);
	options.urgency = (uint8_t)message_number(in, FIELD_URGENCY, 0);
	options.weight = (uint8_t)message_number(in, FIELD_WEIGHT, 0);
	options.data = stream;
	if (parent != 0) {
		struct stream *above = find_stream(connection, parent);

		if (above == NULL || above->session != stream->session ||
		    above->pump == NULL)
			return SJ_ERR_STREAM_LOST;
		options.parent = pump_stream(above->pump);
	}
	error = sj_stream_open(stream->session->handle, &handle, &options);
	if (error != 0)
		return error;
	pump.prefix = message_get(in, FIELD_PREFIX, &pump.prefix_length);
	pump.finish = message_number(in, FIELD_FINISH, 0) != 0;
	pump.source = take_fd(in, FIELD_SOURCE);
	/* one descriptor for both is named once */
	if (message_number(in, FIELD_SINK, UINT64_MAX) ==
	    message_number(in, FIELD_SOURCE, UINT64_MAX - 1))
		pump.sink = pump.source;
	else
		pump.sink = take_fd(in, FIELD_SINK);
	stream->pump = pump_open(connection->agent->loop, handle, &pump);
	*text = NO_DESCRIPTOR;
	return stream->pump == NULL ? SJ_ERR_LIMIT : 0;
}

void
stream_open(struct connection *connection)
{
	struct agent *agent = connection->agent;
	uint64_t number = message_number(&agent->in, FIELD_STREAM, 0);
	struct session *session = find_session(agent,
	    message_number(&agent->in, FIELD_SESSION, 0));
	const char *text = NULL;
	struct stream *stream;
	int error;

	if (session == NULL) {
		refuse_stream(connection, number, SJ_ERR_ENDED, NULL);
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		refuse_stream(connection, number, SJ_ERR_MEMORY, NULL);
		return;
	}
	stream->session = session;
	stream->connection = connection;
	stream->number = number;
	stream->next = session->streams;
	session->streams = stream;
	error = open_pump(stream, &agent->in, &text);
	if (error != 0) {
		refuse_stream(connection, number, error, text);
		stream_free(stream);
	}
}

void
stream_reset(struct connection *connection)
{
	struct message *in = &connection->agent->in;
	struct stream *stream = find_stream(connection,
	    message_number(in, FIELD_STREAM, 0));

	if (stream != NULL && stream->pump != NULL)
		pump_fail(stream->pump, SJ_ERR_RESET,
		    message_number(in, FIELD_CODE, SJ_RESET_CLOSED),
		    "given up here");
}

/* --- sessions ---------------------------------------------------------- */

static void
session_free(struct session *session)
{
	struct agent *agent = session->agent;
	struct session **link = &agent->sessions;

	while (session->streams != NULL)
		stream_free(session->streams);
	while (session->waiters != NULL) {
		struct waiter *waiter = session->waiters;

		session->waiters = waiter->next;
		free(waiter);
	}
	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	loop_timer_stop(agent->loop, &session->patience);
	sj_session_close(session->handle);
	free(session);
	agent_check_idle(agent);
}

void
sessions_close(struct agent *agent)
{
	while (agent->sessions != NULL)
		session_free(agent->sessions);
}

static int
add_waiter(struct session *session, struct connection *connection,
    uint64_t number, enum wait wait)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL) {
		agent_fail(connection, number, SJ_ERR_MEMORY, NULL);
		return SJ_ERR_MEMORY;
	}
	waiter->connection = connection;
	waiter->number = number;
	waiter->wait = wait;
	waiter->next = session->waiters;
	session->waiters = waiter;
	return 0;
}

/* Made at the first login: `list` needs none. */
static int
open_endpoint(struct agent *agent)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	char directory[4096];
	int error;

	if (agent->endpoint != NULL)
		return 0;
	if (state_path(NULL, directory, sizeof(directory)) != 0)
		return SJ_ERR_FILE;
	options.application = AGENT_APPLICATION;
	options.state_dir = directory;
	error = sj_endpoint_open(&agent->endpoint, &options);
	if (error != 0)
		return error;
	return loop_endpoint(agent->loop, agent->endpoint, session_on_event,
	    agent);
}

static void
start_login(struct connection *connection, uint64_t number,
    const char *target)
{
	struct agent *agent = connection->agent;
	struct message *in = &agent->in;
	struct sj_login_options options = SJ_LOGIN_OPTIONS;
	struct session *session;
	int error = open_endpoint(agent);

	if (error != 0) {
		agent_fail(connection, number, error,
		    sj_endpoint_error(agent->endpoint));
		return;
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL) {
		agent_fail(connection, number, SJ_ERR_MEMORY, NULL);
		return;
	}
	session->agent = agent;
	session->number = ++agent->last_session;
	snprintf(session->target, sizeof(session->target), "%s", target);
	options.key_file = message_text(in, FIELD_KEY_FILE);
	options.server_key = message_text(in, FIELD_SERVER_KEY);
	options.trust_first_use =
	    message_number(in, FIELD_ACCEPT_NEW, 0) != 0;
	options.timeout_ms = (uint32_t)message_number(in, FIELD_TIMEOUT_MS, 0);
	options.data = session;
	error = sj_login(agent->endpoint, target, &options, &session->handle);
	if (error != 0) {
		agent_fail(connection, number, error,
		    sj_endpoint_error(agent->endpoint));
		free(session);
		return;
	}
	session->next = agent->sessions;
	agent->sessions = session;
	if (add_waiter(session, connection, number, WAIT_START) != 0)
		session_free(session);
}

/* Another pin than the key that the living session has been made with. */
static int
contradicts(const struct session *session, const char *pin)
{
	const struct sj_identity *identity =
	    sj_session_identity(session->handle);

	return pin != NULL && strncmp(pin, "SHA256:", 7) == 0 &&
	    identity != NULL && identity->server_key != NULL &&
	    strcmp(identity->server_key, pin) != 0;
}

void
session_login(struct connection *connection, uint64_t number)
{
	struct agent *agent = connection->agent;
	struct message *in = &agent->in;
	const char *target = message_text(in, FIELD_TARGET);
	char text[TARGET_MAX + 32];
	struct session *session;

	if (target == NULL || strlen(target) >= TARGET_MAX) {
		agent_fail(connection, number, SJ_ERR_ARGUMENT, NULL);
		return;
	}
	session = find_target(agent, target);
	if (session == NULL) {
		if (message_number(in, FIELD_EXISTING_ONLY, 0) == 0) {
			start_login(connection, number, target);
			return;
		}
		snprintf(text, sizeof(text), "there is no login to %s", target);
		agent_fail(connection, number, SJ_ERR_ENDED, text);
	} else if (!session->started) {
		add_waiter(session, connection, number, WAIT_START);
	} else if (contradicts(session, message_text(in, FIELD_SERVER_KEY))) {
		agent_fail(connection, number, SJ_ERR_KEY_CHANGED,
		    "the server of the login that lives has another key");
	} else {
		send_session(connection, number, session, 1);
	}
}

void
session_answer(struct connection *connection)
{
	struct message *in = &connection->agent->in;
	struct session *session = find_session(connection->agent,
	    message_number(in, FIELD_SESSION, 0));

	if (session != NULL && session->asked == connection) {
		session->asked = NULL;
		sj_login_answer(session->handle, message_text(in, FIELD_TEXT));
	}
	/* it may have been a passphrase */
	explicit_bzero(in->bytes, in->length);
}

void
session_list(struct connection *connection, uint64_t number)
{
	struct session *session;

	for (session = connection->agent->sessions; session != NULL;
	    session = session->next)
		if (!session->leaving)
			send_session(connection, number, session, 0);
}

/* Takes the waiters of a kind out. */
static struct waiter *
next_waiter(struct session *session, enum wait wait)
{
	struct waiter **link = &session->waiters;

	while (*link != NULL && (*link)->wait != wait)
		link = &(*link)->next;
	if (*link != NULL) {
		struct waiter *waiter = *link;

		*link = waiter->next;
		return waiter;
	}
	return NULL;
}

static void
on_patience(struct loop_timer *timer)
{
	struct session *session = timer->data;
	struct waiter *waiter;

	while ((waiter = next_waiter(session, WAIT_LOGOUT)) != NULL) {
		agent_fail(waiter->connection, waiter->number,
		    SJ_ERR_UNREACHABLE,
		    "logged out here; the server did not answer");
		free(waiter);
	}
}

static void
tell_watchers(struct session *session, int error, const char *text)
{
	struct waiter *waiter;

	while ((waiter = next_waiter(session, WAIT_WATCH)) != NULL) {
		agent_fail(waiter->connection, waiter->number, error, text);
		free(waiter);
	}
}

void
session_watch(struct connection *connection, uint64_t number)
{
	struct session *session = find_session(connection->agent,
	    message_number(&connection->agent->in, FIELD_SESSION, 0));

	if (session == NULL || session->leaving)
		agent_fail(connection, number, SJ_ERR_ENDED, NULL);
	else
		add_waiter(session, connection, number, WAIT_WATCH);
}

void
session_logout(struct connection *connection, uint64_t number)
{
	struct sj_session_stats stats = { .size = sizeof(stats) };
	struct agent *agent = connection->agent;
	struct session *session = find_session(agent,
	    message_number(&agent->in, FIELD_SESSION, 0));

	if (session == NULL) {
		agent_fail(connection, number, SJ_ERR_ENDED, NULL);
		return;
	}
	if (add_waiter(session, connection, number, WAIT_LOGOUT) != 0)
		return;
	if (!session->leaving && session->started) {
		sj_session_stats(session->handle, &stats);
		session->patience.call = on_patience;
		session->patience.data = session;
		loop_timer(agent->loop, &session->patience,
		    LOGOUT_PATIENCE_MS +
		    LOGOUT_ROUND_TRIPS * stats.rtt_ns / 1000000);
	}
	session->leaving = 1;
	sj_logout(session->handle);
	tell_watchers(session, SJ_ERR_LOGGED_OUT, NULL);
}

void
session_logout_all(struct agent *agent)
{
	struct session *session;

	for (session = agent->sessions; session != NULL;
	    session = session->next)
		sj_logout(session->handle);
}

/* Hands the question to the first that waits; without one it is declined. */
static void
ask(struct session *session)
{
	struct message *out = &session->agent->out;
	struct waiter *waiter = session->waiters;

	while (waiter != NULL && waiter->wait != WAIT_START)
		waiter = waiter->next;
	if (waiter == NULL) {
		sj_login_answer(session->handle, NULL);
		return;
	}
	session->asked = waiter->connection;
	message_begin(out, AGENT_PROMPT);
	message_put_number(out, FIELD_NUMBER, waiter->number);
	message_put_number(out, FIELD_SESSION, session->number);
	message_put_number(out, FIELD_CODE, session->question_code);
	message_put_text(out, FIELD_TEXT, session->question);
	agent_send(waiter->connection);
}

/* Of two that wait for a login, one goes with the question unanswered: the other
 * one is asked. */
void
session_forget(struct connection *connection)
{
	struct session *session, *next;

	for (session = connection->agent->sessions; session != NULL;
	    session = next) {
		struct waiter **link = &session->waiters;
		struct stream *stream, *after;

		next = session->next;
		for (stream = session->streams; stream != NULL;
		    stream = after) {
			after = stream->next;
			if (stream->connection == connection)
				stream_free(stream);
		}
		while (*link != NULL) {
			struct waiter *waiter = *link;

			if (waiter->connection != connection) {
				link = &waiter->next;
				continue;
			}
			*link = waiter->next;
			free(waiter);
		}
		/* nobody waits for it to start any more */
		if (!session->started && session->waiters == NULL) {
			session_free(session);
		} else if (session->asked == connection) {
			session->asked = NULL;
			ask(session);
		}
	}
}

/* --- events ------------------------------------------------------------ */

static void
on_prompt(struct session *session, const struct sj_event *event)
{
	session->question_code = event->code;
	snprintf(session->question, sizeof(session->question), "%s",
	    event->text);
	ask(session);
}

static void
on_started(struct session *session, const struct sj_event *event)
{
	struct waiter *waiter;

	session->started = 1;
	session->away = 0;
	session->resumed = event->resumed;
	session->unverified = event->unverified;
	if (event->text != NULL)
		snprintf(session->last_error, sizeof(session->last_error),
		    "%s", event->text);
	while ((waiter = next_waiter(session, WAIT_START)) != NULL) {
		send_session(waiter->connection, waiter->number, session, 0);
		free(waiter);
	}
}

/* Logged out is who the server knows no more; else that has to be said. */
static void
send_logged_out(const struct waiter *waiter, int error, const char *text)
{
	struct message *out = &waiter->connection->agent->out;

	if (text != NULL && strstr(text, "did not answer") != NULL) {
		agent_fail(waiter->connection, waiter->number,
		    SJ_ERR_UNREACHABLE, text);
		return;
	}
	if (sj_error_class(error) != SJ_CLASS_SESSION) {
		agent_fail(waiter->connection, waiter->number, error, text);
		return;
	}
	message_begin(out, AGENT_OK);
	message_put_number(out, FIELD_NUMBER, waiter->number);
	agent_send(waiter->connection);
}

static void
on_ended(struct session *session, const struct sj_event *event)
{
	int error = event->error != 0 ? event->error : SJ_ERR_ENDED;
	struct stream *stream, *next;
	struct waiter *waiter;

	while ((waiter = next_waiter(session, WAIT_START)) != NULL) {
		agent_fail(waiter->connection, waiter->number, error,
		    event->text);
		free(waiter);
	}
	while ((waiter = next_waiter(session, WAIT_LOGOUT)) != NULL) {
		send_logged_out(waiter, error, event->text);
		free(waiter);
	}
	for (stream = session->streams; stream != NULL; stream = next) {
		struct pump_result result = { .error = error,
			.text = event->text };

		next = stream->next;
		send_over(stream->connection, stream->number, &result);
	}
	tell_watchers(session, error, event->text);
	session_free(session);
}

static void
on_stream_event(const struct sj_event *event)
{
	struct stream *stream = event->stream_data;

	if (event->type == SJ_EV_STREAM) {
		/* nothing is offered to servers */
		sj_stream_reset(event->stream, SJ_RESET_SERVICE);
		sj_stream_close(event->stream);
	} else if (stream != NULL && stream->pump != NULL) {
		pump_on_event(stream->pump, event);
	}
}

void
session_on_event(void *data, const struct sj_event *event)
{
	struct session *session = event->session_data;

	(void)data;
	if (event->stream != NULL) {
		on_stream_event(event);
		return;
	}
	if (session == NULL)
		return;
	if (event->type == SJ_EV_PROMPT)
		on_prompt(session, event);
	else if (event->type == SJ_EV_STARTED)
		on_started(session, event);
	else if (event->type == SJ_EV_ENDED)
		on_ended(session, event);
	else if (event->type == SJ_EV_AWAY || event->type == SJ_EV_BACK) {
		session->away = event->type == SJ_EV_AWAY;
		if (event->text != NULL && event->text[0] != '\0')
			snprintf(session->last_error,
			    sizeof(session->last_error), "%s", event->text);
		else if (session->away)
			snprintf(session->last_error,
			    sizeof(session->last_error), "%s",
			    sj_strerror(SJ_ERR_UNREACHABLE));
	}
}
