/* SPDX-License-Identifier: ISC */
/*
 * channel_recv.c - packets in
 *
 * A train is unmasked at once; then each packet is checked against the numbers
 * seen, opened in place, decoded whole [SJ-FR-1], and only then acted upon.
 */
#include "core/channel_internal.h"

/* --- Settled records --------------------------------------------------- */

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
			sj__channel_new_id_lost(channel, record->id);
		break;
	case RECORD_RETIRE_ID:
		if (!delivered)
			sj__channel_retire_id(channel, record->id);
		break;
	case RECORD_PARAMETERS:
		if (delivered)
			channel->parameters_wanted = false;
		break;
	case RECORD_MTU:
		if (record->id != channel->recovery.generation)
			break;          /* of a path that is left */
		channel->mtu_probe = 0;
		sj__path_mtu_probed(channel->current.path,
		    sj__endpoint_now(channel->endpoint).boot_ns,
		    (uint32_t)record->offset, delivered);
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
	bool confirmed = channel->protection.phase_confirmed;

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
	/* RFC 9001 section 6.1: until the peer has prepared the next phase. */
	if (channel->protection.phase_confirmed && !confirmed)
		channel->next_phase_ns = now.boot_ns + 3 *
		    sj__recovery_probe_timeout_ns(&channel->recovery,
		    channel->current.path);
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
		return 0;               /* [SJ-HS-14] */
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

/* [SJ-CL-1] */
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

/* --- Packets ----------------------------------------------------------- */

#define FRAMES_KEPT 4

