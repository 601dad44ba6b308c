/* SPDX-License-Identifier: ISC */
/*
 * attacks.c - what a rogue or a stranger once got away with, by name
 *
 * Each attack is a bug that was found; without an argument all are run. The
 * attacker has valid keys where nothing else is said.
 */
#include "hostile.h"

/* --- Attacks ----------------------------------------------------------- */

/* Not one at all: people log in and out. */
static void
many_logins(void)
{
	struct pair *pair = hostile_start();

	for (unsigned i = 0; i < UNPROVEN_LOGINS_MAX + 10; i++) {
		expect(sj_logout(pair->session) == 0, "no logout");
		pair_exchange(pair, 10);
		expect(pair->ended, "a logout did not end");
		pair_log_in(pair);
	}
	expect(pair->world.server->unproven == 0,
	    "logins that succeeded count as unproven");
	hostile_end(pair);
}

/* A peer that never begins a phase itself keeps us in ours until its key is
 * used up. [SJ-KEY-5] */
static void
used_up_key(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_stream *stream;
	uint8_t bytes[60000] = { 0 };

	server->protection.hard_limit = server->protection.sent_in_phase + 20;
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	pair_exchange(pair, 100);
	expect(pair->session == NULL, "the client does not know that it is over");
	expect(pair->world.server->counters[COUNT_SESSION_ENDED] == 1,
	    "the server goes on");
	hostile_end(pair);
}

static uint64_t bytes_down;

static bool
count_down(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	if (side == 0)
		bytes_down += batch->length;
	return side != 0;
}

/* Probes that gathered while an address was unproven. [SJ-HS-6] */
static void
gathered_probes(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_session *session = server->user_data;
	struct sj_stream *stream;
	uint8_t bytes[60000] = { 0 };

	expect(sj_stream_open(session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	server->current.is_validated = false;
	server->current.bytes_in = 2000;
	server->current.bytes_out = 0;
	server->probes_wanted = 8;
	bytes_down = 0;
	pair->on_batch = count_down;
	pair_exchange(pair, 1);
	expect(bytes_down > 0, "nothing was sent");
	expect(bytes_down <= 2000, "more bytes to an unproven address than "
	    "came from it");
	hostile_end(pair);
}

static void
write_retire_ids(struct writer *writer)
{
	for (uint64_t i = 0; i < 300; i++)
		sj__frame_retire_id(writer, i);
}

/* Each id given back is replaced: ids nobody has seen must not be given back. */
static void
retired_unseen(void)
{
	struct pair *pair = hostile_start();
	uint64_t nonce = pair->world.server->id_nonce;

	hostile_play(pair, write_retire_ids);
	expect(pair->world.server->counters[COUNT_CLOSED_PROTOCOL] == 1,
	    "ids that were never sent may be given back");
	expect(pair->world.server->id_nonce - nonce < 20, "too many ids made");
	hostile_end(pair);
}

static void
write_ping(struct writer *writer)
{
	write_varint(writer, FRAME_PING);
}

/* The client takes what comes and acknowledges nothing. */
static bool
swallow(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side != 0)
		return true;
	path.remote.port = SJ_PORT;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, batch->bytes, batch->length, batch->segment_size);
	sj__recovery_ack_sent(&client->recovery);
	client->ack_now = false;
	return false;
}

/* Acknowledgements that nobody acknowledges. */
static void
silent_pings(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	size_t before = pair->world.server->memory.used;

	pair->on_batch = swallow;
	for (unsigned i = 0; i < 60000; i++)
		hostile_play(pair, write_ping);
	expect(client->state == CHANNEL_OPEN, "cut off");
	expect(pair->world.server->memory.used < before + 256 * 1024,
	    "memory grows with every acknowledgement");
	hostile_end(pair);
}

static uint64_t next_id;

