/* SPDX-License-Identifier: ISC */
/*
 * vectors_noise.c - whole Noise handshakes
 *
 * Both ends run: each message is written, compared, read by the other end, and
 * its payload compared; then the hashes, then transport messages.
 */
#include <stdio.h>

#include "core/noise.h"
#include "vectors.h"

struct ends {
	struct sj__noise *initiator, *responder;
	struct sj__noise_cipher keys[2][2];     /* direction; writer, reader */
	enum sj__cipher cipher;
	bool is_split;
};

/* A key of 32 bytes; NULL if the field is missing or empty. */
static const uint8_t *
key_of(struct run *run, json_t *vector, const char *side, const char *name)
{
	char whole[64];

	snprintf(whole, sizeof whole, "%s_%s", side, name);
	return field_of(run, vector, whole, 32);
}

static void
psks_of(struct run *run, json_t *vector, const char *side,
    struct sj__noise_keys *keys)
{
	json_t *array, *one;
	char whole[64];
	size_t i;

	snprintf(whole, sizeof whole, "%s_psks", side);
	array = json_object_get(vector, whole);
	json_array_foreach(array, i, one) {
		const char *text = json_string_value(one);

		if (i < NOISE_PSKS_MAX && text != NULL && strlen(text) == 64)
			keys->psks[i] = unhex(run, text).data;
	}
}

static int
open_end(struct run *run, json_t *vector, const char *side,
    struct sj__noise **noise)
{
	struct sj__noise_keys keys = { 0 };
	struct span prologue;
	char whole[64];

	keys.static_private = key_of(run, vector, side, "static");
	keys.ephemeral_private = key_of(run, vector, side, "ephemeral");
	keys.remote_static = key_of(run, vector, side, "remote_static");
	psks_of(run, vector, side, &keys);
	snprintf(whole, sizeof whole, "%s_prologue", side);
	prologue = field(run, vector, whole);
	return sj__noise_open(noise, run->crypto, &run->memory,
	    text_of(vector, "protocol_name"), side[0] == 'i', prologue, &keys);
}

static void
close_ends(struct ends *ends)
{
	sj__noise_close(ends->initiator);
	sj__noise_close(ends->responder);
}

/* Split() at both ends; they must agree, in the third output too. */
static const char *
split(struct run *run, struct ends *ends, json_t *vector)
{
	uint8_t out[2][3][HASH_SIZE_MAX];
	struct sj__noise *noise[2] = { ends->initiator, ends->responder };
	size_t size = sj__noise_hash_size(noise[0]);
	struct span hash = { sj__noise_hash(noise[0]), size }, given;

	for (int i = 0; i < 2; i++) {
		if (!sj__noise_is_done(noise[i]))
			return "one end is not done";
		if (sj__noise_split(noise[i], out[i][0], out[i][1],
		    out[i][2]) < 0)
			return "split fails";
	}
	for (int i = 0; i < 3; i++)
		if (memcmp(out[0][i], out[1][i], size) != 0)
			return "the ends split differently";
	if (memcmp(hash.data, sj__noise_hash(noise[1]), size) != 0)
		return "the ends have different handshake hashes";
	given = field(run, vector, "handshake_hash");
	if (given.data != NULL && given.length > 0 && !same(given, hash))
		return "the handshake hash";
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++) {
			ends->keys[i][j].cipher = ends->cipher;
			ends->keys[i][j].nonce = 0;
			memcpy(ends->keys[i][j].key, out[j][i], 32);
		}
	ends->is_split = true;
	return NULL;
}

static const char *
handshake_message(struct run *run, struct ends *ends, size_t number,
    bool from_initiator, struct span payload, struct span given)
{
	struct sj__noise *writer = from_initiator ? ends->initiator :
	    ends->responder;
	struct sj__noise *reader = from_initiator ? ends->responder :
	    ends->initiator;
	uint8_t *out = run_allocate(run, NOISE_MESSAGE_MAX);
	uint8_t *read = run_allocate(run, NOISE_MESSAGE_MAX);
	ptrdiff_t length = sj__noise_write(writer, payload, out,
	    NOISE_MESSAGE_MAX);

	if (length < 0)
		return why(run, "message %zu: write says %td", number, length);
	if (!same((struct span){ out, (size_t)length }, given))
		return why(run, "message %zu differs", number);
	length = sj__noise_read(reader, given, read);
	if (length < 0)
		return why(run, "message %zu: read says %td", number, length);
	if (!same((struct span){ read, (size_t)length }, payload))
		return why(run, "payload %zu differs", number);
	return NULL;
}

