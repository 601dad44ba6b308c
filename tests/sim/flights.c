/* SPDX-License-Identifier: ISC */
/*
 * flights.c - what a login and a stream cost, counted in flights
 *
 * A link of 50 ms each way and nothing else: when the first byte of an
 * application arrives tells how many flights went before it. A new login: hello
 * (1), answer (2), login and bytes (3). A login with the key known: the same.
 * A new stream of a living session: its first bytes (1).
 */
#include "world.h"

#define ONE_WAY_NS (50 * NS_PER_MS)
#define SLACK_NS (2 * NS_PER_MS)

uint64_t
draw(struct world *world, uint64_t below)
{
	(void)world;
	(void)below;
	return 0;
}

bool
chance(struct world *world, unsigned per_10000)
{
	(void)world;
	(void)per_10000;
	return false;
}

void
fail(struct world *world, const char *text)
{
	printf("at %.3f ms: %s\n", (double)world->now.boot_ns / 1e6, text);
	exit(1);
}

void
note(struct world *world, const char *what, uint64_t a, uint64_t b)
{
	(void)world;
	(void)what;
	(void)a;
	(void)b;
}

static void
open_world(struct world *world, struct client *client)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	memset(world, 0, sizeof *world);
	world->now.boot_ns = NS_PER_S;
	world->now.unix_s = 1800000000;
	world->faults.delay_ns = ONE_WAY_NS;
	world->faults.rate_bytes_s = 1000000000;
	world->faults.queue_bytes = 1 << 20;
	world->faults.mtu = 9000;
	world->client_count = 1;
	if (sj_sim_open(&world->sim, 1) < 0)
		fail(world, "no world");
	surround_init(world);
	options.listen = "sim";
	options.host_key = &world->host_key;
	if (sj__endpoint_create(&world->server, &options, &world->server_io,
	    NULL) < 0)
		fail(world, "no server");
	client->world = world;
	client->index = 1;
	client->io = world->server_io;
	client_signer(client);
	options = (struct sj_endpoint_options)SJ_ENDPOINT_OPTIONS;
	options.mechs = client->mechs;
	if (sj__endpoint_create(&client->endpoint, &options, &client->io,
	    NULL) < 0)
		fail(world, "no client");
	link_open(world);
}

static bool
run_endpoint(struct world *world, int index, struct sj_endpoint *endpoint,
    bool *read_it)
{
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_event event;
	uint8_t bytes[64];
	bool any = false;

	while (sj_core_event(endpoint, world->now, &event)) {
		any = true;
		if (event.type == SJ_EV_LOGIN)
			sj_login_accept(event.session, NULL);
		else if (event.type == SJ_EV_READABLE && index == 0 &&
		    sj_stream_read(event.stream, bytes, sizeof bytes) > 0)
			*read_it = true;
		else if (event.type == SJ_EV_ENDED)
			fail(world, event.text);
	}
	while (sj_core_transmit(endpoint, world->now, &batch)) {
		link_send(world, index, &batch);
		any = true;
	}
	return any;
}

/* Until the server's application has read something; how long that took. */
static uint64_t
until_read(struct world *world, struct client *client)
{
	uint64_t start_ns = world->now.boot_ns, next_ns;
	bool read_it = false, any;

	while (!read_it) {
		sim_deliver(world->sim);
		any = run_endpoint(world, 1, client->endpoint, &read_it);
		any |= run_endpoint(world, 0, world->server, &read_it);
		if (any)
			continue;
		next_ns = min_u64(sim_arrival_ns(world->sim), min_u64(
		    sj_core_deadline(world->server),
		    sj_core_deadline(client->endpoint)));
		if (next_ns == NEVER_NS || next_ns > start_ns + 10 * NS_PER_S)
			fail(world, "nothing arrives");
		sim_advance(world->sim, max_u64(next_ns, world->now.boot_ns));
		world->now = sj_sim_now(world->sim);
	}
	return world->now.boot_ns - start_ns;
}

static void
expect(struct world *world, const char *what, uint64_t took_ns,
    unsigned flights)
{
	printf("%s: %.1f ms, %u flights of 50 ms\n", what,
	    (double)took_ns / 1e6, flights);
	if (took_ns < flights * ONE_WAY_NS ||
	    took_ns > flights * ONE_WAY_NS + SLACK_NS)
		fail(world, "not as many flights as promised");
}

static void
count(bool known_key)
{
	static struct world world;
	struct client *client = &world.clients[0];
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_session *session;
	struct sj_stream *stream;

	open_world(&world, client);
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	if (known_key)
		login.server_key = world.host_key.public_key;
	options.service = "echo";
	/* Nothing waits for the login: stream and bytes are queued at once. */
	if (sj_core_login(client->endpoint, world.now, &login, &session) < 0 ||
	    sj_stream_open(session, &stream, &options) < 0 ||
	    sj_stream_write(stream, "hello", 5) != 5)
		fail(&world, "a call failed");
	expect(&world, known_key ? "login, key known" : "login, first contact",
	    until_read(&world, client), 3);
	for (int i = 0; i < 3; i++) {
		if (sj_stream_open(session, &stream, &options) < 0 ||
		    sj_stream_write(stream, "again", 5) != 5)
			fail(&world, "a call failed");
		expect(&world, "new stream", until_read(&world, client), 1);
	}
	sj__endpoint_destroy(client->endpoint);
	sj__endpoint_destroy(world.server);
	sj_sim_close(world.sim);
	surround_fini(&world);
}

int
main(void)
{
	count(false);
	count(true);
	return 0;
}