static void
write_orphan(struct writer *writer)
{
	struct stream_opening opening = { .parent = next_id,
	    .credit = 65536, .weight = 1, .lender_is_root = true,
	    .service = { (const uint8_t *)"x", 1 } };
	struct stream_header header = { .stream = next_id + 2,
	    .opening = &opening, .fin = true };
	size_t length = 0;

	next_id += 4;
	(void)sj__frame_stream(writer, &header, &length);
}

/* Streams named as parents that never come. */
static void
absent_parents(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_session *session = server->user_data;
	size_t before = pair->world.server->memory.used;

	next_id = 2;
	for (unsigned i = 0; i < 20000 && client->state == CHANNEL_OPEN; i++) {
		hostile_play(pair, write_orphan);
		if (pair->ended)
			break;
		expect(session->tree.count <= PLACEHOLDERS_MAX +
		    CREDIT_ROOT / STREAM_COST,
		    "streams that never came are kept without end");
		expect(pair->world.server->memory.used < before + (8u << 20),
		    "memory grows with streams that never came");
	}
	hostile_end(pair);
}

static void
write_descendant(struct writer *writer)
{
	struct stream_opening opening = { .parent = next_id - 2,
	    .credit = 65536, .weight = 1, .lender_is_root = true,
	    .service = { (const uint8_t *)"x", 1 } };
	struct stream_header header = { .stream = next_id,
	    .opening = &opening, .fin = true };
	size_t length = 0;

	(void)sj__frame_stream(writer, &header, &length);
}

/* Children that come sooner than their parents, of a client that is honest:
 * they are shown after them. */
static void
children_first(void)
{
	struct pair *pair = hostile_start();
	struct sj_stream_info info = { .size = sizeof info };
	struct sj_stream *shown[3] = { NULL };
	struct sj_event event;
	unsigned count = 0;

	for (next_id = 6; next_id >= 2; next_id -= 2) {
		hostile_play(pair, write_descendant);
		while (sj_core_event(pair->world.server, pair->world.now,
		    &event)) {
			if (event.type != SJ_EV_STREAM)
				continue;
			expect(next_id == 2 && count < 3,
			    "a child is shown before its parent");
			expect(sj_stream_info(event.stream, &info) == 0 &&
			    info.id == 2 + 2 * count && info.parent ==
			    (count == 0 ? NULL : shown[count - 1]),
			    "a child is shown without its parent");
			shown[count++] = event.stream;
		}
	}
	expect(count == 3, "not all of them are shown");
	for (unsigned i = 0; i < count; i++)
		sj_stream_close(shown[i]);
	hostile_end(pair);
}

static void
write_self(struct writer *writer)
{
	struct stream_opening opening = { .parent = 2,
	    .credit = 65536, .weight = 1, .lender_is_root = true,
	    .service = { (const uint8_t *)"x", 1 } };
	struct stream_header header = { .stream = 2,
	    .opening = &opening, .fin = true };
	size_t length = 0;

	(void)sj__frame_stream(writer, &header, &length);
}

/* A stream that is its own parent would be in the table twice. */
static void
own_parent(void)
{
	struct pair *pair = hostile_start();

	hostile_play(pair, write_self);
	expect(pair->world.server->counters[COUNT_CLOSED_PROTOCOL] == 1,
	    "a stream may be its own parent");
	hostile_end(pair);
}

/* Somebody on the way sends each packet of the server from elsewhere first. */
static bool
from_elsewhere(struct pair *pair, int side, const struct sj_batch *batch)
{
	static uint8_t copy[65536];
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side != 0)
		return true;
	memcpy(copy, batch->bytes, batch->length);
	path.remote.port = 9;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, copy, batch->length, batch->segment_size);
	return true;
}

static void
phase_from_elsewhere(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	struct sj_stream *stream;
	uint8_t bytes[20000] = { 0 };

	pair_exchange(pair, 2000);
	pair->on_batch = from_elsewhere;
	server->protection.soft_limit = 1;
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	pair_exchange(pair, 30);
	server->protection.soft_limit = PHASE_PACKETS_SOFT;
	pair_exchange(pair, 3000);
	expect(server->protection.send_phase == 1, "no new phase was begun");
	expect(client->protection.send_phase == 1 &&
	    !client->protection.previous_kept,
	    "the client does not follow to the new phase");
	hostile_end(pair);
}

