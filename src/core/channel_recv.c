/* SPDX-License-Identifier: ISC */
/*
 * channel_recv.c - packets in
 *
 * A train is unmasked at once; then each packet is checked against the numbers
 * seen, opened in place, decoded whole [SJ-FR-1], and only then acted upon.
 */
#include "core/channel_internal.h"

/* --- Settled records --------------------------------------------------- */

static void
new_id_lost(struct sj__channel *channel, uint64_t sequence)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++)
		if (channel->own_ids[i].is_valid &&
		    channel->own_ids[i].sequence == sequence)
			channel->new_id_wanted |= 1u << i;
}

static void
retire_id(struct sj__channel *channel, uint64_t sequence)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++)
		if (!(channel->retire_wanted & 1u << i)) {
			channel->retire_wanted |= 1u << i;
			channel->retire_sequences[i] = sequence;
			return;
		}
}

void
sj__channel_on_settled(void *user, const struct sj__sent_record *record,
    bool delivered)
{
	struct sj__channel *channel = user;

	if (record->type > CHANNEL_RECORD_MAX) {
		if (channel->user != NULL)
			channel->user->on_settled(channel->user_data, record,
			    delivered);
		return;
	}
	switch ((enum channel_record)record->type) {
	case RECORD_ACK:
		if (delivered)
			sj__recovery_forget_received(&channel->recovery,
			    record->offset);
		break;
	case RECORD_NEW_ID:
		if (!delivered)
			new_id_lost(channel, record->id);
		break;
	case RECORD_RETIRE_ID:
		if (!delivered)
			retire_id(channel, record->id);
		break;
	case RECORD_PARAMETERS:
		if (delivered)
			channel->parameters_wanted = false;
		break;
	case RECORD_PING:
	case CHANNEL_RECORD_MAX:
		break;
	}
}

/* --- Frames ------------------------------------------------------------ */

static int
on_ack(struct sj__channel *channel, struct sj_time now,
    const struct frame *frame)
{
	struct sj__ack ack = {
		.delay_ns = min_u64(frame->u.ack.delay_us, 1u << 20) * 1000,
		.has_ecn = frame->type == FRAME_ACK_ECN,
		.ect0 = frame->u.ack.ect0,
		.ect1 = frame->u.ack.ect1,
		.ce = frame->u.ack.ce,
	};
	struct ack_walk walk;
	uint64_t from, to;

	sj__ack_walk_first(frame, &walk, &from, &to);
	ack.largest = to;
	SJ_TRY(sj__recovery_ack_begin(&channel->recovery,
	    channel->current.path, now.boot_ns, &ack));
	do
		SJ_TRY(sj__recovery_ack_range(&channel->recovery,
		    channel->current.path, now.boot_ns, from, to,
		    sj__channel_on_settled, channel));
	while (sj__ack_walk_next(&walk, &from, &to));
	SJ_TRY(sj__recovery_ack_end(&channel->recovery, channel->current.path,
	    now.boot_ns, sj__channel_on_settled, channel));
	sj__protection_on_acked(&channel->protection, ack.largest);
	return 0;
}

static int
on_parameters(struct sj__channel *channel, const struct frame *frame)
{
	struct span list = frame->u.parameters.list, id;
	bool failed = false;

	if (!channel->is_server)
		return SJ_ERR_PROTOCOL;
	if (channel->parameters_seen)
		return 0;
	id = sj__parameter_find(list, PARAMETER_ID, &failed);
	channel->peer_credit = sj__parameter_number(list, PARAMETER_CREDIT, 0,
	    &failed);
	channel->peer_datagram_max = sj__parameter_number(list,
	    PARAMETER_DATAGRAM_MAX, DATAGRAM_BASE, &failed);
	sj__recovery_set_peer_delay(&channel->recovery, NS_PER_MS *
	    min_u64(sj__parameter_number(list, PARAMETER_ACK_DELAY, 25,
	    &failed), 1000));
	if (failed || id.length != ID_SIZE ||
	    channel->peer_datagram_max < DATAGRAM_BASE)
		return SJ_ERR_PROTOCOL;
	memcpy(channel->current.peer_id.bytes, id.data, ID_SIZE);
	channel->current.peer_id.is_valid = true;
	channel->current.peer_id.sequence = 0;
	channel->parameters_seen = true;
	return 0;
}

