/* SPDX-License-Identifier: ISC */
/* machine.c - a client and a server in one process, for the fuzzers of state */
#include "machine.h"

#define FRESH 7                         /* an address nobody uses before */
#define ROUNDS_MAX 64                   /* of words and events, at one time */
#define PATIENCE_NS (300 * NS_PER_S)    /* longer than any grace of a server */

struct machine machine;
static uint8_t buffer[65536];

/* --- What the simulator's surroundings ask for -------------------------- */

static uint64_t state;

uint64_t
draw(struct world *world, uint64_t below)
{
	(void)world;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below == 0 ? 0 : state % below;
}

/* Answers come later whenever faults.answer_delay_ms is set. */
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
	(void)world;
	fuzz_fail("the simulator", 0, text);
}

void
note(struct world *world, const char *what, uint64_t a, uint64_t b)
{
	(void)world;
	(void)what;
	(void)a;
	(void)b;
}

const struct sj_aead *const *
checking_aeads(struct world *world)
{
	(void)world;
	return NULL;
}

/* --- Open and close ------------------------------------------------------ */

struct sj_endpoint *
machine_side(int side)
{
	return side == 0 ? machine.world.server :
	    machine.world.clients[0].endpoint;
}

static void
open_client(const struct sj_mech *mech)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct client *client = &machine.world.clients[0];

	client->world = &machine.world;
	client->index = 1;
	client->io = machine.world.server_io;
	client_signer(client);
	if (mech != NULL)
		client->mechs[0] = mech;
	options.mechs = client->mechs;
	options.memory_max = MEMORY_MAX;
	MUST(sj__endpoint_create(&client->endpoint, &options, &client->io,
	    NULL) == 0);
}

void
machine_open(const struct machine_options *options)
{
	struct sj_endpoint_options server = SJ_ENDPOINT_OPTIONS;

	memset(&machine, 0, sizeof machine);
	state = 88172645463325252u;
	machine.world.now.boot_ns = 1000 * NS_PER_S;
	machine.world.now.unix_s = 1800000000;
	machine.world.client_count = 1;
	surround_init(&machine.world);
	server.listen = "fuzz";
	server.memory_max = MEMORY_MAX;
	server.host_key = &machine.world.host_key;
	server.store = options->store;
	MUST(sj__endpoint_create(&machine.world.server, &server,
	    &machine.world.server_io, NULL) == 0);
	open_client(options->mech);
	if (options->has_cookies)
		machine.world.server->cookie_from = 0;
	machine.world.server->answer_filler = options->answer_filler;
	machine_side(1)->hello_least = options->hello_least;
}

void
machine_close(void)
{
	sj__endpoint_destroy(machine_side(1));
	sj__endpoint_destroy(machine.world.server);
	surround_fini(&machine.world);
	MUST(machine.world.memory.used == 0);
}

struct sj__channel *
machine_channel(int side)
{
	return list_first(&machine_side(side)->channels, struct sj__channel,
	    all);
}

struct sj_session *
machine_session(int side)
{
	return list_first(&machine_side(side)->sessions, struct sj_session,
	    all);
}

/* --- The network ---------------------------------------------------------- */

static unsigned
address_of(const struct sj_path *path)
{
	MUST(path->remote.port == 4000);
	MUST(path->remote.ip[15] >= 1 && path->remote.ip[15] <= ADDRESSES);
	return path->remote.ip[15] - 1u;
}

/* FUZZ_TRACE=1 shows what goes where, for whoever looks at a finding. */
static void
trace(const char *what, unsigned address, const uint8_t *bytes, size_t length,
    size_t segment)
{
	static int is_on = -1;

	if (is_on < 0)
		is_on = getenv("FUZZ_TRACE") != NULL;
	if (is_on)
		fprintf(stderr, "%llu ms: %s, address %u, %zu bytes in %zu, "
		    "%02x...\n", (unsigned long long)
		    (machine.world.now.boot_ns / NS_PER_MS), what, address,
		    length, segment, bytes[0]);
}

void
machine_deliver(int side, unsigned from, uint32_t heard,
    const uint8_t *bytes, size_t length, size_t segment)
{
	static uint8_t copy[65536];
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	trace(side == 0 ? "to the server" : "to the client", from, bytes,
	    length, segment);
	if (side == 0) {
		path.remote.ip[15] = (uint8_t)(from + 1);
		path.remote.port = 4000;
		machine.addresses[from].bytes_up += length;
		for (unsigned i = 0; i < ADDRESSES; i++)
			if (heard & 1u << i)
				machine.addresses[i].is_proven = true;
	} else {
		path.remote.port = SJ_PORT;
		machine.heard |= 1u << from;
	}
	memcpy(copy, bytes, length);
	sj_core_receive(machine_side(side), machine.world.now, &path,
	    SJ_ECN_NONE, copy, length, segment);
}

/* What the server sends is paid for, or its address is proven. */
static void
count_down(const struct sj_batch *batch)
{
	struct address *address = &machine.addresses[address_of(&batch->path)];

	trace("the server says", address_of(&batch->path), batch->bytes,
	    batch->length, batch->segment_size);
	address->bytes_down += batch->length;
	MUST(address->is_proven || address->bytes_down <= address->bytes_up);
}

/* --- The applications ------------------------------------------------------ */

static void
on_login(struct sj_session *session)
{
	const struct sj_identity *identity = sj_session_identity(session);

	MUST(identity != NULL && identity->user != NULL);
	machine.logins++;
	if (machine.stays_silent)
		machine.undecided = session;
	else if (machine.refuses)
		(void)sj_login_refuse(session);
	else
		(void)sj_login_accept(session, NULL);
}

