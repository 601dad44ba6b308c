/* SPDX-License-Identifier: ISC */
/* handshake.c - from hello to traffic secrets */
#include "core/assembly.h"
#include "core/handshake.h"

#define PROLOGUE_MAX (7 + LONG_HEADER_SIZE + OFFER_SIZE)

#define ANSWER_FRAGMENT_MIN 64
#define PAYLOAD_1_MIN 64                /* what the client has to say, at most */
#define PAYLOAD_2_MAX 4800              /* with a KEM within ANSWER_BODY_MAX */

enum step { STEP_READ, STEP_WRITE, STEP_DONE };

struct sj__handshake {
	struct sj_endpoint *endpoint;
	struct sj__noise *noise;
	struct offer offer;
	struct long_packet header;      /* of the hello, without spans */
	enum step step;
	bool is_server;
	uint8_t own_id[ID_SIZE];        /* server: in message 2 */
	uint8_t *body;                  /* client: ours; server: the client's */
	size_t body_length;
	uint8_t *answer;                /* server: message 2 */
	size_t answer_length, answer_at; /* what goes next of it */
	struct assembly assembly;       /* client: message 2 */
	uint64_t time_unix_s;
	uint8_t token[COOKIE_SIZE];     /* server: in message 2 */
	struct sj__handshake_result result;
};

/* --- Names and prologue ------------------------------------------------ */

static const struct pattern {
	uint8_t number;                 /* enum offer_pattern */
	bool has_key, is_hybrid;
	const char *names[2];           /* by enum offer_suite */
} patterns[] = {
	{ OFFER_NX, false, false, { "Noise_NX_25519_ChaChaPoly_SHA256",
	    "Noise_NX_25519_AESGCM_SHA256" } },
	{ OFFER_NK, true, false, { "Noise_NK_25519_ChaChaPoly_SHA256",
	    "Noise_NK_25519_AESGCM_SHA256" } },
	{ OFFER_NX_HYBRID, false, true, {
	    "Noise_NXhfs_25519+MLKEM768_ChaChaPoly_SHA256",
	    "Noise_NXhfs_25519+MLKEM768_AESGCM_SHA256" } },
	{ OFFER_NK_HYBRID, true, true, {
	    "Noise_NKhfs_25519+MLKEM768_ChaChaPoly_SHA256",
	    "Noise_NKhfs_25519+MLKEM768_AESGCM_SHA256" } },
};

/* NULL: there is none of that number. */
static const struct pattern *
find_pattern(uint8_t number)
{
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
		if (patterns[i].number == number)
			return &patterns[i];
	return NULL;
}

static uint8_t
pattern_of(bool has_key, bool is_hybrid)
{
	if (is_hybrid)
		return has_key ? OFFER_NK_HYBRID : OFFER_NX_HYBRID;
	return has_key ? OFFER_NK : OFFER_NX;
}

/* The pattern is one of ours, the suite too. */
static const char *
protocol_name(const struct offer *offer)
{
	return find_pattern(offer->pattern)->names[offer->suite ==
	    OFFER_AESGCM];
}

/* [SJ-HS-1] */
static struct span
make_prologue(const struct sj__handshake *handshake,
    uint8_t out[PROLOGUE_MAX])
{
	struct writer writer = writer_of(out, PROLOGUE_MAX);
	uint8_t offer[OFFER_SIZE];

	sj__offer_encode(&handshake->offer, offer);
	write_bytes(&writer, "Sojourn", 7);
	write_uint(&writer, handshake->header.flags, 1);
	write_uint(&writer, handshake->header.version, 4);
	write_bytes(&writer, handshake->header.destination, ID_SIZE);
	write_bytes(&writer, handshake->header.source, ID_SIZE);
	write_bytes(&writer, offer, OFFER_SIZE);
	assert(!writer.failed);
	return (struct span){ out, PROLOGUE_MAX };
}

