/* SPDX-License-Identifier: ISC */
/* test_handshake.c - from hello to secrets: what verifies, and that nothing
 * else does anything */
#include "unit.h"

#include "core/handshake.c"

static struct sj__memory memory;
static struct sj__crypto *crypto;
static struct sj_host_key host = { .context = NULL };
static uint8_t host_private[32];
static bool key_elsewhere;
static unsigned counts[COUNTERS];
static const uint8_t client_id[ID_SIZE] = { 0xc1, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t server_id[ID_SIZE] = { 0x5e, 2, 3, 4, 5, 6, 7, 8 };
static const struct sj_time now = { 5 * NS_PER_S, 1700000000 };

/* --- What stands in for an endpoint ------------------------------------- */

void
sj__endpoint_count(struct sj_endpoint *endpoint, enum counter counter)
{
	(void)endpoint;
	counts[counter]++;
}

void
sj__endpoint_random(struct sj_endpoint *endpoint, void *out, size_t length)
{
	(void)endpoint;
	draw_bytes(out, length);
}

void
sj__endpoint_key_material(struct sj_endpoint *endpoint, uint8_t out[32])
{
	(void)endpoint;
	draw_bytes(out, 32);
}

struct sj__memory *
sj__endpoint_memory(struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return &memory;
}

struct sj__crypto *
sj__endpoint_crypto(struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return crypto;
}

const struct sj_host_key *
sj__endpoint_host_key(const struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return &host;
}

const uint8_t *
sj__endpoint_host_private(const struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return key_elsewhere ? NULL : host_private;
}

static size_t filler;                   /* bytes that an answer has more */

size_t
sj__endpoint_answer_filler(const struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return filler;
}

static bool hybrid_is_wanted;

bool
sj__endpoint_has_hybrid(const struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return hybrid_is_wanted && sj__kem_is_there(crypto);
}

uint32_t
sj__endpoint_datagram_max(const struct sj_endpoint *endpoint)
{
	(void)endpoint;
	return DATAGRAM_MAX;
}

static const uint8_t address_token[COOKIE_SIZE] = "fifteen letters";

void
sj__strangers_make_token(struct sj_endpoint *endpoint, struct sj_time time,
    const struct sj_path *path, uint8_t token[COOKIE_SIZE])
{
	(void)endpoint;
	(void)time;
	(void)path;
	memcpy(token, address_token, COOKIE_SIZE);
}

/* --- Steps -------------------------------------------------------------- */

static int
set_up(void **state)
{
	(void)state;
	draw_state = 271828;
	key_elsewhere = false;
	filler = 0;
	hybrid_is_wanted = false;
	memset(counts, 0, sizeof counts);
	sj__memory_init(&memory, 1 << 20);
	if (sj__crypto_open(&crypto, &memory, NULL) < 0)
		return -1;
	draw_bytes(host_private, sizeof host_private);
	return sj__x25519_public(crypto, host_private, host.public_key);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__crypto_close(crypto, &memory);
	return memory.used == 0 ? 0 : -1;
}

static struct sj__handshake *
begin(const uint8_t *server_key, const struct offer *refused)
{
	struct sj__handshake_client client = { .server_key = server_key,
	    .refused = refused, .is_hybrid = sj__endpoint_has_hybrid(NULL) };
	struct sj__handshake *handshake;

	memcpy(client.id, client_id, ID_SIZE);
	assert_int_equal(sj__handshake_begin(&client, &handshake), 0);
	return handshake;
}

/* Where things are in a hello: neither attempt nor cookie is in any hash. */
#define ATTEMPT_AT LONG_HEADER_SIZE
#define DIGEST_AT (LONG_HEADER_SIZE + 1 + COOKIE_SIZE)

/* Whoever changes a body makes the digest anew: it is no secret. */
static void
digest(uint8_t *hello)
{
	uint8_t hash[32];

	sj__sha256(crypto, hello + HELLO_HEADER_SIZE, HELLO_FRAGMENT, hash);
	memcpy(hello + DIGEST_AT, hash, DIGEST_SIZE);
}

static size_t
refuse(const struct long_packet *hello, uint8_t code, uint8_t *out,
    size_t capacity)
{
	struct long_packet refusal = { .version = SJ__VERSION_1,
	    .code = code,
	    .flags = sj__long_flags(NULL, LONG_REFUSAL) };

	memcpy(refusal.destination, hello->source, ID_SIZE);
	memcpy(refusal.source, hello->destination, ID_SIZE);
	return sj__long_encode(&refusal, out, capacity);
}

static int
step(struct sj__handshake *server)
{
	uint8_t peer_key[32], shared[32];
	int error = sj__handshake_step(server, peer_key);

	while (error == SJ__HANDSHAKE_PENDING) {
		if (sj__x25519(crypto, host_private, peer_key, shared) < 0)
			return SJ_ERR_PROTOCOL;
		assert_int_equal(sj__handshake_resume(server, shared), 0);
		error = sj__handshake_step(server, peer_key);
	}
	return error;
}

/* A whole hello: the length of the answer, 0 for none. */
static size_t
serve_whole(const struct long_packet *hello, uint8_t *out, size_t capacity,
    struct sj__handshake_result *result)
{
	uint8_t code = 0;
	enum sj__verdict verdict = sj__handshake_judge(NULL, hello->body,
	    &code);
	struct sj__handshake *server;
	size_t answered = 0;

	if (verdict == VERDICT_DROP)
		return 0;
	if (verdict == VERDICT_REFUSE)
		return refuse(hello, code, out, capacity);
	assert_int_equal(sj__handshake_accept(NULL, hello, server_id, NULL, now,
	    &server), 0);
	if (step(server) == 0)
		answered = sj__handshake_answer(server, 1, out, capacity);
	if (answered > 0 && result != NULL)
		sj__handshake_result(server, result);
	sj__handshake_close(server);
	return answered;
}

/* What a server makes of a datagram, with the checks that its endpoint makes. */
static size_t
serve(const uint8_t *datagram, size_t length, uint8_t *out, size_t capacity,
    struct sj__handshake_result *result)
{
	struct long_packet hello;
	uint8_t hash[32];

	if (!sj__long_decode((struct span){ datagram, length }, &hello) ||
	    hello.version != SJ__VERSION_1 ||
	    long_type_of(hello.flags) != LONG_HELLO || hello.offset != 0 ||
	    hello.body.length != hello.total)
		return 0;
	sj__sha256(crypto, hello.body.data, hello.body.length, hash);
	if (memcmp(hash, hello.digest, DIGEST_SIZE) != 0)
		return 0;
	return serve_whole(&hello, out, capacity, result);
}

/* What a client makes of a datagram: 0 if it is the answer, PENDING if more
 * seems to be missing. */
static int
take(struct sj__handshake *client, const uint8_t *datagram, size_t length)
{
	struct long_packet answer;

	if (!sj__long_decode((struct span){ datagram, length }, &answer) ||
	    answer.version != SJ__VERSION_1 ||
	    memcmp(answer.destination, client_id, ID_SIZE) != 0 ||
	    long_type_of(answer.flags) != LONG_ANSWER)
		return SJ_ERR_PROTOCOL;
	return sj__handshake_read_answer(client, &answer);
}

static size_t
hello_of(struct sj__handshake *client, uint8_t *out)
{
	size_t length = sj__handshake_hello(client, 0, out, HELLO_SIZE);

	assert_int_equal(length, HELLO_SIZE);   /* [SJ-HS-5] */
	return length;
}

static void
assert_agree(const struct sj__handshake *client,
    const struct sj__handshake_result *server)
{
	struct sj__handshake_result result;

	sj__handshake_result(client, &result);
	assert_memory_equal(result.client_secret, server->client_secret, 32);
	assert_memory_equal(result.server_secret, server->server_secret, 32);
	assert_memory_equal(result.master, server->master, 32);
	assert_memory_equal(result.hash, server->hash, 32);
	assert_memory_equal(result.server_key, host.public_key, 32);
	assert_memory_equal(server->server_key, host.public_key, 32);
	assert_memory_equal(result.peer_id, server_id, ID_SIZE);
	assert_int_equal(result.suite, server->suite);
	assert_int_equal(result.suite, SUITE_AES_128_GCM);
	assert_int_equal(result.time_unix_s, now.unix_s);
	assert_true(result.has_token);
	assert_memory_equal(result.token, address_token, COOKIE_SIZE);
	assert_int_equal(result.peer_credit, CREDIT_BEFORE_LOGIN);
	assert_int_equal(result.peer_ack_delay_ms, 25);
	assert_memory_not_equal(result.client_secret, result.server_secret, 32);
}

/* --- Tests -------------------------------------------------------------- */

static void
both_patterns(void **state)
{
	uint8_t hello[HELLO_SIZE], answer[1200];
	struct sj__handshake_result server;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct sj__handshake *client = begin(i % 2 > 0 ?
		    host.public_key : NULL, NULL);
		size_t length = hello_of(client, hello);

		/* The host key held elsewhere gives the same. */
		key_elsewhere = i > 1;
		length = serve(hello, length, answer, sizeof answer, &server);
		assert_true(length > 0);
		/* [SJ-HS-6] */
		assert_true(length <= HELLO_SIZE);
		assert_int_equal(take(client, answer, length), 0);
		assert_memory_equal(sj__handshake_server_key(client),
		    host.public_key, 32);
		assert_agree(client, &server);
		sj__handshake_close(client);
	}
}

