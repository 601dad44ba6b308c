/* SPDX-License-Identifier: ISC */
/* session_api.c - the stream calls of sojourn.h */
#include "core/services.h"
#include "core/session.h"

/* Why a call on this stream cannot go on; 0: it can. */
static int
stream_error(const struct sj_stream *stream)
{
	if (stream == NULL || !stream->app_holds)
		return SJ_ERR_ARGUMENT;
	if (stream->error != 0)
		return stream->error;
	if (stream->session->state == SESSION_OVER)
		return SJ_ERR_ENDED;
	return 0;
}

static void
changed(struct sj_stream *stream)
{
	sj__tree_update(&stream->session->tree, stream);
	sj__session_wake(stream->session);
}

int
sj_stream_open(struct sj_session *session, struct sj_stream **out,
    const struct sj_stream_options *options)
{
	struct sj_stream_options full = SJ_STREAM_OPTIONS;
	struct sj_stream *parent, *stream;
	struct span service;

	if (out == NULL || session == NULL || (options != NULL &&
	    (options->size < sizeof(size_t) || options->size > 4096)))
		return SJ_ERR_ARGUMENT;
	*out = NULL;
	if (options != NULL)
		memcpy(&full, options, min_size(options->size, sizeof full));
	if (session->state == SESSION_OVER || session->state == SESSION_ENDING)
		return SJ_ERR_ENDED;
	if (session->is_server && session->state != SESSION_LIVE)
		return SJ_ERR_STATE;
	if (full.best_effort != 0 || full.deadline_ms != 0)
		return SJ_ERR_STATE;    /* not in this version of the library */
	if (full.urgency > URGENCIES)
		return SJ_ERR_ARGUMENT;
	parent = full.parent != NULL ? full.parent : session->tree.root;
	if (parent->session != session)
		return SJ_ERR_ARGUMENT;
	if (parent->error != 0)
		return parent->error;
	service.data = (const uint8_t *)(full.service != NULL ? full.service : "");
	service.length = strlen((const char *)service.data);
	if (service.length > NAME_MAX_BYTES)
		return SJ_ERR_TOO_BIG;
	SJ_TRY(sj__tree_add(&session->tree, sj__tree_new_id(&session->tree),
	    parent, service, &stream));
	if (parent == session->tree.root) {
		stream->urgency = SJ_URGENCY_DEFAULT;
		stream->weight = SJ_WEIGHT_DEFAULT;
	}
	if (full.urgency > 0)
		stream->urgency = (uint8_t)(full.urgency - 1);
	if (full.weight > 0)
		stream->weight = full.weight;
	stream->data = full.data;
	stream->app_holds = true;
	session->now = sj__endpoint_now(session->endpoint);
	sj__streams_on_consumed(session, stream, session->now);
	changed(stream);
	*out = stream;
	return 0;
}

ptrdiff_t
sj_stream_peek(struct sj_stream *stream, const void **bytes)
{
	const uint8_t *at = NULL;
	bool at_end;
	size_t length;

	if (stream == NULL || bytes == NULL || !stream->app_holds)
		return SJ_ERR_ARGUMENT;
	length = sj__receive_peek(&stream->receive, &at, &at_end);
	*bytes = at;
	if (length > 0)
		return (ptrdiff_t)length;
	if (at_end)
		return 0;
	if (stream_error(stream) < 0)
		return stream_error(stream);
	if (stream->receive.reset || stream->receive.stop_wanted)
		return SJ_ERR_RESET;
	stream->wait_readable = true;
	return SJ_AGAIN;
}

int
sj_stream_consume(struct sj_stream *stream, size_t length)
{
	struct sj_session *session;

	if (stream == NULL || !stream->app_holds ||
	    length > sj__receive_readable(&stream->receive))
		return SJ_ERR_ARGUMENT;
	session = stream->session;
	sj__receive_consume(&stream->receive, length);
	if (session->state != SESSION_OVER) {
		sj__streams_on_consumed(session, stream,
		    sj__endpoint_now(session->endpoint));
		sj__stream_settle(stream);
	}
	return 0;
}

ptrdiff_t
sj_stream_read(struct sj_stream *stream, void *bytes, size_t capacity)
{
	size_t taken = 0;
	const void *at;
	ptrdiff_t length;
	int error;

	while (taken < capacity || capacity == 0) {
		length = sj_stream_peek(stream, &at);
		if (length <= 0)
			return taken > 0 ? (ptrdiff_t)taken : length;
		if (capacity == 0)
			return 0;
		length = (ptrdiff_t)min_size((size_t)length, capacity - taken);
		memcpy((uint8_t *)bytes + taken, at, (size_t)length);
		error = sj_stream_consume(stream, (size_t)length);
		assert(error == 0);
		(void)error;
		taken += (size_t)length;
	}
	return (ptrdiff_t)taken;
}

/* The end is told apart from "nothing yet" before anything was read. */
ptrdiff_t
sj_stream_write(struct sj_stream *stream, const void *bytes, size_t length)
{
	ptrdiff_t taken;
	int error = stream_error(stream);

	if (error < 0)
		return error;
	taken = sj__send_write(&stream->send, stream->session->memory, bytes,
	    length, sj__stream_buffer_max(stream));
	if (taken == SJ_AGAIN || (taken >= 0 && (size_t)taken < length))
		stream->wait_writable = true;
	if (taken > 0)
		changed(stream);
	return taken;
}

