/* SPDX-License-Identifier: ISC */
/* JSON, targets, what is shown of a peer, and the loop's promises about
 * callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#undef fail                          /* target.c has one of its own */
#include "tool/json.c"
#include "tool/loop.c"
#include "tool/printable.c"
#include "tool/target.c"

/* --- JSON -------------------------------------------------------------- */

static void
json_escapes(void **state)
{
	char line[512], back[64];
	FILE *file = fmemopen(line, sizeof(line), "w");
	struct json json;
	uint64_t number;

	(void)state;
	json_begin(&json, file);
	json_text(&json, "a", "q\"b\\c\n\x1b\x7f");
	json_text(&json, "u", "\xc3\xa9\xf0\x9f\x98\x80");
	json_text(&json, "bad", "\xff\xc0\x80\xed\xa0\x80");
	json_text(&json, "none", NULL);
	json_number(&json, "n", UINT64_MAX);
	json_bool(&json, "t", 1);
	json_end(&json);
	fclose(file);
	assert_string_equal(line, "{\"a\":\"q\\\"b\\\\c\\u000a\\u001b\\u007f\","
	    "\"u\":\"\\u00e9\\ud83d\\ude00\","
	    "\"bad\":\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\","
	    "\"none\":null,\"n\":18446744073709551615,\"t\":true}\n");
	assert_int_equal(json_find_text(line, "a", back, sizeof(back)), 1);
	assert_string_equal(back, "q\"b\\c\n\x1b\x7f");
	assert_int_equal(json_find_text(line, "u", back, sizeof(back)), 1);
	assert_string_equal(back, "\xc3\xa9\xf0\x9f\x98\x80");
	assert_int_equal(json_find_text(line, "u", back, 6), 0);
	assert_int_equal(json_find_text(line, "none", back, 64), 0);
	assert_int_equal(json_find_number(line, "n", &number), 1);
	assert_true(number == UINT64_MAX);
}

static void
json_refuses(void **state)
{
	static const char *const table[] = {
		"", "{", "{\"a", "{\"a\"", "{\"a\":", "[\"a\"]",
		"{\"x\":[1],\"a\":\"b\"}", "{\"x\":{\"a\":\"b\"}}",
		"{\"a\":\"b", "{\"a\":\"\\", "{\"a\":\"\\u00\"}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\x\"}", "{\"a\":\"\n\"}", "{\"a\":1}",
	};
	char out[16];
	uint64_t number;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(json_find_text(table[i], "a", out,
		    sizeof(out)), 0);
	assert_int_equal(json_find_number("{\"a\":18446744073709551616}", "a",
	    &number), 0);
	assert_int_equal(json_find_number("{\"a\":-1}", "a", &number), 0);
	assert_int_equal(json_find_number("{\"a\":1.5}", "a", &number), 0);
}

/* --- targets ----------------------------------------------------------- */

static void
targets(void **state)
{
	static const struct {
		const char *text, *form; /* NULL: refused */
	} table[] = {
		{ "a@host", "a@host:7531" },
		{ "a@Host:22/app", "a@host:22/app" },
		{ "a@b@host", "a@b@host:7531" },
		{ "a@[::1]", "a@[::1]:7531" },
		{ "a@[FE80::1]:9/x/y", "a@[fe80::1]:9/x/y" },
		{ "a@host/", "a@host:7531" },
		{ "a@host/p@q", "a@host:7531/p@q" },
		{ "a@", NULL }, { "@h", NULL }, { "a@h:", NULL },
		{ "a@h:0", NULL }, { "a@h:65536", NULL }, { "a@h:1x", NULL },
		{ "a@::1", NULL }, { "a@[::1", NULL }, { "a@[]", NULL },
		{ "a@[::1]9", NULL }, { "a@h h", NULL }, { "a@h\n", NULL },
		{ "a@h/b\033", NULL }, { "", NULL },
	};
	struct target target;
	char form[TARGET_MAX], error[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int result = target_parse(&target, table[i].text, error,
		    sizeof(error));

		if (table[i].form == NULL) {
			assert_int_equal(result, SJ_ERR_ARGUMENT);
			continue;
		}
		assert_int_equal(result, 0);
		target_format(&target, form, sizeof(form));
		assert_string_equal(form, table[i].form);
	}
	assert_int_equal(target_parse(&target, "h", error, sizeof(error)), 0);
	assert_true(target.user[0] != '\0');
}

