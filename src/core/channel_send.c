/* SPDX-License-Identifier: ISC */
/*
 * channel_send.c - packets out
 *
 * A burst is built in place in the caller's buffer: packets of one size, the
 * last maybe shorter, each sealed where it lies, all headers masked at the
 * end. What may go is decided before each packet: amplification, congestion
 * window, pacing. Acknowledgements, probes and closes do not wait for either
 * of the last two.
 */
#include "core/channel_internal.h"

#define ACK_DELAY_MS 25
#define PATH_FRAME_SIZE 9
#define CLOSE_FRAME_MAX (1 + 2 + 2)     /* without its text */

/* --- Frames of the channel --------------------------------------------- */

static void
record(struct sj__channel *channel, enum channel_record type, uint64_t id,
    uint64_t offset)
{
	struct sj__sent_record sent = { .type = (uint8_t)type, .id = id,
	    .offset = offset };

	sj__recovery_append(&channel->recovery, &sent);
}

static void
put_ack(struct sj__channel *channel, struct sj_time now, struct writer *writer)
{
	struct sj__range ranges[ACK_RANGES_MAX];
	struct sj__ack_to_send ack;
	size_t count = sj__recovery_ack_to_send(&channel->recovery, now.boot_ns,
	    ranges, ACK_RANGES_MAX, &ack);
	struct writer start = *writer;

	if (count == 0)
		return;
	write_varint(writer, ack.has_ecn ? FRAME_ACK_ECN : FRAME_ACK);
	write_varint(writer, ranges[0].to - 1);
	write_varint(writer, ack.delay_ns / 1000);
	write_varint(writer, count - 1);
	write_varint(writer, ranges[0].to - ranges[0].from - 1);
	for (size_t i = 1; i < count; i++) {
		write_varint(writer, ranges[i - 1].from - ranges[i].to - 1);
		write_varint(writer, ranges[i].to - ranges[i].from - 1);
	}
	if (ack.has_ecn) {
		write_varint(writer, ack.ect0);
		write_varint(writer, ack.ect1);
		write_varint(writer, ack.ce);
	}
	if (writer->failed) {
		*writer = start;
		return;
	}
	record(channel, RECORD_ACK, 0, ranges[0].to - 1);
	sj__recovery_ack_sent(&channel->recovery);
	channel->ack_now = false;
}

static void
put_parameters(struct sj__channel *channel, struct writer *writer)
{
	uint8_t list[64];
	struct writer inner = writer_of(list, sizeof list);
	struct writer start = *writer;

	sj__parameter_write(&inner, PARAMETER_ID, channel->first_id, ID_SIZE);
	sj__parameter_write_number(&inner, PARAMETER_CREDIT, CREDIT_ROOT);
	sj__parameter_write_number(&inner, PARAMETER_ACK_DELAY, ACK_DELAY_MS);
	sj__parameter_write_number(&inner, PARAMETER_DATAGRAM_MAX,
	    sj__endpoint_datagram_max(channel->endpoint));
	assert(!inner.failed);
	sj__frame_parameters(writer, (struct span){ list,
	    (size_t)(inner.at - list) });
	if (writer->failed)
		*writer = start;
	else
		record(channel, RECORD_PARAMETERS, 0, 0);
}

static void
put_ids(struct sj__channel *channel, struct writer *writer)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		struct channel_id *id = &channel->own_ids[i];
		struct writer start = *writer;

		if (channel->new_id_wanted & 1u << i) {
			sj__frame_new_id(writer, id->sequence, id->bytes);
			if (!writer->failed) {
				channel->new_id_wanted &= ~(1u << i);
				id->was_sent = true;
				record(channel, RECORD_NEW_ID, id->sequence, 0);
			}
		}
		if (!writer->failed && channel->retire_wanted & 1u << i) {
			uint64_t sequence = channel->retire_sequences[i];

			start = *writer;
			sj__frame_retire_id(writer, sequence);
			if (!writer->failed) {
				channel->retire_wanted &= ~(1u << i);
				record(channel, RECORD_RETIRE_ID, sequence, 0);
			}
		}
		if (writer->failed) {
			*writer = start;
			return;
		}
	}
}

