/* SPDX-License-Identifier: ISC */
/*
 * vectors_quic.c - encodings and packet protection as QUIC's
 *
 * Varints, truncated numbers, key derivation, header masks and packet AEADs are
 * those of RFC 9000 and 9001; labels and packet layout are not, so packets are
 * put together here from our parts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/cursor.h"
#include "core/packet.h"
#include "core/wire.h"
#include "vectors.h"

static uint64_t
integer(json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static uint64_t
hex_number(json_t *object, const char *name)
{
	const char *text = text_of(object, name);

	return text == NULL ? 0 : strtoull(text, NULL, 16);
}

/* --- Varints ----------------------------------------------------------- */

const char *
check_varint_range(struct run *run, json_t *vector)
{
	uint64_t max = integer(vector, "max");
	uint64_t size = integer(vector, "bytes");
	uint8_t bytes[8];
	struct writer writer = writer_of(bytes, sizeof bytes);
	const char *prefix = text_of(vector, "prefix");
	struct reader reader;

	(void)run;
	if (prefix == NULL || varint_size(max) != size)
		return "the size of the largest";
	if (size < 8 ? varint_size(max + 1) != 2 * size : max != VARINT_MAX)
		return "the size of the next";
	write_varint(&writer, max);
	if (writer.failed || writer.at != bytes + size ||
	    bytes[0] >> 6 != strtoul(prefix, NULL, 2))
		return "how it is written";
	reader = reader_of(bytes, size);
	if (read_varint(&reader) != max || reader.failed)
		return "how it is read";
	reader = reader_of(bytes, size - 1);
	read_varint(&reader);
	return reader.failed ? NULL : "a cut one is read";
}

const char *
check_varint_sample(struct run *run, json_t *vector)
{
	struct span given = field(run, vector, "hex");
	struct reader reader = reader_of(given.data, given.length);
	uint64_t value = integer(vector, "value");
	uint8_t bytes[8];
	struct writer writer = writer_of(bytes, sizeof bytes);

	if (given.data == NULL || read_varint(&reader) != value ||
	    reader.failed || reader_left(&reader) != 0)
		return "how it is read";
	if (json_is_false(json_object_get(vector, "shortest")))
		write_varint_in(&writer, value, given.length);
	else
		write_varint(&writer, value);
	return same(given, (struct span){ bytes, (size_t)(writer.at - bytes) })
	    ? NULL : "how it is written";
}

/* --- Packet numbers ---------------------------------------------------- */

/* Ours take 24 bits always: enough for each sample, and they come back. */
const char *
check_number_encode(struct run *run, json_t *vector)
{
	uint64_t full = hex_number(vector, "full_pn");
	uint64_t acked = hex_number(vector, "largest_acked");
	uint64_t bits = 0, twice = 2 * (full - acked);

	(void)run;
	while ((UINT64_C(1) << bits) < twice)
		bits++;
	if (bits != integer(vector, "bits_needed"))
		return "the bits needed";
	if (bits > 8 * NUMBER_SIZE)
		return "more bits than ours";
	return number_expand(full & 0xffffff, acked + 1) == full ? NULL :
	    "it does not come back";
}

const char *
check_number_decode(struct run *run, json_t *vector)
{
	uint64_t full = hex_number(vector, "full_pn");
	uint64_t expected = hex_number(vector, "largest_pn") + 1;
	uint64_t bits = integer(vector, "bits"), sent = 0;

	(void)run;
	if (bits == 0 || bits > 8 * NUMBER_SIZE)
		return "a length that is not ours";
	/* The bits that our form has besides come from the number itself. */
	sent = (full & 0xffffff & ~((UINT64_C(1) << bits) - 1)) |
	    hex_number(vector, "truncated");
	return number_expand(sent, expected) == full ? NULL :
	    "the whole number";
}

/* --- Keys -------------------------------------------------------------- */

