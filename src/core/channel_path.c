/* SPDX-License-Identifier: ISC */
/*
 * channel_path.c - where the peer is: connection ids, validation, moves
 *
 * Only a client moves. Its NAT may have given it another port, its network
 * another address; it need not know. The server sees a packet with the highest
 * number so far come from elsewhere, and asks there:
 *
 *     server                                         client
 *                 <- anything, from a new address
 *     PATH_CHALLENGE ->        to an id of the client not used before
 *                 <- PATH_RESPONSE     to an id of the server not used before:
 *                                      the client saw the new id of its own
 *     moves; the old address and both old ids are given up
 *
 * Until then the server goes on with the old address, and sends to the new one
 * no more than came from it: whoever repeats packets of others moves nothing.
 * One new address is tried out at a time; a newer one takes its place.
 */
#include "core/channel_internal.h"

/* --- Connection ids ---------------------------------------------------- */

/* [SJ-ID-5] Gives the peer as many ids as it may keep; they go out as NEW_ID frames. The
 * first one travels in the parameters. */
int
sj__channel_fill_ids(struct sj__channel *channel)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		struct channel_id *id = &channel->own_ids[i];

		if (id->is_valid)
			continue;
		SJ_TRY(sj__endpoint_add_id(channel->endpoint, channel,
		    id->bytes));
		id->is_valid = true;
		id->sequence = channel->own_sequence++;
		id->was_sent = id->sequence == 0;
		if (id->sequence > 0)
			channel->new_id_wanted |= 1u << i;
	}
	return 0;
}

void
sj__channel_forget_ids(struct sj__channel *channel)
{
	for (int i = 0; i < CHANNEL_IDS; i++)
		if (channel->own_ids[i].is_valid)
			sj__endpoint_remove_id(channel->endpoint,
			    channel->own_ids[i].bytes);
	memset(channel->own_ids, 0, sizeof channel->own_ids);
}

/* An id of the peer's for later use. A copy of one we have is ignored. */
int
sj__channel_on_new_id(struct sj__channel *channel, const struct frame *frame)
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

int
sj__channel_on_retire_id(struct sj__channel *channel, const struct frame *frame)
{
	uint64_t sequence = frame->u.retire_id.sequence;

	if (sequence >= channel->own_sequence)
		return SJ_ERR_PROTOCOL;
	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		struct channel_id *id = &channel->own_ids[i];

		if (!id->is_valid || id->sequence != sequence)
			continue;
		if (!id->was_sent)
			return SJ_ERR_PROTOCOL; /* [SJ-ID-4] */
		sj__endpoint_remove_id(channel->endpoint, id->bytes);
		id->is_valid = false;
		channel->new_id_wanted &= ~(1u << i);
	}
	return sj__channel_fill_ids(channel);
}

void
sj__channel_new_id_lost(struct sj__channel *channel, uint64_t sequence)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++)
		if (channel->own_ids[i].is_valid &&
		    channel->own_ids[i].sequence == sequence)
			channel->new_id_wanted |= 1u << i;
}

/* Gives an id back to the peer: as many may be under way as it ever gave. */
void
sj__channel_retire_id(struct sj__channel *channel, uint64_t sequence)
{
	unsigned free_slot = CHANNEL_IDS;

	for (unsigned i = 0; i < CHANNEL_IDS; i++) {
		if (!(channel->retire_wanted & 1u << i))
			free_slot = i;
		else if (channel->retire_sequences[i] == sequence)
			return;
	}
	if (free_slot == CHANNEL_IDS)
		return;
	channel->retire_wanted |= 1u << free_slot;
	channel->retire_sequences[free_slot] = sequence;
}

/* The oldest of the peer's ids that was never used. */
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

/* Of one of our own ids, which is how the packet found us. */
uint64_t
sj__channel_sequence_of(const struct sj__channel *channel, const uint8_t *id)
{
	for (unsigned i = 0; i < CHANNEL_IDS; i++)
		if (channel->own_ids[i].is_valid &&
		    memcmp(channel->own_ids[i].bytes, id, ID_SIZE) == 0)
			return channel->own_ids[i].sequence;
	return channel->used_sequence;
}

/* client: the server writes to another id of ours, so it has moved us, or tries
 * to: a fresh id of its own from here on. [SJ-ID-3] */
void
sj__channel_follow_id(struct sj__channel *channel, uint64_t sequence)
{
	struct channel_id *id;

	if (channel->is_server || sequence == channel->used_sequence)
		return;
	id = spare_peer_id(channel);
	if (id == NULL)
		return;
	sj__channel_retire_id(channel, channel->current.peer_id.sequence);
	channel->current.peer_id = *id;
	id->is_valid = false;
	channel->used_sequence = sequence;
}

/* --- Paths ------------------------------------------------------------- */

/* Bytes that may go to an address: to an unproven one as many as came from it.
 * [SJ-HS-6] [SJ-PA-1] */
size_t
sj__channel_path_room(const struct channel_path *at)
{
	if (at->is_validated)
		return SIZE_MAX;
	return at->bytes_in > at->bytes_out ?
	    (size_t)(at->bytes_in - at->bytes_out) : 0;
}

/* Challenge or response, if there is room for one. */
bool
sj__channel_path_wants(const struct channel_path *at)
{
	return at->path != NULL && at->peer_id.is_valid &&
	    (at->challenge_wanted || at->response_wanted) &&
	    sj__channel_path_room(at) >= PACKET_MIN;
}

struct channel_path *
sj__channel_path_of(struct sj__channel *channel, const struct sj_path *key)
{
	if (memcmp(&channel->current.path->key, key, sizeof *key) == 0)
		return &channel->current;
	if (channel->probed.path != NULL &&
	    memcmp(&channel->probed.path->key, key, sizeof *key) == 0)
		return &channel->probed;
	return NULL;
}

