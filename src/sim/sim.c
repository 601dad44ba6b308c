/* SPDX-License-Identifier: ISC */
/*
 * sim.c - the clock, the endpoints and the loop of a simulated world
 *
 * Nothing waits: the clock stands while anybody has an event, a datagram to send
 * or one that has arrived, and then jumps to the next deadline of an endpoint or
 * arrival of a datagram.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/random.h"
#include "sim/sim.h"

#define START_NS UINT64_C(1000000000)
#define START_UNIX_S UINT64_C(1800000000)
#define STEP_NS 1000            /* if a deadline is over and nothing is done */
#define CLIENT_PORT 4000

static int
world_random(void *context, void *out, size_t length)
{
	struct sj_sim *sim = context;

	random_fill(&sim->key_random, out, length);
	return 0;
}

int
sj_sim_open(struct sj_sim **out, uint64_t seed)
{
	struct sj_sim *sim;
	int error;

	if (out == NULL)
		return SJ_ERR_ARGUMENT;
	*out = NULL;
	sim = calloc(1, sizeof *sim);
	if (sim == NULL)
		return SJ_ERR_MEMORY;
	sim->random = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	sim->key_random = ~sim->random;
	sim->link = (struct sj_sim_link)SJ_SIM_LINK;
	sim->io = (struct sj_io){ .none = 1, .random = world_random,
	    .context = sim };
	sim_advance(sim, START_NS);
	sim_believe(sim);
	error = sim->error;
	if (error < 0)
		free(sim);
	else
		*out = sim;
	return error;
}

struct sj_time
sj_sim_now(const struct sj_sim *sim)
{
	return sim->now;
}

void
sim_advance(struct sj_sim *sim, uint64_t boot_ns)
{
	sim->now.boot_ns = boot_ns;
	sim->now.unix_s = START_UNIX_S + boot_ns / START_NS;
}

uint64_t
sj_sim_random(struct sj_sim *sim, uint64_t below)
{
	uint64_t number = random_next(&sim->random);

	return below == 0 ? 0 : number % below;
}

bool
sim_chance(struct sj_sim *sim, unsigned per_10000)
{
	return per_10000 > 0 && sj_sim_random(sim, 10000) < per_10000;
}

void
sj_sim_note(struct sj_sim *sim, uint64_t value)
{
	sim->stats.hash = (sim->stats.hash ^ value) * UINT64_C(0x100000001b3);
}

int
sj_sim_stats(const struct sj_sim *sim, struct sj_sim_stats *stats)
{
	size_t size;

	if (sim == NULL || stats == NULL || stats->size < sizeof(size_t))
		return SJ_ERR_ARGUMENT;
	size = stats->size < sizeof *stats ? stats->size : sizeof *stats;
	memcpy(stats, &sim->stats, size);
	stats->size = size;
	return 0;
}

/* --- Endpoints and the ways between them -------------------------------- */

struct sim_host *
sim_host(const struct sj_sim *sim, const struct sj_endpoint *endpoint)
{
	struct sim_host *host;

	for (host = sim->hosts; host != NULL; host = host->next)
		if (host->endpoint == endpoint)
			break;
	return host;
}

static void
remove_ways(struct sj_sim *sim, const struct sim_host *host)
{
	struct sim_way **at = &sim->ways, *way;

	while ((way = *at) != NULL)
		if (way->from == host || way->to == host) {
			*at = way->next;
			free(way);
		} else {
			at = &way->next;
		}
}

static int
add_way(struct sj_sim *sim, struct sim_host *from, struct sim_host *to)
{
	struct sim_way *way = calloc(1, sizeof *way);

	if (way == NULL)
		return SJ_ERR_MEMORY;
	way->from = from;
	way->to = to;
	way->link = sim->link;
	way->next = sim->ways;
	sim->ways = way;
	return 0;
}

