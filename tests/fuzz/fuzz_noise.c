/* SPDX-License-Identifier: ISC */
/*
 * fuzz_noise.c - reading handshake messages, with real keys
 *
 * NX and NK, with hybrid keys where libcrypto has them; the responder reads
 * message 1, the initiator message 2: any bytes, or the honest message with
 * bytes changed. A message 2 that was changed never verifies, nor does a
 * message 1 that is authenticated; what fails changes nothing, so that the
 * honest message is taken after it.
 */
#include "fuzz.h"
#include "core/noise.h"

#define PATTERNS 4

static const char *const names[PATTERNS] = {
	"Noise_NX_25519_ChaChaPoly_BLAKE2s", "Noise_NK_25519_AESGCM_SHA256",
	"Noise_NXhfs_25519+MLKEM768_ChaChaPoly_BLAKE2s",
	"Noise_NKhfs_25519+MLKEM768_AESGCM_SHA256" };

static struct sj__memory memory;
static struct sj__crypto *crypto;
static uint8_t server_private[32] = { 2 }, server_public[32];
static const uint8_t ephemerals[2][32] = { { 3 }, { 4 } };
static const uint8_t kem_seed[KEM_SEED_SIZE] = { 5 }, kem_random[32] = { 6 };
static const struct span prologue = { (const uint8_t *)"fuzz", 4 };
static const uint8_t payload[40] = { 7 };

/* The honest messages: they are always the same. */
static struct honest {
	bool is_there;
	uint8_t messages[2][4096];
	size_t lengths[2];
} honest[PATTERNS];

static struct sj__noise *
open_noise(unsigned pattern, bool is_initiator)
{
	struct sj__noise_keys keys = { .ephemeral_private =
	    ephemerals[is_initiator] };
	struct sj__noise *noise;

	if (is_initiator) {
		keys.kem_seed = kem_seed;
		keys.remote_static = pattern % 2 == 1 ? server_public : NULL;
	} else {
		keys.kem_random = kem_random;
		keys.static_private = server_private;
		keys.static_public = server_public;
	}
	if (sj__noise_open(&noise, crypto, &memory, names[pattern],
	    is_initiator, prologue, &keys) < 0)
		return NULL;
	return noise;
}

static void
make_honest(unsigned pattern)
{
	struct honest *one = &honest[pattern];
	struct sj__noise *sides[2] = { open_noise(pattern, true),
	    open_noise(pattern, false) };
	struct span say = { payload, sizeof payload };
	uint8_t got[4096];
	ptrdiff_t length;

	one->is_there = sides[0] != NULL;
	for (int i = 0; i < 2 && one->is_there; i++) {
		length = sj__noise_write(sides[i], say, one->messages[i],
		    sizeof one->messages[i]);
		MUST(length > 0);
		one->lengths[i] = (size_t)length;
		length = sj__noise_read(sides[1 - i], (struct span){
		    one->messages[i], one->lengths[i] }, got);
		MUST(length == sizeof payload);
		MUST(memcmp(got, payload, sizeof payload) == 0);
	}
	sj__noise_close(sides[0]);
	sj__noise_close(sides[1]);
}

static void
set_up(void)
{
	sj__memory_init(&memory, 1 << 24);
	MUST(sj__crypto_open(&crypto, &memory, NULL) == 0);
	MUST(sj__x25519_public(crypto, server_private, server_public) == 0);
	for (unsigned i = 0; i < PATTERNS; i++)
		make_honest(i);
	MUST(honest[0].is_there && honest[1].is_there);
}

/* The message that is read: what was given, or the honest one changed. */
static size_t
make_message(struct program *program, const struct honest *one,
    unsigned number, uint8_t *out, size_t capacity)
{
	uint8_t how = take_byte(program);
	size_t length = one->lengths[number];
	struct span span;

	memcpy(out, one->messages[number], length);
	if (how & 1) {
		span = take_span(program, capacity);
		if (span.length > 0)
			memcpy(out, span.data, span.length);
		return how & 2 ? max_u64(span.length, length) : span.length;
	}
	for (unsigned i = 0; i < how >> 5; i++)
		out[(size_t)take_number(program, 2) % length] ^=
		    take_byte(program);
	if (how & 2)
		length = (size_t)take_number(program, 2) % (length + 1);
	return length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[4096], got[4096];
	struct program program = program_of(data, size);
	uint8_t first = take_byte(&program);
	unsigned pattern = first % PATTERNS, number = first >> 2 & 1;
	const struct honest *one = &honest[pattern];
	struct sj__noise *noise;
	bool is_same, is_bound = number == 1 || pattern % 2 == 1;
	ptrdiff_t length;
	size_t sent;

	if (crypto == NULL)
		set_up();
	if (!one->is_there)
		return 0;
	sent = make_message(&program, one, number, message, sizeof message);
	is_same = sent == one->lengths[number] &&
	    memcmp(message, one->messages[number], sent) == 0;
	noise = open_noise(pattern, number == 1);
	MUST(noise != NULL);
	if (number == 1)
		MUST(sj__noise_write(noise, (struct span){ payload,
		    sizeof payload }, got, sizeof got) > 0);
	length = sj__noise_read(noise, (struct span){ message, sent }, got);
	MUST(length < 0 || (size_t)length <= sent);
	if (is_same)
		MUST(length == sizeof payload);
	else if (is_bound)
		MUST(length < 0);
	if (length < 0) {
		memcpy(message, one->messages[number], one->lengths[number]);
		MUST(sj__noise_read(noise, (struct span){ message,
		    one->lengths[number] }, got) == sizeof payload);
	}
	if (length < 0 || is_same)
		MUST(memcmp(got, payload, sizeof payload) == 0);
	sj__noise_close(noise);
	return 0;
}