static const char *
transport_message(struct run *run, struct ends *ends, size_t number,
    bool from_initiator, struct span payload, struct span given)
{
	struct sj__noise_cipher *keys = ends->keys[from_initiator ? 0 : 1];
	uint8_t *out = run_allocate(run, payload.length + 16);
	uint8_t *read = run_allocate(run, payload.length);
	struct span none = { NULL, 0 };

	if (sj__noise_cipher_seal(run->crypto, &keys[0], none, payload,
	    out) < 0)
		return why(run, "message %zu: it does not seal", number);
	if (!same((struct span){ out, payload.length + 16 }, given))
		return why(run, "message %zu differs", number);
	if (sj__noise_cipher_open(run->crypto, &keys[1], none, given, read) < 0)
		return why(run, "message %zu: it does not open", number);
	if (!same((struct span){ read, payload.length }, payload))
		return why(run, "payload %zu differs", number);
	return NULL;
}

static const char *
run_messages(struct run *run, struct ends *ends, json_t *vector,
    bool is_one_way)
{
	json_t *array = json_object_get(vector, "messages"), *message;
	const char *answer = NULL;
	size_t i;

	json_array_foreach(array, i, message) {
		struct span payload = field(run, message, "payload");
		struct span given = field(run, message, "ciphertext");
		const char *sender = text_of(message, "sender");
		bool first = sender != NULL ? sender[0] == 'i' :
		    is_one_way || i % 2 == 0;

		if (payload.data == NULL || given.data == NULL)
			return why(run, "message %zu has no bytes", i);
		if (!ends->is_split && sj__noise_is_done(ends->initiator) &&
		    sj__noise_is_done(ends->responder))
			answer = split(run, ends, vector);
		if (answer == NULL)
			answer = ends->is_split ? transport_message(run, ends,
			    i, first, payload, given) : handshake_message(run,
			    ends, i, first, payload, given);
		if (answer != NULL)
			return answer;
	}
	return ends->is_split ? NULL : split(run, ends, vector);
}

const char *
check_noise(struct run *run, json_t *vector)
{
	const char *name = text_of(vector, "protocol_name"), *answer;
	struct sj__noise_protocol protocol;
	struct ends ends = { 0 };
	int error;

	if (strstr(name, "XWing") != NULL)
		return SKIP_XWING;
	if (strstr(name, "MLKEM") != NULL && !sj__kem_is_there(run->crypto))
		return SKIP_KEM;
	error = sj__noise_parse(run->crypto, name, &protocol);
	if (error < 0)
		return why(run, "the name is refused: %d", error);
	ends.cipher = protocol.cipher;
	if (open_end(run, vector, "init", &ends.initiator) < 0)
		answer = "the initiator does not open";
	else if (open_end(run, vector, "resp", &ends.responder) < 0)
		answer = "the responder does not open";
	else
		answer = run_messages(run, &ends, vector, protocol.is_one_way);
	close_ends(&ends);
	return answer;
}

/* --- With a KEM -------------------------------------------------------- */

static const char *
run_hybrid(struct run *run, struct ends *ends, json_t *vector)
{
	static const char *const names[3] = { "msg_a", "msg_b", "msg_c" };
	struct span none = { (const uint8_t *)"", 0 };
	struct span one = field(run, vector, "cs1_k");
	struct span two = field(run, vector, "cs2_k");
	const char *answer = NULL;

	for (size_t i = 0; i < 3 && answer == NULL; i++)
		answer = handshake_message(run, ends, i, i % 2 == 0, none,
		    field(run, vector, names[i]));
	if (answer == NULL)
		answer = split(run, ends, vector);
	if (answer != NULL)
		return answer;
	if (!same(one, (struct span){ ends->keys[0][0].key, 32 }) ||
	    !same(two, (struct span){ ends->keys[1][0].key, 32 }))
		return "the keys of Split()";
	return NULL;
}

const char *
check_hybrid(struct run *run, json_t *vector)
{
	const char *name = text_of(vector, "protocol_name"), *answer;
	struct span prologue = field(run, vector, "prologue");
	struct sj__noise_keys first = { 0 }, second = { 0 };
	struct ends ends = { .cipher = CIPHER_CHACHA20_POLY1305 };

	if (name == NULL)
		name = text_of(vector, "protocol");
	if (name == NULL || strstr(name, "XWing") != NULL)
		return SKIP_XWING;
	if (!sj__kem_is_there(run->crypto))
		return SKIP_KEM;
	first.static_private = key_of(run, vector, "static_i", "private");
	first.ephemeral_private = key_of(run, vector, "ephemeral_dh_i",
	    "private");
	first.kem_seed = field_of(run, vector, "ephemeral_kem_i_seed_d_z",
	    KEM_SEED_SIZE);
	second.static_private = key_of(run, vector, "static_r", "private");
	second.ephemeral_private = key_of(run, vector, "ephemeral_dh_r",
	    "private");
	second.kem_random = field_of(run, vector, "encap_seed_hex", 32);
	if (sj__noise_open(&ends.initiator, run->crypto, &run->memory, name,
	    true, prologue, &first) < 0 || sj__noise_open(&ends.responder,
	    run->crypto, &run->memory, name, false, prologue, &second) < 0)
		answer = "an end does not open";
	else
		answer = run_hybrid(run, &ends, vector);
	close_ends(&ends);
	return answer;
}