static bool
spoil_hello(struct pair *pair, int side, const struct sj_batch *batch)
{
	uint8_t hash[32];

	if (side == 1 && batch->length == HELLO_SIZE) {
		batch->bytes[batch->length - 1] ^= 1;
		sj__sha256(pair->world.crypto, batch->bytes + HELLO_HEADER_SIZE,
		    batch->length - HELLO_HEADER_SIZE, hash);
		memcpy(batch->bytes + LONG_HEADER_SIZE + 1 + COOKIE_SIZE, hash,
		    DIGEST_SIZE);
	}
	return true;
}

/* A stranger's hello that does not verify, while the host key answers later. */
static void
spoilt_hello(void)
{
	struct pair *pair = hostile_start();
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_session *session;

	pair->world.faults.answer_delay_ms = 50;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.server_key = pair->world.host_key.public_key;
	pair->on_batch = spoil_hello;
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &session) == 0, "no login");
	for (unsigned i = 0; i < 200; i++) {
		pair_exchange(pair, 1);
		answers_give(&pair->world);
	}
	expect(pair->world.server->counters[COUNT_DROPPED_HANDSHAKE] > 0,
	    "no hello came");
	pair_exchange(pair, 20000);
	pair->world.now.boot_ns += 100 * NS_PER_S;
	pair_exchange(pair, 100);
	expect(pair->world.server->half_open == 0,
	    "a hello that did not verify is kept");
	hostile_end(pair);
}

/* Hellos while there is no memory must cost nothing for ever. */
static void
no_memory(void)
{
	struct pair *pair = hostile_start();
	struct sj_endpoint *server = pair->world.server;
	size_t limit = server->memory.limit, before = server->timer_owners;
	size_t owners = server->timers.capacity - 1;

	server->timer_owners = owners;
	for (unsigned i = 0; i < 1000; i++) {
		struct sj__channel *channel = NULL;
		struct long_packet hello = { .flags = FLAG_LONG };
		struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

		server->memory.limit = server->memory.used +
		    sizeof *channel + sizeof(struct sj__path);
		(void)sj__channel_accept(server, pair->world.now, &path, 1200, false,
		    &hello, &channel);
		expect(channel == NULL, "accepted");
	}
	server->memory.limit = limit;
	expect(server->timer_owners == owners, "timers of nobody are counted");
	server->timer_owners = before;
	hostile_end(pair);
}

static void
never(const struct sj_host_key *key, struct sj_endpoint *endpoint,
    uint64_t request, const uint8_t peer_key[32])
{
	(void)key;
	(void)endpoint;
	(void)request;
	(void)peer_key;
}

/* Hellos faster than the host key answers. */
static void
unanswered_hellos(void)
{
	struct pair *pair = hostile_start();
	struct sj_endpoint *server = pair->world.server;
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_session *session;
	unsigned asked = 0;

	server->host_key.dh = never;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.server_key = pair->world.host_key.public_key;
	for (unsigned i = 0; i < 1000; i++) {
		expect(sj_core_login(pair->client->endpoint, pair->world.now,
		    &login, &session) == 0, "no login");
		pair_exchange(pair, 1);
	}
	for (struct list *at = server->requests.next; at != &server->requests;
	    at = at->next)
		asked++;
	expect(asked > 0, "nothing was asked");
	expect(asked <= HALF_OPEN_MAX, "the host key is asked without end");
	hostile_end(pair);
}

static void
never_propose(const struct sj_mech *mech, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	(void)mech;
	(void)endpoint;
	(void)request;
	(void)facts;
}

