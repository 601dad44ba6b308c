/* SPDX-License-Identifier: ISC */
/*
 * actor.c - clients and the server
 *
 * Clients log in, open trees of streams, write and read at their own pace,
 * reset some, ask for services that are not there, and log out at the end. The
 * server echoes every byte of the service "echo", and takes care that a
 * stream's name of its user is that of the login it came in.
 */
#include "world.h"

/* --- Opening ----------------------------------------------------------- */

static void
plan_streams(struct world *world, struct session_actor *actor)
{
	actor->count = 1 + (unsigned)draw(world, STREAMS_MAX);
	for (unsigned i = 0; i < actor->count; i++) {
		struct stream_actor *stream = &actor->streams[i];

		stream->owner = actor;
		stream->index = i;
		stream->size = chance(world, 1000) ? 0 : chance(world, 1000) ?
		    draw(world, 300000) : draw(world, 5000);
		stream->slowness = 1 + (unsigned)(chance(world, 2000) ?
		    draw(world, 30) : 0);
		stream->is_unknown = chance(world, 300);
		if (chance(world, 500) && stream->size > 0)
			stream->reset_at = 1 + draw(world, stream->size);
		if (i > 0 && chance(world, 3000))
			stream->parent = &actor->streams[draw(world, i)];
	}
}

static void
start_login(struct world *world, struct client *client, unsigned index)
{
	struct session_actor *actor = &client->sessions[index];
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .options = SJ_LOGIN_OPTIONS };
	int error;

	actor->client = client;
	actor->index = index;
	snprintf(actor->user, sizeof actor->user, "user%u.%u", client->index,
	    index);
	plan_streams(world, actor);
	login.user = actor->user;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.timeout_ms = 600000;
	login.options.data = actor;
	if (chance(world, 5000))
		login.server_key = world->host_key.public_key;
	else
		login.options.trust_first_use = 1;
	error = sj_core_login(client->endpoint, world->now, &login,
	    &actor->session);
	if (error < 0)
		fail(world, "a login did not start");
}

void
actors_open(struct world *world)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	int error;

	options.listen = "sim";
	options.host_key = &world->host_key;
	options.store = slow_store(world);
	options.application = "sim";
	options.no_hybrid = !world->drawn.server_hybrid;
	options.datagram_max = world->drawn.datagram_max;
	error = sj__endpoint_create(&world->server, &options, &world->server_io,
	    NULL);
	assert(error == 0);
	if (world->drawn.cookies)
		world->server->cookie_from = 0;
	world->server->answer_filler = world->drawn.answer_filler;
	for (unsigned i = 0; i < world->client_count; i++) {
		struct client *client = &world->clients[i];

		client->world = world;
		client->index = i + 1;
		client->io = world->server_io;
		client_signer(client);
		options = (struct sj_endpoint_options)SJ_ENDPOINT_OPTIONS;
		options.mechs = client->mechs;
		options.no_hybrid = !world->drawn.client_hybrid;
		options.datagram_max = world->drawn.datagram_max;
		error = sj__endpoint_create(&client->endpoint, &options,
		    &client->io, NULL);
		assert(error == 0);
		client->endpoint->hello_least = world->drawn.hello_least;
		client->count = 1 + (unsigned)draw(world, SESSIONS_MAX);
		for (unsigned j = 0; j < client->count; j++)
			start_login(world, client, j);
	}
}

/* --- Clients ----------------------------------------------------------- */

static void
open_streams(struct world *world, struct session_actor *actor)
{
	/* Some before the login is through: nothing waits. */
	while (actor->opened < actor->count && !actor->ended) {
		struct stream_actor *stream = &actor->streams[actor->opened];
		struct sj_stream_options options = SJ_STREAM_OPTIONS;
		char service[64];
		int error;

		if (!actor->started && actor->opened >= 3)
			return;
		snprintf(service, sizeof service, "%s/%s/%u",
		    stream->is_unknown ? "nothing" : "echo", actor->user,
		    stream->index);
		options.service = service;
		options.data = stream;
		options.urgency = (uint8_t)draw(world, 9);
		if (stream->parent != NULL && stream->parent->stream != NULL &&
		    !stream->parent->is_reset && !stream->parent->done)
			options.parent = stream->parent->stream;
		error = sj_stream_open(actor->session, &stream->stream,
		    &options);
		if (error < 0) {
			if (error != SJ_ERR_RESET)
				fail(world, "a stream did not open");
			stream->done = stream->is_reset = true;
		}
		actor->opened++;
	}
}

