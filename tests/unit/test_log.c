/* SPDX-License-Identifier: ISC */
/*
 * test_log.c - the log: whatever is said, a line each, and not too many
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char written[200000];
static size_t length;
static struct timespec clock_now;

static ssize_t
take_line(int fd, const void *bytes, size_t count)
{
	assert_int_equal(fd, STDERR_FILENO);
	assert_true(length + count < sizeof(written));
	memcpy(written + length, bytes, count);
	length += count;
	return (ssize_t)count;
}

static int
tell_time(clockid_t which, struct timespec *now)
{
	(void)which;
	*now = clock_now;
	return 0;
}

#define write take_line
#define clock_gettime tell_time
#include "serve/log.c"
#undef write
#undef clock_gettime

static int
set_up(void **state)
{
	(void)state;
	memset(written, 0, sizeof(written));
	length = 0;
	clock_now.tv_sec += 1000;
	return 0;
}

static size_t
lines(void)
{
	size_t count = 0, i;

	for (i = 0; i < length; i++)
		count += written[i] == '\n';
	return count;
}

static void
test_escapes(void **state)
{
	static const struct { const char *text, *escaped; } table[] = {
		{ "", "" }, { "a b~", "a b~" }, { "\"", "\\x22" },
		{ "\\", "\\x5c" }, { "a\nb\r", "a\\x0ab\\x0d" },
		{ "\033[2J", "\\x1b[2J" }, { "\x7f", "\\x7f" },
		{ "\xc3\xa4\x9b", "\\xc3\\xa4\\x9b" },
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(log_escape(table[i].text, out,
		    sizeof(out)), table[i].escaped);
	for (i = 1; i < 20; i++) {
		memset(out, 'X', sizeof(out));
		log_escape("\n\n\n\n\n\n", out, i);
		assert_true(strlen(out) < i && strlen(out) % 4 == 0);
		assert_int_equal(out[i], 'X');
	}
}

/* What nobody escaped makes no line either, nor does what is long. */
static void
test_one_line_each(void **state)
{
	char text[3 * LOG_LINE_MAX];

	(void)state;
	log_event(LOG_NORMAL, "one\ntwo\033[2J\x7f");
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(written, " one?two?[2J?\n"));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_event(LOG_NORMAL, "%s", text);
	assert_int_equal(lines(), 2);
	assert_int_equal(written[length - 1], '\n');
}

/* 200 at once, 50 a second after that, and how many were left out. */
static void
test_rate(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		log_event(LOG_NORMAL, "noise");
	assert_int_equal(lines(), 200);
	clock_now.tv_sec++;
	for (i = 0; i < 1000; i++)
		log_event(LOG_NORMAL, "noise");
	assert_int_equal(lines(), 200 + 50 + 1);
	assert_non_null(strstr(written, "log-limited lines=800\n"));
	clock_now.tv_sec += 1000;
	for (i = 0; i < 1000; i++)
		log_event(LOG_NORMAL, "noise");
	assert_int_equal(lines(), 251 + 200 + 1);
	for (i = 0; i < 1000; i++)
		log_event(LOG_VERBOSE, "not even asked for");
	assert_null(strstr(written, "not even"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_escapes, set_up),
		cmocka_unit_test_setup(test_one_line_each, set_up),
		cmocka_unit_test_setup(test_rate, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
