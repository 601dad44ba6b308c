/* SPDX-License-Identifier: ISC */
/*
 * clauses.c - rules of PROTOCOL.md that no other test shows, by name
 *
 * One client and one server without a network; each case looks at one rule.
 */
#include "pair.h"

static void
expect(bool is_so, const char *text)
{
	if (!is_so)
		fail(NULL, text);
}

static struct pair *
start(bool is_logged_in)
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair_seed(1);
	pair_open(pair);
	if (is_logged_in)
		pair_log_in(pair);
	return pair;
}

static void
end(struct pair *pair)
{
	pair_close(pair);
	free(pair);
}

/* --- Handshake --------------------------------------------------------- */

static unsigned hellos[4];              /* by the address they go to */
static uint8_t last_attempt;
static bool attempts_rise;

/* Nobody is at the addresses 1 and 2; a hello in one datagram shows its attempt. */
static bool
only_at_its_port(struct pair *pair, int side, const struct sj_batch *batch)
{
	unsigned port = batch->path.remote.port;

	(void)pair;
	if (side == 0)
		return true;
	if (batch->bytes[0] & FLAG_LONG) {
		hellos[port == SJ_PORT ? 3 : port]++;
		attempts_rise &= hellos[1] + hellos[2] + hellos[3] == 1 ||
		    batch->bytes[LONG_HEADER_SIZE] > last_attempt;
		last_attempt = batch->bytes[LONG_HEADER_SIZE];
	}
	return port == SJ_PORT;
}

static struct pair *
log_in_at(const uint16_t *ports, size_t count, unsigned rounds)
{
	struct pair *pair = start(false);
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };
	struct sj_path paths[4] = { { .transport = SJ_TRANSPORT_UDP } };

	memset(hellos, 0, sizeof hellos);
	attempts_rise = true;
	pair->on_batch = only_at_its_port;
	login.options.trust_first_use = 1;
	login.options.timeout_ms = 60000;
	for (size_t i = 0; i < count; i++) {
		paths[i].transport = SJ_TRANSPORT_UDP;
		paths[i].remote.port = ports[i];
	}
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) == 0 && sj_core_login_paths(pair->session,
	    pair->world.now, paths, count) == 0, "no login");
	pair_exchange(pair, rounds);
	return pair;
}

/* [SJ-HS-10] Several addresses, each in its turn; an answer from one that got
 * no hello is none. */
static void
several_addresses(void)
{
	static const uint16_t with[] = { 1, SJ_PORT, 2 }, without[] = { 1, 2 };
	struct pair *pair = log_in_at(with, 3, 2000);

	expect(hellos[1] > 0 && hellos[3] > 0, "not each in its turn");
	expect(pair->started, "no login at the second address");
	end(pair);
	pair = log_in_at(without, 2, 2000);
	expect(hellos[1] > 1 && hellos[2] > 1 && !pair->started,
	    "only two addresses, and both without an answer");
	end(pair);
}

/* Nobody hears; then all do, but the answers come from another address. */
static bool
from_another(struct pair *pair, int side, const struct sj_batch *batch)
{
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };

	if (side == 1)
		return true;
	path.remote.port = 9;
	sj_core_receive(pair->client->endpoint, pair->world.now, &path,
	    SJ_ECN_NONE, batch->bytes, batch->length, batch->segment_size);
	return false;
}

static void
answer_from_elsewhere(void)
{
	static const uint16_t ports[] = { SJ_PORT };
	struct pair *pair = log_in_at(ports, 1, 0);

	pair->on_batch = from_another;
	pair_exchange(pair, 3000);
	expect(!pair->started && pair_channel(pair->client->endpoint)->state ==
	    CHANNEL_HELLO, "an answer counts from anywhere");
	pair->on_batch = NULL;
	pair_exchange(pair, 10000);
	expect(pair->started, "no login");
	end(pair);
}

