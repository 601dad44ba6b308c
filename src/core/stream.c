/* SPDX-License-Identifier: ISC */
/* stream.c - one stream: its sending and its receiving half */
#include "core/stream.h"

/* Holes a receiver keeps track of, and pieces a sender has to send again; a
 * peer that makes more is cut off [SJ-ST-9]. */
#define RECEIVE_HOLES_MAX 4096
#define SEND_PIECES_MAX 65536

/* --- Sending ----------------------------------------------------------- */

static uint64_t
send_room(const struct sj__send *send, uint64_t buffered_max)
{
	uint64_t held = send->end - send->ring.base;

	return held < buffered_max ? buffered_max - held : 0;
}

uint64_t
sj__send_credit_left(const struct sj__send *send)
{
	uint64_t used = send->next + send->charged;

	return used < send->credit ? send->credit - used : 0;
}

static int
send_writable(const struct sj__send *send)
{
	if (send->reset || send->stopped)
		return SJ_ERR_RESET;
	return send->finished ? SJ_ERR_STATE : 0;
}

ptrdiff_t
sj__send_write(struct sj__send *send, struct sj__memory *memory,
    const uint8_t *bytes, size_t length, uint64_t buffered_max)
{
	uint64_t room = send_room(send, buffered_max);

	SJ_TRY(send_writable(send));
	if (length == 0)
		return 0;
	length = (size_t)min_u64(length, room);
	if (length == 0)
		return SJ_AGAIN;
	SJ_TRY(sj__ring_ensure(&send->ring, memory, send->end + length));
	sj__ring_put(&send->ring, send->end, bytes, length);
	send->end += length;
	return (ptrdiff_t)length;
}

ptrdiff_t
sj__send_reserve(struct sj__send *send, struct sj__memory *memory,
    uint8_t **room, uint64_t buffered_max)
{
	uint64_t free_bytes = send_room(send, buffered_max);
	size_t run;

	SJ_TRY(send_writable(send));
	if (free_bytes == 0)
		return SJ_AGAIN;
	SJ_TRY(sj__ring_ensure(&send->ring, memory,
	    send->end + min_u64(free_bytes, 65536)));
	*room = sj__ring_at(&send->ring, send->end, &run);
	return (ptrdiff_t)min_u64(run, free_bytes);
}

int
sj__send_commit(struct sj__send *send, size_t length)
{
	size_t run;

	SJ_TRY(send_writable(send));
	if (send->ring.capacity == 0)
		return length == 0 ? 0 : SJ_ERR_ARGUMENT;
	sj__ring_at(&send->ring, send->end, &run);
	if (length > run)
		return SJ_ERR_ARGUMENT;
	send->end += length;
	return 0;
}

static bool
fin_is_due(const struct sj__send *send)
{
	return send->finished && (!send->fin_sent || send->fin_lost);
}

bool
sj__send_is_ready(const struct sj__send *send)
{
	if (send->reset || send->stopped)
		return false;
	if (send->lost.count > 0)
		return true;
	if (send->next < send->end)
		return sj__send_credit_left(send) > 0;
	return fin_is_due(send);
}

bool
sj__send_next(const struct sj__send *send, size_t length_max,
    struct sj__piece *piece)
{
	uint64_t to;

	if (!sj__send_is_ready(send))
		return false;
	piece->is_new = send->lost.count == 0;
	if (piece->is_new) {
		piece->offset = send->next;
		to = min_u64(send->end,
		    send->next + sj__send_credit_left(send));
	} else {
		piece->offset = send->lost.ranges[0].from;
		to = send->lost.ranges[0].to;
	}
	piece->length = (size_t)min_u64(to - piece->offset, length_max);
	piece->fin = send->finished && fin_is_due(send) &&
	    piece->offset + piece->length == send->end;
	return piece->length > 0 || piece->fin;
}

void
sj__send_sent(struct sj__send *send, const struct sj__piece *piece)
{
	uint64_t to = piece->offset + piece->length;

	if (piece->is_new) {
		assert(piece->offset == send->next && to <= send->end);
		send->next = to;
	} else {
		sj__range_remove_below(&send->lost, to);
	}
	if (piece->fin) {
		send->fin_sent = true;
		send->fin_lost = false;
	}
}

int
sj__send_delivered(struct sj__send *send, struct sj__memory *memory,
    uint64_t offset, size_t length, bool fin)
{
	uint64_t to = offset + length;

	if (fin)
		send->fin_acked = true;
	if (send->reset || to <= send->ring.base)
		return 0;
	if (send->lost.count > 0 && length > 0)
		SJ_TRY(sj__range_remove(&send->lost, memory, offset, to,
		    SEND_PIECES_MAX));
	if (offset > send->ring.base) {
		SJ_TRY(sj__range_add(&send->acked, memory, offset, to,
		    SEND_PIECES_MAX));
		return 0;
	}
	if (send->acked.count > 0) {
		SJ_TRY(sj__range_add(&send->acked, memory, send->ring.base, to,
		    SEND_PIECES_MAX));
		to = send->acked.ranges[0].to;
		sj__range_remove_below(&send->acked, to);
	}
	sj__ring_advance(&send->ring, to);
	if (send->ring.base == send->end)
		sj__ring_free(&send->ring, memory);
	return 0;
}