/* An id of the peer's for later use. A copy of one we have is ignored. */
static int
on_new_id(struct sj__channel *channel, const struct frame *frame)
{
	struct channel_id *free_slot = NULL;
	uint64_t sequence = frame->u.new_id.sequence;

	if (sequence <= channel->largest_peer_sequence &&
	    (channel->peer_sequences_seen >> (channel->largest_peer_sequence -
	    sequence > 63 ? 63 : channel->largest_peer_sequence - sequence) & 1))
		return 0;
	for (unsigned i = 0; i < CHANNEL_IDS; i++)
		if (!channel->peer_ids[i].is_valid)
			free_slot = &channel->peer_ids[i];
	if (free_slot == NULL)
		return SJ_ERR_PROTOCOL; /* more than were asked for */
	if (sequence > channel->largest_peer_sequence) {
		uint64_t by = sequence - channel->largest_peer_sequence;

		channel->peer_sequences_seen = by > 63 ? 0 :
		    channel->peer_sequences_seen << by;
		channel->largest_peer_sequence = sequence;
	}
	channel->peer_sequences_seen |= UINT64_C(1) << min_u64(63,
	    channel->largest_peer_sequence - sequence);
	memcpy(free_slot->bytes, frame->u.new_id.id, ID_SIZE);
	free_slot->sequence = sequence;
	free_slot->is_valid = true;
	return 0;
}

static int
on_retire_id(struct sj__channel *channel, const struct frame *frame)
{
	uint64_t sequence = frame->u.retire_id.sequence;

	if (sequence >= channel->own_sequence)
		return SJ_ERR_PROTOCOL;
	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		struct channel_id *id = &channel->own_ids[i];

		if (!id->is_valid || id->sequence != sequence)
			continue;
		sj__endpoint_remove_id(channel->endpoint, id->bytes);
		id->is_valid = false;
	}
	return sj__channel_fill_ids(channel);
}

static void
on_close(struct sj__channel *channel, struct sj_time now,
    const struct frame *frame)
{
	const struct sj__channel_user *user = channel->user;
	char words[CLOSE_TEXT_MAX + 1];
	size_t length = 0;

	/* The peer's words end up on terminals: printable ASCII only. */
	for (size_t i = 0; i < frame->u.close.text.length; i++) {
		uint8_t byte = frame->u.close.text.data[i];

		words[length++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
	}
	words[length] = '\0';
	sj__endpoint_count(channel->endpoint, COUNT_CLOSED_BY_PEER);
	channel->peer_closed = true;
	sj__channel_close(channel, now, 0, "");
	if (user != NULL)
		user->on_closed(channel->user_data, now,
		    frame->u.close.code == 0 ? SJ_ERR_ENDED : SJ_ERR_PROTOCOL,
		    length > 0 ? words : NULL);
}

/* --- Paths ------------------------------------------------------------- */

/* [SJ-PA-1] The peer, or somebody who repeats its packets, is elsewhere. */
static struct channel_path *
path_of(struct sj__channel *channel, const struct sj_path *key)
{
	if (memcmp(&channel->current.path->key, key, sizeof *key) == 0)
		return &channel->current;
	if (channel->probed.path != NULL &&
	    memcmp(&channel->probed.path->key, key, sizeof *key) == 0)
		return &channel->probed;
	return NULL;
}

static struct channel_id *
spare_peer_id(struct sj__channel *channel)
{
	struct channel_id *best = NULL;

	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		struct channel_id *id = &channel->peer_ids[i];

		if (id->is_valid && (best == NULL ||
		    id->sequence < best->sequence))
			best = id;
	}
	return best;
}

static void
probe_path(struct sj__channel *channel, const struct sj_path *key,
    size_t length)
{
	struct channel_path *probed = &channel->probed;
	struct channel_id *id = spare_peer_id(channel);

	if (!channel->is_server || id == NULL) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_PATH);
		return;
	}
	if (probed->path != NULL) {
		retire_id(channel, probed->peer_id.sequence);
		sj__channel_drop_path(channel, probed);
	}
	probed->path = sj__endpoint_private_path(channel->endpoint, key);
	if (probed->path == NULL)
		return;
	probed->peer_id = *id;
	id->is_valid = false;
	probed->bytes_in = length;
	probed->challenge_wanted = true;
	sj__endpoint_random(channel->endpoint, probed->challenge,
	    sizeof probed->challenge);
}

