/* SPDX-License-Identifier: ISC */
/*
 * link.h - one direction of a link, without I/O and without a clock
 *
 *     arrival -> black hole, loss, mark, copy -> queue -> rate or trace
 *         -> delay, jitter, held back -> due
 *
 * Time is an argument and never goes back. When a packet leaves follows from when
 * packets arrived, not from when the link was asked: asked late, it gives what is
 * due with the time it was due at.
 *
 * All chance comes from the seed, and each kind has a sequence of its own, one
 * number for each packet that arrives: the n-th packet is lost or not, whatever
 * its time and whatever else the link does. Jitter depends on time instead.
 *
 * The simulator (src/sim/link.c) has links of its own. It decides the fate of a
 * datagram in the call that sends it, which neither CoDel nor a trace can; and
 * its chances come from one sequence that all seeds found so far depend on. The
 * two share the generator.
 */
#ifndef NETLAB_LINK_H
#define NETLAB_LINK_H

#include "queue.h"

/* What an opportunity of a trace carries, as in mahimahi: at 12 Mbit/s there is
 * one each millisecond. */
#define LINK_OPPORTUNITY ((size_t)1500)

/* When packets may leave: in order, from the start of the link on, and again
 * from the last one on (mahimahi's format, in nanoseconds). */
struct link_trace {
	uint64_t *at_ns;             /* ascending; the last is above 0 */
	size_t count;
};

/* Chances are 0 to 1, of packets. */
struct link_config {
	uint64_t rate_bits_s;        /* 0: no limit */
	struct link_trace trace;     /* in place of the rate; count 0: none */
	uint64_t delay_ns;
	uint64_t jitter_ns;          /* up to so much more; keeps the order */
	double loss;
	double burst_begin, burst_end;  /* chance that a burst of losses begins before a packet, and that it ends */
	double duplicate;
	double mark;                 /* CE on what may be marked */
	double hold;                 /* held back for hold_ns: others overtake it */
	uint64_t hold_ns;
	size_t length_max;           /* longer ones vanish; 0: none do */
	struct queue_config queue;
	uint64_t seed;
};

struct link_stats {
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	uint64_t lost, vanished, duplicated, marked;
	uint64_t reordered;          /* came out after one that had come later */
};

struct link {
	struct link_config config;
	struct link_stats stats;
	struct queue queue;
	/* the states of the generator, one for each kind of chance */
	uint64_t chance_loss, chance_burst, chance_duplicate, chance_mark;
	uint64_t chance_hold, chance_jitter;
	bool in_burst;
	uint64_t now_ns, sequence, sequence_out;
	/* rate: until when it is busy, and the part of a nanosecond beyond */
	uint64_t free_ns, fraction;
	/* trace: when it began anew, which opportunity is next, and the packet
	 * of which so much has not left yet */
	uint64_t cycle_ns;
	size_t opportunity, leaving_left;
	struct link_packet *leaving;
	struct link_packet **flying; /* a heap by due_ns, then sequence */
	size_t flying_count, flying_capacity;
};

/* The trace stays the caller's and has to stay there. */
void link_init(struct link *link, const struct link_config *config,
    uint64_t now_ns);
void link_fini(struct link *link);
/* Takes the packet. */
void link_arrive(struct link *link, uint64_t now_ns,
    struct link_packet *packet);
/* The next packet that is due, which is the caller's to free; or NULL. */
struct link_packet *link_take(struct link *link, uint64_t now_ns);
/* When link_take() has to be asked again; UINT64_MAX: after an arrival only. */
uint64_t link_next_ns(const struct link *link);

#endif
