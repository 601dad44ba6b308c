/* SPDX-License-Identifier: ISC */
/*
 * link.c - datagrams under way
 *
 * A link has a rate and a queue in front of it; then delay and jitter. Every
 * datagram of a burst meets its own fate. Between an endpoint and its links stands
 * a NAT that may forget, and give it another port. Here too the promise about
 * strangers is kept in sight: before an address is proven, no more bytes go to it
 * than came from it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

#define NS_PER_S_ UINT64_C(1000000000)
#define QUEUE_DEFAULT ((size_t)65536)
#define ELSEWHERE SIM_PLACES_MAX        /* the place of one who repeats */

/* --- On its way ------------------------------------------------------------ */

/* Without memory there is no world any more: sj_sim_poll() says so. */
static void
fly(struct sj_sim *sim, const struct sj_sim_link *link,
    struct sim_datagram datagram, const uint8_t *bytes)
{
	struct sim_datagram *grown;
	size_t capacity;

	datagram.bytes = malloc(datagram.length);
	if (datagram.bytes == NULL) {
		sim->error = SJ_ERR_MEMORY;
		return;
	}
	memcpy(datagram.bytes, bytes, datagram.length);
	datagram.at_ns += link->delay_ns;
	if (link->jitter_ns > 0)
		datagram.at_ns += sj_sim_random(sim, link->jitter_ns);
	if (sim_chance(sim, link->reorder))
		datagram.at_ns += sj_sim_random(sim, 3 * link->delay_ns + 1);
	if (sim_chance(sim, link->corrupt))
		datagram.bytes[sj_sim_random(sim, datagram.length)] ^=
		    (uint8_t)(1u << sj_sim_random(sim, 8));
	if (sim->flying_count == sim->flying_capacity) {
		capacity = sim->flying_capacity == 0 ? 256 :
		    2 * sim->flying_capacity;
		grown = realloc(sim->flying, capacity * sizeof *grown);
		if (grown == NULL) {
			free(datagram.bytes);
			sim->error = SJ_ERR_MEMORY;
			return;
		}
		sim->flying = grown;
		sim->flying_capacity = capacity;
	}
	datagram.order = sim->order++;
	sim->flying[sim->flying_count++] = datagram;
}

/* True if the queue in front of the link is full. */
static bool
overflows(struct sj_sim *sim, struct sim_way *way, size_t length,
    uint64_t *out_ns)
{
	const struct sj_sim_link *link = &way->link;
	uint64_t now_ns = sim->now.boot_ns, backlog;

	if (way->free_ns < now_ns)
		way->free_ns = now_ns;
	*out_ns = way->free_ns;
	if (link->rate_bytes_s == 0)
		return false;
	backlog = (way->free_ns - now_ns) / 1000 * link->rate_bytes_s / 1000000;
	if (backlog > (link->queue_bytes > 0 ? link->queue_bytes :
	    QUEUE_DEFAULT))
		return true;
	way->free_ns += (uint64_t)length * NS_PER_S_ / link->rate_bytes_s;
	*out_ns = way->free_ns;
	return false;
}

static bool
is_lost(struct sj_sim *sim, struct sim_way *way, size_t length)
{
	const struct sj_sim_link *link = &way->link;

	if (link->cut ||
	    (link->datagram_max > 0 && length > link->datagram_max))
		return true;
	if (way->burst_left > 0) {
		way->burst_left--;
		return true;
	}
	if (sim_chance(sim, link->burst)) {
		way->burst_left = (unsigned)sj_sim_random(sim, 10);
		return true;
	}
	return sim_chance(sim, link->loss);
}

/* Some ways take the mark off, some do not let it pass, some use it. */
static void
mark(struct sj_sim *sim, const struct sj_sim_link *link,
    struct sim_datagram *datagram)
{
	if (datagram->ecn == SJ_ECN_NONE)
		return;
	if (link->ecn == SJ_SIM_ECN_BLEACHED)
		datagram->ecn = SJ_ECN_NONE;
	else if (link->ecn == SJ_SIM_ECN_CONGESTED && sim_chance(sim, 500))
		datagram->ecn = SJ_ECN_CE;
}

/* --- Who has an address ---------------------------------------------------- */

static struct sim_host *
find(const struct sj_sim *sim, const struct sj_address *address,
    unsigned *place)
{
	for (struct sim_host *host = sim->hosts; host != NULL;
	    host = host->next) {
		unsigned first = host->address.port;

		if (memcmp(host->address.ip, address->ip, 16) != 0 ||
		    address->port + 1u < first ||
		    address->port > first + host->place)
			continue;
		*place = address->port + 1u == first ? ELSEWHERE :
		    address->port - first;
		return host;
	}
	return NULL;
}

static struct sim_way *
find_way(const struct sj_sim *sim, const struct sim_host *from,
    const struct sim_host *to)
{
	struct sim_way *way = sim->ways;

	while (way != NULL && (way->from != from || way->to != to))
		way = way->next;
	return way;
}

/* Before an address is proven, no more goes to it than came from it. */
static void
watch_amplification(struct sj_sim *sim, const struct sim_host *from,
    struct sim_place *place, size_t length)
{
	if (!from->is_server)
		return;
	place->bytes_down += length;
	if (!place->proved && place->bytes_down > place->bytes_up)
		sim->stats.broken =
		    "more bytes to an unproven address than from it";
}

