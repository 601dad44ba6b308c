/* SPDX-License-Identifier: ISC */
/*
 * test_request.c - packets between net and monitor, hostile ones too
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "serve/request.c"
#include "serve/store_relay.c"

static int pair[2];

static int
set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int
tear_down(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* The lowest free descriptor: the same again if nothing was left open. */
static int
lowest(void)
{
	int fd = dup(pair[0]);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void
test_packets_and_descriptors(void **state)
{
	int given[2], taken[2], before = lowest();
	size_t count;
	char bytes[8];

	(void)state;
	given[0] = given[1] = pair[0];
	assert_int_equal(request_send(pair[0], "abc", 3, given, 2, 0), 0);
	assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes), taken,
	    &count), 3);
	assert_int_equal(count, 2);
	assert_true(fcntl(taken[0], F_GETFD) & FD_CLOEXEC);
	close(taken[0]);
	close(taken[1]);
	assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes), taken,
	    &count), SJ_AGAIN);
	/* nobody wants them: closed */
	assert_int_equal(request_send(pair[0], "abc", 3, given, 2, 0), 0);
	assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes), NULL,
	    NULL), 3);
	assert_int_equal(lowest(), before);
	assert_int_equal(request_send(pair[0], "abc", 3, given, 3, 0),
	    SJ_ERR_ARGUMENT);
}

static void
test_what_does_not_fit(void **state)
{
	int given[2], taken[2], before = lowest();
	size_t count = 7;
	char bytes[8];

	(void)state;
	given[0] = given[1] = pair[0];
	assert_int_equal(request_send(pair[0], "123456789", 9, given, 2, 0), 0);
	assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes), taken,
	    &count), SJ_ERR_PROTOCOL);
	assert_int_equal(count, 0);
	assert_int_equal(lowest(), before);
}

static void
test_more_descriptors_than_allowed(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(20 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int before = lowest(), taken[2], i;
	size_t count;
	char bytes[8];

	(void)state;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(20 * sizeof(int));
	for (i = 0; i < 20; i++)
		memcpy(CMSG_DATA(head) + (size_t)i * sizeof(int), &pair[0],
		    sizeof(int));
	assert_int_equal(sendmsg(pair[0], &message, 0), 1);
	assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes), taken,
	    &count), SJ_ERR_PROTOCOL);
	assert_int_equal(count, 0);
	assert_int_equal(lowest(), before);
}

/* The packet counts all the same: who waits for it can be told. */
static void
test_no_descriptor_left(void **state)
{
	int given[2], taken[2], before = lowest(), room;
	struct rlimit limit, less;
	size_t count;
	char bytes[8];

	(void)state;
	given[0] = given[1] = pair[0];
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (room = 0; room < 2; room++) {
		assert_int_equal(request_send(pair[0], "abc", 3, given, 2, 0),
		    0);
		count = 7;
		less = limit;
		less.rlim_cur = (rlim_t)(before + room);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
		assert_int_equal(request_receive(pair[1], bytes, sizeof(bytes),
		    taken, &count), 3);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(count, 0);
		assert_int_equal(lowest(), before);
	}
}

static void
test_the_other_end(void **state)
{
	static char big[100000];
	int result, rounds = 0;
	char bytes[8];

	(void)state;
	/* one that does not read: no room, and no wait without end */
	do
		result = request_send(pair[0], big, sizeof(big), NULL, 0, 0);
	while (result == 0 && ++rounds < 1000);
	assert_int_equal(result, SJ_AGAIN);
	assert_int_equal(request_send(pair[0], big, sizeof(big), NULL, 0, 10),
	    SJ_AGAIN);
	/* one that is gone */
	close(pair[1]);
	assert_int_equal(request_send(pair[0], "x", 1, NULL, 0, 1000),
	    SJ_ERR_ENDED);
	assert_int_equal(request_receive(pair[0], bytes, sizeof(bytes), NULL,
	    NULL), 0);
	pair[1] = dup(pair[0]);
}

static void
test_strings(void **state)
{
	(void)state;
	assert_int_equal(request_string_ok("abc", 4), 1);
	assert_int_equal(request_string_ok("abc", 3), 0);
	assert_int_equal(request_string_ok("", 1), 1);
}

/* --- store_relay.c: what net may send as a store request ---------------- */

void
log_event(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static int
relay_one(const struct store_head *head, size_t length)
{
	unsigned char bytes[STORE_MESSAGE_MAX] = { 0 };
	struct store_relay relay;
	int result;

	memcpy(bytes, head, sizeof(*head));
	assert_int_equal(request_send(pair[0], bytes, length, NULL, 0, 0), 0);
	assert_int_equal(store_relay_init(&relay, dup(pair[1]),
	    sj_store_memory()), 0);
	result = store_relay_work(&relay);
	store_relay_fini(&relay);
	return result;
}

static void
test_store_requests(void **state)
{
	const size_t size = sizeof(struct store_head);
	struct store_head head = { .operation = SJ_STORE_GET,
		.key_length = 8, .prefix_length = 8 };

	(void)state;
	assert_int_equal(relay_one(&head, size + 8), 0);
	assert_int_equal(relay_one(&head, size + 9), SJ_ERR_PROTOCOL);
	assert_int_equal(relay_one(&head, size + 7), SJ_ERR_PROTOCOL);
	assert_int_equal(relay_one(&head, size - 1), SJ_ERR_PROTOCOL);
	head.prefix_length = 9;
	assert_int_equal(relay_one(&head, size + 8), SJ_ERR_PROTOCOL);
	head.prefix_length = 0;
	head.operation = 0xffffffff;
	assert_int_equal(relay_one(&head, size + 8), SJ_ERR_PROTOCOL);
	head.operation = SJ_STORE_GET;
	head.key_length = STORE_KEY_MAX + 1;
	assert_int_equal(relay_one(&head, size + STORE_KEY_MAX + 1),
	    SJ_ERR_PROTOCOL);
	head.key_length = 8;
	head.value_length = 0xffffffff - 7;
	assert_int_equal(relay_one(&head, size), SJ_ERR_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packets_and_descriptors,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_does_not_fit,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_more_descriptors_than_allowed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_descriptor_left,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_other_end, set_up,
		    tear_down),
		cmocka_unit_test(test_strings),
		cmocka_unit_test_setup_teardown(test_store_requests, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