static uint32_t
key_number(struct sj_endpoint *endpoint, const uint8_t key[32])
{
	uint8_t hash[32];

	sj__sha256(sj__endpoint_crypto(endpoint), key, 32, hash);
	return (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 |
	    (uint32_t)hash[2] << 8 | hash[3];
}

static struct sj__handshake *
handshake_new(struct sj_endpoint *endpoint, bool is_server)
{
	struct sj__handshake *handshake = sj__memory_allocate(
	    sj__endpoint_memory(endpoint), sizeof *handshake);

	if (handshake == NULL)
		return NULL;
	memset(handshake, 0, sizeof *handshake);
	handshake->endpoint = endpoint;
	handshake->is_server = is_server;
	return handshake;
}

void
sj__handshake_close(struct sj__handshake *handshake)
{
	struct sj_endpoint *endpoint;
	struct sj__memory *memory;

	if (handshake == NULL)
		return;
	endpoint = handshake->endpoint;
	memory = sj__endpoint_memory(endpoint);
	sj__noise_close(handshake->noise);
	sj__assembly_fini(&handshake->assembly, memory);
	if (handshake->body != NULL)
		sj__memory_free(memory, handshake->body, handshake->body_length);
	if (handshake->answer != NULL)
		sj__memory_free(memory, handshake->answer, ANSWER_BODY_MAX);
	sj__wipe(handshake, sizeof *handshake);
	sj__memory_free(memory, handshake, sizeof *handshake);
}

static int
open_noise(struct sj__handshake *handshake, const uint8_t *server_key)
{
	struct sj_endpoint *endpoint = handshake->endpoint;
	const struct pattern *pattern = find_pattern(handshake->offer.pattern);
	uint8_t ephemeral[32], prologue[PROLOGUE_MAX], kem[KEM_SEED_SIZE];
	struct sj__noise_keys keys = { .ephemeral_private = ephemeral };
	int error;

	sj__endpoint_key_material(endpoint, ephemeral);
	if (pattern->is_hybrid) {               /* a seed of 64 bytes, or 32 */
		sj__endpoint_key_material(endpoint, kem);
		sj__endpoint_key_material(endpoint, kem + 32);
		keys.kem_seed = handshake->is_server ? NULL : kem;
		keys.kem_random = handshake->is_server ? kem : NULL;
	}
	if (handshake->is_server) {
		keys.static_public = server_key;
		keys.static_private = sj__endpoint_host_private(endpoint);
	} else if (pattern->has_key) {
		keys.remote_static = server_key;
	}
	error = sj__noise_open(&handshake->noise, sj__endpoint_crypto(endpoint),
	    sj__endpoint_memory(endpoint), protocol_name(&handshake->offer),
	    !handshake->is_server, make_prologue(handshake, prologue), &keys);
	sj__wipe(ephemeral, sizeof ephemeral);
	sj__wipe(kem, sizeof kem);
	return error;
}

/* [SJ-KEY-2] [SJ-KEY-10] Both outputs of Split(), which become traffic secrets
 * and never CipherStates, the master and the hash. */
static int
finish(struct sj__handshake *handshake)
{
	struct sj__handshake_result *result = &handshake->result;

	SJ_TRY(sj__noise_split(handshake->noise, result->client_secret,
	    result->server_secret, result->master));
	memcpy(result->hash, sj__noise_hash(handshake->noise), 32);
	result->is_hybrid = find_pattern(handshake->offer.pattern)->is_hybrid;
	return 0;
}

void
sj__handshake_result(const struct sj__handshake *handshake,
    struct sj__handshake_result *result)
{
	*result = handshake->result;
}

/* --- Client ------------------------------------------------------------ */

/* Payload of message 1: what we have, and padding so that its hellos fill their
 * datagrams. One parameter and one version mean nothing, and are always others
 * [SJ-VN-4]. */
static void
write_payload_1(struct sj_endpoint *endpoint, uint8_t *out, size_t size)
{
	static const uint8_t suites[] = { SUITE_AES_128_GCM, SUITE_AES_256_GCM,
	    SUITE_CHACHA20_POLY1305 };
	struct writer writer = writer_of(out, size);
	uint8_t grease[8];
	size_t padding;

	sj__endpoint_random(endpoint, grease, sizeof grease);
	sj__parameter_write(&writer, PARAMETER_SUITES, suites, sizeof suites);
	write_varint(&writer, PARAMETER_VERSIONS);
	write_varint(&writer, 8);
	write_uint(&writer, SJ__VERSION_1, 4);
	write_uint(&writer, sj__version_grease(grease), 4);
	sj__parameter_write(&writer, 31 * (uint64_t)(grease[4] + 256) + 27,
	    grease + 5, grease[7] % 3);
	padding = writer_left(&writer) - 3;
	write_varint(&writer, PARAMETER_PADDING);
	write_varint_in(&writer, padding, 2);
	memset(write_room(&writer, padding), 0, padding);
	assert(!writer.failed);
}

/* Bytes that Noise adds to the payload of message 1: e, with a key the tag of
 * the payload, and e1, which then has a tag of its own. */
static size_t
overhead_1(const struct offer *offer)
{
	const struct pattern *pattern = find_pattern(offer->pattern);
	size_t tag = pattern->has_key ? 16 : 0;

	return 32 + tag + (pattern->is_hybrid ? KEM_PUBLIC_SIZE + tag : 0);
}

/* The body fills as many whole datagrams as it needs, or as least asks for. */
static int
write_message_1(struct sj__handshake *handshake, size_t least)
{
	struct sj__memory *memory = sj__endpoint_memory(handshake->endpoint);
	size_t needed = OFFER_SIZE + overhead_1(&handshake->offer) +
	    PAYLOAD_1_MIN;
	size_t count = ((least > needed ? least : needed) + HELLO_FRAGMENT - 1) /
	    HELLO_FRAGMENT;
	uint8_t payload[HELLO_BODY_MAX], hash[32];
	struct span span = { payload, 0 };
	ptrdiff_t length;

	count = min_size(count, HELLO_FRAGMENTS_MAX);
	handshake->body_length = count * HELLO_FRAGMENT;
	handshake->body = sj__memory_allocate(memory, handshake->body_length);
	if (handshake->body == NULL)
		return SJ_ERR_MEMORY;
	span.length = handshake->body_length - OFFER_SIZE -
	    overhead_1(&handshake->offer);
	write_payload_1(handshake->endpoint, payload, span.length);
	sj__offer_encode(&handshake->offer, handshake->body);
	length = sj__noise_write(handshake->noise, span,
	    handshake->body + OFFER_SIZE, handshake->body_length - OFFER_SIZE);
	if (length < 0)
		return (int)length;
	assert(OFFER_SIZE + (size_t)length == handshake->body_length);
	sj__sha256(sj__endpoint_crypto(handshake->endpoint), handshake->body,
	    handshake->body_length, hash);
	memcpy(handshake->header.digest, hash, DIGEST_SIZE);
	return 0;
}

int
sj__handshake_begin(const struct sj__handshake_client *client,
    struct sj__handshake **out)
{
	struct sj_endpoint *endpoint = client->endpoint;
	struct sj__handshake *handshake = handshake_new(endpoint, false);
	int error;

	*out = NULL;
	if (handshake == NULL)
		return SJ_ERR_MEMORY;
	handshake->header.flags = sj__long_flags(endpoint, LONG_HELLO);
	handshake->header.version = SJ__VERSION_1;
	sj__endpoint_random(endpoint, handshake->header.destination, ID_SIZE);
	memcpy(handshake->header.source, client->id, ID_SIZE);
	if (client->has_token)
		memcpy(handshake->header.cookie, client->token, COOKIE_SIZE);
	else
		sj__endpoint_random(endpoint, handshake->header.cookie,
		    COOKIE_SIZE);
	handshake->offer.pattern = pattern_of(client->server_key != NULL,
	    client->is_hybrid);
	handshake->offer.suite = OFFER_CHACHAPOLY;
	if (client->server_key != NULL)
		handshake->offer.key_number = key_number(endpoint,
		    client->server_key);
	if (client->refused != NULL) {
		handshake->offer.refusal = client->refused->refusal;
		handshake->offer.refused_pattern =
		    client->refused->refused_pattern;
		handshake->offer.refused_key_number =
		    client->refused->refused_key_number;
	}
	if (client->server_key != NULL)
		memcpy(handshake->result.server_key, client->server_key, 32);
	error = open_noise(handshake, client->server_key);
	if (error == 0)
		error = write_message_1(handshake, client->body_least);
	if (error < 0) {
		sj__handshake_close(handshake);
		return error;
	}
	*out = handshake;
	return 0;
}

size_t
sj__handshake_hello(struct sj__handshake *handshake, uint8_t attempt,
    uint8_t *out, size_t capacity)
{
	struct long_packet packet = handshake->header;
	size_t length = 0;

	packet.attempt = attempt;
	packet.total = (uint16_t)handshake->body_length;
	for (size_t at = 0; at < handshake->body_length; at += HELLO_FRAGMENT) {
		packet.offset = (uint16_t)at;
		packet.body = (struct span){ handshake->body + at,
		    HELLO_FRAGMENT };
		if (capacity - length < HELLO_SIZE)
			return 0;
		length += sj__long_encode(&packet, out + length,
		    capacity - length);
	}
	return length;
}

bool
sj__handshake_take_cookie(struct sj__handshake *handshake,
    const struct long_packet *packet)
{
	if (!sj__handshake_is_answered_by(handshake, packet))
		return false;
	memcpy(handshake->header.cookie, packet->cookie, COOKIE_SIZE);
	return true;
}

/* [SJ-HS-15] */
bool
sj__handshake_is_answered_by(const struct sj__handshake *handshake,
    const struct long_packet *packet)
{
	return memcmp(packet->source, handshake->header.destination,
	    ID_SIZE) == 0;
}

/* [SJ-HS-8] What the server says in message 2. */
static int
read_payload_2(struct sj__handshake *handshake, struct span list)
{
	struct sj__handshake_result *result = &handshake->result;
	bool failed = false;
	struct span suite = sj__parameter_find(list, PARAMETER_SUITE, &failed);
	struct span id = sj__parameter_find(list, PARAMETER_ID, &failed);
	struct span time = sj__parameter_find(list, PARAMETER_TIME, &failed);
	struct span token = sj__parameter_find(list, PARAMETER_TOKEN, &failed);
	struct reader reader = reader_of(time.data, time.length);

	result->peer_credit = sj__parameter_number(list, PARAMETER_CREDIT, 0,
	    &failed);
	result->peer_datagram_max = sj__parameter_number(list,
	    PARAMETER_DATAGRAM_MAX, DATAGRAM_BASE, &failed);
	result->peer_ack_delay_ms = sj__parameter_number(list,
	    PARAMETER_ACK_DELAY, 25, &failed);
	if (failed || suite.length != 1 || suite.data[0] < SUITE_AES_128_GCM ||
	    suite.data[0] > SUITE_CHACHA20_POLY1305 || id.length != ID_SIZE)
		return SJ_ERR_PROTOCOL;
	result->suite = (enum packet_suite)suite.data[0];
	memcpy(result->peer_id, id.data, ID_SIZE);
	result->time_unix_s = time.length == 8 ? read_uint(&reader, 8) : 0;
	result->has_token = token.length == COOKIE_SIZE;
	if (result->has_token)
		memcpy(result->token, token.data, COOKIE_SIZE);
	return 0;
}

static int
read_message_2(struct sj__handshake *handshake, struct span message)
{
	uint8_t payload[ANSWER_BODY_MAX];
	struct span list = { payload, 0 };
	ptrdiff_t length = sj__noise_read(handshake->noise, message, payload);

	if (length < 0)
		return SJ_ERR_PROTOCOL; /* [SJ-HS-2] */
	list.length = (size_t)length;
	SJ_TRY(read_payload_2(handshake, list));
	memcpy(handshake->result.server_key,
	    sj__noise_remote_static(handshake->noise), 32);
	return finish(handshake);
}

int
sj__handshake_read_answer(struct sj__handshake *handshake,
    const struct long_packet *answer)
{
	struct sj__memory *memory = sj__endpoint_memory(handshake->endpoint);
	struct assembly *assembly = &handshake->assembly;
	int error;

	if (answer->total > ANSWER_BODY_MAX ||
	    !sj__handshake_is_answered_by(handshake, answer))
		return SJ_ERR_PROTOCOL;
	error = sj__assembly_add(assembly, memory, answer->total,
	    answer->offset, answer->body);
	if (error == 0)
		return SJ__HANDSHAKE_PENDING;
	if (error > 0)
		error = read_message_2(handshake, (struct span){
		    assembly->bytes, assembly->total });
	/* What did not verify may hold fragments of somebody else. */
	sj__assembly_fini(assembly, memory);
	return error;
}

const uint8_t *
sj__handshake_server_key(const struct sj__handshake *handshake)
{
	return handshake->result.server_key;
}

/* Only for what was offered can it be refused, other bits mean nothing; what the
 * client was told before stays said. */
bool
sj__handshake_may_be_refused(const struct sj__handshake *handshake,
    const struct long_packet *refusal, struct offer *refused)
{
	const struct offer *offer = &handshake->offer;
	const struct pattern *pattern = find_pattern(offer->pattern);
	unsigned code = refusal->code &
	    ((pattern->has_key ? REFUSAL_UNKNOWN_KEY : 0U) |
	    (pattern->is_hybrid ? REFUSAL_NO_HYBRID : 0U));

	if (code == REFUSAL_NONE ||
	    !sj__handshake_is_answered_by(handshake, refusal))
		return false;
	*refused = *offer;
	if (offer->refusal == REFUSAL_NONE) {
		refused->refused_pattern = offer->pattern;
		refused->refused_key_number = offer->key_number;
	}
	refused->refusal = (uint8_t)(offer->refusal | code);
	return true;
}

/* --- Server ------------------------------------------------------------ */

/* [SJ-HS-3] [SJ-HS-30] What this server has to refuse of an offer of a pattern
 * and a key number. */
static unsigned
refusal_of(struct sj_endpoint *endpoint, const struct pattern *pattern,
    uint32_t number, uint32_t own)
{
	return (pattern->has_key && number != own ? REFUSAL_UNKNOWN_KEY : 0U) |
	    (pattern->is_hybrid && !sj__endpoint_has_hybrid(endpoint) ?
	    REFUSAL_NO_HYBRID : 0U);
}

/* What the client says it was refused is what this server refuses, and nothing
 * but that is missing from its offer: else somebody wants it to do with less. */
static bool
is_refused_rightly(struct sj_endpoint *endpoint, const struct offer *offer,
    uint32_t own)
{
	const struct pattern *now = find_pattern(offer->pattern);
	const struct pattern *first = find_pattern(offer->refused_pattern);
	unsigned refusal = offer->refusal;

	if (refusal == REFUSAL_NONE)
		return true;
	if (first == NULL || (refusal & ~(unsigned)REFUSALS_ALL) != 0 ||
	    (refusal & ~refusal_of(endpoint, first, offer->refused_key_number,
	    own)) != 0)
		return false;
	return now->has_key == (first->has_key &&
	    !(refusal & REFUSAL_UNKNOWN_KEY)) &&
	    now->is_hybrid == (first->is_hybrid &&
	    !(refusal & REFUSAL_NO_HYBRID)) &&
	    (!now->has_key || offer->key_number == offer->refused_key_number);
}

enum sj__verdict
sj__handshake_judge(struct sj_endpoint *endpoint, struct span body,
    uint8_t *refusal)
{
	uint32_t own = key_number(endpoint,
	    sj__endpoint_host_key(endpoint)->public_key);
	const struct pattern *pattern = NULL;
	struct offer offer;

	if (sj__offer_decode(body, &offer))
		pattern = find_pattern(offer.pattern);
	if (pattern == NULL || (offer.suite != OFFER_CHACHAPOLY &&
	    offer.suite != OFFER_AESGCM)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FORM);
		return VERDICT_DROP;
	}
	if (!is_refused_rightly(endpoint, &offer, own)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_REFUSAL);
		return VERDICT_DROP;
	}
	*refusal = (uint8_t)refusal_of(endpoint, pattern, offer.key_number, own);
	return *refusal != REFUSAL_NONE ? VERDICT_REFUSE : VERDICT_TAKE;
}