void
sj__channel_drop_path(struct sj__channel *channel, struct channel_path *at)
{
	if (at->path == NULL)
		return;
	if (at == &channel->current) {
		list_remove(&channel->blocked);
		if (channel->mtu_probe > 0)
			sj__path_mtu_forgotten(at->path);
		channel->mtu_probe = 0;
		sj__recovery_leave_path(&channel->recovery, at->path);
	}
	if (at->is_shared)
		sj__endpoint_release_path(channel->endpoint, at->path);
	else
		sj__endpoint_free_private_path(channel->endpoint, at->path);
	memset(at, 0, sizeof *at);
}

/* The peer has shown that it is there: the path everybody on it shares. */
int
sj__channel_share_path(struct sj__channel *channel, struct channel_path *at)
{
	struct sj__path *shared;
	struct sj_path key = at->path->key;

	at->is_validated = true;
	at->challenge_wanted = at->challenge_outstanding = false;
	if (at->is_shared)
		return 0;
	if (at == &channel->current)
		list_remove(&channel->blocked);
	shared = sj__endpoint_acquire_path(channel->endpoint, &key);
	if (shared == NULL)
		return SJ_ERR_MEMORY;
	sj__path_merge_rtt(shared, at->path);
	if (at == &channel->current)
		sj__recovery_move_path(&channel->recovery, at->path, shared);
	sj__endpoint_free_private_path(channel->endpoint, at->path);
	at->path = shared;
	at->is_shared = true;
	return 0;
}

static int
begin_challenge(struct sj__channel *channel, struct channel_path *at,
    const struct sj_path *key)
{
	at->path = sj__endpoint_private_path(channel->endpoint, key);
	if (at->path == NULL)
		return SJ_ERR_MEMORY;
	at->challenge_wanted = true;
	sj__endpoint_random(channel->endpoint, at->challenge,
	    sizeof at->challenge);
	return 0;
}

/* [SJ-PA-4] server: the first packet under the keys came from elsewhere than the hello.
 * That is where the client is now, but nothing proves it yet. */
int
sj__channel_open_elsewhere(struct sj__channel *channel,
    const struct sj_path *key)
{
	sj__channel_drop_path(channel, &channel->current);
	return begin_challenge(channel, &channel->current, key);
}

static void
abandon_probe(struct sj__channel *channel)
{
	struct channel_path *probed = &channel->probed;

	if (probed->path == NULL)
		return;
	if (probed->peer_id.sequence != channel->current.peer_id.sequence)
		sj__channel_retire_id(channel, probed->peer_id.sequence);
	sj__channel_drop_path(channel, probed);
}

/* server: a packet with the highest number so far, length bytes long, came from
 * a new address. */
void
sj__channel_probe_path(struct sj__channel *channel, const struct sj_path *key,
    size_t length)
{
	struct channel_path *probed = &channel->probed;
	struct channel_id *id;

	abandon_probe(channel);
	if (begin_challenge(channel, probed, key) < 0) {
		sj__endpoint_count(channel->endpoint, COUNT_DROPPED_MEMORY);
		return;
	}
	probed->bytes_in = length;
	/* A client that is moved about faster than it learns of it has no fresh
	 * ids to give, and itself uses the same ones everywhere. [SJ-ID-1] */
	id = spare_peer_id(channel);
	probed->peer_id = id != NULL ? *id : channel->current.peer_id;
	if (id != NULL)
		id->is_valid = false;
}

/* Asks again, less and less often, as long as packets come from there. */
void
sj__channel_on_challenge_deadline(struct sj__channel *channel)
{
	struct channel_path *paths[] = { &channel->current, &channel->probed };

	for (int i = 0; i < 2; i++) {
		if (!paths[i]->challenge_outstanding)
			continue;
		if (paths[i] == &channel->probed &&
		    paths[i]->challenges_sent >= CHALLENGE_TRIES)
			abandon_probe(channel);
		else
			paths[i]->challenge_wanted = true;
	}
}

/* [SJ-PA-2] What was in flight to the old address counts for nobody any more. */
static int
move_to_probed(struct sj__channel *channel, struct sj_time now)
{
	uint64_t old_sequence = channel->current.peer_id.sequence;

	sj__channel_drop_path(channel, &channel->current);
	channel->current = channel->probed;
	memset(&channel->probed, 0, sizeof channel->probed);
	if (old_sequence != channel->current.peer_id.sequence)
		sj__channel_retire_id(channel, old_sequence);
	sj__recovery_enter_path(&channel->recovery);
	SJ_TRY(sj__channel_share_path(channel, &channel->current));
	channel->moves++;
	sj__endpoint_count(channel->endpoint, COUNT_CHANNEL_MOVED);
	/* The client may have heard nothing since it left, and wait. */
	channel->ack_now = true;
	if (channel->probes_wanted == 0)
		channel->probes_wanted = 1;
	channel->user->on_moved(channel->user_data, now);
	return 0;
}

int
sj__channel_on_path_response(struct sj__channel *channel, struct sj_time now,
    const uint8_t bytes[8])
{
	struct channel_path *paths[] = { &channel->current, &channel->probed };

	for (int i = 0; i < 2; i++) {
		struct channel_path *at = paths[i];

		if (!at->challenge_outstanding ||
		    !sj__equal(bytes, at->challenge, sizeof at->challenge))
			continue;
		if (!at->was_repeated)
			sj__path_on_rtt(at->path,
			    now.boot_ns - at->challenge_sent_ns, 0,
			    now.boot_ns);
		if (at == &channel->probed)
			return move_to_probed(channel, now);
		return sj__channel_share_path(channel, at);
	}
	return 0;
}
