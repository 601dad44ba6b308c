/* SPDX-License-Identifier: ISC */
/* recovery.c - what was sent: acknowledgement, loss, probes */
#include "core/recovery.h"

#define PACKETS_MIN 64
#define RECORDS_MIN 128
#define UNASKED_KEPT 1024
#define PERSISTENT_TIMEOUTS 3           /* RFC 9002 section 7.6.1 */
#define PROBE_BACKOFF_MAX 10
#define PROBE_INTERVAL_MAX_NS (8 * NS_PER_S)
/* After so many probes without an answer, what is in flight is held to be gone:
 * a dead peer must not hold the window of a path that others share. */
#define PROBES_UNTIL_GONE 3

void
sj__recovery_init(struct sj__recovery *recovery, struct sj__memory *memory)
{
	memset(recovery, 0, sizeof *recovery);
	recovery->memory = memory;
	recovery->peer_delay_ns = ACK_DELAY_NS;
	recovery->ack_deadline_ns = NEVER_NS;
	recovery->ack_every = ACK_EVERY;
}

void
sj__recovery_fini(struct sj__recovery *recovery)
{
	if (recovery->memory == NULL)
		return;
	sj__memory_free(recovery->memory, recovery->packets,
	    recovery->packet_capacity * sizeof *recovery->packets);
	sj__memory_free(recovery->memory, recovery->records,
	    recovery->record_capacity * sizeof *recovery->records);
	sj__range_set_fini(&recovery->received, recovery->memory);
	memset(recovery, 0, sizeof *recovery);
}

static struct sj__sent_packet *
packet_at(const struct sj__recovery *recovery, uint64_t number)
{
	return &recovery->packets[number & (recovery->packet_capacity - 1)];
}

static struct sj__sent_record *
record_at(const struct sj__recovery *recovery, uint64_t index)
{
	return &recovery->records[index & (recovery->record_capacity - 1)];
}

/* --- Rings ------------------------------------------------------------- */

static int
grow_packets(struct sj__recovery *recovery)
{
	size_t capacity = recovery->packet_capacity == 0 ? PACKETS_MIN :
	    2 * recovery->packet_capacity;
	struct sj__sent_packet *packets = sj__memory_allocate(recovery->memory,
	    capacity * sizeof *packets);

	if (packets == NULL)
		return SJ_ERR_MEMORY;
	for (uint64_t i = recovery->base; i < recovery->next; i++)
		packets[i & (capacity - 1)] = *packet_at(recovery, i);
	sj__memory_free(recovery->memory, recovery->packets,
	    recovery->packet_capacity * sizeof *packets);
	recovery->packets = packets;
	recovery->packet_capacity = capacity;
	return 0;
}

static int
grow_records(struct sj__recovery *recovery)
{
	size_t capacity = recovery->record_capacity == 0 ? RECORDS_MIN :
	    2 * recovery->record_capacity;
	struct sj__sent_record *records = sj__memory_allocate(recovery->memory,
	    capacity * sizeof *records);

	if (records == NULL)
		return SJ_ERR_MEMORY;
	for (uint64_t i = recovery->record_base; i < recovery->record_next; i++)
		records[i & (capacity - 1)] = *record_at(recovery, i);
	sj__memory_free(recovery->memory, recovery->records,
	    recovery->record_capacity * sizeof *records);
	recovery->records = records;
	recovery->record_capacity = capacity;
	return 0;
}

/* Packets that ask for no acknowledgement may never get one: those far behind
 * are forgotten, with what is settled or was skipped between them. All they
 * carried is an acknowledgement, and nobody waits for word of that. */
static void
forget_unasked(struct sj__recovery *recovery)
{
	struct sj__sent_packet *packet;

	while (recovery->base + UNASKED_KEPT < recovery->next) {
		packet = packet_at(recovery, recovery->base);
		if (packet->state == SENT_IN_FLIGHT && packet->is_eliciting)
			return;
		recovery->record_base = packet->first_record +
		    packet->record_count;
		recovery->base++;
	}
}

/* Records of one packet, at most: more would not fit a datagram. */
#define RECORDS_PER_PACKET 512

