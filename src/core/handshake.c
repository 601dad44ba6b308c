/* SPDX-License-Identifier: ISC */
/* handshake.c - from hello to traffic secrets */
#include "core/handshake.h"

#define BODY_MAX (HELLO_SIZE - HELLO_HEADER_SIZE)
#define HELLO_HEADER_SIZE (LONG_HEADER_SIZE + 1 + 1 + 2 + 2)
#define ANSWER_MAX 512
#define PROLOGUE_MAX (7 + LONG_HEADER_SIZE + OFFER_SIZE)

enum step { STEP_READ, STEP_WRITE, STEP_DONE };

struct sj__handshake {
	struct sj_endpoint *endpoint;
	struct sj__noise *noise;
	struct offer offer;
	struct long_packet header;      /* of the hello, without spans */
	enum step step;
	bool is_server, is_refusal;
	uint8_t own_id[ID_SIZE];        /* server: in message 2 */
	uint8_t body[BODY_MAX];         /* client: ours; server: message 1 */
	size_t body_length;
	uint8_t answer[ANSWER_MAX];     /* server: message 2 */
	size_t answer_length;
	uint64_t time_unix_s;
	struct sj__handshake_result result;
};

/* --- Names and prologue ------------------------------------------------ */

static const char *
protocol_name(const struct offer *offer)
{
	if (offer->pattern == OFFER_NX)
		return offer->suite == OFFER_AESGCM ?
		    "Noise_NX_25519_AESGCM_SHA256" :
		    "Noise_NX_25519_ChaChaPoly_SHA256";
	return offer->suite == OFFER_AESGCM ? "Noise_NK_25519_AESGCM_SHA256" :
	    "Noise_NK_25519_ChaChaPoly_SHA256";
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

	if (handshake == NULL)
		return;
	endpoint = handshake->endpoint;
	sj__noise_close(handshake->noise);
	sj__wipe(handshake, sizeof *handshake);
	sj__memory_free(sj__endpoint_memory(endpoint), handshake,
	    sizeof *handshake);
}

static int
open_noise(struct sj__handshake *handshake, const uint8_t *server_key)
{
	struct sj_endpoint *endpoint = handshake->endpoint;
	uint8_t ephemeral[32], prologue[PROLOGUE_MAX];
	struct sj__noise_keys keys = { .ephemeral_private = ephemeral };
	int error;

	sj__endpoint_key_material(endpoint, ephemeral);
	if (handshake->is_server) {
		keys.static_public = server_key;
		keys.static_private = sj__endpoint_host_private(endpoint);
	} else if (handshake->offer.pattern == OFFER_NK) {
		keys.remote_static = server_key;
	}
	error = sj__noise_open(&handshake->noise, sj__endpoint_crypto(endpoint),
	    sj__endpoint_memory(endpoint), protocol_name(&handshake->offer),
	    !handshake->is_server, make_prologue(handshake, prologue), &keys);
	sj__wipe(ephemeral, sizeof ephemeral);
	return error;
}

/* Both outputs of Split(), the master and the hash. */
static int
finish(struct sj__handshake *handshake)
{
	struct sj__handshake_result *result = &handshake->result;

	SJ_TRY(sj__noise_split(handshake->noise, result->client_secret,
	    result->server_secret, result->master));
	memcpy(result->hash, sj__noise_hash(handshake->noise), 32);
	return 0;
}

void
sj__handshake_result(const struct sj__handshake *handshake,
    struct sj__handshake_result *result)
{
	*result = handshake->result;
}

/* --- Client ------------------------------------------------------------ */

/* Payload of message 1: what we have, padded so that the hello fills its
 * datagram. */
static size_t
write_payload_1(uint8_t *out, size_t size)
{
	static const uint8_t suites[] = { SUITE_AES_128_GCM, SUITE_AES_256_GCM,
	    SUITE_CHACHA20_POLY1305 };
	struct writer writer = writer_of(out, size);
	size_t padding;

	sj__parameter_write(&writer, PARAMETER_SUITES, suites, sizeof suites);
	write_varint(&writer, PARAMETER_VERSIONS);
	write_varint(&writer, 4);
	write_uint(&writer, SJ__VERSION_1, 4);
	padding = writer_left(&writer) - 3;
	write_varint(&writer, PARAMETER_PADDING);
	write_varint_in(&writer, padding, 2);
	memset(write_room(&writer, padding), 0, padding);
	assert(!writer.failed);
	return size;
}

