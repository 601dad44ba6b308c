/* SPDX-License-Identifier: ISC */
/*
 * tool/message.c - see message.h
 *
 * bytes[0] is the type; fields follow. What comes is walked through once on
 * arrival, so that the getters need no checks.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sojourn.h>

#include "tool/message.h"

#define FIELD_HEADER 3

void
message_begin(struct message *message, uint8_t type)
{
	message->length = 1;
	message->fd_count = 0;
	message->overflow = 0;
	message->bytes[0] = type;
}

uint8_t
message_type(const struct message *message)
{
	return message->bytes[0];
}

void
message_put(struct message *message, uint8_t field, const void *bytes,
    size_t length)
{
	uint8_t *out = message->bytes + message->length;

	if (length > UINT16_MAX || message->overflow ||
	    MESSAGE_MAX - message->length < FIELD_HEADER + length) {
		message->overflow = 1;
		return;
	}
	out[0] = field;
	out[1] = (uint8_t)(length >> 8);
	out[2] = (uint8_t)length;
	if (length > 0)
		memcpy(out + FIELD_HEADER, bytes, length);
	message->length += FIELD_HEADER + length;
}

void
message_put_text(struct message *message, uint8_t field, const char *text)
{
	if (text != NULL)
		message_put(message, field, text, strlen(text) + 1);
}

void
message_put_number(struct message *message, uint8_t field, uint64_t number)
{
	uint8_t bytes[8];
	int i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	message_put(message, field, bytes, sizeof(bytes));
}

void
message_put_fd(struct message *message, int fd)
{
	if (message->fd_count == MESSAGE_FDS_MAX) {
		message->overflow = 1;
		return;
	}
	message->fds[message->fd_count++] = fd;
}

const void *
message_get(const struct message *message, uint8_t field, size_t *length)
{
	size_t at = 1;

	while (at < message->length) {
		const uint8_t *here = message->bytes + at;
		size_t size = (size_t)here[1] << 8 | here[2];

		if (here[0] == field) {
			*length = size;
			return here + FIELD_HEADER;
		}
		at += FIELD_HEADER + size;
	}
	return NULL;
}

const char *
message_text(const struct message *message, uint8_t field)
{
	size_t length;
	const char *text = message_get(message, field, &length);

	if (text == NULL || length == 0 ||
	    memchr(text, 0, length) != text + length - 1)
		return NULL;
	return text;
}

uint64_t
message_number(const struct message *message, uint8_t field,
    uint64_t otherwise)
{
	size_t length, i;
	const uint8_t *bytes = message_get(message, field, &length);
	uint64_t number = 0;

	if (bytes == NULL || length != 8)
		return otherwise;
	for (i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}

static int
is_well_formed(const struct message *message)
{
	size_t at = 1;

	if (message->length == 0)
		return 0;
	while (at < message->length) {
		const uint8_t *here = message->bytes + at;

		if (message->length - at < FIELD_HEADER)
			return 0;
		at += FIELD_HEADER + ((size_t)here[1] << 8 | here[2]);
		if (at > message->length)
			return 0;
	}
	return 1;
}

int
message_send(int fd, const struct message *message, int wait)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = {
		.iov_base = (void *)(uintptr_t)message->bytes,
		.iov_len = message->length
	};
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (message->overflow)
		return SJ_ERR_TOO_BIG;
	if (message->fd_count > 0) {
		size_t size = message->fd_count * sizeof(int);
		struct cmsghdr *first;

		memset(&control, 0, sizeof(control));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(size);
		first = CMSG_FIRSTHDR(&header);
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(first), message->fds, size);
	}
	for (;;) {
		struct pollfd later = { .fd = fd, .events = POLLOUT };

		if (sendmsg(fd, &header, MSG_NOSIGNAL |
		    (wait ? 0 : MSG_DONTWAIT)) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == ETOOMANYREFS && wait) {
			/* too many descriptors on their way: the reader is slow */
			poll(NULL, 0, 5);
			continue;
		}
		if (errno != EAGAIN && errno != ENOBUFS &&
		    errno != ETOOMANYREFS)
			return SJ_ERR_ENDED;
		if (!wait)
			return SJ_AGAIN;
		poll(&later, 1, 100);
	}
}

static void
take_fds(struct message *message, struct msghdr *header)
{
	struct cmsghdr *each;

	for (each = CMSG_FIRSTHDR(header); each != NULL;
	    each = CMSG_NXTHDR(header, each)) {
		size_t count, i;

		if (each->cmsg_level != SOL_SOCKET ||
		    each->cmsg_type != SCM_RIGHTS)
			continue;
		count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(each) + i * sizeof(int),
			    sizeof(fd));
			if (message->fd_count < MESSAGE_FDS_MAX)
				message->fds[message->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

int
message_receive(int fd, struct message *message, int wait)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = message->bytes,
		.iov_len = sizeof(message->bytes) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	message->length = 0;
	message->fd_count = 0;
	message->overflow = 0;
	do {
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC |
		    (wait ? 0 : MSG_DONTWAIT));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? SJ_AGAIN : SJ_ERR_ENDED;
	take_fds(message, &header);
	if (n == 0) {
		message_drop_fds(message);
		return 0;
	}
	message->length = (size_t)n;
	/* fewer than there was room for: this process can have no more */
	if ((header.msg_flags & MSG_CTRUNC) != 0 &&
	    message->fd_count < MESSAGE_FDS_MAX) {
		message_drop_fds(message);
		message->overflow = 1;
	} else if ((header.msg_flags & MSG_CTRUNC) != 0) {
		message->length = 0;
	}
	if ((header.msg_flags & MSG_TRUNC) != 0 || !is_well_formed(message)) {
		message_drop_fds(message);
		return SJ_ERR_PROTOCOL;
	}
	return 1;
}

void
message_drop_fds(struct message *message)
{
	size_t i;

	for (i = 0; i < message->fd_count; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->fd_count = 0;
}

int
message_peer_is_me(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	    peer.uid == geteuid();
}