static int
make_room(struct sj__recovery *recovery)
{
	forget_unasked(recovery);
	if (recovery->next - recovery->base >= IN_FLIGHT_PACKETS_MAX)
		return SJ_ERR_LIMIT;
	if (recovery->next - recovery->base >= recovery->packet_capacity)
		SJ_TRY(grow_packets(recovery));
	while (recovery->record_next - recovery->record_base +
	    RECORDS_PER_PACKET > recovery->record_capacity)
		SJ_TRY(grow_records(recovery));
	return 0;
}

/* --- Sending ----------------------------------------------------------- */

uint64_t
sj__recovery_next_number(const struct sj__recovery *recovery)
{
	return recovery->next;
}

void
sj__recovery_skip_number(struct sj__recovery *recovery)
{
	struct sj__sent_packet *packet;

	if (make_room(recovery) < 0)
		return;                 /* then none is skipped */
	packet = packet_at(recovery, recovery->next++);
	memset(packet, 0, sizeof *packet);
	packet->state = SENT_SKIPPED;
	packet->first_record = recovery->record_next;
}

int
sj__recovery_prepare(struct sj__recovery *recovery, uint64_t *number)
{
	struct sj__sent_packet *packet;

	assert(!recovery->is_preparing);
	SJ_TRY(make_room(recovery));
	packet = packet_at(recovery, recovery->next);
	memset(packet, 0, sizeof *packet);
	packet->first_record = recovery->record_next;
	recovery->is_preparing = true;
	*number = recovery->next;
	return 0;
}

void
sj__recovery_append(struct sj__recovery *recovery,
    const struct sj__sent_record *record)
{
	struct sj__sent_packet *packet = packet_at(recovery, recovery->next);

	assert(recovery->is_preparing);
	assert(packet->record_count < RECORDS_PER_PACKET);
	*record_at(recovery, recovery->record_next++) = *record;
	packet->record_count++;
}

bool
sj__recovery_is_full(const struct sj__recovery *recovery)
{
	/* A few are left for the channel's own. */
	return packet_at(recovery, recovery->next)->record_count >=
	    RECORDS_PER_PACKET - 16;
}

void
sj__recovery_mark_mtu_probe(struct sj__recovery *recovery)
{
	assert(recovery->is_preparing);
	packet_at(recovery, recovery->next)->is_mtu_probe = true;
}

void
sj__recovery_cancel(struct sj__recovery *recovery)
{
	struct sj__sent_packet *packet = packet_at(recovery, recovery->next);

	assert(recovery->is_preparing && packet->record_count == 0);
	recovery->is_preparing = false;
}

int
sj__recovery_commit(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, size_t bytes, bool is_eliciting, bool is_counted)
{
	struct sj__sent_packet *packet = packet_at(recovery, recovery->next);

	assert(recovery->is_preparing);
	recovery->is_preparing = false;
	packet->state = SENT_IN_FLIGHT;
	packet->sent_ns = now_ns;
	packet->bytes = (uint32_t)bytes;
	packet->is_eliciting = is_eliciting;
	packet->is_counted = is_counted;
	packet->generation = recovery->generation;
	packet->is_marked = is_counted && sj__path_ecn(path) != SJ_ECN_NONE;
	recovery->next++;
	if (is_counted) {
		sj__path_on_sent(path, now_ns, bytes);
		packet->sent_total = path->sent_total;
		packet->is_limited = 2 * path->in_flight >= path->window;
	}
	if (is_eliciting) {
		recovery->eliciting_in_flight++;
		recovery->last_eliciting_ns = now_ns;
	}
	return 0;
}

/* --- Settling ---------------------------------------------------------- */

static void
report(struct sj__recovery *recovery, const struct sj__sent_packet *packet,
    bool delivered, sj__settled *settled, void *user)
{
	struct sj__sent_record record;

	for (uint16_t i = 0; i < packet->record_count; i++) {
		record = *record_at(recovery, packet->first_record + i);
		settled(user, &record, delivered);
	}
}