/* HkdfLabel of RFC 8446 with the prefix of TLS. */
static size_t
label_info(const char *label, size_t length, uint8_t out[64])
{
	size_t size = strlen(label);

	out[0] = 0;
	out[1] = (uint8_t)length;
	out[2] = (uint8_t)(6 + size);
	memcpy(out + 3, "tls13 ", 6);
	memcpy(out + 9, label, size);
	out[9 + size] = 0;
	return 10 + size;
}

static bool
derives(struct run *run, struct span secret, const char *label,
    struct span given)
{
	uint8_t info[64], out[64];
	struct span span = { info, label_info(label, given.length, info) };

	return given.data != NULL && given.length > 0 && given.length <= 64 &&
	    secret.data != NULL && sj__hkdf_expand(run->crypto, HASH_SHA256,
	    secret, span, out, given.length) == 0 &&
	    same(given, (struct span){ out, given.length });
}

const char *
check_quic_labels(struct run *run, json_t *root)
{
	json_t *labels = json_object_get(root, "labels"), *value;
	const char *name;

	json_object_foreach(labels, name, value) {
		struct span given = field(run, labels, name);
		uint8_t info[64];

		if (given.length < 2 || !same(given, (struct span){ info,
		    label_info(name, given.data[1], info) }))
			return why(run, "the label %s", name);
	}
	return NULL;
}

const char *
check_quic_keys(struct run *run, json_t *root)
{
	static const char *const sides[2] = { "client", "server" };
	static const char *const kinds[3] = { "key", "iv", "hp" };
	json_t *keys = json_object_get(root, "keys");
	struct span initial = field(run, keys, "initial_secret"), secret;
	char name[64], label[64];
	uint8_t out[32];

	if (sj__hkdf_extract(run->crypto, HASH_SHA256, field(run, keys,
	    "initial_salt"), field(run, root, "dcid"), out) < 0 ||
	    !same(initial, (struct span){ out, 32 }))
		return "the initial secret";
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof name, "%s_initial_secret", sides[i]);
		snprintf(label, sizeof label, "%s in", sides[i]);
		secret = field(run, keys, name);
		if (!derives(run, initial, label, secret))
			return why(run, "%s", name);
		for (int j = 0; j < 3; j++) {
			snprintf(name, sizeof name, "%s_%s", sides[i],
			    kinds[j]);
			snprintf(label, sizeof label, "quic %s", kinds[j]);
			if (!derives(run, secret, label, field(run, keys,
			    name)))
				return why(run, "%s", name);
		}
	}
	return NULL;
}

/* --- Packets ----------------------------------------------------------- */

struct protected {
	const char *aead_name;
	struct span key, iv, header_key;
	struct span header, payload, packet, sample, mask, protected_header;
	uint64_t number;
	size_t number_size;
};

static const char *
seal(struct run *run, const struct sj_aead *aead,
    const struct protected *given, uint8_t *packet)
{
	void *context = aligned_alloc(64, (aead->context_size + 63) / 64 * 64);
	uint8_t *payload = packet + given->header.length, nonce[12];
	uint8_t *copy = run_allocate(run, given->payload.length + 16);
	int error;

	memcpy(nonce, given->iv.data, 12);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(given->number >> (8 * i));
	memcpy(packet, given->header.data, given->header.length);
	memcpy(payload, given->payload.data, given->payload.length);
	error = context == NULL ? -1 : aead->init(aead, context,
	    given->key.data);
	if (error == 0) {
		error = aead->seal(aead, context, nonce, packet,
		    given->header.length, payload, given->payload.length,
		    payload + given->payload.length);
		memcpy(copy, payload, given->payload.length + 16);
		if (error == 0)
			error = aead->open(aead, context, nonce, packet,
			    given->header.length, copy, given->payload.length,
			    copy + given->payload.length);
		aead->fini(aead, context);
	}
	free(context);
	if (error < 0)
		return "it does not seal and open";
	return memcmp(copy, given->payload.data, given->payload.length) == 0 ?
	    NULL : "it opens to something else";
}

