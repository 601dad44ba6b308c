/* SPDX-License-Identifier: ISC */
/* test_bcrypt_pbkdf.c - pi again, and keys as ssh derives them */
#include "unit.h"

#include "io/bcrypt_pbkdf.c"

/* --- Pi, by Machin's formula: 16 atan(1/5) - 4 atan(1/239) --------------- */

#define GUARD 2
#define WORDS (1 + 1042 + GUARD)        /* the first one before the point */

static void
divide(uint32_t *number, uint32_t by)
{
	uint64_t rest = 0;

	for (size_t i = 0; i < WORDS; i++) {
		rest = rest << 32 | number[i];
		number[i] = (uint32_t)(rest / by);
		rest %= by;
	}
}

/* to += or -= what; modulo the first word's size */
static void
add(uint32_t *to, const uint32_t *what, bool subtract)
{
	uint64_t carry = subtract ? 1 : 0;

	for (size_t i = WORDS; i-- > 0;) {
		carry += (uint64_t)to[i] + (subtract ? ~what[i] : what[i]);
		to[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static bool
is_zero(const uint32_t *number)
{
	for (size_t i = 0; i < WORDS; i++)
		if (number[i] != 0)
			return false;
	return true;
}

static void
add_atan(uint32_t *to, uint32_t factor, uint32_t x, bool subtract)
{
	uint32_t power[WORDS] = { factor }, term[WORDS];

	divide(power, x);
	for (uint32_t n = 1; !is_zero(power); n += 2) {
		memcpy(term, power, sizeof term);
		divide(term, n);
		add(to, term, subtract != (n % 4 == 3));
		divide(power, x * x);
	}
}

static void
pi(void **state)
{
	uint32_t digits[WORDS] = { 0 };

	(void)state;
	add_atan(digits, 16, 5, false);
	add_atan(digits, 4, 239, true);
	assert_int_equal(digits[0], 3);
	assert_memory_equal(digits + 1, blowfish_pi, sizeof blowfish_pi);
}

/* --- Known answers -------------------------------------------------------- */

/* Blowfish with a key of zeros and its test block of zeros. */
static void
blowfish(void **state)
{
	static const uint8_t zeros[HASH_SIZE];
	static struct blowfish fresh;
	uint32_t pair[2] = { 0, 0 };

	(void)state;
	memcpy(fresh.subkeys, blowfish_pi, sizeof fresh.subkeys);
	memcpy(fresh.boxes, blowfish_pi + SUBKEYS, sizeof fresh.boxes);
	expand(&fresh, NULL, zeros);
	encipher(&fresh, pair);
	assert_int_equal(pair[0], 0x4ef99745);
	assert_int_equal(pair[1], 0x6198dd78);
}

static void
arguments(void **state)
{
	uint8_t out[BCRYPT_PBKDF_OUT_MAX + 1], salt[BCRYPT_PBKDF_SALT_MAX + 1];
	uint8_t other[64];

	(void)state;
	memset(salt, 7, sizeof salt);
	assert_true(bcrypt_pbkdf("", 0, salt, 16, 1, out, 32) < 0);
	assert_true(bcrypt_pbkdf("a", 1, salt, 0, 1, out, 32) < 0);
	assert_true(bcrypt_pbkdf("a", 1, salt, 16, 0, out, 32) < 0);
	assert_true(bcrypt_pbkdf("a", 1, salt, 16, 1, out, 0) < 0);
	assert_true(bcrypt_pbkdf("a", 1, salt, sizeof salt, 1, out, 32) < 0);
	assert_true(bcrypt_pbkdf("a", 1, salt, 16, 1, out, sizeof out) < 0);
	assert_int_equal(bcrypt_pbkdf("a", 1, salt, sizeof salt - 1, 1, out,
	    BCRYPT_PBKDF_OUT_MAX), 0);
	/* Nothing is written behind the end. */
	for (size_t length = 1; length <= 64; length++) {
		memset(other, 0xee, sizeof other);
		assert_int_equal(bcrypt_pbkdf("a", 1, salt, 16, 1, other,
		    length), 0);
		for (size_t i = length; i < 64; i++)
			assert_int_equal(other[i], 0xee);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pi),
		cmocka_unit_test(blowfish),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
