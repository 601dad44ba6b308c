/* SPDX-License-Identifier: ISC */
/*
 * bits.c - a copy of a datagram that was changed comes before the honest one
 *
 * Of handshake messages every bit is turned: those of headers and of what has
 * no key each in a world of its own, those of bodies 128 copies to a world. The
 * login goes through, with the same keys at both ends, or it ends with an
 * error. Of short packets every bit is turned within one
 * conversation: none of the copies is taken, and nothing else happens. What is
 * left in the end is nothing: sj__endpoint_destroy() asserts it.
 */
#include "hostile.h"

static const uint8_t other_key[32] = { 9 };

/* What is changed in a world. */
static struct plan {
	int side;                       /* who sends what is changed; 0: server */
	enum long_type type;
	unsigned nth;                   /* of its kind, from 0 */
	size_t bit, count;              /* a copy for each bit of so many */
	bool is_repaired;               /* the digest of a hello fits again */
	bool is_done;
	size_t length;                  /* of the datagram, once it was seen */
	unsigned seen;
	uint8_t version_flip;           /* of the first hello, for an answer to it */
} plan;

static bool
is_of_type(const uint8_t *bytes, enum long_type type)
{
	return (bytes[0] & FLAG_LONG) && (bytes[0] >> 4 & 7) == (int)type;
}

static void
repair_digest(struct pair *pair, uint8_t *hello)
{
	size_t at = LONG_HEADER_SIZE + 1 + COOKIE_SIZE;
	size_t total = (size_t)hello[at + DIGEST_SIZE + 2] << 8 |
	    hello[at + DIGEST_SIZE + 3];
	uint8_t hash[32];

	if (total > HELLO_FRAGMENT)
		return;
	sj__sha256(pair->world.crypto, hello + HELLO_HEADER_SIZE, total, hash);
	memcpy(hello + at, hash, DIGEST_SIZE);
}

/* What the receiver of a changed copy says to it. */
static void
answer_at_once(struct pair *pair, int side)
{
	static uint8_t buffer[65536];
	struct sj_batch batch = { .bytes = buffer, .capacity = sizeof buffer };

	while (side == 1 && sj_core_transmit(pair->world.server,
	    pair->world.now, &batch))
		hostile_inject(pair, 0, batch.bytes, batch.length);
}

static void
turn_bits(struct pair *pair, int side, const uint8_t *bytes, size_t length)
{
	static uint8_t copy[DATAGRAM_MAX];

	if (plan.is_done || side != plan.side ||
	    !is_of_type(bytes, plan.type) || plan.seen++ != plan.nth)
		return;
	plan.is_done = true;
	plan.length = length;
	for (size_t bit = plan.bit; bit < plan.bit + plan.count; bit++) {
		memcpy(copy, bytes, length);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (plan.is_repaired)
			repair_digest(pair, copy);
		hostile_inject(pair, side, copy, length);
		answer_at_once(pair, side);
	}
}

/* The one that was chosen is followed by the honest one. */
static bool
turn_one(struct pair *pair, int side, const struct sj_batch *batch)
{
	if (side == 1 && plan.version_flip != 0) {
		batch->bytes[1] ^= plan.version_flip;
		hostile_inject(pair, side, batch->bytes, batch->length);
		plan.version_flip = 0;
		return false;
	}
	for (size_t at = 0; at < batch->length; at += batch->segment_size)
		turn_bits(pair, side, batch->bytes + at,
		    min_size(batch->segment_size, batch->length - at));
	return true;
}

static const struct sj__channel *
server_channel(const struct sj_endpoint *server)
{
	return list_first(&server->channels, struct sj__channel, all);
}

static bool
have_same_keys(struct pair *pair)
{
	const struct sj__channel *client = pair_channel(pair->client->endpoint);
	const struct sj__channel *server = server_channel(pair->world.server);

	return client != NULL && server != NULL &&
	    memcmp(client->hash, server->hash, sizeof client->hash) == 0 &&
	    memcmp(client->master, server->master, sizeof client->master) == 0 &&
	    memcmp(client->server_key, pair->world.host_key.public_key, 32) == 0 &&
	    memcmp(client->protection.send.secret,
	    server->protection.receive[server->protection.receive_phase].secret,
	    32) == 0;
}

/* What is the same in all worlds of a case. */
struct scene {
	bool is_key_known, has_wrong_key;
	size_t ended;                   /* worlds in which the login ends with an error */
	size_t cookie_from;             /* 0: as usual; 1: from the first hello on */
	size_t hello_least, answer_filler;
	uint8_t version_flip;
};

static void
log_in(struct pair *pair, const struct scene *scene)
{
	struct sj_core_login login = { .server_name = "server",
	    .application = "sim", .user = "alice",
	    .options = SJ_LOGIN_OPTIONS };

	login.path.transport = SJ_TRANSPORT_UDP;
	login.path.remote.port = SJ_PORT;
	login.options.trust_first_use = 1;
	if (scene->is_key_known)
		login.server_key = scene->has_wrong_key ? other_key :
		    pair->world.host_key.public_key;
	expect(sj_core_login(pair->client->endpoint, pair->world.now, &login,
	    &pair->session) == 0, "no login");
	pair_exchange(pair, 12);
	/* lost or spoilt: the client asks again, in time */
	for (unsigned i = 0; i < 100 && !pair->started && !pair->ended; i++) {
		pair->world.now.boot_ns += 200 * NS_PER_MS;
		pair_exchange(pair, 4);
	}
}

