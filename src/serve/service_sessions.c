/* SPDX-License-Identifier: ISC */
/*
 * serve/service_sessions.c - the built-in service "sojourn-sessions"
 *
 * tool/sessions_protocol.h says what is spoken. The endpoint walks its store
 * for one at a time, so conversations stand in line and the first is at work;
 * it ends its walk even if its peer has gone. What a conversation answers in
 * all is bounded, so that a peer that does not read costs no more than that.
 *
 *     READING --request--> WALKING --all seen--> READING
 *                             \--"end", found--> ENDING --stored--> READING
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/log.h"
#include "serve/net_internal.h"
#include "tool/json.h"
#include "tool/sessions_protocol.h"

#define ANSWERS_MAX ((size_t)1 << 20)

enum query_state { QUERY_READING = 0, QUERY_WALKING, QUERY_ENDING };

struct query {
	struct query *next;          /* in line */
	struct bridge *bridge;       /* NULL: its peer has gone */
	enum query_state state;
	int is_end;                  /* the request is "end", not "list" */
	int over;                    /* an error was answered: nothing after it */
	uint64_t cursor, listed;
	uint8_t id[8];
	char user[REQUEST_NAME_MAX];
	FILE *answers;               /* into the memory below */
	char *answer;
	size_t answer_length, answer_sent;
	size_t line_length;
	char line[SESSIONS_LINE_MAX];
};

/* --- answers ----------------------------------------------------------- */

static void
answer_error(struct query *query, int error, const char *text)
{
	struct json json;

	json_begin(&json, query->answers);
	json_text(&json, "error", sj_error_name(error));
	json_text(&json, "text", text != NULL ? text : sj_strerror(error));
	json_end(&json);
	query->over = 1;
}

static void
answer_identity(struct query *query, const struct sj_identity *identity)
{
	char id[17];
	struct json json;
	size_t i;

	for (i = 0; i < sizeof(identity->id); i++)
		snprintf(id + 2 * i, 3, "%02x", identity->id[i]);
	json_begin(&json, query->answers);
	json_text(&json, "id", id);
	json_text(&json, "user", identity->user);
	json_text(&json, "from", identity->peer_address);
	json_number(&json, "since", identity->login_unix_s);
	json_number(&json, "expires", identity->expires_unix_s);
	json_text(&json, "application", identity->application);
	json_text(&json, "mechanism", identity->mechanism);
	json_text(&json, "credential", identity->credential);
	json_end(&json);
	query->listed++;
}

/* Hands on what was answered. 1: all of it. */
static int
send_answers(struct query *query)
{
	struct sj_stream *stream = query->bridge->stream;

	fflush(query->answers);
	while (query->answer_sent < query->answer_length) {
		ptrdiff_t n = sj_stream_write(stream,
		    query->answer + query->answer_sent,
		    query->answer_length - query->answer_sent);

		if (n <= 0)
			return 0; /* WRITABLE or RESET follows */
		query->answer_sent += (size_t)n;
	}
	return 1;
}

/* --- the walk ---------------------------------------------------------- */

/* "end": the login looked for has come by, or has not. */
static int
step_end(struct net *net, struct query *query, int result,
    const struct sj_identity *identity)
{
	if (result == 0)
		answer_error(query, SJ_ERR_ARGUMENT, "no such login");
	if (result == 0 || memcmp(identity->id, query->id,
	    sizeof(query->id)) != 0)
		return result;
	result = sj_sessions_revoke(net->endpoint, NULL, query->id);
	if (result < 0)
		return result;
	query->state = QUERY_ENDING;
	return SJ_AGAIN;
}

static int
step_list(struct query *query, int result, const struct sj_identity *identity)
{
	struct json json;

	if (result == 0) {
		json_begin(&json, query->answers);
		json_number(&json, "listed", query->listed);
		json_end(&json);
		return 0;
	}
	fflush(query->answers);
	if (query->answer_length > ANSWERS_MAX)
		return SJ_ERR_LIMIT;
	answer_identity(query, identity);
	return 1;
}

/* 1: go on, 0: answered, SJ_AGAIN: SJ_EV_DONE follows, else an error. */
static int
step(struct net *net, struct query *query)
{
	struct sj_identity identity;
	int result = sj_sessions_list(net->endpoint, query->user, &identity,
	    &query->cursor);

	if (result != 0 && result != 1)
		return result;
	if (query->bridge == NULL)
		return result; /* to its end, for nobody */
	return query->is_end ? step_end(net, query, result, &identity)
	    : step_list(query, result, &identity);
}

static void converse(struct query *query);

static void
query_free(struct query *query)
{
	if (query->answers != NULL)
		fclose(query->answers);
	free(query->answer);
	free(query);
}