/* [SJ-PA-2] */
static int
move_to_probed(struct sj__channel *channel)
{
	struct channel_path old = channel->current;

	list_remove(&channel->blocked);
	sj__recovery_leave_path(&channel->recovery, old.path);
	channel->current = channel->probed;
	memset(&channel->probed, 0, sizeof channel->probed);
	retire_id(channel, old.peer_id.sequence);
	if (old.is_shared)
		sj__endpoint_release_path(channel->endpoint, old.path);
	else
		sj__endpoint_free_private_path(channel->endpoint, old.path);
	sj__channel_set_deadline(channel, DEADLINE_CHALLENGE, NEVER_NS);
	sj__recovery_enter_path(&channel->recovery);
	return sj__channel_share_path(channel, &channel->current);
}

static int
on_path_response(struct sj__channel *channel, const uint8_t bytes[8])
{
	struct channel_path *probed = &channel->probed;

	if (probed->path == NULL || !probed->challenge_outstanding ||
	    !sj__equal(bytes, probed->challenge, 8))
		return 0;
	return move_to_probed(channel);
}

/* --- Packets ----------------------------------------------------------- */

struct packet_in {
	struct sj_time now;
	const struct sj_path *key;
	struct channel_path *path;
	uint64_t number;
	bool eliciting, is_closed;
};

static int
on_channel_frame(struct sj__channel *channel, struct packet_in *in,
    const struct frame *frame)
{
	switch ((enum frame_type)frame->type) {
	case FRAME_PING:
		return 0;
	case FRAME_ACK:
	case FRAME_ACK_ECN:
		return on_ack(channel, in->now, frame);
	case FRAME_PATH_CHALLENGE:
		if (in->path != NULL) {
			memcpy(in->path->response, frame->u.path.bytes, 8);
			in->path->response_wanted = true;
		}
		return 0;
	case FRAME_PATH_RESPONSE:
		return on_path_response(channel, frame->u.path.bytes);
	case FRAME_NEW_ID:
		return on_new_id(channel, frame);
	case FRAME_RETIRE_ID:
		return on_retire_id(channel, frame);
	case FRAME_PARAMETERS:
		return on_parameters(channel, frame);
	case FRAME_CLOSE:
		on_close(channel, in->now, frame);
		in->is_closed = true;
		return 0;
	case FRAME_PADDING:
	case FRAME_STREAM:
	case FRAME_CREDIT:
	case FRAME_RESET:
	case FRAME_STOP:
	case FRAME_PRIORITY:
	case FRAME_FLOOR:
		break;
	}
	return SJ_ERR_PROTOCOL;
}

/* First the whole payload as syntax, then frame by frame. */
static int
check_frames(struct span payload, struct packet_in *in)
{
	struct reader reader = reader_of(payload.data, payload.length);
	struct frame frame;

	in->eliciting = false;
	while (sj__frame_decode(&reader, &frame))
		in->eliciting |= frame_is_eliciting(frame.type);
	return reader.failed ? SJ_ERR_PROTOCOL : 0;
}

static int
apply_frames(struct sj__channel *channel, struct packet_in *in,
    struct span payload)
{
	struct reader reader = reader_of(payload.data, payload.length);
	struct frame frame;
	int error = 0;

	while (error >= 0 && !in->is_closed &&
	    channel->state != CHANNEL_CLOSED &&
	    sj__frame_decode(&reader, &frame)) {
		if (frame_is_session(frame.type))
			error = channel->user->on_frame(channel->user_data,
			    in->now, &frame);
		else
			error = on_channel_frame(channel, in, &frame);
	}
	return error;
}

/* The first packet under the new keys: the client is where it says. */
static int
server_opens(struct sj__channel *channel, struct sj_time now,
    struct packet_in *in)
{
	if (in->path != &channel->current)
		return SJ_ERR_PROTOCOL;
	SJ_TRY(sj__channel_share_path(channel, &channel->current));
	SJ_TRY(sj__endpoint_on_channel_open(channel->endpoint, now, channel));
	sj__handshake_close(channel->handshake);
	channel->handshake = NULL;
	sj__channel_set_deadline(channel, DEADLINE_HELLO, NEVER_NS);
	sj__channel_set_state(channel, CHANNEL_OPEN);
	channel->opened_now = true;
	return 0;
}

