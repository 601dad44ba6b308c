/* SPDX-License-Identifier: ISC */
/* queue.c - see queue.h; CoDel as the pseudocode of RFC 8289, section 5 */
#include "queue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGET UINT64_C(5000000)
#define INTERVAL UINT64_C(100000000)

struct link_packet *
link_packet(size_t capacity)
{
	struct link_packet *packet = malloc(sizeof *packet + capacity);

	if (packet == NULL) {
		fprintf(stderr, "netlab: out of memory\n");
		exit(125);
	}
	*packet = (struct link_packet){ .length = capacity };
	return packet;
}

void
queue_init(struct queue *queue, const struct queue_config *config)
{
	*queue = (struct queue){ .config = *config };
	queue->end = &queue->first;
}

static struct link_packet *
pop(struct queue *queue)
{
	struct link_packet *packet = queue->first;

	if (packet == NULL)
		return NULL;
	queue->first = packet->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	packet->next = NULL;
	queue->bytes -= packet->length;
	queue->packets--;
	return packet;
}

void
queue_fini(struct queue *queue)
{
	struct link_packet *packet;

	while ((packet = pop(queue)) != NULL)
		free(packet);
}

void
queue_put(struct queue *queue, uint64_t now_ns, struct link_packet *packet)
{
	const struct queue_config *config = &queue->config;

	if ((config->bytes_max > 0 &&
	    queue->bytes + packet->length > config->bytes_max) ||
	    (config->packets_max > 0 &&
	    queue->packets + 1 > config->packets_max)) {
		queue->stats.full++;
		free(packet);
		return;
	}
	packet->arrived_ns = now_ns;
	packet->next = NULL;
	*queue->end = packet;
	queue->end = &packet->next;
	queue->bytes += packet->length;
	queue->packets++;
	if (queue->bytes > queue->stats.bytes_max)
		queue->stats.bytes_max = queue->bytes;
}

/* --- CoDel ----------------------------------------------------------------- */

static uint64_t
control_law(uint64_t time_ns, uint32_t count)
{
	return time_ns + (uint64_t)((double)INTERVAL / sqrt((double)count));
}

/* The next packet, and whether the queue has stood for too long. */
static struct link_packet *
dodequeue(struct queue *queue, uint64_t now_ns, bool *ok_to_drop)
{
	struct link_packet *packet = pop(queue);

	*ok_to_drop = false;
	if (packet == NULL || now_ns - packet->arrived_ns < TARGET ||
	    queue->bytes <= queue->config.mtu)
		queue->first_above_time = 0;
	else if (queue->first_above_time == 0)
		queue->first_above_time = now_ns + INTERVAL;
	else
		*ok_to_drop = now_ns >= queue->first_above_time;
	return packet;
}

/* True: it is marked and goes on. False: it is gone. */
static bool
mark_or_drop(struct queue *queue, struct link_packet *packet)
{
	if (queue->config.ecn && packet->is_ect) {
		packet->is_marked = true;
		queue->stats.aqm_marked++;
		return true;
	}
	queue->stats.aqm_dropped++;
	free(packet);
	return false;
}

static struct link_packet *
go_on_dropping(struct queue *queue, uint64_t now_ns,
    struct link_packet *packet, bool ok_to_drop)
{
	queue->dropping = ok_to_drop;
	while (queue->dropping && now_ns >= queue->drop_next) {
		queue->count++;
		if (mark_or_drop(queue, packet)) {
			queue->drop_next = control_law(queue->drop_next,
			    queue->count);
			break;
		}
		packet = dodequeue(queue, now_ns, &ok_to_drop);
		if (!ok_to_drop)
			queue->dropping = false;
		else
			queue->drop_next = control_law(queue->drop_next,
			    queue->count);
	}
	return packet;
}

static struct link_packet *
begin_dropping(struct queue *queue, uint64_t now_ns,
    struct link_packet *packet)
{
	uint32_t delta = queue->count - queue->lastcount;
	bool ok_to_drop;

	if (!mark_or_drop(queue, packet))
		packet = dodequeue(queue, now_ns, &ok_to_drop);
	queue->dropping = true;
	/* Soon after the last time it goes on at the rate that helped then. */
	queue->count = 1;
	if (delta > 1 && now_ns - queue->drop_next < 16 * INTERVAL)
		queue->count = delta;
	queue->drop_next = control_law(now_ns, queue->count);
	queue->lastcount = queue->count;
	return packet;
}

static struct link_packet *
codel(struct queue *queue, uint64_t now_ns)
{
	bool ok_to_drop;
	struct link_packet *packet = dodequeue(queue, now_ns, &ok_to_drop);

	if (queue->dropping)
		return go_on_dropping(queue, now_ns, packet, ok_to_drop);
	if (ok_to_drop)
		return begin_dropping(queue, now_ns, packet);
	return packet;
}

struct link_packet *
queue_take(struct queue *queue, uint64_t now_ns)
{
	struct link_packet *packet = queue->config.codel ?
	    codel(queue, now_ns) : pop(queue);
	uint64_t delay_ns;

	if (packet == NULL)
		return NULL;
	delay_ns = now_ns - packet->arrived_ns;
	queue->stats.taken++;
	queue->stats.delay_sum_ns += delay_ns;
	if (delay_ns > queue->stats.delay_max_ns)
		queue->stats.delay_max_ns = delay_ns;
	return packet;
}