/* --- loop -------------------------------------------------------------- */

static struct loop *loop;
static struct loop_watch first, second;
static int calls, turns, order[4], orders;

static void
remove_both(struct loop_watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	calls++;
	loop_watch(loop, &first, 0);
	loop_watch(loop, &second, 0);
	memset(&first, 0xee, sizeof(first));
	memset(&second, 0xee, sizeof(second));
}

static void
a_removed_watch_is_not_called(void **state)
{
	int one = eventfd(1, EFD_CLOEXEC), two = eventfd(1, EFD_CLOEXEC);

	(void)state;
	loop = loop_open();
	first = (struct loop_watch){ .fd = one, .call = remove_both };
	second = (struct loop_watch){ .fd = two, .call = remove_both };
	assert_int_equal(loop_watch(loop, &first, EPOLLIN), 0);
	assert_int_equal(loop_watch(loop, &second, EPOLLIN), 0);
	assert_int_equal(loop_once(loop), 0);
	assert_int_equal(calls, 1);
	close(one);
	close(two);
	loop_close(loop);
}

static void
turn_again(struct loop_turn *turn)
{
	turns++;
	loop_turn(loop, turn);
}

static void
note(struct loop_timer *timer)
{
	order[orders++] = *(int *)timer->data;
}

static void
turns_and_timers(void **state)
{
	static int numbers[3] = { 0, 1, 2 };
	struct loop_timer timers[3];
	struct loop_turn turn = { .call = turn_again };
	int i;

	(void)state;
	loop = loop_open();
	loop_turn(loop, &turn);
	loop_turn(loop, &turn);
	assert_int_equal(loop_once(loop), 0);
	assert_int_equal(turns, 1);
	assert_int_equal(loop_once(loop), 0);
	assert_int_equal(turns, 2);
	loop_turn_cancel(loop, &turn);
	memset(timers, 0, sizeof(timers));
	for (i = 0; i < 3; i++) {
		timers[i].call = note;
		timers[i].data = &numbers[i];
	}
	loop_timer(loop, &timers[0], 20);
	loop_timer(loop, &timers[1], 1);
	loop_timer(loop, &timers[2], 10);
	loop_timer_stop(loop, &timers[2]);
	while (orders < 2)
		assert_int_equal(loop_once(loop), 0);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 0);
	assert_int_equal(turns, 2);
	loop_close(loop);
}

/* --- What a peer has a say in ------------------------------------------ */

static void
what_is_shown(void **state)
{
	static const struct { const char *text, *shown; } table[] = {
		{ "", "" }, { "a b~", "a b~" }, { "\xc3\xa4", "\xc3\xa4" },
		{ "\x1b[2J", "\\x1b[2J" }, { "a\nb\tc", "a\\x0ab\\x09c" },
		{ "\x7f", "\\x7f" }, { "\x01", "\\x01" },
		{ "\xc2\x9b" "2J", "\\xc2\\x9b2J" },
		{ "\xc2\xa0", "\xc2\xa0" },
	};
	char shown[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(printable(table[i].text, shown,
		    sizeof(shown)), table[i].shown);
	/* cut, and never in the middle of an escape */
	for (i = 1; i < 24; i++) {
		memset(shown, 'X', sizeof(shown));
		printable("\033\033\033\033", shown, i);
		assert_true(strlen(shown) < i && strlen(shown) % 4 == 0);
		assert_int_equal(shown[i], 'X');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_escapes),
		cmocka_unit_test(json_refuses),
		cmocka_unit_test(targets),
		cmocka_unit_test(what_is_shown),
		cmocka_unit_test(a_removed_watch_is_not_called),
		cmocka_unit_test(turns_and_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