/* What was acknowledged meanwhile need not go out again. */
static int
lose_unacked(struct sj__send *send, struct sj__memory *memory, uint64_t from,
    uint64_t to)
{
	for (size_t i = 0; i < send->acked.count && from < to; i++) {
		const struct sj__range *acked = &send->acked.ranges[i];

		if (acked->to <= from)
			continue;
		if (acked->from >= to)
			break;
		if (from < acked->from)
			SJ_TRY(sj__range_add(&send->lost, memory, from,
			    acked->from, SEND_PIECES_MAX));
		from = acked->to;
	}
	if (from < to)
		SJ_TRY(sj__range_add(&send->lost, memory, from, to,
		    SEND_PIECES_MAX));
	return 0;
}

int
sj__send_lost(struct sj__send *send, struct sj__memory *memory,
    uint64_t offset, size_t length, bool fin)
{
	uint64_t from = max_u64(offset, send->ring.base);

	if (fin && !send->fin_acked)
		send->fin_lost = true;
	if (send->reset || send->stopped)
		return 0;
	return lose_unacked(send, memory, from, offset + length);
}

bool
sj__send_is_done(const struct sj__send *send)
{
	if (send->reset)
		return send->reset_acked;
	return send->fin_acked && send->ring.base == send->end;
}

void
sj__send_drop(struct sj__send *send, struct sj__memory *memory)
{
	sj__ring_free(&send->ring, memory);
	sj__range_set_fini(&send->acked, memory);
	sj__range_set_fini(&send->lost, memory);
	send->ring.base = send->next = send->end;
}

/* --- Receiving --------------------------------------------------------- */

/* [SJ-ST-5] An end never moves and nothing comes after it. */
static int
check_end(const struct sj__receive *receive, uint64_t to, bool is_end)
{
	if (receive->has_final && (to > receive->final_size ||
	    (is_end && to != receive->final_size)))
		return SJ_ERR_PROTOCOL;
	if (is_end && to < receive->highest)
		return SJ_ERR_PROTOCOL;
	return 0;
}

/* Stores a piece that starts at or above the in-order edge. */
static int
place(struct sj__receive *receive, struct sj__memory *memory, uint64_t offset,
    struct span data)
{
	uint64_t to = offset + data.length;

	SJ_TRY(sj__ring_ensure(&receive->ring, memory, to));
	if (offset > receive->in_order || receive->ranges.count > 0)
		SJ_TRY(sj__range_add(&receive->ranges, memory, offset, to,
		    RECEIVE_HOLES_MAX));
	sj__ring_put(&receive->ring, offset, data.data, data.length);
	if (offset > receive->in_order)
		return 0;
	receive->in_order = to;
	if (receive->ranges.count > 0) {
		receive->in_order = receive->ranges.ranges[0].to;
		sj__range_remove_below(&receive->ranges, receive->in_order);
	}
	return 0;
}

int
sj__receive_data(struct sj__receive *receive, struct sj__memory *memory,
    uint64_t offset, struct span data, bool fin)
{
	uint64_t to = offset + data.length, before = receive->in_order;
	bool ended = receive->has_final;

	if (to + receive->charged > receive->granted)
		return SJ_ERR_PROTOCOL; /* [SJ-ST-3] */
	SJ_TRY(check_end(receive, to, fin));
	if (receive->reset)
		return 0;
	if (to > receive->in_order && data.length > 0 && !receive->stop_wanted) {
		if (offset < receive->in_order) {
			data.data += receive->in_order - offset;
			data.length -= (size_t)(receive->in_order - offset);
			offset = receive->in_order;
		}
		SJ_TRY(place(receive, memory, offset, data));
	}
	receive->highest = max_u64(receive->highest, to);
	if (fin) {
		receive->has_final = true;
		receive->final_size = to;
	}
	return receive->in_order > before || (receive->has_final && !ended &&
	    receive->in_order == receive->final_size);
}

int
sj__receive_reset(struct sj__receive *receive, struct sj__memory *memory,
    uint64_t code, uint64_t final_size)
{
	if (final_size + receive->charged > receive->granted)
		return SJ_ERR_PROTOCOL;
	SJ_TRY(check_end(receive, final_size, true));
	if (receive->reset || (receive->has_final &&
	    receive->in_order == receive->final_size))
		return 0;               /* all of it is here already */
	receive->reset = true;
	receive->reset_code = code;
	receive->has_final = true;
	receive->final_size = receive->highest = final_size;
	sj__receive_drop(receive, memory);
	return 1;
}

uint64_t
sj__receive_readable(const struct sj__receive *receive)
{
	return receive->reset || receive->stop_wanted ? 0 :
	    receive->in_order - receive->ring.base;
}

size_t
sj__receive_peek(const struct sj__receive *receive, const uint8_t **bytes,
    bool *at_end)
{
	uint64_t readable = sj__receive_readable(receive);
	size_t run = 0;

	*at_end = receive->has_final && !receive->reset &&
	    !receive->stop_wanted &&
	    receive->ring.base == receive->final_size;
	*bytes = NULL;
	if (readable == 0)
		return 0;
	*bytes = sj__ring_at(&receive->ring, receive->ring.base, &run);
	return (size_t)min_u64(run, readable);
}

void
sj__receive_consume(struct sj__receive *receive, size_t length)
{
	assert(length <= receive->in_order - receive->ring.base);
	sj__ring_advance(&receive->ring, receive->ring.base + length);
	if (receive->ring.base == receive->highest)
		sj__ring_rewind(&receive->ring);
}

bool
sj__receive_is_done(const struct sj__receive *receive)
{
	if (receive->reset)
		return true;
	return receive->has_final && (receive->stop_wanted ||
	    receive->ring.base == receive->final_size);
}

void
sj__receive_drop(struct sj__receive *receive, struct sj__memory *memory)
{
	sj__ring_free(&receive->ring, memory);
	sj__range_set_fini(&receive->ranges, memory);
	receive->ring.base = receive->in_order = receive->highest;
}
