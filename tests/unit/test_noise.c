/* SPDX-License-Identifier: ISC */
/*
 * test_noise.c - commit or nothing, pending keys, negative controls
 *
 * Published handshakes are run by sojourn-vectors; this is what they do not
 * say: what happens when something is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* With its statics: the whole state is looked at. */
#include "core/noise.c"

#define NAME "Noise_XXpsk0+psk2_25519_AESGCM_SHA256"

static struct sj__memory memory;
static struct sj__crypto *crypto;

static int
set_up(void **state)
{
	(void)state;
	sj__memory_init(&memory, 1 << 20);
	return sj__crypto_open(&crypto, &memory, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	sj__crypto_close(crypto, &memory);
	return memory.used == 0 ? 0 : -1;
}

/* --- Two ends ---------------------------------------------------------- */

struct side {
	uint8_t s[32], e[32], public_key[32];
	uint8_t psks[NOISE_PSKS_MAX][32];
	const char *name;
	uint8_t prologue[4];
	bool knows_remote, keeps_private_elsewhere;
	struct sj__noise *noise;
};

struct pair {
	struct side sides[2];
	uint8_t message[2048], payload[2048];
	ptrdiff_t length;
};

static void
pair_init(struct pair *pair, const char *name)
{
	memset(pair, 0, sizeof *pair);
	for (uint8_t i = 0; i < 2; i++) {
		struct side *side = &pair->sides[i];

		memset(side->s, 0x11 + i, 32);
		memset(side->e, 0x21 + i, 32);
		for (uint8_t j = 0; j < NOISE_PSKS_MAX; j++)
			memset(side->psks[j], 0x31 + j, 32);
		side->name = name;
		memcpy(side->prologue, "abcd", 4);
		assert_int_equal(sj__x25519_public(crypto, side->s,
		    side->public_key), 0);
	}
}

static int
pair_open(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->sides[i];
		struct sj__noise_keys keys = {
			.static_private = side->keeps_private_elsewhere ?
			    NULL : side->s,
			.static_public = side->public_key,
			.ephemeral_private = side->e,
			.remote_static = side->knows_remote ?
			    pair->sides[1 - i].public_key : NULL,
			.psks = { side->psks[0], side->psks[1],
			    side->psks[2], side->psks[3] },
			.kem_seed = side->psks[0],      /* two of them */
			.kem_random = side->psks[3],
		};
		struct span prologue = { side->prologue, 4 };

		SJ_TRY(sj__noise_open(&side->noise, crypto, &memory,
		    side->name, i == 0, prologue, &keys));
	}
	return 0;
}

static void
pair_close(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		sj__noise_close(pair->sides[i].noise);
		pair->sides[i].noise = NULL;
	}
}

static struct sj__noise *
writer_of(struct pair *pair)
{
	return pair->sides[sj__noise_is_writing(pair->sides[0].noise) ? 0 :
	    1].noise;
}

static struct sj__noise *
reader_of(struct pair *pair)
{
	return pair->sides[sj__noise_is_writing(pair->sides[0].noise) ? 1 :
	    0].noise;
}

static ptrdiff_t
write_next(struct pair *pair)
{
	struct span payload = { (const uint8_t *)"payload", 7 };

	pair->length = sj__noise_write(writer_of(pair), payload, pair->message,
	    sizeof pair->message);
	return pair->length;
}

static ptrdiff_t
read_with(struct pair *pair, struct sj__noise *reader)
{
	struct span message = { pair->message, (size_t)pair->length };

	return sj__noise_read(reader, message, pair->payload);
}

/* The number of messages that go through; all, if the ends agree. */
static int
run(struct pair *pair)
{
	int count = 0;

	assert_int_equal(pair_open(pair), 0);
	while (!sj__noise_is_done(pair->sides[0].noise) ||
	    !sj__noise_is_done(pair->sides[1].noise)) {
		struct sj__noise *reader = reader_of(pair);

		if (write_next(pair) < 0 || read_with(pair, reader) != 7 ||
		    memcmp(pair->payload, "payload", 7) != 0)
			break;
		count++;
	}
	return count;
}

static bool
hashes_agree(const struct pair *pair)
{
	return memcmp(sj__noise_hash(pair->sides[0].noise),
	    sj__noise_hash(pair->sides[1].noise), 32) == 0;
}

