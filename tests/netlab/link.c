/* SPDX-License-Identifier: ISC */
/* link.c - see link.h */
#include "link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/random.h"

#define NS_PER_S UINT64_C(1000000000)

/* --- Chance ---------------------------------------------------------------- */

/* 0 to below 1 */
static double
fraction(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

static uint64_t
sequence_of(uint64_t seed, uint64_t kind)
{
	uint64_t state = seed;

	state = random_next(&state) + kind;
	return random_next(&state);
}

/* Lost by itself, or in a burst (Gilbert's model: all of a burst is). Both are
 * asked for each packet, so that neither changes the other. */
static bool
is_lost(struct link *link)
{
	const struct link_config *config = &link->config;
	double draw = fraction(&link->chance_burst);

	if (link->in_burst)
		link->in_burst = draw >= config->burst_end;
	else
		link->in_burst = draw < config->burst_begin;
	return (fraction(&link->chance_loss) < config->loss) | link->in_burst;
}

/* Jitter is a line through a random height every two jitters: it falls by at most
 * half a second per second, so that no packet overtakes another, however many
 * there are. */
static uint64_t
jitter_ns(const struct link *link, uint64_t at_ns)
{
	uint64_t step_ns = 2 * link->config.jitter_ns, state;
	double before, after, part;

	if (step_ns == 0)
		return 0;
	/* The k-th of the sequence, which counts up by itself. */
	state = link->chance_jitter +
	    at_ns / step_ns * UINT64_C(0x9e3779b97f4a7c15);
	before = fraction(&state);
	after = fraction(&state);
	part = (double)(at_ns % step_ns) / (double)step_ns;
	return (uint64_t)((before + (after - before) * part) *
	    (double)link->config.jitter_ns);
}

/* --- Under way ------------------------------------------------------------- */

static bool
is_before(const struct link_packet *a, const struct link_packet *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns :
	    a->sequence < b->sequence;
}

static void
push(struct link *link, struct link_packet *packet)
{
	struct link_packet **heap;
	size_t at = link->flying_count++;

	if (at == link->flying_capacity) {
		link->flying_capacity = at == 0 ? 1024 : 2 * at;
		heap = realloc(link->flying,
		    link->flying_capacity * sizeof(struct link_packet *));
		if (heap == NULL) {
			fprintf(stderr, "netlab: out of memory\n");
			exit(125);
		}
		link->flying = heap;
	}
	heap = link->flying;
	for (; at > 0 && is_before(packet, heap[(at - 1) / 2]);
	    at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = packet;
}

static struct link_packet *
pop_first(struct link *link)
{
	struct link_packet **heap = link->flying;
	struct link_packet *first = heap[0];
	struct link_packet *last = heap[--link->flying_count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < link->flying_count) {
		if (child + 1 < link->flying_count &&
		    is_before(heap[child + 1], heap[child]))
			child++;
		if (!is_before(heap[child], last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return first;
}

/* It has left the queue and all its bits are on the way. */
static void
fly(struct link *link, struct link_packet *packet, uint64_t sent_ns)
{
	/* due_ns said until now how long it is to be held back. */
	packet->due_ns += sent_ns + link->config.delay_ns +
	    jitter_ns(link, sent_ns);
	push(link, packet);
}

/* --- The bottleneck -------------------------------------------------------- */

/* All that begins to leave until now. */
static void
send_at_rate(struct link *link, uint64_t now_ns)
{
	uint64_t rate = link->config.rate_bits_s, part;
	struct link_packet *packet;

	while (link->queue.first != NULL && link->free_ns <= now_ns) {
		if (link->free_ns < link->queue.first->arrived_ns) {
			link->free_ns = link->queue.first->arrived_ns;
			link->fraction = 0;
		}
		packet = queue_take(&link->queue, link->free_ns);
		if (packet == NULL)
			return;
		if (rate > 0) {
			part = packet->length * 8 * NS_PER_S + link->fraction;
			link->free_ns += part / rate;
			link->fraction = part % rate;
		}
		fly(link, packet, link->free_ns);
	}
}

static uint64_t
opportunity_ns(const struct link *link)
{
	return link->cycle_ns +
	    link->config.trace.at_ns[link->opportunity];
}

/* As much as fits into one opportunity; what does not goes on in the next. */
static void
use_opportunity(struct link *link, uint64_t at_ns)
{
	size_t room = LINK_OPPORTUNITY, part;

	while (room > 0) {
		if (link->leaving == NULL) {
			link->leaving = queue_take(&link->queue, at_ns);
			if (link->leaving == NULL)
				return;
			link->leaving_left = link->leaving->length;
		}
		part = link->leaving_left < room ? link->leaving_left : room;
		room -= part;
		link->leaving_left -= part;
		if (link->leaving_left > 0)
			return;
		fly(link, link->leaving, at_ns);
		link->leaving = NULL;
	}
}

static void
send_by_trace(struct link *link, uint64_t now_ns)
{
	const struct link_trace *trace = &link->config.trace;

	for (uint64_t at_ns; (at_ns = opportunity_ns(link)) <= now_ns;) {
		use_opportunity(link, at_ns);
		if (++link->opportunity == trace->count) {
			link->cycle_ns += trace->at_ns[trace->count - 1];
			link->opportunity = 0;
		}
	}
}

static void
advance(struct link *link, uint64_t now_ns)
{
	assert(now_ns >= link->now_ns);
	link->now_ns = now_ns;
	if (link->config.trace.count > 0)
		send_by_trace(link, now_ns);
	else
		send_at_rate(link, now_ns);
}

/* --- The whole ------------------------------------------------------------- */

void
link_init(struct link *link, const struct link_config *config,
    uint64_t now_ns)
{
	uint64_t kind = 0;

	*link = (struct link){ .config = *config, .now_ns = now_ns,
	    .cycle_ns = now_ns };
	link->chance_loss = sequence_of(config->seed, kind++);
	link->chance_burst = sequence_of(config->seed, kind++);
	link->chance_duplicate = sequence_of(config->seed, kind++);
	link->chance_mark = sequence_of(config->seed, kind++);
	link->chance_hold = sequence_of(config->seed, kind++);
	link->chance_jitter = sequence_of(config->seed, kind++);
	queue_init(&link->queue, &config->queue);
}

void
link_fini(struct link *link)
{
	queue_fini(&link->queue);
	while (link->flying_count > 0)
		free(link->flying[--link->flying_count]);
	free(link->flying);
	free(link->leaving);
}

static void
enqueue(struct link *link, uint64_t now_ns, struct link_packet *packet)
{
	packet->sequence = ++link->sequence;
	queue_put(&link->queue, now_ns, packet);
}

void
link_arrive(struct link *link, uint64_t now_ns, struct link_packet *packet)
{
	const struct link_config *config = &link->config;
	struct link_packet *copy = NULL;
	bool lost = is_lost(link);
	bool duplicate = fraction(&link->chance_duplicate) < config->duplicate;
	bool mark = fraction(&link->chance_mark) < config->mark;
	bool hold = fraction(&link->chance_hold) < config->hold;

	/* First what came before: it makes room. */
	advance(link, now_ns);
	link->stats.packets_in++;
	link->stats.bytes_in += packet->length;
	if (config->length_max > 0 && packet->length > config->length_max) {
		link->stats.vanished++;
		free(packet);
		return;
	}
	if (lost) {
		link->stats.lost++;
		free(packet);
		return;
	}
	if (mark && packet->is_ect) {
		packet->is_marked = true;
		link->stats.marked++;
	}
	packet->due_ns = hold ? config->hold_ns : 0;
	if (duplicate) {
		copy = link_packet(packet->length);
		copy->is_ect = packet->is_ect;
		copy->is_marked = packet->is_marked;
		copy->due_ns = packet->due_ns;
		for (size_t i = 0; i < packet->length; i++)
			copy->bytes[i] = packet->bytes[i];
		link->stats.duplicated++;
	}
	enqueue(link, now_ns, packet);
	if (copy != NULL)
		enqueue(link, now_ns, copy);
	advance(link, now_ns);
}

struct link_packet *
link_take(struct link *link, uint64_t now_ns)
{
	struct link_packet *packet;

	advance(link, now_ns);
	if (link->flying_count == 0 || link->flying[0]->due_ns > now_ns)
		return NULL;
	packet = pop_first(link);
	link->stats.packets_out++;
	link->stats.bytes_out += packet->length;
	if (packet->sequence < link->sequence_out)
		link->stats.reordered++;
	else
		link->sequence_out = packet->sequence;
	return packet;
}

uint64_t
link_next_ns(const struct link *link)
{
	uint64_t next_ns = UINT64_MAX, sends_ns;

	if (link->flying_count > 0)
		next_ns = link->flying[0]->due_ns;
	if (link->queue.first == NULL && link->leaving == NULL)
		return next_ns;
	sends_ns = link->config.trace.count > 0 ? opportunity_ns(link) :
	    link->free_ns;
	return sends_ns < next_ns ? sends_ns : next_ns;
}