static int
write_message_1(struct sj__handshake *handshake)
{
	size_t sealed = handshake->offer.pattern == OFFER_NK ? 16 : 0;
	uint8_t payload[BODY_MAX];
	struct span span = { payload, 0 };
	ptrdiff_t length;

	span.length = write_payload_1(payload,
	    BODY_MAX - OFFER_SIZE - 32 - sealed);
	sj__offer_encode(&handshake->offer, handshake->body);
	length = sj__noise_write(handshake->noise, span,
	    handshake->body + OFFER_SIZE, BODY_MAX - OFFER_SIZE);
	if (length < 0)
		return (int)length;
	handshake->body_length = OFFER_SIZE + (size_t)length;
	return 0;
}

int
sj__handshake_begin(const struct sj__handshake_client *client,
    struct sj__handshake **out)
{
	struct sj_endpoint *endpoint = client->endpoint;
	struct sj__handshake *handshake = handshake_new(endpoint, false);
	uint8_t grease;
	int error;

	*out = NULL;
	if (handshake == NULL)
		return SJ_ERR_MEMORY;
	sj__endpoint_random(endpoint, &grease, 1);
	handshake->header.flags = (uint8_t)(FLAG_LONG | LONG_HELLO << 4 |
	    (grease & 15));
	handshake->header.version = SJ__VERSION_1;
	sj__endpoint_random(endpoint, handshake->header.destination, ID_SIZE);
	memcpy(handshake->header.source, client->id, ID_SIZE);
	handshake->offer.pattern = client->server_key != NULL ? OFFER_NK :
	    OFFER_NX;
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
		error = write_message_1(handshake);
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

	packet.attempt = attempt;
	packet.total = (uint16_t)handshake->body_length;
	packet.body = (struct span){ handshake->body, handshake->body_length };
	return sj__long_encode(&packet, out, capacity);
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
	return 0;
}

int
sj__handshake_read_answer(struct sj__handshake *handshake,
    const struct long_packet *answer)
{
	uint8_t payload[DATAGRAM_BASE];
	struct span list = { payload, 0 };
	ptrdiff_t length;

	if (answer->body.length > sizeof payload ||
	    memcmp(answer->source, handshake->header.destination, ID_SIZE) != 0)
		return SJ_ERR_PROTOCOL;
	length = sj__noise_read(handshake->noise, answer->body, payload);
	if (length < 0)
		return SJ_ERR_PROTOCOL;
	list.length = (size_t)length;
	SJ_TRY(read_payload_2(handshake, list));
	memcpy(handshake->result.server_key,
	    sj__noise_remote_static(handshake->noise), 32);
	return finish(handshake);
}

const uint8_t *
sj__handshake_server_key(const struct sj__handshake *handshake)
{
	return handshake->result.server_key;
}

bool
sj__handshake_may_be_refused(const struct sj__handshake *handshake,
    const struct long_packet *refusal, struct offer *refused)
{
	const struct offer *offer = &handshake->offer;

	if (offer->pattern != OFFER_NK ||
	    memcmp(refusal->source, handshake->header.destination, ID_SIZE) != 0)
		return false;
	memset(refused, 0, sizeof *refused);
	refused->refusal = refusal->code;
	refused->refused_pattern = offer->pattern;
	refused->refused_key_number = offer->key_number;
	return true;
}

/* --- Server ------------------------------------------------------------ */

