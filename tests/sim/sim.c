/* SPDX-License-Identifier: ISC */
/* sim.c - the clock, the seeds, the main loop */
#include "record.h"

static FILE *record;                    /* of the run; NULL: none */
static uint64_t phases_seen, rebindings_seen, moves_seen;

uint64_t
draw(struct world *world, uint64_t below)
{
	return sj_sim_random(world->sim, below);
}

bool
chance(struct world *world, unsigned per_10000)
{
	return sim_chance(world->sim, per_10000);
}

void
fail(struct world *world, const char *text)
{
	if (world->failure != NULL)
		return;
	snprintf(world->failure_text, sizeof world->failure_text, "%s", text);
	world->failure = world->failure_text;
}

void
note(struct world *world, const char *what, uint64_t a, uint64_t b)
{
	sj_sim_note(world->sim, a ^ b << 8);
	if (world->verbose)
		printf("%12.6f %s %llu %llu\n",
		    (double)world->now.boot_ns / 1e9, what,
		    (unsigned long long)a, (unsigned long long)b);
}

/* Swarm: each seed turns about half of the faults off. */
static unsigned
maybe(struct world *world, unsigned at_most)
{
	return draw(world, 2) == 0 ? 0 : (unsigned)draw(world, at_most + 1);
}

static void
draw_options(struct world *world)
{
	struct faults *faults = &world->drawn;

	faults->loss = maybe(world, 2500);
	faults->burst = maybe(world, 100);
	faults->duplicate = maybe(world, 1000);
	faults->corrupt = maybe(world, 500);
	faults->reorder = maybe(world, 1000);
	faults->repeat = maybe(world, 2000);
	faults->delay_ns = (1 + draw(world, 150)) * NS_PER_MS;
	faults->jitter_ns = maybe(world, 30) * NS_PER_MS;
	faults->rate_bytes_s = 50000 + draw(world, 5000000);
	faults->queue_bytes = 20000 + draw(world, 500000);
	faults->mtu = DATAGRAM_BASE + draw(world, 8000);
	/* Some ways get narrower, and some wider, while they are used. */
	faults->mtu_later = DATAGRAM_BASE + draw(world, 8000);
	faults->mtu_later_ns = maybe(world, 20) * NS_PER_S;
	faults->datagram_max = DATAGRAM_BASE + (uint32_t)draw(world,
	    DATAGRAM_MAX - DATAGRAM_BASE + 1);
	faults->answer_delay_ms = maybe(world, 300);
	if (draw(world, 2) == 0)
		faults->phase_packets = 1 + (unsigned)draw(world, 60);
	world->client_count = 1 + (unsigned)draw(world, CLIENTS_MAX);
	faults->cookies = draw(world, 3) == 0;
	if (draw(world, 3) == 0)
		faults->hello_least = draw(world, 4500);
	if (draw(world, 3) == 0)
		faults->answer_filler = draw(world, 4500);
	faults->server_hybrid = draw(world, 4) > 0;
	faults->client_hybrid = draw(world, 4) > 0 && record == NULL;
	faults->ecn = (enum sj_sim_ecn)draw(world, 4);
	if (draw(world, 3) == 0)
		faults->rebind_ns = (1 + draw(world, 8)) * NS_PER_S;
	world->faults = *faults;
}

static void
heal(struct world *world)
{
	world->faults.loss = world->faults.burst = 0;
	world->faults.corrupt = world->faults.duplicate = 0;
	world->faults.reorder = world->faults.repeat = 0;
	world->faults.rebind_ns = 0;
	link_set(world);
}

static void
narrow(struct world *world)
{
	if (world->drawn.mtu_later_ns == 0 ||
	    world->now.boot_ns < world->drawn.mtu_later_ns ||
	    world->faults.mtu == world->drawn.mtu_later)
		return;
	world->faults.mtu = world->drawn.mtu_later;
	link_set(world);
}

