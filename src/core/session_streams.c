/* SPDX-License-Identifier: ISC */
/*
 * session_streams.c - the frames of streams, in and out, and their credit
 *
 * Credit, as both ends count it. A stream's bytes and the charges of children
 * that borrowed from it share one limit: bytes + charged <= granted. A child
 * costs its lender STREAM_COST and what it starts with (borrow). The receiver
 * gives the borrow back with the child's first own grant and the cost when
 * the application has let go of it; so memory is bounded by what was granted,
 * and opening needs no round trip.
 *
 * Nothing is granted to new streams before the login succeeded: until then
 * all streams live on what stream 0 has.
 */
#include "core/services.h"
#include "core/session.h"

enum record_type {
	RECORD_STREAM = 0x40,           /* above those of the channel */
	RECORD_CREDIT,
	RECORD_RESET,
	RECORD_STOP,
	RECORD_PRIORITY
};
#define RECORD_FIN 1
#define RECORD_OPENING 2

void
sj__session_wake(struct sj_session *session)
{
	if (session->channel != NULL)
		sj__channel_wake(session->channel);
}

static void
want(struct sj_stream *stream, uint8_t wants)
{
	sj__tree_want(&stream->session->tree, stream, wants);
	sj__session_wake(stream->session);
}

/* --- Grants ------------------------------------------------------------ */

static uint64_t
released(const struct sj_stream *stream)
{
	return stream->receive.ring.base + stream->receive.refunded;
}

/* Takes a window of up to wanted bytes out of the budget; less if it is short,
 * 0 if it is empty. */
static uint64_t
budget_take(struct sj_session *session, uint64_t wanted)
{
	uint64_t limit = sj__endpoint_session_budget(session->endpoint);
	uint64_t left = session->budget_used < limit ?
	    limit - session->budget_used : 0;
	uint64_t taken = min_u64(wanted, max_u64(left / 8,
	    min_u64(left, WINDOW_SMALLEST)));

	session->budget_used += taken;
	return taken;
}

static void
budget_return(struct sj_stream *stream)
{
	struct sj_session *session = stream->session;
	struct sj_stream *other;

	session->budget_used -= min_u64(session->budget_used,
	    stream->receive.window);
	stream->receive.window = 0;
	if (session->starved == 0)
		return;
	for (size_t i = 0; i < session->tree.bucket_count; i++)
		for (other = session->tree.buckets[i]; other != NULL;
		    other = other->hash_next)
			if (other->starved) {
				other->starved = false;
				session->starved--;
				sj__streams_on_consumed(session, other,
				    session->now);
				return;
			}
}

/* Gives the lender back what a child of the peer's took. */
static void
refund(struct sj_stream *stream, uint64_t amount)
{
	struct sj_stream *lender = stream->lender_is_root ?
	    stream->session->tree.root : stream->parent;

	if (amount == 0 || (!stream->lender_is_root && stream->parent_refunded))
		return;
	lender->receive.refunded += amount;
	sj__streams_on_consumed(stream->session, lender, stream->session->now);
}

/* The first grant of the stream's own. */
static void
grant_first(struct sj_stream *stream)
{
	struct sj_session *session = stream->session;
	struct sj__receive *receive = &stream->receive;
	uint64_t window;

	if (receive->has_final || receive->stop_wanted || stream->has_grant)
		return;
	window = budget_take(session, WINDOW_FIRST);
	if (window == 0) {
		if (!stream->starved)
			session->starved++;
		stream->starved = true;
		return;
	}
	stream->has_grant = true;
	receive->window = window;
	receive->grant_time_ns = session->now.boot_ns;
	receive->granted = max_u64(receive->granted, released(stream) + window);
	want(stream, WANT_CREDIT);
	if (!stream->is_local)
		refund(stream, stream->borrow);
}

int
sj__streams_grant_root(struct sj_session *session, uint64_t window)
{
	struct sj_stream *root = session->tree.root;

	root->has_grant = true;
	root->receive.window = window;
	root->receive.granted = max_u64(root->receive.granted,
	    released(root) + window);
	return 0;
}

/* A reader that empties half a window within two round trips is held up by
 * the window: double it. [SJ-ST-7] */
static void
tune_window(struct sj_session *session, struct sj_stream *stream)
{
	struct sj__receive *receive = &stream->receive;
	uint64_t rtt_ns = sj__path_rtt_ns(session->channel->current.path);
	uint64_t now_ns = session->now.boot_ns;

	if (stream->parent != NULL && receive->window < WINDOW_MAX &&
	    now_ns - receive->grant_time_ns < 2 * rtt_ns)
		receive->window += budget_take(session, receive->window);
	receive->grant_time_ns = now_ns;
}