/* --- Agreement --------------------------------------------------------- */

static void
test_agree(void **state)
{
	uint8_t a[3][HASH_SIZE_MAX], b[3][HASH_SIZE_MAX];
	struct pair pair;

	(void)state;
	pair_init(&pair, NAME);
	assert_int_equal(run(&pair), 3);
	assert_true(hashes_agree(&pair));
	assert_int_equal(sj__noise_split(pair.sides[0].noise, a[0], a[1],
	    a[2]), 0);
	assert_int_equal(sj__noise_split(pair.sides[1].noise, b[0], b[1],
	    b[2]), 0);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(a[i], b[i], 32);
	assert_memory_not_equal(a[0], a[1], 32);
	assert_memory_not_equal(a[1], a[2], 32);
	assert_memory_equal(sj__noise_remote_static(pair.sides[0].noise),
	    pair.sides[1].public_key, 32);
	assert_memory_equal(sj__noise_remote_static(pair.sides[1].noise),
	    pair.sides[0].public_key, 32);
	assert_int_equal(write_next(&pair), SJ_ERR_STATE);
	assert_int_equal(read_with(&pair, pair.sides[0].noise), SJ_ERR_STATE);
	pair_close(&pair);
}

/* Early keys: both ends agree on all three outputs after message 1 already. */
static void
test_early(void **state)
{
	uint8_t a[3][HASH_SIZE_MAX], b[3][HASH_SIZE_MAX];
	struct pair pair;

	(void)state;
	pair_init(&pair, "Noise_NKpsk0_25519_ChaChaPoly_SHA256");
	pair.sides[0].knows_remote = true;
	assert_int_equal(pair_open(&pair), 0);
	assert_true(write_next(&pair) > 0);
	assert_int_equal(read_with(&pair, pair.sides[1].noise), 7);
	assert_int_equal(sj__noise_split(pair.sides[0].noise, a[0], a[1],
	    a[2]), 0);
	assert_int_equal(sj__noise_split(pair.sides[1].noise, b[0], b[1],
	    b[2]), 0);
	assert_memory_equal(a[2], b[2], 32);
	assert_true(hashes_agree(&pair));
	pair_close(&pair);
}

/* --- One thing differs ------------------------------------------------- */

static void
test_differs(void **state)
{
	struct pair pair;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		pair_init(&pair, NAME);
		pair.sides[1].prologue[i] ^= 1;
		assert_int_equal(run(&pair), 0);
		pair_close(&pair);
	}
	for (size_t psk = 0; psk < 2; psk++)
		for (size_t i = 0; i < 32; i++) {
			pair_init(&pair, NAME);
			pair.sides[1].psks[psk][i] ^= 1;
			assert_int_equal(run(&pair), (int)psk);
			pair_close(&pair);
		}
	pair_init(&pair, NAME);
	pair.sides[1].name = "Noise_XXpsk0+psk2_25519_ChaChaPoly_SHA256";
	assert_int_equal(run(&pair), 0);
	pair_close(&pair);
	pair_init(&pair, NAME);
	pair.sides[1].name = "Noise_XXpsk0+psk2_25519_AESGCM_BLAKE2s";
	assert_int_equal(run(&pair), 0);
	pair_close(&pair);
}

/* A wrong idea of the peer's key fails at the first message. */
static void
test_wrong_remote(void **state)
{
	struct pair pair;
	uint8_t *key;

	(void)state;
	pair_init(&pair, "Noise_NK_25519_AESGCM_SHA256");
	pair.sides[0].knows_remote = true;
	assert_int_equal(run(&pair), 2);
	pair_close(&pair);
	key = pair.sides[1].public_key;
	assert_int_equal(pair_open(&pair), 0);
	sj__noise_close(pair.sides[1].noise);
	pair.sides[1].noise = NULL;
	memset(pair.sides[1].s, 0x77, 32);
	assert_int_equal(sj__x25519_public(crypto, pair.sides[1].s, key), 0);
	{
		struct sj__noise_keys keys = {
			.static_private = pair.sides[1].s,
			.ephemeral_private = pair.sides[1].e,
		};
		struct span prologue = { pair.sides[1].prologue, 4 };

		assert_int_equal(sj__noise_open(&pair.sides[1].noise, crypto,
		    &memory, pair.sides[1].name, false, prologue, &keys), 0);
	}
	assert_true(write_next(&pair) > 0);
	assert_int_equal(read_with(&pair, pair.sides[1].noise),
	    SJ_ERR_PROTOCOL);
	pair_close(&pair);
}

