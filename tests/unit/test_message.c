/* SPDX-License-Identifier: ISC */
/* Messages over a local socket: fields, descriptors, and what is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/message.c"

static struct message out, in;

static void
pair_open(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair), 0);
}

static void
fields_come_back(void **state)
{
	int pair[2];
	size_t length;
	const void *bytes;

	(void)state;
	pair_open(pair);
	message_begin(&out, 9);
	message_put_text(&out, 1, "a text");
	message_put_text(&out, 2, NULL);
	message_put_number(&out, 3, UINT64_MAX - 5);
	message_put(&out, 4, "\0\1\2", 3);
	message_put(&out, 5, NULL, 0);
	assert_int_equal(message_send(pair[0], &out, 0), 0);
	assert_int_equal(message_receive(pair[1], &in, 0), 1);
	assert_int_equal(message_type(&in), 9);
	assert_string_equal(message_text(&in, 1), "a text");
	assert_null(message_text(&in, 2));
	assert_int_equal(message_number(&in, 3, 0), UINT64_MAX - 5);
	assert_int_equal(message_number(&in, 1, 17), 17);
	bytes = message_get(&in, 4, &length);
	assert_int_equal(length, 3);
	assert_memory_equal(bytes, "\0\1\2", 3);
	assert_null(message_text(&in, 4));
	assert_non_null(message_get(&in, 5, &length));
	assert_int_equal(length, 0);
	assert_int_equal(message_receive(pair[1], &in, 0), SJ_AGAIN);
	close(pair[0]);
	assert_int_equal(message_receive(pair[1], &in, 0), 0);
	close(pair[1]);
}

static void
descriptors_come_along(void **state)
{
	int pair[2], ends[2], i;
	char byte;

	(void)state;
	pair_open(pair);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	message_begin(&out, 1);
	for (i = 0; i < MESSAGE_FDS_MAX; i++)
		message_put_fd(&out, ends[1]);
	assert_int_equal(message_send(pair[0], &out, 1), 0);
	close(ends[1]);
	assert_int_equal(message_receive(pair[1], &in, 1), 1);
	assert_int_equal(in.fd_count, MESSAGE_FDS_MAX);
	assert_int_equal(write(in.fds[7], "x", 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	/* all are ours to close: then the pipe is at its end */
	message_drop_fds(&in);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	message_begin(&out, 1);
	for (i = 0; i < MESSAGE_FDS_MAX + 1; i++)
		message_put_fd(&out, ends[0]);
	assert_int_equal(message_send(pair[0], &out, 1), SJ_ERR_TOO_BIG);
	close(ends[0]);
	close(pair[0]);
	close(pair[1]);
}

/* The message counts all the same: who sent it can be told. */
static void
no_descriptor_left(void **state)
{
	struct rlimit limit, less;
	int pair[2], ends[2], room;
	char byte;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (room = 0; room < 2; room++) {
		pair_open(pair);
		assert_int_equal(pipe(ends), 0);
		message_begin(&out, 7);
		message_put_fd(&out, ends[1]);
		message_put_fd(&out, ends[1]);
		assert_int_equal(message_send(pair[0], &out, 1), 0);
		close(ends[1]);
		less = limit;
		less.rlim_cur = (rlim_t)(ends[1] + room);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
		assert_int_equal(message_receive(pair[1], &in, 0), 1);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(message_type(&in), 7);
		assert_int_equal(in.overflow, 1);
		assert_int_equal(in.fd_count, 0);
		/* none is left open */
		assert_int_equal(read(ends[0], &byte, 1), 0);
		close(ends[0]);
		close(pair[0]);
		close(pair[1]);
	}
}

static void
what_is_too_big_is_not_sent(void **state)
{
	static char big[MESSAGE_MAX];
	int pair[2];

	(void)state;
	pair_open(pair);
	message_begin(&out, 1);
	message_put(&out, 1, big, MESSAGE_MAX - 4);
	assert_int_equal(message_send(pair[0], &out, 0), 0);
	message_begin(&out, 1);
	message_put(&out, 1, big, MESSAGE_MAX - 3);
	assert_int_equal(message_send(pair[0], &out, 0), SJ_ERR_TOO_BIG);
	assert_int_equal(message_receive(pair[1], &in, 0), 1);
	assert_int_equal(in.length, MESSAGE_MAX);
	assert_int_equal(message_receive(pair[1], &in, 0), SJ_AGAIN);
	close(pair[0]);
	close(pair[1]);
}

static void
what_is_malformed_is_refused(void **state)
{
	static const struct {
		size_t length;
		uint8_t bytes[8];
	} table[] = {
		{ 2, { 1, 1 } },
		{ 3, { 1, 1, 0 } },
		{ 4, { 1, 1, 0, 1 } },
		{ 6, { 1, 1, 0, 1, 'x', 2 } },
		{ 5, { 1, 1, 255, 255, 0 } },
	};
	static uint8_t huge[MESSAGE_MAX + 1] = { 1 };
	int pair[2];
	size_t i;

	(void)state;
	pair_open(pair);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(send(pair[0], table[i].bytes, table[i].length,
		    0), (ssize_t)table[i].length);
		assert_int_equal(message_receive(pair[1], &in, 0),
		    SJ_ERR_PROTOCOL);
	}
	assert_true(send(pair[0], huge, sizeof(huge), 0) > 0);
	assert_int_equal(message_receive(pair[1], &in, 0), SJ_ERR_PROTOCOL);
	close(pair[0]);
	assert_int_equal(message_send(pair[1], &out, 0), SJ_ERR_TOO_BIG);
	message_begin(&out, 1);
	assert_int_equal(message_send(pair[1], &out, 0), SJ_ERR_ENDED);
	close(pair[1]);
}

static void
a_full_socket_says_again(void **state)
{
	static char big[8000];
	int pair[2], sent = 0, result;

	(void)state;
	pair_open(pair);
	assert_int_equal(message_peer_is_me(pair[0]), 1);
	message_begin(&out, 1);
	message_put(&out, 1, big, sizeof(big));
	while ((result = message_send(pair[0], &out, 0)) == 0)
		assert_true(++sent < 100000);
	assert_int_equal(result, SJ_AGAIN);
	while (sent-- > 0)
		assert_int_equal(message_receive(pair[1], &in, 0), 1);
	assert_int_equal(message_send(pair[0], &out, 0), 0);
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(descriptors_come_along),
		cmocka_unit_test(no_descriptor_left),
		cmocka_unit_test(what_is_too_big_is_not_sent),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(a_full_socket_says_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
