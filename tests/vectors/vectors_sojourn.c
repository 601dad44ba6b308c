/* SPDX-License-Identifier: ISC */
/*
 * vectors_sojourn.c - whole logins, every value on the way
 *
 * Each value is made from those before it and compared: the handshake by both
 * ends, keys, packets sealed and opened, the proof, the exporter.
 */
#include <stdio.h>

#include "core/noise.h"
#include "core/packet.h"
#include "vectors.h"

#define CHECK(one) do {                                                 \
	const char *check_answer = (one);                               \
	if (check_answer != NULL)                                       \
		return check_answer;                                    \
} while (0)

static const char *
equal(struct run *run, json_t *vector, const char *name, const void *bytes,
    size_t length)
{
	return same(field(run, vector, name), (struct span){ bytes, length }) ?
	    NULL : why(run, "%s differs", name);
}

/* --- Handshake --------------------------------------------------------- */

static int
open_noise(struct run *run, json_t *vector, bool is_client,
    struct sj__noise **noise)
{
	struct sj__noise_keys keys = { 0 };
	const uint8_t *server = field_of(run, vector, "server_public", 32);

	keys.ephemeral_private = field_of(run, vector, is_client ?
	    "client_ephemeral" : "server_ephemeral", 32);
	if (!is_client) {
		keys.static_private = field_of(run, vector, "server_private",
		    32);
		keys.static_public = server;
	} else if (strcmp(text_of(vector, "name"), "NK") == 0) {
		keys.remote_static = server;
	}
	return sj__noise_open(noise, run->crypto, &run->memory,
	    text_of(vector, "noise"), is_client,
	    field(run, vector, "prologue"), &keys);
}

/* A message from one end to the other. */
static const char *
pass(struct run *run, json_t *vector, const char *number,
    struct sj__noise *from, struct sj__noise *to)
{
	uint8_t bytes[HELLO_BODY_MAX], out1[32], out2[32], out3[32];
	uint8_t expected[3][32];
	char name[16];
	struct span message;
	const uint8_t *ck;
	ptrdiff_t length;

	snprintf(name, sizeof name, "payload_%s", number);
	length = sj__noise_write(from, field(run, vector, name), bytes,
	    sizeof bytes);
	snprintf(name, sizeof name, "message_%s", number);
	message = field(run, vector, name);
	if (length < 0 || !same(message, (struct span){ bytes, (size_t)length }))
		return why(run, "%s differs", name);
	length = sj__noise_read(to, message, bytes);
	snprintf(name, sizeof name, "payload_%s", number);
	if (length < 0)
		return why(run, "message %s does not open", number);
	CHECK(equal(run, vector, name, bytes, (size_t)length));
	snprintf(name, sizeof name, "h_%s", number);
	CHECK(equal(run, vector, name, sj__noise_hash(from), 32));
	CHECK(equal(run, vector, name, sj__noise_hash(to), 32));
	snprintf(name, sizeof name, "ck_%s", number);
	ck = field_of(run, vector, name, 32);
	if (ck == NULL || sj__hkdf(run->crypto, HASH_SHA256, ck,
	    (struct span){ NULL, 0 }, expected[0], expected[1], expected[2]) <
	    0 || sj__noise_split(from, out1, out2, out3) < 0 ||
	    memcmp(out1, expected[0], 32) != 0 ||
	    memcmp(out2, expected[1], 32) != 0 ||
	    memcmp(out3, expected[2], 32) != 0)
		return why(run, "%s differs", name);
	return NULL;
}

static const char *
both_messages(struct run *run, json_t *vector, struct sj__noise *client,
    struct sj__noise *server)
{
	uint8_t to_server[32], to_client[32], master[32];

	CHECK(pass(run, vector, "1", client, server));
	CHECK(pass(run, vector, "2", server, client));
	if (sj__noise_split(client, to_server, to_client, master) < 0)
		return "no keys";
	CHECK(equal(run, json_object_get(vector, "client"), "secret",
	    to_server, 32));
	CHECK(equal(run, json_object_get(vector, "server"), "secret",
	    to_client, 32));
	return equal(run, vector, "master", master, 32);
}