void
sj__streams_on_consumed(struct sj_session *session, struct sj_stream *stream,
    struct sj_time now)
{
	struct sj__receive *receive = &stream->receive;

	session->now = now;
	if (receive->has_final || receive->stop_wanted)
		return;
	/* [SJ-LG-4] */
	if (stream->parent != NULL && session->is_server &&
	    session->state != SESSION_LIVE)
		return;
	if (!stream->has_grant) {
		grant_first(stream);
		return;
	}
	if (receive->granted >= released(stream) + receive->window / 2)
		return;
	if (session->channel != NULL)
		tune_window(session, stream);
	receive->granted = released(stream) + receive->window;
	want(stream, WANT_CREDIT);
}

/* --- Life of a stream -------------------------------------------------- */

void
sj__stream_event(struct sj_stream *stream, uint8_t events)
{
	struct sj_session *session = stream->session;
	bool hidden = stream->parent == NULL || stream->is_placeholder ||
	    (stream->app_closed && !stream->app_holds);

	if (hidden || (session->state != SESSION_LIVE && !stream->is_local))
		return;
	stream->events |= events;
	sj__endpoint_queue_stream(session->endpoint, stream);
}

void
sj__stream_settle(struct sj_stream *stream)
{
	struct sj_session *session = stream->session;
	bool receive_done = sj__receive_is_done(&stream->receive);

	if (stream->parent == NULL)
		return;
	if (receive_done && stream->receive.window > 0)
		budget_return(stream);
	if (stream->app_holds || stream->is_placeholder)
		return;
	if (!stream->app_closed && !stream->is_local)
		return;                 /* still to be shown */
	if (!receive_done || !sj__send_is_done(&stream->send) ||
	    (stream->wants & (WANT_RESET | WANT_STOP)) != 0)
		return;
	if (stream->starved)
		session->starved--;
	if (!stream->is_local) {
		if (!stream->has_grant)
			refund(stream, stream->borrow);
		refund(stream, STREAM_COST);
	}
	sj__tree_remove(&session->tree, stream);
}

/* Our half of a reset: nothing more is sent or taken. */
static void
reset_one(struct sj_stream *stream, uint64_t code, int error)
{
	struct sj_session *session = stream->session;

	if (stream->error == 0)
		stream->error = error;
	stream->reset_code = code;
	if (!sj__send_is_done(&stream->send) && !stream->send.reset) {
		uint64_t sent = stream->send.next;

		sj__send_drop(&stream->send, session->memory);
		stream->send.next = stream->send.end = sent;
		stream->send.reset = true;
		stream->send.reset_code = code;
		if (stream->is_local && !stream->opening_sent) {
			stream->send.reset_acked = true;
			stream->receive.reset = true;
			list_remove(&stream->ready);
		} else {
			want(stream, WANT_RESET);
		}
	}
	if (!sj__receive_is_done(&stream->receive)) {
		stream->receive.stop_wanted = true;
		stream->receive.stop_code = code;
		want(stream, WANT_STOP);
		sj__receive_drop(&stream->receive, session->memory);
	}
	sj__tree_update(&session->tree, stream);
}

/* [SJ-ST-10] A reset takes the whole subtree along. Walked without recursion:
 * a tree may be deep. */
void
sj__stream_reset_tree(struct sj_stream *top, uint64_t code, int error)
{
	struct sj_stream *stream = top, *next;

	for (;;) {
		reset_one(stream, stream == top ? code : SJ_RESET_PARENT,
		    stream == top ? error : SJ_ERR_RESET);
		if (stream != top)
			sj__stream_event(stream, STREAM_EV_RESET);
		next = list_first(&stream->children, struct sj_stream, siblings);
		while (next == NULL && stream != top) {
			if (stream->siblings.next != &stream->parent->children)
				next = container_of(stream->siblings.next,
				    struct sj_stream, siblings);
			else
				stream = stream->parent;
		}
		if (next == NULL)
			return;
		stream = next;
	}
}

/* --- Frames that came -------------------------------------------------- */

static int
charge(struct sj_stream *lender, uint64_t amount)
{
	struct sj__receive *receive = &lender->receive;

	/* [SJ-ST-3] */
	if (receive->highest + receive->charged + amount > receive->granted)
		return SJ_ERR_PROTOCOL;
	receive->charged += amount;
	return 0;
}

/* The parent of a stream that the peer opens; one not known yet gets a
 * placeholder, one that is gone is replaced by the root. */
