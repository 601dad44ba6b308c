/* SPDX-License-Identifier: ISC */
/*
 * cmd/client.c - see client.h
 *
 * Answers carry the number of their request; the end of a stream, or of the
 * session, may come at any time and is kept until it is asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "cmd/agent_protocol.h"
#include "cmd/ask.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/host_config.h"
#include "tool/die.h"
#include "tool/message.h"
#include "tool/target.h"

struct kept {
	struct kept *next;
	struct client_event event;
};

struct client {
	const struct common *common;
	int fd;
	int pid;                     /* of a private agent; 0: none */
	uint64_t last_request, last_stream;
	uint64_t watch;              /* the request; 0: none */
	struct kept *kept, **kept_end;
	struct message in, out;
	char prompt[CLIENT_TEXT_MAX]; /* the question that was declined */
	char error[CLIENT_TEXT_MAX];
};

static int
fail(struct client *client, int error, const char *text)
{
	snprintf(client->error, sizeof(client->error), "%s",
	    text != NULL && text[0] != '\0' ? text : sj_strerror(error));
	return error;
}

const char *
client_error(const struct client *client)
{
	return client->error;
}

/* --- messages ---------------------------------------------------------- */

static int
client_send(struct client *client)
{
	int result = message_send(client->fd, &client->out, 1);

	if (result == SJ_ERR_TOO_BIG)
		return fail(client, result, "the request is too long");
	if (result != 0)
		return fail(client, SJ_ERR_ENDED, "the agent has ended");
	return 0;
}

static void
fill_event(struct client_event *event, const struct message *in)
{
	const char *text = message_text(in, FIELD_TEXT);

	event->stream = message_number(in, FIELD_STREAM, 0);
	event->error = -(int)message_number(in, FIELD_ERROR, 0);
	event->code = message_number(in, FIELD_CODE, 0);
	event->bytes_in = message_number(in, FIELD_BYTES_IN, 0);
	event->bytes_out = message_number(in, FIELD_BYTES_OUT, 0);
	snprintf(event->text, sizeof(event->text), "%s",
	    text != NULL ? text : "");
}

/* What comes unasked: the end of a stream, or of the session. */
static int
is_event(const struct client *client)
{
	return message_type(&client->in) == AGENT_OVER ||
	    (message_type(&client->in) == AGENT_FAILED && client->watch != 0 &&
	    message_number(&client->in, FIELD_NUMBER, 0) == client->watch);
}

/* A message into client->in. */
static int
client_receive(struct client *client)
{
	int result = message_receive(client->fd, &client->in, 1);

	message_drop_fds(&client->in);
	if (result == 1)
		return 0;
	return fail(client, SJ_ERR_ENDED, "the agent has ended");
}

/* The next message that answers a request; ends of streams are kept. */
static int
wait_answer(struct client *client, uint64_t number)
{
	for (;;) {
		int result = client_receive(client);

		if (result != 0)
			return result;
		if (is_event(client)) {
			struct kept *kept = calloc(1, sizeof(*kept));

			if (kept == NULL)
				return fail(client, SJ_ERR_MEMORY, NULL);
			fill_event(&kept->event, &client->in);
			*client->kept_end = kept;
			client->kept_end = &kept->next;
		} else if (message_number(&client->in, FIELD_NUMBER, 0) ==
		    number) {
			break;
		}
	}
	if (message_type(&client->in) == AGENT_FAILED)
		return fail(client,
		    -(int)message_number(&client->in, FIELD_ERROR, 1),
		    message_text(&client->in, FIELD_TEXT));
	return 0;
}

static uint64_t
begin(struct client *client, enum agent_message type)
{
	message_begin(&client->out, (uint8_t)type);
	message_put_number(&client->out, FIELD_NUMBER, ++client->last_request);
	return client->last_request;
}

/* --- life -------------------------------------------------------------- */

static int
greet(struct client *client)
{
	const char *ssh_agent = getenv("SSH_AUTH_SOCK");
	int result;

	message_begin(&client->out, AGENT_HELLO);
	message_put_number(&client->out, FIELD_VERSION, AGENT_PROTOCOL);
	message_put_text(&client->out, FIELD_SSH_AGENT, ssh_agent);
	result = client_send(client);
	return result != 0 ? result : wait_answer(client, 0);
}

static int
client_new(struct client **out, const struct common *common)
{
	struct client *client = calloc(1, sizeof(*client));

	*out = client;
	if (client == NULL)
		return SJ_ERR_MEMORY;
	client->common = common;
	client->fd = -1;
	client->kept_end = &client->kept;
	return 0;
}

