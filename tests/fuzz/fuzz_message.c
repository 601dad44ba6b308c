/* SPDX-License-Identifier: ISC */
/*
 * fuzz_message.c - messages between commands and the agent
 *
 * What recvmsg(2) brings is the input, with descriptors, cut or whole. Each
 * descriptor is closed once or handed on, and every field lies in the message.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define FIRST_FD 1000
#define FDS 12

static struct program program;
static unsigned given, closed[FDS];

static int
fake_close(int fd)
{
	MUST(fd >= FIRST_FD && fd < FIRST_FD + (int)given);
	closed[fd - FIRST_FD]++;
	return 0;
}

static ssize_t
fake_recvmsg(int fd, struct msghdr *header, int flags)
{
	uint8_t how = take_byte(&program);
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	size_t room = (header->msg_controllen - CMSG_LEN(0)) / sizeof(int);
	struct span span;

	MUST(fd == 7 && (flags & MSG_CMSG_CLOEXEC));
	header->msg_flags = how & 32 ? MSG_TRUNC : how & 64 ? MSG_CTRUNC : 0;
	given = (unsigned)min_size((how & 15) % FDS, room);
	if (given > 0) {
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(given * sizeof(int));
		for (unsigned i = 0; i < given; i++) {
			int one = FIRST_FD + (int)i;

			memcpy(CMSG_DATA(control) + i * sizeof one, &one,
			    sizeof one);
		}
		header->msg_controllen = CMSG_SPACE(given * sizeof(int));
	} else {
		header->msg_controllen = 0;
	}
	span = take_span(&program, header->msg_iov[0].iov_len);
	if (span.length > 0)
		memcpy(header->msg_iov[0].iov_base, span.data, span.length);
	return (ssize_t)span.length;
}
#define recvmsg fake_recvmsg
#define close fake_close
#include "tool/message.c"

static void
look(const struct message *message)
{
	const uint8_t *from = message->bytes, *bytes;
	const char *text;
	size_t length = 0;

	for (unsigned field = 0; field < 256; field++) {
		bytes = message_get(message, (uint8_t)field, &length);
		if (bytes != NULL)
			MUST(bytes > from && bytes + length <= from +
			    message->length);
		text = message_text(message, (uint8_t)field);
		if (text != NULL)
			MUST(strlen(text) + 1 == length);
		if (message_number(message, (uint8_t)field, 99) != 99)
			MUST(bytes != NULL && length == 8);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message message;
	int result;

	program = program_of(data, size);
	memset(closed, 0, sizeof closed);
	result = message_receive(7, &message, 0);
	if (result == 1) {
		MUST(message.fd_count == min_size(given, MESSAGE_FDS_MAX));
		look(&message);
		message_drop_fds(&message);
	} else {
		MUST(result == 0 || result == SJ_ERR_PROTOCOL);
	}
	for (unsigned i = 0; i < given; i++)
		MUST(closed[i] == 1);
	return 0;
}