/* Without a key that was seen before, each run has other secrets. */
static void
fresh(void **state)
{
	uint8_t hello[HELLO_SIZE], answer[1200];
	struct sj__handshake_result one, two;
	struct sj__handshake *client = begin(NULL, NULL);
	size_t length = hello_of(client, hello);

	(void)state;
	assert_true(serve(hello, length, answer, sizeof answer, &one) > 0);
	assert_true(serve(hello, length, answer, sizeof answer, &two) > 0);
	assert_memory_not_equal(one.client_secret, two.client_secret, 32);
	assert_memory_not_equal(one.hash, two.hash, 32);
	sj__handshake_close(client);
}

/* [SJ-HS-1], [SJ-HS-2] Every bit of the hello: the server is silent or gives
 * an answer that the client takes for none, and the right one still counts. */
static void
hello_flips(const uint8_t *server_key)
{
	uint8_t hello[HELLO_SIZE], answer[1200], right[1200];
	struct sj__handshake *client = begin(server_key, NULL);
	size_t length = hello_of(client, hello), right_length, answered;
	struct sj__handshake_result server;
	unsigned silent = 0, refused = 0;

	right_length = serve(hello, length, right, sizeof right, &server);
	assert_true(right_length > 0);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		/* Of the padding a part will do. */
		if ((bit > 8 * 200 && bit % 61 != 0) ||
		    (bit / 8 >= ATTEMPT_AT && bit / 8 < DIGEST_AT))
			continue;
		hello[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit / 8 >= HELLO_HEADER_SIZE)
			digest(hello);
		answered = serve(hello, length, answer, sizeof answer, NULL);
		silent += answered == 0;
		if (answered > 0) {
			assert_true(take(client, answer, answered) < 0);
			refused++;
		}
		hello[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit / 8 >= HELLO_HEADER_SIZE)
			digest(hello);
	}
	assert_true(silent > 30);
	/* NK is checked by the server, NX by the client. */
	assert_true(server_key != NULL ? silent > refused : refused > silent);
	assert_int_equal(take(client, right, right_length), 0);
	assert_agree(client, &server);
	sj__handshake_close(client);
}

