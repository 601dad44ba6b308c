/* SPDX-License-Identifier: ISC */
/*
 * test_forward.c - the words of -L and -W, places from peers, who may
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tool/forward.c"
#include "serve/permit.c"

#define LONG_HOST "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
#define LONG_256 LONG_HOST LONG_HOST LONG_HOST LONG_HOST
#define PATH_107 "/ppppppppppppppppppppppppppppppppppppppppppppppppppp" \
    "ppppppppppppppppppppppppppppppppppppppppppppppppppppppp"

static char error[4096];

/* What is listened on and what is connected to, with "|" between; loopback is
 * empty, all addresses are "*". */
static const char *
parsed(const char *word)
{
	static char out[2 * FORWARD_TEXT_MAX + 2];
	char from[FORWARD_TEXT_MAX], to[FORWARD_TEXT_MAX];
	struct forward forward;

	error[0] = '\0';
	if (forward_parse(&forward, word, error, sizeof(error)) != 0) {
		assert_true(error[0] != '\0');
		return NULL;
	}
	forward_show(&forward.from, from, sizeof(from));
	forward_show(&forward.to, to, sizeof(to));
	snprintf(out, sizeof(out), "%s|%s", from, to);
	return out;
}

static void
test_words(void **state)
{
	static const struct { const char *word, *is; } rows[] = {
		{ "8080:host:80", ":8080|host:80" },
		{ "0:host:80", ":0|host:80" },
		{ "localhost:8080:host:80", "localhost:8080|host:80" },
		{ "127.0.0.1:8080:host:80", "127.0.0.1:8080|host:80" },
		{ "*:8080:host:80", "*:8080|host:80" },
		{ ":8080:host:80", "*:8080|host:80" },
		{ "[]:8080:host:80", "*:8080|host:80" },
		{ "[::1]:8080:[2001:db8::1]:80",
		    "[::1]:8080|[2001:db8::1]:80" },
		{ "8080:[fe80::1%eth0]:80", ":8080|[fe80::1%eth0]:80" },
		{ "8080:[host]:80", ":8080|host:80" },
		{ "8080:/run/sock", ":8080|/run/sock" },
		{ "8080:./sock", ":8080|./sock" },
		{ "h:8080:/run/sock", "h:8080|/run/sock" },
		{ "[::]:8080:/run/sock", "[::]:8080|/run/sock" },
		{ "/tmp/s:host:80", "/tmp/s|host:80" },
		{ "/tmp/s:[::1]:80", "/tmp/s|[::1]:80" },
		{ "/tmp/s:/run/sock", "/tmp/s|/run/sock" },
		{ "/tmp/a\\:b:/run/c\\\\d", "/tmp/a:b|/run/c\\d" },
		{ "[/tmp/a:b]:[/run/c:d]", "/tmp/a:b|/run/c:d" },
		{ "1:h:65535", ":1|h:65535" },
		{ "1:" PATH_107, ":1|" PATH_107 },
		/* not ours, or not any more */
		{ "", NULL }, { "8080", NULL }, { ":", NULL }, { "::", NULL },
		{ ":::", NULL }, { "8080:", NULL }, { "8080:host", NULL },
		{ "8080:host:", NULL }, { "8080::80", NULL },
		{ "8080:host:80:", NULL }, { "a:8080:host:80:x", NULL },
		{ "/tmp/s", NULL }, { "/tmp/s:80", NULL },
		{ "/tmp/s:x:host:80", NULL }, { "/tmp/s:80:/run/x", NULL },
		{ ":/run/x", NULL }, { "::/run/x", NULL },
		{ "8080:/h:80", NULL }, { "8080:::1:80", NULL },
		{ "8080:[::1:80", NULL }, { "8080:[::1]x:80", NULL },
		{ "8080:[::1]80", NULL }, { "[8080:host:80", NULL },
		{ "8080:host:0", NULL }, { "8080:host:65536", NULL },
		{ "65536:host:80", NULL }, { "-1:host:80", NULL },
		{ "8080:host:+80", NULL }, { "8080:host: 80", NULL },
		{ "8080:host:80x", NULL }, { "99999999999:host:80", NULL },
		{ "8080:ho st:80", NULL }, { "8080:host:80\\", NULL },
		{ "8080:ho\nst:80", NULL }, { "8080:h\033[2J:80", NULL },
		{ "8080:/run/\x7f", NULL }, { "8080:host:nosuchservice", NULL },
		{ "1:" LONG_256 ":1", NULL }, { LONG_256 ":1:h:1", NULL },
		{ "1:" PATH_107 "p", NULL }, { PATH_107 "p:h:1", NULL },
		{ LONG_256 LONG_256 LONG_256 LONG_256 LONG_256, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *is = parsed(rows[i].word);

		if ((is == NULL) != (rows[i].is == NULL) ||
		    (is != NULL && strcmp(is, rows[i].is) != 0)) {
			print_error("%s -> %s %s\n", rows[i].word,
			    is == NULL ? "-" : is, error);
			assert_true(0);
		}
	}
}

/* Each beginning of words that are good, and each byte of them replaced. */
static void
test_damaged_words(void **state)
{
	static const char *const words[] = { "[::1]:80:[::2]:81",
		"/a\\:b:[/c]", "a:1:b:2" };
	static const char bytes[] = ":[]\\/ \n0a*";
	char word[32];
	size_t i, k, b;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (k = 0; k < strlen(words[i]); k++) {
			memset(word, 0, sizeof(word));
			memcpy(word, words[i], k);
			parsed(word);
			for (b = 0; b < sizeof(bytes); b++) {
				strcpy(word, words[i]);
				word[k] = bytes[b];
				parsed(word);
			}
		}
	}
}