static void
put_path_frames(struct sj__channel *channel, struct channel_path *at,
    struct sj_time now, struct writer *writer)
{
	/* Where little came from, little may go: the challenge fits always, the
	 * response [SJ-PA-3] has a packet of its own if it must. */
	if (at->challenge_wanted) {
		sj__frame_path(writer, FRAME_PATH_CHALLENGE, at->challenge);
		at->challenge_wanted = false;
		at->was_repeated = at->challenge_outstanding;
		at->challenge_outstanding = true;
		at->challenge_sent_ns = now.boot_ns;
		at->challenges_sent++;
		sj__channel_set_deadline(channel, DEADLINE_CHALLENGE,
		    now.boot_ns + (at->challenges_sent + 1u) *
		    sj__recovery_probe_timeout_ns(&channel->recovery,
		    channel->current.path));
	}
	if (at->response_wanted && writer_left(writer) >= PATH_FRAME_SIZE) {
		sj__frame_path(writer, FRAME_PATH_RESPONSE, at->response);
		at->response_wanted = false;
	}
}

/* Something that waits for window and pace. For a peer that seems to be gone it
 * goes with the probes. */
static bool
has_data(const struct sj__channel *channel)
{
	if (sj__recovery_is_cut_off(&channel->recovery))
		return false;
	return channel->ping_wanted || channel->new_id_wanted != 0 ||
	    channel->retire_wanted != 0 || (channel->user != NULL &&
	    channel->user->has_data(channel->user_data));
}

/* --- One packet -------------------------------------------------------- */

enum packet_kind {
	PACKET_DATA,                    /* anything, within window and pace */
	PACKET_PROBE,                   /* must ask for an acknowledgement */
	PACKET_ACK,                     /* acknowledgement only */
	PACKET_MTU,                     /* may such a large one pass? */
	PACKET_CLOSE,
	PACKET_PATH                     /* challenge or response, on either path */
};

/* [SJ-VN-5] A frame that means nothing, now and then: so that a peer which
 * cannot bear it is noticed today. */
static void
put_grease(struct sj__channel *channel, struct writer *writer)
{
	uint8_t random[5];

	if (writer_left(writer) < GREASE_FRAME_MAX)
		return;
	sj__endpoint_random(channel->endpoint, random, sizeof random);
	sj__frame_grease(writer, random[0], (struct span){ random + 1,
	    random[1] % 4 });
	channel->grease_wanted = false;
}

static void
fill_packet(struct sj__channel *channel, struct sj_time now,
    enum packet_kind kind, struct channel_path *at, struct writer *writer)
{
	struct span text;

	switch (kind) {
	case PACKET_CLOSE:
		text.data = (const uint8_t *)channel->close_text;
		text.length = strlen(channel->close_text);
		if (text.length + CLOSE_FRAME_MAX > writer_left(writer))
			text.length = 0;        /* the code says it too */
		sj__frame_close(writer, channel->close_code, text);
		return;
	case PACKET_PATH:
		put_path_frames(channel, at, now, writer);
		return;
	case PACKET_MTU:
		record(channel, RECORD_MTU, channel->recovery.generation,
		    channel->mtu_probe);
		write_varint(writer, FRAME_PING);
		sj__recovery_mark_mtu_probe(&channel->recovery);
		return;
	case PACKET_ACK:
	case PACKET_DATA:
	case PACKET_PROBE:
		break;
	}
	if (sj__recovery_has_ack(&channel->recovery))
		put_ack(channel, now, writer);
	if (kind == PACKET_ACK)
		return;
	if (channel->parameters_wanted) /* [SJ-HS-18] */
		put_parameters(channel, writer);
	put_ids(channel, writer);
	if (channel->grease_wanted)
		put_grease(channel, writer);
	if (channel->user != NULL)
		channel->user->fill(channel->user_data, now, writer);
	/* A packet that is full asks for an acknowledgement by itself. */
	if ((kind == PACKET_PROBE || channel->ping_wanted) &&
	    writer_left(writer) > 0) {
		write_varint(writer, FRAME_PING);
		record(channel, RECORD_PING, 0, 0);
	}
	channel->ping_wanted = false;
}

