/* SPDX-License-Identifier: ISC */
/*
 * recovery.h - what was sent and what came: acknowledgement and loss
 *
 * One packet number space per channel (RFC 9002). The sender keeps, for each
 * packet in flight, the records of what was in it; each record is reported
 * once, as delivered or lost. Only the records of the packet that a probe goes
 * out for are reported as lost before that, as a request to send them again. A
 * packet is prepared, gets its records appended, and is committed or cancelled.
 *
 * Rings grow by doubling and are indexed by number: nothing is allocated for a
 * packet. Numbers that were skipped on purpose are known: acknowledging one is
 * SJ_ERR_PROTOCOL.
 */
#ifndef SJ_CORE_RECOVERY_H
#define SJ_CORE_RECOVERY_H

#include "core/path.h"
#include "core/range.h"

#define RECEIVED_RANGES_MAX 256
#define PACKET_THRESHOLD 3              /* RFC 9002 section 6.1.1 */
#define ACK_EVERY 2                     /* eliciting packets, at least */
#define ACK_EVERY_MAX 64
#define ACKS_A_ROUND 16                 /* where that is fewer */
#define ACK_HURRY 8                     /* packets after one that is odd */
#define ACK_DELAY_NS (25 * NS_PER_MS)
#define IN_FLIGHT_PACKETS_MAX (UINT64_C(1) << 22)

/* What was in a packet: a meaning only its writer knows. */
struct sj__sent_record {
	uint8_t type, flags;
	uint32_t length;
	uint64_t id, offset;
};

typedef void sj__settled(void *user, const struct sj__sent_record *record,
    bool delivered);

enum sent_state { SENT_NONE, SENT_IN_FLIGHT, SENT_SETTLED, SENT_SKIPPED };

struct sj__sent_packet {
	uint64_t sent_ns;
	uint64_t sent_total;            /* of the path, then */
	uint64_t first_record;
	uint32_t generation;            /* of the path it went on */
	uint32_t bytes;
	uint16_t record_count;
	uint8_t state;                  /* enum sent_state */
	bool is_eliciting, is_counted, is_limited, is_marked;
	bool is_mtu_probe;              /* its loss says nothing of congestion */
};

struct sj__ack {
	uint64_t largest, delay_ns;
	uint64_t ect0, ect1, ce;
	bool has_ecn;
};

struct sj__ack_to_send {
	uint64_t delay_ns, ect0, ect1, ce;
	bool has_ecn;
};

struct sj__recovery {
	struct sj__memory *memory;
	/* sent */
	struct sj__sent_packet *packets;
	size_t packet_capacity;         /* power of two */
	struct sj__sent_record *records;
	size_t record_capacity;
	uint64_t base, next;            /* numbers kept: [base, next) */
	uint64_t record_base, record_next;
	uint64_t largest_acked;         /* valid if has_acked */
	uint64_t loss_ns;               /* when the earliest is lost by time; 0: none */
	uint64_t last_eliciting_ns;
	uint64_t eliciting_in_flight;
	uint64_t peer_delay_ns;
	uint64_t lost_count;
	uint64_t ce_seen;
	uint64_t marked_acked, marked_reported; /* packets sent with ECT(0) */
	unsigned probe_count;
	uint32_t generation;            /* of the path; never the same again */
	bool has_acked, is_preparing;
	/* the acknowledgement being worked on */
	struct sj__acked acked;
	bool newly_acked, has_ecn;
	uint64_t newly_marked;
	uint64_t ack_delay_ns;
	/* received */
	struct sj__range_set received;
	uint64_t floor;                 /* all below counts as received */
	uint64_t largest_received_ns;
	uint64_t ack_deadline_ns;
	unsigned unacked_eliciting;
	unsigned ack_every, ack_hurry;  /* packets; packets still to be quick with */
	uint64_t rtt_ns;                /* 0: not known */
	uint64_t round_ns, round_count; /* eliciting packets since then */
	bool ack_is_due, has_ack;
	uint64_t ect0, ect1, ce;
};

void sj__recovery_init(struct sj__recovery *recovery,
    struct sj__memory *memory);
void sj__recovery_fini(struct sj__recovery *recovery);

/* --- Sending ----------------------------------------------------------- */