/* [SJ-HS-1] Somebody on the way changes the header of the hello, and changes it
 * back in the answer: the ends have not seen the same. */
static void
header_unlike(void **state)
{
	uint8_t bytes[HELLO_SIZE], answer[1200], key[32];
	struct sj__handshake *client, *server;
	struct long_packet hello, changed;
	size_t length;

	(void)state;
	for (unsigned field = 0; field < 4; field++) {
		client = begin(NULL, NULL);
		hello_of(client, bytes);
		assert_true(sj__long_decode((struct span){ bytes, HELLO_SIZE },
		    &hello));
		changed = hello;
		changed.flags ^= field == 0;
		changed.version ^= field == 1;
		changed.destination[3] ^= field == 2;
		changed.source[3] ^= field == 3;
		assert_int_equal(sj__handshake_accept(NULL, &changed,
		    server_id, NULL, now, &server), 0);
		assert_int_equal(sj__handshake_step(server, key), 0);
		length = sj__handshake_answer(server, 0, answer,
		    sizeof answer);
		sj__handshake_close(server);
		memcpy(answer + 5, hello.source, ID_SIZE);
		memcpy(answer + 5 + ID_SIZE, hello.destination, ID_SIZE);
		assert_true(take(client, answer, length) < 0);
		sj__handshake_close(client);
	}
}

/* Every bit of the answer, but those that mean nothing: four of grease, the
 * attempt. */
static void
answer_flips(const uint8_t *server_key)
{
	uint8_t hello[HELLO_SIZE], answer[1200];
	struct sj__handshake *client = begin(server_key, NULL), *before;
	size_t length = hello_of(client, hello);
	struct sj__handshake_result server;

	before = malloc(sizeof *before);
	assert_non_null(before);
	length = serve(hello, length, answer, sizeof answer, &server);
	memcpy(before, client, sizeof *before);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		if (bit < 4 || bit / 8 == ATTEMPT_AT)
			continue;
		answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(take(client, answer, length), 0);
		sj__assembly_fini(&client->assembly, &memory);
		assert_memory_equal(before, client, sizeof *before);
		answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t i = 0; i < length; i++) {
		assert_int_not_equal(take(client, answer, i), 0);
		sj__assembly_fini(&client->assembly, &memory);
	}
	assert_memory_equal(before, client, sizeof *before);
	assert_int_equal(take(client, answer, length), 0);
	assert_agree(client, &server);
	free(before);
	sj__handshake_close(client);
}