static void
test_places(void **state)
{
	static const struct { const char *word, *is; } rows[] = {
		{ "host:80", "tcp:host:80" }, { "[::1]:80", "tcp:[::1]:80" },
		{ "/run/s", "unix:/run/s" }, { "[/a:b]", "unix:/a:b" },
		{ "host", NULL }, { "", NULL }, { ":80", NULL },
		{ "::1:80", NULL }, { "a:b:80", NULL }, { "host:0", NULL },
		{ "/a:/b", NULL }, { "/a:80", NULL },
	};
	char text[FORWARD_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct forward_place place, back;
		int result = forward_parse_place(&place, rows[i].word, error,
		    sizeof(error));

		assert_int_equal(result == 0, rows[i].is != NULL);
		if (result != 0)
			continue;
		forward_format(&place, text);
		assert_string_equal(text, rows[i].is);
		assert_int_equal(forward_read(&back, text), 0);
		assert_memory_equal(&place, &back, sizeof(place));
	}
}

/* The longest of each kind fits, and comes back as it was. */
static void
test_longest(void **state)
{
	struct forward_place place = { .port = 65535 }, back;
	uint8_t head[FORWARD_HEAD_MAX];
	char text[FORWARD_TEXT_MAX];

	(void)state;
	memset(place.host, ':', sizeof(place.host) - 1);
	forward_format(&place, text);
	assert_int_equal(strlen(text), 5 + 255 + 1 + 6);
	assert_int_equal(forward_read(&back, text), 0);
	assert_memory_equal(&place, &back, sizeof(place));
	assert_int_equal(forward_head(&place, head), 2 + strlen(text));
	assert_int_equal(head[0] << 8 | head[1], strlen(text));
	assert_memory_equal(head + 2, text, strlen(text));
}

/* What a peer may send. */
static void
test_hostile_places(void **state)
{
	static const char *const texts[] = { "", "tcp:", "tcp::", "tcp::80",
		"tcp:h", "tcp:h:", "tcp:h:0", "tcp:h:65536", "tcp:h:http",
		"tcp:h:80:80", "tcp:[::1:80", "tcp:[]:80", "tcp:[::1]80",
		"tcp:[::1]", "tcp:[", "tcp:h h:80", "tcp:h\n:80",
		"tcp:\033:80", "tcp:h:-1", "tcp:h: 80", "unix:", "udp:h:80",
		"TCP:h:80", "tcp:" LONG_256 ":80", "tcp:[" LONG_256 "]:80",
		"unix:" PATH_107 "p", "h:80" };
	struct forward_place place;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (forward_read(&place, texts[i]) != SJ_ERR_ARGUMENT) {
			print_error("%s is taken\n", texts[i]);
			assert_true(0);
		}
}

static int
allowed(const char *open, const char *word)
{
	struct permit permit = { 0 };
	struct forward_place place;
	const char *why;

	assert_int_equal(permit_open(&permit, open, &why), 0);
	assert_int_equal(forward_parse_place(&place, word, error,
	    sizeof(error)), 0);
	return permit_allows(&permit, &place);
}