/* [SJ-LG-9] Channels of people who do not log in. */
static void
idle_newcomers(void)
{
	struct pair *pair = hostile_start();
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_mech honest = pair->client->mech;
	struct sj_session *session;

	pair->client->mech.propose = never_propose;
	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	for (unsigned i = 0; i < UNPROVEN_LOGINS_MAX + 10; i++) {
		expect(sj_core_login(pair->client->endpoint, pair->world.now,
		    &login, &session) == 0, "no login");
		pair_exchange(pair, 4);
	}
	expect(pair->world.server->unproven == UNPROVEN_LOGINS_MAX,
	    "not as many newcomers as there may be");
	pair->client->mech = honest;
	pair_log_in(pair);
	hostile_end(pair);
}

/* A client that moves and moves while it acknowledges nothing. */
static void
many_moves(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj_stream *stream;
	uint8_t bytes[1000] = { 0 };

	pair->on_batch = swallow;
	expect(sj_stream_open(server->user_data, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 0, "no stream");
	for (unsigned i = 0; i < 300; i++) {
		pair->port++;
		hostile_play(pair, write_ping);
		pair_exchange(pair, 1);
	}
	expect(pair->world.server->counters[COUNT_CHANNEL_MOVED] > 256,
	    "it did not move often enough");
	hostile_end(pair);
}

static void
write_unknown(struct writer *writer)
{
	write_varint(writer, 0x35);
}

static unsigned closes_heard, closes_lost;

static bool
lose_closes(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	if (side != 0)
		return true;
	closes_heard++;
	return closes_heard > closes_lost;
}

/* Breaks a rule, then goes on as if nothing had been said, maybe elsewhere. */
static struct pair *
deaf_client(unsigned lost, unsigned pings, bool moves)
{
	struct pair *pair = hostile_start();

	closes_heard = 0;
	closes_lost = lost;
	pair->on_batch = lose_closes;
	hostile_play(pair, write_unknown);
	pair_exchange(pair, 1);
	expect(closes_heard == 1, "the server does not close");
	pair->port += moves;
	for (unsigned i = 0; i < pings; i++)
		hostile_play(pair, write_ping);
	pair_exchange(pair, 1);
	return pair;
}

/* A CLOSE that got lost comes again, a few times, and to nobody else.
 * [SJ-CL-2] */
static void
lost_close(void)
{
	struct pair *pair = deaf_client(1, 1, false);

	expect(closes_heard == 2, "a lost CLOSE does not come again");
	expect(pair->client->endpoint->counters[COUNT_CLOSED_BY_PEER] == 1,
	    "the client does not take the second CLOSE");
	hostile_end(pair);
	pair = deaf_client(100, 20, false);
	expect(closes_heard == 1 + FAREWELL_REPEATS_MAX,
	    "CLOSE comes without end, or not often enough");
	hostile_end(pair);
	pair = deaf_client(100, 20, true);
	expect(closes_heard == 1, "CLOSE goes to an address it never went to");
	hostile_end(pair);
}

/* [SJ-CL-2] Nor does it come again to where nobody has shown to be. */
static void
close_to_unproven(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);

	/* as if it had opened from elsewhere [SJ-PA-4] */
	server->current.is_validated = false;
	server->current.bytes_in = server->current.bytes_out + 2000;
	closes_heard = 0;
	closes_lost = 100;
	pair->on_batch = lose_closes;
	hostile_play(pair, write_unknown);
	pair_exchange(pair, 1);
	expect(closes_heard == 1, "the server does not close");
	for (unsigned i = 0; i < 5; i++)
		hostile_play(pair, write_ping);
	pair_exchange(pair, 1);
	expect(closes_heard == 1, "CLOSE comes again to nobody knows whom");
	hostile_end(pair);
}

/* Large packets of the client are lost while this is so. */
static bool is_cut;

static bool
lose_large(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	return side == 0 || !is_cut || batch->length < 500;
}

/* No attack either: the opening of a child got lost, and before it goes again
 * its parent, which lent the credit, is over. It must not seem to be another's
 * child: that one was not charged for it. [SJ-ST-1] [SJ-ST-4] */