static bool
write_stream(struct world *world, struct stream_actor *stream)
{
	uint8_t bytes[4096];
	size_t length;
	ptrdiff_t taken;
	bool any = false;

	while (stream->sent < stream->size) {
		length = (size_t)min_u64(sizeof bytes, stream->size -
		    stream->sent);
		length = 1 + (size_t)draw(world, length);
		for (size_t i = 0; i < length; i++)
			bytes[i] = expected_byte(stream, stream->sent + i);
		taken = sj_stream_write(stream->stream, bytes, length);
		if (taken == SJ_AGAIN || taken == SJ_ERR_RESET ||
		    taken == SJ_ERR_SERVICE)
			return any;
		if (taken <= 0) {
			fail(world, "a write failed");
			return any;
		}
		stream->sent += (uint64_t)taken;
		any = true;
	}
	if (!stream->finished) {
		stream->finished = true;
		sj_stream_finish(stream->stream);
		any = true;
	}
	return any;
}

static void
end_stream(struct stream_actor *stream)
{
	sj_stream_close(stream->stream);
	stream->stream = NULL;
	stream->done = true;
}

static bool
read_stream(struct world *world, struct stream_actor *stream)
{
	uint8_t bytes[3000];
	ptrdiff_t length = 0;
	bool any = false;

	if (stream->slowness > 1 && draw(world, stream->slowness) != 0)
		return false;
	while ((length = sj_stream_read(stream->stream, bytes, 1 +
	    (size_t)draw(world, sizeof bytes))) > 0) {
		any = true;
		for (ptrdiff_t i = 0; i < length; i++)
			if (bytes[i] != expected_byte(stream, stream->received +
			    (uint64_t)i)) {
				fail(world, "a byte is not what was sent");
				return any;
			}
		stream->received += (uint64_t)length;
		if (stream->reset_at != 0 &&
		    stream->received >= stream->reset_at) {
			sj_stream_reset(stream->stream, 77);
			stream->is_reset = true;
			end_stream(stream);
			return true;
		}
		if (stream->slowness > 1)
			return true;
	}
	if (length == 0) {
		if (stream->received != stream->size || stream->is_unknown)
			fail(world, "a stream ended early");
		end_stream(stream);
		return true;
	}
	return any;
}

static void
on_client_event(struct world *world, const struct sj_event *event)
{
	struct session_actor *actor = event->session_data;
	struct stream_actor *stream = event->stream_data;

	switch (event->type) {
	case SJ_EV_STARTED:
		actor->started = true;
		if (strcmp(sj_session_identity(event->session)->user,
		    actor->user) != 0)
			fail(world, "logged in as somebody else");
		break;
	case SJ_EV_RESET:
		if (stream == NULL)
			break;
		if (stream->is_unknown && stream->parent == NULL &&
		    event->error != SJ_ERR_SERVICE)
			fail(world, "an unknown service was not named so");
		stream->is_reset = true;
		end_stream(stream);
		break;
	case SJ_EV_ENDED:
		if (!actor->logged_out)
			fail(world, event->text);
		actor->ended = true;
		sj_session_close(event->session);
		actor->session = NULL;
		break;
	case SJ_EV_PROMPT:
		fail(world, "asked for a key that is trusted");
		break;
	default:
		break;
	}
}

static bool
all_done(const struct session_actor *actor)
{
	if (!actor->started || actor->opened < actor->count)
		return false;
	for (unsigned i = 0; i < actor->count; i++)
		if (!actor->streams[i].done)
			return false;
	return true;
}

