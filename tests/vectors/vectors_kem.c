/* SPDX-License-Identifier: ISC */
/*
 * vectors_kem.c - ML-KEM-768, where libcrypto has it
 *
 * Decapsulation from an expanded key, and checks of keys alone, are nothing the
 * protocol does: for them libcrypto is asked directly.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"

#define KEM_PRIVATE_SIZE 2400

/* --- One operation ----------------------------------------------------- */

static bool
public_of(struct run *run, struct span seed, struct span given)
{
	uint8_t out[KEM_PUBLIC_SIZE];

	return seed.length == KEM_SEED_SIZE &&
	    sj__kem_public(run->crypto, seed.data, out) == 0 &&
	    same(given, (struct span){ out, sizeof out });
}

static bool
decapsulates(struct run *run, struct span seed, struct span ciphertext,
    struct span given)
{
	uint8_t out[KEM_SECRET_SIZE];

	return seed.length == KEM_SEED_SIZE &&
	    ciphertext.length == KEM_CIPHERTEXT_SIZE &&
	    sj__kem_decapsulate(run->crypto, seed.data, ciphertext.data,
	    out) == 0 && same(given, (struct span){ out, sizeof out });
}

static bool
encapsulates(struct run *run, struct span key, struct span random,
    struct span ciphertext, struct span secret)
{
	uint8_t out[KEM_CIPHERTEXT_SIZE], shared[KEM_SECRET_SIZE];

	return key.length == KEM_PUBLIC_SIZE && random.length == 32 &&
	    sj__kem_encapsulate(run->crypto, key.data, random.data, out,
	    shared) == 0 && same(ciphertext, (struct span){ out, sizeof out })
	    && same(secret, (struct span){ shared, sizeof shared });
}

/* With the expanded key of FIPS 203. */
static bool
decapsulates_expanded(struct span private_key, struct span ciphertext,
    struct span given)
{
	EVP_PKEY *key = private_key.length != KEM_PRIVATE_SIZE ? NULL :
	    EVP_PKEY_new_raw_private_key_ex(NULL, "ML-KEM-768", NULL,
	    private_key.data, private_key.length);
	EVP_PKEY_CTX *context = key == NULL ? NULL :
	    EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	uint8_t out[KEM_SECRET_SIZE];
	size_t length = sizeof out;
	bool good = context != NULL &&
	    EVP_PKEY_decapsulate_init(context, NULL) > 0 &&
	    EVP_PKEY_decapsulate(context, out, &length, ciphertext.data,
	    ciphertext.length) > 0;

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good && same(given, (struct span){ out, length });
}

static bool
key_is_taken(struct span bytes, bool is_private)
{
	EVP_PKEY *key = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL,
	    "ML-KEM-768", NULL, bytes.data, bytes.length) :
	    EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL,
	    bytes.data, bytes.length);
	bool taken = key != NULL;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return taken;
}

/* --- Wycheproof -------------------------------------------------------- */

static const char *
verdict(bool good, bool expected)
{
	return good == expected ? NULL : good ? "it is taken" :
	    "it does not come out";
}

static const char *
missing(struct run *run, json_t *vector)
{
	const char *set = text_of(vector, "parameterSet");

	if (set != NULL && strcmp(set, "ML-KEM-768") != 0)
		return "a parameter set that is not ours";
	return sj__kem_is_there(run->crypto) ? NULL : SKIP_KEM;
}

const char *
check_mlkem(struct run *run, json_t *vector)
{
	struct span seed = field(run, vector, "seed");
	const char *answer = missing(run, vector);

	if (answer != NULL)
		return answer;
	return verdict(public_of(run, seed, field(run, vector, "ek")) &&
	    decapsulates(run, seed, field(run, vector, "c"), field(run, vector,
	    "K")), is_valid(vector));
}

const char *
check_mlkem_encaps(struct run *run, json_t *vector)
{
	const char *answer = missing(run, vector);

	if (answer != NULL)
		return answer;
	return verdict(encapsulates(run, field(run, vector, "ek"), field(run,
	    vector, "m"), field(run, vector, "c"), field(run, vector, "K")),
	    is_valid(vector));
}

const char *
check_mlkem_decaps(struct run *run, json_t *vector)
{
	const char *answer = missing(run, vector);

	if (answer != NULL)
		return answer;
	return verdict(decapsulates_expanded(field(run, vector, "dk"),
	    field(run, vector, "c"), field(run, vector, "K")),
	    is_valid(vector));
}

/* --- ACVP -------------------------------------------------------------- */

static struct span
seed_of(struct run *run, json_t *vector)
{
	const uint8_t *d = field_of(run, vector, "d", 32);
	const uint8_t *z = field_of(run, vector, "z", 32);
	uint8_t *seed = run_allocate(run, KEM_SEED_SIZE);

	if (d == NULL || z == NULL)
		return (struct span){ NULL, 0 };
	memcpy(seed, d, 32);
	memcpy(seed + 32, z, 32);
	return (struct span){ seed, KEM_SEED_SIZE };
}