ptrdiff_t
sj_stream_reserve(struct sj_stream *stream, void **room)
{
	uint8_t *at = NULL;
	ptrdiff_t length;
	int error = stream_error(stream);

	if (error < 0)
		return error;
	length = sj__send_reserve(&stream->send, stream->session->memory, &at,
	    sj__stream_buffer_max(stream));
	if (length == SJ_AGAIN)
		stream->wait_writable = true;
	*room = at;
	return length;
}

int
sj_stream_commit(struct sj_stream *stream, size_t length)
{
	int error = stream_error(stream);

	if (error < 0)
		return error;
	SJ_TRY(sj__send_commit(&stream->send, length));
	changed(stream);
	return 0;
}

int
sj_stream_finish(struct sj_stream *stream)
{
	int error = stream_error(stream);

	if (error < 0)
		return error;
	if (stream->send.reset)
		return SJ_ERR_RESET;
	stream->send.finished = true;
	changed(stream);
	return 0;
}

int
sj_stream_reset(struct sj_stream *stream, uint64_t code)
{
	int error = stream_error(stream);

	if (error < 0)
		return error;
	if (code > VARINT_MAX)
		return SJ_ERR_ARGUMENT;
	stream->session->now = sj__endpoint_now(stream->session->endpoint);
	sj__stream_reset_tree(stream, code, SJ_ERR_RESET);
	sj__session_wake(stream->session);
	return 0;
}

int
sj_stream_stop(struct sj_stream *stream, uint64_t code)
{
	int error = stream_error(stream);

	if (error < 0)
		return error;
	if (code > VARINT_MAX)
		return SJ_ERR_ARGUMENT;
	if (!sj__receive_is_done(&stream->receive) &&
	    !stream->receive.stop_wanted) {
		stream->receive.stop_wanted = true;
		stream->receive.stop_code = code;
		sj__receive_drop(&stream->receive, stream->session->memory);
		if (stream->opening_sent)
			sj__tree_want(&stream->session->tree, stream, WANT_STOP);
		changed(stream);
	}
	return 0;
}

void
sj_stream_close(struct sj_stream *stream)
{
	struct sj_session *session;

	if (stream == NULL || !stream->app_holds)
		return;
	session = stream->session;
	stream->app_holds = false;
	stream->app_closed = true;
	stream->data = NULL;
	stream->events = 0;
	list_remove(&stream->eventing);
	if (session->state == SESSION_OVER)
		return;                 /* freed with the session */
	session->now = sj__endpoint_now(session->endpoint);
	if (stream->error == 0 && !stream->send.finished && !stream->send.reset)
		sj__stream_reset_tree(stream, SJ_RESET_CLOSED, SJ_ERR_RESET);
	else if (stream->error == 0 && !sj__receive_is_done(&stream->receive) &&
	    !stream->receive.stop_wanted) {
		stream->receive.stop_wanted = true;
		stream->receive.stop_code = SJ_RESET_CLOSED;
		sj__receive_drop(&stream->receive, session->memory);
		sj__tree_want(&session->tree, stream, WANT_STOP);
	}
	sj__session_wake(session);
	sj__stream_settle(stream);
}

void
sj__stream_set_priority(struct sj_stream *stream, uint8_t urgency,
    uint8_t weight)
{
	struct sj__tree *tree = &stream->session->tree;
	bool waits = !list_is_empty(&stream->ready);

	stream->urgency = urgency;
	stream->weight = weight;
	if (waits)
		list_remove(&stream->ready);
	sj__tree_update(tree, stream);
}

int
sj_stream_set_priority(struct sj_stream *stream, uint8_t urgency,
    uint8_t weight)
{
	int error = stream_error(stream);

	if (error < 0)
		return error;
	if (urgency >= URGENCIES || weight == 0)
		return SJ_ERR_ARGUMENT;
	sj__stream_set_priority(stream, urgency, weight);
	stream->priority_version++;
	if (stream->opening_sent)
		sj__tree_want(&stream->session->tree, stream, WANT_PRIORITY);
	changed(stream);
	return 0;
}

int
sj_stream_info(const struct sj_stream *stream, struct sj_stream_info *info)
{
	struct sj_stream_info full = { .size = sizeof full };
	size_t size;

	if (stream == NULL || info == NULL || info->size < sizeof(size_t) ||
	    !stream->app_holds)
		return SJ_ERR_ARGUMENT;
	full.service = stream->service;
	full.parent = stream->parent != NULL && stream->parent->parent != NULL &&
	    stream->parent->app_holds ? stream->parent : NULL;
	full.id = stream->id;
	full.read = stream->receive.ring.base;
	full.written = stream->send.end;
	full.acknowledged = stream->send.ring.base;
	size = min_size(info->size, sizeof full);
	full.size = info->size;
	memcpy(info, &full, size);
	return 0;
}

void
sj_stream_set_data(struct sj_stream *stream, void *data)
{
	if (stream != NULL && stream->app_holds)
		stream->data = data;
}

struct sj_session *
sj_stream_session(const struct sj_stream *stream)
{
	return stream != NULL ? stream->session : NULL;
}

/* Best-effort streams come with a later version of the library: until then
 * this is a clear error, never a message that is quietly treated otherwise. */
int
sj_message_send(struct sj_session *session,
    const struct sj_stream_options *options, const void *bytes, size_t length)
{
	(void)options;
	(void)bytes;
	(void)length;
	return session == NULL ? SJ_ERR_ARGUMENT : SJ_ERR_STATE;
}
