/* SPDX-License-Identifier: ISC */
/*
 * path.h - a UDP 4-tuple: round-trip time, congestion control, pacing, ECN, and
 * the size of datagrams
 *
 * One for each 4-tuple, shared by every channel that has validated it (RFC
 * 9040); a channel that has not uses one of its own. The path knows neither
 * packet numbers nor keys: recovery tells it what was sent, acknowledged and
 * lost, in bytes and times.
 */
#ifndef SJ_CORE_PATH_H
#define SJ_CORE_PATH_H

#include "core/base.h"
#include "core/wire.h"

#define RTT_INITIAL_NS (333 * NS_PER_MS)        /* RFC 9002 section 6.2.2 */
#define GRANULARITY_NS NS_PER_MS                /* RFC 9002 section 6.1.2 */
#define WINDOW_INITIAL_PACKETS 10
#define WINDOW_INITIAL_BYTES 14720      /* RFC 9002 section 7.2 */
#define WINDOW_MIN_PACKETS 2
#define PACING_BURST_MAX 65536

struct sj__path;

/* What was acknowledged, as a controller sees it. */
struct sj__acked {
	uint64_t bytes;
	uint64_t sent_ns;               /* of the newest packet */
	uint64_t sent_total;            /* path->sent_total when it was sent */
	uint64_t rtt_ns;                /* the latest sample; 0: none */
	bool is_limited;                /* the window was in use */
};

/* A congestion controller: all state is in the path. */
struct sj__controller {
	const char *name;
	void (*init)(struct sj__path *path);
	void (*on_acked)(struct sj__path *path, uint64_t now_ns,
	    const struct sj__acked *acked);
	/* A congestion event: a loss or CE of a packet sent at sent_ns. */
	void (*on_congestion)(struct sj__path *path, uint64_t now_ns,
	    uint64_t sent_ns);
	void (*on_persistent)(struct sj__path *path);
};
extern const struct sj__controller sj__cubic;

struct sj__cubic_state {
	uint64_t maximum;               /* W_max, bytes */
	uint64_t epoch_ns;              /* start of the growth; 0: none */
	uint64_t k_ms;                  /* time to reach maximum */
	uint64_t start_window;          /* at the start of the epoch */
	uint64_t estimate;              /* W_est of the Reno-friendly region */
	uint64_t fraction;              /* bytes acked not yet turned to growth */
	/* HyStart++, RFC 9406 */
	uint64_t round_end;             /* sent_total that ends the round */
	uint64_t round_rtt_ns, last_round_rtt_ns, baseline_rtt_ns;
	unsigned round_samples, conservative_rounds;
	bool is_conservative;
};

/* The search for the largest datagram, path_mtu.c. */
struct sj__path_mtu {
	uint32_t limit;                 /* the endpoint's */
	uint32_t too_big;               /* the smallest known not to pass */
	uint32_t first_try;             /* before all others; 0: none */
	uint32_t size;                  /* of the last probe */
	unsigned tries;                 /* of that size, lost */
	bool is_wanted;                 /* packets are full */
	bool is_probing;                /* one is under way */
	uint64_t raise_ns;              /* then all is tried again */
	/* Packets above the base, lost since one came through. */
	unsigned lost;
	uint64_t lost_from_ns;          /* when the first of them was sent */
	uint64_t large_ns, small_ns;    /* when the newest that passed was */
};

/* Whether the window is in use, RFC 7661: as long as it is, it is evidence of what
 * the path carries. */
#define EVIDENCE_FRESH_NS (300 * NS_PER_S)      /* RFC 7661 section 4.4.2 */
struct sj__evidence {
	uint64_t fresh_ns;              /* up to then the path carried it */
	uint64_t limited_ns;            /* half of it or more was in flight */
	/* pipeACK: bytes acknowledged in a round trip, the most of late. */
	uint64_t round_ns, round_bytes;
	uint64_t period_ns, most, most_before;
};

enum path_ecn { ECN_TESTING, ECN_CAPABLE, ECN_FAILED };

