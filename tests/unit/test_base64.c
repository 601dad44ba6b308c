/* SPDX-License-Identifier: ISC */
/* test_base64.c - RFC 4648 section 10, and what is not base64 */
#include "unit.h"

#include "io/base64.c"

static void
published(void **state)
{
	static const char *const table[][2] = { { "", "" }, { "f", "Zg==" },
	    { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	    { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	char text[16];
	uint8_t bytes[16];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		const char *plain = table[i][0], *coded = table[i][1];

		assert_int_equal(base64_encode((const uint8_t *)plain,
		    strlen(plain), text, sizeof text), strlen(coded));
		assert_string_equal(text, coded);
		assert_int_equal(base64_decode(coded, strlen(coded), bytes,
		    sizeof bytes), strlen(plain));
		assert_memory_equal(bytes, plain, strlen(plain));
	}
}

static void
refused(void **state)
{
	static const char *const table[] = { "Z", "Zm9vZ", "Zm9 ", "Zm9v\n",
	    "Zg=v", "=Zg=", "Zm-v", "Zm_v", "\xc3\xa4==", "Zm9v!", "Zm9\x7f" };
	uint8_t bytes[16];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_int_equal(base64_decode(table[i], strlen(table[i]),
		    bytes, sizeof bytes), -1);
	assert_int_equal(base64_decode("Zg\0=", 4, bytes, sizeof bytes), -1);
}

/* Never a byte more than there is room for. */
static void
room(void **state)
{
	uint8_t bytes[100], back[101];
	char text[200];

	(void)state;
	for (size_t length = 0; length < sizeof bytes; length++) {
		size_t needed = (length + 2) / 3 * 4 + 1;

		draw_bytes(bytes, length);
		memset(text, '#', sizeof text);
		assert_int_equal(base64_encode(bytes, length, text,
		    needed - 1), -1);
		assert_int_equal(base64_encode(bytes, length, text, needed),
		    needed - 1);
		assert_int_equal(text[needed], '#');
		memset(back, 0x55, sizeof back);
		assert_int_equal(base64_decode(text, needed - 1, back, length),
		    length);
		assert_memory_equal(back, bytes, length);
		assert_int_equal(back[length], 0x55);
		if (length > 0)
			assert_int_equal(base64_decode(text, needed - 1, back,
			    length - 1), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(refused),
		cmocka_unit_test(room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