int
sj__handshake_accept(struct sj_endpoint *endpoint,
    const struct long_packet *hello, const uint8_t id[ID_SIZE],
    const struct sj_path *path, struct sj_time now,
    struct sj__handshake **out)
{
	struct sj__handshake *handshake = handshake_new(endpoint, true);
	struct sj__memory *memory = sj__endpoint_memory(endpoint);
	int error = SJ_ERR_MEMORY;

	*out = NULL;
	if (handshake == NULL)
		return SJ_ERR_MEMORY;
	handshake->header = *hello;
	handshake->header.body = (struct span){ NULL, 0 };
	memcpy(handshake->own_id, id, ID_SIZE);
	handshake->time_unix_s = now.unix_s;
	sj__strangers_make_token(endpoint, now, path, handshake->token);
	(void)sj__offer_decode(hello->body, &handshake->offer);
	handshake->body = sj__memory_allocate(memory, hello->body.length);
	if (handshake->body != NULL) {
		handshake->body_length = hello->body.length;
		memcpy(handshake->body, hello->body.data, hello->body.length);
		error = open_noise(handshake,
		    sj__endpoint_host_key(endpoint)->public_key);
	}
	if (error < 0) {
		sj__handshake_close(handshake);
		return error;
	}
	*out = handshake;
	return 0;
}

