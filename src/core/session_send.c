/* SPDX-License-Identifier: ISC */
/* session_send.c - the frames of streams that go, and what became of them */
#include "core/session_internal.h"

enum record_type {
	RECORD_STREAM = 0x40,           /* above those of the channel */
	RECORD_CREDIT,
	RECORD_RESET,
	RECORD_STOP,
	RECORD_PRIORITY
};
#define RECORD_FIN 1
#define RECORD_OPENING 2

/* --- Frames to send ---------------------------------------------------- */

static struct sj__recovery *
recovery_of(struct sj_session *session)
{
	return &session->channel->recovery;
}

static void
record(struct sj_session *session, uint8_t type, uint8_t flags,
    uint64_t stream, uint64_t offset, size_t length)
{
	struct sj__sent_record sent = {
		.type = type,
		.flags = flags,
		.length = (uint32_t)length,
		.id = stream,
		.offset = offset,
	};

	sj__recovery_append(recovery_of(session), &sent);
}

static void
fill_reset(struct sj_stream *stream, struct writer *writer)
{
	struct frame frame = { .type = FRAME_RESET };

	frame.u.reset.stream = stream->id;
	frame.u.reset.code = stream->send.reset_code;
	frame.u.reset.final_size = stream->send.next;
	frame.u.reset.parent = stream->is_local ? stream->opening_parent : 0;
	frame.u.reset.borrow = stream->is_local ? stream->borrow : 0;
	frame.u.reset.lender_is_root = stream->lender_is_root;
	sj__frame_reset(writer, &frame);
}

/* One control frame of the stream; false if it does not fit. */
static bool
fill_want(struct sj_session *session, struct sj_stream *stream, uint8_t want,
    struct writer *writer)
{
	struct writer start = *writer;
	uint8_t type = RECORD_CREDIT;

	/* [SJ-ST-13] Before the opening arrived these would mean nothing. */
	if (want != WANT_RESET && stream->is_local && !stream->opening_acked) {
		stream->wants &= (uint8_t)~want;
		if (want != WANT_CREDIT || !stream->opening_sent ||
		    stream->receive.granted > stream->opening_credit)
			stream->deferred |= want;
		return true;
	}
	switch ((enum stream_want)want) {
	case WANT_CREDIT:
		sj__frame_credit(writer, stream->id, stream->receive.granted);
		break;
	case WANT_RESET:
		type = RECORD_RESET;
		fill_reset(stream, writer);
		stream->send.reset_sent = true;
		break;
	case WANT_STOP:
		type = RECORD_STOP;
		sj__frame_stop(writer, stream->id, stream->receive.stop_code);
		break;
	case WANT_PRIORITY:
		type = RECORD_PRIORITY;
		sj__frame_priority(writer, stream->id, stream->priority_version,
		    stream->urgency, stream->weight);
		break;
	}
	if (writer->failed) {
		*writer = start;
		return false;
	}
	stream->wants &= (uint8_t)~want;
	record(session, type, 0, stream->id, stream->priority_version, 0);
	return true;
}

static bool
fill_wants(struct sj_session *session, struct writer *writer)
{
	struct sj_stream *stream;

	while ((stream = list_first(&session->tree.wanting, struct sj_stream,
	    wanting)) != NULL) {
		if (sj__recovery_is_full(recovery_of(session)))
			return false;
		for (unsigned want = WANT_CREDIT; want <= WANT_PRIORITY;
		    want <<= 1)
			if ((stream->wants & want) != 0 &&
			    !fill_want(session, stream, (uint8_t)want,
			    writer))
				return false;
		list_remove(&stream->wanting);
		sj__stream_settle(stream);
	}
	return true;
}

static void
describe_opening(const struct sj_stream *stream, struct stream_opening *opening)
{
	opening->parent = stream->opening_parent;       /* [SJ-ST-1] all copies agree */
	opening->borrow = stream->borrow;
	opening->credit = stream->opening_credit;
	opening->deadline_ms = 0;
	opening->urgency = stream->urgency;
	opening->weight = stream->weight;
	opening->best_effort = false;   /* [SJ-ST-19] */
	opening->lender_is_root = stream->lender_is_root;
	opening->service.data = (const uint8_t *)stream->service;
	opening->service.length = stream->service_length;
}

/* One stream frame; false if there is no room. */
static bool
fill_data(struct sj_session *session, struct sj_stream *stream,
    struct writer *writer)
{
	struct stream_opening opening;
	struct stream_header header = { .stream = stream->id, .to_end = true };
	struct sj__piece piece = { .offset = stream->send.next, .is_new = true };
	bool opens = stream->is_local && !stream->opening_acked;
	size_t length;

	if (!sj__send_next(&stream->send, writer_left(writer), &piece) && !opens) {
		sj__tree_served(&session->tree, stream, 0);
		return true;
	}
	length = piece.length;
	if (opens) {
		describe_opening(stream, &opening);
		header.opening = &opening;
	}
	header.offset = piece.offset;
	header.fin = piece.fin;
	if (!sj__frame_stream(writer, &header, &length))
		return false;
	piece.fin = piece.fin && length == piece.length;
	piece.length = length;
	if (length > 0)
		sj__ring_get(&stream->send.ring, piece.offset,
		    write_room(writer, length), length);
	sj__send_sent(&stream->send, &piece);
	record(session, RECORD_STREAM, (uint8_t)((piece.fin ? RECORD_FIN : 0) |
	    (opens ? RECORD_OPENING : 0)), stream->id, piece.offset, length);
	session->bytes_out += length;
	sj__tree_served(&session->tree, stream, length);
	return true;
}