static void
every_flip(void **state)
{
	(void)state;
	hello_flips(NULL);
	hello_flips(host.public_key);
	answer_flips(NULL);
	answer_flips(host.public_key);
}

/* [SJ-HS-3] */
static void
unknown_key(void **state)
{
	uint8_t hello[HELLO_SIZE], out[1200], other[32];
	struct sj__handshake *client;
	struct sj__handshake_result server;
	struct long_packet packet;
	struct offer refused;
	size_t length;

	(void)state;
	memcpy(other, host.public_key, 32);
	other[7] ^= 1;
	client = begin(other, NULL);
	length = serve(hello, hello_of(client, hello), out, sizeof out, NULL);
	assert_true(length > 0 && length < HELLO_SIZE);
	assert_true(sj__long_decode((struct span){ out, length }, &packet));
	assert_int_equal(long_type_of(packet.flags), LONG_REFUSAL);
	assert_int_equal(packet.code, REFUSAL_UNKNOWN_KEY);
	assert_memory_equal(packet.destination, client_id, ID_SIZE);
	packet.source[0] ^= 1;  /* [SJ-HS-15] */
	assert_false(sj__handshake_may_be_refused(client, &packet, &refused));
	packet.source[0] ^= 1;
	assert_true(sj__handshake_may_be_refused(client, &packet, &refused));
	sj__handshake_close(client);
	/* The client tries again, saying so. */
	client = begin(NULL, &refused);
	memcpy(packet.source, client->header.destination, ID_SIZE);
	assert_false(sj__handshake_may_be_refused(client, &packet, &refused));
	length = serve(hello, hello_of(client, hello), out, sizeof out,
	    &server);
	assert_int_equal(take(client, out, length), 0);
	assert_agree(client, &server);
	sj__handshake_close(client);
}

/* A refusal that this server would not have given. */
static void
forged_refusal(void **state)
{
	uint8_t hello[HELLO_SIZE], out[1200];
	uint32_t own = key_number(NULL, host.public_key);
	const struct offer table[] = {
		{ .refusal = 1, .refused_pattern = OFFER_NK,
		    .refused_key_number = own },
		{ .refusal = 1, .refused_pattern = OFFER_NX,
		    .refused_key_number = own + 1 },
		{ .refusal = 2, .refused_pattern = OFFER_NK,
		    .refused_key_number = own + 1 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sj__handshake *client = begin(NULL, &table[i]);

		assert_int_equal(serve(hello, hello_of(client, hello), out,
		    sizeof out, NULL), 0);
		assert_int_equal(counts[COUNT_DROPPED_HELLO_REFUSAL], i + 1);
		sj__handshake_close(client);
	}
}

/* What a server has to refuse of an offer, said once more, in another way. */
static unsigned
model_refusal(unsigned pattern, bool key_is_ours)
{
	unsigned refusal = 0;

	if ((pattern == OFFER_NK || pattern == OFFER_NK_HYBRID) && !key_is_ours)
		refusal += REFUSAL_UNKNOWN_KEY;
	if (pattern >= OFFER_NX_HYBRID && !sj__endpoint_has_hybrid(NULL))
		refusal += REFUSAL_NO_HYBRID;
	return refusal;
}

/* What is left of a pattern after a refusal. */
static unsigned
model_left(unsigned pattern, unsigned refusal)
{
	static const uint8_t left[4][6] = {
		{ 0, OFFER_NX, OFFER_NK, 0, OFFER_NX_HYBRID, OFFER_NK_HYBRID },
		{ 0, OFFER_NX, OFFER_NX, 0, OFFER_NX_HYBRID, OFFER_NX_HYBRID },
		{ 0, OFFER_NX, OFFER_NK, 0, OFFER_NX, OFFER_NK },
		{ 0, OFFER_NX, OFFER_NX, 0, OFFER_NX, OFFER_NX },
	};

	return left[refusal][pattern];
}

/* Every offer with every story of a refusal: [SJ-HS-3], [SJ-HS-30]. A story is
 * believed if this server would have refused so, and if nothing else has changed
 * since; and what is taken is never less than the first offer without reason. */
static void
every_refusal(void **state)
{
	uint32_t own = key_number(NULL, host.public_key);
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 7 * 7 * 6 * 2 * 2 * 2; i++) {
		struct offer offer = { .suite = OFFER_CHACHAPOLY,
		    .pattern = (uint8_t)(i % 7),
		    .refused_pattern = (uint8_t)(i / 7 % 7),
		    .refusal = (uint8_t)(i / 49 % 6),
		    .key_number = own + (i / 294 % 2),
		    .refused_key_number = own + (i / 588 % 2) };
		uint8_t body[OFFER_SIZE], code = 0;
		bool is_known = offer.pattern > 0 && offer.pattern < 6 &&
		    offer.pattern != OFFER_NK_PSK0;
		bool first_is_known = offer.refused_pattern > 0 &&
		    offer.refused_pattern < 6 &&
		    offer.refused_pattern != OFFER_NK_PSK0;
		enum sj__verdict expected = VERDICT_DROP, verdict;
		unsigned refusal;

		hybrid_is_wanted = i / 1176 > 0;
		if (is_known && (offer.refusal == 0 || (offer.refusal < 4 &&
		    first_is_known &&
		    (offer.refusal & ~model_refusal(offer.refused_pattern,
		    offer.refused_key_number == own)) == 0 &&
		    model_left(offer.refused_pattern, offer.refusal) ==
		    offer.pattern && ((offer.pattern != OFFER_NK &&
		    offer.pattern != OFFER_NK_HYBRID) || offer.key_number ==
		    offer.refused_key_number))))
			expected = model_refusal(offer.pattern,
			    offer.key_number == own) != 0 ? VERDICT_REFUSE :
			    VERDICT_TAKE;
		sj__offer_encode(&offer, body);
		verdict = sj__handshake_judge(NULL, (struct span){ body,
		    sizeof body }, &code);
		assert_int_equal(verdict, expected);
		refusal = model_refusal(offer.pattern, offer.key_number == own);
		if (verdict == VERDICT_REFUSE)
			assert_int_equal(code, refusal);
		taken += verdict == VERDICT_TAKE;
	}
	assert_true(taken > 20);
}