uint64_t sj__recovery_next_number(const struct sj__recovery *recovery);
void sj__recovery_skip_number(struct sj__recovery *recovery);
/* Room for a packet; its number. SJ_ERR_MEMORY, SJ_ERR_LIMIT. */
int sj__recovery_prepare(struct sj__recovery *recovery, uint64_t *number);
void sj__recovery_append(struct sj__recovery *recovery,
    const struct sj__sent_record *record);
/* The packet has as many records as one may have. */
bool sj__recovery_is_full(const struct sj__recovery *recovery);
/* The packet being prepared tries out a size. [SJ-PA-10] */
void sj__recovery_mark_mtu_probe(struct sj__recovery *recovery);
void sj__recovery_cancel(struct sj__recovery *recovery);
/* Only counted packets take from the window of the path: all that ask for an
 * acknowledgement but probes, as those of a dead peer would stop the others on
 * the path. */
int sj__recovery_commit(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, size_t bytes, bool is_eliciting, bool is_counted);

/* An acknowledgement: begin, each range (both ends included), end. */
int sj__recovery_ack_begin(struct sj__recovery *recovery,
    struct sj__path *path, uint64_t now_ns, const struct sj__ack *ack);
int sj__recovery_ack_range(struct sj__recovery *recovery,
    struct sj__path *path, uint64_t now_ns, uint64_t from, uint64_t to,
    sj__settled *settled, void *user);
int sj__recovery_ack_end(struct sj__recovery *recovery, struct sj__path *path,
    uint64_t now_ns, sj__settled *settled, void *user);

/* Loss timer or probe timeout, RFC 9002 section 6.2; NEVER_NS: none. */
uint64_t sj__recovery_deadline_ns(const struct sj__recovery *recovery,
    const struct sj__path *path);
/* How many probes to send. */
unsigned sj__recovery_on_timeout(struct sj__recovery *recovery,
    struct sj__path *path, uint64_t now_ns, sj__settled *settled, void *user);
uint64_t sj__recovery_probe_timeout_ns(const struct sj__recovery *recovery,
    const struct sj__path *path);
/* Probes without an answer so far. */
unsigned sj__recovery_probes(const struct sj__recovery *recovery);
/* Nothing was heard for so long that only probes go, which take from nobody's
 * window. */
bool sj__recovery_is_cut_off(const struct sj__recovery *recovery);
/* The peer is there, whatever it acknowledged: probe again soon. */
void sj__recovery_on_heard(struct sj__recovery *recovery);
void sj__recovery_set_peer_delay(struct sj__recovery *recovery,
    uint64_t delay_ns);
uint64_t sj__recovery_lost(const struct sj__recovery *recovery);

/* The channel leaves a path: what is in flight there no longer counts. */
void sj__recovery_leave_path(struct sj__recovery *recovery,
    struct sj__path *path);
void sj__recovery_enter_path(struct sj__recovery *recovery);
/* The same path under another object: in flight moves along. */
void sj__recovery_move_path(struct sj__recovery *recovery,
    struct sj__path *from, struct sj__path *to);

/* --- Receiving --------------------------------------------------------- */

/* One more than the largest number received. */
uint64_t sj__recovery_expected_number(const struct sj__recovery *recovery);
bool sj__recovery_is_duplicate(const struct sj__recovery *recovery,
    uint64_t number);
/* How long a round trip takes: acknowledgements are thinned out by it. */
void sj__recovery_set_rtt(struct sj__recovery *recovery, uint64_t rtt_ns);
int sj__recovery_on_received(struct sj__recovery *recovery, uint64_t number,
    uint64_t now_ns, bool is_eliciting, enum sj_ecn ecn);
bool sj__recovery_has_ack(const struct sj__recovery *recovery);
bool sj__recovery_ack_is_due(const struct sj__recovery *recovery,
    uint64_t now_ns);
uint64_t sj__recovery_ack_deadline_ns(const struct sj__recovery *recovery);
/* What to acknowledge, the largest first; the count. */
size_t sj__recovery_ack_to_send(const struct sj__recovery *recovery,
    uint64_t now_ns, struct sj__range *ranges, size_t count_max,
    struct sj__ack_to_send *ack);
void sj__recovery_ack_sent(struct sj__recovery *recovery);
/* The peer knows that all up to largest were received: no need to say so
 * again. */
void sj__recovery_forget_received(struct sj__recovery *recovery,
    uint64_t largest);

#endif