/* [SJ-HS-16] Again until an answer comes, with a higher attempt. */
static void
hello_again(void)
{
	static const uint16_t ports[] = { 1 };
	struct pair *pair = log_in_at(ports, 1, 10000);

	expect(hellos[1] >= 4 && hellos[1] < 10, "not again and again, or "
	    "too often");
	expect(attempts_rise, "an attempt that is not higher");
	end(pair);
}

static unsigned answers;

static bool
first_answers_are_lost(struct pair *pair, int side,
    const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	return side == 1 || ++answers > 2;
}

/* [SJ-HS-16] A copy of the hello is answered, too. */
static void
answer_again(void)
{
	static const uint16_t ports[] = { SJ_PORT };
	struct pair *pair = log_in_at(ports, 1, 0);

	answers = 0;
	pair->on_batch = first_answers_are_lost;
	pair_exchange(pair, 10000);
	expect(answers > 2, "one answer was all");
	expect(pair->started, "no login");
	end(pair);
}

/* --- Ids and keys ------------------------------------------------------ */

/* Backwards through the passes of make_server_id(). */
static uint64_t
decipher(struct sj_endpoint *server, const uint8_t id[ID_SIZE])
{
	uint64_t plain = 0;
	uint32_t left, right, old;
	uint8_t block[16], out[16];

	for (unsigned i = 0; i < 7; i++)
		plain = plain << 8 | id[1 + i];
	left = (uint32_t)(plain >> 28);
	right = plain & 0x0fffffff;
	for (uint8_t pass = 4; pass >= 1; pass--) {
		memset(block, 0, sizeof block);
		block[0] = pass;
		block[1] = 1;
		for (unsigned i = 0; i < 4; i++)
			block[12 + i] = (uint8_t)(left >> (24 - 8 * i));
		sj__aes128_block(server->crypto, server->id_key, block, out);
		old = right ^ (((uint32_t)out[0] << 24 |
		    (uint32_t)out[1] << 16 | (uint32_t)out[2] << 8 | out[3]) &
		    0x0fffffff);
		right = left;
		left = old;
	}
	return (uint64_t)left << 28 | right;
}

/* [SJ-ID-2] The server reads its ids, and no nonce comes twice; others see
 * bytes that have nothing in common but the worker's. */
static void
server_ids(void)
{
	struct pair *pair = start(true);
	struct sj_endpoint *server = pair->world.server;
	struct sj__channel *channel = pair_channel(server);
	uint64_t first = server->id_nonce;
	uint8_t id[ID_SIZE], before[ID_SIZE] = { 0 };
	unsigned bits = 0;

	for (unsigned i = 0; i < 1000; i++) {
		expect(sj__endpoint_add_id(server, channel, id) == 0, "no id");
		expect(id[0] == server->id_worker_mask, "another worker");
		expect(decipher(server, id) == first + i,
		    "the server cannot read its id, or a nonce came twice");
		for (unsigned k = 8; k < 64 && i > 0; k++)
			bits += (id[k / 8] ^ before[k / 8]) >> k % 8 & 1;
		memcpy(before, id, ID_SIZE);
		sj__endpoint_remove_id(server, id);
	}
	/* of 999 * 56 bits half differ; three per cent are ten sigma */
	expect(bits > 27000 && bits < 29000, "ids of neighbours look alike");
	end(pair);
}

static int
always_the_same(void *context, void *out, size_t length)
{
	(void)context;
	memset(out, 0x5a, length);
	return 0;
}

/* [SJ-KEY-1] A generator that repeats itself does not repeat a key, and its bytes
 * alone do not tell it. */
static void
hedged_keys(void)
{
	struct pair *pair = start(true);
	struct sj_endpoint *client = pair->client->endpoint;
	uint8_t keys[2][32], same[32];

	pair->client->io.random = always_the_same;
	client->random_left = 0;
	for (int i = 0; i < 2; i++)
		sj__endpoint_key_material(client, keys[i]);
	expect(memcmp(keys[0], keys[1], 32) != 0, "a key came twice");
	client->hedge_count -= 2;
	sj__endpoint_key_material(client, same);
	expect(memcmp(keys[0], same, 32) == 0, "not the same circumstances");
	client->hedge_count--;
	client->hedge_key[0] ^= 1;
	sj__endpoint_key_material(client, same);
	expect(memcmp(keys[0], same, 32) != 0,
	    "the secret state has no part in the key");
	end(pair);
}