static int
find_parent(struct sj_session *session, uint64_t id, struct sj_stream **parent)
{
	struct span none = { NULL, 0 };

	switch (sj__tree_classify(&session->tree, id, parent)) {
	case ID_KNOWN:
		return 0;
	case ID_CLOSED:
		*parent = session->tree.root;
		return 0;
	case ID_NEW:
		SJ_TRY(sj__tree_note_peer_id(&session->tree, id));
		SJ_TRY(sj__tree_add(&session->tree, id, session->tree.root,
		    none, parent));
		(*parent)->is_placeholder = true;
		return 0;
	case ID_INVALID:
	default:
		return SJ_ERR_PROTOCOL;
	}
}

static void
announce(struct sj_session *session, struct sj_stream *stream)
{
	struct sj_stream *child;

	sj__stream_event(stream, STREAM_EV_OPENED);
	if (sj__receive_readable(&stream->receive) > 0 ||
	    stream->receive.has_final)
		sj__stream_event(stream, STREAM_EV_READABLE);
	if (session->state == SESSION_LIVE)
		grant_first(stream);
	for (struct list *at = stream->children.next; at != &stream->children;
	    at = at->next) {
		child = container_of(at, struct sj_stream, siblings);
		if (!child->is_local && !child->is_placeholder &&
		    (child->events & STREAM_EV_OPENED) == 0 && !child->app_holds)
			sj__stream_event(child, STREAM_EV_OPENED |
			    STREAM_EV_READABLE);
	}
}

/* Fills in what an opening says; the stream is new, or a placeholder. */
static int
apply_opening(struct sj_session *session, struct sj_stream *stream,
    struct sj_stream *parent, const struct stream_opening *opening)
{
	struct sj_stream *lender = opening->lender_is_root ?
	    session->tree.root : parent;
	bool lender_is_gone = !opening->lender_is_root &&
	    parent->id != opening->parent;

	if (lender->is_placeholder)
		return SJ_ERR_PROTOCOL;
	/* [SJ-ST-4] */
	if (opening->borrow > BORROW_MAX)
		return SJ_ERR_PROTOCOL;
	if (!lender_is_gone)
		SJ_TRY(charge(lender, opening->borrow + STREAM_COST));
	stream->parent_refunded = lender_is_gone;
	stream->lender_is_root = opening->lender_is_root;
	stream->borrow = opening->borrow;
	stream->receive.granted = opening->borrow;
	stream->send.credit = opening->credit;
	stream->urgency = opening->urgency;
	stream->weight = opening->weight;
	stream->opening_sent = stream->opening_acked = true;
	return 0;
}

static int
open_by_peer(struct sj_session *session, const struct frame *frame,
    struct sj_stream *placeholder, struct sj_stream **stream)
{
	const struct stream_opening *opening = &frame->u.stream.opening;
	struct sj_stream *parent;

	if (memchr(opening->service.data, 0, opening->service.length) != NULL)
		return SJ_ERR_PROTOCOL;
	SJ_TRY(find_parent(session, opening->parent, &parent));
	if (placeholder != NULL) {
		*stream = placeholder;
		SJ_TRY(sj__tree_adopt(&session->tree, placeholder, parent,
		    opening->service));
	} else {
		SJ_TRY(sj__tree_note_peer_id(&session->tree,
		    frame->u.stream.stream));
		SJ_TRY(sj__tree_add(&session->tree, frame->u.stream.stream,
		    parent, opening->service, stream));
	}
	SJ_TRY(apply_opening(session, *stream, parent, opening));
	return 1;
}

static int
on_stream(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *stream;
	enum id_kind kind = sj__tree_classify(&session->tree,
	    frame->u.stream.stream, &stream);
	int opened = 0, readable;

	if (kind == ID_INVALID)
		return SJ_ERR_PROTOCOL;
	if (kind == ID_CLOSED)
		return 0;
	if (kind == ID_NEW || stream->is_placeholder) {
		if (!frame->u.stream.is_opening)
			return SJ_ERR_PROTOCOL; /* [SJ-ST-2] */
		SJ_TRY(opened = open_by_peer(session, frame,
		    kind == ID_KNOWN ? stream : NULL, &stream));
	}
	session->bytes_in += frame->u.stream.data.length;
	SJ_TRY(readable = sj__receive_data(&stream->receive, session->memory,
	    frame->u.stream.offset, frame->u.stream.data, frame->u.stream.fin));
	if (stream->parent == NULL)
		return readable > 0 ? sj__control_receive(session, session->now) : 0;
	if (opened > 0)
		announce(session, stream);
	if (readable > 0)
		sj__stream_event(stream, STREAM_EV_READABLE);
	if (stream->receive.has_final)
		sj__stream_settle(stream);
	return 0;
}