int
client_connect_existing(struct client **out, const struct common *common)
{
	struct client *client;
	int result = client_new(out, common);

	if (result != 0)
		return result;
	client = *out;
	client->fd = agent_connect(client->error, sizeof(client->error));
	if (client->fd == SJ_ERR_ENDED)
		return fail(client, SJ_ERR_ENDED, "there is no login: no agent runs");
	return client->fd < 0 ? client->fd : greet(client);
}

int
client_connect(struct client **out, const struct common *common)
{
	struct client *client;
	int result = client_new(out, common), tries;

	if (result != 0)
		return result;
	client = *out;
	if (common->no_agent) {
		client->fd = agent_start_private(&client->pid, client->error,
		    sizeof(client->error));
		return client->fd < 0 ? client->fd : greet(client);
	}
	for (tries = 0; tries < 5; tries++) {
		client->fd = agent_connect_or_start(client->error,
		    sizeof(client->error));
		if (client->fd < 0)
			return client->fd;
		result = greet(client);
		if (result != SJ_ERR_ENDED)
			break;
		close(client->fd); /* it was just ending: the next one */
		client->fd = -1;
	}
	return result;
}

void
client_close(struct client *client)
{
	if (client == NULL)
		return;
	if (client->fd >= 0)
		close(client->fd);
	if (client->pid > 0)
		while (waitpid(client->pid, NULL, 0) < 0 && errno == EINTR)
			;
	while (client->kept != NULL) {
		struct kept *kept = client->kept;

		client->kept = kept->next;
		free(kept);
	}
	free(client);
}

int
client_fd(const struct client *client)
{
	return client->fd;
}

/* --- sessions ---------------------------------------------------------- */

static void
copy_text(char *out, size_t capacity, const struct message *in, uint8_t field)
{
	const char *text = message_text(in, field);

	snprintf(out, capacity, "%s", text != NULL ? text : "");
}

static void
fill_session(struct client_session *session, const struct message *in)
{
	uint64_t now_s = (uint64_t)time(NULL);
	size_t length;
	const void *stats = message_get(in, FIELD_STATS, &length);

	memset(session, 0, sizeof(*session));
	session->session = message_number(in, FIELD_SESSION, 0);
	session->started = message_number(in, FIELD_STARTED, 0) != 0;
	session->away = message_number(in, FIELD_AWAY, 0) != 0;
	session->reused = message_number(in, FIELD_REUSED, 0) != 0;
	session->hybrid = message_number(in, FIELD_HYBRID, 0) != 0;
	session->resumed = message_number(in, FIELD_RESUMED, 0) != 0;
	session->unverified = message_number(in, FIELD_UNVERIFIED, 0) != 0;
	session->since_unix_s = message_number(in, FIELD_SINCE, 0);
	session->expires_unix_s = message_number(in, FIELD_EXPIRES, 0);
	session->since_used_s = message_number(in, FIELD_USED, 0);
	if (session->since_used_s > now_s)
		session->since_used_s = 0;
	if (stats != NULL && length == sizeof(session->stats))
		memcpy(&session->stats, stats, length);
	copy_text(session->id, sizeof(session->id), in, FIELD_ID);
	copy_text(session->target, sizeof(session->target), in, FIELD_TARGET);
	copy_text(session->user, sizeof(session->user), in, FIELD_USER);
	copy_text(session->from, sizeof(session->from), in, FIELD_FROM);
	copy_text(session->application, sizeof(session->application), in,
	    FIELD_APPLICATION);
	copy_text(session->mechanism, sizeof(session->mechanism), in,
	    FIELD_MECHANISM);
	copy_text(session->credential, sizeof(session->credential), in,
	    FIELD_CREDENTIAL);
	copy_text(session->server_key, sizeof(session->server_key), in,
	    FIELD_SERVER_KEY);
	copy_text(session->last_error, sizeof(session->last_error), in,
	    FIELD_TEXT);
}

int
client_list(struct client *client,
    void (*each)(void *data, const struct client_session *session),
    void *data)
{
	uint64_t number = begin(client, AGENT_LIST);
	int result = client_send(client);

	while (result == 0 && (result = wait_answer(client, number)) == 0) {
		struct client_session session;

		if (message_type(&client->in) != AGENT_SESSION)
			return 0;
		fill_session(&session, &client->in);
		each(data, &session);
	}
	return result;
}

/* The statement before the question: "The key of ... is not known: ...". */
static void
keep_statement(struct client *client, const char *text)
{
	char *question;

	snprintf(client->prompt, sizeof(client->prompt), "%s", text);
	question = strstr(client->prompt, ". Trust it");
	if (question != NULL)
		*question = '\0';
	if (client->prompt[0] == 'T')
		client->prompt[0] = 't';
}

