/* SPDX-License-Identifier: ISC */
/*
 * test_options.c - the server's configuration: nothing is ignored
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef fail                          /* options.c has one of its own */
#include "serve/options.c"
#include "tool/forward.c"
#include "serve/permit.c"

static struct serve_options options;
static char error[1024];

static int
read_text(const char *text)
{
	char path[] = "/tmp/options.XXXXXX";
	int fd = mkstemp(path), result;
	size_t i, k;

	/* of the file before */
	for (i = 0; i < SERVE_SERVICES_MAX; i++)
		for (k = 0; k < SERVE_WORDS_MAX; k++)
			free(options.services[i].words[k]);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(&options, 0, sizeof(options));
	strcpy(options.home, "/home/x");
	error[0] = '\0';
	result = serve_options_file(&options, path, error, sizeof(error));
	unlink(path);
	return result;
}

static void
test_files(void **state)
{
	static const struct {
		const char *text, *says; /* NULL: is taken */
	} rows[] = {
		{ "", NULL },
		{ "# only a comment\n\n   \t\n", NULL },
		{ "listen 7531   # udp\n", NULL },
		{ "LISTEN 127.0.0.1:0\r\n", NULL },
		{ "Listen 7531 443\n", ":1: 7531 443: an address is" },
		{ "Listen 1\nListen 2\n", ":2: Listen: given more than once" },
		{ "Store a\nstore b\n", ":2: Store: given more than once" },
		{ "Listen\n", ":1: Listen: a value is missing" },
		{ "Listen   # nothing\n", ":1: Listen: a value is missing" },
		{ "Listen 70000\n", ":1: 70000: " },
		{ "Listen ::1:x\n", ":1: ::1:x: " },
		{ "Name server.example\nName ::1\n", NULL },
		{ "Name a,b\n", ":1: a,b: a name is" },
		{ "Name user@host\n", ":1: user@host: a name is" },
		{ "Name [::1]\n", ":1: [::1]: a name is" },
		{ "Name\n", ":1: Name: a value is missing" },
		{ "Frobnicate yes\n", ":1: Frobnicate: unknown keyword" },
		{ "\nMatch User x\n", ":2: Match: unknown keyword" },
		{ "SessionIdleLimit 30d\n", NULL },
		{ "SessionIdleLimit 30dd\n", ":1: 30dd: not a time" },
		{ "SessionIdleLimit 0\n", ":1: 0: not a time" },
		{ "SessionIdleLimit -1\n", ":1: -1: not a time" },
		{ "SessionLifetime 99999999999999999999d\n", "not a time" },
		{ "SessionLifetime 4294967296\n", "not a time" },
		{ "Service a exec:/bin/sh -c true # why\n", NULL },
		{ "Service a=exec:/bin/sh\nService a=exec:/bin/sh\n",
		    ":2: a: given more than once" },
		{ "Service a=tcp:127.0.0.1:80\n", "not built yet" },
		{ "Service a=/bin/sh\n", "a service is NAME=exec:PROGRAM" },
		{ "Service a/b=exec:/bin/sh\n", "a name is made of" },
		{ "Service sojourn-x=exec:/bin/sh\n", "the server's own" },
		{ "Service files exec:/bin/sh\n", "the server's own" },
		{ "Service a exec:/nonexistent\n", "/nonexistent: " },
		{ "Service a exec:/etc\n", "not an executable file" },
		{ "Service a exec:\n", "no program" },
		{ "Service connect exec:/bin/sh\n", "the server's own" },
		{ "permitopen h:1 [::1]:* *:80 # and no more\n", NULL },
		{ "PermitOpen any\nAllowTcpForwarding no\n"
		    "AllowStreamLocalForwarding local\n", NULL },
		{ "PermitOpen h:1\nPermitOpen h:2\n",
		    ":2: PermitOpen: given more than once" },
		{ "PermitOpen h\n", ":1: h: places are HOST:PORT" },
		{ "PermitOpen\n", ":1: PermitOpen: a value is missing" },
		{ "AllowTcpForwarding maybe\n", ":1: maybe: not yes, no" },
		{ "AllowTcpForwarding no yes\n", ":1: no yes: not yes, no" },
		{ "AllowStreamLocalForwarding none\n", ":1: none: not yes" },
		{ "AllowTcpForwarding no\nallowtcpforwarding yes\n",
		    ":2: AllowTcpForwarding: given more than once" },
		{ "Service a exec:/bin/sh 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 "
		    "16\n", "too many words" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int result = read_text(rows[i].text);

		if ((result == 0) != (rows[i].says == NULL) ||
		    (result != 0 && strstr(error, rows[i].says) == NULL)) {
			print_error("%s-> %d %s\n", rows[i].text, result,
			    error);
			assert_true(0);
		}
	}
}

static void
test_values(void **state)
{
	(void)state;
	assert_int_equal(read_text("Listen 80\nSessionIdleLimit 2h\n"
	    "HostKey ~/k\nStore /s\nService a exec:/bin/sh  -c  x # y\n"), 0);
	assert_string_equal(options.listen, "[::]:80");
	assert_int_equal(options.idle_limit_s, 7200);
	assert_string_equal(options.host_key, "/home/x/k");
	assert_string_equal(options.store, "/s");
	assert_int_equal(options.service_count, 1);
	assert_string_equal(options.services[0].words[1], "-c");
	assert_string_equal(options.services[0].words[2], "x");
	assert_null(options.services[0].words[3]);
	assert_int_equal(read_text(""), 0);
	assert_int_equal(options.permit.no_tcp || options.permit.no_paths ||
	    options.permit.only_listed, 0);
	assert_int_equal(read_text("AllowTcpForwarding remote\n"
	    "PermitOpen h:1 g:*\n"), 0);
	assert_int_equal(options.permit.no_tcp, 1);
	assert_int_equal(options.permit.no_paths, 0);
	assert_int_equal(options.permit.count, 2);
}

/* A directory, and a file that is not there: errors, not empty files. */
static void
test_no_files(void **state)
{
	(void)state;
	assert_int_equal(read_text(""), 0);
	assert_true(serve_options_file(&options, "/tmp", error,
	    sizeof(error)) < 0);
	assert_non_null(strstr(error, "/tmp:"));
	assert_true(serve_options_file(&options, "/nonexistent", error,
	    sizeof(error)) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