/* Forgets settled packets at the low end. */
static void
advance_base(struct sj__recovery *recovery)
{
	struct sj__sent_packet *packet;

	while (recovery->base < recovery->next) {
		packet = packet_at(recovery, recovery->base);
		/* A skipped number is kept until a later one is settled, so
		 * that acknowledging it is noticed. */
		if (packet->state == SENT_IN_FLIGHT ||
		    (packet->state == SENT_SKIPPED &&
		    (!recovery->has_acked ||
		    recovery->largest_acked < recovery->base + 64)))
			return;
		recovery->record_base = packet->first_record +
		    packet->record_count;
		recovery->base++;
	}
	recovery->record_base = recovery->record_next;
}

static void
settle_counts(struct sj__recovery *recovery, struct sj__sent_packet *packet)
{
	packet->state = SENT_SETTLED;
	if (packet->is_eliciting)
		recovery->eliciting_in_flight--;
}

int
sj__recovery_ack_begin(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, const struct sj__ack *ack)
{
	struct sj__sent_packet *packet;

	if (ack->largest >= recovery->next)
		return SJ_ERR_PROTOCOL;
	memset(&recovery->acked, 0, sizeof recovery->acked);
	recovery->newly_acked = false;
	recovery->newly_marked = 0;
	recovery->has_ecn = ack->has_ecn;
	if (ack->has_ecn)
		recovery->marked_reported = max_u64(recovery->marked_reported,
		    ack->ect0 + ack->ce);
	recovery->ack_delay_ns = min_u64(ack->delay_ns, recovery->peer_delay_ns);
	if (ack->largest >= recovery->base) {
		packet = packet_at(recovery, ack->largest);
		if (packet->state == SENT_IN_FLIGHT && packet->is_eliciting &&
		    packet->generation == recovery->generation) {
			recovery->acked.rtt_ns =
			    max_u64(now_ns - packet->sent_ns, 1);
			sj__path_on_rtt(path, recovery->acked.rtt_ns,
			    recovery->ack_delay_ns, now_ns);
		}
		if (ack->has_ecn && ack->ce > recovery->ce_seen) {
			recovery->ce_seen = ack->ce;
			if (packet->state == SENT_IN_FLIGHT &&
			    packet->generation == recovery->generation)
				sj__path_on_congestion(path, now_ns,
				    packet->sent_ns);
		}
	}
	if (!recovery->has_acked || ack->largest > recovery->largest_acked)
		recovery->largest_acked = ack->largest;
	recovery->has_acked = true;
	return 0;
}

int
sj__recovery_ack_range(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, uint64_t from, uint64_t to, sj__settled *settled,
    void *user)
{
	struct sj__sent_packet *packet;

	(void)now_ns;
	for (uint64_t i = max_u64(from, recovery->base); i <= to; i++) {
		packet = packet_at(recovery, i);
		if (packet->state == SENT_SKIPPED) {
			/* There is no end of this one, yet others may use the
			 * path: what is settled is no longer in flight. */
			sj__path_on_gone(path, recovery->acked.bytes);
			recovery->acked.bytes = 0;
			return SJ_ERR_PROTOCOL; /* [SJ-PK-6] */
		}
		if (packet->state != SENT_IN_FLIGHT)
			continue;
		recovery->newly_acked |= packet->is_eliciting;
		if (packet->generation == recovery->generation &&
		    !packet->is_mtu_probe)
			sj__path_mtu_passed(path, packet->bytes,
			    packet->sent_ns);
		recovery->newly_marked += packet->is_marked &&
		    packet->generation == recovery->generation;
		if (packet->is_counted &&
		    packet->generation == recovery->generation) {
			recovery->acked.bytes += packet->bytes;
			recovery->acked.is_limited |= packet->is_limited;
			recovery->acked.sent_ns = max_u64(
			    recovery->acked.sent_ns, packet->sent_ns);
			recovery->acked.sent_total = max_u64(
			    recovery->acked.sent_total, packet->sent_total);
		}
		settle_counts(recovery, packet);
		report(recovery, packet, true, settled, user);
	}
	return 0;
}

static uint64_t
loss_delay_ns(const struct sj__path *path)
{
	uint64_t rtt_ns = max_u64(path->latest_ns, path->smoothed_ns);

	return max_u64(rtt_ns + rtt_ns / 8, GRANULARITY_NS);
}

static void
size_may_be_why(const struct sj__recovery *recovery, struct sj__path *path,
    const struct sj__sent_packet *packet)
{
	if (packet->generation == recovery->generation)
		sj__path_mtu_lost(path, packet->bytes, packet->sent_ns);
}