/* Builds and seals one packet at out; its length, 0 if there was nothing to
 * say, or why it cannot be. */
static ptrdiff_t
build_packet(struct sj__channel *channel, struct sj_time now,
    enum packet_kind kind, struct channel_path *at, uint8_t *out, size_t size)
{
	uint8_t *payload = out + SHORT_HEADER_SIZE;
	struct writer writer = writer_of(payload, size - SHORT_OVERHEAD);
	size_t length, least = PACKET_MIN - SHORT_OVERHEAD;
	bool is_challenge = kind == PACKET_PATH && at->challenge_wanted;
	uint64_t number;
	int error;

	if (kind != PACKET_CLOSE &&
	    sj__protection_is_used_up(&channel->protection))
		return SJ_ERR_LIMIT;    /* [SJ-KEY-5] */
	if (channel->skip_in-- == 0) {  /* [SJ-PK-6] */
		sj__recovery_skip_number(&channel->recovery);
		channel->skip_in = sj__channel_next_skip(channel);
		channel->grease_wanted = true;
	}
	SJ_TRY(sj__recovery_prepare(&channel->recovery, &number));
	fill_packet(channel, now, kind, at, &writer);
	assert(!writer.failed);
	length = (size_t)(writer.at - payload);
	if (length == 0) {
		sj__recovery_cancel(&channel->recovery);
		return 0;
	}
	/* A challenge shows that full datagrams pass, as far as what came lets
	 * it; a response is as large as what asked for it. */
	if (is_challenge || kind == PACKET_MTU)
		least = size - SHORT_OVERHEAD;
	else if (kind == PACKET_PATH)
		least = (size_t)max_u64(least, min_size(size,
		    at->response_size) - SHORT_OVERHEAD);
	if (length < least) {
		memset(payload + length, FRAME_PADDING, least - length);
		length = least;
	}
	memcpy(out + 1, at->peer_id.bytes, ID_SIZE);
	error = sj__packet_seal(&channel->protection, number, out, length);
	length += SHORT_OVERHEAD;
	/* Its number is gone even if it could not be sealed. */
	SJ_TRY(sj__recovery_commit(&channel->recovery, at->path, now.boot_ns,
	    length, kind == PACKET_DATA || kind == PACKET_PROBE ||
	    kind == PACKET_MTU, kind == PACKET_DATA));
	if (error < 0)
		return error;
	channel->bytes_out += length;
	channel->packets_out++;
	return (ptrdiff_t)length;
}

/* --- Bursts ------------------------------------------------------------ */

static void
finish_batch(struct sj_batch *batch, struct channel_path *at, size_t length,
    size_t segment, uint64_t send_at_ns, uint8_t ecn)
{
	batch->length = length;
	batch->segment_size = segment;
	batch->path = at->path->key;
	batch->ecn = ecn;
	batch->send_at_ns = send_at_ns;
	at->bytes_out += length;
}

static int
transmit_one(struct sj__channel *channel, struct sj_time now,
    enum packet_kind kind, struct channel_path *at, struct sj_batch *batch)
{
	size_t size = min_size(min_size(sj__channel_path_room(at),
	    batch->capacity), DATAGRAM_BASE);
	ptrdiff_t length;

	if (size < PACKET_MIN)
		return 0;
	length = build_packet(channel, now, kind, at, batch->bytes, size);
	if (length <= 0)
		return (int)length;
	sj__packet_mask(&channel->protection, batch->bytes, (size_t)length, 1);
	finish_batch(batch, at, (size_t)length, (size_t)length, now.boot_ns,
	    SJ_ECN_NONE);
	return 1;
}

static uint32_t
peer_takes(const struct sj__channel *channel)
{
	return (uint32_t)min_u64(DATAGRAM_MAX,
	    max_u64(channel->peer_datagram_max, DATAGRAM_BASE));
}

static size_t
packet_size(const struct sj__channel *channel)
{
	return min_size(channel->current.path->mtu, peer_takes(channel));
}

/* [SJ-PA-10] The size of a probe that is to go now; 0: none is. It has no
 * parameters in it, so it must not be the first that the server gets. */