/* --- Commit or nothing ------------------------------------------------- */

static bool
is_wiped(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0)
		if (at[--length] != 0)
			return false;
	return true;
}

/* Every byte of every message changed, then the message cut at every length:
 * the state stays as it was to the bit, and the right message is still read. */
static void
test_changed_messages(void **state)
{
	static struct state before;
	struct pair pair;

	(void)state;
	pair_init(&pair, NAME);
	assert_int_equal(pair_open(&pair), 0);
	for (int message = 0; message < 3; message++) {
		struct sj__noise *reader = reader_of(&pair);
		ptrdiff_t length = write_next(&pair);

		assert_true(length > 0);
		before = reader->state;
		for (ptrdiff_t i = 0; i < length; i++) {
			pair.message[i] ^= 1;
			assert_true(read_with(&pair, reader) < 0);
			pair.message[i] ^= 1;
			assert_memory_equal(&before, &reader->state,
			    sizeof before);
			assert_true(is_wiped(&reader->work,
			    sizeof reader->work));
		}
		for (pair.length = 0; pair.length < length; pair.length++) {
			assert_true(read_with(&pair, reader) < 0);
			assert_memory_equal(&before, &reader->state,
			    sizeof before);
		}
		pair.length = length;
		assert_int_equal(read_with(&pair, reader), 7);
		assert_true(is_wiped(&reader->work, sizeof reader->work));
	}
	assert_true(hashes_agree(&pair));
	pair_close(&pair);
}

/* No room: nothing happened, and with room the same message comes out. */
static void
test_no_room(void **state)
{
	struct span payload = { (const uint8_t *)"payload", 7 };
	uint8_t small[2048];
	struct state before;
	struct pair pair;
	ptrdiff_t length;

	(void)state;
	pair_init(&pair, "Noise_XX_25519_AESGCM_SHA256");
	assert_int_equal(pair_open(&pair), 0);
	before = pair.sides[0].noise->state;
	for (size_t room = 0; room < 32 + 7; room++) {
		assert_int_equal(sj__noise_write(pair.sides[0].noise, payload,
		    small, room), SJ_ERR_TOO_BIG);
		assert_memory_equal(&before, &pair.sides[0].noise->state,
		    sizeof before);
	}
	length = sj__noise_write(pair.sides[0].noise, payload, small, 39);
	assert_int_equal(length, 39);
	assert_int_equal(sj__noise_write(pair.sides[0].noise, payload, small,
	    sizeof small), SJ_ERR_STATE);
	pair_close(&pair);
}

/* Section 3: a message has at most 65535 bytes. */
static void
test_longest(void **state)
{
	static uint8_t payload[NOISE_MESSAGE_MAX + 1], out[70000];
	struct pair pair;

	(void)state;
	pair_init(&pair, "Noise_NN_25519_AESGCM_SHA256");
	assert_int_equal(pair_open(&pair), 0);
	assert_int_equal(sj__noise_write(pair.sides[0].noise,
	    (struct span){ payload, NOISE_MESSAGE_MAX - 31 }, out, sizeof out),
	    SJ_ERR_TOO_BIG);
	assert_int_equal(sj__noise_write(pair.sides[0].noise,
	    (struct span){ payload, NOISE_MESSAGE_MAX - 32 }, out, sizeof out),
	    NOISE_MESSAGE_MAX);
	assert_int_equal(sj__noise_read(pair.sides[1].noise,
	    (struct span){ out, NOISE_MESSAGE_MAX + 1 }, payload),
	    SJ_ERR_PROTOCOL);
	assert_int_equal(sj__noise_read(pair.sides[1].noise,
	    (struct span){ out, NOISE_MESSAGE_MAX }, payload),
	    NOISE_MESSAGE_MAX - 32);
	pair_close(&pair);
}

/* --- A key that lives elsewhere ---------------------------------------- */