static void
work(struct net *net)
{
	while (net->queries != NULL) {
		struct query *query = net->queries;
		int result;

		do
			result = query->state == QUERY_ENDING ? SJ_AGAIN
			    : step(net, query);
		while (result == 1);
		if (result == SJ_AGAIN)
			return;
		if (result < 0)
			answer_error(query, result, NULL);
		net->queries = query->next;
		if (net->queries == NULL)
			net->queries_end = &net->queries;
		query->state = QUERY_READING;
		if (query->bridge == NULL)
			query_free(query);
		else
			converse(query);
	}
}

void
query_on_done(struct net *net, int error)
{
	struct query *query = net->queries;
	struct json json;
	size_t i;
	char id[17];

	if (query != NULL && query->state == QUERY_ENDING) {
		for (i = 0; i < sizeof(query->id); i++)
			snprintf(id + 2 * i, 3, "%02x", query->id[i]);
		log_event(LOG_NORMAL, "revoked session=%s error=%d", id,
		    error);
		if (error == 0) {
			json_begin(&json, query->answers);
			json_text(&json, "ended", id);
			json_end(&json);
		} else {
			answer_error(query, error, NULL);
		}
		query->state = QUERY_READING;
		net->queries = query->next;
		if (net->queries == NULL)
			net->queries_end = &net->queries;
		if (query->bridge == NULL)
			query_free(query);
		else
			converse(query);
	}
	work(net);
}

/* --- requests ---------------------------------------------------------- */

static int
parse_id(const char *text, uint8_t id[8])
{
	size_t i;

	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return SJ_ERR_ARGUMENT;
	for (i = 0; i < 8; i++) {
		const char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };

		id[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

static void
request(struct query *query, const char *line)
{
	struct net *net = query->bridge->login->net;

	query->is_end = strncmp(line, "end ", 4) == 0;
	if (query->is_end ? parse_id(line + 4, query->id) != 0
	    : strcmp(line, "list") != 0) {
		answer_error(query, SJ_ERR_ARGUMENT, query->is_end
		    ? "an id has 16 hexadecimal digits" : "unknown word");
		return;
	}
	query->state = QUERY_WALKING;
	query->cursor = query->listed = 0;
	query->next = NULL;
	*net->queries_end = query;
	net->queries_end = &query->next;
	if (net->queries == query)
		work(net);
}

/* The next line of the stream. 1: there is one, 0: not yet, SJ_ERR_ENDED: no
 * more follow. */
static int
read_line(struct query *query)
{
	for (;;) {
		const void *bytes;
		const char *newline;
		size_t take;
		ptrdiff_t length = sj_stream_peek(query->bridge->stream,
		    &bytes);

		if (length <= 0)
			return length == SJ_AGAIN ? 0 : SJ_ERR_ENDED;
		newline = memchr(bytes, '\n', (size_t)length);
		take = newline == NULL ? (size_t)length
		    : (size_t)(newline - (const char *)bytes) + 1;
		if (query->line_length + take > sizeof(query->line)) {
			answer_error(query, SJ_ERR_TOO_BIG, "line too long");
			return 0;
		}
		memcpy(query->line + query->line_length, bytes, take);
		query->line_length += take;
		sj_stream_consume(query->bridge->stream, take);
		if (newline == NULL)
			continue;
		query->line[query->line_length - 1] = '\0';
		query->line_length = 0;
		return 1;
	}
}

/* Reads and answers as far as it goes. The bridge may be closed after it. */
static void
converse(struct query *query)
{
	struct bridge *bridge = query->bridge;
	int result = 0;

	while (query->state == QUERY_READING && !query->over &&
	    (result = read_line(query)) == 1) {
		request(query, query->line);
		if (bridge->gone)
			return;
	}
	if (!send_answers(query) || query->state != QUERY_READING)
		return;
	if (query->over || result == SJ_ERR_ENDED) {
		sj_stream_finish(bridge->stream);
		if (query->over)
			sj_stream_stop(bridge->stream, SJ_RESET_CLOSED);
		bridge_close(bridge, 0);
	}
}

int
query_open(struct bridge *bridge)
{
	const struct sj_identity *identity = sj_session_identity(
	    bridge->login->session);
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL || identity == NULL ||
	    strlen(identity->user) >= sizeof(query->user) ||
	    (query->answers = open_memstream(&query->answer,
	    &query->answer_length)) == NULL) {
		free(query);
		return SJ_ERR_MEMORY;
	}
	strcpy(query->user, identity->user);
	query->bridge = bridge;
	bridge->query = query;
	converse(query);
	return 0;
}

void
query_on_event(struct bridge *bridge, const struct sj_event *event)
{
	(void)event;
	converse(bridge->query);
}

void
query_close(struct bridge *bridge)
{
	struct query *query = bridge->query;

	bridge->query = NULL;
	if (query == NULL)
		return;
	query->bridge = NULL;
	if (query->state == QUERY_READING)
		query_free(query);
}