int
sim_attach(struct sj_sim *sim, struct sj_endpoint *endpoint,
    const struct sj_address *address)
{
	struct sim_host *host = calloc(1, sizeof *host), **last = &sim->hosts;

	if (host == NULL)
		return SJ_ERR_MEMORY;
	host->endpoint = endpoint;
	host->address = *address;
	host->is_server = sj_endpoint_key(endpoint) != NULL;
	for (struct sim_host *other = sim->hosts; other != NULL;
	    other = other->next) {
		if (add_way(sim, host, other) < 0 ||
		    add_way(sim, other, host) < 0) {
			remove_ways(sim, host);
			free(host);
			return SJ_ERR_MEMORY;
		}
		last = &other->next;
	}
	*last = host;
	return 0;
}

/* The lowest number that no endpoint has; it is the last byte of the address. */
static uint8_t
free_number(const struct sj_sim *sim)
{
	for (uint8_t number = 1; number > 0; number++) {
		const struct sim_host *host = sim->hosts;

		while (host != NULL && host->address.ip[15] != number)
			host = host->next;
		if (host == NULL)
			return number;
	}
	return 0;
}

int
sj_sim_endpoint_open(struct sj_sim *sim, struct sj_endpoint **endpoint,
    const struct sj_endpoint_options *options)
{
	struct sj_endpoint_options full = SJ_ENDPOINT_OPTIONS;
	struct sj_address address = { .port = CLIENT_PORT };
	struct sim_host *host;
	int error;

	if (endpoint != NULL)
		*endpoint = NULL;
	if (sim == NULL || endpoint == NULL || options == NULL ||
	    options->size < sizeof(size_t))
		return SJ_ERR_ARGUMENT;
	address.ip[15] = free_number(sim);
	if (address.ip[15] == 0)
		return SJ_ERR_LIMIT;
	memcpy(&full, options, options->size < sizeof full ? options->size :
	    sizeof full);
	full.size = sizeof full;
	full.io = &sim->io;
	if (full.mechs == NULL)
		full.mechs = sim->mechs;
	if (full.listen != NULL && full.host_key == NULL)
		full.host_key = &sim->host_key;
	if (full.listen != NULL)
		address.port = SJ_PORT;
	error = sj_endpoint_open(endpoint, &full);
	if (error < 0)
		return error;
	error = sim_attach(sim, *endpoint, &address);
	if (error < 0) {
		sj_endpoint_close(*endpoint);
		*endpoint = NULL;
		return error;
	}
	host = sim_host(sim, *endpoint);
	host->is_owned = true;
	snprintf(host->application, sizeof host->application, "%s",
	    full.application != NULL ? full.application : "sim");
	return 0;
}

static void
remove_host(struct sj_sim *sim, struct sim_host **at)
{
	struct sim_host *host = *at;

	remove_ways(sim, host);
	*at = host->next;
	if (host->is_owned)
		sj_endpoint_close(host->endpoint);
	free(host);
}

void
sj_sim_endpoint_close(struct sj_sim *sim, struct sj_endpoint *endpoint)
{
	for (struct sim_host **at = &sim->hosts; *at != NULL;
	    at = &(*at)->next)
		if ((*at)->endpoint == endpoint) {
			remove_host(sim, at);
			return;
		}
}

void
sj_sim_close(struct sj_sim *sim)
{
	if (sim == NULL)
		return;
	while (sim->hosts != NULL)
		remove_host(sim, &sim->hosts);
	for (size_t i = 0; i < sim->flying_count; i++)
		free(sim->flying[i].bytes);
	free(sim->flying);
	free(sim);
}

int
sj_sim_login(struct sj_sim *sim, struct sj_endpoint *client,
    struct sj_endpoint *server, const char *user,
    const struct sj_login_options *options, struct sj_session **session)
{
	struct sj_core_login login = { .server_name = "sim", .user = user,
	    .options = SJ_LOGIN_OPTIONS };
	const struct sim_host *from, *to;

	if (session != NULL)
		*session = NULL;
	if (sim == NULL || session == NULL || user == NULL ||
	    (from = sim_host(sim, client)) == NULL ||
	    (to = sim_host(sim, server)) == NULL ||
	    (options != NULL && options->size < sizeof(size_t)))
		return SJ_ERR_ARGUMENT;
	if (options != NULL)
		memcpy(&login.options, options, options->size <
		    sizeof login.options ? options->size :
		    sizeof login.options);
	else
		login.options.trust_first_use = 1;
	login.options.size = sizeof login.options;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.application = from->application;
	login.path.remote = to->address;
	login.path.remote.port = (uint16_t)(to->address.port + to->place);
	return sj_core_login(client, sim->now, &login, session);
}

