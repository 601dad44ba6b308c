/* SPDX-License-Identifier: ISC */
/*
 * endpoint_events.c - the event queue, requests and their answers
 *
 * No event is ever allocated: an object that owes events waits in a list with
 * a bit for each kind, and the event is made when it is asked for. So a slow
 * application costs no memory. Sessions come first (STARTED before the bytes
 * of a stream), endings last (ENDED is the last word of a session).
 */
#include "core/endpoint_internal.h"
#include "core/text.h"

void
sj__endpoint_queue_stream(struct sj_endpoint *endpoint,
    struct sj_stream *stream)
{
	if (stream->events != 0 && list_is_empty(&stream->eventing))
		list_append(&endpoint->stream_events, &stream->eventing);
}

void
sj__endpoint_queue_session(struct sj_endpoint *endpoint,
    struct sj_session *session)
{
	bool is_ending = session->events == SESSION_EV_ENDED;

	if (session->events == 0)
		return;
	list_remove(&session->eventing);
	list_append(is_ending ? &endpoint->endings : &endpoint->session_events,
	    &session->eventing);
	sj__endpoint_update_session(session);
}

static uint8_t
lowest_bit(uint8_t bits)
{
	return (uint8_t)(bits & -bits);
}

static void
prompt_text(struct sj_endpoint *endpoint, const struct sj_session *session)
{
	struct text text = text_of(endpoint->event_text,
	    sizeof endpoint->event_text);

	text_add(&text, "The key of ");
	text_add(&text, session->server_name);
	text_add(&text, " is not known: it shows ");
	text_add(&text, session->server_key_text);
	text_add(&text, ". Trust it (yes, no, or the fingerprint you expect)? ");
}

static void
fill_session_event(struct sj_endpoint *endpoint, struct sj_session *session,
    enum session_event bit, struct sj_event *event)
{
	event->session = session;
	event->session_data = session->data;
	event->text = endpoint->event_text;
	endpoint->event_text[0] = '\0';
	switch (bit) {
	case SESSION_EV_LOGIN:
		event->type = SJ_EV_LOGIN;
		session->app_holds = true;
		break;
	case SESSION_EV_PROMPT:
		event->type = SJ_EV_PROMPT;
		event->code = SJ_PROMPT_HOST_KEY;
		prompt_text(endpoint, session);
		break;
	case SESSION_EV_STARTED:
		event->type = SJ_EV_STARTED;
		event->unverified = session->unverified;
		session->app_holds = true;
		break;
	case SESSION_EV_AWAY:
		event->type = SJ_EV_AWAY;
		event->error = SJ_ERR_UNREACHABLE;
		event->text = sj_strerror(SJ_ERR_UNREACHABLE);
		break;
	case SESSION_EV_BACK:
		event->type = SJ_EV_BACK;
		break;
	case SESSION_EV_ENDED:
		event->type = SJ_EV_ENDED;
		event->error = session->error;
		event->text = session->text;
		session->ended_told = true;
		break;
	}
}

/* False if there was none to tell: a login that the application never saw. */
static bool
next_session_event(struct sj_endpoint *endpoint, struct list *queue,
    struct sj_event *event)
{
	struct sj_session *session;
	uint8_t bit;

	while ((session = list_first(queue, struct sj_session, eventing))) {
		bit = lowest_bit(session->events);
		session->events &= (uint8_t)~bit;
		list_remove(&session->eventing);
		if (session->events != 0)
			sj__endpoint_queue_session(endpoint, session);
		if (!session->app_holds && bit == SESSION_EV_ENDED) {
			sj__endpoint_session_closed(session);
			continue;
		}
		fill_session_event(endpoint, session, (enum session_event)bit,
		    event);
		return true;
	}
	return false;
}