void
sj__streams_fill(struct sj_session *session, struct sj_time now,
    struct writer *writer)
{
	struct sj_stream *stream;

	session->now = now;
	if (session->state == SESSION_OVER) {
		/* Only the last words, on the root. */
		if (sj__send_is_ready(&session->tree.root->send))
			(void)fill_data(session, session->tree.root, writer);
		return;
	}
	if (!fill_wants(session, writer))
		return;
	while (!writer->failed && writer_left(writer) > 0 &&
	    !sj__recovery_is_full(recovery_of(session)) &&
	    (stream = sj__tree_turn(&session->tree)) != NULL) {
		if (stream->is_local && stream->parent != NULL &&
		    !stream->opening_sent && !sj__credit_borrow(session, stream)) {
			sj__tree_block(&session->tree, stream);
			continue;
		}
		if (!fill_data(session, stream, writer))
			return;
	}
}

/* --- What became of it ------------------------------------------------- */

/* Twice what is under way, and some: enough to keep the path busy, not so much
 * that bytes grow cold before they are sent. What is under way beyond four times
 * what the empty path holds only waits in a queue: for its sake nothing is held
 * beyond what stays near the processor. */
static uint64_t
send_buffer_max(const struct sj_session *session)
{
	const struct sj__path *path;
	uint64_t wanted = SEND_BUFFER_MIN, held;

	if (session->channel == NULL)
		return wanted;
	path = session->channel->current.path;
	held = path->in_flight;
	if (path->has_rtt)
		held = held * (path->minimum_ns / 1000 + 1) /
		    (path->smoothed_ns / 1000 + 1);
	wanted += min_u64(2 * path->in_flight,
	    max_u64(4 * held, SEND_BUFFER_QUEUED - SEND_BUFFER_MIN));
	return min_u64(wanted, SEND_BUFFER_MAX);
}

uint64_t
sj__stream_buffer_max(const struct sj_stream *stream)
{
	return send_buffer_max(stream->session);
}

static int
on_stream_delivered(struct sj_stream *stream, const struct sj__sent_record *sent)
{
	struct sj_session *session = stream->session;
	struct sj__send *send = &stream->send;

	if (sent->flags & RECORD_OPENING)
		sj__stream_on_opening_known(stream);
	SJ_TRY(sj__send_delivered(send, session->memory, sent->offset,
	    sent->length, (sent->flags & RECORD_FIN) != 0));
	if (stream->wait_writable && !send->reset &&
	    send->end - send->ring.base <= send_buffer_max(session) / 2) {
		stream->wait_writable = false;
		sj__stream_event(stream, STREAM_EV_WRITABLE);
	}
	if (!send->reset && sj__send_is_done(send) && !stream->delivered_told) {
		stream->delivered_told = true;
		sj__stream_event(stream, STREAM_EV_DELIVERED);
	}
	sj__stream_settle(stream);
	return 0;
}

static void
on_lost(struct sj_stream *stream, const struct sj__sent_record *sent)
{
	struct sj_session *session = stream->session;

	switch (sent->type) {
	case RECORD_STREAM:
		if (sj__send_lost(&stream->send, session->memory, sent->offset,
		    sent->length, (sent->flags & RECORD_FIN) != 0) < 0)
			sj__session_end(session, SJ_ERR_MEMORY, NULL);
		if ((sent->flags & RECORD_OPENING) && !stream->opening_acked &&
		    !stream->send.reset)
			sj__tree_reopen(&session->tree, stream);
		else
			sj__tree_update(&session->tree, stream);
		break;
	case RECORD_CREDIT:
		sj__tree_want(&session->tree, stream, WANT_CREDIT);
		break;
	case RECORD_RESET:
		if (!stream->send.reset_acked)
			sj__tree_want(&session->tree, stream, WANT_RESET);
		break;
	case RECORD_STOP:
		if (!sj__receive_is_done(&stream->receive) ||
		    !stream->receive.reset)
			sj__tree_want(&session->tree, stream, WANT_STOP);
		break;
	case RECORD_PRIORITY:
		if (sent->offset == stream->priority_version)
			sj__tree_want(&session->tree, stream, WANT_PRIORITY);
		break;
	default:
		assert(false);
	}
}

void
sj__streams_on_settled(struct sj_session *session,
    const struct sj__sent_record *sent, bool delivered)
{
	struct sj_stream *stream = sj__tree_find(&session->tree, sent->id);

	if (stream == NULL ||
	    (session->state == SESSION_OVER && stream->parent != NULL))
		return;
	if (!delivered) {
		on_lost(stream, sent);
		return;
	}
	if (sent->type == RECORD_STREAM) {
		if (on_stream_delivered(stream, sent) < 0)
			sj__session_end(session, SJ_ERR_MEMORY, NULL);
		if (session->state == SESSION_OVER)
			sj__session_let_channel_go(session);
	} else if (sent->type == RECORD_RESET) {
		stream->send.reset_acked = true;
		sj__stream_settle(stream);
	}
}
