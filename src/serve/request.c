/* SPDX-License-Identifier: ISC */
/*
 * serve/request.c - packets with descriptors between the server's processes
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sojourn.h>

#include "serve/request.h"

#define DESCRIPTORS_MAX 2

int
request_send(int fd, const void *bytes, size_t length, const int *descriptors,
    size_t descriptor_count, int wait_ms)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = (void *)(uintptr_t)bytes,
		.iov_len = length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	if (descriptor_count > DESCRIPTORS_MAX)
		return SJ_ERR_ARGUMENT;
	if (descriptor_count > 0) {
		size_t size = descriptor_count * sizeof(int);
		struct cmsghdr *head;

		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(size);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(head), descriptors, size);
	}
	for (;;) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };

		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		/* not waited for: they may be on their way to us */
		if (errno == ETOOMANYREFS)
			return SJ_ERR_LIMIT;
		if (errno != EAGAIN)
			return SJ_ERR_ENDED;
		if (wait_ms == 0)
			return SJ_AGAIN;
		if (poll(&room, 1, wait_ms) <= 0)
			wait_ms = 0; /* one last try */
	}
}

static void
take_descriptors(struct msghdr *message, int descriptors[2], size_t *count)
{
	struct cmsghdr *head;

	for (head = CMSG_FIRSTHDR(message); head != NULL;
	    head = CMSG_NXTHDR(message, head)) {
		size_t i, n;

		if (head->cmsg_level != SOL_SOCKET ||
		    head->cmsg_type != SCM_RIGHTS)
			continue;
		n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int),
			    sizeof(fd));
			if (count != NULL && *count < DESCRIPTORS_MAX)
				descriptors[(*count)++] = fd;
			else
				close(fd);
		}
	}
}

ptrdiff_t
request_receive(int fd, void *bytes, size_t capacity, int descriptors[2],
    size_t *descriptor_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = bytes, .iov_len = capacity };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t length;

	if (descriptor_count != NULL)
		*descriptor_count = 0;
	do {
		length = recvmsg(fd, &message,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return errno == EAGAIN ? SJ_AGAIN : 0;
	take_descriptors(&message, descriptors, descriptor_count);
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return length;
	/* fewer than there was room for: this process can have no more */
	if ((message.msg_flags & MSG_TRUNC) != 0 || descriptor_count == NULL ||
	    *descriptor_count == DESCRIPTORS_MAX)
		length = SJ_ERR_PROTOCOL;
	while (descriptor_count != NULL && *descriptor_count > 0)
		close(descriptors[--*descriptor_count]);
	return length;
}

int
request_string_ok(const char *string, size_t capacity)
{
	return memchr(string, '\0', capacity) != NULL;
}