static const char *
handshake(struct run *run, json_t *vector)
{
	struct sj__noise *client = NULL, *server = NULL;
	const char *answer = "no handshake";
	uint8_t public_key[32];
	const uint8_t *private_key = field_of(run, vector, "server_private", 32);

	if (private_key == NULL || text_of(vector, "name") == NULL)
		return "no keys";
	(void)sj__x25519_public(run->crypto, private_key, public_key);
	CHECK(equal(run, vector, "server_public", public_key, 32));
	if (open_noise(run, vector, true, &client) == 0 &&
	    open_noise(run, vector, false, &server) == 0)
		answer = both_messages(run, vector, client, server);
	sj__noise_close(client);
	sj__noise_close(server);
	return answer;
}

/* The only datagram of a direction, taken apart and put together again. */
static const char *
long_packet(struct run *run, json_t *vector, const char *name,
    struct long_packet *packet)
{
	json_t *list = json_object_get(vector, name);
	const char *text = json_string_value(json_array_get(list, 0));
	uint8_t again[DATAGRAM_BASE];
	struct span datagram;

	if (json_array_size(list) != 1 || text == NULL)
		return why(run, "%s is not one datagram", name);
	datagram = unhex(run, text);
	if (!sj__long_decode(datagram, packet))
		return why(run, "%s is no long packet", name);
	if (!same(datagram, (struct span){ again, sj__long_encode(packet, again,
	    sizeof again) }))
		return why(run, "%s is put together otherwise", name);
	return NULL;
}

static const char *
hello_and_answer(struct run *run, json_t *vector)
{
	struct span prologue = field(run, vector, "prologue");
	struct span offer = field(run, vector, "offer");
	struct span message = field(run, vector, "message_1");
	struct long_packet hello, answer;
	uint8_t hash[32], made[7 + LONG_HEADER_SIZE + OFFER_SIZE];

	CHECK(long_packet(run, vector, "hello", &hello));
	CHECK(long_packet(run, vector, "answer", &answer));
	if (offer.length != OFFER_SIZE || prologue.length != sizeof made ||
	    hello.body.length != OFFER_SIZE + message.length ||
	    memcmp(hello.body.data, offer.data, OFFER_SIZE) != 0 ||
	    memcmp(hello.body.data + OFFER_SIZE, message.data,
	    message.length) != 0 ||
	    !same(answer.body, field(run, vector, "message_2")))
		return "offer or messages are not what the packets have";
	memcpy(made, "Sojourn", 7);
	memcpy(made + 7, unhex(run, json_string_value(json_array_get(
	    json_object_get(vector, "hello"), 0))).data, LONG_HEADER_SIZE);
	memcpy(made + 7 + LONG_HEADER_SIZE, offer.data, OFFER_SIZE);
	CHECK(equal(run, vector, "prologue", made, sizeof made));
	CHECK(equal(run, vector, "cookie", hello.cookie, COOKIE_SIZE));
	sj__sha256(run->crypto, hello.body.data, hello.body.length, hash);
	if (memcmp(hash, hello.digest, DIGEST_SIZE) != 0)
		return "the digest differs";
	return memcmp(hello.source, answer.destination, ID_SIZE) == 0 &&
	    memcmp(hello.destination, answer.source, ID_SIZE) == 0 ? NULL :
	    "the answer is to another hello";
}

/* --- Keys -------------------------------------------------------------- */

static const char *
label(struct run *run, json_t *keys, const uint8_t *secret, const char *name,
    const char *field_name)
{
	uint8_t out[32];
	struct span given = field(run, keys, field_name);

	if (given.length > sizeof out || sj__expand_label(run->crypto, secret,
	    name, (struct span){ NULL, 0 }, out, given.length) < 0)
		return why(run, "no %s", field_name);
	return equal(run, keys, field_name, out, given.length);
}

static const char *
key_and_iv(struct run *run, json_t *keys, size_t size)
{
	const uint8_t *secret = field_of(run, keys, "secret", 32);

	if (secret == NULL || field_of(run, keys, "key", size) == NULL ||
	    field_of(run, keys, "iv", 12) == NULL)
		return "keys of another size";
	CHECK(label(run, keys, secret, "key", "key"));
	return label(run, keys, secret, "iv", "iv");
}