/* An offer that makes sense. [SJ-HS-3] */
static int
check_offer(struct sj__handshake *handshake)
{
	struct sj_endpoint *endpoint = handshake->endpoint;
	const struct offer *offer = &handshake->offer;
	uint32_t own = key_number(endpoint,
	    sj__endpoint_host_key(endpoint)->public_key);

	if ((offer->pattern != OFFER_NX && offer->pattern != OFFER_NK) ||
	    (offer->suite != OFFER_CHACHAPOLY && offer->suite != OFFER_AESGCM)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FORM);
		return SJ_ERR_PROTOCOL;
	}
	if (offer->refusal != REFUSAL_NONE &&
	    (offer->refusal != REFUSAL_UNKNOWN_KEY ||
	    offer->refused_pattern != OFFER_NK ||
	    offer->refused_key_number == own)) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_REFUSAL);
		return SJ_ERR_PROTOCOL;
	}
	if (offer->pattern == OFFER_NK && offer->key_number != own) {
		handshake->is_refusal = true;
		return SJ__HANDSHAKE_REFUSE;
	}
	return 0;
}

int
sj__handshake_accept(struct sj_endpoint *endpoint,
    const struct long_packet *hello, const uint8_t id[ID_SIZE],
    struct sj_time now, struct sj__handshake **out)
{
	struct sj__handshake *handshake = handshake_new(endpoint, true);
	int error = 0;

	*out = NULL;
	if (handshake == NULL)
		return SJ_ERR_MEMORY;
	handshake->header = *hello;
	handshake->header.cookie = handshake->header.body =
	    (struct span){ NULL, 0 };
	memcpy(handshake->own_id, id, ID_SIZE);
	handshake->time_unix_s = now.unix_s;
	if (!sj__offer_decode(hello->body, &handshake->offer) ||
	    hello->body.length > BODY_MAX) {
		sj__endpoint_count(endpoint, COUNT_DROPPED_HELLO_FORM);
		error = SJ_ERR_PROTOCOL;
	}
	if (error == 0)
		error = check_offer(handshake);
	if (error == 0) {
		handshake->body_length = hello->body.length - OFFER_SIZE;
		memcpy(handshake->body, hello->body.data + OFFER_SIZE,
		    handshake->body_length);
		error = open_noise(handshake,
		    sj__endpoint_host_key(endpoint)->public_key);
	}
	if (error < 0) {
		sj__handshake_close(handshake);
		return error;
	}
	*out = handshake;
	return error;
}

/* The first suite of the client's that we have. [SJ-HS-8] */
static int
read_payload_1(struct sj__handshake *handshake, struct span list)
{
	bool failed = false;
	struct span suites = sj__parameter_find(list, PARAMETER_SUITES, &failed);

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
	struct span message = { handshake->body, handshake->body_length };
	uint8_t payload[BODY_MAX];
	struct span list = { payload, 0 };
	ptrdiff_t length = sj__noise_read(handshake->noise, message, payload);

	if (length < 0)
		return length;
	list.length = (size_t)length;
	handshake->step = STEP_WRITE;
	return read_payload_1(handshake, list);
}

static ptrdiff_t
step_write(struct sj__handshake *handshake)
{
	uint8_t payload[128], time[8];
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
	    DATAGRAM_MAX);
	sj__parameter_write(&writer, PARAMETER_TIME, time, sizeof time);
	assert(!writer.failed);
	span.length = (size_t)(writer.at - payload);
	length = sj__noise_write(handshake->noise, span, handshake->answer,
	    sizeof handshake->answer);
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
	struct long_packet packet = { .version = SJ__VERSION_1 };
	enum long_type type = handshake->is_refusal ? LONG_REFUSAL :
	    LONG_ANSWER;
	uint8_t grease;

	sj__endpoint_random(handshake->endpoint, &grease, 1);
	packet.flags = (uint8_t)(FLAG_LONG | (unsigned)type << 4 |
	    (grease & 15));
	memcpy(packet.destination, handshake->header.source, ID_SIZE);
	memcpy(packet.source, handshake->header.destination, ID_SIZE);
	packet.attempt = attempt;
	packet.code = REFUSAL_UNKNOWN_KEY;
	packet.total = (uint16_t)handshake->answer_length;
	packet.body = (struct span){ handshake->answer,
	    handshake->answer_length };
	return sj__long_encode(&packet, out, capacity);
}

bool
sj__handshake_is_of(const struct sj__handshake *handshake,
    const struct long_packet *hello)
{
	return memcmp(handshake->header.source, hello->source, ID_SIZE) == 0 &&
	    memcmp(handshake->header.destination, hello->destination,
	    ID_SIZE) == 0;
}