static bool
run_session(struct world *world, struct session_actor *actor)
{
	bool any = false;

	if (actor->ended)
		return false;
	open_streams(world, actor);
	for (unsigned i = 0; i < actor->opened && !actor->ended; i++) {
		struct stream_actor *stream = &actor->streams[i];

		if (!stream->done && stream->stream != NULL)
			any |= write_stream(world, stream);
		if (!stream->done && stream->stream != NULL)
			any |= read_stream(world, stream);
	}
	if (!actor->logged_out && all_done(actor)) {
		actor->logged_out = true;
		if (sj_logout(actor->session) < 0)
			fail(world, "a logout failed");
		any = true;
	}
	return any;
}

/* --- Server ------------------------------------------------------------ */

/* The stream's service names user and stream: both must be the login's. */
static bool
is_rightful(const struct sj_event *event)
{
	const struct sj_identity *identity = sj_session_identity(event->session);
	size_t length = strlen(identity->user);

	return strncmp(event->service + 5, identity->user, length) == 0 &&
	    event->service[5 + length] == '/';
}

static void
echo(struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t length, taken;

	while ((length = sj_stream_peek(stream, &bytes)) > 0 &&
	    (taken = sj_stream_write(stream, bytes, (size_t)length)) > 0)
		sj_stream_consume(stream, (size_t)taken);
	if (length == 0)
		sj_stream_finish(stream);
	if (length == 0 || (length < 0 && length != SJ_AGAIN))
		sj_stream_close(stream);
}

static void
on_server_event(struct world *world, const struct sj_event *event)
{
	switch (event->type) {
	case SJ_EV_LOGIN:
		if (sj_login_accept(event->session, NULL) < 0)
			fail(world, "a login was not accepted");
		break;
	case SJ_EV_STREAM:
		if (strncmp(event->service, "echo/", 5) != 0) {
			sj_stream_reset(event->stream, SJ_RESET_SERVICE);
			sj_stream_close(event->stream);
		} else if (!is_rightful(event)) {
			fail(world, "principals were mixed");
		}
		break;
	case SJ_EV_READABLE:
	case SJ_EV_WRITABLE:
		echo(event->stream);
		break;
	case SJ_EV_RESET:
		sj_stream_close(event->stream);
		break;
	case SJ_EV_ENDED:
		sj_session_close(event->session);
		break;
	default:
		break;
	}
}

/* --- Everybody --------------------------------------------------------- */

static bool
run_endpoint(struct world *world, int index, struct sj_endpoint *endpoint)
{
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	struct sj_event event;
	bool any = false;

	while (world->failure == NULL &&
	    sj_core_event(endpoint, world->now, &event)) {
		note(world, "event", (uint64_t)index, (uint64_t)event.type);
		if (index == 0)
			on_server_event(world, &event);
		else
			on_client_event(world, &event);
		any = true;
	}
	while (world->failure == NULL &&
	    sj_core_transmit(endpoint, world->now, &batch)) {
		link_send(world, index, &batch);
		any = true;
	}
	return any;
}

bool
actors_run(struct world *world)
{
	bool any = false;

	for (unsigned i = 0; i < world->client_count; i++) {
		struct client *client = &world->clients[i];

		for (unsigned j = 0; j < client->count; j++)
			any |= run_session(world, &client->sessions[j]);
		any |= run_endpoint(world, (int)i + 1, client->endpoint);
	}
	return any | run_endpoint(world, 0, world->server);
}

bool
actors_are_done(const struct world *world)
{
	struct sj_endpoint_stats stats = { .size = sizeof stats };

	for (unsigned i = 0; i < world->client_count; i++)
		for (unsigned j = 0; j < world->clients[i].count; j++)
			if (!world->clients[i].sessions[j].ended)
				return false;
	sj_endpoint_stats(world->server, &stats);
	return stats.sessions == 0;
}

/* Nothing may be left in memory: sj__endpoint_destroy() asserts it. */
void
actors_close(struct world *world)
{
	for (unsigned i = 0; i < world->client_count; i++)
		sj__endpoint_destroy(world->clients[i].endpoint);
	sj__endpoint_destroy(world->server);
}