/* [SJ-KEY-10]; the outputs of Split() are secrets and no keys [SJ-KEY-2]. */
static const char *
one_direction(struct run *run, json_t *vector, const char *side, size_t size)
{
	json_t *keys = json_object_get(vector, side);
	json_t *next = json_object_get(keys, "next");
	const uint8_t *secret = field_of(run, keys, "secret", 32);

	CHECK(key_and_iv(run, keys, size));
	if (memcmp(field(run, keys, "key").data, secret, size) == 0)
		return "packets under a key of Split()";
	CHECK(label(run, keys, secret, "hp", "hp"));
	CHECK(key_and_iv(run, next, size));
	return label(run, next, secret, "ku", "secret");
}

static const char *
exporter(struct run *run, json_t *vector)
{
	json_t *given = json_object_get(vector, "exporter");
	const uint8_t *master = field_of(run, vector, "master", 32);
	struct span parts[2] = { field(run, vector, "h_2"),
	    field(run, given, "context") };
	uint8_t hash[32], out[32];
	char name[64];

	if (master == NULL || text_of(given, "label") == NULL)
		return "no exporter";
	sj__sha256_parts(run->crypto, parts, 2, hash);
	CHECK(equal(run, given, "hash", hash, 32));
	snprintf(name, sizeof name, "exporter %s", text_of(given, "label"));
	(void)sj__expand_label(run->crypto, master, name,
	    (struct span){ hash, 32 }, out, sizeof out);
	return equal(run, given, "secret", out, sizeof out);
}

/* --- Packets ----------------------------------------------------------- */

struct peers {
	struct sj__protection client, server;
	uint64_t expected[2];
	int phase[2];
};

static const char *
count_frames(struct run *run, json_t *packet, struct span payload)
{
	struct reader reader = reader_of(payload.data, payload.length);
	json_t *frames = json_object_get(packet, "frames"), *one;
	size_t told = 0, found = 0, i;
	struct frame frame;

	/* PADDING is one entry with its length there, and nothing here; grease
	 * is skipped [SJ-FR-3]. */
	json_array_foreach(frames, i, one)
		told += strcmp(text_of(one, "type"), "PADDING") != 0 &&
		    strncmp(text_of(one, "type"), "grease", 6) != 0;
	while (sj__frame_decode(&reader, &frame))
		found += frame.type != FRAME_PADDING;
	return !reader.failed && told == found ? NULL :
	    why(run, "%zu frames, not %zu", found, told);
}

/* iv xor number; and what the mask does to the header. */
static const char *
nonce_and_mask(struct run *run, json_t *packet, json_t *keys, uint64_t number)
{
	struct span header = field(run, packet, "header");
	struct span sealed = field(run, packet, "packet");
	struct span mask = field(run, packet, "mask");
	const uint8_t *iv = field_of(run, keys, "iv", 12);
	uint8_t nonce[12], masked[SHORT_HEADER_SIZE];

	if (iv == NULL || mask.length != 5 || header.length != sizeof masked ||
	    sealed.length < sizeof masked)
		return "no nonce or mask";
	memcpy(nonce, iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> (8 * i));
	CHECK(equal(run, packet, "nonce", nonce, 12));
	memcpy(masked, header.data, sizeof masked);
	masked[0] ^= mask.data[0] & FLAGS_MASKED;
	for (size_t i = 0; i < NUMBER_SIZE; i++)
		masked[1 + ID_SIZE + i] ^= mask.data[1 + i];
	return memcmp(masked, sealed.data, sizeof masked) == 0 ? NULL :
	    "the mask differs";
}

