/* SPDX-License-Identifier: ISC */
/*
 * link.c - datagrams under way
 *
 * A link has a rate and a queue in front of it; then delay and jitter. Every
 * datagram of a burst meets its own fate. Between a client and its link stands a
 * NAT that may forget, and give it another port. Here too the promise about
 * strangers is kept in sight: before an address is proven, no more bytes go to it
 * than came from it.
 */
#include "world.h"

static void
add(struct world *world, const struct datagram *datagram)
{
	struct datagram *slot;

	if (world->flying_count == world->flying_capacity) {
		world->flying_capacity = world->flying_capacity == 0 ? 256 :
		    2 * world->flying_capacity;
		world->flying = realloc(world->flying,
		    world->flying_capacity * sizeof *world->flying);
	}
	slot = &world->flying[world->flying_count++];
	*slot = *datagram;
	slot->order = world->order++;
}

static void
fly(struct world *world, struct datagram datagram, const uint8_t *bytes)
{
	const struct faults *faults = &world->faults;

	datagram.bytes = malloc(datagram.length);
	memcpy(datagram.bytes, bytes, datagram.length);
	datagram.at_ns += faults->delay_ns;
	if (faults->jitter_ns > 0)
		datagram.at_ns += draw(world, faults->jitter_ns);
	if (chance(world, faults->reorder))
		datagram.at_ns += draw(world, 3 * faults->delay_ns + 1);
	if (chance(world, faults->corrupt))
		datagram.bytes[draw(world, datagram.length)] ^=
		    (uint8_t)(1u << draw(world, 8));
	add(world, &datagram);
}

/* True if the queue in front of the link is full. */
static bool
overflows(struct world *world, struct link *link, size_t length,
    uint64_t *out_ns)
{
	const struct faults *faults = &world->faults;
	uint64_t now_ns = world->now.boot_ns, backlog;

	if (link->free_ns < now_ns)
		link->free_ns = now_ns;
	backlog = (link->free_ns - now_ns) / 1000 * faults->rate_bytes_s /
	    1000000;
	if (backlog > faults->queue_bytes)
		return true;
	link->free_ns += (uint64_t)length * NS_PER_S / faults->rate_bytes_s;
	*out_ns = link->free_ns;
	return false;
}

static bool
is_lost(struct world *world, struct link *link, size_t length)
{
	const struct faults *faults = &world->faults;

	if (length > faults->mtu)
		return true;
	if (link->burst_left > 0) {
		link->burst_left--;
		return true;
	}
	if (chance(world, faults->burst)) {
		link->burst_left = (unsigned)draw(world, 10);
		return true;
	}
	return chance(world, faults->loss);
}

/* Before an address is proven, no more goes to it than came from it. */
static void
watch_amplification(struct world *world, struct place *place, size_t length)
{
	place->bytes_down += length;
	if (!place->proved && place->bytes_down > place->bytes_up)
		fail(world, "more bytes to an unproven address than from it");
}

#define PORT_ELSEWHERE 3999
#define PORT_FIRST 4000

static uint16_t
port_of(const struct client *client)
{
	return (uint16_t)(PORT_FIRST + client->place);
}

void
link_rebind(struct world *world)
{
	for (unsigned i = 0; i < world->client_count; i++) {
		struct client *client = &world->clients[i];

		if (world->faults.rebind_ns == 0 ||
		    world->now.boot_ns < client->rebind_at_ns ||
		    client->place + 1 >= PLACES_MAX)
			continue;
		if (client->rebind_at_ns > 0) {
			client->place++;
			world->rebindings++;
			note(world, "rebind", i + 1, client->place);
		}
		client->rebind_at_ns = world->now.boot_ns +
		    world->faults.rebind_ns / 4 +
		    draw(world, world->faults.rebind_ns);
	}
}

/* Some ways take the mark off, some do not let it pass, some use it. */
static void
mark(struct world *world, struct datagram *datagram)
{
	if (datagram->ecn == SJ_ECN_NONE)
		return;
	if (world->faults.ecn == ECN_BLEACHED)
		datagram->ecn = SJ_ECN_NONE;
	else if (world->faults.ecn == ECN_CONGESTED && chance(world, 500))
		datagram->ecn = SJ_ECN_CE;
}