static bool
next_stream_event(struct sj_endpoint *endpoint, struct sj_event *event)
{
	struct sj_stream *stream = list_first(&endpoint->stream_events,
	    struct sj_stream, eventing);
	uint8_t bit;

	if (stream == NULL)
		return false;
	bit = lowest_bit(stream->events);
	stream->events &= (uint8_t)~bit;
	list_remove(&stream->eventing);
	sj__endpoint_queue_stream(endpoint, stream);
	event->session = stream->session;
	event->session_data = stream->session->data;
	event->stream = stream;
	event->stream_data = stream->data;
	event->service = stream->service;
	switch ((enum stream_event)bit) {
	case STREAM_EV_OPENED:
		event->type = SJ_EV_STREAM;
		stream->app_holds = true;
		break;
	case STREAM_EV_READABLE:
		event->type = SJ_EV_READABLE;
		stream->wait_readable = false;
		break;
	case STREAM_EV_WRITABLE:
		event->type = SJ_EV_WRITABLE;
		break;
	case STREAM_EV_DELIVERED:
		event->type = SJ_EV_DELIVERED;
		break;
	case STREAM_EV_RESET:
		event->type = SJ_EV_RESET;
		event->error = stream->error != 0 ? stream->error :
		    stream->reset_code == SJ_RESET_SERVICE ? SJ_ERR_SERVICE :
		    SJ_ERR_RESET;
		event->code = stream->reset_code;
		event->text = sj_strerror(event->error);
		break;
	}
	return true;
}

int
sj_core_event(struct sj_endpoint *endpoint, struct sj_time now,
    struct sj_event *event)
{
	endpoint->now = now;
	memset(event, 0, sizeof *event);
	event->text = "";
	sj__endpoint_store_pump(endpoint, now);
	if (endpoint->wake_pending) {
		endpoint->wake_pending = false;
		event->type = SJ_EV_WAKE;
		return 1;
	}
	if (endpoint->done_pending) {
		endpoint->done_pending = false;
		event->type = SJ_EV_DONE;
		event->error = endpoint->done_error;
		return 1;
	}
	if (next_session_event(endpoint, &endpoint->session_events, event) ||
	    next_stream_event(endpoint, event) ||
	    next_session_event(endpoint, &endpoint->endings, event))
		return 1;
	return 0;
}

/* --- Requests ---------------------------------------------------------- */

uint64_t
sj__endpoint_request(struct sj_endpoint *endpoint, enum request_kind kind,
    struct sj_session *session, struct sj__channel *channel)
{
	struct request *request = sj__memory_allocate(&endpoint->memory,
	    sizeof *request);

	if (request == NULL)
		return 0;
	memset(request, 0, sizeof *request);
	list_init(&request->all);
	request->number = ++endpoint->last_request;
	request->kind = kind;
	request->session = session;
	request->channel = channel;
	list_append(&endpoint->requests, &request->all);
	endpoint->secrets_asked += kind == REQUEST_SHARED_SECRET;
	return request->number;
}

void
sj__endpoint_forget_requests(struct sj_endpoint *endpoint,
    const struct sj_session *session, const struct sj__channel *channel)
{
	struct request *request;

	for (struct list *at = endpoint->requests.next;
	    at != &endpoint->requests; at = at->next) {
		request = container_of(at, struct request, all);
		if (session != NULL && request->session == session)
			request->session = NULL;
		if (channel != NULL && request->channel == channel)
			request->channel = NULL;
	}
}

/* Takes an open request out of the list; false: there is none of that number. */
bool
sj__endpoint_take_request(struct sj_endpoint *endpoint, uint64_t number,
    struct request *out)
{
	struct request *request;

	for (struct list *at = endpoint->requests.next;
	    at != &endpoint->requests; at = at->next) {
		request = container_of(at, struct request, all);
		if (request->number != number)
			continue;
		*out = *request;
		endpoint->secrets_asked -= request->kind ==
		    REQUEST_SHARED_SECRET;
		list_remove(&request->all);
		sj__memory_free(&endpoint->memory, request, sizeof *request);
		return true;
	}
	return false;
}

void
sj_core_answer(struct sj_endpoint *endpoint, uint64_t number,
    const struct sj_answer *answer)
{
	struct request request;
	bool has_secret = answer->error == 0 && answer->length == 32;

	if (!sj__endpoint_take_request(endpoint, number, &request))
		return;
	if (request.kind == REQUEST_SHARED_SECRET && request.channel != NULL)
		sj__channel_on_shared_secret(request.channel, endpoint->now,
		    has_secret ? 0 : SJ_ERR_STATE, answer->bytes);
	else if (request.session != NULL) {
		sj__session_on_answer(request.session, endpoint->now,
		    (int)request.kind, answer);
		sj__endpoint_update_session(request.session);
	}
}