static uint32_t
probe_size(const struct sj__channel *channel, struct sj_time now)
{
	if (!channel->current.is_shared || channel->parameters_wanted ||
	    sj__recovery_probes(&channel->recovery) > 0)
		return 0;
	return sj__path_mtu_next(channel->current.path, now.boot_ns,
	    peer_takes(channel));
}

/* Alone, and unmarked: a mark that does not pass is another matter. */
static int
transmit_mtu_probe(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch, uint32_t size)
{
	struct channel_path *at = &channel->current;
	ptrdiff_t length;

	if (size > batch->capacity) {
		sj__path_mtu_refused(at->path, now.boot_ns, size);
		return 0;
	}
	channel->mtu_probe = size;
	sj__path_mtu_probing(at->path, now.boot_ns, size);
	length = build_packet(channel, now, PACKET_MTU, at, batch->bytes, size);
	if (length <= 0)
		return (int)length;
	sj__packet_mask(&channel->protection, batch->bytes, (size_t)length, 1);
	finish_batch(batch, at, (size_t)length, (size_t)length, now.boot_ns,
	    SJ_ECN_NONE);
	return 1;
}

/* A train of data packets as far as window, pace and the buffer go. */
static int
transmit_burst(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch)
{
	struct channel_path *at = &channel->current;
	size_t segment = min_size(packet_size(channel), batch->capacity);
	size_t total = 0, count = 0, allowed;
	/* Not even a probe goes beyond what came from there. [SJ-HS-6] */
	size_t room = min_size(min_size(batch->capacity, 65536),
	    sj__channel_path_room(at));
	enum packet_kind kind;
	bool is_acked = false;
	ptrdiff_t length = 0;

	allowed = (size_t)sj__path_can_send(at->path, now.boot_ns);
	while (count < BURST_MAX && total + segment <= room) {
		kind = PACKET_DATA;
		if (channel->probes_wanted > 0) {
			kind = PACKET_PROBE;
			channel->probes_wanted--;
		} else if (!has_data(channel) || allowed < total + segment) {
			if (total > 0 || !(channel->ack_now ||
			    sj__recovery_ack_is_due(&channel->recovery,
			    now.boot_ns)))
				break;
			kind = PACKET_ACK;
		}
		/* A probe must not be lost for its size. [SJ-PA-11] */
		length = build_packet(channel, now, kind, at,
		    batch->bytes + total, kind == PACKET_PROBE ?
		    min_size(segment, DATAGRAM_BASE) : segment);
		if (length <= 0)
			break;
		if (kind == PACKET_DATA && (size_t)length == segment)
			sj__path_mtu_filled(at->path);
		total += (size_t)length;
		count++;
		is_acked |= kind != PACKET_ACK;
		if ((size_t)length < segment)
			break;
	}
	if (length < 0)
		return (int)length;
	if (total == 0) {
		channel->ack_now = false;
		return 0;
	}
	if (count == 1)
		segment = total;
	sj__packet_mask(&channel->protection, batch->bytes, segment, count);
	/* What nobody acknowledges says nothing about the mark. */
	finish_batch(batch, at, total, segment, now.boot_ns,
	    is_acked ? sj__path_ecn(at->path) : SJ_ECN_NONE);
	return 1;
}

/* --- Long packets ------------------------------------------------------ */

static int
transmit_hello(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch)
{
	size_t length;

	channel->hello_wanted = false;
	channel->current.path->key = channel->candidates[channel->candidate];
	length = sj__handshake_hello(channel->handshake, channel->attempt++,
	    batch->bytes, batch->capacity);
	if (length == 0)
		return 0;
	if (channel->hello_sent_ns == 0)
		channel->hello_sent_ns = now.boot_ns;
	finish_batch(batch, &channel->current, length, HELLO_SIZE, now.boot_ns,
	    SJ_ECN_NONE);
	return 1;
}

/* As much of the answer as came in hellos; the rest waits for the next one.
 * [SJ-HS-6] */
static int
transmit_answer(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch)
{
	size_t room = min_size(sj__channel_path_room(&channel->current),
	    min_size(batch->capacity, DATAGRAM_BASE)), length;

	length = sj__handshake_answer(channel->handshake, channel->attempt++,
	    batch->bytes, room);
	channel->answer_wanted = length > 0 &&
	    sj__handshake_answer_is_begun(channel->handshake);
	if (length == 0)
		return 0;
	finish_batch(batch, &channel->current, length, length, now.boot_ns,
	    SJ_ECN_NONE);
	return 1;
}