/* Sample, mask, protected header. */
static const char *
hide(struct run *run, const struct protected *given, uint8_t *packet)
{
	size_t number_at = given->header.length - given->number_size;
	struct sj__header_key *key;
	uint8_t samples[1][16], masks[1][16];

	memcpy(samples[0], packet + number_at + 4, 16);
	if (!same(given->sample, (struct span){ samples[0], 16 }))
		return "the sample";
	if (sj__header_key_open(run->crypto, &run->memory, given->aead_name,
	    given->header_key.data, &key) < 0)
		return "no header key";
	sj__header_mask_batch(key, samples, masks, 1);
	sj__header_key_close(key, &run->memory);
	if (!same(given->mask, (struct span){ masks[0], 5 }))
		return "the mask";
	packet[0] ^= masks[0][0] & (packet[0] & 0x80 ? 0x0f : 0x1f);
	for (size_t i = 0; i < given->number_size; i++)
		packet[number_at + i] ^= masks[0][1 + i];
	return same(given->protected_header, (struct span){ packet,
	    given->header.length }) ? NULL : "the protected header";
}

static const char *
protect(struct run *run, const struct protected *given)
{
	size_t length = given->header.length + given->payload.length + 16;
	const struct sj_aead *const *faster = run->faster;
	uint8_t *packet = run_allocate(run, length + 16);
	const char *answer;

	if (given->header.length <= given->number_size ||
	    given->payload.data == NULL ||
	    given->iv.length != 12 || given->packet.length != length ||
	    given->key.data == NULL || given->header_key.data == NULL)
		return "odd lengths";
	answer = seal(run, sj__crypto_plain_aead(run->crypto,
	    given->aead_name), given, packet);
	if (answer == NULL)
		answer = hide(run, given, packet);
	if (answer == NULL && !same(given->packet, (struct span){ packet,
	    length }))
		answer = "the packet";
	for (; answer == NULL && faster != NULL && *faster != NULL; faster++) {
		if (strcmp((*faster)->name, given->aead_name) != 0)
			continue;
		answer = seal(run, *faster, given, packet);
		if (answer == NULL && memcmp(packet + given->header.length,
		    given->packet.data + given->header.length,
		    length - given->header.length) != 0)
			answer = "the packet of the faster AEAD";
	}
	return answer;
}

static void
common_fields(struct run *run, json_t *object, struct protected *given)
{
	given->header = field(run, object, "header");
	given->packet = field(run, object, "packet");
	given->sample = field(run, object, "sample");
	given->mask = field(run, object, "mask");
	given->protected_header = field(run, object, "protected_header");
	given->payload = field(run, object, "payload");
	if (given->header.length < 5 && (given->header.length < 2 ||
	    (given->header.data[0] & 3u) + 2 > given->header.length))
		return;
	given->number_size = (given->header.data[0] & 3u) + 1;
	for (size_t i = 0; i < given->number_size; i++)
		given->number = given->number << 8 |
		    given->header.data[given->header.length -
		    given->number_size + i];
}

const char *
check_quic_long(struct run *run, json_t *root)
{
	const char *name = text_of(root, "this");
	json_t *object = json_object_get(root, name);
	json_t *keys = json_object_get(root, "keys");
	bool is_client = name[0] == 'c';
	struct protected given = { .aead_name = "AES-128-GCM" };
	struct span frame = field(run, object, "crypto_frame");
	size_t padded = integer(object, "payload_length_with_padding");

	common_fields(run, object, &given);
	given.key = field(run, keys, is_client ? "client_key" : "server_key");
	given.iv = field(run, keys, is_client ? "client_iv" : "server_iv");
	given.header_key = field(run, keys, is_client ? "client_hp" :
	    "server_hp");
	if (given.payload.data == NULL && frame.data != NULL &&
	    frame.length <= padded && padded <= 65535) {
		uint8_t *payload = run_allocate(run, padded);

		memcpy(payload, frame.data, frame.length);
		given.payload = (struct span){ payload, padded };
	}
	return protect(run, &given);
}