const char *
check_acvp(struct run *run, json_t *vector)
{
	const char *function = text_of(vector, "function");
	const char *answer = missing(run, vector);
	struct span ciphertext = field(run, vector, "c");
	struct span secret = field(run, vector, "k");
	bool expected = json_is_true(json_object_get(vector, "testPassed"));

	if (answer != NULL)
		return answer;
	if (strcmp(function, "keyGen") == 0)
		return verdict(public_of(run, seed_of(run, vector), field(run,
		    vector, "ek")), true);
	if (strcmp(function, "encapsulation") == 0)
		return verdict(encapsulates(run, field(run, vector, "ek"),
		    field(run, vector, "m"), ciphertext, secret), true);
	if (strcmp(function, "decapsulation") == 0)
		return verdict(decapsulates_expanded(field(run, vector, "dk"),
		    ciphertext, secret), true);
	if (strcmp(function, "decapsulation-seed") == 0)
		return verdict(decapsulates(run, seed_of(run, vector),
		    ciphertext, secret), true);
	if (strcmp(function, "encapsulationKeyCheck") == 0)
		return verdict(key_is_taken(field(run, vector, "ek"), false),
		    expected);
	if (strcmp(function, "decapsulationKeyCheck") == 0)
		return verdict(key_is_taken(field(run, vector, "dk"), true),
		    expected);
	return why(run, "a function that is not ours: %s", function);
}

/* --- Go's accumulated rounds ------------------------------------------- */

#define ROUND_DRAWS (KEM_SEED_SIZE + 32 + KEM_CIPHERTEXT_SIZE)

static bool
one_round(struct run *run, EVP_MD_CTX *accumulator, const uint8_t *draws)
{
	uint8_t key[KEM_PUBLIC_SIZE], ciphertext[KEM_CIPHERTEXT_SIZE];
	uint8_t shared[KEM_SECRET_SIZE], rejected[KEM_SECRET_SIZE];
	const uint8_t *random = draws + KEM_SEED_SIZE, *bad = random + 32;

	return sj__kem_public(run->crypto, draws, key) == 0 &&
	    sj__kem_encapsulate(run->crypto, key, random, ciphertext,
	    shared) == 0 &&
	    sj__kem_decapsulate(run->crypto, draws, bad, rejected) == 0 &&
	    EVP_DigestUpdate(accumulator, key, sizeof key) &&
	    EVP_DigestUpdate(accumulator, ciphertext, sizeof ciphertext) &&
	    EVP_DigestUpdate(accumulator, shared, sizeof shared) &&
	    EVP_DigestUpdate(accumulator, rejected, sizeof rejected);
}

/* The whole stream at once: OpenSSL 3.0 squeezes only once. */
static bool
run_rounds(struct run *run, size_t rounds, uint8_t out[32])
{
	EVP_MD_CTX *stream = EVP_MD_CTX_new(), *accumulator = EVP_MD_CTX_new();
	uint8_t *draws = malloc(rounds * ROUND_DRAWS);
	bool good = draws != NULL && stream != NULL && accumulator != NULL &&
	    EVP_DigestInit_ex(stream, EVP_shake128(), NULL) &&
	    EVP_DigestFinalXOF(stream, draws, rounds * ROUND_DRAWS) &&
	    EVP_DigestInit_ex(accumulator, EVP_shake128(), NULL);

	for (size_t i = 0; i < rounds && good; i++)
		good = one_round(run, accumulator, draws + i * ROUND_DRAWS);
	good = good && EVP_DigestFinalXOF(accumulator, out, 32);
	free(draws);
	EVP_MD_CTX_free(stream);
	EVP_MD_CTX_free(accumulator);
	return good;
}

const char *
check_mlkem_accumulated(struct run *run, json_t *vector)
{
	const char *name = json_object_iter_key(json_object_iter(vector));
	const uint8_t *given = field_of(run, vector, name, 32);
	size_t rounds = strtoul(name, NULL, 10);
	uint8_t out[32];

	if (!sj__kem_is_there(run->crypto))
		return SKIP_KEM;
	if (given == NULL || rounds == 0)
		return "no number of rounds, or no result";
	return run_rounds(run, rounds, out) && memcmp(out, given, 32) == 0 ?
	    NULL : "the result";
}

/* --- CCTV's text files ------------------------------------------------- */

/* The value of the last line "name = hex" as JSON. */
static void
keep_line(json_t *values, char *line)
{
	char *equals = strstr(line, " = ");

	if (equals == NULL)
		return;
	*equals = '\0';
	json_object_set_new(values, line, json_string(equals + 3));
}

/* (dk, c) -> K and (ek, m) -> (c, K) hold in the final standard; the draft's
 * d and z do not and are left alone. */
static const char *
check_values(struct run *run, json_t *values)
{
	struct span ciphertext = field(run, values, "c");
	struct span secret = field(run, values, "K");

	if (ciphertext.data == NULL || secret.data == NULL ||
	    json_object_get(values, "dk") == NULL)
		return "nobody knows this shape";
	if (!sj__kem_is_there(run->crypto))
		return SKIP_KEM;
	if (!decapsulates_expanded(field(run, values, "dk"), ciphertext,
	    secret))
		return "decapsulation";
	if (json_object_get(values, "m") != NULL && !encapsulates(run,
	    field(run, values, "ek"), field(run, values, "m"), ciphertext,
	    secret))
		return "encapsulation";
	return NULL;
}

const char *
check_mlkem_text(struct run *run, struct span text)
{
	char *copy = run_allocate(run, text.length), *line, *rest;
	json_t *values = json_object();
	const char *answer = NULL;
	size_t keys = 0;

	memcpy(copy, text.data, text.length);
	for (line = strtok_r(copy, "\r\n", &rest); line != NULL &&
	    answer == NULL; line = strtok_r(NULL, "\r\n", &rest)) {
		if (strlen(line) != 2 * KEM_PUBLIC_SIZE) {
			keep_line(values, line);
			continue;
		}
		keys++;
		if (!sj__kem_is_there(run->crypto))
			answer = SKIP_KEM;
		else if (key_is_taken(unhex(run, line), false))
			answer = why(run, "key %zu is taken", keys);
	}
	if (keys == 0)
		answer = check_values(run, values);
	json_decref(values);
	return answer;
}