/* RFC 9002 section 6.1: by number and by time. */
static void
detect_losses(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, sj__settled *settled, void *user)
{
	uint64_t delay_ns = loss_delay_ns(path), newest_ns = 0, gone = 0;
	uint64_t run_ns = NEVER_NS, longest_ns = 0;     /* of losses alone */
	struct sj__sent_packet *packet;

	recovery->loss_ns = 0;
	if (!recovery->has_acked)
		return;
	for (uint64_t i = recovery->base;
	    i < recovery->next && i <= recovery->largest_acked; i++) {
		packet = packet_at(recovery, i);
		if (packet->state == SENT_SETTLED)
			run_ns = NEVER_NS;
		if (packet->state != SENT_IN_FLIGHT)
			continue;
		if (i + PACKET_THRESHOLD > recovery->largest_acked &&
		    packet->sent_ns + delay_ns > now_ns) {
			if (recovery->loss_ns == 0)
				recovery->loss_ns = packet->sent_ns + delay_ns;
			continue;
		}
		settle_counts(recovery, packet);
		if (packet->is_counted &&
		    packet->generation == recovery->generation)
			gone += packet->bytes;
		if (packet->is_eliciting && !packet->is_mtu_probe) {
			recovery->lost_count++;
			size_may_be_why(recovery, path, packet);
			newest_ns = max_u64(newest_ns, packet->sent_ns);
			run_ns = min_u64(run_ns, packet->sent_ns);
			longest_ns = max_u64(longest_ns,
			    packet->sent_ns - run_ns);
		}
		report(recovery, packet, false, settled, user);
	}
	if (gone > 0) {
		sj__path_on_gone(path, gone);
		sj__path_on_congestion(path, now_ns, newest_ns);
		/* RFC 9002 section 7.6.2: nothing in between got through. */
		if (path->has_rtt && longest_ns > PERSISTENT_TIMEOUTS *
		    sj__recovery_probe_timeout_ns(recovery, path))
			sj__path_on_persistent(path);
	}
}

/* [SJ-PA-7] RFC 9000 section 13.4.2: does the path leave the mark alone? Totals, since
 * acknowledgements overtake each other. */
static void
validate_ecn(struct sj__recovery *recovery, struct sj__path *path)
{
	if (recovery->newly_marked == 0)
		return;
	recovery->marked_acked += recovery->newly_marked;
	if (!recovery->has_ecn ||
	    recovery->marked_acked > recovery->marked_reported)
		path->ecn = ECN_FAILED;
	else if (path->ecn == ECN_TESTING)
		path->ecn = ECN_CAPABLE;
}

int
sj__recovery_ack_end(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, sj__settled *settled, void *user)
{
	if (recovery->acked.bytes > 0)
		sj__path_on_acked(path, now_ns, &recovery->acked);
	validate_ecn(recovery, path);
	if (recovery->newly_acked)
		recovery->probe_count = 0;
	detect_losses(recovery, path, now_ns, settled, user);
	advance_base(recovery);
	return 0;
}

/* --- Timers ------------------------------------------------------------ */

uint64_t
sj__recovery_probe_timeout_ns(const struct sj__recovery *recovery,
    const struct sj__path *path)
{
	return sj__path_probe_timeout_ns(path) + recovery->peer_delay_ns;
}

uint64_t
sj__recovery_deadline_ns(const struct sj__recovery *recovery,
    const struct sj__path *path)
{
	unsigned backoff = recovery->probe_count < PROBE_BACKOFF_MAX ?
	    recovery->probe_count : PROBE_BACKOFF_MAX;
	uint64_t timeout_ns;

	if (recovery->loss_ns != 0)
		return recovery->loss_ns;
	if (recovery->eliciting_in_flight == 0)
		return NEVER_NS;
	timeout_ns = sj__recovery_probe_timeout_ns(recovery, path);
	return recovery->last_eliciting_ns + max_u64(timeout_ns,
	    min_u64(timeout_ns << backoff, PROBE_INTERVAL_MAX_NS));
}