const char *
check_quic_short(struct run *run, json_t *root)
{
	json_t *object = json_object_get(root, text_of(root, "this"));
	struct protected given = { .aead_name = "ChaCha20-Poly1305" };
	struct span secret = field(run, object, "secret");
	struct span key = field(run, object, "key");
	struct span ciphertext = field(run, object, "ciphertext");

	common_fields(run, object, &given);
	given.key = key;
	given.iv = field(run, object, "iv");
	given.header_key = field(run, object, "hp");
	given.number = integer(object, "pn");
	if (!derives(run, secret, "quic key", key) ||
	    !derives(run, secret, "quic iv", given.iv) ||
	    !derives(run, secret, "quic hp", given.header_key) ||
	    !derives(run, secret, "quic ku", field(run, object, "ku")))
		return "the keys";
	if (given.packet.length < given.header.length ||
	    !same(ciphertext, (struct span){ given.packet.data +
	    given.header.length, given.packet.length - given.header.length }))
		return "the ciphertext in the packet";
	return protect(run, &given);
}

/* The tag of an empty text over the first id and the packet without it. */
const char *
check_quic_retry(struct run *run, json_t *root)
{
	json_t *object = json_object_get(root, text_of(root, "this"));
	struct span id = field(run, root, "dcid"), aad;
	struct span packet = field(run, object, "packet");
	const uint8_t *key = field_of(run, object, "key", 16);
	const uint8_t *nonce = field_of(run, object, "nonce", 12);
	struct span tag = field(run, object, "integrity_tag");
	const struct sj_aead *aead = sj__crypto_plain_aead(run->crypto,
	    "AES-128-GCM");
	_Alignas(64) uint8_t context[256];
	uint8_t *bytes, out[16], nothing[1] = { 0 };
	int error;

	if (id.data == NULL || packet.length < 16 || key == NULL ||
	    nonce == NULL || aead->context_size > sizeof context)
		return "odd lengths";
	bytes = run_allocate(run, 1 + id.length + packet.length);
	bytes[0] = (uint8_t)id.length;
	memcpy(bytes + 1, id.data, id.length);
	memcpy(bytes + 1 + id.length, packet.data, packet.length - 16);
	aad = (struct span){ bytes, 1 + id.length + packet.length - 16 };
	if (aead->init(aead, context, key) < 0)
		return "no context";
	error = aead->seal(aead, context, nonce, aad.data, aad.length, nothing,
	    0, out);
	aead->fini(aead, context);
	return error == 0 && same(tag, (struct span){ out, 16 }) &&
	    memcmp(packet.data + packet.length - 16, out, 16) == 0 ? NULL :
	    "the tag";
}

/* --- Limits ------------------------------------------------------------ */

/* "2^23"; what is not of this form does not limit. */
static uint64_t
power(json_t *object, const char *name)
{
	const char *text = text_of(object, name);

	if (text == NULL || strncmp(text, "2^", 2) != 0)
		return UINT64_MAX;
	return UINT64_C(1) << strtoul(text + 2, NULL, 10);
}

/* Ours are one for all AEADs: none may be above one of these. */
const char *
check_quic_limits(struct run *run, json_t *root)
{
	json_t *limits = json_object_get(root, "aead_limits"), *one;
	const char *name;

	json_object_foreach(limits, name, one) {
		if (sj__crypto_plain_aead(run->crypto, name) == NULL)
			return why(run, "no AEAD %s", name);
		if (PHASE_PACKETS_HARD > power(one, "confidentiality_packets")
		    || PHASE_PACKETS_SOFT >= PHASE_PACKETS_HARD)
			return why(run, "packets under a key of %s", name);
		if (FAILED_OPENS_MAX > power(one, "integrity_failed_packets"))
			return why(run, "failed opens of %s", name);
	}
	return NULL;
}