/* The first suite of the client's that we have [SJ-HS-8]; and no better version
 * that both have: there is one today, which must be among the client's
 * [SJ-VN-3]. */
static int
read_payload_1(struct sj__handshake *handshake, struct span list)
{
	bool failed = false, is_listed = false;
	struct span suites = sj__parameter_find(list, PARAMETER_SUITES, &failed);
	struct span versions = sj__parameter_find(list, PARAMETER_VERSIONS,
	    &failed);
	struct reader reader = reader_of(versions.data, versions.length);

	while (reader_left(&reader) >= 4)
		is_listed |= read_uint(&reader, 4) == SJ__VERSION_1;
	if (!is_listed)
		return SJ_ERR_PROTOCOL;
	for (size_t i = 0; i < suites.length && !failed; i++)
		if (suites.data[i] >= SUITE_AES_128_GCM &&
		    suites.data[i] <= SUITE_CHACHA20_POLY1305) {
			handshake->result.suite =
			    (enum packet_suite)suites.data[i];
			return 0;
		}
	return SJ_ERR_PROTOCOL;
}

static ptrdiff_t
step_read(struct sj__handshake *handshake)
{
	struct span message = { handshake->body + OFFER_SIZE,
	    handshake->body_length - OFFER_SIZE };
	uint8_t payload[HELLO_BODY_MAX];
	struct span list = { payload, 0 };
	ptrdiff_t length = sj__noise_read(handshake->noise, message, payload);

	if (length < 0)
		return length;
	list.length = (size_t)length;
	handshake->step = STEP_WRITE;
	return read_payload_1(handshake, list);
}