/* A client believes only what its offer can be refused for, and tells the next
 * server all that it was told. */
static void
refused_in_steps(void **state)
{
	struct sj__handshake *client;
	struct long_packet packet = { .version = SJ__VERSION_1 };
	struct offer first, second;

	(void)state;
	client = begin(host.public_key, NULL);
	memcpy(packet.source, client->header.destination, ID_SIZE);
	for (unsigned code = 0; code < 256; code++) {
		packet.code = (uint8_t)code;
		assert_int_equal(sj__handshake_may_be_refused(client, &packet,
		    &first), code & REFUSAL_UNKNOWN_KEY);
		if (code & REFUSAL_UNKNOWN_KEY)
			assert_int_equal(first.refusal, REFUSAL_UNKNOWN_KEY);
	}
	client->offer.pattern = OFFER_NK_HYBRID;        /* as if there were one */
	packet.code = REFUSAL_UNKNOWN_KEY | REFUSAL_NO_HYBRID;
	assert_true(sj__handshake_may_be_refused(client, &packet, &first));
	assert_int_equal(first.refusal, 3);
	packet.code = REFUSAL_NO_HYBRID;
	assert_true(sj__handshake_may_be_refused(client, &packet, &first));
	assert_int_equal(first.refused_pattern, OFFER_NK_HYBRID);
	assert_int_equal(first.refused_key_number,
	    key_number(NULL, host.public_key));
	sj__handshake_close(client);
	client = begin(host.public_key, &first);
	memcpy(packet.source, client->header.destination, ID_SIZE);
	assert_int_equal(client->offer.refusal, REFUSAL_NO_HYBRID);
	packet.code = REFUSAL_UNKNOWN_KEY;
	client->offer.pattern = OFFER_NK;
	assert_true(sj__handshake_may_be_refused(client, &packet, &second));
	assert_int_equal(second.refusal, 3);
	assert_int_equal(second.refused_pattern, OFFER_NK_HYBRID);
	sj__handshake_close(client);
}

/* Both forms with ML-KEM-768: two datagrams there, two back, and every bit of
 * message 2 counts. */