static uint64_t
next_ns(const struct world *world)
{
	uint64_t next = min_u64(sim_arrival_ns(world->sim),
	    answers_next_ns(world));

	next = min_u64(next, sj_core_deadline(world->server));
	for (unsigned i = 0; i < world->client_count; i++)
		next = min_u64(next,
		    sj_core_deadline(world->clients[i].endpoint));
	/* Slow readers and slow stores have no timer of their own. */
	return min_u64(next, world->now.boot_ns + 50 * NS_PER_MS);
}

/* Key phases that change all the time, by the limit that is a setting. */
static void
shorten_phases(struct world *world, struct sj_endpoint *endpoint)
{
	struct sj__channel *channel;

	for (struct list *at = endpoint->channels.next;
	    at != &endpoint->channels; at = at->next) {
		channel = container_of(at, struct sj__channel, all);
		channel->protection.soft_limit = world->drawn.phase_packets;
		world->phases += channel->protection.send_phase;
	}
}

static const char *const counter_names[] = {
#define COUNTER_NAME(name, text) text,
	SJ_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

/* What everybody counted, and where every channel stands. */
static void
dump(struct world *world, struct sj_endpoint *endpoint, unsigned index)
{
	struct sj__channel *channel;

	for (int i = 0; i < COUNTERS; i++)
		if (endpoint->counters[i] > 0)
			printf("endpoint %u: %llu %s\n", index,
			    (unsigned long long)endpoint->counters[i],
			    counter_names[i]);
	for (struct list *at = endpoint->channels.next;
	    at != &endpoint->channels; at = at->next) {
		channel = container_of(at, struct sj__channel, all);
		printf("endpoint %u: channel %d, window %llu of %llu, "
		    "received %.3f s ago, probes %u, port %u, probed %u\n",
		    index, (int)channel->state,
		    (unsigned long long)channel->current.path->in_flight,
		    (unsigned long long)channel->current.path->window,
		    (double)(world->now.boot_ns - channel->last_received_ns) /
		    1e9, channel->recovery.probe_count,
		    channel->current.path->key.remote.port,
		    channel->probed.path != NULL ?
		    channel->probed.path->key.remote.port : 0u);
	}
}

static void
run(struct world *world)
{
	uint64_t idle = 0;

	actors_open(world);
	link_open(world);
	while (world->failure == NULL && !actors_are_done(world)) {
		world->steps++;
		link_rebind(world);
		narrow(world);
		sim_deliver(world->sim);
		answers_give(world);
		if (world->drawn.phase_packets > 0) {
			shorten_phases(world, world->server);
			for (unsigned i = 0; i < world->client_count; i++)
				shorten_phases(world, world->clients[i].endpoint);
		}
		idle = actors_run(world) ? 0 : idle + 1;
		if (idle == 0 && world->steps % 64 != 0)
			continue;
		sim_advance(world->sim, max_u64(world->now.boot_ns + 1,
		    next_ns(world)));
		world->now = sj_sim_now(world->sim);
		if (world->now.boot_ns > HEAL_NS)
			heal(world);
		if (world->now.boot_ns > END_NS)
			fail(world, "not done in time");
	}
	if (world->verbose) {
		dump(world, world->server, 0);
		for (unsigned i = 0; i < world->client_count; i++)
			dump(world, world->clients[i].endpoint, i + 1);
	}
	world->moves = world->server->counters[COUNT_CHANNEL_MOVED];
	actors_close(world);
}

/* The trace's hash; 0 on failure. */
static uint64_t
simulate(uint64_t seed, bool verbose)
{
	struct world *world = calloc(1, sizeof *world);
	uint64_t hash;

	world->seed = seed;
	if (sj_sim_open(&world->sim, seed) < 0)
		abort();
	world->key_random = ~world->sim->random;
	world->now = sj_sim_now(world->sim);
	world->verbose = verbose;
	checking_reset();
	draw_options(world);
	surround_init(world);
	if (record != NULL)
		record_start(world, record);
	if (verbose)
		printf("seed %llu: loss %u burst %u duplicate %u corrupt %u "
		    "reorder %u repeat %u delay %llu ms jitter %llu ms rate %llu B/s "
		    "queue %zu mtu %zu then %zu at %llu s of %u answers %u ms rebind %llu s "
		    "ecn %d cookies %d hybrid %d %d hello %zu answer %zu "
		    "clients %u\n",
		    (unsigned long long)seed, world->drawn.loss,
		    world->drawn.burst, world->drawn.duplicate,
		    world->drawn.corrupt, world->drawn.reorder, world->drawn.repeat,
		    (unsigned long long)(world->drawn.delay_ns / NS_PER_MS),
		    (unsigned long long)(world->drawn.jitter_ns / NS_PER_MS),
		    (unsigned long long)world->drawn.rate_bytes_s,
		    world->drawn.queue_bytes, world->drawn.mtu,
		    world->drawn.mtu_later, (unsigned long long)
		    (world->drawn.mtu_later_ns / NS_PER_S),
		    world->drawn.datagram_max,
		    world->drawn.answer_delay_ms,
		    (unsigned long long)(world->drawn.rebind_ns / NS_PER_S),
		    (int)world->drawn.ecn, world->drawn.cookies,
		    world->drawn.server_hybrid, world->drawn.client_hybrid,
		    world->drawn.hello_least, world->drawn.answer_filler,
		    world->client_count);
	run(world);
	record_stop();
	hash = world->sim->stats.hash | 1;
	if (world->failure != NULL) {
		printf("seed %llu: %s (at %.3f s, %llu datagrams)\n",
		    (unsigned long long)seed, world->failure,
		    (double)world->now.boot_ns / 1e9,
		    (unsigned long long)world->sim->stats.datagrams);
		hash = 0;
	} else if (verbose) {
		printf("done at %.3f s, %llu datagrams, %llu bytes, "
		    "trace %016llx\n", (double)world->now.boot_ns / 1e9,
		    (unsigned long long)world->sim->stats.datagrams,
		    (unsigned long long)world->sim->stats.bytes,
		    (unsigned long long)hash);
	}
	phases_seen += world->phases;
	rebindings_seen += world->rebindings;
	moves_seen += world->moves;
	sj_sim_close(world->sim);
	surround_fini(world);
	free(world);
	return hash;
}

/* Many seeds, each twice: the same seed gives the same trace. */
static int
simulate_many(uint64_t first, uint64_t count)
{
	uint64_t failures = 0, hash;

	for (uint64_t seed = first; seed < first + count; seed++) {
		hash = simulate(seed, false);
		if (hash == 0) {
			failures++;
		} else if (seed % 10 == 0 && hash != simulate(seed, false)) {
			printf("seed %llu: two runs differ\n",
			    (unsigned long long)seed);
			failures++;
		}
	}
	printf("%llu seeds, %llu failed\n", (unsigned long long)count,
	    (unsigned long long)failures);
	if (count >= 100 && phases_seen == 0) {
		printf("no key phase ever changed\n");
		return 1;
	}
	printf("%llu rebindings, %llu moves\n",
	    (unsigned long long)rebindings_seen,
	    (unsigned long long)moves_seen);
	if (count >= 100 && (rebindings_seen == 0 || moves_seen == 0)) {
		printf("nobody ever moved\n");
		return 1;
	}
	return failures > 0;
}

/* The run of one seed, for tests/interop/transcript.py; not hybrid: the one that
 * reads it along knows the keys of X25519 only. */
static int
simulate_recorded(const char *path, uint64_t seed)
{
	bool is_good;

	record = fopen(path, "w");
	if (record == NULL) {
		perror(path);
		return 1;
	}
	is_good = simulate(seed, false) != 0;
	return fclose(record) != 0 || !is_good;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return simulate_many(1, strtoull(argv[2], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
		return simulate_many(strtoull(argv[3], NULL, 10),
		    strtoull(argv[2], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "--record") == 0)
		return simulate_recorded(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 2)
		return simulate(strtoull(argv[1], NULL, 10), true) == 0;
	return simulate_many(1, 200);
}
