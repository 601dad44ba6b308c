/* SPDX-License-Identifier: ISC */
/*
 * queue.h - what waits in front of a link: droptail, or CoDel (RFC 8289)
 *
 * Packets go in at its end until a limit is reached, and come out at its front
 * in order. CoDel looks at how long each has waited when it comes out, and
 * drops it, or marks it, when for 100 ms none has waited less than 5 ms. Time
 * is an argument and never goes back.
 */
#ifndef NETLAB_QUEUE_H
#define NETLAB_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_packet {
	struct link_packet *next;
	uint64_t sequence;           /* of those that came to the queue */
	uint64_t arrived_ns, due_ns;
	size_t length;
	bool is_ect;                 /* may be marked instead of dropped */
	bool is_marked;              /* has to leave with CE */
	uint8_t bytes[];
};

/* With room for so many bytes; freed by free(). Ends the process where there is
 * no memory. */
struct link_packet *link_packet(size_t capacity);

struct queue_config {
	size_t bytes_max, packets_max;  /* 0: no limit of this kind */
	size_t mtu;                     /* CoDel lets the last packet be */
	bool codel;
	bool ecn;                       /* CoDel marks what may be marked */
};

struct queue_stats {
	uint64_t full, aqm_dropped, aqm_marked;
	uint64_t taken;                      /* came out */
	uint64_t delay_sum_ns, delay_max_ns; /* of those, from arrival on */
	size_t bytes_max;                    /* most that waited */
};

struct queue {
	struct queue_config config;
	struct queue_stats stats;
	struct link_packet *first, **end;
	size_t bytes, packets;
	/* RFC 8289, section 5: the names are the RFC's. */
	uint64_t first_above_time, drop_next;
	uint32_t count, lastcount;
	bool dropping;
};

void queue_init(struct queue *queue, const struct queue_config *config);
void queue_fini(struct queue *queue);
/* Takes the packet; frees it if there is no room. */
void queue_put(struct queue *queue, uint64_t now_ns,
    struct link_packet *packet);
/* The next one, which is the caller's; NULL: none is left. */
struct link_packet *queue_take(struct queue *queue, uint64_t now_ns);

#endif
