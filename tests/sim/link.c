/* SPDX-License-Identifier: ISC */
/* link.c - the faults of a seed, as settings of the links of src/sim */
#include "world.h"

#define PORT_FIRST 4000

void
link_set(struct world *world)
{
	const struct faults *faults = &world->faults;
	struct sj_sim_link link = { .size = sizeof link,
	    .delay_ns = faults->delay_ns, .jitter_ns = faults->jitter_ns,
	    .rate_bytes_s = faults->rate_bytes_s,
	    .queue_bytes = faults->queue_bytes, .datagram_max = faults->mtu,
	    .loss = faults->loss, .burst = faults->burst,
	    .duplicate = faults->duplicate, .corrupt = faults->corrupt,
	    .reorder = faults->reorder, .ecn = faults->ecn };
	int error = sj_sim_link(world->sim, NULL, NULL, &link);

	/* Repeated is what clients send. */
	link.repeat = faults->repeat;
	if (error == 0)
		error = sj_sim_link(world->sim, NULL, world->server, &link);
	if (error < 0)
		fail(world, sj_strerror(error));
}

void
link_open(struct world *world)
{
	struct sj_address address = { .port = SJ_PORT };
	int error = sim_attach(world->sim, world->server, &address);

	for (unsigned i = 0; i < world->client_count && error == 0; i++) {
		address.ip[15] = (uint8_t)(i + 1);
		address.port = PORT_FIRST;
		error = sim_attach(world->sim, world->clients[i].endpoint,
		    &address);
	}
	if (error < 0)
		fail(world, sj_strerror(error));
	link_set(world);
}

void
link_rebind(struct world *world)
{
	for (unsigned i = 0; i < world->client_count; i++) {
		struct client *client = &world->clients[i];

		if (world->faults.rebind_ns == 0 ||
		    world->now.boot_ns < client->rebind_at_ns ||
		    client->place + 1 >= SIM_PLACES_MAX)
			continue;
		if (client->rebind_at_ns > 0) {
			if (sj_sim_rebind(world->sim, client->endpoint) < 0)
				fail(world, "an address did not change");
			client->place++;
			world->rebindings++;
			note(world, "rebind", i + 1, client->place);
		}
		client->rebind_at_ns = world->now.boot_ns +
		    world->faults.rebind_ns / 4 +
		    draw(world, world->faults.rebind_ns);
	}
}

void
link_send(struct world *world, int from, const struct sj_batch *batch)
{
	sim_send(world->sim, from == 0 ? world->server :
	    world->clients[from - 1].endpoint, batch);
	if (world->sim->stats.broken != NULL)
		fail(world, world->sim->stats.broken);
	if (world->sim->stats.nobody > 0)
		fail(world, "sent to nobody");
}
