/* SPDX-License-Identifier: ISC */
/* session_streams.c - the life of streams, and their frames that came */
#include "core/session_internal.h"

void
sj__session_wake(struct sj_session *session)
{
	if (session->channel != NULL)
		sj__channel_wake(session->channel);
}

void
sj__stream_want(struct sj_stream *stream, uint8_t wants)
{
	sj__tree_want(&stream->session->tree, stream, wants);
	sj__session_wake(stream->session);
}

/* --- Life of a stream -------------------------------------------------- */

/* The application knows of it, or will before it hears of anything that is
 * queued from now on. */
static bool
is_shown(const struct sj_stream *stream)
{
	return stream->parent == NULL || stream->is_local ||
	    stream->app_holds || stream->app_closed ||
	    (stream->events & STREAM_EV_OPENED) != 0;
}

void
sj__stream_event(struct sj_stream *stream, uint8_t events)
{
	struct sj_session *session = stream->session;
	bool hidden = stream->parent == NULL || stream->is_placeholder ||
	    (stream->app_closed && !stream->app_holds) ||
	    (!is_shown(stream) && (events & STREAM_EV_OPENED) == 0);

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
		sj__credit_return(stream);
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
			sj__credit_refund(stream, stream->borrow);
		sj__credit_refund(stream, STREAM_COST);
	}
	sj__tree_remove(&session->tree, stream);
}

/* The next stream of a walk through the tree below top, from the top down;
 * NULL: there is none. */
static struct sj_stream *
walk(const struct sj_stream *top, struct sj_stream *stream, bool goes_down)
{
	struct sj_stream *next = goes_down ? list_first(&stream->children,
	    struct sj_stream, siblings) : NULL;

	while (next == NULL && stream != top) {
		if (stream->siblings.next != &stream->parent->children)
			next = container_of(stream->siblings.next,
			    struct sj_stream, siblings);
		else
			stream = stream->parent;
	}
	return next;
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
		/* [SJ-ST-17] */
		stream->send.reset = true;
		stream->send.reset_code = code;
		if (stream->is_local && !stream->opening_sent) {
			stream->send.reset_acked = true;
			stream->receive.reset = true;
			list_remove(&stream->ready);
		} else {
			sj__stream_want(stream, WANT_RESET);
		}
	}
	if (!sj__receive_is_done(&stream->receive)) {
		stream->receive.stop_wanted = true;
		stream->receive.stop_code = code;
		sj__stream_want(stream, WANT_STOP);
		sj__receive_drop(&stream->receive, session->memory);
	}
	sj__tree_update(&session->tree, stream);
}

/* [SJ-ST-10] A reset takes the whole subtree along. Walked without recursion:
 * a tree may be deep. */
void
sj__stream_reset_tree(struct sj_stream *top, uint64_t code, int error)
{
	struct sj_stream *stream = top;

	while (stream != NULL) {
		reset_one(stream, stream == top ? code : SJ_RESET_PARENT,
		    stream == top ? error : SJ_ERR_RESET);
		if (stream != top)
			sj__stream_event(stream, STREAM_EV_RESET);
		stream = walk(top, stream, true);
	}
}

/* --- Frames that came -------------------------------------------------- */

/* The parent of a stream that the peer opens; one not known yet gets a
 * placeholder, one that is gone is replaced by the root. */
static int
find_parent(struct sj_session *session, uint64_t id, struct sj_stream **parent)
{
	switch (sj__tree_classify(&session->tree, id, parent)) {
	case ID_KNOWN:
		return 0;
	case ID_CLOSED:
		*parent = session->tree.root;
		return 0;
	case ID_NEW:
		return sj__tree_hold_place(&session->tree, id, parent);
	case ID_INVALID:
	default:
		return SJ_ERR_PROTOCOL;
	}
}

/* Shows a stream of the peer's, and what came sooner and is below it: nobody
 * hears of a child before its parent. */
