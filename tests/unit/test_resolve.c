/* SPDX-License-Identifier: ISC */
/* test_resolve.c - names that need no server: numbers and localhost */
#include <poll.h>

#include "unit.h"

#include "io/resolve.c"

static void
look(const char *host, uint16_t port, struct resolved *result)
{
	int fd = resolve_start(host, port);
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(poll(&wait, 1, 10000), 1);
	/* Whole, and then the end. */
	assert_int_equal(read(fd, result, sizeof *result), sizeof *result);
	assert_int_equal(read(fd, result, 0), 0);
	close(fd);
}

static void
numbers(void **state)
{
	static const struct { const char *host; uint8_t first, last; } table[] =
	    { { "127.0.0.1", 0, 1 }, { "192.0.2.200", 0, 200 },
	    { "::1", 0, 1 }, { "2001:db8::9", 0x20, 9 } };
	struct resolved result;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		look(table[i].host, 7531, &result);
		assert_int_equal(result.error, 0);
		assert_int_equal(result.count, 1);
		assert_int_equal(result.addresses[0].ip[0], table[i].first);
		assert_int_equal(result.addresses[0].ip[15], table[i].last);
		assert_int_equal(result.addresses[0].port, 7531);
	}
}

static void
localhost(void **state)
{
	struct resolved result;

	(void)state;
	look("localhost", 65535, &result);
	assert_int_equal(result.error, 0);
	assert_in_range(result.count, 1, RESOLVE_ADDRESSES);
	for (int i = 0; i < result.count; i++) {
		assert_int_equal(result.addresses[i].ip[15], 1);
		assert_int_equal(result.addresses[i].port, 65535);
	}
}

static void
nonsense(void **state)
{
	struct resolved result;
	char name[300];

	(void)state;
	look("not a name", 1, &result);
	assert_int_not_equal(result.error, 0);
	assert_int_equal(result.count, 0);
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	errno = 0;
	assert_int_equal(resolve_start(name, 1), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

/* Who does not wait for the answer is not killed by it. */
static void
abandoned(void **state)
{
	struct resolved result;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		int fd = resolve_start("127.0.0.1", 1);

		assert_true(fd >= 0);
		close(fd);
	}
	look("127.0.0.1", 1, &result);
	assert_int_equal(result.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(localhost),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