static int
answer_prompt(struct client *client)
{
	uint64_t session = message_number(&client->in, FIELD_SESSION, 0);
	uint64_t code = message_number(&client->in, FIELD_CODE, 0);
	const char *text = message_text(&client->in, FIELD_TEXT);
	char answer[1024];
	int result;

	begin(client, AGENT_ANSWER);
	message_put_number(&client->out, FIELD_SESSION, session);
	if (code == SJ_PROMPT_HOST_KEY && text != NULL &&
	    ask_line(text, answer, sizeof(answer)) == 0 &&
	    strcmp(answer, "no") != 0 && answer[0] != '\0')
		message_put_text(&client->out, FIELD_TEXT, answer);
	else if (code == SJ_PROMPT_HOST_KEY && text != NULL)
		keep_statement(client, text);
	else if (code == SJ_PROMPT_PASSPHRASE && text != NULL &&
	    ask_secret(text, answer, sizeof(answer)) == 0)
		message_put_text(&client->out, FIELD_TEXT, answer);
	result = client_send(client);
	explicit_bzero(answer, sizeof(answer));
	explicit_bzero(client->out.bytes, client->out.length);
	return result;
}

struct id_search {
	const char *id;
	int found;
	char target[TARGET_MAX];
};

static void
match_id(void *data, const struct client_session *session)
{
	struct id_search *search = data;

	if (strncmp(session->id, search->id, strlen(search->id)) == 0) {
		search->found++;
		snprintf(search->target, sizeof(search->target), "%s",
		    session->target);
	}
}

/* 1: text, at least four digits, is the id of a login, to out; 0: it is not. */
static int
find_id(struct client *client, const char *text, char out[TARGET_MAX])
{
	struct id_search search = { .id = text };
	size_t length = strlen(text);
	int result;

	if (length < 4 || length > 16 ||
	    strspn(text, "0123456789abcdef") != length)
		return 0;
	result = client_list(client, match_id, &search);
	if (result != 0)
		return result;
	if (search.found > 1)
		return fail(client, SJ_ERR_ARGUMENT,
		    "several logins have such an id");
	if (search.found == 1)
		snprintf(out, TARGET_MAX, "%s", search.target);
	return search.found;
}

static int
put_key_file(struct client *client, const char *path)
{
	char full[PATH_MAX + 1], here[PATH_MAX / 2];

	if (path == NULL)
		return 0;
	if (path[0] == '/' || strncmp(path, "agent:", 6) == 0) {
		snprintf(full, sizeof(full), "%s", path);
	} else {
		if (getcwd(here, sizeof(here)) == NULL ||
		    strlen(path) > PATH_MAX / 2)
			return fail(client, SJ_ERR_FILE, strerror(errno));
		snprintf(full, sizeof(full), "%s/%s", here, path);
	}
	message_put_text(&client->out, FIELD_KEY_FILE, full);
	return 0;
}

/* What went wrong beside a new login. */
static void
tell_failure(const struct message *in)
{
	const char *text = message_text(in, FIELD_TEXT);

	if (text != NULL && text[0] != '\0' &&
	    message_number(in, FIELD_REUSED, 0) == 0)
		complain(error_class_name(SJ_ERR_FILE),
		    "check the disk and the permissions", "%s", text);
}

/* What was asked for; then what the configuration says. */
static int
put_login(struct client *client, const struct client_login *login,
    const struct host_config *config)
{
	struct message *out = &client->out;
	const struct common *common = client->common;
	char keys[KEY_FILES_SIZE];

	message_put_number(out, FIELD_EXISTING_ONLY,
	    (uint64_t)login->existing_only);
	if (login->existing_only)
		return 0;
	message_put_text(out, FIELD_SERVER_KEY, login->server_key != NULL ?
	    login->server_key : config->server_key);
	message_put_number(out, FIELD_ACCEPT_NEW,
	    login->accept_new || config->accept_new);
	message_put_number(out, FIELD_TIMEOUT_MS, login->timeout_ms != 0 ?
	    login->timeout_ms : config->timeout_s * 1000);
	if (login->key_file != NULL)
		return put_key_file(client, login->key_file);
	host_config_keys(config, common->verbose, keys, sizeof(keys));
	if (keys[0] != '\0')
		message_put_text(out, FIELD_KEY_FILE, keys);
	return 0;
}

