/* SPDX-License-Identifier: ISC */
/* pair.c - one client and one server without a network between them */
#include "pair.h"

static uint64_t state = 1;

void
pair_seed(uint64_t seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint64_t
draw(struct world *world, uint64_t below)
{
	(void)world;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below == 0 ? 0 : state % below;
}

bool
chance(struct world *world, unsigned per_10000)
{
	return draw(world, 10000) < per_10000;
}

void
fail(struct world *world, const char *text)
{
	(void)world;
	printf("%s\n", text);
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

/* --- Two endpoints ----------------------------------------------------- */

static void
open_client(struct pair *pair)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct client *client = pair->client;

	client->world = &pair->world;
	client->io = pair->world.server_io;
	client_signer(client);
	options.memory_max = MEMORY_MAX;
	options.mechs = client->mechs;
	options.no_hybrid = 1;
	if (sj__endpoint_create(&client->endpoint, &options, &client->io,
	    NULL) < 0)
		fail(NULL, "no client");
}

void
pair_open(struct pair *pair)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;

	pair->client = &pair->world.clients[0];
	pair->port = 4001;
	pair->world.now.boot_ns = NS_PER_S;
	pair->world.now.unix_s = 1800000000;
	pair->world.client_count = 1;
	pair->world.key_random = draw(NULL, UINT64_MAX);
	surround_init(&pair->world);
	pair->world.server_io.aeads = NULL;
	options.listen = "rogue";
	options.memory_max = MEMORY_MAX;
	options.host_key = &pair->world.host_key;
	options.no_hybrid = 1;          /* a hello is one datagram */
	if (sj__endpoint_create(&pair->world.server, &options,
	    &pair->world.server_io, NULL) < 0)
		fail(NULL, "no server");
	open_client(pair);
}

void
pair_restart_client(struct pair *pair)
{
	sj__endpoint_destroy(pair->client->endpoint);
	pair->session = NULL;
	open_client(pair);
}

/* An application that reads, echoes, and closes what is over. */
static void
serve(const struct sj_event *event, struct pair *pair)
{
	const void *bytes;
	ptrdiff_t length;

	switch (event->type) {
	case SJ_EV_LOGIN:
		(void)sj_login_accept(event->session, NULL);
		break;
	case SJ_EV_STARTED:
		pair->started = true;
		break;
	case SJ_EV_READABLE:
		while ((length = sj_stream_peek(event->stream, &bytes)) > 0) {
			(void)sj_stream_write(event->stream, bytes,
			    (size_t)length);
			sj_stream_consume(event->stream, (size_t)length);
		}
		if (length == 0)
			sj_stream_finish(event->stream);
		if (length != SJ_AGAIN)
			sj_stream_close(event->stream);
		break;
	case SJ_EV_RESET:
		sj_stream_close(event->stream);
		break;
	case SJ_EV_ENDED:
		pair->ended = true;
		if (event->session == pair->session)
			pair->session = NULL;
		sj_session_close(event->session);
		break;
	default:
		break;
	}
}

void
pair_exchange(struct pair *pair, unsigned rounds)
{
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_path to_server = { .transport = SJ_TRANSPORT_UDP };
	struct sj_path to_client = to_server;
	struct world *world = &pair->world;
	struct sj_endpoint *ends[2] = { world->server, pair->client->endpoint };
	struct sj_event event;

	to_server.remote.ip[15] = 1;
	to_server.remote.port = pair->port;
	to_client.remote.port = SJ_PORT;
	for (unsigned i = 0; i < rounds; i++) {
		for (int side = 0; side < 2; side++) {
			while (sj_core_event(ends[side], world->now, &event))
				serve(&event, pair);
			while (sj_core_transmit(ends[side], world->now, &batch)) {
				if (pair->on_batch != NULL &&
				    !pair->on_batch(pair, side, &batch))
					continue;
				sj_core_receive(ends[1 - side], world->now,
				    side == 0 ? &to_client : &to_server,
				    SJ_ECN_NONE, batch.bytes, batch.length,
				    batch.segment_size);
			}
		}
		world->now.boot_ns += NS_PER_MS;
	}
}

void
pair_log_in(struct pair *pair)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	pair->started = pair->ended = false;
	if (sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) < 0)
		fail(NULL, "no login");
	pair_exchange(pair, 20);
	if (!pair->started)
		fail(NULL, "an honest login failed");
}

struct sj__channel *
pair_channel(struct sj_endpoint *endpoint)
{
	return list_first(&endpoint->channels, struct sj__channel, all);
}

/* --- A client that sends what it likes --------------------------------- */

static struct pair *player;
static void (*script)(struct writer *writer);

static int
take_frame(void *user, struct sj_time now, const struct frame *frame)
{
	(void)user;
	(void)now;
	if (player->on_frame != NULL)
		player->on_frame(player, frame);
	return 0;
}

static void
run_script(void *user, struct sj_time now, struct writer *writer)
{
	(void)user;
	(void)now;
	if (script != NULL)
		script(writer);
	script = NULL;
}

static bool
has_script(const void *user)
{
	(void)user;
	return script != NULL;
}

static void
no_settled(void *user, const struct sj__sent_record *record, bool delivered)
{
	(void)user;
	(void)record;
	(void)delivered;
}

static void
no_closed(void *user, struct sj_time now, int error, const char *text)
{
	(void)user;
	(void)now;
	(void)error;
	(void)text;
}

static bool
expects_nothing(const void *user)
{
	(void)user;
	return false;
}

static void
no_moved(void *user, struct sj_time now)
{
	(void)user;
	(void)now;
}

static void
no_away(void *user, struct sj_time now, bool is_away)
{
	(void)user;
	(void)now;
	(void)is_away;
}

static const struct sj__channel_user scripted = {
	.expects = expects_nothing,
	.on_moved = no_moved,
	.on_away = no_away,
	.on_closed = no_closed,
	.on_frame = take_frame,
	.fill = run_script,
	.has_data = has_script,
	.on_settled = no_settled,
};

void
pair_play(struct pair *pair, void (*write)(struct writer *))
{
	struct sj__channel *channel = pair_channel(pair->client->endpoint);

	player = pair;
	script = write;
	channel->user = &scripted;
	sj__channel_wake(channel);
	pair_exchange(pair, 1);
}

void
pair_play_fair(struct pair *pair)
{
	struct sj__channel *channel = pair_channel(pair->client->endpoint);

	if (channel != NULL && channel->user == &scripted)
		channel->user = &sj__session_channel_user;
}

void
pair_close(struct pair *pair)
{
	sj__endpoint_destroy(pair->client->endpoint);
	sj__endpoint_destroy(pair->world.server);
	surround_fini(&pair->world);
}