/* [SJ-KEY-7] */
static void
too_many_forgeries(void)
{
	struct pair *pair = start(true);
	struct sj_endpoint *server = pair->world.server;
	struct sj__channel *channel = pair_channel(server);
	struct sj_path path = { .transport = SJ_TRANSPORT_UDP };
	uint8_t junk[PACKET_MIN] = { 0 };

	path.remote.ip[15] = 1;
	path.remote.port = pair->port;
	channel->protection.failed_opens = FAILED_OPENS_MAX - 2;
	for (int i = 0; i < 2; i++) {
		expect(channel->state == CHANNEL_OPEN, "cut off too early");
		memset(junk, 0x11, sizeof junk);
		junk[0] = 0;
		memcpy(junk + 1, channel->own_ids[1].bytes, ID_SIZE);
		sj_core_receive(server, pair->world.now, &path, SJ_ECN_NONE,
		    junk, sizeof junk, sizeof junk);
	}
	expect(channel->state == CHANNEL_CLOSED && channel->close_code == 2,
	    "the key is used in spite of all forgeries");
	pair_exchange(pair, 10);
	expect(pair->ended, "the client does not hear of it");
	end(pair);
}

/* --- Streams ----------------------------------------------------------- */

static uint64_t
largest_window(const struct sj_session *session)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < session->tree.bucket_count; i++)
		for (struct sj_stream *stream = session->tree.buckets[i];
		    stream != NULL; stream = stream->hash_next)
			if (stream->parent != NULL)
				largest = max_u64(largest,
				    stream->receive.window);
	return largest;
}

/* [SJ-ST-7] Twice the window for a reader that empties it at once, not for a
 * slow one; and not without end. */
static void
windows_grow(void)
{
	static uint8_t bytes[100000];
	struct pair *pair = start(true);
	struct sj_session *server = pair_channel(pair->world.server)->user_data;
	struct sj_stream *stream;
	uint64_t before, after = 0;

	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, 1) > 0, "no stream");
	pair_exchange(pair, 50);
	before = largest_window(server);
	for (unsigned i = 0; i < 3000; i++) {
		(void)sj_stream_write(stream, bytes, sizeof bytes);
		/* as if far away: what is read is read within two round trips */
		pair_channel(pair->world.server)->current.path->smoothed_ns =
		    100 * NS_PER_MS;
		pair_exchange(pair, 1);
		after = max_u64(after, largest_window(server));
	}
	expect(before > 0 && after >= 2 * before, "the window does not grow");
	expect(after <= sj__endpoint_session_budget(pair->world.server),
	    "the window grows beyond the budget");
	end(pair);
}

/* --- Paths ------------------------------------------------------------- */

#define TIMES_MAX 64
static uint64_t times[TIMES_MAX];
static unsigned time_count;

static bool
note_times(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)batch;
	if (side == 1 && time_count < TIMES_MAX)
		times[time_count++] = pair->world.now.boot_ns;
	return true;
}

/* [SJ-PA-6] After 1 s without news, then after 2, 4, 8 and every 15; silence
 * where nothing is expected. */
static void
questions(void)
{
	static const unsigned seconds[] = { 1, 2, 4, 8, 15, 15 };
	struct pair *pair = start(true);
	struct sj_stream *stream;
	uint64_t last;

	pair->on_batch = note_times;
	pair_exchange(pair, 1000);
	time_count = 0;
	pair_exchange(pair, 40000);
	expect(time_count == 0, "a client that expects nothing speaks");
	/* an open stream on which nothing comes */
	expect(sj_stream_open(pair->session, &stream, NULL) == 0, "no stream");
	pair_exchange(pair, 100);
	time_count = 0;
	last = pair_channel(pair->client->endpoint)->quiet_from_ns;
	pair_exchange(pair, 50000);
	expect(time_count == 6, "not so many questions");
	for (unsigned i = 0; i < 6; i++) {
		expect(times[i] - last >= seconds[i] * NS_PER_S &&
		    times[i] - last < seconds[i] * NS_PER_S + 50 * NS_PER_MS,
		    "a question too early or too late");
		last = times[i];
	}
	end(pair);
}

