/* SPDX-License-Identifier: ISC */
/*
 * session_credit.c - what the streams of a session may send, as both ends count it
 *
 * A stream's bytes and the charges of children that borrowed from it share one
 * limit: bytes + charged <= granted. A child costs its lender STREAM_COST and
 * what it starts with (borrow). The receiver gives the borrow back with the
 * child's first own grant and the cost when the application has let go of it;
 * so memory is bounded by what was granted, and opening needs no round trip.
 *
 * Nothing is granted to new streams before the login succeeded: until then
 * all streams live on what stream 0 has.
 */
#include "core/session_internal.h"

/* --- Grants ------------------------------------------------------------ */

uint64_t
sj__credit_released(const struct sj_stream *stream)
{
	return stream->receive.ring.base + stream->receive.refunded;
}

/* Takes a window of up to wanted bytes out of the budget, but no larger part of
 * what is left than one in share; 0 if it is empty. */
static uint64_t
budget_take(struct sj_session *session, uint64_t wanted, uint64_t share)
{
	uint64_t limit = sj__endpoint_session_budget(session->endpoint);
	uint64_t left = session->budget_used < limit ?
	    limit - session->budget_used : 0;
	uint64_t taken = min_u64(wanted, max_u64(left / share,
	    min_u64(left, WINDOW_SMALLEST)));

	session->budget_used += taken;
	return taken;
}

void
sj__credit_return(struct sj_stream *stream)
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
void
sj__credit_refund(struct sj_stream *stream, uint64_t amount)
{
	struct sj_stream *lender = stream->lender_is_root ?
	    stream->session->tree.root : stream->parent;

	if (amount == 0 || (!stream->lender_is_root && stream->parent_refunded))
		return;
	lender->receive.refunded += amount;
	sj__streams_on_consumed(stream->session, lender, stream->session->now);
}

/* The first grant of the stream's own. */
void
sj__credit_grant_first(struct sj_stream *stream)
{
	struct sj_session *session = stream->session;
	struct sj__receive *receive = &stream->receive;
	uint64_t window;

	if (receive->has_final || receive->stop_wanted || stream->has_grant)
		return;
	window = budget_take(session, WINDOW_FIRST, SHARE_FIRST);
	if (window == 0) {
		if (!stream->starved)
			session->starved++;
		stream->starved = true;
		return;
	}
	stream->has_grant = true;
	receive->window = window;
	receive->grant_time_ns = session->now.boot_ns;
	receive->granted = max_u64(receive->granted, sj__credit_released(stream) + window);
	sj__stream_want(stream, WANT_CREDIT);
	if (!stream->is_local)
		sj__credit_refund(stream, stream->borrow);
}

int
sj__streams_grant_root(struct sj_session *session, uint64_t window)
{
	struct sj_stream *root = session->tree.root;

	root->has_grant = true;
	root->receive.window = window;
	root->receive.granted = max_u64(root->receive.granted,
	    sj__credit_released(root) + window);
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
		receive->window += budget_take(session, receive->window,
		    SHARE_MORE);
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
		sj__credit_grant_first(stream);
		return;
	}
	if (receive->granted >= sj__credit_released(stream) + receive->window / 2)
		return;
	if (session->channel != NULL)
		tune_window(session, stream);
	receive->granted = sj__credit_released(stream) + receive->window;
	sj__stream_want(stream, WANT_CREDIT);
}

/* --- Lending ---------------------------------------------------------- */

int
sj__credit_charge(struct sj_stream *lender, uint64_t amount)
{
	struct sj__receive *receive = &lender->receive;

	/* [SJ-ST-3] */
	if (receive->highest + receive->charged + amount > receive->granted)
		return SJ_ERR_PROTOCOL;
	receive->charged += amount;
	return 0;
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
bool
sj__credit_borrow(struct sj_session *session, struct sj_stream *stream)
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
	left -= STREAM_COST;
	/* One that has much to say leaves something for those after it. */
	stream->borrow = min_u64(min_u64(stream->send.end, BORROW_MAX),
	    max_u64(left / 2, min_u64(left, BORROW_ALWAYS)));
	lender->send.charged += STREAM_COST + stream->borrow;
	stream->send.credit = max_u64(stream->send.credit, stream->borrow);
	stream->opening_sent = true;
	stream->opening_credit = stream->receive.granted;
	stream->opening_parent = stream->parent->id;
	sj__tree_update(&session->tree, lender);
	for (struct list *at = stream->children.next; at != &stream->children;
	    at = at->next) {
		child = container_of(at, struct sj_stream, siblings);
		sj__tree_update(&session->tree, child);
	}
	return true;
}