/* One world; true if the login went through. */
static bool
run_world(const struct scene *scene)
{
	static struct pair pair;
	bool is_through;

	memset(&pair, 0, sizeof pair);
	pair_seed(7);
	pair_open(&pair);
	if (scene->cookie_from != 0)
		pair.world.server->cookie_from = scene->cookie_from - 1;
	pair.client->endpoint->hello_least = scene->hello_least;
	pair.world.server->answer_filler = scene->answer_filler;
	plan.version_flip = scene->version_flip;
	plan.is_done = false;
	plan.seen = 0;
	pair.on_batch = turn_one;
	log_in(&pair, scene);
	is_through = pair.started;
	expect(plan.is_done, "what was to be changed never came");
	expect(is_through || pair.ended, "neither a login nor an error");
	expect(!is_through || have_same_keys(&pair), "the keys differ");
	expect(!is_through || !scene->has_wrong_key, "a wrong key is taken");
	if (is_through) {
		expect(sj_logout(pair.session) == 0, "no logout");
		pair_exchange(&pair, 20);
		expect(pair.ended, "a logout does not end");
	}
	pair.world.now.boot_ns += 100 * NS_PER_S;
	pair_exchange(&pair, 20);
	expect(pair.world.server->half_open == 0 &&
	    list_is_empty(&pair.world.server->channels) &&
	    list_is_empty(&pair.world.server->sessions),
	    "something is left of it");
	pair_close(&pair);
	return is_through;
}

#define TOGETHER 128

/* Every bit of the nth datagram of a type; those of its first bytes in worlds
 * of their own. With a digest to fit: those of the body alone. */
static void
every_bit(const struct scene *scene, int side, enum long_type type,
    unsigned nth, size_t header, bool is_repaired)
{
	size_t failed = 0, worlds = 0, bits;

	plan = (struct plan){ .side = side, .type = type, .nth = nth,
	    .is_repaired = is_repaired };
	expect(run_world(scene) != scene->has_wrong_key,
	    "it goes wrong without a change");
	bits = 8 * plan.length;
	for (plan.bit = is_repaired ? 8 * HELLO_HEADER_SIZE : 0;
	    plan.bit < bits; plan.bit += plan.count) {
		plan.count = plan.bit < 8 * header ? 1 :
		    min_size(TOGETHER, bits - plan.bit);
		worlds++;
		if (run_world(scene))
			continue;
		failed++;
		if (scene->ended == 0 && !scene->has_wrong_key)
			printf("  byte %zu, bit %zu\n", plan.bit / 8,
			    plan.bit % 8);
	}
	printf("  %zu logins, %zu of them given up\n", worlds, failed);
	expect(failed == (scene->has_wrong_key ? worlds : scene->ended),
	    "a changed copy keeps the honest one out");
}

static const struct scene nx = { .is_key_known = false };
static const struct scene nk = { .is_key_known = true };

static void
message_1_nx(void)
{
	every_bit(&nx, 1, LONG_HELLO, 0, HELLO_HEADER_SIZE, false);
	every_bit(&nx, 1, LONG_HELLO, 0, HELLO_HEADER_SIZE, true);
}

static void
message_1_nk(void)
{
	static const struct scene lied_to = { .is_key_known = true,
	    .ended = 32 };

	every_bit(&nk, 1, LONG_HELLO, 0, HELLO_HEADER_SIZE, false);
	/* The number of another key brings a true refusal about: the client
	 * asks for a proof of it, gets none, and gives up. */
	every_bit(&lied_to, 1, LONG_HELLO, 0, HELLO_HEADER_SIZE + OFFER_SIZE,
	    true);
}

static void
message_2_nx(void)
{
	every_bit(&nx, 0, LONG_ANSWER, 0, ANSWER_HEADER_SIZE, false);
}

static void
message_2_nk(void)
{
	every_bit(&nk, 0, LONG_ANSWER, 0, ANSWER_HEADER_SIZE, false);
}

/* A hello and an answer in two datagrams each. */
static void
message_fragments(void)
{
	static const struct scene scene = { .is_key_known = true,
	    .hello_least = 1300, .answer_filler = 1300 };

	for (unsigned nth = 0; nth < 2; nth++) {
		every_bit(&scene, 1, LONG_HELLO, nth, HELLO_HEADER_SIZE, false);
		every_bit(&scene, 0, LONG_ANSWER, nth, ANSWER_HEADER_SIZE,
		    false);
	}
}

static void
cookie(void)
{
	static const struct scene scene = { .is_key_known = true,
	    .cookie_from = 1 };

	every_bit(&scene, 0, LONG_COOKIE, 0, HELLO_SIZE, false);
	every_bit(&scene, 1, LONG_HELLO, 1, HELLO_HEADER_SIZE, false);
}

/* Anybody on the way may give it: it is believed if ours is not on it, which
 * one turned bit of ours brings about. */
static void
list_of_versions(void)
{
	static const struct scene scene = { .is_key_known = true,
	    .version_flip = 0x40, .ended = 32 };

	every_bit(&scene, 0, LONG_VERSIONS, 0, HELLO_SIZE, false);
}

/* Who asked for another key ends with an error in any case; no copy of it may
 * bring a login about. */
static void
refusal(void)
{
	static const struct scene scene = { .is_key_known = true,
	    .has_wrong_key = true };

	every_bit(&scene, 0, LONG_REFUSAL, 0, HELLO_SIZE, false);
}

static const struct hostile_case cases[] = {
	{ "message_1_nx", message_1_nx },
	{ "message_1_nk", message_1_nk },
	{ "message_2_nx", message_2_nx },
	{ "message_2_nk", message_2_nk },
	{ "message_fragments", message_fragments },
	{ "cookie", cookie },
	{ "list_of_versions", list_of_versions },
	{ "refusal", refusal },
};

int
main(int argc, char **argv)
{
	return hostile_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