static void
announce(struct sj_stream *top)
{
	struct sj_stream *stream = top;

	if (top->parent != NULL && !is_shown(top->parent))
		return;
	while (stream != NULL) {
		if (!is_shown(stream))
			sj__stream_event(stream, STREAM_EV_OPENED |
			    (sj__receive_readable(&stream->receive) > 0 ||
			    stream->receive.has_final || stream->error != 0 ?
			    STREAM_EV_READABLE : 0));
		stream = walk(top, stream, is_shown(stream));
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
		SJ_TRY(sj__credit_charge(lender, opening->borrow + STREAM_COST));
	stream->parent_refunded = lender_is_gone;
	stream->lender_is_root = opening->lender_is_root;
	stream->borrow = opening->borrow;
	stream->receive.granted = opening->borrow;
	stream->send.credit = opening->credit;
	/* [SJ-ST-18] */
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

	/* [SJ-ST-14] [SJ-FR-11] */
	if (opening->parent == frame->u.stream.stream ||
	    memchr(opening->service.data, 0, opening->service.length) != NULL)
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
		announce(stream);
	if (opened > 0 && session->state == SESSION_LIVE)
		sj__credit_grant_first(stream);
	if (readable > 0)
		sj__stream_event(stream, STREAM_EV_READABLE);
	if (stream->receive.has_final)
		sj__stream_settle(stream);
	return 0;
}

/* The peer knows the stream: no need to open it again, and what had to wait
 * for that may go. */
void
sj__stream_on_opening_known(struct sj_stream *stream)
{
	uint8_t deferred = stream->deferred;

	if (stream->opening_acked)
		return;
	stream->opening_acked = true;
	stream->deferred = 0;
	/* It may lend now: children may wait for that. */
	sj__tree_unblock(&stream->session->tree);
	if (deferred != 0)
		sj__stream_want(stream, deferred);
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
	case ID_NEW:            /* [SJ-ST-15] */
	case ID_INVALID:
	default:
		return SJ_ERR_PROTOCOL;
	}
	sj__stream_on_opening_known(stream);
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
	SJ_TRY(sj__credit_charge(lender, frame->u.reset.borrow + STREAM_COST));
	lender->receive.refunded += frame->u.reset.borrow + STREAM_COST;
	sj__streams_on_consumed(session, lender, session->now);
	return 0;
}

/* A parent that was reset before it was opened: its children, which waited for
 * it, come last among those of the root. */
static void
forget_place(struct sj_session *session, struct sj_stream *placeholder)
{
	struct list *at = placeholder->children.next;
	size_t count = 0;

	for (; at != &placeholder->children; at = at->next)
		count++;
	sj__tree_remove(&session->tree, placeholder);
	for (at = session->tree.root->children.previous; count > 0; count--) {
		announce(container_of(at, struct sj_stream, siblings));
		at = at->previous;
	}
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
		forget_place(session, stream);
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
	/* [SJ-ST-12] [SJ-ST-20] Answered by a reset of that half. */
	stream->send.end = stream->send.next;
	sj__send_drop(&stream->send, session->memory);
	stream->send.reset = true;
	stream->send.reset_code = frame->u.stop.code;
	stream->reset_code = frame->u.stop.code;
	sj__stream_want(stream, WANT_RESET);
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

/* What was held back while the login was unproven is shown now. */
void
sj__streams_release(struct sj_session *session, struct sj_time now)
{
	struct sj_stream *root = session->tree.root, *stream;

	session->now = now;
	root->receive.window = CREDIT_ROOT;
	root->receive.granted = sj__credit_released(root) + CREDIT_ROOT;
	sj__stream_want(root, WANT_CREDIT);
	for (size_t i = 0; i < session->tree.bucket_count; i++)
		for (stream = session->tree.buckets[i]; stream != NULL;
		    stream = stream->hash_next)
			if (stream != root && !stream->is_placeholder)
				sj__credit_grant_first(stream);
	announce(root);
}