/* The peer knows the stream: no need to open it again, and what had to wait
 * for that may go. */
static void
on_opening_known(struct sj_stream *stream)
{
	uint8_t deferred = stream->deferred;

	if (stream->opening_acked)
		return;
	stream->opening_acked = true;
	stream->deferred = 0;
	if (deferred != 0)
		want(stream, deferred);
}

static int
on_credit(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *stream;

	switch (sj__tree_classify(&session->tree, frame->u.credit.stream,
	    &stream)) {
	case ID_KNOWN:
		break;
	case ID_CLOSED:
		return 0;
	case ID_NEW:
	case ID_INVALID:
	default:
		return SJ_ERR_PROTOCOL;
	}
	on_opening_known(stream);
	stream->send.credit = max_u64(stream->send.credit,
	    frame->u.credit.maximum);
	sj__tree_update(&session->tree, stream);
	sj__tree_unblock(&session->tree);
	return 0;
}

/* A reset of a stream whose opening never came: what it borrowed comes back. */
static int
reset_unseen(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *lender;

	SJ_TRY(sj__tree_note_peer_id(&session->tree, frame->u.reset.stream));
	if (frame->u.reset.borrow > BORROW_MAX)
		return SJ_ERR_PROTOCOL;
	if (frame->u.reset.lender_is_root)
		lender = session->tree.root;
	else if (sj__tree_classify(&session->tree, frame->u.reset.parent,
	    &lender) != ID_KNOWN)
		return 0;
	SJ_TRY(charge(lender, frame->u.reset.borrow + STREAM_COST));
	lender->receive.refunded += frame->u.reset.borrow + STREAM_COST;
	sj__streams_on_consumed(session, lender, session->now);
	return 0;
}

static int
on_reset(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *stream;
	uint64_t code = frame->u.reset.code;
	int error = code == SJ_RESET_SERVICE ? SJ_ERR_SERVICE : SJ_ERR_RESET;

	switch (sj__tree_classify(&session->tree, frame->u.reset.stream,
	    &stream)) {
	case ID_KNOWN:
		break;
	case ID_NEW:
		return reset_unseen(session, frame);
	case ID_CLOSED:
		return 0;
	case ID_INVALID:
	default:
		return SJ_ERR_PROTOCOL;
	}
	if (stream->parent == NULL)
		return SJ_ERR_PROTOCOL; /* [SJ-ST-11] */
	if (stream->is_placeholder) {
		sj__tree_remove(&session->tree, stream);
		return reset_unseen(session, frame);
	}
	SJ_TRY(sj__receive_reset(&stream->receive, session->memory, code,
	    frame->u.reset.final_size));
	if (stream->receive.reset && stream->error == 0 &&
	    !stream->receive.stop_wanted) {
		sj__stream_reset_tree(stream, code, error);
		sj__stream_event(stream, STREAM_EV_RESET);
	}
	sj__stream_settle(stream);
	return 0;
}

static int
on_stop(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *stream;
	enum id_kind kind = sj__tree_classify(&session->tree,
	    frame->u.stop.stream, &stream);

	if (kind == ID_INVALID || (kind == ID_KNOWN && stream->parent == NULL))
		return SJ_ERR_PROTOCOL;
	if (kind != ID_KNOWN || stream->is_placeholder)
		return 0;
	if (sj__send_is_done(&stream->send) || stream->send.reset)
		return 0;
	/* [SJ-ST-12] Answered by a reset of that half. */
	stream->send.end = stream->send.next;
	sj__send_drop(&stream->send, session->memory);
	stream->send.reset = true;
	stream->send.reset_code = frame->u.stop.code;
	stream->reset_code = frame->u.stop.code;
	want(stream, WANT_RESET);
	sj__tree_update(&session->tree, stream);
	if (!stream->send.fin_sent)
		sj__stream_event(stream, STREAM_EV_RESET);
	return 0;
}

static int
on_priority(struct sj_session *session, const struct frame *frame)
{
	struct sj_stream *stream;

	if (sj__tree_classify(&session->tree, frame->u.priority.stream,
	    &stream) != ID_KNOWN || stream->parent == NULL ||
	    frame->u.priority.version <= stream->priority_version)
		return 0;
	stream->priority_version = frame->u.priority.version;
	sj__stream_set_priority(stream, frame->u.priority.urgency,
	    frame->u.priority.weight);
	return 0;
}