static void
test_permit_open(void **state)
{
	static const struct { const char *open, *place; int allowed; } rows[] = {
		{ "any", "h:1", 1 }, { "ANY", "h:1", 1 },
		{ "none", "h:1", 0 }, { "none", "/s", 1 },
		{ "h:1", "h:1", 1 }, { "h:1", "H:1", 1 },
		{ "h:1", "h:2", 0 }, { "h:1", "g:1", 0 },
		{ "h:1", "h.example:1", 0 }, { "h:1", "/s", 1 },
		{ "h:1 g:2", "g:2", 1 }, { " h:1\t g:2 ", "g:2", 1 },
		{ "h:1 g:2", "g:1", 0 }, { "h:*", "h:9", 1 },
		{ "h:*", "g:9", 0 }, { "*:9", "g:9", 1 }, { "*:9", "g:8", 0 },
		{ "*:*", "g:8", 1 }, { "*.example:1", "h.example:1", 0 },
		{ "[::1]:1", "[::1]:1", 1 }, { "[::1]:1", "[::2]:1", 0 },
		/* names are not looked up */
		{ "localhost:1", "127.0.0.1:1", 0 },
		{ "[::1]:1", "[0::1]:1", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (allowed(rows[i].open, rows[i].place) != rows[i].allowed) {
			print_error("%s: %s\n", rows[i].open, rows[i].place);
			assert_true(0);
		}
}

static void
test_permit_refuses_words(void **state)
{
	static const char *const values[] = { "h", ":1", "h:", "h:0",
		"h:65536", "::1:1", "[]:1", "h:1 g", "any h:1",
		LONG_256 ":1" };
	char many[(PERMIT_PLACES_MAX + 1) * 4 + 1] = "";
	struct permit permit;
	const char *why;
	int forbidden;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		why = NULL;
		memset(&permit, 0, sizeof(permit));
		if (permit_open(&permit, values[i], &why) == 0 || why == NULL) {
			print_error("%s is taken\n", values[i]);
			assert_true(0);
		}
	}
	for (i = 0; i < PERMIT_PLACES_MAX; i++)
		strcat(many, "h:1 ");
	memset(&permit, 0, sizeof(permit));
	assert_int_equal(permit_open(&permit, many, &why), 0);
	memset(&permit, 0, sizeof(permit));
	assert_int_equal(permit_open(&permit, strcat(many, "h:1 "), &why),
	    SJ_ERR_ARGUMENT);
	assert_int_equal(permit_switch(&forbidden, "maybe", &why),
	    SJ_ERR_ARGUMENT);
}

static void
test_switches(void **state)
{
	static const struct { const char *word; int forbidden; } rows[] = {
		{ "yes", 0 }, { "Yes", 0 }, { "all", 0 }, { "local", 0 },
		{ "no", 1 }, { "remote", 1 } };
	const struct forward_place tcp = { .host = "h", .port = 1 };
	const struct forward_place path = { .is_path = 1, .path = "/s" };
	struct permit permit;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&permit, 0, sizeof(permit));
		assert_int_equal(permit_switch(&permit.no_tcp, rows[i].word,
		    &why), 0);
		assert_int_equal(permit_allows(&permit, &tcp),
		    !rows[i].forbidden);
		assert_int_equal(permit_allows(&permit, &path), 1);
		memset(&permit, 0, sizeof(permit));
		assert_int_equal(permit_switch(&permit.no_paths, rows[i].word,
		    &why), 0);
		assert_int_equal(permit_allows(&permit, &path),
		    !rows[i].forbidden);
		assert_int_equal(permit_allows(&permit, &tcp), 1);
	}
}

/* Each code of the service has its words. */
static void
test_codes(void **state)
{
	uint64_t code;

	(void)state;
	for (code = FORWARD_FORBIDDEN; code <= FORWARD_NOT_A_PLACE; code++) {
		assert_non_null(forward_cause(code));
		assert_non_null(forward_next(code));
	}
	assert_null(forward_cause(FORWARD_NOT_A_PLACE + 1));
	assert_null(forward_next(0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_damaged_words),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_hostile_places),
		cmocka_unit_test(test_permit_open),
		cmocka_unit_test(test_permit_refuses_words),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