/* --- Sending --------------------------------------------------------------- */

static void
count(struct sj_sim *sim, const uint8_t *bytes, size_t length)
{
	sim->stats.datagrams++;
	sim->stats.bytes += length;
	for (size_t i = 0; i < length; i++)
		sj_sim_note(sim, bytes[i]);
}

/* Past the NAT of the sender: into the link. */
static void
send_over(struct sj_sim *sim, struct sim_way *way,
    struct sim_datagram *datagram, const uint8_t *bytes)
{
	const struct sj_sim_link *link = &way->link;

	fly(sim, link, *datagram, bytes);
	if (sim_chance(sim, link->repeat)) {
		struct sim_datagram copy = *datagram;
		uint64_t sooner_ns = link->delay_ns / 2;

		copy.path.remote.port = (uint16_t)(way->from->address.port - 1);
		copy.at_ns -= sooner_ns < copy.at_ns ? sooner_ns : copy.at_ns;
		way->from->elsewhere.bytes_up += datagram->length;
		fly(sim, link, copy, bytes);
	}
	if (sim_chance(sim, link->duplicate))
		fly(sim, link, *datagram, bytes);
}

static void
send_one(struct sj_sim *sim, struct sim_host *from,
    const struct sj_batch *batch, const uint8_t *bytes, size_t length)
{
	struct sim_datagram datagram = { .to = batch->path.remote,
	    .place = from->place, .length = length,
	    .ecn = (enum sj_ecn)batch->ecn,
	    .proves = from->places[from->place].heard };
	unsigned place = 0;
	struct sim_host *to = find(sim, &datagram.to, &place);
	struct sim_way *way;

	if (to == NULL || to == from) {
		sim->stats.nobody++;
		return;
	}
	if (place == ELSEWHERE) {
		watch_amplification(sim, from, &to->elsewhere, length);
		return;
	}
	datagram.path.transport = SJ_TRANSPORT_UDP;
	datagram.path.remote = from->address;
	datagram.path.remote.port = (uint16_t)(from->address.port +
	    from->place);
	watch_amplification(sim, from, &to->places[place], length);
	count(sim, bytes, length);
	way = find_way(sim, from, to);
	mark(sim, &way->link, &datagram);
	if (place != to->place || is_lost(sim, way, length) ||
	    (way->link.ecn == SJ_SIM_ECN_DROPPED &&
	    datagram.ecn != SJ_ECN_NONE) ||
	    overflows(sim, way, length, &datagram.at_ns))
		sim->stats.lost++;
	else
		send_over(sim, way, &datagram, bytes);
}

void
sim_send(struct sj_sim *sim, const struct sj_endpoint *endpoint,
    const struct sj_batch *batch)
{
	struct sim_host *from = sim_host(sim, endpoint);
	size_t length;

	for (size_t at = 0; at < batch->length; at += length) {
		length = batch->length - at;
		if (length > batch->segment_size)
			length = batch->segment_size;
		send_one(sim, from, batch, batch->bytes + at, length);
	}
}

/* --- Arriving -------------------------------------------------------------- */

uint64_t
sim_arrival_ns(const struct sj_sim *sim)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < sim->flying_count; i++)
		if (sim->flying[i].at_ns < next)
			next = sim->flying[i].at_ns;
	return next;
}

/* The earliest that is due; ties by order of sending. */
static bool
take_due(struct sj_sim *sim, struct sim_datagram *out)
{
	struct sim_datagram *best = NULL;

	for (size_t i = 0; i < sim->flying_count; i++) {
		struct sim_datagram *one = &sim->flying[i];

		if (one->at_ns <= sim->now.boot_ns && (best == NULL ||
		    one->at_ns < best->at_ns || (one->at_ns == best->at_ns &&
		    one->order < best->order)))
			best = one;
	}
	if (best == NULL)
		return false;
	*out = *best;
	*best = sim->flying[--sim->flying_count];
	return true;
}

/* Its sender has come so far: the address it was sent from is that much better
 * known. A copy by somebody elsewhere says nothing of its own address. */
static void
credit(struct sj_sim *sim, const struct sim_datagram *datagram)
{
	unsigned place;
	struct sim_host *from = find(sim, &datagram->path.remote, &place);

	if (from == NULL)
		return;
	if (place != ELSEWHERE)
		from->places[place].bytes_up += datagram->length;
	from->places[datagram->place].proved |= datagram->proves;
}

bool
sim_deliver(struct sj_sim *sim)
{
	struct sim_datagram datagram;
	struct sim_host *to;
	unsigned place = 0;
	bool any = false;

	while (take_due(sim, &datagram)) {
		any = true;
		credit(sim, &datagram);
		to = find(sim, &datagram.to, &place);
		/* It may be gone, or its NAT have forgotten that port. */
		if (to != NULL && place == to->place) {
			to->places[place].heard = true;
			sj_core_receive(to->endpoint, sim->now, &datagram.path,
			    datagram.ecn, datagram.bytes, datagram.length,
			    datagram.length);
		} else {
			sim->stats.lost++;
		}
		free(datagram.bytes);
	}
	return any;
}