/* Everything in flight is lost. */
static void
give_up_flight(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, sj__settled *settled, void *user)
{
	struct sj__sent_packet *packet;
	uint64_t gone = 0, newest_ns = 0;

	for (uint64_t i = recovery->base; i < recovery->next; i++) {
		packet = packet_at(recovery, i);
		if (packet->state != SENT_IN_FLIGHT)
			continue;
		if (packet->is_counted &&
		    packet->generation == recovery->generation) {
			gone += packet->bytes;
			newest_ns = max_u64(newest_ns, packet->sent_ns);
		}
		recovery->lost_count += packet->is_eliciting &&
		    !packet->is_mtu_probe;
		settle_counts(recovery, packet);
		report(recovery, packet, false, settled, user);
	}
	if (gone > 0) {
		sj__path_on_gone(path, gone);
		/* The threshold falls too, or slow start would know no end. */
		sj__path_on_congestion(path, now_ns, newest_ns);
		sj__path_on_persistent(path);
	}
	advance_base(recovery);
}

unsigned
sj__recovery_on_timeout(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, sj__settled *settled, void *user)
{
	struct sj__sent_packet *packet;

	if (recovery->loss_ns != 0) {
		recovery->newly_acked = false;
		detect_losses(recovery, path, now_ns, settled, user);
		advance_base(recovery);
		return 0;
	}
	if (recovery->eliciting_in_flight == 0)
		return 0;
	recovery->probe_count++;
	recovery->last_eliciting_ns = now_ns;   /* the next one counts from here */
	if (recovery->probe_count >= PROBES_UNTIL_GONE) {
		/* Maybe the mark is what does not pass. */
		if (path->ecn == ECN_TESTING)
			path->ecn = ECN_FAILED;
		give_up_flight(recovery, path, now_ns, settled, user);
		return 2;
	}
	/* What the oldest packet carried goes into the probes: it is reported
	 * as lost, its bytes stay in flight until the verdict. */
	for (uint64_t i = recovery->base; i < recovery->next; i++) {
		packet = packet_at(recovery, i);
		if (packet->state != SENT_IN_FLIGHT || !packet->is_eliciting ||
		    packet->record_count == 0 || packet->is_mtu_probe)
			continue;
		report(recovery, packet, false, settled, user);
		break;
	}
	return recovery->probe_count == 1 ? 1 : 2;
}

unsigned
sj__recovery_probes(const struct sj__recovery *recovery)
{
	return recovery->probe_count;
}

bool
sj__recovery_is_cut_off(const struct sj__recovery *recovery)
{
	return recovery->probe_count >= PROBES_UNTIL_GONE;
}

void
sj__recovery_on_heard(struct sj__recovery *recovery)
{
	recovery->probe_count = recovery->probe_count < PROBES_UNTIL_GONE ?
	    recovery->probe_count : PROBES_UNTIL_GONE - 1;
}

void
sj__recovery_set_peer_delay(struct sj__recovery *recovery, uint64_t delay_ns)
{
	recovery->peer_delay_ns = delay_ns;
}

uint64_t
sj__recovery_lost(const struct sj__recovery *recovery)
{
	return recovery->lost_count;
}

/* --- Paths ------------------------------------------------------------- */

static uint64_t
bytes_in_flight(const struct sj__recovery *recovery)
{
	const struct sj__sent_packet *packet;
	uint64_t bytes = 0;

	for (uint64_t i = recovery->base; i < recovery->next; i++) {
		packet = packet_at(recovery, i);
		if (packet->state == SENT_IN_FLIGHT && packet->is_counted &&
		    packet->generation == recovery->generation)
			bytes += packet->bytes;
	}
	return bytes;
}

void
sj__recovery_leave_path(struct sj__recovery *recovery, struct sj__path *path)
{
	sj__path_on_gone(path, bytes_in_flight(recovery));
	recovery->generation++;
	/* What marks the old path lost is not held against the next. */
	recovery->marked_acked = recovery->marked_reported;
}

void
sj__recovery_enter_path(struct sj__recovery *recovery)
{
	recovery->probe_count = 0;
}

void
sj__recovery_move_path(struct sj__recovery *recovery, struct sj__path *from,
    struct sj__path *to)
{
	uint64_t bytes = bytes_in_flight(recovery);

	sj__path_on_gone(from, bytes);
	to->in_flight += bytes;
}