static ptrdiff_t
answer_all(struct pair *pair, struct side *side, bool is_write, int *asked)
{
	ptrdiff_t length;

	for (;;) {
		uint8_t shared[32];
		struct state before = side->noise->state;

		length = is_write ? write_next(pair) : read_with(pair,
		    side->noise);
		if (length != SJ__NOISE_PENDING)
			return length;
		assert_memory_equal(&before, &side->noise->state,
		    sizeof before);
		assert_true(is_wiped(&side->noise->work,
		    sizeof side->noise->work));
		assert_int_equal(sj__x25519(crypto, side->s,
		    sj__noise_pending_key(side->noise), shared), 0);
		sj__noise_answer(side->noise, shared);
		(*asked)++;
		assert_true(*asked < 10);
	}
}

/* The patterns that PROTOCOL.md uses, with ML-KEM-768. */
static void
test_hybrid(void **state)
{
	static const struct { const char *name; bool knows; } rows[] = {
		{ "Noise_NXhfs_25519+MLKEM768_ChaChaPoly_SHA256", false },
		{ "Noise_NKhfs_25519+MLKEM768_AESGCM_SHA256", true },
		{ "Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_SHA256", true },
	};
	struct pair pair;

	(void)state;
	if (!sj__kem_is_there(crypto))
		skip();
	for (size_t row = 0; row < 3; row++) {
		pair_init(&pair, rows[row].name);
		pair.sides[0].knows_remote = rows[row].knows;
		assert_int_equal(run(&pair), 2);
		assert_true(hashes_agree(&pair));
		pair_close(&pair);

		assert_int_equal(pair_open(&pair), 0);
		assert_true(write_next(&pair) > KEM_PUBLIC_SIZE);
		assert_int_equal(read_with(&pair, pair.sides[1].noise), 7);
		assert_true(write_next(&pair) > KEM_CIPHERTEXT_SIZE);
		pair.message[32 + 100] ^= 1;
		assert_true(read_with(&pair, pair.sides[0].noise) < 0);
		pair.message[32 + 100] ^= 1;
		assert_int_equal(read_with(&pair, pair.sides[0].noise), 7);
		pair_close(&pair);
	}
}

/* Byte for byte the same handshake as with the key at hand. */
static void
test_pending(void **state)
{
	static const struct { const char *name; bool knows; int asked; }
	    rows[] = {
		{ "Noise_NX_25519_AESGCM_SHA256", false, 1 },
		{ "Noise_NK_25519_ChaChaPoly_BLAKE2b", true, 1 },
		{ "Noise_XX_25519_AESGCM_SHA512", false, 2 },
		{ "Noise_KK_25519_ChaChaPoly_SHA256", true, 4 },
		{ "Noise_IKpsk2_25519_AESGCM_SHA256", true, 4 },
	};

	(void)state;
	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		struct pair plain, pair;
		int asked = 0;

		pair_init(&plain, rows[row].name);
		pair_init(&pair, rows[row].name);
		for (int i = 0; i < 2; i++) {
			plain.sides[i].knows_remote = rows[row].knows;
			pair.sides[i].knows_remote = rows[row].knows;
			pair.sides[i].keeps_private_elsewhere = true;
		}
		assert_true(run(&plain) >= 2);
		assert_int_equal(pair_open(&pair), 0);
		while (!sj__noise_is_done(pair.sides[0].noise)) {
			bool first = sj__noise_is_writing(pair.sides[0].noise);

			assert_true(answer_all(&pair,
			    &pair.sides[first ? 0 : 1], true, &asked) > 0);
			assert_int_equal(answer_all(&pair,
			    &pair.sides[first ? 1 : 0], false, &asked), 7);
		}
		assert_int_equal(asked, rows[row].asked);
		assert_true(hashes_agree(&pair));
		assert_memory_equal(sj__noise_hash(plain.sides[0].noise),
		    sj__noise_hash(pair.sides[0].noise), 32);
		pair_close(&plain);
		pair_close(&pair);
	}
}

/* --- Names ------------------------------------------------------------- */