/* [SJ-PA-9] What the channels on a way share: window, pace, round-trip time. */
struct sj__path {
	struct sj_path key;
	struct list all;
	struct list blocked;            /* channels that wait for the window */
	unsigned references;
	uint32_t mtu;                   /* bytes of UDP payload that pass */
	struct sj__path_mtu search;
	bool has_rtt;
	uint64_t latest_ns, smoothed_ns, variation_ns, minimum_ns;
	const struct sj__controller *controller;
	uint64_t window, threshold;     /* bytes; threshold: end of slow start */
	uint64_t in_flight;
	uint64_t sent_total;            /* bytes ever sent */
	uint64_t recovery_start_ns;     /* losses of older packets are one event */
	struct sj__cubic_state cubic;
	struct sj__evidence evidence;
	int64_t tokens;                 /* pacing: bytes that may go now */
	uint64_t tokens_ns;             /* when they were counted */
	enum path_ecn ecn;
};

void sj__path_init(struct sj__path *path, const struct sj_path *key,
    uint32_t mtu);
/* A round-trip time sample; delay: what the peer held the ack back. */
void sj__path_on_rtt(struct sj__path *path, uint64_t sample_ns,
    uint64_t delay_ns, uint64_t now_ns);
uint64_t sj__path_rtt_ns(const struct sj__path *path);
uint64_t sj__path_window_bytes(const struct sj__path *path);
uint64_t sj__path_rate_bytes_s(const struct sj__path *path);
/* PTO without the peer's delay, RFC 9002 section 6.2.1. */
uint64_t sj__path_probe_timeout_ns(const struct sj__path *path);
/* A path just validated starts from what its channel measured. */
void sj__path_merge_rtt(struct sj__path *path, const struct sj__path *from);

/* Bytes that window and pace allow now. */
uint64_t sj__path_can_send(const struct sj__path *path, uint64_t now_ns);
/* When the pace allows a packet; NEVER_NS: the window does not. */
uint64_t sj__path_next_send_ns(const struct sj__path *path, uint64_t now_ns);
void sj__path_on_sent(struct sj__path *path, uint64_t now_ns, uint64_t bytes);
void sj__path_on_acked(struct sj__path *path, uint64_t now_ns,
    const struct sj__acked *acked);
/* bytes left the network unacknowledged; no verdict on congestion. */
void sj__path_on_gone(struct sj__path *path, uint64_t bytes);
void sj__path_on_congestion(struct sj__path *path, uint64_t now_ns,
    uint64_t sent_ns);
void sj__path_on_persistent(struct sj__path *path);

/* [SJ-PA-10] The size of datagrams, path_mtu.c. limit: of the endpoint. */
void sj__path_mtu_init(struct sj__path *path, uint32_t limit);
/* A packet was full: a larger one would have served. */
void sj__path_mtu_filled(struct sj__path *path);
/* The size of a probe that is to go now, at most so much; 0: none is. */
uint32_t sj__path_mtu_next(const struct sj__path *path, uint64_t now_ns,
    uint32_t most);
/* A probe went; what became of it, or that nobody will ever say. */
void sj__path_mtu_probing(struct sj__path *path, uint64_t now_ns,
    uint32_t size);
void sj__path_mtu_probed(struct sj__path *path, uint64_t now_ns, uint32_t size,
    bool delivered);
void sj__path_mtu_forgotten(struct sj__path *path);
/* The own system does not send datagrams of that size. */
void sj__path_mtu_refused(struct sj__path *path, uint64_t now_ns,
    uint32_t size);
/* [SJ-PA-11] A packet that is no such probe came through, or did not. */
void sj__path_mtu_passed(struct sj__path *path, uint32_t size,
    uint64_t sent_ns);
void sj__path_mtu_lost(struct sj__path *path, uint32_t size, uint64_t sent_ns);

/* The mark for packets now: ECT(0) unless the path failed it. */
uint8_t sj__path_ecn(const struct sj__path *path);

#endif