static void
opening_after_parent(void)
{
	struct pair *pair = hostile_start();
	struct sj_session *server = pair_channel(pair->world.server)->user_data;
	struct sj_stream_options options = SJ_STREAM_OPTIONS;
	struct sj_stream *parent, *child;
	uint64_t charged, parent_id;
	uint8_t bytes[1000] = { 0 };

	pair->on_batch = lose_large;
	expect(sj_stream_open(pair->session, &parent, NULL) == 0 &&
	    sj_stream_write(parent, bytes, 1) > 0, "no stream");
	pair_exchange(pair, 200);
	charged = server->tree.root->receive.charged;
	parent_id = parent->id;
	options.parent = parent;
	is_cut = true;
	/* as if far away: it takes a while until it counts as lost */
	pair_channel(pair->client->endpoint)->current.path->smoothed_ns =
	    500 * NS_PER_MS;
	expect(sj_stream_open(pair->session, &child, &options) == 0 &&
	    sj_stream_write(child, bytes, sizeof bytes) > 0, "no child");
	pair_exchange(pair, 1);
	expect(child->opening_sent && !child->lender_is_root,
	    "the parent does not lend");
	sj_stream_finish(parent);
	sj_stream_close(parent);
	for (int i = 0; i < 100 && sj__tree_find(&pair->session->tree,
	    parent_id) != NULL; i++)
		pair_exchange(pair, 1);
	expect(sj__tree_find(&pair->session->tree, parent_id) == NULL,
	    "the parent does not end");
	expect(!child->opening_acked, "nothing got lost");
	is_cut = false;
	pair_exchange(pair, 3000);
	expect(child->opening_acked, "the opening never came");
	expect(server->tree.root->receive.charged == charged,
	    "somebody else is charged for the child");
	hostile_end(pair);
}

static void
write_retire_first(struct writer *writer)
{
	sj__frame_retire_id(writer, 0);
}

/* A client whose first id was given back, while it does not know yet that its
 * parameters came: they go on naming the id that they named first. */
static void
parameters_again(void)
{
	struct pair *pair = hostile_start();
	struct sj__channel *server = pair_channel(pair->world.server);
	struct sj__channel *client = pair_channel(pair->client->endpoint);
	uint8_t first[ID_SIZE];
	unsigned spare = 0;

	memcpy(first, client->own_ids[0].bytes, ID_SIZE);
	expect(client->own_ids[0].sequence == 0, "not the first id");
	while (!server->peer_ids[spare].is_valid)
		spare++;
	server->current.peer_id = server->peer_ids[spare];
	server->peer_ids[spare].is_valid = false;
	hostile_script(server, write_retire_first);
	pair_exchange(pair, 3);
	server->user = &sj__session_channel_user;
	expect(client->own_ids[0].sequence != 0, "the id was not given back");
	client->parameters_wanted = true;
	server->parameters_seen = false;
	hostile_play(pair, write_ping);
	pair_exchange(pair, 1);
	expect(server->parameters_seen, "no parameters came");
	expect(memcmp(server->current.peer_id.bytes, first, ID_SIZE) == 0,
	    "the parameters name another id as the first");
	hostile_end(pair);
}

static const struct hostile_case cases[] = {
	{ "many_logins", many_logins },
	{ "used_up_key", used_up_key },
	{ "gathered_probes", gathered_probes },
	{ "retired_unseen", retired_unseen },
	{ "silent_pings", silent_pings },
	{ "absent_parents", absent_parents },
	{ "children_first", children_first },
	{ "own_parent", own_parent },
	{ "phase_from_elsewhere", phase_from_elsewhere },
	{ "spoilt_hello", spoilt_hello },
	{ "no_memory", no_memory },
	{ "many_moves", many_moves },
	{ "idle_newcomers", idle_newcomers },
	{ "unanswered_hellos", unanswered_hellos },
	{ "lost_close", lost_close },
	{ "close_to_unproven", close_to_unproven },
	{ "opening_after_parent", opening_after_parent },
	{ "parameters_again", parameters_again },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases,
	    sizeof cases / sizeof cases[0]);
}