/* Sealed again by who sent it, and opened by who got it. */
static const char *
one_packet(struct run *run, json_t *packet, struct peers *peers)
{
	int from = strcmp(text_of(packet, "from"), "client") == 0;
	struct sj__protection *sender = from ? &peers->client : &peers->server;
	struct sj__protection *receiver = from ? &peers->server : &peers->client;
	uint64_t number = (uint64_t)json_integer_value(json_object_get(packet,
	    "number")), opened;
	int phase = (int)json_integer_value(json_object_get(packet, "phase"));
	struct span header = field(run, packet, "header"), got;
	struct span payload = field(run, packet, "payload");
	uint8_t bytes[DATAGRAM_BASE];
	size_t length = payload.length + SHORT_OVERHEAD;
	bool updated;

	if (header.length != SHORT_HEADER_SIZE || length > sizeof bytes)
		return "no packet";
	if (phase == peers->phase[from] + 1) {
		if (sender->send_phase == sender->receive_phase ||
		    sender->send_phase != (phase & 1))
			(void)sj__protection_update(sender, number);
		peers->phase[from] = phase;
	}
	memcpy(bytes + 1, header.data + 1, ID_SIZE);
	memcpy(bytes + SHORT_HEADER_SIZE, payload.data, payload.length);
	if (sj__packet_seal(sender, number, bytes, payload.length) < 0 ||
	    memcmp(bytes, header.data, SHORT_HEADER_SIZE) != 0)
		return "the header differs";
	sj__packet_mask(sender, bytes, length, 1);
	CHECK(equal(run, packet, "packet", bytes, length));
	sj__packet_unmask(receiver, bytes, length, 1);
	if (sj__packet_open(receiver, peers->expected[from], bytes, length,
	    &opened, &got, &updated) < 0 || opened != number ||
	    !same(got, payload))
		return "it does not open";
	peers->expected[from] = number + 1;
	return count_frames(run, packet, payload);
}

static const char *
all_packets(struct run *run, json_t *vector, struct peers *peers)
{
	json_t *packet;
	const char *answer;
	size_t i;

	json_array_foreach(json_object_get(vector, "packets"), i, packet) {
		json_t *keys = json_object_get(vector, text_of(packet, "from"));

		answer = one_packet(run, packet, peers);
		if (answer == NULL)
			answer = nonce_and_mask(run, packet, json_integer_value(
			    json_object_get(packet, "phase")) == 0 ? keys :
			    json_object_get(keys, "next"), (uint64_t)
			    json_integer_value(json_object_get(packet,
			    "number")));
		if (answer != NULL)
			return why(run, "packet %zu: %.200s", i, answer);
	}
	if (peers->phase[0] != 1 || peers->phase[1] != 1)
		return "no second phase";
	return NULL;
}

static const char *
packets(struct run *run, json_t *vector, enum packet_suite suite)
{
	struct peers peers = { .phase = { 0, 0 } };
	const uint8_t *up = field_of(run, json_object_get(vector, "client"),
	    "secret", 32);
	const uint8_t *down = field_of(run, json_object_get(vector, "server"),
	    "secret", 32);
	const char *answer = "no protection";

	if (sj__protection_init(&peers.client, run->crypto, &run->memory, suite,
	    up, down) == 0 && sj__protection_init(&peers.server, run->crypto,
	    &run->memory, suite, down, up) == 0)
		answer = all_packets(run, vector, &peers);
	sj__protection_fini(&peers.client);
	sj__protection_fini(&peers.server);
	return answer;
}

static const char *
other_suites(struct run *run, json_t *vector)
{
	struct sj__protection protection = { 0 };
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(vector, "other_suites"), i, one) {
		const uint8_t *secret = field_of(run, one, "secret", 32);
		struct span payload = field(run, one, "payload");
		const uint8_t *id = field_of(run, one, "destination", ID_SIZE);
		uint8_t bytes[64];

		CHECK(key_and_iv(run, one, 32));
		CHECK(label(run, one, secret, "hp", "hp"));
		if (id == NULL || payload.length != 12 || sj__protection_init(
		    &protection, run->crypto, &run->memory, (enum packet_suite)
		    json_integer_value(json_object_get(one, "suite")), secret,
		    secret) < 0)
			return "no suite";
		memcpy(bytes + 1, id, ID_SIZE);
		memcpy(bytes + SHORT_HEADER_SIZE, payload.data, payload.length);
		(void)sj__packet_seal(&protection, (uint64_t)json_integer_value(
		    json_object_get(one, "number")), bytes, payload.length);
		sj__packet_mask(&protection, bytes, PACKET_MIN, 1);
		sj__protection_fini(&protection);
		CHECK(equal(run, one, "packet", bytes, PACKET_MIN));
	}
	return i == 2 ? NULL : "not two other suites";
}