static unsigned probes;

static bool
silence(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	probes += side == 1;
	return false;
}

/* [SJ-PA-8] */
static void
ten_probes(void)
{
	struct pair *pair = start(true);
	struct sj_stream *stream;

	probes = 0;
	pair->on_batch = silence;
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, "x", 1) == 1, "no stream");
	for (unsigned i = 0; i < 400 && !pair->ended; i++)
		pair_exchange(pair, 1000);
	expect(pair->ended, "it goes on without end");
	expect(probes >= 10 && probes <= 24, "not about ten probes");
	end(pair);
}

/* [SJ-PA-9] Two channels of one client have one controller, once both have
 * validated the way. */
static void
one_controller(void)
{
	struct pair *pair = start(true);
	struct sj__channel *first = pair_channel(pair->client->endpoint), *second;
	struct sj_session *session = pair->session;

	pair_log_in(pair);
	second = container_of(first->all.next, struct sj__channel, all);
	expect(session != pair->session && second != first, "not two channels");
	expect(first->current.path == second->current.path,
	    "two controllers for one way");
	first = pair_channel(pair->world.server);
	second = container_of(first->all.next, struct sj__channel, all);
	expect(first->current.path == second->current.path &&
	    first->current.path->references == 2, "and at the server");
	end(pair);
}

static bool
from_client_alone(struct pair *pair, int side, const struct sj_batch *batch)
{
	(void)pair;
	(void)batch;
	return side == 1;
}

/* [SJ-PA-9] A client died while much was on its way to it; the next one at its
 * address has the window all the same. */
static void
one_dead_since(unsigned milliseconds)
{
	static const uint8_t bytes[60000] = { 1 };
	struct pair *pair = start(true);
	struct sj_stream *stream;

	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, sizeof bytes) > 50000, "no stream");
	pair->on_batch = from_client_alone;
	pair_exchange(pair, 4);
	expect(pair_channel(pair->world.server)->current.path->in_flight > 0,
	    "nothing is under way");
	pair->on_batch = silence;
	pair_exchange(pair, milliseconds);
	pair->on_batch = NULL;
	pair_restart_client(pair);
	pair_log_in(pair);
	expect(pair_channel(pair->world.server)->all.next !=
	    &pair->world.server->channels, "the old one has been given up");
	expect(sj_stream_open(pair->session, &stream, NULL) == 0 &&
	    sj_stream_write(stream, bytes, 1) == 1, "no second stream");
	pair_exchange(pair, 20);
	expect(stream->receive.in_order > 0, "the dead one holds the window");
	end(pair);
}

static void
one_dead(void)
{
	for (unsigned milliseconds = 1000; milliseconds < 4000;
	    milliseconds += 50)
		one_dead_since(milliseconds);
}

static const struct {
	const char *name;
	void (*run)(void);
} rules[] = {
	{ "several_addresses", several_addresses },
	{ "answer_from_elsewhere", answer_from_elsewhere },
	{ "hello_again", hello_again },
	{ "answer_again", answer_again },
	{ "server_ids", server_ids },
	{ "hedged_keys", hedged_keys },
	{ "too_many_forgeries", too_many_forgeries },
	{ "windows_grow", windows_grow },
	{ "questions", questions },
	{ "ten_probes", ten_probes },
	{ "one_controller", one_controller },
	{ "one_dead", one_dead },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (argc < 2 || strcmp(argv[1], rules[i].name) == 0) {
			rules[i].run();
			printf("%s: kept\n", rules[i].name);
		}
	return 0;
}