static void
test_names(void **state)
{
	static const char *const bad[] = {
		"", "Noise", "Noise_XX_25519_AESGCM", "noise_XX_25519_AESGCM_SHA256",
		"Noise_XY_25519_AESGCM_SHA256", "Noise_XX_448_AESGCM_SHA256",
		"Noise_XX_25519_AESGCM_SHA256_", "Noise_XX_25519_AES_SHA256",
		"Noise_XXpsk4_25519_AESGCM_SHA256", "Noise_XXpsk_25519_AESGCM_SHA256",
		"Noise_XXpsk0+_25519_AESGCM_SHA256", "Noise__25519_AESGCM_SHA256",
		"Noise_XX+psk0_25519_AESGCM_SHA256",
		"Noise_XXpsk0psk1_25519_AESGCM_SHA256",
		"Noise_NNpsk3_25519_AESGCM_SHA256", "Noise_XX_25519_AESGCM_SHA3",
		"Noise_XXhfs_25519_AESGCM_SHA256",
		"Noise_XX_25519+MLKEM768_AESGCM_SHA256",
		"Noise_Npsk2_25519_AESGCM_SHA256", "Noise_XXfallback_25519_AESGCM_SHA256",
	};
	struct sj__noise_protocol protocol;
	int error;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(sj__noise_parse(crypto, bad[i], &protocol),
		    SJ_ERR_ARGUMENT);
	error = sj__noise_parse(crypto,
	    "Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_SHA256", &protocol);
	if (!sj__kem_is_there(crypto)) {
		assert_int_equal(error, SJ_ERR_STATE);
	} else {
		static const uint8_t one[] = { TOKEN_PSK, TOKEN_E, TOKEN_ES,
		    TOKEN_E1, TOKEN_END };
		static const uint8_t two[] = { TOKEN_E, TOKEN_EE, TOKEN_EKEM1,
		    TOKEN_END };

		assert_int_equal(error, 0);
		assert_memory_equal(protocol.tokens[0], one, sizeof one);
		assert_memory_equal(protocol.tokens[1], two, sizeof two);
	}
}

/* What the pattern needs has to be there. */
static void
test_missing_keys(void **state)
{
	static const struct { const char *name; bool is_initiator; } rows[] = {
		{ "Noise_NK_25519_AESGCM_SHA256", true },
		{ "Noise_NK_25519_AESGCM_SHA256", false },
		{ "Noise_KN_25519_AESGCM_SHA256", true },
		{ "Noise_NNpsk0_25519_AESGCM_SHA256", true },
	};
	struct sj__noise_keys keys = { 0 };
	struct span none = { NULL, 0 };
	struct sj__noise *noise;
	uint8_t out[100];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(sj__noise_open(&noise, crypto, &memory,
		    rows[i].name, rows[i].is_initiator, none, &keys),
		    SJ_ERR_ARGUMENT);
		assert_null(noise);
	}
	assert_int_equal(sj__noise_open(&noise, crypto, &memory,
	    "Noise_NN_25519_AESGCM_SHA256", true, none, &keys), 0);
	assert_int_equal(sj__noise_write(noise, none, out, sizeof out),
	    SJ_ERR_STATE);
	sj__noise_close(noise);
	sj__noise_close(NULL);
}

/* --- CipherState ------------------------------------------------------- */

static void
test_cipher_state(void **state)
{
	struct sj__noise_cipher a = { .cipher = CIPHER_AES_256_GCM }, b = a;
	struct span none = { NULL, 0 }, text = { (const uint8_t *)"hello", 5 };
	uint8_t out[21], back[5];
	struct span sealed = { out, sizeof out };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sj__noise_cipher_seal(crypto, &a, none, text,
		    out), 0);
		out[0] ^= 1;
		assert_true(sj__noise_cipher_open(crypto, &b, none, sealed,
		    back) < 0);
		assert_int_equal(b.nonce, i);
		out[0] ^= 1;
		assert_int_equal(sj__noise_cipher_open(crypto, &b, none, sealed,
		    back), 0);
		assert_memory_equal(back, "hello", 5);
	}
	a.nonce = UINT64_MAX;
	assert_int_equal(sj__noise_cipher_seal(crypto, &a, none, text, out),
	    SJ_ERR_LIMIT);
	assert_int_equal(sj__noise_cipher_open(crypto, &a, none, sealed, back),
	    SJ_ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_differs),
		cmocka_unit_test(test_wrong_remote),
		cmocka_unit_test(test_changed_messages),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_missing_keys),
		cmocka_unit_test(test_cipher_state),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