int
sj_sim_link(struct sj_sim *sim, const struct sj_endpoint *from,
    const struct sj_endpoint *to, const struct sj_sim_link *link)
{
	struct sj_sim_link full = SJ_SIM_LINK;

	if (sim == NULL || link == NULL || link->size < sizeof(size_t) ||
	    (from != NULL && sim_host(sim, from) == NULL) ||
	    (to != NULL && sim_host(sim, to) == NULL))
		return SJ_ERR_ARGUMENT;
	memcpy(&full, link, link->size < sizeof full ? link->size :
	    sizeof full);
	full.size = sizeof full;
	if (from == NULL && to == NULL)
		sim->link = full;
	for (struct sim_way *way = sim->ways; way != NULL; way = way->next) {
		if ((from != NULL && way->from->endpoint != from) ||
		    (to != NULL && way->to->endpoint != to))
			continue;
		way->link = full;
		way->burst_left = 0;
	}
	return 0;
}

int
sj_sim_rebind(struct sj_sim *sim, const struct sj_endpoint *endpoint)
{
	struct sim_host *host = sim != NULL ? sim_host(sim, endpoint) : NULL;

	if (host == NULL)
		return SJ_ERR_ARGUMENT;
	if (host->place + 1 >= SIM_PLACES_MAX)
		return SJ_ERR_LIMIT;
	host->place++;
	return 0;
}

/* --- The loop ------------------------------------------------------------ */

static bool
next_event(struct sj_sim *sim, struct sj_endpoint **endpoint,
    struct sj_event *event)
{
	for (struct sim_host *host = sim->hosts; host != NULL;
	    host = host->next)
		if (sj_core_event(host->endpoint, sim->now, event)) {
			*endpoint = host->endpoint;
			return true;
		}
	return false;
}

static bool
send_all(struct sj_sim *sim)
{
	uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	bool any = false;

	for (struct sim_host *host = sim->hosts; host != NULL;
	    host = host->next)
		while (sj_core_transmit(host->endpoint, sim->now, &batch)) {
			sim_send(sim, host->endpoint, &batch);
			any = true;
		}
	return any;
}

static uint64_t
next_ns(const struct sj_sim *sim)
{
	uint64_t next = sim_arrival_ns(sim);

	for (const struct sim_host *host = sim->hosts; host != NULL;
	    host = host->next) {
		uint64_t deadline = sj_core_deadline(host->endpoint);

		if (deadline < next)
			next = deadline;
	}
	return next > sim->now.boot_ns ? next : sim->now.boot_ns + STEP_NS;
}

int
sj_sim_poll(struct sj_sim *sim, uint64_t until_ns,
    struct sj_endpoint **endpoint, struct sj_event *event)
{
	uint64_t next;
	bool any;

	if (sim == NULL || endpoint == NULL || event == NULL)
		return SJ_ERR_ARGUMENT;
	for (;;) {
		if (sim->error < 0)
			return sim->error;
		if (next_event(sim, endpoint, event))
			return 1;
		any = send_all(sim);
		if (sim_deliver(sim) || any)
			continue;
		/* What was due may have become an event without a datagram. */
		if (next_event(sim, endpoint, event))
			return 1;
		next = next_ns(sim);
		if (next <= until_ns && next < UINT64_MAX) {
			sim_advance(sim, next);
			continue;
		}
		if (until_ns > sim->now.boot_ns && until_ns < UINT64_MAX)
			sim_advance(sim, until_ns);
		return sim->error;
	}
}