/* As large an answer as a chain of certificates would make, where a test asks
 * for it. */
static void
add_filler(struct sj_endpoint *endpoint, struct writer *writer)
{
	size_t length = sj__endpoint_answer_filler(endpoint);
	uint8_t *room;

	if (length == 0)
		return;
	write_varint(writer, PARAMETER_PADDING);
	write_varint(writer, length);
	room = write_room(writer, length);
	if (room != NULL)
		memset(room, 0, length);
}

static ptrdiff_t
step_write(struct sj__handshake *handshake)
{
	uint8_t payload[PAYLOAD_2_MAX], time[8], grease[4];
	struct writer writer = writer_of(payload, sizeof payload);
	struct writer clock = writer_of(time, sizeof time);
	uint8_t suite = (uint8_t)handshake->result.suite;
	struct span span = { payload, 0 };
	ptrdiff_t length;

	write_uint(&clock, handshake->time_unix_s, 8);
	sj__parameter_write(&writer, PARAMETER_SUITE, &suite, 1);
	sj__parameter_write(&writer, PARAMETER_ID, handshake->own_id, ID_SIZE);
	sj__parameter_write_number(&writer, PARAMETER_CREDIT,
	    CREDIT_BEFORE_LOGIN);
	sj__parameter_write_number(&writer, PARAMETER_ACK_DELAY, 25);
	sj__parameter_write_number(&writer, PARAMETER_DATAGRAM_MAX,
	    sj__endpoint_datagram_max(handshake->endpoint));
	sj__parameter_write(&writer, PARAMETER_TIME, time, sizeof time);
	sj__parameter_write(&writer, PARAMETER_TOKEN, handshake->token,
	    COOKIE_SIZE);
	sj__endpoint_random(handshake->endpoint, grease, sizeof grease);
	sj__parameter_write(&writer, 31 * (uint64_t)(grease[0] + 256) + 27,
	    grease + 1, grease[3] % 3);
	add_filler(handshake->endpoint, &writer);
	assert(!writer.failed);
	span.length = (size_t)(writer.at - payload);
	if (handshake->answer == NULL)
		handshake->answer = sj__memory_allocate(
		    sj__endpoint_memory(handshake->endpoint), ANSWER_BODY_MAX);
	if (handshake->answer == NULL)
		return SJ_ERR_MEMORY;
	length = sj__noise_write(handshake->noise, span, handshake->answer,
	    ANSWER_BODY_MAX);
	if (length < 0)
		return length;
	handshake->answer_length = (size_t)length;
	memcpy(handshake->result.server_key,
	    sj__endpoint_host_key(handshake->endpoint)->public_key, 32);
	handshake->step = STEP_DONE;
	return finish(handshake);
}