/* What comes is sent back as far as there is room, and the end is an end. */
static void
on_readable(struct sj_stream *stream)
{
	const void *bytes;
	ptrdiff_t length;

	while ((length = sj_stream_peek(stream, &bytes)) > 0) {
		(void)sj_stream_write(stream, bytes, (size_t)length);
		MUST(sj_stream_consume(stream, (size_t)length) == 0);
	}
	if (length != SJ_AGAIN)
		sj_stream_close(stream);
}

static void
on_ended(struct sj_session *session)
{
	if (session == machine.session) {
		machine.session = NULL;
		machine.ended = true;
	}
	if (session == machine.undecided)
		machine.undecided = NULL;
	if (session == machine.served)
		machine.served = NULL;
	sj_session_close(session);
}

static void
take_events(int side)
{
	struct sj_event event;

	while (sj_core_event(machine_side(side), machine.world.now, &event)) {
		if (event.type == SJ_EV_LOGIN)
			on_login(event.session);
		else if (event.type == SJ_EV_STARTED && side == 1)
			machine.started |= event.session == machine.session;
		else if (event.type == SJ_EV_STARTED)
			machine.served = event.session;
		else if (event.type == SJ_EV_READABLE)
			on_readable(event.stream);
		else if (event.type == SJ_EV_RESET)
			sj_stream_close(event.stream);
		else if (event.type == SJ_EV_PROMPT)
			(void)sj_login_answer(event.session, "yes");
		else if (event.type == SJ_EV_ENDED)
			on_ended(event.session);
	}
}

static void
speak(int side)
{
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };
	unsigned to;

	while (sj_core_transmit(machine_side(side), machine.world.now,
	    &batch)) {
		MUST(batch.length > 0 && batch.length <= sizeof buffer);
		MUST(batch.segment_size > 0);
		to = machine.place;
		if (side == 0) {
			count_down(&batch);
			to = address_of(&batch.path);
		}
		if (machine.on_batch != NULL &&
		    !machine.on_batch(&machine, side, &batch))
			continue;
		/* What goes where no client is gets lost. */
		if (side == 1 || (to == machine.place &&
		    machine_side(1) != NULL))
			machine_deliver(1 - side, to, machine.heard,
			    batch.bytes, batch.length, batch.segment_size);
	}
}

/* What was sent may have made events, and those something to send. */
void
machine_speak(int side)
{
	unsigned rounds = 0;

	do {
		MUST(rounds++ < ROUNDS_MAX);
		take_events(side);
		speak(side);
	} while (sj_core_deadline(machine_side(side)) <=
	    machine.world.now.boot_ns);
}

void
machine_pass(uint64_t ns)
{
	machine.world.now.boot_ns += ns;
	machine.world.now.unix_s = 1800000000 +
	    machine.world.now.boot_ns / NS_PER_S;
	answers_give(&machine.world);
}

void
machine_exchange(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		for (int side = 0; side < 2; side++) {
			machine_speak(side);
		}
		machine_pass(NS_PER_MS);
	}
}

bool
machine_log_in(const uint8_t *server_key)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice", .server_key = server_key,
	    .options = SJ_LOGIN_OPTIONS };

	if (machine.session != NULL)
		return false;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	machine.started = machine.ended = false;
	return sj_core_login(machine_side(1), machine.world.now, &login,
	    &machine.session) == 0;
}

/* Without a word; nobody answers it any more. */
static void
kill_client(void)
{
	struct world *world = &machine.world;
	struct sj_endpoint *client = machine_side(1);

	for (unsigned i = 0; i < world->answer_count;)
		if (world->answers[i].endpoint == client)
			world->answers[i] =
			    world->answers[--world->answer_count];
		else
			i++;
	sj__endpoint_destroy(client);
	world->clients[0].endpoint = NULL;
	machine.session = NULL;
}

void
machine_must_serve(void)
{
	kill_client();
	machine.on_batch = NULL;
	machine.refuses = machine.stays_silent = false;
	machine.world.faults.answer_delay_ms = 0;
	machine.place = FRESH;
	for (unsigned i = 0; i < 4; i++) {
		machine_pass(PATIENCE_NS / 4);
		machine_speak(0);
	}
	open_client(NULL);
	MUST(machine_log_in(NULL));
	/* At once, or after what old packets hold of the path was given up. */
	for (unsigned i = 0; i < 200 && !machine.started; i++) {
		machine_exchange(1);
		if (i > 50)
			machine_pass(100 * NS_PER_MS);
	}
	MUST(machine.started);
}

/* --- A peer that says what it likes ----------------------------------------- */

static struct span script;

static int
no_frame(void *user, struct sj_time now, const struct frame *frame)
{
	(void)user;
	(void)now;
	(void)frame;
	return 0;
}

static void
run_script(void *user, struct sj_time now, struct writer *writer)
{
	(void)user;
	(void)now;
	write_bytes(writer, script.data, min_size(script.length,
	    writer_left(writer)));
	script.length = 0;
}

static bool
has_script(const void *user)
{
	(void)user;
	return script.length > 0;
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
	.on_frame = no_frame,
	.fill = run_script,
	.has_data = has_script,
	.on_settled = no_settled,
};

void
machine_inject(int side, struct span frames)
{
	struct sj__channel *channel = machine_channel(side);
	const struct sj__channel_user *honest;

	if (channel == NULL || channel->state != CHANNEL_OPEN ||
	    channel->user == NULL || frames.length == 0)
		return;
	honest = channel->user;
	script = frames;
	channel->user = &scripted;
	sj__channel_wake(channel);
	machine_speak(side);
	script.length = 0;
	if (machine_channel(side) == channel)
		channel->user = honest;
}