static void
send_one(struct world *world, int from, const struct sj_batch *batch,
    const uint8_t *bytes, size_t length)
{
	struct client *client;
	struct datagram datagram = { .length = length, .segment = length,
	    .ecn = (enum sj_ecn)batch->ecn };
	struct link *link;
	bool is_gone = false;

	datagram.path.transport = SJ_TRANSPORT_UDP;
	if (from == 0) {
		unsigned index = batch->path.remote.ip[15];
		unsigned place = batch->path.remote.port - PORT_FIRST;

		if (index >= 1 && index <= world->client_count &&
		    batch->path.remote.port == PORT_ELSEWHERE) {
			watch_amplification(world,
			    &world->clients[index - 1].elsewhere, length);
			return;
		}
		if (index < 1 || index > world->client_count ||
		    place > world->clients[index - 1].place) {
			fail(world, "sent to nobody");
			return;
		}
		client = &world->clients[index - 1];
		datagram.to = (int)index;
		datagram.path.remote.port = SJ_PORT;
		datagram.place = place;
		link = &client->down;
		is_gone = place != client->place;
		watch_amplification(world, &client->places[place], length);
	} else {
		client = &world->clients[from - 1];
		datagram.path.remote.ip[15] = (uint8_t)from;
		datagram.path.remote.port = port_of(client);
		datagram.place = client->place;
		datagram.proves = client->places[client->place].heard;
		link = &client->up;
	}
	world->datagrams++;
	world->bytes += length;
	for (size_t i = 0; i < length; i++)
		world->hash = (world->hash ^ bytes[i]) *
		    UINT64_C(0x100000001b3);
	mark(world, &datagram);
	if (is_gone || is_lost(world, link, length) ||
	    (world->faults.ecn == ECN_DROPPED && datagram.ecn != SJ_ECN_NONE) ||
	    overflows(world, link, length, &datagram.at_ns))
		return;
	fly(world, datagram, bytes);
	if (from != 0 && chance(world, world->faults.repeat)) {
		struct datagram copy = datagram;

		copy.path.remote.port = PORT_ELSEWHERE;
		copy.at_ns -= min_u64(world->faults.delay_ns / 2, copy.at_ns);
		client->elsewhere.bytes_up += length;
		fly(world, copy, bytes);
	}
	if (chance(world, world->faults.duplicate))
		fly(world, datagram, bytes);
}

void
link_send(struct world *world, int from, const struct sj_batch *batch)
{
	size_t length;

	for (size_t at = 0; at < batch->length; at += length) {
		length = min_size(batch->segment_size, batch->length - at);
		send_one(world, from, batch, batch->bytes + at, length);
	}
}

uint64_t
link_next_ns(const struct world *world)
{
	uint64_t next = NEVER_NS;

	for (size_t i = 0; i < world->flying_count; i++)
		next = min_u64(next, world->flying[i].at_ns);
	return next;
}

/* The earliest that is due; ties by order of sending. */
static bool
take_due(struct world *world, struct datagram *out)
{
	struct datagram *best = NULL;

	for (size_t i = 0; i < world->flying_count; i++) {
		struct datagram *one = &world->flying[i];

		if (one->at_ns <= world->now.boot_ns && (best == NULL ||
		    one->at_ns < best->at_ns || (one->at_ns == best->at_ns &&
		    one->order < best->order)))
			best = one;
	}
	if (best == NULL)
		return false;
	*out = *best;
	*best = world->flying[--world->flying_count];
	return true;
}

void
link_deliver(struct world *world)
{
	struct datagram datagram;
	struct sj_endpoint *endpoint;
	struct client *client;

	while (take_due(world, &datagram)) {
		if (datagram.to == 0) {
			client = &world->clients[datagram.path.remote.ip[15] - 1];
			if (datagram.path.remote.port != PORT_ELSEWHERE)
				client->places[datagram.place].bytes_up +=
				    datagram.length;
			client->places[datagram.place].proved |=
			    datagram.proves;
			endpoint = world->server;
		} else {
			client = &world->clients[datagram.to - 1];
			endpoint = client->endpoint;
			/* Its NAT has forgotten that port. */
			if (datagram.place != client->place) {
				free(datagram.bytes);
				continue;
			}
			client->places[datagram.place].heard = true;
		}
		sj_core_receive(endpoint, world->now, &datagram.path,
		    datagram.ecn, datagram.bytes, datagram.length,
		    datagram.segment);
		free(datagram.bytes);
	}
}

void
link_free(struct world *world)
{
	for (size_t i = 0; i < world->flying_count; i++)
		free(world->flying[i].bytes);
	free(world->flying);
}