struct packet_in {
	struct sj_time now;
	const struct sj_path *key;
	struct channel_path *path;      /* of this channel; NULL: a new one */
	uint64_t own_sequence;          /* of the id it came to */
	uint64_t number;
	bool eliciting, is_closed, is_newest;
	bool is_challenged;
	uint8_t challenge[8];
	unsigned kept_count;            /* frames decoded; those after them: rest */
	struct reader rest;
	struct frame kept[FRAMES_KEPT];
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
		memcpy(in->challenge, frame->u.path.bytes, 8);
		in->is_challenged = true;
		return 0;
	case FRAME_PATH_RESPONSE:
		SJ_TRY(sj__channel_on_path_response(channel, in->now,
		    frame->u.path.bytes));
		in->path = sj__channel_path_of(channel, in->key);
		return 0;
	case FRAME_NEW_ID:
		return sj__channel_on_new_id(channel, frame);
	case FRAME_RETIRE_ID:
		return sj__channel_on_retire_id(channel, frame);
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

/* First the whole payload as syntax, then frame by frame. The first frames are
 * kept, so that nearly all packets are decoded once. */
static int
check_frames(struct span payload, struct packet_in *in)
{
	struct reader reader = reader_of(payload.data, payload.length);
	struct frame other, *frame = in->kept;

	in->eliciting = false;
	in->kept_count = 0;
	in->rest = reader;
	while (sj__frame_decode(&reader, frame)) {
		in->eliciting |= frame_is_eliciting(frame->type);
		if (in->kept_count < FRAMES_KEPT) {
			in->kept_count++;
			in->rest = reader;
		}
		frame = in->kept_count < FRAMES_KEPT ?
		    &in->kept[in->kept_count] : &other;
	}
	return reader.failed ? SJ_ERR_PROTOCOL : 0;
}

static int
apply_frame(struct sj__channel *channel, struct packet_in *in,
    const struct frame *frame)
{
	if (frame_is_session(frame->type))
		return channel->user->on_frame(channel->user_data, in->now,
		    frame);
	return on_channel_frame(channel, in, frame);
}

static int
apply_frames(struct sj__channel *channel, struct packet_in *in)
{
	struct frame frame;
	int error = 0;

	for (unsigned i = 0; i < in->kept_count && error >= 0 &&
	    !in->is_closed && channel->state != CHANNEL_CLOSED; i++)
		error = apply_frame(channel, in, &in->kept[i]);
	while (error >= 0 && !in->is_closed &&
	    channel->state != CHANNEL_CLOSED &&
	    sj__frame_decode(&in->rest, &frame))
		error = apply_frame(channel, in, &frame);
	return error;
}

/* The first packet under the new keys. From where the answer went, it shows that
 * the client is there. */
static int
server_opens(struct sj__channel *channel, struct sj_time now,
    struct packet_in *in)
{
	if (in->path == &channel->current) {
		SJ_TRY(sj__channel_share_path(channel, &channel->current));
	} else {
		SJ_TRY(sj__channel_open_elsewhere(channel, in->key));
		in->path = &channel->current;
	}
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
	/* [SJ-KEY-8] */
	return sj__protection_update(protection,
	    sj__recovery_next_number(&channel->recovery));
}

static void
dropped(struct sj__channel *channel, enum counter why)
{
	sj__endpoint_count(channel->endpoint, why);
}

static void
note_heard(struct sj__channel *channel, const struct packet_in *in)
{
	channel->last_received_ns = in->now.boot_ns;
	sj__recovery_on_heard(&channel->recovery);
	if (in->eliciting) {
		channel->quiet_from_ns = in->now.boot_ns;
		channel->quiet_count = 0;
	}
	if (channel->is_away) {
		channel->is_away = false;
		channel->user->on_away(channel->user_data, in->now, false);
	}
}

/* What the packet says about where its sender is, once its frames, which may
 * bring the ids that are needed for it, are done. */
static void
look_at_path(struct sj__channel *channel, struct packet_in *in, size_t length)
{
	if (in->is_newest)
		sj__channel_follow_id(channel, in->own_sequence);
	if (in->path == NULL && in->is_newest) {        /* [SJ-PA-1] */
		sj__channel_probe_path(channel, in->key, length);
		in->path = sj__channel_path_of(channel, in->key);
	}
	if (in->is_challenged && in->path != NULL) {
		memcpy(in->path->response, in->challenge,
		    sizeof in->path->response);
		in->path->response_size = length;
		in->path->response_wanted = true;
	}
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

	/* Before it is opened: to open one may change the phase. */
	if (in->path == NULL && !channel->is_server) {
		dropped(channel, COUNT_DROPPED_PATH);   /* [SJ-PA-5] */
		return 0;
	}
	error = sj__packet_open(&channel->protection,
	    sj__recovery_expected_number(recovery), packet, length, &in->number,
	    &payload, &updated);
	if (error == SJ_ERR_STATE)
		return SJ_ERR_PROTOCOL; /* [SJ-KEY-6] */
	if (error < 0) {
		dropped(channel, COUNT_DROPPED_SEALED);
		return channel->protection.failed_opens >= FAILED_OPENS_MAX ?
		    SJ_ERR_LIMIT : 0;   /* [SJ-KEY-7] */
	}
	if (updated)
		SJ_TRY(on_phase_changed(channel, in->now));
	if (sj__recovery_is_duplicate(recovery, in->number)) {
		dropped(channel, COUNT_DROPPED_DUPLICATE);      /* [SJ-PK-5] */
		return 0;
	}
	SJ_TRY(check_frames(payload, in));
	in->is_newest = in->number >= sj__recovery_expected_number(recovery);
	in->is_challenged = false;
	if (channel->state == CHANNEL_ANSWERED)
		SJ_TRY(server_opens(channel, in->now, in));
	if (in->path != NULL) {
		in->path->bytes_in += length;
		in->path->challenges_sent = 0;
	}
	sj__recovery_set_rtt(&channel->recovery,
	    channel->current.path->has_rtt ?
	    sj__path_rtt_ns(channel->current.path) : 0);
	SJ_TRY(sj__recovery_on_received(recovery, in->number, in->now.boot_ns,
	    in->eliciting, ecn));
	channel->bytes_in += length;
	channel->packets_in++;
	note_heard(channel, in);
	error = apply_frames(channel, in);
	if (channel->opened_now && channel->state == CHANNEL_OPEN) {
		channel->opened_now = false;
		if (!channel->parameters_seen)
			return SJ_ERR_PROTOCOL; /* [SJ-HS-9] */
		channel->user->on_open(channel->user_data, in->now);
	}
	if (error >= 0 && channel->state == CHANNEL_OPEN)
		look_at_path(channel, in, length);
	return error;
}

void
sj__channel_receive(struct sj__channel *channel, struct sj_time now,
    const struct sj_path *path, enum sj_ecn ecn, uint8_t *bytes, size_t length,
    size_t segment)
{
	struct packet_in in = { .now = now, .key = path };
	size_t count, one;
	int error;

	in.path = sj__channel_path_of(channel, path);
	in.own_sequence = sj__channel_sequence_of(channel, bytes + 1);
	while (length > 0) {
		count = min_size((length + segment - 1) / segment, BURST_MAX);
		if (length < (count - 1) * segment + PACKET_MIN)
			count--;        /* a runt at the end: [SJ-PK-1] */
		if (count == 0 || channel->state == CHANNEL_CLOSED ||
		    channel->protection.aead == NULL) {
			dropped(channel, COUNT_DROPPED_CLOSED);
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