static int
on_phase_changed(struct sj__channel *channel, struct sj_time now)
{
	struct sj__protection *protection = &channel->protection;

	sj__channel_set_deadline(channel, DEADLINE_KEYS, now.boot_ns +
	    3 * sj__recovery_probe_timeout_ns(&channel->recovery,
	    channel->current.path));
	if (protection->send_phase == protection->receive_phase)
		return 0;
	return sj__protection_update(protection,
	    sj__recovery_next_number(&channel->recovery));
}

static void
dropped(struct sj__channel *channel, enum counter why)
{
	sj__endpoint_count(channel->endpoint, why);
}

/* One packet; a negative return closes the channel. */
static int
receive_packet(struct sj__channel *channel, struct packet_in *in,
    enum sj_ecn ecn, uint8_t *packet, size_t length)
{
	struct sj__recovery *recovery = &channel->recovery;
	struct span payload;
	bool updated;
	int error;

	if (sj__packet_open(&channel->protection,
	    sj__recovery_expected_number(recovery), packet, length, &in->number,
	    &payload, &updated) < 0) {
		dropped(channel, COUNT_DROPPED_SEALED);
		return channel->protection.failed_opens >= FAILED_OPENS_MAX ?
		    SJ_ERR_LIMIT : 0;   /* [SJ-KEY-7] */
	}
	if (sj__recovery_is_duplicate(recovery, in->number)) {
		dropped(channel, COUNT_DROPPED_DUPLICATE);      /* [SJ-PK-5] */
		return 0;
	}
	SJ_TRY(check_frames(payload, in));
	in->path = path_of(channel, in->key);
	if (channel->state == CHANNEL_ANSWERED)
		SJ_TRY(server_opens(channel, in->now, in));
	if (in->path == NULL && in->number >=
	    sj__recovery_expected_number(recovery)) {
		probe_path(channel, in->key, length);
		in->path = path_of(channel, in->key);
	} else if (in->path != NULL) {
		in->path->bytes_in += length;
	}
	SJ_TRY(sj__recovery_on_received(recovery, in->number, in->now.boot_ns,
	    in->eliciting, ecn));
	channel->bytes_in += length;
	channel->packets_in++;
	channel->last_received_ns = in->now.boot_ns;
	if (updated)
		SJ_TRY(on_phase_changed(channel, in->now));
	error = apply_frames(channel, in, payload);
	if (channel->opened_now && channel->state == CHANNEL_OPEN) {
		channel->opened_now = false;
		if (!channel->parameters_seen)
			return SJ_ERR_PROTOCOL; /* [SJ-HS-9] */
		channel->user->on_open(channel->user_data, in->now);
	}
	return error;
}

void
sj__channel_rearm(struct sj__channel *channel, struct sj_time now)
{
	(void)now;
	sj__channel_set_deadline(channel, DEADLINE_RECOVERY,
	    sj__recovery_deadline_ns(&channel->recovery, channel->current.path));
	sj__channel_set_deadline(channel, DEADLINE_ACK,
	    sj__recovery_ack_deadline_ns(&channel->recovery));
}

/* A closed channel says so again, a few times, to one that goes on. */
static void
receive_closed(struct sj__channel *channel)
{
	dropped(channel, COUNT_DROPPED_CLOSED);
	if (channel->close_code != 0 && channel->closes_sent < 3 &&
	    channel->protection.aead != NULL)
		channel->close_wanted = true;
}

void
sj__channel_receive(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes, size_t length,
    size_t segment)
{
	struct packet_in in = { .now = now, .key = path };
	size_t count, one;
	int error;

	while (length > 0) {
		count = min_size((length + segment - 1) / segment, BURST_MAX);
		if (length < (count - 1) * segment + PACKET_MIN)
			count--;        /* a runt at the end: [SJ-PK-1] */
		if (count == 0 || channel->state == CHANNEL_CLOSED ||
		    channel->protection.aead == NULL) {
			receive_closed(channel);
			return;
		}
		sj__packet_unmask(&channel->protection, bytes, segment, count);
		for (size_t i = 0; i < count; i++) {
			one = min_size(segment, length);
			error = receive_packet(channel, &in, ecn, bytes, one);
			if (error < 0)
				sj__channel_fail(channel, now, error, NULL);
			if (channel->state == CHANNEL_CLOSED)
				return;
			bytes += one;
			length -= one;
		}
		if (length < PACKET_MIN)
			length = 0;
	}
	sj__channel_rearm(channel, now);
}