int
sj__handshake_step(struct sj__handshake *handshake, uint8_t peer_key[32])
{
	ptrdiff_t error = 0;

	while (error >= 0 && handshake->step != STEP_DONE)
		error = handshake->step == STEP_READ ? step_read(handshake) :
		    step_write(handshake);
	if (error == SJ__NOISE_PENDING) {
		memcpy(peer_key, sj__noise_pending_key(handshake->noise), 32);
		return SJ__HANDSHAKE_PENDING;
	}
	return error < 0 ? SJ_ERR_PROTOCOL : 0;
}

int
sj__handshake_resume(struct sj__handshake *handshake, const uint8_t shared[32])
{
	sj__noise_answer(handshake->noise, shared);
	return 0;
}

size_t
sj__handshake_answer(struct sj__handshake *handshake, uint8_t attempt,
    uint8_t *out, size_t capacity)
{
	struct long_packet packet = { .version = SJ__VERSION_1,
	    .attempt = attempt };
	size_t left = handshake->answer_length - handshake->answer_at, length;

	if (capacity < ANSWER_HEADER_SIZE + 2 * ANSWER_FRAGMENT_MIN)
		return 0;
	length = min_size(left, capacity - ANSWER_HEADER_SIZE);
	/* A tiny rest would make a packet that is dropped [SJ-PK-1]. */
	if (length < left && left - length < ANSWER_FRAGMENT_MIN)
		length -= ANSWER_FRAGMENT_MIN;
	packet.flags = sj__long_flags(handshake->endpoint, LONG_ANSWER);
	memcpy(packet.destination, handshake->header.source, ID_SIZE);
	memcpy(packet.source, handshake->header.destination, ID_SIZE);
	packet.offset = (uint16_t)handshake->answer_at;
	packet.total = (uint16_t)handshake->answer_length;
	packet.body = (struct span){ handshake->answer + handshake->answer_at,
	    length };
	handshake->answer_at = length < left ?
	    handshake->answer_at + length : 0;
	return sj__long_encode(&packet, out, capacity);
}