/* Sends the request; *number is its own. */
static int
ask_login(struct client *client, const struct client_login *login,
    uint64_t *number)
{
	struct host_config config = { .identity_count = 0 };
	char target[TARGET_MAX];
	int result = find_id(client, login->target, target);

	if (result == 0) {
		result = host_config_load(&config, login->target,
		    client->common->config, client->common->verbose,
		    client->error, sizeof(client->error));
		if (result == 0)
			target_format(&config.target, target, sizeof(target));
	} else if (result == 1) {
		result = 0;
	}
	if (result == 0) {
		*number = begin(client, AGENT_LOGIN);
		message_put_text(&client->out, FIELD_TARGET, target);
		result = put_login(client, login, &config);
	}
	host_config_free(&config);
	return result != 0 ? result : client_send(client);
}

int
client_login(struct client *client, const struct client_login *login,
    uint64_t *session, struct client_session *info)
{
	uint64_t number = 0;
	int result = ask_login(client, login, &number);

	while (result == 0 && (result = wait_answer(client, number)) == 0) {
		if (message_type(&client->in) == AGENT_PROMPT) {
			result = answer_prompt(client);
			continue;
		}
		*session = message_number(&client->in, FIELD_SESSION, 0);
		tell_failure(&client->in);
		if (info != NULL)
			fill_session(info, &client->in);
		return 0;
	}
	/* who was not asked, or said no, is to see which key it was */
	if (result == SJ_ERR_KEY_UNKNOWN && client->prompt[0] != '\0')
		return fail(client, result, client->prompt);
	return result;
}

int
client_logout(struct client *client, uint64_t session)
{
	uint64_t number = begin(client, AGENT_LOGOUT);
	int result;

	message_put_number(&client->out, FIELD_SESSION, session);
	result = client_send(client);
	return result != 0 ? result : wait_answer(client, number);
}

int
client_stop_agent(struct client *client)
{
	uint64_t number = begin(client, AGENT_STOP);
	int result = client_send(client);

	if (result == 0)
		result = wait_answer(client, number);
	/* its socket closes when it has gone */
	while (result == 0 && message_receive(client->fd, &client->in, 1) == 1)
		message_drop_fds(&client->in);
	return result;
}

/* --- streams ----------------------------------------------------------- */

int
client_open(struct client *client, const struct client_stream *stream,
    uint64_t *number)
{
	struct message *out = &client->out;

	*number = ++client->last_stream;
	message_begin(out, AGENT_OPEN);
	message_put_number(out, FIELD_STREAM, *number);
	message_put_number(out, FIELD_SESSION, stream->session);
	message_put_number(out, FIELD_PARENT, stream->parent);
	message_put_text(out, FIELD_SERVICE, stream->service);
	message_put_number(out, FIELD_FINISH, (uint64_t)stream->finish);
	message_put_number(out, FIELD_URGENCY, stream->urgency);
	message_put_number(out, FIELD_WEIGHT, stream->weight);
	if (stream->prefix_length > 0)
		message_put(out, FIELD_PREFIX, stream->prefix,
		    stream->prefix_length);
	if (stream->source >= 0) {
		message_put_number(out, FIELD_SOURCE, out->fd_count);
		message_put_fd(out, stream->source);
	}
	if (stream->sink >= 0 && stream->sink == stream->source) {
		message_put_number(out, FIELD_SINK, out->fd_count - 1);
	} else if (stream->sink >= 0) {
		message_put_number(out, FIELD_SINK, out->fd_count);
		message_put_fd(out, stream->sink);
	}
	return client_send(client);
}

int
client_watch(struct client *client, uint64_t session)
{
	client->watch = begin(client, AGENT_WATCH);
	message_put_number(&client->out, FIELD_SESSION, session);
	return client_send(client);
}

int
client_reset(struct client *client, uint64_t stream, uint64_t code)
{
	message_begin(&client->out, AGENT_RESET);
	message_put_number(&client->out, FIELD_STREAM, stream);
	message_put_number(&client->out, FIELD_CODE, code);
	return client_send(client);
}

int
client_next(struct client *client, struct client_event *event, int timeout_ms)
{
	for (;;) {
		struct pollfd wait = { .fd = client->fd, .events = POLLIN };
		int result;

		if (client->kept != NULL) {
			struct kept *kept = client->kept;

			*event = kept->event;
			client->kept = kept->next;
			if (client->kept == NULL)
				client->kept_end = &client->kept;
			free(kept);
			return 1;
		}
		result = poll(&wait, 1, timeout_ms);
		if (result < 0 && errno == EINTR && timeout_ms < 0)
			continue;
		if (result <= 0)
			return 0;
		result = client_receive(client);
		if (result != 0)
			return result;
		if (is_event(client)) {
			fill_event(event, &client->in);
			return 1;
		}
	}
}