/* --- Login ------------------------------------------------------------- */

static void
put(struct writer *writer, const void *bytes, size_t length)
{
	write_uint(writer, length, 4);
	write_bytes(writer, bytes, length);
}

static void
put_field(struct run *run, struct writer *writer, json_t *object,
    const char *name)
{
	struct span span = field(run, object, name);

	put(writer, span.data, span.length);
}

static const char *
proof(struct run *run, json_t *vector, json_t *login)
{
	static const uint8_t version[4] = { 0x53, 0x6a, 0, 1 };
	uint8_t bytes[1024], hash[64], number[4] = { 0, 0, 0, 1 };
	struct writer writer = writer_of(bytes, sizeof bytes);

	put(&writer, "sojourn-login", 13);
	put(&writer, "client", 6);
	put(&writer, version, 4);
	put_field(run, &writer, vector, "h_2");
	put_field(run, &writer, vector, "server_public");
	put_field(run, &writer, login, "server_name");
	put_field(run, &writer, login, "application");
	put_field(run, &writer, login, "user");
	put(&writer, "publickey", 9);
	put_field(run, &writer, login, "key_blob");
	put(&writer, number, 4);
	CHECK(equal(run, login, "proof", bytes, (size_t)(writer.at - bytes)));
	sj__sha512(run->crypto, bytes, (size_t)(writer.at - bytes), hash);
	writer = writer_of(bytes, sizeof bytes);
	write_bytes(&writer, "SSHSIG", 6);
	put(&writer, "sojourn-login-v1", 16);
	put(&writer, "", 0);
	put(&writer, "sha512", 6);
	put(&writer, hash, sizeof hash);
	return equal(run, login, "signed", bytes, (size_t)(writer.at - bytes));
}

static const char *
login(struct run *run, json_t *vector)
{
	json_t *given = json_object_get(vector, "login");
	const uint8_t *seed = field_of(run, given, "key_seed", 32);
	uint8_t public_key[32], raw[64], blob[64], bytes[512], inner[128];
	struct writer key = writer_of(blob, sizeof blob);
	struct writer signature = writer_of(inner, sizeof inner);
	struct writer writer = writer_of(bytes, sizeof bytes);

	if (seed == NULL || sj__ed25519_public(run->crypto, seed, public_key) < 0)
		return "no key";
	put(&key, "ssh-ed25519", 11);
	put(&key, public_key, 32);
	CHECK(equal(run, given, "key_blob", blob, (size_t)(key.at - blob)));
	CHECK(proof(run, vector, given));
	(void)sj__ed25519_sign(run->crypto, seed, field(run, given, "signed"),
	    raw);
	put(&signature, "ssh-ed25519", 11);
	put(&signature, raw, sizeof raw);
	write_bytes(&writer, "SSHSIG", 6);
	write_uint(&writer, 1, 4);
	put(&writer, blob, (size_t)(key.at - blob));
	put(&writer, "sojourn-login-v1", 16);
	put(&writer, "", 0);
	put(&writer, "sha512", 6);
	put(&writer, inner, (size_t)(signature.at - inner));
	return equal(run, given, "sshsig", bytes, (size_t)(writer.at - bytes));
}

const char *
check_login(struct run *run, json_t *vector)
{
	enum packet_suite suite = (enum packet_suite)json_integer_value(
	    json_object_get(vector, "suite"));
	size_t size = suite == SUITE_AES_128_GCM ? 16 : 32;

	CHECK(handshake(run, vector));
	CHECK(hello_and_answer(run, vector));
	CHECK(one_direction(run, vector, "client", size));
	CHECK(one_direction(run, vector, "server", size));
	CHECK(exporter(run, vector));
	CHECK(packets(run, vector, suite));
	CHECK(other_suites(run, vector));
	return login(run, vector);
}