static int
transmit_close(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch)
{
	int filled = transmit_one(channel, now, PACKET_CLOSE, &channel->current,
	    batch);

	if (filled > 0 && channel->current.is_validated)
		sj__endpoint_keep_close(channel, (struct span){ batch->bytes,
		    batch->length });   /* [SJ-CL-2] */
	sj__channel_closed_for_good(channel);
	return filled > 0;
}

/* --- The turn of a channel --------------------------------------------- */

bool
sj__channel_wants_to_send(const struct sj__channel *channel, struct sj_time now)
{
	switch (channel->state) {
	case CHANNEL_HELLO:
		return channel->hello_wanted;
	case CHANNEL_ASKED:
		return false;
	case CHANNEL_ANSWERED:
		return channel->answer_wanted;
	case CHANNEL_TRUST:
		return false;
	case CHANNEL_CLOSED:
		return channel->close_wanted;
	case CHANNEL_OPEN:
		break;
	}
	if (!channel->current.peer_id.is_valid)
		return false;
	if (sj__channel_path_wants(&channel->probed) ||
	    sj__channel_path_wants(&channel->current))
		return true;
	if (sj__channel_path_room(&channel->current) < packet_size(channel))
		return false;
	if (channel->probes_wanted > 0 || channel->ack_now ||
	    sj__recovery_ack_is_due(&channel->recovery, now.boot_ns) ||
	    probe_size(channel, now) > 0)
		return true;
	return has_data(channel) &&
	    sj__path_can_send(channel->current.path, now.boot_ns) >=
	    packet_size(channel);
}

bool
sj__channel_wait(struct sj__channel *channel, struct sj_time now)
{
	uint64_t next_ns;

	channel->deadlines[DEADLINE_PACE] = NEVER_NS;
	if (channel->state != CHANNEL_OPEN ||
	    !channel->current.peer_id.is_valid || !has_data(channel) ||
	    sj__channel_path_room(&channel->current) < packet_size(channel))
		return false;
	next_ns = sj__path_next_send_ns(channel->current.path, now.boot_ns);
	if (next_ns == NEVER_NS)
		return true;
	channel->deadlines[DEADLINE_PACE] = max_u64(next_ns, now.boot_ns + 1);
	return false;
}

int
sj__channel_transmit(struct sj__channel *channel, struct sj_time now,
    struct sj_batch *batch)
{
	uint32_t size;
	int filled = 0;

	switch (channel->state) {
	case CHANNEL_HELLO:
		return channel->hello_wanted ?
		    transmit_hello(channel, now, batch) : 0;
	case CHANNEL_ANSWERED:
		return channel->answer_wanted ?
		    transmit_answer(channel, now, batch) : 0;
	case CHANNEL_ASKED:
	case CHANNEL_TRUST:
		return 0;
	case CHANNEL_CLOSED:
		return channel->close_wanted ?
		    transmit_close(channel, now, batch) : 0;
	case CHANNEL_OPEN:
		break;
	}
	if (sj__channel_path_wants(&channel->probed))
		filled = transmit_one(channel, now, PACKET_PATH,
		    &channel->probed, batch);
	if (filled == 0 && sj__channel_path_wants(&channel->current))
		filled = transmit_one(channel, now, PACKET_PATH,
		    &channel->current, batch);
	if (filled == 0 && now.boot_ns >= channel->next_phase_ns &&
	    sj__protection_wants_update(&channel->protection))
		filled = sj__protection_update(&channel->protection,
		    sj__recovery_next_number(&channel->recovery));
	size = filled == 0 ? probe_size(channel, now) : 0;
	if (size > 0)
		filled = transmit_mtu_probe(channel, now, batch, size);
	if (filled == 0)
		filled = transmit_burst(channel, now, batch);
	if (filled < 0) {
		sj__channel_fail(channel, now, filled, NULL);
		return 0;
	}
	sj__channel_rearm(channel, now);
	return filled;
}