static void
hybrid(void **state)
{
	uint8_t hello[2 * HELLO_SIZE], answer[2400], body[HELLO_BODY_MAX];
	struct sj__handshake_result server;
	struct long_packet packet;

	(void)state;
	hybrid_is_wanted = true;
	if (!sj__kem_is_there(crypto)) {
		assert_null(getenv("SOJOURN_EXPECT_HYBRID"));
		print_message("skipped: libcrypto has no ML-KEM-768\n");
		skip();
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sj__handshake *client = begin(i > 0 ?
		    host.public_key : NULL, NULL);
		size_t length;

		assert_int_equal(sj__handshake_hello(client, 0, hello,
		    sizeof hello), 2 * HELLO_SIZE);
		for (unsigned j = 0; j < 2; j++) {
			assert_true(sj__long_decode((struct span){ hello +
			    j * HELLO_SIZE, HELLO_SIZE }, &packet));
			memcpy(body + packet.offset, packet.body.data,
			    packet.body.length);
		}
		packet.offset = 0;
		packet.body = (struct span){ body, packet.total };
		length = serve_whole(&packet, answer, sizeof answer, &server);
		assert_true(length > 1088);
		for (size_t bit = 8 * ANSWER_HEADER_SIZE; bit < 8 * length;
		    bit += 7) {
			answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(take(client, answer, length) < 0);
			answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(take(client, answer, length), 0);
		assert_agree(client, &server);
		assert_true(server.is_hybrid && client->result.is_hybrid);
		sj__handshake_close(client);
	}
}

/* The number is right, the key is not: four bytes prove nothing. */
static void
wrong_key_same_number(void **state)
{
	uint8_t hello[HELLO_SIZE], out[1200], other_private[32], other[32];
	struct sj__handshake *client;

	(void)state;
	draw_bytes(other_private, 32);
	assert_int_equal(sj__x25519_public(crypto, other_private, other), 0);
	client = begin(other, NULL);
	client->offer.key_number = key_number(NULL, host.public_key);
	sj__offer_encode(&client->offer, client->body);
	hello_of(client, hello);
	digest(hello);
	assert_int_equal(serve(hello, sizeof hello, out, sizeof out, NULL), 0);
	sj__handshake_close(client);
}

/* [SJ-HS-16] A copy gets the same answer, whatever its attempt. */
static void
retransmission(void **state)
{
	uint8_t one[HELLO_SIZE], two[HELLO_SIZE], a[1200], b[1200], key[32];
	struct sj__handshake *client = begin(NULL, NULL), *server;
	struct long_packet hello, copy;
	size_t length;

	(void)state;
	hello_of(client, one);
	assert_int_equal(sj__handshake_hello(client, 7, two, sizeof two),
	    HELLO_SIZE);
	assert_int_equal(two[ATTEMPT_AT], 7);
	two[ATTEMPT_AT] = one[ATTEMPT_AT];
	assert_memory_equal(one, two, HELLO_SIZE);
	assert_int_equal(sj__handshake_hello(client, 0, two, HELLO_SIZE - 1),
	    0);
	assert_true(sj__long_decode((struct span){ one, HELLO_SIZE }, &hello));
	assert_int_equal(sj__handshake_accept(NULL, &hello, server_id, NULL, now,
	    &server), 0);
	assert_int_equal(sj__handshake_step(server, key), 0);
	assert_int_equal(sj__handshake_step(server, key), 0);
	length = sj__handshake_answer(server, 0, a, sizeof a);
	assert_int_equal(sj__handshake_answer(server, 3, b, sizeof b), length);
	a[0] = b[0] = 0;
	assert_int_equal(b[ATTEMPT_AT], 3);
	b[ATTEMPT_AT] = a[ATTEMPT_AT];
	assert_memory_equal(a, b, length);
	assert_int_equal(sj__handshake_answer(server, 0, a,
	    ANSWER_HEADER_SIZE + 2 * ANSWER_FRAGMENT_MIN - 1), 0);
	assert_false(sj__handshake_answer_is_begun(server));
	copy = hello;
	assert_true(sj__handshake_is_of(server, &copy));
	copy.source[7] ^= 1;
	assert_false(sj__handshake_is_of(server, &copy));
	copy = hello;
	copy.destination[0] ^= 1;
	assert_false(sj__handshake_is_of(server, &copy));
	sj__handshake_close(server);
	sj__handshake_close(client);
}

/* An answer counts once. */
static void
answer_twice(void **state)
{
	uint8_t hello[HELLO_SIZE], answer[1200];
	struct sj__handshake *client = begin(NULL, NULL);
	struct sj__handshake_result server;
	size_t length = serve(hello, hello_of(client, hello), answer,
	    sizeof answer, &server);

	(void)state;
	assert_int_equal(take(client, answer, length), 0);
	assert_true(take(client, answer, length) < 0);
	assert_agree(client, &server);
	sj__handshake_close(client);
}

/* A hello that says something else than ours do. */
static size_t
serve_payload(const uint8_t suites[4], uint32_t version,
    struct sj__handshake_result *result)
{
	uint8_t hello[HELLO_SIZE], out[1200], payload[HELLO_FRAGMENT];
	struct sj__handshake *client = begin(NULL, NULL);
	size_t size = HELLO_FRAGMENT - OFFER_SIZE - 32, padding, answered;
	struct writer writer = writer_of(payload, size);

	sj__parameter_write(&writer, PARAMETER_SUITES, suites, 4);
	write_varint(&writer, PARAMETER_VERSIONS);
	write_varint(&writer, 4);
	write_uint(&writer, version, 4);
	padding = writer_left(&writer) - 3;
	write_varint(&writer, PARAMETER_PADDING);
	write_varint_in(&writer, padding, 2);
	memset(write_room(&writer, padding), 0, padding);
	sj__noise_close(client->noise);
	assert_int_equal(open_noise(client, NULL), 0);
	assert_int_equal(sj__noise_write(client->noise, (struct span){ payload,
	    size }, client->body + OFFER_SIZE, HELLO_FRAGMENT - OFFER_SIZE),
	    HELLO_FRAGMENT - OFFER_SIZE);
	hello_of(client, hello);
	digest(hello);
	answered = serve(hello, sizeof hello, out, sizeof out, result);
	sj__handshake_close(client);
	return answered;
}

/* [SJ-HS-8], [SJ-VN-3] Neither without a suite that we have, nor without the
 * version that it is of. */
static void
nothing_in_common(void **state)
{
	static const uint8_t none[4] = { 9, 0, 7, 200 }, one[4] = { 9, 3, 1, 2 };
	struct sj__handshake_result server;

	(void)state;
	assert_int_equal(serve_payload(none, SJ__VERSION_1, &server), 0);
	assert_int_equal(serve_payload(one, SJ__VERSION_1 + 1, &server), 0);
	assert_true(serve_payload(one, SJ__VERSION_1, &server) > 0);
	/* The first of the client's that is known. */
	assert_int_equal(server.suite, SUITE_CHACHA20_POLY1305);
}

/* [SJ-HS-8] A server that chooses what nobody offered. */
static void
other_suite(void **state)
{
	uint8_t bytes[HELLO_SIZE], answer[1200], key[32], shared[32];
	struct sj__handshake *client, *server;
	struct long_packet hello;
	size_t length;

	(void)state;
	key_elsewhere = true;
	for (unsigned suite = 0; suite < 6; suite++) {
		client = begin(NULL, NULL);
		hello_of(client, bytes);
		assert_true(sj__long_decode((struct span){ bytes, HELLO_SIZE },
		    &hello));
		assert_int_equal(sj__handshake_accept(NULL, &hello, server_id,
		    NULL, now, &server), 0);
		/* Message 2 waits for the host key: it is made anew. */
		assert_int_equal(sj__handshake_step(server, key),
		    SJ__HANDSHAKE_PENDING);
		server->result.suite = (enum packet_suite)suite;
		assert_int_equal(sj__x25519(crypto, host_private, key, shared),
		    0);
		assert_int_equal(sj__handshake_resume(server, shared), 0);
		assert_int_equal(sj__handshake_step(server, key), 0);
		length = sj__handshake_answer(server, 0, answer,
		    sizeof answer);
		sj__handshake_close(server);
		assert_true((take(client, answer, length) == 0) ==
		    (suite >= SUITE_AES_128_GCM &&
		    suite <= SUITE_CHACHA20_POLY1305));
		sj__handshake_close(client);
	}
}

/* [SJ-HS-12] Large ones, in pieces and in any order. */
static void
fragments(void **state)
{
	uint8_t code = 0;
	static uint8_t hellos[HELLO_FRAGMENTS_MAX * HELLO_SIZE];
	static uint8_t answers[8][1200], body[HELLO_BODY_MAX];
	struct sj__handshake_client options = { .body_least = 3500 };
	struct sj__handshake *client, *server;
	struct sj__handshake_result result;
	struct long_packet hello;
	size_t lengths[8], count = 0, length, total = 0;
	uint8_t key[32];

	(void)state;
	memcpy(options.id, client_id, ID_SIZE);
	assert_int_equal(sj__handshake_begin(&options, &client), 0);
	length = sj__handshake_hello(client, 0, hellos, sizeof hellos);
	assert_int_equal(length, 4 * HELLO_SIZE);
	for (size_t at = 0; at < length; at += HELLO_SIZE) {
		assert_true(sj__long_decode((struct span){ hellos + at,
		    HELLO_SIZE }, &hello));
		assert_int_equal(hello.total, 4 * HELLO_FRAGMENT);
		memcpy(body + hello.offset, hello.body.data,
		    hello.body.length);
		total += hello.body.length;
	}
	assert_int_equal(total, hello.total);
	hello.offset = 0;
	hello.body = (struct span){ body, total };
	filler = 3000;
	assert_int_equal(sj__handshake_judge(NULL, hello.body, &code),
	    VERDICT_TAKE);
	assert_int_equal(sj__handshake_accept(NULL, &hello, server_id, NULL, now,
	    &server), 0);
	assert_int_equal(sj__handshake_step(server, key), 0);
	do {
		lengths[count] = sj__handshake_answer(server, 0,
		    answers[count], sizeof answers[0]);
		assert_true(lengths[count] > 0);
		count++;
	} while (sj__handshake_answer_is_begun(server));
	sj__handshake_result(server, &result);
	sj__handshake_close(server);
	assert_int_equal(count, 3);
	/* The last first, one twice; a wrong one throws them all away. */
	assert_true(take(client, answers[2], lengths[2]) > 0);
	assert_true(take(client, answers[1], lengths[1]) > 0);
	answers[0][300] ^= 1;
	assert_true(take(client, answers[0], lengths[0]) < 0);
	answers[0][300] ^= 1;
	assert_true(take(client, answers[2], lengths[2]) > 0);
	assert_true(take(client, answers[2], lengths[2]) > 0);
	assert_true(take(client, answers[0], lengths[0]) > 0);
	assert_int_equal(take(client, answers[1], lengths[1]), 0);
	assert_agree(client, &result);
	sj__handshake_close(client);
}

/* Whatever an answer's length, each of its fragments makes a packet that is
 * long enough to be taken. */
static void
no_tiny_fragment(void **state)
{
	uint8_t one[HELLO_SIZE], answer[1200], key[32];
	struct sj__handshake *client = begin(NULL, NULL), *server;
	struct long_packet hello;

	(void)state;
	hello_of(client, one);
	assert_true(sj__long_decode((struct span){ one, HELLO_SIZE }, &hello));
	for (filler = 1000; filler < 1000 + 1200; filler++) {
		size_t length, total = 0, whole;

		assert_int_equal(sj__handshake_accept(NULL, &hello, server_id,
		    NULL, now, &server), 0);
		assert_int_equal(sj__handshake_step(server, key), 0);
		whole = server->answer_length;
		do {
			length = sj__handshake_answer(server, 0, answer,
			    sizeof answer);
			assert_true(length >= PACKET_MIN);
			total += length - ANSWER_HEADER_SIZE;
		} while (sj__handshake_answer_is_begun(server));
		assert_int_equal(total, whole);
		sj__handshake_close(server);
	}
	sj__handshake_close(client);
}

/* A cookie goes into the next hellos, and nothing else changes by it. */
static void
cookie(void **state)
{
	uint8_t one[HELLO_SIZE], two[HELLO_SIZE], answer[1200];
	struct sj__handshake *client = begin(NULL, NULL);
	struct long_packet packet = { .version = SJ__VERSION_1 };
	struct sj__handshake_result server;
	size_t length;

	(void)state;
	hello_of(client, one);
	draw_bytes(packet.cookie, COOKIE_SIZE);
	memcpy(packet.source, client->header.destination, ID_SIZE);
	packet.source[3] ^= 1;
	assert_false(sj__handshake_take_cookie(client, &packet));
	packet.source[3] ^= 1;
	assert_true(sj__handshake_take_cookie(client, &packet));
	length = hello_of(client, two);
	assert_memory_equal(two + ATTEMPT_AT + 1, packet.cookie, COOKIE_SIZE);
	length = serve(two, length, answer, sizeof answer, &server);
	memcpy(two + ATTEMPT_AT + 1, one + ATTEMPT_AT + 1, COOKIE_SIZE);
	assert_memory_equal(one, two, sizeof one);
	assert_int_equal(take(client, answer, length), 0);
	assert_agree(client, &server);
	sj__handshake_close(client);
}

static void
no_memory(void **state)
{
	uint8_t hello[HELLO_SIZE];
	struct sj__handshake *client = begin(NULL, NULL), *server = client;
	struct sj__handshake_client again = { .server_key = NULL };
	struct long_packet packet;
	size_t used;

	(void)state;
	hello_of(client, hello);
	assert_true(sj__long_decode((struct span){ hello, HELLO_SIZE },
	    &packet));
	used = memory.used;
	for (memory.limit = used; memory.limit < used + sizeof *client;
	    memory.limit += 500) {
		assert_int_equal(sj__handshake_accept(NULL, &packet, server_id,
		    NULL, now, &server), SJ_ERR_MEMORY);
		assert_null(server);
		assert_int_equal(sj__handshake_begin(&again, &server),
		    SJ_ERR_MEMORY);
		assert_null(server);
		assert_int_equal(memory.used, used);
	}
	/* Room for the one, not for its Noise. */
	memory.limit = used + sizeof *client + 10;
	assert_true(sj__handshake_accept(NULL, &packet, server_id, NULL, now,
	    &server) < 0);
	assert_int_equal(memory.used, used);
	memory.limit = 1 << 20;
	sj__handshake_close(client);
	sj__handshake_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_patterns, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(fresh, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_flip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(header_unlike, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(unknown_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forged_refusal, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(every_refusal, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(refused_in_steps, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(hybrid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_key_same_number, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(retransmission, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(answer_twice, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(nothing_in_common, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(other_suite, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(fragments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_tiny_fragment, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(cookie, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
