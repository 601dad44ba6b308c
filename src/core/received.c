/* SPDX-License-Identifier: ISC */
/*
 * received.c - the receiving half of recovery: replay window, what to
 * acknowledge and when
 *
 * The numbers received are a set of at most RECEIVED_RANGES_MAX intervals; when
 * it is full the lowest go, and everything below counts as seen: a replay
 * never gets in, at worst a very late packet is lost.
 */
#include "core/recovery.h"

uint64_t
sj__recovery_expected_number(const struct sj__recovery *recovery)
{
	const struct sj__range_set *received = &recovery->received;

	return received->count > 0 ?
	    max_u64(received->ranges[received->count - 1].to, recovery->floor) :
	    recovery->floor;
}

bool
sj__recovery_is_duplicate(const struct sj__recovery *recovery, uint64_t number)
{
	return number < recovery->floor ||
	    sj__range_contains(&recovery->received, number);
}

static void
count_ecn(struct sj__recovery *recovery, enum sj_ecn ecn)
{
	recovery->ect0 += ecn == SJ_ECN_ECT0;
	recovery->ect1 += ecn == SJ_ECN_ECT1;
	recovery->ce += ecn == SJ_ECN_CE;
}

void
sj__recovery_set_rtt(struct sj__recovery *recovery, uint64_t rtt_ns)
{
	recovery->rtt_ns = rtt_ns;
}

/* [SJ-PA-13] The last round trip says how many packets one acknowledgement may
 * stand for in the next one. */
static void
count_round(struct sj__recovery *recovery, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - recovery->round_ns, a_round;

	recovery->round_count++;
	if (recovery->rtt_ns == 0 || elapsed_ns < recovery->rtt_ns)
		return;
	a_round = recovery->round_count * (recovery->rtt_ns / 1000 + 1) /
	    (elapsed_ns / 1000 + 1);
	recovery->ack_every = (unsigned)max_u64(ACK_EVERY,
	    min_u64(a_round / ACKS_A_ROUND, ACK_EVERY_MAX));
	recovery->round_ns = now_ns;
	recovery->round_count = 0;
}

/* RFC 9000 section 13.2.1: at once what is out of order, or marked, else after
 * some packets, within the delay promised; with many, within a part of a round
 * trip. */
static void
plan_ack(struct sj__recovery *recovery, uint64_t now_ns, bool is_odd)
{
	unsigned every;

	if (is_odd)
		recovery->ack_hurry = ACK_HURRY;
	else if (recovery->ack_hurry > 0)
		recovery->ack_hurry--;
	every = recovery->ack_hurry > 0 ? ACK_EVERY : recovery->ack_every;
	if (is_odd || ++recovery->unacked_eliciting >= every)
		recovery->ack_is_due = true;
	else if (recovery->ack_deadline_ns == NEVER_NS)
		recovery->ack_deadline_ns = now_ns + (every == ACK_EVERY ?
		    ACK_DELAY_NS : min_u64(ACK_DELAY_NS,
		    max_u64(recovery->rtt_ns / 4, GRANULARITY_NS)));
}

int
sj__recovery_on_received(struct sj__recovery *recovery, uint64_t number,
    uint64_t now_ns, bool is_eliciting, enum sj_ecn ecn)
{
	struct sj__range_set *received = &recovery->received;
	uint64_t expected = sj__recovery_expected_number(recovery);

	if (received->count >= RECEIVED_RANGES_MAX) {
		recovery->floor = received->ranges[0].to;
		sj__range_remove_below(received, recovery->floor);
	}
	SJ_TRY(sj__range_add(received, recovery->memory, number, number + 1,
	    RECEIVED_RANGES_MAX + 1));
	if (number >= expected)
		recovery->largest_received_ns = now_ns;
	count_ecn(recovery, ecn);
	recovery->has_ack = true;
	if (!is_eliciting)
		return 0;
	count_round(recovery, now_ns);
	plan_ack(recovery, now_ns, number != expected || ecn == SJ_ECN_CE);
	return 0;
}

bool
sj__recovery_has_ack(const struct sj__recovery *recovery)
{
	return recovery->has_ack && recovery->received.count > 0;
}

bool
sj__recovery_ack_is_due(const struct sj__recovery *recovery, uint64_t now_ns)
{
	return recovery->ack_is_due || recovery->ack_deadline_ns <= now_ns;
}

uint64_t
sj__recovery_ack_deadline_ns(const struct sj__recovery *recovery)
{
	return recovery->ack_is_due ? NEVER_NS : recovery->ack_deadline_ns;
}

size_t
sj__recovery_ack_to_send(const struct sj__recovery *recovery, uint64_t now_ns,
    struct sj__range *ranges, size_t count_max, struct sj__ack_to_send *ack)
{
	const struct sj__range_set *received = &recovery->received;
	size_t count = min_size(received->count, count_max);

	for (size_t i = 0; i < count; i++)
		ranges[i] = received->ranges[received->count - 1 - i];
	ack->delay_ns = now_ns - recovery->largest_received_ns;
	ack->ect0 = recovery->ect0;
	ack->ect1 = recovery->ect1;
	ack->ce = recovery->ce;
	ack->has_ecn = ack->ect0 + ack->ect1 + ack->ce > 0;
	return count;
}

void
sj__recovery_ack_sent(struct sj__recovery *recovery)
{
	recovery->has_ack = false;
	recovery->ack_is_due = false;
	recovery->unacked_eliciting = 0;
	recovery->ack_deadline_ns = NEVER_NS;
}

void
sj__recovery_forget_received(struct sj__recovery *recovery, uint64_t largest)
{
	struct sj__range_set *received = &recovery->received;

	/* The topmost interval stays: it says what is expected next. */
	if (received->count < 2 || largest + 1 <= recovery->floor)
		return;
	largest = min_u64(largest + 1,
	    received->ranges[received->count - 1].from);
	/* A hole right below may still be filled by a late packet; keep it. */
	if (largest < 1024)
		return;
	recovery->floor = max_u64(recovery->floor, largest - 1024);
	sj__range_remove_below(received, recovery->floor);
}