bool
sj__handshake_answer_is_begun(const struct sj__handshake *handshake)
{
	return handshake->answer_at > 0;
}

/* The type, and four bits that mean nothing. */
uint8_t
sj__long_flags(struct sj_endpoint *endpoint, enum long_type type)
{
	uint8_t grease;

	sj__endpoint_random(endpoint, &grease, 1);
	return (uint8_t)(FLAG_LONG | (unsigned)type << 4 | (grease & 15));
}

/* A version that nobody has, and nobody ever will [SJ-VN-4]. */
uint32_t
sj__version_grease(const uint8_t random[4])
{
	uint32_t version = 0;

	for (int i = 0; i < 4; i++)
		version = version << 8 | (random[i] & 0xf0) | 0x0a;
	return version;
}

bool
sj__handshake_is_of(const struct sj__handshake *handshake,
    const struct long_packet *hello)
{
	/* Not by its ids alone: one that was changed on the way and came first
	 * would keep the honest one out. */
	return handshake->header.flags == hello->flags &&
	    memcmp(handshake->header.source, hello->source, ID_SIZE) == 0 &&
	    memcmp(handshake->header.destination, hello->destination,
	    ID_SIZE) == 0 &&
	    memcmp(handshake->header.digest, hello->digest, DIGEST_SIZE) == 0;
}