int
sj__streams_on_frame(struct sj_session *session, struct sj_time now,
    const struct frame *frame)
{
	session->now = now;
	session->last_activity_ns = now.boot_ns;
	if (session->state == SESSION_OVER)
		return 0;
	if (frame_is_stream(frame->type))
		return on_stream(session, frame);
	switch (frame->type) {
	case FRAME_CREDIT:
		return on_credit(session, frame);
	case FRAME_RESET:
		return on_reset(session, frame);
	case FRAME_STOP:
		return on_stop(session, frame);
	case FRAME_PRIORITY:
		return on_priority(session, frame);
	case FRAME_FLOOR:               /* only best-effort streams need it */
		return 0;
	default:
		return SJ_ERR_PROTOCOL;
	}
}

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
	frame.u.reset.parent = stream->is_local ? stream->parent->id : 0;
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
		for (uint8_t want = WANT_CREDIT; want <= WANT_PRIORITY; want <<= 1)
			if ((stream->wants & want) != 0 &&
			    !fill_want(session, stream, want, writer))
				return false;
		list_remove(&stream->wanting);
		sj__stream_settle(stream);
	}
	return true;
}

/* What a stream has left for the opening of a child. */
static uint64_t
lendable(const struct sj_stream *lender)
{
	uint64_t left = sj__send_credit_left(&lender->send);

	/* Control records must never wait behind what streams took. */
	if (lender->parent == NULL)
		left -= min_u64(left, CONTROL_RESERVE + lender->send.end -
		    lender->send.next);
	return left;
}

/* Pays for the opening of a stream; false: nobody can now. The parent lends
 * where it may and can, else the root. [SJ-ST-4] */
static bool
borrow(struct sj_session *session, struct sj_stream *stream)
{
	struct sj_stream *lender = stream->parent, *child;
	uint64_t left = lender->opening_acked && !lender->send.finished ?
	    lendable(lender) : 0;

	stream->lender_is_root = left < STREAM_COST;
	if (stream->lender_is_root) {
		lender = session->tree.root;
		left = lendable(lender);
	}
	if (left < STREAM_COST)
		return false;
	stream->borrow = min_u64(min_u64(stream->send.end, BORROW_MAX),
	    left - STREAM_COST);
	lender->send.charged += STREAM_COST + stream->borrow;
	stream->send.credit = max_u64(stream->send.credit, stream->borrow);
	stream->opening_sent = true;
	stream->opening_credit = stream->receive.granted;
	sj__tree_update(&session->tree, lender);
	for (struct list *at = stream->children.next; at != &stream->children;
	    at = at->next) {
		child = container_of(at, struct sj_stream, siblings);
		sj__tree_update(&session->tree, child);
	}
	return true;
}

static void
describe_opening(const struct sj_stream *stream, struct stream_opening *opening)
{
	opening->parent = stream->parent->id;
	opening->borrow = stream->borrow;
	opening->credit = stream->opening_credit;
	opening->deadline_ms = 0;
	opening->urgency = stream->urgency;
	opening->weight = stream->weight;
	opening->best_effort = false;
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
		    !stream->opening_sent && !borrow(session, stream)) {
			sj__tree_block(&session->tree, stream);
			continue;
		}
		if (!fill_data(session, stream, writer))
			return;
	}
}

/* --- What became of it ------------------------------------------------- */

/* Twice what is under way, and some: enough to keep the path busy, not so much
 * that bytes grow cold before they are sent. */
static uint64_t
send_buffer_max(const struct sj_session *session)
{
	uint64_t in_flight = session->channel == NULL ? 0 :
	    session->channel->current.path->in_flight;

	return min_u64(2 * in_flight + SEND_BUFFER_MIN, SEND_BUFFER_MAX);
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
		on_opening_known(stream);
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

/* What was held back while the login was unproven is shown now. */
void
sj__streams_release(struct sj_session *session, struct sj_time now)
{
	struct sj_stream *root = session->tree.root, *stream;

	session->now = now;
	root->receive.window = CREDIT_ROOT;
	root->receive.granted = released(root) + CREDIT_ROOT;
	want(root, WANT_CREDIT);
	for (size_t i = 0; i < session->tree.bucket_count; i++)
		for (stream = session->tree.buckets[i]; stream != NULL;
		    stream = stream->hash_next)
			if (stream != root && !stream->is_placeholder) {
				if (!stream->is_local)
					announce(session, stream);
				else
					grant_first(stream);
			}
}
